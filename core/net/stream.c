/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The body of a stream socket, TCP or UNIX: one descriptor, which is its
 * watch's. It is registered with the poller only while something is wanted of
 * it, so that a paused connection costs no wake-up.
 */

#include "net/stream.h"

#include <fcntl.h>
#include <netinet/tcp.h>
#include <tenon/stream.h>
#include <unistd.h>

#include "net/address.h"

/* As many parts as one call of the kernel takes. */
enum { PARTS_MAX = 1024 };

typedef struct stream {
    tenon_transport base;
    tenon_watch watch;
} stream;

static stream *stream_of(tenon_transport *t)
{
    return (stream *)(void *)t;
}

static int fd_of(const tenon_transport *t)
{
    return ((const stream *)(const void *)t)->watch.fd;
}

static void set_int(int fd, int level, int option, int value)
{
    (void)setsockopt(fd, level, option, &value, sizeof value);
}

static int get_int(int fd, int level, int option)
{
    int value = -1;
    socklen_t len = sizeof value;
    return getsockopt(fd, level, option, &value, &len) < 0 ? -errno : value;
}

/* ---- the body ---- */

/* send(2) for one part costs the kernel less than sendmsg(2). */
static ssize_t send_once(int fd, const struct iovec *parts, size_t count)
{
    if (count == 1) {
        return send(fd, parts->iov_base, parts->iov_len, MSG_NOSIGNAL);
    }
    struct msghdr message = {.msg_iov = (struct iovec *)parts,
                             .msg_iovlen =
                                 count < PARTS_MAX ? count : PARTS_MAX};
    return sendmsg(fd, &message, MSG_NOSIGNAL);
}

static ssize_t send_parts(tenon_transport *t, const struct iovec *parts,
                          size_t count)
{
    ssize_t sent;
    do {
        sent = send_once(fd_of(t), parts, count);
    } while (sent < 0 && errno == EINTR);
    return sent < 0 ? -errno : sent;
}

static ssize_t receive(tenon_transport *t, void *buffer, size_t len)
{
    ssize_t got;
    do {
        got = recv(fd_of(t), buffer, len, 0);
    } while (got < 0 && errno == EINTR);
    return got < 0 ? -errno : got;
}

static void shutdown_write(tenon_transport *t)
{
    (void)shutdown(fd_of(t), SHUT_WR);
}

static void on_ready(tenon_watch *watch, uint32_t events, void *user)
{
    tenon_transport *t = user;
    if (events & TENON_STALE_WATCH) {
        /* Somebody closed it behind our back; the number is not ours now. */
        watch->fd = -1;
        tenon__transport_lose_status(t, TENON_STALE, "descriptor closed");
        return;
    }
    /* A hang-up is told by the system call, in whichever direction. */
    uint32_t both = TENON_READ | TENON_WRITE;
    tenon__transport_on_event(t, events & TENON_HANGUP ? both : events);
}

static tenon_status set_interest(tenon_transport *t, uint32_t interest)
{
    return tenon__watch_start_owned(&stream_of(t)->watch, interest, on_ready,
                                    t);
}

static void release(tenon_transport *t, bool reset)
{
    stream *s = stream_of(t);
    int fd = s->watch.fd;
    if (fd < 0) {
        return;
    }
    if (reset) {
        /* Of no effect on a UNIX socket. */
        struct linger linger = {.l_onoff = 1, .l_linger = 0};
        (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    }
    tenon__fd_close(t->reactor, &s->watch, fd);
    s->watch.fd = -1;
}

static tenon_status get_address(const tenon_transport *t, bool peer,
                                tenon_address *out)
{
    return tenon__address_of_fd(out, fd_of(t), peer);
}

static tenon_status failure(const tenon_transport *t)
{
    int error = get_int(fd_of(t), SOL_SOCKET, SO_ERROR);
    return error > 0 ? -error : error;
}

static const tenon__transport_ops stream_ops = {
    .len = sizeof(stream),
    .send = send_parts,
    .receive = receive,
    .shutdown_write = shutdown_write,
    .set_interest = set_interest,
    .release = release,
    .address = get_address,
    .failure = failure,
    .kind = "stream",
};

/* ---- making one ---- */

int tenon__stream_socket(const tenon_address *address)
{
    int fd = socket(address->as.any.sa_family,
                    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    return fd < 0 ? -errno : fd;
}

tenon_transport *tenon__stream_new(tenon_reactor *reactor, int fd,
                                   tenon_factory factory)
{
    tenon_transport *t = tenon__transport_new(reactor, &stream_ops, factory);
    if (!t) {
        return NULL;
    }
    tenon_watch_init(&stream_of(t)->watch, reactor, fd);
    (void)tenon_watch_set_daemon(&stream_of(t)->watch, true);
    /* Answers EOPNOTSUPP on a UNIX socket, which is cheaper than asking. */
    set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    return t;
}

static bool is_connected_stream(int fd)
{
    tenon_address peer;
    if (get_int(fd, SOL_SOCKET, SO_TYPE) != SOCK_STREAM ||
        get_int(fd, SOL_SOCKET, SO_ACCEPTCONN) != 0) {
        return false;
    }
    return tenon__address_of_fd(&peer, fd, true) == TENON_OK;
}

static bool is_owned(const tenon_reactor *reactor, int fd)
{
    return (uint32_t)fd < reactor->poller.slot_count &&
           reactor->poller.slots[fd].owned;
}

static tenon_status set_flags(int fd)
{
    int status_flags = fcntl(fd, F_GETFL);
    int fd_flags = fcntl(fd, F_GETFD);
    if (status_flags < 0 || fd_flags < 0 ||
        fcntl(fd, F_SETFL, status_flags | O_NONBLOCK) < 0 ||
        fcntl(fd, F_SETFD, fd_flags | FD_CLOEXEC) < 0) {
        return -errno;
    }
    return TENON_OK;
}

tenon_status tenon_transport_adopt(tenon_reactor *reactor,
                                   tenon_transport **out, int fd,
                                   tenon_factory factory)
{
    tenon_status status = tenon__check(reactor);
    if (status < 0) {
        return status;
    }
    if (!out || fd < 0 || !is_connected_stream(fd)) {
        return TENON_INVALID;
    }
    if (is_owned(reactor, fd)) {
        return TENON_OWNED;
    }
    status = set_flags(fd);
    if (status < 0) {
        return status;
    }
    tenon_transport *t = tenon__stream_new(reactor, fd, factory);
    if (!t) {
        return TENON_NO_MEMORY;
    }
    tenon__transport_begin(t);
    *out = t;
    return TENON_OK;
}
