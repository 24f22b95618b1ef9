/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * A GApplication that lives as long as the reactor has something to do.
 */

#include "gio_rig.h"

static tenon_reactor *reactor; /* of the application */

static GApplication *application_new(void (*on_activate)(GApplication *,
                                                         void *),
                                     void *user)
{
    const tenon_reactor_options inner = {
        .size = sizeof inner, .allocator = &rig_guard.heap.allocator};
    const tenon_glib_options options = {.size = sizeof options,
                                        .reactor = &inner};
    GApplication *application =
        g_application_new(NULL, G_APPLICATION_NON_UNIQUE);
    g_signal_connect(application, "activate", G_CALLBACK(on_activate), user);
    ck_assert_int_eq(tenon_gio_attach(application, &reactor, &options), 0);
    return application;
}

static void end_both(GApplication *application)
{
    tenon_reactor_close(reactor);
    tenon_reactor_unref(reactor);
    g_object_unref(application);
}

static void count(GApplication *application, void *user)
{
    (void)application;
    (*(int *)user)++;
}

static void on_time(void *user)
{
    (*(int *)user)++;
}

/* What begins in activate, with nothing else to keep the application. */
static void begin_timer(GApplication *application, void *user)
{
    (void)application;
    ck_assert_int_eq(
        tenon_call_later(reactor, 30 * TENON_MILLISECOND, on_time, user, NULL),
        0);
}

START_TEST(H10_it_runs_while_something_is_due)
{
    int fired = 0;
    GApplication *application = application_new(begin_timer, &fired);
    ck_assert_int_eq(g_application_run(application, 0, NULL), 0);
    ck_assert_int_eq(fired, 1);
    end_both(application);
}
END_TEST

START_TEST(H10_it_ends_with_nothing_due)
{
    int activated = 0;
    GApplication *application = application_new(count, &activated);
    ck_assert_int_eq(g_application_run(application, 0, NULL), 0);
    ck_assert_int_eq(activated, 1);
    end_both(application);
}
END_TEST

/* The last that kept it ends, and the reactor begins, in one callback. */
static gboolean hand_over(void *user)
{
    GApplication *application = user;
    static int fired;
    begin_timer(application, &fired);
    g_application_release(application);
    return G_SOURCE_REMOVE;
}

static void begin_elsewhere(GApplication *application, void *user)
{
    (void)user;
    g_application_hold(application);
    g_timeout_add(10, hand_over, application);
}

START_TEST(it_takes_over_without_a_gap)
{
    GApplication *application = application_new(begin_elsewhere, NULL);
    ck_assert_int_eq(g_application_run(application, 0, NULL), 0);
    ck_assert(!tenon_reactor_alive(reactor)); /* so the timer has fired */
    end_both(application);
}
END_TEST

static void never(void *user)
{
    (void)user;
    ck_abort();
}

static gboolean end_reactor(void *user)
{
    (void)user;
    tenon_reactor_close(reactor);
    return G_SOURCE_REMOVE;
}

static gboolean quit(void *application)
{
    g_application_quit(application);
    return G_SOURCE_REMOVE;
}

static void wait_for_ever(GApplication *application, void *user)
{
    GSourceFunc end = *(GSourceFunc *)user;
    ck_assert_int_eq(
        tenon_call_later(reactor, 3600 * TENON_SECOND, never, NULL, NULL), 0);
    g_timeout_add(10, end, application);
}

START_TEST(H10_the_end_of_the_reactor_lets_it_go)
{
    GSourceFunc end = end_reactor;
    GApplication *application = application_new(wait_for_ever, &end);
    ck_assert_int_eq(g_application_run(application, 0, NULL), 0);
    end_both(application);
}
END_TEST

static gboolean destroy_source(void *user)
{
    (void)user;
    for (guint id = 1; id < 100; id++) { /* the rig's, too */
        GSource *source = g_main_context_find_source_by_id(NULL, id);
        const char *name = source ? g_source_get_name(source) : NULL;
        if (name && strcmp(name, "tenon") == 0) {
            g_source_destroy(source);
        }
    }
    return G_SOURCE_REMOVE;
}

START_TEST(a_host_that_is_gone_lets_it_go)
{
    GSourceFunc end = destroy_source;
    GApplication *application = application_new(wait_for_ever, &end);
    ck_assert_int_eq(g_application_run(application, 0, NULL), 0);
    ck_assert(tenon_reactor_is_closed(reactor));
    end_both(application);
}
END_TEST

START_TEST(the_application_may_end_first)
{
    GSourceFunc end = quit;
    GApplication *application = application_new(wait_for_ever, &end);
    ck_assert_int_eq(g_application_run(application, 0, NULL), 0);
    g_object_unref(application);
    ck_assert(tenon_reactor_alive(reactor));
    tenon_reactor_close(reactor);
    tenon_reactor_unref(reactor);
}
END_TEST

START_TEST(refused)
{
    const tenon_reactor_options inner = {
        .size = sizeof inner, .allocator = &rig_guard.heap.allocator};
    const tenon_glib_options options = {.size = sizeof options,
                                        .reactor = &inner};
    GApplication *application =
        g_application_new(NULL, G_APPLICATION_NON_UNIQUE);
    ck_assert_int_eq(tenon_gio_attach(NULL, &reactor, NULL), TENON_INVALID);
    harness_heap_fail(&rig_guard.heap, 1, 1);
    ck_assert_int_eq(tenon_gio_attach(application, &reactor, &options),
                     TENON_NO_MEMORY);
    ck_assert_ptr_null(reactor);
    g_object_unref(application);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        H10_it_runs_while_something_is_due,
        H10_it_ends_with_nothing_due,
        it_takes_over_without_a_gap,
        H10_the_end_of_the_reactor_lets_it_go,
        a_host_that_is_gone_lets_it_go,
        the_application_may_end_first,
        refused,
    };
    return RUN_TESTS("gio-application", tests);
}
