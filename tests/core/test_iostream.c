/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Streams that are asked: a task that talks to a task; bytes that are exact
 * however they come and are read; limits; who has his turn; and refusals.
 */

#include <stdlib.h>

#include "stream_rig.h"

static tenon_status echo_lines(tenon_stream *s, void *user)
{
    tenon_bytes line;
    tenon_status status;
    (void)user;
    while ((status = tenon_stream_read_line(s, &line)) == TENON_OK) {
        TENON_TRY(tenon_stream_send(s, line.data, line.len));
        TENON_TRY(tenon_stream_send(s, "\n", 1));
    }
    return status == TENON_ENDED ? TENON_OK : status;
}

typedef struct talk {
    const char *address;
    tenon_listener *listener;
} talk;

static tenon_status converse(void *user)
{
    talk *t = user;
    tenon_stream *s = NULL;
    tenon_bytes bytes;
    TENON_TRY(tenon_stream_connect(reactor, t->address, NULL, &s));
    TENON_TRY(tenon_stream_send(s, "hello\nworld\n", 12));
    TENON_TRY(tenon_stream_read_exactly(s, 3, &bytes));
    ck_assert(memcmp(bytes.data, "hel", 3) == 0);
    TENON_TRY(tenon_stream_read_until(s, "ld", 0, &bytes));
    ck_assert(bytes.len == 8 && memcmp(bytes.data, "lo\nworld", 8) == 0);
    TENON_TRY(tenon_stream_write_eof(s));
    TENON_TRY(tenon_stream_read_all(s, 0, &bytes));
    ck_assert(bytes.len == 1);
    ck_assert(tenon_stream_at_end(s));
    ck_assert_int_eq(tenon_stream_read(s, 10, &bytes), TENON_ENDED);
    TENON_TRY(tenon_stream_close(s));
    TENON_TRY(tenon_stream_wait_closed(s));
    tenon_stream_unref(s);
    TENON_TRY(tenon_listener_close(t->listener));
    return TENON_OK;
}

START_TEST(a_task_talks_to_a_task)
{
    talk t = {.address = "mem:echo"};
    tenon_task *task = NULL;
    ck_assert_int_eq(
        tenon_serve(reactor, &t.listener, t.address, echo_lines, NULL, NULL),
        TENON_OK);
    ck_assert_int_eq(tenon_spawn(reactor, converse, &t, NULL, &task), TENON_OK);
    settle();
    ck_assert_int_eq(tenon_future_state(tenon_task_future(task)),
                     TENON_FUTURE_RESOLVED);
    tenon_task_unref(task);
    tenon_listener_unref(t.listener);
}
END_TEST

/* ---- however they come and are read ---- */

typedef struct load {
    unsigned char *bytes;
    size_t len;
    uint32_t random;
} load;

static uint32_t next_random(load *l)
{
    l->random = l->random * 1664525u + 1013904223u;
    return l->random >> 8;
}

static tenon_status echo_all(tenon_stream *s, void *user)
{
    static unsigned char room[32768];
    load *l = user;
    for (;;) {
        size_t got = 0;
        TENON_TRY(tenon_stream_read_into(
            s, room, 1 + next_random(l) % sizeof room, &got));
        TENON_TRY(tenon_stream_send(s, room, got));
    }
}

static tenon_status send_load(void *user)
{
    load *l = user;
    for (size_t sent = 0; sent < l->len;) {
        size_t len = 1 + next_random(l) % 20000;
        len = len < l->len - sent ? len : l->len - sent;
        TENON_TRY(tenon_stream_send(stream, l->bytes + sent, len));
        sent += len;
    }
    return tenon_stream_write_eof(stream);
}

static tenon_status read_piece(load *l, tenon_bytes *out, size_t left)
{
    static unsigned char room[70000];
    size_t len = 1 + next_random(l) % sizeof room;
    len = len < left ? len : left;
    switch (next_random(l) % 3) {
    case 0:
        return tenon_stream_read_exactly(stream, len, out);
    case 1:
        return tenon_stream_read(stream, len, out);
    default:
        out->data = room;
        return tenon_stream_read_into(stream, room, len, &out->len);
    }
}

static tenon_status there_and_back(void *user)
{
    load *l = user;
    tenon_task *sender;
    tenon_bytes got;
    TENON_TRY(tenon_stream_connect(reactor, "mem:echo", NULL, &stream));
    TENON_TRY(tenon_spawn(reactor, send_load, l, NULL, &sender));
    for (size_t have = 0; have < l->len; have += got.len) {
        TENON_TRY(read_piece(l, &got, l->len - have));
        ck_assert(memcmp(got.data, l->bytes + have, got.len) == 0);
    }
    ck_assert_int_eq(tenon_stream_read(stream, 1, &got), TENON_ENDED);
    TENON_TRY(tenon_join(sender));
    tenon_task_unref(sender);
    (void)tenon_stream_close(stream);
    tenon_stream_unref(stream);
    return TENON_OK;
}

static void echo_bytes(size_t len, uint32_t seed)
{
    load there = {.bytes = malloc(len), .len = len, .random = seed};
    load back = {.random = ~seed};
    tenon_listener *listener = NULL;
    for (size_t i = 0; i < len; i++) {
        there.bytes[i] = (unsigned char)(i * 31 + i / 257 + seed);
    }
    ck_assert_int_eq(
        tenon_serve(reactor, &listener, "mem:echo", echo_all, &back, NULL),
        TENON_OK);
    run(there_and_back, &there);
    ck_assert_int_eq(tenon_listener_close(listener), TENON_OK);
    tenon_listener_unref(listener);
    settle();
    free(there.bytes);
}

START_TEST(bytes_come_back_as_they_were)
{
    for (uint32_t seed = 1; seed <= 20; seed++) {
        echo_bytes(65536, seed);
    }
    for (uint32_t seed = 1; seed <= 4; seed++) {
        echo_bytes(1 << 20, seed);
    }
}
END_TEST

/* ---- limits ---- */

static tenon_status read_past_limits(void *user)
{
    tenon_bytes got;
    (void)user;
    ck_assert_int_eq(tenon_stream_set_limit(stream, 0), TENON_INVALID);
    ck_assert_int_eq(tenon_stream_set_limit(stream, SIZE_MAX), TENON_INVALID);
    TENON_TRY(tenon_stream_set_limit(stream, 4));
    tell_stream("0123456789\nab\n");
    ck_assert_int_eq(tenon_stream_read_line(stream, &got), TENON_LIMIT);
    ck_assert_uint_gt(got.len, 4);
    ck_assert_int_eq(tenon_stream_read_until(stream, "\n", 0, &got),
                     TENON_LIMIT);
    TENON_TRY(tenon_stream_read_until(stream, "\n", 11, &got));
    require_bytes(&got, "0123456789\n");
    TENON_TRY(tenon_stream_read_line(stream, &got));
    require_bytes(&got, "ab");
    return TENON_OK;
}

START_TEST(a_limit_loses_nothing)
{
    open_stream();
    run(read_past_limits, NULL);
    close_stream();
}
END_TEST

/* What nobody asks for stops the peer, and asking lets it go on. */
static tenon_status read_twenty(void *user)
{
    tenon_bytes got;
    (void)user;
    TENON_TRY(tenon_stream_read_exactly(stream, 20, &got));
    ck_assert_uint_eq(got.len, 20);
    return TENON_OK;
}

START_TEST(what_nobody_asks_for_stops_the_peer)
{
    open_stream_as(&(tenon_memory_options){.size = sizeof(tenon_memory_options),
                                           .chunk_max = 1});
    ck_assert_int_eq(tenon_stream_set_limit(stream, 4), TENON_OK);
    tell_stream("01234567890123456789");
    settle();
    ck_assert_uint_eq(tenon_stream_available(stream), 9); /* twice, and one */
    ck_assert(!tenon_transport_is_reading(tenon_stream_transport(stream)));
    run(read_twenty, NULL);
    ck_assert(tenon_transport_is_reading(tenon_stream_transport(stream)));
    close_stream();
}
END_TEST

/* ---- who has his turn ---- */

static bool enough;

static void on_soon(void *user)
{
    (void)user;
    enough = true;
}

/* Everything is there: it need not wait, and others have their turn. */
static tenon_status read_greedily(void *user)
{
    tenon_bytes got;
    int reads = 0;
    (void)user;
    ck_assert_int_eq(tenon_call_soon(reactor, on_soon, NULL), TENON_OK);
    while (!enough) {
        TENON_TRY(tenon_stream_read_exactly(stream, 1, &got));
        reads++;
    }
    ck_assert_int_lt(reads, 1000);
    return TENON_OK;
}

START_TEST(reads_that_need_not_wait_let_others_run)
{
    static char much[8000];
    memset(much, 'x', sizeof much - 1);
    open_stream();
    tell_stream(much);
    settle();
    run(read_greedily, NULL);
    close_stream();
}
END_TEST

/* ---- refusals ---- */

START_TEST(what_makes_no_sense_is_refused)
{
    tenon_bytes got;
    tenon_future *future = NULL;
    const tenon_bytes empty = {"", 0};
    tenon_read what = {.size = sizeof what, .kind = TENON_READ_UNTIL};
    open_stream();
    ck_assert_int_eq(tenon_stream_read_future(stream, &what, &future),
                     TENON_INVALID);
    what.separators = &empty;
    what.separator_count = 1;
    ck_assert_int_eq(tenon_stream_read_future(stream, &what, &future),
                     TENON_INVALID);
    what.kind = TENON_READ_MATCH;
    ck_assert_int_eq(tenon_stream_read_future(stream, &what, &future),
                     TENON_INVALID);
    what.kind = 99;
    ck_assert_int_eq(tenon_stream_read_future(stream, &what, &future),
                     TENON_INVALID);
    what.kind = TENON_READ_SOME;
    ck_assert_int_eq(tenon_stream_read_future(stream, &what, NULL),
                     TENON_INVALID);
    ck_assert_int_eq(tenon_stream_read(stream, 1, &got), TENON_INVALID);
    ck_assert_int_eq(tenon_stream_drain(stream), TENON_INVALID);
    ck_assert_int_eq(tenon_stream_fail(stream, NULL), TENON_INVALID);
    ck_assert_int_eq(tenon_stream_write(NULL, "x", 1), TENON_INVALID);
    ck_assert_int_eq(tenon_stream_close(NULL), TENON_INVALID);
    ck_assert_int_eq(tenon_stream_attach(NULL, &stream), TENON_INVALID);
    ck_assert_ptr_null(future);
    close_stream();
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        a_task_talks_to_a_task,
        bytes_come_back_as_they_were,
        a_limit_loses_nothing,
        what_nobody_asks_for_stops_the_peer,
        reads_that_need_not_wait_let_others_run,
        what_makes_no_sense_is_refused,
    };
    return RUN_TESTS("iostream", tests);
}
