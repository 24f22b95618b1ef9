/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The descriptors of a process: what each number of the child's is to be, and
 * the transports behind those that are pipes.
 *
 * A pipe is a pair of UNIX sockets. Writing to one whose reader is gone is an
 * error and no SIGPIPE, the loss of a reader is told while nothing is written,
 * and the transport of sockets does the rest.
 */

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/stream.h"
#include "sys/process.h"

/* ---- what is to be ---- */

static bool find(const tenon__stdio *plan, int child_fd, size_t *place)
{
    for (*place = 0; *place < plan->count; ++*place) {
        if (plan->fds[*place].child_fd >= child_fd) {
            break;
        }
    }
    return *place < plan->count && plan->fds[*place].child_fd == child_fd;
}

/* In its place, by the child's numbers. */
static tenon_status add(tenon__stdio *plan, const tenon_process_fd *fd)
{
    size_t place;
    if (find(plan, fd->child_fd, &place)) {
        return TENON_INVALID;
    }
    memmove(&plan->fds[place + 1], &plan->fds[place],
            (plan->count - place) * sizeof plan->fds[0]);
    plan->fds[place] = *fd;
    plan->from[plan->count] = -1;
    plan->held[plan->count] = -1;
    plan->count++;
    plan->pipe_count += fd->kind == TENON_STDIO_PIPE;
    return TENON_OK;
}

static bool is_possible(const tenon_process_fd *fd)
{
    return fd->child_fd >= 0 && fd->child_fd <= TENON_CHILD_FD_MAX &&
           fd->kind >= TENON_STDIO_PIPE && fd->kind <= TENON_STDIO_SAME &&
           (fd->kind < TENON_STDIO_FD || fd->fd >= 0);
}

static bool is_founded(const tenon__stdio *plan, const tenon_process_fd *fd)
{
    size_t other;
    return fd->kind != TENON_STDIO_SAME ||
           (find(plan, fd->fd, &other) &&
            plan->fds[other].kind != TENON_STDIO_SAME);
}

tenon_status tenon__stdio_plan(tenon__stdio *plan,
                               const tenon_process_options *options)
{
    size_t place;
    plan->count = 0;
    plan->pipe_count = 0;
    if (options->fd_count > TENON_PROCESS_FDS_MAX ||
        (options->fd_count > 0 && !options->fds)) {
        return TENON_INVALID;
    }
    for (size_t i = 0; i < options->fd_count; i++) {
        const tenon_process_fd *fd = &options->fds[i];
        if (!is_possible(fd) || add(plan, fd) < 0) {
            return TENON_INVALID;
        }
    }
    for (int i = 0; i <= STDERR_FILENO; i++) {
        const tenon_process_fd fd = {i, TENON_STDIO_PIPE, 0};
        if (!find(plan, i, &place)) {
            (void)add(plan, &fd);
        }
    }
    for (size_t i = 0; i < plan->count; i++) {
        if (!is_founded(plan, &plan->fds[i])) {
            return TENON_INVALID;
        }
    }
    return TENON_OK;
}

/* ---- the protocol of a pipe ---- */

static tenon_status on_data(void *self, tenon_transport *t, const void *data,
                            size_t len)
{
    tenon__process_pipe *pipe = self;
    const tenon__process_notice notice = {.tell = TENON__PROCESS_TELL_DATA,
                                          .fd = pipe->fd,
                                          .data = data,
                                          .len = len};
    (void)t;
    if (!tenon__capture_take(pipe->process, pipe->fd, data, len)) {
        tenon__process_tell(pipe->process, &notice);
    }
    return TENON_OK;
}

static tenon_status on_flow(tenon__process_pipe *pipe,
                            enum tenon__process_tell tell)
{
    const tenon__process_notice notice = {.tell = tell, .fd = pipe->fd};
    tenon__process_tell(pipe->process, &notice);
    return TENON_OK;
}

static tenon_status on_pause(void *self, tenon_transport *t)
{
    (void)t;
    return on_flow(self, TENON__PROCESS_TELL_PAUSE);
}

static tenon_status on_resume(void *self, tenon_transport *t)
{
    (void)t;
    return on_flow(self, TENON__PROCESS_TELL_RESUME);
}

static const tenon_protocol_ops pipe_ops = {.size = sizeof pipe_ops,
                                            .name = "process pipe",
                                            .data_received = on_data,
                                            .pause_writing = on_pause,
                                            .resume_writing = on_resume};

/* Whoever its protocol is by now. */
static void on_gone(tenon_transport *t, void *user)
{
    tenon__process_pipe *pipe = user;
    tenon_process *p = pipe->process;
    const tenon__process_notice notice = {.tell = TENON__PROCESS_TELL_PIPE_LOST,
                                          .fd = pipe->fd,
                                          .error = t->error};
    pipe->transport = NULL;
    if (p->state == TENON__PROCESS_MADE || p->state == TENON__PROCESS_EXITED) {
        tenon__process_tell(p, &notice);
    }
    p->pipes_open--;
    tenon__process_owe(p);
    tenon_process_unref(p);
}

/* ---- opening ---- */

/* Ours becomes the transport, theirs is held for the child. */
static tenon_status make_transport(tenon_process *p, tenon__process_pipe *pipe,
                                   int ours)
{
    int flags = fcntl(ours, F_GETFL);
    if (flags < 0 || fcntl(ours, F_SETFL, flags | O_NONBLOCK) < 0) {
        return -errno;
    }
    const tenon_factory factory = {.shared = {&pipe_ops, pipe}};
    tenon_transport *t = tenon__stream_new(p->reactor, ours, factory);
    if (!t) {
        return TENON_NO_MEMORY;
    }
    pipe->transport = t;
    p->pipes_open++;
    tenon_process_ref(p);
    return TENON_OK;
}

static tenon_status open_pipe(tenon_process *p, tenon__process_pipe *pipe,
                              int *theirs)
{
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0) {
        return -errno;
    }
    *theirs = fds[1];
    tenon_status status = make_transport(p, pipe, fds[0]);
    if (status < 0) {
        tenon__fd_close(p->reactor, NULL, fds[0]);
        return status;
    }
    tenon__extra *extra = tenon__transport_extra(pipe->transport);
    if (!extra) {
        p->pipes_open--;
        tenon__transport_discard(pipe->transport);
        pipe->transport = NULL;
        tenon_process_unref(p);
        return TENON_NO_MEMORY;
    }
    extra->gone = on_gone;
    extra->gone_user = pipe;
    if (pipe->fd == STDOUT_FILENO || pipe->fd == STDERR_FILENO) {
        (void)tenon_transport_write_eof(pipe->transport);
    }
    return TENON_OK;
}

static tenon_status open_null(int *out)
{
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    *out = fd;
    return TENON_OK;
}

static tenon_status open_one(tenon__stdio *plan, size_t i, tenon_process *p,
                             tenon__process_pipe *pipe)
{
    const tenon_process_fd *fd = &plan->fds[i];
    tenon_status status = TENON_OK;
    switch (fd->kind) {
    case TENON_STDIO_PIPE:
        pipe->process = p;
        pipe->fd = fd->child_fd;
        status = open_pipe(p, pipe, &plan->held[i]);
        plan->from[i] = plan->held[i];
        break;
    case TENON_STDIO_NULL:
        status = open_null(&plan->held[i]);
        plan->from[i] = plan->held[i];
        break;
    case TENON_STDIO_INHERIT:
        plan->from[i] = fd->child_fd;
        break;
    case TENON_STDIO_FD:
    default:
        plan->from[i] = fd->fd;
        break;
    }
    return status;
}

tenon_status tenon__stdio_open(tenon__stdio *plan, tenon_process *p)
{
    tenon__process_pipe *pipe = p->pipes;
    for (size_t i = 0; i < plan->count; i++) {
        tenon_status status = open_one(plan, i, p, pipe);
        if (status < 0) {
            return status;
        }
        pipe += plan->fds[i].kind == TENON_STDIO_PIPE;
    }
    for (size_t i = 0; i < plan->count; i++) {
        size_t other;
        if (plan->fds[i].kind == TENON_STDIO_SAME &&
            find(plan, plan->fds[i].fd, &other)) {
            plan->from[i] = plan->from[other];
        }
    }
    return TENON_OK;
}

void tenon__stdio_close(tenon__stdio *plan, tenon_reactor *reactor)
{
    for (size_t i = 0; i < plan->count; i++) {
        if (plan->held[i] >= 0) {
            tenon__fd_close(reactor, NULL, plan->held[i]);
            plan->held[i] = -1;
        }
    }
}

/* ---- the transports of a process ---- */

void tenon__stdio_begin(tenon_process *p)
{
    for (uint32_t i = 0; i < p->pipe_count; i++) {
        tenon__transport_begin(p->pipes[i].transport);
    }
}

void tenon__stdio_discard(tenon_process *p)
{
    for (uint32_t i = 0; i < p->pipe_count; i++) {
        if (p->pipes[i].transport) {
            tenon__transport_discard(p->pipes[i].transport);
        }
    }
}

void tenon__stdio_end(tenon_process *p)
{
    for (uint32_t i = 0; i < p->pipe_count; i++) {
        tenon_transport *t = p->pipes[i].transport;
        if (t && tenon_transport_write_queue_len(t) > 0) {
            (void)tenon_transport_abort(t);
        } else if (t) {
            (void)tenon_transport_close(t);
        }
    }
}

tenon_transport *tenon_process_pipe(const tenon_process *p, int fd)
{
    for (uint32_t i = 0; i < p->pipe_count; i++) {
        if (p->pipes[i].fd == fd) {
            return p->pipes[i].transport;
        }
    }
    return NULL;
}
