/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Many futures as one: gather (all of them), any and race (the first that
 * succeeds), wait (until so many are done). They take an array of futures of
 * one reactor, in which one may stand twice, and copy it. The future that they
 * return is the caller's, with one reference, and does its work though nobody
 * holds it; futures in memory of the caller's must outlive it. It holds those
 * that it was given until its own memory goes, so none of them may follow it
 * by tenon_future_link: neither would be freed.
 *
 * Errors of all: TENON_INVALID, TENON_CLOSED, TENON_NO_MEMORY. Nothing was
 * done then.
 */

#ifndef TENON_GATHER_H
#define TENON_GATHER_H

#include <tenon/future.h>

/** What tenon_gather does about failures. */
enum tenon_gather_flag {
    TENON_GATHER_CANCEL_ON_ERROR = 1, /**< the first failure cancels the rest */
    TENON_GATHER_SETTLED = 2, /**< failures count as done; all are seen */
    TENON_GATHER_QUIET = 4    /**< failures after the first are seen */
};

/** A future with a name, for tenon_gather_named. */
typedef struct tenon_named_future {
    const char *name;     /**< kept by reference */
    tenon_future *future; /**< borrowed */
} tenon_named_future;

/** When tenon_wait is done. */
enum tenon_wait_policy {
    TENON_WAIT_ALL,
    TENON_WAIT_FIRST_COMPLETED,
    TENON_WAIT_FIRST_FAILED /**< or all; being cancelled is no failure */
};

/** How long tenon_wait waits, and for what. */
typedef struct tenon_wait_options {
    uint32_t size;
    uint32_t policy;    /**< enum tenon_wait_policy */
    int64_t timeout_ns; /**< from now; TENON_FOREVER: none */
} tenon_wait_options;

TENON_BEGIN

/** A future that resolves with the number of futures once all have resolved,
 *  at once if there is none; their values are tenon_gather_child's. The first
 *  failure fails it, with the same error, and the others run on; a failure
 *  after that is reported if nobody looks at it. Cancelling it cancels all
 *  that are not done; when all are, it returns TENON_PENDING and does nothing.
 *  Source: PEP 3156 gather. */
TENON_CHECKED TENON_API tenon_status tenon_gather(tenon_reactor *reactor,
                                                  tenon_future *const *futures,
                                                  size_t count, uint32_t flags,
                                                  tenon_future **out);

/** The same, of futures that have names; see tenon_gather_find.
 *  Source: Tornado multi. */
TENON_CHECKED TENON_API tenon_status
tenon_gather_named(tenon_reactor *reactor, const tenon_named_future *futures,
                   size_t count, uint32_t flags, tenon_future **out);

/** A future that becomes what the first one to resolve is; other outcomes are
 *  seen. When none resolves it fails, with the last failure as the cause.
 *  Cancelling it cancels them. Of nothing: TENON_INVALID. */
TENON_CHECKED TENON_API tenon_status tenon_any(tenon_reactor *reactor,
                                               tenon_future *const *futures,
                                               size_t count,
                                               tenon_future **out);
/** The same, and the losers are cancelled. */
TENON_CHECKED TENON_API tenon_status tenon_race(tenon_reactor *reactor,
                                                tenon_future *const *futures,
                                                size_t count,
                                                tenon_future **out);

/** A future that resolves with the number of those that are done, when the
 *  policy says so or the time is over. It cancels nothing and looks at no
 *  failure: ask each child. `options` may be NULL: all, for ever.
 *  Source: PEP 3156 wait. */
TENON_CHECKED TENON_API tenon_status
tenon_wait(tenon_reactor *reactor, tenon_future *const *futures, size_t count,
           const tenon_wait_options *options, tenon_future **out);

/** How many futures stand behind one of the above; 0 for others. */
TENON_API size_t tenon_gather_count(const tenon_future *future);
/** The one that was given at `index`, borrowed; NULL beyond the end. */
TENON_API tenon_future *tenon_gather_child(const tenon_future *future,
                                           size_t index);
/** The first one of that name, borrowed, of tenon_gather_named; NULL if there
 *  is none. */
TENON_API tenon_future *tenon_gather_find(const tenon_future *future,
                                          const char *name);
/** Whose value any or race has: its index; SIZE_MAX while there is none. */
TENON_API size_t tenon_gather_winner(const tenon_future *future);

TENON_END

#endif
