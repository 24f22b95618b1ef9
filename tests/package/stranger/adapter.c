/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The adapter: polloop underneath, a reactor on top. docs/writing-an-adapter.md
 * explains it line by line.
 */

#include "adapter.h"

#include <stdlib.h>

#include <tenon/sys/host.h>

typedef struct host {
    polloop *loop;
    tenon_reactor *reactor;
    int slot;
    bool alive;
} host;

static void on_readable(void *user)
{
    host *self = user;
    tenon_turn(self->reactor, NULL);
}

static void *native(void *user)
{
    host *self = user;
    return self->loop;
}

static tenon_status open_host(void *user, tenon_reactor *reactor, int fd)
{
    host *self = user;
    self->reactor = reactor;
    self->slot = polloop_watch(self->loop, fd, on_readable, self);
    return self->slot < 0 ? TENON_LIMIT : TENON_OK;
}

static void set_alive(void *user, bool alive)
{
    host *self = user;
    if (self->alive != alive) {
        self->alive = alive;
        polloop_hold(self->loop, alive ? 1 : -1);
    }
}

static void close_host(void *user, tenon_host_closed_fn *done, void *token)
{
    host *self = user;
    set_alive(self, false);
    polloop_unwatch(self->loop, self->slot);
    free(self);
    done(token);
}

static const tenon_host_ops ops = {
    .size = sizeof ops,
    .caps = TENON_CAP_ALIVE | TENON_CAP_NESTED | TENON_CAP_BUDGET |
            TENON_CAP_REAL_TIME,
    .name = "polloop",
    .native = native,
    .open = open_host,
    .close = close_host,
    .set_alive = set_alive,
};

tenon_status polloop_attach(polloop *loop, tenon_reactor **out,
                            const tenon_reactor_options *options)
{
    host *self = calloc(1, sizeof *self);
    if (!self) {
        return TENON_NO_MEMORY;
    }
    self->loop = loop;
    tenon_status status = tenon_reactor_attach(out, &ops, self, options);
    if (status < 0) {
        free(self);
    }
    return status;
}
