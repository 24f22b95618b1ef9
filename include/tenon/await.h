/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Waiting, inside of a task. Each of these calls gives the thread back to the
 * reactor until what it waits for is there; none of them allocates.
 *
 * Errors of all that wait: TENON_CANCELLED when the task was cancelled;
 * TENON_INVALID outside of a task, and in a callback that runs on top of one;
 * TENON_BUSY inside of tenon_atomic_begin; TENON_CLOSED when the reactor ends,
 * or TENON_HOST_GONE. What is waited for is unharmed by a wait that fails,
 * except that a cancelled task cancels the future it waits for.
 */

#ifndef TENON_AWAIT_H
#define TENON_AWAIT_H

#include <tenon/task.h>

/** Names a value that tasks carry with them; its address is what counts. */
typedef struct tenon_local_key {
    const char *name; /**< for dumps; a constant */
} tenon_local_key;

TENON_BEGIN

/** Waits for a future, and returns how that went: TENON_OK, or the status of
 *  its error, which is then seen, and is tenon_task_error. One that is done is
 *  not waited for, but every 128th time others have their turn.
 *  Cancelling the task cancels the future; hand in tenon_shield's to keep it.
 *  Ownership: the future stays the caller's.
 *  Errors: also TENON_INVALID for the future of another reactor, or of this
 *  very task.
 *  Source: asyncio await. */
#define tenon_await(future) tenon_await_at((future), TENON_SITE)
/** The same, told to wait at `site`, a constant that dumps name. */
TENON_CHECKED TENON_API tenon_status tenon_await_at(tenon_future *future,
                                                    const char *site);
/** Waits for a future, takes its value, and drops the caller's reference,
 *  whatever comes of it. `out` may be NULL: the value goes with the future.
 *  `free_value` may be NULL.
 *  Errors: as tenon_await; TENON_INVALID if the value is a number, or is gone.
 */
#define tenon_await_take(future, out, free_value) \
    tenon_await_take_at((future), (out), (free_value), TENON_SITE)
/** The same; see tenon_await_at. */
TENON_CHECKED TENON_API tenon_status
tenon_await_take_at(tenon_future *future, void **out,
                    tenon_free_fn **free_value, const char *site);
/** The same for a number. */
#define tenon_await_int(future, out) \
    tenon_await_int_at((future), (out), TENON_SITE)
/** The same; see tenon_await_at. */
TENON_CHECKED TENON_API tenon_status tenon_await_int_at(tenon_future *future,
                                                        int64_t *out,
                                                        const char *site);

/** Waits for another task: tenon_await of its future. Any number of tasks may
 *  wait for one. */
#define tenon_join(task) tenon_await_at(tenon_task_future(task), TENON_SITE)

/** Waits so long; zero and less is tenon_yield.
 *  Errors: also TENON_NO_MEMORY. */
#define tenon_sleep(delay_ns) tenon_sleep_at((delay_ns), TENON_SITE)
/** The same; see tenon_await_at. */
TENON_CHECKED TENON_API tenon_status tenon_sleep_at(int64_t delay_ns,
                                                    const char *site);
/** Waits until a time of the reactor's clock; one that is over is
 *  tenon_yield. */
#define tenon_sleep_until(deadline_ns) \
    tenon_sleep_until_at((deadline_ns), TENON_SITE)
/** The same; see tenon_await_at. */
TENON_CHECKED TENON_API tenon_status tenon_sleep_until_at(int64_t deadline_ns,
                                                          const char *site);

/** Lets everything else that is ready run once.
 *  Source: asyncio sleep(0). */
#define tenon_yield() tenon_yield_at(TENON_SITE)
/** The same; see tenon_await_at. */
TENON_CHECKED TENON_API tenon_status tenon_yield_at(const char *site);

/** Fails if the task was cancelled, as a wait would; does not wait. */
TENON_CHECKED TENON_API tenon_status tenon_checkpoint(void);

/** From here on cancelling waits: what the task waits for is left alone. For
 *  cleaning up. They nest.
 *  Errors: TENON_INVALID outside of a task. */
TENON_API tenon_status tenon_mask_begin(void);
/** The other end. A cancelling that came meanwhile fails the next wait. */
TENON_API tenon_status tenon_mask_end(void);

/** From here on waiting is a fault: it fails with TENON_BUSY, and is reported.
 *  For what must happen in one piece. They nest.
 *  Errors: TENON_INVALID outside of a task. */
TENON_API tenon_status tenon_atomic_begin(void);
/** The other end. */
TENON_API tenon_status tenon_atomic_end(void);

/** Calls `fn(user)` on the stack of the loop, for what needs a big one or must
 *  find itself there. `fn` may not wait.
 *  Errors: TENON_INVALID outside of a task. */
TENON_API tenon_status tenon_on_host_stack(tenon_call_fn *fn, void *user);

/** Sets a value for the calling task, and for those it spawns from now on;
 *  tasks that exist keep theirs. `free_value` (may be NULL) gets it when the
 *  last of them has let go.
 *  Ownership: taken, on success only.
 *  Errors: TENON_INVALID outside of a task; TENON_NO_MEMORY.
 *  Source: PEP 567. */
TENON_CHECKED TENON_API tenon_status tenon_local_set(const tenon_local_key *key,
                                                     void *value,
                                                     tenon_free_fn *free_value);
/** What it was set to, or NULL. */
TENON_API void *tenon_local_get(const tenon_local_key *key);

TENON_END

#endif
