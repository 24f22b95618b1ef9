/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Listeners accept connections, connectors make them; both hand each to a
 * protocol from a factory. The memory pair is two transports joined back to
 * back, without sockets.
 */

#ifndef TENON_STREAM_H
#define TENON_STREAM_H

#include <tenon/transport.h>

/** Accepts connections: opaque and counted. */
typedef struct tenon_listener tenon_listener;
/** Makes one connection: opaque and counted. */
typedef struct tenon_connector tenon_connector;

/** Told once that a closed listener is gone. */
typedef void tenon_listener_closed_fn(tenon_listener *listener, void *user);

/** How to listen. A field that is 0 or NULL has its default. */
typedef struct tenon_listen_options {
    uint32_t size;
    int backlog;        /**< 0: 1024 */
    bool reuse_port;    /**< TCP */
    bool v6_only;       /**< TCP over IPv6 */
    bool start_paused;  /**< accept nothing until tenon_listener_resume */
    bool daemon;        /**< does not keep the reactor alive */
    uint32_t unix_mode; /**< of the socket file; 0: 0600 */
    const char *name;   /**< for dumps and reports; kept by reference */
    tenon_listener_closed_fn *on_closed; /**< may be NULL */
    void *on_closed_user;                /**< for `on_closed` */
} tenon_listen_options;

/** Once: a connection (after its connection_made), or why there is none. */
typedef void tenon_connected_fn(tenon_connector *connector,
                                tenon_transport *transport,
                                const tenon_error *error, void *user);

/** How to connect. A field that is 0 or NULL has its default. */
typedef struct tenon_connect_options {
    uint32_t size;
    int64_t timeout_ns;               /**< 0: 30 s */
    tenon_connected_fn *on_connected; /**< may be NULL */
    void *user;                       /**< for `on_connected` */
} tenon_connect_options;

/** How a memory pair cuts and orders its bytes. */
typedef struct tenon_memory_options {
    uint32_t size;
    size_t capacity;  /**< bytes in flight per direction; 0: 64 KiB */
    size_t chunk_max; /**< largest delivery; 0: whole; 1: byte by byte */
    uint64_t seed;    /**< nonzero: random chunks of 1..chunk_max bytes */
} tenon_memory_options;

TENON_BEGIN

/** Listens at `address` ("tcp:127.0.0.1:0", "unix:PATH", "mem:NAME"). Nagle's
 *  algorithm is off for TCP connections. `options` may be NULL.
 *  Ownership: the caller holds one reference; the reactor holds another until
 *  the listener is closed.
 *  Callback: the factory and the protocols, from later turns.
 *  Errors: TENON_BAD_ADDRESS, TENON_IN_USE (a UNIX socket that is alive), the
 *  system's (EADDRINUSE, EACCES, EMFILE); TENON_CLOSED, TENON_NO_MEMORY,
 *  TENON_WRONG_THREAD, TENON_FORKED. Nothing is left behind. */
TENON_CHECKED TENON_API tenon_status
tenon_listen(tenon_reactor *reactor, tenon_listener **out, const char *address,
             tenon_factory factory, const tenon_listen_options *options);
/** Another reference, for the caller. */
TENON_API tenon_listener *tenon_listener_ref(tenon_listener *listener);
/** Drops a reference, which never closes. NULL is legal. */
TENON_API void tenon_listener_unref(tenon_listener *listener);
/** Accepts no more; connections go on. Twice is a no-op. */
TENON_API tenon_status tenon_listener_close(tenon_listener *listener);
/** Accepts nothing until resumed; the kernel queues connections up to the
 *  backlog. Twice is a no-op. */
TENON_API tenon_status tenon_listener_pause(tenon_listener *listener);
/** Undoes tenon_listener_pause. */
TENON_API tenon_status tenon_listener_resume(tenon_listener *listener);
/** The address with the port that was really bound. */
TENON_API tenon_status tenon_listener_address(const tenon_listener *listener,
                                              tenon_address *out);
/** Connections accepted so far. */
TENON_API uint64_t tenon_listener_accepted(const tenon_listener *listener);

/** Connects to `address` and gives the connection to a protocol.
 *  Ownership: the caller holds one reference if `out` is not NULL; the reactor
 *  holds another until on_connected was called.
 *  Callback: connection_made, then on_connected, from later turns.
 *  Errors: as tenon_listen. A refused connection is told to on_connected. */
TENON_CHECKED TENON_API tenon_status tenon_connector_start(
    tenon_reactor *reactor, tenon_connector **out, const char *address,
    tenon_factory factory, const tenon_connect_options *options);
/** Another reference, for the caller. */
TENON_API tenon_connector *tenon_connector_ref(tenon_connector *connector);
/** Drops a reference, which never cancels. NULL is legal. */
TENON_API void tenon_connector_unref(tenon_connector *connector);
/** Gives up; on_connected is told TENON_CANCELLED in a later turn. A no-op
 *  once the connection is made. */
TENON_API tenon_status tenon_connector_cancel(tenon_connector *connector);

/** Takes a connected stream socket.
 *  Ownership: of `fd`, on success only; it becomes non-blocking and
 *  close-on-exec. `out` is borrowed; connection_made comes in the next turn.
 *  Errors: TENON_INVALID for anything but a connected stream socket. */
TENON_CHECKED TENON_API tenon_status
tenon_transport_adopt(tenon_reactor *reactor, tenon_transport **out, int fd,
                      tenon_factory factory);

/** Two transports joined back to back. `out` are borrowed; connection_made
 *  comes to both in the next turn. `options` may be NULL. */
TENON_CHECKED TENON_API tenon_status tenon_memory_pair(
    tenon_reactor *reactor, tenon_transport *out[2], tenon_factory first,
    tenon_factory second, const tenon_memory_options *options);

TENON_END

#endif
