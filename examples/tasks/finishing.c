/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Results in the order of finishing, each as soon as it is there.
 */

#include "tasks.h"

enum { RUNNERS = 3 };

static tenon_status run_race(void *user)
{
    const job *j = user;
    TENON_TRY(tenon_sleep(j->ms * TENON_MILLISECOND));
    return tenon_return_int(j->ms);
}

static tenon_status tell_results(tenon_future *all)
{
    tenon_future *one;
    int64_t ms;
    for (;;) {
        TENON_TRY(tenon_completed_next(all, &one));
        if (!one) {
            return TENON_OK;
        }
        TENON_TRY(tenon_future_int(one, &ms));
        printf("%s after %d ms\n", tenon_task_name(tenon_task_of(one)),
               (int)ms);
    }
}

static tenon_status finishing(void *reactor)
{
    static job jobs[RUNNERS] = {{.name = "hare", .ms = 100},
                                {.name = "tortoise", .ms = 160},
                                {.name = "hedgehog", .ms = 40}};
    tenon_task *tasks[RUNNERS];
    tenon_future *futures[RUNNERS];
    tenon_future *all;
    for (int i = 0; i < RUNNERS; i++) {
        const tenon_task_options o = {.size = sizeof o, .name = jobs[i].name};
        TENON_TRY(tenon_spawn(reactor, run_race, &jobs[i], &o, &tasks[i]));
        futures[i] = tenon_task_future(tasks[i]);
    }
    TENON_TRY(
        tenon_as_completed(reactor, futures, RUNNERS, TENON_FOREVER, &all));
    tenon_status status = tell_results(all);
    tenon_future_unref(all);
    for (int i = 0; i < RUNNERS; i++) {
        tenon_task_unref(tasks[i]);
    }
    return status;
}

int main(void)
{
    tenon_reactor *reactor;
    return run_main(finishing, &reactor);
}
