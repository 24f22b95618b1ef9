/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Listeners accept connections at one or more addresses and give each to a
 * protocol of a factory. A listener remembers the connections that came by it:
 * it can limit their number, and be stopped together with them.
 */

#ifndef TENON_LISTENER_H
#define TENON_LISTENER_H

#include <tenon/future.h>
#include <tenon/transport.h>

/** Accepts connections: opaque and counted. */
typedef struct tenon_listener tenon_listener;

/** Told once that a closed listener accepts no more; its connections may go
 *  on. */
typedef void tenon_listener_closed_fn(tenon_listener *listener, void *user);

/** How to listen. A field that is 0 or NULL has its default. */
typedef struct tenon_listen_options {
    uint32_t size;
    int backlog;        /**< 0: 1024 */
    bool reuse_port;    /**< TCP */
    bool v6_only;       /**< TCP over IPv6: no IPv4 through the same socket */
    bool start_paused;  /**< accept nothing until tenon_listener_resume */
    bool daemon;        /**< does not keep the reactor alive */
    uint32_t unix_mode; /**< of the socket file; 0: 0600 */
    const char *name;   /**< for dumps and reports; kept by reference */
    tenon_listener_closed_fn *on_closed; /**< may be NULL */
    void *on_closed_user;                /**< for `on_closed` */
    uint32_t max_connections; /**< at a time: above it nobody is accepted until
                                   one has ended; 0: no limit */
} tenon_listen_options;

/** What becomes of the connections of a listener that stops. */
enum tenon_stop_mode {
    TENON_STOP_DRAIN, /**< they go on, and are waited for */
    TENON_STOP_CLOSE, /**< they are closed: what is queued is sent */
    TENON_STOP_ABORT  /**< they are aborted: what is queued is dropped */
};

/** Told once that a listener is closed and its last connection has ended:
 *  TENON_OK; TENON_TIMED_OUT if some had to be aborted at the deadline;
 *  TENON_CLOSED if the reactor ended first. */
typedef void tenon_listener_stopped_fn(tenon_listener *listener,
                                       tenon_status status, void *user);

/** How to stop. A field that is 0 or NULL has its default. */
typedef struct tenon_stop_options {
    uint32_t size;
    uint32_t mode;      /**< enum tenon_stop_mode */
    int64_t timeout_ns; /**< then what is left is aborted; 0: never */
    tenon_listener_stopped_fn *on_stopped; /**< may be NULL */
    void *user;                            /**< for `on_stopped` */
} tenon_stop_options;

TENON_BEGIN

/** Listens at `address`, an endpoint (tenon/endpoint.h): "tcp:127.0.0.1:0",
 *  "tcp:*:0" (IPv4 and IPv6, with the same port), "unix:PATH", "unix:@NAME",
 *  "fd:3", "mem:NAME"; not a name. Its options win over `options`, which may
 *  be NULL. Nagle's algorithm is off for TCP connections.
 *  Ownership: the caller holds one reference; the reactor holds another until
 *  the listener is closed and its last connection has ended.
 *  Callback: the factory and the protocols, from later turns.
 *  Errors: TENON_BAD_ADDRESS, TENON_IN_USE (a UNIX socket that is alive), the
 *  system's (EADDRINUSE, EACCES, EMFILE); those of tenon_listen_adopt;
 *  TENON_CLOSED, TENON_NO_MEMORY, TENON_WRONG_THREAD, TENON_FORKED. Nothing is
 *  left behind. */
TENON_CHECKED TENON_API tenon_status
tenon_listen(tenon_reactor *reactor, tenon_listener **out, const char *address,
             tenon_factory factory, const tenon_listen_options *options);
/** Takes a stream socket that listens already, as "fd:N" does.
 *  Ownership: of `fd`, on success only; it becomes non-blocking and
 *  close-on-exec. The file of a UNIX socket is left alone.
 *  Errors: TENON_INVALID for any other descriptor, TENON_OWNED for one of a
 *  listener or transport; else as tenon_listen. */
TENON_CHECKED TENON_API tenon_status
tenon_listen_adopt(tenon_reactor *reactor, tenon_listener **out, int fd,
                   tenon_factory factory, const tenon_listen_options *options);
/** Listens at one more address, with the same options.
 *  Errors: as tenon_listen; the listener is then as it was. */
TENON_CHECKED TENON_API tenon_status
tenon_listener_add(tenon_listener *listener, const char *address);

/** Another reference, for the caller. */
TENON_API tenon_listener *tenon_listener_ref(tenon_listener *listener);
/** Drops a reference, which never closes. NULL is legal. */
TENON_API void tenon_listener_unref(tenon_listener *listener);

/** Accepts no more; connections go on. Twice is a no-op. */
TENON_API tenon_status tenon_listener_close(tenon_listener *listener);
/** Closes it and ends its connections by options->mode (NULL: drain). Legal on
 *  a closed one, and again: the harsher mode and the earlier deadline count,
 *  and every on_stopped is told.
 *  Callback: on_stopped from a later turn, after on_closed and after the last
 *  connection_lost.
 *  Errors: TENON_INVALID, TENON_CLOSED (of the reactor), TENON_NO_MEMORY:
 *  nothing was done. */
TENON_API tenon_status tenon_listener_stop(tenon_listener *listener,
                                           const tenon_stop_options *options);
/** The same as a future, which resolves with NULL, or fails as on_stopped would
 *  be told; on_stopped is not called. Cancelling it only stops the waiting.
 *  Ownership: the caller holds one reference. NULL when there is no memory, or
 *  the reactor is closed, another thread's or the parent's.
 *  Source: asyncio's Server.wait_closed. */
TENON_CHECKED TENON_API tenon_future *tenon_listener_stop_future(
    tenon_listener *listener, const tenon_stop_options *options);
/** Accepts nothing until resumed; the kernel queues connections up to the
 *  backlog. Twice is a no-op. Errors: TENON_CLOSED. */
TENON_API tenon_status tenon_listener_pause(tenon_listener *listener);
/** Undoes tenon_listener_pause. Errors: TENON_CLOSED. */
TENON_API tenon_status tenon_listener_resume(tenon_listener *listener);

/** The first address, with the port that was really bound. */
TENON_API tenon_status tenon_listener_address(const tenon_listener *listener,
                                              tenon_address *out);
/** How many addresses there are. */
TENON_API size_t tenon_listener_address_count(const tenon_listener *listener);
/** One of them, from 0.
 *  Errors: TENON_INVALID when there is none of this index. */
TENON_API tenon_status tenon_listener_address_at(const tenon_listener *listener,
                                                 size_t index,
                                                 tenon_address *out);
/** Connections accepted so far. */
TENON_API uint64_t tenon_listener_accepted(const tenon_listener *listener);
/** Those of them that have not ended. */
TENON_API uint32_t tenon_listener_connections(const tenon_listener *listener);

TENON_END

#endif
