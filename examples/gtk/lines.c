/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

#include "lines.h"

#include "log.h"

enum { LINES_MAX = 300, NEAR_THE_END = 4 };

struct lines {
    GtkWidget *scrolled;
    GtkWidget *list;
    GtkAdjustment *position;
    GtkWidget *last;
    guint last_place; /* its tick callback, for the log; 0: none */
    int count;
    bool follow;
    bool moving; /* before the next layout */
};

/* ---- following the end ---- */

static gboolean move_to_end(GtkWidget *list, GdkFrameClock *clock, void *user)
{
    lines *self = user;
    (void)list;
    (void)clock;
    self->moving = false;
    gtk_adjustment_set_value(self->position,
                             gtk_adjustment_get_upper(self->position));
    return G_SOURCE_REMOVE;
}

/* Called in the middle of a layout, in which moving would be forgotten. */
static void on_grown(GtkAdjustment *position, void *user)
{
    lines *self = user;
    (void)position;
    if (self->follow && !self->moving) {
        self->moving = true;
        gtk_widget_add_tick_callback(self->list, move_to_end, self, NULL);
    }
}

static void on_moved(GtkAdjustment *position, void *user)
{
    lines *self = user;
    bool at_end = gtk_adjustment_get_value(position) +
                      gtk_adjustment_get_page_size(position) >=
                  gtk_adjustment_get_upper(position) - NEAR_THE_END;
    if (at_end != self->follow && !self->moving) {
        self->follow = at_end;
        log_line("follow %d", at_end);
    }
}

/* ---- a line ---- */

/* The name of who speaks in bold, news in italics. */
static char *markup_of(const char *text)
{
    const char *colon = strstr(text, ": ");
    if (text[0] == '*') {
        return g_markup_printf_escaped("<i>%s</i>",
                                       text + (text[1] == ' ' ? 2 : 1));
    }
    if (!colon) {
        return g_markup_escape_text(text, -1);
    }
    char *name = g_strndup(text, (gsize)(colon - text));
    char *markup = g_markup_printf_escaped("<b>%s</b>  %s", name, colon + 2);
    g_free(name);
    return markup;
}

static GtkWidget *row_new(const char *text)
{
    char *markup = markup_of(text);
    GtkWidget *label = gtk_label_new(NULL);
    gtk_label_set_markup(GTK_LABEL(label), markup);
    gtk_label_set_wrap(GTK_LABEL(label), TRUE);
    gtk_label_set_wrap_mode(GTK_LABEL(label), PANGO_WRAP_WORD_CHAR);
    gtk_label_set_xalign(GTK_LABEL(label), 0);
    gtk_label_set_selectable(GTK_LABEL(label), TRUE);
    gtk_widget_set_can_focus(label, FALSE);
    if (text[0] == '*') {
        gtk_widget_add_css_class(label, "dim-label");
    }
    g_free(markup);
    GtkWidget *row = gtk_list_box_row_new();
    gtk_list_box_row_set_child(GTK_LIST_BOX_ROW(row), label);
    gtk_list_box_row_set_activatable(GTK_LIST_BOX_ROW(row), FALSE);
    return row;
}

/* ---- public ---- */

lines *lines_new(void)
{
    lines *self = g_new0(lines, 1);
    self->follow = true;
    self->list = gtk_list_box_new();
    gtk_list_box_set_selection_mode(GTK_LIST_BOX(self->list),
                                    GTK_SELECTION_NONE);
    gtk_widget_add_css_class(self->list, "lines");
    self->scrolled = gtk_scrolled_window_new();
    gtk_scrolled_window_set_policy(GTK_SCROLLED_WINDOW(self->scrolled),
                                   GTK_POLICY_NEVER, GTK_POLICY_AUTOMATIC);
    gtk_scrolled_window_set_has_frame(GTK_SCROLLED_WINDOW(self->scrolled),
                                      TRUE);
    gtk_scrolled_window_set_child(GTK_SCROLLED_WINDOW(self->scrolled),
                                  self->list);
    gtk_widget_set_vexpand(self->scrolled, TRUE);
    log_place("lines", self->scrolled);
    self->position = g_object_ref(gtk_scrolled_window_get_vadjustment(
        GTK_SCROLLED_WINDOW(self->scrolled)));
    g_signal_connect(self->position, "changed", G_CALLBACK(on_grown), self);
    g_signal_connect(self->position, "value-changed", G_CALLBACK(on_moved),
                     self);
    return self;
}

GtkWidget *lines_widget(lines *self)
{
    return self->scrolled;
}

void lines_add(lines *self, const char *text)
{
    char *valid = g_utf8_make_valid(text, -1);
    GtkWidget *row = row_new(valid);
    gtk_list_box_append(GTK_LIST_BOX(self->list), row);
    g_free(valid);
    if (self->last_place != 0) {
        gtk_widget_remove_tick_callback(self->last, self->last_place);
    }
    self->last = row;
    self->last_place = log_place("last", row);
    if (++self->count > LINES_MAX) {
        GtkListBoxRow *first =
            gtk_list_box_get_row_at_index(GTK_LIST_BOX(self->list), 0);
        gtk_list_box_remove(GTK_LIST_BOX(self->list), GTK_WIDGET(first));
        self->count--;
    }
}

void lines_free(lines *self)
{
    g_signal_handlers_disconnect_by_data(self->position, self);
    g_object_unref(self->position);
    g_free(self);
}
