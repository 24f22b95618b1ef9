/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Connectors. Whatever the attempt comes to, the outcome is decided once and
 * told from the ready queue of a later turn:
 *
 *   TRYING -> DECIDED (outcome known, notice queued) -> TOLD
 */

#include <tenon/connector.h>

#include <stdio.h>
#include <string.h>

#include "net/address.h"
#include "net/listener.h"
#include "net/stream.h"

#define TIMEOUT_DEFAULT (30 * TENON_SECOND)
/* A UNIX listener whose backlog is full says EAGAIN and wakes nobody. */
#define RETRY_NS (5 * TENON_MILLISECOND)

enum connector_state { TRYING, DECIDED, TOLD };

struct tenon_connector {
    tenon__object object;
    tenon_reactor *reactor;
    tenon_watch watch; /* its fd is the socket; -1: none */
    tenon_factory factory;
    tenon_address address;
    tenon_timer timer;
    tenon_node ready; /* the notice; at last, the memory */
    int64_t deadline_ns;
    tenon_connected_fn *on_connected;
    void *user;
    tenon_status outcome;
    uint32_t refs;
    enum connector_state state;
};

static void release(tenon_connector *c)
{
    int fd = c->watch.fd;
    if (fd >= 0) {
        tenon__fd_close(c->reactor, &c->watch, fd);
        c->watch.fd = -1;
    }
}

static void decide(tenon_connector *c, tenon_status outcome)
{
    (void)tenon_timer_stop(&c->timer);
    c->outcome = outcome;
    if (outcome < 0) {
        release(c);
    } else if (c->watch.fd >= 0) {
        (void)tenon_watch_stop(&c->watch);
    }
    if (c->state == TRYING) {
        c->state = DECIDED;
        tenon__ready_push(c->reactor, &c->ready);
    }
}

/* ---- the notice ---- */

/* The transport of a socket that connected; the socket goes with it. */
static tenon_status hand_over(tenon_connector *c, tenon_transport **out)
{
    if (c->address.kind == TENON_ADDRESS_MEMORY) {
        return tenon__listener_meet(c->reactor, &c->address, c->factory, out);
    }
    *out = tenon__stream_new(c->reactor, c->watch.fd, c->factory);
    if (!*out) {
        release(c);
        return TENON_NO_MEMORY;
    }
    c->watch.fd = -1;
    return TENON_OK;
}

static void call(tenon_connector *c, tenon_transport *t, tenon_status status)
{
    tenon__frame frame;
    tenon_error *error = NULL;
    if (!c->on_connected) {
        return;
    }
    if (status < 0) {
        error = tenon__error(c->reactor, status, "connect", NULL);
    }
    tenon__frame_enter(c->reactor, &frame, c, "connector", NULL);
    c->on_connected(c, error ? NULL : t, error, c->user);
    tenon__frame_leave(c->reactor, &frame);
    tenon_error_unref(error);
}

/* The state is TOLD before user code runs: from here on nothing, the end of
 * the reactor included, tells it again. */
static void tell(tenon_connector *c)
{
    tenon_transport *t = NULL;
    tenon_status status = c->outcome;
    c->state = TOLD;
    tenon__unqueue(&c->ready);
    if (status == TENON_OK) {
        status = hand_over(c, &t);
    }
    if (status == TENON_OK) {
        tenon_transport_ref(t);
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

/* ---- the attempt ---- */

static void on_timer(tenon_timer *timer, void *user);

static void on_writable(tenon_watch *watch, uint32_t events, void *user)
{
    int error = 0;
    socklen_t len = sizeof error;
    (void)events;
    if (getsockopt(watch->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0) {
        error = errno;
    }
    decide(user, -error);
}

/* Tries once. A failure of the attempt is an outcome; one of the means to
 * wait for it is returned. */
static tenon_status attempt(tenon_connector *c)
{
    int64_t wait_until = c->deadline_ns;
    int result = connect(c->watch.fd, &c->address.as.any, c->address.len);
    int error = result < 0 ? errno : 0;
    tenon_status status = TENON_OK;
    if (error == EINPROGRESS || error == EINTR) {
        status =
            tenon__watch_start_owned(&c->watch, TENON_WRITE, on_writable, c);
    } else if (error == EAGAIN && c->address.kind == TENON_ADDRESS_UNIX) {
        int64_t retry = tenon__add_ns(tenon__clock(c->reactor), RETRY_NS);
        wait_until = retry < wait_until ? retry : wait_until;
    } else {
        decide(c, -error);
        return TENON_OK;
    }
    return status < 0
               ? status
               : tenon_timer_start_at(&c->timer, wait_until, on_timer, c);
}

static void on_timer(tenon_timer *timer, void *user)
{
    tenon_connector *c = user;
    (void)timer;
    if (tenon__clock(c->reactor) >= c->deadline_ns) {
        decide(c, TENON_TIMED_OUT);
        return;
    }
    tenon_status status = attempt(c);
    if (status < 0) {
        decide(c, status);
    }
}

static void end(tenon__object *object, tenon_status status)
{
    tenon_connector *c = TENON__OF(object, tenon_connector, object);
    tenon__list_remove(&c->object.node);
    if (c->state != TOLD) {
        c->state = DECIDED;
        decide(c, status);
        tell(c);
    }
}

static void dump(const tenon__object *object, FILE *file)
{
    const tenon_connector *c = TENON__OF(object, const tenon_connector, object);
    char text[TENON_ADDRESS_TEXT_LEN];
    tenon_address_format(&c->address, text, sizeof text);
    fprintf(file, "connector %s", text);
}

static const tenon__object_ops object_ops = {"connector", end, dump};

/* ---- public ---- */

static void set_up(tenon_connector *c, tenon_reactor *reactor,
                   const tenon_connect_options *options)
{
    int64_t timeout_ns =
        options->timeout_ns ? options->timeout_ns : TIMEOUT_DEFAULT;
    c->reactor = reactor;
    c->refs = 1;
    c->ready.run = on_ready;
    c->on_connected = options->on_connected;
    c->user = options->user;
    c->deadline_ns = tenon__add_ns(tenon__clock(reactor), timeout_ns);
    tenon_timer_init(&c->timer, reactor);
    (void)tenon_timer_set_daemon(&c->timer, true);
    tenon_watch_init(&c->watch, reactor, -1);
}

static tenon_status begin(tenon_connector *c)
{
    if (c->address.kind == TENON_ADDRESS_MEMORY) {
        decide(c, TENON_OK);
        return TENON_OK;
    }
    int fd = tenon__stream_socket(&c->address);
    if (fd < 0) {
        return fd;
    }
    tenon_watch_init(&c->watch, c->reactor, fd);
    (void)tenon_watch_set_daemon(&c->watch, true);
    return attempt(c);
}

static void fini(tenon_connector *c)
{
    tenon_reactor *reactor = c->reactor;
    (void)tenon_timer_stop(&c->timer);
    release(c);
    tenon__free(&reactor->allocator, c, sizeof *c);
}

tenon_status tenon_connector_start(tenon_reactor *reactor,
                                   tenon_connector **out, const char *address,
                                   tenon_factory factory,
                                   const tenon_connect_options *options)
{
    tenon_connect_options chosen = {0};
    tenon_address parsed;
    tenon_status status = tenon__check(reactor);
    if (status < 0) {
        return status;
    }
    status = tenon_address_parse(&parsed, address);
    if (status < 0) {
        return status;
    }
    if (options) {
        memcpy(&chosen, options,
               options->size < sizeof chosen ? options->size : sizeof chosen);
    }
    tenon_connector *c = tenon__alloc(&reactor->allocator, sizeof *c);
    if (!c) {
        return TENON_NO_MEMORY;
    }
    c->address = parsed;
    c->factory = factory;
    set_up(c, reactor, &chosen);
    status = begin(c);
    if (status < 0) {
        fini(c);
        return status;
    }
    tenon__object_add(reactor, &c->object, &object_ops);
    tenon__alive_add(reactor);
    tenon__pin(reactor);
    if (out) {
        *out = tenon_connector_ref(c);
    }
    return TENON_OK;
}

static void drop(tenon_reactor *reactor, tenon_node *node)
{
    tenon_connector *c = TENON__OF(node, tenon_connector, ready);
    tenon__free(&reactor->allocator, c, sizeof *c);
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
    bool open =
        c->state == TRYING || (c->state == DECIDED && c->outcome == TENON_OK);
    if (status == TENON_OK && open) {
        decide(c, TENON_CANCELLED);
    }
    return status;
}
