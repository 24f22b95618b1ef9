/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Streams over everything that can carry one, for the sweeps.
 */

#include <stdio.h>
#include <unistd.h>

#include "side.h"

static void connect_over(const char *address, const char *name)
{
    tenon_listener *listener;
    tenon_address bound;
    char text[TENON_ADDRESS_TEXT_LEN];
    REQUIRE_OK(tenon_listen(rig.reactor, &listener, address,
                            side_factory(1, &side_plain, 300000), NULL));
    REQUIRE_OK(tenon_listener_address(listener, &bound));
    tenon_address_format(&bound, text, sizeof text);
    if (name) {
        snprintf(text, sizeof text, "tcp:%s:%u", name,
                 tenon_address_port(&bound));
    }
    REQUIRE_OK(tenon_connector_start(rig.reactor, NULL, text,
                                     side_factory(0, &side_buffered, 400000),
                                     &rig_connecting));
    PUMP_UNTIL(sides[0].transport && sides[1].transport);
    tenon_listener_close(listener);
    tenon_listener_unref(listener);
    sides_finish();
}

static void s01_tcp(void)
{
    connect_over("tcp:127.0.0.1:0", NULL);
}

static void s02_unix(void)
{
    char text[64];
    snprintf(text, sizeof text, "unix:@tenon-sweep-%ld", (long)getpid());
    connect_over(text, NULL);
}

static void s03_memory(void)
{
    connect_over("mem:sweep", NULL);
}

/* By the resolver that asks the system, in a thread of its own. */
static void s04_by_name(void)
{
    connect_over("tcp:127.0.0.1:0", "localhost");
    rig_pump_for(MS(20)); /* the thread may still be at its end */
}

static void adopt(int i, const tenon_protocol_ops *ops, int *fd)
{
    tenon_transport *transport;
    REQUIRE_OK(tenon_transport_adopt(rig.reactor, &transport, *fd,
                                     side_factory(i, ops, 300000)));
    *fd = -1;
}

static bool piped;

/* A UNIX socket knows no reset, so the far side sees an end like any other:
 * whoever joined the two is told. */
static void on_piped(const tenon_error *error, uint64_t there, uint64_t back,
                     void *user)
{
    (void)there;
    (void)back;
    (void)user;
    (void)harness_told(error);
    piped = true;
    sides[0].failed = sides[0].failed || error;
}

static void s05_through_a_pipe(void)
{
    const tenon_pipe_options how = {.size = sizeof how, .on_done = on_piped};
    recorder left = {.silent = true};
    recorder right = {.silent = true};
    int near = recorder_pair(&left);
    int far = recorder_pair(&right);
    REQUIRE_OK(tenon_pipe(left.transport, right.transport, &how));
    adopt(0, &side_plain, &near);
    adopt(1, &side_buffered, &far);
    PUMP_UNTIL(piped);
    sides_finish();
}

static void s06_files(void)
{
    int fds[2];
    int file = side_pattern_file();
    tcp_pair(fds);
    adopt(0, &side_plain, &fds[0]);
    adopt(1, &side_plain, &fds[1]);
    sides[0].file = file;
    sides[1].file = file;
    PUMP_UNTIL(sides[0].lost && side_is_over(&sides[1]));
    close_fd(&file);
    sides_finish();
}

/* Where sendfile cannot send, the file is read. */
static void s07_files_in_memory(void)
{
    tenon_transport *out[2];
    int file = side_pattern_file();
    tenon_factory first = side_factory(0, &side_plain, 300000);
    tenon_factory second = side_factory(1, &side_plain, 300000);
    sides[0].file = file;
    sides[1].file = file;
    REQUIRE_OK(tenon_memory_pair(rig.reactor, out, first, second, NULL));
    PUMP_UNTIL(sides[0].lost && side_is_over(&sides[1]));
    close_fd(&file);
    sides_finish();
}

static void s08_no_file_is_left(void)
{
    char path[64];
    char text[80];
    tenon_listener *listener;
    tenon_factory factory = side_factory(1, &side_plain, 1);
    snprintf(path, sizeof path, "/tmp/tenon-sweep-%ld", (long)getpid());
    snprintf(text, sizeof text, "unix:%s", path);
    tenon_status status =
        tenon_listen(rig.reactor, &listener, text, factory, NULL);
    if (status < 0 && access(path, F_OK) == 0) {
        unlink(path);
        corrupt("a socket file that was left", 0);
    }
    if (harness_retry(status)) {
        status = tenon_listen(rig.reactor, &listener, text, factory, NULL);
    }
    REQUIRE_OK(status);
    REQUIRE_OK(tenon_listener_close(listener));
    tenon_listener_unref(listener);
    unlink(path);
    rig_settle();
}

static const rig_case cases[] = {
    {"Y01", "a stream over TCP is whole", s01_tcp, 0},
    {"Y02", "a stream over a UNIX socket is whole", s02_unix, 0},
    {"Y03", "a stream in memory is whole", s03_memory, 0},
    {"Y04", "a stream to a name is whole", s04_by_name, NEED_TIME},
    {"Y05", "a stream through a pipe is whole", s05_through_a_pipe, 0},
    {"Y06", "a stream with files is whole", s06_files, 0},
    {"Y07", "a stream with files that are read is whole", s07_files_in_memory,
     0},
    {"Y08", "a listener that fails leaves no socket file", s08_no_file_is_left,
     0},
};

extern const rig_group sweep_streams;

const rig_group sweep_streams = RIG_GROUP(cases);
