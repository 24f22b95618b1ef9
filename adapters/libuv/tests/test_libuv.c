/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * libuv as a host: what every host is asked (guest.h), and every way in which
 * an application may close handles that are ours.
 *
 * ctest: labels=threads timeout=120
 */

#include <tenon/libuv.h>

#include "guest_threads.h"

static void *loop_new(void)
{
    uv_loop_t *loop = malloc(sizeof *loop);
    ck_assert_int_eq(uv_loop_init(loop), 0);
    return loop;
}

static void close_one(uv_handle_t *handle, void *user)
{
    (void)user;
    if (!uv_is_closing(handle)) {
        uv_close(handle, NULL);
    }
}

static void loop_free(void *self)
{
    uv_loop_t *loop = self;
    uv_walk(loop, close_one, NULL);
    uv_run(loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(uv_loop_close(loop), 0);
    memset(loop, 0xa5, sizeof *loop);
    free(loop);
}

static tenon_status attach(void *loop, tenon_reactor **out,
                           const tenon_reactor_options *options)
{
    return tenon_libuv_attach(loop, out, options);
}

static void on_end(uv_timer_t *timer)
{
    uv_stop(timer->loop);
    uv_close((uv_handle_t *)timer, NULL);
}

static void run_for(void *self, int ms)
{
    uv_loop_t *loop = self;
    uv_timer_t timer;
    uv_timer_init(loop, &timer);
    uv_update_time(loop);
    uv_timer_start(&timer, on_end, (uint64_t)ms, 0);
    uv_run(loop, UV_RUN_DEFAULT);
    while (uv_is_closing((uv_handle_t *)&timer) &&
           uv_has_ref((uv_handle_t *)&timer)) {
        uv_run(loop, UV_RUN_NOWAIT);
    }
}

static void run(void *loop)
{
    uv_run(loop, UV_RUN_DEFAULT);
}

static void count_one(uv_handle_t *handle, void *user)
{
    (void)handle;
    (*(size_t *)user)++;
}

static size_t count(void *loop)
{
    size_t handles = 0;
    uv_walk(loop, count_one, &handles);
    return handles;
}

static void after_fork(void *loop)
{
    ck_assert_int_eq(uv_loop_fork(loop), 0);
}

static const guest_host libuv = {
    .loop_new = loop_new,
    .loop_free = loop_free,
    .attach = attach,
    .make = tenon_libuv_new,
    .run_for = run_for,
    .run = run,
    .count = count,
    .after_fork = after_fork,
};

START_TEST(leaves_the_loop_as_found)
{
    guest_leaves_as_found(&libuv);
}
END_TEST

START_TEST(run_returns_when_nothing_is_alive)
{
    guest_run_ends_when_idle(&libuv);
}
END_TEST

START_TEST(leaves_when_its_epoll_was_closed)
{
    guest_poller_closed(&libuv);
}
END_TEST

START_TEST(attach_fails_without_memory)
{
    guest_attach_without_memory(&libuv);
}
END_TEST

START_TEST(attach_fails_without_descriptors)
{
    guest_attach_without_descriptors(&libuv);
}
END_TEST

START_TEST(host_dies_first)
{
    guest_host_dies_first(&libuv);
}
END_TEST

START_TEST(reactor_leaves_first)
{
    guest_leaves_first(&libuv);
}
END_TEST

START_TEST(fork_spares_the_parent)
{
    guest_survives_fork(&libuv);
}
END_TEST

START_TEST(idle_is_silent)
{
    guest_idles(&libuv);
}
END_TEST

START_TEST(ten_milliseconds_are_not_early)
{
    guest_times(&libuv, 10 * TENON_MILLISECOND, true, 15 * TENON_MILLISECOND);
}
END_TEST

START_TEST(microseconds_are_kept)
{
    guest_times(&libuv, 300 * TENON_MICROSECOND, false, TENON_MILLISECOND);
}
END_TEST

START_TEST(threads_exchange_posts)
{
    guest_exchange(&libuv, &libuv);
}
END_TEST

START_TEST(fork_under_its_own_run)
{
    guest_forks_under_its_run(&libuv);
}
END_TEST

START_TEST(its_own_loop_runs)
{
    guest_runs_its_own(&libuv);
}
END_TEST

/* ---- libuv's alone ---- */

START_TEST(our_handles_do_not_count)
{
    uv_loop_t *loop = loop_new();
    tenon_reactor *reactor = guest_attach(&libuv, loop);
    ck_assert(!uv_loop_alive(loop));
    ck_assert_int_eq(tenon_reactor_hold(reactor), TENON_OK);
    ck_assert(uv_loop_alive(loop));
    ck_assert_int_eq(tenon_reactor_release(reactor), TENON_OK);
    ck_assert(!uv_loop_alive(loop));
    ck_assert_int_eq(uv_loop_close(loop), UV_EBUSY);
    ck_assert_ptr_eq(tenon_reactor_native(reactor), loop);
    ck_assert_str_eq(tenon_reactor_host_version(reactor), uv_version_string());
    tenon_reactor_unref(reactor);
    loop_free(loop);
}
END_TEST

/* The handles are closing, and libuv has not let go of them yet. */
START_TEST(dropped_between_close_and_run)
{
    for (int word = 0; word < GUEST_WORDS; word++) {
        tenon_timer timer;
        tenon_watch watch;
        uv_loop_t *loop = loop_new();
        tenon_reactor *reactor = guest_attach(&libuv, loop);
        tenon_timer_init(&timer, reactor);
        tenon_watch_init(&watch, reactor, 0);
        uv_walk(loop, close_one, NULL);
        guest_speak(reactor, &timer, &watch, word);
        tenon_reactor_unref(reactor);
        ck_assert_int_eq(uv_loop_close(loop), UV_EBUSY);
        uv_run(loop, UV_RUN_DEFAULT);
        ck_assert_int_eq(uv_loop_close(loop), 0);
        free(loop);
    }
}
END_TEST

static tenon_reactor *dropped_in_close;

static void drop_in_close(uv_handle_t *handle)
{
    (void)handle;
    tenon_reactor_unref(dropped_in_close);
    dropped_in_close = NULL;
}

/* From the close callback of a handle that is older or younger than ours. */
static void drop_during_closes(bool older)
{
    uv_loop_t *loop = loop_new();
    uv_idle_t idle;
    if (older) {
        uv_idle_init(loop, &idle);
    }
    dropped_in_close = guest_attach(&libuv, loop);
    if (!older) {
        uv_idle_init(loop, &idle);
    }
    uv_close((uv_handle_t *)&idle, drop_in_close);
    loop_free(loop);
    ck_assert_ptr_null(dropped_in_close);
}

START_TEST(dropped_from_a_close_callback)
{
    drop_during_closes(true);
    drop_during_closes(false);
}
END_TEST

/* Only one handle of ours is closed: the others follow. */
static void close_poll(uv_handle_t *handle, void *user)
{
    if (uv_handle_get_type(handle) == *(uv_handle_type *)user) {
        uv_close(handle, NULL);
    }
}

START_TEST(one_handle_closed)
{
    uv_handle_type types[] = {UV_POLL, UV_IDLE, UV_TIMER};
    for (int i = 0; i < 6; i++) {
        int fired = 0;
        uv_loop_t *loop = loop_new();
        tenon_reactor *reactor = guest_attach(&libuv, loop);
        uv_walk(loop, close_poll, &types[i % 3]);
        if (i >= 3) {
            uv_run(loop, UV_RUN_DEFAULT);
        }
        (void)!tenon_call_soon(reactor, guest_count, &fired);
        ck_assert(tenon_reactor_is_closed(reactor));
        tenon_reactor_unref(reactor);
        uv_run(loop, UV_RUN_DEFAULT);
        ck_assert_int_eq(fired, 0);
        ck_assert_uint_eq(count(loop), 0);
        loop_free(loop);
    }
}
END_TEST

static void walk_from_inside(void *user)
{
    uv_walk(user, close_one, NULL);
}

START_TEST(closed_from_our_own_callback)
{
    tenon_timer timer;
    int fired = 0;
    uv_loop_t *loop = loop_new();
    tenon_reactor *reactor = guest_attach(&libuv, loop);
    tenon_timer_init(&timer, reactor);
    ck_assert_int_eq(
        tenon_timer_start(&timer, TENON_SECOND, guest_count_timer, &fired), 0);
    ck_assert_int_eq(tenon_call_soon(reactor, walk_from_inside, loop), 0);
    uv_run(loop, UV_RUN_DEFAULT);
    ck_assert(tenon_reactor_is_closed(reactor));
    ck_assert(!tenon_timer_is_active(&timer));
    ck_assert_int_eq(uv_loop_close(loop), 0);
    free(loop);
    tenon_reactor_unref(reactor);
    ck_assert_int_eq(fired, 0);
}
END_TEST

static void again(void *user)
{
    void **pair = user;
    if (--*(int *)pair[1] > 0) {
        ck_assert_int_eq(tenon_call_soon(pair[0], again, pair), 0);
    }
}

static void on_native(uv_timer_t *timer)
{
    if (++*(int *)timer->data == 20) {
        uv_close((uv_handle_t *)timer, NULL);
    }
}

/* Work without end, in budgets: libuv's own timers go on. */
START_TEST(a_busy_reactor_lets_the_loop_work)
{
    int ticks = 0;
    int left = 100000000;
    uv_timer_t timer;
    uv_loop_t *loop = loop_new();
    tenon_reactor *reactor = guest_attach(&libuv, loop);
    void *pair[] = {reactor, &left};
    uv_timer_init(loop, &timer);
    timer.data = &ticks;
    uv_timer_start(&timer, on_native, 5, 5);
    ck_assert_int_eq(tenon_call_soon(reactor, again, pair), 0);
    guest_run_busy(&libuv, loop, 150);
    ck_assert_int_ge(ticks, 10);
    ck_assert_int_gt(left, 0);
    left = 1;
    tenon_reactor_unref(reactor);
    loop_free(loop);
}
END_TEST

START_TEST(handles_left_on_our_own_loop)
{
    static uv_timer_t timer;
    tenon_reactor_options options = guest_options();
    tenon_reactor *reactor = NULL;
    ck_assert_int_eq(tenon_libuv_new(&reactor, &options), TENON_OK);
    uv_timer_init(tenon_reactor_native(reactor), &timer);
    uv_timer_start(&timer, on_end, 1000, 0);
    tenon_reactor_unref(reactor);
}
END_TEST

START_TEST(null_is_refused)
{
    tenon_reactor *reactor = NULL;
    ck_assert_int_eq(tenon_libuv_attach(NULL, &reactor, NULL), TENON_INVALID);
    ck_assert_int_eq(tenon_libuv_attach(uv_default_loop(), NULL, NULL),
                     TENON_INVALID);
    ck_assert_int_eq(tenon_libuv_new(NULL, NULL), TENON_INVALID);
    ck_assert_int_eq(uv_loop_close(uv_default_loop()), 0);
}
END_TEST

/* What libuv opens once and never closes does not count. */
static void setup(void)
{
    loop_free(loop_new());
    guest_setup();
}

int main(void)
{
    Suite *suite = suite_create("libuv");
    TCase *tcase = tcase_create("libuv");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, guest_teardown);
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
    tcase_add_test(tcase, our_handles_do_not_count);
    tcase_add_test(tcase, dropped_between_close_and_run);
    tcase_add_test(tcase, dropped_from_a_close_callback);
    tcase_add_test(tcase, one_handle_closed);
    tcase_add_test(tcase, closed_from_our_own_callback);
    tcase_add_test(tcase, a_busy_reactor_lets_the_loop_work);
    tcase_add_test(tcase, handles_left_on_our_own_loop);
    tcase_add_test(tcase, null_is_refused);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed > 0;
}
