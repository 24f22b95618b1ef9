/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/* A watch for each descriptor, found again through the engine, and a timer. */

#include <string.h>
#include <tenon/pollable.h>
#include <tenon/timer.h>

static const uint32_t BOTH = TENON_READ | TENON_WRITE;

typedef struct entry {
    tenon_watch watch; /* first: what tenon_watch_find finds is the entry */
    struct entry *next;
    struct entry **at; /* what points here */
    int fd;
    uint32_t events;
} entry;

struct tenon_pollable {
    tenon_reactor *reactor; /* NULL: it has ended, or this was freed */
    tenon_pollable_ops ops;
    void *self;
    tenon_timer timer;
    tenon_shutdown hook;
    entry *entries;
    uint64_t removals;
    uint32_t depth; /* callbacks on the stack, and 1 until it is freed */
};

/* Changes nothing, and so only tells whether this thread may. */
static tenon_status check(tenon_pollable *p)
{
    return p->reactor ? tenon_timer_set_daemon(&p->timer, false) : TENON_CLOSED;
}

static void unpin(tenon_pollable *p)
{
    if (--p->depth == 0) {
        tenon_block_free(p);
    }
}

static void remove_entry(tenon_pollable *p, entry *e)
{
    (void)tenon_watch_stop(&e->watch);
    *e->at = e->next;
    if (e->next) {
        e->next->at = e->at;
    }
    p->removals++;
    tenon_block_free(e);
}

static void detach(tenon_pollable *p)
{
    while (p->entries) {
        remove_entry(p, p->entries);
    }
    (void)tenon_timer_stop(&p->timer);
    p->reactor = NULL;
}

static void on_ready(tenon_watch *watch, uint32_t events, void *user)
{
    tenon_pollable *p = user;
    entry *e = (entry *)watch;
    int fd = e->fd;
    if (events & TENON_STALE_WATCH) {
        remove_entry(p, e);
        return;
    }
    events = e->events & (events & TENON_HANGUP ? BOTH : events);
    uint64_t removals = p->removals;
    p->depth++;
    if (events == BOTH && (p->ops.flags & TENON_POLLABLE_SPLIT)) {
        p->ops.ready(p->self, p, fd, TENON_READ);
        events = p->removals == removals ? e->events & TENON_WRITE : 0;
    }
    if (events) {
        p->ops.ready(p->self, p, fd, events);
    }
    unpin(p);
}

static void on_timeout(tenon_timer *timer, void *user)
{
    (void)timer;
    tenon_pollable *p = user;
    p->depth++;
    p->ops.timeout(p->self, p);
    unpin(p);
}

static tenon_status on_shutdown(tenon_reactor *reactor, tenon_shutdown *hook,
                                void *user)
{
    (void)reactor, (void)hook;
    tenon_pollable *p = user;
    detach(p);
    if (p->ops.closed) {
        p->ops.closed(p->self, p);
    }
    return TENON_OK;
}

tenon_status tenon_pollable_new(tenon_reactor *reactor,
                                const tenon_pollable_ops *ops, void *self,
                                tenon_pollable **out)
{
    if (!reactor || !ops || !out ||
        ops->size <= offsetof(tenon_pollable_ops, ready) || !ops->ready) {
        return TENON_INVALID;
    }
    tenon_pollable *p =
        tenon_block_new(tenon_reactor_allocator(reactor), sizeof *p);
    tenon_status status =
        p ? tenon_reactor_on_shutdown(reactor, &p->hook, on_shutdown, p)
          : TENON_NO_MEMORY;
    if (status < 0) {
        tenon_block_free(p);
        return status;
    }
    size_t len = ops->size < sizeof p->ops ? ops->size : sizeof p->ops;
    memcpy(&p->ops, ops, len);
    p->reactor = reactor;
    p->self = self;
    p->depth = 1;
    tenon_timer_init(&p->timer, reactor);
    tenon_timer_set_name(&p->timer, ops->name);
    tenon_timer_set_exclusive(&p->timer, true);
    *out = p;
    return TENON_OK;
}

void tenon_pollable_free(tenon_pollable *p)
{
    if (p && check(p) != TENON_WRONG_THREAD) {
        tenon_shutdown_remove(p->reactor ? &p->hook : NULL);
        detach(p);
        unpin(p);
    }
}

static tenon_status add(tenon_pollable *p, int fd, uint32_t events)
{
    entry *e = tenon_block_new(tenon_reactor_allocator(p->reactor), sizeof *e);
    if (!e) {
        return TENON_NO_MEMORY;
    }
    *e = (entry){
        .next = p->entries, .at = &p->entries, .fd = fd, .events = events};
    tenon_watch_init(&e->watch, p->reactor, fd);
    tenon_watch_set_name(&e->watch, p->ops.name);
    tenon_watch_set_exclusive(&e->watch, true);
    tenon_status status = tenon_watch_start(&e->watch, events, on_ready, p);
    if (status < 0) {
        tenon_block_free(e);
        return status;
    }
    if (e->next) {
        e->next->at = &e->next;
    }
    p->entries = e;
    return TENON_OK;
}

tenon_status tenon_pollable_set(tenon_pollable *p, int fd, uint32_t events)
{
    tenon_status status = events & ~BOTH ? TENON_INVALID : check(p);
    entry *e = (entry *)tenon_watch_find(p->reactor, fd, on_ready, p);
    if (status < 0 || !e) {
        return status < 0 || !events ? status : add(p, fd, events);
    }
    if (events == 0) {
        remove_entry(p, e);
    } else if (events != e->events) {
        status = tenon_watch_start(&e->watch, events, on_ready, p);
        e->events = status < 0 ? e->events : events;
    }
    return status;
}

uint32_t tenon_pollable_get(const tenon_pollable *p, int fd)
{
    entry *e = (entry *)tenon_watch_find(p->reactor, fd, on_ready, p);
    return e ? e->events : 0;
}

tenon_status tenon_pollable_set_timeout(tenon_pollable *p, int64_t delay_ns)
{
    tenon_status status = check(p);
    if (status < 0 || delay_ns == TENON_FOREVER) {
        (void)tenon_timer_stop(&p->timer);
        return status;
    }
    return p->ops.timeout && delay_ns >= 0
               ? tenon_timer_start(&p->timer, delay_ns, on_timeout, p)
               : TENON_INVALID;
}
