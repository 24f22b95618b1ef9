/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The ledger of memory: a table of the blocks that are out, by address. A
 * resize always moves, so that a stale pointer points at spoiled memory, and
 * requests fail where a test wants them to. One lock makes it fit for inboxes
 * and errors, which are released on any thread.
 */

#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FRESH 0xA5
#define STALE 0xD5

static size_t place_of(const harness_heap *heap, const void *address)
{
    uint64_t key = (uint64_t)(uintptr_t)address >> 4;
    key *= UINT64_C(0x9E3779B97F4A7C15);
    return (size_t)(key >> 20) & (heap->capacity - 1);
}

/* The entry of `address`, or the empty one where it would be. */
static harness_block *find(harness_heap *heap, const void *address)
{
    size_t place = place_of(heap, address);
    while (heap->blocks[place].address &&
           heap->blocks[place].address != address) {
        place = (place + 1) & (heap->capacity - 1);
    }
    return &heap->blocks[place];
}

static void grow_table(harness_heap *heap)
{
    harness_block *old = heap->blocks;
    size_t old_capacity = heap->capacity;
    heap->capacity = old_capacity * 2;
    heap->blocks = calloc(heap->capacity, sizeof *heap->blocks);
    if (!heap->blocks) {
        harness_fail(__FILE__, __LINE__, "no memory for the ledger");
    }
    for (size_t i = 0; i < old_capacity; i++) {
        if (old[i].address) {
            *find(heap, old[i].address) = old[i];
        }
    }
    free(old);
}

static void note_out(harness_heap *heap, void *address, size_t len)
{
    if (heap->count * 2 >= heap->capacity) {
        grow_table(heap);
    }
    *find(heap, address) = (harness_block){address, len};
    heap->count++;
    heap->bytes += len;
    if (heap->bytes > heap->peak_bytes) {
        heap->peak_bytes = heap->bytes;
    }
}

/* Closes the gap that a removal leaves in the run of entries after it. */
static void erase(harness_heap *heap, harness_block *gap)
{
    size_t mask = heap->capacity - 1;
    size_t hole = (size_t)(gap - heap->blocks);
    for (size_t at = (hole + 1) & mask; heap->blocks[at].address;
         at = (at + 1) & mask) {
        size_t home = place_of(heap, heap->blocks[at].address);
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            heap->blocks[hole] = heap->blocks[at];
            hole = at;
        }
    }
    heap->blocks[hole] = (harness_block){NULL, 0};
}

static void trouble(harness_heap *heap, const char *what, size_t len,
                    size_t told)
{
    if (!heap->trouble[0]) {
        snprintf(heap->trouble, sizeof heap->trouble,
                 "%s (%zu bytes known, %zu told)", what, len, told);
    }
}

/* False when the block is not out, or not with this length. */
static bool note_back(harness_heap *heap, const void *address, size_t told)
{
    harness_block *block = find(heap, address);
    if (!block->address) {
        trouble(heap, "a block that is not out was given back", 0, told);
        return false;
    }
    if (block->len != told) {
        trouble(heap, "a block was given back with a wrong length", block->len,
                told);
        return false;
    }
    heap->count--;
    heap->bytes -= block->len;
    erase(heap, block);
    return true;
}

static bool fails(harness_heap *heap)
{
    uint64_t request = ++heap->requests;
    if (harness_swept && harness_swept->request()) {
        return true;
    }
    return heap->fail_from && request >= heap->fail_from &&
           request - heap->fail_from < heap->fail_count;
}

static void *resize(harness_heap *heap, void *block, size_t old_len,
                    size_t new_len)
{
    void *fresh = NULL;
    if (new_len > 0) {
        if (new_len > old_len && fails(heap)) {
            return NULL;
        }
        fresh = malloc(new_len);
        if (!fresh) {
            return NULL;
        }
        memset(fresh, FRESH, new_len);
    }
    if (block) {
        if (!note_back(heap, block, old_len)) {
            free(fresh);
            return NULL;
        }
        if (fresh) {
            memcpy(fresh, block, old_len < new_len ? old_len : new_len);
        }
        memset(block, STALE, old_len);
        /* Or an optimiser leaves it out: nobody may read it any more. */
        __asm__ volatile("" : : "r"(block) : "memory");
        free(block);
    } else if (old_len > 0) {
        trouble(heap, "an allocation claims to have had bytes", 0, old_len);
    }
    if (fresh) {
        note_out(heap, fresh, new_len);
    }
    return fresh;
}

static void *resize_locked(void *user, void *block, size_t old_len,
                           size_t new_len)
{
    harness_heap *heap = user;
    pthread_mutex_lock(&heap->lock);
    void *result = resize(heap, block, old_len, new_len);
    pthread_mutex_unlock(&heap->lock);
    return result;
}

void harness_heap_begin(harness_heap *heap)
{
    memset(heap, 0, sizeof *heap);
    pthread_mutex_init(&heap->lock, NULL);
    heap->allocator = (tenon_allocator){resize_locked, heap};
    heap->capacity = 1024;
    heap->blocks = calloc(heap->capacity, sizeof *heap->blocks);
    if (!heap->blocks) {
        harness_fail(__FILE__, __LINE__, "no memory for the ledger");
    }
}

bool harness_heap_end(harness_heap *heap, char *why, size_t len)
{
    bool good = !heap->trouble[0] && !heap->count;
    if (heap->trouble[0]) {
        snprintf(why, len, "%s", heap->trouble);
    } else if (heap->count) {
        size_t first = 0;
        while (!heap->blocks[first].address) {
            first++;
        }
        snprintf(why, len, "%zu blocks (%zu bytes) leaked, one of %zu bytes",
                 heap->count, heap->bytes, heap->blocks[first].len);
    }
    free(heap->blocks);
    pthread_mutex_destroy(&heap->lock);
    return good;
}

void harness_heap_fail(harness_heap *heap, uint64_t nth, uint64_t count)
{
    pthread_mutex_lock(&heap->lock);
    heap->fail_from = nth ? heap->requests + nth : 0;
    heap->fail_count = count;
    pthread_mutex_unlock(&heap->lock);
}
