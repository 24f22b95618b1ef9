/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Objects in each of their states: what a dump says of them, and what can
 * still be asked of them when they have ended.
 */

#include "side.h"

#include <errno.h>

static char *dumped;

static const char *dump(void)
{
    size_t len = 0;
    free(dumped);
    dumped = NULL;
    FILE *file = open_memstream(&dumped, &len);
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(tenon_reactor_dump(reactor, file), TENON_OK);
    fclose(file);
    return dumped;
}

#define SAYS(text) \
    ck_assert_msg(strstr(dump(), text), "%s in\n%s", text, dumped)

START_TEST(a_dump_tells_the_state_of_a_connection)
{
    static side a;
    static side b;
    tenon_transport *pair[2];
    manual();
    ck_assert_int_eq(tenon_memory_pair(reactor, pair, as(&a), as(&b), NULL),
                     TENON_OK);
    settle();
    ck_assert_int_eq(tenon_transport_pause_reading(a.t), TENON_OK);
    SAYS("paused");
    tenon_transport_set_daemon(b.t, true);
    SAYS("daemon");
    ck_assert_int_eq(tenon_transport_write(b.t, "x", 1), TENON_OK);
    ck_assert_int_eq(tenon_transport_close(a.t), TENON_OK);
    SAYS("closing");
    settle();
    ck_assert(is_lost(&a) && is_lost(&b));
    tenon_address address;
    tenon_credentials who;
    ck_assert_int_lt(tenon_transport_peer_address(a.t, &address), 0);
    ck_assert_int_lt(tenon_transport_local_address(a.t, &address), 0);
    ck_assert_int_lt(tenon_transport_peer_credentials(a.t, &who), 0);
    ck_assert_int_eq(tenon_transport_tap(a.t, NULL, NULL), TENON_CLOSED);
    ck_assert_int_eq(tenon_transport_set_idle_timeout(a.t, 1), TENON_CLOSED);
    ck_assert_int_eq(tenon_transport_set_session_limit(a.t, 1), TENON_CLOSED);
    tenon_transport_set_daemon(a.t, true);
    forget(&a);
    forget(&b);
    end();
}
END_TEST

static int stops;

static void on_stopped(tenon_listener *l, tenon_status status, void *user)
{
    (void)l;
    (void)status;
    (void)user;
    stops++;
}

/* Stopped again and again, with and without somebody who is told. */
START_TEST(a_listener_in_each_state)
{
    static side a;
    static side b;
    const tenon_listen_options how = {
        .size = sizeof how, .daemon = true, .start_paused = true};
    tenon_stop_options stop = {.size = sizeof stop,
                               .mode = TENON_STOP_DRAIN,
                               .timeout_ns = TENON_SECOND};
    tenon_listener *l;
    manual();
    stops = 0;
    ck_assert_int_eq(tenon_listen(reactor, &l, "mem:s", as(&b), &how),
                     TENON_OK);
    SAYS("paused");
    SAYS("daemon");
    ck_assert_int_eq(tenon_listener_resume(l), TENON_OK);
    ck_assert_int_eq(
        tenon_connector_start(reactor, NULL, "mem:s", as(&a), NULL), TENON_OK);
    settle();
    ck_assert(a.t && b.t);
    ck_assert_int_eq(tenon_listener_stop(l, &stop), TENON_OK);
    stop.on_stopped = on_stopped;
    stop.timeout_ns = 2 * TENON_SECOND;
    ck_assert_int_eq(tenon_listener_stop(l, &stop), TENON_OK);
    stop.timeout_ns = TENON_MILLISECOND;
    ck_assert_int_eq(tenon_listener_stop(l, &stop), TENON_OK);
    fail_at = 0;
    ck_assert_int_eq(tenon_listener_stop(l, &stop), TENON_NO_MEMORY);
    fail_at = -1;
    ck_assert_int_eq(tenon_listener_add(l, "mem:t"), TENON_CLOSED);
    ck_assert_int_eq(stops, 0);
    ck_assert_int_eq(tenon_manual_advance(reactor, TENON_SECOND), TENON_OK);
    ck_assert(is_lost(&a) && is_lost(&b));
    ck_assert_int_eq(stops, 2);
    ck_assert_int_eq(tenon_listener_stop(l, NULL), TENON_OK);
    ck_assert_int_eq(tenon_listener_stop(l, &stop), TENON_OK);
    settle();
    ck_assert_int_eq(stops, 3);
    tenon_listener_unref(l);
    forget(&a);
    forget(&b);
    end();
}
END_TEST

START_TEST(a_reactor_with_everything_chosen)
{
    tenon_reactor_options chosen = options;
    chosen.name = "chosen";
    chosen.budget_ns = TENON_MILLISECOND;
    chosen.budget_calls = 3;
    chosen.slow_callback_ns = 0;
    chosen.shutdown_timeout_ns = TENON_SECOND;
    chosen.read_buffer_len = 4096;
    fds_before = count_fds();
    ck_assert_int_eq(tenon_reactor_new(&reactor, &chosen), TENON_OK);
    ck_assert_str_eq(tenon_reactor_name(reactor), "chosen");
    ck_assert_int_eq(tenon_reactor_set_budget(reactor, 1, 1), TENON_OK);
    ck_assert_int_eq(tenon_stop(reactor), TENON_OK);
    ck_assert(tenon_is_stopping(reactor));
    ck_assert_int_eq(tenon_run_once(reactor, TENON_SECOND), TENON_OK);
    SAYS("chosen");
    end();
    free(dumped);
    dumped = NULL;
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("states");
    TCase *tcase = tcase_create("states");
    tcase_add_test(tcase, a_dump_tells_the_state_of_a_connection);
    tcase_add_test(tcase, a_listener_in_each_state);
    tcase_add_test(tcase, a_reactor_with_everything_chosen);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
