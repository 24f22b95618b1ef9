/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The resolver that a reactor has by itself: getaddrinfo, which blocks, in a
 * few threads that do nothing else (R23). They are detached, have all signals
 * blocked and a small stack, are made on demand and end when idle.
 *
 * getaddrinfo cannot be stopped, so a lookup that is cancelled is abandoned:
 * its thread goes on, and the answer is thrown away. The reactor may end
 * meanwhile. So what a thread touches (the pool and the job it is at) is
 * counted memory from malloc, not from the reactor's allocator, which need not
 * outlive it, and the inbox, by which answers come, is let go of at its end.
 *
 * `lock` guards what stands below it; the rest is the owner thread's.
 */

#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <tenon/endpoint.h>

#include "loop/thread.h"
#include "net/address.h"
#include "net/resolver.h"

enum { THREADS_MAX = 4, STACK_LEN = 256 * 1024, IDLE_SECONDS = 5 };

typedef struct pool {
    atomic_uint refs; /* the owner's, and one for each thread */
    pthread_mutex_t lock;
    pthread_cond_t wake;
    tenon_inbox *inbox; /* until closed */
    tenon_node queue;   /* jobs that no thread has taken */
    unsigned threads;
    unsigned idle;
    unsigned waiting; /* in the queue */
    bool closed;
} pool;

/* A lookup, as a thread sees it. */
typedef struct job {
    tenon_post_node post;
    tenon_node node;      /* the owner's: in names->jobs */
    tenon_lookup *lookup; /* the owner's; NULL: abandoned */
    tenon_node queued;    /* under the lock: in pool->queue */
    int family;           /* AF_UNSPEC: both; of no account with `of` */
    int gai_code;
    int system_code;
    uint32_t count;
    tenon_address of; /* whose name is looked up; else NONE */
    tenon_address addresses[TENON_ADDRESSES_MAX];
    char name[TENON_NAME_MAX + 1];
    char host[NI_MAXHOST]; /* the name of `of` */
} job;

struct tenon__names {
    tenon_reactor *reactor;
    pool *pool;
    tenon_node jobs; /* those without an answer */
};

static void job_free(job *j)
{
    tenon__free(&tenon__malloc, j, sizeof *j);
}

/* ---- the pool ---- */

static pool *pool_new(tenon_inbox *inbox)
{
    pool *p = tenon__alloc(&tenon__malloc, sizeof *p);
    if (!p) {
        return NULL;
    }
    atomic_init(&p->refs, 1);
    p->inbox = tenon_inbox_ref(inbox);
    tenon__list_init(&p->queue);
    pthread_mutex_init(&p->lock, NULL);
    tenon__condition_init(&p->wake);
    return p;
}

static void pool_unref(pool *p)
{
    if (atomic_fetch_sub(&p->refs, 1) == 1) {
        pthread_cond_destroy(&p->wake);
        pthread_mutex_destroy(&p->lock);
        tenon__free(&tenon__malloc, p, sizeof *p);
    }
}

/* Under the lock. False: leave. */
static bool wait_for_job(pool *p)
{
    int64_t until_ns = tenon__deadline(IDLE_SECONDS * TENON_SECOND);
    bool in_time = true;
    p->idle++;
    while (!p->closed && tenon__list_empty(&p->queue) && in_time) {
        in_time = tenon__condition_wait(&p->wake, &p->lock, until_ns);
    }
    p->idle--;
    return !p->closed && !tenon__list_empty(&p->queue);
}

/* ---- in a thread ---- */

static void look_up(job *j)
{
    struct addrinfo *found = NULL;
    struct addrinfo hints = {.ai_family = j->family,
                             .ai_socktype = SOCK_STREAM};
    j->gai_code = getaddrinfo(j->name, NULL, &hints, &found);
    j->system_code = j->gai_code == EAI_SYSTEM ? errno : 0;
    if (j->gai_code != 0) {
        return;
    }
    for (const struct addrinfo *one = found; one; one = one->ai_next) {
        if (j->count < TENON_ADDRESSES_MAX && one->ai_addr &&
            tenon__address_of(&j->addresses[j->count], one->ai_addr,
                              one->ai_addrlen) == TENON_OK) {
            j->count += j->addresses[j->count].kind == TENON_ADDRESS_TCP;
        }
    }
    freeaddrinfo(found);
}

static void look_up_name(job *j)
{
    j->gai_code = getnameinfo(&j->of.as.any, j->of.len, j->host, sizeof j->host,
                              NULL, 0, NI_NAMEREQD);
    j->system_code = j->gai_code == EAI_SYSTEM ? errno : 0;
}

static void on_answer(tenon_post_node *post, tenon_status status, void *user);

static void *thread_main(void *user)
{
    pool *p = user;
    tenon__thread_name("tenon-names");
    pthread_mutex_lock(&p->lock);
    while (wait_for_job(p)) {
        job *j = TENON__OF(tenon__list_pop(&p->queue), job, queued);
        p->waiting--;
        pthread_mutex_unlock(&p->lock);
        (j->of.kind == TENON_ADDRESS_NONE ? look_up : look_up_name)(j);
        pthread_mutex_lock(&p->lock);
        /* Posting neither waits nor locks. */
        if (p->closed || tenon_post(p->inbox, &j->post, on_answer, j) < 0) {
            job_free(j); /* the reactor ended first */
        }
    }
    p->threads--;
    pthread_mutex_unlock(&p->lock);
    pool_unref(p);
    return NULL;
}

/* Under the lock. */
static tenon_status thread_start(pool *p)
{
    atomic_fetch_add(&p->refs, 1);
    p->threads++;
    tenon_status status = tenon__thread_start(thread_main, p, STACK_LEN, NULL);
    if (status < 0) {
        p->threads--;
        atomic_fetch_sub(&p->refs, 1);
    }
    return status;
}

/* ---- the owner's side ---- */

static tenon_error *error_of(const job *j)
{
    char message[TENON_NAME_MAX + 128];
    bool system = j->gai_code == EAI_SYSTEM;
    tenon_error_options options = {.size = sizeof options,
                                   .status = TENON_UNRESOLVED,
                                   .domain = "resolver",
                                   .message = message};
    if (j->gai_code == EAI_MEMORY) {
        return tenon_error_of(TENON_NO_MEMORY, NULL);
    }
    options.system_code = system ? j->system_code : j->gai_code;
    snprintf(message, sizeof message, "%s: %s (%d)", j->name,
             system ? tenon_status_text(-j->system_code)
                    : gai_strerror(j->gai_code),
             j->gai_code);
    return tenon_error_new(&options);
}

static void on_answer(tenon_post_node *post, tenon_status status, void *user)
{
    job *j = user;
    tenon_lookup *lookup = j->lookup;
    (void)post;
    (void)status;
    tenon__list_remove(&j->node);
    if (lookup) {
        tenon_error *error = j->gai_code ? error_of(j) : NULL;
        for (uint32_t i = 0; i < j->count && !error; i++) {
            if (tenon_lookup_add(lookup, &j->addresses[i]) == TENON_NO_MEMORY) {
                error = tenon_error_of(TENON_NO_MEMORY, NULL);
            }
        }
        if (!error && j->of.kind != TENON_ADDRESS_NONE) {
            (void)tenon_lookup_set_host(lookup, j->host); /* if it is one */
        }
        tenon_lookup_done(lookup, error);
        tenon_error_unref(error);
    }
    job_free(j);
}

static tenon_status submit(pool *p, job *j)
{
    tenon_status status = TENON_OK;
    pthread_mutex_lock(&p->lock);
    tenon__list_push(&p->queue, &j->queued);
    p->waiting++;
    if (p->waiting > p->idle && p->threads < THREADS_MAX) {
        status = thread_start(p);
    }
    if (status < 0 && p->threads == 0) {
        tenon__list_remove(&j->queued);
        p->waiting--;
    } else {
        status = TENON_OK;
        pthread_cond_signal(&p->wake);
    }
    pthread_mutex_unlock(&p->lock);
    return status;
}

static tenon_status names_resolve(void *self, tenon_lookup *lookup)
{
    tenon__names *n = self;
    job *j = tenon__alloc(&tenon__malloc, sizeof *j);
    if (!j) {
        return TENON_NO_MEMORY;
    }
    tenon_post_init(&j->post);
    j->lookup = lookup;
    j->family = tenon_lookup_family(lookup);
    if (tenon_lookup_address(lookup)) {
        j->of = *tenon_lookup_address(lookup);
    }
    memcpy(j->name, tenon_lookup_name(lookup),
           strlen(tenon_lookup_name(lookup)) + 1);
    tenon_status status = submit(n->pool, j);
    if (status < 0) {
        job_free(j);
        return status;
    }
    tenon__list_push(&n->jobs, &j->node);
    tenon_lookup_set_data(lookup, j);
    return TENON_OK;
}

/* Whether no thread had it yet; it is then freed. */
static bool withdraw(pool *p, job *j)
{
    pthread_mutex_lock(&p->lock);
    bool waits = tenon__linked(&j->queued);
    if (waits) {
        tenon__list_remove(&j->queued);
        p->waiting--;
    }
    pthread_mutex_unlock(&p->lock);
    if (waits) {
        tenon__list_remove(&j->node);
        job_free(j);
    }
    return waits;
}

static void names_cancel(void *self, tenon_lookup *lookup)
{
    tenon__names *n = self;
    job *j = tenon_lookup_data(lookup);
    /* In a child the lock may be held by a thread that is not there. */
    if (tenon__forked(n->reactor) || !withdraw(n->pool, j)) {
        j->lookup = NULL;
    }
}

const tenon_resolver_ops tenon__names_ops = {.size = sizeof tenon__names_ops,
                                             .name = "threads",
                                             .resolve = names_resolve,
                                             .cancel = names_cancel,
                                             .resolve_name = names_resolve};

tenon__names *tenon__names_new(tenon_reactor *reactor)
{
    tenon__names *n = tenon__alloc(&reactor->allocator, sizeof *n);
    if (!n) {
        return NULL;
    }
    n->reactor = reactor;
    n->pool = pool_new(reactor->inbox);
    tenon__list_init(&n->jobs);
    if (!n->pool) {
        tenon__free(&reactor->allocator, n, sizeof *n);
        return NULL;
    }
    return n;
}

/* In a forked child there are no threads, and the lock may be held. */
void tenon__names_end(tenon__names *n)
{
    tenon_reactor *reactor = n->reactor;
    tenon_node *node;
    while ((node = tenon__list_pop(&n->jobs)) != NULL) {
        /* Its thread frees it. */
        tenon__report_status(reactor, "abandoned lookup",
                             TENON__OF(node, job, node)->name, n,
                             TENON_PENDING);
    }
    if (!tenon__forked(reactor)) {
        pthread_mutex_lock(&n->pool->lock);
        n->pool->closed = true;
        tenon_inbox_unref(n->pool->inbox);
        pthread_cond_broadcast(&n->pool->wake);
        pthread_mutex_unlock(&n->pool->lock);
        pool_unref(n->pool);
    }
    tenon__free(&reactor->allocator, n, sizeof *n);
}

void tenon__names_dump(const tenon__names *n, FILE *file)
{
    tenon_node *node = n->jobs.next;
    for (; node != &n->jobs; node = node->next) {
        const job *j = TENON__OF(node, job, node);
        if (!j->lookup) {
            fprintf(file, ", abandoned %s", j->name);
        }
    }
}
