/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The library that the pollable's tests plug in: what its callbacks shall do
 * is set by the test (on_ready, ...), what happened is written down in `log`,
 * a word for each call.
 */

#ifndef TENON_POLLABLE_TESTS_LIB_H
#define TENON_POLLABLE_TESTS_LIB_H

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <tenon/pollable.h>

#include "hosts.h"

#define MS TENON_MILLISECOND

enum { BOTH = TENON_READ | TENON_WRITE };

static struct {
    tenon_pollable *pollable;
    char log[1024];
    int pair[2];
    int other[2];
    void (*on_ready)(int fd, uint32_t events);
    void (*on_timeout)(void);
    void (*on_closed)(void);
    int ready_count;
    int timeout_count;
    int closed_count;
    int64_t time_ns;
} lib;

static inline void note(const char *format, ...) TENON_PRINTF(1, 2);
static inline void note(const char *format, ...)
{
    size_t len = strlen(lib.log);
    if (len > 0 && len + 1 < sizeof lib.log) {
        lib.log[len++] = ' ';
    }
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(lib.log + len, sizeof lib.log - len, format, arguments);
    va_end(arguments);
}

static inline void lib_ready(void *self, tenon_pollable *pollable, int fd,
                             uint32_t events)
{
    ck_assert_ptr_eq(self, &lib);
    ck_assert_ptr_eq(pollable, lib.pollable);
    ck_assert_uint_ne(events, 0);
    lib.ready_count++;
    if (lib.on_ready) {
        lib.on_ready(fd, events);
    }
}

static inline void lib_timeout(void *self, tenon_pollable *pollable)
{
    ck_assert_ptr_eq(self, &lib);
    ck_assert_ptr_eq(pollable, lib.pollable);
    lib.timeout_count++;
    if (lib.on_timeout) {
        lib.on_timeout();
    }
}

static inline void lib_closed(void *self, tenon_pollable *pollable)
{
    ck_assert_ptr_eq(self, &lib);
    ck_assert_ptr_eq(pollable, lib.pollable);
    lib.closed_count++;
    if (lib.on_closed) {
        lib.on_closed();
    }
}

static const tenon_pollable_ops plain = {
    .size = sizeof plain,
    .name = "lib",
    .ready = lib_ready,
    .timeout = lib_timeout,
    .closed = lib_closed,
};

static const tenon_pollable_ops split = {
    .size = sizeof split,
    .flags = TENON_POLLABLE_SPLIT,
    .name = "lib",
    .ready = lib_ready,
};

static inline void set(int fd, uint32_t events)
{
    ck_assert_int_eq(tenon_pollable_set(lib.pollable, fd, events), TENON_OK);
    ck_assert_uint_eq(tenon_pollable_get(lib.pollable, fd), events);
}

static inline void set_timeout(int64_t delay_ns)
{
    ck_assert_int_eq(tenon_pollable_set_timeout(lib.pollable, delay_ns),
                     TENON_OK);
}

static inline void free_it(void)
{
    tenon_pollable_free(lib.pollable);
    lib.pollable = NULL;
}

static inline void pair(int fds[2])
{
    ck_assert_int_eq(
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds),
        0);
}

static inline void put(int fd)
{
    ck_assert_int_eq(send(fd, "x", 1, MSG_NOSIGNAL), 1);
}

static inline void read_one(int fd)
{
    char byte;
    ck_assert_int_eq(read(fd, &byte, 1), 1);
}

static inline bool begin(int host, const tenon_pollable_ops *ops)
{
    if (!host_open(host)) {
        return false;
    }
    ck_assert_int_eq(
        tenon_pollable_new(stage.reactor, ops, &lib, &lib.pollable), TENON_OK);
    pair(lib.pair);
    pair(lib.other);
    return true;
}

static inline void end(void)
{
    tenon_pollable_free(lib.pollable);
    for (int i = 0; i < 2; i++) {
        if (lib.pair[i] >= 0) {
            close(lib.pair[i]);
        }
        close(lib.other[i]);
    }
    host_close();
}

#endif
