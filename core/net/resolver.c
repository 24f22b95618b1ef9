/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Who resolves for a reactor: a table of somebody's, or the threads of
 * names.c; and what is remembered of the answers. It lives until the reactor
 * ends and the last lookup is told.
 *
 * Resolvers are called inside of any call, as a host's slots are: one that
 * ends the reactor is not to have it end there. In a loop that it runs it may.
 */

#include "net/resolver.h"

#include "net/cache.h"

struct tenon__resolver {
    tenon__object object;
    tenon_reactor *reactor;
    const tenon_resolver_ops *ops;
    void *self;
    tenon__names *names; /* NULL: no name was asked of us yet */
    tenon__cache cache;
    uint32_t lookups;
    bool ended;
};

#define HAS(r, slot)                                        \
    ((r)->ops->size > offsetof(tenon_resolver_ops, slot) && \
     (r)->ops->slot != NULL)

static void finish(tenon__resolver *r)
{
    if (r->ended && r->lookups == 0) {
        if (r->names) {
            tenon__names_end(r->names);
        }
        tenon__cache_clear(&r->cache);
        r->reactor->names = NULL;
        tenon__free(&r->reactor->allocator, r, sizeof *r);
    }
}

static void end(tenon__object *object, tenon_status status)
{
    tenon__resolver *r = TENON__OF(object, tenon__resolver, object);
    (void)status;
    tenon__list_remove(&r->object.node);
    r->ended = true;
    finish(r);
}

static void dump(const tenon__object *object, FILE *file)
{
    const tenon__resolver *r = TENON__OF(object, const tenon__resolver, object);
    fprintf(file, "resolver %s, %u lookups, %u remembered",
            r->ops->name ? r->ops->name : "-", r->lookups, r->cache.count);
    if (r->names) {
        tenon__names_dump(r->names, file);
    }
}

static const tenon__object_ops object_ops = {"resolver", end, dump};

static tenon__resolver *resolver_of(tenon_reactor *reactor)
{
    tenon__resolver *r = reactor->names;
    if (!r) {
        r = tenon__alloc(&reactor->allocator, sizeof *r);
        if (r) {
            r->reactor = reactor;
            r->ops = &tenon__names_ops;
            tenon__cache_init(&r->cache, reactor);
            reactor->names = r;
            tenon__object_add(reactor, &r->object, &object_ops);
        }
    }
    return r;
}

/* ---- for lookups ---- */

tenon_status tenon__resolver_enter(tenon_reactor *reactor,
                                   tenon__resolver **out)
{
    tenon__resolver *r = resolver_of(reactor);
    if (!r) {
        return TENON_NO_MEMORY;
    }
    if (r->lookups >= TENON_LOOKUPS_MAX) {
        return TENON_LIMIT;
    }
    r->lookups++; /* nobody replaces a resolver that is being asked */
    *out = r;
    return TENON_OK;
}

void tenon__resolver_leave(tenon__resolver *r)
{
    r->lookups--;
    finish(r);
}

tenon_status tenon__resolver_ask(tenon__resolver *r, tenon_lookup *lookup)
{
    tenon_reactor *reactor = r->reactor;
    bool name = tenon_lookup_address(lookup) != NULL;
    if (name && !HAS(r, resolve_name)) {
        return TENON_NOT_SUPPORTED;
    }
    if (r->ops == &tenon__names_ops && !r->names) {
        r->names = tenon__names_new(reactor);
        r->self = r->names;
        if (!r->names) {
            return TENON_NO_MEMORY;
        }
    }
    bool before = reactor->in_slot;
    reactor->in_slot = true;
    tenon_status status =
        (name ? r->ops->resolve_name : r->ops->resolve)(r->self, lookup);
    reactor->in_slot = before;
    return status;
}

void tenon__resolver_cancel(tenon__resolver *r, tenon_lookup *lookup)
{
    tenon_reactor *reactor = r->reactor;
    bool before = reactor->in_slot;
    if (HAS(r, cancel)) {
        reactor->in_slot = true;
        r->ops->cancel(r->self, lookup);
        reactor->in_slot = before;
    }
}

tenon__cache *tenon__resolver_cache(tenon__resolver *r)
{
    return &r->cache;
}

/* ---- public ---- */

tenon_status tenon_reactor_set_resolver(tenon_reactor *reactor,
                                        const tenon_resolver_ops *ops,
                                        void *self)
{
    tenon_status status = tenon__check(reactor);
    if (status < 0 || (ops && !ops->resolve)) {
        return status < 0 ? status : TENON_INVALID;
    }
    tenon__resolver *r = resolver_of(reactor);
    if (!r || r->lookups > 0) {
        return r ? TENON_BUSY : TENON_NO_MEMORY;
    }
    tenon__cache_clear(&r->cache);
    r->ops = ops ? ops : &tenon__names_ops;
    r->self = ops ? self : r->names;
    return TENON_OK;
}

tenon_status tenon_reactor_set_lookup_cache(tenon_reactor *reactor,
                                            int64_t age_ns, uint32_t count)
{
    tenon_status status = tenon__check(reactor);
    if (status < 0 || age_ns < 0) {
        return status < 0 ? status : TENON_INVALID;
    }
    tenon__resolver *r = resolver_of(reactor);
    if (!r) {
        return TENON_NO_MEMORY;
    }
    tenon__cache_set(&r->cache, age_ns, count);
    return TENON_OK;
}
