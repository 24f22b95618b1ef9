/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/* The echo server on Tenon's own loop. */

#include "echo.h"

int main(int argc, char **argv)
{
    tenon_reactor *reactor;
    tenon_status status = tenon_reactor_new(&reactor, NULL);
    if (status < 0) {
        return echo_no_reactor(status);
    }
    int result = echo_start(reactor, argc, argv);
    if (result == 0 && tenon_run(reactor) < 0) {
        result = 1;
    }
    tenon_reactor_close(reactor);
    tenon_reactor_unref(reactor);
    return result;
}
