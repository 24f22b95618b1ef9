/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The tasks of a reactor: all that have been started and have not ended, and
 * what becomes of them when the reactor ends.
 */

#include "async/task.h"

/* ---- what a reactor has for tasks ---- */

/* Unless it was asked by way of one that waits for it. */
static bool cancel_one(tenon_task *t, void *user)
{
    const struct tenon__tasks *tasks = user;
    if (t->pass <= tasks->asked) {
        (void)tenon_task_cancel(t, "the reactor is being closed");
    }
    return true;
}

static tenon_status on_shutdown(tenon_reactor *r, tenon_shutdown *hook,
                                void *user)
{
    struct tenon__tasks *tasks = user;
    (void)hook;
    tasks->hooked = false;
    tasks->asked = tasks->passes;
    (void)tenon_task_foreach(r, cancel_one, tasks);
    tasks->asked = UINT64_MAX;
    return r->task_count > 0 ? TENON_PENDING : TENON_OK;
}

static tenon_status make_tasks(tenon_reactor *r)
{
    struct tenon__tasks *tasks = tenon__alloc(&r->allocator, sizeof *tasks);
    if (!tasks) {
        return TENON_NO_MEMORY;
    }
    tasks->reactor = r;
    tasks->asked = UINT64_MAX;
    tenon__list_init(&tasks->all);
    tenon__list_init(&tasks->stalled);
    tenon__list_init(&tasks->asking);
    tenon_signal_init(&tasks->dump_signal, r);
    tenon__stacks_init(&tasks->stacks, &r->allocator);
    r->tasks = tasks;
    r->async = &tenon__async;
    return TENON_OK;
}

tenon_status tenon__tasks_need(tenon_reactor *r)
{
    return r->tasks ? TENON_OK : make_tasks(r);
}

/* Registered with the first task, so that a reactor without one closes at
 * once. */
tenon_status tenon__tasks_need_hook(tenon_reactor *r)
{
    struct tenon__tasks *tasks = r->tasks;
    if (tasks->hooked || r->life != TENON__OPEN) {
        return TENON_OK;
    }
    tenon_status status =
        tenon_reactor_on_shutdown(r, &tasks->hook, on_shutdown, tasks);
    tasks->hooked = status == TENON_OK;
    return status;
}

void tenon__tasks_free(tenon_reactor *r)
{
    if (r->tasks) {
        tenon__stacks_free(&r->tasks->stacks);
        tenon__free(&r->allocator, r->tasks, sizeof *r->tasks);
        r->tasks = NULL;
    }
}

tenon_status tenon_reactor_set_spawn_hook(tenon_reactor *r, tenon_spawn_fn *fn,
                                          void *user)
{
    tenon_status status = tenon__check(r);
    if (status == TENON_OK) {
        status = tenon__tasks_need(r);
    }
    if (status == TENON_OK) {
        r->tasks->on_spawn = fn;
        r->tasks->on_spawn_user = user;
    }
    return status;
}

size_t tenon_task_count(const tenon_reactor *r)
{
    return r ? r->task_count : 0;
}

/* ---- walking ---- */

static void mark(tenon_reactor *r, tenon_node *node)
{
    (void)r;
    (void)node;
}

/* The first task from `node` on, past the marks of other walks. */
static tenon_task *task_from(const struct tenon__tasks *tasks, tenon_node *node)
{
    while (node != &tasks->all && node->run == mark) {
        node = node->next;
    }
    return node == &tasks->all ? NULL : TENON__OF(node, tenon_task, node);
}

tenon_task *tenon__tasks_next(const struct tenon__tasks *tasks,
                              const tenon_task *t)
{
    return task_from(tasks, t ? t->node.next : tasks->all.next);
}

static void link_behind(tenon_node *node, tenon_node *place)
{
    tenon__list_remove(node);
    tenon__list_push(place->next, node); /* in front of the next one */
}

/* A mark of ours is where the walk has got to, whatever the function does to
 * the tasks; those that it starts are not visited. */
size_t tenon_task_foreach(tenon_reactor *r, tenon_task_visit_fn *fn, void *user)
{
    if (!r || !fn || !r->tasks || tenon__check_thread(r) < 0) {
        return 0;
    }
    struct tenon__tasks *tasks = r->tasks;
    uint64_t newest = tasks->started;
    size_t count = 0;
    tenon_node here = {.run = mark};
    tenon__frame frame;
    tenon_task *t = tenon__tasks_next(tasks, NULL);
    tenon__pin(r);
    tenon__frame_enter(r, &frame, NULL, NULL, NULL); /* it may not wait */
    while (t && t->serial <= newest) {
        link_behind(&here, &t->node);
        count++;
        if (!fn(t, user)) {
            break;
        }
        t = task_from(tasks, &here);
    }
    tenon__frame_leave(r, &frame);
    tenon__list_remove(&here);
    tenon__unpin(r);
    return count;
}

/* ---- the end ---- */

/* One that waits; most were cancelled by the hook, of which they are told. */
static void fail_wait(tenon_task *t)
{
    bool cancelled = t->cancels > 0 && t->masks == 0;
    t->woken = cancelled ? TENON_CANCELLED : t->future.reactor->end_status;
    tenon__task_set_error(t, cancelled ? tenon_error_ref(t->reason) : NULL);
}

/* Every wait fails by now, so each resumed one runs to its end. */
void tenon__tasks_end(tenon_reactor *r)
{
    struct tenon__tasks *tasks = r->tasks;
    tenon_task *t;
    while (tasks && (t = tenon__tasks_next(tasks, NULL)) != NULL) {
        tenon__list_remove(&t->step);
        if (!t->stack.base) {
            t->woken = r->end_status;
            tenon__task_never_ran(t);
            tenon__task_finish(t);
        } else {
            if (t->state == TENON__TASK_WAITING) {
                fail_wait(t);
            }
            tenon__task_run(t);
        }
    }
    if (tasks) {
        tenon__overflow_off(r);
    }
}
