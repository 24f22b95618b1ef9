/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Listeners. A readiness accepts up to 64 connections (R6), each of which is
 * built in the next turn. Without descriptors or memory the listener parks
 * (R9): it is not watched, tries again whenever the engine closes a descriptor
 * or a back-off timer lapses, and reports once until a connection came.
 *
 * A memory listener has no socket: connectors of its reactor find it by name.
 */

#include "net/listener.h"

#include <stdio.h>
#include <string.h>

#include "net/address.h"
#include "net/memory.h"
#include "net/stream.h"
#include "net/unix.h"

enum { ACCEPTS_MAX = 64, BACKLOG = 1024, MODE = 0600 };
#define BACK_OFF_MIN (10 * TENON_MILLISECOND)
#define BACK_OFF_MAX (250 * TENON_MILLISECOND)

enum listener_state { LISTENING, CLOSING, GONE };

struct tenon_listener {
    tenon__object object;
    tenon_reactor *reactor;
    tenon_watch watch; /* its fd is the socket; -1: none */
    tenon_factory factory;
    tenon_address address;
    tenon__socket_file file;
    tenon_timer back_off;
    tenon_node parked;  /* in reactor->parked, or on its way to a retry */
    tenon_node ready;   /* the closing notice; at last, the memory */
    tenon_node name;    /* in reactor->memory_listeners */
    tenon_node waiting; /* memory connections that came while paused */
    const char *label;
    tenon_listener_closed_fn *on_closed;
    void *on_closed_user;
    int64_t back_off_ns;
    uint64_t accepted;
    uint32_t refs;
    enum listener_state state;
    bool paused;
    bool is_parked;
    bool reported; /* in this episode */
    bool daemon;
};

/* ---- accepting ---- */

static void on_acceptable(tenon_watch *watch, uint32_t events, void *user);
static void on_back_off(tenon_timer *timer, void *user);

static tenon_status update(tenon_listener *l)
{
    bool want = l->state == LISTENING && !l->paused && !l->is_parked;
    if (l->watch.fd < 0) {
        return TENON_OK;
    }
    return tenon__watch_start_owned(&l->watch, want ? TENON_READ : 0,
                                    on_acceptable, l);
}

/* Reports run user code, which may close the listener. */
static void report_once(tenon_listener *l, tenon_status status)
{
    if (!l->reported) {
        l->reported = true;
        tenon__report_status(l->reactor, "listener", l->label, l, status);
    }
}

static void park(tenon_listener *l, tenon_status status)
{
    l->is_parked = true;
    (void)update(l);
    if (!tenon__linked(&l->parked)) {
        tenon__list_push(&l->reactor->parked, &l->parked);
    }
    int64_t doubled = l->back_off_ns * 2;
    l->back_off_ns = doubled < BACK_OFF_MIN   ? BACK_OFF_MIN
                     : doubled > BACK_OFF_MAX ? BACK_OFF_MAX
                                              : doubled;
    /* Without memory for a timer the next close of ours has to do. */
    (void)!tenon_timer_start(&l->back_off, l->back_off_ns, on_back_off, l);
    report_once(l, status);
}

static void took(tenon_listener *l)
{
    l->accepted++;
    l->back_off_ns = 0;
    l->reported = false;
}

static void take(tenon_listener *l, int fd)
{
    tenon_transport *t = tenon__stream_new(l->reactor, fd, l->factory);
    if (!t) {
        tenon__fd_close(l->reactor, NULL, fd);
        park(l, TENON_NO_MEMORY);
        return;
    }
    took(l);
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

static void accept_some(tenon_listener *l)
{
    tenon_listener_ref(l);
    for (int i = 0; i < ACCEPTS_MAX; i++) {
        if (l->state != LISTENING || l->paused || l->is_parked) {
            break;
        }
        int fd = accept4(l->watch.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            take(l, fd);
        } else if (errno == EAGAIN) {
            break;
        } else if (!is_passing(errno)) {
            park(l, -errno);
        }
    }
    tenon_listener_unref(l);
}

static void on_acceptable(tenon_watch *watch, uint32_t events, void *user)
{
    (void)watch;
    (void)events;
    accept_some(user);
}

static void retry(tenon_listener *l)
{
    tenon__unqueue(&l->parked);
    (void)tenon_timer_stop(&l->back_off);
    if (l->state != LISTENING || !l->is_parked) {
        return;
    }
    tenon_listener_ref(l);
    l->is_parked = false;
    accept_some(l);
    if (l->state == LISTENING && !l->is_parked) {
        tenon_status status = update(l);
        if (status < 0) {
            park(l, status);
        }
    }
    tenon_listener_unref(l);
}

static void on_back_off(tenon_timer *timer, void *user)
{
    (void)timer;
    retry(user);
}

static void run_parked(tenon_reactor *reactor, tenon_node *node)
{
    (void)reactor;
    retry(TENON__OF(node, tenon_listener, parked));
}

/* ---- memory ---- */

static tenon_listener *find(tenon_reactor *reactor,
                            const tenon_address *address)
{
    tenon_node *head = &reactor->memory_listeners;
    for (tenon_node *node = head->next; node != head; node = node->next) {
        tenon_listener *l = TENON__OF(node, tenon_listener, name);
        if (strcmp(l->address.as.local.sun_path, address->as.local.sun_path) ==
            0) {
            return l;
        }
    }
    return NULL;
}

tenon_status tenon__listener_meet(tenon_reactor *reactor,
                                  const tenon_address *address,
                                  tenon_factory factory, tenon_transport **out)
{
    tenon_transport *pair[2];
    tenon_listener *l = find(reactor, address);
    if (!l) {
        return -ECONNREFUSED;
    }
    tenon_status status =
        tenon__memory_pair(reactor, pair, factory, l->factory, NULL);
    if (status < 0) {
        return status;
    }
    took(l);
    if (l->paused) {
        tenon__list_push(&l->waiting, &pair[1]->ready);
    } else {
        tenon__transport_begin(pair[1]);
    }
    *out = pair[0];
    return TENON_OK;
}

static void let_in(tenon_listener *l)
{
    tenon_node *node;
    while ((node = tenon__list_pop(&l->waiting)) != NULL) {
        tenon__transport_begin(TENON__OF(node, tenon_transport, ready));
    }
}

static void turn_away(tenon_listener *l)
{
    tenon_node *node;
    while ((node = tenon__list_pop(&l->waiting)) != NULL) {
        tenon__transport_discard(TENON__OF(node, tenon_transport, ready));
    }
}

/* ---- the end ---- */

/* Gives everything back; legal for a half-built one. A forked child shares
 * the file with its parent and leaves it alone. */
static void fini(tenon_listener *l)
{
    int fd = l->watch.fd;
    (void)tenon_timer_stop(&l->back_off);
    tenon__unqueue(&l->parked);
    tenon__list_remove(&l->name);
    turn_away(l);
    if (tenon__check_thread(l->reactor) != TENON_FORKED) {
        tenon__unix_unlink(&l->address, &l->file);
    }
    if (fd >= 0) {
        tenon__fd_close(l->reactor, &l->watch, fd);
        l->watch.fd = -1;
    }
}

static void tell_closed(tenon_listener *l)
{
    tenon__frame frame;
    l->state = GONE;
    tenon__unqueue(&l->ready);
    tenon__list_remove(&l->object.node);
    l->reactor->stats.listener_count--;
    if (!l->daemon) {
        tenon__alive_sub(l->reactor);
    }
    if (l->on_closed) {
        tenon__frame_enter(l->reactor, &frame, l, "listener", l->label);
        l->on_closed(l, l->on_closed_user);
        tenon__frame_leave(l->reactor, &frame);
    }
    tenon_listener_unref(l);
}

static void on_ready(tenon_reactor *reactor, tenon_node *node)
{
    (void)reactor;
    tell_closed(TENON__OF(node, tenon_listener, ready));
}

static void end(tenon__object *object, tenon_status status)
{
    tenon_listener *l = TENON__OF(object, tenon_listener, object);
    (void)status;
    if (l->state == LISTENING) {
        l->state = CLOSING;
        fini(l);
    }
    tell_closed(l);
}

static void dump(const tenon__object *object, FILE *file)
{
    const tenon_listener *l = TENON__OF(object, const tenon_listener, object);
    char text[TENON_ADDRESS_TEXT_LEN];
    tenon_address_format(&l->address, text, sizeof text);
    fprintf(file, "listener %s %s, %llu accepted%s%s%s",
            l->label ? l->label : "-", text, (unsigned long long)l->accepted,
            l->paused ? ", paused" : "", l->is_parked ? ", parked" : "",
            l->daemon ? ", daemon" : "");
}

static const tenon__object_ops object_ops = {"listener", end, dump};

/* ---- the beginning ---- */

static void set_int(int fd, int level, int option, int value)
{
    (void)setsockopt(fd, level, option, &value, sizeof value);
}

static tenon_status bind_tcp(tenon_listener *l,
                             const tenon_listen_options *options)
{
    int fd = l->watch.fd;
    set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (options->reuse_port) {
        set_int(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    }
    if (l->address.as.any.sa_family == AF_INET6) {
        set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, options->v6_only);
    }
    return bind(fd, &l->address.as.any, l->address.len) < 0 ? -errno : TENON_OK;
}

static tenon_status listen_at_socket(tenon_listener *l,
                                     const tenon_listen_options *options)
{
    mode_t mode = options->unix_mode ? options->unix_mode : MODE;
    int fd = tenon__stream_socket(&l->address);
    if (fd < 0) {
        return fd;
    }
    tenon_watch_init(&l->watch, l->reactor, fd);
    (void)tenon_watch_set_daemon(&l->watch, true);
    tenon_watch_set_name(&l->watch, l->label);
    tenon_status status =
        l->address.kind == TENON_ADDRESS_UNIX
            ? tenon__unix_bind(l->reactor, fd, &l->address, mode, &l->file)
            : bind_tcp(l, options);
    if (status < 0) {
        return status;
    }
    if (listen(fd, options->backlog > 0 ? options->backlog : BACKLOG) < 0) {
        return -errno;
    }
    if (l->address.kind == TENON_ADDRESS_TCP) {
        status = tenon__address_of_fd(&l->address, fd, false);
    }
    return status < 0 ? status : update(l);
}

static tenon_status listen_in_memory(tenon_listener *l)
{
    if (find(l->reactor, &l->address)) {
        return -EADDRINUSE;
    }
    tenon__list_push(&l->reactor->memory_listeners, &l->name);
    return TENON_OK;
}

static void set_up(tenon_listener *l, tenon_reactor *reactor,
                   const tenon_listen_options *options)
{
    l->reactor = reactor;
    l->refs = 2; /* the reactor's and the caller's */
    l->label = options->name;
    l->paused = options->start_paused;
    l->daemon = options->daemon;
    l->on_closed = options->on_closed;
    l->on_closed_user = options->on_closed_user;
    l->ready.run = on_ready;
    l->parked.run = run_parked;
    tenon__list_init(&l->waiting);
    tenon_watch_init(&l->watch, reactor, -1);
    tenon_timer_init(&l->back_off, reactor);
    (void)tenon_timer_set_daemon(&l->back_off, true);
}

static void publish(tenon_listener *l)
{
    tenon__object_add(l->reactor, &l->object, &object_ops);
    tenon__pin(l->reactor);
    l->reactor->stats.listener_count++;
    if (!l->daemon) {
        tenon__alive_add(l->reactor);
    }
}

tenon_status tenon_listen(tenon_reactor *reactor, tenon_listener **out,
                          const char *address, tenon_factory factory,
                          const tenon_listen_options *options)
{
    tenon_listen_options chosen = {0};
    tenon_address parsed;
    tenon_status status = tenon__check(reactor);
    if (status < 0) {
        return status;
    }
    status = out ? tenon_address_parse(&parsed, address) : TENON_INVALID;
    if (status < 0) {
        return status;
    }
    if (options) {
        memcpy(&chosen, options,
               options->size < sizeof chosen ? options->size : sizeof chosen);
    }
    tenon_listener *l = tenon__alloc(&reactor->allocator, sizeof *l);
    if (!l) {
        return TENON_NO_MEMORY;
    }
    l->address = parsed;
    l->factory = factory;
    set_up(l, reactor, &chosen);
    status = parsed.kind == TENON_ADDRESS_MEMORY ? listen_in_memory(l)
                                                 : listen_at_socket(l, &chosen);
    if (status < 0) {
        fini(l);
        tenon__free(&reactor->allocator, l, sizeof *l);
        return status;
    }
    publish(l);
    *out = l;
    return TENON_OK;
}

static void drop(tenon_reactor *reactor, tenon_node *node)
{
    tenon_listener *l = TENON__OF(node, tenon_listener, ready);
    tenon__free(&reactor->allocator, l, sizeof *l);
    tenon__unpin(reactor);
}

tenon_listener *tenon_listener_ref(tenon_listener *l)
{
    if (l) {
        l->refs++;
    }
    return l;
}

void tenon_listener_unref(tenon_listener *l)
{
    if (l && tenon__check_thread(l->reactor) == TENON_OK && --l->refs == 0) {
        l->ready.run = drop;
        tenon__drop_push(l->reactor, &l->ready);
    }
}

tenon_status tenon_listener_close(tenon_listener *l)
{
    tenon_status status = tenon__check_thread(l->reactor);
    if (status == TENON_OK && l->state == LISTENING) {
        l->state = CLOSING;
        fini(l);
        tenon__ready_push(l->reactor, &l->ready);
    }
    return status;
}

static tenon_status set_paused(tenon_listener *l, bool paused)
{
    tenon_status status = tenon__check(l->reactor);
    if (status < 0) {
        return status;
    }
    if (l->state != LISTENING) {
        return TENON_CLOSED;
    }
    l->paused = paused;
    if (!paused) {
        let_in(l);
    }
    return update(l);
}

tenon_status tenon_listener_pause(tenon_listener *l)
{
    return set_paused(l, true);
}

tenon_status tenon_listener_resume(tenon_listener *l)
{
    return set_paused(l, false);
}

tenon_status tenon_listener_address(const tenon_listener *l, tenon_address *out)
{
    if (!out) {
        return TENON_INVALID;
    }
    *out = l->address;
    return TENON_OK;
}

uint64_t tenon_listener_accepted(const tenon_listener *l)
{
    return l->accepted;
}
