/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * A stream as the protocol of its transport, its writing, and its end. The
 * transport's side holds a reference from the connection's beginning to its
 * end.
 */

#include "net/iostream.h"

#include <string.h>

#include "net/transport.h"

/* ---- life ---- */

tenon_stream *tenon__iostream_new(tenon_reactor *r)
{
    tenon_stream *s = tenon__alloc(&r->allocator, sizeof *s);
    if (s) {
        s->reactor = r;
        s->refs = 1;
        s->limit = TENON_STREAM_LIMIT;
        tenon__list_init(&s->waiting);
        tenon__pin(r);
    }
    return s;
}

tenon_stream *tenon_stream_ref(tenon_stream *s)
{
    if (s) {
        s->refs++;
    }
    return s;
}

void tenon_stream_unref(tenon_stream *s)
{
    if (!s || --s->refs > 0) {
        return;
    }
    tenon_reactor *r = s->reactor;
    tenon__iostream_buffer_free(s);
    tenon_error_unref(s->error);
    tenon_transport_unref(s->transport);
    tenon__free(&r->allocator, s, sizeof *s);
    tenon__unpin(r);
}

void tenon__iostream_join(tenon_stream *s, tenon_transport *t)
{
    s->transport = tenon_transport_ref(t);
    (void)tenon_stream_ref(s);
}

tenon_transport *tenon_stream_transport(const tenon_stream *s)
{
    return s ? s->transport : NULL;
}

/* ---- flow ---- */

tenon_status tenon__iostream_end_status(const tenon_stream *s)
{
    return s->status < 0 ? s->status : TENON_ENDED;
}

/* A read that waits wants more, however much there is. */
void tenon__iostream_reflow(tenon_stream *s)
{
    size_t unread = tenon__iostream_unread(s);
    bool full = !s->op && unread > 2 * s->limit;
    if (!s->transport || s->closed) {
        return;
    }
    if (!s->paused && (full || s->failed)) {
        s->paused = true;
        (void)tenon_transport_pause_reading(s->transport);
    } else if (s->paused && !s->failed && (s->op || unread < s->limit)) {
        s->paused = false;
        (void)tenon_transport_resume_reading(s->transport);
    }
}

/* ---- tasks that wait for room, or for the end ---- */

typedef struct stream_wait {
    tenon__wait wait; /* first */
    tenon_node node;  /* in stream->waiting */
    bool (*is_over)(const tenon_stream *stream);
} stream_wait;

static bool cancel_wait(tenon__wait *w, tenon_error *reason)
{
    stream_wait *sw = (stream_wait *)(void *)w;
    (void)reason;
    tenon__list_remove(&sw->node);
    return true;
}

static const tenon__wait_kind for_room = {"room to write", cancel_wait, NULL};
static const tenon__wait_kind for_end = {"end of connection", cancel_wait,
                                         NULL};

static bool has_ended(const tenon_stream *s)
{
    return s->lost || s->closed || !s->transport;
}

static bool is_lost(const tenon_stream *s)
{
    return s->lost || !s->transport;
}

static bool has_room(const tenon_stream *s)
{
    return has_ended(s) || !s->transport->above;
}

void tenon__iostream_wake(tenon_stream *s)
{
    tenon_node *node = s->waiting.next;
    while (node != &s->waiting) {
        stream_wait *sw = TENON__OF(node, stream_wait, node);
        node = node->next;
        if (sw->is_over(s)) {
            tenon__list_remove(&sw->node);
            (void)tenon__task_wake(sw->wait.task, TENON_OK);
        }
    }
}

static tenon_status wait_until(tenon_stream *s, const tenon__wait_kind *kind,
                               bool (*is_over)(const tenon_stream *))
{
    stream_wait sw = {.is_over = is_over};
    tenon_status status = tenon__wait_begin(&sw.wait, kind, "tenon_stream");
    if (status < 0) {
        return status;
    }
    if (is_over(s)) {
        return tenon__task_wait_free(sw.wait.task, "tenon_stream");
    }
    sw.wait.object = s;
    tenon__list_push(&s->waiting, &sw.node);
    (void)tenon_stream_ref(s);
    status = tenon__task_wait(&sw.wait);
    tenon__list_remove(&sw.node);
    tenon_stream_unref(s);
    return status;
}

static tenon_status check(const tenon_stream *s)
{
    return s ? tenon__check_thread(s->reactor) : TENON_INVALID;
}

/* ---- the protocol ---- */

static tenon_status connection_made(void *self, tenon_transport *t)
{
    tenon_stream *s = self;
    tenon__iostream_join(s, t);
    return s->server ? tenon__iostream_served(s) : TENON_OK;
}

static void arrived(tenon_stream *s)
{
    tenon__iostream_kick(s);
    tenon__iostream_flow(s);
}

static tenon_status data_received(void *self, tenon_transport *t,
                                  const void *data, size_t len)
{
    tenon_stream *s = self;
    (void)t;
    if (s->failed || s->closed) {
        return TENON_OK;
    }
    if (!tenon__iostream_reserve(s, len)) {
        return TENON_NO_MEMORY;
    }
    memcpy(s->block + s->end, data, len);
    s->end += len;
    arrived(s);
    return TENON_OK;
}

/* Of the other table: for a long read into memory of the reader's. */
static tenon_status get_buffer(void *self, tenon_transport *t, size_t hint,
                               void **buffer, size_t *len)
{
    const tenon_stream *s = self;
    (void)t;
    (void)hint;
    *buffer = s->op->into;
    *len = s->op->what->max;
    return TENON_OK;
}

static tenon_status buffer_updated(void *self, tenon_transport *t, size_t len)
{
    tenon_stream *s = self;
    (void)t;
    s->op->into_len = len;
    tenon__iostream_direct(s, false);
    arrived(s);
    return TENON_OK;
}

static tenon_status eof_received(void *self, tenon_transport *t)
{
    tenon_stream *s = self;
    (void)t;
    s->eof = true;
    tenon__iostream_kick(s);
    return TENON_KEEP_OPEN;
}

static tenon_status connection_lost(void *self, tenon_transport *t,
                                    const tenon_error *error)
{
    tenon_stream *s = self;
    s->lost = true;
    if (error && !s->failed) {
        s->status = tenon_error_status(error);
        tenon_error_unref(s->error);
        s->error = tenon_error_ref(t->error);
    } else if (s->status == TENON_OK && !s->eof) {
        s->status = TENON_CLOSED;
    }
    tenon__iostream_kick(s);
    tenon__iostream_wake(s);
    tenon_stream_unref(s);
    return TENON_OK;
}

static tenon_status resume_writing(void *self, tenon_transport *t)
{
    (void)t;
    tenon__iostream_wake(self);
    return TENON_OK;
}

/* ---- writing ---- */

tenon_status tenon_stream_write(tenon_stream *s, const void *data, size_t len)
{
    tenon_status status = check(s);
    if (status < 0) {
        return status;
    }
    return has_ended(s) ? TENON_CLOSED
                        : tenon_transport_write(s->transport, data, len);
}

tenon_status tenon_stream_write_eof(tenon_stream *s)
{
    tenon_status status = check(s);
    if (status < 0) {
        return status;
    }
    return has_ended(s) ? TENON_CLOSED
                        : tenon_transport_write_eof(s->transport);
}

/* Why there is nobody to write to. */
static tenon_status write_status(const tenon_stream *s)
{
    if (!has_ended(s)) {
        return TENON_OK;
    }
    if (s->error) {
        return tenon_raise_error(s->error);
    }
    return TENON_CLOSED;
}

tenon_status tenon_stream_drain(tenon_stream *s)
{
    tenon_status status = check(s);
    if (status == TENON_OK) {
        status = wait_until(s, &for_room, has_room);
    }
    return status < 0 ? status : write_status(s);
}

/* As a rule there is room, and the task may go on. */
tenon_status tenon_stream_send(tenon_stream *s, const void *data, size_t len)
{
    tenon_task *t = tenon__task_current();
    tenon_status status = tenon_stream_write(s, data, len);
    if (status == TENON_OK && t) {
        return tenon__task_wait_free(t, "tenon_stream_send");
    }
    return status < 0 ? status : tenon_stream_drain(s);
}

tenon_status tenon_stream_flush(tenon_stream *s)
{
    tenon_future *flushed = NULL;
    tenon_status status = check(s);
    if (status == TENON_OK) {
        status = write_status(s);
    }
    if (status == TENON_OK) {
        status = tenon_transport_flushed(s->transport, &flushed);
    }
    return status < 0 ? status : tenon_await_take(flushed, NULL, NULL);
}

/* ---- the end ---- */

tenon_status tenon_stream_fail(tenon_stream *s, tenon_error *error)
{
    tenon_status status = check(s);
    if (status < 0 || tenon_error_status(error) >= 0) {
        return status < 0 ? status : TENON_INVALID;
    }
    tenon_error *former = s->error;
    s->error = tenon_error_ref(error);
    tenon_error_unref(former);
    s->status = tenon_error_status(error);
    s->failed = true;
    tenon__iostream_discard(s);
    tenon__iostream_flow(s);
    tenon__iostream_kick(s);
    return TENON_OK;
}

static tenon_status end(tenon_stream *s, tenon_status (*how)(tenon_transport *))
{
    tenon_status status = check(s);
    if (status < 0 || s->closed) {
        return status;
    }
    s->closed = true;
    if (s->status == TENON_OK) {
        s->status = TENON_CLOSED;
    }
    tenon__iostream_discard(s);
    tenon__iostream_kick(s);
    tenon__iostream_wake(s);
    return s->transport ? how(s->transport) : TENON_OK;
}

tenon_status tenon_stream_close(tenon_stream *s)
{
    return end(s, tenon_transport_close);
}

/* After a close, too. */
tenon_status tenon_stream_abort(tenon_stream *s)
{
    if (s && s->closed && !s->lost && s->transport && check(s) == TENON_OK) {
        return tenon_transport_abort(s->transport);
    }
    return end(s, tenon_transport_abort);
}

tenon_status tenon_stream_wait_closed(tenon_stream *s)
{
    tenon_status status = check(s);
    if (status == TENON_OK) {
        status = wait_until(s, &for_end, is_lost);
    }
    if (status == TENON_OK && s->error) {
        status = tenon_raise_error(s->error);
    }
    return status;
}

/* ---- looking ---- */

tenon_status tenon_stream_set_limit(tenon_stream *s, size_t limit)
{
    tenon_status status = check(s);
    if (status < 0 || limit == 0 || limit > SIZE_MAX / 4) {
        return status < 0 ? status : TENON_INVALID;
    }
    s->limit = limit;
    tenon__iostream_flow(s);
    return TENON_OK;
}

size_t tenon_stream_available(const tenon_stream *s)
{
    return s ? tenon__iostream_unread(s) : 0;
}

bool tenon_stream_at_end(const tenon_stream *s)
{
    return !s ||
           ((s->eof || s->lost || s->closed) && tenon__iostream_unread(s) == 0);
}

const tenon_protocol_ops tenon__iostream_ops = {
    .size = sizeof tenon__iostream_ops,
    .name = "stream",
    .connection_made = connection_made,
    .data_received = data_received,
    .eof_received = eof_received,
    .connection_lost = connection_lost,
    .resume_writing = resume_writing,
};

/* While a read waits that takes bytes where they are wanted. */
static const tenon_protocol_ops direct_ops = {
    .size = sizeof direct_ops,
    .name = "stream",
    .connection_made = connection_made,
    .get_buffer = get_buffer,
    .buffer_updated = buffer_updated,
    .eof_received = eof_received,
    .connection_lost = connection_lost,
    .resume_writing = resume_writing,
};

void tenon__iostream_direct(tenon_stream *s, bool direct)
{
    tenon_transport *t = s->transport;
    if (t && !s->closed && t->protocol.self == s) {
        t->protocol.ops = direct ? &direct_ops : &tenon__iostream_ops;
    }
}
