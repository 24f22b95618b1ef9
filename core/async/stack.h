/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The stacks of tasks. One mapping, a slab, is cut into up to 64 stacks with a
 * guard below each:
 *
 *   light    MADV_GUARD_INSTALL, Linux 6.13: no mapping of its own, no limit
 *   fence    mprotect: two mappings for each stack, of which a process may have
 *            65,530, hence for the first 15,000 of a reactor alone
 *   canary   a pattern that is looked at: whoever runs past it has done harm
 *            already, but is not unseen
 *
 * Idle stacks wait in the pool with their memory; the pages of those that are
 * too many, or that nobody wanted for long, go back to the system, and so does
 * a slab of which nothing is used. A stack that is never deep costs one page.
 */

#ifndef TENON_ASYNC_STACK_H
#define TENON_ASYNC_STACK_H

#include <stdbool.h>
#include <stdint.h>

#include <tenon/status.h>

#include "base/list.h"
#include "base/memory.h"

/* Of a task that says nothing. */
#define TENON__STACK_SIZE ((size_t)65536)
#define TENON__STACK_MIN  ((size_t)16384)
#define TENON__STACK_MAX  ((size_t)64 << 20)
/* Powers of two from the least to the greatest. */
#define TENON__STACK_ORDERS 13

typedef struct tenon__stack {
    void *base; /* its lowest byte */
    size_t size;
    struct tenon__slab *slab; /* NULL: there is none */
    uint32_t index;           /* in the slab */
    bool canary;              /* it has no guard, see tenon__stack_intact */
} tenon__stack;

/* What this kernel knows of light guards. */
enum tenon__light { TENON__LIGHT_UNKNOWN, TENON__LIGHT_YES, TENON__LIGHT_NO };

/* Slabs by what they have to give: see settle in stack.c. */
typedef struct tenon__shelf {
    tenon_node warm; /* a stack that was used before, with its pages */
    tenon_node cold; /* none, but one without pages */
    tenon_node full;
} tenon__shelf;

typedef struct tenon__stacks {
    const tenon_allocator *allocator;
    tenon__shelf shelves[TENON__STACK_ORDERS];
    size_t used_count;
    size_t warm_count;
    size_t slab_count;
    size_t mapped_len;  /* bytes of address space, guards too */
    size_t warm_max;    /* more idle stacks than these lose their pages */
    uint32_t fence_max; /* each costs the process two mappings */
    uint32_t fence_count;
    enum tenon__light light;
    bool measured; /* stacks are wiped when they come back, so that
                           tenon__stack_used tells of one use alone */
} tenon__stacks;

void tenon__stacks_init(tenon__stacks *pool, const tenon_allocator *allocator);

/** Unmaps all, whoever uses it still. */
void tenon__stacks_free(tenon__stacks *pool);

/** Takes the pages from stacks that were idle since the call before this one;
 *  to be called now and then. With `all`, from every idle stack. */
void tenon__stacks_trim(tenon__stacks *pool, bool all);

/** A stack of `size` bytes, rounded up to a power of two and less than a
 *  kilobyte for its colour (so that the tops of many stacks do not share lines
 *  of the caches). `out` stays where it is until it is put back.
 *  Errors: TENON_LIMIT above TENON__STACK_MAX; TENON_NO_MEMORY, and what mmap
 *  says. */
tenon_status tenon__stack_get(tenon__stacks *pool, size_t size,
                              tenon__stack *out);

/** Gives it back, and empties `stack`. The caller is not on it. */
void tenon__stack_put(tenon__stacks *pool, tenon__stack *stack);

/** How many bytes were ever used of it since it last lost its pages; where the
 *  pool measures, since tenon__stack_get. */
size_t tenon__stack_used(const tenon__stack *stack);

/** False if something was written over the canary below a stack that has no
 *  guard. */
bool tenon__stack_intact(const tenon__stack *stack);

/** The stack in use that `address` is on, or in the guard of; NULL if there is
 *  none. For the handler of a SIGSEGV, too, on the thread of the pool. */
const tenon__stack *tenon__stack_find(const tenon__stacks *pool,
                                      const void *address);

#endif
