/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/* What a program with a screen tells the one that measures it. */
#ifndef BENCH_FAIR_H
#define BENCH_FAIR_H

#include "bench.h"

enum {
    BENCH_FAIR_TICKS = 1 << 16,  /* of one slice: 18 minutes */
    BENCH_FAIR_PERIOD_US = 16667 /* 60 Hz */
};

/* Shared between all; written by the program, but for what it is asked to do
 * and what the second client counts. */
typedef struct bench_fair_page {
    int64_t frame_us;        /* what drawing a frame takes; set before */
    atomic_bool go;          /* the idle source begins, frames are drawn */
    _Atomic uint64_t echoes; /* of the second client; written by it */
    _Atomic uint64_t idle;   /* calls of the idle source */
    _Atomic uint64_t ticks;
    _Atomic uint64_t frames_us;         /* of CPU, in drawing */
    uint32_t late_us[BENCH_FAIR_TICKS]; /* one a tick, missed ones too */
} bench_fair_page;

/* Of the next program that is started. */
extern bench_fair_page *bench_fair_shared;

#endif
