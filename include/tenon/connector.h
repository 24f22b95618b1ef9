/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Connectors make connections and give them to a protocol of a factory.
 */

#ifndef TENON_CONNECTOR_H
#define TENON_CONNECTOR_H

#include <tenon/transport.h>

/** An attempt to connect. Opaque, counted. */
typedef struct tenon_connector tenon_connector;

/** Once: a connection (after its connection_made), or why there is none. */
typedef void tenon_connected_fn(tenon_connector *connector,
                                tenon_transport *transport,
                                const tenon_error *error, void *user);

/** For tenon_connector_start; zero is the default of each. */
typedef struct tenon_connect_options {
    uint32_t size;
    int64_t timeout_ns;               /**< 0: 30 s */
    tenon_connected_fn *on_connected; /**< may be NULL */
    void *user;                       /**< for on_connected */
} tenon_connect_options;

TENON_BEGIN

/** Connects to `address` and gives the connection to a protocol.
 *  Ownership: the caller holds one reference if `out` is not NULL; the reactor
 *  holds another until on_connected was called.
 *  Callback: connection_made, then on_connected, from later turns.
 *  Errors: as tenon_listen. A refused connection is told to on_connected. */
TENON_CHECKED TENON_API tenon_status tenon_connector_start(
    tenon_reactor *reactor, tenon_connector **out, const char *address,
    tenon_factory factory, const tenon_connect_options *options);
/** Counts. NULL is legal for both. */
TENON_API tenon_connector *tenon_connector_ref(tenon_connector *connector);
/** Drops a reference; never gives up. */
TENON_API void tenon_connector_unref(tenon_connector *connector);
/** Gives up; on_connected is told TENON_CANCELLED in a later turn. A no-op
 *  once the connection is made. */
TENON_API tenon_status tenon_connector_cancel(tenon_connector *connector);

TENON_END

#endif
