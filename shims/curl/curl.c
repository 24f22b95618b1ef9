/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/* A multi handle on a reactor: libcurl's two hooks set a pollable, which
 * enters curl_multi_socket_action. libcurl does not call itself: whatever is
 * asked while it is on the stack is done when it has returned. */

#include <tenon/curl.h>

#include <string.h>
#include <tenon/pollable.h>

struct tenon_curl_driver {
    tenon_curl_hooks hooks;
    tenon_pollable *pollable; /* NULL: detached */
    bool busy;   /* libcurl, or what is told after it, is on the stack */
    bool missed; /* an entry, by a host loop that a callback has run */
    bool woken;  /* the next turn is wanted, whatever libcurl's timer says */
    bool ended;  /* the reactor has */
};

/* libcurl may not be told: 7.88 crashes when a hook returns -1. */
static int answer(const tenon_curl_driver *d, CURL *easy, tenon_status status)
{
    if (status < 0 && !d->ended && d->hooks.refused) {
        d->hooks.refused(d->hooks.self, easy, status);
    }
    return 0;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *user,
                     void *known)
{
    tenon_curl_driver *d = user;
    uint32_t events = (what & CURL_POLL_IN ? TENON_READ : 0) |
                      (what & CURL_POLL_OUT ? TENON_WRITE : 0);
    if (!known) { /* the number may have been another socket's */
        (void)tenon_pollable_set(d->pollable, fd, 0);
        (void)curl_multi_assign(d->hooks.multi, fd, d);
    }
    events = what == CURL_POLL_REMOVE ? 0 : events;
    return answer(d, easy, tenon_pollable_set(d->pollable, fd, events));
}

static int on_timer(CURLM *multi, long delay_ms, void *user)
{
    tenon_curl_driver *d = user;
    int64_t delay_ns =
        delay_ms < 0 ? TENON_FOREVER : delay_ms * TENON_MILLISECOND;
    (void)multi;
    delay_ns = d->woken ? 0 : delay_ns;
    return answer(d, NULL, tenon_pollable_set_timeout(d->pollable, delay_ns));
}

static void tell(tenon_curl_driver *d)
{
    int left;
    CURLMsg *message;
    while (d->pollable &&
           (message = curl_multi_info_read(d->hooks.multi, &left)) != NULL) {
        d->hooks.done(d->hooks.self, message->easy_handle,
                      message->data.result);
    }
    if (d->pollable && d->hooks.idle) {
        d->hooks.idle(d->hooks.self);
    }
}

static void act(tenon_curl_driver *d, int fd, int events)
{
    int left;
    if (d->busy) {
        d->missed = true;
        return;
    }
    d->busy = true;
    d->woken = false;
    CURLMcode code =
        curl_multi_socket_action(d->hooks.multi, fd, events, &left);
    tell(d);
    d->busy = false;
    if (!d->pollable) {
        tenon_block_free(d);
    } else if (d->missed || code == CURLM_RECURSIVE_API_CALL) {
        d->missed = false;
        (void)tenon_curl_wake(d);
    }
}

/* ---- what the pollable calls ---- */

static void on_ready(void *self, tenon_pollable *pollable, int fd,
                     uint32_t events)
{
    (void)pollable;
    act(self, fd,
        (events & TENON_READ ? CURL_CSELECT_IN : 0) |
            (events & TENON_WRITE ? CURL_CSELECT_OUT : 0));
}

static void on_timeout(void *self, tenon_pollable *pollable)
{
    (void)pollable;
    act(self, CURL_SOCKET_TIMEOUT, 0);
}

static void on_closed(void *self, tenon_pollable *pollable)
{
    tenon_curl_driver *d = self;
    (void)pollable;
    d->ended = true;
    if (d->hooks.closed) {
        d->hooks.closed(d->hooks.self);
    }
}

static const tenon_pollable_ops ops = {
    .size = sizeof ops,
    .name = "curl",
    .ready = on_ready,
    .timeout = on_timeout,
    .closed = on_closed,
};

/* ---- public ---- */

static tenon_status status_of(CURL *easy, CURLcode code)
{
    long number = 0;
    switch (code) {
    case CURLE_OPERATION_TIMEDOUT:
        return TENON_TIMED_OUT;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
        return TENON_UNRESOLVED;
    case CURLE_URL_MALFORMAT:
        return TENON_BAD_ADDRESS;
    case CURLE_UNSUPPORTED_PROTOCOL:
        return TENON_NOT_SUPPORTED;
    case CURLE_OUT_OF_MEMORY:
        return TENON_NO_MEMORY;
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
    case CURLE_WEIRD_SERVER_REPLY:
        return TENON_PROTOCOL;
    default:
        (void)curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &number);
        return number > 0 ? tenon_status_of_errno((int)number) : TENON_ABORTED;
    }
}

tenon_error *tenon_curl_error(CURL *easy, CURLcode code, const char *message)
{
    bool told = message && message[0];
    return tenon_error_new(&(tenon_error_options){
        .size = sizeof(tenon_error_options),
        .status = status_of(easy, code),
        .system_code = (int)code,
        .domain = "curl",
        .message = told ? message : curl_easy_strerror(code),
    });
}

tenon_status tenon_curl_attach(tenon_reactor *reactor,
                               const tenon_curl_hooks *hooks,
                               tenon_curl_driver **out)
{
    if (!reactor || !hooks || !out ||
        hooks->size < offsetof(tenon_curl_hooks, idle) || !hooks->multi ||
        !hooks->done) {
        return TENON_INVALID;
    }
    tenon_curl_driver *d =
        tenon_block_new(tenon_reactor_allocator(reactor), sizeof *d);
    if (!d) {
        return TENON_NO_MEMORY;
    }
    size_t len = hooks->size < sizeof *hooks ? hooks->size : sizeof *hooks;
    memcpy(&d->hooks, hooks, len);
    tenon_status status = tenon_pollable_new(reactor, &ops, d, &d->pollable);
    if (status == TENON_OK &&
        curl_multi_setopt(hooks->multi, CURLMOPT_SOCKETFUNCTION, on_socket)) {
        tenon_pollable_free(d->pollable);
        status = TENON_BUSY;
    }
    if (status < 0) {
        tenon_block_free(d);
        return status;
    }
    (void)curl_multi_setopt(hooks->multi, CURLMOPT_SOCKETDATA, d);
    (void)curl_multi_setopt(hooks->multi, CURLMOPT_TIMERDATA, d);
    (void)curl_multi_setopt(hooks->multi, CURLMOPT_TIMERFUNCTION, on_timer);
    *out = d;
    return TENON_OK;
}

tenon_status tenon_curl_detach(tenon_curl_driver *d)
{
    CURLM *multi = d ? d->hooks.multi : NULL;
    if (!d || tenon_curl_wake(d) == TENON_WRONG_THREAD) {
        return d ? TENON_WRONG_THREAD : TENON_OK;
    }
    if (curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, NULL) != CURLM_OK) {
        return TENON_BUSY;
    }
    (void)curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, NULL);
    tenon_pollable_free(d->pollable);
    d->pollable = NULL;
    if (!d->busy) {
        tenon_block_free(d);
    }
    return TENON_OK;
}

tenon_status tenon_curl_wake(tenon_curl_driver *d)
{
    tenon_status status = tenon_pollable_set_timeout(d->pollable, 0);
    d->woken |= status == TENON_OK;
    return status;
}
