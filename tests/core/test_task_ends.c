/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * How tasks end: what is the user's goes back exactly once in every outcome;
 * the reactor closed, dropped or forked from inside of a task; tasks that will
 * not end, that have not begun, or that get no stack.
 *
 * ctest: labels=threads
 */

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "task_rig.h"

static void count(void *user)
{
    (*(int *)user)++;
}

/* ---- exactly once ---- */

static struct {
    int value;
    int user;
} freed;

static tenon_task *spawn_counted(tenon_task_fn *fn, size_t stack_size)
{
    tenon_task *task = NULL;
    const tenon_task_options chosen = {
        .size = sizeof chosen, .stack_size = stack_size, .free_user = count};
    ck_assert_int_eq(tenon_spawn(reactor, fn, &freed.user, &chosen, &task),
                     TENON_OK);
    return task;
}

static void require_freed(int values)
{
    settle();
    ck_assert_int_eq(freed.value, values);
    ck_assert_int_eq(freed.user, 1);
    freed.value = freed.user = 0;
}

static tenon_status returns_twice(void *user)
{
    (void)user;
    ck_assert_int_eq(tenon_return(&freed.value, count), TENON_OK);
    return tenon_return(&freed.value, count);
}

static tenon_status returns_then_fails(void *user)
{
    (void)tenon_return(&freed.value, count);
    ck_assert_int_eq(freed.value, 0);
    (void)user;
    return tenon_raise(TENON_ABORTED, "after all");
}

static tenon_status returns_though_cancelled(void *user)
{
    (void)user;
    (void)tenon_task_cancel(tenon_task_current(), NULL);
    return tenon_return(&freed.value, count);
}

static tenon_status returns_a_number_after_all(void *user)
{
    (void)user;
    (void)tenon_return(&freed.value, count);
    return tenon_return_int(3);
}

START_TEST(values_are_freed_once_in_every_outcome)
{
    tenon_task *task = spawn_counted(returns_twice, 0);
    settle();
    ck_assert_int_eq(freed.value, 1);
    require_end(task, TENON_OK);
    require_freed(2);
    task = spawn_counted(returns_then_fails, 0);
    settle();
    require_end(task, TENON_ABORTED);
    require_freed(1);
    task = spawn_counted(returns_though_cancelled, 0);
    settle();
    require_end(task, TENON_CANCELLED);
    require_freed(1);
    task = spawn_counted(returns_a_number_after_all, 0);
    settle();
    require_int(tenon_task_future(task), 3);
    require_end(task, TENON_OK);
    require_freed(1);
    /* Outside of a task there is nobody to take it. */
    ck_assert_int_eq(tenon_return(&freed.value, count), TENON_INVALID);
    ck_assert_int_eq(freed.value, 1);
}
END_TEST

START_TEST(so_is_what_the_function_gets)
{
    tenon_task *task = spawn_counted(never_called, 0);
    (void)tenon_task_cancel(task, NULL);
    ck_assert_int_eq(freed.user, 0);
    tenon_task_unref(task);
    require_freed(0);
    task = spawn_counted(never_called, (size_t)1 << 40); /* no such stack */
    ck_assert_uint_eq(tenon_task_stack_size(task), 0);
    settle();
    require_end(task, TENON_NO_MEMORY);
    require_freed(0);
    const tenon_task_options chosen = {.size = sizeof chosen,
                                       .free_user = count};
    ck_assert_int_eq(
        tenon_task_new(reactor, never_called, &freed.user, &chosen, &task),
        TENON_OK);
    tenon_task_unref(task);
    ck_assert_int_eq(freed.user + reports, 0);
    require_freed(0);
    take_report(TENON_CANCELLED);
    task = spawn_counted(never_called, 0);
    tenon_task *unstarted = NULL;
    ck_assert_int_eq(
        tenon_task_new(reactor, never_called, &freed.user, &chosen, &unstarted),
        TENON_OK);
    tenon_reactor_unref(tenon_reactor_ref(reactor));
    tenon_reactor_host_gone(reactor);
    ck_assert_int_eq(freed.user, 1);
    require_end(task, TENON_CANCELLED);
    ck_assert_int_eq(tenon_task_start(unstarted), TENON_HOST_GONE);
    require_end(unstarted, TENON_HOST_GONE);
    ck_assert_int_eq(freed.user, 2);
    take_report(TENON_CANCELLED); /* it was never started */
}
END_TEST

static tenon_status deep(int depth)
{
    volatile char room[256];
    room[0] = (char)depth;
    if (depth > 0) {
        TENON_TRY(deep(depth - 1));
    }
    return room[0] ? TENON_OK : tenon_sleep(1);
}

static tenon_status uses_its_stack(void *user)
{
    tenon_task *self = tenon_task_current();
    (void)user;
    ck_assert_uint_ge(tenon_task_stack_size(self), 60000);
    TENON_TRY(deep(100));
    ck_assert_uint_gt(tenon_task_stack_used(self), 100 * 256);
    ck_assert_uint_lt(tenon_task_stack_used(self), 65536);
    return TENON_OK;
}

START_TEST(the_use_of_a_stack_is_known)
{
    tenon_task *task = spawn(uses_its_stack, NULL, 0);
    ck_assert_uint_eq(tenon_task_stack_used(task), 0);
    advance(1);
    ck_assert_uint_eq(tenon_task_stack_used(task), 0);
    ck_assert_uint_eq(tenon_task_stack_size(task), 0);
    require_end(task, TENON_OK);
}
END_TEST

static tenon_status long_way(void *user)
{
    int *left = user;
    tenon_status status = tenon_raise(TENON_ABORTED, "the first");
    while (--*left > 0) {
        (void)tenon_pass_at(status, __FILE__, __LINE__);
    }
    return status;
}

START_TEST(an_error_may_have_come_a_long_way)
{
    int left = 100000;
    tenon_task *task = spawn(long_way, &left, 0);
    settle();
    require_end(task, TENON_ABORTED);
}
END_TEST

static tenon_status raises_other(void *user)
{
    tenon_error *error = tenon_error_of(TENON_PROTOCOL, "kept");
    (void)user;
    ck_assert_int_eq(tenon_raise_error(error), TENON_PROTOCOL);
    ck_assert_ptr_eq(tenon_task_error(), error);
    ck_assert_int_eq(tenon_raise_error(error), TENON_PROTOCOL);
    tenon_error_unref(error);
    ck_assert_int_eq(tenon_pass_at(TENON_ABORTED, "x.c", 1), TENON_ABORTED);
    ck_assert_ptr_null(tenon_error_cause(tenon_task_error()));
    return TENON_TIMED_OUT;
}

START_TEST(an_error_of_another_status_is_forgotten)
{
    tenon_task *task = spawn(raises_other, NULL, 0);
    settle();
    tenon_error *error = tenon_future_error(tenon_task_future(task));
    ck_assert_ptr_null(strstr(tenon_error_message(error), "kept"));
    require_end(task, TENON_TIMED_OUT);
    task = spawn(raises_other, NULL, 0);
    settle();
    tenon_task_unref(task); /* nobody looked */
    settle();
    take_report(TENON_TIMED_OUT);
}
END_TEST

/* ---- the reactor ends inside ---- */

static tenon_status all_refused(tenon_status why)
{
    tenon_task *task = NULL;
    ck_assert_int_eq(tenon_sleep(1), why);
    ck_assert_int_eq(tenon_yield(), why);
    ck_assert_int_eq(tenon_spawn(reactor, never_called, NULL, NULL, &task),
                     why);
    ck_assert_ptr_null(task);
    put('e');
    return why;
}

static tenon_status drops_the_last(void *user)
{
    (void)user;
    tenon_reactor_unref(reactor);
    return all_refused(TENON_CLOSED);
}

static void make_another(void)
{
    tenon_reactor_options chosen = options();
    ck_assert_int_eq(tenon_manual_new(&reactor, &chosen), TENON_OK);
}

START_TEST(the_last_reference_goes_inside_of_an_eager_task)
{
    tenon_task *task = NULL;
    const tenon_task_options chosen = {.size = sizeof chosen,
                                       .flags = TENON_TASK_EAGER};
    ck_assert_int_eq(tenon_spawn(reactor, drops_the_last, NULL, &chosen, &task),
                     TENON_OK);
    ck_assert_str_eq(notes, "e");
    require_end(task, TENON_CLOSED); /* and is memory until here */
    make_another();
    ck_assert_int_eq(tenon_spawn(reactor, drops_the_last, NULL, &chosen, NULL),
                     TENON_OK);
    ck_assert_str_eq(notes, "ee");
    make_another();
}
END_TEST

START_TEST(and_of_one_in_a_turn)
{
    tenon_task *task = spawn(drops_the_last, NULL, 0);
    ck_assert_int_eq(tenon_manual_turn(reactor, NULL), TENON_CLOSED);
    ck_assert_str_eq(notes, "e");
    require_end(task, TENON_CLOSED);
    make_another();
}
END_TEST

static tenon_status loses_its_host(void *user)
{
    (void)user;
    tenon_reactor_host_gone(reactor);
    return all_refused(TENON_HOST_GONE);
}

START_TEST(the_host_goes_inside_of_a_task)
{
    tenon_future *f = pending();
    tenon_task *other = spawn(await_it, f, 0);
    settle();
    tenon_task *task = spawn(loses_its_host, NULL, TENON_TASK_EAGER);
    ck_assert_str_eq(notes, "eC");
    require_end(task, TENON_HOST_GONE);
    require_end(other, TENON_CANCELLED);
    tenon_future_unref(f);
}
END_TEST

static tenon_status closes_inside(void *user)
{
    tenon_status *status = user;
    *status = tenon_reactor_close(reactor);
    put('c');
    tenon_status slept = tenon_sleep(1);
    put(slept == TENON_CANCELLED ? 'C' : '?');
    return slept;
}

START_TEST(closed_inside_of_a_task)
{
    tenon_status status = TENON_OK;
    tenon_task *task = spawn(closes_inside, &status, 0);
    (void)tenon_manual_advance(reactor, 1);
    ck_assert_int_eq(status, TENON_PENDING);
    ck_assert_str_eq(notes, "cC");
    ck_assert(tenon_reactor_is_closed(reactor));
    require_end(task, TENON_CANCELLED);
}
END_TEST

/* It could not be waited for. */
START_TEST(a_native_one_cannot_be_closed_inside_of_a_task)
{
    tenon_status status = TENON_OK;
    tenon_reactor *manual = reactor;
    tenon_reactor_options chosen = options();
    ck_assert_int_eq(tenon_reactor_new(&reactor, &chosen), TENON_OK);
    tenon_task *task = spawn(closes_inside, &status, TENON_TASK_EAGER);
    ck_assert_int_eq(status, TENON_BUSY);
    ck_assert_int_eq(tenon_reactor_close(reactor), TENON_OK);
    ck_assert_str_eq(notes, "cC");
    require_end(task, TENON_CANCELLED);
    tenon_reactor_unref(reactor);
    reactor = manual;
}
END_TEST

static void not_fired(tenon_timer *timer, void *user)
{
    (void)timer;
    (void)user;
    ck_abort_msg("fired");
}

/* The end of the reactor comes in its first step. */
static tenon_status never_ends(void *user)
{
    int left = 1000000;
    tenon_timer timer; /* still linked when it is left */
    tenon_timer_init(&timer, reactor);
    ck_assert_int_eq(tenon_timer_start(&timer, TENON_SECOND, not_fired, NULL),
                     TENON_OK);
    ck_assert_int_eq(tenon_return(&freed.value, count), TENON_OK);
    (void)user;
    tenon_reactor_host_gone(reactor);
    while (left-- > 0) {
        (void)!tenon_yield();
    }
    ck_abort_msg("it was let go on");
    return TENON_OK;
}

static tenon_status never_ends_in_one_piece(void *user)
{
    (void)tenon_atomic_begin();
    return never_ends(user);
}

START_TEST(one_that_will_not_end_is_left)
{
    tenon_task *task = spawn_counted(never_ends, 0);
    ck_assert_int_eq(tenon_manual_turn(reactor, NULL), TENON_HOST_GONE);
    take_report(TENON_HOST_GONE);
    require_end(task, TENON_HOST_GONE);
    ck_assert_int_eq(freed.value, 1);
    ck_assert_int_eq(freed.user, 1);
}
END_TEST

START_TEST(even_in_an_atomic_region)
{
    tenon_task *task = spawn(never_ends_in_one_piece, NULL, 0);
    ck_assert_int_eq(tenon_manual_turn(reactor, NULL), TENON_HOST_GONE);
    take_report(TENON_HOST_GONE);
    require_end(task, TENON_HOST_GONE);
}
END_TEST

static bool stop_forking;

static tenon_status forks(void *user)
{
    int *status = user;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        tenon_task *self = tenon_task_current();
        bool refused = tenon_sleep(1) == TENON_FORKED &&
                       tenon_task_cancel(self, NULL) == TENON_FORKED &&
                       tenon_task_uncancel(self) == 0 &&
                       tenon_spawn(reactor, never_called, NULL, NULL, NULL) ==
                           TENON_FORKED &&
                       tenon_reactor_close(reactor) == TENON_FORKED;
        stop_forking = true;
        *status = refused ? 1 : 2;
        return TENON_OK; /* back to where it was resumed */
    }
    int left = -1;
    ck_assert_int_eq(waitpid(pid, &left, 0), pid);
    *status = WIFEXITED(left) ? WEXITSTATUS(left) : -1;
    return TENON_OK;
}

START_TEST(a_task_that_forks)
{
    int status = 0;
    tenon_task *task = spawn(forks, &status, TENON_TASK_EAGER);
    if (stop_forking) {
        _exit(status == 1 ? 42 : 1);
    }
    ck_assert_int_eq(status, 42);
    require_end(task, TENON_OK);
    task = spawn(forks, &status, 0);
    tenon_status turn = tenon_manual_turn(reactor, NULL);
    if (stop_forking) {
        _exit(status == 1 && turn == TENON_FORKED ? 42 : 1);
    }
    ck_assert_int_eq(turn, TENON_OK);
    ck_assert_int_eq(status, 42);
    require_end(task, TENON_OK);
}
END_TEST

/* ---- whose it is ---- */

static void *try_from_elsewhere(void *user)
{
    tenon_task *task = user;
    tenon_task *other = NULL;
    ck_assert_int_eq(tenon_task_cancel(task, NULL), TENON_WRONG_THREAD);
    ck_assert_int_eq(tenon_task_start(task), TENON_WRONG_THREAD);
    ck_assert_int_eq(tenon_spawn(reactor, never_called, NULL, NULL, &other),
                     TENON_WRONG_THREAD);
    ck_assert_int_eq(tenon_reactor_set_spawn_hook(reactor, NULL, NULL),
                     TENON_WRONG_THREAD);
    ck_assert_uint_eq(tenon_task_foreach(reactor, NULL, NULL), 0);
    ck_assert_uint_eq(tenon_task_uncancel(task), 0);
    ck_assert_int_eq(tenon_reactor_rebind(reactor), TENON_BUSY);
    tenon_task_set_name(task, "stolen");
    tenon_task_unref(task);
    return NULL;
}

START_TEST(an_eager_task_makes_the_reactor_its_threads)
{
    pthread_t thread;
    tenon_future *f = pending();
    tenon_task *task = spawn(await_it, f, TENON_TASK_EAGER);
    ck_assert_int_eq(tenon_reactor_rebind(reactor), TENON_BUSY);
    ck_assert_int_eq(pthread_create(&thread, NULL, try_from_elsewhere, task),
                     0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_str_eq(tenon_task_name(task), "task");
    resolve(f, 1);
    settle();
    ck_assert_int_eq(tenon_reactor_rebind(reactor), TENON_OK);
    require_end(task, TENON_OK);
    tenon_future_unref(f);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        values_are_freed_once_in_every_outcome,
        so_is_what_the_function_gets,
        the_use_of_a_stack_is_known,
        an_error_may_have_come_a_long_way,
        an_error_of_another_status_is_forgotten,
        the_last_reference_goes_inside_of_an_eager_task,
        and_of_one_in_a_turn,
        the_host_goes_inside_of_a_task,
        closed_inside_of_a_task,
        a_native_one_cannot_be_closed_inside_of_a_task,
        one_that_will_not_end_is_left,
        even_in_an_atomic_region,
        a_task_that_forks,
        an_eager_task_makes_the_reactor_its_threads,
    };
    return RUN_TESTS("task ends", tests);
}
