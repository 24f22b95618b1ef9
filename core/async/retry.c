/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Trying again, with growing pauses: the policy, in a task, and as a future.
 * The future holds itself as a staggered race does, until its own end was
 * heard and no try is under way.
 */

#include "async/attempt.h"
#include "async/task.h"

#include <string.h>

enum { TRIES = 5, GROWTH = 200 };

/* ---- the policy ---- */

typedef struct policy {
    tenon_retry_options options;
    tenon_reactor *reactor;
    int64_t pause_ns;    /* the next one, without jitter */
    int64_t deadline_ns; /* of all of it */
    uint64_t random;
    uint32_t tries;     /* so far */
    tenon_error *error; /* of the last one */
} policy;

static bool is_valid(const tenon_retry_options *o)
{
    const size_t mandatory = offsetof(tenon_retry_options, delay_ns);
    return !o || (o->size >= mandatory);
}

static void set_defaults(tenon_retry_options *o)
{
    o->tries = o->tries > 0 ? o->tries : TRIES;
    o->delay_ns = o->delay_ns > 0 ? o->delay_ns : 100 * TENON_MILLISECOND;
    o->max_delay_ns = o->max_delay_ns > 0 ? o->max_delay_ns : 30 * TENON_SECOND;
    o->timeout_ns = o->timeout_ns > 0 ? o->timeout_ns : TENON_FOREVER;
    o->growth_percent = o->growth_percent > 0 ? o->growth_percent : GROWTH;
    o->jitter_percent = o->jitter_percent < 100 ? o->jitter_percent : 100;
}

static int64_t at_most(const policy *p, int64_t pause_ns)
{
    return pause_ns < p->options.max_delay_ns ? pause_ns
                                              : p->options.max_delay_ns;
}

static void policy_init(policy *p, tenon_reactor *r,
                        const tenon_retry_options *given)
{
    tenon_retry_options o = {.size = sizeof o};
    if (given) {
        memcpy(&o, given, given->size < sizeof o ? given->size : sizeof o);
    }
    set_defaults(&o);
    int64_t now_ns = tenon__clock(r);
    *p = (policy){.options = o,
                  .reactor = r,
                  .deadline_ns = tenon__add_ns(now_ns, o.timeout_ns),
                  .random = (uint64_t)now_ns ^ (uintptr_t)p};
    p->random |= 1; /* never 0 */
    p->pause_ns = at_most(p, o.delay_ns);
}

/* xorshift64*: it spreads tries, it guards nothing. */
static int64_t jitter(policy *p, int64_t pause_ns)
{
    int64_t range_ns = pause_ns / 100 * p->options.jitter_percent;
    p->random ^= p->random >> 12;
    p->random ^= p->random << 25;
    p->random ^= p->random >> 27;
    uint64_t value = p->random * UINT64_C(0x2545F4914F6CDD1D);
    return (int64_t)(value % ((uint64_t)range_ns * 2 + 1)) - range_ns;
}

/* How long to wait for the next try. */
static int64_t next_pause(policy *p)
{
    int64_t pause_ns = p->pause_ns;
    int64_t grown_ns;
    if (__builtin_mul_overflow(pause_ns, p->options.growth_percent,
                               &grown_ns)) {
        grown_ns = TENON_FOREVER;
    }
    p->pause_ns = at_most(p, grown_ns / 100);
    return pause_ns + jitter(p, pause_ns);
}

static bool is_worth_it(const policy *p)
{
    tenon_status status = tenon_error_status(p->error);
    return p->options.again
               ? p->options.again(p->error, p->options.user)
               : status != TENON_CANCELLED && status != TENON_INVALID &&
                     status != TENON_CLOSED;
}

/* Takes over the reference to `error`. */
static void note_failure(policy *p, tenon_error *error)
{
    tenon_error_unref(p->error);
    p->error = error;
}

static tenon_error *gave_up(const policy *p)
{
    char text[64];
    snprintf(text, sizeof text, "gave up after %u tries", p->tries);
    return tenon__error(p->reactor, tenon_error_status(p->error), text,
                        p->error);
}

static tenon_error *timed_out(const policy *p)
{
    return tenon__error(p->reactor, TENON_TIMED_OUT,
                        "the time for all tries is over", p->error);
}

/* After a failure: the pause to make, or the error to end with. */
static tenon_error *decide(policy *p, int64_t *pause_ns)
{
    const tenon_retry_options *o = &p->options;
    if (!is_worth_it(p)) {
        return tenon_error_ref(p->error);
    }
    if (p->tries >= o->tries && o->tries < UINT32_MAX) {
        return gave_up(p);
    }
    *pause_ns = next_pause(p);
    int64_t next_ns = tenon__add_ns(tenon__clock(p->reactor), *pause_ns);
    return next_ns >= p->deadline_ns && p->deadline_ns != TENON_FOREVER
               ? timed_out(p)
               : NULL;
}

/* ---- in a task ---- */

static tenon_error *task_error(tenon_task *t, tenon_status status)
{
    return tenon_error_status(t->error) == status
               ? tenon_error_ref(t->error)
               : tenon__error(t->future.reactor, status, NULL, NULL);
}

/* Whoever cancels the task meanwhile, be it the limit, wants no other try. */
static tenon_status try_all(policy *p, tenon_task *t, tenon_task_fn *fn,
                            void *user)
{
    uint64_t requests = t->requests;
    int64_t pause_ns = 0;
    for (;;) {
        tenon_status status = fn(user);
        p->tries++;
        if (status >= 0 || t->requests != requests) {
            return status;
        }
        note_failure(p, task_error(t, status));
        tenon_error *final = decide(p, &pause_ns);
        if (final) {
            tenon__task_set_error(t, final);
            return tenon_error_status(final);
        }
        status = tenon_sleep(pause_ns);
        if (status < 0) {
            return status;
        }
    }
}

tenon_status tenon_retry(tenon_task_fn *fn, void *user,
                         const tenon_retry_options *options)
{
    tenon_task *t = tenon__task_current();
    policy p;
    tenon_timeout limit;
    if (!t || !fn || !is_valid(options)) {
        return TENON_INVALID;
    }
    policy_init(&p, t->future.reactor, options);
    tenon_status status = tenon_timeout_begin_at(&limit, p.deadline_ns);
    if (status < 0) {
        return status;
    }
    status = try_all(&p, t, fn, user);
    bool own = tenon_timeout_expired(&limit) && status == TENON_CANCELLED;
    status = tenon_timeout_end(&limit, status);
    if (own && status == TENON_TIMED_OUT && p.error) {
        tenon__task_set_error(t, timed_out(&p));
    }
    tenon_error_unref(p.error);
    return status;
}

/* ---- as a future ---- */

typedef struct retry {
    tenon_future future; /* first: it is the block */
    tenon_waiter self;   /* its own end */
    tenon_timer timer;   /* the next try's time */
    tenon_timer limit;   /* of all of it */
    tenon_attempt_fn *fn;
    policy policy;
    tenon__attempt attempt;
    bool active; /* a try is being begun, or under way */
    bool over;   /* its own end was heard */
} retry;

static retry *retry_of(tenon_future *f)
{
    return (retry *)(void *)f;
}

static void free_retry(tenon_future *f)
{
    retry *y = retry_of(f);
    tenon_error_unref(y->policy.error);
    tenon__timer_unkeep(&y->timer);
    tenon__free(&f->reactor->allocator, y, sizeof *y);
}

static void stop(retry *y, tenon_error *reason)
{
    (void)tenon_timer_stop(&y->timer);
    (void)tenon_timer_stop(&y->limit);
    tenon__attempt_cancel(&y->attempt, reason);
}

static void pass_on(tenon_future *f)
{
    stop(retry_of(f), f->error);
}

static const tenon__future_kind retry_kind = {
    .name = "retry", .free = free_retry, .pass_on = pass_on};

static void settle(retry *y)
{
    const tenon_retry_options *o = &y->policy.options;
    if (y->over && !y->active) {
        y->over = false; /* once */
        if (o->free_user) {
            o->free_user(o->user);
        }
        tenon_future_unref(&y->future);
    }
}

static void on_self(tenon_waiter *w, tenon_future *f, void *user)
{
    retry *y = user;
    (void)w;
    (void)f;
    y->over = true;
    stop(y, NULL);
    settle(y);
}

static void on_limit(tenon_timer *timer, void *user)
{
    retry *y = user;
    (void)timer;
    if (tenon__future_pending(&y->future)) {
        tenon__future_set_error(&y->future, timed_out(&y->policy));
        stop(y, y->future.error);
    }
}

static void on_next(tenon_timer *timer, void *user);

/* A try has failed; the policy has its error. */
static void go_on(retry *y)
{
    int64_t pause_ns = 0;
    if (!tenon__future_pending(&y->future)) {
        return;
    }
    tenon__frame frame;
    tenon__frame_enter(y->future.reactor, &frame, y, "retry", NULL);
    tenon_error *final = decide(&y->policy, &pause_ns);
    tenon__frame_leave(y->future.reactor, &frame);
    if (!tenon__future_pending(&y->future)) {
        tenon_error_unref(final); /* `again` has cancelled it */
    } else if (tenon_error_status(final) == TENON_CANCELLED) {
        y->future.error = final;
        tenon__future_complete(&y->future, TENON_FUTURE_CANCELLED);
    } else if (final) {
        tenon__future_set_error(&y->future, final);
    } else {
        /* Its place is kept, so this fails when the reactor ends only. */
        tenon_status status =
            tenon_timer_start(&y->timer, pause_ns, on_next, y);
        (void)status;
    }
}

static void on_attempt(tenon_waiter *w, tenon_future *f, void *user)
{
    retry *y = user;
    (void)w;
    if (f->state == TENON_FUTURE_RESOLVED) {
        if (tenon__future_pending(&y->future)) {
            tenon__future_forward(f, &y->future, 0);
        }
    } else {
        tenon__attempt_failed(&y->attempt, f);
        note_failure(&y->policy, y->attempt.error);
        go_on(y);
    }
    tenon_future_unref(f);
    y->active = false;
    settle(y);
}

static void on_next(tenon_timer *timer, void *user)
{
    retry *y = user;
    (void)timer;
    y->active = true;
    tenon_status status = tenon__attempt_begin(
        &y->attempt, y->future.reactor, y->fn, y->policy.tries++,
        y->policy.options.user, on_attempt, y);
    if (status < 0) {
        note_failure(&y->policy, y->attempt.error);
        go_on(y);
        y->active = false;
        settle(y);
    } else if (!tenon__future_pending(&y->future)) {
        tenon__attempt_cancel(&y->attempt, NULL);
    }
}

static tenon_status start(retry *y)
{
    tenon_reactor *r = y->future.reactor;
    tenon_timer_init(&y->timer, r);
    tenon_timer_init(&y->limit, r);
    tenon_timer_set_name(&y->timer, "retry");
    tenon_timer_set_name(&y->limit, "retry");
    tenon_status status = tenon__timer_keep(&y->timer);
    if (status == TENON_OK && y->policy.deadline_ns != TENON_FOREVER) {
        status =
            tenon_timer_start_at(&y->limit, y->policy.deadline_ns, on_limit, y);
    }
    return status < 0 ? status : tenon_timer_start(&y->timer, 0, on_next, y);
}

tenon_status tenon_retry_future(tenon_reactor *r, tenon_attempt_fn *fn,
                                const tenon_retry_options *options,
                                tenon_future **out)
{
    tenon_status status = tenon__check(r);
    if (status < 0 || !fn || !out || !is_valid(options)) {
        return status < 0 ? status : TENON_INVALID;
    }
    retry *y = tenon__alloc(&r->allocator, sizeof *y);
    if (!y) {
        return TENON_NO_MEMORY;
    }
    tenon__future_setup(&y->future, r, &retry_kind, NULL);
    policy_init(&y->policy, r, options);
    y->fn = fn;
    status = start(y);
    if (status < 0) {
        tenon__future_discard(&y->future);
        return status;
    }
    tenon__waiter_add(&y->self, &y->future, on_self, y);
    *out = tenon_future_ref(&y->future);
    return TENON_OK;
}
