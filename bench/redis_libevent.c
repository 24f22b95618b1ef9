/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/* The redis bench on libevent. */
#include "redis.h"

#if defined(TENON_HAVE_TENON_HIREDIS) && defined(TENON_HAVE_TENON_LIBEVENT)
#include <event2/event.h>
#include <hiredis/adapters/libevent.h>
#include <tenon/libevent.h>

static void *loop_new(void)
{
    return event_base_new();
}

static void loop_free(void *loop)
{
    event_base_free(loop);
}

static void run_once(void *loop)
{
    (void)event_base_loop(loop, EVLOOP_ONCE);
}

static int attach_theirs(redisAsyncContext *context, void *loop)
{
    return redisLibeventAttach(context, loop);
}

static tenon_status reactor_new(void *loop, tenon_reactor **out)
{
    return tenon_libevent_attach(loop, out, NULL);
}

const bench_redis_host bench_redis_libevent = {
    "libevent", loop_new, loop_free, run_once, attach_theirs, reactor_new};
#endif
