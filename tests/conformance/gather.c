/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Group G as far as futures go alone: gather, any, race, wait.
 */

#include "rig.h"

enum { COUNT = 3 };

static tenon_future *f[COUNT];

static void make(void)
{
    for (int i = 0; i < COUNT; i++) {
        REQUIRE_OK(tenon_future_new(rig.reactor, &f[i]));
    }
}

static void drop(tenon_future *whole)
{
    for (int i = 0; i < COUNT; i++) {
        tenon_future_unref(f[i]);
    }
    tenon_future_unref(whole);
    rig_settle();
}

static void fail(tenon_future *future, tenon_status status)
{
    tenon_error *error = tenon_error_of(status, NULL);
    REQUIRE_OK(tenon_future_fail(future, error));
    tenon_error_unref(error);
}

static tenon_future *gather(uint32_t flags)
{
    tenon_future *whole = NULL;
    make();
    REQUIRE_OK(tenon_gather(rig.reactor, f, COUNT, flags, &whole));
    return whole;
}

static void require_int(tenon_future *future, int64_t wanted)
{
    int64_t number = -1;
    REQUIRE_OK(tenon_future_int(future, &number));
    REQUIRE_EQ(number, wanted);
}

/* ---- gather ---- */

static void g01_in_argument_order(void)
{
    tenon_future *whole = gather(0);
    static const int order[COUNT] = {2, 0, 1};
    for (int i = 0; i < COUNT; i++) {
        rig_settle();
        REQUIRE(!tenon_future_is_done(whole));
        REQUIRE_OK(tenon_future_resolve_int(f[order[i]], order[i]));
    }
    PUMP_UNTIL(tenon_future_is_done(whole));
    require_int(whole, COUNT);
    REQUIRE_EQ(tenon_gather_count(whole), COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        require_int(tenon_gather_child(whole, i), (int64_t)i);
    }
    REQUIRE(tenon_gather_child(whole, COUNT) == NULL);
    drop(whole);
}

static void g01_duplicates(void)
{
    tenon_future *whole = NULL;
    make();
    tenon_future *const twice[] = {f[0], f[1], f[0]};
    REQUIRE_OK(tenon_gather(rig.reactor, twice, 3, 0, &whole));
    REQUIRE_OK(tenon_future_resolve_int(f[0], 10));
    REQUIRE_OK(tenon_future_resolve_int(f[1], 11));
    PUMP_UNTIL(tenon_future_is_done(whole));
    require_int(tenon_gather_child(whole, 0), 10);
    require_int(tenon_gather_child(whole, 1), 11);
    require_int(tenon_gather_child(whole, 2), 10);
    drop(whole);
}

static void g02_the_first_error(void)
{
    tenon_future *whole = gather(0);
    fail(f[1], -EIO);
    PUMP_UNTIL(tenon_future_is_done(whole));
    REQUIRE_STATUS(tenon_error_status(tenon_future_error(whole)), -EIO);
    REQUIRE(!tenon_future_is_done(f[0]) && !tenon_future_is_done(f[2]));
    REQUIRE_OK(tenon_future_resolve_int(f[0], 1));
    REQUIRE_OK(tenon_future_resolve_int(f[2], 1));
    drop(whole);
}

static void g02_cancelling_the_rest(void)
{
    tenon_future *whole = gather(TENON_GATHER_CANCEL_ON_ERROR);
    fail(f[1], -EIO);
    PUMP_UNTIL(tenon_future_is_done(whole));
    REQUIRE_STATUS(tenon_error_status(tenon_future_error(whole)), -EIO);
    REQUIRE_EQ(tenon_future_state(f[0]), TENON_FUTURE_CANCELLED);
    REQUIRE_EQ(tenon_future_state(f[2]), TENON_FUTURE_CANCELLED);
    REQUIRE_STATUS(tenon_error_status(tenon_future_error(f[0])),
                   TENON_CANCELLED);
    drop(whole);
}

static void g02_settled(void)
{
    tenon_future *whole = gather(TENON_GATHER_SETTLED);
    fail(f[1], -EIO);
    REQUIRE_STATUS(tenon_future_cancel(f[2], NULL), TENON_EXISTED);
    rig_settle();
    REQUIRE(!tenon_future_is_done(whole));
    REQUIRE_OK(tenon_future_resolve_int(f[0], 1));
    PUMP_UNTIL(tenon_future_is_done(whole));
    require_int(whole, COUNT);
    drop(whole); /* without a report */
}

static void g04_cancelling_cancels_all(void)
{
    tenon_future *whole = gather(0);
    REQUIRE_OK(tenon_future_resolve_int(f[1], 1));
    REQUIRE_STATUS(tenon_future_cancel(whole, "stop"), TENON_EXISTED);
    REQUIRE_EQ(tenon_future_state(whole), TENON_FUTURE_CANCELLED);
    REQUIRE_EQ(tenon_future_state(f[0]), TENON_FUTURE_CANCELLED);
    REQUIRE_EQ(tenon_future_state(f[1]), TENON_FUTURE_RESOLVED);
    REQUIRE_EQ(tenon_future_state(f[2]), TENON_FUTURE_CANCELLED);
    rig_require_message(tenon_future_error(f[2]), "stop");
    drop(whole);
}

static void g04_refused_when_all_are_done(void)
{
    tenon_future *whole = gather(0);
    for (int i = 0; i < COUNT; i++) {
        REQUIRE_OK(tenon_future_resolve_int(f[i], 1));
    }
    REQUIRE_STATUS(tenon_future_cancel(whole, "late"), TENON_PENDING);
    PUMP_UNTIL(tenon_future_is_done(whole));
    require_int(whole, COUNT);
    REQUIRE_STATUS(tenon_future_cancel(whole, "later"), TENON_OK);
    drop(whole);
}

static void note_done(tenon_waiter *waiter, tenon_future *future, void *user)
{
    (void)waiter;
    (void)future;
    note_call(user);
}

static void g05_nothing(void)
{
    tenon_future *whole = NULL;
    tenon_waiter waiter;
    REQUIRE_OK(tenon_gather(rig.reactor, NULL, 0, 0, &whole));
    REQUIRE_OK(tenon_future_on_done(whole, &waiter, note_done, "done"));
    REQUIRE_NOTES("");
    PUMP_UNTIL(noted("done"));
    require_int(whole, 0);
    REQUIRE_EQ(tenon_gather_count(whole), 0);
    tenon_future_unref(whole);
}

static void g06_later_errors_are_reported(void)
{
    tenon_future *whole = gather(0);
    fail(f[0], -EIO);
    fail(f[1], -EPIPE);
    REQUIRE_OK(tenon_future_resolve_int(f[2], 1));
    PUMP_UNTIL(tenon_future_is_done(whole));
    REQUIRE_STATUS(tenon_error_status(tenon_future_error(whole)), -EIO);
    REQUIRE_EQ(rig.reports, 0);
    drop(whole);
    rig_take_report(-EPIPE);
}

static void g06_unless_quiet(void)
{
    tenon_future *whole = gather(TENON_GATHER_QUIET);
    fail(f[0], -EIO);
    fail(f[1], -EPIPE);
    PUMP_UNTIL(tenon_future_is_done(whole));
    fail(f[2], -EPIPE);
    drop(whole); /* which nobody looked at */
    rig_take_report(-EIO);
}

/* ---- any, race ---- */

static void the_first_that_succeeds(void)
{
    tenon_future *any = NULL;
    tenon_future *race = NULL;
    make();
    REQUIRE_OK(tenon_any(rig.reactor, f, COUNT, &any));
    fail(f[0], -EIO);
    rig_settle();
    REQUIRE(!tenon_future_is_done(any));
    REQUIRE_EQ(tenon_gather_winner(any), SIZE_MAX);
    REQUIRE_OK(tenon_future_resolve_int(f[2], 9));
    PUMP_UNTIL(tenon_future_is_done(any));
    require_int(any, 9);
    REQUIRE_EQ(tenon_gather_winner(any), 2);
    REQUIRE(!tenon_future_is_done(f[1]));
    drop(any);

    make();
    REQUIRE_OK(tenon_race(rig.reactor, f, COUNT, &race));
    REQUIRE_OK(tenon_future_resolve_int(f[1], 8));
    PUMP_UNTIL(tenon_future_is_done(race));
    require_int(race, 8);
    REQUIRE_EQ(tenon_future_state(f[0]), TENON_FUTURE_CANCELLED);
    REQUIRE_EQ(tenon_future_state(f[2]), TENON_FUTURE_CANCELLED);
    drop(race);
}

static void none_succeeds(void)
{
    tenon_future *any = NULL;
    make();
    REQUIRE_OK(tenon_any(rig.reactor, f, COUNT, &any));
    for (int i = 0; i < COUNT; i++) {
        fail(f[i], i == 2 ? -EPIPE : -EIO);
    }
    PUMP_UNTIL(tenon_future_is_done(any));
    tenon_error *error = tenon_future_error(any);
    REQUIRE_STATUS(tenon_error_status(error), -EPIPE);
    REQUIRE(tenon_error_cause(error) == tenon_future_error(f[2]));
    drop(any);
}

/* ---- wait ---- */

static tenon_future *wait_for(uint32_t policy, int64_t timeout_ns)
{
    tenon_future *whole = NULL;
    tenon_wait_options options = {
        .size = sizeof options, .policy = policy, .timeout_ns = timeout_ns};
    make();
    REQUIRE_OK(tenon_wait(rig.reactor, f, COUNT, &options, &whole));
    return whole;
}

static void g07_all(void)
{
    tenon_future *whole = wait_for(TENON_WAIT_ALL, TENON_FOREVER);
    REQUIRE_OK(tenon_future_resolve_int(f[0], 1));
    fail(f[1], -EIO);
    rig_settle();
    REQUIRE(!tenon_future_is_done(whole));
    REQUIRE_OK(tenon_future_resolve_int(f[2], 1));
    PUMP_UNTIL(tenon_future_is_done(whole));
    require_int(whole, COUNT);
    drop(whole); /* it did not look at the failure */
    rig_take_report(-EIO);
}

static void g07_first_completed(void)
{
    tenon_future *whole = wait_for(TENON_WAIT_FIRST_COMPLETED, TENON_FOREVER);
    REQUIRE_OK(tenon_future_resolve_int(f[1], 1));
    PUMP_UNTIL(tenon_future_is_done(whole));
    require_int(whole, 1);
    REQUIRE(!tenon_future_is_done(tenon_gather_child(whole, 0)));
    REQUIRE(tenon_future_is_done(tenon_gather_child(whole, 1)));
    REQUIRE(!tenon_future_is_done(tenon_gather_child(whole, 2)));
    drop(whole);
}

static void g07_first_failed(void)
{
    tenon_future *whole = wait_for(TENON_WAIT_FIRST_FAILED, TENON_FOREVER);
    REQUIRE_OK(tenon_future_resolve_int(f[0], 1));
    rig_settle();
    REQUIRE(!tenon_future_is_done(whole));
    fail(f[2], -EIO);
    PUMP_UNTIL(tenon_future_is_done(whole));
    require_int(whole, 2);
    REQUIRE(!tenon_future_is_done(f[1]));
    REQUIRE(tenon_future_error(f[2]) != NULL);
    drop(whole);
}

static void g07_a_timeout_is_no_error(void)
{
    tenon_future *whole = wait_for(TENON_WAIT_ALL, MS(20));
    REQUIRE_OK(tenon_future_resolve_int(f[1], 1));
    PUMP_UNTIL(tenon_future_is_done(whole));
    require_int(whole, 1);
    REQUIRE(!tenon_future_is_done(f[0]) && !tenon_future_is_done(f[2]));
    drop(whole);
}

static void g07_it_never_cancels(void)
{
    tenon_future *whole = wait_for(TENON_WAIT_ALL, MS(3600000));
    REQUIRE_STATUS(tenon_future_cancel(whole, NULL), TENON_EXISTED);
    rig_settle();
    REQUIRE(!tenon_future_is_done(f[0]) && !tenon_future_is_done(f[2]));
    REQUIRE(!tenon_reactor_alive(rig.reactor)); /* its timer is stopped */
    drop(whole);
}

static const rig_case cases[] = {
    {"G01", "gather: results in argument order", g01_in_argument_order, 0},
    {"G01b", "gather: duplicates", g01_duplicates, 0},
    {"G02", "gather: the first error, the others run on", g02_the_first_error,
     0},
    {"G02b", "gather: the first error cancels if asked",
     g02_cancelling_the_rest, 0},
    {"G02c", "gather: all outcomes if asked", g02_settled, 0},
    {"G04", "cancelling gather cancels every unfinished child",
     g04_cancelling_cancels_all, 0},
    {"G04b", "gather refuses when all are done", g04_refused_when_all_are_done,
     0},
    {"G05", "gather of nothing", g05_nothing, 0},
    {"G06", "later errors of a gather are reported",
     g06_later_errors_are_reported, 0},
    {"G06b", "unless quiet", g06_unless_quiet, 0},
    {"G06c", "any and race: the first that succeeds", the_first_that_succeeds,
     0},
    {"G06d", "any fails when none succeeds", none_succeeds, 0},
    {"G07", "wait for all", g07_all, 0},
    {"G07b", "wait for the first completed", g07_first_completed, 0},
    {"G07c", "wait for the first failed", g07_first_failed, 0},
    {"G07d", "wait: a timeout is no error", g07_a_timeout_is_no_error, 0},
    {"G07e", "wait never cancels", g07_it_never_cancels, 0},
};

const rig_group rig_gather = RIG_GROUP(cases);
