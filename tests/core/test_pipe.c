/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * A pipe between two connections: near - left = right - far, where the pipe
 * joins left and right.
 */

#include "side.h"

enum { KINDS = 3, BIG = 4000000 };

typedef struct ends {
    side near, left, right, far;
    tenon_listener *listeners[2];
} ends;

static int piped;
static tenon_status pipe_status;
static uint64_t counts[2];

static void on_piped(const tenon_error *error, uint64_t there, uint64_t back,
                     void *user)
{
    ck_assert_ptr_eq(user, &piped);
    piped++;
    pipe_status = tenon_error_status(error);
    counts[0] = there;
    counts[1] = back;
}

static const tenon_pipe_options piping = {
    .size = sizeof piping, .on_done = on_piped, .user = &piped};

static void lay(ends *e, int kind)
{
    static char path[64];
    snprintf(path, sizeof path, "unix:/tmp/tenon-pipe-%ld.sock",
             (long)getpid());
    const char *second = kind == 0   ? "tcp:127.0.0.1:0"
                         : kind == 1 ? path
                                     : "mem:pipe";
    memset(e, 0, sizeof *e);
    piped = 0;
    native();
    e->listeners[0] = join(&e->near, &e->left, address_of(kind));
    e->listeners[1] = join(&e->right, &e->far, second);
    UNTIL(e->near.t && e->left.t && e->right.t && e->far.t);
    ck_assert_int_eq(tenon_transport_pause_reading(e->left.t), TENON_OK);
    ck_assert_int_eq(tenon_pipe(e->left.t, e->right.t, &piping), TENON_OK);
}

static void clear(ends *e)
{
    for (int i = 0; i < 2; i++) {
        tenon_listener_close(e->listeners[i]);
        tenon_listener_unref(e->listeners[i]);
    }
    UNTIL(piped == 1 && is_lost(&e->near) && is_lost(&e->far) &&
          !tenon_reactor_alive(reactor));
    ck_assert_str_eq(e->left.log, "M");
    ck_assert_str_eq(e->right.log, "M");
    forget(&e->near);
    forget(&e->left);
    forget(&e->right);
    forget(&e->far);
    end();
}

START_TEST(B12_both_ways_and_half_closed)
{
    ends e;
    char *bytes = pattern(BIG);
    lay(&e, _i);
    e.near.answer['E'] = TENON_KEEP_OPEN;
    e.far.answer['E'] = TENON_KEEP_OPEN;
    ck_assert_int_ge(tenon_transport_write(e.near.t, bytes, BIG), 0);
    ck_assert_int_ge(tenon_transport_write(e.far.t, "there", 5), 0);
    ck_assert_int_eq(tenon_transport_write_eof(e.near.t), TENON_OK);
    UNTIL(strchr(e.far.log, 'E'));
    ck_assert_uint_eq(e.far.len, BIG);
    ck_assert_mem_eq(e.far.bytes, bytes, BIG);
    ck_assert_int_ge(tenon_transport_write(e.far.t, "back", 4), 0);
    UNTIL(e.near.len == 9);
    ck_assert_int_eq(piped, 0);
    ck_assert_int_eq(tenon_transport_write_eof(e.far.t), TENON_OK);
    UNTIL(piped == 1);
    ck_assert_mem_eq(e.near.bytes, "thereback", 9);
    ck_assert_int_eq(pipe_status, TENON_OK);
    ck_assert_uint_eq(counts[0], BIG);
    ck_assert_uint_eq(counts[1], 9);
    ck_assert_int_eq(e.far.lost, TENON_OK);
    free(bytes);
    clear(&e);
}
END_TEST

START_TEST(B12_joined_already)
{
    ends e;
    lay(&e, _i);
    ck_assert_int_eq(tenon_pipe(e.left.t, e.right.t, NULL), TENON_BUSY);
    ck_assert_int_eq(tenon_pipe(e.right.t, e.left.t, NULL), TENON_BUSY);
    ck_assert_int_ge(tenon_transport_write(e.near.t, "x", 1), 0);
    UNTIL(e.far.len == 1);
    ck_assert_int_eq(piped, 0);
    tenon_transport_close(e.near.t);
    clear(&e);
}
END_TEST

/* What a pipe holds is bounded, whatever is sent into it. */
START_TEST(B12_a_slow_reader_stops_the_writer)
{
    static char block[BIG];
    ends e;
    lay(&e, _i);
    tenon_transport_pause_reading(e.far.t);
    size_t written = 0;
    size_t most = 0;
    for (int quiet = 0; quiet < 20; quiet++) {
        if (tenon_transport_write_queue_len(e.near.t) < sizeof block / 4) {
            ck_assert_int_ge(
                tenon_transport_write(e.near.t, block, sizeof block), 0);
            written += sizeof block;
            quiet = 0;
        }
        ck_assert_int_eq(tenon_run_once(reactor, 0), TENON_OK);
        size_t held = tenon_transport_write_queue_len(e.right.t);
        most = held > most ? held : most;
        ck_assert_uint_lt(written, 10 * sizeof block);
    }
    ck_assert_uint_gt(most, 0);
    ck_assert_uint_le(most, TENON_HIGH_DEFAULT + 69632); /* one read */
    ck_assert(!tenon_transport_is_reading(e.left.t));
    ck_assert(tenon_transport_is_reading(e.right.t));
    tenon_transport_resume_reading(e.far.t);
    UNTIL(e.far.len == written);
    UNTIL(tenon_transport_is_reading(e.left.t));
    tenon_transport_close(e.near.t);
    clear(&e);
    ck_assert_int_eq(pipe_status, TENON_OK);
}
END_TEST

START_TEST(B12_the_death_of_one_is_the_end_of_both)
{
    ends e;
    lay(&e, _i);
    ck_assert_int_ge(tenon_transport_write(e.near.t, "x", 1), 0);
    UNTIL(e.far.len == 1);
    tenon_transport_abort(e.near.t);
    UNTIL(piped == 1 && is_lost(&e.far));
    /* A UNIX socket cannot tell a reset from an end. */
    ck_assert_int_eq(pipe_status, _i == 1 ? TENON_OK : -ECONNRESET);
    ck_assert_int_eq(e.far.lost, _i == 1 ? TENON_OK : -ECONNRESET);
    clear(&e);
}
END_TEST

START_TEST(B12_closed_by_the_one_in_the_middle)
{
    ends e;
    lay(&e, _i);
    ck_assert_int_ge(tenon_transport_write(e.near.t, "last", 4), 0);
    UNTIL(e.far.len == 4);
    tenon_transport_close(e.right.t);
    UNTIL(piped == 1 && is_lost(&e.near) && is_lost(&e.far));
    ck_assert_int_eq(pipe_status, TENON_OK);
    clear(&e);
}
END_TEST

START_TEST(B12_ends_with_the_reactor)
{
    ends e;
    lay(&e, _i);
    ck_assert_int_eq(tenon_reactor_close(reactor), TENON_OK);
    ck_assert_int_eq(piped, 1);
    ck_assert_int_eq(pipe_status, TENON_CLOSED);
    tenon_listener_unref(e.listeners[0]);
    tenon_listener_unref(e.listeners[1]);
    forget(&e.near);
    forget(&e.left);
    forget(&e.right);
    forget(&e.far);
    end();
}
END_TEST

/* on_done is an event: not inside of the call by which the second one leaves,
 * but after it, at the end of the reactor at the latest. */
START_TEST(B12_both_are_given_to_other_protocols)
{
    ends e;
    lay(&e, 2);
    tenon_protocol left = {&side_ops, &e.left};
    tenon_protocol right = {&side_ops, &e.right};
    ck_assert_int_eq(tenon_transport_set_protocol(e.left.t, left), TENON_OK);
    ck_assert_int_eq(tenon_transport_set_protocol(e.right.t, right), TENON_OK);
    ck_assert_int_eq(piped, 0);
    ck_assert_int_eq(tenon_reactor_dump(reactor, stderr), TENON_OK);
    if (_i == 0) {
        UNTIL(piped == 1);
    }
    ck_assert_int_eq(tenon_reactor_close(reactor), TENON_OK);
    ck_assert_int_eq(piped, 1);
    ck_assert_int_eq(pipe_status, TENON_OK);
    tenon_listener_unref(e.listeners[0]);
    tenon_listener_unref(e.listeners[1]);
    forget(&e.near);
    forget(&e.left);
    forget(&e.right);
    forget(&e.far);
    end();
}
END_TEST

START_TEST(B12_refuses)
{
    ends e;
    lay(&e, _i);
    ck_assert_int_eq(tenon_pipe(e.near.t, e.near.t, NULL), TENON_INVALID);
    ck_assert_int_eq(tenon_pipe(e.near.t, NULL, NULL), TENON_INVALID);
    tenon_transport_close(e.near.t);
    ck_assert_int_eq(tenon_pipe(e.near.t, e.far.t, NULL), TENON_CLOSED);
    clear(&e);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("pipe");
    TCase *all = tcase_create("all");
    tcase_set_timeout(all, 30);
    tcase_add_loop_test(all, B12_both_ways_and_half_closed, 0, KINDS);
    tcase_add_loop_test(all, B12_joined_already, 0, KINDS);
    tcase_add_loop_test(all, B12_a_slow_reader_stops_the_writer, 0, KINDS);
    tcase_add_loop_test(all, B12_the_death_of_one_is_the_end_of_both, 0, KINDS);
    tcase_add_loop_test(all, B12_closed_by_the_one_in_the_middle, 0, KINDS);
    tcase_add_loop_test(all, B12_ends_with_the_reactor, 0, KINDS);
    tcase_add_loop_test(all, B12_both_are_given_to_other_protocols, 0, 2);
    tcase_add_loop_test(all, B12_refuses, 0, KINDS);
    suite_add_tcase(s, all);
    return s;
}

int main(void)
{
    return run_suite(suite());
}
