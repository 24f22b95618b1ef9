/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The memory pair: two bodies that hand bytes to each other through bounded
 * queues, with the manners of a socket: what does not fit is refused until the
 * other side has read, end of file and reset come after the bytes, and nothing
 * is ever delivered inside a call of the other side, since every report goes
 * through the ready queue. A delivery can be cut short, regularly or at random
 * from a seed, to try a protocol with any chunking.
 */

#include "net/memory.h"

#include <string.h>

#include "net/transport.h"

#define CAPACITY_DEFAULT ((size_t)65536)

typedef struct memory {
    tenon_transport base;
    struct memory *peer; /* NULL: gone */
    tenon__queue inbox;  /* what the peer sent */
    size_t capacity;     /* of the inbox */
    size_t chunk_max;
    uint64_t random; /* 0: chunks are not random */
    bool eof;        /* the peer sends no more */
    bool reset;      /* it dropped bytes */
} memory;

static memory *memory_of(tenon_transport *t)
{
    return (memory *)(void *)t;
}

static size_t room_of(const memory *m)
{
    return m->capacity > m->inbox.len ? m->capacity - m->inbox.len : 0;
}

static bool has_input(const memory *m)
{
    return m->inbox.len > 0 || m->eof;
}

/* The length of the next delivery; xorshift64. */
static size_t next_chunk(memory *m)
{
    if (m->random == 0) {
        return m->chunk_max;
    }
    m->random ^= m->random << 13;
    m->random ^= m->random >> 7;
    m->random ^= m->random << 17;
    return (size_t)(m->random % m->chunk_max) + 1;
}

/* ---- the body ---- */

static ssize_t send_parts(tenon_transport *t, const struct iovec *parts,
                          size_t count)
{
    memory *m = memory_of(t);
    if (!m->peer) {
        return m->reset ? -ECONNRESET : -EPIPE;
    }
    size_t room = room_of(m->peer);
    size_t sent = 0;
    for (size_t i = 0; i < count && sent < room; i++) {
        struct iovec part = parts[i];
        part.iov_len = part.iov_len < room - sent ? part.iov_len : room - sent;
        if (tenon__queue_add(&m->peer->inbox, t->reactor, &part, 1, 0) < 0) {
            break;
        }
        sent += part.iov_len;
    }
    if (sent > 0) {
        tenon__transport_post(&m->peer->base, TENON_READ);
    } else if (room > 0) {
        tenon__transport_post(t, TENON_WRITE); /* for want of memory alone */
    }
    return sent > 0 ? (ssize_t)sent : -EAGAIN;
}

static ssize_t receive(tenon_transport *t, void *buffer, size_t len)
{
    memory *m = memory_of(t);
    if (m->inbox.len == 0) {
        return m->reset ? -ECONNRESET : m->eof ? 0 : -EAGAIN;
    }
    size_t chunk = next_chunk(m);
    size_t got = tenon__queue_take(&m->inbox, t->reactor, buffer,
                                   chunk < len ? chunk : len);
    if (has_input(m)) {
        tenon__transport_post(t, TENON_READ);
    }
    if (m->peer) {
        tenon__transport_post(&m->peer->base, TENON_WRITE);
    }
    return (ssize_t)got;
}

static tenon_status shutdown_write(tenon_transport *t)
{
    memory *m = memory_of(t);
    if (m->peer) {
        m->peer->eof = true;
        tenon__transport_post(&m->peer->base, TENON_READ);
    }
    return TENON_OK;
}

static tenon_status set_interest(tenon_transport *t, uint32_t interest)
{
    memory *m = memory_of(t);
    uint32_t possible = has_input(m) ? TENON_READ : 0;
    if (!m->peer || room_of(m->peer) > 0) {
        possible |= TENON_WRITE;
    }
    if (interest & possible) {
        tenon__transport_post(t, interest & possible);
    }
    return TENON_OK;
}

static void release(tenon_transport *t, bool reset)
{
    memory *m = memory_of(t);
    memory *peer = m->peer;
    tenon__queue_clear(&m->inbox, t->reactor, NULL, TENON_OK);
    m->peer = NULL;
    if (peer) {
        peer->eof = true;
        peer->reset = reset;
        peer->peer = NULL;
        tenon__transport_post(&peer->base, TENON_READ | TENON_WRITE);
    }
}

static tenon_status get_address(const tenon_transport *t, bool peer,
                                tenon_address *out)
{
    (void)t;
    (void)peer;
    (void)out;
    return TENON_NOT_SUPPORTED;
}

static tenon_status failure(const tenon_transport *t)
{
    (void)t;
    return TENON_OK;
}

static const tenon__transport_ops memory_ops = {
    .len = sizeof(memory),
    .send = send_parts,
    .receive = receive,
    .shutdown_write = shutdown_write,
    .set_interest = set_interest,
    .release = release,
    .address = get_address,
    .failure = failure,
    .kind = "memory",
};

/* ---- making a pair ---- */

static memory *side_new(tenon_reactor *reactor, tenon_factory factory,
                        const tenon_memory_options *options, uint64_t salt)
{
    tenon_transport *t = tenon__transport_new(reactor, &memory_ops, factory);
    if (!t) {
        return NULL;
    }
    memory *m = memory_of(t);
    m->capacity = options->capacity ? options->capacity : CAPACITY_DEFAULT;
    m->chunk_max = options->chunk_max ? options->chunk_max : m->capacity;
    m->random = options->seed ? (options->seed ^ salt) | 1 : 0;
    return m;
}

tenon_status tenon__memory_pair(tenon_reactor *reactor, tenon_transport *out[2],
                                tenon_factory first, tenon_factory second,
                                const tenon_memory_options *options)
{
    tenon_memory_options chosen = {0};
    if (options) {
        memcpy(&chosen, options,
               options->size < sizeof chosen ? options->size : sizeof chosen);
    }
    memory *a = side_new(reactor, first, &chosen, 0);
    memory *b =
        side_new(reactor, second, &chosen, UINT64_C(0x9e3779b97f4a7c15));
    if (!a || !b) {
        if (a) {
            tenon__transport_discard(&a->base);
        }
        if (b) {
            tenon__transport_discard(&b->base);
        }
        return TENON_NO_MEMORY;
    }
    a->peer = b;
    b->peer = a;
    out[0] = &a->base;
    out[1] = &b->base;
    return TENON_OK;
}

tenon_status tenon_memory_pair(tenon_reactor *reactor, tenon_transport *out[2],
                               tenon_factory first, tenon_factory second,
                               const tenon_memory_options *options)
{
    tenon_transport *pair[2];
    tenon_status status = tenon__check(reactor);
    if (status < 0) {
        return status;
    }
    status = out ? tenon__memory_pair(reactor, pair, first, second, options)
                 : TENON_INVALID;
    if (status < 0) {
        return status;
    }
    tenon__transport_begin(pair[0]);
    tenon__transport_begin(pair[1]);
    out[0] = pair[0];
    out[1] = pair[1];
    return TENON_OK;
}
