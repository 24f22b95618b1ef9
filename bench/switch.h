/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/* The stacks that all sides of switch.c switch between. */
#ifndef BENCH_SWITCH_H
#define BENCH_SWITCH_H

#include "table.h"

enum { BENCH_STACKS = 1000, BENCH_STACK_LEN = 65536, BENCH_TURNS = 2000000 };

/* The lowest byte of a stack of BENCH_STACK_LEN less what it says; the same
 * for every side, and no two at one place of the caches. NULL: no memory. */
char *bench_stack(size_t index, size_t *len);

#endif
