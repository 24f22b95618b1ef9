/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Time limits in tasks. A tenon_timeout cancels the task, as a scope. A limit
 * on one wait has no need of that: it cancels the future that is waited for,
 * and the wait goes on until that is done.
 */

#include "async/task.h"

static const char over[] = "the time limit was reached";

/* The task's last error becomes the cause. */
static tenon_status raise_timeout(tenon_task *t, const char *message)
{
    tenon_error *error =
        tenon__error(t->future.reactor, TENON_TIMED_OUT, message, t->error);
    tenon__task_set_error(t, error);
    return TENON_TIMED_OUT;
}

/* ---- around a part of a task ---- */

static tenon_timeout *limit_of(tenon_scope *s)
{
    return TENON__OF(s, tenon_timeout, scope);
}

static void leave_limit(tenon_scope *s)
{
    (void)tenon_timer_stop(&limit_of(s)->timer);
}

static const tenon__scope_kind for_limit = {"time limit", leave_limit};

static void on_limit(tenon_timer *timer, void *user)
{
    tenon_timeout *limit = user;
    tenon_error *reason =
        tenon__error(timer->reactor, TENON_CANCELLED, over, NULL);
    tenon__scope_fire(&limit->scope, reason);
    tenon_error_unref(reason);
}

static int64_t from_now(int64_t delay_ns)
{
    const tenon_task *t = tenon__task_current();
    return delay_ns == TENON_FOREVER || !t
               ? TENON_FOREVER
               : tenon__add_ns(tenon__clock(t->future.reactor), delay_ns);
}

static tenon_status start_limit(tenon_timeout *limit, int64_t deadline_ns)
{
    return deadline_ns == TENON_FOREVER
               ? TENON_OK
               : tenon_timer_start_at(&limit->timer, deadline_ns, on_limit,
                                      limit);
}

tenon_status tenon_timeout_begin(tenon_timeout *limit, int64_t delay_ns)
{
    return tenon_timeout_begin_at(limit, from_now(delay_ns));
}

tenon_status tenon_timeout_begin_at(tenon_timeout *limit, int64_t deadline_ns)
{
    tenon_task *t = tenon__task_current();
    if (!t || !limit) {
        return TENON_INVALID;
    }
    *limit = (tenon_timeout){.scope.task = NULL};
    tenon_status status = tenon__check(t->future.reactor);
    if (status < 0) {
        return status;
    }
    tenon_timer_init(&limit->timer, t->future.reactor);
    tenon_timer_set_name(&limit->timer, "time limit");
    status = start_limit(limit, deadline_ns);
    if (status == TENON_OK) {
        tenon__scope_begin(&limit->scope, &for_limit, t);
    }
    return status;
}

tenon_status tenon_timeout_move(tenon_timeout *limit, int64_t delay_ns)
{
    if (!limit || !limit->scope.task) {
        return limit ? TENON_DONE : TENON_INVALID;
    }
    const tenon_reactor *r = limit->timer.reactor;
    return tenon_timeout_move_at(
        limit, delay_ns == TENON_FOREVER
                   ? TENON_FOREVER
                   : tenon__add_ns(tenon__clock(r), delay_ns));
}

tenon_status tenon_timeout_move_at(tenon_timeout *limit, int64_t deadline_ns)
{
    if (!limit || !limit->scope.task || limit->scope.fired) {
        return limit ? TENON_DONE : TENON_INVALID;
    }
    tenon_status status = tenon__check(limit->timer.reactor);
    if (status < 0) {
        return status;
    }
    if (deadline_ns == TENON_FOREVER) {
        (void)tenon_timer_stop(&limit->timer);
        return TENON_OK;
    }
    return tenon_timer_is_active(&limit->timer)
               ? tenon__timer_move(&limit->timer, deadline_ns)
               : start_limit(limit, deadline_ns);
}

int64_t tenon_timeout_when(const tenon_timeout *limit)
{
    if (limit->scope.fired) {
        return 0;
    }
    return tenon_timer_is_active(&limit->timer)
               ? tenon_timer_when(&limit->timer)
               : TENON_FOREVER;
}

bool tenon_timeout_expired(const tenon_timeout *limit)
{
    return limit->scope.fired > 0;
}

tenon_status tenon_timeout_end(tenon_timeout *limit, tenon_status status)
{
    tenon_task *t = tenon__task_current();
    if (!t || !limit || limit->scope.task != t) {
        return status < 0 ? status : TENON_INVALID;
    }
    (void)tenon_timer_stop(&limit->timer);
    enum tenon__scope_verdict verdict = tenon__scope_end(&limit->scope);
    return status == TENON_CANCELLED && verdict == TENON__SCOPE_OWN
               ? raise_timeout(t, over)
               : status;
}

/* ---- on one wait ---- */

typedef struct limited {
    tenon__future_wait on; /* first */
    tenon_timer timer;
    bool expired;
} limited;

static limited *limited_of(tenon__wait *w)
{
    return (limited *)(void *)w;
}

static void cancel_late(tenon_future *f)
{
    tenon_error *reason = tenon__error(f->reactor, TENON_CANCELLED, over, NULL);
    (void)tenon__future_cancel(f, reason);
    tenon_error_unref(reason);
}

/* One that is done, and about to be looked at, is in time. */
static void on_late(tenon_timer *timer, void *user)
{
    limited *l = user;
    tenon_future *f = l->on.waiter.future;
    (void)timer;
    if (f && tenon__future_pending(f)) {
        l->expired = true;
        cancel_late(f);
    }
}

static tenon_status start_wait(limited *l, int64_t delay_ns, tenon_timer_fn *fn)
{
    const tenon_task *t = l->on.wait.task;
    tenon_timer_init(&l->timer, t->future.reactor);
    tenon_timer_set_name(&l->timer, t->name);
    return delay_ns == TENON_FOREVER
               ? TENON_OK
               : tenon_timer_start(&l->timer, delay_ns, fn, l);
}

static tenon_status end_wait(limited *l)
{
    tenon_status status = tenon__task_wait(&l->on.wait);
    (void)tenon_timer_stop(&l->timer);
    (void)tenon_waiter_remove(&l->on.waiter);
    return status;
}

static tenon_status wait_or_cancel(tenon_future *f, int64_t delay_ns,
                                   const char *site)
{
    limited l = {.expired = delay_ns <= 0};
    tenon_status status = tenon__await_begin(&l.on, f, site);
    if (status < 0) {
        return status;
    }
    tenon_task *t = l.on.wait.task;
    uint64_t requests = t->requests;
    if (l.expired) {
        tenon_timer_init(&l.timer, t->future.reactor);
        cancel_late(f);
    } else {
        status = start_wait(&l, delay_ns, on_late);
    }
    if (status < 0) {
        (void)tenon_waiter_remove(&l.on.waiter);
        return status;
    }
    status = end_wait(&l);
    bool own = l.expired && (t->requests == requests || t->masks > 0);
    return status == TENON_CANCELLED && own ? raise_timeout(t, over) : status;
}

tenon_status tenon_await_for_at(tenon_future *f, int64_t delay_ns,
                                const char *site)
{
    tenon_task *t = tenon__task_current();
    if (!t) {
        return TENON_INVALID;
    }
    tenon_status status = tenon__await_check(t, f);
    if (status < 0) {
        return status;
    }
    return tenon__future_pending(f) ? wait_or_cancel(f, delay_ns, site)
                                    : tenon_await_at(f, site);
}

/* ---- on one wait, the future being left alone ---- */

static bool cancel_keeping(tenon__wait *w, tenon_error *reason)
{
    limited *l = limited_of(w);
    (void)reason;
    (void)tenon_timer_stop(&l->timer);
    (void)tenon_waiter_remove(&l->on.waiter);
    return true;
}

static tenon_task *kept_task(const tenon__wait *w)
{
    const limited *l = (const limited *)(const void *)w;
    tenon_future *f = l->on.waiter.future;
    return f && tenon__future_pending(f) ? tenon_task_of(f) : NULL;
}

static const tenon__wait_kind for_kept = {"future, for a time", cancel_keeping,
                                          kept_task};

static void on_enough(tenon_timer *timer, void *user)
{
    limited *l = user;
    const tenon_future *f = l->on.waiter.future;
    (void)timer;
    if (f && tenon__future_pending(f)) {
        l->expired = true;
        (void)tenon_waiter_remove(&l->on.waiter);
        (void)tenon__task_wake(l->on.wait.task, TENON_TIMED_OUT);
    }
}

static void on_kept(tenon_waiter *waiter, tenon_future *f, void *user)
{
    tenon_task *t = user;
    tenon_status status = tenon__await_look(t, f);
    (void)waiter;
    if (f->flags & TENON__FUTURE_GONE) {
        (void)tenon__task_wake(t, status);
    } else {
        t->woken = status;
        tenon__task_resume(t);
    }
}

static tenon_status wait_keeping(tenon_task *t, tenon_future *f,
                                 int64_t delay_ns, const char *site)
{
    limited l = {.expired = false};
    tenon_status status = tenon__wait_begin(&l.on.wait, &for_kept, site);
    if (status == TENON_OK) {
        status = start_wait(&l, delay_ns, on_enough);
    }
    if (status < 0) {
        return status;
    }
    l.on.wait.object = f;
    tenon__waiter_add(&l.on.waiter, f, on_kept, t);
    status = end_wait(&l);
    return l.expired && status == TENON_TIMED_OUT
               ? raise_timeout(t, "the future is not done yet")
               : status;
}

tenon_status tenon_await_keep_at(tenon_future *f, int64_t delay_ns,
                                 const char *site)
{
    tenon_task *t = tenon__task_current();
    if (!t) {
        return TENON_INVALID;
    }
    tenon_status status = tenon__await_check(t, f);
    if (status < 0) {
        return status;
    }
    return tenon__future_pending(f) ? wait_keeping(t, f, delay_ns, site)
                                    : tenon_await_at(f, site);
}

/* ---- killing ---- */

enum { CHAIN_MAX = 64 }; /* tasks that wait for one another, or a ring */

static tenon_status refuses(tenon_task *t, tenon_task *victim)
{
    char text[200];
    tenon_task *next = victim;
    for (int i = 0; next && i < CHAIN_MAX; i++) {
        victim = next;
        const tenon__wait *its = victim->wait;
        next = its && its->kind->blocker ? its->kind->blocker(its) : NULL;
    }
    const tenon__wait *w = victim->wait;
    snprintf(text, sizeof text,
             "task \"%s\" refuses to end; it waits for %s at %.100s",
             victim->name, w ? w->kind->name : "its turn",
             w && w->site ? w->site : "-");
    return raise_timeout(t, text);
}

tenon_status tenon_kill_at(tenon_task *victim, int64_t delay_ns,
                           const char *site)
{
    tenon_task *t = tenon__task_current();
    if (!t || !victim || victim == t ||
        victim->future.reactor != t->future.reactor) {
        return TENON_INVALID;
    }
    tenon_status status = tenon_checkpoint();
    if (status < 0) {
        return status;
    }
    uint64_t requests = t->requests;
    tenon_task_ref(victim);
    (void)tenon_task_cancel(victim, "killed");
    status = tenon_await_keep_at(&victim->future, delay_ns, site);
    bool ended = tenon_task_is_done(victim);
    if (!ended && status == TENON_TIMED_OUT) {
        status = refuses(t, victim);
    } else if (ended &&
               (status != TENON_CANCELLED || t->requests == requests)) {
        tenon__future_see(&victim->future);
        status = TENON_OK;
    }
    tenon_task_unref(victim);
    return status;
}
