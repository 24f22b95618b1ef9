/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/* tenon-bench timers: a million timers created and cancelled, created and
 * fired; ours and libuv's by turns, the medians of five rounds. */
#include "timers.h"

#include <stdio.h>
#include <stdlib.h>

#include <tenon/tenon.h>

enum { ROUNDS = 5 };
#define NEAR_NS (400 * TENON_MILLISECOND)

extern const bench_timers_side bench_timers_libuv __attribute__((weak));

uint32_t bench_timers_random(uint32_t *state, uint32_t limit)
{
    *state = *state * 1664525U + 1013904223U;
    return (uint32_t)(((uint64_t)*state * limit) >> 32);
}

static void wait_until(uint64_t time_ns)
{
    while (bench_now_ns() < time_ns) {
    }
}

static double per_timer(uint64_t from_ns, uint64_t to_ns)
{
    return (double)(to_ns - from_ns) / BENCH_TIMERS;
}

/* ---- tenon_timer ---- */

static void on_timer(tenon_timer *timer, void *user)
{
    (void)timer;
    ++*(size_t *)user;
}

static int cancel_ours(tenon_timer *timers, double *out)
{
    uint32_t state = 1;
    uint64_t start_ns = bench_now_ns();
    for (size_t i = 0; i < BENCH_TIMERS; i++) {
        int64_t ms = 100000 + bench_timers_random(&state, 1000000);
        if (tenon_timer_start(&timers[i], ms * TENON_MILLISECOND, on_timer,
                              NULL) < 0) {
            return 1;
        }
    }
    for (size_t i = 0; i < BENCH_TIMERS; i++) {
        tenon_timer_stop(&timers[i]);
    }
    *out = per_timer(start_ns, bench_now_ns());
    return 0;
}

static int fire_ours(tenon_reactor *reactor, tenon_timer *timers, double *out)
{
    uint32_t state = 2;
    size_t fired = 0;
    uint64_t start_ns = bench_now_ns();
    for (size_t i = 0; i < BENCH_TIMERS; i++) {
        int64_t us = bench_timers_random(&state, 100000);
        if (tenon_timer_start(&timers[i], NEAR_NS + us * TENON_MICROSECOND,
                              on_timer, &fired) < 0) {
            return 1;
        }
    }
    uint64_t made_ns = bench_now_ns();
    wait_until(made_ns + NEAR_NS + 100 * TENON_MILLISECOND);
    uint64_t due_ns = bench_now_ns();
    int status = tenon_run(reactor);
    *out = per_timer(start_ns, made_ns) + per_timer(due_ns, bench_now_ns());
    return status < 0 || fired != BENCH_TIMERS;
}

static int run_ours(bench_timers_result *out)
{
    tenon_reactor *reactor;
    tenon_timer *timers = calloc(BENCH_TIMERS, sizeof *timers);
    if (!timers || tenon_reactor_new(&reactor, NULL) < 0) {
        free(timers);
        return 1;
    }
    for (size_t i = 0; i < BENCH_TIMERS; i++) {
        tenon_timer_init(&timers[i], reactor);
    }
    int failed = cancel_ours(timers, &out->create_cancel) ||
                 fire_ours(reactor, timers, &out->create_fire);
    tenon_reactor_unref(reactor);
    free(timers);
    return failed;
}

static const bench_timers_side ours = {"tenon_timer", run_ours};

/* ---- the table ---- */

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values)
{
    qsort(values, ROUNDS, sizeof *values, by_value);
    return values[ROUNDS / 2];
}

static void print_row(const char *name, double *cancel, double *fire)
{
    printf("%-14s %16.0f %14.0f\n", name, median(cancel), median(fire));
}

int bench_timers_main(const bench_options *options)
{
    const bench_timers_side *sides[] = {&ours, &bench_timers_libuv};
    double cancel[2][ROUNDS];
    double fire[2][ROUNDS];
    (void)options;
    for (size_t i = 0; i < 2 * ROUNDS; i++) {
        bench_timers_result result;
        const bench_timers_side *side = sides[i % 2];
        if (side && side->run(&result) != 0) {
            fprintf(stderr, "tenon-bench: timers: %s failed\n", side->name);
            return 1;
        }
        cancel[i % 2][i / 2] = side ? result.create_cancel : 0;
        fire[i % 2][i / 2] = side ? result.create_fire : 0;
    }
    printf("ns per timer at %d timers, medians of %d rounds by turns\n\n",
           BENCH_TIMERS, ROUNDS);
    printf("%-14s %16s %14s\n", "", "create + cancel", "create + fire");
    for (size_t i = 0; i < 2 && sides[i]; i++) {
        print_row(sides[i]->name, cancel[i], fire[i]);
    }
    return 0;
}
