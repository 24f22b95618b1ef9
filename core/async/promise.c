/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Promises. One atomic decides who is first: a thread that keeps the promise,
 * the reactor's thread that cancels, the end of the reactor, or the drop of
 * the last reference of the users'. The outcome travels by the promise's own
 * post, so keeping it needs no memory.
 *
 *   OPEN -> KEPT (its post is or was under way) | UNWANTED | ENDED (the reactor)
 *
 * The future is touched on the reactor's thread alone, and let go of there: by
 * the delivery, by a cancel, or by the reactor's end, whichever comes first.
 */

#include "async/future.h"

#include <tenon/promise.h>

enum promise_state { OPEN, KEPT, UNWANTED, ENDED };

/* The outcome on its way. */
typedef struct parcel {
    enum tenon_future_state state;
    bool is_number;
    void *value;
    int64_t number;
    tenon_free_fn *free_value;
    tenon_error *error;
} parcel;

struct tenon_promise {
    atomic_uint users;
    atomic_uint refs; /* one for all users, one of the reactor, one of a post */
    atomic_uint state;
    tenon_allocator allocator;
    tenon_inbox *inbox;
    tenon_post_node post;
    parcel parcel;
    /* The reactor's thread alone: */
    tenon__object object;
    tenon_future *future; /* NULL: it was let go of */
};

/* The future's block; a promise that let go of it is not known to it. */
typedef struct promised {
    tenon_future future;
    tenon_promise *promise;
} promised;

/* ---- memory ---- */

static void release(tenon_promise *p)
{
    if (atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) == 1) {
        tenon_allocator allocator = p->allocator;
        tenon_inbox_unref(p->inbox);
        tenon__free(&allocator, p, sizeof *p);
    }
}

static void retain(tenon_promise *p)
{
    atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
}

static void dispose(parcel *from)
{
    if (from->free_value) {
        from->free_value(from->value);
    }
    tenon_error_unref(from->error);
}

/* ---- the reactor's thread ---- */

static void let_go(tenon_promise *p)
{
    tenon_future *f = p->future;
    p->future = NULL;
    ((promised *)(void *)f)->promise = NULL;
    tenon__list_remove(&p->object.node);
    tenon__alive_sub(f->reactor);
    tenon_future_unref(f);
    release(p);
}

static void deliver(tenon_future *f, parcel *from)
{
    if (from->state == TENON_FUTURE_FAILED && !from->error) {
        tenon__future_fail_status(f, TENON_ABORTED, "the promise was dropped",
                                  NULL);
    } else if (from->state == TENON_FUTURE_FAILED) {
        tenon__future_set_error(f, from->error);
    } else if (from->is_number) {
        tenon__future_set_int(f, from->number);
    } else {
        tenon__future_set(f, from->value, from->free_value);
    }
}

static void on_post(tenon_post_node *post, tenon_status status, void *user)
{
    tenon_promise *p = user;
    (void)post;
    (void)status;
    if (p->future && tenon__future_pending(p->future)) {
        deliver(p->future, &p->parcel);
    } else {
        dispose(&p->parcel);
    }
    if (p->future) {
        let_go(p);
    }
    release(p);
}

static void end(tenon__object *object, tenon_status status)
{
    tenon_promise *p = TENON__OF(object, tenon_promise, object);
    unsigned open = OPEN;
    atomic_compare_exchange_strong(&p->state, &open, ENDED);
    if (tenon__future_pending(p->future)) {
        tenon__future_see(p->future);
        tenon__future_fail_status(p->future, status, NULL, NULL);
    }
    let_go(p);
}

static void dump(const tenon__object *object, FILE *file)
{
    const tenon_promise *p = TENON__OF(object, const tenon_promise, object);
    fprintf(file, "promise %s", p->future->site);
}

static const tenon__object_ops object_ops = {"promise", end, dump};

/* ---- the future's side ---- */

static void promised_free(tenon_future *f)
{
    tenon__free(&f->reactor->allocator, f, sizeof(promised));
}

/* Who cancels after it was kept comes too late. A canceller that asks for time
 * leaves it open: whoever has the promise may be who completes it. */
static bool promised_may_cancel(tenon_future *f, bool now)
{
    tenon_promise *p = ((promised *)(void *)f)->promise;
    unsigned state = OPEN;
    if (p && now) {
        return atomic_compare_exchange_strong(&p->state, &state, UNWANTED);
    }
    return !p || atomic_load(&p->state) != KEPT;
}

/* A link cancels it without asking. */
static void promised_pass_on(tenon_future *f)
{
    tenon_promise *p = ((promised *)(void *)f)->promise;
    unsigned state = OPEN;
    if (p) {
        atomic_compare_exchange_strong(&p->state, &state, UNWANTED);
        let_go(p);
    }
}

static const tenon__future_kind kind = {.name = "promised",
                                        .free = promised_free,
                                        .may_cancel = promised_may_cancel,
                                        .pass_on = promised_pass_on};

/* ---- keeping it: any thread ---- */

static const tenon_status refusals[] = {
    [KEPT] = TENON_DONE, [UNWANTED] = TENON_CANCELLED, [ENDED] = TENON_CLOSED};

/* Takes the parcel, whatever comes. */
static tenon_status keep(tenon_promise *p, const parcel *what)
{
    parcel returned = *what;
    unsigned state = OPEN;
    if (!atomic_compare_exchange_strong(&p->state, &state, KEPT)) {
        dispose(&returned);
        return refusals[state];
    }
    p->parcel = *what;
    retain(p);
    tenon_status status = tenon_post(p->inbox, &p->post, on_post, p);
    if (status < 0) {
        dispose(&returned);
        release(p);
    }
    return status;
}

/* ---- public ---- */

static tenon_promise *make(tenon_reactor *r)
{
    tenon_promise *p = tenon__alloc(&r->allocator, sizeof *p);
    if (p) {
        atomic_init(&p->users, 1);
        atomic_init(&p->refs, 2);
        atomic_init(&p->state, OPEN);
        p->allocator = r->allocator;
        p->inbox = tenon_inbox_ref(r->inbox);
        tenon_post_init(&p->post);
    }
    return p;
}

tenon_status tenon_promise_new_at(tenon_reactor *r, tenon_promise **out,
                                  tenon_future **future, const char *site)
{
    tenon_status status = tenon__check(r);
    if (status < 0 || !out || !future) {
        return status < 0 ? status : TENON_INVALID;
    }
    promised *block = tenon__alloc(&r->allocator, sizeof *block);
    tenon_promise *p = block ? make(r) : NULL;
    if (!p) {
        tenon__free(&r->allocator, block, sizeof *block);
        return TENON_NO_MEMORY;
    }
    tenon__future_setup(&block->future, r, &kind, site);
    block->promise = p;
    p->future = tenon_future_ref(&block->future);
    tenon__object_add(r, &p->object, &object_ops);
    tenon__alive_add(r);
    *out = p;
    *future = &block->future;
    return TENON_OK;
}

tenon_promise *tenon_promise_ref(tenon_promise *p)
{
    if (p) {
        atomic_fetch_add_explicit(&p->users, 1, memory_order_relaxed);
    }
    return p;
}

void tenon_promise_unref(tenon_promise *p)
{
    if (!p ||
        atomic_fetch_sub_explicit(&p->users, 1, memory_order_acq_rel) > 1) {
        return;
    }
    const parcel broken = {.state = TENON_FUTURE_FAILED};
    (void)keep(p, &broken);
    release(p);
}

tenon_status tenon_promise_resolve(tenon_promise *p, void *value,
                                   tenon_free_fn *free_value)
{
    parcel what = {.state = TENON_FUTURE_RESOLVED,
                   .value = value,
                   .free_value = free_value};
    if (!p) {
        dispose(&what);
        return TENON_INVALID;
    }
    return keep(p, &what);
}

tenon_status tenon_promise_resolve_int(tenon_promise *p, int64_t number)
{
    const parcel what = {
        .state = TENON_FUTURE_RESOLVED, .is_number = true, .number = number};
    return p ? keep(p, &what) : TENON_INVALID;
}

tenon_status tenon_promise_fail(tenon_promise *p, tenon_error *error)
{
    if (!p || tenon_error_status(error) >= 0) {
        return TENON_INVALID;
    }
    const parcel what = {.state = TENON_FUTURE_FAILED,
                         .error = tenon_error_ref(error)};
    return keep(p, &what);
}

bool tenon_promise_is_open(const tenon_promise *p)
{
    return atomic_load(&p->state) == OPEN;
}
