/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * A GApplication that lives as long as the reactor has something to do.
 */

#include "gio_rig.h"

static int activated;

static void on_activate(GApplication *application, void *user)
{
    (void)application;
    (void)user;
    activated++;
}

static GApplication *application_new(void)
{
    GApplication *application =
        g_application_new(NULL, G_APPLICATION_NON_UNIQUE);
    g_signal_connect(application, "activate", G_CALLBACK(on_activate), NULL);
    return application;
}

static void on_time(void *user)
{
    (*(int *)user)++;
}

START_TEST(it_runs_while_something_is_due)
{
    int fired = 0;
    GApplication *application = application_new();
    ck_assert_int_eq(tenon_gio_set_application(application, rig_reactor), 0);
    ck_assert_int_eq(tenon_call_later(rig_reactor, 30 * TENON_MILLISECOND,
                                      on_time, &fired, NULL),
                     0);
    ck_assert_int_eq(g_application_run(application, 0, NULL), 0);
    ck_assert_int_eq(activated, 1);
    ck_assert_int_eq(fired, 1);
    ck_assert_int_eq(g_application_run(application, 0, NULL), 0);
    ck_assert_int_eq(activated, 2); /* with nothing due it ends at once */
    g_object_unref(application);
}
END_TEST

static void begin_late(GApplication *application, void *user)
{
    (void)application;
    ck_assert_int_eq(
        tenon_call_later(rig_reactor, TENON_MILLISECOND, on_time, user, NULL),
        0);
}

START_TEST(work_may_begin_later)
{
    int fired = 0;
    GApplication *application = application_new();
    g_signal_connect(application, "startup", G_CALLBACK(begin_late), &fired);
    ck_assert_int_eq(tenon_gio_set_application(application, rig_reactor), 0);
    ck_assert_int_eq(g_application_run(application, 0, NULL), 0);
    ck_assert_int_eq(fired, 1);
    g_object_unref(application);
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
    rig_end_reactor();
    return G_SOURCE_REMOVE;
}

START_TEST(the_end_of_the_reactor_lets_it_go)
{
    GApplication *application = application_new();
    ck_assert_int_eq(tenon_gio_set_application(application, rig_reactor), 0);
    ck_assert_int_eq(
        tenon_call_later(rig_reactor, 3600 * TENON_SECOND, never, NULL, NULL),
        0);
    g_timeout_add(10, end_reactor, NULL);
    ck_assert_int_eq(g_application_run(application, 0, NULL), 0);
    g_object_unref(application);
}
END_TEST

static gboolean quit(void *application)
{
    g_application_quit(application);
    return G_SOURCE_REMOVE;
}

START_TEST(the_application_may_end_first)
{
    tenon_handle handle;
    GApplication *application = application_new();
    ck_assert_int_eq(tenon_gio_set_application(application, rig_reactor), 0);
    ck_assert_int_eq(tenon_call_later(rig_reactor, 3600 * TENON_SECOND, never,
                                      NULL, &handle),
                     0);
    g_timeout_add(10, quit, application);
    ck_assert_int_eq(g_application_run(application, 0, NULL), 0);
    g_object_unref(application); /* the hold goes with it */
    rig_settle();
    ck_assert(tenon_reactor_alive(rig_reactor));
    tenon_handle_cancel(handle);
}
END_TEST

START_TEST(another_reactor_or_none)
{
    tenon_reactor *other = NULL;
    int fired = 0;
    GApplication *application = application_new();
    ck_assert_int_eq(tenon_glib_attach(NULL, &other, NULL), 0);
    ck_assert_int_eq(tenon_reactor_hold(other), 0);
    ck_assert_int_eq(tenon_gio_set_application(application, other), 0);
    ck_assert_int_eq(tenon_gio_set_application(application, rig_reactor), 0);
    ck_assert_int_eq(
        tenon_call_later(rig_reactor, TENON_MILLISECOND, on_time, &fired, NULL),
        0);
    ck_assert_int_eq(g_application_run(application, 0, NULL), 0);
    ck_assert_int_eq(fired, 1);
    ck_assert_int_eq(tenon_gio_set_application(application, other), 0);
    ck_assert_int_eq(tenon_gio_set_application(application, NULL), 0);
    ck_assert_int_eq(tenon_gio_set_application(application, NULL), 0);
    ck_assert_int_eq(g_application_run(application, 0, NULL), 0);
    tenon_reactor_close(other);
    tenon_reactor_unref(other);
    g_object_unref(application);
}
END_TEST

START_TEST(refused)
{
    GApplication *application = application_new();
    ck_assert_int_eq(tenon_gio_set_application(NULL, rig_reactor),
                     TENON_INVALID);
    tenon_reactor_close(rig_reactor);
    ck_assert_int_eq(tenon_gio_set_application(application, rig_reactor),
                     TENON_CLOSED);
    g_object_unref(application);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        it_runs_while_something_is_due,    work_may_begin_later,
        the_end_of_the_reactor_lets_it_go, the_application_may_end_first,
        another_reactor_or_none,           refused,
    };
    return RUN_TESTS("gio-application", tests);
}
