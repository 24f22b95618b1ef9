/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * gather, any, race and wait: what each makes of a child that is done.
 */

#include <string.h>

#include "async/gathered.h"

/* ---- gather ---- */

/* The error is the gather's now, which is reported if nobody looks at that. */
static void fail_with(tenon__gathered *g, tenon_future *child)
{
    tenon__future_forward(child, &g->future, 0);
    if (g->flags & TENON_GATHER_CANCEL_ON_ERROR) {
        tenon_error *error =
            tenon__error(g->future.reactor, TENON_CANCELLED,
                         "another of the gathered failed", child->error);
        tenon__gathered_cancel_children(g, error);
        tenon_error_unref(error);
    }
}

static void gather_heard(tenon__gathered *g, tenon_future *child, size_t index)
{
    bool failed = child->state != TENON_FUTURE_RESOLVED;
    (void)index;
    if (g->flags & TENON_GATHER_SETTLED) {
        tenon__future_see(child);
        failed = false;
    }
    if (tenon__future_pending(&g->future)) {
        if (failed) {
            fail_with(g, child);
        } else if (g->unheard == 0) {
            tenon__future_set_int(&g->future, (int64_t)g->count);
        }
    } else if (g->flags & TENON_GATHER_QUIET) {
        tenon__future_see(child);
    }
}

static const tenon__gathered_ops gather_ops = {
    {.name = "gather",
     .free = tenon__gathered_free,
     .may_cancel = tenon__gathered_may_cancel,
     .pass_on = tenon__gathered_pass_on},
    gather_heard};

tenon_status tenon_gather(tenon_reactor *r, tenon_future *const *futures,
                          size_t count, uint32_t flags, tenon_future **out)
{
    tenon__gathered *g;
    tenon_status status =
        out ? tenon__gathered_new(r, futures, count, &gather_ops, &g)
            : TENON_INVALID;
    if (status < 0) {
        return status;
    }
    g->flags = flags;
    if (count == 0) {
        tenon__future_set_int(&g->future, 0);
        tenon__gathered_settle(g);
    }
    *out = &g->future;
    return TENON_OK;
}

/* The array that gather takes is needed for a moment. */
static tenon_status gather_all(tenon_reactor *r,
                               const tenon_named_future *futures, size_t count,
                               uint32_t flags, tenon_future **out)
{
    size_t len;
    if (__builtin_mul_overflow(count, sizeof(tenon_future *), &len)) {
        return TENON_INVALID;
    }
    tenon_future **plain = tenon__alloc(&r->allocator, len);
    if (!plain) {
        return TENON_NO_MEMORY;
    }
    for (size_t i = 0; i < count; i++) {
        plain[i] = futures[i].future;
    }
    tenon_status status = tenon_gather(r, plain, count, flags, out);
    tenon__free(&r->allocator, plain, len);
    return status;
}

tenon_status tenon_gather_named(tenon_reactor *r,
                                const tenon_named_future *futures, size_t count,
                                uint32_t flags, tenon_future **out)
{
    tenon_status status = tenon__check(r);
    if (status < 0 || (count > 0 && !futures)) {
        return status < 0 ? status : TENON_INVALID;
    }
    if (count == 0) {
        return tenon_gather(r, NULL, 0, flags, out);
    }
    status = gather_all(r, futures, count, flags, out);
    for (size_t i = 0; status == TENON_OK && i < count; i++) {
        tenon__gathered_of(*out)->children[i].name = futures[i].name;
    }
    return status;
}

/* ---- any, race ---- */

static void any_heard(tenon__gathered *g, tenon_future *child, size_t index)
{
    bool resolved = child->state == TENON_FUTURE_RESOLVED;
    tenon__future_see(child);
    if (!tenon__future_pending(&g->future)) {
        return;
    }
    if (resolved) {
        g->winner = index;
        tenon__future_forward(child, &g->future, 0);
    } else if (g->unheard == 0) {
        tenon__future_fail_status(&g->future, tenon__future_outcome(child),
                                  "none of the futures succeeded",
                                  child->error);
    }
}

static void race_heard(tenon__gathered *g, tenon_future *child, size_t index)
{
    any_heard(g, child, index);
    if (g->winner == index) {
        tenon__gathered_cancel_children(g, NULL);
    }
}

static const tenon__gathered_ops any_ops = {
    {.name = "any",
     .free = tenon__gathered_free,
     .may_cancel = tenon__gathered_may_cancel,
     .pass_on = tenon__gathered_pass_on},
    any_heard};

static const tenon__gathered_ops race_ops = {
    {.name = "race",
     .free = tenon__gathered_free,
     .may_cancel = tenon__gathered_may_cancel,
     .pass_on = tenon__gathered_pass_on},
    race_heard};

static tenon_status first(tenon_reactor *r, tenon_future *const *futures,
                          size_t count, const tenon__gathered_ops *ops,
                          tenon_future **out)
{
    tenon__gathered *g;
    tenon_status status = out && count
                              ? tenon__gathered_new(r, futures, count, ops, &g)
                              : TENON_INVALID;
    if (status == TENON_OK) {
        *out = &g->future;
    }
    return status;
}

tenon_status tenon_any(tenon_reactor *r, tenon_future *const *futures,
                       size_t count, tenon_future **out)
{
    return first(r, futures, count, &any_ops, out);
}

tenon_status tenon_race(tenon_reactor *r, tenon_future *const *futures,
                        size_t count, tenon_future **out)
{
    return first(r, futures, count, &race_ops, out);
}

/* ---- wait ---- */

static void wait_over(tenon__gathered *g)
{
    int64_t done = 0;
    tenon__gathered_detach(g);
    for (size_t i = 0; i < g->count; i++) {
        const tenon_future *child = g->children[i].future;
        done += !child || !tenon__future_pending(child);
    }
    if (tenon__future_pending(&g->future)) {
        tenon__future_set_int(&g->future, done);
    }
}

static void wait_heard(tenon__gathered *g, tenon_future *child, size_t index)
{
    (void)index;
    bool enough = g->unheard == 0 || g->flags == TENON_WAIT_FIRST_COMPLETED ||
                  (g->flags == TENON_WAIT_FIRST_FAILED &&
                   child->state == TENON_FUTURE_FAILED);
    if (enough || !tenon__future_pending(&g->future)) {
        wait_over(g);
    }
}

static void on_timeout(tenon_timer *timer, void *user)
{
    tenon__gathered *g = user;
    (void)timer;
    wait_over(g);
    tenon__gathered_settle(g);
}

static void wait_pass_on(tenon_future *f)
{
    tenon__gathered *g = tenon__gathered_of(f);
    tenon__gathered_detach(g);
    tenon__gathered_settle(g);
}

static const tenon__gathered_ops wait_ops = {
    {.name = "wait", .free = tenon__gathered_free, .pass_on = wait_pass_on},
    wait_heard};

static tenon_status wait_start(tenon__gathered *g, int64_t timeout_ns)
{
    if (g->count == 0) {
        on_timeout(&g->timer, g);
        return TENON_OK;
    }
    return timeout_ns == TENON_FOREVER
               ? TENON_OK
               : tenon_timer_start(&g->timer, timeout_ns, on_timeout, g);
}

tenon_status tenon_wait(tenon_reactor *r, tenon_future *const *futures,
                        size_t count, const tenon_wait_options *options,
                        tenon_future **out)
{
    tenon_wait_options chosen = {.timeout_ns = TENON_FOREVER};
    tenon__gathered *g;
    if (options) {
        memcpy(&chosen, options,
               options->size < sizeof chosen ? options->size : sizeof chosen);
    }
    if (!out || chosen.policy > TENON_WAIT_FIRST_FAILED) {
        return TENON_INVALID;
    }
    tenon_status status = tenon__gathered_new(r, futures, count, &wait_ops, &g);
    if (status < 0) {
        return status;
    }
    g->flags = chosen.policy;
    status = wait_start(g, chosen.timeout_ns);
    if (status < 0) {
        tenon__gathered_detach(g);
        tenon__future_discard(&g->future);
        return status;
    }
    *out = &g->future;
    return TENON_OK;
}
