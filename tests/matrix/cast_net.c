/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The actors of connections: accepted ones, memory pairs, pipes and lines. They
 * all play the same piece: something comes, too much is written, the peer reads
 * it, ends its side, and is closed. The peer moves in `step` only.
 */

#include "matrix.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { MUCH = 20000, HIGH = 4096, LOW = 1024 };
/* What has been accepted, and must be told of exactly once. */
enum { OWES_WRITTEN = 1, OWES_FREED = 2, OWES_FLUSHED = 4, OWES_DONE = 8 };

static char much[MUCH];

static void close_fd(int *fd)
{
    if (*fd > 0) {
        close(*fd);
        *fd = 0;
    }
}

/* ---- the protocol ---- */

static void on_written(tenon_transport *t, tenon_status status, void *user)
{
    (void)t;
    (void)status;
    hit(user, EV_WRITTEN);
}

static void on_freed(void *buffer, size_t len, void *user)
{
    WANT(len == 64);
    hit(user, EV_FREED);
    free(buffer);
}

static void on_flushed(tenon_transport *t, tenon_status status, void *user)
{
    actor *a = user;
    (void)t;
    (void)status;
    WANT(!(a->owed & OWES_WRITTEN) || over(a, EV_WRITTEN, 1));
    WANT(!(a->owed & OWES_FREED) || over(a, EV_FREED, 1));
    hit(a, EV_FLUSHED);
}

static void on_flush_done(tenon_waiter *waiter, tenon_future *future,
                          void *user)
{
    actor *a = user;
    WANT(waiter == a->waiter);
    (void)tenon_future_error(future);
    hit(a, EV_FLUSH_DONE);
}

static void on_tap(tenon_transport *t, enum tenon_tap_way way, const void *data,
                   size_t len, void *user)
{
    (void)t;
    (void)way;
    (void)data;
    WANT(len > 0);
    hit(user, EV_TAP);
}

static void owe(actor *a, int what, tenon_status status)
{
    WANT(status >= 0 || status == TENON_CLOSED || status == TENON_HOST_GONE);
    a->owed |= status >= 0 ? what : 0;
}

static void write_much(actor *a)
{
    tenon_transport *t = a->transport;
    tenon_transport_set_buffers(t, 4608, 0);
    WANT(tenon_transport_set_write_limits(t, HIGH, LOW) >= 0);
    (void)tenon_transport_tap(t, on_tap, a); /* unless it is closed by now */
    owe(a, OWES_WRITTEN,
        tenon_transport_write_ref(t, much, MUCH, on_written, a));
    void *block = malloc(64);
    tenon_status status =
        tenon_transport_write_take(t, memset(block, 0, 64), 64, on_freed, a);
    if (status < 0) {
        free(block);
    }
    owe(a, OWES_FREED, status);
    owe(a, OWES_FLUSHED, tenon_transport_on_flushed(t, on_flushed, a));
    if (tenon_transport_flushed(t, &a->future) >= 0) {
        a->waiter = own(sizeof *a->waiter);
        WANT(tenon_future_on_done(a->future, a->waiter, on_flush_done, a) ==
             TENON_OK);
        a->owed |= OWES_DONE;
    }
}

static tenon_status on_made(void *self, tenon_transport *t)
{
    actor *a = self;
    WANT(!a->transport || t == a->transport);
    keep_transport(a, t);
    write_much(a);
    hit(a, EV_MADE);
    return TENON_OK;
}

static tenon_status on_data(void *self, tenon_transport *t, const void *data,
                            size_t len)
{
    actor *a = self;
    (void)data;
    WANT(t == a->transport && len > 0);
    WANT(over(a, EV_MADE, 1) && !over(a, EV_ATEOF, 1) && !over(a, EV_LOST, 1));
    hit(a, EV_DATA);
    return TENON_OK;
}

static tenon_status on_get(void *self, tenon_transport *t, size_t hint,
                           void **buffer, size_t *len)
{
    static char memory[100];
    (void)t;
    (void)hint;
    *buffer = memory;
    *len = sizeof memory;
    hit(self, EV_GET);
    return TENON_OK;
}

static tenon_status on_updated(void *self, tenon_transport *t, size_t len)
{
    actor *a = self;
    (void)t;
    WANT(len > 0 && over(a, EV_GET, 1) && !over(a, EV_LOST, 1));
    hit(a, EV_UPDATED);
    return TENON_OK;
}

static tenon_status on_fd(void *self, tenon_transport *t, int fd)
{
    actor *a = self;
    (void)t;
    WANT(!over(a, EV_DATA, 1) || a->loose); /* before the byte it came with */
    hit(a, EV_FD);
    close(fd);
    return TENON_OK;
}

static tenon_status on_eof(void *self, tenon_transport *t)
{
    (void)t;
    hit(self, EV_ATEOF);
    return TENON_KEEP_OPEN;
}

static tenon_status on_pause(void *self, tenon_transport *t)
{
    actor *a = self;
    (void)t;
    WANT(a->seen[EV_PAUSE] == a->seen[EV_RESUME]);
    hit(a, EV_PAUSE);
    return TENON_OK;
}

static tenon_status on_resume(void *self, tenon_transport *t)
{
    actor *a = self;
    (void)t;
    WANT(a->seen[EV_PAUSE] == a->seen[EV_RESUME] + 1);
    hit(a, EV_RESUME);
    return TENON_OK;
}

/* All that was owed comes before. */
static void want_paid(const actor *a)
{
    WANT(a->seen[EV_WRITTEN] == !!(a->owed & OWES_WRITTEN));
    WANT(a->seen[EV_FREED] == !!(a->owed & OWES_FREED));
    WANT(a->seen[EV_FLUSHED] == !!(a->owed & OWES_FLUSHED));
}

static tenon_status on_lost(void *self, tenon_transport *t,
                            const tenon_error *error)
{
    actor *a = self;
    (void)error;
    WANT(t == a->transport && over(a, EV_MADE, 1));
    want_paid(a);
    hit(a, EV_LOST);
    lose_transport(a);
    return TENON_OK;
}

static const tenon_protocol_ops socket_ops = {.size = sizeof socket_ops,
                                              .name = "socket",
                                              .connection_made = on_made,
                                              .data_received = on_data,
                                              .eof_received = on_eof,
                                              .connection_lost = on_lost,
                                              .pause_writing = on_pause,
                                              .resume_writing = on_resume,
                                              .fd_received = on_fd};
static const tenon_protocol_ops buffered_ops = {.size = sizeof buffered_ops,
                                                .name = "buffered",
                                                .connection_made = on_made,
                                                .data_received = on_data,
                                                .get_buffer = on_get,
                                                .buffer_updated = on_updated,
                                                .eof_received = on_eof,
                                                .connection_lost = on_lost,
                                                .pause_writing = on_pause,
                                                .resume_writing = on_resume,
                                                .fd_received = on_fd};

static void close_transport(actor *a)
{
    drop_transport(a);
    tenon_future_unref(a->future);
    WANT(a->seen[EV_MADE] == a->seen[EV_LOST] || a->again);
    want_paid(a);
    WANT(!a->waiter || a->seen[EV_FLUSH_DONE] == 1);
    DISOWN(a->waiter);
}

/* ---- accepted connections ---- */

static tenon_status on_start(void *user, tenon_reactor *reactor)
{
    (void)reactor;
    hit(user, EV_START);
    return TENON_OK;
}

static void on_stop(void *user, tenon_reactor *reactor)
{
    (void)reactor;
    hit(user, EV_STOP);
}

static tenon_status on_build(void *user, tenon_transport *t,
                             tenon_protocol *out)
{
    actor *a = user;
    WANT(over(a, EV_START, 1) && !over(a, EV_LCLOSED, 1));
    keep_transport(a, t);
    out->ops = &socket_ops;
    if (a->kind == &kind_BUFFERED) {
        out->ops = &buffered_ops;
    }
    out->self = a;
    hit(a, EV_BUILD);
    return TENON_OK;
}

static void on_closed(tenon_listener *listener, void *user)
{
    (void)listener;
    hit(user, EV_LCLOSED);
}

void matrix_on_stopped(tenon_listener *listener, tenon_status status,
                       void *user)
{
    actor *a = user;
    (void)listener;
    WANT(over(a, EV_LCLOSED, 1));
    WANT(a->seen[EV_LOST] == a->seen[EV_MADE] || a->again ||
         status == TENON_CLOSED ||
         status == TENON_HOST_GONE); /* the reactor ended first */
    hit(a, EV_LSTOPPED);
}

/* Five bytes, and a descriptor with them. */
static void send_hello(int to, int fd)
{
    union {
        char space[CMSG_SPACE(sizeof(int))];
        struct cmsghdr aligned;
    } control = {{0}};
    struct iovec hello = {(void *)(uintptr_t) "hello", 5};
    struct msghdr message = {.msg_iov = &hello,
                             .msg_iovlen = 1,
                             .msg_control = control.space,
                             .msg_controllen = sizeof control.space};
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(head), &fd, sizeof fd);
    WANT(sendmsg(to, &message, MSG_NOSIGNAL) == 5);
}

static int client_of(const tenon_listener *listener)
{
    tenon_address address;
    WANT(tenon_listener_address(listener, &address) == TENON_OK);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    WANT(fd > 0 && connect(fd, &address.as.any, address.len) == 0);
    return fd;
}

static const tenon_factory_ops factory_ops = {sizeof factory_ops, on_start,
                                              on_stop};

static void open_socket(actor *a)
{
    tenon_listen_options options = {
        .size = sizeof options, .on_closed = on_closed, .on_closed_user = a};
    tenon_factory factory = tenon_factory_with(on_build, a);
    factory.ops = &factory_ops;
    fresh_name(a);
    WANT(tenon_listen(st.reactor, &a->listener, a->name, factory, &options) ==
         TENON_OK);
    a->far = client_of(a->listener);
    int fd = eventfd(0, EFD_CLOEXEC);
    send_hello(a->far, fd);
    close(fd);
}

static void drain(int fd)
{
    char bytes[8192];
    while (fd > 0 && read(fd, bytes, sizeof bytes) > 0) {
    }
}

static void stop_listener(actor *a)
{
    tenon_stop_options options = {
        .size = sizeof options, .on_stopped = matrix_on_stopped, .user = a};
    a->phase = 3;
    if (tenon_listener_stop(a->listener, &options) == TENON_OK) {
        a->sent++; /* on_stopped is owed */
    }
}

static void step_socket(actor *a)
{
    drain(a->far);
    if (a->phase == 0 && over(a, EV_FLUSHED, 1) && a->far) {
        a->phase = 1;
        shutdown(a->far, SHUT_WR);
    } else if (a->phase == 1 && over(a, EV_ATEOF, 1)) {
        a->phase = 2;
        if (a->transport) { /* a call may have ended it */
            tenon_transport_close(a->transport);
        }
    } else if (a->phase == 2 && over(a, EV_LOST, 1)) {
        stop_listener(a);
    }
}

static bool complete_socket(const actor *a)
{
    return over(a, EV_LOST, 1) && over(a, EV_LSTOPPED, 1) &&
           over(a, EV_PAUSE, 1) && over(a, EV_RESUME, 1) &&
           over(a, EV_FLUSH_DONE, 1);
}

static void close_socket(actor *a)
{
    close_fd(&a->far);
    close_transport(a);
    tenon_listener_unref(a->listener);
    WANT(a->seen[EV_LCLOSED] == 1);
    WANT(a->seen[EV_STOP] == a->seen[EV_START]);
    WANT(a->seen[EV_LSTOPPED] == (int)a->sent);
}

const part kind_SOCKET = {"socket",        TRANSPORT | LISTENER | FUTURE,
                          open_socket,     step_socket,
                          complete_socket, close_socket};
const part kind_BUFFERED = {"buffered socket", TRANSPORT | LISTENER | FUTURE,
                            open_socket,       step_socket,
                            complete_socket,   close_socket};

/* ---- memory pairs ---- */

static tenon_status peer_made(void *self, tenon_transport *t)
{
    (void)self;
    tenon_transport_pause_reading(t);
    return tenon_transport_write(t, "hello", 5);
}

static tenon_status peer_lost(void *self, tenon_transport *t,
                              const tenon_error *error)
{
    actor *a = self;
    (void)t;
    (void)error;
    a->peer = NULL;
    return TENON_OK;
}

static const tenon_protocol_ops peer_ops = {.size = sizeof peer_ops,
                                            .name = "peer",
                                            .connection_made = peer_made,
                                            .connection_lost = peer_lost};

static void open_pair(actor *a, tenon_protocol ours)
{
    tenon_transport *ends[2];
    tenon_factory first = {.shared = ours};
    tenon_factory second = {.shared = {&peer_ops, a}};
    tenon_memory_options options = {.size = sizeof options, .capacity = HIGH};
    WANT(tenon_memory_pair(st.reactor, ends, first, second, &options) ==
         TENON_OK);
    keep_transport(a, ends[0]);
    a->peer = ends[1];
}

static void open_memory(actor *a)
{
    open_pair(a, (tenon_protocol){&socket_ops, a});
}

static void step_pair(actor *a, enum event flushed, enum event eof)
{
    if (a->peer && over(a, flushed, 1)) {
        tenon_transport_resume_reading(a->peer);
    }
    if (a->phase == 0 && a->peer && over(a, EV_FLUSHED, 1)) {
        a->phase = 1;
        tenon_transport_write_eof(a->peer);
    } else if (a->phase == 1 && over(a, eof, 1)) {
        a->phase = 2;
        if (a->transport) { /* a call may have ended it */
            tenon_transport_close(a->transport);
        }
    }
}

static void step_memory(actor *a)
{
    step_pair(a, EV_PAUSE, EV_ATEOF);
}

static bool complete_memory(const actor *a)
{
    return over(a, EV_LOST, 1) && over(a, EV_PAUSE, 1) &&
           over(a, EV_RESUME, 1) && over(a, EV_FLUSH_DONE, 1) && !a->peer;
}

const part kind_MEMORY = {"memory",    TRANSPORT | FUTURE, open_memory,
                          step_memory, complete_memory,    close_transport};

/* ---- pipes ---- */

static tenon_status quiet_made(void *self, tenon_transport *t)
{
    actor *a = self;
    if (a) {
        WANT(t == a->transport || t == a->peer);
        a->phase++;
    }
    return TENON_OK;
}

const tenon_protocol_ops quiet_ops = {
    .size = sizeof quiet_ops, .name = "quiet", .connection_made = quiet_made};

static void on_piped(const tenon_error *error, uint64_t there, uint64_t back,
                     void *user)
{
    (void)error;
    (void)there;
    (void)back;
    hit(user, EV_PIPED);
}

static tenon_transport *adopt_half(actor *a, int *far)
{
    int fds[2];
    tenon_transport *t = NULL;
    tenon_factory factory = {.shared = {&quiet_ops, a}};
    WANT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
                    fds) == 0);
    WANT(tenon_transport_adopt(st.reactor, &t, fds[0], factory) == TENON_OK);
    *far = fds[1];
    return tenon_transport_ref(t);
}

static void open_pipe(actor *a)
{
    a->transport = adopt_half(a, &a->far);
    a->peer = adopt_half(a, &a->fd);
}

static void step_pipe(actor *a)
{
    if (a->phase == 2) {
        tenon_pipe_options options = {
            .size = sizeof options, .on_done = on_piped, .user = a};
        a->phase = 3;
        if (tenon_pipe(a->transport, a->peer, &options) == TENON_OK) {
            a->owed = 1;
            WANT(send(a->far, "there", 5, MSG_NOSIGNAL) == 5 || a->loose);
        }
    } else if (a->phase == 3 && recv(a->fd, (char[8]){0}, 8, 0) == 5) {
        a->phase = 4;
        close_fd(&a->far);
        close_fd(&a->fd);
    }
}

static bool complete_pipe(const actor *a)
{
    return over(a, EV_PIPED, 1);
}

static void close_pipe(actor *a)
{
    close_fd(&a->far);
    close_fd(&a->fd);
    tenon_transport_unref(a->transport);
    tenon_transport_unref(a->peer);
    WANT(a->seen[EV_PIPED] == a->owed);
}

const part kind_PIPE = {"pipe",    TRANSPORT,     open_pipe,
                        step_pipe, complete_pipe, close_pipe};

/* ---- lines ---- */

static const char text[] = "one\r\nRAW\r\nxyz!0123456789012345\r\ntwo\r\n";

static tenon_status line_made(void *self, tenon_line *line)
{
    actor *a = self;
    WANT(line == a->line && tenon_line_transport(line) == a->transport);
    WANT(tenon_transport_set_write_limits(a->transport, HIGH, LOW) >= 0);
    owe(a, OWES_WRITTEN,
        tenon_transport_write_ref(a->transport, much, MUCH, on_written, a));
    owe(a, OWES_FLUSHED,
        tenon_transport_on_flushed(a->transport, on_flushed, a));
    hit(a, EV_LINE_MADE);
    return TENON_OK;
}

static tenon_status line_line(void *self, tenon_line *line, const char *data,
                              size_t len)
{
    actor *a = self;
    WANT(line == a->line);
    if (len == 3 && memcmp(data, "RAW", 3) == 0) {
        tenon_line_set_raw(line);
    }
    hit(a, EV_LINE);
    return TENON_OK;
}

static tenon_status line_raw(void *self, tenon_line *line, const void *data,
                             size_t len)
{
    actor *a = self;
    const char *end = memchr(data, '!', len);
    if (end) {
        size_t rest = len - (size_t)(end + 1 - (const char *)data);
        WANT(tenon_line_set_lines(line, rest) == TENON_OK);
    }
    hit(a, EV_LINE_RAW);
    return TENON_OK;
}

static tenon_status line_long(void *self, tenon_line *line, const char *data,
                              size_t len)
{
    (void)line;
    (void)data;
    (void)len;
    hit(self, EV_LINE_LONG);
    return TENON_KEEP_OPEN;
}

static tenon_status line_eof(void *self, tenon_line *line)
{
    (void)line;
    hit(self, EV_LINE_EOF);
    return TENON_KEEP_OPEN;
}

static tenon_status line_pause(void *self, tenon_line *line)
{
    (void)line;
    hit(self, EV_LINE_PAUSE);
    return TENON_OK;
}

static tenon_status line_resume(void *self, tenon_line *line)
{
    (void)line;
    hit(self, EV_LINE_RESUME);
    return TENON_OK;
}

static tenon_status line_lost(void *self, tenon_line *line,
                              const tenon_error *error)
{
    actor *a = self;
    (void)error;
    WANT(line == a->line);
    want_paid(a);
    hit(a, EV_LINE_LOST);
    lose_transport(a);
    DISOWN(a->line);
    return TENON_OK;
}

static const tenon_line_ops line_ops = {.size = sizeof line_ops,
                                        .name = "lines",
                                        .connection_made = line_made,
                                        .line_received = line_line,
                                        .raw_received = line_raw,
                                        .line_length_exceeded = line_long,
                                        .eof_received = line_eof,
                                        .connection_lost = line_lost,
                                        .pause_writing = line_pause,
                                        .resume_writing = line_resume};

static void open_lines(actor *a)
{
    tenon_line_options options = {.size = sizeof options, .max_len = 8};
    a->line = own(sizeof *a->line);
    WANT(tenon_line_init(a->line, &line_ops, a, &options) == TENON_OK);
    open_pair(a, tenon_line_protocol(a->line));
}

static void step_lines(actor *a)
{
    if (!a->sent && a->peer && over(a, EV_LINE_MADE, 1)) {
        a->sent = 1; /* behind "hello" */
        (void)tenon_transport_write(a->peer, "\r\n", 2);
        (void)tenon_transport_write(a->peer, text, sizeof text - 1);
    }
    step_pair(a, EV_LINE_PAUSE, EV_LINE_EOF);
}

static bool complete_lines(const actor *a)
{
    return over(a, EV_LINE_LOST, 1) && over(a, EV_LINE, 4) &&
           over(a, EV_LINE_RAW, 1) && over(a, EV_LINE_LONG, 1) &&
           over(a, EV_LINE_RESUME, 1) && !a->peer;
}

static void close_lines(actor *a)
{
    WANT(a->seen[EV_LINE_MADE] == a->seen[EV_LINE_LOST] || a->again);
    drop_transport(a);
    want_paid(a);
    DISOWN(a->line);
}

const part kind_LINES = {"lines",    TRANSPORT | LINE, open_lines,
                         step_lines, complete_lines,   close_lines};
