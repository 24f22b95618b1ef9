/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/* tenon-bench NAME: what an echo costs, on each host, in its own idiom and
 * in ours. One row per bench; later ones join here. */
#include "bench.h"

#include <stdio.h>
#include <string.h>

typedef struct bench {
    const char *name;
    const char *what;
    int (*run)(const bench_options *options);
} bench;

static const bench benches[] = {
    {"echo", "TCP echo under lock-step load, one server", bench_echo_main},
    {"pairs", "the same, native and tenon by turns, ratios", bench_pairs_main},
    {"fair", "a screen and a server in one thread", bench_fair_main},
    {"hold", "19,000 connections at once, each host", bench_hold_main},
    {"curl", "HTTP transfers, curl's own idiom and ours by turns",
     bench_curl_main},
    {"redis", "pipelines, hiredis' own adapters and ours by turns",
     bench_redis_main},
    {"timers", "a million timers, ours and libuv's", bench_timers_main},
    {"watches", "16,000 watches, ours and each host's", bench_watches_main},
    {"calls", "callbacks, futures, posts", bench_calls_main},
    {"wake", "another thread's wake-up, ours and libuv's", bench_wake_main},
    {"tasks", "functions that wait, ours and others'", bench_tasks_main},
    {"switch", "from one stack to another, three ways", bench_switch_main},
};

enum { BENCHES = sizeof benches / sizeof benches[0] };

static int list(void)
{
    bench_usage();
    printf("benches:\n");
    for (size_t i = 0; i < BENCHES; i++) {
        printf("  %-8s %s\n", benches[i].name, benches[i].what);
    }
    printf("servers of echo in this build:\n");
    bench_server_list();
    return 0;
}

int main(int argc, char **argv)
{
    bench_options options;
    if (argc < 2 || strcmp(argv[1], "--help") == 0) {
        return list();
    }
    if (bench_options_parse(&options, argc, argv) != 0) {
        return 2;
    }
    for (size_t i = 0; i < BENCHES; i++) {
        if (strcmp(benches[i].name, options.name) == 0) {
            return benches[i].run(&options);
        }
    }
    fprintf(stderr, "tenon-bench: no bench named %s; see --help\n",
            options.name);
    return 2;
}
