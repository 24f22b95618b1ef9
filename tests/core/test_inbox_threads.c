/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The inbox under load: eight threads, a hundred thousand posts each, every one
 * exactly once and each thread's in order; and a reactor that closes under
 * them, round after round.
 *
 * ctest: labels=threads timeout=120
 */

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#include <tenon/tenon.h>

#include "harness_check.h"

enum { THREADS = 8, POSTS = 100000, ROUNDS = 60 };

struct producer {
    pthread_t thread;
    tenon_inbox *inbox;
    tenon_post_node *nodes;
    size_t next; /* what the reactor expects */
    size_t accepted;
};

static harness_guard guard;
static tenon_reactor *reactor;
static struct producer producers[THREADS];

static void open_reactor(void)
{
    tenon_reactor_options options = {.size = sizeof options,
                                     .allocator = &guard.heap.allocator,
                                     .slow_callback_ns = -1};
    ck_assert_int_eq(tenon_reactor_new(&reactor, &options), TENON_OK);
    ck_assert_int_eq(tenon_run_once(reactor, 0), TENON_OK);
}

static void close_reactor(void)
{
    ck_assert_int_eq(tenon_reactor_close(reactor), TENON_OK);
    tenon_reactor_unref(reactor);
}

static void setup(void)
{
    harness_guard_begin(&guard);
}

static void teardown(void)
{
    harness_guard_end(&guard);
}

static void start(void *(*fn)(void *))
{
    for (int i = 0; i < THREADS; i++) {
        producers[i].inbox = tenon_inbox_ref(tenon_reactor_inbox(reactor));
        ck_assert_int_eq(
            pthread_create(&producers[i].thread, NULL, fn, &producers[i]), 0);
    }
}

static void join(void)
{
    for (int i = 0; i < THREADS; i++) {
        pthread_join(producers[i].thread, NULL);
    }
}

/* ---- each once, in order ---- */

static void on_post(tenon_post_node *post, tenon_status status, void *user)
{
    struct producer *producer = user;
    ck_assert_int_eq(status, TENON_OK);
    ck_assert_ptr_eq(post, &producer->nodes[producer->next]);
    producer->next++;
}

static void *produce(void *arg)
{
    struct producer *producer = arg;
    for (size_t i = 0; i < POSTS; i++) {
        tenon_post_init(&producer->nodes[i]);
        if (tenon_post(producer->inbox, &producer->nodes[i], on_post,
                       producer) < 0) {
            break;
        }
        producer->accepted++;
    }
    tenon_inbox_unref(producer->inbox);
    return NULL;
}

static bool all_came(void)
{
    for (int i = 0; i < THREADS; i++) {
        if (producers[i].next < POSTS) {
            return false;
        }
    }
    return true;
}

START_TEST(each_once_and_in_order)
{
    open_reactor();
    for (int i = 0; i < THREADS; i++) {
        producers[i].nodes = calloc(POSTS, sizeof(tenon_post_node));
        ck_assert_ptr_nonnull(producers[i].nodes);
    }
    start(produce);
    while (!all_came()) {
        ck_assert_int_eq(tenon_run_once(reactor, TENON_SECOND), TENON_OK);
    }
    join();
    ck_assert_int_eq(tenon_run_once(reactor, 0), TENON_OK);
    close_reactor();
    for (int i = 0; i < THREADS; i++) {
        ck_assert_uint_eq(producers[i].accepted, POSTS);
        ck_assert_uint_eq(producers[i].next, POSTS);
        free(producers[i].nodes);
    }
}
END_TEST

/* ---- a close under them ---- */

static atomic_size_t accepted;
static atomic_size_t answered;

static void on_answer(tenon_post_node *post, tenon_status status, void *user)
{
    (void)post;
    (void)user;
    ck_assert(status == TENON_OK || status == TENON_CLOSED);
    atomic_fetch_add(&answered, 1);
}

static void *post_until_closed(void *arg)
{
    struct producer *producer = arg;
    tenon_status status;
    while ((status = tenon_call_soon_threadsafe(producer->inbox, on_answer,
                                                NULL)) == TENON_OK) {
        if (atomic_fetch_add(&accepted, 1) % 64 == 0) {
            sched_yield();
        }
    }
    ck_assert_int_eq(status, TENON_CLOSED);
    tenon_inbox_unref(producer->inbox);
    return NULL;
}

START_TEST(a_close_under_load)
{
    for (int round = 0; round < ROUNDS; round++) {
        open_reactor();
        size_t enough = atomic_load(&accepted) + 100;
        start(post_until_closed);
        while (atomic_load(&accepted) < enough) {
            ck_assert_int_eq(tenon_run_once(reactor, 0), TENON_OK);
        }
        close_reactor();
        join();
        ck_assert_uint_eq(atomic_load(&answered), atomic_load(&accepted));
    }
}
END_TEST

/* ---- the last reference may go anywhere ---- */

static void *drop_it(void *arg)
{
    struct producer *producer = arg;
    tenon_inbox_unref(producer->inbox);
    return NULL;
}

START_TEST(the_last_reference_goes_on_any_thread)
{
    for (int round = 0; round < ROUNDS; round++) {
        open_reactor();
        start(drop_it);
        close_reactor();
        join();
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("inbox threads");
    TCase *tcase = tcase_create("threads");
    tcase_set_timeout(tcase, 100);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, each_once_and_in_order);
    tcase_add_test(tcase, a_close_under_load);
    tcase_add_test(tcase, the_last_reference_goes_on_any_thread);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
