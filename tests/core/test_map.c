/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Maps, and work by key.
 *
 * ctest: labels=threads timeout=120
 */

#include "executor_rig.h"

#include <sched.h>

enum { ITEMS = 100 };

static int items[ITEMS];
static atomic_int at_once;
static atomic_int most_at_once;

static void count_in(void)
{
    int now = atomic_fetch_add(&at_once, 1) + 1;
    int most = atomic_load(&most_at_once);
    while (now > most &&
           !atomic_compare_exchange_weak(&most_at_once, &most, now)) {
    }
}

static tenon_status square(tenon_work *work, void *item, void *user)
{
    int n = *(int *)item;
    (void)user;
    count_in();
    for (int i = 0; i < n % 5; i++) {
        sched_yield();
    }
    atomic_fetch_add(&ran, 1);
    tenon_work_set_value(work, number(n * n), free_number);
    atomic_fetch_sub(&at_once, 1);
    return TENON_OK;
}

static size_t next_result;

static void on_result(tenon_future *map, size_t index, tenon_future *result,
                      void *user)
{
    void *value = NULL;
    ck_assert(!tenon_future_is_done(map));
    ck_assert_ptr_eq(user, items);
    ck_assert_uint_eq(index, next_result++);
    ck_assert_int_eq(tenon_future_value(result, &value), TENON_OK);
    ck_assert_int_eq(*(int *)value, (int)(index * index));
}

static tenon_map_options options_of(tenon_map_fn *fn, size_t count)
{
    for (int i = 0; i < ITEMS; i++) {
        items[i] = i;
    }
    return (tenon_map_options){.size = sizeof(tenon_map_options),
                               .at_once = 3,
                               .items = items,
                               .item_len = sizeof items[0],
                               .count = count,
                               .fn = fn,
                               .free_user = free_user,
                               .on_result = on_result,
                               .on_result_user = items};
}

static void map_in(tenon_executor *executor)
{
    const tenon_map_options options = options_of(square, ITEMS);
    tenon_future *f = NULL;
    int64_t count = 0;
    void *value = NULL;
    ck_assert_int_eq(tenon_executor_map(reactor, executor, &options, &f),
                     TENON_OK);
    UNTIL(tenon_future_is_done(f));
    ck_assert_int_eq(tenon_future_int(f, &count), TENON_OK);
    ck_assert_int_eq(count, ITEMS);
    ck_assert_uint_eq(next_result, ITEMS);
    ck_assert_int_eq(most_at_once <= 3, 1);
    ck_assert_int_eq(tenon_future_value(tenon_map_child(f, 9), &value),
                     TENON_OK);
    ck_assert_int_eq(*(int *)value, 81);
    ck_assert_ptr_null(tenon_map_child(f, ITEMS));
    ck_assert_ptr_null(tenon_map_child(tenon_map_child(f, 0), 0));
    ck_assert_int_eq(user_frees, 0); /* the map's own is left */
    tenon_future_unref(f);
    settle();
    ck_assert_int_eq(user_frees, 1);
    ck_assert_int_eq(frees, ITEMS);
}

START_TEST(in_order_in_a_pool)
{
    tenon_executor *pool = pool_of(4, 0);
    map_in(pool);
    end_pool(pool);
}
END_TEST

/* Its queue has room for one: the items wait for each other. */
START_TEST(in_order_in_a_full_pool)
{
    tenon_executor *pool = pool_of(1, 1);
    map_in(pool);
    end_pool(pool);
}
END_TEST

START_TEST(in_order_inline)
{
    map_in(tenon_executor_inline());
}
END_TEST

START_TEST(of_nothing)
{
    tenon_map_options options = options_of(square, 0);
    tenon_future *f = NULL;
    int64_t count = 1;
    ck_assert_int_eq(tenon_executor_map(reactor, NULL, &options, &f), TENON_OK);
    ck_assert_int_eq(tenon_future_int(f, &count), TENON_OK);
    ck_assert_int_eq(count, 0);
    tenon_future_unref(f);
    settle();
    ck_assert_int_eq(user_frees, 1);
    options.fn = NULL;
    ck_assert_int_eq(tenon_executor_map(reactor, NULL, &options, &f),
                     TENON_INVALID);
    options.fn = square;
    options.count = SIZE_MAX;
    ck_assert_int_eq(tenon_executor_map(reactor, NULL, &options, &f),
                     TENON_INVALID);
    options.count = 1;
    options.items = NULL;
    ck_assert_int_eq(tenon_executor_map(reactor, NULL, &options, &f),
                     TENON_INVALID);
    ck_assert_int_eq(tenon_executor_map(reactor, NULL, NULL, &f),
                     TENON_INVALID);
    ck_assert_int_eq(user_frees, 1);
}
END_TEST

static tenon_status fail_at_five(tenon_work *work, void *item, void *user)
{
    return *(int *)item == 5 ? -EDOM : square(work, item, user);
}

START_TEST(the_first_failure_ends_it)
{
    tenon_executor *pool = pool_of(2, 0);
    const tenon_map_options options = options_of(fail_at_five, ITEMS);
    tenon_future *f = NULL;
    ck_assert_int_eq(tenon_executor_map(reactor, pool, &options, &f), TENON_OK);
    UNTIL(tenon_future_is_done(f));
    ck_assert_int_eq(tenon_error_status(tenon_future_error(f)), -EDOM);
    ck_assert_uint_le(next_result, 5);
    ck_assert_int_lt(ran, 10);
    tenon_future_unref(f);
    end_pool(pool);
    settle();
    ck_assert_int_eq(user_frees, 1);
}
END_TEST

static tenon_status hold_up(tenon_work *work, void *item, void *user)
{
    pass_gate();
    return square(work, item, user);
}

START_TEST(cancelled)
{
    tenon_executor *pool = pool_of(2, 0);
    const tenon_map_options options = options_of(hold_up, ITEMS);
    tenon_future *f = NULL;
    ck_assert_int_eq(tenon_executor_map(reactor, pool, &options, &f), TENON_OK);
    wait_inside(2);
    ck_assert_int_eq(tenon_future_cancel(f, NULL), TENON_EXISTED);
    ck_assert_int_eq(tenon_future_state(tenon_map_child(f, 0)),
                     TENON_FUTURE_CANCELLED);
    tenon_future_unref(f);
    settle();
    ck_assert_int_eq(user_frees, 0); /* two of them use the items */
    open_gate(true);
    end_pool(pool);
    settle();
    ck_assert_int_eq(user_frees, 1);
    ck_assert_int_eq(ran, 2);
}
END_TEST

START_TEST(the_reactor_ends_first)
{
    tenon_executor *pool = pool_of(2, 0);
    const tenon_map_options options = options_of(hold_up, ITEMS);
    tenon_future *f = NULL;
    ck_assert_int_eq(tenon_executor_map(reactor, pool, &options, &f), TENON_OK);
    wait_inside(2);
    end_reactor();
    ck_assert_int_eq(reports, 2);
    reports = 0;
    ck_assert_int_eq(tenon_error_status(tenon_future_error(f)), TENON_CLOSED);
    tenon_future_unref(f);
    open_gate(true);
    end_pool(pool);
    ck_assert_int_eq(user_frees, 1);
    ck_assert_int_eq(ran, 2);
}
END_TEST

START_TEST(nobody_holds_it)
{
    const tenon_map_options options = options_of(square, ITEMS);
    tenon_future *f = NULL;
    ck_assert_int_eq(tenon_executor_map(reactor, NULL, &options, &f), TENON_OK);
    tenon_future_unref(f);
    UNTIL(user_frees == 1);
    ck_assert_int_eq(ran, ITEMS);
    ck_assert_uint_eq(next_result, ITEMS);
}
END_TEST

START_TEST(no_memory_is_a_status)
{
    const tenon_map_options options = options_of(square, 4);
    tenon_executor *pool = pool_of(2, 0);
    for (uint64_t nth = 1;; nth++) {
        tenon_future *f = NULL;
        uint64_t before = guard.heap.requests;
        user_frees = 0;
        next_result = 0;
        harness_heap_fail(&guard.heap, nth, 1);
        tenon_status status = tenon_executor_map(reactor, pool, &options, &f);
        ck_assert(status == TENON_OK || status == TENON_NO_MEMORY);
        if (status == TENON_OK) {
            UNTIL(tenon_future_is_done(f));
            ck_assert(tenon_future_state(f) == TENON_FUTURE_RESOLVED ||
                      tenon_error_status(tenon_future_error(f)) ==
                          TENON_NO_MEMORY);
            tenon_future_unref(f);
            UNTIL(user_frees == 1);
        } else {
            ck_assert_int_eq(user_frees, 0);
        }
        if (guard.heap.requests - before < nth) {
            break;
        }
    }
    end_pool(pool);
}
END_TEST

/* ---- by key ---- */

static const tenon_work_options held = {
    .size = sizeof held, .fn = wait_at_gate, .free_user = free_user};

static tenon_once *once_of(tenon_executor *executor, uint32_t keep_max,
                           int64_t keep_ns)
{
    const tenon_once_options options = {
        .size = sizeof options, .keep_max = keep_max, .keep_ns = keep_ns};
    tenon_once *once = NULL;
    ck_assert_int_eq(tenon_once_new(reactor, executor, &options, &once),
                     TENON_OK);
    return once;
}

static tenon_future *ask(tenon_once *once, const char *key)
{
    tenon_future *future = NULL;
    ck_assert_int_eq(tenon_call_once(once, key, &held, &future), TENON_OK);
    return future;
}

static void ask_and_look(tenon_once *once, const char *key)
{
    tenon_future *f = ask(once, key);
    UNTIL(tenon_future_is_done(f));
    require_seven(f);
    tenon_future_unref(f);
}

START_TEST(one_run_for_all)
{
    tenon_executor *pool = pool_of(2, 0);
    tenon_once *once = once_of(pool, 0, 0);
    tenon_future *f[3] = {ask(once, "a"), ask(once, "a"), ask(once, "b")};
    ck_assert_int_eq(user_frees, 1); /* of the second */
    wait_inside(2);
    open_gate(true);
    for (int i = 0; i < 3; i++) {
        UNTIL(tenon_future_is_done(f[i]));
        require_seven(f[i]);
    }
    ck_assert_int_eq(ran, 2);
    for (int i = 0; i < 3; i++) {
        tenon_future_unref(f[i]);
    }
    settle();
    ck_assert_int_eq(frees, 2); /* nothing is kept */
    ask_and_look(once, "a");
    ck_assert_int_eq(ran, 3);
    tenon_once_free(once);
    end_pool(pool);
}
END_TEST

START_TEST(results_are_kept)
{
    tenon_once *once = once_of(NULL, 2, 0);
    open_gate(true);
    ask_and_look(once, "a");
    ask_and_look(once, "b");
    ask_and_look(once, "a");
    ck_assert_int_eq(ran, 2);
    ask_and_look(once, "c"); /* for which "b" has to go */
    ask_and_look(once, "a");
    ck_assert_int_eq(ran, 3);
    ask_and_look(once, "b");
    ck_assert_int_eq(ran, 4);
    tenon_once_forget(once, "b");
    ask_and_look(once, "b");
    ck_assert_int_eq(ran, 5);
    tenon_once_forget(once, NULL);
    settle();
    ck_assert_int_eq(frees, 5);
    tenon_once_free(once);
    tenon_once_free(NULL);
}
END_TEST

START_TEST(results_are_kept_for_a_time)
{
    tenon_once *once = once_of(tenon_executor_inline(), 9, TENON_MILLISECOND);
    int64_t start_ns = harness_clock_ns();
    open_gate(true);
    ask_and_look(once, "a");
    UNTIL(harness_clock_ns() - start_ns > 20 * TENON_MILLISECOND);
    ask_and_look(once, "a");
    ck_assert_int_eq(ran, 2);
    tenon_once_free(once);
}
END_TEST

static tenon_status fail_once(tenon_work *work, void *user)
{
    return atomic_fetch_add(&ran, 1) == 0 ? -EIO : give_seven(work, user);
}

START_TEST(failures_are_not_kept)
{
    const tenon_work_options options = {.size = sizeof options,
                                        .fn = fail_once};
    tenon_once *once = once_of(NULL, 9, 0);
    tenon_future *f = NULL;
    ck_assert_int_eq(tenon_call_once(once, "a", &options, &f), TENON_OK);
    UNTIL(tenon_future_is_done(f));
    ck_assert_int_eq(tenon_error_status(tenon_future_error(f)), -EIO);
    tenon_future_unref(f);
    ck_assert_int_eq(tenon_call_once(once, "a", &options, &f), TENON_OK);
    UNTIL(tenon_future_is_done(f));
    require_seven(f);
    tenon_future_unref(f);
    tenon_once_free(once);
}
END_TEST

START_TEST(the_last_caller_cancels_the_run)
{
    tenon_executor *pool = pool_of(1, 0);
    tenon_once *once = once_of(pool, 0, 0);
    tenon_future *first = ask(once, "held");
    wait_inside(1);
    tenon_future *f[2] = {ask(once, "a"), ask(once, "a")};
    ck_assert_int_eq(tenon_future_cancel(f[0], NULL), TENON_EXISTED);
    ck_assert_int_eq(stats_of(pool).waiting, 1);
    ck_assert_int_eq(tenon_future_cancel(f[1], NULL), TENON_EXISTED);
    ck_assert_int_eq(stats_of(pool).waiting, 0);
    tenon_future *again = ask(once, "a"); /* another run */
    open_gate(true);
    UNTIL(tenon_future_is_done(again));
    require_seven(again);
    ck_assert_int_eq(ran, 2);
    tenon_future_unref(f[0]);
    tenon_future_unref(f[1]);
    tenon_future_unref(again);
    tenon_future_unref(first);
    tenon_once_free(once);
    end_pool(pool);
}
END_TEST

START_TEST(the_table_or_the_reactor_ends_first)
{
    tenon_executor *pool = pool_of(1, 0);
    tenon_once *once = once_of(pool, 3, 0);
    tenon_once *other = once_of(pool, 3, 0);
    tenon_future *f[2] = {ask(once, "a"), ask(other, "a")};
    wait_inside(1);
    tenon_once_free(once);
    end_reactor();
    take_report("abandoned work", TENON_PENDING);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(tenon_error_status(tenon_future_error(f[i])),
                         TENON_CLOSED);
        tenon_future_unref(f[i]);
    }
    tenon_once_free(other);
    open_gate(true);
    end_pool(pool);
    ck_assert_int_eq(user_frees, 2);
}
END_TEST

START_TEST(keys_that_are_none)
{
    const tenon_once_options wrong = {.size = sizeof wrong, .keep_ns = -1};
    const tenon_work_options nothing = {.size = sizeof nothing};
    tenon_once *once = NULL;
    tenon_future *f = NULL;
    ck_assert_int_eq(tenon_once_new(reactor, NULL, &wrong, &once),
                     TENON_INVALID);
    ck_assert_int_eq(tenon_once_new(NULL, NULL, NULL, &once), TENON_INVALID);
    ck_assert_int_eq(tenon_once_new(reactor, NULL, NULL, &once), TENON_OK);
    ck_assert_int_eq(tenon_call_once(once, NULL, &held, &f), TENON_INVALID);
    ck_assert_int_eq(tenon_call_once(once, "a", &nothing, &f), TENON_INVALID);
    ck_assert_int_eq(tenon_call_once(NULL, "a", &held, &f), TENON_INVALID);
    tenon_once_free(once);
    for (uint64_t nth = 1; nth < 4; nth++) {
        harness_heap_fail(&guard.heap, nth, 1);
        once = NULL;
        if (tenon_once_new(reactor, tenon_executor_inline(), NULL, &once) ==
            TENON_OK) {
            open_gate(true);
            ck_assert_int_eq(tenon_call_once(once, "a", &held, &f),
                             TENON_NO_MEMORY);
            ck_assert_int_eq(user_frees, 0);
        }
        tenon_once_free(once);
    }
    harness_heap_fail(&guard.heap, 0, 0);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        in_order_in_a_pool,
        in_order_in_a_full_pool,
        in_order_inline,
        of_nothing,
        the_first_failure_ends_it,
        cancelled,
        the_reactor_ends_first,
        nobody_holds_it,
        no_memory_is_a_status,
        one_run_for_all,
        results_are_kept,
        results_are_kept_for_a_time,
        failures_are_not_kept,
        the_last_caller_cancels_the_run,
        the_table_or_the_reactor_ends_first,
        keys_that_are_none,
    };
    return RUN_TESTS("map", tests);
}
