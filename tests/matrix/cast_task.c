/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The actor of tasks: one that takes a few steps and returns a value. Calls are
 * made between two of its waits, on its own stack.
 */

#include "matrix.h"

enum { STEPS = 3 };

static void on_value_free(void *user)
{
    hit(user, EV_VALUE_FREE);
}

static void on_task_free(void *user)
{
    hit(user, EV_TASK_FREE);
}

static tenon_status run(void *user)
{
    actor *a = user;
    tenon_status status = TENON_OK;
    for (int i = 0; i < STEPS && status >= 0; i++) {
        tenon_task *self = tenon_task_current();
        WANT(self && tenon_task_future(self) && !tenon_task_is_done(self));
        hit(a, EV_STEP);
        WANT(tenon_task_current() == self);
        status = tenon_yield();
    }
    a->owed++;
    return status < 0 ? (a->owed--, status) : tenon_return(a, on_value_free);
}

static void open_runner(actor *a)
{
    /* Whole loops run on it. */
    const tenon_task_options options = {.size = sizeof options,
                                        .name = "runner",
                                        .stack_size = 1 << 20,
                                        .free_user = on_task_free};
    WANT(tenon_spawn(st.reactor, run, a, &options, &a->task) == TENON_OK);
    a->future = tenon_future_ref(tenon_task_future(a->task));
}

static void forget(actor *a)
{
    tenon_task *task = a->task;
    tenon_future *future = a->future;
    a->task = NULL;
    a->future = NULL;
    if (future) {
        (void)tenon_future_error(future); /* seen */
    }
    tenon_task_unref(task);
    tenon_future_unref(future);
}

static void step_runner(actor *a)
{
    if (over(a, EV_TASK_FREE, 1)) {
        forget(a); /* the last reference gives the value back */
    }
}

static bool complete_runner(const actor *a)
{
    return over(a, EV_STEP, STEPS) && over(a, EV_TASK_FREE, 1) &&
           over(a, EV_VALUE_FREE, 1);
}

static void close_runner(actor *a)
{
    forget(a);
    WANT(a->seen[EV_TASK_FREE] == 1);
    WANT(a->seen[EV_VALUE_FREE] == a->owed);
}

const part kind_RUNNER = {"task",      TASK | FUTURE,   open_runner,
                          step_runner, complete_runner, close_runner};
