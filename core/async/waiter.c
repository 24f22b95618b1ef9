/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Waiters. Each one is an entry of its own in the ready queue, so that they
 * run between calls and posts in the order in which things became due, and a
 * nested loop or a spent budget finds them where they are.
 */

#include "async/future.h"
#include "loop/trace.h"

/* ---- the queue ---- */

/* The waiter is its owner's again before its function runs. */
void tenon__waiter_run(tenon_reactor *r, tenon_node *node)
{
    tenon_waiter *w = TENON__OF(node, tenon_waiter, node);
    tenon_future *f = w->future;
    bool counted = tenon__future_counted(f);
    w->future = NULL;
    f->queued--;
    if (w->flags & TENON__WAITER_OURS) {
        w->fn(w, f, w->user);
    } else {
        tenon__frame frame;
        tenon__trace_lend(r, f, &frame);
        tenon__frame_enter(r, &frame, NULL, "future callback", f->site);
        w->fn(w, f, w->user);
        tenon__frame_leave(r, &frame);
    }
    if (counted) {
        tenon_future_unref(f);
    }
}

static void queue(tenon_future *f, tenon_waiter *w)
{
    f->queued++;
    tenon_future_ref(f);
    tenon__ready_push(f->reactor, &w->node);
}

void tenon__waiters_queue(tenon_future *f)
{
    tenon_node *node;
    while ((node = tenon__list_pop(&f->list)) != NULL) {
        queue(f, TENON__OF(node, tenon_waiter, node));
    }
    f->list = (tenon_node){.next = NULL};
}

static void add(tenon_waiter *w, tenon_future *f, tenon_done_fn *fn, void *user,
                uint32_t flags)
{
    *w = (tenon_waiter){.node.run = tenon__waiter_run,
                        .future = f,
                        .fn = fn,
                        .user = user,
                        .flags = flags};
    if (tenon__future_pending(f)) {
        tenon__list_push(&f->list, &w->node);
    } else {
        queue(f, w);
    }
}

void tenon__waiter_add(tenon_waiter *w, tenon_future *f, tenon_done_fn *fn,
                       void *user)
{
    add(w, f, fn, user, TENON__WAITER_OURS);
}

/* ---- finding ---- */

typedef struct wanted {
    const tenon_future *future;
    tenon_done_fn *fn; /* NULL: any */
    void *user;
} wanted;

static tenon_waiter *find_in(const tenon_node *head, const wanted *want)
{
    for (tenon_node *n = head->next; n && n != head; n = n->next) {
        tenon_waiter *w = TENON__OF(n, tenon_waiter, node);
        if (n->run == tenon__waiter_run && w->future == want->future &&
            (!want->fn || (w->fn == want->fn && w->user == want->user))) {
            return w;
        }
    }
    return NULL;
}

static tenon_waiter *find(const wanted *want)
{
    const tenon_future *f = want->future;
    const tenon_reactor *r = f->reactor;
    if (tenon__future_pending(f)) {
        return find_in(&f->list, want);
    }
    if (f->queued == 0) {
        return NULL;
    }
    tenon_waiter *w = find_in(&r->round, want);
    return w ? w : find_in(&r->ready, want);
}

static void remove_waiter(tenon_waiter *w)
{
    tenon_future *f = w->future;
    tenon__list_remove(&w->node);
    w->future = NULL;
    if (!tenon__future_pending(f)) {
        f->queued--;
        tenon_future_unref(f);
    }
}

/* A function of ours may add and remove others, so each search is new. */
void tenon__waiters_forget(tenon_future *f)
{
    const wanted any = {.future = f};
    tenon_waiter *w;
    while ((w = find(&any)) != NULL) {
        remove_waiter(w);
        if (w->flags & TENON__WAITER_OURS) {
            w->fn(w, f, w->user);
        }
    }
}

/* ---- public ---- */

tenon_status tenon_future_on_done(tenon_future *f, tenon_waiter *w,
                                  tenon_done_fn *fn, void *user)
{
    tenon_status status = tenon__future_check(f);
    if (status < 0 || !w || !fn) {
        return status < 0 ? status : TENON_INVALID;
    }
    add(w, f, fn, user, 0);
    return TENON_OK;
}

size_t tenon_future_off(tenon_future *f, tenon_done_fn *fn, void *user)
{
    if (!f || !fn || tenon__check_thread(f->reactor) < 0) {
        return 0;
    }
    const wanted equal = {.future = f, .fn = fn, .user = user};
    size_t count = 0;
    tenon_waiter *w;
    tenon_future_ref(f);
    while ((w = find(&equal)) != NULL) {
        remove_waiter(w);
        count++;
    }
    tenon_future_unref(f);
    return count;
}

tenon_status tenon_waiter_remove(tenon_waiter *w)
{
    if (!w || !w->future) {
        return w ? TENON_OK : TENON_INVALID;
    }
    tenon_status status = tenon__check_thread(w->future->reactor);
    if (status < 0) {
        return status;
    }
    remove_waiter(w);
    return TENON_EXISTED;
}
