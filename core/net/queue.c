/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Bytes that wait. The first chunk is small, later ones double, so that a long
 * queue is a short chain. One small chunk is kept by the reactor when it is
 * not in use: an answer of several writes then asks nobody for memory.
 */

#include "net/queue.h"

#include <string.h>
#include <unistd.h>

enum { CHUNK_MIN = 1000, CHUNK_MAX = 65536 };

static size_t next_room(const tenon__queue *queue, size_t needed)
{
    size_t room = queue->last ? queue->last->room * 2 : CHUNK_MIN;
    room = room < CHUNK_MIN ? CHUNK_MIN : room;
    room = room > CHUNK_MAX ? CHUNK_MAX : room;
    return needed > room ? needed : room;
}

static tenon__chunk *take_spare(tenon_reactor *reactor, size_t len)
{
    tenon__chunk *chunk = reactor->spare_chunk;
    if (!chunk || reactor->spare_chunk_len != len) {
        return NULL;
    }
    reactor->spare_chunk = NULL;
    return chunk;
}

/* A chunk that is in no queue yet, or NULL. Not zeroed: it is for copying
 * into. */
static tenon__chunk *chunk_new(tenon_reactor *reactor, size_t room)
{
    size_t len = sizeof(tenon__chunk) + room;
    tenon__chunk *chunk = take_spare(reactor, len);
    if (!chunk) {
        chunk = tenon__resize(&reactor->allocator, NULL, 0, len);
    }
    if (chunk) {
        *chunk = (tenon__chunk){
            .bytes = (char *)(chunk + 1), .room = room, .kind = TENON__COPIED};
    }
    return chunk;
}

static void chunk_free(tenon__chunk *chunk, tenon_reactor *reactor)
{
    size_t len = sizeof *chunk + chunk->room;
    if (chunk->room == CHUNK_MIN && !reactor->spare_chunk) {
        reactor->spare_chunk = chunk;
        reactor->spare_chunk_len = len;
        return;
    }
    tenon__free(&reactor->allocator, chunk, len);
}

static void append(tenon__queue *queue, tenon__chunk *chunk)
{
    if (queue->last) {
        queue->last->next = chunk;
    } else {
        queue->first = chunk;
    }
    queue->last = chunk;
}

static void prepend(tenon__queue *queue, tenon__chunk *chunk)
{
    chunk->next = queue->first;
    queue->first = chunk;
    if (!queue->last) {
        queue->last = chunk;
    }
}

static void copy_in(tenon__queue *queue, const char *from, size_t len)
{
    while (len > 0) {
        tenon__chunk *chunk = queue->last;
        size_t room = chunk->room - chunk->end;
        size_t step = len < room ? len : room;
        memcpy(chunk->bytes + chunk->end, from, step);
        chunk->end += step;
        queue->len += step;
        from += step;
        len -= step;
        if (len > 0) {
            queue->last = chunk->next;
        }
    }
}

static size_t sum(const struct iovec *parts, size_t count)
{
    size_t total = 0;
    for (size_t i = 0; i < count; i++) {
        total += parts[i].iov_len;
    }
    return total;
}

tenon_status tenon__queue_add(tenon__queue *queue, tenon_reactor *reactor,
                              const struct iovec *parts, size_t count,
                              size_t skip)
{
    size_t len = sum(parts, count) - skip;
    tenon__chunk *tail = queue->last;
    bool takes = tail && tail->kind == TENON__COPIED;
    size_t room = takes ? tail->room - tail->end : 0;
    if (len == 0) {
        return TENON_OK;
    }
    if (len > room) {
        tenon__chunk *chunk = chunk_new(reactor, next_room(queue, len - room));
        if (!chunk) {
            return TENON_NO_MEMORY;
        }
        append(queue, chunk);
        /* Fill the old tail first; copy_in goes on to the new one. */
        queue->last = room > 0 ? tail : chunk;
    }
    for (size_t i = 0; i < count; i++) {
        size_t past = skip < parts[i].iov_len ? skip : parts[i].iov_len;
        skip -= past;
        copy_in(queue, (const char *)parts[i].iov_base + past,
                parts[i].iov_len - past);
    }
    return TENON_OK;
}

tenon_status tenon__queue_push(tenon__queue *queue, tenon_reactor *reactor,
                               const void *data, size_t len)
{
    tenon__chunk *chunk = chunk_new(reactor, len);
    if (!chunk) {
        return TENON_NO_MEMORY;
    }
    memcpy(chunk->bytes, data, len);
    chunk->end = len;
    queue->len += len;
    prepend(queue, chunk);
    return TENON_OK;
}

tenon_status tenon__queue_read_file(tenon__queue *queue, tenon_reactor *reactor,
                                    size_t len)
{
    tenon__loan *file = tenon__queue_file(queue);
    size_t left = file->chunk.end - file->chunk.begin;
    len = len < left ? len : left;
    tenon__chunk *chunk = chunk_new(reactor, len);
    if (!chunk) {
        return TENON_NO_MEMORY;
    }
    ssize_t got;
    do {
        got = pread(file->fd, chunk->bytes, len, (off_t)file->chunk.begin);
    } while (got < 0 && errno == EINTR);
    if (got <= 0) {
        tenon_status status = got < 0 ? -errno : -EIO;
        chunk_free(chunk, reactor);
        return status;
    }
    chunk->end = (size_t)got;
    file->chunk.begin += (size_t)got;
    queue->len += (size_t)got;
    prepend(queue, chunk);
    return TENON_OK;
}

void tenon__queue_add_loan(tenon__queue *queue, tenon__loan *loan)
{
    loan->chunk.next = NULL;
    if (loan->chunk.kind == TENON__LOANED) {
        queue->len += loan->chunk.end - loan->chunk.begin;
    }
    append(queue, &loan->chunk);
}

void tenon__queue_splice(tenon__queue *queue, tenon__queue *from)
{
    if (from->first) {
        append(queue, from->first);
        queue->last = from->last;
        queue->len += from->len;
        *from = (tenon__queue){0};
    }
}

size_t tenon__queue_peek(const tenon__queue *queue, struct iovec *out,
                         size_t count)
{
    size_t filled = 0;
    tenon__chunk *chunk = queue->first;
    for (; chunk && filled < count; chunk = chunk->next) {
        bool stops = chunk->kind == TENON__FILE ||
                     (chunk->kind == TENON__RIDER && filled > 0);
        if (stops) {
            break;
        }
        if (chunk->end > chunk->begin) {
            out[filled].iov_base = chunk->bytes + chunk->begin;
            out[filled].iov_len = chunk->end - chunk->begin;
            filled++;
        }
    }
    return filled;
}

size_t tenon__queue_riders(const tenon__queue *queue, int *fds, size_t count)
{
    size_t found = 0;
    tenon__chunk *chunk = queue->first;
    for (; chunk && chunk->kind == TENON__RIDER; chunk = chunk->next) {
        if (found < count) {
            fds[found++] = TENON__OF(chunk, tenon__loan, chunk)->fd;
        }
    }
    return found;
}

static void pop(tenon__queue *queue, tenon_reactor *reactor, tenon__queue *done)
{
    tenon__chunk *chunk = queue->first;
    queue->first = chunk->next;
    if (!queue->first) {
        queue->last = NULL;
    }
    if (chunk->kind == TENON__COPIED) {
        chunk_free(chunk, reactor);
    } else if (done) { /* always, where there are loans */
        chunk->next = NULL;
        append(done, chunk);
    }
}

void tenon__queue_drop(tenon__queue *queue, tenon_reactor *reactor, size_t len,
                       tenon__queue *done)
{
    while (queue->first) {
        tenon__chunk *chunk = queue->first;
        size_t held = chunk->end - chunk->begin;
        size_t step = held < len ? held : len;
        if (chunk->kind == TENON__RIDER && len == 0) {
            return; /* its byte is not sent */
        }
        chunk->begin += step;
        len -= step;
        queue->len -= chunk->kind == TENON__FILE ? 0 : step;
        if (step < held) {
            return;
        }
        pop(queue, reactor, done);
    }
}

size_t tenon__queue_take(tenon__queue *queue, tenon_reactor *reactor, void *out,
                         size_t len)
{
    size_t taken = 0;
    while (taken < len && queue->len > 0) {
        const tenon__chunk *oldest = queue->first;
        size_t held = oldest->end - oldest->begin;
        size_t step = held < len - taken ? held : len - taken;
        memcpy((char *)out + taken, oldest->bytes + oldest->begin, step);
        tenon__queue_drop(queue, reactor, step, NULL);
        taken += step;
    }
    return taken;
}

void tenon__queue_clear(tenon__queue *queue, tenon_reactor *reactor,
                        tenon__queue *done, tenon_status status)
{
    while (queue->first) {
        tenon__chunk *chunk = queue->first;
        if (chunk->kind != TENON__COPIED) {
            TENON__OF(chunk, tenon__loan, chunk)->status = status;
        }
        pop(queue, reactor, done);
    }
    queue->len = 0;
}

tenon__loan *tenon__queue_pop_loan(tenon__queue *queue)
{
    tenon__chunk *chunk = queue->first;
    if (!chunk) {
        return NULL;
    }
    queue->first = chunk->next;
    if (!queue->first) {
        queue->last = NULL;
    }
    return TENON__OF(chunk, tenon__loan, chunk);
}
