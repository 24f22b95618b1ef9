/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The life of a connector: the name, the deadline, the outcome. Whatever the
 * attempts come to, it is decided once and told from the ready queue of a
 * later turn.
 */

#include "net/connector.h"

#include <stdio.h>
#include <string.h>

#include "async/local.h"
#include "loop/trace.h"
#include "net/listener.h"
#include "net/resolver.h"
#include "net/stream.h"

#define TIMEOUT_DEFAULT (30 * TENON_SECOND)
/* RFC 8305: how long the first answer waits for one of IPv6. */
#define RESOLUTION_DELAY (50 * TENON_MILLISECOND)

static void release(tenon_connector *c)
{
    if (c->fd >= 0) {
        tenon__fd_close(c->reactor, NULL, c->fd);
        c->fd = -1;
    }
}

static void forget_lookup(tenon_connector *c)
{
    if (c->lookup) {
        tenon__lookup_forget(c->lookup);
        c->lookup = NULL;
    }
}

static void add_cause(tenon_connector *c, tenon_status status,
                      const char *message)
{
    tenon_error *error = tenon__error(c->reactor, status, message, c->cause);
    tenon_error_unref(c->cause);
    c->cause = error;
}

void tenon__connector_note(tenon_connector *c, tenon_status status,
                           const tenon_address *address)
{
    char text[TENON_ADDRESS_TEXT_LEN];
    tenon_address_format(address, text, sizeof text);
    add_cause(c, status, text);
}

void tenon__connector_decide(tenon_connector *c, tenon_status outcome, int fd)
{
    (void)tenon_timer_stop(&c->total);
    tenon__race_end(c, outcome == TENON_TIMED_OUT ? outcome : TENON_OK);
    forget_lookup(c);
    c->outcome = outcome;
    if (outcome < 0) {
        release(c);
    } else {
        c->fd = fd;
    }
    if (c->state == TENON__TRYING) {
        c->state = TENON__DECIDED;
        tenon__ready_push(c->reactor, &c->ready);
    }
}

/* ---- the notice ---- */

/* The transport of a socket that connected; the socket goes with it. */
static tenon_status hand_over(tenon_connector *c, tenon_transport **out)
{
    const tenon_address *address = &c->endpoint.address;
    if (address->kind == TENON_ADDRESS_MEMORY) {
        return tenon__listener_meet(c->reactor, address, c->factory, out);
    }
    *out = tenon__stream_new(c->reactor, c->fd, c->factory);
    if (!*out) {
        release(c);
        return TENON_NO_MEMORY;
    }
    c->fd = -1;
    return TENON_OK;
}

static tenon_error *error_of(tenon_connector *c, tenon_status status)
{
    char text[TENON_ENDPOINT_TEXT_LEN + 16];
    size_t len = (size_t)snprintf(text, sizeof text, "connect ");
    tenon_endpoint_format(&c->endpoint, text + len, sizeof text - len);
    return tenon__error(c->reactor, status, text, c->cause);
}

static void call(tenon_connector *c, tenon_transport *t, tenon_status status)
{
    tenon__frame frame;
    if (!c->options.on_connected) {
        return;
    }
    c->error = status < 0 ? error_of(c, status) : NULL;
    tenon__frame_enter(c->reactor, &frame, c, "connector", NULL);
    frame.carries = true;
    c->options.on_connected(c, c->error ? NULL : t, c->error, c->options.user);
    tenon__frame_leave(c->reactor, &frame);
    tenon_error_unref(c->error);
    c->error = NULL;
}

/* The state is TOLD before user code runs: from here on nothing, the end of
 * the reactor included, tells it again. */
static void tell(tenon_connector *c)
{
    tenon_transport *t = NULL;
    tenon_status status = c->outcome;
    c->state = TENON__TOLD;
    tenon__unqueue(&c->ready);
    if (status == TENON_OK) {
        status = hand_over(c, &t);
    }
    if (status == TENON_OK) {
        tenon_transport_ref(t);
        tenon__local_inherit(c->reactor, &t->object, &c->object);
        status = tenon__transport_open(t);
    }
    call(c, t, status);
    tenon_transport_unref(t);
    tenon__list_remove(&c->object.node);
    tenon__alive_sub(c->reactor);
    tenon_connector_unref(c);
}

static void on_ready(tenon_reactor *reactor, tenon_node *node)
{
    (void)reactor;
    tell(TENON__OF(node, tenon_connector, ready));
}

static void on_total(tenon_timer *timer, void *user)
{
    (void)timer;
    tenon__connector_decide(user, TENON_TIMED_OUT, -1);
}

static void end(tenon__object *object, tenon_status status)
{
    tenon_connector *c = TENON__OF(object, tenon_connector, object);
    tenon__list_remove(&c->object.node);
    if (c->state != TENON__TOLD) {
        c->state = TENON__DECIDED;
        tenon__connector_decide(c, status, -1);
        tell(c);
    }
}

static void dump(const tenon__object *object, FILE *file)
{
    const tenon_connector *c = TENON__OF(object, const tenon_connector, object);
    char text[TENON_ENDPOINT_TEXT_LEN];
    tenon_endpoint_format(&c->endpoint, text, sizeof text);
    fprintf(file, "connector %s, %u addresses", text, c->count);
}

static const tenon__object_ops object_ops = {"connector", end, dump};

/* ---- names ---- */

static void on_first(tenon_timer *timer, void *user)
{
    (void)timer;
    tenon__race_go(user);
}

/* The first address waits a little for better ones: those that come with it
 * and, if it is not IPv6, those that come soon. Later ones go as the race
 * goes: at once if it has nothing else to wait for. */
static void on_address(tenon_lookup *lookup, const tenon_address *address,
                       void *user)
{
    tenon_connector *c = user;
    bool v6 = address->as.any.sa_family == AF_INET6;
    tenon_status status = tenon__race_add(c, address);
    (void)lookup;
    if (status == TENON_OK && !c->started) {
        bool waits = tenon_timer_is_active(&c->next);
        status = waits && !v6
                     ? TENON_OK
                     : tenon_timer_start(&c->next, v6 ? 0 : RESOLUTION_DELAY,
                                         on_first, c);
    } else if (status == TENON_OK && !tenon_timer_is_active(&c->next)) {
        tenon__race_go(c);
    }
    if (status < 0) {
        tenon__connector_decide(c, status, -1);
    }
}

static void on_resolved(tenon_lookup *lookup, const tenon_error *error,
                        void *user)
{
    tenon_connector *c = user;
    c->lookup = NULL;
    c->complete = true;
    if (error) {
        tenon_error_unref(c->cause);
        c->cause = tenon_error_ref(tenon__lookup_error(lookup));
    }
    if (c->count == 0) {
        tenon__connector_decide(c, tenon_error_status(error), -1);
    } else if (!c->started || tenon__list_empty(&c->attempts)) {
        tenon__race_go(c);
    }
    tenon_lookup_unref(lookup);
}

static tenon_status look_up(tenon_connector *c)
{
    tenon_resolve_options how = {
        .size = sizeof how,
        .family = c->local.kind ? c->local.as.any.sa_family : AF_UNSPEC,
        .port = c->endpoint.port,
        .timeout_ns = c->options.resolve_timeout_ns
                          ? c->options.resolve_timeout_ns
                          : TENON_FOREVER,
        .on_address = on_address,
        .on_done = on_resolved,
        .user = c};
    return tenon_resolve(c->reactor, &c->lookup, c->endpoint.name, &how);
}

/* ---- public ---- */

static tenon_status read_options(tenon_connector *c,
                                 const tenon_connect_options *options)
{
    tenon_connect_options *o = &c->options;
    const tenon_endpoint *e = &c->endpoint;
    if (options) {
        memcpy(o, options,
               options->size < sizeof *o ? options->size : sizeof *o);
    }
    if (o->timeout_ns < 0 || o->resolve_timeout_ns < 0 ||
        o->attempt_timeout_ns < 0 || o->attempt_delay_ns < 0) {
        return TENON_INVALID;
    }
    o->timeout_ns = e->given & TENON_ENDPOINT_TIMEOUT ? e->timeout_ns
                    : o->timeout_ns                   ? o->timeout_ns
                                                      : TIMEOUT_DEFAULT;
    if (e->given & TENON_ENDPOINT_LOCAL) {
        c->local = e->local;
    } else if (o->local) {
        tenon_status status = tenon_address_parse(&c->local, o->local);
        return status == TENON_OK && c->local.kind != TENON_ADDRESS_TCP
                   ? TENON_BAD_ADDRESS
                   : status;
    }
    return TENON_OK;
}

static tenon_status read_address(tenon_endpoint *out, const char *address)
{
    const uint32_t of_clients = TENON_ENDPOINT_TIMEOUT | TENON_ENDPOINT_LOCAL;
    tenon_status status = tenon_endpoint_parse(out, address);
    if (status == TENON_OK && out->kind == TENON_ENDPOINT_FD) {
        return TENON_NOT_SUPPORTED;
    }
    bool fits = status == TENON_OK && out->kind != TENON_ENDPOINT_ANY &&
                !(out->given & ~of_clients);
    return fits || status < 0 ? status : TENON_BAD_ADDRESS;
}

/* Legal for a half-built one. */
static void dispose(tenon_connector *c)
{
    const tenon_allocator *allocator = &c->reactor->allocator;
    tenon_error_unref(c->cause);
    tenon__free(allocator, c->candidates, c->capacity * sizeof *c->candidates);
    tenon__local_forget(c->reactor, &c->object);
    tenon__trace_forget(c->reactor, c);
    tenon__free(allocator, c, sizeof *c);
}

static void set_up(tenon_connector *c, tenon_reactor *reactor,
                   tenon_factory factory)
{
    c->reactor = reactor;
    c->factory = factory;
    c->refs = 1;
    c->fd = -1;
    c->ready.run = on_ready;
    tenon__list_init(&c->attempts);
    tenon_timer_init(&c->total, reactor);
    tenon_timer_init(&c->next, reactor);
    (void)tenon_timer_set_daemon(&c->total, true);
    (void)tenon_timer_set_daemon(&c->next, true);
}

static tenon_status begin_race(tenon_connector *c)
{
    if (c->endpoint.address.kind == TENON_ADDRESS_MEMORY) {
        tenon__connector_decide(c, TENON_OK, -1);
        return TENON_OK;
    }
    tenon_status status = tenon__race_add(c, &c->endpoint.address);
    c->complete = true;
    if (status == TENON_OK) {
        tenon__race_go(c);
    }
    return status;
}

/* A resolver may run the loop, so nothing else can be under way then. */
static tenon_status begin(tenon_connector *c)
{
    bool named = c->endpoint.kind == TENON_ENDPOINT_NAME;
    tenon_status status = named ? look_up(c) : TENON_OK;
    if (status < 0) {
        return status;
    }
    status = tenon_timer_start(&c->total, c->options.timeout_ns, on_total, c);
    if (status < 0) {
        forget_lookup(c);
        return status;
    }
    status = named ? TENON_OK : begin_race(c);
    if (status < 0) {
        (void)tenon_timer_stop(&c->total);
    }
    return status;
}

static tenon_status prepare(tenon_connector *c, const char *address,
                            const tenon_connect_options *options)
{
    tenon_status status = read_address(&c->endpoint, address);
    if (status == TENON_OK) {
        status = read_options(c, options);
    }
    return status == TENON_OK ? begin(c) : status;
}

tenon_status tenon_connector_start(tenon_reactor *reactor,
                                   tenon_connector **out, const char *address,
                                   tenon_factory factory,
                                   const tenon_connect_options *options)
{
    tenon_status status = tenon__check(reactor);
    if (status < 0) {
        return status;
    }
    tenon_connector *c = tenon__alloc(&reactor->allocator, sizeof *c);
    if (!c) {
        return TENON_NO_MEMORY;
    }
    set_up(c, reactor, factory);
    tenon__pin(reactor);
    status = prepare(c, address, options);
    if (status < 0) {
        dispose(c);
        tenon__unpin(reactor);
        return status;
    }
    c->object.locals = tenon__local_keep(reactor);
    tenon__object_add(reactor, &c->object, &object_ops);
    tenon__alive_add(reactor);
    tenon__trace_made(reactor, c, "connector");
    if (out) {
        *out = tenon_connector_ref(c);
    }
    return TENON_OK;
}

static void drop(tenon_reactor *reactor, tenon_node *node)
{
    dispose(TENON__OF(node, tenon_connector, ready));
    tenon__unpin(reactor);
}

tenon_connector *tenon_connector_ref(tenon_connector *c)
{
    if (c) {
        c->refs++;
    }
    return c;
}

void tenon_connector_unref(tenon_connector *c)
{
    if (c && tenon__check_thread(c->reactor) == TENON_OK && --c->refs == 0) {
        c->ready.run = drop;
        tenon__drop_push(c->reactor, &c->ready);
    }
}

tenon_status tenon_connector_cancel(tenon_connector *c)
{
    tenon_status status = tenon__check_thread(c->reactor);
    bool open = c->state == TENON__TRYING ||
                (c->state == TENON__DECIDED && c->outcome == TENON_OK);
    if (status == TENON_OK && open) {
        tenon__connector_decide(c, TENON_CANCELLED, -1);
    }
    return status;
}
