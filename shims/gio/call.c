/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * A GIO operation as a future of ours. Two ends hold the call: the operation,
 * until it has called back, and the waiter on the future, until it has run or
 * was removed. Neither touches the other's part:
 *
 *   the operation ends    -> its outcome is posted -> deliver, in a turn
 *   the future ends first -> the waiter cancels the operation, which then ends
 *
 * The operation has a GCancellable of its own, which follows the user's: to
 * give up on one future must not end other operations.
 */

#include <string.h>

#include <tenon/inbox.h>

#include "outcome.h"

struct tenon_gio_call {
    tenon_waiter waiter;
    tenon_post_node post;
    tenon_future *future; /* not counted; NULL: it is done */
    tenon_reactor *reactor;
    tenon_inbox *inbox;
    GCancellable *cancellable;
    gulong handler; /* on options.cancellable; 0: none */
    tenon_gio_options options;
    tenon__gio_outcome outcome;
};

/* ---- the call ---- */

static void call_fini(void *user)
{
    tenon_gio_call *c = user;
    tenon__gio_outcome_clear(&c->outcome);
    tenon_inbox_unref(c->inbox);
    g_object_unref(c->cancellable);
    g_clear_object(&c->options.cancellable);
}

static void call_unref(tenon_gio_call *c)
{
    g_atomic_rc_box_release_full(c, call_fini);
}

/* ---- the user's GCancellable ---- */

static void on_cancelled(GCancellable *cancellable, void *user)
{
    (void)cancellable;
    g_cancellable_cancel(user);
}

static void object_gone(void *user, GClosure *closure)
{
    (void)closure;
    g_object_unref(user);
}

/* Not g_cancellable_connect and _disconnect: see future.c. */
static void follow(tenon_gio_call *c)
{
    GCancellable *theirs = c->options.cancellable;
    if (!theirs) {
        return;
    }
    g_object_ref(theirs);
    c->handler = g_signal_connect_data(
        theirs, "cancelled", G_CALLBACK(on_cancelled),
        g_object_ref(c->cancellable), object_gone, (GConnectFlags)0);
    if (g_cancellable_is_cancelled(theirs)) {
        g_cancellable_cancel(c->cancellable);
    }
}

/* ---- the future ends first ---- */

static void on_done(tenon_waiter *waiter, tenon_future *future, void *user)
{
    tenon_gio_call *c = user;
    (void)waiter;
    (void)future;
    c->future = NULL;
    g_cancellable_cancel(c->cancellable);
    call_unref(c);
}

/* ---- the operation ends ---- */

static void deliver(tenon_post_node *post, tenon_status status, void *user)
{
    tenon_gio_call *c = user;
    tenon_future *future = c->future;
    (void)post;
    (void)status; /* at the end of the reactor the future is done */
    if (future) {
        tenon_future_ref(future); /* its waiter may be all that holds it */
        (void)tenon_waiter_remove(&c->waiter);
        tenon__gio_outcome_give(&c->outcome, future);
        tenon_future_unref(future);
        call_unref(c);
    }
    (void)tenon_reactor_release(c->reactor);
    call_unref(c);
}

static void *finish_task(GAsyncResult *result, GError **error)
{
    if (!G_IS_TASK(result)) {
        g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                            "not a GTask, and there is no finish");
        return NULL;
    }
    return g_task_propagate_pointer(G_TASK(result), error);
}

/* Of whatever it is: finish_int, finish, our own result, a GTask. */
static void finish(tenon_gio_call *c, GObject *source, GAsyncResult *result)
{
    const tenon_gio_options *how = &c->options;
    tenon__gio_outcome *out = &c->outcome;
    GError *error = NULL;
    if (how->finish_int) {
        out->is_number = true;
        out->number = how->finish_int(source, result, &error, how->user);
    } else if (how->finish) {
        out->pointer = how->finish(source, result, &error, how->user);
        out->free_value = how->free_value;
    } else if (!tenon__gio_future_finish(result, out)) {
        out->pointer = finish_task(result, &error);
        out->free_value = how->free_value;
    }
    if (error) {
        out->error = tenon_gio_error_new(error);
        g_error_free(error);
    }
}

/* ---- public ---- */

void tenon_gio_ready(GObject *source, GAsyncResult *result, void *call)
{
    tenon_gio_call *c = call;
    if (c->handler) {
        g_signal_handler_disconnect(c->options.cancellable, c->handler);
    }
    if (result) {
        finish(c, source, result);
    } else {
        c->outcome.error = tenon_error_of(TENON_ABORTED, "never started");
    }
    if (tenon_post(c->inbox, &c->post, deliver, c) < 0) {
        call_unref(c);
    }
}

GCancellable *tenon_gio_call_cancellable(const tenon_gio_call *call)
{
    return call->cancellable;
}

static tenon_gio_call *call_new(tenon_reactor *reactor, tenon_future *future,
                                const tenon_gio_options *options)
{
    tenon_gio_call *c = g_atomic_rc_box_new0(tenon_gio_call);
    if (options) {
        memcpy(&c->options, options, MIN(options->size, sizeof c->options));
    }
    tenon_post_init(&c->post);
    c->future = future;
    c->reactor = reactor;
    c->inbox = tenon_inbox_ref(tenon_reactor_inbox(reactor));
    c->cancellable = g_cancellable_new();
    follow(c);
    return c;
}

tenon_status tenon_gio_call_new(tenon_reactor *reactor, tenon_gio_call **call,
                                tenon_future **future,
                                const tenon_gio_options *options)
{
    tenon_future *made;
    if (!call || !future) {
        return TENON_INVALID;
    }
    tenon_status status = tenon_future_new(reactor, &made);
    if (status < 0) {
        return status;
    }
    tenon_gio_call *c = call_new(reactor, made, options);
    g_atomic_rc_box_acquire(c); /* the waiter's */
    /* Neither fails where the one before has not. */
    (void)!tenon_future_on_done(made, &c->waiter, on_done, c);
    (void)tenon_reactor_hold(reactor);
    *call = c;
    *future = made;
    return TENON_OK;
}
