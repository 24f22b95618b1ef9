/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/* The echo of the README as a task for each connection, which reads what there
 * is and sends it back. */
#include <tenon/tenon.h>

#include <stdio.h>

#include "bench.h"

static tenon_status echo(tenon_stream *stream, void *user)
{
    tenon_bytes bytes;
    tenon_status status;
    (void)user;
    while ((status = tenon_stream_read(stream, SIZE_MAX, &bytes)) == TENON_OK) {
        TENON_TRY(tenon_stream_send(stream, bytes.data, bytes.len));
    }
    return status == TENON_ENDED ? TENON_OK : status;
}

static int run(int listen_fd, const bench_options *options)
{
    tenon_reactor *reactor;
    tenon_listener *listener;
    char address[32];
    const tenon_listen_options listen = {.size = sizeof listen,
                                         .backlog = 4096};
    const tenon_serve_options serve = {.size = sizeof serve, .listen = &listen};
    (void)options;
    (void)snprintf(address, sizeof address, "fd:%d", listen_fd);
    if (tenon_reactor_new(&reactor, NULL) < 0 ||
        tenon_serve(reactor, &listener, address, echo, NULL, &serve) < 0) {
        return 1;
    }
    tenon_listener_unref(listener);
    return tenon_run(reactor) < 0;
}

const bench_server bench_srv_tenon_task = {"tenon", "native", "tenon-task",
                                           run};
