/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/* The whole of the shim: c-ares tells which sockets it waits for by a hook,
 * and is asked until when. */

#include "ares.h"

void names_asked(names *self)
{
    struct timeval left;
    int64_t delay_ns = TENON_FOREVER;
    if (ares_timeout(self->channel, NULL, &left)) {
        delay_ns =
            left.tv_sec * TENON_SECOND + left.tv_usec * TENON_MICROSECOND;
    }
    (void)tenon_pollable_set_timeout(self->pollable, delay_ns);
}

static void on_socket(void *data, ares_socket_t fd, int readable, int writable)
{
    names *self = data;
    uint32_t events = (readable ? (uint32_t)TENON_READ : 0) |
                      (writable ? (uint32_t)TENON_WRITE : 0);
    (void)tenon_pollable_set(self->pollable, fd, events);
}

static void on_ready(void *data, tenon_pollable *pollable, int fd,
                     uint32_t events)
{
    names *self = data;
    (void)pollable;
    ares_process_fd(self->channel, events & TENON_READ ? fd : ARES_SOCKET_BAD,
                    events & TENON_WRITE ? fd : ARES_SOCKET_BAD);
    names_asked(self);
}

static void on_timeout(void *data, tenon_pollable *pollable)
{
    names *self = data;
    (void)pollable;
    ares_process_fd(self->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    names_asked(self);
}

static void on_closed(void *data, tenon_pollable *pollable)
{
    names *self = data;
    (void)pollable;
    ares_cancel(self->channel); /* each question ends with ARES_ECANCELLED */
}

static const tenon_pollable_ops ops = {
    .size = sizeof ops,
    .name = "c-ares",
    .ready = on_ready,
    .timeout = on_timeout,
    .closed = on_closed,
};

tenon_status names_init(names *self, tenon_reactor *reactor)
{
    struct ares_options options = {.sock_state_cb = on_socket,
                                   .sock_state_cb_data = self};
    tenon_status status =
        tenon_pollable_new(reactor, &ops, self, &self->pollable);
    if (status == TENON_OK &&
        ares_init_options(&self->channel, &options, ARES_OPT_SOCK_STATE_CB) !=
            ARES_SUCCESS) {
        tenon_pollable_free(self->pollable);
        status = TENON_NO_MEMORY;
    }
    return status;
}

void names_fini(names *self)
{
    ares_destroy(self->channel); /* which tells of every socket */
    tenon_pollable_free(self->pollable);
}
