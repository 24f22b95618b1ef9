/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Queues. Getters wait only while nothing is there, and putters only while
 * there is no room; so one list is enough for both, and whoever comes either
 * finds what it wants or finds its like. Only a select waits for both ends of
 * one queue at once.
 *
 * A put is final as soon as its item is in the queue or with a getter. An item
 * of a getter that was granted is not in the queue, but could come back, so a
 * place is kept for it.
 */

#include <string.h>

#include "async/items.h"

enum queue_state { OPEN, DRAINING, DROPPING };

static tenon_queue *queue_of(tenon_waitq *q)
{
    return TENON__OF(q, tenon_queue, queue);
}

/* ---- moving items ---- */

static tenon_ticket *first_of(const tenon_queue *q, uint8_t role)
{
    for (tenon_node *n = q->queue.waiting.next; n != &q->queue.waiting;
         n = n->next) {
        tenon_ticket *t = TENON__OF(n, tenon_ticket, node);
        if (t->role == role) {
            return t;
        }
    }
    return NULL;
}

static void hand(tenon_queue *q, tenon_ticket *getter, tenon__item slot)
{
    getter->item = slot.item;
    getter->number = slot.sequence;
    q->handed++;
    tenon__ticket_grant(getter);
}

static tenon__item admit(tenon_queue *q, void *item)
{
    q->unfinished++;
    return (tenon__item){item, ++q->sequence};
}

static tenon_status put(tenon_queue *q, void *item)
{
    if (q->state != OPEN) {
        return TENON_CLOSED;
    }
    tenon_ticket *getter = first_of(q, TENON__TAKES);
    if (!getter && q->count >= q->capacity) {
        return TENON_BUSY;
    }
    tenon_status status = tenon__items_reserve(q, q->count + q->handed + 1);
    if (status < 0) {
        return status;
    }
    if (getter) {
        hand(q, getter, admit(q, item));
    } else {
        tenon__items_add(q, admit(q, item));
    }
    return TENON_OK;
}

/* There is room, as one item has left. */
static void let_in(tenon_queue *q)
{
    tenon_ticket *putter;
    while (q->count < q->capacity && q->count + q->handed < q->room &&
           (putter = first_of(q, TENON__GIVES)) != NULL) {
        tenon__items_add(q, admit(q, putter->item));
        tenon__ticket_grant(putter);
    }
}

/* One that goes on later has its item in hand until then. */
static tenon_status get(tenon_queue *q, tenon_ticket *t)
{
    tenon_ticket *putter = q->count > 0 ? NULL : first_of(q, TENON__GIVES);
    tenon__item slot;
    if (q->count == 0 && !putter) {
        return q->state == OPEN ? TENON_BUSY : TENON_CLOSED;
    }
    if (t->later && tenon__items_reserve(q, q->count + q->handed + 1) < 0) {
        return TENON_NO_MEMORY;
    }
    q->handed += t->later;
    if (putter) {
        slot = admit(q, putter->item);
        tenon__ticket_grant(putter);
    } else {
        slot = tenon__items_take(q);
        let_in(q);
    }
    t->item = slot.item;
    t->number = slot.sequence;
    return TENON_OK;
}

tenon_status tenon__queue_enter(tenon_waitq *wq, tenon_ticket *t)
{
    tenon_queue *q = queue_of(wq);
    return t->role == TENON__GIVES ? put(q, t->item) : get(q, t);
}

/* ---- after a grant ---- */

void tenon__queue_taken(tenon_waitq *wq, tenon_ticket *t)
{
    if (t->role == TENON__TAKES) {
        queue_of(wq)->handed--;
    }
}

static void finish_one(tenon_queue *q)
{
    if (q->unfinished > 0 && --q->unfinished == 0) {
        (void)tenon__waitq_grant_all(&q->joiners);
    }
}

static void drop(tenon_queue *q, void *item)
{
    finish_one(q);
    if (q->free_item) {
        q->free_item(item);
    }
}

void tenon__queue_undo(tenon_waitq *wq, tenon_ticket *t)
{
    tenon_queue *q = queue_of(wq);
    tenon_ticket *next = first_of(q, TENON__TAKES);
    tenon__item slot = {t->item, t->number};
    q->handed--;
    if (q->state == DROPPING) {
        drop(q, slot.item);
    } else if (next) {
        hand(q, next, slot);
    } else {
        tenon__items_add(q, slot);
    }
}

static const tenon__waitq_kind kind = {
    .wait = {"queue", tenon__ticket_unwait, tenon__wait_owner},
    .enter = tenon__queue_enter,
    .taken = tenon__queue_taken,
    .undo = tenon__queue_undo,
    .keeps_given = true,
};

static tenon_status enter_join(tenon_waitq *wq, tenon_ticket *t)
{
    (void)t;
    return TENON__OF(wq, tenon_queue, joiners)->unfinished > 0 ? TENON_BUSY
                                                               : TENON_OK;
}

static const tenon__waitq_kind join_kind = {
    .wait = {"queue join", tenon__ticket_unwait, tenon__wait_owner},
    .enter = enter_join,
};

/* ---- public ---- */

static tenon_status take_options(tenon_queue *q, tenon_queue_options *o,
                                 const tenon_queue_options *given)
{
    const size_t mandatory =
        offsetof(tenon_queue_options, order) + sizeof given->order;
    if (given && given->size < mandatory) {
        return TENON_INVALID;
    }
    if (given) {
        memcpy(o, given, given->size < sizeof *o ? given->size : sizeof *o);
    }
    q->order = o->order;
    q->compare = o->compare;
    q->free_item = o->free_item;
    return o->order > TENON_QUEUE_PRIORITY ||
                   (o->order == TENON_QUEUE_PRIORITY && !o->compare)
               ? TENON_INVALID
               : TENON_OK;
}

static tenon_status begin(tenon_queue *q, size_t capacity)
{
    size_t room = capacity < TENON_UNBOUNDED ? capacity : 0;
    q->capacity = capacity;
    return tenon__items_reserve(q, room);
}

tenon_status tenon__queue_init(tenon_queue *q, tenon_reactor *r,
                               size_t capacity,
                               const tenon_queue_options *given,
                               const tenon__waitq_kind *as)
{
    tenon_queue_options o = {.size = sizeof o};
    if (!q) {
        return TENON_INVALID;
    }
    *q = (tenon_queue){.state = OPEN};
    tenon_status status = take_options(q, &o, given);
    if (status == TENON_OK) {
        status = tenon__waitq_init(&q->queue, r, as, o.name);
    }
    if (status == TENON_OK) {
        status = tenon__waitq_init(&q->joiners, r, &join_kind, o.name);
    }
    if (status == TENON_OK) {
        status = begin(q, capacity);
    }
    if (status < 0) {
        tenon_queue_fini(q);
    }
    return status;
}

tenon_status tenon_queue_init(tenon_queue *q, tenon_reactor *r, size_t capacity,
                              const tenon_queue_options *options)
{
    return tenon__queue_init(q, r, capacity, options, &kind);
}

static void drop_all(tenon_queue *q)
{
    while (q->count > 0) {
        drop(q, tenon__items_take(q).item);
    }
}

void tenon_queue_fini(tenon_queue *q)
{
    if (!q || !tenon__waitq_fini_begin(&q->queue)) {
        return;
    }
    tenon_waitq_fini(&q->joiners);
    q->state = DROPPING;
    while (q->count > 0) {
        void *item = tenon__items_take(q).item;
        if (q->free_item) {
            q->free_item(item);
        }
    }
    tenon__free(&q->queue.reactor->allocator, q->slots,
                q->room * sizeof *q->slots);
    q->slots = NULL;
    q->room = 0;
    tenon__waitq_fini_end(&q->queue);
}

tenon_status tenon_queue_put_at(tenon_queue *q, void *item, const char *site)
{
    tenon_ticket t = tenon__ticket(TENON__GIVES, item);
    return tenon__waitq_wait(&q->queue, &t, site);
}

tenon_status tenon_queue_get_at(tenon_queue *q, void **out, const char *site)
{
    tenon_ticket t = tenon__ticket(TENON__TAKES, NULL);
    tenon_status status =
        out ? tenon__waitq_wait(&q->queue, &t, site) : TENON_INVALID;
    if (status == TENON_OK) {
        *out = t.item;
    }
    return status;
}

tenon_status tenon_queue_try_put(tenon_queue *q, void *item)
{
    tenon_ticket t = tenon__ticket(TENON__GIVES, item);
    return tenon__waitq_try(&q->queue, &t);
}

tenon_status tenon_queue_try_get(tenon_queue *q, void **out)
{
    tenon_ticket t = tenon__ticket(TENON__TAKES, NULL);
    tenon_status status = out ? tenon__waitq_try(&q->queue, &t) : TENON_INVALID;
    if (status == TENON_OK) {
        *out = t.item;
    }
    return status;
}

tenon_status tenon_queue_request_put(tenon_queue *q, void *item,
                                     tenon_ticket *t, tenon_ticket_fn *fn,
                                     void *user)
{
    if (!t) {
        return TENON_INVALID;
    }
    *t = tenon__ticket(TENON__GIVES, item);
    return tenon__waitq_request(&q->queue, t, fn, user);
}

tenon_status tenon_queue_request_get(tenon_queue *q, tenon_ticket *t,
                                     tenon_ticket_fn *fn, void *user)
{
    if (!t) {
        return TENON_INVALID;
    }
    *t = tenon__ticket(TENON__TAKES, NULL);
    return tenon__waitq_request(&q->queue, t, fn, user);
}

tenon_status tenon_queue_task_done(tenon_queue *q)
{
    tenon_status status = tenon__waitq_check(&q->queue);
    if (status < 0 || q->unfinished == 0) {
        return status < 0 ? status : TENON_INVALID;
    }
    finish_one(q);
    return TENON_OK;
}

tenon_status tenon_queue_join_at(tenon_queue *q, const char *site)
{
    tenon_ticket t = tenon__ticket(TENON__TAKES, NULL);
    return tenon__waitq_wait(&q->joiners, &t, site);
}

tenon_status tenon_queue_request_join(tenon_queue *q, tenon_ticket *t,
                                      tenon_ticket_fn *fn, void *user)
{
    if (!t) {
        return TENON_INVALID;
    }
    *t = tenon__ticket(TENON__TAKES, NULL);
    return tenon__waitq_request(&q->joiners, t, fn, user);
}

tenon_status tenon_queue_close(tenon_queue *q, bool immediate)
{
    tenon_status status = tenon__waitq_check(&q->queue);
    if (status < 0) {
        return status;
    }
    q->state = immediate || q->state == DROPPING ? DROPPING : DRAINING;
    (void)tenon__waitq_fail_all(&q->queue, TENON_CLOSED);
    if (q->state == DROPPING) {
        drop_all(q);
    }
    return TENON_OK;
}

bool tenon_queue_is_closed(const tenon_queue *q)
{
    return q->state != OPEN;
}

size_t tenon_queue_count(const tenon_queue *q)
{
    return q->count;
}

size_t tenon_queue_unfinished(const tenon_queue *q)
{
    return q->unfinished;
}
