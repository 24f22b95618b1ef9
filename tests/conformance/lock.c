/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Group S, locks and queues: order, and what becomes of a wake-up whose waiter
 * is cancelled in the same turn. All orders there are, are tried elsewhere
 * (tests/core/interleave.h); here is what is promised, on every host.
 */

#include "rig.h"

#include <stdio.h>

typedef struct worker {
    tenon_task *task;
    tenon_waiter waiter;
    char name[12];
    void *object;
    void *item;
    size_t index;
    tenon_status status;
    bool keeps; /* what it has acquired */
} worker;

static worker w[5];

/* A task that gets no stack says so here, in a sweep. */
static void on_done(tenon_waiter *waiter, tenon_future *future, void *user)
{
    (void)waiter;
    (void)user;
    (void)harness_told(tenon_future_error(future));
}

static worker *spawn(int i, tenon_task_fn *fn, void *object)
{
    const tenon_task_options options = {.size = sizeof options,
                                        .name = w[i].name};
    snprintf(w[i].name, sizeof w[i].name, "%d", i);
    w[i].object = object;
    w[i].task = NULL;
    REQUIRE_OK(tenon_spawn(rig.reactor, fn, &w[i], &options, &w[i].task));
    REQUIRE_OK(tenon_future_on_done(tenon_task_future(w[i].task), &w[i].waiter,
                                    on_done, NULL));
    return &w[i];
}

static void finish(int count)
{
    for (int i = 0; i < count; i++) {
        PUMP_UNTIL(tenon_task_is_done(w[i].task));
        (void)tenon_waiter_remove(&w[i].waiter);
        (void)harness_told(tenon_future_error(tenon_task_future(w[i].task)));
        tenon_task_unref(w[i].task);
        w[i].task = NULL;
    }
}

static void cancel(int i)
{
    REQUIRE(tenon_task_cancel(w[i].task, NULL) >= 0);
}

/* "0+": it has what it waited for; "0-": it was cancelled; "0x": it failed. */
static tenon_status tell(worker *me, tenon_status status)
{
    me->status = status;
    note("%s%c", me->name,
         status == TENON_OK          ? '+'
         : status == TENON_CANCELLED ? '-'
                                     : 'x');
    return TENON_OK;
}

static tenon_status take_lock(void *user)
{
    worker *me = user;
    tenon_lock *lock = me->object;
    (void)tell(me, tenon_lock_acquire(lock));
    if (me->status == TENON_OK && !me->keeps) {
        REQUIRE(tenon_lock_owner(lock) == me->task);
        TENON_TRY(tenon_yield());
        REQUIRE_STATUS(tenon_lock_release(lock), TENON_OK);
    }
    return TENON_OK;
}

static void on_held(tenon_ticket *ticket, tenon_status status, void *user)
{
    (void)ticket;
    REQUIRE_STATUS(status, TENON_OK);
    note_call(user);
}

/* A lock that a callback holds, and that `count` tasks wait for. */
static void held_lock(tenon_lock *lock, tenon_ticket *holder, int count)
{
    REQUIRE_OK(tenon_lock_init(lock, rig.reactor, "lock"));
    REQUIRE_OK(tenon_lock_request(lock, holder, on_held, "held"));
    PUMP_UNTIL(noted("held"));
    for (int i = 0; i < count; i++) {
        (void)spawn(i, take_lock, lock);
    }
    rig_settle();
}

/* ---- lock ---- */

static void s01_first_come_first_served(void)
{
    tenon_lock lock;
    tenon_ticket holder;
    held_lock(&lock, &holder, 3);
    REQUIRE_STATUS(tenon_lock_release_ticket(&lock, &holder), TENON_OK);
    /* Who comes now is last, though nobody has gone on yet. */
    (void)spawn(3, take_lock, &lock);
    finish(4);
    REQUIRE_NOTES("held 0+ 1+ 2+ 3+");
    REQUIRE(!tenon_lock_is_held(&lock));
    tenon_lock_fini(&lock);
}

static tenon_status release_it(void *user)
{
    const worker *me = user;
    REQUIRE_STATUS(tenon_lock_release(me->object), TENON_INVALID);
    return TENON_OK;
}

static void s01_none_but_the_holder_releases(void)
{
    tenon_lock lock;
    tenon_ticket holder;
    held_lock(&lock, &holder, 0);
    (void)spawn(0, release_it, &lock);
    finish(1);
    REQUIRE_STATUS(tenon_lock_release(&lock), TENON_INVALID);
    REQUIRE(tenon_lock_is_held(&lock));
    REQUIRE_STATUS(tenon_lock_release_ticket(&lock, &holder), TENON_OK);
    REQUIRE_STATUS(tenon_lock_release_ticket(&lock, &holder), TENON_INVALID);
    tenon_lock_fini(&lock);
}

static void s02_cancelled_after_the_release(void)
{
    tenon_lock lock;
    tenon_ticket holder;
    held_lock(&lock, &holder, 3);
    w[1].keeps = true;
    REQUIRE_STATUS(tenon_lock_release_ticket(&lock, &holder), TENON_OK);
    cancel(0);
    PUMP_UNTIL(noted("1+"));
    rig_settle();
    REQUIRE_NOTES("held 0- 1+"); /* one, and exactly one */
    cancel(2);
    finish(3);
    tenon_lock_fini(&lock);
}

static void s02_cancelled_before_the_release(void)
{
    tenon_lock lock;
    tenon_ticket holder;
    held_lock(&lock, &holder, 2);
    cancel(0);
    REQUIRE_STATUS(tenon_lock_release_ticket(&lock, &holder), TENON_OK);
    finish(2);
    REQUIRE(noted("0-") && noted("1+"));
    REQUIRE(!tenon_lock_is_held(&lock));
    tenon_lock_fini(&lock);
}

/* All of them were cancelled: the lock is free again. */
static void s02_nobody_left(void)
{
    tenon_lock lock;
    tenon_ticket holder;
    held_lock(&lock, &holder, 3);
    REQUIRE_STATUS(tenon_lock_release_ticket(&lock, &holder), TENON_OK);
    for (int i = 0; i < 3; i++) {
        cancel(i);
    }
    finish(3);
    REQUIRE(!tenon_lock_is_held(&lock));
    tenon_lock_fini(&lock);
}

/* A time-out is a cancelling that is taken back. */
static void on_expired(tenon_timer *timer, void *user)
{
    (void)timer;
    (void)tenon_task_cancel(((worker *)user)->task, "too late");
}

static tenon_status take_lock_in_time(void *user)
{
    worker *me = user;
    tenon_lock *lock = me->object;
    tenon_timer timer;
    tenon_timer_init(&timer, rig.reactor);
    TENON_TRY(tenon_timer_start(&timer, me->keeps ? MS(60000) : MS(1),
                                on_expired, me));
    (void)tell(me, tenon_lock_acquire(lock));
    (void)tenon_timer_stop(&timer);
    (void)tenon_task_uncancel(me->task);
    if (me->status == TENON_OK) {
        REQUIRE_STATUS(tenon_lock_release(lock), TENON_OK);
    }
    /* It goes on, and may try again. */
    TENON_TRY(tenon_lock_acquire(lock));
    note("again");
    return tenon_lock_release(lock);
}

static void s04_too_late_and_again(void)
{
    tenon_lock lock;
    tenon_ticket holder;
    held_lock(&lock, &holder, 0);
    (void)spawn(0, take_lock_in_time, &lock);
    PUMP_UNTIL(noted("0-"));
    REQUIRE(tenon_lock_is_held(&lock));
    REQUIRE_STATUS(tenon_lock_release_ticket(&lock, &holder), TENON_OK);
    finish(1);
    REQUIRE_NOTES("held 0- again");
    tenon_lock_fini(&lock);
}

/* The time is up in the very turn of the release, by our watch. */
static void s04_release_and_expiry_at_once(void)
{
    tenon_lock lock;
    tenon_ticket holder;
    held_lock(&lock, &holder, 0);
    w[0].keeps = true;
    (void)spawn(0, take_lock_in_time, &lock);
    (void)spawn(1, take_lock, &lock);
    rig_settle();
    REQUIRE_STATUS(tenon_lock_release_ticket(&lock, &holder), TENON_OK);
    cancel(0);
    finish(2);
    REQUIRE(noted("1+") && noted("again"));
    REQUIRE(!tenon_lock_is_held(&lock));
    tenon_lock_fini(&lock);
}

/* ---- condition ---- */

static tenon_lock cond_lock;

static tenon_status wait_for_cond(void *user)
{
    worker *me = user;
    TENON_TRY(tenon_lock_acquire(&cond_lock));
    (void)tell(me, tenon_cond_wait(me->object));
    REQUIRE(tenon_lock_owner(&cond_lock) == me->task);
    TENON_TRY(tenon_lock_release(&cond_lock));
    return TENON_OK;
}

static tenon_status notify_one(void *user)
{
    const worker *me = user;
    TENON_TRY(tenon_lock_acquire(&cond_lock));
    TENON_TRY(tenon_cond_notify(me->object, 1));
    note("notice");
    return tenon_lock_release(&cond_lock);
}

static void open_cond(tenon_cond *cond, int waiters)
{
    REQUIRE_OK(tenon_lock_init(&cond_lock, rig.reactor, "lock"));
    REQUIRE_OK(tenon_cond_init(cond, &cond_lock, "cond"));
    for (int i = 0; i < waiters; i++) {
        (void)spawn(i, wait_for_cond, cond);
    }
    rig_settle();
    REQUIRE_EQ(tenon_waitq_count(&cond->queue), waiters);
}

static void close_cond(tenon_cond *cond)
{
    REQUIRE(!tenon_lock_is_held(&cond_lock));
    tenon_cond_fini(cond);
    tenon_lock_fini(&cond_lock);
}

static void s05_has_the_lock_though_cancelled(void)
{
    tenon_cond cond;
    tenon_ticket holder;
    open_cond(&cond, 1);
    REQUIRE_OK(tenon_lock_request(&cond_lock, &holder, on_held, "held"));
    PUMP_UNTIL(noted("held"));
    cancel(0);
    rig_settle();
    cancel(0); /* and while it waits for the lock, once more */
    rig_settle();
    REQUIRE_NOTES("held");
    REQUIRE_STATUS(tenon_lock_release_ticket(&cond_lock, &holder), TENON_OK);
    finish(1);
    REQUIRE_NOTES("held 0-");
    close_cond(&cond);
}

static void notice_and_cancel(void *user)
{
    tenon_cond *cond = user;
    (void)tenon_waitq_count(&cond->queue);
    cancel(0);
}

/* The notice of one that is cancelled before it goes on is the next one's. */
static void s05_the_notice_is_passed_on(void)
{
    tenon_cond cond;
    open_cond(&cond, 2);
    (void)spawn(2, notify_one, &cond);
    soon(notice_and_cancel, &cond); /* runs right after it */
    finish(3);
    REQUIRE_NOTES("notice 0- 1+");
    close_cond(&cond);
}

static tenon_status notify_all(void *user)
{
    const worker *me = user;
    REQUIRE_STATUS(tenon_cond_notify_all(me->object), TENON_INVALID);
    TENON_TRY(tenon_lock_acquire(&cond_lock));
    TENON_TRY(tenon_cond_notify_all(me->object));
    return tenon_lock_release(&cond_lock);
}

static void s05_all_are_told(void)
{
    tenon_cond cond;
    open_cond(&cond, 3);
    (void)spawn(3, notify_all, &cond);
    finish(4);
    REQUIRE_NOTES("0+ 1+ 2+");
    close_cond(&cond);
}

/* ---- event ---- */

static tenon_status wait_for_event(void *user)
{
    worker *me = user;
    return tell(me, tenon_event_wait(me->object));
}

static void s06_set_and_cleared_at_once(void)
{
    tenon_event event;
    REQUIRE_OK(tenon_event_init(&event, rig.reactor, "event"));
    (void)spawn(0, wait_for_event, &event);
    (void)spawn(1, wait_for_event, &event);
    rig_settle();
    REQUIRE_STATUS(tenon_event_set(&event), TENON_OK);
    REQUIRE_STATUS(tenon_event_set(&event), TENON_EXISTED);
    REQUIRE_STATUS(tenon_event_clear(&event), TENON_EXISTED);
    (void)spawn(2, wait_for_event, &event); /* too late */
    PUMP_UNTIL(noted("1+"));
    rig_settle();
    REQUIRE_NOTES("0+ 1+");
    REQUIRE_STATUS(tenon_event_set(&event), TENON_OK);
    finish(3);
    REQUIRE_NOTES("0+ 1+ 2+");
    tenon_event_fini(&event);
}

/* ---- barrier ---- */

static tenon_status wait_at_barrier(void *user)
{
    worker *me = user;
    return tell(me, tenon_barrier_wait(me->object, &me->index));
}

static void at_barrier(tenon_barrier *barrier, int first, int count)
{
    for (int i = first; i < first + count; i++) {
        (void)spawn(i, wait_at_barrier, barrier);
    }
}

static void s07_fills_and_drains(void)
{
    tenon_barrier barrier;
    REQUIRE_OK(tenon_barrier_init(&barrier, rig.reactor, 3, "barrier"));
    at_barrier(&barrier, 0, 2);
    rig_settle();
    REQUIRE_NOTES("");
    REQUIRE_EQ(tenon_barrier_waiting(&barrier), 2);
    at_barrier(&barrier, 2, 3); /* the last one, and two for the next time */
    PUMP_UNTIL(noted("0+") && noted("1+") && noted("2+"));
    rig_settle();
    REQUIRE_EQ(tenon_barrier_waiting(&barrier), 2);
    REQUIRE(!noted("3+") && !noted("4+"));
    for (size_t i = 0; i < 3; i++) {
        REQUIRE_EQ(w[i].index, i);
    }
    cancel(3);
    cancel(4);
    finish(5);
    REQUIRE_EQ(tenon_barrier_waiting(&barrier), 0);
    tenon_barrier_fini(&barrier);
}

static void s07_reset_fails_who_waits(void)
{
    tenon_barrier barrier;
    REQUIRE_OK(tenon_barrier_init(&barrier, rig.reactor, 2, "barrier"));
    at_barrier(&barrier, 0, 1);
    rig_settle();
    REQUIRE_STATUS(tenon_barrier_reset(&barrier), TENON_OK);
    finish(1);
    REQUIRE_STATUS(w[0].status, TENON_ABORTED);
    at_barrier(&barrier, 0, 2);
    finish(2);
    REQUIRE(noted("0+") && noted("1+"));
    tenon_barrier_fini(&barrier);
}

static void s07_aborted_until_reset(void)
{
    tenon_barrier barrier;
    REQUIRE_OK(tenon_barrier_init(&barrier, rig.reactor, 2, "barrier"));
    at_barrier(&barrier, 0, 1);
    rig_settle();
    REQUIRE_STATUS(tenon_barrier_abort(&barrier), TENON_OK);
    finish(1);
    REQUIRE_STATUS(w[0].status, TENON_ABORTED);
    REQUIRE(tenon_barrier_is_broken(&barrier));
    at_barrier(&barrier, 0, 1);
    finish(1);
    REQUIRE_STATUS(w[0].status, TENON_ABORTED);
    REQUIRE_STATUS(tenon_barrier_reset(&barrier), TENON_OK);
    notes_clear();
    at_barrier(&barrier, 0, 2);
    finish(2);
    REQUIRE(noted("0+") && noted("1+"));
    tenon_barrier_fini(&barrier);
}

/* ---- queue ---- */

static char items[] = "abcdef";
static tenon_queue queue;
static int frees;

static void on_free(void *item)
{
    (void)item;
    frees++;
}

static int by_value(const void *left, const void *right)
{
    return *(const char *)left - *(const char *)right;
}

static void open_queue(size_t capacity, uint32_t order)
{
    const tenon_queue_options options = {.size = sizeof options,
                                         .order = order,
                                         .compare = by_value,
                                         .free_item = on_free};
    REQUIRE_OK(tenon_queue_init(&queue, rig.reactor, capacity, &options));
}

static tenon_status get_one(void *user)
{
    worker *me = user;
    (void)tell(me, tenon_queue_get(&queue, &me->item));
    if (me->status == TENON_OK) {
        note("%c", *(char *)me->item);
        return tenon_queue_task_done(&queue);
    }
    return TENON_OK;
}

static tenon_status put_one(void *user)
{
    worker *me = user;
    return tell(me, tenon_queue_put(&queue, me->object));
}

static tenon_status join_queue(void *user)
{
    worker *me = user;
    return tell(me, tenon_queue_join(&queue));
}

static void s08_in_its_order(void)
{
    static const char *const wanted[] = {"bca", "acb", "abc"};
    static const int put_order[] = {1, 2, 0};
    for (uint32_t order = TENON_QUEUE_FIFO; order <= TENON_QUEUE_PRIORITY;
         order++) {
        open_queue(3, order);
        for (int i = 0; i < 3; i++) {
            REQUIRE_OK(tenon_queue_try_put(&queue, &items[put_order[i]]));
        }
        for (int i = 0; i < 3; i++) {
            void *item = NULL;
            REQUIRE_OK(tenon_queue_try_get(&queue, &item));
            REQUIRE_EQ(*(char *)item, wanted[order][i]);
        }
        tenon_queue_fini(&queue);
    }
}

static void s08_served_in_order(void)
{
    open_queue(1, TENON_QUEUE_FIFO);
    REQUIRE_OK(tenon_queue_try_put(&queue, &items[0]));
    for (int i = 0; i < 2; i++) {
        (void)spawn(i, put_one, &items[1 + i]);
    }
    rig_settle();
    REQUIRE_NOTES(""); /* it is full */
    for (int i = 2; i < 5; i++) {
        (void)spawn(i, get_one, NULL);
    }
    finish(5);
    REQUIRE(*(char *)w[2].item == 'a' && *(char *)w[3].item == 'b' &&
            *(char *)w[4].item == 'c');
    tenon_queue_fini(&queue);
}

static void s08_a_rendezvous_meets(void)
{
    open_queue(0, TENON_QUEUE_FIFO);
    (void)spawn(0, put_one, &items[0]);
    rig_settle();
    REQUIRE_NOTES("");
    REQUIRE_EQ(tenon_queue_count(&queue), 0);
    (void)spawn(1, get_one, NULL);
    finish(2);
    REQUIRE(noted("0+") && noted("1+") && noted("a"));
    tenon_queue_fini(&queue);
}

static void s09_the_item_of_a_cancelled_getter(void)
{
    open_queue(2, TENON_QUEUE_FIFO);
    (void)spawn(0, get_one, NULL);
    (void)spawn(1, get_one, NULL);
    rig_settle();
    REQUIRE_OK(tenon_queue_try_put(&queue, &items[0]));
    cancel(0);
    finish(2);
    REQUIRE(noted("0-") && noted("1+") && noted("a"));
    /* Nobody else waits: it is there for who comes, and comes first. */
    (void)spawn(0, get_one, NULL);
    rig_settle();
    REQUIRE_OK(tenon_queue_try_put(&queue, &items[1]));
    cancel(0);
    REQUIRE_OK(tenon_queue_try_put(&queue, &items[2]));
    finish(1);
    void *item = NULL;
    REQUIRE_OK(tenon_queue_try_get(&queue, &item));
    REQUIRE_EQ(*(char *)item, 'b');
    REQUIRE_EQ(tenon_queue_count(&queue), 1);
    tenon_queue_fini(&queue);
    REQUIRE_EQ(frees, 1);
}

static void s09_a_cancelled_putter(void)
{
    void *item = NULL;
    open_queue(1, TENON_QUEUE_FIFO);
    REQUIRE_OK(tenon_queue_try_put(&queue, &items[0]));
    (void)spawn(0, put_one, &items[1]);
    (void)spawn(1, put_one, &items[2]);
    rig_settle();
    cancel(0);
    REQUIRE_OK(tenon_queue_try_get(&queue, &item));
    finish(2);
    REQUIRE(noted("0-") && noted("1+"));
    REQUIRE_OK(tenon_queue_try_get(&queue, &item));
    REQUIRE_EQ(*(char *)item, 'c');
    REQUIRE_STATUS(tenon_queue_try_get(&queue, &item), TENON_BUSY);
    tenon_queue_fini(&queue);
}

static void s11_drains_then_fails(void)
{
    open_queue(2, TENON_QUEUE_FIFO);
    REQUIRE_OK(tenon_queue_try_put(&queue, &items[0]));
    REQUIRE_OK(tenon_queue_try_put(&queue, &items[1]));
    (void)spawn(0, put_one, &items[2]);
    rig_settle();
    REQUIRE_STATUS(tenon_queue_close(&queue, false), TENON_OK);
    REQUIRE_STATUS(tenon_queue_try_put(&queue, &items[3]), TENON_CLOSED);
    (void)spawn(1, get_one, NULL);
    (void)spawn(2, get_one, NULL);
    (void)spawn(3, get_one, NULL);
    (void)spawn(4, join_queue, NULL);
    finish(5);
    REQUIRE_STATUS(w[0].status, TENON_CLOSED);
    REQUIRE(*(char *)w[1].item == 'a' && *(char *)w[2].item == 'b');
    REQUIRE_STATUS(w[3].status, TENON_CLOSED);
    REQUIRE_STATUS(w[4].status, TENON_OK);
    tenon_queue_fini(&queue);
    REQUIRE_EQ(frees, 0);
}

static void s11_at_once(void)
{
    open_queue(2, TENON_QUEUE_FIFO);
    REQUIRE_OK(tenon_queue_try_put(&queue, &items[0]));
    REQUIRE_OK(tenon_queue_try_put(&queue, &items[1]));
    (void)spawn(0, put_one, &items[2]);
    (void)spawn(1, join_queue, NULL);
    rig_settle();
    REQUIRE_STATUS(tenon_queue_close(&queue, true), TENON_OK);
    REQUIRE_EQ(frees, 2);
    finish(2);
    REQUIRE_STATUS(w[0].status, TENON_CLOSED);
    REQUIRE_STATUS(w[1].status, TENON_OK);
    (void)spawn(0, get_one, NULL);
    finish(1);
    REQUIRE_STATUS(w[0].status, TENON_CLOSED);
    tenon_queue_fini(&queue);
}

static void s11_getters_fail(void)
{
    open_queue(2, TENON_QUEUE_FIFO);
    (void)spawn(0, get_one, NULL);
    rig_settle();
    REQUIRE_STATUS(tenon_queue_close(&queue, false), TENON_OK);
    finish(1);
    REQUIRE_STATUS(w[0].status, TENON_CLOSED);
    tenon_queue_fini(&queue);
}

static const rig_case cases[] = {
    {"S01", "a lock is had in the order of asking", s01_first_come_first_served,
     0},
    {"S01", "none but its holder releases a lock",
     s01_none_but_the_holder_releases, 0},
    {"S02", "a lock goes on when its next holder is cancelled at once",
     s02_cancelled_after_the_release, 0},
    {"S02", "one that was cancelled before the release is passed over",
     s02_cancelled_before_the_release, 0},
    {"S02", "a lock is free when all who waited were cancelled",
     s02_nobody_left, 0},
    {"S04", "a time-out takes the waiter out, who may try again",
     s04_too_late_and_again, 0},
    {"S04", "a release in the turn of the time-out is not lost",
     s04_release_and_expiry_at_once, 0},
    {"S05", "a condition has the lock again, cancelled or not",
     s05_has_the_lock_though_cancelled, 0},
    {"S05", "the notice of a cancelled waiter is passed on",
     s05_the_notice_is_passed_on, 0},
    {"S05", "notify_all tells all", s05_all_are_told, 0},
    {"S06", "an event wakes all, though it is cleared at once",
     s06_set_and_cleared_at_once, 0},
    {"S07", "a barrier fills, drains, and lets late ones wait",
     s07_fills_and_drains, 0},
    {"S07", "a reset fails who waits at a barrier", s07_reset_fails_who_waits,
     0},
    {"S07", "an aborted barrier is broken until it is reset",
     s07_aborted_until_reset, 0},
    {"S08", "queues of three orders keep them", s08_in_its_order, 0},
    {"S08", "getters and putters are served in order", s08_served_in_order, 0},
    {"S08", "a rendezvous holds no item", s08_a_rendezvous_meets, 0},
    {"S09", "the item of a cancelled getter goes to the next",
     s09_the_item_of_a_cancelled_getter, 0},
    {"S09", "a cancelled putter leaves nothing behind", s09_a_cancelled_putter,
     0},
    {"S11", "a closed queue drains, then fails", s11_drains_then_fails, 0},
    {"S11", "a queue closed at once drops its items", s11_at_once, 0},
    {"S11", "who waits for an item of a closed queue fails", s11_getters_fail,
     0},
};

const rig_group rig_lock = RIG_GROUP(cases);
