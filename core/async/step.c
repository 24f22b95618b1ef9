/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Steps. A task runs on its own stack, from one wait to the next, between two
 * switches made here: one by whoever takes it from the ready queue, one by the
 * wait. While it runs, its frame tells what is on the loop's stack; so what it
 * calls is no different from what any other callback does, and a callback that
 * runs on top of it is not taken for the task.
 *
 * A task may run the host's loop itself. The turns of that loop are then on
 * the stack of the task, and another that was resumed there would be caught
 * below it; such tasks are put off until this one waits.
 */

#include "async/task.h"

enum { REFUSED_MAX = 1000 };

/* ---- running ---- */

static void entry(void *user)
{
    tenon_task *t = user;
    t->woken = t->fn(t->user);
    t->state = TENON__TASK_DONE;
    tenon__context_leave(&t->context, t->back);
}

/* Nothing of the task's is on the loop's stack, so in a loop that is run there
 * other tasks go on. */
static void call_for(tenon_task *t)
{
    struct tenon__tasks *tasks = t->future.reactor->tasks;
    tenon_call_fn *fn = t->host_fn;
    tenon__frame frame;
    t->host_fn = NULL;
    tasks->current = NULL;
    tenon__frame_enter(t->future.reactor, &frame, NULL, "call for a task",
                       t->name);
    fn(t->host_user);
    tenon__frame_leave(t->future.reactor, &frame);
    tasks->current = t;
}

/* `t` began on the stack of `outer`, which asks in its place. */
static void hand_on(tenon_task *t, tenon_task *outer)
{
    outer->host_fn = t->host_fn;
    outer->host_user = t->host_user;
    t->host_fn = NULL;
    tenon__context_switch(&outer->context, outer->back);
    outer->future.reactor->tasks->current = t;
}

/* It may ask for the loop's stack meanwhile; see tenon_on_host_stack. */
static void switch_to(tenon_task *t, tenon_task *outer)
{
    tenon__context here;
    tenon__context_host(&here);
    t->back = &here;
    tenon__context_switch(&here, &t->context);
    while (t->host_fn) {
        if (outer) {
            hand_on(t, outer);
        } else {
            call_for(t);
        }
        tenon__context_switch(&here, &t->context);
    }
    t->back = NULL;
}

/* The first step: only now a stack is needed. */
static bool prepare(tenon_task *t)
{
    tenon__stacks *stacks = &t->future.reactor->tasks->stacks;
    tenon_status status = tenon__stack_get(stacks, t->stack_size, &t->stack);
    if (status < 0) {
        bool system = status > -4096; /* else: there is no such stack */
        t->woken = system ? status : TENON_NO_MEMORY;
        t->state = TENON__TASK_DONE;
        return false;
    }
    tenon__context_make(&t->context, t->stack.base, t->stack.size, entry, t);
    return true;
}

/* Those that came up meanwhile run in the next turn. */
static void release_stalled(struct tenon__tasks *tasks)
{
    tasks->told_stalled = false;
    if (!tenon__list_empty(&tasks->stalled)) {
        tenon__list_splice(&tasks->reactor->ready, &tasks->stalled);
        tenon__arm(tasks->reactor);
    }
}

void tenon__task_run(tenon_task *t)
{
    tenon_reactor *r = t->future.reactor;
    tenon_reactor *outer_reactor = tenon__current;
    struct tenon__tasks *tasks = r->tasks;
    tenon_task *outer = tasks->current;
    if (t->stack.base || prepare(t)) {
        tenon__frame frame;
        tenon__current = r;
        tenon__frame_enter(r, &frame, t, "task", t->name);
        tasks->current = t;
        t->frame = &frame;
        t->state = TENON__TASK_RUNNING;
        t->credit = TENON__TASK_CREDIT;
        switch_to(t, outer);
        if (t->stack.canary && !tenon__stack_intact(&t->stack)) {
            tenon__overflow_die(t);
        }
        t->frame = NULL;
        tasks->current = outer;
        tenon__frame_leave(r, &frame);
        tenon__current = outer_reactor;
    }
    if (!outer) {
        release_stalled(tasks);
    }
    if (t->state == TENON__TASK_DONE) {
        tenon__task_finish(t);
    }
}

/* Outside of turns it is as one: the reactor is this thread's from now on, and
 * what the task queues, and closes, is seen to; but not in the child, if the
 * task forks. */
static void run_outside_turns(tenon_task *t)
{
    tenon_reactor *r = t->future.reactor;
    atomic_store_explicit(&r->inbox->owner, tenon__this_thread(),
                          memory_order_relaxed);
    tenon__pin(r);
    r->depth++;
    r->mark_ns = tenon__clock(r);
    r->lap_ns = tenon__lap(r);
    tenon__task_run(t);
    r->depth--;
    if (tenon__forked(r)) {
        r->pins--;
        return;
    }
    if (r->life == TENON__ENDING) {
        tenon__finish(r);
    } else {
        tenon__arm(r);
    }
    tenon__unpin(r);
}

void tenon__task_run_eagerly(tenon_task *t)
{
    if (t->future.reactor->depth > 0) {
        tenon__task_run(t);
    } else {
        run_outside_turns(t);
    }
}

static void stall(struct tenon__tasks *tasks, tenon_task *t)
{
    tenon__list_push(&tasks->stalled, &t->step);
    if (!tasks->told_stalled) {
        tasks->told_stalled = true;
        tenon__report_status(tasks->reactor, "task put off by a nested loop of",
                             tasks->current->name, t, TENON_BUSY);
    }
}

void tenon__task_resume(tenon_task *t)
{
    struct tenon__tasks *tasks = t->future.reactor->tasks;
    t->state = TENON__TASK_READY;
    if (tasks->current) {
        stall(tasks, t);
    } else {
        tenon__task_run(t);
    }
}

void tenon__task_step(tenon_reactor *r, tenon_node *node)
{
    (void)r;
    tenon__task_resume(TENON__OF(node, tenon_task, step));
}

bool tenon__task_wake(tenon_task *t, tenon_status status)
{
    if (t->state != TENON__TASK_WAITING) {
        return false;
    }
    t->state = TENON__TASK_READY;
    t->woken = status;
    tenon__ready_push(t->future.reactor, &t->step);
    return true;
}

/* ---- waiting ---- */

static tenon_status refuse_atomic(tenon_task *t)
{
    tenon_reactor *r = t->future.reactor;
    tenon__report_status(r, "wait in an atomic region of", t->name, t,
                         TENON_BUSY);
    return TENON_BUSY;
}

/* One that waits again and again though the reactor is gone would keep the
 * thread for ever: it is left where it stands. */
static tenon_status refuse_ended(tenon_task *t, tenon_status status)
{
    if (++t->refused > REFUSED_MAX && !tenon__forked(t->future.reactor)) {
        t->abandoned = true;
        t->state = TENON__TASK_DONE;
        /* Not left for good, as far as the tools know: what it has there is
         * looked at. */
        tenon__context_switch(&t->context, t->back);
    }
    return status;
}

/* The cancelling reaches the task. */
static tenon_status deliver(tenon_task *t)
{
    t->must_cancel = false;
    tenon__task_set_error(t, tenon_error_ref(t->reason));
    return TENON_CANCELLED;
}

static bool is_due(const tenon_task *t)
{
    return t->must_cancel && t->masks == 0;
}

tenon_status tenon__wait_begin(tenon__wait *w, const tenon__wait_kind *kind,
                               const char *site)
{
    tenon_task *t = tenon__task_current();
    *w = (tenon__wait){.kind = kind, .task = t, .site = site};
    if (!t) {
        return TENON_INVALID;
    }
    tenon__task_set_error(t, NULL);
    tenon_status status = tenon__check(t->future.reactor);
    if (status < 0) {
        return refuse_ended(t, status);
    }
    if (t->atomics > 0) {
        return refuse_atomic(t);
    }
    return is_due(t) ? deliver(t) : TENON_OK;
}

static tenon_status suspend(tenon__wait *w)
{
    tenon_task *t = w->task;
    t->wait = w;
    tenon__context_switch(&t->context, t->back);
    t->wait = NULL;
    return is_due(t) ? deliver(t) : t->woken;
}

tenon_status tenon__task_wait(tenon__wait *w)
{
    w->task->state = TENON__TASK_WAITING;
    return suspend(w);
}

tenon_status tenon__task_wait_turn(tenon__wait *w)
{
    w->task->state = TENON__TASK_WAITING;
    (void)tenon__task_wake(w->task, TENON_OK);
    return suspend(w);
}

/* ---- the loop's stack ---- */

tenon_status tenon_on_host_stack(tenon_call_fn *fn, void *user)
{
    tenon_task *t = tenon__task_current();
    if (!t || !fn) {
        return TENON_INVALID;
    }
    t->host_fn = fn;
    t->host_user = user;
    tenon__context_switch(&t->context, t->back);
    return TENON_OK;
}
