/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Events, semaphores and barriers, for tasks and callbacks of one reactor. Of
 * what they share with other objects that are waited in, see tenon/waitq.h.
 */

#ifndef TENON_SYNC_H
#define TENON_SYNC_H

#include <tenon/waitq.h>

/** A flag to wait for. */
typedef struct tenon_event {
    /* Private: */
    tenon_waitq queue;
    bool set;
} tenon_event;

/** So many of something: places, connections. */
typedef struct tenon_semaphore {
    /* Private: */
    tenon_waitq queue;
    size_t value;
    size_t limit;
} tenon_semaphore;

/** A place where a number of tasks wait for each other. */
typedef struct tenon_barrier {
    /* Private: */
    tenon_waitq queue;
    size_t parties;
    uint32_t state;
    uint32_t reserved;
} tenon_barrier;

TENON_BEGIN

/* ---- event ---- */

/** Prepares an event, which is not set; see tenon_waitq_init. */
TENON_CHECKED TENON_API tenon_status tenon_event_init(tenon_event *event,
                                                      tenon_reactor *reactor,
                                                      const char *name);
/** Ends it; see tenon_waitq_fini. */
TENON_API void tenon_event_fini(tenon_event *event);
/** Sets it. All who wait now go on, even if it is cleared before they do.
 *  Returns TENON_EXISTED if it was set. */
TENON_API tenon_status tenon_event_set(tenon_event *event);
/** Clears it. Returns TENON_EXISTED if it was set. */
TENON_API tenon_status tenon_event_clear(tenon_event *event);
/** Whether it is set. */
TENON_API bool tenon_event_is_set(const tenon_event *event);
/** Waits until it is set. Errors: as tenon_waitq_wait. */
#define tenon_event_wait(event) tenon_event_wait_at((event), TENON_SITE)
/** The same; see tenon_await_at. */
TENON_CHECKED TENON_API tenon_status tenon_event_wait_at(tenon_event *event,
                                                         const char *site);
/** The same by a ticket; see tenon_waitq_request. */
TENON_CHECKED TENON_API tenon_status tenon_event_request(tenon_event *event,
                                                         tenon_ticket *ticket,
                                                         tenon_ticket_fn *fn,
                                                         void *user);

/* ---- semaphore ---- */

/** Prepares a semaphore with `value` units, which will never be more than
 *  `limit`; 0: no limit. See tenon_waitq_init.
 *  Errors: also TENON_INVALID for a value above the limit. */
TENON_CHECKED TENON_API tenon_status
tenon_semaphore_init(tenon_semaphore *semaphore, tenon_reactor *reactor,
                     size_t value, size_t limit, const char *name);
/** Ends it. */
TENON_API void tenon_semaphore_fini(tenon_semaphore *semaphore);
/** Takes a unit, and waits until there is one: first come, first served.
 *  Errors: as tenon_waitq_wait. */
#define tenon_semaphore_acquire(semaphore) \
    tenon_semaphore_acquire_at((semaphore), TENON_SITE)
/** The same; see tenon_await_at. */
TENON_CHECKED TENON_API tenon_status
tenon_semaphore_acquire_at(tenon_semaphore *semaphore, const char *site);
/** Takes a unit if there is one; in callbacks, too.
 *  Errors: TENON_BUSY if there is none. */
TENON_CHECKED TENON_API tenon_status
tenon_semaphore_try(tenon_semaphore *semaphore);
/** Gives a unit to the one that has waited longest, or back; in callbacks,
 *  too.
 *  Errors: TENON_LIMIT if that would be more than the limit. */
TENON_API tenon_status tenon_semaphore_release(tenon_semaphore *semaphore);
/** Takes a unit by a ticket; see tenon_waitq_request. */
TENON_CHECKED TENON_API tenon_status
tenon_semaphore_request(tenon_semaphore *semaphore, tenon_ticket *ticket,
                        tenon_ticket_fn *fn, void *user);
/** How many units there are. */
TENON_API size_t tenon_semaphore_value(const tenon_semaphore *semaphore);

/* ---- barrier ---- */

/** Prepares a barrier for `parties`, 1 or more; see tenon_waitq_init. */
TENON_CHECKED TENON_API tenon_status tenon_barrier_init(tenon_barrier *barrier,
                                                        tenon_reactor *reactor,
                                                        size_t parties,
                                                        const char *name);
/** Ends it. */
TENON_API void tenon_barrier_fini(tenon_barrier *barrier);
/** Waits until all parties do; then all go on. Who comes before the last of
 *  these has gone on waits for that first, and counts for the next time; so
 *  does one that is cancelled not count.
 *  `index` (may be NULL) is set to its number among them, in the order of
 *  coming.
 *  Errors: as tenon_waitq_wait; TENON_ABORTED after a reset, or while it is
 *  broken. */
#define tenon_barrier_wait(barrier, index) \
    tenon_barrier_wait_at((barrier), (index), TENON_SITE)
/** The same; see tenon_await_at. */
TENON_CHECKED TENON_API tenon_status
tenon_barrier_wait_at(tenon_barrier *barrier, size_t *index, const char *site);
/** The same by a ticket; see tenon_waitq_request. */
TENON_CHECKED TENON_API tenon_status
tenon_barrier_request(tenon_barrier *barrier, tenon_ticket *ticket,
                      tenon_ticket_fn *fn, void *user);
/** Fails those that wait for the others; the barrier is as new, no longer
 *  broken. */
TENON_API tenon_status tenon_barrier_reset(tenon_barrier *barrier);
/** Breaks it: fails all that wait, and who comes, until it is reset. */
TENON_API tenon_status tenon_barrier_abort(tenon_barrier *barrier);
/** How many wait for the others. */
TENON_API size_t tenon_barrier_waiting(const tenon_barrier *barrier);
/** Whether it is broken. */
TENON_API bool tenon_barrier_is_broken(const tenon_barrier *barrier);

TENON_END

#endif
