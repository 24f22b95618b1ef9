/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Executors: where work runs that a reactor's thread must not wait for. One
 * type for all of them: the inline one, which runs it at once; a pool of
 * threads; and any that a host has already, behind a small table. What runs in
 * them, and the future of it, is tenon/work.h: the executor is a parameter of
 * the call.
 *
 * An executor is counted, and belongs to no reactor: many may share one.
 * All calls here may come from any thread, unless they say otherwise.
 */

#ifndef TENON_EXECUTOR_H
#define TENON_EXECUTOR_H

#include <tenon/call.h>

/** A place where work runs: opaque and counted. */
typedef struct tenon_executor tenon_executor;
/** One piece of work; see tenon/work.h. */
typedef struct tenon_work tenon_work;

/** A way to run work, usually static const. For each work that `submit`
 *  accepts, one of these happens, once: tenon_work_run, tenon_work_drop, or a
 *  `withdraw` that returns TENON_EXISTED. Afterwards it is not to be used. */
typedef struct tenon_executor_ops {
    uint32_t size;    /**< of this struct, as you see it */
    const char *name; /**< for dumps */
    /** Has tenon_work_run(work) called, on any thread, now or later. A failure
     *  is what tenon_call_in returns; the work is then not to be used.
     *  Thread: the one of tenon_call_in, so the owner of some reactor. It must
     *  not wait. */
    tenon_status (*submit)(void *self, tenon_work *work);
    /** The work was cancelled before it began: TENON_EXISTED if it was taken
     *  back and will not be run or dropped. It may be running by now, on
     *  another thread. NULL if nothing can be taken back: running it then does
     *  nothing.
     *  Thread: the one of the reactor. It must not wait. */
    tenon_status (*withdraw)(void *self, tenon_work *work);
    /** Waits for what was accepted, at most `timeout_ns`; then drops what has
     *  not begun and returns TENON_TIMED_OUT. Nothing is submitted any more.
     *  NULL: nobody waits. */
    tenon_status (*shutdown)(void *self, int64_t timeout_ns);
    /** The last reference is gone, and with it all work. May be NULL.
     *  Thread: any; it must not wait. */
    void (*release)(void *self);
} tenon_executor_ops;

/** How a pool of threads is made. A field that is 0 or NULL has its default;
 *  so have all, with NULL in place of the struct. */
typedef struct tenon_pool_options {
    uint32_t size;
    uint32_t threads_min; /**< stay though idle; made when needed; 0: none */
    uint32_t threads_max; /**< 0: the processors and 4 more, at most 32 */
    uint32_t queue_max;   /**< that wait for a thread; 0: see below */
    int64_t idle_ns;      /**< then a thread ends; 0: 5 s; TENON_FOREVER */
    size_t stack_len;     /**< of each thread; 0: see below */
    const char *name;     /**< of its threads, up to 15 bytes; "tenon-work" */
} tenon_pool_options;

/** So much work waits for a thread of a pool, unless set. */
#define TENON_POOL_QUEUE_DEFAULT 4096
/** The stack of a thread of a pool, unless set. */
#define TENON_POOL_STACK_DEFAULT ((size_t)262144)
/** So many threads a pool may have. */
#define TENON_POOL_THREADS_MAX 1024

/** A pool, as it is now. */
typedef struct tenon_pool_stats {
    uint32_t size;
    uint32_t threads; /**< there are */
    uint32_t idle;    /**< of them, with nothing to do */
    uint32_t running; /**< work that is being run */
    uint32_t waiting; /**< work that no thread has taken yet */
} tenon_pool_stats;

TENON_BEGIN

/** The inline executor: tenon_call_in runs the work before it returns, and the
 *  future is done then. A constant: counting leaves it alone. */
TENON_API tenon_executor *tenon_executor_inline(void);

/** A pool of threads, which are made when there is work for them and end when
 *  they are idle. Work begins in the order of the calls; with one thread it
 *  ends in that order, too. Its threads block all signals. In a forked child
 *  there are none: it accepts no work there (TENON_FORKED).
 *  Ownership: the caller holds one reference. Dropping the last one lets what
 *  was accepted be run, and waits for nothing.
 *  Errors: TENON_INVALID for bounds that contradict, TENON_NO_MEMORY. */
TENON_CHECKED TENON_API tenon_status tenon_executor_new_pool(
    tenon_executor **out, const tenon_pool_options *options);

/** An executor that somebody provides. `ops` outlives it, and so does `self`,
 *  until its `release`.
 *  Ownership: the caller holds one reference.
 *  Errors: TENON_INVALID without a submit, TENON_NO_MEMORY. */
TENON_CHECKED TENON_API tenon_status tenon_executor_new(
    const tenon_executor_ops *ops, void *self, tenon_executor **out);

/** NULL is legal. */
TENON_API tenon_executor *tenon_executor_ref(tenon_executor *executor);
/** Drops a reference; work that was accepted holds one of its own, too. NULL
 *  is legal. */
TENON_API void tenon_executor_unref(tenon_executor *executor);
/** Its name: "inline", "threads", or what its table says. */
TENON_API const char *tenon_executor_name(const tenon_executor *executor);

/** Accepts no more work (TENON_CLOSED), and waits until what was accepted has
 *  been run, and all threads of a pool are gone; `timeout_ns` at most
 *  (TENON_FOREVER: no limit; 0: not at all). When that is over, what has not
 *  begun is dropped, and fails with TENON_CLOSED; what runs is told by
 *  tenon_work_is_cancelled, and TENON_TIMED_OUT returned. It may be called
 *  again. References may be dropped at any time, though work still runs.
 *  Thread: any, which waits. Not one of the pool's own; and work that waits for
 *  the thread that waits here (tenon_call_blocking) ends with the timeout.
 *  Errors: EDEADLK in the pool's own work, TENON_FORKED,
 *  TENON_NOT_SUPPORTED for the inline one.
 *  Source: PEP 3148 shutdown; asyncio's shutdown_default_executor. */
TENON_CHECKED TENON_API tenon_status
tenon_executor_shutdown(tenon_executor *executor, int64_t timeout_ns);

/** Changes the number of threads: new ones are made if work waits, those that
 *  are too many end when they have nothing to do at the moment.
 *  Errors: TENON_INVALID for a `threads_max` of 0, one below `threads_min` or
 *  above TENON_POOL_THREADS_MAX; TENON_NOT_SUPPORTED if it is no pool,
 *  TENON_FORKED. */
TENON_API tenon_status tenon_executor_resize(tenon_executor *executor,
                                             uint32_t threads_min,
                                             uint32_t threads_max);
/** Changes after how long an idle thread ends; 0: at once.
 *  Errors: TENON_INVALID below 0; TENON_NOT_SUPPORTED if it is no pool,
 *  TENON_FORKED. */
TENON_API tenon_status tenon_executor_set_idle(tenon_executor *executor,
                                               int64_t idle_ns);
/** Fills what fits into out->size bytes, which the caller set.
 *  Errors: TENON_NOT_SUPPORTED if it is no pool; TENON_FORKED. */
TENON_API tenon_status tenon_executor_stats(tenon_executor *executor,
                                            tenon_pool_stats *out);

/** The executor of a reactor, which is meant where NULL is given for one,
 *  borrowed: the one that was set, or else a pool with all defaults, made here
 *  the first time. NULL without memory, and once the reactor is closed.
 *  tenon_reactor_close waits for work in it as for a shutdown hook, the oldest
 *  of all, so for shutdown_timeout_ns at most; the reactor's own pool is then
 *  shut down. What is still under way is reported by name and left alone. The
 *  resolver does not use it: it has threads of its own.
 *  Thread: the reactor's. */
TENON_API tenon_executor *tenon_reactor_executor(tenon_reactor *reactor);
/** Sets it; NULL: the reactor's own. What was accepted goes on where it is.
 *  One that was set is not shut down with the reactor.
 *  Ownership: takes a reference of its own.
 *  Thread: the reactor's.
 *  Errors: TENON_INVALID, TENON_CLOSED, TENON_NO_MEMORY, TENON_WRONG_THREAD,
 *  TENON_FORKED. */
TENON_CHECKED TENON_API tenon_status
tenon_reactor_set_executor(tenon_reactor *reactor, tenon_executor *executor);

TENON_END

#endif
