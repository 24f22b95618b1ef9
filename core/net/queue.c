/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Bytes that wait. The first chunk is small, so that the usual handful of
 * small writes of a turn costs the allocator's fast path; later ones double,
 * so that a long queue is a short chain.
 */

#include "net/queue.h"

#include <string.h>

enum { CHUNK_MIN = 1000, CHUNK_MAX = 65536 };

struct tenon__chunk {
    struct tenon__chunk *next;
    size_t begin;
    size_t end;
    size_t room;
    char bytes[];
};

static size_t next_room(const tenon__queue *queue, size_t needed)
{
    size_t room = queue->last ? queue->last->room * 2 : CHUNK_MIN;
    room = room > CHUNK_MAX ? CHUNK_MAX : room;
    return needed > room ? needed : room;
}

/* A chunk that is in no queue yet, or NULL. Not zeroed: it is for copying
 * into. */
static tenon__chunk *chunk_new(const tenon_allocator *allocator, size_t room)
{
    tenon__chunk *chunk =
        tenon__resize(allocator, NULL, 0, sizeof *chunk + room);
    if (chunk) {
        chunk->next = NULL;
        chunk->begin = 0;
        chunk->end = 0;
        chunk->room = room;
    }
    return chunk;
}

static void chunk_free(tenon__chunk *chunk, const tenon_allocator *allocator)
{
    tenon__free(allocator, chunk, sizeof *chunk + chunk->room);
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

tenon_status tenon__queue_add(tenon__queue *queue,
                              const tenon_allocator *allocator,
                              const struct iovec *parts, size_t count,
                              size_t skip)
{
    size_t len = sum(parts, count) - skip;
    tenon__chunk *tail = queue->last;
    size_t room = tail ? tail->room - tail->end : 0;
    if (len == 0) {
        return TENON_OK;
    }
    if (len > room) {
        tenon__chunk *chunk =
            chunk_new(allocator, next_room(queue, len - room));
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

size_t tenon__queue_peek(const tenon__queue *queue, struct iovec *out,
                         size_t count)
{
    size_t filled = 0;
    tenon__chunk *chunk = queue->first;
    for (; chunk && filled < count; chunk = chunk->next) {
        out[filled].iov_base = chunk->bytes + chunk->begin;
        out[filled].iov_len = chunk->end - chunk->begin;
        filled++;
    }
    return filled;
}

void tenon__queue_drop(tenon__queue *queue, const tenon_allocator *allocator,
                       size_t len)
{
    queue->len -= len;
    while (queue->first && (len > 0 || queue->len == 0)) {
        tenon__chunk *chunk = queue->first;
        size_t held = chunk->end - chunk->begin;
        if (len < held) {
            chunk->begin += len;
            return;
        }
        len -= held;
        queue->first = chunk->next;
        if (!queue->first) {
            queue->last = NULL;
        }
        chunk_free(chunk, allocator);
    }
}

size_t tenon__queue_take(tenon__queue *queue, const tenon_allocator *allocator,
                         void *out, size_t len)
{
    size_t taken = 0;
    while (taken < len && queue->len > 0) {
        const tenon__chunk *oldest = queue->first;
        size_t held = oldest->end - oldest->begin;
        size_t step = held < len - taken ? held : len - taken;
        memcpy((char *)out + taken, oldest->bytes + oldest->begin, step);
        tenon__queue_drop(queue, allocator, step);
        taken += step;
    }
    return taken;
}

void tenon__queue_clear(tenon__queue *queue, const tenon_allocator *allocator)
{
    tenon__queue_drop(queue, allocator, queue->len);
}
