/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Executors (executor.c), the pool of threads (pool.c), work (work.c), and the
 * work of one reactor (works.c).
 */

#ifndef TENON_SYS_EXECUTOR_H
#define TENON_SYS_EXECUTOR_H

#include <tenon/work.h>

#include "async/future.h"

typedef struct tenon__works tenon__works;

/* ---- executors ---- */

/* Memory of malloc's: an executor may outlive any reactor's allocator. */
struct tenon_executor {
    atomic_uint refs;
    atomic_bool closed; /* accepts nothing more */
    atomic_bool over;   /* a shutdown timed out: what runs had better stop */
    const tenon_executor_ops *ops;
    void *self;
};

bool tenon__executor_is_inline(const tenon_executor *executor);
/** Accepts nothing more; waits for nothing, drops nothing. */
void tenon__executor_close(tenon_executor *executor);

extern const tenon_executor_ops tenon__pool_ops;
tenon_status tenon__pool_new(const tenon_pool_options *options, void **out);
tenon_status tenon__pool_resize(void *self, uint32_t min, uint32_t max);
tenon_status tenon__pool_set_idle(void *self, int64_t idle_ns);
tenon_status tenon__pool_stats(void *self, tenon_pool_stats *out);

/* ---- work ---- */

/* WAITING -> RUNNING -> OVER; cancelled, or at the end of its reactor:
 * WAITING -> WITHDRAWN, RUNNING -> UNWANTED -> OVER. */
enum tenon__work_state {
    TENON__WORK_WAITING,
    TENON__WORK_RUNNING,
    TENON__WORK_OVER,
    TENON__WORK_WITHDRAWN,
    TENON__WORK_UNWANTED
};

struct tenon_work {
    atomic_uint refs; /* of the reactor's list, of the executor or the post */
    atomic_uint state;
    atomic_uint progress; /* on its way */
    tenon__works *works;
    tenon_executor *executor;
    tenon_work_options options;
    tenon_post_node post;
    tenon_node queued; /* the executor's */
    void *data;        /* the executor's */
    /* The outcome: of the thread that runs it, and then of the post. */
    tenon_status status;
    bool is_number;
    int64_t number;
    void *value;
    tenon_free_fn *free_value;
    tenon_error *error;
    /* The reactor's thread alone: */
    tenon_node node;      /* in works->list; then among the drops */
    tenon_future *future; /* NULL: let go of */
    bool awaited;         /* the reactor's close waits for it */
};

/** Makes a work and its future. It is in no list yet.
 *  Errors: TENON_NO_MEMORY. */
tenon_status tenon__work_new(tenon__works *works, tenon_executor *executor,
                             const tenon_work_options *options,
                             const char *site, tenon_work **out);
/** Undoes it; `user` is still the caller's. */
void tenon__work_discard(tenon_work *work);
void tenon__work_unref(tenon_work *work);
/** Runs it here; nothing is posted. */
void tenon__work_run_inline(tenon_work *work);
/** Completes its future, if that is pending, and lets go of it. */
void tenon__work_arrive(tenon_work *work);
/** The reactor ends: nobody wants it any more. True: it runs all the same. */
bool tenon__work_abandon(tenon_work *work, tenon_status status);

/* ---- the work of a reactor (works.c) ---- */

/** Those of `reactor`, made the first time. NULL without memory. */
tenon__works *tenon__works_of(tenon_reactor *reactor);
tenon__works *tenon__works_ref(tenon__works *works);
void tenon__works_unref(tenon__works *works);
tenon_reactor *tenon__works_reactor(const tenon__works *works);
/** Posts to the reactor, if that has not ended. Any thread. */
tenon_status tenon__works_post(tenon__works *works, tenon_post_node *post,
                               tenon_post_fn *fn, void *user);
/** Takes the work into the list, which owns a reference. */
tenon_status tenon__works_add(tenon__works *works, tenon_work *work);
/** Out of the list, whose reference is now the caller's; false if it was not
 *  there. */
bool tenon__works_remove(tenon__works *works, tenon_work *work);

#endif
