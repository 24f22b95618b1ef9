/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/* What the sides of the redis bench share: a host, hiredis' own adapter to it,
 * and a reactor on it. The programs on them are the same. */
#ifndef BENCH_REDIS_H
#define BENCH_REDIS_H

#include "bench.h"

#if defined(TENON_HAVE_TENON_HIREDIS)
#include <tenon/hiredis.h>

typedef struct bench_redis_host {
    const char *name;
    void *(*loop_new)(void);
    void (*loop_free)(void *loop); /* after what is left to do was done */
    void (*run_once)(void *loop);  /* waits for something to do */
    int (*attach_theirs)(redisAsyncContext *context, void *loop);
    tenon_status (*reactor_new)(void *loop, tenon_reactor **out);
} bench_redis_host;

extern const bench_redis_host bench_redis_libuv __attribute__((weak));
extern const bench_redis_host bench_redis_libevent __attribute__((weak));
extern const bench_redis_host bench_redis_glib __attribute__((weak));
#endif

#endif
