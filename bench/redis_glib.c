/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/* The redis bench on GLib. */
#include "redis.h"

#if defined(TENON_HAVE_TENON_HIREDIS) && defined(TENON_HAVE_TENON_GLIB)
#include <hiredis/adapters/glib.h>
#include <tenon/glib.h>

static GSource *source; /* of theirs, which is the program's to end */

static void *loop_new(void)
{
    return g_main_context_new();
}

static void loop_free(void *loop)
{
    if (source) {
        g_source_destroy(source);
        g_source_unref(source);
        source = NULL;
    }
    g_main_context_unref(loop);
}

static void run_once(void *loop)
{
    (void)g_main_context_iteration(loop, TRUE);
}

static int attach_theirs(redisAsyncContext *context, void *loop)
{
    source = redis_source_new(context);
    return g_source_attach(source, loop) > 0 ? REDIS_OK : REDIS_ERR;
}

static tenon_status reactor_new(void *loop, tenon_reactor **out)
{
    return tenon_glib_attach(loop, out, NULL);
}

const bench_redis_host bench_redis_glib = {
    "glib", loop_new, loop_free, run_once, attach_theirs, reactor_new};
#endif
