/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Timers. A started one is in the heap, or in the ready queue when its
 * deadline had passed already. It is idle, and no list leads to it, before its
 * function runs. One that comes due in a nested host loop while its function
 * is on the stack is set aside until that function returned.
 */

#include "loop/trace.h"

static tenon_timer *timer_of(tenon_node *node)
{
    return TENON__OF(node, tenon_timer, node);
}

/* What its frames are known by. */
static const void *identity_of(const tenon_timer *t)
{
    return t->flags & TENON__TIMER_EXCLUSIVE ? t->user : t;
}

/* ---- for calls and timers alike ---- */

static void count_lag(tenon_reactor *r, int64_t deadline_ns)
{
    int64_t lag_us = (r->now_ns - deadline_ns) / TENON_MICROSECOND;
    uint32_t bucket = 0;
    const uint32_t last =
        sizeof r->stats.lag_us_log2 / sizeof r->stats.lag_us_log2[0] - 1;
    while (bucket < last && lag_us >= (INT64_C(1) << bucket)) {
        bucket++;
    }
    r->stats.lag_us_log2[bucket]++;
}

static void fire(tenon_reactor *r, tenon_timer *t)
{
    tenon__frame frame;
    tenon__trace_move(r, t, &frame);
    tenon__frame_enter_named(r, &frame, identity_of(t), "timer", t->name);
    t->fn(t, t->user);
    tenon__frame_leave(r, &frame);
}

static void defer(tenon_reactor *r, tenon_timer *t)
{
    t->state = TENON__TIMER_DEFERRED;
    tenon__list_push(&r->deferred_timers, &t->node);
}

/* `t` is in no list any more. */
static void run_due(tenon_reactor *r, tenon_timer *t)
{
    if (t->flags & TENON__TIMER_CALL) {
        tenon__call_run(r, t);
        return;
    }
    if (r->frames && tenon__on_stack(r, identity_of(t))) {
        defer(r, t);
        return;
    }
    t->state = TENON__TIMER_IDLE;
    if (!(t->flags & TENON__TIMER_DAEMON)) {
        tenon__alive_sub(r);
    }
    fire(r, t);
}

static void run_ready(tenon_reactor *r, tenon_node *node)
{
    run_due(r, timer_of(node));
}

static tenon_status add_to_heap(tenon_reactor *r, tenon_timer *t)
{
    if (t->flags & TENON__TIMER_KEPT) {
        tenon__heap_add_kept(&r->heap, t);
        return TENON_OK;
    }
    return tenon__heap_add(&r->heap, &r->allocator, t);
}

tenon_status tenon__timer_keep(tenon_timer *t)
{
    if (t->flags & TENON__TIMER_KEPT) {
        return TENON_OK;
    }
    tenon_reactor *r = t->reactor;
    tenon_status status = tenon__heap_keep(&r->heap, &r->allocator);
    if (status == TENON_OK) {
        t->flags |= TENON__TIMER_KEPT;
    }
    return status;
}

void tenon__timer_unkeep(tenon_timer *t)
{
    if (t->flags & TENON__TIMER_KEPT) {
        t->flags &= (uint8_t)~TENON__TIMER_KEPT;
        tenon__heap_unkeep(&t->reactor->heap);
    }
}

static void count_alive(tenon_timer *t)
{
    if (!(t->flags & TENON__TIMER_DAEMON)) {
        tenon__alive_add(t->reactor);
    }
}

void tenon__timer_soon(tenon_timer *t)
{
    t->sequence = ++t->reactor->sequence;
    t->state = TENON__TIMER_READY;
    t->node.run = run_ready;
    tenon__ready_push(t->reactor, &t->node);
    count_alive(t);
}

tenon_status tenon__timer_schedule(tenon_timer *t, int64_t deadline_ns)
{
    tenon_reactor *r = t->reactor;
    t->deadline_ns = deadline_ns;
    if (deadline_ns <= 0 || deadline_ns <= tenon__clock(r)) {
        tenon__timer_soon(t);
        return TENON_OK;
    }
    t->sequence = ++r->sequence;
    tenon_status status = add_to_heap(r, t);
    if (status < 0) {
        return status;
    }
    t->state = TENON__TIMER_HEAP;
    count_alive(t);
    if (r->depth == 0) {
        tenon__poller_sync_timer(r);
    }
    return TENON_OK;
}

void tenon__timer_unschedule(tenon_timer *t)
{
    tenon_reactor *r = t->reactor;
    if (t->state == TENON__TIMER_HEAP) {
        tenon__heap_remove(&r->heap, &r->allocator, t);
    } else {
        tenon__list_remove(&t->node);
    }
    t->state = TENON__TIMER_IDLE;
    if (!(t->flags & TENON__TIMER_DAEMON)) {
        tenon__alive_sub(r);
    }
}

/* Within the heap it needs no memory, so it cannot fail there. */
tenon_status tenon__timer_move(tenon_timer *t, int64_t deadline_ns)
{
    tenon_reactor *r = t->reactor;
    bool later = deadline_ns > tenon__clock(r);
    if (later && t->state == TENON__TIMER_HEAP) {
        t->deadline_ns = deadline_ns;
        t->sequence = ++r->sequence;
        tenon__heap_move(&r->heap, t);
        if (r->depth == 0) {
            tenon__poller_sync_timer(r);
        }
        return TENON_OK;
    }
    tenon__timer_unschedule(t);
    tenon_status status = tenon__timer_schedule(t, deadline_ns);
    if (status < 0) {
        /* It was due; so it stays. */
        (void)tenon__timer_schedule(t, 0);
    }
    return status;
}

bool tenon__timer_dispatch(tenon_reactor *r)
{
    tenon_timer *t = tenon__heap_top(&r->heap);
    if (!t || t->deadline_ns > r->now_ns) {
        return false;
    }
    count_lag(r, t->deadline_ns);
    r->stats.timers_fired++;
    tenon__heap_remove(&r->heap, &r->allocator, t);
    run_due(r, t);
    return true;
}

void tenon__timers_rearm(tenon_reactor *r)
{
    tenon_node busy;
    tenon_node *node;
    tenon__list_init(&busy);
    while ((node = tenon__list_pop(&r->deferred_timers)) != NULL) {
        tenon_timer *t = timer_of(node);
        if (tenon__on_stack(r, identity_of(t))) {
            tenon__list_push(&busy, node);
            continue;
        }
        t->state = TENON__TIMER_READY;
        t->node.run = run_ready;
        tenon__ready_push(r, &t->node);
    }
    tenon__list_splice(&r->deferred_timers, &busy);
}

int64_t tenon__timer_next(const tenon_reactor *r)
{
    const tenon_timer *top = tenon__heap_top(&r->heap);
    return top ? top->deadline_ns : TENON_FOREVER;
}

/* Calls in the heap are ended by call.c, before this. */
void tenon__timers_end(tenon_reactor *r)
{
    for (uint32_t i = 0; i < r->heap.count; i++) {
        r->heap.entries[i].timer->state = TENON__TIMER_IDLE;
    }
    tenon__heap_fini(&r->heap, &r->allocator);
    tenon_node *lists[] = {&r->deferred_timers, &r->ready, &r->round};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        tenon_node *node;
        while ((node = tenon__list_pop(lists[i])) != NULL) {
            if (i == 0 || node->run == run_ready) {
                timer_of(node)->state = TENON__TIMER_IDLE;
            }
        }
    }
}

/* ---- public ---- */

void tenon_timer_init(tenon_timer *t, tenon_reactor *r)
{
    *t = (tenon_timer){.reactor = r};
}

tenon_status tenon__timer_begin(tenon_timer *t, int64_t deadline_ns,
                                tenon_timer_fn *fn, void *user)
{
    if (!t) {
        return TENON_INVALID;
    }
    tenon_status status = tenon__check(t->reactor);
    if (status < 0) {
        return status;
    }
    if (t->state != TENON__TIMER_IDLE) {
        tenon__timer_unschedule(t);
    }
    if (!fn) {
        return TENON_INVALID;
    }
    t->fn = fn;
    t->user = user;
    return tenon__timer_schedule(t, deadline_ns);
}

tenon_status tenon_timer_start_at(tenon_timer *t, int64_t deadline_ns,
                                  tenon_timer_fn *fn, void *user)
{
    tenon_status status = tenon__timer_begin(t, deadline_ns, fn, user);
    if (status == TENON_OK) {
        tenon__trace_made(t->reactor, t, "timer");
    }
    return status;
}

tenon_status tenon_timer_start(tenon_timer *t, int64_t delay_ns,
                               tenon_timer_fn *fn, void *user)
{
    if (!t || !t->reactor) {
        return TENON_INVALID;
    }
    int64_t deadline_ns =
        delay_ns > 0 ? tenon__add_ns(tenon__clock(t->reactor), delay_ns) : 0;
    return tenon_timer_start_at(t, deadline_ns, fn, user);
}

tenon_status tenon_timer_stop(tenon_timer *t)
{
    if (!t || t->state == TENON__TIMER_IDLE) {
        return t ? TENON_OK : TENON_INVALID;
    }
    tenon_status status = tenon__check_thread(t->reactor);
    if (status < 0) {
        return status;
    }
    tenon__timer_unschedule(t);
    tenon__trace_forget(t->reactor, t);
    return TENON_EXISTED;
}

bool tenon_timer_is_active(const tenon_timer *t)
{
    return t->state != TENON__TIMER_IDLE;
}

int64_t tenon_timer_when(const tenon_timer *t)
{
    return t->state == TENON__TIMER_IDLE ? 0 : t->deadline_ns;
}

static tenon_status check_started(const tenon_timer *t)
{
    if (!t) {
        return TENON_INVALID;
    }
    tenon_status status = tenon__check(t->reactor);
    if (status == TENON_OK && t->state == TENON__TIMER_IDLE) {
        return TENON_INVALID;
    }
    return status;
}

tenon_status tenon_timer_reset(tenon_timer *t, int64_t delay_ns)
{
    tenon_status status = check_started(t);
    if (status < 0) {
        return status;
    }
    int64_t now_ns = tenon__clock(t->reactor);
    return tenon__timer_move(t, delay_ns > 0 ? tenon__add_ns(now_ns, delay_ns)
                                             : 0);
}

tenon_status tenon_timer_delay(tenon_timer *t, int64_t extra_ns)
{
    tenon_status status = check_started(t);
    if (status < 0) {
        return status;
    }
    return tenon__timer_move(t, tenon__add_ns(t->deadline_ns, extra_ns));
}

tenon_status tenon_timer_set_daemon(tenon_timer *t, bool daemon)
{
    bool is_daemon = t->flags & TENON__TIMER_DAEMON;
    tenon_status status =
        t->reactor ? tenon__check_thread(t->reactor) : TENON_OK;
    if (status < 0 || daemon == is_daemon) {
        return status;
    }
    t->flags ^= TENON__TIMER_DAEMON;
    if (t->state != TENON__TIMER_IDLE) {
        (daemon ? tenon__alive_sub : tenon__alive_add)(t->reactor);
    }
    return TENON_OK;
}

void tenon_timer_set_exclusive(tenon_timer *t, bool exclusive)
{
    if (t->state != TENON__TIMER_IDLE ||
        tenon__on_stack(t->reactor, identity_of(t))) {
        return; /* what is on the stack is known by it */
    }
    t->flags &= (uint8_t)~TENON__TIMER_EXCLUSIVE;
    t->flags |= exclusive ? TENON__TIMER_EXCLUSIVE : 0;
}

void tenon_timer_set_name(tenon_timer *t, const char *name)
{
    t->name = name;
}
