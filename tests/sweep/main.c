/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * tenon-sweep: runs each case of the conformance suite, and those of streams.c,
 * again and again, each time with another allocation or system call of the
 * library failing. docs/testing.md says how to read what it prints.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "points.h"
#include "table.h"

/* So long is waited for what may not come after a failure; a point that looks
 * bad is tried again with more time, for machines that stall. */
#define PATIENCE_NS      (150 * TENON_MILLISECOND)
#define LONG_PATIENCE_NS (3 * TENON_SECOND)

extern const tenon_fixture *const tenon_fixtures[];
extern const rig_group sweep_streams;

struct order {
    const tenon_fixture *fixture;
    const char *only;
    const char *sites;
    const char *exceptions; /* --reach */
    const char *kept;
    const char *table;
    bool allocations;
    bool calls;
    uint32_t storm;
    size_t sample; /* 0: all */
    uint32_t seed;
    bool verbose;
    /* One point. */
    uint64_t allocation;
    const char *site;
    uint64_t nth;
    int fault;
};

static struct order order = {.seed = 1};
static size_t verdicts[SWEPT_FAILED + 1];

static const char usage_text[] =
    "usage: tenon-sweep --sites FILE --host HOST [--only ID] [--verbose]\n"
    "         (--allocations | --calls | --storm PER_256 | --kept FILE)\n"
    "         [--sample COUNT] [--seed SEED]\n"
    "       ... --only ID (--allocation N | --site NAME --nth N --fault NAME)\n"
    "       tenon-sweep --sites FILE --reach EXCEPTIONS --table OUT\n";

/* ---- arguments ---- */

static int fault_of(const char *name)
{
    for (int i = 1; i < 200; i++) {
        const char *known = strerrorname_np(i);
        if (known && strcmp(known, name) == 0) {
            return i;
        }
    }
    return strcmp(name, "SHORT") == 0 ? FAULT_SHORT : FAULT_NONE;
}

static bool find_host(const char *name)
{
    for (size_t i = 0; tenon_fixtures[i]; i++) {
        if (strcmp(tenon_fixtures[i]->name, name) == 0) {
            order.fixture = tenon_fixtures[i];
        }
    }
    return order.fixture != NULL;
}

static bool take_value(const char *name, const char *value)
{
    const struct {
        const char *name;
        const char **text;
    } texts[] = {{"--only", &order.only},        {"--sites", &order.sites},
                 {"--reach", &order.exceptions}, {"--table", &order.table},
                 {"--kept", &order.kept},        {"--site", &order.site}};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (strcmp(name, texts[i].name) == 0) {
            *texts[i].text = value;
            return true;
        }
    }
    unsigned long long number = strtoull(value, NULL, 10);
    if (strcmp(name, "--host") == 0) {
        return find_host(value);
    } else if (strcmp(name, "--fault") == 0) {
        order.fault = fault_of(value);
        return order.fault != FAULT_NONE;
    } else if (strcmp(name, "--sample") == 0) {
        order.sample = (size_t)number;
    } else if (strcmp(name, "--seed") == 0) {
        order.seed = (uint32_t)number;
    } else if (strcmp(name, "--storm") == 0) {
        order.storm = (uint32_t)number;
    } else if (strcmp(name, "--allocation") == 0) {
        order.allocation = number;
    } else if (strcmp(name, "--nth") == 0) {
        order.nth = number;
    } else {
        return false;
    }
    return true;
}

static void adjust_seed(void)
{
    const char *seed = getenv("SWEEP_SEED");
    if (seed) {
        order.seed = (uint32_t)strtoul(seed, NULL, 10);
    }
}

static bool parse(int argc, char **argv)
{
    adjust_seed();
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--allocations") == 0) {
            order.allocations = true;
        } else if (strcmp(argv[i], "--calls") == 0) {
            order.calls = true;
        } else if (strcmp(argv[i], "--verbose") == 0) {
            order.verbose = true;
        } else if (i + 1 >= argc || !take_value(argv[i], argv[i + 1])) {
            return false;
        } else {
            i++;
        }
    }
    if (getenv("TENON_EXHAUSTIVE")) { /* all, and of storms more */
        order.sample = order.storm ? 20 * order.sample : 0;
    }
    return order.sites &&
           (order.exceptions ? order.table != NULL : order.fixture != NULL);
}

/* ---- one point ---- */

static void run_point(const sweep_point *point)
{
    static const char *const words[] = {"passed", "early", "unmet", "not ok"};
    char text[256];
    harness_result result;
    enum sweep_verdict verdict =
        sweep_run(order.fixture, point, PATIENCE_NS, &result);
    for (int i = 0; verdict == SWEPT_FAILED && i < 2; i++) {
        verdict = sweep_run(order.fixture, point, LONG_PATIENCE_NS, &result);
    }
    verdicts[verdict]++;
    if (verdict == SWEPT_FAILED || order.verbose) {
        sweep_describe(point, text, sizeof text);
        printf("%s --host %s %s: %s\n", words[verdict], order.fixture->name,
               text, result.why);
        fflush(stdout);
    }
}

/* ---- all of them ---- */

static sweep_points points;

static void add_one(const rig_case *one, uint32_t seed)
{
    sweep_plan plan = {.site = -1, .nth = order.allocation, .seed = seed};
    if (order.site) {
        plan.site = sweep_site_named(order.site);
        plan.nth = order.nth;
        plan.fault = order.fault;
    }
    plan.storm = order.storm;
    sweep_add(&points, one, plan);
}

/* A case that needs no failure to fail is no use here. */
static bool count_case(const tenon_fixture *fixture, const rig_case *one)
{
    const sweep_point dry = {one, {.site = -1}};
    harness_result result;
    if (rig_lacks(fixture, one->needs)) {
        return false;
    }
    for (int i = 0; i < 3; i++) {
        if (sweep_run(fixture, &dry, PATIENCE_NS, &result) == SWEPT_PASSED) {
            return true;
        }
    }
    printf("not ok --host %s %s without any failure: %s\n", fixture->name,
           one->id, result.why);
    verdicts[SWEPT_FAILED]++;
    return false;
}

static void add_case(const rig_case *one)
{
    if (order.allocation || order.site || order.storm) {
        size_t rounds = order.storm && order.sample ? order.sample : 1;
        for (size_t i = 0; i < rounds; i++) {
            if (!rig_lacks(order.fixture, one->needs)) {
                add_one(one, order.seed + (uint32_t)i);
            }
        }
        return;
    }
    if (order.kept && !sweep_is_kept(order.kept, one)) {
        return;
    }
    if (count_case(order.fixture, one)) {
        if (order.kept) {
            sweep_add_kept(&points, order.kept, one);
        }
        if (order.allocations) {
            sweep_add_allocations(&points, one);
        }
        if (order.calls) {
            sweep_add_calls(&points, one);
        }
    }
}

static void reach_case(const rig_case *one)
{
    for (size_t i = 0; tenon_fixtures[i]; i++) {
        if (count_case(tenon_fixtures[i], one)) {
            sweep_table_add();
        }
    }
}

static void each_case(void (*fn)(const rig_case *))
{
    const rig_group *extra[] = {&sweep_streams, NULL};
    for (int k = 0; k < 2; k++) {
        const rig_group *const *groups = k ? extra : rig_groups;
        for (size_t g = 0; groups[g]; g++) {
            for (size_t i = 0; i < groups[g]->count; i++) {
                const rig_case *one = &groups[g]->cases[i];
                if (!order.only ||
                    strncmp(one->id, order.only, strlen(order.only)) == 0) {
                    fn(one);
                }
            }
        }
    }
}

static int sweep(void)
{
    each_case(add_case);
    size_t whole = points.count;
    if (order.sample && !order.storm) {
        sweep_sample(&points, order.sample, order.seed);
    }
    for (size_t i = 0; i < points.count; i++) {
        run_point(&points.list[i]);
    }
    printf("%s: %zu points of %zu (seed %u): %zu overcome, %zu ended early, "
           "%zu not met, %zu failed\n",
           order.fixture->name, points.count, whole, order.seed,
           verdicts[SWEPT_PASSED], verdicts[SWEPT_EARLY], verdicts[SWEPT_UNMET],
           verdicts[SWEPT_FAILED]);
    free(points.list);
    return verdicts[SWEPT_FAILED] ? 1 : 0;
}

int main(int argc, char **argv)
{
    if (!parse(argc, argv)) {
        fputs(usage_text, stderr);
        return 2;
    }
    if (!sweep_sites_read(order.sites)) {
        fprintf(stderr, "tenon-sweep: cannot read %s\n", order.sites);
        return 2;
    }
    sweep_seen = mmap(NULL, sizeof *sweep_seen, PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (sweep_seen == MAP_FAILED) {
        return 2;
    }
    if (order.exceptions) {
        each_case(reach_case);
        return sweep_table_check(order.exceptions, order.table) &&
                       !verdicts[SWEPT_FAILED]
                   ? 0
                   : 1;
    }
    return sweep();
}
