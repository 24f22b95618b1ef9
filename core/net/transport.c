/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The life of a transport: how it opens, what a report of its body leads to,
 * how it ends. A write that fails leaves the read side alone until all that the
 * kernel holds is delivered, within one reading's bounds, unless reading is
 * paused: then the loss comes first. Two ends of file make a close.
 */

#include "net/transport.h"

#include <stdio.h>
#include <string.h>

#include "async/local.h"
#include "loop/trace.h"
#include "net/listener.h"

enum { FUTILE_MAX = 3 };

/* ---- the end ---- */

/* The last notice, then the reactor's own reference goes. */
static void deliver_lost(tenon_transport *t)
{
    tenon__notice notice = {.tell = TENON__CONNECTION_LOST, .error = t->error};
    tenon__transport_set_state(t, TENON__GONE);
    tenon__unqueue(&t->ready);
    tenon__unqueue(&t->late);
    if (tenon__transport_owes_loans(t)) {
        tenon__transport_settle_loans(t);
    }
    if (t->made) {
        (void)tenon__transport_tell(t, &notice);
    }
    tenon__list_remove(&t->object.node);
    t->reactor->stats.transport_count--;
    if (t->extra && t->extra->gone) {
        t->extra->gone(t, t->extra->gone_user);
    }
    tenon_error_unref(t->error);
    t->error = NULL;
    if (!t->daemon) {
        tenon__alive_sub(t->reactor);
    }
    if (t->listener) {
        tenon__listener_left(t->listener);
        t->listener = NULL;
    }
    tenon_transport_unref(t);
}

void tenon__transport_lose(tenon_transport *t, tenon_error *error, bool reset)
{
    /* In a forked child the connection is the parent's. */
    if (t->state >= TENON__LOST || tenon__forked(t->reactor)) {
        tenon_error_unref(error);
        return;
    }
    /* What broke a write says more than what a read met afterwards. */
    if (t->state == TENON__BROKEN && t->error) {
        tenon_error_unref(error);
        error = t->error;
    }
    tenon__transport_set_state(t, TENON__LOST);
    t->error = error;
    tenon__unqueue(&t->late);
    reset = reset || tenon__queue_waits(&t->queue); /* it is cut short */
    tenon__transport_drop_queue(t, error);
    tenon__transport_remember(t);
    t->ops->release(t, reset);
    t->interest = 0;
    tenon__transport_owe(t);
}

void tenon__transport_lose_status(tenon_transport *t, tenon_status status,
                                  const char *message)
{
    tenon__transport_lose(t, tenon__error(t->reactor, status, message, NULL),
                          false);
}

void tenon__transport_discard(tenon_transport *t)
{
    if (t->state < TENON__LOST) {
        tenon__transport_set_state(t, TENON__LOST);
        tenon__transport_drop_queue(t, NULL);
        tenon__transport_remember(t); /* and ends its deadlines */
        t->ops->release(t, true);
    }
    deliver_lost(t);
}

TENON__ASIDE static void set_interest(tenon_transport *t, uint32_t want)
{
    tenon_status status = t->ops->set_interest(t, want);
    if (status < 0) {
        tenon__transport_lose_status(t, status, "watching the connection");
        return;
    }
    t->interest = (uint8_t)want;
}

void tenon__transport_update(tenon_transport *t)
{
    bool broken = t->state == TENON__BROKEN; /* reads on its own */
    uint32_t want = tenon__transport_readable(t) && !broken ? TENON_READ : 0;
    if (t->blocked && t->state <= TENON__CLOSING) {
        want |= TENON_WRITE;
    }
    if (TENON__RARELY(want != t->interest) && t->state < TENON__LOST) {
        set_interest(t, want);
    }
}

void tenon__transport_owe(tenon_transport *t)
{
    if (t->state == TENON__GONE) {
        return;
    }
    if (tenon__on_stack(t->reactor, t)) {
        t->owes = true;
    } else if (!tenon__linked(&t->ready)) {
        tenon__ready_push(t->reactor, &t->ready);
    }
}

/* ---- the beginning ---- */

static tenon_status build(tenon_transport *t)
{
    tenon_protocol protocol = t->protocol;
    tenon_status status = TENON_OK;
    if (t->build) {
        tenon__frame frame;
        tenon_build_fn *fn = t->build;
        memset(&protocol, 0, sizeof protocol);
        tenon__frame_enter(t->reactor, &frame, t, "factory", NULL);
        frame.carries = true;
        status = fn(t->protocol.self, t, &protocol);
        tenon__frame_leave(t->reactor, &frame);
        t->build = NULL;
        t->protocol = protocol;
    }
    if (status >= 0 && !protocol.ops) {
        status = TENON_REFUSED;
    }
    return status < 0 ? status : TENON_OK;
}

/* What was asked for before or in connection_made can go on now. */
static void after_open(tenon_transport *t)
{
    if (t->state == TENON__GONE) {
        return;
    }
    tenon__transport_update(t);
    tenon__transport_drained(t);
    if (t->state >= TENON__BROKEN || t->missed) {
        tenon__transport_owe(t);
    }
    bool owes_late = t->owes_pause || tenon__transport_owes_loans(t);
    if (owes_late && t->state < TENON__LOST) {
        tenon__late_push(t->reactor, &t->late);
    }
}

tenon_status tenon__transport_open(tenon_transport *t)
{
    tenon__notice notice = {.tell = TENON__MADE};
    tenon_transport_ref(t);
    tenon_status status = build(t);
    if (status < 0) {
        t->protocol.ops = NULL;
        t->owes = false;
        tenon__transport_discard(t);
        tenon_transport_unref(t);
        return status;
    }
    /* Set before the call, so that a reactor that ends inside of it owes a
     * connection_lost; reading waits for the return all the same. */
    t->made = true;
    t->opening = true;
    status = tenon__transport_tell(t, &notice);
    t->opening = false;
    after_open(t);
    tenon_transport_unref(t);
    return status < 0 ? status : TENON_OK;
}

/* It may be lost already, by what its maker asked of it. */
void tenon__transport_begin(tenon_transport *t)
{
    if (!tenon__linked(&t->ready)) {
        tenon__ready_push(t->reactor, &t->ready);
    }
}

/* ---- reports of the body ---- */

/* R8: ready again and again, and nothing comes of it. */
TENON__ASIDE static void on_futile(tenon_transport *t)
{
    if (!t->ops->failure || ++t->futile < FUTILE_MAX) {
        return;
    }
    tenon_status status = t->ops->failure(t);
    status = status < 0 ? status : TENON_NO_PROGRESS;
    tenon__report_status(t->reactor, "transport", tenon__transport_name(t), t,
                         status);
    tenon__transport_lose_status(t, status, "ready without progress");
}

/* A host loop that a callback of `t` runs reports for it: once, then silence
 * until the callback returned. */
TENON__ASIDE static void miss(tenon_transport *t, uint32_t events)
{
    uint32_t rest = t->interest & ~events;
    t->missed |= (uint8_t)events;
    t->owes = true;
    if (rest != t->interest && t->ops->set_interest(t, rest) == TENON_OK) {
        t->interest = (uint8_t)rest;
    }
}

void tenon__transport_on_event(tenon_transport *t, uint32_t events)
{
    if (tenon__on_stack(t->reactor, t)) {
        miss(t, events);
        return;
    }
    bool progress = false;
    events &= t->interest;
    if (events == 0) {
        return;
    }
    tenon_transport_ref(t);
    if (events & TENON_READ) {
        progress = tenon__transport_read(t);
    }
    /* The protocol may have done anything meanwhile. */
    if ((events & t->interest & TENON_WRITE) && t->state <= TENON__CLOSING) {
        progress |= tenon__transport_flush(t);
    }
    if (TENON__LIKELY(progress) || t->state >= TENON__BROKEN) {
        t->futile = 0;
    } else {
        on_futile(t);
    }
    tenon__transport_update(t);
    tenon__transport_unref(t);
}

void tenon__transport_post(tenon_transport *t, uint32_t events)
{
    if (t->state < TENON__LOST) {
        t->missed |= (uint8_t)events;
        tenon__transport_owe(t);
    }
}

/* A write failed: deliver what came before that, then the loss. */
static void run_broken(tenon_transport *t)
{
    tenon_transport_ref(t);
    (void)tenon__transport_read(t);
    tenon__transport_lose(t, NULL, false);
    tenon_transport_unref(t);
}

static void on_ready(tenon_reactor *reactor, tenon_node *node)
{
    tenon_transport *t = TENON__OF(node, tenon_transport, ready);
    uint32_t missed = t->missed;
    if (tenon__on_stack(reactor, t)) {
        t->owes = true;
        return;
    }
    if (!t->made) {
        (void)tenon__transport_open(t);
    } else if (t->state == TENON__LOST) {
        deliver_lost(t);
    } else if (t->state == TENON__BROKEN) {
        run_broken(t);
    } else {
        t->missed = 0;
        tenon__transport_update(t);
        tenon__transport_on_event(t, missed);
        tenon__transport_drained(t);
    }
}

/* ---- the object ---- */

static const tenon__object_ops object_ops;

/* The engine calls this when nothing is on the stack. */
static void end(tenon__object *object, tenon_status status)
{
    tenon_transport *t = TENON__OF(object, tenon_transport, object);
    if (status == TENON_CLOSED && !t->reactor->unclosed_told) {
        t->reactor->unclosed_told = true;
        tenon__transports_unclosed(t->reactor, object);
    }
    if (!t->made) {
        tenon__transport_discard(t);
    } else {
        tenon__transport_lose_status(t, status, "the reactor ended");
        deliver_lost(t);
    }
}

static void dump(const tenon__object *object, FILE *file)
{
    static const char *const states[] = {"open", "closing", "broken", "lost",
                                         "gone"};
    const tenon_transport *t = TENON__OF(object, const tenon_transport, object);
    const char *name = tenon__transport_name(t);
    fprintf(file, "%s %s %s, %zu queued%s%s", t->ops->kind, name ? name : "-",
            states[t->state], t->queue.len, t->paused ? ", paused" : "",
            t->daemon ? ", daemon" : "");
}

static const tenon__object_ops object_ops = {"transport", end, dump};

const tenon_transport *tenon__transport_of(const tenon__object *object)
{
    return object->ops == &object_ops
               ? TENON__OF(object, const tenon_transport, object)
               : NULL;
}

tenon_transport *tenon__transport_new(tenon_reactor *reactor,
                                      const tenon__transport_ops *ops,
                                      tenon_factory factory)
{
    tenon_transport *t = tenon__alloc(&reactor->allocator, ops->len);
    if (!t) {
        return NULL;
    }
    t->ops = ops;
    t->reactor = reactor;
    t->build = factory.build;
    t->protocol = factory.shared;
    if (factory.build) {
        t->protocol.ops = NULL;
        t->protocol.self = factory.user;
    }
    t->high = TENON_HIGH_DEFAULT;
    t->low = TENON_LOW_DEFAULT;
    t->hard = TENON_HARD_DEFAULT;
    t->write_turn = UINT64_MAX;
    t->ready.run = on_ready;
    t->late.run = tenon__transport_late;
    t->refs = 1;
    t->object.locals = tenon__local_keep(reactor);
    tenon__object_add(reactor, &t->object, &object_ops);
    tenon__alive_add(reactor);
    tenon__pin(reactor);
    reactor->stats.transport_count++;
    tenon__trace_made(reactor, t, "transport");
    return t;
}

/* Neither close nor abort calls anybody, so the list stays as it is. */
void tenon__transports_end(tenon_reactor *reactor,
                           const tenon_listener *listener, bool abort)
{
    tenon_node *head = &reactor->objects;
    for (tenon_node *node = head->next; node != head; node = node->next) {
        tenon__object *object = TENON__OF(node, tenon__object, node);
        tenon_transport *t = TENON__OF(object, tenon_transport, object);
        if (object->ops != &object_ops || t->listener != listener) {
            continue;
        }
        if (abort) {
            (void)tenon_transport_abort(t);
        } else {
            (void)tenon_transport_close(t);
        }
    }
}

static void drop(tenon_reactor *reactor, tenon_node *node)
{
    tenon_transport *t = TENON__OF(node, tenon_transport, ready);
    tenon__transport_free_extra(t);
    tenon__local_forget(reactor, &t->object);
    tenon__trace_forget(reactor, t);
    tenon__free(&reactor->allocator, t, t->ops->len);
    tenon__unpin(reactor);
}

tenon_transport *tenon_transport_ref(tenon_transport *t)
{
    if (t) {
        t->refs++;
    }
    return t;
}

void tenon_transport_unref(tenon_transport *t)
{
    if (t && tenon__check_thread(t->reactor) == TENON_OK && --t->refs == 0) {
        /* Its last owed thing is to be freed. */
        t->ready.run = drop;
        tenon__drop_push(t->reactor, &t->ready);
    }
}

static tenon_status fail(tenon_transport *t, tenon_error *error)
{
    tenon_status status = tenon__check_thread(t->reactor);
    if (status == TENON_OK) {
        tenon__transport_lose(t, error, true);
    } else {
        tenon_error_unref(error);
    }
    return status;
}

tenon_status tenon_transport_close(tenon_transport *t)
{
    tenon_status status = tenon__check_thread(t->reactor);
    if (status == TENON_OK && t->state == TENON__OPENED) {
        tenon__transport_set_state(t, TENON__CLOSING);
        tenon__transport_update(t);
        if (t->state == TENON__CLOSING && !t->queue.first) {
            tenon__transport_owe(t);
        }
    } else if (status == TENON_OK && t->state == TENON__BROKEN) {
        /* What was received before is read no further. */
        tenon__transport_lose(t, NULL, false);
    }
    return status;
}

tenon_status tenon_transport_abort(tenon_transport *t)
{
    return fail(t, tenon__error(t->reactor, TENON_ABORTED, NULL, NULL));
}

tenon_status tenon_transport_fail(tenon_transport *t, tenon_error *error)
{
    return error ? fail(t, tenon_error_ref(error)) : TENON_INVALID;
}

bool tenon_transport_is_closing(const tenon_transport *t)
{
    return t->state != TENON__OPENED;
}

tenon_reactor *tenon_transport_reactor(const tenon_transport *t)
{
    return t->reactor;
}

void tenon_transport_set_daemon(tenon_transport *t, bool daemon)
{
    if (tenon__check_thread(t->reactor) < 0 || t->daemon == daemon) {
        return;
    }
    t->daemon = daemon;
    if (t->state == TENON__GONE) {
        return;
    }
    if (daemon) {
        tenon__alive_sub(t->reactor);
    } else {
        tenon__alive_add(t->reactor);
    }
}
