/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Group K, tasks: cancelling, the end of the reactor, and loops that are run
 * inside of tasks (H12).
 */

#include "task_rig.h"

static tenon_status await_and_note(void *future)
{
    tenon_status status = tenon_await(future);
    note("%s", tenon_status_name(status));
    return status;
}

static void cancel(tenon_task *task, tenon_status wanted)
{
    if (tenon_task_is_done(task)) { /* a sweep has ended it */
        (void)harness_told(tenon_future_error(tenon_task_future(task)));
    }
    REQUIRE_EQ(tenon_task_cancel(task, "enough"), wanted);
}

/* ---- when it takes effect ---- */

static void k02_before_the_first_step(void)
{
    const tenon_task_options options = {.size = sizeof options,
                                        .free_user = note_call};
    tenon_task *task = spawn_with(note_task, "freed", &options);
    cancel(task, TENON_EXISTED);
    REQUIRE_NOTES("");
    REQUIRE_EQ(tenon_task_count(rig.reactor), 0);
    cancel(task, TENON_OK);
    require_end(task, TENON_CANCELLED);
    rig_settle();
    REQUIRE_NOTES("freed");
}

static void k03_what_it_awaits_is_cancelled_at_once(void)
{
    tenon_future *future = pending_future();
    tenon_task *task = spawn(await_and_note, future);
    rig_settle();
    cancel(task, TENON_PENDING);
    REQUIRE_EQ(tenon_future_state(future), TENON_FUTURE_CANCELLED);
    rig_require_message(tenon_future_error(future), "enough");
    REQUIRE_NOTES("");
    require_end(task, TENON_CANCELLED);
    REQUIRE_NOTES("TENON_CANCELLED");
    tenon_future_unref(future);
}

static void k04_what_it_awaits_is_cancelled_by_another(void)
{
    tenon_future *future = pending_future();
    tenon_task *task = spawn(await_and_note, future);
    rig_settle();
    REQUIRE_EQ(tenon_future_cancel(future, "why"), TENON_EXISTED);
    REQUIRE_EQ(tenon_task_cancelling(task), 0);
    PUMP_UNTIL(tenon_task_is_done(task));
    tenon_error *error = tenon_future_error(tenon_task_future(task));
    rig_require_message(error, "why");
    require_end(task, TENON_CANCELLED);
    tenon_future_unref(future);
}

static tenon_status cancel_itself(void *waits)
{
    cancel(tenon_task_current(), TENON_PENDING);
    note("on");
    if (waits) {
        tenon_status status = tenon_sleep(TENON_SECOND * 100);
        note("%s", tenon_status_name(status));
        TENON_TRY(tenon_yield()); /* it was told once */
        note("past");
        return status;
    }
    return tenon_return_int(1);
}

static void k06_at_its_next_wait(void)
{
    static bool waits = true;
    require_end(spawn(cancel_itself, &waits), TENON_CANCELLED);
    REQUIRE_NOTES("on TENON_CANCELLED past");
    REQUIRE_EQ(rig_stats().timer_count, 0);
}

static void k06_or_when_it_returns(void)
{
    require_end(spawn(cancel_itself, NULL), TENON_CANCELLED);
    REQUIRE_NOTES("on");
}

static tenon_status takes_it_back(void *user)
{
    tenon_task *self = tenon_task_current();
    (void)user;
    REQUIRE_EQ(tenon_task_uncancel(self), 0);
    cancel(self, TENON_PENDING);
    cancel(self, TENON_PENDING);
    REQUIRE_EQ(tenon_task_cancelling(self), 2);
    REQUIRE_EQ(tenon_task_uncancel(self), 1);
    REQUIRE_STATUS(tenon_checkpoint(), TENON_CANCELLED);
    cancel(self, TENON_PENDING);
    REQUIRE_EQ(tenon_task_uncancel(self), 1);
    REQUIRE_EQ(tenon_task_uncancel(self), 0);
    REQUIRE_STATUS(tenon_checkpoint(), TENON_OK);
    REQUIRE_STATUS(tenon_yield(), TENON_OK);
    return tenon_return_int(7);
}

static void k07_requests_are_counted(void)
{
    require_number(spawn(takes_it_back, NULL), 7);
}

static struct {
    tenon_future *future;
    tenon_task *task;
    bool cancel_first;
} race;

static void resolve_and_cancel(void *user)
{
    (void)user;
    if (race.cancel_first) {
        cancel(race.task, TENON_PENDING);
    }
    (void)tenon_future_try_resolve_int(race.future, 7);
    if (!race.cancel_first) {
        cancel(race.task, TENON_PENDING);
    }
}

static void k08_a_result_in_the_same_turn(void)
{
    int64_t number = 0;
    race.future = pending_future();
    race.task = spawn(await_and_note, race.future);
    rig_settle();
    soon(resolve_and_cancel, NULL);
    require_end(race.task, TENON_CANCELLED);
    REQUIRE_NOTES("TENON_CANCELLED");
    REQUIRE_OK(tenon_future_int(race.future, &number));
    REQUIRE_EQ(number, 7);
    tenon_future_unref(race.future);
}

static void k08_after_the_cancel(void)
{
    race.cancel_first = true;
    race.future = pending_future();
    race.task = spawn(await_and_note, race.future);
    rig_settle();
    soon(resolve_and_cancel, NULL);
    require_end(race.task, TENON_CANCELLED);
    REQUIRE_EQ(tenon_future_state(race.future), TENON_FUTURE_CANCELLED);
    tenon_future_unref(race.future);
}

static tenon_status would_not(tenon_future *future, void *user)
{
    (void)future;
    (void)user;
    return TENON_PENDING;
}

/* It comes to its result all the same; but the request is not forgotten. */
static void k08_what_cannot_be_cancelled(void)
{
    int64_t number = 0;
    tenon_future *future = pending_future();
    REQUIRE_OK(tenon_future_set_canceller(future, would_not, NULL));
    tenon_task *task = spawn(await_and_note, future);
    rig_settle();
    cancel(task, TENON_PENDING);
    rig_settle();
    REQUIRE(!tenon_task_is_done(task));
    REQUIRE_OK(tenon_future_resolve_int(future, 7));
    require_end(task, TENON_CANCELLED);
    REQUIRE_OK(tenon_future_int(future, &number));
    tenon_future_unref(future);
}

static tenon_status sleep_long(void *user)
{
    tenon_status status = tenon_sleep(TENON_SECOND * 100);
    (void)user;
    note("%s", tenon_status_name(status));
    return status;
}

static void k18_its_timer_goes_with_a_sleep(void)
{
    tenon_task *task = spawn(sleep_long, NULL);
    rig_settle();
    REQUIRE_EQ(rig_stats().timer_count, 1);
    cancel(task, TENON_PENDING);
    REQUIRE_EQ(rig_stats().timer_count, 0);
    require_end(task, TENON_CANCELLED);
    REQUIRE_NOTES("TENON_CANCELLED");
}

/* ---- through other tasks ---- */

enum { STACKED = 5 };
static tenon_future *deepest;

static tenon_status stacked(void *user)
{
    const int *left = user;
    tenon_task *inner = NULL;
    tenon_status status;
    if (*left > 0) {
        int rest = *left - 1;
        inner = spawn(stacked, &rest);
        status = tenon_join(inner);
        tenon_task_unref(inner);
    } else {
        status = tenon_await(deepest);
    }
    note("%d:%s", *left, tenon_status_name(status));
    return status;
}

static void k22_down_a_stack_and_back_up(void)
{
    int left = STACKED;
    deepest = pending_future();
    tenon_task *task = spawn(stacked, &left);
    PUMP_UNTIL(tenon_task_count(rig.reactor) == STACKED + 1);
    rig_settle();
    cancel(task, TENON_PENDING);
    REQUIRE_EQ(tenon_future_state(deepest), TENON_FUTURE_CANCELLED);
    require_end(task, TENON_CANCELLED);
    REQUIRE_NOTES("0:TENON_CANCELLED 1:TENON_CANCELLED 2:TENON_CANCELLED "
                  "3:TENON_CANCELLED 4:TENON_CANCELLED 5:TENON_CANCELLED");
    tenon_future_unref(deepest);
}

static tenon_status translates(void *into_success)
{
    tenon_status status = tenon_sleep(TENON_SECOND * 100);
    REQUIRE_STATUS(status, TENON_CANCELLED);
    TENON_TRY(tenon_mask_begin());
    TENON_TRY(tenon_sleep(MS(20))); /* cleaning up may take its time */
    TENON_TRY(tenon_mask_end());
    return into_success ? tenon_return_int(7)
                        : tenon_raise(TENON_ABORTED, "instead");
}

static void k23_into_another_error(void)
{
    tenon_task *task = spawn(translates, NULL);
    rig_settle();
    cancel(task, TENON_PENDING);
    PUMP_UNTIL(tenon_task_is_done(task));
    tenon_error *error = tenon_future_error(tenon_task_future(task));
    rig_require_message(error, "instead");
    require_end(task, TENON_ABORTED);
}

static void k23_into_a_success(void)
{
    static bool success = true;
    tenon_task *task = spawn(translates, &success);
    rig_settle();
    cancel(task, TENON_PENDING);
    require_number(task, 7);
}

/* ---- the end of the reactor ---- */

static tenon_status cleans_up(void *user)
{
    tenon_status status = tenon_await(user);
    note("%s", tenon_status_name(status));
    TENON_TRY(tenon_mask_begin());
    TENON_TRY(tenon_sleep(MS(20)));
    note("clean");
    return status;
}

static void k13_closing_cancels_and_waits(void)
{
    tenon_future *future = pending_future();
    tenon_task *task = spawn(cleans_up, future);
    tenon_task *unbegun = NULL;
    rig_settle();
    unbegun = spawn(note_task, "due");
    REQUIRE_OK(tenon_reactor_close(rig.reactor));
    PUMP_UNTIL(rig.closed);
    REQUIRE_NOTES("due TENON_CANCELLED clean");
    REQUIRE(tenon_task_is_done(task) && tenon_task_is_done(unbegun));
    tenon_task_unref(task);
    tenon_task_unref(unbegun);
    tenon_future_unref(future);
}

static tenon_status refuses(void *user)
{
    while (user) {
        (void)!tenon_sleep(TENON_SECOND);
    }
    return TENON_OK;
}

static void k13_those_that_refuse_are_reported(void)
{
    tenon_reactor_options options = rig_options();
    options.shutdown_timeout_ns = MS(40);
    rig_open(&options);
    tenon_task *task = spawn(refuses, &options);
    rig_settle();
    REQUIRE_OK(tenon_reactor_close(rig.reactor));
    PUMP_UNTIL(rig.closed);
    REQUIRE_STR(rig.report_what, "task would not end");
    REQUIRE_EQ(rig.reports, 2); /* that the hook took too long, too */
    rig.reports = 0;
    REQUIRE(tenon_task_is_done(task));
    tenon_task_unref(task);
}

static void k13_an_end_that_cannot_wait(void)
{
    tenon_reactor_options options = rig_options();
    rig_open(&options);
    tenon_future *future = pending_future();
    tenon_task *task = spawn(cleans_up, future);
    rig_settle();
    rig.fixture->loop_free(rig.loop);
    rig.loop = NULL;
    REQUIRE_OK(tenon_reactor_close(rig.reactor)); /* finds it gone */
    REQUIRE(rig.closed);
    REQUIRE_NOTES("TENON_CANCELLED"); /* and the sleep was refused */
    require_end(task, TENON_HOST_GONE);
    tenon_future_unref(future);
    tenon_reactor_unref(rig.reactor);
    rig.reactor = NULL;
    rig.spin.reactor = NULL;
}

/* ---- H12: loops in tasks ---- */

static tenon_status ticks(void *word)
{
    for (int i = 0; i < 3; i++) {
        TENON_TRY(tenon_sleep(MS(5)));
        note_call(word);
    }
    return TENON_OK;
}

static void dialog(void *user)
{
    (void)user;
    note("in");
    rig.fixture->nested(rig.loop, MS(80));
    note("out");
}

static tenon_status dialog_in_a_task(void *user)
{
    dialog(user);
    REQUIRE(tenon_task_current() != NULL);
    return tenon_yield();
}

static void h12_run_by_a_task(void)
{
    tenon_task *other = spawn(ticks, "tick");
    later(MS(5), note_call, "timer", NULL);
    require_end(spawn(dialog_in_a_task, NULL), TENON_OK);
    require_end(other, TENON_OK);
    REQUIRE_NOTES("in timer out tick tick tick");
    REQUIRE_STR(rig.report_what, "task put off by a nested loop of");
    rig_take_report(TENON_BUSY);
}

static void h12_run_by_a_callback(void)
{
    tenon_task *other = spawn(ticks, "tick");
    soon(dialog, NULL);
    require_end(other, TENON_OK);
    PUMP_UNTIL(noted("out"));
    REQUIRE_NOTES("in tick tick tick out");
}

static tenon_status dialog_on_the_hosts_stack(void *user)
{
    return tenon_on_host_stack(dialog, user);
}

static void h12_run_on_the_hosts_stack(void)
{
    tenon_task *other = spawn(ticks, "tick");
    require_end(spawn(dialog_on_the_hosts_stack, NULL), TENON_OK);
    require_end(other, TENON_OK);
    REQUIRE_NOTES("in tick tick tick out");
}

static const rig_case cases[] = {
    {"K02", "cancelled before its first step, a task never runs",
     k02_before_the_first_step, 0},
    {"K03", "cancelling a task cancels what it awaits, at once",
     k03_what_it_awaits_is_cancelled_at_once, 0},
    {"K04", "cancelling what a task awaits tells the task",
     k04_what_it_awaits_is_cancelled_by_another, 0},
    {"K06", "a task that runs is cancelled at its next wait",
     k06_at_its_next_wait, 0},
    {"K06b", "or by returning without one", k06_or_when_it_returns, 0},
    {"K07", "requests are counted, and can be taken back",
     k07_requests_are_counted, 0},
    {"K08", "a result in the turn of a cancel stays with its future",
     k08_a_result_in_the_same_turn, 0},
    {"K08b", "and comes too late after it", k08_after_the_cancel, 0},
    {"K08c", "what cannot be cancelled does not swallow the request",
     k08_what_cannot_be_cancelled, 0},
    {"K13", "closing cancels tasks and lets them clean up",
     k13_closing_cancels_and_waits, NEED_ATTACHED},
    {"K13b", "and reports those that refuse",
     k13_those_that_refuse_are_reported, NEED_ATTACHED | NEED_TIME | BARE},
    {"K13c", "an end that cannot wait fails their waits",
     k13_an_end_that_cannot_wait, BARE | NEED_ATTACHED | NEED_DIES},
    {"K18", "a cancelled sleep leaves no timer",
     k18_its_timer_goes_with_a_sleep, 0},
    {"K22", "a cancel goes down a stack of tasks and back up",
     k22_down_a_stack_and_back_up, 0},
    {"K23", "cleaning up may translate it into an error",
     k23_into_another_error, 0},
    {"K23b", "or into a success", k23_into_a_success, 0},
    {"H12f", "in a loop that a task runs others are put off", h12_run_by_a_task,
     NEED_NESTED | NEED_TIME},
    {"H12g", "in one that a callback runs they go on", h12_run_by_a_callback,
     NEED_NESTED | NEED_TIME},
    {"H12h", "and in one on the host's stack", h12_run_on_the_hosts_stack,
     NEED_NESTED | NEED_TIME},
};

const rig_group rig_task_cancel = RIG_GROUP(cases);
