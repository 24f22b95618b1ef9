/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Sockets as transports, for those who make them: listeners and connectors.
 */

#ifndef TENON_NET_STREAM_H
#define TENON_NET_STREAM_H

#include "net/transport.h"

/** A transport of a connected, non-blocking, close-on-exec stream socket;
 *  NULL when out of memory. Ownership: of `fd`, on success only. */
tenon_transport *tenon__stream_new(tenon_reactor *reactor, int fd,
                                   tenon_factory factory);
/** An unconnected one for `address`. Returns it, or -errno. */
int tenon__stream_socket(const tenon_address *address);

#endif
