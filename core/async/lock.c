/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The lock, the one that may be taken again, and the condition. A lock that is
 * released while others wait is never free: it is the next one's at once.
 */

#include "async/waitq.h"

#include <tenon/lock.h>

/* ---- the lock ---- */

static tenon_status enter_lock(tenon_waitq *q, tenon_ticket *t)
{
    if (q->holder) {
        return q->holder == tenon__ticket_who(t) ? -EDEADLK : TENON_BUSY;
    }
    tenon__waitq_hold(q, t);
    return TENON_OK;
}

static void pass_lock(tenon_waitq *q)
{
    tenon_ticket *next = tenon__waitq_first(q);
    tenon__waitq_let_go(q);
    if (next) {
        tenon__waitq_hold(q, next);
        tenon__ticket_grant(next);
    }
}

static void undo_lock(tenon_waitq *q, tenon_ticket *t)
{
    (void)t;
    pass_lock(q);
}

static const tenon__waitq_kind lock_kind = {
    .wait = {"lock", tenon__ticket_unwait, tenon__wait_owner},
    .enter = enter_lock,
    .undo = undo_lock,
};
static const tenon__waitq_kind rlock_kind = {
    .wait = {"re-entrant lock", tenon__ticket_unwait, tenon__wait_owner},
    .enter = enter_lock,
    .undo = undo_lock,
};

tenon_status tenon_lock_init(tenon_lock *lock, tenon_reactor *r,
                             const char *name)
{
    return lock ? tenon__waitq_init(&lock->queue, r, &lock_kind, name)
                : TENON_INVALID;
}

void tenon_lock_fini(tenon_lock *lock)
{
    tenon_waitq_fini(&lock->queue);
}

tenon_status tenon_lock_acquire_at(tenon_lock *lock, const char *site)
{
    tenon_ticket t = tenon__ticket(TENON__TAKES, NULL);
    return tenon__waitq_wait(&lock->queue, &t, site);
}

tenon_status tenon_lock_try(tenon_lock *lock)
{
    tenon_ticket t = tenon__ticket(TENON__TAKES, NULL);
    return tenon__task_current() ? tenon__waitq_try(&lock->queue, &t)
                                 : TENON_INVALID;
}

static tenon_status release(tenon_waitq *q, const void *who)
{
    tenon_status status = tenon__waitq_check(q);
    if (status < 0) {
        return status;
    }
    if (!who || q->holder != who) {
        return TENON_INVALID;
    }
    pass_lock(q);
    return TENON_OK;
}

tenon_status tenon_lock_release(tenon_lock *lock)
{
    return release(&lock->queue, tenon__task_current());
}

tenon_status tenon_lock_request(tenon_lock *lock, tenon_ticket *t,
                                tenon_ticket_fn *fn, void *user)
{
    if (!t) {
        return TENON_INVALID;
    }
    *t = tenon__ticket(TENON__TAKES, NULL);
    return tenon__waitq_request(&lock->queue, t, fn, user);
}

tenon_status tenon_lock_release_ticket(tenon_lock *lock, const tenon_ticket *t)
{
    return release(&lock->queue, t);
}

bool tenon_lock_is_held(const tenon_lock *lock)
{
    return lock->queue.holder != NULL;
}

tenon_task *tenon_lock_owner(const tenon_lock *lock)
{
    return lock->queue.owner;
}

/* ---- the one that may be taken again ---- */

tenon_status tenon_rlock_init(tenon_rlock *lock, tenon_reactor *r,
                              const char *name)
{
    if (!lock) {
        return TENON_INVALID;
    }
    lock->depth = 0;
    return tenon__waitq_init(&lock->lock.queue, r, &rlock_kind, name);
}

void tenon_rlock_fini(tenon_rlock *lock)
{
    tenon_lock_fini(&lock->lock);
}

static tenon_status count_up(tenon_rlock *lock, tenon_status status)
{
    if (status == TENON_OK) {
        lock->depth = 1;
    } else if (status == -EDEADLK) {
        lock->depth++;
        status = TENON_OK;
    }
    return status;
}

tenon_status tenon_rlock_acquire_at(tenon_rlock *lock, const char *site)
{
    return count_up(lock, tenon_lock_acquire_at(&lock->lock, site));
}

tenon_status tenon_rlock_try(tenon_rlock *lock)
{
    return count_up(lock, tenon_lock_try(&lock->lock));
}

tenon_status tenon_rlock_release(tenon_rlock *lock)
{
    const tenon_task *task = tenon__task_current();
    bool inner = task && lock->lock.queue.holder == task && lock->depth > 1;
    if (!inner) {
        return tenon_lock_release(&lock->lock);
    }
    lock->depth--;
    return TENON_OK;
}

tenon_task *tenon_rlock_owner(const tenon_rlock *lock)
{
    return lock->lock.queue.owner;
}

/* ---- condition ---- */

static tenon_status enter_cond(tenon_waitq *q, tenon_ticket *t)
{
    (void)q;
    (void)t;
    return TENON_BUSY;
}

static void undo_cond(tenon_waitq *q, tenon_ticket *t)
{
    (void)t;
    (void)tenon_waitq_wake(q);
}

static const tenon__waitq_kind cond_kind = {
    .wait = {"condition", tenon__ticket_unwait, tenon__wait_owner},
    .enter = enter_cond,
    .undo = undo_cond,
};

tenon_status tenon_cond_init(tenon_cond *cond, tenon_lock *lock,
                             const char *name)
{
    if (!cond || !lock || !lock->queue.reactor) {
        return TENON_INVALID;
    }
    cond->lock = lock;
    return tenon__waitq_init(&cond->queue, lock->queue.reactor, &cond_kind,
                             name);
}

void tenon_cond_fini(tenon_cond *cond)
{
    tenon_waitq_fini(&cond->queue);
}

static bool holds(const tenon_lock *lock)
{
    const tenon_task *task = tenon__task_current();
    return task && lock->queue.holder == task;
}

/* A cancelling that comes now is the next wait's. */
static tenon_status acquire_masked(tenon_lock *lock, const char *site)
{
    (void)tenon_mask_begin();
    tenon_status status = tenon_lock_acquire_at(lock, site);
    (void)tenon_mask_end();
    return status;
}

/* A condition that has ended may be gone, and its lock, too. */
tenon_status tenon_cond_wait_at(tenon_cond *cond, const char *site)
{
    tenon_lock *lock = cond->lock;
    tenon_ticket t = tenon__ticket(TENON__TAKES, NULL);
    tenon__wait w;
    if (!cond->queue.reactor || !holds(lock)) {
        return TENON_INVALID;
    }
    tenon_status status = tenon__wait_begin(&w, &cond_kind.wait, site);
    if (status < 0) {
        return status; /* before the lock is let go of */
    }
    pass_lock(&lock->queue);
    status = tenon__waitq_wait(&cond->queue, &t, site);
    if (t.reactor && !t.queue) {
        return status;
    }
    tenon_status locked = acquire_masked(lock, site);
    return locked < 0 ? locked : status;
}

tenon_status tenon_cond_notify(tenon_cond *cond, size_t count)
{
    tenon_status status = tenon__waitq_check(&cond->queue);
    if (status < 0 || !holds(cond->lock)) {
        return status < 0 ? status : TENON_INVALID;
    }
    while (count > 0 && tenon_waitq_wake(&cond->queue)) {
        count--;
    }
    return TENON_OK;
}

tenon_status tenon_cond_notify_all(tenon_cond *cond)
{
    return tenon_cond_notify(cond, SIZE_MAX);
}
