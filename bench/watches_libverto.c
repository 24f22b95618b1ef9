/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/* libverto's side of the watch bench, over libev. */
#include "watches.h"

#if BENCH_HAVE_VERTO
#include <stdlib.h>
#include <verto.h>

static bench_watches *load;

static void on_ready(verto_ctx *context, verto_ev *watch)
{
    (void)context;
    (void)watch;
    load->called++;
}

static int run(double *out)
{
    verto_ctx *context = verto_new("libev", VERTO_EV_TYPE_IO);
    verto_ev **watches = calloc(BENCH_WATCHES, sizeof(verto_ev *));
    load = bench_watches_begin();
    if (!context || !watches || !load) {
        return 1;
    }
    bench_watches_start(load);
    for (size_t i = 0; i < BENCH_WATCHES; i++) {
        watches[i] =
            verto_add_io(context, VERTO_EV_FLAG_PERSIST | VERTO_EV_FLAG_IO_READ,
                         on_ready, load->fds[i]);
    }
    bench_watches_made(load);
    while (!bench_watches_all_called(load)) {
        verto_run_once(context);
    }
    bench_watches_called(load);
    for (size_t i = 0; i < BENCH_WATCHES; i++) {
        verto_del(watches[i]);
    }
    int failed = bench_watches_end(load, out);
    verto_free(context);
    free(watches);
    return failed;
}

const bench_side bench_watches_libverto = {"libverto over libev", run};
#endif
