/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Group G: groups of tasks, and staggered races.
 */

#include "scope_rig.h"

/* ---- groups ---- */

typedef struct child {
    tenon_task_fn *fn;
    const char *user;
} child;

static const tenon_task_options no_options = {.size =
                                                  sizeof(tenon_task_options)};

static tenon_status spawn_in(tenon_group *group, tenon_task_fn *fn,
                             const char *user)
{
    return tenon_group_spawn(group, fn, word(user), &no_options, NULL);
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
    size_t children = tenon_error_child_count(tenon_task_error());
    REQUIRE(harness_told(tenon_task_error()) || children == (failed ? 1 : 0));
    return status;
}

static void g18_waits_for_all(void)
{
    static const child two[] = {{naps, "a"}, {naps, "b"}, {NULL, NULL}};
    static const child none[] = {{NULL, NULL}};
    require_run(grouped, two, TENON_OK);
    REQUIRE_NOTES("a+ b+ a- b- end");
    notes_clear();
    require_run(grouped, none, TENON_OK);
    REQUIRE_NOTES("end");
}

static void g18_an_error_cancels(void)
{
    static const child while_waiting[] = {
        {for_ever, "a"}, {fails, ""}, {for_ever, "b"}, {NULL, NULL}};
    static const child in_the_body[] = {
        {for_ever, "a"}, {fails, ""}, {NULL, "body"}};
    require_run(grouped, while_waiting, -EIO);
    REQUIRE_NOTES("a+ b+ ac bc end");
    notes_clear();
    require_run(grouped, in_the_body, -EIO);
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
    if (harness_told(error)) {
        return status;
    }
    REQUIRE_EQ(tenon_error_child_count(error), 2);
    REQUIRE_STATUS(tenon_error_status(tenon_error_child(error, 0)),
                   TENON_PROTOCOL);
    REQUIRE_STATUS(tenon_error_status(tenon_error_child(error, 1)), -EPIPE);
    REQUIRE(tenon_error_child(error, 2) == NULL);
    REQUIRE(tenon_error_cause(error) == tenon_error_child(error, 0));
    return status;
}

static void g18_the_body_fails(void)
{
    require_run(body_fails, NULL, TENON_PROTOCOL);
    REQUIRE_NOTES("a+ ac");
}

static void cancel_grouped(const child *children, tenon_status wanted)
{
    tenon_task *task = spawn(grouped, word(children));
    rig_settle();
    REQUIRE_STATUS(tenon_task_cancel(task, "from outside"), TENON_PENDING);
    require_end(task, wanted);
}

static void g19_an_outer_cancel(void)
{
    warm_up();
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
    if (harness_told(tenon_task_error())) {
        return status;
    }
    REQUIRE_STATUS(status, -EPIPE);
    REQUIRE_EQ(tenon_error_child_count(tenon_task_error()), 1);
    REQUIRE_EQ(tenon_task_cancelling(tenon_task_current()), 1);
    REQUIRE_STATUS(tenon_sleep(LONG), TENON_CANCELLED);
    REQUIRE_STATUS(tenon_sleep(MS(1)), TENON_OK);
    return status;
}

static void g19_neither_is_lost(void)
{
    warm_up();
    static const child late[] = {{fails_late, ""}, {NULL, NULL}};
    static const child body[] = {{fails_late, ""}, {NULL, "body"}};
    const child *const both[] = {late, body};
    for (int i = 0; i < 2; i++) {
        tenon_task *task = spawn(then_waits, word(both[i]));
        rig_settle();
        REQUIRE_STATUS(tenon_task_cancel(task, NULL), TENON_PENDING);
        require_end(task, -EPIPE);
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
    require_run(limited_group, waiting, TENON_TIMED_OUT);
    require_run(limited_group, body, TENON_TIMED_OUT);
    require_run(limited_group, late, -EPIPE);
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
        status = grouped(word(inner));
    }
    REQUIRE_STATUS(status, -EPIPE);
    status = tenon_group_end(group, status);
    if (harness_told(tenon_task_error())) {
        return status;
    }
    REQUIRE_EQ(tenon_error_child_count(tenon_task_error()), 2);
    REQUIRE_EQ(tenon_task_cancelling(tenon_task_current()), 0);
    REQUIRE_STATUS(tenon_checkpoint(), TENON_OK);
    return status;
}

static void g19_nested(void)
{
    require_run(nested_groups, NULL, -EIO);
}

static tenon_group *late_group;

static void note_freed(void *user)
{
    note("freed:%s", (const char *)user);
}

static tenon_status spawn_late(const char *name)
{
    static const tenon_task_options freeing = {.size = sizeof freeing,
                                               .free_user = note_freed};
    return tenon_group_spawn(late_group, for_ever, word(name), &freeing, NULL);
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
    if (status < 0) {
        return tenon_group_end(group, status);
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
    require_run(holds_group, NULL, TENON_OK);
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
    require_run(grows, NULL, TENON_OK);
    REQUIRE_NOTES("late+ late-");
}

static void g20_in_callbacks(void)
{
    warm_up();
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
    static char name[] = "x";
    (void)user;
    REQUIRE_STATUS(tenon_sleep(LONG), TENON_CANCELLED);
    return tenon_return(name, note_resource);
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
    REQUIRE_OK(tenon_spawn(rig.reactor, fn, &names[attempt * 2], NULL,
                           &attempts[attempt]));
    *out = tenon_future_ref(tenon_task_future(attempts[attempt]));
    return TENON_OK;
}

static void drop_attempts(void)
{
    for (int i = 0; i < 8; i++) {
        if (attempts[i]) {
            (void)lost(tenon_task_future(attempts[i]));
            tenon_task_unref(attempts[i]);
            attempts[i] = NULL;
        }
    }
    rig_settle();
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
    warm_up();
    tenon_future *out = stagger("rfsw", LONG);
    PUMP_UNTIL(tenon_future_is_done(out));
    require_value(out, 9);
    REQUIRE_EQ(tenon_stagger_winner(out), 2);
    PUMP_UNTIL(noted("freed:rfsw"));
    drop_attempts();
    REQUIRE_NOTES("0r 1f 2s freed:rfsw");
    tenon_future_unref(out);
}

static void g21_next_after_the_delay(void)
{
    warm_up();
    tenon_future *out = stagger("wxsw", MS(20));
    PUMP_UNTIL(noted("freed:wxsw"));
    drop_attempts();
    require_value(out, 9);
    REQUIRE_EQ(note_count("0c"), 1);       /* the losers were cancelled */
    REQUIRE_EQ(note_count("closed:x"), 1); /* and what one has is closed */
    tenon_future_unref(out);
}

static void g21_none(void)
{
    tenon_future *out = stagger("ffr", LONG);
    PUMP_UNTIL(noted("freed:ffr"));
    drop_attempts();
    tenon_error *error = tenon_future_error(out);
    (void)harness_told(error);
    REQUIRE_STATUS(tenon_error_status(error), -ENETUNREACH);
    REQUIRE_EQ(tenon_error_child_count(error), 3);
    REQUIRE_STATUS(tenon_error_status(tenon_error_child(error, 1)), -EIO);
    REQUIRE_EQ(tenon_stagger_winner(out), SIZE_MAX);
    tenon_future_unref(out);
}

static void g21_cancelled(void)
{
    warm_up();
    tenon_future *out = stagger("ww", LONG);
    PUMP_UNTIL(noted("0+"));
    REQUIRE_STATUS(tenon_future_cancel(out, NULL), TENON_EXISTED);
    PUMP_UNTIL(noted("freed:ww"));
    drop_attempts();
    REQUIRE_NOTES("0w 0+ 0c freed:ww");
    REQUIRE(!tenon_reactor_alive(rig.reactor));
    tenon_future_unref(out);
}

static const rig_case cases[] = {
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

const rig_group rig_nursery = RIG_GROUP(cases);
