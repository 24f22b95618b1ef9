/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The line protocol: a session in chunks of any size, with pauses and raw
 * bytes, comes to what a reader finds that has all of the bytes before it. The
 * first four bytes of an input say how, the others are what the peer sends.
 */

#include "fuzz.h"

#include <string.h>
#include <tenon/line.h>
#include <tenon/tenon.h>

enum { LEN_MAX = 4096, LOG_LEN = 8 * LEN_MAX, HEAD = 4 };

static const struct {
    const char *bytes;
    size_t len;
} delimiters[] = {{"\r\n", 2}, {"\n", 1}, {"aab", 3}, {"\0\0x", 3}};

typedef struct book {
    char text[LOG_LEN];
    size_t len;
} book;

static void put(book *b, char mark, const char *data, size_t len)
{
    HOLDS(b->len + len + 2 <= sizeof b->text);
    b->text[b->len++] = mark;
    memcpy(b->text + b->len, data, len);
    b->len += len;
    b->text[b->len++] = '|';
}

/* "Rn": n raw bytes follow. */
static size_t raw_of(const char *text, size_t len)
{
    bool is = len == 2 && text[0] == 'R' && text[1] >= '0' && text[1] <= '9';
    return is ? (size_t)(text[1] - '0') : 0;
}

/* ---- in one piece ---- */

typedef struct way {
    const char *delimiter;
    size_t delimiter_len;
    size_t max_len;
} way;

/* How much of the end may begin a delimiter. */
static size_t partial(const way *how, const char *end, size_t most)
{
    size_t len = how->delimiter_len - 1;
    len = len < most ? len : most;
    while (len > 0 && memcmp(end - len, how->delimiter, len) != 0) {
        len--;
    }
    return len;
}

static size_t find(const way *how, const char *bytes, size_t len)
{
    for (size_t at = 0; at + how->delimiter_len <= len; at++) {
        if (memcmp(bytes + at, how->delimiter, how->delimiter_len) == 0) {
            return at;
        }
    }
    return SIZE_MAX;
}

static void read_whole(book *out, const way *how, const char *bytes, size_t len)
{
    const char *end = bytes + len;
    size_t raw = 0;
    while (bytes < end) {
        size_t left = (size_t)(end - bytes);
        if (raw > 0) {
            put(out, 'B', bytes++, 1);
            raw--;
            continue;
        }
        size_t found = find(how, bytes, left);
        bool whole = found != SIZE_MAX;
        size_t text = whole ? found : left - partial(how, end, left);
        if (text > how->max_len) {
            put(out, 'X', bytes, how->max_len + 1);
        } else if (whole) {
            put(out, 'L', bytes, text);
            raw = raw_of(bytes, text);
        }
        bytes = whole ? bytes + found + how->delimiter_len : end;
    }
    put(out, 'E', "", 0);
}

/* ---- in chunks ---- */

static tenon_reactor *reactor;

typedef struct session {
    tenon_line line;
    book log;
    size_t raw_left;
    bool lost;
} session;

static void resume(void *user)
{
    session *s = user;
    if (!s->lost) {
        HOLDS(tenon_transport_resume_reading(tenon_line_transport(&s->line)) ==
              TENON_OK);
    }
}

static tenon_status on_line(void *self, tenon_line *line, const char *text,
                            size_t len)
{
    session *s = self;
    put(&s->log, 'L', text, len);
    s->raw_left = raw_of(text, len);
    if (s->raw_left > 0) {
        tenon_line_set_raw(line);
    }
    if (len > 0 && text[0] == 'P') {
        HOLDS(tenon_transport_pause_reading(tenon_line_transport(line)) ==
              TENON_OK);
        HOLDS(tenon_call_soon(reactor, resume, s) == TENON_OK);
    }
    return TENON_OK;
}

static tenon_status on_raw(void *self, tenon_line *line, const void *data,
                           size_t len)
{
    session *s = self;
    size_t mine = len < s->raw_left ? len : s->raw_left;
    for (size_t i = 0; i < mine; i++) {
        put(&s->log, 'B', (const char *)data + i, 1);
    }
    s->raw_left -= mine;
    return s->raw_left > 0 ? TENON_OK : tenon_line_set_lines(line, len - mine);
}

static tenon_status on_exceeded(void *self, tenon_line *line, const char *text,
                                size_t len)
{
    session *s = self;
    (void)line;
    put(&s->log, 'X', text, len);
    return TENON_KEEP_OPEN;
}

static tenon_status on_eof(void *self, tenon_line *line)
{
    session *s = self;
    (void)line;
    put(&s->log, 'E', "", 0);
    return TENON_OK;
}

static tenon_status on_lost(void *self, tenon_line *line,
                            const tenon_error *error)
{
    session *s = self;
    (void)line;
    HOLDS(error == NULL);
    s->lost = true;
    return TENON_OK;
}

static const tenon_line_ops ops = {.size = sizeof ops,
                                   .line_received = on_line,
                                   .raw_received = on_raw,
                                   .line_length_exceeded = on_exceeded,
                                   .eof_received = on_eof,
                                   .connection_lost = on_lost};

static const tenon_protocol_ops feeding = {.size = sizeof feeding};

static void run(session *s, const way *how, const uint8_t *head,
                const char *bytes, size_t len)
{
    tenon_transport *ends[2];
    const tenon_line_options lines = {.size = sizeof lines,
                                      .delimiter = how->delimiter,
                                      .delimiter_len = how->delimiter_len,
                                      .max_len = how->max_len};
    const tenon_memory_options memory = {.size = sizeof memory,
                                         .capacity = 2 * LEN_MAX,
                                         .chunk_max = 1 + head[2] % 40,
                                         .seed = head[3]};
    tenon_factory reading = {0};
    HOLDS(tenon_line_init(&s->line, &ops, s, &lines) == TENON_OK);
    reading.shared = tenon_line_protocol(&s->line);
    HOLDS(tenon_memory_pair(reactor, ends, tenon_factory_of(&feeding), reading,
                            &memory) == TENON_OK);
    HOLDS(tenon_manual_advance(reactor, 0) == TENON_OK);
    HOLDS(tenon_transport_write(ends[0], bytes, len) >= 0);
    tenon_transport_close(ends[0]);
    HOLDS(tenon_manual_advance(reactor, 0) == TENON_OK);
    HOLDS(s->lost);
}

static void end(void)
{
    tenon_reactor_unref(reactor);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static session s;
    static book whole;
    if (len < HEAD || len > LEN_MAX) {
        return 0;
    }
    if (!reactor) {
        const tenon_reactor_options quiet = {.size = sizeof quiet,
                                             .slow_callback_ns = -1};
        HOLDS(tenon_manual_new(&reactor, &quiet) == TENON_OK);
        atexit(end);
    }
    way how = {.delimiter = delimiters[data[0] % 4].bytes,
               .delimiter_len = delimiters[data[0] % 4].len,
               .max_len = 1 + data[1] % 16};
    const char *bytes = (const char *)data + HEAD;
    memset(&s, 0, sizeof s);
    whole.len = 0;
    read_whole(&whole, &how, bytes, len - HEAD);
    run(&s, &how, data, bytes, len - HEAD);
    HOLDS(s.log.len == whole.len);
    HOLDS(memcmp(s.log.text, whole.text, whole.len) == 0);
    return 0;
}
