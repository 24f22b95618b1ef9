/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The points of a sweep: which call fails, in which case, and how. They come
 * from a run of every case in which nothing fails and all is counted.
 */

#ifndef TENON_SWEEP_POINTS_H
#define TENON_SWEEP_POINTS_H

#include "fault.h"
#include "rig.h"

enum { CASES_MAX = 1024 };

typedef struct sweep_point {
    const rig_case *one;
    sweep_plan plan;
} sweep_point;

typedef struct sweep_points {
    sweep_point *list;
    size_t count;
    size_t capacity;
} sweep_points;

enum sweep_verdict { SWEPT_PASSED, SWEPT_EARLY, SWEPT_UNMET, SWEPT_FAILED };

/** Runs a case with `plan` in a process of its own. `patience_ns`: see
 *  harness_sweep. */
enum sweep_verdict sweep_run(const tenon_fixture *fixture,
                             const sweep_point *point, int64_t patience_ns,
                             harness_result *out);

/** Adds the points of one case by what sweep_seen counted of it: of
 *  allocations all of them; of the calls of a site the first four, and then
 *  ever twice as far. */
void sweep_add_allocations(sweep_points *all, const rig_case *one);
void sweep_add_calls(sweep_points *all, const rig_case *one);
/** The points of one site, which the case calls `count` times. */
void sweep_add_site(sweep_points *all, const rig_case *one, int site,
                    uint64_t count);
/** Of a list of what once went wrong, a line "ID allocations" or "ID SITE"
 *  each: whether it names the case, and all points that it means. */
bool sweep_is_kept(const char *path, const rig_case *one);
void sweep_add_kept(sweep_points *all, const char *path, const rig_case *one);
/** Adds one point. */
void sweep_add(sweep_points *all, const rig_case *one, sweep_plan plan);
/** Leaves `count` of them: one of each site, then by chance. */
void sweep_sample(sweep_points *all, size_t count, uint32_t seed);
/** The arguments that make this one point again. */
void sweep_describe(const sweep_point *point, char *out, size_t len);

#endif
