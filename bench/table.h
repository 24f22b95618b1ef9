/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/* Small benches as a table: each side measures itself, by turns with the
 * others, and the medians are printed beside each other. A side whose package
 * is not there is a null pointer, as with servers. */
#ifndef BENCH_TABLE_H
#define BENCH_TABLE_H

#include "bench.h"

enum { BENCH_COLUMNS = 4, BENCH_SIDES = 10, BENCH_ROUNDS = 7 };

/* One way to do it. `run` fills one figure per column; 0, or 1 when it could
 * not. */
typedef struct bench_side {
    const char *name;
    int (*run)(double *out);
} bench_side;

typedef struct bench_table {
    const char *name;                   /* for --json */
    const char *what;                   /* with its unit */
    const char *columns[BENCH_COLUMNS]; /* up to the first NULL */
    const bench_side *sides[BENCH_SIDES];
} bench_table;

/* Runs all rounds and prints; 0, or 1 when a side failed. */
int bench_table_run(const bench_table *table, const bench_options *options);

/* Nanoseconds for each of `count`. */
double bench_each_ns(uint64_t from_ns, uint64_t to_ns, size_t count);

#endif
