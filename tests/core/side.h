/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * What the tests of transports share: a protocol that writes down what it
 * saw, a reactor whose every block and descriptor is counted, and ways to join
 * two ends.
 */

#ifndef TENON_TESTS_CORE_SIDE_H
#define TENON_TESTS_CORE_SIDE_H

#include <tenon/tenon.h>

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- one end, and what it saw ---- */

typedef struct side {
    tenon_transport *t;
    char log[4096]; /* a letter for each callback */
    size_t log_len;
    char *bytes;
    size_t len;
    int peer; /* the far descriptor, where the test holds it */
    tenon_status lost;
    tenon_status answer[128]; /* what a callback returns, by letter */
    void (*on[128])(struct side *side);
} side;

static tenon_reactor *reactor;
static int reports;
static tenon_status reported;

static inline tenon_status saw(side *s, char letter)
{
    bool repeated =
        letter == 'D' && s->log_len > 0 && s->log[s->log_len - 1] == 'D';
    if (!repeated && s->log_len < sizeof s->log - 1) {
        s->log[s->log_len++] = letter;
    }
    if (s->on[(int)letter]) {
        s->on[(int)letter](s);
    }
    return s->answer[(int)letter];
}

static inline tenon_status on_made(void *self, tenon_transport *t)
{
    side *s = self;
    s->t = tenon_transport_ref(t);
    return saw(s, 'M');
}

static inline tenon_status on_data(void *self, tenon_transport *t,
                                   const void *data, size_t len)
{
    side *s = self;
    ck_assert_ptr_eq(s->t, t);
    ck_assert_uint_gt(len, 0);
    s->bytes = realloc(s->bytes, s->len + len);
    memcpy(s->bytes + s->len, data, len);
    s->len += len;
    return saw(s, 'D');
}

static inline tenon_status on_eof(void *self, tenon_transport *t)
{
    (void)t;
    return saw(self, 'E');
}

static inline tenon_status on_lost(void *self, tenon_transport *t,
                                   const tenon_error *error)
{
    side *s = self;
    (void)t;
    s->lost = tenon_error_status(error);
    return saw(s, 'L');
}

static inline tenon_status on_pause(void *self, tenon_transport *t)
{
    (void)t;
    return saw(self, 'P');
}

static inline tenon_status on_resume(void *self, tenon_transport *t)
{
    (void)t;
    return saw(self, 'R');
}

static const tenon_protocol_ops side_ops = {.size = sizeof side_ops,
                                            .name = "side",
                                            .connection_made = on_made,
                                            .data_received = on_data,
                                            .eof_received = on_eof,
                                            .connection_lost = on_lost,
                                            .pause_writing = on_pause,
                                            .resume_writing = on_resume};

static inline tenon_factory as(side *s)
{
    tenon_factory factory = tenon_factory_of(&side_ops);
    factory.shared.self = s;
    return factory;
}

static inline bool is_lost(const side *s)
{
    return s->log_len > 0 && s->log[s->log_len - 1] == 'L';
}

/* ---- running ---- */

static inline tenon_status on_report(tenon_reactor *r,
                                     const tenon_report *report, void *user)
{
    (void)r;
    (void)user;
    reports++;
    reported = tenon_error_status(report->error);
    return TENON_OK;
}

static size_t blocks_left;
static size_t bytes_left;
static long fail_at = -1; /* the allocation that fails; < 0: none */

static inline void *counted(void *user, void *block, size_t old_len,
                            size_t new_len)
{
    (void)user;
    if (new_len == 0) {
        blocks_left -= block != NULL;
        bytes_left -= block ? old_len : 0;
        free(block);
        return NULL;
    }
    if (new_len > old_len && fail_at >= 0 && fail_at-- == 0) {
        return NULL;
    }
    void *result = realloc(block, new_len);
    blocks_left += !block && result;
    bytes_left += result ? new_len - old_len : 0;
    return result;
}

static const tenon_allocator counting = {counted, NULL};
static tenon_reactor_options options = {.size = sizeof options,
                                        .allocator = &counting,
                                        .slow_callback_ns = -1,
                                        .on_error = on_report};
static int fds_before;

static inline int count_fds(void)
{
    int count = 0;
    for (int fd = 0; fd < 1024; fd++) {
        count += fcntl(fd, F_GETFD) >= 0;
    }
    return count;
}

static inline void native(void)
{
    fds_before = count_fds();
    ck_assert_int_eq(tenon_reactor_new(&reactor, &options), TENON_OK);
}

static inline void manual(void)
{
    fds_before = count_fds();
    ck_assert_int_eq(tenon_manual_new(&reactor, &options), TENON_OK);
}

static inline void forget(side *s)
{
    tenon_transport_unref(s->t);
    free(s->bytes);
    memset(s, 0, sizeof *s);
}

static inline void end(void)
{
    if (reactor) {
        tenon_reactor_unref(reactor);
    }
    ck_assert_uint_eq(blocks_left, 0);
    ck_assert_uint_eq(bytes_left, 0);
    ck_assert_int_eq(count_fds(), fds_before);
}

#define UNTIL(condition)                                                     \
    do {                                                                     \
        int64_t end_ns_ = tenon_now(reactor) + 5 * TENON_SECOND;             \
        while (!(condition)) {                                               \
            ck_assert_msg(tenon_now(reactor) < end_ns_, "waiting for %s",    \
                          #condition);                                       \
            ck_assert_int_eq(tenon_run_once(reactor, 5 * TENON_MILLISECOND), \
                             TENON_OK);                                      \
        }                                                                    \
    } while (0)

static inline void turns(int count)
{
    while (count-- > 0) {
        ck_assert_int_eq(tenon_manual_turn(reactor, NULL), TENON_OK);
    }
}

static inline void settle(void)
{
    ck_assert_int_eq(tenon_manual_advance(reactor, 0), TENON_OK);
}

#include "toy.h"

/* Two connected sides through a listener at `at`; without one over toys. */
static inline tenon_listener *join(side *client, side *server, const char *at)
{
    tenon_listener *listener;
    tenon_address address;
    char text[TENON_ADDRESS_TEXT_LEN];
    if (strcmp(at, TOYS) == 0) {
        join_toys(reactor, as(client), as(server));
        return NULL;
    }
    ck_assert_int_eq(tenon_listen(reactor, &listener, at, as(server), NULL),
                     TENON_OK);
    tenon_listener_address(listener, &address);
    tenon_address_format(&address, text, sizeof text);
    ck_assert_int_eq(
        tenon_connector_start(reactor, NULL, text, as(client), NULL), TENON_OK);
    return listener;
}

static char unix_path[64];
static inline const char *address_of(int kind)
{
    if (kind == 0) {
        return "tcp:127.0.0.1:0";
    }
    snprintf(unix_path, sizeof unix_path, "unix:/tmp/tenon-test-%ld.sock",
             (long)getpid());
    return kind == 1 ? unix_path : kind == 2 ? "mem:test" : TOYS;
}

static inline void leave(tenon_listener *listener, side *a, side *b)
{
    if (listener) {
        tenon_listener_close(listener);
        tenon_listener_unref(listener);
    }
    UNTIL(is_lost(a) && is_lost(b) && !tenon_reactor_alive(reactor));
    forget(a);
    forget(b);
}

static inline char *pattern(size_t len)
{
    char *bytes = malloc(len);
    for (size_t i = 0; i < len; i++) {
        bytes[i] = (char)(i * 2654435761U >> 13);
    }
    return bytes;
}

static inline void echo(side *s)
{
    ck_assert_int_ge(tenon_transport_write(s->t, s->bytes, s->len), 0);
    s->len = 0;
}

static inline void close_it(side *s)
{
    tenon_transport_close(s->t);
}

static inline void abort_it(side *s)
{
    tenon_transport_abort(s->t);
}

static inline void pause_it(side *s)
{
    ck_assert_int_eq(tenon_transport_pause_reading(s->t), TENON_OK);
}

static inline void bye(side *s)
{
    ck_assert_int_eq(tenon_transport_write(s->t, "bye", 3), TENON_OK);
    tenon_transport_close(s->t);
    ck_assert_int_eq(tenon_transport_write(s->t, "no", 2), TENON_CLOSED);
}

static int connected;
static tenon_status connect_error;
static inline void on_connected(tenon_connector *c, tenon_transport *t,
                                const tenon_error *error, void *user)
{
    (void)c;
    (void)user;
    ck_assert((t == NULL) == (error != NULL));
    connected++;
    connect_error = tenon_error_status(error);
}

static tenon_connect_options told = {.size = sizeof told,
                                     .on_connected = on_connected};

static inline int run_suite(Suite *suite)
{
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif
