/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Groups I and B, what ends a read of a stream and who may wait for it: second
 * reads, failures, closing; reads by futures; room to write and to read.
 */

#include "iostream_rig.h"

/* ---- I07: one at a time ---- */

static tenon_status read_one(void *user)
{
    tenon_bytes got;
    (void)user;
    TENON_TRY(tenon_stream_read_exactly(stream, 3, &got));
    require_bytes(&got, "abc");
    return TENON_OK;
}

static tenon_status read_twice(void *user)
{
    tenon_bytes got;
    tenon_future *future = NULL;
    const tenon_read some = {
        .size = sizeof some, .kind = TENON_READ_SOME, .max = 10};
    (void)user;
    tenon_task *first = spawn(read_one, NULL);
    TENON_TRY(tenon_yield());
    REQUIRE_STATUS(tenon_stream_read(stream, 10, &got), TENON_BUSY);
    REQUIRE_STATUS(tenon_stream_read_future(stream, &some, &future),
                   TENON_BUSY);
    tell_peer("abc");
    REQUIRE_OK(tenon_join(first));
    tenon_task_unref(first);
    return TENON_OK;
}

static void i07_a_second_read_is_refused(void)
{
    run(read_twice);
}

/* ---- I09, I10: failures ---- */

static tenon_status flush_then_lose(void *user)
{
    tenon_bytes got;
    (void)user;
    REQUIRE_OK(tenon_stream_write(stream, "12345", 5));
    REQUIRE_OK(tenon_stream_flush(stream));
    tell_peer("left");
    TENON_TRY(tenon_yield());
    TENON_TRY(tenon_yield());
    tenon_error *error = tenon_error_of(TENON_PROTOCOL, "a bad peer");
    REQUIRE_OK(tenon_transport_fail(tenon_stream_transport(stream), error));
    tenon_error_unref(error);
    REQUIRE_STATUS(tenon_stream_wait_closed(stream), TENON_PROTOCOL);
    REQUIRE_STATUS(tenon_stream_read_exactly(stream, 10, &got), TENON_PROTOCOL);
    rig_require_message(tenon_task_error(), "a bad peer");
    REQUIRE_OK(tenon_stream_read(stream, 10, &got)); /* it had come before */
    require_bytes(&got, "left");
    REQUIRE_STATUS(tenon_stream_read(stream, 10, &got), TENON_PROTOCOL);
    REQUIRE_STATUS(tenon_stream_drain(stream), TENON_PROTOCOL);
    REQUIRE_STATUS(tenon_stream_flush(stream), TENON_PROTOCOL);
    REQUIRE_STATUS(tenon_stream_write(stream, "x", 1), TENON_CLOSED);
    return TENON_OK;
}

static void i09_the_cause_of_the_loss(void)
{
    run(flush_then_lose);
}

static tenon_status read_failing(void *wanted)
{
    tenon_bytes got;
    tenon_status status = tenon_stream_read_exactly(stream, 3, &got);
    REQUIRE_STATUS(status, *(tenon_status *)wanted);
    return TENON_OK;
}

static tenon_status fail_and_cancel(void *user)
{
    static tenon_status cancelled = TENON_CANCELLED;
    static tenon_status aborted = TENON_ABORTED;
    tenon_bytes got;
    (void)user;
    tenon_task *reader = spawn(read_failing, &cancelled);
    TENON_TRY(tenon_yield());
    tell_peer("ab");
    TENON_TRY(tenon_yield());
    cancel_waiting(reader);
    tell_peer("c"); /* complete, in the same turn as the cancelling */
    REQUIRE_OK(tenon_join(reader));
    tenon_task_unref(reader);
    REQUIRE_OK(tenon_stream_read_exactly(stream, 3, &got));
    require_bytes(&got, "abc");
    reader = spawn(read_failing, &aborted);
    TENON_TRY(tenon_yield());
    tenon_error *error = tenon_error_of(TENON_ABORTED, "enough");
    REQUIRE_OK(tenon_stream_fail(stream, error));
    tenon_error_unref(error);
    REQUIRE_OK(tenon_join(reader));
    tenon_task_unref(reader);
    REQUIRE_STATUS(tenon_stream_read(stream, 1, &got), TENON_ABORTED);
    return TENON_OK;
}

static void i10_an_error_wakes_the_reader(void)
{
    run(fail_and_cancel);
}

static tenon_status close_under_reader(void *user)
{
    static tenon_status closed = TENON_CLOSED;
    tenon_bytes got;
    (void)user;
    tenon_task *reader = spawn(read_failing, &closed);
    TENON_TRY(tenon_yield());
    REQUIRE_OK(tenon_stream_close(stream));
    REQUIRE_OK(tenon_join(reader));
    tenon_task_unref(reader);
    REQUIRE_STATUS(tenon_stream_read(stream, 1, &got), TENON_CLOSED);
    REQUIRE_OK(tenon_stream_wait_closed(stream));
    REQUIRE_OK(tenon_stream_wait_closed(stream));
    return TENON_OK;
}

static void i09_close_wakes_the_reader(void)
{
    run(close_under_reader);
}

/* ---- by futures ---- */

static tenon_future *ask(uint32_t kind, size_t count)
{
    const tenon_read what = {
        .size = sizeof what, .kind = kind, .count = count, .max = count};
    tenon_future *future = NULL;
    REQUIRE_OK(tenon_stream_read_future(stream, &what, &future));
    return future;
}

static void require_answer(tenon_future *future, const char *wanted)
{
    void *value = NULL;
    PUMP_UNTIL(tenon_future_is_done(future));
    REQUIRE_OK(tenon_future_value(future, &value));
    require_bytes(value, wanted);
    tenon_future_unref(future);
}

static void i05_by_futures(void)
{
    open_stream();
    tenon_future *f = ask(TENON_READ_EXACTLY, 5);
    tell_peer("abcdefg");
    require_answer(f, "abcde");
    require_answer(ask(TENON_READ_SOME, 100), "fg");
    f = ask(TENON_READ_LINE, 100);
    REQUIRE_EQ(tenon_future_cancel(f, NULL), TENON_EXISTED);
    tenon_future_unref(f);
    tell_peer("line\nx");
    require_answer(ask(TENON_READ_LINE, 100), "line");
    REQUIRE_OK(tenon_transport_write_eof(peer));
    f = ask(TENON_READ_EXACTLY, 2);
    PUMP_UNTIL(tenon_future_is_done(f));
    REQUIRE_STATUS(tenon_error_status(tenon_future_error(f)), TENON_ENDED);
    tenon_future_unref(f);
    require_answer(ask(TENON_READ_ALL, 100), "x");
    close_stream();
}

/* ---- B08, B13: room ---- */

static int drained;

static tenon_status wait_for_room(void *user)
{
    (void)user;
    tenon_status status = tenon_stream_drain(stream);
    drained++;
    return status;
}

enum { MUCH = 1000000, DRAINERS = 3 };

static void b08_all_who_wait_for_room_go_on(void)
{
    static char much[MUCH];
    tenon_task *tasks[DRAINERS + 1];
    open_stream();
    drained = 0;
    REQUIRE_OK(tenon_transport_pause_reading(peer));
    REQUIRE_STATUS(tenon_stream_write(stream, much, MUCH), TENON_HIGH);
    for (int i = 0; i <= DRAINERS; i++) {
        tasks[i] = spawn(wait_for_room, NULL);
    }
    rig_settle();
    REQUIRE_EQ(drained, 0);
    cancel_waiting(tasks[0]);
    require_end(tasks[0], TENON_CANCELLED);
    REQUIRE_OK(tenon_transport_resume_reading(peer));
    for (int i = 1; i <= DRAINERS; i++) {
        require_end(tasks[i], TENON_OK);
    }
    REQUIRE_EQ(drained, DRAINERS + 1);
    PUMP_UNTIL(arrived == MUCH);
    close_stream();
}

static void b08_and_when_the_connection_is_lost(void)
{
    static char much[MUCH];
    open_stream();
    REQUIRE_OK(tenon_transport_pause_reading(peer));
    REQUIRE_STATUS(tenon_stream_write(stream, much, MUCH), TENON_HIGH);
    tenon_task *task = spawn(wait_for_room, NULL);
    rig_settle();
    REQUIRE_OK(tenon_stream_abort(stream));
    require_end(task, TENON_CLOSED);
    close_stream();
}

static tenon_status read_below(void *user)
{
    tenon_bytes got;
    tenon_transport *t = tenon_stream_transport(stream);
    (void)user;
    REQUIRE(!tenon_transport_is_reading(t));
    REQUIRE_OK(tenon_stream_read_exactly(
        stream, tenon_stream_available(stream) - 1500, &got));
    REQUIRE(!tenon_transport_is_reading(t));
    REQUIRE_OK(tenon_stream_read_exactly(stream, 1000, &got));
    REQUIRE(tenon_transport_is_reading(t));
    return TENON_OK;
}

static tenon_status read_nothing(void *user)
{
    tenon_bytes got;
    (void)user;
    return tenon_stream_available(stream) ? TENON_OK
                                          : tenon_stream_read(stream, 1, &got);
}

/* What a sweep did to the connection is told by a read. */
static void require_connected(void)
{
    if (rig_swept()) {
        require_end(spawn(read_nothing, NULL), TENON_OK);
    }
}

static void b13_what_nobody_reads_stops_the_transport(void)
{
    static char much[MUCH];
    open_stream();
    REQUIRE_OK(tenon_stream_set_limit(stream, 1000));
    REQUIRE_OK(tenon_transport_write(peer, much, 2000));
    rig_settle();
    require_connected();
    REQUIRE(tenon_transport_is_reading(tenon_stream_transport(stream)));
    REQUIRE(tenon_transport_write(peer, much, MUCH) >= 0);
    rig_settle();
    require_connected();
    REQUIRE(tenon_stream_available(stream) < MUCH);
    require_end(spawn(read_below, NULL), TENON_OK);
    close_stream();
}

static const rig_case cases[] = {
    {"I05b", "by futures, too", i05_by_futures, 0},
    {"I07", "a second read is refused", i07_a_second_read_is_refused, 0},
    {"I09", "flushed, and what fails when it is lost",
     i09_the_cause_of_the_loss, 0},
    {"I09b", "close wakes the reader", i09_close_wakes_the_reader, 0},
    {"I10", "an error wakes the reader, a cancelled one takes nothing",
     i10_an_error_wakes_the_reader, 0},
    {"B08", "all who wait for room go on", b08_all_who_wait_for_room_go_on, 0},
    {"B08b", "and when there will be none", b08_and_when_the_connection_is_lost,
     0},
    {"B13", "what nobody reads stops the transport",
     b13_what_nobody_reads_stops_the_transport, 0},
};

const rig_group rig_iostream_ends = RIG_GROUP(cases);
