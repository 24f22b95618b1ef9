/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The queues of a turn, and waking the host for what is put into them.
 */

#include "loop/engine.h"

void tenon__arm(tenon_reactor *r)
{
    if (r->depth > 0 || r->life >= TENON__ENDING) {
        return;
    }
    tenon__alive_tell(r);
    if (r->deferred) {
        return;
    }
    if (r->kind == TENON__FOREIGN) {
        r->deferred = true;
        tenon__inbox_wake(r->inbox);
    } else if (r->kind == TENON__HOSTED && r->host_open) {
        r->deferred = true;
        if (TENON__HOST_HAS(r, defer)) {
            r->in_slot = true;
            r->ops->defer(r->host);
            r->in_slot = false;
        } else {
            tenon__inbox_wake(r->inbox);
        }
    }
}

void tenon__ready_push(tenon_reactor *r, tenon_node *node)
{
    /* What other threads posted before comes first. */
    if (tenon__inbox_waiting(r)) {
        tenon__inbox_drain(r);
    }
    tenon__list_push(&r->ready, node);
    tenon__arm(r);
}

void tenon__late_push(tenon_reactor *r, tenon_node *node)
{
    if (!tenon__linked(node)) {
        tenon__list_push(&r->late, node);
        tenon__arm(r);
    }
}

/* Once it is closed no turn will come. What is dropped by what is freed waits
 * for that one's end, so that long chains do not recurse. */
static void drop_now(tenon_reactor *r)
{
    if (!r->dropping) {
        tenon__pin(r);
        r->dropping = true;
        tenon__drops_run(r);
        r->dropping = false;
        tenon__unpin(r);
    }
}

void tenon__drop_push(tenon_reactor *r, tenon_node *node)
{
    tenon__list_push(&r->drops, node);
    if (r->life == TENON__CLOSED) {
        drop_now(r);
    } else {
        tenon__arm(r);
    }
}

void tenon__drops_run(tenon_reactor *r)
{
    tenon_node *node;
    while ((node = tenon__list_pop(&r->drops)) != NULL) {
        node->run(r, node);
    }
}
