/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/* The same through shims/curl: on a driver, and with a future for each. */
#include "bench.h"
#ifdef TENON_HAVE_SHIM_CURL
#include <stdlib.h>

#include <tenon/curl.h>

#include "curl.h"
#include "curl_hosts.h"

static bench_curl_work *work;

/* ---- a driver ---- */

static CURLM *multi;
static tenon_curl_driver *driver;

static void add(void)
{
    CURL *easy = bench_curl_next(work);
    if (easy) {
        curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, bench_curl_write);
        curl_easy_setopt(easy, CURLOPT_WRITEDATA, work);
        curl_multi_add_handle(multi, easy);
    }
}

static void on_ended(void *self, CURL *easy, CURLcode result)
{
    (void)self;
    work->ended += result == CURLE_OK;
    curl_multi_remove_handle(multi, easy);
    curl_easy_cleanup(easy);
    add();
    if (work->ended == work->total) {
        (void)!tenon_curl_detach(driver);
        curl_multi_cleanup(multi);
    }
}

int bench_curl_drive(tenon_reactor *reactor, bench_curl_work *given,
                     void (*run)(void *loop), void *loop)
{
    tenon_curl_hooks hooks = {
        .size = sizeof hooks, .multi = curl_multi_init(), .done = on_ended};
    work = given;
    multi = hooks.multi;
    if (tenon_curl_attach(reactor, &hooks, &driver) < 0) {
        abort();
    }
    for (size_t i = 0; i < work->conns; i++) {
        add();
    }
    run(loop);
    return work->ended == work->total ? 0 : -1;
}

/* ---- futures ---- */

static tenon_curl *curl;

static void begin(tenon_waiter *waiter);

static tenon_status on_data(CURL *easy, const void *data, size_t len,
                            void *user)
{
    (void)easy;
    (void)data;
    ((bench_curl_work *)user)->bytes += len;
    return TENON_OK;
}

static void on_done(tenon_waiter *waiter, tenon_future *future, void *user)
{
    (void)user;
    void *result;
    tenon_free_fn *free_result;
    if (tenon_future_take(future, &result, &free_result) == TENON_OK) {
        work->ended++;
        free_result(result); /* now: the next one will have its memory */
    }
    tenon_future_unref(future);
    begin(waiter);
    if (work->ended == work->total) {
        tenon_curl_free(curl);
    }
}

static void begin(tenon_waiter *waiter)
{
    const tenon_curl_fetch_options options = {
        .size = sizeof options, .on_data = on_data, .user = work};
    CURL *easy = bench_curl_next(work);
    tenon_future *future;
    if (easy && (tenon_curl_fetch(curl, easy, &options, &future) < 0 ||
                 tenon_future_on_done(future, waiter, on_done, NULL) < 0)) {
        abort();
    }
}

int bench_curl_fetch(tenon_reactor *reactor, bench_curl_work *given,
                     void (*run)(void *loop), void *loop)
{
    work = given;
    tenon_waiter *waiters = calloc(work->conns, sizeof *waiters);
    if (!waiters || tenon_curl_new(reactor, &curl) < 0) {
        abort();
    }
    for (size_t i = 0; i < work->conns; i++) {
        begin(&waiters[i]);
    }
    run(loop);
    free(waiters);
    return work->ended == work->total ? 0 : -1;
}
#endif
