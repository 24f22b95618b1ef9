/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Groups of tasks. A group is a future, and its block; the children are linked
 * through their own blocks, so that having one more allocates nothing. Each of
 * them holds the group. Those that have failed are kept until the group's
 * error is made of them.
 *
 *   running  not asked to end yet      asked   asked, and not ended
 *   failed   ended
 *
 * Asking may go down a tree of groups as deep as the program likes, so it is
 * done by a queue of the reactor's and not by recursion: the outermost works
 * it off.
 */

#include "async/task_group.h"

static tenon_group *group_of(tenon_future *f)
{
    return (tenon_group *)(void *)f;
}

static void conclude_if_over(tenon_group *g)
{
    if (g->count > 0 || !g->closing) {
        return;
    }
    if (g->closer) {
        (void)tenon__task_wake(g->closer, TENON_OK);
    } else if (!g->bound) {
        tenon__group_conclude(g, tenon__group_error(g));
    }
}

/* ---- asking the children to end ---- */

static void ask_children(tenon_group *g)
{
    tenon_node *node;
    while ((node = tenon__list_pop(&g->running)) != NULL) {
        tenon_task *t = TENON__OF(node, tenon_task, sibling);
        tenon__list_push(&g->asked, node);
        tenon_task_ref(t);
        (void)tenon__task_cancel(&t->future, g->reason);
        tenon_task_unref(t);
    }
}

static void work_off(struct tenon__tasks *tasks)
{
    tenon_node *node;
    tasks->asks = true;
    while ((node = tenon__list_pop(&tasks->asking)) != NULL) {
        tenon_group *g = TENON__OF(node, tenon_group, asking);
        ask_children(g);
        tenon_group_unref(g);
    }
    tasks->asks = false;
}

/* Once; takes over the reference to `reason`. */
void tenon__group_cancel_children(tenon_group *g, tenon_error *reason)
{
    struct tenon__tasks *tasks = g->future.reactor->tasks;
    if (g->cancelled) {
        tenon_error_unref(reason);
        return;
    }
    g->cancelled = true;
    g->reason = reason;
    tenon_group_ref(g);
    tenon__list_push(&tasks->asking, &g->asking);
    if (!tasks->asks) {
        work_off(tasks);
    }
}

/* The children, and the task while it is in the group. */
static void cancel_all(tenon_group *g, tenon_error *reason)
{
    tenon_error_ref(reason);
    tenon_group_ref(g);
    tenon__group_cancel_children(g, tenon_error_ref(reason));
    tenon__scope_fire(&g->scope, reason);
    tenon_group_unref(g);
    tenon_error_unref(reason);
}

void tenon__group_cancel_for(tenon_group *g, tenon_error *failure)
{
    if (!g->cancelled) {
        tenon_error *reason =
            tenon__error(g->future.reactor, TENON_CANCELLED,
                         "another in the group has failed", failure);
        cancel_all(g, reason);
        tenon_error_unref(reason);
    }
}

/* ---- the group as a future ---- */

static void free_group(tenon_future *f)
{
    tenon_group *g = group_of(f);
    tenon_node *node;
    while ((node = tenon__list_pop(&g->failed)) != NULL) {
        tenon_task_unref(TENON__OF(node, tenon_task, sibling));
    }
    tenon_error_unref(g->reason);
    tenon_error_unref(g->body);
    tenon__free(&f->reactor->allocator, g, sizeof *g);
}

static tenon_status cancel_future(tenon_future *f, tenon_error *reason)
{
    tenon_group *g = group_of(f);
    tenon_reactor *r = f->reactor;
    tenon_error *error = reason ? tenon_error_ref(reason)
                                : tenon__error(r, TENON_CANCELLED, NULL, NULL);
    tenon_group_ref(g);
    if (!g->cancelled) {
        g->outside = !g->bound;
        cancel_all(g, error);
    }
    tenon_error_unref(error);
    if (!g->bound) {
        (void)tenon_group_close(g);
    }
    bool done = !tenon__future_pending(f);
    tenon_group_unref(g);
    return done ? TENON_EXISTED : TENON_PENDING;
}

/* Nobody has closed it, and nobody can any more; so no child is left. */
static tenon_status drop_group(tenon_future *f, void *user)
{
    tenon_group *g = user;
    (void)f;
    if (g->failures > 0) {
        tenon__group_conclude(g, tenon__group_error(g));
    }
    return TENON_OK;
}

static const tenon__future_kind group_kind = {
    .name = "group", .free = free_group, .cancel = cancel_future};

/* ---- making ---- */

tenon_status tenon_group_new_at(tenon_reactor *r, tenon_group **out,
                                const char *site)
{
    tenon_status status = tenon__check(r);
    if (status < 0 || !out) {
        return status < 0 ? status : TENON_INVALID;
    }
    status = tenon__tasks_need(r);
    tenon_group *g = status < 0 ? NULL : tenon__alloc(&r->allocator, sizeof *g);
    if (!g) {
        return TENON_NO_MEMORY;
    }
    tenon__future_setup(&g->future, r, &group_kind, site);
    g->future.canceller = drop_group;
    g->future.canceller_user = g;
    tenon__list_init(&g->running);
    tenon__list_init(&g->asked);
    tenon__list_init(&g->failed);
    *out = g;
    return TENON_OK;
}

tenon_group *tenon_group_ref(tenon_group *g)
{
    if (g) {
        (void)tenon_future_ref(&g->future);
    }
    return g;
}

void tenon_group_unref(tenon_group *g)
{
    if (g) {
        tenon_future_unref(&g->future);
    }
}

tenon_future *tenon_group_future(tenon_group *g)
{
    return g ? &g->future : NULL;
}

tenon_status tenon_group_close(tenon_group *g)
{
    tenon_status status =
        g ? tenon__check_thread(g->future.reactor) : TENON_INVALID;
    if (status < 0 || g->bound) {
        return status < 0 ? status : TENON_INVALID;
    }
    if (!g->closing) {
        g->closing = true;
        conclude_if_over(g);
    }
    return TENON_OK;
}

/* ---- children ---- */

static tenon_status check_spawn(const tenon_group *g)
{
    tenon_status status = tenon__check(g->future.reactor);
    bool over = g->cancelled || (g->closing && g->count == 0);
    return status == TENON_OK && over ? TENON_CLOSED : status;
}

void tenon__group_leave(tenon_group *g, tenon_task *t)
{
    t->group = NULL;
    tenon__list_remove(&t->sibling);
    g->count--;
}

static tenon_status spawn(tenon_group *g, tenon_task *t, bool eager)
{
    t->group = tenon_group_ref(g);
    tenon__list_push(&g->running, &t->sibling);
    g->count++;
    tenon_status status = tenon__task_begin(t, eager);
    if (status < 0) {
        tenon__group_leave(g, t);
        tenon__future_discard(&t->future);
        tenon_group_unref(g);
    }
    return status;
}

tenon_status tenon_group_spawn_at(tenon_group *g, tenon_task_fn *fn, void *user,
                                  const tenon_task_options *options,
                                  tenon_task **out, const char *site)
{
    tenon_task *t = NULL;
    tenon_status status = g ? check_spawn(g) : TENON_INVALID;
    bool eager = options && (options->flags & TENON_TASK_EAGER);
    if (status == TENON_OK) {
        status =
            tenon_task_new_at(g->future.reactor, fn, user, options, &t, site);
    }
    if (status == TENON_OK) {
        status = spawn(g, t, eager);
    }
    if (status < 0) {
        if (options && options->size >= sizeof *options && options->free_user) {
            options->free_user(user);
        }
    } else if (out) {
        *out = t;
    } else {
        tenon_task_unref(t);
    }
    return status;
}

void tenon__group_child_done(tenon_task *t)
{
    tenon_group *g = t->group;
    tenon__group_leave(g, t);
    if (t->future.state == TENON_FUTURE_FAILED) {
        tenon__future_see(&t->future);
        tenon_task_ref(t);
        tenon__list_push(&g->failed, &t->sibling);
        g->failures++;
        tenon__group_cancel_for(g, t->future.error);
    }
    conclude_if_over(g);
    tenon_group_unref(g);
}

/* ---- in both ---- */

tenon_status tenon_group_cancel(tenon_group *g, const char *reason)
{
    tenon_status status =
        g ? tenon__check_thread(g->future.reactor) : TENON_INVALID;
    if (status < 0 || g->cancelled || !tenon__future_pending(&g->future)) {
        return status < 0 ? status : TENON_OK;
    }
    tenon_error *error =
        tenon__error(g->future.reactor, TENON_CANCELLED, reason, NULL);
    cancel_all(g, error);
    tenon_error_unref(error);
    return TENON_EXISTED;
}

bool tenon_group_is_cancelled(const tenon_group *g)
{
    return g->cancelled;
}

size_t tenon_group_count(const tenon_group *g)
{
    return g->count;
}
