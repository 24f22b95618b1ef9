/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/* The echo server in a libevent program. */

#include <event2/event.h>

#include <tenon/libevent.h>

#include "echo.h"

int main(int argc, char **argv)
{
    struct event_base *base = event_base_new();
    tenon_reactor *reactor;
    tenon_status status = base == NULL
                              ? TENON_NO_MEMORY
                              : tenon_libevent_attach(base, &reactor, NULL);
    if (status < 0) {
        return echo_no_reactor(status);
    }
    int result = echo_start(reactor, argc, argv);
    event_base_dispatch(base); /* until nothing of ours is left */
    tenon_reactor_unref(reactor);
    event_base_free(base);
    return result;
}
