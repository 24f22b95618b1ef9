/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * A chat server on lines. The first line is one's name; each line after it
 * goes to everybody else, "/who" lists them, "/quit" leaves. Who does not read
 * is dropped before the memory grows, who says nothing for an hour too.
 */

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tenon/line.h>
#include <tenon/tenon.h>

enum { NAME_MAX_LEN = 20, LINE_MAX_LEN = 1000, QUEUE_MAX = 1 << 20 };

typedef struct guest {
    tenon_line line;
    struct guest *next;
    char name[NAME_MAX_LEN + 1]; /* "": did not say */
} guest;

static guest *guests;

/* ---- saying something ---- */

static void say(guest *to, const char *text)
{
    tenon_transport *transport = tenon_line_transport(&to->line);
    if (tenon_transport_write_queue_len(transport) > QUEUE_MAX) {
        tenon_transport_abort(transport);
        return;
    }
    (void)tenon_line_send(&to->line, text, strlen(text)); /* it may be gone */
}

static void say_to_others(const guest *from, const char *text)
{
    for (guest *to = guests; to; to = to->next) {
        if (to != from && to->name[0]) {
            say(to, text);
        }
    }
}

static void say_who(guest *to)
{
    for (const guest *one = guests; one; one = one->next) {
        if (one->name[0]) {
            say(to, one->name);
        }
    }
}

/* ---- a guest ---- */

static bool is_free(const char *name, size_t len)
{
    for (const guest *one = guests; one; one = one->next) {
        if (strlen(one->name) == len && memcmp(one->name, name, len) == 0) {
            return false;
        }
    }
    return true;
}

static bool is_printable(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char byte = (unsigned char)text[i];
        if (byte < ' ' || byte == 127) {
            return false;
        }
    }
    return true;
}

static void introduce(guest *who, const char *name, size_t len)
{
    char text[NAME_MAX_LEN + 20];
    if (len == 0 || len > NAME_MAX_LEN || !is_printable(name, len)) {
        say(who, "* a name of 1 to 20 letters, please");
    } else if (!is_free(name, len)) {
        say(who, "* somebody has that name");
    } else {
        memcpy(who->name, name, len);
        (void)snprintf(text, sizeof text, "* %s is here", who->name);
        say_to_others(who, text);
        say(who, "* welcome");
    }
}

static tenon_status on_line(void *self, tenon_line *line, const char *text,
                            size_t len)
{
    guest *who = self;
    char said[NAME_MAX_LEN + LINE_MAX_LEN + 4];
    if (!who->name[0]) {
        introduce(who, text, len);
    } else if (len == 5 && memcmp(text, "/quit", 5) == 0) {
        return tenon_transport_close(tenon_line_transport(line));
    } else if (len == 4 && memcmp(text, "/who", 4) == 0) {
        say_who(who);
    } else if (is_printable(text, len)) {
        (void)snprintf(said, sizeof said, "%s: %.*s", who->name, (int)len,
                       text);
        say_to_others(who, said);
    }
    return TENON_OK;
}

static tenon_status on_long(void *self, tenon_line *line, const char *text,
                            size_t len)
{
    (void)line;
    (void)text;
    (void)len;
    say(self, "* too long");
    return TENON_KEEP_OPEN;
}

static tenon_status on_made(void *self, tenon_line *line)
{
    tenon_transport *transport = tenon_line_transport(line);
    say(self, "* your name?");
    return tenon_transport_set_idle_timeout(transport, 3600 * TENON_SECOND);
}

static tenon_status on_lost(void *self, tenon_line *line,
                            const tenon_error *error)
{
    guest *who = self;
    char text[NAME_MAX_LEN + 20];
    (void)line;
    (void)error;
    guest **link = &guests;
    while (*link != who) {
        link = &(*link)->next;
    }
    *link = who->next;
    if (who->name[0]) {
        (void)snprintf(text, sizeof text, "* %s left", who->name);
        say_to_others(who, text);
    }
    free(who);
    return TENON_OK;
}

static const tenon_line_ops guest_ops = {
    .size = sizeof guest_ops,
    .name = "chat",
    .connection_made = on_made,
    .line_received = on_line,
    .line_length_exceeded = on_long,
    .connection_lost = on_lost,
};

static tenon_status new_guest(void *user, tenon_transport *transport,
                              tenon_protocol *out)
{
    static const tenon_line_options options = {.size = sizeof options,
                                               .delimiter = "\n",
                                               .delimiter_len = 1,
                                               .max_len = LINE_MAX_LEN};
    (void)user;
    (void)transport;
    guest *who = calloc(1, sizeof *who);
    if (!who) {
        return TENON_NO_MEMORY;
    }
    tenon_status status =
        tenon_line_init(&who->line, &guest_ops, who, &options);
    if (status < 0) {
        free(who);
        return status;
    }
    who->next = guests;
    guests = who;
    *out = tenon_line_protocol(&who->line);
    return TENON_OK;
}

/* ---- the program ---- */

static int fail(const char *what, tenon_status status)
{
    (void)fprintf(stderr, "chat: %s: %s (%s)\n", what,
                  tenon_status_text(status), tenon_status_name(status));
    return 1;
}

static void on_signal(void *user)
{
    tenon_stop(user);
}

static tenon_status serve(tenon_reactor *reactor, const char *address)
{
    tenon_listener *listener;
    tenon_address bound;
    char text[TENON_ADDRESS_TEXT_LEN];
    tenon_status status =
        tenon_add_signal_handler(reactor, SIGTERM, on_signal, reactor);
    if (status >= 0) {
        status = tenon_add_signal_handler(reactor, SIGINT, on_signal, reactor);
    }
    if (status >= 0) {
        status = tenon_listen(reactor, &listener, address,
                              tenon_factory_with(new_guest, NULL), NULL);
    }
    if (status < 0) {
        return status;
    }
    (void)tenon_listener_address(listener, &bound);
    tenon_address_format(&bound, text, sizeof text);
    printf("chat at %s\n", text);
    (void)fflush(stdout);
    tenon_listener_unref(listener); /* the reactor keeps it */
    return tenon_run(reactor);
}

int main(int argc, char **argv)
{
    tenon_reactor *reactor;
    if (argc != 2) {
        (void)fprintf(stderr, "usage: %s tcp:HERE:PORT\n",
                      argc > 0 ? argv[0] : "chat");
        return 2;
    }
    tenon_status status = tenon_reactor_new(&reactor, NULL);
    if (status < 0) {
        return fail("no reactor", status);
    }
    status = serve(reactor, argv[1]);
    for (guest *one = guests; one; one = one->next) {
        tenon_transport_abort(tenon_line_transport(&one->line));
    }
    tenon_reactor_close(reactor);
    tenon_reactor_unref(reactor);
    return status < 0 ? fail(argv[1], status) : 0;
}
