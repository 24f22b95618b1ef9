/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Promises: completion by other threads, in races with cancelling, with the
 * end of the reactor, and with each other.
 *
 * ctest: labels=threads timeout=120
 */

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "future_rig.h"

static atomic_int frees;

static void free_number(void *value)
{
    atomic_fetch_add(&frees, 1);
    free(value);
}

static int *number(int value)
{
    int *block = malloc(sizeof *block);
    ck_assert_ptr_nonnull(block);
    *block = value;
    return block;
}

static tenon_reactor *native(void)
{
    tenon_reactor_options chosen = options();
    tenon_reactor *r = NULL;
    ck_assert_int_eq(tenon_reactor_new(&r, &chosen), TENON_OK);
    return r;
}

static void promise_on(tenon_reactor *r, tenon_promise **promise,
                       tenon_future **future)
{
    ck_assert_int_eq(tenon_promise_new(r, promise, future), TENON_OK);
}

/* ---- one thread ---- */

START_TEST(each_kind_of_outcome)
{
    tenon_promise *p[4];
    tenon_future *f[4];
    void *value = NULL;
    tenon_error *error = tenon_error_of(-EIO, "worker");
    for (int i = 0; i < 4; i++) {
        promise_on(reactor, &p[i], &f[i]);
    }
    ck_assert_int_eq(tenon_promise_resolve(p[0], number(5), free_number),
                     TENON_OK);
    ck_assert_int_eq(tenon_promise_resolve_int(p[1], 6), TENON_OK);
    ck_assert_int_eq(tenon_promise_fail(p[2], error), TENON_OK);
    ck_assert_int_eq(tenon_promise_fail(p[3], NULL), TENON_INVALID);
    tenon_error_unref(error);
    for (int i = 0; i < 4; i++) {
        ck_assert(!tenon_future_is_done(f[i])); /* not inside */
        tenon_promise_unref(p[i]);              /* breaks the last */
    }
    settle();
    ck_assert_int_eq(tenon_future_value(f[0], &value), TENON_OK);
    ck_assert_int_eq(*(int *)value, 5);
    require_int(f[1], 6);
    ck_assert_ptr_eq(tenon_future_error(f[2]), error);
    ck_assert_int_eq(tenon_error_status(tenon_future_error(f[3])),
                     TENON_ABORTED);
    ck_assert(!tenon_reactor_alive(reactor));
    for (int i = 0; i < 4; i++) {
        tenon_future_unref(f[i]);
    }
    settle();
    ck_assert_int_eq(frees, 1);
}
END_TEST

START_TEST(what_cannot_be_delivered_is_freed)
{
    tenon_promise *p = NULL;
    tenon_future *f = NULL;
    promise_on(reactor, &p, &f);
    resolve(f, 1); /* by hand, before the promise */
    ck_assert_int_eq(tenon_promise_resolve(p, number(1), free_number),
                     TENON_OK);
    ck_assert_int_eq(tenon_promise_resolve(p, number(2), free_number),
                     TENON_DONE);
    ck_assert_int_eq(frees, 1);
    settle();
    ck_assert_int_eq(frees, 2);
    require_int(f, 1);
    tenon_promise_unref(p);
    tenon_future_unref(f);
    ck_assert_int_eq(tenon_promise_resolve(NULL, number(3), free_number),
                     TENON_INVALID);
    ck_assert_int_eq(frees, 3);
    ck_assert_ptr_null(tenon_promise_ref(NULL));
    tenon_promise_unref(NULL);
}
END_TEST

START_TEST(the_reactor_ends_first)
{
    tenon_promise *open = NULL;
    tenon_promise *kept = NULL;
    tenon_future *f[2];
    tenon_waiter waiters[2];
    promise_on(reactor, &open, &f[0]);
    promise_on(reactor, &kept, &f[1]);
    tell(f[0], &waiters[0], "a");
    tell(f[1], &waiters[1], "b");
    ck_assert_int_eq(tenon_promise_resolve(kept, number(1), free_number),
                     TENON_OK);
    tenon_future_unref(f[0]);
    tenon_reactor_unref(reactor);
    reactor = NULL;
    ck_assert_str_eq(notes, "ab");
    ck_assert_int_eq(frees, 1);
    ck_assert_int_eq(tenon_error_status(tenon_future_error(f[1])),
                     TENON_CLOSED);
    ck_assert(!tenon_promise_is_open(open));
    ck_assert_int_eq(tenon_promise_resolve(open, number(1), free_number),
                     TENON_CLOSED);
    ck_assert_int_eq(frees, 2);
    tenon_promise_unref(open);
    tenon_promise_unref(kept);
    tenon_future_unref(f[1]);
}
END_TEST

START_TEST(dropping_the_future_wastes_nothing)
{
    tenon_promise *p = NULL;
    tenon_future *f = NULL;
    tenon_waiter waiter;
    promise_on(reactor, &p, &f);
    tell(f, &waiter, "w");
    tenon_future_unref(f); /* the promise holds it */
    ck_assert(tenon_promise_is_open(p));
    ck_assert_int_eq(tenon_promise_resolve(p, number(1), free_number),
                     TENON_OK);
    tenon_promise_unref(p);
    settle();
    ck_assert_str_eq(notes, "w");
    ck_assert_int_eq(frees, 1);
}
END_TEST

START_TEST(promises_without_memory)
{
    tenon_promise *p = NULL;
    tenon_future *f = NULL;
    size_t blocks = guard.heap.count;
    for (uint64_t nth = 1; nth <= 2; nth++) {
        harness_heap_fail(&guard.heap, nth, 1);
        ck_assert_int_eq(tenon_promise_new(reactor, &p, &f), TENON_NO_MEMORY);
        ck_assert_uint_eq(guard.heap.count, blocks);
    }
    promise_on(reactor, &p, &f);
    harness_heap_fail(&guard.heap, 1, UINT64_MAX); /* keeping needs none */
    ck_assert_int_eq(tenon_promise_resolve_int(p, 4), TENON_OK);
    tenon_promise_unref(p);
    settle();
    require_int(f, 4);
    tenon_future_unref(f);
    harness_heap_fail(&guard.heap, 0, 0);
}
END_TEST

/* ---- many threads ---- */

enum { THREADS = 4, EACH = 500 };

typedef struct worker {
    pthread_t thread;
    tenon_promise *promises[EACH];
} worker;

static void *keep_all(void *arg)
{
    worker *w = arg;
    for (int i = 0; i < EACH; i++) {
        if (i % 8 != 7) { /* the eighth is broken */
            (void)tenon_promise_resolve(w->promises[i], number(i), free_number);
        }
        tenon_promise_unref(w->promises[i]);
    }
    return NULL;
}

static worker workers[THREADS];
static tenon_future *futures[THREADS * EACH];

static void begin(tenon_reactor *r)
{
    for (int i = 0; i < THREADS * EACH; i++) {
        promise_on(r, &workers[i / EACH].promises[i % EACH], &futures[i]);
    }
    for (int i = 0; i < THREADS; i++) {
        ck_assert_int_eq(
            pthread_create(&workers[i].thread, NULL, keep_all, &workers[i]), 0);
    }
}

static void join(void)
{
    for (int i = 0; i < THREADS; i++) {
        pthread_join(workers[i].thread, NULL);
    }
}

START_TEST(F15_many_threads_keep_many)
{
    tenon_reactor *r = native();
    tenon_future *all = NULL;
    begin(r);
    ck_assert_int_eq(
        tenon_gather(r, futures, THREADS * EACH, TENON_GATHER_SETTLED, &all),
        TENON_OK);
    ck_assert_int_eq(tenon_run_until(r, all, 60 * TENON_SECOND), TENON_OK);
    join();
    for (int i = 0; i < THREADS * EACH; i++) {
        void *value = NULL;
        tenon_status status = tenon_future_value(futures[i], &value);
        bool broken = i % EACH % 8 == 7;
        ck_assert_int_eq(status, broken ? TENON_ABORTED : TENON_OK);
        ck_assert(broken || *(int *)value == i % EACH);
        tenon_future_unref(futures[i]);
    }
    tenon_future_unref(all);
    tenon_reactor_unref(r);
    ck_assert_int_eq(frees, THREADS * (EACH - EACH / 8));
}
END_TEST

static tenon_status says(tenon_future *future, void *user)
{
    (void)future;
    return *(const tenon_status *)user;
}

/* Some have a canceller: one that agrees, or one that asks for time, which
 * leaves it to the promise. */
static void give_canceller(tenon_future *f, int i)
{
    static tenon_status answers[] = {TENON_OK, TENON_PENDING};
    if (i % 3 > 0) {
        ck_assert_int_eq(
            tenon_future_set_canceller(f, says, &answers[i % 3 - 1]), TENON_OK);
    }
}

START_TEST(F16_cancelling_against_keeping)
{
    tenon_reactor *r = native();
    int cancelled = 0;
    begin(r);
    for (int i = 0; i < THREADS * EACH; i++) {
        give_canceller(futures[i], i);
        tenon_status status = tenon_future_cancel(futures[i], NULL);
        ck_assert(i % 3 < 2 || status == TENON_PENDING);
        ck_assert(status == TENON_EXISTED || status == TENON_PENDING);
        cancelled += status == TENON_EXISTED;
    }
    ck_assert_int_eq(tenon_run(r), TENON_OK); /* until none is in flight */
    join();
    for (int i = 0; i < THREADS * EACH; i++) {
        ck_assert(tenon_future_is_done(futures[i]));
        cancelled -= tenon_future_state(futures[i]) == TENON_FUTURE_CANCELLED;
        (void)tenon_future_error(futures[i]);
        tenon_future_unref(futures[i]);
    }
    ck_assert_int_eq(cancelled, 0);
    tenon_reactor_unref(r);
    ck_assert_int_eq(frees, THREADS * (EACH - EACH / 8));
}
END_TEST

START_TEST(X04_keeping_against_the_end)
{
    for (int round = 1; round <= 20; round++) {
        tenon_reactor *r = native();
        begin(r);
        ck_assert_int_eq(tenon_run_once(r, 0), TENON_OK);
        while (atomic_load(&frees) == 0 && round % 2 == 0) {
            (void)tenon_future_error(futures[0]);
            tenon_future_unref(futures[0]);
            futures[0] = NULL;
            ck_assert_int_eq(tenon_run_once(r, TENON_MILLISECOND), TENON_OK);
            sched_yield();
        }
        ck_assert_int_eq(tenon_reactor_close(r), TENON_OK);
        for (int i = 0; i < THREADS * EACH; i++) {
            (void)tenon_future_error(futures[i]);
            tenon_future_unref(futures[i]);
        }
        tenon_reactor_unref(r);
        join();
        ck_assert_int_eq(frees, THREADS * (EACH - EACH / 8));
        atomic_store(&frees, 0);
        reports = 0; /* failures that were broken in time */
    }
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        each_kind_of_outcome,           what_cannot_be_delivered_is_freed,
        the_reactor_ends_first,         dropping_the_future_wastes_nothing,
        promises_without_memory,        F15_many_threads_keep_many,
        F16_cancelling_against_keeping, X04_keeping_against_the_end,
    };
    return RUN_TESTS("promise", tests);
}
