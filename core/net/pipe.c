/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The pipe: one protocol, twice. Each end writes what it receives to the other
 * and stops reading when that was too much; so what a pipe holds is bounded by
 * the write limits of its two transports and one reading.
 */

#include <tenon/pipe.h>

#include <string.h>

#include "net/transport.h"

#define LINGER_DEFAULT (30 * TENON_SECOND)

typedef struct end {
    struct conduit *conduit;
    struct end *other;
    tenon_transport *transport; /* NULL: lost */
    uint64_t passed;            /* to the other one */
} end;

typedef struct conduit {
    end ends[2];
    tenon_reactor *reactor;
    tenon_pipe_options options;
    tenon_error *error;
} conduit;

/* Reads as long as the other one can send. */
static void follow(end *from)
{
    tenon_transport *to = from->other->transport;
    size_t high;
    if (!from->transport || !to) {
        return;
    }
    tenon_transport_get_write_limits(to, &high, NULL);
    if (tenon_transport_write_queue_len(to) > high) {
        (void)tenon_transport_pause_reading(from->transport);
    } else {
        (void)tenon_transport_resume_reading(from->transport);
    }
}

static tenon_status on_data(void *self, tenon_transport *t, const void *data,
                            size_t len)
{
    end *from = self;
    if (!from->other->transport) {
        return TENON_OK; /* nobody is there; this side is closing */
    }
    tenon_status status =
        tenon_transport_write(from->other->transport, data, len);
    if (status == TENON_CLOSED) {
        return TENON_OK; /* its loss is on its way to us */
    }
    from->passed += status < 0 ? 0 : len;
    return status == TENON_HIGH ? tenon_transport_pause_reading(t) : status;
}

static tenon_status on_eof(void *self, tenon_transport *t)
{
    end *from = self;
    (void)t;
    if (from->other->transport) {
        (void)tenon_transport_write_eof(from->other->transport);
    }
    return TENON_KEEP_OPEN;
}

static tenon_status on_pause(void *self, tenon_transport *t)
{
    end *to = self;
    (void)t;
    if (!to->other->transport) {
        return TENON_OK;
    }
    return tenon_transport_pause_reading(to->other->transport);
}

static tenon_status on_resume(void *self, tenon_transport *t)
{
    end *to = self;
    (void)t;
    follow(to->other);
    return TENON_OK;
}

static void finish(conduit *c)
{
    tenon_pipe_options options = c->options;
    tenon_error *error = c->error;
    uint64_t there = c->ends[0].passed;
    uint64_t back = c->ends[1].passed;
    tenon__free(&c->reactor->allocator, c, sizeof *c);
    if (options.on_done) {
        options.on_done(error, there, back, options.user);
    }
    tenon_error_unref(error);
}

/* Without memory for the deadline it is not closed, which could take for ever,
 * but ended, and that is what on_done is told. */
static void end_other(conduit *c, tenon_transport *other, bool failed)
{
    if (failed) {
        (void)tenon_transport_abort(other);
        return;
    }
    tenon_status status =
        tenon_transport_close_within(other, c->options.linger_ns);
    if (status < 0) {
        tenon_error *error =
            tenon__error(c->reactor, status, "ending the pipe", NULL);
        (void)tenon_transport_fail(other, error);
        tenon_error_unref(error);
    }
}

static void lose(end *lost, const tenon_error *error)
{
    conduit *c = lost->conduit;
    tenon_transport *other = lost->other->transport;
    lost->transport = NULL;
    if (error && !c->error) {
        c->error = tenon_error_ref((tenon_error *)error);
    }
    if (other) {
        end_other(c, other, error != NULL);
    } else {
        finish(c);
    }
}

static tenon_status on_lost(void *self, tenon_transport *t,
                            const tenon_error *error)
{
    (void)t;
    lose(self, error);
    return TENON_OK;
}

static const tenon_protocol_ops pipe_ops = {.size = sizeof pipe_ops,
                                            .name = "pipe",
                                            .data_received = on_data,
                                            .eof_received = on_eof,
                                            .connection_lost = on_lost,
                                            .pause_writing = on_pause,
                                            .resume_writing = on_resume};

void tenon__pipe_left(tenon_protocol protocol)
{
    if (protocol.ops == &pipe_ops) {
        lose(protocol.self, NULL);
    }
}

/* Whether they are joined with each other already. */
static bool are_joined(const tenon_transport *first,
                       const tenon_transport *second)
{
    const end *one = first->protocol.self;
    return first->protocol.ops == &pipe_ops &&
           second->protocol.ops == &pipe_ops &&
           one->other == second->protocol.self;
}

static tenon_status check(const tenon_transport *first,
                          const tenon_transport *second)
{
    if (!first || !second || first == second ||
        first->reactor != second->reactor || !first->made || !second->made) {
        return TENON_INVALID;
    }
    tenon_status status = tenon__check(first->reactor);
    bool ends = first->state != TENON__OPENED || first->eof_asked ||
                second->state != TENON__OPENED || second->eof_asked;
    if (status < 0 || ends) {
        return status < 0 ? status : TENON_CLOSED;
    }
    return are_joined(first, second) ? TENON_BUSY : TENON_OK;
}

static void join(end *one, tenon_transport *t)
{
    tenon_protocol protocol = {&pipe_ops, one};
    one->transport = t;
    (void)tenon_transport_set_protocol(t, protocol);
}

/* An end of file that came before the pipe did. */
static void pass_eof(end *from)
{
    if (from->transport->eof_seen) {
        (void)tenon_transport_write_eof(from->other->transport);
    }
}

tenon_status tenon_pipe(tenon_transport *first, tenon_transport *second,
                        const tenon_pipe_options *options)
{
    tenon_status status = check(first, second);
    if (status < 0) {
        return status;
    }
    conduit *c = tenon__alloc(&first->reactor->allocator, sizeof *c);
    if (!c) {
        return TENON_NO_MEMORY;
    }
    if (options) {
        size_t len = options->size;
        memcpy(&c->options, options,
               len < sizeof c->options ? len : sizeof c->options);
    }
    if (c->options.linger_ns <= 0) {
        c->options.linger_ns = LINGER_DEFAULT;
    }
    c->reactor = first->reactor;
    for (int i = 0; i < 2; i++) {
        c->ends[i].conduit = c;
        c->ends[i].other = &c->ends[1 - i];
    }
    join(&c->ends[0], first);
    join(&c->ends[1], second);
    for (int i = 0; i < 2; i++) {
        pass_eof(&c->ends[i]);
        follow(&c->ends[i]);
    }
    return TENON_OK;
}
