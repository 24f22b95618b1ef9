/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The harness itself: a detector that never fires proves nothing, so here each
 * one meets what it is for, and what it must let pass.
 *
 * ctest: it measures CPU time, so serial
 */

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <tenon/tenon.h>

#include "harness_check.h"

/* ---- processes ---- */

static void passes(void *arg)
{
    (void)arg;
    REQUIRE(true);
}

static void fails(void *arg)
{
    REQUIRE_EQ(*(int *)arg, 2);
}

static void skips(void *arg)
{
    (void)arg;
    harness_skip("no %s", "moon");
}

static void crashes(void *arg)
{
    (void)arg;
    raise(SIGKILL);
}

static void exits(void *arg)
{
    (void)arg;
    _exit(7);
}

static void hangs(void *arg)
{
    (void)arg;
    for (;;) {
        pause();
    }
}

static void burns(void *arg)
{
    volatile unsigned count = 0;
    (void)arg;
    for (;;) {
        count++;
    }
}

static void leaves_a_child(void *arg)
{
    int *fds = arg;
    if (fork() == 0) {
        for (;;) {
            pause(); /* holds the pipe open */
        }
    }
    close(fds[1]);
}

static void run(harness_case_fn *fn, void *arg, int64_t limit_ns,
                enum harness_verdict verdict, const char *why)
{
    harness_result result;
    harness_run_case(&result, fn, arg, limit_ns);
    ck_assert_msg(result.verdict == verdict, "%d: %s", (int)result.verdict,
                  result.why);
    ck_assert_msg(strstr(result.why, why) != NULL, "%s", result.why);
}

START_TEST(verdicts)
{
    int three = 3;
    run(passes, NULL, 0, HARNESS_PASS, "");
    run(fails, &three, 0, HARNESS_FAIL, "is 3, not 2");
    run(skips, NULL, 0, HARNESS_SKIP, "no moon");
    run(crashes, NULL, 0, HARNESS_FAIL, "signal 9");
    run(exits, NULL, 0, HARNESS_FAIL, "exit code 7");
}
END_TEST

START_TEST(a_case_that_hangs_is_killed)
{
    int64_t limit_ns = 200 * TENON_MILLISECOND;
    int64_t start_ns = harness_clock_ns();
    run(hangs, NULL, limit_ns, HARNESS_FAIL, "not done after");
    ck_assert_int_ge(harness_clock_ns() - start_ns, limit_ns);
}
END_TEST

/* On a busy machine it may be the wall time that ends it. */
START_TEST(a_case_that_burns_is_killed)
{
    double load = 0;
    bool quiet = getloadavg(&load, 1) == 1 && load < 1.5;
    if (harness_time_scale() == 1) {
        run(burns, NULL, 4 * TENON_SECOND, HARNESS_FAIL,
            quiet ? "CPU time" : "");
    }
}
END_TEST

START_TEST(what_a_case_forked_ends_with_it)
{
    int fds[2];
    char byte;
    ck_assert_int_eq(pipe(fds), 0);
    run(leaves_a_child, fds, 500 * TENON_MILLISECOND, HARNESS_FAIL,
        "not done"); /* the child holds the verdict's pipe, too */
    close(fds[1]);
    ck_assert_int_eq(read(fds[0], &byte, 1), 0); /* all writers are gone */
    close(fds[0]);
}
END_TEST

/* ---- ledgers ---- */

START_TEST(a_leaked_descriptor_is_found)
{
    harness_fds fds;
    char why[HARNESS_TEXT_LEN] = "";
    harness_fds_begin(&fds);
    ck_assert(harness_fds_end(&fds, why, sizeof why));
    int leaked = dup(0);
    ck_assert(!harness_fds_end(&fds, why, sizeof why));
    ck_assert_ptr_nonnull(strstr(why, "leaked"));
    close(leaked);
    ck_assert(harness_fds_end(&fds, why, sizeof why));
}
END_TEST

START_TEST(a_stolen_descriptor_is_found)
{
    harness_fds fds;
    char why[HARNESS_TEXT_LEN] = "";
    int own = dup(0);
    harness_fds_begin(&fds);
    close(own);
    ck_assert(!harness_fds_end(&fds, why, sizeof why));
    ck_assert_ptr_nonnull(strstr(why, "was closed"));
}
END_TEST

static void *get(harness_heap *heap, size_t len)
{
    return heap->allocator.resize(heap, NULL, 0, len);
}

static void give(harness_heap *heap, void *block, size_t len)
{
    heap->allocator.resize(heap, block, len, 0);
}

static void require_trouble(harness_heap *heap, const char *text)
{
    char why[HARNESS_TEXT_LEN] = "";
    ck_assert(!harness_heap_end(heap, why, sizeof why));
    ck_assert_msg(strstr(why, text) != NULL, "%s", why);
}

START_TEST(a_leaked_block_is_found)
{
    harness_heap heap;
    harness_heap_begin(&heap);
    void *kept = get(&heap, 40);
    void *given = get(&heap, 50);
    give(&heap, given, 50);
    ck_assert_uint_eq(heap.count, 1);
    ck_assert_uint_eq(heap.bytes, 40);
    require_trouble(&heap, "1 blocks (40 bytes) leaked");
    free(kept);
}
END_TEST

START_TEST(a_double_free_is_found)
{
    harness_heap heap;
    harness_heap_begin(&heap);
    void *block = get(&heap, 40);
    give(&heap, block, 40);
    give(&heap, block, 40);
    require_trouble(&heap, "not out");
}
END_TEST

START_TEST(a_wrong_length_is_found)
{
    harness_heap heap;
    harness_heap_begin(&heap);
    void *block = get(&heap, 40);
    give(&heap, block, 41);
    require_trouble(&heap, "wrong length");
    free(block);
}
END_TEST

START_TEST(many_blocks_and_failures)
{
    enum { COUNT = 5000 };
    static char *blocks[COUNT];
    harness_heap heap;
    char why[HARNESS_TEXT_LEN] = "";
    harness_heap_begin(&heap);
    for (size_t i = 0; i < COUNT; i++) {
        blocks[i] = get(&heap, 1 + i % 100);
        blocks[i][0] = (char)i;
    }
    for (size_t i = 0; i < COUNT; i += 2) {
        give(&heap, blocks[i], 1 + i % 100);
    }
    for (size_t i = 1; i < COUNT; i += 2) {
        char *old = blocks[i];
        blocks[i] = heap.allocator.resize(&heap, old, 1 + i % 100, 200);
        ck_assert_ptr_ne(blocks[i], old);
        ck_assert_int_eq(blocks[i][0], (char)i);
    }
    harness_heap_fail(&heap, 2, 1);
    void *first = get(&heap, 10);
    ck_assert_ptr_nonnull(first);
    ck_assert_ptr_null(heap.allocator.resize(&heap, first, 10, 20));
    give(&heap, first, 10);
    for (size_t i = 1; i < COUNT; i += 2) {
        give(&heap, blocks[i], 200);
    }
    ck_assert_msg(harness_heap_end(&heap, why, sizeof why), "%s", why);
}
END_TEST

/* ---- reactors ---- */

static void nothing(void *user)
{
    (void)user;
}

START_TEST(a_dirty_reactor_is_found)
{
    tenon_reactor *reactor;
    tenon_handle handle;
    char why[HARNESS_TEXT_LEN] = "";
    ck_assert_int_eq(tenon_reactor_new(&reactor, NULL), TENON_OK);
    ck_assert(harness_reactor_clean(reactor, why, sizeof why));
    ck_assert_int_eq(
        tenon_call_later(reactor, TENON_SECOND, nothing, NULL, &handle), 0);
    ck_assert(!harness_reactor_clean(reactor, why, sizeof why));
    ck_assert_ptr_nonnull(strstr(why, "1 timers"));
    tenon_handle_cancel(handle);
    ck_assert(harness_reactor_clean(reactor, why, sizeof why));
    tenon_reactor_unref(reactor);
}
END_TEST

START_TEST(a_spin_is_found)
{
    tenon_reactor *reactor;
    harness_spin spin;
    char why[HARNESS_TEXT_LEN] = "";
    ck_assert_int_eq(tenon_reactor_new(&reactor, NULL), TENON_OK);
    harness_spin_begin(&spin, reactor);
    for (int i = 0; i < 200; i++) { /* came back at once, was allowed 10 ms */
        ck_assert_int_eq(tenon_run_once(reactor, 0), TENON_OK);
        harness_spin_step(&spin, 10 * TENON_MILLISECOND, 1000);
    }
    ck_assert(!harness_spin_end(&spin, why, sizeof why));
    ck_assert_ptr_nonnull(strstr(why, "spin: 200 of 200"));
    harness_spin_begin(&spin, reactor);
    for (int i = 0; i < 200; i++) { /* turns that nobody asked for */
        ck_assert_int_eq(tenon_run_once(reactor, 0), TENON_OK);
    }
    ck_assert(!harness_spin_end(&spin, why, sizeof why));
    harness_spin_begin(&spin, reactor);
    for (int i = 0; i < 200; i++) { /* each with something to do */
        ck_assert_int_eq(tenon_call_soon(reactor, nothing, NULL), TENON_OK);
        ck_assert_int_eq(tenon_run_once(reactor, 0), TENON_OK);
        harness_spin_step(&spin, 10 * TENON_MILLISECOND, 1000);
    }
    ck_assert_msg(harness_spin_end(&spin, why, sizeof why), "%s", why);
    tenon_reactor_unref(reactor);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("harness");
    TCase *tcase = tcase_create("detectors");
    tcase_set_timeout(tcase, 30);
    tcase_add_test(tcase, verdicts);
    tcase_add_test(tcase, a_case_that_hangs_is_killed);
    tcase_add_test(tcase, a_case_that_burns_is_killed);
    tcase_add_test(tcase, what_a_case_forked_ends_with_it);
    tcase_add_test(tcase, a_leaked_descriptor_is_found);
    tcase_add_test(tcase, a_stolen_descriptor_is_found);
    tcase_add_test(tcase, a_leaked_block_is_found);
    tcase_add_test(tcase, a_double_free_is_found);
    tcase_add_test(tcase, a_wrong_length_is_found);
    tcase_add_test(tcase, many_blocks_and_failures);
    tcase_add_test(tcase, a_dirty_reactor_is_found);
    tcase_add_test(tcase, a_spin_is_found);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
