/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/* The redis bench on libuv. */
#include "redis.h"

#if defined(TENON_HAVE_TENON_HIREDIS) && defined(TENON_HAVE_TENON_LIBUV)
#include <stdlib.h>

#include <hiredis/adapters/libuv.h>
#include <tenon/libuv.h>

static void *loop_new(void)
{
    uv_loop_t *loop = malloc(sizeof *loop);
    if (loop && uv_loop_init(loop) != 0) {
        abort();
    }
    return loop;
}

static void loop_free(void *loop)
{
    (void)uv_run(loop, UV_RUN_DEFAULT);
    if (uv_loop_close(loop) != 0) {
        abort();
    }
    free(loop);
}

static void run_once(void *loop)
{
    (void)uv_run(loop, UV_RUN_ONCE);
}

static int attach_theirs(redisAsyncContext *context, void *loop)
{
    return redisLibuvAttach(context, loop);
}

static tenon_status reactor_new(void *loop, tenon_reactor **out)
{
    return tenon_libuv_attach(loop, out, NULL);
}

const bench_redis_host bench_redis_libuv = {
    "libuv", loop_new, loop_free, run_once, attach_theirs, reactor_new};
#endif
