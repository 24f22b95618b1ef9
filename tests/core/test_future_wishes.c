/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Futures, errors and statuses: what few ask of them, and what cannot be had.
 */

#include "future_rig.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <tenon/manual.h>

static tenon_future *make(void)
{
    tenon_future *f;
    ck_assert_int_eq(tenon_future_new(reactor, &f), TENON_OK);
    return f;
}

/* ---- groups ---- */

START_TEST(G_of_nothing)
{
    tenon_future *f = make();
    tenon_future *out = NULL;
    ck_assert_int_eq(tenon_any(reactor, &f, 1, NULL), TENON_INVALID);
    ck_assert_int_eq(tenon_any(reactor, &f, 0, &out), TENON_INVALID);
    ck_assert_int_eq(tenon_race(reactor, &f, 0, &out), TENON_INVALID);
    ck_assert_int_eq(tenon_race(reactor, &f, 1, NULL), TENON_INVALID);
    ck_assert_ptr_null(out);
    tenon_future_unref(f);
}
END_TEST

START_TEST(G_of_one_that_has_ended)
{
    static tenon_future gone;
    tenon_future *out = NULL;
    tenon_future *const both[] = {make(), &gone};
    ck_assert_int_eq(tenon_future_init(&gone, reactor), TENON_OK);
    tenon_future_fini(&gone);
    ck_assert_int_eq(tenon_gather(reactor, both, 2, 0, &out), TENON_INVALID);
    ck_assert_ptr_null(out);
    tenon_future_unref(both[0]);
}
END_TEST

/* One in the caller's memory may end before the wait: it counts as done. */
START_TEST(G_one_ends_while_it_is_waited_for)
{
    static tenon_future mine;
    const tenon_wait_options all = {.size = sizeof all,
                                    .timeout_ns = TENON_FOREVER};
    tenon_future *waiting;
    int64_t count = 0;
    ck_assert_int_eq(tenon_future_init(&mine, reactor), TENON_OK);
    tenon_future *const both[] = {make(), &mine};
    ck_assert_int_eq(tenon_wait(reactor, both, 2, &all, &waiting), TENON_OK);
    tenon_future_fini(&mine);
    memset(&mine, 0xee, sizeof mine);
    ck_assert_int_eq(tenon_manual_advance(reactor, 0), TENON_OK);
    ck_assert(!tenon_future_is_done(waiting));
    ck_assert_int_eq(tenon_future_resolve_int(both[0], 1), TENON_OK);
    ck_assert_int_eq(tenon_manual_advance(reactor, 0), TENON_OK);
    ck_assert_int_eq(tenon_future_int(waiting, &count), TENON_OK);
    ck_assert_int_eq(count, 2);
    tenon_future_unref(waiting);
    tenon_future_unref(both[0]);
}
END_TEST

/* ---- links ---- */

/* Without the flag the source goes on when its follower is cancelled. */
START_TEST(L_one_way)
{
    tenon_future *from = make();
    tenon_future *to = make();
    ck_assert_int_eq(
        tenon_future_link(from, to, _i ? TENON_LINK_CANCEL_FROM : 0), TENON_OK);
    ck_assert_int_eq(tenon_future_cancel(to, NULL), TENON_EXISTED);
    ck_assert_int_eq(tenon_manual_advance(reactor, 0), TENON_OK);
    ck_assert_int_eq(tenon_future_state(from),
                     _i ? TENON_FUTURE_CANCELLED : TENON_FUTURE_PENDING);
    tenon_future_unref(from);
    tenon_future_unref(to);
}
END_TEST

START_TEST(L_of_two_reactors)
{
    tenon_reactor_options chosen = options();
    tenon_reactor *other;
    tenon_future *from = make();
    tenon_future *to;
    ck_assert_int_eq(tenon_manual_new(&other, &chosen), TENON_OK);
    ck_assert_int_eq(tenon_future_new(other, &to), TENON_OK);
    ck_assert_int_eq(tenon_future_link(from, to, 0), TENON_INVALID);
    ck_assert_int_eq(tenon_future_link(from, from, 0), TENON_INVALID);
    tenon_future_unref(from);
    tenon_future_unref(to);
    tenon_reactor_unref(other);
}
END_TEST

/* ---- values ---- */

START_TEST(V_nobody_frees)
{
    static int value;
    tenon_future *f = make();
    void *out = NULL;
    ck_assert_int_eq(tenon_future_try_resolve(f, &value, NULL), TENON_OK);
    ck_assert_int_eq(tenon_future_try_resolve(f, &value, NULL), TENON_EXISTED);
    ck_assert_int_eq(tenon_future_take(f, &out, NULL), TENON_OK);
    ck_assert_ptr_eq(out, &value);
    tenon_future_unref(f);
}
END_TEST

static void *end_elsewhere(void *future)
{
    tenon_future_fini(future);
    return NULL;
}

START_TEST(X05_ended_by_another_thread)
{
    static tenon_future mine;
    pthread_t thread;
    ck_assert_int_eq(tenon_future_init(&mine, reactor), TENON_OK);
    ck_assert_int_eq(tenon_manual_advance(reactor, 0), TENON_OK);
    ck_assert_int_eq(pthread_create(&thread, NULL, end_elsewhere, &mine), 0);
    pthread_join(thread, NULL);
    ck_assert_int_eq(tenon_future_state(&mine), TENON_FUTURE_PENDING);
    ck_assert_int_eq(tenon_future_resolve_int(&mine, 7), TENON_OK);
    tenon_future_fini(&mine);
}
END_TEST

/* The child keeps nothing of its parent's. */
START_TEST(X15_a_promise_in_a_child)
{
    tenon_promise *promise;
    tenon_future *f;
    int how;
    ck_assert_int_eq(tenon_promise_new(reactor, &promise, &f), TENON_OK);
    pid_t pid = fork();
    if (pid == 0) {
        exit(tenon_promise_resolve_int(promise, 1) == TENON_FORKED ? 0 : 1);
    }
    ck_assert_int_eq(waitpid(pid, &how, 0), pid);
    ck_assert(WIFEXITED(how) && WEXITSTATUS(how) == 0);
    ck_assert_int_eq(tenon_manual_advance(reactor, 0), TENON_OK);
    ck_assert(!tenon_future_is_done(f));
    ck_assert_int_eq(tenon_promise_resolve_int(promise, 2), TENON_OK);
    ck_assert_int_eq(tenon_manual_advance(reactor, 0), TENON_OK);
    ck_assert(tenon_future_is_done(f));
    tenon_promise_unref(promise);
    tenon_future_unref(f);
}
END_TEST

START_TEST(F_a_dump_of_what_nobody_saw)
{
    char text[2048] = "";
    tenon_error *error = tenon_error_of(-EIO, NULL);
    tenon_future *f = make();
    ck_assert_int_eq(tenon_future_fail(f, error), TENON_OK);
    FILE *file = fmemopen(text, sizeof text, "w");
    ck_assert_int_eq(tenon_reactor_dump(reactor, file), TENON_OK);
    fclose(file);
    ck_assert_ptr_nonnull(strstr(text, "failed unseen"));
    ck_assert_ptr_eq(tenon_future_error(f), error);
    tenon_future_unref(f);
    tenon_error_unref(error);
}
END_TEST

/* ---- run until ---- */

static void complete_and_stop(void *future)
{
    ck_assert_int_eq(tenon_future_resolve_int(future, 3), TENON_OK);
    ck_assert_int_eq(tenon_stop(tenon_reactor_current()), TENON_OK);
}

/* It was completed in the turn that was stopped: its waiters are not told
 * yet, but whoever ran is. */
START_TEST(F_completed_and_stopped)
{
    tenon_reactor_options chosen = options();
    tenon_reactor *native;
    tenon_future *f;
    ck_assert_int_eq(tenon_reactor_new(&native, &chosen), TENON_OK);
    ck_assert_int_eq(tenon_future_new(native, &f), TENON_OK);
    ck_assert_int_eq(tenon_call_soon(native, complete_and_stop, f), TENON_OK);
    ck_assert_int_eq(tenon_run_until(native, f, TENON_FOREVER), TENON_OK);
    ck_assert(tenon_future_is_done(f));
    tenon_future_unref(f);
    tenon_reactor_unref(native);
}
END_TEST

/* ---- by hand ---- */

static void for_ever(void *user)
{
    (void)user;
    (void)!tenon_call_soon(reactor, for_ever, NULL);
}

START_TEST(M_what_never_settles)
{
    ck_assert_int_eq(tenon_call_soon(reactor, for_ever, NULL), TENON_OK);
    ck_assert_int_eq(tenon_manual_advance(reactor, 0), TENON_LIMIT);
    ck_assert_int_eq(tenon_reactor_close(reactor), TENON_OK);
}
END_TEST

/* ---- errors and statuses ---- */

START_TEST(E_codes_that_nobody_gave)
{
    static const tenon_status unknown[] = {-5000, -4000, 77777};
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++) {
        ck_assert_str_eq(tenon_status_name(unknown[i]), "TENON_UNKNOWN");
        ck_assert_str_eq(tenon_status_text(unknown[i]), "unknown status");
    }
    ck_assert_int_eq(tenon_status_of_errno(0), TENON_INVALID);
    ck_assert_int_eq(tenon_status_of_errno(4096), TENON_INVALID);
    ck_assert_int_eq(tenon_status_of_errno(EIO), -EIO);
}
END_TEST

START_TEST(E_where_and_of_what)
{
    static const struct {
        tenon_status status;
        const char *domain;
        int code;
    } kinds[] = {{-EIO, "system", EIO},
                 {TENON_CLOSED, "tenon", 0},
                 {TENON_OK, "tenon", 0},
                 {TENON_HIGH, "tenon", 0}};
    char text[256];
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        tenon_error *error = tenon_error_of(kinds[i].status, "x");
        ck_assert_str_eq(tenon_error_domain(error), kinds[i].domain);
        ck_assert_int_eq(tenon_error_system_code(error), kinds[i].code);
        tenon_error_unref(error);
    }
    const tenon_error_options placed = {.size = sizeof placed,
                                        .status = -EIO,
                                        .file = "there.c",
                                        .line = 17,
                                        .message = "x"};
    tenon_error *error = tenon_error_new(&placed);
    (void)tenon_error_format(error, text, sizeof text);
    ck_assert_ptr_nonnull(strstr(text, "there.c:17"));
    tenon_error_unref(error);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("future wishes");
    TCase *tcase = tcase_create("future wishes");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, G_of_nothing);
    tcase_add_test(tcase, G_of_one_that_has_ended);
    tcase_add_test(tcase, G_one_ends_while_it_is_waited_for);
    tcase_add_loop_test(tcase, L_one_way, 0, 2);
    tcase_add_test(tcase, L_of_two_reactors);
    tcase_add_test(tcase, V_nobody_frees);
    tcase_add_test(tcase, X05_ended_by_another_thread);
    tcase_add_test(tcase, X15_a_promise_in_a_child);
    tcase_add_test(tcase, F_a_dump_of_what_nobody_saw);
    tcase_add_test(tcase, F_completed_and_stopped);
    tcase_add_test(tcase, M_what_never_settles);
    tcase_add_test(tcase, E_codes_that_nobody_gave);
    tcase_add_test(tcase, E_where_and_of_what);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
