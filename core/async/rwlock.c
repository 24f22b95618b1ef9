/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The lock for readers and writers. Both kinds wait in one queue; what comes
 * to its head goes on as soon as it can beside those that hold the lock. So a
 * reader goes on at once only where nobody waits.
 */

#include "async/waitq.h"

#include <tenon/lock.h>

static tenon_rwlock *rwlock_of(tenon_waitq *q)
{
    return TENON__OF(q, tenon_rwlock, queue);
}

static bool fits(const tenon_rwlock *lock, const tenon_ticket *t)
{
    return !lock->queue.holder &&
           (t->role == TENON__TAKES || lock->readers == 0);
}

static void hold(tenon_rwlock *lock, const tenon_ticket *t)
{
    if (t->role == TENON__TAKES) {
        lock->readers++;
    } else {
        tenon__waitq_hold(&lock->queue, t);
    }
}

static tenon_status enter(tenon_waitq *q, tenon_ticket *t)
{
    tenon_rwlock *lock = rwlock_of(q);
    if (q->holder && q->holder == tenon__ticket_who(t)) {
        return -EDEADLK;
    }
    if (q->count > 0 || !fits(lock, t)) {
        return TENON_BUSY;
    }
    hold(lock, t);
    return TENON_OK;
}

static void let_in(tenon_waitq *q)
{
    tenon_rwlock *lock = rwlock_of(q);
    tenon_ticket *t;
    while ((t = tenon__waitq_first(q)) != NULL && fits(lock, t)) {
        hold(lock, t);
        tenon__ticket_grant(t);
    }
}

static void undo(tenon_waitq *q, tenon_ticket *t)
{
    if (t->role == TENON__TAKES) {
        rwlock_of(q)->readers--;
    } else {
        tenon__waitq_let_go(q);
    }
    let_in(q);
}

static const tenon__waitq_kind kind = {
    .wait = {"read-write lock", tenon__ticket_unwait, tenon__wait_owner},
    .enter = enter,
    .undo = undo,
    .left = let_in, /* a writer that readers wait behind */
};

tenon_status tenon_rwlock_init(tenon_rwlock *lock, tenon_reactor *r,
                               const char *name)
{
    if (!lock) {
        return TENON_INVALID;
    }
    lock->readers = 0;
    return tenon__waitq_init(&lock->queue, r, &kind, name);
}

void tenon_rwlock_fini(tenon_rwlock *lock)
{
    tenon_waitq_fini(&lock->queue);
}

static tenon_status acquire(tenon_rwlock *lock, uint8_t role, const char *site)
{
    tenon_ticket t = tenon__ticket(role, NULL);
    return tenon__waitq_wait(&lock->queue, &t, site);
}

tenon_status tenon_rwlock_read_at(tenon_rwlock *lock, const char *site)
{
    return acquire(lock, TENON__TAKES, site);
}

tenon_status tenon_rwlock_write_at(tenon_rwlock *lock, const char *site)
{
    return acquire(lock, TENON__GIVES, site);
}

tenon_status tenon_rwlock_try_read(tenon_rwlock *lock)
{
    tenon_ticket t = tenon__ticket(TENON__TAKES, NULL);
    return tenon__waitq_try(&lock->queue, &t);
}

tenon_status tenon_rwlock_try_write(tenon_rwlock *lock)
{
    tenon_ticket t = tenon__ticket(TENON__GIVES, NULL);
    return tenon__task_current() ? tenon__waitq_try(&lock->queue, &t)
                                 : TENON_INVALID;
}

tenon_status tenon_rwlock_release_read(tenon_rwlock *lock)
{
    tenon_status status = tenon__waitq_check(&lock->queue);
    if (status < 0 || lock->readers == 0) {
        return status < 0 ? status : TENON_INVALID;
    }
    lock->readers--;
    let_in(&lock->queue);
    return TENON_OK;
}

static tenon_status release_write(tenon_rwlock *lock, const void *who)
{
    tenon_status status = tenon__waitq_check(&lock->queue);
    if (status < 0 || !who || lock->queue.holder != who) {
        return status < 0 ? status : TENON_INVALID;
    }
    tenon__waitq_let_go(&lock->queue);
    let_in(&lock->queue);
    return TENON_OK;
}

tenon_status tenon_rwlock_release_write(tenon_rwlock *lock)
{
    return release_write(lock, tenon__task_current());
}

static tenon_status request(tenon_rwlock *lock, tenon_ticket *t, uint8_t role,
                            tenon_ticket_fn *fn, void *user)
{
    if (!t) {
        return TENON_INVALID;
    }
    *t = tenon__ticket(role, NULL);
    return tenon__waitq_request(&lock->queue, t, fn, user);
}

tenon_status tenon_rwlock_request_read(tenon_rwlock *lock, tenon_ticket *t,
                                       tenon_ticket_fn *fn, void *user)
{
    return request(lock, t, TENON__TAKES, fn, user);
}

tenon_status tenon_rwlock_request_write(tenon_rwlock *lock, tenon_ticket *t,
                                        tenon_ticket_fn *fn, void *user)
{
    return request(lock, t, TENON__GIVES, fn, user);
}

tenon_status tenon_rwlock_release_ticket(tenon_rwlock *lock,
                                         const tenon_ticket *t)
{
    return release_write(lock, t);
}

size_t tenon_rwlock_readers(const tenon_rwlock *lock)
{
    return lock->readers;
}

tenon_task *tenon_rwlock_owner(const tenon_rwlock *lock)
{
    return lock->queue.owner;
}
