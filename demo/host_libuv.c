/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * A place on a uv_loop_t.
 */

#include <tenon/libuv.h>

#include "place.h"

static tenon_status serve(demo_place *place, uv_loop_t *loop)
{
    tenon_reactor *reactor;
    tenon_status status = tenon_libuv_attach(loop, &reactor, NULL);
    if (status < 0) {
        return status;
    }
    status = place_open(place, reactor);
    if (status >= 0) {
        uv_run(loop, UV_RUN_DEFAULT);
    }
    tenon_reactor_close(reactor);
    uv_run(loop, UV_RUN_DEFAULT); /* libuv closes handles in its loop */
    tenon_reactor_unref(reactor);
    return status;
}

static tenon_status run(demo_place *place)
{
    uv_loop_t loop;
    int failed = uv_loop_init(&loop);
    if (failed != 0) {
        return failed; /* a negated errno, as ours */
    }
    tenon_status status = serve(place, &loop);
    failed = uv_loop_close(&loop); /* UV_EBUSY if we had left a handle */
    return status < 0 ? status : failed;
}

const demo_host demo_libuv = {"libuv", run};
