/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * tenon_select: exactly one of several things, whichever comes, and nothing
 * of the others; and what becomes of it when its task is cancelled then.
 */

#include "future_rig.h"

enum { GET, PUT, EVENT, UNIT, LOCK, WAKE, CASES };

static tenon_queue full, empty;
static tenon_event event;
static tenon_semaphore semaphore;
static tenon_lock lock;
static tenon_waitq waitq;
static tenon_ticket holder;
static tenon_case cases[CASES];
static char letters[] = "abcdef";
static uint32_t flags;
static size_t chosen = CASES;
static tenon_status result;

static void on_held(tenon_ticket *ticket, tenon_status status, void *user)
{
    (void)ticket;
    (void)user;
    ck_assert_int_eq(status, TENON_OK);
}

/* Nothing can be had of any. */
static void open_all(void)
{
    ck_assert_int_eq(tenon_queue_init(&full, reactor, 1, NULL), TENON_OK);
    ck_assert_int_eq(tenon_queue_init(&empty, reactor, 1, NULL), TENON_OK);
    ck_assert_int_eq(tenon_event_init(&event, reactor, NULL), TENON_OK);
    ck_assert_int_eq(tenon_semaphore_init(&semaphore, reactor, 0, 0, NULL), 0);
    ck_assert_int_eq(tenon_lock_init(&lock, reactor, NULL), TENON_OK);
    ck_assert_int_eq(tenon_waitq_init(&waitq, reactor, NULL), TENON_OK);
    ck_assert_int_eq(tenon_queue_try_put(&full, &letters[0]), TENON_OK);
    ck_assert_int_eq(tenon_lock_request(&lock, &holder, on_held, NULL), 0);
    turns(1);
}

static void close_all(void)
{
    tenon_queue_fini(&full);
    tenon_queue_fini(&empty);
    tenon_event_fini(&event);
    tenon_semaphore_fini(&semaphore);
    tenon_lock_fini(&lock);
    tenon_waitq_fini(&waitq);
}

static void fill_in(void)
{
    const tenon_case all[CASES] = {
        [GET] = {.op = TENON_CASE_GET, .object = &empty},
        [PUT] = {.op = TENON_CASE_PUT, .object = &full, .item = &letters[1]},
        [EVENT] = {.op = TENON_CASE_EVENT, .object = &event},
        [UNIT] = {.op = TENON_CASE_ACQUIRE, .object = &semaphore},
        [LOCK] = {.op = TENON_CASE_LOCK, .object = &lock},
        [WAKE] = {.op = TENON_CASE_WAKE, .object = &waitq},
    };
    memcpy(cases, all, sizeof cases);
    chosen = CASES;
}

static tenon_status choose(void *user)
{
    (void)user;
    result = tenon_select(cases, CASES, flags, &chosen);
    if (result == TENON_OK && chosen == LOCK &&
        cases[LOCK].status == TENON_OK) {
        return tenon_lock_release(&lock);
    }
    return TENON_OK;
}

static tenon_task *spawn(tenon_task_fn *fn)
{
    const tenon_task_options eager = {.size = sizeof eager,
                                      .flags = TENON_TASK_EAGER};
    tenon_task *task = NULL;
    fill_in();
    ck_assert_int_eq(tenon_spawn(reactor, fn, NULL, &eager, &task), TENON_OK);
    return task;
}

static void end_task(tenon_task *task)
{
    turns(1);
    ck_assert(tenon_task_is_done(task));
    tenon_task_unref(task);
}

/* Makes each thing possible; they stay so, if nobody takes them. */
static void offer(size_t which)
{
    void *item = NULL;
    switch (which) {
    case GET:
        ck_assert_int_eq(tenon_queue_try_put(&empty, &letters[2]), TENON_OK);
        break;
    case PUT:
        ck_assert_int_eq(tenon_queue_try_get(&full, &item), TENON_OK);
        break;
    case EVENT:
        ck_assert_int_eq(tenon_event_set(&event), TENON_OK);
        break;
    case UNIT:
        ck_assert_int_eq(tenon_semaphore_release(&semaphore), TENON_OK);
        break;
    case LOCK:
        ck_assert_int_eq(tenon_lock_release_ticket(&lock, &holder), TENON_OK);
        break;
    default:
        (void)tenon_waitq_wake(&waitq);
    }
}

static size_t waiters(void)
{
    return tenon_waitq_count(&full.queue) + tenon_waitq_count(&empty.queue) +
           tenon_waitq_count(&event.queue) +
           tenon_waitq_count(&semaphore.queue) +
           tenon_waitq_count(&lock.queue) + tenon_waitq_count(&waitq);
}

static void require_rest(size_t taken)
{
    ck_assert_uint_eq(waiters(), 0);
    ck_assert_uint_eq(tenon_queue_count(&empty), taken != GET);
    ck_assert_uint_eq(tenon_queue_count(&full), taken == PUT);
    ck_assert_uint_eq(tenon_semaphore_value(&semaphore), taken != UNIT);
    ck_assert(!tenon_lock_is_held(&lock));
}

START_TEST(the_first_that_comes_is_the_only_one)
{
    size_t first = (size_t)_i;
    open_all();
    tenon_task *task = spawn(choose);
    ck_assert_uint_eq(waiters(), CASES);
    offer(first);
    ck_assert_uint_eq(waiters(), 0);
    for (size_t i = 0; i < CASES; i++) {
        if (i != first) {
            offer(i);
        }
    }
    end_task(task);
    ck_assert_int_eq(result, TENON_OK);
    ck_assert_uint_eq(chosen, first);
    ck_assert_int_eq(cases[first].status, TENON_OK);
    ck_assert(first != GET || cases[GET].item == &letters[2]);
    require_rest(first);
    close_all();
}
END_TEST

/* What it got goes back; but a put that happened is told so. */
START_TEST(cancelled_when_one_has_come)
{
    size_t first = (size_t)_i;
    open_all();
    tenon_task *task = spawn(choose);
    offer(first);
    ck_assert_int_eq(tenon_task_cancel(task, NULL), TENON_PENDING);
    for (size_t i = 0; i < CASES; i++) {
        if (i != first) {
            offer(i);
        }
    }
    end_task(task);
    ck_assert_int_eq(result, first == PUT ? TENON_OK : TENON_CANCELLED);
    require_rest(first == PUT ? PUT : CASES);
    close_all();
}
END_TEST

START_TEST(cancelled_when_none_has_come)
{
    open_all();
    tenon_task *task = spawn(choose);
    ck_assert_int_eq(tenon_task_cancel(task, NULL), TENON_PENDING);
    ck_assert_uint_eq(waiters(), 0);
    end_task(task);
    ck_assert_int_eq(result, TENON_CANCELLED);
    close_all();
}
END_TEST

START_TEST(a_default_does_not_wait)
{
    open_all();
    flags = TENON_SELECT_TRY;
    end_task(spawn(choose));
    ck_assert_int_eq(result, TENON_BUSY);
    ck_assert_uint_eq(chosen, CASES);
    offer(UNIT);
    end_task(spawn(choose));
    ck_assert_int_eq(result, TENON_OK);
    ck_assert_uint_eq(chosen, UNIT);
    close_all();
}
END_TEST

static int counts[CASES];

/* 600 times, which is more than a task may do without a turn of others. */
static tenon_status choose_often(void *user)
{
    (void)user;
    for (int i = 0; i < 600; i++) {
        TENON_TRY(tenon_select(cases, CASES, flags, &chosen));
        counts[chosen]++;
    }
    return TENON_OK;
}

static void set_two(void)
{
    open_all();
    offer(EVENT);
    for (int i = 0; i < 1000; i++) {
        offer(UNIT);
    }
}

START_TEST(none_of_two_is_starved)
{
    set_two();
    tenon_task *task = spawn(choose_often);
    settle();
    end_task(task);
    ck_assert_int_eq(counts[EVENT] + counts[UNIT], 600);
    ck_assert_int_gt(counts[EVENT], 100);
    ck_assert_int_gt(counts[UNIT], 100);
    ck_assert_uint_eq(tenon_semaphore_value(&semaphore),
                      (size_t)(1000 - counts[UNIT]));
    close_all();
}
END_TEST

START_TEST(or_the_first_if_asked_for)
{
    set_two();
    flags = TENON_SELECT_ORDERED;
    tenon_task *task = spawn(choose_often);
    settle();
    end_task(task);
    ck_assert_int_eq(counts[EVENT], 600);
    close_all();
}
END_TEST

static tenon_status choose_oddly(void *user)
{
    tenon_case odd = {.op = 99, .object = &event};
    (void)user;
    ck_assert_int_eq(tenon_select(&odd, 1, 0, NULL), TENON_INVALID);
    odd = (tenon_case){.op = TENON_CASE_EVENT};
    ck_assert_int_eq(tenon_select(&odd, 1, 0, NULL), TENON_INVALID);
    ck_assert_int_eq(tenon_select(NULL, 1, 0, NULL), TENON_INVALID);
    odd = (tenon_case){.op = TENON_CASE_NONE};
    ck_assert_int_eq(tenon_select(&odd, 1, TENON_SELECT_TRY, NULL), TENON_BUSY);
    ck_assert_int_eq(tenon_select(NULL, 0, TENON_SELECT_TRY, NULL), TENON_BUSY);
    return TENON_OK;
}

START_TEST(nonsense_is_refused)
{
    open_all();
    end_task(spawn(choose_oddly));
    ck_assert_int_eq(tenon_select(cases, CASES, 0, NULL), TENON_INVALID);
    close_all();
}
END_TEST

START_TEST(an_end_of_one_is_a_choice)
{
    open_all();
    tenon_task *task = spawn(choose);
    ck_assert_int_eq(tenon_queue_close(&empty, false), TENON_OK);
    end_task(task);
    ck_assert_int_eq(result, TENON_OK);
    ck_assert_uint_eq(chosen, GET);
    ck_assert_int_eq(cases[GET].status, TENON_CLOSED);
    /* And at once, if it was so before. */
    flags = TENON_SELECT_ORDERED;
    end_task(spawn(choose));
    ck_assert_uint_eq(chosen, GET);
    ck_assert_int_eq(cases[GET].status, TENON_CLOSED);
    close_all();
}
END_TEST

/* The only test of a get and a put of one queue at a time. */
static tenon_status both_ends(void *user)
{
    tenon_case ends[2] = {
        {.op = TENON_CASE_GET, .object = &empty},
        {.op = TENON_CASE_PUT, .object = &empty, .item = user},
    };
    ck_assert_int_eq(tenon_select(ends, 2, 0, &chosen), TENON_OK);
    put((char)('0' + (int)chosen));
    put(*(char *)ends[chosen].item);
    return TENON_OK;
}

START_TEST(both_ends_of_a_rendezvous)
{
    tenon_task *task[4];
    open_all();
    tenon_queue_fini(&empty);
    ck_assert_int_eq(tenon_queue_init(&empty, reactor, 0, NULL), TENON_OK);
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(
            tenon_spawn(reactor, both_ends, &letters[i], NULL, &task[i]), 0);
    }
    settle();
    ck_assert_uint_eq(strlen(notes), 8);
    for (int i = 0; i < 4; i++) {
        ck_assert(tenon_task_is_done(task[i]));
        tenon_task_unref(task[i]);
    }
    ck_assert_uint_eq(tenon_queue_unfinished(&empty), 2);
    close_all();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("select");
    TCase *each = tcase_create("each");
    tcase_add_checked_fixture(each, setup, teardown);
    tcase_add_loop_test(each, the_first_that_comes_is_the_only_one, 0, CASES);
    tcase_add_loop_test(each, cancelled_when_one_has_come, 0, CASES);
    tcase_add_test(each, cancelled_when_none_has_come);
    tcase_add_test(each, a_default_does_not_wait);
    tcase_add_test(each, none_of_two_is_starved);
    tcase_add_test(each, or_the_first_if_asked_for);
    tcase_add_test(each, nonsense_is_refused);
    tcase_add_test(each, an_end_of_one_is_a_choice);
    tcase_add_test(each, both_ends_of_a_rendezvous);
    suite_add_tcase(suite, each);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
