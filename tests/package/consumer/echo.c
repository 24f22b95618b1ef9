/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * What a user of the installed package writes: an echo server and a client of
 * it, on the loop that HOST_... names. Ends with 0 when the bytes came back.
 */

#include <stdio.h>
#include <string.h>

#include <tenon/tenon.h>
#if defined HOST_LIBUV
#include <tenon/libuv.h>
#elif defined HOST_LIBEVENT
#include <tenon/libevent.h>
#elif defined HOST_GLIB
#include <tenon/glib.h>
#endif

static const char said[] = "hello";
static size_t heard;

/* ---- the server ---- */

static tenon_status echo_data(void *self, tenon_transport *transport,
                              const void *data, size_t len)
{
    (void)self;
    return tenon_transport_write(transport, data, len);
}

static const tenon_protocol_ops echo = {
    .size = sizeof echo,
    .data_received = echo_data,
};

/* ---- the client, which ends it all ---- */

static tenon_status client_made(void *self, tenon_transport *transport)
{
    (void)self;
    return tenon_transport_write(transport, said, sizeof said);
}

static tenon_status client_data(void *self, tenon_transport *transport,
                                const void *data, size_t len)
{
    (void)self;
    if (len > sizeof said - heard || memcmp(said + heard, data, len) != 0) {
        return TENON_PROTOCOL;
    }
    heard += len;
    return heard == sizeof said ? tenon_transport_close(transport) : TENON_OK;
}

static void end(void *user);

static tenon_status client_lost(void *self, tenon_transport *transport,
                                const tenon_error *error)
{
    (void)self;
    (void)error;
    return tenon_call_soon(tenon_transport_reactor(transport), end,
                           tenon_transport_reactor(transport));
}

static const tenon_protocol_ops client = {
    .size = sizeof client,
    .connection_made = client_made,
    .data_received = client_data,
    .connection_lost = client_lost,
};

static tenon_status start(tenon_reactor *reactor)
{
    tenon_listener *listener;
    tenon_address address;
    char text[TENON_ADDRESS_TEXT_LEN];
    tenon_status status = tenon_listen(reactor, &listener, "tcp:127.0.0.1:0",
                                       tenon_factory_of(&echo), NULL);
    if (status < 0) {
        return status;
    }
    status = tenon_listener_address(listener, &address);
    tenon_listener_unref(listener);
    if (status < 0) {
        return status;
    }
    tenon_address_format(&address, text, sizeof text);
    return tenon_connector_start(reactor, NULL, text, tenon_factory_of(&client),
                                 NULL);
}

/* ---- the hosts ---- */

#if defined HOST_LIBUV

static void end(void *user)
{
    tenon_reactor_close(user);
}

static tenon_status run(tenon_reactor **out)
{
    tenon_status status = tenon_libuv_attach(uv_default_loop(), out, NULL);
    status = status < 0 ? status : start(*out);
    uv_run(uv_default_loop(), UV_RUN_DEFAULT);
    return status;
}

#elif defined HOST_LIBEVENT

static void end(void *user)
{
    tenon_reactor_close(user);
}

static tenon_status run(tenon_reactor **out)
{
    struct event_base *base = event_base_new();
    tenon_status status = tenon_libevent_attach(base, out, NULL);
    status = status < 0 ? status : start(*out);
    event_base_dispatch(base);
    return status;
}

#elif defined HOST_GLIB

static GMainLoop *loop;

static void end(void *user)
{
    tenon_reactor_close(user);
    g_main_loop_quit(loop);
}

static tenon_status run(tenon_reactor **out)
{
    loop = g_main_loop_new(NULL, FALSE);
    tenon_status status = tenon_glib_attach(NULL, out, NULL);
    status = status < 0 ? status : start(*out);
    if (status >= 0) {
        g_main_loop_run(loop);
    }
    g_main_loop_unref(loop);
    return status;
}

#else

static void end(void *user)
{
    tenon_stop(user);
}

static tenon_status run(tenon_reactor **out)
{
    tenon_status status = tenon_reactor_new(out, NULL);
    status = status < 0 ? status : start(*out);
    return status < 0 ? status : tenon_run(*out);
}

#endif

int main(void)
{
    tenon_reactor *reactor = NULL;
    tenon_status status = run(&reactor);
    if (status < 0) {
        (void)fprintf(stderr, "%s\n", tenon_status_text(status));
        return 1;
    }
    if (heard != sizeof said) {
        (void)fprintf(stderr, "%zu bytes came back\n", heard);
        return 1;
    }
    printf("echo on %s, tenon %s\n", tenon_reactor_host(reactor),
           tenon_version());
    tenon_reactor_close(reactor);
    tenon_reactor_unref(reactor);
    return 0;
}
