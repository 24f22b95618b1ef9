/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The wait queue: who waits, in the order of coming. Locks, events, queues and
 * all that is waited for by several at once stand on it, and so can what you
 * make yourself. Tasks wait in it, and so do plain callbacks: these hand in a
 * ticket, memory of their own, whose function is called when its time has
 * come. Nothing is allocated for either.
 *
 * A waiter that is woken goes on in the next turn. One that is cancelled until
 * then was not woken: what it would have had goes to the next.
 *
 * For every object that is waited in (here, tenon/lock.h, tenon/sync.h,
 * tenon/queue.h): it lies in memory of yours, must stay where it is from its
 * init to its fini, and belongs to the thread of its reactor. When the reactor
 * ends, all who wait in it fail with TENON_CLOSED or TENON_HOST_GONE; so they
 * do, with TENON_CLOSED, when its fini comes first. After that fini it may go
 * at once, waiters or not. Its fini is due even after the reactor has ended.
 * `name` is for dumps, kept by reference, and may be NULL.
 */

#ifndef TENON_WAITQ_H
#define TENON_WAITQ_H

#include <tenon/await.h>

typedef struct tenon_waitq tenon_waitq;
typedef struct tenon_ticket tenon_ticket;

/** What a ticket calls, once, in a later turn than the request: TENON_OK when
 *  it has what it asked for; else why it never will. The ticket's memory is
 *  the caller's again by then. */
typedef void tenon_ticket_fn(tenon_ticket *ticket, tenon_status status,
                             void *user);

/** A place in a wait queue, in memory of the waiter's. It may hold anything
 *  before a request, but must be zeroed, or out of use, for a cancel. */
struct tenon_ticket {
    /* Private: */
    tenon_node node; /* among those that wait, or were woken */
    tenon_node step; /* to be called */
    tenon_waitq *queue;
    tenon_reactor *reactor;
    tenon_task *task;
    struct tenon__choice *choice;
    tenon_ticket_fn *fn;
    void *user;
    void *item;
    uint64_t number;
    tenon_status status;
    uint8_t state;
    uint8_t role;
    bool passes_on;
    bool later;
};

struct tenon_waitq {
    /* Private: */
    tenon_node node; /* among the reactor's objects */
    const void *ops;
    tenon_reactor *reactor;
    const struct tenon__waitq_kind *kind;
    const char *name;
    tenon_node waiting; /* oldest first */
    tenon_node granted; /* woken, and not gone on */
    tenon_task *owner;  /* of what is waited for: a reference, or NULL */
    const void *holder; /* the same, or the ticket that it was had by */
    size_t count;       /* of those that wait */
    tenon_status status;
    uint32_t reserved;
};

TENON_BEGIN

/** Prepares a wait queue.
 *  Errors: TENON_INVALID, TENON_CLOSED, TENON_WRONG_THREAD, TENON_FORKED, for
 *  each init; there is then nothing to undo. */
TENON_CHECKED TENON_API tenon_status tenon_waitq_init(tenon_waitq *queue,
                                                      tenon_reactor *reactor,
                                                      const char *name);
/** Ends it. One that is zeroed, or was ended before, is legal; for each
 *  fini. */
TENON_API void tenon_waitq_fini(tenon_waitq *queue);

/** Waits until it is woken, inside of a task.
 *  Errors: those of tenon/await.h; what tenon_waitq_throw said;
 *  TENON_INVALID for a queue of another reactor, too. */
#define tenon_waitq_wait(queue) tenon_waitq_wait_at((queue), TENON_SITE)
/** The same; see tenon_await_at. */
TENON_CHECKED TENON_API tenon_status tenon_waitq_wait_at(tenon_waitq *queue,
                                                         const char *site);
/** Waits by a ticket, which must not be waiting.
 *  Callback: never inside of this call.
 *  Errors: TENON_INVALID, TENON_CLOSED, TENON_WRONG_THREAD, TENON_FORKED, for
 *  each request; `fn` is then not called. */
TENON_CHECKED TENON_API tenon_status tenon_waitq_request(tenon_waitq *queue,
                                                         tenon_ticket *ticket,
                                                         tenon_ticket_fn *fn,
                                                         void *user);

/** Wakes the one that has waited longest, or nobody.
 *  Returns whether there was one. */
TENON_API bool tenon_waitq_wake(tenon_waitq *queue);
/** Wakes all that wait now, and returns how many these are. One of them that
 *  is cancelled before it goes on has nothing to hand on. */
TENON_API size_t tenon_waitq_wake_all(tenon_waitq *queue);
/** Makes all that wait now fail with `status`, a failure, and returns how many
 *  these are. */
TENON_API size_t tenon_waitq_throw(tenon_waitq *queue, tenon_status status);
/** How many wait. */
TENON_API size_t tenon_waitq_count(const tenon_waitq *queue);

/** Gives up a request: its function is not called. What the ticket had got
 *  already, but was not told of, goes to the next.
 *  Returns TENON_EXISTED if it waited, TENON_OK if not; TENON_DONE if that
 *  cannot be taken back, as an item that is in a queue cannot.
 *  Errors: TENON_INVALID, TENON_WRONG_THREAD, TENON_FORKED. */
TENON_API tenon_status tenon_ticket_cancel(tenon_ticket *ticket);
/** Whether its function is still to be called. */
TENON_API bool tenon_ticket_is_waiting(const tenon_ticket *ticket);
/** What it has got: the item of a queue. Inside of its function. */
TENON_API void *tenon_ticket_item(const tenon_ticket *ticket);

TENON_END

#endif
