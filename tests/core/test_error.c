/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Statuses and errors: names, texts, chains, and that making one never fails.
 */

#include <string.h>

#include <tenon/error.h>

#include "harness_check.h"

static harness_guard guard;

static void setup(void)
{
    harness_guard_begin(&guard);
}

static void teardown(void)
{
    harness_guard_end(&guard);
}

START_TEST(every_status_has_a_name_and_a_text)
{
#define CHECK_STATUS(name, value, text)                                    \
    if (TENON_##name != TENON_NO_MEMORY) {                                 \
        ck_assert_str_eq(tenon_status_name(TENON_##name), "TENON_" #name); \
        ck_assert_str_eq(tenon_status_text(TENON_##name), text);           \
    }                                                                      \
    ck_assert_int_eq(TENON_##name, value);
    TENON_STATUS_MAP(CHECK_STATUS)
    ck_assert_str_eq(tenon_status_name(-ECONNRESET), "ECONNRESET");
    ck_assert_str_eq(tenon_status_text(-ECONNRESET), strerror(ECONNRESET));
    ck_assert_uint_gt(strlen(tenon_status_name(TENON_NO_MEMORY)), 0);
    ck_assert_uint_gt(strlen(tenon_status_name(-123456)), 0);
    ck_assert_uint_gt(strlen(tenon_status_text(98765)), 0);
}
END_TEST

START_TEST(statuses_of_errno)
{
    ck_assert_int_eq(tenon_status_of_errno(ECONNRESET), -ECONNRESET);
    ck_assert_int_eq(tenon_status_of_errno(ENOMEM), TENON_NO_MEMORY);
    ck_assert_int_eq(tenon_status_of_errno(0), TENON_INVALID);
    ck_assert_int_eq(tenon_status_of_errno(-1), TENON_INVALID);
}
END_TEST

static tenon_error *make(tenon_status status, const char *message,
                         tenon_error *cause)
{
    return tenon_error_new(
        &(tenon_error_options){.size = sizeof(tenon_error_options),
                               .status = status,
                               .system_code = status < -10000 ? 0 : -status,
                               .domain = "test",
                               .message = message,
                               .cause = cause,
                               .allocator = &guard.heap.allocator});
}

START_TEST(an_error_keeps_what_it_was_given)
{
    char message[] = "it broke";
    tenon_error *error = make(-EPIPE, message, NULL);
    memset(message, 'x', sizeof message - 1);
    ck_assert_int_eq(tenon_error_status(error), -EPIPE);
    ck_assert_int_eq(tenon_error_system_code(error), EPIPE);
    ck_assert_str_eq(tenon_error_message(error), "it broke");
    ck_assert_str_eq(tenon_error_domain(error), "test");
    ck_assert_ptr_null(tenon_error_cause(error));
    ck_assert_ptr_eq(tenon_error_ref(error), error);
    tenon_error_unref(error);
    ck_assert_str_eq(tenon_error_message(error), "it broke");
    tenon_error_unref(error);
}
END_TEST

START_TEST(a_chain_is_held_and_printed)
{
    tenon_error *inner = make(-ECONNREFUSED, "no answer", NULL);
    tenon_error *outer = make(TENON_ABORTED, "gave up", inner);
    char text[256];
    tenon_error_unref(inner);
    ck_assert_ptr_eq(tenon_error_cause(outer), inner);
    size_t len = tenon_error_format(outer, text, sizeof text);
    ck_assert_uint_eq(len, strlen(text));
    const char *first = strstr(text, "gave up");
    const char *second = strstr(text, "no answer");
    ck_assert(first && second && first < second);
    ck_assert_ptr_nonnull(strstr(text, "ECONNREFUSED"));
    char small[12];
    memset(small, 'z', sizeof small);
    ck_assert_uint_eq(tenon_error_format(outer, small, sizeof small), len);
    ck_assert_uint_lt(strlen(small), sizeof small);
    ck_assert_int_eq(strncmp(small, text, strlen(small)), 0);
    ck_assert_uint_eq(tenon_error_format(outer, NULL, 0), len);
    tenon_error_unref(outer);
}
END_TEST

START_TEST(a_long_chain_does_not_recurse)
{
    enum { DEPTH = 100000 };
    tenon_error *error = make(TENON_ABORTED, "again", NULL);
    size_t one = tenon_error_format(error, NULL, 0);
    for (int i = 1; i < DEPTH; i++) {
        tenon_error *next = make(TENON_ABORTED, "again", error);
        tenon_error_unref(error);
        error = next;
    }
    ck_assert_uint_eq(tenon_error_format(error, NULL, 0),
                      DEPTH * one + (DEPTH - 1) * strlen(" <- "));
    tenon_error_unref(error);
}
END_TEST

START_TEST(without_memory_it_is_the_constant)
{
    tenon_error *cause = make(-EPIPE, "cause", NULL);
    harness_heap_fail(&guard.heap, 1, UINT64_MAX / 2);
    tenon_error *error = make(TENON_ABORTED, "lost", cause);
    ck_assert_ptr_nonnull(error);
    ck_assert_int_eq(tenon_error_status(error), TENON_NO_MEMORY);
    for (int i = 0; i < 10; i++) {
        tenon_error_unref(tenon_error_ref(error));
        tenon_error_unref(error);
    }
    ck_assert_int_eq(tenon_error_status(error), TENON_NO_MEMORY);
    tenon_error_unref(cause);
}
END_TEST

START_TEST(null_is_no_error)
{
    char text[8] = "x";
    tenon_error_unref(NULL);
    ck_assert_int_eq(tenon_error_status(NULL), TENON_OK);
    ck_assert_str_eq(tenon_error_message(NULL), "");
    ck_assert_str_eq(tenon_error_domain(NULL), "");
    ck_assert_int_eq(tenon_error_system_code(NULL), 0);
    ck_assert_ptr_null(tenon_error_cause(NULL));
    tenon_error_format(NULL, text, sizeof text);
    tenon_error *error = tenon_error_of(-EPIPE, NULL);
    ck_assert_int_eq(tenon_error_status(error), -EPIPE);
    ck_assert_int_eq(tenon_error_system_code(error), EPIPE);
    ck_assert_str_eq(tenon_error_domain(error), "system");
    tenon_error_unref(error);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("error");
    TCase *tcase = tcase_create("error");
    tcase_set_timeout(tcase, 30);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, every_status_has_a_name_and_a_text);
    tcase_add_test(tcase, statuses_of_errno);
    tcase_add_test(tcase, an_error_keeps_what_it_was_given);
    tcase_add_test(tcase, a_chain_is_held_and_printed);
    tcase_add_test(tcase, a_long_chain_does_not_recurse);
    tcase_add_test(tcase, without_memory_it_is_the_constant);
    tcase_add_test(tcase, null_is_no_error);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
