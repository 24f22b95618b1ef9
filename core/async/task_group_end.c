/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Groups that a task opens and ends, and what comes of a group. The part of the
 * task between begin and end is a scope: it is cancelled when a child fails.
 */

#include "async/task_group.h"

/* ---- what comes of it ---- */

static tenon_error *merge(const tenon_group *g, tenon_error *const *all,
                          size_t count)
{
    char text[64];
    snprintf(text, sizeof text, "%zu failed in the group", count);
    const tenon_error_options options = {
        .size = sizeof options,
        .status = tenon_error_status(all[0]),
        .system_code = tenon_error_system_code(all[0]),
        .message = text,
        .allocator = &g->future.reactor->allocator,
        .children = all,
        .child_count = count,
    };
    return tenon_error_new(&options);
}

static void list_failures(const tenon_group *g, tenon_error **all)
{
    size_t i = 0;
    for (tenon_node *n = g->failed.next; n != &g->failed; n = n->next) {
        if (g->body && i == g->body_index) {
            all[i++] = g->body;
        }
        all[i++] = TENON__OF(n, tenon_task, sibling)->future.error;
    }
    if (g->body && i == g->body_index) {
        all[i] = g->body;
    }
}

/* NULL if nobody failed. */
tenon_error *tenon__group_error(const tenon_group *g)
{
    const tenon_allocator *allocator = &g->future.reactor->allocator;
    size_t count = g->failures + (g->body ? 1 : 0);
    if (count == 0) {
        return NULL;
    }
    tenon_error **all = tenon__alloc(allocator, count * sizeof(tenon_error *));
    if (!all) {
        return tenon__error(g->future.reactor, TENON_NO_MEMORY, NULL, NULL);
    }
    list_failures(g, all);
    tenon_error *error = merge(g, all, count);
    tenon__free(allocator, all, count * sizeof(tenon_error *));
    return error;
}

/* Takes over the reference to `error`, which may be NULL. */
void tenon__group_conclude(tenon_group *g, tenon_error *error)
{
    tenon_future *f = &g->future;
    g->closing = true;
    if (!tenon__future_pending(f)) {
        tenon_error_unref(error);
    } else if (error) {
        if (tenon__is_the_end(f->reactor, tenon_error_status(error))) {
            f->flags |= TENON__FUTURE_SEEN;
        }
        tenon__future_set_error(f, error);
    } else if (g->outside) {
        f->error = tenon_error_ref(g->reason);
        tenon__future_complete(f, TENON_FUTURE_CANCELLED);
    } else {
        tenon__future_set(f, NULL, NULL);
    }
}

/* ---- in a task ---- */

/* The task that opened it has gone. */
static void leave_group(tenon_scope *s)
{
    tenon_group *g = TENON__OF(s, tenon_group, scope);
    g->bound = false;
    tenon__group_cancel_children(g, tenon__error(g->future.reactor,
                                                 TENON_CANCELLED,
                                                 "the group was left", NULL));
    (void)tenon_group_close(g);
    tenon_group_unref(g);
}

static const tenon__scope_kind for_group = {"group", leave_group};

tenon_status tenon_group_begin_at(tenon_group **out, const char *site)
{
    tenon_task *t = tenon__task_current();
    tenon_group *g;
    if (!t || !out) {
        return TENON_INVALID;
    }
    tenon_status status = tenon_group_new_at(t->future.reactor, &g, site);
    if (status < 0) {
        return status;
    }
    g->bound = true;
    tenon__scope_begin(&g->scope, &for_group, t);
    *out = g;
    return TENON_OK;
}

typedef struct group_wait {
    tenon__wait wait; /* first */
    tenon_group *group;
} group_wait;

/* It goes on when the last child has ended. */
static bool cancel_wait(tenon__wait *w, tenon_error *reason)
{
    tenon_group *g = ((group_wait *)(void *)w)->group;
    g->outside = true;
    tenon__group_cancel_children(g, tenon_error_ref(reason));
    return false;
}

/* Any of them; those that were not asked to end come first. */
static tenon_task *first_child(const tenon__wait *w)
{
    const tenon_group *g = ((const group_wait *)(const void *)w)->group;
    const tenon_node *list =
        tenon__list_empty(&g->running) ? &g->asked : &g->running;
    return tenon__list_empty(list) ? NULL
                                   : TENON__OF(list->next, tenon_task, sibling);
}

static const tenon__wait_kind for_children = {"children", cancel_wait,
                                              first_child};

static tenon_status wait_once(tenon_group *g, const char *site)
{
    group_wait w = {.group = g};
    tenon_status status = tenon__wait_begin(&w.wait, &for_children, site);
    if (status == TENON_OK) {
        w.wait.object = &g->future;
        g->closer = w.wait.task;
        status = tenon__task_wait(&w.wait);
        g->closer = NULL;
    }
    return status;
}

/* Until there is no child; a failure but TENON_CANCELLED if that cannot be. */
static tenon_status wait_all(tenon_group *g, tenon_task *t, const char *site)
{
    while (g->count > 0) {
        tenon_status status = wait_once(g, site);
        if (status == TENON_CANCELLED) {
            g->outside = true;
            tenon__group_cancel_children(g, tenon_error_ref(t->reason));
        } else if (status < 0) {
            return status;
        }
    }
    return TENON_OK;
}

/* The reactor has ended, or the task may not wait. */
static void abandon_children(tenon_group *g, tenon_status status)
{
    tenon_node *lists[] = {&g->running, &g->asked};
    tenon__group_cancel_children(g, tenon__error(g->future.reactor,
                                                 TENON_CANCELLED,
                                                 "the group was left", NULL));
    for (int i = 0; i < 2; i++) {
        while (!tenon__list_empty(lists[i])) {
            tenon__group_leave(g,
                               TENON__OF(lists[i]->next, tenon_task, sibling));
            tenon_group_unref(g); /* there is the caller's */
        }
    }
    if (tenon__future_pending(&g->future)) {
        tenon__future_fail_status(&g->future, status, NULL, NULL);
        tenon__future_see(&g->future); /* it is returned */
    }
}

/* What the part of the task between begin and end came to. */
static void note_body(tenon_group *g, tenon_task *t, tenon_status status)
{
    enum tenon__scope_verdict verdict = tenon__scope_end(&g->scope);
    if (status >= 0 ||
        (status == TENON_CANCELLED && verdict == TENON__SCOPE_OWN)) {
        return;
    }
    tenon_error *error =
        tenon_error_status(t->error) == status
            ? tenon_error_ref(t->error)
            : tenon__error(t->future.reactor, status, NULL, NULL);
    if (status == TENON_CANCELLED) {
        g->outside = true;
        tenon__group_cancel_children(g, error);
    } else {
        g->body = error;
        g->body_index = g->failures;
        tenon__group_cancel_for(g, error);
    }
}

/* Who has cancelled the task is owed a failed wait, where another failure is
 * told of now. */
static tenon_status tell(tenon_group *g, tenon_task *t, uint32_t cancels,
                         tenon_status status)
{
    tenon_error *error = tenon__group_error(g);
    if (error) {
        tenon__task_set_error(t, tenon_error_ref(error));
        tenon__group_conclude(g, tenon_error_ref(error));
        tenon__future_see(&g->future);
        if (g->outside && t->cancels > cancels) {
            t->must_cancel = true;
        }
        status = tenon_error_status(error);
        tenon_error_unref(error);
        return status;
    }
    tenon__group_conclude(g, NULL);
    if (g->outside) {
        tenon__task_set_error(t, tenon_error_ref(g->reason));
        return TENON_CANCELLED;
    }
    return status < 0 ? TENON_OK : status;
}

tenon_status tenon_group_end_at(tenon_group *g, tenon_status status,
                                const char *site)
{
    tenon_task *t = tenon__task_current();
    if (!t || !g || g->scope.task != t) {
        return status < 0 ? status : TENON_INVALID;
    }
    uint32_t cancels = g->scope.cancels;
    g->closing = true;
    note_body(g, t, status);
    tenon_status waited = wait_all(g, t, site);
    if (waited < 0) {
        abandon_children(g, waited);
        status = waited;
    } else {
        status = tell(g, t, cancels, status);
    }
    tenon_group_unref(g);
    return status;
}
