/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Streams that are asked: instead of a protocol that is handed whatever comes,
 * a task (or a callback, by futures) asks for so many bytes, a line, all up to
 * a separator. A stream is a protocol over a transport; it holds what has come
 * and nobody has asked for, and stops the transport when that is too much.
 *
 * What a read gives is in memory of the stream's, and stays there until the
 * next read of this stream, or the stream's end. A read that fails leaves what
 * has come where it is: ask for less, or for something else.
 *
 * Errors of all reads: TENON_BUSY while another one waits; TENON_ENDED when
 * the peer writes no more and what was asked for will never be complete;
 * TENON_LIMIT when it would be longer than it may; what connection_lost said,
 * once all that came before has been read; TENON_CLOSED after
 * tenon_stream_close; TENON_NO_MEMORY. And those of a wait (tenon/await.h).
 */

#ifndef TENON_IOSTREAM_H
#define TENON_IOSTREAM_H

#include <sys/types.h>

#include <tenon/await.h>
#include <tenon/stream.h>

/** A stream: opaque and counted. */
typedef struct tenon_stream tenon_stream;

/** Bytes of somebody's. */
typedef struct tenon_bytes {
    const void *data; /**< of any content; NULL for none */
    size_t len;       /**< how many there are */
} tenon_bytes;

/** Looks for the end of what is wanted in all that has come. Returns the
 *  length of it, 0 for "not yet", or a negative status, which the read then
 *  fails with. `ended`: nothing more will come. It looks at what it is given,
 *  and calls nothing of Tenon's. */
typedef ssize_t tenon_match_fn(const void *data, size_t len, bool ended,
                               void *user);

/** What a read is for. */
enum tenon_read_kind {
    TENON_READ_SOME,    /**< what is there, at least a byte */
    TENON_READ_EXACTLY, /**< `count` bytes */
    TENON_READ_UNTIL,   /**< up to and with one of the separators: the one that
                             ends first */
    TENON_READ_LINE,    /**< up to "\n" or "\r\n", which is left out */
    TENON_READ_MATCH,   /**< as `match` says */
    TENON_READ_ALL      /**< to the end of the stream */
};

/** A read. Fields that its kind does not name are not looked at. */
typedef struct tenon_read {
    uint32_t size;
    uint32_t kind; /**< enum tenon_read_kind */
    size_t count;  /**< of EXACTLY */
    size_t max;    /**< of all others; 0: the limit of the stream, but for SOME
                        no byte at all, at once */
    const tenon_bytes *separators; /**< of UNTIL; none of them is empty */
    size_t separator_count;        /**< at least 1 */
    tenon_match_fn *match;         /**< of MATCH */
    void *user;                    /**< for `match` */
} tenon_read;

/** Handles a connection, in a task of its own. When it returns the stream is
 *  closed, what was written is sent; after a failure it is aborted. That the
 *  peer writes no more, TENON_ENDED, is no failure. */
typedef tenon_status tenon_serve_fn(tenon_stream *stream, void *user);

/** For tenon_serve. A field that is 0 or NULL has its default. */
typedef struct tenon_serve_options {
    uint32_t size;
    uint32_t reserved;                  /**< 0 */
    const tenon_listen_options *listen; /**< or NULL */
    const tenon_task_options *task;     /**< or NULL; its free_user is not used
                                             and its name is copied */
} tenon_serve_options;

/** How much is kept that nobody has asked for, and how long a line may be. */
#define TENON_STREAM_LIMIT ((size_t)65536)

TENON_BEGIN

/* ---- where they come from ---- */

/** Connects to an endpoint, and waits for it. For tasks.
 *  Ownership: the caller holds one reference to `*out`.
 *  Errors: those of tenon_connect, told by tenon_task_error. */
TENON_CHECKED TENON_API tenon_status
tenon_stream_connect(tenon_reactor *reactor, const char *address,
                     const tenon_connect_options *options, tenon_stream **out);
/** The same as a future of the stream, which holds a reference to it: take it
 *  (tenon_future_take), or take one of your own.
 *  Ownership: the caller holds one reference; NULL as tenon_connect. */
TENON_CHECKED TENON_API tenon_future *tenon_stream_open(
    tenon_reactor *reactor, const char *address,
    const tenon_connect_options *options);
/** Listens, and gives each connection to a task that runs `fn`. A failure of
 *  `fn` that is not the connection's own is reported ("unseen failure").
 *  Ownership, errors: as tenon_listen. */
TENON_CHECKED TENON_API tenon_status
tenon_serve(tenon_reactor *reactor, tenon_listener **out, const char *address,
            tenon_serve_fn *fn, void *user, const tenon_serve_options *options);
/** Puts a stream in the place of the protocol of a transport, which is told
 *  nothing more; also inside of one of its callbacks.
 *  Ownership: the caller holds one reference.
 *  Errors: those of tenon_transport_set_protocol; TENON_NO_MEMORY. */
TENON_CHECKED TENON_API tenon_status
tenon_stream_attach(tenon_transport *transport, tenon_stream **out);
/** The other way: gives the connection to a protocol, together with all that
 *  has come and was not read, an end of file included. The stream is closed,
 *  the connection is not.
 *  Errors: TENON_BUSY while a read waits; those of set_protocol and unread;
 *  the stream is then as it was. */
TENON_CHECKED TENON_API tenon_status
tenon_stream_detach(tenon_stream *stream, tenon_protocol protocol);

/** Another reference, for the caller. NULL is legal. */
TENON_API tenon_stream *tenon_stream_ref(tenon_stream *stream);
/** Drops a reference, which never closes. NULL is legal. */
TENON_API void tenon_stream_unref(tenon_stream *stream);
/** The transport below, borrowed; NULL before there is one. */
TENON_API tenon_transport *tenon_stream_transport(const tenon_stream *stream);

/* ---- reading ---- */

/** Waits for what `what` says. For tasks; nothing is allocated but room for
 *  what comes. TENON_LIMIT and TENON_ENDED set `*out`, too: to what may be
 *  read, up to where a separator begins or could; that is not taken yet.
 *  Source: asyncio StreamReader. */
TENON_CHECKED TENON_API tenon_status tenon_stream_read_for(
    tenon_stream *stream, const tenon_read *what, tenon_bytes *out);
/** The same as a future of a tenon_bytes, which holds a copy. `what` is
 *  copied; separators and `user` stay the caller's until it is done.
 *  Cancelling it takes nothing from the stream.
 *  Ownership: the caller holds one reference.
 *  Errors: TENON_INVALID, TENON_CLOSED, TENON_NO_MEMORY; all others are the
 *  future's. */
TENON_CHECKED TENON_API tenon_status tenon_stream_read_future(
    tenon_stream *stream, const tenon_read *what, tenon_future **out);
/** What is there, at most `max` bytes, at least one; none, at once, if `max`
 *  is 0. The end of the stream is TENON_ENDED. */
static inline TENON_CHECKED tenon_status tenon_stream_read(tenon_stream *stream,
                                                           size_t max,
                                                           tenon_bytes *out)
{
    tenon_read what = {sizeof what, TENON_READ_SOME, 0, 0, 0, 0, 0, 0};
    what.max = max;
    return tenon_stream_read_for(stream, &what, out);
}
/** Exactly `count` bytes. */
static inline TENON_CHECKED tenon_status
tenon_stream_read_exactly(tenon_stream *stream, size_t count, tenon_bytes *out)
{
    tenon_read what = {sizeof what, TENON_READ_EXACTLY, 0, 0, 0, 0, 0, 0};
    what.count = count;
    return tenon_stream_read_for(stream, &what, out);
}
/** Up to `separator`, a string, and with it; at most `max` bytes (0: the
 *  limit of the stream). */
TENON_CHECKED TENON_API tenon_status tenon_stream_read_until(
    tenon_stream *stream, const char *separator, size_t max, tenon_bytes *out);
/** A line without its end, at most as long as the limit of the stream. The
 *  last one may lack its end. */
static inline TENON_CHECKED tenon_status
tenon_stream_read_line(tenon_stream *stream, tenon_bytes *out)
{
    tenon_read what = {sizeof what, TENON_READ_LINE, 0, 0, 0, 0, 0, 0};
    return tenon_stream_read_for(stream, &what, out);
}
/** All to the end of the stream, at most `max` bytes (0: its limit). */
static inline TENON_CHECKED tenon_status
tenon_stream_read_all(tenon_stream *stream, size_t max, tenon_bytes *out)
{
    tenon_read what = {sizeof what, TENON_READ_ALL, 0, 0, 0, 0, 0, 0};
    what.max = max;
    return tenon_stream_read_for(stream, &what, out);
}
/** What is there, into memory of the caller's: `*got` bytes, at least one
 *  unless `len` is 0. What comes while it waits is not copied on the way. */
TENON_CHECKED TENON_API tenon_status tenon_stream_read_into(
    tenon_stream *stream, void *buffer, size_t len, size_t *got);

/** How much is kept unread before the transport is paused, at twice this, and
 *  below which it goes on; and how long what is read may be. 64 KiB.
 *  Errors: TENON_INVALID for 0. */
TENON_API tenon_status tenon_stream_set_limit(tenon_stream *stream,
                                              size_t limit);
/** How many bytes have come and were not read. */
TENON_API size_t tenon_stream_available(const tenon_stream *stream);
/** Whether the peer writes no more and all was read. */
TENON_API bool tenon_stream_at_end(const tenon_stream *stream);
/** Fails the read that waits, and all that follow, with this error; what has
 *  come is forgotten. The transport is left as it is, but paused.
 *  Ownership: takes a reference of its own.
 *  Source: asyncio StreamReader.set_exception. */
TENON_API tenon_status tenon_stream_fail(tenon_stream *stream,
                                         tenon_error *error);

/* ---- writing ---- */

/** Writes, as tenon_transport_write; never waits. */
TENON_API tenon_status tenon_stream_write(tenon_stream *stream,
                                          const void *data, size_t len);
/** Waits until there is room to write: the queue, having gone above its high
 *  mark, is at its low one. For tasks, any number of them.
 *  Errors: what connection_lost said, TENON_CLOSED. */
TENON_CHECKED TENON_API tenon_status tenon_stream_drain(tenon_stream *stream);
/** Waits until the kernel has all that was written. For tasks.
 *  Errors: what connection_lost said, TENON_CLOSED, TENON_NO_MEMORY. */
TENON_CHECKED TENON_API tenon_status tenon_stream_flush(tenon_stream *stream);
/** Writes, and waits as tenon_stream_drain does. */
TENON_CHECKED TENON_API tenon_status tenon_stream_send(tenon_stream *stream,
                                                       const void *data,
                                                       size_t len);
/** Ends our side; see tenon_transport_write_eof. */
TENON_API tenon_status tenon_stream_write_eof(tenon_stream *stream);

/* ---- the end ---- */

/** Closes the transport; a read that waits fails with TENON_CLOSED. */
TENON_API tenon_status tenon_stream_close(tenon_stream *stream);
/** Aborts the transport. */
TENON_API tenon_status tenon_stream_abort(tenon_stream *stream);
/** Waits until the connection has ended; returns TENON_OK, or what
 *  connection_lost said. For tasks, any number of them. */
TENON_CHECKED TENON_API tenon_status
tenon_stream_wait_closed(tenon_stream *stream);

TENON_END

#endif
