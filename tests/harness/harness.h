/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * What every test of Tenon stands on: a process and a time limit per case, and
 * four detectors that fire at its end - descriptors left open, memory not
 * given back (or given back wrongly), a reactor left dirty, and a loop that
 * turned without anything to do. It needs libc and Tenon only; the tests that
 * are written with Check use the same detectors through harness_check.h.
 */

#ifndef TENON_HARNESS_H
#define TENON_HARNESS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tenon/reactor.h>

#define HARNESS_TEXT_LEN 512

/* ---- a case in a process of its own ---- */

enum harness_verdict { HARNESS_PASS, HARNESS_FAIL, HARNESS_SKIP };

typedef struct harness_result {
    enum harness_verdict verdict;
    char why[HARNESS_TEXT_LEN]; /* of a failure or a skip */
} harness_result;

typedef void harness_case_fn(void *arg);

/** Runs `fn(arg)` in a child and waits for it. The child is killed, with all
 *  that it forked, after `limit_ns` (0: 10 s) times harness_time_scale; it may
 *  use half of that as CPU time. What it wrote to standard error is
 *  shown only if it fails. */
void harness_run_case(harness_result *out, harness_case_fn *fn, void *arg,
                      int64_t limit_ns);

/** Ends the case, from any thread of the child, as failed or skipped. Outside
 *  of a case, prints the text and ends the process with 1 (fail) or 0. */
_Noreturn void harness_fail(const char *file, int line, const char *format, ...)
    TENON_PRINTF(3, 4);
_Noreturn void harness_skip(const char *format, ...) TENON_PRINTF(1, 2);

/** How much slower this build and machine are than a plain one: the sanitizers'
 *  factor times the environment's TENON_TEST_TIME_SCALE. */
int64_t harness_time_scale(void);
/** The real monotonic clock. */
int64_t harness_clock_ns(void);
/** CPU time of this process. */
int64_t harness_cpu_ns(void);

#define REQUIRE(condition)                                                \
    do {                                                                  \
        if (!(condition)) {                                               \
            harness_fail(__FILE__, __LINE__, "not true: %s", #condition); \
        }                                                                 \
    } while (0)

#define REQUIRE_EQ(left, right)                                       \
    harness_equal(__FILE__, __LINE__, #left, (int64_t)(left), #right, \
                  (int64_t)(right))
#define REQUIRE_STR(left, right) \
    harness_equal_text(__FILE__, __LINE__, #left, left, right)
/** Wants exactly this status. In a sweep a call that was told of the failure is
 *  made once more, hence `call` may have no other side effect. */
#define REQUIRE_STATUS(call, status)                                    \
    do {                                                                \
        tenon_status wanted_ = (status);                                \
        tenon_status got_ = (call);                                     \
        if (got_ != wanted_ && harness_retry(got_)) {                   \
            got_ = (call);                                              \
        }                                                               \
        harness_equal_status(__FILE__, __LINE__, #call, got_, wanted_); \
    } while (0)
/** Wants success, with or without a note; else as REQUIRE_STATUS. */
#define REQUIRE_OK(call)                                  \
    do {                                                  \
        tenon_status got_ = (call);                       \
        if (harness_retry(got_)) {                        \
            got_ = (call);                                \
        }                                                 \
        harness_success(__FILE__, __LINE__, #call, got_); \
    } while (0)

/** Wants a new object in `out`; NULL is told as TENON_NO_MEMORY. */
#define REQUIRE_MADE(out, call) \
    REQUIRE_OK(((out) = (call)) != NULL ? TENON_OK : TENON_NO_MEMORY)

void harness_equal(const char *file, int line, const char *left_text,
                   int64_t left, const char *right_text, int64_t right);
void harness_equal_text(const char *file, int line, const char *what,
                        const char *left, const char *right);
void harness_equal_status(const char *file, int line, const char *what,
                          tenon_status got, tenon_status wanted);
void harness_success(const char *file, int line, const char *what,
                     tenon_status got);

/* ---- one failure, put in by a sweep ---- */

/** A case that runs while one allocation or system call of the library fails.
 *  Calls that say so are made again; a case that cannot go on ends early, and
 *  that is no failure if somebody was told. See docs/testing.md. */
typedef struct harness_sweep {
    /** Whether this request for memory, the next one, is to fail. */
    bool (*request)(void);
    /** The case begins and ends: outside nothing fails. */
    void (*arm)(bool armed);
    /** Whether the failure has happened. */
    bool (*met)(void);
    /** What the library has open of its own; NULL once there is nothing that
     *  it should have given back. */
    const char *(*left_open)(void);
    /** What the failure is told as; TENON_OK: it has to be overcome. */
    tenon_status status;
    /** How long the case waits for anything once it has happened. */
    int64_t patience_ns;
    /** Ends what the case began, where it is; a sentence if that went wrong.
     *  The suite's. */
    const char *(*abandon)(void);
} harness_sweep;

/** The sweep of this process; NULL: none. */
extern const harness_sweep *harness_swept;

/** Whether a call that failed in this way is to be made again: once, after the
 *  sweep's failure. Whoever made the call was told then. */
bool harness_retry(tenon_status status);
/** Notes that a report or a callback told of this error, or of one that it
 *  caused. True if it was the sweep's. */
bool harness_told(const tenon_error *error);
/** The same of a text: notes, what was printed. */
bool harness_told_text(const char *text);

/* ---- the ledger of descriptors ---- */

#define HARNESS_FDS 4096

typedef struct harness_fds {
    uint8_t open[HARNESS_FDS];
} harness_fds;

/** Notes which descriptors are open. */
void harness_fds_begin(harness_fds *fds);
/** False, with a sentence in `why`, if others are open now. */
bool harness_fds_end(const harness_fds *fds, char *why, size_t len);
/** How many descriptors are open. */
size_t harness_fds_count(void);

/* ---- the ledger of memory ---- */

typedef struct harness_block {
    void *address;
    size_t len;
} harness_block;

/** An allocator that remembers every block with its length, moves on every
 *  resize, spoils what it gives and takes back, and can be told to fail. */
typedef struct harness_heap {
    tenon_allocator allocator;
    pthread_mutex_t lock;
    harness_block *blocks; /* open addressing */
    size_t capacity;
    size_t count;
    size_t bytes;
    size_t peak_bytes;
    uint64_t requests;   /* that may fail: allocations and growths */
    uint64_t fail_from;  /* the first request that fails; 0: none does */
    uint64_t fail_count; /* so many in a row */
    char trouble[128];   /* the first wrong free, or "" */
} harness_heap;

void harness_heap_begin(harness_heap *heap);
/** False, with a sentence in `why`, if blocks are out or one was given back
 *  wrongly. Ends the ledger. */
bool harness_heap_end(harness_heap *heap, char *why, size_t len);
/** Makes `count` requests fail, beginning with the nth from now (1: next). */
void harness_heap_fail(harness_heap *heap, uint64_t nth, uint64_t count);
/** False, with a sentence in `why`, if blocks are out that nothing holds: no
 *  variable on the stack from here to `base`, none of the program's, and no
 *  block that is held itself. */
bool harness_heap_held(const harness_heap *heap, const void *base, char *why,
                       size_t len);

/* ---- the state of a reactor ---- */

/** False, with a sentence in `why`, if calls, timers, watches, transports or
 *  listeners are left in it. */
bool harness_reactor_clean(const tenon_reactor *reactor, char *why, size_t len);

/** Watches a loop that a test drives. Between begin and end, tell it of every
 *  iteration: how long it was allowed to wait and how long it took. */
typedef struct harness_spin {
    const tenon_reactor *reactor;
    tenon_stats start;
    tenon_stats last;
    uint64_t iterations;
    uint64_t hollow; /* returned early without event, callback or entry */
} harness_spin;

void harness_spin_begin(harness_spin *spin, const tenon_reactor *reactor);
void harness_spin_step(harness_spin *spin, int64_t allowed_ns, int64_t took_ns);
/** False, with a sentence in `why`, if the loop turned for nothing. */
bool harness_spin_end(const harness_spin *spin, char *why, size_t len);

#endif
