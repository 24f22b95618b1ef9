/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The client's connection:
 *
 *   LOOKUP -> CONNECTING -> GREETED -> UP
 *      ^          |           |        |      any of them -> CLOSED
 *      |          v           v        v
 *    PAUSE <---- LOST <-----------------
 *
 * Each state has its timer: a limit, a pause, or no delay at all. However a
 * context ends, its end comes by way of `on_gone`.
 */

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"

static void enter(tenon_redis *c, enum tenon__redis_state state,
                  int64_t delay_ns);

static void blame(tenon_redis *c, tenon_status status, const char *message)
{
    if (!c->error) {
        c->error = tenon__redis_error(status, message);
    }
}

/* ---- life ---- */

static void release(tenon_redis *c)
{
    if (--c->refs == 0) {
        tenon_error_unref(c->error);
        tenon_block_free(c);
    }
}

tenon_status tenon__redis_check(tenon_redis *c)
{
    return c->state == TENON__REDIS_CLOSED
               ? TENON_CLOSED
               : tenon_timer_set_daemon(&c->timer, false);
}

/* Inside a callback of hiredis' it takes effect when that returns. */
static void drop(tenon_redis *c)
{
    if (c->context && !(c->context->c.flags & REDIS_FREEING)) {
        redisAsyncFree(c->context);
    }
}

static void end(tenon_redis *c)
{
    c->state = TENON__REDIS_CLOSED;
    (void)tenon_timer_stop(&c->timer);
    (void)tenon_timer_stop(&c->limit);
    if (c->lookup) {
        (void)tenon_lookup_cancel(c->lookup);
    }
    tenon_error_unref(c->error);
    c->error = NULL;
    blame(c, TENON_CLOSED, "the client was closed");
    drop(c);
    tenon__redis_commands_fail(c);
    tenon__redis_channels_end(c, true);
}

/* Futures are failed by the reactor's end itself; the context, which hears
 * nothing any more, goes with the client. */
static tenon_status on_shutdown(tenon_reactor *reactor, tenon_shutdown *hook,
                                void *user)
{
    tenon_redis *c = user;
    (void)reactor, (void)hook;
    c->state = TENON__REDIS_CLOSED;
    (void)tenon_timer_stop(&c->timer);
    (void)tenon_timer_stop(&c->limit);
    c->reactor = NULL;
    return TENON_OK;
}

/* ---- the end of a connection ---- */

static void lose(tenon_redis *c)
{
    tenon__redis_commands_fail(c);
    tenon__redis_channels_end(c, false);
    enter(c, TENON__REDIS_LOST, 0);
}

static void on_gone(redisAsyncContext *context, void *user)
{
    tenon_redis *c = user;
    (void)context;
    (void)tenon__redis_why(c);
    c->context = NULL;
    if (c->state == TENON__REDIS_CLOSED) {
        tenon__redis_channels_end(c, true);
    } else {
        lose(c);
    }
    release(c);
}

/* ---- its beginning ---- */

static void on_connect(const redisAsyncContext *context, int status)
{
    tenon_redis *c = context->data;
    if (status == REDIS_OK) {
        if (!c->options.path) {
            (void)redisEnableKeepAlive(&c->context->c);
        }
        enter(c, TENON__REDIS_GREETED, 0);
    } else {
        (void)tenon__redis_why(c); /* errno is still that of it */
    }
}

static redisAsyncContext *open_context(tenon_redis *c)
{
    char text[INET6_ADDRSTRLEN] = "";
    if (c->options.path) {
        return redisAsyncConnectUnix(c->options.path);
    }
    bool v6 = c->address.as.any.sa_family == AF_INET6;
    const void *bytes = v6 ? (const void *)&c->address.as.v6.sin6_addr
                           : (const void *)&c->address.as.v4.sin_addr;
    (void)inet_ntop(c->address.as.any.sa_family, bytes, text, sizeof text);
    return redisAsyncConnect(text, tenon_address_port(&c->address));
}

static void connect_now(tenon_redis *c)
{
    redisAsyncContext *context = open_context(c);
    tenon_status status = TENON_NO_MEMORY;
    if (context && context->err) {
        status = tenon__redis_status(&context->c);
    } else if (context) {
        status = tenon__hiredis_attach(c->reactor, context, on_gone, c);
    }
    if (status < 0) {
        blame(c, status, context ? context->errstr : NULL);
        if (context) {
            redisAsyncFree(context);
        }
        lose(c);
        return;
    }
    c->refs++;
    c->context = context;
    context->data = c;
    redisAsyncSetConnectCallback(context, on_connect);
    enter(c, TENON__REDIS_CONNECTING, c->options.connect_timeout_ns);
}

/* The first IPv4 address, as hiredis would take; if there is none the first. */
static void on_address(tenon_lookup *lookup, const tenon_address *address,
                       void *user)
{
    tenon_redis *c = user;
    (void)lookup;
    if (!c->address.len || (address->as.any.sa_family == AF_INET &&
                            c->address.as.any.sa_family == AF_INET6)) {
        c->address = *address;
    }
}

static void on_looked_up(tenon_lookup *lookup, const tenon_error *error,
                         void *user)
{
    tenon_redis *c = user;
    c->lookup = NULL;
    tenon_lookup_unref(lookup);
    if (c->state == TENON__REDIS_LOOKUP && error) {
        blame(c, tenon_error_status(error), tenon_error_message(error));
        lose(c);
    } else if (c->state == TENON__REDIS_LOOKUP) {
        connect_now(c);
    }
    release(c);
}

static void attempt(tenon_redis *c)
{
    tenon_error_unref(c->error);
    c->error = NULL;
    if (c->options.path) {
        connect_now(c);
        return;
    }
    tenon_resolve_options options = {.size = sizeof options,
                                     .port = c->options.port,
                                     .timeout_ns =
                                         c->options.connect_timeout_ns,
                                     .on_address = on_address,
                                     .on_done = on_looked_up,
                                     .user = c};
    c->address.len = 0;
    tenon_status status =
        tenon_resolve(c->reactor, &c->lookup, c->options.host, &options);
    if (status < 0) {
        blame(c, status, NULL);
        lose(c);
        return;
    }
    c->refs++;
    enter(c, TENON__REDIS_LOOKUP, TENON_FOREVER);
}

/* ---- states ---- */

static void tell(tenon_redis *c, tenon_error *error)
{
    if (c->options.on_state) {
        c->options.on_state(c, error, c->options.user);
    }
}

static void begin(tenon_redis *c)
{
    c->pause_ns = 0;
    enter(c, TENON__REDIS_UP, TENON_FOREVER);
    tell(c, NULL);
    if (c->state == TENON__REDIS_UP) {
        tenon__redis_commands_send(c);
        tenon__redis_channels_send(c);
    }
}

static void pause_after(tenon_redis *c)
{
    int64_t most_ns = c->options.pause_max_ns;
    int64_t pause_ns = c->pause_ns < most_ns / 2 ? 2 * c->pause_ns : most_ns;
    pause_ns = c->pause_ns ? pause_ns : c->options.pause_min_ns;
    c->pause_ns = pause_ns < most_ns ? pause_ns : most_ns;
    enter(c, TENON__REDIS_PAUSE, c->pause_ns);
    tell(c, c->error);
}

static void on_timer(tenon_timer *timer, void *user)
{
    tenon_redis *c = user;
    (void)timer;
    c->refs++;
    if (c->state == TENON__REDIS_CONNECTING) {
        blame(c, TENON_TIMED_OUT, "not connected within the time limit");
        drop(c);
    } else if (c->state == TENON__REDIS_GREETED) {
        begin(c);
    } else if (c->state == TENON__REDIS_LOST) {
        pause_after(c);
    } else if (c->state == TENON__REDIS_PAUSE) {
        attempt(c);
    }
    release(c);
}

/* Without the memory for a timer nothing would come any more: that is told,
 * and the client is closed to all calls. */
static void enter(tenon_redis *c, enum tenon__redis_state state,
                  int64_t delay_ns)
{
    c->state = state;
    (void)tenon_timer_stop(&c->timer);
    if (delay_ns == TENON_FOREVER) {
        return;
    }
    tenon_status status = tenon_timer_start(&c->timer, delay_ns, on_timer, c);
    if (status < 0) {
        tenon_error *error = tenon__redis_error(status, "client ended");
        tenon_reactor_report(c->reactor, "redis", error);
        tenon_error_unref(error);
        end(c);
    }
}

/* ---- public ---- */

static int64_t value_or(int64_t value, int64_t usual)
{
    return value ? value : usual;
}

static void take_options(tenon_redis *c, const tenon_redis_options *given,
                         const char *name, size_t name_len)
{
    tenon_redis_options *o = &c->options;
    *o = *given;
    memcpy(c->name, name, name_len);
    o->commands_max = o->commands_max ? o->commands_max : 65536;
    o->host = c->name;
    o->path = o->path ? c->name : NULL;
    o->port = o->port ? o->port : 6379;
    o->connect_timeout_ns = value_or(o->connect_timeout_ns, 5 * TENON_SECOND);
    o->pause_min_ns = value_or(o->pause_min_ns, 50 * TENON_MILLISECOND);
    o->pause_max_ns = value_or(o->pause_max_ns, 5 * TENON_SECOND);
}

tenon_status tenon_redis_connect(tenon_reactor *reactor,
                                 const tenon_redis_options *options,
                                 tenon_redis **out)
{
    tenon_redis_options given = {.size = 0};
    if (options) {
        size_t len =
            options->size < sizeof given ? options->size : sizeof given;
        memcpy(&given, options, len);
    }
    const char *name = given.path   ? given.path
                       : given.host ? given.host
                                    : "127.0.0.1";
    if (!reactor || !out || (options && !options->size) ||
        given.connect_timeout_ns < 0 || given.command_timeout_ns < 0 ||
        given.pause_min_ns < 0 || given.pause_max_ns < 0) {
        return TENON_INVALID;
    }
    size_t name_len = strlen(name) + 1;
    tenon_redis *c =
        tenon_block_new(tenon_reactor_allocator(reactor), sizeof *c + name_len);
    if (!c) {
        return TENON_NO_MEMORY;
    }
    take_options(c, &given, name, name_len);
    c->reactor = reactor;
    c->refs = 1;
    c->last = &c->first;
    tenon_timer_init(&c->timer, reactor);
    tenon_timer_init(&c->limit, reactor);
    tenon_timer_set_name(&c->timer, "redis");
    tenon_timer_set_name(&c->limit, "redis command");
    (void)tenon_timer_set_daemon(&c->limit, true);
    c->state = TENON__REDIS_PAUSE;
    tenon_status status = tenon_timer_start(&c->timer, 0, on_timer, c);
    if (status == TENON_OK) {
        status = tenon_reactor_on_shutdown(reactor, &c->hook, on_shutdown, c);
    }
    if (status < 0) {
        (void)tenon_timer_stop(&c->timer);
        tenon_block_free(c);
        return status;
    }
    *out = c;
    return TENON_OK;
}

void tenon_redis_close(tenon_redis *c)
{
    if (c && tenon__redis_check(c) != TENON_WRONG_THREAD) {
        tenon_shutdown_remove(c->reactor ? &c->hook : NULL);
        end(c);
        release(c);
    }
}

bool tenon_redis_is_connected(const tenon_redis *c)
{
    return c->state == TENON__REDIS_UP;
}
