/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * By callbacks: a protocol, which is told of everything and remembers where it
 * is.
 */

#include "page.h"

typedef struct request {
    const char *path;
    tenon_future *page;
    char *text; /* all that has come */
    size_t len;
} request;

static tenon_status connection_made(void *self, tenon_transport *t)
{
    request *r = self;
    char *text = page_request(r->path);
    tenon_status status =
        text ? tenon_transport_write(t, text, strlen(text)) : TENON_NO_MEMORY;
    free(text);
    return status;
}

static tenon_status data_received(void *self, tenon_transport *t,
                                  const void *data, size_t len)
{
    request *r = self;
    char *text =
        len < PAGE_MAX - r->len ? realloc(r->text, r->len + len + 1) : NULL;
    (void)t;
    if (!text) {
        return TENON_LIMIT;
    }
    memcpy(text + r->len, data, len);
    r->text = text;
    r->len += len;
    text[r->len] = '\0';
    return TENON_OK;
}

static void end(request *r, tenon_status status)
{
    const char *head = r->text ? strstr(r->text, "\r\n\r\n") : NULL;
    if (head) {
        (void)tenon_future_try_resolve(r->page, strdup(head + 4), free);
    } else {
        tenon_error *error = tenon_error_of(status, "no page");
        (void)tenon_future_try_fail(r->page, error);
        tenon_error_unref(error);
    }
    tenon_future_unref(r->page);
    free(r->text);
    free(r);
}

static tenon_status connection_lost(void *self, tenon_transport *t,
                                    const tenon_error *error)
{
    (void)t;
    end(self, error ? tenon_error_status(error) : TENON_PROTOCOL);
    return TENON_OK;
}

static void on_connected(tenon_connector *connector, tenon_transport *t,
                         const tenon_error *error, void *user)
{
    (void)connector;
    (void)t;
    if (error) {
        end(user, tenon_error_status(error));
    }
}

static const tenon_protocol_ops ops = {.size = sizeof ops,
                                       .connection_made = connection_made,
                                       .data_received = data_received,
                                       .connection_lost = connection_lost};

tenon_future *fetch_page(tenon_reactor *reactor, const char *address,
                         const char *path)
{
    request *r = calloc(1, sizeof *r);
    tenon_future *page = NULL;
    const tenon_connect_options options = {
        .size = sizeof options, .on_connected = on_connected, .user = r};
    tenon_factory factory = {.shared = {&ops, r}};
    if (r && tenon_future_new(reactor, &r->page) == TENON_OK) {
        r->path = path;
        page = tenon_future_ref(r->page);
        tenon_status status =
            tenon_connector_start(reactor, NULL, address, factory, &options);
        if (status < 0) {
            end(r, status);
        }
        return page;
    }
    free(r);
    return NULL;
}
