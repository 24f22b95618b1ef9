/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The client: a protocol, for which hiredis writes commands and reads replies.
 * A connector looks up, connects and keeps the time.
 *
 * What is sent in a turn leaves together in the next. A reply is a command's
 * while one waits for it; whatever comes when none does was published.
 *
 * The client lies in the room of a future, too, which ends with the reactor:
 * so its memory, and the reactor's, outlive a callback that closes it.
 */

#include <stdio.h>
#include <string.h>

#include <tenon/connector.h>
#include <tenon/info.h>

#include "client.h"

/* SLICE: hiredis moves the rest of its input at each KiB that it has read.
 * KEPT: of the output's memory, while nothing is to be sent. */
enum { SLICE = 8192, KEPT = 262144 };

static void on_timer(tenon_timer *timer, void *user);

tenon_error *tenon__redis_error(tenon_status status, const char *message,
                                const tenon_error *cause)
{
    return tenon_error_new(&(tenon_error_options){
        .size = sizeof(tenon_error_options),
        .status = status,
        .system_code = tenon_error_system_code(cause),
        .domain = "redis",
        .message = message ? message : tenon_status_text(status),
        .cause = (tenon_error *)cause});
}

/* Whether it is connected does not matter: until then it keeps the reactor. */
static void end_life(tenon_redis *c)
{
    if (tenon_future_cancel(c->life, NULL) == TENON_EXISTED) {
        (void)tenon_reactor_release(c->reactor);
    }
}

tenon_status tenon__redis_check(tenon_redis *c)
{
    return tenon_future_is_done(c->life)
               ? TENON_CLOSED
               : tenon_timer_set_daemon(&c->timer, false);
}

tenon_status tenon__redis_send(tenon_redis *c, const char *text, size_t len)
{
    sds all =
        c->unsent ? sdscatlen(c->unsent, text, len) : sdsnewlen(text, len);
    c->unsent = all ? all : c->unsent;
    return !all ? TENON_NO_MEMORY
           : tenon_timer_is_active(&c->timer)
               ? TENON_OK
               : tenon_timer_start(&c->timer, 0, on_timer, c);
}

/* ---- the connection ---- */

/* What the connection, or the attempt, leaves behind. */
static void clear(tenon_redis *c, tenon_error *error)
{
    c->transport = NULL;
    redisReaderFree(c->reader);
    sdsfree(c->unsent);
    c->reader = NULL;
    c->unsent = NULL;
    tenon__redis_commands_fail(c, error);
    tenon__redis_channels_fail(c, error);
}

static void forget_attempt(tenon_redis *c)
{
    (void)tenon_waiter_remove(&c->waiter);
    (void)tenon_future_cancel(c->attempt, NULL);
    tenon_future_unref(c->attempt);
    c->attempt = NULL;
}

/* In domain "redis"; an error of ours comes back as it is. */
static tenon_error *reason_of(const tenon_error *cause)
{
    if (!cause) {
        return tenon__redis_error(TENON_ABORTED,
                                  "the server closed the connection", NULL);
    }
    return strcmp(tenon_error_domain(cause), "redis") == 0
               ? tenon_error_ref((tenon_error *)cause)
               : tenon__redis_error(tenon_error_status(cause), NULL, cause);
}

/* The end of the reactor fails futures itself. Without the memory for a timer
 * nothing would come any more: that is told, and the client is closed. */
static void lose(tenon_redis *c, const tenon_error *cause)
{
    tenon_error *error = reason_of(cause);
    int64_t max_ns = c->options.pause_max_ns;
    int64_t pause_ns = c->pause_ns < max_ns / 2 ? 2 * c->pause_ns : max_ns;
    pause_ns = c->pause_ns ? pause_ns : c->options.pause_min_ns;
    c->pause_ns = pause_ns < max_ns ? pause_ns : max_ns;
    c->transport = NULL;
    if (!tenon_reactor_is_closed(c->reactor)) {
        clear(c, error);
        if (tenon_timer_start(&c->timer, c->pause_ns, on_timer, c) < 0) {
            tenon_reactor_report(c->reactor, "redis", error);
            end_life(c);
        } else if (c->options.on_state) {
            c->options.on_state(c, error, c->options.user);
        }
    }
    tenon_error_unref(error);
}

static tenon_status on_made(void *self, tenon_transport *t)
{
    tenon_redis *c = self;
    tenon_keepalive keepalive = {.size = sizeof keepalive};
    forget_attempt(c);
    c->transport = t;
    c->pause_ns = 0;
    tenon_transport_set_daemon(t, true);
    (void)tenon_transport_set_hard_limit(t, SIZE_MAX);
    (void)tenon_transport_set_keepalive(t, &keepalive);
    if (c->options.on_state) {
        c->greeting = true;
        c->options.on_state(c, NULL, c->options.user);
        c->greeting = false;
    }
    if (c->transport) {
        tenon__redis_commands_send(c);
    }
    if (c->transport && tenon__redis_channels_send(c) < 0) {
        (void)tenon_transport_abort(t); /* the next one may do better */
    }
    return TENON_OK;
}

/* A callback may close the client, and its reader with it. */
static tenon_error *read_replies(tenon_redis *c, const char *data, size_t len)
{
    redisReply *reply = NULL;
    tenon_error *error = NULL;
    int result = redisReaderFeed(c->reader, data, len);
    while (result == REDIS_OK && !error && c->transport) {
        result = redisReaderGetReply(c->reader, (void **)&reply);
        if (result != REDIS_OK || !reply) {
            break;
        }
        if (c->sent.first) {
            tenon__redis_answer(c, reply);
        } else {
            error = tenon__redis_pushed(c, reply);
            freeReplyObject(reply);
        }
    }
    bool memory = result != REDIS_OK && c->reader->err == REDIS_ERR_OOM;
    return result == REDIS_OK
               ? error
               : tenon__redis_error(memory ? TENON_NO_MEMORY : TENON_PROTOCOL,
                                    c->reader->errstr, NULL);
}

static tenon_status on_data(void *self, tenon_transport *t, const void *data,
                            size_t len)
{
    tenon_redis *c = self;
    tenon_error *error = NULL;
    for (size_t at = 0; at < len && !error && c->transport; at += SLICE) {
        size_t rest = len - at;
        error = read_replies(c, (const char *)data + at,
                             rest < SLICE ? rest : SLICE);
    }
    if (error) {
        (void)tenon_transport_fail(t, error);
        tenon_error_unref(error);
    }
    return TENON_OK;
}

static tenon_status on_lost(void *self, tenon_transport *t,
                            const tenon_error *error)
{
    (void)t;
    lose(self, error);
    return TENON_OK;
}

static const tenon_protocol_ops protocol = {.size = sizeof protocol,
                                            .name = "redis",
                                            .connection_made = on_made,
                                            .data_received = on_data,
                                            .connection_lost = on_lost};
static const tenon_protocol_ops nobody = {.size = sizeof nobody};

static void on_failed(tenon_waiter *waiter, tenon_future *future, void *user)
{
    tenon_redis *c = user;
    (void)waiter;
    c->attempt = NULL;
    lose(c, tenon_future_error(future));
    tenon_future_unref(future);
}

static void flush(tenon_redis *c)
{
    tenon_status status =
        tenon_transport_write(c->transport, c->unsent, sdslen(c->unsent));
    if (status < 0 && status != TENON_CLOSED) {
        (void)tenon_transport_abort(c->transport);
    }
    if (sdsalloc(c->unsent) > KEPT) {
        sdsfree(c->unsent);
        c->unsent = NULL;
    } else {
        sdsclear(c->unsent);
    }
}

static void on_timer(tenon_timer *timer, void *user)
{
    tenon_redis *c = user;
    (void)timer;
    if (c->transport) {
        flush(c);
        return;
    }
    tenon_connect_options options = {
        .size = sizeof options, .timeout_ns = c->options.connect_timeout_ns};
    tenon_factory factory = {.shared = {&protocol, c}};
    c->reader = redisReaderCreate();
    c->attempt = c->reader
                     ? tenon_connect(c->reactor, c->address, factory, &options)
                     : NULL;
    if (tenon_future_on_done(c->attempt, &c->waiter, on_failed, c) < 0) {
        tenon_error *error = tenon_error_of(TENON_NO_MEMORY, NULL);
        lose(c, error);
        tenon_error_unref(error);
    }
}

/* ---- public: the client ---- */

static int64_t value_or(int64_t value, int64_t usual)
{
    return value ? value : usual;
}

static tenon_status take_options(tenon_redis_options *o,
                                 const tenon_redis_options *given)
{
    if (given) {
        memcpy(o, given, given->size < sizeof *o ? given->size : sizeof *o);
    }
    o->commands_max = o->commands_max ? o->commands_max : 65536;
    o->connect_timeout_ns = value_or(o->connect_timeout_ns, 5 * TENON_SECOND);
    o->pause_min_ns = value_or(o->pause_min_ns, 50 * TENON_MILLISECOND);
    o->pause_max_ns = value_or(o->pause_max_ns, 5 * TENON_SECOND);
    bool valid = o->connect_timeout_ns > 0 && o->command_timeout_ns >= 0 &&
                 o->pause_min_ns > 0 && o->pause_max_ns > 0;
    return valid && (!given || given->size) ? TENON_OK : TENON_INVALID;
}

static void set_address(tenon_redis *c)
{
    const tenon_redis_options *o = &c->options;
    const char *host = o->host ? o->host : "127.0.0.1";
    if (o->path) {
        memcpy(c->address, "unix:", 5);
        tenon_endpoint_quote(o->path, c->address + 5, sizeof c->address - 5);
    } else {
        (void)snprintf(c->address, sizeof c->address,
                       strchr(host, ':') ? "tcp:[%s]:%u" : "tcp:%s:%u", host,
                       o->port ? o->port : 6379U);
    }
}

tenon_status tenon_redis_connect(tenon_reactor *reactor,
                                 const tenon_redis_options *options,
                                 tenon_redis **out)
{
    tenon_redis_options chosen = {.size = 0};
    tenon_future *life;
    tenon_status status =
        reactor && out ? take_options(&chosen, options) : TENON_INVALID;
    if (status == TENON_OK) {
        status = tenon_future_new_with(reactor, sizeof(tenon_redis), &life);
    }
    if (status < 0) {
        return status;
    }
    tenon_redis *c = tenon_future_room(life);
    c->life = life;
    c->reactor = reactor;
    c->options = chosen;
    c->waiting.last = &c->waiting.first;
    c->sent.last = &c->sent.first;
    set_address(c);
    tenon_timer_init(&c->timer, reactor);
    tenon_timer_set_name(&c->timer, "redis");
    status = tenon_timer_start(&c->timer, 0, on_timer, c);
    if (status < 0) {
        tenon_future_unref(life);
        return status;
    }
    (void)tenon_reactor_hold(reactor);
    *out = c;
    return TENON_OK;
}

void tenon_redis_close(tenon_redis *c)
{
    if (!c || tenon__redis_check(c) == TENON_WRONG_THREAD) {
        return;
    }
    tenon_error *error =
        tenon__redis_error(TENON_CLOSED, "the client was closed", NULL);
    if (c->transport) {
        (void)tenon_transport_set_protocol(c->transport,
                                           (tenon_protocol){&nobody, NULL});
        (void)tenon_transport_abort(c->transport);
    }
    forget_attempt(c);
    (void)tenon_timer_stop(&c->timer);
    clear(c, error);
    tenon__redis_channels_free(c);
    tenon_error_unref(error);
    end_life(c);
    tenon_future_unref(c->life);
}

bool tenon_redis_is_connected(const tenon_redis *c)
{
    return c->transport != NULL;
}
