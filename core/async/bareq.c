/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The wait queue by itself: there is nothing to be had but to be woken.
 */

#include "async/waitq.h"

static tenon_status enter_bare(tenon_waitq *q, tenon_ticket *t)
{
    (void)q;
    (void)t;
    return TENON_BUSY;
}

static void undo_bare(tenon_waitq *q, tenon_ticket *t)
{
    if (t->passes_on) {
        (void)tenon_waitq_wake(q);
    }
}

static const tenon__waitq_kind bare = {
    .wait = {"wait queue", tenon__ticket_unwait, tenon__wait_owner},
    .enter = enter_bare,
    .undo = undo_bare,
};

tenon_status tenon_waitq_init(tenon_waitq *q, tenon_reactor *r,
                              const char *name)
{
    return q ? tenon__waitq_init(q, r, &bare, name) : TENON_INVALID;
}

void tenon_waitq_fini(tenon_waitq *q)
{
    if (tenon__waitq_fini_begin(q)) {
        tenon__waitq_fini_end(q);
    }
}

tenon_status tenon_waitq_wait_at(tenon_waitq *q, const char *site)
{
    tenon_ticket t = tenon__ticket(TENON__TAKES, NULL);
    return tenon__waitq_wait(q, &t, site);
}

tenon_status tenon_waitq_request(tenon_waitq *q, tenon_ticket *t,
                                 tenon_ticket_fn *fn, void *user)
{
    if (!t) {
        return TENON_INVALID;
    }
    *t = tenon__ticket(TENON__TAKES, NULL);
    return tenon__waitq_request(q, t, fn, user);
}

bool tenon_waitq_wake(tenon_waitq *q)
{
    tenon_ticket *t = tenon__waitq_check(q) < 0 ? NULL : tenon__waitq_first(q);
    if (t) {
        t->passes_on = true;
        tenon__ticket_grant(t);
    }
    return t != NULL;
}

size_t tenon_waitq_wake_all(tenon_waitq *q)
{
    return tenon__waitq_check(q) < 0 ? 0 : tenon__waitq_grant_all(q);
}

size_t tenon_waitq_throw(tenon_waitq *q, tenon_status status)
{
    bool may = tenon__waitq_check(q) == TENON_OK && status < 0;
    return may ? tenon__waitq_fail_all(q, status) : 0;
}

size_t tenon_waitq_count(const tenon_waitq *q)
{
    return q ? q->count : 0;
}
