/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The body over somebody else's stream. Such a stream says when something is
 * possible again; the base wants to be told, level-triggered, of what it asked
 * for. So what is possible is remembered here, until the stream refuses.
 */

#include <string.h>
#include <tenon/sys/native.h>

#include "net/transport.h"

enum { BOTH = TENON_READ | TENON_WRITE };

typedef struct native {
    tenon_transport base;
    tenon__transport_ops ops; /* ours, but for its kind and what it cannot */
    tenon_native_ops theirs;
    void *stream;      /* NULL: released */
    uint32_t possible; /* refused nothing of this since it was said */
} native;

static native *native_of(tenon_transport *t)
{
    return (native *)(void *)t;
}

/* Asks for another report of what has just gone through. */
static ssize_t note(native *n, uint32_t event, ssize_t result)
{
    if (result == -EAGAIN) {
        n->possible &= ~event;
    } else if (result > 0) {
        tenon__transport_post(&n->base, event);
    }
    return result;
}

static ssize_t send_parts(tenon_transport *t, const struct iovec *parts,
                          size_t count)
{
    native *n = native_of(t);
    return note(n, TENON_WRITE, n->theirs.send(n->stream, parts, count));
}

static ssize_t receive(tenon_transport *t, void *buffer, size_t len)
{
    native *n = native_of(t);
    return note(n, TENON_READ, n->theirs.receive(n->stream, buffer, len));
}

/* A stream that cannot says so in its next call. */
static tenon_status shutdown_write(tenon_transport *t)
{
    native *n = native_of(t);
    n->theirs.shutdown_write(n->stream);
    return TENON_OK;
}

static tenon_status set_interest(tenon_transport *t, uint32_t interest)
{
    native *n = native_of(t);
    if (n->theirs.set_interest) {
        n->theirs.set_interest(n->stream, interest);
    }
    if (interest & n->possible) {
        tenon__transport_post(t, interest & n->possible);
    }
    return TENON_OK;
}

static void release(tenon_transport *t, bool reset)
{
    native *n = native_of(t);
    void *stream = n->stream;
    n->stream = NULL;
    if (stream) {
        n->theirs.release(stream, reset);
    }
}

static tenon_status get_address(const tenon_transport *t, bool peer,
                                tenon_address *out)
{
    const native *n = (const native *)(const void *)t;
    if (!n->theirs.address) {
        return TENON_NOT_SUPPORTED;
    }
    return n->stream ? n->theirs.address(n->stream, peer, out) : TENON_CLOSED;
}

static const tenon__transport_ops native_ops = {
    .len = sizeof(native),
    .send = send_parts,
    .receive = receive,
    .shutdown_write = shutdown_write,
    .set_interest = set_interest,
    .release = release,
    .address = get_address,
    .kind = "native",
};

/* ---- public ---- */

static bool is_complete(const tenon_native_ops *ops)
{
    return ops && ops->size > offsetof(tenon_native_ops, release) &&
           ops->kind && ops->send && ops->receive && ops->release;
}

tenon_status tenon_transport_adopt_native(tenon_reactor *reactor,
                                          tenon_transport **out,
                                          const tenon_native_ops *ops,
                                          void *stream, tenon_factory factory)
{
    tenon_status status = tenon__check(reactor);
    if (status < 0 || !out || !stream || !is_complete(ops)) {
        return status < 0 ? status : TENON_INVALID;
    }
    tenon_transport *t = tenon__transport_new(reactor, &native_ops, factory);
    if (!t) {
        return TENON_NO_MEMORY;
    }
    native *n = native_of(t);
    memcpy(&n->theirs, ops,
           ops->size < sizeof n->theirs ? ops->size : sizeof n->theirs);
    n->ops = native_ops;
    n->ops.kind = ops->kind;
    n->ops.shutdown_write = n->theirs.shutdown_write ? shutdown_write : NULL;
    t->ops = &n->ops;
    n->stream = stream;
    n->possible = BOTH;
    tenon__transport_begin(t);
    *out = t;
    return TENON_OK;
}

static bool is_native(const tenon_transport *t)
{
    return t->ops->receive == receive;
}

tenon_status tenon_transport_native_ready(tenon_transport *t, uint32_t events)
{
    tenon_status status = tenon__check(t->reactor);
    if (status < 0) {
        return status;
    }
    if (!is_native(t) || events == 0 || (events & ~(uint32_t)BOTH)) {
        return TENON_INVALID;
    }
    native *n = native_of(t);
    if (!n->stream) {
        return TENON_CLOSED;
    }
    n->possible |= events;
    tenon__transport_post(t, events);
    return TENON_OK;
}

void *tenon_transport_native(const tenon_transport *t)
{
    return is_native(t) ? ((const native *)(const void *)t)->stream : NULL;
}
