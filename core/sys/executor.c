/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Executors: a counted pair of a table and what it works on. The inline one is
 * a constant whose counter is left alone; its work never comes to its table.
 */

#include <string.h>

#include "sys/executor.h"

#define HAS(e, slot)                                        \
    ((e)->ops->size > offsetof(tenon_executor_ops, slot) && \
     (e)->ops->slot != NULL)

/* ---- the inline one ---- */

static tenon_status inline_submit(void *self, tenon_work *work)
{
    (void)self;
    tenon_work_run(work);
    return TENON_OK;
}

static const tenon_executor_ops inline_ops = {
    .size = sizeof inline_ops, .name = "inline", .submit = inline_submit};
static const tenon_executor inline_executor = {.refs = 1, .ops = &inline_ops};

tenon_executor *tenon_executor_inline(void)
{
    /* Never written through: is_inline guards every write. */
    union {
        const tenon_executor *read;
        tenon_executor *any;
    } view = {.read = &inline_executor};
    return view.any;
}

bool tenon__executor_is_inline(const tenon_executor *e)
{
    return e == &inline_executor;
}

/* ---- life ---- */

tenon_status tenon_executor_new(const tenon_executor_ops *ops, void *self,
                                tenon_executor **out)
{
    if (!ops || !ops->submit || !out) {
        return TENON_INVALID;
    }
    tenon_executor *e = tenon__alloc(&tenon__malloc, sizeof *e);
    if (!e) {
        return TENON_NO_MEMORY;
    }
    atomic_init(&e->refs, 1);
    atomic_init(&e->closed, false);
    atomic_init(&e->over, false);
    e->ops = ops;
    e->self = self;
    *out = e;
    return TENON_OK;
}

tenon_status tenon_executor_new_pool(tenon_executor **out,
                                     const tenon_pool_options *options)
{
    void *pool;
    tenon_status status = out ? tenon__pool_new(options, &pool) : TENON_INVALID;
    if (status == TENON_OK) {
        status = tenon_executor_new(&tenon__pool_ops, pool, out);
        if (status < 0) {
            tenon__pool_ops.release(pool);
        }
    }
    return status;
}

tenon_executor *tenon_executor_ref(tenon_executor *e)
{
    if (e && !tenon__executor_is_inline(e)) {
        atomic_fetch_add_explicit(&e->refs, 1, memory_order_relaxed);
    }
    return e;
}

void tenon_executor_unref(tenon_executor *e)
{
    if (!e || tenon__executor_is_inline(e) ||
        atomic_fetch_sub_explicit(&e->refs, 1, memory_order_acq_rel) > 1) {
        return;
    }
    if (HAS(e, release)) {
        e->ops->release(e->self);
    }
    tenon__free(&tenon__malloc, e, sizeof *e);
}

const char *tenon_executor_name(const tenon_executor *e)
{
    return e->ops->name ? e->ops->name : "";
}

/* ---- the end ---- */

void tenon__executor_close(tenon_executor *e)
{
    if (!tenon__executor_is_inline(e)) {
        atomic_store(&e->closed, true);
    }
}

tenon_status tenon_executor_shutdown(tenon_executor *e, int64_t timeout_ns)
{
    if (!e) {
        return TENON_INVALID;
    }
    if (tenon__executor_is_inline(e)) {
        return TENON_NOT_SUPPORTED;
    }
    bool before = atomic_exchange(&e->closed, true);
    tenon_status status =
        HAS(e, shutdown) ? e->ops->shutdown(e->self, timeout_ns) : TENON_OK;
    if (status == TENON_TIMED_OUT) {
        atomic_store(&e->over, true);
    } else if (status < 0) {
        atomic_store(&e->closed, before); /* nothing was done */
    }
    return status;
}

/* ---- pools ---- */

static tenon_status check_pool(const tenon_executor *e)
{
    return !e                           ? TENON_INVALID
           : e->ops == &tenon__pool_ops ? TENON_OK
                                        : TENON_NOT_SUPPORTED;
}

tenon_status tenon_executor_resize(tenon_executor *e, uint32_t threads_min,
                                   uint32_t threads_max)
{
    tenon_status status = check_pool(e);
    return status < 0 ? status
                      : tenon__pool_resize(e->self, threads_min, threads_max);
}

tenon_status tenon_executor_set_idle(tenon_executor *e, int64_t idle_ns)
{
    tenon_status status = check_pool(e);
    return status < 0 ? status : tenon__pool_set_idle(e->self, idle_ns);
}

tenon_status tenon_executor_stats(tenon_executor *e, tenon_pool_stats *out)
{
    tenon_pool_stats stats = {.size = sizeof stats};
    tenon_status status = out ? check_pool(e) : TENON_INVALID;
    if (status == TENON_OK) {
        status = tenon__pool_stats(e->self, &stats);
    }
    if (status == TENON_OK) {
        stats.size = out->size;
        memcpy(out, &stats,
               out->size < sizeof stats ? out->size : sizeof stats);
    }
    return status;
}
