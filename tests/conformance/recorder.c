/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The recorder. It also guards what holds for every connection: nothing before
 * connection_made, nothing after connection_lost, never two at once.
 */

#include "recorder.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

static void enter(recorder *self, bool is_made)
{
    REQUIRE(!self->inside);
    REQUIRE(self->made == !is_made);
    REQUIRE(self->lost == 0);
    self->inside = true;
}

static tenon_status leave(recorder *self, tenon_status status)
{
    self->inside = false;
    return status;
}

static void say(const recorder *self, const char *word)
{
    if (!self->silent) {
        note("%s%s", self->prefix ? self->prefix : "", word);
    }
}

static tenon_status on_made(void *data, tenon_transport *transport)
{
    recorder *self = data;
    enter(self, true);
    self->made++;
    self->transport = transport;
    rig_keep(transport);
    say(self, "made");
    if (self->made_fn) {
        self->made_fn(self);
    }
    return leave(self, self->on_made);
}

uint64_t checksum(uint64_t from, const void *data, size_t len)
{
    const unsigned char *bytes = data;
    for (size_t i = 0; i < len; i++) {
        from = (from ^ bytes[i]) * UINT64_C(0x100000001B3);
    }
    return from;
}

static void keep(recorder *self, const char *data, size_t len)
{
    for (size_t i = 0; i < len && self->received + i + 1 < sizeof self->data;
         i++) {
        self->data[self->received + i] = data[i];
        self->data[self->received + i + 1] = '\0';
    }
    self->received += len;
    self->checksum = checksum(self->checksum, data, len);
}

static tenon_status on_data(void *data, tenon_transport *transport,
                            const void *bytes, size_t len)
{
    recorder *self = data;
    enter(self, false);
    REQUIRE(transport == self->transport);
    REQUIRE(len > 0);
    keep(self, bytes, len);
    if (self->merged) {
        say(self, "data");
    } else if (!self->silent) {
        note("%sdata:%zu", self->prefix ? self->prefix : "", len);
    }
    if (self->data_fn) {
        self->data_fn(self, bytes, len);
    }
    return leave(self, self->on_data);
}

static tenon_status on_eof(void *data, tenon_transport *transport)
{
    recorder *self = data;
    enter(self, false);
    REQUIRE(transport == self->transport);
    REQUIRE(self->eof++ == 0);
    say(self, "eof");
    return leave(self, self->on_eof);
}

static tenon_status on_lost(void *data, tenon_transport *transport,
                            const tenon_error *error)
{
    recorder *self = data;
    enter(self, false);
    REQUIRE(transport == self->transport);
    self->lost++;
    self->lost_status = tenon_error_status(error);
    (void)harness_told(error);
    if (!self->silent) {
        note("%slost:%s", self->prefix ? self->prefix : "",
             tenon_status_name(self->lost_status));
    }
    if (self->lost_fn) {
        self->lost_fn(self);
    }
    return leave(self, TENON_OK);
}

static tenon_status on_pause(void *data, tenon_transport *transport)
{
    recorder *self = data;
    enter(self, false);
    REQUIRE(transport == self->transport);
    REQUIRE(self->pauses++ == self->resumes);
    say(self, "pause");
    if (self->pause_fn) {
        self->pause_fn(self);
    }
    return leave(self, self->on_pause);
}

static tenon_status on_resume(void *data, tenon_transport *transport)
{
    recorder *self = data;
    enter(self, false);
    REQUIRE(transport == self->transport);
    REQUIRE(++self->resumes == self->pauses);
    say(self, "resume");
    if (self->resume_fn) {
        self->resume_fn(self);
    }
    return leave(self, self->on_resume);
}

const tenon_protocol_ops recorder_ops = {
    .size = sizeof recorder_ops,
    .name = "recorder",
    .connection_made = on_made,
    .data_received = on_data,
    .eof_received = on_eof,
    .connection_lost = on_lost,
    .pause_writing = on_pause,
    .resume_writing = on_resume,
};

tenon_factory recorder_factory(recorder *self)
{
    tenon_factory factory = tenon_factory_of(&recorder_ops);
    factory.shared.self = self;
    return factory;
}

void recorder_adopt(recorder *self, int *fd)
{
    tenon_transport *transport = NULL;
    REQUIRE_STATUS(tenon_transport_adopt(rig.reactor, &transport, *fd,
                                         recorder_factory(self)),
                   TENON_OK);
    *fd = -1;
    PUMP_UNTIL(self->made == 1);
}

int recorder_pair(recorder *self)
{
    int fds[2];
    socket_pair(fds);
    recorder_adopt(self, &fds[0]);
    return fds[1];
}

void tcp_pair(int fds[2])
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(listener >= 0);
    REQUIRE(bind(listener, (struct sockaddr *)&address, len) == 0);
    REQUIRE(listen(listener, 4) == 0);
    REQUIRE(getsockname(listener, (struct sockaddr *)&address, &len) == 0);
    fds[1] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(connect(fds[1], (struct sockaddr *)&address, len) == 0);
    fds[0] = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    REQUIRE(fds[0] >= 0);
    REQUIRE(fcntl(fds[1], F_SETFL, O_NONBLOCK) == 0);
    close(listener);
}

size_t fill(tenon_transport *transport)
{
    static char block[32768];
    size_t written = 0;
    while (tenon_transport_write_queue_len(transport) == 0) {
        REQUIRE_OK(tenon_transport_write(transport, block, sizeof block));
        written += sizeof block;
        REQUIRE(written < ((size_t)64 << 20));
        rig_settle(); /* what is left then, the kernel did not want */
    }
    return written;
}

uint64_t read_sum(int fd, size_t len)
{
    static char block[65536];
    uint64_t sum = 0;
    int64_t end_ns = rig_deadline();
    while (len > 0) {
        ssize_t got = read(fd, block, len < sizeof block ? len : sizeof block);
        if (got > 0) {
            sum = checksum(sum, block, (size_t)got);
            len -= (size_t)got;
        } else {
            REQUIRE(got < 0 && errno == EAGAIN);
            rig_pump_step(end_ns, __FILE__, __LINE__, "bytes at the peer");
        }
    }
    return sum;
}

size_t read_to_end(int fd)
{
    static char block[65536];
    size_t len = 0;
    int64_t end_ns = rig_deadline();
    for (;;) {
        ssize_t got = read(fd, block, sizeof block);
        if (got > 0) {
            len += (size_t)got;
        } else if (got == 0 || errno != EAGAIN) {
            return len;
        } else {
            rig_pump_step(end_ns, __FILE__, __LINE__, "end at the peer");
        }
    }
}
