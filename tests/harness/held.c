/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Who still holds a block. A case that ends in the middle has references in
 * its variables and cannot give them back; what nobody holds any more has
 * leaked all the same. So the stack and the program's data are read as if each
 * word were a pointer, and then the blocks that were found.
 */

#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__has_attribute)
#if __has_attribute(no_sanitize_address)
#define READS_ALL __attribute__((no_sanitize_address, noinline))
#endif
#endif
#ifndef READS_ALL
#define READS_ALL __attribute__((noinline))
#endif

/* Of the linker: the program's own variables are between them. */
extern char __data_start[] __attribute__((weak));
extern char _end[] __attribute__((weak));

/* Of AddressSanitizer, which may keep the variables of a function elsewhere and
 * leaves their address on the stack. */
extern void *__asan_get_current_fake_stack(void) __attribute__((weak));
extern void *__asan_addr_is_in_fake_stack(void *stack, void *address,
                                          void **from, void **to)
    __attribute__((weak));

typedef struct entry {
    uintptr_t from;
    uintptr_t to;
    bool held;
} entry;

typedef struct search {
    entry *entries;
    size_t count;
    size_t *fresh; /* held, and not read yet */
    size_t fresh_count;
} search;

static int by_address(const void *left, const void *right)
{
    const entry *one = left;
    const entry *other = right;
    return (one->from > other->from) - (one->from < other->from);
}

static void hold(search *s, uintptr_t value)
{
    size_t low = 0;
    size_t high = s->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        entry *at = &s->entries[middle];
        if (value >= at->from && value <= at->to) {
            if (!at->held) {
                at->held = true;
                s->fresh[s->fresh_count++] = middle;
            }
            return;
        }
        if (value < at->from) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
}

READS_ALL static void read_words(search *s, uintptr_t from, uintptr_t to)
{
    from =
        (from + sizeof(uintptr_t) - 1) / sizeof(uintptr_t) * sizeof(uintptr_t);
    for (; from + sizeof(uintptr_t) <= to; from += sizeof(uintptr_t)) {
        hold(s, *(const uintptr_t *)from);
    }
}

READS_ALL static void read_fake(search *s, uintptr_t from, uintptr_t to)
{
    void *fake =
        __asan_get_current_fake_stack ? __asan_get_current_fake_stack() : NULL;
    void *frame[2];
    for (; fake && from < to; from += sizeof(uintptr_t)) {
        void *word = *(void *const *)from;
        if (__asan_addr_is_in_fake_stack(fake, word, &frame[0], &frame[1])) {
            read_words(s, (uintptr_t)frame[0], (uintptr_t)frame[1]);
        }
    }
}

static void read_all(search *s, const void *base)
{
    uintptr_t here = (uintptr_t)__builtin_frame_address(0);
    read_words(s, here, (uintptr_t)base);
    read_fake(s, here, (uintptr_t)base);
    read_words(s, (uintptr_t)__data_start, (uintptr_t)_end);
    while (s->fresh_count) {
        const entry *next = &s->entries[s->fresh[--s->fresh_count]];
        read_words(s, next->from, next->to);
    }
}

static void list(search *s, const harness_heap *heap)
{
    for (size_t i = 0; i < heap->capacity; i++) {
        uintptr_t from = (uintptr_t)heap->blocks[i].address;
        if (from) {
            s->entries[s->count++] =
                (entry){from, from + heap->blocks[i].len, false};
        }
    }
    qsort(s->entries, s->count, sizeof *s->entries, by_address);
}

bool harness_heap_held(const harness_heap *heap, const void *base, char *why,
                       size_t len)
{
    search s = {calloc(heap->count + 1, sizeof(entry)), 0,
                calloc(heap->count + 1, sizeof(size_t)), 0};
    size_t lost = 0;
    size_t last_len = 0;
    if (!s.entries || !s.fresh) {
        harness_fail(__FILE__, __LINE__, "no memory for the search");
    }
    list(&s, heap);
    read_all(&s, base);
    for (size_t i = 0; i < s.count; i++) {
        if (!s.entries[i].held) {
            lost++;
            last_len = s.entries[i].to - s.entries[i].from;
        }
    }
    if (lost) {
        snprintf(why, len, "%zu blocks that nobody holds, one of %zu bytes",
                 lost, last_len);
    }
    free(s.entries);
    free(s.fresh);
    return lost == 0;
}
