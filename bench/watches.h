/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/* What the sides of the watch bench share. The load: many descriptors
 * that are always readable, each watched once; every watch is called at least
 * once; then all are taken down. */
#ifndef BENCH_WATCHES_H
#define BENCH_WATCHES_H

#include "table.h"

enum { BENCH_WATCHES = 16000 };

typedef struct bench_watches {
    int fds[BENCH_WATCHES];
    size_t called; /* by the watches, all together */
    uint64_t start_ns;
    uint64_t made_ns;
    uint64_t called_ns;
} bench_watches;

/* Opens the descriptors; NULL when it could not, which has been said. */
bench_watches *bench_watches_begin(void);
/* Fills in the figures, closes the descriptors. 0, or 1 if calls are missing. */
int bench_watches_end(bench_watches *self, double *out);

static inline void bench_watches_start(bench_watches *self)
{
    self->called = 0;
    self->start_ns = bench_now_ns();
}
static inline void bench_watches_made(bench_watches *self)
{
    self->made_ns = bench_now_ns();
}
static inline bool bench_watches_all_called(const bench_watches *self)
{
    return self->called >= BENCH_WATCHES;
}
static inline void bench_watches_called(bench_watches *self)
{
    self->called_ns = bench_now_ns();
}

#endif
