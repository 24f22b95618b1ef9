/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * What is waited in, beside the orders of test_locks_model.c: tickets of plain
 * callbacks, ends that come first, refusals, conditions, select, and that
 * waiting takes no memory.
 */

#include <stdlib.h>

#include "future_rig.h"

static tenon_task *spawn(tenon_task_fn *fn, void *user)
{
    const tenon_task_options eager = {
        .size = sizeof eager, .flags = TENON_TASK_EAGER, .name = "worker"};
    tenon_task *task = NULL;
    ck_assert_int_eq(tenon_spawn(reactor, fn, user, &eager, &task), TENON_OK);
    return task;
}

static void end_task(tenon_task *task)
{
    ck_assert(tenon_task_is_done(task));
    tenon_task_unref(task);
}

/* Lower case when it went well, upper case when not. */
static void on_ticket(tenon_ticket *ticket, tenon_status status, void *user)
{
    char letter = *(const char *)user;
    ck_assert(!tenon_ticket_is_waiting(ticket));
    put(status == TENON_OK ? letter : (char)(letter - 'a' + 'A'));
}

static char letters[] = "abcdefgh";

/* ---- tickets ---- */

START_TEST(callbacks_hold_a_lock_in_turn)
{
    tenon_lock lock;
    tenon_ticket t[3];
    ck_assert_int_eq(tenon_lock_init(&lock, reactor, "lock"), TENON_OK);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(
            tenon_lock_request(&lock, &t[i], on_ticket, &letters[i]), TENON_OK);
    }
    ck_assert_str_eq(notes, "");
    turns(2);
    ck_assert_str_eq(notes, "a");
    ck_assert_ptr_null(tenon_lock_owner(&lock));
    ck_assert_int_eq(tenon_lock_request(&lock, &t[0], on_ticket, letters),
                     -EDEADLK);
    ck_assert_int_eq(tenon_lock_release(&lock), TENON_INVALID);
    ck_assert_int_eq(tenon_lock_release_ticket(&lock, &t[1]), TENON_INVALID);
    ck_assert_int_eq(tenon_lock_release_ticket(&lock, &t[0]), TENON_OK);
    /* It is b's by now, which gives up before it is told. */
    ck_assert_int_eq(tenon_ticket_cancel(&t[1]), TENON_EXISTED);
    ck_assert_int_eq(tenon_ticket_cancel(&t[1]), TENON_OK);
    turns(1);
    ck_assert_str_eq(notes, "ac");
    ck_assert_int_eq(tenon_lock_release_ticket(&lock, &t[2]), TENON_OK);
    ck_assert(!tenon_lock_is_held(&lock));
    tenon_lock_fini(&lock);
}
END_TEST

START_TEST(callbacks_wait_for_everything)
{
    tenon_rwlock rwlock;
    tenon_event event;
    tenon_semaphore semaphore;
    tenon_barrier barrier;
    tenon_waitq waitq;
    tenon_ticket t[8];
    ck_assert_int_eq(tenon_rwlock_init(&rwlock, reactor, NULL), TENON_OK);
    ck_assert_int_eq(tenon_event_init(&event, reactor, NULL), TENON_OK);
    ck_assert_int_eq(tenon_semaphore_init(&semaphore, reactor, 0, 1, NULL), 0);
    ck_assert_int_eq(tenon_barrier_init(&barrier, reactor, 2, NULL), TENON_OK);
    ck_assert_int_eq(tenon_waitq_init(&waitq, reactor, NULL), TENON_OK);
    (void)!tenon_rwlock_request_read(&rwlock, &t[0], on_ticket, &letters[0]);
    (void)!tenon_rwlock_request_write(&rwlock, &t[1], on_ticket, &letters[1]);
    (void)!tenon_event_request(&event, &t[2], on_ticket, &letters[2]);
    (void)!tenon_semaphore_request(&semaphore, &t[3], on_ticket, &letters[3]);
    (void)!tenon_barrier_request(&barrier, &t[4], on_ticket, &letters[4]);
    (void)!tenon_waitq_request(&waitq, &t[5], on_ticket, &letters[5]);
    turns(1);
    ck_assert_str_eq(notes, "a");
    ck_assert_uint_eq(tenon_rwlock_readers(&rwlock), 1);
    ck_assert_int_eq(tenon_rwlock_try_read(&rwlock), TENON_BUSY);
    ck_assert_int_eq(tenon_rwlock_release_read(&rwlock), TENON_OK);
    ck_assert_int_eq(tenon_event_set(&event), TENON_OK);
    ck_assert_int_eq(tenon_semaphore_release(&semaphore), TENON_OK);
    (void)!tenon_barrier_request(&barrier, &t[6], on_ticket, &letters[6]);
    ck_assert_uint_eq(tenon_waitq_throw(&waitq, TENON_ABORTED), 1);
    turns(1);
    ck_assert_str_eq(notes, "abcdegF");
    ck_assert_ptr_null(tenon_rwlock_owner(&rwlock));
    ck_assert_int_eq(tenon_rwlock_release_read(&rwlock), TENON_INVALID);
    ck_assert_int_eq(tenon_rwlock_release_write(&rwlock), TENON_INVALID);
    ck_assert_int_eq(tenon_rwlock_release_ticket(&rwlock, &t[1]), TENON_OK);
    ck_assert_int_eq(tenon_rwlock_try_read(&rwlock), TENON_OK);
    ck_assert_int_eq(tenon_rwlock_try_write(&rwlock), TENON_INVALID);
    ck_assert_int_eq(tenon_semaphore_release(&semaphore), TENON_OK);
    ck_assert_int_eq(tenon_semaphore_release(&semaphore), TENON_LIMIT);
    ck_assert_int_eq(tenon_semaphore_try(&semaphore), TENON_OK);
    ck_assert_int_eq(tenon_semaphore_try(&semaphore), TENON_BUSY);
    tenon_rwlock_fini(&rwlock);
    tenon_event_fini(&event);
    tenon_semaphore_fini(&semaphore);
    tenon_barrier_fini(&barrier);
    tenon_waitq_fini(&waitq);
}
END_TEST

static void on_item(tenon_ticket *ticket, tenon_status status, void *user)
{
    (void)user;
    put(status == TENON_OK ? *(char *)tenon_ticket_item(ticket) : '!');
}

START_TEST(callbacks_get_and_put)
{
    tenon_queue queue;
    tenon_ticket getter, second, putter, late, joiner;
    void *item = NULL;
    ck_assert_int_eq(tenon_queue_init(&queue, reactor, 1, NULL), TENON_OK);
    (void)!tenon_queue_request_get(&queue, &getter, on_item, NULL);
    (void)!tenon_queue_request_get(&queue, &second, on_item, NULL);
    ck_assert_int_eq(tenon_queue_try_put(&queue, &letters[0]), TENON_OK);
    /* What the first would have had goes to the second. */
    ck_assert_int_eq(tenon_ticket_cancel(&getter), TENON_EXISTED);
    turns(1);
    ck_assert_str_eq(notes, "a");
    ck_assert_int_eq(tenon_queue_try_put(&queue, &letters[1]), TENON_OK);
    ck_assert_int_eq(tenon_queue_try_put(&queue, &letters[2]), TENON_BUSY);
    (void)!tenon_queue_request_put(&queue, &letters[2], &putter, on_ticket,
                                   &letters[7]);
    (void)!tenon_queue_request_put(&queue, &letters[3], &late, on_ticket,
                                   &letters[6]);
    ck_assert_int_eq(tenon_queue_try_get(&queue, &item), TENON_OK);
    ck_assert_ptr_eq(item, &letters[1]);
    /* It is in the queue, and not to be had back. */
    ck_assert_int_eq(tenon_ticket_cancel(&putter), TENON_DONE);
    ck_assert_int_eq(tenon_ticket_cancel(&late), TENON_EXISTED);
    ck_assert_int_eq(tenon_queue_try_get(&queue, &item), TENON_OK);
    ck_assert_ptr_eq(item, &letters[2]);
    ck_assert_int_eq(tenon_queue_try_get(&queue, &item), TENON_BUSY);
    (void)!tenon_queue_request_join(&queue, &joiner, on_ticket, &letters[4]);
    ck_assert_uint_eq(tenon_queue_unfinished(&queue), 3);
    turns(1);
    ck_assert_str_eq(notes, "a");
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(tenon_queue_task_done(&queue), TENON_OK);
    }
    ck_assert_int_eq(tenon_queue_task_done(&queue), TENON_INVALID);
    turns(1);
    ck_assert_str_eq(notes, "ae");
    tenon_queue_fini(&queue);
}
END_TEST

/* ---- ends ---- */

static tenon_status lock_it(void *user)
{
    tenon_status status = tenon_lock_acquire(user);
    put(status == TENON_OK ? 'o' : status == TENON_CLOSED ? 'x' : '?');
    return status == TENON_CLOSED ? TENON_OK : status;
}

START_TEST(who_waits_outlives_the_lock)
{
    tenon_lock *lock = malloc(sizeof *lock);
    tenon_ticket holder, waiting, told;
    ck_assert_int_eq(tenon_lock_init(lock, reactor, NULL), TENON_OK);
    (void)!tenon_lock_request(lock, &holder, on_ticket, &letters[0]);
    (void)!tenon_lock_request(lock, &told, on_ticket, &letters[1]);
    tenon_task *task = spawn(lock_it, lock);
    (void)!tenon_lock_request(lock, &waiting, on_ticket, &letters[2]);
    turns(1);
    ck_assert_int_eq(tenon_lock_release_ticket(lock, &holder), TENON_OK);
    tenon_lock_fini(lock);
    tenon_lock_fini(lock); /* twice is legal */
    free(lock);
    turns(1);
    /* b had it, but was not told before it went. */
    ck_assert_str_eq(notes, "aBxC");
    end_task(task);
}
END_TEST

START_TEST(a_loose_ticket_can_be_cancelled)
{
    tenon_event event;
    tenon_ticket ticket;
    ck_assert_int_eq(tenon_event_init(&event, reactor, NULL), TENON_OK);
    (void)!tenon_event_request(&event, &ticket, on_ticket, letters);
    tenon_event_fini(&event);
    ck_assert(tenon_ticket_is_waiting(&ticket));
    ck_assert_int_eq(tenon_ticket_cancel(&ticket), TENON_EXISTED);
    turns(1);
    ck_assert_str_eq(notes, "");
}
END_TEST

static int freed;

static void count_free(void *item)
{
    (void)item;
    freed++;
}

START_TEST(the_end_of_the_reactor_tells_who_waits)
{
    tenon_queue_options counts = {.size = sizeof counts,
                                  .free_item = count_free};
    tenon_lock lock;
    tenon_queue queue;
    tenon_ticket t[3];
    ck_assert_int_eq(tenon_lock_init(&lock, reactor, NULL), TENON_OK);
    ck_assert_int_eq(tenon_queue_init(&queue, reactor, 2, &counts), TENON_OK);
    (void)!tenon_lock_request(&lock, &t[0], on_ticket, &letters[0]);
    turns(1);
    (void)!tenon_lock_request(&lock, &t[1], on_ticket, &letters[1]);
    (void)!tenon_queue_request_get(&queue, &t[2], on_ticket, &letters[2]);
    ck_assert_int_eq(tenon_queue_try_put(&queue, letters), TENON_OK);
    ck_assert_int_eq(tenon_queue_try_put(&queue, letters), TENON_OK);
    ck_assert_int_eq(tenon_reactor_close(reactor), TENON_OK);
    ck_assert_str_eq(notes, "aCB");
    ck_assert_int_eq(tenon_lock_release_ticket(&lock, &t[0]), TENON_OK);
    ck_assert_int_eq(tenon_lock_request(&lock, &t[0], on_ticket, letters),
                     TENON_CLOSED);
    ck_assert_int_eq(tenon_queue_try_put(&queue, letters), TENON_CLOSED);
    ck_assert_uint_eq(tenon_queue_count(&queue), 2);
    tenon_lock_fini(&lock);
    tenon_queue_fini(&queue);
    ck_assert_int_eq(freed, 2);
}
END_TEST

static tenon_status put_it(void *user)
{
    tenon_status status = tenon_queue_put(user, letters);
    put(status == TENON_OK ? 'o' : '?');
    status = tenon_checkpoint();
    put(status == TENON_CANCELLED ? 'c' : '?');
    return status;
}

/* Cancelled in the turn in which its item got in, and the queue went: the item
 * was freed there, so the put has happened. */
START_TEST(a_put_that_happened_is_told_so)
{
    tenon_queue_options counts = {.size = sizeof counts,
                                  .free_item = count_free};
    tenon_queue queue;
    void *item = NULL;
    ck_assert_int_eq(tenon_queue_init(&queue, reactor, 1, &counts), TENON_OK);
    ck_assert_int_eq(tenon_queue_try_put(&queue, letters), TENON_OK);
    tenon_task *task = spawn(put_it, &queue);
    ck_assert_int_eq(tenon_queue_try_get(&queue, &item), TENON_OK);
    ck_assert_int_eq(tenon_task_cancel(task, NULL), TENON_PENDING);
    tenon_queue_fini(&queue);
    ck_assert_int_eq(freed, 1);
    turns(1);
    ck_assert_str_eq(notes, "oc");
    end_task(task);
}
END_TEST

/* ---- refusals ---- */

static tenon_status take_twice(void *user)
{
    tenon_lock *lock = user;
    ck_assert_int_eq(tenon_lock_try(lock), TENON_OK);
    ck_assert_int_eq(tenon_lock_acquire(lock), -EDEADLK);
    ck_assert_int_eq(tenon_lock_try(lock), -EDEADLK);
    ck_assert_int_eq(tenon_lock_release(lock), TENON_OK);
    return TENON_OK;
}

static int by_letter(const void *left, const void *right)
{
    return *(const char *)left - *(const char *)right;
}

START_TEST(nonsense_is_refused)
{
    tenon_lock lock;
    tenon_semaphore semaphore;
    tenon_barrier barrier;
    tenon_queue queue;
    tenon_waitq waitq = {.name = NULL};
    tenon_ticket ticket = {.item = NULL};
    tenon_queue_options odd = {.size = sizeof odd,
                               .order = TENON_QUEUE_PRIORITY};
    ck_assert_int_eq(tenon_lock_init(NULL, reactor, NULL), TENON_INVALID);
    ck_assert_int_eq(tenon_lock_init(&lock, NULL, NULL), TENON_INVALID);
    ck_assert_int_eq(tenon_semaphore_init(&semaphore, reactor, 2, 1, NULL),
                     TENON_INVALID);
    ck_assert_int_eq(tenon_barrier_init(&barrier, reactor, 0, NULL),
                     TENON_INVALID);
    ck_assert_int_eq(tenon_queue_init(&queue, reactor, 1, &odd), TENON_INVALID);
    odd.size = 1;
    ck_assert_int_eq(tenon_queue_init(&queue, reactor, 1, &odd), TENON_INVALID);
    tenon_waitq_fini(&waitq);
    tenon_waitq_fini(NULL);
    ck_assert_int_eq(tenon_ticket_cancel(NULL), TENON_INVALID);
    ck_assert_int_eq(tenon_ticket_cancel(&ticket), TENON_OK);
    ck_assert_int_eq(tenon_waitq_init(&waitq, reactor, NULL), TENON_OK);
    ck_assert_int_eq(tenon_waitq_wait(&waitq), TENON_INVALID); /* no task */
    ck_assert_int_eq(tenon_waitq_request(&waitq, &ticket, NULL, NULL),
                     TENON_INVALID);
    ck_assert_uint_eq(tenon_waitq_throw(&waitq, TENON_OK), 0);
    ck_assert(!tenon_waitq_wake(&waitq));
    ck_assert_uint_eq(tenon_waitq_wake_all(&waitq), 0);
    tenon_waitq_fini(&waitq);
    ck_assert_int_eq(tenon_lock_init(&lock, reactor, NULL), TENON_OK);
    ck_assert_int_eq(tenon_lock_try(&lock), TENON_INVALID); /* no task */
    end_task(spawn(take_twice, &lock));
    tenon_lock_fini(&lock);
}
END_TEST

static tenon_status wait_elsewhere(void *user)
{
    ck_assert_int_eq(tenon_event_wait(user), TENON_INVALID);
    return TENON_OK;
}

START_TEST(a_task_of_another_reactor_is_refused)
{
    tenon_reactor *other = NULL;
    tenon_event event;
    tenon_reactor_options chosen = options();
    ck_assert_int_eq(tenon_manual_new(&other, &chosen), TENON_OK);
    ck_assert_int_eq(tenon_event_init(&event, other, NULL), TENON_OK);
    end_task(spawn(wait_elsewhere, &event));
    tenon_event_fini(&event);
    tenon_reactor_unref(other);
}
END_TEST

/* ---- priority, memory ---- */

START_TEST(the_least_item_is_first)
{
    static char words[][3] = {"c1", "a1", "b1", "a2", "c2", "a3"};
    const tenon_queue_options options = {.size = sizeof options,
                                         .order = TENON_QUEUE_PRIORITY,
                                         .compare = by_letter};
    tenon_queue queue;
    void *item = NULL;
    ck_assert_int_eq(
        tenon_queue_init(&queue, reactor, TENON_UNBOUNDED, &options), TENON_OK);
    for (int i = 0; i < 6; i++) {
        ck_assert_int_eq(tenon_queue_try_put(&queue, words[i]), TENON_OK);
    }
    for (int i = 0; i < 6; i++) {
        ck_assert_int_eq(tenon_queue_try_get(&queue, &item), TENON_OK);
        put(((char *)item)[0]);
        put(((char *)item)[1]);
    }
    ck_assert_str_eq(notes, "a1a2a3b1c1c2");
    tenon_queue_fini(&queue);
}
END_TEST

/* A ring that has gone round grows in the middle of it. */
START_TEST(an_unbounded_one_grows_or_says_no)
{
    tenon_queue queue;
    void *item = NULL;
    char *next = letters;
    ck_assert_int_eq(tenon_queue_init(&queue, reactor, TENON_UNBOUNDED, NULL),
                     TENON_OK);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(tenon_queue_try_put(&queue, next++), TENON_OK);
    }
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(tenon_queue_try_get(&queue, &item), TENON_OK);
    }
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(tenon_queue_try_put(&queue, next++), TENON_OK);
    }
    harness_heap_fail(&guard.heap, 1, 1);
    ck_assert_int_eq(tenon_queue_try_put(&queue, next), TENON_NO_MEMORY);
    ck_assert_int_eq(tenon_queue_try_put(&queue, next), TENON_OK);
    while (tenon_queue_try_get(&queue, &item) == TENON_OK) {
        put(*(char *)item);
    }
    ck_assert_str_eq(notes, "cdefg");
    harness_heap_fail(&guard.heap, 1, 1);
    ck_assert_int_eq(
        tenon_queue_init(&(tenon_queue){.head = 0}, reactor, 8, NULL),
        TENON_NO_MEMORY);
    tenon_queue_fini(&queue);
}
END_TEST

static tenon_lock the_lock;
static tenon_queue the_queue;

static tenon_status ping(void *user)
{
    for (int i = 0; i < 300; i++) {
        void *item = NULL;
        TENON_TRY(tenon_lock_acquire(&the_lock));
        TENON_TRY(tenon_yield());
        TENON_TRY(tenon_lock_release(&the_lock));
        TENON_TRY(tenon_queue_put(&the_queue, user));
        TENON_TRY(tenon_queue_get(&the_queue, &item));
    }
    return TENON_OK;
}

START_TEST(waiting_takes_no_memory)
{
    tenon_task *tasks[3];
    ck_assert_int_eq(tenon_lock_init(&the_lock, reactor, NULL), TENON_OK);
    ck_assert_int_eq(tenon_queue_init(&the_queue, reactor, 2, NULL), TENON_OK);
    for (int i = 0; i < 3; i++) {
        tasks[i] = spawn(ping, letters);
    }
    turns(20);
    uint64_t requests = guard.heap.requests;
    settle();
    ck_assert_uint_eq(guard.heap.requests, requests);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(tenon_future_state(tenon_task_future(tasks[i])),
                         TENON_FUTURE_RESOLVED);
        end_task(tasks[i]);
    }
    tenon_lock_fini(&the_lock);
    tenon_queue_fini(&the_queue);
}
END_TEST

/* ---- who holds what ---- */

static tenon_status hold(void *user)
{
    TENON_TRY(tenon_lock_acquire(user));
    (void)!tenon_sleep(TENON_SECOND);
    return tenon_lock_release(user);
}

START_TEST(a_dump_names_the_owner)
{
    char text[4096] = "";
    FILE *file = fmemopen(text, sizeof text, "w");
    tenon_lock lock;
    ck_assert_int_eq(tenon_lock_init(&lock, reactor, "ledger"), TENON_OK);
    tenon_task *holder = spawn(hold, &lock);
    tenon_task *waits = spawn(lock_it, &lock);
    ck_assert_ptr_eq(tenon_lock_owner(&lock), holder);
    ck_assert_int_eq(tenon_reactor_dump(reactor, file), TENON_OK);
    fclose(file);
    ck_assert_ptr_nonnull(strstr(text, "lock ledger waiting=1 owner=worker"));
    ck_assert_int_eq(tenon_manual_advance(reactor, TENON_SECOND), TENON_OK);
    /* It ended with the lock in its hands: that is still known. */
    ck_assert_ptr_eq(tenon_lock_owner(&lock), waits);
    ck_assert_str_eq(notes, "o");
    end_task(holder);
    end_task(waits);
    tenon_lock_fini(&lock);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        callbacks_hold_a_lock_in_turn,
        callbacks_wait_for_everything,
        callbacks_get_and_put,
        who_waits_outlives_the_lock,
        a_loose_ticket_can_be_cancelled,
        the_end_of_the_reactor_tells_who_waits,
        a_put_that_happened_is_told_so,
        nonsense_is_refused,
        a_task_of_another_reactor_is_refused,
        the_least_item_is_first,
        an_unbounded_one_grows_or_says_no,
        waiting_takes_no_memory,
        a_dump_names_the_owner,
    };
    return RUN_TESTS("locks", tests);
}
