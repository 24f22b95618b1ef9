/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/* Tenon on glib: the same echo, run by the host's own loop. */
#include "bench.h"

#if BENCH_HAVE_GLIB && __has_include(<tenon/glib.h>)
#include <glib.h>
#include <tenon/glib.h>

#include "srv_tenon.h"

static int run(int listen_fd, const bench_options *options)
{
    tenon_reactor *reactor;
    (void)options;
    GMainLoop *loop = g_main_loop_new(NULL, FALSE);
    if (tenon_glib_attach(NULL, &reactor, NULL) < 0 ||
        bench_tenon_listen(reactor, listen_fd) != 0) {
        return 1;
    }
    g_main_loop_run(loop);
    return 0;
}

const bench_server bench_srv_tenon_glib = {"tenon", "glib", "tenon", run};
#endif
