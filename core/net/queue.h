/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * A queue of what is to be sent: a chain of chunks. Bytes that were copied are
 * in chunks that grow with the queue; a loan is a chunk for something that has
 * an end of its own to tell: somebody's bytes, a range of a file, a descriptor
 * that rides on the byte behind it, or nothing at all (a mark). An empty queue
 * holds no memory.
 */

#ifndef TENON_NET_QUEUE_H
#define TENON_NET_QUEUE_H

#include <sys/uio.h>

#include <tenon/write.h>

#include "loop/engine.h"

enum tenon__chunk_kind {
    TENON__COPIED,
    TENON__LOANED, /* bytes of the caller's; a mark when there are none */
    TENON__FILE,   /* begin and end are offsets in it */
    TENON__RIDER   /* a descriptor */
};

typedef struct tenon__chunk {
    struct tenon__chunk *next;
    char *bytes;
    size_t begin;
    size_t end;
    size_t room; /* of bytes; of a loan 0, so that nothing is added to it */
    enum tenon__chunk_kind kind;
} tenon__chunk;

typedef struct tenon__loan {
    tenon__chunk chunk;
    tenon_written_fn *done; /* these two: at most one */
    tenon_buffer_free_fn *free;
    void *user;
    size_t len;
    int fd;      /* ours; -1: none */
    bool copies; /* the file is read and written, not sent */
    tenon_status status;
} tenon__loan;

typedef struct tenon__queue {
    tenon__chunk *first;
    tenon__chunk *last;
    size_t len; /* bytes in memory; files, riders and marks have none */
} tenon__queue;

/** Copies what `parts` hold after the first `skip` bytes, all or nothing; the
 *  caller knows that the sum does not overflow.
 *  Errors: TENON_NO_MEMORY. */
tenon_status tenon__queue_add(tenon__queue *queue, tenon_reactor *reactor,
                              const struct iovec *parts, size_t count,
                              size_t skip);
/** Copies bytes to the front. Errors: TENON_NO_MEMORY. */
tenon_status tenon__queue_push(tenon__queue *queue, tenon_reactor *reactor,
                               const void *data, size_t len);
/** Reads up to `len` bytes of the file that is first to the front of it.
 *  Errors: TENON_NO_MEMORY; -EIO where the file ended; the system's. */
tenon_status tenon__queue_read_file(tenon__queue *queue, tenon_reactor *reactor,
                                    size_t len);
void tenon__queue_add_loan(tenon__queue *queue, tenon__loan *loan);
/** Appends all of `from`, which is empty afterwards. */
void tenon__queue_splice(tenon__queue *queue, tenon__queue *from);
/** Points `out` at the oldest bytes, up to a file or to a descriptor that
 *  rides on later ones; returns how many parts were filled. */
size_t tenon__queue_peek(const tenon__queue *queue, struct iovec *out,
                         size_t count);
/** The descriptors that ride on the oldest byte. */
size_t tenon__queue_riders(const tenon__queue *queue, int *fds, size_t count);
/** The file that is to be sent now, or NULL. */
static inline tenon__loan *tenon__queue_file(const tenon__queue *queue)
{
    tenon__chunk *first = queue->first;
    bool is_file = first && first->kind == TENON__FILE;
    return is_file ? TENON__OF(first, tenon__loan, chunk) : NULL;
}
/** Whether there is something to be sent: bytes, or a file. */
static inline bool tenon__queue_waits(const tenon__queue *queue)
{
    return queue->len > 0 || tenon__queue_file(queue);
}
/** Forgets the oldest `len` bytes, which must be there, those of a file that
 *  is first. Loans that are through go to `done`, which may be NULL where
 *  there are none. */
void tenon__queue_drop(tenon__queue *queue, tenon_reactor *reactor, size_t len,
                       tenon__queue *done);
/** Moves up to `len` of the oldest bytes to `out`; no loans. */
size_t tenon__queue_take(tenon__queue *queue, tenon_reactor *reactor, void *out,
                         size_t len);
/** Forgets everything; loans go to `done` with `status`. */
void tenon__queue_clear(tenon__queue *queue, tenon_reactor *reactor,
                        tenon__queue *done, tenon_status status);
/** The oldest loan of a queue of loans, or NULL. Ownership: the caller's. */
tenon__loan *tenon__queue_pop_loan(tenon__queue *queue);

#endif
