/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Transports over TCP, UNIX sockets and memory alike: order of callbacks, the
 * ways to end, what comes back through callbacks. The conformance suite has
 * the same on every host.
 */

#include "side.h"

/* ---- sockets and memory alike ---- */

START_TEST(P01_echo_and_close)
{
    side a = {0}, b = {.on['D'] = echo};
    native();
    tenon_listener *l = join(&a, &b, address_of(_i));
    UNTIL(a.t && b.t);
    ck_assert_int_eq(tenon_transport_write(a.t, "hello", 5), TENON_OK);
    UNTIL(a.len == 5);
    ck_assert_mem_eq(a.bytes, "hello", 5);
    tenon_transport_close(a.t);
    tenon_transport_close(a.t);
    UNTIL(is_lost(&a) && is_lost(&b));
    ck_assert_str_eq(a.log, "MDL");
    ck_assert_str_eq(b.log, "MDEL");
    ck_assert_int_eq(a.lost, TENON_OK);
    ck_assert_int_eq(b.lost, TENON_OK);
    ck_assert_int_eq(tenon_transport_write(a.t, "x", 1), TENON_CLOSED);
    ck_assert_int_eq(tenon_transport_write_eof(a.t), TENON_CLOSED);
    leave(l, &a, &b);
    end();
}
END_TEST

START_TEST(P03_P05_P07_everything_arrives)
{
    enum { LEN = 3000001 };
    side a = {0}, b = {0};
    char *bytes = pattern(LEN);
    char *copy = pattern(LEN);
    native();
    tenon_listener *l = join(&a, &b, address_of(_i));
    UNTIL(a.t && b.t);
    for (size_t at = 0, step = 1; at < LEN; step = step * 3 + 1) {
        step = step > LEN - at ? LEN - at : step;
        ck_assert_int_ge(tenon_transport_write(a.t, copy + at, step), 0);
        memset(copy + at, 0, step);
        at += step;
    }
    tenon_transport_close(a.t);
    UNTIL(is_lost(&a) && is_lost(&b));
    ck_assert_uint_eq(b.len, LEN);
    ck_assert_mem_eq(b.bytes, bytes, LEN);
    ck_assert_int_eq(a.lost, TENON_OK);
    free(bytes);
    free(copy);
    leave(l, &a, &b);
    end();
}
END_TEST

START_TEST(P04_nothing_and_parts)
{
    side a = {0}, b = {0};
    struct iovec parts[] = {{"ab", 2}, {NULL, 0}, {"cde", 3}};
    struct iovec wrong[] = {{"ab", 2}, {NULL, 3}};
    native();
    tenon_listener *l = join(&a, &b, address_of(_i));
    UNTIL(a.t && b.t);
    ck_assert_int_eq(tenon_transport_write(a.t, NULL, 0), TENON_OK);
    ck_assert_int_eq(tenon_transport_writev(a.t, wrong, 2), TENON_INVALID);
    ck_assert_int_eq(tenon_transport_writev(a.t, parts, 3), TENON_OK);
    UNTIL(b.len == 5);
    ck_assert_mem_eq(b.bytes, "abcde", 5);
    tenon_transport_abort(a.t);
    leave(l, &a, &b);
    end();
}
END_TEST

START_TEST(P08_abort_resets)
{
    side a = {0}, b = {.on['D'] = abort_it};
    native();
    tenon_listener *l = join(&a, &b, address_of(_i));
    UNTIL(a.t && b.t);
    ck_assert_int_eq(tenon_transport_write(a.t, "x", 1), TENON_OK);
    UNTIL(is_lost(&a) && is_lost(&b));
    ck_assert_str_eq(b.log, "MDL");
    ck_assert_int_eq(b.lost, TENON_ABORTED);
    /* A UNIX socket cannot tell a reset from an end. */
    ck_assert_int_eq(a.lost, _i % 2 == 1 ? TENON_OK : -ECONNRESET);
    leave(l, &a, &b);
    end();
}
END_TEST

START_TEST(P09_abort_after_close_wins)
{
    side a = {0}, b = {0};
    native();
    tenon_listener *l = join(&a, &b, address_of(_i));
    UNTIL(a.t && b.t);
    tenon_transport_close(a.t);
    tenon_transport_abort(a.t);
    tenon_transport_close(a.t);
    ck_assert_str_eq(a.log, "M");
    UNTIL(is_lost(&a));
    ck_assert_int_eq(a.lost, TENON_ABORTED);
    ck_assert_str_eq(a.log, "ML");
    leave(l, &a, &b);
    end();
}
END_TEST

START_TEST(P10_close_in_connection_made)
{
    side a = {.on['M'] = bye}, b = {0};
    tenon_listener *l;
    char text[TENON_ADDRESS_TEXT_LEN];
    tenon_address address;
    native();
    ck_assert_int_eq(tenon_listen(reactor, &l, address_of(_i), as(&b), NULL),
                     TENON_OK);
    tenon_listener_address(l, &address);
    tenon_address_format(&address, text, sizeof text);
    ck_assert_int_eq(tenon_connector_start(reactor, NULL, text, as(&a), &told),
                     TENON_OK);
    ck_assert_int_eq(connected, 0);
    UNTIL(is_lost(&a) && is_lost(&b));
    ck_assert_int_eq(connected, 1);
    ck_assert_int_eq(connect_error, TENON_OK);
    ck_assert_str_eq(a.log, "ML");
    ck_assert_str_eq(b.log, "MDEL");
    ck_assert_mem_eq(b.bytes, "bye", 3);
    leave(l, &a, &b);
    end();
}
END_TEST

START_TEST(P11_P12_failures_of_callbacks)
{
    const char letter = "MDEP"[_i % 4];
    side a = {0}, b = {0};
    b.answer[(int)letter] = TENON_PROTOCOL;
    native();
    tenon_listener *l = join(&a, &b, address_of(_i / 4));
    UNTIL(a.t && b.t);
    if (letter == 'P') {
        tenon_transport_set_write_limits(b.t, 0, 0);
        ck_assert_int_eq(tenon_transport_write(b.t, "1", 1), TENON_OK);
        ck_assert_int_eq(tenon_transport_write(b.t, "2", 1), TENON_HIGH);
    } else if (letter != 'M') {
        (void)tenon_transport_write(a.t, "x", 1);
        (void)tenon_transport_write_eof(a.t);
    }
    UNTIL(is_lost(&a) && is_lost(&b));
    ck_assert_int_eq(reports, 1);
    ck_assert_int_eq(reported, TENON_PROTOCOL);
    ck_assert_int_eq(b.lost, TENON_PROTOCOL);
    leave(l, &a, &b);
    end();
}
END_TEST

START_TEST(P14_P15_half_close)
{
    side a = {.answer['E'] = TENON_KEEP_OPEN};
    side b = {.answer['E'] = TENON_KEEP_OPEN};
    native();
    tenon_listener *l = join(&a, &b, address_of(_i));
    UNTIL(a.t && b.t);
    ck_assert(tenon_transport_can_write_eof(a.t));
    (void)tenon_transport_write(a.t, "question", 8);
    ck_assert_int_eq(tenon_transport_write_eof(a.t), TENON_OK);
    ck_assert_int_eq(tenon_transport_write_eof(a.t), TENON_OK);
    ck_assert_int_eq(tenon_transport_write(a.t, "x", 1), TENON_CLOSED);
    UNTIL(b.len == 8 && b.log_len == 3);
    /* Nothing to read, nothing to write: no wake-ups. */
    tenon_stats before = {.size = sizeof before}, after = before;
    tenon_reactor_stats(reactor, &before);
    ck_assert_int_eq(tenon_run_once(reactor, 30 * TENON_MILLISECOND), TENON_OK);
    tenon_reactor_stats(reactor, &after);
    ck_assert_uint_eq(after.events, before.events);
    (void)tenon_transport_write(b.t, "answer", 6);
    UNTIL(a.len == 6);
    ck_assert_int_eq(tenon_transport_write_eof(b.t), TENON_OK);
    UNTIL(is_lost(&a) && is_lost(&b));
    ck_assert_str_eq(a.log, "MDEL");
    ck_assert_str_eq(b.log, "MDEL");
    leave(l, &a, &b);
    end();
}
END_TEST

START_TEST(P02_P18_P19_paused)
{
    side a = {.on['M'] = bye}, b = {.on['M'] = pause_it};
    native();
    tenon_listener *l = join(&a, &b, address_of(_i));
    UNTIL(is_lost(&a) && b.t);
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(tenon_run_once(reactor, 2 * TENON_MILLISECOND),
                         TENON_OK);
    }
    ck_assert_str_eq(b.log, "M");
    ck_assert(!tenon_transport_is_reading(b.t));
    pause_it(&b);
    tenon_transport_resume_reading(b.t);
    tenon_transport_resume_reading(b.t);
    UNTIL(is_lost(&b));
    ck_assert_str_eq(b.log, "MDEL");
    ck_assert_uint_eq(b.len, 3);
    leave(l, &a, &b);
    end();
}
END_TEST

/* R24: the peer's last words were read although our write failed first. */
START_TEST(R24_write_error_after_data)
{
    side a = {0}, b = {.on['D'] = NULL};
    native();
    tenon_listener *l = join(&a, &b, address_of(_i));
    UNTIL(a.t && b.t);
    pause_it(&b);
    (void)tenon_transport_write(a.t, "last", 4);
    tenon_transport_close(a.t);
    UNTIL(is_lost(&a));
    tenon_transport_resume_reading(b.t);
    ck_assert_int_eq(tenon_transport_write(b.t, "x", 1), TENON_OK);
    if (_i == 0) {
        /* TCP takes the first one and learns of the reset from it. */
        UNTIL(is_lost(&b));
    } else {
        ck_assert_int_eq(tenon_transport_write(b.t, "x", 1), TENON_CLOSED);
        UNTIL(is_lost(&b));
        ck_assert_str_eq(b.log, "MDL");
        ck_assert_int_eq(b.lost, -EPIPE);
    }
    ck_assert_uint_eq(b.len, 4);
    leave(l, &a, &b);
    end();
}
END_TEST

/* P07 holds for it, too: what is left of the last words is not read. */
START_TEST(P07_close_after_a_write_error)
{
    enum { LEN = 100000, READ = 69632 };
    static char words[LEN];
    side a = {0}, b = {.on['D'] = close_it};
    native();
    tenon_listener *l = join(&a, &b, address_of(1));
    UNTIL(a.t && b.t);
    pause_it(&b);
    (void)tenon_transport_write(a.t, words, sizeof words);
    tenon_transport_close(a.t);
    UNTIL(is_lost(&a));
    tenon_transport_resume_reading(b.t);
    ck_assert_int_eq(tenon_transport_write(b.t, "x", 1), TENON_OK);
    UNTIL(is_lost(&b));
    ck_assert_str_eq(b.log, "MDL");
    ck_assert_uint_eq(b.len, READ);
    ck_assert_int_eq(b.lost, -EPIPE);
    leave(l, &a, &b);
    end();
}
END_TEST

START_TEST(L1_reactor_closes)
{
    side a = {0}, b = {0};
    native();
    tenon_listener *l = join(&a, &b, address_of(_i));
    UNTIL(a.t && b.t);
    ck_assert_int_eq(tenon_reactor_close(reactor), TENON_OK);
    ck_assert_str_eq(a.log, "ML");
    ck_assert_str_eq(b.log, "ML");
    ck_assert_int_eq(a.lost, TENON_CLOSED);
    ck_assert_int_eq(tenon_transport_write(a.t, "x", 1), TENON_CLOSED);
    tenon_reactor_unref(reactor);
    reactor = NULL;
    tenon_listener_unref(l);
    forget(&a);
    forget(&b);
    end();
}
END_TEST

START_TEST(L2_reactor_closes_while_connecting)
{
    side a = {0}, b = {0};
    native();
    tenon_listener *l = join(&a, &b, address_of(_i));
    ck_assert_int_eq(tenon_run_once(reactor, 0), TENON_OK);
    ck_assert_int_eq(tenon_reactor_close(reactor), TENON_OK);
    ck_assert(a.log_len == 0 || is_lost(&a));
    ck_assert(b.log_len == 0 || is_lost(&b));
    tenon_listener_unref(l);
    forget(&a);
    forget(&b);
    end();
}
END_TEST

START_TEST(L2_everything_from_every_callback)
{
    static void (*const deeds[])(side *) = {close_it, abort_it, pause_it, bye};
    const char letter = "MDE"[_i % 3];
    side a = {0}, b = {0};
    b.on[(int)letter] = deeds[_i / 3 % 4];
    native();
    tenon_listener *l = join(&a, &b, address_of(_i / 12));
    if (letter == 'E' && deeds[_i / 3 % 4] == pause_it) {
        b.answer['E'] = TENON_KEEP_OPEN;
    }
    UNTIL(a.t && b.t);
    (void)tenon_transport_write(a.t, "x", 1);
    (void)tenon_transport_write_eof(a.t);
    for (int i = 0; i < 6; i++) {
        ck_assert_int_eq(tenon_run_once(reactor, 2 * TENON_MILLISECOND), 0);
    }
    tenon_transport_abort(a.t);
    tenon_transport_abort(b.t);
    leave(l, &a, &b);
    end();
}
END_TEST

START_TEST(a_daemon_keeps_nothing_alive)
{
    side a = {0}, b = {0};
    native();
    tenon_listener *l = join(&a, &b, address_of(_i));
    UNTIL(a.t && b.t);
    tenon_listener_close(l);
    ck_assert_int_eq(tenon_run_once(reactor, 0), TENON_OK);
    tenon_transport_set_daemon(a.t, true);
    ck_assert(tenon_reactor_alive(reactor));
    tenon_transport_set_daemon(b.t, true);
    tenon_transport_set_daemon(b.t, true);
    ck_assert(!tenon_reactor_alive(reactor));
    ck_assert_int_eq(tenon_run(reactor), TENON_OK);
    ck_assert_str_eq(a.log, "M");
    tenon_transport_set_daemon(a.t, false);
    ck_assert(tenon_reactor_alive(reactor));
    tenon_transport_abort(a.t);
    tenon_transport_abort(b.t);
    leave(l, &a, &b);
    end();
}
END_TEST

/* ---- the suite ---- */

int main(void)
{
    Suite *suite = suite_create("transport");
    TCase *tcase = tcase_create("transport");
    tcase_set_timeout(tcase, 20);
    tcase_add_loop_test(tcase, P01_echo_and_close, 0, 4);
    tcase_add_loop_test(tcase, P03_P05_P07_everything_arrives, 0, 4);
    tcase_add_loop_test(tcase, P04_nothing_and_parts, 0, 4);
    tcase_add_loop_test(tcase, P08_abort_resets, 0, 4);
    tcase_add_loop_test(tcase, P09_abort_after_close_wins, 0, 4);
    tcase_add_loop_test(tcase, P10_close_in_connection_made, 0, 3);
    tcase_add_loop_test(tcase, P11_P12_failures_of_callbacks, 0, 12);
    tcase_add_loop_test(tcase, P14_P15_half_close, 0, 4);
    tcase_add_loop_test(tcase, P02_P18_P19_paused, 0, 4);
    tcase_add_loop_test(tcase, R24_write_error_after_data, 0, 4);
    tcase_add_test(tcase, P07_close_after_a_write_error);
    tcase_add_loop_test(tcase, L1_reactor_closes, 0, 4);
    tcase_add_loop_test(tcase, L2_reactor_closes_while_connecting, 0, 4);
    tcase_add_loop_test(tcase, L2_everything_from_every_callback, 0, 36);
    tcase_add_loop_test(tcase, a_daemon_keeps_nothing_alive, 0, 3);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
