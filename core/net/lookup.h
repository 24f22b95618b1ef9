/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * A lookup: its life is in lookup.c, how one is asked for in resolve.c.
 */

#ifndef TENON_NET_LOOKUP_H
#define TENON_NET_LOOKUP_H

#include <tenon/endpoint.h>

#include "net/resolver.h"

/* The end is known, and owed, in ANSWERED. */
enum tenon__lookup_state {
    TENON__LOOKUP_OPEN,
    TENON__LOOKUP_ANSWERED,
    TENON__LOOKUP_TOLD
};

struct tenon_lookup {
    tenon__object object;
    tenon_reactor *reactor;
    tenon__resolver *by;
    void *data;
    tenon_timer deadline;
    tenon_node ready; /* what is owed; at last, the memory */
    tenon_address *addresses;
    tenon_error *error;
    tenon_resolve_options options;
    tenon_name_fn *on_name; /* of a name, in place of those in options */
    tenon_address of;       /* whose name is looked up; else NONE */
    uint32_t capacity;
    uint32_t count;
    uint32_t told;
    uint32_t refs;
    enum tenon__lookup_state state;
    bool asked; /* the resolver has it */
    char name[TENON_NAME_MAX + 1];
    char host[TENON_NAME_MAX + 1]; /* the name of `of`, or "" */
};

/** One that is told of nothing yet; NULL when out of memory. `options` may be
 *  NULL. */
tenon_lookup *tenon__lookup_new(tenon_reactor *reactor, const char *name,
                                const tenon_resolve_options *options);
/** Asks the resolver, until the deadline. */
tenon_status tenon__lookup_ask(tenon_lookup *lookup);
/** It has begun: the reactor holds a reference until on_done was called. */
void tenon__lookup_begun(tenon_lookup *lookup);
/** Frees one that did not begin. */
void tenon__lookup_discard(tenon_lookup *lookup);

#endif
