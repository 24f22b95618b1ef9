/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/* GLib with one GSource per descriptor (g_source_add_unix_fd, the modern
 * form: no prepare, no check), as libraries are glued to a GMainContext.
 *
 * GLib takes a source out of its poll set while it is dispatched and puts it
 * back after, which wakes the loop: an eventfd write and read and a second
 * iteration, for each batch. That is what g_unix_fd_source_new gives, and
 * what everybody has: `native-fd`. A source that says it can recurse is left
 * where it is, and is a fifth cheaper: `native-fd-recurse`, for the reader
 * who knows that. */
#include "bench.h"

#if BENCH_HAVE_GLIB
#include <gio/gio.h>

typedef struct watch {
    GSource base; /* first: GLib allocates the whole by its size */
    gpointer tag;
    bench_conn io; /* of the listener, only the descriptor */
    int watched;
} watch;

static gboolean can_recurse = FALSE;

static watch *watch_new(GSourceFuncs *funcs, int fd)
{
    GSource *source = g_source_new(funcs, sizeof(watch));
    watch *w = (watch *)source;
    w->io.fd = fd;
    w->watched = BENCH_READ;
    w->tag = g_source_add_unix_fd(source, fd, G_IO_IN);
    g_source_set_can_recurse(source, can_recurse);
    (void)g_source_attach(source, NULL);
    return w;
}

static gboolean on_ready(GSource *source, GSourceFunc fn, gpointer user)
{
    watch *w = (watch *)source;
    int want = bench_conn_serve(&w->io);
    (void)fn;
    (void)user;
    if (want < 0) {
        return G_SOURCE_REMOVE;
    }
    if (want != w->watched) {
        w->watched = want;
        g_source_modify_unix_fd(source, w->tag,
                                want == BENCH_READ ? G_IO_IN : G_IO_OUT);
    }
    return G_SOURCE_CONTINUE;
}

static void on_removed(GSource *source)
{
    bench_conn_fini(&((watch *)source)->io);
}

static GSourceFuncs conn_funcs = {.dispatch = on_ready, .finalize = on_removed};

static gboolean on_listener(GSource *source, GSourceFunc fn, gpointer user)
{
    (void)fn;
    (void)user;
    for (int fd; (fd = bench_conn_accept(((watch *)source)->io.fd)) >= 0;) {
        g_source_unref(&watch_new(&conn_funcs, fd)->base);
    }
    return G_SOURCE_CONTINUE;
}

static GSourceFuncs listener_funcs = {.dispatch = on_listener};

static int run(int listen_fd, const bench_options *options)
{
    (void)options;
    (void)watch_new(&listener_funcs, listen_fd);
    g_main_loop_run(g_main_loop_new(NULL, FALSE));
    return 1;
}

static int run_recursive(int listen_fd, const bench_options *options)
{
    can_recurse = TRUE;
    return run(listen_fd, options);
}

const bench_server bench_srv_gsource_recurse = {
    "GSource, can_recurse", "glib", "native-fd-recurse", run_recursive};
const bench_server bench_srv_gsource = {"GSource", "glib", "native-fd", run};
#endif
