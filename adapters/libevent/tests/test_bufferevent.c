/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * A bufferevent as a transport: libevent moves the bytes, a protocol of ours
 * says what they mean. This is also what such a stream costs its author.
 */

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <stdlib.h>

#include <tenon/libevent.h>
#include <tenon/sys/native.h>

#include "harness_check.h"

enum { OUTPUT_MAX = 65536, BYTES = 1000000 };

/* ---- the stream ---- */

typedef struct stream {
    struct bufferevent *events;
    tenon_transport *t;
    tenon_status ended; /* 0: open; 1: end of file; a failure */
} stream;

static ssize_t stream_send(void *native, const struct iovec *parts,
                           size_t count)
{
    stream *s = native;
    struct evbuffer *output = bufferevent_get_output(s->events);
    ssize_t sent = 0;
    if (s->ended < 0) {
        return s->ended;
    }
    for (size_t i = 0; i < count; i++) {
        if (evbuffer_get_length(output) >= OUTPUT_MAX) {
            break;
        }
        if (evbuffer_add(output, parts[i].iov_base, parts[i].iov_len) < 0) {
            return TENON_NO_MEMORY;
        }
        sent += (ssize_t)parts[i].iov_len;
    }
    return sent > 0 ? sent : -EAGAIN;
}

static ssize_t stream_receive(void *native, void *buffer, size_t len)
{
    stream *s = native;
    struct evbuffer *input = bufferevent_get_input(s->events);
    int got = evbuffer_remove(input, buffer, len);
    if (got > 0) {
        return got;
    }
    return s->ended == 0 ? -EAGAIN : s->ended < 0 ? s->ended : 0;
}

static void stream_release(void *native, bool reset)
{
    stream *s = native;
    (void)reset;
    /* A pair does not tell by itself that its other half is gone. */
    bufferevent_flush(s->events, EV_WRITE, BEV_FINISHED);
    bufferevent_free(s->events);
    free(s);
}

/* Not to read ahead without bounds. */
static void stream_interest(void *native, uint32_t interest)
{
    stream *s = native;
    if (interest & TENON_READ) {
        bufferevent_enable(s->events, EV_READ);
    } else {
        bufferevent_disable(s->events, EV_READ);
    }
}

static const tenon_native_ops stream_ops = {.size = sizeof stream_ops,
                                            .kind = "bufferevent",
                                            .send = stream_send,
                                            .receive = stream_receive,
                                            .release = stream_release,
                                            .set_interest = stream_interest};

static void on_read(struct bufferevent *events, void *user)
{
    (void)events;
    ck_assert_int_eq(
        tenon_transport_native_ready(((stream *)user)->t, TENON_READ),
        TENON_OK);
}

static void on_written(struct bufferevent *events, void *user)
{
    (void)events;
    ck_assert_int_eq(
        tenon_transport_native_ready(((stream *)user)->t, TENON_WRITE),
        TENON_OK);
}

static void on_event(struct bufferevent *events, short what, void *user)
{
    stream *s = user;
    (void)events;
    s->ended = what & BEV_EVENT_EOF ? 1 : -ECONNRESET;
    ck_assert_int_eq(
        tenon_transport_native_ready(s->t, TENON_READ | TENON_WRITE), TENON_OK);
}

static void adopt(tenon_reactor *reactor, struct bufferevent *events,
                  tenon_factory factory)
{
    stream *s = calloc(1, sizeof *s);
    s->events = events;
    ck_assert_int_eq(
        tenon_transport_adopt_native(reactor, &s->t, &stream_ops, s, factory),
        TENON_OK);
    bufferevent_setcb(events, on_read, on_written, on_event, s);
    bufferevent_enable(events, EV_READ | EV_WRITE);
}

/* ---- two protocols ---- */

typedef struct side {
    size_t sent;
    size_t received;
    bool paused;
    bool lost;
    tenon_status why;
} side;

static char byte_at(size_t i)
{
    return (char)(i * 2654435761U >> 13);
}

static tenon_status fill(side *s, tenon_transport *t)
{
    char chunk[5000];
    tenon_status status = TENON_OK;
    while (s->sent < BYTES && status == TENON_OK) {
        for (size_t i = 0; i < sizeof chunk; i++) {
            chunk[i] = byte_at(s->sent + i);
        }
        s->sent += sizeof chunk;
        status = tenon_transport_write(t, chunk, sizeof chunk);
    }
    return status;
}

static tenon_status source_made(void *self, tenon_transport *t)
{
    return fill(self, t);
}

static tenon_status source_resume(void *self, tenon_transport *t)
{
    return fill(self, t);
}

static tenon_status source_data(void *self, tenon_transport *t,
                                const void *data, size_t len)
{
    side *s = self;
    const char *bytes = data;
    size_t wrong = 0;
    for (size_t i = 0; i < len; i++) {
        wrong += bytes[i] != byte_at(s->received + i);
    }
    ck_assert_uint_eq(wrong, 0);
    s->received += len;
    return s->received == BYTES ? tenon_transport_close(t) : TENON_OK;
}

static tenon_status lost(void *self, tenon_transport *t,
                         const tenon_error *error)
{
    side *s = self;
    (void)t;
    s->lost = true;
    s->why = tenon_error_status(error);
    return TENON_OK;
}

static tenon_status echo_data(void *self, tenon_transport *t, const void *data,
                              size_t len)
{
    (void)self;
    return tenon_transport_write(t, data, len);
}

static tenon_status source_pause(void *self, tenon_transport *t)
{
    (void)t;
    ((side *)self)->paused = true;
    return TENON_OK;
}

static tenon_status echo_pause(void *self, tenon_transport *t)
{
    (void)self;
    return tenon_transport_pause_reading(t);
}

static tenon_status echo_resume(void *self, tenon_transport *t)
{
    (void)self;
    return tenon_transport_resume_reading(t);
}

static const tenon_protocol_ops source_ops = {.size = sizeof source_ops,
                                              .connection_made = source_made,
                                              .data_received = source_data,
                                              .connection_lost = lost,
                                              .pause_writing = source_pause,
                                              .resume_writing = source_resume};
static const tenon_protocol_ops echo_ops = {.size = sizeof echo_ops,
                                            .data_received = echo_data,
                                            .connection_lost = lost,
                                            .pause_writing = echo_pause,
                                            .resume_writing = echo_resume};

static tenon_factory of(const tenon_protocol_ops *ops, side *s)
{
    tenon_factory factory = tenon_factory_of(ops);
    factory.shared.self = s;
    return factory;
}

static harness_guard guard;

START_TEST(P_all_bytes_come_back_through_bufferevents)
{
    struct event_base *base = event_base_new();
    struct bufferevent *pair[2];
    tenon_reactor *reactor;
    side source = {0}, echo = {0};
    ck_assert_ptr_nonnull(base);
    ck_assert_int_eq(bufferevent_pair_new(base, 0, pair), 0);
    ck_assert_int_eq(tenon_libevent_attach(base, &reactor, NULL), TENON_OK);
    adopt(reactor, pair[0], of(&source_ops, &source));
    adopt(reactor, pair[1], of(&echo_ops, &echo));
    ck_assert_int_ge(event_base_dispatch(base), 0);
    ck_assert(source.lost && echo.lost && source.paused);
    ck_assert_uint_eq(source.received, BYTES);
    ck_assert_int_eq(source.why, TENON_OK);
    tenon_reactor_unref(reactor);
    event_base_free(base);
}
END_TEST

START_TEST(L5_the_reactor_ends_first)
{
    struct event_base *base = event_base_new();
    struct bufferevent *pair[2];
    tenon_reactor *reactor;
    side source = {0}, echo = {0};
    ck_assert_int_eq(bufferevent_pair_new(base, 0, pair), 0);
    ck_assert_int_eq(tenon_libevent_attach(base, &reactor, NULL), TENON_OK);
    adopt(reactor, pair[0], of(&echo_ops, &source));
    adopt(reactor, pair[1], of(&echo_ops, &echo));
    for (int i = 0; i < 3; i++) {
        ck_assert_int_ge(event_base_loop(base, EVLOOP_NONBLOCK), 0);
    }
    tenon_reactor_unref(reactor);
    ck_assert(source.lost && echo.lost);
    ck_assert_int_eq(source.why, TENON_CLOSED);
    /* What libevent has put off, its own memory too. */
    ck_assert_int_ge(event_base_loop(base, EVLOOP_NONBLOCK), 0);
    event_base_free(base);
}
END_TEST

static void setup(void)
{
    harness_guard_begin(&guard);
}

static void teardown(void)
{
    harness_guard_end(&guard);
}

int main(void)
{
    Suite *suite = suite_create("bufferevent");
    TCase *all = tcase_create("all");
    tcase_set_timeout(all, 60);
    tcase_add_checked_fixture(all, setup, teardown);
    tcase_add_test(all, P_all_bytes_come_back_through_bufferevents);
    tcase_add_test(all, L5_the_reactor_ends_first);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
