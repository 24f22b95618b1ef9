/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Events and semaphores. Setting an event is a grant to each that waits, so
 * what becomes of the flag afterwards is not their concern. A unit of a
 * semaphore goes from hand to hand while there are hands.
 */

#include "async/waitq.h"

#include <tenon/sync.h>

/* ---- event ---- */

static tenon_event *event_of(tenon_waitq *q)
{
    return TENON__OF(q, tenon_event, queue);
}

static tenon_status enter_event(tenon_waitq *q, tenon_ticket *t)
{
    (void)t;
    return event_of(q)->set ? TENON_OK : TENON_BUSY;
}

static const tenon__waitq_kind event_kind = {
    .wait = {"event", tenon__ticket_unwait, tenon__wait_owner},
    .enter = enter_event,
};

tenon_status tenon_event_init(tenon_event *event, tenon_reactor *r,
                              const char *name)
{
    if (!event) {
        return TENON_INVALID;
    }
    event->set = false;
    return tenon__waitq_init(&event->queue, r, &event_kind, name);
}

void tenon_event_fini(tenon_event *event)
{
    tenon_waitq_fini(&event->queue);
}

static tenon_status change(tenon_event *event, bool set)
{
    tenon_status status = tenon__waitq_check(&event->queue);
    bool was = event->set;
    if (status < 0) {
        return status;
    }
    event->set = set;
    return was ? TENON_EXISTED : TENON_OK;
}

tenon_status tenon_event_set(tenon_event *event)
{
    tenon_status status = change(event, true);
    if (status == TENON_OK) {
        (void)tenon__waitq_grant_all(&event->queue);
    }
    return status;
}

tenon_status tenon_event_clear(tenon_event *event)
{
    return change(event, false);
}

bool tenon_event_is_set(const tenon_event *event)
{
    return event->set;
}

tenon_status tenon_event_wait_at(tenon_event *event, const char *site)
{
    tenon_ticket t = tenon__ticket(TENON__TAKES, NULL);
    return tenon__waitq_wait(&event->queue, &t, site);
}

tenon_status tenon_event_request(tenon_event *event, tenon_ticket *t,
                                 tenon_ticket_fn *fn, void *user)
{
    if (!t) {
        return TENON_INVALID;
    }
    *t = tenon__ticket(TENON__TAKES, NULL);
    return tenon__waitq_request(&event->queue, t, fn, user);
}

/* ---- semaphore ---- */

static tenon_semaphore *semaphore_of(tenon_waitq *q)
{
    return TENON__OF(q, tenon_semaphore, queue);
}

static tenon_status enter_semaphore(tenon_waitq *q, tenon_ticket *t)
{
    tenon_semaphore *s = semaphore_of(q);
    (void)t;
    if (s->value == 0) {
        return TENON_BUSY;
    }
    s->value--;
    return TENON_OK;
}

static void pass_unit(tenon_waitq *q)
{
    tenon_ticket *next = tenon__waitq_first(q);
    if (next) {
        tenon__ticket_grant(next);
    } else {
        semaphore_of(q)->value++;
    }
}

static void undo_semaphore(tenon_waitq *q, tenon_ticket *t)
{
    (void)t;
    pass_unit(q);
}

static const tenon__waitq_kind semaphore_kind = {
    .wait = {"semaphore", tenon__ticket_unwait, tenon__wait_owner},
    .enter = enter_semaphore,
    .undo = undo_semaphore,
};

tenon_status tenon_semaphore_init(tenon_semaphore *s, tenon_reactor *r,
                                  size_t value, size_t limit, const char *name)
{
    limit = limit > 0 ? limit : SIZE_MAX;
    if (!s || value > limit) {
        return TENON_INVALID;
    }
    s->value = value;
    s->limit = limit;
    return tenon__waitq_init(&s->queue, r, &semaphore_kind, name);
}

void tenon_semaphore_fini(tenon_semaphore *s)
{
    tenon_waitq_fini(&s->queue);
}

tenon_status tenon_semaphore_acquire_at(tenon_semaphore *s, const char *site)
{
    tenon_ticket t = tenon__ticket(TENON__TAKES, NULL);
    return tenon__waitq_wait(&s->queue, &t, site);
}

tenon_status tenon_semaphore_try(tenon_semaphore *s)
{
    tenon_ticket t = tenon__ticket(TENON__TAKES, NULL);
    return tenon__waitq_try(&s->queue, &t);
}

tenon_status tenon_semaphore_release(tenon_semaphore *s)
{
    tenon_status status = tenon__waitq_check(&s->queue);
    if (status < 0 || s->value >= s->limit) {
        return status < 0 ? status : TENON_LIMIT;
    }
    pass_unit(&s->queue);
    return TENON_OK;
}

tenon_status tenon_semaphore_request(tenon_semaphore *s, tenon_ticket *t,
                                     tenon_ticket_fn *fn, void *user)
{
    if (!t) {
        return TENON_INVALID;
    }
    *t = tenon__ticket(TENON__TAKES, NULL);
    return tenon__waitq_request(&s->queue, t, fn, user);
}

size_t tenon_semaphore_value(const tenon_semaphore *s)
{
    return s->value;
}
