/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/* The echo server in a libuv program. */

#include <tenon/libuv.h>

#include "echo.h"

int main(int argc, char **argv)
{
    uv_loop_t *loop = uv_default_loop();
    tenon_reactor *reactor;
    tenon_status status = tenon_libuv_attach(loop, &reactor, NULL);
    if (status < 0) {
        return echo_no_reactor(status);
    }
    int result = echo_start(reactor, argc, argv);
    uv_run(loop, UV_RUN_DEFAULT); /* until nothing of ours is left */
    tenon_reactor_unref(reactor);
    return uv_loop_close(loop) == 0 ? result : 1;
}
