/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The pool of threads: one queue, one lock. Threads are made when more work
 * waits than threads are idle, and end when they have been idle for long, are
 * too many, or the pool is closed and its queue empty. They are detached, and
 * count the pool; so whoever closes it need not wait for them.
 *
 * A work that was accepted is in the queue, then is one of those that run. In
 * a forked child there is no thread, and the lock may be held by one: nothing
 * is touched there, and what the child's copy holds is lost to it.
 */

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "loop/thread.h"
#include "sys/executor.h"

enum { IDLE_SECONDS = 5, THREADS_DEFAULT_MAX = 32, NAME_LEN = 16 };

typedef struct pool {
    atomic_uint refs; /* the executor's, and one for each thread */
    pid_t pid;        /* of the process that the threads are in */
    size_t stack_len;
    uint32_t queue_max;
    char name[NAME_LEN];
    pthread_mutex_t lock;
    pthread_cond_t wake; /* threads: there is work, or another rule */
    pthread_cond_t calm; /* who shuts down: less runs */
    tenon_node queue;    /* of work, by `queued` */
    tenon_node members;
    uint32_t min;
    uint32_t max;
    uint32_t threads;
    uint32_t idle;
    uint32_t running;
    uint32_t waiting; /* in the queue */
    int64_t idle_ns;
    bool closed;
} pool;

/* A thread, on its own stack. */
typedef struct member {
    tenon_node node;
    pthread_t thread;
} member;

static void pool_unref(pool *p)
{
    if (atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) == 1) {
        pthread_cond_destroy(&p->wake);
        pthread_cond_destroy(&p->calm);
        pthread_mutex_destroy(&p->lock);
        tenon__free(&tenon__malloc, p, sizeof *p);
    }
}

static bool forked(const pool *p)
{
    return p->pid != getpid();
}

/* ---- in a thread ---- */

/* Under the lock. False: leave. */
static bool wait_for_work(pool *p)
{
    int64_t since_ns = tenon__deadline(0);
    bool in_time = true;
    for (;;) {
        if (p->threads > p->max) {
            return false; /* others are left */
        }
        if (!tenon__list_empty(&p->queue)) {
            return true;
        }
        bool stays = p->threads <= p->min;
        if (p->closed || (!in_time && !stays)) {
            return false;
        }
        int64_t until_ns =
            stays ? TENON_FOREVER : tenon__add_ns(since_ns, p->idle_ns);
        p->idle++;
        in_time = tenon__condition_wait(&p->wake, &p->lock, until_ns);
        p->idle--;
    }
}

/* Under the lock, which is let go of meanwhile. */
static void run_one(pool *p)
{
    tenon_work *work =
        TENON__OF(tenon__list_pop(&p->queue), tenon_work, queued);
    p->waiting--;
    p->running++;
    pthread_mutex_unlock(&p->lock);
    tenon_work_run(work);
    pthread_mutex_lock(&p->lock);
    p->running--;
    if (p->closed) {
        pthread_cond_broadcast(&p->calm);
    }
}

static void *thread_main(void *user)
{
    pool *p = user;
    member me = {.thread = pthread_self()};
    tenon__thread_name(p->name);
    pthread_mutex_lock(&p->lock);
    tenon__list_push(&p->members, &me.node);
    while (wait_for_work(p)) {
        run_one(p);
    }
    tenon__list_remove(&me.node);
    p->threads--;
    pthread_cond_broadcast(&p->calm);
    pthread_mutex_unlock(&p->lock);
    pool_unref(p);
    return NULL;
}

/* Under the lock: threads for what waits. A failure matters if there is none
 * at all. */
static tenon_status start_threads(pool *p)
{
    uint32_t wanted = p->waiting > p->idle ? p->waiting - p->idle : 0;
    for (; wanted > 0 && p->threads < p->max; wanted--) {
        atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
        p->threads++;
        tenon_status status =
            tenon__thread_start(thread_main, p, p->stack_len, NULL);
        if (status < 0) {
            p->threads--;
            atomic_fetch_sub_explicit(&p->refs, 1, memory_order_relaxed);
            return p->threads > 0 ? TENON_OK : status;
        }
    }
    return TENON_OK;
}

/* ---- the table ---- */

static tenon_status enqueue(pool *p, tenon_work *work)
{
    if (p->closed) {
        return TENON_CLOSED;
    }
    if (p->waiting + p->running >= (uint64_t)p->queue_max + p->max) {
        return TENON_LIMIT;
    }
    tenon__list_push(&p->queue, &work->queued);
    p->waiting++;
    tenon_status status = start_threads(p);
    if (status < 0) {
        tenon__list_remove(&work->queued);
        p->waiting--;
        return status;
    }
    pthread_cond_signal(&p->wake);
    return TENON_OK;
}

static tenon_status pool_submit(void *self, tenon_work *work)
{
    pool *p = self;
    if (forked(p)) {
        return TENON_FORKED;
    }
    pthread_mutex_lock(&p->lock);
    tenon_status status = enqueue(p, work);
    pthread_mutex_unlock(&p->lock);
    return status;
}

static tenon_status pool_withdraw(void *self, tenon_work *work)
{
    pool *p = self;
    if (forked(p)) {
        return TENON_OK;
    }
    pthread_mutex_lock(&p->lock);
    bool waits = tenon__linked(&work->queued);
    if (waits) {
        tenon__list_remove(&work->queued);
        p->waiting--;
        pthread_cond_broadcast(&p->calm);
    }
    pthread_mutex_unlock(&p->lock);
    return waits ? TENON_EXISTED : TENON_OK;
}

/* Under the lock. */
static bool is_member(const pool *p)
{
    const tenon_node *node = p->members.next;
    for (; node != &p->members; node = node->next) {
        const member *one = TENON__OF(node, const member, node);
        if (pthread_equal(one->thread, pthread_self())) {
            return true;
        }
    }
    return false;
}

/* Out of the queue, where nobody withdraws or takes them any more; a chain by
 * `data`. Under the lock. */
static tenon_work *take_queue(pool *p)
{
    tenon_work *first = NULL;
    tenon_node *node;
    while ((node = tenon__list_pop(&p->queue)) != NULL) {
        tenon_work *work = TENON__OF(node, tenon_work, queued);
        work->data = first;
        first = work;
    }
    p->waiting = 0;
    return first;
}

static void drop_all(tenon_work *work)
{
    while (work) {
        tenon_work *next = work->data;
        tenon_work_drop(work, TENON_CLOSED);
        work = next;
    }
}

/* Threads that have nothing to run leave at once, so these are waited for
 * however short the time is. Under the lock. */
static bool wait_for_calm(pool *p, int64_t timeout_ns)
{
    int64_t until_ns = timeout_ns == TENON_FOREVER
                           ? TENON_FOREVER
                           : tenon__deadline(timeout_ns);
    bool in_time = true;
    while (p->waiting + p->running > 0 && in_time) {
        in_time = tenon__condition_wait(&p->calm, &p->lock, until_ns);
    }
    if (p->waiting + p->running > 0) {
        return false;
    }
    while (p->threads > 0) {
        (void)tenon__condition_wait(&p->calm, &p->lock, TENON_FOREVER);
    }
    return true;
}

static tenon_status pool_shutdown(void *self, int64_t timeout_ns)
{
    pool *p = self;
    tenon_work *dropped = NULL;
    tenon_status status = TENON_OK;
    if (forked(p)) {
        return TENON_FORKED;
    }
    pthread_mutex_lock(&p->lock);
    if (is_member(p)) {
        status = -EDEADLK;
    } else {
        p->closed = true;
        pthread_cond_broadcast(&p->wake);
        if (!wait_for_calm(p, timeout_ns)) {
            status = TENON_TIMED_OUT;
            dropped = take_queue(p);
        }
    }
    pthread_mutex_unlock(&p->lock);
    drop_all(dropped);
    return status;
}

static void pool_release(void *self)
{
    pool *p = self;
    if (forked(p)) {
        return;
    }
    pthread_mutex_lock(&p->lock);
    p->closed = true;
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->lock);
    pool_unref(p);
}

/* ---- for executor.c ---- */

static uint32_t default_threads(void)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    long wanted = (processors > 0 ? processors : 1) + 4;
    return wanted < THREADS_DEFAULT_MAX ? (uint32_t)wanted
                                        : THREADS_DEFAULT_MAX;
}

static bool are_bounds(uint32_t min, uint32_t max)
{
    return max > 0 && min <= max && max <= TENON_POOL_THREADS_MAX;
}

static void choose(tenon_pool_options *chosen,
                   const tenon_pool_options *options)
{
    if (options) {
        memcpy(chosen, options,
               options->size < sizeof *chosen ? options->size : sizeof *chosen);
    }
    if (chosen->threads_max == 0) {
        uint32_t most = default_threads();
        chosen->threads_max =
            chosen->threads_min > most ? chosen->threads_min : most;
    }
    if (chosen->queue_max == 0) {
        chosen->queue_max = TENON_POOL_QUEUE_DEFAULT;
    }
    if (chosen->idle_ns == 0) {
        chosen->idle_ns = IDLE_SECONDS * TENON_SECOND;
    }
    if (chosen->stack_len == 0) {
        chosen->stack_len = TENON_POOL_STACK_DEFAULT;
    }
}

tenon_status tenon__pool_new(const tenon_pool_options *options, void **out)
{
    tenon_pool_options chosen = {.size = sizeof chosen};
    choose(&chosen, options);
    if (!are_bounds(chosen.threads_min, chosen.threads_max) ||
        chosen.idle_ns < 0 ||
        chosen.stack_len < (size_t)sysconf(_SC_THREAD_STACK_MIN)) {
        return TENON_INVALID;
    }
    pool *p = tenon__alloc(&tenon__malloc, sizeof *p);
    if (!p) {
        return TENON_NO_MEMORY;
    }
    atomic_init(&p->refs, 1);
    p->pid = getpid();
    p->stack_len = chosen.stack_len;
    p->queue_max = chosen.queue_max;
    p->min = chosen.threads_min;
    p->max = chosen.threads_max;
    p->idle_ns = chosen.idle_ns;
    snprintf(p->name, sizeof p->name, "%s",
             chosen.name ? chosen.name : "tenon-work");
    tenon__list_init(&p->queue);
    tenon__list_init(&p->members);
    pthread_mutex_init(&p->lock, NULL);
    tenon__condition_init(&p->wake);
    tenon__condition_init(&p->calm);
    *out = p;
    return TENON_OK;
}

tenon_status tenon__pool_resize(void *self, uint32_t min, uint32_t max)
{
    pool *p = self;
    if (!are_bounds(min, max) || forked(p)) {
        return forked(p) ? TENON_FORKED : TENON_INVALID;
    }
    pthread_mutex_lock(&p->lock);
    p->min = min;
    p->max = max;
    (void)!start_threads(p); /* those that there are go on */
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->lock);
    return TENON_OK;
}

tenon_status tenon__pool_set_idle(void *self, int64_t idle_ns)
{
    pool *p = self;
    if (idle_ns < 0 || forked(p)) {
        return idle_ns < 0 ? TENON_INVALID : TENON_FORKED;
    }
    pthread_mutex_lock(&p->lock);
    p->idle_ns = idle_ns;
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->lock);
    return TENON_OK;
}

tenon_status tenon__pool_stats(void *self, tenon_pool_stats *out)
{
    pool *p = self;
    if (forked(p)) {
        return TENON_FORKED;
    }
    pthread_mutex_lock(&p->lock);
    out->threads = p->threads;
    out->idle = p->idle;
    out->running = p->running;
    out->waiting = p->waiting;
    pthread_mutex_unlock(&p->lock);
    return TENON_OK;
}

const tenon_executor_ops tenon__pool_ops = {.size = sizeof tenon__pool_ops,
                                            .name = "threads",
                                            .submit = pool_submit,
                                            .withdraw = pool_withdraw,
                                            .shutdown = pool_shutdown,
                                            .release = pool_release};
