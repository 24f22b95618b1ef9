/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */
/* ctest: labels=async */

/*
 * Scopes beyond the conformance cases: those that are left open, what allocates
 * nothing, errors with children, deep trees, wrong calls.
 */

#include "task_rig.h"

#define MS(n) ((n)*TENON_MILLISECOND)

/* ---- scopes that are left open ---- */

static tenon_timeout left_limit;

static tenon_status leaves_a_limit(void *user)
{
    (void)user;
    return tenon_timeout_begin(&left_limit, MS(10));
}

START_TEST(a_limit_left_open_is_reported)
{
    require_end((spawn(leaves_a_limit, NULL, TENON_TASK_EAGER)), TENON_OK);
    take_report(TENON_BUSY);
    ck_assert(!tenon_reactor_alive(reactor));
}
END_TEST

/* Cancelling it is of no use. */
static tenon_status refuses(void *user)
{
    (void)user;
    ck_assert_int_eq(tenon_mask_begin(), TENON_OK);
    tenon_status status = tenon_sleep(MS(30));
    tenon_mask_end();
    return status;
}

static tenon_status leaves_a_group(void *user)
{
    tenon_group *group = NULL;
    (void)user;
    TENON_TRY(tenon_group_begin(&group));
    TENON_TRY(tenon_group_spawn(group, refuses, NULL, NULL, NULL));
    return tenon_sleep(MS(1));
}

START_TEST(a_group_left_open_is_reported)
{
    tenon_task *task = spawn(leaves_a_group, NULL, 0);
    advance(MS(1));
    require_end(task, TENON_OK);
    take_report(TENON_BUSY);
    ck_assert_uint_eq(tenon_task_count(reactor), 1);
    advance(MS(30));
    ck_assert_uint_eq(tenon_task_count(reactor), 0);
}
END_TEST

static tenon_status fails_at_once(void *user)
{
    (void)user;
    return -EIO;
}

START_TEST(a_failed_group_that_nobody_closes_is_reported)
{
    tenon_group *group = NULL;
    ck_assert_int_eq(tenon_group_new(reactor, &group), TENON_OK);
    ck_assert_int_eq(tenon_group_spawn(group, fails_at_once, NULL, NULL, NULL),
                     TENON_OK);
    tenon_group_unref(group);
    settle();
    take_report(-EIO);
}
END_TEST

/* ---- what allocates nothing ---- */

static tenon_status limited_waits(void *user)
{
    uint64_t before = 0;
    for (int i = 0; i < 20; i++) {
        tenon_timeout limit;
        if (i == 10) { /* by now the heap of timers is as big as it gets */
            before = guard.heap.requests;
        }
        TENON_TRY(tenon_timeout_begin(&limit, MS(100)));
        TENON_TRY(tenon_timeout_move(&limit, MS(50)));
        TENON_TRY(tenon_timeout_end(&limit, tenon_sleep(MS(1))));
        ck_assert_int_eq(tenon_await_keep(user, 0), TENON_TIMED_OUT);
        before += i < 10 ? 0 : 1; /* the error that says so */
    }
    ck_assert_uint_eq(guard.heap.requests, before);
    return TENON_OK;
}

START_TEST(limits_allocate_nothing)
{
    tenon_future *f = pending();
    tenon_task *task = spawn(limited_waits, f, 0);
    advance(MS(100));
    require_end(task, TENON_OK);
    tenon_future_unref(f);
}
END_TEST

static tenon_status awaits_for(void *user)
{
    uint64_t before = guard.heap.requests;
    TENON_TRY(tenon_await_for(user, MS(100)));
    ck_assert_uint_eq(guard.heap.requests, before);
    return TENON_OK;
}

static tenon_status warms(void *user)
{
    return tenon_await_for(user, MS(100));
}

START_TEST(limited_waits_allocate_nothing)
{
    tenon_future *f = pending();
    tenon_task *warm = spawn(warms, f, 0); /* makes the heap of timers */
    advance(0);
    tenon_task *task = spawn(awaits_for, f, 0);
    advance(MS(1));
    resolve(f, 1);
    advance(MS(1));
    require_end(task, TENON_OK);
    require_end(warm, TENON_OK);
    tenon_future_unref(f);
}
END_TEST

/* ---- errors with children ---- */

static tenon_error *parent_of(tenon_error *const *children, size_t count)
{
    const tenon_error_options chosen = {.size = sizeof chosen,
                                        .status = TENON_ABORTED,
                                        .message = "several",
                                        .allocator = &guard.heap.allocator,
                                        .children = children,
                                        .child_count = count};
    return tenon_error_new(&chosen);
}

START_TEST(errors_nest_as_deep_as_they_like)
{
    char text[4096];
    tenon_error *error = tenon_error_of(-EIO, "deep");
    for (int i = 0; i < 100000; i++) {
        tenon_error *const both[] = {error, error};
        tenon_error *outer = parent_of(both, i % 2 ? 2 : 1);
        tenon_error_unref(error);
        error = outer;
    }
    ck_assert_uint_lt(tenon_error_format(error, text, sizeof text), 4000);
    ck_assert_ptr_nonnull(strstr(text, "[...]"));
    tenon_error_unref(error); /* without recursion */
}
END_TEST

START_TEST(errors_tell_their_children)
{
    char text[256];
    tenon_error *both[] = {tenon_error_of(-EIO, "one"),
                           tenon_error_of(-EPIPE, "two")};
    tenon_error *error = parent_of(both, 2);
    tenon_error_unref(both[0]);
    tenon_error_unref(both[1]);
    (void)tenon_error_format(error, text, sizeof text);
    ck_assert_str_eq(text, "tenon: several (TENON_ABORTED) <- [system: one "
                           "(EIO) | system: two (EPIPE)]");
    ck_assert_uint_eq(tenon_error_child_count(error), 2);
    ck_assert_ptr_eq(tenon_error_cause(error), both[0]);
    ck_assert_ptr_eq(tenon_error_child(error, 1), both[1]);
    ck_assert_ptr_null(tenon_error_child(error, 2));
    ck_assert_uint_eq(tenon_error_child_count(both[0]), 0);
    ck_assert_uint_eq(tenon_error_child_count(NULL), 0);
    ck_assert_ptr_null(tenon_error_child(NULL, 0));
    tenon_error_unref(error);
}
END_TEST

/* ---- deep trees, several askers ---- */

enum { DEPTH = 300 };

static tenon_status deeper(void *user)
{
    tenon_group *group = NULL;
    int *left = user;
    if ((*left)-- == 0) {
        return tenon_sleep(MS(1000000));
    }
    TENON_TRY(tenon_group_begin(&group));
    tenon_status status = tenon_group_spawn(group, deeper, left, NULL, NULL);
    return tenon_group_end(group, status);
}

static tenon_status cancels(void *task)
{
    return tenon_task_cancel(task, NULL) == TENON_PENDING ? TENON_OK
                                                          : TENON_INVALID;
}

START_TEST(deep_trees_of_groups_are_cancelled)
{
    int left = DEPTH;
    tenon_task *task = spawn(deeper, &left, 0);
    settle();
    ck_assert_uint_eq(tenon_task_count(reactor), DEPTH + 1);
    tenon_task *other = spawn(cancels, task, 0); /* on a small stack */
    settle();
    require_end(other, TENON_OK);
    require_end(task, TENON_CANCELLED);
    ck_assert_uint_eq(tenon_task_count(reactor), 0);
}
END_TEST

static tenon_future *all;

static tenon_status pulls(void *user)
{
    tenon_future *one = NULL;
    int64_t number = 0;
    (void)user;
    TENON_TRY(tenon_completed_next(all, &one));
    TENON_TRY(tenon_future_int(one, &number));
    put((char)number);
    return TENON_OK;
}

START_TEST(several_may_ask_for_the_next)
{
    tenon_future *f[] = {pending(), pending(), pending()};
    ck_assert_int_eq(tenon_as_completed(reactor, f, 3, TENON_FOREVER, &all),
                     TENON_OK);
    tenon_task *a = spawn(pulls, NULL, 0);
    tenon_task *b = spawn(pulls, NULL, 0);
    tenon_task *c = spawn(pulls, NULL, 0);
    settle();
    resolve(f[1], '1');
    resolve(f[0], '0');
    turns(1); /* two of them are called: one will not come */
    ck_assert_int_eq(tenon_task_cancel(a, NULL), TENON_PENDING);
    settle();
    ck_assert_str_eq(notes, "10");
    require_end(a, TENON_CANCELLED);
    require_end(b, TENON_OK);
    require_end(c, TENON_OK);
    resolve(f[2], '2');
    settle();
    for (int i = 0; i < 3; i++) {
        tenon_future_unref(f[i]);
    }
    require_int(all, 3);
    tenon_future_unref(all);
}
END_TEST

/* ---- wrong calls ---- */

static tenon_status wrong_in_a_task(void *user)
{
    tenon_timeout limit;
    tenon_group *group = NULL;
    tenon_future *one = NULL;
    tenon_future *f = user;
    ck_assert_int_eq(tenon_timeout_begin(NULL, 1), TENON_INVALID);
    ck_assert_int_eq(tenon_timeout_begin(&limit, TENON_FOREVER), TENON_OK);
    ck_assert_int_eq(tenon_timeout_end(&limit, TENON_HIGH), TENON_HIGH);
    ck_assert_int_eq(tenon_timeout_end(&limit, TENON_OK), TENON_INVALID);
    ck_assert_int_eq(tenon_timeout_end(&limit, -EIO), -EIO);
    ck_assert_int_eq(tenon_group_begin(NULL), TENON_INVALID);
    ck_assert_int_eq(tenon_group_begin(&group), TENON_OK);
    ck_assert_int_eq(tenon_group_close(group), TENON_INVALID);
    ck_assert_int_eq(tenon_group_end(group, TENON_HIGH), TENON_HIGH);
    ck_assert_int_eq(tenon_group_end(NULL, TENON_OK), TENON_INVALID);
    ck_assert_int_eq(tenon_completed_next(f, &one), TENON_INVALID);
    ck_assert_int_eq(tenon_await_for(NULL, 1), TENON_INVALID);
    ck_assert_int_eq(tenon_await_keep(NULL, 1), TENON_INVALID);
    ck_assert_int_eq(tenon_kill(NULL, 1), TENON_INVALID);
    ck_assert_int_eq(tenon_retry(NULL, NULL, NULL), TENON_INVALID);
    ck_assert_int_eq(tenon_atomic_begin(), TENON_OK);
    ck_assert_int_eq(tenon_await_for(f, 1), TENON_BUSY);
    ck_assert_int_eq(tenon_await_keep(f, 1), TENON_BUSY);
    ck_assert_int_eq(reports, 2);
    reports = 0;
    ck_assert_int_eq(tenon_atomic_end(), TENON_OK);
    return TENON_OK;
}

START_TEST(wrong_calls_are_refused)
{
    tenon_timeout limit;
    tenon_group *group = NULL;
    tenon_future *out = NULL;
    tenon_coop *work_out = NULL;
    tenon_future *f = pending();
    ck_assert_int_eq(tenon_timeout_begin(&limit, 1), TENON_INVALID);
    ck_assert_int_eq(tenon_group_begin(&group), TENON_INVALID);
    ck_assert_int_eq(tenon_await_for(f, 1), TENON_INVALID);
    ck_assert_int_eq(tenon_await_keep(f, 1), TENON_INVALID);
    ck_assert_int_eq(tenon_shield(f, NULL), TENON_INVALID);
    ck_assert_int_eq(tenon_shield(NULL, &out), TENON_INVALID);
    ck_assert_int_eq(tenon_with_timeout(NULL, 1, 0, &out), TENON_INVALID);
    ck_assert_int_eq(tenon_stagger(reactor, NULL, &out), TENON_INVALID);
    ck_assert_int_eq(tenon_retry_future(reactor, NULL, NULL, &out),
                     TENON_INVALID);
    ck_assert_int_eq(tenon_coop_start(reactor, NULL, &work_out), TENON_INVALID);
    ck_assert_int_eq(tenon_gather_named(reactor, NULL, 2, 0, &out),
                     TENON_INVALID);
    ck_assert_int_eq(tenon_group_close(NULL), TENON_INVALID);
    ck_assert_int_eq(tenon_group_cancel(NULL, NULL), TENON_INVALID);
    tenon_group_unref(NULL);
    tenon_coop_unref(NULL);
    tenon_task *task = spawn(wrong_in_a_task, f, 0);
    settle();
    require_end(task, TENON_OK);
    tenon_future_unref(f);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        a_limit_left_open_is_reported,
        a_group_left_open_is_reported,
        a_failed_group_that_nobody_closes_is_reported,
        limits_allocate_nothing,
        limited_waits_allocate_nothing,
        errors_nest_as_deep_as_they_like,
        errors_tell_their_children,
        deep_trees_of_groups_are_cancelled,
        several_may_ask_for_the_next,
        wrong_calls_are_refused,
    };
    return RUN_TESTS("scope", tests);
}
