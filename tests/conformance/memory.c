/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Group H, testing without a world: the virtual clock, the memory network, and
 * the ways to see what a reactor still holds.
 */

#include "recorder.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- the virtual clock: a reactor of its own, on every host ---- */

static tenon_reactor *manual;

static void add_inside(void *user)
{
    note_call(user);
    REQUIRE_OK(tenon_call_later(manual, MS(10), note_call, "inside-10", NULL));
    REQUIRE_OK(tenon_call_later(manual, MS(60), note_call, "inside-60", NULL));
}

static void check_time(void *user)
{
    REQUIRE_EQ(tenon_now(manual), *(int64_t *)user);
    note("time");
}

static void h15_the_virtual_clock(void)
{
    tenon_reactor_options options = rig_options();
    tenon_turn_result result;
    REQUIRE_OK(tenon_manual_new(&manual, &options));
    int64_t start_ns = tenon_now(manual);
    int64_t due_ns = start_ns + MS(3600000);
    REQUIRE_EQ(start_ns, TENON_SECOND);
    int64_t real_ns = harness_clock_ns();
    REQUIRE_OK(tenon_call_later(manual, MS(30), note_call, "30", NULL));
    REQUIRE_OK(tenon_call_later(manual, MS(20), add_inside, "20", NULL));
    REQUIRE_OK(tenon_call_at(manual, due_ns, check_time, &due_ns, NULL));
    REQUIRE_OK(tenon_manual_turn(manual, &result));
    REQUIRE_NOTES("");
    REQUIRE(!result.more && result.alive);
    REQUIRE_EQ(result.next_deadline_ns, start_ns + MS(20));
    REQUIRE_OK(tenon_manual_advance(manual, MS(20) - 1));
    REQUIRE_NOTES("");
    REQUIRE_OK(tenon_manual_advance(manual, MS(40) + 1));
    REQUIRE_NOTES("20 30 inside-10");
    REQUIRE_EQ(tenon_now(manual), start_ns + MS(60));
    REQUIRE_OK(tenon_manual_advance(manual, MS(3600000)));
    REQUIRE_NOTES("20 30 inside-10 inside-60 time");
    REQUIRE(harness_clock_ns() - real_ns < MS(2000) * harness_time_scale());
    REQUIRE_OK(tenon_reactor_close(manual));
    tenon_reactor_unref(manual);
}

static void h15_only_manual_ones_are_stepped(void)
{
    if (strcmp(tenon_reactor_host(rig.reactor), "manual") != 0) {
        REQUIRE_STATUS(tenon_manual_turn(rig.reactor, NULL),
                       TENON_NOT_SUPPORTED);
        REQUIRE_STATUS(tenon_manual_advance(rig.reactor, 1),
                       TENON_NOT_SUPPORTED);
    }
}

/* ---- the memory network ---- */

static recorder ends[2];

static void open_pair(const tenon_memory_options *options)
{
    tenon_transport *both[2];
    REQUIRE_OK(tenon_memory_pair(rig.reactor, both, recorder_factory(&ends[0]),
                                 recorder_factory(&ends[1]), options));
    REQUIRE_EQ(ends[0].made + ends[1].made, 0);
    PUMP_UNTIL(ends[0].made && ends[1].made);
    REQUIRE(ends[0].transport == both[0] && ends[1].transport == both[1]);
}

static void h16_a_pair(void)
{
    ends[0] = (recorder){.prefix = "a-", .merged = true};
    ends[1] = (recorder){.prefix = "b-", .merged = true};
    size_t open_before = harness_fds_count();
    open_pair(NULL);
    REQUIRE_EQ(harness_fds_count(), open_before);
    REQUIRE_OK(tenon_transport_write(ends[0].transport, "hello", 5));
    REQUIRE_EQ(ends[1].received, 0); /* never inside the call */
    PUMP_UNTIL(ends[1].received == 5);
    REQUIRE_STR(ends[1].data, "hello");
    REQUIRE_OK(tenon_transport_close(ends[1].transport));
    PUMP_UNTIL(ends[0].lost && ends[1].lost);
    rig_settle();
    REQUIRE_STATUS(ends[0].lost_status, TENON_OK);
    REQUIRE_STATUS(ends[1].lost_status, TENON_OK);
    REQUIRE_EQ(ends[0].eof, 1);
    REQUIRE_EQ(ends[1].eof, 0);
}

static uint64_t send_in_chunks(const tenon_memory_options *options)
{
    enum { TOTAL = 50000 };
    static char bytes[TOTAL];
    for (size_t i = 0; i < TOTAL; i++) {
        bytes[i] = (char)(i * 7 + i / 256);
    }
    ends[0] = (recorder){.silent = true};
    ends[1] = (recorder){.silent = true};
    open_pair(options);
    uint64_t callbacks = rig_stats().callbacks;
    REQUIRE_OK(tenon_transport_write(ends[0].transport, bytes, TOTAL));
    PUMP_UNTIL(ends[1].received == TOTAL);
    REQUIRE(ends[1].checksum == checksum(0, bytes, TOTAL));
    callbacks = rig_stats().callbacks - callbacks;
    REQUIRE_OK(tenon_transport_abort(ends[0].transport));
    PUMP_UNTIL(ends[0].lost && ends[1].lost);
    return callbacks;
}

static void h16_chunking(void)
{
    tenon_memory_options options = {.size = sizeof options, .chunk_max = 1};
    REQUIRE(send_in_chunks(&options) >= 50000);
    options.chunk_max = 700;
    options.seed = 42;
    uint64_t first = send_in_chunks(&options);
    REQUIRE(first >= 50000 / 700);
    REQUIRE(send_in_chunks(&options) >= 50000 / 700);
    options = (tenon_memory_options){.size = sizeof options, .capacity = 100};
    send_in_chunks(&options);
    send_in_chunks(NULL);
}

static void h16_flow_control(void)
{
    tenon_memory_options options = {.size = sizeof options, .capacity = 1000};
    ends[0] = (recorder){.prefix = "a-"};
    ends[1] = (recorder){.silent = true};
    open_pair(&options);
    char bytes[3000] = {0};
    REQUIRE_OK(tenon_transport_pause_reading(ends[1].transport));
    REQUIRE_OK(tenon_transport_set_write_limits(ends[0].transport, 100, 50));
    rig_settle();
    REQUIRE_STATUS(tenon_transport_write(ends[0].transport, bytes, 3000),
                   TENON_HIGH);
    rig_settle();
    REQUIRE_NOTES("a-made a-pause");
    REQUIRE_EQ(tenon_transport_write_queue_len(ends[0].transport), 2000);
    REQUIRE_OK(tenon_transport_resume_reading(ends[1].transport));
    PUMP_UNTIL(ends[1].received == 3000);
    rig_settle();
    REQUIRE_NOTES("a-made a-pause a-resume");
    REQUIRE_OK(tenon_transport_abort(ends[1].transport));
    PUMP_UNTIL(ends[0].lost && ends[1].lost);
}

static tenon_status echo(void *self, tenon_transport *transport,
                         const void *data, size_t len)
{
    (void)self;
    return tenon_transport_write(transport, data, len);
}

/* The same protocol table as on sockets, and no descriptor but the loop's. */
static void h16_a_protocol_without_sockets(void)
{
    static const tenon_protocol_ops echo_ops = {.size = sizeof echo_ops,
                                                .data_received = echo,
                                                .connection_lost = rig_lost};
    tenon_listener *listener;
    recorder client = {.merged = true};
    REQUIRE_OK(tenon_listen(rig.reactor, &listener, "mem:echo",
                            tenon_factory_of(&echo_ops), NULL));
    REQUIRE_OK(tenon_connector_start(rig.reactor, NULL, "mem:echo",
                                     recorder_factory(&client),
                                     &rig_connecting));
    PUMP_UNTIL(client.made);
    REQUIRE_OK(tenon_transport_write(client.transport, "ping", 4));
    PUMP_UNTIL(client.received == 4);
    REQUIRE_STR(client.data, "ping");
    REQUIRE_OK(tenon_transport_close(client.transport));
    REQUIRE_OK(tenon_listener_close(listener));
    tenon_listener_unref(listener);
    PUMP_UNTIL(client.lost && rig_stats().transport_count == 0);
}

/* ---- what a reactor still holds ---- */

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

static bool dump_has(const char *word)
{
    char *text = NULL;
    size_t len = 0;
    FILE *file = open_memstream(&text, &len);
    REQUIRE(file != NULL);
    REQUIRE_OK(tenon_reactor_dump(rig.reactor, file));
    fclose(file);
    bool found = strstr(text, word) != NULL;
    free(text);
    return found;
}

static void h17_what_is_left_can_be_seen(void)
{
    char why[HARNESS_TEXT_LEN];
    int fds[2];
    tenon_timer timer;
    tenon_watch watch;
    tenon_listener *listener;
    static const tenon_protocol_ops quiet = {.size = sizeof quiet};
    REQUIRE(harness_reactor_clean(rig.reactor, why, sizeof why));
    socket_pair(fds);
    tenon_timer_init(&timer, rig.reactor);
    tenon_timer_set_name(&timer, "forgotten-timer");
    REQUIRE_OK(tenon_timer_start(&timer, MS(3600000), on_timer, NULL));
    tenon_watch_init(&watch, rig.reactor, fds[0]);
    tenon_watch_set_name(&watch, "forgotten-watch");
    REQUIRE_OK(tenon_watch_start(&watch, TENON_READ, on_watch, NULL));
    REQUIRE_OK(tenon_listen(rig.reactor, &listener, "mem:forgotten",
                            tenon_factory_of(&quiet), NULL));
    tenon_stats stats = rig_stats();
    REQUIRE_EQ(stats.timer_count, 1);
    REQUIRE_EQ(stats.watch_count, 1);
    REQUIRE_EQ(stats.listener_count, 1);
    REQUIRE(!harness_reactor_clean(rig.reactor, why, sizeof why));
    REQUIRE(dump_has("forgotten-timer") && dump_has("forgotten-watch"));
    REQUIRE(dump_has("listener"));
    tenon_timer_stop(&timer);
    tenon_watch_stop(&watch);
    tenon_listener_close(listener);
    tenon_listener_unref(listener);
    rig_settle();
    REQUIRE(harness_reactor_clean(rig.reactor, why, sizeof why));
    REQUIRE(!dump_has("forgotten"));
    close_fd(&fds[0]);
    close_fd(&fds[1]);
}

static const rig_case cases[] = {
    {"H15", "the virtual clock fires in order, and only it passes",
     h15_the_virtual_clock, 0},
    {"H15b", "only manual reactors are stepped",
     h15_only_manual_ones_are_stepped, 0},
    {"H16", "a memory pair", h16_a_pair, 0},
    {"H16b", "a memory pair cuts its bytes as told", h16_chunking, 0},
    {"H16c", "a memory pair has flow control", h16_flow_control, 0},
    {"H16d", "a protocol runs without sockets", h16_a_protocol_without_sockets,
     0},
    {"H17", "what is left in a reactor can be seen",
     h17_what_is_left_can_be_seen, 0},
};

const rig_group rig_memory = RIG_GROUP(cases);
