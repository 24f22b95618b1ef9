/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Which call sites were reached. An exception is a line "FUNCTION CALL:
 * reason".
 */

#include "table.h"

#include <stdio.h>
#include <string.h>

#include "fault.h"

static uint64_t calls[SITES_MAX];
static uint64_t cases[SITES_MAX];
static bool excused[SITES_MAX];

void sweep_table_add(void)
{
    for (size_t i = 0; i < sweep_map.count; i++) {
        calls[i] += sweep_seen->calls[i];
        cases[i] += sweep_seen->calls[i] > 0;
    }
}

static bool excuse(char *line)
{
    char *reason = strstr(line, ": ");
    if (line[0] == '#' || line[0] == '\n') {
        return true;
    }
    if (!reason) {
        printf("not ok an exception without a reason: %s", line);
        return false;
    }
    *reason = '\0';
    for (size_t i = 0; i < sweep_map.count; i++) {
        if (strcmp(sweep_map.sites[i].name, line) == 0) {
            excused[i] = true;
            if (calls[i]) {
                printf("not ok %s was reached, and is an exception\n", line);
            }
            return calls[i] == 0;
        }
    }
    printf("not ok %s is an exception, and no call site\n", line);
    return false;
}

static bool read_exceptions(const char *path)
{
    char line[256];
    bool good = true;
    FILE *file = fopen(path, "re");
    if (!file) {
        printf("not ok cannot read %s\n", path);
        return false;
    }
    while (fgets(line, sizeof line, file)) {
        good = excuse(line) && good;
    }
    fclose(file);
    return good;
}

static bool check_site(size_t i, FILE *out)
{
    const sweep_site *site = &sweep_map.sites[i];
    bool known = sweep_faults_of(site->call) != NULL;
    bool reached = calls[i] > 0 || excused[i];
    fprintf(out, "%-44s %-28s %8llu calls %5llu cases%s\n", site->name,
            site->where, (unsigned long long)calls[i],
            (unsigned long long)cases[i], excused[i] ? " (excused)" : "");
    if (!known) {
        printf("not ok %s: tests/sweep/errors.c has no line for it\n",
               site->name);
    }
    if (!reached) {
        printf("not ok %s (%s) was never reached\n", site->name, site->where);
    }
    return known && reached;
}

bool sweep_table_check(const char *exceptions, const char *path)
{
    size_t reached = 0;
    bool good = read_exceptions(exceptions);
    FILE *out = fopen(path, "we");
    if (!out) {
        printf("not ok cannot write %s\n", path);
        return false;
    }
    for (size_t i = 0; i < sweep_map.count; i++) {
        good = check_site(i, out) && good;
        reached += calls[i] > 0;
    }
    fclose(out);
    printf("%zu of %zu call sites reached; the list is in %s\n", reached,
           sweep_map.count, path);
    return good;
}
