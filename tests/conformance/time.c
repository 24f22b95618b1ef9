/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Group T: timers, deadlines and periodic calls.
 */

#include "rig.h"

#include <stdio.h>
#include <stdlib.h>

#define HOUR MS(3600000)

static void at(int64_t deadline_ns, tenon_call_fn *fn, void *user,
               tenon_handle *out)
{
    REQUIRE_STATUS(tenon_call_at(rig.reactor, deadline_ns, fn, user, out),
                   TENON_OK);
}

/* ---- order ---- */

static void t02_same_deadline_in_order(void)
{
    char words[200][12];
    int64_t when_ns = tenon_now(rig.reactor) + MS(10);
    char wanted[2048] = "";
    for (int i = 0; i < 200; i++) {
        snprintf(words[i], sizeof words[i], "%d", i);
        strcat(strcat(wanted, i ? " " : ""), words[i]);
        at(when_ns, note_call, words[i], NULL);
    }
    PUMP_UNTIL(noted("199"));
    REQUIRE_NOTES(wanted);
}

static void t03_overdue_in_deadline_order(void)
{
    int64_t now_ns = tenon_now(rig.reactor);
    at(now_ns + MS(6), note_call, "e", NULL);
    at(now_ns + MS(5) + 40000, note_call, "d", NULL);
    at(now_ns + MS(5), note_call, "c", NULL);
    at(now_ns + MS(1) + 1, note_call, "b", NULL);
    at(now_ns + MS(1), note_call, "a", NULL);
    rig_block(MS(15));
    PUMP_UNTIL(noted("e"));
    REQUIRE_NOTES("a b c d e");
}

static void schedule_zero(void *user)
{
    (void)user;
    soon(note_call, "a");
    later(0, note_call, "b", NULL);
    soon(note_call, "c");
    at(tenon_now(rig.reactor) - MS(5), note_call, "d", NULL);
    later(-HOUR, note_call, "e", NULL);
    later(INT64_MIN, note_call, "f", NULL);
    at(INT64_MIN, note_call, "g", NULL);
    soon(note_call, "h");
    note("begin");
}

static void t04_zero_is_the_next_turn(void)
{
    soon(schedule_zero, NULL);
    soon(note_call, "end");
    PUMP_UNTIL(noted("h"));
    REQUIRE_NOTES("begin end a b c d e f g h");
}

static void t05_negative_is_zero(void)
{
    tenon_timer timer;
    tenon_timer_init(&timer, rig.reactor);
    later(-1, note_call, "a", NULL);
    later(-HOUR, note_call, "b", NULL);
    REQUIRE_NOTES("");
    PUMP_UNTIL(noted("b"));
    REQUIRE_NOTES("a b");
}

/* ---- the clock ---- */

static int64_t asked_ns;
static int64_t fired_ns;

static void stamp(void *user)
{
    (void)user;
    fired_ns = harness_clock_ns();
}

static void block_then_ask(void *user)
{
    (void)user;
    int64_t now_ns = tenon_now(rig.reactor);
    rig_block(MS(40));
    REQUIRE_EQ(tenon_now(rig.reactor), now_ns);
    asked_ns = harness_clock_ns();
    later(MS(20), stamp, NULL, NULL);
}

static void t06_delays_count_from_the_call(void)
{
    int64_t before_ns = tenon_now(rig.reactor);
    soon(block_then_ask, NULL);
    PUMP_UNTIL(fired_ns != 0);
    REQUIRE(fired_ns - asked_ns >= MS(20));
    REQUIRE(tenon_now(rig.reactor) - before_ns >= MS(60));
}

static void t12_the_clock_is_monotonic(void)
{
    for (int i = 0; i < 5; i++) {
        int64_t before_ns = harness_clock_ns();
        int64_t now_ns = tenon_now(rig.reactor);
        REQUIRE(before_ns <= now_ns && now_ns <= harness_clock_ns());
        rig_pump_for(MS(2));
    }
}

static int fired_count;

static void check_not_early(tenon_timer *timer, void *user)
{
    REQUIRE(tenon_now(rig.reactor) >= *(int64_t *)user);
    REQUIRE(!tenon_timer_is_active(timer));
    fired_count++;
}

static void never_early(void)
{
    enum { COUNT = 300 };
    static tenon_timer timers[COUNT];
    static int64_t due_ns[COUNT];
    srand(7);
    for (int i = 0; i < COUNT; i++) {
        int64_t delay_ns = (int64_t)(rand() % 60000) * 1000 + rand() % 1000;
        tenon_timer_init(&timers[i], rig.reactor);
        due_ns[i] = tenon_now(rig.reactor) + delay_ns;
        REQUIRE_OK(tenon_timer_start(&timers[i], delay_ns, check_not_early,
                                     &due_ns[i]));
        REQUIRE(tenon_timer_when(&timers[i]) >= due_ns[i]);
    }
    PUMP_UNTIL(fired_count == COUNT);
}

/* One of thirty must be sharp; a loop with millisecond timers has none. */
static void finer_than_milliseconds(void)
{
    int64_t best_ns = HOUR;
    for (int i = 0; i < 30; i++) {
        fired_ns = 0;
        int64_t start_ns = harness_clock_ns();
        later(300 * TENON_MICROSECOND, stamp, NULL, NULL);
        PUMP_UNTIL(fired_ns != 0);
        int64_t took_ns = fired_ns - start_ns;
        REQUIRE(took_ns >= 300 * TENON_MICROSECOND);
        best_ns = took_ns < best_ns ? took_ns : best_ns;
    }
    REQUIRE(best_ns < 800 * TENON_MICROSECOND * harness_time_scale());
}

/* ---- changing minds ---- */

static void cancel_other(void *user)
{
    note("cancel");
    REQUIRE_STATUS(tenon_handle_cancel(*(tenon_handle *)user), TENON_EXISTED);
}

static void t07_cancelled_in_the_same_batch(void)
{
    tenon_handle handle;
    int64_t now_ns = tenon_now(rig.reactor);
    at(now_ns + MS(1), cancel_other, &handle, NULL);
    at(now_ns + MS(2), note_call, "victim", &handle);
    at(now_ns + MS(3), note_call, "last", NULL);
    rig_block(MS(8));
    PUMP_UNTIL(noted("last"));
    REQUIRE_NOTES("cancel last");
}

static tenon_handle moved[3];

static void reorder(void *user)
{
    (void)user;
    note("reorder");
    REQUIRE_OK(tenon_handle_reset(moved[0], MS(60)));
    REQUIRE_OK(tenon_handle_delay(moved[1], MS(-30)));
}

static void t09_when_reset_delay(void)
{
    int64_t now_ns = tenon_now(rig.reactor);
    at(now_ns + MS(30), note_call, "a", &moved[0]);
    at(now_ns + MS(70), note_call, "b", &moved[1]);
    at(now_ns + MS(50), note_call, "c", &moved[2]);
    REQUIRE_EQ(tenon_handle_when(moved[1]), now_ns + MS(70));
    at(now_ns + MS(10), reorder, NULL, NULL);
    PUMP_UNTIL(noted("reorder"));
    REQUIRE_EQ(tenon_handle_when(moved[1]), now_ns + MS(40));
    REQUIRE(tenon_handle_when(moved[0]) >= now_ns + MS(70));
    PUMP_UNTIL(noted("a"));
    REQUIRE_NOTES("reorder b c a");
    REQUIRE_EQ(tenon_handle_when(moved[0]), 0);
    REQUIRE_STATUS(tenon_handle_reset(moved[0], 1), TENON_INVALID);
    REQUIRE_STATUS(tenon_handle_delay(moved[0], 1), TENON_INVALID);
}

static void t10_huge_delays(void)
{
    static const int64_t delays[] = {TENON_FOREVER, TENON_FOREVER - 1,
                                     TENON_FOREVER / 2, HOUR * 24 * 365 * 100};
    tenon_handle handles[8];
    for (int i = 0; i < 4; i++) {
        later(delays[i], note_call, "early", &handles[i]);
        at(delays[i], note_call, "early", &handles[4 + i]);
    }
    later(MS(10), note_call, "near", NULL);
    rig_pump_for(MS(40));
    REQUIRE_NOTES("near");
    for (int i = 0; i < 8; i++) {
        REQUIRE(tenon_handle_is_pending(handles[i]));
        REQUIRE(tenon_handle_when(handles[i]) > tenon_now(rig.reactor));
        REQUIRE_STATUS(tenon_handle_cancel(handles[i]), TENON_EXISTED);
    }
}

/* The wake-up that was armed for a cancelled timer must not disturb. */
static void a_cancelled_timer_costs_nothing(void)
{
    tenon_handle handle;
    later(MS(10), note_call, "never", &handle);
    rig_settle();
    tenon_handle_cancel(handle);
    later(MS(40), note_call, "other", NULL);
    PUMP_UNTIL(noted("other"));
    REQUIRE_NOTES("other");
}

static int left_at_read;

static void rearm_at_zero(tenon_timer *timer, void *user)
{
    int *left = user;
    if (--*left > 0) {
        REQUIRE_OK(tenon_timer_start(timer, 0, rearm_at_zero, user));
    }
    left_at_read = noted("read") ? left_at_read : *left;
}

static void note_read(void *user)
{
    note("read");
    tenon_remove_reader(rig.reactor, *(int *)user);
}

/* libuv before 1.45 starved everything here. */
static void a_timer_at_zero_starves_nobody(void)
{
    int fds[2];
    int left = 100000;
    tenon_timer timer;
    socket_pair(fds);
    tenon_timer_init(&timer, rig.reactor);
    REQUIRE_OK(tenon_timer_start(&timer, 0, rearm_at_zero, &left));
    REQUIRE_OK(tenon_add_reader(rig.reactor, fds[0], note_read, &fds[0]));
    put(fds[1], "x");
    PUMP_UNTIL(noted("read"));
    REQUIRE(left_at_read > 99990);
    tenon_timer_stop(&timer);
    close_fd(&fds[0]);
    close_fd(&fds[1]);
}

/* ---- periodic calls ---- */

struct ticks {
    tenon_periodic periodic;
    int64_t from_ns; /* the origin lies between these two */
    int64_t to_ns;
    int64_t period_ns;
    int64_t jitter_ns;
    uint64_t number;
    uint64_t missed;
    int calls;
    int stall_at;
    tenon_status result;
};

static tenon_status on_tick(tenon_periodic *periodic, uint64_t missed,
                            void *user)
{
    struct ticks *ticks = user;
    REQUIRE(periodic == &ticks->periodic);
    ticks->calls++;
    ticks->missed += missed;
    ticks->number += 1 + missed;
    int64_t due_ns = (int64_t)ticks->number * ticks->period_ns;
    int64_t now_ns = tenon_now(rig.reactor);
    int64_t late_ns = harness_clock_ns();
    if (!(rig.fixture->caps & TENON_FIXTURE_REAL_TIME)) {
        late_ns = now_ns;
        REQUIRE(now_ns <= ticks->to_ns + due_ns + ticks->jitter_ns);
    }
    REQUIRE(late_ns >= ticks->from_ns + due_ns - ticks->jitter_ns);
    REQUIRE(now_ns <
            ticks->to_ns + due_ns + ticks->period_ns + ticks->jitter_ns);
    if (ticks->calls == ticks->stall_at) {
        rig_block(ticks->period_ns * 7 / 2);
    }
    return ticks->result;
}

static void start_ticks(struct ticks *ticks, uint32_t flags)
{
    tenon_periodic_options options = {.size = sizeof options,
                                      .flags = flags,
                                      .period_ns = ticks->period_ns,
                                      .jitter_ns = ticks->jitter_ns,
                                      .fn = on_tick,
                                      .user = ticks};
    ticks->from_ns = tenon_now(rig.reactor);
    REQUIRE_OK(tenon_periodic_start(&ticks->periodic, rig.reactor, &options));
    ticks->to_ns = tenon_now(rig.reactor);
    REQUIRE(tenon_periodic_is_active(&ticks->periodic));
}

static void t13_ticks_are_multiples(void)
{
    static struct ticks ticks;
    ticks.period_ns = MS(10);
    start_ticks(&ticks, 0);
    PUMP_UNTIL(ticks.calls == 6);
    REQUIRE_STATUS(tenon_periodic_stop(&ticks.periodic), TENON_EXISTED);
    REQUIRE_STATUS(tenon_periodic_stop(&ticks.periodic), TENON_OK);
    REQUIRE(!tenon_periodic_is_active(&ticks.periodic));
    rig_pump_for(MS(30));
    REQUIRE_EQ(ticks.calls, 6);
}

static void t13_missed_ticks_are_skipped(void)
{
    static struct ticks ticks;
    ticks.period_ns = MS(20);
    ticks.stall_at = 2;
    start_ticks(&ticks, 0);
    PUMP_UNTIL(ticks.calls == 5);
    REQUIRE(ticks.missed >= 2);
    tenon_periodic_stop(&ticks.periodic);
}

static void t13_jitter_is_bounded(void)
{
    static struct ticks ticks;
    ticks.period_ns = MS(10);
    ticks.jitter_ns = MS(3);
    start_ticks(&ticks, 0);
    PUMP_UNTIL(ticks.calls == 12);
    tenon_periodic_stop(&ticks.periodic);
}

static void finish_tick(void *user)
{
    struct ticks *ticks = user;
    ticks->result = TENON_OK;
    REQUIRE_OK(tenon_periodic_done(&ticks->periodic, TENON_OK));
}

static void t14_no_overlap_while_pending(void)
{
    static struct ticks ticks;
    ticks.period_ns = MS(10);
    ticks.result = TENON_PENDING;
    start_ticks(&ticks, 0);
    PUMP_UNTIL(ticks.calls == 1);
    rig_pump_for(MS(45));
    REQUIRE_EQ(ticks.calls, 1);
    finish_tick(&ticks);
    PUMP_UNTIL(ticks.calls == 2);
    REQUIRE(ticks.missed >= 3);
    tenon_periodic_stop(&ticks.periodic);
}

static void a_failing_tick_ends_it(void)
{
    static struct ticks ticks;
    ticks.period_ns = MS(5);
    ticks.result = TENON_PROTOCOL;
    start_ticks(&ticks, 0);
    PUMP_UNTIL(rig.reports == 1);
    rig_take_report(TENON_PROTOCOL);
    rig_pump_for(MS(20));
    REQUIRE_EQ(ticks.calls, 1);
    REQUIRE(!tenon_periodic_is_active(&ticks.periodic));
}

static void a_failing_tick_may_survive(void)
{
    static struct ticks ticks;
    ticks.period_ns = MS(5);
    ticks.result = TENON_PROTOCOL;
    start_ticks(&ticks, TENON_PERIODIC_SURVIVE);
    PUMP_UNTIL(ticks.calls == 3);
    REQUIRE_EQ(rig.reports, 3);
    rig.reports = 0;
    tenon_periodic_stop(&ticks.periodic);
}

static const rig_case cases[] = {
    {"T02", "timers of one deadline fire in the order made",
     t02_same_deadline_in_order, 0},
    {"T03", "overdue timers fire in the order of their deadlines",
     t03_overdue_in_deadline_order, 0},
    {"T04", "a delay of zero, or a past deadline, joins the ready queue",
     t04_zero_is_the_next_turn, 0},
    {"T05", "a negative delay is zero", t05_negative_is_zero, 0},
    {"T06", "a delay counts from its call", t06_delays_count_from_the_call,
     NEED_TIME},
    {"T07", "a timer cancelled by another of its batch does not fire",
     t07_cancelled_in_the_same_batch, 0},
    {"T09", "when, reset and delay, in a timer too", t09_when_reset_delay, 0},
    {"T10", "huge delays neither overflow nor fire", t10_huge_delays, 0},
    {"T12", "the clock is the monotonic one", t12_the_clock_is_monotonic,
     NEED_TIME},
    {"T13", "periodic ticks are multiples of the period",
     t13_ticks_are_multiples, 0},
    {"T13b", "ticks missed in a stall are skipped and counted",
     t13_missed_ticks_are_skipped, NEED_TIME},
    {"T13c", "jitter stays within its bounds", t13_jitter_is_bounded, 0},
    {"T14", "a pending tick does not overlap the next",
     t14_no_overlap_while_pending, 0},
    {"T14b", "a failing tick is reported and the last", a_failing_tick_ends_it,
     0},
    {"T14c", "a failing tick may be survived", a_failing_tick_may_survive, 0},
    {"T20", "no timer is early", never_early, 0},
    {"T21", "300 microseconds are not a millisecond", finer_than_milliseconds,
     NEED_TIME},
    {"T22", "a cancelled timer does not disturb the next",
     a_cancelled_timer_costs_nothing, 0},
    {"T23", "a timer that starts itself at zero starves nobody",
     a_timer_at_zero_starves_nobody, 0},
};

const rig_group rig_time = RIG_GROUP(cases);
