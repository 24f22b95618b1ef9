/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Signals. The process has one handler function and one table: for each
 * signal, the disposition before ours and a list of receivers, one for each
 * reactor that wants it. The handler counts and posts each receiver's post to
 * its reactor's inbox; the rest happens in a turn. The handler takes no lock:
 * whoever changes a list holds the table's mutex with all signals blocked,
 * unlinks first, and waits until no handler is inside the table before it
 * frees.
 */

#include <pthread.h>
#include <sched.h>
#include <signal.h>

#include "loop/trace.h"

enum { SIGNAL_COUNT = 65 };

typedef struct receiver {
    tenon_post_node post;
    _Atomic(struct receiver *) next; /* of the same signal */
    atomic_uint count;
    atomic_bool chain;
    tenon_inbox *inbox;
    tenon_reactor *reactor; /* NULL: it waits for its post to come back */
    tenon_allocator allocator;
    tenon_node node; /* in reactor->receivers */
    int signo;
} receiver;

typedef void handler_fn(int signo, siginfo_t *info, void *context);

/* The one mutable global of the library besides tenon__current. */
static struct {
    pthread_mutex_t mutex;
    atomic_uint inside; /* handlers that walk a list */
    _Atomic(receiver *) first[SIGNAL_COUNT];
    struct sigaction before[SIGNAL_COUNT];
    unsigned taken; /* how often, by tenon__signal_take: for one signal */
} tenon__signal_table = {.mutex = PTHREAD_MUTEX_INITIALIZER};

/* ---- the handler ---- */

static void on_post(tenon_post_node *post, tenon_status status, void *user);

/* Whether somebody asked for the handler that was there before. */
static bool notify_receivers(int signo)
{
    bool chain = false;
    receiver *rec = atomic_load(&tenon__signal_table.first[signo]);
    for (; rec; rec = atomic_load(&rec->next)) {
        /* A parent's reactor is none of a child's business. */
        if (*(volatile unsigned char *)rec->inbox->fork_page == 0) {
            continue;
        }
        atomic_fetch_add(&rec->count, 1);
        /* Refused when it is queued already: the count has it. */
        tenon_status status = tenon_post(rec->inbox, &rec->post, on_post, rec);
        (void)status;
        chain = chain || atomic_load(&rec->chain);
    }
    return chain;
}

/* Whether there was one. */
static bool call_before(const struct sigaction *before, int signo,
                        siginfo_t *info, void *context)
{
    if (before->sa_flags & SA_SIGINFO) {
        before->sa_sigaction(signo, info, context);
    } else if (before->sa_handler == SIG_DFL || before->sa_handler == SIG_IGN) {
        return false;
    } else {
        before->sa_handler(signo);
    }
    return true;
}

static void on_signal(int signo, siginfo_t *info, void *context)
{
    int saved_errno = errno;
    atomic_fetch_add(&tenon__signal_table.inside, 1);
    bool chain = notify_receivers(signo);
    struct sigaction before = tenon__signal_table.before[signo];
    atomic_fetch_sub(&tenon__signal_table.inside, 1);
    if (chain) {
        (void)call_before(&before, signo, info, context);
    }
    errno = saved_errno;
}

/* ---- the table ---- */

static void lock_table(sigset_t *old_mask)
{
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, old_mask);
    pthread_mutex_lock(&tenon__signal_table.mutex);
}

static void unlock_table(const sigset_t *old_mask)
{
    pthread_mutex_unlock(&tenon__signal_table.mutex);
    pthread_sigmask(SIG_SETMASK, old_mask, NULL);
}

static int install(int signo, handler_fn *fn, int flags)
{
    struct sigaction action = {.sa_sigaction = fn,
                               .sa_flags = SA_SIGINFO | flags};
    sigfillset(&action.sa_mask);
    /* `before` must be in place when the first signal comes. */
    if (sigaction(signo, NULL, &tenon__signal_table.before[signo]) < 0 ||
        sigaction(signo, &action, NULL) < 0) {
        return -errno;
    }
    return 0;
}

/* Only if nobody put another one on top of ours meanwhile. */
static void restore(int signo, handler_fn *fn)
{
    struct sigaction now;
    if (sigaction(signo, NULL, &now) == 0 && (now.sa_flags & SA_SIGINFO) &&
        now.sa_sigaction == fn) {
        sigaction(signo, &tenon__signal_table.before[signo], NULL);
    }
}

static int table_add(receiver *rec)
{
    sigset_t mask;
    lock_table(&mask);
    _Atomic(receiver *) *first = &tenon__signal_table.first[rec->signo];
    int status = 0;
    if (!atomic_load(first)) {
        status = install(rec->signo, on_signal, SA_RESTART);
    }
    if (status == 0) {
        atomic_store(&rec->next, atomic_load(first));
        atomic_store(first, rec);
    }
    unlock_table(&mask);
    return status;
}

static void table_remove(receiver *rec)
{
    sigset_t mask;
    lock_table(&mask);
    _Atomic(receiver *) *at = &tenon__signal_table.first[rec->signo];
    while (atomic_load(at) != rec) {
        at = &atomic_load(at)->next;
    }
    atomic_store(at, atomic_load(&rec->next));
    if (!atomic_load(&tenon__signal_table.first[rec->signo])) {
        restore(rec->signo, on_signal);
    }
    unlock_table(&mask);
    while (atomic_load(&tenon__signal_table.inside) != 0) {
        sched_yield();
    }
}

/* ---- faults ---- */

tenon_status tenon__signal_take(int signo, handler_fn *fn)
{
    sigset_t mask;
    lock_table(&mask);
    unsigned taken = tenon__signal_table.taken;
    int status = taken ? 0 : install(signo, fn, SA_ONSTACK);
    tenon__signal_table.taken += status == 0;
    unlock_table(&mask);
    return status;
}

void tenon__signal_give(int signo, handler_fn *fn)
{
    sigset_t mask;
    lock_table(&mask);
    --tenon__signal_table.taken == 0 ? restore(signo, fn) : (void)0;
    unlock_table(&mask);
}

/* Where nobody handles it, what caused it is done again, and ends us. */
void tenon__signal_hand_on(int signo, siginfo_t *info, void *context)
{
    const struct sigaction end = {.sa_handler = SIG_DFL};
    if (call_before(&tenon__signal_table.before[signo], signo, info, context)) {
        return;
    }
    sigaction(signo, &end, NULL);
    if (info->si_code <= 0) { /* somebody sent it */
        (void)raise(signo);
    }
}

/* ---- receivers ---- */

static receiver *find_receiver(const tenon_reactor *r, int signo)
{
    for (tenon_node *n = r->receivers.next; n != &r->receivers; n = n->next) {
        receiver *rec = TENON__OF(n, receiver, node);
        if (rec->signo == signo) {
            return rec;
        }
    }
    return NULL;
}

static void free_receiver(receiver *rec)
{
    tenon_allocator allocator = rec->allocator;
    tenon_inbox_unref(rec->inbox);
    tenon__free(&allocator, rec, sizeof *rec);
}

static tenon_status make_receiver(tenon_reactor *r, int signo, receiver **out)
{
    receiver *rec = tenon__alloc(&r->allocator, sizeof *rec);
    if (!rec) {
        return TENON_NO_MEMORY;
    }
    rec->allocator = r->allocator;
    rec->inbox = tenon_inbox_ref(r->inbox);
    rec->reactor = r;
    rec->signo = signo;
    tenon_post_init(&rec->post);
    int status = table_add(rec);
    if (status < 0) {
        free_receiver(rec);
        return status;
    }
    tenon__list_push(&r->receivers, &rec->node);
    *out = rec;
    return TENON_OK;
}

/* Its post may be under way; then on_post frees it. */
static void end_receiver(receiver *rec)
{
    table_remove(rec);
    tenon__list_remove(&rec->node);
    rec->reactor = NULL;
    /* The inbox is open for as long as there are receivers. */
    (void)!tenon_post(rec->inbox, &rec->post, on_post, rec);
}

/* ---- delivering ---- */

static tenon_signal *next_pending(const tenon_reactor *r, int signo)
{
    for (tenon_node *n = r->signals.next; n != &r->signals; n = n->next) {
        tenon_signal *s = TENON__OF(n, tenon_signal, node);
        if (s->signo == signo && s->pending && !tenon__on_stack(r, s)) {
            return s;
        }
    }
    return NULL;
}

static void deliver(tenon_reactor *r, tenon_signal *s)
{
    uint32_t count = s->pending;
    s->pending = 0;
    tenon__frame frame;
    tenon__trace_lend(r, s, &frame);
    tenon__frame_enter(r, &frame, s, "signal", NULL);
    s->fn(s, count, s->user);
    tenon__frame_leave(r, &frame);
}

/* A handler that is on the stack keeps what is pending: the loop below, the
 * one that called it, finds it again. */
static void on_post(tenon_post_node *post, tenon_status status, void *user)
{
    receiver *rec = user;
    tenon_reactor *r = rec->reactor;
    (void)post;
    (void)status; /* at the end there is none any more */
    if (!r) {
        free_receiver(rec);
        return;
    }
    int signo = rec->signo;
    uint32_t count = atomic_exchange(&rec->count, 0);
    for (tenon_node *n = r->signals.next; n != &r->signals; n = n->next) {
        tenon_signal *s = TENON__OF(n, tenon_signal, node);
        s->pending += s->signo == signo ? count : 0;
    }
    tenon_signal *s;
    while (r->life < TENON__ENDING && (s = next_pending(r, signo)) != NULL) {
        deliver(r, s);
    }
}

/* ---- public ---- */

void tenon_signal_init(tenon_signal *s, tenon_reactor *r)
{
    *s = (tenon_signal){.reactor = r};
}

static bool is_catchable(int signo)
{
    switch (signo) {
    case SIGKILL:
    case SIGSTOP:
    case SIGSEGV:
    case SIGBUS:
    case SIGFPE:
    case SIGILL:
        return false;
    default:
        return signo > 0 && signo < SIGNAL_COUNT;
    }
}

/* Whether any handler of the signal on this reactor wants the old one. */
static void update_receiver(tenon_reactor *r, int signo)
{
    receiver *rec = find_receiver(r, signo);
    bool any = false;
    bool chain = false;
    for (tenon_node *n = r->signals.next; n != &r->signals; n = n->next) {
        const tenon_signal *s = TENON__OF(n, tenon_signal, node);
        any = any || s->signo == signo;
        chain = chain || (s->signo == signo && (s->flags & TENON_SIGNAL_CHAIN));
    }
    if (!any) {
        end_receiver(rec);
    } else {
        atomic_store(&rec->chain, chain);
    }
}

tenon_status tenon_signal_start(tenon_signal *s, int signo, uint32_t flags,
                                tenon_signal_fn *fn, void *user)
{
    if (!s) {
        return TENON_INVALID;
    }
    tenon_status status = tenon__check(s->reactor);
    if (status < 0) {
        return status;
    }
    if (!fn || !is_catchable(signo)) {
        return TENON_INVALID;
    }
    if (s->state) {
        return TENON_BUSY;
    }
    receiver *rec = find_receiver(s->reactor, signo);
    if (!rec) {
        status = make_receiver(s->reactor, signo, &rec);
        if (status < 0) {
            return status == -EINVAL ? TENON_INVALID : status;
        }
    }
    s->fn = fn;
    s->user = user;
    s->signo = signo;
    s->flags = flags;
    s->pending = 0;
    s->state = 1;
    tenon__list_push(&s->reactor->signals, &s->node);
    update_receiver(s->reactor, signo);
    tenon__trace_made(s->reactor, s, "signal");
    return TENON_OK;
}

tenon_status tenon_signal_stop(tenon_signal *s)
{
    if (!s || !s->state) {
        return s ? TENON_OK : TENON_INVALID;
    }
    tenon_status status = tenon__check_thread(s->reactor);
    if (status < 0) {
        return status;
    }
    s->state = 0;
    tenon__list_remove(&s->node);
    tenon__trace_forget(s->reactor, s);
    tenon__frame_forget(s->reactor, s);
    update_receiver(s->reactor, s->signo);
    return TENON_EXISTED;
}

bool tenon_signal_is_active(const tenon_signal *s)
{
    return s->state != 0;
}

/* ---- PEP 3156's verbs ---- */

typedef struct handler {
    tenon_signal signal;
    tenon_node drop;
    tenon_call_fn *fn;
    void *user;
} handler;

static void call_handler(tenon_signal *s, uint32_t count, void *user)
{
    const handler *h = TENON__OF(s, handler, signal);
    (void)count;
    (void)user;
    h->fn(h->user);
}

static handler *find_handler(const tenon_reactor *r, int signo)
{
    for (tenon_node *n = r->signals.next; n != &r->signals; n = n->next) {
        tenon_signal *s = TENON__OF(n, tenon_signal, node);
        if (s->signo == signo && s->fn == call_handler) {
            return TENON__OF(s, handler, signal);
        }
    }
    return NULL;
}

static void free_handler(tenon_reactor *r, tenon_node *node)
{
    tenon__free(&r->allocator, TENON__OF(node, handler, drop), sizeof(handler));
}

/* Its function may be on the stack, so the memory goes later. */
static void end_handler(tenon_reactor *r, handler *h)
{
    tenon_signal_stop(&h->signal);
    h->drop.run = free_handler;
    tenon__drop_push(r, &h->drop);
}

tenon_status tenon_add_signal_handler(tenon_reactor *r, int signo,
                                      tenon_call_fn *fn, void *user)
{
    tenon_status status = tenon__check(r);
    if (status < 0 || !fn) {
        return status < 0 ? status : TENON_INVALID;
    }
    handler *old = find_handler(r, signo);
    handler *h = tenon__alloc(&r->allocator, sizeof *h);
    if (!h) {
        return TENON_NO_MEMORY;
    }
    h->fn = fn;
    h->user = user;
    tenon_signal_init(&h->signal, r);
    status = tenon_signal_start(&h->signal, signo, 0, call_handler, NULL);
    if (status < 0) {
        tenon__free(&r->allocator, h, sizeof *h);
        return status;
    }
    if (old) {
        end_handler(r, old);
        return TENON_EXISTED;
    }
    return TENON_OK;
}

tenon_status tenon_remove_signal_handler(tenon_reactor *r, int signo)
{
    tenon_status status = tenon__check(r);
    if (status < 0) {
        return status;
    }
    handler *h = find_handler(r, signo);
    if (!h) {
        return TENON_OK;
    }
    end_handler(r, h);
    return TENON_EXISTED;
}

void tenon__signals_end(tenon_reactor *r)
{
    tenon_node *node;
    while ((node = tenon__list_pop(&r->signals)) != NULL) {
        tenon_signal *s = TENON__OF(node, tenon_signal, node);
        s->state = 0;
        if (s->fn == call_handler) {
            handler *h = TENON__OF(s, handler, signal);
            h->drop.run = free_handler;
            tenon__list_push(&r->drops, &h->drop);
        }
    }
    while (!tenon__list_empty(&r->receivers)) {
        end_receiver(TENON__OF(r->receivers.next, receiver, node));
    }
}
