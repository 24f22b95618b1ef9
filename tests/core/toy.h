/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * A stranger's stream for tenon_transport_adopt_native: a socket that its
 * owner polls for one readiness at a time, and only after it refused.
 */

#ifndef TENON_TESTS_CORE_TOY_H
#define TENON_TESTS_CORE_TOY_H

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <tenon/sys/native.h>
#include <unistd.h>

#define TOYS "toys"

typedef struct toy {
    int fd;
    tenon_transport *t;
    tenon_watch readable;
    tenon_watch writable;
} toy;

static int toys; /* not released yet */

static inline void on_toy(tenon_watch *watch, uint32_t events, void *user)
{
    toy *one = user;
    (void)events;
    (void)!tenon_transport_native_ready(
        one->t, watch == &one->readable ? TENON_READ : TENON_WRITE);
}

static inline ssize_t toy_refuse(toy *one, tenon_watch *watch, uint32_t event)
{
    tenon_status status =
        tenon_watch_start(watch, event | TENON_ONESHOT, on_toy, one);
    return status < 0 ? status : -EAGAIN;
}

static inline ssize_t toy_send(void *native, const struct iovec *parts,
                               size_t count)
{
    toy *one = native;
    struct msghdr message = {.msg_iov = (struct iovec *)parts,
                             .msg_iovlen = count};
    ssize_t sent = sendmsg(one->fd, &message, MSG_NOSIGNAL);
    if (sent < 0 && errno == EAGAIN) {
        return toy_refuse(one, &one->writable, TENON_WRITE);
    }
    return sent < 0 ? -errno : sent;
}

static inline ssize_t toy_receive(void *native, void *buffer, size_t len)
{
    toy *one = native;
    ssize_t got = recv(one->fd, buffer, len, 0);
    if (got < 0 && errno == EAGAIN) {
        return toy_refuse(one, &one->readable, TENON_READ);
    }
    return got < 0 ? -errno : got;
}

static inline void toy_release(void *native, bool reset)
{
    toy *one = native;
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    tenon_watch_stop(&one->readable);
    tenon_watch_stop(&one->writable);
    if (reset) {
        setsockopt(one->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    }
    close(one->fd);
    free(one);
    toys--;
}

static inline void toy_shutdown(void *native)
{
    shutdown(((toy *)native)->fd, SHUT_WR);
}

static inline tenon_status toy_address(const void *native, bool peer,
                                       tenon_address *out)
{
    (void)peer;
    ck_assert_int_ge(((const toy *)native)->fd, 0);
    return tenon_address_parse(out, "unix:@toy");
}

static const tenon_native_ops toy_ops = {.size = sizeof toy_ops,
                                         .kind = "toy",
                                         .send = toy_send,
                                         .receive = toy_receive,
                                         .release = toy_release,
                                         .shutdown_write = toy_shutdown,
                                         .address = toy_address};

/* The file descriptor is the toy's, also where this fails. */
static inline tenon_status toy_new(tenon_reactor *r, int fd,
                                   const tenon_native_ops *ops,
                                   tenon_factory factory, tenon_transport **out)
{
    toy *one = calloc(1, sizeof *one);
    one->fd = fd;
    tenon_watch_init(&one->readable, r, fd);
    tenon_watch_init(&one->writable, r, fd);
    tenon_watch_set_daemon(&one->readable, true);
    tenon_watch_set_daemon(&one->writable, true);
    toys++;
    tenon_status status =
        tenon_transport_adopt_native(r, &one->t, ops, one, factory);
    if (status < 0) {
        toy_release(one, false);
    } else {
        *out = one->t;
    }
    return status;
}

static inline void join_toys(tenon_reactor *r, tenon_factory first,
                             tenon_factory second)
{
    int fds[2];
    tenon_transport *t;
    ck_assert_int_eq(
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds),
        0);
    ck_assert_int_eq(toy_new(r, fds[0], &toy_ops, first, &t), TENON_OK);
    ck_assert_int_eq(toy_new(r, fds[1], &toy_ops, second, &t), TENON_OK);
}

#endif
