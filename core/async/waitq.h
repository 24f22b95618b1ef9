/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Wait queues, as what stands on them sees them.
 *
 * A ticket is IDLE, or WAITING in its queue, or GRANTED: it has what it asked
 * for, and whoever waits with it is ready to run but has not. Then it is taken
 * (IDLE), or, should that one be cancelled first, undone, which gives what it
 * had to the next. A LOOSE one has failed, or its queue has gone, and has but
 * to be told; so an object may go before its waiters.
 *
 * Things are handed over, not left lying: a lock that is released belongs to
 * the next waiter from that moment. So nobody can come between, a wake-up
 * cannot be lost, and whoever waits knows that nothing is free.
 */

#ifndef TENON_ASYNC_WAITQ_H
#define TENON_ASYNC_WAITQ_H

#include <tenon/waitq.h>

#include "async/task.h"

enum tenon__ticket_state {
    TENON__TICKET_IDLE,
    TENON__TICKET_WAITING,
    TENON__TICKET_GRANTED,
    TENON__TICKET_LOOSE
};

/* Two ways to wait in one queue: for an item and with one, to read and to
 * write. */
enum tenon__role { TENON__TAKES, TENON__GIVES };

/* What a wait queue is part of. A NULL slot does nothing. */
typedef struct tenon__waitq_kind {
    tenon__wait_kind wait; /* its name, and tenon__ticket_unwait */
    /* Takes what is there for the ticket: TENON_OK; TENON_BUSY, having done
     * nothing, if it has to wait; or why it cannot be had. With `later` a
     * success is a grant, to be taken or undone. */
    tenon_status (*enter)(tenon_waitq *queue, tenon_ticket *ticket);
    /* The ticket was granted and goes on. */
    void (*taken)(tenon_waitq *queue, tenon_ticket *ticket);
    /* It was granted, and will not go on: give what it has to the next. */
    void (*undo)(tenon_waitq *queue, tenon_ticket *ticket);
    /* One that waited waits no more: perhaps others can go on now. */
    void (*left)(tenon_waitq *queue);
    /* The reactor ends, and nobody waits any more. */
    void (*ended)(tenon_waitq *queue);
    /* What a grant to TENON__GIVES has done stays done. */
    bool keeps_given;
} tenon__waitq_kind;

/* Several tickets of one task, of which the first to be granted or to fail
 * takes the others out of their queues. */
typedef struct tenon__choice {
    tenon_ticket *(*ticket_at)(struct tenon__choice *choice, size_t index);
    size_t count;
    tenon_ticket *chosen;
} tenon__choice;

/** The owner of what this wait is for, a lock's, or NULL. For dumps. */
tenon_task *tenon__wait_owner(const tenon__wait *wait);

/* ---- the object ---- */

tenon_status tenon__waitq_init(tenon_waitq *queue, tenon_reactor *reactor,
                               const tenon__waitq_kind *kind, const char *name);
/** Fails all who wait, takes back what was granted; the object's own fini may
 *  follow. False if it is not there (any more) or not this thread's. */
bool tenon__waitq_fini_begin(tenon_waitq *queue);
/** Leaves the reactor, which may be gone then. */
void tenon__waitq_fini_end(tenon_waitq *queue);
/** TENON_OK, or why nothing may be done to it; one that has ended is none. */
static inline tenon_status tenon__waitq_check(const tenon_waitq *queue)
{
    return queue && queue->reactor ? tenon__check_thread(queue->reactor)
                                   : TENON_INVALID;
}

/* ---- waiting ---- */

static inline tenon_ticket tenon__ticket(uint8_t role, void *item)
{
    return (tenon_ticket){.role = role, .item = item};
}
/** Takes it for the calling task, or waits for it. */
tenon_status tenon__waitq_wait(tenon_waitq *queue, tenon_ticket *ticket,
                               const char *site);
/** Takes it for the calling task, or for a plain callback, or TENON_BUSY. */
tenon_status tenon__waitq_try(tenon_waitq *queue, tenon_ticket *ticket);
/** Asks for it, for a plain callback. */
tenon_status tenon__waitq_request(tenon_waitq *queue, tenon_ticket *ticket,
                                  tenon_ticket_fn *fn, void *user);

/** The `cancel` of a wait's kind. */
bool tenon__ticket_unwait(tenon__wait *wait, tenon_error *reason);
/** Puts an idle ticket at the end of the queue. */
void tenon__ticket_link(tenon_waitq *queue, tenon_ticket *ticket);
/** Takes a waiting one out of it. */
void tenon__ticket_leave(tenon_ticket *ticket);
/** The wait of its task has ended with `status`: takes, or undoes. */
tenon_status tenon__ticket_settle(tenon_ticket *ticket, tenon_status status);
/** An idle one that `enter` let in: as if it had waited until now. */
void tenon__ticket_let_in(tenon_waitq *queue, tenon_ticket *ticket);
/** The `run` of its step. */
void tenon__ticket_run(tenon_reactor *reactor, tenon_node *node);

/* ---- waking ---- */

/** The one that has waited longest, or NULL. */
static inline tenon_ticket *tenon__waitq_first(const tenon_waitq *queue)
{
    return tenon__list_empty(&queue->waiting)
               ? NULL
               : TENON__OF(queue->waiting.next, tenon_ticket, node);
}
/** Ends the wait of a waiting one, well or with a failure. */
void tenon__ticket_grant(tenon_ticket *ticket);
void tenon__ticket_fail(tenon_ticket *ticket, tenon_status status);
size_t tenon__waitq_grant_all(tenon_waitq *queue);
size_t tenon__waitq_fail_all(tenon_waitq *queue, tenon_status status);

/* ---- what one holds ---- */

/** Whom the ticket is of: its task, or itself. */
static inline const void *tenon__ticket_who(const tenon_ticket *ticket)
{
    return ticket->task ? (const void *)ticket->task : ticket;
}
void tenon__waitq_hold(tenon_waitq *queue, const tenon_ticket *ticket);
void tenon__waitq_let_go(tenon_waitq *queue);

#endif
