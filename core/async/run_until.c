/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * tenon_run_until: tenon_run, stopped by a waiter or a timer that lie on this
 * stack and are gone when it returns.
 */

#include "async/future.h"

typedef struct until {
    tenon_reactor *reactor;
    tenon_waiter waiter;
    tenon_timer timer;
    tenon_status status; /* once done */
    bool done;
    bool timed_out;
} until;

/* One in memory of the caller's may be gone when the run has ended. */
static void note(until *u, tenon_future *f)
{
    u->done = true;
    u->status = tenon__future_outcome(f);
    tenon__future_see(f);
}

static void on_done(tenon_waiter *waiter, tenon_future *f, void *user)
{
    until *u = user;
    (void)waiter;
    note(u, f);
    (void)tenon_stop(u->reactor);
}

static void on_timeout(tenon_timer *timer, void *user)
{
    until *u = user;
    (void)timer;
    u->timed_out = true;
    (void)tenon_stop(u->reactor);
}

/* What the run came to, which ended with `status`. */
static tenon_status outcome(const until *u, tenon_status status)
{
    if (u->done) {
        return u->status;
    }
    if (status < 0) {
        return status;
    }
    return u->timed_out ? TENON_TIMED_OUT : TENON_STOPPED;
}

/* The hold is for who completes it from outside: a daemon, another thread. */
static tenon_status run(until *u, tenon_future *f, int64_t timeout_ns)
{
    tenon_status status = TENON_OK;
    tenon_timer_init(&u->timer, u->reactor);
    if (timeout_ns != TENON_FOREVER) {
        status = tenon_timer_start(&u->timer, timeout_ns, on_timeout, u);
    }
    if (status < 0) {
        return status;
    }
    tenon__waiter_add(&u->waiter, f, on_done, u);
    (void)tenon_reactor_hold(u->reactor);
    status = tenon_run(u->reactor);
    (void)tenon_reactor_release(u->reactor);
    if (u->waiter.future && !tenon__future_pending(f)) {
        note(u, f);
    }
    (void)tenon_waiter_remove(&u->waiter);
    (void)tenon_timer_stop(&u->timer);
    return status;
}

tenon_status tenon_run_until(tenon_reactor *r, tenon_future *f,
                             int64_t timeout_ns)
{
    tenon_status status = tenon__check(r);
    if (status < 0 || !f || f->reactor != r) {
        return status < 0 ? status : TENON_INVALID;
    }
    if (tenon_is_running(r)) {
        return TENON_BUSY;
    }
    until u = {.reactor = r};
    bool counted = tenon__future_counted(f);
    tenon__pin(r);
    tenon_future_ref(f);
    status = run(&u, f, timeout_ns);
    status = outcome(&u, status);
    if (counted) {
        tenon_future_unref(f);
    }
    tenon__unpin(r);
    return status;
}
