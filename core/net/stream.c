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
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/sendfile.h>
#include <tenon/stream.h>
#include <time.h>
#include <unistd.h>

#include "net/address.h"

/* As many parts as one call of the kernel takes. */
enum { PARTS_MAX = 1024, SCRAP_LEN = 2048, DISCARDS_MAX = 512 };

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

static bool set_int(int fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, &value, sizeof value) == 0;
}

static int get_int(int fd, int level, int option)
{
    int value = -1;
    socklen_t len = sizeof value;
    return getsockopt(fd, level, option, &value, &len) < 0 ? -errno : value;
}

/* ---- the body ---- */

__attribute__((noinline)) static ssize_t send_many(int fd,
                                                   const struct iovec *parts,
                                                   size_t count)
{
    struct msghdr message = {.msg_iov = (struct iovec *)parts,
                             .msg_iovlen =
                                 count < PARTS_MAX ? count : PARTS_MAX};
    return sendmsg(fd, &message, MSG_NOSIGNAL);
}

/* send(2) for one part costs the kernel less than sendmsg(2). */
static ssize_t send_once(int fd, const struct iovec *parts, size_t count)
{
    if (TENON__LIKELY(count == 1)) {
        return send(fd, parts->iov_base, parts->iov_len, MSG_NOSIGNAL);
    }
    return send_many(fd, parts, count);
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

/* Kernels send SIGPIPE for a sendfile that finds the peer gone, whatever we
 * ask for; nobody but us is to see it. */
static ssize_t send_file_quietly(int socket, int fd, off_t offset, size_t len)
{
    static const struct timespec now = {0, 0};
    sigset_t only_pipe;
    sigset_t before;
    sigset_t pending;
    sigemptyset(&only_pipe);
    sigaddset(&only_pipe, SIGPIPE);
    sigemptyset(&pending);
    pthread_sigmask(SIG_BLOCK, &only_pipe, &before);
    bool was_blocked = sigismember(&before, SIGPIPE) == 1;
    if (was_blocked) {
        sigpending(&pending);
    }
    ssize_t sent = sendfile(socket, fd, &offset, len);
    int error = errno;
    if (sent < 0 && error == EPIPE && sigismember(&pending, SIGPIPE) != 1) {
        (void)sigtimedwait(&only_pipe, NULL, &now);
    }
    if (!was_blocked) {
        pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    errno = error;
    return sent;
}

static ssize_t send_file(tenon_transport *t, int fd, off_t offset, size_t len)
{
    ssize_t sent;
    do {
        sent = send_file_quietly(fd_of(t), fd, offset, len);
    } while (sent < 0 && errno == EINTR);
    /* The end of a file that got shorter is for the reading of it to find. */
    return sent < 0 ? -errno : sent == 0 ? -EINVAL : sent;
}

/* ---- descriptors, on UNIX sockets ---- */

typedef union control {
    struct cmsghdr head;
    char bytes[CMSG_SPACE(TENON_FDS_MAX * sizeof(int))];
} control;

static ssize_t send_fds(tenon_transport *t, const struct iovec *parts,
                        size_t count, const int *fds, size_t fd_count)
{
    control ancillary = {0};
    struct msghdr message = {.msg_iov = (struct iovec *)parts,
                             .msg_iovlen = count,
                             .msg_control = ancillary.bytes,
                             .msg_controllen =
                                 CMSG_SPACE(fd_count * sizeof(int))};
    ancillary.head.cmsg_level = SOL_SOCKET;
    ancillary.head.cmsg_type = SCM_RIGHTS;
    ancillary.head.cmsg_len = CMSG_LEN(fd_count * sizeof(int));
    memcpy(CMSG_DATA(&ancillary.head), fds, fd_count * sizeof(int));
    ssize_t sent;
    do {
        sent = sendmsg(fd_of(t), &message, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    return sent < 0 ? -errno : sent;
}

/* Keeps those there is room for, closes the rest. */
static void keep_fds(tenon_transport *t, const int *fds, size_t count)
{
    tenon__extra *extra = tenon__transport_extra(t); /* is there already */
    for (size_t i = 0; i < count; i++) {
        if (extra->arrived < TENON_FDS_MAX) {
            extra->fds[extra->arrived++] = fds[i];
        } else {
            tenon__fd_close(t->reactor, NULL, fds[i]);
        }
    }
}

static void take_fds(tenon_transport *t, struct msghdr *message)
{
    struct cmsghdr *head = CMSG_FIRSTHDR(message);
    for (; head; head = CMSG_NXTHDR(message, head)) {
        int fds[TENON_FDS_MAX];
        bool is_fds =
            head->cmsg_level == SOL_SOCKET && head->cmsg_type == SCM_RIGHTS;
        size_t len = is_fds ? head->cmsg_len - CMSG_LEN(0) : 0;
        memcpy(fds, CMSG_DATA(head), len);
        keep_fds(t, fds, len / sizeof(int));
    }
}

/* Without a control buffer the kernel closes what comes, and with one what
 * goes beyond it. */
static ssize_t receive_unix(tenon_transport *t, void *buffer, size_t len)
{
    if (!TENON__PROTOCOL_HAS(t, fd_received)) {
        return receive(t, buffer, len);
    }
    if (!tenon__transport_extra(t)) {
        return TENON_NO_MEMORY; /* rather than lose what would come */
    }
    control ancillary;
    struct iovec part = {buffer, len};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = ancillary.bytes,
                             .msg_controllen = sizeof ancillary.bytes};
    ssize_t got;
    do {
        got = recvmsg(fd_of(t), &message, MSG_CMSG_CLOEXEC);
    } while (got < 0 && errno == EINTR);
    if (got < 0) {
        return -errno;
    }
    take_fds(t, &message);
    return got;
}

/* ENOTCONN: the connection is gone, as the reading will find out. */
static tenon_status shutdown_write(tenon_transport *t)
{
    bool done = shutdown(fd_of(t), SHUT_WR) == 0 || errno == ENOTCONN;
    return done ? TENON_OK : -errno;
}

static void on_ready(tenon_watch *watch, uint32_t events, void *user)
{
    tenon_transport *t = user;
    if (TENON__RARELY(events & TENON_STALE_WATCH)) {
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

/* A socket that is closed over input resets the connection, which may destroy
 * our last bytes on their way. What is there now is thrown away instead. */
static void discard_input(const tenon_transport *t, int fd)
{
    char scrap[SCRAP_LEN];
    bool more = !t->eof_seen;
    for (int i = 0; i < DISCARDS_MAX && more; i++) {
        ssize_t got = recv(fd, scrap, sizeof scrap, MSG_DONTWAIT);
        more = got > 0 || (got < 0 && errno == EINTR);
    }
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
    } else {
        discard_input(t, fd);
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

static const tenon__transport_ops tcp_ops = {
    .len = sizeof(stream),
    .send = send_parts,
    .receive = receive,
    .shutdown_write = shutdown_write,
    .set_interest = set_interest,
    .release = release,
    .address = get_address,
    .failure = failure,
    .kind = "tcp",
    .fd = fd_of,
    .send_file = send_file,
};

static const tenon__transport_ops unix_ops = {
    .len = sizeof(stream),
    .send = send_parts,
    .receive = receive_unix,
    .shutdown_write = shutdown_write,
    .set_interest = set_interest,
    .release = release,
    .address = get_address,
    .failure = failure,
    .kind = "unix",
    .fd = fd_of,
    .send_fds = send_fds,
    .send_file = send_file,
};

/* ---- making one ---- */

int tenon__stream_socket(const tenon_address *address)
{
    int fd = socket(address->as.any.sa_family,
                    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    return fd < 0 ? -errno : fd;
}

/* Whether it is TCP. A UNIX socket answers EOPNOTSUPP, which is cheaper than
 * asking it; any other failure says nothing. */
static bool set_no_delay(int fd)
{
    return set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1) ||
           (errno != EOPNOTSUPP &&
            get_int(fd, SOL_SOCKET, SO_DOMAIN) != AF_UNIX);
}

tenon_transport *tenon__stream_new(tenon_reactor *reactor, int fd,
                                   tenon_factory factory)
{
    bool tcp = set_no_delay(fd);
    tenon_transport *t =
        tenon__transport_new(reactor, tcp ? &tcp_ops : &unix_ops, factory);
    if (!t) {
        return NULL;
    }
    if (tcp) {
        (void)set_int(fd, IPPROTO_TCP, TCP_USER_TIMEOUT,
                      (int)(TENON_USER_TIMEOUT_DEFAULT / TENON_MILLISECOND));
    }
    tenon_watch_init(&stream_of(t)->watch, reactor, fd);
    stream_of(t)->watch.flags = TENON__WATCH_BARE; /* it is part of `t` */
    (void)tenon_watch_set_daemon(&stream_of(t)->watch, true);
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
