/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Names to addresses, and back. Each reactor has a resolver, which may be
 * replaced by any table of functions; the one it has by itself runs getaddrinfo
 * in at most four detached threads of its own, made on demand, which no
 * executor's work can keep busy. A lookup asks for IPv4 and
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
 *  the reactor's thread and must not wait. */
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
    /** Begins to look up the name of tenon_lookup_address(lookup). The answer
     *  is tenon_lookup_set_host if there is one, then tenon_lookup_done. NULL
     *  if it cannot. */
    tenon_status (*resolve_name)(void *self, tenon_lookup *lookup);
} tenon_resolver_ops;

/** One address, with the port that was asked for. */
typedef void tenon_lookup_address_fn(tenon_lookup *lookup,
                                     const tenon_address *address, void *user);
/** Once, after the last address: `error` is NULL if there was any. */
typedef void tenon_lookup_done_fn(tenon_lookup *lookup,
                                  const tenon_error *error, void *user);

/** Once: `host` is NULL if there is an `error`. */
typedef void tenon_name_fn(tenon_lookup *lookup, const char *host,
                           const tenon_error *error, void *user);

/** For tenon_resolve_options.flags. */
enum tenon_resolve_flag {
    TENON_RESOLVE_FRESH = 1 /**< ask, even if the answer is remembered */
};

/** How to look up. A field that is 0 or NULL has its default. */
typedef struct tenon_resolve_options {
    uint32_t size;
    int family;                          /**< AF_INET or AF_INET6; 0: both */
    uint16_t port;                       /**< goes into the addresses */
    int64_t timeout_ns;                  /**< 0: 30 s */
    tenon_lookup_address_fn *on_address; /**< may be NULL */
    tenon_lookup_done_fn *on_done;       /**< may be NULL */
    void *user;                          /**< for both */
    uint32_t flags;                      /**< enum tenon_resolve_flag */
} tenon_resolve_options;

/** How to look up the name of an address. */
typedef struct tenon_name_options {
    uint32_t size;
    int64_t timeout_ns;     /**< 0: 30 s */
    tenon_name_fn *on_name; /**< never NULL */
    void *user;             /**< for `on_name` */
} tenon_name_options;

/** Lookups of one reactor that may be under way at a time. */
#define TENON_LOOKUPS_MAX 1024
/** Addresses that are kept of one answer. */
#define TENON_ADDRESSES_MAX 64
/** Answers that are remembered, unless set. */
#define TENON_LOOKUP_CACHE_DEFAULT 256

TENON_BEGIN

/** Replaces the resolver; NULL is the reactor's own. `ops` and `self` must
 *  outlive the reactor.
 *  Errors: TENON_BUSY while lookups are under way, TENON_CLOSED,
 *  TENON_NO_MEMORY. */
TENON_CHECKED TENON_API tenon_status tenon_reactor_set_resolver(
    tenon_reactor *reactor, const tenon_resolver_ops *ops, void *self);

/** Remembers answers that have addresses for `age_ns`, `count` of them (0:
 *  256), forgetting first those that were not asked for longest. 0 ns remembers
 *  nothing, and is the default: the system's resolver tells nobody how long an
 *  answer holds. What was remembered is forgotten, here and by
 *  tenon_reactor_set_resolver.
 *  Errors: TENON_INVALID, TENON_CLOSED, TENON_NO_MEMORY. */
TENON_CHECKED TENON_API tenon_status tenon_reactor_set_lookup_cache(
    tenon_reactor *reactor, int64_t age_ns, uint32_t count);

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
/** Looks up the name of `address`, IPv4 or IPv6; its port is of no account. A
 *  name that could not be one (it comes from whoever owns the address) is told
 *  as TENON_UNRESOLVED.
 *  Ownership, Callback: as tenon_resolve, on_name being the end.
 *  Errors: as tenon_resolve; TENON_NOT_SUPPORTED by the resolver. */
TENON_CHECKED TENON_API tenon_status tenon_resolve_name(
    tenon_reactor *reactor, tenon_lookup **out, const tenon_address *address,
    const tenon_name_options *options);
/** Another reference, for the caller. */
TENON_API tenon_lookup *tenon_lookup_ref(tenon_lookup *lookup);
/** Drops a reference, which never cancels. NULL is legal. */
TENON_API void tenon_lookup_unref(tenon_lookup *lookup);
/** No address is told any more; on_done is told TENON_CANCELLED in a later
 *  turn. A no-op once on_done was called. */
TENON_API tenon_status tenon_lookup_cancel(tenon_lookup *lookup);

/** The name that is looked up, or as text the address whose name is. */
TENON_API const char *tenon_lookup_name(const tenon_lookup *lookup);
/** AF_INET, AF_INET6, or AF_UNSPEC for both. */
TENON_API int tenon_lookup_family(const tenon_lookup *lookup);
/** The address whose name is looked up; NULL where a name's addresses are. */
TENON_API const tenon_address *tenon_lookup_address(const tenon_lookup *lookup);
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
/** For resolvers: the name that was asked for by tenon_resolve_name.
 *  Errors: TENON_INVALID for what is no name, and for other lookups;
 *  TENON_CLOSED after the end. */
TENON_API tenon_status tenon_lookup_set_host(tenon_lookup *lookup,
                                             const char *host);
/** For resolvers: the end of the answer, which must not be used again.
 *  `error` may be NULL.
 *  Ownership: takes a reference of its own. */
TENON_API void tenon_lookup_done(tenon_lookup *lookup, tenon_error *error);

TENON_END

#endif
