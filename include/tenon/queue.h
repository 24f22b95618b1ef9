/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Queues of items between tasks and callbacks of one reactor, and choosing
 * among several. Who gets and who puts is served in the order of coming; an
 * item that is put goes to whoever has waited longest. Between threads there
 * is tenon/channel.h. Of what queues share with other objects that are waited
 * in, see tenon/waitq.h.
 *
 * An item is a pointer, which the queue does not look at; NULL is one, too. It
 * is the queue's once a put has returned TENON_OK, and the getter's after a
 * get. Such a get or put has then happened, whatever comes: if its task was
 * cancelled meanwhile, the next wait of the task is the one that fails. An
 * item that was meant for a getter that was cancelled goes to the next, or
 * back to its place.
 */

#ifndef TENON_QUEUE_H
#define TENON_QUEUE_H

#include <tenon/sync.h>

/** As a capacity: none. The queue grows as it must. */
#define TENON_UNBOUNDED SIZE_MAX

/** Which item is next. */
enum tenon_queue_order {
    TENON_QUEUE_FIFO,    /**< the one that was put first */
    TENON_QUEUE_LIFO,    /**< the one that was put last */
    TENON_QUEUE_PRIORITY /**< the least; among equals the first */
};

/** Below 0, 0 or above as `left` comes before, with or after `right`. */
typedef int tenon_queue_compare_fn(const void *left, const void *right);

/** How a queue is made. A field that is 0 or NULL has its default; so have
 *  all, with NULL in place of the struct. */
typedef struct tenon_queue_options {
    uint32_t size;
    uint32_t order;                  /**< enum tenon_queue_order */
    tenon_queue_compare_fn *compare; /**< for TENON_QUEUE_PRIORITY */
    tenon_free_fn *free_item; /**< for items that nobody gets; may be NULL. It
                                   may be called inside of fini and close */
    const char *name;         /**< see tenon/waitq.h */
} tenon_queue_options;

/** A queue. */
typedef struct tenon_queue {
    /* Private: */
    tenon_waitq queue; /* those that get, or those that put */
    tenon_waitq joiners;
    struct tenon__item *slots;
    size_t room; /* slots */
    size_t head;
    size_t count;
    size_t handed; /* items of getters that have not gone on */
    size_t capacity;
    size_t unfinished;
    uint64_t sequence;
    tenon_queue_compare_fn *compare;
    tenon_free_fn *free_item;
    uint32_t order;
    uint32_t state;
} tenon_queue;

/** What a case of tenon_select waits for. */
enum tenon_case_op {
    TENON_CASE_NONE,    /**< nothing: it is never chosen */
    TENON_CASE_GET,     /**< an item of a queue */
    TENON_CASE_PUT,     /**< room for an item in a queue */
    TENON_CASE_EVENT,   /**< an event to be set */
    TENON_CASE_ACQUIRE, /**< a unit of a semaphore */
    TENON_CASE_LOCK,    /**< a lock */
    TENON_CASE_WAKE,    /**< to be woken in a wait queue */
    TENON_CASE_RECEIVE, /**< an item of a channel */
    TENON_CASE_SEND     /**< room for an item in a channel */
};

/** One thing that tenon_select waits for. */
typedef struct tenon_case {
    uint32_t op;         /**< enum tenon_case_op */
    tenon_status status; /**< set if chosen: TENON_OK, or why that failed */
    void *object;        /**< what `op` is said of */
    void *item;          /**< to put or to send; set to what was got */
    /* Private: */
    tenon_ticket ticket;
} tenon_case;

/** For tenon_select. */
enum tenon_select_flag {
    TENON_SELECT_TRY = 1,    /**< do not wait: TENON_BUSY if nothing is ready */
    TENON_SELECT_ORDERED = 2 /**< of several that are ready, the first in the
                                  array, and not any */
};

TENON_BEGIN

/** Prepares a queue of at most `capacity` items. 0 is a rendezvous: a put
 *  waits until somebody gets. The memory for a bounded one is taken here; it
 *  takes more only while items are on their way to more getters than it has
 *  places for items.
 *  Errors: as tenon_waitq_init, and TENON_NO_MEMORY. */
TENON_CHECKED TENON_API tenon_status
tenon_queue_init(tenon_queue *queue, tenon_reactor *reactor, size_t capacity,
                 const tenon_queue_options *options);
/** Ends it, and frees what is in it; see tenon_waitq_fini. */
TENON_API void tenon_queue_fini(tenon_queue *queue);

/** Puts an item, and waits until there is room.
 *  Ownership: of `item` on success only.
 *  Errors: as tenon_waitq_wait; TENON_CLOSED after tenon_queue_close;
 *  TENON_NO_MEMORY. */
#define tenon_queue_put(queue, item) \
    tenon_queue_put_at((queue), (item), TENON_SITE)
/** The same; see tenon_await_at. */
TENON_CHECKED TENON_API tenon_status tenon_queue_put_at(tenon_queue *queue,
                                                        void *item,
                                                        const char *site);
/** Gets the next item, and waits until there is one.
 *  Errors: as tenon_waitq_wait; TENON_CLOSED after tenon_queue_close, once
 *  nothing is left. */
#define tenon_queue_get(queue, out) \
    tenon_queue_get_at((queue), (out), TENON_SITE)
/** The same; see tenon_await_at. */
TENON_CHECKED TENON_API tenon_status tenon_queue_get_at(tenon_queue *queue,
                                                        void **out,
                                                        const char *site);
/** The same without waiting; in callbacks, too.
 *  Errors: TENON_BUSY if it is full; TENON_CLOSED, TENON_NO_MEMORY. */
TENON_CHECKED TENON_API tenon_status tenon_queue_try_put(tenon_queue *queue,
                                                         void *item);
/** The same without waiting; in callbacks, too.
 *  Errors: TENON_BUSY if it is empty; TENON_CLOSED. */
TENON_CHECKED TENON_API tenon_status tenon_queue_try_get(tenon_queue *queue,
                                                         void **out);
/** Puts by a ticket; see tenon_waitq_request. The item is the queue's when
 *  `fn` is called with TENON_OK. */
TENON_CHECKED TENON_API tenon_status
tenon_queue_request_put(tenon_queue *queue, void *item, tenon_ticket *ticket,
                        tenon_ticket_fn *fn, void *user);
/** Gets by a ticket: `fn` has the item from tenon_ticket_item. */
TENON_CHECKED TENON_API tenon_status tenon_queue_request_get(
    tenon_queue *queue, tenon_ticket *ticket, tenon_ticket_fn *fn, void *user);

/** Says that an item that was got has been dealt with.
 *  Errors: TENON_INVALID if there is none. */
TENON_API tenon_status tenon_queue_task_done(tenon_queue *queue);
/** Waits until every item that was ever put has been got and dealt with.
 *  Errors: as tenon_waitq_wait. */
#define tenon_queue_join(queue) tenon_queue_join_at((queue), TENON_SITE)
/** The same; see tenon_await_at. */
TENON_CHECKED TENON_API tenon_status tenon_queue_join_at(tenon_queue *queue,
                                                         const char *site);
/** The same by a ticket; see tenon_waitq_request. */
TENON_CHECKED TENON_API tenon_status tenon_queue_request_join(
    tenon_queue *queue, tenon_ticket *ticket, tenon_ticket_fn *fn, void *user);

/** Ends the puts, also those that wait: TENON_CLOSED. What is in the queue can
 *  still be got, then gets fail, too; `immediate`: it is freed here, and
 *  counts as dealt with.
 *  Source: asyncio Queue.shutdown. */
TENON_API tenon_status tenon_queue_close(tenon_queue *queue, bool immediate);
/** Whether it was closed. */
TENON_API bool tenon_queue_is_closed(const tenon_queue *queue);
/** How many items are in it. */
TENON_API size_t tenon_queue_count(const tenon_queue *queue);
/** How many have been put and not been dealt with. */
TENON_API size_t tenon_queue_unfinished(const tenon_queue *queue);

/** Waits for several things; does the one that can be done first, and none of
 *  the others. If several can at once, any: no order of the array is favoured.
 *  The array is the caller's, and stays where it is meanwhile; its objects are
 *  of the calling task's reactor.
 *  Returns TENON_OK with the index of the case in `chosen` (may be NULL); how
 *  that went is in its `status`. On failure nothing was done.
 *  Errors: as tenon_waitq_wait; TENON_BUSY with TENON_SELECT_TRY;
 *  TENON_INVALID for an operation that there is not, too.
 *  Source: Go's select. */
#define tenon_select(cases, count, flags, chosen) \
    tenon_select_at((cases), (count), (flags), (chosen), TENON_SITE)
/** The same; see tenon_await_at. */
TENON_CHECKED TENON_API tenon_status tenon_select_at(tenon_case *cases,
                                                     size_t count,
                                                     uint32_t flags,
                                                     size_t *chosen,
                                                     const char *site);

TENON_END

#endif
