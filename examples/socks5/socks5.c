/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * A SOCKS5 proxy (RFC 1928): CONNECT, without authentication. A client's
 * request may come in any chunks, with bytes for the target right behind it:
 * those are put back, and so are the first that go through the pipe.
 */

#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tenon/tenon.h>

#define PATIENCE (10 * TENON_SECOND) /* until a client has said what it wants */

enum stage { GREETING, REQUEST, CONNECTING };
enum reply {
    GRANTED = 0,
    FAILED = 1,
    REFUSED = 5,
    NOT_THIS = 7,
    NO_ADDRESS = 8
};
enum address { V4 = 1, NAME = 3, V6 = 4 };
enum { NEED_MORE = 0 };

typedef struct client {
    tenon_transport *transport; /* NULL: it is gone */
    tenon_connector *connector;
    enum stage stage;
    unsigned char bytes[262]; /* the longest request */
    size_t len;
} client;

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
    .name = "socks5 target",
    .connection_made = there_made,
};

/* ---- the client ---- */

static tenon_status answer(const client *c, enum reply reply)
{
    const unsigned char text[] = {5, (unsigned char)reply, 0, V4, 0, 0, 0, 0, 0,
                                  0};
    tenon_status status =
        tenon_transport_write(c->transport, text, sizeof text);
    if (status >= 0 && reply != GRANTED) {
        status = tenon_transport_close(c->transport);
    }
    return status;
}

/* The length of the greeting, NEED_MORE, or a failure. */
static int take_greeting(client *c)
{
    static const unsigned char yes[] = {5, 0};
    static const unsigned char no[] = {5, 0xff};
    if (c->len < 2 || c->len < 2u + c->bytes[1]) {
        return c->len > 0 && c->bytes[0] != 5 ? TENON_PROTOCOL : NEED_MORE;
    }
    size_t methods = c->bytes[1];
    bool open = methods > 0 && memchr(c->bytes + 2, 0, methods) != NULL;
    tenon_status status =
        tenon_transport_write(c->transport, open ? yes : no, 2);
    if (status >= 0 && !open) {
        status = tenon_transport_close(c->transport);
    }
    c->stage = REQUEST;
    return status < 0 ? status : (int)methods + 2;
}

static bool is_name(const unsigned char *name, size_t len)
{
    static const char legal[] = "abcdefghijklmnopqrstuvwxyz"
                                "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.";
    for (size_t i = 0; i < len; i++) {
        if (name[i] == 0 || !strchr(legal, name[i])) {
            return false;
        }
    }
    return len > 0;
}

/* Writes the address as tenon_connector_start reads it; false: none such. */
static bool address_of(const client *c, char *text, size_t size)
{
    const unsigned char *at = c->bytes + 4;
    char number[INET6_ADDRSTRLEN];
    unsigned port = (unsigned)c->bytes[c->len - 2] << 8 | c->bytes[c->len - 1];
    switch (c->bytes[3]) {
    case V4:
        (void)inet_ntop(AF_INET, at, number, sizeof number);
        (void)snprintf(text, size, "tcp:%s:%u", number, port);
        return true;
    case V6:
        (void)inet_ntop(AF_INET6, at, number, sizeof number);
        (void)snprintf(text, size, "tcp:[%s]:%u", number, port);
        return true;
    case NAME:
        (void)snprintf(text, size, "tcp:%.*s:%u", at[0], (const char *)at + 1,
                       port);
        return is_name(at + 1, at[0]);
    default:
        return false;
    }
}

static tenon_status connect_there(client *c)
{
    char text[300];
    tenon_connect_options options = {
        .size = sizeof options, .on_connected = on_connected, .user = c};
    if (c->bytes[1] != 1) {
        return answer(c, NOT_THIS);
    }
    if (!address_of(c, text, sizeof text)) {
        return answer(c, NO_ADDRESS);
    }
    tenon_status status = tenon_connector_start(
        tenon_transport_reactor(c->transport), &c->connector, text,
        tenon_factory_of(&there_ops), &options);
    if (status == TENON_BAD_ADDRESS || status == TENON_NOT_SUPPORTED) {
        return answer(c, NO_ADDRESS);
    }
    if (status < 0) {
        return answer(c, FAILED);
    }
    c->stage = CONNECTING;
    return tenon_transport_pause_reading(c->transport);
}

/* How long the request is, as far as that can be told. */
static size_t request_len(const client *c)
{
    if (c->len < 5) {
        return 5;
    }
    switch (c->bytes[3]) {
    case V4:
        return 4 + 4 + 2;
    case V6:
        return 4 + 16 + 2;
    case NAME:
        return 4 + 1 + c->bytes[4] + 2u;
    default:
        return 5; /* nothing else is needed to refuse it */
    }
}

static int take_request(client *c)
{
    size_t len = request_len(c);
    if (c->len < len) {
        return c->len > 0 && c->bytes[0] != 5 ? TENON_PROTOCOL : NEED_MORE;
    }
    size_t all = c->len;
    c->len = len;
    tenon_status status = connect_there(c);
    c->len = all;
    return status < 0 ? status : (int)len;
}

/* One byte more than a stage needs is never looked at by it. */
static tenon_status client_data(void *self, tenon_transport *transport,
                                const void *data, size_t len)
{
    client *c = self;
    const char *from = data;
    while (len > 0 && c->stage != CONNECTING &&
           !tenon_transport_is_closing(transport)) {
        c->bytes[c->len++] = (unsigned char)*from++;
        len--;
        int taken = c->stage == GREETING ? take_greeting(c) : take_request(c);
        if (taken < 0) {
            return taken;
        }
        if (taken > NEED_MORE) {
            c->len = 0;
        }
    }
    if (c->stage == CONNECTING) {
        return tenon_transport_unread(transport, from, len);
    }
    return TENON_OK;
}

static tenon_status client_made(void *self, tenon_transport *transport)
{
    client *c = self;
    c->transport = transport;
    return tenon_transport_set_session_limit(transport, PATIENCE);
}

static tenon_status client_lost(void *self, tenon_transport *transport,
                                const tenon_error *error)
{
    client *c = self;
    (void)transport;
    (void)error;
    c->transport = NULL;
    if (c->connector) {
        tenon_connector_cancel(c->connector); /* on_connected frees */
    } else {
        free(c);
    }
    return TENON_OK;
}

static const tenon_protocol_ops client_ops = {
    .size = sizeof client_ops,
    .name = "socks5 client",
    .connection_made = client_made,
    .data_received = client_data,
    .connection_lost = client_lost,
};

static tenon_status new_client(void *user, tenon_transport *transport,
                               tenon_protocol *out)
{
    (void)user;
    (void)transport;
    *out = (tenon_protocol){&client_ops, calloc(1, sizeof(client))};
    return out->self ? TENON_OK : TENON_NO_MEMORY;
}

static bool grant(client *c, tenon_transport *there)
{
    return answer(c, GRANTED) >= 0 &&
           tenon_transport_set_session_limit(c->transport, 0) == TENON_OK &&
           tenon_pipe(c->transport, there, NULL) == TENON_OK;
}

static void on_connected(tenon_connector *connector, tenon_transport *there,
                         const tenon_error *error, void *user)
{
    client *c = user;
    bool here = c->transport != NULL;
    tenon_connector_unref(connector);
    c->connector = NULL;
    if (here && there && grant(c, there)) {
        free(c); /* the pipe is the protocol of both now */
        return;
    }
    if (there) {
        tenon_transport_abort(there);
    }
    if (here && error) {
        bool refused = tenon_error_status(error) == -ECONNREFUSED;
        (void)answer(c, refused ? REFUSED : FAILED);
    } else if (here) {
        tenon_transport_abort(c->transport);
    } else {
        free(c);
    }
}

/* ---- the program ---- */

static int fail(const char *what, tenon_status status)
{
    (void)fprintf(stderr, "socks5: %s: %s (%s)\n", what,
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
    printf("socks5 at %s\n", text);
    (void)fflush(stdout);
    tenon_listener_unref(listener); /* the reactor keeps it */
    return tenon_run(reactor);
}

int main(int argc, char **argv)
{
    tenon_reactor *reactor;
    if (argc != 2) {
        (void)fprintf(stderr, "usage: %s tcp:HERE:PORT\n",
                      argc > 0 ? argv[0] : "socks5");
        return 2;
    }
    tenon_status status = tenon_reactor_new(&reactor, NULL);
    if (status < 0) {
        return fail("no reactor", status);
    }
    status = serve(reactor, argv[1]);
    tenon_reactor_close(reactor);
    tenon_reactor_unref(reactor);
    return status < 0 ? fail(argv[1], status) : 0;
}
