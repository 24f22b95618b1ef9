/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The pool of stacks. A slab keeps what it knows of its stacks as bits, and is
 * on the shelf's list that its bits say; taking a stack and giving it back are
 * a few instructions. Nothing is written to memory of the stacks themselves but
 * the canaries.
 *
 * A slab's stacks grow down, each from the end of its room, a room being a
 * guard page and the stack:
 *
 *   | guard | stack 0 | guard | stack 1 | ...
 *
 * Huge pages are declined, since one touched byte would cost 2 MiB.
 */

#include "async/stack.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "async/sanitize.h"

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

enum {
    SLAB_STACKS = 64,
    SLAB_LEN = 4 << 20, /* of its stacks together, if it has more than one */
    WARM_MAX = 1024,
    FENCE_MAX = 15000,
    COLOURS = 16,
    LINE = 64
};

#define CANARY UINT64_C(0x9e3779b97f4a7c15)

/* A stack is used if it is neither warm nor cold. */
typedef struct tenon__slab {
    tenon_node node;
    tenon__shelf *shelf;
    char *area;
    size_t size; /* of a stack */
    size_t room; /* of a stack and its guard */
    uint32_t count;
    uint64_t all;
    uint64_t warm;     /* idle, with pages */
    uint64_t stale;    /* warm, and was so at the last trim */
    uint64_t cold;     /* idle, without pages */
    uint64_t prepared; /* its guard was seen to */
    uint64_t fenced;   /* by mprotect */
    uint64_t canaries; /* has nothing but that */
    tenon__stack *users[SLAB_STACKS];
    tenon__stack_note notes[SLAB_STACKS];
} tenon__slab;

static size_t page_len(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

static char *room_of(const tenon__slab *slab, uint32_t index)
{
    return slab->area + index * slab->room;
}

static char *stack_of(const tenon__slab *slab, uint32_t index)
{
    return room_of(slab, index) + (slab->room - slab->size);
}

static uint64_t bit_of(uint32_t index)
{
    return UINT64_C(1) << index;
}

/* Where its bits say it belongs. */
static void settle(tenon__slab *slab)
{
    tenon_node *list = slab->warm   ? &slab->shelf->warm
                       : slab->cold ? &slab->shelf->cold
                                    : &slab->shelf->full;
    tenon__list_remove(&slab->node);
    tenon__list_push(list, &slab->node);
}

/* ---- slabs ---- */

/* MAP_NORESERVE: what a stack may grow to is not what it will. */
static tenon_status slab_map(tenon__slab *slab)
{
    size_t len = slab->count * slab->room;
    void *area =
        mmap(NULL, len, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (area == MAP_FAILED) {
        return -errno;
    }
    (void)madvise(area, len, MADV_NOHUGEPAGE); /* EINVAL: there are none */
    slab->area = area;
    return TENON_OK;
}

static tenon_status slab_new(tenon__stacks *pool, uint32_t order)
{
    tenon__slab *slab = tenon__alloc(pool->allocator, sizeof *slab);
    if (!slab) {
        return TENON_NO_MEMORY;
    }
    size_t page = page_len();
    slab->size = TENON__STACK_MIN << order;
    slab->size = slab->size < page ? page : slab->size;
    slab->room = slab->size + page;
    size_t count = SLAB_LEN / slab->size;
    slab->count = (uint32_t)(count < 1             ? 1
                             : count > SLAB_STACKS ? SLAB_STACKS
                                                   : count);
    tenon_status status = slab_map(slab);
    if (status < 0) {
        tenon__free(pool->allocator, slab, sizeof *slab);
        return status;
    }
    slab->all = UINT64_MAX >> (SLAB_STACKS - slab->count);
    slab->cold = slab->all;
    slab->shelf = &pool->shelves[order];
    settle(slab);
    pool->slab_count++;
    pool->mapped_len += slab->count * slab->room;
    return TENON_OK;
}

static void slab_free(tenon__stacks *pool, tenon__slab *slab)
{
    for (uint32_t i = 0; i < slab->count; i++) {
        if (slab->prepared & bit_of(i)) {
            tenon__stack_unmapped(&slab->notes[i]);
        }
    }
    pool->fence_count -= (uint32_t)__builtin_popcountll(slab->fenced);
    size_t len = slab->count * slab->room;
    (void)munmap(slab->area, len);
    pool->mapped_len -= len;
    pool->slab_count--;
    pool->warm_count -= (size_t)__builtin_popcountll(slab->warm);
    tenon__list_remove(&slab->node);
    tenon__free(pool->allocator, slab, sizeof *slab);
}

/* Some that are no Linux take every advice for a hint, and say that they took
 * it: those would take nonsense, too. Nothing is advised on no bytes. */
static enum tenon__light ask_light(void)
{
    return madvise(NULL, 0, MADV_GUARD_INSTALL) == 0 && madvise(NULL, 0, -1) < 0
               ? TENON__LIGHT_YES
               : TENON__LIGHT_NO;
}

static bool guard_lightly(tenon__stacks *pool, char *guard, size_t len)
{
    if (pool->light == TENON__LIGHT_UNKNOWN) {
        pool->light = ask_light();
    }
    return pool->light == TENON__LIGHT_YES &&
           madvise(guard, len, MADV_GUARD_INSTALL) == 0;
}

static bool guard_fenced(tenon__stacks *pool, char *guard, size_t len)
{
    if (pool->fence_count >= pool->fence_max ||
        mprotect(guard, len, PROT_NONE) < 0) {
        return false;
    }
    pool->fence_count++;
    return true;
}

/* Before the first use; the best guard that can be had. */
static void prepare(tenon__stacks *pool, tenon__slab *slab, uint32_t index)
{
    char *guard = room_of(slab, index);
    size_t len = slab->room - slab->size;
    uint64_t bit = bit_of(index);
    slab->prepared |= bit;
    if (!guard_lightly(pool, guard, len)) {
        if (guard_fenced(pool, guard, len)) {
            slab->fenced |= bit;
        } else {
            slab->canaries |= bit;
        }
    }
    tenon__stack_mapped(&slab->notes[index], guard + len, slab->size);
}

/* Takes the pages of a warm stack, if the kernel will have them. */
static void cool(tenon__stacks *pool, tenon__slab *slab, uint32_t index)
{
    if (madvise(stack_of(slab, index), slab->size, MADV_DONTNEED) == 0) {
        slab->warm &= ~bit_of(index);
        slab->stale &= ~bit_of(index);
        slab->cold |= bit_of(index);
        pool->warm_count--;
    }
}

/* After a change: it goes where it belongs, or altogether. */
static void review(tenon__stacks *pool, tenon__slab *slab)
{
    if (slab->cold == slab->all) {
        slab_free(pool, slab);
    } else {
        settle(slab);
    }
}

/* ---- canaries ---- */

/* Below the stack, where its guard would be. */
static void canary_set(const tenon__stack *stack)
{
    uint64_t *line = (uint64_t *)stack->base - LINE / sizeof(uint64_t);
    for (size_t i = 0; i < LINE / sizeof *line; i++) {
        line[i] = CANARY + i;
    }
}

TENON__UNCHECKED bool tenon__stack_intact(const tenon__stack *stack)
{
    if (!stack->canary) {
        return true;
    }
    const uint64_t *line =
        (const uint64_t *)stack->base - LINE / sizeof(uint64_t);
    uint64_t wrong = 0;
    for (size_t i = 0; i < LINE / sizeof *line; i++) {
        wrong |= line[i] ^ (CANARY + i);
    }
    return wrong == 0;
}

/* ---- the pool ---- */

void tenon__stacks_init(tenon__stacks *pool, const tenon_allocator *allocator)
{
    *pool = (tenon__stacks){
        .allocator = allocator,
        .warm_max = WARM_MAX,
        .fence_max = FENCE_MAX,
    };
    for (int i = 0; i < TENON__STACK_ORDERS; i++) {
        tenon__list_init(&pool->shelves[i].warm);
        tenon__list_init(&pool->shelves[i].cold);
        tenon__list_init(&pool->shelves[i].full);
    }
}

static void empty(tenon__stacks *pool, tenon_node *list)
{
    while (!tenon__list_empty(list)) {
        slab_free(pool, TENON__OF(list->next, tenon__slab, node));
    }
}

void tenon__stacks_free(tenon__stacks *pool)
{
    for (int i = 0; i < TENON__STACK_ORDERS; i++) {
        empty(pool, &pool->shelves[i].warm);
        empty(pool, &pool->shelves[i].cold);
        empty(pool, &pool->shelves[i].full);
    }
    pool->used_count = 0;
}

static void trim(tenon__stacks *pool, tenon__slab *slab, bool all)
{
    uint64_t old = all ? slab->warm : slab->stale;
    for (; old; old &= old - 1) {
        cool(pool, slab, (uint32_t)__builtin_ctzll(old));
    }
    slab->stale = slab->warm;
    review(pool, slab);
}

void tenon__stacks_trim(tenon__stacks *pool, bool all)
{
    for (int i = 0; i < TENON__STACK_ORDERS; i++) {
        tenon_node list;
        tenon__list_init(&list);
        tenon__list_splice(&list, &pool->shelves[i].warm);
        while (!tenon__list_empty(&list)) {
            trim(pool, TENON__OF(list.next, tenon__slab, node), all);
        }
    }
}

/* The shelf for stacks of that size, whose size is TENON__STACK_MIN << it. */
static uint32_t order_of(size_t size)
{
    uint32_t order = 0;
    while (TENON__STACK_MIN << order < size) {
        order++;
    }
    return order;
}

static uint32_t take(tenon__stacks *pool, tenon__slab *slab)
{
    uint32_t index;
    if (slab->warm) {
        index = (uint32_t)__builtin_ctzll(slab->warm);
        pool->warm_count--;
    } else {
        index = (uint32_t)__builtin_ctzll(slab->cold);
    }
    slab->warm &= ~bit_of(index);
    slab->stale &= ~bit_of(index);
    slab->cold &= ~bit_of(index);
    if (!slab->warm) {
        settle(slab);
    }
    if (!(slab->prepared & bit_of(index))) {
        prepare(pool, slab, index);
    }
    return index;
}

tenon_status tenon__stack_get(tenon__stacks *pool, size_t size,
                              tenon__stack *out)
{
    if (size > TENON__STACK_MAX) {
        return TENON_LIMIT;
    }
    uint32_t order = order_of(size);
    tenon__shelf *shelf = &pool->shelves[order];
    if (tenon__list_empty(&shelf->warm) && tenon__list_empty(&shelf->cold)) {
        tenon_status status = slab_new(pool, order);
        if (status < 0) {
            return status;
        }
    }
    tenon_node *list =
        tenon__list_empty(&shelf->warm) ? &shelf->cold : &shelf->warm;
    tenon__slab *slab = TENON__OF(list->next, tenon__slab, node);
    uint32_t index = take(pool, slab);
    *out = (tenon__stack){
        .base = stack_of(slab, index),
        .size = slab->size - index % COLOURS * LINE,
        .slab = slab,
        .index = index,
        .canary = (slab->canaries & bit_of(index)) != 0,
    };
    slab->users[index] = out;
    pool->used_count++;
    tenon__stack_begins(out->base, slab->size);
    if (out->canary) {
        canary_set(out);
    }
    return TENON_OK;
}

TENON__UNCHECKED static const uint64_t *deepest(const tenon__stack *stack)
{
    const uint64_t *at = stack->base;
    const uint64_t *top = at + stack->size / sizeof *at;
    tenon__stack_look_begins();
    while (at < top && *at == 0) {
        at++;
    }
    tenon__stack_look_ends();
    return at;
}

size_t tenon__stack_used(const tenon__stack *stack)
{
    const char *at = (const char *)deepest(stack);
    return (size_t)((const char *)stack->base + stack->size - at);
}

void tenon__stack_put(tenon__stacks *pool, tenon__stack *stack)
{
    tenon__slab *slab = stack->slab;
    tenon__stack_ends(stack->base, slab->size);
    if (pool->measured) {
        size_t used = tenon__stack_used(stack);
        memset((char *)stack->base + stack->size - used, 0, used);
    }
    bool was_warm = slab->warm != 0;
    slab->warm |= bit_of(stack->index);
    slab->users[stack->index] = NULL;
    pool->used_count--;
    pool->warm_count++;
    if (pool->warm_count > pool->warm_max) {
        cool(pool, slab, stack->index);
        review(pool, slab);
    } else if (!was_warm) {
        settle(slab);
    }
    *stack = (tenon__stack){0};
}

static const tenon__stack *find_in(const tenon_node *list, const char *at)
{
    for (tenon_node *node = list->next; node != list; node = node->next) {
        const tenon__slab *slab = TENON__OF(node, tenon__slab, node);
        if (at >= slab->area && at < slab->area + slab->count * slab->room) {
            return slab->users[(size_t)(at - slab->area) / slab->room];
        }
    }
    return NULL;
}

const tenon__stack *tenon__stack_find(const tenon__stacks *pool,
                                      const void *address)
{
    const tenon__stack *found = NULL;
    for (int i = 0; i < TENON__STACK_ORDERS && !found; i++) {
        const tenon__shelf *shelf = &pool->shelves[i];
        found = find_in(&shelf->full, address);
        found = found ? found : find_in(&shelf->warm, address);
        found = found ? found : find_in(&shelf->cold, address);
    }
    return found;
}
