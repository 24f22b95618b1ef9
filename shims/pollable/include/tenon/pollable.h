/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The joint to a library that brings its own hooks. Nearly every library that
 * works on descriptors asks the same four things of a loop: which descriptors
 * and what for, until when at the latest, "process this descriptor", "process
 * this deadline"; and the answers may change after any call. This is those
 * four, once, on any reactor:
 *
 *   the library's hook says            the shim calls
 *   want to read/write fd, or not      tenon_pollable_set
 *   wake me in n ms, or not            tenon_pollable_set_timeout
 *   and is told by                     ready, timeout
 *
 * Descriptors belong to the library. It may close one before it says so, and
 * open another behind the same number: nothing of the first reaches the
 * second.
 */

#ifndef TENON_POLLABLE_H
#define TENON_POLLABLE_H

#include <tenon/reactor.h>
#include <tenon/watch.h>

/** A library, plugged in; opaque. */
typedef struct tenon_pollable tenon_pollable;

/** What the library is told, never inside a tenon_pollable_* call. From any of
 *  them every call is legal, tenon_pollable_free too. */
typedef struct tenon_pollable_ops {
    uint32_t size;    /**< sizeof(tenon_pollable_ops) */
    uint32_t flags;   /**< enum tenon_pollable_flag */
    const char *name; /**< for dumps and reports; may be NULL */
    /** `fd` is ready for `events`: TENON_READ, TENON_WRITE or both, of what
     *  was asked for. One that hung up or failed is ready for all of that. */
    void (*ready)(void *self, tenon_pollable *pollable, int fd,
                  uint32_t events);
    /** The time that was set is over; none is set now. NULL is legal for a
     *  library without deadlines. */
    void (*timeout)(void *self, tenon_pollable *pollable);
    /** The reactor ends, before this or because its host is gone. Nothing is
     *  watched any more, and nothing will be; the library may be taken down
     *  here. Called once, unless it was freed first. May be NULL. */
    void (*closed)(void *self, tenon_pollable *pollable);
} tenon_pollable_ops;

/** For tenon_pollable_ops.flags. */
enum tenon_pollable_flag {
    /** A descriptor that is ready for both is told in two calls, TENON_READ
     *  first; TENON_WRITE only if it is still asked for by then. */
    TENON_POLLABLE_SPLIT = 1
};

TENON_BEGIN

/** Makes one without descriptors. `ops` is copied, its name is not.
 *  Ownership: the caller's, until tenon_pollable_free; the reactor may end
 *  first. Thread: the reactor's, here and below.
 *  Errors: TENON_INVALID, TENON_CLOSED, TENON_NO_MEMORY, TENON_WRONG_THREAD,
 *  TENON_FORKED. */
TENON_CHECKED TENON_API tenon_status
tenon_pollable_new(tenon_reactor *reactor, const tenon_pollable_ops *ops,
                   void *self, tenon_pollable **out);
/** Watches nothing any more and calls nothing any more; legal from its own
 *  callbacks, and after the reactor's end. NULL is legal. From a thread that
 *  is not the reactor's it does nothing. */
TENON_API void tenon_pollable_free(tenon_pollable *pollable);

/** Watches `fd` for `events` (TENON_READ, TENON_WRITE), in place of what was
 *  asked before; 0 forgets it. Cheap when nothing changes. Where there may be
 *  another socket behind the same number, set 0 first.
 *  Errors: as tenon_watch_start; the descriptor is then as it was before.
 *  TENON_CLOSED after the reactor's end. */
TENON_API tenon_status tenon_pollable_set(tenon_pollable *pollable, int fd,
                                          uint32_t events);
/** What is asked for `fd` now; 0 if it is not watched. */
TENON_API uint32_t tenon_pollable_get(const tenon_pollable *pollable, int fd);

/** Calls `timeout` once, no earlier than `delay_ns` from now, in place of what
 *  was set before; 0 means the next turn, TENON_FOREVER never.
 *  Errors: TENON_INVALID (no `timeout` in ops, below 0), TENON_CLOSED,
 *  TENON_NO_MEMORY, TENON_WRONG_THREAD, TENON_FORKED. */
TENON_API tenon_status tenon_pollable_set_timeout(tenon_pollable *pollable,
                                                  int64_t delay_ns);

TENON_END

#endif
