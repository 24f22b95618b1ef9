/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Group H, loops of others: we are guests. The loop is run its own way, has
 * callbacks of its own, is found as it was left, and may go first.
 */

#include "recorder.h"

#include <stdlib.h>
#include <unistd.h>

#define FIXTURE_HAS(slot)                                            \
    (rig.fixture->size >=                                            \
         offsetof(tenon_fixture, slot) + sizeof rig.fixture->slot && \
     rig.fixture->slot)

/* ---- H09: timers and the loop's own callbacks ---- */

static int64_t asked_ns;
static int64_t fired_ns;

static void stamp(void *user)
{
    (void)user;
    fired_ns = harness_clock_ns();
}

static void ask_from_native(void *user)
{
    (void)user;
    REQUIRE(!tenon_is_running(rig.reactor));
    asked_ns = harness_clock_ns();
    later(MS(30), stamp, NULL, NULL);
    soon(note_call, "soon");
    note("native");
}

static void h09_from_a_native_callback(void)
{
    REQUIRE(rig.fixture->call_native(rig.loop, MS(5), ask_from_native, NULL) ==
            0);
    PUMP_UNTIL(fired_ns != 0);
    REQUIRE_NOTES("native soon");
    REQUIRE(fired_ns - asked_ns >= MS(30));
    REQUIRE(fired_ns - asked_ns < MS(300) * harness_time_scale());
}

static void h09_no_native_timer_when_idle(void)
{
    tenon_handle handle;
    rig_settle();
    REQUIRE(rig.fixture->native_timeout(rig.loop) == TENON_FOREVER);
    later(MS(5), note_call, "timer", NULL);
    PUMP_UNTIL(noted("timer"));
    later(MS(3600000), note_call, "never", &handle);
    tenon_handle_cancel(handle);
    rig_settle();
    REQUIRE(rig.fixture->native_timeout(rig.loop) == TENON_FOREVER);
}

/* ---- H11: nobody starves ---- */

enum { BUSY = 64 };

static int ticks;
static bool ticking;

static bool on_tick(void *user)
{
    (void)user;
    ticks++;
    return ticking;
}

static void on_busy(tenon_watch *watch, uint32_t events, void *user)
{
    (void)watch;
    (void)events;
    ++*(int *)user; /* and reads nothing: it is ready for ever */
}

static void h11_the_host_is_not_starved(void)
{
    static tenon_watch watches[BUSY];
    static int fds[BUSY][2];
    static int counts[BUSY];
    for (int i = 0; i < BUSY; i++) {
        socket_pair(fds[i]);
        put(fds[i][1], "x");
        tenon_watch_init(&watches[i], rig.reactor, fds[i][0]);
        REQUIRE_OK(
            tenon_watch_start(&watches[i], TENON_READ, on_busy, &counts[i]));
    }
    ticking = true;
    REQUIRE(rig.fixture->tick_native(rig.loop, MS(10), on_tick, NULL) == 0);
    int64_t cpu_end_ns = harness_cpu_ns() + MS(600); /* that it was given */
    while (harness_cpu_ns() < cpu_end_ns) {
        rig_pump_for(MS(50));
    }
    ticking = false;
    int seen = ticks;
    for (int i = 0; i < BUSY; i++) {
        tenon_watch_stop(&watches[i]);
        REQUIRE(counts[i] > 10);
        REQUIRE(counts[i] > counts[0] / 2 && counts[i] < counts[0] * 2 + 2);
        close_fd(&fds[i][0]);
        close_fd(&fds[i][1]);
    }
    REQUIRE(seen >= 20);
    PUMP_UNTIL(ticks > seen); /* the tick that ends it */
}

/* ---- H12: the loop inside a callback ---- */

struct dialog {
    int fd;
    int depth;
    uint64_t turns;
};

static void read_in_dialog(void *user)
{
    char text[16];
    struct dialog *dialog = user;
    drain(dialog->fd, text, sizeof text);
    note("read:%s", text);
    tenon_remove_reader(rig.reactor, dialog->fd);
}

static void open_dialog(void *user)
{
    struct dialog *dialog = user;
    REQUIRE_EQ(dialog->depth, 0);
    dialog->depth++;
    note("open");
    soon(note_call, "soon");
    later(MS(10), note_call, "timer", NULL);
    dialog->turns = rig_stats().turns;
    rig.fixture->nested(rig.loop, MS(80));
    dialog->turns = rig_stats().turns - dialog->turns;
    note("shut");
    dialog->depth--;
}

static void h12_a_nested_run(void)
{
    int fds[2];
    socket_pair(fds);
    struct dialog dialog = {.fd = fds[0]};
    put(fds[1], "x");
    REQUIRE_OK(tenon_add_reader(rig.reactor, fds[0], read_in_dialog, &dialog));
    soon(open_dialog, &dialog);
    soon(note_call, "queued");
    PUMP_UNTIL(noted("shut"));
    REQUIRE(strncmp(rig.notes, "open queued ", 12) == 0);
    REQUIRE(strcmp(rig.notes + strlen(rig.notes) - 10, "timer shut") == 0);
    REQUIRE_EQ(note_count("soon"), 1);
    REQUIRE_EQ(note_count("read:x"), 1);
    REQUIRE(dialog.turns < 50);
    close_fd(&fds[0]);
    close_fd(&fds[1]);
}

static void dialog_in_watch(tenon_watch *watch, uint32_t events, void *user)
{
    struct dialog *dialog = user;
    (void)events;
    REQUIRE_EQ(dialog->depth, 0); /* never re-entered */
    dialog->depth++;
    note("in");
    dialog->turns = rig_stats().turns;
    rig.fixture->nested(rig.loop, MS(60));
    dialog->turns = rig_stats().turns - dialog->turns;
    dialog->depth--;
    note("out");
    if (note_count("out") == 2) {
        tenon_watch_stop(watch);
    }
}

static void h12_a_callback_is_not_reentered(void)
{
    int fds[2];
    tenon_watch watch;
    struct dialog dialog = {0};
    socket_pair(fds);
    put(fds[1], "x"); /* never read: level-triggered for ever */
    tenon_watch_init(&watch, rig.reactor, fds[0]);
    REQUIRE_OK(tenon_watch_start(&watch, TENON_READ, dialog_in_watch, &dialog));
    PUMP_UNTIL(note_count("out") == 2);
    REQUIRE_NOTES("in out in out");
    REQUIRE(dialog.turns < 50);
    close_fd(&fds[0]);
    close_fd(&fds[1]);
}

static void dialog_in_data(recorder *self, const void *data, size_t len)
{
    recorder *other = self->user;
    (void)len;
    note("in:%c", *(const char *)data);
    size_t before = other->received;
    rig.fixture->nested(rig.loop, MS(60));
    note("out:%c", *(const char *)data); /* the buffer is still ours */
    REQUIRE(other->received > before);
    self->data_fn = NULL;
}

static void send_to(void *user)
{
    put(*(int *)user, "ZZZZ");
}

static void h12_other_connections_go_on(void)
{
    recorder other = {.silent = true};
    recorder self = {.silent = true, .data_fn = dialog_in_data, .user = &other};
    int other_peer = recorder_pair(&other);
    int peer = recorder_pair(&self);
    later(MS(15), send_to, &other_peer, NULL);
    put(peer, "A");
    PUMP_UNTIL(noted("out:A"));
    put(peer, "B");
    PUMP_UNTIL(self.received == 2);
    REQUIRE_NOTES("in:A out:A");
    REQUIRE_OK(tenon_transport_abort(self.transport));
    REQUIRE_OK(tenon_transport_abort(other.transport));
    PUMP_UNTIL(self.lost && other.lost);
    close_fd(&peer);
    close_fd(&other_peer);
}

static void close_in_dialog(void *user)
{
    (void)user;
    note("close");
    REQUIRE_OK(tenon_reactor_close(rig.reactor));
}

static void dialog_and_close(void *user)
{
    (void)user;
    soon(close_in_dialog, NULL);
    rig.fixture->nested(rig.loop, MS(30));
    note("back");
}

static void h12_closed_in_a_nested_run(void)
{
    soon(dialog_and_close, NULL);
    soon(note_call, "queued");
    PUMP_UNTIL(noted("back") && rig.closed);
    REQUIRE(noted("close"));
    REQUIRE_EQ(note_count("back"), 1);
}

/* ---- H13: a loop that runs already ---- */

static void stop_loop(void *user)
{
    (void)user;
    note("stop");
    rig.fixture->stop(rig.loop);
}

static void detach(void *user)
{
    (void)user;
    REQUIRE(tenon_is_running(rig.reactor));
    note("detach");
    REQUIRE_OK(tenon_reactor_close(rig.reactor));
    REQUIRE(rig.fixture->call_native(rig.loop, MS(20), stop_loop, NULL) == 0);
}

static void attach_now(void *user)
{
    tenon_reactor_options options = rig_options();
    (void)user;
    note("attach");
    REQUIRE_OK(rig.fixture->attach(rig.loop, &rig.reactor, &options));
    REQUIRE(!tenon_is_running(rig.reactor));
    soon(note_call, "soon");
    later(MS(10), detach, NULL, NULL);
}

static void h13_attached_to_a_running_loop(void)
{
    rig.loop = rig.fixture->loop_new();
    REQUIRE(rig.loop != NULL);
    REQUIRE(rig.fixture->call_native(rig.loop, 0, attach_now, NULL) == 0);
    rig.fixture->run(rig.loop);
    REQUIRE_NOTES("attach soon detach stop");
    PUMP_UNTIL(rig.closed);
    REQUIRE(!tenon_is_running(rig.reactor));
}

static void stop_ends_no_loop_of_others(void)
{
    REQUIRE_OK(tenon_stop(rig.reactor));
    REQUIRE_STATUS(tenon_run(rig.reactor), TENON_NOT_SUPPORTED);
    soon(note_call, "soon");
    later(MS(10), stop_loop, NULL, NULL);
    rig.fixture->run(rig.loop);
    REQUIRE_NOTES("soon stop");
}

static void run_ends_when_nothing_is_alive(void)
{
    tenon_handle handle;
    recorder self = {.silent = true};
    later(MS(5), note_call, "timer", NULL);
    rig.fixture->run(rig.loop);
    REQUIRE_NOTES("timer");
    int peer = recorder_pair(&self);
    later(MS(3600000), note_call, "never", &handle);
    tenon_handle_cancel(handle);
    close_fd(&peer);
    rig.fixture->run(rig.loop);
    REQUIRE_EQ(self.lost, 1);
    REQUIRE(!tenon_reactor_alive(rig.reactor));
    rig.fixture->run(rig.loop); /* returns at once */
}

static void release_hold(void *user)
{
    (void)user;
    note("release");
    REQUIRE_OK(tenon_reactor_release(rig.reactor));
}

static void daemons_do_not_keep_it_running(void)
{
    tenon_call_options options = {.size = sizeof options,
                                  .flags = TENON_CALL_DAEMON,
                                  .time_ns = MS(10),
                                  .fn = release_hold};
    tenon_handle handle;
    REQUIRE_OK(tenon_call_with(rig.reactor, &options, &handle));
    rig.fixture->run(rig.loop);
    REQUIRE_NOTES("");
    REQUIRE_OK(tenon_reactor_hold(rig.reactor));
    rig.fixture->run(rig.loop);
    REQUIRE_NOTES("release");
}

/* ---- the loop as it was found ---- */

static void the_loop_is_left_as_found(void)
{
    tenon_reactor_options options = rig_options();
    rig.loop = rig.fixture->loop_new();
    size_t before = rig.fixture->native_count(rig.loop);
    for (int i = 0; i < 3; i++) {
        rig.closed = false;
        REQUIRE_OK(rig.fixture->attach(rig.loop, &rig.reactor, &options));
        later(MS(1), note_call, "ran", NULL);
        PUMP_UNTIL(note_count("ran") == (size_t)i + 1);
        REQUIRE_OK(tenon_reactor_close(rig.reactor));
        PUMP_UNTIL(rig.closed);
        tenon_reactor_unref(rig.reactor);
        rig.reactor = NULL;
        rig.fixture->iterate(rig.loop, 0);
        REQUIRE_EQ(rig.fixture->native_count(rig.loop), before);
    }
}

static void call_other(void *user)
{
    note("one");
    REQUIRE_STATUS(tenon_call_soon(user, note_call, "two"), TENON_OK);
    REQUIRE(tenon_reactor_current() == rig.reactor);
}

static void two_reactors_on_a_loop(void)
{
    tenon_reactor *second = NULL;
    tenon_reactor_options options = rig_options();
    options.on_closed = NULL;
    REQUIRE_OK(rig.fixture->attach(rig.loop, &second, &options));
    REQUIRE(second != rig.reactor);
    soon(call_other, second);
    REQUIRE_OK(tenon_call_later(second, MS(10), note_call, "three", NULL));
    PUMP_UNTIL(noted("three"));
    REQUIRE_NOTES("one two three");
    REQUIRE_OK(tenon_reactor_close(second));
    tenon_reactor_unref(second);
    soon(note_call, "still");
    PUMP_UNTIL(noted("still"));
}

static void the_loop_dies_first(void)
{
    tenon_reactor_options options = rig_options();
    recorder self = {0};
    rig_open(&options);
    int peer = recorder_pair(&self);
    tenon_handle handle;
    later(MS(3600000), note_call, "never", &handle);
    rig.fixture->loop_free(rig.loop);
    rig.loop = NULL;
    tenon_status status = tenon_call_soon(rig.reactor, note_call, "never");
    REQUIRE(status == TENON_OK || status == TENON_HOST_GONE ||
            status == TENON_CLOSED);
    tenon_handle_cancel(handle);
    REQUIRE_OK(tenon_reactor_close(rig.reactor));
    REQUIRE(rig.closed);
    REQUIRE_EQ(self.lost, 1);
    REQUIRE(self.lost_status < 0);
    tenon_reactor_unref(rig.reactor);
    rig.reactor = NULL;
    rig.spin.reactor = NULL;
    close_fd(&peer);
}

static void what_it_is_called(void)
{
    REQUIRE_STR(tenon_reactor_name(rig.reactor), "rig");
    REQUIRE(tenon_reactor_host(rig.reactor)[0] != '\0');
    REQUIRE(tenon_reactor_host_version(rig.reactor)[0] != '\0');
    if (FIXTURE_HAS(version)) {
        REQUIRE_STR(tenon_reactor_host_version(rig.reactor),
                    rig.fixture->version());
    }
    REQUIRE(tenon_reactor_allocator(rig.reactor)->resize ==
            rig.heap.allocator.resize);
    bool real = tenon_reactor_caps(rig.reactor) & TENON_CAP_REAL_TIME;
    REQUIRE_EQ(real, (rig.fixture->caps & TENON_FIXTURE_REAL_TIME) != 0);
}

/* ---- what excludes each other ---- */

static struct {
    tenon_watch watches[2];
    tenon_timer timer;
    int pairs[2][2];
    int calls;
} excluding;

static void on_exclusive(const char *word)
{
    note("%s", word);
    if (excluding.calls++ == 0) {
        put(excluding.pairs[1][1], "x");
        REQUIRE_OK(tenon_timer_reset(&excluding.timer, 0));
        rig.fixture->nested(rig.loop, MS(30));
        note("back");
    }
}

static void on_exclusive_watch(tenon_watch *watch, uint32_t events, void *user)
{
    char byte[8];
    REQUIRE(events == TENON_READ && user == &excluding);
    REQUIRE_EQ(drain(excluding.pairs[watch == &excluding.watches[1]][0], byte,
                     sizeof byte),
               1);
    on_exclusive(watch == excluding.watches ? "first" : "second");
}

static void on_exclusive_timer(tenon_timer *timer, void *user)
{
    REQUIRE(timer == &excluding.timer && user == &excluding);
    on_exclusive("timer");
}

/* A library that is not to be entered again, whichever its descriptor. */
static void h12_exclusive_ones_wait(void)
{
    for (int i = 0; i < 2; i++) {
        tenon_watch *watch = &excluding.watches[i];
        socket_pair(excluding.pairs[i]);
        tenon_watch_init(watch, rig.reactor, excluding.pairs[i][0]);
        tenon_watch_set_exclusive(watch, true);
        REQUIRE_OK(tenon_watch_start(watch, TENON_READ, on_exclusive_watch,
                                     &excluding));
    }
    tenon_timer_init(&excluding.timer, rig.reactor);
    tenon_timer_set_exclusive(&excluding.timer, true);
    REQUIRE_OK(tenon_timer_start(&excluding.timer, 60 * TENON_SECOND,
                                 on_exclusive_timer, &excluding));
    put(excluding.pairs[0][1], "x");
    PUMP_UNTIL(excluding.calls == 3);
    REQUIRE(strncmp(rig.notes, "first back ", 11) == 0);
    REQUIRE(noted("second") && noted("timer"));
    for (int i = 0; i < 2; i++) {
        tenon_watch_stop(&excluding.watches[i]);
        close_fd(&excluding.pairs[i][0]);
        close_fd(&excluding.pairs[i][1]);
    }
}

static const rig_case cases[] = {
    {"H09", "a delay asked for in a native callback is kept",
     h09_from_a_native_callback, NEED_CALL},
    {"H09b", "without timers no native timer is armed",
     h09_no_native_timer_when_idle, NEED_TIMEOUT},
    {"H11", "sockets that are always ready starve neither host nor others",
     h11_the_host_is_not_starved, NEED_TICK | NEED_BUDGET},
    {"H12", "a nested run keeps timers and watches alive", h12_a_nested_run,
     NEED_NESTED},
    {"H12b", "a callback on the stack is not re-entered, nothing spins",
     h12_a_callback_is_not_reentered, NEED_NESTED},
    {"H12c", "in a nested run other connections go on",
     h12_other_connections_go_on, NEED_NESTED},
    {"H12e", "exclusive watches and timers wait for each other",
     h12_exclusive_ones_wait, NEED_NESTED},
    {"H12d", "closed in a nested run", h12_closed_in_a_nested_run,
     NEED_NESTED | NEED_ATTACHED},
    {"H13", "attached to a running loop, and detached again",
     h13_attached_to_a_running_loop,
     BARE | NEED_ATTACHED | NEED_CALL | NEED_LOOP_RUN},
    {"H13b", "stop ends no loop of others", stop_ends_no_loop_of_others,
     NEED_ATTACHED | NEED_LOOP_RUN},
    {"H30", "the loop's run ends when nothing is alive",
     run_ends_when_nothing_is_alive, NEED_ALIVE | NEED_LOOP_RUN},
    {"H31", "daemons do not keep the loop running, holds do",
     daemons_do_not_keep_it_running, NEED_ALIVE | NEED_LOOP_RUN},
    {"H32", "the loop is left as it was found", the_loop_is_left_as_found,
     BARE | NEED_ATTACHED | NEED_COUNT},
    {"H33", "two reactors on one loop", two_reactors_on_a_loop, NEED_SHARED},
    {"H34", "the loop dies first", the_loop_dies_first,
     BARE | NEED_ATTACHED | NEED_DIES},
    {"H35", "names, versions and capabilities", what_it_is_called, 0},
};

const rig_group rig_host = RIG_GROUP(cases);
