/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * What is known of a connection besides its bytes, the options of its socket,
 * and a way to listen in.
 */

#ifndef TENON_INFO_H
#define TENON_INFO_H

#include <tenon/transport.h>

/** Who connected a UNIX socket, as the kernel noted at that moment. */
typedef struct tenon_credentials {
    int64_t pid;  /**< its process then; the number may be another's now */
    uint32_t uid; /**< its effective user */
    uint32_t gid; /**< its effective group */
} tenon_credentials;

/** Which way the bytes go that a tap sees. */
enum tenon_tap_way {
    TENON_TAP_READ, /**< to the protocol */
    TENON_TAP_WRITE /**< to the peer */
};

/** Sees bytes pass: those read before the protocol gets them, those written
 *  once the kernel has taken them, which may be inside the write. It may end
 *  itself or the connection, but calls nothing else of the transport: a write
 *  is TENON_BUSY. */
typedef void tenon_tap_fn(tenon_transport *transport, enum tenon_tap_way way,
                          const void *data, size_t len, void *user);

/** Keepalive of TCP, in whole seconds, at least one each. */
typedef struct tenon_keepalive {
    uint32_t size;       /**< sizeof(tenon_keepalive) */
    int64_t idle_ns;     /**< without a byte, until it is asked; 0: 60 s */
    int64_t interval_ns; /**< between questions; 0: 10 s */
    int count;           /**< unanswered, until it is lost; 0: 3 */
} tenon_keepalive;

/** How long bytes may stay unacknowledged, until TCP gives up. */
#define TENON_USER_TIMEOUT_DEFAULT (30 * (int64_t)1000000000)

TENON_BEGIN

/** The other end. It can be read after the end of the connection too.
 *  Errors: TENON_NOT_SUPPORTED where there is none; the system's;
 *  TENON_CLOSED when there was no memory to remember it. */
TENON_API tenon_status tenon_transport_peer_address(
    const tenon_transport *transport, tenon_address *out);
/** Our own end. See tenon_transport_peer_address. */
TENON_API tenon_status tenon_transport_local_address(
    const tenon_transport *transport, tenon_address *out);
/** Who is at the other end of a UNIX socket, after its end too.
 *  Errors: as tenon_transport_peer_address. */
TENON_API tenon_status tenon_transport_peer_credentials(
    const tenon_transport *transport, tenon_credentials *out);
/** "tcp", "unix" or "memory". */
TENON_API const char *tenon_transport_kind(const tenon_transport *transport);
/** The descriptor, for options that are not here; -1 if there is none (any
 *  more). Ownership: none. It may not be read, written, watched or closed. */
TENON_API int tenon_transport_fd(const tenon_transport *transport);

/** Sends small writes at once. On unless set.
 *  Errors of these: TENON_NOT_SUPPORTED where there is no such thing,
 *  TENON_INVALID, TENON_CLOSED, the system's. */
TENON_API tenon_status tenon_transport_set_nodelay(tenon_transport *transport,
                                                   bool on);
/** NULL turns it off. */
TENON_API tenon_status tenon_transport_set_keepalive(
    tenon_transport *transport, const tenon_keepalive *keepalive);
/** 30 s unless set; 0 is the system's default. */
TENON_API tenon_status tenon_transport_set_user_timeout(
    tenon_transport *transport, int64_t timeout_ns);
/** The kernel's buffers; 0 leaves one as it is. */
TENON_API tenon_status tenon_transport_set_buffers(tenon_transport *transport,
                                                   size_t send_len,
                                                   size_t receive_len);

/** Calls `fn` with every byte that passes from now on; NULL ends that.
 *  Errors: TENON_CLOSED, TENON_NO_MEMORY. */
TENON_API tenon_status tenon_transport_tap(tenon_transport *transport,
                                           tenon_tap_fn *fn, void *user);

TENON_END

#endif
