/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The points at which something once went wrong. They are named by case and
 * call site, since numbers change with every change to the library, and all
 * that fit are run each time.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "points.h"

typedef void each_fn(const char *what, void *user);

static void each_line(const char *path, const rig_case *one, each_fn *fn,
                      void *user)
{
    char line[256];
    FILE *file = fopen(path, "re");
    if (!file) {
        fprintf(stderr, "tenon-sweep: cannot read %s\n", path);
        exit(2);
    }
    while (fgets(line, sizeof line, file)) {
        char *what = strchr(line, ' ');
        line[strcspn(line, "\n")] = '\0';
        if (line[0] == '#' || !what) {
            continue;
        }
        *what++ = '\0';
        if (strcmp(line, one->id) == 0) {
            fn(what, user);
        }
    }
    fclose(file);
}

static void mark(const char *what, void *user)
{
    (void)what;
    *(bool *)user = true;
}

bool sweep_is_kept(const char *path, const rig_case *one)
{
    bool kept = false;
    each_line(path, one, mark, &kept);
    return kept;
}

struct adding {
    sweep_points *all;
    const rig_case *one;
};

static void add(const char *what, void *user)
{
    struct adding *adding = user;
    if (strcmp(what, "allocations") == 0) {
        sweep_add_allocations(adding->all, adding->one);
        return;
    }
    int site = sweep_site_named(what);
    if (sweep_seen->calls[site] == 0) {
        fprintf(stderr, "tenon-sweep: %s does not reach %s\n", adding->one->id,
                what);
        exit(2);
    }
    sweep_add_site(adding->all, adding->one, site, sweep_seen->calls[site]);
}

void sweep_add_kept(sweep_points *all, const char *path, const rig_case *one)
{
    struct adding adding = {all, one};
    each_line(path, one, add, &adding);
}
