/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Periodic calls: a timer that is started for the next tick after each one.
 * Ticks are multiples of the period from the start, so they do not drift; the
 * timer is idle while the function runs, so calls do not overlap.
 */

#include "loop/engine.h"

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
    return tenon_timer_start_at(
        &p->timer, tenon__add_ns(deadline_ns, jitter(p)), on_tick, NULL);
}

static void stop(tenon_periodic *p)
{
    p->state = PERIODIC_IDLE;
    tenon_timer_stop(&p->timer);
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

static void end_tick(tenon_periodic *p, tenon_status status)
{
    tenon_reactor *r = p->timer.reactor;
    if (status < 0) {
        tenon__report_status(r, "periodic", p->timer.name, p, status);
        if (!(p->flags & TENON_PERIODIC_SURVIVE)) {
            stop(p);
            return;
        }
    }
    status = start_tick(p, due_tick(p) + 1);
    if (status < 0) {
        p->state = PERIODIC_IDLE;
        tenon__report_status(r, "periodic", p->timer.name, p, status);
    }
}

static void on_tick(tenon_timer *timer, void *user)
{
    tenon_periodic *p = TENON__OF(timer, tenon_periodic, timer);
    const tenon__frame *frame = timer->reactor->frames;
    (void)user;
    uint64_t tick = due_tick(p);
    uint64_t missed = tick - p->tick - 1;
    p->tick = tick;
    p->state = PERIODIC_PENDING;
    tenon_status status = p->fn(p, missed, p->user);
    if (!frame->alive || timer->reactor->life >= TENON__ENDING) {
        return; /* stopped, or started anew, and perhaps freed */
    }
    if (status != TENON_PENDING && p->state == PERIODIC_PENDING) {
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
        options->jitter_ns >= (options->period_ns + 1) / 2) {
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
    return start_tick(p, first);
}

tenon_status tenon_periodic_stop(tenon_periodic *p)
{
    if (!p || p->state == PERIODIC_IDLE) {
        return p ? TENON_OK : TENON_INVALID;
    }
    tenon_status status = tenon__check_thread(p->timer.reactor);
    if (status < 0) {
        return status;
    }
    stop(p);
    return TENON_EXISTED;
}

bool tenon_periodic_is_active(const tenon_periodic *p)
{
    return p->state != PERIODIC_IDLE;
}

tenon_status tenon_periodic_done(tenon_periodic *p, tenon_status status)
{
    if (!p) {
        return TENON_INVALID;
    }
    tenon_status checked = tenon__check(p->timer.reactor);
    if (checked < 0 || p->state != PERIODIC_PENDING) {
        return checked < 0 ? checked : TENON_INVALID;
    }
    end_tick(p, status);
    return TENON_OK;
}
