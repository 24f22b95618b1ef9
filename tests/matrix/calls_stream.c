/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Calls on streams that are asked, and on sockets by tasks.
 */

#include "calls.h"

#include <sys/socket.h>
#include <unistd.h>

#define S (a->stream)

static const tenon_read nothing_at_all = {.size = sizeof nothing_at_all,
                                          .kind = TENON_READ_SOME};

/* ---- streams ---- */

static tenon_status never_served(tenon_stream *stream, void *user)
{
    (void)stream;
    (void)user;
    return TENON_OK;
}

static tenon_status serve_here(void)
{
    tenon_listener *listener = NULL;
    tenon_status status =
        tenon_serve(R, &listener, "tcp:127.0.0.1:0", never_served, NULL, NULL);
    if (status >= 0) {
        status = tenon_listener_close(listener);
        tenon_listener_unref(listener);
    }
    return status;
}

static tenon_status connect_nobody(void)
{
    tenon_stream *stream = NULL;
    return tenon_stream_connect(R, "unix:@tenon-matrix-nobody", NULL, &stream);
}

static tenon_status open_nobody(void)
{
    tenon_future *future =
        tenon_stream_open(R, "unix:@tenon-matrix-nobody", NULL);
    if (future) {
        (void)tenon_future_error(future);
        (void)tenon_future_cancel(future, NULL);
        tenon_future_unref(future);
    }
    return TENON_OK;
}

/* Before connection_made there is nothing to be attached to. */
static tenon_status attach_here(void)
{
    tenon_transport *pair[2];
    tenon_stream *stream = NULL;
    tenon_status status =
        tenon_memory_pair(R, pair, tenon_factory_of(&quiet_ops),
                          tenon_factory_of(&quiet_ops), NULL);
    if (status >= 0) {
        status = tenon_stream_attach(pair[0], &stream);
        (void)tenon_transport_abort(pair[0]);
        (void)tenon_transport_abort(pair[1]);
        tenon_stream_unref(stream);
    }
    return status;
}

static tenon_status stream_drop(actor *a)
{
    tenon_stream *mine = a->stream;
    a->stream = NULL;
    a->phase = 9; /* nobody sends any more */
    a->loose = true;
    (void)tenon_stream_close(mine);
    tenon_stream_unref(mine);
    return TENON_OK;
}

static tenon_status read_nothing(actor *a)
{
    tenon_bytes got;
    return tenon_stream_read_for(S, &nothing_at_all, &got);
}

static tenon_status into_nothing(actor *a)
{
    size_t got;
    return tenon_stream_read_into(S, NULL, 0, &got);
}

static tenon_status until_closed(actor *a)
{
    tenon_bytes got;
    tenon_status status = tenon_stream_close(S);
    return status < 0 ? status : tenon_stream_read_until(S, "x", 0, &got);
}

static tenon_status read_future(actor *a)
{
    tenon_future *future = NULL;
    tenon_status status = tenon_stream_read_future(S, &nothing_at_all, &future);
    if (status >= 0) {
        (void)tenon_future_error(future);
        tenon_future_unref(future);
    }
    return status;
}

static tenon_status wait_closed(actor *a)
{
    tenon_status status = tenon_stream_abort(S);
    return status < 0 ? status : tenon_stream_wait_closed(S);
}

/* ---- sockets ---- */

static tenon_status ready_now(void)
{
    int ends[2];
    uint32_t ready;
    WANT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
                    ends) == 0);
    tenon_status status = tenon_await_ready(ends[0], TENON_WRITE, &ready);
    close(ends[0]);
    close(ends[1]);
    return status;
}

static tenon_status talk(int how, const int ends[2])
{
    tenon_address from = {.kind = TENON_ADDRESS_NONE};
    char room[8];
    size_t got;
    int accepted;
    tenon_status status = tenon_sock_send_all(ends[0], "abc", 3, &got);
    switch (how) {
    case 0:
        return status < 0 ? status
                          : tenon_sock_recv(ends[1], room, sizeof room, &got);
    case 1:
        return status < 0 ? status
                          : tenon_sock_recv_from(ends[1], room, sizeof room,
                                                 &got, &from);
    case 2:
        return tenon_sock_send_to(ends[0], "abc", 3, &from);
    case 3:
        return tenon_sock_accept(ends[0], &accepted, NULL);
    default:
        return tenon_sock_connect(ends[0], &from);
    }
}

static tenon_status sock_talk(int how)
{
    int ends[2];
    WANT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
                    ends) == 0);
    tenon_status status = talk(how, ends);
    close(ends[0]);
    close(ends[1]);
    return status;
}

/* ---- the table ---- */

#define CALL(function, variant, on, flags, may, expression) \
    static tenon_status do_##function##_##variant(actor *a) \
    {                                                       \
        (void)a;                                            \
        return (expression);                                \
    }
#include "calls_stream.def"

static const call_row rows[] = {
#define CALL(function, variant, on, flags, may, expression) \
    {#function, #variant, on, flags, may, do_##function##_##variant},
#include "calls_stream.def"
};
const call_table calls_stream = {rows, sizeof rows / sizeof rows[0]};
