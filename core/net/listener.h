/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Listeners in their rooms: listener.c the life, accept.c the sockets, meet.c
 * those in memory, stop.c the end of the connections, bind.c how sockets come
 * to listen.
 *
 *   LISTENING -> CLOSING (on_closed is owed) -> DRAINING (connections are
 *   left) -> ENDED
 */

#ifndef TENON_NET_LISTENER_H
#define TENON_NET_LISTENER_H

#include <tenon/listener.h>

#include "loop/engine.h"
#include "net/bind.h"

enum tenon__listener_state {
    TENON__LISTENING,
    TENON__LISTENER_CLOSING,
    TENON__LISTENER_DRAINING,
    TENON__LISTENER_ENDED
};

/* Of a factory with a life of its own. */
enum tenon__factory_state {
    TENON__FACTORY_NEW,      /* its start is owed */
    TENON__FACTORY_STARTING, /* is on the stack */
    TENON__FACTORY_STARTED,
    TENON__FACTORY_STOPPED
};

/* One address. */
typedef struct tenon__acceptor {
    tenon_node node; /* in listener->acceptors */
    tenon_node name; /* in reactor->memory_listeners */
    tenon_listener *listener;
    tenon_watch watch; /* its fd is the socket; -1: none */
    tenon_address address;
    tenon__socket_file file;
} tenon__acceptor;

struct tenon_listener {
    tenon__object object;
    tenon_reactor *reactor;
    tenon_factory factory;
    tenon_node acceptors;
    tenon_timer back_off;
    tenon_timer deadline; /* of a stop */
    tenon_node parked;    /* in reactor->parked, or on its way to a retry */
    tenon_node ready;     /* what is owed next; at last, the memory */
    tenon_node start;     /* the factory's start */
    tenon_node waiting;   /* memory connections that came too early */
    tenon_node stops;     /* who is told of the end */
    tenon_listen_options options;
    int64_t back_off_ns;
    uint64_t accepted;
    uint32_t connections; /* each holds a reference */
    uint32_t refs;
    tenon_status stop_status;
    enum tenon__listener_state state;
    enum tenon__factory_state factory_state;
    bool paused;
    bool is_parked;
    tenon_status reported; /* last in this episode; TENON_OK: none */
};

/* ---- accepting (accept.c) ---- */

/** Whether it takes one more now. */
bool tenon__listener_open(const tenon_listener *l);
/** Watches what is to be watched, after any change; parks when it cannot. */
void tenon__listener_update(tenon_listener *l);
/** One more connection: `t` came by `l`. */
void tenon__listener_took(tenon_listener *l, tenon_transport *t);
/** For parked listeners: tries again. */
void tenon__listener_run_parked(tenon_reactor *reactor, tenon_node *node);
/** Adds the socket to `l`. Ownership: of the socket, on success only. */
tenon_status tenon__acceptor_add(tenon_listener *l, const tenon__bound *bound);
/** Gives the socket back. */
void tenon__acceptor_close(tenon__acceptor *a);

/* ---- in memory (meet.c) ---- */

/** Makes `a` found by its name. Errors: EADDRINUSE. */
tenon_status tenon__listener_name(tenon__acceptor *a);
/** Connects to the memory listener at `address`: makes a pair and gives the
 *  far side to it. The near side is not open yet.
 *  Errors: ECONNREFUSED when there is none; TENON_NO_MEMORY. */
tenon_status tenon__listener_meet(tenon_reactor *reactor,
                                  const tenon_address *address,
                                  tenon_factory factory, tenon_transport **out);
/** Lets in those who waited, as far as there is room. */
void tenon__listener_let_in(tenon_listener *l);
void tenon__listener_turn_away(tenon_listener *l);

/* ---- the end (stop.c, listener.c) ---- */

/** A connection of `l` has ended. */
void tenon__listener_left(tenon_listener *l);
/** Has the end told in the next turn, of a listener that ended too. */
void tenon__listener_drain(tenon_listener *l);
/** Whatever is due after on_closed: tells the end once nobody is left, with
 *  `status` where it is a failure. */
void tenon__listener_settle(tenon_listener *l, tenon_status status);

#endif
