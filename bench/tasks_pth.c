/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/* GNU Pth's side of tenon-bench tasks, where it is installed. It has nothing
 * that is done already to wait for, and its scheduler looks at every thread. */
#include "tasks.h"

#if BENCH_HAVE_PTH

#include <pth.h>

static void *yield_often(void *user)
{
    (void)user;
    for (size_t i = 0; i < BENCH_TASK_TURNS / 10 / BENCH_TASKS; i++) {
        pth_yield(NULL);
    }
    return NULL;
}

static void *do_nothing(void *user)
{
    return user;
}

static int many(void *(*fn)(void *), size_t count, size_t rounds, double *out)
{
    static pth_t threads[BENCH_TASKS];
    uint64_t start_ns = bench_now_ns();
    int failed = 0;
    for (size_t round = 0; round < rounds && !failed; round++) {
        for (size_t i = 0; i < BENCH_TASKS; i++) {
            threads[i] = pth_spawn(PTH_ATTR_DEFAULT, fn, NULL);
            failed |= !threads[i];
        }
        for (size_t i = 0; i < BENCH_TASKS && !failed; i++) {
            failed |= !pth_join(threads[i], NULL);
        }
    }
    *out = bench_each_ns(start_ns, bench_now_ns(), count);
    return failed;
}

static void *play(void *user)
{
    (void)user;
    for (size_t i = 0; i < BENCH_TASK_ROUNDS; i++) {
        pth_yield(NULL);
    }
    return NULL;
}

static int ping_pong(double *out)
{
    uint64_t start_ns = bench_now_ns();
    pth_t second = pth_spawn(PTH_ATTR_DEFAULT, play, NULL);
    (void)play(NULL);
    int failed = !second || !pth_join(second, NULL);
    *out =
        bench_each_ns(start_ns, bench_now_ns(), 2 * (size_t)BENCH_TASK_ROUNDS);
    return failed;
}

static int run_pth(double *out)
{
    static int begun;
    if (!begun && !pth_init()) {
        return 1;
    }
    begun = 1;
    out[0] = 0;
    return many(yield_often, BENCH_TASK_TURNS / 10, 1, &out[1]) ||
           ping_pong(&out[2]) ||
           many(do_nothing, 10 * BENCH_TASKS, 10, &out[3]);
}

const bench_side bench_tasks_pth = {"GNU Pth", run_pth};

#endif
