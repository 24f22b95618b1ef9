/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * What the tests of futures share: a manual reactor whose memory is counted, a
 * notebook of one letter a callback, and values that count their frees.
 */

#ifndef TENON_TESTS_CORE_FUTURE_RIG_H
#define TENON_TESTS_CORE_FUTURE_RIG_H

#include <string.h>

#include <tenon/tenon.h>

#include "harness_check.h"

#ifndef RIG_TIMEOUT
#define RIG_TIMEOUT 20 /* seconds */
#endif

static harness_guard guard;
static tenon_reactor *reactor;
static char notes[256];
static int reports;
static tenon_status reported;

static inline tenon_status on_report(tenon_reactor *r,
                                     const tenon_report *report, void *user)
{
    (void)r;
    (void)user;
    reports++;
    reported = tenon_error_status(report->error);
    return TENON_OK;
}

static inline tenon_reactor_options options(void)
{
    return (tenon_reactor_options){.size = sizeof(tenon_reactor_options),
                                   .allocator = &guard.heap.allocator,
                                   .slow_callback_ns = -1,
                                   .on_error = on_report};
}

static inline void setup(void)
{
    harness_guard_begin(&guard);
    tenon_reactor_options chosen = options();
    ck_assert_int_eq(tenon_manual_new(&reactor, &chosen), TENON_OK);
}

/* Reports are taken by the test that provokes them. */
static inline void teardown(void)
{
    tenon_reactor_unref(reactor);
    ck_assert_int_eq(reports, 0);
    harness_guard_end(&guard);
}

static inline void take_report(tenon_status status)
{
    ck_assert_int_eq(reports, 1);
    ck_assert_int_eq(reported, status);
    reports = 0;
}

static inline void turns(int count)
{
    for (int i = 0; i < count; i++) {
        ck_assert_int_eq(tenon_manual_turn(reactor, NULL), TENON_OK);
    }
}

static inline void settle(void)
{
    ck_assert_int_eq(tenon_manual_advance(reactor, 0), TENON_OK);
}

static inline void put(char letter)
{
    size_t len = strlen(notes);
    ck_assert_uint_lt(len, sizeof notes - 1);
    notes[len] = letter;
}

static inline void on_done(tenon_waiter *waiter, tenon_future *future,
                           void *user)
{
    (void)waiter;
    ck_assert(tenon_future_is_done(future));
    put(*(const char *)user);
}

static inline void tell(tenon_future *future, tenon_waiter *waiter,
                        const char *letter)
{
    union {
        const char *read;
        void *any;
    } user = {.read = letter};
    ck_assert_int_eq(tenon_future_on_done(future, waiter, on_done, user.any),
                     TENON_OK);
}

static inline tenon_future *pending(void)
{
    tenon_future *future = NULL;
    ck_assert_int_eq(tenon_future_new(reactor, &future), TENON_OK);
    return future;
}

static inline void fail_with(tenon_future *future, tenon_status status)
{
    tenon_error *error = tenon_error_of(status, NULL);
    ck_assert_int_eq(tenon_future_fail(future, error), TENON_OK);
    tenon_error_unref(error);
}

static inline void resolve(tenon_future *future, int64_t number)
{
    ck_assert_int_eq(tenon_future_resolve_int(future, number), TENON_OK);
}

static inline void require_int(tenon_future *future, int64_t wanted)
{
    int64_t number = ~wanted;
    ck_assert_int_eq(tenon_future_int(future, &number), TENON_OK);
    ck_assert_int_eq(number, wanted);
}

static inline int run_tests(const char *name, const TTest *const *tests,
                            size_t count)
{
    Suite *suite = suite_create(name);
    TCase *tcase = tcase_create(name);
    tcase_set_timeout(tcase, RIG_TIMEOUT);
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
