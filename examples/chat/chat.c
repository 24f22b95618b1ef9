/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/* A chat server: a room, and a loop of its own. */

#include <signal.h>
#include <stdio.h>

#include "room.h"

static int fail(const char *what, tenon_status status)
{
    (void)fprintf(stderr, "chat: %s: %s (%s)\n", what,
                  tenon_status_text(status), tenon_status_name(status));
    return 1;
}

static void on_signal(void *user)
{
    tenon_stop(user);
}

static tenon_status serve(tenon_reactor *reactor, const char *address)
{
    tenon_listener *listener;
    tenon_address bound;
    char text[TENON_ADDRESS_TEXT_LEN];
    tenon_status status =
        tenon_add_signal_handler(reactor, SIGTERM, on_signal, reactor);
    if (status >= 0) {
        status = tenon_add_signal_handler(reactor, SIGINT, on_signal, reactor);
    }
    if (status >= 0) {
        status =
            tenon_listen(reactor, &listener, address, room_factory(), NULL);
    }
    if (status < 0) {
        return status;
    }
    (void)tenon_listener_address(listener, &bound);
    tenon_address_format(&bound, text, sizeof text);
    printf("chat at %s\n", text);
    (void)fflush(stdout);
    tenon_listener_unref(listener); /* the reactor keeps it */
    return tenon_run(reactor);
}

int main(int argc, char **argv)
{
    tenon_reactor *reactor;
    if (argc != 2) {
        (void)fprintf(stderr, "usage: %s tcp:HERE:PORT\n",
                      argc > 0 ? argv[0] : "chat");
        return 2;
    }
    tenon_status status = tenon_reactor_new(&reactor, NULL);
    if (status < 0) {
        return fail("no reactor", status);
    }
    status = serve(reactor, argv[1]);
    room_end();
    tenon_reactor_close(reactor);
    tenon_reactor_unref(reactor);
    return status < 0 ? fail(argv[1], status) : 0;
}
