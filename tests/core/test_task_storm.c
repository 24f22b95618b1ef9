/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Tasks in numbers: ten thousand at once, long chains that are cancelled from
 * a small stack, programs of random calls inside and outside of tasks, and a
 * program of which each request for memory fails in turn. Each function is
 * entered once or never, each `user`, each value is freed once, and the memory
 * is as before.
 *
 * ctest: timeout=120
 */

#include <pthread.h>

#include "task_rig.h"

/* ThreadSanitizer has room for eight thousand. */
#if defined(__SANITIZE_THREAD__)
#define THREAD_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define THREAD_SANITIZER 1
#endif
#endif
#ifdef THREAD_SANITIZER
enum { MANY = 2000, LINKS = 2000 };
#else
enum { MANY = 10000, LINKS = 20000 };
#endif

/* ---- in numbers ---- */

static tenon_status sleep_and_count(void *user)
{
    TENON_TRY(tenon_sleep(TENON_MILLISECOND));
    (*(int *)user)++;
    return TENON_OK;
}

START_TEST(ten_thousand_at_once)
{
    int ended = 0;
    for (int i = 0; i < MANY; i++) {
        ck_assert_int_eq(
            tenon_spawn(reactor, sleep_and_count, &ended, NULL, NULL),
            TENON_OK);
    }
    settle();
    ck_assert_uint_eq(tenon_task_count(reactor), MANY);
    advance(TENON_MILLISECOND);
    ck_assert_int_eq(ended, MANY);
    ck_assert_uint_eq(tenon_task_count(reactor), 0);
}
END_TEST

/* ---- chains ---- */

static tenon_task *chain[LINKS];

static tenon_status join_the_one_before(void *user)
{
    tenon_task **before = user;
    return tenon_join(*before);
}

static tenon_status sleep_for_ever(void *user)
{
    (void)user;
    return tenon_sleep(TENON_SECOND * 1000000);
}

/* What recursed here would need megabytes. */
static void *cancel_a_chain(void *user)
{
    const tenon_task_options small = {.size = sizeof small,
                                      .stack_size = 16384};
    (void)user;
    for (int i = 0; i < LINKS; i++) {
        tenon_task_fn *fn = i ? join_the_one_before : sleep_for_ever;
        ck_assert_int_eq(tenon_spawn(reactor, fn, i ? &chain[i - 1] : NULL,
                                     &small, &chain[i]),
                         TENON_OK);
    }
    settle();
    ck_assert_int_eq(tenon_task_cancel(chain[LINKS - 1], "x"), TENON_PENDING);
    settle();
    for (int i = 0; i < LINKS; i++) {
        require_end(chain[i], TENON_CANCELLED);
    }
    settle();
    return NULL;
}

static void in_a_small_thread(void *(*fn)(void *))
{
    pthread_t thread;
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 256 * 1024);
    ck_assert_int_eq(pthread_create(&thread, &small, fn, NULL), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    pthread_attr_destroy(&small);
    ck_assert_int_eq(tenon_reactor_rebind(reactor), TENON_OK);
}

START_TEST(a_long_chain_is_cancelled)
{
    in_a_small_thread(cancel_a_chain);
}
END_TEST

static void *end_a_chain(void *user)
{
    (void)user;
    for (int i = 0; i < LINKS; i++) {
        chain[i] = spawn(i ? join_the_one_before : sleep_for_ever,
                         i ? &chain[i - 1] : NULL, 0);
    }
    settle();
    tenon_reactor_host_gone(reactor);
    for (int i = 0; i < LINKS; i++) {
        /* Asked once, not by each chain that leads to it. */
        ck_assert_uint_eq(tenon_task_cancelling(chain[i]), 1);
        require_end(chain[i], TENON_CANCELLED);
    }
    return NULL;
}

START_TEST(a_long_chain_ends_with_its_reactor)
{
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, end_a_chain, NULL), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
}
END_TEST

/* ---- random programs ---- */

enum { SLOTS = 16, USERS = 4096, STEPS = 150, DEEPEST = 3 };

static uint32_t seed;
static int deep;
static tenon_task *tasks[SLOTS];
static tenon_future *futures[SLOTS];
static tenon_local_key keys[4];

typedef struct life {
    int entered;
    int freed;
    int values;
} life;
static life users[USERS];
static int next_user;

static uint32_t draw(uint32_t below)
{
    seed = seed * 1664525U + 1013904223U;
    return (seed >> 8) % below;
}

static void free_user(void *mine)
{
    life *u = mine;
    ck_assert_int_eq(u->freed++, 0);
}

static void free_value(void *mine)
{
    life *u = mine;
    ck_assert_int_gt(u->values--, 0);
}

static void program(void);
static tenon_status wait_somehow(void);

static void called(void *unused)
{
    (void)unused;
    program();
}

/* Some statuses come of what the others do: only their order is fixed. */
static tenon_status body(void *mine)
{
    life *u = mine;
    ck_assert_int_eq(u->entered++, 0);
    ck_assert_int_eq(u->freed, 0);
    tenon_status status = TENON_OK;
    for (uint32_t left = draw(6); left > 0 && status != TENON_CLOSED; left--) {
        program();
        status = wait_somehow();
    }
    u->values++;
    if (draw(2)) {
        return tenon_return(u, free_value);
    }
    u->values--;
    return draw(2) ? status : tenon_raise(TENON_ABORTED, "storm");
}

static tenon_status wait_in_a_mask(void)
{
    ck_assert_int_eq(tenon_mask_begin(), TENON_OK);
    tenon_status status = tenon_sleep(draw(3));
    ck_assert_int_ne(status, TENON_CANCELLED);
    ck_assert_int_eq(tenon_mask_end(), TENON_OK);
    return status;
}

static tenon_status wait_for_a_task(tenon_task *task)
{
    tenon_task_ref(task);
    tenon_status status = task ? tenon_join(task) : TENON_OK;
    tenon_task_unref(task);
    return status;
}

static tenon_status wait_in_any_of_its_ways(uint32_t slot)
{
    switch (draw(8)) {
    case 0:
        return tenon_yield();
    case 1:
        return tenon_sleep(draw(5));
    case 2:
        return tenon_sleep_until(draw(1000));
    case 3:
        return wait_in_a_mask();
    case 4:
        return wait_for_a_task(tasks[slot]);
    case 5:
        return tenon_on_host_stack(called, NULL);
    case 6:
        return tenon_checkpoint();
    default:
        return futures[slot] ? tenon_await_take(tenon_future_ref(futures[slot]),
                                                NULL, NULL)
                             : TENON_OK;
    }
}

static tenon_status wait_somehow(void)
{
    tenon_task *self = tenon_task_current();
    ck_assert_ptr_nonnull(self);
    tenon_status status = wait_in_any_of_its_ways(draw(SLOTS));
    ck_assert_ptr_eq(tenon_task_current(), self);
    return status;
}

static void make_task(uint32_t slot, uint32_t how)
{
    ck_assert_int_lt(next_user, USERS);
    life *u = &users[next_user];
    const tenon_task_options chosen = {.size = sizeof chosen,
                                       .flags = how == 0 ? TENON_TASK_EAGER : 0,
                                       .stack_size = how == 1 ? 131072 : 0,
                                       .free_user = free_user};
    tenon_task *task = NULL;
    next_user++;
    tenon_status status = how == 2
                              ? tenon_task_new(reactor, body, u, &chosen, &task)
                              : tenon_spawn(reactor, body, u, &chosen, &task);
    if (status < 0) {
        ck_assert_int_eq(status, TENON_CLOSED);
        u->freed = 1; /* it stayed ours */
        return;
    }
    tenon_task *before = tasks[slot];
    tasks[slot] = task;
    tenon_task_unref(before);
}

static bool visit(tenon_task *task, void *unused)
{
    (void)task;
    (void)unused;
    program();
    return draw(4) != 0;
}

static void make_future(uint32_t slot)
{
    tenon_future *before = futures[slot];
    futures[slot] = NULL;
    if (tenon_future_new(reactor, &futures[slot]) < 0) {
        futures[slot] = NULL;
    }
    tenon_future_unref(before);
}

static void touch_task(uint32_t slot, uint32_t how)
{
    tenon_task *task = tasks[slot];
    if (!task) {
        return;
    }
    if (how == 0) {
        (void)!tenon_task_start(task);
    } else if (how == 1) {
        (void)tenon_future_cancel(tenon_task_future(task), "storm");
    } else if (how == 2) {
        (void)tenon_task_uncancel(task);
    } else if (how == 3) {
        tasks[slot] = NULL;
        tenon_task_unref(task);
    } else {
        (void)tenon_task_cancel(task, how == 4 ? "storm" : NULL);
    }
}

static void touch_future(uint32_t slot)
{
    tenon_future *f = futures[slot];
    if (f && draw(2)) {
        (void)tenon_future_cancel(f, NULL);
    } else if (f) {
        (void)!tenon_future_try_resolve(f, NULL, NULL);
    }
}

static void set_local(void)
{
    life *u = &users[0];
    u->values++;
    if (tenon_local_set(&keys[draw(4)], u, free_value) < 0) {
        u->values--;
    }
    for (int i = 0; i < 4; i++) {
        void *value = tenon_local_get(&keys[i]);
        ck_assert(!value || value == u);
    }
}

static void step(void)
{
    uint32_t slot = draw(SLOTS);
    switch (draw(8)) {
    case 0:
    case 1:
        make_task(slot, draw(4));
        break;
    case 2:
    case 3:
        touch_task(slot, draw(6));
        break;
    case 4:
        make_future(slot);
        break;
    case 5:
        touch_future(slot);
        break;
    case 6:
        set_local();
        break;
    default:
        (void)tenon_task_foreach(reactor, visit, NULL);
    }
}

static void program(void)
{
    if (deep < DEEPEST && next_user < USERS / 2) {
        deep++;
        for (uint32_t left = draw(4); left > 0; left--) {
            step();
        }
        deep--;
    }
}

static void run_storm(uint32_t number)
{
    seed = number;
    next_user = 1;
    deep = 0;
    memset(users, 0, sizeof users);
    users[0].freed = 1;
    for (int i = 0; i < STEPS && next_user < USERS / 2; i++) {
        step();
        if (draw(3) == 0) {
            (void)tenon_manual_advance(reactor, draw(4));
        }
    }
}

static void end_storm(bool drop_first)
{
    deep = DEEPEST;
    if (!drop_first) {
        tenon_reactor_unref(reactor);
    }
    for (int i = 0; i < SLOTS; i++) {
        tenon_task_unref(tasks[i]);
        tenon_future_unref(futures[i]);
        tasks[i] = NULL;
        futures[i] = NULL;
    }
    if (drop_first) {
        tenon_reactor_unref(reactor);
    }
    for (int i = 0; i < next_user; i++) {
        ck_assert_int_eq(users[i].freed, 1);
        ck_assert_int_eq(users[i].values, 0);
    }
    reports = 0; /* of failures that nobody looked at */
    tenon_reactor_options chosen = options();
    ck_assert_int_eq(tenon_manual_new(&reactor, &chosen), TENON_OK);
}

START_TEST(a_storm)
{
    for (uint32_t i = 0; i < 8; i++) {
        run_storm((uint32_t)_i * 1000 + i);
        end_storm(i % 2);
    }
}
END_TEST

/* ---- without memory ---- */

static tenon_status never_mind(void *user)
{
    return user ? tenon_raise(TENON_ABORTED, user) : tenon_return_int(7);
}

/* Each step tells of the failure, or gets over it. */
static tenon_status does_it_all(void *user)
{
    tenon_task *child = NULL;
    static char word[] = "word";
    TENON_TRY(tenon_local_set(&keys[0], user, NULL));
    TENON_TRY(tenon_spawn(reactor, never_mind, NULL, NULL, &child));
    tenon_status status = tenon_join(child);
    tenon_task_unref(child);
    TENON_TRY(status);
    TENON_TRY(tenon_sleep(1));
    TENON_TRY(tenon_spawn(reactor, never_mind, word, NULL, &child));
    (void)tenon_task_cancel(child, "early");
    status = tenon_join(child);
    tenon_task_unref(child);
    ck_assert_int_eq(status, TENON_CANCELLED);
    TENON_TRY(tenon_spawn(reactor, never_mind, word, NULL, &child));
    status = tenon_join(child);
    tenon_task_unref(child);
    ck_assert(status == TENON_ABORTED || status == TENON_NO_MEMORY);
    return tenon_return_int(42);
}

static tenon_status be_told(tenon_reactor *r, const tenon_report *report,
                            void *user)
{
    (void)r;
    (void)user;
    ck_assert_int_eq(tenon_error_status(report->error), TENON_NO_MEMORY);
    return TENON_OK;
}

static void count_free(void *user)
{
    (*(int *)user)++;
}

/* Whether there was an nth request. */
static bool sweep(uint64_t nth)
{
    static int freed;
    const tenon_task_options giving = {.size = sizeof giving,
                                       .free_user = count_free};
    harness_heap heap;
    char why[HARNESS_TEXT_LEN] = "";
    tenon_reactor *before = reactor;
    harness_heap_begin(&heap);
    const tenon_reactor_options chosen = {.size = sizeof chosen,
                                          .allocator = &heap.allocator,
                                          .slow_callback_ns = -1,
                                          .on_error = be_told};
    ck_assert_int_eq(tenon_manual_new(&reactor, &chosen), TENON_OK);
    harness_heap_fail(&heap, nth, 1);
    tenon_task *task = NULL;
    freed = 0;
    tenon_status status =
        tenon_spawn(reactor, does_it_all, &freed, &giving, &task);
    if (status == TENON_NO_MEMORY) {
        ck_assert_int_eq(freed, 0); /* it stayed ours */
        status = tenon_spawn(reactor, does_it_all, &freed, &giving, &task);
    }
    ck_assert_int_eq(status, TENON_OK);
    advance(10);
    status = tenon_error_status(tenon_future_error(tenon_task_future(task)));
    ck_assert(status == TENON_OK || status == TENON_NO_MEMORY);
    tenon_task_unref(task);
    bool met = heap.requests >= nth;
    (void)tenon_reactor_close(reactor);
    (void)tenon_manual_advance(reactor, 0);
    tenon_reactor_unref(reactor);
    ck_assert_int_eq(freed, 1);
    ck_assert_msg(harness_heap_end(&heap, why, sizeof why), "%s", why);
    reactor = before;
    return met;
}

START_TEST(every_request_fails_once)
{
    uint64_t nth = 1;
    while (sweep(nth)) {
        nth++;
    }
    ck_assert_uint_gt(nth, 8);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("task storm");
    TCase *tcase = tcase_create("task storm");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, ten_thousand_at_once);
    tcase_add_test(tcase, a_long_chain_is_cancelled);
    tcase_add_test(tcase, a_long_chain_ends_with_its_reactor);
    tcase_add_loop_test(tcase, a_storm, 0, 10);
    tcase_add_test(tcase, every_request_fails_once);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
