/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/* Step 2: each connection has an object of its own, which cuts the bytes into
 * lines and numbers them. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tenon/tenon.h>

typedef struct client {
    char line[256];
    size_t len;
    unsigned count;
} client;

static tenon_status say(tenon_transport *transport, const char *text)
{
    return tenon_transport_write(transport, text, strlen(text));
}

static tenon_status on_line(client *self, tenon_transport *transport)
{
    char text[sizeof self->line + 16];
    (void)snprintf(text, sizeof text, "%u: %s\n", ++self->count, self->line);
    return say(transport, text);
}

static tenon_status on_data(void *user, tenon_transport *transport,
                            const void *data, size_t len)
{
    client *self = user;
    tenon_status status = TENON_OK;
    for (size_t i = 0; i < len && status >= 0; i++) {
        char c = ((const char *)data)[i];
        if (c == '\n') {
            self->line[self->len] = '\0';
            self->len = 0;
            status = on_line(self, transport);
        } else if (self->len + 1 < sizeof self->line) {
            self->line[self->len++] = c;
        } else {
            status = TENON_LIMIT; /* no line is that long: hang up */
        }
    }
    return status;
}

static tenon_status on_made(void *self, tenon_transport *transport)
{
    (void)self;
    return say(transport, "welcome\n");
}

static tenon_status on_lost(void *self, tenon_transport *transport,
                            const tenon_error *error)
{
    (void)transport;
    (void)error;
    free(self);
    return TENON_OK;
}

static const tenon_protocol_ops lines = {
    .size = sizeof lines,
    .connection_made = on_made,
    .data_received = on_data,
    .connection_lost = on_lost,
};

static tenon_status build(void *user, tenon_transport *transport,
                          tenon_protocol *out)
{
    (void)user;
    (void)transport;
    out->ops = &lines;
    out->self = calloc(1, sizeof(client));
    return out->self ? TENON_OK : TENON_NO_MEMORY;
}

static tenon_status serve(tenon_reactor *reactor, const char *address)
{
    tenon_listener *listener;
    tenon_status status = tenon_listen(reactor, &listener, address,
                                       tenon_factory_with(build, NULL), NULL);
    if (status < 0) {
        return status;
    }
    tenon_listener_unref(listener);
    return tenon_run(reactor);
}

int main(int argc, char **argv)
{
    tenon_reactor *reactor;
    tenon_status status = tenon_reactor_new(&reactor, NULL);
    if (status == TENON_OK) {
        status = serve(reactor, argc > 1 ? argv[1] : "tcp:127.0.0.1:7000");
        tenon_reactor_close(reactor);
        tenon_reactor_unref(reactor);
    }
    if (status < 0) {
        (void)fprintf(stderr, "%s\n", tenon_status_text(status));
    }
    return status < 0;
}
