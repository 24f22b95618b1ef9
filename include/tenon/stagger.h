/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Attempts that are begun one after the other until one succeeds: next to each
 * other, a delay apart (tenon_stagger), or each after the last has failed, with
 * a growing pause (tenon_retry). The attempts are functions that begin
 * something and give its future; in a task, plain functions that wait.
 */

#ifndef TENON_STAGGER_H
#define TENON_STAGGER_H

#include <tenon/task.h>

/** Begins attempt number `attempt` (from 0 on).
 *  Ownership: `*out` is a reference that is taken from it.
 *  Returns a failure where it cannot begin: the attempt has failed with that.
 */
typedef tenon_status tenon_attempt_fn(size_t attempt, tenon_future **out,
                                      void *user);

/** Whether there is a point in another try after this failure. */
typedef bool tenon_again_fn(const tenon_error *error, void *user);

/** How attempts are staggered. */
typedef struct tenon_stagger_options {
    uint32_t size;
    uint32_t flags;           /**< 0 */
    size_t count;             /**< of attempts; above 0 */
    int64_t delay_ns;         /**< from one to the next; a failure ends it */
    tenon_attempt_fn *fn;     /**< never NULL; called in turns */
    void *user;               /**< for `fn` and `free_user` */
    tenon_free_fn *free_user; /**< once, when nothing will be begun and every
                                   attempt has ended */
} tenon_stagger_options;

/** How tries are repeated. A field that is 0 or NULL has its default. */
typedef struct tenon_retry_options {
    uint32_t size;
    uint32_t tries;          /**< at most; 0: 5; UINT32_MAX: no limit */
    int64_t delay_ns;        /**< before the second; 0: 100 ms */
    int64_t max_delay_ns;    /**< 0: 30 s */
    int64_t timeout_ns;      /**< for all of it; 0: none. What is going on then
                                  is cancelled; no pause reaches beyond it */
    uint32_t growth_percent; /**< each pause of the one before; 0: 200 */
    uint32_t jitter_percent; /**< each pause is moved within +-this; 0: none,
                                  100 at most */
    tenon_again_fn *again;   /**< NULL: after every failure but being cancelled,
                                  TENON_INVALID and TENON_CLOSED */
    void *user;              /**< for `again`, and for tenon_retry_future */
    tenon_free_fn *free_user; /**< for tenon_retry_future: gets `user` once */
} tenon_retry_options;

TENON_BEGIN

/** A future that becomes what the first attempt to succeed is. The next attempt
 *  begins when the delay is over, or one has failed. The winner has the others
 *  cancelled; what they come to all the same is freed. When all have failed it
 *  fails with the status of the last, and their errors are its children.
 *  Cancelling it cancels what was begun. The first attempt begins in the next
 *  turn.
 *  Ownership: the caller holds one reference to `*out`, which does its work
 *  though nobody holds it. `user` is taken on success only.
 *  Errors: TENON_INVALID, TENON_CLOSED, TENON_NO_MEMORY.
 *  Source: RFC 8305, section 5. */
TENON_CHECKED TENON_API tenon_status
tenon_stagger(tenon_reactor *reactor, const tenon_stagger_options *options,
              tenon_future **out);
/** Which attempt has won; SIZE_MAX while none has. */
TENON_API size_t tenon_stagger_winner(const tenon_future *future);

/** Calls `fn(user)` in the calling task, until it does not fail, and waits
 *  between. `options` may be NULL.
 *  Returns what `fn` returned last. When it gives up, tenon_task_error says
 *  after how many tries, and has the last failure for its cause.
 *  Errors: TENON_TIMED_OUT after `timeout_ns`; TENON_CANCELLED at once when the
 *  task is; TENON_INVALID outside of a task. */
TENON_CHECKED TENON_API tenon_status
tenon_retry(tenon_task_fn *fn, void *user, const tenon_retry_options *options);
/** The same for callbacks: a future that becomes what the first try to succeed
 *  is, or fails as above. Cancelling it cancels the try under way. The first
 *  begins in the next turn.
 *  Ownership, errors: as tenon_stagger. */
TENON_CHECKED TENON_API tenon_status
tenon_retry_future(tenon_reactor *reactor, tenon_attempt_fn *fn,
                   const tenon_retry_options *options, tenon_future **out);

TENON_END

#endif
