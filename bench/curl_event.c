/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/* libcurl on libevent as its users write it: a persistent event for each
 * socket, one timer event. */
#include "bench.h"
#if BENCH_HAVE_LIBEVENT && defined(TENON_HAVE_SHIM_CURL)
#include <event2/event.h>

#include "curl.h"

static CURLM *multi;
static struct event_base *base;
static struct event *timer;
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

static void on_event(evutil_socket_t fd, short what, void *user)
{
    int running;
    int flags = what & EV_READ ? CURL_CSELECT_IN : 0;
    (void)user;
    flags |= what & EV_WRITE ? CURL_CSELECT_OUT : 0;
    curl_multi_socket_action(multi, fd, flags, &running);
    harvest();
}

static void on_timeout(evutil_socket_t fd, short what, void *user)
{
    int running;
    (void)fd;
    (void)what;
    (void)user;
    curl_multi_socket_action(multi, CURL_SOCKET_TIMEOUT, 0, &running);
    harvest();
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *user,
                     void *known)
{
    struct event *event = known;
    (void)easy;
    (void)user;
    if (event) {
        event_free(event);
        event = NULL;
    }
    if (what != CURL_POLL_REMOVE) {
        short events = EV_PERSIST;
        events |= (short)(what & CURL_POLL_IN ? EV_READ : 0);
        events |= (short)(what & CURL_POLL_OUT ? EV_WRITE : 0);
        event = event_new(base, fd, events, on_event, NULL);
        event_add(event, NULL);
    }
    curl_multi_assign(multi, fd, event);
    return 0;
}

static int on_timer(CURLM *handle, long delay_ms, void *user)
{
    struct timeval delay = {delay_ms / 1000, delay_ms % 1000 * 1000};
    (void)handle;
    (void)user;
    if (delay_ms < 0) {
        evtimer_del(timer);
    } else {
        evtimer_add(timer, &delay);
    }
    return 0;
}

int bench_curl_event(bench_curl_work *given)
{
    work = given;
    base = event_base_new();
    timer = evtimer_new(base, on_timeout, NULL);
    multi = curl_multi_init();
    curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer);
    for (size_t i = 0; i < work->conns; i++) {
        begin();
    }
    event_base_dispatch(base);
    curl_multi_cleanup(multi);
    return work->ended == work->total ? 0 : -1;
}
#endif
