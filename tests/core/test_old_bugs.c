/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Bugs that other libraries shipped and that no other test of ours noticed
 * when tests/museum put them into this tree. Each test is named for the rule
 * that the bug breaks, and an exhibit of the museum names it.
 */

#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "side.h"

static uint64_t stale_events(void)
{
    tenon_stats stats = {.size = sizeof stats};
    ck_assert_int_eq(tenon_reactor_stats(reactor, &stats), TENON_OK);
    return stats.stale_events;
}

static void pair_of(int fds[2])
{
    int type = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
    ck_assert_int_eq(socketpair(AF_UNIX, type, 0, fds), 0);
}

/* One end, which is returned, is adopted for `s`; the other is s->peer. */
static int adopt(side *s)
{
    tenon_transport *t;
    int fds[2];
    pair_of(fds);
    ck_assert_int_eq(tenon_transport_adopt(reactor, &t, fds[0], as(s)), 0);
    s->peer = fds[1];
    return fds[0];
}

static void leave_pair(side *s)
{
    UNTIL(is_lost(s));
    close(s->peer);
    forget(s);
}

/* Connections of which nobody holds a reference. */
static tenon_transport *first_guest;

static tenon_status guest_made(void *self, tenon_transport *t)
{
    (void)self;
    first_guest = first_guest ? first_guest : t;
    return TENON_OK;
}

static const tenon_protocol_ops guest_ops = {.size = sizeof guest_ops,
                                             .connection_made = guest_made};

static tenon_listener *welcome(tenon_address *address)
{
    tenon_listener *l;
    ck_assert_int_eq(tenon_listen(reactor, &l, "tcp:127.0.0.1:0",
                                  tenon_factory_of(&guest_ops), NULL),
                     TENON_OK);
    tenon_listener_address(l, address);
    return l;
}

/* The kernel goes on reporting a duplicate of what was closed before it was
 * removed. */
START_TEST(R2_a_duplicate_is_not_heard)
{
    side a = {0};
    native();
    int copy = fcntl(adopt(&a), F_DUPFD_CLOEXEC, 0);
    ck_assert_int_ge(copy, 0);
    UNTIL(a.t);
    ck_assert_int_eq(tenon_run_once(reactor, 0), TENON_OK);
    tenon_transport_abort(a.t);
    UNTIL(is_lost(&a));
    ck_assert_int_eq(write(a.peer, "x", 1), 1);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(tenon_run_once(reactor, TENON_MILLISECOND), 0);
    }
    ck_assert_uint_eq(stale_events(), 0);
    close(copy);
    leave_pair(&a);
    end();
}
END_TEST

/* ---- R6 ---- */

enum { FLOOD = 69632, FLOODS = 1000 }; /* of what one read takes */
static int floods;
static int floods_at_call;

/* As soon as a buffer was read, there is another one. */
static void refill(side *s)
{
    static char bytes[FLOOD];
    s->len = 0;
    if (++floods < FLOODS && floods_at_call == 0) {
        ck_assert_int_gt(write(s->peer, bytes, sizeof bytes), 0);
    }
}

static void on_call(void *user)
{
    (void)user;
    floods_at_call = floods;
}

static void flood_and_call(side *s)
{
    if (floods == 0) {
        ck_assert_int_eq(tenon_call_soon(reactor, on_call, NULL), TENON_OK);
    }
    refill(s);
}

START_TEST(R6_a_flood_is_interrupted)
{
    side a = {.on['D'] = flood_and_call};
    native();
    adopt(&a);
    UNTIL(a.t);
    int room = 4 * FLOOD;
    setsockopt(a.peer, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    static char bytes[FLOOD];
    ck_assert_int_eq(write(a.peer, bytes, sizeof bytes), FLOOD);
    UNTIL(floods_at_call > 0);
    ck_assert_int_gt(floods_at_call, 1); /* or it was no flood */
    ck_assert_int_le(floods_at_call, 64);
    tenon_transport_abort(a.t);
    leave_pair(&a);
    end();
}
END_TEST

START_TEST(R6_a_crowd_is_let_in_by_parts)
{
    enum { CLIENTS = 100, ACCEPTS = 64 };
    int clients[CLIENTS];
    tenon_address address;
    native();
    tenon_listener *l = welcome(&address);
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        ck_assert_int_eq(connect(clients[i], &address.as.any, address.len), 0);
    }
    ck_assert_int_eq(tenon_run_once(reactor, TENON_SECOND), TENON_OK);
    ck_assert_uint_gt(tenon_listener_accepted(l), 0);
    ck_assert_uint_le(tenon_listener_accepted(l), ACCEPTS);
    UNTIL(tenon_listener_accepted(l) == CLIENTS);
    for (int i = 0; i < CLIENTS; i++) {
        close(clients[i]);
    }
    ck_assert_int_eq(tenon_reactor_close(reactor), TENON_OK);
    tenon_listener_unref(l);
    end();
}
END_TEST

/* ---- R7 ---- */

START_TEST(R7_paused_inside_a_batch)
{
    enum { LEN = 150000 };
    side a = {.on['D'] = pause_it};
    char *bytes = pattern(LEN);
    native();
    adopt(&a);
    UNTIL(a.t);
    int room = 2 * LEN;
    setsockopt(a.peer, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    ck_assert_int_eq(write(a.peer, bytes, LEN), LEN);
    UNTIL(a.len > 0);
    size_t first = a.len;
    ck_assert_uint_lt(first, LEN);
    ck_assert_int_eq(tenon_run_once(reactor, 5 * TENON_MILLISECOND), 0);
    ck_assert_uint_eq(a.len, first);
    a.on['D'] = NULL;
    ck_assert_int_eq(tenon_transport_resume_reading(a.t), TENON_OK);
    UNTIL(a.len == LEN);
    ck_assert_mem_eq(a.bytes, bytes, LEN);
    tenon_transport_abort(a.t);
    leave_pair(&a);
    free(bytes);
    end();
}
END_TEST

/* ---- R9 ---- */

/* In virtual time, in which the back-off never ends by itself. */
START_TEST(R9_room_is_used_at_once)
{
    int clients[2];
    struct rlimit limit, tight;
    tenon_address address;
    manual();
    tenon_listener *l = welcome(&address);
    for (int i = 0; i < 2; i++) {
        clients[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    }
    ck_assert_int_eq(connect(clients[0], &address.as.any, address.len), 0);
    settle();
    ck_assert_uint_eq(tenon_listener_accepted(l), 1);
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    tight = limit;
    int highest = fcntl(clients[0], F_DUPFD_CLOEXEC, 0); /* is free */
    close(highest);
    tight.rlim_cur = (rlim_t)highest;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &tight), 0);
    ck_assert_int_eq(connect(clients[1], &address.as.any, address.len), 0);
    settle();
    ck_assert_int_eq(reported, -EMFILE);
    ck_assert_uint_eq(tenon_listener_accepted(l), 1);
    tenon_transport_abort(first_guest);
    settle();
    ck_assert_uint_eq(tenon_listener_accepted(l), 2);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    ck_assert_int_eq(tenon_reactor_close(reactor), TENON_OK);
    close(clients[0]);
    close(clients[1]);
    tenon_listener_unref(l);
    end();
}
END_TEST

/* ---- R10 ---- */

enum { ROUNDS = 1000 };
static int rounds;
static int rounds_at_post;

static void count_rounds(tenon_post_node *post, tenon_status status, void *user)
{
    (void)post;
    (void)status;
    (void)user;
    rounds_at_post = rounds;
}

static void on_round(tenon_timer *timer, void *user)
{
    if (++rounds < ROUNDS && rounds_at_post == 0) {
        ck_assert_int_eq(tenon_timer_start(timer, 0, on_round, user), 0);
    }
    if (rounds == 1) {
        ck_assert_int_eq(tenon_call_soon_threadsafe(user, count_rounds, NULL),
                         TENON_OK);
    }
}

/* Begun by its deadline, not from the ready queue. */
START_TEST(R10_zero_after_a_delay)
{
    tenon_timer timer;
    manual();
    tenon_timer_init(&timer, reactor);
    ck_assert_int_eq(tenon_timer_start(&timer, TENON_MILLISECOND, on_round,
                                       tenon_reactor_inbox(reactor)),
                     TENON_OK);
    ck_assert_int_eq(tenon_manual_advance(reactor, TENON_MILLISECOND), 0);
    ck_assert_int_gt(rounds_at_post, 0);
    ck_assert_int_le(rounds_at_post, 2);
    tenon_timer_stop(&timer);
    end();
}
END_TEST

/* ---- R25 ---- */

static void spoil_errno(int signo)
{
    (void)signo;
    errno = EIO;
}

static void on_signal(tenon_signal *handler, uint32_t count, void *user)
{
    (void)handler;
    *(uint32_t *)user += count;
}

START_TEST(R25_a_signal_leaves_errno_alone)
{
    struct sigaction before = {.sa_handler = spoil_errno};
    tenon_signal handler;
    uint32_t seen = 0;
    ck_assert_int_eq(sigaction(SIGUSR1, &before, NULL), 0);
    native();
    tenon_signal_init(&handler, reactor);
    ck_assert_int_eq(tenon_signal_start(&handler, SIGUSR1, TENON_SIGNAL_CHAIN,
                                        on_signal, &seen),
                     TENON_OK);
    errno = 0;
    raise(SIGUSR1);
    ck_assert_int_eq(errno, 0);
    UNTIL(seen == 1);
    tenon_signal_stop(&handler);
    end();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("old bugs");
    TCase *tcase = tcase_create("rules");
    tcase_set_timeout(tcase, 20);
    tcase_add_test(tcase, R2_a_duplicate_is_not_heard);
    tcase_add_test(tcase, R6_a_flood_is_interrupted);
    tcase_add_test(tcase, R6_a_crowd_is_let_in_by_parts);
    tcase_add_test(tcase, R7_paused_inside_a_batch);
    tcase_add_test(tcase, R9_room_is_used_at_once);
    tcase_add_test(tcase, R10_zero_after_a_delay);
    tcase_add_test(tcase, R25_a_signal_leaves_errno_alone);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
