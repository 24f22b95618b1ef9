/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * What is asked for that cannot be had, or that few ask for: options that do
 * not fit, tables that end early, memory that is missing at the worst time.
 */

#include "side.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <tenon/manual.h>
#include <tenon/sys/native.h>

static side a;
static side b;

/* ---- addresses ---- */

START_TEST(H01_what_cannot_be_connected_to)
{
    static const struct {
        const char *address;
        tenon_status told;
    } wrong[] = {{"fd:0", TENON_NOT_SUPPORTED},
                 {"tcp:*:80", TENON_BAD_ADDRESS},
                 {"tcp:127.0.0.1:80:backlog=3", TENON_BAD_ADDRESS},
                 {"unix:/x:mode=600", TENON_BAD_ADDRESS}};
    static const char *const locals[] = {"unix:/x", "nonsense"};
    tenon_connect_options how = {.size = sizeof how};
    native();
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        ck_assert_int_eq(tenon_connector_start(reactor, NULL, wrong[i].address,
                                               as(&a), NULL),
                         wrong[i].told);
    }
    for (size_t i = 0; i < sizeof locals / sizeof locals[0]; i++) {
        how.local = locals[i];
        ck_assert_int_eq(
            tenon_connector_start(reactor, NULL, "mem:x", as(&a), &how),
            TENON_BAD_ADDRESS);
    }
    ck_assert(!tenon_reactor_alive(reactor));
    end();
}
END_TEST

START_TEST(H01_what_cannot_be_listened_at)
{
    static const char *const wrong[] = {"tcp:127.0.0.1:0:timeout=3",
                                        "tcp:127.0.0.1:0:local=127.0.0.1",
                                        "tcp:example.org:80", "nonsense"};
    tenon_listener *l = NULL;
    native();
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        ck_assert_int_eq(tenon_listen(reactor, &l, wrong[i], as(&a), NULL),
                         TENON_BAD_ADDRESS);
        ck_assert_ptr_null(l);
    }
    ck_assert_int_eq(tenon_listen(reactor, &l, "mem:x", as(&a), NULL),
                     TENON_OK);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        ck_assert_int_eq(tenon_listener_add(l, wrong[i]), TENON_BAD_ADDRESS);
    }
    tenon_listener_close(l);
    tenon_listener_unref(l);
    end();
}
END_TEST

/* The options of the address win. */
START_TEST(H01_options_of_an_address)
{
    tenon_listener *l[3];
    tenon_address at;
    char text[TENON_ADDRESS_TEXT_LEN + 32];
    char path[64];
    const tenon_listen_options named = {
        .size = sizeof named, .name = "mine", .start_paused = true};
    native();
    ck_assert_int_eq(tenon_listen(reactor, &l[0],
                                  "tcp:127.0.0.1:0:reuse_port=1", as(&a),
                                  &named),
                     TENON_OK);
    ck_assert_int_eq(tenon_listener_address(l[0], &at), TENON_OK);
    uint16_t port = tenon_address_port(&at);
    snprintf(text, sizeof text, "tcp:127.0.0.1:%u", port);
    ck_assert_int_eq(tenon_listen(reactor, &l[1], text, as(&a), NULL),
                     -EADDRINUSE);
    snprintf(text, sizeof text, "tcp:127.0.0.1:%u:reuse_port=1", port);
    ck_assert_int_eq(tenon_listen(reactor, &l[1], text, as(&a), NULL),
                     TENON_OK);
    /* At a port that is given, all families or none. */
    snprintf(text, sizeof text, "tcp:*:%u", port);
    ck_assert_int_eq(tenon_listen(reactor, &l[2], text, as(&a), NULL),
                     -EADDRINUSE);
    snprintf(path, sizeof path, "/tmp/tenon-wishes-%ld", (long)getpid());
    snprintf(text, sizeof text, "unix:%s:mode=640", path);
    ck_assert_int_eq(tenon_listen(reactor, &l[2], text, as(&a), NULL),
                     TENON_OK);
    struct stat made;
    ck_assert_int_eq(stat(path, &made), 0);
    ck_assert_int_eq(made.st_mode & 0777, 0640);
    char dump[4096] = "";
    FILE *file = fmemopen(dump, sizeof dump, "w");
    ck_assert_int_eq(tenon_reactor_dump(reactor, file), TENON_OK);
    fclose(file);
    const char *line = strstr(dump, "listener mine");
    ck_assert_ptr_nonnull(line);
    ck_assert_ptr_nonnull(strstr(line, ", paused"));
    ck_assert_ptr_nonnull(strstr(dump, "listener - "));
    for (int i = 0; i < 3; i++) {
        tenon_listener_close(l[i]);
        tenon_listener_unref(l[i]);
    }
    end();
}
END_TEST

START_TEST(N10_sockets_that_do_not_listen)
{
    tenon_listener *l = NULL;
    tenon_listener *again = NULL;
    native();
    int plain = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(tenon_listen_adopt(reactor, &l, plain, as(&a), NULL),
                     TENON_INVALID);
    ck_assert_int_eq(listen(plain, 1), 0);
    ck_assert_int_eq(tenon_listen_adopt(reactor, &l, plain, as(&a), NULL),
                     TENON_OK);
    ck_assert_int_eq(tenon_listen_adopt(reactor, &again, plain, as(&a), NULL),
                     TENON_OWNED);
    ck_assert_ptr_null(again);
    tenon_listener_close(l);
    tenon_listener_unref(l);
    end();
}
END_TEST

/* ---- factories and stops ---- */

static int factory_starts;
static int factory_stops;

static tenon_status factory_start(void *user, tenon_reactor *r)
{
    (void)user;
    (void)r;
    factory_starts++;
    return TENON_OK;
}

static void factory_stop(void *user, tenon_reactor *r)
{
    (void)user;
    (void)r;
    factory_stops++;
}

START_TEST(N_a_factory_s_table)
{
    static const size_t lengths[] = {
        offsetof(tenon_factory_ops, start), offsetof(tenon_factory_ops, stop),
        sizeof(tenon_factory_ops), sizeof(tenon_factory_ops),
        sizeof(tenon_factory_ops)};
    tenon_factory_ops table = {.size = (uint32_t)lengths[_i],
                               .start = _i == 3 ? NULL : factory_start,
                               .stop = _i == 4 ? NULL : factory_stop};
    tenon_factory factory = as(&a);
    tenon_listener *l;
    factory.ops = &table;
    native();
    ck_assert_int_eq(tenon_listen(reactor, &l, "mem:x", factory, NULL),
                     TENON_OK);
    ck_assert_int_eq(tenon_run_once(reactor, 0), TENON_OK);
    ck_assert_int_eq(factory_starts, _i == 1 || _i == 2 || _i == 4);
    tenon_listener_close(l);
    ck_assert_int_eq(tenon_run_once(reactor, 0), TENON_OK);
    ck_assert_int_eq(factory_stops, _i == 2 || _i == 3);
    tenon_listener_unref(l);
    end();
}
END_TEST

static int stopped;

static void on_stopped(tenon_listener *l, tenon_status status, void *user)
{
    (void)l;
    (void)user;
    ck_assert_int_eq(status, TENON_OK);
    stopped++;
}

static void on_time(tenon_timer *timer, void *user)
{
    (void)timer;
    (void)user;
}

/* The next deadline needs memory. */
static void fill_heap(void)
{
    static tenon_timer timers[256];
    tenon_status status = TENON_OK;
    for (int i = 0; status == TENON_OK; i++) {
        ck_assert_int_lt(i, 256);
        tenon_timer_init(&timers[i], reactor);
        (void)tenon_timer_set_daemon(&timers[i], true);
        fail_at = 0;
        status =
            tenon_timer_start(&timers[i], 3600 * TENON_SECOND, on_time, NULL);
    }
    fail_at = -1;
    ck_assert_int_eq(status, TENON_NO_MEMORY);
}

/* No memory for a deadline: nothing has begun, and it may be asked again. */
START_TEST(N_a_stop_without_memory)
{
    const tenon_stop_options how = {.size = sizeof how,
                                    .timeout_ns = TENON_SECOND,
                                    .on_stopped = _i ? on_stopped : NULL};
    tenon_listener *l;
    manual();
    ck_assert_int_eq(tenon_listen(reactor, &l, "mem:x", as(&a), NULL),
                     TENON_OK);
    settle();
    fill_heap();
    fail_at = _i;
    ck_assert_int_eq(tenon_listener_stop(l, &how), TENON_NO_MEMORY);
    fail_at = -1;
    settle();
    ck_assert(tenon_reactor_alive(reactor));
    ck_assert_int_eq(stopped, 0);
    ck_assert_int_eq(tenon_listener_stop(l, &how), TENON_OK);
    settle();
    ck_assert_int_eq(stopped, _i);
    tenon_listener_unref(l);
    end();
}
END_TEST

START_TEST(F_a_stop_that_is_refused)
{
    const tenon_stop_options wrong = {.size = sizeof wrong, .timeout_ns = -1};
    tenon_listener *l;
    manual();
    ck_assert_int_eq(tenon_listen(reactor, &l, "mem:x", as(&a), NULL),
                     TENON_OK);
    tenon_future *f = tenon_listener_stop_future(l, &wrong);
    ck_assert_int_eq(tenon_error_status(tenon_future_error(f)), TENON_INVALID);
    tenon_future_unref(f);
    f = tenon_listener_stop_future(l, NULL);
    settle();
    ck_assert_int_eq(tenon_future_state(f), TENON_FUTURE_RESOLVED);
    tenon_future_unref(f);
    tenon_listener_unref(l);
    end();
}
END_TEST

START_TEST(F_a_connection_with_options)
{
    const tenon_connect_options wrong = {.size = sizeof wrong,
                                         .timeout_ns = -1};
    const tenon_connect_options brief = {.size = sizeof brief,
                                         .timeout_ns = TENON_SECOND};
    manual();
    tenon_future *f = tenon_connect(reactor, "mem:x", as(&a), &wrong);
    ck_assert_int_eq(tenon_error_status(tenon_future_error(f)), TENON_INVALID);
    tenon_future_unref(f);
    f = tenon_connect(reactor, "mem:x", as(&a), &brief);
    settle();
    ck_assert_int_eq(tenon_error_status(tenon_future_error(f)), -ECONNREFUSED);
    tenon_future_unref(f);
    end();
}
END_TEST

/* ---- transports ---- */

static void pair_up(const tenon_protocol_ops *ops)
{
    tenon_transport *both[2];
    tenon_factory factory = tenon_factory_of(ops);
    factory.shared.self = &a;
    ck_assert_int_eq(tenon_memory_pair(reactor, both, factory, as(&b), NULL),
                     TENON_OK);
    settle();
}

static void part(void)
{
    tenon_transport_abort(a.t);
    settle();
    forget(&a);
    forget(&b);
    end();
}

/* No memory for its deadline: it is not closed, and has none. */
START_TEST(P_deadlines_without_memory)
{
    manual();
    pair_up(&side_ops);
    ck_assert_int_eq(tenon_transport_set_idle_timeout(a.t, 0), TENON_OK);
    fail_at = 0;
    ck_assert_int_eq(tenon_transport_close_within(a.t, TENON_SECOND),
                     TENON_NO_MEMORY);
    fail_at = -1;
    ck_assert(!tenon_transport_is_closing(a.t));
    ck_assert_int_eq(tenon_manual_advance(reactor, 2 * TENON_SECOND), TENON_OK);
    ck_assert(!is_lost(&a));
    part();
}
END_TEST

static int written;

static void on_written(tenon_transport *t, tenon_status status, void *user)
{
    (void)t;
    (void)user;
    written += status == TENON_OK;
}

START_TEST(P01_nothing_and_less)
{
    manual();
    pair_up(&side_ops);
    ck_assert_int_eq(tenon_transport_write_ref(a.t, NULL, 5, on_written, NULL),
                     TENON_INVALID);
    ck_assert_int_eq(tenon_transport_write_ref(a.t, NULL, 0, on_written, NULL),
                     TENON_OK);
    settle();
    ck_assert_int_eq(written, 1);
    ck_assert_uint_eq(b.len, 0);
    part();
}
END_TEST

/* "Closed" is what write says to whoever closed: no failure then. */
static tenon_status close_and_echo(void *self, tenon_transport *t,
                                   const void *data, size_t len)
{
    (void)self;
    if (*(const char *)data == 'c') {
        tenon_transport_close(t);
    }
    (void)len;
    return TENON_CLOSED;
}

static const tenon_protocol_ops echoing = {.size = sizeof echoing,
                                           .connection_made = on_made,
                                           .data_received = close_and_echo,
                                           .connection_lost = on_lost};

START_TEST(P_an_echo_of_closed)
{
    manual();
    pair_up(&echoing);
    ck_assert_int_eq(tenon_transport_write(b.t, _i == 0 ? "c" : "x", 1),
                     TENON_OK);
    settle();
    ck_assert(is_lost(&a));
    ck_assert_int_eq(a.lost, _i == 0 ? TENON_OK : TENON_CLOSED);
    ck_assert_int_eq(reports, _i);
    ck_assert_int_eq(reported, _i == 0 ? TENON_OK : TENON_CLOSED);
    forget(&a);
    forget(&b);
    end();
}
END_TEST

static int offers;
static int updates;
static char room[64];

static tenon_status offer(void *self, tenon_transport *t, size_t hint,
                          void **buffer, size_t *len)
{
    (void)self;
    (void)t;
    (void)hint;
    offers++;
    *buffer = offers == 1 ? NULL : room;
    *len = sizeof room;
    return TENON_OK;
}

static tenon_status on_updated(void *self, tenon_transport *t, size_t len)
{
    (void)self;
    (void)t;
    (void)len;
    updates++;
    return TENON_OK;
}

/* Half of the pair is none: the bytes go where they go without it. */
START_TEST(P_half_a_buffered_protocol)
{
    tenon_protocol_ops half = side_ops;
    half.get_buffer = offer;
    half.buffer_updated = NULL;
    if (_i == 1) {
        half.get_buffer = NULL;
        half.buffer_updated = on_updated;
    }
    manual();
    pair_up(&half);
    ck_assert_int_eq(tenon_transport_write(b.t, "bytes", 5), TENON_OK);
    settle();
    ck_assert_uint_eq(a.len, 5);
    ck_assert_int_eq(offers + updates, 0);
    part();
}
END_TEST

/* Long enough for the first of them alone. */
START_TEST(P_a_table_that_ends_in_the_middle)
{
    tenon_protocol_ops half = {.size =
                                   offsetof(tenon_protocol_ops, buffer_updated),
                               .connection_made = on_made,
                               .data_received = on_data,
                               .get_buffer = offer};
    manual();
    pair_up(&half);
    ck_assert_int_eq(tenon_transport_write(b.t, "bytes", 5), TENON_OK);
    settle();
    ck_assert_uint_eq(a.len, 5);
    ck_assert_int_eq(offers, 0);
    part();
}
END_TEST

START_TEST(P22_no_buffer_offered)
{
    tenon_protocol_ops both = side_ops;
    both.get_buffer = offer;
    both.buffer_updated = on_updated;
    manual();
    pair_up(&both);
    ck_assert_int_eq(tenon_transport_write(b.t, "bytes", 5), TENON_OK);
    settle();
    ck_assert_int_eq(a.lost, TENON_INVALID);
    ck_assert_int_eq(reports, 1);
    ck_assert_int_eq(reported, TENON_INVALID);
    ck_assert_int_eq(updates, 0);
    forget(&a);
    forget(&b);
    end();
}
END_TEST

static void pause_tapped(tenon_transport *t, enum tenon_tap_way way,
                         const void *data, size_t len, void *user)
{
    (void)way;
    (void)data;
    (void)len;
    (void)user;
    ck_assert_int_eq(tenon_transport_pause_reading(t), TENON_OK);
    fail_at = 0;
}

/* What was read and is not wanted now cannot be kept: rather than lose it,
 * the connection is. */
START_TEST(P_no_memory_for_what_is_put_back)
{
    manual();
    pair_up(&side_ops);
    ck_assert_int_eq(tenon_transport_tap(a.t, pause_tapped, NULL), TENON_OK);
    ck_assert_int_eq(tenon_transport_write(b.t, "bytes", 5), TENON_OK);
    while (!is_lost(&a)) {
        turns(1);
    }
    fail_at = -1;
    ck_assert_int_eq(a.lost, TENON_NO_MEMORY);
    ck_assert_uint_eq(a.len, 0);
    settle();
    forget(&a);
    forget(&b);
    end();
}
END_TEST

/* A stranger's stream that is full in one of the ways there are. */
static ssize_t full_once;

static ssize_t send_full(void *native, const struct iovec *parts, size_t count)
{
    ssize_t first = full_once;
    full_once = 1;
    if (first != 1) {
        toy *one = native;
        (void)toy_refuse(one, &one->writable, TENON_WRITE);
        return first;
    }
    return toy_send(native, parts, count);
}

START_TEST(B_full_in_one_way_or_another)
{
    static const ssize_t ways[] = {0, -ENOMEM, -ENOBUFS, -EAGAIN};
    tenon_native_ops table = toy_ops;
    tenon_transport *t;
    char got[8];
    int fds[2];
    table.send = send_full;
    full_once = ways[_i];
    native();
    ck_assert_int_eq(
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds),
        0);
    ck_assert_int_eq(toy_new(reactor, fds[0], &table, as(&a), &t), TENON_OK);
    UNTIL(a.t);
    ck_assert_int_eq(tenon_transport_write(a.t, "bytes", 5), TENON_OK);
    ck_assert_uint_eq(tenon_transport_write_queue_len(a.t), 5);
    UNTIL(read(fds[1], got, sizeof got) == 5);
    close_it(&a);
    UNTIL(is_lost(&a));
    close(fds[1]);
    forget(&a);
    end();
}
END_TEST

/* ---- pipes ---- */

START_TEST(B12_joins_that_are_none_and_one_that_is)
{
    side c = {.t = NULL};
    side d = {.t = NULL};
    side e = {.t = NULL};
    tenon_transport *both[2];
    tenon_reactor *other;
    manual();
    pair_up(&side_ops);
    ck_assert_int_eq(tenon_memory_pair(reactor, both, as(&c), as(&d), NULL),
                     TENON_OK);
    settle();
    ck_assert_int_eq(tenon_manual_new(&other, &options), TENON_OK);
    ck_assert_int_eq(tenon_memory_pair(other, both, as(&e), as(&e), NULL),
                     TENON_OK);
    ck_assert_int_eq(tenon_pipe(a.t, both[0], NULL), TENON_INVALID);
    ck_assert_int_eq(tenon_transport_write_eof(c.t), TENON_OK);
    ck_assert_int_eq(tenon_pipe(a.t, c.t, NULL), TENON_CLOSED);
    /* One that has an end in a pipe already leaves that for another. */
    ck_assert_int_eq(tenon_pipe(a.t, b.t, NULL), TENON_OK);
    ck_assert_int_eq(tenon_pipe(a.t, b.t, NULL), TENON_BUSY);
    ck_assert_int_eq(tenon_pipe(a.t, d.t, NULL), TENON_OK);
    ck_assert_int_eq(tenon_reactor_close(other), TENON_OK);
    tenon_reactor_unref(other);
    ck_assert_int_eq(tenon_reactor_close(reactor), TENON_OK);
    forget(&a);
    forget(&b);
    forget(&c);
    forget(&d);
    forget(&e);
    end();
}
END_TEST

static void add_transports(TCase *tcase)
{
    tcase_add_test(tcase, P_deadlines_without_memory);
    tcase_add_test(tcase, P01_nothing_and_less);
    tcase_add_loop_test(tcase, P_an_echo_of_closed, 0, 2);
    tcase_add_loop_test(tcase, P_half_a_buffered_protocol, 0, 2);
    tcase_add_test(tcase, P_a_table_that_ends_in_the_middle);
    tcase_add_test(tcase, P22_no_buffer_offered);
    tcase_add_test(tcase, P_no_memory_for_what_is_put_back);
    tcase_add_loop_test(tcase, B_full_in_one_way_or_another, 0, 4);
    tcase_add_test(tcase, B12_joins_that_are_none_and_one_that_is);
}

int main(void)
{
    Suite *suite = suite_create("wishes");
    TCase *tcase = tcase_create("wishes");
    tcase_set_timeout(tcase, 30);
    tcase_add_test(tcase, H01_what_cannot_be_connected_to);
    tcase_add_test(tcase, H01_what_cannot_be_listened_at);
    tcase_add_test(tcase, H01_options_of_an_address);
    tcase_add_test(tcase, N10_sockets_that_do_not_listen);
    tcase_add_loop_test(tcase, N_a_factory_s_table, 0, 5);
    tcase_add_loop_test(tcase, N_a_stop_without_memory, 0, 2);
    tcase_add_test(tcase, F_a_stop_that_is_refused);
    tcase_add_test(tcase, F_a_connection_with_options);
    add_transports(tcase);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
