/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Work by key: callers that ask for the same key while it is under way share
 * one run and its result. A result may be kept for those that ask later; a
 * failure never is.
 */

#ifndef TENON_ONCE_H
#define TENON_ONCE_H

#include <tenon/work.h>

/** A table of keys, of one reactor: opaque. */
typedef struct tenon_once tenon_once;

/** What is kept. All 0, or NULL in place of the struct: nothing. */
typedef struct tenon_once_options {
    uint32_t size;
    uint32_t keep_max; /**< results that are kept; the least recently asked
                            for goes first */
    int64_t keep_ns;   /**< for so long; 0: until it has to go */
} tenon_once_options;

TENON_BEGIN

/** Makes a table whose work runs in `executor` (NULL: that of the reactor).
 *  Thread: the reactor's, for all calls.
 *  Ownership: to be given back by tenon_once_free, before or after the end of
 *  the reactor.
 *  Errors: TENON_INVALID, TENON_CLOSED, TENON_NO_MEMORY, TENON_WRONG_THREAD,
 *  TENON_FORKED. */
TENON_CHECKED TENON_API tenon_status
tenon_once_new(tenon_reactor *reactor, tenon_executor *executor,
               const tenon_once_options *options, tenon_once **out);
/** Forgets what is kept. Work under way goes on, and its callers get its
 *  result. NULL is legal. */
TENON_API void tenon_once_free(tenon_once *once);

/** The result of the work of `key`: of the run that is under way, the one that
 *  is kept, or one that begins here with these `options` (as for
 *  tenon_call_in_with; on_progress is told of that run's own future).
 *  The future is this caller's own, but the value is shared by all: read it by
 *  tenon_future_value, and take it only where no other asks. Cancelling the
 *  last caller's future cancels the run.
 *  Ownership: the caller holds one reference; `options->user` is taken on
 *  success, and freed at once if no run begins.
 *  Errors: as tenon_call_in. */
TENON_CHECKED TENON_API tenon_status
tenon_call_once(tenon_once *once, const char *key,
                const tenon_work_options *options, tenon_future **out);
/** Who asks for `key` (NULL: anything) from now on begins another run. */
TENON_API void tenon_once_forget(tenon_once *once, const char *key);

TENON_END

#endif
