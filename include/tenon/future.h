/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Futures: a value that will exist, or the error there will be instead. A
 * future completes once: RESOLVED with a value, FAILED with an error, or
 * CANCELLED. Whoever waits is called in the next turn, in the order of asking.
 *
 * It is counted (tenon_future_new), or lies in memory of the caller's
 * (tenon_future_init, tenon_future_fini). All calls come from the thread of
 * its reactor; a tenon_promise (tenon/promise.h) completes one from any other.
 *
 * Where TENON_WRONG_THREAD or TENON_FORKED is returned nothing was done; that
 * goes for every call here and is not repeated.
 */

#ifndef TENON_FUTURE_H
#define TENON_FUTURE_H

#include <tenon/call.h>
#include <tenon/error.h>
#include <tenon/node.h>
#include <tenon/reactor.h>

typedef struct tenon_future tenon_future;
typedef struct tenon_waiter tenon_waiter;

/** What has become of a future; everything but PENDING is for good. */
enum tenon_future_state {
    TENON_FUTURE_PENDING,
    TENON_FUTURE_RESOLVED,
    TENON_FUTURE_FAILED,
    TENON_FUTURE_CANCELLED
};

/** Told that `future` is done. `waiter` is the caller's memory again. */
typedef void tenon_done_fn(tenon_waiter *waiter, tenon_future *future,
                           void *user);

/** Stops the work behind a future that is being cancelled, inside the cancel:
 *  it may call no user code. Returns TENON_OK to have the future cancelled at
 *  once, or TENON_PENDING to complete it itself, later. */
typedef tenon_status tenon_canceller_fn(tenon_future *future, void *user);

/** A place in the queue of a future; see tenon_future_on_done. */
struct tenon_waiter {
    /* Private: */
    tenon_node node;
    tenon_future *future;
    tenon_done_fn *fn;
    void *user;
    uint32_t flags;
    uint32_t reserved;
};

struct tenon_future {
    /* Private: */
    tenon_node node; /* among those that the reactor's end concerns */
    tenon_node list; /* the waiters; once done, a link of its own */
    tenon_reactor *reactor;
    const struct tenon__future_kind *kind;
    union {
        void *pointer;
        int64_t number;
        tenon_future *origin;
    } value;
    tenon_free_fn *free_value;
    tenon_error *error;
    tenon_canceller_fn *canceller;
    void *canceller_user;
    const char *site;
    uint32_t refs;
    uint32_t queued; /* waiters in the ready queue */
    uint32_t flags;
    uint32_t state;
};

/** Handles the outcome of `source` for tenon_future_then. It may complete
 *  `result`, or have it follow another future by tenon_future_link; else
 *  TENON_OK resolves it with NULL, a failure fails it, and TENON_PENDING
 *  leaves it to whoever took a reference, to be completed later. */
typedef tenon_status tenon_then_fn(tenon_future *source, tenon_future *result,
                                   void *user);

/** What tenon_future_then does with an outcome. */
typedef struct tenon_then_options {
    uint32_t size;
    tenon_then_fn *on_value;  /**< NULL: the value is passed on */
    tenon_then_fn *on_error;  /**< NULL: the error, or the cancelling, is */
    void *user;               /**< for both */
    tenon_free_fn *free_user; /**< once, when neither can be called again */
} tenon_then_options;

/** How far cancelling travels along tenon_future_link. */
enum tenon_link_flag {
    TENON_LINK_CANCEL_FROM = 1, /**< a cancelled `to` cancels `from` */
    TENON_LINK_CANCEL_TO = 2,   /**< a cancelled `from` cancels `to`; else `to`
                                     fails with TENON_CANCELLED */
    TENON_LINK_CANCEL = 3       /**< both */
};

#define TENON_SITE_TEXT_(line) #line
#define TENON_SITE_LINE_(line) TENON_SITE_TEXT_(line)
/** "file.c:12", where it stands. */
#define TENON_SITE __FILE__ ":" TENON_SITE_LINE_(__LINE__)

TENON_BEGIN

/** Makes a pending future, which remembers where: tenon_future_new_at with the
 *  place of the call.
 *  Ownership: the caller holds one reference.
 *  Errors: TENON_INVALID, TENON_CLOSED, TENON_NO_MEMORY. */
#define tenon_future_new(reactor, out) \
    tenon_future_new_at((reactor), (out), TENON_SITE)
/** The same, told to be made at `site`, a constant that is kept by reference
 *  and named in reports; NULL is legal. */
TENON_CHECKED TENON_API tenon_status tenon_future_new_at(tenon_reactor *reactor,
                                                         tenon_future **out,
                                                         const char *site);
/** Makes a pending future with `len` zeroed bytes behind it, aligned for
 *  anything, for what its maker has to keep: one allocation for both.
 *  tenon_future_room gives them; they go when the future's memory does, which
 *  is never inside a callback.
 *  Ownership, errors: as tenon_future_new. */
#define tenon_future_new_with(reactor, len, out) \
    tenon_future_new_with_at((reactor), (len), (out), TENON_SITE)
/** The same, told to be made at `site`; see tenon_future_new_at. */
TENON_CHECKED TENON_API tenon_status tenon_future_new_with_at(
    tenon_reactor *reactor, size_t len, tenon_future **out, const char *site);
/** The room behind a future of tenon_future_new_with; NULL for others.
 *  Thread: any. */
TENON_API void *tenon_future_room(tenon_future *future);
/** Makes a pending future in memory of the caller's; allocates nothing.
 *  Errors: as tenon_future_new. On failure there is nothing to undo. */
#define tenon_future_init(future, reactor) \
    tenon_future_init_at((future), (reactor), TENON_SITE)
/** The same, told to be made at `site`; see tenon_future_new_at. */
TENON_CHECKED TENON_API tenon_status tenon_future_init_at(
    tenon_future *future, tenon_reactor *reactor, const char *site);
/** Ends a future of tenon_future_init: one that is pending is cancelled, then
 *  waiters of yours are forgotten, futures that follow it are cancelled, its
 *  value is freed. Twice is a no-op, and so is zeroed memory.
 *  Callback: the error handler, if it failed unseen; free functions. */
TENON_API void tenon_future_fini(tenon_future *future);

/** Counts, but for futures in the caller's memory, whose life is the caller's
 *  affair. NULL is legal. */
TENON_API tenon_future *tenon_future_ref(tenon_future *future);
/** Drops a reference. With the last one a pending future is cancelled, and its
 *  waiters are told; a failure that nobody looked at is reported, once, at the
 *  end of the turn.
 *  Thread: the owner; any, one at a time, once the reactor is closed. */
TENON_API void tenon_future_unref(tenon_future *future);

/** A future that is resolved.
 *  Ownership: as tenon_future_new, and of the value as tenon_future_resolve.
 *  Errors: as tenon_future_new. */
TENON_CHECKED TENON_API tenon_status
tenon_future_ready(tenon_reactor *reactor, void *value,
                   tenon_free_fn *free_value, tenon_future **out);
/** The same, with a number. */
TENON_CHECKED TENON_API tenon_status tenon_future_ready_int(
    tenon_reactor *reactor, int64_t number, tenon_future **out);
/** The same, failed; the error is shared, as by tenon_future_fail. */
TENON_CHECKED TENON_API tenon_status tenon_future_failed(tenon_reactor *reactor,
                                                         tenon_error *error,
                                                         tenon_future **out);

/** Completes it with a value. `free_value` (NULL: none) gets it when the
 *  future's memory goes, unless somebody took it.
 *  Callback: waiters in the next turn, never inside; so for all that follow.
 *  Ownership: the future's on success, else still the caller's.
 *  Errors: TENON_DONE, and the first outcome stays.
 *  Source: PEP 3156 set_result. */
TENON_CHECKED TENON_API tenon_status tenon_future_resolve(
    tenon_future *future, void *value, tenon_free_fn *free_value);
/** The same, with a number. */
TENON_CHECKED TENON_API tenon_status
tenon_future_resolve_int(tenon_future *future, int64_t number);
/** Completes it with an error.
 *  Ownership: takes a reference of its own.
 *  Errors: TENON_DONE; TENON_INVALID for an error that is none.
 *  Source: PEP 3156 set_exception. */
TENON_CHECKED TENON_API tenon_status tenon_future_fail(tenon_future *future,
                                                       tenon_error *error);
/** Completes it unless that has happened: then the value is freed, and this
 *  returns TENON_EXISTED.
 *  Ownership: taken. */
TENON_API tenon_status tenon_future_try_resolve(tenon_future *future,
                                                void *value,
                                                tenon_free_fn *free_value);
/** The same, with a number. */
TENON_API tenon_status tenon_future_try_resolve_int(tenon_future *future,
                                                    int64_t number);
/** The same, with an error, of which it takes a reference of its own. */
TENON_API tenon_status tenon_future_try_fail(tenon_future *future,
                                             tenon_error *error);

/** Where it stands. Asking does not count as seeing a failure.
 *  Thread: the owner, for all getters. */
TENON_API enum tenon_future_state tenon_future_state(
    const tenon_future *future);
/** Whether it is anything but pending. */
TENON_API bool tenon_future_is_done(const tenon_future *future);
/** The reactor it belongs to, borrowed. */
TENON_API tenon_reactor *tenon_future_reactor(const tenon_future *future);
/** Reads the value; it stays the future's. Reading counts as seeing a failure.
 *  Errors: TENON_NOT_DONE; the status of its error, or TENON_CANCELLED;
 *  TENON_INVALID when it is a number, or was taken. */
TENON_CHECKED TENON_API tenon_status tenon_future_value(tenon_future *future,
                                                        void **out);
/** Reads a number.
 *  Errors: as tenon_future_value; TENON_INVALID when it is none. */
TENON_CHECKED TENON_API tenon_status tenon_future_int(tenon_future *future,
                                                      int64_t *out);
/** Takes the value, and `*free_value` (may be NULL) to free it with. Futures
 *  that had it passed on share it: who is first has it.
 *  Errors: as tenon_future_value. */
TENON_CHECKED TENON_API tenon_status
tenon_future_take(tenon_future *future, void **out, tenon_free_fn **free_value);
/** The error of a failed future; of a cancelled one an error of status
 *  TENON_CANCELLED with the reason as its message; else NULL. Borrowed.
 *  Looking counts as seeing the failure. */
TENON_API tenon_error *tenon_future_error(tenon_future *future);

/** Has `fn(waiter, future, user)` called once the future is done, in the turn
 *  after; also if it is done already. `waiter` is the caller's memory, of any
 *  content but not waiting elsewhere, until it is called or removed. Nothing
 *  is allocated. When the reactor ends, what waits is called inside of that.
 *  Errors: TENON_INVALID, TENON_CLOSED.
 *  Source: PEP 3156 add_done_callback. */
TENON_CHECKED TENON_API tenon_status tenon_future_on_done(tenon_future *future,
                                                          tenon_waiter *waiter,
                                                          tenon_done_fn *fn,
                                                          void *user);
/** Forgets every waiter with this function and user, of a future that is done
 *  too, and returns how many there were.
 *  Source: PEP 3156 remove_done_callback. */
TENON_API size_t tenon_future_off(tenon_future *future, tenon_done_fn *fn,
                                  void *user);
/** Forgets this one: TENON_EXISTED if it was waiting, else TENON_OK. Zeroed
 *  memory, and a waiter that was called, are not waiting. */
TENON_API tenon_status tenon_waiter_remove(tenon_waiter *waiter);

/** Cancels it, with a reason that is copied (NULL: none), and what it waits
 *  for by then or gather. TENON_EXISTED if it did; TENON_OK if the future was
 *  done; TENON_PENDING if its outcome is on its way and comes later. */
TENON_API tenon_status tenon_future_cancel(tenon_future *future,
                                           const char *reason);
/** The same with an error for a reason, as the cause of the cancelling.
 *  Ownership: takes a reference of its own. */
TENON_API tenon_status tenon_future_cancel_with(tenon_future *future,
                                                tenon_error *reason);
/** Sets what cancelling a pending future calls first; NULL for nothing. It is
 *  called once at most, and not after the future is done.
 *  Errors: TENON_DONE. */
TENON_CHECKED TENON_API tenon_status tenon_future_set_canceller(
    tenon_future *future, tenon_canceller_fn *fn, void *user);

/** A future for what comes of `future`: on_value or on_error is called in the
 *  turn after, though nobody holds the result. Cancelling the result cancels
 *  `future`. `out` may be NULL.
 *  Ownership: the caller holds one reference to `*out`; `user` is taken on
 *  success only.
 *  Errors: TENON_INVALID, TENON_CLOSED, TENON_NO_MEMORY. */
TENON_CHECKED TENON_API tenon_status
tenon_future_then(tenon_future *future, const tenon_then_options *options,
                  tenon_future **out);
/** Completes `to` as `from` completes, a turn later; a value is shared, or, if
 *  `from` is in memory of the caller's, moved. `flags`: tenon_link_flag. The
 *  link holds a reference to `to`, and ends when either is done.
 *  Errors: TENON_DONE if `to` is; TENON_INVALID, also for two reactors;
 *  TENON_CLOSED, TENON_NO_MEMORY. */
TENON_CHECKED TENON_API tenon_status tenon_future_link(tenon_future *from,
                                                       tenon_future *to,
                                                       uint32_t flags);

/** Runs the reactor until the future is done, however idle it is, and returns
 *  how that went: TENON_OK, or the status of its error (which is then seen).
 *  Errors: TENON_STOPPED if tenon_stop came first, TENON_TIMED_OUT after
 *  `timeout_ns` (TENON_FOREVER: never; 0: what one turn does); the future
 *  stays as it is, nothing is left of this call, and the reactor may be run
 *  again. Those of tenon_run.
 *  Source: PEP 3156 run_until_complete. */
TENON_CHECKED TENON_API tenon_status tenon_run_until(tenon_reactor *reactor,
                                                     tenon_future *future,
                                                     int64_t timeout_ns);

TENON_END

#endif
