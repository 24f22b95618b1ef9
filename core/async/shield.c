/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Futures that become what another becomes, with a difference: shield does not
 * pass cancelling on, with_timeout has a time limit. As in then.c they hold
 * themselves until the other is done, and not the other.
 */

#include <tenon/timeout.h>

#include "async/future.h"

typedef struct shield {
    tenon_future result; /* first: it is the block */
    tenon_waiter waiter;
    tenon_timer timer; /* of with_timeout */
    uint32_t flags;
    bool expired;
} shield;

static shield *shield_of(tenon_future *result)
{
    return (shield *)(void *)result;
}

static void free_shield(tenon_future *result)
{
    (void)tenon_timer_stop(&shield_of(result)->timer);
    tenon__free(&result->reactor->allocator, result, sizeof(shield));
}

/* The timer must not keep the reactor alive for a result that is there. */
static void stop_timer(tenon_future *result)
{
    (void)tenon_timer_stop(&shield_of(result)->timer);
}

static void pass_on(tenon_future *result)
{
    const shield *s = shield_of(result);
    tenon_future *source = s->waiter.future;
    stop_timer(result);
    if (source && !(s->flags & TENON_TIMEOUT_KEEP)) {
        (void)tenon__future_cancel(source, result->error);
    }
}

static const tenon__future_kind shield_kind = {.name = "shield",
                                               .free = free_shield};
static const tenon__future_kind limit_kind = {
    .name = "with_timeout", .free = free_shield, .pass_on = pass_on};

static void fail_late(tenon_future *result, tenon_error *cause)
{
    tenon__future_fail_status(result, TENON_TIMED_OUT,
                              "the time limit was reached", cause);
}

static void on_source(tenon_waiter *w, tenon_future *source, void *user)
{
    shield *s = user;
    (void)w;
    stop_timer(&s->result);
    if (!tenon__future_pending(&s->result)) {
        /* its failure, if it is one, is nobody's */
    } else if (s->expired && source->state == TENON_FUTURE_CANCELLED) {
        fail_late(&s->result, source->error);
    } else {
        tenon__future_forward(source, &s->result, TENON_LINK_CANCEL_TO);
    }
    tenon_future_unref(&s->result);
}

static void on_late(tenon_timer *timer, void *user)
{
    shield *s = user;
    tenon_future *source = s->waiter.future;
    (void)timer;
    if (!source || !tenon__future_pending(source)) {
        return; /* in time */
    }
    if (s->flags & TENON_TIMEOUT_KEEP) {
        fail_late(&s->result, NULL);
        return;
    }
    s->expired = true;
    tenon_error *reason = tenon__error(source->reactor, TENON_CANCELLED,
                                       "the time limit was reached", NULL);
    (void)tenon__future_cancel(source, reason);
    tenon_error_unref(reason);
}

static tenon_status follow(tenon_future *f, const tenon__future_kind *kind,
                           shield **out)
{
    tenon_status status = tenon__future_check(f);
    if (status < 0) {
        return status;
    }
    tenon_reactor *r = f->reactor;
    shield *s = tenon__alloc(&r->allocator, sizeof *s);
    if (!s) {
        return TENON_NO_MEMORY;
    }
    tenon__future_setup(&s->result, r, kind, f->site);
    tenon_timer_init(&s->timer, r);
    tenon_timer_set_name(&s->timer, "with_timeout");
    *out = s;
    return TENON_OK;
}

static void begin(shield *s, tenon_future *f, tenon_future **out)
{
    tenon__waiter_add(&s->waiter, f, on_source, s);
    *out = tenon_future_ref(&s->result);
}

tenon_status tenon_shield(tenon_future *f, tenon_future **out)
{
    shield *s;
    tenon_status status = out ? follow(f, &shield_kind, &s) : TENON_INVALID;
    if (status == TENON_OK) {
        begin(s, f, out);
    }
    return status;
}

tenon_status tenon_with_timeout(tenon_future *f, int64_t delay_ns,
                                uint32_t flags, tenon_future **out)
{
    shield *s;
    tenon_status status = out ? follow(f, &limit_kind, &s) : TENON_INVALID;
    if (status < 0) {
        return status;
    }
    s->flags = flags;
    if (delay_ns != TENON_FOREVER) {
        status = tenon_timer_start(&s->timer, delay_ns, on_late, s);
    }
    if (status < 0) {
        tenon__future_discard(&s->result);
        return status;
    }
    begin(s, f, out);
    return TENON_OK;
}
