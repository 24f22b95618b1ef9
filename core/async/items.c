/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The items of a queue. First or last in, they lie in a ring in the order of
 * their puts, and leave at one end or the other; one that comes back goes past
 * the few that are older, or younger, than it. By priority they lie in a heap.
 */

#include "async/items.h"

#include <string.h>

enum { LEAST_ROOM = 4 };

/* ---- the ring ---- */

static tenon__item *at(tenon_queue *q, size_t index)
{
    size_t place = q->head + index;
    return &q->slots[place < q->room ? place : place - q->room];
}

static void ring_add(tenon_queue *q, tenon__item slot)
{
    size_t i = q->count++;
    for (; i > 0 && at(q, i - 1)->sequence > slot.sequence; i--) {
        *at(q, i) = *at(q, i - 1);
    }
    *at(q, i) = slot;
}

/* Most of what comes back is older than all that is there. */
static void ring_add_old(tenon_queue *q, tenon__item slot)
{
    size_t i = 0;
    q->head = (q->head > 0 ? q->head : q->room) - 1;
    q->count++;
    for (; i + 1 < q->count && at(q, i + 1)->sequence < slot.sequence; i++) {
        *at(q, i) = *at(q, i + 1);
    }
    *at(q, i) = slot;
}

static tenon__item ring_take_oldest(tenon_queue *q)
{
    tenon__item slot = *at(q, 0);
    q->head = q->head + 1 < q->room ? q->head + 1 : 0;
    q->count--;
    return slot;
}

/* ---- the heap ---- */

static bool before(const tenon_queue *q, const tenon__item *left,
                   const tenon__item *right)
{
    int order = q->compare(left->item, right->item);
    return order != 0 ? order < 0 : left->sequence < right->sequence;
}

static void heap_add(tenon_queue *q, tenon__item slot)
{
    size_t i = q->count++;
    while (i > 0 && before(q, &slot, &q->slots[(i - 1) / 2])) {
        q->slots[i] = q->slots[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    q->slots[i] = slot;
}

static tenon__item heap_take(tenon_queue *q)
{
    tenon__item top = q->slots[0];
    tenon__item last = q->slots[--q->count];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < q->count; i = child) {
        if (child + 1 < q->count &&
            before(q, &q->slots[child + 1], &q->slots[child])) {
            child++;
        }
        if (!before(q, &q->slots[child], &last)) {
            break;
        }
        q->slots[i] = q->slots[child];
    }
    q->slots[i] = last;
    return top;
}

/* ---- both ---- */

static size_t bytes(size_t room)
{
    return room * sizeof(tenon__item);
}

/* A ring that goes round the end is straightened: what lay at its end moves to
 * the new one. */
static void spread(tenon_queue *q, size_t room)
{
    size_t tail = q->room - q->head;
    if (q->order != TENON_QUEUE_PRIORITY && q->head > 0 && q->count > tail) {
        memmove(&q->slots[room - tail], &q->slots[q->head], bytes(tail));
        q->head = room - tail;
    }
}

tenon_status tenon__items_reserve(tenon_queue *q, size_t count)
{
    size_t room = q->room > LEAST_ROOM ? q->room : LEAST_ROOM;
    while (room < count && room <= SIZE_MAX / sizeof(tenon__item) / 2) {
        room *= 2;
    }
    if (count <= q->room) {
        return TENON_OK;
    }
    tenon__item *slots =
        room < count ? NULL
                     : tenon__resize(&q->queue.reactor->allocator, q->slots,
                                     bytes(q->room), bytes(room));
    if (!slots) {
        return TENON_NO_MEMORY;
    }
    q->slots = slots;
    spread(q, room);
    q->room = room;
    return TENON_OK;
}

void tenon__items_add(tenon_queue *q, tenon__item slot)
{
    if (q->order == TENON_QUEUE_PRIORITY) {
        heap_add(q, slot);
    } else if (q->order == TENON_QUEUE_FIFO && slot.sequence < q->sequence) {
        ring_add_old(q, slot);
    } else {
        ring_add(q, slot);
    }
}

tenon__item tenon__items_take(tenon_queue *q)
{
    if (q->order == TENON_QUEUE_PRIORITY) {
        return heap_take(q);
    }
    return q->order == TENON_QUEUE_LIFO ? *at(q, --q->count)
                                        : ring_take_oldest(q);
}
