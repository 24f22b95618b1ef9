/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/* The limit: a bare, level-triggered epoll loop that does nothing but echo.
 * No timers, no wake-up, no dispatch. What a loop costs is the distance from
 * here. */
#include "bench.h"

#include <stdlib.h>
#include <sys/epoll.h>

enum { EVENTS = 64 };

typedef struct conn {
    bench_conn io;
    int watched;
} conn;

static int watch(int ep, int op, conn *c, int what)
{
    struct epoll_event ev = {.data.ptr = c};
    ev.events = what == BENCH_READ ? EPOLLIN : EPOLLOUT;
    c->watched = what;
    return epoll_ctl(ep, op, c->io.fd, &ev);
}

static void take(int ep, int listen_fd)
{
    for (int fd; (fd = bench_conn_accept(listen_fd)) >= 0;) {
        conn *c = calloc(1, sizeof *c);
        if (c == NULL) {
            abort();
        }
        c->io.fd = fd;
        (void)watch(ep, EPOLL_CTL_ADD, c, BENCH_READ);
    }
}

static void serve(int ep, conn *c)
{
    int want = bench_conn_serve(&c->io);
    if (want < 0) {
        bench_conn_fini(&c->io);
        free(c);
    } else if (want != c->watched) {
        (void)watch(ep, EPOLL_CTL_MOD, c, want);
    }
}

static int run(int listen_fd, const bench_options *options)
{
    struct epoll_event events[EVENTS] = {{.events = EPOLLIN}};
    int ep = epoll_create1(EPOLL_CLOEXEC);
    (void)options;
    if (ep < 0 || epoll_ctl(ep, EPOLL_CTL_ADD, listen_fd, events) != 0) {
        return 1;
    }
    for (;;) {
        int n = epoll_wait(ep, events, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr == NULL) {
                take(ep, listen_fd);
            } else {
                serve(ep, events[i].data.ptr);
            }
        }
    }
}

const bench_server bench_srv_epoll = {"bare epoll", "native", "raw", run};
