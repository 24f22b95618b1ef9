/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

#include "window.h"

#include <tenon/gio.h>

#include "client.h"
#include "dialog.h"
#include "fetch.h"
#include "lines.h"
#include "log.h"
#include "room.h"

/* Counted: an answer of GIO's may come after the window is gone. */
typedef struct window {
    GtkWidget *widget; /* NULL: gone */
    GtkWidget *title;
    GtkWidget *invite;
    GtkWidget *stack;
    GtkWidget *name;
    GtkWidget *address;
    GtkWidget *trouble;
    GtkWidget *host;
    GtkWidget *join;
    GtkWidget *entry;
    GtkWidget *send;
    GtkWidget *url;
    GtkWidget *fetch;
    GtkWidget *bar;
    lines *lines;
    tenon_reactor *reactor;
    tenon_listener *listener; /* NULL: a guest elsewhere */
    client *client;           /* NULL: not there */
    fetcher *fetcher;
    GCancellable *fetching; /* NULL: nothing is */
    char *at;               /* where others join */
    bool joined;
} window;

static void window_unref(window *self)
{
    g_rc_box_release(self);
}

/* ---- the chat ---- */

static void show_door(window *self, const char *trouble)
{
    gtk_label_set_text(GTK_LABEL(self->trouble), trouble);
    gtk_widget_set_visible(self->trouble, trouble[0] != '\0');
    gtk_widget_set_sensitive(self->host, TRUE);
    gtk_widget_set_sensitive(self->join, TRUE);
    gtk_widget_set_visible(self->invite, FALSE);
    gtk_stack_set_visible_child_name(GTK_STACK(self->stack), "door");
}

static void add_line(window *self, const char *text)
{
    lines_add(self->lines, text);
    log_line("line %s", text);
}

static void on_joined(void *user)
{
    window *self = user;
    char *title = g_strdup_printf(
        "%s at %s", gtk_editable_get_text(GTK_EDITABLE(self->name)), self->at);
    self->joined = true;
    gtk_label_set_text(GTK_LABEL(self->title), title);
    gtk_widget_set_visible(self->invite, TRUE);
    gtk_stack_set_visible_child_name(GTK_STACK(self->stack), "room");
    gtk_widget_set_sensitive(self->entry, TRUE);
    gtk_widget_set_sensitive(self->send, TRUE);
    gtk_widget_grab_focus(self->entry);
    g_free(title);
    log_line("joined");
}

static void leave(window *self)
{
    client *gone = self->client;
    self->client = NULL;
    self->joined = false;
    if (gone) {
        client_leave(gone);
    }
    if (self->listener) {
        tenon_listener_close(self->listener);
        tenon_listener_unref(self->listener);
        self->listener = NULL;
        room_end();
    }
}

static void on_line(const char *text, void *user)
{
    window *self = user;
    if (self->joined) {
        add_line(self, text);
    } else if (!g_str_has_suffix(text, "your name?")) {
        leave(self);
        show_door(self, text); /* what is wrong with the name */
    }
}

static void on_lost(const tenon_error *error, void *user)
{
    window *self = user;
    const char *why = error ? tenon_error_message(error) : "it was closed";
    char *text = g_strdup_printf("* the connection is gone: %s", why);
    self->client = NULL;
    if (self->joined) {
        add_line(self, text);
        gtk_widget_set_sensitive(self->entry, FALSE);
        gtk_widget_set_sensitive(self->send, FALSE);
    } else {
        show_door(self, why);
    }
    g_free(text);
}

static const client_ops ops = {
    .joined = on_joined, .line = on_line, .lost = on_lost};

static void begin_joining(window *self, const char *address)
{
    g_free(self->at);
    self->at = g_strdup(address);
    self->client = client_join(self->reactor, address,
                               gtk_editable_get_text(GTK_EDITABLE(self->name)),
                               &ops, self);
    gtk_widget_set_sensitive(self->host, FALSE);
    gtk_widget_set_sensitive(self->join, FALSE);
}

static void begin_hosting(window *self, const char *address)
{
    tenon_address bound;
    char text[TENON_ADDRESS_TEXT_LEN];
    tenon_status status = tenon_listen(self->reactor, &self->listener, address,
                                       room_factory(), NULL);
    if (status < 0) {
        show_door(self, tenon_status_text(status));
        return;
    }
    (void)tenon_listener_address(self->listener, &bound);
    tenon_address_format(&bound, text, sizeof text);
    log_line("at %s", text);
    begin_joining(self, text);
}

static void on_host(GtkWidget *button, window *self)
{
    (void)button;
    begin_hosting(self, gtk_editable_get_text(GTK_EDITABLE(self->address)));
}

static void on_join(GtkWidget *widget, window *self)
{
    (void)widget;
    if (gtk_widget_get_sensitive(self->join)) {
        begin_joining(self, gtk_editable_get_text(GTK_EDITABLE(self->address)));
    }
}

static void on_send(GtkWidget *widget, window *self)
{
    const char *text = gtk_editable_get_text(GTK_EDITABLE(self->entry));
    (void)widget;
    if (text[0] == '\0' || !self->client ||
        client_say(self->client, text) < 0) {
        return;
    }
    if (text[0] != '/') {
        char *own = g_strdup_printf(
            "%s: %s", gtk_editable_get_text(GTK_EDITABLE(self->name)), text);
        add_line(self, own);
        g_free(own);
    }
    gtk_editable_set_text(GTK_EDITABLE(self->entry), "");
    gtk_widget_grab_focus(self->entry);
}

static void on_invite(GtkWidget *button, window *self)
{
    (void)button;
    dialog_show(GTK_WINDOW(self->widget), "Invite others",
                "Others join this chat at", self->at);
}

/* ---- fetching ---- */

static void show_progress(window *self, double fraction, const char *text)
{
    if (fraction < 0) {
        gtk_progress_bar_pulse(GTK_PROGRESS_BAR(self->bar));
    } else {
        gtk_progress_bar_set_fraction(GTK_PROGRESS_BAR(self->bar), fraction);
    }
    gtk_progress_bar_set_text(GTK_PROGRESS_BAR(self->bar), text);
    log_line("progress %.3f",
             gtk_progress_bar_get_fraction(GTK_PROGRESS_BAR(self->bar)));
}

static void on_progress(double fraction, void *user)
{
    window *self = user;
    show_progress(self, fraction, NULL); /* its own text: per cent */
}

static void end_fetching(window *self, const char *path, const GError *error)
{
    g_clear_object(&self->fetching);
    gtk_button_set_label(GTK_BUTTON(self->fetch), "Fetch");
    if (path) {
        char *text = g_strdup_printf("saved as %s", path);
        show_progress(self, 1, text);
        log_line("%s", text);
        g_free(text);
        return;
    }
    show_progress(self, 0, "nothing was fetched");
    log_line("not fetched: %s", error->message);
    if (!g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED)) {
        dialog_run(GTK_WINDOW(self->widget), "Not fetched",
                   "This could not be fetched.", error->message);
        log_line("went on");
    }
}

/* A GAsyncReadyCallback, as GTK programs have them. */
static void on_fetched(GObject *source, GAsyncResult *result, void *user)
{
    window *self = user;
    void *path = NULL;
    GError *error = NULL;
    (void)source;
    (void)tenon_gio_future_finish(result, &path, NULL, &error);
    if (self->widget) {
        end_fetching(self, path, error);
    }
    g_free(path);
    g_clear_error(&error);
    window_unref(self);
}

static void on_fetch(GtkWidget *widget, window *self)
{
    tenon_future *future = NULL;
    (void)widget;
    if (self->fetching) { /* the button says Cancel */
        g_cancellable_cancel(self->fetching);
        return;
    }
    tenon_status status = fetcher_start(
        self->fetcher, gtk_editable_get_text(GTK_EDITABLE(self->url)),
        on_progress, self, &future);
    if (status < 0) {
        show_progress(self, 0, tenon_status_text(status));
        return;
    }
    self->fetching = g_cancellable_new();
    gtk_button_set_label(GTK_BUTTON(self->fetch), "Cancel");
    show_progress(self, 0, NULL);
    tenon_gio_future_async(future, self->fetching, on_fetched,
                           g_rc_box_acquire(self));
    tenon_future_unref(future);
}

static void on_destroy(GtkWidget *widget, window *self)
{
    (void)widget;
    self->widget = NULL;
    leave(self);
    if (self->fetching) {
        g_cancellable_cancel(self->fetching);
        g_clear_object(&self->fetching);
    }
    fetcher_free(self->fetcher);
    self->fetcher = NULL;
    lines_free(self->lines);
    g_free(self->at);
    window_unref(self);
}

/* ---- widgets ---- */

static GtkWidget *entry_new(const char *hint, const char *text)
{
    GtkWidget *entry = gtk_entry_new();
    gtk_entry_set_placeholder_text(GTK_ENTRY(entry), hint);
    gtk_editable_set_text(GTK_EDITABLE(entry), text);
    gtk_widget_set_hexpand(entry, TRUE);
    return entry;
}

static GtkWidget *button_new(const char *label, GCallback fn, window *self)
{
    GtkWidget *button = gtk_button_new_with_label(label);
    g_signal_connect(button, "clicked", fn, self);
    return button;
}

static GtkWidget *labelled(const char *text, GtkWidget *widget)
{
    GtkWidget *box = gtk_box_new(GTK_ORIENTATION_VERTICAL, 4);
    GtkWidget *label = gtk_label_new(text);
    gtk_label_set_xalign(GTK_LABEL(label), 0);
    gtk_widget_add_css_class(label, "dim-label");
    gtk_box_append(GTK_BOX(box), label);
    gtk_box_append(GTK_BOX(box), widget);
    return box;
}

static GtkWidget *row_new(GtkWidget *first, GtkWidget *second)
{
    GtkWidget *row = gtk_box_new(GTK_ORIENTATION_HORIZONTAL, 6);
    gtk_box_append(GTK_BOX(row), first);
    gtk_box_append(GTK_BOX(row), second);
    return row;
}

static GtkWidget *page_new(void)
{
    GtkWidget *page = gtk_box_new(GTK_ORIENTATION_VERTICAL, 12);
    gtk_widget_add_css_class(page, "page");
    return page;
}

static GtkWidget *door_new(window *self, const char *name)
{
    GtkWidget *page = page_new();
    self->name = entry_new("Your name", name);
    self->address = entry_new("tcp:HOST:PORT", "tcp:127.0.0.1:7000");
    self->host = button_new("Host", G_CALLBACK(on_host), self);
    self->join = button_new("Join", G_CALLBACK(on_join), self);
    self->trouble = gtk_label_new("");
    GtkWidget *buttons = row_new(self->host, self->join);
    gtk_widget_set_halign(buttons, GTK_ALIGN_END);
    gtk_widget_add_css_class(self->join, "suggested-action");
    gtk_widget_add_css_class(self->trouble, "error");
    gtk_label_set_wrap(GTK_LABEL(self->trouble), TRUE);
    gtk_widget_set_visible(self->trouble, FALSE);
    g_signal_connect(self->address, "activate", G_CALLBACK(on_join), self);
    gtk_box_append(GTK_BOX(page), labelled("Your name", self->name));
    gtk_box_append(GTK_BOX(page), labelled("Where", self->address));
    gtk_box_append(GTK_BOX(page), self->trouble);
    gtk_box_append(GTK_BOX(page), buttons);
    gtk_widget_set_size_request(page, 360, -1);
    gtk_widget_set_halign(page, GTK_ALIGN_CENTER);
    gtk_widget_set_valign(page, GTK_ALIGN_CENTER);
    log_place("host", self->host);
    log_place("join", self->join);
    return page;
}

static GtkWidget *room_new(window *self)
{
    GtkWidget *page = page_new();
    self->lines = lines_new();
    self->entry = entry_new("Say something", "");
    self->send = button_new("Send", G_CALLBACK(on_send), self);
    self->url = entry_new("https://...", "");
    self->fetch = button_new("Fetch", G_CALLBACK(on_fetch), self);
    self->bar = gtk_progress_bar_new();
    gtk_widget_add_css_class(self->send, "suggested-action");
    gtk_progress_bar_set_show_text(GTK_PROGRESS_BAR(self->bar), TRUE);
    gtk_progress_bar_set_text(GTK_PROGRESS_BAR(self->bar), "nothing fetched");
    gtk_progress_bar_set_ellipsize(GTK_PROGRESS_BAR(self->bar),
                                   PANGO_ELLIPSIZE_MIDDLE);
    g_signal_connect(self->entry, "activate", G_CALLBACK(on_send), self);
    g_signal_connect(self->url, "activate", G_CALLBACK(on_fetch), self);
    gtk_box_append(GTK_BOX(page), lines_widget(self->lines));
    gtk_box_append(GTK_BOX(page), row_new(self->entry, self->send));
    gtk_box_append(GTK_BOX(page), gtk_separator_new(0));
    gtk_box_append(GTK_BOX(page), row_new(self->url, self->fetch));
    gtk_box_append(GTK_BOX(page), self->bar);
    log_place("entry", self->entry);
    log_place("send", self->send);
    log_place("url", self->url);
    log_place("fetch", self->fetch);
    log_frames(self->bar);
    return page;
}

static GtkWidget *header_new(window *self)
{
    GtkWidget *header = gtk_header_bar_new();
    self->title = gtk_label_new("Chat");
    self->invite = button_new("Invite", G_CALLBACK(on_invite), self);
    gtk_widget_add_css_class(self->title, "title");
    gtk_widget_set_visible(self->invite, FALSE);
    gtk_header_bar_set_title_widget(GTK_HEADER_BAR(header), self->title);
    gtk_header_bar_pack_start(GTK_HEADER_BAR(header), self->invite);
    log_place("invite", self->invite);
    return header;
}

static void style(GtkWidget *widget)
{
    GtkCssProvider *css = gtk_css_provider_new();
    gtk_css_provider_load_from_data(css,
                                    ".page { padding: 12px; }"
                                    ".lines { padding: 6px 0; }"
                                    ".lines row { padding: 3px 10px; }"
                                    ".lines row:hover { background: none; }",
                                    -1);
    gtk_style_context_add_provider_for_display(
        gtk_widget_get_display(widget), GTK_STYLE_PROVIDER(css),
        GTK_STYLE_PROVIDER_PRIORITY_APPLICATION);
    g_object_unref(css);
}

/* ---- public ---- */

void window_open(GtkApplication *application, tenon_reactor *reactor,
                 const window_options *options)
{
    window *self = g_rc_box_new0(window);
    self->reactor = reactor;
    self->widget = gtk_application_window_new(application);
    self->stack = gtk_stack_new();
    gtk_window_set_title(GTK_WINDOW(self->widget), "Chat");
    gtk_window_set_default_size(GTK_WINDOW(self->widget), 640, 480);
    gtk_window_set_titlebar(GTK_WINDOW(self->widget), header_new(self));
    gtk_stack_add_named(GTK_STACK(self->stack), door_new(self, options->name),
                        "door");
    gtk_stack_add_named(GTK_STACK(self->stack), room_new(self), "room");
    gtk_window_set_child(GTK_WINDOW(self->widget), self->stack);
    g_signal_connect(self->widget, "destroy", G_CALLBACK(on_destroy), self);
    style(self->widget);
    tenon_status status = fetcher_new(reactor, options->folder, &self->fetcher);
    gtk_widget_set_sensitive(self->fetch, status >= 0);
    if (options->host) {
        begin_hosting(self, options->host);
    } else if (options->join) {
        begin_joining(self, options->join);
    }
    gtk_window_present(GTK_WINDOW(self->widget));
}
