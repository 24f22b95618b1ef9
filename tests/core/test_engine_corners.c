/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The engine where it is failed: a timerfd that cannot be set, a name that is
 * gone when a slow callback is reported, an error handler that another thread
 * asks for, a protocol that is replaced while its memory is read into.
 */

#include "side.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <tenon/foreign.h>

/* ---- a timerfd that cannot be set ---- */

static bool broken;

int timerfd_settime(int fd, int flags, const struct itimerspec *when,
                    struct itimerspec *before)
{
    if (broken) {
        errno = ENOMEM;
        return -1;
    }
    return (int)syscall(SYS_timerfd_settime, fd, flags, when, before);
}

static int fired;

static void on_time(tenon_timer *timer, void *user)
{
    (void)timer;
    (void)user;
    fired++;
}

/* As a host would: wait for the descriptor, then enter. */
static int entries_until_fired(tenon_timer *timer, int64_t delay_ns)
{
    int entries = 0;
    struct pollfd at = {.fd = tenon_foreign_fd(reactor), .events = POLLIN};
    fired = 0;
    ck_assert_int_eq(tenon_timer_start(timer, delay_ns, on_time, NULL),
                     TENON_OK);
    while (!fired) {
        ck_assert_int_eq(poll(&at, 1, 5000), 1);
        ck_assert_int_eq(tenon_turn(reactor, NULL), TENON_OK);
        entries++;
    }
    return entries;
}

START_TEST(a_timerfd_that_cannot_be_set)
{
    tenon_timer timer;
    fds_before = count_fds();
    ck_assert_int_eq(tenon_foreign_new(&reactor, &options), TENON_OK);
    tenon_timer_init(&timer, reactor);
    broken = true;
    /* Each entry waits a millisecond, so the host does not spin. */
    ck_assert_int_le(entries_until_fired(&timer, 50 * TENON_MILLISECOND), 60);
    ck_assert_int_eq(reports, 1);
    ck_assert_int_eq(reported, -ENOMEM);
    struct pollfd at = {.fd = tenon_foreign_fd(reactor), .events = POLLIN};
    for (int i = 0; i < 3; i++) { /* nothing is left to wait for */
        ck_assert_int_eq(tenon_turn(reactor, NULL), TENON_OK);
    }
    ck_assert_int_eq(poll(&at, 1, 0), 0);
    broken = false;
    ck_assert_int_le(entries_until_fired(&timer, 20 * TENON_MILLISECOND), 4);
    ck_assert_int_eq(reports, 1);
    end();
}
END_TEST

/* ---- names ---- */

static char reported_name[64];

static tenon_status note_name(tenon_reactor *r, const tenon_report *report,
                              void *user)
{
    (void)r;
    (void)user;
    snprintf(reported_name, sizeof reported_name, "%s", report->name);
    return TENON_OK;
}

typedef struct named {
    tenon_timer timer;
    char name[64];
} named;

static void free_named(tenon_timer *timer, void *user)
{
    (void)timer;
    int64_t end_ns = tenon_now(reactor) + 2 * TENON_MILLISECOND;
    struct timespec now;
    do {
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while (now.tv_sec * TENON_SECOND + now.tv_nsec < end_ns);
    memset(user, 'x', sizeof(named));
    free(user);
    fired++;
}

START_TEST(a_slow_callback_frees_its_name)
{
    named *one = calloc(1, sizeof *one);
    strcpy(one->name, "a timer of mine");
    options.slow_callback_ns = 1;
    options.on_error = note_name;
    native();
    tenon_timer_init(&one->timer, reactor);
    tenon_timer_set_name(&one->timer, one->name);
    ck_assert_int_eq(tenon_timer_start(&one->timer, 0, free_named, one),
                     TENON_OK);
    UNTIL(fired);
    ck_assert_str_eq(reported_name, "a timer of mine");
    end();
}
END_TEST

/* A protocol whose table goes while it is on the stack. */
typedef struct passing {
    tenon_protocol_ops ops;
    char name[64];
    side *next;
} passing;

static bool named_rightly;

static tenon_status note_passing(tenon_reactor *r, const tenon_report *report,
                                 void *user)
{
    (void)r;
    (void)user;
    named_rightly =
        named_rightly || strcmp(report->name, "a passing protocol") == 0;
    return TENON_OK;
}

static void go(void *self)
{
    memset(self, 'x', sizeof(passing));
    free(self);
}

static tenon_status passing_data(void *self, tenon_transport *t,
                                 const void *data, size_t len)
{
    (void)data;
    (void)len;
    tenon_protocol next = {&side_ops, ((passing *)self)->next};
    ck_assert_int_eq(tenon_transport_set_protocol(t, next), TENON_OK);
    go(self);
    return TENON_OK;
}

static tenon_status passing_lost(void *self, tenon_transport *t,
                                 const tenon_error *error)
{
    (void)t;
    (void)error;
    go(self);
    return TENON_OK;
}

START_TEST(a_slow_protocol_frees_its_name)
{
    side last = {0};
    int fds[2];
    passing *one = calloc(1, sizeof *one);
    one->ops = (tenon_protocol_ops){.size = sizeof one->ops,
                                    .name = one->name,
                                    .data_received = passing_data,
                                    .connection_lost = passing_lost};
    strcpy(one->name, "a passing protocol");
    one->next = &last;
    options.slow_callback_ns = 1;
    options.on_error = note_passing;
    native();
    tenon_transport *t;
    tenon_factory factory = tenon_factory_of(&one->ops);
    factory.shared.self = one;
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds),
                     0);
    ck_assert_int_eq(tenon_transport_adopt(reactor, &t, fds[0], factory),
                     TENON_OK);
    last.t = tenon_transport_ref(t);
    named_rightly = false;
    if (_i == 0) {
        ck_assert_int_eq(write(fds[1], "bytes", 5), 5);
        UNTIL(last.log_len == 0 && named_rightly);
    }
    close(fds[1]);
    UNTIL(_i == 0 ? is_lost(&last) : named_rightly);
    forget(&last);
    end();
}
END_TEST

/* ---- the error handler ---- */

static void *report_elsewhere(void *error)
{
    tenon_reactor_report(reactor, "test", error);
    return NULL;
}

START_TEST(X05_a_report_on_the_wrong_thread)
{
    pthread_t thread;
    tenon_error *error = tenon_error_of(-EIO, NULL);
    native();
    ck_assert_int_eq(tenon_run_once(reactor, 0), TENON_OK);
    ck_assert_int_eq(pthread_create(&thread, NULL, report_elsewhere, error), 0);
    pthread_join(thread, NULL);
    ck_assert_int_eq(reports, 0);
    tenon_reactor_report(reactor, "test", error);
    ck_assert_int_eq(reports, 1);
    tenon_reactor_report(NULL, "test", error);
    tenon_error_unref(error);
    end();
}
END_TEST

/* ---- another protocol, while memory of the first is read into ---- */

static side late; /* who has it in the end */
static char memory[64];
static size_t updated;

static tenon_status offer(void *self, tenon_transport *t, size_t hint,
                          void **buffer, size_t *len)
{
    (void)self;
    (void)t;
    (void)hint;
    *buffer = memory;
    *len = sizeof memory;
    return TENON_OK;
}

static tenon_status on_updated(void *self, tenon_transport *t, size_t len)
{
    (void)self;
    (void)t;
    updated += len;
    return TENON_OK;
}

static const tenon_protocol_ops offering = {.size = sizeof offering,
                                            .connection_made = on_made,
                                            .connection_lost = on_lost,
                                            .get_buffer = offer,
                                            .buffer_updated = on_updated};

static void replace(tenon_transport *t, enum tenon_tap_way way,
                    const void *data, size_t len, void *user)
{
    (void)way;
    (void)data;
    (void)len;
    late.t = tenon_transport_ref(t);
    ck_assert_int_eq(
        tenon_transport_set_protocol(t, (tenon_protocol){user, &late}),
        TENON_OK);
    ck_assert_int_eq(tenon_transport_tap(t, NULL, NULL), TENON_OK);
}

START_TEST(T_a_tap_replaces_the_protocol)
{
    int fds[2];
    side first = {.t = NULL};
    tenon_transport *t;
    tenon_factory factory = tenon_factory_of(_i == 0 ? &offering : &side_ops);
    factory.shared.self = &first;
    native();
    ck_assert_int_eq(
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds),
        0);
    ck_assert_int_eq(tenon_transport_adopt(reactor, &t, fds[0], factory),
                     TENON_OK);
    UNTIL(first.t);
    const tenon_protocol_ops *next = _i == 0 ? &side_ops : &offering;
    union {
        const tenon_protocol_ops *read;
        void *any;
    } user = {.read = next};
    ck_assert_int_eq(tenon_transport_tap(t, replace, user.any), TENON_OK);
    ck_assert_int_eq(write(fds[1], "bytes", 5), 5);
    UNTIL(_i == 0 ? late.len == 5 : updated == 5);
    ck_assert_mem_eq(_i == 0 ? late.bytes : memory, "bytes", 5);
    ck_assert_uint_eq(first.len, 0);
    ck_assert_uint_eq(_i == 0 ? updated : late.len, 0);
    close(fds[1]);
    UNTIL(is_lost(&late));
    forget(&first);
    forget(&late);
    end();
}
END_TEST

/* ---- a report in the middle of reading ---- */

static int asked;

static tenon_status offer_nothing(void *self, tenon_transport *t, size_t hint,
                                  void **buffer, size_t *len)
{
    (void)self;
    (void)t;
    (void)hint;
    (void)buffer;
    asked++;
    *len = 0;
    return TENON_OK;
}

static tenon_status run_inside(tenon_reactor *r, const tenon_report *report,
                               void *user)
{
    (void)report;
    (void)user;
    ck_assert_int_eq(tenon_turn(r, NULL), TENON_OK);
    return TENON_OK;
}

/* No function of the user's is on the stack but the handler; the descriptor
 * is silent all the same until what reads it has returned. */
START_TEST(R_a_handler_runs_the_loop)
{
    static const tenon_protocol_ops ops = {.size = sizeof ops,
                                           .connection_made = on_made,
                                           .connection_lost = on_lost,
                                           .get_buffer = offer_nothing,
                                           .buffer_updated = on_updated};
    side one = {.t = NULL};
    tenon_factory factory = tenon_factory_of(&ops);
    tenon_transport *t;
    int fds[2];
    factory.shared.self = &one;
    options.on_error = run_inside;
    fds_before = count_fds();
    ck_assert_int_eq(tenon_foreign_new(&reactor, &options), TENON_OK);
    ck_assert_int_eq(
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds),
        0);
    ck_assert_int_eq(tenon_transport_adopt(reactor, &t, fds[0], factory),
                     TENON_OK);
    ck_assert_int_eq(write(fds[1], "bytes", 5), 5);
    for (int i = 0; i < 10 && !is_lost(&one); i++) {
        ck_assert_int_eq(tenon_turn(reactor, NULL), TENON_OK);
    }
    ck_assert(is_lost(&one));
    ck_assert_int_eq(asked, 1);
    close(fds[1]);
    forget(&one);
    end();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("engine-corners");
    TCase *tc = tcase_create("engine-corners");
    tcase_add_test(tc, a_timerfd_that_cannot_be_set);
    tcase_add_test(tc, a_slow_callback_frees_its_name);
    tcase_add_loop_test(tc, a_slow_protocol_frees_its_name, 0, 2);
    tcase_add_test(tc, X05_a_report_on_the_wrong_thread);
    tcase_add_loop_test(tc, T_a_tap_replaces_the_protocol, 0, 2);
    tcase_add_test(tc, R_a_handler_runs_the_loop);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
