/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/* A list of lines in a scrolled window: the last few hundred, of which the end
 * is shown unless somebody scrolled back. */

#ifndef EXAMPLE_LINES_H
#define EXAMPLE_LINES_H

#include <gtk/gtk.h>

typedef struct lines lines;

lines *lines_new(void);
GtkWidget *lines_widget(lines *self);
/* "name: text" or "* news"; any bytes. */
void lines_add(lines *self, const char *text);
void lines_free(lines *self);

#endif
