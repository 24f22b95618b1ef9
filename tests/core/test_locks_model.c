/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Lock, re-entrant lock, read-write lock, semaphore, event, wait queue and
 * barrier, in every order of use (interleave.h). The models have no queue of
 * wake-ups and no tickets: they say who is in, and who is next.
 *
 * ctest: timeout=240
 */

#include "interleave.h"

static int holders(const model *m, bool writers)
{
    int count = 0;
    for (int i = 0; i < ACTORS; i++) {
        bool in = m->state[i] == WOKEN || m->state[i] == HOLDING ||
                  m->state[i] == RELEASING;
        count += in && m->note[i] == (writers ? 1 : 0);
    }
    return count;
}

/* ---- so many may be in: lock and semaphore ---- */

static int places_enter(model *m, int actor)
{
    (void)actor;
    return holders(m, false) < m->number;
}

static void places_next(model *m)
{
    while (m->waiting_count > 0 && holders(m, false) < m->number) {
        grant(m, m->waiting[0]);
    }
}

static void places_undo(model *m, int actor)
{
    (void)actor;
    places_next(m);
}

/* ---- lock ---- */

static tenon_lock lock;

static void lock_init(void)
{
    SAME(tenon_lock_init(&lock, reactor, "lock"), TENON_OK);
}

static void lock_fini(void)
{
    tenon_lock_fini(&lock);
}

static tenon_status lock_acquire(int actor)
{
    (void)actor;
    return tenon_lock_acquire(&lock);
}

static void lock_release(int actor)
{
    (void)actor;
    SAME(tenon_lock_release(&lock), TENON_OK);
    SAME(tenon_lock_release(&lock), TENON_INVALID);
}

static void lock_check(const model *m)
{
    int in = holders(m, false);
    SAME(tenon_lock_is_held(&lock), in);
    SAME(tenon_waitq_count(&lock.queue), m->waiting_count);
    for (int i = 0; in > 0 && i < ACTORS; i++) {
        bool mine = m->state[i] == WOKEN || m->state[i] == HOLDING ||
                    m->state[i] == RELEASING;
        MUST(!cast[i].task ||
             mine == (tenon_lock_owner(&lock) == cast[i].task));
    }
}

static const object lock_object = {
    .name = "lock",
    .init = lock_init,
    .fini = lock_fini,
    .acquire = lock_acquire,
    .release = lock_release,
    .check = lock_check,
    .enter = places_enter,
    .undo = places_undo,
    .let_go = places_undo,
};

/* ---- re-entrant lock, always taken twice ---- */

static tenon_rlock rlock;

static void rlock_init(void)
{
    SAME(tenon_rlock_init(&rlock, reactor, "rlock"), TENON_OK);
}

static void rlock_fini(void)
{
    tenon_rlock_fini(&rlock);
}

static tenon_status rlock_acquire(int actor)
{
    (void)actor;
    TENON_TRY(tenon_rlock_acquire(&rlock));
    SAME(tenon_rlock_try(&rlock), TENON_OK);
    return TENON_OK;
}

static void rlock_release(int actor)
{
    (void)actor;
    for (int i = 0; i < 2; i++) {
        SAME(tenon_rlock_owner(&rlock), tenon_task_current());
        SAME(tenon_rlock_release(&rlock), TENON_OK);
    }
    SAME(tenon_rlock_release(&rlock), TENON_INVALID);
}

static void rlock_check(const model *m)
{
    SAME(tenon_lock_is_held(&rlock.lock), holders(m, false));
}

static const object rlock_object = {
    .name = "re-entrant lock",
    .init = rlock_init,
    .fini = rlock_fini,
    .acquire = rlock_acquire,
    .release = rlock_release,
    .check = rlock_check,
    .enter = places_enter,
    .undo = places_undo,
    .let_go = places_undo,
};

/* ---- semaphore of two ---- */

static tenon_semaphore semaphore;

static void semaphore_init(void)
{
    SAME(tenon_semaphore_init(&semaphore, reactor, 2, 2, "semaphore"),
         TENON_OK);
}

static void semaphore_fini(void)
{
    tenon_semaphore_fini(&semaphore);
}

static tenon_status semaphore_acquire(int actor)
{
    (void)actor;
    return tenon_semaphore_acquire(&semaphore);
}

static void semaphore_release(int actor)
{
    (void)actor;
    SAME(tenon_semaphore_release(&semaphore), TENON_OK);
}

static void semaphore_check(const model *m)
{
    SAME((int)tenon_semaphore_value(&semaphore), 2 - holders(m, false));
    SAME(tenon_waitq_count(&semaphore.queue), m->waiting_count);
}

static const object semaphore_object = {
    .name = "semaphore",
    .init = semaphore_init,
    .fini = semaphore_fini,
    .acquire = semaphore_acquire,
    .release = semaphore_release,
    .check = semaphore_check,
    .enter = places_enter,
    .undo = places_undo,
    .let_go = places_undo,
};

/* ---- read-write lock: two of each ---- */

static tenon_rwlock rwlock;

static void rwlock_init(void)
{
    SAME(tenon_rwlock_init(&rwlock, reactor, "rwlock"), TENON_OK);
}

static void rwlock_fini(void)
{
    tenon_rwlock_fini(&rwlock);
}

static bool writes(int actor)
{
    return actor >= 2;
}

static tenon_status rwlock_acquire(int actor)
{
    return writes(actor) ? tenon_rwlock_write(&rwlock)
                         : tenon_rwlock_read(&rwlock);
}

static void rwlock_release(int actor)
{
    SAME(writes(actor) ? tenon_rwlock_release_write(&rwlock)
                       : tenon_rwlock_release_read(&rwlock),
         TENON_OK);
}

static bool rwlock_fits(const model *m, int actor)
{
    return holders(m, true) == 0 && (!writes(actor) || holders(m, false) == 0);
}

static int rwlock_enter(model *m, int actor)
{
    m->note[actor] = writes(actor);
    return m->waiting_count == 0 && rwlock_fits(m, actor);
}

static void rwlock_next(model *m)
{
    while (m->waiting_count > 0 && rwlock_fits(m, m->waiting[0])) {
        grant(m, m->waiting[0]);
    }
}

static void rwlock_undo(model *m, int actor)
{
    (void)actor;
    rwlock_next(m);
}

static void rwlock_check(const model *m)
{
    SAME((int)tenon_rwlock_readers(&rwlock), holders(m, false));
    SAME(tenon_rwlock_owner(&rwlock) != NULL, holders(m, true));
    SAME(tenon_waitq_count(&rwlock.queue), m->waiting_count);
}

static const object rwlock_object = {
    .name = "read-write lock",
    .init = rwlock_init,
    .fini = rwlock_fini,
    .acquire = rwlock_acquire,
    .release = rwlock_release,
    .check = rwlock_check,
    .enter = rwlock_enter,
    .undo = rwlock_undo,
    .left = rwlock_next,
    .let_go = rwlock_undo,
};

/* ---- event: set and cleared from outside ---- */

static tenon_event event;

static void event_init(void)
{
    SAME(tenon_event_init(&event, reactor, "event"), TENON_OK);
}

static void event_fini(void)
{
    tenon_event_fini(&event);
}

static tenon_status event_acquire(int actor)
{
    (void)actor;
    return tenon_event_wait(&event);
}

static void event_poke(int which)
{
    bool was = tenon_event_is_set(&event);
    SAME(which ? tenon_event_clear(&event) : tenon_event_set(&event),
         was ? TENON_EXISTED : TENON_OK);
}

static int event_enter(model *m, int actor)
{
    (void)actor;
    return m->mode;
}

static void event_poked(model *m, int which)
{
    m->mode = which == 0;
    while (which == 0 && m->waiting_count > 0) {
        grant(m, m->waiting[0]);
    }
}

static void event_check(const model *m)
{
    SAME(tenon_event_is_set(&event), m->mode);
    SAME(tenon_waitq_count(&event.queue), m->waiting_count);
}

static const object event_object = {
    .name = "event",
    .init = event_init,
    .fini = event_fini,
    .acquire = event_acquire,
    .poke = event_poke,
    .pokes = 2,
    .check = event_check,
    .enter = event_enter,
    .poked = event_poked,
};

/* ---- wait queue: wake one, throw ---- */

static tenon_waitq waitq;

static void waitq_init(void)
{
    SAME(tenon_waitq_init(&waitq, reactor, "waitq"), TENON_OK);
}

static void waitq_fini(void)
{
    tenon_waitq_fini(&waitq);
}

static tenon_status waitq_acquire(int actor)
{
    (void)actor;
    return tenon_waitq_wait(&waitq);
}

static void waitq_poke(int which)
{
    size_t count = tenon_waitq_count(&waitq);
    if (which == 0) {
        SAME(tenon_waitq_wake(&waitq), count > 0);
    } else {
        SAME(tenon_waitq_throw(&waitq, TENON_ABORTED), count);
    }
}

static int waitq_enter(model *m, int actor)
{
    (void)m;
    (void)actor;
    return 0;
}

static void waitq_poked(model *m, int which)
{
    if (which == 0 && m->waiting_count > 0) {
        grant(m, m->waiting[0]);
    }
    if (which == 1) {
        fail_waiting(m);
    }
}

static void waitq_undo(model *m, int actor)
{
    waitq_poked(m, 0);
    (void)actor;
}

static void waitq_check(const model *m)
{
    SAME(tenon_waitq_count(&waitq), m->waiting_count);
}

static const object waitq_object = {
    .name = "wait queue",
    .init = waitq_init,
    .fini = waitq_fini,
    .acquire = waitq_acquire,
    .poke = waitq_poke,
    .pokes = 2,
    .check = waitq_check,
    .enter = waitq_enter,
    .undo = waitq_undo,
    .poked = waitq_poked,
};

/* ---- barrier: reset and aborted from outside ---- */

enum { FILLS, DRAINS, BROKEN };

static tenon_barrier barrier;
static size_t parties;

static void barrier_init(void)
{
    SAME(tenon_barrier_init(&barrier, reactor, parties, "barrier"), TENON_OK);
}

static void barrier_fini(void)
{
    tenon_barrier_fini(&barrier);
}

static tenon_status barrier_acquire(int actor)
{
    (void)actor;
    return tenon_barrier_wait(&barrier, NULL);
}

static void barrier_poke(int which)
{
    SAME(which ? tenon_barrier_abort(&barrier) : tenon_barrier_reset(&barrier),
         TENON_OK);
}

static void barrier_open(model *m, int count)
{
    for (int i = 0; i < count; i++) {
        m->note[m->waiting[0]] = 1;
        grant(m, m->waiting[0]);
    }
    m->mode = count > 0 ? DRAINS : FILLS;
}

static int barrier_enter(model *m, int actor)
{
    m->note[actor] = 0;
    if (m->mode == BROKEN) {
        return -1;
    }
    if (m->mode == DRAINS || m->waiting_count + 1 < m->number) {
        return 0;
    }
    barrier_open(m, m->number - 1);
    return 1;
}

static bool barrier_drains(const model *m)
{
    for (int i = 0; i < ACTORS; i++) {
        if (m->state[i] == WOKEN) {
            return true;
        }
    }
    return false;
}

static void barrier_taken(model *m, int actor)
{
    m->note[actor] = 0;
    if (m->mode == DRAINS && !barrier_drains(m)) {
        m->mode = FILLS;
        if (m->waiting_count >= m->number) {
            barrier_open(m, m->number);
        }
    }
}

static void barrier_poked(model *m, int which)
{
    if (which || m->mode == FILLS) {
        fail_waiting(m);
    }
    if (which) {
        m->mode = BROKEN;
    } else if (m->mode == BROKEN) {
        m->mode = barrier_drains(m) ? DRAINS : FILLS;
    }
}

static void barrier_check(const model *m)
{
    SAME(tenon_barrier_is_broken(&barrier), m->mode == BROKEN);
    SAME(tenon_waitq_count(&barrier.queue), m->waiting_count);
    SAME(tenon_barrier_waiting(&barrier),
         m->mode == FILLS ? m->waiting_count : 0);
}

static const object barrier_object = {
    .name = "barrier",
    .init = barrier_init,
    .fini = barrier_fini,
    .acquire = barrier_acquire,
    .poke = barrier_poke,
    .pokes = 2,
    .check = barrier_check,
    .enter = barrier_enter,
    .taken = barrier_taken,
    .undo = barrier_taken,
    .poked = barrier_poked,
};

/* ---- the tests ---- */

static void try_both(const object *what, uint8_t number)
{
    try_all_states(what, number);
    walk(what, number);
}

START_TEST(a_lock_in_every_order)
{
    try_both(&lock_object, 1);
}
END_TEST

START_TEST(a_reentrant_lock_in_every_order)
{
    try_both(&rlock_object, 1);
}
END_TEST

START_TEST(a_semaphore_in_every_order)
{
    try_both(&semaphore_object, 2);
}
END_TEST

START_TEST(a_read_write_lock_in_every_order)
{
    try_both(&rwlock_object, 0);
}
END_TEST

START_TEST(an_event_in_every_order)
{
    try_both(&event_object, 0);
}
END_TEST

START_TEST(a_wait_queue_in_every_order)
{
    try_both(&waitq_object, 0);
}
END_TEST

START_TEST(a_barrier_in_every_order)
{
    for (parties = 1; parties <= 3; parties++) {
        try_both(&barrier_object, (uint8_t)parties);
    }
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        a_lock_in_every_order,      a_reentrant_lock_in_every_order,
        a_semaphore_in_every_order, a_read_write_lock_in_every_order,
        an_event_in_every_order,    a_wait_queue_in_every_order,
        a_barrier_in_every_order,
    };
    return RUN_TESTS("locks_model", tests);
}
