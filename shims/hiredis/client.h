/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The client, as its files see it: client.c keeps the connection, error.c says
 * why it ended, command.c is what is asked of it, subscribe.c what comes
 * unasked; attach.c is the joint below them.
 */

#ifndef TENON_HIREDIS_CLIENT_H
#define TENON_HIREDIS_CLIENT_H

#include <netinet/in.h>

#include <tenon/hiredis.h>
#include <tenon/resolver.h>
#include <tenon/timer.h>

/* Told when the context is about to be freed, after its last reply. */
typedef void tenon__hiredis_gone_fn(redisAsyncContext *context, void *user);

tenon_status tenon__hiredis_attach(tenon_reactor *reactor,
                                   redisAsyncContext *context,
                                   tenon__hiredis_gone_fn *gone, void *user);

/* What user code is told of (GREETED, LOST) is told by a timer of no delay:
 * hiredis bears none in the calls that these states come from. */
enum tenon__redis_state {
    TENON__REDIS_LOOKUP,
    TENON__REDIS_CONNECTING,
    TENON__REDIS_GREETED, /* connected, on_state is to come */
    TENON__REDIS_UP,
    TENON__REDIS_LOST, /* on_state is to come */
    TENON__REDIS_PAUSE,
    TENON__REDIS_CLOSED
};

/* In the order of the calls, from there to the reply, or to the loss. */
typedef struct tenon__redis_command {
    struct tenon__redis_command *next;
    struct tenon__redis_command **at; /* what points here */
    tenon_redis *client;
    tenon_future *future; /* done: nobody wants the reply */
    char *text;           /* until it is sent */
    size_t len;
    int64_t deadline_ns;
} tenon__redis_command;

typedef struct tenon__redis_channel {
    struct tenon__redis_channel *next;
    tenon_redis *client;
    tenon_redis_message_fn *on_message; /* NULL: unsubscribed, not confirmed */
    void *user;
    tenon_future *future; /* NULL: confirmed */
    uint32_t flags;
    char name[];
} tenon__redis_channel;

struct tenon_redis {
    tenon_reactor *reactor;     /* NULL: it has ended */
    redisAsyncContext *context; /* NULL: there is no connection */
    tenon_redis_options options;
    enum tenon__redis_state state;
    uint32_t refs; /* the user, the context, a lookup, calls on the stack */
    uint32_t command_count;
    tenon_timer timer; /* of the state */
    tenon_timer limit; /* of the command `timely`, or an earlier one */
    tenon_shutdown hook;
    tenon_error *error; /* why the connection ends, once that is known */
    int64_t pause_ns;
    tenon_lookup *lookup;
    tenon_address address;
    tenon__redis_command *first;
    tenon__redis_command **last;
    tenon__redis_command *unsent; /* none before it has text */
    tenon__redis_command *timely; /* and all behind it are within their time */
    tenon__redis_channel *channels;
    char name[]; /* host or path */
};

/* Why the connection ends; borrowed. Not to be asked while it does not. */
tenon_error *tenon__redis_why(tenon_redis *client);
tenon_status tenon__redis_status(const redisContext *context);
/* Fails it for that reason. When the reactor has ended, so has the future. */
void tenon__redis_fail(tenon_redis *client, tenon_future *future);
tenon_error *tenon__redis_error(tenon_status status, const char *message);
tenon_status tenon__redis_check(tenon_redis *client);

/* Sends what waits. */
void tenon__redis_commands_send(tenon_redis *client);
/* Fails all; what was sent is forgotten when hiredis forgets it. */
void tenon__redis_commands_fail(tenon_redis *client);
void tenon__redis_channels_send(tenon_redis *client);
/* The connection has ended; `all`: the client, too. */
void tenon__redis_channels_end(tenon_redis *client, bool all);

#endif
