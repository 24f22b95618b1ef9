/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * As much of Check's interface as the tests of contexts and stacks use, for
 * processors that there is no Check for. Each test has its process; the first
 * failure ends it. Nothing here is jumped out of, so that a failure may be on
 * any stack.
 */

#ifndef TENON_CROSS_CHECK_H
#define TENON_CROSS_CHECK_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { CK_NORMAL };

typedef struct cross_test {
    const char *name;
    void (*fn)(int _i);
    int from;
    int to;
} cross_test;

typedef struct TCase {
    void (*setup)(void);
    void (*teardown)(void);
    cross_test tests[64];
    int count;
} TCase;

typedef TCase Suite;
typedef TCase SRunner;

_Noreturn void cross_fail(const char *file, int line, const char *what);
TCase *tcase_create(const char *name);
void cross_add(TCase *tcase, const char *name, void (*fn)(int _i), int from,
               int to);
int srunner_ntests_failed(SRunner *runner);

#define START_TEST(name)     \
    static void name(int _i) \
    {                        \
        (void)_i;
#define END_TEST }

#define ck_assert(condition) \
    ((condition) ? (void)0 : cross_fail(__FILE__, __LINE__, #condition))
#define ck_assert_msg(condition, ...) ck_assert(condition)
#define ck_assert_ptr_null(left)      ck_assert((left) == NULL)
#define ck_assert_ptr_nonnull(left)   ck_assert((left) != NULL)
#define ck_assert_ptr_eq(left, right) ck_assert((left) == (right))
#define ck_assert_int_eq(left, right) ck_assert((left) == (right))
#define ck_assert_int_ge(left, right) ck_assert((left) >= (right))
#define ck_assert_int_le(left, right) ck_assert((left) <= (right))
#define ck_assert_uint_eq(left, right) \
    ck_assert((uintmax_t)(left) == (uintmax_t)(right))
#define ck_assert_uint_ge(left, right) ck_assert((left) >= (right))
#define ck_assert_uint_gt(left, right) ck_assert((left) > (right))
#define ck_assert_uint_le(left, right) ck_assert((left) <= (right))
#define ck_assert_uint_lt(left, right) ck_assert((left) < (right))

#define tcase_add_checked_fixture(tcase, first, last) \
    ((tcase)->setup = (first), (tcase)->teardown = (last))
#define tcase_add_test(tcase, fn) cross_add(tcase, #fn, fn, 0, 1)
#define tcase_add_loop_test(tcase, fn, from, to) \
    cross_add(tcase, #fn, fn, from, to)
#define tcase_set_timeout(tcase, seconds) ((void)(tcase))
#define suite_create(name)                NULL
#define suite_add_tcase(suite, tcase)     ((suite) = (tcase))
#define srunner_create(suite)             (suite)
#define srunner_run_all(runner, how)      ((void)0)
#define srunner_free(runner)              free(runner)

#endif
