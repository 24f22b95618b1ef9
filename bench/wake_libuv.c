/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/* libuv's side of the wake-up bench, and ours on libuv. */
#include "wake.h"

#if BENCH_HAVE_LIBUV && __has_include(<tenon/libuv.h>)
#include <tenon/libuv.h>
#include <uv.h>

static void on_async(uv_async_t *async)
{
    bench_wake *self = async->data;
    if (bench_wake_answer(self)) {
        uv_close((uv_handle_t *)async, NULL);
    }
}

static void wake(bench_wake *self)
{
    uv_async_send(self->user);
}

static int run(double *out)
{
    uv_loop_t loop;
    uv_async_t async;
    bench_wake self = {.wake = wake, .user = &async};
    if (uv_loop_init(&loop) != 0 ||
        uv_async_init(&loop, &async, on_async) != 0) {
        return 1;
    }
    async.data = &self;
    int failed = bench_wake_begin(&self);
    uv_run(&loop, UV_RUN_DEFAULT);
    failed |= bench_wake_end(&self, out);
    uv_loop_close(&loop);
    return failed;
}

const bench_side bench_wake_libuv = {"uv_async_send", run};

/* ---- ours ---- */

static void run_loop(void *loop)
{
    uv_run(loop, UV_RUN_DEFAULT);
}

static int run_ours(double *out)
{
    uv_loop_t loop;
    tenon_reactor *reactor;
    if (uv_loop_init(&loop) != 0 ||
        tenon_libuv_attach(&loop, &reactor, NULL) < 0) {
        return 1;
    }
    int failed = bench_wake_tenon(reactor, run_loop, &loop, out);
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
    return failed;
}

const bench_side bench_wake_tenon_libuv = {"tenon_post, libuv", run_ours};
#endif
