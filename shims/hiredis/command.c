/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Commands as futures. One list holds them in the order of the calls, and, the
 * limit being one for all, in that of their deadlines. The future says whether anybody still wants the reply: a
 * late one, or one to what was cancelled, finds it done and is dropped, so the
 * order of the others is never in question.
 */

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "client.h"

typedef tenon__redis_command command;

static void forget(command *n)
{
    tenon_redis *c = n->client;
    c->unsent = c->unsent == n ? n->next : c->unsent;
    c->timely = c->timely == n ? n->next : c->timely;
    *n->at = n->next;
    *(n->next ? &n->next->at : &c->last) = n->at;
    c->command_count--;
    redisFreeCommand(n->text);
    tenon_future_unref(n->future);
    tenon_block_free(n);
}

/* ---- replies ---- */

/* hiredis frees a reply when its callback returns: the reply moves to a new
 * block, and an empty one is left behind. */
static redisReply *move_reply(redisReply *reply)
{
    redisReply *moved = malloc(sizeof *moved);
    if (moved) {
        *moved = *reply;
        *reply = (redisReply){.type = REDIS_REPLY_NIL};
    }
    return moved;
}

static void fail(command *n, tenon_status status, const char *message)
{
    tenon_error *error = tenon__redis_error(status, message);
    tenon_future_try_fail(n->future, error);
    tenon_error_unref(error);
}

static void complete(command *n, redisReply *reply)
{
    if (reply->type == REDIS_REPLY_ERROR) {
        fail(n, TENON_REFUSED, reply->str);
        return;
    }
    redisReply *moved = move_reply(reply);
    if (moved) {
        tenon_future_try_resolve(n->future, moved, freeReplyObject);
    } else {
        fail(n, TENON_NO_MEMORY, NULL);
    }
}

static void on_reply(redisAsyncContext *context, void *reply, void *user)
{
    command *n = user;
    (void)context;
    if (!reply) {
        tenon__redis_fail(n->client, n->future);
    } else if (!tenon_future_is_done(n->future)) {
        complete(n, reply);
    }
    forget(n);
}

/* ---- sending ---- */

static void send_command(command *n)
{
    if (redisAsyncFormattedCommand(n->client->context, on_reply, n, n->text,
                                   n->len) != REDIS_OK) {
        fail(n, TENON_NO_MEMORY, NULL);
        forget(n);
        return;
    }
    redisFreeCommand(n->text);
    n->text = NULL;
}

void tenon__redis_commands_send(tenon_redis *c)
{
    command *next;
    for (command *n = c->unsent; n; n = next) {
        next = n->next;
        if (n->text && tenon_future_is_done(n->future)) {
            forget(n);
        } else if (n->text) {
            send_command(n);
        }
    }
    c->unsent = NULL;
}

void tenon__redis_commands_fail(tenon_redis *c)
{
    command *next;
    for (command *n = c->first; n; n = next) {
        next = n->next;
        tenon__redis_fail(c, n->future);
        if (n->text) {
            forget(n);
        }
    }
}

/* ---- the time limit ---- */

static void on_limit(tenon_timer *timer, void *user)
{
    tenon_redis *c = user;
    int64_t now_ns = tenon_now(c->reactor);
    while (c->timely && c->timely->deadline_ns <= now_ns) {
        command *n = c->timely;
        c->timely = n->next;
        if (!tenon_future_is_done(n->future)) {
            fail(n, TENON_TIMED_OUT, "no reply within the time limit");
        }
    }
    /* There is room where it has just been. */
    if (c->timely) {
        (void)!tenon_timer_start_at(timer, c->timely->deadline_ns, on_limit, c);
    }
}

static tenon_status set_limit(tenon_redis *c, command *n)
{
    int64_t limit_ns = c->options.command_timeout_ns;
    int64_t now_ns = tenon_now(c->reactor);
    if (!limit_ns || limit_ns > TENON_FOREVER - now_ns) {
        return TENON_OK;
    }
    n->deadline_ns = now_ns + limit_ns;
    c->timely = c->timely ? c->timely : n;
    return tenon_timer_is_active(&c->limit)
               ? TENON_OK
               : tenon_timer_start(&c->limit, limit_ns, on_limit, c);
}

/* ---- public ---- */

/* Whether the first word is one after which replies are no answers. */
static bool changes_protocol(const char *text, size_t len)
{
    static const char *const words[] = {
        "subscribe",    "psubscribe",   "ssubscribe", "unsubscribe",
        "punsubscribe", "sunsubscribe", "monitor"};
    const char *head = memchr(text, '$', len);
    const char *word =
        head ? memchr(head, '\n', len - (size_t)(head - text)) : NULL;
    for (size_t i = 0; word && i < sizeof words / sizeof words[0]; i++) {
        size_t word_len = strlen(words[i]);
        if (strncasecmp(word + 1, words[i], word_len) == 0 &&
            word[1 + word_len] == '\r') {
            return true;
        }
    }
    return false;
}

static tenon_status check(tenon_redis *c, const char *text, int len)
{
    tenon_status status = c ? tenon__redis_check(c) : TENON_INVALID;
    if (status < 0) {
        return status;
    }
    if (len <= 0) {
        return len == -1 ? TENON_NO_MEMORY : TENON_INVALID;
    }
    if (changes_protocol(text, (size_t)len)) {
        return TENON_INVALID;
    }
    if (c->channels) {
        return TENON_BUSY;
    }
    return c->command_count < c->options.commands_max ? TENON_OK : TENON_LIMIT;
}

/* Takes `text`, whatever comes of it. */
static tenon_status give(tenon_redis *c, tenon_future **out, char *text,
                         int len)
{
    command *n = NULL;
    tenon_status status = check(c, text, len);
    if (status == TENON_OK) {
        n = tenon_block_new(tenon_reactor_allocator(c->reactor), sizeof *n);
        status = n ? tenon_future_new(c->reactor, &n->future) : TENON_NO_MEMORY;
    }
    if (status < 0) {
        tenon_block_free(n);
        if (len > 0) {
            redisFreeCommand(text);
        }
        return status;
    }
    n->client = c;
    n->text = text;
    n->len = (size_t)len;
    n->at = c->last;
    *c->last = n;
    c->last = &n->next;
    c->command_count++;
    status = set_limit(c, n);
    if (status < 0) {
        tenon_future_cancel(n->future, NULL);
        forget(n);
        return status;
    }
    if (out) {
        *out = tenon_future_ref(n->future);
    }
    if (c->state == TENON__REDIS_UP) {
        send_command(n);
    } else {
        c->unsent = c->unsent ? c->unsent : n;
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
