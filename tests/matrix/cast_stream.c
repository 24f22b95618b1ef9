/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The actor of streams: a handler of tenon_serve, which reads three bytes at a
 * time. Calls are made between two of its reads, on its own stack.
 */

#include "matrix.h"

#include <sys/socket.h>
#include <unistd.h>

enum { READS = 2, PIECE = 3 };

static tenon_status handle(tenon_stream *s, void *user)
{
    actor *a = user;
    tenon_bytes got;
    tenon_status status = TENON_OK;
    WANT(!a->stream);
    a->stream = tenon_stream_ref(s);
    while (status >= 0 && !over(a, EV_SERVE, READS)) {
        status = tenon_stream_read_exactly(s, PIECE, &got);
        if (status >= 0) {
            WANT(memcmp(got.data, "abc", PIECE) == 0);
            hit(a, EV_SERVE);
        }
    }
    return TENON_OK;
}

static int client_of(const tenon_listener *listener)
{
    tenon_address address;
    WANT(tenon_listener_address(listener, &address) == TENON_OK);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    WANT(fd > 0 && connect(fd, &address.as.any, address.len) == 0);
    return fd;
}

static void open_handler(actor *a)
{
    /* Whole loops run on it. */
    const tenon_task_options task = {.size = sizeof task,
                                     .stack_size = 1 << 20};
    const tenon_serve_options options = {.size = sizeof options, .task = &task};
    tenon_listener *listener;
    fresh_name(a);
    WANT(tenon_serve(st.reactor, &listener, a->name, handle, a, &options) ==
         TENON_OK);
    a->far = client_of(listener);
    a->guard = listener;
}

static void step_handler(actor *a)
{
    char bytes[4096];
    while (recv(a->far, bytes, sizeof bytes, MSG_DONTWAIT) > 0) {
    }
    if (a->stream && a->phase < READS && over(a, EV_SERVE, a->phase)) {
        a->phase++;
        (void)send(a->far, "abc", PIECE, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
    if (a->phase == READS && over(a, EV_SERVE, READS)) {
        a->phase++;
        (void)tenon_listener_close(a->guard);
    }
}

static bool complete_handler(const actor *a)
{
    return over(a, EV_SERVE, READS);
}

static void close_handler(actor *a)
{
    close(a->far);
    tenon_stream_unref(a->stream);
    tenon_listener_unref(a->guard);
    a->far = 0;
}

const part kind_HANDLER = {"handler",    STREAM,           open_handler,
                           step_handler, complete_handler, close_handler};
