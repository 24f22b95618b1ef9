/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/* Step 5: the same room inside a libuv program. Only the end of the file is
 * new. */

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tenon/libuv.h>
#include <tenon/tenon.h>

typedef struct room room;

typedef struct client {
    struct client *next;
    room *room;
    tenon_transport *transport;
    tenon_timer idle;
    bool deaf; /* its queue is full */
    unsigned number;
    char line[256];
    size_t len;
} client;

struct room {
    client *clients;
    unsigned count; /* so far */
    int64_t idle_ns;
};

/* To everyone else who listens. A client that cannot be told is about to be
 * lost, and hears of that by connection_lost: nothing to do here. */
static void tell_others(const client *from, const char *text)
{
    for (client *c = from->room->clients; c; c = c->next) {
        if (c != from && !c->deaf) {
            (void)tenon_transport_write(c->transport, text, strlen(text));
        }
    }
}

static tenon_status on_line(client *self)
{
    char text[sizeof self->line + 32];
    (void)snprintf(text, sizeof text, "guest %u: %s\n", self->number,
                   self->line);
    tell_others(self, text);
    return TENON_OK;
}

static tenon_status on_data(void *user, tenon_transport *transport,
                            const void *data, size_t len)
{
    client *self = user;
    tenon_status status = TENON_OK;
    (void)transport;
    (void)tenon_timer_reset(&self->idle, self->room->idle_ns);
    for (size_t i = 0; i < len && status >= 0; i++) {
        char c = ((const char *)data)[i];
        if (c == '\n') {
            self->line[self->len] = '\0';
            self->len = 0;
            status = on_line(self);
        } else if (self->len + 1 < sizeof self->line) {
            self->line[self->len++] = c;
        } else {
            status = TENON_LIMIT; /* no line is that long: hang up */
        }
    }
    return status;
}

static void on_idle(tenon_timer *timer, void *user)
{
    client *self = user;
    (void)timer;
    (void)tenon_transport_write(self->transport, "goodbye\n", 8);
    (void)tenon_transport_close(self->transport); /* sends that first */
}

static tenon_status on_pause(void *user, tenon_transport *transport)
{
    client *self = user;
    (void)transport;
    self->deaf = true;
    return TENON_OK;
}

static tenon_status on_resume(void *user, tenon_transport *transport)
{
    client *self = user;
    self->deaf = false;
    return tenon_transport_write(transport, "you missed some\n", 16);
}

static tenon_status on_made(void *user, tenon_transport *transport)
{
    client *self = user;
    char text[64];
    self->transport = transport;
    self->number = ++self->room->count;
    self->next = self->room->clients;
    self->room->clients = self;
    (void)snprintf(text, sizeof text, "guest %u is here\n", self->number);
    tell_others(self, text);
    tenon_timer_init(&self->idle, tenon_transport_reactor(transport));
    tenon_status status =
        tenon_timer_start(&self->idle, self->room->idle_ns, on_idle, self);
    return status < 0 ? status
                      : tenon_transport_write(transport, "welcome\n", 8);
}

static tenon_status on_lost(void *user, tenon_transport *transport,
                            const tenon_error *error)
{
    client *self = user;
    char text[64];
    (void)transport;
    (void)error;
    client **link = &self->room->clients;
    while (*link != self) {
        link = &(*link)->next;
    }
    *link = self->next;
    (void)tenon_timer_stop(&self->idle); /* its memory ends here */
    (void)snprintf(text, sizeof text, "guest %u is gone\n", self->number);
    tell_others(self, text);
    free(self);
    return TENON_OK;
}

static const tenon_protocol_ops chat = {
    .size = sizeof chat,
    .connection_made = on_made,
    .data_received = on_data,
    .connection_lost = on_lost,
    .pause_writing = on_pause,
    .resume_writing = on_resume,
};

static tenon_status build(void *user, tenon_transport *transport,
                          tenon_protocol *out)
{
    client *self = calloc(1, sizeof *self);
    (void)transport;
    if (!self) {
        return TENON_NO_MEMORY;
    }
    self->room = user;
    out->ops = &chat;
    out->self = self;
    return TENON_OK;
}

/* ---- the application: a libuv program like any other ---- */

static void on_signal(void *user)
{
    tenon_reactor_close(user); /* an attached one may be closed anywhere */
}

static void on_tick(uv_timer_t *timer)
{
    const room *hall = timer->data;
    printf("%u so far\n", hall->count);
    (void)fflush(stdout);
}

static tenon_status open_room(tenon_reactor *reactor, const char *address,
                              room *hall)
{
    tenon_listener *listener;
    tenon_status status = tenon_listen(reactor, &listener, address,
                                       tenon_factory_with(build, hall), NULL);
    if (status < 0) {
        return status;
    }
    tenon_listener_unref(listener);
    return tenon_add_signal_handler(reactor, SIGTERM, on_signal, reactor);
}

int main(int argc, char **argv)
{
    room hall = {.idle_ns = 60 * TENON_SECOND};
    uv_loop_t *loop = uv_default_loop();
    uv_timer_t tick;
    uv_timer_init(loop, &tick);
    tick.data = &hall;
    uv_timer_start(&tick, on_tick, 100, 100);
    uv_unref((uv_handle_t *)&tick); /* the room decides how long we run */

    tenon_reactor *reactor;
    tenon_status status = tenon_libuv_attach(loop, &reactor, NULL);
    if (status < 0) {
        return 1;
    }
    status =
        open_room(reactor, argc > 1 ? argv[1] : "tcp:127.0.0.1:7000", &hall);
    if (status < 0) {
        (void)fprintf(stderr, "%s\n", tenon_status_text(status));
        tenon_reactor_close(reactor);
    }
    uv_run(loop, UV_RUN_DEFAULT); /* until the reactor is closed */
    tenon_reactor_unref(reactor);
    uv_close((uv_handle_t *)&tick, NULL);
    uv_run(loop, UV_RUN_DEFAULT);
    return uv_loop_close(loop) == 0 && status >= 0 ? 0 : 1;
}
