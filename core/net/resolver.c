/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Lookups. Whatever the resolver answers, and whenever, is told from the ready
 * queue of a later turn: first the addresses, then the end.
 *
 *   LOOKING -> ANSWERED (the end is known, and owed) -> TOLD
 */

#include "net/resolver.h"

#include <string.h>
#include <tenon/endpoint.h>

#include "net/address.h"

#define TIMEOUT_DEFAULT (30 * TENON_SECOND)

enum lookup_state { LOOKING, ANSWERED, TOLD };

/* Who resolves for a reactor. It lives until the reactor ends and the last
 * lookup is told. */
typedef struct resolver {
    tenon__object object;
    tenon_reactor *reactor;
    const tenon_resolver_ops *ops;
    void *self;
    tenon__names *names; /* NULL: no name was asked of us yet */
    uint32_t lookups;
    bool ended;
} resolver;

struct tenon_lookup {
    tenon__object object;
    tenon_reactor *reactor;
    resolver *by;
    void *data;
    tenon_timer deadline;
    tenon_node ready; /* what is owed; at last, the memory */
    tenon_address *addresses;
    tenon_error *error;
    tenon_resolve_options options;
    uint32_t capacity;
    uint32_t count;
    uint32_t told;
    uint32_t refs;
    enum lookup_state state;
    bool asked; /* the resolver has it */
    char name[TENON_NAME_MAX + 1];
};

/* ---- the resolver of a reactor ---- */

static void resolver_finish(resolver *r)
{
    if (r->ended && r->lookups == 0) {
        if (r->names) {
            tenon__names_end(r->names);
        }
        r->reactor->names = NULL;
        tenon__free(&r->reactor->allocator, r, sizeof *r);
    }
}

static void resolver_end(tenon__object *object, tenon_status status)
{
    resolver *r = TENON__OF(object, resolver, object);
    (void)status;
    tenon__list_remove(&r->object.node);
    r->ended = true;
    resolver_finish(r);
}

static void resolver_dump(const tenon__object *object, FILE *file)
{
    const resolver *r = TENON__OF(object, const resolver, object);
    fprintf(file, "resolver %s, %u lookups", r->ops->name ? r->ops->name : "-",
            r->lookups);
    if (r->names) {
        tenon__names_dump(r->names, file);
    }
}

static const tenon__object_ops resolver_object_ops = {"resolver", resolver_end,
                                                      resolver_dump};

static resolver *resolver_of(tenon_reactor *reactor)
{
    resolver *r = reactor->names;
    if (!r) {
        r = tenon__alloc(&reactor->allocator, sizeof *r);
        if (r) {
            r->reactor = reactor;
            r->ops = &tenon__names_ops;
            reactor->names = r;
            tenon__object_add(reactor, &r->object, &resolver_object_ops);
        }
    }
    return r;
}

tenon_status tenon_reactor_set_resolver(tenon_reactor *reactor,
                                        const tenon_resolver_ops *ops,
                                        void *self)
{
    tenon_status status = tenon__check(reactor);
    if (status < 0 || (ops && !ops->resolve)) {
        return status < 0 ? status : TENON_INVALID;
    }
    resolver *r = resolver_of(reactor);
    if (!r || r->lookups > 0) {
        return r ? TENON_BUSY : TENON_NO_MEMORY;
    }
    r->ops = ops ? ops : &tenon__names_ops;
    r->self = ops ? self : r->names;
    return TENON_OK;
}

static void owe(tenon_lookup *l)
{
    if (!tenon__linked(&l->ready) && l->state != TOLD) {
        tenon__ready_push(l->reactor, &l->ready);
    }
}

/* Resolvers are called inside of any call, as a host's slots are: one that
 * ends the reactor is not to have it end there. In a loop that it runs it may. */
static void ask_no_more(tenon_lookup *l)
{
    const tenon_resolver_ops *ops = l->by->ops;
    bool has_it = ops->size > offsetof(tenon_resolver_ops, cancel);
    bool before = l->reactor->in_slot;
    bool asked = l->asked;
    l->asked = false;
    if (asked && has_it && ops->cancel) {
        l->reactor->in_slot = true;
        ops->cancel(l->by->self, l);
        l->reactor->in_slot = before;
    }
}

static tenon_status ask(tenon_lookup *l)
{
    resolver *by = l->by;
    if (by->ops == &tenon__names_ops && !by->names) {
        by->names = tenon__names_new(l->reactor);
        by->self = by->names;
        if (!by->names) {
            return TENON_NO_MEMORY;
        }
    }
    bool before = l->reactor->in_slot;
    tenon__frame frame; /* nothing is told in a loop that it runs */
    l->asked = true;
    l->reactor->in_slot = true;
    tenon__frame_enter(l->reactor, &frame, l, NULL, NULL);
    tenon_status status = by->ops->resolve(by->self, l);
    tenon__frame_leave(l->reactor, &frame);
    l->reactor->in_slot = before;
    l->asked = l->asked && status >= 0;
    if (status >= 0 && l->reactor->life == TENON__CLOSED) {
        ask_no_more(l);
        return l->reactor->end_status;
    }
    if (l->count > 0 || l->state == ANSWERED) {
        owe(l);
    }
    return status;
}

/* ---- telling ---- */

/* Ownership: of `error`. */
static void answer(tenon_lookup *l, tenon_error *error)
{
    tenon_error_unref(l->error);
    l->error = error;
    l->state = ANSWERED;
    (void)tenon_timer_stop(&l->deadline);
    owe(l);
}

/* Drops what is not told yet. The reactor may end in the resolver's cancel. */
static void give_up(tenon_lookup *l, tenon_status status)
{
    l->told = l->count;
    ask_no_more(l);
    if (l->state != TOLD) {
        answer(l, tenon__error(l->reactor, status, l->name, NULL));
    }
}

static void tell_addresses(tenon_lookup *l)
{
    while (l->told < l->count) {
        tenon__frame frame;
        tenon_address address = l->addresses[l->told++];
        if (l->options.on_address) {
            tenon__frame_enter(l->reactor, &frame, l, "lookup", l->name);
            l->options.on_address(l, &address, l->options.user);
            tenon__frame_leave(l->reactor, &frame);
        }
    }
}

static void tell_done(tenon_lookup *l)
{
    resolver *by = l->by;
    l->state = TOLD;
    tenon__unqueue(&l->ready);
    tenon__list_remove(&l->object.node);
    if (l->options.on_done) {
        tenon__frame frame;
        tenon__frame_enter(l->reactor, &frame, l, "lookup", l->name);
        l->options.on_done(l, l->error, l->options.user);
        tenon__frame_leave(l->reactor, &frame);
    }
    by->lookups--;
    resolver_finish(by);
    tenon__alive_sub(l->reactor);
    tenon_lookup_unref(l);
}

/* In a loop that on_address runs nothing is told: that goes on afterwards. An
 * end that became known in on_address is queued for a later turn. */
static void on_ready(tenon_reactor *reactor, tenon_node *node)
{
    tenon_lookup *l = tenon_lookup_ref(TENON__OF(node, tenon_lookup, ready));
    if (!tenon__on_stack(reactor, l)) {
        tell_addresses(l);
        if (l->state == ANSWERED && !tenon__linked(&l->ready)) {
            tell_done(l);
        }
    }
    tenon_lookup_unref(l);
}

static void on_deadline(tenon_timer *timer, void *user)
{
    (void)timer;
    give_up(user, TENON_TIMED_OUT);
}

static void end(tenon__object *object, tenon_status status)
{
    tenon_lookup *l = tenon_lookup_ref(TENON__OF(object, tenon_lookup, object));
    tenon__list_remove(&l->object.node);
    if (l->state == LOOKING) {
        tenon__report_status(l->reactor, "lookup", l->name, l, status);
    }
    if (l->state != TOLD) {
        give_up(l, status);
        tell_done(l);
    }
    tenon_lookup_unref(l);
}

static void dump(const tenon__object *object, FILE *file)
{
    const tenon_lookup *l = TENON__OF(object, const tenon_lookup, object);
    fprintf(file, "lookup %s, %u addresses", l->name, l->count);
}

static const tenon__object_ops object_ops = {"lookup", end, dump};

/* ---- answers ---- */

static bool is_known(const tenon_lookup *l, const tenon_address *address)
{
    for (uint32_t i = 0; i < l->count; i++) {
        if (l->addresses[i].len == address->len &&
            memcmp(&l->addresses[i].as, &address->as, address->len) == 0) {
            return true;
        }
    }
    return false;
}

static tenon_status make_room(tenon_lookup *l)
{
    uint32_t capacity = l->capacity ? l->capacity * 2 : 4;
    if (l->count < l->capacity) {
        return TENON_OK;
    }
    if (l->count >= TENON_ADDRESSES_MAX) {
        return TENON_LIMIT;
    }
    tenon_address *grown =
        tenon__resize(&l->reactor->allocator, l->addresses,
                      l->capacity * sizeof *grown, capacity * sizeof *grown);
    if (!grown) {
        return TENON_NO_MEMORY;
    }
    l->addresses = grown;
    l->capacity = capacity;
    return TENON_OK;
}

tenon_status tenon_lookup_add(tenon_lookup *l, const tenon_address *address)
{
    tenon_status status = tenon__check_thread(l->reactor);
    if (status < 0 || l->state != LOOKING) {
        return status < 0 ? status : TENON_CLOSED;
    }
    int family = address ? address->as.any.sa_family : AF_UNSPEC;
    if (!address || address->kind != TENON_ADDRESS_TCP) {
        return TENON_INVALID;
    }
    tenon_address full = *address;
    tenon__address_set_port(&full, l->options.port);
    if ((l->options.family && family != l->options.family) ||
        is_known(l, &full)) {
        return TENON_OK;
    }
    status = make_room(l);
    if (status == TENON_OK) {
        l->addresses[l->count++] = full;
        owe(l);
    }
    return status;
}

void tenon_lookup_done(tenon_lookup *l, tenon_error *error)
{
    if (tenon__check_thread(l->reactor) < 0 || l->state != LOOKING) {
        return;
    }
    l->asked = false;
    if (!error && l->count == 0) {
        answer(l, tenon__error(l->reactor, TENON_UNRESOLVED, l->name, NULL));
    } else {
        answer(l, tenon_error_ref(error));
    }
}

/* ---- asking ---- */

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

static void dispose(tenon_lookup *l)
{
    const tenon_allocator *allocator = &l->reactor->allocator;
    tenon_error_unref(l->error);
    tenon__free(allocator, l->addresses, l->capacity * sizeof *l->addresses);
    tenon__free(allocator, l, sizeof *l);
}

static void discard(tenon_lookup *l)
{
    tenon_reactor *reactor = l->reactor;
    l->by->lookups--;
    resolver_finish(l->by);
    (void)tenon_timer_stop(&l->deadline);
    tenon__unqueue(&l->ready);
    dispose(l);
    tenon__unpin(reactor);
}

static tenon_lookup *lookup_new(tenon_reactor *reactor, const char *name,
                                const tenon_resolve_options *options)
{
    tenon_lookup *l = tenon__alloc(&reactor->allocator, sizeof *l);
    if (l) {
        l->reactor = reactor;
        l->refs = 1;
        l->ready.run = on_ready;
        l->by = reactor->names;
        memcpy(l->name, name, strlen(name) + 1);
        if (options) {
            memcpy(&l->options, options,
                   options->size < sizeof l->options ? options->size
                                                     : sizeof l->options);
        }
        tenon_timer_init(&l->deadline, reactor);
        (void)tenon_timer_set_daemon(&l->deadline, true);
    }
    return l;
}

static tenon_status begin(tenon_lookup *l)
{
    tenon_address address;
    int64_t timeout_ns =
        l->options.timeout_ns ? l->options.timeout_ns : TIMEOUT_DEFAULT;
    if (read_numeric(&address, l->name)) {
        tenon_status status = tenon_lookup_add(l, &address);
        if (status == TENON_OK) {
            tenon_lookup_done(l, NULL);
        }
        return status;
    }
    tenon_status status =
        tenon_timer_start(&l->deadline, timeout_ns, on_deadline, l);
    return status < 0 ? status : ask(l);
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
    resolver *r = resolver_of(reactor);
    if (!r) {
        return TENON_NO_MEMORY;
    }
    return r->lookups < TENON_LOOKUPS_MAX ? TENON_OK : TENON_LIMIT;
}

tenon_status tenon_resolve(tenon_reactor *reactor, tenon_lookup **out,
                           const char *name,
                           const tenon_resolve_options *options)
{
    tenon_status status = check(reactor, name, options);
    if (status < 0) {
        return status;
    }
    tenon_lookup *l = lookup_new(reactor, name, options);
    if (!l) {
        return TENON_NO_MEMORY;
    }
    tenon__pin(reactor); /* the resolver may drop it */
    l->by->lookups++;    /* nobody replaces a resolver that is being asked */
    status = begin(l);
    if (status < 0) {
        discard(l);
        return status;
    }
    tenon__object_add(reactor, &l->object, &object_ops);
    tenon__alive_add(reactor);
    if (out) {
        *out = tenon_lookup_ref(l);
    }
    return TENON_OK;
}

static void drop(tenon_reactor *reactor, tenon_node *node)
{
    dispose(TENON__OF(node, tenon_lookup, ready));
    tenon__unpin(reactor);
}

tenon_lookup *tenon_lookup_ref(tenon_lookup *l)
{
    if (l) {
        l->refs++;
    }
    return l;
}

void tenon_lookup_unref(tenon_lookup *l)
{
    if (l && tenon__check_thread(l->reactor) == TENON_OK && --l->refs == 0) {
        l->ready.run = drop;
        tenon__drop_push(l->reactor, &l->ready);
    }
}

tenon_status tenon_lookup_cancel(tenon_lookup *l)
{
    tenon_status status = tenon__check_thread(l->reactor);
    if (status == TENON_OK && l->state != TOLD) {
        give_up(l, TENON_CANCELLED);
    }
    return status;
}

void tenon__lookup_forget(tenon_lookup *l)
{
    l->options.on_address = NULL;
    l->options.on_done = NULL;
    (void)tenon_lookup_cancel(l);
    tenon_lookup_unref(l);
}

tenon_error *tenon__lookup_error(const tenon_lookup *l)
{
    return l->error;
}

const char *tenon_lookup_name(const tenon_lookup *l)
{
    return l->name;
}

int tenon_lookup_family(const tenon_lookup *l)
{
    return l->options.family;
}

tenon_reactor *tenon_lookup_reactor(const tenon_lookup *l)
{
    return l->reactor;
}

void tenon_lookup_set_data(tenon_lookup *l, void *data)
{
    l->data = data;
}

void *tenon_lookup_data(const tenon_lookup *l)
{
    return l->data;
}
