/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * How a lookup is asked for. A numeric address is its own answer; then the
 * answers that are remembered are looked at; then the resolver is asked.
 */

#include <arpa/inet.h>
#include <string.h>

#include "net/address.h"
#include "net/cache.h"
#include "net/lookup.h"

/* A numeric address, with brackets or without. */
static bool read_numeric(tenon_address *out, const char *name)
{
    char text[TENON_NAME_MAX + 3];
    int len = snprintf(text, sizeof text, "[%s]", name);
    if ((size_t)len >= sizeof text) {
        return false;
    }
    return tenon__address_numeric(out, name, strlen(name)) ||
           tenon__address_numeric(out, text, (size_t)len);
}

/* Whether the cache has the answer, which is then told as any other. */
static bool recall(tenon_lookup *l)
{
    uint32_t count = 0;
    const tenon_address *known =
        l->on_name || (l->options.flags & TENON_RESOLVE_FRESH)
            ? NULL
            : tenon__cache_get(tenon__resolver_cache(l->by), l->name,
                               l->options.family, &count);
    for (uint32_t i = 0; known && i < count; i++) {
        if (tenon_lookup_add(l, &known[i]) < 0) {
            return false; /* what is there is not told twice */
        }
    }
    if (known) {
        tenon_lookup_done(l, NULL);
    }
    return known != NULL;
}

static tenon_status begin(tenon_lookup *l)
{
    tenon_address address;
    if (!l->on_name && read_numeric(&address, l->name)) {
        tenon_status status = tenon_lookup_add(l, &address);
        if (status == TENON_OK) {
            tenon_lookup_done(l, NULL);
        }
        return status;
    }
    if (recall(l)) {
        return TENON_OK;
    }
    return tenon__lookup_ask(l);
}

static tenon_status check(tenon_reactor *reactor, const char *name,
                          const tenon_resolve_options *options)
{
    tenon_address address;
    tenon_status status = tenon__check(reactor);
    if (status < 0) {
        return status;
    }
    if (!name || (options && (options->timeout_ns < 0))) {
        return TENON_INVALID;
    }
    if (!read_numeric(&address, name) && !tenon_name_is_valid(name)) {
        return TENON_BAD_ADDRESS;
    }
    return TENON_OK;
}

/* Ownership: of `l`, which is freed on failure. */
static tenon_status start(tenon_lookup *l, tenon_lookup **out)
{
    tenon_status status = tenon__resolver_enter(l->reactor, &l->by);
    if (status == TENON_OK) {
        status = begin(l);
    }
    if (status < 0) {
        tenon__lookup_discard(l);
        return status;
    }
    tenon__lookup_begun(l);
    if (out) {
        *out = tenon_lookup_ref(l);
    }
    return TENON_OK;
}

tenon_status tenon_resolve(tenon_reactor *reactor, tenon_lookup **out,
                           const char *name,
                           const tenon_resolve_options *options)
{
    tenon_status status = check(reactor, name, options);
    if (status < 0) {
        return status;
    }
    tenon_lookup *l = tenon__lookup_new(reactor, name, options);
    return l ? start(l, out) : TENON_NO_MEMORY;
}

/* What is looked up, as text: without a port. */
static bool write_host(const tenon_address *address, char *text, size_t len)
{
    const void *from = address->as.any.sa_family == AF_INET6
                           ? (const void *)&address->as.v6.sin6_addr
                           : (const void *)&address->as.v4.sin_addr;
    return inet_ntop(address->as.any.sa_family, from, text, (socklen_t)len);
}

tenon_status tenon_resolve_name(tenon_reactor *reactor, tenon_lookup **out,
                                const tenon_address *address,
                                const tenon_name_options *options)
{
    char text[INET6_ADDRSTRLEN];
    tenon_name_options chosen = {0};
    tenon_status status = tenon__check(reactor);
    if (status < 0) {
        return status;
    }
    if (options) {
        memcpy(&chosen, options,
               options->size < sizeof chosen ? options->size : sizeof chosen);
    }
    if (!address || address->kind != TENON_ADDRESS_TCP || !chosen.on_name ||
        chosen.timeout_ns < 0 || !write_host(address, text, sizeof text)) {
        return TENON_INVALID;
    }
    tenon_resolve_options as_lookup = {.size = sizeof as_lookup,
                                       .family = address->as.any.sa_family,
                                       .timeout_ns = chosen.timeout_ns,
                                       .user = chosen.user};
    tenon_lookup *l = tenon__lookup_new(reactor, text, &as_lookup);
    if (!l) {
        return TENON_NO_MEMORY;
    }
    l->of = *address;
    l->on_name = chosen.on_name;
    return start(l, out);
}
