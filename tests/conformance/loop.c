/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Group L: calls and turns, errors, idleness, the end. What concerns tenon_run
 * is in run.c.
 */

#include "rig.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

/* ---- order ---- */

static uint64_t seen_turns[8];

static void note_turn(void *word)
{
    seen_turns[(strlen(rig.notes) + 1) / 2] = rig_stats().turns;
    note_call(word);
}

static void l01_fifo_in_one_turn(void)
{
    static const char *const words[] = {"a", "b", "c", "d", "e"};
    for (int i = 0; i < 5; i++) {
        soon(note_turn, (void *)(uintptr_t)words[i]);
    }
    REQUIRE_NOTES("");
    PUMP_UNTIL(noted("e"));
    REQUIRE_NOTES("a b c d e");
    for (int i = 1; i < 5; i++) {
        REQUIRE_EQ(seen_turns[i], seen_turns[0]);
    }
}

static void note_readable(tenon_watch *watch, uint32_t events, void *user)
{
    (void)events;
    (void)user;
    note("readable");
    tenon_watch_stop(watch);
}

static void schedule_and_write(void *user)
{
    note("first");
    soon(note_call, "second");
    put(*(int *)user, "x");
}

static void l02_next_turn_after_a_poll(void)
{
    int fds[2];
    tenon_watch watch;
    socket_pair(fds);
    tenon_watch_init(&watch, rig.reactor, fds[0]);
    REQUIRE_OK(tenon_watch_start(&watch, TENON_READ, note_readable, NULL));
    rig_settle();
    soon(schedule_and_write, &fds[1]);
    PUMP_UNTIL(noted("second"));
    if (!rig_swept()) { /* the poll may have been interrupted */
        REQUIRE_NOTES("first readable second");
    }
    close_fd(&fds[0]);
    close_fd(&fds[1]);
}

static void schedule_itself(void *user)
{
    int *left = user;
    note("%d", (int)(rig_stats().turns - seen_turns[0]));
    if (--*left > 0) {
        soon(schedule_itself, left);
    }
}

static void l02_a_chain_takes_a_turn_each(void)
{
    int left = 4;
    rig_settle();
    seen_turns[0] = rig_stats().turns;
    soon(schedule_itself, &left);
    PUMP_UNTIL(left == 0);
    REQUIRE_NOTES("1 2 3 4");
}

/* ---- cancelling ---- */

static void cancel_handle(void *user)
{
    note("cancel");
    REQUIRE_STATUS(tenon_handle_cancel(*(tenon_handle *)user), TENON_EXISTED);
}

static void call_with(tenon_handle *out, int64_t delay_ns, void *word,
                      tenon_free_fn *free_user)
{
    tenon_call_options options = {.size = sizeof options,
                                  .time_ns = delay_ns,
                                  .fn = note_call,
                                  .user = word,
                                  .free_user = free_user};
    REQUIRE_STATUS(tenon_call_with(rig.reactor, &options, out), TENON_OK);
}

static void l04_cancelled_in_its_batch(void)
{
    tenon_handle handle;
    soon(cancel_handle, &handle);
    call_with(&handle, 0, "victim", NULL);
    soon(note_call, "last");
    REQUIRE(tenon_handle_is_pending(handle));
    PUMP_UNTIL(noted("last"));
    REQUIRE_NOTES("cancel last");
    REQUIRE(!tenon_handle_is_pending(handle));
}

static void l05_cancel_twice_or_late(void)
{
    tenon_handle handle;
    tenon_handle done;
    later(MS(3600000), note_call, "never", &handle);
    REQUIRE_STATUS(tenon_handle_cancel(handle), TENON_EXISTED);
    REQUIRE_STATUS(tenon_handle_cancel(handle), TENON_OK);
    call_with(&done, 0, "ran", NULL);
    PUMP_UNTIL(noted("ran"));
    REQUIRE_STATUS(tenon_handle_cancel(done), TENON_OK);
    later(MS(3600000), note_call, "never", &handle); /* may reuse the place */
    REQUIRE_STATUS(tenon_handle_cancel(done), TENON_OK);
    REQUIRE(tenon_handle_is_pending(handle));
    REQUIRE_STATUS(tenon_handle_cancel(handle), TENON_EXISTED);
    rig_settle();
    REQUIRE_NOTES("ran");
}

static void note_free(void *user)
{
    (void)user;
    note("free");
}

static void l06_cancel_drops_the_user_data(void)
{
    tenon_handle handle;
    call_with(&handle, MS(3600000), "never", note_free);
    rig_settle();
    REQUIRE_NOTES("");
    REQUIRE_STATUS(tenon_handle_cancel(handle), TENON_EXISTED);
    PUMP_UNTIL(noted("free"));
    rig_settle();
    REQUIRE_NOTES("free");
}

static void l07_no_reference_is_kept(void)
{
    call_with(NULL, 0, "ran", note_free);
    soon(note_call, "last");
    PUMP_UNTIL(noted("free"));
    rig_settle();
    REQUIRE_NOTES("ran last free");
}

/* ---- errors ---- */

static tenon_status note_report(tenon_reactor *reactor,
                                const tenon_report *report, void *user)
{
    REQUIRE(reactor == rig.reactor);
    note("%s/%s", report->what, tenon_error_message(report->error));
    REQUIRE_STATUS(tenon_error_status(report->error), TENON_PROTOCOL);
    return *(tenon_status *)user;
}

static void report_something(void *user)
{
    (void)user;
    tenon_error *error = tenon_error_of(TENON_PROTOCOL, "broken-pipe-dream");
    tenon_reactor_report(rig.reactor, "task", error);
    tenon_error_unref(error);
}

static void l18_errors_reach_the_handler(void)
{
    tenon_status result = TENON_OK;
    REQUIRE_OK(
        tenon_reactor_set_error_handler(rig.reactor, note_report, &result));
    soon(report_something, NULL);
    soon(note_call, "next");
    PUMP_UNTIL(noted("next"));
    REQUIRE_NOTES("task/broken-pipe-dream next");
}

/* How often `word` is written to standard error by a turn of the reactor. */
static int count_on_stderr(const char *word)
{
    int saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    int file = memfd_create("stderr", MFD_CLOEXEC);
    REQUIRE(saved >= 0 && file >= 0);
    fflush(stderr);
    REQUIRE(dup3(file, STDERR_FILENO, 0) >= 0);
    rig_settle();
    fflush(stderr);
    REQUIRE(dup3(saved, STDERR_FILENO, 0) >= 0);
    close(saved);
    char text[4096];
    ssize_t len = pread(file, text, sizeof text - 1, 0);
    close(file);
    text[len > 0 ? len : 0] = '\0';
    (void)harness_told_text(text);
    int count = 0;
    for (const char *at = text; (at = strstr(at, word)); at++) {
        count++;
    }
    return count;
}

static void l19_a_failing_handler(void)
{
    tenon_status result = TENON_INVALID;
    REQUIRE_OK(
        tenon_reactor_set_error_handler(rig.reactor, note_report, &result));
    soon(report_something, NULL);
    REQUIRE_EQ(count_on_stderr("broken-pipe-dream"), 1);
    REQUIRE_NOTES("task/broken-pipe-dream");
}

static tenon_status report_again(tenon_reactor *reactor,
                                 const tenon_report *report, void *user)
{
    (void)user;
    note("handled");
    tenon_reactor_report(reactor, "handler", report->error);
    return TENON_OK;
}

static void l19_a_reporting_handler(void)
{
    REQUIRE_OK(
        tenon_reactor_set_error_handler(rig.reactor, report_again, NULL));
    soon(report_something, NULL);
    REQUIRE(count_on_stderr("broken-pipe-dream") <= 1);
    REQUIRE_NOTES("handled");
}

static void l19_the_default_handler(void)
{
    REQUIRE_OK(tenon_reactor_set_error_handler(rig.reactor, NULL, NULL));
    soon(report_something, NULL);
    soon(note_call, "next");
    REQUIRE_EQ(count_on_stderr("broken-pipe-dream"), 1);
    REQUIRE_NOTES("next");
}

static void l20_null_callbacks(void)
{
    tenon_handle handle;
    tenon_timer timer;
    tenon_watch watch;
    tenon_signal handler;
    tenon_post_node post;
    tenon_periodic periodic;
    tenon_shutdown hook;
    tenon_call_options call = {.size = sizeof call};
    tenon_periodic_options tick = {.size = sizeof tick, .period_ns = MS(1)};
    tenon_inbox *inbox = tenon_reactor_inbox(rig.reactor);
    tenon_reactor *r = rig.reactor;
    tenon_timer_init(&timer, r);
    tenon_watch_init(&watch, r, 0);
    tenon_signal_init(&handler, r);
    tenon_post_init(&post);
    REQUIRE_STATUS(tenon_call_soon(r, NULL, NULL), TENON_INVALID);
    REQUIRE_STATUS(tenon_call_later(r, 1, NULL, NULL, &handle), TENON_INVALID);
    REQUIRE_STATUS(tenon_call_at(r, 1, NULL, NULL, NULL), TENON_INVALID);
    REQUIRE_STATUS(tenon_call_with(r, &call, NULL), TENON_INVALID);
    REQUIRE_STATUS(tenon_timer_start(&timer, 1, NULL, NULL), TENON_INVALID);
    REQUIRE_STATUS(tenon_watch_start(&watch, TENON_READ, NULL, NULL),
                   TENON_INVALID);
    REQUIRE_STATUS(tenon_add_reader(r, 0, NULL, NULL), TENON_INVALID);
    REQUIRE_STATUS(tenon_signal_start(&handler, SIGUSR1, 0, NULL, NULL),
                   TENON_INVALID);
    REQUIRE_STATUS(tenon_add_signal_handler(r, SIGUSR1, NULL, NULL),
                   TENON_INVALID);
    REQUIRE_STATUS(tenon_post(inbox, &post, NULL, NULL), TENON_INVALID);
    REQUIRE_STATUS(tenon_call_soon_threadsafe(inbox, NULL, NULL),
                   TENON_INVALID);
    REQUIRE_STATUS(tenon_periodic_start(&periodic, r, &tick), TENON_INVALID);
    REQUIRE_STATUS(tenon_reactor_on_shutdown(r, &hook, NULL, NULL),
                   TENON_INVALID);
}

/* ---- idleness ---- */

static void never_ready(tenon_watch *watch, uint32_t events, void *user)
{
    (void)watch;
    (void)user;
    note("event:%u", events);
}

static void l21_idle_means_asleep(void)
{
    int fds[2];
    tenon_watch watch;
    tenon_handle far;
    socket_pair(fds);
    tenon_watch_init(&watch, rig.reactor, fds[0]);
    REQUIRE_OK(tenon_watch_start(&watch, TENON_READ, never_ready, NULL));
    later(MS(3600000), note_call, "never", &far);
    rig_settle();
    tenon_stats before = rig_stats();
    uint64_t iterations = rig.spin.iterations;
    int64_t cpu_ns = harness_cpu_ns();
    rig_pump_for(MS(300));
    tenon_stats after = rig_stats();
    iterations = rig.spin.iterations - iterations;
    REQUIRE(iterations <= 4);
    REQUIRE(after.polls - before.polls <= 2 * iterations);
    REQUIRE_EQ(after.callbacks, before.callbacks);
    REQUIRE(harness_cpu_ns() - cpu_ns < MS(60) * harness_time_scale());
    tenon_handle_cancel(far);
    tenon_watch_stop(&watch);
    close_fd(&fds[0]);
    close_fd(&fds[1]);
    REQUIRE_NOTES("");
}

/* ---- the end ---- */

static void check_cloexec(const harness_fds *before)
{
    for (int fd = 0; fd < HARNESS_FDS; fd++) {
        int flags = before->open[fd] ? -1 : fcntl(fd, F_GETFD);
        if (flags >= 0 && !(flags & FD_CLOEXEC)) {
            harness_fail(__FILE__, __LINE__, "descriptor %d survives exec", fd);
        }
    }
}

static void l23_descriptors(void)
{
    static const tenon_protocol_ops quiet = {.size = sizeof quiet,
                                             .connection_lost = rig_lost};
    int flags[3];
    for (int fd = 0; fd < 3; fd++) {
        flags[fd] = fcntl(fd, F_GETFD) * 65536 + fcntl(fd, F_GETFL);
    }
    tenon_reactor_options options = rig_options();
    harness_fds before;
    rig.loop = rig.fixture->loop_new();
    REQUIRE(rig.loop != NULL);
    harness_fds_begin(&before);
    REQUIRE_OK(rig.fixture->attach(rig.loop, &rig.reactor, &options));
    tenon_listener *listener;
    tenon_address address;
    char text[TENON_ADDRESS_TEXT_LEN];
    REQUIRE_OK(tenon_listen(rig.reactor, &listener, "tcp:127.0.0.1:0",
                            tenon_factory_of(&quiet), NULL));
    REQUIRE_OK(tenon_listener_address(listener, &address));
    tenon_address_format(&address, text, sizeof text);
    REQUIRE_OK(tenon_connector_start(
        rig.reactor, NULL, text, tenon_factory_of(&quiet), &rig_connecting));
    PUMP_UNTIL(rig_stats().transport_count == 2);
    check_cloexec(&before);
    for (int fd = 0; fd < 3; fd++) {
        REQUIRE_EQ(fcntl(fd, F_GETFD) * 65536 + fcntl(fd, F_GETFL), flags[fd]);
    }
    tenon_listener_close(listener);
    tenon_listener_unref(listener);
    REQUIRE_OK(tenon_reactor_close(rig.reactor));
    PUMP_UNTIL(rig.closed);
    rig_take_report(TENON_CLOSED); /* both were open still: P24 */
}

static const rig_case cases[] = {
    {"L01", "calls run in the order made, in one turn", l01_fifo_in_one_turn,
     0},
    {"L02", "a call made in a call runs in the next turn, after a poll",
     l02_next_turn_after_a_poll, 0},
    {"L02b", "a chain of calls takes a turn each",
     l02_a_chain_takes_a_turn_each, 0},
    {"L04", "a call cancelled in its own batch does not run",
     l04_cancelled_in_its_batch, 0},
    {"L05", "cancelling twice, or after it ran, does nothing",
     l05_cancel_twice_or_late, 0},
    {"L06", "cancelling drops the user data at once",
     l06_cancel_drops_the_user_data, 0},
    {"L07", "no reference is kept after a call ran", l07_no_reference_is_kept,
     0},
    {"L18", "an error reaches the handler, the next call runs",
     l18_errors_reach_the_handler, 0},
    {"L19", "a failing handler falls back to the default one, once",
     l19_a_failing_handler, 0},
    {"L19b", "a handler that reports does not recurse", l19_a_reporting_handler,
     0},
    {"L19c", "the default handler writes one line", l19_the_default_handler, 0},
    {"L20", "a NULL callback is refused at the call", l20_null_callbacks, 0},
    {"L21", "an idle loop sleeps", l21_idle_means_asleep, NEED_TIME},
    {"L23", "0, 1, 2 are left alone and our descriptors close on exec",
     l23_descriptors, BARE},
};

const rig_group rig_loop = RIG_GROUP(cases);
