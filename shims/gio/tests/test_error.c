/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Errors both ways: GIO's code where there is one, and nothing lost where
 * there is room for it.
 */

#include "gio_rig.h"

START_TEST(statuses_that_gio_knows)
{
    static const struct {
        tenon_status status;
        int code;
    } rows[] = {
        {TENON_CANCELLED, G_IO_ERROR_CANCELLED},
        {TENON_TIMED_OUT, G_IO_ERROR_TIMED_OUT},
        {TENON_CLOSED, G_IO_ERROR_CLOSED},
        {TENON_NOT_SUPPORTED, G_IO_ERROR_NOT_SUPPORTED},
        {TENON_UNRESOLVED, G_IO_ERROR_HOST_NOT_FOUND},
        {-ECONNREFUSED, G_IO_ERROR_CONNECTION_REFUSED},
        {-EPIPE, G_IO_ERROR_BROKEN_PIPE},
        {-EHOSTUNREACH, G_IO_ERROR_HOST_UNREACHABLE},
        {-ENOENT, G_IO_ERROR_NOT_FOUND},
        {-EACCES, G_IO_ERROR_PERMISSION_DENIED},
        {-EADDRINUSE, G_IO_ERROR_ADDRESS_IN_USE},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        tenon_error *error = tenon_error_of(rows[i].status, "because");
        GError *theirs = tenon_gio_gerror_new(error);
        ck_assert(g_error_matches(theirs, G_IO_ERROR, rows[i].code));
        ck_assert_str_eq(theirs->message, "because");
        tenon_error_unref(error);
        error = tenon_gio_error_new(theirs);
        ck_assert_int_eq(tenon_error_status(error), rows[i].status);
        ck_assert_int_eq(tenon_error_system_code(error), rows[i].code);
        ck_assert_str_eq(tenon_error_message(error), "because");
        tenon_error_unref(error);
        g_error_free(theirs);
    }
}
END_TEST

/* ECONNRESET and EPIPE are one to GIO, both kinds of time-out too. */
START_TEST(two_statuses_of_one_code)
{
    tenon_error *error = tenon_error_of(-ECONNRESET, NULL);
    GError *theirs = tenon_gio_gerror_new(error);
    ck_assert(
        g_error_matches(theirs, G_IO_ERROR, G_IO_ERROR_CONNECTION_CLOSED));
    g_error_free(theirs);
    tenon_error_unref(error);
    error = tenon_error_of(-ETIMEDOUT, NULL);
    theirs = tenon_gio_gerror_new(error);
    ck_assert(g_error_matches(theirs, G_IO_ERROR, G_IO_ERROR_TIMED_OUT));
    g_error_free(theirs);
    tenon_error_unref(error);
}
END_TEST

START_TEST(a_gerror_comes_back)
{
    static const struct {
        const char *domain;
        int code;
    } rows[] = {{"g-io-error-quark", G_IO_ERROR_TIMED_OUT},
                {"g-io-error-quark", G_IO_ERROR_WRONG_ETAG},
                {"an-application's-own", 77},
                {"an-application's-own", 0}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        GQuark quark = g_quark_from_string(rows[i].domain);
        GError *before = g_error_new(quark, rows[i].code, "number %zu", i);
        tenon_error *error = tenon_gio_error_new(before);
        GError *after = tenon_gio_gerror_new(error);
        ck_assert_str_eq(tenon_error_domain(error), rows[i].domain);
        ck_assert_int_eq(tenon_error_system_code(error), rows[i].code);
        ck_assert_int_lt(tenon_error_status(error), 0);
        ck_assert(g_error_matches(after, quark, rows[i].code));
        ck_assert_str_eq(after->message, before->message);
        tenon_error_unref(error);
        g_error_free(before);
        g_error_free(after);
    }
}
END_TEST

/* A protocol's domain may be a word that is some program's quark, too. */
START_TEST(a_word_is_not_a_quark)
{
    const tenon_error_options options = {.size = sizeof options,
                                         .status = -ECONNREFUSED,
                                         .domain = "http",
                                         .message = "no"};
    tenon_error *error = tenon_error_new(&options);
    ck_assert_uint_ne(g_quark_from_string("http"), 0);
    GError *theirs = tenon_gio_gerror_new(error);
    ck_assert(
        g_error_matches(theirs, G_IO_ERROR, G_IO_ERROR_CONNECTION_REFUSED));
    g_error_free(theirs);
    tenon_error_unref(error);
}
END_TEST

START_TEST(what_gio_has_no_word_for)
{
    tenon_error *cause = tenon_error_of(-EXDEV, "far away");
    const tenon_error_options options = {.size = sizeof options,
                                         .status = TENON_LIMIT,
                                         .system_code = 5,
                                         .domain = "http",
                                         .message = "too much",
                                         .cause = cause};
    tenon_error *error = tenon_error_new(&options);
    GError *theirs = tenon_gio_gerror_new(error);
    GError *copy = g_error_copy(theirs);
    char text[200];
    (void)tenon_error_format(error, text, sizeof text);
    ck_assert(g_error_matches(theirs, TENON_GIO_ERROR, TENON_LIMIT));
    ck_assert_str_eq(theirs->message, text);
    ck_assert_ptr_nonnull(strstr(text, "far away"));
    g_error_free(theirs);
    tenon_error_unref(cause);
    tenon_error *back = tenon_gio_error_new(copy);
    ck_assert_ptr_eq(back, error); /* the very same, with all that it has */
    tenon_error_unref(back);
    tenon_error_unref(error);
    g_error_free(copy);
}
END_TEST

START_TEST(a_gerror_of_our_domain_made_by_hand)
{
    GError *theirs =
        g_error_new_literal(TENON_GIO_ERROR, TENON_PROTOCOL, "mine");
    tenon_error *error = tenon_gio_error_new(theirs);
    ck_assert_int_eq(tenon_error_status(error), TENON_PROTOCOL);
    ck_assert_str_eq(tenon_error_message(error), "mine");
    tenon_error_unref(error);
    g_error_free(theirs);
}
END_TEST

START_TEST(names_that_do_not_resolve)
{
    GError *theirs = g_error_new_literal(
        G_RESOLVER_ERROR, G_RESOLVER_ERROR_NOT_FOUND, "no such host");
    tenon_error *error = tenon_gio_error_new(theirs);
    GError *back = tenon_gio_gerror_new(error);
    ck_assert_int_eq(tenon_error_status(error), TENON_UNRESOLVED);
    ck_assert(
        g_error_matches(back, G_RESOLVER_ERROR, G_RESOLVER_ERROR_NOT_FOUND));
    tenon_error_unref(error);
    g_error_free(back);
    g_error_free(theirs);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        statuses_that_gio_knows,   two_statuses_of_one_code,
        a_gerror_comes_back,       a_word_is_not_a_quark,
        what_gio_has_no_word_for,  a_gerror_of_our_domain_made_by_hand,
        names_that_do_not_resolve,
    };
    return RUN_TESTS("gio-error", tests);
}
