/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Subscriptions. A channel's memory is known to hiredis until the server has
 * confirmed its end or the connection is gone, and goes then.
 */

#include <string.h>
#include <strings.h>

#include "client.h"

typedef tenon__redis_channel channel;

static void free_channel(channel *s)
{
    channel **at = &s->client->channels;
    while (*at != s) {
        at = &(*at)->next;
    }
    *at = s->next;
    tenon_future_unref(s->future);
    tenon_block_free(s);
}

static void confirm(channel *s)
{
    if (s->future) {
        tenon_future_try_resolve(s->future, NULL, NULL);
        tenon_future_unref(s->future);
        s->future = NULL;
    }
}

/* [message, channel, data] or [pmessage, pattern, channel, data]. */
static void deliver(channel *s, const redisReply *reply)
{
    const redisReply *from = reply->element[reply->elements - 2];
    const redisReply *data = reply->element[reply->elements - 1];
    bool pattern = s->flags & TENON_REDIS_PATTERN;
    tenon_redis_message message = {.size = sizeof message,
                                   .pattern = pattern ? s->name : NULL,
                                   .channel = from->str,
                                   .channel_len = from->len,
                                   .data = data->str,
                                   .data_len = data->len};
    if (s->on_message && data->str && from->str) {
        s->on_message(s->client, &message, s->user);
    }
}

static void on_push(redisAsyncContext *context, void *data, void *user)
{
    channel *s = user;
    const redisReply *reply = data;
    (void)context;
    if (!reply || reply->type != REDIS_REPLY_ARRAY || reply->elements < 3) {
        return; /* at the end of the connection */
    }
    const char *kind = reply->element[0]->str;
    kind += *kind == 'p';
    if (strcasecmp(kind, "subscribe") == 0) {
        confirm(s);
    } else if (strcasecmp(kind, "message") == 0) {
        deliver(s, reply);
    } else if (strcasecmp(kind, "unsubscribe") == 0 && !s->on_message) {
        free_channel(s);
    }
}

static tenon_status tell(channel *s, const char *verb)
{
    return redisAsyncCommand(s->client->context, on_push, s, "%s%s %s",
                             s->flags & TENON_REDIS_PATTERN ? "P" : "", verb,
                             s->name) == REDIS_OK
               ? TENON_OK
               : TENON_NO_MEMORY;
}

void tenon__redis_channels_send(tenon_redis *c)
{
    for (channel *s = c->channels; s; s = s->next) {
        if (tell(s, "SUBSCRIBE") < 0) {
            redisAsyncFree(c->context); /* tried again on the next one */
            return;
        }
    }
}

void tenon__redis_channels_end(tenon_redis *c, bool all)
{
    channel *next;
    for (channel *s = c->channels; s; s = next) {
        next = s->next;
        if (s->future) {
            tenon__redis_fail(c, s->future);
            tenon_future_unref(s->future);
            s->future = NULL;
        }
        s->on_message = all ? NULL : s->on_message;
        if (!s->on_message && !c->context) {
            free_channel(s);
        }
    }
}

static channel *find(const tenon_redis *c, const char *name, uint32_t flags)
{
    channel *s = c->channels;
    while (s && (s->flags != flags || strcmp(s->name, name) != 0)) {
        s = s->next;
    }
    return s;
}

static channel *new_channel(tenon_redis *c,
                            const tenon_redis_subscription *given)
{
    size_t len = strlen(given->channel) + 1;
    channel *s =
        tenon_block_new(tenon_reactor_allocator(c->reactor), sizeof *s + len);
    if (s) {
        s->client = c;
        s->flags = given->flags;
        memcpy(s->name, given->channel, len);
        s->next = c->channels;
        c->channels = s;
    }
    return s;
}

static tenon_status check(tenon_redis *c, const tenon_redis_subscription *given)
{
    tenon_status status = c && given ? tenon__redis_check(c) : TENON_INVALID;
    if (status < 0) {
        return status;
    }
    if (given->size < sizeof *given || !given->channel || !given->on_message ||
        (given->flags & ~(uint32_t)TENON_REDIS_PATTERN)) {
        return TENON_INVALID;
    }
    return c->command_count ? TENON_BUSY : TENON_OK;
}

tenon_status tenon_redis_subscribe(tenon_redis *c, tenon_future **out,
                                   const tenon_redis_subscription *given)
{
    tenon_status status = check(c, given);
    if (status < 0) {
        return status;
    }
    channel *s = find(c, given->channel, given->flags);
    if (s && s->on_message) {
        return TENON_IN_USE;
    }
    tenon_future *future;
    status = tenon_future_new(c->reactor, &future);
    if (status < 0) {
        return status;
    }
    s = s ? s : new_channel(c, given);
    if (!s || (c->state == TENON__REDIS_UP && tell(s, "SUBSCRIBE") < 0)) {
        tenon_future_unref(future);
        return TENON_NO_MEMORY; /* what hiredis knows of goes as if ended */
    }
    s->future = future;
    s->on_message = given->on_message;
    s->user = given->user;
    if (out) {
        *out = tenon_future_ref(future);
    }
    return TENON_OK;
}

tenon_status tenon_redis_unsubscribe(tenon_redis *c, const char *name,
                                     uint32_t flags)
{
    tenon_status status = c && name ? tenon__redis_check(c) : TENON_INVALID;
    channel *s = status == TENON_OK ? find(c, name, flags) : NULL;
    if (!s || !s->on_message) {
        return status;
    }
    s->on_message = NULL;
    if (s->future) {
        tenon_future_cancel(s->future, "unsubscribed");
        tenon_future_unref(s->future);
        s->future = NULL;
    }
    if (c->state != TENON__REDIS_UP) {
        free_channel(s);
    } else {
        (void)tell(s, "UNSUBSCRIBE"); /* else it goes with the connection */
    }
    return TENON_EXISTED;
}
