/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/* The window: a page to host or join a chat, and the chat. */

#ifndef EXAMPLE_WINDOW_H
#define EXAMPLE_WINDOW_H

#include <gtk/gtk.h>

#include <tenon/tenon.h>

typedef struct window_options {
    const char *name;   /* of the user */
    const char *host;   /* an address to host at, or NULL */
    const char *join;   /* an address to join, or NULL */
    const char *folder; /* where fetched files go */
} window_options;

/* It ends with its window, and with it whatever it does in the reactor. */
void window_open(GtkApplication *application, tenon_reactor *reactor,
                 const window_options *options);

#endif
