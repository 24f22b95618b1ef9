/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * A place of the demo: one thread, one host loop, one reactor, one port, and
 * the same chat server on each. What a host must do is in demo_host; all else
 * is the same everywhere.
 */

#ifndef DEMO_PLACE_H
#define DEMO_PLACE_H

#include <pthread.h>

#include "chat.h"

typedef struct demo_place demo_place;

/** How to run a loop of one kind. */
typedef struct demo_host {
    const char *name;
    /** Makes a loop with a reactor on it, calls place_open, runs the loop until
     *  nothing is alive, and gives everything back. */
    tenon_status (*run)(demo_place *place);
} demo_host;

extern const demo_host demo_native;
extern const demo_host demo_libuv;
extern const demo_host demo_libevent;
extern const demo_host demo_glib;

enum place_state { PLACE_IDLE, PLACE_STARTING, PLACE_UP, PLACE_ENDED };

/** What the places share; the lock guards their state and `interrupted`. */
typedef struct demo_hall {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    room room;
    bool handle_signals;
    bool interrupted;
} demo_hall;

struct demo_place {
    const demo_host *host;
    demo_hall *hall;
    bool keeper; /* its reactor gives the room its order */
    enum place_state state;
    tenon_status status;
    pthread_t thread;
    chat_server server;
    tenon_inbox *inbox;
    tenon_post_node stop;
    tenon_signal signals[2];
    uint16_t port;
    int64_t cpu_ns; /* of the thread, while it served */
    char version[32];
};

void hall_init(demo_hall *hall);
void hall_fini(demo_hall *hall);
/** Waits for SIGINT or SIGTERM; the keeper's reactor handles them. */
void hall_wait_interrupt(demo_hall *hall);

/** Starts the thread and waits until it listens. The keeper is first.
 *  Errors: what went wrong there; TENON_TIMED_OUT. */
tenon_status place_start(demo_place *place, demo_hall *hall, bool keeper);
/** Stops serving, ends the loop, joins the thread. The keeper is last.
 *  Errors: how the loop ended; TENON_TIMED_OUT when it did not. */
tenon_status place_stop(demo_place *place);

/** For demo_host.run: the reactor is there; serve on it. */
tenon_status place_open(demo_place *place, tenon_reactor *reactor);

#endif
