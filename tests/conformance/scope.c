/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Group G with tasks: gather and the like of tasks, time limits, shield,
 * groups, as_completed, staggered races.
 */

#include "rig.h"

#define LONG MS(3600000)
#define TRY(call) REQUIRE_STATUS((call), TENON_OK)

static tenon_task *spawn(tenon_task_fn *fn, const void *user)
{
    union {
        const void *read;
        void *any;
    } view = {.read = user};
    tenon_task *task = NULL;
    REQUIRE_OK(tenon_spawn(rig.reactor, fn, view.any, NULL, &task));
    return task;
}

/* Runs it until it has ended, and returns how. */
static tenon_status run(tenon_task_fn *fn, const void *user)
{
    tenon_task *task = spawn(fn, user);
    PUMP_UNTIL(tenon_task_is_done(task));
    tenon_error *error = tenon_future_error(tenon_task_future(task));
    tenon_status status = tenon_error_status(error);
    tenon_task_unref(task);
    rig_settle();
    return status;
}

static void end(tenon_task *task, tenon_status wanted)
{
    PUMP_UNTIL(tenon_task_is_done(task));
    tenon_error *error = tenon_future_error(tenon_task_future(task));
    REQUIRE_STATUS(tenon_error_status(error), wanted);
    tenon_task_unref(task);
}

static tenon_future *pending(void)
{
    tenon_future *future = NULL;
    REQUIRE_OK(tenon_future_new(rig.reactor, &future));
    return future;
}

/* ---- what the children do ---- */

static tenon_status for_ever(void *user)
{
    note("%s+", (const char *)user);
    tenon_status status = tenon_sleep(LONG);
    note("%s%s", (const char *)user, status == TENON_CANCELLED ? "c" : "?");
    return status;
}

static tenon_status fails(void *user)
{
    (void)user;
    TENON_TRY(tenon_yield());
    return tenon_raise(-EIO, "as it was told");
}

/* Takes so many turns, and returns that number. */
static tenon_status counts(void *user)
{
    int count = *(const int *)user;
    for (int i = 0; i < count; i++) {
        TENON_TRY(tenon_yield());
    }
    return tenon_return_int(count);
}

static tenon_status absorbs(void *user)
{
    (void)user;
    REQUIRE_STATUS(tenon_sleep(LONG), TENON_CANCELLED);
    return tenon_return_int(7);
}

/* ---- tasks in gather and the like ---- */

enum { COUNT = 3 };

static tenon_task *tasks[COUNT];
static tenon_future *of_tasks[COUNT];

static void spawn_all(tenon_task_fn *const *fns, const void *const *users)
{
    for (int i = 0; i < COUNT; i++) {
        tasks[i] = spawn(fns[i], users[i]);
        of_tasks[i] = tenon_task_future(tasks[i]);
    }
}

static void drop_all(tenon_future *whole)
{
    for (int i = 0; i < COUNT; i++) {
        tenon_task_unref(tasks[i]);
    }
    tenon_future_unref(whole);
    rig_settle();
}

static void require_int(tenon_future *future, int64_t wanted)
{
    int64_t number = -1;
    REQUIRE_OK(tenon_future_int(future, &number));
    REQUIRE_EQ(number, wanted);
}

static void g01_tasks_in_order(void)
{
    static const int turns[COUNT] = {5, 1, 3};
    tenon_task_fn *const fns[] = {counts, counts, counts};
    const void *const users[] = {&turns[0], &turns[1], &turns[2]};
    tenon_future *whole = NULL;
    spawn_all(fns, users);
    REQUIRE_OK(tenon_gather(rig.reactor, of_tasks, COUNT, 0, &whole));
    PUMP_UNTIL(tenon_future_is_done(whole));
    for (size_t i = 0; i < COUNT; i++) {
        require_int(tenon_gather_child(whole, i), turns[i]);
    }
    drop_all(whole);
}

static void mixed(void)
{
    tenon_task_fn *const fns[] = {for_ever, fails, for_ever};
    const void *const users[] = {"a", "b", "c"};
    spawn_all(fns, users);
}

static void g02_tasks_are_cancelled(void)
{
    tenon_future *whole = NULL;
    mixed();
    REQUIRE_OK(tenon_gather(rig.reactor, of_tasks, COUNT,
                            TENON_GATHER_CANCEL_ON_ERROR, &whole));
    PUMP_UNTIL(tenon_task_is_done(tasks[0]) && tenon_task_is_done(tasks[2]));
    REQUIRE_STATUS(tenon_error_status(tenon_future_error(whole)), -EIO);
    REQUIRE_NOTES("a+ c+ ac cc");
    drop_all(whole);
}

static void g04_cancelling_reaches_tasks(void)
{
    tenon_task_fn *const fns[] = {for_ever, for_ever, for_ever};
    const void *const users[] = {"a", "b", "c"};
    tenon_future *whole = NULL;
    spawn_all(fns, users);
    REQUIRE_OK(tenon_gather(rig.reactor, of_tasks, COUNT, 0, &whole));
    PUMP_UNTIL(noted("c+"));
    REQUIRE_STATUS(tenon_future_cancel(whole, "stop"), TENON_EXISTED);
    PUMP_UNTIL(noted("cc"));
    REQUIRE_NOTES("a+ b+ c+ ac bc cc");
    REQUIRE_STR(tenon_error_message(tenon_future_error(of_tasks[1])), "stop");
    drop_all(whole);
}

static void g06_race_of_tasks(void)
{
    static const int turns = 2;
    tenon_task_fn *const fns[] = {for_ever, counts, for_ever};
    const void *const users[] = {"a", &turns, "c"};
    tenon_future *race = NULL;
    spawn_all(fns, users);
    REQUIRE_OK(tenon_race(rig.reactor, of_tasks, COUNT, &race));
    PUMP_UNTIL(tenon_task_is_done(tasks[0]) && tenon_task_is_done(tasks[2]));
    require_int(race, 2);
    REQUIRE_EQ(tenon_gather_winner(race), 1);
    drop_all(race);
}

static void g07_wait_for_tasks(void)
{
    tenon_wait_options first = {.size = sizeof first,
                                .policy = TENON_WAIT_FIRST_FAILED,
                                .timeout_ns = TENON_FOREVER};
    tenon_future *whole = NULL;
    mixed();
    REQUIRE_OK(tenon_wait(rig.reactor, of_tasks, COUNT, &first, &whole));
    PUMP_UNTIL(tenon_future_is_done(whole));
    require_int(whole, 1);
    REQUIRE_STATUS(tenon_error_status(tenon_future_error(of_tasks[1])), -EIO);
    REQUIRE_NOTES("a+ c+");
    REQUIRE_STATUS(tenon_task_cancel(tasks[0], NULL), TENON_PENDING);
    REQUIRE_STATUS(tenon_task_cancel(tasks[2], NULL), TENON_PENDING);
    PUMP_UNTIL(noted("cc"));
    drop_all(whole);
}

static tenon_status gathers(void *user)
{
    tenon_future *whole = NULL;
    (void)user;
    mixed();
    tenon_status status =
        tenon_gather(rig.reactor, of_tasks, COUNT,
                     TENON_GATHER_CANCEL_ON_ERROR | TENON_GATHER_QUIET, &whole);
    return status < 0 ? status : tenon_await_take(whole, NULL, NULL);
}

static void g02_a_task_waits_for_tasks(void)
{
    REQUIRE_STATUS(run(gathers, NULL), -EIO);
    PUMP_UNTIL(noted("cc"));
    drop_all(NULL);
}

static void named(void)
{
    static const int turns[COUNT] = {2, 1, 0};
    tenon_task_fn *const fns[] = {counts, counts, counts};
    const void *const users[] = {&turns[0], &turns[1], &turns[2]};
    tenon_future *whole = NULL;
    spawn_all(fns, users);
    const tenon_named_future both[] = {{"two", of_tasks[0]},
                                       {"one", of_tasks[1]}};
    REQUIRE_OK(tenon_gather_named(rig.reactor, both, 2, 0, &whole));
    PUMP_UNTIL(tenon_future_is_done(whole));
    require_int(tenon_gather_find(whole, "one"), 1);
    require_int(tenon_gather_find(whole, "two"), 2);
    REQUIRE(tenon_gather_find(whole, "three") == NULL);
    drop_all(whole);
}

/* ---- as_completed ---- */

static tenon_status in_order(void *user)
{
    tenon_future *all = NULL;
    tenon_future *one = NULL;
    tenon_status status;
    static const int turns[COUNT] = {6, 0, 3};
    tenon_task_fn *const fns[] = {counts, counts, counts};
    const void *const users[] = {&turns[0], &turns[1], &turns[2]};
    (void)user;
    spawn_all(fns, users);
    TENON_TRY(tenon_as_completed(rig.reactor, of_tasks, COUNT, TENON_FOREVER,
                                 &all));
    while ((status = tenon_completed_next(all, &one)) == TENON_OK && one) {
        int64_t number = -1;
        TENON_TRY(tenon_future_int(one, &number));
        note("%d", (int)number);
    }
    tenon_future_unref(all);
    return status;
}

static void g08_in_order_of_completion(void)
{
    REQUIRE_STATUS(run(in_order, NULL), TENON_OK);
    REQUIRE_NOTES("0 3 6");
    drop_all(NULL);
}

static tenon_status those_that_are_done(void *user)
{
    tenon_future *const *f = user;
    tenon_future *all = NULL;
    tenon_future *one = NULL;
    TENON_TRY(tenon_as_completed(rig.reactor, f, COUNT, TENON_FOREVER, &all));
    REQUIRE_STATUS(tenon_completed_next(all, &one), TENON_OK);
    REQUIRE(one == f[1]);
    REQUIRE_STATUS(tenon_completed_next(all, &one), TENON_OK);
    REQUIRE(one == f[2]);
    REQUIRE_OK(tenon_future_resolve_int(f[0], 0));
    REQUIRE_STATUS(tenon_completed_next(all, &one), TENON_OK);
    REQUIRE(one == f[0]);
    REQUIRE_STATUS(tenon_completed_next(all, &one), TENON_OK);
    REQUIRE(one == NULL);
    tenon_future_unref(all);
    return TENON_OK;
}

static void g08_those_that_are_done_first(void)
{
    tenon_future *f[COUNT] = {pending(), pending(), pending()};
    REQUIRE_OK(tenon_future_resolve_int(f[2], 2));
    REQUIRE_OK(tenon_future_resolve_int(f[1], 1));
    REQUIRE_STATUS(run(those_that_are_done, f), TENON_OK);
    for (int i = 0; i < COUNT; i++) {
        tenon_future_unref(f[i]);
    }
}

static tenon_status until_the_time_is_over(void *user)
{
    tenon_future *all = NULL;
    tenon_future *one = NULL;
    (void)user;
    TENON_TRY(tenon_as_completed(rig.reactor, of_tasks, COUNT, MS(20), &all));
    tenon_status status = tenon_completed_next(all, &one);
    REQUIRE_STATUS(status, TENON_OK);
    REQUIRE(one == of_tasks[1]);
    status = tenon_completed_next(all, &one);
    REQUIRE(one == of_tasks[1]);
    REQUIRE_STATUS(tenon_completed_next(all, &one), TENON_TIMED_OUT);
    require_int(all, 1);
    tenon_future_unref(all);
    return status;
}

static void g08_a_time_for_all(void)
{
    static const int turns = 0;
    tenon_task_fn *const fns[] = {for_ever, counts, for_ever};
    const void *const users[] = {"a", &turns, "c"};
    spawn_all(fns, users);
    REQUIRE_STATUS(run(until_the_time_is_over, NULL), TENON_TIMED_OUT);
    REQUIRE(!tenon_task_is_done(tasks[0]) && !tenon_task_is_done(tasks[2]));
    (void)tenon_task_cancel(tasks[0], NULL);
    (void)tenon_task_cancel(tasks[2], NULL);
    PUMP_UNTIL(noted("cc"));
    drop_all(NULL);
}

/* ---- shield ---- */

static void g09_the_inner_runs_on(void)
{
    tenon_future *inner = pending();
    tenon_future *outer = NULL;
    REQUIRE_OK(tenon_shield(inner, &outer));
    REQUIRE_STATUS(tenon_future_cancel(outer, NULL), TENON_EXISTED);
    rig_settle();
    REQUIRE(!tenon_future_is_done(inner));
    REQUIRE_OK(tenon_future_resolve_int(inner, 4));
    require_int(inner, 4);
    tenon_future_unref(outer);
    tenon_future_unref(inner);
}

static void g09_the_outer_follows(void)
{
    tenon_future *inner = pending();
    tenon_future *outer = NULL;
    REQUIRE_OK(tenon_shield(inner, &outer));
    REQUIRE_STATUS(tenon_future_cancel(inner, "why"), TENON_EXISTED);
    PUMP_UNTIL(tenon_future_is_done(outer));
    REQUIRE_EQ(tenon_future_state(outer), TENON_FUTURE_CANCELLED);
    REQUIRE_STR(tenon_error_message(tenon_future_error(outer)), "why");
    tenon_future_unref(outer);
    tenon_future_unref(inner);

    inner = pending();
    REQUIRE_OK(tenon_shield(inner, &outer));
    REQUIRE_OK(tenon_future_resolve_int(inner, 5));
    PUMP_UNTIL(tenon_future_is_done(outer));
    require_int(outer, 5);
    tenon_future_unref(outer);
    tenon_future_unref(inner);
}

/* ---- one wait with a limit ---- */

static tenon_status slow_to_end(void *user)
{
    tenon_status status = tenon_sleep(LONG);
    REQUIRE_OK(tenon_mask_begin());
    REQUIRE_OK(tenon_sleep(MS(20)));
    REQUIRE_OK(tenon_mask_end());
    note("%s", (const char *)user);
    return status;
}

static tenon_status waits_for_it(void *user)
{
    return tenon_await_for(tenon_task_future(user), MS(20));
}

static void g11_cancelled_and_waited_for(void)
{
    tenon_task *slow = spawn(slow_to_end, "ended");
    REQUIRE_STATUS(run(waits_for_it, slow), TENON_TIMED_OUT);
    REQUIRE_NOTES("ended");
    end(slow, TENON_CANCELLED);
}

static void on_kept(tenon_waiter *waiter, tenon_future *future, void *user)
{
    (void)waiter;
    note("%s:%d", (const char *)user, (int)tenon_future_state(future));
    (void)tenon_future_error(future);
}

static void g11_without_a_task(void)
{
    static char word[] = "out";
    tenon_waiter waiter;
    tenon_future *out = NULL;
    tenon_task *slow = spawn(slow_to_end, "ended");
    REQUIRE_OK(
        tenon_with_timeout(tenon_task_future(slow), MS(20), 0, &out));
    REQUIRE_OK(tenon_future_on_done(out, &waiter, on_kept, word));
    PUMP_UNTIL(noted("out:2"));
    REQUIRE_NOTES("ended out:2");
    REQUIRE_STATUS(tenon_error_status(tenon_future_error(out)),
                   TENON_TIMED_OUT);
    tenon_future_unref(out);
    end(slow, TENON_CANCELLED);
}

static tenon_status at_once(void *user)
{
    (void)user;
    tenon_task *never = spawn(for_ever, "never");
    tenon_future *done = NULL;
    TRY(tenon_future_ready_int(rig.reactor, 3, &done));
    REQUIRE_STATUS(tenon_await_for(done, 0), TENON_OK);
    REQUIRE_STATUS(tenon_await_for(done, -5), TENON_OK);
    REQUIRE_STATUS(tenon_await_for(tenon_task_future(never), 0),
                   TENON_TIMED_OUT);
    tenon_future_unref(done);
    tenon_task_unref(never);
    return TENON_OK;
}

static void g12_no_time_at_all(void)
{
    REQUIRE_STATUS(run(at_once, NULL), TENON_OK);
    REQUIRE_NOTES(""); /* it was never begun */
}

static tenon_status waits_long(void *user)
{
    tenon_status status = tenon_await_for(user, LONG);
    note("%s", tenon_status_name(status));
    return status;
}

static void g13_never_swallowed(void)
{
    tenon_future *f = pending();
    tenon_task *task = spawn(waits_long, f);
    rig_settle();
    REQUIRE_OK(tenon_future_resolve_int(f, 1));
    REQUIRE_STATUS(tenon_task_cancel(task, NULL), TENON_PENDING);
    end(task, TENON_CANCELLED);
    REQUIRE_NOTES("TENON_CANCELLED");
    require_int(f, 1); /* and nothing is lost */
    tenon_future_unref(f);

    notes_clear();
    f = pending();
    task = spawn(waits_long, f);
    rig_settle();
    REQUIRE_STATUS(tenon_task_cancel(task, NULL), TENON_PENDING);
    REQUIRE_EQ(tenon_future_state(f), TENON_FUTURE_CANCELLED);
    end(task, TENON_CANCELLED);
    REQUIRE_NOTES("TENON_CANCELLED");
    tenon_future_unref(f);
}

/* Both, in one turn: the time is over, and somebody cancels. */
static void g13_nor_by_the_limit(void)
{
    tenon_task *slow = spawn(slow_to_end, "ended");
    tenon_task *task = spawn(waits_for_it, slow);
    PUMP_UNTIL(tenon_task_cancelling(slow) > 0);
    REQUIRE_STATUS(tenon_task_cancel(task, NULL), TENON_PENDING);
    end(task, TENON_CANCELLED);
    end(slow, TENON_CANCELLED);
}

static void g14_a_value_all_the_same(void)
{
    tenon_task *absorbing = spawn(absorbs, NULL);
    REQUIRE_STATUS(run(waits_for_it, absorbing), TENON_OK);
    require_int(tenon_task_future(absorbing), 7);
    end(absorbing, TENON_OK);
}

static tenon_status waits_a_little(void *user)
{
    return tenon_await_for(user, MS(20));
}

static tenon_timer race_timer;
static tenon_future *race_future;

static void resolve_it(tenon_timer *timer, void *user)
{
    (void)timer;
    (void)user;
    REQUIRE_OK(tenon_future_resolve_int(race_future, 2));
    rig_block(MS(30)); /* the limit is due in this turn, too */
}

static void g14_a_result_wins(void)
{
    race_future = pending();
    tenon_timer_init(&race_timer, rig.reactor);
    REQUIRE_OK(tenon_timer_start(&race_timer, MS(10), resolve_it, NULL));
    tenon_future *out = NULL;
    REQUIRE_OK(tenon_with_timeout(race_future, MS(20), 0, &out));
    REQUIRE_STATUS(run(waits_a_little, race_future), TENON_OK);
    PUMP_UNTIL(tenon_future_is_done(out));
    require_int(out, 2);
    tenon_future_unref(out);
    tenon_future_unref(race_future);
}

static tenon_status keeps(void *user)
{
    REQUIRE_STATUS(tenon_await_keep(user, MS(20)), TENON_TIMED_OUT);
    REQUIRE(!tenon_future_is_done(user));
    REQUIRE_OK(tenon_future_resolve_int(user, 1));
    return tenon_await_keep(user, MS(20));
}

static void g15_left_running(void)
{
    tenon_future *f = pending();
    REQUIRE_STATUS(run(keeps, f), TENON_OK);
    tenon_future_unref(f);

    tenon_future *out = NULL;
    f = pending();
    REQUIRE_OK(tenon_with_timeout(f, MS(20), TENON_TIMEOUT_KEEP, &out));
    PUMP_UNTIL(tenon_future_is_done(out));
    REQUIRE_STATUS(tenon_error_status(tenon_future_error(out)),
                   TENON_TIMED_OUT);
    REQUIRE(!tenon_future_is_done(f));
    tenon_future_unref(out);
    tenon_future_unref(f);
}

static tenon_status shielded(void *user)
{
    tenon_future *outer = NULL;
    TRY(tenon_shield(user, &outer));
    tenon_status status = tenon_await_for(outer, MS(20));
    tenon_future_unref(outer);
    return status;
}

static void g15_shielded(void)
{
    tenon_future *f = pending();
    REQUIRE_STATUS(run(shielded, f), TENON_TIMED_OUT);
    REQUIRE(!tenon_future_is_done(f));
    REQUIRE_OK(tenon_future_resolve_int(f, 1));
    rig_settle();
    tenon_future_unref(f);
}

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
    REQUIRE_STATUS(run(own_limit, NULL), TENON_OK);
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
    REQUIRE_STATUS(run(nested, outer_first), TENON_TIMED_OUT);
    REQUIRE_NOTES("TENON_CANCELLED");
    notes_clear();
    REQUIRE_STATUS(run(nested, inner_first), TENON_OK);
    REQUIRE_NOTES("TENON_TIMED_OUT");
    notes_clear();
    REQUIRE_STATUS(run(nested, both), TENON_TIMED_OUT);
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
    REQUIRE_STATUS(run(nested_busy, inner_first), TENON_TIMED_OUT);
    REQUIRE_NOTES("TENON_TIMED_OUT");
    notes_clear();
    REQUIRE_STATUS(run(nested_busy, outer_first), TENON_TIMED_OUT);
    REQUIRE_NOTES("TENON_CANCELLED");
}

static tenon_status long_limit(void *user)
{
    (void)user;
    return limited_sleep(LONG, LONG);
}

static void g16_cancelled_from_outside(void)
{
    tenon_task *task = spawn(long_limit, NULL);
    rig_settle();
    REQUIRE_STATUS(tenon_task_cancel(task, "from outside"), TENON_PENDING);
    PUMP_UNTIL(tenon_task_is_done(task));
    REQUIRE_STR(tenon_error_message(tenon_future_error(tenon_task_future(task))),
                "from outside");
    end(task, TENON_CANCELLED);
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
    REQUIRE_STATUS(run(told_late, NULL), TENON_TIMED_OUT);
    REQUIRE_STATUS(run(told_late, "both"), TENON_CANCELLED);
}

static tenon_status moves(void *user)
{
    tenon_timeout limit;
    (void)user;
    TRY(tenon_timeout_begin(&limit, TENON_FOREVER));
    REQUIRE_EQ(tenon_timeout_when(&limit), TENON_FOREVER);
    TRY(tenon_timeout_move(&limit, LONG));
    TRY(tenon_timeout_move(&limit, MS(10)));
    TRY(tenon_timeout_move(&limit, TENON_FOREVER));
    TRY(tenon_sleep(MS(20)));
    TRY(tenon_timeout_move(&limit, MS(10)));
    tenon_status status = tenon_sleep(LONG);
    REQUIRE_EQ(tenon_timeout_when(&limit), 0);
    REQUIRE_STATUS(tenon_timeout_move(&limit, LONG), TENON_DONE);
    status = tenon_timeout_end(&limit, status);
    REQUIRE_STATUS(tenon_timeout_move(&limit, LONG), TENON_DONE);
    return status;
}

static void g16_moved(void)
{
    REQUIRE_STATUS(run(moves, NULL), TENON_TIMED_OUT);
}

/* ---- groups ---- */

typedef struct child {
    tenon_task_fn *fn;
    const char *user;
} child;

static const tenon_task_options no_options = {
    .size = sizeof(tenon_task_options)};

static tenon_status spawn_in(tenon_group *group, tenon_task_fn *fn,
                             const char *user)
{
    union {
        const char *read;
        void *any;
    } view = {.read = user};
    return tenon_group_spawn(group, fn, view.any, &no_options, NULL);
}

static tenon_status naps(void *user)
{
    note("%s+", (const char *)user);
    TENON_TRY(tenon_sleep(MS(10)));
    note("%s-", (const char *)user);
    return TENON_OK;
}

/* A group of the children in `user`, whose body sleeps long where the list
 * ends with a name. */
static tenon_status grouped(void *user)
{
    const child *c = user;
    tenon_group *group = NULL;
    TENON_TRY(tenon_group_begin(&group));
    tenon_status status = TENON_OK;
    for (; c->fn && status == TENON_OK; c++) {
        status = spawn_in(group, c->fn, c->user);
    }
    if (status == TENON_OK && c->user) {
        status = tenon_sleep(LONG);
        note("body%s", status == TENON_CANCELLED ? "c" : "?");
    }
    status = tenon_group_end(group, status);
    note("end");
    bool failed = status < 0 && status != TENON_CANCELLED;
    REQUIRE_EQ(tenon_error_child_count(tenon_task_error()), failed ? 1 : 0);
    return status;
}

static void g18_waits_for_all(void)
{
    static const child two[] = {{naps, "a"}, {naps, "b"}, {NULL, NULL}};
    static const child none[] = {{NULL, NULL}};
    REQUIRE_STATUS(run(grouped, two), TENON_OK);
    REQUIRE_NOTES("a+ b+ a- b- end");
    notes_clear();
    REQUIRE_STATUS(run(grouped, none), TENON_OK);
    REQUIRE_NOTES("end");
}

static void g18_an_error_cancels(void)
{
    static const child while_waiting[] = {
        {for_ever, "a"}, {fails, ""}, {for_ever, "b"}, {NULL, NULL}};
    static const child in_the_body[] = {
        {for_ever, "a"}, {fails, ""}, {NULL, "body"}};
    REQUIRE_STATUS(run(grouped, while_waiting), -EIO);
    REQUIRE_NOTES("a+ b+ ac bc end");
    notes_clear();
    REQUIRE_STATUS(run(grouped, in_the_body), -EIO);
    REQUIRE_EQ(note_count("bodyc"), 1);
    REQUIRE_EQ(note_count("ac"), 1);
}

static tenon_status fails_late(void *user)
{
    (void)user;
    REQUIRE_STATUS(tenon_sleep(LONG), TENON_CANCELLED);
    return tenon_raise(-EPIPE, "while it was cleaning up");
}

static tenon_status body_fails(void *user)
{
    tenon_group *group = NULL;
    char text[1024];
    (void)user;
    TENON_TRY(tenon_group_begin(&group));
    tenon_status status = spawn_in(group, fails_late, "");
    if (status == TENON_OK) {
        status = spawn_in(group, for_ever, "a");
    }
    if (status == TENON_OK) {
        status = tenon_yield();
    }
    status = status < 0 ? status : tenon_raise(TENON_PROTOCOL, "the body");
    status = tenon_group_end(group, status);
    tenon_error *error = tenon_task_error();
    REQUIRE_EQ(tenon_error_child_count(error), 2);
    REQUIRE_STATUS(tenon_error_status(tenon_error_child(error, 0)),
                   TENON_PROTOCOL);
    REQUIRE_STATUS(tenon_error_status(tenon_error_child(error, 1)), -EPIPE);
    REQUIRE(tenon_error_child(error, 2) == NULL);
    REQUIRE(tenon_error_cause(error) == tenon_error_child(error, 0));
    (void)tenon_error_format(error, text, sizeof text);
    REQUIRE(strstr(text, "[tenon: the body") != NULL);
    REQUIRE(strstr(text, "| ") != NULL && strstr(text, "cleaning up") != NULL);
    return status;
}

static void g18_the_body_fails(void)
{
    REQUIRE_STATUS(run(body_fails, NULL), TENON_PROTOCOL);
    REQUIRE_NOTES("a+ ac");
}

static void cancel_grouped(const child *children, tenon_status wanted)
{
    tenon_task *task = spawn(grouped, children);
    rig_settle();
    REQUIRE_STATUS(tenon_task_cancel(task, "from outside"), TENON_PENDING);
    end(task, wanted);
}

static void g19_an_outer_cancel(void)
{
    static const child waiting[] = {
        {for_ever, "a"}, {for_ever, "b"}, {NULL, NULL}};
    static const child body[] = {{for_ever, "a"}, {NULL, "body"}};
    cancel_grouped(waiting, TENON_CANCELLED);
    REQUIRE_NOTES("a+ b+ ac bc end");
    notes_clear();
    cancel_grouped(body, TENON_CANCELLED);
    REQUIRE_NOTES("a+ bodyc ac end");
}

static tenon_status then_waits(void *user)
{
    tenon_status status = grouped(user);
    REQUIRE_STATUS(status, -EPIPE);
    REQUIRE_EQ(tenon_error_child_count(tenon_task_error()), 1);
    REQUIRE_EQ(tenon_task_cancelling(tenon_task_current()), 1);
    REQUIRE_STATUS(tenon_sleep(LONG), TENON_CANCELLED);
    REQUIRE_STATUS(tenon_sleep(MS(1)), TENON_OK);
    return status;
}

static void g19_neither_is_lost(void)
{
    static const child late[] = {{fails_late, ""}, {NULL, NULL}};
    static const child body[] = {{fails_late, ""}, {NULL, "body"}};
    const child *const both[] = {late, body};
    for (int i = 0; i < 2; i++) {
        tenon_task *task = spawn(then_waits, both[i]);
        rig_settle();
        REQUIRE_STATUS(tenon_task_cancel(task, NULL), TENON_PENDING);
        end(task, -EPIPE);
    }
}

static tenon_status limited_group(void *user)
{
    tenon_timeout limit;
    TENON_TRY(tenon_timeout_begin(&limit, MS(20)));
    tenon_status status = tenon_timeout_end(&limit, grouped(user));
    REQUIRE_EQ(tenon_task_cancelling(tenon_task_current()), 0);
    REQUIRE_STATUS(tenon_checkpoint(), TENON_OK);
    return status;
}

static void g19_a_limit_around(void)
{
    static const child waiting[] = {{for_ever, "a"}, {NULL, NULL}};
    static const child body[] = {{for_ever, "a"}, {NULL, "body"}};
    static const child late[] = {{fails_late, ""}, {NULL, NULL}};
    REQUIRE_STATUS(run(limited_group, waiting), TENON_TIMED_OUT);
    REQUIRE_STATUS(run(limited_group, body), TENON_TIMED_OUT);
    REQUIRE_STATUS(run(limited_group, late), -EPIPE);
}

/* Both the inner group and the outer one cancel their task. */
static tenon_status nested_groups(void *user)
{
    static const child inner[] = {{fails_late, ""}, {NULL, "body"}};
    tenon_group *group = NULL;
    (void)user;
    TENON_TRY(tenon_group_begin(&group));
    tenon_status status = spawn_in(group, fails, "");
    if (status == TENON_OK) {
        status = grouped((void *)(uintptr_t)inner);
    }
    REQUIRE_STATUS(status, -EPIPE);
    status = tenon_group_end(group, status);
    REQUIRE_EQ(tenon_error_child_count(tenon_task_error()), 2);
    REQUIRE_EQ(tenon_task_cancelling(tenon_task_current()), 0);
    REQUIRE_STATUS(tenon_checkpoint(), TENON_OK);
    return status;
}

static void g19_nested(void)
{
    REQUIRE_STATUS(run(nested_groups, NULL), -EIO);
}

static tenon_group *late_group;

static void note_freed(void *user)
{
    note("freed:%s", (const char *)user);
}

static tenon_status spawn_late(const char *word)
{
    static const tenon_task_options freeing = {
        .size = sizeof freeing, .free_user = note_freed};
    union {
        const char *read;
        void *any;
    } view = {.read = word};
    return tenon_group_spawn(late_group, for_ever, view.any, &freeing, NULL);
}

static tenon_status holds_group(void *user)
{
    tenon_group *group = NULL;
    (void)user;
    TENON_TRY(tenon_group_begin(&group));
    late_group = tenon_group_ref(group);
    tenon_status status = spawn_in(group, for_ever, "a");
    if (status == TENON_OK) {
        status = tenon_sleep(MS(10));
    }
    REQUIRE(!tenon_group_is_cancelled(group));
    REQUIRE_STATUS(tenon_group_cancel(group, "enough"), TENON_EXISTED);
    REQUIRE_STATUS(tenon_group_cancel(group, "enough"), TENON_OK);
    REQUIRE(tenon_group_is_cancelled(group));
    REQUIRE_STATUS(spawn_late("b"), TENON_CLOSED);
    REQUIRE_STATUS(tenon_sleep(LONG), TENON_CANCELLED); /* the body, too */
    return tenon_group_end(group, TENON_CANCELLED);
}

static void g20_no_more_tasks(void)
{
    REQUIRE_STATUS(run(holds_group, NULL), TENON_OK);
    REQUIRE_NOTES("a+ freed:b ac");
    REQUIRE_STATUS(spawn_late("c"), TENON_CLOSED);
    REQUIRE_EQ(note_count("freed:c"), 1);
    REQUIRE_EQ(tenon_group_count(late_group), 0);
    tenon_group_unref(late_group);
}

static tenon_status spawns_another(void *user)
{
    TENON_TRY(tenon_sleep(MS(10)));
    return spawn_in(user, naps, "late");
}

static tenon_status grows(void *user)
{
    tenon_group *group = NULL;
    (void)user;
    TENON_TRY(tenon_group_begin(&group));
    tenon_status status =
        tenon_group_spawn(group, spawns_another, group, NULL, NULL);
    return tenon_group_end(group, status);
}

static void g20_but_children_may(void)
{
    REQUIRE_STATUS(run(grows, NULL), TENON_OK);
    REQUIRE_NOTES("late+ late-");
}

static void g20_in_callbacks(void)
{
    tenon_group *group = NULL;
    REQUIRE_OK(tenon_group_new(rig.reactor, &group));
    REQUIRE_OK(spawn_in(group, naps, "a"));
    REQUIRE_OK(tenon_group_close(group));
    PUMP_UNTIL(tenon_future_is_done(tenon_group_future(group)));
    REQUIRE_EQ(tenon_future_state(tenon_group_future(group)),
               TENON_FUTURE_RESOLVED);
    REQUIRE_NOTES("a+ a-");
    tenon_group_unref(group);

    notes_clear();
    REQUIRE_OK(tenon_group_new(rig.reactor, &group));
    REQUIRE_OK(spawn_in(group, for_ever, "a"));
    REQUIRE_OK(spawn_in(group, fails, ""));
    REQUIRE_OK(tenon_group_close(group));
    PUMP_UNTIL(tenon_future_is_done(tenon_group_future(group)));
    tenon_error *error = tenon_future_error(tenon_group_future(group));
    REQUIRE_STATUS(tenon_error_status(error), -EIO);
    REQUIRE_EQ(tenon_error_child_count(error), 1);
    REQUIRE_NOTES("a+ ac");
    tenon_group_unref(group);

    notes_clear();
    REQUIRE_OK(tenon_group_new(rig.reactor, &group));
    REQUIRE_OK(spawn_in(group, for_ever, "a"));
    PUMP_UNTIL(noted("a+"));
    REQUIRE_STATUS(tenon_future_cancel(tenon_group_future(group), "stop"),
                   TENON_PENDING);
    PUMP_UNTIL(tenon_future_is_done(tenon_group_future(group)));
    REQUIRE_EQ(tenon_future_state(tenon_group_future(group)),
               TENON_FUTURE_CANCELLED);
    REQUIRE_NOTES("a+ ac");
    tenon_group_unref(group);
}

/* ---- staggered races ---- */

/* What an attempt does: a letter each. */
static tenon_task *attempts[8];

static tenon_status succeeds_late(void *user)
{
    (void)user;
    TENON_TRY(tenon_sleep(MS(10)));
    return tenon_return_int(9);
}

static void note_resource(void *user)
{
    note("closed:%s", (const char *)user);
}

/* Too late to be cancelled: there is a connection. */
static tenon_status has_one_already(void *user)
{
    static char word[] = "x";
    (void)user;
    REQUIRE_STATUS(tenon_sleep(LONG), TENON_CANCELLED);
    return tenon_return(word, note_resource);
}

static tenon_status begin_attempt(size_t attempt, tenon_future **out,
                                  void *user)
{
    const char *plan = user;
    static char names[] = "0\0001\0002\0003";
    tenon_task_fn *fn = plan[attempt] == 'f'   ? fails
                        : plan[attempt] == 's' ? succeeds_late
                        : plan[attempt] == 'x' ? has_one_already
                                               : for_ever;
    note("%d%c", (int)attempt, plan[attempt]);
    if (plan[attempt] == 'r') {
        return -ENETUNREACH;
    }
    TENON_TRY(tenon_spawn(rig.reactor, fn, &names[attempt * 2], NULL,
                          &attempts[attempt]));
    *out = tenon_task_future(attempts[attempt]);
    return TENON_OK;
}

static tenon_future *stagger(const char *plan, int64_t delay_ns)
{
    static char words[16];
    tenon_future *out = NULL;
    strcpy(words, plan);
    const tenon_stagger_options options = {.size = sizeof options,
                                           .count = strlen(plan),
                                           .delay_ns = delay_ns,
                                           .fn = begin_attempt,
                                           .user = words,
                                           .free_user = note_freed};
    REQUIRE_OK(tenon_stagger(rig.reactor, &options, &out));
    REQUIRE_NOTES("");
    return out;
}

static void g21_next_on_failure(void)
{
    tenon_future *out = stagger("rfsw", LONG);
    PUMP_UNTIL(tenon_future_is_done(out));
    require_int(out, 9);
    REQUIRE_EQ(tenon_stagger_winner(out), 2);
    PUMP_UNTIL(noted("freed:rfsw"));
    REQUIRE_NOTES("0r 1f 2s freed:rfsw");
    tenon_future_unref(out);
}

static void g21_next_after_the_delay(void)
{
    tenon_future *out = stagger("wxsw", MS(20));
    PUMP_UNTIL(noted("freed:wxsw"));
    require_int(out, 9);
    REQUIRE_EQ(note_count("0c"), 1);       /* the losers were cancelled */
    REQUIRE_EQ(note_count("closed:x"), 1); /* and what one has is closed */
    tenon_future_unref(out);
}

static void g21_none(void)
{
    tenon_future *out = stagger("ffr", LONG);
    PUMP_UNTIL(noted("freed:ffr"));
    tenon_error *error = tenon_future_error(out);
    REQUIRE_STATUS(tenon_error_status(error), -ENETUNREACH);
    REQUIRE_EQ(tenon_error_child_count(error), 3);
    REQUIRE_STATUS(tenon_error_status(tenon_error_child(error, 1)), -EIO);
    REQUIRE_EQ(tenon_stagger_winner(out), SIZE_MAX);
    tenon_future_unref(out);
}

static void g21_cancelled(void)
{
    tenon_future *out = stagger("ww", LONG);
    PUMP_UNTIL(noted("0+"));
    REQUIRE_STATUS(tenon_future_cancel(out, NULL), TENON_EXISTED);
    PUMP_UNTIL(noted("freed:ww"));
    REQUIRE_NOTES("0w 0+ 0c freed:ww");
    REQUIRE(!tenon_reactor_alive(rig.reactor));
    tenon_future_unref(out);
}

static const rig_case cases[] = {
    {"G01t", "gather: tasks", g01_tasks_in_order, 0},
    {"G02t", "gather: the first error cancels tasks", g02_tasks_are_cancelled,
     0},
    {"G02u", "a task waits for a gather of tasks", g02_a_task_waits_for_tasks,
     0},
    {"G04t", "cancelling gather reaches every task",
     g04_cancelling_reaches_tasks, 0},
    {"G05t", "gather: by name", named, 0},
    {"G06t", "race: of tasks", g06_race_of_tasks, 0},
    {"G07t", "wait: for tasks", g07_wait_for_tasks, 0},
    {"G08", "as_completed: in order of completion", g08_in_order_of_completion,
     0},
    {"G08a", "as_completed: those that are done first",
     g08_those_that_are_done_first, 0},
    {"G08b", "as_completed: a time for all", g08_a_time_for_all, 0},
    {"G09", "shield: the inner runs on", g09_the_inner_runs_on, 0},
    {"G09b", "shield: the outer follows", g09_the_outer_follows, 0},
    {"G11", "await_for cancels, and waits for that",
     g11_cancelled_and_waited_for, 0},
    {"G11b", "with_timeout cancels, and waits for that", g11_without_a_task, 0},
    {"G12", "await_for: no time at all", g12_no_time_at_all, 0},
    {"G13", "await_for: an outer cancel is never swallowed",
     g13_never_swallowed, 0},
    {"G13b", "nor by the limit's", g13_nor_by_the_limit, 0},
    {"G14", "await_for: a value all the same", g14_a_value_all_the_same, 0},
    {"G14b", "a result that is there wins", g14_a_result_wins,
     NEED_TIME},
    {"G15", "await_keep leaves it running", g15_left_running, 0},
    {"G15b", "await_for of a shield", g15_shielded, 0},
    {"G16", "a limit converts its own cancelling", g16_its_own_cancel, 0},
    {"G16b", "nested limits: the first reports", g16_the_first_reports, 0},
    {"G16c", "nested limits that expire together", g16_nested_and_busy,
     NEED_TIME},
    {"G16d", "a limit passes on an outer cancel", g16_cancelled_from_outside,
     0},
    {"G16e", "and prefers it", g16_an_outer_cancel_wins, 0},
    {"G16f", "a limit that is moved", g16_moved, 0},
    {"G18", "a group waits for all of its children", g18_waits_for_all, 0},
    {"G18b", "its first error cancels the others", g18_an_error_cancels, 0},
    {"G18c", "a failure of the body does, too", g18_the_body_fails, 0},
    {"G19", "an outer cancel reaches the children", g19_an_outer_cancel, 0},
    {"G19b", "with an error neither is lost", g19_neither_is_lost, 0},
    {"G19c", "a time limit around a group", g19_a_limit_around, 0},
    {"G19d", "nested groups that both cancel", g19_nested, 0},
    {"G20", "a group that was cancelled takes no more", g20_no_more_tasks, 0},
    {"G20b", "children may start others", g20_but_children_may, 0},
    {"G20c", "a group in callbacks", g20_in_callbacks, 0},
    {"G21", "staggered: a failure begins the next", g21_next_on_failure, 0},
    {"G21b", "staggered: so does the delay; losers are closed",
     g21_next_after_the_delay, 0},
    {"G21c", "staggered: none succeeds", g21_none, 0},
    {"G21d", "staggered: cancelled", g21_cancelled, 0},
};

const rig_group rig_scope = RIG_GROUP(cases);
