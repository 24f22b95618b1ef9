/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Connections that are pulled at from where nobody expects it: out of a tap, a
 * resolver, a factory that refuses; descriptors that were closed behind the
 * engine's back.
 */

#include "side.h"

#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <tenon/manual.h>

static side a;
static int calls;

/* ---- taps ---- */

static side b;

static void untap(tenon_transport *t, enum tenon_tap_way way, const void *data,
                  size_t len, void *user)
{
    (void)way;
    (void)data;
    (void)len;
    (void)user;
    calls++;
    ck_assert_int_eq(tenon_transport_tap(t, NULL, NULL), TENON_OK);
}

START_TEST(T_a_tap_ends_itself_between_two_parts)
{
    struct iovec parts[] = {{(void *)"one", 3}, {(void *)"two", 3}};
    native();
    tenon_listener *listener = join(&a, &b, address_of(_i));
    UNTIL(a.t && b.t);
    ck_assert_int_eq(tenon_transport_tap(a.t, untap, NULL), TENON_OK);
    ck_assert_int_eq(tenon_transport_writev(a.t, parts, 2), TENON_OK);
    UNTIL(b.len == 6);
    ck_assert_int_eq(calls, 1);
    tenon_transport_close(a.t);
    leave(listener, &a, &b);
    end();
}
END_TEST

static void abort_tapped(tenon_transport *t, enum tenon_tap_way way,
                         const void *data, size_t len, void *user)
{
    (void)data;
    (void)len;
    (void)user;
    if (way == TENON_TAP_WRITE && calls++ == 0) {
        tenon_transport_abort(t);
    }
}

static int written;

static void on_written(tenon_transport *t, tenon_status status, void *user)
{
    (void)t;
    (void)status;
    (void)user;
    written++;
}

/* What the kernel did not take goes with the connection, and is told of. */
START_TEST(T_a_tap_aborts_in_the_middle_of_a_write)
{
    enum { LEN = 16 << 20 };
    char *bytes = pattern(LEN);
    native();
    tenon_listener *listener = join(&a, &b, address_of(_i % 2));
    b.on['M'] = pause_it;
    UNTIL(a.t && b.t);
    ck_assert_int_eq(tenon_transport_tap(a.t, abort_tapped, NULL), TENON_OK);
    if (_i < 2) {
        (void)!tenon_transport_write(a.t, bytes, LEN);
    } else {
        (void)!tenon_transport_write_ref(a.t, bytes, LEN, on_written, NULL);
    }
    UNTIL(is_lost(&a));
    ck_assert_int_eq(written, _i >= 2);
    ck_assert_int_eq(a.lost, TENON_ABORTED);
    (void)tenon_transport_resume_reading(b.t);
    tenon_transport_abort(b.t);
    leave(listener, &a, &b);
    end();
    free(bytes);
}
END_TEST

/* A loop that is run inside sends nothing twice; a write is refused. */
static void turn_tapped(tenon_transport *t, enum tenon_tap_way way,
                        const void *data, size_t len, void *user)
{
    (void)data;
    (void)len;
    (void)user;
    if (way == TENON_TAP_WRITE && calls++ < 3) {
        ck_assert_int_eq(tenon_transport_write(t, "!", 1), TENON_BUSY);
        ck_assert_int_eq(tenon_transport_write_ref(t, "!", 1, on_written, NULL),
                         TENON_BUSY);
        for (int i = 0; i < 20; i++) {
            (void)tenon_turn(reactor, NULL);
        }
    }
}

START_TEST(T_a_tap_runs_the_loop_in_the_middle_of_a_write)
{
    enum { LEN = 6 << 20 };
    char *bytes = pattern(LEN);
    native();
    tenon_listener *listener = join(&a, &b, address_of(_i));
    UNTIL(a.t && b.t);
    ck_assert_int_eq(tenon_transport_tap(a.t, turn_tapped, NULL), TENON_OK);
    ck_assert_int_ge(tenon_transport_write(a.t, bytes, LEN), 0);
    UNTIL(b.len >= LEN);
    ck_assert_int_eq(tenon_run_once(reactor, 0), TENON_OK);
    ck_assert_uint_eq(b.len, LEN);
    ck_assert(memcmp(b.bytes, bytes, LEN) == 0);
    ck_assert_int_ge(calls, 3);
    ck_assert_int_eq(written, 0);
    tenon_transport_close(a.t);
    leave(listener, &a, &b);
    end();
    free(bytes);
}
END_TEST

/* The later parts of what was sent are gone by then. */
START_TEST(T_a_tap_aborts_between_the_parts_of_a_queue)
{
    native();
    tenon_listener *listener = join(&a, &b, address_of(_i));
    UNTIL(a.t && b.t);
    ck_assert_int_ge(tenon_transport_write(a.t, "first", 5), 0);
    ck_assert_int_ge(tenon_transport_write(a.t, "copied", 6), 0);
    ck_assert_int_ge(
        tenon_transport_write_ref(a.t, "lent", 4, on_written, NULL), 0);
    ck_assert_int_ge(tenon_transport_write(a.t, "copied", 6), 0);
    ck_assert_uint_eq(tenon_transport_write_queue_len(a.t), 16);
    ck_assert_int_eq(tenon_transport_tap(a.t, abort_tapped, NULL), TENON_OK);
    UNTIL(is_lost(&a));
    ck_assert_int_eq(calls, 1);
    ck_assert_int_eq(written, 1);
    leave(listener, &a, &b);
    end();
}
END_TEST

/* ---- deadlines of connections that never opened ---- */

static tenon_status limit_and_refuse(void *user, tenon_transport *t,
                                     tenon_protocol *out)
{
    (void)user;
    (void)out;
    ck_assert_int_eq(tenon_transport_set_session_limit(t, TENON_SECOND / 50),
                     TENON_OK);
    calls++;
    return TENON_REFUSED;
}

START_TEST(D_a_refused_connection_had_a_deadline)
{
    tenon_listener *listener;
    tenon_address address;
    char text[TENON_ADDRESS_TEXT_LEN];
    native();
    ck_assert_int_eq(tenon_listen(reactor, &listener, address_of(_i),
                                  tenon_factory_with(limit_and_refuse, NULL),
                                  NULL),
                     TENON_OK);
    tenon_listener_address(listener, &address);
    tenon_address_format(&address, text, sizeof text);
    ck_assert_int_eq(tenon_connector_start(reactor, NULL, text, as(&a), NULL),
                     TENON_OK);
    UNTIL(calls && a.t && is_lost(&a));
    int64_t until_ns = tenon_now(reactor) + TENON_SECOND / 20;
    UNTIL(tenon_now(reactor) > until_ns);
    tenon_listener_close(listener);
    tenon_listener_unref(listener);
    UNTIL(!tenon_reactor_alive(reactor));
    forget(&a);
    end();
}
END_TEST

START_TEST(D_the_reactor_ends_before_an_adopted_one_opened)
{
    tenon_transport *t;
    int ends[2];
    native();
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    ck_assert_int_eq(tenon_transport_adopt(reactor, &t, ends[0], as(&a)),
                     TENON_OK);
    ck_assert_int_eq(tenon_transport_set_idle_timeout(t, TENON_SECOND),
                     TENON_OK);
    ck_assert_int_eq(tenon_reactor_close(reactor), TENON_OK);
    close(ends[1]);
    end();
}
END_TEST

/* ---- resolvers ---- */

static int forgotten;
static int resolved;
static tenon_status resolved_status;

static tenon_status close_and_wait(void *self, tenon_lookup *lookup)
{
    (void)self;
    calls++;
    ck_assert_int_ge(tenon_reactor_close(tenon_lookup_reactor(lookup)), 0);
    return TENON_OK;
}

static void forget_it(void *self, tenon_lookup *lookup)
{
    (void)self;
    (void)lookup;
    forgotten++;
}

static const tenon_resolver_ops closing_ops = {.size = sizeof closing_ops,
                                               .name = "closing",
                                               .resolve = close_and_wait,
                                               .cancel = forget_it};

static void on_resolved(tenon_lookup *lookup, const tenon_error *error,
                        void *user)
{
    (void)lookup;
    (void)user;
    resolved++;
    resolved_status = tenon_error_status(error);
}

START_TEST(R_a_resolver_closes_the_reactor)
{
    tenon_resolve_options how = {.size = sizeof how, .on_done = on_resolved};
    native();
    ck_assert_int_eq(tenon_reactor_set_resolver(reactor, &closing_ops, NULL),
                     TENON_OK);
    tenon_status status = tenon_resolve(reactor, NULL, "example.org", &how);
    if (status >= 0) {
        ck_assert_int_ge(tenon_reactor_close(reactor), 0);
    }
    ck_assert_int_eq(calls, 1);
    ck_assert_int_eq(resolved, status >= 0);
    ck_assert_int_eq(forgotten, status >= 0);
    end();
}
END_TEST

static tenon_status replace_it(void *self, tenon_lookup *lookup)
{
    (void)self;
    calls++;
    ck_assert_int_eq(
        tenon_reactor_set_resolver(tenon_lookup_reactor(lookup), NULL, NULL),
        TENON_BUSY);
    return TENON_OK;
}

static const tenon_resolver_ops replacing_ops = {.size = sizeof replacing_ops,
                                                 .name = "replacing",
                                                 .resolve = replace_it,
                                                 .cancel = forget_it};

START_TEST(R_a_resolver_replaces_itself)
{
    tenon_lookup *lookup;
    tenon_resolve_options how = {.size = sizeof how, .on_done = on_resolved};
    native();
    ck_assert_int_eq(tenon_reactor_set_resolver(reactor, &replacing_ops, NULL),
                     TENON_OK);
    ck_assert_int_eq(tenon_resolve(reactor, &lookup, "example.org", &how),
                     TENON_OK);
    ck_assert_int_eq(tenon_lookup_cancel(lookup), TENON_OK);
    UNTIL(resolved);
    ck_assert_int_eq(forgotten, 1);
    tenon_lookup_unref(lookup);
    end();
}
END_TEST

/* ---- descriptors closed behind our back ---- */

/* The next free number is the one that the engine's next socket gets. */
static int next_number(void)
{
    int fd = dup(0);
    ck_assert_int_ge(fd, 0);
    close(fd);
    return fd;
}

/* A listening socket that has no room for anybody. */
static int full_listener(char *text, size_t len, int clients[8])
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t at_len = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&at, at_len), 0);
    ck_assert_int_eq(listen(fd, 0), 0);
    getsockname(fd, (struct sockaddr *)&at, &at_len);
    for (int i = 0; i < 8; i++) {
        clients[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)connect(clients[i], (struct sockaddr *)&at, at_len);
    }
    snprintf(text, len, "tcp:127.0.0.1:%d", ntohs(at.sin_port));
    return fd;
}

/* One attempt's number becomes another attempt's: the first one ends, and
 * leaves the second one's socket alone. */
START_TEST(S_the_socket_of_an_attempt_is_closed)
{
    tenon_connector *second;
    char text[64];
    int clients[8];
    native();
    int full = full_listener(text, sizeof text, clients);
    int fd = next_number();
    ck_assert_int_eq(tenon_connector_start(reactor, NULL, text, as(&a), &told),
                     TENON_OK);
    ck_assert_int_eq(tenon_run_once(reactor, 0), TENON_OK);
    ck_assert_int_eq(close(fd), 0);
    ck_assert_int_eq(
        tenon_connector_start(reactor, &second, text, as(&a), NULL), TENON_OK);
    UNTIL(connected);
    ck_assert_int_eq(connect_error, TENON_STALE);
    ck_assert_int_ge(fcntl(fd, F_GETFD), 0);
    tenon_connector_cancel(second);
    tenon_connector_unref(second);
    UNTIL(!tenon_reactor_alive(reactor));
    close(full);
    for (int i = 0; i < 8; i++) {
        close(clients[i]);
    }
    end();
}
END_TEST

static void on_closed(tenon_listener *listener, void *user)
{
    (void)listener;
    (void)user;
    calls++;
}

/* A listener without a way in is reported and closed; with another one left
 * it goes on. */
START_TEST(S_the_socket_of_a_listener_is_closed)
{
    tenon_listen_options how = {.size = sizeof how, .on_closed = on_closed};
    tenon_listener *first;
    tenon_listener *second;
    native();
    int fd = next_number();
    ck_assert_int_eq(tenon_listen(reactor, &first, address_of(0), as(&a), &how),
                     TENON_OK);
    if (_i) {
        ck_assert_int_eq(tenon_listener_add(first, "mem:left"), TENON_OK);
    }
    ck_assert_int_eq(tenon_run_once(reactor, 0), TENON_OK);
    ck_assert_int_eq(close(fd), 0);
    ck_assert_int_eq(
        tenon_listen(reactor, &second, address_of(0), as(&a), NULL), TENON_OK);
    UNTIL(reports);
    ck_assert_int_eq(reported, TENON_STALE);
    ck_assert_int_eq(tenon_run_once(reactor, 0), TENON_OK);
    ck_assert_int_eq(calls, !_i);
    ck_assert_int_eq(reports, 1);
    tenon_listener_close(first);
    ck_assert_int_ge(fcntl(fd, F_GETFD), 0);
    tenon_listener_close(second);
    UNTIL(!tenon_reactor_alive(reactor));
    tenon_listener_unref(first);
    tenon_listener_unref(second);
    end();
}
END_TEST

/* ---- pipes that lose a side to another protocol ---- */

static int pipes_done;
static void on_piped(const tenon_error *error, uint64_t there, uint64_t back,
                     void *user)
{
    (void)error;
    (void)there;
    (void)back;
    (void)user;
    pipes_done++;
}

static const tenon_pipe_options pipe_how = {.size = sizeof pipe_how,
                                            .on_done = on_piped};

static tenon_transport *adopted(side *s, int *far)
{
    tenon_transport *t;
    int ends[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    ck_assert_int_eq(tenon_transport_adopt(reactor, &t, ends[0], as(s)),
                     TENON_OK);
    UNTIL(s->t);
    *far = ends[1];
    return t;
}

static side first;
static side second;
static side third;

/* What still comes by the pipe does not go to a transport that is gone. */
START_TEST(P_a_side_is_taken_away)
{
    int far[2];
    signal(SIGPIPE, SIG_IGN);
    native();
    tenon_transport *one = adopted(&first, &far[0]);
    tenon_transport *two = adopted(&second, &far[1]);
    ck_assert_int_eq(tenon_pipe(one, two, &pipe_how), TENON_OK);
    ck_assert_int_eq(
        tenon_transport_set_protocol(one, (tenon_protocol){&side_ops, &third}),
        TENON_OK);
    tenon_transport_abort(one);
    UNTIL(third.log_len > 0);
    forget(&first);
    ck_assert_int_eq(tenon_run_once(reactor, 0), TENON_OK);
    (void)!write(far[1], "x", 1); /* it is being closed */
    UNTIL(!tenon_reactor_alive(reactor));
    ck_assert_int_eq(pipes_done, 1);
    close(far[0]);
    close(far[1]);
    forget(&second);
    end();
}
END_TEST

/* ---- stops that ask for another one ---- */

static void stop_again(tenon_listener *listener, tenon_status status,
                       void *user)
{
    tenon_stop_options how = {
        .size = sizeof how, .on_stopped = stop_again, .user = user};
    (void)status;
    if (++calls < 10) {
        ck_assert_int_eq(tenon_listener_stop(listener, &how), TENON_OK);
    }
}

/* Each is told in a turn of its own, so that nobody else starves. */
START_TEST(Q_a_stop_asks_for_another_one)
{
    tenon_listener *listener;
    native();
    ck_assert_int_eq(
        tenon_listen(reactor, &listener, "mem:again", as(&a), NULL), TENON_OK);
    stop_again(listener, TENON_OK, NULL);
    int before = calls;
    while (calls < 10) {
        ck_assert_int_eq(tenon_run_once(reactor, 0), TENON_OK);
        ck_assert_int_le(calls, before + 1);
        before = calls;
    }
    tenon_listener_unref(listener);
    end();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("corners");
    TCase *tc = tcase_create("corners");
    tcase_set_timeout(tc, 30);
    tcase_add_loop_test(tc, T_a_tap_ends_itself_between_two_parts, 0, 3);
    tcase_add_loop_test(tc, T_a_tap_aborts_in_the_middle_of_a_write, 0, 4);
    tcase_add_loop_test(tc, T_a_tap_runs_the_loop_in_the_middle_of_a_write, 0,
                        2);
    tcase_add_loop_test(tc, T_a_tap_aborts_between_the_parts_of_a_queue, 0, 3);
    tcase_add_loop_test(tc, D_a_refused_connection_had_a_deadline, 0, 3);
    tcase_add_test(tc, D_the_reactor_ends_before_an_adopted_one_opened);
    tcase_add_test(tc, R_a_resolver_closes_the_reactor);
    tcase_add_test(tc, R_a_resolver_replaces_itself);
    tcase_add_test(tc, S_the_socket_of_an_attempt_is_closed);
    tcase_add_loop_test(tc, S_the_socket_of_a_listener_is_closed, 0, 2);
    tcase_add_test(tc, P_a_side_is_taken_away);
    tcase_add_test(tc, Q_a_stop_asks_for_another_one);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
