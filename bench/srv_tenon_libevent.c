/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/* Tenon on libevent: the same echo, run by the host's own loop. */
#include "bench.h"

#if BENCH_HAVE_LIBEVENT && __has_include(<tenon/libevent.h>)
#include <event2/event.h>
#include <tenon/libevent.h>

#include "srv_tenon.h"

static int run(int listen_fd, const bench_options *options)
{
    tenon_reactor *reactor;
    (void)options;
    struct event_base *base = event_base_new();
    if (!base || tenon_libevent_attach(base, &reactor, NULL) < 0 ||
        bench_tenon_listen(reactor, listen_fd) != 0) {
        return 1;
    }
    return event_base_dispatch(base);
}

const bench_server bench_srv_tenon_libevent = {"tenon", "libevent", "tenon",
                                               run};
#endif
