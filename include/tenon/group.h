/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Groups of tasks: what is started in one has ended when it is over. The first
 * child that fails has the others cancelled, and whoever opened the group; all
 * failures come back as one error, whose children they are (tenon/error.h).
 *
 *     tenon_group *group;
 *     TENON_TRY(tenon_group_begin(&group));
 *     status = tenon_group_spawn(group, fetch, &first, NULL, NULL);
 *     if (status == TENON_OK) {
 *         status = tenon_group_spawn(group, fetch, &second, NULL, NULL);
 *     }
 *     return tenon_group_end(group, status);      waits for both
 *
 * Callbacks use the same object: tenon_group_new, tenon_group_close, and the
 * future of the group.
 */

#ifndef TENON_GROUP_H
#define TENON_GROUP_H

#include <tenon/task.h>

/** A group of tasks: opaque and counted. */
typedef struct tenon_group tenon_group;

TENON_BEGIN

/* ---- in a task ---- */

/** Opens a group, which the calling task must end. Groups nest, in each other
 *  and in time limits; a task that returns without ending one is reported.
 *  Ownership: `*out` is given back by tenon_group_end.
 *  Errors: TENON_INVALID outside of a task; TENON_CLOSED, TENON_NO_MEMORY. */
#define tenon_group_begin(out) tenon_group_begin_at((out), TENON_SITE)
/** The same, told to be made at `site`; see tenon_future_new_at. */
TENON_CHECKED TENON_API tenon_status tenon_group_begin_at(tenon_group **out,
                                                          const char *site);
/** Waits until every child has ended, and drops the caller's reference.
 *  `status` is what the part between came to: a failure is one of the group's,
 *  and has the children cancelled. Children may start others until the last of
 *  them has ended.
 *  Returns `status` where nobody failed, though TENON_OK for TENON_CANCELLED
 *  that tenon_group_cancel was the reason of. Where some have, the status of
 *  the first; tenon_task_error has them all as its children. Where the task
 *  was cancelled from outside, the children are, too, and this returns
 *  TENON_CANCELLED; with failures it returns these, and the next wait
 *  TENON_CANCELLED.
 *  Errors: also TENON_CLOSED when the reactor ends, and TENON_BUSY inside of
 *  tenon_atomic_begin: the children are then left to themselves.
 *  Source: asyncio TaskGroup. */
#define tenon_group_end(group, status) \
    tenon_group_end_at((group), (status), TENON_SITE)
/** The same; see tenon_await_at. */
TENON_CHECKED TENON_API tenon_status tenon_group_end_at(tenon_group *group,
                                                        tenon_status status,
                                                        const char *site);

/* ---- in callbacks ---- */

/** Makes a group that no task has opened.
 *  Ownership: the caller holds one reference; so does each child.
 *  Errors: TENON_INVALID, TENON_CLOSED, TENON_NO_MEMORY. */
#define tenon_group_new(reactor, out) \
    tenon_group_new_at((reactor), (out), TENON_SITE)
/** The same, told to be made at `site`. */
TENON_CHECKED TENON_API tenon_status tenon_group_new_at(tenon_reactor *reactor,
                                                        tenon_group **out,
                                                        const char *site);
/** No more than what its children start will join: once the last has ended the
 *  group's future is done. A no-op the second time.
 *  Errors: TENON_INVALID for the group of a task. */
TENON_API tenon_status tenon_group_close(tenon_group *group);
/** The future of the group, borrowed: pending until the group is closed, or
 *  ended, and every child has ended; then resolved with NULL, or failed as
 *  tenon_group_end would. Cancelling it is tenon_group_cancel and, of a group
 *  without a task, tenon_group_close; it is CANCELLED then, if nobody fails. */
TENON_API tenon_future *tenon_group_future(tenon_group *group);
/** Counts. NULL is legal. */
TENON_API tenon_group *tenon_group_ref(tenon_group *group);
/** Drops a reference; children run on. NULL is legal. */
TENON_API void tenon_group_unref(tenon_group *group);

/* ---- in both ---- */

/** Starts a task in the group, as tenon_spawn does.
 *  Ownership: `user` is the task's in every case: on failure it is given to
 *  free_user here.
 *  Errors: as tenon_spawn; TENON_CLOSED also when the group was cancelled, or
 *  one has failed, or it is over. */
#define tenon_group_spawn(group, fn, user, options, out) \
    tenon_group_spawn_at((group), (fn), (user), (options), (out), TENON_SITE)
/** The same, told to be made at `site`. */
TENON_CHECKED TENON_API tenon_status tenon_group_spawn_at(
    tenon_group *group, tenon_task_fn *fn, void *user,
    const tenon_task_options *options, tenon_task **out, const char *site);
/** Cancels every child, and the part of the task that has opened the group.
 *  That is no failure of the group. TENON_EXISTED if it was not cancelled
 *  before, else TENON_OK. */
TENON_API tenon_status tenon_group_cancel(tenon_group *group,
                                          const char *reason);
/** Whether its children were asked to end, by whomever. */
TENON_API bool tenon_group_is_cancelled(const tenon_group *group);
/** How many children have not ended. */
TENON_API size_t tenon_group_count(const tenon_group *group);

TENON_END

#endif
