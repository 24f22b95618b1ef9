/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * A thread that waits for a reactor. What they share is a block of malloc's
 * with a reference for each side: so either may be gone first.
 *
 *   POSTED -> BEGUN (the function is on the stack) -> AWAITING (a future)
 *     -> OVER
 *
 * The waiting side leaves from POSTED, and the function is not called any
 * more; or from AWAITING, and the future is cancelled by a second post. From
 * BEGUN it cannot leave: the function uses what the waiting side has.
 */

#include <pthread.h>

#include <tenon/blocking.h>

#include "async/future.h"
#include "loop/thread.h"

enum blocking_state { POSTED, BEGUN, AWAITING, OVER };

typedef struct blocking {
    atomic_uint refs;
    tenon_inbox *inbox;
    tenon_post_node begin;
    tenon_post_node cancel;
    tenon_blocking_fn *fn;
    void *user;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    enum blocking_state state;
    bool left; /* nobody waits any more */
    tenon_status status;
    tenon_outcome outcome;
    /* The reactor's thread alone: */
    tenon_waiter waiter;
    tenon_future *future;
} blocking;

static void release(blocking *b)
{
    if (atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) == 1) {
        tenon_outcome_clear(&b->outcome);
        pthread_cond_destroy(&b->changed);
        pthread_mutex_destroy(&b->lock);
        tenon__free(&tenon__malloc, b, sizeof *b);
    }
}

/* ---- the reactor's thread ---- */

static void set_state(blocking *b, enum blocking_state state)
{
    pthread_mutex_lock(&b->lock);
    b->state = state;
    pthread_cond_signal(&b->changed);
    pthread_mutex_unlock(&b->lock);
}

/* What there is to tell; the block's reference is the caller's to drop. */
static void finish(blocking *b, tenon_status status, tenon_error *error)
{
    b->status = status;
    b->outcome.error = error;
    set_state(b, OVER);
}

static void fail(blocking *b, tenon_status status)
{
    finish(b, status, tenon_error_of(status, NULL));
}

/* Asks the public getters: a value that was passed on is elsewhere. */
static void collect(blocking *b, tenon_future *f)
{
    tenon_outcome *out = &b->outcome;
    tenon_status status = tenon_future_int(f, &out->number);
    if (status == TENON_OK) {
        out->is_number = true;
    } else {
        status = tenon_future_take(f, &out->value, &out->free_value);
    }
    if (status < 0) {
        tenon_error *error = tenon_error_ref(tenon_future_error(f));
        finish(b, status, error ? error : tenon_error_of(status, NULL));
    } else {
        finish(b, TENON_OK, NULL);
    }
}

static void on_done(tenon_waiter *waiter, tenon_future *future, void *user)
{
    blocking *b = user;
    (void)waiter;
    b->future = NULL;
    collect(b, future);
    tenon_future_unref(future);
    release(b);
}

/* Whether it has begun: nobody has left. */
static bool enter(blocking *b)
{
    pthread_mutex_lock(&b->lock);
    bool wanted = !b->left;
    if (wanted) {
        b->state = BEGUN;
    }
    pthread_mutex_unlock(&b->lock);
    return wanted;
}

static void await(blocking *b, tenon_future *future)
{
    tenon_status status = tenon_future_on_done(future, &b->waiter, on_done, b);
    if (status < 0) { /* the function has ended the reactor */
        tenon_future_unref(future);
        fail(b, status);
        release(b);
        return;
    }
    b->future = future;
    set_state(b, AWAITING);
}

static void on_begin(tenon_post_node *post, tenon_status status, void *user)
{
    blocking *b = user;
    tenon_future *future = NULL;
    (void)post;
    if (!enter(b)) {
        release(b);
        return;
    }
    if (status == TENON_OK) {
        status = b->fn(tenon_reactor_current(), &future, b->user);
    }
    if (status >= 0 && future) {
        await(b, future);
        return;
    }
    tenon_future_unref(future);
    if (status < 0) {
        fail(b, status);
    } else {
        finish(b, TENON_OK, NULL);
    }
    release(b);
}

static void on_cancel(tenon_post_node *post, tenon_status status, void *user)
{
    blocking *b = user;
    (void)post;
    (void)status;
    if (b->future) {
        (void)tenon_future_cancel(b->future, "the thread that waits gave up");
    }
    release(b);
}

/* ---- the thread that waits ---- */

static blocking *blocking_new(tenon_inbox *inbox, tenon_blocking_fn *fn,
                              void *user)
{
    blocking *b = tenon__alloc(&tenon__malloc, sizeof *b);
    if (b) {
        atomic_init(&b->refs, 2);
        b->inbox = inbox;
        b->fn = fn;
        b->user = user;
        b->outcome.size = sizeof b->outcome;
        tenon_post_init(&b->begin);
        tenon_post_init(&b->cancel);
        pthread_mutex_init(&b->lock, NULL);
        tenon__condition_init(&b->changed);
    }
    return b;
}

/* The state in which it stopped waiting: OVER, or it has left. */
static enum blocking_state wait_for_end(blocking *b, int64_t timeout_ns)
{
    int64_t until_ns = timeout_ns == TENON_FOREVER
                           ? TENON_FOREVER
                           : tenon__deadline(timeout_ns);
    pthread_mutex_lock(&b->lock);
    bool in_time = true;
    while (b->state != OVER && (in_time || b->state == BEGUN)) {
        bool late = !tenon__condition_wait(&b->changed, &b->lock,
                                           in_time ? until_ns : TENON_FOREVER);
        in_time = in_time && !late;
    }
    enum blocking_state state = b->state;
    b->left = state != OVER;
    pthread_mutex_unlock(&b->lock);
    return state;
}

static void give_up(blocking *b)
{
    atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
    if (tenon_post(b->inbox, &b->cancel, on_cancel, b) < 0) {
        release(b); /* the reactor ends: so does the future */
    }
}

static tenon_status conclude(blocking *b, int64_t timeout_ns,
                             tenon_outcome *out)
{
    enum blocking_state state = wait_for_end(b, timeout_ns);
    if (state == AWAITING) {
        give_up(b);
    }
    if (state != OVER) {
        return TENON_TIMED_OUT;
    }
    if (out) {
        uint32_t size = out->size;
        *out = b->outcome;
        out->size = size;
        b->outcome = (tenon_outcome){.size = sizeof b->outcome};
    }
    return b->status;
}

/* Whether it can answer at all. A child's threads have the addresses of the
 * parent's. */
static tenon_status check(tenon_inbox *inbox)
{
    if (*(volatile unsigned char *)inbox->fork_page == 0) {
        return TENON_FORKED;
    }
    const void *owner =
        atomic_load_explicit(&inbox->owner, memory_order_relaxed);
    return owner == tenon__this_thread() ? -EDEADLK : TENON_OK;
}

tenon_status tenon_call_blocking(tenon_inbox *inbox, tenon_blocking_fn *fn,
                                 void *user, int64_t timeout_ns,
                                 tenon_outcome *out)
{
    if (!inbox || !fn || (out && out->size < sizeof *out)) {
        return TENON_INVALID;
    }
    if (out) {
        *out = (tenon_outcome){.size = out->size};
    }
    tenon_status status = check(inbox);
    if (status < 0) {
        return status;
    }
    blocking *b = blocking_new(inbox, fn, user);
    if (!b) {
        return TENON_NO_MEMORY;
    }
    status = tenon_post(inbox, &b->begin, on_begin, b);
    if (status < 0) {
        release(b);
    } else {
        status = conclude(b, timeout_ns, out);
    }
    release(b);
    return status;
}

void tenon_outcome_clear(tenon_outcome *outcome)
{
    if (outcome->free_value) {
        outcome->free_value(outcome->value);
    }
    tenon_error_unref(outcome->error);
    *outcome = (tenon_outcome){.size = outcome->size};
}
