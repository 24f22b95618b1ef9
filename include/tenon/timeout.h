/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Time limits: around a part of a task (tenon_timeout), on the wait for one
 * future (tenon_await_for, tenon_await_keep), and, without a task, on a future
 * (tenon_with_timeout). What is over time is cancelled, and has TENON_TIMED_OUT
 * for its outcome; somebody else's cancelling stays what it is. No limit
 * allocates anything, but for the future of tenon_with_timeout.
 *
 *     tenon_timeout limit;
 *     TENON_TRY(tenon_timeout_begin(&limit, 5 * TENON_SECOND));
 *     status = greet(peer);                      waits, at any depth
 *     return tenon_timeout_end(&limit, status);
 */

#ifndef TENON_TIMEOUT_H
#define TENON_TIMEOUT_H

#include <tenon/task.h>
#include <tenon/timer.h>

/** What a task is inside of. */
typedef struct tenon_scope {
    /* Private: */
    struct tenon_scope *outer;
    tenon_task *task;
    const struct tenon__scope_kind *kind;
    uint64_t begun;
    uint64_t fired;
    uint32_t cancels;
    uint32_t flags;
} tenon_scope;

/** A time limit around a part of a task, on the stack of that. */
typedef struct tenon_timeout {
    /* Private: */
    tenon_scope scope;
    tenon_timer timer;
} tenon_timeout;

/** For tenon_with_timeout. */
enum tenon_timeout_flag {
    TENON_TIMEOUT_KEEP = 1 /**< the future is not cancelled, and runs on */
};

TENON_BEGIN

/* ---- around a part of a task ---- */

/** From here on the task has so long: then it is cancelled. Zero and less mean
 *  as soon as it must wait; TENON_FOREVER, no limit yet. Limits nest. Each one
 *  that was begun must be ended by the same task, the inner one first; a task
 *  that returns without is reported.
 *  Errors: TENON_INVALID outside of a task; TENON_CLOSED, TENON_NO_MEMORY.
 *  There is nothing to end then.
 *  Source: asyncio timeout. */
TENON_CHECKED TENON_API tenon_status tenon_timeout_begin(tenon_timeout *limit,
                                                         int64_t delay_ns);
/** The same, at a time of the reactor's clock. */
TENON_CHECKED TENON_API tenon_status
tenon_timeout_begin_at(tenon_timeout *limit, int64_t deadline_ns);
/** Moves it to `delay_ns` from now; TENON_FOREVER: away.
 *  Errors: TENON_DONE when it has expired, or was ended; TENON_NO_MEMORY, and
 *  it stays what it was. */
TENON_CHECKED TENON_API tenon_status tenon_timeout_move(tenon_timeout *limit,
                                                        int64_t delay_ns);
/** The same, to a time of the reactor's clock.
 *  Source: asyncio Timeout.reschedule. */
TENON_CHECKED TENON_API tenon_status tenon_timeout_move_at(tenon_timeout *limit,
                                                           int64_t deadline_ns);
/** When it expires; TENON_FOREVER where there is no limit, 0 once it has. */
TENON_API int64_t tenon_timeout_when(const tenon_timeout *limit);
/** Whether it has cancelled the task; to be asked after its end, too. */
TENON_API bool tenon_timeout_expired(const tenon_timeout *limit);
/** The other end. `status` is what the part came to; it is returned, but that
 *  TENON_CANCELLED becomes TENON_TIMED_OUT where this limit was the reason: it
 *  has expired, and nobody outside of it has cancelled the task (a limit around
 *  it that expires later lets this one report, and then ends the next wait).
 *  A cancelling of its own that no wait has returned yet is forgotten. */
TENON_CHECKED TENON_API tenon_status tenon_timeout_end(tenon_timeout *limit,
                                                       tenon_status status);

/* ---- on one wait of a task ---- */

/** Waits for a future, at most so long: then the future is cancelled, and its
 *  end waited for. One that is cancelled so is TENON_TIMED_OUT; if it comes to
 *  something else all the same, that is returned. Zero and less: one that is
 *  done is looked at, another is cancelled at once.
 *  Errors: as tenon_await; TENON_NO_MEMORY.
 *  Source: asyncio wait_for. */
#define tenon_await_for(future, delay_ns) \
    tenon_await_for_at((future), (delay_ns), TENON_SITE)
/** The same; see tenon_await_at. */
TENON_CHECKED TENON_API tenon_status tenon_await_for_at(tenon_future *future,
                                                        int64_t delay_ns,
                                                        const char *site);
/** The same, but that nothing cancels the future: neither the time, nor who
 *  cancels the task. */
#define tenon_await_keep(future, delay_ns) \
    tenon_await_keep_at((future), (delay_ns), TENON_SITE)
/** The same; see tenon_await_at. */
TENON_CHECKED TENON_API tenon_status tenon_await_keep_at(tenon_future *future,
                                                         int64_t delay_ns,
                                                         const char *site);

/** Cancels another task and waits until it has ended, at most so long. However
 *  it ends that is TENON_OK, and a failure of it is seen.
 *  Errors: TENON_TIMED_OUT, and tenon_task_error names the task that refuses to
 *  end (the victim, or one that it waits for) and what that waits for;
 *  TENON_INVALID for the calling task; as tenon_await. */
#define tenon_kill(task, delay_ns) tenon_kill_at((task), (delay_ns), TENON_SITE)
/** The same; see tenon_await_at. */
TENON_CHECKED TENON_API tenon_status tenon_kill_at(tenon_task *task,
                                                   int64_t delay_ns,
                                                   const char *site);

/* ---- without a task ---- */

/** A future that becomes what `future` becomes. After `delay_ns` that is
 *  cancelled, and ours fails with TENON_TIMED_OUT once it has ended so. Being
 *  cancelled itself it cancels `future`. With TENON_TIMEOUT_KEEP nothing is
 *  cancelled, and ours fails when the time is over.
 *  Ownership: the caller holds one reference to `*out`, which does its work
 *  though nobody holds it; `future` is not held.
 *  Errors: TENON_INVALID, TENON_CLOSED, TENON_NO_MEMORY.
 *  Source: asyncio wait_for, Tornado with_timeout. */
TENON_CHECKED TENON_API tenon_status tenon_with_timeout(tenon_future *future,
                                                        int64_t delay_ns,
                                                        uint32_t flags,
                                                        tenon_future **out);

/** A future that becomes what `future` becomes; who cancels it leaves `future`
 *  alone. If `future` is cancelled, so is this.
 *  Ownership, errors: as tenon_with_timeout.
 *  Source: asyncio shield. */
TENON_CHECKED TENON_API tenon_status tenon_shield(tenon_future *future,
                                                  tenon_future **out);

TENON_END

#endif
