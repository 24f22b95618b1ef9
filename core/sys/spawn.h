/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * What the two sides of a birth share: a job, in memory that both can write
 * whether the child has ours or a copy, and whose rest is the child's stack.
 */

#ifndef TENON_SYS_SPAWN_H
#define TENON_SYS_SPAWN_H

#include <limits.h>

#include "sys/process.h"

/* `from`, of ours, becomes `to` in the child. */
typedef struct tenon__fd_move {
    int from;
    int to;
} tenon__fd_move;

typedef struct tenon__job {
    const char *file;
    const char *search; /* places for a file without "/", by colons */
    const char *const *argv;
    const char *const *envp;
    const char *cwd;
    const tenon_process_user *user;
    uint32_t flags;
    size_t move_count;
    tenon__fd_move moves[TENON_PROCESS_FDS_MAX + 3]; /* by `to`, ascending */
    /* The child's: */
    int error;           /* an errno value; 0: the program is loaded */
    char path[PATH_MAX]; /* and room for what it reads */
} tenon__job;

/** A process that nobody knows of yet, with one reference; NULL when out of
 *  memory. */
tenon_process *tenon__process_new(tenon_reactor *reactor, size_t pipes,
                                  const tenon_process_options *options,
                                  tenon_process_protocol protocol);
/** The reactor's from now on, as that reference is. */
void tenon__process_begin(tenon_process *p);

/** All that the child does before its program. Never returns but to end. */
int tenon__child_main(void *shared);

#endif
