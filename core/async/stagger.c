/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Staggered races. The future holds itself until nothing more will be begun
 * and every attempt was heard; a waiter of its own tells when it is done,
 * however that came about, and the last of them to be heard lets go.
 */

#include "async/attempt.h"

#include <string.h>

/* ---- attempts ---- */

static void fail_begin(tenon__attempt *a, tenon_reactor *r, tenon_status status)
{
    a->error = tenon__error(r, status, NULL, NULL);
}

/* One that another reactor has made, or nobody. */
static tenon_status check_begun(const tenon_reactor *r, const tenon_future *f)
{
    if (!f) {
        return TENON_INVALID;
    }
    tenon_status status = tenon__future_check(f);
    return status == TENON_OK && f->reactor != r ? TENON_INVALID : status;
}

tenon_status tenon__attempt_begin(tenon__attempt *a, tenon_reactor *r,
                                  tenon_attempt_fn *fn, size_t number,
                                  void *user, tenon_done_fn *done, void *owner)
{
    tenon_future *f = NULL;
    tenon__frame frame;
    tenon__frame_enter(r, &frame, owner, "attempt", NULL);
    tenon_status status = fn(number, &f, user);
    tenon__frame_leave(r, &frame);
    if (status >= 0) {
        status = check_begun(r, f);
    }
    if (status < 0) {
        fail_begin(a, r, status);
        tenon_future_unref(f);
        return status;
    }
    tenon__waiter_add(&a->waiter, f, done, owner);
    return TENON_OK;
}

void tenon__attempt_failed(tenon__attempt *a, tenon_future *f)
{
    tenon__future_see(f);
    a->error = f->error ? tenon_error_ref(f->error)
                        : tenon__error(f->reactor, TENON_CANCELLED, NULL, NULL);
}

/* ---- the race ---- */

typedef struct stagger {
    tenon_future future; /* first: it is the block */
    tenon_waiter self;   /* its own end */
    tenon_timer timer;   /* the next one's time */
    tenon_stagger_options options;
    size_t begun;
    size_t active;
    size_t winner;
    bool over; /* its own end was heard: nothing will be begun */
    tenon__attempt attempts[];
} stagger;

static stagger *stagger_of(tenon_future *f)
{
    return (stagger *)(void *)f;
}

static size_t block_len(size_t count)
{
    return sizeof(stagger) + count * sizeof(tenon__attempt);
}

static void free_stagger(tenon_future *f)
{
    stagger *s = stagger_of(f);
    size_t count = s->options.count;
    for (size_t i = 0; i < count; i++) {
        tenon_error_unref(s->attempts[i].error);
    }
    tenon__timer_unkeep(&s->timer);
    tenon__free(&f->reactor->allocator, s, block_len(count));
}

static void cancel_attempts(stagger *s, tenon_error *reason)
{
    (void)tenon_timer_stop(&s->timer);
    for (size_t i = 0; i < s->begun; i++) {
        tenon__attempt_cancel(&s->attempts[i], reason);
    }
}

static void pass_on(tenon_future *f)
{
    cancel_attempts(stagger_of(f), f->error);
}

static const tenon__future_kind stagger_kind = {
    .name = "stagger", .free = free_stagger, .pass_on = pass_on};

static void settle(stagger *s)
{
    if (s->over && s->active == 0) {
        s->over = false; /* once */
        if (s->options.free_user) {
            s->options.free_user(s->options.user);
        }
        tenon_future_unref(&s->future);
    }
}

static void on_self(tenon_waiter *w, tenon_future *f, void *user)
{
    stagger *s = user;
    (void)w;
    (void)f;
    s->over = true;
    cancel_attempts(s, NULL);
    settle(s);
}

static tenon_error *merge(const stagger *s, tenon_error **all)
{
    size_t count = s->options.count;
    for (size_t i = 0; i < count; i++) {
        all[i] = s->attempts[i].error;
    }
    const tenon_error_options options = {
        .size = sizeof options,
        .status = tenon_error_status(all[count - 1]),
        .system_code = tenon_error_system_code(all[count - 1]),
        .message = "no attempt has succeeded",
        .allocator = &s->future.reactor->allocator,
        .children = all,
        .child_count = count,
    };
    return tenon_error_new(&options);
}

static void fail_all(stagger *s)
{
    tenon_reactor *r = s->future.reactor;
    size_t len = s->options.count * sizeof(tenon_error *);
    tenon_error **all = tenon__alloc(&r->allocator, len);
    if (!all) {
        tenon__future_fail_status(&s->future, TENON_NO_MEMORY, NULL, NULL);
        return;
    }
    tenon__future_set_error(&s->future, merge(s, all));
    tenon__free(&r->allocator, all, len);
}

/* An attempt has failed: the next one's time has come. */
static void on_next(tenon_timer *timer, void *user);
static void go_on(stagger *s, int64_t delay_ns)
{
    if (!tenon__future_pending(&s->future)) {
        return;
    }
    if (s->begun < s->options.count) {
        (void)tenon_timer_stop(&s->timer);
        /* Its place is kept, so this fails when the reactor ends only. */
        tenon_status status =
            tenon_timer_start(&s->timer, delay_ns, on_next, s);
        (void)status;
    } else if (s->active == 0) {
        fail_all(s);
    }
}

static void win(stagger *s, size_t index, tenon_future *f)
{
    s->winner = index;
    tenon__future_forward(f, &s->future, 0);
    tenon_error *reason = tenon__error(s->future.reactor, TENON_CANCELLED,
                                       "another attempt was faster", NULL);
    cancel_attempts(s, reason);
    tenon_error_unref(reason);
}

static void on_attempt(tenon_waiter *w, tenon_future *f, void *user)
{
    stagger *s = user;
    tenon__attempt *a = TENON__OF(w, tenon__attempt, waiter);
    s->active--;
    if (f->state != TENON_FUTURE_RESOLVED) {
        tenon__attempt_failed(a, f);
        go_on(s, 0);
    } else if (tenon__future_pending(&s->future)) {
        win(s, (size_t)(a - s->attempts), f);
    }
    tenon_future_unref(f);
    settle(s);
}

static void on_next(tenon_timer *timer, void *user)
{
    stagger *s = user;
    size_t index = s->begun++;
    const tenon_stagger_options *o = &s->options;
    (void)timer;
    s->active++; /* what is called may end us */
    tenon_status status =
        tenon__attempt_begin(&s->attempts[index], s->future.reactor, o->fn,
                             index, o->user, on_attempt, s);
    if (status < 0) {
        s->active--;
        go_on(s, 0);
        settle(s);
    } else if (!tenon__future_pending(&s->future)) {
        tenon__attempt_cancel(&s->attempts[index], NULL);
    } else {
        if (s->begun < o->count) {
            go_on(s, o->delay_ns);
        }
    }
}

static tenon_status check(const tenon_reactor *r,
                          const tenon_stagger_options *options)
{
    const size_t mandatory =
        offsetof(tenon_stagger_options, user) + sizeof options->user;
    size_t len;
    bool valid =
        options && options->size >= mandatory && options->fn &&
        options->count > 0 &&
        !__builtin_mul_overflow(options->count, sizeof(tenon__attempt), &len) &&
        !__builtin_add_overflow(len, sizeof(stagger), &len);
    tenon_status status = tenon__check(r);
    return status == TENON_OK && !valid ? TENON_INVALID : status;
}

static tenon_status start_first(stagger *s)
{
    tenon_status status = tenon__timer_keep(&s->timer);
    return status < 0 ? status : tenon_timer_start(&s->timer, 0, on_next, s);
}

tenon_status tenon_stagger(tenon_reactor *r,
                           const tenon_stagger_options *options,
                           tenon_future **out)
{
    tenon_status status = out ? check(r, options) : TENON_INVALID;
    if (status < 0) {
        return status;
    }
    stagger *s = tenon__alloc(&r->allocator, block_len(options->count));
    if (!s) {
        return TENON_NO_MEMORY;
    }
    tenon__future_setup(&s->future, r, &stagger_kind, NULL);
    memcpy(&s->options, options,
           options->size < sizeof s->options ? options->size
                                             : sizeof s->options);
    s->winner = SIZE_MAX;
    tenon_timer_init(&s->timer, r);
    tenon_timer_set_name(&s->timer, "stagger");
    status = start_first(s);
    if (status < 0) {
        tenon__future_discard(&s->future);
        return status;
    }
    tenon__waiter_add(&s->self, &s->future, on_self, s);
    *out = tenon_future_ref(&s->future);
    return TENON_OK;
}

size_t tenon_stagger_winner(const tenon_future *f)
{
    bool is = f && f->kind == &stagger_kind;
    return is ? ((const stagger *)(const void *)f)->winner : SIZE_MAX;
}
