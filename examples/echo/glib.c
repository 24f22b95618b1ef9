/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/* The echo server in a GLib program: a GTK one would look the same. */

#include <glib.h>

#include <tenon/glib.h>

#include "echo.h"

static void quit(void *user)
{
    g_main_loop_quit(user);
}

int main(int argc, char **argv)
{
    GMainLoop *loop = g_main_loop_new(NULL, FALSE);
    tenon_reactor_options ours = {.size = sizeof ours};
    ours.on_closed = quit;
    ours.on_closed_user = loop;
    tenon_glib_options options = {.size = sizeof options, .reactor = &ours};
    tenon_reactor *reactor;
    tenon_status status = tenon_glib_attach(NULL, &reactor, &options);
    if (status < 0) {
        return echo_no_reactor(status);
    }
    int result = echo_start(reactor, argc, argv);
    if (result == 0) {
        g_main_loop_run(loop); /* GLib's loops end when told to */
    }
    tenon_reactor_unref(reactor);
    g_main_loop_unref(loop);
    return result;
}
