/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Names to addresses. Each reactor has a resolver, which may be replaced by
 * any table of functions; the one it has by itself runs getaddrinfo in at most
 * four detached threads of its own, made on demand. A lookup asks for IPv4 and
 * IPv6 at once, and its results stream in; numeric addresses never get to the
 * resolver. What is cancelled is abandoned: nobody waits for a slow server,
 * and what is still under way when the reactor closes is reported by name.
 */

#ifndef TENON_RESOLVER_H
#define TENON_RESOLVER_H

#include <tenon/address.h>
#include <tenon/reactor.h>

/** One name that is looked up: opaque and counted. */
typedef struct tenon_lookup tenon_lookup;

/** A way to look up names, usually static const. Its functions are called on
 *  the reactor's thread, inside of other calls too, and must neither wait, nor
 *  run the loop, nor drop the last reference to the reactor. */
typedef struct tenon_resolver_ops {
    uint32_t size;    /**< of this struct, as you see it */
    const char *name; /**< for reports and dumps */
    /** Begins to look up tenon_lookup_name(lookup) in tenon_lookup_family. The
     *  answer is any number of tenon_lookup_add, then one tenon_lookup_done,
     *  now or later. After a failure no answer is expected. */
    tenon_status (*resolve)(void *self, tenon_lookup *lookup);
    /** The answer is no longer wanted: `lookup` is not to be used again. NULL
     *  if every answer comes inside of `resolve`. */
    void (*cancel)(void *self, tenon_lookup *lookup);
} tenon_resolver_ops;

/** One address, with the port that was asked for. */
typedef void tenon_lookup_address_fn(tenon_lookup *lookup,
                                     const tenon_address *address, void *user);
/** Once, after the last address: `error` is NULL if there was any. */
typedef void tenon_lookup_done_fn(tenon_lookup *lookup,
                                  const tenon_error *error, void *user);

/** How to look up. A field that is 0 or NULL has its default. */
typedef struct tenon_resolve_options {
    uint32_t size;
    int family;                          /**< AF_INET or AF_INET6; 0: both */
    uint16_t port;                       /**< goes into the addresses */
    int64_t timeout_ns;                  /**< 0: 30 s */
    tenon_lookup_address_fn *on_address; /**< may be NULL */
    tenon_lookup_done_fn *on_done;       /**< may be NULL */
    void *user;                          /**< for both */
} tenon_resolve_options;

/** Lookups of one reactor that may be under way at a time. */
#define TENON_LOOKUPS_MAX 1024
/** Addresses that are kept of one answer. */
#define TENON_ADDRESSES_MAX 64

TENON_BEGIN

/** Replaces the resolver; NULL is the reactor's own. `ops` and `self` must
 *  outlive the reactor.
 *  Errors: TENON_BUSY while lookups are under way, TENON_CLOSED,
 *  TENON_NO_MEMORY. */
TENON_CHECKED TENON_API tenon_status tenon_reactor_set_resolver(
    tenon_reactor *reactor, const tenon_resolver_ops *ops, void *self);

/** Looks up `name`: a host name, or a numeric address, which is its own answer.
 *  Ownership: the caller holds one reference if `out` is not NULL; the reactor
 *  holds another until on_done was called.
 *  Callback: from later turns.
 *  Errors: TENON_BAD_ADDRESS for what is no name, TENON_LIMIT, TENON_INVALID,
 *  TENON_CLOSED, TENON_NO_MEMORY, TENON_WRONG_THREAD, TENON_FORKED; what the
 *  resolver returned. A name that has no address is told to on_done, as
 *  TENON_UNRESOLVED. */
TENON_CHECKED TENON_API tenon_status
tenon_resolve(tenon_reactor *reactor, tenon_lookup **out, const char *name,
              const tenon_resolve_options *options);
/** Another reference, for the caller. */
TENON_API tenon_lookup *tenon_lookup_ref(tenon_lookup *lookup);
/** Drops a reference, which never cancels. NULL is legal. */
TENON_API void tenon_lookup_unref(tenon_lookup *lookup);
/** No address is told any more; on_done is told TENON_CANCELLED in a later
 *  turn. A no-op once on_done was called. */
TENON_API tenon_status tenon_lookup_cancel(tenon_lookup *lookup);

/** The name that is looked up. */
TENON_API const char *tenon_lookup_name(const tenon_lookup *lookup);
/** AF_INET, AF_INET6, or AF_UNSPEC for both. */
TENON_API int tenon_lookup_family(const tenon_lookup *lookup);
/** Whose lookup it is. */
TENON_API tenon_reactor *tenon_lookup_reactor(const tenon_lookup *lookup);

/** For resolvers: what they keep with a lookup; NULL at first. */
TENON_API void tenon_lookup_set_data(tenon_lookup *lookup, void *data);
/** For resolvers: what tenon_lookup_set_data was told. */
TENON_API void *tenon_lookup_data(const tenon_lookup *lookup);
/** For resolvers: one address more. What is not of the family asked for, or
 *  was there before, is left out.
 *  Errors: TENON_LIMIT, TENON_CLOSED after the end, TENON_NO_MEMORY. */
TENON_API tenon_status tenon_lookup_add(tenon_lookup *lookup,
                                        const tenon_address *address);
/** For resolvers: the end of the answer, which must not be used again.
 *  `error` may be NULL.
 *  Ownership: takes a reference of its own. */
TENON_API void tenon_lookup_done(tenon_lookup *lookup, tenon_error *error);

TENON_END

#endif
