/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Tasks: plain C functions that may wait. Each has a stack of its own, so it
 * may wait at any depth of calls, for whatever there is (tenon/await.h), and
 * the reactor goes on meanwhile. A task runs on the thread of its reactor,
 * from one wait to the next without anybody in between; so what it does
 * between two waits needs no lock.
 *
 * A task is a future, too: tenon_task_future. That is how to wait for it, to
 * gather it with others, and to have its value.
 *
 * Cancelling is a request. It ends what the task waits for; the wait returns
 * TENON_CANCELLED, and the task gives back what it holds and returns that. A
 * task may wait while it cleans up, and may return something else.
 *
 * The reactor holds every task that has been started until it has ended. When
 * the reactor is closed its tasks are cancelled, and waited for as a shutdown
 * hook is; in an end that cannot wait, every wait fails from then on.
 *
 * Where TENON_WRONG_THREAD or TENON_FORKED is returned nothing was done; that
 * goes for every call here and is not repeated.
 */

#ifndef TENON_TASK_H
#define TENON_TASK_H

#include <tenon/future.h>

/** A task: opaque and counted. */
typedef struct tenon_task tenon_task;

/** What a task runs, on its own stack. What it returns completes its future:
 *  TENON_OK with the value of tenon_return (else NULL), TENON_CANCELLED
 *  cancels it, another failure fails it. */
typedef tenon_status tenon_task_fn(void *user);

/** For tenon_task_options.flags. */
enum tenon_task_flag {
    TENON_TASK_EAGER = 1 /**< begins inside of tenon_spawn, which returns at
                              its first wait */
};

/** How a task is made. A field that is 0 or NULL has its default; so have
 *  all, with NULL in place of the struct. */
typedef struct tenon_task_options {
    uint32_t size;
    uint32_t flags;           /**< enum tenon_task_flag */
    const char *name;         /**< copied, its first 31 bytes; NULL: "task" */
    size_t stack_size;        /**< in bytes, rounded up; 0: 64 KiB */
    tenon_free_fn *free_user; /**< gets `user` once the function has returned,
                                   or will never be called */
} tenon_task_options;

/** How tenon_tasks_dump writes. */
enum tenon_tasks_format {
    TENON_TASKS_TEXT, /**< a line for each task */
    TENON_TASKS_JSON  /**< {"reactor", "tasks": [{"id", "name", "state",
                           "for", "at", "object", "task", "made", "cancels",
                           "stack", "used"}], "rings": [[id, ...]]} */
};

/** Told of every task that is started, before it runs; may name it. */
typedef void tenon_spawn_fn(tenon_task *task, void *user);

/** Called with one task after the other; false ends it. It may start and
 *  cancel tasks, but may not wait. */
typedef bool tenon_task_visit_fn(tenon_task *task, void *user);

TENON_BEGIN

/* ---- making ---- */

/** Makes a task and starts it: it begins in the next turn.
 *  Ownership: the caller holds one reference to `*out`; `out` may be NULL.
 *  `user` is the task's on success only.
 *  Errors: TENON_INVALID, TENON_CLOSED, TENON_NO_MEMORY. The stack is got when
 *  it begins: a task that gets none fails with TENON_NO_MEMORY or what
 *  mmap says.
 *  Source: asyncio create_task. */
#define tenon_spawn(reactor, fn, user, options, out) \
    tenon_spawn_at((reactor), (fn), (user), (options), (out), TENON_SITE)
/** The same, told to be made at `site`; see tenon_future_new_at. */
TENON_CHECKED TENON_API tenon_status tenon_spawn_at(
    tenon_reactor *reactor, tenon_task_fn *fn, void *user,
    const tenon_task_options *options, tenon_task **out, const char *site);
/** Makes a task that is not started. When its last reference goes before it
 *  is, that is reported as "task never started".
 *  Ownership, errors: as tenon_spawn. */
#define tenon_task_new(reactor, fn, user, options, out) \
    tenon_task_new_at((reactor), (fn), (user), (options), (out), TENON_SITE)
/** The same, told to be made at `site`. */
TENON_CHECKED TENON_API tenon_status tenon_task_new_at(
    tenon_reactor *reactor, tenon_task_fn *fn, void *user,
    const tenon_task_options *options, tenon_task **out, const char *site);
/** Starts a task of tenon_task_new.
 *  Errors: TENON_DONE if it was started or cancelled before; TENON_CLOSED,
 *  TENON_NO_MEMORY. */
TENON_CHECKED TENON_API tenon_status tenon_task_start(tenon_task *task);

/** Counts. NULL is legal. */
TENON_API tenon_task *tenon_task_ref(tenon_task *task);
/** Drops a reference; a task that was started runs on. NULL is legal.
 *  Thread: as tenon_future_unref. */
TENON_API void tenon_task_unref(tenon_task *task);

/** Has `fn` told of every task that this reactor starts; NULL for nobody. */
TENON_API tenon_status tenon_reactor_set_spawn_hook(tenon_reactor *reactor,
                                                    tenon_spawn_fn *fn,
                                                    void *user);

/** Says whose stack was too small: when a task of this reactor runs into the
 *  guard below its stack, one line with its name goes to standard error; then
 *  the process ends by SIGSEGV as it would have, or its own handler is called.
 *  Off at first. For this it takes the disposition of SIGSEGV until it is
 *  turned off or the reactor ends, and gives the calling thread an alternate
 *  signal stack, if that has none.
 *  Thread: the owner, the one that will run the tasks.
 *  Errors: TENON_CLOSED, TENON_NO_MEMORY, and what mmap says. */
TENON_API tenon_status tenon_reactor_report_overflow(tenon_reactor *reactor,
                                                     bool on);

/* ---- looking ---- */

/** The future that it completes, borrowed. Cancelling it is tenon_task_cancel;
 *  nobody else may complete it (TENON_INVALID). */
TENON_API tenon_future *tenon_task_future(tenon_task *task);
/** The task behind such a future, borrowed; NULL behind others. */
TENON_API tenon_task *tenon_task_of(tenon_future *future);
/** Whether it has ended. */
TENON_API bool tenon_task_is_done(const tenon_task *task);
/** Its name; yours until the next tenon_task_set_name. */
TENON_API const char *tenon_task_name(const tenon_task *task);
/** Names it; the first 31 bytes are copied. NULL: "task". */
TENON_API void tenon_task_set_name(tenon_task *task, const char *name);
/** The task that calls this, borrowed; NULL in a plain callback, even in one
 *  that runs on top of a task. */
TENON_API tenon_task *tenon_task_current(void);
/** How many tasks have been started and have not ended. */
TENON_API size_t tenon_task_count(const tenon_reactor *reactor);
/** Calls `fn` with each of them, oldest first, and returns how many calls that
 *  were. */
TENON_API size_t tenon_task_foreach(tenon_reactor *reactor,
                                    tenon_task_visit_fn *fn, void *user);
/** The size of its stack, in bytes; 0 while it has none. */
TENON_API size_t tenon_task_stack_size(const tenon_task *task);
/** How much of it was ever used, in bytes, to a page; 0 while it has none. */
TENON_API size_t tenon_task_stack_used(const tenon_task *task);

/** Writes who waits for whom: each task that has not ended, what it waits for,
 *  where, and the task that could end that; and the rings of them, which never
 *  end. `format`: enum tenon_tasks_format. */
TENON_API tenon_status tenon_tasks_dump(const tenon_reactor *reactor,
                                        FILE *file, uint32_t format);
/** Does so whenever this signal comes, in a turn; a NULL file ends it. One
 *  signal per reactor: the last call counts. The file must stay open.
 *  Errors: those of tenon_signal_start; TENON_NO_MEMORY. */
TENON_CHECKED TENON_API tenon_status tenon_tasks_dump_on_signal(
    tenon_reactor *reactor, int signo, FILE *file, uint32_t format);

/* ---- cancelling ---- */

/** Asks it to end, with a reason that is copied (NULL: none). What it waits
 *  for is cancelled at once; if it runs, or has a mask, its next wait fails. A
 *  task that has not begun never does.
 *  Returns TENON_EXISTED if it is cancelled now, TENON_PENDING if it will
 *  have its say, TENON_OK if it had ended.
 *  Source: asyncio Task.cancel. */
TENON_API tenon_status tenon_task_cancel(tenon_task *task, const char *reason);
/** How many requests there were, less those taken back. */
TENON_API uint32_t tenon_task_cancelling(const tenon_task *task);
/** Takes one request back, and returns how many are left; at 0 a cancelling
 *  that no wait has returned yet is forgotten.
 *  Source: asyncio Task.uncancel. */
TENON_API uint32_t tenon_task_uncancel(tenon_task *task);

/* ---- inside of a task ---- */

/** Sets the value that the calling task's future resolves with, once it
 *  returns TENON_OK; a former one is freed. To be used as
 *  `return tenon_return(value, free);`.
 *  Ownership: as tenon_future_resolve.
 *  Errors: TENON_INVALID outside of a task; the value is then freed. */
TENON_API tenon_status tenon_return(void *value, tenon_free_fn *free_value);
/** The same, with a number. */
TENON_API tenon_status tenon_return_int(int64_t number);

/** Remembers an error for the calling task's future, and returns its status:
 *  `return tenon_raise(TENON_PROTOCOL, "no greeting");`. The place of the call
 *  goes with it. If the task then returns another status, it is forgotten.
 *  Outside of a task it returns `status` and no more. */
#define tenon_raise(status, message) \
    tenon_raise_at((status), (message), __FILE__, __LINE__)
/** The same at a place of your choice; `file` is kept by reference. */
TENON_API tenon_status tenon_raise_at(tenon_status status, const char *message,
                                      const char *file, int line);
/** The same with an error that exists.
 *  Ownership: takes a reference of its own. */
TENON_API tenon_status tenon_raise_error(tenon_error *error);
/** Notes that a failure passes here: what TENON_TRY does.
 *  Returns `status`. */
TENON_API tenon_status tenon_pass_at(tenon_status status, const char *file,
                                     int line);
/** The error behind the last failed wait or tenon_raise of the calling task,
 *  borrowed until the next; NULL if there was none. */
TENON_API tenon_error *tenon_task_error(void);

/** Evaluates `call`; if that failed, returns its status from the function it
 *  stands in, and notes the place, so that the error of a task tells the way
 *  it took. */
#define TENON_TRY(call)                                           \
    do {                                                          \
        tenon_status tenon_try_ = (call);                         \
        if (tenon_try_ < 0) {                                     \
            return tenon_pass_at(tenon_try_, __FILE__, __LINE__); \
        }                                                         \
    } while (0)

TENON_END

#endif
