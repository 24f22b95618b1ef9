/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Streams that are asked, from inside: a protocol that fills a buffer, a read
 * that waits for the buffer to hold what it wants, and tasks that wait for
 * room or for the end.
 *
 *   iostream.c         the protocol, writing, the end
 *   iostream_buffer.c  what has come and was not taken
 *   iostream_match.c   whether that is what a read wants
 *   iostream_read.c    reads, by tasks and by futures
 *   iostream_open.c    where streams come from
 */

#ifndef TENON_NET_IOSTREAM_H
#define TENON_NET_IOSTREAM_H

#include <tenon/iostream.h>

#include "async/task.h"

/* What a read came to: TENON_PENDING, or how it went. */
typedef struct tenon__match {
    tenon_status status;
    size_t len;  /* of what is handed out */
    size_t skip; /* behind it, taken too */
} tenon__match;

/* The read that waits. */
typedef struct tenon__read_op {
    const tenon_read *what;
    size_t scanned; /* no separator ends in so many bytes */
    tenon__match result;
    unsigned char *into; /* of tenon_stream_read_into, which wants this */
    size_t into_len;     /* filled */
    void (*done)(struct tenon__read_op *op);
} tenon__read_op;

struct tenon_stream {
    tenon_reactor *reactor;
    tenon_transport *transport; /* a reference; NULL before there is one */
    tenon_error *error;         /* what it ended with, or NULL */
    tenon_status status;        /* of reads once all is read; OK: not ended */
    uint32_t refs;
    unsigned char *block;
    size_t room;
    size_t start; /* of what was not taken */
    size_t end;
    size_t viewed; /* from start: handed out, and taken with the next read */
    void *held;    /* a former block, which what was handed out lies in */
    size_t held_room;
    size_t limit;
    tenon__read_op *op;           /* that waits */
    tenon_node waiting;           /* tasks, for room or for the end */
    struct tenon__server *server; /* that accepted it, or NULL */
    bool has_view;
    bool busy;   /* a read has begun and not returned */
    bool paused; /* by us */
    bool eof;
    bool lost;
    bool failed; /* by tenon_stream_fail */
    bool closed; /* by tenon_stream_close, or given away */
    bool handed; /* to whoever opened it */
};

extern const tenon_protocol_ops tenon__iostream_ops;

/** Makes one without a transport, with one reference. NULL: no memory. */
tenon_stream *tenon__iostream_new(tenon_reactor *reactor);
/** The protocol of a connection that `stream` is to have, which takes a
 *  reference when it is made. */
static inline tenon_protocol tenon__iostream_protocol(tenon_stream *stream)
{
    return (tenon_protocol){&tenon__iostream_ops, stream};
}
/** Makes `transport` the stream's, and holds the stream for it. */
void tenon__iostream_join(tenon_stream *stream, tenon_transport *transport);
/** Why reads fail that nothing can complete any more. */
tenon_status tenon__iostream_end_status(const tenon_stream *stream);
/** Lets the transport read, or not, as what has come says. */
void tenon__iostream_reflow(tenon_stream *stream);
/** Lets what comes go into s->op->into, which waits, and no detour. */
void tenon__iostream_direct(tenon_stream *stream, bool direct);
/** Wakes the tasks whose wait is over. */
void tenon__iostream_wake(tenon_stream *stream);

/* ---- iostream_buffer.c ---- */

/** Bytes that have come and were not taken. */
static inline size_t tenon__iostream_unread(const tenon_stream *s)
{
    return s->end - s->start - s->viewed;
}
/* As a rule there is nothing to change. */
static inline void tenon__iostream_flow(tenon_stream *s)
{
    if (s->paused || s->failed || tenon__iostream_unread(s) > 2 * s->limit) {
        tenon__iostream_reflow(s);
    }
}
static inline const unsigned char *tenon__iostream_data(const tenon_stream *s)
{
    return s->block ? s->block + s->start + s->viewed : NULL;
}
/** Room for `need` more bytes at s->block + s->end; what was handed out stays
 *  where it is. False: no memory. */
bool tenon__iostream_reserve(tenon_stream *stream, size_t need);
/** What was handed out is taken. */
void tenon__iostream_take(tenon_stream *stream);
/** Forgets all that has come. */
void tenon__iostream_discard(tenon_stream *stream);
void tenon__iostream_buffer_free(tenon_stream *stream);

/* ---- iostream_match.c ---- */

/** Whether a read makes sense: TENON_OK or TENON_INVALID. */
tenon_status tenon__read_check(const tenon_read *what);
tenon__match tenon__iostream_match(const tenon_stream *stream,
                                   tenon__read_op *op);

/* ---- iostream_read.c ---- */

/** Something has come, or nothing more will: completes the read that waits, if
 *  that is enough. */
void tenon__iostream_kick(tenon_stream *stream);

/* ---- iostream_open.c ---- */

/** An accepted connection is there: gives it to a task. */
tenon_status tenon__iostream_served(tenon_stream *stream);

#endif
