/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Maps. The future's block has a place for each item: the item's own future
 * and a waiter. What the work itself uses is a block of malloc's that each work
 * counts, since that may run on when the map is over and the reactor gone.
 *
 * The map holds itself while any of its items is under way.
 */

#include <string.h>

#include <tenon/map.h>

#include "async/future.h"

typedef struct plan {
    atomic_uint refs; /* the map's, and one for each work */
    tenon_map_options options;
    struct plan *calls[]; /* each is the user pointer of an item's work */
} plan;

typedef struct child {
    tenon_future *future; /* NULL: not begun */
    tenon_waiter waiter;
} child;

typedef struct map {
    tenon_future future;
    tenon_executor *executor; /* NULL: the reactor's */
    plan *plan;
    size_t count;
    size_t next;      /* to begin */
    size_t told;      /* in order */
    size_t under_way; /* that were not heard of */
    child children[];
} map;

/* ---- in the executor ---- */

static void plan_free(plan *p)
{
    size_t len = sizeof *p + p->options.count * sizeof(plan *);
    tenon__free(&tenon__malloc, p, len);
}

static void plan_unref(plan *p)
{
    if (atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) == 1) {
        if (p->options.free_user) {
            p->options.free_user(p->options.user);
        }
        plan_free(p);
    }
}

static void item_done(void *user)
{
    plan_unref(*(plan **)user);
}

static tenon_status run_item(tenon_work *work, void *user)
{
    plan **call = user;
    const tenon_map_options *o = &(*call)->options;
    size_t index = (size_t)(call - (*call)->calls);
    return o->fn(work, (char *)o->items + index * o->item_len, o->user);
}

/* ---- the map ---- */

static map *map_of(tenon_future *f)
{
    return (map *)(void *)f;
}

static void map_free(tenon_future *f)
{
    map *m = map_of(f);
    size_t len = sizeof *m + m->count * sizeof(child);
    for (size_t i = 0; i < m->next; i++) {
        tenon_future_unref(m->children[i].future);
    }
    tenon_executor_unref(m->executor);
    if (m->plan) {
        plan_unref(m->plan);
    }
    tenon__free(&f->reactor->allocator, m, len);
}

/* No further item begins, since the map is done. */
static void cancel_children(map *m)
{
    for (size_t i = 0; i < m->next; i++) {
        (void)tenon__future_cancel(m->children[i].future, NULL);
    }
}

static void map_pass_on(tenon_future *f)
{
    cancel_children(map_of(f));
}

static const tenon__future_kind kind = {
    .name = "map", .free = map_free, .pass_on = map_pass_on};

static void on_child(tenon_waiter *waiter, tenon_future *future, void *user);

static tenon_status begin_item(map *m)
{
    child *c = &m->children[m->next];
    plan *p = m->plan;
    const tenon_work_options options = {.size = sizeof options,
                                        .fn = run_item,
                                        .user = &p->calls[m->next],
                                        .free_user = item_done,
                                        .name = m->future.site};
    atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
    tenon_status status = tenon_call_in_with(m->future.reactor, m->executor,
                                             &options, &c->future);
    if (status < 0) {
        plan_unref(p);
        return status;
    }
    m->next++;
    if (m->under_way++ == 0) {
        tenon_future_ref(&m->future);
    }
    tenon__waiter_add(&c->waiter, c->future, on_child, m);
    return TENON_OK;
}

/* A full pool is no failure as long as some of ours come back. */
static tenon_status begin_items(map *m)
{
    tenon_status status = TENON_OK;
    while (status == TENON_OK && m->next < m->count &&
           m->under_way < m->plan->options.at_once) {
        status = begin_item(m);
    }
    return status == TENON_LIMIT && m->under_way > 0 ? TENON_OK : status;
}

/* The callback may cancel the map. */
static void tell_results(map *m)
{
    const tenon_map_options *o = &m->plan->options;
    while (m->told < m->next && tenon__future_pending(&m->future)) {
        tenon_future *result = m->children[m->told].future;
        if (result->state != TENON_FUTURE_RESOLVED) {
            return;
        }
        size_t index = m->told++;
        if (o->on_result) {
            o->on_result(&m->future, index, result, o->on_result_user);
        }
    }
}

static void advance(map *m, tenon_future *heard)
{
    tenon_status status = TENON_OK;
    if (heard->state != TENON_FUTURE_RESOLVED) {
        tenon__future_forward(heard, &m->future, 0);
        cancel_children(m);
        return;
    }
    tell_results(m);
    if (!tenon__future_pending(&m->future)) {
        return;
    }
    if (m->told == m->count) {
        tenon__future_set_int(&m->future, (int64_t)m->count);
    } else if ((status = begin_items(m)) < 0) {
        tenon__future_fail_status(&m->future, status, NULL, NULL);
        cancel_children(m);
    }
}

static void on_child(tenon_waiter *waiter, tenon_future *future, void *user)
{
    map *m = user;
    tenon_reactor *r = m->future.reactor;
    tenon__frame frame;
    (void)waiter;
    tenon__frame_enter(r, &frame, NULL, "map", NULL);
    tenon_future_ref(&m->future);
    tenon__future_see(future);
    if (--m->under_way == 0) {
        tenon_future_unref(&m->future);
    }
    if (tenon__future_pending(&m->future)) {
        advance(m, future);
    }
    tenon_future_unref(&m->future);
    tenon__frame_leave(r, &frame);
}

/* ---- making ---- */

static plan *plan_new(const tenon_map_options *options)
{
    size_t len = sizeof(plan) + options->count * sizeof(plan *);
    plan *p = tenon__alloc(&tenon__malloc, len);
    if (p) {
        atomic_init(&p->refs, 1);
        p->options = *options;
        for (size_t i = 0; i < options->count; i++) {
            p->calls[i] = p;
        }
    }
    return p;
}

static tenon_status map_new(tenon_reactor *r, tenon_executor *executor,
                            const tenon_map_options *options, map **out)
{
    size_t len = sizeof(map) + options->count * sizeof(child);
    plan *p = plan_new(options);
    map *m = p ? tenon__alloc(&r->allocator, len) : NULL;
    if (!m) {
        if (p) {
            plan_free(p);
        }
        return TENON_NO_MEMORY;
    }
    tenon__future_setup(&m->future, r, &kind, "map");
    m->executor = tenon_executor_ref(executor);
    m->plan = p;
    m->count = options->count;
    *out = m;
    return TENON_OK;
}

/* Nothing began: `user` is still the caller's. */
static void map_discard(map *m)
{
    plan_free(m->plan);
    m->plan = NULL;
    tenon__future_discard(&m->future);
}

static tenon_status choose(tenon_map_options *chosen,
                           const tenon_map_options *options)
{
    *chosen = (tenon_map_options){.size = sizeof *chosen};
    memcpy(chosen, options,
           options->size < sizeof *chosen ? options->size : sizeof *chosen);
    if (chosen->at_once == 0) {
        chosen->at_once = TENON_MAP_AT_ONCE_DEFAULT;
    }
    size_t most = (SIZE_MAX / 2 - sizeof(map)) / sizeof(child);
    return chosen->fn && chosen->count <= most &&
                   (chosen->items || chosen->count == 0)
               ? TENON_OK
               : TENON_INVALID;
}

/* ---- public ---- */

tenon_status tenon_executor_map(tenon_reactor *r, tenon_executor *executor,
                                const tenon_map_options *options,
                                tenon_future **out)
{
    tenon_map_options chosen;
    map *m = NULL;
    tenon_status status = tenon__check(r);
    if (status == TENON_OK) {
        status = options && out ? choose(&chosen, options) : TENON_INVALID;
    }
    if (status == TENON_OK) {
        status = map_new(r, executor, &chosen, &m);
    }
    if (status < 0 || !m) {
        return status;
    }
    status = begin_items(m);
    if (status < 0 && m->under_way == 0) {
        map_discard(m);
        return status;
    }
    if (status < 0) {
        tenon__future_fail_status(&m->future, status, NULL, NULL);
        cancel_children(m);
    } else if (m->count == 0) {
        tenon__future_set_int(&m->future, 0);
    }
    *out = &m->future;
    return TENON_OK;
}

tenon_future *tenon_map_child(const tenon_future *f, size_t index)
{
    if (!f || f->kind != &kind) {
        return NULL;
    }
    const map *m = (const map *)(const void *)f;
    return index < m->next ? m->children[index].future : NULL;
}
