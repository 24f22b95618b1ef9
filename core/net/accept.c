/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The sockets of a listener. A readiness accepts up to 64 connections (R6),
 * each of which is built in the next turn. Without descriptors or memory the
 * whole listener parks (R9): it is not watched, tries again whenever the
 * engine closes a descriptor or a back-off timer lapses, and reports once
 * until a connection came.
 */

#include <string.h>

#include "async/local.h"
#include "net/listener.h"
#include "net/stream.h"

enum { ACCEPTS_MAX = 64 };
#define BACK_OFF_MIN (10 * TENON_MILLISECOND)
#define BACK_OFF_MAX (250 * TENON_MILLISECOND)

static void on_acceptable(tenon_watch *watch, uint32_t events, void *user);
static void on_back_off(tenon_timer *timer, void *user);

bool tenon__listener_open(const tenon_listener *l)
{
    uint32_t most = l->options.max_connections;
    return l->state == TENON__LISTENING && !l->paused &&
           l->factory_state == TENON__FACTORY_STARTED &&
           (most == 0 || l->connections < most);
}

static tenon_status watch_all(tenon_listener *l)
{
    bool want = tenon__listener_open(l) && !l->is_parked;
    tenon_status status = TENON_OK;
    tenon_node *node = l->acceptors.next;
    for (; node != &l->acceptors && status >= 0; node = node->next) {
        tenon__acceptor *a = TENON__OF(node, tenon__acceptor, node);
        if (a->watch.fd >= 0) {
            status = tenon__watch_start_owned(&a->watch, want ? TENON_READ : 0,
                                              on_acceptable, a);
        }
    }
    return status;
}

/* Reports run user code, which may close the listener. */
static void report_once(tenon_listener *l, tenon_status status)
{
    if (l->reported != status) {
        l->reported = status;
        tenon__report_status(l->reactor, "listener", l->options.name, l,
                             status);
    }
}

static void park(tenon_listener *l, tenon_status status)
{
    int64_t doubled = l->back_off_ns * 2;
    l->is_parked = true;
    (void)watch_all(l);
    if (!tenon__linked(&l->parked)) {
        tenon__list_push(&l->reactor->parked, &l->parked);
    }
    l->back_off_ns = doubled < BACK_OFF_MIN   ? BACK_OFF_MIN
                     : doubled > BACK_OFF_MAX ? BACK_OFF_MAX
                                              : doubled;
    /* Its place in the heap is kept. */
    (void)!tenon_timer_start(&l->back_off, l->back_off_ns, on_back_off, l);
    report_once(l, status);
}

void tenon__listener_update(tenon_listener *l)
{
    tenon_status status = watch_all(l);
    if (status < 0) {
        park(l, status);
    }
}

void tenon__listener_took(tenon_listener *l, tenon_transport *t)
{
    l->accepted++;
    l->back_off_ns = 0;
    l->reported = TENON_OK;
    l->connections++;
    t->listener = tenon_listener_ref(l);
    tenon__local_inherit(l->reactor, &t->object, &l->object);
}

static void take(tenon_listener *l, int fd)
{
    tenon_transport *t = tenon__stream_new(l->reactor, fd, l->factory);
    if (!t) {
        tenon__fd_close(l->reactor, NULL, fd);
        park(l, TENON_NO_MEMORY);
        return;
    }
    tenon__listener_took(l, t);
    tenon__transport_begin(t);
}

/* Failures that belong to one connection that is gone already; accept(2). */
static bool is_passing(int error)
{
    return error == EINTR || error == ECONNABORTED || error == EPROTO ||
           error == ENETDOWN || error == ENOPROTOOPT || error == EHOSTDOWN ||
           error == ENONET || error == EHOSTUNREACH || error == EPERM ||
           error == ENETUNREACH;
}

static bool has_way_in(const tenon_listener *l)
{
    const tenon_node *node = l->acceptors.next;
    for (; node != &l->acceptors; node = node->next) {
        const tenon__acceptor *a = TENON__OF(node, const tenon__acceptor, node);
        if (a->watch.fd >= 0 || tenon__linked(&a->name)) {
            return true;
        }
    }
    return false;
}

/* Somebody closed it behind our back; the number is not ours now. A listener
 * that nobody can reach any more is closed. */
static void on_stale(tenon__acceptor *a)
{
    tenon_listener *l = a->listener;
    (void)tenon_watch_stop(&a->watch);
    a->watch.fd = -1;
    tenon__report_status(l->reactor, "listener", l->options.name, l,
                         TENON_STALE);
    if (!has_way_in(l)) {
        (void)tenon_listener_close(l);
    }
}

static void accept_some(tenon__acceptor *a)
{
    tenon_listener *l = a->listener;
    for (int i = 0; i < ACCEPTS_MAX; i++) {
        if (!tenon__listener_open(l) || l->is_parked || a->watch.fd < 0) {
            return;
        }
        int fd = accept4(a->watch.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            take(l, fd);
        } else if (errno == EAGAIN) {
            return;
        } else if (errno == EBADF || errno == ENOTSOCK) {
            on_stale(a);
        } else if (!is_passing(errno)) {
            park(l, -errno);
        }
    }
}

static void on_acceptable(tenon_watch *watch, uint32_t events, void *user)
{
    tenon__acceptor *a = user;
    tenon_listener *l = tenon_listener_ref(a->listener);
    (void)watch;
    if (events & TENON_STALE_WATCH) {
        on_stale(a);
    } else {
        accept_some(a);
        if (l->state == TENON__LISTENING && !tenon__listener_open(l)) {
            tenon__listener_update(l);
        }
    }
    tenon_listener_unref(l);
}

/* ---- parked ---- */

static void retry(tenon_listener *l)
{
    tenon__unqueue(&l->parked);
    (void)tenon_timer_stop(&l->back_off);
    if (l->state != TENON__LISTENING || !l->is_parked) {
        return;
    }
    tenon_listener_ref(l);
    l->is_parked = false;
    tenon_node *node = l->acceptors.next;
    for (; node != &l->acceptors && !l->is_parked; node = node->next) {
        accept_some(TENON__OF(node, tenon__acceptor, node));
    }
    if (l->state == TENON__LISTENING && !l->is_parked) {
        tenon__listener_update(l);
    }
    tenon_listener_unref(l);
}

static void on_back_off(tenon_timer *timer, void *user)
{
    (void)timer;
    retry(user);
}

void tenon__listener_run_parked(tenon_reactor *reactor, tenon_node *node)
{
    (void)reactor;
    retry(TENON__OF(node, tenon_listener, parked));
}

/* ---- sockets come and go ---- */

void tenon__acceptor_close(tenon__acceptor *a)
{
    tenon_reactor *reactor = a->listener->reactor;
    int fd = a->watch.fd;
    tenon__list_remove(&a->name);
    /* A forked child shares the file with its parent and leaves it alone. */
    tenon_status status = tenon__check_thread(reactor) == TENON_FORKED
                              ? TENON_OK
                              : tenon__unix_unlink(&a->address, &a->file);
    if (fd >= 0) {
        tenon__fd_close(reactor, &a->watch, fd);
        a->watch.fd = -1;
    }
    if (status < 0) { /* the file is still there */
        tenon__report_status(reactor, "listener", a->listener->options.name,
                             a->listener, status);
    }
}

static tenon_status begin(tenon__acceptor *a)
{
    tenon_listener *l = a->listener;
    if (a->watch.fd < 0) {
        return tenon__listener_name(a);
    }
    bool want = tenon__listener_open(l) && !l->is_parked;
    return tenon__watch_start_owned(&a->watch, want ? TENON_READ : 0,
                                    on_acceptable, a);
}

tenon_status tenon__acceptor_add(tenon_listener *l, const tenon__bound *bound)
{
    tenon__acceptor *a = tenon__alloc(&l->reactor->allocator, sizeof *a);
    if (!a) {
        return TENON_NO_MEMORY;
    }
    a->listener = l;
    a->address = bound->address;
    a->file = bound->file;
    tenon_watch_init(&a->watch, l->reactor, bound->fd);
    (void)tenon_watch_set_daemon(&a->watch, true);
    tenon_watch_set_name(&a->watch, l->options.name);
    tenon_status status = begin(a);
    if (status < 0) {
        (void)tenon_watch_stop(&a->watch);
        tenon__free(&l->reactor->allocator, a, sizeof *a);
        return status;
    }
    tenon__list_push(&l->acceptors, &a->node);
    return TENON_OK;
}
