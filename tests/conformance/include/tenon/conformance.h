/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The conformance suite, for whoever wrote an adapter. Describe your loop in
 * one tenon_fixture, hand it to tenon_conformance_main, and link with
 * libtenon-conformance:
 *
 *   static const tenon_fixture mine = { .size = sizeof mine, ... };
 *   static const tenon_fixture *const all[] = { &mine, NULL };
 *   int main(int argc, char **argv)
 *   {
 *       return tenon_conformance_main(argc, argv, all);
 *   }
 *
 * Every case runs in a process of its own, on a loop of its own, and is skipped
 * only for a capability that the fixture does not claim.
 */

#ifndef TENON_CONFORMANCE_H
#define TENON_CONFORMANCE_H

#include <tenon/reactor.h>

/** What a loop can do. A slot that is NULL stands for itself: what needs it is
 *  skipped without a flag here. */
enum tenon_fixture_cap {
    /** Its clock is the machine's and `iterate` waits. Without it time is
     *  virtual: `iterate` moves the clock and never waits. */
    TENON_FIXTURE_REAL_TIME = 1,
    /** `run` returns when nothing of the reactor is alive, and not before. */
    TENON_FIXTURE_ALIVE = 2,
    /** The loop may be run again from inside a callback (`nested`). */
    TENON_FIXTURE_NESTED = 4,
    /** Several reactors may be attached to one loop. */
    TENON_FIXTURE_SHARED = 8,
    /** A wake-up ends when its budget of time is spent. */
    TENON_FIXTURE_BUDGET = 16,
    /** The loop is the application's: it goes on when the reactor is closed,
     *  which a callback of the reactor's may do. */
    TENON_FIXTURE_ATTACHED = 32,
    /** `loop_free` may come while a reactor is attached; the reactor finds out
     *  by itself, at the latest in its next call. */
    TENON_FIXTURE_DIES = 64
};

/** A loop, as the suite drives it. Append-only; a slot beyond `size` is not
 *  there. `loop` is whatever loop_new returned. */
typedef struct tenon_fixture {
    uint32_t size;
    uint32_t caps;    /**< enum tenon_fixture_cap */
    const char *name; /**< what --host names, e.g. "libuv" */
    /** Of the loop's library that is loaded. */
    const char *(*version)(void);

    /** Mandatory. The application's own loop, before anything is attached;
     *  NULL on failure. */
    void *(*loop_new)(void);
    /** Mandatory. Frees the loop; first lets it finish what `close` of a
     *  reactor left to do, if there is such a thing (libuv). */
    void (*loop_free)(void *loop);
    /** Mandatory. The adapter's constructor. */
    tenon_status (*attach)(void *loop, tenon_reactor **out,
                           const tenon_reactor_options *options);
    /** Mandatory. One iteration of the loop, waiting at most `max_wait_ns`
     *  for something to do (0: just look). May return earlier. */
    void (*iterate)(void *loop, int64_t max_wait_ns);
    /** The loop's own way to run for long, until `stop`, or, with ALIVE, until
     *  nothing is alive. */
    void (*run)(void *loop);
    /** Ends `run`, from a callback of any kind on its thread. */
    void (*stop)(void *loop);

    /** A loop that Tenon makes, for which tenon_run works. */
    tenon_status (*reactor_new)(tenon_reactor **out,
                                const tenon_reactor_options *options);

    /** Calls `fn` once from the loop itself (not through Tenon), after
     *  `delay_ns`. Returns 0, or -1 on failure. */
    int (*call_native)(void *loop, int64_t delay_ns, void (*fn)(void *user),
                       void *user);
    /** Calls `fn` from the loop itself every `period_ns`, with the priority at
     *  which its toolkit draws if there is one, until `fn` returns false.
     *  Returns 0, or -1 on failure. */
    int (*tick_native)(void *loop, int64_t period_ns, bool (*fn)(void *user),
                       void *user);
    /** With NESTED. Runs the loop again for `duration_ns` from inside a
     *  callback, as a modal dialog does. */
    void (*nested)(void *loop, int64_t duration_ns);
    /** The time until the earliest timer that is armed in the loop itself;
     *  TENON_FOREVER when none is. */
    int64_t (*native_timeout)(void *loop);
    /** How many handles, events or sources the loop holds, of anybody's. */
    size_t (*native_count)(void *loop);
    /** In a forked child: what the loop's manual says to call there
     *  (uv_loop_fork, event_reinit). NULL: nothing. */
    void (*after_fork)(void *loop);
} tenon_fixture;

TENON_BEGIN

/** The program: `--host NAME` (with one fixture it may be left out), `--list`,
 *  `--only ID` (a prefix of a case's name; may be repeated), `--trace`. Prints
 *  one line a case and, last, "N passed, N failed, N skipped". Returns 0, 1
 *  when a case failed, 2 for wrong usage. `fixtures` ends with NULL. */
TENON_API int tenon_conformance_main(int argc, char **argv,
                                     const tenon_fixture *const *fixtures);

/** Runs the scripted session of --trace on `fixture`, in this process, and
 *  writes what happened to `out`, one event a line. The same session gives the
 *  same lines on every loop. False, with a line that says why, when the
 *  session could not be completed. */
TENON_API bool tenon_conformance_trace(const tenon_fixture *fixture, FILE *out);

TENON_END

#endif
