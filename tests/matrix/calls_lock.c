/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Calls on locks, events, queues, channels. Who waits in an object that goes
 * is told later, once; so each ticket is a debt.
 */

#include "calls.h"

enum { TICKETS = 32 };
static tenon_ticket *tickets[TICKETS];
static int ticket_count;

void calls_free_tickets(void)
{
    while (ticket_count > 0) {
        ticket_count--;
        DISOWN(tickets[ticket_count]);
    }
}

static tenon_ticket *fresh(void)
{
    WANT(ticket_count < TICKETS);
    tickets[ticket_count] = own(sizeof(tenon_ticket));
    return tickets[ticket_count++];
}

static void on_ticket(tenon_ticket *ticket, tenon_status status, void *user)
{
    (void)status;
    WANT(!tenon_ticket_is_waiting(ticket) && ticket == *(tenon_ticket **)user);
    pay();
}

/* A ticket, and what is to be called with it. */
#define ASK(request, ...)                                             \
    do {                                                              \
        tenon_ticket *t_ = fresh();                                   \
        tenon_ticket **at_ = &tickets[ticket_count - 1];              \
        (void)owed(request(__VA_ARGS__, t_, on_ticket, (void *)at_)); \
    } while (0)
#define TRY_MAKE(call)               \
    do {                             \
        tenon_status made_ = (call); \
        if (made_ < 0) {             \
            return made_;            \
        }                            \
    } while (0)

/* ---- locks ---- */

static tenon_status a_lock(void)
{
    tenon_lock lock;
    TRY_MAKE(tenon_lock_init(&lock, R, "matrix"));
    ASK(tenon_lock_request, &lock);
    const tenon_ticket *holder = tickets[ticket_count - 1];
    ASK(tenon_lock_request, &lock);
    WANT(tenon_lock_is_held(&lock) && !tenon_lock_owner(&lock));
    tenon_status status = tenon_lock_release_ticket(&lock, holder);
    tenon_lock_fini(&lock);
    return status;
}

static tenon_status a_lock_by_task(void)
{
    tenon_lock lock;
    TRY_MAKE(tenon_lock_init(&lock, R, "matrix"));
    tenon_status status = tenon_lock_acquire(&lock);
    WANT(tenon_lock_release(&lock) == status || status < 0);
    if (tenon_lock_try(&lock) == TENON_OK) {
        WANT(tenon_lock_release(&lock) == TENON_OK);
    }
    tenon_lock_fini(&lock);
    return status;
}

static tenon_status an_rlock(void)
{
    tenon_rlock lock;
    TRY_MAKE(tenon_rlock_init(&lock, R, "matrix"));
    tenon_status status = tenon_rlock_acquire(&lock);
    WANT(status < 0 || tenon_rlock_try(&lock) == TENON_OK);
    WANT(status < 0 || tenon_rlock_owner(&lock) == tenon_task_current());
    WANT(status < 0 || tenon_rlock_release(&lock) == TENON_OK);
    tenon_rlock_fini(&lock);
    return status;
}

static tenon_status an_rwlock(void)
{
    tenon_rwlock lock;
    TRY_MAKE(tenon_rwlock_init(&lock, R, "matrix"));
    tenon_status status = tenon_rwlock_try_read(&lock);
    ASK(tenon_rwlock_request_write, &lock);
    const tenon_ticket *writer = tickets[ticket_count - 1];
    ASK(tenon_rwlock_request_read, &lock);
    WANT(tenon_rwlock_readers(&lock) == 1 && !tenon_rwlock_owner(&lock));
    WANT(tenon_rwlock_release_read(&lock) == TENON_OK);
    WANT(tenon_rwlock_release_ticket(&lock, writer) == TENON_OK);
    tenon_rwlock_fini(&lock);
    return status;
}

static tenon_status an_rwlock_by_task(void)
{
    tenon_rwlock lock;
    TRY_MAKE(tenon_rwlock_init(&lock, R, "matrix"));
    tenon_status status = tenon_rwlock_write(&lock);
    WANT(status < 0 || tenon_rwlock_release_write(&lock) == TENON_OK);
    if (tenon_rwlock_try_write(&lock) == TENON_OK) {
        WANT(tenon_rwlock_release_write(&lock) == TENON_OK);
    }
    if (status == TENON_OK) {
        status = tenon_rwlock_read(&lock);
    }
    tenon_rwlock_fini(&lock);
    return status;
}

static tenon_status a_cond(void)
{
    tenon_lock lock;
    tenon_cond cond;
    TRY_MAKE(tenon_lock_init(&lock, R, "matrix"));
    WANT(tenon_cond_init(&cond, &lock, "matrix") == TENON_OK);
    tenon_status status = tenon_cond_wait(&cond); /* without the lock */
    WANT(tenon_cond_notify(&cond, 1) == TENON_INVALID);
    WANT(tenon_cond_notify_all(&cond) == TENON_INVALID);
    tenon_cond_fini(&cond);
    tenon_lock_fini(&lock);
    return status;
}

/* ---- events, semaphores, barriers ---- */

static tenon_status an_event(void)
{
    tenon_event event;
    TRY_MAKE(tenon_event_init(&event, R, "matrix"));
    ASK(tenon_event_request, &event);
    tenon_status status = tenon_event_set(&event);
    WANT(tenon_event_is_set(&event));
    WANT(tenon_event_clear(&event) == TENON_EXISTED);
    ASK(tenon_event_request, &event);
    tenon_event_fini(&event);
    return status;
}

static tenon_status an_event_by_task(void)
{
    tenon_event event;
    TRY_MAKE(tenon_event_init(&event, R, "matrix"));
    (void)tenon_event_set(&event);
    tenon_status status = tenon_event_wait(&event);
    tenon_event_fini(&event);
    return status;
}

static tenon_status a_semaphore(void)
{
    tenon_semaphore semaphore;
    TRY_MAKE(tenon_semaphore_init(&semaphore, R, 1, 1, "matrix"));
    tenon_status status = tenon_semaphore_try(&semaphore);
    ASK(tenon_semaphore_request, &semaphore);
    WANT(tenon_semaphore_release(&semaphore) == TENON_OK);
    WANT(tenon_semaphore_value(&semaphore) == 0);
    ASK(tenon_semaphore_request, &semaphore);
    tenon_semaphore_fini(&semaphore);
    return status;
}

static tenon_status a_semaphore_by_task(void)
{
    tenon_semaphore semaphore;
    TRY_MAKE(tenon_semaphore_init(&semaphore, R, 1, 1, "matrix"));
    tenon_status status = tenon_semaphore_acquire(&semaphore);
    tenon_semaphore_fini(&semaphore);
    return status;
}

static tenon_status a_barrier(void)
{
    tenon_barrier barrier;
    TRY_MAKE(tenon_barrier_init(&barrier, R, 2, "matrix"));
    ASK(tenon_barrier_request, &barrier);
    WANT(tenon_barrier_waiting(&barrier) == 1);
    WANT(tenon_barrier_abort(&barrier) == TENON_OK);
    WANT(tenon_barrier_is_broken(&barrier));
    tenon_status status = tenon_barrier_reset(&barrier);
    ASK(tenon_barrier_request, &barrier);
    ASK(tenon_barrier_request, &barrier);
    tenon_barrier_fini(&barrier);
    return status;
}

static tenon_status a_barrier_by_task(void)
{
    tenon_barrier barrier;
    TRY_MAKE(tenon_barrier_init(&barrier, R, 1, "matrix"));
    tenon_status status = tenon_barrier_wait(&barrier, NULL);
    tenon_barrier_fini(&barrier);
    return status;
}

static tenon_status a_waitq(void)
{
    tenon_waitq queue;
    TRY_MAKE(tenon_waitq_init(&queue, R, "matrix"));
    for (int i = 0; i < 4; i++) {
        ASK(tenon_waitq_request, &queue);
    }
    WANT(tenon_waitq_wake(&queue) && tenon_waitq_count(&queue) == 3);
    WANT(tenon_waitq_throw(&queue, TENON_ABORTED) == 3);
    ASK(tenon_waitq_request, &queue);
    WANT(tenon_waitq_wake_all(&queue) == 1);
    tenon_waitq_fini(&queue);
    return TENON_OK;
}

static tenon_status a_waitq_by_task(void)
{
    return tenon_waitq_wait(NULL);
}

/* ---- queues ---- */

static tenon_status a_queue(void)
{
    tenon_queue queue;
    void *item = NULL;
    TRY_MAKE(tenon_queue_init(&queue, R, 1, NULL));
    WANT(tenon_queue_try_put(&queue, &queue) == TENON_OK);
    ASK(tenon_queue_request_put, &queue, &queue);
    ASK(tenon_queue_request_join, &queue);
    WANT(tenon_queue_try_get(&queue, &item) == TENON_OK && item == &queue);
    WANT(tenon_queue_count(&queue) == 1);
    WANT(tenon_queue_task_done(&queue) == TENON_OK);
    ASK(tenon_queue_request_get, &queue);
    ASK(tenon_queue_request_get, &queue);
    WANT(tenon_queue_unfinished(&queue) == 1);
    tenon_status status = tenon_queue_close(&queue, true);
    WANT(tenon_queue_is_closed(&queue));
    tenon_queue_fini(&queue);
    return status;
}

static tenon_status a_queue_by_task(void)
{
    tenon_queue queue;
    void *item;
    TRY_MAKE(tenon_queue_init(&queue, R, 1, NULL));
    tenon_status status = tenon_queue_put(&queue, &queue);
    if (status == TENON_OK) {
        status = tenon_queue_get(&queue, &item);
    }
    if (status == TENON_OK) {
        (void)tenon_queue_task_done(&queue);
    }
    if (tenon_queue_unfinished(&queue) == 0) {
        status = tenon_queue_join(&queue);
    }
    tenon_queue_fini(&queue);
    return status;
}

static tenon_status a_select(void)
{
    tenon_event event;
    TRY_MAKE(tenon_event_init(&event, R, "matrix"));
    tenon_case one = {.op = TENON_CASE_EVENT, .object = &event};
    tenon_status status = tenon_select(&one, 1, TENON_SELECT_TRY, NULL);
    tenon_event_fini(&event);
    return status;
}

static tenon_status a_channel(void)
{
    tenon_channel *sender, *receiver;
    void *item = NULL;
    TRY_MAKE(tenon_channel_new(1, NULL, &sender, &receiver));
    tenon_status status = tenon_channel_bind(sender, R);
    if (status == TENON_OK) {
        WANT(tenon_channel_bind(receiver, R) == TENON_OK);
        WANT(tenon_channel_try_send(sender, &item) == TENON_OK);
        ASK(tenon_channel_request_send, sender, &item);
        WANT(tenon_channel_try_receive(receiver, &item) == TENON_OK);
        ASK(tenon_channel_request_receive, receiver);
    }
    WANT(tenon_channel_close(sender) == TENON_OK);
    WANT(tenon_channel_close(receiver) == TENON_OK);
    return status;
}

static tenon_status a_channel_by_task(void)
{
    tenon_channel *sender, *receiver;
    void *item = NULL;
    TRY_MAKE(tenon_channel_new(1, NULL, &sender, &receiver));
    tenon_status status = tenon_channel_bind(sender, R);
    if (status == TENON_OK) {
        status = tenon_channel_bind(receiver, R);
    }
    if (status == TENON_OK) {
        status = tenon_channel_send(sender, NULL);
    }
    if (status == TENON_OK) {
        status = tenon_channel_receive(receiver, &item);
    }
    WANT(tenon_channel_close(sender) == TENON_OK);
    WANT(tenon_channel_close(receiver) == TENON_OK);
    return status;
}

/* ---- a place in one ---- */

static tenon_status ticket_free(actor *a)
{
    tenon_status status = tenon_ticket_cancel(a->ticket);
    DISOWN(a->ticket);
    return status;
}

/* ---- the table ---- */

#define CALL(function, variant, on, flags, may, expression) \
    static tenon_status do_##function##_##variant(actor *a) \
    {                                                       \
        (void)a;                                            \
        return (expression);                                \
    }
#include "calls_lock.def"

static const call_row rows[] = {
#define CALL(function, variant, on, flags, may, expression) \
    {#function, #variant, on, flags, may, do_##function##_##variant},
#include "calls_lock.def"
};
const call_table calls_lock = {rows, sizeof rows / sizeof rows[0]};
