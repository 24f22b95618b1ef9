/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/* libuv as its users write it: uv_tcp_t streams, one read buffer for the
 * loop, uv_try_write first and uv_write with a copy for the rest. */
#include "bench.h"

#if BENCH_HAVE_LIBUV
#include <stdlib.h>
#include <string.h>
#include <uv.h>

typedef struct rest {
    uv_write_t req;
    char bytes[];
} rest;

static char buffer[65536];

static void on_closed(uv_handle_t *handle)
{
    free(handle);
}

static void on_written(uv_write_t *req, int status)
{
    (void)status;
    free(req->data);
}

static void on_alloc(uv_handle_t *handle, size_t hint, uv_buf_t *out)
{
    (void)handle;
    (void)hint;
    *out = uv_buf_init(buffer, sizeof buffer);
}

static int write_rest(uv_stream_t *stream, const char *bytes, size_t len)
{
    rest *r = malloc(sizeof *r + len);
    if (r == NULL) {
        return UV_ENOMEM;
    }
    memcpy(r->bytes, bytes, len);
    r->req.data = r;
    uv_buf_t buf = uv_buf_init(r->bytes, (unsigned)len);
    int status = uv_write(&r->req, stream, &buf, 1, on_written);
    if (status < 0) {
        free(r);
    }
    return status;
}

static int echo(uv_stream_t *stream, const char *bytes, size_t len)
{
    uv_buf_t buf = uv_buf_init(buffer, (unsigned)len);
    int n = uv_try_write(stream, &buf, 1);
    if (n < 0 && n != UV_EAGAIN) {
        return n;
    }
    size_t sent = n < 0 ? 0 : (size_t)n;
    return sent == len ? 0 : write_rest(stream, bytes + sent, len - sent);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    if (n == 0) {
        return;
    }
    if (n < 0 || echo(stream, buf->base, (size_t)n) < 0) {
        uv_close((uv_handle_t *)stream, on_closed);
    }
}

static void on_connection(uv_stream_t *listener, int status)
{
    uv_tcp_t *tcp = status < 0 ? NULL : malloc(sizeof *tcp);
    if (tcp == NULL || uv_tcp_init(listener->loop, tcp) != 0) {
        free(tcp);
        return;
    }
    uv_stream_t *stream = (uv_stream_t *)tcp;
    if (uv_accept(listener, stream) != 0 || uv_tcp_nodelay(tcp, 1) != 0 ||
        uv_read_start(stream, on_alloc, on_read) != 0) {
        uv_close((uv_handle_t *)tcp, on_closed);
    }
}

static int run(int listen_fd, const bench_options *options)
{
    uv_tcp_t listener;
    uv_loop_t *loop = uv_default_loop();
    (void)options;
    if (uv_tcp_init(loop, &listener) != 0 ||
        uv_tcp_open(&listener, listen_fd) != 0 ||
        uv_listen((uv_stream_t *)&listener, 4096, on_connection) != 0) {
        return 1;
    }
    return uv_run(loop, UV_RUN_DEFAULT);
}

const bench_server bench_srv_libuv = {"uv_tcp_t", "libuv", "native", run};
#endif
