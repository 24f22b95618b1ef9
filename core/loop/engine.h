/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The engine, as its own files and core/net see it. One struct, a room for
 * each of its parts:
 *
 *   turn.c     phases, entries, nested entries    poller.c   epoll, slots
 *   queue.c    the queues of a turn               watch.c    watches
 *   frame.c    user code on the stack             reader.c   add_reader
 *   clock.c    clocks                             timer.c    timers, the heap
 *   call.c     calls and their handles            periodic.c periodic calls
 *   inbox.c    other threads                      signal.c   signals
 *   reactor.c  constructors, getters              run.c      tenon_run
 *   owner.c    whose it is                        shutdown.c hooks, the end
 *   report.c   errors nobody else sees            dump.c     what is inside
 *   manual.c   stepped by hand               trace.c    where things were made
 *
 * User code runs from tenon__frame_enter/leave only, and always with the
 * object it belongs to unlinked from whatever list led to it: it may free that
 * object, run the host again, or close the reactor.
 */

#ifndef TENON_LOOP_ENGINE_H
#define TENON_LOOP_ENGINE_H

#include <signal.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <time.h>

#include <tenon/call.h>
#include <tenon/inbox.h>
#include <tenon/signal.h>
#include <tenon/sys/host.h>
#include <tenon/timer.h>
#include <tenon/watch.h>

#include "base/heap.h"
#include "base/list.h"
#include "base/memory.h"

#define TENON__BATCH 64

/* Of conditions on the way of each echo; and of functions that are not, so that
 * they neither lie between those that are nor cost them registers. */
#define TENON__LIKELY(condition) __builtin_expect(!!(condition), 1)
#define TENON__RARELY(condition) __builtin_expect(!!(condition), 0)
#define TENON__ASIDE             __attribute__((cold, noinline))
#define TENON__INLINE            static inline __attribute__((always_inline))

/* A turn goes through these in order; IDLE is between two turns. */
enum tenon__phase {
    TENON__IDLE,
    TENON__READY,
    TENON__POLL,
    TENON__IO,
    TENON__TIMERS,
    TENON__END
};

/* OPEN -> HOOKS (shutdown hooks run) -> ENDING (owed notices) -> CLOSED. */
enum tenon__life { TENON__OPEN, TENON__HOOKS, TENON__ENDING, TENON__CLOSED };

enum tenon__kind {
    TENON__NATIVE,
    TENON__HOSTED,
    TENON__FOREIGN,
    TENON__MANUAL
};

/* What lives until the reactor ends: transports, listeners, connectors. */
typedef struct tenon__object tenon__object;
typedef struct tenon__object_ops {
    const char *kind; /* "transport", ... for dumps */
    /* The reactor ends: give back everything now, tell the user what is owed
     * now (inside a frame), unlink. `status` is TENON_CLOSED or HOST_GONE. */
    void (*end)(tenon__object *object, tenon_status status);
    /* A line on `file`, without the newline. */
    void (*dump)(const tenon__object *object, FILE *file);
} tenon__object_ops;
struct tenon__object {
    tenon_node node; /* in reactor->objects */
    const tenon__object_ops *ops;
    struct tenon__local *locals; /* of who made it: core/async/local.h */
};

/* One per user callback on the stack; see tenon__frame_enter. */
typedef struct tenon__frame {
    struct tenon__frame *up;
    const void *object;
    const char *what;
    const char *name; /* NULL: the copy, if that is not empty */
    char copy[40];
    bool alive;
    bool carries; /* `object` is a tenon__object: the callback has its locals */
} tenon__frame;

/* What is known of a descriptor number. The generation goes into epoll with
 * it, so that a report for an earlier life of the number is dropped. */
typedef struct tenon__slot {
    tenon_watch *first;
    uint32_t generation;
    uint32_t registered; /* EPOLL* bits the kernel has, 0: not there */
    bool owned;          /* by a transport or listener */
} tenon__slot;

typedef struct tenon__poller {
    int epoll_fd;
    int timer_fd; /* -1: the blocking wait keeps time itself */
    tenon__slot *slots;
    uint32_t slot_count;
    uint32_t generation;
    uint32_t cursor;
    uint32_t count;
    struct epoll_event batch[TENON__BATCH];
    tenon_node active;    /* watches with a report to deliver */
    tenon_node disarmed;  /* watches whose callback is on the stack */
    int64_t armed_ns;     /* of timer_fd; TENON_FOREVER: not */
    bool lapsed;          /* timer_fd is readable */
    bool timer_lost;      /* it could not be set: polls wait a little instead */
    bool was_full;        /* the last harvest filled the batch */
    bool told_undead;     /* that a registration cannot be got rid of */
    uint64_t stale_token; /* of a report that was dropped, and when: should */
    uint64_t stale_poll;  /* it come again, nobody can end its registration */
} tenon__poller;

struct tenon_inbox {
    atomic_uint refs;
    atomic_uint wake;           /* 1: the eventfd was or will be written */
    _Atomic(tenon_node *) head; /* newest first; &closed once closed */
    tenon_node closed;
    int event_fd;
    unsigned char *fork_page;    /* 1, or 0 in a child: see inbox.c */
    _Atomic(const void *) owner; /* a thread's own address, NULL: nobody's */
    tenon_allocator allocator;
};

typedef struct tenon__spare tenon__spare;

/* What core/async adds to a reactor, once that has a future or a task. */
typedef struct tenon__async_ops {
    /* A waiter of a future that is done: the `run` of its node. It is called
     * exactly once, at the end of the reactor at the latest. */
    void (*run_waiter)(tenon_reactor *reactor, tenon_node *node);
    /* The same of a ticket that was granted or has failed. */
    void (*run_ticket)(tenon_reactor *reactor, tenon_node *node);
    /* The reactor ends, and its objects have: fail what is pending. */
    void (*end)(tenon_reactor *reactor, tenon_status status);
    /* Who waited was told: report the failures that nobody looked at. */
    void (*end_unseen)(tenon_reactor *reactor);
    void (*dump)(const tenon_reactor *reactor, FILE *file);
    /* The reactor's memory goes. */
    void (*free)(tenon_reactor *reactor);
} tenon__async_ops;

struct tenon_reactor {
    tenon_allocator allocator;
    const tenon_host_ops *ops; /* NULL: native */
    void *host;
    const char *name;
    void *name_block;
    size_t name_len;
    enum tenon__kind kind;
    uint32_t refs; /* of users */
    uint32_t pins; /* of the engine: open, entered, closing in the host */
    uint32_t depth;
    enum tenon__life life;
    enum tenon__phase phase;
    tenon_status end_status;
    bool run_active;
    bool host_runs; /* under run_active: it is the host's run, not a turn */
    bool run_once;  /* and it ends with our first entry */
    bool stopping;
    bool host_open; /* `open` succeeded, `close` was not called */
    bool host_done; /* the host holds nothing of ours */
    bool deferred;  /* the host was asked to enter us */
    bool alive_told;
    bool reporting;
    bool in_slot; /* of the host, in the middle of some call of ours */
    tenon__frame *frames;
    struct tenon__traces *traces; /* NULL: nobody debugs */
    int64_t now_ns;
    int64_t mark_ns;     /* the clock, when it was last read in this entry */
    int64_t lap_ns;      /* the lap clock after the last callback */
    clockid_t lap_clock; /* a coarse one will do for a long threshold */
    int64_t block_ns;    /* at most this long in the polls of this entry */
    int64_t virtual_ns;
    int64_t budget_ns;
    tenon_alive_fn *on_alive; /* may be NULL */
    void *alive_user;
    int64_t slow_ns;
    int64_t shutdown_timeout_ns;
    uint32_t budget_calls;
    uint32_t alive_count; /* started objects that are no daemons */
    uint32_t holds;
    tenon_node ready;  /* for the next turn */
    tenon_node round;  /* of this turn */
    tenon_node late;   /* end-of-turn work for this or the next turn */
    tenon_node ending; /* end-of-turn work of this turn */
    tenon_node drops;  /* freed at depth 0 */
    bool dropping;     /* once closed, by whoever dropped the first of them */
    tenon_node objects;
    tenon_node hooks;
    tenon_node signals;
    tenon_node receivers;       /* of signals, one for each signal number */
    tenon_node deferred_timers; /* due while their callback is on the stack */
    tenon_node periodics;       /* that wait for tenon_periodic_done */
    tenon__heap heap;
    uint64_t sequence;
    struct tenon__call_pool *calls;
    tenon__poller poller;
    tenon_inbox *inbox;
    void *read_buffer; /* a spare one, or NULL */
    size_t read_buffer_len;
    void *spare_chunk; /* of core/net's queues, or NULL */
    size_t spare_chunk_len;
    bool unclosed_told; /* of transports that the end found open */
    tenon_node readers; /* of add_reader and add_writer */
    tenon_node parked;  /* listeners waiting for a descriptor */
    tenon_timer hook_timer;
    tenon_node hook_node;
    tenon_shutdown *hook; /* the one that is waited for */
    tenon_error_handler_fn *on_error;
    void *on_error_user;
    tenon_closed_fn *on_closed;
    void *on_closed_user;
    tenon_node memory_listeners; /* for core/net */
    void *names;                 /* for core/net: who resolves names */
    struct tenon__works *works;  /* for core/sys: what runs in executors */
    const tenon__async_ops *async;
    struct tenon__tasks *tasks; /* of core/async, once there is one */
    size_t task_count;          /* started, and not ended */
    tenon_node futures;         /* pending, or failed and not seen */
    tenon_node cancelling;      /* cancelled, and to be passed on */
    tenon__spare *spares;       /* blocks for futures */
    uint32_t spare_count;
    bool passing_on;
    tenon_stats stats;
};

extern _Thread_local tenon_reactor *tenon__current
    __attribute__((tls_model("initial-exec")));

/* Whether the host has `slot`: tables of older adapters are shorter. */
#define TENON__HOST_HAS(reactor, slot)                        \
    ((reactor)->ops->size > offsetof(tenon_host_ops, slot) && \
     (reactor)->ops->slot != NULL)

/* ---- checks: first thing in every public entry ---- */

/** What names this thread: the address of what is its own. */
static inline const void *tenon__this_thread(void)
{
    return &tenon__current;
}

/** Whether this is a forked child, in which all that is the kernel's (epoll,
 *  timerfd, sockets) is shared with the parent and must be left alone. */
static inline bool tenon__forked(const tenon_reactor *reactor)
{
    return *(volatile unsigned char *)reactor->inbox->fork_page == 0;
}

/** TENON_OK, or why this thread, process or reactor may not. */
tenon_status tenon__check(const tenon_reactor *reactor);
/** The same, but a reactor that ends is no failure (stop, cancel, unref). */
tenon_status tenon__check_thread(const tenon_reactor *reactor);
/** The same as tenon__check, for calls that are made often. */
static inline tenon_status tenon__check_quickly(const tenon_reactor *reactor)
{
    const void *owner =
        atomic_load_explicit(&reactor->inbox->owner, memory_order_relaxed);
    bool fine = owner == tenon__this_thread() && !tenon__forked(reactor) &&
                reactor->life < TENON__ENDING;
    return TENON__LIKELY(fine) ? TENON_OK : tenon__check(reactor);
}

/* ---- time ---- */

/** The clock itself, not the turn's. */
int64_t tenon__clock(const tenon_reactor *reactor);
/** The clock that callbacks are measured with: 5 ns to read, not 20, where the
 *  threshold allows for its steps of 4 ms. */
int64_t tenon__lap(const tenon_reactor *reactor);
void tenon__set_slow(tenon_reactor *reactor, int64_t threshold_ns);
static inline int64_t tenon__add_ns(int64_t time_ns, int64_t delay_ns)
{
    int64_t sum;
    if (__builtin_add_overflow(time_ns, delay_ns, &sum)) {
        return delay_ns < 0 ? INT64_MIN : TENON_FOREVER;
    }
    return sum;
}

/* ---- queues ---- */

/** Queues node->run for the next turn, and wakes the host if it sleeps. The
 *  node is the caller's until run, unlinked when run begins. */
void tenon__ready_push(tenon_reactor *reactor, tenon_node *node);
/** Queues node->run for the end of this turn (of the next one, when called
 *  outside of turns or from end-of-turn work). Idempotent. */
void tenon__late_push(tenon_reactor *reactor, tenon_node *node);
/** Queues node->run, which frees, for when no callback is on the stack. */
void tenon__drop_push(tenon_reactor *reactor, tenon_node *node);
/** Unlinks from whichever of these queues; idempotent. */
static inline void tenon__unqueue(tenon_node *node)
{
    tenon__list_remove(node);
}

/* ---- user code ---- */

/** Around every call of user code on behalf of `object` (its address is its
 *  identity). `what` and `name` are for reports ("timer", its name or NULL); a
 *  NULL `what` is a function of ours, which is not measured.
 *  After leave, `frame->alive` tells whether tenon__frame_forget was not
 *  called for the object meanwhile, i.e. whether it may still be touched. */
void tenon__frame_enter(tenon_reactor *reactor, tenon__frame *frame,
                        const void *object, const char *what, const char *name);
/** The same for a name in memory of the user's, which may be gone by the time
 *  of a report; so it is copied, and cut. Who can tell when it goes passes it
 *  uncopied, and calls tenon__frames_keep_name then. */
void tenon__frame_enter_named(tenon_reactor *reactor, tenon__frame *frame,
                              const void *object, const char *what,
                              const char *name);
void tenon__frame_leave(tenon_reactor *reactor, tenon__frame *frame);
/** Copies the name in all frames of `object`, before its memory goes. */
void tenon__frames_keep_name(tenon_reactor *reactor, const void *object);
bool tenon__in_frames(const tenon_reactor *reactor, const void *object);
static inline bool tenon__on_stack(const tenon_reactor *reactor,
                                   const void *object)
{
    return reactor->frames && tenon__in_frames(reactor, object);
}
/** The object's memory may go: whoever is above must not touch it. */
void tenon__frame_forget(tenon_reactor *reactor, const void *object);

/* ---- life ---- */

/** A started object that is no daemon; tells the host of a change at once, or
 *  when the outermost turn ends. */
void tenon__alive_add(tenon_reactor *reactor);
void tenon__alive_sub(tenon_reactor *reactor);
bool tenon__alive(const tenon_reactor *reactor);
void tenon__alive_tell(tenon_reactor *reactor);
/** The end began: nothing is alive any more. */
void tenon__alive_end(tenon_reactor *reactor);
static inline void tenon__object_add(tenon_reactor *reactor,
                                     tenon__object *object,
                                     const tenon__object_ops *ops)
{
    object->ops = ops;
    tenon__list_push(&reactor->objects, &object->node);
}
void tenon__pin(tenon_reactor *reactor);
void tenon__unpin(tenon_reactor *reactor);
/** Ends the reactor as far as the stack allows. */
void tenon__end(tenon_reactor *reactor, tenon_status status);
void tenon__finish(tenon_reactor *reactor);
/** Runs at most `turns` turns, waiting at most `block_ns` in each. */
tenon_status tenon__enter(tenon_reactor *reactor, uint32_t turns,
                          int64_t block_ns, tenon_turn_result *out);
void tenon__drops_run(tenon_reactor *reactor);
/** Frees what a constructor made that failed. */
void tenon__reactor_discard(tenon_reactor *reactor);
/** Makes sure the host enters us soon: to be called after any enqueue. */
void tenon__arm(tenon_reactor *reactor);

/* ---- descriptors ---- */

/** As tenon_watch_start, for a descriptor that belongs to an object of ours:
 *  from then on other watches of it are refused. */
tenon_status tenon__watch_start_owned(tenon_watch *watch, uint32_t events,
                                      tenon_watch_fn *fn, void *user);
/** The one place that closes a descriptor of ours: stops `watch` (may be
 *  NULL), removes it from the poller, closes it, retries parked listeners. */
void tenon__fd_close(tenon_reactor *reactor, tenon_watch *watch, int fd);

/** The shared read buffer, checked out; NULL when out of memory. */
void *tenon__buffer_take(tenon_reactor *reactor, size_t *len);
void tenon__buffer_give(tenon_reactor *reactor, void *buffer);

/* ---- errors ---- */

/** An error of the library or, for -errno, of the system. Never NULL. */
tenon_error *tenon__error(tenon_reactor *reactor, tenon_status status,
                          const char *message, tenon_error *cause);
/** Reports `status` as an error of `what` with `name`. */
void tenon__report_status(tenon_reactor *reactor, const char *what,
                          const char *name, const void *object,
                          tenon_status status);

/** Reports `error` as one of `what` with `name`. */
void tenon__report(tenon_reactor *reactor, const char *what, const char *name,
                   const void *object, const tenon_error *error);
void tenon__report_slow(tenon_reactor *reactor, const tenon__frame *frame,
                        int64_t duration_ns);

/* ---- the parts, for each other ---- */

void tenon__host_closed_in_child(void *token);

tenon_status tenon__reactor_make(tenon_reactor **out, enum tenon__kind kind,
                                 const tenon_host_ops *ops, void *host,
                                 const tenon_reactor_options *given);
tenon_status tenon__poller_init(tenon_reactor *reactor);
void tenon__poller_fini(tenon_reactor *reactor);
void tenon__poller_harvest(tenon_reactor *reactor, int64_t wait_ns);
/** Delivers one report; false when the batch is through. */
bool tenon__poller_dispatch(tenon_reactor *reactor);
/** Sets the timerfd for the earliest deadline, if it must be. */
void tenon__poller_sync_timer(tenon_reactor *reactor);
/** Whether reports wait to be delivered. */
bool tenon__poller_pending(const tenon_reactor *reactor);
bool tenon__poller_is_own(const tenon_reactor *reactor, int fd);
/** Makes room for the slot of `fd`. */
tenon_status tenon__poller_reserve(tenon_reactor *reactor, int fd);
/** Registers `watch`, which is linked in its slot already. */
tenon_status tenon__poller_add(tenon_reactor *reactor, tenon_watch *watch);
/** Makes the kernel's registration what the slot's watches want. */
tenon_status tenon__poller_update(tenon_reactor *reactor, int fd);

enum tenon__watch_flag {
    TENON__WATCH_DAEMON = 1,
    TENON__WATCH_OWNED = 2,
    TENON__WATCH_DISARMED = 4,   /* its callback is on the stack */
    TENON__WATCH_SPUN = 8,       /* hung up, and nobody did anything about it */
    TENON__WATCH_EXCLUSIVE = 16, /* with all that have its user pointer */
    /* Its memory outlives its function, which frames what it calls. */
    TENON__WATCH_BARE = 32,
    TENON__WATCH_BUSY = 64 /* BARE, and its function is on the stack */
};
/** Calls the watch's function with what it has pending. */
void tenon__watch_deliver(tenon_reactor *reactor, tenon_watch *watch);
/** Ends a watch whose descriptor is not the one it was started on. */
void tenon__watch_end_stale(tenon_reactor *reactor, tenon_watch *watch);
/** Those whose function has returned are asked for again. `polling`: before the
 *  loop waits, in a turn. */
void tenon__watches_rearm(tenon_reactor *reactor, bool polling);
void tenon__watches_end(tenon_reactor *reactor);
void tenon__readers_end(tenon_reactor *reactor);

enum tenon__timer_state {
    TENON__TIMER_IDLE,
    TENON__TIMER_HEAP,
    TENON__TIMER_READY,
    TENON__TIMER_DEFERRED
};
enum tenon__timer_flag {
    TENON__TIMER_DAEMON = 1,
    TENON__TIMER_CALL = 2,      /* inside a tenon__call */
    TENON__TIMER_EXCLUSIVE = 4, /* with all that have its user pointer */
    TENON__TIMER_KEPT = 8       /* has a place in the heap: starts for sure */
};
/** As tenon_timer_start_at, but its trace stays what it is. */
tenon_status tenon__timer_begin(tenon_timer *timer, int64_t deadline_ns,
                                tenon_timer_fn *fn, void *user);
/** Into the ready queue: no clock, no memory. */
void tenon__timer_soon(tenon_timer *timer);
/** Puts an idle timer where its deadline belongs. */
tenon_status tenon__timer_schedule(tenon_timer *timer, int64_t deadline_ns);
/** Starting this timer will never lack memory; for a deadline without which
 *  something would wait for ever. Errors: TENON_NO_MEMORY. */
tenon_status tenon__timer_keep(tenon_timer *timer);
/** Undoes it; the timer is stopped. */
void tenon__timer_unkeep(tenon_timer *timer);
/** Takes it out of wherever it is; it must not be idle. */
void tenon__timer_unschedule(tenon_timer *timer);
/** Gives one that is not idle another deadline. On failure it keeps its own. */
tenon_status tenon__timer_move(tenon_timer *timer, int64_t deadline_ns);
/** Runs one due timer; false when none is. */
bool tenon__timer_dispatch(tenon_reactor *reactor);
void tenon__timers_rearm(tenon_reactor *reactor);
int64_t tenon__timer_next(const tenon_reactor *reactor);
void tenon__timers_end(tenon_reactor *reactor);
void tenon__periodics_end(tenon_reactor *reactor);

tenon_status tenon__calls_init(tenon_reactor *reactor);
/** Runs a due call; `timer` is inside it. */
void tenon__call_run(tenon_reactor *reactor, tenon_timer *timer);
void tenon__calls_end(tenon_reactor *reactor);
void tenon__calls_fini(tenon_reactor *reactor);

tenon_status tenon__inbox_new(tenon_reactor *reactor);
/** Moves what was posted to the ready queue, oldest first. */
void tenon__inbox_drain(tenon_reactor *reactor);
bool tenon__inbox_waiting(const tenon_reactor *reactor);
/** Reads the eventfd, after a wake-up. */
void tenon__inbox_acknowledge(tenon_reactor *reactor);
/** Refuses posts from now on; those that wait are told TENON_CLOSED. */
void tenon__inbox_close(tenon_reactor *reactor);
/** Runs a post of the ready queue with a status; false if it is none. */
bool tenon__post_run_closed(tenon_reactor *reactor, tenon_node *node);
void tenon__inbox_wake(tenon_inbox *inbox);

void tenon__signals_end(tenon_reactor *reactor);
/** Puts `fn` in front of what handles a fault (on the alternate stack), once,
 *  however often it is taken, and until it is given back as often. */
tenon_status tenon__signal_take(int signo,
                                void (*fn)(int, siginfo_t *, void *));
void tenon__signal_give(int signo, void (*fn)(int, siginfo_t *, void *));
/** Inside of `fn`: does what would be done without it. */
void tenon__signal_hand_on(int signo, siginfo_t *info, void *context);
tenon_status tenon__shutdown_begin(tenon_reactor *reactor);

#endif
