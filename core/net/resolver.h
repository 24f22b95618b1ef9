/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Lookups (lookup.c), who resolves for a reactor (resolver.c), and the resolver
 * that it has by itself (names.c).
 */

#ifndef TENON_NET_RESOLVER_H
#define TENON_NET_RESOLVER_H

#include <tenon/resolver.h>

#include "loop/engine.h"

typedef struct tenon__names tenon__names;
typedef struct tenon__resolver tenon__resolver;

/** The resolver of `reactor`, one lookup more being its.
 *  Errors: TENON_LIMIT, TENON_NO_MEMORY. */
tenon_status tenon__resolver_enter(tenon_reactor *reactor,
                                   tenon__resolver **out);
/** One less; it may be gone afterwards. */
void tenon__resolver_leave(tenon__resolver *resolver);
/** Calls `resolve` or `resolve_name`. */
tenon_status tenon__resolver_ask(tenon__resolver *resolver,
                                 tenon_lookup *lookup);
/** Calls `cancel`, if there is one. */
void tenon__resolver_cancel(tenon__resolver *resolver, tenon_lookup *lookup);
struct tenon__cache *tenon__resolver_cache(tenon__resolver *resolver);

/** No callback comes any more. Ownership: of the caller's reference. */
void tenon__lookup_forget(tenon_lookup *lookup);

/** What on_done was told, to keep. */
tenon_error *tenon__lookup_error(const tenon_lookup *lookup);

/** The table of the threads; their `self` is a tenon__names. */
extern const tenon_resolver_ops tenon__names_ops;
/** NULL when out of memory. */
tenon__names *tenon__names_new(tenon_reactor *reactor);
/** Lets go of the threads; what they are still at is reported. */
void tenon__names_end(tenon__names *names);
void tenon__names_dump(const tenon__names *names, FILE *file);

#endif
