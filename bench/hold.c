/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/* tenon-bench hold: 19,000 connections at once, on each host in turn. All are
 * accepted, a sample of them is spoken to while the rest is quiet, before and
 * after, and the heap says what one costs. Server and clients are two
 * processes, each with its own limit of descriptors. */
#include "bench.h"

#include <stdio.h>
#include <string.h>

enum { HELD = 19000, SAMPLE = 100, ROUNDS = 50, SKIPPED = 77 };

static const char *const hosts[] = {"native", "libuv", "libevent", "glib"};

static int talk(bench_load *load)
{
    for (int i = 0; i < ROUNDS; i++) {
        if (bench_load_batch(load) != 0) {
            return -1;
        }
    }
    return 0;
}

static int hold(bench_load *load, const bench_process *server,
                const bench_options *options, double *bytes, double *us)
{
    if (bench_process_settle(server, 0) != 0 ||
        bench_load_connect(load, server, options->conns, true) != 0 ||
        talk(load) != 0) {
        return -1;
    }
    uint64_t before = atomic_load(&server->page->heap_bytes);
    if (bench_load_connect(load, server, options->idle, false) != 0) {
        return -1;
    }
    uint64_t after = atomic_load(&server->page->heap_bytes);
    *bytes = ((double)after - (double)before) / (double)options->idle;
    uint64_t cpu_ns = bench_process_cpu_ns(server);
    int status = talk(load);
    *us = (double)(bench_process_cpu_ns(server) - cpu_ns) / 1e3 /
          (double)(ROUNDS * options->batch);
    size_t all = options->conns + options->idle;
    return status == 0 && bench_load_held(load) == all ? 0 : -1;
}

static int run(const bench_server *server, const bench_options *options)
{
    bench_process process = {0};
    bench_load *load = bench_load_new(options);
    double bytes = 0;
    double us = 0;
    int status = -1;
    if (load != NULL && bench_process_start(&process, server, options) == 0) {
        status = hold(load, &process, options, &bytes, &us);
    }
    bench_process_kill(&process);
    bench_load_free(load);
    if (status == 0) {
        printf(options->json
                   ? "{\"bench\":\"hold\",\"host\":\"%s\",\"conns\":%zu,"
                     "\"sample\":%zu,\"bytes_per_conn\":%.0f,"
                     "\"cpu_us_per_op\":%.3f}\n"
                   : "hold: %-8s %zu connections and %zu that speak; "
                     "%.0f bytes each, %.2f us of CPU per echo\n",
               server->host, options->idle, options->conns, bytes, us);
    }
    return status;
}

int bench_hold_main(const bench_options *given)
{
    bench_options options = *given;
    size_t all = given->conns_given ? given->conns : HELD;
    options.conns = options.batch = all > 2 * SAMPLE ? SAMPLE : (all + 1) / 2;
    options.idle = all - options.conns;
    if (options.idle == 0 || bench_raise_fd_limit(all) != 0) {
        return SKIPPED;
    }
    size_t held = 0;
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
        const bench_server *server = bench_server_find(hosts[i], options.impl);
        if (server == NULL || strstr(hosts[i], options.filter) == NULL) {
            continue;
        }
        if (run(server, &options) != 0) {
            fprintf(stderr, "tenon-bench: %s does not hold %zu\n", hosts[i],
                    all);
            return 1;
        }
        held++;
    }
    return held > 0 ? 0 : 2;
}
