/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Time limits that name a time and not a delay, and work in slices that is
 * held by more than one.
 */

#include "future_rig.h"

static tenon_status wait_until_the_limit(void *user)
{
    tenon_timeout limit;
    int64_t begin_ns = tenon_now(reactor);
    (void)user;
    TENON_TRY(tenon_timeout_begin_at(&limit, begin_ns + 100));
    TENON_TRY(tenon_timeout_move_at(&limit, begin_ns + 300));
    tenon_status status = tenon_sleep(TENON_SECOND);
    status = tenon_timeout_end(&limit, status);
    ck_assert_int_eq(status, TENON_TIMED_OUT);
    ck_assert_int_eq(tenon_now(reactor), begin_ns + 300);
    put('t');
    return TENON_OK;
}

START_TEST(a_limit_may_be_a_time)
{
    tenon_task *task = NULL;
    ck_assert_int_eq(
        tenon_spawn(reactor, wait_until_the_limit, NULL, NULL, &task),
        TENON_OK);
    ck_assert_int_eq(tenon_manual_advance(reactor, 299), TENON_OK);
    ck_assert_str_eq(notes, "");
    ck_assert_int_eq(tenon_manual_advance(reactor, 1), TENON_OK);
    ck_assert_str_eq(notes, "t");
    tenon_task_unref(task);
}
END_TEST

static tenon_status three_steps(tenon_coop *coop, void *user)
{
    (void)coop;
    put('s');
    return ++*(int *)user < 3 ? TENON_PENDING : TENON_OK;
}

START_TEST(work_is_held_by_two)
{
    int steps = 0;
    tenon_coop *coop = NULL;
    const tenon_coop_options work = {
        .size = sizeof work, .fn = three_steps, .user = &steps};
    ck_assert_int_eq(tenon_coop_start(reactor, &work, &coop), TENON_OK);
    ck_assert_ptr_eq(tenon_coop_ref(coop), coop);
    tenon_coop_unref(coop);
    settle();
    ck_assert_str_eq(notes, "sss");
    ck_assert_int_eq(tenon_future_state(tenon_coop_future(coop)),
                     TENON_FUTURE_RESOLVED);
    tenon_coop_unref(coop);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        a_limit_may_be_a_time,
        work_is_held_by_two,
    };
    return RUN_TESTS("scope-times", tests);
}
