/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Socket calls that wait, for tasks: read a descriptor that is not ready, and
 * others run until it is. The descriptor is the caller's, non-blocking, and
 * belongs to no transport; it must stay open while a call waits. A call that
 * is cancelled has neither read nor written anything since it last waited; so
 * the next one gets what there is.
 *
 * Errors of all: those of a wait (tenon/await.h), those of tenon_watch_start,
 * and the system's.
 */

#ifndef TENON_SOCK_H
#define TENON_SOCK_H

#include <tenon/address.h>
#include <tenon/await.h>
#include <tenon/watch.h>

TENON_BEGIN

/** Waits until `fd` is ready for `events` (TENON_READ, TENON_WRITE or both)
 *  and tells for what in `*ready` (may be NULL). Nothing is allocated.
 *  Errors: also TENON_INVALID for other events. */
#define tenon_await_ready(fd, events, ready) \
    tenon_await_ready_at((fd), (events), (ready), TENON_SITE)
/** The same; see tenon_await_at. */
TENON_CHECKED TENON_API tenon_status tenon_await_ready_at(int fd,
                                                          uint32_t events,
                                                          uint32_t *ready,
                                                          const char *site);

/** Receives at most `len` bytes, at least one; 0 is the end of the stream, or
 *  an empty datagram.
 *  Source: asyncio sock_recv_into. */
TENON_CHECKED TENON_API tenon_status tenon_sock_recv(int fd, void *buffer,
                                                     size_t len, size_t *got);
/** Sends all of it. `*sent` (may be NULL) tells how much is with the kernel,
 *  after a failure, too.
 *  Source: asyncio sock_sendall. */
TENON_CHECKED TENON_API tenon_status tenon_sock_send_all(int fd,
                                                         const void *data,
                                                         size_t len,
                                                         size_t *sent);
/** Receives a datagram and where it came from: an address of kind TCP for UDP,
 *  too, and of kind NONE for a sender without a name. What does not fit is cut off,
 *  and `*got` is then above `len`. */
TENON_CHECKED TENON_API tenon_status tenon_sock_recv_from(int fd, void *buffer,
                                                          size_t len,
                                                          size_t *got,
                                                          tenon_address *from);
/** Sends a datagram. */
TENON_CHECKED TENON_API tenon_status tenon_sock_send_to(
    int fd, const void *data, size_t len, const tenon_address *to);
/** Accepts a connection: non-blocking and close-on-exec. `peer` may be NULL.
 *  Ownership: `*out` is the caller's. */
TENON_CHECKED TENON_API tenon_status tenon_sock_accept(int fd, int *out,
                                                       tenon_address *peer);
/** Connects. After a failure, and when it was cancelled, the socket is good
 *  for nothing but to be closed. */
TENON_CHECKED TENON_API tenon_status
tenon_sock_connect(int fd, const tenon_address *to);

TENON_END

#endif
