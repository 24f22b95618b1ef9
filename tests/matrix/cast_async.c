/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The actors of futures: one that resolves, one that fails, one that is
 * cancelled, one with children, and one that is kept by a promise.
 */

#include "matrix.h"

/* ---- what waits ---- */

static void on_done(tenon_waiter *waiter, tenon_future *future, void *user)
{
    actor *a = user;
    WANT(waiter == a->waiter && tenon_future_is_done(future));
    WANT(!over(a, EV_DONE_NEXT, 1)); /* in the order of asking */
    hit(a, EV_DONE);
}

static void on_done_next(tenon_waiter *waiter, tenon_future *future, void *user)
{
    actor *a = user;
    WANT(waiter == a->second && tenon_future_is_done(future));
    hit(a, EV_DONE_NEXT);
}

static void on_outer_done(tenon_waiter *waiter, tenon_future *future,
                          void *user)
{
    actor *a = user;
    WANT(waiter == a->outer_waiter && tenon_future_is_done(future));
    (void)tenon_future_error(future); /* seen */
    hit(a, EV_OUTER_DONE);
}

static tenon_waiter *wait_for(tenon_future *future, tenon_done_fn *fn, actor *a)
{
    tenon_waiter *waiter = own(sizeof *waiter);
    WANT(tenon_future_on_done(future, waiter, fn, a) == TENON_OK);
    return waiter;
}

static tenon_status on_then(tenon_future *source, tenon_future *result,
                            void *user)
{
    WANT(tenon_future_is_done(source) && !tenon_future_is_done(result));
    hit(user, EV_THEN);
    return TENON_OK;
}

static void on_then_free(void *user)
{
    hit(user, EV_THEN_FREE);
}

static void on_value_free(void *user)
{
    hit(user, EV_VALUE_FREE);
}

static tenon_status on_cancel(tenon_future *future, void *user)
{
    WANT(!tenon_future_is_done(future));
    hit(user, EV_CANCELLER);
    return TENON_OK;
}

/* A future, two that wait, and one that comes of it with a third. */
static void open_future(actor *a)
{
    tenon_then_options then = {.size = sizeof then,
                               .on_value = on_then,
                               .on_error = on_then,
                               .user = a,
                               .free_user = on_then_free};
    WANT(tenon_future_new(st.reactor, &a->future) == TENON_OK);
    WANT(tenon_future_set_canceller(a->future, on_cancel, a) == TENON_OK);
    a->waiter = wait_for(a->future, on_done, a);
    a->second = wait_for(a->future, on_done_next, a);
    WANT(tenon_future_then(a->future, &then, &a->outer) == TENON_OK);
    a->outer_waiter = wait_for(a->outer, on_outer_done, a);
}

/* Each step is taken once, after the first iteration at the earliest. */
static bool first_step(actor *a)
{
    return a->future && a->phase++ == 0;
}

static void step_pledge(actor *a)
{
    if (first_step(a) &&
        tenon_future_resolve(a->future, a, on_value_free) == TENON_OK) {
        a->owed++;
    } else if (over(a, EV_OUTER_DONE, 1) && a->future && a->owed) {
        /* The last reference gives the value back. */
        tenon_future *future = a->future;
        a->future = NULL;
        tenon_future_unref(future);
    }
}

static void step_failure(actor *a)
{
    if (first_step(a)) {
        WANT(tenon_future_fail(a->future, st.error) == TENON_OK || a->loose);
    }
}

static void step_retreat(actor *a)
{
    if (first_step(a)) {
        tenon_future_cancel(a->future, "matrix");
    }
}

static bool complete_future(const actor *a)
{
    return over(a, EV_DONE, 1) && over(a, EV_DONE_NEXT, 1) &&
           over(a, EV_THEN, 1) && over(a, EV_THEN_FREE, 1) &&
           over(a, EV_OUTER_DONE, 1);
}

static bool complete_pledge(const actor *a)
{
    return complete_future(a) && over(a, EV_VALUE_FREE, 1);
}

static bool complete_retreat(const actor *a)
{
    return complete_future(a) && over(a, EV_CANCELLER, 1);
}

static void close_future(actor *a)
{
    tenon_future_unref(a->future);
    tenon_future_unref(a->outer);
    WANT((a->ended & WAITER) || (a->loose && !a->waiter) ||
         a->seen[EV_DONE] == 1);
    WANT(a->seen[EV_DONE_NEXT] == 1 || !a->second);
    WANT(a->seen[EV_OUTER_DONE] == 1 || !a->outer_waiter);
    WANT(a->seen[EV_THEN_FREE] == 1);
    WANT(a->seen[EV_VALUE_FREE] == a->owed);
    DISOWN(a->waiter);
    DISOWN(a->second);
    DISOWN(a->outer_waiter);
}

const part kind_PLEDGE = {"future",    FUTURE | WAITER, open_future,
                          step_pledge, complete_pledge, close_future};
const part kind_FAILURE = {"failed future", FUTURE | WAITER, open_future,
                           step_failure,    complete_future, close_future};
const part kind_RETREAT = {"cancelled future", FUTURE | WAITER,  open_future,
                           step_retreat,       complete_retreat, close_future};

/* ---- children ---- */

static void on_child(tenon_waiter *waiter, tenon_future *future, void *user)
{
    actor *a = user;
    WANT(waiter == a->waiter && tenon_future_is_done(future));
    hit(a, EV_CHILD_DONE);
}

/* `future` is the first of two children. */
static void open_family(actor *a)
{
    tenon_future *children[2];
    WANT(tenon_future_new(st.reactor, &children[0]) == TENON_OK);
    WANT(tenon_future_ready_int(st.reactor, 1, &children[1]) == TENON_OK);
    a->future = children[0];
    a->waiter = wait_for(a->future, on_child, a);
    WANT(tenon_gather(st.reactor, children, 2, 0, &a->outer) == TENON_OK);
    tenon_future_unref(children[1]);
    a->outer_waiter = wait_for(a->outer, on_outer_done, a);
}

static void step_family(actor *a)
{
    if (first_step(a)) {
        WANT(tenon_future_resolve_int(a->future, 2) == TENON_OK || a->loose);
    }
}

static bool complete_family(const actor *a)
{
    return over(a, EV_CHILD_DONE, 1) && over(a, EV_OUTER_DONE, 1);
}

static void close_family(actor *a)
{
    tenon_future_unref(a->future);
    tenon_future_unref(a->outer);
    WANT((a->ended & WAITER) || !a->waiter || a->seen[EV_CHILD_DONE] == 1);
    WANT(a->seen[EV_OUTER_DONE] == 1 || !a->outer_waiter);
    DISOWN(a->waiter);
    DISOWN(a->outer_waiter);
}

const part kind_FAMILY = {"gather",    FUTURE | WAITER, open_family,
                          step_family, complete_family, close_family};

/* ---- promises ---- */

static void on_kept(tenon_waiter *waiter, tenon_future *future, void *user)
{
    actor *a = user;
    WANT(waiter == a->waiter && tenon_future_is_done(future));
    (void)tenon_future_error(future);
    hit(a, EV_KEPT);
}

static void open_word(actor *a)
{
    WANT(tenon_promise_new(st.reactor, &a->promise, &a->future) == TENON_OK);
    a->waiter = wait_for(a->future, on_kept, a);
}

static void step_word(actor *a)
{
    if (a->promise && a->phase++ == 0) {
        tenon_status status = tenon_promise_resolve_int(a->promise, 7);
        WANT(status == TENON_OK || status == TENON_DONE || a->loose);
    }
}

static bool complete_word(const actor *a)
{
    return over(a, EV_KEPT, 1);
}

static void close_word(actor *a)
{
    tenon_promise_unref(a->promise);
    tenon_future_unref(a->future);
    WANT((a->ended & WAITER) || !a->waiter || a->seen[EV_KEPT] == 1);
    DISOWN(a->waiter);
}

const part kind_WORD = {"promise",     FUTURE | WAITER | PROMISE,
                        open_word,     step_word,
                        complete_word, close_word};
