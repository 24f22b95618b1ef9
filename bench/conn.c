/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/* The echo of every server that watches descriptors itself: the bare epoll
 * loop, uv_poll, struct event, GSource. They differ in how they wait, and in
 * nothing else. One receive and one send per readiness, into one buffer for
 * the process; what the kernel does not take is copied aside, and reading
 * rests until it has left. */
#define _GNU_SOURCE 1
#include "bench.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>

static char buffer[65536];

int bench_conn_accept(int listen_fd)
{
    int on = 1;
    int fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
    return fd;
}

static int keep(bench_conn *self, size_t from, size_t len)
{
    self->rest = malloc(len);
    if (self->rest == NULL) {
        return -1;
    }
    memcpy(self->rest, buffer + from, len);
    self->off = 0;
    self->len = len;
    return BENCH_WRITE;
}

static int flush(bench_conn *self)
{
    ssize_t n = send(self->fd, self->rest + self->off, self->len, MSG_NOSIGNAL);
    if (n < 0) {
        return errno == EAGAIN ? BENCH_WRITE : -1;
    }
    self->off += (size_t)n;
    self->len -= (size_t)n;
    if (self->len > 0) {
        return BENCH_WRITE;
    }
    free(self->rest);
    self->rest = NULL;
    return BENCH_READ;
}

int bench_conn_serve(bench_conn *self)
{
    if (self->rest != NULL) {
        return flush(self);
    }
    ssize_t got = recv(self->fd, buffer, sizeof buffer, 0);
    if (got <= 0) {
        return got < 0 && errno == EAGAIN ? BENCH_READ : -1;
    }
    ssize_t put = send(self->fd, buffer, (size_t)got, MSG_NOSIGNAL);
    if (put < 0 && errno != EAGAIN) {
        return -1;
    }
    size_t sent = put < 0 ? 0 : (size_t)put;
    return sent == (size_t)got ? BENCH_READ
                               : keep(self, sent, (size_t)got - sent);
}

void bench_conn_fini(bench_conn *self)
{
    free(self->rest);
    (void)close(self->fd);
}
