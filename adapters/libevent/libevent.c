/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * libevent underneath. Two events want the engine's descriptor: a quiet one,
 * which the base does not count (EVLIST_INTERNAL), and a counted one, which
 * keeps event_base_dispatch going. Exactly one of them is armed; going from
 * one to the other costs no system call, since the descriptor stays wanted.
 * A third one, without a descriptor, enters again after the base has polled.
 *
 * event_base_free tells nobody, but takes every event out: the armed event
 * without EVLIST_INSERTED means that the base is gone, and is not named again.
 */

#include <event2/event_struct.h>
#include <event2/util.h>

#include <tenon/libevent.h>
#include <tenon/sys/host.h>

#define FLAGS(event) ((event)->ev_evcallback.evcb_flags)
#define PENDING      (EVLIST_TIMEOUT | EVLIST_ACTIVE | EVLIST_ACTIVE_LATER)

typedef struct host {
    struct event_base *base;
    struct event quiet;
    struct event counted;
    struct event again;
    struct event *armed; /* quiet or counted */
    bool alive;
    bool limited; /* `again` is the limit of a run_once */
    bool own;
    bool running; /* our own base */
    bool ended;
    tenon_reactor *reactor;
    tenon_host_closed_fn *done;
    void *token;
    tenon_allocator allocator;
} host;

static bool base_is_gone(const host *h)
{
    return !(FLAGS(h->armed) & EVLIST_INSERTED);
}

static void finish(host *h)
{
    h->ended = true;
    if (h->running) {
        event_base_loopbreak(h->base);
        return;
    }
    if (h->own) {
        event_base_free(h->base);
    }
    host last = *h;
    tenon_resize(&last.allocator, h, sizeof *h, 0);
    if (last.done) {
        last.done(last.token);
    }
}

static void retire(host *h)
{
    if (base_is_gone(h)) {
        h->own = false;
    } else {
        event_del(&h->again);
        event_del(h->armed);
    }
    event_debug_unassign(&h->quiet);
    event_debug_unassign(&h->counted);
    event_debug_unassign(&h->again);
    finish(h);
}

/* Whether the application freed the base; `h` is then freed, too. */
static bool lost(host *h)
{
    if (h->ended || !base_is_gone(h)) {
        return h->ended;
    }
    h->ended = true;
    tenon_reactor_host_gone(h->reactor);
    retire(h);
    return true;
}

static void on_event(evutil_socket_t fd, short what, void *user)
{
    (void)fd;
    (void)what;
    host *h = user;
    if (tenon_turn(h->reactor, NULL) == TENON_OK) {
        (void)lost(h);
    }
}

static void *native(void *self)
{
    return ((host *)self)->base;
}

static void assign(host *h, struct event *event, int fd, short what)
{
    event_assign(event, h->base, fd, what, on_event, h);
}

/* Whether the base counts an event that is not added now. */
static void set_counted(struct event *event, bool counted)
{
    if (counted) {
        FLAGS(event) &= (short)~EVLIST_INTERNAL;
    } else {
        FLAGS(event) |= EVLIST_INTERNAL;
    }
}

static tenon_status open_events(void *self, tenon_reactor *reactor, int fd)
{
    host *h = self;
    h->reactor = reactor;
    (void)evutil_make_socket_nonblocking(fd); /* its debug mode insists */
    assign(h, &h->quiet, fd, EV_READ | EV_PERSIST);
    assign(h, &h->counted, fd, EV_READ | EV_PERSIST);
    assign(h, &h->again, -1, 0);
    set_counted(&h->quiet, false);
    errno = 0;
    if (event_add(&h->quiet, NULL) != 0) {
        return errno != 0 ? -errno : TENON_NO_MEMORY;
    }
    h->armed = &h->quiet;
    return TENON_OK;
}

static void close_events(void *self, tenon_host_closed_fn *done, void *token)
{
    host *h = self;
    h->done = done;
    h->token = token;
    retire(h);
}

/* Enters again after `delay`, instead of when it would have. Without memory for
 * a timer it is event_active, although that comes before the poll. */
static void add_again(host *h, struct timeval delay, bool counted)
{
    if (!(FLAGS(&h->again) & PENDING)) {
        set_counted(&h->again, counted);
    }
    if (event_add(&h->again, &delay) != 0) {
        event_active(&h->again, EV_TIMEOUT, 0);
    }
}

static void defer(void *self)
{
    host *h = self;
    if (!lost(h)) {
        h->limited = false;
        add_again(h, (struct timeval){0, 0}, h->alive);
    }
}

/* The other one is there already, so adding cannot fail. */
static void arm(host *h, struct event *event)
{
    if (event != h->armed) {
        event_add(event, NULL);
        event_del(h->armed);
        h->armed = event;
    }
}

static void set_alive(void *self, bool alive)
{
    host *h = self;
    if (!lost(h)) {
        h->alive = alive;
        arm(h, alive ? &h->counted : &h->quiet);
    }
}

/* The base waits for nothing that it does not count. */
static void run_once(host *h, int64_t max_wait_ns)
{
    arm(h, &h->counted);
    int64_t limit_us = max_wait_ns / TENON_MICROSECOND;
    h->limited = max_wait_ns > 0 && !(FLAGS(&h->again) & PENDING);
    if (h->limited) {
        add_again(h, (struct timeval){limit_us / 1000000, limit_us % 1000000},
                  true);
    }
    event_base_loop(h->base, max_wait_ns > 0 ? EVLOOP_ONCE
                                             : EVLOOP_ONCE | EVLOOP_NONBLOCK);
    if (!h->ended) {
        arm(h, h->alive ? &h->counted : &h->quiet);
        if (h->limited) {
            event_del(&h->again);
        }
    }
}

static tenon_status run(void *self, int64_t max_wait_ns)
{
    host *h = self;
    h->running = true;
    if (max_wait_ns == TENON_FOREVER) {
        event_base_loop(h->base, 0);
    } else {
        run_once(h, max_wait_ns);
    }
    h->running = false;
    if (h->ended) {
        finish(h);
    }
    return TENON_OK;
}

static void stop(void *self)
{
    event_base_loopbreak(((host *)self)->base);
}

#define COMMON_OPS                                                       \
    .size = sizeof(tenon_host_ops), .name = "libevent",                  \
    .version = event_get_version, .native = native, .open = open_events, \
    .close = close_events, .defer = defer, .set_alive = set_alive
#define CAPS (TENON_CAP_ALIVE | TENON_CAP_BUDGET | TENON_CAP_REAL_TIME)

static const tenon_host_ops borrowed_ops = {COMMON_OPS, .caps = CAPS};
static const tenon_host_ops own_ops = {COMMON_OPS, .caps = CAPS | TENON_CAP_RUN,
                                       .run = run, .stop = stop};

/* Attaches to `base`; NULL: to one of our own. */
static tenon_status attach(struct event_base *base, tenon_reactor **out,
                           const tenon_reactor_options *options)
{
    const tenon_allocator *allocator = options ? options->allocator : NULL;
    host *h = tenon_resize(allocator, NULL, 0, sizeof *h);
    if (!h) {
        return TENON_NO_MEMORY;
    }
    *h = (host){.base = base ? base : event_base_new(), .own = !base};
    if (allocator) {
        h->allocator = *allocator;
    }
    if (!h->base) {
        tenon_resize(allocator, h, sizeof *h, 0);
        return TENON_NO_MEMORY;
    }
    tenon_status status =
        tenon_reactor_attach(out, base ? &borrowed_ops : &own_ops, h, options);
    if (status < 0) {
        finish(h);
    }
    return status;
}

tenon_status tenon_libevent_attach(struct event_base *base, tenon_reactor **out,
                                   const tenon_reactor_options *options)
{
    return base && out ? attach(base, out, options) : TENON_INVALID;
}

tenon_status tenon_libevent_new(tenon_reactor **out,
                                const tenon_reactor_options *options)
{
    return out ? attach(NULL, out, options) : TENON_INVALID;
}
