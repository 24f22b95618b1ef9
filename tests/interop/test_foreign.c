/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * A loop that no adapter knows drives a reactor by its descriptor alone: a
 * plain poll() loop, libev, and an epoll loop that is told of edges only. Each
 * carries the same session: a TCP echo, timers, posts and calls. A wait that
 * ends by its limit of two seconds is a wake-up that was lost.
 */

#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <tenon/foreign.h>
#include <tenon/tenon.h>

#include "harness_check.h"

#ifndef TENON_HAVE_LIBEV
#define TENON_HAVE_LIBEV 0
#endif
#if TENON_HAVE_LIBEV && __has_include(<ev.h>)
#include <ev.h>
#define WITH_LIBEV 1
#endif

enum { LIMIT_MS = 2000, MESSAGES = 200, TICKS = 10, TEXT = 100000 };

static harness_guard guard;

/* What runs in the reactor; `left` counts its parts that are not through. */
typedef struct session {
    tenon_reactor *reactor;
    tenon_listener *listener;
    tenon_transport *client;
    tenon_timer timer;
    tenon_post_node post;
    pthread_t poster;
    int left;
    int ticks;
    int posts;
    int messages;
    size_t echoed;
    int64_t tick_ns;
} session;

static char text[TEXT];

/* ---- the session ---- */

static tenon_status echo_data(void *self, tenon_transport *transport,
                              const void *data, size_t len)
{
    (void)self;
    return tenon_transport_write(transport, data, len);
}

static const tenon_protocol_ops echo = {.size = sizeof echo,
                                        .data_received = echo_data};

static tenon_status send_next(session *s)
{
    size_t len = (size_t)(s->messages % 7 == 0 ? TEXT : 10);
    s->echoed = len;
    return tenon_transport_write(s->client, text, len);
}

static tenon_status client_made(void *self, tenon_transport *transport)
{
    session *s = self;
    s->client = transport;
    return send_next(s);
}

static tenon_status client_data(void *self, tenon_transport *transport,
                                const void *data, size_t len)
{
    session *s = self;
    (void)data;
    ck_assert_uint_le(len, s->echoed);
    s->echoed -= len;
    if (s->echoed > 0) {
        return TENON_OK;
    }
    if (++s->messages == MESSAGES) {
        return tenon_transport_close(transport);
    }
    return send_next(s);
}

static tenon_status client_lost(void *self, tenon_transport *transport,
                                const tenon_error *error)
{
    session *s = self;
    (void)transport;
    ck_assert_ptr_null(error);
    s->left--;
    return tenon_listener_close(s->listener);
}

static const tenon_protocol_ops client = {.size = sizeof client,
                                          .connection_made = client_made,
                                          .data_received = client_data,
                                          .connection_lost = client_lost};

static void on_timer(tenon_timer *timer, void *user)
{
    session *s = user;
    ck_assert_int_ge(tenon_now(s->reactor), s->tick_ns);
    if (++s->ticks == TICKS) {
        s->left--;
        return;
    }
    s->tick_ns = tenon_now(s->reactor) + 3 * TENON_MILLISECOND;
    ck_assert_int_eq(
        tenon_timer_start(timer, 3 * TENON_MILLISECOND, on_timer, s), 0);
}

static void on_post(tenon_post_node *post, tenon_status status, void *user)
{
    session *s = user;
    (void)post;
    ck_assert_int_eq(status, TENON_OK);
    s->posts++;
    s->left--;
}

static void *post_later(void *user)
{
    session *s = user;
    ck_assert_int_eq(poll(NULL, 0, 10), 0);
    ck_assert_int_eq(
        tenon_post(tenon_reactor_inbox(s->reactor), &s->post, on_post, s), 0);
    return NULL;
}

static tenon_status build_client(void *user, tenon_transport *transport,
                                 tenon_protocol *out)
{
    (void)transport;
    *out = (tenon_protocol){&client, user};
    return TENON_OK;
}

static void begin(session *s)
{
    char to[TENON_ADDRESS_TEXT_LEN];
    tenon_address address;
    tenon_reactor_options options = {.size = sizeof options,
                                     .allocator = &guard.heap.allocator,
                                     .slow_callback_ns = -1};
    ck_assert_int_eq(tenon_foreign_new(&s->reactor, &options), 0);
    ck_assert_int_eq(tenon_listen(s->reactor, &s->listener, "tcp:127.0.0.1:0",
                                  tenon_factory_of(&echo), NULL),
                     0);
    ck_assert_int_eq(tenon_listener_address(s->listener, &address), 0);
    tenon_address_format(&address, to, sizeof to);
    ck_assert_int_eq(tenon_connector_start(s->reactor, NULL, to,
                                           tenon_factory_with(build_client, s),
                                           NULL),
                     0);
    tenon_timer_init(&s->timer, s->reactor);
    ck_assert_int_eq(tenon_timer_start(&s->timer, 0, on_timer, s), 0);
    tenon_post_init(&s->post);
    ck_assert_int_eq(tenon_reactor_hold(s->reactor), 0);
    ck_assert_int_eq(pthread_create(&s->poster, NULL, post_later, s), 0);
    s->left = 3;
}

static void end(session *s)
{
    ck_assert_int_eq(pthread_join(s->poster, NULL), 0);
    ck_assert_int_eq(s->ticks, TICKS);
    ck_assert_int_eq(s->messages, MESSAGES);
    ck_assert_int_eq(s->posts, 1);
    ck_assert_int_eq(tenon_reactor_release(s->reactor), 0);
    tenon_listener_unref(s->listener);
    ck_assert_int_eq(tenon_reactor_close(s->reactor), 0);
    ck_assert_int_eq(tenon_foreign_fd(s->reactor), -1);
    tenon_reactor_unref(s->reactor);
}

/* ---- the loops ---- */

START_TEST(a_poll_loop)
{
    session s = {.left = 0};
    begin(&s);
    struct pollfd entry = {tenon_foreign_fd(s.reactor), POLLIN, 0};
    while (s.left > 0) {
        ck_assert_int_eq(poll(&entry, 1, LIMIT_MS), 1);
        ck_assert_int_eq(tenon_turn(s.reactor, NULL), TENON_OK);
    }
    end(&s);
}
END_TEST

/* With budgets of one callback: `more` after nearly every entry. */
static void drive_by_edges(uint32_t budget_calls)
{
    session s = {.left = 0};
    tenon_turn_result result;
    begin(&s);
    ck_assert_int_eq(tenon_reactor_set_budget(s.reactor, 0, budget_calls), 0);
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN | EPOLLET};
    int fd = tenon_foreign_fd(s.reactor);
    ck_assert_int_eq(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event), 0);
    while (s.left > 0) {
        ck_assert_int_eq(epoll_wait(epoll, &event, 1, LIMIT_MS), 1);
        do {
            ck_assert_int_eq(tenon_turn(s.reactor, &result), TENON_OK);
        } while (result.more);
    }
    ck_assert_int_eq(epoll_ctl(epoll, EPOLL_CTL_DEL, fd, NULL), 0);
    close(epoll);
    end(&s);
}

START_TEST(an_epoll_loop_told_of_edges)
{
    drive_by_edges(0);
}
END_TEST

START_TEST(edges_and_a_small_budget)
{
    drive_by_edges(1);
}
END_TEST

#ifdef WITH_LIBEV
typedef struct ev_session {
    session s;
    ev_io io;
    ev_timer limit;
} ev_session;

static void on_readable(struct ev_loop *loop, ev_io *io, int events)
{
    ev_session *e = io->data;
    (void)events;
    ck_assert_int_eq(tenon_turn(e->s.reactor, NULL), TENON_OK);
    ev_timer_again(loop, &e->limit);
    if (e->s.left == 0) {
        ev_break(loop, EVBREAK_ALL);
    }
}

static void on_limit(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)timer;
    (void)events;
    ck_abort_msg("a wake-up was lost");
}

START_TEST(libev)
{
    static ev_session e;
    begin(&e.s);
    struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
    ck_assert_ptr_nonnull(loop);
    ev_io_init(&e.io, on_readable, tenon_foreign_fd(e.s.reactor), EV_READ);
    e.io.data = &e;
    ev_timer_init(&e.limit, on_limit, 0., LIMIT_MS / 1000.);
    ev_io_start(loop, &e.io);
    ev_timer_again(loop, &e.limit);
    ev_run(loop, 0);
    ev_io_stop(loop, &e.io);
    ev_timer_stop(loop, &e.limit);
    ev_loop_destroy(loop);
    end(&e.s);
}
END_TEST
#endif

static void setup(void)
{
    memset(text, 't', sizeof text);
    harness_guard_begin(&guard);
}

static void teardown(void)
{
    harness_guard_end(&guard);
}

int main(void)
{
    Suite *suite = suite_create("foreign");
    TCase *tcase = tcase_create("foreign");
    tcase_set_timeout(tcase, 30);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_poll_loop);
    tcase_add_test(tcase, an_epoll_loop_told_of_edges);
    tcase_add_test(tcase, edges_and_a_small_budget);
#ifdef WITH_LIBEV
    tcase_add_test(tcase, libev);
#endif
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed > 0;
}
