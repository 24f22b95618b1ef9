/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * What the tests of contexts and stacks share: a context with its stack, and
 * rig_hold, which is a switch with known values in all registers that a callee
 * keeps.
 */

#ifndef TENON_CONTEXT_RIG_H
#define TENON_CONTEXT_RIG_H

#include <stdio.h>
#include <stdlib.h>
#include <ucontext.h>

#include "async/context.h"
#include "async/stack.h"
#include "harness_check.h"

typedef struct rig_fibre {
    tenon__context context;
    tenon__stack stack;
    int count;
} rig_fibre;

/* What a suspended context takes of its stack, where that is much. */
#ifdef TENON_CONTEXT_UCONTEXT
enum { RIG_SAVED_LEN = 2 * sizeof(ucontext_t) };
#else
enum { RIG_SAVED_LEN = 0 };
#endif

/* Check's own jump out of a failed test, which must not be made on a stack
 * that it does not know. */
#define rig_require(condition)                             \
    do {                                                   \
        if (!(condition)) {                                \
            fprintf(stderr, "not true: %s\n", #condition); \
            abort();                                       \
        }                                                  \
    } while (0)

#if defined(__x86_64__)
/** Jumps as tenon__context_jump, with seed + 1, + 2, ... in the registers; the
 *  bits that were wrong afterwards. */
static inline uint64_t rig_hold(void **save, void *to, uint64_t seed)
{
    uint64_t wrong;
    __asm__ volatile("movq %%rsp, %%rax\n\t"
                     "leaq -128(%%rsp), %%rsp\n\t" /* the red zone */
                     "andq $-16, %%rsp\n\t"
                     "pushq %%rax\n\t"
                     "pushq %%rbp\n\t"
                     "pushq %%rcx\n\t"
                     "pushq %%rcx\n\t"
                     "leaq 1(%%rcx), %%rbx\n\t"
                     "leaq 2(%%rcx), %%rbp\n\t"
                     "leaq 3(%%rcx), %%r12\n\t"
                     "leaq 4(%%rcx), %%r13\n\t"
                     "leaq 5(%%rcx), %%r14\n\t"
                     "leaq 6(%%rcx), %%r15\n\t"
                     "call tenon__context_jump\n\t"
                     "popq %%rcx\n\t"
                     "popq %%rdx\n\t"
                     "xorq %%rcx, %%rdx\n\t"
                     "subq $1, %%rbx\n\t"
                     "subq $2, %%rbp\n\t"
                     "subq $3, %%r12\n\t"
                     "subq $4, %%r13\n\t"
                     "subq $5, %%r14\n\t"
                     "subq $6, %%r15\n\t"
                     "xorq %%rcx, %%rbx\n\t"
                     "xorq %%rcx, %%rbp\n\t"
                     "xorq %%rcx, %%r12\n\t"
                     "xorq %%rcx, %%r13\n\t"
                     "xorq %%rcx, %%r14\n\t"
                     "xorq %%rcx, %%r15\n\t"
                     "orq %%rbx, %%rdx\n\t"
                     "orq %%rbp, %%rdx\n\t"
                     "orq %%r12, %%rdx\n\t"
                     "orq %%r13, %%rdx\n\t"
                     "orq %%r14, %%rdx\n\t"
                     "orq %%r15, %%rdx\n\t"
                     "movq %%rdx, %%rax\n\t"
                     "popq %%rbp\n\t"
                     "popq %%rsp\n\t"
                     : "=&a"(wrong), "+D"(save), "+S"(to), "+c"(seed)
                     :
                     : "rbx", "rdx", "r8", "r9", "r10", "r11", "r12", "r13",
                       "r14", "r15", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4",
                       "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11",
                       "xmm12", "xmm13", "xmm14", "xmm15", "memory", "cc");
    return wrong;
}
#elif defined(__aarch64__)
/** The same; x19 to x28 have the seed plus their number, x29 is the stack
 *  pointer's, d8 to d15 the seed plus theirs. */
static inline uint64_t rig_hold(void **save, void *to, uint64_t seed)
{
    register void **x0 __asm__("x0") = save;
    register void *x1 __asm__("x1") = to;
    register uint64_t x2 __asm__("x2") = seed;
#define RIG_SET(n)   "add x" #n ", x2, #" #n "\n\t"
#define RIG_SET_D(n) "add x3, x2, #" #n "\n\tfmov d" #n ", x3\n\t"
#define RIG_CHECK(n)                                     \
    "sub x" #n ", x" #n ", #" #n "\n\teor x" #n ", x" #n \
    ", x2\n\torr x0, x0, x" #n "\n\t"
#define RIG_CHECK_D(n)                                        \
    "fmov x3, d" #n "\n\tsub x3, x3, #" #n "\n\teor x3, x3, " \
    "x2\n\torr x0, x0, x3\n\t"
    __asm__ volatile(
        "stp x29, x2, [sp, #-16]!\n\t" RIG_SET(19) RIG_SET(20) RIG_SET(
            21) RIG_SET(22) RIG_SET(23) RIG_SET(24) RIG_SET(25) RIG_SET(26)
            RIG_SET(27) RIG_SET(28) RIG_SET(29) RIG_SET_D(8) RIG_SET_D(
                9) RIG_SET_D(10) RIG_SET_D(11) RIG_SET_D(12) RIG_SET_D(13)
                RIG_SET_D(14) RIG_SET_D(
                    15) "bl tenon__context_jump\n\t"
                        "ldr x2, [sp, #8]\n\t"
                        "mov x0, #0\n\t" RIG_CHECK(19) RIG_CHECK(20) RIG_CHECK(
                            21) RIG_CHECK(22) RIG_CHECK(23) RIG_CHECK(24)
                            RIG_CHECK(25) RIG_CHECK(26) RIG_CHECK(27) RIG_CHECK(
                                28) RIG_CHECK(29) RIG_CHECK_D(8) RIG_CHECK_D(9)
                                RIG_CHECK_D(10) RIG_CHECK_D(11) RIG_CHECK_D(12)
                                    RIG_CHECK_D(13) RIG_CHECK_D(14) RIG_CHECK_D(
                                        15) "ldp x29, x2, [sp], #16\n\t"
        : "+r"(x0), "+r"(x1), "+r"(x2)
        :
        : "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13",
          "x14", "x15", "x16", "x17", "x18", "x19", "x20", "x21", "x22", "x23",
          "x24", "x25", "x26", "x27", "x28", "x30", "d0", "d1", "d2", "d3",
          "d4", "d5", "d6", "d7", "d8", "d9", "d10", "d11", "d12", "d13", "d14",
          "d15", "d16", "d17", "d18", "d19", "d20", "d21", "d22", "d23", "d24",
          "d25", "d26", "d27", "d28", "d29", "d30", "d31", "memory", "cc");
    return (uint64_t)(uintptr_t)x0;
}
#else
static inline uint64_t rig_hold(void **save, void *to, uint64_t seed)
{
    (void)seed;
    tenon__context_jump(save, to);
    return 0;
}
#endif

/** tenon__context_switch, with the same. */
static inline uint64_t rig_switch(tenon__context *from, tenon__context *to,
                                  uint64_t seed)
{
#ifdef TENON__FIBRES
    tenon__fibre_depart(&from->fibre, &to->fibre);
#endif
    uint64_t wrong = rig_hold(&from->sp, to->sp, seed);
#ifdef TENON__FIBRES
    tenon__fibre_arrive(&from->fibre);
#endif
    return wrong;
}

static inline bool rig_can_hold(void)
{
#if defined(__x86_64__) || defined(__aarch64__)
    return true;
#else
    return false;
#endif
}

static inline size_t rig_resident_pages(void)
{
    size_t pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(fscanf(file, "%*u %zu", &pages), 1);
    fclose(file);
    return pages;
}

static inline int rig_main(TCase *tcase)
{
    tcase_set_timeout(tcase, 30);
    Suite *suite = suite_create("fibre");
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed > 0;
}

#endif
