/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Long work in slices, without a task: a function that does one step is called
 * again and again, for a slice of each turn, so that everything else goes on
 * between. Several share the thread evenly.
 */

#ifndef TENON_COOP_H
#define TENON_COOP_H

#include <tenon/future.h>

/** Work in slices: opaque and counted. */
typedef struct tenon_coop tenon_coop;

/** Does one step: TENON_PENDING if there are more, TENON_OK if it was the last
 *  one, or a failure. It may pause or stop its own work. */
typedef tenon_status tenon_coop_fn(tenon_coop *coop, void *user);

/** How work is sliced. */
typedef struct tenon_coop_options {
    uint32_t size;
    uint32_t flags;           /**< 0 */
    int64_t slice_ns;         /**< of a turn, at least one step; 0: 1 ms; below
                                   0: one step */
    tenon_coop_fn *fn;        /**< never NULL */
    void *user;               /**< for `fn` and `free_user` */
    tenon_free_fn *free_user; /**< once, when `fn` will not be called again */
    const char *name;         /**< for reports; kept by reference */
} tenon_coop_options;

TENON_BEGIN

/** Starts it: the first step comes in the next turn.
 *  Ownership: the caller holds one reference; the work goes on though nobody
 *  does. `user` is taken on success only.
 *  Errors: TENON_INVALID, TENON_CLOSED, TENON_NO_MEMORY.
 *  Source: Twisted Cooperator. */
TENON_CHECKED TENON_API tenon_status
tenon_coop_start(tenon_reactor *reactor, const tenon_coop_options *options,
                 tenon_coop **out);
/** Its future, borrowed: resolves with the number of steps, or fails as the
 *  function does. Cancelling it is tenon_coop_stop. */
TENON_API tenon_future *tenon_coop_future(tenon_coop *coop);
/** No step comes until as many calls of tenon_coop_resume. */
TENON_API tenon_status tenon_coop_pause(tenon_coop *coop);
/** Errors: TENON_INVALID if it is not paused. */
TENON_API tenon_status tenon_coop_resume(tenon_coop *coop);
/** Ends it: no step comes, and the future is cancelled. TENON_EXISTED if that
 *  was pending, else TENON_OK. */
TENON_API tenon_status tenon_coop_stop(tenon_coop *coop);
/** Counts. NULL is legal. */
TENON_API tenon_coop *tenon_coop_ref(tenon_coop *coop);
/** NULL is legal. */
TENON_API void tenon_coop_unref(tenon_coop *coop);

TENON_END

#endif
