/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Group N: listeners, connectors and adopted sockets.
 */

#include "recorder.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define CLIENTS 20

struct server {
    tenon_listener *listener;
    tenon_address address;
    char text[TENON_ADDRESS_TEXT_LEN];
    recorder peers[CLIENTS];
    uint64_t turns[CLIENTS];
    int count;
};

static tenon_status build(void *user, tenon_transport *transport,
                          tenon_protocol *out)
{
    struct server *server = user;
    (void)transport;
    REQUIRE(server->count < CLIENTS);
    server->turns[server->count] = rig_stats().turns;
    recorder *peer = &server->peers[server->count++];
    peer->silent = true;
    *out = (tenon_protocol){&recorder_ops, peer};
    return TENON_OK;
}

static void serve(struct server *server, const char *address)
{
    REQUIRE_OK(tenon_listen(rig.reactor, &server->listener, address,
                            tenon_factory_with(build, server), NULL));
    REQUIRE_OK(tenon_listener_address(server->listener, &server->address));
    REQUIRE(tenon_address_format(&server->address, server->text,
                                 sizeof server->text) < sizeof server->text);
}

static void end_serving(struct server *server)
{
    REQUIRE_OK(tenon_listener_close(server->listener));
    REQUIRE_OK(tenon_listener_close(server->listener));
    tenon_listener_unref(server->listener);
    tenon_listener_unref(NULL);
    rig_settle();
    REQUIRE_EQ(rig_stats().listener_count, 0);
}

static int client_of(const struct server *server)
{
    int fd =
        socket(server->address.as.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(fd >= 0);
    REQUIRE(connect(fd, &server->address.as.any, server->address.len) == 0);
    return fd;
}

static size_t made_count(const struct server *server)
{
    size_t count = 0;
    for (int i = 0; i < server->count; i++) {
        count += server->peers[i].made == 1;
    }
    return count;
}

static bool all_lost(const struct server *server)
{
    for (int i = 0; i < server->count; i++) {
        if (!server->peers[i].lost) {
            return false;
        }
    }
    return true;
}

static void n06_many_at_once(void)
{
    static struct server server;
    int clients[CLIENTS];
    serve(&server, "tcp:127.0.0.1:0");
    rig_settle();
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = client_of(&server);
    }
    PUMP_UNTIL(made_count(&server) == CLIENTS);
    if (!rig_swept()) { /* an accept may have been told to come again */
        REQUIRE_EQ(server.turns[CLIENTS - 1], server.turns[0]);
    }
    REQUIRE_EQ(tenon_listener_accepted(server.listener), CLIENTS);
    end_serving(&server);
    for (int i = 0; i < CLIENTS; i++) {
        close_fd(&clients[i]);
    }
    PUMP_UNTIL(all_lost(&server));
}

/* The highest number that is free; the limit is just above what is open. */
static void no_more_descriptors(struct rlimit *saved)
{
    REQUIRE(getrlimit(RLIMIT_NOFILE, saved) == 0);
    int probe = fcntl(0, F_DUPFD_CLOEXEC, 0);
    REQUIRE(probe >= 0);
    close(probe);
    struct rlimit tight = {.rlim_cur = (rlim_t)probe,
                           .rlim_max = saved->rlim_max};
    REQUIRE(setrlimit(RLIMIT_NOFILE, &tight) == 0);
}

static void n05_out_of_descriptors(void)
{
    static struct server server;
    struct rlimit saved;
    serve(&server, "tcp:127.0.0.1:0");
    int first = client_of(&server);
    PUMP_UNTIL(made_count(&server) == 1);
    int second = client_of(&server);
    no_more_descriptors(&saved);
    rig_pump_for(MS(60));
    REQUIRE_EQ(made_count(&server), 1);
    REQUIRE_EQ(rig.reports, 1);
    REQUIRE(send(first, "alive", 5, MSG_NOSIGNAL) == 5);
    PUMP_UNTIL(server.peers[0].received == 5);
    rig_pump_for(MS(60));
    rig_take_report(-EMFILE);
    REQUIRE(setrlimit(RLIMIT_NOFILE, &saved) == 0);
    int64_t start_ns = tenon_now(rig.reactor);
    PUMP_UNTIL(made_count(&server) == 2);
    REQUIRE(tenon_now(rig.reactor) - start_ns < MS(500) * harness_time_scale());
    end_serving(&server);
    close_fd(&first);
    close_fd(&second);
    PUMP_UNTIL(all_lost(&server));
}

static void n05_a_close_of_ours_makes_room(void)
{
    static struct server server;
    struct rlimit saved;
    serve(&server, "tcp:127.0.0.1:0");
    int first = client_of(&server);
    PUMP_UNTIL(made_count(&server) == 1);
    int second = client_of(&server);
    no_more_descriptors(&saved);
    rig_pump_for(MS(20));
    REQUIRE_EQ(made_count(&server), 1);
    REQUIRE_OK(tenon_transport_abort(server.peers[0].transport));
    PUMP_UNTIL(made_count(&server) == 2);
    REQUIRE_STATUS(rig.report_status, -EMFILE);
    REQUIRE(rig.reports <= 2); /* the room was for one: a new episode */
    rig.reports = 0;
    REQUIRE(setrlimit(RLIMIT_NOFILE, &saved) == 0);
    end_serving(&server);
    close_fd(&first);
    close_fd(&second);
    PUMP_UNTIL(all_lost(&server));
}

/* ---- connectors ---- */

static void on_connected(tenon_connector *connector, tenon_transport *transport,
                         const tenon_error *error, void *user)
{
    (void)connector;
    (void)user;
    REQUIRE((transport != NULL) == (error == NULL));
    note("connected:%s", tenon_status_name(tenon_error_status(error)));
}

static void start_connecting(recorder *client, tenon_connector **out,
                             const char *address, int64_t timeout_ns)
{
    tenon_connect_options options = {.size = sizeof options,
                                     .timeout_ns = timeout_ns,
                                     .on_connected = on_connected};
    REQUIRE_OK(tenon_connector_start(rig.reactor, out, address,
                                     recorder_factory(client), &options));
    REQUIRE_NOTES("");
}

static void connect_and_talk(const char *address)
{
    static struct server server;
    recorder client = {.merged = true};
    memset(&server, 0, sizeof server);
    serve(&server, address);
    start_connecting(&client, NULL, server.text, 0);
    PUMP_UNTIL(noted("connected:TENON_OK") && made_count(&server) == 1);
    REQUIRE_NOTES("made connected:TENON_OK");
    REQUIRE_OK(tenon_transport_write(client.transport, "ping", 4));
    PUMP_UNTIL(server.peers[0].received == 4);
    REQUIRE_OK(tenon_transport_write(server.peers[0].transport, "pong", 4));
    PUMP_UNTIL(client.received == 4);
    REQUIRE_OK(tenon_transport_close(client.transport));
    PUMP_UNTIL(client.lost && all_lost(&server));
    REQUIRE_NOTES("made connected:TENON_OK data lost:TENON_OK");
    end_serving(&server);
    notes_clear();
}

static void connectors_connect(void)
{
    connect_and_talk("tcp:127.0.0.1:0");
    connect_and_talk("mem:somewhere");
}

static void a_refused_connection(void)
{
    static struct server server;
    recorder client = {0};
    serve(&server, "tcp:127.0.0.1:0");
    end_serving(&server);
    start_connecting(&client, NULL, server.text, 0);
    PUMP_UNTIL(rig.notes[0]);
    rig_settle();
    REQUIRE_NOTES("connected:ECONNREFUSED");
}

static void a_cancelled_connector(void)
{
    static struct server server;
    tenon_connector *connector;
    recorder client = {0};
    serve(&server, "tcp:127.0.0.1:0");
    start_connecting(&client, &connector, server.text, 0);
    REQUIRE_OK(tenon_connector_cancel(connector));
    REQUIRE_NOTES("");
    PUMP_UNTIL(rig.notes[0]);
    rig_settle();
    REQUIRE_NOTES("connected:TENON_CANCELLED");
    REQUIRE_OK(tenon_connector_cancel(connector));
    tenon_connector_unref(connector);
    tenon_connector_unref(NULL);
    end_serving(&server);
    PUMP_UNTIL(all_lost(&server));
}

static void n11_numeric_addresses_only(void)
{
    static const char *const wrong[] = {
        "tcp:localhost:80",
        "tcp:127.1:80",
        "tcp:0x7f.0.0.1:80",
        "tcp:127.0.0.1",
        "tcp:127.0.0.1:",
        "tcp:127.0.0.1:65536",
        "tcp:127.0.0.1:+1",
        "tcp:127.0.0.1:80 ",
        "tcp:::1:80",
        "tcp:[::1]",
        "udp:127.0.0.1:80",
        "127.0.0.1:80",
        "",
        "tcp:",
        "unix:",
        "mem:",
        "tcp:010.0.0.1:80",
        "tcp:1.2.3.4.5:80",
    };
    recorder self = {0};
    tenon_address address;
    tenon_listener *listener;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        if (tenon_address_parse(&address, wrong[i]) != TENON_BAD_ADDRESS) {
            harness_fail(__FILE__, __LINE__, "accepted: \"%s\"", wrong[i]);
        }
        REQUIRE_STATUS(tenon_listen(rig.reactor, &listener, wrong[i],
                                    recorder_factory(&self), NULL),
                       TENON_BAD_ADDRESS);
        if (i == 0) {
            continue; /* a name, which connectors look up */
        }
        REQUIRE_STATUS(tenon_connector_start(rig.reactor, NULL, wrong[i],
                                             recorder_factory(&self), NULL),
                       TENON_BAD_ADDRESS);
    }
    REQUIRE_OK(tenon_address_parse(&address, "tcp:[2001:db8::1]:443"));
    REQUIRE_EQ(tenon_address_port(&address), 443);
}

/* ---- adopted sockets ---- */

static void refuse_adoption(int fd)
{
    recorder self = {0};
    tenon_transport *transport = NULL;
    REQUIRE_STATUS(tenon_transport_adopt(rig.reactor, &transport, fd,
                                         recorder_factory(&self)),
                   TENON_INVALID);
    REQUIRE(transport == NULL);
    if (fd >= 0) {
        REQUIRE(fcntl(fd, F_GETFD) >= 0); /* still ours */
        close(fd);
    }
}

static void n10_adoption(void)
{
    int fds[2];
    recorder self = {.silent = true};
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(listener >= 0 && listen(listener, 1) == 0);
    refuse_adoption(listener);
    refuse_adoption(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    refuse_adoption(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    REQUIRE(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, fds) == 0);
    refuse_adoption(fds[0]);
    close_fd(&fds[1]);
    REQUIRE(pipe2(fds, O_CLOEXEC) == 0);
    refuse_adoption(fds[0]);
    close_fd(&fds[1]);
    refuse_adoption(-1);
    /* A blocking one without close-on-exec becomes what it must be. */
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
    int fd = fds[0];
    recorder_adopt(&self, &fds[0]);
    REQUIRE(fcntl(fd, F_GETFL) & O_NONBLOCK);
    REQUIRE(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    REQUIRE_OK(tenon_transport_abort(self.transport));
    PUMP_UNTIL(self.lost);
    REQUIRE(fcntl(fd, F_GETFD) < 0);
    close_fd(&fds[1]);
}

/* ---- UNIX sockets ---- */

static char unix_dir[64];
static char unix_path[96];
static char unix_text[112];

static void make_place(void)
{
    snprintf(unix_dir, sizeof unix_dir, "/tmp/tenon-XXXXXX");
    REQUIRE(mkdtemp(unix_dir) != NULL);
    snprintf(unix_path, sizeof unix_path, "%s/s", unix_dir);
    snprintf(unix_text, sizeof unix_text, "unix:%s", unix_path);
}

static void remove_place(void)
{
    unlink(unix_path);
    REQUIRE(rmdir(unix_dir) == 0);
}

static void leave_stale_socket(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    memcpy(address.sun_path, unix_path, strlen(unix_path) + 1);
    REQUIRE(bind(fd, (struct sockaddr *)&address, sizeof address) == 0);
    close(fd);
}

static void n17_a_stale_socket_is_replaced(void)
{
    make_place();
    leave_stale_socket();
    connect_and_talk(unix_text);
    REQUIRE(access(unix_path, F_OK) < 0);
    remove_place();
}

static void n17_a_file_is_not_replaced(void)
{
    static struct server server;
    make_place();
    int fd = open(unix_path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    REQUIRE(fd >= 0);
    close(fd);
    REQUIRE(tenon_listen(rig.reactor, &server.listener, unix_text,
                         tenon_factory_with(build, &server), NULL) < 0);
    struct stat now;
    REQUIRE(stat(unix_path, &now) == 0 && S_ISREG(now.st_mode));
    remove_place();
}

static void n17_a_live_socket_is_in_use(void)
{
    static struct server server;
    tenon_listener *second = NULL;
    make_place();
    serve(&server, unix_text);
    REQUIRE_STATUS(tenon_listen(rig.reactor, &second, unix_text,
                                tenon_factory_with(build, &server), NULL),
                   TENON_IN_USE);
    REQUIRE(second == NULL);
    int client = client_of(&server);
    PUMP_UNTIL(made_count(&server) >= 1);
    end_serving(&server);
    close_fd(&client);
    PUMP_UNTIL(all_lost(&server));
    remove_place();
}

static void n17_only_our_own_is_unlinked(void)
{
    static struct server server;
    struct stat now;
    make_place();
    serve(&server, unix_text);
    REQUIRE(stat(unix_path, &now) == 0 && S_ISSOCK(now.st_mode));
    REQUIRE_EQ(now.st_mode & 0777, 0600);
    REQUIRE(unlink(unix_path) == 0);
    leave_stale_socket(); /* somebody else's by now */
    end_serving(&server);
    REQUIRE(access(unix_path, F_OK) == 0);
    remove_place();
}

/* ---- listeners ---- */

static void a_paused_listener_accepts_nobody(void)
{
    static struct server server;
    serve(&server, "tcp:127.0.0.1:0");
    REQUIRE_OK(tenon_listener_pause(server.listener));
    int client = client_of(&server);
    rig_pump_for(MS(20));
    REQUIRE_EQ(server.count, 0);
    REQUIRE_OK(tenon_listener_resume(server.listener));
    PUMP_UNTIL(made_count(&server) == 1);
    end_serving(&server); /* connections go on */
    REQUIRE(send(client, "x", 1, MSG_NOSIGNAL) == 1);
    PUMP_UNTIL(server.peers[0].received == 1);
    close_fd(&client);
    PUMP_UNTIL(all_lost(&server));
}

static const rig_case cases[] = {
    {"N05", "out of descriptors: the listener waits, the others go on",
     n05_out_of_descriptors, 0},
    {"N05b", "a close of ours makes room for the next",
     n05_a_close_of_ours_makes_room, 0},
    {"N06", "one readiness accepts many", n06_many_at_once, 0},
    {"N10", "adoption takes connected stream sockets only", n10_adoption, 0},
    {"N11", "addresses are numeric and strict", n11_numeric_addresses_only, 0},
    {"N17", "a stale UNIX socket is replaced", n17_a_stale_socket_is_replaced,
     0},
    {"N17b", "a file that is no socket is not replaced",
     n17_a_file_is_not_replaced, 0},
    {"N17c", "a UNIX socket that lives is in use", n17_a_live_socket_is_in_use,
     0},
    {"N17d", "close unlinks the path only if it is ours",
     n17_only_our_own_is_unlinked, 0},
    {"N30", "connectors connect and both sides talk", connectors_connect, 0},
    {"N31", "a refused connection is told", a_refused_connection, 0},
    {"N32", "a connector can be cancelled", a_cancelled_connector, 0},
    {"N33", "a paused listener accepts nobody, a closed one leaves all",
     a_paused_listener_accepts_nobody, 0},
};

const rig_group rig_accept = RIG_GROUP(cases);
