/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Lookups (resolver.c), and the resolver that a reactor has by itself
 * (names.c).
 */

#ifndef TENON_NET_RESOLVER_H
#define TENON_NET_RESOLVER_H

#include <tenon/resolver.h>

#include "loop/engine.h"

typedef struct tenon__names tenon__names;

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
