/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * A chat: a task for each guest, who says his name and then whatever he likes.
 * `chat ADDRESS`; guests come by telnet, or by `nc`.
 */

#include <string.h>

#include "tasks.h"

enum { GUESTS = 100, NAME = 20 };

static tenon_stream *guests[GUESTS];

static void say_to_all(const char *who, const char *what, size_t len)
{
    for (int i = 0; i < GUESTS; i++) {
        if (guests[i]) { /* one who does not listen is lost, at his limit */
            (void)tenon_stream_write(guests[i], who, strlen(who));
            (void)tenon_stream_write(guests[i], what, len);
            (void)tenon_stream_write(guests[i], "\n", 1);
        }
    }
}

static tenon_status talk(tenon_stream *s, const char *name)
{
    tenon_bytes line;
    for (;;) {
        TENON_TRY(tenon_stream_read_line(s, &line));
        say_to_all(name, line.data, line.len);
    }
}

static tenon_status welcome(tenon_stream *s, void *user)
{
    tenon_bytes line;
    char name[NAME + 3];
    int seat = 0;
    (void)user;
    TENON_TRY(tenon_stream_send(s, "your name?\n", 11));
    TENON_TRY(tenon_stream_read_line(s, &line));
    (void)snprintf(name, sizeof name,
                   "%.*s: ", (int)(line.len < NAME ? line.len : NAME),
                   (const char *)line.data);
    while (seat < GUESTS && guests[seat]) {
        seat++;
    }
    if (seat == GUESTS) {
        return tenon_stream_send(s, "no seat is free\n", 16);
    }
    guests[seat] = s; /* ours until this function returns */
    say_to_all(name, "is here", 7);
    tenon_status status = talk(s, name);
    guests[seat] = NULL;
    say_to_all(name, "left", 4);
    return status;
}

int main(int argc, char **argv)
{
    tenon_reactor *reactor;
    tenon_listener *listener;
    tenon_address at;
    char text[TENON_ADDRESS_TEXT_LEN];
    if (tenon_reactor_new(&reactor, NULL) < 0 ||
        tenon_serve(reactor, &listener, argc > 1 ? argv[1] : "tcp:127.0.0.1:0",
                    welcome, NULL, NULL) < 0 ||
        tenon_listener_address(listener, &at) < 0) {
        return 1;
    }
    tenon_address_format(&at, text, sizeof text);
    printf("chat at %s\n", text);
    (void)fflush(stdout);
    return tenon_run(reactor) < 0;
}
