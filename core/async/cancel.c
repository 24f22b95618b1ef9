/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Cancelling. A future that is cancelled cancels what it waits for, and that
 * what it waits for in turn; the chain may be as long as the program likes, so
 * it is walked by a queue of the reactor's and not by recursion: the outermost
 * cancel works the queue off, those inside of it only add to it.
 */

#include "async/future.h"

static void work_off(tenon_reactor *r)
{
    tenon_node *node;
    r->passing_on = true;
    while ((node = tenon__list_pop(&r->cancelling)) != NULL) {
        tenon_future *f = TENON__OF(node, tenon_future, list);
        f->kind->pass_on(f);
        tenon_future_unref(f);
    }
    r->passing_on = false;
}

static void finish(tenon_future *f, tenon_error *error)
{
    tenon_reactor *r = f->reactor;
    f->error = tenon_error_ref(error);
    tenon__future_complete(f, TENON_FUTURE_CANCELLED);
    if (!f->kind->pass_on) {
        return;
    }
    tenon_future_ref(f);
    tenon__list_push(&r->cancelling, &f->list);
    if (!r->passing_on) {
        work_off(r);
    }
}

/* Once at most; what it has said then still holds. */
static tenon_status call_canceller(tenon_future *f)
{
    if (f->flags & TENON__FUTURE_ASKED) {
        return TENON_PENDING;
    }
    if (!f->canceller) {
        return TENON_OK;
    }
    f->flags |= TENON__FUTURE_ASKED;
    return f->canceller(f, f->canceller_user);
}

static bool may_cancel(tenon_future *f, bool now)
{
    return !f->kind->may_cancel || f->kind->may_cancel(f, now);
}

tenon_status tenon__future_cancel(tenon_future *f, tenon_error *error)
{
    if (!tenon__future_pending(f)) {
        return TENON_OK;
    }
    if (f->kind->cancel) {
        return f->kind->cancel(f, error);
    }
    if (!may_cancel(f, false)) {
        return TENON_PENDING;
    }
    tenon_status status = call_canceller(f);
    if (!tenon__future_pending(f)) {
        return TENON_EXISTED; /* the canceller has completed it itself */
    }
    if (status == TENON_PENDING || !may_cancel(f, true)) {
        return TENON_PENDING;
    }
    finish(f, error);
    return TENON_EXISTED;
}

void tenon__future_cancel_now(tenon_future *f, tenon_error *error)
{
    (void)call_canceller(f);
    if (tenon__future_pending(f)) {
        finish(f, error);
    }
}

/* ---- public ---- */

static tenon_status cancel(tenon_future *f, const char *message,
                           tenon_error *cause)
{
    tenon_status status = f ? tenon__check_thread(f->reactor) : TENON_INVALID;
    if (status < 0) {
        return status;
    }
    bool wanted = tenon__future_pending(f) && (message || cause);
    tenon_error *error =
        wanted ? tenon__error(f->reactor, TENON_CANCELLED, message, cause)
               : NULL;
    status = tenon__future_cancel(f, error);
    tenon_error_unref(error);
    return status;
}

tenon_status tenon_future_cancel(tenon_future *f, const char *reason)
{
    return cancel(f, reason, NULL);
}

tenon_status tenon_future_cancel_with(tenon_future *f, tenon_error *reason)
{
    return cancel(f, NULL, reason);
}

tenon_status tenon_future_set_canceller(tenon_future *f, tenon_canceller_fn *fn,
                                        void *user)
{
    tenon_status status = f ? tenon__check_thread(f->reactor) : TENON_INVALID;
    if (status < 0 || !tenon__future_pending(f)) {
        return status < 0 ? status : TENON_DONE;
    }
    f->canceller = fn;
    f->canceller_user = user;
    return TENON_OK;
}
