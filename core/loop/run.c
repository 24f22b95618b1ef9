/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * tenon_run and its kin: for a loop that Tenon made, native or of a host.
 */

#include "loop/engine.h"

static tenon_status check_run(const tenon_reactor *r)
{
    tenon_status status = tenon__check(r);
    if (status < 0) {
        return status;
    }
    if (tenon__current) {
        return TENON_BUSY;
    }
    if (r->kind != TENON__NATIVE && !TENON__HOST_HAS(r, run)) {
        return TENON_NOT_SUPPORTED;
    }
    return TENON_OK;
}

/* Callbacks of the host itself see the reactor that runs, too. */
static void begin_run(tenon_reactor *r)
{
    tenon__pin(r);
    r->run_active = true;
    tenon__current = r;
}

/* A reactor that was closed, or lost its last reference, under the run. */
static tenon_status end_run(tenon_reactor *r, tenon_status status)
{
    tenon__current = NULL;
    r->run_active = false;
    r->stopping = false;
    if (r->refs == 0) {
        tenon__end(r, TENON_CLOSED);
    }
    tenon__unpin(r);
    return status < 0 ? status : TENON_OK;
}

static tenon_status turn(tenon_reactor *r, int64_t block_ns)
{
    tenon_turn_result result;
    return tenon__enter(r, 1, block_ns, &result);
}

static tenon_status run_native(tenon_reactor *r)
{
    tenon_status status = TENON_OK;
    do {
        status = turn(r, TENON_FOREVER);
    } while (status == TENON_OK && !r->stopping && tenon__alive(r));
    return status;
}

static tenon_status run_host(tenon_reactor *r, int64_t max_wait_ns, bool once)
{
    r->host_runs = true;
    r->run_once = once;
    tenon_status status = r->ops->run(r->host, max_wait_ns);
    r->host_runs = false;
    r->run_once = false;
    return status;
}

tenon_status tenon_run(tenon_reactor *r)
{
    tenon_status status = check_run(r);
    if (status < 0) {
        return status;
    }
    begin_run(r);
    bool stopped = r->stopping;
    r->stopping = false;
    if (stopped || !tenon__alive(r)) {
        status = turn(r, 0);
    } else if (r->kind == TENON__NATIVE) {
        status = run_native(r);
    } else {
        status = run_host(r, TENON_FOREVER, false);
    }
    return end_run(r, status);
}

tenon_status tenon_run_once(tenon_reactor *r, int64_t max_wait_ns)
{
    tenon_status status = check_run(r);
    if (status < 0 || max_wait_ns < 0) {
        return status < 0 ? status : TENON_INVALID;
    }
    begin_run(r);
    bool stopped = r->stopping;
    bool busy =
        stopped || !tenon__list_empty(&r->ready) || tenon__inbox_waiting(r);
    r->stopping = false;
    if (r->kind == TENON__NATIVE || stopped) {
        status = turn(r, busy ? 0 : max_wait_ns);
    } else {
        status = run_host(r, max_wait_ns, true);
    }
    return end_run(r, status);
}

/* Between turns the host runs something of its own: end its run from here. */
tenon_status tenon_stop(tenon_reactor *r)
{
    tenon_status status = tenon__check(r);
    if (status < 0) {
        return status;
    }
    r->stopping = true;
    if (r->run_active && r->depth == 0 && r->host_open &&
        TENON__HOST_HAS(r, stop)) {
        r->ops->stop(r->host);
    }
    return TENON_OK;
}

bool tenon_is_running(const tenon_reactor *r)
{
    return r->run_active || r->depth > 0;
}

bool tenon_is_stopping(const tenon_reactor *r)
{
    return r->stopping;
}
