/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The allocator: one realloc-shaped function and its user pointer. A reactor
 * takes all of its memory, and that of its objects, from one of these.
 */

#ifndef TENON_ALLOC_H
#define TENON_ALLOC_H

#include <tenon/export.h>

/** Resizes `block` from `old_len` to `new_len` bytes. `block` is NULL and
 *  `old_len` 0 to allocate; `new_len` is 0 to free, which cannot fail. Returns
 *  NULL when there is no memory; `block` is then unchanged.
 *  Thread: called on the owner's thread, and on any thread that makes or
 *  releases an object shared between threads (inbox, posts, errors). */
typedef void *tenon_realloc_fn(void *user, void *block, size_t old_len,
                               size_t new_len);

/** An allocator; copied by whoever takes it. */
typedef struct tenon_allocator {
    tenon_realloc_fn *resize; /**< never NULL */
    void *user;               /**< handed to `resize` */
} tenon_allocator;

TENON_BEGIN

/** A zeroed block that remembers its allocator (NULL: malloc and free), for
 *  adapters and shims, which keep memory of their own. NULL when there is none.
 *  Thread: any. */
TENON_API void *tenon_block_new(const tenon_allocator *allocator, size_t len);
/** NULL is legal. Thread: any. */
TENON_API void tenon_block_free(void *block);

TENON_END

#endif
