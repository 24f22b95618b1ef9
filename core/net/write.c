/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The write side: one path for every byte that is written (R14). On an empty
 * queue the first write of a turn goes to the body at once, and so does each
 * long one, of which a copy would cost more than a call; later short ones of
 * that turn are copied and leave together when it ends. What the body does not
 * take waits for it to be writable.
 *
 * All or nothing has one exception: when the body took a part and there is no
 * memory for the rest, the stream has a hole, and the connection is lost.
 */

#include "net/transport.h"

enum { PARTS_MAX = 64, ROUNDS_MAX = 16, FILE_PIECE = 65536, LONG_LEN = 16384 };

/* A write between two turns is not one of the turn before. */
static uint64_t turn_of(const tenon_reactor *reactor)
{
    return reactor->stats.turns * 2 + (reactor->phase != TENON__IDLE);
}

static bool goes_now(const tenon_transport *t, size_t len)
{
    return !t->queue.first &&
           (t->write_turn != turn_of(t->reactor) || len >= LONG_LEN);
}

/* Lack of room in the kernel, of whatever kind, may pass. */
static bool is_full(ssize_t result)
{
    return result == -EAGAIN || result == -ENOBUFS || result == -ENOMEM ||
           result == 0;
}

void tenon__transport_drop_queue(tenon_transport *t, const tenon_error *error)
{
    tenon_status status = error ? tenon_error_status(error) : TENON_CLOSED;
    tenon__queue *done = tenon__transport_done(t);
    tenon__queue_clear(&t->queue, t->reactor, done, status);
    if (t->extra) {
        tenon__queue_clear(&t->extra->riders, t->reactor, done, status);
    }
    t->blocked = false;
}

/* R24: what was received before is delivered first, if somebody reads. */
static void on_send_failed(tenon_transport *t, tenon_status status)
{
    if (t->state != TENON__OPENED || t->paused || t->eof_seen) {
        tenon__transport_lose_status(t, status, "writing");
        return;
    }
    tenon__transport_set_state(t, TENON__BROKEN);
    t->error = tenon__error(t->reactor, status, "writing", NULL);
    tenon__transport_drop_queue(t, t->error);
    tenon__transport_update(t);
    tenon__transport_owe(t);
}

void tenon__transport_drained(tenon_transport *t)
{
    if (t->queue.first || t->state > TENON__CLOSING ||
        tenon__forked(t->reactor)) {
        return;
    }
    if (t->state == TENON__CLOSING) {
        if (t->made && !t->opening) {
            tenon__transport_lose(t, NULL, false);
        }
        return;
    }
    if (t->eof_asked && !t->eof_sent) {
        t->eof_sent = true;
        tenon_status status = t->ops->shutdown_write(t);
        if (status < 0) {
            tenon__transport_lose_status(t, status, "ending the writing");
            return;
        }
    }
    if (t->eof_sent && t->eof_seen) {
        (void)tenon_transport_close(t);
    }
}

static void tap_sent(tenon_transport *t, const struct iovec *parts,
                     size_t count, size_t sent)
{
    for (size_t i = 0; i < count && sent > 0; i++) {
        size_t len = parts[i].iov_len < sent ? parts[i].iov_len : sent;
        if (t->state >= TENON__LOST || !tenon__transport_is_tapped(t)) {
            return; /* it ended the connection, or itself */
        }
        if (len > 0) {
            tenon__transport_tapped(t, TENON_TAP_WRITE, parts[i].iov_base, len);
        }
        sent -= len;
    }
}

/* The calls of the body's send, with what few transports need, and without. */
static ssize_t send_extra(tenon_transport *t, const struct iovec *parts,
                          size_t count)
{
    int fds[TENON_FDS_MAX];
    size_t riders = tenon__queue_riders(&t->queue, fds, TENON_FDS_MAX);
    ssize_t sent = riders > 0 ? t->ops->send_fds(t, parts, count, fds, riders)
                              : t->ops->send(t, parts, count);
    if (sent > 0) {
        tenon__transport_touch(t);
        if (t->extra->tap) {
            tap_sent(t, parts, count, (size_t)sent);
        }
    }
    return sent;
}

static ssize_t send_parts(tenon_transport *t, const struct iovec *parts,
                          size_t count)
{
    return TENON__RARELY(t->extra) ? send_extra(t, parts, count)
                                   : t->ops->send(t, parts, count);
}

/* What a send came to; whether another one may follow. */
static bool after_send(tenon_transport *t, ssize_t sent, size_t offered,
                       bool *moved)
{
    if (is_full(sent)) {
        t->blocked = true;
        return false;
    }
    *moved = true;
    if (sent < 0) {
        on_send_failed(t, (tenon_status)sent);
        return false;
    }
    tenon__queue_drop(&t->queue, t->reactor, (size_t)sent,
                      tenon__transport_done(t));
    t->blocked = (size_t)sent < offered;
    return !t->blocked;
}

/* Sends a piece of the file that is first, or reads it, to be sent next. */
static bool send_file(tenon_transport *t, tenon__loan *file, bool *moved)
{
    size_t len = file->chunk.end - file->chunk.begin;
    len = len < FILE_PIECE ? len : FILE_PIECE;
    if (t->ops->send_file && !file->copies && !t->extra->tap) {
        off_t offset = (off_t)file->chunk.begin;
        ssize_t sent = t->ops->send_file(t, file->fd, offset, len);
        if (sent != -EINVAL && sent != -ENOSYS) {
            tenon__transport_touch(t);
            return after_send(t, sent, len, moved);
        }
        file->copies = true;
    }
    tenon_status status = tenon__queue_read_file(&t->queue, t->reactor, len);
    if (status < 0) {
        tenon__transport_lose(
            t, tenon__error(t->reactor, status, "reading the file", NULL),
            true);
    }
    return status == TENON_OK;
}

/* Sends one batch; whether another one may follow. */
static bool send_batch(tenon_transport *t, bool *moved)
{
    tenon__loan *file = tenon__queue_file(&t->queue);
    if (file) {
        return send_file(t, file, moved);
    }
    struct iovec parts[PARTS_MAX];
    size_t count = tenon__queue_peek(&t->queue, parts, PARTS_MAX);
    size_t offered = 0;
    for (size_t i = 0; i < count; i++) {
        offered += parts[i].iov_len;
    }
    return after_send(t, send_parts(t, parts, count), offered, moved);
}

bool tenon__transport_flush(tenon_transport *t)
{
    bool moved = false;
    int rounds = 0;
    while (t->queue.first && rounds < ROUNDS_MAX && send_batch(t, &moved)) {
        rounds++;
    }
    if (t->state <= TENON__CLOSING) {
        t->blocked = t->queue.first != NULL;
        tenon__transport_follow_level(t);
        if (tenon__transport_owes_loans(t)) {
            tenon__late_push(t->reactor, &t->late);
        }
        tenon__transport_update(t);
        tenon__transport_drained(t);
    }
    return moved;
}

void tenon__transport_late(tenon_reactor *reactor, tenon_node *node)
{
    tenon_transport *t = TENON__OF(node, tenon_transport, late);
    tenon_transport_ref(t);
    if (t->state <= TENON__CLOSING && t->queue.first && !t->blocked) {
        (void)tenon__transport_flush(t);
    }
    if (tenon__on_stack(reactor, t)) {
        t->owes_late = true;
    } else if (t->made) {
        tenon__unqueue(&t->late);
        if (tenon__transport_owes_loans(t)) {
            tenon__transport_settle_loans(t);
        }
        tenon__transport_give_notices(t);
    }
    tenon_transport_unref(t);
}

/* ---- public ---- */

static size_t sum(const struct iovec *parts, size_t count)
{
    size_t total = 0;
    for (size_t i = 0; i < count; i++) {
        total += parts[i].iov_len;
    }
    return total;
}

static tenon_status total_of(const struct iovec *parts, size_t count,
                             size_t *out)
{
    size_t total = 0;
    for (size_t i = 0; i < count; i++) {
        if (!parts[i].iov_base && parts[i].iov_len > 0) {
            return TENON_INVALID;
        }
        if (__builtin_add_overflow(total, parts[i].iov_len, &total) ||
            total > PTRDIFF_MAX) {
            return TENON_LIMIT;
        }
    }
    *out = total;
    return TENON_OK;
}

static tenon_status may_write(const tenon_transport *t, size_t total)
{
    tenon_status status = tenon__check_quickly(t->reactor);
    if (status < 0) {
        return status;
    }
    if (t->state != TENON__OPENED || t->eof_asked) {
        return TENON_CLOSED;
    }
    if (tenon__transport_in_tap(t)) {
        return TENON_BUSY;
    }
    bool fits = total <= t->hard && t->queue.len <= t->hard - total;
    return t->queue.len > t->high && !fits ? TENON_LIMIT : TENON_OK;
}

/* Behind descriptors that ride on them. */
static tenon_status queue_with_riders(tenon_transport *t,
                                      const struct iovec *parts, size_t count,
                                      tenon__loan *loan)
{
    tenon__queue fresh = {0};
    tenon_status status = TENON_OK;
    if (loan) {
        tenon__queue_add_loan(&fresh, loan);
    } else {
        status = tenon__queue_add(&fresh, t->reactor, parts, count, 0);
    }
    if (status == TENON_OK) {
        tenon__queue_splice(&t->queue, &t->extra->riders);
        tenon__queue_splice(&t->queue, &fresh);
    }
    return status;
}

static bool has_riders(const tenon_transport *t)
{
    return t->extra && t->extra->riders.first;
}

static tenon_status queue_it(tenon_transport *t, const struct iovec *parts,
                             size_t count, tenon__loan *loan, size_t sent)
{
    if (has_riders(t) && sum(parts, count) > 0) {
        return queue_with_riders(t, parts, count, loan);
    }
    if (loan) {
        loan->chunk.begin += sent;
        tenon__queue_add_loan(&t->queue, loan);
        return TENON_OK;
    }
    return tenon__queue_add(&t->queue, t->reactor, parts, count, sent);
}

/* Queues what was not sent and sees to its leaving. */
static tenon_status keep(tenon_transport *t, const struct iovec *parts,
                         size_t count, tenon__loan *loan, size_t sent)
{
    tenon_status status = queue_it(t, parts, count, loan, sent);
    if (status < 0) {
        t->blocked = t->blocked && t->queue.first;
        if (sent > 0) { /* a part, and no more will come */
            tenon__transport_lose(
                t, tenon__error(t->reactor, status, "writing", NULL), true);
        }
        return status;
    }
    tenon__transport_follow_level(t);
    if (t->blocked) {
        tenon__transport_update(t);
    } else {
        tenon__late_push(t->reactor, &t->late);
    }
    return t->above ? TENON_HIGH : TENON_OK;
}

/* Taken, and lost with the connection, as the kernel's own bytes are. */
static tenon_status fail_now(tenon_transport *t, tenon__loan *loan,
                             tenon_status status)
{
    if (loan) {
        tenon__queue_add_loan(&t->queue, loan);
    }
    on_send_failed(t, status);
    return TENON_OK;
}

/* A tap ended the connection in the middle of it. */
static tenon_status drop_now(tenon_transport *t, tenon__loan *loan)
{
    if (loan) {
        loan->status = tenon_error_status(t->error);
        tenon__queue_add_loan(&t->extra->done, loan);
    }
    return TENON_OK;
}

static void finish_now(tenon_transport *t, tenon__loan *loan)
{
    if (loan) {
        tenon__queue_add_loan(&t->extra->done, loan);
        tenon__late_push(t->reactor, &t->late);
    }
}

/* What a write that was sent at once came to. */
__attribute__((noinline)) static tenon_status sent_at_once(
    tenon_transport *t, const struct iovec *parts, size_t count,
    tenon__loan *loan, ssize_t sent)
{
    if (sent < 0 && !is_full(sent)) {
        return fail_now(t, loan, (tenon_status)sent);
    }
    sent = sent < 0 ? 0 : sent;
    if ((size_t)sent == sum(parts, count)) {
        finish_now(t, loan);
        return TENON_OK;
    }
    if (t->state >= TENON__LOST) {
        return drop_now(t, loan);
    }
    t->blocked = true;
    return keep(t, parts, count, loan, (size_t)sent);
}

tenon_status tenon__transport_enqueue(tenon_transport *t,
                                      const struct iovec *parts, size_t count,
                                      tenon__loan *loan)
{
    size_t total = 0;
    tenon_status status = total_of(parts, count, &total);
    if (status == TENON_OK) {
        status = may_write(t, total);
    }
    if (status < 0 || (total == 0 && !loan)) {
        return status;
    }
    bool now = goes_now(t, total) && total > 0 && !has_riders(t);
    t->write_turn = turn_of(t->reactor);
    return now ? sent_at_once(t, parts, count, loan,
                              send_parts(t, parts, count))
               : keep(t, parts, count, loan, 0);
}

/* What most writes are: of one part, to be sent now, with nothing out of the
 * ordinary; so whatever else enqueue looks for is not there. */
static bool goes_plainly(const tenon_transport *t, const struct iovec *part)
{
    return tenon__check_quickly(t->reactor) == TENON_OK && !t->extra &&
           goes_now(t, part->iov_len) && t->state == TENON__OPENED &&
           !t->eof_asked && part->iov_base && part->iov_len > 0 &&
           part->iov_len <= PTRDIFF_MAX;
}

static tenon_status write_plainly(tenon_transport *t, const struct iovec *part)
{
    t->write_turn = turn_of(t->reactor);
    ssize_t sent = t->ops->send(t, part, 1);
    return TENON__LIKELY(sent == (ssize_t)part->iov_len)
               ? TENON_OK
               : sent_at_once(t, part, 1, NULL, sent);
}

tenon_status tenon_transport_writev(tenon_transport *t,
                                    const struct iovec *parts, size_t count)
{
    return tenon__transport_enqueue(t, parts, count, NULL);
}

tenon_status tenon_transport_write(tenon_transport *t, const void *data,
                                   size_t len)
{
    struct iovec part = {(void *)data, len};
    return TENON__LIKELY(goes_plainly(t, &part))
               ? write_plainly(t, &part)
               : tenon__transport_enqueue(t, &part, 1, NULL);
}

tenon_status tenon_transport_write_eof(tenon_transport *t)
{
    tenon_status status = tenon__check(t->reactor);
    if (status < 0) {
        return status;
    }
    if (t->state != TENON__OPENED || !t->ops->shutdown_write) {
        return t->state != TENON__OPENED ? TENON_CLOSED : TENON_NOT_SUPPORTED;
    }
    if (!t->eof_asked) {
        t->eof_asked = true;
        tenon__transport_drained(t);
    }
    return TENON_OK;
}

bool tenon_transport_can_write_eof(const tenon_transport *t)
{
    return t->ops->shutdown_write != NULL;
}

size_t tenon_transport_write_queue_len(const tenon_transport *t)
{
    return t->queue.len;
}
