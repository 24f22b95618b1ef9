/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * What goes through a connection besides plain writes: memory that is given or
 * lent, files, descriptors; another protocol in the middle; a pipe to another
 * connection; and what is known of one that is gone.
 */

#include "recorder.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static void done(tenon_transport *transport, tenon_status status, void *user)
{
    (void)transport;
    note("%s:%s", (const char *)user, tenon_status_name(status));
}

static void freed(void *buffer, size_t len, void *user)
{
    note("%s:%zu", (const char *)user, len);
    free(buffer);
}

static char *given(const char *text)
{
    char *copy = strdup(text);
    REQUIRE(copy != NULL);
    return copy;
}

static void end_quietly(recorder *self, int *peer)
{
    REQUIRE_OK(tenon_transport_abort(self->transport));
    PUMP_UNTIL(self->lost);
    close_fd(peer);
}

/* ---- P05: memory that is given or lent ---- */

static void lend_all(recorder *self)
{
    REQUIRE_OK(tenon_transport_write_take(self->transport, given("given"), 5,
                                          freed, "free"));
    REQUIRE_OK(tenon_transport_write(self->transport, "copied", 6));
    REQUIRE_OK(
        tenon_transport_write_ref(self->transport, "lent", 4, done, "done"));
    REQUIRE_OK(tenon_transport_on_flushed(self->transport, done, "flushed"));
}

static void p05_given_and_lent(void)
{
    char text[32];
    recorder self = {.silent = true};
    int peer = recorder_pair(&self);
    notes_clear();
    lend_all(&self);
    REQUIRE_NOTES("");
    PUMP_UNTIL(noted("flushed:TENON_OK"));
    REQUIRE_NOTES("free:5 done:TENON_OK flushed:TENON_OK");
    REQUIRE_EQ(drain(peer, text, sizeof text), 15);
    REQUIRE_STR(text, "givencopiedlent");
    end_quietly(&self, &peer);
}

static void note_lost(recorder *self)
{
    note("lost:%s", tenon_status_name(self->lost_status));
}

static void p05_owed_after_abort(void)
{
    recorder self = {.silent = true, .lost_fn = note_lost};
    int peer = recorder_pair(&self);
    fill(self.transport);
    notes_clear();
    lend_all(&self);
    REQUIRE_OK(tenon_transport_abort(self.transport));
    REQUIRE_NOTES("");
    PUMP_UNTIL(self.lost);
    REQUIRE_NOTES("free:5 done:TENON_ABORTED flushed:TENON_ABORTED "
                  "lost:TENON_ABORTED");
    close_fd(&peer);
}

static void p05_owed_by_a_reactor_that_ends(void)
{
    tenon_reactor_options options = rig_options();
    recorder self = {.silent = true, .lost_fn = note_lost};
    rig_open(&options);
    int peer = recorder_pair(&self);
    fill(self.transport);
    notes_clear();
    lend_all(&self);
    rig_close();
    REQUIRE_NOTES("free:5 done:TENON_CLOSED flushed:TENON_CLOSED "
                  "lost:TENON_CLOSED");
    rig_take_report(TENON_CLOSED); /* it was open still: P24 */
    close_fd(&peer);
}

/* ---- P21: another protocol in the middle ---- */

static recorder next;

static void hand_over(recorder *self, const void *data, size_t len)
{
    const char *bytes = data;
    tenon_protocol protocol = {&recorder_ops, &next};
    REQUIRE(len >= 3);
    next.transport = self->transport;
    next.made = 1;
    REQUIRE_OK(tenon_transport_set_protocol(self->transport, protocol));
    REQUIRE_OK(tenon_transport_unread(self->transport, bytes + 3, len - 3));
    REQUIRE_EQ(next.received, 0);
}

static void p21_set_protocol(void)
{
    recorder self = {.silent = true, .data_fn = hand_over};
    memset(&next, 0, sizeof next);
    next.merged = true;
    int peer = recorder_pair(&self);
    notes_clear();
    put(peer, "onetwo");
    PUMP_UNTIL(next.received == 3);
    put(peer, "three");
    PUMP_UNTIL(next.received == 8);
    REQUIRE_STR(next.data, "twothree");
    close_fd(&peer);
    PUMP_UNTIL(next.lost);
    REQUIRE_EQ(self.lost, 0);
    REQUIRE_STATUS(next.lost_status, TENON_OK);
}

/* ---- P23, P24 ---- */

static void p23_known_after_the_end(void)
{
    recorder self = {.silent = true};
    int fds[2];
    tenon_address before;
    tenon_address after;
    tcp_pair(fds);
    recorder_adopt(&self, &fds[0]);
    tenon_transport *t = tenon_transport_ref(self.transport);
    REQUIRE_STR(tenon_transport_kind(t), "tcp");
    REQUIRE(tenon_transport_fd(t) >= 0);
    REQUIRE_OK(tenon_transport_peer_address(t, &before));
    REQUIRE_OK(tenon_transport_close(t));
    PUMP_UNTIL(self.lost);
    REQUIRE_EQ(tenon_transport_fd(t), -1);
    REQUIRE_OK(tenon_transport_peer_address(t, &after));
    REQUIRE_EQ(before.len, after.len);
    REQUIRE(memcmp(&before.as, &after.as, before.len) == 0);
    REQUIRE_OK(tenon_transport_local_address(t, &after));
    tenon_transport_unref(t);
    close_fd(&fds[1]);
}

static void p24_unclosed_is_reported(void)
{
    tenon_reactor_options options = rig_options();
    static const tenon_protocol_ops quiet = {.size = sizeof quiet};
    tenon_transport *transport;
    int fds[2];
    recorder self = {.silent = true};
    rig_open(&options);
    int peer = recorder_pair(&self);
    socket_pair(fds);
    /* This one does not even begin. */
    REQUIRE_OK(tenon_transport_adopt(rig.reactor, &transport, fds[0],
                                     tenon_factory_of(&quiet)));
    rig_close();
    REQUIRE_STR(rig.report_what, "unclosed transports");
    rig_take_report(TENON_CLOSED);
    char byte;
    REQUIRE(recv(peer, &byte, 1, 0) <= 0);
    REQUIRE(recv(fds[1], &byte, 1, 0) <= 0);
    close_fd(&peer);
    close_fd(&fds[1]);
}

/* ---- B12: a pipe ---- */

static void piped(const tenon_error *error, uint64_t there, uint64_t back,
                  void *user)
{
    (void)user;
    note("piped:%s:%d:%d", tenon_status_name(tenon_error_status(error)),
         (int)there, (int)back);
}

static const tenon_pipe_options piping = {.size = sizeof piping,
                                          .on_done = piped};

static void b12_a_pipe(void)
{
    char text[32];
    recorder left = {.silent = true};
    recorder right = {.silent = true};
    int near = recorder_pair(&left);
    int far = recorder_pair(&right);
    notes_clear();
    REQUIRE_OK(tenon_pipe(left.transport, right.transport, &piping));
    put(near, "there");
    put(far, "back");
    rig_settle();
    REQUIRE_EQ(drain(far, text, sizeof text), 5);
    REQUIRE_STR(text, "there");
    REQUIRE_EQ(drain(near, text, sizeof text), 4);
    REQUIRE_STR(text, "back");
    /* The end of one way is passed on, and the other way goes on. */
    REQUIRE(shutdown(near, SHUT_WR) == 0);
    REQUIRE_EQ(read_to_end(far), 0);
    put(far, "more");
    rig_settle();
    REQUIRE_EQ(drain(near, text, sizeof text), 4);
    REQUIRE_NOTES("");
    close_fd(&far);
    PUMP_UNTIL(noted("piped:TENON_OK:5:8"));
    REQUIRE_EQ(read_to_end(near), 0);
    close_fd(&near);
    REQUIRE_EQ(left.lost + right.lost, 0);
}

static void b12_bounded(void)
{
    enum { ONE_READ = 69632 };
    recorder left = {.silent = true};
    recorder right = {.silent = true};
    static char block[65536];
    int near = recorder_pair(&left);
    int far = recorder_pair(&right);
    REQUIRE_OK(tenon_pipe(left.transport, right.transport, &piping));
    size_t written = 0;
    for (int full = 0; full < 20;) {
        ssize_t sent = send(near, block, sizeof block, MSG_NOSIGNAL);
        written += sent > 0 ? (size_t)sent : 0;
        full = sent > 0 ? 0 : full + 1;
        rig_iterate(0);
        REQUIRE(written < 10000000);
    }
    REQUIRE(!tenon_transport_is_reading(left.transport));
    REQUIRE(tenon_transport_is_reading(right.transport));
    REQUIRE(tenon_transport_write_queue_len(right.transport) <=
            TENON_HIGH_DEFAULT + ONE_READ);
    tenon_transport *t = tenon_transport_ref(right.transport);
    close_fd(&near);
    REQUIRE_EQ(read_to_end(far), written);
    close_fd(&far);
    PUMP_UNTIL(rig_stats().transport_count == 0);
    tenon_transport_unref(t);
}

/* ---- N18: descriptors ---- */

static int came = -1;
static size_t received_before;

static tenon_status on_fd(void *self, tenon_transport *transport, int fd)
{
    recorder *mine = self;
    (void)transport;
    REQUIRE(came < 0);
    came = fd;
    received_before = mine->received;
    return TENON_OK;
}

static void n18_descriptors(void)
{
    recorder from = {.silent = true};
    recorder to = {.silent = true};
    tenon_protocol_ops taking = recorder_ops;
    taking.size = sizeof taking;
    taking.fd_received = on_fd;
    tenon_transport *transport;
    tenon_factory factory = {.shared = {&taking, &to}};
    int fds[2];
    came = -1;
    socket_pair(fds);
    recorder_adopt(&from, &fds[0]);
    REQUIRE_OK(tenon_transport_adopt(rig.reactor, &transport, fds[1], factory));
    PUMP_UNTIL(to.made);
    int file = open("/dev/null", O_RDWR | O_CLOEXEC);
    REQUIRE(file >= 0);
    REQUIRE_OK(tenon_transport_write(from.transport, "ab", 2));
    PUMP_UNTIL(to.received == 2);
    REQUIRE_OK(tenon_transport_send_fd(from.transport, file));
    close_fd(&file);
    REQUIRE_OK(tenon_transport_write(from.transport, "cd", 2));
    PUMP_UNTIL(to.received == 4);
    REQUIRE_EQ(received_before, 2);
    REQUIRE_EQ(fcntl(came, F_GETFD), FD_CLOEXEC);
    close_fd(&came);
    REQUIRE_OK(tenon_transport_close(from.transport));
    PUMP_UNTIL(from.lost && to.lost);
}

/* ---- N21: files ---- */

static void n21_send_file(void)
{
    enum { LEN = 3000000, FROM = 777, MANY = 2000000 };
    char path[] = "/tmp/tenon-conformance-XXXXXX";
    recorder self = {.silent = true};
    int peer = recorder_pair(&self);
    char *bytes = malloc(LEN);
    REQUIRE(bytes != NULL);
    for (size_t i = 0; i < LEN; i++) {
        bytes[i] = (char)(i * 2654435761u >> 13);
    }
    int file = mkostemp(path, O_CLOEXEC);
    REQUIRE(file >= 0);
    REQUIRE(unlink(path) == 0);
    REQUIRE_EQ(write(file, bytes, LEN), LEN);
    uint64_t wanted = checksum(0, "before", 6);
    wanted = checksum(wanted, bytes + FROM, MANY);
    wanted = checksum(wanted, "after", 5);
    notes_clear();
    REQUIRE_OK(tenon_transport_write(self.transport, "before", 6));
    REQUIRE_OK(tenon_transport_send_file(self.transport, file, FROM, MANY, done,
                                         "file"));
    REQUIRE_OK(tenon_transport_write(self.transport, "after", 5));
    REQUIRE_STATUS(
        tenon_transport_send_file(self.transport, file, LEN, 1, done, "no"),
        TENON_INVALID);
    close_fd(&file);
    REQUIRE(read_sum(peer, 6 + MANY + 5) == wanted);
    PUMP_UNTIL(noted("file:TENON_OK"));
    REQUIRE_NOTES("file:TENON_OK");
    free(bytes);
    end_quietly(&self, &peer);
}

static const rig_case cases[] = {
    {"P05b", "given and lent memory keeps the order", p05_given_and_lent, 0},
    {"P05c", "what is owed for writes comes after abort, before the end",
     p05_owed_after_abort, 0},
    {"P05d", "and when the reactor ends", p05_owed_by_a_reactor_that_ends,
     BARE},
    {"P21", "another protocol in the middle loses no byte", p21_set_protocol,
     0},
    {"P23", "the ends of a connection are known after it",
     p23_known_after_the_end, 0},
    {"P24", "transports that nobody closed are reported, once",
     p24_unclosed_is_reported, BARE},
    {"B12", "a pipe passes bytes and ends on, both ways", b12_a_pipe, 0},
    {"B12b", "a pipe holds a bounded number of bytes", b12_bounded, 0},
    {"N18b", "a descriptor comes before the byte it rode on", n18_descriptors,
     0},
    {"N21", "a file is sent in its place, exactly", n21_send_file, 0},
};

const rig_group rig_convey = RIG_GROUP(cases);
