/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Group G: time limits around a part of a task.
 */

#include "scope_rig.h"

/* ---- scopes ---- */

static tenon_status limited_sleep(int64_t limit_ns, int64_t sleep_ns)
{
    tenon_timeout limit;
    TENON_TRY(tenon_timeout_begin(&limit, limit_ns));
    tenon_status status = tenon_sleep(sleep_ns);
    status = tenon_timeout_end(&limit, status);
    note("%s", tenon_status_name(status));
    REQUIRE_EQ(tenon_timeout_expired(&limit), status == TENON_TIMED_OUT);
    return status;
}

static tenon_status own_limit(void *user)
{
    (void)user;
    REQUIRE_STATUS(limited_sleep(MS(10), LONG), TENON_TIMED_OUT);
    REQUIRE_EQ(tenon_task_cancelling(tenon_task_current()), 0);
    REQUIRE_STATUS(tenon_sleep(MS(1)), TENON_OK);
    return limited_sleep(LONG, MS(1));
}

static void g16_its_own_cancel(void)
{
    require_run(own_limit, NULL, TENON_OK);
    REQUIRE(!tenon_reactor_alive(rig.reactor)); /* no timer is left */
}

static tenon_status nested(void *user)
{
    const int64_t *limits = user;
    tenon_timeout outer;
    TENON_TRY(tenon_timeout_begin(&outer, limits[0]));
    tenon_status status = limited_sleep(limits[1], LONG);
    if (status == TENON_TIMED_OUT) {
        status = limits[2] ? tenon_sleep(limits[2]) : TENON_OK;
    }
    return tenon_timeout_end(&outer, status);
}

static void g16_the_first_reports(void)
{
    static const int64_t outer_first[] = {MS(10), LONG, 0};
    static const int64_t inner_first[] = {LONG, MS(10), 0};
    static const int64_t both[] = {MS(40), MS(10), LONG};
    require_run(nested, outer_first, TENON_TIMED_OUT);
    REQUIRE_NOTES("TENON_CANCELLED");
    notes_clear();
    require_run(nested, inner_first, TENON_OK);
    REQUIRE_NOTES("TENON_TIMED_OUT");
    notes_clear();
    require_run(nested, both, TENON_TIMED_OUT);
    REQUIRE_NOTES("TENON_TIMED_OUT");
}

/* Both expire before the task can hear of either. */
static tenon_status nested_busy(void *user)
{
    const int64_t *limits = user;
    tenon_timeout outer;
    tenon_timeout inner;
    TENON_TRY(tenon_timeout_begin(&outer, limits[0]));
    TENON_TRY(tenon_timeout_begin(&inner, limits[1]));
    rig_block(MS(30));
    tenon_status status = tenon_timeout_end(&inner, tenon_sleep(LONG));
    note("%s", tenon_status_name(status));
    if (status == TENON_TIMED_OUT) {
        status = tenon_sleep(LONG); /* the outer one is not forgotten */
    }
    REQUIRE_STATUS(status, TENON_CANCELLED);
    status = tenon_timeout_end(&outer, status);
    REQUIRE_EQ(tenon_task_cancelling(tenon_task_current()), 0);
    REQUIRE_STATUS(tenon_checkpoint(), TENON_OK);
    return status;
}

static void g16_nested_and_busy(void)
{
    static const int64_t inner_first[] = {MS(20), MS(10)};
    static const int64_t outer_first[] = {MS(10), MS(20)};
    require_run(nested_busy, inner_first, TENON_TIMED_OUT);
    REQUIRE_NOTES("TENON_TIMED_OUT");
    notes_clear();
    require_run(nested_busy, outer_first, TENON_TIMED_OUT);
    REQUIRE_NOTES("TENON_CANCELLED");
}

static tenon_status long_limit(void *user)
{
    (void)user;
    return limited_sleep(LONG, LONG);
}

static void g16_cancelled_from_outside(void)
{
    warm_up();
    tenon_task *task = spawn(long_limit, NULL);
    rig_settle();
    REQUIRE_STATUS(tenon_task_cancel(task, "from outside"), TENON_PENDING);
    PUMP_UNTIL(tenon_task_is_done(task));
    REQUIRE_STR(
        tenon_error_message(tenon_future_error(tenon_task_future(task))),
        "from outside");
    require_end(task, TENON_CANCELLED);
    REQUIRE_NOTES("TENON_CANCELLED");
}

/* The limit expires, and somebody cancels before the task has heard of it. */
static tenon_status told_late(void *user)
{
    tenon_timeout limit;
    TENON_TRY(tenon_timeout_begin(&limit, MS(10)));
    REQUIRE_OK(tenon_mask_begin());
    while (!tenon_timeout_expired(&limit)) {
        REQUIRE_OK(tenon_sleep(MS(1)));
    }
    if (user) {
        (void)tenon_task_cancel(tenon_task_current(), "me too");
    }
    REQUIRE_OK(tenon_mask_end());
    return tenon_timeout_end(&limit, tenon_sleep(LONG));
}

static void g16_an_outer_cancel_wins(void)
{
    require_run(told_late, NULL, TENON_TIMED_OUT);
    require_run(told_late, "both", TENON_CANCELLED);
}

/* Somebody had cancelled before the limit began, and was not heard yet. */
static tenon_status told_of_both(void *user)
{
    tenon_timeout limit;
    (void)user;
    REQUIRE_OK(tenon_mask_begin());
    (void)tenon_task_cancel(tenon_task_current(), "before");
    TENON_TRY(tenon_timeout_begin(&limit, MS(10)));
    while (!tenon_timeout_expired(&limit)) {
        REQUIRE_OK(tenon_sleep(MS(1)));
    }
    REQUIRE_OK(tenon_mask_end());
    return tenon_timeout_end(&limit, tenon_sleep(LONG));
}

static void g16_an_earlier_cancel_wins(void)
{
    require_run(told_of_both, NULL, TENON_CANCELLED);
}

static tenon_status moves(void *user)
{
    tenon_timeout limit;
    (void)user;
    REQUIRE_OK(tenon_timeout_begin(&limit, TENON_FOREVER));
    REQUIRE_EQ(tenon_timeout_when(&limit), TENON_FOREVER);
    REQUIRE_OK(tenon_timeout_move(&limit, LONG));
    REQUIRE_OK(tenon_timeout_move(&limit, MS(10)));
    REQUIRE_OK(tenon_timeout_move(&limit, TENON_FOREVER));
    REQUIRE_OK(tenon_sleep(MS(20)));
    REQUIRE_OK(tenon_timeout_move(&limit, MS(10)));
    tenon_status status = tenon_sleep(LONG);
    REQUIRE_EQ(tenon_timeout_when(&limit), 0);
    REQUIRE_STATUS(tenon_timeout_move(&limit, LONG), TENON_DONE);
    status = tenon_timeout_end(&limit, status);
    REQUIRE_STATUS(tenon_timeout_move(&limit, LONG), TENON_DONE);
    return status;
}

/* The same, by the clock. */
static tenon_status moves_by_the_clock(void *user)
{
    tenon_timeout limit;
    int64_t now_ns = tenon_now(rig.reactor);
    (void)user;
    TENON_TRY(tenon_timeout_begin_at(&limit, tenon_now(rig.reactor) + LONG));
    REQUIRE(tenon_timeout_when(&limit) >= now_ns + LONG);
    REQUIRE_OK(tenon_timeout_move_at(&limit, TENON_FOREVER));
    REQUIRE_EQ(tenon_timeout_when(&limit), TENON_FOREVER);
    REQUIRE_OK(tenon_timeout_move_at(&limit, now_ns + MS(10)));
    tenon_status status = tenon_timeout_end(&limit, tenon_sleep(LONG));
    REQUIRE(tenon_now(rig.reactor) >= now_ns + MS(10));
    return status;
}

static void g16_moved(void)
{
    require_run(moves, NULL, TENON_TIMED_OUT);
    require_run(moves_by_the_clock, NULL, TENON_TIMED_OUT);
}

static const rig_case cases[] = {
    {"G16", "a limit converts its own cancelling", g16_its_own_cancel, 0},
    {"G16b", "nested limits: the first reports", g16_the_first_reports, 0},
    {"G16c", "nested limits that expire together", g16_nested_and_busy,
     NEED_TIME},
    {"G16d", "a limit passes on an outer cancel", g16_cancelled_from_outside,
     0},
    {"G16e", "and prefers it", g16_an_outer_cancel_wins, 0},
    {"G16g", "also one that came before it", g16_an_earlier_cancel_wins, 0},
    {"G16f", "a limit that is moved", g16_moved, 0},
};

const rig_group rig_limit = RIG_GROUP(cases);
