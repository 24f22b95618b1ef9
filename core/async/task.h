/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Tasks, as core/async sees them.
 *
 *   task.c         making, starting, ending    await.c   what a task calls
 *   task_cancel.c  cancelling                  raise.c   what it returns
 *   tasks.c        all of a reactor's          local.c   what it carries
 *   step.c         running one from a wait to the next
 *   overflow.c     one whose stack was too small
 *   scope.c        cancelling that is taken back: of time limits, of groups
 *   task_dump.c    who waits for whom
 *
 * A task is resumed by tenon__task_resume alone, from the ready queue, on the
 * stack of whoever runs the turn. Everything that a task can wait for is a
 * tenon__wait on the task's stack:
 *
 *     status = tenon__wait_begin(&w, &kind, site);   may it, and as whom?
 *     ... link what will call tenon__task_wake(w.task, ...)
 *     status = tenon__task_wait(&w);                      others run
 *     ... unlink whatever is still linked
 */

#ifndef TENON_ASYNC_TASK_H
#define TENON_ASYNC_TASK_H

#include <tenon/await.h>
#include <tenon/group.h>
#include <tenon/timeout.h>

#include "async/context.h"
#include "async/future.h"
#include "async/local.h"
#include "async/stack.h"

enum tenon__task_state {
    TENON__TASK_NEW,
    TENON__TASK_READY, /* in a queue, to be resumed */
    TENON__TASK_RUNNING,
    TENON__TASK_WAITING,
    TENON__TASK_DONE
};

typedef struct tenon__wait tenon__wait;

typedef struct tenon__wait_kind {
    const char *name; /* "future", "sleep", ... for dumps */
    /* The task is cancelled: unlink, now, what would wake it, and return true;
     * or see to it that it will be woken, and return false. */
    bool (*cancel)(tenon__wait *wait, tenon_error *reason);
    /* The task that could end the wait, for dumps; may be NULL, and say so. */
    tenon_task *(*blocker)(const tenon__wait *wait);
} tenon__wait_kind;

struct tenon__wait {
    const tenon__wait_kind *kind;
    tenon_task *task;
    const char *site;
    const void *object; /* what is waited for, for dumps; may be NULL */
};

enum { TENON__TASK_NAME = 32, TENON__TASK_CREDIT = 128 };

struct tenon_task {
    tenon_future future; /* first: it is the block */
    tenon_node node;     /* among those that have not ended */
    tenon_node step;     /* while it is ready */
    tenon__context context;
    tenon__context *back; /* who resumed it, while it runs */
    tenon__frame *frame;  /* of that */
    tenon__stack stack;
    tenon_task_fn *fn;
    void *user;
    tenon_free_fn *free_user;
    tenon__wait *wait;   /* while it waits */
    tenon_status woken;  /* what the wait returns; at the end, the function */
    uint32_t credit;     /* waits that may return at once, in this step */
    tenon_error *error;  /* of the last failure in it, or NULL */
    tenon_error *reason; /* of the last cancelling, or NULL */
    tenon__local *locals;
    tenon_call_fn *host_fn; /* to be called on the loop's stack */
    void *host_user;
    void *value; /* of tenon_return */
    tenon_free_fn *free_value;
    int64_t number;
    size_t stack_size;
    uint64_t serial;    /* of its start */
    uint64_t pass;      /* of the cancelling that came by last */
    uint64_t requests;  /* to end, ever */
    tenon_scope *scope; /* the innermost that is open */
    tenon_group *group; /* whose child it is, or NULL */
    tenon_node sibling; /* in a list of that */
    uint32_t state;
    uint32_t cancels; /* requests, less those taken back */
    uint32_t masks;
    uint32_t atomics;
    uint32_t refused; /* waits since the reactor ended */
    bool must_cancel; /* the next wait fails */
    bool returns_int; /* `number` is the value */
    bool abandoned;   /* it would not end with its reactor */
    char name[TENON__TASK_NAME];
};

/* What a reactor has once it has a task. */
struct tenon__tasks {
    tenon_reactor *reactor;
    tenon_task *current; /* the innermost that runs */
    tenon_node all;      /* started, and not ended */
    tenon_node stalled;  /* ready, but one is on the stack */
    tenon__stacks stacks;
    tenon_shutdown hook;
    uint64_t started;
    uint64_t ended;    /* that had a stack */
    uint64_t passes;   /* of cancelling */
    uint64_t asked;    /* who has a later pass was asked to end, by the hook */
    tenon_node asking; /* groups whose children are to be asked to end */
    bool asks;         /* that is under way */
    tenon_signal dump_signal;
    FILE *dump_file;
    uint32_t dump_format;
    struct tenon__overflow *overflow; /* somebody asked for reports */
    uint64_t random;                  /* of where selects begin */
    tenon_spawn_fn *on_spawn;
    void *on_spawn_user;
    bool hooked;       /* `hook` is registered */
    bool told_stalled; /* since the outermost step began */
};

extern const tenon__future_kind tenon__task_kind;

static inline bool tenon__is_task(const tenon_future *future)
{
    return future->kind == &tenon__task_kind;
}

/** The task that calls, or NULL. */
static inline tenon_task *tenon__task_current(void)
{
    tenon_reactor *r = tenon__current;
    tenon_task *t = r && r->tasks ? r->tasks->current : NULL;
    return t && t->frame == r->frames ? t : NULL;
}

/** Counts a request to end. */
static inline void tenon__task_request(tenon_task *task)
{
    task->cancels++;
    task->requests++;
}

/* ---- step.c ---- */

/** Runs it until it waits or ends, or puts it off when one is on the stack. It
 *  must be in no queue, and may be gone afterwards. */
void tenon__task_resume(tenon_task *task);
/** The same, on top of whatever there is. */
void tenon__task_run(tenon_task *task);
/** The same, in or out of turns. */
void tenon__task_run_eagerly(tenon_task *task);
/** The `run` of `step`. */
void tenon__task_step(tenon_reactor *reactor, tenon_node *node);
/** Queues one that waits, which returns `status` from the wait. A no-op for
 *  one that does not wait any more; false then. */
bool tenon__task_wake(tenon_task *task, tenon_status status);

/** Fills `wait` for the calling task: TENON_OK, or why it may not wait. */
tenon_status tenon__wait_begin(tenon__wait *wait, const tenon__wait_kind *kind,
                               const char *site);
/** Waits until tenon__task_wake, and returns what that said, or that the task
 *  was cancelled since. */
tenon_status tenon__task_wait(tenon__wait *wait);
/** The same for one that is ready already: others run once before it does. */
tenon_status tenon__task_wait_turn(tenon__wait *wait);
/** For waits that need not be: TENON_OK while the task has credit for them,
 *  else as a yield. */
static inline tenon_status tenon__task_wait_free(tenon_task *task,
                                                 const char *site)
{
    if (task->must_cancel || task->atomics > 0 || task->credit == 0) {
        return tenon_yield_at(site);
    }
    task->credit--;
    return TENON_OK;
}

/* ---- task.c ---- */

/** It has returned: completes the future. On the loop's stack. */
void tenon__task_finish(tenon_task *task);
/** Completes its future, if that is pending. */
void tenon__task_conclude(tenon_task *task);
/** Starts one that was not; `eager`: it begins here. */
tenon_status tenon__task_begin(tenon_task *task, bool eager);
/** Its function will never be called. */
void tenon__task_never_ran(tenon_task *task);
/** Started, but its function was not called yet. */
static inline bool tenon__task_unbegun(const tenon_task *task)
{
    return task->state == TENON__TASK_READY && !task->stack.base;
}

/* ---- task_cancel.c ---- */

/** As tenon_task_cancel; `reason` may be NULL. */
tenon_status tenon__task_cancel(tenon_future *future, tenon_error *reason);

/* ---- scope.c, timeout.c, group.c ---- */

/* What becomes of a scope that its task has left without ending it. */
typedef struct tenon__scope_kind {
    const char *name;
    void (*leave)(tenon_scope *scope);
} tenon__scope_kind;

/* Whose a cancelling that a scope's end was told of is. */
enum tenon__scope_verdict {
    TENON__SCOPE_NOBODYS, /* the task was not cancelled */
    TENON__SCOPE_OWN,     /* the scope's: to be converted */
    TENON__SCOPE_OTHERS   /* of who is outside of it: to be passed on */
};

void tenon__scope_begin(tenon_scope *scope, const tenon__scope_kind *kind,
                        tenon_task *task);
/** Cancels the task, once; `reason` is borrowed. */
void tenon__scope_fire(tenon_scope *scope, tenon_error *reason);
/** Takes the scope's own cancelling back. */
enum tenon__scope_verdict tenon__scope_end(tenon_scope *scope);
/** It has returned: leaves every scope that is open. */
void tenon__scopes_leave(tenon_task *task);
/** A child of a group has ended. */
void tenon__group_child_done(tenon_task *task);

/* ---- await.c ---- */

/* A wait for a future; bigger ones begin with it. */
typedef struct tenon__future_wait {
    tenon__wait wait; /* first */
    tenon_waiter waiter;
} tenon__future_wait;

/** TENON_OK, or a failure, raised, for a future that `task` cannot wait for. */
tenon_status tenon__await_check(tenon_task *task, const tenon_future *future);
/** How the future, which is done, went; it is seen. */
tenon_status tenon__await_look(tenon_task *task, tenon_future *future);
/** Begins a wait that cancelling passes on to the future, and links it. */
tenon_status tenon__await_begin(tenon__future_wait *fw, tenon_future *future,
                                const char *site);

/** The task whose future this wait is for, while that is pending; or NULL. */
tenon_task *tenon__awaited_task(const tenon__wait *wait);
/** Unlinks a wait for a future. */
void tenon__await_forget(tenon__wait *wait);

/* ---- raise.c ---- */

/** Makes `error` (a reference, which is taken) the task's last one. */
void tenon__task_set_error(tenon_task *task, tenon_error *error);

/* ---- tasks.c ---- */

/** Makes what a reactor has for tasks, unless it is there. */
tenon_status tenon__tasks_need(tenon_reactor *reactor);
/** Registers the hook that cancels them when the reactor is closed. */
tenon_status tenon__tasks_need_hook(tenon_reactor *reactor);
/** The one that was started after `task`, or the oldest; NULL at the end. */
tenon_task *tenon__tasks_next(const struct tenon__tasks *tasks,
                              const tenon_task *task);
/** The reactor ends: runs every task to its end. */
void tenon__tasks_end(tenon_reactor *reactor);
/** Frees what the reactor had for tasks. */
void tenon__tasks_free(tenon_reactor *reactor);

/* ---- overflow.c ---- */

/** The canary below its stack is gone: says so, and ends the process. */
_Noreturn void tenon__overflow_die(const tenon_task *task);
/** Takes back what tenon_reactor_report_overflow did. */
void tenon__overflow_off(tenon_reactor *reactor);

/* ---- task_dump.c ---- */

/** A line for each task and each ring of them. */
void tenon__tasks_dump(const tenon_reactor *reactor, FILE *file);

#endif
