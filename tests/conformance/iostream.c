/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Group I, what reads of a stream take and leave: up to a separator, a line,
 * so many bytes, all; and their limits.
 */

#include <stdlib.h>

#include "iostream_rig.h"

/* In pieces of one byte, a turn each, while somebody reads. */
static tenon_status send_slowly(void *text)
{
    for (const char *c = text; *c; c++) {
        REQUIRE_OK(tenon_transport_write(peer, c, 1));
        TENON_TRY(tenon_yield());
        TENON_TRY(tenon_yield());
    }
    return TENON_OK;
}

/* ---- I02, I03, I04: up to something ---- */

static tenon_status until_across_chunks(void *user)
{
    tenon_bytes got;
    (void)user;
    tenon_task *sender = spawn(send_slowly, "one\r\r\ntwo\r\nrest");
    REQUIRE_OK(tenon_stream_read_until(stream, "\r\n", 0, &got));
    require_bytes(&got, "one\r\r\n");
    REQUIRE_OK(tenon_stream_read_until(stream, "\r\n", 0, &got));
    require_bytes(&got, "two\r\n");
    REQUIRE_OK(tenon_join(sender));
    tenon_task_unref(sender);
    REQUIRE_OK(tenon_stream_read(stream, 100, &got));
    require_bytes(&got, "rest");
    return TENON_OK;
}

static void i02_separators_across_chunks(void)
{
    run(until_across_chunks);
}

static tenon_status until_the_first_of_many(void *user)
{
    const tenon_bytes many[] = {{"--end", 5}, {";", 1}, {"x;", 2}};
    const tenon_read what = {.size = sizeof what,
                             .kind = TENON_READ_UNTIL,
                             .separators = many,
                             .separator_count = 3};
    tenon_bytes got;
    (void)user;
    tell_peer("ax;b--end;");
    REQUIRE_OK(tenon_stream_read_for(stream, &what, &got));
    require_bytes(&got, "ax;");
    REQUIRE_OK(tenon_stream_read_for(stream, &what, &got));
    require_bytes(&got, "b--end");
    REQUIRE_OK(tenon_stream_read_for(stream, &what, &got));
    require_bytes(&got, ";");
    return TENON_OK;
}

static void i02_the_one_that_ends_first(void)
{
    run(until_the_first_of_many);
}

/* Found behind the limit, and not found within it: both times what may be read
 * without cutting a separator is told, and can be read. */
static tenon_status until_over_the_limit(void *user)
{
    tenon_bytes got;
    (void)user;
    tell_peer("0123456789##tail");
    REQUIRE_STATUS(tenon_stream_read_until(stream, "##", 8, &got), TENON_LIMIT);
    require_bytes(&got, "0123456789");
    REQUIRE_OK(tenon_stream_read_exactly(stream, got.len, &got));
    REQUIRE_OK(tenon_stream_read_until(stream, "##", 8, &got));
    require_bytes(&got, "##");
    REQUIRE_OK(tenon_stream_read_exactly(stream, 4, &got));
    tell_peer("abcdefghij#");
    REQUIRE_STATUS(tenon_stream_read_until(stream, "##", 8, &got), TENON_LIMIT);
    require_bytes(&got, "abcdefghij");
    REQUIRE_EQ(tenon_stream_available(stream), 11);
    tell_peer("#");
    REQUIRE_OK(tenon_stream_read_until(stream, "##", 12, &got));
    require_bytes(&got, "abcdefghij##");
    return TENON_OK;
}

static void i02_over_the_limit_nothing_is_lost(void)
{
    run(until_over_the_limit);
}

static tenon_status line_over_the_limit(void *user)
{
    tenon_bytes got;
    (void)user;
    REQUIRE_OK(tenon_stream_set_limit(stream, 4));
    tell_peer("12345\nab\r\n\nlast");
    REQUIRE_STATUS(tenon_stream_read_line(stream, &got), TENON_LIMIT);
    require_bytes(&got, "12345");
    REQUIRE_OK(tenon_stream_read(stream, 4, &got));
    require_bytes(&got, "1234");
    REQUIRE_OK(tenon_stream_read_line(stream, &got));
    require_bytes(&got, "5");
    REQUIRE_OK(tenon_stream_read_line(stream, &got));
    require_bytes(&got, "ab");
    REQUIRE_OK(tenon_stream_read_line(stream, &got));
    require_bytes(&got, "");
    REQUIRE_OK(tenon_transport_write_eof(peer));
    REQUIRE_OK(tenon_stream_read_line(stream, &got));
    require_bytes(&got, "last");
    REQUIRE_STATUS(tenon_stream_read_line(stream, &got), TENON_ENDED);
    return TENON_OK;
}

static void i03_lines(void)
{
    run(line_over_the_limit);
}

/* A run of digits and what ends it. */
static ssize_t match_number(const void *data, size_t len, bool ended,
                            void *user)
{
    const char *text = data;
    size_t i = 0;
    (void)user;
    while (i < len && text[i] >= '0' && text[i] <= '9') {
        i++;
    }
    if (i == len) {
        return ended ? (ssize_t)len : 0;
    }
    return i > 0 ? (ssize_t)i + 1 : TENON_PROTOCOL;
}

static tenon_status match_with_limit(void *user)
{
    const tenon_read what = {.size = sizeof what,
                             .kind = TENON_READ_MATCH,
                             .max = 4,
                             .match = match_number};
    tenon_bytes got;
    (void)user;
    tell_peer("12,");
    REQUIRE_OK(tenon_stream_read_for(stream, &what, &got));
    require_bytes(&got, "12,");
    tell_peer("1234,5,");
    REQUIRE_STATUS(tenon_stream_read_for(stream, &what, &got), TENON_LIMIT);
    REQUIRE_OK(tenon_stream_read_until(stream, ",", 0, &got));
    require_bytes(&got, "1234,");
    REQUIRE_OK(tenon_stream_read_for(stream, &what, &got));
    require_bytes(&got, "5,");
    tell_peer("x");
    REQUIRE_STATUS(tenon_stream_read_for(stream, &what, &got), TENON_PROTOCOL);
    REQUIRE_OK(tenon_stream_read_exactly(stream, 1, &got));
    tell_peer("77");
    REQUIRE_OK(tenon_transport_write_eof(peer));
    REQUIRE_OK(tenon_stream_read_for(stream, &what, &got));
    require_bytes(&got, "77");
    return TENON_OK;
}

static void i04_a_match_beyond_the_limit_fails(void)
{
    run(match_with_limit);
}

/* ---- I05, I06: some, exactly, into, all ---- */

static tenon_status read_some(void *user)
{
    tenon_bytes got;
    (void)user;
    REQUIRE_OK(tenon_stream_read(stream, 0, &got));
    REQUIRE_EQ(got.len, 0);
    tell_peer("abc");
    REQUIRE_OK(tenon_stream_read(stream, 100, &got));
    require_bytes(&got, "abc");
    tell_peer("defgh");
    REQUIRE_OK(tenon_stream_read(stream, 2, &got));
    require_bytes(&got, "de");
    const void *held = got.data;
    tell_peer("ijk"); /* what was handed out stays in its place meanwhile */
    TENON_TRY(tenon_yield());
    TENON_TRY(tenon_yield());
    REQUIRE(memcmp(held, "de", 2) == 0);
    REQUIRE_OK(tenon_stream_read_exactly(stream, 6, &got));
    require_bytes(&got, "fghijk");
    REQUIRE_OK(tenon_stream_read_exactly(stream, 0, &got));
    REQUIRE_EQ(got.len, 0);
    tell_peer("xy");
    REQUIRE_OK(tenon_transport_write_eof(peer));
    REQUIRE_STATUS(tenon_stream_read_exactly(stream, 3, &got), TENON_ENDED);
    require_bytes(&got, "xy");
    REQUIRE_OK(tenon_stream_read(stream, 100, &got));
    require_bytes(&got, "xy");
    REQUIRE_STATUS(tenon_stream_read(stream, 100, &got), TENON_ENDED);
    REQUIRE(tenon_stream_at_end(stream));
    return TENON_OK;
}

static void i05_what_is_there(void)
{
    run(read_some);
}

enum { LONG = 300000 };

static unsigned char pattern(size_t i)
{
    return (unsigned char)(i * 7 + i / 251);
}

static tenon_status send_long(void *user)
{
    unsigned char *all = malloc(LONG);
    (void)user;
    for (size_t i = 0; i < LONG; i++) {
        all[i] = pattern(i);
    }
    REQUIRE_OK(tenon_transport_write(peer, all, LONG));
    free(all);
    return tenon_transport_close(peer);
}

static tenon_status read_into(void *user)
{
    unsigned char *all = malloc(LONG);
    size_t have = 0;
    size_t got = 0;
    (void)user;
    REQUIRE_OK(tenon_stream_read_into(stream, all, 0, &got));
    REQUIRE_EQ(got, 0);
    tenon_task *sender = spawn(send_long, NULL);
    tenon_status status = TENON_OK;
    while (have < LONG &&
           (status = tenon_stream_read_into(stream, all + have, LONG - have,
                                            &got)) == TENON_OK) {
        REQUIRE(got > 0);
        have += got;
    }
    REQUIRE_OK(status);
    for (size_t i = 0; i < LONG; i++) {
        REQUIRE(all[i] == pattern(i));
    }
    REQUIRE_STATUS(tenon_stream_read_into(stream, all, 10, &got), TENON_ENDED);
    free(all);
    REQUIRE_OK(tenon_join(sender));
    tenon_task_unref(sender);
    return TENON_OK;
}

static void i06_into_memory_of_the_callers(void)
{
    run(read_into);
}

static tenon_status read_all(void *user)
{
    tenon_bytes got;
    (void)user;
    tenon_task *sender = spawn(send_long, NULL);
    REQUIRE_STATUS(tenon_stream_read_all(stream, 1000, &got), TENON_LIMIT);
    REQUIRE_EQ(got.len, 1000);
    REQUIRE_OK(tenon_stream_read_all(stream, LONG, &got));
    REQUIRE_EQ(got.len, LONG);
    for (size_t i = 0; i < LONG; i++) {
        REQUIRE(((const unsigned char *)got.data)[i] == pattern(i));
    }
    REQUIRE_OK(tenon_join(sender));
    tenon_task_unref(sender);
    return TENON_OK;
}

static void i06_all_to_the_end(void)
{
    run(read_all);
}

static const rig_case cases[] = {
    {"I02", "separators are found across chunks", i02_separators_across_chunks,
     0},
    {"I02b", "of several the one that ends first", i02_the_one_that_ends_first,
     0},
    {"I02c", "over the limit what may be read is told",
     i02_over_the_limit_nothing_is_lost, 0},
    {"I03", "a line over the limit leaves the stream usable", i03_lines, 0},
    {"I04", "what would match beyond the limit fails",
     i04_a_match_beyond_the_limit_fails, 0},
    {"I05", "a read gives what is there, nothing for nothing",
     i05_what_is_there, 0},
    {"I06", "into memory of the caller's", i06_into_memory_of_the_callers, 0},
    {"I06b", "all to the end of the stream", i06_all_to_the_end, 0},
};

const rig_group rig_iostream = RIG_GROUP(cases);
