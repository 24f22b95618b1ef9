/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The links that embeddable objects carry, so that one queue can hold timers,
 * calls, posts and transports alike. Nothing here is for applications.
 */

#ifndef TENON_NODE_H
#define TENON_NODE_H

#include <tenon/export.h>

struct tenon_reactor;

/** A member of a queue of the engine; `run` is what the queue does with it. */
typedef struct tenon_node {
    /* Private: */
    struct tenon_node *next;
    struct tenon_node *prev;
    void (*run)(struct tenon_reactor *reactor, struct tenon_node *node);
} tenon_node;

#endif
