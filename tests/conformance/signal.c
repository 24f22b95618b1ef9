/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Group X, signals: callbacks like all others, and dispositions that come back.
 */

#include "rig.h"

#include <signal.h>
#include <sys/time.h>
#include <unistd.h>

static void on_signal(tenon_signal *handler, uint32_t count, void *user)
{
    (void)handler;
    REQUIRE(count >= 1);
    note_call(user);
}

static void start_signal(tenon_signal *handler, int signo, uint32_t flags,
                         const char *word)
{
    tenon_signal_init(handler, rig.reactor);
    REQUIRE_STATUS(tenon_signal_start(handler, signo, flags, on_signal,
                                      (void *)(uintptr_t)word),
                   TENON_OK);
}

static void raise_inside(void *user)
{
    (void)user;
    note("begin");
    raise(SIGUSR1);
    raise(SIGUSR1);
    note("end");
}

static void x11_serialized(void)
{
    tenon_signal handler;
    start_signal(&handler, SIGUSR1, 0, "signal");
    soon(raise_inside, NULL);
    soon(note_call, "next");
    PUMP_UNTIL(noted("signal"));
    REQUIRE(strncmp(rig.notes, "begin end ", 10) == 0);
    REQUIRE_EQ(note_count("signal"), 1);
    REQUIRE_STATUS(tenon_signal_stop(&handler), TENON_EXISTED);
}

static void x11_interrupts_a_wait(void)
{
    tenon_signal handler;
    struct itimerval soon_once = {.it_value = {.tv_usec = 30000}};
    start_signal(&handler, SIGALRM, 0, "alarm");
    tenon_reactor_hold(rig.reactor); /* signals alone keep nothing alive */
    rig_settle();
    int64_t start_ns = harness_clock_ns();
    setitimer(ITIMER_REAL, &soon_once, NULL);
    while (!noted("alarm") && harness_clock_ns() - start_ns < MS(4000)) {
        rig_iterate(MS(5000));
    }
    REQUIRE_NOTES("alarm");
    REQUIRE(harness_clock_ns() - start_ns < MS(3000));
    tenon_reactor_release(rig.reactor);
    tenon_signal_stop(&handler);
}

static void x12_replace_and_remove(void)
{
    REQUIRE_STATUS(tenon_remove_signal_handler(rig.reactor, SIGUSR1), TENON_OK);
    REQUIRE_STATUS(
        tenon_add_signal_handler(rig.reactor, SIGUSR1, note_call, "old"),
        TENON_OK);
    REQUIRE_STATUS(
        tenon_add_signal_handler(rig.reactor, SIGUSR1, note_call, "new"),
        TENON_EXISTED);
    raise(SIGUSR1);
    PUMP_UNTIL(noted("new"));
    rig_settle();
    REQUIRE_NOTES("new");
    REQUIRE_STATUS(tenon_remove_signal_handler(rig.reactor, SIGUSR1),
                   TENON_EXISTED);
    REQUIRE_STATUS(tenon_remove_signal_handler(rig.reactor, SIGUSR1), TENON_OK);
}

static void x12_impossible_signals(void)
{
    static const int wrong[] = {SIGKILL, SIGSTOP, SIGSEGV, 0, -1, 9999};
    tenon_signal handler;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        tenon_signal_init(&handler, rig.reactor);
        REQUIRE_STATUS(
            tenon_signal_start(&handler, wrong[i], 0, on_signal, "x"),
            TENON_INVALID);
        REQUIRE_STATUS(
            tenon_add_signal_handler(rig.reactor, wrong[i], note_call, "x"),
            TENON_INVALID);
        REQUIRE(!tenon_signal_is_active(&handler));
    }
}

/* ---- dispositions ---- */

static volatile sig_atomic_t own_calls;

static void own_handler(int signo)
{
    (void)signo;
    own_calls++;
}

static void other_handler(int signo)
{
    (void)signo;
    own_calls += 100;
}

static void install(int signo, void (*fn)(int))
{
    struct sigaction action = {.sa_handler = fn, .sa_flags = SA_RESTART};
    sigaddset(&action.sa_mask, SIGHUP);
    REQUIRE(sigaction(signo, &action, NULL) == 0);
}

static void require_installed(int signo, void (*fn)(int))
{
    struct sigaction action;
    REQUIRE(sigaction(signo, NULL, &action) == 0);
    REQUIRE(action.sa_handler == fn);
    if (fn == own_handler) {
        REQUIRE(action.sa_flags & SA_RESTART);
        REQUIRE(sigismember(&action.sa_mask, SIGHUP));
    }
}

static void x13_what_was_there_comes_back(void)
{
    tenon_signal first;
    tenon_signal second;
    install(SIGUSR1, own_handler);
    start_signal(&first, SIGUSR1, 0, "first");
    start_signal(&second, SIGUSR1, 0, "second");
    raise(SIGUSR1);
    PUMP_UNTIL(noted("first") && noted("second"));
    REQUIRE_EQ(own_calls, 0);
    tenon_signal_stop(&first);
    raise(SIGUSR1);
    PUMP_UNTIL(note_count("second") == 2);
    REQUIRE_EQ(note_count("first"), 1);
    REQUIRE_EQ(own_calls, 0);
    tenon_signal_stop(&second);
    require_installed(SIGUSR1, own_handler);
    raise(SIGUSR1);
    REQUIRE_EQ(own_calls, 1);
}

static void x13_only_if_it_is_ours(void)
{
    tenon_signal handler;
    install(SIGUSR1, own_handler);
    start_signal(&handler, SIGUSR1, 0, "signal");
    install(SIGUSR1, other_handler);
    tenon_signal_stop(&handler);
    require_installed(SIGUSR1, other_handler);
}

static void x13_close_removes_all(void)
{
    static tenon_signal handlers[2];
    tenon_reactor_options options = rig_options();
    install(SIGUSR1, own_handler);
    require_installed(SIGUSR2, SIG_DFL);
    rig_open(&options);
    start_signal(&handlers[0], SIGUSR1, 0, "one");
    start_signal(&handlers[1], SIGUSR2, 0, "two");
    rig_close();
    require_installed(SIGUSR1, own_handler);
    require_installed(SIGUSR2, SIG_DFL);
    raise(SIGUSR1);
    REQUIRE_EQ(own_calls, 1);
    REQUIRE_NOTES("");
}

static void chained_to_the_old_one(void)
{
    tenon_signal handler;
    install(SIGUSR1, own_handler);
    start_signal(&handler, SIGUSR1, TENON_SIGNAL_CHAIN, "signal");
    raise(SIGUSR1);
    PUMP_UNTIL(noted("signal"));
    REQUIRE_EQ(own_calls, 1);
    tenon_signal_stop(&handler);
}

static void stop_both(tenon_signal *handler, uint32_t count, void *user)
{
    (void)handler;
    (void)count;
    tenon_signal *both = user;
    note("one");
    tenon_signal_stop(&both[0]);
    tenon_signal_stop(&both[1]);
}

static void stopped_in_a_handler(void)
{
    tenon_signal both[2];
    for (int i = 0; i < 2; i++) {
        tenon_signal_init(&both[i], rig.reactor);
        REQUIRE_OK(tenon_signal_start(&both[i], SIGUSR1, 0, stop_both, both));
        REQUIRE_STATUS(
            tenon_signal_start(&both[i], SIGUSR1, 0, stop_both, both),
            TENON_BUSY);
    }
    raise(SIGUSR1);
    PUMP_UNTIL(noted("one"));
    rig_settle();
    REQUIRE_NOTES("one");
    require_installed(SIGUSR1, SIG_DFL);
}

static void signals_are_daemons(void)
{
    tenon_signal handler;
    start_signal(&handler, SIGUSR1, 0, "signal");
    REQUIRE(!tenon_reactor_alive(rig.reactor));
    tenon_signal_stop(&handler);
}

static const rig_case cases[] = {
    {"X11", "a signal is a callback like all others", x11_serialized, 0},
    {"X11b", "a signal ends the wait", x11_interrupts_a_wait, NEED_TIME},
    {"X12", "a second handler replaces the first, remove tells",
     x12_replace_and_remove, 0},
    {"X12b", "signals that cannot be handled are refused",
     x12_impossible_signals, 0},
    {"X13", "the disposition comes back with the last handler",
     x13_what_was_there_comes_back, 0},
    {"X13b", "a disposition that is no longer ours stays",
     x13_only_if_it_is_ours, 0},
    {"X13c", "close removes all handlers", x13_close_removes_all, BARE},
    {"X16", "a handler can be chained to the old one", chained_to_the_old_one,
     0},
    {"X17", "a handler stopped by another one does not run",
     stopped_in_a_handler, 0},
    {"X18", "signals keep nothing alive", signals_are_daemons, 0},
};

const rig_group rig_signal = RIG_GROUP(cases);
