/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Streams under attack, their ends: closed, failed, cancelled and dropped in
 * the very turn in which a read was complete; to a protocol and back; reads
 * whose stream, task or reactor goes away.
 */

#include "stream_rig.h"

/* ---- complete, and then something happens in the same turn ---- */

static tenon_status outcome; /* of a read */
static size_t got_len;

static tenon_status read_three(void *user)
{
    tenon_bytes got = {"none", 4};
    (void)user;
    outcome = tenon_stream_read_exactly(stream, 3, &got);
    got_len = got.len;
    return TENON_OK;
}

static tenon_status into_memory(void *user)
{
    static char room[8192];
    (void)user;
    outcome = tenon_stream_read_into(stream, room, sizeof room, &got_len);
    return TENON_OK;
}

/* The protocol's part of a turn and then, before the task has run, ours. */
static void complete_then(tenon_task_fn *reader, void (*then)(tenon_task *))
{
    tenon_task *task = spawn(reader, NULL, TENON_TASK_EAGER);
    const char *text = "abcdef";
    const tenon_protocol p =
        tenon_transport_protocol(tenon_stream_transport(stream));
    tenon_transport *t = tenon_stream_transport(stream);
    if (p.ops->get_buffer) {
        void *room = NULL;
        size_t len = 6;
        ck_assert_int_eq(p.ops->get_buffer(p.self, t, 6, &room, &len),
                         TENON_OK);
        memcpy(room, text, 6);
        ck_assert_int_eq(p.ops->buffer_updated(p.self, t, 6), TENON_OK);
    } else {
        ck_assert_int_eq(p.ops->data_received(p.self, t, text, 6), TENON_OK);
    }
    then(task);
    settle();
    require_end(task, TENON_OK);
}

static void then_close(tenon_task *task)
{
    (void)task;
    ck_assert_int_eq(tenon_stream_close(stream), TENON_OK);
}

START_TEST(a_close_forgets_what_a_read_has_not_taken)
{
    open_stream();
    complete_then(read_three, then_close);
    ck_assert_int_eq(outcome, TENON_CLOSED);
    ck_assert_uint_eq(got_len, 0);
    ck_assert_uint_eq(tenon_stream_available(stream), 0);
    ck_assert(tenon_stream_at_end(stream));
    close_stream();
}
END_TEST

static void then_fail(tenon_task *task)
{
    tenon_error *error = tenon_error_of(TENON_PROTOCOL, "nonsense");
    (void)task;
    ck_assert_int_eq(tenon_stream_fail(stream, error), TENON_OK);
    tenon_error_unref(error);
}

START_TEST(a_failure_forgets_what_a_read_has_not_taken)
{
    open_stream();
    complete_then(read_three, then_fail);
    ck_assert_int_eq(outcome, TENON_PROTOCOL);
    ck_assert_uint_eq(tenon_stream_available(stream), 0);
    close_stream();
}
END_TEST

static void then_cancel(tenon_task *task)
{
    (void)tenon_task_cancel(task, "now");
}

static tenon_status read_six(void *user)
{
    tenon_bytes got;
    (void)user;
    TENON_TRY(tenon_stream_read_exactly(stream, 6, &got));
    require_bytes(&got, "abcdef");
    return TENON_OK;
}

START_TEST(a_cancelled_read_takes_nothing)
{
    open_stream();
    complete_then(read_three, then_cancel);
    ck_assert_int_eq(outcome, TENON_CANCELLED);
    ck_assert_uint_eq(got_len, 0);
    run(read_six, NULL);
    close_stream();
}
END_TEST

static tenon_status into_then_yield(void *user)
{
    ck_assert_int_eq(into_memory(user), TENON_OK);
    ck_assert_int_eq(tenon_yield(), TENON_CANCELLED);
    return TENON_OK;
}

START_TEST(what_is_in_the_readers_memory_is_his)
{
    open_stream();
    complete_then(into_then_yield, then_cancel);
    ck_assert_int_eq(outcome, TENON_OK);
    ck_assert_uint_eq(got_len, 6);
    ck_assert_uint_eq(tenon_stream_available(stream), 0);
    close_stream();
}
END_TEST

/* Cancelled first: what comes then is kept for the next read. */
START_TEST(a_cancelled_reader_gives_its_memory_back)
{
    open_stream();
    tenon_task *task = spawn(into_memory, NULL, TENON_TASK_EAGER);
    (void)tenon_task_cancel(task, NULL);
    tell_stream("abcdef");
    settle();
    require_end(task, TENON_OK);
    ck_assert_int_eq(outcome, TENON_CANCELLED);
    ck_assert_uint_eq(tenon_stream_available(stream), 6);
    run(read_six, NULL);
    close_stream();
}
END_TEST

START_TEST(a_failed_stream_takes_no_more_into_the_readers_memory)
{
    open_stream();
    tenon_task *task = spawn(into_memory, NULL, TENON_TASK_EAGER);
    then_fail(task);
    (void)tenon_transport_resume_reading(tenon_stream_transport(stream));
    const tenon_protocol p =
        tenon_transport_protocol(tenon_stream_transport(stream));
    ck_assert(!p.ops->get_buffer);
    tell_stream("abc");
    settle();
    require_end(task, TENON_OK);
    ck_assert_int_eq(outcome, TENON_PROTOCOL);
    close_stream();
}
END_TEST

/* ---- dropped ---- */

static tenon_status read_and_drop(void *user)
{
    tenon_bytes got;
    tenon_stream *mine = user;
    TENON_TRY(tenon_stream_read_exactly(mine, 3, &got));
    require_bytes(&got, "abc");
    ck_assert_int_eq(tenon_stream_close(mine), TENON_OK);
    require_bytes(&got, "abc"); /* to the stream's end */
    tenon_stream_unref(mine);
    return TENON_OK;
}

START_TEST(a_stream_without_references_lives_while_somebody_reads)
{
    open_stream();
    tenon_task *task = spawn(read_and_drop, stream, TENON_TASK_EAGER);
    tell_stream("abc");
    settle();
    require_end(task, TENON_OK);
    ck_assert_int_eq(far.eofs, 1);
    (void)tenon_transport_close(far.transport);
    settle();
    ck_assert_int_eq(far.lost, 1);
}
END_TEST

START_TEST(the_last_reference_goes_while_a_task_reads)
{
    open_stream();
    tenon_task *task = spawn(read_three, NULL, TENON_TASK_EAGER);
    tenon_stream_unref(stream);
    (void)tenon_transport_abort(far.transport);
    settle();
    require_end(task, TENON_OK);
    ck_assert_int_lt(outcome, 0);
}
END_TEST

START_TEST(and_while_a_future_does)
{
    open_stream();
    tenon_future *future = ask(TENON_READ_EXACTLY, 3);
    tenon_transport *t = tenon_transport_ref(tenon_stream_transport(stream));
    tenon_stream_unref(stream);
    (void)tenon_transport_abort(t);
    tenon_transport_unref(t);
    settle();
    require_failure(future, TENON_ABORTED);
    ck_assert_int_eq(far.lost, 1);
}
END_TEST

/* Nobody looks at it any more: it takes nothing. */
START_TEST(a_future_that_is_dropped_takes_nothing)
{
    open_stream();
    tenon_future_unref(ask(TENON_READ_EXACTLY, 3));
    tell_stream("abcdef");
    settle();
    run(read_six, NULL);
    tenon_future *future = ask(TENON_READ_EXACTLY, 3);
    ck_assert_int_eq(tenon_stream_close(stream), TENON_OK);
    require_failure(future, TENON_CLOSED);
    close_stream();
}
END_TEST

/* Complete in one turn, cancelled or closed before anybody was told. */
START_TEST(a_future_races_with_the_end)
{
    open_stream();
    tenon_future *future = ask(TENON_READ_EXACTLY, 3);
    tell_stream("abcdef");
    settle();
    ck_assert_int_eq(tenon_future_cancel(future, NULL), TENON_OK);
    ck_assert_int_eq(tenon_stream_close(stream), TENON_OK);
    require_answer(future, "abc");
    close_stream();
}
END_TEST

/* ---- the reactor ends ---- */

static tenon_status wait_for_ever(void *user)
{
    tenon_bytes got;
    (void)user;
    outcome = tenon_stream_read(stream, 10, &got);
    return outcome;
}

START_TEST(the_reactor_ends_while_a_task_reads)
{
    open_stream();
    tenon_task *task = spawn(wait_for_ever, NULL, TENON_TASK_EAGER);
    ck_assert_int_eq(tenon_reactor_close(reactor), TENON_PENDING);
    while (tenon_reactor_close(reactor) == TENON_PENDING) {
        (void)tenon_manual_turn(reactor, NULL);
    }
    ck_assert(tenon_task_is_done(task));
    ck_assert_int_eq(outcome, TENON_CANCELLED);
    tenon_task_unref(task);
    tenon_stream_unref(stream);
    reports = 0; /* of what was open */
}
END_TEST

START_TEST(the_reactor_ends_while_a_future_reads)
{
    open_stream();
    tenon_future *future = ask(TENON_READ_LINE, 0);
    ck_assert_int_eq(tenon_reactor_close(reactor), TENON_OK);
    ck_assert(tenon_future_is_done(future));
    (void)tenon_future_error(future);
    tenon_future_unref(future);
    ck_assert_int_eq(tenon_stream_close(stream), TENON_OK);
    tenon_stream_unref(stream);
    reports = 0;
}
END_TEST

/* ---- to a protocol, and back ---- */

START_TEST(what_was_not_read_goes_to_the_protocol)
{
    open_stream();
    tell_stream("abcdefghi");
    settle();
    run(read_six, NULL);
    second.len = 0;
    ck_assert_int_eq(tenon_stream_detach(stream, far_protocol(&second)),
                     TENON_OK);
    ck_assert_uint_eq(tenon_stream_available(stream), 0);
    ck_assert_int_eq(tenon_stream_write(stream, "x", 1), TENON_CLOSED);
    ck_assert_int_eq(tenon_stream_abort(stream), TENON_OK); /* not its own */
    settle();
    ck_assert_str_eq(second.kept, "ghi");
    ck_assert_int_eq(second.lost, 0);
    tell_stream("jkl");
    (void)tenon_transport_close(far.transport);
    settle();
    ck_assert_str_eq(second.kept, "ghijkl");
    ck_assert_int_eq(second.eofs, 1);
    (void)tenon_transport_close(second.transport);
    settle();
    ck_assert_int_eq(second.lost, 1);
    tenon_stream_unref(stream);
}
END_TEST

static void detach_after_eof(const char *text)
{
    open_stream();
    if (*text) {
        tell_stream(text);
    }
    ck_assert_int_eq(tenon_transport_write_eof(far.transport), TENON_OK);
    settle();
    ck_assert_int_eq(tenon_stream_detach(stream, far_protocol(&second)),
                     TENON_OK);
    settle();
    ck_assert_str_eq(second.kept, text);
    ck_assert_int_eq(second.eofs, 1);
    (void)tenon_transport_close(second.transport);
    settle();
    ck_assert_int_eq(far.lost, 1);
    tenon_stream_unref(stream);
}

START_TEST(an_end_that_the_stream_has_seen_goes_along)
{
    detach_after_eof("");
}
END_TEST

START_TEST(and_comes_behind_what_was_not_read)
{
    detach_after_eof("rest");
}
END_TEST

START_TEST(an_end_that_the_protocol_has_seen_comes_along)
{
    open_stream();
    ck_assert_int_eq(tenon_stream_detach(stream, far_protocol(&second)),
                     TENON_OK);
    tenon_stream_unref(stream);
    ck_assert_int_eq(tenon_transport_write_eof(far.transport), TENON_OK);
    settle();
    ck_assert_int_eq(second.eofs, 1);
    ck_assert_int_eq(tenon_stream_attach(second.transport, &stream), TENON_OK);
    ck_assert(tenon_stream_at_end(stream));
    require_failure(ask(TENON_READ_SOME, 1), TENON_ENDED);
    close_stream();
}
END_TEST

static tenon_status wait_for_end(void *user)
{
    (void)user;
    put('w');
    outcome = tenon_stream_wait_closed(stream);
    put('e');
    return TENON_OK;
}

START_TEST(who_waits_for_the_end_of_a_stream_given_away_goes_on)
{
    open_stream();
    tenon_task *task = spawn(wait_for_end, NULL, TENON_TASK_EAGER);
    ck_assert_int_eq(tenon_stream_detach(stream, far_protocol(&second)),
                     TENON_OK);
    settle();
    ck_assert_str_eq(notes, "we");
    require_end(task, TENON_OK);
    ck_assert_int_eq(tenon_stream_detach(stream, far_protocol(&second)),
                     TENON_CLOSED);
    (void)tenon_transport_abort(far.transport);
    settle();
    tenon_stream_unref(stream);
}
END_TEST

/* Each time some bytes are left over, and more are on their way. */
START_TEST(to_and_fro)
{
    enum { TIMES = 20 };
    open_stream_as(&(tenon_memory_options){
        .size = sizeof(tenon_memory_options), .chunk_max = 3, .seed = 7});
    char wanted[TIMES * 4 + 1] = "";
    char had[TIMES * 4 + 1] = "";
    for (int i = 0; i < TIMES; i++) {
        char text[] = {(char)('a' + i), 'x', 'y', 'z', 0};
        strcat(wanted, text);
        tell_stream(text);
        turns(i % 4);
        tenon_future *future = ask(TENON_READ_SOME, 2);
        if (!tenon_future_is_done(future)) {
            (void)tenon_future_cancel(future, NULL);
        } else {
            void *value = NULL;
            ck_assert_int_eq(tenon_future_value(future, &value), TENON_OK);
            const tenon_bytes *got = value;
            strncat(had, got->data, got->len);
        }
        tenon_future_unref(future);
        second.len = 0;
        memset(second.kept, 0, sizeof second.kept);
        ck_assert_int_eq(tenon_stream_detach(stream, far_protocol(&second)),
                         TENON_OK);
        tenon_stream_unref(stream);
        turns(i % 3);
        ck_assert_int_eq(tenon_stream_attach(second.transport, &stream),
                         TENON_OK);
        strcat(had, second.kept);
    }
    ck_assert_int_eq(tenon_transport_write_eof(far.transport), TENON_OK);
    settle();
    tenon_future *rest = ask(TENON_READ_ALL, 1000);
    ck_assert(tenon_future_is_done(rest));
    void *value = NULL;
    ck_assert_int_eq(tenon_future_value(rest, &value), TENON_OK);
    strncat(had, ((const tenon_bytes *)value)->data,
            ((const tenon_bytes *)value)->len);
    tenon_future_unref(rest);
    ck_assert_str_eq(had, wanted);
    close_stream();
}
END_TEST

START_TEST(detaching_is_refused_while_somebody_reads)
{
    open_stream();
    tenon_future *future = ask(TENON_READ_LINE, 0);
    ck_assert_int_eq(tenon_stream_detach(stream, far_protocol(&second)),
                     TENON_BUSY);
    ck_assert_int_eq(tenon_stream_detach(stream, (tenon_protocol){0}),
                     TENON_BUSY);
    (void)tenon_future_cancel(future, NULL);
    tenon_future_unref(future);
    ck_assert_int_eq(tenon_stream_detach(stream, (tenon_protocol){0}),
                     TENON_INVALID);
    tell_stream("abcdef");
    settle();
    run(read_six, NULL);
    close_stream();
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        a_close_forgets_what_a_read_has_not_taken,
        a_failure_forgets_what_a_read_has_not_taken,
        a_cancelled_read_takes_nothing,
        what_is_in_the_readers_memory_is_his,
        a_cancelled_reader_gives_its_memory_back,
        a_failed_stream_takes_no_more_into_the_readers_memory,
        a_stream_without_references_lives_while_somebody_reads,
        the_last_reference_goes_while_a_task_reads,
        and_while_a_future_does,
        a_future_that_is_dropped_takes_nothing,
        a_future_races_with_the_end,
        the_reactor_ends_while_a_task_reads,
        the_reactor_ends_while_a_future_reads,
        what_was_not_read_goes_to_the_protocol,
        an_end_that_the_stream_has_seen_goes_along,
        and_comes_behind_what_was_not_read,
        an_end_that_the_protocol_has_seen_comes_along,
        who_waits_for_the_end_of_a_stream_given_away_goes_on,
        to_and_fro,
        detaching_is_refused_while_somebody_reads,
    };
    return RUN_TESTS("iostream ends", tests);
}
