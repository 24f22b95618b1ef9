/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Points: made, chosen and run.
 */

#include "points.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* So many allocations of a case fail one by one; a case that makes more makes
 * them in a loop, another number each time. */
enum { EVERY_MAX = 1000 };

/* ---- running one ---- */

struct job {
    const tenon_fixture *fixture;
    const sweep_point *point;
    int64_t patience_ns;
};

static void run_job(void *arg)
{
    const struct job *job = arg;
    const sweep_plan *plan = &job->point->plan;
    static harness_sweep swept = {.request = sweep_request,
                                  .arm = sweep_arm,
                                  .met = sweep_met,
                                  .left_open = sweep_left_open,
                                  .abandon = rig_abandon};
    sweep_now = *plan;
    swept.patience_ns = job->patience_ns;
    swept.status =
        plan->site < 0
            ? TENON_NO_MEMORY
            : sweep_told_as(sweep_map.sites[plan->site].call, plan->fault);
    harness_swept = &swept;
    rig_run_here(job->fixture, job->point->one);
}

enum sweep_verdict sweep_run(const tenon_fixture *fixture,
                             const sweep_point *point, int64_t patience_ns,
                             harness_result *out)
{
    struct job job = {fixture, point, patience_ns};
    memset(sweep_seen, 0, sizeof *sweep_seen);
    harness_run_case(out, run_job, &job, 0);
    if (out->verdict == HARNESS_FAIL) {
        return SWEPT_FAILED;
    }
    if (!sweep_seen->met && point->plan.nth) {
        return SWEPT_UNMET;
    }
    return out->verdict == HARNESS_PASS ? SWEPT_PASSED : SWEPT_EARLY;
}

/* ---- making them ---- */

void sweep_add(sweep_points *all, const rig_case *one, sweep_plan plan)
{
    if (all->count == all->capacity) {
        size_t capacity = all->capacity ? all->capacity * 2 : 4096;
        sweep_point *list = realloc(all->list, capacity * sizeof *list);
        if (!list) {
            fprintf(stderr, "tenon-sweep: no memory for the points\n");
            exit(2);
        }
        all->list = list;
        all->capacity = capacity;
    }
    plan.seed = plan.seed ? plan.seed : (uint32_t)all->count + 1;
    all->list[all->count++] = (sweep_point){one, plan};
}

void sweep_add_allocations(sweep_points *all, const rig_case *one)
{
    uint64_t count = sweep_seen->allocations;
    uint64_t step = 1;
    for (uint64_t nth = 1; nth <= count; nth += step) {
        sweep_add(all, one, (sweep_plan){.site = -1, .nth = nth});
        step = nth < EVERY_MAX ? 1 : nth / 8;
    }
}

void sweep_add_site(sweep_points *all, const rig_case *one, int site,
                    uint64_t count)
{
    const int *faults = sweep_faults_of(sweep_map.sites[site].call);
    for (uint64_t nth = 1; nth <= count; nth += nth < 4 ? 1 : nth) {
        for (size_t i = 0; faults[i]; i++) {
            sweep_plan plan = {.site = site, .nth = nth, .fault = faults[i]};
            sweep_add(all, one, plan);
        }
    }
}

void sweep_add_calls(sweep_points *all, const rig_case *one)
{
    uint64_t calls[SITES_MAX];
    for (size_t i = 0; i < sweep_map.count; i++) {
        calls[i] = sweep_seen->calls[i];
    }
    for (size_t i = 0; i < sweep_map.count; i++) {
        sweep_add_site(all, one, (int)i, calls[i]);
    }
}

/* ---- choosing ---- */

typedef struct range {
    size_t from;
    size_t to;
} range;

static void swap(sweep_points *all, size_t one, size_t other)
{
    sweep_point kept = all->list[one];
    all->list[one] = all->list[other];
    all->list[other] = kept;
}

static void shuffle(sweep_points *all, range part)
{
    for (size_t i = part.to; i > part.from + 1; i--) {
        size_t other = part.from + (size_t)random() % (i - part.from);
        swap(all, i - 1, other);
    }
}

/* The points of a case come one after the other. */
static size_t find_cases(const sweep_points *all, range *ranges)
{
    size_t count = 0;
    for (size_t i = 0; i < all->count; i++) {
        if (i == 0 || all->list[i].one != all->list[i - 1].one) {
            ranges[count++].from = i;
        }
        ranges[count - 1].to = i + 1;
    }
    return count;
}

/* One of each case in turn, so that one with ten thousand allocations is no
 * more likely than one with ten. */
static void spread(sweep_points *all, sweep_points *out)
{
    static range ranges[CASES_MAX];
    size_t count = find_cases(all, ranges);
    for (size_t i = 0; i < count; i++) {
        shuffle(all, ranges[i]);
    }
    for (size_t i = count; i > 1; i--) {
        size_t other = (size_t)random() % i;
        range kept = ranges[i - 1];
        ranges[i - 1] = ranges[other];
        ranges[other] = kept;
    }
    while (out->count < all->count) {
        for (size_t i = 0; i < count; i++) {
            if (ranges[i].from < ranges[i].to) {
                sweep_point *next = &all->list[ranges[i].from++];
                sweep_add(out, next->one, next->plan);
            }
        }
    }
}

void sweep_sample(sweep_points *all, size_t count, uint32_t seed)
{
    static bool chosen[SITES_MAX];
    sweep_points mixed = {NULL, 0, 0};
    size_t next = 0;
    srandom(seed);
    spread(all, &mixed);
    for (size_t i = 0; i < mixed.count; i++) {
        int site = mixed.list[i].plan.site;
        if (site >= 0 && !chosen[site]) {
            chosen[site] = true;
            swap(&mixed, next++, i);
        }
    }
    free(all->list);
    *all = mixed;
    count = count > next ? count : next;
    all->count = count < all->count ? count : all->count;
}

static const char *fault_name(int fault)
{
    const char *name = strerrorname_np(fault);
    return fault == FAULT_SHORT ? "SHORT" : name ? name : "none";
}

void sweep_describe(const sweep_point *point, char *out, size_t len)
{
    const sweep_plan *plan = &point->plan;
    if (plan->storm) {
        snprintf(out, len, "--only %s --storm %u --seed %u", point->one->id,
                 plan->storm, plan->seed);
    } else if (plan->site < 0) {
        snprintf(out, len, "--only %s --allocation %llu", point->one->id,
                 (unsigned long long)plan->nth);
    } else {
        snprintf(out, len,
                 "--only %s --site '%s' --nth %llu --fault %s "
                 "--seed %u",
                 point->one->id, sweep_map.sites[plan->site].name,
                 (unsigned long long)plan->nth, fault_name(plan->fault),
                 plan->seed);
    }
}
