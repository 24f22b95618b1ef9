/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/* Our side of the watch bench on libuv. */
#include "bench.h"

#if BENCH_HAVE_LIBUV && __has_include(<tenon/libuv.h>)
#include <tenon/libuv.h>

#include "watches_tenon.h"

static int run(double *out)
{
    tenon_reactor *reactor = NULL;
    tenon_status status = tenon_libuv_new(&reactor, NULL);
    return bench_watches_tenon(status, reactor, out);
}

const bench_side bench_watches_tenon_libuv = {"tenon, libuv", run};
#endif
