/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Out of memory on every path: a scenario is run again and again, each time
 * with another request failing, until it gets through without meeting the
 * failure. Each time the failure is a status, nothing leaks, and the same step
 * works when it is tried again.
 *
 * ctest: timeout=120
 */

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <tenon/tenon.h>

#include "harness_check.h"

static harness_heap heap;
static tenon_reactor *reactor;

static tenon_status on_error(tenon_reactor *r, const tenon_report *report,
                             void *user)
{
    (void)r;
    (void)user;
    bool unclosed = strcmp(report->what, "unclosed transports") == 0;
    tenon_status status = tenon_error_status(report->error);
    ck_assert(unclosed || status == TENON_NO_MEMORY);
    return TENON_OK;
}

static tenon_status new_reactor(void)
{
    tenon_reactor_options options = {.size = sizeof options,
                                     .allocator = &heap.allocator,
                                     .slow_callback_ns = -1,
                                     .on_error = on_error};
    return tenon_reactor_new(&reactor, &options);
}

/* The request fails once; the step may be tried again at once. */
#define STEP(call)                                   \
    do {                                             \
        tenon_status status_ = (call);               \
        if (status_ == TENON_NO_MEMORY) {            \
            status_ = (call);                        \
        }                                            \
        ck_assert_msg(status_ >= 0, "%s: %s", #call, \
                      tenon_status_name(status_));   \
    } while (0)

static void nothing(void *user)
{
    (void)user;
}

static void make_reactor(void)
{
    STEP(new_reactor());
}

static void iterate(int count)
{
    for (int i = 0; i < count; i++) {
        ck_assert_int_eq(tenon_run_once(reactor, 0), TENON_OK);
    }
}

static void calls_and_timers(void)
{
    enum { COUNT = 10000 };
    static tenon_handle handles[COUNT];
    make_reactor();
    for (int i = 0; i < COUNT; i++) {
        STEP(tenon_call_later(reactor, TENON_SECOND + i, nothing, NULL,
                              &handles[i]));
    }
    STEP(tenon_call_soon(reactor, nothing, NULL));
    iterate(2);
    for (int i = 0; i < COUNT; i++) {
        ck_assert_int_eq(tenon_handle_cancel(handles[i]), TENON_EXISTED);
    }
}

static void readers_and_posts(void)
{
    int fds[2];
    make_reactor();
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    int high = fcntl(fds[0], F_DUPFD_CLOEXEC, 900);
    ck_assert_int_ge(high, 900);
    STEP(tenon_add_reader(reactor, fds[0], nothing, NULL));
    STEP(tenon_add_writer(reactor, high, nothing, NULL));
    STEP(tenon_add_signal_handler(reactor, SIGUSR1, nothing, NULL));
    iterate(2);
    tenon_remove_reader(reactor, fds[0]);
    tenon_remove_writer(reactor, high);
    close(high);
    close(fds[0]);
    close(fds[1]);
}

/* ---- connections ---- */

struct side {
    tenon_transport *transport;
    size_t received;
    int lost;
};

static tenon_status on_made(void *self, tenon_transport *transport)
{
    struct side *side = self;
    side->transport = transport;
    return TENON_OK;
}

static tenon_status on_data(void *self, tenon_transport *transport,
                            const void *data, size_t len)
{
    struct side *side = self;
    (void)transport;
    (void)data;
    side->received += len;
    return TENON_OK;
}

static tenon_status on_lost(void *self, tenon_transport *transport,
                            const tenon_error *error)
{
    struct side *side = self;
    (void)transport;
    (void)error;
    side->transport = NULL;
    side->lost++;
    return TENON_OK;
}

static const tenon_protocol_ops side_ops = {
    .size = sizeof side_ops,
    .connection_made = on_made,
    .data_received = on_data,
    .connection_lost = on_lost,
};

static tenon_factory factory(struct side *side)
{
    tenon_factory result = tenon_factory_of(&side_ops);
    *side = (struct side){0};
    result.shared.self = side;
    return result;
}

static void listen_and_connect(const char *address)
{
    static struct side server; /* told of its end after we returned */
    static struct side client;
    tenon_listener *listener = NULL;
    tenon_address bound;
    char text[TENON_ADDRESS_TEXT_LEN];
    make_reactor();
    STEP(tenon_listen(reactor, &listener, address, factory(&server), NULL));
    ck_assert_int_eq(tenon_listener_address(listener, &bound), TENON_OK);
    tenon_address_format(&bound, text, sizeof text);
    STEP(tenon_connector_start(reactor, NULL, text, factory(&client), NULL));
    iterate(20);
    if (client.transport) {
        STEP(tenon_transport_write(client.transport, "hello", 5));
        iterate(20);
    }
    tenon_listener_unref(listener);
}

static void over_tcp(void)
{
    listen_and_connect("tcp:127.0.0.1:0");
}

static void over_memory(void)
{
    listen_and_connect("mem:sweep");
}

static void adopted(void)
{
    static char bytes[1 << 20];
    static struct side side;
    int fds[2];
    tenon_transport *transport;
    make_reactor();
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    STEP(tenon_transport_adopt(reactor, &transport, fds[0], factory(&side)));
    iterate(3);
    if (side.transport) {
        /* When the kernel took a part and there was no memory for the rest,
         * the stream has a hole: then the connection is lost, and says so. */
        tenon_status status =
            tenon_transport_write(side.transport, bytes, sizeof bytes);
        ck_assert(status >= 0 || status == TENON_NO_MEMORY);
        if (!tenon_transport_is_closing(side.transport)) {
            STEP(tenon_transport_write(side.transport, bytes, 100));
        } else {
            ck_assert_int_eq(status, TENON_NO_MEMORY);
            iterate(5);
            ck_assert_int_eq(side.lost, 1);
        }
        (void)send(fds[1], "x", 1, MSG_NOSIGNAL);
        iterate(5);
    }
    close(fds[1]);
}

/* ---- what few transports need ---- */

static size_t owed;

static void written(tenon_transport *transport, tenon_status status, void *user)
{
    (void)transport;
    (void)status;
    (void)user;
    owed--;
}

static void spent(void *buffer, size_t len, void *user)
{
    (void)buffer;
    (void)len;
    (void)user;
    owed--;
}

static void listen_in(tenon_transport *transport, enum tenon_tap_way way,
                      const void *data, size_t len, void *user)
{
    (void)transport;
    (void)way;
    (void)data;
    (void)len;
    (void)user;
}

/* Whatever was accepted is told once, whatever else failed. */
static void lend(tenon_transport *t)
{
    static char bytes[200000];
    tenon_future *future = NULL;
    STEP(tenon_transport_write_ref(t, bytes, sizeof bytes, written, NULL));
    STEP(tenon_transport_write_take(t, bytes, 10, spent, NULL));
    STEP(tenon_transport_on_flushed(t, written, NULL));
    owed += 3;
    STEP(tenon_transport_flushed(t, &future));
    (void)tenon_future_cancel(future, NULL); /* nobody looks at its outcome */
    tenon_future_unref(future);
    STEP(tenon_transport_set_idle_timeout(t, TENON_SECOND));
    STEP(tenon_transport_set_session_limit(t, TENON_SECOND));
    STEP(tenon_transport_tap(t, listen_in, NULL));
    STEP(tenon_transport_unread(t, bytes, 10));
}

static void extras(void)
{
    static struct side sides[4];
    tenon_transport *left[2];
    tenon_transport *right[2];
    make_reactor();
    owed = 0;
    STEP(tenon_memory_pair(reactor, left, factory(&sides[0]),
                           factory(&sides[1]), NULL));
    STEP(tenon_memory_pair(reactor, right, factory(&sides[2]),
                           factory(&sides[3]), NULL));
    iterate(3);
    STEP(tenon_pipe(left[1], right[0], NULL));
    lend(left[0]);
    iterate(60);
    if (sides[3].transport) {
        STEP(tenon_transport_close_within(right[1], TENON_SECOND));
    }
    iterate(20);
    ck_assert_int_eq(tenon_reactor_close(reactor), TENON_OK);
    ck_assert_uint_eq(owed, 0);
}

static void (*const scenarios[])(void) = {
    calls_and_timers, readers_and_posts, over_tcp, over_memory, adopted, extras,
};

/* The nth request of the scenario fails; whether there was one. */
static bool sweep_once(void (*scenario)(void), uint64_t nth)
{
    harness_fds fds;
    char why[HARNESS_TEXT_LEN] = "";
    harness_fds_begin(&fds);
    harness_heap_begin(&heap);
    harness_heap_fail(&heap, nth, 1);
    scenario();
    ck_assert_int_eq(tenon_reactor_close(reactor), TENON_OK);
    tenon_reactor_unref(reactor);
    bool met = heap.requests >= nth;
    ck_assert_msg(harness_heap_end(&heap, why, sizeof why), "%llu: %s",
                  (unsigned long long)nth, why);
    ck_assert_msg(harness_fds_end(&fds, why, sizeof why), "%llu: %s",
                  (unsigned long long)nth, why);
    return met;
}

START_TEST(every_request_fails_once)
{
    uint64_t nth = 1;
    while (sweep_once(scenarios[_i], nth)) {
        nth++;
    }
    ck_assert_uint_gt(nth, 5);
}
END_TEST

/* All fail from the nth on: the constructor gives up and leaves nothing. */
START_TEST(a_reactor_without_memory)
{
    for (uint64_t nth = 1;; nth++) {
        harness_fds fds;
        char why[HARNESS_TEXT_LEN] = "";
        harness_fds_begin(&fds);
        harness_heap_begin(&heap);
        harness_heap_fail(&heap, nth, UINT64_MAX / 2);
        reactor = NULL;
        tenon_status status = new_reactor();
        ck_assert(status == TENON_OK || status == TENON_NO_MEMORY);
        ck_assert((status == TENON_OK) == (reactor != NULL));
        tenon_reactor_unref(reactor);
        ck_assert_msg(harness_heap_end(&heap, why, sizeof why), "%s", why);
        ck_assert_msg(harness_fds_end(&fds, why, sizeof why), "%s", why);
        if (status == TENON_OK) {
            ck_assert_uint_gt(nth, 1);
            return;
        }
    }
}
END_TEST

/* ---- deadlines that have their memory before ---- */

static tenon_status never_done(tenon_reactor *r, tenon_shutdown *hook,
                               void *user)
{
    (void)r;
    (void)hook;
    (void)user;
    return TENON_PENDING;
}

static int late_hooks;

static tenon_status on_late_hook(tenon_reactor *r, const tenon_report *report,
                                 void *user)
{
    (void)r;
    (void)user;
    late_hooks += strcmp(report->what, "shutdown hook") == 0;
    return TENON_OK;
}

START_TEST(R16_a_hook_has_its_deadline_without_memory)
{
    tenon_shutdown hook;
    harness_heap_begin(&heap);
    tenon_reactor_options options = {.size = sizeof options,
                                     .allocator = &heap.allocator,
                                     .slow_callback_ns = -1,
                                     .on_error = on_late_hook,
                                     .shutdown_timeout_ns =
                                         20 * TENON_MILLISECOND};
    ck_assert_int_eq(tenon_reactor_new(&reactor, &options), TENON_OK);
    ck_assert_int_eq(
        tenon_reactor_on_shutdown(reactor, &hook, never_done, NULL), TENON_OK);
    harness_heap_fail(&heap, 1, UINT64_MAX / 2);
    ck_assert_int_eq(tenon_reactor_close(reactor), TENON_OK);
    ck_assert_int_eq(late_hooks, 1);
    tenon_reactor_unref(reactor);
    char why[HARNESS_TEXT_LEN] = "";
    ck_assert_msg(harness_heap_end(&heap, why, sizeof why), "%s", why);
}
END_TEST

/* Nobody closes anything: the listener has to try again by itself. */
START_TEST(R9_a_listener_recovers_from_no_memory)
{
    static struct side server;
    tenon_listener *listener;
    tenon_address bound;
    harness_heap_begin(&heap);
    make_reactor();
    ck_assert_int_eq(tenon_listen(reactor, &listener, "tcp:127.0.0.1:0",
                                  factory(&server), NULL),
                     TENON_OK);
    ck_assert_int_eq(tenon_listener_address(listener, &bound), TENON_OK);
    iterate(2);
    int fds[2];
    for (int i = 0; i < 2; i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    }
    harness_heap_fail(&heap, 1, UINT64_MAX / 2);
    ck_assert_int_eq(connect(fds[0], &bound.as.any, bound.len), 0);
    iterate(3);
    ck_assert_int_eq(connect(fds[1], &bound.as.any, bound.len), 0);
    harness_heap_fail(&heap, 0, 0);
    for (int i = 0; i < 100 && !server.transport; i++) {
        ck_assert_int_eq(tenon_run_once(reactor, TENON_SECOND / 10), TENON_OK);
    }
    ck_assert_ptr_nonnull(server.transport);
    close(fds[0]);
    close(fds[1]);
    tenon_listener_unref(listener);
    ck_assert_int_eq(tenon_reactor_close(reactor), TENON_OK);
    tenon_reactor_unref(reactor);
    char why[HARNESS_TEXT_LEN] = "";
    ck_assert_msg(harness_heap_end(&heap, why, sizeof why), "%s", why);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("allocation sweep");
    TCase *tcase = tcase_create("sweep");
    int count = (int)(sizeof scenarios / sizeof scenarios[0]);
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, every_request_fails_once, 0, count);
    tcase_add_test(tcase, a_reactor_without_memory);
    tcase_add_test(tcase, R16_a_hook_has_its_deadline_without_memory);
    tcase_add_test(tcase, R9_a_listener_recovers_from_no_memory);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
