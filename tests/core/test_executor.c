/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Work and its future: outcomes, cancelling, progress, the end of the reactor,
 * and executors that somebody provides. Pools are in test_executor_pool.c.
 *
 * ctest: labels=threads timeout=120
 */

#include "executor_rig.h"

#include <sys/wait.h>
#include <unistd.h>

/* ---- outcomes ---- */

static tenon_status give_number(tenon_work *work, void *user)
{
    tenon_work_set_value(work, number(1), free_number); /* freed: */
    tenon_work_set_int(work, *(int *)user);
    return TENON_OK;
}

static tenon_status fail_plainly(tenon_work *work, void *user)
{
    (void)user;
    tenon_work_set_value(work, number(1), free_number); /* freed */
    return -EIO;
}

static tenon_status fail_in_detail(tenon_work *work, void *user)
{
    tenon_error *error = tenon_error_of(-ENOSPC, user);
    tenon_work_set_error(work, error);
    tenon_error_unref(error);
    return -EIO;
}

static tenon_status give_nothing(tenon_work *work, void *user)
{
    (void)work;
    (void)user;
    return TENON_OK;
}

static void outcomes_in(tenon_executor *executor)
{
    int five = 5;
    char text[] = "the disk is full";
    int64_t got = 0;
    void *value = &five;
    tenon_future *f[5] = {call(executor, give_seven, NULL),
                          call(executor, give_number, &five),
                          call(executor, fail_plainly, NULL),
                          call(executor, fail_in_detail, text),
                          call(executor, give_nothing, NULL)};
    for (int i = 0; i < 5; i++) {
        UNTIL(tenon_future_is_done(f[i]));
    }
    require_seven(f[0]);
    ck_assert_int_eq(tenon_future_int(f[1], &got), TENON_OK);
    ck_assert_int_eq(got, 5);
    ck_assert_int_eq(tenon_error_status(tenon_future_error(f[2])), -EIO);
    ck_assert_int_eq(tenon_error_status(tenon_future_error(f[3])), -ENOSPC);
    ck_assert_str_eq(tenon_error_message(tenon_future_error(f[3])), text);
    ck_assert_int_eq(tenon_future_value(f[4], &value), TENON_OK);
    ck_assert_ptr_null(value);
    for (int i = 0; i < 5; i++) {
        tenon_future_unref(f[i]);
    }
    settle();
    ck_assert_int_eq(frees, 3);
    ck_assert(!tenon_reactor_alive(reactor));
}

START_TEST(outcomes_in_a_pool)
{
    tenon_executor *pool = pool_of(2, 0);
    outcomes_in(pool);
    end_pool(pool);
}
END_TEST

START_TEST(outcomes_inline)
{
    outcomes_in(tenon_executor_inline());
}
END_TEST

START_TEST(outcomes_in_the_default)
{
    outcomes_in(NULL);
}
END_TEST

START_TEST(inline_is_done_at_once)
{
    tenon_executor *here = tenon_executor_inline();
    tenon_future *f = call_owned(here, give_seven);
    ck_assert(tenon_future_is_done(f));
    ck_assert_int_eq(user_frees, 1);
    require_seven(f);
    tenon_future_unref(f);
    ck_assert_ptr_eq(tenon_executor_ref(here), here);
    tenon_executor_unref(here);
    ck_assert_str_eq(tenon_executor_name(here), "inline");
    ck_assert_int_eq(tenon_executor_shutdown(here, 0), TENON_NOT_SUPPORTED);
    ck_assert_int_eq(tenon_executor_resize(here, 0, 1), TENON_NOT_SUPPORTED);
    ck_assert_int_eq(tenon_executor_set_idle(here, 0), TENON_NOT_SUPPORTED);
}
END_TEST

static tenon_status close_reactor(tenon_work *work, void *user)
{
    (void)user;
    tenon_reactor_close(reactor);
    ck_assert(tenon_work_is_cancelled(work));
    return give_seven(work, NULL);
}

START_TEST(inline_work_may_end_the_reactor)
{
    tenon_future *f = call_owned(tenon_executor_inline(), close_reactor);
    ck_assert_int_eq(tenon_error_status(tenon_future_error(f)), TENON_CLOSED);
    ck_assert_int_eq(frees, 1);
    ck_assert_int_eq(user_frees, 1);
    tenon_future_unref(f);
    take_report("abandoned work", TENON_PENDING);
}
END_TEST

static tenon_status fail_unseen(tenon_work *work, void *user)
{
    (void)work;
    (void)user;
    return -EPIPE;
}

START_TEST(nobody_looks)
{
    ck_assert_int_eq(tenon_call_in(reactor, NULL, give_seven, NULL, NULL),
                     TENON_OK);
    ck_assert(tenon_reactor_alive(reactor));
    ck_assert_int_eq(tenon_run(reactor), TENON_OK);
    ck_assert_int_eq(frees, 1);
    ck_assert_int_eq(tenon_call_in(reactor, NULL, fail_unseen, NULL, NULL),
                     TENON_OK);
    ck_assert_int_eq(tenon_run(reactor), TENON_OK);
    take_report("unseen failure", -EPIPE);
}
END_TEST

START_TEST(nonsense_is_refused)
{
    const tenon_work_options nothing = {.size = sizeof nothing};
    const tenon_executor_ops no_submit = {.size = sizeof no_submit};
    tenon_executor *executor = NULL;
    ck_assert_int_eq(tenon_call_in(reactor, NULL, NULL, NULL, NULL),
                     TENON_INVALID);
    ck_assert_int_eq(tenon_call_in_with(reactor, NULL, NULL, NULL),
                     TENON_INVALID);
    ck_assert_int_eq(tenon_call_in_with(reactor, NULL, &nothing, NULL),
                     TENON_INVALID);
    ck_assert_int_eq(tenon_call_in(NULL, NULL, give_seven, NULL, NULL),
                     TENON_INVALID);
    ck_assert_int_eq(tenon_executor_new(&no_submit, NULL, &executor),
                     TENON_INVALID);
    ck_assert_int_eq(tenon_executor_new(NULL, NULL, &executor), TENON_INVALID);
    ck_assert_int_eq(tenon_executor_new_pool(NULL, NULL), TENON_INVALID);
    ck_assert_int_eq(tenon_executor_shutdown(NULL, 0), TENON_INVALID);
    ck_assert_int_eq(tenon_executor_resize(NULL, 1, 1), TENON_INVALID);
    ck_assert_ptr_null(tenon_reactor_executor(NULL));
    ck_assert_ptr_null(tenon_executor_ref(NULL));
    tenon_executor_unref(NULL);
}
END_TEST

/* Each request for the reactor's memory fails once: nothing was done then. */
START_TEST(no_memory_is_a_status)
{
    tenon_executor *pool = pool_of(1, 0);
    tenon_future *f = NULL;
    uint64_t nth = 0;
    tenon_status status;
    do {
        harness_heap_fail(&guard.heap, ++nth, 1);
        const tenon_work_options options = {
            .size = sizeof options, .fn = give_seven, .free_user = free_user};
        status = tenon_call_in_with(reactor, pool, &options, &f);
        ck_assert(status == TENON_OK || status == TENON_NO_MEMORY);
    } while (status < 0);
    ck_assert_uint_gt(nth, 1);
    harness_heap_fail(&guard.heap, 0, 0);
    UNTIL(tenon_future_is_done(f));
    ck_assert_int_eq(ran, 1);
    tenon_future_unref(f);
    settle();
    ck_assert_int_eq(user_frees, 1);
    end_pool(pool);
}
END_TEST

/* ---- cancelling ---- */

START_TEST(cancelled_before_it_began)
{
    tenon_executor *pool = pool_of(1, 0);
    tenon_future *first = call(pool, wait_at_gate, NULL);
    wait_inside(1);
    tenon_future *f = call_owned(pool, give_seven);
    ck_assert_int_eq(stats_of(pool).waiting, 1);
    ck_assert_int_eq(tenon_future_cancel(f, "not any more"), TENON_EXISTED);
    ck_assert_int_eq(tenon_future_state(f), TENON_FUTURE_CANCELLED);
    ck_assert_int_eq(stats_of(pool).waiting, 0);
    ck_assert_int_eq(user_frees, 0); /* not inside of it */
    settle();
    ck_assert_int_eq(user_frees, 1);
    ck_assert_int_eq(tenon_future_cancel(f, NULL), TENON_OK);
    open_gate(true);
    UNTIL(tenon_future_is_done(first));
    end_pool(pool);
    ck_assert_int_eq(ran, 1);
    tenon_future_unref(first);
    tenon_future_unref(f);
}
END_TEST

static atomic_bool saw_cancel;

static tenon_status wait_for_cancel(tenon_work *work, void *user)
{
    bool before = tenon_work_is_cancelled(work);
    pass_gate();
    atomic_store(&saw_cancel, !before && tenon_work_is_cancelled(work));
    return give_seven(work, user);
}

START_TEST(cancelled_after_it_began)
{
    tenon_executor *pool = pool_of(1, 0);
    tenon_future *f = call_owned(pool, wait_for_cancel);
    wait_inside(1);
    ck_assert_int_eq(tenon_future_cancel(f, NULL), TENON_EXISTED);
    ck_assert(!tenon_reactor_alive(reactor));
    open_gate(true);
    UNTIL(user_frees == 1);
    ck_assert(saw_cancel);
    ck_assert_int_eq(frees, 1);
    ck_assert_int_eq(tenon_future_state(f), TENON_FUTURE_CANCELLED);
    tenon_future_unref(f);
    end_pool(pool);
}
END_TEST

START_TEST(cancelled_after_it_was_over)
{
    tenon_executor *pool = pool_of(1, 0);
    tenon_future *f = call(pool, give_seven, NULL);
    WAIT_FOR(ran == 1 && stats_of(pool).running == 0);
    ck_assert_int_eq(tenon_future_cancel(f, NULL), TENON_PENDING);
    UNTIL(tenon_future_is_done(f));
    require_seven(f);
    tenon_future_unref(f);
    end_pool(pool);
}
END_TEST

/* Completed by hand: the work's own result is of no use. */
START_TEST(completed_by_others)
{
    tenon_executor *pool = pool_of(1, 0);
    tenon_future *f = call_owned(pool, wait_at_gate);
    int64_t got = 0;
    wait_inside(1);
    ck_assert_int_eq(tenon_future_resolve_int(f, 3), TENON_OK);
    open_gate(true);
    UNTIL(user_frees == 1);
    ck_assert_int_eq(frees, 1);
    ck_assert_int_eq(tenon_future_int(f, &got), TENON_OK);
    ck_assert_int_eq(got, 3);
    tenon_future_unref(f);
    end_pool(pool);
}
END_TEST

/* ---- progress ---- */

static char told[64];

static void on_progress(tenon_future *future, void *value, void *user)
{
    ck_assert(!tenon_future_is_done(future));
    ck_assert_ptr_eq(user, told);
    told[strlen(told)] = (char)('0' + *(int *)value);
}

static tenon_status three_steps(tenon_work *work, void *user)
{
    (void)user;
    for (int i = 1; i <= 3; i++) {
        if (tenon_work_progress(work, number(i), free_number) < 0) {
            return TENON_ABORTED;
        }
    }
    return TENON_OK;
}

static tenon_future *call_telling(tenon_executor *executor, tenon_work_fn *fn)
{
    const tenon_work_options options = {.size = sizeof options,
                                        .fn = fn,
                                        .free_user = free_user,
                                        .on_progress = on_progress,
                                        .on_progress_user = told};
    tenon_future *future = NULL;
    ck_assert_int_eq(tenon_call_in_with(reactor, executor, &options, &future),
                     TENON_OK);
    return future;
}

START_TEST(progress_comes_in_order_and_first)
{
    tenon_executor *pool = pool_of(1, 0);
    tenon_future *f = call_telling(pool, three_steps);
    UNTIL(tenon_future_is_done(f));
    ck_assert_int_eq(tenon_future_state(f), TENON_FUTURE_RESOLVED);
    ck_assert_str_eq(told, "123");
    ck_assert_int_eq(frees, 3);
    tenon_future_unref(f);
    end_pool(pool);
}
END_TEST

static tenon_status progress_in_vain(tenon_work *work, void *user)
{
    tenon_status *got = user;
    pass_gate();
    *got = tenon_work_progress(work, number(1), free_number);
    return TENON_OK;
}

START_TEST(progress_that_nobody_wants)
{
    tenon_executor *pool = pool_of(1, 0);
    tenon_status got = 1;
    tenon_future *f = call(pool, progress_in_vain, &got);
    open_gate(true);
    UNTIL(tenon_future_is_done(f));
    ck_assert_int_eq(got, TENON_INVALID);
    tenon_future_unref(f);
    open_gate(false);
    f = call(pool, progress_in_vain, &got);
    wait_inside(1);
    tenon_future_cancel(f, NULL);
    tenon_future_unref(f);
    open_gate(true);
    end_pool(pool);
    ck_assert_int_eq(frees, 2);
}
END_TEST

static tenon_status too_much(tenon_work *work, void *user)
{
    int *accepted = user;
    while (tenon_work_progress(work, number(1), free_number) == TENON_OK) {
        ++*accepted;
    }
    return tenon_work_progress(work, number(1), free_number);
}

static void ignore_progress(tenon_future *future, void *value, void *user)
{
    (void)future;
    (void)value;
    (void)user;
}

START_TEST(progress_has_a_limit)
{
    tenon_executor *pool = pool_of(1, 0);
    int accepted = 0;
    const tenon_work_options options = {.size = sizeof options,
                                        .fn = too_much,
                                        .user = &accepted,
                                        .on_progress = ignore_progress};
    tenon_future *f = NULL;
    ck_assert_int_eq(tenon_call_in_with(reactor, pool, &options, &f), TENON_OK);
    end_pool(pool); /* it is over before the reactor hears a thing */
    UNTIL(tenon_future_is_done(f));
    ck_assert_int_eq(accepted, TENON_WORK_PROGRESS_MAX);
    ck_assert_int_eq(tenon_error_status(tenon_future_error(f)), TENON_LIMIT);
    ck_assert_int_eq(frees, accepted + 2);
    tenon_future_unref(f);
}
END_TEST

START_TEST(progress_inline_is_dropped)
{
    tenon_future *f = call_telling(tenon_executor_inline(), three_steps);
    settle();
    ck_assert_str_eq(told, "");
    ck_assert_int_eq(frees, 3);
    ck_assert_int_eq(user_frees, 1);
    tenon_future_unref(f);
}
END_TEST

/* ---- the end of the reactor ---- */

static tenon_status progress_after_the_end(tenon_work *work, void *user)
{
    pass_gate();
    *(tenon_status *)user = tenon_work_progress(work, number(1), free_number);
    return give_seven(work, NULL);
}

START_TEST(the_reactor_ends_first)
{
    tenon_executor *pool = pool_of(1, 0);
    tenon_status got = 1;
    const tenon_work_options options = {.size = sizeof options,
                                        .fn = progress_after_the_end,
                                        .user = &got,
                                        .free_user = free_user,
                                        .on_progress = on_progress};
    tenon_future *f[2] = {NULL, NULL};
    ck_assert_int_eq(tenon_call_in_with(reactor, pool, &options, &f[0]),
                     TENON_OK);
    wait_inside(1);
    f[1] = call_owned(pool, give_seven);
    end_reactor();
    take_report("abandoned work", TENON_PENDING);
    ck_assert_int_eq(user_frees, 1); /* of what has not begun */
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(tenon_error_status(tenon_future_error(f[i])),
                         TENON_CLOSED);
        tenon_future_unref(f[i]);
    }
    /* Nothing of the reactor's memory is needed any more. */
    ck_assert_uint_eq(guard.heap.count, 0);
    open_gate(true);
    end_pool(pool);
    ck_assert_int_eq(ran, 1);
    ck_assert_int_eq(got, TENON_CANCELLED);
    ck_assert_int_eq(frees, 2);
    ck_assert_int_eq(user_frees, 2);
}
END_TEST

/* It was over, but not told yet. */
START_TEST(the_reactor_ends_before_the_news)
{
    tenon_executor *pool = pool_of(1, 0);
    tenon_future *f = call_owned(pool, give_seven);
    end_pool(pool);
    end_reactor();
    ck_assert_int_eq(tenon_error_status(tenon_future_error(f)), TENON_CLOSED);
    ck_assert_int_eq(frees, 1);
    ck_assert_int_eq(user_frees, 1);
    tenon_future_unref(f);
}
END_TEST

/* ---- executors of others ---- */

enum { SHELF = 8 };

typedef struct shelf {
    tenon_work *works[SHELF];
    int count;
    int released;
    tenon_status answer;
} shelf;

static tenon_status shelf_submit(void *self, tenon_work *work)
{
    shelf *s = self;
    if (s->answer == TENON_OK) {
        tenon_work_set_data(work, s);
        s->works[s->count++] = work;
    }
    return s->answer;
}

static void shelf_release(void *self)
{
    ((shelf *)self)->released++;
}

static const tenon_executor_ops shelf_ops = {.size = sizeof shelf_ops,
                                             .name = "shelf",
                                             .submit = shelf_submit,
                                             .release = shelf_release};

START_TEST(an_executor_of_somebody)
{
    shelf mine = {.count = 0};
    tenon_executor *e = NULL;
    ck_assert_int_eq(tenon_executor_new(&shelf_ops, &mine, &e), TENON_OK);
    tenon_future *f[4] = {call_owned(e, give_seven), call_owned(e, give_seven),
                          call_owned(e, give_seven), call_owned(e, give_seven)};
    ck_assert_int_eq(mine.count, 4);
    ck_assert_ptr_eq(tenon_work_data(mine.works[0]), &mine);
    tenon_work_run(mine.works[0]);
    ck_assert(!tenon_future_is_done(f[0])); /* a turn later */
    tenon_work_drop(mine.works[1], TENON_ABORTED);
    ck_assert_int_eq(tenon_future_cancel(f[2], NULL), TENON_EXISTED);
    ck_assert_int_eq(tenon_future_cancel(f[3], NULL), TENON_EXISTED);
    settle();
    require_seven(f[0]);
    ck_assert_int_eq(tenon_error_status(tenon_future_error(f[1])),
                     TENON_ABORTED);
    ck_assert_int_eq(user_frees, 2);
    tenon_work_run(mine.works[2]); /* both were cancelled: nothing happens */
    tenon_work_drop(mine.works[3], TENON_ABORTED);
    ck_assert_int_eq(ran, 1);
    ck_assert_int_eq(user_frees, 4);
    mine.answer = -EAGAIN;
    ck_assert_int_eq(tenon_call_in(reactor, e, give_seven, NULL, NULL),
                     -EAGAIN);
    ck_assert_int_eq(tenon_executor_shutdown(e, 0), TENON_OK);
    ck_assert_int_eq(tenon_call_in(reactor, e, give_seven, NULL, NULL),
                     TENON_CLOSED);
    ck_assert_int_eq(mine.released, 0);
    tenon_executor_unref(e);
    ck_assert_int_eq(mine.released, 1);
    for (int i = 0; i < 4; i++) {
        tenon_future_unref(f[i]);
    }
}
END_TEST

/* ---- the executor of a reactor ---- */

static int hook_status;

static tenon_status on_hook(tenon_reactor *r, tenon_shutdown *hook, void *user)
{
    (void)hook;
    (void)user;
    /* Hooks of others come first: it still accepts work. */
    hook_status = tenon_call_in(r, NULL, give_seven, NULL, NULL);
    open_gate(true);
    return TENON_OK;
}

START_TEST(closing_waits_for_the_default)
{
    tenon_shutdown hook;
    ck_assert_int_eq(tenon_reactor_on_shutdown(reactor, &hook, on_hook, NULL),
                     TENON_OK);
    tenon_future *f = call_owned(NULL, wait_at_gate);
    tenon_executor *mine = tenon_executor_ref(tenon_reactor_executor(reactor));
    wait_inside(1);
    hook_status = 1;
    ck_assert_int_eq(tenon_reactor_close(reactor), TENON_OK);
    ck_assert_int_eq(hook_status, TENON_OK);
    ck_assert_int_eq(ran, 2);
    require_seven(f);
    ck_assert_ptr_null(tenon_reactor_executor(reactor));
    ck_assert_int_eq(tenon_call_in(reactor, NULL, give_seven, NULL, NULL),
                     TENON_CLOSED);
    tenon_future_unref(f);
    end_pool(mine);
}
END_TEST

START_TEST(closing_waits_so_long_and_no_longer)
{
    tenon_reactor_options chosen = rig_options();
    chosen.shutdown_timeout_ns = 20 * TENON_MILLISECOND;
    end_reactor();
    ck_assert_int_eq(tenon_reactor_new(&reactor, &chosen), TENON_OK);
    tenon_future *f = call_owned(NULL, wait_at_gate);
    tenon_executor *mine = tenon_executor_ref(tenon_reactor_executor(reactor));
    wait_inside(1);
    ck_assert_int_eq(tenon_reactor_close(reactor), TENON_OK);
    ck_assert_int_eq(reports, 2); /* the hook was late, the work abandoned */
    ck_assert_str_eq(report_what, "abandoned work");
    reports = 0;
    ck_assert_int_eq(tenon_error_status(tenon_future_error(f)), TENON_CLOSED);
    tenon_future_unref(f);
    open_gate(true);
    end_pool(mine);
    ck_assert_int_eq(user_frees, 1);
}
END_TEST

START_TEST(a_default_that_was_set)
{
    tenon_executor *first = tenon_reactor_executor(reactor);
    tenon_executor *mine = pool_of(1, 0);
    ck_assert_ptr_nonnull(first);
    ck_assert_str_eq(tenon_executor_name(first), "threads");
    ck_assert_ptr_eq(tenon_reactor_executor(reactor), first);
    ck_assert_int_eq(tenon_reactor_set_executor(reactor, mine), TENON_OK);
    ck_assert_ptr_eq(tenon_reactor_executor(reactor), mine);
    tenon_future *f = call(NULL, wait_at_gate, NULL);
    wait_inside(1);
    ck_assert_int_eq(tenon_reactor_set_executor(reactor, NULL), TENON_OK);
    ck_assert_ptr_ne(tenon_reactor_executor(reactor), mine);
    open_gate(true);
    end_reactor(); /* waits for it, wherever it is */
    require_seven(f);
    tenon_future_unref(f);
    ck_assert_int_eq(stats_of(mine).waiting, 0); /* not shut down */
    end_pool(mine);
    ck_assert_int_eq(tenon_reactor_set_executor(NULL, NULL), TENON_INVALID);
}
END_TEST

/* ---- fork ---- */

/* ThreadSanitizer ends a child that starts threads. */
#if defined(__SANITIZE_THREAD__)
#define CHILD_MAY_START_THREADS false
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define CHILD_MAY_START_THREADS false
#endif
#endif
#ifndef CHILD_MAY_START_THREADS
#define CHILD_MAY_START_THREADS true
#endif

static bool works_in_the_child(tenon_reactor *mine)
{
    return !CHILD_MAY_START_THREADS ||
           (tenon_call_in(mine, NULL, give_seven, NULL, NULL) == TENON_OK &&
            tenon_run(mine) == TENON_OK && ran == 1);
}

START_TEST(a_child_has_no_threads)
{
    tenon_executor *pool = pool_of(1, 0);
    tenon_future *f = call(pool, wait_at_gate, NULL);
    int status = -1;
    wait_inside(1);
    pid_t child = fork();
    if (child == 0) {
        tenon_reactor_options chosen = rig_options();
        tenon_reactor *mine = NULL;
        bool good =
            tenon_executor_shutdown(pool, 0) == TENON_FORKED &&
            tenon_executor_resize(pool, 0, 2) == TENON_FORKED &&
            tenon_call_in(reactor, pool, give_seven, NULL, NULL) ==
                TENON_FORKED &&
            tenon_reactor_new(&mine, &chosen) == TENON_OK &&
            tenon_call_in(mine, pool, give_seven, NULL, NULL) == TENON_FORKED &&
            works_in_the_child(mine);
        tenon_executor_unref(pool);
        tenon_reactor_unref(reactor);
        _exit(good ? 0 : 1);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    open_gate(true);
    UNTIL(tenon_future_is_done(f));
    tenon_future_unref(f);
    end_pool(pool);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        outcomes_in_a_pool,
        outcomes_inline,
        outcomes_in_the_default,
        inline_is_done_at_once,
        inline_work_may_end_the_reactor,
        nobody_looks,
        nonsense_is_refused,
        no_memory_is_a_status,
        cancelled_before_it_began,
        cancelled_after_it_began,
        cancelled_after_it_was_over,
        completed_by_others,
        progress_comes_in_order_and_first,
        progress_that_nobody_wants,
        progress_has_a_limit,
        progress_inline_is_dropped,
        the_reactor_ends_first,
        the_reactor_ends_before_the_news,
        an_executor_of_somebody,
        closing_waits_for_the_default,
        closing_waits_so_long_and_no_longer,
        a_default_that_was_set,
        a_child_has_no_threads,
    };
    return RUN_TESTS("executor", tests);
}
