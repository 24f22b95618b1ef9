/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Fetches a page, and prints it.
 */

#include "page.h"

static int print(tenon_future *page)
{
    void *body = NULL;
    char text[500];
    if (tenon_future_value(page, &body) == TENON_OK) {
        (void)fputs(body, stdout);
        return 0;
    }
    (void)tenon_error_format(tenon_future_error(page), text, sizeof text);
    (void)fprintf(stderr, "%s\n", text);
    return 1;
}

int main(int argc, char **argv)
{
    tenon_reactor *reactor;
    if (argc != 3 || tenon_reactor_new(&reactor, NULL) < 0) {
        (void)fprintf(stderr, "usage: %s ADDRESS PATH\n", argv[0]);
        return 2;
    }
    tenon_future *page = fetch_page(reactor, argv[1], argv[2]);
    int code = 1;
    if (page) {
        (void)!tenon_run_until(reactor, page, 10 * TENON_SECOND);
        code = print(page);
    }
    tenon_future_unref(page);
    tenon_reactor_close(reactor);
    tenon_reactor_unref(reactor);
    return code;
}
