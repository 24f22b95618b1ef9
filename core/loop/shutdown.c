/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The end. tenon_reactor_close runs the shutdown hooks (HOOKS), then the
 * engine leaves its host at once and, when nothing of the reactor is on the
 * stack any more, tells everybody what is owed (ENDING) and is CLOSED. The
 * memory goes when the host has let go and the last reference is dropped.
 */

#include "loop/trace.h"

/* One that did not ask for time stays RUNNING: it may be freed already. */
enum hook_state {
    HOOK_IDLE,
    HOOK_WAITING,
    HOOK_RUNNING,
    HOOK_PENDING,
    HOOK_DONE
};

/* ---- the last steps ---- */

static void fini(tenon_reactor *r)
{
    tenon_allocator allocator = r->allocator;
    tenon__calls_fini(r);
    if (r->async) {
        r->async->free(r);
    }
    (void)tenon__traces_set(r, TENON_DEBUG_OFF);
    tenon_inbox_unref(r->inbox);
    tenon__free(&allocator, r->read_buffer, r->read_buffer_len);
    tenon__free(&allocator, r->spare_chunk, r->spare_chunk_len);
    tenon__free(&allocator, r->name_block, r->name_len);
    tenon__free(&allocator, r, sizeof *r);
}

void tenon__reactor_discard(tenon_reactor *r)
{
    if (r->poller.epoll_fd >= 0) {
        tenon__poller_fini(r);
    }
    fini(r);
}

void tenon__pin(tenon_reactor *r)
{
    r->pins++;
}

void tenon__unpin(tenon_reactor *r)
{
    if (--r->pins == 0 && r->refs == 0) {
        fini(r);
    }
}

/* Both the host and the engine are through. */
static void complete(tenon_reactor *r)
{
    tenon__poller_fini(r);
    if (r->on_closed) {
        r->on_closed(r->on_closed_user);
    }
    tenon__unpin(r);
}

static void host_closed(void *token)
{
    tenon_reactor *r = token;
    r->host_done = true;
    if (r->life == TENON__CLOSED) {
        complete(r);
    }
}

void tenon__host_closed_in_child(void *token)
{
    (void)token;
}

static void end_objects(tenon_reactor *r)
{
    tenon_node *node;
    while (!tenon__forked(r) && (node = r->objects.next) != &r->objects) {
        tenon__object *object = TENON__OF(node, tenon__object, node);
        tenon__list_remove(node);
        object->ops->end(object, r->end_status); /* which may free it */
    }
}

/* Posts that were accepted, futures that are done, tickets: who waits is
 * told. */
static bool run_owed(tenon_reactor *r, tenon_node *node)
{
    if (r->async && (node->run == r->async->run_waiter ||
                     node->run == r->async->run_ticket)) {
        node->run(r, node);
        return true;
    }
    return tenon__post_run_closed(r, node);
}

/* What else is queued is the work of objects that have ended, calls and
 * timers. */
static void end_queues(tenon_reactor *r)
{
    tenon_node *lists[] = {&r->round, &r->ready};
    tenon_node rest;
    tenon__list_init(&rest);
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        tenon_node *node;
        while ((node = tenon__list_pop(lists[i])) != NULL) {
            if (!run_owed(r, node)) {
                tenon__list_push(&rest, node);
            }
        }
    }
    tenon__list_splice(&r->ready, &rest);
}

static void empty(tenon_node *list)
{
    while (tenon__list_pop(list)) {
    }
}

/* ---- hooks ---- */

static tenon_shutdown *hook_of(tenon_node *node)
{
    return TENON__OF(node, tenon_shutdown, node);
}

static void report_hook(tenon_reactor *r, const tenon_shutdown *hook,
                        tenon_status status)
{
    tenon__report_status(r, "shutdown hook", NULL, hook, status);
}

static tenon_status call_hook(tenon_reactor *r, tenon_shutdown *hook)
{
    tenon__frame frame;
    hook->state = HOOK_RUNNING;
    r->hook = hook;
    tenon__frame_enter(r, &frame, hook, "shutdown hook", NULL);
    tenon_status status = hook->fn(r, hook, hook->user);
    tenon__frame_leave(r, &frame);
    bool pending = status == TENON_PENDING && r->hook == hook &&
                   hook->state == HOOK_RUNNING;
    if (pending) {
        hook->state = HOOK_PENDING;
    } else if (r->hook == hook) { /* a nested loop may be at the next one */
        r->hook = NULL;
    }
    if (status < 0) {
        report_hook(r, hook, status);
    }
    return pending ? TENON_PENDING : TENON_OK;
}

/* Those that an end without tenon_reactor_close left over: nobody waits. */
static void end_hooks(tenon_reactor *r)
{
    if (r->hook) {
        r->hook->state = HOOK_DONE;
        r->hook = NULL;
    }
    while (!tenon__forked(r) && !tenon__list_empty(&r->hooks)) {
        tenon_node *newest = r->hooks.prev;
        tenon__list_remove(newest);
        (void)call_hook(r, hook_of(newest));
        if (r->hook) {
            r->hook->state = HOOK_DONE;
            r->hook = NULL;
        }
    }
}

/* What is left when the objects have ended. */
static void end_all(tenon_reactor *r)
{
    if (r->async) {
        r->async->end(r, r->end_status);
    }
    tenon__signals_end(r);
    tenon__inbox_close(r);
    end_queues(r);
    tenon__calls_end(r);
    tenon__timers_end(r);
    tenon__periodics_end(r);
    tenon__watches_end(r);
    if (r->async) {
        r->async->end_unseen(r);
    }
    empty(&r->late);
    empty(&r->ending);
    empty(&r->parked);
    tenon__drops_run(r);
    r->phase = TENON__IDLE;
    r->life = TENON__CLOSED;
}

/* The child of a fork in one of these callbacks stops there: what is left to
 * end is its parent's. */
void tenon__finish(tenon_reactor *r)
{
    tenon_reactor *outer = tenon__current;
    tenon__current = r;
    r->depth++;
    r->mark_ns = tenon__clock(r);
    r->lap_ns = tenon__lap(r);
    end_hooks(r);
    end_objects(r);
    bool parent = !tenon__forked(r);
    if (parent) {
        end_all(r);
    }
    r->depth--;
    tenon__current = outer;
    if (parent && r->host_done) {
        complete(r);
    }
}

/* A host that is found gone in one of its slots, so inside of any call, is
 * dead at once, but what is owed is told by the next close or unref. */
static void finish_if_possible(tenon_reactor *r)
{
    if (r->life == TENON__ENDING && r->depth == 0 && !r->in_slot) {
        tenon__finish(r);
    }
}

/* Leaving the host comes first, so that a nested loop of it does not spin on
 * a descriptor that nobody serves. */
void tenon__end(tenon_reactor *r, tenon_status status)
{
    if (r->life >= TENON__ENDING) {
        finish_if_possible(r);
        return;
    }
    r->life = TENON__ENDING;
    r->end_status = status;
    tenon__alive_end(r);
    if (!r->host_open) {
        r->host_done = true;
    } else if (status != TENON_HOST_GONE) {
        r->host_open = false;
        r->ops->close(r->host, host_closed, r);
    } else {
        r->host_open = false;
        r->host_done = true;
    }
    finish_if_possible(r);
}

void tenon_reactor_host_gone(tenon_reactor *r)
{
    if (tenon__check_thread(r) == TENON_OK) {
        tenon__end(r, TENON_HOST_GONE);
    }
}

/* ---- closing with hooks ---- */

static void run_hooks(tenon_reactor *r)
{
    while (!r->hook && !tenon__list_empty(&r->hooks)) {
        tenon_node *newest = r->hooks.prev;
        tenon__list_remove(newest);
        call_hook(r, hook_of(newest));
    }
    if (!r->hook) {
        tenon_timer_stop(&r->hook_timer);
        tenon__end(r, TENON_CLOSED);
    }
}

static void run_hooks_in_turn(tenon_reactor *r, tenon_node *node)
{
    (void)node;
    if (r->life == TENON__HOOKS) {
        run_hooks(r);
    }
}

static void continue_soon(tenon_reactor *r)
{
    if (!tenon__linked(&r->hook_node)) {
        r->hook_node.run = run_hooks_in_turn;
        tenon__ready_push(r, &r->hook_node);
    }
}

static void on_hook_timeout(tenon_timer *timer, void *user);

/* Its place in the heap is kept since there are hooks. */
static void start_hook_timer(tenon_reactor *r)
{
    (void)!tenon_timer_start(&r->hook_timer, r->shutdown_timeout_ns,
                             on_hook_timeout, r);
}

static void on_hook_timeout(tenon_timer *timer, void *user)
{
    tenon_reactor *r = user;
    tenon_shutdown *late = r->hook;
    /* The next one gets as much; so it is not waited for without end. */
    (void)timer;
    start_hook_timer(r);
    continue_soon(r);
    if (late) {
        late->state = HOOK_DONE;
        r->hook = NULL;
        report_hook(r, late, TENON_TIMED_OUT);
    }
}

tenon_status tenon_reactor_on_shutdown(tenon_reactor *r, tenon_shutdown *hook,
                                       tenon_shutdown_fn *fn, void *user)
{
    tenon_status status = tenon__check(r);
    if (status < 0 || !hook || !fn) {
        return status < 0 ? status : TENON_INVALID;
    }
    status = tenon__timer_keep(&r->hook_timer); /* they have a deadline */
    if (status < 0) {
        return status;
    }
    *hook = (tenon_shutdown){
        .reactor = r, .fn = fn, .user = user, .state = HOOK_WAITING};
    tenon__list_push(&r->hooks, &hook->node);
    return TENON_OK;
}

/* One that is waited for is waited for no longer. */
void tenon_shutdown_remove(tenon_shutdown *hook)
{
    if (hook && hook->state == HOOK_WAITING) {
        if (tenon__check_thread(hook->reactor) == TENON_OK) {
            tenon__list_remove(&hook->node);
            hook->state = HOOK_IDLE;
        }
    } else if (hook && hook->state == HOOK_PENDING) {
        tenon_shutdown_done(hook);
    }
}

/* Afterwards the reactor may be gone. */
void tenon_shutdown_done(tenon_shutdown *hook)
{
    if (!hook || (hook->state != HOOK_RUNNING && hook->state != HOOK_PENDING)) {
        return;
    }
    tenon_reactor *r = hook->reactor;
    if (tenon__check(r) < 0) {
        return;
    }
    hook->state = HOOK_DONE;
    if (r->hook == hook) {
        r->hook = NULL;
        continue_soon(r);
    }
}

/* ---- close ---- */

/* A native reactor has nobody else to run its turns. A stop, even one of the
 * last reference, does not end these. */
static void wait_for_hooks(tenon_reactor *r)
{
    tenon_turn_result result;
    r->run_active = true;
    do {
        r->stopping = false;
    } while (tenon__enter(r, 1, TENON_FOREVER, &result) == TENON_OK);
    r->run_active = false;
}

static tenon_status close_with_hooks(tenon_reactor *r)
{
    tenon__pin(r);
    r->life = TENON__HOOKS;
    start_hook_timer(r);
    r->deferred = false; /* ask the host again: it may have gone since */
    continue_soon(r);
    if (r->kind == TENON__NATIVE) {
        wait_for_hooks(r);
    }
    finish_if_possible(r); /* if that was found */
    tenon_status status = r->life == TENON__HOOKS ? TENON_PENDING : TENON_OK;
    tenon__unpin(r);
    return status;
}

tenon_status tenon_reactor_close(tenon_reactor *r)
{
    tenon_status status = tenon__check_thread(r);
    if (status < 0) {
        return status;
    }
    if (r->life == TENON__HOOKS) {
        return TENON_PENDING;
    }
    bool entered = r->kind == TENON__NATIVE && r->depth > 0 &&
                   r->life == TENON__OPEN; /* by an eager task */
    if (r->run_active || entered) {
        return r->life == TENON__OPEN ? TENON_BUSY : TENON_OK;
    }
    if (r->life == TENON__OPEN && !tenon__list_empty(&r->hooks)) {
        return close_with_hooks(r);
    }
    tenon__end(r, TENON_CLOSED);
    return TENON_OK;
}

bool tenon_reactor_is_closed(const tenon_reactor *r)
{
    return r->life >= TENON__ENDING;
}

tenon_reactor *tenon_reactor_ref(tenon_reactor *r)
{
    r->refs++;
    return r;
}

/* In a child the engine is the parent's: nothing is touched. Once closed it is
 * memory, and nobody's thread owns that. */
void tenon_reactor_unref(tenon_reactor *r)
{
    tenon_status status = r ? tenon__check_thread(r) : TENON_INVALID;
    bool may = status == TENON_OK ||
               (status == TENON_WRONG_THREAD && r->life == TENON__CLOSED);
    if (!may || --r->refs > 0) {
        return;
    }
    if (r->run_active) {
        r->stopping = true; /* tenon_run ends it */
        return;
    }
    tenon__pin(r);
    tenon__end(r, TENON_CLOSED);
    tenon__unpin(r);
}
