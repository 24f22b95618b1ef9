/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Group X, work in other threads, and other threads that wait for a reactor.
 * Work waits at a gate, or until nobody wants it: so none is left behind when
 * a case ends early.
 */

#include "rig.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

static atomic_bool open_gate;
static atomic_int inside;
static atomic_int ran;
static atomic_int frees;
static atomic_bool saw_cancel;
static char value[] = "value";

static void free_value(void *given)
{
    if (given == value) {
        atomic_fetch_add(&frees, 1);
    }
}

static tenon_status wait_at_gate(tenon_work *work, void *user)
{
    (void)user;
    atomic_fetch_add(&inside, 1);
    while (!atomic_load(&open_gate) && !tenon_work_is_cancelled(work)) {
        sched_yield();
    }
    atomic_store(&saw_cancel, tenon_work_is_cancelled(work));
    atomic_fetch_add(&ran, 1);
    tenon_work_set_value(work, value, free_value);
    return TENON_OK;
}

static tenon_status brief(tenon_work *work, void *user)
{
    atomic_fetch_add(&ran, 1);
    tenon_work_set_value(work, user, free_value);
    return TENON_OK;
}

static tenon_status fail(tenon_work *work, void *user)
{
    (void)work;
    (void)user;
    return -EDOM;
}

static tenon_executor *pool_of_one(void)
{
    const tenon_pool_options options = {.size = sizeof options,
                                        .threads_max = 1};
    tenon_executor *pool = NULL;
    REQUIRE_OK(tenon_executor_new_pool(&pool, &options));
    return pool;
}

static tenon_future *call(tenon_executor *executor, tenon_work_fn *fn)
{
    tenon_future *future = NULL;
    REQUIRE_OK(tenon_call_in(rig.reactor, executor, fn, value, &future));
    return future;
}

static void wait_inside(int count)
{
    int64_t end_ns = rig_deadline();
    while (atomic_load(&inside) < count) {
        REQUIRE(harness_clock_ns() < end_ns);
        sched_yield();
    }
}

static void require_value(tenon_future *future)
{
    void *got = NULL;
    REQUIRE_STATUS(tenon_future_value(future, &got), TENON_OK);
    REQUIRE(got == value);
}

static void require_error(tenon_future *future, tenon_status status)
{
    void *got = NULL;
    REQUIRE_STATUS(tenon_future_value(future, &got), status);
    REQUIRE_EQ(tenon_future_state(future), TENON_FUTURE_FAILED);
}

static void end_pool(tenon_executor *pool)
{
    REQUIRE_STATUS(tenon_executor_shutdown(pool, TENON_FOREVER), TENON_OK);
    tenon_executor_unref(pool);
}

/* ---- work ---- */

static void note_done(tenon_waiter *waiter, tenon_future *future, void *user)
{
    (void)waiter;
    (void)future;
    REQUIRE(tenon_reactor_current() == rig.reactor);
    note_call(user);
}

static void work_comes_back_in_a_turn(void)
{
    tenon_waiter waiter;
    tenon_future *good = call(NULL, brief);
    tenon_future *bad = call(NULL, fail);
    REQUIRE_OK(tenon_future_on_done(good, &waiter, note_done, "done"));
    PUMP_UNTIL(noted("done") && tenon_future_is_done(bad));
    require_value(good);
    require_error(bad, -EDOM);
    tenon_future_unref(good);
    tenon_future_unref(bad);
    rig_settle();
    REQUIRE_EQ(frees, 1);
    good = call(tenon_executor_inline(), brief);
    require_value(good);
    tenon_future_unref(good);
}

static void x08_cancelled_before_it_starts(void)
{
    tenon_executor *pool = pool_of_one();
    tenon_future *first = call(pool, wait_at_gate);
    wait_inside(1);
    tenon_future *f = call(pool, brief);
    REQUIRE_STATUS(tenon_future_cancel(f, NULL), TENON_EXISTED);
    open_gate = true;
    PUMP_UNTIL(tenon_future_is_done(first));
    end_pool(pool);
    REQUIRE_EQ(ran, 1);
    REQUIRE_EQ(tenon_future_state(f), TENON_FUTURE_CANCELLED);
    require_value(first);
    tenon_future_unref(first);
    tenon_future_unref(f);
}

static void x08_cancelled_after_it_started(void)
{
    tenon_executor *pool = pool_of_one();
    tenon_future *f = call(pool, wait_at_gate);
    wait_inside(1);
    REQUIRE(!tenon_future_is_done(f));
    REQUIRE_STATUS(tenon_future_cancel(f, NULL), TENON_EXISTED);
    REQUIRE(!tenon_reactor_alive(rig.reactor));
    end_pool(pool);
    REQUIRE(saw_cancel);
    REQUIRE_EQ(ran, 1);
    rig_settle();
    REQUIRE_EQ(frees, 1);
    REQUIRE_EQ(tenon_future_state(f), TENON_FUTURE_CANCELLED);
    tenon_future_unref(f);
}

static void x08_the_reactor_ends_first(void)
{
    tenon_reactor_options options = rig_options();
    rig_open(&options);
    tenon_executor *pool = pool_of_one();
    tenon_future *f = call(pool, wait_at_gate);
    wait_inside(1);
    rig_close();
    rig_take_report(TENON_PENDING); /* it is abandoned */
    require_error(f, TENON_CLOSED);
    tenon_future_unref(f);
    end_pool(pool);
    REQUIRE_EQ(ran, 1);
    REQUIRE_EQ(frees, 1);
}

/* ---- the executor of a reactor ---- */

static void *open_in_a_while(void *user)
{
    (void)user;
    rig_block(MS(20));
    atomic_store(&open_gate, true);
    return NULL;
}

static void x09_closing_waits_for_work(void)
{
    tenon_reactor_options options = rig_options();
    pthread_t thread;
    rig_open(&options);
    tenon_future *f = call(NULL, wait_at_gate);
    tenon_executor *mine = NULL;
    REQUIRE_MADE(mine, tenon_reactor_executor(rig.reactor));
    tenon_executor_ref(mine);
    wait_inside(1);
    REQUIRE(pthread_create(&thread, NULL, open_in_a_while, NULL) == 0);
    REQUIRE_OK(tenon_reactor_close(rig.reactor));
    rig_settle();
    REQUIRE_STATUS(tenon_call_in(rig.reactor, NULL, brief, value, NULL),
                   TENON_CLOSED);
    PUMP_UNTIL(rig.closed);
    pthread_join(thread, NULL);
    require_value(f);
    tenon_future_unref(f);
    rig_close();
    REQUIRE_EQ(ran, 1);
    end_pool(mine);
}

static void x09_closing_does_not_wait_for_ever(void)
{
    tenon_reactor_options options = rig_options();
    options.shutdown_timeout_ns = MS(30);
    rig_open(&options);
    tenon_future *f = call(NULL, wait_at_gate);
    tenon_executor *mine = NULL;
    REQUIRE_MADE(mine, tenon_reactor_executor(rig.reactor));
    tenon_executor_ref(mine);
    wait_inside(1);
    REQUIRE_OK(tenon_reactor_close(rig.reactor));
    PUMP_UNTIL(rig.closed);
    REQUIRE_EQ(rig.reports, 2); /* a late hook, and abandoned work */
    rig.reports = 0;
    require_error(f, TENON_CLOSED);
    tenon_future_unref(f);
    rig_close();
    end_pool(mine);
    REQUIRE(saw_cancel);
    REQUIRE_EQ(frees, 1);
}

static void x09_shutdown_by_hand(void)
{
    tenon_executor *pool = pool_of_one();
    tenon_future *f[2] = {call(pool, wait_at_gate), NULL};
    wait_inside(1);
    f[1] = call(pool, brief);
    REQUIRE_STATUS(tenon_executor_shutdown(pool, MS(20)), TENON_TIMED_OUT);
    REQUIRE_STATUS(tenon_call_in(rig.reactor, pool, brief, value, NULL),
                   TENON_CLOSED);
    PUMP_UNTIL(tenon_future_is_done(f[0]) && tenon_future_is_done(f[1]));
    require_value(f[0]);
    require_error(f[1], TENON_CLOSED);
    REQUIRE_EQ(ran, 1);
    tenon_future_unref(f[0]);
    tenon_future_unref(f[1]);
    end_pool(pool);
}

/* ---- threads that wait ---- */

typedef struct caller {
    pthread_t thread;
    tenon_inbox *inbox;
    tenon_blocking_fn *fn;
    int64_t timeout_ns;
    atomic_bool back;
    tenon_status status;
    tenon_outcome outcome;
} caller;

static tenon_future *inner;

static void *block(void *user)
{
    caller *c = user;
    c->status =
        tenon_call_blocking(c->inbox, c->fn, c, c->timeout_ns, &c->outcome);
    atomic_store(&c->back, true);
    return NULL;
}

static void start(caller *c, tenon_blocking_fn *fn, int64_t timeout_ns)
{
    rig_settle(); /* from here on it is this thread's */
    *c = (caller){.inbox = tenon_inbox_ref(tenon_reactor_inbox(rig.reactor)),
                  .fn = fn,
                  .timeout_ns = timeout_ns,
                  .outcome.size = sizeof c->outcome};
    REQUIRE(pthread_create(&c->thread, NULL, block, c) == 0);
}

static void join(caller *c)
{
    pthread_join(c->thread, NULL);
    tenon_inbox_unref(c->inbox);
}

static tenon_status await_inner(tenon_reactor *r, tenon_future **out,
                                void *user)
{
    (void)user;
    REQUIRE(r == rig.reactor && tenon_reactor_current() == r);
    REQUIRE_OK(tenon_future_new(r, &inner));
    *out = tenon_future_ref(inner);
    note("begun");
    return TENON_OK;
}

/* Without memory it does not, and says so. */
static void wait_begun(caller *c)
{
    PUMP_UNTIL(noted("begun") || c->back);
    if (!noted("begun")) {
        join(c);
        REQUIRE_STATUS(c->status, TENON_OK);
    }
}

static void x10_the_result_crosses(void)
{
    static caller c;
    start(&c, await_inner, TENON_FOREVER);
    wait_begun(&c);
    REQUIRE(!c.back);
    REQUIRE_OK(tenon_future_resolve(inner, value, free_value));
    tenon_future_unref(inner);
    PUMP_UNTIL(c.back);
    join(&c);
    REQUIRE_STATUS(c.status, TENON_OK);
    REQUIRE(c.outcome.value == value);
    tenon_outcome_clear(&c.outcome);
    REQUIRE_EQ(frees, 1);
}

static tenon_status refuse(tenon_reactor *r, tenon_future **out, void *user)
{
    (void)r;
    (void)out;
    (void)user;
    return -EDOM;
}

static void x10_the_error_crosses(void)
{
    static caller c;
    tenon_error *error = tenon_error_of(-ERANGE, "why");
    start(&c, refuse, TENON_FOREVER);
    PUMP_UNTIL(c.back);
    join(&c);
    REQUIRE_STATUS(c.status, -EDOM);
    tenon_outcome_clear(&c.outcome);
    start(&c, await_inner, TENON_FOREVER);
    wait_begun(&c);
    REQUIRE_OK(tenon_future_fail(inner, error));
    tenon_error_unref(error);
    tenon_future_unref(inner);
    PUMP_UNTIL(c.back);
    join(&c);
    REQUIRE_STATUS(c.status, -ERANGE);
    REQUIRE_STR(tenon_error_message(c.outcome.error), "why");
    tenon_outcome_clear(&c.outcome);
}

static void x10_a_timeout_cancels(void)
{
    static caller c;
    start(&c, await_inner, MS(20));
    PUMP_UNTIL(c.back);
    join(&c);
    REQUIRE_STATUS(c.status, TENON_TIMED_OUT);
    if (noted("begun")) { /* unless this thread was that slow */
        PUMP_UNTIL(tenon_future_is_done(inner));
        REQUIRE_EQ(tenon_future_state(inner), TENON_FUTURE_CANCELLED);
        tenon_future_unref(inner);
    }
}

static void x10_its_own_thread_is_refused(void)
{
    soon(note_call, "turn"); /* from then on this thread owns it */
    PUMP_UNTIL(noted("turn"));
    REQUIRE_STATUS(tenon_call_blocking(tenon_reactor_inbox(rig.reactor), refuse,
                                       NULL, TENON_FOREVER, NULL),
                   -EDEADLK);
}

static void x10_the_reactor_ends(void)
{
    static caller c;
    tenon_reactor_options options = rig_options();
    rig_open(&options);
    start(&c, await_inner, TENON_FOREVER);
    wait_begun(&c);
    rig_close();
    join(&c);
    REQUIRE_STATUS(c.status, TENON_CLOSED);
    tenon_outcome_clear(&c.outcome);
    tenon_future_unref(inner);
}

static const rig_case cases[] = {
    {"X07", "work runs elsewhere, and its outcome comes in a turn",
     work_comes_back_in_a_turn, 0},
    {"X08", "work that is cancelled before it starts never runs",
     x08_cancelled_before_it_starts, 0},
    {"X08b", "cancelled later, its result is dropped",
     x08_cancelled_after_it_started, 0},
    {"X08c", "a reactor may end while its work runs",
     x08_the_reactor_ends_first, BARE},
    {"X09", "closing waits for work of the default executor",
     x09_closing_waits_for_work, BARE | NEED_TIME},
    {"X09b", "closing waits for work no longer than it should",
     x09_closing_does_not_wait_for_ever, BARE | NEED_TIME},
    {"X09c", "a shutdown refuses new work and has a limit",
     x09_shutdown_by_hand, 0},
    {"X10", "a thread waits for a reactor: the result crosses",
     x10_the_result_crosses, 0},
    {"X10b", "the error crosses", x10_the_error_crosses, 0},
    {"X10c", "a timeout cancels what was waited for", x10_a_timeout_cancels, 0},
    {"X10d", "waiting for one's own thread is refused",
     x10_its_own_thread_is_refused, 0},
    {"X10e", "the end of the reactor wakes who waits", x10_the_reactor_ends,
     BARE},
};

const rig_group rig_executor = RIG_GROUP(cases);
