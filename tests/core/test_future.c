/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * One future at a time: its memory, its value, its canceller, its end and the
 * end of its reactor, turn by turn.
 */

#include <pthread.h>
#include <stdio.h>

#include <tenon/sys/host.h>

#include "future_rig.h"

static int freed;

static void count_free(void *user)
{
    (*(int *)user)++;
}

/* ---- memory ---- */

START_TEST(embedded_ones_allocate_nothing)
{
    tenon_future f;
    tenon_waiter waiter;
    uint64_t requests = guard.heap.requests;
    ck_assert_int_eq(tenon_future_init(&f, reactor), TENON_OK);
    tell(&f, &waiter, "a");
    resolve(&f, 1);
    turns(1);
    ck_assert_str_eq(notes, "a");
    ck_assert_int_eq(tenon_future_cancel(&f, NULL), TENON_OK);
    tenon_future_fini(&f);
    tenon_future_fini(&f);
    ck_assert_uint_eq(guard.heap.requests, requests);
    ck_assert_int_eq(tenon_future_init(&f, reactor), TENON_OK);
    tell(&f, &waiter, "b");
    ck_assert_int_eq(tenon_future_cancel(&f, NULL), TENON_EXISTED);
    turns(1);
    tenon_future_fini(&f);
    ck_assert_str_eq(notes, "ab");
    ck_assert_uint_eq(guard.heap.requests, requests);
}
END_TEST

START_TEST(a_pending_one_is_one_block)
{
    tenon_waiter waiters[3];
    size_t blocks = guard.heap.count;
    size_t bytes = guard.heap.bytes;
    tenon_future *f = pending();
    for (int i = 0; i < 3; i++) {
        tell(f, &waiters[i], "a");
    }
    ck_assert_uint_eq(guard.heap.count, blocks + 1);
    ck_assert_uint_eq(guard.heap.bytes, bytes + sizeof(tenon_future));
    ck_assert_uint_le(sizeof(tenon_future), 160);
    resolve(f, 1);
    turns(1);
    tenon_future_unref(f);
    settle();
    ck_assert_uint_eq(guard.heap.count, blocks);
}
END_TEST

static void fini_inside(tenon_waiter *waiter, tenon_future *future, void *user)
{
    (void)waiter;
    (void)user;
    put('x');
    tenon_future_fini(future);
    memset(future, 0xa5, sizeof *future);
}

START_TEST(embedded_ones_end_in_their_own_callback)
{
    tenon_future f;
    tenon_waiter waiters[2];
    ck_assert_int_eq(tenon_future_init(&f, reactor), TENON_OK);
    ck_assert_int_eq(tenon_future_on_done(&f, &waiters[0], fini_inside, NULL),
                     TENON_OK);
    tell(&f, &waiters[1], "forgotten");
    resolve(&f, 1);
    settle();
    ck_assert_str_eq(notes, "x");
}
END_TEST

START_TEST(fini_cancels_what_is_pending)
{
    tenon_future f;
    tenon_waiter waiters[2];
    tenon_future *follower = pending();
    ck_assert_int_eq(tenon_future_init(&f, reactor), TENON_OK);
    tell(&f, &waiters[0], "forgotten");
    ck_assert_int_eq(tenon_future_link(&f, follower, TENON_LINK_CANCEL),
                     TENON_OK);
    tenon_future_fini(&f);
    memset(&f, 0xa5, sizeof f);
    ck_assert_int_eq(tenon_future_state(follower), TENON_FUTURE_CANCELLED);
    settle();
    ck_assert_str_eq(notes, "");
    tenon_future_unref(follower);
}
END_TEST

START_TEST(fini_reports_what_nobody_saw)
{
    tenon_future f;
    ck_assert_int_eq(tenon_future_init(&f, reactor), TENON_OK);
    fail_with(&f, -EIO);
    tenon_future_fini(&f);
    take_report(-EIO);
}
END_TEST

START_TEST(null_and_zero_are_harmless)
{
    tenon_future zero = {.reactor = NULL};
    tenon_waiter waiter = {.future = NULL};
    tenon_future *f = NULL;
    ck_assert_int_eq(tenon_future_new(NULL, &f), TENON_INVALID);
    ck_assert_int_eq(tenon_future_new(reactor, NULL), TENON_INVALID);
    ck_assert_int_eq(tenon_future_init(NULL, reactor), TENON_INVALID);
    ck_assert_int_eq(tenon_future_init(&zero, NULL), TENON_INVALID);
    tenon_future_fini(&zero);
    tenon_future_fini(NULL);
    tenon_future_unref(NULL);
    ck_assert_ptr_null(tenon_future_ref(NULL));
    ck_assert_int_eq(tenon_waiter_remove(&waiter), TENON_OK);
    ck_assert_int_eq(tenon_future_cancel(NULL, NULL), TENON_INVALID);
    ck_assert_int_eq(tenon_future_failed(reactor, NULL, &f), TENON_INVALID);
    f = pending();
    ck_assert_int_eq(tenon_future_fail(f, NULL), TENON_INVALID);
    ck_assert_int_eq(tenon_future_on_done(f, &waiter, NULL, NULL),
                     TENON_INVALID);
    ck_assert_int_eq(tenon_future_value(f, NULL), TENON_INVALID);
    ck_assert(!tenon_future_is_done(f));
    tenon_future_unref(f);
}
END_TEST

/* ---- values ---- */

START_TEST(a_value_is_freed_once)
{
    tenon_future *f = NULL;
    void *value = NULL;
    int64_t number;
    ck_assert_int_eq(tenon_future_ready(reactor, &freed, count_free, &f),
                     TENON_OK);
    ck_assert_int_eq(tenon_future_value(f, &value), TENON_OK);
    ck_assert_ptr_eq(value, &freed);
    ck_assert_int_eq(tenon_future_int(f, &number), TENON_INVALID);
    tenon_future_unref(f);
    ck_assert_int_eq(freed, 0); /* at the end of the turn */
    turns(1);
    ck_assert_int_eq(freed, 1);
}
END_TEST

START_TEST(a_value_can_be_taken)
{
    tenon_future *f = NULL;
    void *value = NULL;
    tenon_free_fn *free_value = NULL;
    ck_assert_int_eq(tenon_future_ready(reactor, &freed, count_free, &f),
                     TENON_OK);
    ck_assert_int_eq(tenon_future_take(f, &value, &free_value), TENON_OK);
    ck_assert_ptr_eq(value, &freed);
    ck_assert(free_value == count_free);
    ck_assert_int_eq(tenon_future_take(f, &value, NULL), TENON_INVALID);
    ck_assert_int_eq(tenon_future_value(f, &value), TENON_INVALID);
    tenon_future_unref(f);
    turns(1);
    ck_assert_int_eq(freed, 0);
}
END_TEST

START_TEST(a_refused_value_stays_the_callers)
{
    tenon_future *f = pending();
    resolve(f, 1);
    ck_assert_int_eq(tenon_future_resolve(f, &freed, count_free), TENON_DONE);
    tenon_future_unref(f);
    turns(1);
    ck_assert_int_eq(freed, 0);
}
END_TEST

/* ---- dropping and cancelling ---- */

static tenon_status say(tenon_future *future, void *user)
{
    (void)future;
    put('c');
    return *(tenon_status *)user;
}

START_TEST(the_last_unref_cancels)
{
    tenon_future *f = pending();
    tenon_waiter waiter;
    tenon_status ok = TENON_OK;
    ck_assert_int_eq(tenon_future_set_canceller(f, say, &ok), TENON_OK);
    tell(f, &waiter, "w");
    tenon_future_unref(f);
    ck_assert_str_eq(notes, "c");
    turns(1);
    ck_assert_str_eq(notes, "cw");
}
END_TEST

START_TEST(a_canceller_may_take_its_time)
{
    tenon_future *f = pending();
    tenon_status later = TENON_PENDING;
    ck_assert_int_eq(tenon_future_set_canceller(f, say, &later), TENON_OK);
    ck_assert_int_eq(tenon_future_cancel(f, NULL), TENON_PENDING);
    ck_assert_int_eq(tenon_future_cancel(f, NULL), TENON_PENDING);
    ck_assert_str_eq(notes, "c"); /* once at most */
    resolve(f, 5);
    ck_assert_int_eq(tenon_future_set_canceller(f, say, &later), TENON_DONE);
    require_int(f, 5);
    tenon_future_unref(f);
    f = pending();
    ck_assert_int_eq(tenon_future_set_canceller(f, say, &later), TENON_OK);
    tenon_future_unref(f); /* nobody is left to wait */
    ck_assert_str_eq(notes, "cc");
}
END_TEST

static tenon_status complete(tenon_future *future, void *user)
{
    resolve(future, *(int *)user);
    return TENON_OK;
}

START_TEST(a_canceller_may_complete_it)
{
    tenon_future *f = pending();
    int number = 9;
    ck_assert_int_eq(tenon_future_set_canceller(f, complete, &number),
                     TENON_OK);
    ck_assert_int_eq(tenon_future_cancel(f, "x"), TENON_EXISTED);
    require_int(f, 9);
    tenon_future_unref(f);
}
END_TEST

START_TEST(cancelled_with_an_error)
{
    tenon_future *f = pending();
    tenon_error *why = tenon_error_of(-ETIMEDOUT, "too slow");
    ck_assert_int_eq(tenon_future_cancel_with(f, why), TENON_EXISTED);
    tenon_error *error = tenon_future_error(f);
    ck_assert_int_eq(tenon_error_status(error), TENON_CANCELLED);
    ck_assert_ptr_eq(tenon_error_cause(error), why);
    tenon_error_unref(why);
    tenon_future_unref(f);
}
END_TEST

/* ---- failures that nobody saw ---- */

static void drop_inside(void *user)
{
    tenon_future_unref(user);
    ck_assert_int_eq(reports, 0); /* not in the middle of user code */
}

START_TEST(F10_reported_at_the_end_of_the_turn)
{
    tenon_future *f = pending();
    fail_with(f, -EIO);
    ck_assert_int_eq(tenon_call_soon(reactor, drop_inside, f), TENON_OK);
    turns(1);
    take_report(-EIO);
}
END_TEST

START_TEST(F10_a_waiter_that_does_not_look)
{
    tenon_future *f = pending();
    tenon_waiter waiter;
    tell(f, &waiter, "w");
    fail_with(f, -EIO);
    tenon_future_unref(f);
    turns(2);
    ck_assert_str_eq(notes, "w");
    take_report(-EIO);
}
END_TEST

START_TEST(F10_dropped_just_before_the_end)
{
    tenon_future *f = pending();
    fail_with(f, -EIO);
    tenon_future_unref(f);
    ck_assert_int_eq(tenon_reactor_close(reactor), TENON_OK);
    take_report(-EIO);
}
END_TEST

/* ---- the end of the reactor ---- */

static void close_inside(tenon_waiter *waiter, tenon_future *future, void *user)
{
    (void)waiter;
    (void)future;
    (void)user;
    put('x');
    ck_assert_int_eq(tenon_reactor_close(reactor), TENON_OK);
    put('y');
}

START_TEST(closed_from_a_waiter)
{
    tenon_future *f = pending();
    tenon_future *other = pending();
    tenon_waiter waiters[3];
    ck_assert_int_eq(tenon_future_on_done(f, &waiters[0], close_inside, NULL),
                     TENON_OK);
    tell(f, &waiters[1], "a");
    tell(other, &waiters[2], "b");
    resolve(f, 1);
    ck_assert_int_eq(tenon_manual_turn(reactor, NULL), TENON_CLOSED);
    ck_assert_str_eq(notes, "xyab");
    ck_assert_int_eq(tenon_error_status(tenon_future_error(other)),
                     TENON_CLOSED);
    ck_assert_int_eq(tenon_future_resolve_int(other, 1), TENON_DONE);
    tenon_future_unref(other);
    tenon_future_unref(f);
}
END_TEST

START_TEST(the_reactor_may_go_first)
{
    tenon_future *f = pending();
    tenon_future embedded;
    tenon_waiter waiter;
    ck_assert_int_eq(tenon_future_init(&embedded, reactor), TENON_OK);
    tell(&embedded, &waiter, "w");
    tenon_reactor_unref(reactor);
    reactor = NULL;
    ck_assert_str_eq(notes, "w");
    ck_assert_int_eq(tenon_future_cancel(f, NULL), TENON_OK);
    ck_assert_int_eq(tenon_future_state(f), TENON_FUTURE_FAILED);
    tenon_future_fini(&embedded);
    tenon_future_unref(f);
}
END_TEST

START_TEST(a_host_that_is_gone_fails_them)
{
    tenon_future *f = pending();
    tenon_future *later = NULL;
    turns(1);
    tenon_reactor_host_gone(reactor);
    ck_assert_int_eq(tenon_error_status(tenon_future_error(f)),
                     TENON_HOST_GONE);
    ck_assert_int_eq(tenon_future_new(reactor, &later), TENON_HOST_GONE);
    tenon_future_unref(f);
}
END_TEST

START_TEST(unseen_failures_do_not_outlive_it)
{
    tenon_future *f = pending();
    fail_with(f, -EIO);
    ck_assert_int_eq(tenon_reactor_close(reactor), TENON_OK);
    take_report(-EIO);
    tenon_future_unref(f);
}
END_TEST

/* ---- threads ---- */

static void *trespass(void *arg)
{
    tenon_future *f = arg;
    tenon_future *made = NULL;
    tenon_waiter waiter;
    void *value;
    ck_assert_int_eq(tenon_future_new(reactor, &made), TENON_WRONG_THREAD);
    ck_assert_int_eq(tenon_future_resolve_int(f, 1), TENON_WRONG_THREAD);
    ck_assert_int_eq(tenon_future_try_resolve(f, &freed, count_free),
                     TENON_WRONG_THREAD);
    ck_assert_int_eq(tenon_future_cancel(f, NULL), TENON_WRONG_THREAD);
    ck_assert_int_eq(tenon_future_value(f, &value), TENON_WRONG_THREAD);
    ck_assert_int_eq(tenon_future_on_done(f, &waiter, on_done, NULL),
                     TENON_WRONG_THREAD);
    ck_assert_uint_eq(tenon_future_off(f, on_done, NULL), 0);
    tenon_future_unref(f);
    return NULL;
}

START_TEST(X05_the_wrong_thread_is_refused)
{
    pthread_t thread;
    tenon_future *f = pending();
    turns(1);
    ck_assert_int_eq(pthread_create(&thread, NULL, trespass, f), 0);
    pthread_join(thread, NULL);
    ck_assert(!tenon_future_is_done(f));
    ck_assert_int_eq(freed, 0);
    tenon_future_unref(f);
}
END_TEST

/* ---- run_until ---- */

static void run_inside(tenon_waiter *waiter, tenon_future *future, void *user)
{
    (void)waiter;
    ck_assert_int_eq(tenon_run_until(user, future, 0), TENON_BUSY);
    put('r');
}

START_TEST(L13_where_it_cannot_run)
{
    tenon_reactor_options chosen = options();
    tenon_reactor *native = NULL;
    tenon_future *f = pending();
    tenon_future *own = NULL;
    tenon_waiter waiter;
    ck_assert_int_eq(tenon_run_until(reactor, f, TENON_FOREVER),
                     TENON_NOT_SUPPORTED);
    ck_assert_int_eq(tenon_run_until(reactor, NULL, 0), TENON_INVALID);
    ck_assert_int_eq(tenon_reactor_new(&native, &chosen), TENON_OK);
    ck_assert_int_eq(tenon_run_until(native, f, 0), TENON_INVALID);
    ck_assert_int_eq(tenon_future_new(native, &own), TENON_OK);
    ck_assert_int_eq(tenon_future_on_done(own, &waiter, run_inside, native),
                     TENON_OK);
    resolve(own, 1);
    ck_assert_int_eq(tenon_run_until(native, own, TENON_SECOND), TENON_OK);
    ck_assert_str_eq(notes, "r");
    ck_assert(!tenon_reactor_alive(native));
    tenon_future_unref(own);
    tenon_future_unref(f);
    tenon_reactor_unref(native);
}
END_TEST

START_TEST(L15_without_memory_for_its_timer)
{
    tenon_reactor_options chosen = options();
    tenon_reactor *native = NULL;
    tenon_future *f = NULL;
    ck_assert_int_eq(tenon_reactor_new(&native, &chosen), TENON_OK);
    ck_assert_int_eq(tenon_future_new(native, &f), TENON_OK);
    harness_heap_fail(&guard.heap, 1, 1);
    ck_assert_int_eq(tenon_run_until(native, f, TENON_SECOND), TENON_NO_MEMORY);
    ck_assert(!tenon_reactor_alive(native));
    tenon_future_unref(f);
    tenon_reactor_unref(native);
}
END_TEST

/* ---- a host loop inside of a callback ---- */

static void run_nested(tenon_waiter *waiter, tenon_future *future, void *user)
{
    (void)waiter;
    (void)future;
    put('(');
    ck_assert_int_eq(tenon_turn(user, NULL), TENON_OK);
    put(')');
}

START_TEST(R18_waiters_in_a_nested_host_loop)
{
    tenon_reactor_options chosen = options();
    tenon_reactor *foreign = NULL;
    tenon_future *f = NULL;
    tenon_waiter waiters[4];
    ck_assert_int_eq(tenon_foreign_new(&foreign, &chosen), TENON_OK);
    ck_assert_int_eq(tenon_future_new(foreign, &f), TENON_OK);
    tell(f, &waiters[0], "a");
    ck_assert_int_eq(tenon_future_on_done(f, &waiters[1], run_nested, foreign),
                     TENON_OK);
    tell(f, &waiters[2], "b");
    tell(f, &waiters[3], "c");
    resolve(f, 1);
    tenon_future_unref(f);
    ck_assert_int_eq(tenon_turn(foreign, NULL), TENON_OK);
    ck_assert_str_eq(notes, "a(bc)");
    tenon_reactor_unref(foreign);
}
END_TEST

START_TEST(the_dump_names_them)
{
    char text[1024] = "";
    tenon_future *f = pending();
    tenon_promise *promise = NULL;
    tenon_future *promised = NULL;
    ck_assert_int_eq(tenon_promise_new(reactor, &promise, &promised), TENON_OK);
    ck_assert_ptr_eq(tenon_future_reactor(promised), reactor);
    FILE *file = fmemopen(text, sizeof text, "w");
    ck_assert_int_eq(tenon_reactor_dump(reactor, file), TENON_OK);
    fclose(file);
    ck_assert_ptr_nonnull(strstr(text, "future_rig.h:"));
    ck_assert_ptr_nonnull(strstr(text, "pending"));
    ck_assert_ptr_nonnull(strstr(text, "promise "));
    ck_assert_ptr_nonnull(strstr(text, "test_future.c:"));
    tenon_promise_unref(tenon_promise_ref(promise)); /* still there */
    ck_assert(tenon_promise_is_open(promise));
    tenon_promise_unref(promise);
    settle();
    ck_assert_ptr_nonnull(tenon_future_error(promised));
    tenon_future_unref(promised);
    tenon_future_unref(f);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        embedded_ones_allocate_nothing,
        a_pending_one_is_one_block,
        embedded_ones_end_in_their_own_callback,
        fini_cancels_what_is_pending,
        fini_reports_what_nobody_saw,
        null_and_zero_are_harmless,
        a_value_is_freed_once,
        a_value_can_be_taken,
        a_refused_value_stays_the_callers,
        the_last_unref_cancels,
        a_canceller_may_take_its_time,
        a_canceller_may_complete_it,
        cancelled_with_an_error,
        F10_reported_at_the_end_of_the_turn,
        F10_a_waiter_that_does_not_look,
        F10_dropped_just_before_the_end,
        closed_from_a_waiter,
        the_reactor_may_go_first,
        a_host_that_is_gone_fails_them,
        unseen_failures_do_not_outlive_it,
        X05_the_wrong_thread_is_refused,
        L13_where_it_cannot_run,
        L15_without_memory_for_its_timer,
        R18_waiters_in_a_nested_host_loop,
        the_dump_names_them,
    };
    return RUN_TESTS("future", tests);
}
