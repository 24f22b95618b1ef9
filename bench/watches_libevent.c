/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/* libevent's side of the watch bench. */
#include "watches.h"

#if BENCH_HAVE_LIBEVENT
#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdlib.h>

static bench_watches *load;

static void on_ready(int fd, short events, void *user)
{
    (void)fd;
    (void)events;
    (void)user;
    load->called++;
}

static int run(double *out)
{
    struct event_base *base = event_base_new();
    struct event *watches = calloc(BENCH_WATCHES, sizeof *watches);
    load = bench_watches_begin();
    if (!base || !watches || !load) {
        return 1;
    }
    bench_watches_start(load);
    for (size_t i = 0; i < BENCH_WATCHES; i++) {
        event_assign(&watches[i], base, load->fds[i], EV_READ | EV_PERSIST,
                     on_ready, NULL);
        event_add(&watches[i], NULL);
    }
    bench_watches_made(load);
    while (!bench_watches_all_called(load)) {
        event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
    }
    bench_watches_called(load);
    for (size_t i = 0; i < BENCH_WATCHES; i++) {
        event_del(&watches[i]);
    }
    int failed = bench_watches_end(load, out);
    event_base_free(base);
    free(watches);
    return failed;
}

const bench_side bench_watches_libevent = {"libevent", run};
#endif
