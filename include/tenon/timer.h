/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Timers in the caller's own memory, and periodic calls on top of them.
 * `stop` forgets at once: afterwards the memory is the caller's again, inside
 * the timer's own callback too.
 */

#ifndef TENON_TIMER_H
#define TENON_TIMER_H

#include <tenon/call.h>
#include <tenon/node.h>

typedef struct tenon_timer tenon_timer;
typedef struct tenon_periodic tenon_periodic;

/** What a timer calls. It is stopped by then: the callback may start it
 *  again, or give its memory back. */
typedef void tenon_timer_fn(tenon_timer *timer, void *user);

struct tenon_timer {
    /* Private: */
    tenon_node node;
    tenon_reactor *reactor;
    tenon_timer_fn *fn;
    void *user;
    const char *name;
    int64_t deadline_ns;
    uint64_t sequence;
    uint32_t index;
    uint8_t state;
    uint8_t flags;
    uint16_t reserved;
};

/** Called at each tick. `missed` counts ticks that a stall skipped. Returns
 *  TENON_PENDING to be called no more until tenon_periodic_done; a failure is
 *  reported, and ends the calls unless TENON_PERIODIC_SURVIVE is set. */
typedef tenon_status tenon_periodic_fn(tenon_periodic *periodic,
                                       uint64_t missed, void *user);

/** For tenon_periodic_options.flags. */
enum tenon_periodic_flag {
    TENON_PERIODIC_NOW = 1,     /**< first tick in the next turn */
    TENON_PERIODIC_SURVIVE = 2, /**< go on after a failure */
    TENON_PERIODIC_DAEMON = 4
};

struct tenon_periodic {
    /* Private: */
    tenon_timer timer;
    tenon_periodic_fn *fn;
    void *user;
    int64_t origin_ns;
    int64_t period_ns;
    int64_t jitter_ns;
    uint64_t tick;
    uint64_t random;
    uint32_t flags;
    uint32_t state;
};

/** A periodic call. */
typedef struct tenon_periodic_options {
    uint32_t size;
    uint32_t flags;        /**< enum tenon_periodic_flag */
    int64_t period_ns;     /**< above 0 */
    int64_t jitter_ns;     /**< each tick moves within +-this; below period/2 */
    tenon_periodic_fn *fn; /**< never NULL */
    void *user;            /**< for `fn` */
    const char *name;      /**< for dumps and reports; kept by reference */
} tenon_periodic_options;

TENON_BEGIN

/** Prepares a timer; needs no undoing. */
TENON_API void tenon_timer_init(tenon_timer *timer, tenon_reactor *reactor);
/** Starts, or starts anew. Callback: once, no earlier than the delay from
 *  this call; zero and less mean the next turn. Allocates only when the heap
 *  grows.
 *  Errors: TENON_INVALID, TENON_CLOSED, TENON_NO_MEMORY, TENON_WRONG_THREAD,
 *  TENON_FORKED. On failure the timer is stopped. */
TENON_CHECKED TENON_API tenon_status tenon_timer_start(tenon_timer *timer,
                                                       int64_t delay_ns,
                                                       tenon_timer_fn *fn,
                                                       void *user);
/** The same, at a time of the reactor's clock. */
TENON_CHECKED TENON_API tenon_status tenon_timer_start_at(tenon_timer *timer,
                                                          int64_t deadline_ns,
                                                          tenon_timer_fn *fn,
                                                          void *user);
/** TENON_EXISTED if it was started, TENON_OK if not. */
TENON_API tenon_status tenon_timer_stop(tenon_timer *timer);
/** Whether it is started and has not fired. */
TENON_API bool tenon_timer_is_active(const tenon_timer *timer);
/** The deadline of a started timer, else 0. */
TENON_API int64_t tenon_timer_when(const tenon_timer *timer);
/** Moves the deadline of a started timer to `delay_ns` from now. */
TENON_API tenon_status tenon_timer_reset(tenon_timer *timer, int64_t delay_ns);
/** Moves the deadline of a started timer by `extra_ns`. */
TENON_API tenon_status tenon_timer_delay(tenon_timer *timer, int64_t extra_ns);
/** A daemon does not keep the reactor alive. Before or after start. */
TENON_API tenon_status tenon_timer_set_daemon(tenon_timer *timer, bool daemon);
/** See tenon_watch_set_exclusive. */
TENON_API void tenon_timer_set_exclusive(tenon_timer *timer, bool exclusive);
/** For dumps and reports; kept by reference. */
TENON_API void tenon_timer_set_name(tenon_timer *timer, const char *name);

/** Starts a periodic call, in memory of any content but one that is started.
 *  Ticks are multiples of the period from the start; after a stall the missed
 *  ones are counted, never bunched; calls never overlap. Errors: as
 *  tenon_timer_start. */
TENON_CHECKED TENON_API tenon_status
tenon_periodic_start(tenon_periodic *periodic, tenon_reactor *reactor,
                     const tenon_periodic_options *options);
/** TENON_EXISTED if it was started, TENON_OK if not. No tick comes after. */
TENON_API tenon_status tenon_periodic_stop(tenon_periodic *periodic);
/** Whether it is started. */
TENON_API bool tenon_periodic_is_active(const tenon_periodic *periodic);
/** Ends a tick that returned TENON_PENDING; `status` as if returned then. */
TENON_API tenon_status tenon_periodic_done(tenon_periodic *periodic,
                                           tenon_status status);

TENON_END

#endif
