/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Transports and protocols. A transport moves bytes, a protocol knows what
 * they mean and never sees a descriptor. The engine calls the protocol:
 *
 *   connection_made (data_received | buffer_updated | fd_received |
 *   pause_writing | resume_writing)* [eof_received] connection_lost
 *
 * connection_made is first and once, connection_lost is last and once. Each
 * callback returns a status: a negative one aborts the connection with it
 * (but for TENON_CLOSED once it is closing: that is what write says then).
 * Callbacks of one transport never overlap, and none runs inside a call on it.
 */

#ifndef TENON_TRANSPORT_H
#define TENON_TRANSPORT_H

#include <sys/uio.h>

#include <tenon/address.h>
#include <tenon/reactor.h>

/** Moves the bytes of one connection: opaque and counted. */
typedef struct tenon_transport tenon_transport;

/** What bytes mean: a table, usually static const. Any slot may be NULL.
 *  Source: PEP 3156, "Bidirectional Stream Protocols". */
typedef struct tenon_protocol_ops {
    uint32_t size;
    const char *name; /**< for reports, as lasting as the table; may be NULL */
    /** Reading begins after it returned. */
    tenon_status (*connection_made)(void *self, tenon_transport *transport);
    /** `data` is the reactor's, until return. */
    tenon_status (*data_received)(void *self, tenon_transport *transport,
                                  const void *data, size_t len);
    /** Instead of data_received, when both are there: offers memory to read
     *  into, of at least 1 byte; `hint` is a good length. */
    tenon_status (*get_buffer)(void *self, tenon_transport *transport,
                               size_t hint, void **buffer, size_t *len);
    /** `len` bytes are in the buffer that get_buffer offered. */
    tenon_status (*buffer_updated)(void *self, tenon_transport *transport,
                                   size_t len);
    /** The peer writes no more. TENON_KEEP_OPEN keeps our side open for
     *  writing; anything else (NULL too) closes once all is flushed. */
    tenon_status (*eof_received)(void *self, tenon_transport *transport);
    /** `error` is NULL after a clean end. */
    tenon_status (*connection_lost)(void *self, tenon_transport *transport,
                                    const tenon_error *error);
    /** The write queue is above its high mark / at or below its low one. */
    tenon_status (*pause_writing)(void *self, tenon_transport *transport);
    /** See pause_writing. */
    tenon_status (*resume_writing)(void *self, tenon_transport *transport);
    /** A descriptor that came over a UNIX socket, before the bytes it came
     *  with. Ownership: the protocol's. Without this slot they are closed. */
    tenon_status (*fd_received)(void *self, tenon_transport *transport, int fd);
} tenon_protocol_ops;

/** A protocol of one connection: a table and what it works on. */
typedef struct tenon_protocol {
    const tenon_protocol_ops *ops; /**< must outlive the connection */
    void *self;                    /**< handed to each of its functions */
} tenon_protocol;

/** Makes the protocol of a new connection, before connection_made. A negative
 *  status, or no ops, refuses it: it is closed and nothing is called. */
typedef tenon_status tenon_build_fn(void *user, tenon_transport *transport,
                                    tenon_protocol *out);

/** The life of a factory with a listener; any slot may be NULL. */
typedef struct tenon_factory_ops {
    uint32_t size; /**< of this struct, as you see it */
    /** In the turn after tenon_listen, before anybody is accepted. A negative
     *  status is reported and closes the listener. */
    tenon_status (*start)(void *user, tenon_reactor *reactor);
    /** Once after a start that succeeded: the listener is closed and its last
     *  connection has ended. */
    void (*stop)(void *user, tenon_reactor *reactor);
} tenon_factory_ops;

/** Where protocols come from; a value. */
typedef struct tenon_factory {
    tenon_build_fn *build;        /**< NULL: `shared` for every connection */
    void *user;                   /**< for `build` */
    tenon_protocol shared;        /**< used without `build` */
    const tenon_factory_ops *ops; /**< NULL: none; listeners only */
} tenon_factory;

/** A factory that gives every connection the same table and a NULL self. */
static inline tenon_factory tenon_factory_of(const tenon_protocol_ops *ops)
{
    tenon_factory factory = {0, 0, {0, 0}, 0};
    factory.shared.ops = ops;
    return factory;
}

/** A factory that asks `build(user, ...)` for each connection. */
static inline tenon_factory tenon_factory_with(tenon_build_fn *build,
                                               void *user)
{
    tenon_factory factory = {0, 0, {0, 0}, 0};
    factory.build = build;
    factory.user = user;
    return factory;
}

/** Write limits: 64 KiB high, 16 KiB low, 16 MiB hard. */
#define TENON_HIGH_DEFAULT ((size_t)65536)
#define TENON_LOW_DEFAULT  ((size_t)16384)    /**< see TENON_HIGH_DEFAULT */
#define TENON_HARD_DEFAULT ((size_t)16777216) /**< see TENON_HIGH_DEFAULT */
/** "Derive it from the other one", for tenon_transport_set_write_limits. */
#define TENON_LIMIT_AUTO SIZE_MAX

TENON_BEGIN

/** Counted. The reactor holds a reference from before connection_made until
 *  after connection_lost; dropping yours never closes. NULL is legal. */
TENON_API tenon_transport *tenon_transport_ref(tenon_transport *transport);
/** Drops a reference. */
TENON_API void tenon_transport_unref(tenon_transport *transport);

/** Sends `len` bytes, in order after all before; what the kernel does not take
 *  now is copied. Zero bytes are a no-op.
 *  Errors: TENON_HIGH (accepted, stop for now), TENON_LIMIT (above the hard
 *  cap: nothing was taken), TENON_CLOSED after close, loss or write_eof,
 *  TENON_NO_MEMORY (nothing was taken; where the kernel had taken a part, the
 *  connection is lost with it), TENON_WRONG_THREAD, TENON_FORKED. A failure of
 *  the connection itself is told by connection_lost. */
TENON_API tenon_status tenon_transport_write(tenon_transport *transport,
                                             const void *data, size_t len);
/** The same as writing each part in turn, all or nothing. */
TENON_API tenon_status tenon_transport_writev(tenon_transport *transport,
                                              const struct iovec *parts,
                                              size_t count);
/** Ends our side once all is sent; twice is a no-op.
 *  Errors: TENON_CLOSED, TENON_NOT_SUPPORTED. */
TENON_API tenon_status tenon_transport_write_eof(tenon_transport *transport);
/** Whether this kind of transport can end one side only. */
TENON_API bool tenon_transport_can_write_eof(const tenon_transport *transport);

/** Stops reading at once, sends what is queued, then connection_lost(NULL) in
 *  a later turn. Twice is a no-op. What the peer has sent and nobody has read
 *  is thrown away, up to 1 MiB, for the peer to see a clean end; but what it
 *  sends after that is answered with a reset, which may cost it our last bytes.
 *  Where that matters: tenon_transport_write_eof, and close when the peer's end
 *  of file has come, or after a while. */
TENON_API tenon_status tenon_transport_close(tenon_transport *transport);
/** Drops what is queued; connection_lost(TENON_ABORTED) in a later turn. Wins
 *  over an earlier close. */
TENON_API tenon_status tenon_transport_abort(tenon_transport *transport);
/** Aborts with an error that connection_lost will carry.
 *  Ownership: takes a reference of its own. */
TENON_API tenon_status tenon_transport_fail(tenon_transport *transport,
                                            tenon_error *error);
/** Closes, and aborts with TENON_TIMED_OUT if that takes longer. Also after
 *  close. Errors: TENON_NO_MEMORY (it is not closed then), TENON_INVALID. */
TENON_API tenon_status tenon_transport_close_within(tenon_transport *transport,
                                                    int64_t timeout_ns);
/** Aborts with TENON_TIMED_OUT when for so long no byte came or went; 0 is
 *  never. Paused or not. Errors: TENON_CLOSED, TENON_NO_MEMORY,
 *  TENON_INVALID. */
TENON_API tenon_status
tenon_transport_set_idle_timeout(tenon_transport *transport, int64_t idle_ns);
/** Aborts with TENON_TIMED_OUT `limit_ns` from now, whatever happens; 0 is
 *  never. Errors: as tenon_transport_set_idle_timeout. */
TENON_API tenon_status
tenon_transport_set_session_limit(tenon_transport *transport, int64_t limit_ns);
/** Whether close, abort or a loss has begun. */
TENON_API bool tenon_transport_is_closing(const tenon_transport *transport);

/** Both idempotent. What arrives meanwhile, end of file too, is delivered
 *  after resume, in order. */
TENON_API tenon_status tenon_transport_pause_reading(tenon_transport *t);
/** See tenon_transport_pause_reading. */
TENON_API tenon_status tenon_transport_resume_reading(tenon_transport *t);
/** Whether it is open, not paused, and end of file has not come. */
TENON_API bool tenon_transport_is_reading(const tenon_transport *transport);

/** Gives the connection to another protocol, from the next callback on. The
 *  old one is told nothing more; the new one no connection_made, but
 *  pause_writing if the queue is high. To be called from a callback too, where
 *  what is left of a chunk goes to tenon_transport_unread.
 *  Errors: TENON_INVALID without ops or before connection_made, TENON_CLOSED.
 *  Source: asyncio's Transport.set_protocol. */
TENON_API tenon_status tenon_transport_set_protocol(tenon_transport *transport,
                                                    tenon_protocol protocol);
/** The present one; empty until the factory has built it. */
TENON_API tenon_protocol
tenon_transport_protocol(const tenon_transport *transport);
/** Puts bytes back: they are delivered, in a later callback, before all that
 *  was not delivered yet, to whoever is the protocol then. They are copied.
 *  Errors: TENON_CLOSED after close, loss or end of file; TENON_NO_MEMORY. */
TENON_API tenon_status tenon_transport_unread(tenon_transport *transport,
                                              const void *data, size_t len);

/** pause_writing comes when the queue gets strictly above `high`,
 *  resume_writing when it is at or below `low` again; both at the end of the
 *  turn. TENON_LIMIT_AUTO derives low = high / 4, or high = 4 * low, or both
 *  defaults. The state follows at once.
 *  Errors: TENON_INVALID when high < low.
 *  Source: PEP 3156 set_write_buffer_limits. */
TENON_API tenon_status tenon_transport_set_write_limits(
    tenon_transport *transport, size_t high, size_t low);
/** The limits in force. Either out may be NULL. */
TENON_API void tenon_transport_get_write_limits(const tenon_transport *t,
                                                size_t *high, size_t *low);
/** A write is refused, whole, when the queue is above high already and the sum
 *  would pass this. */
TENON_API tenon_status
tenon_transport_set_hard_limit(tenon_transport *transport, size_t hard);
/** Bytes accepted and not yet with the kernel; those of files not counted. */
TENON_API size_t
tenon_transport_write_queue_len(const tenon_transport *transport);

/** The reactor it belongs to, borrowed. */
TENON_API tenon_reactor *tenon_transport_reactor(
    const tenon_transport *transport);
/** A daemon does not keep the reactor alive. */
TENON_API void tenon_transport_set_daemon(tenon_transport *transport,
                                          bool daemon);

TENON_END

#endif
