/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * A trace, and its two ends: taking places from the stack, and telling them.
 */

#ifndef TENON_LOOP_TRACE_TEXT_H
#define TENON_LOOP_TRACE_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#define TENON__TRACE_DEPTH    16
#define TENON__TRACE_CHAIN    8
#define TENON__TRACE_TEXT_LEN 16384

typedef struct tenon__traces tenon__traces;
typedef struct tenon__trace tenon__trace;
struct tenon__trace {
    const char *what;
    tenon__trace *from; /* counted; or NULL */
    uint32_t refs;
    uint16_t made_count;
    uint16_t done_count; /* 0: pending, or no future */
    bool passed_on;      /* it came to what `from` came to */
    void *made[TENON__TRACE_DEPTH];
    void *done[TENON__TRACE_DEPTH];
};

/** The return addresses on the stack, from the caller's caller on; 0 where
 *  libc cannot tell. */
uint16_t tenon__places_here(void *places[TENON__TRACE_DEPTH]);

/** Writes at most TENON__TRACE_TEXT_LEN bytes, in whole lines. */
void tenon__trace_format(const tenon__trace *trace, char *text);

#endif
