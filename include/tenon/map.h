/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The same work for each of many items, so many at a time, with the results in
 * the order of the items.
 */

#ifndef TENON_MAP_H
#define TENON_MAP_H

#include <tenon/work.h>

/** As tenon_work_fn, for the item at `item`. */
typedef tenon_status tenon_map_fn(tenon_work *work, void *item, void *user);

/** Told of each result in the order of the items, as soon as all before it are
 *  there. `result` is resolved; take its value if you want to keep it.
 *  Thread: the reactor's. */
typedef void tenon_map_result_fn(tenon_future *map, size_t index,
                                 tenon_future *result, void *user);

/** What is to be done with which items. */
typedef struct tenon_map_options {
    uint32_t size;
    uint32_t at_once; /**< items in the executor at a time; 0: see below */
    void *items;      /**< the first of them; used until `free_user` */
    size_t item_len;  /**< from one item to the next, in bytes */
    size_t count;     /**< of items */
    tenon_map_fn *fn; /**< never NULL */
    void *user;       /**< for `fn` and `free_user` */
    /** Once, when nothing of it runs any more, which may be later than the end
     *  of the future. May be NULL. Thread: as of tenon_work_options. */
    tenon_free_fn *free_user;
    tenon_map_result_fn *on_result; /**< may be NULL */
    void *on_result_user;           /**< for `on_result` */
} tenon_map_options;

/** So many items are in the executor at a time, unless set. */
#define TENON_MAP_AT_ONCE_DEFAULT 16

TENON_BEGIN

/** Runs `fn` for each item in an executor; NULL: that of the reactor. The
 *  future resolves with the number of items. The first failure fails it with
 *  the same error; then, and when it is cancelled, no further item begins, and
 *  those under way are cancelled. When a pool is full of the work of others,
 *  items wait for our own to get through. It does its work though nobody holds
 *  the future.
 *  Ownership: the caller holds one reference, and takes ownership of `user` on
 *  success only.
 *  Errors: as tenon_call_in.
 *  Source: PEP 3148 Executor.map. */
TENON_CHECKED TENON_API tenon_status
tenon_executor_map(tenon_reactor *reactor, tenon_executor *executor,
                   const tenon_map_options *options, tenon_future **out);
/** The future of the item at `index`, borrowed; NULL if it has not begun, and
 *  beyond the end. */
TENON_API tenon_future *tenon_map_child(const tenon_future *map, size_t index);

TENON_END

#endif
