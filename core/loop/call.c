/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Calls, in memory of ours: timers in a pool of chunks, named by slot and
 * sequence. A sequence is never used twice, so a handle whose call is gone
 * finds a stranger's sequence, or none, and does nothing.
 */

#include "loop/trace.h"

enum { CHUNK_SHIFT = 6, CHUNK = 1 << CHUNK_SHIFT };

typedef struct tenon__call {
    tenon_timer timer;
    uint64_t id; /* what handles know it by; 0 while it is not pending */
    tenon_call_fn *fn;
    tenon_free_fn *free_user;
    uint32_t slot;
    uint32_t next_free;
} tenon__call;

typedef struct tenon__call_pool {
    tenon__call **chunks;
    uint32_t chunk_count;
    uint32_t chunk_capacity;
    uint32_t free_slot; /* UINT32_MAX: none */
} tenon__call_pool;

static tenon__call *call_of(tenon_timer *timer)
{
    return TENON__OF(timer, tenon__call, timer);
}

static tenon__call *at(const tenon__call_pool *pool, uint32_t slot)
{
    return &pool->chunks[slot >> CHUNK_SHIFT][slot & (CHUNK - 1)];
}

/* ---- the pool ---- */

tenon_status tenon__calls_init(tenon_reactor *r)
{
    r->calls = tenon__alloc(&r->allocator, sizeof *r->calls);
    if (!r->calls) {
        return TENON_NO_MEMORY;
    }
    r->calls->free_slot = UINT32_MAX;
    return TENON_OK;
}

static tenon_status reserve_chunk(tenon_reactor *r)
{
    tenon__call_pool *pool = r->calls;
    if (pool->chunk_count < pool->chunk_capacity) {
        return TENON_OK;
    }
    uint32_t capacity = pool->chunk_capacity ? pool->chunk_capacity * 2 : 8;
    tenon__call **chunks = tenon__resize(&r->allocator, pool->chunks,
                                         pool->chunk_capacity * sizeof *chunks,
                                         capacity * sizeof *chunks);
    if (!chunks) {
        return TENON_NO_MEMORY;
    }
    pool->chunks = chunks;
    pool->chunk_capacity = capacity;
    return TENON_OK;
}

static tenon_status grow(tenon_reactor *r)
{
    tenon__call_pool *pool = r->calls;
    if (pool->chunk_count >= (UINT32_MAX >> CHUNK_SHIFT)) {
        return TENON_LIMIT;
    }
    if (reserve_chunk(r) < 0) {
        return TENON_NO_MEMORY;
    }
    tenon__call *chunk = tenon__alloc(&r->allocator, CHUNK * sizeof *chunk);
    if (!chunk) {
        return TENON_NO_MEMORY;
    }
    uint32_t first = pool->chunk_count << CHUNK_SHIFT;
    pool->chunks[pool->chunk_count++] = chunk;
    for (uint32_t i = CHUNK; i-- > 0;) {
        chunk[i].slot = first + i;
        chunk[i].next_free = pool->free_slot;
        pool->free_slot = first + i;
    }
    return TENON_OK;
}

static tenon__call *take(tenon_reactor *r)
{
    tenon__call_pool *pool = r->calls;
    if (pool->free_slot == UINT32_MAX && grow(r) < 0) {
        return NULL;
    }
    tenon__call *call = at(pool, pool->free_slot);
    pool->free_slot = call->next_free;
    call->timer = (tenon_timer){.reactor = r, .flags = TENON__TIMER_CALL};
    return call;
}

static void give(tenon_reactor *r, tenon__call *call)
{
    tenon__trace_forget(r, call);
    call->id = 0;
    call->next_free = r->calls->free_slot;
    r->calls->free_slot = call->slot;
}

static void run_free(tenon_reactor *r, tenon_node *node)
{
    tenon__call *call = call_of(TENON__OF(node, tenon_timer, node));
    tenon_free_fn *free_user = call->free_user;
    void *user = call->timer.user;
    give(r, call);
    free_user(user);
}

/* The call ran or was cancelled; it is in no list. */
static void retire(tenon_reactor *r, tenon__call *call)
{
    if (!call->free_user) {
        give(r, call);
        return;
    }
    call->id = 0;
    call->timer.state = TENON__TIMER_IDLE;
    call->timer.node.run = run_free;
    tenon__drop_push(r, &call->timer.node);
}

void tenon__call_run(tenon_reactor *r, tenon_timer *timer)
{
    tenon__call *call = call_of(timer);
    tenon_call_fn *fn = call->fn;
    void *user = timer->user;
    const char *name = timer->name;
    if (!(timer->flags & TENON__TIMER_DAEMON)) {
        tenon__alive_sub(r);
    }
    timer->state = TENON__TIMER_IDLE;
    tenon__frame frame;
    tenon__trace_lend(r, call, &frame);
    retire(r, call);
    tenon__frame_enter_named(r, &frame, NULL, "call", name);
    fn(user);
    tenon__frame_leave(r, &frame);
}

/* Ends those that never ran; what they hold is freed with the drops. */
void tenon__calls_end(tenon_reactor *r)
{
    tenon__call_pool *pool = r->calls;
    uint32_t count = pool->chunk_count << CHUNK_SHIFT;
    for (uint32_t slot = 0; slot < count; slot++) {
        tenon__call *call = at(pool, slot);
        if (call->timer.state != TENON__TIMER_IDLE) {
            tenon__timer_unschedule(&call->timer);
            retire(r, call);
        }
    }
}

void tenon__calls_fini(tenon_reactor *r)
{
    tenon__call_pool *pool = r->calls;
    if (!pool) {
        return;
    }
    for (uint32_t i = 0; i < pool->chunk_count; i++) {
        tenon__free(&r->allocator, pool->chunks[i],
                    CHUNK * sizeof **pool->chunks);
    }
    tenon__free(&r->allocator, pool->chunks,
                pool->chunk_capacity * sizeof *pool->chunks);
    tenon__free(&r->allocator, pool, sizeof *pool);
    r->calls = NULL;
}

/* ---- public: calls ---- */

static int64_t deadline_of(const tenon_reactor *r,
                           const tenon_call_options *options)
{
    if (options->flags & TENON_CALL_AT) {
        return options->time_ns;
    }
    return options->time_ns > 0
               ? tenon__add_ns(tenon__clock(r), options->time_ns)
               : 0;
}

static tenon_status schedule(tenon_reactor *r, tenon__call *call,
                             const tenon_call_options *options)
{
    call->fn = options->fn;
    call->free_user = options->free_user;
    call->timer.user = options->user;
    call->timer.name = options->name;
    if (options->flags & TENON_CALL_DAEMON) {
        call->timer.flags |= TENON__TIMER_DAEMON;
    }
    tenon_status status =
        tenon__timer_schedule(&call->timer, deadline_of(r, options));
    if (status < 0) {
        give(r, call);
        return status;
    }
    call->id = call->timer.sequence;
    return TENON_OK;
}

tenon_status tenon_call_with(tenon_reactor *r,
                             const tenon_call_options *options,
                             tenon_handle *out)
{
    tenon_status status = tenon__check(r);
    if (status < 0) {
        return status;
    }
    if (!options || !options->fn) {
        return TENON_INVALID;
    }
    tenon__call *call = take(r);
    if (!call) {
        return TENON_NO_MEMORY;
    }
    status = schedule(r, call, options);
    if (status < 0) {
        return status;
    }
    tenon__trace_made(r, call, "call");
    if (out) {
        *out = (tenon_handle){
            .reactor = r, .sequence = call->id, .slot = call->slot};
    }
    return TENON_OK;
}

/* The most frequent one, without the way through options. */
tenon_status tenon_call_soon(tenon_reactor *r, tenon_call_fn *fn, void *user)
{
    tenon_status status = tenon__check(r);
    if (status < 0 || !fn) {
        return status < 0 ? status : TENON_INVALID;
    }
    tenon__call *call = take(r);
    if (!call) {
        return TENON_NO_MEMORY;
    }
    call->fn = fn;
    call->free_user = NULL;
    call->timer.user = user;
    tenon__timer_soon(&call->timer);
    call->id = call->timer.sequence;
    tenon__trace_made(r, call, "call");
    return TENON_OK;
}

tenon_status tenon_call_later(tenon_reactor *r, int64_t delay_ns,
                              tenon_call_fn *fn, void *user, tenon_handle *out)
{
    tenon_call_options options = {.time_ns = delay_ns, .fn = fn, .user = user};
    return tenon_call_with(r, &options, out);
}

tenon_status tenon_call_at(tenon_reactor *r, int64_t deadline_ns,
                           tenon_call_fn *fn, void *user, tenon_handle *out)
{
    tenon_call_options options = {
        .time_ns = deadline_ns, .flags = TENON_CALL_AT, .fn = fn, .user = user};
    return tenon_call_with(r, &options, out);
}

/* ---- public: handles ---- */

/* The pending call, or NULL. */
static tenon__call *find(tenon_handle handle)
{
    const tenon__call_pool *pool = handle.reactor->calls;
    if (handle.sequence == 0 ||
        handle.slot >> CHUNK_SHIFT >= pool->chunk_count) {
        return NULL;
    }
    tenon__call *call = at(pool, handle.slot);
    return call->id == handle.sequence ? call : NULL;
}

tenon_status tenon_handle_cancel(tenon_handle handle)
{
    if (!handle.reactor) {
        return TENON_OK;
    }
    tenon_status status = tenon__check_thread(handle.reactor);
    if (status < 0) {
        return status;
    }
    tenon__call *call = find(handle);
    if (!call) {
        return TENON_OK;
    }
    tenon__timer_unschedule(&call->timer);
    call->fn = NULL;
    retire(handle.reactor, call);
    return TENON_EXISTED;
}

bool tenon_handle_is_pending(tenon_handle handle)
{
    return handle.reactor && find(handle) != NULL;
}

int64_t tenon_handle_when(tenon_handle handle)
{
    const tenon__call *call = handle.reactor ? find(handle) : NULL;
    return call && call->timer.state == TENON__TIMER_HEAP
               ? call->timer.deadline_ns
               : 0;
}

static tenon_status find_checked(tenon_handle handle, tenon__call **out)
{
    tenon_status status = tenon__check(handle.reactor);
    if (status < 0) {
        return status;
    }
    *out = find(handle);
    return *out ? TENON_OK : TENON_INVALID;
}

tenon_status tenon_handle_reset(tenon_handle handle, int64_t delay_ns)
{
    tenon__call *call;
    tenon_status status = find_checked(handle, &call);
    if (status < 0) {
        return status;
    }
    int64_t now_ns = tenon__clock(handle.reactor);
    return tenon__timer_move(
        &call->timer, delay_ns > 0 ? tenon__add_ns(now_ns, delay_ns) : 0);
}

tenon_status tenon_handle_delay(tenon_handle handle, int64_t extra_ns)
{
    tenon__call *call;
    tenon_status status = find_checked(handle, &call);
    if (status < 0) {
        return status;
    }
    return tenon__timer_move(&call->timer,
                             tenon__add_ns(call->timer.deadline_ns, extra_ns));
}
