/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * What the tests of this shim share: a reactor in the default main context, a
 * GIO operation that a test ends by hand, and a callback that keeps what it
 * was told. What GLib makes once in a process is made before the ledgers open.
 */

#ifndef TENON_GIO_RIG_H
#define TENON_GIO_RIG_H

#include <stdlib.h>
#include <string.h>

#include <tenon/gio.h>
#include <tenon/tenon.h>

#include "harness_check.h"

static harness_guard rig_guard;
static tenon_reactor *rig_reactor;

static inline void rig_nothing(GTask *task, void *source, void *data,
                               GCancellable *cancellable)
{
    (void)source;
    (void)data;
    (void)cancellable;
    g_task_return_boolean(task, TRUE);
}

static inline void rig_set(GObject *source, GAsyncResult *result, void *user)
{
    (void)source;
    (void)result;
    *(bool *)user = true;
}

/* Runs the default context until `*flag`; Check has the time limit. */
static inline void rig_run(const bool *flag)
{
    while (!*flag) {
        g_main_context_iteration(NULL, TRUE);
    }
}

/* What is due, and no more. */
static inline void rig_settle(void)
{
    for (int i = 0; i < 20; i++) {
        while (g_main_context_iteration(NULL, FALSE)) {
        }
    }
}

static inline void rig_flag(void *user)
{
    *(bool *)user = true;
}

static inline void rig_setup(void)
{
    bool done = false;
    GTask *task = g_task_new(NULL, NULL, rig_set, &done);
    g_task_run_in_thread(task, rig_nothing);
    g_object_unref(task);
    rig_run(&done);
    harness_guard_begin(&rig_guard);
    const tenon_reactor_options inner = {.size = sizeof inner,
                                         .allocator = &rig_guard.heap.allocator,
                                         .slow_callback_ns = -1};
    const tenon_glib_options options = {.size = sizeof options,
                                        .reactor = &inner};
    ck_assert_int_eq(tenon_glib_attach(NULL, &rig_reactor, &options), 0);
    done = false; /* its first turn: from now on it is this thread's */
    ck_assert_int_eq(tenon_call_soon(rig_reactor, rig_flag, &done), 0);
    rig_run(&done);
}

static inline void rig_teardown(void)
{
    char why[HARNESS_TEXT_LEN] = "";
    rig_settle();
    if (rig_reactor) {
        ck_assert_msg(harness_reactor_clean(rig_reactor, why, sizeof why), "%s",
                      why);
        tenon_reactor_close(rig_reactor);
        tenon_reactor_unref(rig_reactor);
    }
    rig_settle();
    harness_guard_end(&rig_guard);
}

static inline void rig_end_reactor(void)
{
    tenon_reactor_close(rig_reactor);
    tenon_reactor_unref(rig_reactor);
    rig_reactor = NULL;
}

static inline tenon_future *rig_future(void)
{
    tenon_future *future = NULL;
    ck_assert_int_eq(tenon_future_new(rig_reactor, &future), 0);
    return future;
}

/* ---- values that know when they are freed ---- */

static int rig_freed;

static inline void rig_free(void *value)
{
    rig_freed++;
    free(value);
}

static inline void *rig_value(const char *text)
{
    return strdup(text);
}

/* ---- a callback that keeps what it was told ---- */

typedef struct rig_answer {
    int calls;
    bool told;
    GAsyncResult *result;
    GThread *thread;
} rig_answer;

static inline void rig_told(GObject *source, GAsyncResult *result, void *user)
{
    rig_answer *answer = user;
    ck_assert_ptr_null(source);
    answer->calls++;
    answer->thread = g_thread_self();
    answer->result = g_object_ref(result);
    answer->told = true;
}

/* Ends with an error of this domain and code. */
static inline void rig_failed(rig_answer *answer, GQuark domain, int code)
{
    GError *error = NULL;
    ck_assert_int_eq(answer->calls, 1);
    ck_assert(!tenon_gio_future_finish(answer->result, NULL, NULL, &error));
    ck_assert_msg(g_error_matches(error, domain, code), "%s %d: %s",
                  g_quark_to_string(error->domain), error->code,
                  error->message);
    g_error_free(error);
    g_clear_object(&answer->result);
}

/* ---- an operation that the test ends ---- */

typedef struct rig_op {
    GTask *task;
} rig_op;

static inline void rig_op_start(rig_op *op, GCancellable *cancellable,
                                GAsyncReadyCallback callback, void *user)
{
    op->task = g_task_new(NULL, cancellable, callback, user);
    g_task_set_check_cancellable(op->task, FALSE);
}

static inline void rig_op_value(rig_op *op, void *value)
{
    g_task_return_pointer(op->task, value, rig_free);
    g_clear_object(&op->task);
}

static inline void rig_op_error(rig_op *op, GQuark domain, int code)
{
    g_task_return_new_error(op->task, domain, code, "code %d", code);
    g_clear_object(&op->task);
}

/* ---- the program ---- */

static inline int rig_run_tests(const char *name, const TTest *const *tests,
                                size_t count)
{
    Suite *suite = suite_create(name);
    TCase *tcase = tcase_create(name);
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, rig_setup, rig_teardown);
    for (size_t i = 0; i < count; i++) {
        tcase_add_test(tcase, tests[i]);
    }
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed > 0;
}

#define RUN_TESTS(name, tests) \
    rig_run_tests((name), (tests), sizeof(tests) / sizeof((tests)[0]))

#endif
