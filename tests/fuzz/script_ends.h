/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The connections of fuzz_script.c: pairs of ends, what is under way to each,
 * and what a transport owes for writes.
 */

#ifndef TENON_TESTS_FUZZ_SCRIPT_ENDS_H
#define TENON_TESTS_FUZZ_SCRIPT_ENDS_H

#include "script.h"

enum { PAIRS = 3, ENDS = 2 * PAIRS, CHUNK_MAX = 4096, NOTES = 512, PIPES = 8 };

/* Bytes that must arrive at an end, in this order. */
typedef struct stream {
    uint8_t *bytes;
    size_t len;
    size_t at;         /* so many have */
    struct stream *to; /* they go there: a pipe */
    bool joined;       /* others come here, by a pipe */
} stream;

typedef struct end {
    tenon_transport *t; /* a reference of ours */
    stream in;
    bool refused;
    bool made;
    bool eof;
    bool lost;
    bool closing; /* close or abort was called */
    bool paused;
    bool piped;          /* the pipe hears of its end */
    bool other_protocol; /* pause and resume need not alternate */
    bool high;
    unsigned owed; /* that were accepted, and that came back */
    unsigned back;
    uint8_t offer[64]; /* of get_buffer */
} end;

/* Something a transport owes. */
typedef struct note {
    end *end;
    unsigned number;
    uint8_t *bytes; /* freed when it comes */
    bool out;
} note;

static end ends[ENDS];
static note notes[NOTES];
static size_t note_count;
static bool pipes_out[PIPES];
static size_t pipe_count;
static bool inexact; /* somebody took bytes that were not his */
static unsigned pattern;

static end *peer_of(const end *e)
{
    return &ends[(size_t)(e - ends) ^ 1];
}

static stream *where(end *e)
{
    stream *s = &e->in;
    while (s->to) {
        s = s->to;
    }
    return s;
}

static void expect(stream *s, const uint8_t *bytes, size_t len)
{
    if (len > 0) {
        s->bytes = realloc(s->bytes, s->len + len);
        HOLDS(s->bytes);
        memcpy(s->bytes + s->len, bytes, len);
        s->len += len;
    }
}

static void arrived(end *e, const void *data, size_t len)
{
    stream *s = &e->in;
    HOLDS(len > 0);
    HOLDS(e->made && !e->lost && !e->eof && !e->piped);
    HOLDS(!e->closing && !e->paused);
    if (!inexact) {
        HOLDS(len <= s->len - s->at);
        HOLDS(memcmp(s->bytes + s->at, data, len) == 0);
        s->at += len;
    }
}

/* Gives back the last of what came, or bytes that never did. */
static void unread(end *e, const uint8_t *bytes, size_t len)
{
    tenon_status status =
        e->piped ? TENON_BUSY : tenon_transport_unread(e->t, bytes, len);
    if (status < 0 || inexact || len == 0) {
        return;
    }
    stream *s = where(e);
    if (s->at < len) { /* from elsewhere: it needs room before the rest */
        size_t more = len - s->at;
        s->bytes = realloc(s->bytes, s->len + more);
        HOLDS(s->bytes);
        memmove(s->bytes + s->at + more, s->bytes + s->at, s->len - s->at);
        s->len += more;
        s->at += more;
    }
    s->at -= len;
    memcpy(s->bytes + s->at, bytes, len);
}

/* ---- the protocol ---- */

static tenon_status end_made(void *self, tenon_transport *t)
{
    end *e = self;
    HOLDS(e->t == t && !e->refused && !e->made && !e->lost);
    e->made = true;
    called();
    return outcome();
}

static tenon_status end_data(void *self, tenon_transport *t, const void *data,
                             size_t len)
{
    end *e = self;
    uint8_t last[CHUNK_MAX];
    (void)t;
    arrived(e, data, len);
    size_t back = choose(4) == 3 ? choose(64) : 0;
    back = back < len ? back : len;
    memcpy(last, (const uint8_t *)data + len - back, back);
    if (back > 0 && !e->closing) {
        script.calling++;
        unread(e, last, back);
        script.calling--;
    }
    called();
    return outcome();
}

static tenon_status end_offer(void *self, tenon_transport *t, size_t hint,
                              void **buffer, size_t *len)
{
    end *e = self;
    (void)t;
    HOLDS(hint > 0);
    HOLDS(e->made && !e->lost && !e->closing && !e->paused);
    *buffer = e->offer;
    *len = 1 + choose(sizeof e->offer);
    return TENON_OK;
}

static tenon_status end_updated(void *self, tenon_transport *t, size_t len)
{
    end *e = self;
    (void)t;
    HOLDS(len <= sizeof e->offer);
    arrived(e, e->offer, len);
    called();
    return outcome();
}

static tenon_status end_eof(void *self, tenon_transport *t)
{
    end *e = self;
    (void)t;
    HOLDS(e->made && !e->lost && !e->eof && !e->closing && !e->paused);
    e->eof = true;
    HOLDS(inexact || e->in.joined || e->in.at == e->in.len);
    called();
    return choose(2) ? TENON_KEEP_OPEN : outcome();
}

static tenon_status end_lost(void *self, tenon_transport *t,
                             const tenon_error *error)
{
    end *e = self;
    (void)t;
    (void)error;
    HOLDS(e->made && !e->lost && !e->piped);
    HOLDS(e->owed == e->back);
    e->lost = true;
    called();
    return outcome();
}

static tenon_status end_pause(void *self, tenon_transport *t)
{
    end *e = self;
    (void)t;
    HOLDS(e->made && !e->lost);
    HOLDS(e->other_protocol || !e->high);
    e->high = true;
    called();
    return outcome();
}

static tenon_status end_resume(void *self, tenon_transport *t)
{
    end *e = self;
    (void)t;
    HOLDS(e->made && !e->lost && !e->closing);
    HOLDS(e->other_protocol || e->high);
    e->high = false;
    called();
    return outcome();
}

static const tenon_protocol_ops end_ops = {.size = sizeof end_ops,
                                           .name = "end",
                                           .connection_made = end_made,
                                           .data_received = end_data,
                                           .eof_received = end_eof,
                                           .connection_lost = end_lost,
                                           .pause_writing = end_pause,
                                           .resume_writing = end_resume};
static const tenon_protocol_ops offering_ops = {.size = sizeof offering_ops,
                                                .connection_made = end_made,
                                                .data_received = end_data,
                                                .get_buffer = end_offer,
                                                .buffer_updated = end_updated,
                                                .eof_received = end_eof,
                                                .connection_lost = end_lost,
                                                .pause_writing = end_pause,
                                                .resume_writing = end_resume};

static const tenon_protocol_ops *some_ops(void)
{
    return choose(3) == 2 ? &offering_ops : &end_ops;
}

/* ---- what is done with them ---- */

static tenon_status build(void *user, tenon_transport *t, tenon_protocol *out)
{
    end *e = user;
    HOLDS(e->t == t);
    out->ops = some_ops();
    out->self = e;
    e->refused = choose(32) == 31;
    return e->refused ? -EPROTO : TENON_OK;
}

static void make_pair(void)
{
    end *e = &ends[2 * choose(PAIRS)];
    tenon_transport *pair[2];
    tenon_memory_options options = {.size = sizeof options,
                                    .capacity = choose(8) * 100,
                                    .chunk_max = choose(4) * 50,
                                    .seed = choose(4)};
    if (e[0].t) {
        return;
    }
    tenon_status status =
        tenon_memory_pair(reactor, pair, tenon_factory_with(build, &e[0]),
                          tenon_factory_with(build, &e[1]), &options);
    for (int i = 0; i < 2 && status >= 0; i++) {
        e[i].t = tenon_transport_ref(pair[i]);
    }
}

static void came_back(note *n)
{
    end *e = n->end;
    HOLDS(n->out);
    HOLDS(n->number == e->back);
    HOLDS(!e->lost);
    n->out = false;
    e->back++;
    free(n->bytes);
    n->bytes = NULL;
}

static void on_written(tenon_transport *t, tenon_status status, void *user)
{
    (void)t;
    (void)status;
    came_back(user);
    called();
}

static void on_freed(void *buffer, size_t len, void *user)
{
    (void)len;
    HOLDS(((note *)user)->bytes == buffer);
    came_back(user);
}

static uint8_t *some_bytes(size_t len)
{
    uint8_t *bytes = malloc(len + 1);
    HOLDS(bytes);
    for (size_t i = 0; i < len; i++, pattern++) {
        bytes[i] = (uint8_t)(pattern * 2654435761U >> 15);
    }
    return bytes;
}

static tenon_status write_parts(end *e, uint8_t *bytes, size_t len)
{
    size_t cut = len / (1 + choose(4));
    const struct iovec parts[2] = {{bytes, cut}, {bytes + cut, len - cut}};
    return choose(2) ? tenon_transport_writev(e->t, parts, 2)
                     : tenon_transport_write(e->t, bytes, len);
}

/* Writes, lends, gives or asks; whoever accepts it owes the note. */
static void write_some(end *e)
{
    size_t len = choose(2) ? choose(40) : choose(256) * 8U;
    unsigned how = choose(4);
    bool closing = e->closing; /* before: a tap may abort it meanwhile */
    if (note_count == NOTES || e->piped) {
        return;
    }
    uint8_t *bytes = some_bytes(len);
    note *n = &notes[note_count];
    *n = (note){e, e->owed, bytes, true};
    tenon_status status =
        how == 0   ? write_parts(e, bytes, len)
        : how == 1 ? tenon_transport_write_ref(e->t, bytes, len, on_written, n)
        : how == 2 ? tenon_transport_write_take(e->t, bytes, len, on_freed, n)
                   : tenon_transport_on_flushed(e->t, on_written, n);
    HOLDS(status < 0 || len == 0 || how == 3 || !closing);
    if (status >= 0 && how != 3) {
        expect(where(peer_of(e)), bytes, len);
    }
    if (status >= 0 && how != 0) {
        e->owed++;
        note_count++;
    } else {
        inexact = inexact || status == TENON_NO_MEMORY;
        free(bytes);
        memset(n, 0, sizeof *n);
    }
}

static void on_tap(tenon_transport *t, enum tenon_tap_way way, const void *data,
                   size_t len, void *user)
{
    end *e = user;
    (void)way;
    HOLDS(len > 0 && data && e->t == t);
    HOLDS(tenon_transport_write(t, "x", 1) < 0);
    switch (choose(8)) {
    case 6:
        (void)tenon_transport_tap(t, NULL, NULL);
        break;
    case 7:
        e->closing = tenon_transport_abort(t) == TENON_OK || e->closing;
        break;
    default:
        break;
    }
}

static void on_piped(const tenon_error *error, uint64_t there, uint64_t back,
                     void *user)
{
    bool *out = user;
    (void)error;
    (void)there;
    (void)back;
    HOLDS(*out);
    *out = false;
    called();
}

/* What was under way to `from`, and all that follows, goes on to `to`. */
static void redirect(end *from, end *to)
{
    stream *next = where(to);
    if (from->in.at < from->in.len) {
        expect(next, from->in.bytes + from->in.at, from->in.len - from->in.at);
        from->in.at = from->in.len;
    }
    from->in.to = next;
    next->joined = true;
}

/* Only ever the second of a pair and the first of the next: bytes that go
 * round in a ring never come to rest. */
static void pipe_some(void)
{
    end *first = &ends[1 + 2 * choose(PAIRS - 1)];
    end *second = first + 1;
    if (pipe_count == PIPES || !first->t || !second->t) {
        return;
    }
    bool *out = &pipes_out[pipe_count];
    tenon_pipe_options options = {.size = sizeof options,
                                  .linger_ns = choose(3) * TENON_SECOND,
                                  .on_done = on_piped,
                                  .user = out};
    if (tenon_pipe(first->t, second->t, &options) == TENON_OK) {
        *out = true;
        pipe_count++;
        inexact = inexact || first->piped || second->piped;
        first->piped = second->piped = true;
        redirect(first, peer_of(second));
        redirect(second, peer_of(first));
    }
}

#endif
