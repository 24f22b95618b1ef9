/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The options of a connection's socket.
 */

#include <netinet/tcp.h>

#include "net/transport.h"

#define SECONDS_MAX 32767 /* the kernel's own, for keepalive */

static tenon_status check(const tenon_transport *t)
{
    tenon_status status = tenon__check(t->reactor);
    if (status < 0) {
        return status;
    }
    if (!t->ops->fd) {
        return TENON_NOT_SUPPORTED;
    }
    return t->state >= TENON__LOST ? TENON_CLOSED : TENON_OK;
}

static tenon_status set(const tenon_transport *t, int level, int option,
                        int value)
{
    int fd = t->ops->fd(t);
    if (setsockopt(fd, level, option, &value, sizeof value) == 0) {
        return TENON_OK;
    }
    bool unknown = errno == EOPNOTSUPP || errno == ENOPROTOOPT;
    return unknown ? TENON_NOT_SUPPORTED : -errno;
}

tenon_status tenon_transport_set_nodelay(tenon_transport *t, bool on)
{
    tenon_status status = check(t);
    return status < 0 ? status : set(t, IPPROTO_TCP, TCP_NODELAY, on);
}

/* Whole seconds, rounded up; 0: `normal`; -1: out of range. */
static int seconds(int64_t span_ns, int normal)
{
    if (span_ns == 0) {
        return normal;
    }
    int64_t whole = span_ns / TENON_SECOND + (span_ns % TENON_SECOND != 0);
    return span_ns > 0 && whole <= SECONDS_MAX ? (int)whole : -1;
}

static tenon_status set_keepalive(const tenon_transport *t,
                                  const tenon_keepalive *keepalive)
{
    int idle = seconds(keepalive->idle_ns, 60);
    int interval = seconds(keepalive->interval_ns, 10);
    int count = keepalive->count ? keepalive->count : 3;
    if (idle < 0 || interval < 0 || count < 0 || count > 127) {
        return TENON_INVALID;
    }
    tenon_status status = set(t, IPPROTO_TCP, TCP_KEEPIDLE, idle);
    if (status == TENON_OK) {
        status = set(t, IPPROTO_TCP, TCP_KEEPINTVL, interval);
    }
    if (status == TENON_OK) {
        status = set(t, IPPROTO_TCP, TCP_KEEPCNT, count);
    }
    return status < 0 ? status : set(t, SOL_SOCKET, SO_KEEPALIVE, 1);
}

tenon_status tenon_transport_set_keepalive(tenon_transport *t,
                                           const tenon_keepalive *keepalive)
{
    tenon_status status = check(t);
    if (status < 0) {
        return status;
    }
    if (!keepalive) {
        return set(t, SOL_SOCKET, SO_KEEPALIVE, 0);
    }
    return keepalive->size < sizeof *keepalive ? TENON_INVALID
                                               : set_keepalive(t, keepalive);
}

tenon_status tenon_transport_set_user_timeout(tenon_transport *t,
                                              int64_t timeout_ns)
{
    tenon_status status = check(t);
    int64_t whole =
        timeout_ns / TENON_MILLISECOND + (timeout_ns % TENON_MILLISECOND != 0);
    if (status < 0) {
        return status;
    }
    return timeout_ns < 0 || whole > INT32_MAX
               ? TENON_INVALID
               : set(t, IPPROTO_TCP, TCP_USER_TIMEOUT, (int)whole);
}

tenon_status tenon_transport_set_buffers(tenon_transport *t, size_t send_len,
                                         size_t receive_len)
{
    tenon_status status = check(t);
    if (status == TENON_OK &&
        (send_len > INT32_MAX || receive_len > INT32_MAX)) {
        status = TENON_INVALID;
    }
    if (status == TENON_OK && send_len > 0) {
        status = set(t, SOL_SOCKET, SO_SNDBUF, (int)send_len);
    }
    if (status == TENON_OK && receive_len > 0) {
        status = set(t, SOL_SOCKET, SO_RCVBUF, (int)receive_len);
    }
    return status;
}
