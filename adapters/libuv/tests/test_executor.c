/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * libuv's own threads as an executor: what a host has already is behind the
 * table of tenon/executor.h, and everything of tenon/work.h runs there.
 *
 * ctest: labels=threads timeout=60
 */

#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#include <tenon/libuv.h>
#include <tenon/tenon.h>

#include "harness_check.h"

/* ---- uv_queue_work as an executor: all there is to it ---- */

typedef struct uv_job {
    uv_work_t request;
    tenon_work *work; /* NULL: it has run, or was taken back */
} uv_job;

static void run_job(uv_work_t *request)
{
    uv_job *job = request->data;
    tenon_work *work = job->work;
    job->work = NULL;
    tenon_work_run(work);
}

static void end_job(uv_work_t *request, int status)
{
    uv_job *job = request->data;
    if (status == UV_ECANCELED && job->work) { /* by uv_cancel of others */
        tenon_work_drop(job->work, TENON_CANCELLED);
    }
    free(job);
}

static tenon_status uv_submit(void *loop, tenon_work *work)
{
    uv_job *job = calloc(1, sizeof *job);
    if (!job) {
        return TENON_NO_MEMORY;
    }
    job->work = work;
    job->request.data = job;
    tenon_work_set_data(work, job);
    int status = uv_queue_work(loop, &job->request, run_job, end_job);
    if (status < 0) {
        free(job);
    }
    return status;
}

static tenon_status uv_withdraw(void *loop, tenon_work *work)
{
    uv_job *job = tenon_work_data(work);
    (void)loop;
    if (uv_cancel((uv_req_t *)&job->request) < 0) {
        return TENON_OK; /* a thread has it */
    }
    job->work = NULL;
    return TENON_EXISTED;
}

static const tenon_executor_ops uv_ops = {.size = sizeof uv_ops,
                                          .name = "libuv",
                                          .submit = uv_submit,
                                          .withdraw = uv_withdraw};

/* ---- the tests ---- */

enum { THREADS = 4 }; /* of libuv, unless UV_THREADPOOL_SIZE says otherwise */

static harness_guard guard;
static uv_loop_t loop;
static tenon_reactor *reactor;
static tenon_executor *executor;
static atomic_bool open_gate;
static atomic_int ran;
static char value[] = "value";

/* Of work that is abandoned. */
static tenon_status on_report(tenon_reactor *r, const tenon_report *report,
                              void *user)
{
    (void)r;
    (void)user;
    ck_assert_str_eq(report->what, "abandoned work");
    return TENON_OK;
}

static void setup(void)
{
    tenon_reactor_options options = {.size = sizeof options,
                                     .allocator = &guard.heap.allocator,
                                     .on_error = on_report,
                                     .slow_callback_ns = -1};
    ck_assert_int_eq(setenv("UV_THREADPOOL_SIZE", "4", 1), 0);
    ck_assert_int_eq(uv_loop_init(&loop), 0); /* opens what it never closes */
    ck_assert_int_eq(uv_loop_close(&loop), 0);
    harness_guard_begin(&guard);
    ck_assert_int_eq(uv_loop_init(&loop), 0);
    ck_assert_int_eq(tenon_libuv_attach(&loop, &reactor, &options), TENON_OK);
    ck_assert_int_eq(tenon_executor_new(&uv_ops, &loop, &executor), TENON_OK);
}

static void teardown(void)
{
    tenon_executor_unref(executor);
    tenon_reactor_close(reactor);
    uv_run(&loop, UV_RUN_DEFAULT);
    tenon_reactor_unref(reactor);
    ck_assert_int_eq(uv_loop_close(&loop), 0);
    harness_guard_end(&guard);
}

static tenon_status wait_at_gate(tenon_work *work, void *user)
{
    while (!atomic_load(&open_gate)) {
        sched_yield();
    }
    atomic_fetch_add(&ran, 1);
    tenon_work_set_value(work, user, NULL);
    return TENON_OK;
}

static tenon_future *call(void)
{
    tenon_future *future = NULL;
    ck_assert_int_eq(
        tenon_call_in(reactor, executor, wait_at_gate, value, &future),
        TENON_OK);
    return future;
}

static void require_value(tenon_future *future)
{
    void *got = NULL;
    ck_assert_int_eq(tenon_future_value(future, &got), TENON_OK);
    ck_assert_ptr_eq(got, value);
    tenon_future_unref(future);
}

START_TEST(work_in_the_threads_of_libuv)
{
    tenon_future *f = call();
    ck_assert_str_eq(tenon_executor_name(executor), "libuv");
    open_gate = true;
    uv_run(&loop, UV_RUN_DEFAULT); /* ends when nothing is under way */
    require_value(f);
}
END_TEST

START_TEST(cancelled_before_a_thread_has_it)
{
    tenon_future *f[THREADS + 1];
    for (int i = 0; i <= THREADS; i++) {
        f[i] = call();
    }
    ck_assert_int_eq(tenon_future_cancel(f[THREADS], NULL), TENON_EXISTED);
    open_gate = true;
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(ran, THREADS);
    ck_assert_int_eq(tenon_future_state(f[THREADS]), TENON_FUTURE_CANCELLED);
    tenon_future_unref(f[THREADS]);
    for (int i = 0; i < THREADS; i++) {
        require_value(f[i]);
    }
}
END_TEST

/* What has begun goes on; what has not is taken back. */
START_TEST(the_reactor_ends_first)
{
    tenon_future *f[THREADS + 1];
    for (int i = 0; i <= THREADS; i++) {
        f[i] = call();
    }
    tenon_reactor_close(reactor);
    open_gate = true;
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_int_le(ran, THREADS);
    for (int i = 0; i <= THREADS; i++) {
        ck_assert_int_eq(tenon_error_status(tenon_future_error(f[i])),
                         TENON_CLOSED);
        tenon_future_unref(f[i]);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("libuv executor");
    TCase *tcase = tcase_create("executor");
    tcase_set_timeout(tcase, 20);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, work_in_the_threads_of_libuv);
    tcase_add_test(tcase, cancelled_before_a_thread_has_it);
    tcase_add_test(tcase, the_reactor_ends_first);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
