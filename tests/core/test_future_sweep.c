/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Out of memory, for futures: a script that uses all of them is run again and
 * again with another request failing, until it meets no failure. Every call
 * then says so or works, whoever waits is told all the same, and nothing is
 * left over.
 *
 * ctest: timeout=120
 */

#include "future_rig.h"

enum { TOLD_MAX = 32 };

static int told;
static int asked;

static void count_done(tenon_waiter *waiter, tenon_future *future, void *user)
{
    (void)waiter;
    (void)user;
    (void)tenon_future_error(future);
    told++;
}

static tenon_waiter waiters[TOLD_MAX];

/* Takes over the reference, if there is one. */
static void expect(tenon_status status, tenon_future *future)
{
    if (status == TENON_NO_MEMORY) {
        return;
    }
    ck_assert_int_eq(status, TENON_OK);
    ck_assert_int_lt(asked, TOLD_MAX);
    ck_assert_int_eq(
        tenon_future_on_done(future, &waiters[asked], count_done, NULL),
        TENON_OK);
    asked++;
    tenon_future_unref(future);
}

static tenon_status inner_link(tenon_future *source, tenon_future *result,
                               void *user)
{
    (void)source;
    (void)user;
    tenon_future *inner = NULL;
    tenon_status status = tenon_future_ready_int(reactor, 3, &inner);
    if (status == TENON_OK) {
        status = tenon_future_link(inner, result, TENON_LINK_CANCEL);
        tenon_future_unref(inner);
    }
    return status;
}

static void chains(tenon_future *f[3])
{
    const tenon_then_options how = {
        .size = sizeof how, .on_value = inner_link, .on_error = inner_link};
    tenon_future *out = NULL;
    for (int i = 0; i < 3; i++) {
        tenon_status status = tenon_future_then(f[i], &how, &out);
        expect(status, out);
    }
    tenon_status status = tenon_future_new(reactor, &out);
    if (status == TENON_OK) {
        status = tenon_future_link(f[1], out, 0);
        if (status == TENON_OK) {
            expect(status, out);
        } else {
            tenon_future_unref(out);
        }
    }
}

static void groups(tenon_future *f[3])
{
    const tenon_wait_options how = {.size = sizeof how,
                                    .timeout_ns = TENON_SECOND};
    tenon_future *out = NULL;
    tenon_status status = tenon_gather(reactor, f, 3, 0, &out);
    expect(status, out);
    status = tenon_gather(reactor, f, 3, TENON_GATHER_CANCEL_ON_ERROR, &out);
    expect(status, out);
    status = tenon_any(reactor, f, 3, &out);
    expect(status, out);
    status = tenon_race(reactor, f, 3, &out);
    expect(status, out);
    status = tenon_wait(reactor, f, 3, &how, &out);
    expect(status, out);
}

static void others(void)
{
    tenon_promise *promise = NULL;
    tenon_future *out = NULL;
    tenon_error *error = tenon_error_of(-EIO, NULL);
    tenon_status status = tenon_promise_new(reactor, &promise, &out);
    expect(status, out);
    tenon_promise_unref(promise);
    status = tenon_future_ready(reactor, NULL, NULL, &out);
    expect(status, out);
    status = tenon_future_failed(reactor, error, &out);
    expect(status, out);
    tenon_error_unref(error);
}

static void script(void)
{
    tenon_future *f[3] = {NULL, NULL, NULL};
    for (int i = 0; i < 3; i++) {
        while (tenon_future_new(reactor, &f[i]) == TENON_NO_MEMORY) {
        }
    }
    chains(f);
    groups(f);
    others();
    ck_assert_int_eq(tenon_future_cancel(f[1], "a reason"), TENON_EXISTED);
    ck_assert_int_eq(tenon_future_state(f[1]), TENON_FUTURE_CANCELLED);
    ck_assert_ptr_nonnull(tenon_future_error(f[1]));
    settle();
    tenon_error *error = tenon_error_of(-EIO, NULL);
    ck_assert_int_ge(tenon_future_try_fail(f[0], error), TENON_OK);
    ck_assert_ptr_nonnull(tenon_future_error(f[0]));
    tenon_error_unref(error);
    ck_assert_int_ge(tenon_future_try_resolve_int(f[2], 1), TENON_OK);
    ck_assert_int_eq(tenon_manual_advance(reactor, 2 * TENON_SECOND), TENON_OK);
    ck_assert_int_eq(told, asked);
    for (int i = 0; i < 3; i++) {
        tenon_future_unref(f[i]);
    }
}

/* With the reactor's end in the middle of it. */
static void script_that_ends(void)
{
    tenon_future *f[3] = {NULL, NULL, NULL};
    for (int i = 0; i < 3; i++) {
        while (tenon_future_new(reactor, &f[i]) == TENON_NO_MEMORY) {
        }
    }
    chains(f);
    groups(f);
    others();
    resolve(f[0], 1);
    ck_assert_int_eq(tenon_reactor_close(reactor), TENON_OK);
    ck_assert_int_eq(told, asked);
    for (int i = 0; i < 3; i++) {
        tenon_future_unref(f[i]);
    }
}

static uint64_t sweep(void (*fn)(void))
{
    uint64_t nth = 0;
    uint64_t made;
    do {
        tenon_reactor_options chosen = options();
        tenon_reactor_unref(reactor);
        reactor = NULL;
        ck_assert_uint_eq(guard.heap.count, 0);
        ck_assert_int_eq(tenon_manual_new(&reactor, &chosen), TENON_OK);
        told = 0;
        asked = 0;
        reports = 0;
        uint64_t before = guard.heap.requests;
        harness_heap_fail(&guard.heap, ++nth, 1);
        fn();
        harness_heap_fail(&guard.heap, 0, 0);
        made = guard.heap.requests - before;
    } while (nth <= made);
    ck_assert_int_eq(asked, 12);
    return nth;
}

START_TEST(R16_every_request_fails_once)
{
    ck_assert_uint_gt(sweep(script), 15);
    reports = 0;
}
END_TEST

START_TEST(R16_and_at_the_end_of_the_reactor)
{
    ck_assert_uint_gt(sweep(script_that_ends), 15);
    reports = 0;
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {R16_every_request_fails_once,
                                  R16_and_at_the_end_of_the_reactor};
    return RUN_TESTS("future sweep", tests);
}
