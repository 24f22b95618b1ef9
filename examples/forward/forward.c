/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * A port forwarder: whoever connects is joined, by a pipe, to a connection of
 * ours to somewhere else. Flow control, half-closing and the end of either
 * side are the pipe's affair.
 */

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include <tenon/tenon.h>

static const char *target;

/* A client that waits for the connection to the target. */
typedef struct waiting {
    tenon_transport *client; /* NULL: it is gone */
    tenon_connector *connector;
} waiting;

static void on_connected(tenon_connector *connector, tenon_transport *there,
                         const tenon_error *error, void *user);

/* ---- our side to the target: reads nothing before it is in the pipe ---- */

static tenon_status there_made(void *self, tenon_transport *there)
{
    (void)self;
    return tenon_transport_pause_reading(there);
}

static const tenon_protocol_ops there_ops = {
    .size = sizeof there_ops,
    .name = "forward target",
    .connection_made = there_made,
};

/* ---- the client, until then ---- */

static tenon_status client_made(void *self, tenon_transport *client)
{
    waiting *w = self;
    tenon_connect_options options = {
        .size = sizeof options, .on_connected = on_connected, .user = w};
    w->client = client;
    tenon_transport_pause_reading(client);
    return tenon_connector_start(tenon_transport_reactor(client), &w->connector,
                                 target, tenon_factory_of(&there_ops),
                                 &options);
}

static tenon_status client_lost(void *self, tenon_transport *client,
                                const tenon_error *error)
{
    waiting *w = self;
    (void)client;
    (void)error;
    w->client = NULL;
    if (w->connector) {
        tenon_connector_cancel(w->connector); /* on_connected frees */
    } else {
        free(w);
    }
    return TENON_OK;
}

static const tenon_protocol_ops client_ops = {
    .size = sizeof client_ops,
    .name = "forward client",
    .connection_made = client_made,
    .connection_lost = client_lost,
};

static tenon_status new_client(void *user, tenon_transport *client,
                               tenon_protocol *out)
{
    (void)user;
    (void)client;
    *out = (tenon_protocol){&client_ops, calloc(1, sizeof(waiting))};
    return out->self ? TENON_OK : TENON_NO_MEMORY;
}

static void on_connected(tenon_connector *connector, tenon_transport *there,
                         const tenon_error *error, void *user)
{
    waiting *w = user;
    tenon_transport *client = w->client;
    tenon_connector_unref(connector);
    w->connector = NULL;
    if (error && client) {
        char text[256];
        (void)tenon_error_format(error, text, sizeof text);
        (void)fprintf(stderr, "forward: %s: %s\n", target, text);
        tenon_transport_abort(client); /* client_lost frees */
        return;
    }
    if (client && there && tenon_pipe(client, there, NULL) == TENON_OK) {
        free(w); /* the pipe is the protocol of both now */
        return;
    }
    if (there) {
        tenon_transport_abort(there);
    }
    if (client) {
        tenon_transport_abort(client);
    } else {
        free(w);
    }
}

/* ---- the program ---- */

static int fail(const char *what, tenon_status status)
{
    (void)fprintf(stderr, "forward: %s: %s (%s)\n", what,
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
        status = tenon_listen(reactor, &listener, address,
                              tenon_factory_with(new_client, NULL), NULL);
    }
    if (status < 0) {
        return status;
    }
    (void)tenon_listener_address(listener, &bound);
    tenon_address_format(&bound, text, sizeof text);
    printf("forwards %s to %s\n", text, target);
    (void)fflush(stdout);
    tenon_listener_unref(listener); /* the reactor keeps it */
    return tenon_run(reactor);
}

int main(int argc, char **argv)
{
    tenon_reactor *reactor;
    if (argc != 3) {
        (void)fprintf(stderr, "usage: %s tcp:HERE:PORT tcp:THERE:PORT\n",
                      argc > 0 ? argv[0] : "forward");
        return 2;
    }
    target = argv[2];
    tenon_status status = tenon_reactor_new(&reactor, NULL);
    if (status < 0) {
        return fail("no reactor", status);
    }
    status = serve(reactor, argv[1]);
    tenon_reactor_close(reactor);
    tenon_reactor_unref(reactor);
    return status < 0 ? fail(argv[1], status) : 0;
}
