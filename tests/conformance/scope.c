/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Group G with tasks: gather and the like of tasks, as_completed, shield, and
 * limits on one wait.
 */

#include "scope_rig.h"

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
        tasks[i] = spawn(fns[i], word(users[i]));
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
        require_value(tenon_gather_child(whole, i), turns[i]);
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
    warm_up();
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
    warm_up();
    tenon_task_fn *const fns[] = {for_ever, for_ever, for_ever};
    const void *const users[] = {"a", "b", "c"};
    tenon_future *whole = NULL;
    spawn_all(fns, users);
    REQUIRE_OK(tenon_gather(rig.reactor, of_tasks, COUNT, 0, &whole));
    PUMP_UNTIL(noted("c+"));
    REQUIRE_STATUS(tenon_future_cancel(whole, "stop"), TENON_EXISTED);
    PUMP_UNTIL(noted("cc"));
    REQUIRE_NOTES("a+ b+ c+ ac bc cc");
    rig_require_message(tenon_future_error(of_tasks[1]), "stop");
    drop_all(whole);
}

static void g06_race_of_tasks(void)
{
    warm_up();
    static const int turns = 2;
    tenon_task_fn *const fns[] = {for_ever, counts, for_ever};
    const void *const users[] = {"a", &turns, "c"};
    tenon_future *race = NULL;
    spawn_all(fns, users);
    REQUIRE_OK(tenon_race(rig.reactor, of_tasks, COUNT, &race));
    PUMP_UNTIL(tenon_task_is_done(tasks[0]) && tenon_task_is_done(tasks[2]));
    require_value(race, 2);
    REQUIRE_EQ(tenon_gather_winner(race), 1);
    drop_all(race);
}

static void g07_wait_for_tasks(void)
{
    warm_up();
    tenon_wait_options first = {.size = sizeof first,
                                .policy = TENON_WAIT_FIRST_FAILED,
                                .timeout_ns = TENON_FOREVER};
    tenon_future *whole = NULL;
    mixed();
    REQUIRE_OK(tenon_wait(rig.reactor, of_tasks, COUNT, &first, &whole));
    PUMP_UNTIL(tenon_future_is_done(whole));
    require_value(whole, 1);
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
    tenon_status status =
        tenon_gather(rig.reactor, of_tasks, COUNT,
                     TENON_GATHER_CANCEL_ON_ERROR | TENON_GATHER_QUIET, &whole);
    return status < 0 ? status : tenon_await_take(whole, NULL, NULL);
}

static void g02_a_task_waits_for_tasks(void)
{
    mixed();
    require_run(gathers, NULL, -EIO);
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
    require_value(tenon_gather_find(whole, "one"), 1);
    require_value(tenon_gather_find(whole, "two"), 2);
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
    TENON_TRY(
        tenon_as_completed(rig.reactor, of_tasks, COUNT, TENON_FOREVER, &all));
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
    require_run(in_order, NULL, TENON_OK);
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
    tenon_future *f[COUNT] = {pending_future(), pending_future(),
                              pending_future()};
    REQUIRE_OK(tenon_future_resolve_int(f[2], 2));
    REQUIRE_OK(tenon_future_resolve_int(f[1], 1));
    require_run(those_that_are_done, f, TENON_OK);
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
    REQUIRE(lost(one) || one == of_tasks[1]);
    status = tenon_completed_next(all, &one);
    REQUIRE(one == of_tasks[1]);
    REQUIRE_STATUS(tenon_completed_next(all, &one), TENON_TIMED_OUT);
    require_value(all, 1);
    tenon_future_unref(all);
    return status;
}

static void g08_a_time_for_all(void)
{
    warm_up();
    static const int turns = 0;
    tenon_task_fn *const fns[] = {for_ever, counts, for_ever};
    const void *const users[] = {"a", &turns, "c"};
    spawn_all(fns, users);
    require_run(until_the_time_is_over, NULL, TENON_TIMED_OUT);
    REQUIRE(!tenon_task_is_done(tasks[0]) && !tenon_task_is_done(tasks[2]));
    (void)tenon_task_cancel(tasks[0], NULL);
    (void)tenon_task_cancel(tasks[2], NULL);
    PUMP_UNTIL(noted("cc"));
    drop_all(NULL);
}

/* ---- shield ---- */

static void g09_the_inner_runs_on(void)
{
    tenon_future *inner = pending_future();
    tenon_future *outer = NULL;
    REQUIRE_OK(tenon_shield(inner, &outer));
    REQUIRE_STATUS(tenon_future_cancel(outer, NULL), TENON_EXISTED);
    rig_settle();
    REQUIRE(!tenon_future_is_done(inner));
    REQUIRE_OK(tenon_future_resolve_int(inner, 4));
    require_value(inner, 4);
    tenon_future_unref(outer);
    tenon_future_unref(inner);
}

static void g09_the_outer_follows(void)
{
    tenon_future *inner = pending_future();
    tenon_future *outer = NULL;
    REQUIRE_OK(tenon_shield(inner, &outer));
    REQUIRE_STATUS(tenon_future_cancel(inner, "why"), TENON_EXISTED);
    PUMP_UNTIL(tenon_future_is_done(outer));
    REQUIRE_EQ(tenon_future_state(outer), TENON_FUTURE_CANCELLED);
    rig_require_message(tenon_future_error(outer), "why");
    tenon_future_unref(outer);
    tenon_future_unref(inner);

    inner = pending_future();
    REQUIRE_OK(tenon_shield(inner, &outer));
    REQUIRE_OK(tenon_future_resolve_int(inner, 5));
    PUMP_UNTIL(tenon_future_is_done(outer));
    require_value(outer, 5);
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
    warm_up();
    tenon_task *slow = spawn(slow_to_end, word("ended"));
    require_run(waits_for_it, slow, TENON_TIMED_OUT);
    REQUIRE_NOTES("ended");
    require_end(slow, TENON_CANCELLED);
}

static void on_kept(tenon_waiter *waiter, tenon_future *future, void *user)
{
    (void)waiter;
    note("%s:%d", (const char *)user, (int)tenon_future_state(future));
    (void)tenon_future_error(future);
}

static void g11_without_a_task(void)
{
    warm_up();
    static char name[] = "out";
    tenon_waiter waiter;
    tenon_future *out = NULL;
    tenon_task *slow = spawn(slow_to_end, word("ended"));
    REQUIRE_OK(tenon_with_timeout(tenon_task_future(slow), MS(20), 0, &out));
    REQUIRE_OK(tenon_future_on_done(out, &waiter, on_kept, name));
    PUMP_UNTIL(noted("out:2"));
    (void)lost(tenon_task_future(slow));
    REQUIRE_NOTES("ended out:2");
    REQUIRE_STATUS(tenon_error_status(tenon_future_error(out)),
                   TENON_TIMED_OUT);
    tenon_future_unref(out);
    require_end(slow, TENON_CANCELLED);
}

static tenon_status at_once(void *user)
{
    (void)user;
    tenon_task *never = spawn(for_ever, word("never"));
    tenon_future *done = NULL;
    REQUIRE_OK(tenon_future_ready_int(rig.reactor, 3, &done));
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
    require_run(at_once, NULL, TENON_OK);
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
    warm_up();
    tenon_future *f = pending_future();
    tenon_task *task = spawn(waits_long, f);
    rig_settle();
    REQUIRE_OK(tenon_future_resolve_int(f, 1));
    REQUIRE_STATUS(tenon_task_cancel(task, NULL), TENON_PENDING);
    require_end(task, TENON_CANCELLED);
    REQUIRE_NOTES("TENON_CANCELLED");
    require_value(f, 1); /* and nothing is lost */
    tenon_future_unref(f);

    notes_clear();
    f = pending_future();
    task = spawn(waits_long, f);
    rig_settle();
    REQUIRE_STATUS(tenon_task_cancel(task, NULL), TENON_PENDING);
    REQUIRE_EQ(tenon_future_state(f), TENON_FUTURE_CANCELLED);
    require_end(task, TENON_CANCELLED);
    REQUIRE_NOTES("TENON_CANCELLED");
    tenon_future_unref(f);
}

/* Both, in one turn: the time is over, and somebody cancels. */
static void g13_nor_by_the_limit(void)
{
    warm_up();
    tenon_task *slow = spawn(slow_to_end, word("ended"));
    tenon_task *task = spawn(waits_for_it, slow);
    PUMP_UNTIL(tenon_task_cancelling(slow) > 0);
    REQUIRE_STATUS(tenon_task_cancel(task, NULL), TENON_PENDING);
    require_end(task, TENON_CANCELLED);
    require_end(slow, TENON_CANCELLED);
}

static void g14_a_value_all_the_same(void)
{
    tenon_task *absorbing = spawn(absorbs, NULL);
    require_run(waits_for_it, absorbing, TENON_OK);
    require_value(tenon_task_future(absorbing), 7);
    require_end(absorbing, TENON_OK);
}

static tenon_status waits_a_little(void *user)
{
    return tenon_await_for(user, MS(20));
}

static tenon_status waits_a_little_keeping(void *user)
{
    return tenon_await_keep(user, MS(20));
}

static tenon_timer race_timer;
static tenon_future *race_future;

static void resolve_it(tenon_timer *timer, void *user)
{
    (void)timer;
    (void)user;
    REQUIRE_OK(tenon_future_resolve_int(race_future, 2));
}

static void g14_a_result_wins(void)
{
    race_future = pending_future();
    tenon_timer_init(&race_timer, rig.reactor);
    REQUIRE_OK(tenon_timer_start(&race_timer, MS(10), resolve_it, NULL));
    tenon_future *out = NULL;
    tenon_future *kept = NULL;
    REQUIRE_OK(tenon_with_timeout(race_future, MS(20), 0, &out));
    REQUIRE_OK(
        tenon_with_timeout(race_future, MS(20), TENON_TIMEOUT_KEEP, &kept));
    tenon_task *task = spawn(waits_a_little, race_future);
    tenon_task *other = spawn(waits_a_little_keeping, race_future);
    rig_settle();
    rig_block(MS(40)); /* all of them are due in one turn, in this order */
    require_end(task, TENON_OK);
    require_end(other, TENON_OK);
    PUMP_UNTIL(tenon_future_is_done(out) && tenon_future_is_done(kept));
    require_value(out, 2);
    require_value(kept, 2);
    tenon_future_unref(out);
    tenon_future_unref(kept);
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
    tenon_future *f = pending_future();
    require_run(keeps, f, TENON_OK);
    tenon_future_unref(f);

    tenon_future *out = NULL;
    f = pending_future();
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
    REQUIRE_OK(tenon_shield(user, &outer));
    tenon_status status = tenon_await_for(outer, MS(20));
    tenon_future_unref(outer);
    return status;
}

static void g15_shielded(void)
{
    tenon_future *f = pending_future();
    require_run(shielded, f, TENON_TIMED_OUT);
    REQUIRE(!tenon_future_is_done(f));
    REQUIRE_OK(tenon_future_resolve_int(f, 1));
    rig_settle();
    tenon_future_unref(f);
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
    {"G14b", "a result that is there wins", g14_a_result_wins, NEED_TIME},
    {"G15", "await_keep leaves it running", g15_left_running, 0},
    {"G15b", "await_for of a shield", g15_shielded, 0},
};

const rig_group rig_scope = RIG_GROUP(cases);
