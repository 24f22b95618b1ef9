/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Streams and where they come from: listeners accept connections, connectors
 * make them, a socket that is connected already is adopted, and the memory
 * pair is two transports joined back to back, without sockets.
 */

#ifndef TENON_STREAM_H
#define TENON_STREAM_H

#include <tenon/connector.h>
#include <tenon/listener.h>

/** How a memory pair cuts and orders its bytes. */
typedef struct tenon_memory_options {
    uint32_t size;
    size_t capacity;  /**< bytes in flight per direction; 0: 64 KiB */
    size_t chunk_max; /**< largest delivery; 0: whole; 1: byte by byte */
    uint64_t seed;    /**< nonzero: random chunks of 1..chunk_max bytes */
} tenon_memory_options;

TENON_BEGIN

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
