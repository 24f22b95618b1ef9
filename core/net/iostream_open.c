/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Where streams come from: a connection that is made, one that is accepted and
 * given to a task, a transport that had another protocol; and the way back.
 */

#include <string.h>

#include "net/iostream.h"
#include "net/transport.h"

/* ---- connecting ---- */

static tenon_factory factory_of(tenon_stream *s)
{
    tenon_factory factory = {.build = NULL};
    factory.shared = tenon__iostream_protocol(s);
    return factory;
}

/* The connector would go on, with a stream that is no more. */
static void give_up(tenon_stream *s, tenon_future *made)
{
    if (made) {
        (void)tenon_future_cancel(made, NULL);
    }
    (void)tenon_stream_abort(s);
    tenon_stream_unref(s);
}

tenon_status tenon_stream_connect(tenon_reactor *r, const char *address,
                                  const tenon_connect_options *options,
                                  tenon_stream **out)
{
    tenon_status status = tenon__check(r);
    if (status < 0 || !out || !tenon__task_current()) {
        return status < 0 ? status : TENON_INVALID;
    }
    tenon_stream *s = tenon__iostream_new(r);
    if (!s) {
        return TENON_NO_MEMORY;
    }
    tenon_future *made = tenon_connect(r, address, factory_of(s), options);
    status = made ? tenon_await(made) : TENON_NO_MEMORY;
    if (status < 0) {
        give_up(s, made);
    } else {
        *out = s;
    }
    tenon_future_unref(made);
    return status;
}

static void unref_stream(void *user)
{
    tenon_stream_unref(user);
}

/* Nobody will have a stream that was not handed on. */
static void free_opening(void *user)
{
    tenon_stream *s = user;
    if (!s->handed) {
        (void)tenon_stream_abort(s);
    }
    tenon_stream_unref(s);
}

static tenon_status on_made(tenon_future *made, tenon_future *result,
                            void *user)
{
    (void)made;
    tenon_stream *s = tenon_stream_ref(user);
    s->handed = true;
    return tenon_future_try_resolve(result, s, unref_stream);
}

tenon_future *tenon_stream_open(tenon_reactor *r, const char *address,
                                const tenon_connect_options *options)
{
    tenon_stream *s = tenon__check(r) < 0 ? NULL : tenon__iostream_new(r);
    if (!s) {
        return NULL;
    }
    const tenon_then_options then = {.size = sizeof then,
                                     .on_value = on_made,
                                     .user = s,
                                     .free_user = free_opening};
    tenon_future *result = NULL;
    tenon_future *made = tenon_connect(r, address, factory_of(s), options);
    if (!made || tenon_future_then(made, &then, &result) < 0) {
        give_up(s, made);
    }
    tenon_future_unref(made);
    return result;
}

/* ---- accepting ---- */

typedef struct tenon__server {
    tenon_reactor *reactor;
    tenon_serve_fn *fn;
    void *user;
    tenon_task_options task;
    char name[TENON__TASK_NAME];
    size_t refs; /* the listener's, and one for each connection's task */
} tenon__server;

static void server_unref(tenon__server *server)
{
    if (--server->refs == 0) {
        tenon__free(&server->reactor->allocator, server, sizeof *server);
    }
}

/* What the handler leaves behind is the connection's own failure if that has
 * ended with it, and nobody else's business. That the peer had no more to say
 * is no failure at all. */
static tenon_status conclude(tenon_stream *s, tenon_status status)
{
    bool own = status < 0 && status == s->status;
    if (status == TENON_ENDED && s->eof) {
        status = TENON_OK;
    }
    if (status < 0) {
        (void)tenon_stream_abort(s);
    } else {
        (void)tenon_stream_close(s);
    }
    return own ? TENON_OK : status;
}

static tenon_status serve(void *user)
{
    tenon_stream *s = user;
    return conclude(s, s->server->fn(s, s->server->user));
}

static void end_service(void *user)
{
    tenon_stream *s = user;
    tenon__server *server = s->server;
    tenon_stream_unref(s);
    server_unref(server);
}

static tenon_status spawn_handler(tenon_stream *s)
{
    tenon_task_options options = s->server->task;
    options.free_user = end_service;
    tenon_status status = tenon_spawn(s->reactor, serve, s, &options, NULL);
    if (status == TENON_OK) {
        s->server->refs++;
        (void)tenon_stream_ref(s);
    }
    return status;
}

/* The reference is the one of build_stream. */
tenon_status tenon__iostream_served(tenon_stream *s)
{
    tenon_status status = spawn_handler(s);
    tenon_stream_unref(s);
    return status;
}

static tenon_status build_stream(void *user, tenon_transport *t,
                                 tenon_protocol *out)
{
    tenon__server *server = user;
    tenon_stream *s = tenon__iostream_new(server->reactor);
    (void)t;
    if (!s) {
        return TENON_NO_MEMORY;
    }
    s->server = server;
    *out = tenon__iostream_protocol(s);
    return TENON_OK;
}

static void stop_serving(void *user, tenon_reactor *r)
{
    (void)r;
    server_unref(user);
}

static const tenon_factory_ops server_ops = {.size = sizeof server_ops,
                                             .stop = stop_serving};

static void take_options(tenon__server *server, const tenon_serve_options *o)
{
    const tenon_task_options *task = o ? o->task : NULL;
    server->task.name = "connection";
    if (task) {
        memcpy(&server->task, task,
               task->size < sizeof server->task ? task->size
                                                : sizeof server->task);
    }
    server->task.size = sizeof server->task;
    if (server->task.name) {
        size_t len = strnlen(server->task.name, sizeof server->name - 1);
        memcpy(server->name, server->task.name, len);
    }
    server->task.name = server->name[0] ? server->name : NULL;
}

tenon_status tenon_serve(tenon_reactor *r, tenon_listener **out,
                         const char *address, tenon_serve_fn *fn, void *user,
                         const tenon_serve_options *options)
{
    tenon_status status = tenon__check(r);
    if (status < 0 || !fn || (options && options->size < sizeof *options)) {
        return status < 0 ? status : TENON_INVALID;
    }
    tenon__server *server = tenon__alloc(&r->allocator, sizeof *server);
    if (!server) {
        return TENON_NO_MEMORY;
    }
    *server = (tenon__server){.reactor = r, .fn = fn, .user = user, .refs = 1};
    take_options(server, options);
    tenon_factory factory = tenon_factory_with(build_stream, server);
    factory.ops = &server_ops;
    status = tenon_listen(r, out, address, factory,
                          options ? options->listen : NULL);
    if (status < 0) {
        server_unref(server);
    }
    return status;
}

/* ---- to and from protocols ---- */

tenon_status tenon_stream_attach(tenon_transport *t, tenon_stream **out)
{
    if (!t || !out) {
        return TENON_INVALID;
    }
    tenon_reactor *r = tenon_transport_reactor(t);
    tenon_status status = tenon__check(r);
    tenon_stream *s = status < 0 ? NULL : tenon__iostream_new(r);
    if (!s) {
        return status < 0 ? status : TENON_NO_MEMORY;
    }
    status = tenon_transport_set_protocol(t, tenon__iostream_protocol(s));
    if (status < 0) {
        tenon_stream_unref(s);
        return status;
    }
    s->eof = t->eof_seen; /* told to the one before */
    tenon__iostream_join(s, t);
    *out = s;
    return TENON_OK;
}

static tenon_status check_detach(const tenon_stream *s,
                                 const tenon_protocol *protocol)
{
    tenon_status status = s ? tenon__check(s->reactor) : TENON_INVALID;
    if (status < 0) {
        return status;
    }
    if (s->busy) {
        return TENON_BUSY;
    }
    if (!protocol->ops) {
        return TENON_INVALID;
    }
    return !s->transport || s->lost || s->closed ? TENON_CLOSED : TENON_OK;
}

/* An end of file is told to the one that comes after, too, behind the rest. */
static tenon_status give_back(tenon_stream *s)
{
    tenon_transport *t = s->transport;
    size_t len = tenon__iostream_unread(s);
    bool eof = t->eof_seen;
    t->eof_seen = false;
    tenon_status status =
        len ? tenon_transport_unread(t, tenon__iostream_data(s), len)
            : TENON_OK;
    if (status < 0) {
        t->eof_seen = eof;
    } else if (eof) {
        tenon__transport_update(t);
        tenon__transport_post(t, TENON_READ);
    }
    return status;
}

static void let_go(tenon_stream *s)
{
    tenon_transport *t = s->transport;
    s->closed = true;
    s->lost = true; /* to us */
    s->status = TENON_CLOSED;
    tenon__iostream_discard(s);
    tenon__iostream_wake(s);
    if (s->paused) {
        (void)tenon_transport_resume_reading(t);
    }
    tenon_stream_unref(s); /* the transport's */
}

tenon_status tenon_stream_detach(tenon_stream *s, tenon_protocol protocol)
{
    tenon_status status = check_detach(s, &protocol);
    if (status < 0) {
        return status;
    }
    tenon_protocol former = tenon_transport_protocol(s->transport);
    status = tenon_transport_set_protocol(s->transport, protocol);
    if (status < 0) {
        return status;
    }
    status = give_back(s);
    if (status < 0) {
        (void)tenon_transport_set_protocol(s->transport, former);
        return status;
    }
    let_go(s);
    return TENON_OK;
}
