/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/* tenon-bench switch: what it costs to go on on another stack: to and fro
 * between two, and from one place to each of a thousand in turn. */
#include "switch.h"

#include "async/context.h"

#include <sys/mman.h>
#include <ucontext.h>

extern const bench_side bench_switch_boost __attribute__((weak));

char *bench_stack(size_t index, size_t *len)
{
    enum { ROOM = BENCH_STACK_LEN + 4096 };
    static char *area;
    if (!area) {
        void *made =
            mmap(NULL, (size_t)BENCH_STACKS * ROOM, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (made == MAP_FAILED) {
            return NULL;
        }
        (void)madvise(made, (size_t)BENCH_STACKS * ROOM, MADV_NOHUGEPAGE);
        area = made;
    }
    *len = BENCH_STACK_LEN - index % 16 * 64;
    return area + index * ROOM;
}

/* ---- ours ---- */

static tenon__context our_host;
static tenon__context ours[BENCH_STACKS];

static void come_back(void *arg)
{
    tenon__context *self = arg;
    for (;;) {
        tenon__context_switch(self, &our_host);
    }
}

static double our_turns(size_t count)
{
    uint64_t start_ns = bench_now_ns();
    for (size_t turn = 0; turn < BENCH_TURNS / count; turn++) {
        for (size_t i = 0; i < count; i++) {
            tenon__context_switch(&our_host, &ours[i]);
        }
    }
    return bench_each_ns(start_ns, bench_now_ns(), 2 * (size_t)BENCH_TURNS);
}

static int run_ours(double *out)
{
    tenon__context_host(&our_host);
    for (size_t i = 0; i < BENCH_STACKS; i++) {
        size_t len;
        char *stack = bench_stack(i, &len);
        if (!stack) {
            return 1;
        }
        tenon__context_make(&ours[i], stack, len, come_back, &ours[i]);
    }
    out[0] = our_turns(1);
    out[1] = our_turns(BENCH_STACKS);
    for (size_t i = 0; i < BENCH_STACKS; i++) {
        tenon__context_drop(&ours[i]);
    }
    return 0;
}

/* ---- the system's ---- */

static ucontext_t system_host;
static ucontext_t systems[BENCH_STACKS];

static void come_back_slowly(int index)
{
    for (;;) {
        (void)swapcontext(&systems[index], &system_host);
    }
}

static double system_turns(size_t count)
{
    uint64_t start_ns = bench_now_ns();
    for (size_t turn = 0; turn < BENCH_TURNS / count; turn++) {
        for (size_t i = 0; i < count; i++) {
            (void)swapcontext(&system_host, &systems[i]);
        }
    }
    return bench_each_ns(start_ns, bench_now_ns(), 2 * (size_t)BENCH_TURNS);
}

static int system_make(ucontext_t *self, int index)
{
    size_t len;
    char *stack = bench_stack((size_t)index, &len);
    if (!stack || getcontext(self) < 0) {
        return 1;
    }
    self->uc_stack.ss_sp = stack;
    self->uc_stack.ss_size = len;
    self->uc_link = NULL;
    makecontext(self, (void (*)(void))come_back_slowly, 1, index);
    return 0;
}

static int run_system(double *out)
{
    int failed = 0;
    for (int i = 0; i < BENCH_STACKS; i++) {
        failed |= system_make(&systems[i], i);
    }
    if (!failed) {
        out[0] = system_turns(1);
        out[1] = system_turns(BENCH_STACKS);
    }
    return failed;
}

int bench_switch_main(const bench_options *options)
{
    static const bench_side our_side = {"tenon", run_ours};
    static const bench_side system_side = {"swapcontext", run_system};
    const bench_table table = {
        .name = "switch",
        .what = "ns a switch of stacks, one of each two being back",
        .columns = {"with one", "with 1,000"},
        .sides = {&our_side, &system_side, &bench_switch_boost}};
    return bench_table_run(&table, options);
}
