/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Allocation through the caller's hook, and the default hook.
 */

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

static void *resize_by_malloc(void *user, void *block, size_t old_len,
                              size_t new_len)
{
    (void)user;
    (void)old_len;
    if (new_len == 0) {
        free(block);
        return NULL;
    }
    return realloc(block, new_len);
}

void *tenon__alloc(const tenon_allocator *allocator, size_t len)
{
    void *block = allocator->resize(allocator->user, NULL, 0, len);
    if (block) {
        memset(block, 0, len);
    }
    return block;
}

void tenon__free(const tenon_allocator *allocator, void *block, size_t len)
{
    if (block) {
        allocator->resize(allocator->user, block, len, 0);
    }
}

void *tenon__resize(const tenon_allocator *allocator, void *block,
                    size_t old_len, size_t new_len)
{
    return allocator->resize(allocator->user, block, old_len, new_len);
}

void *tenon_resize(const tenon_allocator *allocator, void *block,
                   size_t old_len, size_t new_len)
{
    if (!allocator || !allocator->resize) {
        allocator = &tenon__malloc;
    }
    return allocator->resize(allocator->user, block, old_len, new_len);
}

const tenon_allocator tenon__malloc = {resize_by_malloc, NULL};
