/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Group B: flow control. The queue is made exact by first filling the kernel
 * behind it; from then on every byte counts.
 */

#include "recorder.h"

#include <stdlib.h>
#include <unistd.h>

static char block[1 << 16];

static void write_exactly(recorder *self, size_t len, tenon_status status)
{
    REQUIRE(len <= sizeof block);
    REQUIRE_STATUS(tenon_transport_write(self->transport, block, len), status);
}

static size_t queued(const recorder *self)
{
    return tenon_transport_write_queue_len(self->transport);
}

static void set_limits(recorder *self, size_t high, size_t low)
{
    REQUIRE_OK(tenon_transport_set_write_limits(self->transport, high, low));
}

static void require_limits(recorder *self, size_t high, size_t low)
{
    size_t got_high;
    size_t got_low;
    tenon_transport_get_write_limits(self->transport, &got_high, &got_low);
    REQUIRE_EQ(got_high, high);
    REQUIRE_EQ(got_low, low);
}

static void end_with_abort(recorder *self, int *peer)
{
    REQUIRE_OK(tenon_transport_abort(self->transport));
    PUMP_UNTIL(self->lost);
    close_fd(peer);
}

static void b01_strictly_above_high(void)
{
    recorder self = {0};
    int peer = recorder_pair(&self);
    fill(self.transport);
    size_t high = queued(&self) + 100;
    set_limits(&self, high, 0);
    write_exactly(&self, 100, TENON_OK);
    REQUIRE_EQ(queued(&self), high);
    rig_settle();
    REQUIRE_EQ(self.pauses, 0);
    write_exactly(&self, 1, TENON_HIGH);
    REQUIRE_EQ(self.pauses, 0); /* not inside the call */
    write_exactly(&self, 50, TENON_HIGH);
    rig_settle();
    REQUIRE_EQ(self.pauses, 1);
    write_exactly(&self, 50, TENON_HIGH);
    rig_settle();
    REQUIRE_NOTES("made pause");
    end_with_abort(&self, &peer);
}

static void resume_at_or_below_low(void)
{
    recorder self = {.silent = true};
    int peer = recorder_pair(&self);
    size_t written = fill(self.transport);
    set_limits(&self, queued(&self) + 10, queued(&self) - 1);
    write_exactly(&self, 11, TENON_HIGH);
    rig_settle();
    REQUIRE(self.pauses == 1 && self.resumes == 0);
    read_sum(peer, written + 11);
    PUMP_UNTIL(self.resumes == 1);
    rig_settle();
    REQUIRE(self.pauses == 1 && self.resumes == 1);
    end_with_abort(&self, &peer);
}

static void b03_limits_derive(void)
{
    recorder self = {.silent = true};
    int peer = recorder_pair(&self);
    tenon_transport *t = self.transport;
    require_limits(&self, TENON_HIGH_DEFAULT, TENON_LOW_DEFAULT);
    REQUIRE_EQ(TENON_HIGH_DEFAULT, 65536);
    REQUIRE_EQ(TENON_LOW_DEFAULT, 16384);
    set_limits(&self, 1000, TENON_LIMIT_AUTO);
    require_limits(&self, 1000, 250);
    set_limits(&self, TENON_LIMIT_AUTO, 1000);
    require_limits(&self, 4000, 1000);
    set_limits(&self, TENON_LIMIT_AUTO, TENON_LIMIT_AUTO);
    require_limits(&self, TENON_HIGH_DEFAULT, TENON_LOW_DEFAULT);
    REQUIRE_STATUS(tenon_transport_set_write_limits(t, 10, 11), TENON_INVALID);
    require_limits(&self, TENON_HIGH_DEFAULT, TENON_LOW_DEFAULT);
    set_limits(&self, 0, 0);
    require_limits(&self, 0, 0);
    end_with_abort(&self, &peer);
}

static void b03_high_zero(void)
{
    recorder self = {.silent = true};
    int peer = recorder_pair(&self);
    size_t written = fill(self.transport);
    set_limits(&self, 0, 0);
    rig_settle();
    REQUIRE_EQ(self.pauses, 1);
    read_sum(peer, written);
    PUMP_UNTIL(self.resumes == 1);
    REQUIRE_EQ(queued(&self), 0);
    end_with_abort(&self, &peer);
}

static void b04_new_limits_count_at_once(void)
{
    recorder self = {0};
    int peer = recorder_pair(&self);
    fill(self.transport);
    size_t now = queued(&self);
    rig_settle();
    REQUIRE_EQ(self.pauses, 0);
    set_limits(&self, now - 1, 0);
    write_exactly(&self, 1, TENON_HIGH);
    rig_settle();
    REQUIRE_NOTES("made pause");
    set_limits(&self, now + 1000, now + 1000);
    write_exactly(&self, 1, TENON_OK);
    rig_settle();
    REQUIRE_NOTES("made pause resume");
    end_with_abort(&self, &peer);
}

/* There and back within a turn: two notices or none, never one. */
static void there_and_back_is_balanced(void)
{
    recorder self = {0};
    int peer = recorder_pair(&self);
    fill(self.transport);
    size_t now = queued(&self);
    set_limits(&self, now - 1, 0);
    set_limits(&self, now + 1000, now + 1000);
    rig_settle();
    REQUIRE_EQ(self.pauses, self.resumes);
    write_exactly(&self, 1, TENON_OK);
    end_with_abort(&self, &peer);
}

static void b05_parts_count_as_writes(void)
{
    recorder self = {0};
    struct iovec parts[3] = {{block, 40}, {block, 40}, {block, 21}};
    int peer = recorder_pair(&self);
    fill(self.transport);
    size_t now = queued(&self);
    set_limits(&self, now + 100, 0);
    REQUIRE_STATUS(tenon_transport_writev(self.transport, parts, 3),
                   TENON_HIGH);
    REQUIRE_EQ(queued(&self), now + 101);
    rig_settle();
    REQUIRE_NOTES("made pause");
    end_with_abort(&self, &peer);
}

static void write_to_the_other(recorder *self)
{
    recorder *other = self->user;
    REQUIRE_OK(tenon_transport_write(other->transport, "from resume", 11));
}

static void b06_resume_may_write_elsewhere(void)
{
    char text[32];
    recorder other = {.silent = true};
    recorder self = {
        .silent = true, .resume_fn = write_to_the_other, .user = &other};
    int other_peer = recorder_pair(&other);
    int peer = recorder_pair(&self);
    size_t written = fill(self.transport);
    set_limits(&self, 1, 0);
    REQUIRE_OK(tenon_transport_write(other.transport, "before ", 7));
    rig_settle();
    uint64_t zeros = 0;
    for (size_t left = written; left > 0;) {
        size_t len = left < sizeof block ? left : sizeof block;
        zeros = checksum(zeros, block, len);
        left -= len;
    }
    REQUIRE(read_sum(peer, written) == zeros);
    PUMP_UNTIL(self.resumes == 1);
    rig_settle();
    drain(other_peer, text, sizeof text);
    REQUIRE_STR(text, "before from resume");
    end_with_abort(&self, &peer);
    end_with_abort(&other, &other_peer);
}

static void b07_no_resume_after_the_end(void)
{
    recorder self = {0};
    int peer = recorder_pair(&self);
    fill(self.transport);
    set_limits(&self, 1, 0);
    rig_settle();
    REQUIRE_NOTES("made pause");
    REQUIRE_OK(tenon_transport_close(self.transport));
    REQUIRE(read_to_end(peer) > 0);
    PUMP_UNTIL(self.lost);
    REQUIRE_NOTES("made pause lost:TENON_OK");
    close_fd(&peer);
}

static void b07_loss_while_paused(void)
{
    recorder self = {0};
    int peer = recorder_pair(&self);
    fill(self.transport);
    set_limits(&self, 1, 0);
    rig_settle();
    close_fd(&peer);
    PUMP_UNTIL(self.lost);
    rig_settle();
    REQUIRE(!noted("resume"));
    REQUIRE_EQ(self.lost, 1);
}

static void b14_the_hard_cap(void)
{
    recorder self = {.silent = true};
    struct iovec parts[2] = {{block, 60}, {block, 60}};
    int peer = recorder_pair(&self);
    size_t written = fill(self.transport);
    size_t now = queued(&self);
    set_limits(&self, now, 0);
    REQUIRE_OK(tenon_transport_set_hard_limit(self.transport, now + 200));
    write_exactly(&self, 100, TENON_HIGH); /* was not above high before */
    write_exactly(&self, 101, TENON_LIMIT);
    REQUIRE_STATUS(tenon_transport_writev(self.transport, parts, 2),
                   TENON_LIMIT);
    REQUIRE_EQ(queued(&self), now + 100);
    write_exactly(&self, 100, TENON_HIGH);
    write_exactly(&self, 1, TENON_LIMIT);
    REQUIRE_OK(tenon_transport_close(self.transport));
    REQUIRE_EQ(read_to_end(peer), written + 200);
    PUMP_UNTIL(self.lost);
    close_fd(&peer);
}

/* A write on a queue that is not high is taken whole, however long. */
static void a_long_write_is_taken_whole(void)
{
    recorder self = {.silent = true};
    int peer = recorder_pair(&self);
    char *bytes = calloc(1, 1000000);
    REQUIRE(bytes != NULL);
    REQUIRE_OK(tenon_transport_set_hard_limit(self.transport, 1000));
    REQUIRE_STATUS(tenon_transport_write(self.transport, bytes, 1000000),
                   TENON_HIGH);
    free(bytes);
    write_exactly(&self, 1, TENON_LIMIT);
    read_sum(peer, 1000000);
    end_with_abort(&self, &peer);
}

static const rig_case cases[] = {
    {"B01", "pause_writing comes once, strictly above high",
     b01_strictly_above_high, 0},
    {"B02", "resume_writing comes at or below low", resume_at_or_below_low, 0},
    {"B03", "limits derive from each other and are checked", b03_limits_derive,
     0},
    {"B03b", "high at zero pauses on any byte, resumes on none", b03_high_zero,
     0},
    {"B04", "new limits count at once", b04_new_limits_count_at_once, 0},
    {"B05", "writev counts as write does", b05_parts_count_as_writes, 0},
    {"B06", "resume_writing may write to another transport",
     b06_resume_may_write_elsewhere, 0},
    {"B07", "no resume_writing after close", b07_no_resume_after_the_end, 0},
    {"B07b", "a loss while paused", b07_loss_while_paused, 0},
    {"B14", "beyond the hard cap nothing is taken", b14_the_hard_cap, 0},
    {"B20", "high and low again within a turn is balanced",
     there_and_back_is_balanced, 0},
    {"B21", "a long write on a low queue is taken whole",
     a_long_write_is_taken_whole, 0},
};

const rig_group rig_flow = RIG_GROUP(cases);
