/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Tasks under attack: waits where there can be none, futures that go away,
 * cancelling in every state and along chains and rings, hooks and visitors
 * that change what they look at, calls on the loop's stack.
 */

#include "task_rig.h"

static void count(void *user)
{
    (*(int *)user)++;
}

/* ---- waits where there can be none ---- */

static tenon_future *shared;

static void try_all_waits(void *user)
{
    tenon_future *future = NULL;
    int64_t number = 7;
    (void)user;
    ck_assert_ptr_null(tenon_task_current());
    ck_assert_int_eq(tenon_await(shared), TENON_INVALID);
    ck_assert_int_eq(tenon_sleep(1), TENON_INVALID);
    ck_assert_int_eq(tenon_sleep_until(1), TENON_INVALID);
    ck_assert_int_eq(tenon_yield(), TENON_INVALID);
    ck_assert_int_eq(tenon_checkpoint(), TENON_INVALID);
    ck_assert_int_eq(tenon_mask_begin(), TENON_INVALID);
    ck_assert_int_eq(tenon_mask_end(), TENON_INVALID);
    ck_assert_int_eq(tenon_atomic_begin(), TENON_INVALID);
    ck_assert_int_eq(tenon_atomic_end(), TENON_INVALID);
    ck_assert_int_eq(tenon_on_host_stack(try_all_waits, NULL), TENON_INVALID);
    ck_assert_int_eq(tenon_return_int(1), TENON_INVALID);
    ck_assert_int_eq(tenon_raise(TENON_ABORTED, "x"), TENON_ABORTED);
    ck_assert_int_eq(tenon_pass_at(TENON_ABORTED, "x", 1), TENON_ABORTED);
    ck_assert_ptr_null(tenon_task_error());
    ck_assert_int_eq(tenon_future_ready_int(reactor, 1, &future), TENON_OK);
    ck_assert_int_eq(tenon_await_int(future, &number), TENON_INVALID);
    ck_assert_int_eq(number, 7);
    put('w');
}

static bool visit_trying(tenon_task *task, void *user)
{
    (void)task;
    try_all_waits(user);
    return true;
}

static void hook_trying(tenon_task *task, void *user)
{
    (void)task;
    try_all_waits(user);
}

static tenon_status no_op(void *user)
{
    (void)user;
    return TENON_OK;
}

static tenon_status tries_on_top(void *user)
{
    tenon_task *self = tenon_task_current();
    ck_assert_int_eq(tenon_on_host_stack(try_all_waits, user), TENON_OK);
    ck_assert_uint_eq(tenon_task_foreach(reactor, visit_trying, NULL), 1);
    ck_assert_int_eq(tenon_reactor_set_spawn_hook(reactor, hook_trying, NULL),
                     TENON_OK);
    ck_assert_int_eq(tenon_spawn(reactor, no_op, NULL, NULL, NULL), TENON_OK);
    ck_assert_int_eq(tenon_reactor_set_spawn_hook(reactor, NULL, NULL),
                     TENON_OK);
    ck_assert_ptr_eq(tenon_task_current(), self);
    return tenon_yield();
}

START_TEST(nothing_waits_on_top_of_a_task)
{
    shared = pending();
    try_all_waits(NULL); /* outside of everything */
    tenon_task *task = spawn(tries_on_top, NULL, 0);
    settle();
    require_end(task, TENON_OK);
    ck_assert_str_eq(notes, "wwww");
    tenon_future_unref(shared);
}
END_TEST

static tenon_status in_one_piece(void *user)
{
    tenon_future *done = user;
    ck_assert_int_eq(tenon_atomic_end(), TENON_INVALID);
    ck_assert_int_eq(tenon_atomic_begin(), TENON_OK);
    ck_assert_int_eq(tenon_atomic_begin(), TENON_OK);
    ck_assert_int_eq(tenon_atomic_end(), TENON_OK);
    ck_assert_int_eq(tenon_sleep(1), TENON_BUSY);
    take_report(TENON_BUSY);
    ck_assert_int_eq(tenon_await(shared), TENON_BUSY);
    take_report(TENON_BUSY);
    ck_assert_int_eq(tenon_await(done), TENON_BUSY); /* whatever its state */
    take_report(TENON_BUSY);
    ck_assert_int_eq(tenon_atomic_end(), TENON_OK);
    ck_assert_int_eq(tenon_atomic_end(), TENON_INVALID);
    ck_assert_int_eq(tenon_mask_end(), TENON_INVALID);
    ck_assert_int_eq(tenon_await(done), TENON_OK);
    ck_assert_int_eq(tenon_atomic_begin(), TENON_OK); /* left open */
    return tenon_mask_begin();
}

START_TEST(an_atomic_region_refuses_every_wait)
{
    tenon_future *done = NULL;
    shared = pending();
    ck_assert_int_eq(tenon_future_ready_int(reactor, 1, &done), TENON_OK);
    tenon_task *task = spawn(in_one_piece, done, 0);
    settle();
    require_end(task, TENON_OK);
    tenon_future_unref(done);
    tenon_future_unref(shared);
}
END_TEST

static tenon_status wants_nothing(void *user)
{
    void *value = user;
    ck_assert_int_eq(tenon_await(NULL), TENON_INVALID);
    ck_assert_int_eq(tenon_join(NULL), TENON_INVALID);
    ck_assert_int_eq(tenon_await_take(NULL, &value, NULL), TENON_INVALID);
    ck_assert_int_eq(tenon_await_int(NULL, NULL), TENON_INVALID);
    ck_assert_int_eq(tenon_on_host_stack(NULL, NULL), TENON_INVALID);
    ck_assert_int_eq(tenon_local_set(NULL, NULL, NULL), TENON_INVALID);
    ck_assert_int_eq(tenon_raise_error(NULL), TENON_OK);
    tenon_future gone;
    ck_assert_int_eq(tenon_future_init(&gone, reactor), TENON_OK);
    tenon_future_fini(&gone);
    ck_assert_int_eq(tenon_await(&gone), TENON_INVALID);
    return TENON_OK;
}

START_TEST(what_is_not_there_is_refused)
{
    tenon_task *task = spawn(wants_nothing, NULL, 0);
    settle();
    require_end(task, TENON_OK);
    ck_assert_int_eq(tenon_spawn(reactor, NULL, NULL, NULL, &task),
                     TENON_INVALID);
    ck_assert_int_eq(tenon_spawn(NULL, no_op, NULL, NULL, &task),
                     TENON_INVALID);
    ck_assert_int_eq(tenon_task_new(reactor, no_op, NULL, NULL, NULL),
                     TENON_INVALID);
    ck_assert_int_eq(tenon_task_start(NULL), TENON_INVALID);
    ck_assert_int_eq(tenon_task_cancel(NULL, NULL), TENON_INVALID);
    ck_assert_uint_eq(tenon_task_foreach(NULL, NULL, NULL), 0);
    ck_assert_uint_eq(tenon_task_count(NULL), 0);
    ck_assert_ptr_null(tenon_task_future(NULL));
    ck_assert_ptr_null(tenon_task_of(NULL));
    tenon_task_unref(tenon_task_ref(NULL));
    tenon_task_set_name(NULL, "x");
}
END_TEST

START_TEST(nobody_else_completes_its_future)
{
    tenon_future *other = pending();
    tenon_task *task = spawn(no_op, NULL, 0);
    tenon_future *f = tenon_task_future(task);
    tenon_error *error = tenon_error_of(TENON_ABORTED, NULL);
    ck_assert_int_eq(tenon_future_resolve(f, NULL, NULL), TENON_INVALID);
    ck_assert_int_eq(tenon_future_try_resolve_int(f, 1), TENON_INVALID);
    ck_assert_int_eq(tenon_future_fail(f, error), TENON_INVALID);
    ck_assert_int_eq(tenon_future_link(other, f, 0), TENON_INVALID);
    ck_assert_ptr_eq(tenon_task_of(f), task);
    ck_assert_ptr_null(tenon_task_of(other));
    settle();
    ck_assert_int_eq(tenon_future_try_resolve_int(f, 1), TENON_EXISTED);
    require_end(task, TENON_OK);
    tenon_error_unref(error);
    tenon_future_unref(other);
}
END_TEST

/* ---- futures that go away ---- */

START_TEST(an_embedded_future_ends_under_its_task)
{
    tenon_future here;
    ck_assert_int_eq(tenon_future_init(&here, reactor), TENON_OK);
    tenon_task *task = spawn(await_it, &here, 0);
    settle();
    tenon_future_fini(&here);
    memset(&here, 0xA5, sizeof here);
    ck_assert_str_eq(notes, "");
    settle();
    ck_assert_str_eq(notes, "C");
    require_end(task, TENON_CANCELLED);
}
END_TEST

START_TEST(so_does_one_that_is_done)
{
    tenon_future here;
    ck_assert_int_eq(tenon_future_init(&here, reactor), TENON_OK);
    tenon_task *task = spawn(await_it, &here, 0);
    settle();
    resolve(&here, 1);
    tenon_future_fini(&here);
    memset(&here, 0xA5, sizeof here);
    settle();
    ck_assert_str_eq(notes, ".");
    require_end(task, TENON_OK);
}
END_TEST

START_TEST(and_one_whose_task_is_cancelled)
{
    tenon_future here;
    ck_assert_int_eq(tenon_future_init(&here, reactor), TENON_OK);
    tenon_task *task = spawn(await_it, &here, 0);
    settle();
    resolve(&here, 1);
    ck_assert_int_eq(tenon_task_cancel(task, "x"), TENON_PENDING);
    tenon_future_fini(&here);
    memset(&here, 0xA5, sizeof here);
    settle();
    require_end(task, TENON_CANCELLED);
}
END_TEST

START_TEST(the_last_reference_goes_under_its_task)
{
    tenon_future *f = pending();
    tenon_task *task = spawn(await_it, f, 0);
    settle();
    tenon_future_unref(f);
    settle();
    ck_assert_str_eq(notes, "C");
    require_end(task, TENON_CANCELLED);
}
END_TEST

static tenon_status takes(void *user)
{
    void *value = NULL;
    tenon_free_fn *free_value = NULL;
    tenon_status status = tenon_await_take(user, &value, &free_value);
    if (status == TENON_OK && free_value) {
        free_value(value);
    }
    return status;
}

START_TEST(a_value_is_taken_once)
{
    int freed = 0;
    tenon_future *f = pending();
    tenon_task *task = spawn(takes, tenon_future_ref(f), 0);
    tenon_task *late = spawn(takes, tenon_future_ref(f), 0);
    settle();
    ck_assert_int_eq(tenon_future_resolve(f, &freed, count), TENON_OK);
    settle();
    require_end(task, TENON_OK);
    require_end(late, TENON_INVALID);
    ck_assert_int_eq(freed, 1);
    tenon_future_unref(f);
}
END_TEST

/* ---- cancelling, in every state ---- */

START_TEST(cancelled_before_it_is_started)
{
    int freed = 0;
    tenon_task *task = NULL;
    const tenon_task_options options = {.size = sizeof options,
                                        .free_user = count};
    ck_assert_int_eq(
        tenon_task_new(reactor, never_called, &freed, &options, &task),
        TENON_OK);
    ck_assert_int_eq(tenon_task_cancel(task, "x"), TENON_EXISTED);
    ck_assert_int_eq(freed, 0); /* not inside of a call */
    ck_assert_int_eq(tenon_task_start(task), TENON_DONE);
    settle();
    ck_assert_int_eq(freed, 1);
    require_end(task, TENON_CANCELLED);
}
END_TEST

START_TEST(the_future_of_a_task_cancels_it)
{
    tenon_future *f = pending();
    tenon_task *task = spawn(await_it, f, 0);
    settle();
    ck_assert_int_eq(tenon_future_cancel(tenon_task_future(task), "x"),
                     TENON_PENDING);
    ck_assert_int_eq(tenon_future_state(f), TENON_FUTURE_CANCELLED);
    settle();
    require_end(task, TENON_CANCELLED);
    tenon_future_unref(f);
}
END_TEST

static tenon_status shielded(void *user)
{
    ck_assert_int_eq(tenon_mask_begin(), TENON_OK);
    ck_assert_int_eq(tenon_await(user), TENON_OK);
    put('a');
    ck_assert_int_eq(tenon_yield(), TENON_OK);
    put('b');
    ck_assert_int_eq(tenon_mask_end(), TENON_OK);
    put('c');
    return tenon_yield();
}

START_TEST(a_mask_keeps_it_off)
{
    tenon_future *f = pending();
    tenon_task *task = spawn(shielded, f, 0);
    settle();
    ck_assert_int_eq(tenon_task_cancel(task, "x"), TENON_PENDING);
    ck_assert_int_eq(tenon_task_cancel(task, "y"), TENON_PENDING);
    settle();
    ck_assert_int_eq(tenon_future_state(f), TENON_FUTURE_PENDING);
    resolve(f, 1);
    settle();
    ck_assert_str_eq(notes, "abc");
    tenon_error *error = tenon_future_error(tenon_task_future(task));
    ck_assert_str_eq(tenon_error_message(error), "y");
    ck_assert_uint_eq(tenon_task_cancelling(task), 2);
    require_end(task, TENON_CANCELLED);
    tenon_future_unref(f);
}
END_TEST

static tenon_status told_once(void *future)
{
    tenon_status status = future ? tenon_await(future) : tenon_yield();
    put(status == TENON_CANCELLED ? 'C' : '?');
    put(tenon_yield() == TENON_OK ? 'y' : 'n');
    return status;
}

static void cancel_it(void *task)
{
    ck_assert_int_eq(tenon_task_cancel(task, "x"), TENON_PENDING);
}

/* Woken already, by its turn or by a result, it has not gone on yet. */
START_TEST(a_ready_one_is_told_once)
{
    tenon_future *f = pending();
    tenon_task *task = spawn(told_once, NULL, TENON_TASK_EAGER);
    cancel_it(task);
    settle();
    require_end(task, TENON_CANCELLED);
    task = spawn(told_once, f, TENON_TASK_EAGER);
    resolve(f, 1);
    cancel_it(task);
    settle();
    require_end(task, TENON_CANCELLED);
    ck_assert_str_eq(notes, "CyCy");
    tenon_future_unref(f);
}
END_TEST

static tenon_task *ring[3];

static tenon_status join_next(void *user)
{
    tenon_status status = tenon_join(*(tenon_task **)user);
    put(status == TENON_CANCELLED ? 'C' : '?');
    return status;
}

START_TEST(a_ring_is_broken)
{
    for (int i = 0; i < 3; i++) {
        ring[i] = spawn(join_next, &ring[(i + 1) % 3], 0);
    }
    settle();
    ck_assert_int_eq(tenon_task_cancel(ring[1], "x"), TENON_PENDING);
    settle();
    ck_assert_str_eq(notes, "CCC");
    for (int i = 0; i < 3; i++) {
        require_end(ring[i], TENON_CANCELLED);
    }
}
END_TEST

static tenon_status join_both(void *user)
{
    tenon_future *others[2] = {tenon_task_future(*(tenon_task **)user), shared};
    tenon_future *all = NULL;
    ck_assert_int_eq(tenon_gather(reactor, others, 2, 0, &all), TENON_OK);
    tenon_status status = tenon_await(all);
    tenon_future_unref(all);
    return status;
}

START_TEST(so_is_one_with_groups_in_it)
{
    shared = pending();
    for (int i = 0; i < 3; i++) {
        ring[i] = spawn(join_both, &ring[(i + 1) % 3], 0);
    }
    settle();
    ck_assert_int_eq(tenon_task_cancel(ring[2], "x"), TENON_PENDING);
    settle();
    for (int i = 0; i < 3; i++) {
        require_end(ring[i], TENON_CANCELLED);
    }
    ck_assert_int_eq(tenon_future_state(shared), TENON_FUTURE_CANCELLED);
    tenon_future_unref(shared);
}
END_TEST

/* ---- hooks and visitors ---- */

static void rename_or_cancel(tenon_task *task, void *user)
{
    int *spawned = user;
    if (++*spawned % 2) {
        tenon_task_set_name(
            task, "a name that is much longer than there is room for it");
    } else {
        ck_assert_int_eq(tenon_task_cancel(task, "hook"), TENON_EXISTED);
    }
}

START_TEST(a_hook_names_and_cancels)
{
    int spawned = 0;
    ck_assert_int_eq(
        tenon_reactor_set_spawn_hook(reactor, rename_or_cancel, &spawned),
        TENON_OK);
    tenon_task *named = spawn(no_op, NULL, 0);
    tenon_task *cancelled = spawn(never_called, NULL, 0);
    tenon_task *named_eager = spawn(no_op, NULL, TENON_TASK_EAGER);
    tenon_task *eager = spawn(never_called, NULL, TENON_TASK_EAGER);
    ck_assert_str_eq(tenon_task_name(named), "a name that is much longer than");
    ck_assert(tenon_task_is_done(named_eager));
    settle();
    ck_assert_int_eq(spawned, 4);
    require_end(named, TENON_OK);
    require_end(named_eager, TENON_OK);
    require_end(cancelled, TENON_CANCELLED);
    require_end(eager, TENON_CANCELLED);
    ck_assert_uint_eq(tenon_task_count(reactor), 0);
}
END_TEST

static bool visit_and_change(tenon_task *task, void *user)
{
    int *seen = user;
    ++*seen;
    (void)tenon_task_cancel(task, NULL);
    ck_assert_int_eq(tenon_spawn(reactor, await_it, shared, NULL, NULL),
                     TENON_OK);
    (void)tenon_task_foreach(reactor, visit_trying, NULL);
    return *seen < 7;
}

START_TEST(visitors_may_change_what_they_visit)
{
    enum { TASKS = 10 };
    tenon_task *tasks[TASKS];
    int seen = 0;
    shared = pending();
    for (int i = 0; i < TASKS; i++) {
        tasks[i] = spawn(await_it, shared, 0); /* unbegun: they go at once */
    }
    ck_assert_uint_eq(tenon_task_foreach(reactor, visit_and_change, &seen), 7);
    ck_assert_uint_eq(tenon_task_count(reactor), TASKS);
    memset(notes, 0, sizeof notes);
    resolve(shared, 1);
    settle();
    for (int i = 0; i < TASKS; i++) {
        require_end(tasks[i], i < 7 ? TENON_CANCELLED : TENON_OK);
    }
    ck_assert_uint_eq(tenon_task_count(reactor), 0);
    tenon_future_unref(shared);
}
END_TEST

/* ---- the loop's stack ---- */

static const char *host_sp;

static bool is_near(const char *one, const char *two)
{
    return (one > two ? one - two : two - one) < 32768;
}

static void on_the_host(void *user)
{
    char here = 0;
    (void)user;
    put(is_near(&here, host_sp) ? 'h' : '!');
}

static tenon_status asks_for_it(void *user)
{
    char here = 0;
    put(is_near(&here, host_sp) ? '!' : 't');
    ck_assert_int_eq(tenon_on_host_stack(on_the_host, user), TENON_OK);
    ck_assert_int_eq(tenon_on_host_stack(on_the_host, user), TENON_OK);
    TENON_TRY(tenon_yield());
    return tenon_on_host_stack(on_the_host, user);
}

static tenon_status asks_from_above(void *user)
{
    tenon_task *self = tenon_task_current();
    tenon_task *child = spawn(asks_for_it, user, TENON_TASK_EAGER);
    ck_assert_ptr_eq(tenon_task_current(), self);
    tenon_status status = tenon_join(child);
    tenon_task_unref(child);
    return status;
}

START_TEST(a_call_is_made_on_the_loops_stack)
{
    char here = 0;
    host_sp = &here;
    tenon_task *task = spawn(asks_for_it, NULL, 0);
    settle();
    require_end(task, TENON_OK);
    ck_assert_str_eq(notes, "thhh");
    memset(notes, 0, sizeof notes);
    task = spawn(asks_from_above, NULL, 0); /* from a stack on a stack */
    settle();
    require_end(task, TENON_OK);
    ck_assert_str_eq(notes, "thhh");
}
END_TEST

static void spawns_on_the_host(void *user)
{
    tenon_task *child = spawn(asks_for_it, user, TENON_TASK_EAGER);
    put('s');
    tenon_task_unref(child);
}

static tenon_status calls_what_spawns(void *user)
{
    ck_assert_int_eq(tenon_on_host_stack(spawns_on_the_host, user), TENON_OK);
    return tenon_sleep(1);
}

START_TEST(what_is_called_there_may_spawn)
{
    char here = 0;
    host_sp = &here;
    tenon_task *task = spawn(calls_what_spawns, NULL, 0);
    advance(1);
    require_end(task, TENON_OK);
    ck_assert_str_eq(notes, "thhsh");
}
END_TEST

/* ---- values they carry ---- */

static const tenon_local_key first_key = {"first"};
static const tenon_local_key second_key = {"second"};
static int freed[4];

static tenon_status reads(void *user)
{
    int *const *wanted = user;
    ck_assert_ptr_eq(tenon_local_get(&first_key), wanted[0]);
    TENON_TRY(tenon_yield());
    ck_assert_ptr_eq(tenon_local_get(&first_key), wanted[0]);
    ck_assert_ptr_eq(tenon_local_get(&second_key), wanted[1]);
    return TENON_OK;
}

static tenon_status sets(void *user)
{
    static int *before[2] = {&freed[0], NULL};
    static int *after[2] = {&freed[1], &freed[2]};
    tenon_reactor *other = NULL;
    tenon_task *on_other = NULL;
    static int *none[2];
    (void)user;
    TENON_TRY(tenon_local_set(&first_key, &freed[0], count));
    tenon_task *one = spawn(reads, before, 0);
    TENON_TRY(tenon_local_set(&first_key, &freed[3], count));
    TENON_TRY(tenon_local_set(&first_key, &freed[1], count));
    ck_assert_int_eq(freed[3], 1); /* nobody else had that */
    TENON_TRY(tenon_local_set(&second_key, &freed[2], count));
    tenon_task *two = spawn(reads, after, TENON_TASK_EAGER);
    ck_assert_ptr_eq(tenon_local_get(&first_key), &freed[1]);
    /* Another reactor may be another thread's tomorrow: no list is shared. */
    tenon_reactor_options chosen = options();
    ck_assert_int_eq(tenon_manual_new(&other, &chosen), TENON_OK);
    ck_assert_int_eq(tenon_spawn(other, reads, none, NULL, &on_other),
                     TENON_OK);
    ck_assert_int_eq(tenon_manual_advance(other, 0), TENON_OK);
    require_end(on_other, TENON_OK);
    tenon_reactor_unref(other);
    TENON_TRY(tenon_join(one));
    TENON_TRY(tenon_join(two));
    tenon_task_unref(one);
    tenon_task_unref(two);
    return TENON_OK;
}

START_TEST(values_are_inherited_and_freed_once)
{
    tenon_task *task = spawn(sets, NULL, 0);
    settle();
    require_end(task, TENON_OK);
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(freed[i], 1);
    }
    ck_assert_ptr_null(tenon_local_get(&first_key));
    ck_assert_int_eq(tenon_local_set(&first_key, NULL, NULL), TENON_INVALID);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        nothing_waits_on_top_of_a_task,
        an_atomic_region_refuses_every_wait,
        what_is_not_there_is_refused,
        nobody_else_completes_its_future,
        an_embedded_future_ends_under_its_task,
        so_does_one_that_is_done,
        and_one_whose_task_is_cancelled,
        the_last_reference_goes_under_its_task,
        a_value_is_taken_once,
        cancelled_before_it_is_started,
        the_future_of_a_task_cancels_it,
        a_mask_keeps_it_off,
        a_ready_one_is_told_once,
        a_ring_is_broken,
        so_is_one_with_groups_in_it,
        a_hook_names_and_cancels,
        visitors_may_change_what_they_visit,
        a_call_is_made_on_the_loops_stack,
        what_is_called_there_may_spawn,
        values_are_inherited_and_freed_once,
    };
    return RUN_TESTS("task attack", tests);
}
