/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * GIO's operations as futures of ours: each ends once, is cancelled when
 * nobody wants it, and what it still brings then is freed.
 *
 * ctest: timeout=120
 */

#include <unistd.h>

#include "gio_rig.h"

static const tenon_gio_options of_task = {.size = sizeof of_task,
                                          .free_value = rig_free};

/* A call whose operation is started and waits for the test. */
static tenon_future *begin(rig_op *op, const tenon_gio_options *options)
{
    tenon_gio_call *call = NULL;
    tenon_future *future = NULL;
    ck_assert_int_eq(tenon_gio_call_new(rig_reactor, &call, &future, options),
                     0);
    rig_op_start(op, tenon_gio_call_cancellable(call), tenon_gio_ready, call);
    return future;
}

static bool asked_to_end(const rig_op *op)
{
    return g_cancellable_is_cancelled(g_task_get_cancellable(op->task));
}

static void until_done(const tenon_future *future)
{
    while (!tenon_future_is_done(future)) {
        g_main_context_iteration(NULL, TRUE);
    }
}

/* ---- outcomes ---- */

START_TEST(a_value_of_a_task)
{
    rig_op op;
    void *value = NULL;
    tenon_free_fn *free_value = NULL;
    tenon_future *future = begin(&op, &of_task);
    ck_assert(tenon_reactor_alive(rig_reactor));
    rig_op_value(&op, rig_value("theirs"));
    ck_assert(!tenon_future_is_done(future));
    until_done(future);
    ck_assert_int_eq(tenon_future_take(future, &value, &free_value), 0);
    ck_assert_str_eq(value, "theirs");
    free_value(value);
    ck_assert_int_eq(rig_freed, 1);
    tenon_future_unref(future);
    ck_assert(!tenon_reactor_alive(rig_reactor));
}
END_TEST

START_TEST(an_error_of_a_task)
{
    rig_op op;
    tenon_future *future = begin(&op, &of_task);
    rig_op_error(&op, G_IO_ERROR, G_IO_ERROR_CONNECTION_REFUSED);
    until_done(future);
    tenon_error *error = tenon_future_error(future);
    ck_assert_int_eq(tenon_future_state(future), TENON_FUTURE_FAILED);
    ck_assert_int_eq(tenon_error_status(error), -ECONNREFUSED);
    GError *back = tenon_gio_gerror_new(error);
    ck_assert(g_error_matches(back, G_IO_ERROR, G_IO_ERROR_CONNECTION_REFUSED));
    ck_assert_str_eq(back->message, "code 39");
    g_error_free(back);
    tenon_future_unref(future);
}
END_TEST

static void *finish_read(GObject *source, GAsyncResult *result, GError **error,
                         void *user)
{
    (*(int *)user)++;
    return g_file_read_finish(G_FILE(source), result, error);
}

static int64_t finish_stream(GObject *source, GAsyncResult *result,
                             GError **error, void *user)
{
    (void)user;
    return g_input_stream_read_finish(G_INPUT_STREAM(source), result, error);
}

/* A file is opened, then read, by GIO's own functions. */
START_TEST(files_are_read)
{
    char path[] = "/tmp/tenon-gio-XXXXXX";
    char bytes[16] = "";
    int finished = 0;
    int fd = mkstemp(path);
    int64_t count = 0;
    void *stream = NULL;
    tenon_gio_call *call = NULL;
    tenon_future *future = NULL;
    tenon_gio_options options = {.size = sizeof options,
                                 .finish = finish_read,
                                 .free_value = g_object_unref,
                                 .user = &finished};
    GFile *file = g_file_new_for_path(path);
    ck_assert_int_eq(write(fd, "hello", 5), 5);
    close(fd);
    ck_assert_int_eq(tenon_gio_call_new(rig_reactor, &call, &future, &options),
                     0);
    g_file_read_async(file, 0, tenon_gio_call_cancellable(call),
                      tenon_gio_ready, call);
    until_done(future);
    ck_assert_int_eq(tenon_future_take(future, &stream, NULL), 0);
    ck_assert_int_eq(finished, 1);
    tenon_future_unref(future);

    options = (tenon_gio_options){.size = sizeof options,
                                  .finish_int = finish_stream};
    ck_assert_int_eq(tenon_gio_call_new(rig_reactor, &call, &future, &options),
                     0);
    g_input_stream_read_async(stream, bytes, sizeof bytes, 0,
                              tenon_gio_call_cancellable(call), tenon_gio_ready,
                              call);
    until_done(future);
    ck_assert_int_eq(tenon_future_int(future, &count), 0);
    ck_assert_int_eq(count, 5);
    ck_assert_str_eq(bytes, "hello");
    tenon_future_unref(future);
    g_object_unref(stream);
    (void)unlink(path);
    g_object_unref(file);
}
END_TEST

START_TEST(a_file_that_is_not_there)
{
    int finished = 0;
    tenon_gio_call *call = NULL;
    tenon_future *future = NULL;
    const tenon_gio_options options = {.size = sizeof options,
                                       .finish = finish_read,
                                       .free_value = g_object_unref,
                                       .user = &finished};
    GFile *file = g_file_new_for_path("/nowhere/at/all");
    ck_assert_int_eq(tenon_gio_call_new(rig_reactor, &call, &future, &options),
                     0);
    g_file_read_async(file, 0, tenon_gio_call_cancellable(call),
                      tenon_gio_ready, call);
    until_done(future);
    ck_assert_int_eq(tenon_error_status(tenon_future_error(future)), -ENOENT);
    tenon_future_unref(future);
    g_object_unref(file);
}
END_TEST

START_TEST(what_is_no_task_wants_a_finish)
{
    GObject *other = g_object_new(G_TYPE_OBJECT, NULL);
    tenon_gio_call *call = NULL;
    tenon_future *future = NULL;
    ck_assert_int_eq(tenon_gio_call_new(rig_reactor, &call, &future, NULL), 0);
    tenon_gio_ready(NULL, (GAsyncResult *)(void *)other, call);
    until_done(future);
    ck_assert_int_eq(tenon_error_status(tenon_future_error(future)),
                     TENON_INVALID);
    tenon_future_unref(future);
    g_object_unref(other);
}
END_TEST

START_TEST(an_operation_that_was_not_started)
{
    tenon_gio_call *call = NULL;
    tenon_future *future = NULL;
    ck_assert_int_eq(tenon_gio_call_new(rig_reactor, &call, &future, NULL), 0);
    tenon_gio_ready(NULL, NULL, call);
    until_done(future);
    ck_assert_int_eq(tenon_error_status(tenon_future_error(future)),
                     TENON_ABORTED);
    tenon_future_unref(future);
}
END_TEST

/* ours -> GIO -> ours */
START_TEST(our_own_results_pass_as_they_are)
{
    const tenon_error_options detail = {.size = sizeof detail,
                                        .status = -ECONNREFUSED,
                                        .domain = "http",
                                        .message = "no"};
    tenon_error *error = tenon_error_new(&detail);
    tenon_future *from[4];
    tenon_future *to[4];
    int64_t number = 0;
    void *value = NULL;
    for (int i = 0; i < 4; i++) {
        tenon_gio_call *call = NULL;
        from[i] = rig_future();
        ck_assert_int_eq(tenon_gio_call_new(rig_reactor, &call, &to[i], NULL),
                         0);
        tenon_gio_future_async(from[i], tenon_gio_call_cancellable(call),
                               tenon_gio_ready, call);
    }
    ck_assert_int_eq(tenon_future_fail(from[0], error), 0);
    ck_assert_int_eq(tenon_future_resolve_int(from[1], INT64_MIN), 0);
    ck_assert_int_eq(tenon_future_resolve(from[2], rig_value("x"), rig_free),
                     0);
    ck_assert_int_eq(tenon_future_cancel(to[3], "enough"), TENON_EXISTED);
    for (int i = 0; i < 4; i++) {
        until_done(to[i]);
    }
    rig_settle();
    ck_assert_ptr_eq(tenon_future_error(to[0]), error);
    ck_assert_int_eq(tenon_future_int(to[1], &number), 0);
    ck_assert(number == INT64_MIN);
    ck_assert_int_eq(tenon_future_value(to[2], &value), 0);
    ck_assert_str_eq(value, "x");
    ck_assert_int_eq(tenon_future_state(from[3]), TENON_FUTURE_CANCELLED);
    for (int i = 0; i < 4; i++) {
        tenon_future_unref(from[i]);
        tenon_future_unref(to[i]);
    }
    tenon_error_unref(error);
    rig_settle();
    ck_assert_int_eq(rig_freed, 1);
}
END_TEST

/* ---- cancelling ---- */

START_TEST(cancelling_the_future_cancels_the_operation)
{
    rig_op op;
    tenon_future *future = begin(&op, &of_task);
    ck_assert_int_eq(tenon_future_cancel(future, "no more"), TENON_EXISTED);
    ck_assert(!asked_to_end(&op)); /* a canceller may call no user code */
    rig_settle();
    ck_assert(asked_to_end(&op));
    ck_assert(tenon_reactor_alive(rig_reactor));
    rig_op_value(&op, rig_value("late"));
    rig_settle();
    ck_assert_int_eq(rig_freed, 1);
    ck_assert(!tenon_reactor_alive(rig_reactor));
    ck_assert_int_eq(tenon_future_state(future), TENON_FUTURE_CANCELLED);
    tenon_future_unref(future);
}
END_TEST

START_TEST(cancelled_before_it_is_started)
{
    rig_op op;
    tenon_gio_call *call = NULL;
    tenon_future *future = NULL;
    ck_assert_int_eq(tenon_gio_call_new(rig_reactor, &call, &future, &of_task),
                     0);
    ck_assert_int_eq(tenon_future_cancel(future, NULL), TENON_EXISTED);
    tenon_future_unref(future);
    rig_settle();
    rig_op_start(&op, tenon_gio_call_cancellable(call), tenon_gio_ready, call);
    ck_assert(asked_to_end(&op));
    rig_op_error(&op, G_IO_ERROR, G_IO_ERROR_CANCELLED);
    rig_settle();
}
END_TEST

START_TEST(dropped_unwaited)
{
    rig_op op;
    tenon_future_unref(begin(&op, &of_task));
    rig_settle();
    ck_assert(asked_to_end(&op));
    rig_op_value(&op, rig_value("late"));
    rig_settle();
    ck_assert_int_eq(rig_freed, 1);
}
END_TEST

/* Both are queued for the same turn, the outcome first. */
START_TEST(dropped_as_the_outcome_comes)
{
    rig_op op;
    tenon_gio_call *call = NULL;
    tenon_future *future = NULL;
    ck_assert_int_eq(tenon_gio_call_new(rig_reactor, &call, &future, &of_task),
                     0);
    rig_op_start(&op, tenon_gio_call_cancellable(call), rig_set, &(bool){0});
    GTask *task = g_object_ref(op.task);
    rig_op_value(&op, rig_value("late"));
    tenon_gio_ready(NULL, G_ASYNC_RESULT(task), call);
    tenon_future_unref(future);
    rig_settle();
    ck_assert_int_eq(rig_freed, 1);
    g_object_unref(task);
}
END_TEST

START_TEST(a_cancellable_of_the_user)
{
    rig_op ops[2];
    tenon_future *futures[2];
    GCancellable *cancellable = g_cancellable_new();
    tenon_gio_options options = of_task;
    options.cancellable = cancellable;
    futures[0] = begin(&ops[0], &options);
    futures[1] = begin(&ops[1], &options);
    ck_assert_int_eq(tenon_future_cancel(futures[0], NULL), TENON_EXISTED);
    rig_settle();
    ck_assert(asked_to_end(&ops[0])); /* and only that one */
    ck_assert(!g_cancellable_is_cancelled(cancellable));
    ck_assert(!asked_to_end(&ops[1]));
    g_cancellable_cancel(cancellable);
    ck_assert(asked_to_end(&ops[1]));
    rig_op_error(&ops[0], G_IO_ERROR, G_IO_ERROR_CANCELLED);
    rig_op_error(&ops[1], G_IO_ERROR, G_IO_ERROR_CANCELLED);
    until_done(futures[1]);
    ck_assert_int_eq(tenon_future_state(futures[1]), TENON_FUTURE_CANCELLED);
    GError *back = tenon_gio_gerror_new(tenon_future_error(futures[1]));
    ck_assert(g_error_matches(back, G_IO_ERROR, G_IO_ERROR_CANCELLED));
    ck_assert_str_eq(back->message, "code 19");
    g_error_free(back);
    tenon_future_unref(futures[0]);
    tenon_future_unref(futures[1]);
    rig_settle();
    ck_assert_int_eq(G_OBJECT(cancellable)->ref_count, 1);
    g_object_unref(cancellable);
}
END_TEST

START_TEST(a_cancellable_that_is_cancelled_already)
{
    rig_op op;
    GCancellable *cancellable = g_cancellable_new();
    tenon_gio_options options = of_task;
    options.cancellable = cancellable;
    g_cancellable_cancel(cancellable);
    tenon_future *future = begin(&op, &options);
    ck_assert(asked_to_end(&op));
    rig_op_error(&op, G_IO_ERROR, G_IO_ERROR_CANCELLED);
    until_done(future);
    ck_assert_int_eq(tenon_future_state(future), TENON_FUTURE_CANCELLED);
    tenon_future_unref(future);
    g_object_unref(cancellable);
}
END_TEST

/* The operation ends inside of the handler, in which nothing may wait for
 * handlers to end. */
typedef struct inside {
    rig_op op;
    tenon_future *future;
    bool nested;
} inside;

static void end_inside(GCancellable *cancellable, void *user)
{
    inside *in = user;
    (void)cancellable;
    rig_op_error(&in->op, G_IO_ERROR, G_IO_ERROR_CANCELLED);
    until_done(in->future);
    in->nested = true;
}

START_TEST(it_ends_inside_of_the_handler)
{
    inside in = {.nested = false};
    GCancellable *cancellable = g_cancellable_new();
    tenon_gio_options options = of_task;
    options.cancellable = cancellable;
    in.future = begin(&in.op, &options);
    g_signal_connect(cancellable, "cancelled", G_CALLBACK(end_inside), &in);
    g_cancellable_cancel(cancellable);
    ck_assert(in.nested);
    ck_assert_int_eq(tenon_future_state(in.future), TENON_FUTURE_CANCELLED);
    tenon_future_unref(in.future);
    g_object_unref(cancellable);
}
END_TEST

START_TEST(an_operation_may_ignore_it)
{
    rig_op op;
    void *value = NULL;
    GCancellable *cancellable = g_cancellable_new();
    tenon_gio_options options = of_task;
    options.cancellable = cancellable;
    tenon_future *future = begin(&op, &options);
    g_cancellable_cancel(cancellable);
    rig_op_value(&op, rig_value("all the same"));
    until_done(future);
    ck_assert_int_eq(tenon_future_value(future, &value), 0);
    ck_assert_str_eq(value, "all the same");
    tenon_future_unref(future);
    g_object_unref(cancellable);
}
END_TEST

/* ---- ends ---- */

START_TEST(the_reactor_is_closed_first)
{
    rig_op op;
    tenon_future *future = begin(&op, &of_task);
    tenon_reactor_close(rig_reactor);
    ck_assert(asked_to_end(&op));
    ck_assert_int_eq(tenon_error_status(tenon_future_error(future)),
                     TENON_CLOSED);
    tenon_future_unref(future);
    rig_end_reactor();
    rig_op_value(&op, rig_value("late"));
    rig_settle();
    ck_assert_int_eq(rig_freed, 1);
}
END_TEST

START_TEST(the_reactor_is_closed_with_the_outcome_posted)
{
    rig_op op;
    tenon_gio_call *call = NULL;
    tenon_future *future = NULL;
    ck_assert_int_eq(tenon_gio_call_new(rig_reactor, &call, &future, &of_task),
                     0);
    rig_op_start(&op, tenon_gio_call_cancellable(call), NULL, NULL);
    GTask *task = g_object_ref(op.task);
    rig_op_value(&op, rig_value("late"));
    tenon_gio_ready(NULL, G_ASYNC_RESULT(task), call);
    rig_end_reactor();
    ck_assert(tenon_future_is_done(future));
    tenon_future_unref(future);
    ck_assert_int_eq(rig_freed, 1);
    g_object_unref(task);
}
END_TEST

START_TEST(without_a_reactor)
{
    tenon_gio_call *call = NULL;
    tenon_future *future = NULL;
    harness_heap_fail(&rig_guard.heap, 1, 1);
    ck_assert_int_eq(tenon_gio_call_new(rig_reactor, &call, &future, NULL),
                     TENON_NO_MEMORY);
    tenon_reactor_close(rig_reactor);
    ck_assert_int_eq(tenon_gio_call_new(rig_reactor, &call, &future, NULL),
                     TENON_CLOSED);
    ck_assert_ptr_null(call);
    ck_assert_ptr_null(future);
}
END_TEST

/* ---- other threads ---- */

typedef struct side {
    GMainContext *context;
    tenon_gio_call *call;
    bool ended;
} side;

static void told_aside(GObject *source, GAsyncResult *result, void *user)
{
    side *s = user;
    tenon_gio_ready(source, result, s->call);
    s->ended = true;
}

static void *operate(void *user)
{
    side *s = user;
    g_main_context_push_thread_default(s->context);
    GTask *task = g_task_new(NULL, NULL, told_aside, s);
    g_task_return_pointer(task, rig_value("from afar"), rig_free);
    g_object_unref(task);
    while (!s->ended) {
        g_main_context_iteration(s->context, TRUE);
    }
    g_main_context_pop_thread_default(s->context);
    return NULL;
}

START_TEST(it_ends_in_another_thread)
{
    for (int i = 0; i < 100; i++) {
        side s = {.context = g_main_context_new()};
        void *value = NULL;
        tenon_future *future = NULL;
        ck_assert_int_eq(
            tenon_gio_call_new(rig_reactor, &s.call, &future, &of_task), 0);
        GThread *thread = g_thread_new("operate", operate, &s);
        if (i % 2) {
            (void)tenon_future_cancel(future, NULL);
        } else {
            until_done(future);
            ck_assert_int_eq(tenon_future_value(future, &value), 0);
            ck_assert_str_eq(value, "from afar");
        }
        g_thread_join(thread);
        rig_settle();
        tenon_future_unref(future);
        rig_settle();
        ck_assert_int_eq(rig_freed, i + 1);
        g_main_context_unref(s.context);
    }
}
END_TEST

/* The thread ends its operation while this one ends the reactor. */
START_TEST(it_ends_in_another_thread_beside_the_end)
{
    for (int i = 0; i < 50; i++) {
        side s = {.context = g_main_context_new()};
        tenon_reactor *reactor = NULL;
        tenon_future *future = NULL;
        ck_assert_int_eq(tenon_reactor_new(&reactor, NULL), 0);
        ck_assert_int_eq(
            tenon_gio_call_new(reactor, &s.call, &future, &of_task), 0);
        GThread *thread = g_thread_new("operate", operate, &s);
        tenon_future_unref(future);
        tenon_reactor_close(reactor);
        tenon_reactor_unref(reactor);
        g_thread_join(thread);
        ck_assert_int_eq(rig_freed, i + 1);
        g_main_context_unref(s.context);
    }
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        a_value_of_a_task,
        an_error_of_a_task,
        files_are_read,
        a_file_that_is_not_there,
        what_is_no_task_wants_a_finish,
        an_operation_that_was_not_started,
        our_own_results_pass_as_they_are,
        cancelling_the_future_cancels_the_operation,
        cancelled_before_it_is_started,
        dropped_unwaited,
        dropped_as_the_outcome_comes,
        a_cancellable_of_the_user,
        a_cancellable_that_is_cancelled_already,
        it_ends_inside_of_the_handler,
        an_operation_may_ignore_it,
        the_reactor_is_closed_first,
        the_reactor_is_closed_with_the_outcome_posted,
        without_a_reactor,
        it_ends_in_another_thread,
        it_ends_in_another_thread_beside_the_end,
    };
    return RUN_TESTS("gio-call", tests);
}
