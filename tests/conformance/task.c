/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Group K, tasks: how they begin, what they wait for, which of them there are.
 * What they return and carry is in task_value.c, cancelling in task_cancel.c.
 */

#include "task_rig.h"

#include <tenon/manual.h>

static const tenon_task_options eager = {.size = sizeof eager,
                                         .flags = TENON_TASK_EAGER};

/* ---- beginning ---- */

static void k01_in_the_next_turn(void)
{
    soon(note_call, "a");
    tenon_task *task = spawn(note_task, "task");
    soon(note_call, "b");
    REQUIRE_NOTES("");
    REQUIRE(!tenon_task_is_done(task));
    require_end(task, TENON_OK);
    rig_settle();
    REQUIRE_NOTES("a task b");
}

static void k01_eagerly(void)
{
    tenon_task *task = spawn_with(note_task, "task", &eager);
    note("back");
    REQUIRE_NOTES("task back");
    REQUIRE(tenon_task_is_done(task));
    REQUIRE_EQ(rig_stats().ready_count, 0);
    REQUIRE_EQ(tenon_task_count(rig.reactor), 0);
    require_end(task, TENON_OK);
}

static tenon_status sleep_a_little(void *word)
{
    note_call(word);
    TENON_TRY(tenon_sleep(MS(20)));
    note_call(word);
    return TENON_OK;
}

static tenon_status spawn_inside(void *user)
{
    tenon_task *self = tenon_task_current();
    tenon_task *child = spawn_with(sleep_a_little, "child", &eager);
    (void)user;
    note("parent");
    REQUIRE(tenon_task_current() == self);
    tenon_status status = tenon_join(child);
    note("joined");
    tenon_task_unref(child);
    return status;
}

static void k01_eagerly_on_top_of_a_task(void)
{
    require_end(spawn(spawn_inside, NULL), TENON_OK);
    REQUIRE_NOTES("child parent child joined");
}

/* What it waits for counts although no turn was run yet. */
static void k01_eagerly_before_the_loop(void)
{
    tenon_task *task = spawn_with(sleep_a_little, "task", &eager);
    REQUIRE_NOTES("task");
    rig.fixture->run(rig.loop);
    REQUIRE_NOTES("task task");
    require_end(task, TENON_OK);
}

/* ---- waiting ---- */

static tenon_status yield_twice(void *word)
{
    note_call(word);
    TENON_TRY(tenon_yield());
    note_call(word);
    TENON_TRY(tenon_sleep(0));
    note_call(word);
    return TENON_OK;
}

static tenon_status yield_between_calls(void *user)
{
    (void)user;
    soon(note_call, "a");
    soon(note_call, "b");
    note("before");
    TENON_TRY(tenon_yield());
    note("after");
    return TENON_OK;
}

static void k16_all_that_is_ready_runs_once(void)
{
    require_end(spawn(yield_between_calls, NULL), TENON_OK);
    REQUIRE_NOTES("before a b after");
    notes_clear();
    tenon_task *one = spawn(yield_twice, "1");
    tenon_task *two = spawn(yield_twice, "2");
    require_end(one, TENON_OK);
    require_end(two, TENON_OK);
    REQUIRE_NOTES("1 2 1 2 1 2");
}

static int calls_between;

static void call_again(void *task)
{
    calls_between++;
    if (!tenon_task_is_done(task)) {
        soon(call_again, task);
    }
}

enum { IMMEDIATE = 1000 };

static tenon_status never_blocks(void *user)
{
    tenon_future *done = NULL;
    (void)user;
    REQUIRE_OK(tenon_future_ready_int(rig.reactor, 1, &done));
    tenon_status status = TENON_OK;
    for (int i = 0; i < IMMEDIATE && status == TENON_OK; i++) {
        status = tenon_await(done);
    }
    tenon_future_unref(done);
    return status;
}

static void k17_one_that_never_blocks_yields(void)
{
    tenon_task *task = spawn(never_blocks, NULL);
    soon(call_again, task);
    require_end(tenon_task_ref(task), TENON_OK);
    rig_settle();
    tenon_task_unref(task);
    REQUIRE(calls_between > IMMEDIATE / 200);
    REQUIRE(calls_between < IMMEDIATE / 50); /* most waits are free */
}

static tenon_status await_itself(void *user)
{
    (void)user;
    tenon_future *self = tenon_task_future(tenon_task_current());
    tenon_status status = tenon_await(self);
    REQUIRE_STATUS(status, TENON_INVALID);
    rig_require_message(tenon_task_error(), "itself");
    return status;
}

static void k09_awaiting_itself_fails(void)
{
    require_end(spawn(await_itself, NULL), TENON_INVALID);
}

static tenon_status await_other(void *user)
{
    tenon_status status = tenon_await(user);
    REQUIRE_STATUS(status, TENON_INVALID);
    rig_require_message(tenon_task_error(), "\"rig\"");
    rig_require_message(tenon_task_error(), "\"other\"");
    return status;
}

static void f13_of_another_reactor(void)
{
    tenon_reactor *other = NULL;
    tenon_future *future = NULL;
    tenon_reactor_options options = rig_options();
    options.name = "other";
    options.on_closed = NULL;
    REQUIRE_OK(tenon_manual_new(&other, &options));
    REQUIRE_OK(tenon_future_new(other, &future));
    require_end(spawn(await_other, future), TENON_INVALID);
    tenon_future_unref(future);
    tenon_reactor_unref(other);
}

/* ---- which there are ---- */

static void note_current(void *word)
{
    note("%s%s", (const char *)word, tenon_task_current() ? "!" : "");
}

static void done_callback(tenon_waiter *waiter, tenon_future *future,
                          void *user)
{
    (void)waiter;
    (void)future;
    note_current(user);
}

static tenon_status looks_at_itself(void *user)
{
    tenon_task *const *self = user;
    for (int i = 0; i < 3; i++) {
        REQUIRE(tenon_task_current() == *self);
        soon(note_current, "call");
        TENON_TRY(tenon_yield());
    }
    return TENON_OK;
}

static void k10_the_current_task(void)
{
    tenon_task *tasks[2];
    tenon_waiter waiter;
    REQUIRE(tenon_task_current() == NULL);
    tasks[0] = spawn(looks_at_itself, &tasks[0]);
    tasks[1] = spawn(looks_at_itself, &tasks[1]);
    REQUIRE_OK(tenon_future_on_done(tenon_task_future(tasks[0]), &waiter,
                                    done_callback, "done"));
    require_end(tasks[0], TENON_OK);
    require_end(tasks[1], TENON_OK);
    PUMP_UNTIL(noted("done"));
    REQUIRE_EQ(note_count("call"), 6);
    REQUIRE(tenon_task_current() == NULL);
}

static bool visit(tenon_task *task, void *user)
{
    (void)user;
    note("%s", tenon_task_name(task));
    return true;
}

static tenon_status await_it(void *future)
{
    return tenon_await(future);
}

static void k11_all_that_have_not_ended(void)
{
    tenon_future *first = pending_future();
    tenon_future *second = pending_future();
    tenon_task_options options = {.size = sizeof options, .name = "first"};
    tenon_task *one = spawn_with(await_it, first, &options);
    options.name = "second";
    tenon_task *two = spawn_with(await_it, second, &options);
    REQUIRE_EQ(tenon_task_count(rig.reactor), 2);
    rig_settle();
    REQUIRE_EQ(tenon_task_foreach(rig.reactor, visit, NULL), 2);
    REQUIRE_OK(tenon_future_resolve_int(first, 1));
    require_end(one, TENON_OK);
    note("/");
    REQUIRE_EQ(tenon_task_foreach(rig.reactor, visit, NULL), 1);
    REQUIRE_NOTES("first second / second");
    REQUIRE_OK(tenon_future_resolve_int(second, 1));
    require_end(two, TENON_OK);
    REQUIRE_EQ(tenon_task_foreach(rig.reactor, visit, NULL), 0);
    REQUIRE_EQ(rig_stats().task_count, 0);
    tenon_future_unref(first);
    tenon_future_unref(second);
}

static const rig_case cases[] = {
    {"K01", "a task begins in the next turn", k01_in_the_next_turn, 0},
    {"K01b", "an eager one begins inside of spawn", k01_eagerly, 0},
    {"K01c", "on top of another task, too", k01_eagerly_on_top_of_a_task, 0},
    {"K01d", "and what it waits for keeps the loop alive",
     k01_eagerly_before_the_loop, NEED_ALIVE | NEED_LOOP_RUN},
    {"K09", "a task that awaits itself fails", k09_awaiting_itself_fails, 0},
    {"K10", "the current task is the one that runs", k10_the_current_task, 0},
    {"K11", "all tasks are those that have not ended",
     k11_all_that_have_not_ended, 0},
    {"K16", "a yield lets all that is ready run once",
     k16_all_that_is_ready_runs_once, 0},
    {"K17", "a task that never blocks gives others their turn",
     k17_one_that_never_blocks_yields, 0},
    {"F13", "a future of another reactor is refused by name",
     f13_of_another_reactor, 0},
};

const rig_group rig_task = RIG_GROUP(cases);
