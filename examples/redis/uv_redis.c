/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/* Redis under libuv. The three programs here are the same but for the lines
 * that name their loop. */

#include <stdio.h>

#include <tenon/hiredis.h>
#include <tenon/libuv.h>

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
    uv_loop_t *loop = uv_default_loop();
    if (tenon_libuv_attach(loop, &reactor, NULL) < 0 ||
        tenon_redis_connect(reactor, &options, &client) < 0 ||
        tenon_redis_command(client, &set, "SET %s %s", "word", "tenon") < 0 ||
        tenon_redis_command(client, &get, "GET %s", "word") < 0 ||
        tenon_future_on_done(get, &waiter, on_value, client) < 0) {
        return 1;
    }
    uv_run(loop, UV_RUN_DEFAULT);
    int result = tenon_future_error(set) || tenon_future_error(get);
    tenon_future_unref(set);
    tenon_future_unref(get);
    tenon_reactor_unref(reactor);
    return result;
}
