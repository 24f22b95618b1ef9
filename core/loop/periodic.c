/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Periodic calls: a timer that is started for the next tick after each one.
 * Ticks are multiples of the period from the start, so they do not drift; the
 * timer is idle while the function runs, so calls do not overlap.
 */

#include "loop/trace.h"

enum periodic_state { PERIODIC_IDLE, PERIODIC_WAITING, PERIODIC_PENDING };

static void on_tick(tenon_timer *timer, void *user);

/* xorshift64*: it spreads wake-ups, it guards nothing. */
static int64_t jitter(tenon_periodic *p)
{
    if (p->jitter_ns == 0) {
        return 0;
    }
    p->random ^= p->random >> 12;
    p->random ^= p->random << 25;
    p->random ^= p->random >> 27;
    uint64_t value = p->random * UINT64_C(0x2545F4914F6CDD1D);
    uint64_t width = (uint64_t)p->jitter_ns * 2 + 1;
    return (int64_t)(value % width) - p->jitter_ns;
}

static tenon_status start_tick(tenon_periodic *p, uint64_t tick)
{
    int64_t offset_ns;
    if (__builtin_mul_overflow((int64_t)tick, p->period_ns, &offset_ns)) {
        offset_ns = TENON_FOREVER;
    }
    int64_t deadline_ns = tenon__add_ns(p->origin_ns, offset_ns);
    p->state = PERIODIC_WAITING;
    return tenon__timer_begin(&p->timer, tenon__add_ns(deadline_ns, jitter(p)),
                              on_tick, NULL);
}

static tenon_periodic *periodic_of(tenon_timer *timer)
{
    return TENON__OF(timer, tenon_periodic, timer);
}

/* Its timer is idle while it waits for an answer, and lends its node. */
static void stop(tenon_periodic *p)
{
    p->state = PERIODIC_IDLE;
    tenon__list_remove(&p->timer.node);
    tenon_timer_stop(&p->timer);
    tenon__trace_forget(p->timer.reactor, p);
    tenon__frame_forget(p->timer.reactor, &p->timer);
}

/* The number of the last tick that is due by now, or that was called. */
static uint64_t due_tick(const tenon_periodic *p)
{
    int64_t passed_ns =
        tenon__clock(p->timer.reactor) - p->origin_ns + p->jitter_ns;
    int64_t due = passed_ns / p->period_ns;
    return due > (int64_t)p->tick ? (uint64_t)due : p->tick;
}

/* Reports come last: what they run may stop `p`, and free it. */
static void end_tick(tenon_periodic *p, tenon_status status)
{
    tenon_reactor *r = p->timer.reactor;
    const char *name = p->timer.name;
    tenon_status started = TENON_OK;
    tenon__list_remove(&p->timer.node);
    if (status >= 0 || (p->flags & TENON_PERIODIC_SURVIVE)) {
        started = start_tick(p, due_tick(p) + 1);
    }
    if (started < 0 || p->state == PERIODIC_PENDING) {
        stop(p);
    }
    if (status < 0) {
        tenon__report_status(r, "periodic", name, p, status);
    }
    if (started < 0) {
        tenon__report_status(r, "periodic", name, p, started);
    }
}

static void on_tick(tenon_timer *timer, void *user)
{
    tenon_periodic *p = periodic_of(timer);
    tenon_reactor *r = timer->reactor;
    const tenon__frame *frame = r->frames;
    (void)user;
    uint64_t tick = due_tick(p);
    uint64_t missed = tick - p->tick - 1;
    p->tick = tick;
    p->state = PERIODIC_PENDING;
    tenon__trace_lend(r, frame, p); /* the timer has let go of it */
    tenon_status status = p->fn(p, missed, p->user);
    if (!frame->alive || p->state != PERIODIC_PENDING) {
        return; /* stopped, and perhaps freed; started anew; or answered */
    }
    if (r->life >= TENON__ENDING) {
        p->state = PERIODIC_IDLE;
    } else if (status == TENON_PENDING) {
        tenon__list_push(&r->periodics, &timer->node);
    } else {
        end_tick(p, status);
    }
}

tenon_status tenon_periodic_start(tenon_periodic *p, tenon_reactor *r,
                                  const tenon_periodic_options *options)
{
    tenon_status status = tenon__check(r);
    if (status < 0) {
        return status;
    }
    if (!p || !options || !options->fn || options->period_ns <= 0 ||
        options->jitter_ns < 0 ||
        options->jitter_ns >= options->period_ns - options->period_ns / 2) {
        return TENON_INVALID;
    }
    *p = (tenon_periodic){.fn = options->fn,
                          .user = options->user,
                          .flags = options->flags,
                          .period_ns = options->period_ns,
                          .jitter_ns = options->jitter_ns,
                          .origin_ns = tenon__clock(r)};
    uint64_t first = options->flags & TENON_PERIODIC_NOW ? 0 : 1;
    p->tick = first - 1; /* the last one called */
    p->random = (uint64_t)p->origin_ns | 1;
    tenon_timer_init(&p->timer, r);
    tenon__frame_forget(r, &p->timer);
    tenon_timer_set_name(&p->timer, options->name);
    tenon_timer_set_daemon(&p->timer, options->flags & TENON_PERIODIC_DAEMON);
    status = start_tick(p, first);
    if (status == TENON_OK) {
        tenon__trace_made(r, p, "periodic");
    }
    return status;
}

tenon_status tenon_periodic_stop(tenon_periodic *p)
{
    if (!p || !tenon_periodic_is_active(p)) {
        return p ? TENON_OK : TENON_INVALID;
    }
    tenon_status status = tenon__check_thread(p->timer.reactor);
    if (status < 0) {
        return status;
    }
    stop(p);
    return TENON_EXISTED;
}

/* One whose timer was ended waits for nothing: the reactor is gone. */
bool tenon_periodic_is_active(const tenon_periodic *p)
{
    return p->state == PERIODIC_PENDING ||
           (p->state == PERIODIC_WAITING && tenon_timer_is_active(&p->timer));
}

tenon_status tenon_periodic_done(tenon_periodic *p, tenon_status status)
{
    if (!p || p->state != PERIODIC_PENDING) {
        return TENON_INVALID;
    }
    tenon_status checked = tenon__check(p->timer.reactor);
    if (checked < 0) {
        return checked;
    }
    end_tick(p, status);
    return TENON_OK;
}

void tenon__periodics_end(tenon_reactor *r)
{
    tenon_node *node;
    while ((node = tenon__list_pop(&r->periodics)) != NULL) {
        periodic_of(TENON__OF(node, tenon_timer, node))->state = PERIODIC_IDLE;
    }
}
