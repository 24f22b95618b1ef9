/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The ledger of descriptors, from /proc/self/fd: a number that is open at the
 * end and was not at the beginning has leaked, and one that has gone was
 * closed by somebody whose it was not.
 */

#include "harness.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void look(harness_fds *fds)
{
    memset(fds, 0, sizeof *fds);
    DIR *dir = opendir("/proc/self/fd");
    if (!dir) {
        harness_fail(__FILE__, __LINE__, "no /proc/self/fd to look at");
    }
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        char *end;
        long fd = strtol(entry->d_name, &end, 10);
        if (*end || fd < 0 || fd >= HARNESS_FDS || fd == dirfd(dir)) {
            continue;
        }
        fds->open[fd] = 1;
    }
    closedir(dir);
}

void harness_fds_begin(harness_fds *fds)
{
    look(fds);
}

static void describe(int fd, char *out, size_t len)
{
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    ssize_t got = readlink(path, out, len - 1);
    out[got > 0 ? got : 0] = '\0';
}

bool harness_fds_end(const harness_fds *fds, char *why, size_t len)
{
    harness_fds now;
    look(&now);
    for (int fd = 0; fd < HARNESS_FDS; fd++) {
        if (now.open[fd] && !fds->open[fd]) {
            char target[96];
            describe(fd, target, sizeof target);
            snprintf(why, len, "descriptor %d leaked (%s)", fd, target);
            return false;
        }
        if (!now.open[fd] && fds->open[fd]) {
            snprintf(why, len, "descriptor %d was closed, and not by its owner",
                     fd);
            return false;
        }
    }
    return true;
}

size_t harness_fds_count(void)
{
    harness_fds now;
    size_t count = 0;
    look(&now);
    for (int fd = 0; fd < HARNESS_FDS; fd++) {
        count += now.open[fd];
    }
    return count;
}
