/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Futures as they complete. What was heard stands in a queue, by the indices
 * of the children, until somebody asks for it.
 */

#include <tenon/completed.h>

#include "async/gathered.h"
#include "async/task.h"

typedef struct pull {
    tenon__wait wait; /* first */
    tenon_node node;  /* in `pulls` while it waits and was not called */
} pull;

static bool cancel_pull(tenon__wait *w, tenon_error *reason)
{
    pull *p = (pull *)(void *)w;
    (void)reason;
    tenon__list_remove(&p->node);
    return true;
}

static const tenon__wait_kind for_next = {"the next one", cancel_pull, NULL};

/* ---- the queue ---- */

static void wake_one(tenon__gathered *g)
{
    tenon_node *node = tenon__list_pop(&g->pulls);
    if (node) {
        pull *p = TENON__OF(node, pull, node);
        (void)tenon__task_wake(p->wait.task, TENON_OK);
    }
}

static void wake_all(tenon__gathered *g)
{
    while (!tenon__list_empty(&g->pulls)) {
        wake_one(g);
    }
}

static void put(tenon__gathered *g, size_t index)
{
    g->children[index].next = SIZE_MAX;
    if (g->first == SIZE_MAX) {
        g->first = index;
    } else {
        g->children[g->last].next = index;
    }
    g->last = index;
}

static tenon_future *take(tenon__gathered *g)
{
    const tenon__gathered_child *child = &g->children[g->first];
    g->first = child->next;
    return child->future;
}

/* ---- hearing ---- */

static void over(tenon__gathered *g)
{
    int64_t done = 0;
    for (size_t i = 0; i < g->count; i++) {
        const tenon_future *child = tenon_gather_child(&g->future, i);
        done += !child || !tenon__future_pending(child);
    }
    if (tenon__future_pending(&g->future)) {
        tenon__future_set_int(&g->future, done);
    }
    wake_all(g);
}

/* A child in memory that is just going has nothing to give. */
static void heard(tenon__gathered *g, tenon_future *child, size_t index)
{
    (void)child;
    if (g->children[index].future) {
        put(g, index);
        wake_one(g);
    }
    if (g->unheard == 0 || !tenon__future_pending(&g->future)) {
        (void)tenon_timer_stop(&g->timer);
        over(g);
    }
}

/* Those that are done, but were not heard yet, still come. */
static void on_time(tenon_timer *timer, void *user)
{
    tenon__gathered *g = user;
    (void)timer;
    g->expired = true;
    for (size_t i = 0; i < g->count; i++) {
        tenon__gathered_child *child = &g->children[i];
        bool done = child->waiter.future &&
                    !tenon__future_pending(child->waiter.future);
        if (done) {
            put(g, i);
        }
    }
    tenon__gathered_detach(g);
    over(g);
    tenon__gathered_settle(g);
}

static void pass_on(tenon_future *f)
{
    tenon__gathered *g = tenon__gathered_of(f);
    tenon__gathered_detach(g);
    wake_all(g);
    tenon__gathered_settle(g);
}

static const tenon__gathered_ops ops = {
    {.name = "as_completed", .free = tenon__gathered_free, .pass_on = pass_on},
    heard};

/* ---- public ---- */

tenon_status tenon_as_completed(tenon_reactor *r, tenon_future *const *futures,
                                size_t count, int64_t timeout_ns,
                                tenon_future **out)
{
    tenon__gathered *g;
    tenon_status status =
        out ? tenon__gathered_new(r, futures, count, &ops, &g) : TENON_INVALID;
    if (status < 0) {
        return status;
    }
    if (count == 0) {
        over(g);
        tenon__gathered_settle(g);
    } else if (timeout_ns != TENON_FOREVER) {
        status = tenon_timer_start(&g->timer, timeout_ns, on_time, g);
    }
    if (status < 0) {
        tenon__gathered_detach(g);
        tenon__future_discard(&g->future);
        return status;
    }
    *out = &g->future;
    return TENON_OK;
}

/* Whether there is something to say at once. */
static bool answer(tenon__gathered *g, tenon_future **out, tenon_status *status)
{
    *status = TENON_OK;
    if (g->first != SIZE_MAX) {
        *out = take(g);
        return true;
    }
    if (tenon__future_pending(&g->future)) {
        return false;
    }
    tenon_status outcome = tenon__future_outcome(&g->future);
    *out = NULL;
    *status = outcome == TENON_OK && g->expired ? TENON_TIMED_OUT : outcome;
    return true;
}

/* A call that was not followed is handed on. */
static tenon_status wait_next(tenon__gathered *g, const char *site)
{
    pull p = {.node.next = NULL};
    tenon_status status = tenon__wait_begin(&p.wait, &for_next, site);
    if (status == TENON_OK) {
        p.wait.object = &g->future;
        tenon__list_push(&g->pulls, &p.node);
        status = tenon__task_wait(&p.wait);
        tenon__list_remove(&p.node);
    }
    if (status < 0 && g->first != SIZE_MAX) {
        wake_one(g);
    }
    return status;
}

tenon_status tenon_completed_next_at(tenon_future *all, tenon_future **out,
                                     const char *site)
{
    tenon_task *t = tenon__task_current();
    if (!t || !out || !all || all->kind != &ops.kind ||
        all->reactor != t->future.reactor) {
        return TENON_INVALID;
    }
    tenon__gathered *g = tenon__gathered_of(all);
    tenon_future *next = NULL;
    tenon_status answered;
    tenon_status status = tenon__task_wait_free(t, site);
    (void)tenon_future_ref(all);
    while (status == TENON_OK && !answer(g, &next, &answered)) {
        status = wait_next(g, site);
    }
    tenon_future_unref(all);
    if (status == TENON_OK) {
        status = answered;
    }
    if (status == TENON_OK) {
        *out = next;
    }
    return status;
}
