/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Fetch a page: the same function, written in four ways.
 */

#ifndef TENON_EXAMPLES_PAGE_H
#define TENON_EXAMPLES_PAGE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tenon/tenon.h>

enum { PAGE_MAX = 1 << 20 };

/** A future of the body, a string that free() takes. `address` is an endpoint
 *  such as "tcp:127.0.0.1:80", `path` begins with a slash; both must stay. */
tenon_future *fetch_page(tenon_reactor *reactor, const char *address,
                         const char *path);

/** For those that speak HTTP themselves: the request, to be freed. */
static inline char *page_request(const char *path)
{
    static const char form[] = "GET %s HTTP/1.0\r\n\r\n";
    char *text = malloc(sizeof form + strlen(path));
    if (text) {
        (void)sprintf(text, form, path);
    }
    return text;
}

/** The same for the body: a string of these bytes. */
static inline char *page_text(const void *bytes, size_t len)
{
    char *text = malloc(len + 1);
    if (text) {
        memcpy(text, bytes, len);
        text[len] = '\0';
    }
    return text;
}

#endif
