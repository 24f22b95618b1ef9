/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Many futures behind one. A child is not held while it is waited for: one that everybody else
 * has dropped is then cancelled, which is heard, instead of being kept
 * for ever by who waits for it. What was heard is held, for its value.
 */

#include "async/gathered.h"

#include <string.h>

static size_t block_len(size_t count)
{
    return sizeof(tenon__gathered) + count * sizeof(tenon__gathered_child);
}

void tenon__gathered_free(tenon_future *f)
{
    tenon__gathered *g = tenon__gathered_of(f);
    (void)tenon_timer_stop(&g->timer);
    for (size_t i = 0; i < g->count; i++) {
        if (g->children[i].held) {
            tenon_future_unref(g->children[i].future);
        }
    }
    tenon__free(&f->reactor->allocator, g, block_len(g->count));
}

void tenon__gathered_settle(tenon__gathered *g)
{
    if (g->holds_itself && g->unheard == 0 &&
        !tenon__future_pending(&g->future)) {
        g->holds_itself = false;
        tenon_future_unref(&g->future);
    }
}

/* One in memory of the caller's may be gone before ours is. */
static void hold(tenon__gathered_child *child, tenon_future *f)
{
    child->future = tenon_future_ref(f);
    child->held = tenon__future_counted(f);
}

static void on_child(tenon_waiter *w, tenon_future *f, void *user)
{
    tenon__gathered *g = user;
    tenon__gathered_child *child = TENON__OF(w, tenon__gathered_child, waiter);
    if (!(f->flags & TENON__FUTURE_GONE)) {
        hold(child, f);
    }
    g->unheard--;
    g->ops->heard(g, f, (size_t)(child - g->children));
    tenon__gathered_settle(g);
}

static bool fits(const tenon_reactor *r, tenon_future *const *futures,
                 size_t count)
{
    size_t len;
    if (__builtin_mul_overflow(count, sizeof(tenon__gathered_child), &len) ||
        __builtin_add_overflow(len, sizeof(tenon__gathered), &len) ||
        (count > 0 && !futures)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (!futures[i] || futures[i]->reactor != r ||
            (futures[i]->flags & TENON__FUTURE_GONE)) {
            return false;
        }
    }
    return true;
}

tenon_status tenon__gathered_new(tenon_reactor *r, tenon_future *const *futures,
                                 size_t count, const tenon__gathered_ops *ops,
                                 tenon__gathered **out)
{
    tenon_status status = tenon__check(r);
    if (status < 0 || !fits(r, futures, count)) {
        return status < 0 ? status : TENON_INVALID;
    }
    tenon__gathered *g = tenon__alloc(&r->allocator, block_len(count));
    if (!g) {
        return TENON_NO_MEMORY;
    }
    tenon__future_setup(&g->future, r, &ops->kind,
                        count ? futures[0]->site : NULL);
    tenon_timer_init(&g->timer, r);
    g->ops = ops;
    g->count = count;
    g->unheard = count;
    g->winner = SIZE_MAX;
    g->first = SIZE_MAX;
    tenon__list_init(&g->pulls);
    g->holds_itself = true;
    tenon_future_ref(&g->future);
    for (size_t i = 0; i < count; i++) {
        tenon__gathered_child *child = &g->children[i];
        tenon__waiter_add(&child->waiter, futures[i], on_child, g);
    }
    *out = g;
    return TENON_OK;
}

void tenon__gathered_detach(tenon__gathered *g)
{
    (void)tenon_timer_stop(&g->timer);
    for (size_t i = 0; i < g->count; i++) {
        tenon__gathered_child *child = &g->children[i];
        if (child->waiter.future) {
            hold(child, child->waiter.future);
            (void)tenon_waiter_remove(&child->waiter);
        }
    }
    g->unheard = 0;
}

/* A child's canceller, and the child's end, may come back to us. */
void tenon__gathered_cancel_children(tenon__gathered *g, tenon_error *error)
{
    tenon_future_ref(&g->future);
    for (size_t i = 0; i < g->count; i++) {
        if (g->children[i].waiter.future) {
            tenon__future_cancel(g->children[i].waiter.future, error);
        }
    }
    tenon_future_unref(&g->future);
}

bool tenon__gathered_may_cancel(tenon_future *f, bool now)
{
    (void)now;
    const tenon__gathered *g = tenon__gathered_of(f);
    for (size_t i = 0; i < g->count; i++) {
        const tenon_future *child = g->children[i].waiter.future;
        if (child && tenon__future_pending(child)) {
            return true;
        }
    }
    return false;
}

void tenon__gathered_pass_on(tenon_future *f)
{
    tenon__gathered_cancel_children(tenon__gathered_of(f), f->error);
}

/* ---- public ---- */

static const tenon__gathered *as_gathered(const tenon_future *f)
{
    bool is = f && f->kind->free == tenon__gathered_free;
    return is ? (const tenon__gathered *)(const void *)f : NULL;
}

size_t tenon_gather_count(const tenon_future *f)
{
    const tenon__gathered *g = as_gathered(f);
    return g ? g->count : 0;
}

tenon_future *tenon_gather_child(const tenon_future *f, size_t index)
{
    const tenon__gathered *g = as_gathered(f);
    if (!g || index >= g->count) {
        return NULL;
    }
    const tenon__gathered_child *child = &g->children[index];
    return child->waiter.future ? child->waiter.future : child->future;
}

tenon_future *tenon_gather_find(const tenon_future *f, const char *name)
{
    const tenon__gathered *g = as_gathered(f);
    for (size_t i = 0; g && name && i < g->count; i++) {
        const char *its = g->children[i].name;
        if (its && strcmp(its, name) == 0) {
            return tenon_gather_child(f, i);
        }
    }
    return NULL;
}

size_t tenon_gather_winner(const tenon_future *f)
{
    const tenon__gathered *g = as_gathered(f);
    return g ? g->winner : SIZE_MAX;
}
