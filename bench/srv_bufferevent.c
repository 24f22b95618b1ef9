/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/* libevent as its users write it: an evconnlistener, one bufferevent per
 * connection, input moved to output without a copy. The base is the plain
 * event_base_new one, which is what its book's echo server has. */
#include "bench.h"

#if BENCH_HAVE_LIBEVENT
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

static void on_read(struct bufferevent *bev, void *user)
{
    (void)user;
    (void)evbuffer_add_buffer(bufferevent_get_output(bev),
                              bufferevent_get_input(bev));
}

static void on_event(struct bufferevent *bev, short what, void *user)
{
    (void)user;
    if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)) {
        bufferevent_free(bev);
    }
}

static void on_connection(struct evconnlistener *listener, evutil_socket_t fd,
                          struct sockaddr *address, int len, void *user)
{
    int on = 1;
    struct event_base *base = evconnlistener_get_base(listener);
    (void)address;
    (void)len;
    (void)user;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct bufferevent *bev =
        bufferevent_socket_new(base, fd, BEV_OPT_CLOSE_ON_FREE);
    if (bev == NULL) {
        (void)evutil_closesocket(fd);
        return;
    }
    bufferevent_setcb(bev, on_read, NULL, on_event, NULL);
    (void)bufferevent_enable(bev, EV_READ | EV_WRITE);
}

static int run(int listen_fd, const bench_options *options)
{
    struct event_base *base = event_base_new();
    (void)options;
    if (base == NULL ||
        evconnlistener_new(base, on_connection, NULL, LEV_OPT_CLOSE_ON_EXEC, 0,
                           listen_fd) == NULL) {
        return 1;
    }
    return event_base_dispatch(base);
}

const bench_server bench_srv_bufferevent = {"bufferevent", "libevent", "native",
                                            run};
#endif
