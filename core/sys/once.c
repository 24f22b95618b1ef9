/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Work by key. An entry is a run and its key; each caller has a future of its
 * own that waits for the run. The table knows an entry while it may be shared;
 * the run, and each caller that waits, hold it. What is kept is an entry whose
 * run is done and that the table still knows.
 */

#include <string.h>

#include <tenon/once.h>

#include "async/future.h"

enum { BUCKETS = 64 };

typedef struct entry {
    tenon_node bucket; /* linked: the table knows it */
    tenon_node age;    /* among those that are kept, oldest first */
    tenon_once *once;  /* while the table knows it */
    tenon_future *run;
    tenon_waiter waiter; /* of the run */
    uint32_t refs;       /* the table's, the waiter's, one for each caller */
    uint32_t callers;    /* that wait */
    int64_t until_ns;    /* kept for so long */
    size_t len;          /* of this block */
    char key[];
} entry;

typedef struct caller {
    tenon_future future;
    tenon_waiter waiter;
    entry *entry; /* NULL: it does not wait */
} caller;

struct tenon_once {
    tenon_reactor *reactor; /* pinned */
    tenon_executor *executor;
    uint32_t keep_max;
    uint32_t kept;
    int64_t keep_ns;
    tenon_node ages;
    tenon_node buckets[BUCKETS];
};

/* ---- entries ---- */

static tenon_node *bucket_of(tenon_once *o, const char *key)
{
    uint32_t hash = 2166136261u;
    for (; *key; key++) {
        hash = (hash ^ (unsigned char)*key) * 16777619u;
    }
    return &o->buckets[hash % BUCKETS];
}

static void entry_unref(entry *e)
{
    if (--e->refs == 0) {
        tenon_reactor *r = e->run->reactor;
        tenon__pin(r);
        tenon_future_unref(e->run);
        tenon__free(&r->allocator, e, e->len);
        tenon__unpin(r);
    }
}

/* The table forgets it. */
static void entry_forget(entry *e)
{
    if (!tenon__linked(&e->bucket)) {
        return;
    }
    tenon__list_remove(&e->bucket);
    if (tenon__linked(&e->age)) {
        tenon__list_remove(&e->age);
        e->once->kept--;
    }
    e->once = NULL;
    entry_unref(e);
}

static void entry_keep(entry *e)
{
    tenon_once *o = e->once;
    int64_t now_ns = tenon_now(o->reactor);
    e->until_ns =
        o->keep_ns ? tenon__add_ns(now_ns, o->keep_ns) : TENON_FOREVER;
    tenon__list_push(&o->ages, &e->age);
    if (++o->kept > o->keep_max) {
        entry_forget(TENON__OF(o->ages.next, entry, age));
    }
}

static void on_run_done(tenon_waiter *waiter, tenon_future *run, void *user)
{
    entry *e = user;
    (void)waiter;
    if (e->once) {
        if (run->state == TENON_FUTURE_RESOLVED && e->once->keep_max > 0) {
            entry_keep(e);
        } else {
            entry_forget(e);
        }
    }
    tenon__future_see(run); /* each caller has the failure, too */
    entry_unref(e);
}

static entry *find(tenon_once *o, const char *key)
{
    tenon_node *bucket = bucket_of(o, key);
    for (tenon_node *n = bucket->next; n != bucket; n = n->next) {
        entry *e = TENON__OF(n, entry, bucket);
        if (strcmp(e->key, key) != 0) {
            continue;
        }
        if (tenon__linked(&e->age)) {
            if (e->until_ns <= tenon_now(o->reactor)) {
                entry_forget(e);
                return NULL;
            }
            tenon__list_remove(&e->age);
            tenon__list_push(&o->ages, &e->age);
        }
        return e;
    }
    return NULL;
}

static tenon_status entry_new(tenon_once *o, const char *key,
                              const tenon_work_options *options, entry **out)
{
    size_t key_len = strlen(key) + 1;
    size_t len = sizeof(entry) + key_len;
    entry *e = tenon__alloc(&o->reactor->allocator, len);
    if (!e) {
        return TENON_NO_MEMORY;
    }
    tenon_status status =
        tenon_call_in_with(o->reactor, o->executor, options, &e->run);
    if (status < 0) {
        tenon__free(&o->reactor->allocator, e, len);
        return status;
    }
    e->once = o;
    e->refs = 2;
    e->len = len;
    memcpy(e->key, key, key_len);
    tenon__list_push(bucket_of(o, key), &e->bucket);
    tenon__waiter_add(&e->waiter, e->run, on_run_done, e);
    *out = e;
    return TENON_OK;
}

/* ---- callers ---- */

static entry *leave(caller *c)
{
    entry *e = c->entry;
    c->entry = NULL;
    e->callers--;
    tenon_future_unref(&c->future);
    return e;
}

static void on_outcome(tenon_waiter *waiter, tenon_future *run, void *user)
{
    caller *c = user;
    (void)waiter;
    tenon_future_ref(&c->future);
    if (tenon__future_pending(&c->future)) {
        tenon__future_forward(run, &c->future, TENON_LINK_CANCEL_TO);
    }
    if (c->entry) { /* the forwarding may have left already */
        entry_unref(leave(c));
    }
    tenon_future_unref(&c->future);
}

static void caller_free(tenon_future *f)
{
    tenon__free(&f->reactor->allocator, f, sizeof(caller));
}

static void caller_pass_on(tenon_future *f)
{
    caller *c = (caller *)(void *)f;
    if (!c->entry) {
        return;
    }
    (void)tenon_waiter_remove(&c->waiter);
    entry *e = leave(c);
    if (e->callers == 0 && tenon__future_pending(e->run)) {
        entry_forget(e); /* who asks from now on wants another run */
        (void)tenon__future_cancel(e->run, NULL);
    }
    entry_unref(e);
}

static const tenon__future_kind kind = {
    .name = "once", .free = caller_free, .pass_on = caller_pass_on};

static void join(caller *c, entry *e)
{
    tenon_future_ref(&c->future);
    c->entry = e;
    e->refs++;
    e->callers++;
    tenon__waiter_add(&c->waiter, e->run, on_outcome, c);
}

/* ---- public ---- */

tenon_status tenon_once_new(tenon_reactor *r, tenon_executor *executor,
                            const tenon_once_options *options, tenon_once **out)
{
    tenon_once_options chosen = {.size = sizeof chosen};
    tenon_status status = tenon__check(r);
    if (status < 0 || !out) {
        return status < 0 ? status : TENON_INVALID;
    }
    if (options) {
        memcpy(&chosen, options,
               options->size < sizeof chosen ? options->size : sizeof chosen);
    }
    if (chosen.keep_ns < 0) {
        return TENON_INVALID;
    }
    tenon_once *o = tenon__alloc(&r->allocator, sizeof *o);
    if (!o) {
        return TENON_NO_MEMORY;
    }
    o->reactor = r;
    o->executor = tenon_executor_ref(executor);
    o->keep_max = chosen.keep_max;
    o->keep_ns = chosen.keep_ns;
    tenon__list_init(&o->ages);
    for (size_t i = 0; i < BUCKETS; i++) {
        tenon__list_init(&o->buckets[i]);
    }
    tenon__pin(r);
    *out = o;
    return TENON_OK;
}

/* Once closed, the reactor is memory, and no thread's. */
static bool may_change(const tenon_once *o)
{
    tenon_status status = tenon__check_thread(o->reactor);
    return status == TENON_OK ||
           (status == TENON_WRONG_THREAD && o->reactor->life == TENON__CLOSED);
}

void tenon_once_forget(tenon_once *o, const char *key)
{
    if (!o || !may_change(o)) {
        return;
    }
    for (size_t i = 0; i < BUCKETS; i++) {
        tenon_node *next;
        for (tenon_node *n = o->buckets[i].next; n != &o->buckets[i];
             n = next) {
            entry *e = TENON__OF(n, entry, bucket);
            next = n->next;
            if (!key || strcmp(e->key, key) == 0) {
                entry_forget(e);
            }
        }
    }
}

void tenon_once_free(tenon_once *o)
{
    if (!o || !may_change(o)) {
        return;
    }
    tenon_reactor *r = o->reactor;
    tenon_once_forget(o, NULL);
    tenon_executor_unref(o->executor);
    tenon__free(&r->allocator, o, sizeof *o);
    tenon__unpin(r);
}

tenon_status tenon_call_once(tenon_once *o, const char *key,
                             const tenon_work_options *options,
                             tenon_future **out)
{
    tenon_status status = o ? tenon__check(o->reactor) : TENON_INVALID;
    if (status < 0 || !key || !options || !options->fn || !out) {
        return status < 0 ? status : TENON_INVALID;
    }
    caller *c = tenon__alloc(&o->reactor->allocator, sizeof *c);
    if (!c) {
        return TENON_NO_MEMORY;
    }
    entry *e = find(o, key);
    if (!e) {
        status = entry_new(o, key, options, &e);
    } else if (options->free_user) {
        options->free_user(options->user);
    }
    if (status < 0) {
        tenon__free(&o->reactor->allocator, c, sizeof *c);
        return status;
    }
    tenon__future_setup(&c->future, o->reactor, &kind, options->name);
    join(c, e);
    *out = &c->future;
    return TENON_OK;
}
