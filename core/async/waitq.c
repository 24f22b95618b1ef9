/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The wait queue and its tickets: joining it, being woken, going on, or not
 * going on after all. What may be had, and by whom, is said by the kind of the
 * object that the queue is part of.
 */

#include "async/waitq.h"

/* A task's wait by a ticket. */
typedef struct ticket_wait {
    tenon__wait wait; /* first */
    tenon_ticket *ticket;
} ticket_wait;

_Static_assert(offsetof(tenon_waitq, node) == offsetof(tenon__object, node) &&
                   offsetof(tenon_waitq, ops) == offsetof(tenon__object, ops),
               "a wait queue begins as an object does");

/* ---- the lists ---- */

void tenon__ticket_link(tenon_waitq *q, tenon_ticket *t)
{
    t->queue = q;
    t->reactor = q->reactor;
    t->state = TENON__TICKET_WAITING;
    tenon__list_push(&q->waiting, &t->node);
    q->count++;
}

static void unlink_waiting(tenon_ticket *t)
{
    tenon__list_remove(&t->node);
    if (t->queue) { /* always, as long as it waits */
        t->queue->count--;
    }
    t->state = TENON__TICKET_IDLE;
}

void tenon__ticket_leave(tenon_ticket *t)
{
    tenon_waitq *q = t->queue;
    unlink_waiting(t);
    if (q->kind->left) {
        q->kind->left(q);
    }
}

static void choose(tenon_ticket *t)
{
    tenon__choice *choice = t->choice;
    choice->chosen = t;
    for (size_t i = 0; i < choice->count; i++) {
        tenon_ticket *other = choice->ticket_at(choice, i);
        if (other->state == TENON__TICKET_WAITING) {
            tenon__ticket_leave(other);
        }
    }
}

static void rouse(tenon_ticket *t)
{
    if (t->choice) {
        choose(t);
    }
    if (t->task) {
        (void)tenon__task_wake(t->task, TENON_OK);
    } else {
        t->step = (tenon_node){.run = tenon__ticket_run};
        tenon__ready_push(t->reactor, &t->step);
    }
}

static void set_granted(tenon_waitq *q, tenon_ticket *t)
{
    t->queue = q;
    t->reactor = q->reactor;
    t->state = TENON__TICKET_GRANTED;
    t->status = TENON_OK;
    tenon__list_push(&q->granted, &t->node);
}

void tenon__ticket_let_in(tenon_waitq *q, tenon_ticket *t)
{
    set_granted(q, t);
    if (!t->task) {
        rouse(t);
    }
}

void tenon__ticket_grant(tenon_ticket *t)
{
    unlink_waiting(t);
    set_granted(t->queue, t);
    rouse(t);
}

static void set_loose(tenon_ticket *t, tenon_status status)
{
    t->state = TENON__TICKET_LOOSE;
    t->status = status;
    t->queue = NULL;
}

void tenon__ticket_fail(tenon_ticket *t, tenon_status status)
{
    unlink_waiting(t);
    set_loose(t, status);
    rouse(t);
}

size_t tenon__waitq_grant_all(tenon_waitq *q)
{
    size_t count = 0;
    for (; !tenon__list_empty(&q->waiting); count++) {
        tenon__ticket_grant(tenon__waitq_first(q));
    }
    return count;
}

size_t tenon__waitq_fail_all(tenon_waitq *q, tenon_status status)
{
    size_t count = 0;
    for (; !tenon__list_empty(&q->waiting); count++) {
        tenon__ticket_fail(tenon__waitq_first(q), status);
    }
    return count;
}

/* ---- after a grant ---- */

static tenon_status take(tenon_ticket *t)
{
    tenon_waitq *q = t->queue;
    if (q && t->state == TENON__TICKET_GRANTED) {
        tenon__list_remove(&t->node);
        t->state = TENON__TICKET_IDLE;
        if (q->kind->taken) {
            q->kind->taken(q, t);
        }
    }
    t->state = TENON__TICKET_IDLE;
    return t->status;
}

static void undo(tenon_ticket *t)
{
    tenon_waitq *q = t->queue;
    tenon__list_remove(&t->node);
    t->state = TENON__TICKET_IDLE;
    if (q && q->kind->undo) {
        q->kind->undo(q, t);
    }
}

static bool is_kept(const tenon_ticket *t)
{
    return t->role == TENON__GIVES && t->queue && t->queue->kind->keeps_given;
}

/* Granted and cancelled in one turn. What cannot be undone is told as it is;
 * then the next wait is the one that is cancelled. */
static void cancel_next(tenon_ticket *t)
{
    t->task->must_cancel = true;
    tenon__task_set_error(t->task, NULL);
}

static tenon_status settle_granted(tenon_ticket *t, tenon_status status)
{
    if (status >= 0) {
        return take(t);
    }
    if (!is_kept(t)) {
        undo(t);
        return status;
    }
    cancel_next(t);
    return take(t);
}

static tenon_status settle_loose(tenon_ticket *t, tenon_status status)
{
    t->state = TENON__TICKET_IDLE;
    if (status < 0 && t->status == TENON_OK) {
        cancel_next(t);
        return TENON_OK;
    }
    return status < 0 ? status : t->status;
}

tenon_status tenon__ticket_settle(tenon_ticket *t, tenon_status status)
{
    switch ((enum tenon__ticket_state)t->state) {
    case TENON__TICKET_WAITING:
        tenon__ticket_leave(t);
        return status;
    case TENON__TICKET_GRANTED:
        return settle_granted(t, status);
    case TENON__TICKET_LOOSE:
        return settle_loose(t, status);
    case TENON__TICKET_IDLE:
        break;
    }
    return status;
}

void tenon__ticket_run(tenon_reactor *r, tenon_node *node)
{
    tenon_ticket *t = TENON__OF(node, tenon_ticket, step);
    const char *name = t->queue ? t->queue->kind->wait.name : NULL;
    tenon_status status = take(t);
    tenon__frame frame;
    tenon__frame_enter(r, &frame, NULL, "ticket", name);
    t->fn(t, status, t->user);
    tenon__frame_leave(r, &frame);
}

/* ---- waiting ---- */

bool tenon__ticket_unwait(tenon__wait *w, tenon_error *reason)
{
    (void)reason;
    tenon__ticket_leave(((ticket_wait *)(void *)w)->ticket);
    return true;
}

tenon_task *tenon__wait_owner(const tenon__wait *w)
{
    const tenon_waitq *q = w->object;
    return w->kind->cancel == tenon__ticket_unwait && q ? q->owner : NULL;
}

static tenon_status enter(tenon_waitq *q, tenon_ticket *t)
{
    return q->status < 0 ? q->status : q->kind->enter(q, t);
}

/* In full: it may be cancelled, refused, and gives others their turn. */
static tenon_status wait_long(tenon_waitq *q, tenon_ticket *t, const char *site)
{
    ticket_wait w = {.ticket = t};
    tenon_status status = tenon__wait_begin(&w.wait, &q->kind->wait, site);
    if (status < 0) {
        return status;
    }
    t->later = true;
    status = enter(q, t);
    if (status == TENON_BUSY) {
        w.wait.object = q;
        tenon__ticket_link(q, t);
        return tenon__ticket_settle(t, tenon__task_wait(&w.wait));
    }
    if (status == TENON_OK) {
        tenon__ticket_let_in(q, t);
        return tenon__ticket_settle(t, tenon__task_wait_turn(&w.wait));
    }
    tenon_status turn = tenon__task_wait_turn(&w.wait);
    return turn < 0 ? turn : status;
}

tenon_status tenon__waitq_wait(tenon_waitq *q, tenon_ticket *t,
                               const char *site)
{
    tenon_task *task = tenon__task_current();
    if (!task || !q || q->reactor != task->future.reactor) {
        return TENON_INVALID;
    }
    t->task = task;
    if (task->must_cancel || task->credit == 0 || q->status < 0) {
        return wait_long(q, t, site);
    }
    tenon_status status = q->kind->enter(q, t);
    if (status == TENON_BUSY) {
        return wait_long(q, t, site);
    }
    task->credit--;
    return status;
}

tenon_status tenon__waitq_try(tenon_waitq *q, tenon_ticket *t)
{
    tenon_status status = tenon__waitq_check(q);
    if (status < 0) {
        return status;
    }
    t->task = tenon__task_current();
    if (t->task && t->task->future.reactor != q->reactor) {
        return TENON_INVALID;
    }
    return enter(q, t);
}

tenon_status tenon__waitq_request(tenon_waitq *q, tenon_ticket *t,
                                  tenon_ticket_fn *fn, void *user)
{
    tenon_status status = tenon__waitq_check(q);
    if (status < 0 || !fn) {
        return status < 0 ? status : TENON_INVALID;
    }
    t->fn = fn;
    t->user = user;
    t->later = true;
    status = enter(q, t);
    if (status == TENON_BUSY) {
        tenon__ticket_link(q, t);
    } else if (status == TENON_OK) {
        tenon__ticket_let_in(q, t);
    }
    return status == TENON_BUSY ? TENON_OK : status;
}

/* ---- what one holds ---- */

void tenon__waitq_hold(tenon_waitq *q, const tenon_ticket *t)
{
    q->holder = tenon__ticket_who(t);
    q->owner = tenon_task_ref(t->task);
}

void tenon__waitq_let_go(tenon_waitq *q)
{
    tenon_task *owner = q->owner;
    q->holder = NULL;
    q->owner = NULL;
    tenon_task_unref(owner);
}

/* ---- the object ---- */

/* Nobody waits any more as grants are undone, so they go nowhere. */
static void end_all(tenon_waitq *q, tenon_status status)
{
    if (q->status == TENON_OK) {
        q->status = status;
    }
    (void)tenon__waitq_fail_all(q, status);
    while (!tenon__list_empty(&q->granted)) {
        tenon_ticket *t = TENON__OF(q->granted.next, tenon_ticket, node);
        if (is_kept(t)) {
            set_loose(t, take(t));
        } else {
            undo(t);
            set_loose(t, status);
        }
    }
}

static void end(tenon__object *object, tenon_status status)
{
    tenon_waitq *q = (tenon_waitq *)(void *)object;
    end_all(q, status);
    if (q->kind->ended) {
        q->kind->ended(q);
    }
}

static void dump(const tenon__object *object, FILE *file)
{
    const tenon_waitq *q = (const tenon_waitq *)(const void *)object;
    fprintf(file, "%s %s waiting=%zu", q->kind->wait.name,
            q->name ? q->name : "-", q->count);
    if (q->owner) {
        fprintf(file, " owner=%s", tenon_task_name(q->owner));
    }
}

static const tenon__object_ops object_ops = {"wait queue", end, dump};

tenon_status tenon__waitq_init(tenon_waitq *q, tenon_reactor *r,
                               const tenon__waitq_kind *kind, const char *name)
{
    *q = (tenon_waitq){.kind = kind, .name = name};
    tenon_status status = tenon__check(r);
    if (status < 0) {
        return status;
    }
    q->reactor = r;
    tenon__list_init(&q->waiting);
    tenon__list_init(&q->granted);
    r->async = &tenon__async;
    tenon__pin(r);
    tenon__object_add(r, (tenon__object *)(void *)q, &object_ops);
    return TENON_OK;
}

bool tenon__waitq_fini_begin(tenon_waitq *q)
{
    if (!q || !q->reactor) {
        return false;
    }
    const tenon_reactor *r = q->reactor;
    tenon_status status = tenon__check_thread(r);
    if (status < 0 &&
        (status != TENON_WRONG_THREAD || r->life != TENON__CLOSED)) {
        return false;
    }
    end_all(q, TENON_CLOSED);
    return true;
}

void tenon__waitq_fini_end(tenon_waitq *q)
{
    tenon_reactor *r = q->reactor;
    tenon__list_remove(&q->node);
    tenon__waitq_let_go(q);
    q->reactor = NULL;
    tenon__unpin(r);
}

/* ---- tickets ---- */

tenon_status tenon_ticket_cancel(tenon_ticket *t)
{
    if (!t || t->state == TENON__TICKET_IDLE) {
        return t ? TENON_OK : TENON_INVALID;
    }
    tenon_status status = tenon__check_thread(t->reactor);
    if (status < 0) {
        return status;
    }
    status = TENON_EXISTED;
    tenon__list_remove(&t->step);
    if (t->state == TENON__TICKET_WAITING) {
        tenon__ticket_leave(t);
    } else if (t->state == TENON__TICKET_LOOSE) {
        t->state = TENON__TICKET_IDLE;
        status = t->status == TENON_OK ? TENON_DONE : TENON_EXISTED;
    } else if (is_kept(t)) {
        (void)take(t);
        status = TENON_DONE;
    } else {
        undo(t);
    }
    return status;
}

bool tenon_ticket_is_waiting(const tenon_ticket *t)
{
    return t->state != TENON__TICKET_IDLE;
}

void *tenon_ticket_item(const tenon_ticket *t)
{
    return t->item;
}
