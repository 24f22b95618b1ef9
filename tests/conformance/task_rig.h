/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * What the cases of tasks share.
 */

#ifndef TENON_CONFORMANCE_TASK_RIG_H
#define TENON_CONFORMANCE_TASK_RIG_H

#include "rig.h"

static inline tenon_task *spawn(tenon_task_fn *fn, void *user)
{
    tenon_task *task = NULL;
    REQUIRE_OK(tenon_spawn(rig.reactor, fn, user, NULL, &task));
    return task;
}

static inline tenon_task *spawn_with(tenon_task_fn *fn, void *user,
                                     const tenon_task_options *options)
{
    tenon_task *task = NULL;
    REQUIRE_OK(tenon_spawn(rig.reactor, fn, user, options, &task));
    if (tenon_task_is_done(task)) { /* an eager one, maybe without a stack */
        (void)harness_told(tenon_future_error(tenon_task_future(task)));
    }
    return task;
}

/** Cancels it where it waits. */
static inline void cancel_waiting(tenon_task *task)
{
    if (tenon_task_is_done(task)) { /* a sweep has ended it */
        (void)harness_told(tenon_future_error(tenon_task_future(task)));
    }
    REQUIRE_EQ(tenon_task_cancel(task, NULL), TENON_PENDING);
}

static inline tenon_future *pending_future(void)
{
    tenon_future *future = NULL;
    REQUIRE_OK(tenon_future_new(rig.reactor, &future));
    return future;
}

/** Pumps until it has ended in this way, and lets go of it. A sweep hears of
 *  the failure that ended it otherwise. */
static inline void require_end(tenon_task *task, tenon_status wanted)
{
    PUMP_UNTIL(tenon_task_is_done(task));
    tenon_future *future = tenon_task_future(task);
    tenon_error *error = tenon_future_error(future);
    if (tenon_error_status(error) != wanted) {
        (void)harness_told(error);
    }
    REQUIRE_STATUS(tenon_error_status(error), wanted);
    tenon_task_unref(task);
}

static inline void require_number(tenon_task *task, int64_t wanted)
{
    int64_t number = ~wanted;
    PUMP_UNTIL(tenon_task_is_done(task));
    (void)harness_told(tenon_future_error(tenon_task_future(task)));
    REQUIRE_OK(tenon_future_int(tenon_task_future(task), &number));
    REQUIRE_EQ(number, wanted);
    tenon_task_unref(task);
}

/** A task that notes its word. */
static inline tenon_status note_task(void *word)
{
    note_call(word);
    return TENON_OK;
}

#endif
