/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/* libevent with one persistent struct event per descriptor, as a program
 * writes it that wants the loop and not the buffers. */
#include "bench.h"

#if BENCH_HAVE_LIBEVENT
#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdlib.h>

typedef struct conn {
    struct event ev;
    bench_conn io;
    int watched;
} conn;

static void on_ready(evutil_socket_t fd, short events, void *user);

static void watch(struct event_base *base, conn *c, int what)
{
    short events = what == BENCH_READ ? EV_READ : EV_WRITE;
    c->watched = what;
    (void)event_assign(&c->ev, base, c->io.fd, (short)(events | EV_PERSIST),
                       on_ready, c);
    (void)event_add(&c->ev, NULL);
}

static void on_ready(evutil_socket_t fd, short events, void *user)
{
    conn *c = user;
    int want = bench_conn_serve(&c->io);
    (void)fd;
    (void)events;
    if (want < 0) {
        (void)event_del(&c->ev);
        bench_conn_fini(&c->io);
        free(c);
    } else if (want != c->watched) {
        (void)event_del(&c->ev);
        watch(event_get_base(&c->ev), c, want);
    }
}

static void on_listener(evutil_socket_t listen_fd, short events, void *user)
{
    (void)events;
    for (int fd; (fd = bench_conn_accept(listen_fd)) >= 0;) {
        conn *c = calloc(1, sizeof *c);
        if (c == NULL) {
            abort();
        }
        c->io.fd = fd;
        watch(user, c, BENCH_READ);
    }
}

static int run(int listen_fd, const bench_options *options)
{
    struct event listener;
    struct event_base *base = event_base_new();
    (void)options;
    if (base == NULL ||
        event_assign(&listener, base, listen_fd, EV_READ | EV_PERSIST,
                     on_listener, base) != 0 ||
        event_add(&listener, NULL) != 0) {
        return 1;
    }
    return event_base_dispatch(base);
}

const bench_server bench_srv_event = {"struct event", "libevent", "native-fd",
                                      run};
#endif
