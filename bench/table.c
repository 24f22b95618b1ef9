/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/* The tables of small benches: rounds by turns, medians, and their spread. */
#include "table.h"

#include <stdio.h>
#include <stdlib.h>

typedef double figures[BENCH_SIDES][BENCH_COLUMNS][BENCH_ROUNDS];

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

double bench_each_ns(uint64_t from_ns, uint64_t to_ns, size_t count)
{
    return (double)(to_ns - from_ns) / (double)count;
}

static size_t columns_of(const bench_table *table)
{
    size_t count = 0;
    while (count < BENCH_COLUMNS && table->columns[count]) {
        count++;
    }
    return count;
}

static int measure(const bench_table *table, figures all)
{
    for (size_t round = 0; round < BENCH_ROUNDS; round++) {
        for (size_t i = 0; i < BENCH_SIDES; i++) {
            double out[BENCH_COLUMNS] = {0};
            const bench_side *side = table->sides[i];
            if (side && side->run(out) != 0) {
                fprintf(stderr, "tenon-bench: %s: %s failed\n", table->name,
                        side->name);
                return 1;
            }
            for (size_t c = 0; c < BENCH_COLUMNS; c++) {
                all[i][c][round] = out[c];
            }
        }
    }
    return 0;
}

static void print_text(const bench_table *table, figures all)
{
    size_t columns = columns_of(table);
    printf("%s; medians of %d rounds by turns [min .. max]\n\n%-24s",
           table->what, BENCH_ROUNDS, "");
    for (size_t c = 0; c < columns; c++) {
        printf(" %28s", table->columns[c]);
    }
    for (size_t i = 0; i < BENCH_SIDES; i++) {
        if (!table->sides[i]) {
            continue;
        }
        printf("\n%-24s", table->sides[i]->name);
        for (size_t c = 0; c < columns; c++) {
            const double *values = all[i][c];
            printf(" %10.1f [%6.1f .. %6.1f]", values[BENCH_ROUNDS / 2],
                   values[0], values[BENCH_ROUNDS - 1]);
        }
    }
    printf("\n\n");
}

static void print_json(const bench_table *table, figures all)
{
    for (size_t i = 0; i < BENCH_SIDES; i++) {
        if (!table->sides[i]) {
            continue;
        }
        printf("{\"bench\":\"%s\",\"side\":\"%s\"", table->name,
               table->sides[i]->name);
        for (size_t c = 0; c < columns_of(table); c++) {
            const double *values = all[i][c];
            printf(",\"%s\":%.2f,\"%s min\":%.2f,\"%s max\":%.2f",
                   table->columns[c], values[BENCH_ROUNDS / 2],
                   table->columns[c], values[0], table->columns[c],
                   values[BENCH_ROUNDS - 1]);
        }
        printf("}\n");
    }
}

int bench_table_run(const bench_table *table, const bench_options *options)
{
    static figures all;
    if (measure(table, all) != 0) {
        return 1;
    }
    for (size_t i = 0; i < BENCH_SIDES; i++) {
        for (size_t c = 0; c < BENCH_COLUMNS; c++) {
            qsort(all[i][c], BENCH_ROUNDS, sizeof(double), by_value);
        }
    }
    (options->json ? print_json : print_text)(table, all);
    return 0;
}
