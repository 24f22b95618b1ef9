/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Redis, by way of hiredis, on any reactor. Two tiers:
 *
 * tenon_hiredis_attach plugs a redisAsyncContext in, for programs that go on
 * calling hiredis itself; it takes the place of hiredis/adapters/.
 *
 * tenon_redis is a client that keeps its connection: commands are futures,
 * connecting and commands have time limits, a lost connection is made anew
 * with growing pauses. What was sent when it was lost fails with the reason,
 * and is never sent again.
 */

#ifndef TENON_HIREDIS_H
#define TENON_HIREDIS_H

#include <hiredis/async.h>

#include <tenon/future.h>

/** A client; opaque. */
typedef struct tenon_redis tenon_redis;

/** Told that the client is connected (`error` is NULL), or that a connection,
 *  or an attempt at one, has ended with `error`. The first commands of a
 *  connection (AUTH, SELECT) are given in here, ahead of those that wait and
 *  of subscriptions. */
typedef void tenon_redis_state_fn(tenon_redis *client, tenon_error *error,
                                  void *user);

/** How a client is made. A field that is 0 or NULL has its default. */
typedef struct tenon_redis_options {
    uint32_t size;
    uint32_t commands_max; /**< not answered yet; 0: 65,536 */
    const char *host;      /**< a name or an address; NULL: 127.0.0.1 */
    const char *path;      /**< of a UNIX socket, in place of host and port */
    uint16_t port;         /**< 0: 6379 */
    int64_t connect_timeout_ns;     /**< of an attempt, looking up; 0: 5 s */
    int64_t command_timeout_ns;     /**< from the call on; 0: no limit */
    int64_t pause_min_ns;           /**< after a loss; 0: 50 ms */
    int64_t pause_max_ns;           /**< it doubles up to this; 0: 5 s */
    tenon_redis_state_fn *on_state; /**< may be NULL */
    void *user;                     /**< for `on_state` */
} tenon_redis_options;

/** A published message; valid during the call. Each text ends with a NUL that
 *  its length does not count. */
typedef struct tenon_redis_message {
    uint32_t size;
    const char *pattern; /**< that matched; NULL for a plain channel */
    const char *channel; /**< where it was published */
    size_t channel_len;  /**< of `channel` */
    const char *data;    /**< what was published */
    size_t data_len;     /**< of `data` */
} tenon_redis_message;

/** Told of a message. */
typedef void tenon_redis_message_fn(tenon_redis *client,
                                    const tenon_redis_message *message,
                                    void *user);

/** For tenon_redis_subscribe and tenon_redis_unsubscribe. */
enum tenon_redis_flag {
    TENON_REDIS_PATTERN = 1 /**< the channel is a pattern (PSUBSCRIBE) */
};

/** What to subscribe to. */
typedef struct tenon_redis_subscription {
    uint32_t size;
    uint32_t flags;                     /**< enum tenon_redis_flag */
    const char *channel;                /**< copied */
    tenon_redis_message_fn *on_message; /**< never NULL */
    void *user;                         /**< for `on_message` */
} tenon_redis_subscription;

TENON_BEGIN

/** Has `reactor` serve a context that was made by redisAsyncConnect and the
 *  like, whose `err` is 0. Before or after its callbacks are set.
 *  Ownership: the context stays the caller's, under hiredis' own rules; the
 *  shim goes with it. If the reactor ends first the context hears nothing any
 *  more, and redisAsyncFree is legal then and later.
 *  Callback: hiredis calls as it does elsewhere; hiredis 0.14 cannot bear
 *  redisAsyncFree inside the connect callback.
 *  Thread: the reactor's.
 *  Errors: TENON_BUSY for one that is attached, to anything; TENON_INVALID,
 *  TENON_NO_MEMORY; as tenon_watch_start. */
TENON_CHECKED TENON_API tenon_status
tenon_hiredis_attach(tenon_reactor *reactor, redisAsyncContext *context);

/** Makes a client, which begins to connect and goes on trying until it is
 *  closed. Commands may be given at once. `options` may be NULL.
 *  Ownership: the caller's, until tenon_redis_close; the reactor may end first.
 *  Callback: on_state, from turns. Thread: the reactor's, here and below.
 *  Errors: TENON_INVALID, TENON_CLOSED, TENON_NO_MEMORY, TENON_WRONG_THREAD,
 *  TENON_FORKED. */
TENON_CHECKED TENON_API tenon_status
tenon_redis_connect(tenon_reactor *reactor, const tenon_redis_options *options,
                    tenon_redis **out);
/** Ends it: what is not answered fails with TENON_CLOSED, and nothing is called
 *  any more; the connection itself ends in the next turn. Legal in its own
 *  callbacks. NULL is legal. From a thread that is not the reactor's it does
 *  nothing. */
TENON_API void tenon_redis_close(tenon_redis *client);
/** Whether it is connected. */
TENON_API bool tenon_redis_is_connected(const tenon_redis *client);

/** Gives a command, as redisAsyncCommand does ("SET %s %b"). It is sent once,
 *  now or when the client is next connected, in the order of the calls.
 *
 *  The future's value is a `redisReply *` of the future's own; taken with
 *  tenon_future_take, it is freed by freeReplyObject. An error that the server
 *  answers (REDIS_REPLY_ERROR) fails it with TENON_REFUSED and the server's
 *  words in domain "redis"; so does whatever ended the connection or the
 *  attempt it waited for, with a status of its own, and TENON_TIMED_OUT after
 *  the time limit. A reply that comes too late, or after a cancel, is dropped;
 *  what is cancelled before it is sent is never sent.
 *  Ownership: the caller holds one reference to `*out`; NULL for none, and
 *  then a failure is reported as an unseen one.
 *  Errors: TENON_INVALID, also for commands that change the protocol
 *  (SUBSCRIBE, MONITOR, ...); TENON_BUSY with subscriptions, but in on_state as
 *  it comes up; TENON_LIMIT,
 *  TENON_CLOSED, TENON_NO_MEMORY. */
TENON_CHECKED TENON_API tenon_status tenon_redis_command(tenon_redis *client,
                                                         tenon_future **out,
                                                         const char *format,
                                                         ...);
/** The same, of words that may hold any byte. `lens` NULL: each ends with a
 *  NUL. */
TENON_CHECKED TENON_API tenon_status
tenon_redis_command_argv(tenon_redis *client, tenon_future **out, int argc,
                         const char **argv, const size_t *lens);

/** Subscribes, now and on every connection made anew; what is published in
 *  between is missed. A client has commands or subscriptions, not both.
 *  Callback: `on_message` once for each message, from turns.
 *  Ownership: `*out` (NULL: none) resolves with NULL when the server has
 *  confirmed, and fails as a command does; the subscription stays.
 *  Errors: TENON_IN_USE for a channel that it has; TENON_BUSY with commands
 *  not answered yet; TENON_INVALID, TENON_CLOSED, TENON_NO_MEMORY. */
TENON_CHECKED TENON_API tenon_status
tenon_redis_subscribe(tenon_redis *client, tenon_future **out,
                      const tenon_redis_subscription *subscription);
/** Ends a subscription: no message of it comes any more. TENON_EXISTED if it
 *  was there, TENON_OK if not. */
TENON_API tenon_status tenon_redis_unsubscribe(tenon_redis *client,
                                               const char *channel,
                                               uint32_t flags);

TENON_END

#endif
