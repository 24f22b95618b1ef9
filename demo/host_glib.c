/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * A place on a GMainContext of its own. GLib's loops run until told to quit,
 * so this one asks the reactor whether there is anything left to do.
 */

#include <glib.h>

#include <tenon/glib.h>

#include "place.h"

static tenon_status run(demo_place *place)
{
    GMainContext *context = g_main_context_new();
    tenon_reactor *reactor;
    tenon_status status = tenon_glib_attach(context, &reactor, NULL);
    if (status >= 0) {
        status = place_open(place, reactor);
        while (status >= 0 && tenon_reactor_alive(reactor)) {
            g_main_context_iteration(context, TRUE);
        }
        tenon_reactor_close(reactor);
        tenon_reactor_unref(reactor);
    }
    g_main_context_unref(context);
    return status;
}

const demo_host demo_glib = {"glib", run};
