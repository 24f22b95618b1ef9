/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Transports over somebody else's stream: what only they have. That they are
 * transports like any other is tested with those, over toys.
 */

#include "side.h"

static int pair_fds[2];

static void pair(void)
{
    ck_assert_int_eq(socketpair(AF_UNIX,
                                SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
                                pair_fds),
                     0);
}

static void over(const tenon_native_ops *ops, side *s)
{
    tenon_transport *t;
    pair();
    ck_assert_int_eq(toy_new(reactor, pair_fds[0], ops, as(s), &t), TENON_OK);
    s->peer = pair_fds[1];
}

static void finish(side *s)
{
    UNTIL(is_lost(s));
    close(s->peer);
    forget(s);
    end();
    ck_assert_int_eq(toys, 0);
}

START_TEST(N_arguments)
{
    side s = {0};
    tenon_transport *t = NULL;
    tenon_native_ops lacking[] = {toy_ops, toy_ops, toy_ops, toy_ops, toy_ops};
    lacking[0].send = NULL;
    lacking[1].receive = NULL;
    lacking[2].release = NULL;
    lacking[3].kind = NULL;
    lacking[4].size = offsetof(tenon_native_ops, release);
    native();
    for (size_t i = 0; i < sizeof lacking / sizeof lacking[0]; i++) {
        ck_assert_int_eq(
            tenon_transport_adopt_native(reactor, &t, &lacking[i], &s, as(&s)),
            TENON_INVALID);
    }
    ck_assert_int_eq(
        tenon_transport_adopt_native(reactor, &t, NULL, &s, as(&s)),
        TENON_INVALID);
    ck_assert_int_eq(
        tenon_transport_adopt_native(reactor, &t, &toy_ops, NULL, as(&s)),
        TENON_INVALID);
    ck_assert_int_eq(
        tenon_transport_adopt_native(reactor, NULL, &toy_ops, &s, as(&s)),
        TENON_INVALID);
    ck_assert_ptr_null(t);
    end();
}
END_TEST

/* A table of before shutdown_write, set_interest and address. */
START_TEST(N_a_short_table)
{
    side s = {0};
    tenon_address address;
    tenon_native_ops old = toy_ops;
    old.size = offsetof(tenon_native_ops, shutdown_write);
    native();
    over(&old, &s);
    UNTIL(s.t);
    ck_assert_str_eq(tenon_transport_kind(s.t), "toy");
    ck_assert_int_eq(tenon_transport_fd(s.t), -1);
    ck_assert(!tenon_transport_can_write_eof(s.t));
    ck_assert_int_eq(tenon_transport_write_eof(s.t), TENON_NOT_SUPPORTED);
    ck_assert_int_eq(tenon_transport_peer_address(s.t, &address),
                     TENON_NOT_SUPPORTED);
    ck_assert_int_eq(tenon_transport_write(s.t, "still", 5), TENON_OK);
    tenon_transport_close(s.t);
    finish(&s);
}
END_TEST

START_TEST(N_what_it_is_over)
{
    side s = {0}, a = {0}, b = {0};
    tenon_address address;
    native();
    over(&toy_ops, &s);
    join(&a, &b, TOYS);
    UNTIL(s.t && a.t && b.t);
    ck_assert_ptr_nonnull(tenon_transport_native(s.t));
    ck_assert(tenon_transport_can_write_eof(s.t));
    ck_assert_int_eq(tenon_transport_peer_address(s.t, &address), TENON_OK);
    ck_assert_int_eq(address.kind, TENON_ADDRESS_UNIX);
    ck_assert_int_eq(tenon_transport_native_ready(s.t, 0), TENON_INVALID);
    ck_assert_int_eq(tenon_transport_native_ready(s.t, TENON_HANGUP),
                     TENON_INVALID);
    tenon_transport_close(a.t);
    tenon_transport_close(s.t);
    UNTIL(is_lost(&s) && is_lost(&a) && is_lost(&b));
    ck_assert_ptr_null(tenon_transport_native(s.t));
    ck_assert_int_eq(tenon_transport_native_ready(s.t, TENON_READ),
                     TENON_CLOSED);
    ck_assert_int_eq(tenon_transport_peer_address(s.t, &address), TENON_CLOSED);
    forget(&a);
    forget(&b);
    finish(&s);
}
END_TEST

START_TEST(N_only_of_a_native_one)
{
    side a = {0}, b = {0};
    native();
    tenon_listener *l = join(&a, &b, address_of(0));
    UNTIL(a.t && b.t);
    ck_assert_ptr_null(tenon_transport_native(a.t));
    ck_assert_int_eq(tenon_transport_native_ready(a.t, TENON_READ),
                     TENON_INVALID);
    tenon_transport_close(a.t);
    leave(l, &a, &b);
    end();
}
END_TEST

START_TEST(R8_many_false_reports_do_no_harm)
{
    side s = {0};
    native();
    over(&toy_ops, &s);
    UNTIL(s.t);
    for (int i = 0; i < 100; i++) {
        ck_assert_int_eq(
            tenon_transport_native_ready(s.t, TENON_READ | TENON_WRITE),
            TENON_OK);
        ck_assert_int_eq(tenon_run_once(reactor, 0), TENON_OK);
    }
    ck_assert_int_eq(write(s.peer, "here", 4), 4);
    UNTIL(s.len == 4);
    ck_assert_str_eq(s.log, "MD");
    ck_assert_int_eq(reports, 0);
    tenon_transport_close(s.t);
    finish(&s);
}
END_TEST

/* Reports that come while nobody reads are not forgotten. */
START_TEST(P18_a_report_while_paused)
{
    side s = {.on['M'] = pause_it};
    native();
    over(&toy_ops, &s);
    UNTIL(s.t);
    ck_assert_int_eq(write(s.peer, "later", 5), 5);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(tenon_transport_native_ready(s.t, TENON_READ),
                         TENON_OK);
        ck_assert_int_eq(tenon_run_once(reactor, 0), TENON_OK);
    }
    ck_assert_uint_eq(s.len, 0);
    ck_assert_int_eq(tenon_transport_resume_reading(s.t), TENON_OK);
    UNTIL(s.len == 5);
    close(s.peer);
    s.peer = -1;
    UNTIL(is_lost(&s));
    ck_assert_str_eq(s.log, "MDEL");
    forget(&s);
    end();
    ck_assert_int_eq(toys, 0);
}
END_TEST

static uint32_t wanted;

static void note_interest(void *self, uint32_t interest)
{
    (void)self;
    wanted = interest;
}

START_TEST(P18_the_stream_learns_that_nobody_reads)
{
    side s = {0};
    tenon_native_ops told_ops = toy_ops;
    told_ops.set_interest = note_interest;
    native();
    over(&told_ops, &s);
    UNTIL(s.t && wanted == TENON_READ);
    ck_assert_int_eq(tenon_transport_pause_reading(s.t), TENON_OK);
    ck_assert_uint_eq(wanted, 0);
    tenon_transport_close(s.t);
    finish(&s);
}
END_TEST

static tenon_status refuse(void *user, tenon_transport *t, tenon_protocol *out)
{
    (void)user;
    (void)t;
    (void)out;
    return TENON_REFUSED;
}

/* However it ends, the stream is given back once. */
START_TEST(L5_released_once)
{
    side s = {0};
    tenon_transport *t;
    native();
    if (_i == 0) {
        pair();
        ck_assert_int_eq(toy_new(reactor, pair_fds[0], &toy_ops,
                                 tenon_factory_with(refuse, NULL), &t),
                         TENON_OK);
        s.peer = pair_fds[1];
        UNTIL(toys == 0);
    } else {
        over(&toy_ops, &s);
        if (_i > 1) {
            UNTIL(s.t);
        }
        if (_i == 2) {
            tenon_transport_abort(s.t);
            tenon_transport_abort(s.t);
            ck_assert_int_eq(toys, 0);
        }
        ck_assert_int_eq(tenon_reactor_close(reactor), TENON_OK);
        ck_assert_str_eq(s.log, _i > 1 ? "ML" : "");
    }
    ck_assert_int_eq(toys, 0);
    close(s.peer);
    forget(&s);
    end();
}
END_TEST

START_TEST(R_no_memory)
{
    side s = {0};
    tenon_transport *t = NULL;
    native();
    pair();
    fail_at = 0;
    ck_assert_int_eq(toy_new(reactor, pair_fds[0], &toy_ops, as(&s), &t),
                     TENON_NO_MEMORY);
    ck_assert_ptr_null(t);
    ck_assert_int_eq(toys, 0);
    close(pair_fds[1]);
    end();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("native");
    TCase *all = tcase_create("all");
    tcase_add_test(all, N_arguments);
    tcase_add_test(all, N_a_short_table);
    tcase_add_test(all, N_what_it_is_over);
    tcase_add_test(all, N_only_of_a_native_one);
    tcase_add_test(all, R8_many_false_reports_do_no_harm);
    tcase_add_test(all, P18_a_report_while_paused);
    tcase_add_test(all, P18_the_stream_learns_that_nobody_reads);
    tcase_add_loop_test(all, L5_released_once, 0, 4);
    tcase_add_test(all, R_no_memory);
    suite_add_tcase(suite, all);
    return run_suite(suite);
}
