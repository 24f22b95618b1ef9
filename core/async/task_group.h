/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Groups of tasks, as core/async sees them.
 *
 *   task_group.c       making, children, cancelling
 *   task_group_end.c   opened and ended by a task; the outcome
 */

#ifndef TENON_ASYNC_TASK_GROUP_H
#define TENON_ASYNC_TASK_GROUP_H

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

/* ---- task_group.c ---- */

/** Asks every child to end, once. Takes over the reference to `reason`. */
void tenon__group_cancel_children(tenon_group *group, tenon_error *reason);
/** The same, and the task while it is in the group, because of a failure. */
void tenon__group_cancel_for(tenon_group *group, tenon_error *failure);
/** The task is a child no longer; its reference stays to be given back. */
void tenon__group_leave(tenon_group *group, tenon_task *task);

/* ---- task_group_end.c ---- */

/** One error of all failures; NULL if nobody failed. */
tenon_error *tenon__group_error(const tenon_group *group);
/** Completes the future. Takes over the reference to `error`, which may be
 *  NULL. */
void tenon__group_conclude(tenon_group *group, tenon_error *error);

#endif
