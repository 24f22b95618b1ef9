/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Futures, as core/async sees them. Whatever builds on one (then, gather,
 * wait) is a bigger block that begins with the future it returns, and a kind.
 */

#ifndef TENON_ASYNC_FUTURE_H
#define TENON_ASYNC_FUTURE_H

#include <tenon/future.h>

#include "loop/engine.h"

/* What a future's block is. */
typedef struct tenon__future_kind {
    const char *name;
    /* Frees the block, after tenon__future_clear; NULL: it is the caller's. */
    void (*free)(tenon_future *future);
    /* Whether cancelling can still change the outcome; with `now`, it is about
     * to. May be NULL. */
    bool (*may_cancel)(tenon_future *future, bool now);
    /* It was cancelled: cancel what it waits for. May be NULL. */
    void (*pass_on)(tenon_future *future);
    /* Cancels a pending one in a way of its own. May be NULL. */
    tenon_status (*cancel)(tenon_future *future, tenon_error *reason);
    /* Nobody else may: it stands for something that goes on. */
    bool completes_itself;
} tenon__future_kind;

enum tenon__future_flag {
    TENON__FUTURE_INT = 1,
    TENON__FUTURE_SHARED = 2, /* the value is the one of value.origin */
    TENON__FUTURE_TAKEN = 4,
    TENON__FUTURE_SEEN = 8,
    TENON__FUTURE_LINKED = 16, /* follows another */
    TENON__FUTURE_GONE = 32,   /* inside tenon_future_fini */
    TENON__FUTURE_ASKED = 64   /* the canceller was called */
};

/* Of a waiter: its function is ours, runs no user code of its own accord, and
 * is called inside tenon_future_fini too. */
enum { TENON__WAITER_OURS = 1 };

/** TENON_OK, or why nobody may begin to wait for it. */
tenon_status tenon__future_check(const tenon_future *future);

/* ---- making ---- */

/** Sets up a pending future in zeroed memory, with one reference. */
void tenon__future_setup(tenon_future *future, tenon_reactor *reactor,
                         const tenon__future_kind *kind, const char *site);
/** Frees what it carries: value, error. */
void tenon__future_clear(tenon_future *future);
/** For constructors that fail: undoes the setup, frees the block. */
void tenon__future_discard(tenon_future *future);

/** Frees the blocks that are kept for futures to come (room.c). */
void tenon__futures_trim(tenon_reactor *reactor);

/* ---- completing; each is legal on a pending one only ---- */

/** Completes it, and queues who waits. */
void tenon__future_complete(tenon_future *future,
                            enum tenon_future_state state);
void tenon__future_set(tenon_future *future, void *value,
                       tenon_free_fn *free_value);
void tenon__future_set_int(tenon_future *future, int64_t number);
/** Takes over the reference. */
void tenon__future_set_error(tenon_future *future, tenon_error *error);
/** Fails it with an error of `status`. */
void tenon__future_fail_status(tenon_future *future, tenon_status status,
                               const char *message, tenon_error *cause);
/** Makes `to` what `from`, which is done, is. */
void tenon__future_forward(tenon_future *from, tenon_future *to,
                           uint32_t flags);

/* ---- looking ---- */

static inline bool tenon__future_pending(const tenon_future *future)
{
    return future->state == TENON_FUTURE_PENDING;
}
static inline bool tenon__future_counted(const tenon_future *future)
{
    return future->kind->free != NULL;
}
/** Whether a failure is the end of the reactor, which nobody must look at. */
static inline bool tenon__is_the_end(const tenon_reactor *reactor,
                                     tenon_status status)
{
    return reactor->life >= TENON__ENDING && status == reactor->end_status;
}
/** Somebody knows of the failure. */
void tenon__future_see(tenon_future *future);
/** TENON_OK, TENON_NOT_DONE, or the failure, which is not seen by it. */
tenon_status tenon__future_outcome(const tenon_future *future);

/* ---- waiting ---- */

extern const tenon__async_ops tenon__async;

/** The `run` of a waiter's node. */
void tenon__waiter_run(tenon_reactor *reactor, tenon_node *node);
/** As tenon_future_on_done, for a function of ours. Cannot fail. */
void tenon__waiter_add(tenon_waiter *waiter, tenon_future *future,
                       tenon_done_fn *fn, void *user);
/** Moves the waiters of a future that is done to the ready queue. */
void tenon__waiters_queue(tenon_future *future);
/** Before a future's memory goes: tells ours, forgets the user's. */
void tenon__waiters_forget(tenon_future *future);

/* ---- cancelling ---- */

/** Cancels with this very error (may be NULL), passing it on. */
tenon_status tenon__future_cancel(tenon_future *future, tenon_error *error);
/** The same, whatever the canceller says. */
void tenon__future_cancel_now(tenon_future *future, tenon_error *error);

#endif
