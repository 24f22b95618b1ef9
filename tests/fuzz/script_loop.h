/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Timers, calls, posts, periodic calls and shutdown hooks of fuzz_script.c,
 * each with what is known of it.
 */

#ifndef TENON_TESTS_FUZZ_SCRIPT_LOOP_H
#define TENON_TESTS_FUZZ_SCRIPT_LOOP_H

#include "script.h"

enum { TIMERS = 4, CALLS = 256, POSTS = 3, HOOKS = 4, TICKS = 2 };

typedef struct deadline {
    tenon_timer timer;
    bool armed;
    int64_t not_before_ns;
} deadline;

static deadline timers[TIMERS];

typedef struct call {
    tenon_handle handle;
    bool soon;
    bool pending;
    bool owes_free;
} call;

static call calls[CALLS];
static size_t call_count;
static call *last_soon; /* that ran */

static struct {
    tenon_post_node node;
    bool out;
} posts[POSTS];

static tenon_periodic ticks[TICKS];
static bool tick_waits[TICKS];
static unsigned tick_starts; /* of any */

typedef struct last_word {
    tenon_shutdown hook;
    bool out;
    bool pending; /* it said so */
    unsigned number;
} last_word;

static last_word hooks[HOOKS];
static unsigned hook_count;
static unsigned hook_last;

static int64_t some_delay(void)
{
    return (int64_t)choose(8) * TENON_MILLISECOND;
}

/* ---- timers ---- */

static void on_timer(tenon_timer *timer, void *user)
{
    deadline *d = user;
    HOLDS(&d->timer == timer && d->armed);
    HOLDS(!tenon_timer_is_active(timer));
    HOLDS(tenon_now(reactor) >= d->not_before_ns);
    d->armed = false;
    called();
}

static void start_timer(deadline *d)
{
    int64_t delay_ns = some_delay();
    tenon_status status = tenon_timer_start(&d->timer, delay_ns, on_timer, d);
    d->armed = status >= 0;
    d->not_before_ns = tenon_now(reactor) + delay_ns;
}

static void stop_timer(deadline *d)
{
    tenon_status status = tenon_timer_stop(&d->timer);
    HOLDS(script.closing || status == (d->armed ? TENON_EXISTED : 0));
    d->armed = false;
}

static void move_timer(deadline *d)
{
    int64_t by_ns = some_delay() - 3 * TENON_MILLISECOND;
    tenon_status status = choose(2) ? tenon_timer_reset(&d->timer, by_ns)
                                    : tenon_timer_delay(&d->timer, by_ns);
    HOLDS(status < 0 || d->armed);
    d->not_before_ns = 0;
}

static void timer_some(void)
{
    deadline *d = &timers[choose(TIMERS)];
    switch (choose(6)) {
    case 0:
    case 1:
        start_timer(d);
        break;
    case 2:
        stop_timer(d);
        break;
    case 3:
        move_timer(d);
        break;
    default:
        (void)tenon_timer_set_daemon(&d->timer, choose(2));
        break;
    }
}

/* ---- calls ---- */

static void on_call(void *user)
{
    call *c = user;
    HOLDS(c->pending);
    HOLDS(!c->soon || !last_soon || c > last_soon);
    c->pending = false;
    last_soon = c->soon ? c : last_soon;
    called();
}

static void on_call_freed(void *user)
{
    call *c = user;
    HOLDS(c->owes_free && (!c->pending || script.closing));
    c->owes_free = false;
}

static void make_call(void)
{
    call *c = &calls[call_count];
    tenon_call_options options = {.size = sizeof options,
                                  .flags = choose(2) ? TENON_CALL_DAEMON : 0,
                                  .time_ns = some_delay(),
                                  .fn = on_call,
                                  .user = c,
                                  .free_user = on_call_freed};
    if (call_count == CALLS) {
        return;
    }
    c->soon = options.time_ns == 0;
    if (tenon_call_with(reactor, &options, &c->handle) >= 0) {
        c->pending = c->owes_free = true;
        call_count++;
    }
}

static void cancel_call(void)
{
    call *c = &calls[choose(CALLS)];
    if (c >= calls + call_count) {
        return;
    }
    if (choose(4) == 3) {
        tenon_status status = tenon_handle_reset(c->handle, 1 + some_delay());
        HOLDS(status < 0 || c->pending);
        c->soon = false;
        return;
    }
    tenon_status status = tenon_handle_cancel(c->handle);
    HOLDS(script.closing || status == (c->pending ? TENON_EXISTED : 0));
    c->pending = false;
}

/* ---- posts ---- */

static void on_post(tenon_post_node *post, tenon_status status, void *user)
{
    bool *out = user;
    (void)post;
    HOLDS(*out);
    HOLDS(status == TENON_OK || script.closing);
    *out = false;
    called();
}

static void post_some(void)
{
    size_t i = choose(POSTS);
    tenon_status status = tenon_post(tenon_reactor_inbox(reactor),
                                     &posts[i].node, on_post, &posts[i].out);
    HOLDS(status >= 0 ? !posts[i].out : posts[i].out || script.closing);
    posts[i].out = posts[i].out || status >= 0;
}

/* ---- periodic calls ---- */

static tenon_status on_tick(tenon_periodic *periodic, uint64_t missed,
                            void *user)
{
    bool *waits = user;
    (void)missed;
    unsigned starts = tick_starts;
    HOLDS(!*waits);
    called();
    bool pend = choose(4) == 3;
    /* What was started anew meanwhile does not hear it. */
    *waits =
        pend && tenon_periodic_is_active(periodic) && starts == tick_starts;
    return pend ? TENON_PENDING : outcome();
}

static void tick_some(void)
{
    size_t i = choose(TICKS);
    tenon_periodic_options options = {.size = sizeof options,
                                      .flags = choose(8),
                                      .period_ns =
                                          TENON_MILLISECOND + some_delay(),
                                      .fn = on_tick,
                                      .user = &tick_waits[i]};
    switch (choose(3)) {
    case 0:
        if (!tenon_periodic_is_active(&ticks[i]) &&
            tenon_periodic_start(&ticks[i], reactor, &options) >= 0) {
            tick_waits[i] = false;
            tick_starts++;
        }
        break;
    case 1:
        (void)tenon_periodic_stop(&ticks[i]);
        tick_waits[i] = false;
        break;
    default:
        tick_waits[i] =
            tick_waits[i] && tenon_periodic_done(&ticks[i], outcome()) < 0;
        break;
    }
}

/* ---- shutdown hooks ---- */

static tenon_status on_shutdown(tenon_reactor *r, tenon_shutdown *hook,
                                void *user)
{
    last_word *h = user;
    HOLDS(r == reactor && hook == &h->hook && h->out);
    HOLDS(hook_last == 0 || h->number < hook_last);
    h->out = false;
    hook_last = h->number;
    called();
    h->pending = choose(3) == 2;
    return h->pending ? TENON_PENDING : TENON_OK;
}

static void hook_some(void)
{
    last_word *h = &hooks[choose(HOOKS)];
    if (h->pending) {
        tenon_shutdown_done(&h->hook);
        h->pending = false;
    } else if (h->out && choose(2)) {
        tenon_shutdown_remove(&h->hook);
        h->out = false;
    } else if (!h->out && !script.closing &&
               tenon_reactor_on_shutdown(reactor, &h->hook, on_shutdown, h) >=
                   0) {
        h->out = true;
        h->number = ++hook_count;
    }
}

/* ---- the end ---- */

static void loop_begin(void)
{
    memset(timers, 0, sizeof timers);
    memset(calls, 0, sizeof calls);
    memset(posts, 0, sizeof posts);
    memset(ticks, 0, sizeof ticks);
    memset(tick_waits, 0, sizeof tick_waits);
    memset(hooks, 0, sizeof hooks);
    call_count = hook_count = hook_last = 0;
    last_soon = NULL;
    for (size_t i = 0; i < TIMERS; i++) {
        tenon_timer_init(&timers[i].timer, reactor);
    }
    for (size_t i = 0; i < POSTS; i++) {
        tenon_post_init(&posts[i].node);
    }
}

static void loop_end(void)
{
    for (size_t i = 0; i < call_count; i++) {
        HOLDS(!calls[i].owes_free);
    }
    for (size_t i = 0; i < POSTS; i++) {
        HOLDS(!posts[i].out);
    }
    for (size_t i = 0; i < HOOKS; i++) {
        HOLDS(!hooks[i].out);
    }
}

#endif
