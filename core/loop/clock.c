/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The clocks: the reactor's, which a manual one moves by hand, and a cheap one
 * to measure callbacks with.
 */

#include "loop/engine.h"

/* Coarse clocks go by the tick, of 4 ms as a rule. */
#define COARSE_ENOUGH_NS (20 * TENON_MILLISECOND)

static int64_t read_clock(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * TENON_SECOND + now.tv_nsec;
}

int64_t tenon__clock(const tenon_reactor *r)
{
    return r->kind == TENON__MANUAL ? r->virtual_ns
                                    : read_clock(CLOCK_MONOTONIC);
}

int64_t tenon__lap(const tenon_reactor *r)
{
    return r->kind == TENON__MANUAL ? r->virtual_ns : read_clock(r->lap_clock);
}

void tenon__set_slow(tenon_reactor *r, int64_t threshold_ns)
{
    bool coarse = threshold_ns < 0 || threshold_ns >= COARSE_ENOUGH_NS;
    r->slow_ns = threshold_ns;
    r->lap_clock = coarse ? CLOCK_MONOTONIC_COARSE : CLOCK_MONOTONIC;
    r->lap_ns = tenon__lap(r);
}

int64_t tenon_now(const tenon_reactor *r)
{
    return r->depth > 0 ? r->now_ns : tenon__clock(r);
}
