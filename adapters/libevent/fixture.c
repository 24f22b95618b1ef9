/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * libevent, as the conformance suite drives it.
 */

#include <stdlib.h>

#include <event2/event.h>

#include <tenon/conformance.h>
#include <tenon/libevent.h>

/* The loop of the suite: a base, and what is to be freed with it. */
typedef struct native_call {
    struct native_call *next;
    struct event *event;
    void (*once)(void *user);
    bool (*again)(void *user);
    void *user;
} native_call;

typedef struct loop {
    struct event_base *base;
    struct event *limit;
    native_call *calls;
} loop;

static void on_limit(evutil_socket_t fd, short what, void *user)
{
    (void)fd;
    (void)what;
    (void)user;
}

static void *loop_new(void)
{
    loop *self = calloc(1, sizeof *self);
    if (self) {
        self->base = event_base_new();
        self->limit = event_new(self->base, -1, 0, on_limit, NULL);
    }
    return self;
}

static void loop_free(void *user)
{
    loop *self = user;
    while (self->calls) {
        native_call *call = self->calls;
        self->calls = call->next;
        event_free(call->event);
        free(call);
    }
    event_free(self->limit);
    event_base_free(self->base);
    free(self);
}

static tenon_status attach(void *user, tenon_reactor **out,
                           const tenon_reactor_options *options)
{
    return tenon_libevent_attach(((loop *)user)->base, out, options);
}

static struct timeval timeval_of(int64_t ns)
{
    int64_t us = (ns + 999) / TENON_MICROSECOND;
    return (struct timeval){us / 1000000, us % 1000000};
}

/* What the base does not count would not be looked at without the timer. */
static void iterate(void *user, int64_t max_wait_ns)
{
    loop *self = user;
    int flags = EVLOOP_ONCE | (max_wait_ns > 0 ? 0 : EVLOOP_NONBLOCK);
    struct timeval limit = timeval_of(max_wait_ns);
    evtimer_add(self->limit, &limit);
    event_base_loop(self->base, flags);
    evtimer_del(self->limit);
}

static void run(void *user)
{
    event_base_dispatch(((loop *)user)->base);
}

static void stop(void *user)
{
    event_base_loopbreak(((loop *)user)->base);
}

static void on_call(evutil_socket_t fd, short what, void *user)
{
    native_call *call = user;
    (void)fd;
    (void)what;
    if (!call->again) {
        call->once(call->user);
    } else if (!call->again(call->user)) {
        event_del(call->event);
    }
}

static int add_call(loop *self, int64_t delay_ns, native_call call)
{
    native_call *copy = malloc(sizeof *copy);
    if (!copy) {
        return -1;
    }
    *copy = call;
    copy->next = self->calls;
    self->calls = copy;
    copy->event =
        event_new(self->base, -1, call.again ? EV_PERSIST : 0, on_call, copy);
    struct timeval delay = timeval_of(delay_ns);
    return event_add(copy->event, &delay);
}

static int call_native(void *self, int64_t delay_ns, void (*fn)(void *user),
                       void *user)
{
    return add_call(self, delay_ns, (native_call){.once = fn, .user = user});
}

static int tick_native(void *self, int64_t period_ns, bool (*fn)(void *user),
                       void *user)
{
    return add_call(self, period_ns, (native_call){.again = fn, .user = user});
}

static int earliest(const struct event_base *base, const struct event *event,
                    void *user)
{
    struct timeval now;
    struct timeval due;
    int64_t *least_ns = user;
    event_base_gettimeofday_cached((struct event_base *)base, &now);
    if (event_pending(event, EV_TIMEOUT, &due)) {
        int64_t us =
            (due.tv_sec - now.tv_sec) * 1000000 + due.tv_usec - now.tv_usec;
        us = us > 0 ? us : 0;
        *least_ns = us * TENON_MICROSECOND < *least_ns ? us * TENON_MICROSECOND
                                                       : *least_ns;
    }
    return 0;
}

static int64_t native_timeout(void *user)
{
    int64_t least_ns = TENON_FOREVER;
    event_base_foreach_event(((loop *)user)->base, earliest, &least_ns);
    return least_ns;
}

static int count_one(const struct event_base *base, const struct event *event,
                     void *user)
{
    (void)base;
    (void)event;
    (*(size_t *)user)++;
    return 0;
}

static size_t native_count(void *user)
{
    size_t count = 0;
    event_base_foreach_event(((loop *)user)->base, count_one, &count);
    return count;
}

static void after_fork(void *user)
{
    (void)event_reinit(((loop *)user)->base);
}

extern const tenon_fixture tenon_fixture_libevent;
const tenon_fixture tenon_fixture_libevent = {
    .size = sizeof tenon_fixture_libevent,
    .caps = TENON_FIXTURE_REAL_TIME | TENON_FIXTURE_ALIVE |
            TENON_FIXTURE_SHARED | TENON_FIXTURE_BUDGET |
            TENON_FIXTURE_ATTACHED | TENON_FIXTURE_DIES,
    .name = "libevent",
    .version = event_get_version,
    .loop_new = loop_new,
    .loop_free = loop_free,
    .attach = attach,
    .iterate = iterate,
    .run = run,
    .stop = stop,
    .reactor_new = tenon_libevent_new,
    .call_native = call_native,
    .tick_native = tick_native,
    .native_timeout = native_timeout,
    .native_count = native_count,
    .after_fork = after_fork,
};
