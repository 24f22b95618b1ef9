/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Streams under attack, their beginnings: handlers that fail, that leave bytes
 * unsent, that give their connection away; listeners that stop; connecting
 * that is refused, cancelled, too slow, or in a place where nobody may wait;
 * and all of it with the n-th allocation failing.
 */

#include <stdlib.h>

#include "stream_rig.h"

static const char where[] = "mem:here";
static tenon_listener *listener;
static far_end client;

static void serve_with(tenon_serve_fn *fn, void *user,
                       const tenon_serve_options *options)
{
    ck_assert_int_eq(tenon_serve(reactor, &listener, where, fn, user, options),
                     TENON_OK);
}

/* Connects a plain protocol. */
static void connect_client(void)
{
    tenon_factory factory = {0};
    factory.shared = far_protocol(&client);
    tenon_future *made = tenon_connect(reactor, where, factory, NULL);
    settle();
    ck_assert_int_eq(client.made, 1);
    tenon_future_unref(made);
}

static void say(const char *text)
{
    ck_assert_int_eq(
        tenon_transport_write(client.transport, text, strlen(text)), TENON_OK);
    settle();
}

static void end_service(void)
{
    ck_assert_int_eq(tenon_listener_close(listener), TENON_OK);
    tenon_listener_unref(listener);
    if (client.transport) {
        (void)tenon_transport_abort(client.transport);
    }
    settle();
    ck_assert_int_eq(client.lost, client.made);
}

/* ---- handlers ---- */

static tenon_status greet(tenon_stream *s, void *user)
{
    tenon_bytes line;
    tenon_status after = *(const tenon_status *)user;
    TENON_TRY(tenon_stream_read_line(s, &line));
    TENON_TRY(tenon_stream_send(s, "hello ", 6));
    TENON_TRY(tenon_stream_write(s, line.data, line.len));
    return after;
}

START_TEST(what_a_handler_wrote_is_sent)
{
    tenon_status after = TENON_OK;
    serve_with(greet, &after, NULL);
    connect_client();
    say("you\n");
    ck_assert_str_eq(client.kept, "hello you");
    ck_assert_int_eq(client.eofs, 1);
    end_service();
}
END_TEST

START_TEST(a_handler_that_fails_is_reported_and_aborts)
{
    tenon_status after = TENON_PROTOCOL;
    serve_with(greet, &after, NULL);
    connect_client();
    say("you\n");
    ck_assert_int_eq(client.lost, 1);
    take_report(TENON_PROTOCOL);
    end_service();
}
END_TEST

/* The loop without a way out that every server has. */
static tenon_status echo(tenon_stream *s, void *user)
{
    tenon_bytes some;
    (void)user;
    for (;;) {
        TENON_TRY(tenon_stream_read(s, 65536, &some));
        TENON_TRY(tenon_stream_send(s, some.data, some.len));
    }
}

START_TEST(that_the_peer_has_ended_is_no_failure)
{
    serve_with(echo, NULL, NULL);
    connect_client();
    say("abc");
    ck_assert_int_eq(tenon_transport_write(client.transport, "def", 3),
                     TENON_OK);
    ck_assert_int_eq(tenon_transport_write_eof(client.transport), TENON_OK);
    settle();
    ck_assert_str_eq(client.kept, "abcdef");
    end_service();
}
END_TEST

START_TEST(nor_that_it_is_lost)
{
    serve_with(echo, NULL, NULL);
    connect_client();
    say("abc");
    ck_assert_int_eq(tenon_transport_abort(client.transport), TENON_OK);
    settle();
    end_service();
}
END_TEST

static tenon_status give_away(tenon_stream *s, void *user)
{
    tenon_bytes line;
    TENON_TRY(tenon_stream_read_line(s, &line));
    second.transport = tenon_stream_transport(s);
    TENON_TRY(tenon_stream_detach(s, far_protocol(&second)));
    return *(const tenon_status *)user;
}

START_TEST(a_handler_gives_its_connection_away)
{
    tenon_status after = TENON_OK;
    serve_with(give_away, &after, NULL);
    connect_client();
    say("upgrade\nrest");
    ck_assert_str_eq(second.kept, "rest");
    say(" and more");
    ck_assert_str_eq(second.kept, "rest and more");
    ck_assert_int_eq(second.lost, 0);
    end_service();
    ck_assert_int_eq(second.lost, 1);
}
END_TEST

START_TEST(and_may_fail_then_without_harm_to_it)
{
    tenon_status after = TENON_PROTOCOL;
    serve_with(give_away, &after, NULL);
    connect_client();
    say("upgrade\nrest");
    take_report(TENON_PROTOCOL);
    ck_assert_str_eq(second.kept, "rest");
    ck_assert_int_eq(second.lost, 0);
    end_service();
}
END_TEST

static char seen_name[64];
static size_t seen_stack;

static tenon_status note_options(tenon_stream *s, void *user)
{
    (void)s;
    (void)user;
    strcpy(seen_name, tenon_task_name(tenon_task_current()));
    seen_stack = tenon_task_stack_size(tenon_task_current());
    return TENON_OK;
}

START_TEST(options_are_copied)
{
    char name[] = "guest";
    tenon_task_options task = {
        .size = sizeof task, .name = name, .stack_size = 256 * 1024};
    tenon_serve_options o = {.size = sizeof o, .task = &task};
    serve_with(note_options, NULL, &o);
    memset(name, 'x', 5);
    memset(&task, 0xff, sizeof task);
    memset(&o, 0xff, sizeof o);
    connect_client();
    ck_assert_str_eq(seen_name, "guest");
    ck_assert_uint_ge(seen_stack, 256 * 1024);
    end_service();
}
END_TEST

/* ---- handlers, and the end of others ---- */

START_TEST(a_listener_stops_while_handlers_run)
{
    serve_with(echo, NULL, NULL);
    connect_client();
    ck_assert_int_eq(tenon_listener_close(listener), TENON_OK);
    settle();
    say("still");
    ck_assert_str_eq(client.kept, "still");
    const tenon_stop_options stop = {.size = sizeof stop,
                                     .mode = TENON_STOP_ABORT};
    ck_assert_int_eq(tenon_listener_stop(listener, &stop), TENON_OK);
    settle();
    ck_assert_int_eq(client.lost, 1);
    ck_assert_uint_eq(tenon_task_count(reactor), 0);
    end_service();
}
END_TEST

/* It outlives the factory, and what it has of the server. */
static tenon_status linger(tenon_stream *s, void *user)
{
    tenon_bytes some;
    (void)user;
    tenon_status status = tenon_stream_read(s, 1, &some);
    ck_assert_int_lt(status, 0);
    TENON_TRY(tenon_sleep(TENON_SECOND));
    put('l');
    return status;
}

START_TEST(a_handler_outlives_connection_and_listener)
{
    serve_with(linger, NULL, NULL);
    connect_client();
    end_service();
    ck_assert_uint_eq(tenon_task_count(reactor), 1);
    advance(2 * TENON_SECOND);
    ck_assert_str_eq(notes, "l");
}
END_TEST

START_TEST(the_reactor_ends_while_handlers_wait)
{
    serve_with(echo, NULL, NULL);
    connect_client();
    tenon_listener_unref(listener);
    ck_assert_int_eq(tenon_reactor_close(reactor), TENON_PENDING);
    while (tenon_reactor_close(reactor) == TENON_PENDING) {
        (void)tenon_manual_turn(reactor, NULL);
    }
    ck_assert_int_eq(client.lost, 1);
    reports = 0;
}
END_TEST

/* ---- connecting ---- */

typedef struct wanted {
    const char *address;
    int64_t timeout_ns;
    tenon_status status;
    bool atomic;
} wanted;

static tenon_status connect_as(void *user)
{
    wanted *w = user;
    const tenon_connect_options o = {.size = sizeof o,
                                     .timeout_ns = w->timeout_ns};
    tenon_stream *s = NULL;
    if (w->atomic) {
        (void)tenon_atomic_begin();
    }
    w->status = tenon_stream_connect(reactor, w->address, &o, &s);
    if (w->atomic) {
        (void)tenon_atomic_end();
    }
    ck_assert((w->status == TENON_OK) == (s != NULL));
    if (s) {
        (void)tenon_stream_close(s);
        tenon_stream_unref(s);
    }
    return TENON_OK;
}

static void require_connect(const char *address, tenon_status status)
{
    wanted w = {.address = address};
    run(connect_as, &w);
    ck_assert_int_eq(w.status, status);
}

START_TEST(connecting_fails)
{
    require_connect("mem:nobody", -ECONNREFUSED);
    require_connect("nonsense", TENON_BAD_ADDRESS);
    tenon_stream *s = NULL;
    ck_assert_int_eq(tenon_stream_connect(reactor, where, NULL, &s),
                     TENON_INVALID); /* outside of tasks */
    tenon_future *f = tenon_stream_open(reactor, "mem:nobody", NULL);
    settle();
    require_failure(f, -ECONNREFUSED);
}
END_TEST

/* Nothing may come to a stream that is no more. */
START_TEST(connecting_where_nobody_may_wait)
{
    wanted w = {.address = where, .atomic = true};
    serve_with(echo, NULL, NULL);
    run(connect_as, &w);
    ck_assert_int_eq(w.status, TENON_BUSY);
    take_report(TENON_BUSY);
    settle();
    ck_assert_uint_eq(tenon_listener_connections(listener), 0);
    end_service();
}
END_TEST

/* Cancelled after so many turns: at every stage. */
START_TEST(connecting_is_cancelled_at_every_stage)
{
    serve_with(echo, NULL, NULL);
    for (int stage = 0; stage < 8; stage++) {
        wanted w = {.address = where};
        tenon_task *task = spawn(connect_as, &w, TENON_TASK_EAGER);
        turns(stage);
        (void)tenon_task_cancel(task, NULL);
        settle();
        require_end(task, TENON_OK);
        ck_assert(w.status == TENON_OK || w.status == TENON_CANCELLED);
        ck_assert_uint_eq(tenon_listener_connections(listener), 0);
    }
    end_service();
}
END_TEST

START_TEST(opening_is_cancelled_at_every_stage)
{
    serve_with(echo, NULL, NULL);
    for (int stage = 0; stage < 8; stage++) {
        void *value = NULL;
        tenon_future *f = tenon_stream_open(reactor, where, NULL);
        turns(stage);
        (void)tenon_future_cancel(f, NULL);
        settle();
        ck_assert(tenon_future_is_done(f));
        if (tenon_future_value(f, &value) == TENON_OK) {
            (void)tenon_stream_close(value);
        }
        (void)tenon_future_error(f);
        tenon_future_unref(f);
        settle();
        ck_assert_uint_eq(tenon_listener_connections(listener), 0);
    }
    end_service();
}
END_TEST

START_TEST(a_stream_is_opened_and_taken)
{
    void *value = NULL;
    serve_with(echo, NULL, NULL);
    tenon_future *f = tenon_stream_open(reactor, where, NULL);
    settle();
    ck_assert_int_eq(tenon_future_take(f, &value, NULL), TENON_OK);
    tenon_future_unref(f);
    stream = value;
    ck_assert_int_eq(tenon_stream_write(stream, "ping", 4), TENON_OK);
    tenon_future *answer = ask(TENON_READ_EXACTLY, 4);
    settle();
    require_answer(answer, "ping");
    ck_assert_int_eq(tenon_stream_close(stream), TENON_OK);
    tenon_stream_unref(stream);
    end_service();
}
END_TEST

/* ---- every allocation ---- */

static tenon_status talk(void *user)
{
    tenon_stream *s = NULL;
    tenon_bytes got;
    char text[5000];
    (void)user;
    memset(text, 'x', sizeof text);
    TENON_TRY(tenon_stream_connect(reactor, where, NULL, &s));
    tenon_status status = tenon_stream_send(s, text, sizeof text);
    if (status == TENON_OK) {
        status = tenon_stream_read_exactly(s, sizeof text, &got);
    }
    if (status == TENON_OK) {
        status = tenon_stream_flush(s);
    }
    (void)tenon_stream_close(s);
    tenon_stream_unref(s);
    return status;
}

static void talk_by_futures(void)
{
    void *value = NULL;
    tenon_future *f = tenon_stream_open(reactor, where, NULL);
    settle();
    if (f && tenon_future_value(f, &value) == TENON_OK) {
        const tenon_read what = {
            .size = sizeof what, .kind = TENON_READ_EXACTLY, .count = 3};
        tenon_future *answer = NULL;
        (void)tenon_stream_write(value, "abc", 3);
        if (tenon_stream_read_future(value, &what, &answer) == TENON_OK) {
            settle();
            (void)tenon_future_cancel(answer, NULL);
            (void)tenon_future_error(answer);
            tenon_future_unref(answer);
        }
        (void)tenon_stream_close(value);
    } else if (f) {
        (void)tenon_future_error(f);
    }
    tenon_future_unref(f);
    settle();
}

static void attach_and_detach(void)
{
    tenon_transport *pair[2];
    tenon_factory factories[2] = {{0}};
    memset(&far, 0, sizeof far);
    memset(&second, 0, sizeof second);
    factories[0].shared = far_protocol(&far);
    factories[1].shared = far_protocol(&second);
    if (tenon_memory_pair(reactor, pair, factories[0], factories[1], NULL) <
        0) {
        return;
    }
    settle();
    if (second.transport &&
        tenon_stream_attach(second.transport, &stream) == TENON_OK) {
        (void)tenon_transport_write(far.transport, "abcdef", 6);
        settle();
        if (!second.lost &&
            tenon_stream_detach(stream, far_protocol(&second)) < 0) {
            (void)tenon_stream_abort(stream);
        }
        tenon_stream_unref(stream);
    }
    settle();
    if (far.transport) {
        (void)tenon_transport_abort(far.transport);
    }
    settle();
}

static void scenario(void)
{
    tenon_task *task = NULL;
    if (tenon_serve(reactor, &listener, where, echo, NULL, NULL) < 0) {
        return;
    }
    if (tenon_spawn(reactor, talk, NULL, NULL, &task) == TENON_OK) {
        settle();
        (void)tenon_task_cancel(task, NULL); /* if nobody answers */
        settle();
        ck_assert(tenon_task_is_done(task));
        (void)tenon_future_error(tenon_task_future(task));
        tenon_task_unref(task);
    }
    talk_by_futures();
    attach_and_detach();
    const tenon_stop_options stop = {.size = sizeof stop,
                                     .mode = TENON_STOP_ABORT};
    (void)tenon_listener_stop(listener, &stop);
    (void)tenon_listener_close(listener);
    tenon_listener_unref(listener);
    settle();
}

START_TEST(every_allocation_fails_once)
{
    uint64_t nth = 0;
    do {
        tenon_reactor *outer = reactor;
        tenon_reactor_options chosen = options();
        ck_assert_int_eq(tenon_manual_new(&reactor, &chosen), TENON_OK);
        uint64_t before = guard.heap.requests;
        harness_heap_fail(&guard.heap, ++nth, 1);
        scenario();
        bool met = guard.heap.requests >= before + nth;
        harness_heap_fail(&guard.heap, 0, 0);
        while (tenon_reactor_close(reactor) == TENON_PENDING) {
            (void)tenon_manual_turn(reactor, NULL);
        }
        tenon_reactor_unref(reactor);
        reactor = outer;
        reports = 0;
        if (!met) {
            break;
        }
    } while (nth < 2000);
    ck_assert_uint_gt(nth, 30);
    ck_assert_uint_lt(nth, 2000);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        what_a_handler_wrote_is_sent,
        a_handler_that_fails_is_reported_and_aborts,
        that_the_peer_has_ended_is_no_failure,
        nor_that_it_is_lost,
        a_handler_gives_its_connection_away,
        and_may_fail_then_without_harm_to_it,
        options_are_copied,
        a_listener_stops_while_handlers_run,
        a_handler_outlives_connection_and_listener,
        the_reactor_ends_while_handlers_wait,
        connecting_fails,
        connecting_where_nobody_may_wait,
        connecting_is_cancelled_at_every_stage,
        opening_is_cancelled_at_every_stage,
        a_stream_is_opened_and_taken,
        every_allocation_fails_once,
    };
    return RUN_TESTS("iostream serve", tests);
}
