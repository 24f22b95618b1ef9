/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * What the programs of this folder share: a reactor that runs one task to its
 * end, and a job that takes some time.
 */

#ifndef TENON_EXAMPLES_TASKS_H
#define TENON_EXAMPLES_TASKS_H

#include <stdio.h>

#include <tenon/tenon.h>

typedef struct job {
    const char *name;
    int64_t ms;
    tenon_status end; /* how it is to go */
} job;

/* It waits; somebody else's work would do as well. */
static inline tenon_status work(void *user)
{
    const job *j = user;
    printf("%s begins\n", j->name);
    TENON_TRY(tenon_sleep(j->ms * TENON_MILLISECOND));
    printf("%s is done\n", j->name);
    return j->end;
}

/* The exit code for main. */
static inline int run_main(tenon_task_fn *fn, tenon_reactor **reactor)
{
    tenon_task *task;
    char text[500];
    if (tenon_reactor_new(reactor, NULL) < 0 ||
        tenon_spawn(*reactor, fn, *reactor, NULL, &task) < 0) {
        return 1;
    }
    tenon_future *end = tenon_task_future(task);
    tenon_status status = tenon_run_until(*reactor, end, TENON_FOREVER);
    if (status < 0) {
        (void)tenon_error_format(tenon_future_error(end), text, sizeof text);
        (void)fprintf(stderr, "%s\n", text);
    }
    tenon_task_unref(task);
    tenon_reactor_close(*reactor);
    tenon_reactor_unref(*reactor);
    return status < 0;
}

#endif
