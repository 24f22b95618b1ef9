/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Remembered answers, the least lately used one first. One that is too old
 * goes when it is met.
 */

#include "net/cache.h"

#include <string.h>
#include <strings.h>

#include <tenon/endpoint.h>
#include <tenon/resolver.h>

typedef struct answer {
    tenon_node node;
    int64_t end_ns;
    int family;
    uint32_t count;
    char name[TENON_NAME_MAX + 1];
    tenon_address addresses[];
} answer;

static size_t len_of(uint32_t count)
{
    return sizeof(answer) + count * sizeof(tenon_address);
}

static void forget(tenon__cache *cache, answer *a)
{
    tenon__list_remove(&a->node);
    tenon__free(&cache->reactor->allocator, a, len_of(a->count));
    cache->count--;
}

static answer *oldest(const tenon__cache *cache)
{
    return TENON__OF(cache->answers.next, answer, node);
}

static answer *find(const tenon__cache *cache, const char *name, int family)
{
    const tenon_node *head = &cache->answers;
    for (tenon_node *at = head->next; at != head; at = at->next) {
        answer *a = TENON__OF(at, answer, node);
        if (a->family == family && strcasecmp(a->name, name) == 0) {
            return a;
        }
    }
    return NULL;
}

void tenon__cache_init(tenon__cache *cache, tenon_reactor *reactor)
{
    *cache = (tenon__cache){.reactor = reactor};
    tenon__list_init(&cache->answers);
}

void tenon__cache_clear(tenon__cache *cache)
{
    while (cache->count > 0) {
        forget(cache, oldest(cache));
    }
}

void tenon__cache_set(tenon__cache *cache, int64_t age_ns, uint32_t max)
{
    tenon__cache_clear(cache);
    cache->age_ns = age_ns;
    cache->max = max ? max : TENON_LOOKUP_CACHE_DEFAULT;
}

const tenon_address *tenon__cache_get(tenon__cache *cache, const char *name,
                                      int family, uint32_t *count)
{
    answer *a = find(cache, name, family);
    if (a && a->end_ns <= tenon__clock(cache->reactor)) {
        forget(cache, a);
        a = NULL;
    }
    if (!a) {
        return NULL;
    }
    tenon__list_remove(&a->node);
    tenon__list_push(&cache->answers, &a->node);
    *count = a->count;
    return a->addresses;
}

void tenon__cache_put(tenon__cache *cache, const char *name, int family,
                      const tenon_address *addresses, uint32_t count)
{
    answer *old = find(cache, name, family);
    if (old) {
        forget(cache, old);
    }
    if (cache->age_ns == 0) {
        return;
    }
    answer *a = tenon__alloc(&cache->reactor->allocator, len_of(count));
    if (!a) {
        return;
    }
    if (cache->count >= cache->max) {
        forget(cache, oldest(cache));
    }
    int64_t now_ns = tenon__clock(cache->reactor);
    a->end_ns = now_ns > TENON_FOREVER - cache->age_ns ? TENON_FOREVER
                                                       : now_ns + cache->age_ns;
    a->family = family;
    a->count = count;
    memcpy(a->name, name, strlen(name) + 1);
    memcpy(a->addresses, addresses, count * sizeof *addresses);
    tenon__list_push(&cache->answers, &a->node);
    cache->count++;
}
