/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The reactor: what protocol code sees of an event loop. It has an engine of
 * its own, which a host loop (libuv, libevent, GLib, any other) wakes through
 * one descriptor; a native reactor blocks in its own poller instead. Calls on
 * a reactor come from the thread that owns it: the one of its first turn.
 * Calls from other threads go through its inbox (tenon/inbox.h) and are
 * refused with TENON_WRONG_THREAD elsewhere, as is every call in a forked
 * child (TENON_FORKED).
 */

#ifndef TENON_REACTOR_H
#define TENON_REACTOR_H

#include <stdio.h>

#include <tenon/alloc.h>
#include <tenon/error.h>
#include <tenon/node.h>

/** A reactor: opaque and counted. */
typedef struct tenon_reactor tenon_reactor;
typedef struct tenon_shutdown tenon_shutdown;

/** What an error is about, for the handler below. */
typedef struct tenon_report {
    uint32_t size;
    const char *what;         /**< "callback", "slow callback", ... */
    const char *name;         /**< the object's name, or "" */
    const void *object;       /**< its address, for identity only */
    int64_t duration_ns;      /**< of a slow callback, else 0 */
    const tenon_error *error; /**< never NULL */
    /** Where the object was made and so on, a place on a line, each line with
     *  its end; NULL unless tenon_reactor_set_debug asked for it. Valid
     *  during the call. */
    const char *trace;
} tenon_report;

/** What is remembered for reports; see tenon_reactor_set_debug. */
enum tenon_debug {
    TENON_DEBUG_OFF,     /**< nothing, at no cost */
    TENON_DEBUG_FUTURES, /**< where futures were made and completed */
    TENON_DEBUG_ALL      /**< and where calls, timers, watches, signals,
                              transports, listeners, connectors and lookups
                              were */
};

/** Told of errors that nobody else would see. Returning a negative status
 *  means the handler itself failed: the report then goes to standard error, as
 *  does what is reported while the handler runs. */
typedef tenon_status tenon_error_handler_fn(tenon_reactor *reactor,
                                            const tenon_report *report,
                                            void *user);

/** Told once that a closed reactor has given everything back to its host. */
typedef void tenon_closed_fn(void *user);

/** How a reactor is made. A field that is 0 or NULL has its default; so have
 *  all, with NULL in place of the struct. */
typedef struct tenon_reactor_options {
    uint32_t size;
    const tenon_allocator *allocator; /**< NULL: malloc and free */
    const char *name;                 /**< copied; NULL: "reactor" */
    int64_t budget_ns;           /**< per host wake-up; 0: 2 ms; hosted only */
    uint32_t budget_calls;       /**< per host wake-up; 0: no limit but time */
    int64_t slow_callback_ns;    /**< report above this; 0: 50 ms, <0: never */
    int64_t shutdown_timeout_ns; /**< for asynchronous hooks; 0: 5 s */
    size_t read_buffer_len;      /**< per depth; 0: 68 KiB */
    tenon_error_handler_fn *on_error; /**< NULL: a line on standard error */
    void *on_error_user;              /**< for `on_error` */
    tenon_closed_fn *on_closed;       /**< may be NULL */
    void *on_closed_user;             /**< for `on_closed` */
    uint32_t debug;    /**< enum tenon_debug; 0: TENON_DEBUG of the
                            environment, a number like these */
    uint32_t reserved; /**< 0 */
} tenon_reactor_options;

/** What a host can do; see tenon_reactor_caps. */
enum tenon_cap {
    TENON_CAP_RUN = 1,       /**< tenon_run drives it */
    TENON_CAP_ALIVE = 2,     /**< its own run ends when nothing is alive */
    TENON_CAP_NESTED = 4,    /**< a callback may run the host again */
    TENON_CAP_PRIORITY = 8,  /**< it has source priorities */
    TENON_CAP_BUDGET = 16,   /**< turns are cut by the time budget */
    TENON_CAP_REAL_TIME = 32 /**< its clock is the machine's */
};

/** Counters since the reactor was made; see tenon_reactor_stats. */
typedef struct tenon_stats {
    uint32_t size;
    uint64_t turns;              /**< of any kind, empty ones too */
    uint64_t entries;            /**< host wake-ups, or polls when native */
    uint64_t polls;              /**< system calls that waited or looked */
    uint64_t events;             /**< descriptors reported by them */
    uint64_t stale_events;       /**< dropped: their watch was gone */
    uint64_t callbacks;          /**< of users, of every kind */
    uint64_t timers_fired;       /**< calls that were delayed, too */
    uint64_t posts;              /**< that ran */
    uint64_t slow_callbacks;     /**< above slow_callback_ns */
    uint64_t budget_pauses;      /**< host wake-ups that were cut short */
    uint64_t idle_polls;         /**< came back with nothing to do */
    int64_t longest_callback_ns; /**< of all so far */
    size_t ready_count;          /**< now: for the next turn */
    size_t timer_count;          /**< now: delayed calls, too */
    size_t watch_count;          /**< now: started ones */
    size_t transport_count;      /**< now */
    size_t listener_count;       /**< now */
    /** Lateness of timers: bucket i counts lags below 2^i microseconds. */
    uint64_t lag_us_log2[24];
    size_t task_count; /**< now: started, and not ended */
} tenon_stats;

/** Told that the reactor has something to do from now on, or nothing any
 *  more. It may come inside of any call on the reactor, and may make none. */
typedef void tenon_alive_fn(tenon_reactor *reactor, bool alive, void *user);

/** A hook that runs when the reactor ends, newest first. TENON_PENDING means:
 *  not yet, tenon_shutdown_done will be called; but an end that cannot wait
 *  (the last reference dropped, the host gone) takes it for done, and the
 *  reactor refuses new work there (TENON_CLOSED). */
typedef tenon_status tenon_shutdown_fn(tenon_reactor *reactor,
                                       tenon_shutdown *hook, void *user);

struct tenon_shutdown {
    /* Private: */
    tenon_node node;
    tenon_reactor *reactor;
    tenon_shutdown_fn *fn;
    void *user;
    uint32_t state;
};

TENON_BEGIN

/** Makes a native reactor, which blocks in its own poller under tenon_run.
 *  Ownership: the caller holds one reference.
 *  Thread: any; it then belongs to the thread of its first turn.
 *  Errors: TENON_NO_MEMORY, EMFILE, ENFILE. Nothing is left behind.
 *  Source: PEP 3156, "Event loop". */
TENON_CHECKED TENON_API tenon_status
tenon_reactor_new(tenon_reactor **out, const tenon_reactor_options *options);

/** Another reference, for the caller.
 *  Thread: the owner. */
TENON_API tenon_reactor *tenon_reactor_ref(tenon_reactor *reactor);
/** Drops a reference; the last one closes the reactor without waiting for
 *  shutdown hooks. NULL is legal.
 *  Thread: the owner; any, one at a time, once the reactor is closed. */
TENON_API void tenon_reactor_unref(tenon_reactor *reactor);

/** Ends the reactor: runs the shutdown hooks, newest first, ends every
 *  transport, listener, timer and watch, and gives the host back as it was.
 *  A native reactor runs turns here until asynchronous hooks are done; an
 *  attached one returns TENON_PENDING and finishes from its host.
 *  Reentrancy: legal from the reactor's own callbacks when attached.
 *  Errors: TENON_BUSY under tenon_run. A second call is a no-op. */
TENON_API tenon_status tenon_reactor_close(tenon_reactor *reactor);
/** Whether its end is over or under way, past the shutdown hooks. */
TENON_API bool tenon_reactor_is_closed(const tenon_reactor *reactor);

/** Hands the reactor to the calling thread.
 *  Thread: the new owner; the old one must be done with it.
 *  Errors: TENON_BUSY while a turn is on a stack, or a task has not ended: what
 *  that has on its own stack may belong to its thread. */
TENON_CHECKED TENON_API tenon_status
tenon_reactor_rebind(tenon_reactor *reactor);

/** The reactor whose turn is innermost on this thread's stack, or NULL. */
TENON_API tenon_reactor *tenon_reactor_current(void);

/** Runs until tenon_stop, or until nothing is alive. After a tenon_stop that
 *  came first: one turn that does not block.
 *  Errors: TENON_BUSY when any reactor's turn or run is on this thread's
 *  stack; TENON_NOT_SUPPORTED for a loop that the application made.
 *  Source: PEP 3156 run_forever. */
TENON_CHECKED TENON_API tenon_status tenon_run(tenon_reactor *reactor);

/** Runs one turn, waiting at most `max_wait_ns` for something to do. With a
 *  host, the host's loop is run once.
 *  Errors: as tenon_run. */
TENON_CHECKED TENON_API tenon_status tenon_run_once(tenon_reactor *reactor,
                                                    int64_t max_wait_ns);

/** Makes tenon_run return at the end of the current turn; what this turn
 *  scheduled waits for the next run. Never ends a run of the host itself.
 *  Source: PEP 3156 stop. */
TENON_API tenon_status tenon_stop(tenon_reactor *reactor);
/** Whether a turn or a tenon_run of this reactor is on its thread's stack. */
TENON_API bool tenon_is_running(const tenon_reactor *reactor);
/** Whether tenon_stop was called and no run has ended by it yet. */
TENON_API bool tenon_is_stopping(const tenon_reactor *reactor);

/** The turn's time, or the clock's outside of turns; monotonic nanoseconds.
 *  Source: PEP 3156 time. */
TENON_API int64_t tenon_now(const tenon_reactor *reactor);

/** Keeps the reactor alive for work that is pending elsewhere; counted. */
TENON_API tenon_status tenon_reactor_hold(tenon_reactor *reactor);
/** Takes one hold back.
 *  Errors: TENON_INVALID without a hold. */
TENON_API tenon_status tenon_reactor_release(tenon_reactor *reactor);
/** Whether anything keeps the host's run from returning. */
TENON_API bool tenon_reactor_alive(const tenon_reactor *reactor);

/** For an application whose life has other reasons than its loop's, such as a
 *  GApplication: told, outside of turns, when tenon_reactor_alive changes; here,
 *  if it is alive already; and that it is not, when the reactor ends. NULL for
 *  nobody. Errors: TENON_CLOSED. */
TENON_API tenon_status tenon_reactor_set_alive_handler(tenon_reactor *reactor,
                                                       tenon_alive_fn *fn,
                                                       void *user);

/** What its host can do: enum tenon_cap. */
TENON_API uint32_t tenon_reactor_caps(const tenon_reactor *reactor);
/** Its name, as given in the options. */
TENON_API const char *tenon_reactor_name(const tenon_reactor *reactor);
/** The host's name ("native", "libuv", ...) and version ("1.44.2"). */
TENON_API const char *tenon_reactor_host(const tenon_reactor *reactor);
/** The version of the host that is loaded, or "". */
TENON_API const char *tenon_reactor_host_version(const tenon_reactor *reactor);
/** The host's own loop (uv_loop_t, event_base, GMainContext), or NULL. */
TENON_API void *tenon_reactor_native(const tenon_reactor *reactor);
/** Where it takes its memory from; lives as long as the reactor. */
TENON_API const tenon_allocator *tenon_reactor_allocator(
    const tenon_reactor *reactor);

/** Changes the budget of one host wake-up; 0 keeps the present value. */
TENON_API tenon_status tenon_reactor_set_budget(tenon_reactor *reactor,
                                                int64_t budget_ns,
                                                uint32_t budget_calls);
/** Reports callbacks that take longer; 0: 50 ms, negative: never. A native
 *  reactor then does not measure them at all. */
TENON_API tenon_status tenon_reactor_set_slow_callback(tenon_reactor *reactor,
                                                       int64_t threshold_ns);
/** Replaces the error handler; NULL is the default one.
 *  Source: PEP 3156 set_exception_handler. */
TENON_API tenon_status tenon_reactor_set_error_handler(
    tenon_reactor *reactor, tenon_error_handler_fn *fn, void *user);
/** Has objects that are made from now on remember where, for reports and
 *  dumps: enum tenon_debug, 0 forgets all. A trace takes some microseconds and
 *  300 bytes, beside the object and from the reactor's allocator; at most
 *  65,536 are kept, and one for which there is no memory is lost, no more.
 *  Errors: TENON_NO_MEMORY; TENON_NOT_SUPPORTED where libc has no backtrace().
 *  Source: asyncio's debug mode, Twisted's setDebugging. */
TENON_API tenon_status tenon_reactor_set_debug(tenon_reactor *reactor,
                                               uint32_t level);
/** The level: enum tenon_debug. */
TENON_API uint32_t tenon_reactor_debug(const tenon_reactor *reactor);
/** Tells the error handler of a failure that nobody else would see. On the
 *  wrong thread, and in a forked child, it does nothing.
 *  Source: PEP 3156 call_exception_handler. */
TENON_API void tenon_reactor_report(tenon_reactor *reactor, const char *what,
                                    const tenon_error *error);

/** Registers a shutdown hook; `hook` is the caller's memory and must live
 *  until it ran or was removed.
 *  Errors: TENON_CLOSED, TENON_INVALID, TENON_NO_MEMORY. */
TENON_CHECKED TENON_API tenon_status
tenon_reactor_on_shutdown(tenon_reactor *reactor, tenon_shutdown *hook,
                          tenon_shutdown_fn *fn, void *user);
/** Unregisters a hook that has not run yet; else a no-op. */
TENON_API void tenon_shutdown_remove(tenon_shutdown *hook);
/** Completes a hook that returned TENON_PENDING. */
TENON_API void tenon_shutdown_done(tenon_shutdown *hook);

/** Fills what fits into out->size bytes, which the caller set. */
TENON_API tenon_status tenon_reactor_stats(const tenon_reactor *reactor,
                                           tenon_stats *out);
/** Writes a line for each timer, watch, transport, listener and hold, with its
 *  trace below it (tenon_reactor_set_debug). */
TENON_API tenon_status tenon_reactor_dump(const tenon_reactor *reactor,
                                          FILE *file);

TENON_END

#endif
