/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

#include "dialog.h"

#include "log.h"

static GtkWidget *label_new(const char *text, const char *css_class)
{
    GtkWidget *label = gtk_label_new(text);
    gtk_label_set_wrap(GTK_LABEL(label), TRUE);
    gtk_label_set_wrap_mode(GTK_LABEL(label), PANGO_WRAP_WORD_CHAR);
    gtk_label_set_xalign(GTK_LABEL(label), 0);
    gtk_label_set_max_width_chars(GTK_LABEL(label), 44);
    gtk_label_set_selectable(GTK_LABEL(label), TRUE);
    gtk_widget_set_can_focus(label, FALSE);
    gtk_widget_add_css_class(label, css_class);
    return label;
}

static void on_destroyed(GtkWidget *dialog, void *user)
{
    (void)dialog;
    log_line("dialog closed %s", (const char *)user);
}

static void free_title(void *title, GClosure *closure)
{
    (void)closure;
    g_free(title);
}

static GtkWidget *dialog_new(GtkWindow *parent, const char *title,
                             const char *text, const char *detail)
{
    GtkWidget *dialog = gtk_window_new();
    GtkWidget *box = gtk_box_new(GTK_ORIENTATION_VERTICAL, 12);
    GtkWidget *close = gtk_button_new_with_label("Close");
    gtk_window_set_title(GTK_WINDOW(dialog), title);
    gtk_window_set_titlebar(GTK_WINDOW(dialog), gtk_header_bar_new());
    gtk_window_set_transient_for(GTK_WINDOW(dialog), parent);
    gtk_window_set_modal(GTK_WINDOW(dialog), TRUE);
    gtk_window_set_destroy_with_parent(GTK_WINDOW(dialog), TRUE);
    gtk_window_set_resizable(GTK_WINDOW(dialog), FALSE);
    gtk_widget_add_css_class(box, "page");
    gtk_widget_set_size_request(box, 380, -1);
    gtk_widget_set_halign(close, GTK_ALIGN_END);
    gtk_box_append(GTK_BOX(box), label_new(text, "title-4"));
    gtk_box_append(GTK_BOX(box), label_new(detail, "monospace"));
    gtk_box_append(GTK_BOX(box), close);
    gtk_window_set_child(GTK_WINDOW(dialog), box);
    gtk_window_set_default_widget(GTK_WINDOW(dialog), close);
    g_signal_connect_swapped(close, "clicked", G_CALLBACK(gtk_window_close),
                             dialog);
    g_signal_connect_data(dialog, "destroy", G_CALLBACK(on_destroyed),
                          g_strdup(title), free_title, (GConnectFlags)0);
    log_place("close", close);
    log_line("dialog open %s", title);
    gtk_window_present(GTK_WINDOW(dialog));
    return dialog;
}

void dialog_show(GtkWindow *parent, const char *title, const char *text,
                 const char *detail)
{
    (void)dialog_new(parent, title, text, detail);
}

void dialog_run(GtkWindow *parent, const char *title, const char *text,
                const char *detail)
{
    GMainLoop *loop = g_main_loop_new(NULL, FALSE);
    GtkWidget *dialog = dialog_new(parent, title, text, detail);
    g_signal_connect_swapped(dialog, "destroy", G_CALLBACK(g_main_loop_quit),
                             loop);
    g_main_loop_run(loop);
    g_main_loop_unref(loop);
}
