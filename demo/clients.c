/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The swarm goes through its stages together: all have a nick before the first
 * line is said, and nobody leaves before everyone has seen everything.
 *
 * A line that was seen is a number: sender * lines + its place in the sender's
 * script. Whoever sees the p-th line first writes its number to order[p],
 * everyone else must see that same number there; and in `order` itself each
 * sender's lines must follow one another. So a line that is lost, doubled,
 * changed or out of order is found when it is read.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "clients.h"

#define BAD_COUNT 4
#define OVERLONG  5000

enum stage { JOINING, TALKING, LEAVING };

typedef struct client {
    char name[17];
    int fd;
    pid_t child; /* socat, or 0 */
    bool vandal; /* sends bad lines, too */
    bool joined;
    bool left;
    char *out;
    size_t out_len;
    size_t out_sent;
    size_t chunk; /* at most so much at a time */
    size_t in_len;
    unsigned seen;
    unsigned errors;
    char in[4096];
} client;

typedef struct swarm {
    const client_plan *plan;
    client_result *result;
    client *clients;
    struct pollfd *polls;
    unsigned count;
    unsigned *order;
    unsigned *next; /* per sender: the line that must follow in `order` */
    unsigned known; /* of `order` */
    unsigned total;
    enum stage stage;
} swarm;

/* What the vandal sends, and what it must be told. The first is a nick. */
static const char *const complaints[BAD_COUNT] = {
    "error: a nick is 1 to 16 letters, digits, - or _; try again",
    "error: line longer than 1024 bytes, dropped",
    "error: line is not valid UTF-8, dropped",
    "error: line holds a control character, dropped",
};

__attribute__((format(printf, 2, 3))) static bool fail(swarm *self,
                                                       const char *format, ...)
{
    if (self->result->why[0] == '\0') {
        va_list arguments;
        va_start(arguments, format);
        (void)vsnprintf(self->result->why, sizeof self->result->why, format,
                        arguments);
        va_end(arguments);
    }
    return false;
}

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- the script ---- */

static int line_text(char *text, size_t len, const client *who, unsigned number)
{
    return snprintf(text, len, "%s: line %u, zażółć gęślą jaźń", who->name,
                    number);
}

static void write_bad_lines(FILE *out)
{
    for (int i = 0; i < OVERLONG; i++) {
        (void)fputc('x', out);
    }
    (void)fputs("\nnot \xc3\x28 UTF-8\nring \a the bell\n", out);
}

static bool write_script(swarm *self, client *who)
{
    FILE *out = open_memstream(&who->out, &who->out_len);
    if (out == NULL) {
        return fail(self, "no memory for the clients");
    }
    unsigned lines = self->plan->lines;
    for (unsigned i = 0; i < lines; i++) {
        char text[128];
        (void)line_text(text, sizeof text, who, i);
        (void)fprintf(out, "%s\n", text + strlen(who->name) + 2);
        if (who->vandal && i == lines / 2) {
            write_bad_lines(out);
        }
    }
    return fclose(out) == 0 || fail(self, "no memory for the clients");
}

static bool say_hello(swarm *self, const client *who)
{
    char text[64];
    int len = snprintf(text, sizeof text, "%s%s\n",
                       who->vandal ? "no spaces, please\n" : "", who->name);
    if (send(who->fd, text, (size_t)len, MSG_NOSIGNAL) == len) {
        return true;
    }
    return fail(self, "%s: could not send its nick: %s", who->name,
                strerror(errno));
}

/* ---- connections ---- */

static bool connect_socket(swarm *self, client *who, uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    who->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (who->fd < 0 ||
        connect(who->fd, (struct sockaddr *)&address, sizeof address) != 0) {
        return fail(self, "%s: could not connect to port %u: %s", who->name,
                    (unsigned)port, strerror(errno));
    }
    return true;
}

/* The process talks to us through a socket pair on its two ends. Returns false
 * when there is no socat to run. */
static bool connect_socat(client *who, uint16_t port)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
        return false;
    }
    char target[32];
    (void)snprintf(target, sizeof target, "TCP:127.0.0.1:%u", (unsigned)port);
    char *arguments[] = {"socat", "-", target, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, pair[1], 0);
    posix_spawn_file_actions_adddup2(&actions, pair[1], 1);
    int failed =
        posix_spawnp(&who->child, "socat", &actions, NULL, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(pair[1]);
    if (failed != 0) {
        who->child = 0;
        close(pair[0]);
        return false;
    }
    who->fd = pair[0];
    return true;
}

static bool client_open(swarm *self, unsigned index)
{
    const client_plan *plan = self->plan;
    client *who = &self->clients[index];
    const client_target *target = &plan->targets[index / plan->clients];
    unsigned number = index % plan->clients;
    who->vandal = number == 0;
    who->chunk = 1 + (size_t)number * 23; /* the slowest: byte by byte */
    (void)snprintf(who->name, sizeof who->name, "%s-%u", target->host, number);
    bool last = index + 1 == self->count;
    if (last && !who->vandal && connect_socat(who, target->port)) {
        (void)snprintf(who->name, sizeof who->name, "socat");
        self->result->socat = true;
    } else if (!connect_socket(self, who, target->port)) {
        return false;
    }
    int flags = fcntl(who->fd, F_GETFL);
    if (flags < 0 || fcntl(who->fd, F_SETFL, flags | O_NONBLOCK) != 0) {
        return fail(self, "%s: %s", who->name, strerror(errno));
    }
    return write_script(self, who) && say_hello(self, who);
}

static void client_close(client *who)
{
    if (who->fd >= 0) {
        close(who->fd);
    }
    if (who->child != 0) {
        kill(who->child, SIGKILL); /* it has nothing left to do */
        waitpid(who->child, NULL, 0);
    }
    free(who->out);
}

/* ---- what a client sees ---- */

/* The number of a line of the room, or -1. */
static long line_number(const swarm *self, const char *line)
{
    const char *colon = strstr(line, ": line ");
    if (colon == NULL) {
        return -1;
    }
    size_t len = (size_t)(colon - line);
    unsigned sender = 0;
    while (sender < self->count &&
           (strlen(self->clients[sender].name) != len ||
            memcmp(self->clients[sender].name, line, len) != 0)) {
        sender++;
    }
    unsigned long place = strtoul(colon + strlen(": line "), NULL, 10);
    if (sender == self->count || place >= self->plan->lines) {
        return -1;
    }
    char text[128];
    (void)line_text(text, sizeof text, &self->clients[sender], (unsigned)place);
    return strcmp(text, line) == 0
               ? (long)sender * (long)self->plan->lines + (long)place
               : -1;
}

static bool see_room_line(swarm *self, client *who, const char *line)
{
    long number = line_number(self, line);
    if (number < 0 || who->seen == self->total) {
        return fail(self, "%s saw a line that nobody said: %.80s", who->name,
                    line);
    }
    if (who->seen == self->known) {
        unsigned sender = (unsigned)number / self->plan->lines;
        unsigned place = (unsigned)number % self->plan->lines;
        if (place != self->next[sender]) {
            return fail(self, "%s saw line %u of %s where line %u was due",
                        who->name, place, self->clients[sender].name,
                        self->next[sender]);
        }
        self->next[sender]++;
        self->order[self->known++] = (unsigned)number;
    }
    if (self->order[who->seen] != (unsigned)number) {
        return fail(self, "%s saw \"%.80s\" as number %u, others did not",
                    who->name, line, who->seen);
    }
    who->seen++;
    return true;
}

static bool see_line(swarm *self, client *who, const char *line)
{
    if (strncmp(line, "error: ", 7) == 0) {
        unsigned due = who->vandal ? BAD_COUNT : 0;
        if (who->errors == due || strcmp(line, complaints[who->errors]) != 0) {
            return fail(self, "%s got an answer it did not earn: %.80s",
                        who->name, line);
        }
        who->errors++;
        self->result->bad_lines++;
        return true;
    }
    if (!who->joined && strncmp(line, "hello ", 6) == 0 &&
        strcmp(line + 6, who->name) == 0) {
        who->joined = true;
        return true;
    }
    return see_room_line(self, who, line);
}

static bool see_bytes(swarm *self, client *who)
{
    char *at = who->in;
    char *end = who->in + who->in_len;
    char *newline;
    while ((newline = memchr(at, '\n', (size_t)(end - at))) != NULL) {
        *newline = '\0';
        if (!see_line(self, who, at)) {
            return false;
        }
        at = newline + 1;
    }
    who->in_len = (size_t)(end - at);
    memmove(who->in, at, who->in_len);
    return who->in_len < sizeof who->in ||
           fail(self, "%s saw a line without an end", who->name);
}

static bool client_read(swarm *self, client *who)
{
    ssize_t len =
        recv(who->fd, who->in + who->in_len, sizeof who->in - who->in_len, 0);
    if (len > 0) {
        who->in_len += (size_t)len;
        return see_bytes(self, who);
    }
    if (len < 0 && (errno == EAGAIN || errno == EINTR)) {
        return true;
    }
    if (len == 0 && self->stage == LEAVING) {
        who->left = true;
        return true;
    }
    return fail(self, "%s lost its connection after %u of %u lines: %s",
                who->name, who->seen, self->total,
                len == 0 ? "end of file" : strerror(errno));
}

static bool client_write(swarm *self, client *who)
{
    size_t len = who->out_len - who->out_sent;
    if (len > who->chunk) {
        len = who->chunk;
    }
    ssize_t sent = send(who->fd, who->out + who->out_sent, len, MSG_NOSIGNAL);
    if (sent > 0) {
        who->out_sent += (size_t)sent;
    }
    return sent >= 0 || errno == EAGAIN || errno == EINTR ||
           fail(self, "%s could not write: %s", who->name, strerror(errno));
}

/* ---- the swarm ---- */

static bool client_done(const swarm *self, const client *who)
{
    switch (self->stage) {
    case JOINING:
        return who->joined;
    case TALKING:
        return who->out_sent == who->out_len && who->seen == self->total &&
               (!who->vandal || who->errors == BAD_COUNT);
    case LEAVING:
    default:
        return who->left;
    }
}

/* Who is late, and for what. */
static bool fail_late(swarm *self)
{
    unsigned i = 0;
    while (i + 1 < self->count && client_done(self, &self->clients[i])) {
        i++;
    }
    const client *who = &self->clients[i];
    if (self->stage == JOINING) {
        return fail(self, "%s got no \"hello\" within %d ms", who->name,
                    self->plan->timeout_ms);
    }
    if (self->stage == LEAVING) {
        return fail(self, "%s closed, and was not closed within %d ms",
                    who->name, self->plan->timeout_ms);
    }
    return fail(self,
                "%s saw %u of %u lines and %u of %d answers to bad lines, and "
                "had sent %zu of %zu bytes, after %d ms",
                who->name, who->seen, self->total, who->errors,
                who->vandal ? BAD_COUNT : 0, who->out_sent, who->out_len,
                self->plan->timeout_ms);
}

static bool swarm_step(swarm *self, int64_t limit_ms)
{
    for (unsigned i = 0; i < self->count; i++) {
        const client *who = &self->clients[i];
        bool talks = self->stage == TALKING && who->out_sent < who->out_len;
        self->polls[i].fd = who->left ? -1 : who->fd;
        self->polls[i].events = (short)(POLLIN | (talks ? POLLOUT : 0));
    }
    int64_t left_ms = limit_ms - now_ms();
    if (left_ms <= 0) {
        return fail_late(self);
    }
    if (poll(self->polls, self->count, (int)left_ms) < 0 && errno != EINTR) {
        return fail(self, "poll: %s", strerror(errno));
    }
    for (unsigned i = 0; i < self->count; i++) {
        short events = self->polls[i].revents;
        client *who = &self->clients[i];
        if ((events & ~POLLOUT) != 0 && !client_read(self, who)) {
            return false;
        }
        if ((events & POLLOUT) != 0 && !client_write(self, who)) {
            return false;
        }
    }
    return true;
}

static bool swarm_stage(swarm *self, enum stage stage, int64_t limit_ms)
{
    self->stage = stage;
    for (unsigned i = 0; stage == LEAVING && i < self->count; i++) {
        shutdown(self->clients[i].fd, SHUT_WR);
    }
    unsigned done = 0;
    while (done < self->count) {
        if (!swarm_step(self, limit_ms)) {
            return false;
        }
        done = 0;
        for (unsigned i = 0; i < self->count; i++) {
            done += client_done(self, &self->clients[i]) ? 1 : 0;
        }
    }
    return true;
}

static bool swarm_open(swarm *self)
{
    self->clients = calloc(self->count, sizeof *self->clients);
    self->polls = calloc(self->count, sizeof *self->polls);
    self->next = calloc(self->count, sizeof *self->next);
    self->order = calloc(self->total, sizeof *self->order);
    if (self->clients == NULL || self->polls == NULL || self->next == NULL ||
        self->order == NULL) {
        self->count = 0;
        return fail(self, "no memory for the clients");
    }
    for (unsigned i = 0; i < self->count; i++) {
        self->clients[i].fd = -1;
    }
    for (unsigned i = 0; i < self->count; i++) {
        if (!client_open(self, i)) {
            return false;
        }
    }
    return true;
}

void clients_run(const client_plan *plan, client_result *out)
{
    memset(out, 0, sizeof *out);
    swarm self = {.plan = plan, .result = out};
    self.count = plan->target_count * plan->clients;
    self.total = self.count * plan->lines;
    int64_t limit_ms = now_ms() + plan->timeout_ms;
    out->passed = swarm_open(&self) && swarm_stage(&self, JOINING, limit_ms) &&
                  swarm_stage(&self, TALKING, limit_ms) &&
                  swarm_stage(&self, LEAVING, limit_ms);
    for (unsigned i = 0; i < self.count; i++) {
        client_close(&self.clients[i]);
    }
    free(self.clients);
    free(self.polls);
    free(self.next);
    free(self.order);
}
