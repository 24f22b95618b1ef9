/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/* tenon-bench watches: 16,000 watches made, called, taken down; ours on each
 * host, and each library's own. */
#include "watches.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#define WEAK __attribute__((weak))

extern const bench_side bench_watches_tenon_native WEAK;
extern const bench_side bench_watches_tenon_libuv WEAK;
extern const bench_side bench_watches_tenon_libevent WEAK;
extern const bench_side bench_watches_tenon_glib WEAK;
extern const bench_side bench_watches_libev WEAK;
extern const bench_side bench_watches_libverto WEAK;
extern const bench_side bench_watches_libevent WEAK;
extern const bench_side bench_watches_libuv WEAK;
extern const bench_side bench_watches_glib WEAK;

static void close_all(bench_watches *self, size_t count)
{
    while (count > 0) {
        close(self->fds[--count]);
    }
    free(self);
}

bench_watches *bench_watches_begin(void)
{
    struct rlimit limit = {0};
    bench_watches *self = calloc(1, sizeof *self);
    (void)getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    for (size_t i = 0; self && i < BENCH_WATCHES; i++) {
        self->fds[i] = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
        if (self->fds[i] < 0) {
            perror("tenon-bench: watches: eventfd");
            close_all(self, i);
            self = NULL;
        }
    }
    return self;
}

int bench_watches_end(bench_watches *self, double *out)
{
    uint64_t end_ns = bench_now_ns();
    int missing = !bench_watches_all_called(self);
    out[0] = bench_each_ns(self->start_ns, self->made_ns, BENCH_WATCHES);
    out[1] = bench_each_ns(self->made_ns, self->called_ns, self->called);
    out[2] = bench_each_ns(self->called_ns, end_ns, BENCH_WATCHES);
    close_all(self, BENCH_WATCHES);
    return missing;
}

int bench_watches_main(const bench_options *options)
{
    const bench_table table = {
        .name = "watches",
        .what = "ns per watch, 16,000 watches of readable descriptors",
        .columns = {"create", "invoke", "destroy"},
        .sides = {&bench_watches_tenon_native, &bench_watches_tenon_libuv,
                  &bench_watches_tenon_libevent, &bench_watches_tenon_glib,
                  &bench_watches_libev, &bench_watches_libverto,
                  &bench_watches_libevent, &bench_watches_libuv,
                  &bench_watches_glib}};
    return bench_table_run(&table, options);
}
