/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/* What the sides of the timer bench share. */
#ifndef BENCH_TIMERS_H
#define BENCH_TIMERS_H

#include "bench.h"

/* Nanoseconds per timer, at BENCH_TIMERS of them. */
enum { BENCH_TIMERS = 1000000 };

typedef struct bench_timers_result {
    double create_cancel; /* started far ahead at random times, stopped */
    double create_fire;   /* started near, all due, fired in order */
} bench_timers_result;

typedef struct bench_timers_side {
    const char *name;
    int (*run)(bench_timers_result *out);
} bench_timers_side;

/* A number below `limit`, the same sequence for every side. */
uint32_t bench_timers_random(uint32_t *state, uint32_t limit);

#endif
