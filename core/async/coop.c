/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Work in slices. It stands in the ready queue once, behind everybody else,
 * and comes back there after its slice; so several take turns. It holds itself
 * until its own end was heard.
 */

#include <tenon/coop.h>

#include "async/future.h"

#include <string.h>

struct tenon_coop {
    tenon_future future; /* first: it is the block */
    tenon_waiter self;   /* its own end */
    tenon_node step;     /* in the ready queue */
    tenon_coop_options options;
    int64_t steps;
    uint32_t pauses;
    bool running; /* a step of it is on the stack */
    bool over;    /* its own end was heard */
};

static void free_coop(tenon_future *f)
{
    tenon__free(&f->reactor->allocator, f, sizeof(tenon_coop));
}

static const tenon__future_kind coop_kind = {.name = "coop", .free = free_coop};

static void settle(tenon_coop *c)
{
    if (c->over && !c->running) {
        c->over = false; /* once */
        if (c->options.free_user) {
            c->options.free_user(c->options.user);
        }
        tenon_future_unref(&c->future);
    }
}

static void on_self(tenon_waiter *w, tenon_future *f, void *user)
{
    tenon_coop *c = user;
    (void)w;
    (void)f;
    c->over = true;
    tenon__list_remove(&c->step);
    settle(c);
}

static bool may_step(const tenon_coop *c)
{
    return c->pauses == 0 && tenon__future_pending(&c->future);
}

static tenon_status one_step(tenon_coop *c)
{
    tenon_reactor *r = c->future.reactor;
    tenon__frame frame;
    tenon__frame_enter(r, &frame, c, "coop", c->options.name);
    tenon_status status = c->options.fn(c, c->options.user);
    tenon__frame_leave(r, &frame);
    c->steps++;
    return status;
}

static tenon_status one_slice(tenon_coop *c)
{
    const tenon_reactor *r = c->future.reactor;
    int64_t slice_ns = c->options.slice_ns;
    int64_t end_ns =
        slice_ns > 0 ? tenon__add_ns(tenon__clock(r), slice_ns) : INT64_MIN;
    tenon_status status;
    do {
        status = one_step(c);
    } while (status == TENON_PENDING && may_step(c) &&
             tenon__clock(r) < end_ns);
    return status;
}

static void run(tenon_reactor *r, tenon_node *node)
{
    tenon_coop *c = TENON__OF(node, tenon_coop, step);
    if (!may_step(c)) {
        return;
    }
    c->running = true;
    tenon_status status = one_slice(c);
    c->running = false;
    if (!tenon__future_pending(&c->future)) {
        /* it was stopped by itself, or in a loop that it ran */
    } else if (status == TENON_PENDING) {
        if (c->pauses == 0) {
            tenon__ready_push(r, &c->step);
        }
    } else if (status < 0) {
        tenon__future_fail_status(&c->future, status, NULL, NULL);
    } else {
        tenon__future_set_int(&c->future, c->steps);
    }
    settle(c);
}

static tenon_status check(const tenon_reactor *r,
                          const tenon_coop_options *options)
{
    const size_t mandatory =
        offsetof(tenon_coop_options, user) + sizeof options->user;
    tenon_status status = tenon__check(r);
    bool valid = options && options->size >= mandatory && options->fn;
    return status == TENON_OK && !valid ? TENON_INVALID : status;
}

tenon_status tenon_coop_start(tenon_reactor *r,
                              const tenon_coop_options *options,
                              tenon_coop **out)
{
    tenon_status status = out ? check(r, options) : TENON_INVALID;
    if (status < 0) {
        return status;
    }
    tenon_coop *c = tenon__alloc(&r->allocator, sizeof *c);
    if (!c) {
        return TENON_NO_MEMORY;
    }
    tenon__future_setup(&c->future, r, &coop_kind, NULL);
    memcpy(&c->options, options,
           options->size < sizeof c->options ? options->size
                                             : sizeof c->options);
    c->future.site = c->options.name ? c->options.name : "";
    if (c->options.slice_ns == 0) {
        c->options.slice_ns = TENON_MILLISECOND;
    }
    c->step.run = run;
    tenon__waiter_add(&c->self, &c->future, on_self, c);
    tenon__ready_push(r, &c->step);
    *out = tenon_coop_ref(c);
    return TENON_OK;
}

tenon_future *tenon_coop_future(tenon_coop *c)
{
    return c ? &c->future : NULL;
}

tenon_status tenon_coop_pause(tenon_coop *c)
{
    tenon_status status =
        c ? tenon__check_thread(c->future.reactor) : TENON_INVALID;
    if (status == TENON_OK) {
        c->pauses++;
        tenon__list_remove(&c->step);
    }
    return status;
}

tenon_status tenon_coop_resume(tenon_coop *c)
{
    tenon_status status = c ? tenon__check(c->future.reactor) : TENON_INVALID;
    if (status < 0 || c->pauses == 0) {
        return status < 0 ? status : TENON_INVALID;
    }
    c->pauses--;
    if (may_step(c) && !c->running && !tenon__linked(&c->step)) {
        tenon__ready_push(c->future.reactor, &c->step);
    }
    return TENON_OK;
}

tenon_status tenon_coop_stop(tenon_coop *c)
{
    return c ? tenon_future_cancel(&c->future, NULL) : TENON_INVALID;
}

tenon_coop *tenon_coop_ref(tenon_coop *c)
{
    if (c) {
        (void)tenon_future_ref(&c->future);
    }
    return c;
}

void tenon_coop_unref(tenon_coop *c)
{
    if (c) {
        tenon_future_unref(&c->future);
    }
}
