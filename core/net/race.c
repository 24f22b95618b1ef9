/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Attempts to connect, several at a time (RFC 8305, happy eyeballs). Families
 * take turns; the next attempt is made when one failed or after a delay; the
 * first to connect decides, and the rest are closed.
 */

#include "net/connector.h"

#include <netinet/in.h>

#include "net/stream.h"

#define DELAY_DEFAULT (250 * TENON_MILLISECOND)
/* A UNIX listener whose backlog is full says EAGAIN and wakes nobody. */
#define RETRY_NS (5 * TENON_MILLISECOND)

typedef struct attempt {
    tenon_node node; /* in connector->attempts */
    tenon_connector *connector;
    tenon_watch watch; /* its fd is the socket */
    tenon_timer timer;
    tenon_address address;
    int64_t deadline_ns;
} attempt;

/* ---- candidates ---- */

tenon_status tenon__race_add(tenon_connector *c, const tenon_address *address)
{
    if (c->count == c->capacity) {
        uint32_t capacity = c->capacity ? c->capacity * 2 : 1;
        tenon__candidate *grown = tenon__resize(
            &c->reactor->allocator, c->candidates, c->capacity * sizeof *grown,
            capacity * sizeof *grown);
        if (!grown) {
            return TENON_NO_MEMORY;
        }
        c->candidates = grown;
        c->capacity = capacity;
    }
    c->candidates[c->count++] = (tenon__candidate){.address = *address};
    return TENON_OK;
}

/* The first one of another family than the latest, else the first. While the
 * answer is incomplete, IPv6 begins. */
static tenon__candidate *pick(tenon_connector *c)
{
    tenon__candidate *best = NULL;
    int avoid = c->started ? c->family : c->complete ? AF_UNSPEC : AF_INET;
    for (uint32_t i = 0; i < c->count; i++) {
        tenon__candidate *one = &c->candidates[i];
        if (!one->tried && one->address.as.any.sa_family != avoid) {
            return one;
        }
        if (!one->tried && !best) {
            best = one;
        }
    }
    return best;
}

/* ---- one attempt ---- */

static void on_timer(tenon_timer *timer, void *user);

/* Takes the socket out; the attempt is gone. */
static int dissolve(attempt *a)
{
    tenon_reactor *reactor = a->connector->reactor;
    int fd = a->watch.fd;
    (void)tenon_timer_stop(&a->timer);
    (void)tenon_watch_stop(&a->watch);
    tenon__list_remove(&a->node);
    tenon__free(&reactor->allocator, a, sizeof *a);
    return fd;
}

static void fail(attempt *a, tenon_status status)
{
    tenon_connector *c = a->connector;
    /* Somebody closed it behind our back; the number is not ours now. */
    bool gone =
        status == TENON_STALE || status == -EBADF || status == -ENOTSOCK;
    tenon__connector_note(c, status, &a->address);
    if (!gone) {
        tenon__fd_close(c->reactor, &a->watch, a->watch.fd);
    }
    (void)dissolve(a);
}

static void win(attempt *a)
{
    tenon_connector *c = a->connector;
    tenon__connector_decide(c, TENON_OK, dissolve(a));
}

static void on_writable(tenon_watch *watch, uint32_t events, void *user)
{
    attempt *a = user;
    tenon_connector *c = a->connector;
    int error = 0;
    socklen_t len = sizeof error;
    bool stale = (events & TENON_STALE_WATCH) != 0;
    if (!stale &&
        getsockopt(watch->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0) {
        error = errno;
    }
    if (stale || error) {
        fail(a, stale ? TENON_STALE : -error);
        tenon__race_go(c);
    } else {
        win(a);
    }
}

/* TENON_PENDING, TENON_OK when it is connected, or why not. */
static tenon_status try_once(attempt *a)
{
    int64_t until_ns = a->deadline_ns;
    int result = connect(a->watch.fd, &a->address.as.any, a->address.len) < 0
                     ? errno
                     : 0;
    tenon_status status = TENON_OK;
    if (result == EINPROGRESS || result == EINTR) {
        status =
            tenon__watch_start_owned(&a->watch, TENON_WRITE, on_writable, a);
    } else if (result == EAGAIN && a->address.kind == TENON_ADDRESS_UNIX) {
        int64_t retry_ns =
            tenon__add_ns(tenon__clock(a->connector->reactor), RETRY_NS);
        until_ns = retry_ns < until_ns ? retry_ns : until_ns;
    } else {
        return -result;
    }
    if (status >= 0 && until_ns != TENON_FOREVER) {
        status = tenon_timer_start_at(&a->timer, until_ns, on_timer, a);
    }
    return status < 0 ? status : TENON_PENDING;
}

static void on_timer(tenon_timer *timer, void *user)
{
    attempt *a = user;
    tenon_connector *c = a->connector;
    bool late = tenon__clock(c->reactor) >= a->deadline_ns;
    tenon_status status = late ? TENON_TIMED_OUT : try_once(a);
    (void)timer;
    if (status == TENON_OK) {
        win(a);
    } else if (status < 0) {
        fail(a, status);
        tenon__race_go(c);
    }
}

static tenon_status bind_local(const tenon_connector *c, int fd,
                               const tenon_address *to)
{
    const tenon_address *from = &c->local;
    int one = 1;
    if (from->kind == TENON_ADDRESS_NONE) {
        return TENON_OK;
    }
    if (from->as.any.sa_family != to->as.any.sa_family) {
        return -EAFNOSUPPORT;
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    /* The kernel then chooses a port that is free for this peer. */
    (void)setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    return bind(fd, &from->as.any, from->len) < 0 ? -errno : TENON_OK;
}

static tenon_status attempt_new(tenon_connector *c,
                                const tenon_address *address, attempt **out)
{
    int fd = tenon__stream_socket(address);
    if (fd < 0) {
        return fd;
    }
    tenon_status status = bind_local(c, fd, address);
    attempt *a =
        status < 0 ? NULL : tenon__alloc(&c->reactor->allocator, sizeof *a);
    if (!a) {
        tenon__fd_close(c->reactor, NULL, fd);
        return status < 0 ? status : TENON_NO_MEMORY;
    }
    int64_t timeout_ns = c->options.attempt_timeout_ns;
    a->connector = c;
    a->address = *address;
    a->deadline_ns = timeout_ns
                         ? tenon__add_ns(tenon__clock(c->reactor), timeout_ns)
                         : TENON_FOREVER;
    tenon_timer_init(&a->timer, c->reactor);
    (void)tenon_timer_set_daemon(&a->timer, true);
    tenon_watch_init(&a->watch, c->reactor, fd);
    (void)tenon_watch_set_daemon(&a->watch, true);
    tenon__list_push(&c->attempts, &a->node);
    *out = a;
    return TENON_OK;
}

/* ---- all of them ---- */

static void on_next(tenon_timer *timer, void *user)
{
    (void)timer;
    tenon__race_go(user);
}

/* Whether an attempt is under way, or has decided. */
static bool start(tenon_connector *c, tenon__candidate *one)
{
    attempt *a;
    int64_t delay_ns = c->options.attempt_delay_ns ? c->options.attempt_delay_ns
                                                   : DELAY_DEFAULT;
    one->tried = true;
    c->started = true;
    c->family = one->address.as.any.sa_family;
    tenon_status status = attempt_new(c, &one->address, &a);
    if (status < 0) {
        tenon__connector_note(c, status, &one->address);
        return false;
    }
    status = try_once(a);
    if (status == TENON_PENDING) {
        status = tenon_timer_start(&c->next, delay_ns, on_next, c);
        if (status == TENON_OK) {
            return true;
        }
    }
    if (status < 0) {
        fail(a, status);
        return false;
    }
    win(a);
    return true;
}

void tenon__race_go(tenon_connector *c)
{
    (void)tenon_timer_stop(&c->next);
    while (c->state == TENON__TRYING) {
        tenon__candidate *one = pick(c);
        if (one && start(c, one)) {
            return;
        }
        if (!one) {
            break;
        }
    }
    if (c->state == TENON__TRYING && c->complete &&
        tenon__list_empty(&c->attempts)) {
        tenon__connector_decide(c, tenon_error_status(c->cause), -1);
    }
}

void tenon__race_end(tenon_connector *c, tenon_status status)
{
    (void)tenon_timer_stop(&c->next);
    while (!tenon__list_empty(&c->attempts)) {
        attempt *a = TENON__OF(c->attempts.next, attempt, node);
        if (status < 0) {
            fail(a, status);
        } else {
            tenon__fd_close(c->reactor, &a->watch, a->watch.fd);
            (void)dissolve(a);
        }
    }
}
