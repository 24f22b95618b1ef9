/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The read side. One readiness is good for a bounded number of reads and
 * bytes (R6); a read that did not fill its buffer found the end of what is
 * there, so that a request costs one system call, and the poller tells if
 * there is more after all. Every callback may have paused, closed or lost the
 * transport: each step begins by looking again (R7).
 */

#include "net/transport.h"

#include <string.h>

enum { READS_MAX = 32, BYTES_MAX = 262144 };

/* What one read goes into, and whose it is. */
typedef struct place {
    void *bytes;
    size_t len;
    bool shared;       /* the reactor's read buffer */
    tenon_protocol by; /* who was to have it */
} place;

static bool is_still(const tenon_transport *t, const tenon_protocol *by)
{
    return by->ops == t->protocol.ops && by->self == t->protocol.self;
}

static bool may_deliver(const tenon_transport *t)
{
    return t->state == TENON__OPENED || t->state == TENON__BROKEN;
}

bool tenon__transport_readable(const tenon_transport *t)
{
    /* Bits of one byte: one test, where && would make four. */
    bool reads = t->made & !t->opening & !t->paused & !t->eof_seen;
    return reads && may_deliver(t);
}

static bool offers_memory(const tenon_transport *t)
{
    return TENON__PROTOCOL_HAS(t, get_buffer) &&
           TENON__PROTOCOL_HAS(t, buffer_updated);
}

/* Asks the protocol for memory; false when there is nothing to read into, or
 * reading is over. */
static bool take_offered(tenon_transport *t, place *out)
{
    tenon_protocol asked = t->protocol;
    tenon__notice notice = {.tell = TENON__GET_BUFFER,
                            .len = t->reactor->read_buffer_len};
    tenon_status status = tenon__transport_tell(t, &notice);
    if (status < 0 || !is_still(t, &asked) || !tenon__transport_readable(t)) {
        return false;
    }
    if (!notice.buffer || notice.len == 0) {
        tenon__report_status(t->reactor, "get_buffer", t->protocol.ops->name, t,
                             TENON_INVALID);
        tenon__transport_lose_status(t, TENON_INVALID, "no buffer offered");
        return false;
    }
    *out = (place){notice.buffer, notice.len, false, asked};
    return true;
}

static bool take_place(tenon_transport *t, place *out)
{
    if (offers_memory(t)) {
        return take_offered(t, out);
    }
    out->shared = true;
    out->by = t->protocol;
    out->bytes = tenon__buffer_take(t->reactor, &out->len);
    if (!out->bytes) {
        tenon__transport_lose_status(t, TENON_NO_MEMORY, "reading");
    }
    return out->bytes != NULL;
}

static void deliver(tenon_transport *t, const place *from, size_t len)
{
    tenon__notice notice = {.tell = from->shared ? TENON__DATA : TENON__UPDATED,
                            .data = from->bytes,
                            .len = len};
    (void)tenon__transport_tell(t, &notice);
}

TENON__ASIDE static void on_eof(tenon_transport *t)
{
    tenon__notice notice = {.tell = TENON__EOF};
    t->eof_seen = true;
    tenon__transport_update(t);
    if (t->state != TENON__OPENED) {
        return;
    }
    tenon_status status = tenon__transport_tell(t, &notice);
    if (t->state == TENON__OPENED && status != TENON_KEEP_OPEN) {
        (void)tenon_transport_close(t);
    }
    tenon__transport_drained(t);
}

/* Descriptors that came with this read go before its bytes. Whoever is left
 * over, because the protocol has no use for it or is gone, is closed. */
static void deliver_fds(tenon_transport *t)
{
    int fds[TENON_FDS_MAX];
    uint32_t count = t->extra->arrived;
    memcpy(fds, t->extra->fds, sizeof fds);
    t->extra->arrived = 0;
    for (uint32_t i = 0; i < count; i++) {
        tenon__notice notice = {.tell = TENON__FD, .fd = fds[i]};
        if (may_deliver(t) && TENON__PROTOCOL_HAS(t, fd_received)) {
            (void)tenon__transport_tell(t, &notice);
        } else {
            tenon__fd_close(t->reactor, NULL, fds[i]);
        }
    }
}

/* Delivers what was read. The tap, and the protocol that took descriptors
 * before it, may have paused, ended the connection or given it to another. */
static void pass_on(tenon_transport *t, const place *from, size_t len)
{
    if (t->extra && t->extra->arrived > 0) {
        deliver_fds(t);
    }
    if (!may_deliver(t)) {
        return;
    }
    if (is_still(t, &from->by) && !t->paused) {
        deliver(t, from, len);
    } else if (tenon_transport_unread(t, from->bytes, len) < 0) {
        tenon__transport_lose_status(t, TENON_NO_MEMORY, "reading");
    }
}

static inline size_t unread_len(const tenon_transport *t)
{
    return t->extra ? t->extra->unread.len : 0;
}

/* What was put back comes first. */
static ssize_t receive(tenon_transport *t, const place *to)
{
    if (unread_len(t) > 0) {
        return (ssize_t)tenon__queue_take(&t->extra->unread, t->reactor,
                                          to->bytes, to->len);
    }
    ssize_t got = t->ops->receive(t, to->bytes, to->len);
    if (got > 0 && t->extra) {
        tenon__transport_touch(t);
        if (t->extra->tap) {
            tenon__transport_tapped(t, TENON_TAP_READ, to->bytes, (size_t)got);
        }
    }
    return got;
}

/* What a read came to, where `more` may be there if it brought something. */
static inline size_t after_read(tenon_transport *t, ssize_t got, bool more,
                                bool *progress)
{
    *progress = *progress || got != -EAGAIN;
    if (TENON__RARELY(got <= 0)) {
        if (got == 0) {
            on_eof(t);
        } else if (got != -EAGAIN) {
            tenon__transport_lose_status(t, (tenon_status)got, "reading");
        }
        return 0;
    }
    return more || unread_len(t) > 0 ? (size_t)got : 0;
}

/* One read and its delivery. Returns the bytes; 0 when this was the last one
 * for now, in which case `progress` tells whether it brought anything. */
__attribute__((noinline)) static size_t read_once(tenon_transport *t,
                                                  bool *progress)
{
    place to = {.bytes = NULL};
    if (!take_place(t, &to)) {
        *progress = true;
        return 0;
    }
    bool again = unread_len(t) > 0; /* behind that, nobody looked yet */
    ssize_t got = receive(t, &to);
    if (got > 0) {
        pass_on(t, &to, (size_t)got);
    }
    if (to.shared) {
        tenon__buffer_give(t->reactor, to.bytes);
    }
    return after_read(t, got, (size_t)got == to.len || again, progress);
}

/* The same for what most reads are: of a transport with nothing out of the
 * ordinary, into the buffer that lies there. It is nobody's but ours until the
 * protocol is told. */
static size_t read_plainly(tenon_transport *t, bool *progress)
{
    size_t len;
    void *bytes = tenon__buffer_take(t->reactor, &len);
    ssize_t got = t->ops->receive(t, bytes, len);
    if (TENON__RARELY(t->extra) && got > 0) { /* descriptors came with it */
        place from = {bytes, len, true, t->protocol};
        pass_on(t, &from, (size_t)got);
    } else if (got > 0) {
        (void)tenon__transport_tell_data(t, bytes, (size_t)got);
    }
    tenon__buffer_give(t->reactor, bytes);
    return after_read(t, got, (size_t)got == len, progress);
}

static bool is_plain(const tenon_transport *t)
{
    return !t->extra && t->reactor->read_buffer && !offers_memory(t);
}

/* The poller knows nothing of bytes that were put back. */
static void go_on_later(tenon_transport *t)
{
    if (unread_len(t) > 0 && tenon__transport_readable(t)) {
        tenon__transport_post(t, TENON_READ);
    }
}

bool tenon__transport_read(tenon_transport *t)
{
    bool progress = false;
    size_t total = 0;
    for (int reads = 0; reads < READS_MAX && total < BYTES_MAX; reads++) {
        if (!tenon__transport_readable(t) || tenon__forked(t->reactor)) {
            return true;
        }
        size_t got = TENON__LIKELY(is_plain(t)) ? read_plainly(t, &progress)
                                                : read_once(t, &progress);
        if (got == 0) {
            break;
        }
        total += got;
    }
    go_on_later(t);
    return progress;
}

/* ---- public ---- */

static tenon_status set_paused(tenon_transport *t, bool paused)
{
    tenon_status status = tenon__check(t->reactor);
    if (status < 0) {
        return status;
    }
    t->paused = paused;
    tenon__transport_update(t);
    if (t->state == TENON__OPENED) {
        go_on_later(t);
    }
    return TENON_OK;
}

tenon_status tenon_transport_pause_reading(tenon_transport *t)
{
    return set_paused(t, true);
}

tenon_status tenon_transport_resume_reading(tenon_transport *t)
{
    return set_paused(t, false);
}

tenon_status tenon_transport_unread(tenon_transport *t, const void *data,
                                    size_t len)
{
    tenon_status status = tenon__check(t->reactor);
    if (status == TENON_OK && (t->eof_seen || (t->state != TENON__OPENED &&
                                               t->state != TENON__BROKEN))) {
        status = TENON_CLOSED;
    }
    if (status < 0 || len == 0) {
        return status;
    }
    tenon__extra *extra = tenon__transport_extra(t);
    status = extra ? tenon__queue_push(&extra->unread, t->reactor, data, len)
                   : TENON_NO_MEMORY;
    if (status == TENON_OK && t->state == TENON__OPENED) {
        tenon__transport_post(t, TENON_READ);
    }
    return status;
}

bool tenon_transport_is_reading(const tenon_transport *t)
{
    return !t->paused && !t->eof_seen && t->state == TENON__OPENED;
}
