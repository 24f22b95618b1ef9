/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Turns. A turn goes through its phases one unit at a time, a unit being at
 * most one callback, and all that says where it stands is in the reactor. So
 * it does not matter who runs the next unit: the loop below, or a loop that a
 * callback runs on top of it (a nested host loop), or a later entry, after the
 * budget was spent. The loop that comes back simply goes on from the state it
 * finds.
 *
 *   IDLE -> READY -> POLL -> IO -> TIMERS -> END -> IDLE
 */

#include "loop/engine.h"

_Thread_local tenon_reactor *tenon__current
    __attribute__((tls_model("initial-exec")));

/* ---- checks ---- */

static const void *this_thread(void)
{
    return &tenon__current;
}

tenon_status tenon__check_thread(const tenon_reactor *r)
{
    if (!r) {
        return TENON_INVALID;
    }
    if (tenon__forked(r)) {
        return TENON_FORKED;
    }
    const void *owner = atomic_load_explicit(&r->owner, memory_order_relaxed);
    if (owner && owner != this_thread()) {
        return TENON_WRONG_THREAD;
    }
    return TENON_OK;
}

tenon_status tenon__check(const tenon_reactor *r)
{
    tenon_status status = tenon__check_thread(r);
    if (status == TENON_OK && r->life >= TENON__ENDING) {
        return r->end_status;
    }
    return status;
}

/* ---- time ---- */

/* Coarse clocks go by the tick, of 4 ms as a rule. */
#define COARSE_ENOUGH_NS (20 * TENON_MILLISECOND)

static int64_t read_clock(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * TENON_SECOND + now.tv_nsec;
}

int64_t tenon__clock(const tenon_reactor *r)
{
    return r->kind == TENON__MANUAL ? r->virtual_ns
                                    : read_clock(CLOCK_MONOTONIC);
}

int64_t tenon__lap(const tenon_reactor *r)
{
    return r->kind == TENON__MANUAL ? r->virtual_ns : read_clock(r->lap_clock);
}

void tenon__set_slow(tenon_reactor *r, int64_t threshold_ns)
{
    bool coarse = threshold_ns < 0 || threshold_ns >= COARSE_ENOUGH_NS;
    r->slow_ns = threshold_ns;
    r->lap_clock = coarse ? CLOCK_MONOTONIC_COARSE : CLOCK_MONOTONIC;
    r->lap_ns = tenon__lap(r);
}

int64_t tenon_now(const tenon_reactor *r)
{
    return r->depth > 0 ? r->now_ns : tenon__clock(r);
}

/* ---- queues ---- */

void tenon__arm(tenon_reactor *r)
{
    if (r->depth > 0 || r->life >= TENON__ENDING) {
        return;
    }
    tenon__alive_tell(r);
    if (r->deferred) {
        return;
    }
    if (r->kind == TENON__FOREIGN) {
        r->deferred = true;
        tenon__inbox_wake(r->inbox);
    } else if (r->kind == TENON__HOSTED && r->host_open) {
        r->deferred = true;
        if (TENON__HOST_HAS(r, defer)) {
            r->in_slot = true;
            r->ops->defer(r->host);
            r->in_slot = false;
        } else {
            tenon__inbox_wake(r->inbox);
        }
    }
}

void tenon__ready_push(tenon_reactor *r, tenon_node *node)
{
    /* What other threads posted before comes first. */
    if (tenon__inbox_waiting(r)) {
        tenon__inbox_drain(r);
    }
    tenon__list_push(&r->ready, node);
    tenon__arm(r);
}

void tenon__late_push(tenon_reactor *r, tenon_node *node)
{
    if (!tenon__linked(node)) {
        tenon__list_push(&r->late, node);
        tenon__arm(r);
    }
}

void tenon__drop_push(tenon_reactor *r, tenon_node *node)
{
    if (r->life == TENON__CLOSED) {
        node->run(r, node); /* no turn will come */
        return;
    }
    tenon__list_push(&r->drops, node);
    tenon__arm(r);
}

void tenon__drops_run(tenon_reactor *r)
{
    tenon_node *node;
    while ((node = tenon__list_pop(&r->drops)) != NULL) {
        node->run(r, node);
    }
}

/* ---- user code ---- */

void tenon__frame_enter(tenon_reactor *r, tenon__frame *frame,
                        const void *object, const char *what, const char *name)
{
    frame->up = r->frames;
    frame->object = object;
    frame->what = what;
    frame->name = name;
    frame->alive = true;
    r->frames = frame;
}

/* The lap clock was read after the callback before; what passed since is this
 * one's, but for what a nested loop ran. */
static void measure(tenon_reactor *r, const tenon__frame *frame)
{
    int64_t lap_ns = tenon__lap(r);
    int64_t took_ns = lap_ns - r->lap_ns;
    r->lap_ns = lap_ns;
    r->stats.callbacks++;
    if (took_ns > r->stats.longest_callback_ns) {
        r->stats.longest_callback_ns = took_ns;
    }
    if (r->slow_ns < 0 || took_ns <= r->slow_ns || r->reporting) {
        return;
    }
    r->stats.slow_callbacks++;
    tenon__report_slow(r, frame, took_ns);
    r->lap_ns = tenon__lap(r);
}

void tenon__frame_leave(tenon_reactor *r, tenon__frame *frame)
{
    r->frames = frame->up;
    if (frame->what) {
        measure(r, frame);
    }
    if (!tenon__list_empty(&r->poller.disarmed)) {
        tenon__watches_rearm(r);
    }
    if (!tenon__list_empty(&r->deferred_timers)) {
        tenon__timers_rearm(r);
    }
}

bool tenon__on_stack(const tenon_reactor *r, const void *object)
{
    for (const tenon__frame *f = r->frames; f; f = f->up) {
        if (f->object == object) {
            return true;
        }
    }
    return false;
}

void tenon__frame_forget(tenon_reactor *r, const void *object)
{
    for (tenon__frame *f = r->frames; f; f = f->up) {
        if (f->object == object) {
            f->alive = false;
        }
    }
}

/* ---- the phases; each runs one unit and tells whether user code ran ---- */

static bool has_more(const tenon_reactor *r)
{
    const tenon_timer *top = tenon__heap_top(&r->heap);
    return r->phase != TENON__IDLE || !tenon__list_empty(&r->ready) ||
           !tenon__list_empty(&r->late) ||
           (r->depth <= 1 && !tenon__list_empty(&r->drops)) ||
           tenon__poller_pending(r) || r->poller.was_full ||
           tenon__inbox_waiting(r) || (top && top->deadline_ns <= r->mark_ns);
}

/* The clock was read when the entry began, so not again for its first turn. */
static void begin_turn(tenon_reactor *r, bool first)
{
    r->stats.turns++;
    if (!first) {
        r->mark_ns = tenon__clock(r);
    }
    r->now_ns = r->mark_ns;
    if (tenon__inbox_waiting(r)) {
        tenon__inbox_drain(r);
    }
    tenon__list_splice(&r->round, &r->ready);
    r->phase = TENON__READY;
}

static bool ready_unit(tenon_reactor *r)
{
    tenon_node *node = tenon__list_pop(&r->round);
    if (!node) {
        r->phase = TENON__POLL;
        return false;
    }
    node->run(r, node);
    return true;
}

/* How long the poll may take: only a native reactor waits in it, and only
 * when nothing else is to be done. */
static int64_t poll_wait(const tenon_reactor *r)
{
    if (r->block_ns == 0 || r->stopping || !tenon__list_empty(&r->ready) ||
        !tenon__list_empty(&r->late) || !tenon__list_empty(&r->drops) ||
        tenon__poller_pending(r) ||
        (r->block_ns == TENON_FOREVER && !tenon__alive(r))) {
        return 0;
    }
    int64_t next_ns = tenon__timer_next(r);
    if (next_ns == TENON_FOREVER) {
        return r->block_ns;
    }
    int64_t wait_ns = next_ns - tenon__clock(r);
    wait_ns = wait_ns > 0 ? wait_ns : 0;
    return wait_ns < r->block_ns ? wait_ns : r->block_ns;
}

static bool poll_unit(tenon_reactor *r)
{
    int64_t wait_ns = poll_wait(r);
    r->phase = TENON__IO;
    tenon__poller_harvest(r, wait_ns);
    if (wait_ns > 0) {
        r->mark_ns = tenon__clock(r);
        r->now_ns = r->mark_ns;
        r->lap_ns = tenon__lap(r);
    }
    return false;
}

static bool io_unit(tenon_reactor *r)
{
    if (tenon__poller_dispatch(r)) {
        return true;
    }
    r->phase = TENON__TIMERS;
    if (r->heap.count > 0) {
        r->mark_ns = tenon__clock(r);
        r->now_ns = r->mark_ns;
    }
    return false;
}

static bool timers_unit(tenon_reactor *r)
{
    if (tenon__timer_dispatch(r)) {
        return true;
    }
    r->phase = TENON__END;
    tenon__list_splice(&r->ending, &r->late);
    return false;
}

static bool end_unit(tenon_reactor *r)
{
    tenon_node *node = tenon__list_pop(&r->ending);
    if (node) {
        node->run(r, node);
        return true;
    }
    r->phase = TENON__IDLE;
    if (r->depth == 1) {
        tenon__drops_run(r);
    }
    return false;
}

static bool run_unit(tenon_reactor *r)
{
    switch (r->phase) {
    case TENON__READY:
        return ready_unit(r);
    case TENON__POLL:
        return poll_unit(r);
    case TENON__IO:
        return io_unit(r);
    case TENON__TIMERS:
        return timers_unit(r);
    case TENON__END:
        return end_unit(r);
    case TENON__IDLE:
    default:
        return false;
    }
}

enum { CLOCK_EVERY = 16 };

/* What a wake-up may cost its host. The clock is read every so many callbacks,
 * or when the lap clock says that one of them took long. */
typedef struct budget {
    int64_t start_ns;
    int64_t start_lap_ns;
    uint32_t calls;
} budget;

static bool budget_spent(tenon_reactor *r, budget *b)
{
    b->calls++;
    if (r->kind != TENON__HOSTED && r->kind != TENON__FOREIGN) {
        return false;
    }
    if (b->calls % CLOCK_EVERY == 0 ||
        r->lap_ns - b->start_lap_ns >= r->budget_ns) {
        r->mark_ns = tenon__clock(r);
    }
    bool spent = r->mark_ns - b->start_ns >= r->budget_ns ||
                 (r->budget_calls > 0 && b->calls >= r->budget_calls);
    r->stats.budget_pauses += spent;
    return spent;
}

static void run_turns(tenon_reactor *r, uint32_t turns)
{
    budget spent = {.start_ns = r->mark_ns, .start_lap_ns = r->lap_ns};
    uint32_t begun = 0;
    while (r->life < TENON__ENDING && !tenon__forked(r)) {
        if (r->phase == TENON__IDLE) {
            bool again = begun < turns && (begun == 0 || has_more(r));
            if (!again || (r->run_active && r->stopping)) {
                return;
            }
            begin_turn(r, begun++ == 0);
        }
        if (run_unit(r) && budget_spent(r, &spent)) {
            return;
        }
    }
}

/* ---- entering and leaving ---- */

static void fill(const tenon_reactor *r, tenon_turn_result *out)
{
    out->more = has_more(r);
    out->alive = tenon__alive(r);
    out->next_deadline_ns = tenon__timer_next(r);
}

/* The host's run, which we began, ends when we are done or were stopped. */
static void end_run_if_done(tenon_reactor *r)
{
    if (r->host_runs && (r->run_once || r->stopping || !tenon__alive(r)) &&
        TENON__HOST_HAS(r, stop) && r->host_open) {
        r->ops->stop(r->host);
    }
}

/* The child of a fork that a callback made comes back through here. */
static tenon_status leave_in_child(tenon_reactor *r, tenon_reactor *outer)
{
    r->depth--;
    r->pins--;
    tenon__current = outer;
    return TENON_FORKED;
}

static tenon_status leave(tenon_reactor *r, tenon_reactor *outer,
                          tenon_turn_result *out)
{
    if (tenon__forked(r)) {
        return leave_in_child(r, outer);
    }
    tenon_status status = r->life >= TENON__ENDING ? r->end_status : TENON_OK;
    if (status == TENON_OK) {
        fill(r, out);
        tenon__poller_sync_timer(r);
    }
    r->depth--;
    tenon__current = outer;
    if (r->depth == 0 && status != TENON_OK) {
        tenon__finish(r);
    } else if (r->depth == 0) {
        if (out->more) {
            tenon__arm(r);
        }
        tenon__alive_tell(r);
        end_run_if_done(r);
        if (r->life == TENON__ENDING) { /* a slot found the host gone */
            status = r->end_status;
            tenon__finish(r);
        }
    }
    tenon__unpin(r);
    return status;
}

tenon_status tenon__enter(tenon_reactor *r, uint32_t turns, int64_t block_ns,
                          tenon_turn_result *out)
{
    tenon_reactor *outer = tenon__current;
    atomic_store_explicit(&r->owner, this_thread(), memory_order_relaxed);
    tenon__pin(r);
    tenon__current = r;
    r->depth++;
    r->deferred = false;
    r->stats.entries++;
    r->block_ns = block_ns;
    r->mark_ns = tenon__clock(r);
    r->lap_ns = tenon__lap(r);
    run_turns(r, turns);
    return leave(r, outer, out);
}

/* The child of a fork: take our descriptor out of its host, else the host
 * would report the parent's events for ever. Nothing else is touched. */
static void leave_host_in_child(tenon_reactor *r)
{
    if (r->host_open) {
        r->host_open = false;
        r->ops->close(r->host, tenon__host_closed_in_child, r);
    }
}

static const tenon_turn_result nothing = {false, false, TENON_FOREVER};

tenon_status tenon_turn(tenon_reactor *r, tenon_turn_result *out)
{
    tenon_turn_result ignored = nothing;
    out = out ? out : &ignored;
    *out = nothing;
    tenon_status status = tenon__check(r);
    if (status == TENON_FORKED) {
        leave_host_in_child(r);
    }
    if (status < 0) {
        return status;
    }
    if (r->kind == TENON__NATIVE || r->kind == TENON__MANUAL) {
        return TENON_NOT_SUPPORTED;
    }
    return tenon__enter(r, UINT32_MAX, 0, out);
}

tenon_status tenon_turn_peek(tenon_reactor *r, tenon_turn_result *out)
{
    *out = nothing;
    tenon_status status = tenon__check(r);
    if (status == TENON_FORKED) {
        leave_host_in_child(r);
    }
    if (status < 0) {
        return status;
    }
    r->depth++; /* as an entry would find it */
    fill(r, out);
    r->depth--;
    if (!out->more) {
        tenon__poller_sync_timer(r);
    }
    return TENON_OK;
}
