/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Cancelling. A request goes to what the task waits for: it is ended, or, if
 * it is a task, too, asked in turn; so the request travels along a chain of
 * tasks to the deepest wait, and what that returns comes back up. A chain may
 * be as long as the program likes, so it is walked and not recursed into; and
 * it may be a ring, which is broken where it closes.
 */

#include "async/task.h"

/* ---- cancelling ---- */

static void remember_reason(tenon_task *t, tenon_error *reason)
{
    tenon_error_unref(t->reason);
    t->reason =
        reason ? tenon_error_ref(reason)
               : tenon__error(t->future.reactor, TENON_CANCELLED, NULL, NULL);
}

static tenon_status cancel_unbegun(tenon_task *t)
{
    bool started = t->state == TENON__TASK_READY;
    tenon__list_remove(&t->step);
    t->woken = TENON_CANCELLED;
    tenon__task_never_ran(t);
    if (started) {
        tenon__task_finish(t);
    } else {
        tenon__task_conclude(t);
    }
    return TENON_EXISTED;
}

static void end_wait(tenon_task *t)
{
    tenon__task_set_error(t, tenon_error_ref(t->reason));
    (void)tenon__task_wake(t, TENON_CANCELLED);
}

/* The task that it waits for, which is to be asked next, or NULL. */
static tenon_task *cancel_wait(tenon_task *t, uint64_t pass)
{
    tenon__wait *w = t->wait;
    tenon_task *next = tenon__awaited_task(w);
    if (next && next->pass == pass) {
        tenon__await_forget(w);
        end_wait(t);
        return NULL;
    }
    if (next && next->pass > t->future.reactor->tasks->asked) {
        return NULL; /* so that closing does not walk each chain many times */
    }
    if (!next && w->kind->cancel(w, t->reason)) {
        end_wait(t);
    }
    return next;
}

static tenon_task *cancel_begun(tenon_task *t, uint64_t pass)
{
    if (t->state == TENON__TASK_WAITING && t->masks == 0) {
        return cancel_wait(t, pass);
    }
    t->must_cancel = true;
    return NULL;
}

tenon_status tenon__task_cancel(tenon_future *f, tenon_error *reason)
{
    tenon_task *t = (tenon_task *)(void *)f;
    if (!tenon__future_pending(f)) {
        return TENON_OK;
    }
    if (t->state == TENON__TASK_NEW || tenon__task_unbegun(t)) {
        tenon__task_request(t);
        remember_reason(t, reason);
        return cancel_unbegun(t);
    }
    uint64_t pass = ++f->reactor->tasks->passes;
    for (; t && t->state != TENON__TASK_DONE; t = cancel_begun(t, pass)) {
        t->pass = pass;
        tenon__task_request(t);
        remember_reason(t, reason);
        if (tenon__task_unbegun(t)) {
            (void)cancel_unbegun(t);
            break;
        }
    }
    return TENON_PENDING;
}

tenon_status tenon_task_cancel(tenon_task *t, const char *message)
{
    tenon_status status =
        t ? tenon__check_thread(t->future.reactor) : TENON_INVALID;
    if (status < 0) {
        return status;
    }
    tenon_error *reason = message ? tenon__error(t->future.reactor,
                                                 TENON_CANCELLED, message, NULL)
                                  : NULL;
    tenon_task_ref(t);
    status = tenon__task_cancel(&t->future, reason);
    tenon_task_unref(t);
    tenon_error_unref(reason);
    return status;
}

uint32_t tenon_task_cancelling(const tenon_task *t)
{
    return t->cancels;
}

uint32_t tenon_task_uncancel(tenon_task *t)
{
    bool may = tenon__check_thread(t->future.reactor) == TENON_OK;
    if (may && t->cancels > 0 && --t->cancels == 0) {
        t->must_cancel = false;
    }
    return t->cancels;
}
