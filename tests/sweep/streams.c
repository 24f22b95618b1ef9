/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Streams, for the sweeps: each side sends so many bytes, in every way there
 * is, and takes what comes. Byte n of a stream has a value of its own, and
 * both ends sum what passes. A stream that ends without anybody being told of
 * a failure is whole; one that ends with a failure is a beginning of what was
 * sent. Anything else fails the case, whatever the sweep put in.
 */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "recorder.h"

enum { PATTERN_LEN = 1 << 20, WAYS = 5 };

typedef struct side {
    tenon_transport *transport;
    size_t total; /* to be sent */
    size_t sent;
    size_t received;
    uint64_t sent_sum;
    uint64_t received_sum;
    int way;
    int file; /* what the last way sends from, or 0 */
    bool paused;
    bool done; /* has ended its side */
    bool failed;
    bool lost;
    char into[700]; /* of the buffered protocol */
} side;

static unsigned char pattern[PATTERN_LEN];
static side sides[2];

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

/* A sweep forgives much, but no wrong byte. */
_Noreturn static void corrupt(const char *what, size_t at)
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

static const tenon_protocol_ops plain = {.size = sizeof plain,
                                         .connection_made = on_made,
                                         .data_received = on_data,
                                         .eof_received = on_eof,
                                         .connection_lost = on_lost,
                                         .pause_writing = on_pause,
                                         .resume_writing = on_resume};

static const tenon_protocol_ops buffered = {.size = sizeof buffered,
                                            .connection_made = on_made,
                                            .data_received = on_data,
                                            .get_buffer = get_buffer,
                                            .buffer_updated = buffer_updated,
                                            .eof_received = on_eof,
                                            .connection_lost = on_lost,
                                            .pause_writing = on_pause,
                                            .resume_writing = on_resume};

/* ---- two sides ---- */

static tenon_factory side_factory(int i, const tenon_protocol_ops *ops,
                                  size_t total)
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

static bool is_over(const side *s)
{
    return s->lost || !s->transport;
}

static void finish(void)
{
    PUMP_UNTIL(sides[0].lost && is_over(&sides[1]));
    check_stream(&sides[0], &sides[1]);
    check_stream(&sides[1], &sides[0]);
    REQUIRE(!sides[0].failed && !sides[1].failed);
    REQUIRE_EQ(sides[0].received, sides[1].total);
}

static void connect_over(const char *address, const char *name)
{
    tenon_listener *listener;
    tenon_address bound;
    char text[TENON_ADDRESS_TEXT_LEN];
    REQUIRE_OK(tenon_listen(rig.reactor, &listener, address,
                            side_factory(1, &plain, 300000), NULL));
    REQUIRE_OK(tenon_listener_address(listener, &bound));
    tenon_address_format(&bound, text, sizeof text);
    if (name) {
        snprintf(text, sizeof text, "tcp:%s:%u", name,
                 tenon_address_port(&bound));
    }
    REQUIRE_OK(tenon_connector_start(rig.reactor, NULL, text,
                                     side_factory(0, &buffered, 400000),
                                     &rig_connecting));
    PUMP_UNTIL(sides[0].transport && sides[1].transport);
    tenon_listener_close(listener);
    tenon_listener_unref(listener);
    finish();
}

static void s01_tcp(void)
{
    connect_over("tcp:127.0.0.1:0", NULL);
}

static void s02_unix(void)
{
    char text[64];
    snprintf(text, sizeof text, "unix:@tenon-sweep-%ld", (long)getpid());
    connect_over(text, NULL);
}

static void s03_memory(void)
{
    connect_over("mem:sweep", NULL);
}

/* By the resolver that asks the system, in a thread of its own. */
static void s04_by_name(void)
{
    connect_over("tcp:127.0.0.1:0", "localhost");
    rig_pump_for(MS(20)); /* the thread may still be at its end */
}

static void adopt(int i, const tenon_protocol_ops *ops, int *fd)
{
    tenon_transport *transport;
    REQUIRE_OK(tenon_transport_adopt(rig.reactor, &transport, *fd,
                                     side_factory(i, ops, 300000)));
    *fd = -1;
}

static bool piped;

/* A UNIX socket knows no reset, so the far side sees an end like any other:
 * whoever joined the two is told. */
static void on_piped(const tenon_error *error, uint64_t there, uint64_t back,
                     void *user)
{
    (void)there;
    (void)back;
    (void)user;
    (void)harness_told(error);
    piped = true;
    sides[0].failed = sides[0].failed || error;
}

static void s05_through_a_pipe(void)
{
    const tenon_pipe_options how = {.size = sizeof how, .on_done = on_piped};
    recorder left = {.silent = true};
    recorder right = {.silent = true};
    int near = recorder_pair(&left);
    int far = recorder_pair(&right);
    REQUIRE_OK(tenon_pipe(left.transport, right.transport, &how));
    adopt(0, &plain, &near);
    adopt(1, &buffered, &far);
    PUMP_UNTIL(piped);
    finish();
}

static int pattern_file(void)
{
    int file = memfd_create("pattern", MFD_CLOEXEC);
    fill_pattern();
    REQUIRE(file >= 0 && write(file, pattern, PATTERN_LEN) == PATTERN_LEN);
    return file;
}

static void s06_files(void)
{
    int fds[2];
    int file = pattern_file();
    tcp_pair(fds);
    adopt(0, &plain, &fds[0]);
    adopt(1, &plain, &fds[1]);
    sides[0].file = file;
    sides[1].file = file;
    PUMP_UNTIL(sides[0].lost && is_over(&sides[1]));
    close_fd(&file);
    finish();
}

/* Where sendfile cannot send, the file is read. */
static void s07_files_in_memory(void)
{
    tenon_transport *out[2];
    int file = pattern_file();
    tenon_factory first = side_factory(0, &plain, 300000);
    tenon_factory second = side_factory(1, &plain, 300000);
    sides[0].file = file;
    sides[1].file = file;
    REQUIRE_OK(tenon_memory_pair(rig.reactor, out, first, second, NULL));
    PUMP_UNTIL(sides[0].lost && is_over(&sides[1]));
    close_fd(&file);
    finish();
}

static void s08_no_file_is_left(void)
{
    char path[64];
    char text[80];
    tenon_listener *listener;
    tenon_factory factory = side_factory(1, &plain, 1);
    snprintf(path, sizeof path, "/tmp/tenon-sweep-%ld", (long)getpid());
    snprintf(text, sizeof text, "unix:%s", path);
    tenon_status status =
        tenon_listen(rig.reactor, &listener, text, factory, NULL);
    if (status < 0 && access(path, F_OK) == 0) {
        unlink(path);
        corrupt("a socket file that was left", 0);
    }
    if (harness_retry(status)) {
        status = tenon_listen(rig.reactor, &listener, text, factory, NULL);
    }
    REQUIRE_OK(status);
    REQUIRE_OK(tenon_listener_close(listener));
    tenon_listener_unref(listener);
    unlink(path);
    rig_settle();
}

static const rig_case cases[] = {
    {"S01", "a stream over TCP is whole", s01_tcp, 0},
    {"S02", "a stream over a UNIX socket is whole", s02_unix, 0},
    {"S03", "a stream in memory is whole", s03_memory, 0},
    {"S04", "a stream to a name is whole", s04_by_name, NEED_TIME},
    {"S05", "a stream through a pipe is whole", s05_through_a_pipe, 0},
    {"S06", "a stream with files is whole", s06_files, 0},
    {"S07", "a stream with files that are read is whole", s07_files_in_memory,
     0},
    {"S08", "a listener that fails leaves no socket file", s08_no_file_is_left,
     0},
};

extern const rig_group sweep_streams;

const rig_group sweep_streams = RIG_GROUP(cases);
