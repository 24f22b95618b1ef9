/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The timer heap: four children a node, deadline and sequence in the node, so
 * that sifting touches one cache line a level, and the place of each timer in
 * the timer, so that cancelling finds it. Memory is given back as it empties.
 */

#ifndef TENON_BASE_HEAP_H
#define TENON_BASE_HEAP_H

#include <tenon/status.h>
#include <tenon/timer.h>

typedef struct tenon__heap_entry {
    int64_t deadline_ns;
    tenon_timer *timer;
} tenon__heap_entry;

typedef struct tenon__heap {
    tenon__heap_entry *entries;
    uint32_t count;
    uint32_t capacity;
    uint32_t kept; /* places that none but kept timers may take */
} tenon__heap;

/** Makes sure that one more timer can always be added, by tenon__heap_add_kept;
 *  for those whose failure nobody could be told of in time.
 *  Errors: TENON_NO_MEMORY, TENON_LIMIT. */
tenon_status tenon__heap_keep(tenon__heap *heap,
                              const tenon_allocator *allocator);
/** Undoes it, once that timer is in the heap no more. */
static inline void tenon__heap_unkeep(tenon__heap *heap)
{
    heap->kept -= heap->kept > 0; /* none is after tenon__heap_fini */
}
/** Adds a timer for which a place is kept. */
void tenon__heap_add_kept(tenon__heap *heap, tenon_timer *timer);

/** Adds by timer->deadline_ns and ->sequence, sets ->index.
 *  Errors: TENON_NO_MEMORY, TENON_LIMIT at 2^32 - 1. */
tenon_status tenon__heap_add(tenon__heap *heap,
                             const tenon_allocator *allocator,
                             tenon_timer *timer);
void tenon__heap_remove(tenon__heap *heap, const tenon_allocator *allocator,
                        tenon_timer *timer);
/** Puts a timer of the heap in its place after its deadline changed. */
void tenon__heap_move(tenon__heap *heap, tenon_timer *timer);
/** The earliest, or NULL. */
static inline tenon_timer *tenon__heap_top(const tenon__heap *heap)
{
    return heap->count ? heap->entries[0].timer : NULL;
}
void tenon__heap_fini(tenon__heap *heap, const tenon_allocator *allocator);

#endif
