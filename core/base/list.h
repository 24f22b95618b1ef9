/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Circular lists of tenon_node with the head as a member, so that linking and
 * unlinking have no branches. A node that is in no list has a NULL `next`.
 */

#ifndef TENON_BASE_LIST_H
#define TENON_BASE_LIST_H

#include <tenon/node.h>

/** The object of type `type` whose member `member` is at `node`. */
#define TENON__OF(node, type, member) \
    ((type *)(void *)((char *)(node)-offsetof(type, member)))

static inline void tenon__list_init(tenon_node *head)
{
    head->next = head;
    head->prev = head;
    head->run = NULL;
}

static inline bool tenon__list_empty(const tenon_node *head)
{
    return head->next == head;
}

static inline bool tenon__linked(const tenon_node *node)
{
    return node->next != NULL;
}

static inline void tenon__list_push(tenon_node *head, tenon_node *node)
{
    node->next = head;
    node->prev = head->prev;
    head->prev->next = node;
    head->prev = node;
}

/* Legal for a node that is in no list. */
static inline void tenon__list_remove(tenon_node *node)
{
    if (node->next) {
        node->next->prev = node->prev;
        node->prev->next = node->next;
        node->next = NULL;
        node->prev = NULL;
    }
}

static inline tenon_node *tenon__list_pop(tenon_node *head)
{
    tenon_node *node = head->next;
    if (node == head) {
        return NULL;
    }
    tenon__list_remove(node);
    return node;
}

/* Appends all of `from`, which is empty afterwards. */
static inline void tenon__list_splice(tenon_node *head, tenon_node *from)
{
    if (tenon__list_empty(from)) {
        return;
    }
    from->next->prev = head->prev;
    head->prev->next = from->next;
    from->prev->next = head;
    head->prev = from->prev;
    from->next = from;
    from->prev = from;
}

#endif
