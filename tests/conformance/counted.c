/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Groups C and N: what a reference of the caller's is good for once the
 * reactor has dropped its own, the length of a backlog, and two calls that
 * adapters make.
 */

#include "recorder.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <tenon/sys/host.h>
#include <unistd.h>

/* ---- references ---- */

static recorder client = {.silent = true};
static recorder server = {.silent = true};
static tenon_listener *listener;

static void serve(const char *address, const tenon_listen_options *options)
{
    REQUIRE_OK(tenon_listen(rig.reactor, &listener, address,
                            recorder_factory(&server), options));
}

static void on_closed(tenon_listener *closed, void *user)
{
    (void)user;
    REQUIRE(closed == listener);
    note("closed");
}

static void on_connected(tenon_connector *connector, tenon_transport *transport,
                         const tenon_error *error, void *user)
{
    (void)transport;
    REQUIRE(connector == *(tenon_connector **)user);
    note("connected:%s", tenon_status_name(tenon_error_status(error)));
}

static void on_done(tenon_lookup *lookup, const tenon_error *error, void *user)
{
    REQUIRE(lookup == *(tenon_lookup **)user);
    note("done:%s", tenon_status_name(tenon_error_status(error)));
}

static void c25_a_listener(void)
{
    tenon_address address;
    tenon_listen_options options = {.size = sizeof options,
                                    .on_closed = on_closed};
    serve("mem:counted", &options);
    REQUIRE(tenon_listener_ref(listener) == listener);
    tenon_listener_unref(listener);
    REQUIRE_OK(tenon_listener_close(listener));
    PUMP_UNTIL(noted("closed"));
    rig_settle();
    REQUIRE_EQ(rig_stats().listener_count, 0);
    /* It is ours alone now, and answers. */
    REQUIRE_EQ(tenon_listener_accepted(listener), 0);
    REQUIRE_OK(tenon_listener_address(listener, &address));
    REQUIRE_STATUS(tenon_listener_pause(listener), TENON_CLOSED);
    tenon_listener_unref(listener);
}

static void c25_a_connector(void)
{
    tenon_connector *connector = NULL;
    tenon_connect_options options = {.size = sizeof options,
                                     .on_connected = on_connected,
                                     .user = &connector};
    serve("mem:counted", NULL);
    REQUIRE_OK(tenon_connector_start(rig.reactor, &connector, "mem:counted",
                                     recorder_factory(&client), &options));
    REQUIRE(tenon_connector_ref(connector) == connector);
    tenon_connector_unref(connector);
    PUMP_UNTIL(noted("connected:TENON_OK") && server.made);
    REQUIRE(tenon_transport_reactor(client.transport) == rig.reactor);
    rig_settle();
    REQUIRE_OK(tenon_connector_cancel(connector)); /* a no-op by now */
    rig_settle();
    REQUIRE(!client.lost && !server.lost);
    tenon_connector_unref(connector);
    tenon_transport_close(client.transport);
    REQUIRE_OK(tenon_listener_close(listener));
    PUMP_UNTIL(client.lost && server.lost);
    tenon_listener_unref(listener);
    REQUIRE_NOTES("connected:TENON_OK");
}

static void c25_a_lookup(void)
{
    tenon_lookup *lookup = NULL;
    tenon_resolve_options options = {
        .size = sizeof options, .on_done = on_done, .user = &lookup};
    REQUIRE_OK(tenon_resolve(rig.reactor, &lookup, "127.0.0.1", &options));
    REQUIRE(tenon_lookup_ref(lookup) == lookup);
    tenon_lookup_unref(lookup);
    PUMP_UNTIL(noted("done:TENON_OK"));
    rig_settle();
    REQUIRE_STR(tenon_lookup_name(lookup), "127.0.0.1");
    REQUIRE(tenon_lookup_reactor(lookup) == rig.reactor);
    REQUIRE_OK(tenon_lookup_cancel(lookup));
    rig_settle();
    REQUIRE_NOTES("done:TENON_OK");
    tenon_lookup_unref(lookup);
}

/* ---- the backlog ---- */

/* How many clients the kernel queues while nobody accepts. A full queue of a
 * UNIX socket refuses the next one at once. */
static int queued(const tenon_address *address)
{
    enum { MOST = 40 };
    int fds[MOST];
    int count = 0;
    int fd = -1;
    while (count < MOST) {
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        REQUIRE(fd >= 0);
        if (connect(fd, &address->as.any, address->len) < 0) {
            REQUIRE_EQ(errno, EAGAIN);
            close_fd(&fd);
            break;
        }
        fds[count++] = fd;
    }
    for (int i = 0; i < count; i++) {
        close_fd(&fds[i]);
    }
    return count;
}

static int queued_with(const char *option, int backlog)
{
    char text[80];
    tenon_address address;
    tenon_listen_options options = {
        .size = sizeof options, .backlog = backlog, .start_paused = true};
    snprintf(text, sizeof text, "unix:@tenon-backlog-%d%s", (int)getpid(),
             option);
    serve(text, &options);
    REQUIRE_OK(tenon_listener_address(listener, &address));
    rig_settle();
    int count = queued(&address);
    REQUIRE_OK(tenon_listener_close(listener));
    tenon_listener_unref(listener);
    rig_settle();
    return count;
}

static void n38_a_backlog(void)
{
    /* The kernel takes one more than it was told. */
    REQUIRE_EQ(queued_with("", 3), 4);
    REQUIRE_EQ(queued_with("", 7), 8);
    REQUIRE_EQ(queued_with(":backlog=2", 7), 3); /* the address wins */
    REQUIRE_EQ(queued_with("", 0), 40);          /* by default 1024 */
}

/* ---- what adapters call ---- */

static void h36_a_look(void)
{
    tenon_turn_result result;
    REQUIRE_OK(tenon_turn_peek(rig.reactor, &result));
    REQUIRE(!result.more && !result.alive);
    REQUIRE_EQ(result.next_deadline_ns, TENON_FOREVER);
    tenon_handle handle;
    later(MS(3600000), note_call, "never", &handle);
    REQUIRE_OK(tenon_turn_peek(rig.reactor, &result));
    REQUIRE(!result.more && result.alive);
    REQUIRE_EQ(result.next_deadline_ns, tenon_handle_when(handle));
    soon(note_call, "soon");
    REQUIRE_OK(tenon_turn_peek(rig.reactor, &result));
    REQUIRE(result.more);
    REQUIRE_NOTES(""); /* a look runs nothing */
    PUMP_UNTIL(noted("soon"));
    tenon_handle_cancel(handle);
}

static void h37_blocks(void)
{
    size_t before = rig.heap.count;
    unsigned char *block;
    REQUIRE_MADE(block,
                 tenon_block_new(tenon_reactor_allocator(rig.reactor), 100));
    REQUIRE_EQ(rig.heap.count, before + 1);
    for (size_t i = 0; i < 100; i++) {
        REQUIRE_EQ(block[i], 0);
    }
    tenon_block_free(block);
    REQUIRE_EQ(rig.heap.count, before);
    REQUIRE_MADE(block, tenon_block_new(NULL, 1));
    REQUIRE_EQ(rig.heap.count, before);
    tenon_block_free(block);
    tenon_block_free(NULL);
}

static const rig_case cases[] = {
    {"C25", "a reference keeps a closed listener", c25_a_listener, 0},
    {"C25b", "a reference keeps a connector that is done", c25_a_connector, 0},
    {"C25c", "a reference keeps a lookup that is done", c25_a_lookup, 0},
    {"N38", "a backlog is as long as told", n38_a_backlog, 0},
    {"H36", "a look at what is due runs nothing", h36_a_look, 0},
    {"H37", "blocks for adapters go back to where they came from", h37_blocks,
     0},
};

const rig_group rig_counted = RIG_GROUP(cases);
