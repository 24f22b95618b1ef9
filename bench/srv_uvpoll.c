/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/* libuv with one uv_poll_t per descriptor: what a library that owns its
 * sockets does when it is driven by libuv. */
#include "bench.h"

#if BENCH_HAVE_LIBUV
#include <stdlib.h>
#include <uv.h>

typedef struct conn {
    uv_poll_t poll; /* first: closing frees through it */
    bench_conn io;
    int watched;
} conn;

static void on_closed(uv_handle_t *handle)
{
    conn *c = (conn *)handle;
    bench_conn_fini(&c->io);
    free(c);
}

static void on_ready(uv_poll_t *handle, int status, int events);

static void watch(conn *c, int what)
{
    c->watched = what;
    (void)uv_poll_start(
        &c->poll, what == BENCH_READ ? UV_READABLE : UV_WRITABLE, on_ready);
}

static void on_ready(uv_poll_t *handle, int status, int events)
{
    conn *c = (conn *)handle;
    int want = status < 0 ? -1 : bench_conn_serve(&c->io);
    (void)events;
    if (want < 0) {
        uv_close((uv_handle_t *)handle, on_closed);
    } else if (want != c->watched) {
        watch(c, want);
    }
}

static void on_listener(uv_poll_t *listener, int status, int events)
{
    int listen_fd = (int)(intptr_t)listener->data;
    (void)status;
    (void)events;
    for (int fd; (fd = bench_conn_accept(listen_fd)) >= 0;) {
        conn *c = calloc(1, sizeof *c);
        if (c == NULL || uv_poll_init(listener->loop, &c->poll, fd) != 0) {
            abort();
        }
        c->io.fd = fd;
        watch(c, BENCH_READ);
    }
}

static int run(int listen_fd, const bench_options *options)
{
    uv_poll_t listener = {.data = (void *)(intptr_t)listen_fd};
    uv_loop_t *loop = uv_default_loop();
    (void)options;
    if (uv_poll_init(loop, &listener, listen_fd) != 0 ||
        uv_poll_start(&listener, UV_READABLE, on_listener) != 0) {
        return 1;
    }
    return uv_run(loop, UV_RUN_DEFAULT);
}

const bench_server bench_srv_uvpoll = {"uv_poll_t", "libuv", "native-fd", run};
#endif
