/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/* GLib's side of the watch bench. */
#include "watches.h"

#if BENCH_HAVE_GLIB
#include <glib-unix.h>
#include <glib.h>
#include <stdlib.h>

static bench_watches *load;

static gboolean on_ready(gint fd, GIOCondition condition, gpointer user)
{
    (void)fd;
    (void)condition;
    (void)user;
    load->called++;
    return G_SOURCE_CONTINUE;
}

static int run(double *out)
{
    GMainContext *context = g_main_context_new();
    GSource **watches = calloc(BENCH_WATCHES, sizeof(GSource *));
    load = bench_watches_begin();
    if (!watches || !load) {
        return 1;
    }
    bench_watches_start(load);
    for (size_t i = 0; i < BENCH_WATCHES; i++) {
        watches[i] = g_unix_fd_source_new(load->fds[i], G_IO_IN);
        g_source_set_callback(watches[i], G_SOURCE_FUNC(on_ready), NULL, NULL);
        g_source_attach(watches[i], context);
    }
    bench_watches_made(load);
    while (!bench_watches_all_called(load)) {
        g_main_context_iteration(context, FALSE);
    }
    bench_watches_called(load);
    for (size_t i = 0; i < BENCH_WATCHES; i++) {
        g_source_destroy(watches[i]);
        g_source_unref(watches[i]);
    }
    int failed = bench_watches_end(load, out);
    g_main_context_unref(context);
    free(watches);
    return failed;
}

const bench_side bench_watches_glib = {"GLib", run};
#endif
