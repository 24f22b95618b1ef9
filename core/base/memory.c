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

const tenon_allocator tenon__malloc = {resize_by_malloc, NULL};

/* Before a block of tenon_block_new, and aligned as it must be. */
typedef union block_head {
    struct {
        tenon_allocator allocator;
        size_t len;
    } of;
    max_align_t aligned;
} block_head;

void *tenon_block_new(const tenon_allocator *allocator, size_t len)
{
    allocator = allocator ? allocator : &tenon__malloc;
    block_head *head = tenon__alloc(allocator, sizeof *head + len);
    if (!head) {
        return NULL;
    }
    head->of.allocator = *allocator;
    head->of.len = len;
    return head + 1;
}

void tenon_block_free(void *block)
{
    if (block) {
        block_head *head = (block_head *)block - 1;
        tenon_allocator allocator = head->of.allocator;
        tenon__free(&allocator, head, sizeof *head + head->of.len);
    }
}
