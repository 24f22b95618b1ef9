/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * A transport over a stream that somebody else moves: a bufferevent, a
 * uv_stream_t, a GIOStream, a layer such as TLS. Whoever knows that stream
 * gives six functions; order, limits, notices and the two ends are then those
 * of every transport, and protocols see no difference.
 *
 *   static const tenon_native_ops ops = { .size = sizeof ops, .kind = "x",
 *       .send = x_send, .receive = x_receive, .release = x_release };
 *   tenon_transport_adopt_native(reactor, &t, &ops, x, factory);
 *   ... and from the callbacks of x, when a refused call may go through now:
 *   tenon_transport_native_ready(t, TENON_READ | TENON_WRITE);
 */

#ifndef TENON_SYS_NATIVE_H
#define TENON_SYS_NATIVE_H

#include <sys/types.h>

#include <tenon/transport.h>
#include <tenon/watch.h>

/** What moves the bytes. The functions run on the reactor's thread, wait for
 *  nothing, and may call nothing of this transport but
 *  tenon_transport_native_ready. Append-only; those up to `release` are
 *  mandatory, the rest may be NULL. */
typedef struct tenon_native_ops {
    uint32_t size;
    const char *kind; /**< for dumps and reports: "bufferevent" */
    /** Takes some of `parts`, in order, and answers how many bytes; -EAGAIN:
     *  none for now, native_ready(TENON_WRITE) will follow; any other negative
     *  status breaks the write side. Copies what it keeps. */
    ssize_t (*send)(void *native, const struct iovec *parts, size_t count);
    /** Gives up to `len` bytes; 0: the peer writes no more; -EAGAIN: none for
     *  now, native_ready(TENON_READ) will follow; any other negative status is
     *  the loss of the connection. */
    ssize_t (*receive)(void *native, void *buffer, size_t len);
    /** Gives everything back; the last call, once. With `reset` the peer is to
     *  learn, if it can, that bytes were lost; without, what was sent still
     *  goes out. May be called inside any call on the transport. */
    void (*release)(void *native, bool reset);
    /** Ends our side, after all that was sent. NULL: it cannot. */
    void (*shutdown_write)(void *native);
    /** What the transport waits for: TENON_READ, TENON_WRITE, none. A hint, for
     *  streams that read ahead: no READ means that nobody takes it now. */
    void (*set_interest)(void *native, uint32_t interest);
    /** See tenon/info.h. NULL: TENON_NOT_SUPPORTED. */
    tenon_status (*address)(const void *native, bool peer, tenon_address *out);
} tenon_native_ops;

TENON_BEGIN

/** Makes a transport over `native`, which is held to be ready for both until
 *  it says -EAGAIN. `ops` must outlive the transport.
 *  Ownership: of `native`, on success only, until `release`. `out` is borrowed;
 *  connection_made comes in the next turn.
 *  Errors: TENON_INVALID, TENON_CLOSED, TENON_NO_MEMORY, TENON_WRONG_THREAD,
 *  TENON_FORKED. */
TENON_CHECKED TENON_API tenon_status tenon_transport_adopt_native(
    tenon_reactor *reactor, tenon_transport **out, const tenon_native_ops *ops,
    void *native, tenon_factory factory);
/** Says that what answered -EAGAIN may go through now: `events` is TENON_READ,
 *  TENON_WRITE or both. Calls nobody: the transport tries in the next turn.
 *  One too many does no harm, one too few stalls the connection.
 *  Errors: TENON_INVALID for a transport of another kind; TENON_CLOSED. */
TENON_API tenon_status tenon_transport_native_ready(tenon_transport *transport,
                                                    uint32_t events);
/** What it was made over; NULL once released, and for other transports. */
TENON_API void *tenon_transport_native(const tenon_transport *transport);

TENON_END

#endif
