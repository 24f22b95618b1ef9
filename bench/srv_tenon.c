/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/* The echo of the README, on whatever reactor it is given, and the native one. */
#include "srv_tenon.h"

#include <stdio.h>

#include "bench.h"

static tenon_status echo_data(void *self, tenon_transport *t, const void *data,
                              size_t len)
{
    (void)self;
    return tenon_transport_write(t, data, len);
}

static const tenon_protocol_ops echo = {
    .size = sizeof echo, .name = "echo", .data_received = echo_data};

int bench_tenon_listen(tenon_reactor *reactor, int listen_fd)
{
    tenon_listener *listener;
    tenon_listen_options options = {.size = sizeof options, .backlog = 4096};
    tenon_status status = tenon_listen_adopt(reactor, &listener, listen_fd,
                                             tenon_factory_of(&echo), &options);
    if (status < 0) {
        fprintf(stderr, "tenon-bench: listen: %s\n", tenon_status_text(status));
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
