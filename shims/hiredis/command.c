/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Commands. Each lies in the room of its future and waits in one of two
 * queues: for a connection, or for its reply. A reply is that of the first in
 * the second queue, and is dropped if its future is done by then.
 */

#include <string.h>
#include <strings.h>

#include "client.h"

typedef tenon__redis_command command;
typedef tenon__redis_queue queue;

struct tenon__redis_command {
    command *next;
    tenon_future *future;
    char *text; /* until it is sent */
    size_t len;
    tenon_timer limit; /* there if the client has one */
};

static void fail(tenon_future *future, tenon_status status, const char *message)
{
    tenon_error *error = tenon__redis_error(status, message, NULL);
    (void)tenon_future_try_fail(future, error);
    tenon_error_unref(error);
}

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

void tenon__redis_commands_send(tenon_redis *c)
{
    while (c->waiting.first) {
        command *n = take(&c->waiting);
        if (tenon_future_is_done(n->future)) {
            forget(c, n);
        } else {
            send_command(c, n);
        }
    }
}

void tenon__redis_commands_fail(tenon_redis *c, tenon_error *error)
{
    fail_all(c, &c->sent, error);
    fail_all(c, &c->waiting, error);
}

void tenon__redis_answer(tenon_redis *c, redisReply *reply)
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

/* ---- public ---- */

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

static tenon_status new_command(tenon_redis *c, command **out)
{
    int64_t limit_ns = c->options.command_timeout_ns;
    size_t len = limit_ns ? sizeof(command) : offsetof(command, limit);
    tenon_future *future;
    tenon_status status = tenon_future_new_with(c->reactor, len, &future);
    if (status < 0) {
        return status;
    }
    command *n = tenon_future_room(future);
    n->future = future;
    if (limit_ns) {
        tenon_timer_init(&n->limit, c->reactor);
        (void)tenon_timer_set_daemon(&n->limit, true);
        status = tenon_timer_start(&n->limit, limit_ns, on_limit, future);
    }
    if (status < 0) {
        tenon_future_unref(future);
        return status;
    }
    *out = n;
    return TENON_OK;
}

/* Takes `text`, whatever comes of it. */
static tenon_status give(tenon_redis *c, tenon_future **out, char *text,
                         int len)
{
    command *n = NULL;
    tenon_status status = check(c, text, len);
    if (status == TENON_OK) {
        status = new_command(c, &n);
    }
    if (status < 0) {
        redisFreeCommand(len > 0 ? text : NULL);
        return status;
    }
    n->text = text;
    n->len = (size_t)len;
    c->count++;
    if (out) {
        *out = tenon_future_ref(n->future);
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
