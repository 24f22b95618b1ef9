/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Tasks on a reactor of the test's own: how they begin, wait, return and end,
 * what their memory is, and what becomes of those that will not end.
 */

#include <signal.h>

#include "async/task.h"
#include "future_rig.h"

static tenon_status put_user(void *user)
{
    put(*(const char *)user);
    return TENON_OK;
}

static tenon_task *spawn(tenon_task_fn *fn, void *user, uint32_t flags)
{
    const tenon_task_options options = {.size = sizeof options, .flags = flags};
    tenon_task *task = NULL;
    ck_assert_int_eq(tenon_spawn(reactor, fn, user, &options, &task), TENON_OK);
    return task;
}

/* Runs all that is due within that time. */
static void advance(int64_t delay_ns)
{
    ck_assert_int_eq(tenon_manual_advance(reactor, delay_ns), TENON_OK);
}

/* ---- beginning ---- */

START_TEST(one_begins_in_the_next_turn)
{
    tenon_task *task = spawn(put_user, "a", 0);
    put('b');
    ck_assert_uint_eq(tenon_task_count(reactor), 1);
    turns(1);
    ck_assert_str_eq(notes, "ba");
    ck_assert(tenon_task_is_done(task));
    ck_assert_uint_eq(tenon_task_count(reactor), 0);
    tenon_task_unref(task);
}
END_TEST

START_TEST(an_eager_one_begins_at_once)
{
    tenon_task *task = spawn(put_user, "a", TENON_TASK_EAGER);
    put('b');
    ck_assert_str_eq(notes, "ab");
    ck_assert(tenon_task_is_done(task));
    tenon_task_unref(task);
}
END_TEST

/* ---- waiting ---- */

static tenon_status sleep_twice(void *user)
{
    put(*(const char *)user);
    TENON_TRY(tenon_sleep(TENON_MILLISECOND));
    put(*(const char *)user);
    TENON_TRY(tenon_sleep(TENON_MILLISECOND));
    put(*(const char *)user);
    return tenon_return_int(42);
}

static tenon_status join_it(void *user)
{
    int64_t number = 0;
    TENON_TRY(tenon_join(user));
    TENON_TRY(tenon_future_int(tenon_task_future(user), &number));
    return tenon_return_int(number + 1);
}

START_TEST(tasks_wait_for_time_and_for_each_other)
{
    tenon_task *one = spawn(sleep_twice, "1", 0);
    tenon_task *two = spawn(sleep_twice, "2", 0);
    tenon_task *sum = spawn(join_it, one, 0);
    int64_t number = 0;
    advance(2 * TENON_MILLISECOND);
    ck_assert_str_eq(notes, "121212");
    ck_assert_int_eq(tenon_future_int(tenon_task_future(sum), &number), 0);
    ck_assert_int_eq(number, 43);
    tenon_task_unref(one);
    tenon_task_unref(two);
    tenon_task_unref(sum);
}
END_TEST

static tenon_status wait_for_ever(void *user)
{
    tenon_status status = tenon_await(user);
    put(status == TENON_CANCELLED ? 'c' : '?');
    TENON_TRY(tenon_mask_begin());
    TENON_TRY(tenon_sleep(TENON_MILLISECOND));
    put('d');
    return status;
}

START_TEST(a_cancelled_one_cleans_up)
{
    tenon_future *f = pending();
    tenon_task *task = spawn(wait_for_ever, f, 0);
    turns(1);
    ck_assert_int_eq(tenon_task_cancel(task, "enough"), TENON_PENDING);
    ck_assert_int_eq(tenon_future_state(f), TENON_FUTURE_CANCELLED);
    advance(TENON_MILLISECOND);
    ck_assert_int_eq(tenon_future_state(tenon_task_future(task)),
                     TENON_FUTURE_CANCELLED);
    ck_assert_str_eq(notes, "cd");
    tenon_task_unref(task);
    tenon_future_unref(f);
}
END_TEST

START_TEST(the_end_of_the_reactor_ends_them)
{
    tenon_future *f = pending();
    tenon_task *task = spawn(wait_for_ever, f, 0);
    turns(1);
    ck_assert_int_eq(tenon_reactor_close(reactor), TENON_PENDING);
    (void)tenon_manual_advance(reactor, TENON_MILLISECOND);
    ck_assert(tenon_reactor_is_closed(reactor));
    ck_assert_str_eq(notes, "cd");
    ck_assert(tenon_task_is_done(task));
    tenon_task_unref(task);
    tenon_future_unref(f);
}
END_TEST

static tenon_status third(void *user)
{
    (void)user;
    return tenon_raise(TENON_PROTOCOL, "no greeting");
}

static tenon_status second(void *user)
{
    TENON_TRY(third(user));
    return TENON_OK;
}

static tenon_status first(void *user)
{
    TENON_TRY(tenon_yield());
    TENON_TRY(second(user));
    return TENON_OK;
}

START_TEST(an_error_tells_its_way)
{
    char text[512];
    tenon_task *task = spawn(first, NULL, 0);
    turns(2);
    tenon_error *error = tenon_future_error(tenon_task_future(task));
    (void)tenon_error_format(error, text, sizeof text);
    ck_assert_ptr_nonnull(strstr(text, "no greeting"));
    int places = 0;
    for (tenon_error *e = error; e; e = tenon_error_cause(e)) {
        ck_assert_int_eq(tenon_error_status(e), TENON_PROTOCOL);
        places++;
    }
    ck_assert_int_eq(places, 3);
    tenon_task_unref(task);
}
END_TEST

/* ---- who waits for whom ---- */

static tenon_task *ring[2];

static tenon_status wait_for(void *user)
{
    return tenon_join(*(tenon_task **)user);
}

static const char *dump(uint32_t format)
{
    static char text[4096];
    FILE *file = fmemopen(text, sizeof text, "w");
    ck_assert_int_eq(tenon_tasks_dump(reactor, file, format), TENON_OK);
    fclose(file);
    return text;
}

START_TEST(the_dump_tells_who_waits_for_whom)
{
    tenon_future *f = pending();
    tenon_task *lone = spawn(wait_for_ever, f, 0);
    ring[0] = spawn(wait_for, &ring[1], 0);
    ring[1] = spawn(wait_for, &ring[0], 0);
    tenon_task_set_name(ring[1], "odd \"name\"");
    turns(1);
    const char *text = dump(TENON_TASKS_TEXT);
    ck_assert_ptr_nonnull(strstr(text, "task #1 task waiting for future at "));
    ck_assert_ptr_nonnull(strstr(text, " -> #3 odd \"name\" made at "));
    ck_assert_ptr_nonnull(
        strstr(text, "ring #2 task -> #3 odd \"name\" -> #2\n"));
    text = dump(TENON_TASKS_JSON);
    ck_assert_ptr_nonnull(strstr(text, "\"name\":\"odd \\\"name\\\"\""));
    ck_assert_ptr_nonnull(strstr(text, "\"task\":3,"));
    ck_assert_ptr_nonnull(strstr(text, "\"rings\":[[2,3]]}"));
    ck_assert_int_eq(tenon_task_cancel(ring[0], NULL), TENON_PENDING);
    ck_assert_int_eq(tenon_task_cancel(lone, NULL), TENON_PENDING);
    advance(TENON_MILLISECOND);
    ck_assert_uint_eq(tenon_task_count(reactor), 0);
    ck_assert_int_eq(tenon_future_state(tenon_task_future(ring[0])),
                     TENON_FUTURE_CANCELLED);
    tenon_task_unref(lone);
    tenon_task_unref(ring[0]);
    tenon_task_unref(ring[1]);
    tenon_future_unref(f);
}
END_TEST

START_TEST(a_signal_asks_for_the_dump)
{
    static char text[4096];
    tenon_future *f = pending();
    tenon_task *lone = spawn(wait_for_ever, f, 0);
    FILE *file = fmemopen(text, sizeof text, "w");
    turns(1);
    ck_assert_int_eq(tenon_tasks_dump_on_signal(reactor, SIGUSR2, file,
                                                TENON_TASKS_JSON + 1),
                     TENON_INVALID);
    ck_assert_int_eq(
        tenon_tasks_dump_on_signal(reactor, SIGUSR2, file, TENON_TASKS_TEXT),
        TENON_OK);
    ck_assert_int_eq(raise(SIGUSR2), 0);
    turns(2);
    ck_assert_ptr_nonnull(strstr(text, "task #1 task waiting for future"));
    ck_assert_int_eq(tenon_tasks_dump_on_signal(reactor, SIGUSR2, NULL, 0),
                     TENON_OK);
    fclose(file);
    ck_assert_int_eq(tenon_task_cancel(lone, NULL), TENON_PENDING);
    advance(TENON_MILLISECOND);
    tenon_task_unref(lone);
    tenon_future_unref(f);
}
END_TEST

/* ---- stacks ---- */

static tenon_status do_nothing(void *user)
{
    (void)user;
    return TENON_OK;
}

static tenon_status sleep_once(void *user)
{
    (void)user;
    return tenon_sleep(TENON_MILLISECOND);
}

enum { MANY = 300, LATER = 3000 };

START_TEST(stacks_that_nobody_uses_lose_their_pages)
{
    for (int i = 0; i < MANY; i++) {
        tenon_task_unref(spawn(sleep_once, NULL, 0));
    }
    advance(TENON_MILLISECOND);
    ck_assert_uint_eq(reactor->tasks->stacks.warm_count, MANY);
    for (int i = 0; i < LATER; i++) {
        tenon_task_unref(spawn(do_nothing, NULL, TENON_TASK_EAGER));
    }
    ck_assert_uint_le(reactor->tasks->stacks.warm_count, 2);
    settle();
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        one_begins_in_the_next_turn,
        an_eager_one_begins_at_once,
        tasks_wait_for_time_and_for_each_other,
        a_cancelled_one_cleans_up,
        the_end_of_the_reactor_ends_them,
        an_error_tells_its_way,
        the_dump_tells_who_waits_for_whom,
        a_signal_asks_for_the_dump,
        stacks_that_nobody_uses_lose_their_pages,
    };
    return RUN_TESTS("task", tests);
}
