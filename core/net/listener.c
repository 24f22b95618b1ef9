/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The life of a listener. The reactor's reference lasts until its last
 * connection has ended, the sockets until it is closed, their addresses until
 * the memory goes.
 */

#include "net/listener.h"

#include <stdio.h>
#include <string.h>

#include "async/local.h"
#include "loop/trace.h"
#include "net/address.h"

/* ---- the end ---- */

static void close_sockets(tenon_listener *l)
{
    (void)tenon_timer_stop(&l->back_off);
    tenon__unqueue(&l->parked);
    tenon__unqueue(&l->start);
    tenon__listener_turn_away(l);
    tenon_node *node = l->acceptors.next;
    for (; node != &l->acceptors; node = node->next) {
        tenon__acceptor_close(TENON__OF(node, tenon__acceptor, node));
    }
}

static void dispose(tenon_listener *l)
{
    tenon_reactor *reactor = l->reactor;
    tenon_node *node;
    while ((node = tenon__list_pop(&l->acceptors)) != NULL) {
        tenon__free(&reactor->allocator, TENON__OF(node, tenon__acceptor, node),
                    sizeof(tenon__acceptor));
    }
    tenon__timer_unkeep(&l->back_off);
    tenon__local_forget(reactor, &l->object);
    tenon__trace_forget(reactor, l);
    tenon__free(&reactor->allocator, l, sizeof *l);
}

static void tell_closed(tenon_listener *l)
{
    tenon__frame frame;
    l->state = TENON__LISTENER_DRAINING;
    l->reactor->stats.listener_count--;
    if (!l->options.daemon) {
        tenon__alive_sub(l->reactor);
    }
    if (l->options.on_closed) {
        tenon__frame_enter_named(l->reactor, &frame, l, "listener",
                                 l->options.name);
        frame.carries = true;
        l->options.on_closed(l, l->options.on_closed_user);
        tenon__frame_leave(l->reactor, &frame);
    }
}

static void on_ready(tenon_reactor *reactor, tenon_node *node)
{
    tenon_listener *l =
        tenon_listener_ref(TENON__OF(node, tenon_listener, ready));
    (void)reactor;
    tenon__unqueue(&l->ready);
    if (l->state == TENON__LISTENER_CLOSING) {
        tell_closed(l);
    }
    tenon__listener_settle(l, TENON_OK);
    tenon_listener_unref(l);
}

static void end(tenon__object *object, tenon_status status)
{
    tenon_listener *l =
        tenon_listener_ref(TENON__OF(object, tenon_listener, object));
    if (l->state == TENON__LISTENING) {
        l->state = TENON__LISTENER_CLOSING;
        close_sockets(l);
    }
    tenon__unqueue(&l->ready);
    if (l->state == TENON__LISTENER_CLOSING) {
        tell_closed(l);
    }
    tenon__listener_settle(l, status);
    tenon_listener_unref(l);
}

static void dump(const tenon__object *object, FILE *file)
{
    static const char *const states[] = {"", ", closing", ", draining",
                                         ", ended"};
    const tenon_listener *l = TENON__OF(object, const tenon_listener, object);
    const char *name = l->options.name;
    fprintf(file, "listener %s", name ? name : "-");
    tenon_node *node = l->acceptors.next;
    for (; node != &l->acceptors; node = node->next) {
        char text[TENON_ADDRESS_TEXT_LEN];
        tenon_address_format(&TENON__OF(node, tenon__acceptor, node)->address,
                             text, sizeof text);
        fprintf(file, " %s", text);
    }
    fprintf(file, ", %llu accepted, %u connected%s%s%s%s",
            (unsigned long long)l->accepted, l->connections, states[l->state],
            l->paused ? ", paused" : "", l->is_parked ? ", parked" : "",
            l->options.daemon ? ", daemon" : "");
}

static const tenon__object_ops object_ops = {"listener", end, dump};

void tenon__listener_drain(tenon_listener *l)
{
    if (l->state == TENON__LISTENER_ENDED) {
        l->state = TENON__LISTENER_DRAINING;
        tenon_listener_ref(l);
        l->object.locals = tenon__local_keep(l->reactor);
        tenon__object_add(l->reactor, &l->object, &object_ops);
        tenon__ready_push(l->reactor, &l->ready);
    }
}

/* ---- the factory ---- */

static bool has_start(const tenon_factory *factory)
{
    const tenon_factory_ops *ops = factory->ops;
    return ops && ops->size > offsetof(tenon_factory_ops, start) && ops->start;
}

static void start_factory(tenon_reactor *reactor, tenon_node *node)
{
    tenon__frame frame;
    tenon_listener *l =
        tenon_listener_ref(TENON__OF(node, tenon_listener, start));
    l->factory_state = TENON__FACTORY_STARTING;
    tenon__frame_enter_named(reactor, &frame, l, "factory", l->options.name);
    frame.carries = true;
    tenon_status status = l->factory.ops->start(l->factory.user, reactor);
    tenon__frame_leave(reactor, &frame);
    l->factory_state = status < 0 ? TENON__FACTORY_NEW : TENON__FACTORY_STARTED;
    if (status < 0) {
        tenon__report_status(reactor, "factory", l->options.name, l, status);
        (void)tenon_listener_close(l);
    }
    if (l->state == TENON__LISTENER_DRAINING && !tenon__linked(&l->ready)) {
        tenon__ready_push(reactor, &l->ready); /* a nested loop closed it */
    }
    if (l->state == TENON__LISTENING) {
        tenon__listener_let_in(l);
        tenon__listener_update(l);
    }
    tenon_listener_unref(l);
}

/* ---- the beginning ---- */

static tenon_status add(tenon_listener *l, const tenon_endpoint *endpoint)
{
    tenon__bound bound[TENON__BOUND_MAX];
    int count = tenon__bind(l->reactor, endpoint, &l->options, bound);
    tenon_status status = count < 0 ? count : TENON_OK;
    int added = 0;
    while (added < count && status >= 0) {
        status = tenon__acceptor_add(l, &bound[added]);
        added += status >= 0;
    }
    for (int i = added; status < 0 && i < count; i++) {
        tenon__bound_fini(l->reactor, &bound[i]);
    }
    /* The other family's, which nobody has seen yet. */
    for (; status < 0 && added > 0; added--) {
        tenon__acceptor *a =
            TENON__OF(l->acceptors.prev, tenon__acceptor, node);
        tenon__acceptor_close(a);
        tenon__list_remove(&a->node);
        tenon__free(&l->reactor->allocator, a, sizeof *a);
    }
    return status;
}

static void set_up(tenon_listener *l, tenon_reactor *reactor,
                   const tenon_listen_options *options)
{
    l->reactor = reactor;
    l->refs = 2; /* the reactor's and the caller's */
    l->paused = options->start_paused;
    l->options = *options;
    l->factory_state =
        has_start(&l->factory) ? TENON__FACTORY_NEW : TENON__FACTORY_STARTED;
    l->ready.run = on_ready;
    l->start.run = start_factory;
    l->parked.run = tenon__listener_run_parked;
    tenon__list_init(&l->acceptors);
    tenon__list_init(&l->waiting);
    tenon__list_init(&l->stops);
    tenon_timer_init(&l->back_off, reactor);
    tenon_timer_init(&l->deadline, reactor);
    (void)tenon_timer_set_daemon(&l->back_off, true);
    (void)tenon_timer_set_daemon(&l->deadline, true);
}

static void publish(tenon_listener *l)
{
    l->object.locals = tenon__local_keep(l->reactor);
    tenon__object_add(l->reactor, &l->object, &object_ops);
    tenon__pin(l->reactor);
    l->reactor->stats.listener_count++;
    tenon__trace_made(l->reactor, l, "listener");
    if (!l->options.daemon) {
        tenon__alive_add(l->reactor);
    }
    if (l->factory_state == TENON__FACTORY_NEW) {
        tenon__ready_push(l->reactor, &l->start);
    }
}

static tenon_status listen_at(tenon_reactor *reactor, tenon_listener **out,
                              const tenon_endpoint *endpoint,
                              tenon_factory factory,
                              const tenon_listen_options *options)
{
    tenon_listen_options chosen = {0};
    if (options) {
        memcpy(&chosen, options,
               options->size < sizeof chosen ? options->size : sizeof chosen);
    }
    tenon_listener *l = tenon__alloc(&reactor->allocator, sizeof *l);
    if (!l) {
        return TENON_NO_MEMORY;
    }
    l->factory = factory;
    set_up(l, reactor, &chosen);
    tenon_status status = add(l, endpoint);
    if (status == TENON_OK) {
        status = tenon__timer_keep(&l->back_off);
    }
    if (status < 0) {
        close_sockets(l);
        dispose(l);
        return status;
    }
    publish(l);
    *out = l;
    return TENON_OK;
}

tenon_status tenon_listen(tenon_reactor *reactor, tenon_listener **out,
                          const char *address, tenon_factory factory,
                          const tenon_listen_options *options)
{
    tenon_endpoint endpoint;
    tenon_status status = tenon__check(reactor);
    if (status < 0) {
        return status;
    }
    status = out ? tenon_endpoint_parse(&endpoint, address) : TENON_INVALID;
    return status < 0 ? status
                      : listen_at(reactor, out, &endpoint, factory, options);
}

tenon_status tenon_listen_adopt(tenon_reactor *reactor, tenon_listener **out,
                                int fd, tenon_factory factory,
                                const tenon_listen_options *options)
{
    tenon_endpoint endpoint = {.kind = TENON_ENDPOINT_FD, .fd = fd};
    tenon_status status = tenon__check(reactor);
    if (status < 0 || !out) {
        return status < 0 ? status : TENON_INVALID;
    }
    return listen_at(reactor, out, &endpoint, factory, options);
}

tenon_status tenon_listener_add(tenon_listener *l, const char *address)
{
    tenon_endpoint endpoint;
    tenon_status status = tenon__check(l->reactor);
    if (status < 0) {
        return status;
    }
    if (l->state != TENON__LISTENING) {
        return TENON_CLOSED;
    }
    status = tenon_endpoint_parse(&endpoint, address);
    return status < 0 ? status : add(l, &endpoint);
}

static void drop(tenon_reactor *reactor, tenon_node *node)
{
    dispose(TENON__OF(node, tenon_listener, ready));
    tenon__unpin(reactor);
}

tenon_listener *tenon_listener_ref(tenon_listener *l)
{
    if (l) {
        l->refs++;
    }
    return l;
}

void tenon_listener_unref(tenon_listener *l)
{
    if (l && tenon__check_thread(l->reactor) == TENON_OK && --l->refs == 0) {
        l->ready.run = drop;
        tenon__drop_push(l->reactor, &l->ready);
    }
}

tenon_status tenon_listener_close(tenon_listener *l)
{
    tenon_status status = tenon__check_thread(l->reactor);
    if (status == TENON_OK && l->state == TENON__LISTENING) {
        l->state = TENON__LISTENER_CLOSING;
        close_sockets(l);
        tenon__ready_push(l->reactor, &l->ready);
    }
    return status;
}

static tenon_status set_paused(tenon_listener *l, bool paused)
{
    tenon_status status = tenon__check(l->reactor);
    if (status < 0) {
        return status;
    }
    if (l->state != TENON__LISTENING) {
        return TENON_CLOSED;
    }
    l->paused = paused;
    tenon__listener_let_in(l);
    tenon__listener_update(l);
    return TENON_OK;
}

tenon_status tenon_listener_pause(tenon_listener *l)
{
    return set_paused(l, true);
}

tenon_status tenon_listener_resume(tenon_listener *l)
{
    return set_paused(l, false);
}

/* ---- getters ---- */

tenon_status tenon_listener_address(const tenon_listener *l, tenon_address *out)
{
    return tenon_listener_address_at(l, 0, out);
}

size_t tenon_listener_address_count(const tenon_listener *l)
{
    size_t count = 0;
    tenon_node *node = l->acceptors.next;
    for (; node != &l->acceptors; node = node->next) {
        count++;
    }
    return count;
}

tenon_status tenon_listener_address_at(const tenon_listener *l, size_t index,
                                       tenon_address *out)
{
    tenon_node *node = l->acceptors.next;
    for (; node != &l->acceptors && index > 0; node = node->next) {
        index--;
    }
    if (!out || node == &l->acceptors) {
        return TENON_INVALID;
    }
    *out = TENON__OF(node, tenon__acceptor, node)->address;
    return TENON_OK;
}

uint64_t tenon_listener_accepted(const tenon_listener *l)
{
    return l->accepted;
}

uint32_t tenon_listener_connections(const tenon_listener *l)
{
    return l->connections;
}
