/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/* Our side of the watch bench, and the native one. */
#include "watches_tenon.h"

#include <stdlib.h>

static void on_ready(tenon_watch *watch, uint32_t events, void *user)
{
    (void)watch;
    (void)events;
    ++*(size_t *)user;
}

static int start_all(tenon_watch *watches, tenon_reactor *reactor,
                     bench_watches *load)
{
    int failed = 0;
    for (size_t i = 0; i < BENCH_WATCHES; i++) {
        tenon_watch_init(&watches[i], reactor, load->fds[i]);
        failed |= tenon_watch_start(&watches[i], TENON_READ, on_ready,
                                    &load->called) < 0;
    }
    return failed;
}

int bench_watches_tenon(tenon_status status, tenon_reactor *reactor,
                        double *out)
{
    bench_watches *load = bench_watches_begin();
    tenon_watch *watches = calloc(BENCH_WATCHES, sizeof *watches);
    if (status < 0 || !load || !watches) {
        return 1;
    }
    bench_watches_start(load);
    int failed = start_all(watches, reactor, load);
    bench_watches_made(load);
    while (!failed && !bench_watches_all_called(load)) {
        failed = tenon_run_once(reactor, 0) < 0;
    }
    bench_watches_called(load);
    for (size_t i = 0; i < BENCH_WATCHES; i++) {
        tenon_watch_stop(&watches[i]);
    }
    failed |= bench_watches_end(load, out);
    free(watches);
    tenon_reactor_unref(reactor);
    return failed;
}

static int run(double *out)
{
    tenon_reactor *reactor = NULL;
    tenon_status status = tenon_reactor_new(&reactor, NULL);
    return bench_watches_tenon(status, reactor, out);
}

const bench_side bench_watches_tenon_native = {"tenon, native", run};
