/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * libevent as a host: what every host is asked (guest.h), and what becomes of
 * bases that are freed, counted, debugged, or out of memory.
 *
 * ctest: labels=threads timeout=120
 */

#include <event2/event.h>

#include <tenon/libevent.h>

#include "guest_threads.h"

static void *loop_new(void)
{
    struct event_base *base = event_base_new();
    ck_assert_ptr_nonnull(base);
    return base;
}

static void loop_free(void *loop)
{
    event_base_free(loop);
}

static tenon_status attach(void *loop, tenon_reactor **out,
                           const tenon_reactor_options *options)
{
    return tenon_libevent_attach(loop, out, options);
}

static void run_for(void *loop, int ms)
{
    struct timeval limit = {ms / 1000, ms % 1000 * 1000};
    ck_assert_int_eq(event_base_loopexit(loop, &limit), 0);
    ck_assert_int_eq(event_base_dispatch(loop), 0);
}

static void run(void *loop)
{
    ck_assert_int_ge(event_base_dispatch(loop), 0);
}

static int count_one(const struct event_base *base, const struct event *event,
                     void *user)
{
    (void)base;
    (void)event;
    (*(size_t *)user)++;
    return 0;
}

/* Those that the base does not count, too. */
static size_t count(void *loop)
{
    size_t events = 0;
    event_base_foreach_event(loop, count_one, &events);
    return events;
}

static void after_fork(void *loop)
{
    ck_assert_int_eq(event_reinit(loop), 0);
}

static const guest_host libevent = {
    .loop_new = loop_new,
    .loop_free = loop_free,
    .attach = attach,
    .make = tenon_libevent_new,
    .run_for = run_for,
    .run = run,
    .count = count,
    .after_fork = after_fork,
};

START_TEST(leaves_the_loop_as_found)
{
    guest_leaves_as_found(&libevent);
}
END_TEST

START_TEST(run_returns_when_nothing_is_alive)
{
    guest_run_ends_when_idle(&libevent);
}
END_TEST

START_TEST(leaves_when_its_epoll_was_closed)
{
    guest_poller_closed(&libevent);
}
END_TEST

START_TEST(attach_fails_without_memory)
{
    guest_attach_without_memory(&libevent);
}
END_TEST

START_TEST(attach_fails_without_descriptors)
{
    guest_attach_without_descriptors(&libevent);
}
END_TEST

START_TEST(host_dies_first)
{
    guest_host_dies_first(&libevent);
}
END_TEST

START_TEST(reactor_leaves_first)
{
    guest_leaves_first(&libevent);
}
END_TEST

START_TEST(fork_spares_the_parent)
{
    guest_survives_fork(&libevent);
}
END_TEST

START_TEST(idle_is_silent)
{
    guest_idles(&libevent);
}
END_TEST

START_TEST(ten_milliseconds_are_not_early)
{
    guest_times(&libevent, 10 * TENON_MILLISECOND, true,
                15 * TENON_MILLISECOND);
}
END_TEST

START_TEST(microseconds_are_kept)
{
    guest_times(&libevent, 300 * TENON_MICROSECOND, false, TENON_MILLISECOND);
}
END_TEST

START_TEST(threads_exchange_posts)
{
    guest_exchange(&libevent, &libevent);
}
END_TEST

START_TEST(fork_under_its_own_run)
{
    guest_forks_under_its_run(&libevent);
}
END_TEST

START_TEST(its_own_loop_runs)
{
    guest_runs_its_own(&libevent);
}
END_TEST

/* ---- libevent's alone ---- */

START_TEST(counted_only_when_alive)
{
    unsigned kinds = EVENT_BASE_COUNT_ADDED | EVENT_BASE_COUNT_ACTIVE |
                     EVENT_BASE_COUNT_VIRTUAL;
    struct event_base *base = loop_new();
    tenon_reactor *reactor = guest_attach(&libevent, base);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(event_base_get_num_events(base, kinds), 0);
        ck_assert_int_eq(tenon_reactor_hold(reactor), TENON_OK);
        ck_assert_int_eq(event_base_get_num_events(base, kinds), 1);
        ck_assert_int_eq(tenon_reactor_release(reactor), TENON_OK);
    }
    ck_assert_ptr_eq(tenon_reactor_native(reactor), base);
    ck_assert_str_eq(tenon_reactor_host_version(reactor), event_get_version());
    tenon_reactor_unref(reactor);
    ck_assert_int_eq(event_base_get_num_events(base, kinds), 0);
    loop_free(base);
}
END_TEST

/* Freed while work waits, and while the reactor counts. */
START_TEST(freed_with_work_waiting)
{
    for (int i = 0; i < 4; i++) {
        int fired = 0;
        struct event_base *base = loop_new();
        tenon_reactor *reactor = guest_attach(&libevent, base);
        if (i & 1) {
            ck_assert_int_eq(tenon_reactor_hold(reactor), TENON_OK);
        }
        if (i & 2) {
            ck_assert_int_eq(tenon_call_soon(reactor, guest_count, &fired), 0);
        }
        event_base_free(base);
        (void)!tenon_call_soon(reactor, guest_count, &fired);
        tenon_reactor_unref(reactor);
        ck_assert_int_eq(fired, 0);
    }
}
END_TEST

static void on_native(evutil_socket_t fd, short what, void *user)
{
    (void)fd;
    (void)what;
    (*(int *)user)++;
}

static void again(void *user)
{
    void **pair = user;
    if (--*(int *)pair[1] > 0) {
        ck_assert_int_eq(tenon_call_soon(pair[0], again, pair), 0);
    }
}

/* Work without end, in budgets: libevent's own sockets and timers go on. */
START_TEST(a_busy_reactor_lets_the_base_work)
{
    int ticks = 0;
    int reads = 0;
    int left = 100000000;
    int fds[2];
    struct timeval period = {0, 5000};
    struct event_base *base = loop_new();
    tenon_reactor *reactor = guest_attach(&libevent, base);
    void *pair[] = {reactor, &left};
    guest_pair(fds);
    guest_poke(fds[1]);
    struct event *timer = event_new(base, -1, EV_PERSIST, on_native, &ticks);
    struct event *reader =
        event_new(base, fds[0], EV_READ | EV_PERSIST, on_native, &reads);
    event_add(timer, &period);
    event_add(reader, NULL);
    ck_assert_int_eq(tenon_call_soon(reactor, again, pair), 0);
    guest_run_busy(&libevent, base, 150);
    ck_assert_int_ge(ticks, 15);
    ck_assert_int_ge(reads, 15);
    ck_assert_int_gt(left, 0);
    left = 1;
    tenon_reactor_unref(reactor);
    event_free(timer);
    event_free(reader);
    loop_free(base);
    close(fds[0]);
    close(fds[1]);
}
END_TEST

static int calls_left;

static void *scarce_malloc(size_t len)
{
    return calls_left-- > 0 ? malloc(len) : NULL;
}

static void *scarce_realloc(void *block, size_t len)
{
    return calls_left-- > 0 ? realloc(block, len) : NULL;
}

/* libevent's own memory runs out: attaching fails, deferring does not. */
START_TEST(libevent_without_memory)
{
    event_set_mem_functions(scarce_malloc, scarce_realloc, free);
    tenon_reactor_options options = guest_options();
    tenon_reactor *reactor = NULL;
    tenon_status status = TENON_NO_MEMORY;
    int fired = 0;
    calls_left = 1000;
    struct event_base *base = loop_new();
    for (int n = 0; status != TENON_OK; n++) {
        calls_left = n;
        status = tenon_libevent_attach(base, &reactor, &options);
        ck_assert_int_lt(n, 10);
    }
    calls_left = 0;
    ck_assert_int_eq(tenon_call_soon(reactor, guest_count, &fired), TENON_OK);
    ck_assert_int_ge(event_base_loop(base, EVLOOP_NONBLOCK), 0);
    ck_assert_int_eq(fired, 1);
    calls_left = 1000;
    tenon_reactor_unref(reactor);
    loop_free(base);
    for (int n = 0; n < 3; n++) {
        calls_left = n;
        ck_assert_int_eq(tenon_libevent_new(&reactor, &options),
                         TENON_NO_MEMORY);
    }
}
END_TEST

START_TEST(debug_mode_finds_nothing)
{
    event_enable_debug_mode();
    guest_leaves_as_found(&libevent);
    guest_run_ends_when_idle(&libevent);
    guest_leaves_first(&libevent);
}
END_TEST

START_TEST(null_is_refused)
{
    tenon_reactor *reactor = NULL;
    struct event_base *base = loop_new();
    ck_assert_int_eq(tenon_libevent_attach(NULL, &reactor, NULL),
                     TENON_INVALID);
    ck_assert_int_eq(tenon_libevent_attach(base, NULL, NULL), TENON_INVALID);
    ck_assert_int_eq(tenon_libevent_new(NULL, NULL), TENON_INVALID);
    loop_free(base);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("libevent");
    TCase *tcase = tcase_create("libevent");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, guest_setup, guest_teardown);
    tcase_add_test(tcase, leaves_the_loop_as_found);
    tcase_add_test(tcase, run_returns_when_nothing_is_alive);
    tcase_add_test(tcase, leaves_when_its_epoll_was_closed);
    tcase_add_test(tcase, attach_fails_without_memory);
    tcase_add_test(tcase, attach_fails_without_descriptors);
    tcase_add_test(tcase, host_dies_first);
    tcase_add_test(tcase, reactor_leaves_first);
    tcase_add_test(tcase, fork_spares_the_parent);
    tcase_add_test(tcase, idle_is_silent);
    tcase_add_test(tcase, ten_milliseconds_are_not_early);
    tcase_add_test(tcase, microseconds_are_kept);
    tcase_add_test(tcase, threads_exchange_posts);
    tcase_add_test(tcase, its_own_loop_runs);
    tcase_add_test(tcase, fork_under_its_own_run);
    tcase_add_test(tcase, counted_only_when_alive);
    tcase_add_test(tcase, freed_with_work_waiting);
    tcase_add_test(tcase, a_busy_reactor_lets_the_base_work);
    tcase_add_test(tcase, libevent_without_memory);
    tcase_add_test(tcase, debug_mode_finds_nothing);
    tcase_add_test(tcase, null_is_refused);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed > 0;
}
