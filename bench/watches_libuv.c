/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/* libuv's side of the watch bench. Closing is over when the loop has said so. */
#include "watches.h"

#if BENCH_HAVE_LIBUV
#include <stdlib.h>
#include <uv.h>

static bench_watches *load;

static void on_ready(uv_poll_t *watch, int status, int events)
{
    (void)watch;
    (void)status;
    (void)events;
    load->called++;
}

static int run(double *out)
{
    uv_loop_t loop;
    uv_poll_t *watches = calloc(BENCH_WATCHES, sizeof *watches);
    load = bench_watches_begin();
    if (!watches || !load || uv_loop_init(&loop) != 0) {
        return 1;
    }
    bench_watches_start(load);
    for (size_t i = 0; i < BENCH_WATCHES; i++) {
        uv_poll_init(&loop, &watches[i], load->fds[i]);
        uv_poll_start(&watches[i], UV_READABLE, on_ready);
    }
    bench_watches_made(load);
    while (!bench_watches_all_called(load)) {
        uv_run(&loop, UV_RUN_NOWAIT);
    }
    bench_watches_called(load);
    for (size_t i = 0; i < BENCH_WATCHES; i++) {
        uv_close((uv_handle_t *)&watches[i], NULL);
    }
    uv_run(&loop, UV_RUN_DEFAULT);
    int failed = bench_watches_end(load, out);
    uv_loop_close(&loop);
    free(watches);
    return failed;
}

const bench_side bench_watches_libuv = {"libuv", run};
#endif
