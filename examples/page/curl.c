/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * By a task, with libcurl, which knows more of HTTP than we do; `address` is
 * "tcp:HOST:PORT".
 */

#include <tenon/curl.h>

#include "page.h"

typedef struct request {
    tenon_reactor *reactor;
    char url[500];
} request;

static tenon_status get(tenon_curl *curl, CURL *easy)
{
    tenon_future *future;
    void *value;
    tenon_free_fn *free_value;
    TENON_TRY(tenon_curl_fetch(curl, easy, NULL, &future));
    TENON_TRY(tenon_await_take(future, &value, &free_value));
    const tenon_curl_result *result = value;
    char *body = strdup(result->body);
    free_value(value);
    return tenon_return(body, free);
}

static tenon_status fetch(void *user)
{
    request *r = user;
    tenon_curl *curl;
    CURL *easy = curl_easy_init();
    TENON_TRY(tenon_curl_new(r->reactor, &curl));
    (void)curl_easy_setopt(easy, CURLOPT_URL, r->url);
    tenon_status status = get(curl, easy);
    tenon_curl_free(curl);
    return status;
}

tenon_future *fetch_page(tenon_reactor *reactor, const char *address,
                         const char *path)
{
    const tenon_task_options options = {.size = sizeof options,
                                        .free_user = free};
    request *r = malloc(sizeof *r);
    tenon_task *task = NULL;
    if (r) {
        r->reactor = reactor;
        (void)snprintf(r->url, sizeof r->url, "http://%s%s",
                       address + strlen("tcp:"), path);
    }
    if (!r || tenon_spawn(reactor, fetch, r, &options, &task) < 0) {
        free(r);
        return NULL;
    }
    tenon_future *page = tenon_future_ref(tenon_task_future(task));
    tenon_task_unref(task);
    return page;
}
