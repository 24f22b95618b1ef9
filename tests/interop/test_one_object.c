/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * One protocol, one object file, every host of this build: two hosts at a
 * time serve TCP clients from two threads of one process. The protocol names
 * no host. Clients are plain blocking sockets.
 *
 * ctest: labels=threads timeout=120
 */

#include <poll.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include <tenon/foreign.h>
#include <tenon/tenon.h>

#if __has_include(<tenon/libuv.h>)
#include <tenon/libuv.h>
#define WITH_LIBUV 1
#endif
#if __has_include(<tenon/libevent.h>)
#include <tenon/libevent.h>
#define WITH_LIBEVENT 1
#endif
#if __has_include(<tenon/glib.h>)
#include <tenon/glib.h>
#define WITH_GLIB 1
#endif

#include "harness_check.h"

enum { CLIENTS = 8, MESSAGES = 25, LONGEST = 4000 };

static harness_guard guard;

/* ---- the protocol ---- */

static tenon_status echo_data(void *self, tenon_transport *transport,
                              const void *data, size_t len)
{
    (void)self;
    return tenon_transport_write(transport, data, len);
}

static const tenon_protocol_ops echo = {.size = sizeof echo,
                                        .data_received = echo_data};

/* ---- a server in a thread ---- */

typedef struct server {
    void (*serve)(struct server *server);
    const char *name;
    tenon_reactor *reactor;
    tenon_listener *listener;
    tenon_inbox *inbox;
    tenon_post_node end;
    tenon_address address;
    pthread_t thread;
    pthread_barrier_t *ready;
    bool ended;
    void (*quit)(void *loop); /* for a loop that does not end by itself */
    void *loop;
} server;

static tenon_reactor_options options(void)
{
    return (tenon_reactor_options){.size = sizeof(tenon_reactor_options),
                                   .allocator = &guard.heap.allocator,
                                   .slow_callback_ns = -1};
}

static void on_end(tenon_post_node *post, tenon_status status, void *user)
{
    server *s = user;
    (void)post;
    ck_assert_int_eq(status, TENON_OK);
    ck_assert_str_eq(tenon_reactor_host(s->reactor), s->name);
    ck_assert_uint_eq(tenon_listener_accepted(s->listener), CLIENTS);
    ck_assert_int_eq(tenon_listener_close(s->listener), TENON_OK);
    s->ended = true;
    if (s->quit) {
        s->quit(s->loop);
    }
}

static void begin(server *s)
{
    tenon_post_init(&s->end);
    s->inbox = tenon_inbox_ref(tenon_reactor_inbox(s->reactor));
    ck_assert_int_eq(tenon_listen(s->reactor, &s->listener, "tcp:127.0.0.1:0",
                                  tenon_factory_of(&echo), NULL),
                     TENON_OK);
    ck_assert_int_eq(tenon_listener_address(s->listener, &s->address), 0);
    pthread_barrier_wait(s->ready);
}

static void finish(server *s)
{
    ck_assert(s->ended);
    tenon_listener_unref(s->listener);
    tenon_reactor_unref(s->reactor);
}

static void serve_native(server *s)
{
    tenon_reactor_options o = options();
    ck_assert_int_eq(tenon_reactor_new(&s->reactor, &o), TENON_OK);
    begin(s);
    ck_assert_int_eq(tenon_run(s->reactor), TENON_OK);
    finish(s);
}

static void serve_foreign(server *s)
{
    tenon_reactor_options o = options();
    ck_assert_int_eq(tenon_foreign_new(&s->reactor, &o), TENON_OK);
    begin(s);
    struct pollfd entry = {tenon_foreign_fd(s->reactor), POLLIN, 0};
    while (tenon_reactor_alive(s->reactor)) {
        ck_assert_int_eq(poll(&entry, 1, 5000), 1);
        ck_assert_int_eq(tenon_turn(s->reactor, NULL), TENON_OK);
    }
    finish(s);
}

#ifdef WITH_LIBUV
static void serve_libuv(server *s)
{
    uv_loop_t loop;
    tenon_reactor_options o = options();
    ck_assert_int_eq(uv_loop_init(&loop), 0);
    ck_assert_int_eq(tenon_libuv_attach(&loop, &s->reactor, &o), TENON_OK);
    begin(s);
    uv_run(&loop, UV_RUN_DEFAULT);
    finish(s);
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(uv_loop_close(&loop), 0);
}
#endif

#ifdef WITH_LIBEVENT
static void serve_libevent(server *s)
{
    tenon_reactor_options o = options();
    struct event_base *base = event_base_new();
    ck_assert_int_eq(tenon_libevent_attach(base, &s->reactor, &o), TENON_OK);
    begin(s);
    event_base_dispatch(base);
    finish(s);
    event_base_free(base);
}
#endif

#ifdef WITH_GLIB
static void quit_glib(void *loop)
{
    g_main_loop_quit(loop);
}

static void serve_glib(server *s)
{
    tenon_reactor_options o = options();
    tenon_glib_options mine = {.size = sizeof mine, .reactor = &o};
    GMainContext *context = g_main_context_new();
    s->loop = g_main_loop_new(context, FALSE);
    s->quit = quit_glib;
    ck_assert_int_eq(tenon_glib_attach(context, &s->reactor, &mine), TENON_OK);
    begin(s);
    g_main_loop_run(s->loop);
    finish(s);
    g_main_loop_unref(s->loop);
    g_main_context_unref(context);
}
#endif

static const server hosts[] = {
    {.serve = serve_native, .name = "native"},
    {.serve = serve_foreign, .name = "foreign"},
#ifdef WITH_LIBUV
    {.serve = serve_libuv, .name = "libuv"},
#endif
#ifdef WITH_LIBEVENT
    {.serve = serve_libevent, .name = "libevent"},
#endif
#ifdef WITH_GLIB
    {.serve = serve_glib, .name = "glib"},
#endif
};
enum { HOSTS = sizeof hosts / sizeof hosts[0] };

static void *serve(void *user)
{
    server *s = user;
    s->serve(s);
    return NULL;
}

/* ---- the clients ---- */

static void exchange(int fd, char fill, size_t len)
{
    char sent[LONGEST];
    char got[LONGEST];
    memset(sent, fill, len);
    ck_assert_int_eq(write(fd, sent, len), (ssize_t)len);
    for (size_t at = 0; at < len;) {
        ssize_t n = read(fd, got + at, len - at);
        ck_assert_int_gt(n, 0);
        at += (size_t)n;
    }
    ck_assert_mem_eq(sent, got, len);
}

static void visit(const server *servers)
{
    int fds[2][CLIENTS];
    for (int i = 0; i < 2 * CLIENTS; i++) {
        const tenon_address *to = &servers[i % 2].address;
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(connect(fd, &to->as.any, to->len), 0);
        fds[i % 2][i / 2] = fd;
    }
    for (int i = 0; i < 2 * CLIENTS * MESSAGES; i++) {
        size_t len = (size_t)(i * 37 % LONGEST) + 1;
        exchange(fds[i % 2][i / 2 % CLIENTS], (char)('a' + i % 26), len);
    }
    for (int i = 0; i < 2 * CLIENTS; i++) {
        close(fds[i % 2][i / 2]);
    }
}

static void serve_on_two(const server *first, const server *second)
{
    server servers[2] = {*first, *second};
    pthread_barrier_t ready;
    ck_assert_int_eq(pthread_barrier_init(&ready, NULL, 3), 0);
    for (int i = 0; i < 2; i++) {
        servers[i].ready = &ready;
        ck_assert_int_eq(
            pthread_create(&servers[i].thread, NULL, serve, &servers[i]), 0);
    }
    pthread_barrier_wait(&ready);
    visit(servers);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(
            tenon_post(servers[i].inbox, &servers[i].end, on_end, &servers[i]),
            TENON_OK);
        ck_assert_int_eq(pthread_join(servers[i].thread, NULL), 0);
        tenon_inbox_unref(servers[i].inbox);
    }
    pthread_barrier_destroy(&ready);
}

START_TEST(two_hosts_at_a_time)
{
    const server *first = &hosts[_i / HOSTS];
    const server *second = &hosts[_i % HOSTS];
    serve_on_two(first, second);
}
END_TEST

static void setup(void)
{
#ifdef WITH_LIBUV
    uv_loop_t warm; /* opens what libuv never closes */
    ck_assert_int_eq(uv_loop_init(&warm), 0);
    ck_assert_int_eq(uv_loop_close(&warm), 0);
#endif
    harness_guard_begin(&guard);
}

static void teardown(void)
{
    harness_guard_end(&guard);
}

int main(void)
{
    Suite *suite = suite_create("one object");
    TCase *tcase = tcase_create("one object");
    tcase_set_timeout(tcase, 30);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_loop_test(tcase, two_hosts_at_a_time, 0, HOSTS * HOSTS);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed > 0;
}
