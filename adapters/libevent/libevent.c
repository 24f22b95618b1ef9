/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * libevent underneath. Two events want the engine's descriptor: one that the
 * base does not count (EVLIST_INTERNAL), and one that keeps its dispatch going.
 * A third, without a descriptor, enters again after the base has polled. An
 * armed event without EVLIST_INSERTED means that the base is gone.
 */

#include <event2/event_struct.h>

#include <tenon/libevent.h>
#include <tenon/sys/host.h>

#define FLAGS(event) ((event)->ev_evcallback.evcb_flags)
#define PENDING      (EVLIST_TIMEOUT | EVLIST_ACTIVE | EVLIST_ACTIVE_LATER)

enum { QUIET, COUNTED, AGAIN, COUNT };

typedef struct host {
    struct event_base *base;
    struct event at[COUNT];
    int armed; /* QUIET or COUNTED */
    bool alive;
    bool limited; /* `again` is the limit of a run_once */
    bool own;
    bool running; /* our own base */
    bool lost;    /* the engine knows that the application freed the base */
    tenon_reactor *reactor;
    tenon_host_closed_fn *done;
    void *token;
} host;

static bool base_is_gone(const host *h)
{
    return !(FLAGS(&h->at[h->armed]) & EVLIST_INSERTED);
}

static void finish(host *h)
{
    if (h->own) {
        event_base_free(h->base);
    }
    tenon_host_closed_fn *done = h->done;
    void *token = h->token;
    tenon_block_free(h);
    if (done) {
        done(token);
    }
}

/* Under our own run: the engine's descriptor was closed, or in a forked child,
 * whose epoll is still the parent's, and whose reactor has not ended. */
static void retire(host *h)
{
    if (h->running) {
        event_base_loopbreak(h->base);
        return;
    }
    bool gone = base_is_gone(h);
    for (int i = 0; i < COUNT; i++) {
        if (!gone) {
            event_del(&h->at[i]);
        }
        event_debug_unassign(&h->at[i]);
    }
    h->own = h->own && !gone;
    finish(h);
}

/* Whether the application freed the base; `h` is then freed, too. */
static bool lost(host *h)
{
    if (h->lost || !base_is_gone(h)) {
        return h->lost;
    }
    h->lost = true;
    tenon_reactor_host_gone(h->reactor);
    retire(h);
    return true;
}

static void on_event(evutil_socket_t fd, short what, void *user)
{
    (void)fd, (void)what;
    if (tenon_turn(((host *)user)->reactor, NULL) == TENON_OK) {
        (void)lost(user);
    }
}

static void *native(void *self)
{
    return ((host *)self)->base;
}

/* Whether the base counts an event that is not added now. */
static void set_counted(struct event *event, bool counted)
{
    short rest = (short)(FLAGS(event) & ~EVLIST_INTERNAL);
    FLAGS(event) = (short)(rest | (counted ? 0 : EVLIST_INTERNAL));
}

static tenon_status open_events(void *self, tenon_reactor *reactor, int fd)
{
    host *h = self;
    (void)evutil_make_socket_nonblocking(fd); /* its debug mode insists */
    short what = EV_READ | EV_PERSIST;
    event_assign(&h->at[QUIET], h->base, fd, what, on_event, h);
    event_assign(&h->at[COUNTED], h->base, fd, what, on_event, h);
    event_assign(&h->at[AGAIN], h->base, -1, 0, on_event, h);
    set_counted(&h->at[QUIET], false);
    errno = 0;
    if (event_add(&h->at[QUIET], NULL) != 0) {
        return errno != 0 ? -errno : TENON_NO_MEMORY;
    }
    h->armed = QUIET;
    h->reactor = reactor;
    return TENON_OK;
}

static void close_events(void *self, tenon_host_closed_fn *done, void *token)
{
    host *h = self;
    h->done = done;
    h->token = token;
    retire(h);
}

/* Without memory for a timer: event_active, although that precedes the poll. */
static void add_again(host *h, struct timeval delay, bool counted)
{
    if (!(FLAGS(&h->at[AGAIN]) & PENDING)) {
        set_counted(&h->at[AGAIN], counted);
    }
    if (event_add(&h->at[AGAIN], &delay) != 0) {
        event_active(&h->at[AGAIN], EV_TIMEOUT, 0);
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
static void arm(host *h, int which)
{
    if (which != h->armed) {
        event_add(&h->at[which], NULL);
        event_del(&h->at[h->armed]);
        h->armed = which;
    }
}

static void set_alive(void *self, bool alive)
{
    host *h = self;
    if (!lost(h)) {
        h->alive = alive;
        arm(h, alive ? COUNTED : QUIET);
    }
}

static void set_watched(void *self, bool watched)
{
    struct event *armed = &((host *)self)->at[((host *)self)->armed];
    (void)(watched ? event_add(armed, NULL) : event_del(armed));
}

/* The base waits for nothing that it does not count. */
static int run_once(host *h, int64_t max_wait_ns)
{
    arm(h, COUNTED);
    int64_t limit_us = max_wait_ns / TENON_MICROSECOND;
    struct timeval limit = {limit_us / 1000000, limit_us % 1000000};
    h->limited = max_wait_ns > 0 && !(FLAGS(&h->at[AGAIN]) & PENDING);
    if (h->limited) {
        add_again(h, limit, true);
    }
    event_base_loop(h->base, EVLOOP_ONCE | (max_wait_ns ? 0 : EVLOOP_NONBLOCK));
    arm(h, h->alive ? COUNTED : QUIET);
    return h->limited ? event_del(&h->at[AGAIN]) : 0;
}

static tenon_status run(void *self, int64_t max_wait_ns)
{
    host *h = self;
    h->running = true;
    (void)(max_wait_ns == TENON_FOREVER ? event_base_loop(h->base, 0)
                                        : run_once(h, max_wait_ns));
    h->running = false;
    if (h->done && tenon_reactor_is_closed(h->reactor)) {
        retire(h);
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
    .close = close_events, .defer = defer, .set_alive = set_alive,       \
    .set_watched = set_watched
#define CAPS (TENON_CAP_ALIVE | TENON_CAP_BUDGET | TENON_CAP_REAL_TIME)

static const tenon_host_ops borrowed_ops = {COMMON_OPS, .caps = CAPS};
static const tenon_host_ops own_ops = {COMMON_OPS, .caps = CAPS | TENON_CAP_RUN,
                                       .run = run, .stop = stop};

/* Attaches to `base`; NULL: to one of our own. */
static tenon_status attach(struct event_base *base, tenon_reactor **out,
                           const tenon_reactor_options *options)
{
    host *h = tenon_block_new(options ? options->allocator : NULL, sizeof *h);
    if (h) {
        h->base = base ? base : event_base_new();
        h->own = !base;
    }
    if (!h || !h->base) {
        tenon_block_free(h);
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
    return base ? attach(base, out, options) : TENON_INVALID;
}

tenon_status tenon_libevent_new(tenon_reactor **out,
                                const tenon_reactor_options *options)
{
    return attach(NULL, out, options);
}
