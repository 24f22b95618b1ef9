/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/* Native against tenon, by turns, so that whatever the machine does meanwhile
 * happens to both: A B, B A, A B, in case coming second is worth something.
 * Each pair gives a ratio of server CPU per echo, native over tenon, and a
 * row's result is the median of them: above one, we are cheaper.
 *
 * CPU could be bought with latency or throughput, by gathering more and
 * answering later. So a pair is void if tenon's p99 is more than 1.1 of the
 * native's or its throughput below 0.98; and the result is void if that holds
 * for the medians of all pairs. Single void pairs are shown but not left out:
 * of a server against itself (--null) a quarter to a half are void by noise,
 * and to drop just the pairs where the second side was unlucky favours it: in
 * 20 rows of quick nulls that gave ratios from 1.00 to 1.09, none below. */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define P99_AT_MOST         1.1
#define THROUGHPUT_AT_LEAST 0.98

enum { LOADS = 4, MAX_PAIRS = 1000, NAME_LEN = 32 };

typedef struct load {
    const char *name;
    size_t batch;
    size_t idle;
} load;

/* ORDER loads: as the targets of a comparison */
static const load loads[LOADS] = {
    {"k=50", 50, 0},
    {"k=1", 1, 0},
    {"k=50+5000", 50, 5000},
    {"k=1+5000", 1, 5000},
};

typedef struct comparison {
    const char *name;
    const char *base_host;
    const char *base_impl;
    const char *host;     /* where tenon is parked */
    const char *impl;     /* NULL: "tenon" */
    bool extra;           /* with --all only */
    double target[LOADS]; /* 0: none was set */
} comparison;

#define BASE(host, impl) .base_host = (host), .base_impl = (impl)

static const comparison comparisons[] = {
    {"libuv", BASE("libuv", "native"), "libuv", .target = {1, 0.9, 1, 0.9}},
    {"libevent", BASE("libevent", "native"), "libevent",
     .target = {1.25, 1.05, 1.15, 1.05}},
    {"gio", BASE("glib", "native"), "glib", .target = {2.5, 1.5, 100, 100}},
    {"gsource", BASE("glib", "native-fd"), "glib",
     .target = {1.25, 0.95, 12, 40}},
    {"raw", BASE("native", "raw"), "native", .target = {0.95, 0.85, 0.93, 0.8}},
    {"callbacks", BASE("native", "tenon"), "native", .impl = "tenon-task",
     .target = {0.93, 0.93, 0.93, 0.93}},
    {"raw/libuv", BASE("native", "raw"), "libuv", .extra = true,
     .target = {0.95, 0.85, 0.93, 0.8}},
    {"raw/libevent", BASE("native", "raw"), "libevent", .extra = true,
     .target = {0.95, 0.85, 0.93, 0.8}},
    {"raw/glib", BASE("native", "raw"), "glib", .extra = true,
     .target = {0.95, 0.7, 0.93, 0.7}},
    {"uv_poll", BASE("libuv", "native-fd"), "libuv", .extra = true},
    {"struct event", BASE("libevent", "native-fd"), "libevent", .extra = true},
    {"gsource-recurse", BASE("glib", "native-fd-recurse"), "glib",
     .extra = true},
};

enum { COMPARISONS = sizeof comparisons / sizeof comparisons[0] };

typedef struct sample {
    double base_us;
    double ours_us;
    double ratio;
    double p99;
    double throughput;
} sample;

typedef struct row {
    char name[NAME_LEN];
    double target;
    const bench_server *base;
    const bench_server *ours;
    size_t count;
    size_t voids;
    sample samples[MAX_PAIRS];
} row;

/* Columns of the samples. ORDER columns */
enum column { BASE_US, OURS_US, RATIO, P99, THROUGHPUT };

static double cell(const sample *s, enum column column)
{
    const double cells[] = {s->base_us, s->ours_us, s->ratio, s->p99,
                            s->throughput};
    return cells[column];
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

/* At `rank` of 0 to 1 in order; 0.5 is the median. */
static double at_rank(const row *r, enum column column, double rank)
{
    static double values[MAX_PAIRS];
    for (size_t i = 0; i < r->count; i++) {
        values[i] = cell(&r->samples[i], column);
    }
    qsort(values, r->count, sizeof *values, by_value);
    double at = rank * (double)(r->count - 1);
    size_t low = (size_t)at;
    size_t high = low + 1 < r->count ? low + 1 : low;
    return values[low] + (values[high] - values[low]) * (at - (double)low);
}

static bool is_void(double p99, double throughput)
{
    return p99 > P99_AT_MOST || throughput < THROUGHPUT_AT_LEAST;
}

static sample compare(const bench_result *base, const bench_result *ours)
{
    return (sample){
        .base_us = base->cpu_us_per_op,
        .ours_us = ours->cpu_us_per_op,
        .ratio = base->cpu_us_per_op / ours->cpu_us_per_op,
        .p99 = ours->p99_us / base->p99_us,
        .throughput = ours->ops_per_s / base->ops_per_s,
    };
}

static int run_pair(const row *r, const bench_options *options, sample *out)
{
    bench_result base;
    bench_result ours;
    bool ours_first = r->count % 2 == 1;
    if ((ours_first && bench_echo_run(r->ours, options, &ours) != 0) ||
        bench_echo_run(r->base, options, &base) != 0 ||
        (!ours_first && bench_echo_run(r->ours, options, &ours) != 0)) {
        return -1;
    }
    *out = compare(&base, &ours);
    return 0;
}

static int run_pairs(row *r, const bench_options *options)
{
    while (r->count < options->pairs) {
        sample *s = &r->samples[r->count];
        if (run_pair(r, options, s) != 0) {
            return -1;
        }
        r->count++;
        r->voids += is_void(s->p99, s->throughput);
    }
    return 0;
}

static double median(const row *r, enum column column)
{
    return at_rank(r, column, 0.5);
}

static const char *verdict(const row *r)
{
    if (is_void(median(r, P99), median(r, THROUGHPUT))) {
        return "void";
    }
    return median(r, RATIO) >= r->target ? "reached" : "not reached";
}

static void print_head(const bench_options *options)
{
    printf("server CPU per echo, native / %s: medians of %zu pairs of %g s, "
           "%zu bytes, CPUs %s\n\n",
           options->null_test ? "native" : "tenon", options->pairs,
           options->seconds, options->size,
           options->cpus == BENCH_SPLIT ? "split" : "shared");
    printf("%-26s %9s %9s %8s %18s %7s %5s %5s %5s\n", "row", "native us",
           "tenon us", "ratio", "[min .. max]", "target", "p99", "thrpt",
           "void");
}

static void print_text(const row *r)
{
    char range[NAME_LEN];
    (void)snprintf(range, sizeof range, "[%.2f .. %.2f]", at_rank(r, RATIO, 0),
                   at_rank(r, RATIO, 1));
    printf("%-26s %9.2f %9.2f %8.3f %18s %7g %5.2f %5.2f %2zu/%-2zu %s\n",
           r->name, median(r, BASE_US), median(r, OURS_US), median(r, RATIO),
           range, r->target, median(r, P99), median(r, THROUGHPUT), r->voids,
           r->count, verdict(r));
}

static void print_json(const row *r)
{
    printf("{\"row\":\"%s\",\"native_us\":%.3f,\"tenon_us\":%.3f,"
           "\"ratio\":%.4f,\"ratio_min\":%.4f,\"ratio_max\":%.4f,",
           r->name, median(r, BASE_US), median(r, OURS_US), median(r, RATIO),
           at_rank(r, RATIO, 0), at_rank(r, RATIO, 1));
    printf("\"target\":%g,\"p99_ratio\":%.3f,\"throughput_ratio\":%.3f,"
           "\"pairs\":%zu,\"void_pairs\":%zu,\"verdict\":\"%s\"}\n",
           r->target, median(r, P99), median(r, THROUGHPUT), r->count, r->voids,
           verdict(r));
}

static void say(const row *r, const char *what, bool json)
{
    if (json) {
        printf("{\"row\":\"%s\",\"verdict\":\"%s\"}\n", r->name, what);
    } else {
        printf("%-26s %s\n", r->name, what);
    }
}

static int run_row(row *r, const bench_options *options)
{
    int status = 0;
    if (r->base == NULL || r->ours == NULL) {
        say(r, "skipped: not in this build", options->json);
    } else if (run_pairs(r, options) != 0) {
        say(r, "failed", options->json);
        status = 1;
    } else {
        (options->json ? print_json : print_text)(r);
    }
    (void)fflush(stdout);
    return status;
}

static int run_comparison(const comparison *c, const load *l,
                          const bench_options *given)
{
    static row r;
    bench_options options = *given;
    options.conns = options.batch = l->batch;
    options.idle = l->idle;
    r = (row){.target = c->target[l - loads]};
    (void)snprintf(r.name, sizeof r.name, "%s %s", c->name, l->name);
    if (strstr(r.name, given->filter) == NULL) {
        return 0;
    }
    r.base = bench_server_find(c->base_host, c->base_impl);
    r.ours = given->null_test
                 ? r.base
                 : bench_server_find(c->host, c->impl ? c->impl : "tenon");
    return run_row(&r, &options);
}

int bench_pairs_main(const bench_options *options)
{
    int status = 0;
    if (options->pairs > MAX_PAIRS) {
        fprintf(stderr, "tenon-bench: at most %d pairs\n", MAX_PAIRS);
        return 2;
    }
    if (!options->json) {
        print_head(options);
    }
    for (size_t i = 0; i < COMPARISONS; i++) {
        if (comparisons[i].extra && !options->all) {
            continue;
        }
        for (size_t j = 0; j < LOADS; j++) {
            status |= run_comparison(&comparisons[i], &loads[j], options);
        }
    }
    return status;
}
