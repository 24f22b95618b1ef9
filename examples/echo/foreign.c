/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/* The echo server in a program whose loop nobody has an adapter for: plain
 * poll(). One descriptor to watch, one function to call. */

#include <poll.h>

#include "echo.h"

int main(int argc, char **argv)
{
    tenon_reactor *reactor;
    tenon_status status = tenon_foreign_new(&reactor, NULL);
    if (status < 0) {
        return echo_no_reactor(status);
    }
    int result = echo_start(reactor, argc, argv);
    struct pollfd ours = {.events = POLLIN};
    while ((ours.fd = tenon_foreign_fd(reactor)) >= 0) {
        if (poll(&ours, 1, -1) > 0) { /* and your own descriptors */
            tenon_turn(reactor, NULL);
        }
    }
    tenon_reactor_unref(reactor);
    return result;
}
