/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/* The curl bench on Tenon, parked on libuv. */
#include "bench.h"
#if defined(TENON_HAVE_SHIM_CURL) && defined(TENON_HAVE_TENON_LIBUV)
#include <tenon/libuv.h>

#include "curl_hosts.h"

static void run(void *loop)
{
    uv_run(loop, UV_RUN_DEFAULT);
}

static int on_libuv(bench_curl_work *work, bench_curl_on_fn *fn)
{
    uv_loop_t loop;
    tenon_reactor *reactor;
    if (uv_loop_init(&loop) != 0 ||
        tenon_libuv_attach(&loop, &reactor, NULL) < 0) {
        return -1;
    }
    return fn(reactor, work, run, &loop);
}

int bench_curl_driver_libuv(bench_curl_work *work)
{
    return on_libuv(work, bench_curl_drive);
}

int bench_curl_tenon_libuv(bench_curl_work *work)
{
    return on_libuv(work, bench_curl_fetch);
}
#endif
