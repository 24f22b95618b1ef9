/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Connectors in their rooms: connector.c the life, race.c the attempts,
 * connect.c the future.
 *
 *   TRYING -> DECIDED (outcome known, notice queued) -> TOLD
 */

#ifndef TENON_NET_CONNECTOR_H
#define TENON_NET_CONNECTOR_H

#include <tenon/connector.h>
#include <tenon/endpoint.h>
#include <tenon/resolver.h>

#include "loop/engine.h"

enum tenon__connector_state { TENON__TRYING, TENON__DECIDED, TENON__TOLD };

/* An address, and whether it had its turn. */
typedef struct tenon__candidate {
    tenon_address address;
    bool tried;
} tenon__candidate;

struct tenon_connector {
    tenon__object object;
    tenon_reactor *reactor;
    tenon_factory factory;
    tenon_endpoint endpoint;
    tenon_connect_options options;
    tenon_address local; /* kind TENON_ADDRESS_NONE: anywhere */
    tenon_lookup *lookup;
    tenon_timer total;
    tenon_timer next;    /* the next attempt */
    tenon_node ready;    /* the notice; at last, the memory */
    tenon_node attempts; /* under way */
    tenon__candidate *candidates;
    uint32_t count;
    uint32_t capacity;
    int family;         /* of the latest attempt */
    int fd;             /* the one that connected, or -1 */
    tenon_error *cause; /* what failed so far, the latest first */
    tenon_error *error; /* of the outcome, while it is told */
    tenon_status outcome;
    uint32_t refs;
    enum tenon__connector_state state;
    bool complete; /* there will be no more candidates */
    bool started;  /* the first attempt was made */
};

/* ---- attempts (race.c) ---- */

/** One address more. Errors: TENON_NO_MEMORY. */
tenon_status tenon__race_add(tenon_connector *c, const tenon_address *address);
/** Tries the next one, or decides that there is none. */
void tenon__race_go(tenon_connector *c);
/** Closes whatever is under way; `status` is noted as the cause, unless 0. */
void tenon__race_end(tenon_connector *c, tenon_status status);

/* ---- the outcome (connector.c) ---- */

/** Ends the trying: with a socket, or a failure. */
void tenon__connector_decide(tenon_connector *c, tenon_status outcome, int fd);
/** One more cause, for the error at the end. */
void tenon__connector_note(tenon_connector *c, tenon_status status,
                           const tenon_address *address);

#endif
