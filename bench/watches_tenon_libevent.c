/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/* Our side of the watch bench on libevent. */
#include "bench.h"

#if BENCH_HAVE_LIBEVENT && __has_include(<tenon/libevent.h>)
#include <tenon/libevent.h>

#include "watches_tenon.h"

static int run(double *out)
{
    tenon_reactor *reactor = NULL;
    tenon_status status = tenon_libevent_new(&reactor, NULL);
    return bench_watches_tenon(status, reactor, out);
}

const bench_side bench_watches_tenon_libevent = {"tenon, libevent", run};
#endif
