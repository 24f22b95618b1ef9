/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * A heap with four children a node: half the levels of a binary one, and the
 * four children of a node are 64 bytes side by side. Equal deadlines go by
 * sequence, so they come out in the order they went in; the sequence is read
 * from the timer on a tie alone.
 */

#include "base/heap.h"

#include "base/memory.h"

enum { ARITY = 4, CAPACITY_MIN = 64 };

static bool before(const tenon__heap_entry *a, const tenon__heap_entry *b)
{
    if (a->deadline_ns != b->deadline_ns) {
        return a->deadline_ns < b->deadline_ns;
    }
    return a->timer->sequence < b->timer->sequence;
}

static void place(tenon__heap *heap, uint32_t at, tenon__heap_entry entry)
{
    heap->entries[at] = entry;
    entry.timer->index = at;
}

static void sift_up(tenon__heap *heap, uint32_t at, tenon__heap_entry entry)
{
    while (at > 0) {
        uint32_t parent = (at - 1) / ARITY;
        if (!before(&entry, &heap->entries[parent])) {
            break;
        }
        place(heap, at, heap->entries[parent]);
        at = parent;
    }
    place(heap, at, entry);
}

/* The earliest of the children of `at`, or `count` when it has none. */
static uint32_t earliest_child(const tenon__heap *heap, uint32_t at)
{
    uint64_t first = (uint64_t)at * ARITY + 1;
    if (first >= heap->count) {
        return heap->count;
    }
    uint64_t end = first + ARITY;
    end = end < heap->count ? end : heap->count;
    uint32_t best = (uint32_t)first;
    for (uint32_t i = best + 1; i < end; i++) {
        if (before(&heap->entries[i], &heap->entries[best])) {
            best = i;
        }
    }
    return best;
}

static void sift_down(tenon__heap *heap, uint32_t at, tenon__heap_entry entry)
{
    for (;;) {
        uint32_t child = earliest_child(heap, at);
        if (child == heap->count || !before(&heap->entries[child], &entry)) {
            break;
        }
        place(heap, at, heap->entries[child]);
        at = child;
    }
    place(heap, at, entry);
}

static void sift(tenon__heap *heap, uint32_t at, tenon__heap_entry entry)
{
    if (at > 0 && before(&entry, &heap->entries[(at - 1) / ARITY])) {
        sift_up(heap, at, entry);
    } else {
        sift_down(heap, at, entry);
    }
}

static tenon_status set_capacity(tenon__heap *heap,
                                 const tenon_allocator *allocator,
                                 uint32_t capacity)
{
    tenon__heap_entry *entries = tenon__resize(allocator, heap->entries,
                                               heap->capacity * sizeof *entries,
                                               capacity * sizeof *entries);
    if (!entries) {
        return TENON_NO_MEMORY;
    }
    heap->entries = entries;
    heap->capacity = capacity;
    return TENON_OK;
}

static tenon_status grow(tenon__heap *heap, const tenon_allocator *allocator)
{
    if (heap->capacity > UINT32_MAX / 2) {
        return TENON_LIMIT;
    }
    return set_capacity(heap, allocator,
                        heap->capacity ? heap->capacity * 2 : CAPACITY_MIN);
}

static bool has_room(const tenon__heap *heap)
{
    return heap->capacity - heap->count > heap->kept;
}

static void add(tenon__heap *heap, tenon_timer *timer)
{
    tenon__heap_entry entry = {timer->deadline_ns, timer};
    sift_up(heap, heap->count++, entry);
}

tenon_status tenon__heap_keep(tenon__heap *heap,
                              const tenon_allocator *allocator)
{
    tenon_status status = has_room(heap) ? TENON_OK : grow(heap, allocator);
    heap->kept += status == TENON_OK;
    return status;
}

void tenon__heap_add_kept(tenon__heap *heap, tenon_timer *timer)
{
    add(heap, timer);
}

tenon_status tenon__heap_add(tenon__heap *heap,
                             const tenon_allocator *allocator,
                             tenon_timer *timer)
{
    tenon_status status = has_room(heap) ? TENON_OK : grow(heap, allocator);
    if (status == TENON_OK) {
        add(heap, timer);
    }
    return status;
}

void tenon__heap_remove(tenon__heap *heap, const tenon_allocator *allocator,
                        tenon_timer *timer)
{
    uint32_t at = timer->index;
    tenon__heap_entry last = heap->entries[--heap->count];
    if (at != heap->count) {
        sift(heap, at, last);
    }
    if (heap->capacity > CAPACITY_MIN &&
        heap->count + heap->kept < heap->capacity / 8) {
        /* Without memory for less memory it stays as it is. */
        (void)set_capacity(heap, allocator, heap->capacity / 4);
    }
}

void tenon__heap_move(tenon__heap *heap, tenon_timer *timer)
{
    tenon__heap_entry entry = {timer->deadline_ns, timer};
    sift(heap, timer->index, entry);
}

void tenon__heap_fini(tenon__heap *heap, const tenon_allocator *allocator)
{
    tenon__free(allocator, heap->entries,
                heap->capacity * sizeof *heap->entries);
    *heap = (tenon__heap){0};
}
