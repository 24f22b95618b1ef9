/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/* What the clients of the curl bench share: `conns` transfers are under way
 * at a time, each in an easy handle of its own, until `total` have ended. */
#ifndef BENCH_CURL_H
#define BENCH_CURL_H

#include <curl/curl.h>
#include <stddef.h>

typedef struct bench_curl_work {
    const char *url;
    size_t conns;
    size_t total;
    size_t begun;
    size_t ended;
    size_t bytes; /* of bodies, in all */
} bench_curl_work;

/* Does all of it; 0, or -1 when a transfer failed. */
typedef int bench_curl_fn(bench_curl_work *work);

bench_curl_fn bench_curl_uv;
bench_curl_fn bench_curl_event;
bench_curl_fn bench_curl_driver_libuv;
bench_curl_fn bench_curl_driver_libevent;
bench_curl_fn bench_curl_tenon_libuv;
bench_curl_fn bench_curl_tenon_libevent;

/* The next transfer's handle, or NULL when all have begun. */
CURL *bench_curl_next(bench_curl_work *work);
/* A CURLOPT_WRITEFUNCTION that counts; its user pointer is the work. */
size_t bench_curl_write(char *data, size_t size, size_t count, void *work);

#endif
