/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The inbox: how other threads, and signal handlers, reach a reactor. It is
 * counted and outlives the reactor; a post to a closed one is refused, so a
 * caller never crashes, whatever the order of ends.
 */

#ifndef TENON_INBOX_H
#define TENON_INBOX_H

#include <tenon/call.h>
#include <tenon/node.h>

/** The inbox of a reactor: opaque and counted. */
typedef struct tenon_inbox tenon_inbox;
typedef struct tenon_post_node tenon_post_node;

/** Runs once for each accepted post: on the reactor's thread in a turn
 *  (TENON_OK), or on the closing thread if the reactor ended first
 *  (TENON_CLOSED). The post's memory is the caller's again as it is called. */
typedef void tenon_post_fn(tenon_post_node *post, tenon_status status,
                           void *user);

struct tenon_post_node {
    /* Private: */
    tenon_node node;
    tenon_post_fn *fn;
    void *user;
    tenon_inbox *inbox;
    uint32_t state;
    uint32_t reserved;
};

TENON_BEGIN

/** The reactor's inbox, borrowed: take a reference for other threads. */
TENON_API tenon_inbox *tenon_reactor_inbox(tenon_reactor *reactor);
/** Thread: any. */
TENON_API tenon_inbox *tenon_inbox_ref(tenon_inbox *inbox);
/** Drops a reference. NULL is legal.
 *  Thread: any. */
TENON_API void tenon_inbox_unref(tenon_inbox *inbox);

/** Prepares the memory of a post, once. */
TENON_API void tenon_post_init(tenon_post_node *post);

/** Queues `fn(post, status, user)`; posts of one thread keep their order.
 *  Nothing is allocated and no lock is taken; the wake-up is one write, and
 *  only when nobody else woke the reactor yet.
 *  Thread: any; async-signal-safe.
 *  Ownership: `post` is the inbox's until `fn` is called.
 *  Errors: TENON_CLOSED, TENON_BUSY if still queued, TENON_INVALID,
 *  TENON_FORKED. */
TENON_CHECKED TENON_API tenon_status tenon_post(tenon_inbox *inbox,
                                                tenon_post_node *post,
                                                tenon_post_fn *fn, void *user);

/** The same with memory of the library's; `fn` gets a NULL post.
 *  Thread: any; not async-signal-safe.
 *  Errors: as tenon_post, and TENON_NO_MEMORY.
 *  Source: PEP 3156 call_soon_threadsafe. */
TENON_CHECKED TENON_API tenon_status
tenon_call_soon_threadsafe(tenon_inbox *inbox, tenon_post_fn *fn, void *user);

TENON_END

#endif
