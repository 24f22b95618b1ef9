/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * One attempt of a staggered race or of a repeated try: begun by a function of
 * the user's, and a future from then on, which is held until it is done.
 */

#ifndef TENON_ASYNC_ATTEMPT_H
#define TENON_ASYNC_ATTEMPT_H

#include <tenon/stagger.h>

#include "async/future.h"

typedef struct tenon__attempt {
    tenon_waiter waiter; /* its future is NULL while nothing is under way */
    tenon_error *error;  /* of one that has failed */
} tenon__attempt;

/** Calls `fn` in a frame, and has `done(waiter, future, owner)` called once its
 *  future is; the reference to that is then the callee's. Returns a failure if
 *  nothing has begun; `attempt->error` is that. Everything may have happened
 *  meanwhile, but `owner` must still be there. */
tenon_status tenon__attempt_begin(tenon__attempt *attempt,
                                  tenon_reactor *reactor, tenon_attempt_fn *fn,
                                  size_t number, void *user,
                                  tenon_done_fn *done, void *owner);
/** Remembers the error of a future that is done and did not resolve; it is
 *  seen. */
void tenon__attempt_failed(tenon__attempt *attempt, tenon_future *future);
/** Asks it to end, if it is under way. */
static inline void tenon__attempt_cancel(tenon__attempt *attempt,
                                         tenon_error *reason)
{
    if (attempt->waiter.future) {
        (void)tenon__future_cancel(attempt->waiter.future, reason);
    }
}

#endif
