/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Bytes that were accepted and are never sent: the peer of a connection that
 * ends with some of them sees a reset, and not the end of file that would make
 * a cut message look whole.
 */

#include "side.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

enum { LOT = 4 * 1024 * 1024 };

/* Two connected TCP sockets; the first is given to the reactor. */
static void join_raw(side *s)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t len = sizeof at;
    tenon_transport *t;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ck_assert_int_eq(bind(listener, (struct sockaddr *)&at, len), 0);
    ck_assert_int_eq(listen(listener, 1), 0);
    ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&at, &len), 0);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&at, len), 0);
    s->peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    ck_assert_int_ge(s->peer, 0);
    close(listener);
    ck_assert_int_eq(tenon_transport_adopt(reactor, &t, fd, as(s)), TENON_OK);
    UNTIL(s->t);
}

/* What comes after the last byte: 0 for an end of file, or an errno. */
static int how_it_ends(int fd)
{
    static char scrap[65536];
    ssize_t got;
    do {
        got = recv(fd, scrap, sizeof scrap, 0);
    } while (got > 0);
    int error = got < 0 ? errno : 0;
    close(fd);
    return error;
}

static void fill(side *s)
{
    char *bytes = pattern(LOT);
    ck_assert_int_eq(tenon_transport_write(s->t, bytes, LOT), TENON_HIGH);
    ck_assert_uint_gt(tenon_transport_write_queue_len(s->t), 0);
    free(bytes);
}

START_TEST(P08_a_reactor_that_ends_cuts_with_a_reset)
{
    static side s;
    native();
    join_raw(&s);
    fill(&s);
    ck_assert_int_eq(tenon_reactor_close(reactor), TENON_OK);
    ck_assert_int_eq(s.lost, TENON_CLOSED);
    ck_assert_int_eq(how_it_ends(s.peer), ECONNRESET);
    forget(&s);
    end();
}
END_TEST

START_TEST(P08_a_reactor_that_ends_with_all_sent_ends_in_order)
{
    static side s;
    native();
    join_raw(&s);
    ck_assert_int_eq(tenon_transport_write(s.t, "all", 3), TENON_OK);
    ck_assert_int_eq(tenon_reactor_close(reactor), TENON_OK);
    ck_assert_int_eq(how_it_ends(s.peer), 0);
    forget(&s);
    end();
}
END_TEST

/* The kernel took a part, and there is no memory for the rest. */
START_TEST(B_half_a_write_is_a_reset)
{
    static side s;
    char *bytes = pattern(LOT);
    native();
    join_raw(&s);
    fail_at = 0;
    ck_assert_int_eq(tenon_transport_write(s.t, bytes, LOT), TENON_NO_MEMORY);
    fail_at = -1;
    free(bytes);
    UNTIL(is_lost(&s));
    ck_assert_int_eq(s.lost, TENON_NO_MEMORY);
    ck_assert_int_eq(how_it_ends(s.peer), ECONNRESET);
    forget(&s);
    end();
}
END_TEST

/* It ends for another reason, with bytes that wait. */
START_TEST(B_no_memory_to_read_with_bytes_queued_is_a_reset)
{
    static side s;
    native();
    join_raw(&s);
    fill(&s);
    ck_assert_int_eq(send(s.peer, "x", 1, 0), 1);
    fail_at = 0;
    UNTIL(is_lost(&s));
    fail_at = -1;
    ck_assert_int_eq(s.lost, TENON_NO_MEMORY);
    ck_assert_int_eq(how_it_ends(s.peer), ECONNRESET);
    forget(&s);
    end();
}
END_TEST

/* A write failed and what came before is still to be read, when it is closed:
 * then it is read no more, however it is closed. */
START_TEST(F_closed_after_a_failed_write_it_reads_no_more)
{
    static side a;
    static side b;
    tenon_transport *pair[2];
    manual();
    ck_assert_int_eq(tenon_memory_pair(reactor, pair, as(&a), as(&b), NULL),
                     TENON_OK);
    settle();
    ck_assert_int_eq(tenon_transport_write(b.t, "data", 4), TENON_OK);
    ck_assert_int_eq(tenon_transport_abort(b.t), TENON_OK);
    ck_assert_int_ge(tenon_transport_write(a.t, "y", 1), 0);
    if (_i == 0) {
        ck_assert_int_eq(tenon_transport_close_within(a.t, TENON_SECOND), 0);
    } else if (_i == 1) {
        ck_assert_int_eq(tenon_transport_close(a.t), TENON_OK);
    }
    settle();
    ck_assert(is_lost(&a));
    ck_assert_uint_eq(a.len, _i < 2 ? 0 : 4);
    forget(&a);
    forget(&b);
    end();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cut");
    TCase *tcase = tcase_create("cut");
    tcase_add_test(tcase, P08_a_reactor_that_ends_cuts_with_a_reset);
    tcase_add_test(tcase, P08_a_reactor_that_ends_with_all_sent_ends_in_order);
    tcase_add_test(tcase, B_half_a_write_is_a_reset);
    tcase_add_test(tcase, B_no_memory_to_read_with_bytes_queued_is_a_reset);
    tcase_add_loop_test(tcase, F_closed_after_a_failed_write_it_reads_no_more,
                        0, 3);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
