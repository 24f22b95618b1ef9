/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Subscriptions. A channel that was unsubscribed is kept until the server has
 * confirmed that, or the connection is gone: until then the client takes no
 * commands, for what comes may still be of the channel.
 */

#include <string.h>

#include "client.h"

typedef tenon__redis_channel channel;

struct tenon__redis_channel {
    channel *next;
    tenon_redis_message_fn *on_message; /* NULL: unsubscribed, not confirmed */
    void *user;
    tenon_future *confirmed; /* NULL: it is */
    uint32_t flags;
    char name[];
};

/* What points to it, or to the end. */
static channel **find(tenon_redis *c, const char *name, uint32_t flags)
{
    channel **at = &c->channels;
    while (*at && ((*at)->flags != flags || strcmp((*at)->name, name) != 0)) {
        at = &(*at)->next;
    }
    return at;
}

static void remove_channel(channel **at)
{
    channel *s = *at;
    *at = s->next;
    tenon_block_free(s);
}

static void confirm(channel *s, tenon_error *error)
{
    (void)(error ? tenon_future_try_fail(s->confirmed, error)
                 : tenon_future_try_resolve(s->confirmed, NULL, NULL));
    tenon_future_unref(s->confirmed);
    s->confirmed = NULL;
}

static tenon_status tell(tenon_redis *c, const channel *s, const char *verb)
{
    char *text = NULL;
    int len = redisFormatCommand(&text, "%s%s %s", s->flags ? "P" : "", verb,
                                 s->name);
    tenon_status status =
        len > 0 ? tenon__redis_send(c, text, (size_t)len) : TENON_NO_MEMORY;
    redisFreeCommand(text);
    return status;
}

/* [message, channel, data] or [pmessage, pattern, channel, data]. */
static void deliver(tenon_redis *c, const channel *s, const redisReply *reply)
{
    const redisReply *from = reply->element[reply->elements - 2];
    const redisReply *data = reply->element[reply->elements - 1];
    tenon_redis_message message = {.size = sizeof message,
                                   .pattern = s->flags ? s->name : NULL,
                                   .channel = from->str,
                                   .channel_len = from->len,
                                   .data = data->str,
                                   .data_len = data->len};
    if (s->on_message && data->str && from->str) {
        s->on_message(c, &message, s->user);
    }
}

tenon_error *tenon__redis_pushed(tenon_redis *c, const redisReply *reply)
{
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements < 3 ||
        !reply->element[0]->str || !reply->element[1]->str) {
        return tenon__redis_error(
            reply->type == REDIS_REPLY_ERROR ? TENON_REFUSED : TENON_PROTOCOL,
            reply->str, NULL);
    }
    const char *kind = reply->element[0]->str;
    bool pattern = *kind == 'p';
    kind += pattern;
    channel **at =
        find(c, reply->element[1]->str, pattern ? TENON_REDIS_PATTERN : 0);
    if (*at && strcmp(kind, "subscribe") == 0) {
        confirm(*at, NULL);
    } else if (*at && strcmp(kind, "message") == 0) {
        deliver(c, *at, reply);
    } else if (*at && !(*at)->on_message) {
        remove_channel(at);
    }
    return NULL;
}

void tenon__redis_channels_fail(tenon_redis *c, tenon_error *error)
{
    for (channel **at = &c->channels; *at;) {
        confirm(*at, error);
        if ((*at)->on_message) {
            at = &(*at)->next;
        } else {
            remove_channel(at);
        }
    }
}

void tenon__redis_channels_free(tenon_redis *c)
{
    while (c->channels) {
        remove_channel(&c->channels);
    }
}

tenon_status tenon__redis_channels_send(tenon_redis *c)
{
    tenon_status status = TENON_OK;
    for (channel *s = c->channels; s && status == TENON_OK; s = s->next) {
        status = tell(c, s, "SUBSCRIBE");
    }
    return status;
}

/* ---- public ---- */

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
    return c->count ? TENON_BUSY : TENON_OK;
}

tenon_status tenon_redis_subscribe(tenon_redis *c, tenon_future **out,
                                   const tenon_redis_subscription *given)
{
    tenon_status status = check(c, given);
    if (status < 0) {
        return status;
    }
    channel **at = find(c, given->channel, given->flags);
    if (*at && (*at)->on_message) {
        return TENON_IN_USE;
    }
    tenon_future *future;
    status = tenon_future_new(c->reactor, &future);
    if (status < 0) {
        return status;
    }
    size_t len = strlen(given->channel) + 1;
    channel *s = *at ? *at
                     : tenon_block_new(tenon_reactor_allocator(c->reactor),
                                       sizeof *s + len);
    status = s ? TENON_OK : TENON_NO_MEMORY;
    if (s && !*at) {
        s->flags = given->flags;
        memcpy(s->name, given->channel, len);
        *at = s;
    }
    if (s && c->transport && !c->greeting) {
        status = tell(c, s, "SUBSCRIBE");
    }
    if (status < 0) {
        tenon_future_unref(future);
        return status;
    }
    s->confirmed = future;
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
    channel **at = status == TENON_OK ? find(c, name, flags) : NULL;
    if (!at || !*at || !(*at)->on_message) {
        return status;
    }
    channel *s = *at;
    s->on_message = NULL;
    (void)tenon_future_cancel(s->confirmed, "unsubscribed");
    confirm(s, NULL);
    if (!c->transport || c->greeting) {
        remove_channel(at);
    } else {
        (void)tell(c, s, "UNSUBSCRIBE"); /* else it goes with the connection */
    }
    return TENON_EXISTED;
}
