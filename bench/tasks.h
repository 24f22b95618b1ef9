/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/* tenon-bench tasks: how often each part is done, the same on every side. */
#ifndef BENCH_TASKS_H
#define BENCH_TASKS_H

#include "table.h"

enum {
    BENCH_TASKS = 1000,
    BENCH_TASK_TURNS = 1000000,
    BENCH_TASK_ROUNDS = 200000
};

#endif
