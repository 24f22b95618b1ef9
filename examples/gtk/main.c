/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * A chat in a GTK window. All of the network is in a reactor that lives in
 * GTK's own main context; the program is a GtkApplication like any other.
 *
 *   example-gtk                              asks whether to host or join
 *   example-gtk --host tcp:*:7000            is a server, and in the chat
 *   example-gtk --join tcp:HOST:7000         joins one, of examples/chat, too
 */

#include <tenon/curl.h>
#include <tenon/gio.h>

#include "log.h"
#include "window.h"

static tenon_reactor *reactor;
static char *host;
static char *join;
static char *name;
static char *folder;
static gboolean logging;

static const GOptionEntry entries[] = {
    {"host", 0, 0, G_OPTION_ARG_STRING, &host, "Host a chat", "ADDRESS"},
    {"join", 0, 0, G_OPTION_ARG_STRING, &join, "Join a chat", "ADDRESS"},
    {"name", 0, 0, G_OPTION_ARG_STRING, &name, "Your name there", "NAME"},
    {"folder", 0, 0, G_OPTION_ARG_FILENAME, &folder, "For what is fetched",
     "FOLDER"},
    {"log", 0, 0, G_OPTION_ARG_NONE, &logging, "Say what happens", NULL},
    {.long_name = NULL}};

static void on_startup(GApplication *application, void *user)
{
    static const char *const close_keys[] = {"<Control>w", NULL};
    /* A callback that shows a dialog is as slow as its user. */
    const tenon_reactor_options inner = {.size = sizeof inner,
                                         .slow_callback_ns = -1};
    const tenon_glib_options options = {.size = sizeof options,
                                        .reactor = &inner};
    (void)user;
    gtk_application_set_accels_for_action(GTK_APPLICATION(application),
                                          "window.close", close_keys);
    tenon_status status = tenon_gio_attach(application, &reactor, &options);
    if (status < 0) {
        g_error("no reactor: %s", tenon_status_text(status));
    }
}

static const char *downloads(void)
{
    const char *known = g_get_user_special_dir(G_USER_DIRECTORY_DOWNLOAD);
    return folder ? folder : known ? known : g_get_home_dir();
}

static void on_activate(GApplication *application, void *user)
{
    const window_options options = {.name = name ? name : g_get_user_name(),
                                    .host = host,
                                    .join = join,
                                    .folder = downloads()};
    (void)user;
    if (logging) {
        log_enable();
    }
    window_open(GTK_APPLICATION(application), reactor, &options);
}

static void on_shutdown(GApplication *application, void *user)
{
    (void)application;
    (void)user;
    tenon_reactor_close(reactor);
    tenon_reactor_unref(reactor);
}

int main(int argc, char **argv)
{
    GtkApplication *application =
        gtk_application_new("org.tenon.Chat", G_APPLICATION_NON_UNIQUE);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    g_application_add_main_option_entries(G_APPLICATION(application), entries);
    g_signal_connect(application, "startup", G_CALLBACK(on_startup), NULL);
    g_signal_connect(application, "activate", G_CALLBACK(on_activate), NULL);
    g_signal_connect(application, "shutdown", G_CALLBACK(on_shutdown), NULL);
    int result = g_application_run(G_APPLICATION(application), argc, argv);
    g_object_unref(application);
    return result;
}
