/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The chat protocol without a socket, a thread or a clock: a manual reactor,
 * memory addresses, and clients that write what no honest client would.
 */

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chat.h"
#include "text.h"

#define SERVER "mem:chat"

/* A client that keeps the last bytes it saw. */
typedef struct visitor {
    tenon_transport *transport;
    bool lost;
    size_t len;
    char seen[8192];
} visitor;

typedef struct fixture {
    tenon_reactor *reactor;
    room room;
    chat_server server;
    tenon_status ready;
} fixture;

static tenon_status visitor_made(void *self, tenon_transport *transport)
{
    visitor *who = self;
    who->transport = tenon_transport_ref(transport);
    return TENON_OK;
}

static tenon_status visitor_data(void *self, tenon_transport *transport,
                                 const void *data, size_t len)
{
    (void)transport;
    visitor *who = self;
    ck_assert_uint_lt(who->len + len, sizeof who->seen);
    memcpy(who->seen + who->len, data, len);
    who->len += len;
    who->seen[who->len] = '\0';
    return TENON_OK;
}

static tenon_status visitor_lost(void *self, tenon_transport *transport,
                                 const tenon_error *error)
{
    (void)transport;
    (void)error;
    visitor *who = self;
    who->lost = true;
    return TENON_OK;
}

static const tenon_protocol_ops visitor_ops = {
    .size = sizeof visitor_ops,
    .connection_made = visitor_made,
    .data_received = visitor_data,
    .connection_lost = visitor_lost,
};

static void settle(fixture *f)
{
    for (int i = 0; i < 50; i++) {
        ck_assert_int_ge(tenon_manual_advance(f->reactor, 0), 0);
    }
}

static void on_ready(chat_server *server, tenon_status status, void *user)
{
    (void)server;
    fixture *f = user;
    f->ready = status;
}

static void open_chat(fixture *f)
{
    memset(f, 0, sizeof *f);
    f->ready = TENON_PENDING;
    ck_assert_int_eq(tenon_manual_new(&f->reactor, NULL), TENON_OK);
    room_open(&f->room, f->reactor);
    ck_assert_int_eq(
        chat_start(&f->server, f->reactor, &f->room, SERVER, on_ready, f),
        TENON_OK);
    settle(f);
    ck_assert_int_eq(f->ready, TENON_OK);
}

/* Everybody goes, and nothing is left. */
static void close_chat(fixture *f)
{
    chat_stop(&f->server);
    settle(f);
    ck_assert_int_ge(tenon_manual_advance(f->reactor, TENON_SECOND), 0);
    ck_assert_ptr_null(f->server.peers);
    ck_assert(!tenon_reactor_alive(f->reactor));
    ck_assert_uint_eq(f->server.seat.gaps, 0);
    tenon_reactor_close(f->reactor);
    tenon_reactor_unref(f->reactor);
    room_close(&f->room);
}

static void visit(fixture *f, visitor *who)
{
    memset(who, 0, sizeof *who);
    tenon_factory factory = tenon_factory_of(&visitor_ops);
    factory.shared.self = who;
    ck_assert_int_eq(
        tenon_connector_start(f->reactor, NULL, SERVER, factory, NULL),
        TENON_OK);
    settle(f);
    ck_assert_ptr_nonnull(who->transport);
}

static void leave(visitor *who)
{
    tenon_transport_abort(who->transport);
    tenon_transport_unref(who->transport);
}

static void say(fixture *f, visitor *who, const char *text)
{
    ck_assert_int_ge(tenon_transport_write(who->transport, text, strlen(text)),
                     0);
    settle(f);
}

/* What the visitor saw since the last time. */
static void expect(visitor *who, const char *text)
{
    ck_assert_str_eq(who->seen, text);
    who->len = 0;
    who->seen[0] = '\0';
}

START_TEST(lines_go_to_everyone_with_a_nick)
{
    fixture f;
    visitor ann;
    visitor bob;
    visitor mute;
    open_chat(&f);
    visit(&f, &ann);
    visit(&f, &bob);
    visit(&f, &mute);
    say(&f, &ann, "ann\n");
    say(&f, &bob, "bob\r\n");
    expect(&ann, "hello ann\n");
    expect(&bob, "hello bob\n");
    say(&f, &ann, "one\ntwo\nthr");
    say(&f, &bob, "b\xc3\xb6\xc3\xb6\r\n");
    say(&f, &ann, "ee\n");
    expect(&ann, "ann: one\nann: two\nbob: b\xc3\xb6\xc3\xb6\nann: three\n");
    expect(&bob, "ann: one\nann: two\nbob: b\xc3\xb6\xc3\xb6\nann: three\n");
    expect(&mute, "");
    ck_assert_uint_eq(f.server.lines_in, 4);
    ck_assert_uint_eq(f.server.lines_out, 8);
    leave(&ann);
    leave(&bob);
    leave(&mute);
    settle(&f);
    close_chat(&f);
}
END_TEST

START_TEST(bad_nick_is_told_and_may_try_again)
{
    fixture f;
    visitor ann;
    open_chat(&f);
    visit(&f, &ann);
    say(&f, &ann, "ann b\nseventeen_letters\n\nann\n");
    expect(&ann, "error: a nick is 1 to 16 letters, digits, - or _; try again\n"
                 "error: a nick is 1 to 16 letters, digits, - or _; try again\n"
                 "error: a nick is 1 to 16 letters, digits, - or _; try again\n"
                 "hello ann\n");
    leave(&ann);
    close_chat(&f);
}
END_TEST

START_TEST(bad_line_is_answered_and_harms_nobody)
{
    fixture f;
    visitor ann;
    visitor bob;
    char text[CHAT_LINE_MAX + 3];
    open_chat(&f);
    visit(&f, &ann);
    visit(&f, &bob);
    say(&f, &ann, "ann\n");
    say(&f, &bob, "bob\n");
    expect(&ann, "hello ann\n");
    expect(&bob, "hello bob\n");

    memset(text, 'x', sizeof text);
    memcpy(text + CHAT_LINE_MAX + 1, "\n", 2);
    say(&f, &ann, text); /* one byte too many */
    expect(&ann, "error: line longer than 1024 bytes, dropped\n");
    memset(text, 'x', sizeof text - 2);
    text[sizeof text - 2] = '\0';
    say(&f, &ann, text); /* the error comes before the end of the line does */
    say(&f, &ann, text);
    expect(&ann, "error: line longer than 1024 bytes, dropped\n");
    say(&f, &ann, "\nbad \xff\nbell \a\n\xc2\x85\n\ntab\tis good\n");
    expect(&ann, "error: line is not valid UTF-8, dropped\n"
                 "error: line holds a control character, dropped\n"
                 "error: line holds a control character, dropped\n"
                 "error: line is empty, dropped\n"
                 "ann: tab\tis good\n");
    expect(&bob, "ann: tab\tis good\n");
    leave(&ann);
    leave(&bob);
    close_chat(&f);
}
END_TEST

START_TEST(longest_line_passes)
{
    fixture f;
    visitor ann;
    char text[CHAT_LINE_MAX + 3];
    open_chat(&f);
    visit(&f, &ann);
    say(&f, &ann, "ann\n");
    ann.len = 0;
    memset(text, 'x', sizeof text);
    memcpy(text + CHAT_LINE_MAX, "\r\n", 3);
    say(&f, &ann, text);
    ck_assert_uint_eq(ann.len, strlen("ann: ") + CHAT_LINE_MAX + 1);
    ck_assert_uint_eq(f.server.lines_bad, 0);
    leave(&ann);
    close_chat(&f);
}
END_TEST

START_TEST(client_that_does_not_read_is_disconnected)
{
    fixture f;
    visitor ann;
    visitor deaf;
    char text[CHAT_LINE_MAX + 2];
    open_chat(&f);
    visit(&f, &ann);
    visit(&f, &deaf);
    say(&f, &ann, "ann\n");
    say(&f, &deaf, "deaf\n");
    expect(&deaf, "hello deaf\n");
    tenon_transport_pause_reading(deaf.transport);
    memset(text, 'x', sizeof text);
    memcpy(text + CHAT_LINE_MAX, "\n", 2);
    size_t lines = 0;
    while (f.server.clients_slow == 0) {
        ck_assert_uint_lt(lines, 4 * CHAT_BACKLOG_MAX / CHAT_LINE_MAX);
        ann.len = 0;
        say(&f, &ann, text);
        lines++;
    }
    ck_assert_uint_gt(lines, CHAT_BACKLOG_MAX / CHAT_LINE_MAX / 2);
    settle(&f);
    ck_assert(!ann.lost);
    ann.len = 0;
    say(&f, &ann, "still here\n");
    expect(&ann, "ann: still here\n");
    leave(&ann);
    leave(&deaf);
    close_chat(&f);
}
END_TEST

/* More lines at once than may be under way: none is lost, and the brake goes
 * off again, or the last line would not be read. */
START_TEST(burst_of_lines_comes_back_whole)
{
    fixture f;
    visitor ann;
    char burst[4 * CHAT_UNHEARD_MAX * 4 + 1];
    char expected[sizeof burst * 3];
    size_t len = 0;
    open_chat(&f);
    visit(&f, &ann);
    say(&f, &ann, "ann\n");
    expect(&ann, "hello ann\n");
    burst[0] = '\0';
    for (unsigned i = 0; i < 4 * CHAT_UNHEARD_MAX; i++) {
        (void)snprintf(burst + 4 * i, 5, "%03u\n", i);
        len += (size_t)snprintf(expected + len, sizeof expected - len,
                                "ann: %03u\n", i);
    }
    say(&f, &ann, burst);
    expect(&ann, expected);
    say(&f, &ann, "last\n");
    expect(&ann, "ann: last\n");
    leave(&ann);
    close_chat(&f);
}
END_TEST

START_TEST(stop_says_so_and_flushes)
{
    fixture f;
    visitor ann;
    open_chat(&f);
    visit(&f, &ann);
    say(&f, &ann, "ann\n");
    expect(&ann, "hello ann\n");
    chat_stop(&f.server);
    settle(&f);
    expect(&ann, "the server ends\n");
    ck_assert(ann.lost);
    leave(&ann);
    close_chat(&f);
}
END_TEST

START_TEST(text_faults)
{
    static const struct {
        const char *text;
        const char *fault;
    } cases[] = {
        {"", "is empty"},
        {"plain", NULL},
        {"\xf0\x9f\x90\x9d \xe2\x82\xac \xc3\xa9", NULL},
        {"\xf4\x8f\xbf\xbf", NULL},                 /* U+10FFFF */
        {"\xf4\x90\x80\x80", "is not valid UTF-8"}, /* above it */
        {"\xc0\xaf", "is not valid UTF-8"},         /* not the shortest */
        {"\xe0\x80\xaf", "is not valid UTF-8"},
        {"\xf0\x80\x80\xaf", "is not valid UTF-8"},
        {"\xed\xa0\x80", "is not valid UTF-8"}, /* a surrogate */
        {"\xe2\x82", "is not valid UTF-8"},     /* cut */
        {"\x80", "is not valid UTF-8"},
        {"\x1b[2J", "holds a control character"},
        {"\x7f", "holds a control character"},
        {"\xc2\x9b", "holds a control character"},
        {"\x01\xff", "is not valid UTF-8"},
    };
    const char *fault = text_fault(cases[_i].text, strlen(cases[_i].text));
    if (cases[_i].fault == NULL) {
        ck_assert_ptr_null(fault);
    } else {
        ck_assert_str_eq(fault, cases[_i].fault);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("chat");
    TCase *tests = tcase_create("chat");
    tcase_add_test(tests, lines_go_to_everyone_with_a_nick);
    tcase_add_test(tests, bad_nick_is_told_and_may_try_again);
    tcase_add_test(tests, bad_line_is_answered_and_harms_nobody);
    tcase_add_test(tests, longest_line_passes);
    tcase_add_test(tests, client_that_does_not_read_is_disconnected);
    tcase_add_test(tests, burst_of_lines_comes_back_whole);
    tcase_add_test(tests, stop_says_so_and_flushes);
    tcase_add_loop_test(tests, text_faults, 0, 15);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
