/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Futures in the order in which they complete, one after the other, for tasks:
 *
 *     TENON_TRY(tenon_as_completed(reactor, futures, count, limit_ns, &all));
 *     while ((status = tenon_completed_next(all, &one)) == TENON_OK && one) {
 *         ...
 *     }
 *     tenon_future_unref(all);
 */

#ifndef TENON_COMPLETED_H
#define TENON_COMPLETED_H

#include <tenon/gather.h>
#include <tenon/task.h>

TENON_BEGIN

/** A future over `count` others (see tenon/gather.h), to be asked for them by
 *  tenon_completed_next. It resolves with the number of those that are done,
 *  when all are or after `timeout_ns` (TENON_FOREVER: none). It cancels none of
 *  them, and looks at no failure. One that stands twice comes twice.
 *  Source: asyncio as_completed. */
TENON_CHECKED TENON_API tenon_status
tenon_as_completed(tenon_reactor *reactor, tenon_future *const *futures,
                   size_t count, int64_t timeout_ns, tenon_future **out);

/** Waits for the next one that is done; those that were from the beginning
 *  come first, as they were given. `*out` is borrowed from `all`, and NULL
 *  when there are no more. Several tasks may ask: each has another one.
 *  Errors: TENON_TIMED_OUT when the time is over, for what is not done by
 *  then; TENON_CANCELLED also when `all` was; as tenon_await; TENON_INVALID for
 *  another sort of future. */
#define tenon_completed_next(all, out) \
    tenon_completed_next_at((all), (out), TENON_SITE)
/** The same; see tenon_await_at. */
TENON_CHECKED TENON_API tenon_status tenon_completed_next_at(tenon_future *all,
                                                             tenon_future **out,
                                                             const char *site);

TENON_END

#endif
