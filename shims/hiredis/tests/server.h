/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Servers for the tests: a real redis-server in a directory of its own, which
 * is killed when the test ends however it ends, and a listening socket behind
 * which the test itself answers, or does not.
 */

#ifndef TENON_HIREDIS_TESTS_SERVER_H
#define TENON_HIREDIS_TESTS_SERVER_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <tenon/hiredis.h>

#include "hosts.h"

#define MS TENON_MILLISECOND

typedef struct redis_server {
    pid_t pid;
    uint16_t port;
    char dir[32];
    char path[64]; /* of its UNIX socket */
    const char *password;
} redis_server;

/* ---- sockets of the test's own ---- */

static inline int tcp_socket(uint16_t *port, int backlog)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(*port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int one = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(fd, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, len), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    *port = ntohs(address.sin_port);
    if (backlog >= 0) {
        ck_assert_int_eq(listen(fd, backlog), 0);
        fcntl(fd, F_SETFL, O_NONBLOCK);
    }
    return fd;
}

/* A port on which nobody listens. */
static inline uint16_t free_port(void)
{
    uint16_t port = 0;
    close(tcp_socket(&port, -1));
    return port;
}

/* Waits for a client of the reactor's. */
static inline int accept_one(int listener)
{
    int fd = -1;
    PUMP_UNTIL((fd = accept4(listener, NULL, NULL,
                             SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0);
    return fd;
}

/* Waits until the client has sent as much, and takes it. */
static inline void take(int fd, const char *words)
{
    char text[256] = "";
    size_t len = 0;
    while (!strstr(text, words)) {
        ssize_t got = -1;
        PUMP_UNTIL((got = read(fd, text + len, sizeof text - 1 - len)) >= 0);
        ck_assert_int_gt(got, 0);
        len += (size_t)got;
        text[len] = '\0';
    }
}

static inline void answer(int fd, const char *text)
{
    ck_assert_int_eq(send(fd, text, strlen(text), MSG_NOSIGNAL),
                     (ssize_t)strlen(text));
}

/* So that the peer sees a reset. */
static inline void cut(int fd)
{
    struct linger hard = {.l_onoff = 1};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    close(fd);
}

/* ---- redis-server ---- */

static inline void redis_exec(const redis_server *s)
{
    char port[8];
    int null = open("/dev/null", O_RDWR);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(null, 0);
    dup2(null, 1);
    snprintf(port, sizeof port, "%u", s->port);
    execlp("redis-server", "redis-server", "--port", port, "--bind",
           "127.0.0.1", "--unixsocket", s->path, "--dir", s->dir, "--daemonize",
           "no", "--save", "", "--appendonly", "no", "--loglevel", "warning",
           "--requirepass", s->password ? s->password : "", (char *)NULL);
    _exit(127);
}

static inline bool redis_answers(const redis_server *s)
{
    redisContext *c = redisConnectUnix(s->path);
    redisReply *reply = NULL;
    if (c && !c->err) {
        reply = redisCommand(c, "PING");
    }
    freeReplyObject(reply);
    redisFree(c);
    return reply != NULL;
}

static inline void redis_restart(redis_server *s)
{
    s->pid = fork();
    ck_assert_int_ge(s->pid, 0);
    if (s->pid == 0) {
        redis_exec(s);
    }
    int64_t end_ns = harness_clock_ns() + 10 * TENON_SECOND;
    while (!redis_answers(s)) {
        ck_assert_int_eq(waitpid(s->pid, NULL, WNOHANG), 0);
        ck_assert(harness_clock_ns() < end_ns);
        usleep(2000);
    }
}

static inline void redis_start(redis_server *s)
{
    strcpy(s->dir, "/tmp/tenon-redis-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(s->dir));
    snprintf(s->path, sizeof s->path, "%s/socket", s->dir);
    s->port = free_port();
    redis_restart(s);
}

static inline void redis_kill(redis_server *s)
{
    kill(s->pid, SIGKILL);
    ck_assert_int_eq(waitpid(s->pid, NULL, 0), s->pid);
    unlink(s->path);
}

static inline void redis_stop(redis_server *s)
{
    redis_kill(s);
    ck_assert_int_eq(rmdir(s->dir), 0);
}

#endif
