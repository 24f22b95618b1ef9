/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The work of one reactor: what is under way, the gate by which it comes back,
 * and the executor that the reactor has by itself.
 *
 * Threads hold this block as long as they hold work, but behind the gate there
 * is an inbox only until the reactor ends: so nothing of the reactor's memory
 * is touched by a function that runs longer than that.
 *
 * While work is under way in the reactor's own executor there is a shutdown
 * hook, the oldest of all, that waits for it; without, a close needs no turn.
 */

#include <pthread.h>
#include <string.h>

#include "sys/executor.h"

struct tenon__works {
    atomic_uint refs; /* the reactor's, and one for each work */
    pthread_mutex_t gate;
    tenon_inbox *inbox; /* behind the gate; NULL: the reactor ended */
    /* The reactor's thread alone: */
    tenon__object object;
    tenon_reactor *reactor;
    tenon_node list;
    uint32_t count;
    uint32_t awaited;
    tenon_executor *executor; /* NULL: none was asked for yet */
    bool own;                 /* it was made here */
    bool closing;             /* our hook has run */
    tenon_shutdown hook;
};

/* ---- any thread ---- */

tenon__works *tenon__works_ref(tenon__works *works)
{
    atomic_fetch_add_explicit(&works->refs, 1, memory_order_relaxed);
    return works;
}

void tenon__works_unref(tenon__works *works)
{
    if (atomic_fetch_sub_explicit(&works->refs, 1, memory_order_acq_rel) == 1) {
        pthread_mutex_destroy(&works->gate);
        tenon__free(&tenon__malloc, works, sizeof *works);
    }
}

tenon_status tenon__works_post(tenon__works *works, tenon_post_node *post,
                               tenon_post_fn *fn, void *user)
{
    tenon_status status = TENON_CLOSED;
    pthread_mutex_lock(&works->gate);
    if (works->inbox) {
        status = tenon_post(works->inbox, post, fn, user); /* waits not */
    }
    pthread_mutex_unlock(&works->gate);
    return status;
}

/* ---- the list ---- */

tenon_reactor *tenon__works_reactor(const tenon__works *works)
{
    return works->reactor;
}

static tenon_status on_shutdown(tenon_reactor *r, tenon_shutdown *hook,
                                void *user)
{
    tenon__works *works = user;
    (void)r;
    (void)hook;
    works->closing = true;
    if (works->own) {
        tenon__executor_close(works->executor);
    }
    return TENON_PENDING;
}

/* Hooks run newest first; those of others may want to use the executor. */
static tenon_status await_work(tenon__works *works)
{
    tenon_reactor *r = works->reactor;
    tenon_status status =
        tenon_reactor_on_shutdown(r, &works->hook, on_shutdown, works);
    if (status == TENON_OK) {
        tenon__list_remove(&works->hook.node);
        tenon__list_push(r->hooks.next, &works->hook.node);
    }
    return status;
}

tenon_status tenon__works_add(tenon__works *works, tenon_work *w)
{
    tenon_status status = TENON_OK;
    w->awaited = w->executor == works->executor;
    if (w->awaited && works->closing) {
        status = TENON_CLOSED;
    } else if (w->awaited && works->awaited == 0) {
        status = await_work(works);
    }
    if (status == TENON_OK) {
        works->awaited += w->awaited;
        works->count++;
        tenon__list_push(&works->list, &w->node);
    }
    return status;
}

bool tenon__works_remove(tenon__works *works, tenon_work *w)
{
    if (!tenon__linked(&w->node) || w->node.run) {
        return false; /* the second: it is among the drops */
    }
    tenon__list_remove(&w->node);
    works->count--;
    if (w->awaited && --works->awaited == 0) {
        tenon_shutdown_remove(&works->hook);
    }
    return true;
}

/* ---- the end of the reactor ---- */

static void abandon_all(tenon__works *works, tenon_status status)
{
    tenon_node *node;
    while ((node = tenon__list_pop(&works->list)) != NULL) {
        tenon_work *w = TENON__OF(node, tenon_work, node);
        if (tenon__work_abandon(w, status)) {
            const char *name = w->options.name;
            tenon__report_status(works->reactor, "abandoned work",
                                 name ? name : "", w, TENON_PENDING);
        }
        tenon__work_unref(w);
    }
    works->count = 0;
    works->awaited = 0;
}

/* In a forked child the gate may be held by a thread that is not there. */
static void end(tenon__object *object, tenon_status status)
{
    tenon__works *works = TENON__OF(object, tenon__works, object);
    tenon_reactor *r = works->reactor;
    tenon__list_remove(&works->object.node);
    r->works = NULL;
    if (tenon__forked(r)) {
        return;
    }
    if (works->own) {
        tenon__executor_close(works->executor);
    }
    abandon_all(works, status);
    works->reactor = NULL;
    tenon_executor_unref(works->executor);
    works->executor = NULL;
    pthread_mutex_lock(&works->gate);
    tenon_inbox *inbox = works->inbox;
    works->inbox = NULL;
    pthread_mutex_unlock(&works->gate);
    tenon_inbox_unref(inbox);
    tenon__works_unref(works);
}

static void dump(const tenon__object *object, FILE *file)
{
    const tenon__works *works = TENON__OF(object, const tenon__works, object);
    fprintf(file, "executor %s, %u under way",
            works->executor ? tenon_executor_name(works->executor) : "-",
            works->count);
}

static const tenon__object_ops object_ops = {"executor", end, dump};

tenon__works *tenon__works_of(tenon_reactor *r)
{
    tenon__works *works = r->works;
    if (works) {
        return works;
    }
    works = tenon__alloc(&tenon__malloc, sizeof *works);
    if (works) {
        atomic_init(&works->refs, 1);
        pthread_mutex_init(&works->gate, NULL);
        works->inbox = tenon_inbox_ref(r->inbox);
        works->reactor = r;
        tenon__list_init(&works->list);
        tenon__object_add(r, &works->object, &object_ops);
        r->works = works;
    }
    return works;
}

/* ---- public: the executor of a reactor ---- */

tenon_executor *tenon_reactor_executor(tenon_reactor *r)
{
    tenon__works *works =
        tenon__check(r) == TENON_OK ? tenon__works_of(r) : NULL;
    if (!works) {
        return NULL;
    }
    if (!works->executor) {
        works->own =
            tenon_executor_new_pool(&works->executor, NULL) == TENON_OK;
    }
    return works->executor;
}

tenon_status tenon_reactor_set_executor(tenon_reactor *r,
                                        tenon_executor *executor)
{
    tenon_status status = tenon__check(r);
    if (status < 0) {
        return status;
    }
    tenon__works *works = tenon__works_of(r);
    if (!works) {
        return TENON_NO_MEMORY;
    }
    tenon_executor *before = works->executor;
    works->executor = tenon_executor_ref(executor);
    works->own = false;
    tenon_executor_unref(before);
    return TENON_OK;
}

/* ---- public: work ---- */

static void settle_options(tenon_work_options *chosen,
                           const tenon_work_options *given)
{
    memcpy(chosen, given,
           given->size < sizeof *chosen ? given->size : sizeof *chosen);
}

/* Into the list and to the executor; else it is as if it had never been. */
static tenon_status submit(tenon__works *works, tenon_work *w)
{
    tenon_status status = tenon__works_add(works, w);
    if (status < 0) {
        return status;
    }
    if (atomic_load(&w->executor->closed)) {
        status = TENON_CLOSED;
    } else if (!tenon__executor_is_inline(w->executor)) {
        tenon_reactor *r = works->reactor;
        bool before = r->in_slot;
        r->in_slot = true;
        status = w->executor->ops->submit(w->executor->self, w);
        r->in_slot = before;
    }
    if (status < 0) {
        (void)tenon__works_remove(works, w);
    }
    return status;
}

static tenon_status call_in(tenon_reactor *r, tenon_executor *executor,
                            const tenon_work_options *options, const char *site,
                            tenon_future **out)
{
    tenon_work *w;
    tenon_executor *in = executor ? executor : tenon_reactor_executor(r);
    tenon__works *works = in ? tenon__works_of(r) : NULL;
    tenon_status status =
        works ? tenon__work_new(works, in, options, site, &w) : TENON_NO_MEMORY;
    if (status < 0) {
        return status;
    }
    tenon_future *future = tenon_future_ref(w->future);
    status = submit(works, w);
    if (status < 0) {
        tenon__work_discard(w);
        return status;
    }
    if (tenon__executor_is_inline(in)) {
        tenon__work_run_inline(w);
    }
    if (out) {
        *out = future;
    } else {
        tenon_future_unref(future);
    }
    return TENON_OK;
}

tenon_status tenon_call_in_at(tenon_reactor *r, tenon_executor *executor,
                              tenon_work_fn *fn, void *user, tenon_future **out,
                              const char *site)
{
    const tenon_work_options options = {
        .size = sizeof options, .fn = fn, .user = user, .name = site};
    tenon_status status = tenon__check(r);
    if (status < 0 || !fn) {
        return status < 0 ? status : TENON_INVALID;
    }
    return call_in(r, executor, &options, site, out);
}

tenon_status tenon_call_in_with(tenon_reactor *r, tenon_executor *executor,
                                const tenon_work_options *options,
                                tenon_future **out)
{
    tenon_work_options chosen = {.size = sizeof chosen};
    tenon_status status = tenon__check(r);
    if (status < 0 || !options) {
        return status < 0 ? status : TENON_INVALID;
    }
    settle_options(&chosen, options);
    return chosen.fn ? call_in(r, executor, &chosen, chosen.name, out)
                     : TENON_INVALID;
}
