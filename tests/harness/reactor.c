/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The two detectors that look at a reactor's counters: what is left in it at
 * the end of a case, and whether the loop under it turned for nothing. An
 * iteration is hollow when it came back long before it had to and neither an
 * event nor a callback had happened; a few are legal (a wake-up for a timer
 * that was cancelled), a stream of them is a spin.
 */

#include "harness.h"

#include <stdio.h>
#include <string.h>

#define HOLLOW_MAX 64

static void look(const tenon_reactor *reactor, tenon_stats *stats)
{
    memset(stats, 0, sizeof *stats);
    stats->size = sizeof *stats;
    if (reactor) {
        tenon_reactor_stats(reactor, stats);
    }
}

bool harness_reactor_clean(const tenon_reactor *reactor, char *why, size_t len)
{
    tenon_stats stats;
    look(reactor, &stats);
    if (stats.ready_count + stats.timer_count + stats.watch_count +
            stats.transport_count + stats.listener_count ==
        0) {
        return true;
    }
    snprintf(why, len,
             "dirty reactor: %zu calls, %zu timers, %zu watches, "
             "%zu transports, %zu listeners left",
             stats.ready_count, stats.timer_count, stats.watch_count,
             stats.transport_count, stats.listener_count);
    return false;
}

void harness_spin_begin(harness_spin *spin, const tenon_reactor *reactor)
{
    memset(spin, 0, sizeof *spin);
    spin->reactor = reactor;
    look(reactor, &spin->start);
    spin->last = spin->start;
}

void harness_spin_step(harness_spin *spin, int64_t allowed_ns, int64_t took_ns)
{
    tenon_stats now;
    look(spin->reactor, &now);
    bool progress = now.callbacks != spin->last.callbacks ||
                    now.events != spin->last.events;
    if (!progress && took_ns < allowed_ns / 2) {
        spin->hollow++;
    }
    spin->iterations++;
    spin->last = now;
}

bool harness_spin_end(const harness_spin *spin, char *why, size_t len)
{
    tenon_stats now;
    look(spin->reactor, &now);
    uint64_t idle = now.idle_polls - spin->start.idle_polls;
    uint64_t work =
        now.callbacks - spin->start.callbacks + now.events - spin->start.events;
    if (spin->hollow > HOLLOW_MAX + work) {
        snprintf(why, len, "spin: %llu of %llu iterations found nothing to do",
                 (unsigned long long)spin->hollow,
                 (unsigned long long)spin->iterations);
        return false;
    }
    if (idle > HOLLOW_MAX + spin->iterations + 2 * work) {
        snprintf(why, len, "spin: %llu polls found nothing in %llu iterations",
                 (unsigned long long)idle,
                 (unsigned long long)spin->iterations);
        return false;
    }
    return true;
}
