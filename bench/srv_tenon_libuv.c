/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/* Tenon on libuv: the same echo, run by the host's own loop. */
#include "bench.h"

#if BENCH_HAVE_LIBUV && __has_include(<tenon/libuv.h>)
#include <tenon/libuv.h>
#include <uv.h>

#include "srv_tenon.h"

static int run(int listen_fd, const bench_options *options)
{
    tenon_reactor *reactor;
    (void)options;
    uv_loop_t *loop = uv_default_loop();
    if (tenon_libuv_attach(loop, &reactor, NULL) < 0 ||
        bench_tenon_listen(reactor, listen_fd) != 0) {
        return 1;
    }
    return uv_run(loop, UV_RUN_DEFAULT);
}

const bench_server bench_srv_tenon_libuv = {"tenon", "libuv", "tenon", run};
#endif
