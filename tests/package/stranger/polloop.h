/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * An application's own loop, as many programs have one: descriptors, timers
 * and poll(2). It knows nothing of Tenon; its author would not change a line.
 */

#ifndef POLLOOP_H
#define POLLOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct polloop polloop;
typedef void polloop_fn(void *user);

polloop *polloop_new(void);
void polloop_free(polloop *loop);

/* Calls `fn` while `fd` is readable. Returns a slot, or -1 when all are
 * taken. */
int polloop_watch(polloop *loop, int fd, polloop_fn *fn, void *user);
void polloop_unwatch(polloop *loop, int slot);

/* Calls `fn` once, `delay_ns` from now. Returns -1 when all are taken. */
int polloop_after(polloop *loop, int64_t delay_ns, polloop_fn *fn, void *user);
/* The time until the earliest of these; INT64_MAX when there is none. */
int64_t polloop_timeout(const polloop *loop);

/* Counts what keeps polloop_run going besides timers. */
void polloop_hold(polloop *loop, int change);
/* Descriptors and timers. */
size_t polloop_count(const polloop *loop);

void polloop_iterate(polloop *loop, int64_t max_wait_ns);
void polloop_run(polloop *loop);
void polloop_stop(polloop *loop);

#endif
