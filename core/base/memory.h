/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The private face of the allocator hook. Every block remembers its length
 * with its owner, since the hook wants the old size back.
 */

#ifndef TENON_BASE_MEMORY_H
#define TENON_BASE_MEMORY_H

#include <tenon/alloc.h>

/** The one behind malloc and free. */
extern const tenon_allocator tenon__malloc;

/** NULL when out of memory; zeroed. */
void *tenon__alloc(const tenon_allocator *allocator, size_t len);
void tenon__free(const tenon_allocator *allocator, void *block, size_t len);
/** NULL when out of memory: `block` is then unchanged; new bytes are not
 *  zeroed. */
void *tenon__resize(const tenon_allocator *allocator, void *block,
                    size_t old_len, size_t new_len);

#endif
