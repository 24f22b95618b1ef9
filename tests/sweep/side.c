/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The two sides.
 */

#include "side.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { WAYS = 5 };

static unsigned char pattern[PATTERN_LEN];
side sides[2];

/* ---- sending ---- */

static void fill_pattern(void)
{
    uint64_t state = 88172645463325252U;
    for (size_t i = 0; i < PATTERN_LEN; i++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        pattern[i] = (unsigned char)state;
    }
}

static void give_back(void *buffer, size_t len, void *user)
{
    (void)len;
    (void)user;
    free(buffer);
}

static void written(tenon_transport *transport, tenon_status status, void *user)
{
    (void)transport;
    (void)status;
    (void)user;
}

static tenon_status send_taken(side *s, const void *from, size_t len)
{
    void *copy = malloc(len);
    REQUIRE(copy != NULL);
    memcpy(copy, from, len);
    tenon_status status =
        tenon_transport_write_take(s->transport, copy, len, give_back, NULL);
    if (status < 0) {
        free(copy); /* it is still ours */
    }
    return status;
}

static tenon_status send_parts(side *s, unsigned char *from, size_t len)
{
    struct iovec parts[3] = {{from, len / 3},
                             {from + len / 3, len / 3},
                             {from + len / 3 * 2, len - len / 3 * 2}};
    return tenon_transport_writev(s->transport, parts, 3);
}

static tenon_status send_some(side *s, size_t len)
{
    unsigned char *from = pattern + s->sent;
    switch (s->way) {
    case 0:
        return tenon_transport_write(s->transport, from, len);
    case 1:
        return send_parts(s, from, len);
    case 2:
        return send_taken(s, from, len);
    case 3:
        return tenon_transport_write_ref(s->transport, from, len, written,
                                         NULL);
    default:
        return s->file ? tenon_transport_send_file(s->transport, s->file,
                                                   s->sent, len, NULL, NULL)
                       : tenon_transport_write(s->transport, from, len);
    }
}

/* As much as may be; what failed for once is tried again. */
static void send_more(side *s)
{
    while (!s->paused && !s->done && !s->failed && s->sent < s->total) {
        size_t left = s->total - s->sent;
        size_t len = 1 + (s->sent * 31 + 977) % 30000;
        len = len < left ? len : left;
        tenon_status status = send_some(s, len);
        if (status < 0) {
            bool again = harness_retry(status);
            s->failed = !again || tenon_transport_is_closing(s->transport);
            if (s->failed) {
                tenon_transport_abort(s->transport);
            }
            continue;
        }
        s->sent_sum = checksum(s->sent_sum, pattern + s->sent, len);
        s->sent += len;
        s->way = (s->way + 1) % WAYS;
    }
    if (s->sent == s->total && !s->done && !s->failed) {
        s->done = true;
        s->failed = tenon_transport_write_eof(s->transport) < 0;
    }
}

/* ---- the protocol ---- */

static tenon_status on_made(void *self, tenon_transport *transport)
{
    side *s = self;
    s->transport = transport;
    send_more(s);
    return TENON_OK;
}

void corrupt(const char *what, size_t at)
{
    harness_swept = NULL;
    harness_fail(__FILE__, __LINE__, "%s at byte %zu of a stream", what, at);
}

static tenon_status on_data(void *self, tenon_transport *transport,
                            const void *data, size_t len)
{
    side *s = self;
    (void)transport;
    if (s->received + len > PATTERN_LEN ||
        memcmp(pattern + s->received, data, len) != 0) {
        corrupt("wrong data", s->received);
    }
    s->received_sum = checksum(s->received_sum, data, len);
    s->received += len;
    return TENON_OK;
}

static tenon_status get_buffer(void *self, tenon_transport *transport,
                               size_t hint, void **buffer, size_t *len)
{
    side *s = self;
    (void)transport;
    (void)hint;
    *buffer = s->into;
    *len = sizeof s->into;
    return TENON_OK;
}

static tenon_status buffer_updated(void *self, tenon_transport *transport,
                                   size_t len)
{
    side *s = self;
    return on_data(self, transport, s->into, len);
}

static tenon_status on_eof(void *self, tenon_transport *transport)
{
    (void)self;
    (void)transport;
    return TENON_KEEP_OPEN;
}

static tenon_status on_pause(void *self, tenon_transport *transport)
{
    (void)transport;
    ((side *)self)->paused = true;
    return TENON_OK;
}

static tenon_status on_resume(void *self, tenon_transport *transport)
{
    (void)transport;
    ((side *)self)->paused = false;
    send_more(self);
    return TENON_OK;
}

static tenon_status on_lost(void *self, tenon_transport *transport,
                            const tenon_error *error)
{
    side *s = self;
    (void)transport;
    (void)harness_told(error);
    s->lost = true;
    s->failed = s->failed || error;
    return TENON_OK;
}

const tenon_protocol_ops side_plain = {.size = sizeof side_plain,
                                       .connection_made = on_made,
                                       .data_received = on_data,
                                       .eof_received = on_eof,
                                       .connection_lost = on_lost,
                                       .pause_writing = on_pause,
                                       .resume_writing = on_resume};

const tenon_protocol_ops side_buffered = {.size = sizeof side_buffered,
                                          .connection_made = on_made,
                                          .data_received = on_data,
                                          .get_buffer = get_buffer,
                                          .buffer_updated = buffer_updated,
                                          .eof_received = on_eof,
                                          .connection_lost = on_lost,
                                          .pause_writing = on_pause,
                                          .resume_writing = on_resume};

/* ---- two sides ---- */

tenon_factory side_factory(int i, const tenon_protocol_ops *ops, size_t total)
{
    tenon_factory factory = tenon_factory_of(ops);
    fill_pattern();
    sides[i] = (side){.total = total};
    factory.shared.self = &sides[i];
    return factory;
}

static void check_stream(const side *from, const side *to)
{
    if (from->failed || to->failed) {
        return; /* on_data has seen to it that it is a beginning */
    }
    if (to->received != from->sent || to->received_sum != from->sent_sum) {
        corrupt("an end that nobody was told of", to->received);
    }
}

bool side_is_over(const side *s)
{
    return s->lost || !s->transport;
}

void sides_finish(void)
{
    PUMP_UNTIL(sides[0].lost && side_is_over(&sides[1]));
    check_stream(&sides[0], &sides[1]);
    check_stream(&sides[1], &sides[0]);
    REQUIRE(!sides[0].failed && !sides[1].failed);
    REQUIRE_EQ(sides[0].received, sides[1].total);
}

int side_pattern_file(void)
{
    int file = memfd_create("pattern", MFD_CLOEXEC);
    fill_pattern();
    REQUIRE(file >= 0 && write(file, pattern, PATTERN_LEN) == PATTERN_LEN);
    return file;
}
