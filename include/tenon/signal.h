/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Signals as ordinary callbacks of a turn. Any number of handlers per signal,
 * on any number of reactors. They are daemons: they keep no reactor alive. The
 * previous disposition comes back with the last handler, if it is still ours.
 */

#ifndef TENON_SIGNAL_H
#define TENON_SIGNAL_H

#include <tenon/call.h>
#include <tenon/node.h>

typedef struct tenon_signal tenon_signal;

/** `count` deliveries since the last call, at least 1. */
typedef void tenon_signal_fn(tenon_signal *signal, uint32_t count, void *user);

/** For tenon_signal_start. */
enum tenon_signal_flag {
    /** Also call the handler that was installed before ours. */
    TENON_SIGNAL_CHAIN = 1
};

struct tenon_signal {
    /* Private: */
    tenon_node node;
    tenon_reactor *reactor;
    tenon_signal_fn *fn;
    void *user;
    int signo;
    uint32_t flags;
    uint32_t state;
    uint32_t pending;
};

TENON_BEGIN

/** Prepares a signal; needs no undoing. */
TENON_API void tenon_signal_init(tenon_signal *signal, tenon_reactor *reactor);
/** Handles `signo` from now on.
 *  Errors: TENON_INVALID for SIGKILL, SIGSTOP, numbers that are none and
 *  synchronous faults; TENON_BUSY when started; TENON_CLOSED,
 *  TENON_NO_MEMORY, TENON_WRONG_THREAD, TENON_FORKED.
 *  Source: PEP 3156 add_signal_handler. */
TENON_CHECKED TENON_API tenon_status tenon_signal_start(tenon_signal *signal,
                                                        int signo,
                                                        uint32_t flags,
                                                        tenon_signal_fn *fn,
                                                        void *user);
/** TENON_EXISTED if it was started, TENON_OK if not. */
TENON_API tenon_status tenon_signal_stop(tenon_signal *signal);
/** Whether it is started. */
TENON_API bool tenon_signal_is_active(const tenon_signal *signal);

/** PEP 3156's verbs: one handler per signal and reactor; a second replaces
 *  the first (TENON_EXISTED); removing tells whether there was one.
 *  Errors: as tenon_signal_start. */
TENON_CHECKED TENON_API tenon_status tenon_add_signal_handler(
    tenon_reactor *reactor, int signo, tenon_call_fn *fn, void *user);
/** TENON_EXISTED if there was one, TENON_OK if not. */
TENON_API tenon_status tenon_remove_signal_handler(tenon_reactor *reactor,
                                                   int signo);

TENON_END

#endif
