/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/* Transfers as futures, on a driver of their own. libcurl must not be asked to
 * begin or to drop a transfer from inside of its callbacks, so both are put on
 * a list, which the driver's `idle` works off. */

#include <tenon/curl.h>

#include <stdlib.h>
#include <string.h>

enum { BODY_MAX = 16 << 20 };

typedef struct fetch {
    tenon_curl_result result; /* first: to free it is to free the fetch */
    struct fetch *next;
    struct fetch *prev;
    tenon_curl *curl;
    tenon_future *future; /* borrowed; NULL: nobody wants it any more */
    tenon_curl_fetch_options options;
    FILE *body;
    size_t body_len;
    tenon_status why; /* a failure of ours */
    char message[CURL_ERROR_SIZE];
} fetch;

struct tenon_curl {
    tenon_curl_driver *driver; /* NULL: all is over */
    CURLM *multi;
    tenon_reactor *reactor; /* NULL: it ends */
    fetch todo;             /* head of those to begin, or to take out */
    fetch running;          /* head of those that libcurl has */
    bool freed;
};

static void move(fetch *f, fetch *list)
{
    f->prev->next = f->next;
    f->next->prev = f->prev;
    f->prev = list->prev;
    f->next = list;
    f->prev->next = list->prev = f;
}

/* ---- what libcurl calls ---- */

static tenon_status gather(fetch *f, const char *data, size_t len)
{
    size_t max = f->options.max_len ? f->options.max_len : BODY_MAX;
    if (len > max - f->body_len) {
        return TENON_LIMIT;
    }
    if (!f->body) {
        f->body = open_memstream(&f->result.body, &f->result.body_len);
    }
    f->body_len += len;
    return f->body && fwrite(data, 1, len, f->body) == len ? TENON_OK
                                                           : TENON_NO_MEMORY;
}

static size_t on_write(char *data, size_t size, size_t count, void *user)
{
    fetch *f = user;
    size_t len = size * count;
    tenon_curl_data_fn *fn = f->options.on_data;
    if (f->future && f->why >= 0) {
        f->why = fn ? fn(f->result.easy, data, len, f->options.user)
                    : gather(f, data, len);
    }
    return f->future && f->why >= 0 ? len : !len;
}

static int on_progress(void *user, curl_off_t total, curl_off_t received,
                       curl_off_t to_send, curl_off_t sent)
{
    fetch *f = user;
    (void)to_send;
    (void)sent;
    if (f->future && f->why >= 0) {
        f->why = f->options.on_progress(f->result.easy, received, total,
                                        f->options.user);
    }
    return !f->future || f->why < 0;
}

/* ---- the end of a transfer ---- */

static void release(void *result)
{
    fetch *f = result;
    curl_easy_cleanup(f->result.easy);
    free(f->result.body);
    tenon_block_free(f);
}

static void fail(fetch *f, CURLcode code)
{
    tenon_error *error =
        f->why < 0 ? tenon_error_of(f->why, NULL)
                   : tenon_curl_error(f->result.easy, code, f->message);
    (void)tenon_future_try_fail(f->future, error);
    tenon_error_unref(error);
}

/* False inside of libcurl. */
static bool settle(fetch *f, CURLcode code)
{
    CURL *easy = f->result.easy;
    if (curl_multi_remove_handle(f->curl->multi, easy) ==
        CURLM_RECURSIVE_API_CALL) {
        return false;
    }
    f->prev->next = f->next;
    f->next->prev = f->prev;
    if (f->body && fclose(f->body) != 0) {
        f->why = TENON_NO_MEMORY;
    }
    if (f->future && code == CURLE_OK && f->why >= 0) {
        (void)curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE,
                                &f->result.status);
        (void)tenon_future_try_resolve(f->future, &f->result, release);
        return true;
    }
    if (f->future) {
        fail(f, code);
    }
    release(f);
    return true;
}

static tenon_status on_cancel(tenon_future *future, void *user)
{
    fetch *f = user;
    (void)future;
    f->future = NULL;
    if (!settle(f, CURLE_OK)) {
        move(f, &f->curl->todo);
        (void)tenon_curl_wake(f->curl->driver);
    }
    return TENON_OK;
}

/* ---- what the driver calls ---- */

/* TENON_PENDING inside of libcurl. */
static tenon_status begin(fetch *f)
{
    CURL *easy = f->result.easy;
    CURLM *multi = f->curl->multi;
    move(f, &f->curl->running);
    CURLMcode code = curl_multi_add_handle(multi, easy);
    if (f->why < 0) {
        (void)curl_multi_remove_handle(multi, easy);
        return f->why; /* on_refused has spoken */
    }
    if (code != CURLM_OK) {
        move(f, &f->curl->todo);
        return code == CURLM_RECURSIVE_API_CALL ? TENON_PENDING
               : code == CURLM_OUT_OF_MEMORY    ? TENON_NO_MEMORY
                                                : TENON_BUSY;
    }
    (void)curl_easy_setopt(easy, CURLOPT_PRIVATE, f);
    (void)curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, f->message);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_write);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEDATA, f);
    if (f->options.on_progress) {
        (void)curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, on_progress);
        (void)curl_easy_setopt(easy, CURLOPT_XFERINFODATA, f);
        (void)curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
    }
    return TENON_OK;
}

static void on_idle(void *self)
{
    tenon_curl *c = self;
    fetch *f;
    while ((f = c->todo.next) != &c->todo) {
        bool wanted = f->future && f->why >= 0;
        f->why = wanted ? begin(f) : f->why;
        if (wanted ? f->why == TENON_PENDING : !settle(f, CURLE_FAILED_INIT)) {
            return;
        }
    }
    if (!c->reactor && tenon_curl_detach(c->driver) == TENON_OK) {
        (void)curl_multi_cleanup(c->multi);
        c->driver = NULL;
        if (c->freed) {
            tenon_block_free(c);
        }
    }
}

static void on_refused(void *self, CURL *easy, tenon_status status)
{
    tenon_curl *c = self;
    for (fetch *f = c->running.next, *next; f != &c->running; f = next) {
        next = f->next;
        if (!easy || f->result.easy == easy) {
            f->why = status;
            move(f, &c->todo);
        }
    }
    (void)tenon_curl_wake(c->driver);
}

static void on_done(void *self, CURL *easy, CURLcode code)
{
    fetch *f = NULL;
    (void)self;
    (void)curl_easy_getinfo(easy, CURLINFO_PRIVATE, &f);
    (void)settle(f, code);
}

/* The end of the reactor fails the futures; ours cancels them. */
static void on_closed(void *self)
{
    tenon_curl *c = self;
    fetch *f;
    while ((f = c->running.next) != &c->running) {
        move(f, &c->todo);
    }
    for (f = c->todo.next; f != &c->todo; f = f->next) {
        tenon_future *future = f->future;
        f->future = NULL;
        if (future &&
            tenon_future_set_canceller(future, NULL, NULL) == TENON_OK &&
            c->freed) {
            (void)tenon_future_cancel(future, "tenon_curl_free");
        }
    }
    c->reactor = NULL;
    on_idle(c);
}

/* ---- public ---- */

tenon_status tenon_curl_new(tenon_reactor *reactor, tenon_curl **out)
{
    if (!reactor || !out) {
        return TENON_INVALID;
    }
    tenon_curl *c =
        tenon_block_new(tenon_reactor_allocator(reactor), sizeof *c);
    CURLM *multi = c ? curl_multi_init() : NULL;
    tenon_status status = TENON_NO_MEMORY;
    if (multi) {
        c->reactor = reactor;
        c->multi = multi;
        c->todo.next = c->todo.prev = &c->todo;
        c->running.next = c->running.prev = &c->running;
        tenon_curl_hooks hooks = {.size = sizeof hooks,
                                  .multi = multi,
                                  .self = c,
                                  .done = on_done,
                                  .idle = on_idle,
                                  .closed = on_closed,
                                  .refused = on_refused};
        status = tenon_curl_attach(reactor, &hooks, &c->driver);
    }
    if (status < 0) {
        (void)curl_multi_cleanup(multi);
        tenon_block_free(c);
        return status;
    }
    *out = c;
    return TENON_OK;
}

void tenon_curl_free(tenon_curl *c)
{
    if (!c || !c->driver) {
        tenon_block_free(c);
    } else if (tenon_curl_wake(c->driver) != TENON_WRONG_THREAD) {
        c->freed = true;
        on_closed(c);
    }
}

CURLM *tenon_curl_multi(const tenon_curl *c)
{
    return c->driver ? c->multi : NULL;
}

tenon_status tenon_curl_fetch(tenon_curl *c, CURL *easy,
                              const tenon_curl_fetch_options *options,
                              tenon_future **out)
{
    if (!c || !easy || !out || !c->reactor) {
        return c && !c->reactor ? TENON_CLOSED : TENON_INVALID;
    }
    fetch *f = tenon_block_new(tenon_reactor_allocator(c->reactor), sizeof *f);
    if (!f) {
        return TENON_NO_MEMORY;
    }
    tenon_status status = tenon_future_new(c->reactor, &f->future);
    if (status == TENON_OK) {
        status = tenon_future_set_canceller(f->future, on_cancel, f);
    }
    if (status < 0) {
        tenon_block_free(f);
        return status;
    }
    if (options) {
        size_t len = options->size;
        memcpy(&f->options, options,
               len < sizeof *options ? len : sizeof *options);
    }
    tenon_future *future = f->future;
    f->result.easy = easy;
    f->curl = c;
    f->next = f->prev = f;
    status = begin(f);
    if (status == TENON_PENDING) {
        status = tenon_curl_wake(c->driver);
    }
    if (status < 0) {
        f->result.easy = NULL; /* still the caller's */
        tenon_future_unref(future);
        return status;
    }
    *out = future;
    return TENON_OK;
}
