/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The timer heap against an oracle: a hundred thousand random operations, and
 * after each the top is the one that a plain search finds.
 */

#include <stdlib.h>
#include <string.h>

#include "base/heap.h"
#include "harness_check.h"

enum { TIMERS = 600, OPERATIONS = 100000 };

static harness_guard guard;
static tenon__heap heap;
static tenon_timer timers[TIMERS];
static bool inside[TIMERS];
static uint64_t sequence;

static void setup(void)
{
    harness_guard_begin(&guard);
    memset(&heap, 0, sizeof heap);
    srand(11);
}

static void teardown(void)
{
    tenon__heap_fini(&heap, &guard.heap.allocator);
    harness_guard_end(&guard);
}

static bool before(const tenon_timer *left, const tenon_timer *right)
{
    return left->deadline_ns != right->deadline_ns
               ? left->deadline_ns < right->deadline_ns
               : left->sequence < right->sequence;
}

static tenon_timer *oracle_top(void)
{
    tenon_timer *top = NULL;
    for (int i = 0; i < TIMERS; i++) {
        if (inside[i] && (!top || before(&timers[i], top))) {
            top = &timers[i];
        }
    }
    return top;
}

static void add(int i, int64_t deadline_ns)
{
    timers[i].deadline_ns = deadline_ns;
    timers[i].sequence = sequence++;
    ck_assert_int_eq(tenon__heap_add(&heap, &guard.heap.allocator, &timers[i]),
                     TENON_OK);
    inside[i] = true;
}

static void take_out(int i)
{
    tenon__heap_remove(&heap, &guard.heap.allocator, &timers[i]);
    inside[i] = false;
}

static void check_places(void)
{
    for (uint32_t at = 0; at < heap.count; at++) {
        ck_assert_uint_eq(heap.entries[at].timer->index, at);
        ck_assert_int_eq(heap.entries[at].deadline_ns,
                         heap.entries[at].timer->deadline_ns);
    }
}

START_TEST(random_operations)
{
    uint32_t count = 0;
    for (int step = 0; step < OPERATIONS; step++) {
        int i = rand() % TIMERS;
        int64_t deadline_ns = rand() % 5000;
        if (!inside[i]) {
            add(i, deadline_ns);
            count++;
        } else if (rand() % 2) {
            take_out(i);
            count--;
        } else {
            timers[i].deadline_ns = deadline_ns;
            timers[i].sequence = sequence++;
            tenon__heap_move(&heap, &timers[i]);
        }
        ck_assert_uint_eq(heap.count, count);
        if (step % 16 == 0) {
            ck_assert_ptr_eq(tenon__heap_top(&heap), oracle_top());
        }
        if (step % 1024 == 0) {
            check_places();
        }
    }
    tenon_timer *last = NULL;
    for (tenon_timer *top; (top = tenon__heap_top(&heap)) != NULL;) {
        ck_assert(!last || before(last, top));
        last = top;
        take_out((int)(top - timers));
    }
}
END_TEST

START_TEST(equal_deadlines_keep_their_order)
{
    for (int i = 0; i < TIMERS; i++) {
        add(i, 42);
    }
    for (int i = 0; i < TIMERS; i++) {
        ck_assert_ptr_eq(tenon__heap_top(&heap), &timers[i]);
        take_out(i);
    }
}
END_TEST

START_TEST(extreme_deadlines)
{
    add(0, TENON_FOREVER);
    add(1, INT64_MIN);
    add(2, 0);
    add(3, TENON_FOREVER);
    static const int order[] = {1, 2, 0, 3};
    for (int i = 0; i < 4; i++) {
        ck_assert_ptr_eq(tenon__heap_top(&heap), &timers[order[i]]);
        take_out(order[i]);
    }
}
END_TEST

START_TEST(memory_comes_back)
{
    enum { MANY = 20000 };
    tenon_timer *many = calloc(MANY, sizeof *many);
    for (int i = 0; i < MANY; i++) {
        many[i].deadline_ns = rand();
        many[i].sequence = (uint64_t)i;
        ck_assert_int_eq(
            tenon__heap_add(&heap, &guard.heap.allocator, &many[i]), 0);
    }
    size_t full = guard.heap.bytes;
    for (int i = 0; i < MANY - 10; i++) {
        tenon__heap_remove(&heap, &guard.heap.allocator, &many[i]);
    }
    ck_assert_uint_lt(guard.heap.bytes, full / 20);
    for (int i = MANY - 10; i < MANY; i++) {
        tenon__heap_remove(&heap, &guard.heap.allocator, &many[i]);
    }
    free(many);
}
END_TEST

START_TEST(no_memory_changes_nothing)
{
    int added = 0;
    for (; added < TIMERS; added++) {
        timers[added].deadline_ns = TIMERS - added;
        harness_heap_fail(&guard.heap, 1, 1);
        if (tenon__heap_add(&heap, &guard.heap.allocator, &timers[added]) < 0) {
            ck_assert_uint_eq(heap.count, (unsigned)added);
            harness_heap_fail(&guard.heap, 0, 0);
            ck_assert_int_eq(
                tenon__heap_add(&heap, &guard.heap.allocator, &timers[added]),
                TENON_OK);
        }
        ck_assert_ptr_eq(tenon__heap_top(&heap), &timers[added]);
    }
    /* Shrinking may fail, removing may not. */
    harness_heap_fail(&guard.heap, 1, UINT64_MAX / 2);
    for (int i = 0; i < added; i++) {
        tenon__heap_remove(&heap, &guard.heap.allocator, &timers[i]);
    }
    ck_assert_ptr_null(tenon__heap_top(&heap));
}
END_TEST

/* However many others come and go. */
START_TEST(a_kept_place_needs_no_memory)
{
    tenon_timer kept = {.deadline_ns = 1};
    const tenon_allocator *allocator = &guard.heap.allocator;
    for (int round = 0; round < 2; round++) {
        ck_assert_int_eq(tenon__heap_keep(&heap, allocator), TENON_OK);
        harness_heap_fail(&guard.heap, 1, UINT64_MAX / 2);
        int added = 0;
        while (added < TIMERS) {
            timers[added].deadline_ns = 10 + added;
            if (tenon__heap_add(&heap, allocator, &timers[added]) < 0) {
                break;
            }
            added++;
        }
        ck_assert_int_lt(added, TIMERS);
        tenon__heap_add_kept(&heap, &kept);
        ck_assert_ptr_eq(tenon__heap_top(&heap), &kept);
        harness_heap_fail(&guard.heap, 0, 0);
        tenon__heap_remove(&heap, allocator, &kept);
        while (added > 0) {
            tenon__heap_remove(&heap, allocator, &timers[--added]);
        }
        tenon__heap_unkeep(&heap);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("heap");
    TCase *tcase = tcase_create("heap");
    tcase_set_timeout(tcase, 30);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, random_operations);
    tcase_add_test(tcase, equal_deadlines_keep_their_order);
    tcase_add_test(tcase, extreme_deadlines);
    tcase_add_test(tcase, memory_comes_back);
    tcase_add_test(tcase, no_memory_changes_nothing);
    tcase_add_test(tcase, a_kept_place_needs_no_memory);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
