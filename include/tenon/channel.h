/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Channels: items from one reactor to another, on other threads as a rule,
 * though one will do. There is an end to send and an end to receive, each
 * bound to a reactor; tasks and callbacks there wait at their end, and no
 * thread ever waits for the other. When as many items are under way as fit,
 * senders wait.
 *
 * An end is closed by tenon_channel_close, or ends with its reactor, whichever
 * goes first. When the sending end has, the receiver gets what is under way,
 * then TENON_CLOSED; when the receiving end has, sends fail, and what is under
 * way is freed.
 */

#ifndef TENON_CHANNEL_H
#define TENON_CHANNEL_H

#include <tenon/queue.h>

/** One end of a channel: opaque. */
typedef struct tenon_channel tenon_channel;

/** How a channel is made. A field that is 0 or NULL has its default; so have
 *  all, with NULL in place of the struct. */
typedef struct tenon_channel_options {
    uint32_t size;
    uint32_t reserved;                /**< 0 */
    const tenon_allocator *allocator; /**< for use by both threads; NULL: malloc
                                           and free */
    tenon_free_fn *free_item; /**< for items that nobody gets, on either thread;
                                   may be NULL */
    const char *name;         /**< see tenon/waitq.h */
} tenon_channel_options;

TENON_BEGIN

/** Makes a channel for at most `capacity` items, 1 or more, under way.
 *  Ownership: each end is to be closed.
 *  Thread: any.
 *  Errors: TENON_INVALID, TENON_NO_MEMORY. */
TENON_CHECKED TENON_API tenon_status
tenon_channel_new(size_t capacity, const tenon_channel_options *options,
                  tenon_channel **sender, tenon_channel **receiver);
/** Makes an end the one of this reactor, for good; it is used on the reactor's
 *  thread from then on.
 *  Errors: TENON_BUSY if it was bound before; TENON_INVALID, TENON_CLOSED,
 *  TENON_NO_MEMORY, TENON_WRONG_THREAD, TENON_FORKED. */
TENON_CHECKED TENON_API tenon_status tenon_channel_bind(tenon_channel *end,
                                                        tenon_reactor *reactor);
/** Closes an end; who waits there fails with TENON_CLOSED. NULL is legal.
 *  Thread: that of its reactor; any, if it has none or that is closed.
 *  Errors: TENON_WRONG_THREAD, TENON_FORKED; it is then not closed. */
TENON_API tenon_status tenon_channel_close(tenon_channel *end);

/** Sends an item, and waits until there is room.
 *  Ownership: of `item` on success only.
 *  Errors: as tenon_queue_put; TENON_INVALID for an end that is not bound, or
 *  the other end. */
#define tenon_channel_send(sender, item) \
    tenon_channel_send_at((sender), (item), TENON_SITE)
/** The same; see tenon_await_at. */
TENON_CHECKED TENON_API tenon_status
tenon_channel_send_at(tenon_channel *sender, void *item, const char *site);
/** Gets the next item, and waits until there is one.
 *  Errors: as tenon_channel_send. */
#define tenon_channel_receive(receiver, out) \
    tenon_channel_receive_at((receiver), (out), TENON_SITE)
/** The same; see tenon_await_at. */
TENON_CHECKED TENON_API tenon_status
tenon_channel_receive_at(tenon_channel *receiver, void **out, const char *site);
/** The same without waiting; in callbacks, too.
 *  Errors: TENON_BUSY if there is no room. */
TENON_CHECKED TENON_API tenon_status
tenon_channel_try_send(tenon_channel *sender, void *item);
/** The same without waiting; in callbacks, too.
 *  Errors: TENON_BUSY if there is no item. */
TENON_CHECKED TENON_API tenon_status
tenon_channel_try_receive(tenon_channel *receiver, void **out);
/** Sends by a ticket; see tenon_queue_request_put. */
TENON_CHECKED TENON_API tenon_status tenon_channel_request_send(
    tenon_channel *sender, void *item, tenon_ticket *ticket,
    tenon_ticket_fn *fn, void *user);
/** Receives by a ticket; see tenon_queue_request_get. */
TENON_CHECKED TENON_API tenon_status
tenon_channel_request_receive(tenon_channel *receiver, tenon_ticket *ticket,
                              tenon_ticket_fn *fn, void *user);

TENON_END

#endif
