/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Ends in the wrong order, and numbers at their ends: objects of the caller's
 * that outlive their reactor, reports that end what they are about, stops that
 * come before a close.
 */

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <tenon/foreign.h>
#include <tenon/manual.h>
#include <tenon/tenon.h>

#include "harness_check.h"

static harness_guard guard;
static tenon_reactor *reactor;
static int calls;

static void setup(void)
{
    harness_guard_begin(&guard);
    reactor = NULL;
    calls = 0;
}

static void teardown(void)
{
    harness_guard_end(&guard);
}

static tenon_reactor_options options_with(tenon_error_handler_fn *on_error)
{
    return (tenon_reactor_options){.size = sizeof(tenon_reactor_options),
                                   .allocator = &guard.heap.allocator,
                                   .slow_callback_ns = -1,
                                   .on_error = on_error};
}

static void make(bool by_hand, tenon_error_handler_fn *on_error)
{
    tenon_reactor_options options = options_with(on_error);
    tenon_status status = by_hand ? tenon_manual_new(&reactor, &options)
                                  : tenon_reactor_new(&reactor, &options);
    ck_assert_int_eq(status, TENON_OK);
}

static void settle(void)
{
    ck_assert_int_eq(tenon_manual_advance(reactor, 0), TENON_OK);
}

static void drop_reactor(void)
{
    tenon_reactor_unref(reactor);
    reactor = NULL;
}

/* ---- shutdown hooks ---- */

static tenon_status done_soon(tenon_reactor *r, tenon_shutdown *hook,
                              void *user);

static void finish_hook(void *user)
{
    tenon_shutdown_done(user);
}

static tenon_status done_soon(tenon_reactor *r, tenon_shutdown *hook,
                              void *user)
{
    (void)user;
    calls++;
    ck_assert_int_eq(tenon_call_soon(r, finish_hook, hook), TENON_OK);
    return TENON_PENDING;
}

static tenon_status stop_and_done_soon(tenon_reactor *r, tenon_shutdown *hook,
                                       void *user)
{
    ck_assert_int_eq(tenon_stop(r), TENON_OK);
    return done_soon(r, hook, user);
}

/* A stop is for runs: it must not keep a close from running its hooks. */
START_TEST(L_close_runs_hooks_whatever_was_stopped)
{
    tenon_shutdown hook;
    make(false, NULL);
    ck_assert_int_eq(
        tenon_reactor_on_shutdown(reactor, &hook,
                                  _i ? stop_and_done_soon : done_soon, NULL),
        TENON_OK);
    if (!_i) {
        ck_assert_int_eq(tenon_stop(reactor), TENON_OK);
    }
    ck_assert_int_eq(tenon_reactor_close(reactor), TENON_OK);
    ck_assert_int_eq(calls, 1);
    drop_reactor();
}
END_TEST

static tenon_status never_done(tenon_reactor *r, tenon_shutdown *hook,
                               void *user)
{
    (void)r, (void)hook, (void)user;
    calls++;
    return TENON_PENDING;
}

/* What a hook waited for may answer when the reactor is long gone. */
START_TEST(L6_a_hook_is_done_after_the_reactor)
{
    tenon_shutdown *hook = malloc(sizeof *hook);
    make(true, NULL);
    ck_assert_int_eq(tenon_reactor_on_shutdown(reactor, hook, never_done, NULL),
                     TENON_OK);
    ck_assert_int_eq(tenon_reactor_close(reactor), TENON_PENDING);
    settle();
    ck_assert_int_eq(calls, 1);
    drop_reactor();
    tenon_shutdown_done(hook);
    tenon_shutdown_remove(hook);
    free(hook);
}
END_TEST

START_TEST(L2_a_pending_hook_can_be_removed)
{
    tenon_shutdown *hook = malloc(sizeof *hook);
    make(true, NULL);
    ck_assert_int_eq(tenon_reactor_on_shutdown(reactor, hook, never_done, NULL),
                     TENON_OK);
    ck_assert_int_eq(tenon_reactor_close(reactor), TENON_PENDING);
    settle();
    tenon_shutdown_remove(hook);
    memset(hook, 0xa5, sizeof *hook);
    free(hook);
    ck_assert_int_eq(tenon_manual_turn(reactor, NULL), TENON_CLOSED);
    ck_assert(tenon_reactor_is_closed(reactor));
    drop_reactor();
}
END_TEST

static tenon_status ignore(tenon_reactor *r, const tenon_report *report,
                           void *user)
{
    (void)r, (void)user;
    ck_assert_int_eq(tenon_error_status(report->error), TENON_TIMED_OUT);
    return TENON_OK;
}

START_TEST(L_every_hook_has_a_limit)
{
    tenon_shutdown hooks[3];
    tenon_reactor_options options = options_with(ignore);
    ck_assert_int_eq(tenon_manual_new(&reactor, &options), TENON_OK);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(
            tenon_reactor_on_shutdown(reactor, &hooks[i], never_done, NULL),
            TENON_OK);
    }
    ck_assert_int_eq(tenon_reactor_close(reactor), TENON_PENDING);
    (void)tenon_manual_advance(reactor, 15 * TENON_SECOND);
    ck_assert_int_eq(calls, 3);
    ck_assert(tenon_reactor_is_closed(reactor));
    drop_reactor();
}
END_TEST

/* Runs the loop again until its own time is up and the next hook was asked. */
static tenon_status outstay(tenon_reactor *r, tenon_shutdown *hook, void *user)
{
    (void)hook, (void)user;
    while (calls == 0) {
        (void)tenon_turn(r, NULL);
    }
    return TENON_PENDING;
}

START_TEST(L_a_hook_that_is_late_does_not_end_the_next)
{
    tenon_shutdown first;
    tenon_shutdown second;
    tenon_reactor_options options = options_with(ignore);
    options.shutdown_timeout_ns = 20 * TENON_MILLISECOND;
    ck_assert_int_eq(tenon_foreign_new(&reactor, &options), TENON_OK);
    ck_assert_int_eq(
        tenon_reactor_on_shutdown(reactor, &second, never_done, NULL),
        TENON_OK);
    ck_assert_int_eq(tenon_reactor_on_shutdown(reactor, &first, outstay, NULL),
                     TENON_OK);
    ck_assert_int_eq(tenon_reactor_close(reactor), TENON_PENDING);
    while (calls == 0) {
        (void)tenon_turn(reactor, NULL);
    }
    (void)tenon_turn(reactor, NULL);
    ck_assert(!tenon_reactor_is_closed(reactor));
    tenon_shutdown_done(&second);
    (void)tenon_turn(reactor, NULL);
    ck_assert(tenon_reactor_is_closed(reactor));
    drop_reactor();
}
END_TEST

/* ---- watches ---- */

typedef struct swapped {
    tenon_watch watch;
    tenon_watch fresh;
    int fd;
    int depth;
    int stale;
} swapped;

static void never(tenon_watch *watch, uint32_t events, void *user)
{
    (void)watch, (void)events, (void)user;
}

/* The number becomes another's while its callback runs the loop again. */
static void swap_and_nest(tenon_watch *watch, uint32_t events, void *user)
{
    swapped *s = user;
    ck_assert_int_eq(s->depth++, 0);
    if (events & TENON_STALE_WATCH) {
        s->stale++;
    } else {
        int other = epoll_create1(EPOLL_CLOEXEC);
        ck_assert_int_eq(dup3(other, s->fd, O_CLOEXEC), s->fd);
        close(other);
        tenon_watch_init(&s->fresh, watch->reactor, s->fd);
        ck_assert_int_eq(tenon_watch_start(&s->fresh, TENON_READ, never, NULL),
                         TENON_OK);
        (void)tenon_turn(watch->reactor, NULL);
        ck_assert_int_eq(s->stale, 0);
    }
    s->depth--;
}

START_TEST(L_a_stale_watch_is_not_told_inside_itself)
{
    swapped s = {.fd = eventfd(1, EFD_CLOEXEC)};
    tenon_reactor_options options = options_with(NULL);
    ck_assert_int_eq(tenon_foreign_new(&reactor, &options), TENON_OK);
    tenon_watch_init(&s.watch, reactor, s.fd);
    ck_assert_int_eq(tenon_watch_start(&s.watch, TENON_READ, swap_and_nest, &s),
                     TENON_OK);
    (void)tenon_turn(reactor, NULL);
    (void)tenon_turn(reactor, NULL);
    ck_assert_int_eq(s.stale, 1);
    tenon_watch_stop(&s.fresh);
    close(s.fd);
    drop_reactor();
}
END_TEST

/* ---- periodic calls ---- */

static tenon_periodic *periodic;

static tenon_status pend(tenon_periodic *p, uint64_t missed, void *user)
{
    (void)p, (void)missed, (void)user;
    calls++;
    return TENON_PENDING;
}

static tenon_status break_down(tenon_periodic *p, uint64_t missed, void *user)
{
    (void)p, (void)missed, (void)user;
    calls++;
    return TENON_ABORTED;
}

static void start_periodic(tenon_periodic_fn *fn, uint32_t flags)
{
    tenon_periodic_options options = {.size = sizeof options,
                                      .fn = fn,
                                      .flags = flags,
                                      .period_ns = TENON_SECOND};
    periodic = malloc(sizeof *periodic);
    ck_assert_int_eq(tenon_periodic_start(periodic, reactor, &options),
                     TENON_OK);
}

static tenon_status stop_what_failed(tenon_reactor *r,
                                     const tenon_report *report, void *user)
{
    (void)r, (void)user;
    ck_assert_ptr_eq(report->object, periodic);
    (void)tenon_periodic_stop(periodic);
    ck_assert(!tenon_periodic_is_active(periodic));
    memset(periodic, 0xa5, sizeof *periodic);
    free(periodic);
    periodic = NULL;
    return TENON_OK;
}

START_TEST(L2_a_report_frees_the_periodic_it_is_about)
{
    make(true, stop_what_failed);
    start_periodic(break_down, _i ? TENON_PERIODIC_SURVIVE : 0);
    ck_assert_int_eq(tenon_manual_advance(reactor, 3 * TENON_SECOND), TENON_OK);
    ck_assert_int_eq(calls, 1);
    ck_assert_ptr_null(periodic);
    drop_reactor();
}
END_TEST

/* Waiting for its tick, or for its answer. */
START_TEST(L6_a_periodic_outlives_its_reactor)
{
    make(true, NULL);
    start_periodic(pend, _i ? TENON_PERIODIC_NOW : 0);
    settle();
    ck_assert_int_eq(calls, _i);
    ck_assert(tenon_periodic_is_active(periodic));
    drop_reactor();
    ck_assert(!tenon_periodic_is_active(periodic));
    ck_assert_int_eq(tenon_periodic_done(periodic, TENON_OK), TENON_INVALID);
    ck_assert_int_eq(tenon_periodic_stop(periodic), TENON_OK);
    free(periodic);
}
END_TEST

START_TEST(T_a_periodic_of_the_longest_period)
{
    tenon_periodic_options options = {.size = sizeof options,
                                      .fn = pend,
                                      .period_ns = INT64_MAX,
                                      .jitter_ns = INT64_MAX / 2};
    tenon_periodic forever;
    make(true, NULL);
    ck_assert_int_eq(tenon_periodic_start(&forever, reactor, &options),
                     TENON_OK);
    ck_assert_int_eq(tenon_periodic_stop(&forever), TENON_EXISTED);
    options.jitter_ns = INT64_MAX / 2 + 1;
    ck_assert_int_eq(tenon_periodic_start(&forever, reactor, &options),
                     TENON_INVALID);
    drop_reactor();
}
END_TEST

/* ---- numbers ---- */

static void count_timer(tenon_timer *timer, void *user)
{
    (void)timer, (void)user;
    calls++;
}

/* Earlier than the earliest is the earliest, not never. */
START_TEST(T_a_delay_below_the_least_time)
{
    tenon_timer timer;
    make(true, NULL);
    tenon_timer_init(&timer, reactor);
    ck_assert_int_eq(tenon_timer_start_at(&timer, INT64_MIN, count_timer, NULL),
                     TENON_OK);
    ck_assert_int_eq(tenon_timer_delay(&timer, INT64_MIN), TENON_OK);
    settle();
    ck_assert_int_eq(calls, 1);
    ck_assert_int_eq(tenon_timer_start(&timer, INT64_MAX, count_timer, NULL),
                     TENON_OK);
    ck_assert_int_eq(tenon_timer_delay(&timer, INT64_MAX), TENON_OK);
    settle();
    ck_assert_int_eq(calls, 1);
    ck_assert_int_eq(tenon_timer_delay(&timer, INT64_MIN), TENON_OK);
    settle();
    ck_assert_int_eq(calls, 2);
    drop_reactor();
}
END_TEST

/* ---- reports ---- */

static tenon_status drop_in_report(tenon_reactor *r, const tenon_report *report,
                                   void *user)
{
    (void)r, (void)report, (void)user;
    calls++;
    drop_reactor();
    return TENON_OK;
}

START_TEST(L2_a_report_drops_its_reactor)
{
    make(true, drop_in_report);
    tenon_error *error = tenon_error_new(&(tenon_error_options){
        .size = sizeof(tenon_error_options), .status = TENON_ABORTED});
    tenon_reactor_report(reactor, "test", error);
    tenon_error_unref(error);
    ck_assert_int_eq(calls, 1);
    ck_assert_ptr_null(reactor);
}
END_TEST

/* ---- writes ---- */

static const tenon_protocol_ops silent = {.size = sizeof silent};

/* More bytes than there are addresses, all of one page. */
START_TEST(B_a_write_beyond_all_memory_is_refused)
{
    static char byte[1];
    enum { PARTS = 4 };
    struct iovec parts[PARTS];
    tenon_transport *pair[2];
    make(true, NULL);
    ck_assert_int_eq(tenon_memory_pair(reactor, pair, tenon_factory_of(&silent),
                                       tenon_factory_of(&silent), NULL),
                     TENON_OK);
    settle();
    for (int i = 0; i < PARTS; i++) {
        parts[i] = (struct iovec){byte, SIZE_MAX / PARTS};
    }
    ck_assert_int_eq(tenon_transport_writev(pair[0], parts, PARTS),
                     TENON_LIMIT);
    ck_assert_uint_eq(tenon_transport_write_queue_len(pair[0]), 0);
    drop_reactor();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ends");
    TCase *tcase = tcase_create("ends");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 20);
    tcase_add_loop_test(tcase, L_close_runs_hooks_whatever_was_stopped, 0, 2);
    tcase_add_test(tcase, L6_a_hook_is_done_after_the_reactor);
    tcase_add_test(tcase, L2_a_pending_hook_can_be_removed);
    tcase_add_test(tcase, L_every_hook_has_a_limit);
    tcase_add_test(tcase, L_a_hook_that_is_late_does_not_end_the_next);
    tcase_add_loop_test(tcase, L2_a_report_frees_the_periodic_it_is_about, 0,
                        2);
    tcase_add_loop_test(tcase, L6_a_periodic_outlives_its_reactor, 0, 2);
    tcase_add_test(tcase, T_a_periodic_of_the_longest_period);
    tcase_add_test(tcase, T_a_delay_below_the_least_time);
    tcase_add_test(tcase, L_a_stale_watch_is_not_told_inside_itself);
    tcase_add_test(tcase, L2_a_report_drops_its_reactor);
    tcase_add_test(tcase, B_a_write_beyond_all_memory_is_refused);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
