/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Group K, tasks: what they return, what they carry, what is reported of them
 * (H20).
 */

#include "task_rig.h"

#include <stdio.h>

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
    int places = 0;
    (void)harness_told(error);
    REQUIRE(tenon_error_format(error, text, sizeof text) < sizeof text);
    while ((at = strstr(at, "task_value.c:")) != NULL) {
        at += strlen("task_value.c:");
        REQUIRE(*at >= '1' && *at <= '9'); /* its line */
        places++;
    }
    REQUIRE(places > DEPTH || rig_swept()); /* which left no memory for them */
    for (; tenon_error_cause(error); error = tenon_error_cause(error)) {
        REQUIRE_STATUS(tenon_error_status(error), TENON_PROTOCOL);
    }
    rig_require_message(error, "no greeting");
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
    REQUIRE(rig_swept() || strcmp(rig.notes, "bad bad bad") == 0);
    tenon_task_unref(joined);
}

/* ---- what is reported ---- */

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
    tenon_task *task = NULL;
    const tenon_task_options options = {
        .size = sizeof options, .name = "forgotten", .free_user = note_call};
    REQUIRE_OK(tenon_reactor_set_error_handler(rig.reactor, tell, NULL));
    REQUIRE_OK(tenon_task_new_at(rig.reactor, note_task, "freed", &options,
                                 &task, "here:1"));
    tenon_task_unref(task);
    REQUIRE_NOTES(""); /* nothing is told inside of a call */
    PUMP_UNTIL(noted("freed"));
    REQUIRE_NOTES("told freed");
    REQUIRE_STR(told, "task never started|forgotten|here:1");
}

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
    const tenon_task_options options = {.size = sizeof options,
                                        .name = "snail"};
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

/* What it says is tested where a process may die. */
static void h20_overflows_are_told_on_request(void)
{
    REQUIRE_OK(tenon_reactor_report_overflow(rig.reactor, true));
    REQUIRE_OK(tenon_reactor_report_overflow(rig.reactor, true));
    require_end(spawn(note_task, "task"), TENON_OK);
    REQUIRE_OK(tenon_reactor_report_overflow(rig.reactor, false));
    REQUIRE_OK(tenon_reactor_report_overflow(rig.reactor, true));
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
    {"K14", "values come through any depth of calls",
     k14_values_through_any_depth, 0},
    {"K14b", "errors too, with every place that they passed",
     k14_the_error_keeps_every_place, 0},
    {"K15", "a task that is never started is reported", k15_never_started, 0},
    {"K20", "a protocol's callbacks have the values of its maker",
     k20_of_whoever_connects_or_listens, 0},
    {"K21", "join waits, and gives the result to everybody", k21_joining, 0},
    {"K21b", "and the error", k21_joining_one_that_fails, 0},
    {"H20", "slow steps and timers are reported with name and duration",
     h20_slow_ones_are_named, NEED_TIME},
    {"H20b", "overflows of stacks are reported on request",
     h20_overflows_are_told_on_request, 0},
};

const rig_group rig_task_value = RIG_GROUP(cases);
