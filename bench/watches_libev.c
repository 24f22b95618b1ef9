/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/* libev's side of the watch bench. It exports libevent's functions, too (its
 * event.h), so it must not be linked into a program that uses libevent: it is
 * loaded where nobody else sees it. */
#include "watches.h"

#if __has_include(<ev.h>)
#include <dlfcn.h>
#include <stdlib.h>

/* Its header is older than some of the warnings that are errors here. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
#pragma GCC diagnostic ignored "-Wstrict-prototypes"
#include <ev.h>
#pragma GCC diagnostic pop

static struct {
    struct ev_loop *(*loop_new)(unsigned flags);
    void (*loop_destroy)(struct ev_loop *loop);
    void (*io_start)(struct ev_loop *loop, ev_io *watch);
    void (*io_stop)(struct ev_loop *loop, ev_io *watch);
    int (*run)(struct ev_loop *loop, int flags);
} ev;

static bench_watches *load;

static void *find(void *library, const char *name)
{
    return library ? dlsym(library, name) : NULL;
}

static bool load_library(void)
{
    void *library = dlopen("libev.so.4", RTLD_NOW | RTLD_LOCAL);
    *(void **)&ev.loop_new = find(library, "ev_loop_new");
    *(void **)&ev.loop_destroy = find(library, "ev_loop_destroy");
    *(void **)&ev.io_start = find(library, "ev_io_start");
    *(void **)&ev.io_stop = find(library, "ev_io_stop");
    *(void **)&ev.run = find(library, "ev_run");
    return ev.loop_new && ev.loop_destroy && ev.io_start && ev.io_stop &&
           ev.run;
}

static void on_ready(struct ev_loop *loop, ev_io *watch, int events)
{
    (void)loop;
    (void)watch;
    (void)events;
    load->called++;
}

static int run(double *out)
{
    struct ev_loop *loop = load_library() ? ev.loop_new(EVBACKEND_EPOLL) : NULL;
    ev_io *watches = calloc(BENCH_WATCHES, sizeof *watches);
    load = bench_watches_begin();
    if (!loop || !watches || !load) {
        return 1;
    }
    bench_watches_start(load);
    for (size_t i = 0; i < BENCH_WATCHES; i++) {
        ev_io_init(&watches[i], on_ready, load->fds[i], EV_READ);
        ev.io_start(loop, &watches[i]);
    }
    bench_watches_made(load);
    while (!bench_watches_all_called(load)) {
        ev.run(loop, EVRUN_NOWAIT);
    }
    bench_watches_called(load);
    for (size_t i = 0; i < BENCH_WATCHES; i++) {
        ev.io_stop(loop, &watches[i]);
    }
    int failed = bench_watches_end(load, out);
    ev.loop_destroy(loop);
    free(watches);
    return failed;
}

const bench_side bench_watches_libev = {"libev", run};
#endif
