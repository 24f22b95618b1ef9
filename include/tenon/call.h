/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Calls: a function that runs once, in the next turn or at a time. A handle
 * names a pending call; it is a value, may be copied, and stays harmless after
 * the call ran or was cancelled, for as long as the reactor is referenced.
 */

#ifndef TENON_CALL_H
#define TENON_CALL_H

#include <tenon/reactor.h>

/** What a call runs, with the user pointer it was made with. */
typedef void tenon_call_fn(void *user);
/** Gives back what a user pointer owns. */
typedef void tenon_free_fn(void *user);

typedef struct tenon_handle {
    /* Private: */
    tenon_reactor *reactor;
    uint64_t sequence;
    uint32_t slot;
    uint32_t reserved;
} tenon_handle;

/** For tenon_call_options.flags. */
enum tenon_call_flag {
    TENON_CALL_DAEMON = 1, /**< does not keep the reactor alive */
    TENON_CALL_AT = 2      /**< time_ns is a deadline, not a delay */
};

/** A call with everything that can be said of it. */
typedef struct tenon_call_options {
    uint32_t size;
    uint32_t flags;           /**< enum tenon_call_flag */
    int64_t time_ns;          /**< delay from now; <= 0: the next turn */
    tenon_call_fn *fn;        /**< never NULL */
    void *user;               /**< for `fn` and `free_user` */
    tenon_free_fn *free_user; /**< once, at the end of the turn in which the
                                   call ran, was cancelled or dropped */
    const char *name;         /**< kept by reference; NULL is legal */
} tenon_call_options;

TENON_BEGIN

/** Runs `fn(user)` in the next turn, after all that was scheduled before.
 *  Callback: never inside this call.
 *  Errors: TENON_INVALID for a NULL fn, TENON_CLOSED, TENON_NO_MEMORY,
 *  TENON_WRONG_THREAD, TENON_FORKED; these go for all calls below.
 *  Source: PEP 3156 call_soon. */
TENON_CHECKED TENON_API tenon_status tenon_call_soon(tenon_reactor *reactor,
                                                     tenon_call_fn *fn,
                                                     void *user);

/** Runs `fn(user)` once `delay_ns` have passed, measured from this call;
 *  zero and less mean the next turn. Never early. `out` may be NULL.
 *  Source: PEP 3156 call_later. */
TENON_CHECKED TENON_API tenon_status tenon_call_later(tenon_reactor *reactor,
                                                      int64_t delay_ns,
                                                      tenon_call_fn *fn,
                                                      void *user,
                                                      tenon_handle *out);

/** Runs `fn(user)` at a time of the reactor's clock. Equal deadlines run in
 *  the order they were made. `out` may be NULL.
 *  Source: PEP 3156 call_at. */
TENON_CHECKED TENON_API tenon_status tenon_call_at(tenon_reactor *reactor,
                                                   int64_t deadline_ns,
                                                   tenon_call_fn *fn,
                                                   void *user,
                                                   tenon_handle *out);

/** The general form. Takes ownership of `user` on success only. */
TENON_CHECKED TENON_API tenon_status
tenon_call_with(tenon_reactor *reactor, const tenon_call_options *options,
                tenon_handle *out);

/** Forgets the call and its user pointer at once. After it ran, or a second
 *  time: a no-op that returns TENON_OK; TENON_EXISTED when it did cancel. */
TENON_API tenon_status tenon_handle_cancel(tenon_handle handle);
/** Whether the call has neither run nor been cancelled. */
TENON_API bool tenon_handle_is_pending(tenon_handle handle);
/** The deadline; 0 for a call in the ready queue or one that is gone. */
TENON_API int64_t tenon_handle_when(tenon_handle handle);
/** Moves the deadline to `delay_ns` from now.
 *  Errors: TENON_INVALID when it is no longer pending. */
TENON_API tenon_status tenon_handle_reset(tenon_handle handle,
                                          int64_t delay_ns);
/** Moves the deadline by `extra_ns`.
 *  Errors: as tenon_handle_reset. */
TENON_API tenon_status tenon_handle_delay(tenon_handle handle,
                                          int64_t extra_ns);

TENON_END

#endif
