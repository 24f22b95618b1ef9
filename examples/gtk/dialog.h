/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Two modal dialogs: one that is shown and left to itself, and one that runs
 * the main loop until it is answered, as gtk_dialog_run did. The second is
 * called from callbacks of the reactor: while it is open everything goes on
 * but that one callback.
 */

#ifndef EXAMPLE_DIALOG_H
#define EXAMPLE_DIALOG_H

#include <gtk/gtk.h>

void dialog_show(GtkWindow *parent, const char *title, const char *text,
                 const char *detail);
/* Returns when it was closed, or its parent went. */
void dialog_run(GtkWindow *parent, const char *title, const char *text,
                const char *detail);

#endif
