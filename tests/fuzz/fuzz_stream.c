/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Streams that are asked: what a task reads, in whatever order and however the
 * bytes come, is what somebody finds who has all of them before him. The first
 * four bytes say how they come, the next dozen are the reads, over and over;
 * the others are what the peer sends.
 */

#include "fuzz.h"

#include <string.h>
#include <tenon/tenon.h>

enum { HEAD = 4, SCRIPT = 12, LEN_MAX = 4096, STEPS_MAX = 3 * LEN_MAX };

static tenon_reactor *reactor;

typedef struct session {
    const uint8_t *script;
    const char *bytes;
    size_t len;
    size_t at; /* read so far */
    tenon_stream *stream;
    uint32_t steps;
    tenon_transport *peer;
    size_t piece; /* what it writes at a time, at most */
} session;

/* What a read must come to; `len` bytes are handed out, `skip` more taken. */
typedef struct answer {
    tenon_status status;
    size_t len;
    size_t skip;
} answer;

static const tenon_bytes separators[] = {{";", 1}, {"ab", 2}, {"\n\n;x", 4}};

/* ---- in one piece ---- */

static answer expect_line(const char *bytes, size_t len, size_t max)
{
    const char *end = memchr(bytes, '\n', len);
    size_t text = end ? (size_t)(end - bytes) : len;
    size_t bare = text > 0 && bytes[text - 1] == '\r' ? text - 1 : text;
    if (bare > max) {
        return (answer){TENON_LIMIT, 0, 0};
    }
    if (end) {
        return (answer){TENON_OK, bare, text + 1 - bare};
    }
    return len > 0 ? (answer){TENON_OK, len, 0} : (answer){TENON_ENDED, 0, 0};
}

/* `count` of the separators. */
static answer expect_until(const char *bytes, size_t len, size_t max,
                           size_t count)
{
    for (size_t end = 1; end <= len; end++) {
        for (size_t i = 0; i < count; i++) {
            size_t own = separators[i].len;
            if (own <= end &&
                memcmp(bytes + end - own, separators[i].data, own) == 0) {
                return end <= max ? (answer){TENON_OK, end, 0}
                                  : (answer){TENON_LIMIT, 0, 0};
            }
        }
    }
    bool hopeless = len > max && len >= separators[count - 1].len;
    return (answer){hopeless ? TENON_LIMIT : TENON_ENDED, 0, 0};
}

static answer expect(const tenon_read *what, const char *bytes, size_t len)
{
    switch (what->kind) {
    case TENON_READ_SOME:
        return len > 0 ? (answer){TENON_OK, 1, 0} : (answer){TENON_ENDED, 0, 0};
    case TENON_READ_EXACTLY:
        return len >= what->count ? (answer){TENON_OK, what->count, 0}
                                  : (answer){TENON_ENDED, 0, 0};
    case TENON_READ_UNTIL:
        return expect_until(bytes, len, what->max, what->separator_count);
    case TENON_READ_LINE:
        return expect_line(bytes, len, what->max);
    default:
        return len > what->max ? (answer){TENON_LIMIT, 0, 0}
                               : (answer){TENON_OK, len, 0};
    }
}

/* ---- as it comes ---- */

static void compare(session *s, const tenon_read *what, tenon_status status,
                    const tenon_bytes *got)
{
    answer wanted = expect(what, s->bytes + s->at, s->len - s->at);
    HOLDS(status == wanted.status);
    HOLDS(got->len <= s->len - s->at);
    HOLDS(got->len == 0 || memcmp(got->data, s->bytes + s->at, got->len) == 0);
    if (status != TENON_OK) {
        return;
    }
    if (what->kind == TENON_READ_SOME) {
        HOLDS(got->len > 0 && got->len <= what->max);
    } else {
        HOLDS(got->len == wanted.len);
    }
    s->at += got->len + wanted.skip;
}

static tenon_status by_task(session *s, const tenon_read *what)
{
    tenon_bytes got;
    tenon_status status = tenon_stream_read_for(s->stream, what, &got);
    compare(s, what, status, &got);
    return status;
}

static tenon_status by_future(session *s, const tenon_read *what)
{
    static const tenon_bytes none;
    tenon_future *future = NULL;
    void *value = NULL;
    tenon_free_fn *free_value = NULL;
    HOLDS(tenon_stream_read_future(s->stream, what, &future) == TENON_OK);
    tenon_status status = tenon_await_take(future, &value, &free_value);
    const tenon_bytes *got = value;
    compare(s, what, status, got ? got : &none);
    if (value) {
        free_value(value);
    }
    return status;
}

static tenon_status into(session *s, size_t len)
{
    char room[8192];
    tenon_read what = {
        .size = sizeof what, .kind = TENON_READ_SOME, .max = len};
    tenon_bytes got = {room, 0};
    tenon_status status =
        tenon_stream_read_into(s->stream, room, len, &got.len);
    compare(s, &what, status, &got);
    return status;
}

static const tenon_protocol_ops nobody = {.size = sizeof nobody};

/* Gives the connection away, and takes it again at once. */
static tenon_status to_and_fro(session *s)
{
    tenon_transport *t = tenon_stream_transport(s->stream);
    tenon_stream *next = NULL;
    HOLDS(tenon_stream_detach(s->stream, (tenon_protocol){&nobody, NULL}) ==
          TENON_OK);
    HOLDS(tenon_stream_attach(t, &next) == TENON_OK);
    tenon_stream_unref(s->stream);
    s->stream = next;
    return TENON_OK;
}

static tenon_status step(session *s, uint8_t how)
{
    size_t size = 1 + how / 16U * 7U;
    tenon_read what = {.size = sizeof what,
                       .kind = how % 6U,
                       .count = size,
                       .max = size,
                       .separators = separators,
                       .separator_count = 1 + how / 16U % 3U};
    switch (how % 16U) {
    case 4: /* match: has a test of its own */
    case 10:
        return to_and_fro(s);
    case 12:
        return into(s, size);
    case 13:
        return into(s, 8192);
    case 14:
        return tenon_yield();
    default:
        break;
    }
    if (what.kind == TENON_READ_MATCH) {
        return TENON_OK;
    }
    return how % 16U < 8 ? by_task(s, &what) : by_future(s, &what);
}

static tenon_status read_all(void *user)
{
    session *s = user;
    tenon_status status = TENON_OK;
    while (s->at < s->len && s->steps < STEPS_MAX) {
        status = step(s, s->script[s->steps++ % SCRIPT]);
        if (status == TENON_LIMIT || status == TENON_ENDED) {
            const tenon_read one = {
                .size = sizeof one, .kind = TENON_READ_EXACTLY, .count = 1};
            status = by_task(s, &one);
        }
        HOLDS(status == TENON_OK);
    }
    return TENON_OK;
}

/* Piece by piece, so that most reads wait. */
static tenon_status send_all(void *user)
{
    session *s = user;
    size_t sent = 0;
    while (sent < s->len) {
        size_t len = 1 + sent * 7 % s->piece;
        len = len < s->len - sent ? len : s->len - sent;
        HOLDS(tenon_transport_write(s->peer, s->bytes + sent, len) >= 0);
        sent += len;
        HOLDS(tenon_yield() == TENON_OK);
        HOLDS(tenon_yield() == TENON_OK);
    }
    return tenon_transport_close(s->peer);
}

static void run(session *s, const uint8_t *head)
{
    tenon_transport *ends[2];
    tenon_task *task = NULL;
    const tenon_memory_options memory = {.size = sizeof memory,
                                         .capacity = LEN_MAX,
                                         .chunk_max = 1 + head[1] % 60U,
                                         .seed = head[2]};
    HOLDS(tenon_memory_pair(reactor, ends, tenon_factory_of(&nobody),
                            tenon_factory_of(&nobody), &memory) == TENON_OK);
    HOLDS(tenon_manual_advance(reactor, 0) == TENON_OK);
    HOLDS(tenon_stream_attach(ends[1], &s->stream) == TENON_OK);
    HOLDS(tenon_stream_set_limit(s->stream, 1 + head[3]) == TENON_OK);
    HOLDS(tenon_spawn(reactor, read_all, s, NULL, &task) == TENON_OK);
    s->peer = ends[0];
    s->piece = 1 + head[0] % 32U;
    HOLDS(tenon_spawn(reactor, send_all, s, NULL, NULL) == TENON_OK);
    HOLDS(tenon_manual_advance(reactor, 0) == TENON_OK);
    HOLDS(tenon_task_is_done(task));
    HOLDS(s->steps == STEPS_MAX || s->at == s->len);
    tenon_task_unref(task);
    HOLDS(tenon_stream_abort(s->stream) == TENON_OK);
    tenon_stream_unref(s->stream);
    HOLDS(tenon_manual_advance(reactor, 0) == TENON_OK);
}

static void end(void)
{
    tenon_reactor_unref(reactor);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (len < HEAD + SCRIPT || len > LEN_MAX) {
        return 0;
    }
    if (!reactor) {
        const tenon_reactor_options quiet = {.size = sizeof quiet,
                                             .slow_callback_ns = -1};
        HOLDS(tenon_manual_new(&reactor, &quiet) == TENON_OK);
        atexit(end);
    }
    session s = {.script = data + HEAD,
                 .bytes = (const char *)data + HEAD + SCRIPT,
                 .len = len - HEAD - SCRIPT};
    run(&s, data);
    return 0;
}
