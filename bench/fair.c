/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/* tenon-bench fair: whether a screen and a server in one thread leave each
 * other room. The program is fair_glib.c. It runs in slices by turns, so that
 * what else the machine does falls on all alike:
 *
 *   screen    the program serves all connections
 *   baseline  the same program, the same load, but the connections are with a
 *             bare epoll loop in a process of its own
 *   quiet     the same program without a load
 *   alone     our server without a screen
 *
 * and, at the end, a program whose every frame takes 20 ms, more than a frame
 * has. Each connection always has one echo under way. There are two clients,
 * this process and another, each with half of the connections: one alone is not
 * faster than the server, which would then have rests. Processes go where the
 * kernel puts them. */
#define _GNU_SOURCE 1
#include "fair.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { HEAVY_FRAME_US = 20000, TRIES = 3, SKIPPED = 77 };

#define SLICE_S     17.0
#define WARM_UP_S   0.5
#define COUNT_S     0.05 /* how often the second client counts */
#define SHORT_SHARE 0.25 /* of a slice, for quiet and alone */
#define HEAVY_SHARE 0.1
#define HEAVY_MIN_S 2.0

#define GOAL_LATE_MS    4.0
#define GOAL_THROUGHPUT 0.9
#define GOAL_HEAVY      0.1

bench_fair_page *bench_fair_shared;

/* One kind of run, summed up over its slices. */
typedef struct sum {
    double seconds;
    double server_s; /* CPU of whoever serves */
    uint64_t echoes;
    uint64_t idle;
    uint64_t frames_us;
    uint32_t *late_us;
    size_t ticks;
} sum;

typedef struct row {
    size_t conns;
    sum screen;
    sum baseline;
    sum quiet;
    sum alone;
    sum heavy;
} row;

/* ---- a slice ---- */

typedef struct slice {
    const bench_server *program; /* with the screen, or NULL */
    const bench_server *server;  /* whom the clients talk to, or NULL */
    int64_t frame_us;
    double seconds;
} slice;

static int keep_ticks(sum *out, const bench_fair_page *page, uint64_t first)
{
    uint64_t end = atomic_load(&page->ticks);
    uint32_t *more =
        realloc(out->late_us, (out->ticks + end - first + 1) * sizeof *more);
    if (more == NULL) {
        return -1;
    }
    out->late_us = more;
    for (; first < end; first++) {
        more[out->ticks++] = page->late_us[first % BENCH_FAIR_TICKS];
    }
    return 0;
}

static int flow(bench_load *load, double seconds, uint64_t *echoes)
{
    if (load != NULL) {
        return bench_load_flow(load, seconds, echoes);
    }
    struct timespec t = {.tv_sec = (time_t)seconds};
    t.tv_nsec = (long)((seconds - (double)t.tv_sec) * 1e9);
    return nanosleep(&t, NULL);
}

static int window(bench_load *load, const bench_process *server,
                  const slice *how, sum *out)
{
    bench_fair_page *page = bench_fair_shared;
    uint64_t echoes = 0;
    atomic_store(&page->go, true);
    if (flow(load, WARM_UP_S, &echoes) != 0) {
        return -1;
    }
    uint64_t tick = atomic_load(&page->ticks);
    uint64_t idle = atomic_load(&page->idle);
    uint64_t frames_us = atomic_load(&page->frames_us);
    uint64_t others = atomic_load(&page->echoes);
    uint64_t cpu_ns = bench_process_cpu_ns(server);
    uint64_t start_ns = bench_now_ns();
    echoes = 0;
    if (flow(load, how->seconds, &echoes) != 0) {
        return -1;
    }
    out->seconds += (double)(bench_now_ns() - start_ns) / 1e9;
    out->server_s += (double)(bench_process_cpu_ns(server) - cpu_ns) / 1e9;
    out->echoes += echoes + atomic_load(&page->echoes) - others;
    out->idle += atomic_load(&page->idle) - idle;
    out->frames_us += atomic_load(&page->frames_us) - frames_us;
    return keep_ticks(out, page, tick);
}

static int run_quiet(const bench_options *options, const slice *how, sum *out)
{
    bench_process program = {0};
    memset(bench_fair_shared, 0, sizeof *bench_fair_shared);
    int status = bench_process_start(&program, how->program, options);
    if (status == 0) {
        status = window(NULL, &program, how, out);
    }
    bench_process_kill(&program);
    return status;
}

/* The second client. */
static pid_t start_flowing(bench_load *load)
{
    pid_t parent = getpid();
    uint64_t echoes = 0;
    pid_t child = fork();
    if (child != 0) {
        return child;
    }
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    while (getppid() == parent &&
           bench_load_flow(load, COUNT_S, &echoes) == 0) {
        atomic_store(&bench_fair_shared->echoes, echoes);
    }
    _exit(1);
}

static int load_and_measure(bench_load *const loads[2],
                            const bench_process *server, const slice *how,
                            sum *out, size_t each)
{
    for (size_t i = 0; i < 2; i++) {
        if (bench_load_connect(loads[i], server, each, true) != 0) {
            return -1;
        }
    }
    pid_t second = start_flowing(loads[1]);
    int status = second < 0 ? -1 : window(loads[0], server, how, out);
    if (second > 0) {
        (void)kill(second, SIGKILL);
        (void)waitpid(second, NULL, 0);
    }
    return status;
}

static int run_slice(const bench_options *options, const slice *how, sum *out)
{
    bench_process program = {0};
    bench_process server = {0};
    bench_process *served = how->program == how->server ? &program : &server;
    bench_options half = *options;
    half.conns = half.batch = (options->conns + 1) / 2;
    bench_load *loads[2] = {bench_load_new(&half), bench_load_new(&half)};
    memset(bench_fair_shared, 0, sizeof *bench_fair_shared);
    bench_fair_shared->frame_us = how->frame_us;
    int status = -1;
    if (loads[0] != NULL && loads[1] != NULL &&
        (how->program == NULL ||
         bench_process_start(&program, how->program, options) == 0) &&
        (how->program == how->server ||
         bench_process_start(&server, how->server, options) == 0) &&
        bench_process_settle(served, 0) == 0) {
        status = load_and_measure(loads, served, how, out, half.conns);
    }
    bench_process_kill(&server);
    bench_process_kill(&program);
    bench_load_free(loads[1]);
    bench_load_free(loads[0]);
    return status;
}

/* ---- a row ---- */

static int by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a;
    uint32_t y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static int run_row(const bench_options *options, row *out)
{
    extern const bench_server bench_srv_screen_glib __attribute__((weak));
    const bench_server *screen = &bench_srv_screen_glib;
    const bench_server *raw = bench_server_find("native", "raw");
    const bench_server *alone = bench_server_find("glib", "tenon");
    double seconds = options->seconds < SLICE_S ? options->seconds : SLICE_S;
    double heavy_s = options->seconds * HEAVY_SHARE;
    slice with = {screen, screen, 0, seconds};
    slice base = {screen, raw, 0, seconds};
    slice quiet = {screen, NULL, 0, seconds * SHORT_SHARE};
    slice none = {NULL, alone, 0, seconds * SHORT_SHARE};
    slice heavy = {screen, screen, HEAVY_FRAME_US,
                   heavy_s < HEAVY_MIN_S ? HEAVY_MIN_S : heavy_s};
    if (screen == NULL || alone == NULL) {
        fprintf(stderr, "tenon-bench: no glib in this build\n");
        return SKIPPED;
    }
    while (out->screen.seconds < options->seconds) {
        if (run_slice(options, &base, &out->baseline) != 0 ||
            run_slice(options, &with, &out->screen) != 0 ||
            run_quiet(options, &quiet, &out->quiet) != 0 ||
            run_slice(options, &none, &out->alone) != 0) {
            return 1;
        }
    }
    if (run_slice(options, &heavy, &out->heavy) != 0) {
        return 1;
    }
    sum *timed[] = {&out->screen, &out->baseline, &out->quiet, &out->heavy};
    for (size_t i = 0; i < sizeof timed / sizeof timed[0]; i++) {
        qsort(timed[i]->late_us, timed[i]->ticks, sizeof(uint32_t), by_value);
    }
    return 0;
}

static void fini(row *self)
{
    free(self->screen.late_us);
    free(self->baseline.late_us);
    free(self->quiet.late_us);
    free(self->alone.late_us);
    free(self->heavy.late_us);
}

/* ---- figures ---- */

static double late_ms(const sum *s, size_t permille)
{
    size_t i = s->ticks * permille / 1000;
    return s->ticks == 0 ? 0
                         : s->late_us[i < s->ticks ? i : s->ticks - 1] / 1e3;
}

static double rate(const sum *s)
{
    return (double)s->echoes / s->seconds;
}

static double late_beyond(const row *r)
{
    return late_ms(&r->screen, 990) - late_ms(&r->baseline, 990);
}

static double throughput(const row *r)
{
    return rate(&r->screen) / rate(&r->alone);
}

/* The same for a second of the server's CPU, drawing and idling included: what
 * is left of it where others want the CPU as well. */
static double throughput_by_cpu(const row *r)
{
    return throughput(r) * (r->screen.seconds / r->screen.server_s) /
           (r->alone.seconds / r->alone.server_s);
}

/* Of the CPU time of a program whose frames are too long, what was not
 * drawing. */
static double left_over(const row *r)
{
    return 1 - (double)r->heavy.frames_us / 1e6 / r->heavy.server_s;
}

static void print_kind(const char *name, const sum *s)
{
    printf("  %-9s %6.0f s  %8.0f echoes/s, %3.0f %% of a CPU to serve", name,
           s->seconds, rate(s), 100 * s->server_s / s->seconds);
    if (s->ticks > 0) {
        printf("; %zu ticks, late by %.2f ms (median), %.2f (99 of 100), "
               "%.2f (most); idle %.0f/s",
               s->ticks, late_ms(s, 500), late_ms(s, 990), late_ms(s, 1000),
               (double)s->idle / s->seconds);
    }
    printf("\n");
}

static const char *verdict(bool reached)
{
    return reached ? "reached" : "NOT reached";
}

static void print_text(const row *r)
{
    printf("fair: %zu connections, each with an echo under way\n", r->conns);
    print_kind("baseline", &r->baseline);
    print_kind("screen", &r->screen);
    print_kind("quiet", &r->quiet);
    print_kind("alone", &r->alone);
    print_kind("heavy", &r->heavy);
    printf("  late beyond the baseline: %.2f ms (at most %.0f: %s)\n",
           late_beyond(r), GOAL_LATE_MS,
           verdict(late_beyond(r) <= GOAL_LATE_MS));
    printf("  late beyond the quiet program: %.2f ms\n",
           late_ms(&r->screen, 990) - late_ms(&r->quiet, 990));
    printf("  throughput with a screen: %.2f (at least %.1f: %s); "
           "for the same CPU time %.2f\n",
           throughput(r), GOAL_THROUGHPUT,
           verdict(throughput(r) >= GOAL_THROUGHPUT), throughput_by_cpu(r));
    printf("  frames of 20 ms leave %.3f of the time (at least %.1f: %s), "
           "%.2f of the echoes\n",
           left_over(r), GOAL_HEAVY, verdict(left_over(r) >= GOAL_HEAVY),
           rate(&r->heavy) / rate(&r->alone));
}

static void print_json(const row *r)
{
    printf("{\"bench\":\"fair\",\"conns\":%zu,\"seconds\":%.1f,"
           "\"ticks\":%zu,\"baseline_ticks\":%zu,\"p99_ms\":%.3f,"
           "\"baseline_p99_ms\":%.3f,\"quiet_p99_ms\":%.3f,\"median_ms\":%.3f,"
           "\"baseline_median_ms\":%.3f,",
           r->conns, r->screen.seconds, r->screen.ticks, r->baseline.ticks,
           late_ms(&r->screen, 990), late_ms(&r->baseline, 990),
           late_ms(&r->quiet, 990), late_ms(&r->screen, 500),
           late_ms(&r->baseline, 500));
    printf("\"echoes_per_s\":%.0f,\"alone_per_s\":%.0f,\"throughput\":%.3f,"
           "\"throughput_by_cpu\":%.3f,"
           "\"idle_per_s\":%.0f,\"heavy_left\":%.3f,\"heavy_per_s\":%.0f}\n",
           rate(&r->screen), rate(&r->alone), throughput(r),
           throughput_by_cpu(r), (double)r->screen.idle / r->screen.seconds,
           left_over(r), rate(&r->heavy));
}

/* What no noise of a busy machine explains, not each time: a screen that starves draws a few
 * frames in a hundred, a server that starves answers as few. */
static bool is_fair(const row *r)
{
    size_t in_time = 0;
    size_t base_in_time = 0;
    for (size_t i = 0; i < r->screen.ticks; i++) {
        in_time += r->screen.late_us[i] < BENCH_FAIR_PERIOD_US;
    }
    for (size_t i = 0; i < r->baseline.ticks; i++) {
        base_in_time += r->baseline.late_us[i] < BENCH_FAIR_PERIOD_US;
    }
    return in_time * 2 >= base_in_time && throughput(r) >= 0.3 &&
           left_over(r) >= 0.03;
}

static int measure(const bench_options *options, bool *fair)
{
    row r = {.conns = options->conns};
    int status = run_row(options, &r);
    if (status == 0) {
        (options->json ? print_json : print_text)(&r);
        *fair = is_fair(&r);
    }
    fini(&r);
    return status;
}

static int measure_or_check(const bench_options *options)
{
    bool fair = false;
    int status = measure(options, &fair);
    for (int i = 1; options->check && i < TRIES && status == 0 && !fair; i++) {
        status = measure(options, &fair);
    }
    return status != 0 ? status : options->check && !fair;
}

int bench_fair_main(const bench_options *given)
{
    static const size_t both[] = {2000, 5000};
    bench_options options = *given;
    int status = 0;
    options.cpus = BENCH_ANYWHERE;
    bench_fair_shared =
        mmap(NULL, sizeof *bench_fair_shared, PROT_READ | PROT_WRITE,
             MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (bench_fair_shared == MAP_FAILED) {
        return 1;
    }
    if (bench_raise_fd_limit(given->conns_given ? given->conns : both[1])) {
        return SKIPPED;
    }
    for (size_t i = 0; i < (given->conns_given ? 1 : 2) && status == 0; i++) {
        options.conns = given->conns_given ? given->conns : both[i];
        options.batch = options.conns;
        status = measure_or_check(&options);
    }
    return status;
}
