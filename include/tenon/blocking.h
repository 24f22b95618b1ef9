/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The way back: a thread that waits for something a reactor does. Result,
 * error and time limit cross the threads; so does the end of the reactor.
 */

#ifndef TENON_BLOCKING_H
#define TENON_BLOCKING_H

#include <tenon/future.h>
#include <tenon/inbox.h>

/** Begins what the other thread waits for: leaves `*out` NULL if it is done
 *  with that, or sets it to a future, whose reference is taken over. A failure
 *  is what the other thread gets.
 *  Thread: the reactor's. `user` is not used after its return. */
typedef tenon_status tenon_blocking_fn(tenon_reactor *reactor,
                                       tenon_future **out, void *user);

/** What came of a future, outside of its reactor. */
typedef struct tenon_outcome {
    uint32_t size;
    uint32_t is_number;        /**< `number` is the value */
    int64_t number;            /**< else 0 */
    void *value;               /**< else NULL */
    tenon_free_fn *free_value; /**< for `value`, or NULL */
    tenon_error *error;        /**< of a failure, a reference; or NULL */
} tenon_outcome;

TENON_BEGIN

/** Calls `fn(reactor, &future, user)` on the reactor's thread and waits for it
 *  and for the future, at most `timeout_ns` (TENON_FOREVER: no limit) but for
 *  as long as `fn` itself takes. Returns TENON_OK or the status of the error.
 *  When the time is over `fn` is not called any more, or the future is
 *  cancelled, in a later turn. Somebody must run the reactor.
 *  Thread: any but the reactor's own, which would wait for itself.
 *  Ownership: what is in `out` (NULL: not wanted) is the caller's, to be given
 *  back by tenon_outcome_clear. It is cleared first, except with
 *  TENON_INVALID.
 *  Errors: TENON_TIMED_OUT, TENON_CLOSED when the reactor ends or has ended,
 *  EDEADLK on its own thread (the one of its first turn), TENON_FORKED,
 *  TENON_INVALID, TENON_NO_MEMORY; what `fn` returns, and of its future
 *  TENON_CANCELLED and all others.
 *  Source: asyncio's run_coroutine_threadsafe. */
TENON_CHECKED TENON_API tenon_status tenon_call_blocking(tenon_inbox *inbox,
                                                         tenon_blocking_fn *fn,
                                                         void *user,
                                                         int64_t timeout_ns,
                                                         tenon_outcome *out);

/** Frees what is in it. Zeroed memory is legal. */
TENON_API void tenon_outcome_clear(tenon_outcome *outcome);

TENON_END

#endif
