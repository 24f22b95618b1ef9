/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The client, as its files see it: client.c is the connection, command.c what
 * is asked over it, subscribe.c what comes unasked. attach.c stands alone.
 */

#ifndef TENON_HIREDIS_CLIENT_H
#define TENON_HIREDIS_CLIENT_H

#include <tenon/hiredis.h>

#include <hiredis/sds.h>

#include <tenon/endpoint.h>
#include <tenon/timer.h>
#include <tenon/transport.h>

typedef struct tenon__redis_command tenon__redis_command;
typedef struct tenon__redis_channel tenon__redis_channel;

typedef struct tenon__redis_queue {
    tenon__redis_command *first;
    tenon__redis_command **last;
} tenon__redis_queue;

struct tenon_redis {
    tenon_future *life; /* whose room this is */
    tenon_reactor *reactor;
    tenon_redis_options options;
    int64_t pause_ns;
    tenon_timer timer; /* to send, or until the next attempt */
    tenon_future *attempt;
    tenon_waiter waiter;        /* for it */
    tenon_transport *transport; /* NULL: it is not connected */
    redisReader *reader;
    sds unsent;
    bool greeting; /* on_state is being told that it is connected */
    uint32_t count;
    tenon__redis_queue waiting; /* for the connection */
    tenon__redis_queue sent;
    tenon__redis_channel *channels;
    char address[TENON_ENDPOINT_TEXT_LEN];
};

/* In domain "redis"; NULL for the status' own words. */
tenon_error *tenon__redis_error(tenon_status status, const char *message,
                                const tenon_error *cause);
/* Whether it may be called, and from here. */
tenon_status tenon__redis_check(tenon_redis *client);
/* To leave in the next turn. */
tenon_status tenon__redis_send(tenon_redis *client, const char *text,
                               size_t len);

/* The connection is there: sends what waits. */
void tenon__redis_commands_send(tenon_redis *client);
/* It has ended: fails all. */
void tenon__redis_commands_fail(tenon_redis *client, tenon_error *error);
/* Takes the reply to the first of those that were sent. */
void tenon__redis_answer(tenon_redis *client, redisReply *reply);

/* The connection is there: subscribes to all. */
tenon_status tenon__redis_channels_send(tenon_redis *client);
/* It has ended: those that wait for a confirmation hear why. */
void tenon__redis_channels_fail(tenon_redis *client, tenon_error *error);
void tenon__redis_channels_free(tenon_redis *client);
/* What the server has sent unasked; an error ends the connection. */
tenon_error *tenon__redis_pushed(tenon_redis *client, const redisReply *reply);

#endif
