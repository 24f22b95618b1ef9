/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Connectors make a connection and give it to a protocol of a factory. A name
 * is looked up by the reactor's resolver (tenon/resolver.h), and its addresses
 * are tried as RFC 8305 says: IPv6 and IPv4 in turn, the next one as soon as
 * one failed or has not answered for 250 ms, and whichever connects first is
 * the connection.
 */

#ifndef TENON_CONNECTOR_H
#define TENON_CONNECTOR_H

#include <tenon/future.h>
#include <tenon/transport.h>

/** Makes one connection: opaque and counted. */
typedef struct tenon_connector tenon_connector;

/** Once: a connection (after its connection_made), or why there is none. The
 *  error has one error for each attempt behind it, the latest first, with the
 *  address in its message: tenon_error_format prints them all. */
typedef void tenon_connected_fn(tenon_connector *connector,
                                tenon_transport *transport,
                                const tenon_error *error, void *user);

/** How to connect. A field that is 0 or NULL has its default. */
typedef struct tenon_connect_options {
    uint32_t size;
    int64_t timeout_ns;               /**< in all; 0: 30 s */
    tenon_connected_fn *on_connected; /**< may be NULL */
    void *user;                       /**< for `on_connected` */
    int64_t resolve_timeout_ns;       /**< of the name; 0: as in all */
    int64_t attempt_timeout_ns;       /**< of one address; 0: as in all */
    int64_t attempt_delay_ns;         /**< before the next address; 0: 250 ms */
    const char *local; /**< where from: "tcp:127.0.0.2:0"; NULL: anywhere */
} tenon_connect_options;

TENON_BEGIN

/** Connects to `address`, an endpoint (tenon/endpoint.h): "tcp:example.org:80",
 *  "tcp:[::1]:80", "unix:PATH", "mem:NAME". Its options win over `options`,
 *  which may be NULL.
 *  Ownership: the caller holds one reference if `out` is not NULL; the reactor
 *  holds another until on_connected was called.
 *  Callback: connection_made, then on_connected, from later turns.
 *  Errors: TENON_BAD_ADDRESS, TENON_NOT_SUPPORTED for "fd:N" (which
 *  tenon_transport_adopt takes), TENON_INVALID, TENON_CLOSED, TENON_NO_MEMORY,
 *  TENON_WRONG_THREAD, TENON_FORKED. All that comes of trying is told to
 *  on_connected. */
TENON_CHECKED TENON_API tenon_status tenon_connector_start(
    tenon_reactor *reactor, tenon_connector **out, const char *address,
    tenon_factory factory, const tenon_connect_options *options);
/** Another reference, for the caller. */
TENON_API tenon_connector *tenon_connector_ref(tenon_connector *connector);
/** Drops a reference, which never cancels. NULL is legal. */
TENON_API void tenon_connector_unref(tenon_connector *connector);
/** Gives up, at whatever stage; on_connected is told TENON_CANCELLED in a later
 *  turn. A no-op once the connection is made. */
TENON_API tenon_status tenon_connector_cancel(tenon_connector *connector);

/** The same as a future of the tenon_transport, which holds a reference to it;
 *  on_connected is not called. Cancelling it gives up.
 *  Ownership: the caller holds one reference. NULL when there is no memory, or
 *  the reactor is closed, another thread's or the parent's; every other
 *  failure is the future's.
 *  Source: PEP 3156 create_connection. */
TENON_CHECKED TENON_API tenon_future *tenon_connect(
    tenon_reactor *reactor, const char *address, tenon_factory factory,
    const tenon_connect_options *options);

TENON_END

#endif
