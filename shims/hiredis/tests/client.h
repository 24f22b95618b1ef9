/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * What the client's tests share: a client whose states are written down, and
 * ways to give a command and look at what came of it.
 */

#ifndef TENON_HIREDIS_TESTS_CLIENT_H
#define TENON_HIREDIS_TESTS_CLIENT_H

#include "server.h"

static redis_server server;
static tenon_redis *client;

static struct {
    int ups;
    int losses;
    tenon_status loss;
    int done;
    void (*on_up)(tenon_redis *client);
    void (*on_loss)(tenon_redis *client);
} told;

static inline void on_state(tenon_redis *c, tenon_error *error, void *user)
{
    ck_assert_ptr_eq(user, &told);
    ck_assert_int_eq(tenon_redis_is_connected(c), !error);
    told.ups += !error;
    told.losses += error != NULL;
    told.loss = error ? tenon_error_status(error) : told.loss;
    if (!error && told.on_up) {
        told.on_up(c);
    } else if (error && told.on_loss) {
        told.on_loss(c);
    }
}

static inline tenon_redis_options client_options(void)
{
    return (tenon_redis_options){.size = sizeof(tenon_redis_options),
                                 .path = server.path,
                                 .pause_min_ns = 2 * MS,
                                 .pause_max_ns = 20 * MS,
                                 .on_state = on_state,
                                 .user = &told};
}

static inline void connect_with(const tenon_redis_options *options)
{
    ck_assert_int_eq(tenon_redis_connect(stage.reactor, options, &client),
                     TENON_OK);
    ck_assert(!tenon_redis_is_connected(client));
}

/* To a TCP port of the loopback, with a limit for commands. */
static inline void connect_to(uint16_t port, int64_t limit_ns)
{
    tenon_redis_options options = client_options();
    options.path = NULL;
    options.port = port;
    options.command_timeout_ns = limit_ns;
    connect_with(&options);
}

/* A host with a redis-server and a client of it. */
static inline bool begin(int host)
{
    if (!(tenon_fixtures[host]->caps & TENON_FIXTURE_REAL_TIME)) {
        return false;
    }
    redis_start(&server);
    ck_assert(host_open(host));
    tenon_redis_options options = client_options();
    connect_with(&options);
    return true;
}

/* A connection ends in a later turn than the client does. */
static inline void leave_host(void)
{
    char why[HARNESS_TEXT_LEN];
    PUMP_UNTIL(!stage.reactor ||
               harness_reactor_clean(stage.reactor, why, sizeof why));
    host_close();
}

static inline void end(void)
{
    tenon_redis_close(client);
    client = NULL;
    leave_host();
    redis_stop(&server);
}

static inline tenon_future *command(const char *text)
{
    tenon_future *future = NULL;
    ck_assert_int_eq(tenon_redis_command(client, &future, text), TENON_OK);
    ck_assert_int_eq(tenon_future_state(future), TENON_FUTURE_PENDING);
    return future;
}

static inline void wait_for(tenon_future *future)
{
    PUMP_UNTIL(tenon_future_is_done(future));
}

/* Drops the future. */
static inline void want_integer(tenon_future *future, long long integer)
{
    void *value = NULL;
    wait_for(future);
    ck_assert_int_eq(tenon_future_value(future, &value), TENON_OK);
    const redisReply *reply = value;
    ck_assert_int_eq(reply->type, REDIS_REPLY_INTEGER);
    ck_assert_int_eq(reply->integer, integer);
    tenon_future_unref(future);
}

static inline void want_text(tenon_future *future, const char *text)
{
    void *value = NULL;
    wait_for(future);
    ck_assert_int_eq(tenon_future_value(future, &value), TENON_OK);
    const redisReply *reply = value;
    ck_assert_str_eq(reply->str ? reply->str : "(none)", text);
    tenon_future_unref(future);
}

static inline void want_failure(tenon_future *future, tenon_status status)
{
    wait_for(future);
    tenon_error *error = tenon_future_error(future);
    ck_assert_ptr_nonnull(error);
    ck_assert_str_eq(tenon_status_name(tenon_error_status(error)),
                     tenon_status_name(status));
    tenon_future_unref(future);
}

#endif
