/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * then and link. Both hang on a future by a waiter of their own and hold no
 * reference to it, so that one which everybody has dropped is cancelled rather
 * than waited for by a ring. They do hold what they will complete: a result of
 * then lives, though nobody asks for it, until its callback has run.
 */

#include <string.h>

#include "async/future.h"
#include "loop/trace.h"

/* ---- then ---- */

typedef struct then {
    tenon_future result; /* first: it is the block */
    tenon_waiter waiter;
    tenon_then_options options;
} then;

static then *then_of(tenon_future *result)
{
    return (then *)(void *)result;
}

static void then_free(tenon_future *result)
{
    tenon__free(&result->reactor->allocator, result, sizeof(then));
}

static void then_pass_on(tenon_future *result)
{
    tenon_future *source = then_of(result)->waiter.future;
    if (source) {
        tenon__future_cancel(source, result->error);
    }
}

static const tenon__future_kind then_kind = {
    .name = "then", .free = then_free, .pass_on = then_pass_on};

/* The callback's status, where it left the result alone. */
static void conclude(tenon_future *result, tenon_status status,
                     tenon_error *cause)
{
    if (!tenon__future_pending(result)) {
        if (status < 0) {
            tenon__report_status(result->reactor, "then", result->site, result,
                                 status);
        }
    } else if (status < 0) {
        tenon__future_fail_status(result, status, NULL, cause);
    } else if (status != TENON_PENDING &&
               !(result->flags & TENON__FUTURE_LINKED)) {
        tenon__future_set(result, NULL, NULL);
    }
}

/* Afterwards the source may be gone, if it is in memory of the caller's. */
static void call(tenon_future *source, tenon_future *result, tenon_then_fn *fn,
                 void *user)
{
    tenon_reactor *r = result->reactor;
    tenon_error *cause = tenon_error_ref(source->error);
    tenon__frame frame;
    tenon__trace_lend(r, result, &frame);
    tenon__frame_enter(r, &frame, NULL, "then", result->site);
    tenon_status status = fn(source, result, user);
    tenon__frame_leave(r, &frame);
    conclude(result, status, cause);
    tenon_error_unref(cause);
}

static void then_on_done(tenon_waiter *w, tenon_future *source, void *user)
{
    then *t = user;
    bool resolved = source->state == TENON_FUTURE_RESOLVED;
    tenon_then_fn *fn = resolved ? t->options.on_value : t->options.on_error;
    (void)w;
    if (tenon__future_pending(&t->result)) {
        if (!resolved) {
            tenon__future_see(source);
        }
        if (!fn) {
            tenon__future_forward(source, &t->result, TENON_LINK_CANCEL_TO);
        } else if (source->flags & TENON__FUTURE_GONE) {
            tenon__future_cancel_now(&t->result, NULL);
        } else {
            call(source, &t->result, fn, t->options.user);
        }
    }
    if (t->options.free_user) {
        t->options.free_user(t->options.user);
    }
    tenon_future_unref(&t->result);
}

static tenon_status check_then(const tenon_future *f,
                               const tenon_then_options *options)
{
    const size_t mandatory =
        offsetof(tenon_then_options, on_error) + sizeof options->on_error;
    if (!f || !options || options->size < mandatory) {
        return TENON_INVALID;
    }
    return tenon__future_check(f);
}

tenon_status tenon_future_then(tenon_future *f,
                               const tenon_then_options *options,
                               tenon_future **out)
{
    tenon_status status = check_then(f, options);
    if (status < 0) {
        return status;
    }
    tenon_reactor *r = f->reactor;
    then *t = tenon__alloc(&r->allocator, sizeof *t);
    if (!t) {
        return TENON_NO_MEMORY;
    }
    memcpy(&t->options, options,
           options->size < sizeof t->options ? options->size
                                             : sizeof t->options);
    tenon__future_setup(&t->result, r, &then_kind, f->site);
    tenon__trace_follow(r, &t->result, f, false);
    tenon__waiter_add(&t->waiter, f, then_on_done, t);
    if (out) {
        *out = tenon_future_ref(&t->result);
    }
    return TENON_OK;
}

/* ---- link ---- */

typedef struct bond {
    tenon_waiter up;   /* on the one that is followed */
    tenon_waiter down; /* on the one that follows */
    tenon_future *to;
    uint32_t flags;
} bond;

static void unlink_both(bond *b)
{
    tenon_future *to = b->to;
    (void)tenon_waiter_remove(&b->up);
    (void)tenon_waiter_remove(&b->down);
    tenon__free(&to->reactor->allocator, b, sizeof *b);
    tenon_future_unref(to);
}

static void on_up(tenon_waiter *w, tenon_future *from, void *user)
{
    bond *b = user;
    (void)w;
    if (tenon__future_pending(b->to)) {
        tenon__future_forward(from, b->to, b->flags);
    }
    unlink_both(b);
}

static void on_down(tenon_waiter *w, tenon_future *to, void *user)
{
    bond *b = user;
    tenon_future *from = b->up.future;
    (void)w;
    if (to->state == TENON_FUTURE_CANCELLED && from &&
        (b->flags & TENON_LINK_CANCEL_FROM)) {
        tenon__future_cancel(from, to->error);
    }
    unlink_both(b);
}

tenon_status tenon_future_link(tenon_future *from, tenon_future *to,
                               uint32_t flags)
{
    if (!from || !to || from == to || from->reactor != to->reactor) {
        return TENON_INVALID;
    }
    tenon_reactor *r = from->reactor;
    tenon_status status = tenon__future_check(from);
    if (status == TENON_OK) {
        status = tenon__future_check(to);
    }
    if (status < 0 || !tenon__future_pending(to)) {
        return status < 0 ? status : TENON_DONE;
    }
    if (to->kind->completes_itself) {
        return TENON_INVALID;
    }
    bond *b = tenon__alloc(&r->allocator, sizeof *b);
    if (!b) {
        return TENON_NO_MEMORY;
    }
    b->to = tenon_future_ref(to);
    b->flags = flags;
    to->flags |= TENON__FUTURE_LINKED;
    tenon__waiter_add(&b->up, from, on_up, b);
    tenon__waiter_add(&b->down, to, on_down, b);
    return TENON_OK;
}
