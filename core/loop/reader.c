/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * PEP 3156's add_reader and add_writer: one of each per descriptor, in memory
 * of ours, on top of watches. They are found through the slot.
 */

#include "loop/engine.h"

typedef struct reader {
    tenon_watch watch;
    tenon_call_fn *fn;
    void *user;
    tenon_node node; /* in reactor->readers, and then in drops */
} reader;

static reader *reader_of(tenon_watch *w)
{
    return TENON__OF(w, reader, watch);
}

static void free_reader(tenon_reactor *r, tenon_node *node)
{
    tenon__free(&r->allocator, TENON__OF(node, reader, node), sizeof(reader));
}

/* Its function may be on the stack, so the memory goes later. */
static void end_reader(reader *at)
{
    tenon_reactor *r = at->watch.reactor;
    tenon_watch_stop(&at->watch);
    tenon__list_remove(&at->node);
    at->node.run = free_reader;
    tenon__drop_push(r, &at->node);
}

static void on_stale(reader *at)
{
    tenon_reactor *r = at->watch.reactor;
    tenon__report_status(r, "watch", at->watch.name, at, TENON_STALE);
    end_reader(at);
}

static void on_ready(tenon_watch *w, uint32_t events, void *user)
{
    reader *at = reader_of(w);
    (void)user;
    if (events & TENON_STALE_WATCH) {
        on_stale(at);
    } else {
        at->fn(at->user);
    }
}

static reader *find(const tenon_reactor *r, int fd, uint32_t side)
{
    if (fd < 0 || (uint32_t)fd >= r->poller.slot_count) {
        return NULL;
    }
    for (tenon_watch *w = r->poller.slots[fd].first; w; w = w->next) {
        if (w->fn == on_ready && w->interest == side) {
            return reader_of(w);
        }
    }
    return NULL;
}

static tenon_status add(tenon_reactor *r, int fd, uint32_t side,
                        tenon_call_fn *fn, void *user)
{
    tenon_status status = tenon__check(r);
    if (status < 0 || !fn) {
        return status < 0 ? status : TENON_INVALID;
    }
    reader *old = find(r, fd, side);
    reader *at = tenon__alloc(&r->allocator, sizeof *at);
    if (!at) {
        return TENON_NO_MEMORY;
    }
    tenon_watch_init(&at->watch, r, fd);
    at->fn = fn;
    at->user = user;
    status = tenon_watch_start(&at->watch, side, on_ready, NULL);
    if (status < 0) {
        tenon__free(&r->allocator, at, sizeof *at);
        return status;
    }
    tenon__list_push(&r->readers, &at->node);
    /* Unless the new one found it stale, and it is ended already. */
    if (old && tenon_watch_is_active(&old->watch)) {
        end_reader(old);
        return TENON_EXISTED;
    }
    return TENON_OK;
}

static tenon_status drop(tenon_reactor *r, int fd, uint32_t side)
{
    tenon_status status = tenon__check(r);
    if (status < 0) {
        return status;
    }
    reader *at = find(r, fd, side);
    if (!at) {
        return TENON_OK;
    }
    end_reader(at);
    return TENON_EXISTED;
}

tenon_status tenon_add_reader(tenon_reactor *r, int fd, tenon_call_fn *fn,
                              void *user)
{
    return add(r, fd, TENON_READ, fn, user);
}

tenon_status tenon_add_writer(tenon_reactor *r, int fd, tenon_call_fn *fn,
                              void *user)
{
    return add(r, fd, TENON_WRITE, fn, user);
}

tenon_status tenon_remove_reader(tenon_reactor *r, int fd)
{
    return drop(r, fd, TENON_READ);
}

tenon_status tenon_remove_writer(tenon_reactor *r, int fd)
{
    return drop(r, fd, TENON_WRITE);
}

void tenon__readers_end(tenon_reactor *r)
{
    tenon_node *node;
    while ((node = tenon__list_pop(&r->readers)) != NULL) {
        node->run = free_reader;
        tenon__list_push(&r->drops, node);
    }
}
