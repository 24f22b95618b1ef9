/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Our futures for GIO's code: every outcome comes back as it was, once, in the
 * right context, whatever ends first.
 *
 * ctest: timeout=120
 */

#include "gio_rig.h"

/* ---- outcomes ---- */

START_TEST(a_pointer_moves_to_who_finishes)
{
    rig_answer answer = {0};
    tenon_future *future = rig_future();
    void *value = NULL;
    tenon_free_fn *free_value = NULL;
    GError *error = NULL;
    char *text = rig_value("mine");
    tenon_gio_future_async(future, NULL, rig_told, &answer);
    ck_assert_int_eq(tenon_future_resolve(future, text, rig_free), 0);
    ck_assert_int_eq(answer.calls, 0);
    rig_run(&answer.told);
    ck_assert(
        tenon_gio_future_finish(answer.result, &value, &free_value, &error));
    ck_assert_ptr_null(error);
    ck_assert_ptr_eq(value, text);
    ck_assert(free_value == rig_free);
    ck_assert_ptr_null(tenon_gio_future_finish_error(answer.result));
    g_object_unref(answer.result);
    tenon_future_unref(future);
    rig_settle();
    ck_assert_int_eq(rig_freed, 0);
    free_value(value);
    ck_assert_int_eq(answer.calls, 1);
}
END_TEST

START_TEST(numbers_are_whole)
{
    const int64_t numbers[] = {INT64_MIN, -1, 0, INT64_MAX};
    for (size_t i = 0; i < 4; i++) {
        rig_answer answer = {0};
        tenon_future *future = NULL;
        int64_t got = 5;
        ck_assert_int_eq(
            tenon_future_ready_int(rig_reactor, numbers[i], &future), 0);
        tenon_gio_future_async(future, NULL, rig_told, &answer);
        tenon_future_unref(future);
        ck_assert_int_eq(answer.calls, 0);
        rig_run(&answer.told);
        ck_assert(tenon_gio_future_finish_int(answer.result, &got, NULL));
        ck_assert(got == numbers[i]);
        g_object_unref(answer.result);
    }
}
END_TEST

START_TEST(values_of_any_type)
{
    GValue in = G_VALUE_INIT;
    GValue out = G_VALUE_INIT;
    rig_answer answer = {0};
    tenon_future *future = rig_future();
    g_value_init(&in, G_TYPE_STRING);
    g_value_set_string(&in, "boxed");
    tenon_gio_future_async(future, NULL, rig_told, &answer);
    ck_assert_int_eq(tenon_gio_resolve_value(future, &in), 0);
    ck_assert_int_eq(tenon_gio_resolve_value(future, &in), TENON_DONE);
    g_value_unset(&in);
    rig_run(&answer.told);
    ck_assert(tenon_gio_future_finish_value(answer.result, &out, NULL));
    ck_assert_str_eq(g_value_get_string(&out), "boxed");
    g_value_unset(&out);
    g_object_unref(answer.result);
    tenon_future_unref(future);
}
END_TEST

START_TEST(values_are_taken)
{
    GValue out = G_VALUE_INIT;
    GCancellable *object = g_cancellable_new();
    tenon_future *future = rig_future();
    ck_assert_int_eq(tenon_gio_take_value(future, &out), TENON_NOT_DONE);
    ck_assert_int_eq(tenon_gio_resolve_object(future, object), 0);
    ck_assert_int_eq(tenon_gio_resolve_object(future, object), TENON_DONE);
    ck_assert_int_eq(G_OBJECT(object)->ref_count, 2);
    ck_assert_int_eq(tenon_gio_take_value(future, &out), 0);
    ck_assert_ptr_eq(g_value_get_object(&out), object);
    ck_assert_int_eq(tenon_gio_take_value(future, &out), TENON_INVALID);
    g_value_unset(&out);
    ck_assert_int_eq(G_OBJECT(object)->ref_count, 1);
    g_object_unref(object);
    tenon_future_unref(future);

    ck_assert_int_eq(tenon_future_ready_int(rig_reactor, -9, &future), 0);
    ck_assert_int_eq(tenon_gio_take_value(future, &out), 0);
    ck_assert_int_eq(g_value_get_int64(&out), -9);
    g_value_unset(&out);
    tenon_future_unref(future);

    ck_assert_int_eq(
        tenon_future_ready(rig_reactor, rig_value("x"), rig_free, &future), 0);
    ck_assert_int_eq(tenon_gio_take_value(future, &out), TENON_NOT_SUPPORTED);
    ck_assert_int_eq(rig_freed, 1);
    tenon_future_unref(future);
}
END_TEST

START_TEST(an_error_is_the_same_error)
{
    rig_answer answer = {0};
    tenon_future *future = rig_future();
    tenon_error *error = tenon_error_of(-ECONNREFUSED, "nobody there");
    tenon_gio_future_async(future, NULL, rig_told, &answer);
    ck_assert_int_eq(tenon_future_fail(future, error), 0);
    rig_run(&answer.told);
    ck_assert_ptr_eq(tenon_gio_future_finish_error(answer.result), error);
    rig_failed(&answer, G_IO_ERROR, G_IO_ERROR_CONNECTION_REFUSED);
    tenon_error_unref(error);
    tenon_future_unref(future);
}
END_TEST

START_TEST(the_wrong_finish_is_told)
{
    rig_answer answer = {0};
    rig_answer other = {0};
    int64_t number = 0;
    void *value = NULL;
    GError *error = NULL;
    tenon_future *future = rig_future();
    tenon_gio_future_async(future, NULL, rig_told, &answer);
    ck_assert_int_eq(tenon_future_resolve(future, rig_value("x"), rig_free), 0);
    rig_run(&answer.told);
    ck_assert(!tenon_gio_future_finish_int(answer.result, &number, &error));
    ck_assert(g_error_matches(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT));
    g_clear_error(&error);
    ck_assert_int_eq(rig_freed, 1);
    g_object_unref(answer.result);
    tenon_future_unref(future);

    ck_assert_int_eq(tenon_future_ready_int(rig_reactor, 1, &future), 0);
    tenon_gio_future_async(future, NULL, rig_told, &other);
    rig_run(&other.told);
    ck_assert(!tenon_gio_future_finish(other.result, &value, NULL, &error));
    g_clear_error(&error);
    g_object_unref(other.result);
    tenon_future_unref(future);
}
END_TEST

START_TEST(who_comes_first_has_the_value)
{
    rig_answer first = {0};
    rig_answer second = {0};
    tenon_future *future = rig_future();
    tenon_gio_future_async(future, NULL, rig_told, &first);
    tenon_gio_future_async(future, NULL, rig_told, &second);
    ck_assert_int_eq(tenon_future_resolve(future, rig_value("x"), rig_free), 0);
    rig_run(&second.told);
    ck_assert(tenon_gio_future_finish(first.result, NULL, NULL, NULL));
    ck_assert_int_eq(rig_freed, 1);
    rig_failed(&second, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT);
    g_object_unref(first.result);
    tenon_future_unref(future);
}
END_TEST

START_TEST(what_nobody_finishes_is_freed)
{
    tenon_future *future = rig_future();
    bool done = false;
    tenon_gio_future_async(future, NULL, rig_set, &done);
    ck_assert_int_eq(tenon_future_resolve(future, rig_value("x"), rig_free), 0);
    rig_run(&done);
    rig_settle();
    ck_assert_int_eq(rig_freed, 1);
    tenon_future_unref(future);

    future = rig_future(); /* nobody is even called */
    tenon_gio_future_async(future, NULL, NULL, NULL);
    ck_assert_int_eq(tenon_future_resolve(future, rig_value("x"), rig_free), 0);
    tenon_future_unref(future);
    rig_settle();
    ck_assert_int_eq(rig_freed, 2);
}
END_TEST

/* ---- cancelling ---- */

static int asked;

static tenon_status on_cancel(tenon_future *future, void *user)
{
    (void)future;
    (void)user;
    asked++;
    return TENON_OK;
}

static tenon_status on_cancel_later(tenon_future *future, void *user)
{
    (void)future;
    (void)user;
    asked++;
    return TENON_PENDING;
}

START_TEST(a_cancellable_cancels_the_future)
{
    rig_answer answer = {0};
    GCancellable *cancellable = g_cancellable_new();
    tenon_future *future = rig_future();
    ck_assert_int_eq(tenon_future_set_canceller(future, on_cancel, NULL), 0);
    tenon_gio_future_async(future, cancellable, rig_told, &answer);
    rig_settle();
    ck_assert_int_eq(answer.calls, 0);
    g_cancellable_cancel(cancellable);
    ck_assert_int_eq(asked, 0); /* not inside: it may be any thread */
    rig_run(&answer.told);
    ck_assert_int_eq(asked, 1);
    ck_assert_int_eq(tenon_future_state(future), TENON_FUTURE_CANCELLED);
    rig_failed(&answer, G_IO_ERROR, G_IO_ERROR_CANCELLED);
    g_cancellable_reset(cancellable); /* nothing of ours is left on it */
    g_cancellable_cancel(cancellable);
    rig_settle();
    ck_assert_int_eq(answer.calls, 1);
    ck_assert_int_eq(G_OBJECT(cancellable)->ref_count, 1);
    g_object_unref(cancellable);
    tenon_future_unref(future);
}
END_TEST

START_TEST(cancelled_at_the_start)
{
    rig_answer answer = {0};
    GCancellable *cancellable = g_cancellable_new();
    tenon_future *future = rig_future();
    g_cancellable_cancel(cancellable);
    tenon_gio_future_async(future, cancellable, rig_told, &answer);
    ck_assert_int_eq(answer.calls, 0);
    ck_assert(!tenon_future_is_done(future));
    rig_run(&answer.told);
    rig_failed(&answer, G_IO_ERROR, G_IO_ERROR_CANCELLED);
    ck_assert_int_eq(tenon_future_state(future), TENON_FUTURE_CANCELLED);
    g_object_unref(cancellable);
    tenon_future_unref(future);
}
END_TEST

START_TEST(a_cancelled_future_says_why)
{
    rig_answer answer = {0};
    GError *error = NULL;
    tenon_future *future = rig_future();
    ck_assert_int_eq(tenon_future_cancel(future, "bored"), TENON_EXISTED);
    tenon_gio_future_async(future, NULL, rig_told, &answer);
    rig_run(&answer.told);
    ck_assert(!tenon_gio_future_finish(answer.result, NULL, NULL, &error));
    ck_assert(g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED));
    ck_assert_str_eq(error->message, "bored");
    g_error_free(error);
    g_object_unref(answer.result);
    tenon_future_unref(future);
}
END_TEST

START_TEST(a_future_may_end_otherwise_though_cancelled)
{
    rig_answer answer = {0};
    int64_t number = 0;
    GCancellable *cancellable = g_cancellable_new();
    tenon_future *future = rig_future();
    ck_assert_int_eq(tenon_future_set_canceller(future, on_cancel_later, NULL),
                     0);
    tenon_gio_future_async(future, cancellable, rig_told, &answer);
    g_cancellable_cancel(cancellable);
    rig_settle();
    ck_assert_int_eq(asked, 1);
    ck_assert_int_eq(answer.calls, 0);
    ck_assert_int_eq(tenon_future_resolve_int(future, 3), 0);
    rig_run(&answer.told);
    ck_assert(tenon_gio_future_finish_int(answer.result, &number, NULL));
    ck_assert_int_eq(number, 3);
    g_object_unref(answer.result);
    g_object_unref(cancellable);
    tenon_future_unref(future);
}
END_TEST

/* GTask would give G_IO_ERROR_CANCELLED and lose the value. */
START_TEST(what_came_first_counts)
{
    rig_answer answer = {0};
    int64_t number = 0;
    GCancellable *cancellable = g_cancellable_new();
    tenon_future *future = rig_future();
    tenon_gio_future_async(future, cancellable, rig_told, &answer);
    ck_assert_int_eq(tenon_future_resolve_int(future, 3), 0);
    g_cancellable_cancel(cancellable);
    rig_run(&answer.told);
    g_cancellable_cancel(cancellable);
    ck_assert(tenon_gio_future_finish_int(answer.result, &number, NULL));
    ck_assert_int_eq(number, 3);
    g_object_unref(answer.result);
    g_object_unref(cancellable);
    tenon_future_unref(future);
}
END_TEST

static void cancel_now(void *cancellable)
{
    g_cancellable_cancel(cancellable);
}

/* It asks for the end in the turn in which that comes by itself. */
START_TEST(cancelled_just_before_the_end)
{
    rig_answer answer = {0};
    int64_t number = 0;
    GCancellable *cancellable = g_cancellable_new();
    tenon_future *future = rig_future();
    tenon_gio_future_async(future, cancellable, rig_told, &answer);
    ck_assert_int_eq(tenon_future_resolve_int(future, 3), 0);
    ck_assert_int_eq(tenon_call_soon(rig_reactor, cancel_now, cancellable), 0);
    rig_run(&answer.told);
    rig_settle();
    ck_assert(tenon_gio_future_finish_int(answer.result, &number, NULL));
    g_object_unref(answer.result);
    g_object_unref(cancellable);
    tenon_future_unref(future);
}
END_TEST

static void *cancel_it(void *cancellable)
{
    g_cancellable_cancel(cancellable);
    return NULL;
}

START_TEST(cancelled_by_another_thread)
{
    for (int i = 0; i < 200; i++) {
        rig_answer answer = {0};
        GCancellable *cancellable = g_cancellable_new();
        tenon_future *future = rig_future();
        GThread *thread = g_thread_new("cancel", cancel_it, cancellable);
        tenon_gio_future_async(future, cancellable, rig_told, &answer);
        if (i % 2) { /* both ends at once */
            (void)tenon_future_cancel(future, NULL);
        }
        rig_run(&answer.told);
        ck_assert_ptr_eq(answer.thread, g_thread_self());
        rig_failed(&answer, G_IO_ERROR, G_IO_ERROR_CANCELLED);
        g_thread_join(thread);
        rig_settle();
        g_object_unref(cancellable);
        tenon_future_unref(future);
    }
}
END_TEST

/* g_cancellable_disconnect would wait for ever here, and so would anything
 * that calls it: the reactor ends inside of the handler. */
static void end_the_reactor(GCancellable *cancellable, void *user)
{
    (void)cancellable;
    (void)user;
    rig_end_reactor();
}

START_TEST(the_reactor_ends_inside_of_the_handler)
{
    rig_answer before = {0};
    rig_answer after = {0};
    GCancellable *cancellable = g_cancellable_new();
    tenon_future *future = rig_future();
    tenon_gio_future_async(future, cancellable, rig_told, &before);
    g_signal_connect(cancellable, "cancelled", G_CALLBACK(end_the_reactor),
                     NULL);
    tenon_gio_future_async(future, cancellable, rig_told, &after);
    g_cancellable_cancel(cancellable);
    rig_settle();
    rig_failed(&before, G_IO_ERROR, G_IO_ERROR_CLOSED);
    rig_failed(&after, G_IO_ERROR, G_IO_ERROR_CLOSED);
    tenon_future_unref(future);
    ck_assert_int_eq(G_OBJECT(cancellable)->ref_count, 1);
    g_object_unref(cancellable);
}
END_TEST

static void turn_inside(GCancellable *cancellable, void *user)
{
    (void)cancellable;
    rig_run(user);
}

START_TEST(it_ends_in_a_loop_inside_of_the_handler)
{
    rig_answer answer = {0};
    GCancellable *cancellable = g_cancellable_new();
    tenon_future *future = rig_future();
    tenon_gio_future_async(future, cancellable, rig_told, &answer);
    g_signal_connect(cancellable, "cancelled", G_CALLBACK(turn_inside),
                     &answer.told);
    g_cancellable_cancel(cancellable);
    rig_failed(&answer, G_IO_ERROR, G_IO_ERROR_CANCELLED);
    tenon_future_unref(future);
    g_object_unref(cancellable);
}
END_TEST

typedef struct again {
    GCancellable *cancellable;
    tenon_future *future;
    rig_answer answer;
} again;

static void cancel_inside(GObject *source, GAsyncResult *result, void *user)
{
    again *a = user;
    g_cancellable_cancel(a->cancellable);
    (void)tenon_future_cancel(a->future, NULL);
    tenon_future_unref(a->future);
    rig_told(source, result, &a->answer);
}

START_TEST(cancelled_inside_of_the_callback)
{
    again a = {.cancellable = g_cancellable_new(), .future = rig_future()};
    int64_t number = 0;
    tenon_gio_future_async(a.future, a.cancellable, cancel_inside, &a);
    ck_assert_int_eq(tenon_future_resolve_int(a.future, 8), 0);
    rig_run(&a.answer.told);
    rig_settle();
    ck_assert_int_eq(a.answer.calls, 1);
    ck_assert(tenon_gio_future_finish_int(a.answer.result, &number, NULL));
    ck_assert_int_eq(number, 8);
    g_object_unref(a.answer.result);
    g_object_unref(a.cancellable);
}
END_TEST

/* ---- ends ---- */

START_TEST(released_while_it_is_waited_for)
{
    rig_answer answer = {0};
    tenon_promise *promise = NULL;
    tenon_future *future = NULL;
    int64_t number = 0;
    ck_assert_int_eq(tenon_promise_new(rig_reactor, &promise, &future), 0);
    tenon_gio_future_async(future, NULL, rig_told, &answer);
    tenon_future_unref(future);
    rig_settle();
    ck_assert_int_eq(answer.calls, 0);
    ck_assert_int_eq(tenon_promise_resolve_int(promise, 7), 0);
    tenon_promise_unref(promise);
    rig_run(&answer.told);
    ck_assert(tenon_gio_future_finish_int(answer.result, &number, NULL));
    ck_assert_int_eq(number, 7);
    g_object_unref(answer.result);
}
END_TEST

START_TEST(a_future_in_its_owners_memory)
{
    rig_answer pending = {0};
    rig_answer resolved = {0};
    tenon_future one;
    tenon_future two;
    GCancellable *cancellable = g_cancellable_new();
    void *value = NULL;
    ck_assert_int_eq(tenon_future_init(&one, rig_reactor), 0);
    ck_assert_int_eq(tenon_future_init(&two, rig_reactor), 0);
    tenon_gio_future_async(&one, cancellable, rig_told, &pending);
    tenon_gio_future_async(&two, NULL, rig_told, &resolved);
    ck_assert_int_eq(tenon_future_resolve(&two, rig_value("x"), rig_free), 0);
    g_cancellable_cancel(cancellable);
    tenon_future_fini(&one);
    tenon_future_fini(&two);
    memset(&one, 0x5a, sizeof one);
    memset(&two, 0x5a, sizeof two);
    rig_run(&pending.told);
    rig_run(&resolved.told);
    rig_failed(&pending, G_IO_ERROR, G_IO_ERROR_CANCELLED);
    ck_assert(tenon_gio_future_finish(resolved.result, &value, NULL, NULL));
    ck_assert_str_eq(value, "x");
    free(value);
    g_object_unref(resolved.result);
    g_object_unref(cancellable);
}
END_TEST

START_TEST(the_reactor_is_closed_first)
{
    rig_answer before = {0};
    rig_answer after = {0};
    GCancellable *cancellable = g_cancellable_new();
    tenon_future *future = rig_future();
    tenon_gio_future_async(future, cancellable, rig_told, &before);
    g_cancellable_cancel(cancellable); /* its post is owed, too */
    tenon_reactor_close(rig_reactor);
    tenon_gio_future_async(future, cancellable, rig_told, &after);
    ck_assert_int_eq(after.calls, 0);
    tenon_future_unref(future);
    rig_end_reactor();
    rig_run(&before.told);
    rig_run(&after.told);
    rig_failed(&before, G_IO_ERROR, G_IO_ERROR_CLOSED);
    rig_failed(&after, G_IO_ERROR, G_IO_ERROR_CLOSED);
    g_object_unref(cancellable);
}
END_TEST

START_TEST(the_host_destroys_our_source)
{
    rig_answer answer = {0};
    tenon_future *future = rig_future();
    tenon_gio_future_async(future, NULL, rig_told, &answer);
    for (guint id = 1; id < 100; id++) {
        GSource *source = g_main_context_find_source_by_id(NULL, id);
        const char *name = source ? g_source_get_name(source) : NULL;
        if (name && strcmp(name, "tenon") == 0) {
            g_source_destroy(source);
        }
    }
    tenon_future_unref(future);
    rig_run(&answer.told);
    rig_end_reactor();
    rig_failed(&answer, TENON_GIO_ERROR, TENON_HOST_GONE);
}
END_TEST

START_TEST(the_context_is_dropped_first)
{
    rig_answer answer = {0};
    tenon_reactor *reactor = NULL;
    tenon_future *future = NULL;
    GMainContext *context = g_main_context_new();
    int64_t number = 0;
    ck_assert_int_eq(tenon_glib_attach(context, &reactor, NULL), 0);
    g_main_context_push_thread_default(context);
    ck_assert_int_eq(tenon_future_new(reactor, &future), 0);
    tenon_gio_future_async(future, NULL, rig_told, &answer);
    g_main_context_pop_thread_default(context);
    g_main_context_unref(context);
    ck_assert_int_eq(tenon_future_resolve_int(future, 5), 0);
    while (!answer.told) {
        g_main_context_iteration(tenon_reactor_native(reactor), TRUE);
    }
    ck_assert(tenon_gio_future_finish_int(answer.result, &number, NULL));
    ck_assert_int_eq(number, 5);
    g_object_unref(answer.result);
    tenon_future_unref(future);
    tenon_reactor_close(reactor);
    tenon_reactor_unref(reactor);
}
END_TEST

/* ---- where ---- */

typedef struct nested {
    rig_answer *inner;
    tenon_future *future;
    int64_t number;
    bool done;
} nested;

static void resolve_it(void *user)
{
    ck_assert_int_eq(tenon_future_resolve_int(user, 2), 0);
}

/* As a modal dialog: the callback runs the loop until another one is done. */
static void wait_inside(GObject *source, GAsyncResult *result, void *user)
{
    nested *n = user;
    (void)source;
    ck_assert(tenon_gio_future_finish_int(result, &n->number, NULL));
    tenon_gio_future_async(n->future, NULL, rig_told, n->inner);
    ck_assert_int_eq(tenon_call_later(rig_reactor, TENON_MILLISECOND,
                                      resolve_it, n->future, NULL),
                     0);
    rig_run(&n->inner->told);
    n->done = true;
}

START_TEST(a_loop_inside_of_the_callback)
{
    rig_answer inner = {0};
    nested n = {.inner = &inner, .future = rig_future()};
    tenon_future *future = rig_future();
    tenon_gio_future_async(future, NULL, wait_inside, &n);
    ck_assert_int_eq(tenon_future_resolve_int(future, 1), 0);
    rig_run(&n.done);
    ck_assert_int_eq(n.number, 1);
    ck_assert(tenon_gio_future_finish_int(inner.result, &n.number, NULL));
    ck_assert_int_eq(n.number, 2);
    g_object_unref(inner.result);
    tenon_future_unref(n.future);
    tenon_future_unref(future);
}
END_TEST

typedef struct elsewhere {
    GMainContext *context;
    rig_answer answer;
} elsewhere;

static void *run_context(void *user)
{
    elsewhere *e = user;
    while (!e->answer.told) {
        g_main_context_iteration(e->context, TRUE);
    }
    return NULL;
}

START_TEST(the_callback_comes_in_the_context_of_the_call)
{
    elsewhere e = {.context = g_main_context_new()};
    tenon_future *future = rig_future();
    void *value = NULL;
    g_main_context_push_thread_default(e.context);
    tenon_gio_future_async(future, NULL, rig_told, &e.answer);
    g_main_context_pop_thread_default(e.context);
    ck_assert_int_eq(tenon_future_resolve(future, rig_value("x"), rig_free), 0);
    tenon_future_unref(future);
    rig_settle();
    ck_assert_int_eq(e.answer.calls, 0);
    GThread *thread = g_thread_new("elsewhere", run_context, &e);
    g_thread_join(thread);
    ck_assert_ptr_eq(e.answer.thread, thread);
    ck_assert(tenon_gio_future_finish(e.answer.result, &value, NULL, NULL));
    ck_assert_str_eq(value, "x");
    free(value);
    g_object_unref(e.answer.result);
    g_main_context_unref(e.context);
}
END_TEST

START_TEST(a_native_reactor_will_do)
{
    rig_answer answer = {0};
    tenon_reactor *reactor = NULL;
    tenon_future *future = NULL;
    int64_t number = 0;
    GCancellable *cancellable = g_cancellable_new();
    ck_assert_int_eq(tenon_reactor_new(&reactor, NULL), 0);
    ck_assert_int_eq(tenon_future_ready_int(reactor, 4, &future), 0);
    tenon_gio_future_async(future, cancellable, rig_told, &answer);
    ck_assert_int_eq(tenon_run(reactor), 0);
    rig_run(&answer.told);
    ck_assert(tenon_gio_future_finish_int(answer.result, &number, NULL));
    ck_assert_int_eq(number, 4);
    g_object_unref(answer.result);
    g_object_unref(cancellable);
    tenon_future_unref(future);
    tenon_reactor_close(reactor);
    tenon_reactor_unref(reactor);
}
END_TEST

static void *call_from_here(void *user)
{
    rig_answer answer = {0};
    GMainContext *context = g_main_context_new();
    g_main_context_push_thread_default(context);
    tenon_gio_future_async(user, NULL, rig_told, &answer);
    while (!answer.told) {
        g_main_context_iteration(context, TRUE);
    }
    rig_failed(&answer, TENON_GIO_ERROR, TENON_WRONG_THREAD);
    g_main_context_pop_thread_default(context);
    g_main_context_unref(context);
    return NULL;
}

START_TEST(another_thread_is_refused)
{
    tenon_future *future = rig_future();
    g_thread_join(g_thread_new("stranger", call_from_here, future));
    ck_assert(!tenon_future_is_done(future));
    tenon_future_unref(future);
}
END_TEST

START_TEST(without_memory)
{
    rig_answer answer = {0};
    tenon_future *future = rig_future();
    harness_heap_fail(&rig_guard.heap, 1, 1);
    tenon_gio_future_async(future, NULL, rig_told, &answer);
    rig_run(&answer.told);
    rig_failed(&answer, TENON_GIO_ERROR, TENON_NO_MEMORY);
    ck_assert(!tenon_future_is_done(future));
    tenon_future_unref(future);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        a_pointer_moves_to_who_finishes,
        numbers_are_whole,
        values_of_any_type,
        values_are_taken,
        an_error_is_the_same_error,
        the_wrong_finish_is_told,
        who_comes_first_has_the_value,
        what_nobody_finishes_is_freed,
        a_cancellable_cancels_the_future,
        cancelled_at_the_start,
        a_cancelled_future_says_why,
        a_future_may_end_otherwise_though_cancelled,
        what_came_first_counts,
        cancelled_just_before_the_end,
        cancelled_by_another_thread,
        the_reactor_ends_inside_of_the_handler,
        it_ends_in_a_loop_inside_of_the_handler,
        cancelled_inside_of_the_callback,
        released_while_it_is_waited_for,
        a_future_in_its_owners_memory,
        the_reactor_is_closed_first,
        the_host_destroys_our_source,
        the_context_is_dropped_first,
        a_loop_inside_of_the_callback,
        the_callback_comes_in_the_context_of_the_call,
        a_native_reactor_will_do,
        another_thread_is_refused,
        without_memory,
    };
    return RUN_TESTS("gio-future", tests);
}
