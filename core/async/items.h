/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The items of a queue, by the order in which they are to leave it; and what
 * channels use of a queue.
 */

#ifndef TENON_ASYNC_ITEMS_H
#define TENON_ASYNC_ITEMS_H

#include "async/waitq.h"

#include <tenon/queue.h>

typedef struct tenon__item {
    void *item;
    uint64_t sequence; /* of its put */
} tenon__item;

/** Makes room for so many in all.
 *  Errors: TENON_NO_MEMORY. */
tenon_status tenon__items_reserve(tenon_queue *queue, size_t count);
/** Adds one, for which there is room: a new one, or one that comes back. */
void tenon__items_add(tenon_queue *queue, tenon__item slot);
/** Takes the next one; there must be one. */
tenon__item tenon__items_take(tenon_queue *queue);

/* ---- queue.c ---- */

/** As tenon_queue_init, with a kind of one's own. */
tenon_status tenon__queue_init(tenon_queue *q, tenon_reactor *r,
                               size_t capacity,
                               const tenon_queue_options *given,
                               const tenon__waitq_kind *as);
/** Slots of a kind, on a tenon_queue's `queue`. */
tenon_status tenon__queue_enter(tenon_waitq *wq, tenon_ticket *t);
void tenon__queue_taken(tenon_waitq *wq, tenon_ticket *t);
void tenon__queue_undo(tenon_waitq *wq, tenon_ticket *t);

#endif
