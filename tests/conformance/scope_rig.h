/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * What the cases of scopes share: children that do this or that, and running a
 * task to its end.
 */

#ifndef TENON_CONFORMANCE_SCOPE_RIG_H
#define TENON_CONFORMANCE_SCOPE_RIG_H

#include "task_rig.h"

#define LONG MS(3600000)

static inline void *word(const void *text)
{
    union {
        const void *read;
        void *any;
    } view = {.read = text};
    return view.any;
}

/** Runs it until it has ended in this way. */
static inline void require_run(tenon_task_fn *fn, const void *user,
                               tenon_status wanted)
{
    require_end(spawn(fn, word(user)), wanted);
    rig_settle();
}

static inline tenon_status does_nothing(void *user)
{
    (void)user;
    return TENON_OK;
}

/** The first task: what a sweep makes of its stack is told here. */
static inline void warm_up(void)
{
    require_run(does_nothing, NULL, TENON_OK);
}

/** In a sweep: whether it is done, and came to nothing because of the sweep. */
static inline bool lost(tenon_future *future)
{
    return tenon_future_is_done(future) &&
           harness_told(tenon_future_error(future));
}

static inline void require_value(tenon_future *future, int64_t wanted)
{
    int64_t number = ~wanted;
    REQUIRE_OK(tenon_future_int(future, &number));
    REQUIRE_EQ(number, wanted);
}

/** Sleeps long, and notes how that ended. */
static inline tenon_status for_ever(void *user)
{
    note("%s+", (const char *)user);
    tenon_status status = tenon_sleep(LONG);
    note("%s%s", (const char *)user, status == TENON_CANCELLED ? "c" : "?");
    return status;
}

static inline tenon_status fails(void *user)
{
    (void)user;
    TENON_TRY(tenon_yield());
    return tenon_raise(-EIO, "as it was told");
}

#endif
