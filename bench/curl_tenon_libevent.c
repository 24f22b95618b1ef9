/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/* The curl bench on Tenon, parked on libevent. */
#include "bench.h"
#if defined(TENON_HAVE_SHIM_CURL) && defined(TENON_HAVE_TENON_LIBEVENT)
#include <event2/event.h>
#include <tenon/libevent.h>

#include "curl_hosts.h"

static void run(void *base)
{
    event_base_dispatch(base);
}

static int on_libevent(bench_curl_work *work, bench_curl_on_fn *fn)
{
    struct event_base *base = event_base_new();
    tenon_reactor *reactor;
    if (!base || tenon_libevent_attach(base, &reactor, NULL) < 0) {
        return -1;
    }
    return fn(reactor, work, run, base);
}

int bench_curl_driver_libevent(bench_curl_work *work)
{
    return on_libevent(work, bench_curl_drive);
}

int bench_curl_tenon_libevent(bench_curl_work *work)
{
    return on_libevent(work, bench_curl_fetch);
}
#endif
