/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Memory listeners have no socket: connectors of their reactor find them by
 * name. Who comes while the listener does not accept waits, as in a backlog.
 */

#include <string.h>

#include "net/listener.h"
#include "net/memory.h"
#include "net/transport.h"

static tenon__acceptor *find(tenon_reactor *reactor,
                             const tenon_address *address)
{
    tenon_node *head = &reactor->memory_listeners;
    for (tenon_node *node = head->next; node != head; node = node->next) {
        tenon__acceptor *a = TENON__OF(node, tenon__acceptor, name);
        if (strcmp(a->address.as.local.sun_path, address->as.local.sun_path) ==
            0) {
            return a;
        }
    }
    return NULL;
}

tenon_status tenon__listener_name(tenon__acceptor *a)
{
    tenon_reactor *reactor = a->listener->reactor;
    if (find(reactor, &a->address)) {
        return -EADDRINUSE;
    }
    tenon__list_push(&reactor->memory_listeners, &a->name);
    return TENON_OK;
}

tenon_status tenon__listener_meet(tenon_reactor *reactor,
                                  const tenon_address *address,
                                  tenon_factory factory, tenon_transport **out)
{
    tenon_transport *pair[2];
    tenon__acceptor *a = find(reactor, address);
    if (!a) {
        return -ECONNREFUSED;
    }
    tenon_listener *l = a->listener;
    tenon_status status =
        tenon__memory_pair(reactor, pair, factory, l->factory, NULL);
    if (status < 0) {
        return status;
    }
    if (tenon__listener_open(l)) {
        tenon__listener_took(l, pair[1]);
        tenon__transport_begin(pair[1]);
    } else {
        tenon__list_push(&l->waiting, &pair[1]->ready);
    }
    *out = pair[0];
    return TENON_OK;
}

void tenon__listener_let_in(tenon_listener *l)
{
    tenon_node *node;
    while (tenon__listener_open(l) &&
           (node = tenon__list_pop(&l->waiting)) != NULL) {
        tenon_transport *t = TENON__OF(node, tenon_transport, ready);
        tenon__listener_took(l, t);
        tenon__transport_begin(t);
    }
}

void tenon__listener_turn_away(tenon_listener *l)
{
    tenon_node *node;
    while ((node = tenon__list_pop(&l->waiting)) != NULL) {
        tenon__transport_discard(TENON__OF(node, tenon_transport, ready));
    }
}
