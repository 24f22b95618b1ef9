/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/* libuv's side of the timer bench. */
#include "timers.h"

#if BENCH_HAVE_LIBUV
#include <stdlib.h>
#include <uv.h>

enum { NEAR_MS = 400 };

static size_t fired;

static void on_timer(uv_timer_t *timer)
{
    (void)timer;
    fired++;
}

static double per_timer(uint64_t from_ns, uint64_t to_ns)
{
    return (double)(to_ns - from_ns) / BENCH_TIMERS;
}

static void cancel_all(uv_timer_t *timers, double *out)
{
    uint32_t state = 1;
    uint64_t start_ns = bench_now_ns();
    for (size_t i = 0; i < BENCH_TIMERS; i++) {
        uv_timer_start(&timers[i], on_timer,
                       100000 + bench_timers_random(&state, 1000000), 0);
    }
    for (size_t i = 0; i < BENCH_TIMERS; i++) {
        uv_timer_stop(&timers[i]);
    }
    *out = per_timer(start_ns, bench_now_ns());
}

static void fire_all(uv_loop_t *loop, uv_timer_t *timers, double *out)
{
    uint32_t state = 2;
    uv_update_time(loop);
    uint64_t start_ns = bench_now_ns();
    for (size_t i = 0; i < BENCH_TIMERS; i++) {
        uv_timer_start(&timers[i], on_timer,
                       NEAR_MS + bench_timers_random(&state, 100000) / 1000, 0);
    }
    uint64_t made_ns = bench_now_ns();
    while (bench_now_ns() < made_ns + (NEAR_MS + 100) * UINT64_C(1000000)) {
    }
    uint64_t due_ns = bench_now_ns();
    uv_run(loop, UV_RUN_DEFAULT);
    *out = per_timer(start_ns, made_ns) + per_timer(due_ns, bench_now_ns());
}

static int run(bench_timers_result *out)
{
    uv_loop_t loop;
    uv_timer_t *timers = calloc(BENCH_TIMERS, sizeof *timers);
    if (!timers || uv_loop_init(&loop) != 0) {
        free(timers);
        return 1;
    }
    for (size_t i = 0; i < BENCH_TIMERS; i++) {
        uv_timer_init(&loop, &timers[i]);
    }
    fired = 0;
    cancel_all(timers, &out->create_cancel);
    fire_all(&loop, timers, &out->create_fire);
    for (size_t i = 0; i < BENCH_TIMERS; i++) {
        uv_close((uv_handle_t *)&timers[i], NULL);
    }
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
    free(timers);
    return fired != BENCH_TIMERS;
}

const bench_timers_side bench_timers_libuv = {"uv_timer_t", run};
#endif
