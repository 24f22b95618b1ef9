/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Promises: the end of a future that other threads hold. The future is the
 * reactor's, like any other; the promise is counted, may be used from any
 * thread, and outlives the reactor.
 */

#ifndef TENON_PROMISE_H
#define TENON_PROMISE_H

#include <tenon/future.h>

/** The end that completes a future, from any thread. */
typedef struct tenon_promise tenon_promise;

TENON_BEGIN

/** Makes a future and the promise to complete it. Until it is kept, broken or
 *  cancelled, the promise keeps the reactor alive, as work in flight does, and
 *  the future, too: dropping that does not cancel it. A canceller that asks for
 *  time (TENON_PENDING) leaves the promise to be kept.
 *  Ownership: the caller holds one reference to each.
 *  Thread: the owner's.
 *  Errors: as tenon_future_new. */
#define tenon_promise_new(reactor, promise, future) \
    tenon_promise_new_at((reactor), (promise), (future), TENON_SITE)
/** The same, told to be made at `site`; see tenon_future_new_at. */
TENON_CHECKED TENON_API tenon_status
tenon_promise_new_at(tenon_reactor *reactor, tenon_promise **promise,
                     tenon_future **future, const char *site);

/** Thread: any. NULL is legal. */
TENON_API tenon_promise *tenon_promise_ref(tenon_promise *promise);
/** Drops a reference; the last one breaks a promise that was not kept: its
 *  future fails with TENON_ABORTED. */
TENON_API void tenon_promise_unref(tenon_promise *promise);

/** Completes the future, in a later turn of its reactor. Only the first of all
 *  calls counts.
 *  Thread: any.
 *  Ownership: the value is taken in every case: whatever cannot be delivered
 *  is freed, here or on the reactor's thread.
 *  Errors: TENON_DONE, TENON_CANCELLED if the future was, TENON_CLOSED,
 *  TENON_FORKED, TENON_INVALID. */
TENON_API tenon_status tenon_promise_resolve(tenon_promise *promise,
                                             void *value,
                                             tenon_free_fn *free_value);
/** The same, with a number. */
TENON_API tenon_status tenon_promise_resolve_int(tenon_promise *promise,
                                                 int64_t number);
/** The same, with an error, of which it takes a reference of its own. */
TENON_API tenon_status tenon_promise_fail(tenon_promise *promise,
                                          tenon_error *error);
/** Whether it is still worth working for: nobody has kept it, cancelled its
 *  future or closed the reactor.
 *  Thread: any. */
TENON_API bool tenon_promise_is_open(const tenon_promise *promise);

TENON_END

#endif
