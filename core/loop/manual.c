/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The manual reactor: turns by hand, a clock that moves by hand.
 */

#include <tenon/manual.h>

#include "loop/engine.h"

/* So many turns at one instant mean that something never comes to rest. */
enum { TURNS_MAX = 1000000 };

static const char *version(void)
{
    return TENON_VERSION_STRING;
}

static tenon_status turn(tenon_reactor *r, tenon_turn_result *out)
{
    tenon_status status = tenon__check(r);
    if (status < 0) {
        return status;
    }
    if (r->depth > 0) {
        return TENON_BUSY;
    }
    return r->kind == TENON__MANUAL ? tenon__enter(r, 1, 0, out)
                                    : TENON_NOT_SUPPORTED;
}

/* Until nothing is due at this instant. */
static tenon_status settle(tenon_reactor *r, tenon_turn_result *out)
{
    for (int i = 0; i < TURNS_MAX; i++) {
        tenon_status status = turn(r, out);
        if (status < 0 || !out->more) {
            return status;
        }
    }
    return TENON_LIMIT;
}

tenon_status tenon_manual_turn(tenon_reactor *r, tenon_turn_result *out)
{
    tenon_turn_result ignored = {false, false, TENON_FOREVER};
    out = out ? out : &ignored;
    *out = ignored;
    return turn(r, out);
}

tenon_status tenon_manual_advance(tenon_reactor *r, int64_t delay_ns)
{
    tenon_turn_result result;
    if (!r || delay_ns < 0) {
        return TENON_INVALID;
    }
    int64_t end_ns = tenon__add_ns(r->virtual_ns, delay_ns);
    tenon_status status = settle(r, &result);
    while (status == TENON_OK && result.next_deadline_ns <= end_ns &&
           result.next_deadline_ns != TENON_FOREVER) {
        r->virtual_ns = result.next_deadline_ns;
        status = settle(r, &result);
    }
    if (status == TENON_OK && r->virtual_ns < end_ns) {
        r->virtual_ns = end_ns;
    }
    return status;
}

static const tenon_host_ops manual_ops = {
    .size = sizeof manual_ops,
    .name = "manual",
    .version = version,
};

tenon_status tenon_manual_new(tenon_reactor **out,
                              const tenon_reactor_options *options)
{
    return out ? tenon__reactor_make(out, TENON__MANUAL, &manual_ops, NULL,
                                     options)
               : TENON_INVALID;
}
