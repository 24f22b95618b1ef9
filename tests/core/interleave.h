/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Every order in which four tasks can use an object that is waited in. A task
 * acquires, holds, and is told to release; while it waits, or has been woken
 * and has not run, it is cancelled, or times out, which is a cancelling that
 * it takes back and tries again. Turns come in between, or do not.
 *
 * A model tells what has to happen: who is let in at once, who goes on when.
 * It is a plain struct, so that its states can be told apart: from each state
 * that can be reached every step is taken once, on the real thing too, from
 * the beginning. Then long walks are taken at random, without a beginning.
 */

#ifndef TENON_TESTS_CORE_INTERLEAVE_H
#define TENON_TESTS_CORE_INTERLEAVE_H

#include <stdlib.h>

#define RIG_TIMEOUT 150 /* seconds */
#include "future_rig.h"

enum { ACTORS = 4, ITEMS = 8, STATES = 400000, WALK = 20000 };

enum actor_state { IDLE, WAITING, WOKEN, HOLDING, RELEASING, STOPPED, FAILED };

enum step_kind { ACQUIRE, RELEASE, CANCEL, TIME_OUT, TURN, POKE, KINDS = 12 };

/* All bytes, so that equal states are equal memory. */
typedef struct model {
    uint8_t state[ACTORS];
    uint8_t cancelled[ACTORS]; /* since it was woken */
    uint8_t retry[ACTORS];
    uint8_t note[ACTORS]; /* the object's own */
    uint8_t item[ACTORS];
    uint8_t age[ACTORS];
    uint8_t waiting[ACTORS]; /* oldest first */
    uint8_t ready[ACTORS];
    uint8_t waiting_count;
    uint8_t ready_count;
    uint8_t number; /* the object's own */
    uint8_t mode;
    uint8_t store_count;
    uint8_t store[ITEMS];
    uint8_t store_age[ITEMS];
} model;

typedef struct object {
    const char *name;
    void (*init)(void);
    void (*fini)(void);
    /* In a task. */
    tenon_status (*acquire)(int actor);
    void (*release)(int actor); /* NULL: nothing is held */
    void (*poke)(int which);
    int pokes;
    bool final; /* what a poke does is for good: walks do without */
    /* Whether the real thing shows what the model says. */
    void (*check)(const model *m);
    /* The model's. 1: has it; 0: waits; -1: fails. */
    int (*enter)(model *m, int actor);
    void (*taken)(model *m, int actor);
    void (*undo)(model *m, int actor);
    void (*left)(model *m);
    void (*let_go)(model *m, int actor);
    void (*poked)(model *m, int which);
    bool (*keeps)(int actor); /* a grant that is not undone */
} object;

static const object *now; /* what is being tried */
static char way[256];     /* the steps so far */

/* Check writes to a pipe for each of its asserts, and there are millions. */
#define MUST(condition)                                             \
    do {                                                            \
        if (!(condition)) {                                         \
            ck_abort_msg("%s: %s: %s", now->name, way, #condition); \
        }                                                           \
    } while (0)
#define SAME(left, right) MUST((left) == (right))

/* ---- the model ---- */

static char expected[64];
static char seen[64];

static void say(char *text, int actor, char what)
{
    size_t len = strlen(text);
    MUST(len + 2 < sizeof expected);
    text[len] = (char)('0' + actor);
    text[len + 1] = what;
    text[len + 2] = '\0';
}

static void remove_from(uint8_t *list, uint8_t *count, int actor)
{
    int kept = 0;
    for (int i = 0; i < *count; i++) {
        if (list[i] != actor) {
            list[kept++] = list[i];
        }
    }
    for (int i = kept; i < *count; i++) {
        list[i] = 0;
    }
    *count = (uint8_t)kept;
}

static void make_ready(model *m, int actor, enum actor_state state)
{
    remove_from(m->waiting, &m->waiting_count, actor);
    m->state[actor] = (uint8_t)state;
    m->ready[m->ready_count++] = (uint8_t)actor;
}

/* What a model calls to wake one that waits. */
static void grant(model *m, int actor)
{
    make_ready(m, actor, WOKEN);
}

static void fail_waiting(model *m)
{
    while (m->waiting_count > 0) {
        make_ready(m, m->waiting[0], FAILED);
    }
}

static void model_has(model *m, int actor)
{
    say(expected, actor, '+');
    m->retry[actor] = 0;
    m->cancelled[actor] = 0;
    m->state[actor] = now->release ? HOLDING : IDLE;
}

static void model_acquire(model *m, int actor)
{
    int how = now->enter(m, actor);
    if (how > 0) {
        model_has(m, actor);
    } else if (how < 0) {
        say(expected, actor, '!');
        m->state[actor] = IDLE;
    } else {
        m->state[actor] = WAITING;
        m->waiting[m->waiting_count++] = (uint8_t)actor;
    }
}

static void model_stopped(model *m, int actor)
{
    bool again = m->retry[actor];
    m->state[actor] = IDLE;
    m->cancelled[actor] = 0;
    m->retry[actor] = 0;
    say(expected, actor, again ? 't' : '-');
    if (again) {
        model_acquire(m, actor);
    }
}

static void model_resume(model *m, int actor)
{
    switch ((enum actor_state)m->state[actor]) {
    case WOKEN:
        if (m->cancelled[actor] && !(now->keeps && now->keeps(actor))) {
            m->state[actor] = IDLE;
            if (now->undo) {
                now->undo(m, actor);
            }
            model_stopped(m, actor);
            return;
        }
        m->state[actor] = IDLE;
        if (now->taken) {
            now->taken(m, actor);
        }
        model_has(m, actor);
        return;
    case STOPPED:
        model_stopped(m, actor);
        return;
    case FAILED:
        m->state[actor] = IDLE;
        say(expected, actor, '!');
        return;
    case RELEASING:
        m->state[actor] = IDLE;
        now->let_go(m, actor);
        say(expected, actor, 'r');
        return;
    default:
        ck_abort_msg("nobody resumes it");
    }
}

static void model_turn(model *m)
{
    uint8_t round[ACTORS];
    int count = m->ready_count;
    memcpy(round, m->ready, sizeof round);
    memset(m->ready, 0, sizeof m->ready);
    m->ready_count = 0;
    for (int i = 0; i < count; i++) {
        model_resume(m, round[i]);
    }
}

static void model_cancel(model *m, int actor, bool retry)
{
    m->retry[actor] = retry;
    if (m->state[actor] == WOKEN) {
        m->cancelled[actor] = 1;
        return;
    }
    remove_from(m->waiting, &m->waiting_count, actor);
    if (now->left) {
        now->left(m);
    }
    make_ready(m, actor, STOPPED);
}

/* A step is a kind and an actor, or which poke. */
static bool may(const model *m, int kind, int which)
{
    int state = which < ACTORS ? m->state[which] : IDLE;
    switch (kind) {
    case ACQUIRE:
        return state == IDLE;
    case RELEASE:
        return state == HOLDING;
    case CANCEL:
    case TIME_OUT:
        return state == WAITING || (state == WOKEN && !m->cancelled[which]);
    case TURN:
        return which == 0 && m->ready_count > 0;
    default:
        return which < now->pokes;
    }
}

static void model_step(model *m, int kind, int which)
{
    switch (kind) {
    case ACQUIRE:
        model_acquire(m, which);
        break;
    case RELEASE:
        make_ready(m, which, RELEASING);
        break;
    case CANCEL:
    case TIME_OUT:
        model_cancel(m, which, kind == TIME_OUT);
        break;
    case TURN:
        model_turn(m);
        break;
    default:
        now->poked(m, which);
    }
}

/* ---- the real thing ---- */

static struct actor {
    tenon_task *task;
    tenon_future go; /* to release */
    bool waits_to_go;
    bool retry;
} cast[ACTORS];

static tenon_status play(void *user)
{
    struct actor *a = user;
    int me = (int)(a - cast);
    tenon_status status = now->acquire(me);
    while (status == TENON_CANCELLED && a->retry) {
        a->retry = false;
        (void)tenon_task_uncancel(tenon_task_current());
        say(seen, me, 't');
        status = now->acquire(me);
    }
    say(seen, me,
        status == TENON_OK          ? '+'
        : status == TENON_CANCELLED ? '-'
                                    : '!');
    if (status == TENON_OK && now->release) {
        SAME(tenon_future_init(&a->go, reactor), TENON_OK);
        a->waits_to_go = true;
        SAME(tenon_await(&a->go), TENON_OK);
        a->waits_to_go = false;
        tenon_future_fini(&a->go);
        now->release(me);
        say(seen, me, 'r');
    }
    return TENON_OK;
}

static void real_step(int kind, int which)
{
    struct actor *a = &cast[which];
    const tenon_task_options eager = {.size = sizeof eager,
                                      .flags = TENON_TASK_EAGER};
    switch (kind) {
    case ACQUIRE:
        tenon_task_unref(a->task);
        a->task = NULL;
        a->retry = false;
        SAME(tenon_spawn(reactor, play, a, &eager, &a->task), 0);
        break;
    case RELEASE:
        MUST(a->waits_to_go);
        SAME(tenon_future_resolve_int(&a->go, 0), TENON_OK);
        break;
    case CANCEL:
    case TIME_OUT:
        a->retry = kind == TIME_OUT;
        SAME(tenon_task_cancel(a->task, NULL), TENON_PENDING);
        break;
    case TURN:
        SAME(tenon_manual_turn(reactor, NULL), TENON_OK);
        break;
    default:
        now->poke(which);
    }
}

/* ---- both ---- */

static void step(model *m, int kind, int which)
{
    size_t len = strlen(way);
    expected[0] = seen[0] = '\0';
    if (len + 4 < sizeof way) {
        snprintf(way + len, sizeof way - len, "%c%d ", "ARCTtP"[kind], which);
    }
    real_step(kind, which);
    model_step(m, kind, which);
    if (strcmp(expected, seen) != 0) {
        ck_abort_msg("%s: %s: wanted %s, not %s", now->name, way, expected,
                     seen);
    }
    now->check(m);
}

/* All that is still going on comes to its end. */
static void wind_up(model *m)
{
    for (int round = 0; round < 64; round++) {
        for (int i = 0; i < ACTORS; i++) {
            if (may(m, RELEASE, i)) {
                step(m, RELEASE, i);
            } else if (may(m, CANCEL, i)) {
                step(m, CANCEL, i);
            }
        }
        if (may(m, TURN, 0)) {
            step(m, TURN, 0);
        }
    }
    for (int i = 0; i < ACTORS; i++) {
        MUST(m->state[i] == IDLE);
        MUST(!cast[i].task || tenon_task_is_done(cast[i].task));
        tenon_task_unref(cast[i].task);
        cast[i].task = NULL;
    }
    SAME(tenon_manual_advance(reactor, 0), TENON_OK);
    SAME(tenon_task_count(reactor), 0);
}

/* ---- all states ---- */

typedef struct known {
    model m;
    uint32_t from;
    uint8_t kind, which;
} known;

static known *states;
static uint32_t *table; /* index + 1 */
static uint32_t state_count;

enum { TABLE = 1 << 20 };

static uint32_t *place_of(const model *m)
{
    uint64_t hash = 1469598103934665603u;
    for (size_t i = 0; i < sizeof *m; i++) {
        hash = (hash ^ ((const uint8_t *)m)[i]) * 1099511628211u;
    }
    uint32_t *place = &table[hash % TABLE];
    while (*place && memcmp(&states[*place - 1].m, m, sizeof *m) != 0) {
        place = place + 1 < table + TABLE ? place + 1 : table;
    }
    return place;
}

static void remember(const model *m, uint32_t from, int kind, int which)
{
    uint32_t *place = place_of(m);
    if (*place == 0) {
        MUST(state_count < STATES);
        states[state_count] = (known){*m, from, (uint8_t)kind, (uint8_t)which};
        *place = ++state_count;
    }
}

static void go_to(model *m, uint32_t index)
{
    if (index > 0) {
        go_to(m, states[index].from);
        step(m, states[index].kind, states[index].which);
    }
}

/* From the beginning to that state, and on. */
static void try_from(uint32_t index, int kind, int which)
{
    model m = {.number = 0};
    way[0] = '\0';
    now->init();
    m = states[0].m;
    go_to(&m, index);
    MUST(memcmp(&m, &states[index].m, sizeof m) == 0);
    step(&m, kind, which);
    remember(&m, index, kind, which);
    wind_up(&m);
    now->fini();
}

static void try_all_states(const object *what, uint8_t number)
{
    uint64_t steps = 0;
    now = what;
    states = calloc(STATES, sizeof *states);
    table = calloc(TABLE, sizeof *table);
    state_count = 0;
    remember(&(model){.number = number}, 0, 0, 0);
    for (uint32_t i = 0; i < state_count; i++) {
        for (int kind = 0; kind <= POKE; kind++) {
            for (int which = 0; which < ACTORS; which++) {
                if (may(&states[i].m, kind, which)) {
                    try_from(i, kind, which);
                    steps++;
                }
            }
        }
    }
    printf("%s: %u states, %llu steps\n", what->name, state_count,
           (unsigned long long)steps);
    free(states);
    free(table);
}

/* A walk that begins once. */
static void walk(const object *what, uint8_t number)
{
    uint32_t random = 12345;
    model m = {.number = number};
    now = what;
    now->init();
    for (int i = 0; i < WALK; i++) {
        int kind, which;
        do {
            random = random * 1664525 + 1013904223;
            kind = (int)(random >> 16) % (POKE + !now->final);
            which = (int)(random >> 24) % ACTORS;
        } while (!may(&m, kind, which));
        way[0] = '\0';
        step(&m, kind, which);
    }
    wind_up(&m);
    now->fini();
}

#endif
