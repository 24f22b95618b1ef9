/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Futures that are pulled at from where nobody expects it: ended again by the
 * functions that their end calls, freed by the callbacks that they are told
 * to, cancelled by whoever was asked for time; and ends of the reactor with
 * waiters that are owed their call.
 */

#include <stdlib.h>

#include "future_rig.h"

/* ---- ended again, inside of its end ---- */

static tenon_future *embedded;
static int calls;

static void end_again(void *user)
{
    static tenon_waiter waiter;
    (void)user;
    calls++;
    tenon_future_fini(embedded);
    ck_assert_int_eq(tenon_future_on_done(embedded, &waiter, on_done, NULL),
                     TENON_INVALID);
    ck_assert_int_eq(
        tenon_future_then(
            embedded, &(tenon_then_options){.size = sizeof(tenon_then_options)},
            NULL),
        TENON_INVALID);
}

START_TEST(fini_inside_of_its_own_fini)
{
    tenon_future f;
    tenon_future *other = pending();
    embedded = &f;
    ck_assert_int_eq(tenon_future_init(&f, reactor), TENON_OK);
    if (_i == 0) {
        ck_assert_int_eq(tenon_future_resolve(&f, &calls, end_again), TENON_OK);
    } else {
        const tenon_then_options how = {
            .size = sizeof how, .user = &calls, .free_user = end_again};
        ck_assert_int_eq(tenon_future_then(&f, &how, NULL), TENON_OK);
        ck_assert_int_eq(tenon_future_link(other, &f, 0), TENON_OK);
        resolve(other, 1);
    }
    tenon_future_fini(&f);
    ck_assert_int_eq(calls, 1);
    settle();
    tenon_future_unref(other);
    settle();
    ck_assert_int_eq(calls, 1);
}
END_TEST

/* ---- freed by a callback ---- */

static tenon_status free_source(tenon_future *source, tenon_future *result,
                                void *user)
{
    (void)result;
    (void)user;
    tenon_status status = tenon_error_status(tenon_future_error(source));
    tenon_future_fini(source);
    free(source);
    put('f');
    return status;
}

START_TEST(then_frees_its_embedded_source)
{
    const tenon_then_options how = {.size = sizeof how,
                                    .on_error = free_source};
    tenon_future *f = malloc(sizeof *f);
    tenon_future *result;
    ck_assert_int_eq(tenon_future_init(f, reactor), TENON_OK);
    ck_assert_int_eq(tenon_future_then(f, &how, &result), TENON_OK);
    fail_with(f, -EIO);
    settle();
    ck_assert_str_eq(notes, "f");
    tenon_error *error = tenon_future_error(result);
    ck_assert_int_eq(tenon_error_status(error), -EIO);
    ck_assert_int_eq(tenon_error_status(tenon_error_cause(error)), -EIO);
    tenon_future_unref(result);
}
END_TEST

static void free_child(tenon_waiter *waiter, tenon_future *future, void *user)
{
    (void)waiter;
    tenon_future_unref(future);
    tenon_future_fini(user);
    free(user);
}

/* The group's memory goes later, and its child's was the caller's. */
START_TEST(an_embedded_child_goes_after_its_group)
{
    tenon_waiter waiter;
    tenon_future *group = NULL;
    tenon_future *f = malloc(sizeof *f);
    ck_assert_int_eq(tenon_future_init(f, reactor), TENON_OK);
    ck_assert_int_eq(tenon_gather(reactor, &f, 1, 0, &group), TENON_OK);
    ck_assert_int_eq(tenon_future_on_done(group, &waiter, free_child, f),
                     TENON_OK);
    resolve(f, 1);
    settle();
}
END_TEST

/* ---- run_until ---- */

static void free_it(void *user)
{
    tenon_future_fini(user);
    memset(user, 0xa5, sizeof(tenon_future));
    free(user);
}

static void close_it(void *user)
{
    (void)user;
    tenon_reactor_unref(reactor);
}

START_TEST(L13_freed_while_it_is_waited_for)
{
    tenon_reactor *before = reactor;
    tenon_future *f = malloc(sizeof *f);
    tenon_reactor_options chosen = options();
    ck_assert_int_eq(tenon_reactor_new(&reactor, &chosen), TENON_OK);
    ck_assert_int_eq(tenon_future_init(f, reactor), TENON_OK);
    ck_assert_int_eq(tenon_call_soon(reactor, free_it, f), TENON_OK);
    if (_i == 1) {
        ck_assert_int_eq(tenon_call_soon(reactor, close_it, NULL), TENON_OK);
    }
    ck_assert_int_eq(tenon_run_until(reactor, f, TENON_FOREVER),
                     TENON_CANCELLED);
    if (_i == 0) {
        tenon_reactor_unref(reactor);
    }
    reactor = before;
}
END_TEST

/* ---- the end of the reactor ---- */

static void look(tenon_waiter *waiter, tenon_future *future, void *user)
{
    (void)waiter;
    (void)user;
    ck_assert_ptr_nonnull(tenon_future_error(future));
    put('l');
}

START_TEST(F10_seen_by_a_waiter_at_the_end)
{
    tenon_waiter waiter;
    tenon_future *f = pending();
    tenon_future *unseen = pending();
    ck_assert_int_eq(tenon_future_on_done(f, &waiter, look, NULL), TENON_OK);
    fail_with(f, -EIO);
    fail_with(unseen, -EPERM);
    ck_assert_int_eq(tenon_reactor_close(reactor), TENON_OK);
    ck_assert_str_eq(notes, "l");
    take_report(-EPERM);
    tenon_future_unref(f);
    tenon_future_unref(unseen);
}
END_TEST

/* Each holds the one before it, and no turn will come. */
START_TEST(long_chains_are_freed_without_recursion)
{
    enum { DEPTH = 100000 };
    tenon_future **held = calloc(DEPTH, sizeof(tenon_future *));
    tenon_future *outer = pending();
    for (int i = 0; i < DEPTH; i++) {
        tenon_future *inner = outer;
        ck_assert_int_eq(tenon_gather(reactor, &inner, 1, 0, &outer), TENON_OK);
        held[i] = inner;
    }
    ck_assert_int_eq(tenon_reactor_close(reactor), TENON_OK);
    for (int i = 0; i < DEPTH; i++) {
        tenon_future_unref(held[i]);
    }
    ck_assert_uint_gt(guard.heap.count, DEPTH);
    tenon_future_unref(outer);
    free(held);
}
END_TEST

/* ---- promises ---- */

static tenon_status take_time(tenon_future *future, void *user)
{
    (void)future;
    (void)user;
    put('c');
    return TENON_PENDING;
}

START_TEST(a_canceller_leaves_the_promise_open)
{
    tenon_promise *promise = NULL;
    tenon_future *f = NULL;
    ck_assert_int_eq(tenon_promise_new(reactor, &promise, &f), TENON_OK);
    ck_assert_int_eq(tenon_future_set_canceller(f, take_time, NULL), TENON_OK);
    ck_assert_int_eq(tenon_future_cancel(f, NULL), TENON_PENDING);
    ck_assert_int_eq(tenon_future_cancel(f, NULL), TENON_PENDING);
    ck_assert_str_eq(notes, "c");
    ck_assert(tenon_promise_is_open(promise));
    if (_i == 0) {
        ck_assert_int_eq(tenon_promise_resolve_int(promise, 7), TENON_OK);
        ck_assert_int_eq(tenon_future_cancel(f, NULL), TENON_PENDING);
        tenon_promise_unref(promise);
        settle();
        require_int(f, 7);
    } else {
        tenon_promise_unref(promise);
        settle();
        ck_assert_int_eq(tenon_error_status(tenon_future_error(f)),
                         TENON_ABORTED);
    }
    ck_assert(!tenon_reactor_alive(reactor));
    tenon_future_unref(f);
}
END_TEST

START_TEST(a_link_cancels_the_promise)
{
    tenon_promise *promise = NULL;
    tenon_future *f = NULL;
    tenon_future *from = pending();
    ck_assert_int_eq(tenon_promise_new(reactor, &promise, &f), TENON_OK);
    ck_assert_int_eq(tenon_future_link(from, f, TENON_LINK_CANCEL), TENON_OK);
    ck_assert_int_eq(tenon_future_cancel(from, NULL), TENON_EXISTED);
    settle();
    ck_assert_int_eq(tenon_future_state(f), TENON_FUTURE_CANCELLED);
    ck_assert(!tenon_promise_is_open(promise));
    ck_assert_int_eq(tenon_promise_resolve_int(promise, 7), TENON_CANCELLED);
    tenon_promise_unref(promise);
    tenon_future_unref(from);
    tenon_future_unref(f);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("future-corners");
    TCase *tc = tcase_create("future-corners");
    tcase_set_timeout(tc, 20);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, fini_inside_of_its_own_fini, 0, 2);
    tcase_add_test(tc, then_frees_its_embedded_source);
    tcase_add_test(tc, an_embedded_child_goes_after_its_group);
    tcase_add_loop_test(tc, L13_freed_while_it_is_waited_for, 0, 2);
    tcase_add_test(tc, F10_seen_by_a_waiter_at_the_end);
    tcase_add_test(tc, long_chains_are_freed_without_recursion);
    tcase_add_loop_test(tc, a_canceller_leaves_the_promise_open, 0, 2);
    tcase_add_test(tc, a_link_cancels_the_promise);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
