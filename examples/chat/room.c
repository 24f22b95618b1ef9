/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * A chat room on lines. The first line is one's name; each line after it goes
 * to everybody else, "/who" lists them, "/quit" leaves. Who does not read is
 * dropped before the memory grows, who says nothing for an hour too. It names
 * no host: the same file is in a server without a window and in one with.
 */

#include "room.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tenon/line.h>

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

/* ---- the room ---- */

tenon_factory room_factory(void)
{
    return tenon_factory_with(new_guest, NULL);
}

void room_end(void)
{
    for (guest *one = guests; one; one = one->next) {
        tenon_transport_abort(tenon_line_transport(&one->line));
    }
}
