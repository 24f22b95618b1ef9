/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * What the tests of tasks share, on top of the manual reactor of futures.
 */

#ifndef TENON_TESTS_CORE_TASK_RIG_H
#define TENON_TESTS_CORE_TASK_RIG_H

#include "future_rig.h"

static inline tenon_task *spawn(tenon_task_fn *fn, void *user, uint32_t flags)
{
    const tenon_task_options chosen = {.size = sizeof chosen, .flags = flags};
    tenon_task *task = NULL;
    ck_assert_int_eq(tenon_spawn(reactor, fn, user, &chosen, &task), TENON_OK);
    return task;
}

/* Runs all that is due within that time. */
static inline void advance(int64_t delay_ns)
{
    ck_assert_int_eq(tenon_manual_advance(reactor, delay_ns), TENON_OK);
}

static inline enum tenon_future_state state_of(tenon_task *task)
{
    return tenon_future_state(tenon_task_future(task));
}

/* It has ended in this way; lets go of it. */
static inline void require_end(tenon_task *task, tenon_status wanted)
{
    ck_assert(tenon_task_is_done(task));
    tenon_error *error = tenon_future_error(tenon_task_future(task));
    ck_assert_int_eq(tenon_error_status(error), wanted);
    tenon_task_unref(task);
}

/* What it returns is what it waits for came to, which it notes: '.', or the
 * first letter after TENON_. */
static inline tenon_status await_it(void *future)
{
    tenon_status status = tenon_await(future);
    put(status == TENON_OK ? '.' : tenon_status_name(status)[6]);
    return status;
}

static inline tenon_status never_called(void *user)
{
    (void)user;
    ck_abort_msg("called");
    return TENON_OK;
}

#endif
