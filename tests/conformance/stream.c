/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Group P, the life of a connection: what a protocol is told, in which order,
 * and how it ends. Writing is in write.c.
 */

#include "recorder.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

static void end_with_close(recorder *self, int *peer)
{
    REQUIRE_OK(tenon_transport_close(self->transport));
    PUMP_UNTIL(self->lost);
    close_fd(peer);
}

static void p01_the_order_of_things(void)
{
    recorder self = {.merged = true};
    int peer = recorder_pair(&self);
    REQUIRE_NOTES("made");
    put(peer, "abc");
    PUMP_UNTIL(self.received == 3);
    put(peer, "defg");
    PUMP_UNTIL(self.received == 7);
    REQUIRE(shutdown(peer, SHUT_WR) == 0);
    PUMP_UNTIL(self.lost);
    rig_settle();
    REQUIRE_NOTES("made data data eof lost:TENON_OK");
    REQUIRE_STR(self.data, "abcdefg");
    close_fd(&peer);
}

static void iterate_inside(recorder *self)
{
    (void)self;
    note("begin");
    soon(note_call, "soon");
    note("end");
}

static void p02_reading_begins_after_made(void)
{
    int fds[2];
    recorder self = {.made_fn = iterate_inside, .merged = true};
    socket_pair(fds);
    put(fds[1], "early");
    recorder_adopt(&self, &fds[0]);
    PUMP_UNTIL(self.received == 5);
    REQUIRE(strncmp(rig.notes, "made begin end ", 15) == 0);
    end_with_close(&self, &fds[1]);
}

static void pause_inside(recorder *self)
{
    REQUIRE_OK(tenon_transport_pause_reading(self->transport));
}

static void p02_paused_in_made(void)
{
    int fds[2];
    recorder self = {.made_fn = pause_inside};
    socket_pair(fds);
    put(fds[1], "early");
    recorder_adopt(&self, &fds[0]);
    rig_pump_for(MS(10));
    REQUIRE_NOTES("made");
    REQUIRE(!tenon_transport_is_reading(self.transport));
    REQUIRE_OK(tenon_transport_resume_reading(self.transport));
    PUMP_UNTIL(self.received == 5);
    end_with_close(&self, &fds[1]);
}

static void p07_close_flushes_then_loses(void)
{
    recorder self = {.merged = true};
    int peer = recorder_pair(&self);
    size_t written = fill(self.transport);
    notes_clear();
    REQUIRE_OK(tenon_transport_close(self.transport));
    REQUIRE(tenon_transport_is_closing(self.transport));
    REQUIRE_OK(tenon_transport_close(self.transport));
    REQUIRE_NOTES("");
    put(peer, "too late");
    rig_pump_for(MS(10));
    REQUIRE(!noted("data") && !self.lost);
    REQUIRE_EQ(read_to_end(peer), written);
    PUMP_UNTIL(self.lost);
    rig_settle();
    REQUIRE_EQ(note_count("lost:TENON_OK"), 1);
    REQUIRE(!noted("data"));
    close_fd(&peer);
}

static void p07_close_is_not_reentrant(void)
{
    recorder self = {0};
    int peer = recorder_pair(&self);
    REQUIRE_OK(tenon_transport_close(self.transport));
    REQUIRE_NOTES("made");
    PUMP_UNTIL(self.lost);
    REQUIRE_NOTES("made lost:TENON_OK");
    REQUIRE_EQ(read_to_end(peer), 0);
    close_fd(&peer);
}

static void abort_inside(recorder *self)
{
    note("abort");
    REQUIRE_OK(tenon_transport_abort(self->transport));
    REQUIRE_EQ(self->lost, 0);
    note("returned");
}

static void abort_on_data(recorder *self, const void *data, size_t len)
{
    (void)data;
    (void)len;
    abort_inside(self);
}

static void p08_abort_from_data(void)
{
    recorder self = {.data_fn = abort_on_data, .merged = true};
    int peer = recorder_pair(&self);
    put(peer, "x");
    PUMP_UNTIL(self.lost);
    rig_settle();
    REQUIRE_NOTES("made data abort returned lost:TENON_ABORTED");
    close_fd(&peer);
}

static void p08_abort_from_resume(void)
{
    recorder self = {.resume_fn = abort_inside};
    int peer = recorder_pair(&self);
    size_t written = fill(self.transport);
    REQUIRE_OK(tenon_transport_set_write_limits(self.transport, 1, 0));
    PUMP_UNTIL(self.pauses == 1);
    read_sum(peer, written);
    PUMP_UNTIL(self.lost);
    REQUIRE_NOTES("made pause resume abort returned lost:TENON_ABORTED");
    close_fd(&peer);
}

static void p08_abort_drops_what_is_queued(void)
{
    recorder self = {.silent = true};
    int peer = recorder_pair(&self);
    size_t written = fill(self.transport);
    size_t queued = tenon_transport_write_queue_len(self.transport);
    REQUIRE_OK(tenon_transport_abort(self.transport));
    REQUIRE_EQ(self.lost, 0);
    PUMP_UNTIL(self.lost);
    REQUIRE_STATUS(self.lost_status, TENON_ABORTED);
    REQUIRE(read_to_end(peer) <= written - queued);
    close_fd(&peer);
}

static void p09_abort_wins_over_close(void)
{
    recorder self = {.silent = true};
    int peer = recorder_pair(&self);
    fill(self.transport);
    REQUIRE_OK(tenon_transport_close(self.transport));
    rig_settle();
    REQUIRE_EQ(self.lost, 0);
    REQUIRE_OK(tenon_transport_abort(self.transport));
    REQUIRE_OK(tenon_transport_abort(self.transport));
    REQUIRE_OK(tenon_transport_close(self.transport));
    PUMP_UNTIL(self.lost);
    rig_settle();
    REQUIRE_EQ(self.lost, 1);
    REQUIRE_STATUS(self.lost_status, TENON_ABORTED);
    close_fd(&peer);
}

static void say_bye(recorder *self)
{
    REQUIRE_OK(tenon_transport_write(self->transport, "bye", 3));
    REQUIRE_OK(tenon_transport_close(self->transport));
}

static void p10_close_in_made(void)
{
    char text[8];
    recorder self = {.made_fn = say_bye};
    int peer = recorder_pair(&self);
    PUMP_UNTIL(self.lost);
    drain(peer, text, sizeof text);
    REQUIRE_STR(text, "bye");
    REQUIRE_NOTES("made lost:TENON_OK");
    close_fd(&peer);
}

static void p10_abort_in_made(void)
{
    recorder self = {.made_fn = abort_inside};
    int peer = recorder_pair(&self);
    PUMP_UNTIL(self.lost);
    REQUIRE_NOTES("made abort returned lost:TENON_ABORTED");
    close_fd(&peer);
}

static void p11_an_error_from_made(void)
{
    recorder self = {.on_made = TENON_PROTOCOL};
    int fds[2];
    socket_pair(fds);
    put(fds[1], "never seen");
    recorder_adopt(&self, &fds[0]);
    PUMP_UNTIL(self.lost);
    rig_settle();
    REQUIRE_NOTES("made lost:TENON_PROTOCOL");
    rig.reports = 0; /* told to the protocol, perhaps to the handler too */
    read_to_end(fds[1]);
    close_fd(&fds[1]);
}

static void p12_an_error_from_data(void)
{
    recorder self = {.on_data = -EBADMSG, .merged = true};
    int peer = recorder_pair(&self);
    put(peer, "x");
    PUMP_UNTIL(self.lost);
    rig_settle();
    REQUIRE_NOTES("made data lost:EBADMSG");
    rig.reports = 0;
    close_fd(&peer);
}

static void p12_an_error_from_eof(void)
{
    recorder self = {.on_eof = TENON_PROTOCOL};
    int peer = recorder_pair(&self);
    REQUIRE(shutdown(peer, SHUT_WR) == 0);
    PUMP_UNTIL(self.lost);
    REQUIRE_NOTES("made eof lost:TENON_PROTOCOL");
    rig.reports = 0;
    close_fd(&peer);
}

static void p12_an_error_from_pause(void)
{
    recorder self = {.on_pause = TENON_PROTOCOL};
    int peer = recorder_pair(&self);
    fill(self.transport);
    REQUIRE_OK(tenon_transport_set_write_limits(self.transport, 0, 0));
    PUMP_UNTIL(self.lost);
    REQUIRE_NOTES("made pause lost:TENON_PROTOCOL");
    rig.reports = 0;
    close_fd(&peer);
}

static void p14_half_close(void)
{
    char text[8];
    recorder self = {.on_eof = TENON_KEEP_OPEN};
    int peer = recorder_pair(&self);
    REQUIRE(shutdown(peer, SHUT_WR) == 0);
    PUMP_UNTIL(self.eof);
    rig_pump_for(MS(10));
    REQUIRE_NOTES("made eof");
    REQUIRE_OK(tenon_transport_write(self.transport, "still", 5));
    rig_settle();
    drain(peer, text, sizeof text);
    REQUIRE_STR(text, "still");
    end_with_close(&self, &peer);
    REQUIRE_NOTES("made eof lost:TENON_OK");
}

static void p14_end_of_file_closes_after_the_flush(void)
{
    recorder self = {.silent = true};
    int peer = recorder_pair(&self);
    size_t written = fill(self.transport);
    REQUIRE(shutdown(peer, SHUT_WR) == 0);
    PUMP_UNTIL(self.eof);
    REQUIRE_EQ(read_to_end(peer), written);
    PUMP_UNTIL(self.lost);
    REQUIRE_STATUS(self.lost_status, TENON_OK);
    close_fd(&peer);
}

static void p17_a_reset(void)
{
    int fds[2];
    recorder self = {0};
    struct linger hard = {.l_onoff = 1};
    tcp_pair(fds);
    recorder_adopt(&self, &fds[0]);
    REQUIRE(setsockopt(fds[1], SOL_SOCKET, SO_LINGER, &hard, sizeof hard) == 0);
    close_fd(&fds[1]);
    PUMP_UNTIL(self.lost);
    rig_settle();
    REQUIRE_NOTES("made lost:ECONNRESET");
}

/* Input that nobody read does not turn the end into a reset. */
static void p17_closed_over_input(void)
{
    static char input[100000];
    int fds[2];
    char reply[8] = "";
    recorder self = {.made_fn = pause_inside};
    tcp_pair(fds);
    recorder_adopt(&self, &fds[0]);
    REQUIRE(send(fds[1], input, sizeof input, MSG_NOSIGNAL) > 0);
    REQUIRE_OK(tenon_transport_write(self.transport, "bye", 3));
    REQUIRE_OK(tenon_transport_close(self.transport));
    PUMP_UNTIL(self.lost);
    REQUIRE_STATUS(self.lost_status, TENON_OK);
    int64_t end_ns = rig_deadline();
    while (recv(fds[1], reply, sizeof reply, MSG_PEEK) < 3) {
        rig_pump_step(end_ns, __FILE__, __LINE__, "the last bytes");
    }
    REQUIRE_EQ(recv(fds[1], reply, sizeof reply, 0), 3);
    ssize_t got;
    while ((got = recv(fds[1], reply, sizeof reply, 0)) < 0 &&
           errno == EAGAIN) {
        rig_pump_step(end_ns, __FILE__, __LINE__, "the end");
    }
    if (!rig_swept()) { /* what could not be thrown away resets */
        REQUIRE_EQ(got, 0);
    }
    close_fd(&fds[1]);
}

static void p17_a_failing_write(void)
{
    int fds[2];
    recorder self = {.made_fn = pause_inside};
    tcp_pair(fds);
    recorder_adopt(&self, &fds[0]);
    close_fd(&fds[1]);
    int64_t end_ns = rig_deadline();
    while (!self.lost) {
        tenon_status status = tenon_transport_write(self.transport, "x", 1);
        if (status != TENON_CLOSED) {
            REQUIRE_OK(status);
        }
        rig_pump_step(end_ns, __FILE__, __LINE__, "connection_lost");
    }
    rig_settle();
    REQUIRE_EQ(self.lost, 1);
    REQUIRE(self.lost_status == -EPIPE || self.lost_status == -ECONNRESET);
}

static void p18_pause_and_resume(void)
{
    recorder self = {.merged = true};
    int peer = recorder_pair(&self);
    tenon_transport *t = self.transport;
    REQUIRE(tenon_transport_is_reading(t));
    for (int round = 0; round < 3; round++) {
        REQUIRE_OK(tenon_transport_pause_reading(t));
        REQUIRE_OK(tenon_transport_pause_reading(t));
        REQUIRE(!tenon_transport_is_reading(t));
        size_t before = self.received;
        put(peer, "one");
        rig_pump_for(MS(5));
        put(peer, "two");
        rig_pump_for(MS(5));
        REQUIRE_EQ(self.received, before);
        REQUIRE_OK(tenon_transport_resume_reading(t));
        REQUIRE_OK(tenon_transport_resume_reading(t));
        REQUIRE_EQ(self.received, before);
        PUMP_UNTIL(self.received == before + 6);
    }
    REQUIRE_STR(self.data, "onetwoonetwoonetwo");
    end_with_close(&self, &peer);
}

static void p18_a_paused_connection_costs_nothing(void)
{
    recorder self = {.made_fn = pause_inside};
    int peer = recorder_pair(&self);
    put(peer, "waiting");
    rig_settle();
    uint64_t events = rig_stats().events;
    rig_pump_for(MS(30));
    REQUIRE_EQ(rig_stats().events, events);
    end_with_close(&self, &peer);
}

static void p19_the_end_waits_for_resume(void)
{
    recorder self = {.made_fn = pause_inside, .merged = true};
    int peer = recorder_pair(&self);
    put(peer, "last words");
    close_fd(&peer);
    rig_pump_for(MS(20));
    REQUIRE_NOTES("made");
    REQUIRE_OK(tenon_transport_resume_reading(self.transport));
    PUMP_UNTIL(self.lost);
    REQUIRE_NOTES("made data eof lost:TENON_OK");
    REQUIRE_STR(self.data, "last words");
}

/* ---- an error with details ---- */

static void fail_inside(recorder *self, const void *data, size_t len)
{
    (void)data;
    (void)len;
    tenon_error *error = tenon_error_of(TENON_LIMIT, "too many words");
    REQUIRE_OK(tenon_transport_fail(self->transport, error));
    tenon_error_unref(error);
    self->on_data = TENON_PROTOCOL;
}

static void failing_with_details(void)
{
    recorder self = {.data_fn = fail_inside, .merged = true};
    int peer = recorder_pair(&self);
    put(peer, "x");
    PUMP_UNTIL(self.lost);
    REQUIRE_NOTES("made data lost:TENON_LIMIT");
    rig.reports = 0;
    close_fd(&peer);
}

static const rig_case cases[] = {
    {"P01", "made, data, end of file, lost: once each, in order",
     p01_the_order_of_things, 0},
    {"P02", "reading begins after connection_made",
     p02_reading_begins_after_made, 0},
    {"P02b", "reading may be paused in connection_made", p02_paused_in_made, 0},
    {"P07", "close stops reading, flushes, then loses",
     p07_close_flushes_then_loses, 0},
    {"P07b", "close calls nobody back at once", p07_close_is_not_reentrant, 0},
    {"P08", "abort in data_received", p08_abort_from_data, 0},
    {"P08b", "abort in resume_writing", p08_abort_from_resume, 0},
    {"P08c", "abort drops what is queued", p08_abort_drops_what_is_queued, 0},
    {"P09", "abort wins over close, lost comes once", p09_abort_wins_over_close,
     0},
    {"P10", "close in connection_made delivers what was written",
     p10_close_in_made, 0},
    {"P10b", "abort in connection_made", p10_abort_in_made, 0},
    {"P11", "an error from connection_made ends the connection with it",
     p11_an_error_from_made, 0},
    {"P12", "an error from data_received ends the connection with it",
     p12_an_error_from_data, 0},
    {"P12b", "an error from eof_received ends the connection with it",
     p12_an_error_from_eof, 0},
    {"P12c", "an error from pause_writing ends the connection with it",
     p12_an_error_from_pause, 0},
    {"P14", "a protocol may keep its side open", p14_half_close, 0},
    {"P14b", "the peer's end closes us once all is flushed",
     p14_end_of_file_closes_after_the_flush, 0},
    {"P17", "a reset is connection_lost(ECONNRESET)", p17_a_reset, 0},
    {"P17b", "a failing write is connection_lost, once", p17_a_failing_write,
     0},
    {"P17c", "closed over input that nobody read, the end is clean",
     p17_closed_over_input, 0},
    {"P18", "pause_reading stops data until resume, in order",
     p18_pause_and_resume, 0},
    {"P18b", "a paused connection costs no wake-up",
     p18_a_paused_connection_costs_nothing, 0},
    {"P19", "the peer's end waits for resume", p19_the_end_waits_for_resume, 0},
    {"P30", "fail carries its error to connection_lost", failing_with_details,
     0},
};

const rig_group rig_stream = RIG_GROUP(cases);
