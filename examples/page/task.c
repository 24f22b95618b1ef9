/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * By a task: it reads as if it blocked.
 */

#include "page.h"

typedef struct request {
    tenon_reactor *reactor;
    const char *address;
    const char *path;
} request;

static tenon_status get(tenon_stream *s, const char *path)
{
    tenon_bytes line;
    tenon_bytes body;
    char *text = page_request(path);
    tenon_status status =
        text ? tenon_stream_send(s, text, strlen(text)) : TENON_NO_MEMORY;
    free(text);
    TENON_TRY(status);
    do {
        TENON_TRY(tenon_stream_read_line(s, &line));
    } while (line.len > 0);
    TENON_TRY(tenon_stream_read_all(s, PAGE_MAX, &body));
    return tenon_return(page_text(body.data, body.len), free);
}

static tenon_status fetch(void *user)
{
    request *r = user;
    tenon_stream *s;
    TENON_TRY(tenon_stream_connect(r->reactor, r->address, NULL, &s));
    tenon_status status = get(s, r->path);
    (void)tenon_stream_close(s);
    tenon_stream_unref(s);
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
        *r = (request){reactor, address, path};
    }
    if (!r || tenon_spawn(reactor, fetch, r, &options, &task) < 0) {
        free(r);
        return NULL;
    }
    tenon_future *page = tenon_future_ref(tenon_task_future(task));
    tenon_task_unref(task);
    return page;
}
