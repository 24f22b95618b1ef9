/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/* What the sides of the wake-up bench share: a thread that wakes a sleeping
 * loop and sleeps until it is answered, over and over. */
#ifndef BENCH_WAKE_H
#define BENCH_WAKE_H

#include "table.h"

enum { BENCH_WAKES = 20000 };

typedef struct bench_wake {
    int answer_fd; /* an eventfd */
    size_t answered;
    void (*wake)(struct bench_wake *self); /* from the thread */
    void *user;
    double each_ns;
} bench_wake;

/* Starts the thread. */
int bench_wake_begin(bench_wake *self);
/* From the loop, once per wake-up; true when that was the last one. */
bool bench_wake_answer(bench_wake *self);
/* Joins the thread, fills in the figure. */
int bench_wake_end(bench_wake *self, double *out);

struct tenon_reactor;
/* Our side, whatever the reactor is parked on: `run` runs its loop until the
 * reactor is no longer alive. Drops the caller's reference. */
int bench_wake_tenon(struct tenon_reactor *reactor, void (*run)(void *loop),
                     void *loop, double *out);

#endif
