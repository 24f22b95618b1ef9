/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Group F, futures: outcomes, waiters, cancelling, failures that nobody saw,
 * completion by other threads; and tenon_run_until (L13 to L15).
 */

#include "rig.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

static tenon_future *pending(void)
{
    tenon_future *future = NULL;
    REQUIRE_OK(tenon_future_new(rig.reactor, &future));
    return future;
}

static void fail(tenon_future *future, tenon_status status)
{
    tenon_error *error = tenon_error_of(status, NULL);
    REQUIRE_OK(tenon_future_fail(future, error));
    tenon_error_unref(error);
}

static void note_done(tenon_waiter *waiter, tenon_future *future, void *user)
{
    (void)waiter;
    REQUIRE(tenon_future_is_done(future));
    note_call(user);
}

static void on_done(tenon_future *future, tenon_waiter *waiter, void *word)
{
    REQUIRE_OK(tenon_future_on_done(future, waiter, note_done, word));
}

/* ---- outcomes ---- */

static void f01_a_new_one_is_pending(void)
{
    tenon_future *f = pending();
    void *value = f;
    int64_t number = 7;
    REQUIRE_EQ(tenon_future_state(f), TENON_FUTURE_PENDING);
    REQUIRE(!tenon_future_is_done(f));
    REQUIRE_STATUS(tenon_future_value(f, &value), TENON_NOT_DONE);
    REQUIRE_STATUS(tenon_future_int(f, &number), TENON_NOT_DONE);
    REQUIRE(value == f && number == 7);
    REQUIRE(tenon_future_error(f) == NULL);
    tenon_future_unref(f);
}

static void refuses_another_outcome(tenon_future *f)
{
    enum tenon_future_state state = tenon_future_state(f);
    tenon_error *error = tenon_error_of(TENON_ABORTED, NULL);
    int freed = 0;
    REQUIRE_STATUS(tenon_future_resolve(f, &freed, NULL), TENON_DONE);
    REQUIRE_STATUS(tenon_future_resolve_int(f, 2), TENON_DONE);
    REQUIRE_STATUS(tenon_future_fail(f, error), TENON_DONE);
    REQUIRE_STATUS(tenon_future_cancel(f, "late"), TENON_OK);
    REQUIRE_EQ(tenon_future_state(f), state);
    tenon_error_unref(error);
}

static void f02_the_first_outcome_stays(void)
{
    tenon_future *value = pending();
    tenon_future *failed = pending();
    tenon_future *cancelled = pending();
    int64_t number = 0;
    REQUIRE_OK(tenon_future_resolve_int(value, 1));
    fail(failed, -EIO);
    REQUIRE_STATUS(tenon_future_cancel(cancelled, "early"), TENON_EXISTED);
    refuses_another_outcome(value);
    refuses_another_outcome(failed);
    refuses_another_outcome(cancelled);
    REQUIRE_OK(tenon_future_int(value, &number));
    REQUIRE_EQ(number, 1);
    REQUIRE_STATUS(tenon_error_status(tenon_future_error(failed)), -EIO);
    REQUIRE_STR(tenon_error_message(tenon_future_error(cancelled)), "early");
    tenon_future_unref(value);
    tenon_future_unref(failed);
    tenon_future_unref(cancelled);
}

static void count_free(void *user)
{
    (*(int *)user)++;
}

static void f09_unless_it_is_done(void)
{
    tenon_future *f = pending();
    int freed = 0;
    REQUIRE_STATUS(tenon_future_cancel(f, NULL), TENON_EXISTED);
    REQUIRE_STATUS(tenon_future_try_resolve(f, &freed, count_free),
                   TENON_EXISTED);
    REQUIRE_EQ(freed, 1);
    REQUIRE_STATUS(tenon_future_try_resolve_int(f, 1), TENON_EXISTED);
    REQUIRE_EQ(tenon_future_state(f), TENON_FUTURE_CANCELLED);
    tenon_future_unref(f);
    f = pending();
    REQUIRE_STATUS(tenon_future_try_resolve(f, &freed, count_free), TENON_OK);
    REQUIRE_EQ(freed, 1);
    tenon_future_unref(f);
    rig_settle();
    REQUIRE_EQ(freed, 2);
}

/* ---- waiters ---- */

static void resolve_inside(void *user)
{
    REQUIRE_OK(tenon_future_resolve_int(user, 1));
    soon(note_call, "after");
    note("resolved");
}

static void f03_next_turn_in_order(void)
{
    tenon_future *f = pending();
    tenon_waiter waiters[3];
    on_done(f, &waiters[0], "a");
    on_done(f, &waiters[1], "b");
    on_done(f, &waiters[2], "c");
    soon(resolve_inside, f);
    soon(note_call, "same");
    PUMP_UNTIL(noted("after"));
    REQUIRE_NOTES("resolved same a b c after");
    tenon_future_unref(f);
}

static void f03_never_inside(void)
{
    tenon_future *f = pending();
    tenon_waiter waiter;
    on_done(f, &waiter, "told");
    REQUIRE_OK(tenon_future_resolve_int(f, 1)); /* outside of turns, too */
    REQUIRE_NOTES("");
    PUMP_UNTIL(noted("told"));
    tenon_future_unref(f);
}

static void f04_on_one_that_is_done(void)
{
    tenon_future *f = NULL;
    tenon_waiter waiter;
    REQUIRE_OK(tenon_future_ready_int(rig.reactor, 5, &f));
    on_done(f, &waiter, "told");
    soon(note_call, "after");
    REQUIRE_NOTES("");
    tenon_future_unref(f); /* the queue holds it */
    PUMP_UNTIL(noted("after"));
    REQUIRE_NOTES("told after");
}

static void f05_removing_all_equal(void)
{
    tenon_future *f = pending();
    tenon_waiter waiters[6];
    static char a[] = "a";
    static char b[] = "b";
    for (int i = 0; i < 6; i++) {
        on_done(f, &waiters[i], i % 2 ? b : a);
    }
    REQUIRE_EQ(tenon_future_off(f, note_done, a), 3);
    REQUIRE_EQ(tenon_future_off(f, note_done, a), 0);
    REQUIRE_STATUS(tenon_waiter_remove(&waiters[1]), TENON_EXISTED);
    REQUIRE_STATUS(tenon_waiter_remove(&waiters[1]), TENON_OK);
    REQUIRE_OK(tenon_future_resolve_int(f, 1));
    REQUIRE_STATUS(tenon_waiter_remove(&waiters[3]), TENON_EXISTED);
    rig_settle();
    REQUIRE_NOTES("b");
    tenon_future_unref(f);
}

static void f05_before_dispatch(void)
{
    tenon_future *f = pending();
    tenon_waiter waiters[3];
    static char a[] = "a";
    on_done(f, &waiters[0], a);
    on_done(f, &waiters[1], "b");
    on_done(f, &waiters[2], a);
    REQUIRE_OK(tenon_future_resolve_int(f, 1));
    REQUIRE_EQ(tenon_future_off(f, note_done, a), 2);
    rig_settle();
    REQUIRE_NOTES("b");
    tenon_future_unref(f);
}

static struct mutation {
    tenon_waiter waiters[6];
} mutation;

static void mutate(tenon_waiter *waiter, tenon_future *future, void *user)
{
    (void)user;
    note("mutate");
    on_done(future, waiter, "again"); /* its memory is ours already */
    on_done(future, &mutation.waiters[5], "new");
    REQUIRE_STATUS(tenon_waiter_remove(&mutation.waiters[0]), TENON_OK);
    REQUIRE_STATUS(tenon_waiter_remove(&mutation.waiters[2]), TENON_EXISTED);
    REQUIRE_STATUS(tenon_waiter_remove(&mutation.waiters[4]), TENON_EXISTED);
}

static void f06_adding_and_removing_inside(void)
{
    tenon_future *f = pending();
    on_done(f, &mutation.waiters[0], "0");
    REQUIRE_OK(tenon_future_on_done(f, &mutation.waiters[1], mutate, NULL));
    on_done(f, &mutation.waiters[2], "2");
    on_done(f, &mutation.waiters[3], "3");
    on_done(f, &mutation.waiters[4], "4");
    REQUIRE_OK(tenon_future_resolve_int(f, 1));
    PUMP_UNTIL(noted("new"));
    REQUIRE_NOTES("0 mutate 3 again new");
    tenon_future_unref(f);
}

/* ---- cancelling ---- */

static void f08_the_reason_is_kept(void)
{
    tenon_future *f = pending();
    tenon_future *bare = pending();
    tenon_waiter waiter;
    void *value;
    on_done(f, &waiter, "told");
    REQUIRE_STATUS(tenon_future_cancel(f, "enough"), TENON_EXISTED);
    REQUIRE_STATUS(tenon_future_cancel(bare, NULL), TENON_EXISTED);
    REQUIRE_NOTES("");
    REQUIRE_STATUS(tenon_future_value(f, &value), TENON_CANCELLED);
    REQUIRE_STATUS(tenon_error_status(tenon_future_error(f)), TENON_CANCELLED);
    REQUIRE_STR(tenon_error_message(tenon_future_error(f)), "enough");
    REQUIRE_STATUS(tenon_error_status(tenon_future_error(bare)),
                   TENON_CANCELLED);
    rig_settle();
    REQUIRE_NOTES("told");
    tenon_future_unref(f);
    tenon_future_unref(bare);
}

static tenon_status note_cancel(tenon_future *future, void *user)
{
    REQUIRE(!tenon_future_is_done(future));
    note_call(user);
    return TENON_OK;
}

static void canceller_runs_inside(void)
{
    tenon_future *f = pending();
    REQUIRE_OK(tenon_future_set_canceller(f, note_cancel, "canceller"));
    REQUIRE_STATUS(tenon_future_cancel(f, NULL), TENON_EXISTED);
    note("cancelled");
    REQUIRE_STATUS(tenon_future_cancel(f, NULL), TENON_OK);
    REQUIRE_NOTES("canceller cancelled");
    tenon_future_unref(f);
}

/* ---- failures that nobody saw ---- */

static void f10_reported_exactly_once(void)
{
    tenon_future *f = pending();
    tenon_future *second = NULL;
    fail(f, -ECONNRESET);
    second = tenon_future_ref(f);
    tenon_future_unref(f);
    rig_settle();
    REQUIRE_EQ(rig.reports, 0); /* somebody may look yet */
    tenon_future_unref(second);
    rig_settle();
    rig_take_report(-ECONNRESET);
    REQUIRE_STR(rig.report_what, "unseen failure");
    rig_settle();
    REQUIRE_EQ(rig.reports, 0);
}

static void f10_at_the_reactors_end(void)
{
    tenon_future *f = pending();
    fail(f, -ECONNRESET);
    rig_settle();
    REQUIRE_OK(tenon_reactor_close(rig.reactor));
    PUMP_UNTIL(rig.closed);
    rig_take_report(-ECONNRESET);
    tenon_future_unref(f);
    REQUIRE_EQ(rig.reports, 0);
}

static void f11_looking_is_enough(void)
{
    tenon_future *by_error = pending();
    tenon_future *by_value = pending();
    void *value;
    fail(by_error, -EIO);
    fail(by_value, -EIO);
    REQUIRE(tenon_future_error(by_error) != NULL);
    REQUIRE_STATUS(tenon_future_value(by_value, &value), -EIO);
    tenon_future_unref(by_error);
    tenon_future_unref(by_value);
    rig_settle();
    REQUIRE_EQ(rig.reports, 0);
}

static char site[128];

static tenon_status keep_site(tenon_reactor *reactor,
                              const tenon_report *report, void *user)
{
    (void)reactor;
    (void)user;
    snprintf(site, sizeof site, "%s", report->name);
    return TENON_OK;
}

static void f12_names_where_it_was_made(void)
{
    char here[128];
    tenon_future *f = NULL;
    REQUIRE_OK(tenon_reactor_set_error_handler(rig.reactor, keep_site, NULL));
    snprintf(here, sizeof here, "%s:%d", __FILE__, __LINE__ + 1);
    REQUIRE_OK(tenon_future_new(rig.reactor, &f));
    fail(f, -EIO);
    tenon_future_unref(f);
    rig_settle();
    REQUIRE_STR(site, here);
}

static char told[8192];
static int untold;

static tenon_status keep_trace(tenon_reactor *reactor,
                               const tenon_report *report, void *user)
{
    (void)reactor;
    (void)user;
    untold += report->trace == NULL;
    snprintf(told, sizeof told, "%s", report->trace ? report->trace : "");
    return TENON_OK;
}

static void fail_unseen(void)
{
    tenon_future *f = pending();
    fail(f, -EIO);
    tenon_future_unref(f);
    rig_settle();
}

static void f12_debugging_tells_the_stack(void)
{
    REQUIRE_OK(tenon_reactor_set_error_handler(rig.reactor, keep_trace, NULL));
    REQUIRE_OK(tenon_reactor_set_debug(rig.reactor, TENON_DEBUG_OFF));
    fail_unseen();
    REQUIRE_EQ(untold, 1);
    REQUIRE_OK(tenon_reactor_set_debug(rig.reactor, TENON_DEBUG_FUTURES));
    REQUIRE_EQ(tenon_reactor_debug(rig.reactor), TENON_DEBUG_FUTURES);
    fail_unseen();
    if (rig_swept() && untold == 2) {
        return; /* the stack was not kept, for lack of memory */
    }
    REQUIRE_EQ(untold, 1);
    const char *completed = strstr(told, "\n  completed at\n    ");
    REQUIRE(strncmp(told, "  future, made at\n    ", 22) == 0);
    REQUIRE(completed && strchr(completed + 21, '\n'));
    REQUIRE_OK(tenon_reactor_set_debug(rig.reactor, TENON_DEBUG_OFF));
    fail_unseen();
    REQUIRE_EQ(untold, 2);
}

/* ---- the end of the reactor ---- */

static void note_status(tenon_waiter *waiter, tenon_future *future, void *user)
{
    tenon_error *error = tenon_future_error(future);
    (void)waiter;
    note("%s:%s", (const char *)user,
         tenon_status_name(tenon_error_status(error)));
}

static void the_end_fails_what_is_pending(void)
{
    tenon_future *waits = pending();
    tenon_future *done = pending();
    tenon_future *alone = pending();
    tenon_waiter waiters[2];
    REQUIRE_OK(tenon_future_on_done(waits, &waiters[0], note_status, "waits"));
    REQUIRE_OK(tenon_future_on_done(done, &waiters[1], note_status, "done"));
    REQUIRE_OK(tenon_future_resolve_int(done, 1));
    REQUIRE_OK(tenon_reactor_close(rig.reactor));
    PUMP_UNTIL(rig.closed);
    REQUIRE_NOTES("done:TENON_OK waits:TENON_CLOSED");
    REQUIRE_EQ(tenon_future_state(alone), TENON_FUTURE_FAILED);
    REQUIRE_STATUS(tenon_future_on_done(done, &waiters[0], note_done, "x"),
                   TENON_CLOSED);
    tenon_future_unref(done);
    tenon_future_unref(waits);
    tenon_future_unref(alone);
}

/* ---- other threads ---- */

static pthread_t owner;
static int64_t delivered;

static void *keep(void *promise)
{
    REQUIRE_OK(tenon_promise_resolve_int(promise, 42));
    REQUIRE_STATUS(tenon_promise_resolve_int(promise, 43), TENON_DONE);
    tenon_promise_unref(promise);
    return NULL;
}

static void on_delivered(tenon_waiter *waiter, tenon_future *future, void *user)
{
    (void)waiter;
    (void)user;
    REQUIRE(pthread_equal(pthread_self(), owner));
    REQUIRE_OK(tenon_future_int(future, &delivered));
}

static void f15_delivered_on_the_reactors_thread(void)
{
    tenon_promise *promise = NULL;
    tenon_future *f = NULL;
    tenon_waiter waiter;
    pthread_t thread;
    owner = pthread_self();
    REQUIRE_OK(tenon_promise_new(rig.reactor, &promise, &f));
    REQUIRE_OK(tenon_future_on_done(f, &waiter, on_delivered, NULL));
    REQUIRE(tenon_reactor_alive(rig.reactor));
    REQUIRE(pthread_create(&thread, NULL, keep, promise) == 0);
    PUMP_UNTIL(delivered == 42);
    pthread_join(thread, NULL);
    tenon_future_unref(f);
}

static void f16_cancelling_late_loses(void)
{
    tenon_promise *promise = NULL;
    tenon_future *f = NULL;
    int64_t number = 0;
    REQUIRE_OK(tenon_promise_new(rig.reactor, &promise, &f));
    REQUIRE_OK(tenon_promise_resolve_int(promise, 7));
    REQUIRE_STATUS(tenon_future_cancel(f, "late"), TENON_PENDING);
    PUMP_UNTIL(tenon_future_is_done(f));
    REQUIRE_OK(tenon_future_int(f, &number));
    REQUIRE_EQ(number, 7);
    REQUIRE_STATUS(tenon_future_cancel(f, "later"), TENON_OK);
    tenon_promise_unref(promise);
    tenon_future_unref(f);
}

static void f16_cancelling_early_wins(void)
{
    tenon_promise *promise = NULL;
    tenon_future *f = NULL;
    int freed = 0;
    REQUIRE_OK(tenon_promise_new(rig.reactor, &promise, &f));
    REQUIRE(tenon_promise_is_open(promise));
    REQUIRE_STATUS(tenon_future_cancel(f, "early"), TENON_EXISTED);
    REQUIRE(!tenon_promise_is_open(promise));
    REQUIRE_STATUS(tenon_promise_resolve(promise, &freed, count_free),
                   TENON_CANCELLED);
    REQUIRE_EQ(freed, 1);
    tenon_promise_unref(promise);
    tenon_future_unref(f);
}

/* ---- running until it is done ---- */

static void resolve_seven(void *user)
{
    REQUIRE_OK(tenon_future_resolve_int(user, 7));
}

static tenon_future *on(tenon_reactor *reactor)
{
    tenon_future *f = NULL;
    REQUIRE_OK(tenon_future_new(reactor, &f));
    return f;
}

static void stop(void *reactor)
{
    REQUIRE_OK(tenon_stop(reactor));
}

static void end(tenon_reactor *reactor)
{
    REQUIRE_OK(tenon_reactor_close(reactor));
    tenon_reactor_unref(reactor);
}

static void l13_the_result_or_the_error(void)
{
    tenon_reactor *r = rig_reactor_new();
    tenon_future *f = on(r);
    tenon_future *failed = on(r);
    REQUIRE_OK(tenon_call_later(r, MS(10), resolve_seven, f, NULL));
    REQUIRE_STATUS(tenon_run_until(r, f, TENON_FOREVER), TENON_OK);
    REQUIRE_STATUS(tenon_run_until(r, f, TENON_FOREVER), TENON_OK);
    fail(failed, -EPROTO);
    REQUIRE_STATUS(tenon_run_until(r, failed, TENON_FOREVER), -EPROTO);
    tenon_future_unref(failed);
    tenon_future_unref(f);
    f = on(r);
    REQUIRE_OK(tenon_call_soon(r, stop, r));
    REQUIRE_STATUS(tenon_run_until(r, f, TENON_FOREVER), TENON_STOPPED);
    REQUIRE(!tenon_future_is_done(f));
    tenon_future_unref(f);
    end(r);
}

static void resolve_by_timer(tenon_timer *timer, void *user)
{
    (void)timer;
    resolve_seven(user);
}

static void l13_however_idle(void)
{
    tenon_reactor *r = rig_reactor_new();
    tenon_future *f = on(r);
    tenon_timer timer;
    tenon_timer_init(&timer, r);
    REQUIRE_OK(tenon_timer_set_daemon(&timer, true));
    REQUIRE_OK(tenon_timer_start(&timer, MS(20), resolve_by_timer, f));
    REQUIRE(!tenon_reactor_alive(r)); /* tenon_run would return at once */
    REQUIRE_STATUS(tenon_run_until(r, f, TENON_FOREVER), TENON_OK);
    REQUIRE(!tenon_reactor_alive(r));
    tenon_future_unref(f);
    end(r);
}

static void l14_its_waiter_is_removed(void)
{
    tenon_reactor *r = rig_reactor_new();
    tenon_future *first = on(r);
    tenon_future *second = on(r);
    REQUIRE_OK(tenon_call_soon(r, stop, r));
    REQUIRE_STATUS(tenon_run_until(r, first, TENON_FOREVER), TENON_STOPPED);
    REQUIRE_OK(tenon_future_resolve_int(first, 1)); /* stops nothing now */
    REQUIRE_OK(tenon_call_later(r, MS(20), resolve_seven, second, NULL));
    REQUIRE_STATUS(tenon_run_until(r, second, TENON_FOREVER), TENON_OK);
    tenon_future_unref(first);
    tenon_future_unref(second);
    end(r);
}

static void l15_timing_out(void)
{
    tenon_reactor *r = rig_reactor_new();
    tenon_future *f = on(r);
    int64_t begin_ns = harness_clock_ns();
    REQUIRE_STATUS(tenon_run_until(r, f, MS(20)), TENON_TIMED_OUT);
    REQUIRE(harness_clock_ns() - begin_ns >= MS(20));
    REQUIRE_STATUS(tenon_run_until(r, f, 0), TENON_TIMED_OUT);
    REQUIRE_OK(tenon_call_soon(r, resolve_seven, f));
    REQUIRE_STATUS(tenon_run_until(r, f, TENON_SECOND * 5), TENON_OK);
    REQUIRE(!tenon_reactor_alive(r));
    tenon_future_unref(f);
    end(r);
}

static const rig_case cases[] = {
    {"F01", "a new future is pending", f01_a_new_one_is_pending, 0},
    {"F02", "the first outcome stays", f02_the_first_outcome_stays, 0},
    {"F03", "waiters are told in the next turn, in order",
     f03_next_turn_in_order, 0},
    {"F03b", "and never inside of completing", f03_never_inside, 0},
    {"F04", "a waiter on a done future is told in the next turn",
     f04_on_one_that_is_done, 0},
    {"F05", "removing takes all equal waiters", f05_removing_all_equal, 0},
    {"F05b", "removing before dispatch prevents the call", f05_before_dispatch,
     0},
    {"F06", "waiters may add and remove waiters",
     f06_adding_and_removing_inside, 0},
    {"F08", "a cancelled future carries the reason", f08_the_reason_is_kept, 0},
    {"F08b", "a canceller runs once, inside cancel", canceller_runs_inside, 0},
    {"F09", "try_resolve is a no-op on a cancelled future",
     f09_unless_it_is_done, 0},
    {"F10", "a failure that nobody saw is reported once",
     f10_reported_exactly_once, 0},
    {"F10b", "at the end of the reactor, too", f10_at_the_reactors_end, 0},
    {"F10c", "the end fails what is pending and tells who waits",
     the_end_fails_what_is_pending, 0},
    {"F11", "looking at a failure is enough", f11_looking_is_enough, 0},
    {"F12", "the report names where it was made", f12_names_where_it_was_made,
     0},
    {"F12b", "and tells the stack, when asked to",
     f12_debugging_tells_the_stack, 0},
    {"F15", "a promise of a thread is kept on the reactor's thread",
     f15_delivered_on_the_reactors_thread, 0},
    {"F16", "cancelling after it was kept loses", f16_cancelling_late_loses, 0},
    {"F16b", "cancelling before it was kept wins", f16_cancelling_early_wins,
     0},
    {"L13", "run_until gives the result, the error, or says stopped",
     l13_the_result_or_the_error, NEED_TENON_RUN | BARE},
    {"L13b", "run_until waits for daemons, too", l13_however_idle,
     NEED_TENON_RUN | BARE},
    {"L14", "run_until leaves no waiter behind", l14_its_waiter_is_removed,
     NEED_TENON_RUN | BARE},
    {"L15", "run_until times out and may be repeated", l15_timing_out,
     NEED_TENON_RUN | BARE},
};

const rig_group rig_future = RIG_GROUP(cases);
