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

/* ---- the phases; each runs one unit and tells whether user code ran ----
 *
 * One that finds nothing to do goes on with the next at once. */

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

static bool end_unit(tenon_reactor *r)
{
    tenon_node *node = tenon__list_pop(&r->ending);
    if (node) {
        node->run(r, node);
        return true;
    }
    r->phase = TENON__IDLE;
    if (r->depth == 1 && !tenon__list_empty(&r->drops)) {
        tenon__drops_run(r);
    }
    return false;
}

static bool timers_unit(tenon_reactor *r)
{
    if (r->heap.count > 0 && tenon__timer_dispatch(r)) {
        return true;
    }
    r->phase = TENON__END;
    tenon__list_splice(&r->ending, &r->late);
    return end_unit(r);
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
    return timers_unit(r);
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

static bool ready_unit(tenon_reactor *r)
{
    tenon_node *node = tenon__list_pop(&r->round);
    if (node) {
        node->run(r, node);
        return true;
    }
    r->phase = TENON__POLL;
    return poll_unit(r);
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

/* Whether there is more to do. */
static bool run_turns(tenon_reactor *r, uint32_t turns)
{
    budget spent = {.start_ns = r->mark_ns, .start_lap_ns = r->lap_ns};
    uint32_t begun = 0;
    while (r->life < TENON__ENDING && !tenon__forked(r)) {
        if (r->phase == TENON__IDLE) {
            if (begun > 0 && !has_more(r)) {
                return false;
            }
            if (begun == turns || (r->run_active && r->stopping)) {
                break;
            }
            begin_turn(r, begun++ == 0);
        }
        if (run_unit(r) && budget_spent(r, &spent)) {
            break;
        }
    }
    return r->life < TENON__ENDING && has_more(r);
}

/* ---- entering and leaving ---- */

static void fill(const tenon_reactor *r, bool more, tenon_turn_result *out)
{
    out->more = more;
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
TENON__ASIDE static tenon_status leave_in_child(tenon_reactor *r,
                                                tenon_reactor *outer)
{
    r->depth--;
    r->pins--;
    tenon__current = outer;
    return TENON_FORKED;
}

static tenon_status leave(tenon_reactor *r, tenon_reactor *outer, bool more,
                          tenon_turn_result *out)
{
    if (tenon__forked(r)) {
        return leave_in_child(r, outer);
    }
    tenon_status status = r->life >= TENON__ENDING ? r->end_status : TENON_OK;
    if (status == TENON_OK) {
        fill(r, more, out);
        tenon__poller_sync_timer(r);
        out->more = out->more || r->poller.timer_lost;
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
    atomic_store_explicit(&r->inbox->owner, tenon__this_thread(),
                          memory_order_relaxed);
    tenon__pin(r);
    tenon__current = r;
    r->depth++;
    r->deferred = false;
    r->stats.entries++;
    r->block_ns = block_ns;
    r->mark_ns = tenon__clock(r);
    r->lap_ns = tenon__lap(r);
    return leave(r, outer, run_turns(r, turns), out);
}

/* The child of a fork: take our descriptor out of its host, else the host
 * would report the parent's events for ever. Nothing else is touched. */
TENON__ASIDE static void leave_host_in_child(tenon_reactor *r)
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
    tenon_status status = r ? tenon__check_quickly(r) : TENON_INVALID;
    if (status == TENON_FORKED) {
        leave_host_in_child(r);
    }
    if (status < 0) {
        return status;
    }
    if (r->kind == TENON__NATIVE || r->kind == TENON__MANUAL) {
        return TENON_NOT_SUPPORTED;
    }
    if (TENON__RARELY(r->poller.timer_lost)) {
        /* What asked for this entry is not to end its wait. */
        tenon__inbox_acknowledge(r);
        return tenon__enter(r, UINT32_MAX, TENON_MILLISECOND, out);
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
    fill(r, has_more(r), out);
    r->depth--;
    if (!out->more) {
        tenon__poller_sync_timer(r);
        out->more = r->poller.timer_lost;
    }
    return TENON_OK;
}
