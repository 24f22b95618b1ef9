/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Peers that are slow, stopped, half closed or gone without a word, on every
 * real host. What was accepted for writing arrives, to the byte and in order;
 * no queue and no heap goes beyond the documented limits; the other connections
 * are served meanwhile; and a peer behind a black hole is given up.
 *
 * ctest: labels=peers timeout=240
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hosts.h"

enum {
    CHUNK = 16384,
    SLOW_LEN = 4 << 20,
    HALF_LEN = 512 << 10,
    FIRST_LEN = 1000, /* read before it stops */
    ROUNDS = 20,
    SLACK = 1 << 20 /* of everything that is no queue */
};

/* The byte at an offset of every stream. */
static unsigned char byte_at(size_t offset)
{
    return (unsigned char)(offset * 7 + (offset >> 8) * 13 + (offset >> 16));
}

static void fill(unsigned char *chunk, size_t offset, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        chunk[i] = byte_at(offset + i);
    }
}

static bool is_right(const unsigned char *chunk, size_t offset, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (chunk[i] != byte_at(offset + i)) {
            return false;
        }
    }
    return true;
}

/* ---- our side: writes as much as it is asked to ---- */

typedef struct source {
    tenon_transport *transport;
    size_t accepted; /* by write */
    size_t wanted;
    size_t most_queued;
    int64_t user_timeout_ns; /* 0: as it is */
    bool polite;             /* rests between pause and resume */
    bool paused;
    bool limited; /* write said TENON_LIMIT */
    bool lost;
    tenon_status why;
} source;

static void push(source *s)
{
    unsigned char chunk[CHUNK];
    while (s->accepted < s->wanted && !(s->polite && s->paused)) {
        size_t len = s->wanted - s->accepted;
        len = len < CHUNK ? len : CHUNK;
        fill(chunk, s->accepted, len);
        tenon_status status = tenon_transport_write(s->transport, chunk, len);
        if (status == TENON_LIMIT) {
            s->limited = true;
            return;
        }
        ck_assert_int_ge(status, 0);
        s->accepted += len;
        size_t queued = tenon_transport_write_queue_len(s->transport);
        s->most_queued = queued > s->most_queued ? queued : s->most_queued;
        s->paused = s->paused || status == TENON_HIGH;
    }
}

static tenon_status source_made(void *self, tenon_transport *transport)
{
    source *s = self;
    s->transport = tenon_transport_ref(transport);
    return s->user_timeout_ns > 0
               ? tenon_transport_set_user_timeout(transport, s->user_timeout_ns)
               : TENON_OK;
}

static tenon_status source_paused(void *self, tenon_transport *transport)
{
    (void)transport;
    ((source *)self)->paused = true;
    return TENON_OK;
}

static tenon_status source_resumed(void *self, tenon_transport *transport)
{
    source *s = self;
    (void)transport;
    s->paused = false;
    if (s->polite) {
        push(s);
    }
    return TENON_OK;
}

static tenon_status source_lost(void *self, tenon_transport *transport,
                                const tenon_error *error)
{
    source *s = self;
    (void)transport;
    s->lost = true;
    s->why = tenon_error_status(error);
    return TENON_OK;
}

static const tenon_protocol_ops source_ops = {.size = sizeof source_ops,
                                              .connection_made = source_made,
                                              .pause_writing = source_paused,
                                              .resume_writing = source_resumed,
                                              .connection_lost = source_lost};

static tenon_status echo_data(void *self, tenon_transport *transport,
                              const void *data, size_t len)
{
    (void)self;
    return tenon_transport_write(transport, data, len);
}

/* Half closed is not closed: the rest is sent, then it ends. */
static const tenon_protocol_ops echo_ops = {.size = sizeof echo_ops,
                                            .data_received = echo_data};

/* ---- the listener ---- */

static struct {
    tenon_listener *listener;
    tenon_address address;
} place;

static void serve(tenon_factory factory)
{
    ck_assert_int_eq(tenon_listen(stage.reactor, &place.listener,
                                  "tcp:127.0.0.1:0", factory, NULL),
                     TENON_OK);
    ck_assert_int_eq(tenon_listener_address(place.listener, &place.address),
                     TENON_OK);
}

static void serve_source(source *s)
{
    tenon_factory factory = {.shared = {&source_ops, s}};
    serve(factory);
}

static tenon_stats stats(void)
{
    tenon_stats now = {.size = sizeof now};
    ck_assert_int_eq(tenon_reactor_stats(stage.reactor, &now), TENON_OK);
    return now;
}

static void end(source *s)
{
    if (s) {
        tenon_transport_unref(s->transport);
    }
    ck_assert_int_eq(tenon_listener_close(place.listener), TENON_OK);
    tenon_listener_unref(place.listener);
    PUMP_UNTIL(stats().transport_count + stats().ready_count == 0);
    host_close();
}

/* ---- the peers, in processes of their own ---- */

typedef struct peer {
    pid_t pid;
    int count_fd; /* how many bytes were right, once */
} peer;

static int client_of(int receive_buffer)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (receive_buffer > 0) {
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer,
                         sizeof receive_buffer);
    }
    if (fd < 0 || connect(fd, &place.address.as.any, place.address.len) != 0) {
        return -1;
    }
    return fd;
}

/* Reads until the end or until so many bytes are there; what it got, unless
 * a byte was wrong. */
static size_t read_right(int fd, size_t from, size_t to, int pause_ms)
{
    unsigned char chunk[8192];
    while (from < to) {
        size_t want = to - from < sizeof chunk ? to - from : sizeof chunk;
        ssize_t got = read(fd, chunk, want);
        if (got == 0) {
            return from;
        }
        if (got < 0 || !is_right(chunk, from, (size_t)got)) {
            _exit(2);
        }
        from += (size_t)got;
        if (pause_ms > 0) {
            poll(NULL, 0, pause_ms);
        }
    }
    return from;
}

static size_t slow(void)
{
    return read_right(client_of(16384), 0, SIZE_MAX, 1);
}

/* Its answer is read only when all is sent. */
static size_t half_closed(void)
{
    unsigned char chunk[CHUNK];
    int fd = client_of(16384);
    for (size_t sent = 0; sent < HALF_LEN;) {
        fill(chunk, sent, CHUNK);
        size_t len = HALF_LEN - sent < CHUNK ? HALF_LEN - sent : CHUNK;
        ssize_t n = send(fd, chunk, len, MSG_NOSIGNAL);
        if (n < 0) {
            _exit(3);
        }
        sent += (size_t)n;
    }
    if (shutdown(fd, SHUT_WR) != 0) {
        _exit(4);
    }
    return read_right(fd, 0, SIZE_MAX, 0);
}

/* Stops after its first bytes, until somebody lets it go on. */
static size_t stopped(void)
{
    int fd = client_of(16384);
    size_t got = read_right(fd, 0, FIRST_LEN, 0);
    (void)raise(SIGSTOP);
    return read_right(fd, got, SIZE_MAX, 0);
}

static peer start_peer(size_t (*live)(void))
{
    int fds[2];
    ck_assert_int_eq(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
    peer self = {.pid = fork(), .count_fd = fds[0]};
    ck_assert_int_ge(self.pid, 0);
    if (self.pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        size_t count = live();
        _exit(write(fds[1], &count, sizeof count) == sizeof count ? 0 : 1);
    }
    close(fds[1]);
    return self;
}

static bool is_stopped(const peer *self)
{
    int how = 0;
    return waitpid(self->pid, &how, WUNTRACED | WNOHANG) == self->pid &&
           WIFSTOPPED(how);
}

static bool has_ended(const peer *self, size_t *count)
{
    return read(self->count_fd, count, sizeof *count) != -1;
}

/* The loop runs until the peer has all; slow machines take their time. */
static void finish_peer(peer *self, size_t expected)
{
    size_t count = 0;
    int how = 0;
    int64_t end_ns =
        harness_clock_ns() + 30 * TENON_SECOND * harness_time_scale();
    while (!has_ended(self, &count) && harness_clock_ns() < end_ns) {
        host_iterate(20 * TENON_MILLISECOND);
    }
    ck_assert_msg(count == expected, "%s: %zu bytes came, %zu were accepted",
                  stage.fixture->name, count, expected);
    ck_assert_int_eq(waitpid(self->pid, &how, 0), self->pid);
    ck_assert_int_eq(how, 0);
    close(self->count_fd);
}

/* ---- the tests ---- */

START_TEST(B_a_slow_reader_gets_all)
{
    source s = {.polite = true, .wanted = SLOW_LEN};
    if (!host_open(_i)) {
        return;
    }
    serve_source(&s);
    peer p = start_peer(slow);
    PUMP_UNTIL(s.transport);
    push(&s);
    int64_t end_ns =
        harness_clock_ns() + 30 * TENON_SECOND * harness_time_scale();
    while (s.accepted < s.wanted && harness_clock_ns() < end_ns) {
        host_iterate(20 * TENON_MILLISECOND);
    }
    ck_assert_uint_eq(s.accepted, SLOW_LEN);
    ck_assert_int_eq(tenon_transport_close(s.transport), TENON_OK);
    finish_peer(&p, SLOW_LEN);
    PUMP_UNTIL(s.lost);
    ck_assert_int_eq(s.why, TENON_OK);
    ck_assert_uint_gt(s.most_queued, 0);
    ck_assert_uint_le(s.most_queued, TENON_HIGH_DEFAULT + CHUNK);
    ck_assert_uint_lt(stage.guard.heap.peak_bytes, SLACK);
    end(&s);
}
END_TEST

START_TEST(B_a_half_closed_peer_gets_all)
{
    if (!host_open(_i)) {
        return;
    }
    serve(tenon_factory_of(&echo_ops));
    peer p = start_peer(half_closed);
    finish_peer(&p, HALF_LEN);
    ck_assert_uint_lt(stage.guard.heap.peak_bytes, HALF_LEN + SLACK);
    end(NULL);
}
END_TEST

/* Somebody else's connection, on a listener of its own. */
static void others_are_served(void)
{
    char text[8];
    tenon_listener *listener;
    tenon_address address;
    ck_assert_int_eq(tenon_listen(stage.reactor, &listener, "tcp:127.0.0.1:0",
                                  tenon_factory_of(&echo_ops), NULL),
                     TENON_OK);
    ck_assert_int_eq(tenon_listener_address(listener, &address), TENON_OK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(connect(fd, &address.as.any, address.len), 0);
    for (int i = 0; i < ROUNDS; i++) {
        ck_assert_int_eq(send(fd, "round", 5, MSG_NOSIGNAL), 5);
        PUMP_UNTIL(recv(fd, text, sizeof text, MSG_DONTWAIT) == 5);
        host_iterate(10 * TENON_MILLISECOND);
    }
    close(fd);
    tenon_listener_close(listener);
    tenon_listener_unref(listener);
}

/* We write on until the hard cap refuses; all until there was accepted. */
START_TEST(B_a_stopped_peer_gets_what_was_accepted)
{
    source s = {.wanted = FIRST_LEN};
    if (!host_open(_i)) {
        return;
    }
    serve_source(&s);
    peer p = start_peer(stopped);
    PUMP_UNTIL(s.transport);
    push(&s);
    PUMP_UNTIL(is_stopped(&p));
    s.wanted = SIZE_MAX;
    while (!s.limited) {
        push(&s);
    }
    others_are_served();
    ck_assert(!s.lost);
    ck_assert_uint_gt(s.accepted, TENON_HARD_DEFAULT - 2 * CHUNK);
    ck_assert_uint_le(s.most_queued, TENON_HARD_DEFAULT);
    ck_assert_uint_lt(stage.guard.heap.peak_bytes,
                      TENON_HARD_DEFAULT + TENON_HARD_DEFAULT / 8 + SLACK);
    ck_assert_int_eq(kill(p.pid, SIGCONT), 0);
    ck_assert_int_eq(tenon_transport_close(s.transport), TENON_OK);
    finish_peer(&p, s.accepted);
    PUMP_UNTIL(s.lost);
    ck_assert_int_eq(s.why, TENON_OK);
    end(&s);
}
END_TEST

/* From now on the kernel drops what comes for this socket, and so acknowledges
 * nothing. */
static void fall_silent(int fd)
{
    struct sock_filter drop = {.code = BPF_RET | BPF_K, .k = 0};
    struct sock_fprog program = {.len = 1, .filter = &drop};
    ck_assert_int_eq(
        setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program),
        0);
}

START_TEST(R_a_black_hole_is_given_up)
{
    source s = {.wanted = SIZE_MAX, .user_timeout_ns = TENON_SECOND};
    if (!host_open(_i)) {
        return;
    }
    serve_source(&s);
    int fd = client_of(0);
    ck_assert_int_ge(fd, 0);
    PUMP_UNTIL(s.transport);
    fall_silent(fd);
    int64_t start_ns = harness_clock_ns();
    while (!s.limited) {
        push(&s);
    }
    others_are_served();
    int64_t end_ns = start_ns + 15 * TENON_SECOND * harness_time_scale();
    while (!s.lost && harness_clock_ns() < end_ns) {
        host_iterate(20 * TENON_MILLISECOND);
    }
    ck_assert(s.lost);
    ck_assert_int_eq(s.why, -ETIMEDOUT);
    ck_assert_int_eq(tenon_transport_write(s.transport, "x", 1), TENON_CLOSED);
    ck_assert_uint_eq(tenon_transport_write_queue_len(s.transport), 0);
    ck_assert_int_ge(harness_clock_ns() - start_ns, TENON_SECOND / 2);
    close(fd);
    end(&s);
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("peers");
    int hosts = host_count();
    tcase_set_timeout(tcase, 90.0 * (double)harness_time_scale());
    tcase_add_loop_test(tcase, B_a_slow_reader_gets_all, 0, hosts);
    tcase_add_loop_test(tcase, B_a_half_closed_peer_gets_all, 0, hosts);
    tcase_add_loop_test(tcase, B_a_stopped_peer_gets_what_was_accepted, 0,
                        hosts);
    tcase_add_loop_test(tcase, R_a_black_hole_is_given_up, 0, hosts);
    return host_main(tcase);
}
