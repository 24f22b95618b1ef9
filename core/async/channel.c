/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Channels. Between the ends is a ring with one writer and one reader, so that
 * two counters are all that the threads share. An end that has to wait says so
 * (`wanting`), looks once more, and is then told by a post of its own when the
 * other end has done something; `told` keeps that post from being made twice.
 * All these are sequentially consistent: of two that look for each other, one
 * will see the other.
 *
 * Who waits to send is in a wait queue. Who waits to receive is in a queue of
 * the receiver's own thread, into which items are put one by one as they are
 * wanted; so what becomes of an item whose getter was cancelled is no question
 * of threads.
 *
 * The block of both is held by each end and by each post that is under way.
 */

#include <string.h>

#include "async/channel.h"

enum { SENDER, RECEIVER };

struct tenon_channel {
    struct shared *shared;
    uint32_t side;
    bool bound;           /* its own thread's, as all to the end of `queue` */
    tenon_queue queue;    /* the sender's: its wait queue only */
    tenon_post_node post; /* made by the other end, when `told` becomes 1 */
    atomic_uint told;     /* the post is under way */
    atomic_uint wanting;  /* it waits for the other end to do something */
    atomic_uint closed;   /* it will do nothing any more */
    _Atomic(tenon_inbox *) inbox; /* once bound */
};

struct shared {
    tenon_allocator allocator;
    tenon_free_fn *free_item;
    const char *name;
    size_t capacity;
    atomic_uint refs;
    atomic_size_t sent;
    atomic_size_t received;
    tenon_channel ends[2];
    void *items[];
};

/* ---- the ring ---- */

static bool push(struct shared *s, void *item)
{
    size_t sent = atomic_load_explicit(&s->sent, memory_order_relaxed);
    if (sent - atomic_load(&s->received) >= s->capacity) {
        return false;
    }
    s->items[sent % s->capacity] = item;
    atomic_store(&s->sent, sent + 1);
    return true;
}

static bool is_empty(struct shared *s)
{
    return atomic_load(&s->sent) ==
           atomic_load_explicit(&s->received, memory_order_relaxed);
}

static void *pop(struct shared *s)
{
    size_t received = atomic_load_explicit(&s->received, memory_order_relaxed);
    void *item = s->items[received % s->capacity];
    atomic_store(&s->received, received + 1);
    return item;
}

static void free_items(struct shared *s)
{
    while (!is_empty(s)) {
        void *item = pop(s);
        if (s->free_item) {
            s->free_item(item);
        }
    }
}

/* ---- the other end ---- */

static size_t size_of(const struct shared *s)
{
    return sizeof *s + s->capacity * sizeof s->items[0];
}

static void release(struct shared *s)
{
    if (atomic_fetch_sub(&s->refs, 1) == 1) {
        tenon_allocator allocator = s->allocator;
        free_items(s);
        tenon_inbox_unref(atomic_load(&s->ends[SENDER].inbox));
        tenon_inbox_unref(atomic_load(&s->ends[RECEIVER].inbox));
        tenon__free(&allocator, s, size_of(s));
    }
}

static tenon_channel *peer_of(tenon_channel *end)
{
    return &end->shared->ends[1 - end->side];
}

static void on_told(tenon_post_node *post, tenon_status status, void *user);

static void tell(tenon_channel *end)
{
    tenon_inbox *inbox = atomic_load(&end->inbox);
    if (!inbox || atomic_exchange(&end->told, 1)) {
        return;
    }
    atomic_fetch_add(&end->shared->refs, 1);
    if (tenon_post(inbox, &end->post, on_told, end) < 0) {
        release(end->shared); /* its reactor has ended */
    }
}

/* This end has done something. */
static void tell_if_wanted(tenon_channel *end)
{
    tenon_channel *peer = peer_of(end);
    if (atomic_load(&peer->wanting) && atomic_exchange(&peer->wanting, 0)) {
        tell(peer);
    }
}

/* Twice, or by one that has not been bound, does no harm. */
static void end_here(tenon_channel *end)
{
    if (!atomic_exchange(&end->closed, 1)) {
        tell(peer_of(end));
    }
}

/* ---- sending ---- */

static tenon_channel *channel_of(tenon_waitq *q)
{
    return TENON__OF(TENON__OF(q, tenon_queue, queue), tenon_channel, queue);
}

static bool send_one(tenon_channel *end, void *item)
{
    if (!push(end->shared, item)) {
        return false;
    }
    tell_if_wanted(end);
    return true;
}

static tenon_status enter_sender(tenon_waitq *q, tenon_ticket *t)
{
    tenon_channel *end = channel_of(q);
    if (t->role != TENON__GIVES) {
        return TENON_INVALID;
    }
    if (atomic_load(&peer_of(end)->closed)) {
        return TENON_CLOSED;
    }
    if (q->count > 0) {
        return TENON_BUSY;
    }
    if (send_one(end, t->item)) {
        return TENON_OK;
    }
    atomic_store(&end->wanting, 1);
    if (atomic_load(&peer_of(end)->closed)) {
        return TENON_CLOSED;
    }
    return send_one(end, t->item) ? TENON_OK : TENON_BUSY;
}

static void send_waiting(tenon_channel *end)
{
    tenon_waitq *q = &end->queue.queue;
    tenon_ticket *t;
    if (atomic_load(&peer_of(end)->closed)) {
        (void)tenon__waitq_fail_all(q, TENON_CLOSED);
    }
    while ((t = tenon__waitq_first(q)) != NULL && send_one(end, t->item)) {
        tenon__ticket_grant(t);
    }
}

static void pump_sender(tenon_channel *end)
{
    const tenon_waitq *q = &end->queue.queue;
    send_waiting(end);
    if (q->count > 0) {
        atomic_store(&end->wanting, 1);
        send_waiting(end);
    }
}

/* ---- receiving ---- */

/* Puts one item into the receiver's queue. What was sent before the sender
 * ended is seen by whoever sees that it has. */
static bool fetch(tenon_channel *end)
{
    tenon_queue *q = &end->queue;
    bool last = atomic_load(&peer_of(end)->closed);
    if (is_empty(end->shared)) {
        if (last && !tenon_queue_is_closed(q)) {
            (void)tenon_queue_close(q, false);
        }
        return false;
    }
    if (tenon__items_reserve(q, q->count + q->handed + 1) < 0) {
        return false; /* again when one of those handed out goes on */
    }
    tenon_ticket put = tenon__ticket(TENON__GIVES, pop(end->shared));
    (void)tenon__queue_enter(&q->queue, &put); /* it has room, or a getter */
    tell_if_wanted(end);
    return true;
}

static tenon_status enter_receiver(tenon_waitq *wq, tenon_ticket *t)
{
    tenon_channel *end = channel_of(wq);
    tenon_queue *q = &end->queue;
    if (t->role != TENON__TAKES) {
        return TENON_INVALID;
    }
    while (q->count == 0 && fetch(end)) {
    }
    tenon_status status = tenon__queue_enter(wq, t);
    if (status == TENON_BUSY) {
        atomic_store(&end->wanting, 1);
        while (q->count == 0 && fetch(end)) {
        }
        status = tenon__queue_enter(wq, t);
    }
    return status;
}

static void pump_receiver(tenon_channel *end)
{
    const tenon_waitq *q = &end->queue.queue;
    while (q->count > 0 && fetch(end)) {
    }
    if (q->count > 0) {
        atomic_store(&end->wanting, 1);
        while (q->count > 0 && fetch(end)) {
        }
    }
}

static void taken(tenon_waitq *q, tenon_ticket *t)
{
    tenon__queue_taken(q, t);
    if (q->count > 0) {
        pump_receiver(channel_of(q));
    }
}

/* ---- both ---- */

static void ended(tenon_waitq *q)
{
    end_here(channel_of(q));
}

static const tenon__waitq_kind sender_kind = {
    .wait = {"channel send", tenon__ticket_unwait, tenon__wait_owner},
    .enter = enter_sender,
    .ended = ended,
    .keeps_given = true,
};
static const tenon__waitq_kind receiver_kind = {
    .wait = {"channel receive", tenon__ticket_unwait, tenon__wait_owner},
    .enter = enter_receiver,
    .taken = taken,
    .undo = tenon__queue_undo,
    .ended = ended,
};

static void on_told(tenon_post_node *post, tenon_status status, void *user)
{
    tenon_channel *end = user;
    (void)post;
    (void)atomic_exchange(&end->told, 0);
    if (end->bound && status == TENON_OK) {
        if (end->side == SENDER) {
            pump_sender(end);
        } else {
            pump_receiver(end);
        }
    }
    release(end->shared);
}

tenon_waitq *tenon__channel_queue(tenon_channel *end)
{
    return &end->queue.queue;
}

/* ---- public ---- */

static void set_up(struct shared *s, uint32_t side)
{
    tenon_channel *end = &s->ends[side];
    end->shared = s;
    end->side = side;
    tenon_post_init(&end->post);
}

static tenon_status take_options(tenon_channel_options *o,
                                 const tenon_channel_options *given)
{
    if (given && given->size < sizeof given->size + sizeof given->reserved) {
        return TENON_INVALID;
    }
    if (given) {
        memcpy(o, given, given->size < sizeof *o ? given->size : sizeof *o);
    }
    return TENON_OK;
}

tenon_status tenon_channel_new(size_t capacity,
                               const tenon_channel_options *options,
                               tenon_channel **sender, tenon_channel **receiver)
{
    tenon_channel_options o = {.size = sizeof o};
    const struct shared shape = {.capacity = capacity};
    if (capacity == 0 || !sender || !receiver ||
        take_options(&o, options) < 0) {
        return TENON_INVALID;
    }
    const tenon_allocator *allocator =
        o.allocator ? o.allocator : &tenon__malloc;
    bool fits = capacity <= (SIZE_MAX - sizeof shape) / sizeof(void *);
    struct shared *s = fits ? tenon__alloc(allocator, size_of(&shape)) : NULL;
    if (!s) {
        return TENON_NO_MEMORY;
    }
    s->allocator = *allocator;
    s->free_item = o.free_item;
    s->name = o.name;
    s->capacity = capacity;
    atomic_store(&s->refs, 2);
    set_up(s, SENDER);
    set_up(s, RECEIVER);
    *sender = &s->ends[SENDER];
    *receiver = &s->ends[RECEIVER];
    return TENON_OK;
}

static tenon_status bind_receiver(tenon_channel *end, tenon_reactor *r)
{
    const tenon_queue_options options = {.size = sizeof options,
                                         .free_item = end->shared->free_item,
                                         .name = end->shared->name};
    return tenon__queue_init(&end->queue, r, 1, &options, &receiver_kind);
}

tenon_status tenon_channel_bind(tenon_channel *end, tenon_reactor *r)
{
    tenon_status status = end ? tenon__check(r) : TENON_INVALID;
    if (status < 0 || end->bound) {
        return status < 0 ? status : TENON_BUSY;
    }
    status = end->side == RECEIVER
                 ? bind_receiver(end, r)
                 : tenon__waitq_init(&end->queue.queue, r, &sender_kind,
                                     end->shared->name);
    if (status == TENON_OK) {
        end->bound = true;
        atomic_store(&end->inbox, tenon_inbox_ref(tenon_reactor_inbox(r)));
    }
    return status;
}

static tenon_status check_close(const tenon_channel *end)
{
    const tenon_reactor *r = end->bound ? end->queue.queue.reactor : NULL;
    tenon_status status = r ? tenon__check_thread(r) : TENON_OK;
    return status == TENON_WRONG_THREAD && r->life == TENON__CLOSED ? TENON_OK
                                                                    : status;
}

tenon_status tenon_channel_close(tenon_channel *end)
{
    tenon_status status = end ? check_close(end) : TENON_OK;
    if (status < 0 || !end) {
        return status;
    }
    end_here(end);
    if (end->bound && end->side == SENDER) {
        tenon_waitq_fini(&end->queue.queue);
    } else if (end->bound) {
        tenon_queue_fini(&end->queue);
    }
    if (end->side == RECEIVER) {
        free_items(end->shared);
    }
    end->bound = false;
    release(end->shared);
    return TENON_OK;
}

tenon_status tenon_channel_send_at(tenon_channel *end, void *item,
                                   const char *site)
{
    tenon_ticket t = tenon__ticket(TENON__GIVES, item);
    return end && end->side == SENDER
               ? tenon__waitq_wait(&end->queue.queue, &t, site)
               : TENON_INVALID;
}

tenon_status tenon_channel_receive_at(tenon_channel *end, void **out,
                                      const char *site)
{
    return end && end->side == RECEIVER
               ? tenon_queue_get_at(&end->queue, out, site)
               : TENON_INVALID;
}

tenon_status tenon_channel_try_send(tenon_channel *end, void *item)
{
    tenon_ticket t = tenon__ticket(TENON__GIVES, item);
    return end && end->side == SENDER ? tenon__waitq_try(&end->queue.queue, &t)
                                      : TENON_INVALID;
}

tenon_status tenon_channel_try_receive(tenon_channel *end, void **out)
{
    return end && end->side == RECEIVER ? tenon_queue_try_get(&end->queue, out)
                                        : TENON_INVALID;
}

tenon_status tenon_channel_request_send(tenon_channel *end, void *item,
                                        tenon_ticket *t, tenon_ticket_fn *fn,
                                        void *user)
{
    if (!end || end->side != SENDER || !t) {
        return TENON_INVALID;
    }
    *t = tenon__ticket(TENON__GIVES, item);
    return tenon__waitq_request(&end->queue.queue, t, fn, user);
}

tenon_status tenon_channel_request_receive(tenon_channel *end, tenon_ticket *t,
                                           tenon_ticket_fn *fn, void *user)
{
    return end && end->side == RECEIVER
               ? tenon_queue_request_get(&end->queue, t, fn, user)
               : TENON_INVALID;
}
