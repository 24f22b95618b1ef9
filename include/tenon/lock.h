/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Locks, for tasks and callbacks of one reactor: what must not be interleaved
 * though it waits in between. They are handed over in the order of asking;
 * who asks later cannot come first. No thread ever waits for one. Of what they
 * share with other objects that are waited in, see tenon/waitq.h.
 *
 * What a task holds it must release itself, also when it was cancelled: the
 * wait that was cancelled has got nothing.
 */

#ifndef TENON_LOCK_H
#define TENON_LOCK_H

#include <tenon/waitq.h>

/** A lock. */
typedef struct tenon_lock {
    /* Private: */
    tenon_waitq queue;
} tenon_lock;

/** A lock that its owner may take again. */
typedef struct tenon_rlock {
    /* Private: */
    tenon_lock lock;
    size_t depth;
} tenon_rlock;

/** A lock that is held by any number of readers, or by one writer. First come,
 *  first served: a reader waits behind a writer that waits, so neither kind
 *  can be kept out by the other for ever. */
typedef struct tenon_rwlock {
    /* Private: */
    tenon_waitq queue;
    size_t readers;
} tenon_rwlock;

/** A condition: tasks that hold a lock wait, without it, for what another one
 *  does that holds it. */
typedef struct tenon_cond {
    /* Private: */
    tenon_waitq queue;
    tenon_lock *lock;
} tenon_cond;

TENON_BEGIN

/* ---- lock ---- */

/** Prepares a lock; see tenon_waitq_init. */
TENON_CHECKED TENON_API tenon_status tenon_lock_init(tenon_lock *lock,
                                                     tenon_reactor *reactor,
                                                     const char *name);
/** Ends it, held or not; see tenon_waitq_fini. */
TENON_API void tenon_lock_fini(tenon_lock *lock);
/** Takes it for the calling task, and waits until that can be.
 *  Errors: as tenon_waitq_wait; -EDEADLK if the task holds it. */
#define tenon_lock_acquire(lock) tenon_lock_acquire_at((lock), TENON_SITE)
/** The same; see tenon_await_at. */
TENON_CHECKED TENON_API tenon_status tenon_lock_acquire_at(tenon_lock *lock,
                                                           const char *site);
/** Takes it for the calling task if it is free.
 *  Errors: TENON_BUSY if it is not; TENON_INVALID outside of a task. */
TENON_CHECKED TENON_API tenon_status tenon_lock_try(tenon_lock *lock);
/** Gives it to the one that has waited longest, or back.
 *  Errors: TENON_INVALID unless the calling task holds it. */
TENON_API tenon_status tenon_lock_release(tenon_lock *lock);
/** Takes it for a callback: `fn` is called when it is the ticket's. Holding it
 *  needs no memory; the ticket's address names who does.
 *  Errors: as tenon_waitq_request; -EDEADLK. */
TENON_CHECKED TENON_API tenon_status tenon_lock_request(tenon_lock *lock,
                                                        tenon_ticket *ticket,
                                                        tenon_ticket_fn *fn,
                                                        void *user);
/** Releases what was taken by this ticket.
 *  Errors: TENON_INVALID unless that holds it. */
TENON_API tenon_status tenon_lock_release_ticket(tenon_lock *lock,
                                                 const tenon_ticket *ticket);
/** Whether anybody holds it. */
TENON_API bool tenon_lock_is_held(const tenon_lock *lock);
/** The task that holds it, borrowed; NULL if none does. */
TENON_API tenon_task *tenon_lock_owner(const tenon_lock *lock);

/* ---- re-entrant lock ---- */

/** Prepares a lock that its owner may take again. */
TENON_CHECKED TENON_API tenon_status tenon_rlock_init(tenon_rlock *lock,
                                                      tenon_reactor *reactor,
                                                      const char *name);
/** Ends it. */
TENON_API void tenon_rlock_fini(tenon_rlock *lock);
/** As tenon_lock_acquire; at once for the task that holds it. Each needs a
 *  release of its own. */
#define tenon_rlock_acquire(lock) tenon_rlock_acquire_at((lock), TENON_SITE)
/** The same; see tenon_await_at. */
TENON_CHECKED TENON_API tenon_status tenon_rlock_acquire_at(tenon_rlock *lock,
                                                            const char *site);
/** As tenon_lock_try. */
TENON_CHECKED TENON_API tenon_status tenon_rlock_try(tenon_rlock *lock);
/** Takes back one acquire; the last one gives the lock to the next.
 *  Errors: as tenon_lock_release. */
TENON_API tenon_status tenon_rlock_release(tenon_rlock *lock);
/** The task that holds it, borrowed; NULL if none does. */
TENON_API tenon_task *tenon_rlock_owner(const tenon_rlock *lock);

/* ---- readers and a writer ---- */

/** Prepares a lock for readers and writers. */
TENON_CHECKED TENON_API tenon_status tenon_rwlock_init(tenon_rwlock *lock,
                                                       tenon_reactor *reactor,
                                                       const char *name);
/** Ends it. */
TENON_API void tenon_rwlock_fini(tenon_rwlock *lock);
/** Takes it to read. A task that reads already may have to wait for a writer
 *  here, who waits for it: it must not ask again.
 *  Errors: as tenon_waitq_wait; -EDEADLK if the task writes. */
#define tenon_rwlock_read(lock) tenon_rwlock_read_at((lock), TENON_SITE)
/** The same; see tenon_await_at. */
TENON_CHECKED TENON_API tenon_status tenon_rwlock_read_at(tenon_rwlock *lock,
                                                          const char *site);
/** Takes it to write. Errors: as tenon_rwlock_read. */
#define tenon_rwlock_write(lock) tenon_rwlock_write_at((lock), TENON_SITE)
/** The same; see tenon_await_at. */
TENON_CHECKED TENON_API tenon_status tenon_rwlock_write_at(tenon_rwlock *lock,
                                                           const char *site);
/** Takes it to read if that can be at once; in callbacks, too.
 *  Errors: TENON_BUSY. */
TENON_CHECKED TENON_API tenon_status tenon_rwlock_try_read(tenon_rwlock *lock);
/** Takes it to write if that can be at once.
 *  Errors: TENON_BUSY; TENON_INVALID outside of a task. */
TENON_CHECKED TENON_API tenon_status tenon_rwlock_try_write(tenon_rwlock *lock);
/** Ends a reader. Who that is is not checked, but that there is one.
 *  Errors: TENON_INVALID. */
TENON_API tenon_status tenon_rwlock_release_read(tenon_rwlock *lock);
/** Ends the writer.
 *  Errors: TENON_INVALID unless the calling task is that. */
TENON_API tenon_status tenon_rwlock_release_write(tenon_rwlock *lock);
/** As tenon_lock_request, to read. */
TENON_CHECKED TENON_API tenon_status tenon_rwlock_request_read(
    tenon_rwlock *lock, tenon_ticket *ticket, tenon_ticket_fn *fn, void *user);
/** As tenon_lock_request, to write. */
TENON_CHECKED TENON_API tenon_status tenon_rwlock_request_write(
    tenon_rwlock *lock, tenon_ticket *ticket, tenon_ticket_fn *fn, void *user);
/** As tenon_lock_release_ticket, for a writer. */
TENON_API tenon_status tenon_rwlock_release_ticket(tenon_rwlock *lock,
                                                   const tenon_ticket *ticket);
/** How many read. */
TENON_API size_t tenon_rwlock_readers(const tenon_rwlock *lock);
/** The task that writes, borrowed; NULL if none does. */
TENON_API tenon_task *tenon_rwlock_owner(const tenon_rwlock *lock);

/* ---- condition ---- */

/** Prepares a condition on `lock`, whose reactor is its own. The lock is ended
 *  after it. */
TENON_CHECKED TENON_API tenon_status tenon_cond_init(tenon_cond *cond,
                                                     tenon_lock *lock,
                                                     const char *name);
/** Ends it. */
TENON_API void tenon_cond_fini(tenon_cond *cond);
/** Releases the lock, waits for a notice, takes the lock again, which cannot be
 *  cancelled. So the calling task, which must hold it, does so afterwards,
 *  whatever this returns but TENON_INVALID and the errors of an end
 *  (TENON_CLOSED, TENON_HOST_GONE). What is waited for may have gone by then:
 *  wait in a loop.
 *  Errors: as tenon_waitq_wait. */
#define tenon_cond_wait(cond) tenon_cond_wait_at((cond), TENON_SITE)
/** The same; see tenon_await_at. */
TENON_CHECKED TENON_API tenon_status tenon_cond_wait_at(tenon_cond *cond,
                                                        const char *site);
/** Tells the `count` tasks that have waited longest. One of them that is
 *  cancelled in the same turn passes its notice on.
 *  Errors: TENON_INVALID unless the calling task holds the lock. */
TENON_API tenon_status tenon_cond_notify(tenon_cond *cond, size_t count);
/** Tells all. Errors: as tenon_cond_notify. */
TENON_API tenon_status tenon_cond_notify_all(tenon_cond *cond);

TENON_END

#endif
