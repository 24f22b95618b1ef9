/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Echo, written once. It names no host: native.c, libuv.c, libevent.c, glib.c
 * and foreign.c bring one each and link this same object file.
 */

#include <signal.h>
#include <stdio.h>

#include "echo.h"

/* ---- the protocol: bytes in, the same bytes out ---- */

static tenon_status echo_data(void *self, tenon_transport *transport,
                              const void *data, size_t len)
{
    (void)self;
    return tenon_transport_write(transport, data, len);
}

/* Who does not read its echo is not read from: memory stays bounded. */
static tenon_status echo_pause(void *self, tenon_transport *transport)
{
    (void)self;
    return tenon_transport_pause_reading(transport);
}

static tenon_status echo_resume(void *self, tenon_transport *transport)
{
    (void)self;
    return tenon_transport_resume_reading(transport);
}

static const tenon_protocol_ops echo = {
    .size = sizeof echo,
    .name = "echo",
    .data_received = echo_data,
    .pause_writing = echo_pause,
    .resume_writing = echo_resume,
};

/* ---- the program around it ---- */

static int fail(const char *what, tenon_status status)
{
    (void)fprintf(stderr, "echo: %s: %s (%s)\n", what,
                  tenon_status_text(status), tenon_status_name(status));
    return 1;
}

/* An attached reactor may be closed from its own callbacks; one that runs the
 * thread itself is stopped, and closed by main. */
static void on_signal(void *user)
{
    tenon_reactor *reactor = user;
    if (tenon_reactor_close(reactor) == TENON_BUSY) {
        tenon_stop(reactor);
    }
}

static tenon_status serve(tenon_reactor *reactor, const char *address)
{
    tenon_listener *listener;
    tenon_address bound;
    char text[TENON_ADDRESS_TEXT_LEN];
    tenon_status status = tenon_listen(reactor, &listener, address,
                                       tenon_factory_of(&echo), NULL);
    if (status < 0) {
        return status;
    }
    status = tenon_listener_address(listener, &bound);
    tenon_listener_unref(listener); /* the reactor keeps it */
    if (status >= 0) {
        status = tenon_add_signal_handler(reactor, SIGINT, on_signal, reactor);
    }
    if (status >= 0) {
        status = tenon_add_signal_handler(reactor, SIGTERM, on_signal, reactor);
    }
    if (status >= 0) {
        tenon_address_format(&bound, text, sizeof text);
        printf("%s: echo at %s\n", tenon_reactor_host(reactor), text);
        (void)fflush(stdout);
    }
    return status;
}

int echo_start(tenon_reactor *reactor, int argc, char **argv)
{
    char address[TENON_ADDRESS_TEXT_LEN];
    if (argc != 2) {
        (void)fprintf(stderr, "usage: %s PORT (0: any that is free)\n",
                      argc > 0 ? argv[0] : "echo");
        tenon_reactor_close(reactor);
        return 2;
    }
    (void)snprintf(address, sizeof address, "tcp:127.0.0.1:%s", argv[1]);
    tenon_status status = serve(reactor, address);
    if (status < 0) {
        tenon_reactor_close(reactor);
        return fail(address, status);
    }
    return 0;
}

int echo_no_reactor(tenon_status status)
{
    return fail("no reactor", status);
}
