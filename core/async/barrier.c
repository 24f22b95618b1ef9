/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The barrier.
 *
 *   FILLING --the last party comes--> DRAINING --all have gone on--> FILLING
 *      any --abort--> BROKEN --reset--> FILLING
 *
 * Those that wait in its queue while it drains have come late, and are the
 * first parties of the next time.
 */

#include "async/waitq.h"

#include <tenon/sync.h>

enum barrier_state { FILLING, DRAINING, BROKEN };

static tenon_barrier *barrier_of(tenon_waitq *q)
{
    return TENON__OF(q, tenon_barrier, queue);
}

/* Enough have come: they are the ones at the head. */
static void open_gate(tenon_barrier *b, size_t waiting)
{
    for (size_t i = 0; i < waiting; i++) {
        tenon_ticket *t = tenon__waitq_first(&b->queue);
        t->number = i;
        tenon__ticket_grant(t);
    }
    b->state = waiting > 0 ? DRAINING : FILLING;
}

static tenon_status enter(tenon_waitq *q, tenon_ticket *t)
{
    tenon_barrier *b = barrier_of(q);
    if (b->state == BROKEN) {
        return TENON_ABORTED;
    }
    if (b->state == DRAINING || q->count + 1 < b->parties) {
        return TENON_BUSY;
    }
    t->number = b->parties - 1;
    open_gate(b, b->parties - 1);
    return TENON_OK;
}

static void one_less(tenon_waitq *q, tenon_ticket *t)
{
    tenon_barrier *b = barrier_of(q);
    (void)t;
    if (b->state != DRAINING || !tenon__list_empty(&q->granted)) {
        return;
    }
    b->state = FILLING;
    if (q->count >= b->parties) {
        open_gate(b, b->parties);
    }
}

static const tenon__waitq_kind kind = {
    .wait = {"barrier", tenon__ticket_unwait, tenon__wait_owner},
    .enter = enter,
    .taken = one_less,
    .undo = one_less,
};

tenon_status tenon_barrier_init(tenon_barrier *b, tenon_reactor *r,
                                size_t parties, const char *name)
{
    if (!b || parties == 0) {
        return TENON_INVALID;
    }
    b->parties = parties;
    b->state = FILLING;
    return tenon__waitq_init(&b->queue, r, &kind, name);
}

void tenon_barrier_fini(tenon_barrier *b)
{
    tenon_waitq_fini(&b->queue);
}

tenon_status tenon_barrier_wait_at(tenon_barrier *b, size_t *index,
                                   const char *site)
{
    tenon_ticket t = tenon__ticket(TENON__TAKES, NULL);
    tenon_status status = tenon__waitq_wait(&b->queue, &t, site);
    if (status == TENON_OK && index) {
        *index = (size_t)t.number;
    }
    return status;
}

tenon_status tenon_barrier_request(tenon_barrier *b, tenon_ticket *t,
                                   tenon_ticket_fn *fn, void *user)
{
    if (!t) {
        return TENON_INVALID;
    }
    *t = tenon__ticket(TENON__TAKES, NULL);
    return tenon__waitq_request(&b->queue, t, fn, user);
}

/* Late ones wait for those that go on, and have nothing to do with it. */
tenon_status tenon_barrier_reset(tenon_barrier *b)
{
    tenon_status status = tenon__waitq_check(&b->queue);
    if (status < 0) {
        return status;
    }
    if (b->state == FILLING) {
        (void)tenon__waitq_fail_all(&b->queue, TENON_ABORTED);
    } else if (b->state == BROKEN) {
        b->state = tenon__list_empty(&b->queue.granted) ? FILLING : DRAINING;
    }
    return TENON_OK;
}

tenon_status tenon_barrier_abort(tenon_barrier *b)
{
    tenon_status status = tenon__waitq_check(&b->queue);
    if (status < 0) {
        return status;
    }
    b->state = BROKEN;
    (void)tenon__waitq_fail_all(&b->queue, TENON_ABORTED);
    return TENON_OK;
}

size_t tenon_barrier_waiting(const tenon_barrier *b)
{
    return b->state == FILLING ? b->queue.count : 0;
}

bool tenon_barrier_is_broken(const tenon_barrier *b)
{
    return b->state == BROKEN;
}
