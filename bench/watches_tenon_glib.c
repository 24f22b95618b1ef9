/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/* Our side of the watch bench on glib. */
#include "bench.h"

#if BENCH_HAVE_GLIB && __has_include(<tenon/glib.h>)
#include <tenon/glib.h>

#include "watches_tenon.h"

static int run(double *out)
{
    tenon_reactor *reactor = NULL;
    tenon_status status = tenon_glib_new(&reactor, NULL);
    return bench_watches_tenon(status, reactor, out);
}

const bench_side bench_watches_tenon_glib = {"tenon, glib", run};
#endif
