/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * What few transports need: another protocol in the middle, deadlines, what is
 * known after the end, options of the socket, a tap, descriptors.
 */

#include <netinet/tcp.h>
#include <sys/stat.h>

#include "side.h"

enum { SOCKETS = 3, KINDS = 4 };

/* ---- another protocol, P21 ---- */

static side second;
static size_t keep_first; /* bytes of the chunk that are the first's */

/* Takes the head of the chunk, gives the rest and the connection away. */
static void hand_over(side *s)
{
    tenon_protocol next = as(&second).shared;
    ck_assert_uint_ge(s->len, keep_first);
    second.t = tenon_transport_ref(s->t);
    ck_assert_int_eq(tenon_transport_set_protocol(s->t, next), TENON_OK);
    ck_assert_ptr_eq(tenon_transport_protocol(s->t).self, &second);
    ck_assert_int_eq(tenon_transport_unread(s->t, s->bytes + keep_first,
                                            s->len - keep_first),
                     TENON_OK);
    s->len = keep_first;
    ck_assert_str_eq(second.log, "");
}

START_TEST(P21_the_rest_of_a_chunk_goes_to_the_next)
{
    side a = {0}, b = {.on['D'] = hand_over};
    memset(&second, 0, sizeof second);
    keep_first = 3;
    native();
    tenon_listener *l = join(&a, &b, address_of(_i));
    UNTIL(a.t && b.t);
    ck_assert_int_eq(tenon_transport_write(a.t, "onetwothree", 11), TENON_OK);
    ck_assert_int_eq(tenon_transport_write(a.t, "four", 4), TENON_OK);
    tenon_transport_close(a.t);
    UNTIL(is_lost(&a) && is_lost(&second));
    ck_assert_str_eq(b.log, "MD");
    ck_assert_str_eq(second.log, "DEL");
    ck_assert_uint_eq(b.len + second.len, 15);
    ck_assert_mem_eq(b.bytes, "one", 3);
    ck_assert_mem_eq(second.bytes, "twothreefour", 12);
    b.log[b.log_len - 1] = 'L';
    leave(l, &a, &b);
    forget(&second);
    end();
}
END_TEST

/* Bytes that come later, in a paused connection, stay behind those put back. */
static void pause_and_hand_over(side *s)
{
    ck_assert_int_eq(tenon_transport_pause_reading(s->t), TENON_OK);
    hand_over(s);
}

START_TEST(P21_what_was_put_back_waits_while_paused)
{
    side a = {0}, b = {.on['D'] = pause_and_hand_over};
    memset(&second, 0, sizeof second);
    keep_first = 1;
    native();
    tenon_listener *l = join(&a, &b, address_of(_i));
    UNTIL(a.t && b.t);
    ck_assert_int_eq(tenon_transport_write(a.t, "abc", 3), TENON_OK);
    UNTIL(b.len == 1);
    ck_assert_int_eq(tenon_transport_write(a.t, "def", 3), TENON_OK);
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(tenon_run_once(reactor, 0), TENON_OK);
    }
    ck_assert_uint_eq(second.len, 0);
    /* And once more: the last put back comes first. */
    ck_assert_int_eq(tenon_transport_unread(b.t, "z", 1), TENON_OK);
    ck_assert_int_eq(tenon_transport_resume_reading(b.t), TENON_OK);
    ck_assert_uint_eq(second.len, 0);
    UNTIL(second.len == 6);
    ck_assert_mem_eq(second.bytes, "zbcdef", 6);
    tenon_transport_close(a.t);
    UNTIL(is_lost(&a) && is_lost(&second));
    ck_assert_int_eq(tenon_transport_unread(b.t, "z", 1), TENON_CLOSED);
    ck_assert_int_eq(tenon_transport_set_protocol(b.t, as(&second).shared),
                     TENON_CLOSED);
    b.log[b.log_len - 1] = 'L';
    leave(l, &a, &b);
    forget(&second);
    end();
}
END_TEST

static char offered[4];
static tenon_status offer(void *self, tenon_transport *t, size_t hint,
                          void **buffer, size_t *len)
{
    (void)self;
    (void)t;
    ck_assert_uint_gt(hint, 0);
    *buffer = offered;
    *len = sizeof offered;
    return TENON_OK;
}

static tenon_status updated(void *self, tenon_transport *t, size_t len)
{
    return on_data(self, t, offered, len);
}

static const tenon_protocol_ops buffered_ops = {.size = sizeof buffered_ops,
                                                .get_buffer = offer,
                                                .buffer_updated = updated,
                                                .eof_received = on_eof,
                                                .connection_lost = on_lost};

static void hand_to_buffered(side *s)
{
    tenon_protocol next = {&buffered_ops, &second};
    hand_over(s);
    ck_assert_int_eq(tenon_transport_set_protocol(s->t, next), TENON_OK);
}

START_TEST(P21_the_next_may_be_buffered)
{
    side a = {0}, b = {.on['D'] = hand_to_buffered};
    memset(&second, 0, sizeof second);
    keep_first = 2;
    native();
    tenon_listener *l = join(&a, &b, address_of(_i));
    UNTIL(a.t && b.t);
    ck_assert_int_eq(
        tenon_transport_set_protocol(a.t, (tenon_protocol){NULL, NULL}),
        TENON_INVALID);
    ck_assert_int_eq(tenon_transport_write(a.t, "0123456789abcdef", 16),
                     TENON_OK);
    tenon_transport_close(a.t);
    UNTIL(is_lost(&second));
    ck_assert_uint_eq(second.len, 14);
    ck_assert_mem_eq(second.bytes, "23456789abcdef", 14);
    b.log[b.log_len - 1] = 'L';
    leave(l, &a, &b);
    forget(&second);
    end();
}
END_TEST

static side third;
START_TEST(P21_the_next_learns_that_the_queue_is_high)
{
    static char block[100000];
    side a = {0}, b = {0};
    memset(&third, 0, sizeof third);
    native();
    tenon_listener *l = join(&a, &b, address_of(_i));
    UNTIL(a.t && b.t);
    tenon_transport_pause_reading(b.t);
    while (!strchr(a.log, 'P')) {
        ck_assert_int_ge(tenon_transport_write(a.t, block, sizeof block), 0);
        ck_assert_int_eq(tenon_run_once(reactor, 0), TENON_OK);
    }
    third.t = tenon_transport_ref(a.t);
    ck_assert_int_eq(tenon_transport_set_protocol(a.t, as(&third).shared),
                     TENON_OK);
    UNTIL(third.log_len == 1);
    ck_assert_str_eq(third.log, "P");
    tenon_transport_resume_reading(b.t);
    UNTIL(third.log_len == 2);
    ck_assert_str_eq(third.log, "PR");
    ck_assert_str_eq(a.log, "MP");
    tenon_transport_abort(a.t);
    UNTIL(is_lost(&third));
    a.log[a.log_len - 1] = 'L';
    leave(l, &a, &b);
    forget(&third);
    end();
}
END_TEST

/* ---- deadlines, on a virtual clock ---- */

static void pair(side *a, side *b)
{
    tenon_transport *t[2];
    manual();
    ck_assert_int_eq(tenon_memory_pair(reactor, t, as(a), as(b), NULL),
                     TENON_OK);
    settle();
    ck_assert(a->t && b->t);
}

static void pass(int64_t ns)
{
    ck_assert_int_eq(tenon_manual_advance(reactor, ns), TENON_OK);
}

static void part(side *a, side *b)
{
    settle();
    ck_assert(is_lost(a) && is_lost(b));
    forget(a);
    forget(b);
    end();
}

START_TEST(P07_close_within)
{
    static char block[1000000];
    side a = {0}, b = {0};
    pair(&a, &b);
    tenon_transport_pause_reading(b.t);
    ck_assert_int_eq(tenon_transport_close_within(a.t, -1), TENON_INVALID);
    ck_assert_int_ge(tenon_transport_write(a.t, block, sizeof block), 0);
    ck_assert_int_eq(tenon_transport_close_within(a.t, 2 * TENON_SECOND),
                     TENON_OK);
    pass(2 * TENON_SECOND - 1);
    ck_assert(!is_lost(&a));
    pass(1);
    settle();
    ck_assert_int_eq(a.lost, TENON_TIMED_OUT);
    ck_assert_str_eq(a.log, "ML");
    ck_assert_int_eq(tenon_transport_close_within(a.t, 1), TENON_OK);
    tenon_transport_resume_reading(b.t);
    part(&a, &b);
}
END_TEST

START_TEST(P07_close_in_time)
{
    side a = {0}, b = {0};
    pair(&a, &b);
    ck_assert_int_eq(tenon_transport_close(a.t), TENON_OK);
    ck_assert_int_eq(tenon_transport_close_within(a.t, TENON_SECOND), TENON_OK);
    settle();
    ck_assert_int_eq(a.lost, TENON_OK);
    ck_assert_str_eq(a.log, "ML");
    pass(5 * TENON_SECOND);
    part(&a, &b);
}
END_TEST

START_TEST(P28_idle_is_counted_from_the_last_byte)
{
    side a = {0}, b = {0};
    pair(&a, &b);
    ck_assert_int_eq(tenon_transport_set_idle_timeout(a.t, 10 * TENON_SECOND),
                     TENON_OK);
    ck_assert_int_eq(tenon_transport_set_idle_timeout(b.t, 10 * TENON_SECOND),
                     TENON_OK);
    tenon_stats before = {.size = sizeof before};
    tenon_reactor_stats(reactor, &before);
    for (int i = 0; i < 1000; i++) {
        pass(TENON_SECOND / 10);
        ck_assert_int_ge(tenon_transport_write(i % 2 ? a.t : b.t, "x", 1), 0);
    }
    settle();
    tenon_stats after = {.size = sizeof after};
    tenon_reactor_stats(reactor, &after);
    /* 100 s of traffic: a firing for each idle time, none for a byte. */
    ck_assert_uint_le(after.timers_fired - before.timers_fired, 24);
    pass(10 * TENON_SECOND - 1);
    ck_assert(!is_lost(&a) && !is_lost(&b));
    pass(1);
    settle();
    ck_assert_int_eq(a.lost, TENON_TIMED_OUT);
    part(&a, &b);
}
END_TEST

START_TEST(P28_the_session_ends_whatever_happens)
{
    side a = {0}, b = {0};
    pair(&a, &b);
    ck_assert_int_eq(tenon_transport_set_session_limit(a.t, 5 * TENON_SECOND),
                     TENON_OK);
    ck_assert_int_eq(tenon_transport_set_idle_timeout(a.t, 90 * TENON_SECOND),
                     TENON_OK);
    ck_assert_int_eq(tenon_transport_set_session_limit(b.t, TENON_SECOND),
                     TENON_OK);
    ck_assert_int_eq(tenon_transport_set_session_limit(b.t, 0), TENON_OK);
    for (int i = 0; i < 49; i++) {
        pass(TENON_SECOND / 10);
        ck_assert_int_eq(tenon_transport_write(a.t, "x", 1), TENON_OK);
    }
    ck_assert(!is_lost(&a));
    pass(TENON_SECOND / 10);
    settle();
    ck_assert_int_eq(a.lost, TENON_TIMED_OUT);
    ck_assert_int_eq(tenon_transport_set_session_limit(a.t, 1), TENON_CLOSED);
    part(&a, &b);
}
END_TEST

/* ---- what is known ---- */

START_TEST(P23_info_outlives_the_connection)
{
    static const char *const kinds[] = {"tcp", "unix", "memory"};
    side a = {0}, b = {0};
    tenon_address peer, peer_after, local_after;
    tenon_credentials who = {0};
    native();
    tenon_listener *l = join(&a, &b, address_of(_i));
    UNTIL(a.t && b.t);
    ck_assert_str_eq(tenon_transport_kind(a.t), kinds[_i]);
    tenon_status has = _i == 2 ? TENON_NOT_SUPPORTED : TENON_OK;
    ck_assert_int_eq(tenon_transport_peer_address(a.t, &peer), has);
    int fd = tenon_transport_fd(a.t);
    ck_assert_int_eq(fd >= 0, _i != 2);
    if (fd >= 0) {
        tenon_watch watch;
        tenon_watch_init(&watch, reactor, fd);
        ck_assert_int_eq(tenon_watch_start(&watch, TENON_READ, NULL, NULL) < 0,
                         true);
    }
    tenon_status has_who = _i == 1 ? TENON_OK : TENON_NOT_SUPPORTED;
    ck_assert_int_eq(tenon_transport_peer_credentials(b.t, &who), has_who);
    tenon_transport_close(a.t);
    UNTIL(is_lost(&a) && is_lost(&b));
    ck_assert_int_eq(tenon_transport_fd(a.t), -1);
    ck_assert_int_eq(tenon_transport_peer_address(a.t, &peer_after), has);
    ck_assert_int_eq(tenon_transport_local_address(b.t, &local_after), has);
    if (has == TENON_OK) {
        ck_assert_uint_eq(peer.len, peer_after.len);
        ck_assert_mem_eq(&peer.as, &peer_after.as, peer.len);
        ck_assert_mem_eq(&peer.as, &local_after.as, peer.len);
    }
    memset(&who, 0, sizeof who);
    ck_assert_int_eq(tenon_transport_peer_credentials(b.t, &who), has_who);
    if (_i == 1) {
        ck_assert_int_eq(who.pid, getpid());
        ck_assert_uint_eq(who.uid, getuid());
        ck_assert_uint_eq(who.gid, getgid());
    }
    leave(l, &a, &b);
    end();
}
END_TEST

static int option(tenon_transport *t, int level, int name)
{
    int value = -1;
    socklen_t len = sizeof value;
    ck_assert_int_eq(
        getsockopt(tenon_transport_fd(t), level, name, &value, &len), 0);
    return value;
}

START_TEST(P29_socket_options)
{
    side a = {0}, b = {0};
    tenon_keepalive often = {.size = sizeof often,
                             .idle_ns = 5 * TENON_SECOND,
                             .interval_ns = 1,
                             .count = 4};
    native();
    tenon_listener *l = join(&a, &b, address_of(_i));
    UNTIL(a.t && b.t);
    tenon_status tcp = _i == 0 ? TENON_OK : TENON_NOT_SUPPORTED;
    tenon_status any = _i == 2 ? TENON_NOT_SUPPORTED : TENON_OK;
    if (_i == 0) {
        ck_assert_int_ne(option(b.t, IPPROTO_TCP, TCP_NODELAY), 0);
        ck_assert_int_eq(option(a.t, IPPROTO_TCP, TCP_USER_TIMEOUT), 30000);
        ck_assert_int_eq(option(b.t, IPPROTO_TCP, TCP_USER_TIMEOUT), 30000);
    }
    ck_assert_int_eq(tenon_transport_set_nodelay(a.t, false), tcp);
    ck_assert_int_eq(tenon_transport_set_keepalive(a.t, &often), tcp);
    ck_assert_int_eq(tenon_transport_set_user_timeout(a.t, 1500000001), tcp);
    ck_assert_int_eq(tenon_transport_set_buffers(a.t, 20000, 30000), any);
    if (_i == 0) {
        ck_assert_int_eq(option(a.t, IPPROTO_TCP, TCP_NODELAY), 0);
        ck_assert_int_eq(option(a.t, SOL_SOCKET, SO_KEEPALIVE), 1);
        ck_assert_int_eq(option(a.t, IPPROTO_TCP, TCP_KEEPIDLE), 5);
        ck_assert_int_eq(option(a.t, IPPROTO_TCP, TCP_KEEPINTVL), 1);
        ck_assert_int_eq(option(a.t, IPPROTO_TCP, TCP_KEEPCNT), 4);
        ck_assert_int_eq(option(a.t, IPPROTO_TCP, TCP_USER_TIMEOUT), 1501);
        ck_assert_int_eq(tenon_transport_set_user_timeout(a.t, -1),
                         TENON_INVALID);
        often.count = 128;
        ck_assert_int_eq(tenon_transport_set_keepalive(a.t, &often),
                         TENON_INVALID);
        ck_assert_int_eq(tenon_transport_set_keepalive(a.t, NULL), TENON_OK);
        ck_assert_int_eq(option(a.t, SOL_SOCKET, SO_KEEPALIVE), 0);
    }
    if (_i != 2) { /* the kernel doubles them */
        ck_assert_int_eq(option(a.t, SOL_SOCKET, SO_SNDBUF), 40000);
        ck_assert_int_eq(option(a.t, SOL_SOCKET, SO_RCVBUF), 60000);
    }
    tenon_transport_abort(a.t);
    UNTIL(is_lost(&a));
    ck_assert_int_eq(tenon_transport_set_buffers(a.t, 20000, 0),
                     _i == 2 ? TENON_NOT_SUPPORTED : TENON_CLOSED);
    leave(l, &a, &b);
    end();
}
END_TEST

/* ---- the tap ---- */

typedef struct seen {
    char bytes[2][64];
    size_t len[2];
} seen;

static void listen_in(tenon_transport *t, enum tenon_tap_way way,
                      const void *data, size_t len, void *user)
{
    seen *s = user;
    ck_assert_ptr_nonnull(t);
    ck_assert_uint_le(s->len[way] + len, sizeof s->bytes[way]);
    memcpy(s->bytes[way] + s->len[way], data, len);
    s->len[way] += len;
}

START_TEST(P30_a_tap_sees_both_ways)
{
    side a = {0}, b = {.on['D'] = echo};
    seen s = {.len = {0}};
    char path[] = "/tmp/tenon-tap-XXXXXX";
    native();
    int fd = mkostemp(path, O_CLOEXEC);
    unlink(path);
    ck_assert_int_eq(write(fd, "0123456789", 10), 10);
    tenon_listener *l = join(&a, &b, address_of(_i));
    UNTIL(a.t && b.t);
    ck_assert_int_eq(tenon_transport_tap(a.t, NULL, NULL), TENON_OK);
    ck_assert_int_eq(tenon_transport_tap(a.t, listen_in, &s), TENON_OK);
    ck_assert_int_eq(tenon_transport_write(a.t, "one", 3), TENON_OK);
    ck_assert_int_eq(tenon_transport_write(a.t, "two", 3), TENON_OK);
    ck_assert_int_eq(tenon_transport_send_file(a.t, fd, 2, 5, NULL, NULL),
                     TENON_OK);
    ck_assert_int_eq(tenon_transport_write(a.t, "three", 5), TENON_OK);
    close(fd);
    UNTIL(a.len == 16);
    ck_assert_uint_eq(s.len[TENON_TAP_WRITE], 16);
    ck_assert_mem_eq(s.bytes[TENON_TAP_WRITE], "onetwo23456three", 16);
    ck_assert_uint_eq(s.len[TENON_TAP_READ], 16);
    ck_assert_mem_eq(s.bytes[TENON_TAP_READ], "onetwo23456three", 16);
    ck_assert_int_eq(tenon_transport_tap(a.t, NULL, NULL), TENON_OK);
    ck_assert_int_eq(tenon_transport_write(a.t, "x", 1), TENON_OK);
    UNTIL(a.len == 17);
    ck_assert_uint_eq(s.len[TENON_TAP_WRITE], 16);
    tenon_transport_close(a.t);
    leave(l, &a, &b);
    ck_assert_uint_eq(s.len[TENON_TAP_READ], 16);
    end();
}
END_TEST

/* ---- descriptors, N18 ---- */

static int got_fds[64];
static size_t got_count;
static size_t len_at_fd; /* what had been received when it came */

static tenon_status on_fd(void *self, tenon_transport *t, int fd)
{
    side *s = self;
    (void)t;
    ck_assert_uint_lt(got_count, 64);
    ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
    got_fds[got_count++] = fd;
    len_at_fd = s->len;
    return saw(s, 'F');
}

static tenon_factory taking(side *s)
{
    static tenon_protocol_ops ops;
    ops = side_ops;
    ops.fd_received = on_fd;
    tenon_factory factory = tenon_factory_of(&ops);
    factory.shared.self = s;
    return factory;
}

static void unix_pair(side *a, side *b, bool takes)
{
    tenon_transport *t;
    int fds[2];
    got_count = 0;
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds),
                     0);
    ck_assert_int_eq(tenon_transport_adopt(reactor, &t, fds[0], as(a)),
                     TENON_OK);
    ck_assert_int_eq(
        tenon_transport_adopt(reactor, &t, fds[1], takes ? taking(b) : as(b)),
        TENON_OK);
    UNTIL(a->t && b->t);
}

static void part_now(side *a, side *b)
{
    UNTIL(is_lost(a) && is_lost(b));
    forget(a);
    forget(b);
    for (size_t i = 0; i < got_count; i++) {
        close(got_fds[i]);
    }
    end();
}

static void require_same_file(int one, int other)
{
    struct stat left, right;
    ck_assert_int_eq(fstat(one, &left), 0);
    ck_assert_int_eq(fstat(other, &right), 0);
    ck_assert_uint_eq(left.st_ino, right.st_ino);
}

START_TEST(N18_before_the_byte_it_rode_on)
{
    side a = {0}, b = {0};
    int pipe_fds[2];
    native();
    unix_pair(&a, &b, true);
    ck_assert_int_eq(pipe2(pipe_fds, O_CLOEXEC), 0);
    ck_assert_int_eq(tenon_transport_write(a.t, "ab", 2), TENON_OK);
    UNTIL(b.len == 2);
    ck_assert_int_eq(tenon_transport_send_fd(a.t, pipe_fds[0]), TENON_OK);
    ck_assert_int_eq(tenon_transport_send_fd(a.t, pipe_fds[1]), TENON_OK);
    ck_assert_int_eq(tenon_transport_send_fd(a.t, 999), -EBADF);
    ck_assert_int_eq(
        tenon_transport_send_file(a.t, pipe_fds[0], 0, 0, NULL, NULL),
        TENON_BUSY);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(tenon_run_once(reactor, 0), TENON_OK);
    }
    ck_assert_uint_eq(got_count, 0);
    ck_assert_int_eq(tenon_transport_write(a.t, "cd", 2), TENON_OK);
    UNTIL(b.len == 4);
    ck_assert_uint_eq(got_count, 2);
    ck_assert_uint_eq(len_at_fd, 2);
    require_same_file(got_fds[0], pipe_fds[0]);
    require_same_file(got_fds[1], pipe_fds[1]);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    ck_assert_str_eq(b.log, "MDFFD");
    ck_assert_int_eq(tenon_transport_send_fd(a.t, got_fds[0]), TENON_OK);
    tenon_transport_close(a.t); /* the one that waits is not sent */
    part_now(&a, &b);
}
END_TEST

START_TEST(N18_behind_a_full_queue)
{
    static char block[100000];
    side a = {0}, b = {0};
    native();
    unix_pair(&a, &b, true);
    size_t written = 0;
    tenon_transport_pause_reading(b.t);
    while (tenon_transport_write_queue_len(a.t) == 0) {
        ck_assert_int_ge(tenon_transport_write(a.t, block, sizeof block), 0);
        written += sizeof block;
        ck_assert_int_eq(tenon_run_once(reactor, 0), TENON_OK);
    }
    ck_assert_int_eq(tenon_transport_send_fd(a.t, 0), TENON_OK);
    ck_assert_int_ge(tenon_transport_write(a.t, "x", 1), 0);
    ck_assert_int_eq(tenon_transport_send_fd(a.t, 1), TENON_OK);
    ck_assert_int_ge(tenon_transport_write(a.t, "y", 1), 0);
    tenon_transport_resume_reading(b.t);
    UNTIL(b.len == written + 2);
    ck_assert_uint_eq(got_count, 2);
    ck_assert_uint_le(len_at_fd, written + 1);
    tenon_transport_close(a.t);
    part_now(&a, &b);
}
END_TEST

START_TEST(N18_surplus_is_closed)
{
    side a = {0}, b = {0};
    native();
    unix_pair(&a, &b, _i == 1);
    for (int i = 0; i < TENON_FDS_MAX; i++) {
        ck_assert_int_eq(tenon_transport_send_fd(a.t, 0), TENON_OK);
    }
    ck_assert_int_eq(tenon_transport_send_fd(a.t, 0), TENON_LIMIT);
    ck_assert_int_eq(tenon_transport_write(a.t, "x", 1), TENON_OK);
    UNTIL(b.len == 1);
    ck_assert_uint_eq(got_count, _i == 1 ? TENON_FDS_MAX : 0);
    tenon_transport_close(a.t);
    part_now(&a, &b);
}
END_TEST

static void close_at_the_first(side *s)
{
    tenon_transport_close(s->t);
}

START_TEST(N18_closed_with_some_to_come)
{
    side a = {0}, b = {.on['F'] = close_at_the_first};
    native();
    unix_pair(&a, &b, true);
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(tenon_transport_send_fd(a.t, 0), TENON_OK);
    }
    ck_assert_int_eq(tenon_transport_write(a.t, "x", 1), TENON_OK);
    UNTIL(is_lost(&b));
    ck_assert_str_eq(b.log, "MFL");
    ck_assert_uint_eq(got_count, 1);
    part_now(&a, &b);
}
END_TEST

static void pause_once(side *s)
{
    if (got_count == 1) {
        pause_it(s);
    }
}

START_TEST(N18_paused_by_the_descriptor)
{
    side a = {0}, b = {.on['F'] = pause_once};
    native();
    unix_pair(&a, &b, true);
    ck_assert_int_eq(tenon_transport_send_fd(a.t, 0), TENON_OK);
    ck_assert_int_eq(tenon_transport_write(a.t, "x", 1), TENON_OK);
    UNTIL(got_count == 1);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(tenon_run_once(reactor, 0), TENON_OK);
    }
    ck_assert_str_eq(b.log, "MF");
    tenon_transport_resume_reading(b.t);
    UNTIL(b.len == 1);
    tenon_transport_close(a.t);
    part_now(&a, &b);
}
END_TEST

START_TEST(N18_only_on_unix_sockets)
{
    side a = {0}, b = {0};
    native();
    tenon_listener *l = join(&a, &b, address_of(_i));
    UNTIL(a.t && b.t);
    ck_assert_int_eq(tenon_transport_send_fd(a.t, 0),
                     _i == 1 ? TENON_OK : TENON_NOT_SUPPORTED);
    tenon_transport_close(a.t);
    leave(l, &a, &b);
    end();
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("extra");
    TCase *all = tcase_create("all");
    tcase_set_timeout(all, 30);
    tcase_add_loop_test(all, P21_the_rest_of_a_chunk_goes_to_the_next, 0,
                        KINDS);
    tcase_add_loop_test(all, P21_what_was_put_back_waits_while_paused, 0,
                        KINDS);
    tcase_add_loop_test(all, P21_the_next_may_be_buffered, 0, KINDS);
    tcase_add_loop_test(all, P21_the_next_learns_that_the_queue_is_high, 0,
                        KINDS);
    tcase_add_test(all, P07_close_within);
    tcase_add_test(all, P07_close_in_time);
    tcase_add_test(all, P28_idle_is_counted_from_the_last_byte);
    tcase_add_test(all, P28_the_session_ends_whatever_happens);
    tcase_add_loop_test(all, P23_info_outlives_the_connection, 0, SOCKETS);
    tcase_add_loop_test(all, P29_socket_options, 0, SOCKETS);
    tcase_add_loop_test(all, P30_a_tap_sees_both_ways, 0, KINDS);
    tcase_add_test(all, N18_before_the_byte_it_rode_on);
    tcase_add_test(all, N18_behind_a_full_queue);
    tcase_add_loop_test(all, N18_surplus_is_closed, 0, 2);
    tcase_add_test(all, N18_closed_with_some_to_come);
    tcase_add_test(all, N18_paused_by_the_descriptor);
    tcase_add_loop_test(all, N18_only_on_unix_sockets, 0, KINDS);
    suite_add_tcase(s, all);
    return s;
}

int main(void)
{
    return run_suite(suite());
}
