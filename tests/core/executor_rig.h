/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * What the tests of executors share: a native reactor whose memory is counted,
 * a gate that holds work up for as long as a case likes, and results that
 * count their frees.
 */

#ifndef TENON_TESTS_CORE_EXECUTOR_RIG_H
#define TENON_TESTS_CORE_EXECUTOR_RIG_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <tenon/tenon.h>

#include "harness_check.h"

static harness_guard guard;
static tenon_reactor *reactor;
static int reports;
static tenon_status reported;
static char report_what[64];

static inline tenon_status on_report(tenon_reactor *r,
                                     const tenon_report *report, void *user)
{
    (void)r;
    (void)user;
    reports++;
    reported = tenon_error_status(report->error);
    strncpy(report_what, report->what, sizeof report_what - 1);
    return TENON_OK;
}

static inline tenon_reactor_options rig_options(void)
{
    return (tenon_reactor_options){.size = sizeof(tenon_reactor_options),
                                   .allocator = &guard.heap.allocator,
                                   .slow_callback_ns = -1,
                                   .on_error = on_report};
}

static inline void setup(void)
{
    tenon_reactor_options chosen = rig_options();
    harness_guard_begin(&guard);
    ck_assert_int_eq(tenon_reactor_new(&reactor, &chosen), TENON_OK);
}

static inline void end_reactor(void)
{
    tenon_reactor_close(reactor);
    tenon_reactor_unref(reactor);
    reactor = NULL;
}

/* Reports are taken by the test that provokes them. */
static inline void teardown(void)
{
    end_reactor();
    ck_assert_int_eq(reports, 0);
    harness_guard_end(&guard);
}

static inline void take_report(const char *what, tenon_status status)
{
    ck_assert_int_eq(reports, 1);
    ck_assert_str_eq(report_what, what);
    ck_assert_int_eq(reported, status);
    reports = 0;
}

static inline int64_t test_deadline(void)
{
    return harness_clock_ns() + 10 * TENON_SECOND * harness_time_scale();
}

/** Runs the reactor until the condition holds. */
#define UNTIL(condition)                                                     \
    do {                                                                     \
        int64_t until_ns_ = test_deadline();                                 \
        while (!(condition)) {                                               \
            ck_assert_msg(harness_clock_ns() < until_ns_, "no %s",           \
                          #condition);                                       \
            ck_assert_int_eq(tenon_run_once(reactor, TENON_MILLISECOND * 5), \
                             TENON_OK);                                      \
        }                                                                    \
    } while (0)

/** The same where the reactor is not to run. */
#define WAIT_FOR(condition)                                        \
    do {                                                           \
        int64_t until_ns_ = test_deadline();                       \
        while (!(condition)) {                                     \
            const struct timespec nap_ = {.tv_nsec = 1000000};     \
            ck_assert_msg(harness_clock_ns() < until_ns_, "no %s", \
                          #condition);                             \
            nanosleep(&nap_, NULL);                                \
        }                                                          \
    } while (0)

static inline void settle(void)
{
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(tenon_run_once(reactor, 0), TENON_OK);
    }
}

/* ---- a gate ---- */

static pthread_mutex_t gate_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t gate_changed = PTHREAD_COND_INITIALIZER;
static bool gate_open;
static int gate_inside; /* that wait at it */
static atomic_int ran;
static atomic_int frees;
static atomic_int user_frees;

static inline void open_gate(bool open)
{
    pthread_mutex_lock(&gate_lock);
    gate_open = open;
    pthread_cond_broadcast(&gate_changed);
    pthread_mutex_unlock(&gate_lock);
}

static inline void pass_gate(void)
{
    pthread_mutex_lock(&gate_lock);
    gate_inside++;
    pthread_cond_broadcast(&gate_changed);
    while (!gate_open) {
        pthread_cond_wait(&gate_changed, &gate_lock);
    }
    gate_inside--;
    pthread_mutex_unlock(&gate_lock);
}

static inline void wait_inside(int count)
{
    pthread_mutex_lock(&gate_lock);
    while (gate_inside < count) {
        pthread_cond_wait(&gate_changed, &gate_lock);
    }
    pthread_mutex_unlock(&gate_lock);
}

static inline void free_number(void *value)
{
    atomic_fetch_add(&frees, 1);
    free(value);
}

static inline void free_user(void *user)
{
    (void)user;
    atomic_fetch_add(&user_frees, 1);
}

static inline int *number(int value)
{
    int *block = malloc(sizeof *block);
    if (!block) {
        abort(); /* Check is for the main thread */
    }
    *block = value;
    return block;
}

/* ---- work ---- */

static inline tenon_status give_seven(tenon_work *work, void *user)
{
    (void)user;
    atomic_fetch_add(&ran, 1);
    tenon_work_set_value(work, number(7), free_number);
    return TENON_OK;
}

/* Waits at the gate, then has a value. */
static inline tenon_status wait_at_gate(tenon_work *work, void *user)
{
    pass_gate();
    return give_seven(work, user);
}

static inline tenon_executor *pool_of(uint32_t threads, uint32_t queue)
{
    const tenon_pool_options options = {
        .size = sizeof options, .threads_max = threads, .queue_max = queue};
    tenon_executor *executor = NULL;
    ck_assert_int_eq(tenon_executor_new_pool(&executor, &options), TENON_OK);
    return executor;
}

static inline tenon_future *call(tenon_executor *executor, tenon_work_fn *fn,
                                 void *user)
{
    tenon_future *future = NULL;
    ck_assert_int_eq(tenon_call_in(reactor, executor, fn, user, &future),
                     TENON_OK);
    return future;
}

/* The same, with a user pointer whose frees are counted. */
static inline tenon_future *call_owned(tenon_executor *executor,
                                       tenon_work_fn *fn)
{
    const tenon_work_options options = {.size = sizeof options,
                                        .fn = fn,
                                        .free_user = free_user,
                                        .name = "owned"};
    tenon_future *future = NULL;
    ck_assert_int_eq(tenon_call_in_with(reactor, executor, &options, &future),
                     TENON_OK);
    return future;
}

static inline tenon_pool_stats stats_of(tenon_executor *executor)
{
    tenon_pool_stats stats = {.size = sizeof stats};
    ck_assert_int_eq(tenon_executor_stats(executor, &stats), TENON_OK);
    return stats;
}

static inline void require_seven(tenon_future *future)
{
    void *value = NULL;
    ck_assert_int_eq(tenon_future_value(future, &value), TENON_OK);
    ck_assert_int_eq(*(int *)value, 7);
}

/* No thread of it is left. */
static inline void end_pool(tenon_executor *executor)
{
    ck_assert_int_eq(tenon_executor_shutdown(executor, TENON_FOREVER),
                     TENON_OK);
    tenon_executor_unref(executor);
}

static inline int run_tests(const char *name, const TTest *const *tests,
                            size_t count)
{
    Suite *suite = suite_create(name);
    TCase *tcase = tcase_create(name);
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, teardown);
    for (size_t i = 0; i < count; i++) {
        tcase_add_test(tcase, tests[i]);
    }
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}

#define RUN_TESTS(name, tests) \
    run_tests(name, tests, sizeof(tests) / sizeof((tests)[0]))

#endif
