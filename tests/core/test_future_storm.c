/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Futures in a storm: programs of random calls, drawn from a seed, which go on
 * inside of every callback there is. Whatever they do, each waiter is called
 * once or forgotten, each value, each `user` is freed once, no future is
 * reported twice, and the memory is as before.
 */

#include <stdlib.h>

#include "future_rig.h"

enum { FUTURES = 24, WAITERS = 64, VALUES = 4096, STEPS = 300, DEEPEST = 3 };

static uint32_t seed;
static int deep;

static uint32_t draw(uint32_t below)
{
    seed = seed * 1664525U + 1013904223U;
    return (seed >> 8) % below;
}

static tenon_future *counted[FUTURES];
static tenon_future *in_place[FUTURES]; /* each in a block of its own */
static tenon_promise *promises[FUTURES];

static void step(void);

/* Every callback goes on with the program, but not without end. */
static void go_on(void)
{
    if (deep < DEEPEST && draw(3) == 0) {
        deep++;
        for (uint32_t i = draw(4); i > 0; i--) {
            step();
        }
        deep--;
    }
}

/* ---- what must happen once ---- */

static unsigned char values[VALUES]; /* 1: out, 2: freed */
static int next_value;

static void *new_value(void)
{
    ck_assert_int_lt(next_value, VALUES);
    values[next_value] = 1;
    return &values[next_value++];
}

static void free_value(void *user)
{
    unsigned char *value = user;
    ck_assert_uint_eq(*value, 1);
    *value = 2;
    go_on();
}

static struct {
    tenon_waiter waiter;
    bool waiting;
} waiters[WAITERS];

static void on_waiter(tenon_waiter *waiter, tenon_future *f, void *user)
{
    size_t at = (size_t)(uintptr_t)user;
    ck_assert_ptr_eq(waiter, &waiters[at].waiter);
    ck_assert(waiters[at].waiting);
    ck_assert(tenon_future_is_done(f));
    waiters[at].waiting = false;
    if (draw(2)) {
        (void)tenon_future_error(f);
    }
    go_on();
}

static tenon_status on_storm_report(tenon_reactor *r,
                                    const tenon_report *report, void *user)
{
    (void)r;
    (void)report;
    (void)user;
    go_on();
    return TENON_OK;
}

/* ---- what may be called ---- */

static tenon_future *any_counted(void)
{
    return counted[draw(FUTURES)];
}

static tenon_future *any_future(void)
{
    return draw(3) ? counted[draw(FUTURES)] : in_place[draw(FUTURES)];
}

/* Takes over the reference. */
static void keep(tenon_future *f)
{
    uint32_t at = draw(FUTURES);
    tenon_future *old = counted[at];
    counted[at] = f;
    tenon_future_unref(old);
}

static void on_child_end(tenon_future *f)
{
    tenon_future_fini(f);
    memset(f, 0x5a, sizeof *f);
    free(f);
}

static void end_one_in_place(void)
{
    uint32_t at = draw(FUTURES);
    tenon_future *f = in_place[at];
    in_place[at] = NULL;
    if (f) {
        on_child_end(f);
    }
}

static void make(void)
{
    tenon_future *f = NULL;
    uint32_t at = draw(FUTURES);
    if (draw(3)) {
        if (tenon_future_new(reactor, &f) == TENON_OK) {
            keep(f);
        }
    } else if (!in_place[at]) {
        f = malloc(sizeof *f);
        if (tenon_future_init(f, reactor) < 0) {
            free(f);
            return;
        }
        in_place[at] = f;
    }
}

/* A group with a value of its own, which one of its children may follow, is the
 * ring that gather.h warns of. */
static void complete(tenon_future *f)
{
    unsigned char *value;
    tenon_error *error = tenon_error_of(-EIO, NULL);
    switch (draw(4)) {
    case 0:
        if (tenon_gather_count(f) > 0) {
            break;
        }
        value = new_value();
        (void)tenon_future_try_resolve(f, value, free_value);
        if (!f) {
            *value = 2;
        }
        break;
    case 1:
        (void)tenon_future_try_resolve_int(f, 1);
        break;
    case 2:
        (void)tenon_future_try_fail(f, error);
        break;
    default:
        (void)tenon_future_cancel(f, draw(2) ? "storm" : NULL);
        break;
    }
    tenon_error_unref(error);
}

static void wait_for(tenon_future *f)
{
    uint32_t at = draw(WAITERS);
    if (waiters[at].waiting) {
        (void)tenon_waiter_remove(&waiters[at].waiter);
        waiters[at].waiting = false;
    }
    waiters[at].waiting =
        tenon_future_on_done(f, &waiters[at].waiter, on_waiter,
                             (void *)(uintptr_t)at) == TENON_OK;
}

static tenon_status follow(tenon_future *to)
{
    return tenon_gather_count(to) > 0
               ? TENON_OK
               : tenon_future_link(any_future(), to, draw(4));
}

static tenon_status on_outcome(tenon_future *source, tenon_future *result,
                               void *user)
{
    (void)source;
    ck_assert_uint_eq(*(unsigned char *)user, 1);
    tenon_future_ref(result);
    go_on();
    tenon_status status = TENON_OK;
    switch (draw(5)) {
    case 0:
        status = -EPIPE;
        break;
    case 1:
        (void)follow(result);
        break;
    case 2:
        (void)tenon_future_try_resolve_int(result, 3);
        break;
    case 3:
        keep(tenon_future_ref(result));
        status = TENON_PENDING;
        break;
    default:
        break;
    }
    tenon_future_unref(result);
    return status;
}

static void chain(tenon_future *f)
{
    tenon_future *result = NULL;
    tenon_then_options how = {.size = sizeof how,
                              .on_value = draw(2) ? on_outcome : NULL,
                              .on_error = draw(2) ? on_outcome : NULL,
                              .user = new_value(),
                              .free_user = free_value};
    if (tenon_future_then(f, &how, &result) < 0) {
        *(unsigned char *)how.user = 2;
    } else {
        keep(result);
    }
}

static void collect(void)
{
    tenon_future *some[4];
    tenon_future *out = NULL;
    size_t count = draw(4);
    tenon_status status;
    const tenon_wait_options how = {.size = sizeof how,
                                    .policy = draw(3),
                                    .timeout_ns = draw(2) ? TENON_FOREVER : 5};
    for (size_t i = 0; i < count; i++) {
        some[i] = any_counted();
    }
    switch (draw(4)) {
    case 0:
        status = tenon_gather(reactor, some, count, draw(8), &out);
        break;
    case 1:
        status = tenon_any(reactor, some, count, &out);
        break;
    case 2:
        status = tenon_race(reactor, some, count, &out);
        break;
    default:
        status = tenon_wait(reactor, some, count, &how, &out);
        break;
    }
    if (status == TENON_OK) {
        keep(out);
    }
}

static tenon_status on_cancel(tenon_future *f, void *user)
{
    (void)user;
    if (draw(4) == 0) {
        (void)tenon_future_try_resolve_int(f, 9);
    }
    return draw(2) ? TENON_OK : TENON_PENDING;
}

static void promise(void)
{
    uint32_t at = draw(FUTURES);
    tenon_future *f = NULL;
    if (!promises[at]) {
        if (tenon_promise_new(reactor, &promises[at], &f) == TENON_OK) {
            keep(f);
        }
        return;
    }
    tenon_promise *one = promises[at];
    promises[at] = NULL;
    if (draw(3)) {
        (void)tenon_promise_resolve(one, new_value(), free_value);
    }
    tenon_promise_unref(one);
}

static void take(tenon_future *f)
{
    void *value = NULL;
    tenon_free_fn *fn = NULL;
    if (tenon_future_take(f, &value, &fn) == TENON_OK && fn) {
        fn(value);
    }
}

static void step(void)
{
    tenon_future *f = any_future();
    switch (draw(14)) {
    case 0:
    case 1:
        make();
        break;
    case 2:
        complete(f);
        break;
    case 3:
    case 4:
        wait_for(f);
        break;
    case 5:
        chain(f);
        break;
    case 6:
        (void)follow(f);
        break;
    case 7:
        collect();
        break;
    case 8:
        keep(NULL);
        break;
    case 9:
        end_one_in_place();
        break;
    case 10:
        (void)!(f ? tenon_future_set_canceller(f, on_cancel, NULL) : TENON_OK);
        break;
    case 11:
        promise();
        break;
    case 12:
        take(f);
        break;
    default:
        (void)tenon_reactor_stats(reactor, &(tenon_stats){.size = 8});
        (void)(deep == 0 ? tenon_manual_turn(reactor, NULL) : TENON_OK);
        break;
    }
}

static void let_go(void)
{
    for (uint32_t i = 0; i < FUTURES; i++) {
        tenon_future *f = counted[i];
        counted[i] = NULL;
        tenon_future_unref(f);
        f = in_place[i];
        in_place[i] = NULL;
        if (f) {
            on_child_end(f);
        }
        tenon_promise *one = promises[i];
        promises[i] = NULL;
        tenon_promise_unref(one);
    }
}

static bool any_left(void)
{
    for (uint32_t i = 0; i < FUTURES; i++) {
        if (counted[i] || in_place[i] || promises[i]) {
            return true;
        }
    }
    return false;
}

static void storm(uint32_t number)
{
    tenon_reactor_options chosen = options();
    chosen.on_error = on_storm_report;
    seed = number;
    next_value = 0;
    memset(values, 0, sizeof values);
    ck_assert_int_eq(tenon_manual_new(&reactor, &chosen), TENON_OK);
    for (int i = 0; i < STEPS; i++) {
        step();
    }
    bool closes_first = draw(2);
    if (closes_first) {
        ck_assert_int_ge(tenon_reactor_close(reactor), 0);
    }
    while (any_left()) {
        let_go();
        if (!closes_first) {
            settle();
        }
    }
    tenon_reactor_unref(reactor);
    while (any_left()) { /* promises that were made at last */
        let_go();
    }
    for (int i = 0; i < next_value; i++) {
        ck_assert_msg(values[i] == 2, "storm %u: value %d", number, i);
    }
    for (int i = 0; i < WAITERS; i++) { /* a fini may have forgotten it */
        ck_assert(!waiters[i].waiting || !waiters[i].waiter.future);
        waiters[i].waiting = false;
    }
}

START_TEST(exactly_once_whatever_happens)
{
    const char *only = getenv("TENON_STORM");
    const char *all = getenv("TENON_EXHAUSTIVE");
    uint32_t from = only ? (uint32_t)strtoul(only, NULL, 10) : 1;
    uint32_t count = only ? 1 : all ? 20000 : 1500;
    tenon_reactor *before = reactor;
    for (uint32_t i = 0; i < count; i++) {
        storm(from + i);
    }
    reactor = before;
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {exactly_once_whatever_happens};
    return RUN_TESTS("future-storm", tests);
}
