/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Commands of the client, on every host, against a redis-server: values,
 * order, cancelling at each stage, and all that is refused.
 *
 * ctest: labels=threads timeout=180
 */

#include "client.h"

enum { MANY = 10000 };

/* ---- values ---- */

START_TEST(values_of_all_kinds)
{
    if (begin(_i)) {
        void *value = NULL;
        tenon_free_fn *free_value = NULL;
        static const char *words[] = {"SET", "k\0y", "v\r\n\0"};
        static const size_t lens[] = {3, 3, 4};
        tenon_future *set = NULL;
        tenon_future *get = NULL;
        ck_assert_int_eq(tenon_redis_command_argv(client, &set, 3, words, lens),
                         TENON_OK);
        ck_assert_int_eq(
            tenon_redis_command(client, &get, "GET %b", "k\0y", (size_t)3),
            TENON_OK);
        tenon_future *none = command("GET nothing");
        tenon_future *list = command("EVAL return{1,{'a'},'b'} 0");
        want_text(set, "OK");
        wait_for(list);
        ck_assert_int_eq(tenon_future_value(none, &value), TENON_OK);
        ck_assert_int_eq(((redisReply *)value)->type, REDIS_REPLY_NIL);
        tenon_future_unref(none);

        ck_assert_int_eq(tenon_future_take(get, &value, &free_value), TENON_OK);
        tenon_future_unref(get);
        redisReply *mine = value;
        ck_assert_uint_eq(mine->len, 4);
        ck_assert_mem_eq(mine->str, "v\r\n\0", 4);
        freeReplyObject(mine);
        ck_assert(free_value == freeReplyObject);

        ck_assert_int_eq(tenon_future_take(list, &value, &free_value),
                         TENON_OK);
        tenon_future_unref(list);
        tenon_redis_close(client);
        client = NULL;
        mine = value; /* outlives them all */
        ck_assert_uint_eq(mine->elements, 3);
        ck_assert_int_eq(mine->element[0]->integer, 1);
        ck_assert_str_eq(mine->element[1]->element[0]->str, "a");
        free_value(mine);
        end();
    }
}
END_TEST

/* Above every buffer on the way, and between small ones. */
START_TEST(a_big_value)
{
    static char big[3 << 20];
    if (begin(_i)) {
        tenon_future *future = NULL;
        void *value = NULL;
        for (size_t i = 0; i < sizeof big; i++) {
            big[i] = (char)(i * 31 >> 4);
        }
        ck_assert_int_eq(
            tenon_redis_command(client, &future, "SET big %b", big, sizeof big),
            TENON_OK);
        want_text(future, "OK");
        tenon_future *before = command("ECHO before");
        future = command("GET big");
        want_text(command("ECHO behind"), "behind");
        want_text(before, "before");
        ck_assert_int_eq(tenon_future_value(future, &value), TENON_OK);
        const redisReply *reply = value;
        ck_assert_uint_eq(reply->len, sizeof big);
        ck_assert_int_eq(memcmp(reply->str, big, sizeof big), 0);
        tenon_future_unref(future);
        end();
    }
}
END_TEST

START_TEST(the_servers_errors)
{
    if (begin(_i)) {
        tenon_future *future = command("NONSENSE");
        wait_for(future);
        tenon_error *error = tenon_future_error(future);
        ck_assert_int_eq(tenon_error_status(error), TENON_REFUSED);
        ck_assert_str_eq(tenon_error_domain(error), "redis");
        ck_assert_ptr_nonnull(
            strstr(tenon_error_message(error), "unknown command"));
        tenon_future_unref(future);
        ck_assert_int_eq(told.losses, 0);
        /* One that nobody looks at is not lost. */
        ck_assert_int_eq(tenon_redis_command(client, NULL, "NONSENSE"),
                         TENON_OK);
        PUMP_UNTIL(stage.reports == 1);
        ck_assert_int_eq(stage.report_status, TENON_REFUSED);
        stage.reports = 0;
        end();
    }
}
END_TEST

START_TEST(many_in_a_pipeline)
{
    static tenon_future *futures[MANY];
    if (begin(_i)) {
        for (int i = 0; i < MANY; i++) {
            futures[i] = command("INCR n");
        }
        for (int i = 0; i < MANY; i++) {
            want_integer(futures[i], i + 1);
        }
        for (int i = 0; i < MANY; i++) { /* connected by now */
            futures[i] = command("INCR n");
        }
        for (int i = 0; i < MANY; i++) {
            want_integer(futures[i], MANY + i + 1);
        }
        end();
    }
}
END_TEST

START_TEST(by_name_and_port)
{
    if (begin(_i)) {
        tenon_redis_options options = client_options();
        tenon_redis_close(client);
        options.path = NULL;
        options.host = "localhost";
        options.port = server.port;
        connect_with(&options);
        want_text(command("PING"), "PONG");
        tenon_redis_close(client);
        options.host = "no.such.name.invalid";
        connect_with(&options);
        tenon_future *future = command("PING");
        want_failure(future, TENON_UNRESOLVED);
        end();
    }
}
END_TEST

static void log_in(tenon_redis *c)
{
    ck_assert_int_eq(tenon_redis_command(c, NULL, "AUTH secret"), TENON_OK);
}

/* What is given as the client comes up goes ahead of what waits. */
START_TEST(the_first_commands_of_a_connection)
{
    server.password = "secret";
    if (begin(_i)) {
        told.on_up = log_in;
        want_text(command("PING"), "PONG");
        want_text(command("PING"), "PONG");
        end();
    }
}
END_TEST

/* ---- cancelling ---- */

START_TEST(cancelled_before_it_is_sent)
{
    if (begin(_i)) {
        tenon_future *dropped = command("INCR n");
        tenon_future *kept = command("INCR n");
        ck_assert_int_eq(tenon_future_cancel(dropped, "changed my mind"),
                         TENON_EXISTED);
        ck_assert_int_eq(tenon_future_state(dropped), TENON_FUTURE_CANCELLED);
        want_integer(kept, 1); /* the other never was */
        tenon_future_unref(dropped);
        end();
    }
}
END_TEST

START_TEST(cancelled_in_flight)
{
    if (begin(_i)) {
        want_text(command("PING"), "PONG");
        tenon_future *dropped = command("INCR n");
        tenon_future *kept = command("INCR n");
        ck_assert_int_eq(tenon_future_cancel(dropped, NULL), TENON_EXISTED);
        tenon_future_unref(dropped);
        want_integer(kept, 2);
        end();
    }
}
END_TEST

static void cancel_late(tenon_waiter *waiter, tenon_future *future, void *user)
{
    (void)waiter;
    ck_assert_int_eq(tenon_future_cancel(future, NULL), TENON_OK);
    ck_assert_int_eq(tenon_future_cancel(user, NULL), TENON_EXISTED);
    told.done++;
}

START_TEST(cancelled_after_the_reply_and_inside_it)
{
    if (begin(_i)) {
        tenon_waiter waiter;
        tenon_future *first = command("INCR n");
        PUMP_UNTIL(told.ups);
        tenon_future *slow = command("BLPOP nothing 0.05");
        tenon_future *after = command("INCR n");
        ck_assert_int_eq(
            tenon_future_on_done(first, &waiter, cancel_late, slow), TENON_OK);
        PUMP_UNTIL(told.done);
        ck_assert_int_eq(tenon_future_cancel(first, NULL), TENON_OK);
        ck_assert_int_eq(tenon_future_state(slow), TENON_FUTURE_CANCELLED);
        tenon_future_unref(slow);
        want_integer(first, 1);
        want_integer(after, 2);
        end();
    }
}
END_TEST

static void close_client(tenon_waiter *waiter, tenon_future *future, void *user)
{
    (void)waiter, (void)future, (void)user;
    told.done++;
    tenon_redis_close(client);
    client = NULL;
}

START_TEST(closed_when_a_reply_comes)
{
    if (begin(_i)) {
        tenon_waiter waiter;
        tenon_future *first = command("PING");
        tenon_future *second = command("BLPOP nothing 0");
        ck_assert_int_eq(
            tenon_future_on_done(first, &waiter, close_client, NULL), TENON_OK);
        PUMP_UNTIL(told.done);
        want_failure(second, TENON_CLOSED);
        tenon_future_unref(first);
        end();
    }
}
END_TEST

START_TEST(closed_before_it_is_connected)
{
    if (begin(_i)) {
        tenon_future *future = command("PING");
        tenon_redis_close(client);
        client = NULL;
        want_failure(future, TENON_CLOSED);
        host_run_for(5 * MS);
        ck_assert_int_eq(told.ups + told.losses, 0);
        end();
    }
}
END_TEST

/* ---- ends ---- */

START_TEST(the_reactor_ends_first)
{
    if (begin(_i)) {
        tenon_future *out = NULL;
        want_text(command("PING"), "PONG");
        tenon_future *future = command("BLPOP nothing 0");
        host_end_reactor();
        ck_assert_int_eq(tenon_future_state(future), TENON_FUTURE_FAILED);
        ck_assert_int_eq(tenon_error_status(tenon_future_error(future)),
                         TENON_CLOSED);
        tenon_future_unref(future);
        ck_assert_int_eq(tenon_redis_command(client, &out, "PING"),
                         TENON_CLOSED);
        ck_assert_int_eq(told.losses, 0);
        end();
    }
}
END_TEST

START_TEST(the_host_ends_first)
{
    if (begin(_i)) {
        tenon_future *future = command("BLPOP nothing 0");
        if (_i % 2) { /* with a connection, and without */
            PUMP_UNTIL(told.ups);
        }
        if (stage.fixture->caps & TENON_FIXTURE_DIES) {
            stage.fixture->loop_free(stage.loop);
            stage.loop = NULL;
            ck_assert_int_ge(tenon_reactor_close(stage.reactor), 0);
            ck_assert_int_eq(tenon_future_state(future), TENON_FUTURE_FAILED);
            ck_assert_ptr_nonnull(tenon_future_error(future));
            tenon_reactor_unref(stage.reactor);
            stage.reactor = NULL;
        } else {
            tenon_future_cancel(future, NULL);
        }
        tenon_future_unref(future);
        end();
    }
}
END_TEST

/* ---- refusals ---- */

START_TEST(refused_commands)
{
    static const char *const words[] = {"SUBSCRIBE a", "psubscribe a*",
                                        "UNSUBSCRIBE", "Monitor",
                                        "PUNSUBSCRIBE a"};
    if (begin(_i)) {
        tenon_future *out = NULL;
        for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
            ck_assert_int_eq(tenon_redis_command(client, &out, words[i]),
                             TENON_INVALID);
        }
        ck_assert_int_eq(tenon_redis_command(client, &out, "GET %q", 1),
                         TENON_INVALID);
        ck_assert_int_eq(tenon_redis_command_argv(client, &out, 0, NULL, NULL),
                         TENON_INVALID);
        ck_assert_int_eq(tenon_redis_command(NULL, &out, "PING"),
                         TENON_INVALID);
        ck_assert_ptr_null(out);
        want_text(command("ECHO SUBSCRIBE"), "SUBSCRIBE");
        tenon_redis_options options = client_options();
        tenon_redis *other = NULL;
        ck_assert_int_eq(tenon_redis_connect(NULL, &options, &other),
                         TENON_INVALID);
        options.pause_min_ns = -1;
        ck_assert_int_eq(tenon_redis_connect(stage.reactor, &options, &other),
                         TENON_INVALID);
        tenon_redis_close(NULL);
        end();
    }
}
END_TEST

START_TEST(the_limit_of_commands)
{
    if (begin(_i)) {
        tenon_future *futures[3];
        tenon_future *out = NULL;
        tenon_redis_options options = client_options();
        tenon_redis_close(client);
        options.commands_max = 3;
        connect_with(&options);
        for (int i = 0; i < 3; i++) {
            futures[i] = command("PING");
        }
        ck_assert_int_eq(tenon_redis_command(client, &out, "PING"),
                         TENON_LIMIT);
        for (int i = 0; i < 3; i++) {
            want_text(futures[i], "PONG");
        }
        want_text(command("PING"), "PONG");
        end();
    }
}
END_TEST

static void *intrude(void *user)
{
    tenon_future *out = NULL;
    (void)user;
    ck_assert_int_eq(tenon_redis_command(client, &out, "PING"),
                     TENON_WRONG_THREAD);
    ck_assert_int_eq(tenon_redis_unsubscribe(client, "a", 0),
                     TENON_WRONG_THREAD);
    tenon_redis_close(client);
    return NULL;
}

START_TEST(another_thread_is_refused)
{
    if (begin(_i)) {
        pthread_t thread;
        want_text(command("PING"), "PONG");
        ck_assert_int_eq(pthread_create(&thread, NULL, intrude, NULL), 0);
        ck_assert_int_eq(pthread_join(thread, NULL), 0);
        want_text(command("PING"), "PONG");
        end();
    }
}
END_TEST

/* One request fails at each place in turn; it may cost a connection or a
 * command, but never what is behind it, nor a byte. */
static bool with_one_failure(uint64_t nth)
{
    tenon_redis_options options = client_options();
    tenon_future *futures[2] = {NULL, NULL};
    harness_heap *heap = &stage.guard.heap;
    memset(&told, 0, sizeof told);
    harness_heap_fail(heap, nth, 1);
    uint64_t until = heap->requests + nth;
    if (tenon_redis_connect(stage.reactor, &options, &client) < 0) {
        client = NULL;
        return true;
    }
    for (int i = 0; i < 2; i++) {
        tenon_status status =
            tenon_redis_command(client, &futures[i], "ECHO %d", i);
        ck_assert(status == TENON_OK || status == TENON_NO_MEMORY);
        PUMP_UNTIL(!futures[i] || tenon_future_is_done(futures[i]));
        if (futures[i] && !tenon_future_error(futures[i])) {
            void *value = NULL;
            ck_assert_int_eq(tenon_future_value(futures[i], &value), TENON_OK);
            ck_assert_int_eq(atoi(((redisReply *)value)->str), i);
        }
        tenon_future_unref(futures[i]);
    }
    bool met = heap->requests >= until;
    harness_heap_fail(heap, 0, 0);
    tenon_redis_close(client);
    client = NULL;
    return met;
}

START_TEST(out_of_memory)
{
    if (begin(_i)) {
        tenon_redis_close(client);
        uint64_t nth = 1;
        while (with_one_failure(nth)) {
            nth++;
        }
        ck_assert_uint_ge(nth, 8);
        stage.reports = 0; /* a client may have told that it ended */
        end();
    }
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("client");
    int hosts = host_count();
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, values_of_all_kinds, 0, hosts);
    tcase_add_loop_test(tcase, a_big_value, 0, hosts);
    tcase_add_loop_test(tcase, the_servers_errors, 0, hosts);
    tcase_add_loop_test(tcase, many_in_a_pipeline, 0, hosts);
    tcase_add_loop_test(tcase, by_name_and_port, 0, hosts);
    tcase_add_loop_test(tcase, the_first_commands_of_a_connection, 0, hosts);
    tcase_add_loop_test(tcase, cancelled_before_it_is_sent, 0, hosts);
    tcase_add_loop_test(tcase, cancelled_in_flight, 0, hosts);
    tcase_add_loop_test(tcase, cancelled_after_the_reply_and_inside_it, 0,
                        hosts);
    tcase_add_loop_test(tcase, closed_when_a_reply_comes, 0, hosts);
    tcase_add_loop_test(tcase, closed_before_it_is_connected, 0, hosts);
    tcase_add_loop_test(tcase, the_reactor_ends_first, 0, hosts);
    tcase_add_loop_test(tcase, the_host_ends_first, 0, hosts);
    tcase_add_loop_test(tcase, refused_commands, 0, hosts);
    tcase_add_loop_test(tcase, the_limit_of_commands, 0, hosts);
    tcase_add_loop_test(tcase, another_thread_is_refused, 0, hosts);
    tcase_add_loop_test(tcase, out_of_memory, 0, hosts);
    return host_main(tcase);
}
