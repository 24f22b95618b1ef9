/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Limits, notices, chunks and ends of the memory pair, turn by turn under the
 * manual reactor.
 */

#include <poll.h>

#include "side.h"

/* ---- limits, by memory and by hand ---- */

static tenon_transport *pair[2];
static void make_pair(side *a, side *b, const tenon_memory_options *how)
{
    ck_assert_int_eq(tenon_memory_pair(reactor, pair, as(a), as(b), how),
                     TENON_OK);
    turns(1);
    ck_assert_str_eq(a->log, "M");
    ck_assert_str_eq(b->log, "M");
}

static void part(side *a, side *b)
{
    tenon_transport_abort(a->t);
    tenon_transport_abort(b->t);
    settle();
    ck_assert(is_lost(a) && is_lost(b));
    forget(a);
    forget(b);
    end();
}

static const tenon_memory_options tight = {.size = sizeof tight,
                                           .capacity = 10};

START_TEST(B01_strictly_above_high)
{
    side a = {0}, b = {0};
    manual();
    make_pair(&a, &b, &tight);
    pause_it(&b);
    tenon_transport_set_write_limits(a.t, 5, 2);
    ck_assert_int_eq(tenon_transport_write(a.t, "0123456789abcde", 15),
                     TENON_OK);
    ck_assert_uint_eq(tenon_transport_write_queue_len(a.t), 5);
    settle();
    ck_assert_str_eq(a.log, "M");
    ck_assert_int_eq(tenon_transport_write(a.t, "f", 1), TENON_HIGH);
    ck_assert_int_eq(tenon_transport_write(a.t, "g", 1), TENON_HIGH);
    ck_assert_str_eq(a.log, "M");
    settle();
    ck_assert_str_eq(a.log, "MP");
    tenon_transport_resume_reading(b.t);
    settle();
    ck_assert_str_eq(a.log, "MPR");
    ck_assert_mem_eq(b.bytes, "0123456789abcdefg", 17);
    part(&a, &b);
}
END_TEST

START_TEST(B01_high_for_one_turn)
{
    side a = {0}, b = {0};
    manual();
    make_pair(&a, &b, NULL);
    tenon_transport_set_write_limits(a.t, 0, 0);
    ck_assert_int_eq(tenon_transport_write(a.t, "1", 1), TENON_OK);
    ck_assert_int_eq(tenon_transport_write(a.t, "2", 1), TENON_HIGH);
    settle();
    ck_assert_str_eq(a.log, "MPR");
    part(&a, &b);
}
END_TEST

START_TEST(B03_derived_limits)
{
    side a = {0}, b = {0};
    size_t high, low;
    manual();
    make_pair(&a, &b, NULL);
    tenon_transport_get_write_limits(a.t, &high, &low);
    ck_assert_uint_eq(high, 65536);
    ck_assert_uint_eq(low, 16384);
    ck_assert_int_eq(
        tenon_transport_set_write_limits(a.t, 100, TENON_LIMIT_AUTO), 0);
    tenon_transport_get_write_limits(a.t, &high, &low);
    ck_assert_uint_eq(low, 25);
    ck_assert_int_eq(
        tenon_transport_set_write_limits(a.t, TENON_LIMIT_AUTO, 100), 0);
    tenon_transport_get_write_limits(a.t, &high, &low);
    ck_assert_uint_eq(high, 400);
    ck_assert_int_eq(tenon_transport_set_write_limits(a.t, 4, 5),
                     TENON_INVALID);
    ck_assert_int_eq(tenon_transport_set_write_limits(a.t, TENON_LIMIT_AUTO,
                                                      TENON_LIMIT_AUTO),
                     0);
    tenon_transport_get_write_limits(a.t, &high, &low);
    ck_assert_uint_eq(high, 65536);
    part(&a, &b);
}
END_TEST

START_TEST(B04_limits_change_while_queued)
{
    side a = {0}, b = {0};
    manual();
    make_pair(&a, &b, &tight);
    pause_it(&b);
    (void)tenon_transport_write(a.t, "0123456789abcde", 15);
    settle();
    tenon_transport_set_write_limits(a.t, 4, 1);
    settle();
    ck_assert_str_eq(a.log, "MP");
    tenon_transport_set_write_limits(a.t, 100, 50);
    settle();
    ck_assert_str_eq(a.log, "MPR");
    part(&a, &b);
}
END_TEST

START_TEST(B07_no_resume_after_close)
{
    side a = {0}, b = {0};
    manual();
    make_pair(&a, &b, &tight);
    pause_it(&b);
    tenon_transport_set_write_limits(a.t, 1, 0);
    (void)tenon_transport_write(a.t, "0123456789abcde", 15);
    settle();
    tenon_transport_close(a.t);
    tenon_transport_resume_reading(b.t);
    settle();
    ck_assert_str_eq(a.log, "MPL");
    ck_assert_uint_eq(b.len, 15);
    part(&a, &b);
}
END_TEST

START_TEST(B14_hard_limit)
{
    side a = {0}, b = {0};
    char big[100] = {0};
    manual();
    make_pair(&a, &b, &tight);
    pause_it(&b);
    tenon_transport_set_write_limits(a.t, 20, 5);
    tenon_transport_set_hard_limit(a.t, 50);
    /* Not above high before: taken whole, though it passes the cap. */
    ck_assert_int_eq(tenon_transport_write(a.t, big, 70), TENON_HIGH);
    ck_assert_int_eq(tenon_transport_write(a.t, big, 1), TENON_LIMIT);
    ck_assert_uint_eq(tenon_transport_write_queue_len(a.t), 60);
    tenon_transport_set_hard_limit(a.t, 61);
    ck_assert_int_eq(tenon_transport_write(a.t, big, 2), TENON_LIMIT);
    ck_assert_int_eq(tenon_transport_write(a.t, big, 1), TENON_HIGH);
    tenon_transport_resume_reading(b.t);
    settle();
    ck_assert_uint_eq(b.len, 71);
    part(&a, &b);
}
END_TEST

START_TEST(H16_chunks)
{
    const tenon_memory_options how[] = {
        {.size = sizeof how[0], .capacity = 100, .chunk_max = 1},
        {.size = sizeof how[0], .chunk_max = 7, .seed = 42},
    };
    side a = {0}, b = {0};
    char *bytes = pattern(5000);
    manual();
    make_pair(&a, &b, &how[_i]);
    (void)tenon_transport_write(a.t, bytes, 5000);
    ck_assert_uint_eq(b.len, 0);
    turns(1);
    ck_assert_uint_ge(b.len, 1);
    ck_assert_uint_le(b.len, _i == 0 ? 1 : 7);
    settle();
    ck_assert_uint_eq(b.len, 5000);
    ck_assert_mem_eq(b.bytes, bytes, 5000);
    free(bytes);
    part(&a, &b);
}
END_TEST

START_TEST(P08_abort_before_made)
{
    side a = {0}, b = {0};
    manual();
    ck_assert_int_eq(tenon_memory_pair(reactor, pair, as(&a), as(&b), NULL),
                     TENON_OK);
    tenon_transport_abort(pair[0]);
    settle();
    ck_assert_str_eq(a.log, "ML");
    ck_assert_int_eq(a.lost, TENON_ABORTED);
    ck_assert_str_eq(b.log, "ML");
    ck_assert_int_eq(b.lost, -ECONNRESET);
    part(&a, &b);
}
END_TEST

/* ---- buffers of the protocol's own ---- */

static char own_buffer[8];
static size_t own_len;
static char own_seen[64];
static size_t own_seen_len;

static tenon_status give_own(void *self, tenon_transport *t, size_t hint,
                             void **buffer, size_t *len)
{
    (void)self;
    (void)t;
    ck_assert_uint_gt(hint, 0);
    *buffer = own_buffer;
    *len = own_len;
    return TENON_OK;
}

static tenon_status own_updated(void *self, tenon_transport *t, size_t len)
{
    (void)self;
    (void)t;
    memcpy(own_seen + own_seen_len, own_buffer, len);
    own_seen_len += len;
    return TENON_OK;
}

START_TEST(P22_own_buffers)
{
    tenon_protocol_ops ops = side_ops;
    side a = {0}, b = {0};
    tenon_factory factory = as(&b);
    ops.get_buffer = give_own;
    ops.buffer_updated = own_updated;
    factory.shared.ops = &ops;
    own_len = sizeof own_buffer;
    manual();
    ck_assert_int_eq(tenon_memory_pair(reactor, pair, as(&a), factory, NULL),
                     TENON_OK);
    turns(1);
    (void)tenon_transport_write(a.t, "0123456789abcdefghijk", 21);
    settle();
    ck_assert_uint_eq(own_seen_len, 21);
    ck_assert_mem_eq(own_seen, "0123456789abcdefghijk", 21);
    own_len = 0;
    (void)tenon_transport_write(a.t, "x", 1);
    settle();
    ck_assert_int_eq(b.lost, TENON_INVALID);
    ck_assert_int_eq(reports, 1);
    part(&a, &b);
}
END_TEST

static void close_reactor(side *s)
{
    (void)s;
    ck_assert_int_eq(tenon_reactor_close(reactor), TENON_OK);
}

START_TEST(L2_reactor_closed_from_callback)
{
    const char letter = "MDEL"[_i % 4];
    side a = {0}, b = {0};
    b.on[(int)letter] = close_reactor;
    manual();
    ck_assert_int_eq(tenon_memory_pair(reactor, pair, as(&a), as(&b), NULL),
                     TENON_OK);
    (void)tenon_transport_write(pair[0], "x", 1);
    (void)tenon_transport_write_eof(pair[0]);
    for (int i = 0; i < 8 && !tenon_reactor_is_closed(reactor); i++) {
        (void)tenon_manual_turn(reactor, NULL);
    }
    ck_assert(tenon_reactor_is_closed(reactor));
    ck_assert(is_lost(&a) && is_lost(&b));
    ck_assert_ptr_eq(strchr(b.log, 'L'), strrchr(b.log, 'L'));
    forget(&a);
    forget(&b);
    end();
}
END_TEST

/* ---- a host loop inside a callback ---- */

static uint64_t nested_events;

static void drive(int entries)
{
    while (entries-- > 0) {
        struct pollfd entry = {.fd = tenon_foreign_fd(reactor),
                               .events = POLLIN};
        (void)poll(&entry, 1, 5);
        ck_assert_int_eq(tenon_turn(reactor, NULL), TENON_OK);
    }
}

static void run_nested(side *s)
{
    tenon_stats stats = {.size = sizeof stats};
    size_t log_len = s->log_len;
    ck_assert_int_eq(send(s->peer, "later", 5, MSG_NOSIGNAL), 5);
    tenon_reactor_stats(reactor, &stats);
    nested_events = stats.events;
    drive(20);
    tenon_reactor_stats(reactor, &stats);
    nested_events = stats.events - nested_events;
    /* Not entered again while it is on the stack. */
    ck_assert_uint_eq(s->log_len, log_len);
}

START_TEST(R18_nested_host_loop)
{
    const char letter = "MDP"[_i];
    side a = {0};
    tenon_transport *t;
    int fds[2];
    fds_before = count_fds();
    ck_assert_int_eq(tenon_foreign_new(&reactor, &options), TENON_OK);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds),
                     0);
    a.on[(int)letter] = run_nested;
    a.peer = fds[1];
    ck_assert_int_eq(tenon_transport_adopt(reactor, &t, fds[0], as(&a)),
                     TENON_OK);
    drive(2);
    if (letter == 'D') {
        ck_assert_int_eq(send(fds[1], "x", 1, MSG_NOSIGNAL), 1);
    } else if (letter == 'P') {
        tenon_transport_set_write_limits(a.t, 0, 0);
        (void)tenon_transport_write(a.t, "1", 1);
        (void)tenon_transport_write(a.t, "2", 1);
    }
    a.on['D'] = letter == 'D' ? run_nested : NULL;
    drive(1);
    a.on['D'] = NULL;
    drive(3);
    ck_assert_uint_le(nested_events, 3);
    ck_assert_uint_ge(a.len, 5);
    close(fds[1]);
    drive(4);
    ck_assert(is_lost(&a));
    forget(&a);
    end();
}
END_TEST

/* ---- the suite ---- */

int main(void)
{
    Suite *suite = suite_create("limits");
    TCase *tcase = tcase_create("limits");
    tcase_set_timeout(tcase, 20);
    tcase_add_test(tcase, B01_strictly_above_high);
    tcase_add_test(tcase, B01_high_for_one_turn);
    tcase_add_test(tcase, B03_derived_limits);
    tcase_add_test(tcase, B04_limits_change_while_queued);
    tcase_add_test(tcase, B07_no_resume_after_close);
    tcase_add_test(tcase, B14_hard_limit);
    tcase_add_loop_test(tcase, H16_chunks, 0, 2);
    tcase_add_test(tcase, P08_abort_before_made);
    tcase_add_test(tcase, P22_own_buffers);
    tcase_add_loop_test(tcase, L2_reactor_closed_from_callback, 0, 4);
    tcase_add_loop_test(tcase, R18_nested_host_loop, 0, 3);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
