/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Futures: making, completing, reading, ending. Waiters are in waiter.c,
 * cancelling in cancel.c.
 *
 *   PENDING -> RESOLVED | FAILED | CANCELLED
 *
 * While it is pending its `list` holds the waiters. Completing moves each of
 * them to the reactor's ready queue, where it holds a reference, so that the
 * future is there when the waiter is called; from then on `list` is a link, by
 * which the future itself is queued to be reported or freed.
 *
 * Pending ones, and those that failed and were not looked at, are in the
 * reactor's list: these are the ones that its end concerns.
 */

#include "async/waitq.h"
#include "loop/trace.h"

tenon_status tenon__future_check(const tenon_future *f)
{
    tenon_status status = f ? tenon__check(f->reactor) : TENON_INVALID;
    return status == TENON_OK && (f->flags & TENON__FUTURE_GONE) ? TENON_INVALID
                                                                 : status;
}

/* ---- making ---- */

void tenon__future_setup(tenon_future *f, tenon_reactor *r,
                         const tenon__future_kind *kind, const char *site)
{
    *f = (tenon_future){
        .reactor = r, .kind = kind, .site = site ? site : "", .refs = 1};
    tenon__list_init(&f->list);
    tenon__list_push(&r->futures, &f->node);
    r->async = &tenon__async;
    tenon__pin(r);
    tenon__trace_future(r, f, kind->name);
}

static void free_block(tenon_future *f)
{
    tenon__free(&f->reactor->allocator, f, sizeof *f);
}

static const tenon__future_kind on_heap = {.name = "future",
                                           .free = free_block};
static const tenon__future_kind in_place = {.name = "future"};

tenon_status tenon_future_new_at(tenon_reactor *r, tenon_future **out,
                                 const char *site)
{
    tenon_status status = tenon__check(r);
    if (status < 0 || !out) {
        return status < 0 ? status : TENON_INVALID;
    }
    tenon_future *f = tenon__alloc(&r->allocator, sizeof *f);
    if (!f) {
        return TENON_NO_MEMORY;
    }
    tenon__future_setup(f, r, &on_heap, site);
    *out = f;
    return TENON_OK;
}

tenon_status tenon_future_init_at(tenon_future *f, tenon_reactor *r,
                                  const char *site)
{
    if (!f) {
        return TENON_INVALID;
    }
    *f = (tenon_future){.reactor = NULL};
    tenon_status status = tenon__check(r);
    if (status == TENON_OK) {
        tenon__future_setup(f, r, &in_place, site);
    }
    return status;
}

/* ---- failures that nobody saw ---- */

void tenon__future_see(tenon_future *f)
{
    f->flags |= TENON__FUTURE_SEEN;
    if (!tenon__future_pending(f)) {
        tenon__list_remove(&f->node);
    }
}

static bool is_unseen(const tenon_future *f)
{
    return f->state == TENON_FUTURE_FAILED && !(f->flags & TENON__FUTURE_SEEN);
}

static void report(tenon_future *f)
{
    tenon__future_see(f);
    tenon__report(f->reactor, "unseen failure", f->site, f, f->error);
}

/* ---- ending ---- */

void tenon__future_clear(tenon_future *f)
{
    tenon_free_fn *free_value = f->free_value;
    tenon__trace_forget(f->reactor, f);
    tenon__list_remove(&f->node);
    tenon_error_unref(f->error);
    f->error = NULL;
    f->free_value = NULL;
    if (f->flags & TENON__FUTURE_SHARED) {
        tenon_future_unref(f->value.origin);
    } else if (free_value) {
        free_value(f->value.pointer);
    }
}

static void free_now(tenon_reactor *r, tenon_node *node)
{
    tenon_future *f = TENON__OF(node, tenon_future, list);
    tenon__future_clear(f);
    f->kind->free(f);
    tenon__unpin(r);
}

static void drop(tenon_future *f)
{
    f->list.run = free_now;
    tenon__drop_push(f->reactor, &f->list);
}

static void report_and_drop(tenon_reactor *r, tenon_node *node)
{
    tenon_future *f = TENON__OF(node, tenon_future, list);
    (void)r;
    if (is_unseen(f)) {
        report(f);
    }
    drop(f);
}

void tenon__future_discard(tenon_future *f)
{
    tenon_reactor *r = f->reactor;
    tenon__trace_forget(r, f);
    tenon__list_remove(&f->node);
    f->kind->free(f);
    tenon__unpin(r);
}

/* Once the reactor is closed it is memory, and no thread's. */
static bool may_release(const tenon_future *f)
{
    tenon_status status = tenon__check_thread(f->reactor);
    return status == TENON_OK ||
           (status == TENON_WRONG_THREAD && f->reactor->life == TENON__CLOSED);
}

tenon_future *tenon_future_ref(tenon_future *f)
{
    if (f) {
        f->refs++;
    }
    return f;
}

void tenon_future_unref(tenon_future *f)
{
    if (!f || !tenon__future_counted(f) || !may_release(f)) {
        return;
    }
    if (f->refs == 1 && tenon__future_pending(f)) {
        tenon__future_cancel_now(f, NULL);
    }
    if (--f->refs > 0) {
        return;
    }
    tenon__list_remove(&f->list);
    if (is_unseen(f)) {
        f->list.run = report_and_drop;
        tenon__late_push(f->reactor, &f->list);
    } else {
        drop(f);
    }
}

void tenon_future_fini(tenon_future *f)
{
    tenon_reactor *r = f ? f->reactor : NULL;
    if (!r || tenon__future_counted(f) || (f->flags & TENON__FUTURE_GONE) ||
        !may_release(f)) {
        return;
    }
    f->flags |= TENON__FUTURE_GONE;
    if (tenon__future_pending(f)) {
        tenon__future_cancel_now(f, NULL);
    }
    tenon__waiters_forget(f);
    if (is_unseen(f)) {
        report(f);
    }
    tenon__list_remove(&f->list);
    tenon__future_clear(f);
    f->reactor = NULL;
    tenon__unpin(r);
}

/* The end of the reactor is no failure that anybody must look at. Those that
 * failed before stay in the list: a waiter that is owed its call may look. */
static void end_pending(tenon_reactor *r, tenon_status status)
{
    tenon_node failed;
    tenon_node *node;
    tenon__list_init(&failed);
    while ((node = tenon__list_pop(&r->futures)) != NULL) {
        tenon_future *f = TENON__OF(node, tenon_future, node);
        if (tenon__future_pending(f)) {
            f->flags |= TENON__FUTURE_SEEN;
            tenon__future_fail_status(f, status, NULL, NULL);
        } else {
            tenon__list_push(&failed, node);
        }
    }
    tenon__list_splice(&r->futures, &failed);
}

static void end_unseen(tenon_reactor *r)
{
    tenon_node *node;
    while ((node = r->futures.next) != &r->futures) {
        tenon_future *f = TENON__OF(node, tenon_future, node);
        bool late = tenon__linked(&f->list);
        tenon__list_remove(&f->list);
        report(f);
        if (late) {
            drop(f);
        }
    }
}

static void dump_all(const tenon_reactor *r, FILE *file)
{
    static const char *const states[] = {"pending", "resolved", "failed",
                                         "cancelled"};
    for (tenon_node *n = r->futures.next; n != &r->futures; n = n->next) {
        const tenon_future *f = TENON__OF(n, tenon_future, node);
        if (tenon__is_task(f) && tenon__future_pending(f)) {
            continue;
        }
        fprintf(file, "%s %s %s%s\n", f->kind->name, f->site[0] ? f->site : "-",
                states[f->state], is_unseen(f) ? " unseen" : "");
        tenon__trace_dump(r, f, file);
    }
    tenon__tasks_dump(r, file);
}

static void end(tenon_reactor *r, tenon_status status)
{
    tenon__tasks_end(r);
    end_pending(r, status);
}

static void free_all(tenon_reactor *r)
{
    tenon__tasks_free(r);
    tenon__futures_trim(r);
}

const tenon__async_ops tenon__async = {
    tenon__waiter_run, tenon__ticket_run, end, end_unseen, dump_all, free_all};
