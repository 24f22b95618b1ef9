/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The life of a task: made, started, asked to end, ended. How it runs between
 * these is in step.c. While it has not ended the reactor holds a reference.
 */

#include "async/task.h"

#include <string.h>

enum { TRIM_EVERY = 1024 };

/* ---- making ---- */

static void set_name(tenon_task *t, const char *name)
{
    name = name ? name : "task";
    size_t len = strnlen(name, sizeof t->name - 1);
    memcpy(t->name, name, len);
    t->name[len] = '\0';
}

/* What is the user's goes back, once. */
static void give_back(tenon_task *t)
{
    tenon_free_fn *free_value = t->free_value;
    tenon_free_fn *free_user = t->free_user;
    tenon__local *locals = t->locals;
    t->free_value = NULL;
    t->free_user = NULL;
    t->locals = NULL;
    if (free_value) {
        free_value(t->value);
    }
    if (free_user) {
        free_user(t->user);
    }
    tenon__local_unref(t->future.reactor, locals);
}

static void give_back_later(tenon_reactor *r, tenon_node *node)
{
    tenon_task *t = TENON__OF(node, tenon_task, step);
    (void)r;
    give_back(t);
    tenon_task_unref(t);
}

/* Cancelled before it was started, or before it began: this is inside of that
 * call, which calls nobody. */
void tenon__task_never_ran(tenon_task *t)
{
    t->state = TENON__TASK_DONE;
    t->step.run = give_back_later;
    tenon_task_ref(t);
    tenon__drop_push(t->future.reactor, &t->step);
}

static void report_new(tenon_task *t)
{
    tenon_reactor *r = t->future.reactor;
    tenon_error *error = tenon__error(r, TENON_CANCELLED, t->future.site, NULL);
    tenon__report(r, "task never started", t->name, t, error);
    tenon_error_unref(error);
}

static void free_task(tenon_future *f)
{
    tenon_task *t = (tenon_task *)(void *)f;
    if (t->state == TENON__TASK_NEW) {
        report_new(t);
    }
    give_back(t);
    tenon_error_unref(t->error);
    tenon_error_unref(t->reason);
    tenon__free(&f->reactor->allocator, t, sizeof *t);
}

static void take_options(tenon_task *t, const tenon_task_options *given)
{
    tenon_task_options o = {.size = sizeof o};
    if (given) {
        memcpy(&o, given, given->size < sizeof o ? given->size : sizeof o);
    }
    t->free_user = o.free_user;
    t->stack_size = o.stack_size ? o.stack_size : TENON__STACK_SIZE;
    set_name(t, o.name);
}

static tenon_status check_new(const tenon_reactor *r, tenon_task_fn *fn,
                              const tenon_task_options *options)
{
    const size_t mandatory =
        offsetof(tenon_task_options, flags) + sizeof options->flags;
    tenon_status status = tenon__check(r);
    bool invalid = !fn || (options && options->size < mandatory);
    return status < 0 || !invalid ? status : TENON_INVALID;
}

tenon_status tenon_task_new_at(tenon_reactor *r, tenon_task_fn *fn, void *user,
                               const tenon_task_options *options,
                               tenon_task **out, const char *site)
{
    tenon_status status = check_new(r, fn, options);
    if (status < 0 || !out) {
        return status < 0 ? status : TENON_INVALID;
    }
    status = tenon__tasks_need(r);
    tenon_task *t = status < 0 ? NULL : tenon__alloc(&r->allocator, sizeof *t);
    if (!t) {
        return TENON_NO_MEMORY;
    }
    tenon__future_setup(&t->future, r, &tenon__task_kind, site);
    t->fn = fn;
    t->user = user;
    t->step.run = tenon__task_step;
    t->locals = tenon__local_keep(r);
    take_options(t, options);
    *out = t;
    return TENON_OK;
}

/* ---- starting ---- */

/* Inside of a frame, so that it is not taken for the task that spawns. */
static void call_hook(struct tenon__tasks *tasks, tenon_task *t)
{
    tenon__frame frame;
    tenon__frame_enter(tasks->reactor, &frame, NULL, NULL, NULL);
    tasks->on_spawn(t, tasks->on_spawn_user);
    tenon__frame_leave(tasks->reactor, &frame);
}

static void start(tenon_task *t, bool eager)
{
    tenon_reactor *r = t->future.reactor;
    struct tenon__tasks *tasks = r->tasks;
    tenon_task_ref(t);
    tenon__list_push(&tasks->all, &t->node);
    t->serial = ++tasks->started;
    r->task_count++;
    t->state = TENON__TASK_READY;
    if (tasks->on_spawn) {
        call_hook(tasks, t);
    }
    if (tenon__linked(&t->step) || t->state != TENON__TASK_READY) {
        return; /* the hook has cancelled it */
    }
    if (eager) {
        tenon__task_run_eagerly(t);
    } else {
        tenon__ready_push(r, &t->step);
    }
}

static tenon_status check_start(const tenon_task *t)
{
    tenon_status status = tenon__check(t->future.reactor);
    if (status == TENON_OK && t->state != TENON__TASK_NEW) {
        status = TENON_DONE;
    }
    return status < 0 ? status : tenon__tasks_need_hook(t->future.reactor);
}

tenon_status tenon__task_begin(tenon_task *t, bool eager)
{
    tenon_status status = check_start(t);
    if (status == TENON_OK) {
        start(t, eager);
    }
    return status;
}

tenon_status tenon_task_start(tenon_task *t)
{
    return t ? tenon__task_begin(t, false) : TENON_INVALID;
}

tenon_status tenon_spawn_at(tenon_reactor *r, tenon_task_fn *fn, void *user,
                            const tenon_task_options *options, tenon_task **out,
                            const char *site)
{
    tenon_task *t = NULL;
    tenon_status status = tenon_task_new_at(r, fn, user, options, &t, site);
    if (status < 0) {
        return status;
    }
    status =
        tenon__task_begin(t, options && (options->flags & TENON_TASK_EAGER));
    if (status < 0) {
        t->state = TENON__TASK_DONE;
        t->free_user = NULL; /* `user` stays the caller's */
        tenon__future_discard(&t->future);
        return status;
    }
    if (out) {
        *out = t;
    } else {
        tenon_task_unref(t);
    }
    return TENON_OK;
}

/* ---- the end ---- */

static void conclude_ok(tenon_task *t)
{
    tenon_future *f = &t->future;
    tenon_free_fn *free_value = t->free_value;
    t->free_value = NULL;
    if (t->returns_int) {
        tenon__future_set_int(f, t->number);
    } else {
        tenon__future_set(f, t->value, free_value);
    }
}

/* What it last raised or met, if that is what it returns. */
static tenon_error *error_of(tenon_task *t, tenon_status status)
{
    tenon_error *error = t->error;
    if (error && tenon_error_status(error) == status) {
        return tenon_error_ref(error);
    }
    return tenon__error(t->future.reactor, status, NULL, NULL);
}

static void conclude_cancelled(tenon_task *t)
{
    tenon_error *error = t->error;
    bool own = error && tenon_error_status(error) == TENON_CANCELLED;
    t->future.error = tenon_error_ref(own ? error : t->reason);
    tenon__future_complete(&t->future, TENON_FUTURE_CANCELLED);
}

/* A request that no wait has returned counts, too. */
void tenon__task_conclude(tenon_task *t)
{
    tenon_status status = t->woken;
    if (!tenon__future_pending(&t->future)) {
        return;
    }
    if (tenon__is_the_end(t->future.reactor, status)) { /* no fault of its */
        t->future.flags |= TENON__FUTURE_SEEN;
    }
    if (status == TENON_CANCELLED || (status >= 0 && t->must_cancel)) {
        conclude_cancelled(t);
    } else if (status < 0) {
        tenon__future_set_error(&t->future, error_of(t, status));
    } else {
        conclude_ok(t);
    }
}

/* What it has left on its stack may still be linked somewhere; so that stays
 * until the reactor's memory goes. */
static void abandon(tenon_task *t)
{
    t->woken = t->future.reactor->end_status;
    tenon__report_status(t->future.reactor, "task would not end", t->name, t,
                         t->woken);
}

/* Now and then, stacks that nobody used meanwhile lose their pages. */
static void put_stack(struct tenon__tasks *tasks, tenon_task *t)
{
    tenon__stack_put(&tasks->stacks, &t->stack);
    if (++tasks->ended % TRIM_EVERY == 0) {
        tenon__stacks_trim(&tasks->stacks, false);
    }
}

void tenon__task_finish(tenon_task *t)
{
    tenon_reactor *r = t->future.reactor;
    struct tenon__tasks *tasks = r->tasks;
    if (t->scope) {
        tenon__scopes_leave(t);
    }
    if (t->abandoned) {
        abandon(t);
    } else if (t->stack.base) {
        put_stack(tasks, t);
    }
    t->stack = (tenon__stack){0};
    tenon__list_remove(&t->node);
    r->task_count--;
    tenon__task_conclude(t);
    if (t->group) {
        tenon__group_child_done(t);
    }
    if (!tenon__linked(&t->step)) { /* see tenon__task_never_ran */
        give_back(t);
    }
    if (r->task_count == 0 && r->life == TENON__HOOKS) {
        tenon_shutdown_done(&tasks->hook);
    }
    tenon_task_unref(t);
}

/* ---- looking ---- */

tenon_task *tenon_task_ref(tenon_task *t)
{
    if (t) {
        (void)tenon_future_ref(&t->future);
    }
    return t;
}

void tenon_task_unref(tenon_task *t)
{
    if (t) {
        tenon_future_unref(&t->future);
    }
}

tenon_future *tenon_task_future(tenon_task *t)
{
    return t ? &t->future : NULL;
}

tenon_task *tenon_task_of(tenon_future *f)
{
    return f && tenon__is_task(f) ? (tenon_task *)(void *)f : NULL;
}

bool tenon_task_is_done(const tenon_task *t)
{
    return !tenon__future_pending(&t->future);
}

const char *tenon_task_name(const tenon_task *t)
{
    return t->name;
}

void tenon_task_set_name(tenon_task *t, const char *name)
{
    if (t && tenon__check_thread(t->future.reactor) == TENON_OK) {
        set_name(t, name);
    }
}

tenon_task *tenon_task_current(void)
{
    return tenon__task_current();
}

size_t tenon_task_stack_size(const tenon_task *t)
{
    return t->stack.base ? t->stack.size : 0;
}

size_t tenon_task_stack_used(const tenon_task *t)
{
    return t->stack.base ? tenon__stack_used(&t->stack) : 0;
}

const tenon__future_kind tenon__task_kind = {.name = "task",
                                             .free = free_task,
                                             .cancel = tenon__task_cancel,
                                             .completes_itself = true};
