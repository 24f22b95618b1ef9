/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Lookups. Whatever the resolver answers, and whenever, is told from the ready
 * queue of a later turn: first the addresses, then the end. A lookup of the
 * name of an address has the same life; its one answer is told with the end.
 *
 *   LOOKING -> ANSWERED (the end is known, and owed) -> TOLD
 */

#include <string.h>

#include "loop/trace.h"
#include "net/address.h"
#include "net/cache.h"
#include "net/lookup.h"

#define TIMEOUT_DEFAULT (30 * TENON_SECOND)

static void owe(tenon_lookup *l)
{
    if (!tenon__linked(&l->ready) && l->state != TENON__LOOKUP_TOLD) {
        tenon__ready_push(l->reactor, &l->ready);
    }
}

static void ask_no_more(tenon_lookup *l)
{
    bool asked = l->asked;
    l->asked = false;
    if (asked) {
        tenon__resolver_cancel(l->by, l);
    }
}

/* ---- telling ---- */

/* Ownership: of `error`. */
static void answer(tenon_lookup *l, tenon_error *error)
{
    tenon_error_unref(l->error);
    l->error = error;
    l->state = TENON__LOOKUP_ANSWERED;
    (void)tenon_timer_stop(&l->deadline);
    owe(l);
}

/* Drops what is not told yet. The reactor may end in the resolver's cancel. */
static void give_up(tenon_lookup *l, tenon_status status)
{
    l->told = l->count;
    ask_no_more(l);
    if (l->state != TENON__LOOKUP_TOLD) {
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

static void call_done(tenon_lookup *l)
{
    tenon__frame frame;
    tenon__frame_enter(l->reactor, &frame, l, "lookup", l->name);
    if (l->on_name) {
        l->on_name(l, l->error ? NULL : l->host, l->error, l->options.user);
    } else if (l->options.on_done) {
        l->options.on_done(l, l->error, l->options.user);
    }
    tenon__frame_leave(l->reactor, &frame);
}

static void tell_done(tenon_lookup *l)
{
    tenon__resolver *by = l->by;
    l->state = TENON__LOOKUP_TOLD;
    tenon__unqueue(&l->ready);
    tenon__list_remove(&l->object.node);
    call_done(l);
    tenon__resolver_leave(by);
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
        if (l->state == TENON__LOOKUP_ANSWERED && !tenon__linked(&l->ready)) {
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
    if (l->state == TENON__LOOKUP_OPEN) {
        tenon__report_status(l->reactor, "lookup", l->name, l, status);
    }
    if (l->state != TENON__LOOKUP_TOLD) {
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
    if (status < 0 || l->state != TENON__LOOKUP_OPEN) {
        return status < 0 ? status : TENON_CLOSED;
    }
    int family = address ? address->as.any.sa_family : AF_UNSPEC;
    if (!address || address->kind != TENON_ADDRESS_TCP || l->on_name) {
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

tenon_status tenon_lookup_set_host(tenon_lookup *l, const char *host)
{
    tenon_status status = tenon__check_thread(l->reactor);
    if (status < 0 || l->state != TENON__LOOKUP_OPEN) {
        return status < 0 ? status : TENON_CLOSED;
    }
    if (!l->on_name || !host || !tenon_name_is_valid(host)) {
        return TENON_INVALID;
    }
    memcpy(l->host, host, strlen(host) + 1);
    return TENON_OK;
}

static bool has_answer(const tenon_lookup *l)
{
    return l->on_name ? l->host[0] != '\0' : l->count > 0;
}

static void keep_answer(const tenon_lookup *l)
{
    if (!l->on_name && l->asked) {
        tenon__cache_put(tenon__resolver_cache(l->by), l->name,
                         l->options.family, l->addresses, l->count);
    }
}

void tenon_lookup_done(tenon_lookup *l, tenon_error *error)
{
    if (tenon__check_thread(l->reactor) < 0 || l->state != TENON__LOOKUP_OPEN) {
        return;
    }
    if (!error && has_answer(l)) {
        keep_answer(l);
    }
    l->asked = false;
    if (!error && !has_answer(l)) {
        answer(l, tenon__error(l->reactor, TENON_UNRESOLVED, l->name, NULL));
    } else {
        answer(l, tenon_error_ref(error));
    }
}

/* ---- beginning and end ---- */

tenon_lookup *tenon__lookup_new(tenon_reactor *reactor, const char *name,
                                const tenon_resolve_options *options)
{
    tenon_lookup *l = tenon__alloc(&reactor->allocator, sizeof *l);
    if (l) {
        l->reactor = reactor;
        l->refs = 1;
        tenon__pin(reactor); /* the resolver may drop it */
        l->ready.run = on_ready;
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

/* Nothing is told in a loop that the resolver runs. */
tenon_status tenon__lookup_ask(tenon_lookup *l)
{
    tenon__frame frame;
    int64_t timeout_ns =
        l->options.timeout_ns ? l->options.timeout_ns : TIMEOUT_DEFAULT;
    tenon_status status =
        tenon_timer_start(&l->deadline, timeout_ns, on_deadline, l);
    if (status < 0) {
        return status;
    }
    l->asked = true;
    tenon__frame_enter(l->reactor, &frame, l, NULL, NULL);
    status = tenon__resolver_ask(l->by, l);
    tenon__frame_leave(l->reactor, &frame);
    l->asked = l->asked && status >= 0;
    if (status >= 0 && l->reactor->life == TENON__CLOSED) {
        ask_no_more(l);
        return l->reactor->end_status;
    }
    if (l->count > 0 || l->state == TENON__LOOKUP_ANSWERED) {
        owe(l);
    }
    return status;
}

void tenon__lookup_begun(tenon_lookup *l)
{
    tenon__object_add(l->reactor, &l->object, &object_ops);
    tenon__alive_add(l->reactor);
    tenon__trace_made(l->reactor, l, "lookup");
}

static void dispose(tenon_lookup *l)
{
    const tenon_allocator *allocator = &l->reactor->allocator;
    tenon_error_unref(l->error);
    tenon__free(allocator, l->addresses, l->capacity * sizeof *l->addresses);
    tenon__trace_forget(l->reactor, l);
    tenon__free(allocator, l, sizeof *l);
}

void tenon__lookup_discard(tenon_lookup *l)
{
    tenon_reactor *reactor = l->reactor;
    if (l->by) {
        tenon__resolver_leave(l->by);
    }
    (void)tenon_timer_stop(&l->deadline);
    tenon__unqueue(&l->ready);
    dispose(l);
    tenon__unpin(reactor);
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
    if (status == TENON_OK && l->state != TENON__LOOKUP_TOLD) {
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

const tenon_address *tenon_lookup_address(const tenon_lookup *l)
{
    return l->on_name ? &l->of : NULL;
}
