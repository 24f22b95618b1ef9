/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Group C: the lifetime clauses. Any object may be stopped, closed or freed
 * from any callback, its own included; memory that is given back here is
 * spoiled first, so that a late touch shows.
 */

#include "recorder.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>

static void *spoiled(size_t len)
{
    void *block = malloc(len);
    REQUIRE(block != NULL);
    memset(block, 0xEE, len);
    return block;
}

static void spoil_and_free(void *block, size_t len)
{
    memset(block, 0xDD, len);
    free(block);
}

/* ---- clause 1: nothing inside the call ---- */

static void on_timer(tenon_timer *timer, void *user)
{
    (void)timer;
    note_call(user);
}

static void on_watch(tenon_watch *watch, uint32_t events, void *user)
{
    (void)watch;
    (void)events;
    note_call(user);
}

static void on_post(tenon_post_node *post, tenon_status status, void *user)
{
    (void)post;
    REQUIRE_STATUS(status, TENON_OK);
    note_call(user);
}

static void register_all(void *user)
{
    static tenon_timer timer;
    static tenon_watch watch;
    int *fds = user;
    note("begin");
    tenon_timer_init(&timer, rig.reactor);
    tenon_watch_init(&watch, rig.reactor, fds[0]);
    soon(note_call, "x");
    REQUIRE_OK(tenon_timer_start(&timer, 0, on_timer, "x"));
    REQUIRE_OK(
        tenon_watch_start(&watch, TENON_READ | TENON_ONESHOT, on_watch, "x"));
    REQUIRE_OK(tenon_call_soon_threadsafe(tenon_reactor_inbox(rig.reactor),
                                          on_post, "x"));
    REQUIRE_STR(rig.notes, "begin");
    note("end");
}

static void c01_nothing_inside_the_call(void)
{
    int fds[2];
    socket_pair(fds);
    put(fds[1], "x");
    register_all(fds);
    PUMP_UNTIL(note_count("x") == 4);
    notes_clear();
    soon(register_all, fds);
    PUMP_UNTIL(note_count("x") == 4);
    REQUIRE(strncmp(rig.notes, "begin end", 9) == 0);
    close_fd(&fds[0]);
    close_fd(&fds[1]);
}

/* ---- clause 2: from any callback, its own too ---- */

static void free_own_timer(tenon_timer *timer, void *user)
{
    (void)user;
    REQUIRE_STATUS(tenon_timer_stop(timer), TENON_OK); /* it fired */
    spoil_and_free(timer, sizeof *timer);
    note("timer");
}

static void restart_stop_free(tenon_timer *timer, void *user)
{
    (void)user;
    REQUIRE_OK(tenon_timer_start(timer, MS(1), free_own_timer, NULL));
    REQUIRE_STATUS(tenon_timer_stop(timer), TENON_EXISTED);
    spoil_and_free(timer, sizeof *timer);
    note("again");
}

static void free_own_watch(tenon_watch *watch, uint32_t events, void *user)
{
    (void)events;
    (void)user;
    REQUIRE_STATUS(tenon_watch_stop(watch), TENON_EXISTED);
    spoil_and_free(watch, sizeof *watch);
    note("watch");
}

static void free_own_post(tenon_post_node *post, tenon_status status,
                          void *user)
{
    (void)status;
    (void)user;
    spoil_and_free(post, sizeof *post);
    note("post");
}

static tenon_status free_own_periodic(tenon_periodic *periodic, uint64_t missed,
                                      void *user)
{
    (void)missed;
    (void)user;
    REQUIRE_STATUS(tenon_periodic_stop(periodic), TENON_EXISTED);
    spoil_and_free(periodic, sizeof *periodic);
    note("periodic");
    return TENON_OK;
}

static void free_own_signal(tenon_signal *handler, uint32_t count, void *user)
{
    (void)count;
    (void)user;
    REQUIRE_STATUS(tenon_signal_stop(handler), TENON_EXISTED);
    spoil_and_free(handler, sizeof *handler);
    note("signal");
}

static void c02_timers_freed_in_their_callback(void)
{
    for (int64_t delay_ns = 0; delay_ns <= MS(1); delay_ns += MS(1)) {
        tenon_timer *one = spoiled(sizeof *one);
        tenon_timer *two = spoiled(sizeof *two);
        tenon_timer_init(one, rig.reactor);
        tenon_timer_init(two, rig.reactor);
        REQUIRE_OK(tenon_timer_start(one, delay_ns, free_own_timer, NULL));
        REQUIRE_OK(tenon_timer_start(two, delay_ns, restart_stop_free, NULL));
        notes_clear();
        PUMP_UNTIL(noted("timer") && noted("again"));
    }
}

static void c02_others_freed_in_their_callback(void)
{
    int fds[2];
    socket_pair(fds);
    tenon_watch *watch = spoiled(sizeof *watch);
    tenon_post_node *post = spoiled(sizeof *post);
    tenon_periodic *periodic = spoiled(sizeof *periodic);
    tenon_signal *handler = spoiled(sizeof *handler);
    tenon_periodic_options options = {
        .size = sizeof options, .period_ns = MS(2), .fn = free_own_periodic};
    tenon_watch_init(watch, rig.reactor, fds[0]);
    tenon_post_init(post);
    tenon_signal_init(handler, rig.reactor);
    REQUIRE_OK(tenon_watch_start(watch, TENON_READ, free_own_watch, NULL));
    REQUIRE_OK(tenon_post(tenon_reactor_inbox(rig.reactor), post, free_own_post,
                          NULL));
    REQUIRE_OK(tenon_periodic_start(periodic, rig.reactor, &options));
    REQUIRE_OK(tenon_signal_start(handler, SIGUSR1, 0, free_own_signal, NULL));
    put(fds[1], "x");
    raise(SIGUSR1);
    PUMP_UNTIL(noted("watch") && noted("post") && noted("periodic") &&
               noted("signal"));
    rig_settle();
    close_fd(&fds[0]);
    close_fd(&fds[1]);
}

/* Two watches ready in one batch: the first stops and frees the second. */
static tenon_watch *victims[2];

static void free_the_other(tenon_watch *watch, uint32_t events, void *user)
{
    (void)events;
    (void)user;
    int other = watch == victims[0];
    REQUIRE_STATUS(tenon_watch_stop(victims[other]), TENON_EXISTED);
    spoil_and_free(victims[other], sizeof *victims[other]);
    REQUIRE_STATUS(tenon_watch_stop(watch), TENON_EXISTED);
    spoil_and_free(watch, sizeof *watch);
    note("one");
}

static void c02_one_watch_frees_another(void)
{
    int fds[2][2];
    for (int i = 0; i < 2; i++) {
        socket_pair(fds[i]);
        victims[i] = spoiled(sizeof *victims[i]);
        tenon_watch_init(victims[i], rig.reactor, fds[i][0]);
        REQUIRE_OK(
            tenon_watch_start(victims[i], TENON_READ, free_the_other, NULL));
    }
    rig_settle();
    put(fds[0][1], "x");
    put(fds[1][1], "x");
    PUMP_UNTIL(noted("one"));
    rig_settle();
    REQUIRE_NOTES("one");
    for (int i = 0; i < 2; i++) {
        close_fd(&fds[i][0]);
        close_fd(&fds[i][1]);
    }
}

/* The same for two watches of one descriptor. */
static void c02_one_watch_frees_its_neighbour(void)
{
    int fds[2];
    socket_pair(fds);
    for (int i = 0; i < 2; i++) {
        victims[i] = spoiled(sizeof *victims[i]);
        tenon_watch_init(victims[i], rig.reactor, fds[0]);
        REQUIRE_OK(
            tenon_watch_start(victims[i], TENON_READ, free_the_other, NULL));
    }
    put(fds[1], "x");
    PUMP_UNTIL(noted("one"));
    rig_settle();
    REQUIRE_NOTES("one");
    close_fd(&fds[0]);
    close_fd(&fds[1]);
}

static void unref_in_lost(recorder *self)
{
    tenon_transport_unref(self->user);
    note("unref");
}

static void c02_transports_released_anywhere(void)
{
    recorder self = {.lost_fn = unref_in_lost};
    int peer = recorder_pair(&self);
    self.user = tenon_transport_ref(self.transport);
    close_fd(&peer);
    PUMP_UNTIL(noted("unref"));
    REQUIRE_NOTES("made eof lost:TENON_OK unref");
}

/* ---- clause 3: after stop and close ---- */

static void stop_all(void *user)
{
    tenon_timer *timers = user;
    for (int i = 0; i < 3; i++) {
        REQUIRE_STATUS(tenon_timer_stop(&timers[i]), TENON_EXISTED);
    }
    note("stopped");
}

static void c03_nothing_after_stop(void)
{
    tenon_timer timers[3];
    soon(stop_all, timers);
    for (int i = 0; i < 3; i++) {
        tenon_timer_init(&timers[i], rig.reactor);
        REQUIRE_OK(tenon_timer_start(&timers[i], i * MS(1), on_timer, "x"));
    }
    rig_block(MS(5));
    PUMP_UNTIL(noted("stopped"));
    rig_pump_for(MS(10));
    REQUIRE_NOTES("stopped");
}

static void note_free(void *user)
{
    note("free-%s", (const char *)user);
}

static void c03_close_frees_what_it_drops(void)
{
    tenon_reactor_options options = rig_options();
    rig_open(&options);
    for (int i = 0; i < 2; i++) {
        tenon_call_options call = {.size = sizeof call,
                                   .time_ns = i * MS(3600000),
                                   .fn = note_call,
                                   .user = "x",
                                   .free_user = note_free};
        REQUIRE_OK(tenon_call_with(rig.reactor, &call, NULL));
    }
    rig_close();
    REQUIRE_NOTES("free-x free-x");
}

static void c03_close_ends_connections(void)
{
    tenon_reactor_options options = rig_options();
    recorder self = {0};
    rig_open(&options);
    int peer = recorder_pair(&self);
    rig_close();
    REQUIRE_EQ(self.lost, 1);
    REQUIRE_NOTES("made lost:TENON_CLOSED");
    rig_take_report(TENON_CLOSED); /* it was open still: P24 */
    char byte;
    REQUIRE(recv(peer, &byte, 1, 0) <= 0);
    close_fd(&peer);
}

static void close_reactor(recorder *self, const void *data, size_t len)
{
    (void)self;
    (void)data;
    (void)len;
    note("close");
    REQUIRE_OK(tenon_reactor_close(rig.reactor));
    note("closed");
}

static void c03_closed_from_a_protocol(void)
{
    recorder self = {.data_fn = close_reactor, .merged = true};
    recorder other = {.prefix = "other-"};
    int other_peer = recorder_pair(&other);
    int peer = recorder_pair(&self);
    put(peer, "x");
    PUMP_UNTIL(rig.closed);
    REQUIRE_EQ(self.lost, 1);
    REQUIRE_EQ(other.lost, 1);
    rig_take_report(TENON_CLOSED); /* one for both: P24 */
    close_fd(&peer);
    close_fd(&other_peer);
}

/* ---- clause 5: a failed constructor ---- */

static void c05_a_failed_constructor_leaves_nothing(void)
{
    tenon_reactor_options options = rig_options();
    rig_open(&options);
    soon(note_call, "turn");
    PUMP_UNTIL(noted("turn"));
    recorder self = {0};
    tenon_listener *listener = (tenon_listener *)&self;
    size_t blocks = rig.heap.count;
    size_t open_before = harness_fds_count();
    REQUIRE(tenon_listen(rig.reactor, &listener, "unix:/no/such/place",
                         recorder_factory(&self), NULL) < 0);
    REQUIRE(listener == (tenon_listener *)&self); /* outs untouched */
    REQUIRE_EQ(rig.heap.count, blocks);
    REQUIRE_EQ(harness_fds_count(), open_before);
    rig_close();
}

static void free_call(void *user)
{
    free(user);
}

static void c05_ownership_moves_on_success_only(void)
{
    tenon_call_options call = {
        .size = sizeof call, .user = spoiled(8), .free_user = free_call};
    REQUIRE_STATUS(tenon_call_with(rig.reactor, &call, NULL), TENON_INVALID);
    memset(call.user, 0, 8); /* still ours */
    call.fn = note_call;
    memcpy(call.user, "mine", 5);
    REQUIRE_STATUS(tenon_call_with(rig.reactor, &call, NULL), TENON_OK);
    PUMP_UNTIL(noted("mine"));
}

/* ---- clause 6: references ---- */

static void c06_unref_never_closes(void)
{
    recorder self = {.merged = true};
    int peer = recorder_pair(&self);
    tenon_transport_unref(tenon_transport_ref(self.transport));
    put(peer, "x");
    PUMP_UNTIL(self.received == 1);
    close_fd(&peer);
    PUMP_UNTIL(self.lost);
}

static void c06_null_is_legal(void)
{
    tenon_reactor_unref(NULL);
    tenon_transport_unref(NULL);
    tenon_listener_unref(NULL);
    tenon_connector_unref(NULL);
    tenon_inbox_unref(NULL);
    tenon_error_unref(NULL);
    REQUIRE_STATUS(tenon_error_status(NULL), TENON_OK);
}

/* ---- turns ---- */

struct lot {
    int index;
    int *next;
};

static void in_turn(void *user)
{
    struct lot *lot = user;
    REQUIRE_EQ(lot->index, *lot->next);
    ++*lot->next;
}

/* A budget of a few calls cuts the batch; nothing is lost, nothing reordered,
 * and what is scheduled meanwhile waits behind it. */
static void c08_a_paused_turn_goes_on(void)
{
    enum { LOTS = 500 };
    static struct lot lots[LOTS];
    int next = 0;
    REQUIRE_OK(tenon_reactor_set_budget(rig.reactor, 0, 3));
    for (int i = 0; i < LOTS; i++) {
        lots[i] = (struct lot){i, &next};
        soon(in_turn, &lots[i]);
        if (i == LOTS / 2) {
            rig_iterate(0);
            REQUIRE(next <= 30); /* an iteration may enter more than once */
        }
    }
    PUMP_UNTIL(next == LOTS);
    REQUIRE(rig_stats().budget_pauses > 0);
}

static void on_ready(tenon_watch *watch, uint32_t events, void *user)
{
    (void)events;
    tenon_watch_stop(watch);
    ++*(int *)user;
}

static void c08_a_paused_batch_is_served_whole(void)
{
    enum { PAIRS = 200 };
    static int fds[PAIRS][2];
    static int served[PAIRS];
    static tenon_watch watches[PAIRS];
    int sum = 0;
    REQUIRE_OK(tenon_reactor_set_budget(rig.reactor, 0, 3));
    for (int i = 0; i < PAIRS; i++) {
        socket_pair(fds[i]);
        put(fds[i][1], "x");
        tenon_watch_init(&watches[i], rig.reactor, fds[i][0]);
        REQUIRE_OK(
            tenon_watch_start(&watches[i], TENON_READ, on_ready, &served[i]));
    }
    PUMP_UNTIL(rig_stats().watch_count == 0);
    for (int i = 0; i < PAIRS; i++) {
        sum += served[i];
        REQUIRE_EQ(served[i], 1);
        close_fd(&fds[i][0]);
        close_fd(&fds[i][1]);
    }
    REQUIRE_EQ(sum, PAIRS);
}

static void slow(void *user)
{
    (void)user;
    rig_block(MS(30));
}

static void c08_slow_callbacks_are_reported(void)
{
    REQUIRE_OK(tenon_reactor_set_slow_callback(rig.reactor, MS(10)));
    soon(slow, NULL);
    PUMP_UNTIL(rig.reports == 1);
    REQUIRE_STR(rig.report_what, "slow callback");
    REQUIRE_EQ(rig_stats().slow_callbacks, 1);
    REQUIRE(rig_stats().longest_callback_ns >= MS(25));
    rig.reports = 0;
    REQUIRE_OK(tenon_reactor_set_slow_callback(rig.reactor, -1));
    soon(slow, NULL);
    soon(note_call, "end");
    PUMP_UNTIL(noted("end"));
}

static void c08_alive_counts(void)
{
    tenon_timer timer;
    tenon_watch watch;
    int fds[2];
    socket_pair(fds);
    rig_settle();
    REQUIRE(!tenon_reactor_alive(rig.reactor));
    tenon_timer_init(&timer, rig.reactor);
    tenon_watch_init(&watch, rig.reactor, fds[0]);
    REQUIRE_OK(tenon_timer_start(&timer, MS(3600000), on_timer, "x"));
    REQUIRE(tenon_reactor_alive(rig.reactor));
    REQUIRE_OK(tenon_timer_set_daemon(&timer, true));
    REQUIRE(!tenon_reactor_alive(rig.reactor));
    REQUIRE_OK(tenon_timer_set_daemon(&timer, false));
    REQUIRE(tenon_reactor_alive(rig.reactor));
    tenon_timer_stop(&timer);
    REQUIRE(!tenon_reactor_alive(rig.reactor));
    REQUIRE_OK(tenon_watch_set_daemon(&watch, true));
    REQUIRE_OK(tenon_watch_start(&watch, TENON_READ, on_watch, "x"));
    REQUIRE(!tenon_reactor_alive(rig.reactor));
    REQUIRE_OK(tenon_watch_set_daemon(&watch, false));
    REQUIRE(tenon_reactor_alive(rig.reactor));
    tenon_watch_stop(&watch);
    REQUIRE_OK(tenon_reactor_hold(rig.reactor));
    REQUIRE_OK(tenon_reactor_hold(rig.reactor));
    REQUIRE_OK(tenon_reactor_release(rig.reactor));
    REQUIRE(tenon_reactor_alive(rig.reactor));
    REQUIRE_OK(tenon_reactor_release(rig.reactor));
    REQUIRE(!tenon_reactor_alive(rig.reactor));
    REQUIRE(tenon_reactor_release(rig.reactor) < 0);
    close_fd(&fds[0]);
    close_fd(&fds[1]);
}

static void on_alive(tenon_reactor *reactor, bool alive, void *user)
{
    REQUIRE(reactor == rig.reactor && user == &rig);
    note("%s", alive ? "alive" : "idle");
}

/* Told at each change, outside of turns and inside of none. */
static void c08_the_alive_handler(void)
{
    REQUIRE_OK(tenon_reactor_set_alive_handler(rig.reactor, on_alive, &rig));
    REQUIRE_NOTES("");
    soon(note_call, "call");
    REQUIRE_NOTES("alive");
    rig_settle();
    REQUIRE_NOTES("alive call idle");
    REQUIRE_OK(tenon_reactor_set_alive_handler(rig.reactor, NULL, NULL));
    REQUIRE_OK(tenon_reactor_hold(rig.reactor));
    REQUIRE_NOTES("alive call idle");
    notes_clear();
    REQUIRE_OK(tenon_reactor_set_alive_handler(rig.reactor, on_alive, &rig));
    REQUIRE_NOTES("alive");
    REQUIRE_OK(tenon_reactor_hold(rig.reactor));
    REQUIRE_OK(tenon_reactor_release(rig.reactor));
    REQUIRE_NOTES("alive");
    rig_close();
    REQUIRE_NOTES("alive idle");
}

static const rig_case cases[] = {
    {"C01", "no callback runs inside the call that asks for it",
     c01_nothing_inside_the_call, 0},
    {"C02", "timers may be freed in their callback",
     c02_timers_freed_in_their_callback, 0},
    {"C02b", "watches, posts, periodics and signals, too",
     c02_others_freed_in_their_callback, 0},
    {"C02c", "a watch may free another of its batch",
     c02_one_watch_frees_another, 0},
    {"C02d", "a watch may free another of its descriptor",
     c02_one_watch_frees_its_neighbour, 0},
    {"C02e", "the last reference may go in connection_lost",
     c02_transports_released_anywhere, 0},
    {"C03", "nothing comes after stop", c03_nothing_after_stop, 0},
    {"C03b", "close frees what it drops", c03_close_frees_what_it_drops, BARE},
    {"C03c", "close ends connections, and tells them",
     c03_close_ends_connections, BARE},
    {"C03d", "closed from a protocol's callback", c03_closed_from_a_protocol,
     NEED_ATTACHED},
    {"C05", "a failed constructor leaves nothing behind",
     c05_a_failed_constructor_leaves_nothing, BARE},
    {"C05b", "ownership moves on success only",
     c05_ownership_moves_on_success_only, 0},
    {"C06", "unref never closes", c06_unref_never_closes, 0},
    {"C06b", "unref of NULL is legal", c06_null_is_legal, 0},
    {"C08", "a turn cut by its budget goes on, in order",
     c08_a_paused_turn_goes_on, NEED_BUDGET},
    {"C08b", "a batch cut by its budget is served whole",
     c08_a_paused_batch_is_served_whole, NEED_BUDGET},
    {"C08c", "slow callbacks are reported", c08_slow_callbacks_are_reported,
     NEED_TIME},
    {"C08d", "what is alive and what is not", c08_alive_counts, 0},
    {"C08e", "who asks is told of it", c08_the_alive_handler, 0},
};

const rig_group rig_lifetime = RIG_GROUP(cases);
