/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Tests of what stands on a reactor, on every host of this build, with Check:
 * the same object code, and one loop test per test whose index is the host.
 *
 *   START_TEST(something)
 *   {
 *       if (host_open(_i)) {
 *           ... stage.reactor ... PUMP_UNTIL(done);
 *           host_close();
 *       }
 *   }
 *   tcase_add_loop_test(tcase, something, 0, host_count());
 *
 * host_close ends with the detectors of harness.h. A test that has the host or
 * the reactor end by itself sets the stage's pointer to NULL.
 */

#ifndef TENON_HARNESS_HOSTS_H
#define TENON_HARNESS_HOSTS_H

#include <stdlib.h>

#include <tenon/conformance.h>
#include <tenon/tenon.h>

#include "harness_check.h"

extern const tenon_fixture *const tenon_fixtures[];

static struct {
    const tenon_fixture *fixture;
    void *loop;
    tenon_reactor *reactor;
    harness_guard guard;
    harness_spin spin;
    bool closed;
    int reports; /* that the test did not take */
    tenon_status report_status;
} stage;

static inline int host_count(void)
{
    int count = 0;
    while (tenon_fixtures[count]) {
        count++;
    }
    return count;
}

static inline tenon_status host_on_error(tenon_reactor *reactor,
                                         const tenon_report *report, void *user)
{
    (void)reactor;
    (void)user;
    stage.reports++;
    stage.report_status = tenon_error_status(report->error);
    return TENON_OK;
}

static inline void host_on_closed(void *user)
{
    (void)user;
    stage.closed = true;
}

/** False for a host whose time or descriptors are not real. */
static inline bool host_open(int index)
{
    stage.fixture = tenon_fixtures[index];
    if (!(stage.fixture->caps & TENON_FIXTURE_REAL_TIME)) {
        return false;
    }
    stage.loop = stage.fixture->loop_new(); /* opens what it never closes */
    ck_assert_ptr_nonnull(stage.loop);
    stage.fixture->iterate(stage.loop, 0);
    stage.fixture->loop_free(stage.loop);
    harness_guard_begin(&stage.guard);
    tenon_reactor_options options = {
        .size = sizeof options,
        .allocator = &stage.guard.heap.allocator,
        .slow_callback_ns = -1,
        .on_error = host_on_error,
        .on_closed = host_on_closed,
    };
    stage.loop = stage.fixture->loop_new();
    ck_assert_int_eq(
        stage.fixture->attach(stage.loop, &stage.reactor, &options), TENON_OK);
    harness_spin_begin(&stage.spin, stage.reactor);
    return true;
}

static inline void host_iterate(int64_t max_wait_ns)
{
    int64_t start_ns = harness_clock_ns();
    stage.fixture->iterate(stage.loop, max_wait_ns);
    if (stage.reactor) {
        harness_spin_step(&stage.spin, max_wait_ns,
                          harness_clock_ns() - start_ns);
    }
}

/** Iterates until the condition holds; fails after five seconds. */
#define PUMP_UNTIL(condition)                                             \
    do {                                                                  \
        int64_t end_ns_ =                                                 \
            harness_clock_ns() + 5 * TENON_SECOND * harness_time_scale(); \
        while (!(condition)) {                                            \
            ck_assert_msg(harness_clock_ns() < end_ns_, "%s: no %s",      \
                          stage.fixture->name, #condition);               \
            host_iterate(20 * TENON_MILLISECOND);                         \
        }                                                                 \
    } while (0)

/** Iterates for so long, to see that something does not happen. */
static inline void host_run_for(int64_t duration_ns)
{
    int64_t end_ns = harness_clock_ns() + duration_ns;
    while (harness_clock_ns() < end_ns) {
        host_iterate(5 * TENON_MILLISECOND);
    }
}

/** Closes the reactor and drops the stage's reference. */
static inline void host_end_reactor(void)
{
    char why[HARNESS_TEXT_LEN] = "";
    ck_assert_msg(harness_spin_end(&stage.spin, why, sizeof why), "%s: %s",
                  stage.fixture->name, why);
    ck_assert_int_ge(tenon_reactor_close(stage.reactor), 0);
    PUMP_UNTIL(stage.closed);
    tenon_reactor_unref(stage.reactor);
    stage.reactor = NULL;
}

static inline void host_close(void)
{
    char why[HARNESS_TEXT_LEN] = "";
    if (stage.reactor) {
        ck_assert_msg(harness_reactor_clean(stage.reactor, why, sizeof why),
                      "%s: %s", stage.fixture->name, why);
        host_end_reactor();
    }
    if (stage.loop) {
        stage.fixture->loop_free(stage.loop);
        stage.loop = NULL;
    }
    ck_assert_msg(stage.reports == 0, "%s: %d reports, last %s",
                  stage.fixture->name, stage.reports,
                  tenon_status_name(stage.report_status));
    harness_guard_end(&stage.guard);
}

/** Runs the tests of one case and returns what main returns. */
static inline int host_main(TCase *tcase)
{
    Suite *suite = suite_create("hosts");
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed > 0;
}

#endif
