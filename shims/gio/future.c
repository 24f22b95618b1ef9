/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * A future of ours as a GTask. The wait follows the future by a `then`, which
 * tells it of every end, that of a future in its owner's memory too.
 *
 * A GCancellable may be cancelled in any thread, and its handler must neither
 * disconnect itself by g_cancellable_disconnect, which waits for that very
 * handler, nor touch a future. It posts, and what it posts with (the asker) is
 * counted: the closure holds it while a handler runs, so that the owner may
 * disconnect at any moment, inside of a handler too, without waiting.
 */

#include <tenon/inbox.h>

#include "outcome.h"

typedef struct asker asker;

typedef struct wait {
    tenon_waiter waiter;
    tenon_future *source; /* while the result is pending */
    tenon_future *result; /* follows it, and holds it */
    GTask *task;
    asker *asker; /* NULL: there is no cancellable */
    gulong handler;
} wait;

struct asker {
    tenon_post_node post;
    tenon_inbox *inbox;
    int asked;
    wait *wait; /* the owner's; NULL: it is over */
};

/* By what a result of ours is known. */
static void *tag(void)
{
    return (void *)g_intern_static_string("tenon_gio_future_async");
}

static bool is_ours(GAsyncResult *result)
{
    return g_async_result_is_tagged(result, tag());
}

/* ---- asking for the end ---- */

static void asker_fini(void *user)
{
    tenon_inbox_unref(((asker *)user)->inbox);
}

static void asker_unref(void *user)
{
    g_atomic_rc_box_release_full(user, asker_fini);
}

static void asker_gone(void *user, GClosure *closure)
{
    (void)closure;
    asker_unref(user);
}

static void on_asked(tenon_post_node *post, tenon_status status, void *user)
{
    asker *a = user;
    (void)post;
    if (status == TENON_OK && a->wait &&
        !tenon_future_is_done(a->wait->result)) {
        (void)tenon_future_cancel(a->wait->source, "its GCancellable was");
    }
    asker_unref(a);
}

static void ask(GCancellable *cancellable, void *user)
{
    asker *a = user;
    (void)cancellable;
    if (!g_atomic_int_compare_and_exchange(&a->asked, 0, 1)) {
        return;
    }
    g_atomic_rc_box_acquire(a);
    if (tenon_post(a->inbox, &a->post, on_asked, a) < 0) {
        asker_unref(a);
    }
}

/* Not g_cancellable_connect, which calls the handler itself if it comes too
 * late, under a lock in some versions. */
static void watch(wait *w, GCancellable *cancellable)
{
    asker *a = g_atomic_rc_box_new0(asker);
    tenon_post_init(&a->post);
    a->inbox =
        tenon_inbox_ref(tenon_reactor_inbox(tenon_future_reactor(w->source)));
    a->wait = w;
    w->asker = a;
    w->handler = g_signal_connect_data(
        cancellable, "cancelled", G_CALLBACK(ask), g_atomic_rc_box_acquire(a),
        asker_gone, (GConnectFlags)0);
    if (g_cancellable_is_cancelled(cancellable)) {
        ask(cancellable, a);
    }
}

static void unwatch(wait *w)
{
    if (w->asker) {
        w->asker->wait = NULL;
        g_signal_handler_disconnect(g_task_get_cancellable(w->task),
                                    w->handler);
        asker_unref(w->asker);
    }
}

/* ---- the end ---- */

static void outcome_free(void *user)
{
    tenon__gio_outcome_clear(user);
    g_free(user);
}

static void error_unref(void *user)
{
    tenon_error_unref(user);
}

/* The callback may run inside of this. */
static void give_back(GTask *task, tenon__gio_outcome *outcome)
{
    if (outcome->error) {
        g_task_set_task_data(task, outcome->error, error_unref);
        g_task_return_error(task, tenon_gio_gerror_new(outcome->error));
        g_free(outcome);
    } else {
        g_task_return_pointer(task, outcome, outcome_free);
    }
    g_object_unref(task);
}

static void on_done(tenon_waiter *waiter, tenon_future *future, void *user)
{
    wait *w = user;
    GTask *task = w->task;
    tenon__gio_outcome *outcome = g_new0(tenon__gio_outcome, 1);
    (void)waiter;
    tenon__gio_outcome_take(outcome, future);
    unwatch(w);
    tenon_future_unref(w->result);
    g_free(w);
    give_back(task, outcome);
}

static void fail(GTask *task, tenon_status status)
{
    tenon__gio_outcome *outcome = g_new0(tenon__gio_outcome, 1);
    outcome->error = tenon_error_of(status, NULL);
    give_back(task, outcome);
}

/* Once it is done: in memory of its owner's it may end right after. */
static void source_unref(void *user)
{
    tenon_future_unref(user);
}

/* ---- public ---- */

void tenon_gio_future_async(tenon_future *future, GCancellable *cancellable,
                            GAsyncReadyCallback callback, void *user)
{
    const tenon_then_options as_it_is = {
        .size = sizeof as_it_is, .user = future, .free_user = source_unref};
    GTask *task = g_task_new(NULL, cancellable, callback, user);
    g_task_set_source_tag(task, tag());
    g_task_set_name(task, "tenon future");
    g_task_set_check_cancellable(task, FALSE);
    wait *w = g_new0(wait, 1);
    tenon_status status = tenon_future_then(future, &as_it_is, &w->result);
    if (status < 0) {
        g_free(w);
        fail(task, status);
        return;
    }
    w->task = task;
    w->source = tenon_future_ref(future);
    (void)!tenon_future_on_done(w->result, &w->waiter, on_done, w);
    if (cancellable) {
        watch(w, cancellable);
    }
}

static tenon__gio_outcome *propagate(GAsyncResult *result, GError **error)
{
    g_return_val_if_fail(g_task_is_valid(result, NULL), NULL);
    g_return_val_if_fail(is_ours(result), NULL);
    return g_task_propagate_pointer(G_TASK(result), error);
}

static gboolean refuse(tenon__gio_outcome *outcome, tenon_status status,
                       GError **error)
{
    tenon_error *why = tenon_error_of(status, NULL);
    g_propagate_error(error, tenon_gio_gerror_new(why));
    tenon_error_unref(why);
    outcome_free(outcome);
    return FALSE;
}

gboolean tenon_gio_future_finish(GAsyncResult *result, void **value,
                                 tenon_free_fn **free_value, GError **error)
{
    tenon__gio_outcome *outcome = propagate(result, error);
    if (!outcome) {
        return FALSE;
    }
    if (value && outcome->is_number) {
        return refuse(outcome, TENON_INVALID, error);
    }
    if (free_value) {
        *free_value = outcome->free_value;
    }
    if (value) {
        *value = outcome->pointer;
        outcome->free_value = NULL;
    }
    outcome_free(outcome);
    return TRUE;
}

gboolean tenon_gio_future_finish_int(GAsyncResult *result, int64_t *number,
                                     GError **error)
{
    tenon__gio_outcome *outcome = propagate(result, error);
    if (!outcome) {
        return FALSE;
    }
    if (!outcome->is_number) {
        return refuse(outcome, TENON_INVALID, error);
    }
    *number = outcome->number;
    outcome_free(outcome);
    return TRUE;
}

gboolean tenon_gio_future_finish_value(GAsyncResult *result, GValue *value,
                                       GError **error)
{
    tenon__gio_outcome *outcome = propagate(result, error);
    if (!outcome) {
        return FALSE;
    }
    tenon_status status = tenon__gio_outcome_value(outcome, value);
    if (status < 0) {
        return refuse(outcome, status, error);
    }
    g_free(outcome);
    return TRUE;
}

tenon_error *tenon_gio_future_finish_error(GAsyncResult *result)
{
    return is_ours(result) ? g_task_get_task_data(G_TASK(result)) : NULL;
}

bool tenon__gio_future_finish(GAsyncResult *result, tenon__gio_outcome *out)
{
    if (!is_ours(result)) {
        return false;
    }
    tenon__gio_outcome *outcome =
        g_task_propagate_pointer(G_TASK(result), NULL);
    if (outcome) {
        *out = *outcome;
        g_free(outcome);
    } else {
        *out = (tenon__gio_outcome){
            .error = tenon_error_ref(tenon_gio_future_finish_error(result))};
    }
    return true;
}
