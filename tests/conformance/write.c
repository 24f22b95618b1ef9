/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Group P, bytes: what is written arrives, whole and in order; buffered
 * protocols; connections that nobody wants.
 */

#include "recorder.h"

#include <stdlib.h>
#include <unistd.h>

static void end_quietly(recorder *self, int *peer)
{
    REQUIRE_OK(tenon_transport_abort(self->transport));
    PUMP_UNTIL(self->lost);
    close_fd(peer);
}

static char *pattern(size_t len)
{
    char *bytes = malloc(len);
    REQUIRE(bytes != NULL);
    uint32_t state = 12345;
    for (size_t i = 0; i < len; i++) {
        state = state * 1664525u + 1013904223u;
        bytes[i] = (char)(state >> 24);
    }
    return bytes;
}

static void p03_in_order_for_any_sizes(void)
{
    enum { TOTAL = 3000000 };
    recorder self = {.silent = true};
    int peer = recorder_pair(&self);
    char *bytes = pattern(TOTAL);
    uint64_t wanted = checksum(0, bytes, TOTAL);
    srand(3);
    for (size_t at = 0; at < TOTAL;) {
        size_t len = (size_t)rand() % (at % 5 ? 300 : 70000) + 1;
        len = len < TOTAL - at ? len : TOTAL - at;
        REQUIRE_OK(tenon_transport_write(self.transport, bytes + at, len));
        at += len;
        if (rand() % 8 == 0) {
            rig_iterate(0);
        }
    }
    free(bytes);
    uint64_t sum = read_sum(peer, TOTAL);
    REQUIRE(sum == wanted);
    PUMP_UNTIL(tenon_transport_write_queue_len(self.transport) == 0);
    end_quietly(&self, &peer);
}

static void p04_nothing_and_parts(void)
{
    char text[32];
    recorder self = {.silent = true};
    int peer = recorder_pair(&self);
    struct iovec parts[4] = {{"one", 3}, {NULL, 0}, {"two", 3}, {"!", 1}};
    REQUIRE_STATUS(tenon_transport_write(self.transport, "", 0), TENON_OK);
    REQUIRE_STATUS(tenon_transport_write(self.transport, NULL, 0), TENON_OK);
    REQUIRE_STATUS(tenon_transport_writev(self.transport, NULL, 0), TENON_OK);
    REQUIRE_STATUS(tenon_transport_write(self.transport, "<", 1), TENON_OK);
    REQUIRE_STATUS(tenon_transport_writev(self.transport, parts, 4), TENON_OK);
    REQUIRE_STATUS(tenon_transport_write(self.transport, ">", 1), TENON_OK);
    rig_settle();
    drain(peer, text, sizeof text);
    REQUIRE_STR(text, "<onetwo!>");
    end_quietly(&self, &peer);
}

static void p04_many_parts(void)
{
    enum { PARTS = 3000, LEN = 700 };
    recorder self = {.silent = true};
    int peer = recorder_pair(&self);
    char *bytes = pattern(PARTS * LEN);
    struct iovec *parts = calloc(PARTS, sizeof *parts);
    REQUIRE(parts != NULL);
    for (size_t i = 0; i < PARTS; i++) {
        parts[i] = (struct iovec){bytes + i * LEN, LEN};
    }
    uint64_t wanted = checksum(0, bytes, PARTS * LEN);
    REQUIRE_OK(tenon_transport_writev(self.transport, parts, PARTS));
    memset(bytes, 0, PARTS * LEN);
    free(parts);
    free(bytes);
    REQUIRE(read_sum(peer, PARTS * LEN) == wanted);
    end_quietly(&self, &peer);
}

static void p05_the_bytes_of_the_moment(void)
{
    enum { TOTAL = 2000000 };
    recorder self = {.silent = true};
    int peer = recorder_pair(&self);
    char *bytes = pattern(TOTAL);
    uint64_t wanted = checksum(0, bytes, TOTAL);
    REQUIRE_OK(tenon_transport_write(self.transport, bytes, TOTAL));
    memset(bytes, 'x', TOTAL);
    REQUIRE(read_sum(peer, TOTAL) == wanted);
    free(bytes);
    end_quietly(&self, &peer);
}

static void p15_write_eof(void)
{
    recorder self = {.merged = true};
    int peer = recorder_pair(&self);
    size_t written = fill(self.transport);
    REQUIRE(tenon_transport_can_write_eof(self.transport));
    REQUIRE_OK(tenon_transport_write_eof(self.transport));
    REQUIRE_OK(tenon_transport_write_eof(self.transport));
    REQUIRE_STATUS(tenon_transport_write(self.transport, "x", 1), TENON_CLOSED);
    REQUIRE_EQ(read_to_end(peer), written);
    REQUIRE(!tenon_transport_is_closing(self.transport));
    put(peer, "answer");
    PUMP_UNTIL(self.received == 6);
    close_fd(&peer);
    PUMP_UNTIL(self.lost);
    REQUIRE_STATUS(self.lost_status, TENON_OK);
}

static void p16_write_after_the_end(void)
{
    recorder self = {0};
    struct iovec part = {"x", 1};
    int peer = recorder_pair(&self);
    tenon_transport *t = tenon_transport_ref(self.transport);
    REQUIRE_OK(tenon_transport_close(t));
    for (int i = 0; i < 10; i++) {
        REQUIRE_STATUS(tenon_transport_write(t, "x", 1), TENON_CLOSED);
        REQUIRE_STATUS(tenon_transport_writev(t, &part, 1), TENON_CLOSED);
        rig_settle();
    }
    REQUIRE_EQ(self.lost, 1);
    REQUIRE_STATUS(tenon_transport_write_eof(t), TENON_CLOSED);
    REQUIRE_OK(tenon_transport_close(t));
    REQUIRE_OK(tenon_transport_abort(t));
    REQUIRE_EQ(tenon_transport_write_queue_len(t), 0);
    REQUIRE_EQ(read_to_end(peer), 0);
    rig_settle();
    REQUIRE_NOTES("made lost:TENON_OK");
    tenon_transport_unref(t);
    tenon_transport_unref(NULL);
    close_fd(&peer);
}

static void write_ten(void *user)
{
    recorder *self = user;
    for (int i = 0; i < 10; i++) {
        REQUIRE_STATUS(tenon_transport_write(self->transport, "word ", 5),
                       TENON_OK);
    }
    note("written");
}

/* The first may go out at once; the rest leaves at the end of the turn. */
static void writes_of_a_turn_leave_with_it(void)
{
    char text[64];
    recorder self = {.silent = true};
    int peer = recorder_pair(&self);
    soon(write_ten, &self);
    PUMP_UNTIL(noted("written"));
    rig_settle();
    REQUIRE_EQ(drain(peer, text, sizeof text), 50);
    REQUIRE_EQ(tenon_transport_write_queue_len(self.transport), 0);
    end_quietly(&self, &peer);
}

/* ---- buffered protocols ---- */

struct buffered {
    tenon_transport *transport;
    char memory[16];
    size_t offer;
    tenon_status status;
    size_t received;
    char data[64];
    int lost;
    tenon_status lost_status;
};

static tenon_status buffered_made(void *data, tenon_transport *transport)
{
    struct buffered *self = data;
    self->transport = transport;
    return TENON_OK;
}

static tenon_status get_buffer(void *data, tenon_transport *transport,
                               size_t hint, void **buffer, size_t *len)
{
    struct buffered *self = data;
    REQUIRE(transport == self->transport);
    REQUIRE(hint > 0);
    *buffer = self->memory;
    *len = self->offer;
    return self->status;
}

static tenon_status buffer_updated(void *data, tenon_transport *transport,
                                   size_t len)
{
    struct buffered *self = data;
    REQUIRE(transport == self->transport);
    REQUIRE(len > 0 && len <= self->offer);
    memcpy(self->data + self->received, self->memory, len);
    self->received += len;
    note("updated:%zu", len);
    return TENON_OK;
}

static tenon_status unwanted_data(void *data, tenon_transport *transport,
                                  const void *bytes, size_t len)
{
    (void)data;
    (void)transport;
    (void)bytes;
    note("data:%zu", len);
    return TENON_OK;
}

static tenon_status buffered_lost(void *data, tenon_transport *transport,
                                  const tenon_error *error)
{
    struct buffered *self = data;
    REQUIRE(transport == self->transport);
    self->lost++;
    self->lost_status = tenon_error_status(error);
    (void)harness_told(error);
    return TENON_OK;
}

static const tenon_protocol_ops buffered_ops = {
    .size = sizeof buffered_ops,
    .connection_made = buffered_made,
    .data_received = unwanted_data,
    .get_buffer = get_buffer,
    .buffer_updated = buffer_updated,
    .connection_lost = buffered_lost,
};

static int adopt_buffered(struct buffered *self)
{
    int fds[2];
    tenon_transport *transport;
    tenon_factory factory = tenon_factory_of(&buffered_ops);
    factory.shared.self = self;
    socket_pair(fds);
    REQUIRE_OK(tenon_transport_adopt(rig.reactor, &transport, fds[0], factory));
    PUMP_UNTIL(self->transport != NULL);
    return fds[1];
}

static void p22_a_buffer_of_its_own(void)
{
    struct buffered self = {.offer = 16};
    int peer = adopt_buffered(&self);
    put(peer, "the quick brown fox jumps");
    PUMP_UNTIL(self.received == 25);
    if (!rig_swept()) { /* a read may have brought less */
        REQUIRE_NOTES("updated:16 updated:9");
    }
    REQUIRE(memcmp(self.data, "the quick brown fox jumps", 25) == 0);
    close_fd(&peer);
    PUMP_UNTIL(self.lost);
    REQUIRE_STATUS(self.lost_status, TENON_OK);
}

static void p22_an_empty_buffer(void)
{
    struct buffered self = {.offer = 0};
    int peer = adopt_buffered(&self);
    put(peer, "x");
    PUMP_UNTIL(self.lost);
    REQUIRE(self.lost_status < 0);
    rig.reports = 0;
    close_fd(&peer);
}

static void p22_a_failing_buffer(void)
{
    struct buffered self = {.offer = 16, .status = TENON_LIMIT};
    int peer = adopt_buffered(&self);
    put(peer, "x");
    PUMP_UNTIL(self.lost);
    REQUIRE_STATUS(self.lost_status, TENON_LIMIT);
    REQUIRE_NOTES("");
    rig.reports = 0;
    close_fd(&peer);
}

/* ---- nobody's connections ---- */

static tenon_status refuse(void *user, tenon_transport *transport,
                           tenon_protocol *out)
{
    (void)transport;
    (void)out;
    note("asked");
    return *(tenon_status *)user;
}

static void on_connected(tenon_connector *connector, tenon_transport *transport,
                         const tenon_error *error, void *user)
{
    (void)connector;
    REQUIRE(transport == NULL);
    *(bool *)user = true;
    (void)harness_told(error);
    note("%s", tenon_error_status(error) < 0 ? "refused" : "connected");
}

static void refuse_with(tenon_status answer)
{
    recorder server = {.silent = true};
    bool done = false;
    tenon_listener *listener;
    tenon_address address;
    char text[TENON_ADDRESS_TEXT_LEN];
    tenon_connect_options options = {
        .size = sizeof options, .on_connected = on_connected, .user = &done};
    REQUIRE_OK(tenon_listen(rig.reactor, &listener, "tcp:127.0.0.1:0",
                            recorder_factory(&server), NULL));
    REQUIRE_OK(tenon_listener_address(listener, &address));
    tenon_address_format(&address, text, sizeof text);
    REQUIRE_OK(tenon_connector_start(rig.reactor, NULL, text,
                                     tenon_factory_with(refuse, &answer),
                                     &options));
    PUMP_UNTIL(done && server.lost);
    REQUIRE_NOTES("asked refused");
    REQUIRE_OK(tenon_listener_close(listener));
    tenon_listener_unref(listener);
    rig.reports = 0;
}

static void p25_a_factory_that_refuses(void)
{
    refuse_with(TENON_REFUSED);
}

static void p25_a_factory_without_protocol(void)
{
    refuse_with(TENON_OK);
}

static const rig_case cases[] = {
    {"P03", "bytes arrive in order, for any sizes", p03_in_order_for_any_sizes,
     0},
    {"P04", "writing nothing is nothing, parts are writes in turn",
     p04_nothing_and_parts, 0},
    {"P04b", "three thousand parts", p04_many_parts, 0},
    {"P05", "the bytes sent are those of the moment of write",
     p05_the_bytes_of_the_moment, 0},
    {"P15", "write_eof flushes and ends our side only", p15_write_eof, 0},
    {"P16", "writing after the end is refused, and harmless",
     p16_write_after_the_end, 0},
    {"P22", "a buffered protocol reads into its own memory",
     p22_a_buffer_of_its_own, 0},
    {"P22b", "an empty buffer ends the connection", p22_an_empty_buffer, 0},
    {"P22c", "a failing get_buffer ends the connection with its status",
     p22_a_failing_buffer, 0},
    {"P25", "a factory that refuses closes the connection",
     p25_a_factory_that_refuses, 0},
    {"P25b", "a factory that gives no protocol closes the connection",
     p25_a_factory_without_protocol, 0},
    {"P31", "what a turn writes leaves with it", writes_of_a_turn_leave_with_it,
     0},
};

const rig_group rig_write = RIG_GROUP(cases);
