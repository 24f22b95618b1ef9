/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The end of a listener's connections. Stopping is closing, then waiting for
 * the last connection to be told connection_lost; how the connections end, and
 * when they must have, may be said several times. Whichever comes last, the
 * close or a connection, brings the notice.
 */

#include <string.h>

#include "net/listener.h"
#include "net/transport.h"

typedef struct stop {
    tenon_node node; /* in listener->stops */
    tenon_listener_stopped_fn *fn;
    void *user;
} stop;

/* ---- telling ---- */

static void tell_stops(tenon_listener *l, tenon_status status)
{
    tenon_node *node;
    tenon_node due;
    /* Who asks in one of these calls is told in the next turn. */
    tenon__list_init(&due);
    tenon__list_splice(&due, &l->stops);
    while ((node = tenon__list_pop(&due)) != NULL) {
        tenon__frame frame;
        stop one = *TENON__OF(node, stop, node);
        tenon__free(&l->reactor->allocator, TENON__OF(node, stop, node),
                    sizeof one);
        tenon__frame_enter_named(l->reactor, &frame, l, "listener",
                                 l->options.name);
        frame.carries = true;
        one.fn(l, status, one.user);
        tenon__frame_leave(l->reactor, &frame);
    }
}

static void stop_factory(tenon_listener *l)
{
    const tenon_factory_ops *ops = l->factory.ops;
    bool started = l->factory_state == TENON__FACTORY_STARTED;
    l->factory_state = TENON__FACTORY_STOPPED;
    if (started && ops && ops->size > offsetof(tenon_factory_ops, stop) &&
        ops->stop) {
        tenon__frame frame;
        tenon__frame_enter_named(l->reactor, &frame, l, "factory",
                                 l->options.name);
        frame.carries = true;
        ops->stop(l->factory.user, l->reactor);
        tenon__frame_leave(l->reactor, &frame);
    }
}

/* The reference of the reactor goes with the last notice. */
void tenon__listener_settle(tenon_listener *l, tenon_status status)
{
    bool last = (l->connections == 0 || status < 0) &&
                l->factory_state != TENON__FACTORY_STARTING;
    if (l->state == TENON__LISTENER_DRAINING && last) {
        l->state = TENON__LISTENER_ENDED;
        (void)tenon_timer_stop(&l->deadline);
        tenon__unqueue(&l->ready);
        tenon__list_remove(&l->object.node);
        stop_factory(l);
        tell_stops(l, l->connections ? status : l->stop_status);
        tenon_listener_unref(l);
    }
}

void tenon__listener_left(tenon_listener *l)
{
    l->connections--;
    if (l->state == TENON__LISTENING) {
        tenon__listener_let_in(l);
        if (l->options.max_connections) {
            tenon__listener_update(l);
        }
    } else if (l->state == TENON__LISTENER_DRAINING && l->connections == 0 &&
               !tenon__linked(&l->ready)) {
        tenon__ready_push(l->reactor, &l->ready);
    }
    tenon_listener_unref(l);
}

/* ---- asking ---- */

static void on_deadline(tenon_timer *timer, void *user)
{
    tenon_listener *l = user;
    (void)timer;
    l->stop_status = TENON_TIMED_OUT;
    tenon__transports_end(l->reactor, l, true);
}

static tenon_status set_deadline(tenon_listener *l, int64_t timeout_ns)
{
    int64_t at_ns = tenon__add_ns(tenon__clock(l->reactor), timeout_ns);
    if (timeout_ns <= 0 || l->state == TENON__LISTENER_ENDED ||
        (tenon_timer_is_active(&l->deadline) &&
         tenon_timer_when(&l->deadline) <= at_ns)) {
        return TENON_OK;
    }
    return tenon_timer_start_at(&l->deadline, at_ns, on_deadline, l);
}

static tenon_status add_stop(tenon_listener *l,
                             const tenon_stop_options *options)
{
    if (!options->on_stopped) {
        return TENON_OK;
    }
    stop *one = tenon__alloc(&l->reactor->allocator, sizeof *one);
    if (!one) {
        return TENON_NO_MEMORY;
    }
    one->fn = options->on_stopped;
    one->user = options->user;
    tenon__list_push(&l->stops, &one->node);
    return TENON_OK;
}

/* Takes back what add_stop did last. */
static void remove_stop(tenon_listener *l, const tenon_stop_options *options)
{
    if (options->on_stopped) {
        stop *one = TENON__OF(l->stops.prev, stop, node);
        tenon__list_remove(&one->node);
        tenon__free(&l->reactor->allocator, one, sizeof *one);
    }
}

tenon_status tenon_listener_stop(tenon_listener *l,
                                 const tenon_stop_options *options)
{
    tenon_stop_options chosen = {0};
    tenon_status status = tenon__check(l->reactor);
    if (options) {
        memcpy(&chosen, options,
               options->size < sizeof chosen ? options->size : sizeof chosen);
    }
    if (status < 0 || chosen.mode > TENON_STOP_ABORT || chosen.timeout_ns < 0) {
        return status < 0 ? status : TENON_INVALID;
    }
    status = add_stop(l, &chosen);
    if (status < 0) {
        return status;
    }
    status = set_deadline(l, chosen.timeout_ns);
    if (status < 0) {
        remove_stop(l, &chosen);
        return status;
    }
    (void)tenon_listener_close(l);
    if (chosen.mode != TENON_STOP_DRAIN) {
        tenon__transports_end(l->reactor, l, chosen.mode == TENON_STOP_ABORT);
    }
    if (l->state == TENON__LISTENER_ENDED && chosen.on_stopped) {
        tenon__listener_drain(l);
    }
    return TENON_OK;
}
