/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * A future over many: what gather, any, race and wait have in common. A group
 * holds itself until every child was heard, and a child from then on.
 */

#ifndef TENON_ASYNC_GROUP_H
#define TENON_ASYNC_GROUP_H

#include <tenon/gather.h>

#include "async/future.h"

typedef struct tenon__group tenon__group;

typedef struct tenon__group_child {
    tenon_waiter waiter; /* waiting: `future` is not held */
    tenon_future *future;
    bool held; /* it is counted */
} tenon__group_child;

/* What a sort of group does when a child is done, and when it is cancelled
 * itself; the latter may be NULL. */
typedef struct tenon__group_ops {
    tenon__future_kind kind; /* first */
    void (*heard)(tenon__group *group, tenon_future *child, size_t index);
} tenon__group_ops;

struct tenon__group {
    tenon_future future; /* first: it is the block */
    tenon_timer timer;   /* of wait */
    const tenon__group_ops *ops;
    size_t count;
    size_t unheard;
    size_t winner;
    uint32_t flags; /* of gather; the policy of wait */
    bool holds_itself;
    tenon__group_child children[];
};

/** Makes one, with a reference for the caller. Children are heard in later
 *  turns. */
tenon_status tenon__group_new(tenon_reactor *reactor,
                              tenon_future *const *futures, size_t count,
                              const tenon__group_ops *ops, tenon__group **out);
/** The group of a future of one of the kinds. */
static inline tenon__group *tenon__group_of(tenon_future *future)
{
    return (tenon__group *)(void *)future;
}
/** Waits for no child any more. */
void tenon__group_detach(tenon__group *group);
/** Lets go of itself once done and all was heard. */
void tenon__group_settle(tenon__group *group);
/** Cancels every child that is not done. */
void tenon__group_cancel_children(tenon__group *group, tenon_error *error);

/** Slots of kinds. */
void tenon__group_free(tenon_future *future);
bool tenon__group_may_cancel(tenon_future *future, bool now);
void tenon__group_pass_on(tenon_future *future);

#endif
