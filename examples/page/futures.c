/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * By futures: each step is a function, and says what comes after it.
 */

#include "page.h"

typedef struct request {
    const char *path;
    tenon_stream *stream;
    tenon_future *read; /* dropping it would cancel it */
} request;

static tenon_status on_all(tenon_future *all, tenon_future *page, void *user)
{
    void *value;
    (void)user;
    TENON_TRY(tenon_future_value(all, &value));
    const tenon_bytes *bytes = value;
    const char *head = memmem(bytes->data, bytes->len, "\r\n\r\n", 4);
    if (!head) {
        return TENON_PROTOCOL;
    }
    head += 4;
    size_t len = bytes->len - (size_t)(head - (const char *)bytes->data);
    return tenon_future_try_resolve(page, page_text(head, len), free);
}

static tenon_status on_open(tenon_future *opened, tenon_future *all, void *user)
{
    const tenon_read what = {
        .size = sizeof what, .kind = TENON_READ_ALL, .max = PAGE_MAX};
    request *r = user;
    void *stream;
    char *text = page_request(r->path);
    TENON_TRY(tenon_future_take(opened, &stream, NULL));
    r->stream = stream;
    tenon_status status =
        text ? tenon_stream_write(stream, text, strlen(text)) : TENON_NO_MEMORY;
    free(text);
    TENON_TRY(status);
    TENON_TRY(tenon_stream_read_future(stream, &what, &r->read));
    return tenon_future_link(r->read, all, TENON_LINK_CANCEL);
}

static void free_request(void *user)
{
    request *r = user;
    if (r->stream) {
        (void)tenon_stream_close(r->stream);
    }
    tenon_future_unref(r->read);
    tenon_stream_unref(r->stream);
    free(r);
}

tenon_future *fetch_page(tenon_reactor *reactor, const char *address,
                         const char *path)
{
    request *r = calloc(1, sizeof *r);
    const tenon_then_options first = {
        .size = sizeof first, .on_value = on_open, .user = r};
    const tenon_then_options second = {.size = sizeof second,
                                       .on_value = on_all,
                                       .user = r,
                                       .free_user = free_request};
    tenon_future *all = NULL;
    tenon_future *page = NULL;
    tenon_future *opened = r ? tenon_stream_open(reactor, address, NULL) : NULL;
    if (!opened || tenon_future_then(opened, &first, &all) < 0 ||
        tenon_future_then(all, &second, &page) < 0) {
        if (all) {
            (void)tenon_future_cancel(all, NULL); /* on_open never comes */
        }
        free(r);
    } else {
        r->path = path;
    }
    tenon_future_unref(opened);
    tenon_future_unref(all);
    return page;
}
