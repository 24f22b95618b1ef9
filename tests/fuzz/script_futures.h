/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The futures of fuzz_script.c. What holds another one is always younger or
 * always older than it (a link leads to a younger future, a gather holds older
 * ones), so that no two can hold each other for ever, which they may not.
 */

#ifndef TENON_TESTS_FUZZ_SCRIPT_FUTURES_H
#define TENON_TESTS_FUZZ_SCRIPT_FUTURES_H

#include "script_ends.h"

enum { FUTURES = 8, OWN = 2, WAITERS = 12 };

typedef struct future {
    tenon_future *f; /* a reference of ours, or one of `own` */
    unsigned age;
    bool is_own;
    bool grouped; /* gathers complete themselves: nothing is linked to them */
} future;

static future futures[FUTURES];
static tenon_future own[OWN];
static unsigned ages;
static unsigned values_out; /* and tickets */

static struct {
    tenon_waiter waiter;
    tenon_future *on;
    bool out;
} waiters[WAITERS];

static void free_value(void *value)
{
    values_out--;
    free(value);
}

static void *new_value(void)
{
    values_out++;
    return malloc(8);
}

/* The end of one in our memory forgets who waits; the last reference tells. */
static void drop(future *slot)
{
    if (slot->is_own) {
        for (size_t i = 0; i < WAITERS; i++) {
            waiters[i].out = waiters[i].out && waiters[i].on != slot->f;
        }
        tenon_future_fini(slot->f);
    } else {
        tenon_future_unref(slot->f);
    }
    memset(slot, 0, sizeof *slot);
}

static void keep(tenon_future *f, unsigned age, bool grouped)
{
    future *slot = &futures[choose(FUTURES - OWN)];
    future old = *slot;
    *slot = (future){f, age, false, grouped};
    drop(&old);
}

/* ---- completing ---- */

static tenon_status on_cancel(tenon_future *f, void *user)
{
    (void)user;
    HOLDS(!tenon_future_is_done(f));
    return choose(4) == 3 ? TENON_PENDING : TENON_OK;
}

static void fail_future(tenon_future *f)
{
    tenon_error *error = tenon_error_of(TENON_STALE, "said so");
    tenon_status status = tenon_future_fail(f, error);
    HOLDS(status != TENON_DONE || tenon_future_is_done(f));
    tenon_error_unref(error);
}

static void resolve_future(tenon_future *f)
{
    bool done = tenon_future_is_done(f);
    void *value = new_value();
    tenon_status status = tenon_future_resolve(f, value, free_value);
    HOLDS(status < 0 || !done);
    if (status < 0) {
        free_value(value);
    }
}

static void complete_some(future *slot)
{
    switch (choose(6)) {
    case 0:
        resolve_future(slot->f);
        break;
    case 1:
        (void)!tenon_future_resolve_int(slot->f, 7);
        break;
    case 2:
        fail_future(slot->f);
        break;
    case 3:
        (void)!tenon_future_set_canceller(slot->f, on_cancel, NULL);
        break;
    case 4:
        (void)tenon_future_try_resolve(slot->f, new_value(), free_value);
        break;
    default:
        (void)tenon_future_cancel(slot->f, choose(2) ? "a reason" : NULL);
        break;
    }
}

static void read_future(future *slot)
{
    void *value = NULL;
    tenon_free_fn *free_it = NULL;
    switch (choose(4)) {
    case 0:
        (void)!tenon_future_value(slot->f, &value);
        break;
    case 1:
        (void)tenon_future_error(slot->f);
        break;
    case 2:
        (void)tenon_future_state(slot->f);
        break;
    default:
        if (tenon_future_take(slot->f, &value, &free_it) == TENON_OK &&
            free_it) {
            free_it(value);
        }
        break;
    }
}

/* ---- waiting ---- */

static void on_done(tenon_waiter *waiter, tenon_future *f, void *user)
{
    bool *out = user;
    (void)waiter;
    HOLDS(*out);
    HOLDS(tenon_future_is_done(f));
    *out = false;
    called();
}

static void wait_some(future *slot)
{
    size_t i = choose(WAITERS);
    if (waiters[i].out) {
        tenon_status status = tenon_waiter_remove(&waiters[i].waiter);
        HOLDS(status == TENON_EXISTED || script.closing);
        waiters[i].out = status != TENON_EXISTED;
    } else if (slot->f && tenon_future_on_done(slot->f, &waiters[i].waiter,
                                               on_done, &waiters[i].out) >= 0) {
        waiters[i].out = true;
        waiters[i].on = slot->f;
    }
}

static void forget_some(future *slot)
{
    bool *out = &waiters[choose(WAITERS)].out;
    size_t found = tenon_future_off(slot->f, on_done, out);
    HOLDS(found <= (*out ? 1U : 0U));
    *out = *out && found == 0;
}

/* ---- joining ---- */

static void link_some(future *to)
{
    future *from = &futures[choose(FUTURES)];
    if (from->f && to->f && from->age < to->age && !to->grouped) {
        (void)!tenon_future_link(from->f, to->f, choose(4));
    }
}

static tenon_status on_then(tenon_future *source, tenon_future *result,
                            void *user)
{
    HOLDS(tenon_future_is_done(source));
    called();
    future to = {result, *(unsigned *)user, false, false};
    switch (choose(6)) {
    case 0:
        return TENON_OK;
    case 1:
        resolve_future(result);
        return TENON_OK;
    case 2:
        return -EIO;
    case 3:
        keep(tenon_future_ref(result), to.age, false);
        return TENON_PENDING;
    default:
        link_some(&to);
        return TENON_OK;
    }
}

static void then_some(future *slot)
{
    tenon_future *result = NULL;
    unsigned *age = new_value();
    tenon_then_options options = {.size = sizeof options,
                                  .on_value = choose(4) ? on_then : NULL,
                                  .on_error = choose(2) ? on_then : NULL,
                                  .user = age,
                                  .free_user = free_value};
    *age = ++ages;
    bool want = choose(2);
    unsigned mine = *age;
    if (tenon_future_then(slot->f, &options, want ? &result : NULL) < 0) {
        free_value(age);
    } else if (want) {
        keep(result, mine, false);
    }
}

static void gather_some(void)
{
    tenon_future *children[FUTURES];
    tenon_future *result = NULL;
    size_t count = 0;
    for (size_t i = 0; i < FUTURES - OWN; i++) {
        if (futures[i].f && choose(2)) {
            children[count++] = futures[i].f;
        }
    }
    unsigned how = choose(4);
    tenon_wait_options options = {.size = sizeof options,
                                  .policy = choose(3),
                                  .timeout_ns = TENON_FOREVER};
    if (choose(2)) {
        options.timeout_ns = choose(8) * TENON_MILLISECOND;
    }
    tenon_status status =
        how == 0   ? tenon_gather(reactor, children, count, choose(8), &result)
        : how == 1 ? tenon_any(reactor, children, count, &result)
        : how == 2 ? tenon_race(reactor, children, count, &result)
                   : tenon_wait(reactor, children, count, &options, &result);
    if (status >= 0) {
        keep(result, ++ages, true);
    }
}

static void flush_some(end *e)
{
    tenon_future *result = NULL;
    if (!e->piped && tenon_transport_flushed(e->t, &result) >= 0) {
        keep(result, ++ages, false);
    }
}

static void new_some(void)
{
    tenon_future *made = NULL;
    size_t i = choose(OWN + 2);
    if (i >= OWN) {
        if (tenon_future_new(reactor, &made) >= 0) {
            keep(made, ++ages, false);
        }
        return;
    }
    future *slot = &futures[FUTURES - OWN + i];
    if (slot->f) {
        drop(slot);
    } else if (tenon_future_init(&own[i], reactor) >= 0) {
        *slot = (future){&own[i], ++ages, true, false};
    }
}

static void future_some(void)
{
    future *slot = &futures[choose(FUTURES)];
    unsigned what = choose(10);
    if (what == 0 || !slot->f) {
        new_some();
        return;
    }
    switch (what) {
    case 1:
    case 2:
        complete_some(slot);
        break;
    case 3:
        read_future(slot);
        break;
    case 4:
        wait_some(slot);
        break;
    case 5:
        forget_some(slot);
        break;
    case 6:
        link_some(slot);
        break;
    case 7:
        then_some(slot);
        break;
    case 8:
        gather_some();
        break;
    default:
        drop(slot);
        break;
    }
}

static void futures_release(void)
{
    for (size_t i = 0; i < FUTURES; i++) {
        if (futures[i].f) {
            drop(&futures[i]);
        }
    }
}

#endif
