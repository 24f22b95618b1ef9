/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The client's connection, on every host: how it fails, how it is lost, how it
 * comes back, what becomes of the commands meanwhile, and subscriptions.
 *
 * ctest: timeout=180
 */

#include "client.h"

/* ---- connections that fail ---- */

START_TEST(refused_then_accepted)
{
    if (host_open(_i)) {
        uint16_t port = free_port();
        connect_to(port, 0);
        want_failure(command("PING"), -ECONNREFUSED);
        PUMP_UNTIL(told.losses >= 2);
        ck_assert_int_eq(told.loss, -ECONNREFUSED);
        ck_assert_int_eq(told.ups, 0);
        int listener = tcp_socket(&port, 8);
        PUMP_UNTIL(told.ups);
        tenon_redis_close(client);
        close(listener);
        leave_host();
    }
}
END_TEST

START_TEST(a_path_that_is_not_there)
{
    if (host_open(_i)) {
        tenon_redis_options options = client_options();
        options.path = "/nowhere/at/all";
        connect_with(&options);
        want_failure(command("PING"), -ENOENT);
        tenon_redis_close(client);
        leave_host();
    }
}
END_TEST

START_TEST(reset_with_a_reply_pending)
{
    if (host_open(_i)) {
        uint16_t port = 0;
        int listener = tcp_socket(&port, 8);
        connect_to(port, 0);
        tenon_future *first = command("GET a");
        tenon_future *second = command("GET b");
        int peer = accept_one(listener);
        take(peer, "b\r\n");
        answer(peer, "+one\r\n");
        want_text(first, "one");
        cut(peer);
        want_failure(second, -ECONNRESET);
        peer = accept_one(listener); /* it comes back, and repeats nothing */
        PUMP_UNTIL(told.ups == 2);
        host_run_for(5 * MS);
        char text[16];
        ck_assert_int_eq(read(peer, text, sizeof text), -1);
        tenon_redis_close(client);
        close(peer);
        close(listener);
        leave_host();
    }
}
END_TEST

START_TEST(no_redis_at_all)
{
    if (host_open(_i)) {
        uint16_t port = 0;
        int listener = tcp_socket(&port, 8);
        connect_to(port, 0);
        tenon_future *future = command("PING");
        int peer = accept_one(listener);
        take(peer, "PING");
        answer(peer, "HTTP/1.1 400 Bad Request\r\n\r\n");
        want_failure(future, TENON_PROTOCOL);
        tenon_redis_close(client);
        close(peer);
        close(listener);
        leave_host();
    }
}
END_TEST

/* The kernel answers nothing on a full backlog. */
START_TEST(connecting_takes_too_long)
{
    if (host_open(_i)) {
        uint16_t port = 0;
        int listener = tcp_socket(&port, 0);
        int filler[4];
        for (int i = 0; i < 4; i++) {
            struct sockaddr_in to = {.sin_family = AF_INET,
                                     .sin_port = htons(port),
                                     .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
            filler[i] =
                socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
            (void)connect(filler[i], (struct sockaddr *)&to, sizeof to);
        }
        tenon_redis_options options = client_options();
        options.path = NULL;
        options.port = port;
        options.connect_timeout_ns = 30 * MS;
        connect_with(&options);
        want_failure(command("PING"), TENON_TIMED_OUT);
        PUMP_UNTIL(told.losses);
        ck_assert_int_eq(told.loss, TENON_TIMED_OUT);
        tenon_redis_close(client);
        for (int i = 0; i < 4; i++) {
            close(filler[i]);
        }
        close(listener);
        leave_host();
    }
}
END_TEST

/* ---- time limits ---- */

START_TEST(a_server_that_never_answers)
{
    if (host_open(_i)) {
        uint16_t port = 0;
        int listener = tcp_socket(&port, 8);
        connect_to(port, 30 * MS);
        int64_t start_ns = harness_clock_ns();
        tenon_future *first = command("PING");
        int peer = accept_one(listener);
        host_run_for(10 * MS); /* a limit of its own */
        tenon_future *second = command("PING");
        want_failure(first, TENON_TIMED_OUT);
        ck_assert_int_ge(harness_clock_ns() - start_ns, 30 * MS);
        want_failure(second, TENON_TIMED_OUT);
        ck_assert_int_ge(harness_clock_ns() - start_ns, 40 * MS);
        ck_assert_int_eq(told.losses, 0);
        tenon_redis_close(client);
        close(peer);
        close(listener);
        leave_host();
    }
}
END_TEST

/* The late reply is nobody's, and the next is not taken for it. */
START_TEST(a_reply_that_comes_too_late)
{
    if (host_open(_i)) {
        uint16_t port = 0;
        int listener = tcp_socket(&port, 8);
        connect_to(port, 100 * MS);
        tenon_future *late = command("GET a");
        int peer = accept_one(listener);
        take(peer, "a\r\n");
        want_failure(late, TENON_TIMED_OUT);
        tenon_future *next = command("GET b");
        tenon_future *last = command("GET c");
        take(peer, "c\r\n");
        answer(peer, "+A\r\n+B\r\n");
        want_text(next, "B");
        answer(peer, "+C\r\n");
        want_text(last, "C");
        tenon_redis_close(client);
        close(peer);
        close(listener);
        leave_host();
    }
}
END_TEST

/* ---- coming back ---- */

START_TEST(the_server_is_restarted)
{
    if (begin(_i)) {
        want_integer(command("INCR n"), 1);
        tenon_future *pending = command("BLPOP nothing 0");
        host_run_for(5 * MS);
        redis_kill(&server);
        wait_for(pending);
        ck_assert_int_lt(tenon_error_status(tenon_future_error(pending)), 0);
        tenon_future_unref(pending);
        PUMP_UNTIL(told.losses);
        ck_assert(!tenon_redis_is_connected(client));
        tenon_future *lost = command("INCR n"); /* for an attempt that fails */
        want_failure(lost, -ENOENT);
        int losses = told.losses;
        redis_restart(&server);
        tenon_future *waits = NULL;
        PUMP_UNTIL(told.losses == losses || told.ups == 2);
        waits = command("INCR n");
        PUMP_UNTIL(told.ups == 2);
        want_integer(waits, 1); /* a new server, and nothing was repeated */
        want_integer(command("INCR n"), 2);
        end();
    }
}
END_TEST

static void close_it(tenon_redis *c)
{
    tenon_redis_close(c);
    client = NULL;
}

static int64_t loss_ns[6];

static void note_loss(tenon_redis *c)
{
    (void)c;
    if (told.losses <= 6) {
        loss_ns[told.losses - 1] = harness_clock_ns();
    }
}

/* 10, 20, 40, 80 and 160 ms; and 10 again after it was connected. */
START_TEST(pauses_grow_and_begin_anew)
{
    if (host_open(_i)) {
        uint16_t port = free_port();
        tenon_redis_options options = client_options();
        options.path = NULL;
        options.port = port;
        options.pause_min_ns = 10 * MS;
        options.pause_max_ns = TENON_SECOND;
        told.on_loss = note_loss;
        connect_with(&options);
        PUMP_UNTIL(told.losses == 5);
        int listener = tcp_socket(&port, 8);
        int peer = accept_one(listener);
        PUMP_UNTIL(told.ups);
        for (int i = 0; i < 4; i++) {
            ck_assert_int_ge(loss_ns[i + 1] - loss_ns[i], (10 << i) * MS);
        }
        cut(peer);
        PUMP_UNTIL(told.losses == 6);
        peer = accept_one(listener);
        ck_assert_int_lt(harness_clock_ns() - loss_ns[5], 250 * MS);
        tenon_redis_close(client);
        close(peer);
        close(listener);
        leave_host();
    }
}
END_TEST

START_TEST(closed_as_it_comes_up)
{
    if (begin(_i)) {
        told.on_up = close_it;
        want_failure(command("PING"), TENON_CLOSED);
        ck_assert_int_eq(told.ups, 1);
        end();
    }
}
END_TEST

START_TEST(closed_as_it_is_lost)
{
    if (begin(_i)) {
        told.on_loss = close_it;
        PUMP_UNTIL(told.ups);
        redis_kill(&server);
        PUMP_UNTIL(!client);
        redis_restart(&server);
        host_run_for(30 * MS);
        ck_assert_int_eq(told.ups, 1);
        ck_assert_int_eq(told.losses, 1);
        end();
    }
}
END_TEST

/* ---- subscriptions ---- */

static char log_text[256];
static bool close_on_message;
static int nested_runs;

static void on_message(tenon_redis *c, const tenon_redis_message *message,
                       void *user)
{
    size_t len = strlen(log_text);
    ck_assert_uint_eq(message->channel_len, strlen(message->channel));
    ck_assert_uint_eq(message->data_len, strlen(message->data));
    snprintf(log_text + len, sizeof log_text - len, "%s%s:%s=%s ",
             (const char *)user, message->pattern ? message->pattern : "",
             message->channel, message->data);
    if (close_on_message) {
        close_it(c);
    }
    if (nested_runs > 0) {
        nested_runs--;
        stage.fixture->nested(stage.loop, 5 * MS);
    }
}

static tenon_future *subscribe(const char *channel, uint32_t flags)
{
    tenon_future *future = NULL;
    tenon_redis_subscription subscription = {.size = sizeof subscription,
                                             .flags = flags,
                                             .channel = channel,
                                             .on_message = on_message,
                                             .user = (void *)(uintptr_t) ""};
    ck_assert_int_eq(tenon_redis_subscribe(client, &future, &subscription),
                     TENON_OK);
    return future;
}

static void want_confirmed(tenon_future *future)
{
    wait_for(future);
    ck_assert_int_eq(tenon_future_state(future), TENON_FUTURE_RESOLVED);
    tenon_future_unref(future);
}

static void publish(const char *channel, const char *data)
{
    redisContext *c = redisConnectUnix(server.path);
    freeReplyObject(redisCommand(c, "PUBLISH %s %s", channel, data));
    redisFree(c);
}

START_TEST(messages_of_channels_and_patterns)
{
    if (begin(_i)) {
        log_text[0] = '\0';
        tenon_future *one = subscribe("one", 0);
        tenon_future *pattern = subscribe("t*", TENON_REDIS_PATTERN);
        want_confirmed(one);
        want_confirmed(pattern);
        want_confirmed(subscribe("two", 0));
        publish("one", "1");
        publish("two", "2");
        publish("three", "3");
        publish("four", "4");
        publish("one", "5");
        PUMP_UNTIL(strstr(log_text, "=5"));
        ck_assert_str_eq(log_text, ":one=1 :two=2 t*:two=2 t*:three=3 :one=5 ");
        ck_assert_int_eq(tenon_redis_unsubscribe(client, "two", 0),
                         TENON_EXISTED);
        ck_assert_int_eq(tenon_redis_unsubscribe(client, "two", 0), TENON_OK);
        log_text[0] = '\0';
        publish("two", "6");
        publish("one", "7");
        PUMP_UNTIL(strstr(log_text, "=7"));
        ck_assert_str_eq(log_text, "t*:two=6 :one=7 ");
        end();
    }
}
END_TEST

START_TEST(unsubscribed_and_subscribed_again)
{
    if (begin(_i)) {
        log_text[0] = '\0';
        want_confirmed(subscribe("one", 0));
        for (int i = 0; i < 3; i++) {
            ck_assert_int_eq(tenon_redis_unsubscribe(client, "one", 0),
                             TENON_EXISTED);
            tenon_future *again = subscribe("one", 0);
            if (i < 2) {
                tenon_future_unref(again);
            } else {
                want_confirmed(again);
            }
        }
        publish("one", "1");
        PUMP_UNTIL(log_text[0]);
        ck_assert_str_eq(log_text, ":one=1 ");
        /* With the last one gone it takes commands again. */
        ck_assert_int_eq(tenon_redis_unsubscribe(client, "one", 0),
                         TENON_EXISTED);
        tenon_future *out = NULL;
        tenon_status status;
        PUMP_UNTIL((status = tenon_redis_command(client, &out, "PING")) !=
                   TENON_BUSY);
        ck_assert_int_eq(status, TENON_OK);
        want_text(out, "PONG");
        end();
    }
}
END_TEST

START_TEST(subscriptions_come_back)
{
    if (begin(_i)) {
        log_text[0] = '\0';
        want_confirmed(subscribe("one", 0));
        want_confirmed(subscribe("two", 0));
        redis_kill(&server);
        PUMP_UNTIL(told.losses >= 2);
        ck_assert_int_eq(tenon_redis_unsubscribe(client, "two", 0),
                         TENON_EXISTED);
        tenon_future *three = subscribe("three", 0);
        want_failure(three, -ENOENT); /* not for good */
        redis_restart(&server);
        PUMP_UNTIL(told.ups == 2);
        want_confirmed(
            subscribe("four", 0)); /* in order: the others are, too */
        publish("two", "2");
        publish("three", "3");
        publish("one", "1");
        PUMP_UNTIL(strstr(log_text, "=1"));
        ck_assert_str_eq(log_text, ":three=3 :one=1 ");
        end();
    }
}
END_TEST

static void log_in(tenon_redis *c)
{
    ck_assert_int_eq(tenon_redis_command(c, NULL, "AUTH secret"), TENON_OK);
}

/* What is given as the client comes up is ahead of the subscriptions, too. */
START_TEST(a_password_before_subscriptions)
{
    server.password = "secret";
    if (begin(_i)) {
        tenon_future *out = NULL;
        log_text[0] = '\0';
        told.on_up = log_in;
        want_confirmed(subscribe("one", 0));
        ck_assert_int_eq(tenon_redis_command(client, &out, "PING"), TENON_BUSY);
        redisContext *c = redisConnectUnix(server.path);
        freeReplyObject(redisCommand(c, "AUTH secret"));
        freeReplyObject(redisCommand(c, "PUBLISH one 1"));
        redisFree(c);
        PUMP_UNTIL(log_text[0]);
        ck_assert_str_eq(log_text, ":one=1 ");
        end();
    }
}
END_TEST

/* A refused subscription is a lost connection, with the server's words. */
START_TEST(a_subscription_without_the_password)
{
    server.password = "secret";
    if (begin(_i)) {
        tenon_future *future = subscribe("one", 0);
        wait_for(future);
        ck_assert_ptr_nonnull(
            strstr(tenon_error_message(tenon_future_error(future)), "NOAUTH"));
        want_failure(future, TENON_REFUSED);
        ck_assert_int_eq(told.ups, 1);
        end();
    }
}
END_TEST

START_TEST(closed_inside_a_message)
{
    if (begin(_i)) {
        log_text[0] = '\0';
        close_on_message = true;
        want_confirmed(subscribe("one", 0));
        publish("one", "1");
        publish("one", "2");
        PUMP_UNTIL(!client);
        host_run_for(5 * MS);
        ck_assert_str_eq(log_text, ":one=1 ");
        close_on_message = false;
        end();
    }
}
END_TEST

START_TEST(a_loop_inside_a_message)
{
    if (begin(_i)) {
        if (stage.fixture->caps & TENON_FIXTURE_NESTED) {
            log_text[0] = '\0';
            nested_runs = 1;
            want_confirmed(subscribe("one", 0));
            publish("one", "1");
            publish("one", "2");
            PUMP_UNTIL(strstr(log_text, "=2"));
            ck_assert_str_eq(log_text, ":one=1 :one=2 ");
        }
        end();
    }
}
END_TEST

/* Twice: a channel that is new, and one whose end is not confirmed yet. */
START_TEST(subscribing_without_memory)
{
    if (begin(_i)) {
        tenon_future *future = NULL;
        tenon_redis_subscription one = {.size = sizeof one,
                                        .channel = "one",
                                        .on_message = on_message,
                                        .user = (void *)(uintptr_t) ""};
        log_text[0] = '\0';
        PUMP_UNTIL(told.ups);
        for (int round = 0; round < 2; round++) {
            tenon_status status = TENON_NO_MEMORY;
            int failures = 0;
            for (uint64_t nth = 1; status < 0; nth++) {
                harness_heap_fail(&stage.guard.heap, nth, 1);
                status = tenon_redis_subscribe(client, &future, &one);
                harness_heap_fail(&stage.guard.heap, 0, 0);
                failures += status == TENON_NO_MEMORY;
            }
            ck_assert_int_eq(failures, 2 - round);
            want_confirmed(future);
            ck_assert_int_eq(tenon_redis_unsubscribe(client, "one", 0),
                             TENON_EXISTED);
        }
        want_confirmed(subscribe("one", 0));
        publish("one", "1");
        PUMP_UNTIL(log_text[0]);
        ck_assert_str_eq(log_text, ":one=1 ");
        end();
    }
}
END_TEST

START_TEST(commands_or_subscriptions)
{
    if (begin(_i)) {
        tenon_future *out = NULL;
        tenon_redis_subscription one = {
            .size = sizeof one, .channel = "one", .on_message = on_message};
        tenon_future *ping = command("PING");
        ck_assert_int_eq(tenon_redis_subscribe(client, &out, &one), TENON_BUSY);
        want_text(ping, "PONG");
        want_confirmed(subscribe("one", 0));
        ck_assert_int_eq(tenon_redis_subscribe(client, &out, &one),
                         TENON_IN_USE);
        ck_assert_int_eq(tenon_redis_command(client, &out, "PING"), TENON_BUSY);
        one.on_message = NULL;
        ck_assert_int_eq(tenon_redis_subscribe(client, &out, &one),
                         TENON_INVALID);
        one.on_message = on_message;
        one.channel = "two";
        one.flags = 2;
        ck_assert_int_eq(tenon_redis_subscribe(client, &out, &one),
                         TENON_INVALID);
        ck_assert_ptr_null(out);
        end();
    }
}
END_TEST

START_TEST(the_reactor_ends_first)
{
    if (begin(_i)) {
        tenon_future *future = subscribe("one", 0);
        if (_i % 2) {
            PUMP_UNTIL(tenon_future_is_done(future));
        }
        host_end_reactor();
        ck_assert(tenon_future_is_done(future));
        (void)tenon_future_error(future);
        tenon_future_unref(future);
        end();
    }
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("connection");
    int hosts = host_count();
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, refused_then_accepted, 0, hosts);
    tcase_add_loop_test(tcase, a_path_that_is_not_there, 0, hosts);
    tcase_add_loop_test(tcase, reset_with_a_reply_pending, 0, hosts);
    tcase_add_loop_test(tcase, no_redis_at_all, 0, hosts);
    tcase_add_loop_test(tcase, connecting_takes_too_long, 0, hosts);
    tcase_add_loop_test(tcase, a_server_that_never_answers, 0, hosts);
    tcase_add_loop_test(tcase, a_reply_that_comes_too_late, 0, hosts);
    tcase_add_loop_test(tcase, the_server_is_restarted, 0, hosts);
    tcase_add_loop_test(tcase, pauses_grow_and_begin_anew, 0, hosts);
    tcase_add_loop_test(tcase, closed_as_it_comes_up, 0, hosts);
    tcase_add_loop_test(tcase, closed_as_it_is_lost, 0, hosts);
    tcase_add_loop_test(tcase, messages_of_channels_and_patterns, 0, hosts);
    tcase_add_loop_test(tcase, unsubscribed_and_subscribed_again, 0, hosts);
    tcase_add_loop_test(tcase, subscriptions_come_back, 0, hosts);
    tcase_add_loop_test(tcase, a_password_before_subscriptions, 0, hosts);
    tcase_add_loop_test(tcase, a_subscription_without_the_password, 0, hosts);
    tcase_add_loop_test(tcase, closed_inside_a_message, 0, hosts);
    tcase_add_loop_test(tcase, a_loop_inside_a_message, 0, hosts);
    tcase_add_loop_test(tcase, subscribing_without_memory, 0, hosts);
    tcase_add_loop_test(tcase, commands_or_subscriptions, 0, hosts);
    tcase_add_loop_test(tcase, the_reactor_ends_first, 0, hosts);
    return host_main(tcase);
}
