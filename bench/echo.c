/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/* One measured run of the echo: start the server, connect everybody, warm up,
 * then the window. The marks are taken between batches, when every echo has
 * come back; the server has at most its way back into the wait before it. */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

enum { SPARE_FDS = 64, MIN_BATCHES = 5, FIRST_LATENCIES = 65536 };

#define WARM_UP_SHARE 0.2
#define WARM_UP_MAX_S 0.2

typedef struct mark {
    uint64_t at_ns;
    uint64_t cpu_ns;
    uint64_t recvs;
    uint64_t sends;
    uint64_t waits;
} mark;

typedef struct latencies {
    uint32_t *ns;
    size_t count;
    size_t cap;
} latencies;

static mark take_mark(const bench_process *server)
{
    const bench_page *page = server->page;
    return (mark){
        .at_ns = bench_now_ns(),
        .cpu_ns = bench_process_cpu_ns(server),
        .recvs = atomic_load(&page->recvs),
        .sends = atomic_load(&page->sends),
        .waits = atomic_load(&page->waits),
    };
}

static int note(latencies *self, uint64_t ns)
{
    if (self->count == self->cap) {
        size_t cap = self->cap == 0 ? FIRST_LATENCIES : self->cap * 2;
        uint32_t *more = realloc(self->ns, cap * sizeof *more);
        if (more == NULL) {
            perror("tenon-bench: latencies");
            return -1;
        }
        self->ns = more;
        self->cap = cap;
    }
    self->ns[self->count++] = ns > UINT32_MAX ? UINT32_MAX : (uint32_t)ns;
    return 0;
}

static int by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a;
    uint32_t y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static double percentile_us(const latencies *self, size_t percent)
{
    size_t i = self->count * percent / 100;
    return self->ns[i < self->count ? i : self->count - 1] / 1e3;
}

/* Batches until `seconds` are over, and never fewer than a few. */
static int run_for(bench_load *load, double seconds, latencies *out)
{
    uint64_t start = bench_now_ns();
    uint64_t end = start + (uint64_t)(seconds * 1e9);
    out->count = 0;
    while (start < end || out->count < MIN_BATCHES) {
        if (bench_load_batch(load) != 0) {
            return -1;
        }
        uint64_t now = bench_now_ns();
        if (note(out, now - start) != 0) {
            return -1;
        }
        start = now;
    }
    return 0;
}

static void sum_up(bench_result *out, const bench_options *options,
                   const mark *a, const mark *b, latencies *seen)
{
    double batches = (double)seen->count;
    double ops = batches * (double)options->batch;
    qsort(seen->ns, seen->count, sizeof *seen->ns, by_value);
    out->ops = (uint64_t)ops;
    out->cpu_us_per_op = (double)(b->cpu_ns - a->cpu_ns) / 1e3 / ops;
    out->ops_per_s = ops * 1e9 / (double)(b->at_ns - a->at_ns);
    out->p50_us = percentile_us(seen, 50);
    out->p99_us = percentile_us(seen, 99);
    out->recvs_per_op = (double)(b->recvs - a->recvs) / ops;
    out->sends_per_op = (double)(b->sends - a->sends) / ops;
    out->waits_per_batch = (double)(b->waits - a->waits) / batches;
}

static int window(bench_load *load, const bench_process *server,
                  const bench_options *options, bench_result *out)
{
    latencies seen = {0};
    double warm_up = options->seconds * WARM_UP_SHARE;
    if (warm_up > WARM_UP_MAX_S) {
        warm_up = WARM_UP_MAX_S;
    }
    int status = run_for(load, warm_up, &seen);
    mark a = take_mark(server);
    if (status == 0) {
        status = run_for(load, options->seconds, &seen);
    }
    mark b = take_mark(server);
    if (status == 0) {
        sum_up(out, options, &a, &b, &seen);
    }
    free(seen.ns);
    return status;
}

/* Idle ones last, and the heap just before and after: their cost alone. */
static int connect_all(bench_load *load, const bench_process *server,
                       const bench_options *options, bench_result *out)
{
    if (bench_process_settle(server, 0) != 0 ||
        bench_load_connect(load, server, options->conns, true) != 0) {
        return -1;
    }
    uint64_t before = atomic_load(&server->page->heap_bytes);
    if (bench_load_connect(load, server, options->idle, false) != 0) {
        return -1;
    }
    uint64_t after = atomic_load(&server->page->heap_bytes);
    out->bytes_per_idle_conn = -1;
    if (options->idle > 0) {
        out->bytes_per_idle_conn =
            ((double)after - (double)before) / (double)options->idle;
    }
    return 0;
}

int bench_raise_fd_limit(size_t needed)
{
    struct rlimit limit = {0};
    (void)getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    if (needed + SPARE_FDS > limit.rlim_cur) {
        fprintf(stderr, "tenon-bench: %zu connections, %llu descriptors\n",
                needed, (unsigned long long)limit.rlim_cur);
        return -1;
    }
    return 0;
}

int bench_echo_run(const bench_server *server, const bench_options *options,
                   bench_result *out)
{
    bench_process process = {0};
    bench_load *load = bench_load_new(options);
    int status = -1;
    if (load != NULL &&
        bench_raise_fd_limit(options->conns + options->idle) == 0 &&
        bench_process_start(&process, server, options) == 0 &&
        connect_all(load, &process, options, out) == 0) {
        status = window(load, &process, options, out);
    }
    bench_process_kill(&process);
    bench_load_free(load);
    return status;
}

static void print_json(const bench_options *o, const bench_result *r)
{
    printf("{\"bench\":\"%s\",\"host\":\"%s\",\"impl\":\"%s\",\"conns\":%zu,"
           "\"idle\":%zu,\"batch\":%zu,\"size\":%zu,\"ops\":%llu,",
           o->name, o->host, o->impl, o->conns, o->idle, o->batch, o->size,
           (unsigned long long)r->ops);
    printf("\"cpu_us_per_op\":%.3f,\"ops_per_s\":%.0f,\"p50_us\":%.1f,"
           "\"p99_us\":%.1f,\"recvs_per_op\":%.3f,\"sends_per_op\":%.3f,"
           "\"waits_per_batch\":%.3f,\"bytes_per_idle_conn\":",
           r->cpu_us_per_op, r->ops_per_s, r->p50_us, r->p99_us,
           r->recvs_per_op, r->sends_per_op, r->waits_per_batch);
    if (o->idle > 0) {
        printf("%.0f}\n", r->bytes_per_idle_conn);
    } else {
        printf("null}\n");
    }
}

static void print_text(const bench_options *o, const bench_result *r)
{
    printf("%s: %s on %s, %zu connections, %zu idle, batches of %zu, "
           "%zu bytes\n",
           o->name, o->impl, o->host, o->conns, o->idle, o->batch, o->size);
    printf("  %llu echoes, %.0f a second, %.2f us of server CPU each\n",
           (unsigned long long)r->ops, r->ops_per_s, r->cpu_us_per_op);
    printf("  a batch takes %.1f us (median), %.1f (99 of 100)\n", r->p50_us,
           r->p99_us);
    printf("  per echo %.2f receives, %.2f sends; per batch %.2f waits\n",
           r->recvs_per_op, r->sends_per_op, r->waits_per_batch);
    if (o->idle > 0) {
        printf("  an idle connection holds %.0f bytes\n",
               r->bytes_per_idle_conn);
    }
}

int bench_echo_main(const bench_options *options)
{
    bench_result result;
    const bench_server *server =
        bench_server_find(options->host, options->impl);
    if (server == NULL) {
        fprintf(stderr, "tenon-bench: no %s on %s in this build\n",
                options->impl, options->host);
        return 2;
    }
    if (bench_echo_run(server, options, &result) != 0) {
        return 1;
    }
    (options->json ? print_json : print_text)(options, &result);
    return 0;
}
