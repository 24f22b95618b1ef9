/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Work: a function that runs in an executor (tenon/executor.h), and the future
 * of what it returns, which is completed on the reactor's thread like any
 * other. While it waits or runs it keeps the reactor alive.
 *
 * Cancelling the future before the work began keeps it from ever running.
 * After that, the future alone is cancelled: the function is not interrupted,
 * it may look (tenon_work_is_cancelled), and what it returns is freed. The
 * same goes for a reactor that ends meanwhile; the future then fails with
 * TENON_CLOSED.
 */

#ifndef TENON_WORK_H
#define TENON_WORK_H

#include <tenon/executor.h>
#include <tenon/future.h>

/** The work itself: it may wait. Returns TENON_OK, and what it has set by
 *  tenon_work_set_value or tenon_work_set_int is the value, else NULL; or a
 *  failure, with tenon_work_set_error to say more.
 *  Thread: the executor's. `work` is valid until it returns. */
typedef tenon_status tenon_work_fn(tenon_work *work, void *user);

/** Told of what tenon_work_progress said, in order, and before those who wait
 *  for the future; not after it is done or cancelled. `value` is freed on
 *  return.
 *  Thread: the reactor's. */
typedef void tenon_progress_fn(tenon_future *future, void *value, void *user);

/** A work with everything that can be said of it. */
typedef struct tenon_work_options {
    uint32_t size;
    tenon_work_fn *fn; /**< never NULL */
    void *user;        /**< for `fn` and `free_user` */
    /** Once: it has run and that is known, or it never will. May be NULL.
     *  Thread: the reactor's; the executor's if the reactor ended first, or
     *  an executor without `withdraw` had it when it was cancelled. */
    tenon_free_fn *free_user;
    tenon_progress_fn *on_progress; /**< may be NULL */
    void *on_progress_user;         /**< for `on_progress` */
    const char *name;               /**< for reports; kept by reference */
} tenon_work_options;

/** Progress of one work that may be on its way at a time. */
#define TENON_WORK_PROGRESS_MAX 1024

TENON_BEGIN

/** Runs `fn(work, user)` in an executor; NULL: that of the reactor. `out` may
 *  be NULL, and a failure is then reported.
 *  Ownership: the caller holds one reference to the future.
 *  Thread: the reactor's.
 *  Errors: TENON_LIMIT when the pool's queue is full, TENON_CLOSED after a
 *  shutdown, EAGAIN when no thread can be made; TENON_INVALID,
 *  TENON_NO_MEMORY, TENON_WRONG_THREAD, TENON_FORKED. Nothing was done then.
 *  Source: PEP 3156 run_in_executor. */
#define tenon_call_in(reactor, executor, fn, user, out) \
    tenon_call_in_at((reactor), (executor), (fn), (user), (out), TENON_SITE)
/** The same, told to be made at `site`; see tenon_future_new_at. */
TENON_CHECKED TENON_API tenon_status tenon_call_in_at(
    tenon_reactor *reactor, tenon_executor *executor, tenon_work_fn *fn,
    void *user, tenon_future **out, const char *site);
/** The general form. Takes ownership of `user` on success only. */
TENON_CHECKED TENON_API tenon_status
tenon_call_in_with(tenon_reactor *reactor, tenon_executor *executor,
                   const tenon_work_options *options, tenon_future **out);

/** Whether nobody wants its result any more: its future was cancelled, its
 *  reactor ended, or a shutdown of its executor timed out.
 *  Thread: any, while the function runs. */
TENON_API bool tenon_work_is_cancelled(const tenon_work *work);
/** Sets the value; one that was set before is freed.
 *  Ownership: as tenon_future_resolve.
 *  Thread: the one that runs it; so for the next two. */
TENON_API void tenon_work_set_value(tenon_work *work, void *value,
                                    tenon_free_fn *free_value);
/** The same, with a number. */
TENON_API void tenon_work_set_int(tenon_work *work, int64_t number);
/** Sets what the future fails with if the function returns a failure.
 *  Ownership: takes a reference of its own. */
TENON_API void tenon_work_set_error(tenon_work *work, tenon_error *error);
/** Has on_progress called in a later turn; `free_value` may be NULL. The inline
 *  executor's work is done before that, so there it is dropped.
 *  Thread: any, while the function runs.
 *  Ownership: the value is taken in every case.
 *  Errors: TENON_CANCELLED, TENON_CLOSED, TENON_LIMIT while
 *  TENON_WORK_PROGRESS_MAX are on their way, TENON_NO_MEMORY,
 *  TENON_INVALID without an on_progress. */
TENON_API tenon_status tenon_work_progress(tenon_work *work, void *value,
                                           tenon_free_fn *free_value);

/** For executors: runs it, unless it was cancelled.
 *  Thread: any. */
TENON_API void tenon_work_run(tenon_work *work);
/** For executors: it will not run, and its future fails with `status`.
 *  Thread: any. */
TENON_API void tenon_work_drop(tenon_work *work, tenon_status status);
/** For executors: what they keep with a work; NULL at first. */
TENON_API void tenon_work_set_data(tenon_work *work, void *data);
/** For executors: what tenon_work_set_data was told. */
TENON_API void *tenon_work_data(const tenon_work *work);

TENON_END

#endif
