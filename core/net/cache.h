/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The answers of a resolver that are remembered for a while, by name and
 * family. There are few: they are searched one by one, so that no peer's
 * choice of names makes it slow.
 */

#ifndef TENON_NET_CACHE_H
#define TENON_NET_CACHE_H

#include <tenon/address.h>

#include "loop/engine.h"

typedef struct tenon__cache {
    tenon_reactor *reactor;
    tenon_node answers; /* the last one used is last */
    int64_t age_ns;     /* 0: nothing is remembered */
    uint32_t max;
    uint32_t count;
} tenon__cache;

void tenon__cache_init(tenon__cache *cache, tenon_reactor *reactor);
/** Forgets all; what is remembered from now on is not older than `age_ns`. */
void tenon__cache_set(tenon__cache *cache, int64_t age_ns, uint32_t max);
void tenon__cache_clear(tenon__cache *cache);
/** Borrowed until the next call; NULL when it is not known. */
const tenon_address *tenon__cache_get(tenon__cache *cache, const char *name,
                                      int family, uint32_t *count);
/** Copies; without memory nothing is remembered. */
void tenon__cache_put(tenon__cache *cache, const char *name, int family,
                      const tenon_address *addresses, uint32_t count);

#endif
