/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The client: a protocol, for which hiredis writes commands and reads replies.
 * A connector looks up, connects and keeps the time.
 *
 * A command lies in the room of its future and waits in one of two queues: for
 * a connection, or for its reply. A reply is the first one's of these, and
 * whatever comes when none waits was published. What is sent in a turn leaves
 * together in the next.
 *
 * The client lies in the room of a future, too, which ends with the reactor:
 * so its memory, and the reactor's, outlive a callback that closes it.
 */

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <tenon/connector.h>
#include <tenon/info.h>

#include "client.h"

/* SLICE: hiredis moves the rest of its input at each KiB that it has read.
 * KEPT: of the output's memory, while nothing is to be sent. */
enum { SLICE = 8192, KEPT = 262144 };

typedef tenon__redis_command command;
typedef tenon__redis_queue queue;

struct tenon__redis_command {
    command *next;
    tenon_future *future;
    char *text; /* until it is sent */
    size_t len;
    tenon_timer limit; /* there if the client has one */
};

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

static void fail(tenon_future *future, tenon_status status, const char *message)
{
    tenon_error *error = tenon__redis_error(status, message, NULL);
    (void)tenon_future_try_fail(future, error);
    tenon_error_unref(error);
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

/* ---- commands ---- */

static void append(queue *q, command *n)
{
    *q->last = n;
    q->last = &n->next;
}

static command *take(queue *q)
{
    command *n = q->first;
    q->first = n->next;
    q->last = q->first ? q->last : &q->first;
    n->next = NULL;
    return n;
}

static void forget(tenon_redis *c, command *n)
{
    c->count--;
    if (c->options.command_timeout_ns) {
        (void)tenon_timer_stop(&n->limit);
    }
    redisFreeCommand(n->text);
    tenon_future_unref(n->future);
}

static void fail_all(tenon_redis *c, queue *q, tenon_error *error)
{
    while (q->first) {
        command *n = take(q);
        (void)tenon_future_try_fail(n->future, error);
        forget(c, n);
    }
}

static void on_limit(tenon_timer *timer, void *user)
{
    (void)timer;
    fail(user, TENON_TIMED_OUT, "no reply within the time limit");
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

static void send_command(tenon_redis *c, command *n)
{
    tenon_status status = tenon__redis_send(c, n->text, n->len);
    if (status < 0) {
        fail(n->future, status, NULL);
        forget(c, n);
        return;
    }
    redisFreeCommand(n->text);
    n->text = NULL;
    append(&c->sent, n);
}

static void answer(tenon_redis *c, redisReply *reply)
{
    command *n = take(&c->sent);
    if (reply->type == REDIS_REPLY_ERROR) {
        fail(n->future, TENON_REFUSED, reply->str);
        freeReplyObject(reply);
    } else {
        (void)tenon_future_try_resolve(n->future, reply, freeReplyObject);
    }
    forget(c, n);
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
    fail_all(c, &c->sent, error);
    fail_all(c, &c->waiting, error);
    tenon__redis_channels_fail(c, error);
}

static void forget_attempt(tenon_redis *c)
{
    (void)tenon_waiter_remove(&c->waiter);
    (void)tenon_future_cancel(c->attempt, NULL);
    tenon_future_unref(c->attempt);
    c->attempt = NULL;
}

/* The end of the reactor fails futures itself. Without the memory for a timer
 * nothing would come any more: that is told, and the client is closed. */
static void lose(tenon_redis *c, tenon_error *error)
{
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
    while (c->transport && c->waiting.first) {
        command *n = take(&c->waiting);
        if (tenon_future_is_done(n->future)) {
            forget(c, n);
        } else {
            send_command(c, n);
        }
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
            answer(c, reply);
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
    lose(self,
         error ? tenon__redis_error(tenon_error_status(error), NULL, error)
               : tenon__redis_error(TENON_ABORTED, "the server closed", NULL));
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
    const tenon_error *error = tenon_future_error(future);
    (void)waiter;
    c->attempt = NULL;
    lose(c, tenon__redis_error(tenon_error_status(error), NULL, error));
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
        lose(c, tenon__redis_error(TENON_NO_MEMORY, NULL, NULL));
    }
}

/* ---- public: the client ---- */

static tenon_status take_options(tenon_redis_options *o,
                                 const tenon_redis_options *given)
{
    if (given) {
        memcpy(o, given, given->size < sizeof *o ? given->size : sizeof *o);
    }
    o->commands_max = o->commands_max ? o->commands_max : 65536;
    o->pause_min_ns =
        o->pause_min_ns ? o->pause_min_ns : 50 * TENON_MILLISECOND;
    o->pause_max_ns = o->pause_max_ns ? o->pause_max_ns : 5 * TENON_SECOND;
    o->connect_timeout_ns =
        o->connect_timeout_ns ? o->connect_timeout_ns : 5 * TENON_SECOND;
    return (given && !given->size) || o->connect_timeout_ns < 0 ||
                   o->command_timeout_ns < 0 || o->pause_min_ns < 0 ||
                   o->pause_max_ns < 0
               ? TENON_INVALID
               : TENON_OK;
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

/* ---- public: commands ---- */

/* Whether the first word is one after which replies are no answers. */
static bool changes_protocol(const char *text)
{
    const char *word = strchr(strchr(text, '\n') + 1, '\n') + 1;
    size_t len = strcspn(word, "\r");
    return (len >= 9 && strncasecmp(word + len - 9, "subscribe", 9) == 0) ||
           (len == 7 && strncasecmp(word, "monitor", 7) == 0);
}

static tenon_status check(tenon_redis *c, const char *text, int len)
{
    tenon_status status = c ? tenon__redis_check(c) : TENON_INVALID;
    if (status < 0) {
        return status;
    }
    if (len <= 0 || changes_protocol(text)) {
        return len == -1 ? TENON_NO_MEMORY : TENON_INVALID;
    }
    if (c->channels && !c->greeting) {
        return TENON_BUSY;
    }
    return c->count < c->options.commands_max ? TENON_OK : TENON_LIMIT;
}

/* Takes `text`, whatever comes of it. */
static tenon_status give(tenon_redis *c, tenon_future **out, char *text,
                         int len)
{
    tenon_future *future = NULL;
    tenon_status status = check(c, text, len);
    bool limited = status == TENON_OK && c->options.command_timeout_ns;
    if (status == TENON_OK) {
        status = tenon_future_new_with(
            c->reactor, limited ? sizeof(command) : offsetof(command, limit),
            &future);
    }
    command *n = tenon_future_room(future);
    if (n && limited) {
        tenon_timer_init(&n->limit, c->reactor);
        (void)tenon_timer_set_daemon(&n->limit, true);
        status = tenon_timer_start(&n->limit, c->options.command_timeout_ns,
                                   on_limit, future);
    }
    if (status < 0) {
        tenon_future_unref(future);
        redisFreeCommand(len > 0 ? text : NULL);
        return status;
    }
    n->future = future;
    n->text = text;
    n->len = (size_t)len;
    c->count++;
    if (out) {
        *out = tenon_future_ref(future);
    }
    if (c->transport) {
        send_command(c, n);
    } else {
        append(&c->waiting, n);
    }
    return TENON_OK;
}

tenon_status tenon_redis_command(tenon_redis *c, tenon_future **out,
                                 const char *format, ...)
{
    char *text = NULL;
    va_list arguments;
    va_start(arguments, format);
    int len = redisvFormatCommand(&text, format, arguments);
    va_end(arguments);
    return give(c, out, text, len);
}

tenon_status tenon_redis_command_argv(tenon_redis *c, tenon_future **out,
                                      int argc, const char **argv,
                                      const size_t *lens)
{
    char *text = NULL;
    int len = argc > 0 ? redisFormatCommandArgv(&text, argc, argv, lens) : -2;
    return give(c, out, text, len);
}
