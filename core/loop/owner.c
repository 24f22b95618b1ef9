/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Whose a reactor is: of one thread, from its first turn on, and of one
 * process. Every public entry asks here first.
 */

#include "loop/engine.h"

_Thread_local tenon_reactor *tenon__current
    __attribute__((tls_model("initial-exec")));

tenon_status tenon__check_thread(const tenon_reactor *r)
{
    if (!r) {
        return TENON_INVALID;
    }
    if (tenon__forked(r)) {
        return TENON_FORKED;
    }
    const void *owner =
        atomic_load_explicit(&r->inbox->owner, memory_order_relaxed);
    if (owner && owner != tenon__this_thread()) {
        return TENON_WRONG_THREAD;
    }
    return TENON_OK;
}

tenon_status tenon__check(const tenon_reactor *r)
{
    tenon_status status = tenon__check_thread(r);
    if (status == TENON_OK && r->life >= TENON__ENDING) {
        return r->end_status;
    }
    return status;
}

tenon_status tenon_reactor_rebind(tenon_reactor *r)
{
    if (!r) {
        return TENON_INVALID;
    }
    if (tenon__forked(r)) {
        return TENON_FORKED;
    }
    if (r->depth > 0 || r->run_active || r->task_count > 0) {
        return TENON_BUSY;
    }
    atomic_store_explicit(&r->inbox->owner, tenon__this_thread(),
                          memory_order_relaxed);
    return TENON_OK;
}

tenon_reactor *tenon_reactor_current(void)
{
    return tenon__current;
}
