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

#include "async/task.h"

struct tenon_group {
    tenon_future future; /* first: it is the block */
    tenon_scope scope;   /* of the task that opened it, while that is in it */
    tenon_node running;
    tenon_node asked;
    tenon_node failed;
    tenon_node asking; /* in the queue of those whose children to ask */
    size_t count;      /* that have not ended */
    size_t failures;
    tenon_task *closer;  /* waits for the children */
    tenon_error *reason; /* that the children are asked with */
    tenon_error *body;   /* failure of who opened it */
    size_t body_index;   /* so many have failed before */
    bool bound;          /* a task has opened it */
    bool closing;        /* over, as soon as there is no child */
    bool cancelled;      /* the children were asked */
    bool outside;        /* by who is outside of the group */
};

static tenon_group *group_of(tenon_future *f)
{
    return (tenon_group *)(void *)f;
}

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
static tenon_error *make_error(const tenon_group *g)
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
static void conclude(tenon_group *g, tenon_error *error)
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

static void conclude_if_over(tenon_group *g)
{
    if (g->count > 0 || !g->closing) {
        return;
    }
    if (g->closer) {
        (void)tenon__task_wake(g->closer, TENON_OK);
    } else if (!g->bound) {
        conclude(g, make_error(g));
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
static void cancel_children(tenon_group *g, tenon_error *reason)
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
    cancel_children(g, tenon_error_ref(reason));
    tenon__scope_fire(&g->scope, reason);
    tenon_group_unref(g);
    tenon_error_unref(reason);
}

static void cancel_for(tenon_group *g, tenon_error *failure)
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
    tenon_error *error =
        reason ? tenon_error_ref(reason)
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
static void drop_group(tenon_future *f)
{
    tenon_group *g = group_of(f);
    if (g->failures > 0) {
        conclude(g, make_error(g));
    }
}

static const tenon__future_kind group_kind = {.name = "group",
                                              .free = free_group,
                                              .cancel = cancel_future,
                                              .drop = drop_group};

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

static void leave(tenon_group *g, tenon_task *t)
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
        leave(g, t);
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
        status = tenon_task_new_at(g->future.reactor, fn, user, options, &t,
                                   site);
    }
    if (status == TENON_OK) {
        status = spawn(g, t, eager);
    }
    if (status < 0) {
        if (options && options->size >= sizeof *options &&
            options->free_user) {
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
    leave(g, t);
    if (t->future.state == TENON_FUTURE_FAILED) {
        tenon__future_see(&t->future);
        tenon_task_ref(t);
        tenon__list_push(&g->failed, &t->sibling);
        g->failures++;
        cancel_for(g, t->future.error);
    }
    conclude_if_over(g);
    tenon_group_unref(g);
}

/* ---- in a task ---- */

/* The task that opened it has gone. */
static void leave_group(tenon_scope *s)
{
    tenon_group *g = TENON__OF(s, tenon_group, scope);
    g->bound = false;
    cancel_children(g, tenon__error(g->future.reactor, TENON_CANCELLED,
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
    cancel_children(g, tenon_error_ref(reason));
    return false;
}

static const tenon__wait_kind for_children = {"children", cancel_wait};

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
            cancel_children(g, tenon_error_ref(t->reason));
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
    cancel_children(g, tenon__error(g->future.reactor, TENON_CANCELLED,
                                    "the group was left", NULL));
    for (int i = 0; i < 2; i++) {
        while (!tenon__list_empty(lists[i])) {
            leave(g, TENON__OF(lists[i]->next, tenon_task, sibling));
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
    tenon_error *error = tenon_error_status(t->error) == status
                             ? tenon_error_ref(t->error)
                             : tenon__error(t->future.reactor, status, NULL,
                                            NULL);
    if (status == TENON_CANCELLED) {
        g->outside = true;
        cancel_children(g, error);
    } else {
        g->body = error;
        g->body_index = g->failures;
        cancel_for(g, error);
    }
}

/* Who has cancelled the task is owed a failed wait, where another failure is
 * told of now. */
static tenon_status tell(tenon_group *g, tenon_task *t, uint32_t cancels,
                         tenon_status status)
{
    tenon_error *error = make_error(g);
    if (error) {
        tenon__task_set_error(t, tenon_error_ref(error));
        conclude(g, tenon_error_ref(error));
        tenon__future_see(&g->future);
        if (g->outside && t->cancels > cancels) {
            t->must_cancel = true;
        }
        status = tenon_error_status(error);
        tenon_error_unref(error);
        return status;
    }
    conclude(g, NULL);
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

/* ---- in both ---- */

tenon_status tenon_group_cancel(tenon_group *g, const char *reason)
{
    tenon_status status =
        g ? tenon__check_thread(g->future.reactor) : TENON_INVALID;
    if (status < 0 || g->cancelled || !tenon__future_pending(&g->future)) {
        return status < 0 ? status : TENON_OK;
    }
    tenon_error *error = tenon__error(g->future.reactor, TENON_CANCELLED,
                                      reason, NULL);
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
