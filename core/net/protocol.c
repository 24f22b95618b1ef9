/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The one way into a protocol. It is never called while it is on the stack
 * already: what becomes due meanwhile (in a host loop that a callback runs,
 * say) is remembered in `owes` and queued when the outermost callback returns.
 *
 * A protocol that returns TENON_CLOSED on a transport that is closing already
 * has only passed on what write told it: that is no failure.
 */

#include "net/transport.h"

/* What is told is most often a constant, and no table is needed then. */
TENON__INLINE tenon_status call(tenon_transport *t, tenon__notice *n)
{
    const tenon_protocol_ops *ops = t->protocol.ops;
    void *self = t->protocol.self;
    switch (n->tell) {
    case TENON__MADE:
        return ops->connection_made(self, t);
    case TENON__DATA:
        return ops->data_received(self, t, n->data, n->len);
    case TENON__GET_BUFFER:
        return ops->get_buffer(self, t, n->len, &n->buffer, &n->len);
    case TENON__UPDATED:
        return ops->buffer_updated(self, t, n->len);
    case TENON__EOF:
        return ops->eof_received(self, t);
    case TENON__CONNECTION_LOST:
        return ops->connection_lost(self, t, n->error);
    case TENON__PAUSE:
        return ops->pause_writing(self, t);
    case TENON__FD:
        return ops->fd_received(self, t, n->fd);
    case TENON__RESUME:
    default:
        return ops->resume_writing(self, t);
    }
}

TENON__INLINE bool has_slot(const tenon_transport *t, enum tenon__tell tell)
{
    switch (tell) {
    case TENON__MADE:
        return TENON__PROTOCOL_HAS(t, connection_made);
    case TENON__DATA:
        return TENON__PROTOCOL_HAS(t, data_received);
    case TENON__GET_BUFFER:
        return TENON__PROTOCOL_HAS(t, get_buffer);
    case TENON__UPDATED:
        return TENON__PROTOCOL_HAS(t, buffer_updated);
    case TENON__EOF:
        return TENON__PROTOCOL_HAS(t, eof_received);
    case TENON__CONNECTION_LOST:
        return TENON__PROTOCOL_HAS(t, connection_lost);
    case TENON__PAUSE:
        return TENON__PROTOCOL_HAS(t, pause_writing);
    case TENON__FD:
        return TENON__PROTOCOL_HAS(t, fd_received);
    case TENON__RESUME:
    default:
        return TENON__PROTOCOL_HAS(t, resume_writing);
    }
}

/* The outermost callback returned: queue what waited for that. */
static void settle(tenon_transport *t)
{
    if (tenon__on_stack(t->reactor, t)) {
        return;
    }
    if (t->owes) {
        t->owes = false;
        tenon__transport_owe(t);
    }
    if (t->owes_late && t->state < TENON__LOST) {
        tenon__late_push(t->reactor, &t->late);
    }
    t->owes_late = false;
}

static bool only_echoes_closed(const tenon_transport *t, tenon_status status)
{
    return status == TENON_CLOSED && t->state != TENON__OPENED;
}

TENON__ASIDE static void on_failure(tenon_transport *t, const tenon__notice *n,
                                    tenon_status status)
{
    static const char *const whats[] = {
        "connection_made", "data_received",  "get_buffer",
        "buffer_updated",  "eof_received",   "connection_lost",
        "pause_writing",   "resume_writing", "fd_received"};
    /* ORDER tenon__tell */
    if (only_echoes_closed(t, status)) {
        return;
    }
    tenon__report_status(t->reactor, whats[n->tell], tenon__transport_name(t),
                         t, status);
    if (n->tell != TENON__CONNECTION_LOST) {
        tenon__transport_lose(
            t, tenon__error(t->reactor, status, whats[n->tell], NULL), true);
    }
}

void tenon__transport_enter(tenon_transport *t, tenon__frame *frame,
                            const char *what)
{
    tenon_transport_ref(t);
    tenon__frame_enter_named(t->reactor, frame, t, what,
                             tenon__transport_name(t));
    frame->carries = true;
}

void tenon__transport_leave(tenon_transport *t)
{
    settle(t);
    tenon__transport_unref(t);
}

/* A protocol's name stays where it is until that protocol is replaced, or has
 * been told of the end. */
static void enter_protocol(tenon_transport *t, tenon__frame *frame,
                           enum tenon__tell tell)
{
    if (tell == TENON__CONNECTION_LOST) {
        tenon__transport_enter(t, frame, "transport");
        return;
    }
    tenon_transport_ref(t);
    tenon__frame_enter(t->reactor, frame, t, "transport",
                       t->protocol.ops->name);
    frame->carries = true;
}

TENON__INLINE tenon_status tell(tenon_transport *t, tenon__notice *n)
{
    tenon_status status = TENON_OK;
    if (has_slot(t, n->tell)) {
        tenon__frame frame;
        enter_protocol(t, &frame, n->tell);
        status = call(t, n);
        tenon__frame_leave(t->reactor, &frame);
        if (TENON__RARELY(status < 0)) {
            on_failure(t, n, status);
        }
        tenon__transport_leave(t);
    }
    return status;
}

tenon_status tenon__transport_tell(tenon_transport *t, tenon__notice *n)
{
    return tell(t, n);
}

tenon_status tenon__transport_tell_data(tenon_transport *t, const void *data,
                                        size_t len)
{
    tenon__notice notice = {.tell = TENON__DATA, .data = data, .len = len};
    return tell(t, &notice);
}

/* ---- public ---- */

tenon_status tenon_transport_set_protocol(tenon_transport *t,
                                          tenon_protocol protocol)
{
    tenon_status status = tenon__check_thread(t->reactor);
    if (status < 0) {
        return status;
    }
    if (t->state == TENON__GONE) {
        return TENON_CLOSED;
    }
    if (!protocol.ops || !t->made) {
        return TENON_INVALID;
    }
    tenon_protocol before = t->protocol;
    tenon__frames_keep_name(t->reactor, t);
    t->protocol = protocol;
    /* Whatever the other one was told, this one knows of nothing. */
    t->told_pause = false;
    t->owes_pause = t->above;
    if (t->above && t->state == TENON__OPENED) {
        tenon__late_push(t->reactor, &t->late);
    }
    tenon__pipe_left(before);
    return TENON_OK;
}

tenon_protocol tenon_transport_protocol(const tenon_transport *t)
{
    return t->build ? (tenon_protocol){NULL, NULL} : t->protocol;
}
