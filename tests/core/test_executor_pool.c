/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Pools: order, bounds, sizes, idle threads, shutdown, and many threads that
 * do all of that at once.
 *
 * ctest: labels=threads timeout=180
 */

#include "executor_rig.h"

#include <sched.h>
#include <signal.h>

/* ---- order and bounds ---- */

enum { MANY = 200 };

static int order[MANY];
static int order_count;

static tenon_status note_order(tenon_work *work, void *user)
{
    (void)work;
    order[order_count++] = (int)((int *)user - order);
    return TENON_OK;
}

START_TEST(one_thread_keeps_the_order)
{
    tenon_executor *pool = pool_of(1, 0);
    tenon_future *last = NULL;
    for (int i = 0; i < MANY; i++) {
        tenon_future_unref(last);
        last = call(pool, note_order, &order[i]);
    }
    UNTIL(tenon_future_is_done(last));
    ck_assert_int_eq(order_count, MANY);
    for (int i = 0; i < MANY; i++) {
        ck_assert_int_eq(order[i], i);
    }
    ck_assert_int_eq(stats_of(pool).threads, 1);
    tenon_future_unref(last);
    end_pool(pool);
}
END_TEST

START_TEST(a_full_queue_says_so)
{
    tenon_executor *pool = pool_of(2, 3);
    tenon_future *f[5];
    tenon_future *more = NULL;
    for (int i = 0; i < 5; i++) {
        f[i] = call(pool, wait_at_gate, NULL);
    }
    wait_inside(2);
    ck_assert_int_eq(stats_of(pool).running, 2);
    ck_assert_int_eq(stats_of(pool).waiting, 3);
    ck_assert_int_eq(tenon_call_in(reactor, pool, give_seven, NULL, &more),
                     TENON_LIMIT);
    ck_assert_ptr_null(more);
    ck_assert_int_eq(tenon_future_cancel(f[4], NULL), TENON_EXISTED);
    more = call(pool, give_seven, NULL);
    open_gate(true);
    UNTIL(tenon_future_is_done(more));
    end_pool(pool);
    settle();
    ck_assert_int_eq(ran, 5);
    for (int i = 0; i < 5; i++) {
        tenon_future_unref(f[i]);
    }
    tenon_future_unref(more);
}
END_TEST

START_TEST(bounds_are_checked)
{
    tenon_executor *pool = NULL;
    tenon_pool_options wrong = {.size = sizeof wrong};
    wrong.threads_min = 3;
    wrong.threads_max = 2;
    ck_assert_int_eq(tenon_executor_new_pool(&pool, &wrong), TENON_INVALID);
    wrong.threads_max = TENON_POOL_THREADS_MAX + 1;
    ck_assert_int_eq(tenon_executor_new_pool(&pool, &wrong), TENON_INVALID);
    wrong.threads_max = 3;
    wrong.idle_ns = -1;
    ck_assert_int_eq(tenon_executor_new_pool(&pool, &wrong), TENON_INVALID);
    wrong.idle_ns = 0;
    wrong.stack_len = 1;
    ck_assert_int_eq(tenon_executor_new_pool(&pool, &wrong), TENON_INVALID);
    ck_assert_ptr_null(pool);
    pool = pool_of(1, 0);
    ck_assert_int_eq(tenon_executor_resize(pool, 0, 0), TENON_INVALID);
    ck_assert_int_eq(tenon_executor_resize(pool, 2, 1), TENON_INVALID);
    ck_assert_int_eq(tenon_executor_resize(pool, 0, TENON_POOL_THREADS_MAX + 1),
                     TENON_INVALID);
    ck_assert_int_eq(tenon_executor_set_idle(pool, -1), TENON_INVALID);
    ck_assert_int_eq(tenon_executor_stats(pool, NULL), TENON_INVALID);
    end_pool(pool);
}
END_TEST

/* ---- threads ---- */

typedef struct seen {
    char name[16];
    size_t stack_len;
    bool signals_blocked;
} seen;

static tenon_status look_around(tenon_work *work, void *user)
{
    seen *s = user;
    pthread_attr_t how;
    sigset_t mask;
    (void)work;
    pthread_getname_np(pthread_self(), s->name, sizeof s->name);
    pthread_getattr_np(pthread_self(), &how);
    pthread_attr_getstacksize(&how, &s->stack_len);
    pthread_attr_destroy(&how);
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    s->signals_blocked =
        sigismember(&mask, SIGTERM) && sigismember(&mask, SIGIO);
    return TENON_OK;
}

START_TEST(threads_are_good_guests)
{
    const tenon_pool_options options = {.size = sizeof options,
                                        .threads_max = 1,
                                        .stack_len = 512 * 1024,
                                        .name = "a name that is too long"};
    tenon_executor *pool = NULL;
    seen s = {.stack_len = 0};
    ck_assert_int_eq(tenon_executor_new_pool(&pool, &options), TENON_OK);
    tenon_future *f = call(pool, look_around, &s);
    UNTIL(tenon_future_is_done(f));
    ck_assert_str_eq(s.name, "a name that is ");
    ck_assert_uint_ge(s.stack_len, 512 * 1024);
    ck_assert(s.signals_blocked);
    tenon_future_unref(f);
    end_pool(pool);
}
END_TEST

START_TEST(idle_threads_end)
{
    tenon_executor *pool = pool_of(3, 0);
    for (int i = 0; i < 3; i++) {
        tenon_future_unref(call(pool, wait_at_gate, NULL));
    }
    wait_inside(3);
    open_gate(true);
    WAIT_FOR(stats_of(pool).idle == 3); /* for five seconds */
    ck_assert_int_eq(tenon_executor_resize(pool, 1, 3), TENON_OK);
    ck_assert_int_eq(tenon_executor_set_idle(pool, TENON_MILLISECOND),
                     TENON_OK);
    WAIT_FOR(stats_of(pool).threads == 1);
    ck_assert_int_eq(tenon_executor_resize(pool, 0, 3), TENON_OK);
    WAIT_FOR(stats_of(pool).threads == 0);
    tenon_future *f = call(pool, give_seven, NULL); /* made again */
    UNTIL(tenon_future_is_done(f));
    tenon_future_unref(f);
    end_pool(pool);
    settle();
}
END_TEST

START_TEST(more_and_fewer_threads)
{
    tenon_executor *pool = pool_of(1, 0);
    for (int i = 0; i < 4; i++) {
        tenon_future_unref(call(pool, wait_at_gate, NULL));
    }
    wait_inside(1);
    ck_assert_int_eq(stats_of(pool).threads, 1);
    ck_assert_int_eq(tenon_executor_resize(pool, 0, 4), TENON_OK);
    wait_inside(4);
    ck_assert_int_eq(tenon_executor_resize(pool, 0, 2), TENON_OK);
    ck_assert_int_eq(stats_of(pool).threads, 4); /* these are not stopped */
    open_gate(true);
    WAIT_FOR(stats_of(pool).threads == 2);
    end_pool(pool);
    settle();
    ck_assert_int_eq(ran, 4);
}
END_TEST

/* ---- shutdown ---- */

static void *open_soon(void *user)
{
    (void)user;
    wait_inside(1);
    open_gate(true);
    return NULL;
}

START_TEST(shutdown_waits_and_refuses)
{
    tenon_executor *pool = pool_of(1, 0);
    tenon_future *f[2] = {call(pool, wait_at_gate, NULL),
                          call(pool, give_seven, NULL)};
    pthread_t other;
    ck_assert_int_eq(pthread_create(&other, NULL, open_soon, NULL), 0);
    ck_assert_int_eq(tenon_executor_shutdown(pool, TENON_FOREVER), TENON_OK);
    ck_assert_int_eq(ran, 2); /* what was accepted is run */
    ck_assert_int_eq(stats_of(pool).threads, 0);
    ck_assert_int_eq(tenon_call_in(reactor, pool, give_seven, NULL, NULL),
                     TENON_CLOSED);
    ck_assert_int_eq(tenon_executor_shutdown(pool, 0), TENON_OK);
    pthread_join(other, NULL);
    UNTIL(tenon_future_is_done(f[1]));
    require_seven(f[0]);
    require_seven(f[1]);
    tenon_future_unref(f[0]);
    tenon_future_unref(f[1]);
    tenon_executor_unref(pool);
}
END_TEST

static atomic_bool told_to_stop;

static tenon_status run_until_told(tenon_work *work, void *user)
{
    (void)user;
    pthread_mutex_lock(&gate_lock);
    gate_inside++;
    pthread_cond_broadcast(&gate_changed);
    pthread_mutex_unlock(&gate_lock);
    while (!tenon_work_is_cancelled(work)) {
        sched_yield();
    }
    atomic_store(&told_to_stop, true);
    return give_seven(work, user);
}

START_TEST(shutdown_has_a_limit)
{
    tenon_executor *pool = pool_of(1, 0);
    tenon_future *f[2] = {call_owned(pool, run_until_told),
                          call_owned(pool, give_seven)};
    wait_inside(1);
    int64_t start_ns = harness_clock_ns();
    ck_assert_int_eq(tenon_executor_shutdown(pool, 20 * TENON_MILLISECOND),
                     TENON_TIMED_OUT);
    ck_assert_int_ge(harness_clock_ns() - start_ns, 20 * TENON_MILLISECOND);
    ck_assert_int_eq(tenon_executor_shutdown(pool, TENON_FOREVER), TENON_OK);
    ck_assert(told_to_stop);
    UNTIL(tenon_future_is_done(f[0]));
    require_seven(f[0]); /* it was only told */
    UNTIL(tenon_future_is_done(f[1]));
    ck_assert_int_eq(tenon_error_status(tenon_future_error(f[1])),
                     TENON_CLOSED);
    ck_assert_int_eq(ran, 1);
    ck_assert_int_eq(user_frees, 2);
    tenon_future_unref(f[0]);
    tenon_future_unref(f[1]);
    tenon_executor_unref(pool);
}
END_TEST

START_TEST(dropped_while_work_runs)
{
    tenon_executor *pool = pool_of(1, 0);
    tenon_future *f[2] = {call(pool, wait_at_gate, NULL),
                          call(pool, give_seven, NULL)};
    wait_inside(1);
    tenon_executor_unref(pool); /* the work has references */
    open_gate(true);
    UNTIL(tenon_future_is_done(f[1]));
    require_seven(f[0]);
    require_seven(f[1]);
    tenon_future_unref(f[0]);
    tenon_future_unref(f[1]);
}
END_TEST

static tenon_status shut_down_from_inside(tenon_work *work, void *user)
{
    tenon_work_set_int(work, tenon_executor_shutdown(user, TENON_FOREVER));
    return TENON_OK;
}

START_TEST(shutdown_by_its_own_work_is_refused)
{
    tenon_executor *pool = pool_of(1, 0);
    int64_t status = 0;
    tenon_future *f = call(pool, shut_down_from_inside, pool);
    UNTIL(tenon_future_is_done(f));
    ck_assert_int_eq(tenon_future_int(f, &status), TENON_OK);
    ck_assert_int_eq(status, -EDEADLK);
    tenon_future_unref(f);
    f = call(pool, give_seven, NULL); /* nothing was done */
    UNTIL(tenon_future_is_done(f));
    tenon_future_unref(f);
    end_pool(pool);
}
END_TEST

/* ---- all at once ---- */

enum { OWNERS = 2, ROUNDS = 3000, AT_ONCE = 16 };

static atomic_int outcomes;

static tenon_status brief(tenon_work *work, void *user)
{
    if ((uintptr_t)user % 5 == 0) {
        sched_yield();
    }
    if ((uintptr_t)user % 7 == 0) {
        return -EIO;
    }
    return give_seven(work, NULL);
}

static void on_outcome(tenon_waiter *waiter, tenon_future *future, void *user)
{
    (void)waiter;
    (void)user;
    (void)tenon_future_error(future); /* seen */
    atomic_fetch_add(&outcomes, 1);
}

/* A thread with a reactor of its own, on a pool that is everybody's. */
static void *owner(void *user)
{
    tenon_executor *pool = user;
    tenon_reactor *r = NULL;
    tenon_reactor_options options = {.size = sizeof options,
                                     .slow_callback_ns = -1};
    static _Thread_local tenon_waiter waiters[AT_ONCE];
    tenon_future *f[AT_ONCE] = {NULL};
    if (tenon_reactor_new(&r, &options) < 0) {
        abort();
    }
    for (uintptr_t i = 0; i < ROUNDS; i++) {
        size_t at = i % AT_ONCE;
        while (f[at] && !tenon_future_is_done(f[at])) {
            (void)!tenon_run_once(r, TENON_MILLISECOND);
        }
        (void)!tenon_run_once(r, 0); /* its waiter */
        tenon_waiter_remove(&waiters[at]);
        tenon_future_unref(f[at]);
        /* Only a number: nobody looks behind it. */
        union {
            uintptr_t number;
            void *any;
        } given = {.number = i + 1};
        if (tenon_call_in(r, pool, brief, given.any, &f[at]) < 0 ||
            tenon_future_on_done(f[at], &waiters[at], on_outcome, NULL) < 0) {
            abort();
        }
        if (i % 3 == 0) {
            (void)tenon_future_cancel(f[at], NULL);
        }
    }
    tenon_reactor_close(r); /* while some of it runs */
    for (size_t i = 0; i < AT_ONCE; i++) {
        tenon_future_unref(f[i]);
    }
    tenon_reactor_unref(r);
    return NULL;
}

START_TEST(many_threads_at_once)
{
    tenon_executor *pool = pool_of(4, 0);
    pthread_t owners[OWNERS];
    for (int i = 0; i < OWNERS; i++) {
        ck_assert_int_eq(pthread_create(&owners[i], NULL, owner, pool), 0);
    }
    for (uint32_t i = 0; i < 300; i++) {
        ck_assert_int_eq(tenon_executor_resize(pool, 0, 1 + i % 4), TENON_OK);
        ck_assert_int_eq(tenon_executor_set_idle(pool, i % 2 ? 0 : 1000),
                         TENON_OK);
        sched_yield();
    }
    for (int i = 0; i < OWNERS; i++) {
        pthread_join(owners[i], NULL);
    }
    end_pool(pool);
    ck_assert_int_eq(frees, ran);
    ck_assert_int_gt(outcomes, 0);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        one_thread_keeps_the_order, a_full_queue_says_so,
        bounds_are_checked,         threads_are_good_guests,
        idle_threads_end,           more_and_fewer_threads,
        shutdown_waits_and_refuses, shutdown_has_a_limit,
        dropped_while_work_runs,    shutdown_by_its_own_work_is_refused,
        many_threads_at_once,
    };
    return RUN_TESTS("executor pool", tests);
}
