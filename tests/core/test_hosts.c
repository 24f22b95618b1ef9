/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Hosts with a run of their own, with and without a stop, that go away in the
 * middle; what is asked for between two turns; and timers whose time has come
 * where nobody expects it.
 */

#include "side.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <tenon/foreign.h>

/* ---- a clock that may be put forward ---- */

static int64_t forward_ns;

int clock_gettime(clockid_t clock, struct timespec *out)
{
    int result = (int)syscall(SYS_clock_gettime, clock, out);
    out->tv_sec += forward_ns / TENON_SECOND;
    return result;
}

/* ---- a host ---- */

enum { ROUNDS = 5 };

static int host_fd;
static int host_closed;
static int host_stops;
static bool host_stopped;
static int rounds;
static void (*between)(void); /* two turns of its run */
static void (*on_alive)(bool alive);

static tenon_status host_open(void *host, tenon_reactor *r, int fd)
{
    (void)host;
    (void)r;
    host_fd = fd;
    return TENON_OK;
}

static void host_close(void *host, tenon_host_closed_fn *done, void *token)
{
    (void)host;
    host_closed++;
    done(token);
}

static void host_set_alive(void *host, bool alive)
{
    (void)host;
    if (on_alive) {
        on_alive(alive);
    }
}

/* Without a stop it gives up by itself. */
static tenon_status host_run(void *host, int64_t max_wait_ns)
{
    (void)host;
    (void)max_wait_ns;
    tenon_status status = TENON_OK;
    host_stopped = false;
    for (rounds = 0; rounds < ROUNDS && !host_stopped; rounds++) {
        struct pollfd at = {.fd = host_fd, .events = POLLIN};
        if (poll(&at, 1, 0) == 1) {
            status = tenon_turn(reactor, NULL);
        }
        if (status == TENON_OK && !host_stopped && between) {
            between();
        }
    }
    return status;
}

static void host_stop(void *host)
{
    (void)host;
    host_stops++;
    host_stopped = true;
}

static void *host_native(void *host)
{
    (void)host;
    return &host_fd;
}

static tenon_host_ops host_ops = {.size = sizeof host_ops,
                                  .name = "toy",
                                  .native = host_native,
                                  .open = host_open,
                                  .close = host_close,
                                  .set_alive = host_set_alive,
                                  .run = host_run,
                                  .stop = host_stop};

/* With a stop, by an older table without one, with an empty slot. */
static void hosted(int kind)
{
    host_ops.size = (uint32_t)(kind == 1 ? offsetof(tenon_host_ops, stop)
                                         : sizeof host_ops);
    host_ops.stop = kind == 2 ? NULL : host_stop;
    host_closed = host_stops = 0;
    fds_before = count_fds();
    ck_assert_int_eq(tenon_reactor_attach(&reactor, &host_ops, NULL, &options),
                     TENON_OK);
}

static int ran;

static void count_it(void *user)
{
    (void)user;
    ran++;
}

START_TEST(H_its_run_ends_with_our_work)
{
    hosted(_i);
    ran = 0;
    ck_assert_int_eq(tenon_call_soon(reactor, count_it, NULL), TENON_OK);
    ck_assert_int_eq(tenon_run(reactor), TENON_OK);
    ck_assert_int_eq(ran, 1);
    ck_assert_int_eq(host_stops, _i == 0);
    ck_assert_int_eq(rounds, _i == 0 ? 1 : ROUNDS);
    end();
}
END_TEST

static void stop_it(void)
{
    ck_assert(tenon_is_running(reactor));
    ck_assert_int_eq(tenon_reactor_rebind(reactor), TENON_BUSY);
    ck_assert_int_eq(tenon_stop(reactor), TENON_OK);
    ck_assert(tenon_is_stopping(reactor));
}

START_TEST(H_stopped_between_two_turns)
{
    hosted(_i);
    ck_assert_int_eq(tenon_reactor_hold(reactor), TENON_OK);
    between = stop_it;
    ck_assert_int_eq(tenon_run(reactor), TENON_OK);
    ck_assert_int_eq(host_stops, _i == 0);
    ck_assert_int_eq(rounds, _i == 0 ? 1 : ROUNDS);
    ck_assert(!tenon_is_stopping(reactor));
    ck_assert_int_eq(tenon_reactor_release(reactor), TENON_OK);
    end();
}
END_TEST

/* One turn, and the host is not asked. */
START_TEST(H_stopped_before_it_runs_once)
{
    hosted(0);
    ran = 0;
    rounds = -1;
    ck_assert_int_eq(tenon_call_soon(reactor, count_it, NULL), TENON_OK);
    ck_assert_int_eq(tenon_stop(reactor), TENON_OK);
    ck_assert_int_eq(tenon_run_once(reactor, TENON_FOREVER), TENON_OK);
    ck_assert_int_eq(ran, 1);
    ck_assert_int_eq(rounds, -1);
    ck_assert_int_eq(tenon_run_once(reactor, 0), TENON_OK);
    ck_assert_int_gt(rounds, 0);
    end();
}
END_TEST

static void go_away(bool alive)
{
    if (!alive) {
        tenon_reactor_host_gone(reactor);
    }
}

START_TEST(H_its_loop_until_it_is_left)
{
    tenon_host_ops without = {.size = sizeof without, .open = host_open};
    tenon_reactor *none = NULL;
    ck_assert_int_eq(tenon_reactor_attach(&none, &without, NULL, &options),
                     TENON_INVALID);
    ck_assert_ptr_null(none);
    hosted(0);
    ck_assert_ptr_eq(tenon_reactor_native(reactor), &host_fd);
    ck_assert_int_eq(tenon_reactor_close(reactor), TENON_OK);
    ck_assert_int_eq(host_closed, 1);
    ck_assert_ptr_null(tenon_reactor_native(reactor));
    end();
}
END_TEST

/* It is found gone in the slot that is told of the end of our work. */
START_TEST(H_gone_at_the_end_of_a_turn)
{
    hosted(0);
    ran = 0;
    on_alive = go_away;
    ck_assert_int_eq(tenon_call_soon(reactor, count_it, NULL), TENON_OK);
    tenon_status status =
        _i == 0 ? tenon_run(reactor) : tenon_turn(reactor, NULL);
    ck_assert_int_eq(status, TENON_HOST_GONE);
    ck_assert_int_eq(ran, 1);
    ck_assert_int_eq(host_stops, 0);
    ck_assert_int_eq(host_closed, 0);
    ck_assert(tenon_reactor_is_closed(reactor));
    on_alive = NULL;
    end();
}
END_TEST

/* ---- a native one between two turns ---- */

static tenon_status stop_status;

static void stop_when_alive(tenon_reactor *r, bool alive, void *user)
{
    (void)user;
    if (alive) {
        stop_status = tenon_stop(r);
        ran++;
    }
}

static void hold_it(void *user)
{
    (void)user;
    ck_assert_int_eq(tenon_reactor_hold(reactor), TENON_OK);
}

START_TEST(L_stopped_by_who_is_told_that_it_is_alive)
{
    tenon_handle handle;
    native();
    ran = 0;
    ck_assert_int_eq(
        tenon_reactor_set_alive_handler(reactor, stop_when_alive, NULL),
        TENON_OK);
    ck_assert_int_eq(tenon_call_soon(reactor, hold_it, NULL), TENON_OK);
    ck_assert_int_eq(
        tenon_call_later(reactor, 3600 * TENON_SECOND, count_it, NULL, &handle),
        TENON_OK);
    ck_assert_int_eq(tenon_run(reactor), TENON_OK); /* would be for ever */
    ck_assert_int_ge(ran, 1);
    ck_assert_int_eq(stop_status, TENON_OK);
    end();
}
END_TEST

static void lose_host(void *user)
{
    (void)user;
    tenon_reactor_host_gone(reactor);
    ck_assert_int_eq(tenon_reactor_close(reactor), TENON_OK);
    ran++;
}

START_TEST(L_closed_under_a_run_that_is_over)
{
    native();
    ran = 0;
    ck_assert_int_eq(tenon_call_soon(reactor, lose_host, NULL), TENON_OK);
    ck_assert_int_eq(tenon_run(reactor), TENON_HOST_GONE);
    ck_assert_int_eq(ran, 1);
    end();
}
END_TEST

/* ---- shutdown hooks ---- */

static tenon_status fail_hook(tenon_reactor *r, tenon_shutdown *hook,
                              void *user)
{
    (void)r;
    (void)hook;
    (void)user;
    return -EIO;
}

START_TEST(R16_a_hook_fails)
{
    tenon_shutdown hook;
    native();
    ck_assert_int_eq(tenon_reactor_on_shutdown(reactor, &hook, fail_hook, NULL),
                     TENON_OK);
    ck_assert_int_eq(tenon_reactor_close(reactor), TENON_OK);
    ck_assert_int_eq(reports, 1);
    ck_assert_int_eq(reported, -EIO);
    end();
}
END_TEST

static bool in_child;

static tenon_status fork_hook(tenon_reactor *r, tenon_shutdown *hook,
                              void *user)
{
    int how;
    (void)r;
    (void)hook;
    (void)user;
    pid_t pid = fork();
    in_child = pid == 0;
    if (!in_child) {
        ck_assert_int_eq(waitpid(pid, &how, 0), pid);
        ck_assert(WIFEXITED(how) && WEXITSTATUS(how) == 0);
    }
    return TENON_OK;
}

static tenon_status count_hook(tenon_reactor *r, tenon_shutdown *hook,
                               void *user)
{
    (void)r;
    (void)hook;
    (void)user;
    ran++;
    return TENON_OK;
}

/* The newest hook is the first. */
START_TEST(X15_a_hook_forks)
{
    tenon_shutdown hooks[2];
    native();
    ran = 0;
    ck_assert_int_eq(
        tenon_reactor_on_shutdown(reactor, &hooks[0], count_hook, NULL),
        TENON_OK);
    ck_assert_int_eq(
        tenon_reactor_on_shutdown(reactor, &hooks[1], fork_hook, NULL),
        TENON_OK);
    tenon_reactor_unref(reactor);
    if (in_child) {
        exit(ran == 0 ? 0 : 1);
    }
    reactor = NULL;
    ck_assert_int_eq(ran, 1);
    end();
}
END_TEST

static tenon_status wait_hook(tenon_reactor *r, tenon_shutdown *hook,
                              void *user)
{
    (void)r;
    (void)hook;
    (void)user;
    return TENON_PENDING;
}

static void *done_elsewhere(void *hook)
{
    tenon_shutdown_done(hook);
    return NULL;
}

static void done_here(void *hook)
{
    tenon_shutdown_done(hook);
}

/* Done and late in the same phase of one turn is done. Another thread's word
 * is none. */
START_TEST(R16_done_when_it_is_late)
{
    tenon_shutdown hook;
    tenon_handle handle;
    pthread_t thread;
    options.shutdown_timeout_ns = 20 * TENON_MILLISECOND;
    manual();
    ck_assert_int_eq(tenon_reactor_on_shutdown(reactor, &hook, wait_hook, NULL),
                     TENON_OK);
    ck_assert_int_eq(tenon_call_later(reactor, 20 * TENON_MILLISECOND,
                                      done_here, &hook, &handle),
                     TENON_OK);
    ck_assert_int_eq(tenon_reactor_close(reactor), TENON_PENDING);
    settle();
    ck_assert_int_eq(pthread_create(&thread, NULL, done_elsewhere, &hook), 0);
    pthread_join(thread, NULL);
    ck_assert_int_eq(tenon_manual_advance(reactor, 19 * TENON_MILLISECOND),
                     TENON_OK);
    ck_assert(!tenon_reactor_is_closed(reactor));
    (void)!tenon_manual_advance(reactor, TENON_MILLISECOND);
    ck_assert(tenon_reactor_is_closed(reactor));
    ck_assert_int_eq(reports, 0);
    end();
}
END_TEST

/* ---- timers ---- */

static int fired;

static void on_time(tenon_timer *timer, void *user)
{
    (void)timer;
    (void)user;
    fired++;
}

START_TEST(T_later_than_any_statistics)
{
    tenon_timer timer;
    tenon_stats stats = {.size = sizeof stats};
    enum { LAST = sizeof stats.lag_us_log2 / sizeof stats.lag_us_log2[0] - 1 };
    native();
    tenon_timer_init(&timer, reactor);
    ck_assert_int_eq(
        tenon_timer_start(&timer, TENON_MILLISECOND, on_time, NULL), TENON_OK);
    forward_ns = INT64_C(1000000) * TENON_SECOND;
    ck_assert_int_eq(tenon_run_once(reactor, 0), TENON_OK);
    forward_ns = 0; /* Check reads it, too */
    ck_assert_int_eq(fired, 1);
    ck_assert_int_eq(tenon_reactor_stats(reactor, &stats), TENON_OK);
    ck_assert_uint_eq(stats.lag_us_log2[LAST], 1);
    end();
}
END_TEST

/* No memory for its place in the heap: then it stays due. */
START_TEST(T_a_due_one_cannot_be_put_off)
{
    tenon_timer timer;
    native();
    tenon_timer_init(&timer, reactor);
    ck_assert_int_eq(tenon_timer_start(&timer, 0, on_time, NULL), TENON_OK);
    fail_at = 0;
    ck_assert_int_eq(tenon_timer_reset(&timer, 3600 * TENON_SECOND),
                     TENON_NO_MEMORY);
    fail_at = -1;
    ck_assert(tenon_timer_is_active(&timer));
    ck_assert_int_eq(tenon_run_once(reactor, 0), TENON_OK);
    ck_assert_int_eq(fired, 1);
    end();
}
END_TEST

static tenon_timer again;

static void on_again(tenon_timer *timer, void *user)
{
    (void)user;
    if (++fired == 1) {
        ck_assert_int_eq(tenon_timer_start(timer, 0, on_again, NULL), TENON_OK);
        for (int i = 0; i < 3; i++) {
            ck_assert_int_eq(tenon_call_soon(reactor, count_it, NULL),
                             TENON_OK);
            ck_assert_int_eq(tenon_turn(reactor, NULL), TENON_OK);
        }
        ck_assert_int_eq(ran, 3);
        ck_assert_int_eq(fired, 1); /* it is on the stack */
    }
}

START_TEST(T_due_again_under_itself)
{
    fds_before = count_fds();
    ran = fired = 0;
    ck_assert_int_eq(tenon_foreign_new(&reactor, &options), TENON_OK);
    tenon_timer_init(&again, reactor);
    ck_assert_int_eq(tenon_timer_start(&again, 0, on_again, NULL), TENON_OK);
    ck_assert_int_eq(tenon_turn(reactor, NULL), TENON_OK);
    ck_assert_int_eq(tenon_turn(reactor, NULL), TENON_OK);
    ck_assert_int_eq(fired, 2);
    end();
}
END_TEST

START_TEST(T_to_the_end_of_time)
{
    manual();
    ck_assert_int_eq(tenon_manual_advance(reactor, INT64_MAX), TENON_OK);
    ck_assert(tenon_now(reactor) == TENON_FOREVER);
    ck_assert_int_eq(tenon_manual_advance(reactor, 1), TENON_OK);
    ck_assert(tenon_now(reactor) == TENON_FOREVER);
    end();
}
END_TEST

/* Before they belong to anybody. */
START_TEST(T_what_has_no_reactor_may_be_a_daemon)
{
    tenon_timer timer;
    tenon_watch watch;
    tenon_timer_init(&timer, NULL);
    tenon_watch_init(&watch, NULL, 0);
    ck_assert_int_eq(tenon_timer_set_daemon(&timer, true), TENON_OK);
    ck_assert_int_eq(tenon_watch_set_daemon(&watch, true), TENON_OK);
    native();
    timer.reactor = reactor;
    ck_assert_int_eq(tenon_timer_start(&timer, TENON_SECOND, on_time, NULL),
                     TENON_OK);
    ck_assert(!tenon_reactor_alive(reactor));
    end();
}
END_TEST

/* ---- reports ---- */

static void wait_a_little(void *user)
{
    int64_t end_ns = tenon_now(reactor) + TENON_MILLISECOND;
    struct timespec now;
    (void)user;
    do {
        (void)syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
    } while (now.tv_sec * TENON_SECOND + now.tv_nsec < end_ns);
    ran++;
}

/* Who is told runs the loop: what is slow in there is not told once more. */
static tenon_status turn_when_told(tenon_reactor *r, const tenon_report *report,
                                   void *user)
{
    (void)report;
    (void)user;
    reports++;
    ck_assert_int_eq(tenon_call_soon(r, wait_a_little, NULL), TENON_OK);
    ck_assert_int_eq(tenon_turn(r, NULL), TENON_OK);
    return TENON_OK;
}

START_TEST(E_slow_in_an_error_handler)
{
    options.on_error = turn_when_told;
    options.slow_callback_ns = TENON_MICROSECOND;
    fds_before = count_fds();
    ran = 0;
    ck_assert_int_eq(tenon_foreign_new(&reactor, &options), TENON_OK);
    ck_assert_int_eq(tenon_call_soon(reactor, wait_a_little, NULL), TENON_OK);
    ck_assert_int_eq(tenon_turn(reactor, NULL), TENON_OK);
    ck_assert_int_eq(ran, 2);
    ck_assert_int_eq(reports, 1);
    end();
}
END_TEST

/* Nobody is told: a line goes to standard error. */
START_TEST(E_what_is_printed)
{
    char text[4096] = "";
    tenon_error *error = tenon_error_of(-EIO, NULL);
    options.on_error = NULL;
    options.slow_callback_ns = TENON_MICROSECOND;
    int kept = dup(STDERR_FILENO);
    int file = memfd_create("stderr", MFD_CLOEXEC);
    dup2(file, STDERR_FILENO);
    native();
    ck_assert_int_eq(tenon_reactor_set_debug(reactor, TENON_DEBUG_ALL),
                     TENON_OK);
    ck_assert_int_eq(tenon_call_soon(reactor, wait_a_little, NULL), TENON_OK);
    ck_assert_int_eq(tenon_run_once(reactor, 0), TENON_OK);
    tenon_reactor_report(reactor, "mine", error);
    end();
    dup2(kept, STDERR_FILENO);
    ck_assert_int_gt(pread(file, text, sizeof text - 1, 0), 0);
    const char *slow = strstr(text, " after ");
    ck_assert_ptr_nonnull(slow);
    ck_assert_ptr_nonnull(strstr(slow, " ms\n"));
    ck_assert_ptr_nonnull(strstr(slow, "mine"));
    tenon_error_unref(error);
    close(kept);
    close(file);
}
END_TEST

/* ---- the last reference, from anywhere ---- */

static void *unref_elsewhere(void *future)
{
    tenon_future_unref(future);
    tenon_reactor_unref(reactor);
    return NULL;
}

/* Once it is closed it is memory, and nobody's thread owns that. */
START_TEST(L6_released_by_another_thread_after_the_end)
{
    pthread_t thread;
    tenon_future *future;
    native();
    ck_assert_int_eq(tenon_future_new(reactor, &future), TENON_OK);
    ck_assert_int_eq(tenon_run_once(reactor, 0), TENON_OK);
    ck_assert_int_eq(tenon_reactor_close(reactor), TENON_OK);
    ck_assert_int_eq(pthread_create(&thread, NULL, unref_elsewhere, future), 0);
    pthread_join(thread, NULL);
    reactor = NULL;
    end();
}
END_TEST

static void add_rest(TCase *tcase)
{
    tcase_add_test(tcase, T_later_than_any_statistics);
    tcase_add_test(tcase, T_a_due_one_cannot_be_put_off);
    tcase_add_test(tcase, T_due_again_under_itself);
    tcase_add_test(tcase, T_to_the_end_of_time);
    tcase_add_test(tcase, T_what_has_no_reactor_may_be_a_daemon);
    tcase_add_test(tcase, E_slow_in_an_error_handler);
    tcase_add_test(tcase, E_what_is_printed);
    tcase_add_test(tcase, L6_released_by_another_thread_after_the_end);
}

int main(void)
{
    Suite *suite = suite_create("hosts");
    TCase *tcase = tcase_create("hosts");
    tcase_set_timeout(tcase, 30);
    tcase_add_loop_test(tcase, H_its_run_ends_with_our_work, 0, 3);
    tcase_add_loop_test(tcase, H_stopped_between_two_turns, 0, 3);
    tcase_add_test(tcase, H_stopped_before_it_runs_once);
    tcase_add_test(tcase, H_its_loop_until_it_is_left);
    tcase_add_loop_test(tcase, H_gone_at_the_end_of_a_turn, 0, 2);
    tcase_add_test(tcase, L_stopped_by_who_is_told_that_it_is_alive);
    tcase_add_test(tcase, L_closed_under_a_run_that_is_over);
    tcase_add_test(tcase, R16_a_hook_fails);
    tcase_add_test(tcase, X15_a_hook_forks);
    tcase_add_test(tcase, R16_done_when_it_is_late);
    add_rest(tcase);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
