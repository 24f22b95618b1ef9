/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

#include "client.h"

#include <stdlib.h>
#include <string.h>

#include <tenon/line.h>

enum { LINE_MAX_LEN = 2000, NAME_LEN = 64 };

struct client {
    tenon_line line;
    tenon_waiter waiter;
    tenon_future *connecting; /* NULL: it was told how that went */
    const client_ops *ops;    /* NULL: left */
    void *user;
    bool open;
    char name[NAME_LEN];
};

/* The connection and the connecting end in any order. */
static void tell_lost(client *self, const tenon_error *error)
{
    if (self->open || self->connecting) {
        return;
    }
    if (self->ops) {
        self->ops->lost(error, self->user);
    }
    free(self);
}

/* ---- the protocol ---- */

static tenon_status on_made(void *user, tenon_line *line)
{
    client *self = user;
    self->open = true;
    tenon_status status = tenon_line_send(line, self->name, strlen(self->name));
    return status < 0 ? status : TENON_OK;
}

static tenon_status on_line(void *user, tenon_line *line, const char *text,
                            size_t len)
{
    client *self = user;
    char copy[LINE_MAX_LEN + 1];
    (void)line;
    memcpy(copy, text, len);
    copy[len] = '\0';
    if (self->ops && strcmp(copy, "* welcome") == 0) {
        self->ops->joined(self->user);
    }
    if (self->ops) { /* it may have left in there */
        self->ops->line(copy, self->user);
    }
    return TENON_OK;
}

static tenon_status on_lost(void *user, tenon_line *line,
                            const tenon_error *error)
{
    client *self = user;
    (void)line;
    self->open = false;
    tell_lost(self, error);
    return TENON_OK;
}

static const tenon_line_ops line_ops = {
    .size = sizeof line_ops,
    .name = "chat client",
    .connection_made = on_made,
    .line_received = on_line,
    .connection_lost = on_lost,
};

static tenon_status build(void *user, tenon_transport *transport,
                          tenon_protocol *out)
{
    static const tenon_line_options options = {.size = sizeof options,
                                               .delimiter = "\n",
                                               .delimiter_len = 1,
                                               .max_len = LINE_MAX_LEN};
    client *self = user;
    (void)transport;
    tenon_status status =
        tenon_line_init(&self->line, &line_ops, self, &options);
    if (status >= 0) {
        *out = tenon_line_protocol(&self->line);
    }
    return status;
}

/* ---- public ---- */

static void on_connected(tenon_waiter *waiter, tenon_future *future, void *user)
{
    client *self = user;
    tenon_error *error = tenon_error_ref(tenon_future_error(future));
    (void)waiter;
    self->connecting = NULL;
    tenon_future_unref(future);
    if (error) {
        tell_lost(self, error);
    }
    tenon_error_unref(error);
}

client *client_join(tenon_reactor *reactor, const char *address,
                    const char *name, const client_ops *ops, void *user)
{
    client *self = calloc(1, sizeof *self);
    if (!self) {
        return NULL;
    }
    self->ops = ops;
    self->user = user;
    strncpy(self->name, name, sizeof self->name - 1);
    self->connecting =
        tenon_connect(reactor, address, tenon_factory_with(build, self), NULL);
    if (!self->connecting) {
        free(self);
        return NULL;
    }
    if (tenon_future_on_done(self->connecting, &self->waiter, on_connected,
                             self) < 0) {
        abort(); /* of a future that is new: it cannot fail */
    }
    return self;
}

tenon_status client_say(client *self, const char *text)
{
    return self->open ? tenon_line_send(&self->line, text, strlen(text))
                      : TENON_CLOSED;
}

void client_leave(client *self)
{
    self->ops = NULL;
    if (self->open) {
        (void)tenon_transport_close(tenon_line_transport(&self->line));
    } else if (self->connecting) {
        (void)tenon_future_cancel(self->connecting, "left");
    }
}
