/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/* The echo of the README, on whatever reactor it is given, and the native one. */
#include "srv_tenon.h"

#include <stdio.h>
#include <unistd.h>

#include "bench.h"

static tenon_status echo_data(void *self, tenon_transport *t, const void *data,
                              size_t len)
{
    (void)self;
    return tenon_transport_write(t, data, len);
}

static const tenon_protocol_ops echo = {
    .size = sizeof echo, .name = "echo", .data_received = echo_data};

/* The listening socket is not taken over but made again: its address. */
static int address_of(int listen_fd, char *text, size_t len)
{
    struct sockaddr_in at;
    socklen_t at_len = sizeof at;
    if (getsockname(listen_fd, (struct sockaddr *)&at, &at_len) != 0 ||
        close(listen_fd) != 0) {
        return 1;
    }
    tenon_address address = {.kind = TENON_ADDRESS_TCP, .len = at_len};
    address.as.v4 = at;
    tenon_address_format(&address, text, len);
    return 0;
}

int bench_tenon_listen(tenon_reactor *reactor, int listen_fd)
{
    char text[TENON_ADDRESS_TEXT_LEN];
    tenon_listener *listener;
    tenon_listen_options options = {.size = sizeof options, .backlog = 4096};
    if (address_of(listen_fd, text, sizeof text) != 0) {
        return 1;
    }
    tenon_status status = tenon_listen(reactor, &listener, text,
                                       tenon_factory_of(&echo), &options);
    if (status < 0) {
        fprintf(stderr, "tenon-bench: listen at %s: %s\n", text,
                tenon_status_text(status));
        return 1;
    }
    tenon_listener_unref(listener);
    return 0;
}

static int run(int listen_fd, const bench_options *options)
{
    tenon_reactor *reactor;
    (void)options;
    if (tenon_reactor_new(&reactor, NULL) < 0 ||
        bench_tenon_listen(reactor, listen_fd) != 0) {
        return 1;
    }
    return tenon_run(reactor) < 0;
}

const bench_server bench_srv_tenon_native = {"tenon", "native", "tenon", run};
