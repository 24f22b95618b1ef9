/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Group N, servers: several addresses, limits, the ways to stop, factories
 * with a life, sockets that listen already.
 */

#include "recorder.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { PEERS = 8 };

static struct {
    tenon_listener *listener;
    recorder peers[PEERS];
    int count;
} served;

static tenon_status build(void *user, tenon_transport *transport,
                          tenon_protocol *out)
{
    (void)user;
    (void)transport;
    REQUIRE(served.count < PEERS);
    recorder *peer = &served.peers[served.count++];
    *out = (tenon_protocol){&recorder_ops, peer};
    peer->silent = true;
    return TENON_OK;
}

static void note_lost(recorder *self)
{
    (void)self;
    note("lost");
}

static void on_closed(tenon_listener *listener, void *user)
{
    (void)listener;
    (void)user;
    note("closed");
}

static void on_stopped(tenon_listener *listener, tenon_status status,
                       void *user)
{
    REQUIRE(listener == served.listener);
    REQUIRE_EQ(tenon_listener_connections(listener), 0);
    note("%s:%s", (const char *)user, tenon_status_name(status));
}

static void serve(const char *address, tenon_listen_options *options)
{
    tenon_listen_options plain = {.size = sizeof plain};
    options = options ? options : &plain;
    options->on_closed = on_closed;
    REQUIRE_OK(tenon_listen(rig.reactor, &served.listener, address,
                            tenon_factory_with(build, NULL), options));
}

static int client_at(size_t index)
{
    tenon_address address;
    REQUIRE_OK(tenon_listener_address_at(served.listener, index, &address));
    int fd = socket(address.as.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(fd >= 0 && connect(fd, &address.as.any, address.len) == 0);
    return fd;
}

static int made(void)
{
    int count = 0;
    for (int i = 0; i < served.count; i++) {
        count += served.peers[i].made;
    }
    return count;
}

static int lost(void)
{
    int count = 0;
    for (int i = 0; i < served.count; i++) {
        count += served.peers[i].lost;
    }
    return count;
}

static tenon_stop_options stop_how(uint32_t mode, const char *word)
{
    return (tenon_stop_options){.size = sizeof(tenon_stop_options),
                                .mode = mode,
                                .on_stopped = on_stopped,
                                .user = (void *)(uintptr_t)word};
}

static void finish(void)
{
    REQUIRE_OK(tenon_listener_close(served.listener));
    PUMP_UNTIL(lost() == served.count && noted("closed"));
    tenon_listener_unref(served.listener);
    rig_settle();
    REQUIRE_EQ(rig_stats().listener_count, 0);
}

static void need_ipv6(void)
{
    struct sockaddr_in6 at = {.sin6_family = AF_INET6,
                              .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool here = fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof at) == 0;
    if (fd >= 0) {
        close(fd);
    }
    if (!here) {
        harness_skip("this machine has no IPv6 loopback");
    }
}

/* ---- addresses ---- */

static int client_of_loopback(int family, uint16_t port)
{
    tenon_address address;
    char text[64];
    snprintf(text, sizeof text,
             family == AF_INET6 ? "tcp:[::1]:%u" : "tcp:127.0.0.1:%u", port);
    REQUIRE_OK(tenon_address_parse(&address, text));
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(fd >= 0 && connect(fd, &address.as.any, address.len) == 0);
    return fd;
}

static void n01_all_families(void)
{
    tenon_address first, second;
    need_ipv6();
    serve("tcp:*:0", NULL);
    REQUIRE_EQ(tenon_listener_address_count(served.listener), 2);
    REQUIRE_OK(tenon_listener_address_at(served.listener, 0, &first));
    REQUIRE_OK(tenon_listener_address_at(served.listener, 1, &second));
    REQUIRE_EQ(first.as.any.sa_family, AF_INET6);
    REQUIRE_EQ(second.as.any.sa_family, AF_INET);
    uint16_t port = tenon_address_port(&first);
    REQUIRE(port != 0);
    REQUIRE_EQ(tenon_address_port(&second), port);
    int clients[] = {client_of_loopback(AF_INET, port),
                     client_of_loopback(AF_INET6, port)};
    PUMP_UNTIL(made() == 2);
    REQUIRE_STATUS(tenon_listener_address_at(served.listener, 2, &first),
                   TENON_INVALID);
    close_fd(&clients[0]);
    close_fd(&clients[1]);
    finish();
}

static void n01_several_addresses(void)
{
    tenon_listen_options how = {.size = sizeof how};
    recorder client = {.silent = true};
    serve("tcp:127.0.0.1:0", &how);
    REQUIRE_OK(tenon_listener_add(served.listener, "tcp:127.0.0.2:0"));
    REQUIRE_OK(tenon_listener_add(served.listener, "mem:third"));
    REQUIRE_STATUS(tenon_listener_add(served.listener, "mem:third"),
                   -EADDRINUSE);
    REQUIRE_STATUS(tenon_listener_add(served.listener, "tcp:name:1"),
                   TENON_BAD_ADDRESS);
    REQUIRE_EQ(tenon_listener_address_count(served.listener), 3);
    int clients[] = {client_at(0), client_at(1)};
    REQUIRE_OK(tenon_connector_start(rig.reactor, NULL, "mem:third",
                                     recorder_factory(&client),
                                     &rig_connecting));
    PUMP_UNTIL(made() == 3 && client.made);
    REQUIRE_OK(tenon_transport_close(client.transport));
    close_fd(&clients[0]);
    close_fd(&clients[1]);
    finish();
    REQUIRE(client.lost);
}

static void n18_abstract_names(void)
{
    char text[64];
    tenon_listener *second = NULL;
    recorder client = {.silent = true};
    snprintf(text, sizeof text, "unix:@tenon-%ld\\:x", (long)getpid());
    serve(text, NULL);
    REQUIRE_STATUS(tenon_listen(rig.reactor, &second, text,
                                tenon_factory_with(build, NULL), NULL),
                   TENON_IN_USE);
    REQUIRE_OK(tenon_connector_start(
        rig.reactor, NULL, text, recorder_factory(&client), &rig_connecting));
    PUMP_UNTIL(made() == 1 && client.made);
    REQUIRE_OK(tenon_transport_write(client.transport, "x", 1));
    PUMP_UNTIL(served.peers[0].received == 1);
    REQUIRE_OK(tenon_transport_close(client.transport));
    finish();
    REQUIRE(client.lost);
}

/* ---- who is let in ---- */

static void n04_start_later(void)
{
    tenon_listen_options how = {.size = sizeof how, .start_paused = true};
    serve("tcp:127.0.0.1:0", &how);
    REQUIRE_OK(tenon_listener_add(served.listener, "tcp:127.0.0.1:0"));
    int clients[] = {client_at(0), client_at(1)};
    rig_pump_for(MS(20));
    REQUIRE_EQ(served.count, 0);
    REQUIRE_OK(tenon_listener_resume(served.listener));
    PUMP_UNTIL(made() == 2);
    close_fd(&clients[0]);
    close_fd(&clients[1]);
    finish();
    REQUIRE_STATUS(rig.report_status, TENON_OK);
}

static void n33_a_limit(void)
{
    tenon_listen_options how = {.size = sizeof how, .max_connections = 2};
    serve("tcp:127.0.0.1:0", &how);
    int clients[4];
    for (int i = 0; i < 4; i++) {
        clients[i] = client_at(0);
    }
    PUMP_UNTIL(made() == 2);
    uint64_t turns = rig_stats().turns;
    rig_pump_for(MS(20));
    REQUIRE_EQ(served.count, 2);
    REQUIRE(rig_stats().turns - turns < 30);
    close_fd(&clients[0]);
    PUMP_UNTIL(made() == 3);
    REQUIRE_EQ(tenon_listener_connections(served.listener), 2);
    close_fd(&clients[1]);
    PUMP_UNTIL(made() == 4);
    rig_settle();
    REQUIRE_EQ(tenon_listener_connections(served.listener), 2);
    close_fd(&clients[2]);
    close_fd(&clients[3]);
    finish();
}

static void n33_a_limit_in_memory(void)
{
    tenon_listen_options how = {.size = sizeof how, .max_connections = 1};
    static recorder clients[3];
    serve("mem:limited", &how);
    for (int i = 0; i < 3; i++) {
        clients[i].silent = true;
        REQUIRE_OK(tenon_connector_start(rig.reactor, NULL, "mem:limited",
                                         recorder_factory(&clients[i]),
                                         &rig_connecting));
    }
    PUMP_UNTIL(clients[2].made);
    rig_settle();
    REQUIRE(clients[0].made && clients[1].made);
    REQUIRE_EQ(served.count, 1);
    REQUIRE_OK(tenon_transport_close(clients[0].transport));
    PUMP_UNTIL(made() == 2);
    REQUIRE_EQ(tenon_listener_connections(served.listener), 1);
    REQUIRE_OK(tenon_listener_close(served.listener));
    PUMP_UNTIL(clients[2].lost); /* turned away */
    REQUIRE_OK(tenon_transport_close(clients[1].transport));
    finish();
}

/* ---- stopping ---- */

static void n03_drain(void)
{
    tenon_stop_options how = stop_how(TENON_STOP_DRAIN, "first");
    serve("tcp:127.0.0.1:0", NULL);
    int client = client_at(0);
    PUMP_UNTIL(made() == 1);
    served.peers[0].lost_fn = note_lost;
    REQUIRE_OK(tenon_listener_stop(served.listener, &how));
    how.user = (void *)(uintptr_t) "second";
    REQUIRE_OK(tenon_listener_stop(served.listener, &how));
    REQUIRE_NOTES("");
    rig_settle();
    REQUIRE_NOTES("closed");
    put(client, "x");
    PUMP_UNTIL(served.peers[0].received == 1);
    close_fd(&client);
    PUMP_UNTIL(noted("second:TENON_OK"));
    REQUIRE_NOTES("closed lost first:TENON_OK second:TENON_OK");
    finish();
}

static void n03_the_last_connection_went_first(void)
{
    tenon_stop_options how = stop_how(TENON_STOP_DRAIN, "stopped");
    serve("tcp:127.0.0.1:0", NULL);
    int client = client_at(0);
    PUMP_UNTIL(made() == 1);
    close_fd(&client);
    PUMP_UNTIL(lost() == 1);
    REQUIRE_OK(tenon_listener_stop(served.listener, &how));
    REQUIRE_NOTES("");
    rig_settle();
    REQUIRE_NOTES("closed stopped:TENON_OK");
    /* And when all is over already. */
    how.user = (void *)(uintptr_t) "again";
    REQUIRE_OK(tenon_listener_stop(served.listener, &how));
    REQUIRE_NOTES("closed stopped:TENON_OK");
    rig_settle();
    REQUIRE_NOTES("closed stopped:TENON_OK again:TENON_OK");
    finish();
}

static void stop_with_queue(uint32_t mode, tenon_status wanted, bool flushed)
{
    tenon_stop_options how = stop_how(mode, "stopped");
    serve("tcp:127.0.0.1:0", NULL);
    int client = client_at(0);
    PUMP_UNTIL(made() == 1);
    size_t len = fill(served.peers[0].transport);
    REQUIRE(fcntl(client, F_SETFL, O_NONBLOCK) == 0);
    REQUIRE_OK(tenon_listener_stop(served.listener, &how));
    rig_settle();
    if (flushed) {
        REQUIRE_EQ(lost(), 0);
        REQUIRE_EQ(read_to_end(client), len);
    }
    PUMP_UNTIL(noted("stopped:TENON_OK"));
    REQUIRE_STATUS(served.peers[0].lost_status, wanted);
    close_fd(&client);
    finish();
}

static void n03_close_clients(void)
{
    stop_with_queue(TENON_STOP_CLOSE, TENON_OK, true);
}

static void n03_abort_clients(void)
{
    stop_with_queue(TENON_STOP_ABORT, TENON_ABORTED, false);
}

static void n03_deadline(void)
{
    tenon_stop_options how = stop_how(TENON_STOP_CLOSE, "stopped");
    how.timeout_ns = MS(30);
    serve("tcp:127.0.0.1:0", NULL);
    int client = client_at(0);
    PUMP_UNTIL(made() == 1);
    (void)fill(served.peers[0].transport);
    int64_t start_ns = tenon_now(rig.reactor);
    REQUIRE_OK(tenon_listener_stop(served.listener, &how));
    PUMP_UNTIL(noted("stopped:TENON_TIMED_OUT"));
    REQUIRE(tenon_now(rig.reactor) - start_ns >= MS(30));
    REQUIRE_STATUS(served.peers[0].lost_status, TENON_ABORTED);
    close_fd(&client);
    finish();
}

static void n03_an_unref_changes_nothing(void)
{
    tenon_stop_options how = stop_how(TENON_STOP_DRAIN, "stopped");
    serve("tcp:127.0.0.1:0", NULL);
    int client = client_at(0);
    PUMP_UNTIL(made() == 1);
    REQUIRE_OK(tenon_listener_stop(served.listener, &how));
    rig_settle();
    REQUIRE_NOTES("closed");
    how.mode = TENON_STOP_ABORT + 1;
    REQUIRE_STATUS(tenon_listener_stop(served.listener, &how), TENON_INVALID);
    tenon_listener_unref(served.listener);
    close_fd(&client);
    PUMP_UNTIL(noted("stopped:TENON_OK"));
}

/* ---- factories ---- */

static tenon_status start_result;
static bool close_in_start; /* from another callback, in a nested loop */

static void close_listener(void *user)
{
    (void)user;
    REQUIRE_OK(tenon_listener_close(served.listener));
}

static tenon_status on_start(void *user, tenon_reactor *reactor)
{
    REQUIRE(reactor == rig.reactor && user == &served);
    REQUIRE_EQ(served.count, 0);
    note("start");
    if (close_in_start) {
        soon(close_listener, NULL);
        for (int i = 0; i < 100 && !noted("closed"); i++) {
            rig.fixture->nested(rig.loop, MS(5));
        }
        REQUIRE_NOTES("start closed");
    }
    return start_result;
}

static void on_stop(void *user, tenon_reactor *reactor)
{
    REQUIRE(reactor == rig.reactor && user == &served);
    note("stop");
}

static const tenon_factory_ops life = {sizeof life, on_start, on_stop};

static void serve_with_life(void)
{
    tenon_listen_options how = {.size = sizeof how, .on_closed = on_closed};
    tenon_factory factory = tenon_factory_with(build, &served);
    factory.ops = &life;
    REQUIRE_OK(tenon_listen(rig.reactor, &served.listener, "tcp:127.0.0.1:0",
                            factory, &how));
    REQUIRE_NOTES("");
}

static void n34_a_factory_lives_with_its_listener(void)
{
    serve_with_life();
    int client = client_at(0);
    PUMP_UNTIL(made() == 1);
    REQUIRE_NOTES("start");
    served.peers[0].lost_fn = note_lost;
    REQUIRE_OK(tenon_listener_close(served.listener));
    rig_settle();
    REQUIRE_NOTES("start closed");
    close_fd(&client);
    PUMP_UNTIL(noted("stop"));
    REQUIRE_NOTES("start closed lost stop");
    finish();
}

static void n34_a_factory_that_cannot_start(void)
{
    start_result = -EACCES;
    serve_with_life();
    PUMP_UNTIL(noted("closed"));
    rig_take_report(-EACCES);
    REQUIRE_NOTES("start closed");
    finish();
}

static void n34_closed_under_its_start(void)
{
    close_in_start = true;
    serve_with_life();
    PUMP_UNTIL(noted("stop"));
    REQUIRE_NOTES("start closed stop");
    finish();
}

/* ---- adopted listeners ---- */

static void refuse(int fd, tenon_status wanted)
{
    tenon_listener *listener = NULL;
    REQUIRE_STATUS(tenon_listen_adopt(rig.reactor, &listener, fd,
                                      tenon_factory_with(build, NULL), NULL),
                   wanted);
    REQUIRE(listener == NULL);
    if (fd >= 0) {
        REQUIRE(fcntl(fd, F_GETFD) >= 0); /* still ours */
    }
}

static void n10_a_listening_socket(void)
{
    char text[32];
    int stray[] = {socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0),
                   socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0),
                   open("/dev/null", O_RDONLY | O_CLOEXEC)};
    refuse(-1, TENON_INVALID);
    for (size_t i = 0; i < 3; i++) {
        refuse(stray[i], TENON_INVALID);
        close_fd(&stray[i]);
    }
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    REQUIRE(fd >= 0 && listen(fd, 5) == 0);
    snprintf(text, sizeof text, "fd:%d", fd);
    serve(text, NULL);
    refuse(fd, TENON_OWNED);
    REQUIRE(fcntl(fd, F_GETFL) & O_NONBLOCK);
    REQUIRE(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    int client = client_at(0);
    PUMP_UNTIL(made() == 1);
    close_fd(&client);
    finish();
    REQUIRE(fcntl(fd, F_GETFD) < 0);
}

static const rig_case cases[] = {
    {"N01", "all families, with one port", n01_all_families, 0},
    {"N01b", "several addresses are one listener", n01_several_addresses, 0},
    {"N03", "draining waits for the last connection", n03_drain, 0},
    {"N03b", "the last connection may have gone first",
     n03_the_last_connection_went_first, 0},
    {"N03c", "closing clients flushes them", n03_close_clients, 0},
    {"N03d", "aborting clients drops what is queued", n03_abort_clients, 0},
    {"N03e", "at the deadline the rest is aborted", n03_deadline, 0},
    {"N03f", "a dropped reference does not lose the notice",
     n03_an_unref_changes_nothing, 0},
    {"N04", "a listener may start later", n04_start_later, 0},
    {"N10b", "adoption of a socket that listens", n10_a_listening_socket, 0},
    {"N18", "UNIX names without a file", n18_abstract_names, 0},
    {"N33b", "above its limit a listener accepts nobody", n33_a_limit, 0},
    {"N33c", "a limit holds in memory too", n33_a_limit_in_memory, 0},
    {"N34", "a factory starts and stops with its listener",
     n34_a_factory_lives_with_its_listener, 0},
    {"N34b", "a factory that cannot start closes it",
     n34_a_factory_that_cannot_start, 0},
    {"N34c", "a factory is stopped whose listener was closed under its start",
     n34_closed_under_its_start, NEED_NESTED},
};

const rig_group rig_serve = RIG_GROUP(cases);
