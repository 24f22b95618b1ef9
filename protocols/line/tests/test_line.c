/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Lines, for any chunks: what a random session comes to is compared with a
 * reading of the same bytes in one piece, by a parser that knows no chunks.
 */

#include <tenon/line.h>
#include <tenon/tenon.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness_check.h"

static harness_guard guard;
static tenon_reactor *reactor;
static tenon_transport *feeder; /* the side that sends */
static bool feeder_lost;

typedef struct session {
    tenon_line line;
    char log[500000];
    size_t len;
    size_t raw_left;
    size_t pause_every; /* lines; 0: never */
    size_t lines;
    size_t depth;
    size_t deepest;
    bool lost;
    tenon_status status;
    tenon_status on_exceeded;
    void (*on_line)(struct session *s, const char *text, size_t len);
} session;

static session s;

static void put(char *log, size_t *at, char mark, const char *data, size_t len)
{
    ck_assert_uint_lt(*at + len + 3, sizeof s.log);
    log[(*at)++] = mark;
    memcpy(log + *at, data, len);
    *at += len;
    log[(*at)++] = '|';
}

static void resume(void *user)
{
    session *self = user;
    if (!self->lost) {
        ck_assert_int_eq(
            tenon_transport_resume_reading(tenon_line_transport(&self->line)),
            TENON_OK);
    }
}

/* "Rn": n raw bytes follow. */
static size_t raw_of(const char *text, size_t len)
{
    return len == 2 && text[0] == 'R' ? (size_t)(text[1] - '0') : 0;
}

static tenon_status on_line(void *user, tenon_line *line, const char *text,
                            size_t len)
{
    session *self = user;
    self->depth++;
    self->deepest = self->depth > self->deepest ? self->depth : self->deepest;
    ck_assert(tenon_transport_is_reading(tenon_line_transport(line)));
    put(self->log, &self->len, 'L', text, len);
    self->raw_left = raw_of(text, len);
    if (self->raw_left > 0) {
        tenon_line_set_raw(line);
    }
    self->lines++;
    if (self->pause_every && self->lines % self->pause_every == 0) {
        tenon_transport_pause_reading(tenon_line_transport(line));
        ck_assert_int_ge(tenon_call_soon(reactor, resume, self), 0);
    }
    if (self->on_line) {
        self->on_line(self, text, len);
    }
    self->depth--;
    return TENON_OK;
}

static tenon_status on_raw(void *user, tenon_line *line, const void *data,
                           size_t len)
{
    session *self = user;
    size_t mine = len < self->raw_left ? len : self->raw_left;
    for (size_t i = 0; i < mine; i++) {
        put(self->log, &self->len, 'B', (const char *)data + i, 1);
    }
    self->raw_left -= mine;
    if (self->raw_left == 0) {
        ck_assert_int_eq(tenon_line_set_lines(line, len + 1), TENON_INVALID);
        ck_assert_int_eq(tenon_line_set_lines(line, len - mine), TENON_OK);
        ck_assert_int_eq(tenon_line_set_lines(line, 1), TENON_INVALID);
    }
    return TENON_OK;
}

static tenon_status on_exceeded(void *user, tenon_line *line, const char *text,
                                size_t len)
{
    session *self = user;
    ck_assert_ptr_eq(line, &self->line);
    put(self->log, &self->len, 'X', text, len);
    return self->on_exceeded;
}

static tenon_status on_eof(void *user, tenon_line *line)
{
    session *self = user;
    (void)line;
    put(self->log, &self->len, 'E', "", 0);
    return TENON_OK;
}

static tenon_status on_lost(void *user, tenon_line *line,
                            const tenon_error *error)
{
    session *self = user;
    (void)line;
    self->lost = true;
    self->status = tenon_error_status(error);
    return TENON_OK;
}

static const tenon_line_ops ops = {.size = sizeof ops,
                                   .name = "lines",
                                   .line_received = on_line,
                                   .raw_received = on_raw,
                                   .line_length_exceeded = on_exceeded,
                                   .eof_received = on_eof,
                                   .connection_lost = on_lost};
static const tenon_line_ops plain = {
    .size = sizeof plain, .line_received = on_line, .connection_lost = on_lost};

static tenon_status feeder_gone(void *self, tenon_transport *t,
                                const tenon_error *error)
{
    (void)self;
    (void)t;
    (void)error;
    feeder_lost = true;
    return TENON_OK;
}
static const tenon_protocol_ops feeding = {.size = sizeof feeding,
                                           .connection_lost = feeder_gone};

/* ---- the setting ---- */

static void setup(void)
{
    harness_guard_begin(&guard);
    tenon_reactor_options options = {.size = sizeof options,
                                     .allocator = &guard.heap.allocator,
                                     .slow_callback_ns = -1,
                                     .read_buffer_len = 1 << 20};
    ck_assert_int_eq(tenon_manual_new(&reactor, &options), TENON_OK);
    memset(&s, 0, sizeof s);
    feeder_lost = false;
}

static void teardown(void)
{
    tenon_reactor_unref(reactor);
    harness_guard_end(&guard);
}

static void join(const tenon_line_ops *table, const tenon_line_options *how,
                 size_t chunk_max, uint64_t seed)
{
    tenon_transport *t[2];
    tenon_memory_options memory = {.size = sizeof memory,
                                   .capacity = 1 << 20,
                                   .chunk_max = chunk_max,
                                   .seed = seed};
    tenon_factory reading = {0};
    ck_assert_int_eq(tenon_line_init(&s.line, table, &s, how), TENON_OK);
    reading.shared = tenon_line_protocol(&s.line);
    ck_assert_int_eq(tenon_memory_pair(reactor, t, tenon_factory_of(&feeding),
                                       reading, &memory),
                     TENON_OK);
    feeder = t[0];
    ck_assert_int_eq(tenon_manual_advance(reactor, 0), TENON_OK);
    ck_assert_ptr_eq(tenon_line_transport(&s.line), t[1]);
}

static void feed(const char *bytes, size_t len)
{
    ck_assert_int_ge(tenon_transport_write(feeder, bytes, len), 0);
    ck_assert_int_eq(tenon_manual_advance(reactor, 0), TENON_OK);
}

static void feed_text(const char *text)
{
    feed(text, strlen(text));
}

static void finish(void)
{
    if (!feeder_lost) {
        tenon_transport_close(feeder);
    }
    ck_assert_int_eq(tenon_manual_advance(reactor, 0), TENON_OK);
    ck_assert(s.lost && feeder_lost);
}

static void require_log(const char *text)
{
    ck_assert_uint_eq(s.len, strlen(text));
    ck_assert_mem_eq(s.log, text, s.len);
}

/* ---- any chunking gives the same lines ---- */

enum { MAX = 12 };

/* The same in one piece. */
static size_t reference(const char *bytes, size_t len, const char *delimiter,
                        size_t delimiter_len, char *out)
{
    size_t at = 0;
    size_t used = 0;
    size_t raw = 0;
    while (at < len) {
        if (raw > 0) {
            put(out, &used, 'B', bytes + at++, 1);
            raw--;
            continue;
        }
        size_t end = at;
        while (end + delimiter_len <= len &&
               memcmp(bytes + end, delimiter, delimiter_len) != 0) {
            end++;
        }
        bool whole = end + delimiter_len <= len;
        size_t text_len = whole ? end - at : len - at;
        if (text_len > MAX) {
            put(out, &used, 'X', bytes + at, MAX + 1);
        } else if (whole) {
            put(out, &used, 'L', bytes + at, text_len);
            raw = raw_of(bytes + at, text_len);
        }
        if (!whole) {
            break;
        }
        at = end + delimiter_len;
    }
    put(out, &used, 'E', "", 0);
    return used;
}

static uint64_t state;
static unsigned draw(unsigned below)
{
    state = state * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (unsigned)(state >> 33) % below;
}

static size_t compose(char *out, const char *delimiter, size_t delimiter_len)
{
    size_t len = 0;
    for (unsigned lines = 20 + draw(60); lines > 0; lines--) {
        unsigned kind = draw(8);
        if (kind == 0) { /* raw bytes, delimiters among them */
            unsigned raw = 1 + draw(9);
            out[len++] = 'R';
            out[len++] = (char)('0' + raw);
            memcpy(out + len, delimiter, delimiter_len);
            len += delimiter_len;
            for (; raw > 0; raw--) {
                out[len++] = "ab\r\n-"[draw(5)];
            }
            continue;
        }
        for (unsigned n = draw(kind == 1 ? 40 : MAX + 1); n > 0; n--) {
            out[len++] = "abcdefg\r-="[draw(10)];
        }
        memcpy(out + len, delimiter, delimiter_len);
        len += delimiter_len;
    }
    /* And one that is not complete; too long by itself or not. */
    for (unsigned n = draw(MAX + 4); n > 0; n--) {
        out[len++] = 'z';
    }
    return len;
}

START_TEST(I11_any_chunking_gives_the_same_lines)
{
    static const char *const delimiters[] = {"\r\n", "\n", "--=", "aab"};
    static char bytes[8192];
    static char wanted[sizeof s.log];
    for (uint64_t seed = 1; seed <= 60; seed++) {
        const char *delimiter = delimiters[(seed + (uint64_t)_i) % 4];
        tenon_line_options how = {.size = sizeof how,
                                  .delimiter = delimiter,
                                  .delimiter_len = strlen(delimiter),
                                  .max_len = MAX};
        state = seed * 1000 + (uint64_t)_i;
        size_t len = compose(bytes, delimiter, strlen(delimiter));
        size_t wanted_len =
            reference(bytes, len, delimiter, strlen(delimiter), wanted);
        memset(&s, 0, sizeof s);
        feeder_lost = false;
        s.on_exceeded = TENON_KEEP_OPEN;
        s.pause_every = draw(4);
        size_t chunk = _i == 0 ? 1 : _i == 1 ? 0 : 1 + draw(30);
        join(&ops, &how, chunk, _i == 3 ? seed : 0);
        for (size_t at = 0; at < len;) {
            size_t step = 1 + draw((unsigned)(len - at));
            feed(bytes + at, step);
            at += step;
        }
        finish();
        ck_assert_msg(s.len == wanted_len &&
                          memcmp(s.log, wanted, wanted_len) == 0,
                      "seed %d:\n%.*s\nnot\n%.*s", (int)seed, (int)s.len, s.log,
                      (int)wanted_len, wanted);
        ck_assert_int_eq(s.status, TENON_OK);
    }
}
END_TEST

/* ---- the edges ---- */

START_TEST(I11_exactly_so_long)
{
    tenon_line_options how = {.size = sizeof how, .max_len = 4};
    join(&ops, &how, (size_t)_i, 0);
    s.on_exceeded = TENON_KEEP_OPEN;
    feed_text("abcd\r\nabcde\r\n\r\n\r\r\nx\ry\r\nabcd\rz\r\nq\r\n");
    require_log("Labcd|Xabcde|L|L\r|Lx\ry|Xabcd\r|Lq|");
    finish();
}
END_TEST

START_TEST(I11_too_long_closes)
{
    tenon_line_options how = {.size = sizeof how, .max_len = 4};
    join(&ops, &how, 0, 0);
    feed_text("one\r\nabcdefgh\r\ntwo\r\n");
    require_log("Lone|Xabcde|");
    ck_assert(s.lost && feeder_lost);
    ck_assert_int_eq(s.status, TENON_OK);
}
END_TEST

START_TEST(I11_too_long_aborts_where_nobody_asks)
{
    static char bytes[70000];
    join(&plain, NULL, 0, 0);
    memset(bytes, 'x', sizeof bytes);
    feed(bytes, TENON_LINE_MAX_DEFAULT);
    ck_assert(!s.lost);
    feed_text("\r");
    ck_assert(!s.lost);
    feed_text("\nab");
    ck_assert_uint_eq(s.lines, 1);
    feed(bytes, TENON_LINE_MAX_DEFAULT);
    ck_assert(s.lost && feeder_lost);
    ck_assert_int_eq(s.status, TENON_LIMIT);
}
END_TEST

START_TEST(I12_lines_and_raw_bytes_in_one_chunk)
{
    join(&ops, NULL, 0, 0);
    feed_text("one\r\nR3\r\n\r\nxtwo\r\nR1\r\nythree\r\n");
    require_log("Lone|LR3|B\r|B\n|Bx|Ltwo|LR1|By|Lthree|");
    finish();
}
END_TEST

START_TEST(I12_paused_inside_holds_the_rest)
{
    join(&ops, NULL, 0, 0);
    s.on_exceeded = TENON_OK;
    s.pause_every = 1;
    feed_text("one\r\ntwo\r\nR3\r\nab");
    feed_text("cthree\r\nfour");
    require_log("Lone|Ltwo|LR3|Ba|Bb|Bc|Lthree|");
    finish();
    require_log("Lone|Ltwo|LR3|Ba|Bb|Bc|Lthree|E|");
}
END_TEST

static void pause_for_good(session *self, const char *text, size_t len)
{
    (void)text;
    (void)len;
    tenon_transport_pause_reading(tenon_line_transport(&self->line));
}

START_TEST(I12_nothing_comes_while_paused)
{
    join(&ops, NULL, 0, 0);
    s.on_line = pause_for_good;
    feed_text("one\r\ntwo\r\nthree");
    feed_text("\r\n");
    tenon_transport_close(feeder);
    ck_assert_int_eq(tenon_manual_advance(reactor, 0), TENON_OK);
    require_log("Lone|");
    resume(&s);
    require_log("Lone|"); /* not inside the call */
    ck_assert_int_eq(tenon_manual_advance(reactor, 0), TENON_OK);
    require_log("Lone|Ltwo|");
    resume(&s);
    ck_assert_int_eq(tenon_manual_advance(reactor, 0), TENON_OK);
    require_log("Lone|Ltwo|Lthree|");
    resume(&s);
    finish();
    require_log("Lone|Ltwo|Lthree|E|");
}
END_TEST

static void close_now(session *self, const char *text, size_t len)
{
    (void)text;
    (void)len;
    tenon_transport_close(tenon_line_transport(&self->line));
}

START_TEST(I12_nothing_comes_after_close)
{
    join(&ops, NULL, 0, 0);
    s.on_line = close_now;
    feed_text("one\r\ntwo\r\nthree");
    require_log("Lone|");
    ck_assert(s.lost && feeder_lost);
}
END_TEST

START_TEST(I13_many_lines_in_one_chunk)
{
    enum { LINES = 100000 };
    static char bytes[LINES * 4];
    for (size_t i = 0; i < LINES; i++) {
        memcpy(bytes + i * 4, "ab\r\n", 4);
    }
    join(&ops, NULL, 0, 0);
    s.pause_every = (size_t)_i;
    /* The log holds them all. */
    feed(bytes, sizeof bytes);
    ck_assert_uint_eq(s.lines, LINES);
    ck_assert_uint_eq(s.deepest, 1);
    finish();
}
END_TEST

/* ---- giving the connection away ---- */

static char rest[64];
static size_t rest_len;

static tenon_status rest_data(void *self, tenon_transport *t, const void *data,
                              size_t len)
{
    (void)self;
    (void)t;
    ck_assert_uint_le(rest_len + len, sizeof rest);
    memcpy(rest + rest_len, data, len);
    rest_len += len;
    return TENON_OK;
}

static tenon_status rest_lost(void *self, tenon_transport *t,
                              const tenon_error *error)
{
    (void)t;
    (void)error;
    ((session *)self)->lost = true;
    return TENON_OK;
}

static const tenon_protocol_ops rest_ops = {.size = sizeof rest_ops,
                                            .data_received = rest_data,
                                            .connection_lost = rest_lost};

static void give_away(session *self, const char *text, size_t len)
{
    tenon_protocol next = {&rest_ops, self};
    if (len == 2 && memcmp(text, "go", 2) == 0) {
        ck_assert_int_eq(tenon_line_set_protocol(&self->line, next), TENON_OK);
    }
}

START_TEST(P21_the_rest_goes_to_the_next_protocol)
{
    rest_len = 0;
    join(&ops, NULL, (size_t)_i, 0);
    s.on_line = give_away;
    feed_text("one\r\ngo\r\ntwo\r\nthree");
    feed_text("\r\nend");
    finish();
    require_log("Lone|Lgo|");
    ck_assert_uint_eq(rest_len, 15);
    ck_assert_mem_eq(rest, "two\r\nthree\r\nend", 15);
}
END_TEST

START_TEST(P21_a_line_that_waits_goes_too)
{
    tenon_protocol next = {&rest_ops, &s};
    rest_len = 0;
    join(&ops, NULL, 0, 0);
    s.on_line = pause_for_good;
    feed_text("one\r\ntwo\r\nthr");
    ck_assert_int_eq(tenon_line_set_protocol(&s.line, next), TENON_OK);
    resume(&s);
    feed_text("ee");
    ck_assert_uint_eq(rest_len, 10);
    ck_assert_mem_eq(rest, "two\r\nthree", 10);
    finish();
}
END_TEST

START_TEST(sends_and_refuses)
{
    tenon_line_options how = {
        .size = sizeof how, .delimiter = "123456789", .delimiter_len = 9};
    ck_assert_int_eq(tenon_line_init(&s.line, &ops, &s, &how), TENON_INVALID);
    ck_assert_int_eq(tenon_line_init(&s.line, NULL, &s, NULL), TENON_INVALID);
    ck_assert_int_eq(tenon_line_init(&s.line, &ops, &s, NULL), TENON_OK);
    ck_assert_int_eq(tenon_line_send(&s.line, "x", 1), TENON_INVALID);
    join(&ops, NULL, 0, 0);
    ck_assert_int_eq(
        tenon_transport_set_protocol(feeder, (tenon_protocol){&rest_ops, &s}),
        TENON_OK);
    rest_len = 0;
    ck_assert_int_eq(tenon_line_send(&s.line, "hello", 5), TENON_OK);
    ck_assert_int_eq(tenon_line_send(&s.line, "", 0), TENON_OK);
    ck_assert_int_eq(tenon_manual_advance(reactor, 0), TENON_OK);
    ck_assert_uint_eq(rest_len, 9);
    ck_assert_mem_eq(rest, "hello\r\n\r\n", 9);
    tenon_line_set_max_len(&s.line, 2);
    feed_text("ab\r\nabc\r\n");
    require_log("Lab|Xabc|");
    ck_assert(s.lost);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("line");
    TCase *all = tcase_create("all");
    tcase_add_checked_fixture(all, setup, teardown);
    tcase_set_timeout(all, 30);
    tcase_add_loop_test(all, I11_any_chunking_gives_the_same_lines, 0, 4);
    tcase_add_loop_test(all, I11_exactly_so_long, 0, 8);
    tcase_add_test(all, I11_too_long_closes);
    tcase_add_test(all, I11_too_long_aborts_where_nobody_asks);
    tcase_add_test(all, I12_lines_and_raw_bytes_in_one_chunk);
    tcase_add_test(all, I12_paused_inside_holds_the_rest);
    tcase_add_test(all, I12_nothing_comes_while_paused);
    tcase_add_test(all, I12_nothing_comes_after_close);
    tcase_add_loop_test(all, I13_many_lines_in_one_chunk, 0, 2);
    tcase_add_loop_test(all, P21_the_rest_goes_to_the_next_protocol, 0, 4);
    tcase_add_test(all, P21_a_line_that_waits_goes_too);
    tcase_add_test(all, sends_and_refuses);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
