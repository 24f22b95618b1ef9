/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/* The client. It writes one message on each of k sockets, then awaits the k
 * complete echoes, and only then begins again: whatever the server's speed,
 * it is given the same work, so a faster one is not punished with smaller
 * batches. With more than k connections a batch takes the next k in turn.
 *
 * Sockets are registered once, edge-triggered, for both directions: a message
 * that fits costs one send and one receive and no epoll_ctl. What comes back
 * is compared, so a server cannot win by losing bytes. */
#include "bench.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    EVENTS = 256,
    BURST = 512, /* connects under way: well below any backlog */
    PER_ADDRESS = 10000,
    STALL_MS = 30000,
    SCRATCH = 65536
};

typedef struct client {
    int fd;
    size_t put;
    size_t got;
} client;

struct bench_load {
    int ep;
    size_t size;
    size_t batch;
    size_t limit; /* slots in clients */
    size_t count; /* slots taken; the first `busy` speak */
    size_t busy;
    size_t next;    /* where the next batch begins */
    size_t pending; /* echoes still awaited */
    char *message;
    char scratch[SCRATCH];
    client clients[];
};

static void fill(char *message, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        message[i] = (char)('!' + i % 89);
    }
}

bench_load *bench_load_new(const bench_options *options)
{
    size_t limit = options->conns + options->idle;
    bench_load *self = calloc(1, sizeof *self + limit * sizeof(client));
    char *message = malloc(options->size);
    int ep = epoll_create1(EPOLL_CLOEXEC);
    if (self == NULL || message == NULL || ep < 0) {
        perror("tenon-bench: client");
        free(message);
        free(self);
        return NULL;
    }
    fill(message, options->size);
    self->message = message;
    self->ep = ep;
    self->limit = limit;
    self->batch = options->batch;
    self->size = options->size;
    return self;
}

/* Resets, so that neither side is left with thousands of TIME_WAITs. */
void bench_load_free(bench_load *self)
{
    const struct linger reset = {.l_onoff = 1};
    if (self == NULL) {
        return;
    }
    for (size_t i = 0; i < self->count; i++) {
        int fd = self->clients[i].fd;
        (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        (void)close(fd);
    }
    (void)close(self->ep);
    free(self->message);
    free(self);
}

size_t bench_load_held(const bench_load *self)
{
    size_t held = 0;
    for (size_t i = 0; i < self->count; i++) {
        char byte;
        held +=
            recv(self->clients[i].fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 &&
            errno == EAGAIN;
    }
    return held;
}

/* From 127.0.0.2 on, ten thousand a piece: ports do not run out. */
static int from_address(int fd, size_t index)
{
    int on = 1;
    struct sockaddr_in a = {.sin_family = AF_INET};
    a.sin_addr.s_addr =
        htonl(INADDR_LOOPBACK + 1 + (uint32_t)(index / PER_ADDRESS));
    (void)setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    return bind(fd, (struct sockaddr *)&a, sizeof a);
}

static int connect_one(uint16_t port, size_t index)
{
    int on = 1;
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || from_address(fd, index) != 0 ||
        connect(fd, (struct sockaddr *)&a, sizeof a) != 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0 ||
        fcntl(fd, F_SETFL, O_NONBLOCK) != 0) {
        perror("tenon-bench: connect");
        if (fd >= 0) {
            (void)close(fd);
        }
        return -1;
    }
    return fd;
}

static int add(bench_load *self, uint16_t port, bool speaks)
{
    client *c = &self->clients[self->count];
    struct epoll_event ev = {.data.ptr = c};
    c->fd = connect_one(port, self->count);
    if (c->fd < 0) {
        return -1;
    }
    self->count++;
    ev.events = EPOLLIN | EPOLLOUT | EPOLLET;
    c->put = c->got = self->size;
    if (!speaks) {
        return 0;
    }
    self->busy++;
    return epoll_ctl(self->ep, EPOLL_CTL_ADD, c->fd, &ev);
}

int bench_load_connect(bench_load *self, const bench_process *server,
                       size_t count, bool speaks)
{
    uint64_t before = atomic_load(&server->page->accepted);
    for (size_t i = 1; i <= count && self->count < self->limit; i++) {
        if (add(self, server->port, speaks) != 0) {
            return -1;
        }
        if ((i == count || i % BURST == 0) &&
            bench_process_settle(server, before + i) != 0) {
            return -1;
        }
    }
    return 0;
}

static int push(bench_load *self, client *c)
{
    while (c->put < self->size) {
        ssize_t n = send(c->fd, self->message + c->put, self->size - c->put,
                         MSG_NOSIGNAL);
        if (n < 0) {
            return errno == EAGAIN ? 0 : -1;
        }
        c->put += (size_t)n;
    }
    return 0;
}

/* One receive beyond what is due is never made, so an echo that arrives whole
 * costs one. */
static int pull(bench_load *self, client *c)
{
    while (c->got < self->size) {
        size_t want = self->size - c->got;
        ssize_t n =
            recv(c->fd, self->scratch, want < SCRATCH ? want : SCRATCH, 0);
        if (n <= 0) {
            return n < 0 && errno == EAGAIN ? 0 : -1;
        }
        if (memcmp(self->scratch, self->message + c->got, (size_t)n) != 0) {
            errno = EBADMSG;
            return -1;
        }
        c->got += (size_t)n;
        self->pending -= c->got == self->size;
    }
    return 0;
}

static int begin(bench_load *self)
{
    self->pending = self->batch;
    for (size_t i = 0; i < self->batch; i++) {
        client *c = &self->clients[self->next];
        self->next = self->next + 1 == self->busy ? 0 : self->next + 1;
        c->put = c->got = 0;
        if (push(self, c) != 0) {
            return -1;
        }
    }
    return 0;
}

static int await(bench_load *self)
{
    struct epoll_event events[EVENTS];
    while (self->pending > 0) {
        int n = epoll_wait(self->ep, events, EVENTS, STALL_MS);
        if (n <= 0) {
            errno = n == 0 ? ETIMEDOUT : errno;
            return -1;
        }
        for (int i = 0; i < n; i++) {
            client *c = events[i].data.ptr;
            if (pull(self, c) != 0 || push(self, c) != 0) {
                return -1;
            }
        }
    }
    return 0;
}

/* An echo that is complete makes room for the next on its connection. */
static int go_on(bench_load *self, client *c, uint64_t *echoes)
{
    if (pull(self, c) != 0) {
        return -1;
    }
    if (c->got == self->size) {
        c->put = c->got = 0;
        self->pending++;
        ++*echoes;
    }
    return push(self, c);
}

static int flow(bench_load *self, uint64_t end_ns, uint64_t *echoes)
{
    struct epoll_event events[EVENTS];
    if (self->pending == 0 && begin(self) != 0) {
        return -1;
    }
    while (bench_now_ns() < end_ns) {
        int n = epoll_wait(self->ep, events, EVENTS, STALL_MS);
        if (n <= 0) {
            errno = n == 0 ? ETIMEDOUT : errno;
            return -1;
        }
        for (int i = 0; i < n; i++) {
            if (go_on(self, events[i].data.ptr, echoes) != 0) {
                return -1;
            }
        }
    }
    return 0;
}

int bench_load_flow(bench_load *self, double seconds, uint64_t *echoes)
{
    uint64_t end_ns = bench_now_ns() + (uint64_t)(seconds * 1e9);
    if (flow(self, end_ns, echoes) == 0) {
        return 0;
    }
    fprintf(stderr, "tenon-bench: an echo failed: %s\n", strerror(errno));
    return -1;
}

int bench_load_batch(bench_load *self)
{
    if (begin(self) == 0 && await(self) == 0) {
        return 0;
    }
    fprintf(stderr, "tenon-bench: an echo failed: %s\n", strerror(errno));
    return -1;
}
