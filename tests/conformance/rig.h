/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * What the cases share: the loop and the reactor they run on, ways to drive
 * them to a condition, and a notebook in which callbacks write one word each,
 * so that a case can say in one string what had to happen and in what order.
 * Each case has a process of its own, hence one rig, known to all.
 */

#ifndef TENON_CONFORMANCE_RIG_H
#define TENON_CONFORMANCE_RIG_H

#include <string.h>

#include <tenon/conformance.h>
#include <tenon/tenon.h>

#include "harness.h"

/* What a case needs beyond an attached reactor: the capabilities of the
 * fixture (enum tenon_fixture_cap), slots of its table, and how to set up. */
enum rig_need {
    NEED_TIME = TENON_FIXTURE_REAL_TIME,
    NEED_ALIVE = TENON_FIXTURE_ALIVE,
    NEED_NESTED = TENON_FIXTURE_NESTED,
    NEED_SHARED = TENON_FIXTURE_SHARED,
    NEED_BUDGET = TENON_FIXTURE_BUDGET,
    NEED_ATTACHED = TENON_FIXTURE_ATTACHED,
    NEED_DIES = TENON_FIXTURE_DIES,
    NEED_TENON_RUN = 1 << 16, /* reactor_new */
    NEED_LOOP_RUN = 1 << 17,  /* run and stop */
    NEED_CALL = 1 << 18,
    NEED_TICK = 1 << 19,
    NEED_TIMEOUT = 1 << 20,
    NEED_COUNT = 1 << 21,
    BARE = 1 << 30 /* the case opens loop and reactor itself */
};

typedef struct rig_case {
    const char *id;   /* "L01" */
    const char *text; /* what holds */
    void (*fn)(void);
    uint32_t needs;
} rig_case;

typedef struct rig_group {
    const rig_case *cases;
    size_t count;
} rig_group;

#define RIG_GROUP(table)                            \
    {                                               \
        (table), sizeof(table) / sizeof((table)[0]) \
    }

/** All of the suite; ends with NULL. */
extern const rig_group *const rig_groups[];
extern const rig_group rig_loop, rig_run, rig_time, rig_thread, rig_signal;
extern const rig_group rig_watch, rig_stream, rig_write, rig_flow, rig_accept;
extern const rig_group rig_host, rig_memory, rig_lifetime, rig_serve, rig_names;
extern const rig_group rig_convey, rig_counted, rig_lookup;
extern const rig_group rig_shutdown, rig_process;
extern const rig_group rig_future, rig_gather, rig_lock, rig_task,
    rig_task_value, rig_task_cancel;
extern const rig_group rig_iostream, rig_iostream_ends, rig_sock;
extern const rig_group rig_scope, rig_limit, rig_nursery;
extern const rig_group rig_executor, rig_file;
/* Of with_NAME.c, when the component is built: TENON_WITH_NAME is defined. */
extern const rig_group rig_line;

struct rig {
    const tenon_fixture *fixture;
    void *loop;
    tenon_reactor *reactor;
    harness_heap heap;
    harness_fds fds;
    harness_spin spin;
    bool closed; /* on_closed came */
    int reports; /* errors told to the handler and not taken yet */
    char report_what[64];
    tenon_status report_status;
    char notes[4096];
    tenon_transport *kept[64];
    size_t kept_count;
    pthread_t thread; /* that the case runs on */
    const void *base; /* of its stack */
};

/** The rig of the case that runs in this process. */
extern struct rig rig;

/* ---- its life ---- */

/** The name of the first thing in `needs` that the fixture lacks, or NULL. */
const char *rig_lacks(const tenon_fixture *fixture, uint32_t needs);
/** Runs a case here, with everything around it. */
void rig_run_here(const tenon_fixture *fixture, const rig_case *one);
/** In a sweep, where a case stopped in the middle: closes what the rig opened;
 *  a sentence if memory or descriptors are then lost. */
const char *rig_abandon(void);
/** For protocols and connectors that need no end: a sweep wants to hear of
 *  it all the same. */
tenon_status rig_lost(void *self, tenon_transport *transport,
                      const tenon_error *error);
extern const tenon_connect_options rig_connecting;
/** Whether a sweep's failure has happened in this case. */
bool rig_swept(void);
/** Requires that an error says this somewhere; a sweep may have left no memory
 *  for it. */
void rig_require_message(const tenon_error *error, const char *part);
/** In a sweep: the transport stays legal to call after an early end, until the
 *  rig closes. */
void rig_keep(tenon_transport *transport);
/** The options every reactor of a case has: ledger, error handler. */
tenon_reactor_options rig_options(void);
void rig_open(const tenon_reactor_options *options);
/** Closes the reactor if it is open, and waits until the loop is free of it. */
void rig_close(void);
/** A loop of Tenon's own, where the fixture has that. */
tenon_reactor *rig_reactor_new(void);

/* ---- driving it ---- */

/** One iteration of the loop. */
void rig_iterate(int64_t max_wait_ns);
/** Iterates without waiting until nothing more happens. */
void rig_settle(void);
/** Iterates for this long, by the reactor's clock. */
void rig_pump_for(int64_t duration_ns);
void rig_pump_step(int64_t deadline_ns, const char *file, int line,
                   const char *condition);
int64_t rig_deadline(void);

/** Iterates until the condition holds; fails after five seconds. */
#define PUMP_UNTIL(condition)                                       \
    do {                                                            \
        int64_t end_ns_ = rig_deadline();                           \
        while (!(condition)) {                                      \
            rig_pump_step(end_ns_, __FILE__, __LINE__, #condition); \
        }                                                           \
    } while (0)

/** Lets real time pass where no loop is to run: a blocking callback. */
void rig_block(int64_t duration_ns);

/* ---- the notebook ---- */

/** Writes a word; words are separated by one space. */
void note(const char *format, ...) TENON_PRINTF(1, 2);
/** A call's callback: notes the string it was given. */
void note_call(void *word);
size_t note_count(const char *word);
bool noted(const char *word);
void notes_clear(void);
#define REQUIRE_NOTES(text) REQUIRE_STR(rig.notes, text)

/** Requires one report that nobody took yet, of this status, and takes it. */
void rig_take_report(tenon_status status);

/* ---- what many cases need ---- */

tenon_stats rig_stats(void);
/** call_soon on the rig's reactor, required to succeed. */
void soon(tenon_call_fn *fn, void *user);
void later(int64_t delay_ns, tenon_call_fn *fn, void *user, tenon_handle *out);
/** A connected pair of stream sockets, non-blocking. */
void socket_pair(int fds[2]);
void put(int fd, const char *text);
/** Reads what is there; returns its length, 0 at the end. */
size_t drain(int fd, char *out, size_t size);
void close_fd(int *fd);

#define MS(n) ((n)*TENON_MILLISECOND)

#endif
