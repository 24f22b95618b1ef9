/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * What the tests of streams share: a stream over memory, and the transport at
 * its other end, whose protocol counts and keeps what comes.
 */

#ifndef TENON_TESTS_CORE_STREAM_RIG_H
#define TENON_TESTS_CORE_STREAM_RIG_H

#include "task_rig.h"

typedef struct far_end {
    tenon_transport *transport; /* borrowed */
    char kept[256];
    size_t len;
    int made;
    int eofs;
    int lost;
} far_end;

static inline tenon_status far_made(void *self, tenon_transport *t)
{
    far_end *far = self;
    far->transport = t;
    far->made++;
    return TENON_OK;
}

static inline tenon_status far_data(void *self, tenon_transport *t,
                                    const void *data, size_t len)
{
    far_end *far = self;
    (void)t;
    size_t room = sizeof far->kept - 1 - far->len;
    size_t more = len < room ? len : room;
    memcpy(far->kept + far->len, data, more);
    far->len += more;
    return TENON_OK;
}

static inline tenon_status far_eof(void *self, tenon_transport *t)
{
    far_end *far = self;
    (void)t;
    far->eofs++;
    return TENON_KEEP_OPEN;
}

static inline tenon_status far_lost(void *self, tenon_transport *t,
                                    const tenon_error *error)
{
    far_end *far = self;
    (void)t;
    (void)error;
    far->transport = NULL;
    far->lost++;
    return TENON_OK;
}

static const tenon_protocol_ops far_ops = {.size = sizeof far_ops,
                                           .name = "far",
                                           .connection_made = far_made,
                                           .data_received = far_data,
                                           .eof_received = far_eof,
                                           .connection_lost = far_lost};

static far_end far;    /* of the peer */
static far_end second; /* what takes the place of the stream */
static tenon_stream *stream;

static inline tenon_protocol far_protocol(far_end *end)
{
    return (tenon_protocol){&far_ops, end};
}

static inline void open_stream_as(const tenon_memory_options *memory)
{
    tenon_transport *pair[2];
    tenon_factory near_one = {0};
    tenon_factory far_one = {0};
    near_one.shared = far_protocol(&second);
    far_one.shared = far_protocol(&far);
    ck_assert_int_eq(
        tenon_memory_pair(reactor, pair, near_one, far_one, memory), TENON_OK);
    settle();
    ck_assert_int_eq(tenon_stream_attach(pair[0], &stream), TENON_OK);
}

static inline void open_stream(void)
{
    open_stream_as(NULL);
}

/* Aborts what is left, and lets go. */
static inline void close_stream(void)
{
    (void)tenon_stream_abort(stream);
    if (far.transport) {
        (void)tenon_transport_abort(far.transport);
    }
    settle();
    ck_assert_int_eq(far.lost, 1);
    tenon_stream_unref(stream);
}

static inline void tell_stream(const char *text)
{
    ck_assert_int_eq(tenon_transport_write(far.transport, text, strlen(text)),
                     TENON_OK);
}

static inline void require_bytes(const tenon_bytes *got, const char *wanted)
{
    ck_assert_uint_eq(got->len, strlen(wanted));
    ck_assert(memcmp(got->data, wanted, got->len) == 0);
}

/* For tests that run a task to its end. */
static inline void run(tenon_task_fn *fn, void *user)
{
    tenon_task *task = spawn(fn, user, 0);
    settle();
    require_end(task, TENON_OK);
}

static inline tenon_future *ask(uint32_t kind, size_t count)
{
    const tenon_read what = {
        .size = sizeof what, .kind = kind, .count = count, .max = count};
    tenon_future *future = NULL;
    ck_assert_int_eq(tenon_stream_read_future(stream, &what, &future),
                     TENON_OK);
    return future;
}

static inline void require_failure(tenon_future *future, tenon_status status)
{
    ck_assert(tenon_future_is_done(future));
    ck_assert_int_eq(tenon_error_status(tenon_future_error(future)), status);
    tenon_future_unref(future);
}

static inline void require_answer(tenon_future *future, const char *wanted)
{
    void *value = NULL;
    ck_assert(tenon_future_is_done(future));
    ck_assert_int_eq(tenon_future_value(future, &value), TENON_OK);
    require_bytes(value, wanted);
    tenon_future_unref(future);
}

#endif
