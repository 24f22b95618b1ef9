/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/* Counts what a server asks of the kernel, whatever library asks.
 *
 * The executable defines the libc entry points themselves; the dynamic linker
 * then binds the calls of libuv, libevent, GLib and libtenon to these, since
 * the executable comes first in symbol resolution. Each adds one to a counter
 * and makes the system call. Nothing is preloaded, and there is no second
 * "counting" run: an increment in a page that is always in cache costs about
 * a nanosecond beside calls of several hundred, and it costs every side the
 * same. One run thus gives both times and counts, of the same echoes.
 *
 * Only descriptors that accept gave out count as receives and sends: an
 * eventfd read to wake a loop is not an echo's work. A call that returns
 * EAGAIN counts, for it was made. Waits count on entry, zero timeouts too.
 *
 * A blocking wait is also the moment when a server has nothing left to do. If
 * it took connections since the last one, the heap is measured there, which
 * gives the client its figure and its sign that all is at rest, without a
 * signal or a line of co-operation from the server.
 *
 * Only the thread that runs the loop is counted: GIO starts another, whose
 * waits are nobody's.
 *
 * The prototypes are written out here: the libc headers declare some of them
 * with transparent unions or fortified inlines, which cannot be redefined. */
#define _GNU_SOURCE 1
#include "bench.h"

#include <malloc.h>
#include <sys/syscall.h>
#include <time.h>

#define EXPORT            __attribute__((visibility("default")))
#define KERNEL_SIGSET_LEN ((size_t)8)

extern long syscall(long number, ...);

enum { FD_LIMIT = 1 << 16, WORD_BITS = 64 };

static bench_page quiet;
static _Thread_local bench_page *page = &quiet;
static uint64_t conn_bits[FD_LIMIT / WORD_BITS];

void bench_count_into(bench_page *target)
{
    page = target;
}

/* One writer, so a plain load and store is enough; the reader is another
 * process and wants no torn value. */
static inline void add_one(_Atomic uint64_t *counter)
{
    uint64_t n = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, n + 1, memory_order_relaxed);
}

static inline bool is_conn(int fd)
{
    unsigned i = (unsigned)fd;
    return i < FD_LIMIT && (conn_bits[i / WORD_BITS] >> (i % WORD_BITS)) & 1U;
}

static inline void count_io(_Atomic uint64_t *counter, int fd)
{
    if (is_conn(fd)) {
        add_one(counter);
    }
}

static int took(int fd)
{
    unsigned i = (unsigned)fd;
    if (i < FD_LIMIT) {
        conn_bits[i / WORD_BITS] |= UINT64_C(1) << (i % WORD_BITS);
        add_one(&page->accepted);
    }
    return fd;
}

static void settle(uint64_t accepted)
{
    struct mallinfo2 heap = mallinfo2();
    atomic_store(&page->heap_bytes, heap.uordblks + heap.hblkhd);
    atomic_store(&page->settled, accepted);
}

static inline void count_wait(bool blocks)
{
    uint64_t accepted =
        atomic_load_explicit(&page->accepted, memory_order_relaxed);
    add_one(&page->waits);
    if (blocks && accepted != atomic_load_explicit(&page->settled,
                                                   memory_order_relaxed)) {
        settle(accepted);
    }
}

static bool blocks(const struct timespec *timeout)
{
    return timeout == NULL || timeout->tv_sec != 0 || timeout->tv_nsec != 0;
}

/* Connections */

EXPORT int accept4(int fd, void *addr, unsigned *len, int flags);
int accept4(int fd, void *addr, unsigned *len, int flags)
{
    return took((int)syscall(SYS_accept4, fd, addr, len, flags));
}

EXPORT int accept(int fd, void *addr, unsigned *len);
int accept(int fd, void *addr, unsigned *len)
{
    return accept4(fd, addr, len, 0);
}

/* Receives */

EXPORT ssize_t read(int fd, void *buf, size_t len);
ssize_t read(int fd, void *buf, size_t len)
{
    count_io(&page->recvs, fd);
    return syscall(SYS_read, fd, buf, len);
}

EXPORT ssize_t readv(int fd, const void *iov, int count);
ssize_t readv(int fd, const void *iov, int count)
{
    count_io(&page->recvs, fd);
    return syscall(SYS_readv, fd, iov, count);
}

EXPORT ssize_t recvfrom(int fd, void *buf, size_t len, int flags, void *addr,
                        unsigned *addr_len);
ssize_t recvfrom(int fd, void *buf, size_t len, int flags, void *addr,
                 unsigned *addr_len)
{
    count_io(&page->recvs, fd);
    return syscall(SYS_recvfrom, fd, buf, len, flags, addr, addr_len);
}

EXPORT ssize_t recv(int fd, void *buf, size_t len, int flags);
ssize_t recv(int fd, void *buf, size_t len, int flags)
{
    return recvfrom(fd, buf, len, flags, NULL, NULL);
}

EXPORT ssize_t recvmsg(int fd, void *msg, int flags);
ssize_t recvmsg(int fd, void *msg, int flags)
{
    count_io(&page->recvs, fd);
    return syscall(SYS_recvmsg, fd, msg, flags);
}

/* Sends */

EXPORT ssize_t write(int fd, const void *buf, size_t len);
ssize_t write(int fd, const void *buf, size_t len)
{
    count_io(&page->sends, fd);
    return syscall(SYS_write, fd, buf, len);
}

EXPORT ssize_t writev(int fd, const void *iov, int count);
ssize_t writev(int fd, const void *iov, int count)
{
    count_io(&page->sends, fd);
    return syscall(SYS_writev, fd, iov, count);
}

EXPORT ssize_t sendto(int fd, const void *buf, size_t len, int flags,
                      const void *addr, unsigned addr_len);
ssize_t sendto(int fd, const void *buf, size_t len, int flags, const void *addr,
               unsigned addr_len)
{
    count_io(&page->sends, fd);
    return syscall(SYS_sendto, fd, buf, len, flags, addr, addr_len);
}

EXPORT ssize_t send(int fd, const void *buf, size_t len, int flags);
ssize_t send(int fd, const void *buf, size_t len, int flags)
{
    return sendto(fd, buf, len, flags, NULL, 0);
}

EXPORT ssize_t sendmsg(int fd, const void *msg, int flags);
ssize_t sendmsg(int fd, const void *msg, int flags)
{
    count_io(&page->sends, fd);
    return syscall(SYS_sendmsg, fd, msg, flags);
}

/* Waits */

EXPORT int epoll_pwait(int ep, void *events, int max, int timeout,
                       const void *mask);
int epoll_pwait(int ep, void *events, int max, int timeout, const void *mask)
{
    count_wait(timeout != 0);
    return (int)syscall(SYS_epoll_pwait, ep, events, max, timeout, mask,
                        KERNEL_SIGSET_LEN);
}

EXPORT int epoll_wait(int ep, void *events, int max, int timeout);
int epoll_wait(int ep, void *events, int max, int timeout)
{
    return epoll_pwait(ep, events, max, timeout, NULL);
}

EXPORT int epoll_pwait2(int ep, void *events, int max,
                        const struct timespec *timeout, const void *mask);
int epoll_pwait2(int ep, void *events, int max, const struct timespec *timeout,
                 const void *mask)
{
    count_wait(blocks(timeout));
    return (int)syscall(SYS_epoll_pwait2, ep, events, max, timeout, mask,
                        KERNEL_SIGSET_LEN);
}

/* The kernel writes the time that is left into its argument; libc promises
 * not to. */
EXPORT int ppoll(void *fds, unsigned long count, const struct timespec *timeout,
                 const void *mask);
int ppoll(void *fds, unsigned long count, const struct timespec *timeout,
          const void *mask)
{
    struct timespec left = {0};
    if (timeout != NULL) {
        left = *timeout;
    }
    count_wait(blocks(timeout));
    return (int)syscall(SYS_ppoll, fds, count, timeout ? &left : NULL, mask,
                        KERNEL_SIGSET_LEN);
}

EXPORT int poll(void *fds, unsigned long count, int timeout);
int poll(void *fds, unsigned long count, int timeout)
{
    struct timespec left = {.tv_sec = timeout / 1000,
                            .tv_nsec = timeout % 1000 * 1000000L};
    return ppoll(fds, count, timeout < 0 ? NULL : &left, NULL);
}
