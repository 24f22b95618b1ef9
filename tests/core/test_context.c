/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Contexts: a switch is a call to whoever makes it, and nothing else.
 */

#include "async/context.h"
#include "async/stack.h"
#include "harness_check.h"

static harness_guard guard;
static tenon__stacks pool;
static tenon__context host;
static tenon__context task;
static tenon__stack stack;

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

static void begin(void (*entry)(void *), void *arg)
{
    ck_assert_int_eq(tenon__stack_get(&pool, TENON__STACK_SIZE, &stack), 0);
    tenon__context_make(&task, stack.base, stack.size, entry, arg);
}

static void count_to_three(void *arg)
{
    int *count = arg;
    for (int i = 0; i < 3; i++) {
        *count += 1;
        tenon__context_switch(&task, &host);
    }
    *count += 10;
    tenon__context_leave(&task, &host);
}

START_TEST(there_and_back)
{
    int count = 0;
    begin(count_to_three, &count);
    for (int i = 1; i <= 3; i++) {
        tenon__context_switch(&host, &task);
        ck_assert_int_eq(count, i);
    }
    tenon__context_switch(&host, &task);
    ck_assert_int_eq(count, 13);
    tenon__stack_put(&pool, &stack);
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("context");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, there_and_back);
    Suite *suite = suite_create("context");
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed > 0;
}
