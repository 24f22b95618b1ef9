/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * A future over many: what gather, any, race, wait and as_completed have in
 * common. It holds itself until every child was heard, and a child from then on.
 */

#ifndef TENON_ASYNC_GATHERED_H
#define TENON_ASYNC_GATHERED_H

#include <tenon/gather.h>

#include "async/future.h"

typedef struct tenon__gathered tenon__gathered;

typedef struct tenon__gathered_child {
    tenon_waiter waiter; /* waiting: `future` is not held */
    tenon_future *future;
    const char *name; /* of tenon_gather_named, or NULL */
    size_t next;      /* of as_completed: who was heard after it */
    bool held;        /* it is counted */
} tenon__gathered_child;

/* What a sort of them does when a child is done, and when it is cancelled
 * itself; the latter may be NULL. */
typedef struct tenon__gathered_ops {
    tenon__future_kind kind; /* first */
    void (*heard)(tenon__gathered *gathered, tenon_future *child, size_t index);
} tenon__gathered_ops;

struct tenon__gathered {
    tenon_future future; /* first: it is the block */
    tenon_timer timer;   /* of wait, and of as_completed */
    tenon_node pulls;    /* of as_completed: tasks that wait for the next */
    const tenon__gathered_ops *ops;
    size_t count;
    size_t unheard;
    size_t winner;
    size_t first; /* of as_completed: heard, and not given yet */
    size_t last;
    uint32_t flags; /* of gather; the policy of wait */
    bool holds_itself;
    bool expired; /* as_completed: the time is over */
    tenon__gathered_child children[];
};

/** Makes one, with a reference for the caller. Children are heard in later
 *  turns. */
tenon_status tenon__gathered_new(tenon_reactor *reactor,
                                 tenon_future *const *futures, size_t count,
                                 const tenon__gathered_ops *ops,
                                 tenon__gathered **out);
/** The whole behind a future of one of the kinds. */
static inline tenon__gathered *tenon__gathered_of(tenon_future *future)
{
    return (tenon__gathered *)(void *)future;
}
/** Waits for no child any more. */
void tenon__gathered_detach(tenon__gathered *gathered);
/** Lets go of itself once done and all was heard. */
void tenon__gathered_settle(tenon__gathered *gathered);
/** Cancels every child that is not done. */
void tenon__gathered_cancel_children(tenon__gathered *gathered,
                                     tenon_error *error);

/** Slots of kinds. */
void tenon__gathered_free(tenon_future *future);
bool tenon__gathered_may_cancel(tenon_future *future, bool now);
void tenon__gathered_pass_on(tenon_future *future);

#endif
