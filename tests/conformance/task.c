/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Group K, tasks: how they begin, what they wait for, what they return, which
 * of them there are, what they carry. Cancelling is in task_cancel.c.
 */

#include "task_rig.h"

#include <stdio.h>
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

static bool greedy_ended;
static int calls_between;

static void call_again(void *user)
{
    (void)user;
    calls_between++;
    if (!greedy_ended) {
        soon(call_again, NULL);
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
    greedy_ended = true;
    tenon_future_unref(done);
    return status;
}

static void k17_one_that_never_blocks_yields(void)
{
    tenon_task *task = spawn(never_blocks, NULL);
    soon(call_again, NULL);
    require_end(task, TENON_OK);
    rig_settle();
    REQUIRE(calls_between > IMMEDIATE / 200);
    REQUIRE(calls_between < IMMEDIATE / 50); /* most waits are free */
}

static tenon_status await_itself(void *user)
{
    (void)user;
    tenon_future *self = tenon_task_future(tenon_task_current());
    tenon_status status = tenon_await(self);
    REQUIRE_STATUS(status, TENON_INVALID);
    REQUIRE(strstr(tenon_error_message(tenon_task_error()), "itself"));
    return status;
}

static void k09_awaiting_itself_fails(void)
{
    require_end(spawn(await_itself, NULL), TENON_INVALID);
}

static tenon_status await_other(void *user)
{
    tenon_status status = tenon_await(user);
    const char *message = tenon_error_message(tenon_task_error());
    REQUIRE_STATUS(status, TENON_INVALID);
    REQUIRE(strstr(message, "\"rig\"") && strstr(message, "\"other\""));
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

static char told[256];
static int64_t told_ns;

static tenon_status tell(tenon_reactor *reactor, const tenon_report *report,
                         void *user)
{
    (void)reactor;
    (void)user;
    if (!harness_told(report->error)) {
        snprintf(told, sizeof told, "%s|%s|%s", report->what, report->name,
                 tenon_error_message(report->error));
        told_ns = report->duration_ns;
        note("told");
    }
    return TENON_OK;
}

static void k15_never_started(void)
{
    char wanted[256];
    tenon_task *task = NULL;
    const tenon_task_options options = {
        .size = sizeof options, .name = "forgotten", .free_user = note_call};
    REQUIRE_OK(tenon_reactor_set_error_handler(rig.reactor, tell, NULL));
    int line = __LINE__ + 1;
    REQUIRE_OK(tenon_task_new(rig.reactor, note_task, "freed", &options, &task));
    tenon_task_unref(task);
    REQUIRE_NOTES(""); /* nothing is told inside of a call */
    PUMP_UNTIL(noted("freed"));
    REQUIRE_NOTES("told freed");
    snprintf(wanted, sizeof wanted, "task never started|forgotten|%s:%d",
             __FILE__, line);
    REQUIRE_STR(told, wanted);
}

/* ---- what they return ---- */

static tenon_status twice(int number, int64_t *out)
{
    TENON_TRY(tenon_yield());
    *out = (int64_t)number * 2;
    return TENON_OK;
}

static tenon_status sum_to(int depth, int64_t *out)
{
    int64_t own = 0;
    int64_t rest = 0;
    if (depth > 0) {
        TENON_TRY(twice(depth, &own));
        TENON_TRY(sum_to(depth - 1, &rest));
    }
    *out = own + rest;
    return TENON_OK;
}

static tenon_status sums(void *user)
{
    int64_t sum = 0;
    (void)user;
    TENON_TRY(sum_to(20, &sum));
    return tenon_return_int(sum);
}

static void k14_values_through_any_depth(void)
{
    require_number(spawn(sums, NULL), 420);
}

enum { DEPTH = 12 };

static tenon_status sink(int depth)
{
    if (depth == 0) {
        TENON_TRY(tenon_yield());
        return tenon_raise(TENON_PROTOCOL, "no greeting");
    }
    TENON_TRY(sink(depth - 1));
    return TENON_OK;
}

static tenon_status sinks(void *user)
{
    (void)user;
    return sink(DEPTH);
}

static void k14_the_error_keeps_every_place(void)
{
    tenon_task *task = spawn(sinks, NULL);
    PUMP_UNTIL(tenon_task_is_done(task));
    const tenon_error *error = tenon_future_error(tenon_task_future(task));
    static char text[8192];
    const char *at = text;
    (void)harness_told(error);
    REQUIRE(tenon_error_format(error, text, sizeof text) < sizeof text);
    for (int places = 0; places <= DEPTH; places++) {
        at = strstr(at, "task.c:");
        REQUIRE(at != NULL);
        REQUIRE(at[7] >= '1' && at[7] <= '9'); /* its line */
        at++;
    }
    for (; tenon_error_cause(error); error = tenon_error_cause(error)) {
        REQUIRE_STATUS(tenon_error_status(error), TENON_PROTOCOL);
    }
    REQUIRE_STR(tenon_error_message(error), "no greeting");
    tenon_task_unref(task);
}

static tenon_status answer(void *user)
{
    TENON_TRY(tenon_sleep(MS(20)));
    return user ? tenon_raise(TENON_PROTOCOL, user) : tenon_return_int(42);
}

static tenon_status join_it(void *task)
{
    tenon_status status = tenon_join(task);
    if (status < 0) {
        note("%s", tenon_error_message(tenon_task_error()));
        return status;
    }
    int64_t number = 0;
    TENON_TRY(tenon_future_int(tenon_task_future(task), &number));
    return tenon_return_int(number);
}

static void k21_joining(void)
{
    tenon_task *joined = spawn(answer, NULL);
    tenon_task *one = spawn(join_it, joined);
    tenon_task *two = spawn(join_it, joined);
    require_number(one, 42);
    require_number(two, 42);
    require_number(spawn(join_it, joined), 42); /* it has ended */
    tenon_task_unref(joined);
}

static void k21_joining_one_that_fails(void)
{
    tenon_task *joined = spawn(answer, "bad");
    tenon_task *one = spawn(join_it, joined);
    tenon_task *two = spawn(join_it, joined);
    require_end(one, TENON_PROTOCOL);
    require_end(two, TENON_PROTOCOL);
    require_end(spawn(join_it, joined), TENON_PROTOCOL);
    REQUIRE_NOTES("bad bad bad");
    tenon_task_unref(joined);
}

/* ---- slow steps ---- */

static tenon_status slow_step(void *user)
{
    (void)user;
    TENON_TRY(tenon_yield());
    rig_block(MS(60));
    return TENON_OK;
}

static void on_slow_timer(tenon_timer *timer, void *user)
{
    (void)timer;
    (void)user;
    rig_block(MS(60));
}

static void require_slow(const char *name)
{
    char wanted[64];
    PUMP_UNTIL(noted("told"));
    snprintf(wanted, sizeof wanted, "slow callback|%s|slow callback", name);
    REQUIRE_STR(told, wanted);
    REQUIRE(told_ns >= MS(50));
    notes_clear();
}

static void h20_slow_ones_are_named(void)
{
    tenon_timer timer;
    const tenon_task_options options = {.size = sizeof options, .name = "snail"};
    REQUIRE_OK(tenon_reactor_set_error_handler(rig.reactor, tell, NULL));
    REQUIRE_OK(tenon_reactor_set_slow_callback(rig.reactor, MS(50)));
    tenon_task *task = spawn_with(slow_step, NULL, &options);
    require_slow("snail");
    require_end(task, TENON_OK);
    tenon_timer_init(&timer, rig.reactor);
    tenon_timer_set_name(&timer, "sloth");
    REQUIRE_OK(tenon_timer_start(&timer, 1, on_slow_timer, NULL));
    require_slow("sloth");
    REQUIRE(rig_stats().slow_callbacks >= 2);
}

/* ---- what they carry ---- */

static const tenon_local_key who = {"who"};

static const char *whose(void)
{
    const char *name = tenon_local_get(&who);
    return name ? name : "nobody";
}

static tenon_status made(void *self, tenon_transport *transport)
{
    note("%s:made:%s", (const char *)self, whose());
    return strcmp(self, "server") == 0
               ? TENON_OK
               : tenon_transport_write(transport, "x", 1);
}

static tenon_status spawned_there(void *user)
{
    (void)user;
    TENON_TRY(tenon_yield());
    note("child:%s", whose());
    return TENON_OK;
}

static tenon_status received(void *self, tenon_transport *transport,
                             const void *data, size_t len)
{
    (void)data;
    (void)len;
    note("%s:data:%s", (const char *)self, whose());
    REQUIRE_OK(tenon_spawn(rig.reactor, spawned_there, NULL, NULL, NULL));
    return tenon_transport_close(transport);
}

static tenon_status lost(void *self, tenon_transport *transport,
                         const tenon_error *error)
{
    (void)transport;
    (void)harness_told(error);
    note("%s:lost:%s", (const char *)self, whose());
    return TENON_OK;
}

static const tenon_protocol_ops carried = {.size = sizeof carried,
                                           .connection_made = made,
                                           .data_received = received,
                                           .connection_lost = lost};

static tenon_status build(void *user, tenon_transport *transport,
                          tenon_protocol *out)
{
    (void)transport;
    note("%s:build:%s", (const char *)user, whose());
    *out = (tenon_protocol){&carried, user};
    return TENON_OK;
}

static void connected(tenon_connector *connector, tenon_transport *transport,
                      const tenon_error *error, void *user)
{
    (void)connector;
    (void)transport;
    (void)harness_told(error);
    (void)user;
    note("connected:%s", whose());
}

static tenon_listener *listener;

static tenon_status serves(void *user)
{
    (void)user;
    TENON_TRY(tenon_local_set(&who, "server", NULL));
    REQUIRE_OK(tenon_listen(rig.reactor, &listener, "mem:k20",
                            tenon_factory_with(build, "server"), NULL));
    TENON_TRY(tenon_local_set(&who, "later", NULL)); /* not seen there */
    return TENON_OK;
}

static tenon_status connects(void *user)
{
    const tenon_connect_options options = {.size = sizeof options,
                                           .on_connected = connected};
    (void)user;
    TENON_TRY(tenon_local_set(&who, "client", NULL));
    REQUIRE_OK(tenon_connector_start(rig.reactor, NULL, "mem:k20",
                                     tenon_factory_with(build, "client"),
                                     &options));
    return TENON_OK;
}

static void k20_of_whoever_connects_or_listens(void)
{
    require_end(spawn(serves, NULL), TENON_OK);
    require_end(spawn(connects, NULL), TENON_OK);
    soon(note_current, "plain");
    PUMP_UNTIL(noted("client:lost:client") && noted("server:lost:server") &&
               noted("child:server"));
    REQUIRE(noted("client:build:client") && noted("server:build:server"));
    REQUIRE(noted("client:made:client") && noted("server:made:server"));
    REQUIRE(noted("connected:client") && noted("server:data:server"));
    REQUIRE_OK(tenon_listener_close(listener));
    tenon_listener_unref(listener);
    REQUIRE_STR(whose(), "nobody");
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
    {"K14", "values come through any depth of calls",
     k14_values_through_any_depth, 0},
    {"K14b", "errors too, with every place that they passed",
     k14_the_error_keeps_every_place, 0},
    {"K15", "a task that is never started is reported", k15_never_started, 0},
    {"K16", "a yield lets all that is ready run once",
     k16_all_that_is_ready_runs_once, 0},
    {"K17", "a task that never blocks gives others their turn",
     k17_one_that_never_blocks_yields, 0},
    {"K20", "a protocol's callbacks have the values of its maker",
     k20_of_whoever_connects_or_listens, 0},
    {"K21", "join waits, and gives the result to everybody", k21_joining, 0},
    {"K21b", "and the error", k21_joining_one_that_fails, 0},
    {"F13", "a future of another reactor is refused by name",
     f13_of_another_reactor, 0},
    {"H20", "slow steps and timers are reported with name and duration",
     h20_slow_ones_are_named, NEED_TIME},
};

const rig_group rig_task = RIG_GROUP(cases);
