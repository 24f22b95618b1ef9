/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Contexts: a switch is a call to whoever makes it, and nothing else. Built
 * with our own switch and with swapcontext, and for other processors.
 *
 * ctest: labels=threads timeout=60
 */

#include <execinfo.h>
#include <fenv.h>
#include <stdlib.h>
#include <string.h>

#include "async/context.h"
#include "async/stack.h"
#include "context_rig.h"

enum { MANY = 10000, ONE_BY_ONE = 20000 };

static harness_guard guard;
static tenon__stacks pool;
static tenon__context host;
static rig_fibre fibre;

/* ThreadSanitizer is slow to make a fibre, valgrind searches all stacks at each
 * switch. */
static int few_of(int count)
{
#if defined(TENON__TSAN)
    return count / 20;
#elif defined(TENON__VALGRIND)
    return RUNNING_ON_VALGRIND ? count / 20 : count;
#else
    return count;
#endif
}

static void setup(void)
{
    harness_guard_begin(&guard);
    tenon__stacks_init(&pool, &guard.heap.allocator);
    tenon__context_host(&host);
}

static void teardown(void)
{
    tenon__stacks_free(&pool);
    harness_guard_end(&guard);
}

static void begin(rig_fibre *self, void (*entry)(void *), void *arg)
{
    ck_assert_int_eq(tenon__stack_get(&pool, TENON__STACK_SIZE, &self->stack),
                     0);
    tenon__context_make(&self->context, self->stack.base, self->stack.size,
                        entry, arg);
}

static void run(rig_fibre *self)
{
    tenon__context_switch(&host, &self->context);
}

static void rest(void)
{
    tenon__context_switch(&fibre.context, &host);
}

_Noreturn static void leave(void)
{
    tenon__context_leave(&fibre.context, &host);
}

static void end(rig_fibre *self)
{
    tenon__stack_put(&pool, &self->stack);
}

/* ---- there and back ---- */

static void count_to_three(void *arg)
{
    int *count = arg;
    for (int i = 0; i < 3; i++) {
        *count += 1;
        rest();
    }
    *count += 10;
    leave();
}

START_TEST(there_and_back)
{
    int count = 0;
    begin(&fibre, count_to_three, &count);
    for (int i = 1; i <= 3; i++) {
        run(&fibre);
        ck_assert_int_eq(count, i);
    }
    run(&fibre);
    ck_assert_int_eq(count, 13);
    end(&fibre);
}
END_TEST

/* ---- what a callee keeps ---- */

static uint64_t wrong_in_fibre;

static void hold_for_ever(void *arg)
{
    (void)arg;
    for (uint64_t seed = 1000000;; seed += 64) {
        wrong_in_fibre |= rig_switch(&fibre.context, &host, seed);
    }
}

START_TEST(registers_are_kept)
{
    begin(&fibre, hold_for_ever, NULL);
    uint64_t wrong = 0;
    for (uint64_t seed = 1; seed <= 64 * 100; seed += 64) {
        wrong |= rig_switch(&host, &fibre.context, seed);
    }
    ck_assert_uint_eq(wrong, 0);
    ck_assert_uint_eq(wrong_in_fibre, 0);
    tenon__context_drop(&fibre.context);
    end(&fibre);
}
END_TEST

static void round_up(void *arg)
{
    int *modes = arg;
    modes[0] = fegetround();
    fesetround(FE_UPWARD);
    rest();
    modes[1] = fegetround();
    leave();
}

START_TEST(rounding_belongs_to_one)
{
    int modes[2] = {-1, -1};
    fesetround(FE_DOWNWARD);
    begin(&fibre, round_up, modes);
    run(&fibre);
    ck_assert_int_eq(fegetround(), FE_DOWNWARD);
    run(&fibre);
    ck_assert_int_eq(fegetround(), FE_DOWNWARD);
    fesetround(FE_TONEAREST);
    ck_assert_int_eq(modes[0], FE_DOWNWARD); /* as it was when made */
    ck_assert_int_eq(modes[1], FE_UPWARD);
    end(&fibre);
}
END_TEST

#ifdef __x86_64__
/* Each of the two words by itself: only the other is what it was. */
static void set_controls(bool x87, bool sse)
{
    uint16_t word = x87 ? 0x0f7f : 0x037f;
    uint32_t mxcsr = sse ? 0x7f80 : 0x1f80;
    __asm__ volatile("fldcw %0\n\tldmxcsr %1" : : "m"(word), "m"(mxcsr));
}

static bool has_controls(bool x87, bool sse)
{
    uint16_t word;
    uint32_t mxcsr;
    __asm__ volatile("fnstcw %0\n\tstmxcsr %1" : "=m"(word), "=m"(mxcsr));
    return word == (x87 ? 0x0f7f : 0x037f) &&
           (mxcsr & 0xffc0) == (sse ? 0x7f80 : 0x1f80);
}

static void with_controls(void *arg)
{
    const bool *which = arg;
    set_controls(which[0], which[1]);
    rest();
    rig_require(has_controls(which[0], which[1]));
    leave();
}

START_TEST(each_control_word_is_kept)
{
    for (int i = 1; i < 4; i++) {
        bool which[2] = {(i & 1) != 0, (i & 2) != 0};
        begin(&fibre, with_controls, which);
        run(&fibre);
        ck_assert(has_controls(false, false));
        run(&fibre);
        ck_assert(has_controls(false, false));
        end(&fibre);
    }
}
END_TEST
#endif

/* ---- stacks ---- */

static size_t levels;

static bool near_the_end(void)
{
    const char *here = __builtin_frame_address(0);
    return here < (const char *)fibre.stack.base + 12000;
}

static uint64_t descend(uint64_t level)
{
    volatile uint64_t mark[8];
    for (int i = 0; i < 8; i++) {
        mark[i] = level + (uint64_t)i;
    }
    levels++;
    uint64_t sum = near_the_end() ? 0 : descend(level + 1);
    rest();
    for (int i = 0; i < 8; i++) {
        sum += mark[i] - level - (uint64_t)i;
    }
    return sum + 1;
}

static void descend_to_the_end(void *arg)
{
    uint64_t *sum = arg;
    *sum = descend(0);
    leave();
}

START_TEST(switches_at_any_depth)
{
    uint64_t sum = 0;
    begin(&fibre, descend_to_the_end, &sum);
    run(&fibre);
    ck_assert_uint_ge(levels, 40);
    for (size_t i = 0; i < levels; i++) {
        ck_assert_uint_eq(sum, 0);
        run(&fibre);
    }
    ck_assert_uint_eq(sum, levels);
    end(&fibre);
}
END_TEST

static void take_place(void *arg)
{
    *(uintptr_t *)arg = (uintptr_t)__builtin_frame_address(0);
#ifdef __SSE2__
    _Alignas(16) volatile char room[16];
    __asm__ volatile("movaps %%xmm0, %0" : "=m"(room) : :);
#endif
    leave();
}

START_TEST(entry_is_aligned)
{
    for (size_t off = 0; off < 64; off += 8) {
        uintptr_t place = 0;
        begin(&fibre, take_place, NULL);
        tenon__context_drop(&fibre.context);
        tenon__context_make(&fibre.context, fibre.stack.base,
                            fibre.stack.size - off, take_place, &place);
        run(&fibre);
        ck_assert_uint_eq(place % 16, 0);
        ck_assert(place > (uintptr_t)fibre.stack.base &&
                  place < (uintptr_t)fibre.stack.base + fibre.stack.size - off);
        end(&fibre);
    }
}
END_TEST

/* Frees what it has to walk through last: unwinding has to end by itself. */
static void *frames[64];

static void look_back(void *arg)
{
    int *count = arg;
    *count = backtrace(frames, 64);
    leave();
}

START_TEST(a_backtrace_ends)
{
    int count = 0;
    tenon__stack above; /* its guard is where the first stack ends */
    begin(&fibre, look_back, &count);
    ck_assert_int_eq(tenon__stack_get(&pool, TENON__STACK_SIZE, &above), 0);
    run(&fibre);
    tenon__stack_put(&pool, &above);
    ck_assert_int_ge(count, 2);
    ck_assert_int_le(count, 8);
    end(&fibre);
}
END_TEST

/* ---- many ---- */

static rig_fibre *all;
static size_t live;

static void three_rounds(void *arg)
{
    rig_fibre *self = arg;
    for (int i = 0; i < 3; i++) {
        self->count++;
        tenon__context_switch(&self->context, &host);
    }
    live--;
    tenon__context_leave(&self->context, &host);
}

START_TEST(ten_thousand_by_turns)
{
    int many = few_of(MANY);
    all = calloc((size_t)many, sizeof *all);
    for (int i = 0; i < many; i++) {
        begin(&all[i], three_rounds, &all[i]);
    }
    live = (size_t)many;
    for (int round = 1; round <= 4; round++) {
        for (int i = 0; i < many; i++) {
            run(&all[i]);
            ck_assert_int_eq(all[i].count, round < 4 ? round : 3);
        }
    }
    ck_assert_uint_eq(live, 0);
    for (int i = 0; i < many; i++) {
        end(&all[i]);
    }
    free(all);
}
END_TEST

enum { RING = 100 };

/* Each goes to the next one, the last one home. */
static void pass_on(void *arg)
{
    rig_fibre *self = arg;
    for (;;) {
        self->count++;
        bool last = self == &all[RING - 1];
        tenon__context_switch(&self->context,
                              last ? &host : &(self + 1)->context);
    }
}

START_TEST(from_one_to_the_next)
{
    all = calloc(RING, sizeof *all);
    for (int i = 0; i < RING; i++) {
        begin(&all[i], pass_on, &all[i]);
    }
    for (int round = 1; round <= 50; round++) {
        run(&all[0]);
        for (int i = 0; i < RING; i++) {
            ck_assert_int_eq(all[i].count, round);
        }
    }
    for (int i = 0; i < RING; i++) {
        tenon__context_drop(&all[i].context);
        end(&all[i]);
    }
    free(all);
}
END_TEST

/* Places differ, for those who remember what was where on a stack. */
static void only_leave(void *arg)
{
    volatile char room[100];
    for (size_t i = 0; i < sizeof room; i++) {
        room[i] = 1;
    }
    *(int *)arg += room[*(int *)arg % 100];
    leave();
}

static void only_stay(void *arg)
{
    volatile char room[1000];
    for (size_t i = 0; i < sizeof room; i++) {
        room[i] = 1;
    }
    *(int *)arg += room[*(int *)arg % 100];
    rest();
}

/* A fibre that ThreadSanitizer is not told the end of costs 800 KiB. */
START_TEST(one_stack_for_all)
{
    int count = 0;
    int many = few_of(ONE_BY_ONE);
    size_t before = rig_resident_pages();
    for (int i = 0; i < many; i++) {
        begin(&fibre, only_leave, &count);
        run(&fibre);
        end(&fibre);
        begin(&fibre, only_stay, &count);
        run(&fibre);
        tenon__context_drop(&fibre.context);
        end(&fibre);
        begin(&fibre, only_leave, &count);
        tenon__context_drop(&fibre.context); /* never run */
        end(&fibre);
    }
    ck_assert_int_eq(count, 2 * many);
    ck_assert_uint_eq(pool.slab_count, 1);
    ck_assert_uint_lt(rig_resident_pages(), before + 25000);
}
END_TEST

/* A leaver may start the next one itself, on the way out. */
static rig_fibre second;

static void to_second(void *arg)
{
    *(int *)arg += 1;
    tenon__context_leave(&fibre.context, &second.context);
}

static void from_first(void *arg)
{
    *(int *)arg += 10;
    tenon__context_leave(&second.context, &host);
}

START_TEST(left_for_another)
{
    int count = 0;
    begin(&fibre, to_second, &count);
    begin(&second, from_first, &count);
    run(&fibre);
    ck_assert_int_eq(count, 11);
    end(&fibre);
    end(&second);
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("context");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, there_and_back);
    if (rig_can_hold()) {
        tcase_add_test(tcase, registers_are_kept);
    }
    tcase_add_test(tcase, rounding_belongs_to_one);
#ifdef __x86_64__
    tcase_add_test(tcase, each_control_word_is_kept);
#endif
    tcase_add_test(tcase, switches_at_any_depth);
    tcase_add_test(tcase, entry_is_aligned);
    tcase_add_test(tcase, a_backtrace_ends);
    tcase_add_test(tcase, ten_thousand_by_turns);
    tcase_add_test(tcase, from_one_to_the_next);
    tcase_add_test(tcase, one_stack_for_all);
    tcase_add_test(tcase, left_for_another);
    return rig_main(tcase);
}
