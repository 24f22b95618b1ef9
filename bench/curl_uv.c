/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/* libcurl on libuv as its users write it: a uv_poll_t for each socket, one
 * uv_timer_t. */
#include "bench.h"
#if BENCH_HAVE_LIBUV && defined(TENON_HAVE_SHIM_CURL)
#include <stdlib.h>
#include <uv.h>

#include "curl.h"

static CURLM *multi;
static uv_loop_t loop;
static uv_timer_t timer;
static bench_curl_work *work;

static void begin(void)
{
    CURL *easy = bench_curl_next(work);
    if (easy) {
        curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, bench_curl_write);
        curl_easy_setopt(easy, CURLOPT_WRITEDATA, work);
        curl_multi_add_handle(multi, easy);
    }
}

static void harvest(void)
{
    int left;
    CURLMsg *message;
    while ((message = curl_multi_info_read(multi, &left)) != NULL) {
        CURL *easy = message->easy_handle;
        work->ended += message->data.result == CURLE_OK;
        curl_multi_remove_handle(multi, easy);
        curl_easy_cleanup(easy);
        begin();
    }
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    int running;
    int flags = status < 0 ? CURL_CSELECT_ERR : 0;
    uv_os_fd_t fd = -1;
    uv_fileno((uv_handle_t *)poll, &fd);
    flags |= events & UV_READABLE ? CURL_CSELECT_IN : 0;
    flags |= events & UV_WRITABLE ? CURL_CSELECT_OUT : 0;
    curl_multi_socket_action(multi, fd, flags, &running);
    harvest();
}

static void on_timeout(uv_timer_t *handle)
{
    int running;
    (void)handle;
    curl_multi_socket_action(multi, CURL_SOCKET_TIMEOUT, 0, &running);
    harvest();
}

static void free_poll(uv_handle_t *handle)
{
    free(handle);
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *user,
                     void *known)
{
    uv_poll_t *poll = known;
    (void)easy;
    (void)user;
    if (what == CURL_POLL_REMOVE) {
        if (poll) {
            uv_poll_stop(poll);
            uv_close((uv_handle_t *)poll, free_poll);
            curl_multi_assign(multi, fd, NULL);
        }
        return 0;
    }
    if (!poll) {
        poll = malloc(sizeof *poll);
        if (!poll || uv_poll_init_socket(&loop, poll, fd) != 0) {
            abort();
        }
        curl_multi_assign(multi, fd, poll);
    }
    int events = what & CURL_POLL_IN ? UV_READABLE : 0;
    events |= what & CURL_POLL_OUT ? UV_WRITABLE : 0;
    uv_poll_start(poll, events, on_poll);
    return 0;
}

static int on_timer(CURLM *handle, long delay_ms, void *user)
{
    (void)handle;
    (void)user;
    if (delay_ms < 0) {
        uv_timer_stop(&timer);
    } else {
        uv_timer_start(&timer, on_timeout, (uint64_t)delay_ms, 0);
    }
    return 0;
}

int bench_curl_uv(bench_curl_work *given)
{
    work = given;
    uv_loop_init(&loop);
    uv_timer_init(&loop, &timer);
    multi = curl_multi_init();
    curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer);
    for (size_t i = 0; i < work->conns; i++) {
        begin();
    }
    uv_run(&loop, UV_RUN_DEFAULT);
    curl_multi_cleanup(multi);
    return work->ended == work->total ? 0 : -1;
}
#endif
