/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/* The same by the switch under Boost.Context, whose two functions are plain
 * assembler, but are declared for C++ alone. */
#include "switch.h"

#ifndef BENCH_HAVE_BOOST
#define BENCH_HAVE_BOOST 0
#endif

#if BENCH_HAVE_BOOST
typedef struct transfer {
    void *from;
    void *data;
} transfer;

transfer jump_fcontext(void *to, void *data);
void *make_fcontext(void *top, size_t size, void (*fn)(transfer));

static void *places[BENCH_STACKS];

static void come_back(transfer t)
{
    for (;;) {
        t = jump_fcontext(t.from, t.data);
    }
}

static double turns(size_t count)
{
    uint64_t start_ns = bench_now_ns();
    for (size_t turn = 0; turn < BENCH_TURNS / count; turn++) {
        for (size_t i = 0; i < count; i++) {
            places[i] = jump_fcontext(places[i], NULL).from;
        }
    }
    return bench_each_ns(start_ns, bench_now_ns(), 2 * (size_t)BENCH_TURNS);
}

static int run(double *out)
{
    for (size_t i = 0; i < BENCH_STACKS; i++) {
        size_t len;
        char *stack = bench_stack(i, &len);
        if (!stack) {
            return 1;
        }
        places[i] = make_fcontext(stack + len, len, come_back);
    }
    out[0] = turns(1);
    out[1] = turns(BENCH_STACKS);
    return 0;
}

const bench_side bench_switch_boost = {"boost-context", run};
#endif
