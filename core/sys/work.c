/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Work: what an executor runs, and the future of it. One atomic decides
 * whether it begins or is withdrawn, and whether it is over or unwanted. The
 * outcome travels by the work's own post, so that telling it needs no memory;
 * it is posted though nobody wants it, for the reactor's count of what still
 * runs.
 *
 * A work is memory of malloc's, since its function may run longer than the
 * reactor lives, and with it the reactor's allocator. The future is the
 * reactor's, and let go of on its thread alone.
 */

#include <string.h>

#include "sys/executor.h"

/* The future's block; a work that let go of it is not known to it. */
typedef struct worked {
    tenon_future future;
    tenon_work *work;
} worked;

/* ---- memory ---- */

static void dispose(tenon_work *w)
{
    if (w->free_value) {
        w->free_value(w->value);
    }
    tenon_error_unref(w->error);
    w->value = NULL;
    w->free_value = NULL;
    w->error = NULL;
}

static void work_free(tenon_work *w)
{
    tenon__works_unref(w->works);
    tenon_executor_unref(w->executor);
    tenon__free(&tenon__malloc, w, sizeof *w);
}

void tenon__work_unref(tenon_work *w)
{
    if (atomic_fetch_sub_explicit(&w->refs, 1, memory_order_acq_rel) == 1) {
        dispose(w);
        if (w->options.free_user) {
            w->options.free_user(w->options.user);
        }
        work_free(w);
    }
}

static void unref_dropped(tenon_reactor *r, tenon_node *node)
{
    (void)r;
    tenon__work_unref(TENON__OF(node, tenon_work, node));
}

/* ---- the future's side: the reactor's thread ---- */

static bool move(tenon_work *w, unsigned from, unsigned to)
{
    return atomic_compare_exchange_strong(&w->state, &from, to);
}

static void let_go(tenon_work *w)
{
    tenon_future *f = w->future;
    w->future = NULL;
    ((worked *)(void *)f)->work = NULL;
    tenon__alive_sub(f->reactor);
    tenon_future_unref(f);
}

static bool take_back(tenon_work *w)
{
    const tenon_executor_ops *ops = w->executor->ops;
    bool can =
        ops->size > offsetof(tenon_executor_ops, withdraw) && ops->withdraw;
    return can && ops->withdraw(w->executor->self, w) == TENON_EXISTED;
}

/* It will not run. Its user pointer is freed by the turn, not here. */
static void withdraw(tenon_work *w)
{
    tenon_reactor *r = tenon__works_reactor(w->works);
    if (take_back(w)) {
        tenon__work_unref(w); /* not the last: the list has one */
    }
    if (tenon__works_remove(w->works, w)) {
        w->node.run = unref_dropped;
        tenon__drop_push(r, &w->node);
    }
}

static void worked_free(tenon_future *f)
{
    tenon__free(&f->reactor->allocator, f, sizeof(worked));
}

/* Nobody wants it: from now on it may not begin, or not end. */
static bool unwant(tenon_work *w)
{
    return move(w, TENON__WORK_WAITING, TENON__WORK_WITHDRAWN) ||
           move(w, TENON__WORK_RUNNING, TENON__WORK_UNWANTED) ||
           atomic_load(&w->state) != TENON__WORK_OVER;
}

/* Who cancels after it is over comes too late. */
static bool worked_may_cancel(tenon_future *f, bool now)
{
    tenon_work *w = ((worked *)(void *)f)->work;
    return !w || (now ? unwant(w) : atomic_load(&w->state) != TENON__WORK_OVER);
}

/* A link cancels it without asking. */
static void worked_pass_on(tenon_future *f)
{
    tenon_work *w = ((worked *)(void *)f)->work;
    if (!w) {
        return;
    }
    (void)unwant(w);
    let_go(w);
    if (atomic_load(&w->state) == TENON__WORK_WITHDRAWN) {
        withdraw(w);
    }
}

static const tenon__future_kind kind = {.name = "work",
                                        .free = worked_free,
                                        .may_cancel = worked_may_cancel,
                                        .pass_on = worked_pass_on};

/* ---- making ---- */

static tenon_work *block_new(tenon__works *works, tenon_executor *executor,
                             const tenon_work_options *options)
{
    tenon_work *w = tenon__alloc(&tenon__malloc, sizeof *w);
    if (w) {
        atomic_init(&w->refs, 2);
        atomic_init(&w->state, TENON__WORK_WAITING);
        atomic_init(&w->progress, 0);
        w->works = tenon__works_ref(works);
        w->executor = tenon_executor_ref(executor);
        w->options = *options;
        tenon_post_init(&w->post);
    }
    return w;
}

tenon_status tenon__work_new(tenon__works *works, tenon_executor *executor,
                             const tenon_work_options *options,
                             const char *site, tenon_work **out)
{
    tenon_reactor *r = tenon__works_reactor(works);
    worked *block = tenon__alloc(&r->allocator, sizeof *block);
    tenon_work *w = block ? block_new(works, executor, options) : NULL;
    if (!w) {
        tenon__free(&r->allocator, block, sizeof *block);
        return TENON_NO_MEMORY;
    }
    tenon__future_setup(&block->future, r, &kind, site);
    block->work = w;
    w->future = &block->future;
    tenon__alive_add(r);
    *out = w;
    return TENON_OK;
}

void tenon__work_discard(tenon_work *w)
{
    tenon_future *f = w->future;
    ((worked *)(void *)f)->work = NULL;
    tenon__alive_sub(f->reactor);
    tenon__future_discard(f);
    work_free(w);
}

/* ---- the end of it: the reactor's thread ---- */

static void deliver(tenon_work *w)
{
    tenon_future *f = w->future;
    if (w->status < 0) {
        tenon__future_set_error(f, w->error);
    } else if (w->is_number) {
        tenon__future_set_int(f, w->number);
    } else {
        tenon__future_set(f, w->value, w->free_value);
    }
    w->error = NULL;
    w->free_value = NULL;
}

void tenon__work_arrive(tenon_work *w)
{
    if (w->future && tenon__future_pending(w->future)) {
        deliver(w);
    }
    if (w->future) {
        let_go(w);
    }
}

bool tenon__work_abandon(tenon_work *w, tenon_status status)
{
    bool waited = move(w, TENON__WORK_WAITING, TENON__WORK_WITHDRAWN);
    bool runs = move(w, TENON__WORK_RUNNING, TENON__WORK_UNWANTED) ||
                atomic_load(&w->state) == TENON__WORK_UNWANTED;
    if (w->future && tenon__future_pending(w->future)) {
        tenon__future_see(w->future);
        tenon__future_fail_status(w->future, status, NULL, NULL);
    }
    if (w->future) {
        let_go(w);
    }
    if (waited && take_back(w)) {
        tenon__work_unref(w);
    }
    return runs;
}

static void on_post(tenon_post_node *post, tenon_status status, void *user)
{
    tenon_work *w = user;
    (void)post;
    (void)status;
    tenon__work_arrive(w);
    if (tenon__works_remove(w->works, w)) {
        tenon__work_unref(w);
    }
    tenon__work_unref(w);
}

/* ---- running: any thread ---- */

/* The outcome is there before the state says so. */
static void conclude(tenon_work *w, tenon_status status)
{
    w->status = status;
    if (status < 0) {
        if (w->free_value) {
            w->free_value(w->value);
            w->free_value = NULL;
        }
        if (!w->error) {
            w->error = tenon_error_of(status, NULL);
        }
    }
    atomic_store(&w->state, TENON__WORK_OVER);
}

/* False: it was withdrawn. */
static bool run(tenon_work *w)
{
    if (!move(w, TENON__WORK_WAITING, TENON__WORK_RUNNING)) {
        return false;
    }
    conclude(w, w->options.fn(w, w->options.user));
    return true;
}

/* The executor's reference becomes the post's. */
static void announce(tenon_work *w)
{
    if (tenon__works_post(w->works, &w->post, on_post, w) < 0) {
        tenon__work_unref(w); /* the reactor ended first */
    }
}

void tenon_work_run(tenon_work *w)
{
    if (run(w)) {
        announce(w);
    } else {
        tenon__work_unref(w);
    }
}

void tenon_work_drop(tenon_work *w, tenon_status status)
{
    if (atomic_load(&w->state) == TENON__WORK_WAITING) {
        conclude(w, status < 0 ? status : TENON_ABORTED);
        announce(w);
    } else {
        tenon__work_unref(w);
    }
}

void tenon__work_run_inline(tenon_work *w)
{
    (void)run(w);
    tenon__work_arrive(w);
    if (tenon__works_remove(w->works, w)) {
        tenon__work_unref(w);
    }
    tenon__work_unref(w);
}

/* ---- for the function ---- */

bool tenon_work_is_cancelled(const tenon_work *w)
{
    return atomic_load(&w->state) != TENON__WORK_RUNNING ||
           atomic_load(&w->executor->over);
}

static void forget_value(tenon_work *w)
{
    if (w->free_value) {
        w->free_value(w->value);
    }
    w->is_number = false;
    w->value = NULL;
    w->free_value = NULL;
}

void tenon_work_set_value(tenon_work *w, void *value, tenon_free_fn *free_value)
{
    forget_value(w);
    w->value = value;
    w->free_value = free_value;
}

void tenon_work_set_int(tenon_work *w, int64_t number)
{
    forget_value(w);
    w->is_number = true;
    w->number = number;
}

void tenon_work_set_error(tenon_work *w, tenon_error *error)
{
    tenon_error *before = w->error;
    w->error = tenon_error_ref(error);
    tenon_error_unref(before);
}

void tenon_work_set_data(tenon_work *w, void *data)
{
    w->data = data;
}

void *tenon_work_data(const tenon_work *w)
{
    return w->data;
}

/* ---- progress ---- */

typedef struct progress {
    tenon_post_node post;
    tenon_work *work; /* a reference */
    void *value;
    tenon_free_fn *free_value;
} progress;

static void progress_free(progress *p)
{
    tenon_work *w = p->work;
    atomic_fetch_sub(&w->progress, 1);
    if (p->free_value) {
        p->free_value(p->value);
    }
    tenon__free(&tenon__malloc, p, sizeof *p);
    tenon__work_unref(w);
}

static void on_progress_post(tenon_post_node *post, tenon_status status,
                             void *user)
{
    progress *p = user;
    tenon_work *w = p->work;
    (void)post;
    if (status == TENON_OK && w->future && tenon__future_pending(w->future)) {
        w->options.on_progress(w->future, p->value,
                               w->options.on_progress_user);
    }
    progress_free(p);
}

static tenon_status send_progress(tenon_work *w, void *value,
                                  tenon_free_fn *free_value)
{
    progress *p = tenon__alloc(&tenon__malloc, sizeof *p);
    if (!p) {
        return TENON_NO_MEMORY;
    }
    tenon_post_init(&p->post);
    p->work = w;
    p->value = value;
    p->free_value = free_value;
    tenon_status status =
        tenon__works_post(w->works, &p->post, on_progress_post, p);
    if (status < 0) {
        tenon__free(&tenon__malloc, p, sizeof *p);
    }
    return status;
}

tenon_status tenon_work_progress(tenon_work *w, void *value,
                                 tenon_free_fn *free_value)
{
    tenon_status status = TENON_OK;
    atomic_fetch_add_explicit(&w->refs, 1, memory_order_relaxed);
    if (atomic_fetch_add(&w->progress, 1) >= TENON_WORK_PROGRESS_MAX) {
        status = TENON_LIMIT;
    } else if (!w->options.on_progress) {
        status = TENON_INVALID;
    } else if (tenon_work_is_cancelled(w)) {
        status = TENON_CANCELLED;
    } else {
        status = send_progress(w, value, free_value);
    }
    if (status < 0) {
        atomic_fetch_sub(&w->progress, 1);
        if (free_value) {
            free_value(value);
        }
        tenon__work_unref(w); /* its thread has one */
    }
    return status;
}
