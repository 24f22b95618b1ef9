/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Group L, tenon_run: on loops that Tenon makes. Each case makes its reactors.
 */

#include "rig.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

static void end(tenon_reactor *reactor)
{
    REQUIRE_OK(tenon_reactor_close(reactor));
    REQUIRE(tenon_reactor_is_closed(reactor));
    tenon_reactor_unref(reactor);
}

static void call(tenon_reactor *reactor, tenon_call_fn *fn, void *user)
{
    REQUIRE_STATUS(tenon_call_soon(reactor, fn, user), TENON_OK);
}

static void stop_and_schedule(void *user)
{
    tenon_reactor *reactor = user;
    REQUIRE(!tenon_is_stopping(reactor));
    REQUIRE_OK(tenon_stop(reactor));
    REQUIRE(tenon_is_stopping(reactor));
    call(reactor, note_call, "later");
    note("stop");
}

static void l08_stop_in_a_callback(void)
{
    tenon_reactor *reactor = rig_reactor_new();
    call(reactor, stop_and_schedule, reactor);
    call(reactor, note_call, "same");
    REQUIRE_STATUS(tenon_run(reactor), TENON_OK);
    REQUIRE_NOTES("stop same");
    REQUIRE_STATUS(tenon_run(reactor), TENON_OK);
    REQUIRE_NOTES("stop same later");
    end(reactor);
}

static void l09_stop_before_run(void)
{
    tenon_reactor *reactor = rig_reactor_new();
    tenon_handle far;
    REQUIRE_OK(
        tenon_call_later(reactor, MS(3600000), note_call, "never", &far));
    call(reactor, note_call, "x");
    REQUIRE_OK(tenon_stop(reactor));
    REQUIRE_STATUS(tenon_run(reactor), TENON_OK);
    REQUIRE_NOTES("x");
    REQUIRE(!tenon_is_stopping(reactor));
    tenon_handle_cancel(far);
    end(reactor);
}

static void run_again(void *user)
{
    tenon_reactor *reactor = user;
    REQUIRE(tenon_is_running(reactor));
    REQUIRE(tenon_reactor_current() == reactor);
    REQUIRE_STATUS(tenon_run(reactor), TENON_BUSY);
    REQUIRE_STATUS(tenon_run_once(reactor, 0), TENON_BUSY);
    note("busy");
}

static void l11_run_while_running(void)
{
    tenon_reactor *reactor = rig_reactor_new();
    REQUIRE(!tenon_is_running(reactor));
    call(reactor, run_again, reactor);
    call(reactor, note_call, "next");
    REQUIRE_STATUS(tenon_run(reactor), TENON_OK);
    REQUIRE_NOTES("busy next");
    REQUIRE(!tenon_is_running(reactor));
    REQUIRE(tenon_reactor_current() == NULL);
    end(reactor);
}

static void run_other(void *user)
{
    REQUIRE_STATUS(tenon_run(user), TENON_BUSY);
    note("refused");
}

static void l12_run_of_another_inside(void)
{
    tenon_reactor *one = rig_reactor_new();
    tenon_reactor *other = rig_reactor_new();
    call(other, note_call, "other");
    call(one, run_other, other);
    REQUIRE_STATUS(tenon_run(one), TENON_OK);
    REQUIRE_NOTES("refused");
    REQUIRE_STATUS(tenon_run(other), TENON_OK);
    REQUIRE_NOTES("refused other");
    end(one);
    end(other);
}

static void close_under_run(void *user)
{
    REQUIRE_STATUS(tenon_reactor_close(user), TENON_BUSY);
    REQUIRE(!tenon_reactor_is_closed(user));
    note("busy");
}

static void on_timer(tenon_timer *timer, void *user)
{
    (void)timer;
    (void)user;
    note("timer");
}

static void on_watch(tenon_watch *watch, uint32_t events, void *user)
{
    (void)watch;
    (void)user;
    note("watch:%u", events);
}

static void on_signal(tenon_signal *handler, uint32_t count, void *user)
{
    (void)handler;
    (void)user;
    note("signal:%u", count);
}

static void on_post(tenon_post_node *post, tenon_status status, void *user)
{
    (void)post;
    (void)user;
    note("post:%d", status);
}

static void refused_when_closed(tenon_reactor *reactor)
{
    tenon_timer timer;
    tenon_watch watch;
    tenon_signal handler;
    tenon_listener *listener = NULL;
    static const tenon_protocol_ops quiet = {.size = sizeof quiet};
    tenon_timer_init(&timer, reactor);
    tenon_watch_init(&watch, reactor, 0);
    tenon_signal_init(&handler, reactor);
    REQUIRE_STATUS(tenon_call_soon(reactor, note_call, "x"), TENON_CLOSED);
    REQUIRE_STATUS(tenon_call_later(reactor, 1, note_call, "x", NULL),
                   TENON_CLOSED);
    REQUIRE_STATUS(tenon_timer_start(&timer, 1, on_timer, NULL), TENON_CLOSED);
    REQUIRE_STATUS(tenon_watch_start(&watch, TENON_READ, on_watch, NULL),
                   TENON_CLOSED);
    REQUIRE_STATUS(tenon_signal_start(&handler, SIGUSR1, 0, on_signal, NULL),
                   TENON_CLOSED);
    REQUIRE_STATUS(tenon_add_reader(reactor, 0, note_call, "x"), TENON_CLOSED);
    REQUIRE_STATUS(tenon_add_signal_handler(reactor, SIGUSR1, note_call, "x"),
                   TENON_CLOSED);
    REQUIRE_STATUS(tenon_listen(reactor, &listener, "tcp:127.0.0.1:0",
                                tenon_factory_of(&quiet), NULL),
                   TENON_CLOSED);
    REQUIRE_STATUS(tenon_connector_start(reactor, NULL, "tcp:127.0.0.1:1",
                                         tenon_factory_of(&quiet), NULL),
                   TENON_CLOSED);
    REQUIRE_STATUS(
        tenon_call_soon_threadsafe(tenon_reactor_inbox(reactor), on_post, NULL),
        TENON_CLOSED);
    REQUIRE_STATUS(tenon_run(reactor), TENON_CLOSED);
}

static void l16_close(void)
{
    tenon_reactor *reactor = rig_reactor_new();
    call(reactor, close_under_run, reactor);
    REQUIRE_STATUS(tenon_run(reactor), TENON_OK);
    REQUIRE_NOTES("busy");
    REQUIRE_STATUS(tenon_reactor_close(reactor), TENON_OK);
    REQUIRE(tenon_reactor_is_closed(reactor));
    REQUIRE_STATUS(tenon_reactor_close(reactor), TENON_OK);
    refused_when_closed(reactor);
    tenon_reactor_unref(reactor);
}

static void close_it(void *user)
{
    REQUIRE_OK(tenon_reactor_close(user));
    REQUIRE_STATUS(tenon_call_soon(user, note_call, "x"), TENON_CLOSED);
    note("closed");
}

static void l16_an_attached_one_closes_anywhere(void)
{
    tenon_reactor_options options = rig_options();
    rig_open(&options);
    soon(close_it, rig.reactor);
    soon(note_call, "dropped");
    later(MS(1), note_call, "dropped", NULL);
    PUMP_UNTIL(rig.closed);
    REQUIRE_NOTES("closed");
    REQUIRE(tenon_reactor_is_closed(rig.reactor));
}

/* ---- when run returns ---- */

static void release(void *user)
{
    REQUIRE_OK(tenon_reactor_release(user));
    note("released");
}

static void run_ends_when_nothing_is_alive(void)
{
    tenon_reactor *reactor = rig_reactor_new();
    REQUIRE_STATUS(tenon_run(reactor), TENON_OK);
    REQUIRE_OK(tenon_call_later(reactor, MS(20), note_call, "timer", NULL));
    REQUIRE(tenon_reactor_alive(reactor));
    REQUIRE_STATUS(tenon_run(reactor), TENON_OK);
    REQUIRE_NOTES("timer");
    REQUIRE(!tenon_reactor_alive(reactor));
    end(reactor);
}

static void daemons_and_holds(void)
{
    tenon_reactor *reactor = rig_reactor_new();
    tenon_handle handle;
    tenon_call_options options = {.size = sizeof options,
                                  .flags = TENON_CALL_DAEMON,
                                  .time_ns = MS(5),
                                  .fn = release,
                                  .user = reactor};
    REQUIRE_OK(tenon_call_with(reactor, &options, &handle));
    REQUIRE(!tenon_reactor_alive(reactor));
    REQUIRE_STATUS(tenon_run(reactor), TENON_OK);
    REQUIRE_NOTES("");
    REQUIRE_OK(tenon_reactor_hold(reactor));
    REQUIRE(tenon_reactor_alive(reactor));
    REQUIRE_STATUS(tenon_run(reactor), TENON_OK);
    REQUIRE_NOTES("released");
    REQUIRE(!tenon_reactor_alive(reactor));
    end(reactor);
}

static void run_once_waits_no_longer(void)
{
    tenon_reactor *reactor = rig_reactor_new();
    tenon_handle far;
    REQUIRE_OK(
        tenon_call_later(reactor, MS(3600000), note_call, "never", &far));
    int64_t start_ns = harness_clock_ns();
    REQUIRE_STATUS(tenon_run_once(reactor, MS(30)), TENON_OK);
    REQUIRE(harness_clock_ns() - start_ns < 2 * TENON_SECOND);
    REQUIRE_STATUS(tenon_run_once(reactor, 0), TENON_OK);
    REQUIRE_OK(tenon_call_soon(reactor, note_call, "soon"));
    REQUIRE_STATUS(tenon_run_once(reactor, TENON_FOREVER), TENON_OK);
    REQUIRE_NOTES("soon");
    tenon_handle_cancel(far);
    end(reactor);
}

static void stop_it(void *user)
{
    tenon_stop(user);
}

static void stop_does_not_wait_for_timers(void)
{
    tenon_reactor *reactor = rig_reactor_new();
    tenon_handle far;
    REQUIRE_OK(
        tenon_call_later(reactor, MS(3600000), note_call, "never", &far));
    REQUIRE_OK(tenon_call_later(reactor, MS(5), stop_it, reactor, NULL));
    REQUIRE_STATUS(tenon_run(reactor), TENON_OK);
    REQUIRE(tenon_handle_is_pending(far));
    tenon_handle_cancel(far);
    end(reactor);
}

static void the_last_unref_closes(void)
{
    tenon_reactor *reactor = rig_reactor_new();
    REQUIRE_OK(tenon_call_later(reactor, MS(5), note_call, "never", NULL));
    call(reactor, note_call, "never");
    tenon_reactor_ref(reactor);
    tenon_reactor_unref(reactor);
    REQUIRE(!tenon_reactor_is_closed(reactor));
    tenon_reactor_unref(reactor);
    tenon_reactor_unref(NULL);
    REQUIRE(rig.closed);
    REQUIRE_NOTES("");
}

/* The newest epoll is the engine's, not the host's. */
static int engine_fd(void)
{
    int found = -1;
    for (int fd = 0; fd < HARNESS_FDS; fd++) {
        char path[64];
        char what[64] = "";
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        ssize_t len = readlink(path, what, sizeof what - 1);
        found = len > 0 && strstr(what, "eventpoll") ? fd : found;
    }
    return found;
}

static void close_engine(void *user)
{
    int fd = engine_fd();
    REQUIRE(fd >= 0 && close(fd) == 0);
    call(user, note_call, "again"); /* another turn, which polls */
}

static void the_engine_is_closed(void)
{
    tenon_reactor *reactor = rig_reactor_new();
    REQUIRE_OK(tenon_reactor_hold(reactor));
    /* Not in the first turn: libuv aborts if it cannot even begin to poll. */
    REQUIRE_OK(tenon_call_later(reactor, MS(5), close_engine, reactor, NULL));
    (void)!tenon_run(reactor);
    REQUIRE(tenon_reactor_is_closed(reactor));
    REQUIRE(rig.closed);
    rig_take_report(-EBADF);
    REQUIRE_STATUS(tenon_reactor_close(reactor), TENON_OK);
    tenon_reactor_unref(reactor);
}

#define ON_RUN (BARE | NEED_TENON_RUN)

static const rig_case cases[] = {
    {"L08", "stop lets the batch finish, and no more", l08_stop_in_a_callback,
     ON_RUN},
    {"L09", "stop before run: one turn that does not block",
     l09_stop_before_run, ON_RUN},
    {"L11", "run while running is refused", l11_run_while_running, ON_RUN},
    {"L12", "run of another reactor inside a callback is refused",
     l12_run_of_another_inside, ON_RUN},
    {"L16", "close under run is refused, twice is nothing, then all fails",
     l16_close, ON_RUN},
    {"L16b", "an attached reactor closes from its own callback",
     l16_an_attached_one_closes_anywhere, BARE | NEED_ATTACHED},
    {"C20", "run returns when nothing is alive", run_ends_when_nothing_is_alive,
     ON_RUN},
    {"C21", "daemons do not keep it running, holds do", daemons_and_holds,
     ON_RUN},
    {"C22", "run_once waits no longer than told", run_once_waits_no_longer,
     ON_RUN},
    {"C23", "stop leaves the timers where they are",
     stop_does_not_wait_for_timers, ON_RUN},
    {"C24", "the last unref closes", the_last_unref_closes, ON_RUN},
    {"C25", "a descriptor of the engine's that was closed ends the run",
     the_engine_is_closed, ON_RUN},
};

const rig_group rig_run = RIG_GROUP(cases);
