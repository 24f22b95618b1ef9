/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * What a task calls to wait: for a future, for a time, for its turn. All that
 * a wait needs lies on the stack of the task.
 */

#include "async/task.h"

/* ---- futures ---- */

static bool cancel_future(tenon__wait *w, tenon_error *reason);
static const tenon__wait_kind for_future = {"future", cancel_future,
                                            tenon__awaited_task};

static tenon__future_wait *wait_of(tenon__wait *w)
{
    return (tenon__future_wait *)(void *)w;
}

/* One that is done, or would not be cancelled, keeps what it comes to: the task
 * is cancelled as it goes on, unless that is taken back before. */
static bool cancel_future(tenon__wait *w, tenon_error *reason)
{
    tenon_future *f = wait_of(w)->waiter.future;
    bool done = !tenon__future_pending(f);
    if (done || tenon__future_cancel(f, reason) == TENON_PENDING) {
        w->task->must_cancel = true;
    }
    return false;
}

tenon_task *tenon__awaited_task(const tenon__wait *w)
{
    const tenon__future_wait *fw = (const tenon__future_wait *)(const void *)w;
    tenon_future *f = w->kind == &for_future ? fw->waiter.future : NULL;
    return f && tenon__future_pending(f) ? tenon_task_of(f) : NULL;
}

void tenon__await_forget(tenon__wait *w)
{
    (void)tenon_waiter_remove(&wait_of(w)->waiter);
}

tenon_status tenon__await_look(tenon_task *t, tenon_future *f)
{
    tenon_status status = tenon__future_outcome(f);
    tenon__future_see(f);
    tenon__task_set_error(t, tenon_error_ref(f->error));
    return status;
}

/* Called from the ready queue, hence the task goes on here and now; but inside
 * of tenon_future_fini it must not. */
static void on_done(tenon_waiter *waiter, tenon_future *f, void *user)
{
    tenon_task *t = user;
    (void)waiter;
    if (f->flags & TENON__FUTURE_GONE) {
        (void)tenon__task_wake(t, tenon__await_look(t, f));
        return;
    }
    bool cancelled = t->must_cancel && t->masks == 0;
    t->woken = cancelled ? TENON_CANCELLED : tenon__await_look(t, f);
    tenon__task_resume(t);
}

static tenon_status refuse_future(tenon_task *t, const tenon_future *f)
{
    char text[160];
    tenon_reactor *r = t->future.reactor;
    if (!f || !f->reactor || f == &t->future) {
        return tenon_raise(TENON_INVALID, f == &t->future
                                              ? "a task waits for itself"
                                              : "there is no future");
    }
    snprintf(
        text, sizeof text,
        "the future is one of reactor \"%.40s\", the task one of \"%.40s\"",
        f->reactor->name, r->name);
    return tenon_raise(TENON_INVALID, text);
}

tenon_status tenon__await_check(tenon_task *t, const tenon_future *f)
{
    bool fits = f && f != &t->future && f->reactor == t->future.reactor;
    return fits ? TENON_OK : refuse_future(t, f);
}

tenon_status tenon__await_begin(tenon__future_wait *fw, tenon_future *f,
                                const char *site)
{
    tenon_status status = tenon__wait_begin(&fw->wait, &for_future, site);
    if (status == TENON_OK) {
        fw->wait.object = f;
        tenon__waiter_add(&fw->waiter, f, on_done, fw->wait.task);
    }
    return status;
}

static tenon_status await_pending(tenon_future *f, const char *site)
{
    tenon__future_wait fw;
    tenon_status status = tenon__await_begin(&fw, f, site);
    if (status < 0) {
        return status;
    }
    status = tenon__task_wait(&fw.wait);
    (void)tenon_waiter_remove(&fw.waiter);
    return status;
}

tenon_status tenon_await_at(tenon_future *f, const char *site)
{
    tenon_task *t = tenon__task_current();
    if (!t) {
        return TENON_INVALID;
    }
    tenon_status status = tenon__await_check(t, f);
    if (status < 0) {
        return status;
    }
    if (tenon__future_pending(f)) {
        return await_pending(f, site);
    }
    status = tenon__task_wait_free(t, site);
    return status < 0 ? status : tenon__await_look(t, f);
}

tenon_status tenon_await_take_at(tenon_future *f, void **out,
                                 tenon_free_fn **free_value, const char *site)
{
    void *ignored;
    tenon_status status = tenon_await_at(f, site);
    if (out) {
        *out = NULL;
    }
    if (status == TENON_OK && out) {
        status = tenon_future_take(f, out ? out : &ignored, free_value);
    }
    tenon_future_unref(f);
    return status;
}

tenon_status tenon_await_int_at(tenon_future *f, int64_t *out, const char *site)
{
    tenon_status status = tenon_await_at(f, site);
    if (status == TENON_OK) {
        status = tenon_future_int(f, out);
    }
    tenon_future_unref(f);
    return status;
}

/* ---- time ---- */

typedef struct sleep_wait {
    tenon__wait wait; /* first */
    tenon_timer timer;
} sleep_wait;

static bool cancel_sleep(tenon__wait *w, tenon_error *reason)
{
    sleep_wait *sw = (sleep_wait *)(void *)w;
    (void)reason;
    (void)tenon_timer_stop(&sw->timer);
    return true;
}

static const tenon__wait_kind for_time = {"sleep", cancel_sleep, NULL};

static void on_time(tenon_timer *timer, void *user)
{
    (void)timer;
    (void)tenon__task_wake(user, TENON_OK);
}

static tenon_status sleep_for(int64_t delay_ns, const char *site)
{
    sleep_wait sw;
    tenon_status status = tenon__wait_begin(&sw.wait, &for_time, site);
    if (status < 0) {
        return status;
    }
    tenon_timer_init(&sw.timer, sw.wait.task->future.reactor);
    tenon_timer_set_name(&sw.timer, sw.wait.task->name);
    status = tenon_timer_start(&sw.timer, delay_ns, on_time, sw.wait.task);
    if (status < 0) {
        return status;
    }
    sw.wait.object = &sw.timer;
    status = tenon__task_wait(&sw.wait);
    (void)tenon_timer_stop(&sw.timer);
    return status;
}

tenon_status tenon_sleep_at(int64_t delay_ns, const char *site)
{
    return delay_ns > 0 ? sleep_for(delay_ns, site) : tenon_yield_at(site);
}

tenon_status tenon_sleep_until_at(int64_t deadline_ns, const char *site)
{
    const tenon_task *t = tenon__task_current();
    if (!t) {
        return TENON_INVALID;
    }
    int64_t now_ns = tenon__clock(t->future.reactor);
    return deadline_ns > now_ns ? sleep_for(deadline_ns - now_ns, site)
                                : tenon_yield_at(site);
}

/* ---- one's turn ---- */

static bool cancel_turn(tenon__wait *w, tenon_error *reason)
{
    (void)w;
    (void)reason;
    return false;
}

static const tenon__wait_kind for_turn = {"yield", cancel_turn, NULL};

tenon_status tenon_yield_at(const char *site)
{
    tenon__wait w;
    tenon_status status = tenon__wait_begin(&w, &for_turn, site);
    return status < 0 ? status : tenon__task_wait_turn(&w);
}

tenon_status tenon_checkpoint(void)
{
    tenon__wait w;
    return tenon__wait_begin(&w, &for_turn, NULL);
}

/* ---- regions ---- */

static tenon_status move(uint32_t *count, int by)
{
    if (by < 0 && *count == 0) {
        return TENON_INVALID;
    }
    *count += (uint32_t)by;
    return TENON_OK;
}

tenon_status tenon_mask_begin(void)
{
    tenon_task *t = tenon__task_current();
    return t ? move(&t->masks, 1) : TENON_INVALID;
}

tenon_status tenon_mask_end(void)
{
    tenon_task *t = tenon__task_current();
    return t ? move(&t->masks, -1) : TENON_INVALID;
}

tenon_status tenon_atomic_begin(void)
{
    tenon_task *t = tenon__task_current();
    return t ? move(&t->atomics, 1) : TENON_INVALID;
}

tenon_status tenon_atomic_end(void)
{
    tenon_task *t = tenon__task_current();
    return t ? move(&t->atomics, -1) : TENON_INVALID;
}
