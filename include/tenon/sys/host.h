/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The host contract: what a loop must offer to carry a reactor, and what it
 * calls in return. An adapter implements the table and calls tenon_turn. It
 * gives the engine one place in the host: "when this descriptor is readable,
 * enter". Everything (sockets, deadlines, posts of other threads) is inside
 * that descriptor.
 */

#ifndef TENON_SYS_HOST_H
#define TENON_SYS_HOST_H

#include <tenon/reactor.h>

/** Says that the host holds nothing of ours any more. */
typedef void tenon_host_closed_fn(void *token);

/** What a turn left behind. */
typedef struct tenon_turn_result {
    bool more;  /**< there is work now: enter again, without waiting */
    bool alive; /**< something keeps the host's run from returning */
    int64_t next_deadline_ns; /**< on the reactor's clock; TENON_FOREVER */
} tenon_turn_result;

/** Append-only; a slot that lies beyond `size`, or is NULL, is not there. */
typedef struct tenon_host_ops {
    uint32_t size;
    uint32_t caps;    /**< enum tenon_cap */
    const char *name; /**< "libuv" */
    /** The version of the host that is loaded. */
    const char *(*version)(void);
    /** The native loop, for tenon_reactor_native. May be NULL. */
    void *(*native)(void *host);
    /** Mandatory. Keep `fd` watched, level-triggered, for readability until
     *  `close`; whenever it is readable, call tenon_turn. On failure nothing
     *  is left behind, and the engine does not call `close`. */
    tenon_status (*open)(void *host, tenon_reactor *reactor, int fd);
    /** Mandatory. Give everything back: the loop exactly as it was found. May
     *  finish later; `done(token)` exactly once, possibly inside this call;
     *  the adapter frees its own memory just before. Called at most once, with
     *  the descriptor still valid; in a forked child too, from inside
     *  tenon_turn, after the host's own fork call. */
    void (*close)(void *host, tenon_host_closed_fn *done, void *token);
    /** Owner's thread: call tenon_turn in the host's next iteration, after it
     *  has polled. Idempotent until then. NULL: the engine makes the
     *  descriptor readable instead. */
    void (*defer)(void *host);
    /** Whether we keep the host's own run from returning. After `open` it is
     *  false. NULL: the host has no such notion. */
    void (*set_alive)(void *host, bool alive);
    /** Only for a loop that Tenon made: run until `stop`, or, once, waiting
     *  at most `max_wait_ns` (0: just look; TENON_FOREVER: until `stop`). */
    tenon_status (*run)(void *host, int64_t max_wait_ns);
    /** Makes `run` return; from a callback of the loop. */
    void (*stop)(void *host);
    /** Stops watching the descriptor, or begins again: in between, the engine
     *  puts another one behind its number. NULL: it never does, and a
     *  descriptor that was closed while a duplicate of it stays open, before
     *  its watch was stopped, may wake the host for ever. */
    void (*set_watched)(void *host, bool watched);
} tenon_host_ops;

TENON_BEGIN

/** Makes a reactor on `host` through `ops`, which must outlive it.
 *  Ownership: the caller holds one reference; `host` stays the adapter's,
 *  which frees it in `close`, or itself when this call fails.
 *  Errors: what `open` returned; TENON_NO_MEMORY, EMFILE. */
TENON_CHECKED TENON_API tenon_status
tenon_reactor_attach(tenon_reactor **out, const tenon_host_ops *ops, void *host,
                     const tenon_reactor_options *options);

/** Enters the reactor: runs turns until nothing is due or the budget is spent.
 *  Legal and cheap with nothing due, from inside a callback of a turn (a
 *  nested host loop), and after the end of the reactor, for as long as the
 *  adapter's `close` has not been called. After a result with `more` the
 *  engine has already used `defer`.
 *  Errors: TENON_WRONG_THREAD (nothing was done); TENON_FORKED and
 *  TENON_CLOSED: `close` has been called or the host is gone, so the adapter's
 *  own memory may be, too. `out` may be NULL; it is always filled. */
TENON_API tenon_status tenon_turn(tenon_reactor *reactor,
                                  tenon_turn_result *out);

/** What tenon_turn would find, without running anything: for a host that asks
 *  before it polls (GLib's prepare). Also makes sure that the descriptor wakes
 *  the host at the next deadline.
 *  Reentrancy: legal inside callbacks. */
TENON_API tenon_status tenon_turn_peek(tenon_reactor *reactor,
                                       tenon_turn_result *out);

/** The host was destroyed, or destroys us, without being asked: nothing of it
 *  is touched any more, `close` is not called, and everything pending ends.
 *  The adapter frees its own memory after this returns.
 *  Thread: owner. */
TENON_API void tenon_reactor_host_gone(tenon_reactor *reactor);

TENON_END

#endif
