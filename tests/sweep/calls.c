/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * What the sweep's copy of the library calls instead of libc. Each asks
 * whether it is the call that fails, and is honest otherwise: a short transfer
 * moves what it says, an interrupted connect goes on in the kernel as POSIX
 * wants it, an interrupted close has closed.
 */

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fault.h"

#define HERE __builtin_return_address(0)

enum { PARTS_MAX = 1024 };

/* What a storm does to a call: see sweep_ask. */
static const int moves[] = {EINTR, EAGAIN, FAULT_SHORT, 0};
static const int breaks[] = {EINTR, EAGAIN, 0};
static const int waits[] = {EINTR, 0};
static const int never[] = {0};

static int failing(int error)
{
    errno = error;
    return -1;
}

/* A connection that was reset or timed out is one that nobody can use. */
static int failed_on(int fd, int error)
{
    if (error == ECONNRESET || error == EPIPE || error == ETIMEDOUT) {
        (void)shutdown(fd, SHUT_RDWR);
    }
    return failing(error);
}

/* A socket that is ready does not say again and again that it is not: a storm
 * has it said once in a row. */
static int at_most_once(int fd, int fault)
{
    return fault == EAGAIN && !sweep_may_block(fd) ? FAULT_NONE : fault;
}

/* CALL(name, type of the result, what a storm does, (parameters),
 * (arguments)): fails with -1 and errno. MADE: its result is a descriptor. */
#define CALL(name, type, soft, parameters, arguments)   \
    type sweep_##name parameters;                       \
    type sweep_##name parameters                        \
    {                                                   \
        int fault = sweep_ask(HERE, soft);              \
        return fault ? failing(fault) : name arguments; \
    }
#define MADE(name, soft, parameters, arguments)                              \
    int sweep_##name parameters;                                             \
    int sweep_##name parameters                                              \
    {                                                                        \
        int fault = sweep_ask(HERE, soft);                                   \
        return fault ? failing(fault) : sweep_opened(name arguments, false); \
    }
/* Moves bytes, as many as `len`, by `fd`. */
#define MOVE(name, soft, parameters, arguments)              \
    ssize_t sweep_##name parameters;                         \
    ssize_t sweep_##name parameters                          \
    {                                                        \
        int fault = at_most_once(fd, sweep_ask(HERE, soft)); \
        if (fault > 0) {                                     \
            return failed_on(fd, fault);                     \
        }                                                    \
        if (fault == FAULT_SHORT) {                          \
            len = sweep_cut(len);                            \
        }                                                    \
        return name arguments;                               \
    }

/* ---- bytes ---- */

MOVE(recv, moves, (int fd, void *to, size_t len, int flags),
     (fd, to, len, flags))
MOVE(send, moves, (int fd, const void *from, size_t len, int flags),
     (fd, from, len, flags))
MOVE(sendfile, moves, (int fd, int from, off_t *offset, size_t len),
     (fd, from, offset, len))
MOVE(pread, moves + 2, (int fd, void *to, size_t len, off_t offset),
     (fd, to, len, offset))
MOVE(pwrite, moves + 2, (int fd, const void *from, size_t len, off_t offset),
     (fd, from, len, offset))
/* A datagram is sent whole. */
MOVE(sendto, breaks,
     (int fd, const void *from, size_t len, int flags,
      const struct sockaddr *to, socklen_t to_len),
     (fd, from, len, flags, to, to_len))
/* Those of an eventfd, which knows no part of its eight bytes. */
MOVE(read, breaks, (int fd, void *to, size_t len), (fd, to, len))
MOVE(write, waits, (int fd, const void *from, size_t len), (fd, from, len))

/* The parts of a message up to `len` bytes of them. */
static size_t cut_parts(const struct msghdr *message, struct iovec *parts)
{
    size_t count = 0;
    size_t len = 0;
    for (size_t i = 0; i < message->msg_iovlen; i++) {
        len += message->msg_iov[i].iov_len;
    }
    len = sweep_cut(len);
    while (len > 0 && count < PARTS_MAX) {
        parts[count] = message->msg_iov[count];
        if (parts[count].iov_len > len) {
            parts[count].iov_len = len;
        }
        len -= parts[count++].iov_len;
    }
    return count;
}

ssize_t sweep_sendmsg(int fd, const struct msghdr *message, int flags);
ssize_t sweep_sendmsg(int fd, const struct msghdr *message, int flags)
{
    struct iovec parts[PARTS_MAX];
    struct msghdr cut = *message;
    int fault = at_most_once(fd, sweep_ask(HERE, moves));
    if (fault > 0) {
        return failed_on(fd, fault);
    }
    if (fault == FAULT_SHORT) {
        cut.msg_iovlen = cut_parts(message, parts);
        cut.msg_iov = parts;
    }
    return sendmsg(fd, &cut, flags);
}

ssize_t sweep_recvmsg(int fd, struct msghdr *message, int flags);
ssize_t sweep_recvmsg(int fd, struct msghdr *message, int flags)
{
    struct iovec parts[PARTS_MAX];
    int fault = at_most_once(fd, sweep_ask(HERE, moves));
    if (fault > 0) {
        return failed_on(fd, fault);
    }
    if (fault != FAULT_SHORT || (flags & MSG_TRUNC)) { /* a datagram: whole */
        return recvmsg(fd, message, flags);
    }
    struct iovec *whole = message->msg_iov;
    size_t count = message->msg_iovlen;
    message->msg_iovlen = cut_parts(message, parts);
    message->msg_iov = parts;
    ssize_t got = recvmsg(fd, message, flags);
    message->msg_iov = whole;
    message->msg_iovlen = count;
    return got;
}

/* ---- connections ---- */

MADE(socket, never, (int domain, int type, int protocol),
     (domain, type, protocol))
MADE(accept4, breaks,
     (int fd, struct sockaddr *name, socklen_t *len, int flags),
     (fd, name, len, flags))
CALL(bind, int, never, (int fd, const struct sockaddr *name, socklen_t len),
     (fd, name, len))
CALL(listen, int, never, (int fd, int backlog), (fd, backlog))
CALL(shutdown, int, never, (int fd, int how), (fd, how))
CALL(getsockname, int, never, (int fd, struct sockaddr *name, socklen_t *len),
     (fd, name, len))
CALL(getpeername, int, never, (int fd, struct sockaddr *name, socklen_t *len),
     (fd, name, len))
CALL(getsockopt, int, never,
     (int fd, int level, int option, void *value, socklen_t *len),
     (fd, level, option, value, len))
CALL(setsockopt, int, never,
     (int fd, int level, int option, const void *value, socklen_t len),
     (fd, level, option, value, len))

int sweep_connect(int fd, const struct sockaddr *name, socklen_t len);
int sweep_connect(int fd, const struct sockaddr *name, socklen_t len)
{
    int fault = sweep_ask(HERE, waits);
    if (fault && fault != EINTR) {
        return failing(fault);
    }
    int result = connect(fd, name, len);
    bool begun = result == 0 || errno == EINPROGRESS;
    return fault && begun ? failing(EINTR) : result;
}

static int unresolved(int error)
{
    errno = error;
    return error == ENOMEM   ? EAI_MEMORY
           : error == EAGAIN ? EAI_AGAIN
                             : EAI_SYSTEM;
}

int sweep_getaddrinfo(const char *node, const char *service,
                      const struct addrinfo *hints, struct addrinfo **out);
int sweep_getaddrinfo(const char *node, const char *service,
                      const struct addrinfo *hints, struct addrinfo **out)
{
    int fault = sweep_ask(HERE, never);
    return fault ? unresolved(fault) : getaddrinfo(node, service, hints, out);
}

int sweep_getnameinfo(const struct sockaddr *name, socklen_t len, char *host,
                      socklen_t host_len, char *service, socklen_t service_len,
                      int flags);
int sweep_getnameinfo(const struct sockaddr *name, socklen_t len, char *host,
                      socklen_t host_len, char *service, socklen_t service_len,
                      int flags)
{
    int fault = sweep_ask(HERE, never);
    return fault ? unresolved(fault)
                 : getnameinfo(name, len, host, host_len, service, service_len,
                               flags);
}

/* ---- waiting ---- */

CALL(epoll_wait, int, waits,
     (int fd, struct epoll_event *events, int max, int timeout),
     (fd, events, max, timeout))
CALL(epoll_pwait2, int, waits,
     (int fd, struct epoll_event *events, int max,
      const struct timespec *timeout, const sigset_t *mask),
     (fd, events, max, timeout, mask))
MADE(timerfd_create, never, (int clock, int flags), (clock, flags))
CALL(timerfd_settime, int, never,
     (int fd, int flags, const struct itimerspec *value,
      struct itimerspec *old),
     (fd, flags, value, old))
/* An inbox may outlive its reactor, so this is not the library's alone. */
CALL(eventfd, int, never, (unsigned count, int flags), (count, flags))

/* ---- the rest ---- */

CALL(chmod, int, never, (const char *path, mode_t mode), (path, mode))
CALL(fchmod, int, never, (int fd, mode_t mode), (fd, mode))
CALL(fstat, int, never, (int fd, struct stat *out), (fd, out))
CALL(lstat, int, never, (const char *path, struct stat *out), (path, out))
CALL(lseek, off_t, never, (int fd, off_t offset, int whence),
     (fd, offset, whence))
CALL(unlink, int, never, (const char *path), (path))
CALL(fsync, int, waits, (int fd), (fd))
CALL(rename, int, never, (const char *from, const char *to), (from, to))
CALL(dup3, int, waits, (int from, int to, int flags), (from, to, flags))
CALL(madvise, int, never, (void *at, size_t len, int advice), (at, len, advice))
CALL(mprotect, int, never, (void *at, size_t len, int protection),
     (at, len, protection))

/* ---- processes; what the child itself calls is left alone ---- */

CALL(socketpair, int, never, (int domain, int type, int protocol, int fds[2]),
     (domain, type, protocol, fds))
CALL(poll, int, waits, (struct pollfd * fds, nfds_t count, int timeout),
     (fds, count, timeout))
CALL(waitid, int, waits, (idtype_t type, id_t id, siginfo_t *out, int options),
     (type, id, out, options))

int sweep_open(const char *path, int flags, ...);
int sweep_open(const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = flags & O_CREAT ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    int fault = sweep_ask(HERE, never);
    return fault ? failing(fault) : open(path, flags | O_CLOEXEC, mode);
}

int sweep_clone(int (*fn)(void *), void *top, int flags, void *arg, ...);
int sweep_clone(int (*fn)(void *), void *top, int flags, void *arg, ...)
{
    va_list arguments;
    va_start(arguments, arg);
    int *pidfd = flags & CLONE_PIDFD ? va_arg(arguments, int *) : NULL;
    va_end(arguments);
    int fault = sweep_ask(HERE, never);
    return fault ? failing(fault) : clone(fn, top, flags, arg, pidfd);
}

int sweep_fcntl(int fd, int command, ...);
int sweep_fcntl(int fd, int command, ...)
{
    va_list arguments;
    va_start(arguments, command);
    long value = va_arg(arguments, long); /* none of the library's is wider */
    va_end(arguments);
    int fault = sweep_ask(HERE, never);
    if (fault) {
        return failing(fault);
    }
    int result = fcntl(fd, command, value);
    return command == F_DUPFD_CLOEXEC ? sweep_opened(result, false) : result;
}

int sweep_close(int fd);
int sweep_close(int fd)
{
    int fault = sweep_ask(HERE, waits);
    sweep_closed(fd);
    int result = close(fd);
    return fault ? failing(fault) : result;
}

int sweep_epoll_create1(int flags);
int sweep_epoll_create1(int flags)
{
    int fault = sweep_ask(HERE, never);
    return fault ? failing(fault) : sweep_opened(epoll_create1(flags), true);
}

int sweep_epoll_ctl(int to, int op, int fd, struct epoll_event *event);
int sweep_epoll_ctl(int to, int op, int fd, struct epoll_event *event)
{
    /* To forget a descriptor takes no memory. */
    int fault = op == EPOLL_CTL_DEL ? FAULT_NONE : sweep_ask(HERE, never);
    return fault ? failing(fault) : epoll_ctl(to, op, fd, event);
}

void *sweep_mmap(void *at, size_t len, int protection, int flags, int fd,
                 off_t offset);
void *sweep_mmap(void *at, size_t len, int protection, int flags, int fd,
                 off_t offset)
{
    int fault = sweep_ask(HERE, never);
    if (fault) {
        errno = fault;
        return MAP_FAILED;
    }
    return mmap(at, len, protection, flags, fd, offset);
}

int sweep_pthread_create(pthread_t *out, const pthread_attr_t *how,
                         void *(*fn)(void *), void *arg);
int sweep_pthread_create(pthread_t *out, const pthread_attr_t *how,
                         void *(*fn)(void *), void *arg)
{
    int fault = sweep_ask(HERE, never);
    return fault ? fault : pthread_create(out, how, fn, arg);
}

void *sweep_realloc(void *block, size_t len);
void *sweep_realloc(void *block, size_t len)
{
    return sweep_request() ? NULL : realloc(block, len);
}
