/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Calls on listeners, connectors, lookups, transports and lines.
 */

#include "calls.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define T a->transport

static char bytes[10000];
static tenon_address address;

/* ---- listeners, connectors, names ---- */

static tenon_status listen_here(void)
{
    tenon_listener *listener = NULL;
    tenon_status status = tenon_listen(R, &listener, "mem:here",
                                       tenon_factory_of(&quiet_ops), NULL);
    if (status >= 0) {
        status = tenon_listener_close(listener);
        tenon_listener_unref(listener);
    }
    return status;
}

static tenon_status listen_adopt(void)
{
    tenon_listener *listener = NULL;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    WANT(fd >= 0 && listen(fd, 1) == 0);
    tenon_status status = tenon_listen_adopt(
        R, &listener, fd, tenon_factory_of(&quiet_ops), NULL);
    if (status < 0) {
        close(fd);
    }
    tenon_listener_unref(listener); /* it goes on until the end */
    return status;
}

static tenon_status listener_add(actor *a)
{
    char name[80];
    snprintf(name, sizeof name, "%.60s-more", a->name);
    return tenon_listener_add(a->listener, name);
}

static tenon_status listener_drop(actor *a)
{
    tenon_listener_unref(a->listener);
    a->listener = NULL;
    a->phase = 9; /* its script stands still */
    return TENON_OK;
}

static tenon_status listener_stop(actor *a, enum tenon_stop_mode mode)
{
    tenon_stop_options options = {.size = sizeof options,
                                  .mode = mode,
                                  .timeout_ns = 1000,
                                  .on_stopped = matrix_on_stopped,
                                  .user = a};
    tenon_status status = tenon_listener_stop(a->listener, &options);
    a->sent += status >= 0;
    return status;
}

static tenon_status stop_future(actor *a)
{
    tenon_future *future = tenon_listener_stop_future(a->listener, NULL);
    tenon_future_unref(future);
    return future ? TENON_OK : TENON_CLOSED;
}

static void on_guest_connected(tenon_connector *connector, tenon_transport *t,
                               const tenon_error *error, void *user)
{
    (void)connector;
    (void)user;
    WANT(!t && error);
    pay();
}

static tenon_status connect_nowhere(void)
{
    tenon_connect_options options = {.size = sizeof options,
                                     .on_connected = on_guest_connected};
    return owed(tenon_connector_start(R, NULL, "mem:nowhere",
                                      tenon_factory_of(&quiet_ops), &options));
}

static tenon_status connect_future(void)
{
    tenon_future *future =
        tenon_connect(R, "mem:nowhere", tenon_factory_of(&quiet_ops), NULL);
    if (!future) {
        return TENON_CLOSED;
    }
    tenon_future_cancel(future, NULL);
    tenon_future_unref(future);
    return TENON_OK;
}

static tenon_status connector_drop(actor *a)
{
    tenon_connector_unref(a->connector);
    a->connector = NULL;
    return TENON_OK;
}

static void on_guest_answer(tenon_lookup *lookup, const tenon_error *error,
                            void *user)
{
    (void)lookup;
    (void)error;
    (void)user;
    pay();
}

static tenon_status resolve_here(void)
{
    tenon_resolve_options options = {.size = sizeof options,
                                     .on_done = on_guest_answer};
    return owed(tenon_resolve(R, NULL, "127.0.0.1", &options));
}

/* The reference of `named` is the connector's. */
static tenon_status lookup_drop(actor *a)
{
    if (a->kind == &kind_QUESTION && a->held) {
        tenon_lookup_unref(a->lookup);
        a->lookup = NULL;
    }
    return TENON_OK;
}

/* Only who keeps a lookup may answer it, and once. */
static tenon_status lookup_add(actor *a)
{
    WANT(tenon_address_parse(&address, "tcp:127.0.0.2:0") == TENON_OK);
    return a->phase == 1 ? tenon_lookup_add(a->lookup, &address) : TENON_OK;
}

static tenon_status lookup_done(actor *a)
{
    if (a->phase == 1) {
        a->phase = 2;
        tenon_lookup_done(a->lookup, NULL);
        a->lookup = a->kind == &kind_NAMED ? NULL : a->lookup;
    }
    return TENON_OK;
}

/* ---- transports ---- */

static tenon_status adopt_here(void)
{
    int fds[2];
    tenon_transport *t = NULL;
    WANT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
    tenon_status status =
        tenon_transport_adopt(R, &t, fds[0], tenon_factory_of(&quiet_ops));
    if (status < 0) {
        close(fds[0]);
    }
    close(fds[1]);
    return status;
}

static tenon_status pair_here(void)
{
    tenon_transport *ends[2];
    tenon_status status =
        tenon_memory_pair(R, ends, tenon_factory_of(&quiet_ops),
                          tenon_factory_of(&quiet_ops), NULL);
    if (status >= 0) {
        tenon_transport_abort(ends[0]);
    }
    return status;
}

static tenon_status writev_two(actor *a)
{
    struct iovec parts[] = {{bytes, 10}, {bytes, sizeof bytes}};
    return tenon_transport_writev(T, parts, 2);
}

static void on_paid(tenon_transport *t, tenon_status status, void *user)
{
    (void)t;
    (void)status;
    (void)user;
    WANT(!st.calling || (st.act->call->flags & RUNS));
    pay();
}

static void on_given_back(void *buffer, size_t len, void *user)
{
    (void)user;
    WANT(buffer == bytes && len == 10);
    pay();
}

static tenon_status write_take(actor *a)
{
    return owed(tenon_transport_write_take(T, bytes, 10, on_given_back, NULL));
}

static tenon_status flushed(actor *a)
{
    tenon_future *future = NULL;
    tenon_status status = tenon_transport_flushed(T, &future);
    tenon_future_unref(future);
    return status;
}

static tenon_status send_file(actor *a)
{
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    WANT(fd >= 0);
    tenon_status status =
        owed(tenon_transport_send_file(T, fd, 0, 100, on_paid, NULL));
    close(fd);
    return status;
}

/* Nobody tells the actor any more when its connection is lost; a pipe holds
 * both of its own. */
static void give_away(actor *a, tenon_status status)
{
    a->again += status >= 0;
    if (status >= 0 && a->kind != &kind_PIPE) {
        lose_transport(a);
    }
}

static tenon_status set_protocol(actor *a)
{
    tenon_status status =
        tenon_transport_set_protocol(T, (tenon_protocol){&quiet_ops, NULL});
    give_away(a, status);
    return status;
}

static tenon_status credentials(actor *a)
{
    tenon_credentials who;
    return tenon_transport_peer_credentials(T, &who);
}

static void on_quiet_tap(tenon_transport *t, enum tenon_tap_way way,
                         const void *data, size_t len, void *user)
{
    (void)t;
    (void)way;
    (void)data;
    (void)user;
    WANT(len > 0);
}

/* Another one that is open: the first there is. */
static tenon_status pipe_with(actor *a)
{
    for (int i = 0; i < st.cast_count; i++) {
        actor *other = &st.cast[i];
        if (other != a && other->transport && other->opened && !other->line) {
            tenon_status status = tenon_pipe(T, other->transport, NULL);
            give_away(a, status);
            give_away(other, status);
            other->loose = true;
            return status;
        }
    }
    return TENON_INVALID;
}

static tenon_status another_line(void)
{
    tenon_line line;
    tenon_line_ops ops = {.size = sizeof ops};
    return tenon_line_init(&line, &ops, NULL, NULL);
}

static tenon_status line_set_protocol(actor *a)
{
    tenon_status status =
        tenon_line_set_protocol(a->line, (tenon_protocol){&quiet_ops, NULL});
    give_away(a, status);
    return status;
}

/* ---- the table ---- */

#define CALL(function, variant, on, flags, may, expression) \
    static tenon_status do_##function##_##variant(actor *a) \
    {                                                       \
        (void)a;                                            \
        return (expression);                                \
    }
#include "calls_net.def"

static const call_row rows[] = {
#define CALL(function, variant, on, flags, may, expression) \
    {#function, #variant, on, flags, may, do_##function##_##variant},
#include "calls_net.def"
};
const call_table calls_net = {rows, sizeof rows / sizeof rows[0]};
