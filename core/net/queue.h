/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * A queue of bytes: a chain of chunks that grow with the queue. An empty one
 * holds no memory.
 */

#ifndef TENON_NET_QUEUE_H
#define TENON_NET_QUEUE_H

#include <sys/uio.h>

#include <tenon/status.h>

#include "base/memory.h"

typedef struct tenon__chunk tenon__chunk;

typedef struct tenon__queue {
    tenon__chunk *first;
    tenon__chunk *last;
    size_t len;
} tenon__queue;

/** Copies what `parts` hold after the first `skip` bytes, all or nothing; the
 *  caller knows that the sum does not overflow.
 *  Errors: TENON_NO_MEMORY. */
tenon_status tenon__queue_add(tenon__queue *queue,
                              const tenon_allocator *allocator,
                              const struct iovec *parts, size_t count,
                              size_t skip);
/** Points `out` at the oldest bytes; returns how many parts were filled. */
size_t tenon__queue_peek(const tenon__queue *queue, struct iovec *out,
                         size_t count);
/** Forgets the oldest `len` bytes, which must be there. */
void tenon__queue_drop(tenon__queue *queue, const tenon_allocator *allocator,
                       size_t len);
/** Moves up to `len` of the oldest bytes to `out`. */
size_t tenon__queue_take(tenon__queue *queue, const tenon_allocator *allocator,
                         void *out, size_t len);
void tenon__queue_clear(tenon__queue *queue, const tenon_allocator *allocator);

#endif
