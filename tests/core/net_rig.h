/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * What the tests of connections that the kernel fails share: calls that stand
 * before libc's and answer as they are told, and a connection whose far end is
 * the test's.
 */

#ifndef TENON_TESTS_CORE_NET_RIG_H
#define TENON_TESTS_CORE_NET_RIG_H

#include "side.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* ---- calls of the library's that fail ---- */

enum call {
    NONE,
    ACCEPT,
    CONNECT,
    RECV,
    RECVMSG,
    SENDFILE,
    SENDMSG,
    SETSOCKOPT,
    SOCKET
};

static struct {
    enum call call;
    int left;
    int error;
} fails;

/* Not static: libc's headers may make functions that use it inline. */
bool is_due(enum call call);
bool is_due(enum call call)
{
    if (fails.call != call || fails.left == 0) {
        return false;
    }
    fails.left--;
    errno = fails.error;
    return true;
}

static inline void fail_next(enum call call, int count, int error)
{
    fails.call = call;
    fails.left = count;
    fails.error = error;
}

int accept4(int fd, __SOCKADDR_ARG name, socklen_t *len, int flags)
{
    return is_due(ACCEPT)
               ? -1
               : (int)syscall(SYS_accept4, fd, name.__sockaddr__, len, flags);
}

int connect(int fd, __CONST_SOCKADDR_ARG name, socklen_t len)
{
    return is_due(CONNECT)
               ? -1
               : (int)syscall(SYS_connect, fd, name.__sockaddr__, len);
}

ssize_t recv(int fd, void *to, size_t len, int flags)
{
    return is_due(RECV) ? -1
                        : syscall(SYS_recvfrom, fd, to, len, flags, NULL, NULL);
}

ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
    return is_due(RECVMSG) ? -1 : syscall(SYS_recvmsg, fd, message, flags);
}

ssize_t sendfile(int to, int from, off_t *offset, size_t len)
{
    return is_due(SENDFILE) ? -1 : syscall(SYS_sendfile, to, from, offset, len);
}

int setsockopt(int fd, int level, int option, const void *value, socklen_t len)
{
    return is_due(SETSOCKOPT)
               ? -1
               : (int)syscall(SYS_setsockopt, fd, level, option, value, len);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    return is_due(SENDMSG) ? -1 : syscall(SYS_sendmsg, fd, message, flags);
}

int socket(int domain, int type, int protocol)
{
    return is_due(SOCKET) ? -1
                          : (int)syscall(SYS_socket, domain, type, protocol);
}

static int pending_error; /* of every socket */

int getsockopt(int fd, int level, int option, void *value, socklen_t *len)
{
    if (option == SO_ERROR && pending_error) {
        memcpy(value, &pending_error, sizeof pending_error);
        return 0;
    }
    return (int)syscall(SYS_getsockopt, fd, level, option, value, len);
}

static const char *unlinked_first; /* by somebody else */

int unlink(const char *path)
{
    if (unlinked_first && strcmp(path, unlinked_first) == 0) {
        (void)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
    }
    return (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
}

static int failing_adds; /* of epoll, behind so many that work */
static int working_adds;

int epoll_ctl(int epoll, int op, int fd, struct epoll_event *event)
{
    if (op == EPOLL_CTL_ADD && failing_adds > 0 && working_adds-- <= 0) {
        failing_adds--;
        errno = ENOMEM;
        return -1;
    }
    return (int)syscall(SYS_epoll_ctl, epoll, op, fd, event);
}

/* ---- two ends, of which the far one is the test's ---- */

static side near;
static int far;

static inline void adopt_kind(int domain, const tenon_protocol_ops *ops)
{
    int fds[2];
    tenon_transport *t;
    tenon_factory factory = tenon_factory_of(ops);
    factory.shared.self = &near;
    ck_assert_int_eq(
        socketpair(domain, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds),
        0);
    ck_assert_int_eq(tenon_transport_adopt(reactor, &t, fds[0], factory),
                     TENON_OK);
    near.peer = fds[0];
    far = fds[1];
    UNTIL(near.t);
}

static inline void adopt(void)
{
    adopt_kind(AF_UNIX, &side_ops);
}

static inline void finish(void)
{
    UNTIL(is_lost(&near));
    close(far);
    forget(&near);
    end();
}

#endif
