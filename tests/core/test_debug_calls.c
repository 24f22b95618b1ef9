/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The debug level and everything that is called: who started what was slow.
 */

#include <fcntl.h>
#include <unistd.h>

#include "debug_rig.h"

/* ---- everything else, on a reactor that finds each callback slow ---- */

static void setup_slow(void)
{
    harness_guard_begin(&guard);
    tenon_reactor_options chosen = options();
    chosen.on_error = keep_trace;
    chosen.debug = TENON_DEBUG_ALL;
    chosen.slow_callback_ns = 1;
    ck_assert_int_eq(tenon_reactor_new(&reactor, &chosen), TENON_OK);
    trace[0] = '\0';
}

/* A run that calls once. */
static void run_slow(const char *first_line)
{
    while (reports == 0) {
        ck_assert_int_ge(tenon_run_once(reactor, TENON_SECOND), 0);
    }
    take_report(TENON_TIMED_OUT);
    ck_assert_ptr_eq(told(trace, first_line), trace);
    ck_assert_ptr_nonnull(told(trace, made.text));
}

static void take_a_while(void *user)
{
    int64_t start_ns = harness_clock_ns();
    (void)user;
    while (harness_clock_ns() - start_ns < 1000) {
    }
}

static __attribute__((noinline)) void call_here(int64_t delay_ns)
{
    ck_assert_int_eq(
        tenon_call_later(reactor, delay_ns, take_a_while, NULL, NULL),
        TENON_OK);
    made = HERE();
}

static __attribute__((noinline)) void call_soon_here(void)
{
    ck_assert_int_eq(tenon_call_soon(reactor, take_a_while, NULL), TENON_OK);
    made = HERE();
}

START_TEST(a_slow_call_says_who_wanted_it)
{
    call_soon_here();
    run_slow("  call, made at\n");
    call_here(0);
    run_slow("  call, made at\n");
    call_here(TENON_MILLISECOND);
    run_slow("  call, made at\n");
    require_forgotten();
}
END_TEST

static void free_timer(tenon_timer *timer, void *user)
{
    take_a_while(user);
    memset(timer, 0xa5, sizeof *timer);
    free(timer);
}

static __attribute__((noinline)) void start_timer_here(tenon_timer *timer,
                                                       tenon_timer_fn *fn)
{
    ck_assert_int_eq(tenon_timer_start(timer, 1000, fn, NULL), TENON_OK);
    made = HERE();
}

START_TEST(a_slow_timer_that_frees_itself)
{
    tenon_timer *timer = malloc(sizeof *timer);
    tenon_timer_init(timer, reactor);
    start_timer_here(timer, free_timer);
    run_slow("  timer, made at\n");
    require_forgotten();
}
END_TEST

static void on_event(tenon_watch *watch, uint32_t events, void *user)
{
    (void)events;
    take_a_while(user);
    tenon_watch_stop(watch);
}

static __attribute__((noinline)) void watch_here(tenon_watch *watch)
{
    ck_assert_int_eq(tenon_watch_start(watch, TENON_READ, on_event, NULL),
                     TENON_OK);
    made = HERE();
}

START_TEST(a_slow_watch_that_stops_itself)
{
    int ends[2];
    tenon_watch watch;
    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    ck_assert_int_eq((int)write(ends[1], "x", 1), 1);
    tenon_watch_init(&watch, reactor, ends[0]);
    watch_here(&watch);
    run_slow("  watch, made at\n");
    close(ends[0]);
    close(ends[1]);
    require_forgotten();
}
END_TEST

static tenon_status tick(tenon_periodic *periodic, uint64_t missed, void *user)
{
    (void)periodic;
    (void)missed;
    take_a_while(user);
    return TENON_OK;
}

static __attribute__((noinline)) void periodic_here(tenon_periodic *periodic)
{
    const tenon_periodic_options every = {
        .size = sizeof every, .period_ns = TENON_MILLISECOND, .fn = tick};
    ck_assert_int_eq(tenon_periodic_start(periodic, reactor, &every), TENON_OK);
    made = HERE();
}

START_TEST(a_periodic_call_knows_it_at_each_tick)
{
    tenon_periodic periodic;
    periodic_here(&periodic);
    for (int i = 0; i < 3; i++) {
        run_slow("  periodic, made at\n");
        ck_assert_ptr_nonnull(told(dumped(), made.text));
    }
    tenon_periodic_stop(&periodic);
    require_forgotten();
}
END_TEST

static void done_slowly(tenon_waiter *waiter, tenon_future *future, void *user)
{
    (void)waiter;
    tenon_future_fini(future);
    take_a_while(user);
}

START_TEST(a_slow_waiter_shows_its_future)
{
    tenon_future f;
    tenon_waiter waiter;
    ck_assert_int_eq(tenon_future_init(&f, reactor), TENON_OK);
    ck_assert_int_eq(tenon_future_on_done(&f, &waiter, done_slowly, NULL),
                     TENON_OK);
    fail_here(&f);
    made = completed;
    ck_assert_ptr_nonnull(tenon_future_error(&f));
    run_slow("  future, made at\n");
    require_forgotten();
}
END_TEST

static void report_there(tenon_timer *timer, void *user)
{
    tenon_error *error = tenon_error_of(-EIO, NULL);
    (void)timer;
    (void)user;
    tenon_reactor_report(reactor, "cache", error);
    tenon_error_unref(error);
}

START_TEST(a_report_of_yours_shows_the_callback)
{
    tenon_timer timer;
    ck_assert_int_eq(tenon_reactor_set_slow_callback(reactor, -1), TENON_OK);
    tenon_timer_init(&timer, reactor);
    start_timer_here(&timer, report_there);
    while (reports == 0) {
        ck_assert_int_ge(tenon_run_once(reactor, TENON_SECOND), 0);
    }
    take_report(-EIO);
    ck_assert_ptr_nonnull(told(trace, made.text));
    require_forgotten();
}
END_TEST

START_TEST(a_listener_is_in_the_dump)
{
    tenon_listener *listener = NULL;
    tenon_connector *connector = NULL;
    static const tenon_protocol_ops mute = {.size = sizeof mute};
    ck_assert_int_eq(tenon_reactor_set_slow_callback(reactor, -1), TENON_OK);
    ck_assert_int_eq(tenon_listen(reactor, &listener, "unix:@tenon-debug",
                                  tenon_factory_of(&mute), NULL),
                     TENON_OK);
    ck_assert_int_eq(tenon_connector_start(reactor, &connector,
                                           "unix:@tenon-debug",
                                           tenon_factory_of(&mute), NULL),
                     TENON_OK);
    ck_assert_ptr_nonnull(told(dumped(), "  listener, made at\n"));
    ck_assert_ptr_nonnull(told(dumped(), "  connector, made at\n"));
    tenon_connector_cancel(connector);
    tenon_connector_unref(connector);
    tenon_listener_close(listener);
    tenon_listener_unref(listener);
    for (int i = 0; i < 10; i++) {
        ck_assert_int_ge(tenon_run_once(reactor, 0), 0);
    }
    require_forgotten();
}
END_TEST

int main(void)
{
    unsetenv("TENON_DEBUG");
    Suite *suite = suite_create("debug-calls");
    TCase *slow = in_setup(suite, "slow", setup_slow);
    tcase_add_test(slow, a_slow_call_says_who_wanted_it);
    tcase_add_test(slow, a_slow_timer_that_frees_itself);
    tcase_add_test(slow, a_slow_watch_that_stops_itself);
    tcase_add_test(slow, a_periodic_call_knows_it_at_each_tick);
    tcase_add_test(slow, a_slow_waiter_shows_its_future);
    tcase_add_test(slow, a_report_of_yours_shows_the_callback);
    tcase_add_test(slow, a_listener_is_in_the_dump);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
