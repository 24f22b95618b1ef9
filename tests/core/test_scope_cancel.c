/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */
/* ctest: labels=async timeout=120 */

/*
 * Every composite operation, cancelled at every point, with children of every
 * sort: a table of operations x outcomes of two children x the turn in which
 * the cancelling comes. Whatever happens, the operation completes exactly once,
 * every child ends, every value is freed, nothing is reported, nothing is left
 * in the reactor; and where no child has a say, being cancelled is what comes
 * of it.
 */

#include "future_rig.h"

#define MS(n) ((n)*TENON_MILLISECOND)

enum { TURNS_MAX = 80 };

/* ---- children ---- */

/* What a child does, and what it makes of being cancelled. */
enum sort {
    VALUE,    /* a value soon; else cancelled */
    FAILS,    /* a failure soon; else cancelled */
    GIVES_UP, /* returns TENON_CANCELLED of its own */
    CLEANS,   /* a value late; when cancelled it waits before it ends */
    ABSORBS,  /* a value, cancelled or not */
    BREAKS,   /* a value late; when cancelled it fails */
    SORTS
};

static int values; /* made and not freed */

static void free_value(void *value)
{
    (void)value;
    values--;
}

static tenon_status give(void)
{
    static char value;
    values++;
    return tenon_return(&value, free_value);
}

static tenon_status child(void *user)
{
    enum sort sort = *(const enum sort *)user;
    bool late = sort == CLEANS || sort == BREAKS;
    tenon_status status = tenon_sleep(late ? MS(12) : MS(2));
    if (status == TENON_CANCELLED) {
        if (sort == CLEANS) {
            tenon_mask_begin();
            TENON_TRY(tenon_sleep(MS(2)));
            tenon_mask_end();
        }
        return sort == ABSORBS  ? give()
               : sort == BREAKS ? tenon_raise(-EPIPE, "broken")
                                : TENON_CANCELLED;
    }
    TENON_TRY(status);
    return sort == FAILS      ? tenon_raise(-EIO, "failed")
           : sort == GIVES_UP ? TENON_CANCELLED
                              : give();
}

static enum sort sorts[2];

static tenon_status start(int which, tenon_task **out)
{
    return tenon_spawn(reactor, child, &sorts[which], NULL, out);
}

static tenon_status start_in(tenon_group *group, int which)
{
    return tenon_group_spawn(group, child, &sorts[which], NULL, NULL);
}

/* Both, and the references that the test holds to them. */
static tenon_task *children[2];
static tenon_future *futures[2];

static tenon_status start_both(void)
{
    for (int i = 0; i < 2; i++) {
        TENON_TRY(start(i, &children[i]));
        futures[i] = tenon_task_future(children[i]);
    }
    return TENON_OK;
}

static void drop_both(void)
{
    for (int i = 0; i < 2; i++) {
        if (children[i]) { /* nobody has to look at them */
            (void)tenon_future_error(futures[i]);
            tenon_task_unref(children[i]);
        }
        children[i] = NULL;
    }
}

/* ---- operations, in a task ---- */

static tenon_status op_await_for(void *user)
{
    (void)user;
    TENON_TRY(start_both());
    TENON_TRY(tenon_await_for(futures[0], MS(3)));
    return tenon_await_for(futures[1], MS(3));
}

static tenon_status op_await_keep(void *user)
{
    (void)user;
    TENON_TRY(start_both());
    TENON_TRY(tenon_await_keep(futures[0], MS(3)));
    return tenon_await_keep(futures[1], TENON_FOREVER);
}

static tenon_status wait_both(void)
{
    TENON_TRY(tenon_await(futures[0]));
    return tenon_await(futures[1]);
}

static tenon_status op_limit(void *user)
{
    tenon_timeout limit;
    (void)user;
    TENON_TRY(start_both());
    TENON_TRY(tenon_timeout_begin(&limit, MS(4)));
    return tenon_timeout_end(&limit, wait_both());
}

static tenon_status op_limits(void *user)
{
    tenon_timeout limit;
    TENON_TRY(tenon_timeout_begin(&limit, MS(6)));
    tenon_status status = op_limit(user);
    if (status == TENON_TIMED_OUT) {
        status = tenon_sleep(MS(100));
    }
    return tenon_timeout_end(&limit, status);
}

static tenon_status op_group(void *user)
{
    tenon_group *group = NULL;
    (void)user;
    TENON_TRY(tenon_group_begin(&group));
    tenon_status status = start_in(group, 0);
    if (status == TENON_OK) {
        status = start_in(group, 1);
    }
    return tenon_group_end(group, status);
}

static tenon_status op_group_body(void *user)
{
    tenon_group *group = NULL;
    (void)user;
    TENON_TRY(tenon_group_begin(&group));
    tenon_status status = start_in(group, 0);
    if (status == TENON_OK) {
        status = tenon_sleep(MS(3));
    }
    if (status == TENON_OK) {
        status = start_in(group, 1);
    }
    if (status == TENON_OK) {
        status = tenon_sleep(MS(3));
    }
    return tenon_group_end(group, status);
}

static tenon_status op_groups(void *user)
{
    tenon_group *group = NULL;
    TENON_TRY(tenon_group_begin(&group));
    tenon_status status =
        tenon_group_spawn(group, op_group_body, user, NULL, NULL);
    if (status == TENON_OK) {
        status = op_group(user);
    }
    return tenon_group_end(group, status);
}

static tenon_status op_limited_groups(void *user)
{
    tenon_timeout limit;
    tenon_group *group = NULL;
    TENON_TRY(tenon_timeout_begin(&limit, MS(4)));
    tenon_status status = tenon_group_begin(&group);
    if (status == TENON_OK) {
        status = tenon_group_end(group, op_limits(user));
    }
    return tenon_timeout_end(&limit, status);
}

static tenon_status await_whole(tenon_status status, tenon_future *whole)
{
    return status < 0 ? status : tenon_await_take(whole, NULL, NULL);
}

static tenon_status op_await_gather(void *user)
{
    tenon_future *whole = NULL;
    (void)user;
    TENON_TRY(start_both());
    tenon_status status =
        tenon_gather(reactor, futures, 2, TENON_GATHER_CANCEL_ON_ERROR, &whole);
    return await_whole(status, whole);
}

static tenon_status op_completed(void *user)
{
    tenon_future *all = NULL;
    tenon_future *one = NULL;
    (void)user;
    TENON_TRY(start_both());
    TENON_TRY(tenon_as_completed(reactor, futures, 2, MS(5), &all));
    tenon_status status;
    while ((status = tenon_completed_next(all, &one)) == TENON_OK && one) {
        (void)tenon_future_error(one);
    }
    tenon_future_unref(all);
    return status;
}

static tenon_status one_try(void *user)
{
    int number = (*(int *)user)++ % 2;
    tenon_task *task = NULL;
    TENON_TRY(start(number, &task));
    tenon_status status = tenon_join(task);
    tenon_task_unref(task);
    return status;
}

static tenon_status op_retry(void *user)
{
    int number = 0;
    const tenon_retry_options options = {.size = sizeof options,
                                         .tries = 4,
                                         .delay_ns = MS(2),
                                         .timeout_ns = MS(9)};
    (void)user;
    return tenon_retry(one_try, &number, &options);
}

static tenon_status op_kill(void *user)
{
    (void)user;
    TENON_TRY(start_both());
    TENON_TRY(tenon_yield());
    TENON_TRY(tenon_kill(children[0], MS(1)));
    return tenon_kill(children[1], MS(10));
}

static tenon_status op_shield(void *user)
{
    tenon_future *outer = NULL;
    (void)user;
    TENON_TRY(start_both());
    TENON_TRY(tenon_shield(futures[0], &outer));
    tenon_status status = tenon_await_for(outer, MS(3));
    tenon_future_unref(outer);
    return status;
}

/* ---- operations that are futures ---- */

static tenon_future *made(tenon_status status, tenon_future *whole)
{
    ck_assert_int_eq(status, TENON_OK);
    return whole;
}

static tenon_future *make_gather(void)
{
    tenon_future *whole = NULL;
    tenon_status status =
        tenon_gather(reactor, futures, 2, TENON_GATHER_SETTLED, &whole);
    return made(status, whole);
}

static tenon_future *make_race(void)
{
    tenon_future *whole = NULL;
    tenon_status status = tenon_race(reactor, futures, 2, &whole);
    return made(status, whole);
}

static tenon_future *make_wait(void)
{
    const tenon_wait_options options = {.size = sizeof options,
                                        .timeout_ns = MS(3)};
    tenon_future *whole = NULL;
    tenon_status status = tenon_wait(reactor, futures, 2, &options, &whole);
    return made(status, whole);
}

static tenon_future *make_timeout(void)
{
    tenon_future *whole = NULL;
    tenon_status status = tenon_with_timeout(futures[0], MS(3), 0, &whole);
    return made(status, whole);
}

static tenon_future *make_timeout_keeping(void)
{
    tenon_future *whole = NULL;
    tenon_status status =
        tenon_with_timeout(futures[0], MS(3), TENON_TIMEOUT_KEEP, &whole);
    return made(status, whole);
}

static int owed; /* users to be freed */

static void free_user(void *user)
{
    (void)user;
    owed--;
}

static tenon_status attempt(size_t number, tenon_future **out, void *user)
{
    tenon_task *task = NULL;
    (void)user;
    if (number == 2) {
        return -ENETUNREACH;
    }
    tenon_status status = start((int)(number % 2), &task);
    *out = tenon_task_future(task);
    return status;
}

static tenon_future *make_stagger(void)
{
    const tenon_stagger_options options = {.size = sizeof options,
                                           .count = 4,
                                           .delay_ns = MS(3),
                                           .fn = attempt,
                                           .free_user = free_user};
    tenon_future *whole = NULL;
    owed++;
    tenon_status status = tenon_stagger(reactor, &options, &whole);
    return made(status, whole);
}

static tenon_future *make_retry(void)
{
    const tenon_retry_options options = {.size = sizeof options,
                                         .tries = 4,
                                         .delay_ns = MS(2),
                                         .timeout_ns = MS(9),
                                         .free_user = free_user};
    tenon_future *whole = NULL;
    owed++;
    tenon_status status =
        tenon_retry_future(reactor, attempt, &options, &whole);
    return made(status, whole);
}

static tenon_status one_step(tenon_coop *coop, void *user)
{
    static int steps;
    (void)coop;
    (void)user;
    return ++steps % 7 ? TENON_PENDING : sorts[0] == FAILS ? -EIO : TENON_OK;
}

static tenon_future *make_coop(void)
{
    const tenon_coop_options options = {.size = sizeof options,
                                        .slice_ns = -1,
                                        .fn = one_step,
                                        .free_user = free_user};
    tenon_coop *coop = NULL;
    owed++;
    ck_assert_int_eq(tenon_coop_start(reactor, &options, &coop), TENON_OK);
    return tenon_coop_future(coop);
}

static tenon_future *make_group(void)
{
    tenon_group *group = NULL;
    ck_assert_int_eq(tenon_group_new(reactor, &group), TENON_OK);
    ck_assert_int_eq(start_in(group, 0), TENON_OK);
    ck_assert_int_eq(start_in(group, 1), TENON_OK);
    ck_assert_int_eq(tenon_group_close(group), TENON_OK);
    return tenon_group_future(group);
}

/* ---- the table ---- */

typedef struct operation {
    const char *name;
    tenon_task_fn *task;         /* in a task, or */
    tenon_future *(*make)(void); /* a future, over `futures` or none of them */
    bool over_both;
} operation;

static const operation operations[] = {
    {"await_for", op_await_for, NULL, false},
    {"await_keep", op_await_keep, NULL, false},
    {"limit", op_limit, NULL, false},
    {"limits", op_limits, NULL, false},
    {"group", op_group, NULL, false},
    {"group with a body", op_group_body, NULL, false},
    {"groups", op_groups, NULL, false},
    {"limits and groups", op_limited_groups, NULL, false},
    {"await of a gather", op_await_gather, NULL, false},
    {"as_completed", op_completed, NULL, false},
    {"retry", op_retry, NULL, false},
    {"kill", op_kill, NULL, false},
    {"await_for of a shield", op_shield, NULL, false},
    {"gather", NULL, make_gather, true},
    {"race", NULL, make_race, true},
    {"wait", NULL, make_wait, true},
    {"with_timeout", NULL, make_timeout, true},
    {"with_timeout, keeping", NULL, make_timeout_keeping, true},
    {"stagger", NULL, make_stagger, false},
    {"retry_future", NULL, make_retry, false},
    {"coop", NULL, make_coop, false},
    {"group in callbacks", NULL, make_group, false},
};

static int told;

static void on_end(tenon_waiter *waiter, tenon_future *future, void *user)
{
    (void)waiter;
    (void)user;
    ck_assert(tenon_future_is_done(future));
    (void)tenon_future_error(future);
    told++;
}

static tenon_future *begin(const operation *o)
{
    tenon_task *task = NULL;
    if (o->over_both) {
        ck_assert_int_eq(start_both(), TENON_OK);
    }
    if (o->make) {
        return o->make();
    }
    ck_assert_int_eq(tenon_spawn(reactor, o->task, NULL, NULL, &task),
                     TENON_OK);
    return tenon_task_future(task);
}

static void one_turn(void)
{
    turns(1);
    ck_assert_int_eq(tenon_manual_advance(reactor, MS(1) / 2), TENON_OK);
}

/* Where a child does not interfere, being cancelled is being cancelled. */
static void check_outcome(const operation *o, tenon_status status,
                          bool cancelled)
{
    bool meek = sorts[0] == VALUE && sorts[1] == VALUE;
    switch (status) {
    case TENON_OK:
    case TENON_TIMED_OUT:
    case -EIO:
    case -EPIPE:
    case -ENETUNREACH:
        ck_assert_msg(!(cancelled && meek), "%s: %s though cancelled", o->name,
                      tenon_status_name(status));
        break;
    default:
        ck_assert_msg(status == TENON_CANCELLED, "%s: %s", o->name,
                      tenon_status_name(status));
        ck_assert_msg(cancelled || !meek, "%s: cancelled by nobody", o->name);
    }
}

/* Cancels it after `turn` turns. Returns false when it was done by then. */
static bool run_one(const operation *o, int turn)
{
    tenon_waiter waiter;
    told = 0;
    tenon_future *whole = begin(o);
    ck_assert_int_eq(tenon_future_on_done(whole, &waiter, on_end, NULL),
                     TENON_OK);
    for (int i = 0; i < turn && !tenon_future_is_done(whole); i++) {
        one_turn();
    }
    tenon_status answer = tenon_future_cancel(whole, "by the test");
    bool accepted = answer == TENON_PENDING || answer == TENON_EXISTED;
    for (int i = 0; i < TURNS_MAX && tenon_reactor_alive(reactor); i++) {
        one_turn();
    }
    ck_assert_int_eq(told, 1);
    ck_assert_uint_eq(tenon_task_count(reactor), 0);
    ck_assert(!tenon_reactor_alive(reactor));
    tenon_status status = tenon_error_status(tenon_future_error(whole));
    check_outcome(o, status, accepted);
    tenon_future_unref(whole);
    drop_both();
    settle();
    ck_assert_int_eq(values, 0);
    ck_assert_int_eq(owed, 0);
    ck_assert_int_eq(reports, 0);
    return accepted;
}

START_TEST(cancelled_anywhere)
{
    const operation *o = &operations[_i];
    for (int pair = 0; pair < SORTS * SORTS; pair++) {
        bool more = true;
        for (int turn = 0; more; turn++) {
            ck_assert_int_lt(turn, TURNS_MAX);
            sorts[0] = (enum sort)(pair / SORTS);
            sorts[1] = (enum sort)(pair % SORTS);
            mark_point();
            more = run_one(o, turn);
        }
    }
}
END_TEST

/* A failure that was there may be news; that the reactor ends is none. */
static tenon_status on_late_report(tenon_reactor *r, const tenon_report *report,
                                   void *user)
{
    (void)r;
    (void)user;
    tenon_status status = tenon_error_status(report->error);
    ck_assert_msg(status != TENON_CLOSED && status != TENON_HOST_GONE, "%s: %s",
                  report->what, tenon_status_name(status));
    return TENON_OK;
}

static void end_reactor(bool hard)
{
    if (!hard) {
        (void)tenon_reactor_close(reactor);
    }
    for (int i = 0; i < TURNS_MAX && !hard; i++) {
        hard = tenon_reactor_is_closed(reactor);
        (void)tenon_manual_advance(reactor, MS(1));
    }
    tenon_reactor_host_gone(reactor);
}

static void run_ended(const operation *o, int turn)
{
    tenon_waiter waiter;
    told = 0;
    tenon_reactor_set_error_handler(reactor, on_late_report, NULL);
    tenon_future *whole = begin(o);
    ck_assert_int_eq(tenon_future_on_done(whole, &waiter, on_end, NULL),
                     TENON_OK);
    for (int i = 0; i < turn; i++) {
        one_turn();
    }
    end_reactor(turn % 2 == 0);
    ck_assert_int_eq(told, 1);
    tenon_future_unref(whole);
    drop_both();
    teardown();
    ck_assert_int_eq(values, 0);
    ck_assert_int_eq(owed, 0);
    setup();
}

/* The reactor is closed in the middle instead. */
START_TEST(ended_anywhere)
{
    const operation *o = &operations[_i];
    for (int pair = 0; pair < SORTS * SORTS; pair++) {
        for (int turn = 0; turn < 12; turn++) {
            sorts[0] = (enum sort)(pair / SORTS);
            sorts[1] = (enum sort)(pair % SORTS);
            run_ended(o, turn);
        }
    }
}
END_TEST

int main(void)
{
    int count = (int)(sizeof operations / sizeof operations[0]);
    Suite *suite = suite_create("scope_cancel");
    TCase *tcase = tcase_create("scope_cancel");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_loop_test(tcase, cancelled_anywhere, 0, count);
    tcase_add_loop_test(tcase, ended_anywhere, 0, count);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
