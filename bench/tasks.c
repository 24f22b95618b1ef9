/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/* tenon-bench tasks: what tasks cost, and what they cost elsewhere: to wait
 * for what is there, to be woken among a thousand, to hand on to one another,
 * to be made and waited for; and how much memory those that sleep hold. */
#include <tenon/tenon.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "table.h"
#include "tasks.h"

enum { ASLEEP = 100000 };

static const tenon_reactor_options quiet = {.size = sizeof quiet,
                                            .slow_callback_ns = -1};

static tenon_reactor *reactor;

static int run(tenon_task_fn *fn, void *user)
{
    tenon_task *task = NULL;
    if (tenon_spawn(reactor, fn, user, NULL, &task) < 0) {
        return 1;
    }
    int failed =
        tenon_run_until(reactor, tenon_task_future(task), TENON_FOREVER) < 0;
    tenon_task_unref(task);
    return failed;
}

/* ---- what is done already ---- */

static tenon_status await_done(void *user)
{
    tenon_future done;
    uint64_t start_ns = bench_now_ns();
    TENON_TRY(tenon_future_init(&done, reactor));
    TENON_TRY(tenon_future_resolve_int(&done, 1));
    for (size_t i = 0; i < BENCH_TASK_TURNS; i++) {
        TENON_TRY(tenon_await(&done));
    }
    tenon_future_fini(&done);
    *(double *)user = bench_each_ns(start_ns, bench_now_ns(), BENCH_TASK_TURNS);
    return TENON_OK;
}

/* ---- a thousand that are ready ---- */

static tenon_status yield_often(void *user)
{
    (void)user;
    for (size_t i = 0; i < BENCH_TASK_TURNS / BENCH_TASKS; i++) {
        TENON_TRY(tenon_yield());
    }
    return TENON_OK;
}

static tenon_status yield_all(void *user)
{
    static tenon_task *tasks[BENCH_TASKS];
    uint64_t start_ns = bench_now_ns();
    for (size_t i = 0; i < BENCH_TASKS; i++) {
        TENON_TRY(tenon_spawn(reactor, yield_often, NULL, NULL, &tasks[i]));
    }
    for (size_t i = 0; i < BENCH_TASKS; i++) {
        TENON_TRY(tenon_join(tasks[i]));
        tenon_task_unref(tasks[i]);
    }
    *(double *)user = bench_each_ns(start_ns, bench_now_ns(), BENCH_TASK_TURNS);
    return TENON_OK;
}

/* ---- to and fro ---- */

static tenon_future balls[2];

/* Waits for its own ball, and throws the other's. */
static tenon_status play(size_t self)
{
    for (size_t i = 0; i < BENCH_TASK_ROUNDS; i++) {
        TENON_TRY(tenon_await(&balls[self]));
        tenon_future_fini(&balls[self]);
        TENON_TRY(tenon_future_init(&balls[self], reactor));
        TENON_TRY(tenon_future_resolve_int(&balls[1 - self], 1));
    }
    return TENON_OK;
}

static tenon_status play_second(void *user)
{
    (void)user;
    return play(1);
}

static tenon_status ping_pong(void *user)
{
    tenon_task *second = NULL;
    TENON_TRY(tenon_future_init(&balls[0], reactor));
    TENON_TRY(tenon_future_init(&balls[1], reactor));
    uint64_t start_ns = bench_now_ns();
    TENON_TRY(tenon_spawn(reactor, play_second, NULL, NULL, &second));
    TENON_TRY(tenon_future_resolve_int(&balls[0], 1));
    TENON_TRY(play(0));
    TENON_TRY(tenon_join(second));
    *(double *)user =
        bench_each_ns(start_ns, bench_now_ns(), 2 * BENCH_TASK_ROUNDS);
    tenon_task_unref(second);
    tenon_future_fini(&balls[0]);
    tenon_future_fini(&balls[1]);
    return TENON_OK;
}

/* ---- made and waited for ---- */

static tenon_status do_nothing(void *user)
{
    (void)user;
    return TENON_OK;
}

static tenon_status spawn_and_join(void *user)
{
    static tenon_task *tasks[BENCH_TASKS];
    uint64_t start_ns = bench_now_ns();
    for (size_t round = 0; round < BENCH_TASK_ROUNDS / BENCH_TASKS; round++) {
        for (size_t i = 0; i < BENCH_TASKS; i++) {
            TENON_TRY(tenon_spawn(reactor, do_nothing, NULL, NULL, &tasks[i]));
        }
        for (size_t i = 0; i < BENCH_TASKS; i++) {
            TENON_TRY(tenon_join(tasks[i]));
            tenon_task_unref(tasks[i]);
        }
    }
    *(double *)user =
        bench_each_ns(start_ns, bench_now_ns(), BENCH_TASK_ROUNDS);
    return TENON_OK;
}

static int run_ours(double *out)
{
    tenon_task_fn *const parts[] = {await_done, yield_all, ping_pong,
                                    spawn_and_join};
    int failed = tenon_reactor_new(&reactor, &quiet) < 0;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0] && !failed; i++) {
        failed = run(parts[i], &out[i]);
    }
    tenon_reactor_unref(reactor);
    return failed;
}

/* ---- what is run by another program ---- */

static int bench_tasks_of(const char *command, double *out)
{
    FILE *pipe = popen(command, "r");
    int found = pipe ? fscanf(pipe, "%lf %lf %lf %lf", &out[0], &out[1],
                              &out[2], &out[3])
                     : 0;
    int status = pipe ? pclose(pipe) : -1;
    return status != 0 || found != 4;
}

static int run_asyncio(double *out)
{
    return bench_tasks_of("python3 " BENCH_DIR "/tasks.py asyncio", out);
}

static int run_uvloop(double *out)
{
    return bench_tasks_of("python3 " BENCH_DIR "/tasks.py uvloop", out);
}

static int run_node(double *out)
{
    return bench_tasks_of("node " BENCH_DIR "/tasks.mjs", out);
}

static bool works(const char *command)
{
    return system(command) == 0;
}

/* ---- those that sleep ---- */

static double resident_mib(void)
{
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file && fscanf(file, "%*d %ld", &pages) != 1) {
        pages = 0;
    }
    if (file) {
        fclose(file);
    }
    return (double)pages * (double)sysconf(_SC_PAGESIZE) / 1048576.0;
}

static tenon_status sleep_long(void *user)
{
    (void)user;
    return tenon_sleep(1000 * TENON_SECOND);
}

static int sleepers(void)
{
    double before = resident_mib();
    int failed = tenon_reactor_new(&reactor, &quiet) < 0;
    for (size_t i = 0; i < ASLEEP && !failed; i++) {
        failed = tenon_spawn(reactor, sleep_long, NULL, NULL, NULL) < 0;
    }
    failed |= tenon_run_once(reactor, 0) < 0;
    printf("%d sleeping tasks: %.0f MiB resident\n", ASLEEP,
           resident_mib() - before);
    tenon_reactor_unref(reactor);
    return failed;
}

extern const bench_side bench_tasks_pth __attribute__((weak));

int bench_tasks_main(const bench_options *options)
{
    static const bench_side ours = {"tenon", run_ours};
    static const bench_side asyncio = {"asyncio", run_asyncio};
    static const bench_side uvloop = {"asyncio, uvloop", run_uvloop};
    static const bench_side node = {"node", run_node};
    bench_table table = {
        .name = "tasks",
        .what = "ns each, in one thread",
        .columns = {"await done", "wake of 1000", "ping-pong", "spawn+join"},
        .sides = {&ours}};
    size_t count = 1;
    if (&bench_tasks_pth) {
        table.sides[count++] = &bench_tasks_pth;
    }
    if (works("python3 -c 'import asyncio' 2>/dev/null")) {
        table.sides[count++] = &asyncio;
    }
    if (works("python3 -c 'import uvloop' 2>/dev/null")) {
        table.sides[count++] = &uvloop;
    }
    if (works("command -v node >/dev/null")) {
        table.sides[count++] = &node;
    }
    return bench_table_run(&table, options) | sleepers();
}
