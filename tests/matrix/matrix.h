/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The re-entrancy matrix: every callback x every public call x what it is
 * called on x every host. Three tables make it:
 *
 *   callbacks.def  what calls back, and which kind of actor brings it about
 *   calls_*.def    a public function, applied to an object of some class
 *   rules.c        pairs and functions that are left out, each with a sentence
 *
 * A case is one pair on one target. Its stage holds an actor whose callback
 * makes the call (self), another one with work pending (the sibling), and two
 * that have nothing to do with it. Each actor has a script that it plays to
 * the end unless a call ended or changed it, and counts what it is told: never
 * twice what comes once, nothing after the end but what is owed, nothing inside
 * of a call, no callback within itself.
 */

#ifndef TENON_MATRIX_H
#define TENON_MATRIX_H

#include <string.h>

#include <tenon/conformance.h>
#include <tenon/line.h>
#include <tenon/manual.h>
#include <tenon/sys/host.h>
#include <tenon/tenon.h>

#include "harness.h"

/* What a call applies to. */
enum object_class {
    NOTHING = 0,
    HANDLE = 1 << 0,
    TIMER = 1 << 1,
    PERIODIC = 1 << 2,
    WATCH = 1 << 3,
    READER = 1 << 4,
    INBOX = 1 << 5,
    SIGNAL = 1 << 6,
    HOOK = 1 << 7,
    TRANSPORT = 1 << 8,
    LISTENER = 1 << 9,
    CONNECTOR = 1 << 10,
    LOOKUP = 1 << 11,
    FUTURE = 1 << 12,
    WAITER = 1 << 13,
    PROMISE = 1 << 14,
    LINE = 1 << 15,
    REACTOR = 1 << 16,
    HOST = 1 << 17,
    TASK = 1 << 18,
    PLACE = 1 << 19, /* of a ticket */
    STREAM = 1 << 20,
    ANYTHING = -1
};

/* On which of the objects of that class. */
enum target { SELF, PARENT, SIBLING, TARGETS };

/* ---- callbacks ---- */

enum event_flag {
    MANY = 1,  /* may come more than once */
    INNER = 2, /* comes inside of calls, by its contract */
    ALONE = 4, /* never beside another event of its actor */
    APART = 8  /* each is a notice of its own: in a nested loop one may come
                  while another is on the stack */
};

enum event {
#define EVENT(id, contract, self, parent, owed, flags) EV_##id,
#define CALLBACK(kind, event)
#include "callbacks.def"
    EVENTS
};

typedef struct event_row {
    const char *name;
    const char *contract; /* the typedef, or TABLE.SLOT */
    uint32_t self;        /* classes of what the callback is about */
    uint32_t parent;      /* and of what that belongs to */
    uint32_t owed;        /* classes that still owe it after their end */
    uint32_t flags;
} event_row;

extern const event_row events[EVENTS];

/* ---- actors ---- */

typedef struct actor actor;

typedef struct part {
    const char *name;
    uint32_t offers; /* classes */
    /** Makes the objects, so that the script will play. */
    void (*open)(actor *a);
    /** Outside of turns, after each iteration: plays the peer. May be NULL. */
    void (*step)(actor *a);
    /** Whether all has come that was to come. */
    bool (*complete)(const actor *a);
    /** The reactor has ended: checks what was owed, gives memory back. */
    void (*close)(actor *a);
} part;

struct actor {
    const part *kind;
    const char *role;
    int number; /* 0 for self, 1 for the sibling, ... */
    bool opened;
    bool held;      /* `lookup` is a reference of ours */
    uint32_t ended; /* classes that a call has ended */
    bool loose;     /* a call changed it: its script may not be completed */
    uint8_t seen[EVENTS];
    uint8_t inside[EVENTS];
    int on_stack; /* events that are ALONE */
    int phase;
    int again; /* events more, which a call asked for */
    int owed;  /* notices that calls have asked for, and that must come */
    tenon_handle handle;
    tenon_timer *timer;
    tenon_periodic *periodic;
    tenon_watch *watch;
    int fd; /* ours */
    int far;
    tenon_post_node *post;
    int posts;
    tenon_signal *signal;
    int signo;
    tenon_shutdown *hook;
    tenon_transport *transport; /* ours by `held`, else until it is lost */
    tenon_transport *peer;
    tenon_listener *listener;
    tenon_connector *connector;
    tenon_lookup *lookup;
    tenon_future *future;
    tenon_future *outer; /* what it belongs to */
    tenon_waiter *waiter;
    tenon_waiter *second;
    tenon_waiter *outer_waiter;
    tenon_promise *promise;
    tenon_task *task;
    tenon_stream *stream;
    tenon_listener *guard; /* of what no call is made on */
    tenon_line *line;
    tenon_event *event;
    tenon_ticket *ticket; /* that waits for it */
    size_t sent;
    char name[48];
};

#define KINDS_OF(X) \
    X(SOON)         \
    X(LATER)        \
    X(TICKET)       \
    X(METRONOME)    \
    X(EYE)          \
    X(GHOST)        \
    X(PEP)          \
    X(LETTER)       \
    X(BELL)         \
    X(SHUTDOWN)     \
    X(COMPLAINT)    \
    X(GOODBYE)      \
    X(VISITOR)      \
    X(SOCKET)       \
    X(BUFFERED)     \
    X(MEMORY)       \
    X(PIPE)         \
    X(LINES)        \
    X(CLIENT)       \
    X(RACER)        \
    X(WORKER)       \
    X(NAMED)        \
    X(QUESTION)     \
    X(PLEDGE)       \
    X(FAILURE) X(RETREAT) X(FAMILY) X(WORD) X(RUNNER) X(QUEUER) X(HANDLER)

#define KIND_DECLARE(id) extern const part kind_##id;
KINDS_OF(KIND_DECLARE)
#undef KIND_DECLARE

typedef struct callback_row {
    const part *kind;
    enum event event;
} callback_row;

extern const callback_row callbacks[];
extern const size_t callback_count;

/* ---- calls ---- */

enum call_flag {
    KEEPS = 0,  /* all goes on as it was */
    BENDS = 1,  /* the actor may not come to its script's end */
    ENDS = 2,   /* nothing of the object's class comes but what is owed */
    UPSETS = 4, /* all actors may not come to their end */
    RUNS = 8,   /* callbacks may run inside */
    STARTS = 16 /* what was ended begins anew */
};

typedef struct call_row {
    const char *function; /* as exported, or a word for a host's */
    const char *variant;  /* "" */
    uint32_t on;          /* class */
    uint32_t flags;
    const char *may; /* failures that it may return, beside TENON_CLOSED */
    tenon_status (*fn)(actor *a);
} call_row;

/** Row by row, through all tables; NULL beyond the last. */
const call_row *call_at(size_t index);
size_t call_count(void);

/* ---- rules ---- */

typedef struct move move;
/** Why this pair is left out on this host, or NULL. */
const char *rule_against(const callback_row *callback, const move *act,
                         const part *sibling, const tenon_fixture *fixture);
/** Why no loop is to be run from this callback, or NULL. */
const char *rule_against_nesting(const callback_row *callback,
                                 const tenon_fixture *fixture);
/** Functions and callbacks without a row: pairs of a name and a sentence. */
typedef struct exclusion {
    const char *name; /* may end with a star */
    const char *reason;
} exclusion;
extern const exclusion exclusions[];
extern const size_t exclusion_count;

/* ---- the stage ---- */

struct move {
    const call_row *call; /* NULL: none */
    enum target target;
};

typedef struct one_case {
    const callback_row *callback;
    move acts[2];
    bool nested; /* from another callback, in a loop that this one runs */
} one_case;

typedef struct stage {
    const tenon_fixture *fixture;
    const one_case *now;
    const move *act; /* that is being done */
    bool inner;      /* the nested loop has come to it */
    void *loop;
    tenon_reactor *reactor;
    harness_heap heap;
    actor cast[4];
    int cast_count;
    bool made_call; /* the callback came, and the call was made */
    bool absent;    /* but its object was not there */
    bool closing;
    bool closed; /* on_closed came */
    bool upset;
    bool dropped; /* our reference to the reactor is gone */
    int calling;  /* depth of calls under test */
    tenon_error *error;
} stage;

extern stage st;

/** What the sibling is in this case; NULL: there is none. */
const part *sibling_of(const one_case *one);
/** Runs a case, in this process. */
void stage_play(const tenon_fixture *fixture, const one_case *one);

/** To be called first in every callback. */
void hit(actor *a, enum event event);

/** Ends the child: a rule was broken. */
_Noreturn void broken(const char *format, ...) TENON_PRINTF(1, 2);
#define WANT(condition)                                          \
    do {                                                         \
        if (!(condition)) {                                      \
            broken("%s:%d: %s", __FILE__, __LINE__, #condition); \
        }                                                        \
    } while (0)

/** Zeroed memory of its own, so that a stray access is seen. */
void *own(size_t size);
/** Spoils and frees what own gave; NULL is legal. */
#define DISOWN(pointer) disown(&(pointer), sizeof *(pointer))
void disown_block(void *block, size_t size);
#define disown(pointer, size)             \
    do {                                  \
        disown_block(*(pointer), (size)); \
        *(pointer) = NULL;                \
    } while (0)

/** Counts an event of a waiter, a free function: the common callbacks. */
static inline bool over(const actor *a, enum event event, int times)
{
    return a->seen[event] >= times;
}

/** Keeps a transport: self by a borrowed pointer, the others by a reference, so
 *  that both are tried. */
void keep_transport(actor *a, tenon_transport *transport);
/** It was lost: what was borrowed is no more. */
void lose_transport(actor *a);
void drop_transport(actor *a);

/** A name for a socket that no other case has. */
void fresh_name(actor *a);

/* Common to net's actors and to calls. */
extern const tenon_protocol_ops quiet_ops;
extern const tenon_resolver_ops matrix_resolver;
tenon_status matrix_on_error(tenon_reactor *reactor, const tenon_report *report,
                             void *user);
void matrix_on_fire(tenon_timer *timer, void *user);
tenon_status matrix_on_tick(tenon_periodic *periodic, uint64_t missed,
                            void *user);
void matrix_on_ready(tenon_watch *watch, uint32_t seen, void *user);
void matrix_on_post(tenon_post_node *post, tenon_status status, void *user);
void matrix_on_signal(tenon_signal *handler, uint32_t count, void *user);
void matrix_on_stopped(tenon_listener *listener, tenon_status status,
                       void *user);
/** At the end of a case: what the calls have asked for has come. */
void calls_close(void);

#endif
