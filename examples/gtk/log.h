/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/* With --log: what happens, a line each on standard output, for scripts that
 * drive the window from outside. Without it, nothing. */

#ifndef EXAMPLE_LOG_H
#define EXAMPLE_LOG_H

#include <gtk/gtk.h>

void log_enable(void);
void log_line(const char *format, ...) G_GNUC_PRINTF(1, 2);
/* "place NAME X Y": the middle of a widget in its window, when that changes, until
 * its tick callback, the result, is removed. */
guint log_place(const char *name, GtkWidget *widget);
/* "frames COUNT MEDIAN_US", once a second. */
void log_frames(GtkWidget *widget);

#endif
