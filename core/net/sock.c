/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Socket calls that wait. Each tries first, and waits by a watch on the task's
 * stack when the kernel says "not now"; the watch is gone before the call
 * returns, and before a cancelled task runs.
 */

#include <tenon/sock.h>

#include <unistd.h>

#include "async/task.h"
#include "net/address.h"

/* ---- readiness ---- */

typedef struct ready_wait {
    tenon__wait wait; /* first */
    tenon_watch watch;
    uint32_t events;
} ready_wait;

static bool cancel_ready(tenon__wait *w, tenon_error *reason)
{
    ready_wait *rw = (ready_wait *)(void *)w;
    (void)reason;
    (void)tenon_watch_stop(&rw->watch);
    return true;
}

static const tenon__wait_kind for_descriptor = {"descriptor", cancel_ready,
                                                NULL};

static void on_ready(tenon_watch *watch, uint32_t events, void *user)
{
    ready_wait *rw = user;
    rw->events = events;
    (void)tenon_watch_stop(watch);
    (void)tenon__task_wake(rw->wait.task,
                           events & TENON_STALE_WATCH ? TENON_STALE : TENON_OK);
}

static tenon_status wait_ready(ready_wait *rw, int fd, uint32_t events)
{
    tenon_reactor *r = rw->wait.task->future.reactor;
    tenon_watch_init(&rw->watch, r, fd);
    tenon_watch_set_name(&rw->watch, rw->wait.task->name);
    tenon_status status = tenon_watch_start(&rw->watch, events, on_ready, rw);
    if (status < 0) {
        return status;
    }
    rw->wait.object = &rw->watch;
    status = tenon__task_wait(&rw->wait);
    (void)tenon_watch_stop(&rw->watch);
    return status;
}

tenon_status tenon_await_ready_at(int fd, uint32_t events, uint32_t *ready,
                                  const char *site)
{
    const uint32_t legal = TENON_READ | TENON_WRITE;
    ready_wait rw;
    if ((events & legal) == 0 || (events & ~legal) != 0) {
        return TENON_INVALID;
    }
    rw.events = 0;
    tenon_status status = tenon__wait_begin(&rw.wait, &for_descriptor, site);
    if (status == TENON_OK) {
        status = wait_ready(&rw, fd, events);
    }
    if (ready) {
        *ready = rw.events & (legal | TENON_HANGUP);
    }
    return status;
}

/* ---- calls ---- */

/* What a call that failed with errno comes to: TENON_OK when it is to be made
 * again. */
static tenon_status after(int fd, uint32_t events, const char *site)
{
    if (errno == EINTR) {
        return TENON_OK;
    }
    if (errno != EAGAIN && errno != EWOULDBLOCK) {
        return tenon_raise(-errno, NULL);
    }
    return tenon_await_ready_at(fd, events, NULL, site);
}

/* A call that need not wait has its turn's credit, as any wait. */
static tenon_status begin(const char *site)
{
    tenon_task *t = tenon__task_current();
    return t ? tenon__task_wait_free(t, site) : TENON_INVALID;
}

tenon_status tenon_sock_recv(int fd, void *buffer, size_t len, size_t *got)
{
    tenon_status status = got ? begin("tenon_sock_recv") : TENON_INVALID;
    while (status == TENON_OK) {
        ssize_t count = recv(fd, buffer, len, MSG_DONTWAIT);
        if (count >= 0) {
            *got = (size_t)count;
            return TENON_OK;
        }
        status = after(fd, TENON_READ, "tenon_sock_recv");
    }
    return status;
}

tenon_status tenon_sock_send_all(int fd, const void *data, size_t len,
                                 size_t *sent)
{
    const char *bytes = data;
    size_t done = 0;
    tenon_status status = begin("tenon_sock_send_all");
    while (status == TENON_OK && done < len) {
        ssize_t count =
            send(fd, bytes + done, len - done, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (count >= 0) {
            done += (size_t)count;
        } else {
            status = after(fd, TENON_WRITE, "tenon_sock_send_all");
        }
    }
    if (sent) {
        *sent = done;
    }
    return status;
}

/* A sender may have no name. */
static void take_address(tenon_address *out,
                         const struct sockaddr_storage *room, socklen_t len)
{
    const void *any = room;
    if (len == 0 || tenon__address_of(out, any, len) < 0) {
        *out = (tenon_address){.kind = TENON_ADDRESS_NONE};
    }
}

tenon_status tenon_sock_recv_from(int fd, void *buffer, size_t len, size_t *got,
                                  tenon_address *from)
{
    tenon_status status =
        got && from ? begin("tenon_sock_recv_from") : TENON_INVALID;
    while (status == TENON_OK) {
        struct sockaddr_storage room = {.ss_family = AF_UNSPEC};
        struct iovec part = {buffer, len};
        struct msghdr message = {.msg_name = &room,
                                 .msg_namelen = sizeof room,
                                 .msg_iov = &part,
                                 .msg_iovlen = 1};
        ssize_t count = recvmsg(fd, &message, MSG_DONTWAIT | MSG_TRUNC);
        if (count >= 0) {
            *got = (size_t)count;
            take_address(from, &room, message.msg_namelen);
            return TENON_OK;
        }
        status = after(fd, TENON_READ, "tenon_sock_recv_from");
    }
    return status;
}

tenon_status tenon_sock_send_to(int fd, const void *data, size_t len,
                                const tenon_address *to)
{
    tenon_status status = to ? begin("tenon_sock_send_to") : TENON_INVALID;
    while (status == TENON_OK) {
        ssize_t count = sendto(fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL,
                               &to->as.any, to->len);
        if (count >= 0) {
            return TENON_OK;
        }
        status = after(fd, TENON_WRITE, "tenon_sock_send_to");
    }
    return status;
}

/* Connections that are gone before they are accepted are nobody's failure. */
static bool is_gone(int code)
{
    return code == ECONNABORTED || code == EPROTO;
}

tenon_status tenon_sock_accept(int fd, int *out, tenon_address *peer)
{
    tenon_status status = out ? begin("tenon_sock_accept") : TENON_INVALID;
    while (status == TENON_OK) {
        int accepted = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (accepted >= 0) {
            *out = accepted;
            if (peer && tenon__address_of_fd(peer, accepted, true) < 0) {
                *peer = (tenon_address){.kind = TENON_ADDRESS_NONE};
            }
            return TENON_OK;
        }
        status = is_gone(errno) ? TENON_OK
                                : after(fd, TENON_READ, "tenon_sock_accept");
    }
    return status;
}

static tenon_status connected(int fd)
{
    int code = 0;
    socklen_t len = sizeof code;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &len) < 0) {
        code = errno;
    }
    return code ? tenon_raise(-code, NULL) : TENON_OK;
}

tenon_status tenon_sock_connect(int fd, const tenon_address *to)
{
    tenon_status status = to ? begin("tenon_sock_connect") : TENON_INVALID;
    if (status < 0) {
        return status;
    }
    if (connect(fd, &to->as.any, to->len) == 0) {
        return TENON_OK;
    }
    if (errno != EINPROGRESS && errno != EINTR) {
        return tenon_raise(-errno, NULL);
    }
    status = tenon_await_ready_at(fd, TENON_WRITE, NULL, "tenon_sock_connect");
    return status < 0 ? status : connected(fd);
}
