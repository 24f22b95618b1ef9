/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The pool of stacks: each kind of guard, what they cost, and what it does when
 * the system refuses. The calls it makes of the system come by here.
 */

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "async/context.h"
#include "async/stack.h"
#include "context_rig.h"

enum { GUARD_INSTALL = 102, PAGE = 4096 };

static harness_guard guard;
static tenon__stacks pool;
static tenon__context host;
static rig_fibre fibre;

/* ---- the system ---- */

/* The errno of the advice, or of the call; 0: it is made; TAKEN: it is not, but
 * is said to be. */
enum { TAKEN = -1 };

static struct {
    int advice;
    int advice_errno;
    int mprotect_errno;
    int mmap_errno;
    int calls;
    int advised;
} faults;

TENON__UNCHECKED static int failing(int error)
{
    errno = error;
    return error == TAKEN ? 0 : -1;
}

TENON__UNCHECKED int madvise(void *at, size_t len, int advice)
{
    faults.calls++;
    faults.advised += advice == faults.advice;
    return faults.advice_errno && advice == faults.advice
               ? failing(faults.advice_errno)
               : (int)syscall(SYS_madvise, at, len, advice);
}

TENON__UNCHECKED int mprotect(void *at, size_t len, int protection)
{
    faults.calls++;
    return faults.mprotect_errno
               ? failing(faults.mprotect_errno)
               : (int)syscall(SYS_mprotect, at, len, protection);
}

TENON__UNCHECKED void *mmap(void *at, size_t len, int protection, int flags,
                            int fd, off_t off)
{
    faults.calls++;
    return faults.mmap_errno
               ? (void *)(intptr_t)failing(faults.mmap_errno)
               : (void *)syscall(SYS_mmap, at, len, protection, flags, fd, off);
}

static void setup(void)
{
    harness_guard_begin(&guard);
    memset(&faults, 0, sizeof faults);
    tenon__stacks_init(&pool, &guard.heap.allocator);
    tenon__context_host(&host);
}

static void teardown(void)
{
    memset(&faults, 0, sizeof faults);
    tenon__stacks_free(&pool);
    ck_assert_uint_eq(pool.mapped_len, 0);
    ck_assert_uint_eq(pool.slab_count, 0);
    ck_assert_uint_eq(pool.warm_count, 0);
    harness_guard_end(&guard);
}

static void get(tenon__stack *out)
{
    ck_assert_int_eq(tenon__stack_get(&pool, TENON__STACK_SIZE, out), TENON_OK);
}

static void get_all(tenon__stack *all, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        get(&all[i]);
    }
}

static void put_all(tenon__stack *all, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        tenon__stack_put(&pool, &all[i]);
    }
}

static char *top_of(const tenon__stack *stack)
{
    return (char *)stack->base + stack->size;
}

/* The guards there can be, as the loop tests' index. */
enum { LIGHT, FENCE, CANARY };

static void choose(int kind)
{
    if (kind != LIGHT) {
        faults.advice = GUARD_INSTALL;
        faults.advice_errno = EINVAL;
    }
    if (kind == CANARY) {
        pool.fence_max = 0;
    }
}

/* False where this kernel has no such guard. */
static bool have(int kind)
{
    choose(kind);
    tenon__stack stack;
    get(&stack);
    tenon__stack_put(&pool, &stack);
    return kind != LIGHT || pool.light == TENON__LIGHT_YES;
}

/* ---- taking and giving back ---- */

START_TEST(one_comes_back)
{
    tenon__stack stack;
    get(&stack);
    void *base = stack.base;
    ck_assert_uint_le(stack.size, TENON__STACK_SIZE);
    ck_assert_uint_gt(stack.size, TENON__STACK_SIZE - 1024);
    ck_assert_uint_eq((uintptr_t)base % PAGE, 0);
    ck_assert_uint_eq(pool.used_count, 1);
    tenon__stack_put(&pool, &stack);
    ck_assert_ptr_null(stack.slab);
    ck_assert_uint_eq(pool.used_count, 0);
    ck_assert_uint_eq(pool.warm_count, 1);
    int calls = faults.calls;
    get(&stack);
    ck_assert_ptr_eq(stack.base, base);
    ck_assert_uint_eq(pool.warm_count, 0);
    tenon__stack_put(&pool, &stack);
    ck_assert_int_eq(faults.calls, calls);
}
END_TEST

static bool apart(const tenon__stack *left, const tenon__stack *right)
{
    return top_of(left) < (char *)right->base ||
           top_of(right) < (char *)left->base;
}

START_TEST(none_is_given_twice)
{
    enum { COUNT = 200 };
    static tenon__stack all[COUNT];
    srand(3);
    for (int step = 0; step < 20000; step++) {
        tenon__stack *stack = &all[rand() % COUNT];
        if (stack->slab) {
            ck_assert_int_eq(*(int *)(void *)(top_of(stack) - 64),
                             (int)(stack - all));
            tenon__stack_put(&pool, stack);
        } else {
            get(stack);
            *(int *)(void *)(top_of(stack) - 64) = (int)(stack - all);
        }
        if (step % 2000 == 0) {
            tenon__stacks_trim(&pool, step % 4000 == 0);
        }
    }
    size_t used = 0;
    for (int i = 0; i < COUNT; i++) {
        used += all[i].slab != NULL;
        for (int j = 0; j < i && all[i].slab; j++) {
            ck_assert(!all[j].slab || apart(&all[i], &all[j]));
        }
    }
    ck_assert_uint_eq(used, pool.used_count);
    ck_assert_uint_le(pool.slab_count, 4);
}
END_TEST

START_TEST(each_size)
{
    static const size_t sizes[] = {
        0,      1,       16384,   16385,   65536,
        100000, 1 << 20, 4 << 20, 5 << 20, TENON__STACK_MAX};
    enum { COUNT = sizeof sizes / sizeof sizes[0] };
    tenon__stack all[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        ck_assert_int_eq(tenon__stack_get(&pool, sizes[i], &all[i]), 0);
        ck_assert_uint_gt(all[i].size + 1024, sizes[i]);
        memset(all[i].base, 1, 64);
        memset(top_of(&all[i]) - 64, 1, 64);
    }
    tenon__stack none = {.size = 77};
    ck_assert_int_eq(tenon__stack_get(&pool, TENON__STACK_MAX + 1, &none),
                     TENON_LIMIT);
    ck_assert_uint_eq(none.size, 77);
    put_all(all, COUNT);
}
END_TEST

/* The tops of many stacks must not all be at one place of the caches. */
START_TEST(neighbours_differ_in_colour)
{
    enum { COUNT = 16 };
    tenon__stack all[COUNT];
    get_all(all, COUNT);
    for (int i = 0; i < COUNT; i++) {
        ck_assert_uint_eq((uintptr_t)top_of(&all[i]) % 64, 0);
        for (int j = 0; j < i; j++) {
            ck_assert((uintptr_t)top_of(&all[i]) % PAGE !=
                      (uintptr_t)top_of(&all[j]) % PAGE);
        }
    }
    put_all(all, COUNT);
}
END_TEST

/* ---- guards ---- */

/* How the child ended that did this: its signal, or 0. */
static int signal_of(void (*fn)(tenon__stack *stack), tenon__stack *stack)
{
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        struct rlimit none = {0, 0};
        setrlimit(RLIMIT_CORE, &none);
        signal(SIGSEGV, SIG_DFL);
        fn(stack);
        _exit(0);
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void write_below(tenon__stack *stack)
{
    ((volatile char *)stack->base)[-1] = 1;
}

static void write_far_below(tenon__stack *stack)
{
    ((volatile char *)stack->base)[-PAGE] = 1;
}

static void write_lowest(tenon__stack *stack)
{
    ((volatile char *)stack->base)[0] = 1;
}

START_TEST(guard_is_there)
{
    if (!have(_i)) {
        return;
    }
    tenon__stack all[3];
    get_all(all, 3);
    for (int i = 0; i < 3; i++) {
        ck_assert(!all[i].canary);
        ck_assert_int_eq(signal_of(write_below, &all[i]), SIGSEGV);
        ck_assert_int_eq(signal_of(write_far_below, &all[i]), SIGSEGV);
        ck_assert_int_eq(signal_of(write_lowest, &all[i]), 0);
        ck_assert(tenon__stack_intact(&all[i]));
    }
    put_all(all, 3);
    tenon__stacks_trim(&pool, true);
    get_all(all, 3);
    ck_assert_int_eq(signal_of(write_below, &all[2]), SIGSEGV);
    put_all(all, 3);
}
END_TEST

static uint64_t endless(uint64_t level)
{
    volatile char room[200];
    room[level % 200] = (char)level;
    return level == UINT64_MAX ? 0 : endless(level + 1) + (uint64_t)room[0];
}

static void overflow(void *arg)
{
    *(uint64_t *)arg = endless(0);
    tenon__context_leave(&fibre.context, &host);
}

static void run_endless(tenon__stack *stack)
{
    uint64_t sum;
    tenon__context_make(&fibre.context, stack->base, stack->size, overflow,
                        &sum);
    tenon__context_switch(&host, &fibre.context);
}

START_TEST(overflow_is_a_fault)
{
    if (!have(_i)) {
        return;
    }
    tenon__stack all[3];
    get_all(all, 3);
    ck_assert_int_eq(signal_of(run_endless, &all[1]), SIGSEGV);
    put_all(all, 3);
}
END_TEST

START_TEST(canary_is_seen)
{
    choose(CANARY);
    tenon__stack all[3];
    get_all(all, 3);
    for (int i = 0; i < 3; i++) {
        ck_assert(all[i].canary);
        memset(all[i].base, 0xff, all[i].size);
    }
    for (int i = 0; i < 3; i++) {
        ck_assert(tenon__stack_intact(&all[i]));
    }
    for (int at = 1; at <= 64; at++) {
        ((char *)all[1].base)[-at] ^= 1;
        ck_assert(!tenon__stack_intact(&all[1]));
        ((char *)all[1].base)[-at] ^= 1;
        ck_assert(tenon__stack_intact(&all[1]));
    }
    memset((char *)all[1].base - 64, 0, 64);
    ck_assert(!tenon__stack_intact(&all[1]));
    ck_assert(tenon__stack_intact(&all[0]) && tenon__stack_intact(&all[2]));
    put_all(all, 3);
    get_all(all, 3);
    for (int i = 0; i < 3; i++) {
        ck_assert(tenon__stack_intact(&all[i]));
    }
    put_all(all, 3);
}
END_TEST

START_TEST(fences_are_counted)
{
    choose(FENCE);
    pool.fence_max = 3;
    tenon__stack all[4];
    get_all(all, 4);
    ck_assert(!all[0].canary && !all[1].canary && !all[2].canary);
    ck_assert(all[3].canary);
    put_all(all, 4);
    tenon__stacks_trim(&pool, true);
    ck_assert_uint_eq(pool.slab_count, 0);
    ck_assert_uint_eq(pool.fence_count, 0);
    get_all(all, 4);
    ck_assert(!all[2].canary);
    ck_assert(all[3].canary);
    put_all(all, 4);
}
END_TEST

/* Emulators of system calls say yes to any advice. */
START_TEST(nonsense_that_is_taken_is_seen)
{
    faults.advice = -1;
    faults.advice_errno = TAKEN;
    tenon__stack stack;
    get(&stack);
    ck_assert_int_eq(faults.advised, 1);
    ck_assert_int_eq(pool.light, TENON__LIGHT_NO);
    ck_assert(!stack.canary);
    ck_assert_int_eq(signal_of(write_below, &stack), SIGSEGV);
    tenon__stack_put(&pool, &stack);
}
END_TEST

/* One failure is not taken for a kernel without light guards. */
START_TEST(a_refused_guard_is_replaced)
{
    if (!have(LIGHT)) {
        return;
    }
    tenon__stack all[4];
    get(&all[0]);
    faults.advice = GUARD_INSTALL;
    faults.advice_errno = ENOMEM;
    get(&all[1]);
    faults.mprotect_errno = ENOMEM;
    get(&all[2]);
    faults.advice_errno = 0;
    get(&all[3]);
    ck_assert(!all[1].canary);
    ck_assert_int_eq(signal_of(write_below, &all[1]), SIGSEGV);
    ck_assert(all[2].canary);
    ck_assert(!all[3].canary);
    ck_assert_int_eq(signal_of(write_below, &all[3]), SIGSEGV);
    put_all(all, 4);
}
END_TEST

/* ---- how deep ---- */

static void use(tenon__stack *stack, size_t len)
{
    memset(top_of(stack) - len, 0x5a, len);
}

START_TEST(marks_are_right)
{
    tenon__stack stack;
    get(&stack);
    ck_assert_uint_eq(tenon__stack_used(&stack), 0);
    use(&stack, 8);
    ck_assert_uint_eq(tenon__stack_used(&stack), 8);
    use(&stack, 40000);
    ck_assert_uint_eq(tenon__stack_used(&stack), 40000);
    use(&stack, stack.size);
    ck_assert_uint_eq(tenon__stack_used(&stack), stack.size);
    tenon__stack_put(&pool, &stack);
    get(&stack);
    ck_assert_uint_gt(tenon__stack_used(&stack), TENON__STACK_SIZE - 1024);
    tenon__stack_put(&pool, &stack);
    pool.measured = true;
    get(&stack);
    use(&stack, 40000);
    tenon__stack_put(&pool, &stack);
    get(&stack);
    ck_assert_uint_eq(tenon__stack_used(&stack), 0);
    tenon__stack_put(&pool, &stack);
}
END_TEST

static void go_down(void *arg)
{
    size_t wanted = *(size_t *)arg;
    char *place = top_of(&fibre.stack) - wanted;
    for (char *at = __builtin_frame_address(0); at > place + 512; at -= 512) {
        at[-512] = 1;
    }
    tenon__context_leave(&fibre.context, &host);
}

START_TEST(marks_of_a_context_are_right)
{
    for (size_t wanted = 2048; wanted < 60000; wanted += 7000) {
        get(&fibre.stack);
        tenon__context_make(&fibre.context, fibre.stack.base, fibre.stack.size,
                            go_down, &wanted);
        tenon__context_switch(&host, &fibre.context);
        size_t used = tenon__stack_used(&fibre.stack);
        ck_assert_uint_gt(used + PAGE, wanted);
        ck_assert_uint_lt(used, wanted + RIG_SAVED_LEN + PAGE);
        tenon__stack_put(&pool, &fibre.stack);
        tenon__stacks_trim(&pool, true);
    }
}
END_TEST

/* ---- memory ---- */

static bool is_clean(const tenon__stack *stack)
{
    return tenon__stack_used(stack) == 0;
}

START_TEST(too_many_idle_ones_lose_their_pages)
{
    enum { COUNT = 6, MAX = 2 };
    tenon__stack all[COUNT];
    tenon__stack one;
    pool.warm_max = MAX;
    get(&one);
    get_all(all, COUNT);
    for (int i = 0; i < COUNT; i++) {
        use(&all[i], 100);
    }
    put_all(all, COUNT);
    ck_assert_uint_eq(pool.warm_count, MAX);
    get_all(all, COUNT); /* those with pages come first */
    for (int i = 0; i < COUNT; i++) {
        ck_assert_int_eq(is_clean(&all[i]), i >= MAX);
    }
    put_all(all, COUNT);
    tenon__stack_put(&pool, &one);
}
END_TEST

START_TEST(those_with_pages_come_first)
{
    enum { COUNT = 66 }; /* in two slabs */
    static tenon__stack all[COUNT];
    get_all(all, COUNT);
    for (int i = 0; i < COUNT; i += COUNT - 1) {
        void *base = all[i].base;
        tenon__stack_put(&pool, &all[i]);
        get(&all[i]);
        ck_assert_ptr_eq(all[i].base, base);
    }
    put_all(all, COUNT);
}
END_TEST

START_TEST(long_idle_ones_lose_their_pages)
{
    tenon__stack all[4];
    get_all(all, 4);
    for (int i = 0; i < 4; i++) {
        use(&all[i], 100);
    }
    tenon__stack_put(&pool, &all[0]);
    tenon__stack_put(&pool, &all[1]);
    tenon__stacks_trim(&pool, false);
    ck_assert_uint_eq(pool.warm_count, 2);
    get(&all[0]); /* wanted meanwhile */
    tenon__stack_put(&pool, &all[0]);
    tenon__stack_put(&pool, &all[2]);
    tenon__stacks_trim(&pool, false);
    ck_assert_uint_eq(pool.warm_count, 2);
    get_all(all, 3);
    ck_assert(!is_clean(&all[0]));
    ck_assert(!is_clean(&all[1]));
    ck_assert(is_clean(&all[2]));
    put_all(all, 4);
    tenon__stacks_trim(&pool, false);
    tenon__stacks_trim(&pool, false);
    ck_assert_uint_eq(pool.mapped_len, 0);
}
END_TEST

START_TEST(unused_slabs_are_unmapped)
{
    enum { COUNT = 300 };
    static tenon__stack all[COUNT];
    pool.warm_max = 10;
    get_all(all, COUNT);
    ck_assert_uint_eq(pool.slab_count, 5);
    ck_assert_uint_ge(pool.mapped_len, COUNT * TENON__STACK_SIZE);
    put_all(all, COUNT);
    ck_assert_uint_eq(pool.slab_count, 1);
    tenon__stacks_trim(&pool, true);
    ck_assert_uint_eq(pool.slab_count, 0);
}
END_TEST

static void sleep_for_ever(void *arg)
{
    rig_fibre *self = arg;
    for (;;) {
        tenon__context_switch(&self->context, &host);
    }
}

/* 100,000 of them in a gigabyte are 10,737 bytes for each. */
START_TEST(a_sleeper_costs_a_page)
{
    enum { COUNT = 4000 };
    choose(_i);
    static rig_fibre all[COUNT];
    memset(all, 1, sizeof all);
    size_t before = rig_resident_pages();
    for (int i = 0; i < COUNT; i++) {
        get(&all[i].stack);
        tenon__context_make(&all[i].context, all[i].stack.base,
                            all[i].stack.size, sleep_for_ever, &all[i]);
        tenon__context_switch(&host, &all[i].context);
    }
    size_t each = (rig_resident_pages() - before) * PAGE / COUNT;
    ck_assert_uint_lt(each,
                      (_i == CANARY ? 2 : 1) * PAGE + RIG_SAVED_LEN + 600);
}
END_TEST

/* ---- refusals ---- */

START_TEST(no_memory_is_told)
{
    tenon__stack stack = {.size = 77};
    harness_heap_fail(&guard.heap, 1, 1);
    ck_assert_int_eq(tenon__stack_get(&pool, 1, &stack), TENON_NO_MEMORY);
    faults.mmap_errno = ENOMEM;
    ck_assert_int_eq(tenon__stack_get(&pool, 1, &stack), TENON_NO_MEMORY);
    faults.mmap_errno = EAGAIN;
    ck_assert_int_eq(tenon__stack_get(&pool, 1, &stack), -EAGAIN);
    faults.mmap_errno = 0;
    ck_assert_uint_eq(stack.size, 77);
    ck_assert_uint_eq(guard.heap.count, 0);
    ck_assert_int_eq(tenon__stack_get(&pool, 1, &stack), TENON_OK);
    tenon__stack_put(&pool, &stack);
}
END_TEST

START_TEST(pages_that_stay_are_counted)
{
    tenon__stack all[2];
    get_all(all, 2);
    put_all(all, 2);
    faults.advice = MADV_DONTNEED;
    faults.advice_errno = ENOMEM;
    tenon__stacks_trim(&pool, true);
    ck_assert_uint_eq(pool.warm_count, 2);
    faults.advice_errno = 0;
    tenon__stacks_trim(&pool, false);
    ck_assert_uint_eq(pool.warm_count, 0);
}
END_TEST

START_TEST(huge_pages_need_not_exist)
{
    tenon__stack stack;
    faults.advice = MADV_NOHUGEPAGE;
    faults.advice_errno = EINVAL;
    get(&stack);
    tenon__stack_put(&pool, &stack);
    ck_assert_int_eq(faults.advised, 1);
}
END_TEST

/* ---- whose address ---- */

START_TEST(addresses_are_found)
{
    enum { COUNT = 100 };
    static tenon__stack all[COUNT];
    tenon__stack large;
    get_all(all, COUNT);
    ck_assert_int_eq(tenon__stack_get(&pool, 1 << 20, &large), 0);
    for (int i = 0; i < COUNT; i++) {
        const char *base = all[i].base;
        ck_assert_ptr_eq(tenon__stack_find(&pool, base), &all[i]);
        ck_assert_ptr_eq(tenon__stack_find(&pool, base - 1), &all[i]);
        ck_assert_ptr_eq(tenon__stack_find(&pool, base - PAGE), &all[i]);
        ck_assert_ptr_eq(tenon__stack_find(&pool, top_of(&all[i]) - 1),
                         &all[i]);
    }
    ck_assert_ptr_eq(tenon__stack_find(&pool, large.base), &large);
    ck_assert_ptr_null(tenon__stack_find(&pool, &pool));
    ck_assert_ptr_null(tenon__stack_find(&pool, NULL));
    const void *old = all[70].base;
    tenon__stack_put(&pool, &all[70]);
    ck_assert_ptr_null(tenon__stack_find(&pool, old));
    /* Used ones are unmapped by the end, and cost nobody anything. */
}
END_TEST

static bool measures_memory(void)
{
#if defined(TENON__FIBRES)
    return false;
#elif defined(TENON__VALGRIND)
    return !RUNNING_ON_VALGRIND;
#else
    return true;
#endif
}

int main(void)
{
    TCase *tcase = tcase_create("stack");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, one_comes_back);
    tcase_add_test(tcase, none_is_given_twice);
    tcase_add_test(tcase, each_size);
    tcase_add_test(tcase, neighbours_differ_in_colour);
    tcase_add_loop_test(tcase, guard_is_there, LIGHT, CANARY);
    tcase_add_loop_test(tcase, overflow_is_a_fault, LIGHT, CANARY);
    tcase_add_test(tcase, canary_is_seen);
    tcase_add_test(tcase, fences_are_counted);
    tcase_add_test(tcase, nonsense_that_is_taken_is_seen);
    tcase_add_test(tcase, a_refused_guard_is_replaced);
    tcase_add_test(tcase, marks_are_right);
    tcase_add_test(tcase, marks_of_a_context_are_right);
    tcase_add_test(tcase, too_many_idle_ones_lose_their_pages);
    tcase_add_test(tcase, those_with_pages_come_first);
    tcase_add_test(tcase, long_idle_ones_lose_their_pages);
    tcase_add_test(tcase, unused_slabs_are_unmapped);
    if (measures_memory()) {
        tcase_add_loop_test(tcase, a_sleeper_costs_a_page, LIGHT, CANARY + 1);
    }
    tcase_add_test(tcase, no_memory_is_told);
    tcase_add_test(tcase, pages_that_stay_are_counted);
    tcase_add_test(tcase, huge_pages_need_not_exist);
    tcase_add_test(tcase, addresses_are_found);
    return rig_main(tcase);
}
