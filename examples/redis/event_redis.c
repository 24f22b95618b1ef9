/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/* Redis under libevent. The three programs here are the same but for the lines
 * that name their loop. */

#include <stdio.h>

#include <event2/event.h>

#include <tenon/hiredis.h>
#include <tenon/libevent.h>

static void on_value(tenon_waiter *waiter, tenon_future *future, void *client)
{
    (void)waiter;
    void *value;
    if (tenon_future_value(future, &value) == TENON_OK) {
        puts(((const redisReply *)value)->str);
    } else {
        puts(tenon_error_message(tenon_future_error(future)));
    }
    tenon_redis_close(client); /* nothing is left, and the loop returns */
}

int main(int argc, char **argv)
{
    const char *path = argc > 1 ? argv[1] : NULL; /* else the usual port */
    tenon_redis_options options = {.size = sizeof options, .path = path};
    tenon_reactor *reactor;
    tenon_redis *client;
    tenon_future *set;
    tenon_future *get;
    tenon_waiter waiter;
    struct event_base *base = event_base_new();
    if (tenon_libevent_attach(base, &reactor, NULL) < 0 ||
        tenon_redis_connect(reactor, &options, &client) < 0 ||
        tenon_redis_command(client, &set, "SET %s %s", "word", "tenon") < 0 ||
        tenon_redis_command(client, &get, "GET %s", "word") < 0 ||
        tenon_future_on_done(get, &waiter, on_value, client) < 0) {
        return 1;
    }
    event_base_dispatch(base);
    int result = tenon_future_error(set) || tenon_future_error(get);
    tenon_future_unref(set);
    tenon_future_unref(get);
    tenon_reactor_unref(reactor);
    event_base_free(base);
    return result;
}
