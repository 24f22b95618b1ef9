/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Waiting for several things. Every case is a ticket, in the caller's array.
 * The first that is granted takes the others out of their queues in the same
 * breath, so that there is never a second one.
 */

#include "async/channel.h"

#include <tenon/lock.h>

typedef struct select_wait {
    tenon__wait wait; /* first */
    tenon__choice choice;
    tenon_case *cases;
    size_t first; /* to be looked at */
} select_wait;

static tenon_ticket *ticket_at(tenon__choice *choice, size_t index)
{
    return &TENON__OF(choice, select_wait, choice)->cases[index].ticket;
}

static bool cancel_all(tenon__wait *w, tenon_error *reason)
{
    select_wait *sw = (select_wait *)(void *)w;
    (void)reason;
    for (size_t i = 0; i < sw->choice.count; i++) {
        if (sw->cases[i].ticket.state == TENON__TICKET_WAITING) {
            tenon__ticket_leave(&sw->cases[i].ticket);
        }
    }
    return true;
}

static const tenon__wait_kind kind = {"select", cancel_all, NULL};

/* ---- cases ---- */

/* Where the case waits; NULL if that is nowhere. */
static tenon_waitq *queue_of(const tenon_case *c)
{
    switch ((enum tenon_case_op)c->op) {
    case TENON_CASE_GET:
    case TENON_CASE_PUT:
        return &((tenon_queue *)c->object)->queue;
    case TENON_CASE_EVENT:
        return &((tenon_event *)c->object)->queue;
    case TENON_CASE_ACQUIRE:
        return &((tenon_semaphore *)c->object)->queue;
    case TENON_CASE_LOCK:
        return &((tenon_lock *)c->object)->queue;
    case TENON_CASE_WAKE:
        return c->object;
    case TENON_CASE_RECEIVE:
    case TENON_CASE_SEND:
        return tenon__channel_queue(c->object);
    case TENON_CASE_NONE:
        break;
    }
    return NULL;
}

static bool gives_item(const tenon_case *c)
{
    return c->op == TENON_CASE_PUT || c->op == TENON_CASE_SEND;
}

static bool takes_item(const tenon_case *c)
{
    return c->op == TENON_CASE_GET || c->op == TENON_CASE_RECEIVE;
}

static tenon_status prepare(tenon_case *c, tenon_task *task)
{
    if (c->op == TENON_CASE_NONE) {
        c->ticket = tenon__ticket(TENON__TAKES, NULL);
        return TENON_OK;
    }
    const tenon_waitq *q =
        c->op <= TENON_CASE_SEND && c->object ? queue_of(c) : NULL;
    if (!q || q->reactor != task->future.reactor) {
        return TENON_INVALID;
    }
    c->ticket = tenon__ticket(gives_item(c) ? TENON__GIVES : TENON__TAKES,
                              gives_item(c) ? c->item : NULL);
    c->ticket.task = task;
    return TENON_OK;
}

static tenon_status enter(tenon_case *c, bool later)
{
    tenon_waitq *q = queue_of(c);
    if (!q) {
        return TENON_BUSY;
    }
    c->ticket.later = later;
    return q->status < 0 ? q->status : q->kind->enter(q, &c->ticket);
}

/* The first case that need not wait, or NULL. */
static tenon_case *look(const select_wait *sw, bool later)
{
    for (size_t i = 0; i < sw->choice.count; i++) {
        tenon_case *c = &sw->cases[(sw->first + i) % sw->choice.count];
        tenon_status status = enter(c, later);
        if (status != TENON_BUSY) {
            c->status = status;
            return c;
        }
    }
    return NULL;
}

static size_t somewhere(tenon_task *task, size_t count)
{
    uint64_t *random = &task->future.reactor->tasks->random;
    *random = *random * UINT64_C(6364136223846793005) + 1442695040888963407;
    return count > 0 ? (size_t)(*random >> 33) % count : 0;
}

/* ---- waiting ---- */

static tenon_case *case_of(tenon_ticket *t)
{
    return TENON__OF(t, tenon_case, ticket);
}

static tenon_status wait_for_any(select_wait *sw)
{
    for (size_t i = 0; i < sw->choice.count; i++) {
        tenon_case *c = &sw->cases[i];
        tenon_waitq *q = queue_of(c);
        if (q) {
            c->ticket.choice = &sw->choice;
            tenon__ticket_link(q, &c->ticket);
        }
    }
    return tenon__task_wait(&sw->wait);
}

/* One is ready: others run once before the task goes on. */
static tenon_status wait_turn(select_wait *sw, tenon_case *c)
{
    sw->choice.chosen = &c->ticket;
    if (c->status == TENON_OK) {
        tenon__ticket_let_in(queue_of(c), &c->ticket);
    } else {
        c->ticket.status = c->status;
    }
    return tenon__task_wait_turn(&sw->wait);
}

/* What the ticket has come to; a cancelled one may have kept what it did. */
static tenon_status settle(const select_wait *sw, tenon_status status)
{
    tenon_ticket *t = sw->choice.chosen;
    if (!t) {
        return status;
    }
    bool idle = t->state == TENON__TICKET_IDLE;
    tenon_status own =
        idle && status >= 0 ? t->status : tenon__ticket_settle(t, status);
    if (status < 0 && own == status) {
        return status;
    }
    case_of(t)->status = own;
    return TENON_OK;
}

static tenon_status select_long(select_wait *sw, uint32_t flags,
                                const char *site)
{
    tenon_status status = tenon__wait_begin(&sw->wait, &kind, site);
    if (status < 0) {
        return status;
    }
    sw->wait.object = sw->cases;
    tenon_case *c = look(sw, true);
    if (!c && (flags & TENON_SELECT_TRY)) {
        return TENON_BUSY;
    }
    return settle(sw, c ? wait_turn(sw, c) : wait_for_any(sw));
}

static tenon_status select_now(select_wait *sw, tenon_task *task,
                               uint32_t flags, const char *site)
{
    bool turn = task->must_cancel || task->credit == 0;
    tenon_case *c = turn ? NULL : look(sw, false);
    if (c) {
        task->credit--;
        sw->choice.chosen = &c->ticket;
        return TENON_OK;
    }
    return select_long(sw, flags, site);
}

tenon_status tenon_select_at(tenon_case *cases, size_t count, uint32_t flags,
                             size_t *chosen, const char *site)
{
    tenon_task *task = tenon__task_current();
    select_wait sw = {.cases = cases,
                      .choice = {.ticket_at = ticket_at, .count = count}};
    if (!task || (!cases && count > 0)) {
        return TENON_INVALID;
    }
    for (size_t i = 0; i < count; i++) {
        if (prepare(&cases[i], task) < 0) {
            return TENON_INVALID;
        }
    }
    sw.first = flags & TENON_SELECT_ORDERED ? 0 : somewhere(task, count);
    tenon_status status = select_now(&sw, task, flags, site);
    if (status < 0) {
        return status;
    }
    tenon_case *c = case_of(sw.choice.chosen);
    if (takes_item(c) && c->status == TENON_OK) {
        c->item = c->ticket.item;
    }
    if (chosen) {
        *chosen = (size_t)(c - cases);
    }
    return TENON_OK;
}
