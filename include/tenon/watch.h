/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Watches: "call me when this descriptor can be read or written", level-
 * triggered, any number per descriptor. The descriptor is borrowed until stop
 * and must be closed after it, not before. A descriptor that belongs to a
 * transport or listener is refused.
 */

#ifndef TENON_WATCH_H
#define TENON_WATCH_H

#include <tenon/call.h>
#include <tenon/node.h>

typedef struct tenon_watch tenon_watch;

/** What to watch for, and what was seen. */
enum tenon_interest {
    TENON_READ = 1,
    TENON_WRITE = 2,
    /** With start: stop after the first report. */
    TENON_ONESHOT = 4,
    /** Reported beside READ and WRITE when the descriptor hung up or failed:
     *  try the operation, it tells. */
    TENON_HANGUP = 8,
    /** Reported alone: the descriptor was closed while watched and its number
     *  is another's now; the watch has been stopped. */
    TENON_STALE_WATCH = 16
};

/** Told of `events` (enum tenon_interest); may stop the watch and free it. */
typedef void tenon_watch_fn(tenon_watch *watch, uint32_t events, void *user);

struct tenon_watch {
    /* Private: */
    tenon_node active; /* with a report to deliver, or disarmed */
    tenon_watch *next; /* of the same descriptor */
    tenon_reactor *reactor;
    tenon_watch_fn *fn;
    void *user;
    const char *name;
    int fd;
    uint32_t interest;
    uint32_t pending;
    uint8_t state;
    uint8_t flags;
    uint8_t futile;
    uint8_t reserved;
};

/** A started watch, as it is shown; valid during the visit. */
typedef struct tenon_watch_info {
    uint32_t size;
    int fd;                   /**< what is watched */
    uint32_t interest;        /**< enum tenon_interest */
    const char *name;         /**< or NULL */
    const tenon_watch *watch; /**< for identity */
} tenon_watch_info;

/** Shown each watch in turn. */
typedef void tenon_watch_visit_fn(const tenon_watch_info *info, void *user);

TENON_BEGIN

/** Prepares a watch; needs no undoing. */
TENON_API void tenon_watch_init(tenon_watch *watch, tenon_reactor *reactor,
                                int fd);
/** Watches for `events`, or changes what a started one watches for. Without
 *  READ and WRITE it stays registered nowhere and never calls.
 *  Callback: from a turn, while the descriptor is ready.
 *  Errors: TENON_INVALID (fn, events, negative fd), EBADF, EPERM for regular
 *  files, TENON_OWNED, TENON_CLOSED, TENON_NO_MEMORY, ENOSPC,
 *  TENON_WRONG_THREAD, TENON_FORKED. */
TENON_CHECKED TENON_API tenon_status tenon_watch_start(tenon_watch *watch,
                                                       uint32_t events,
                                                       tenon_watch_fn *fn,
                                                       void *user);
/** Takes effect in the kernel before it returns; the descriptor may be closed
 *  and the memory reused at once. TENON_EXISTED if it was started. */
TENON_API tenon_status tenon_watch_stop(tenon_watch *watch);
/** Whether it is started. */
TENON_API bool tenon_watch_is_active(const tenon_watch *watch);
/** The started watch of `fd` that calls `fn` with `user`, or NULL: the first,
 *  if there are several. It looks at that descriptor's watches alone. */
TENON_API tenon_watch *tenon_watch_find(tenon_reactor *reactor, int fd,
                                        tenon_watch_fn *fn, const void *user);
/** A daemon does not keep the reactor alive. Before or after start. */
TENON_API tenon_status tenon_watch_set_daemon(tenon_watch *watch, bool daemon);
/** Exclusive watches and timers that have the same user pointer are never
 *  called while one of them is on the stack, running a loop of the host: those
 *  that are due wait until it has returned. For a library that is not to be
 *  entered again, whichever its descriptor. Has no effect on a watch that is
 *  started, or on the stack. */
TENON_API void tenon_watch_set_exclusive(tenon_watch *watch, bool exclusive);
/** For dumps and reports; kept by reference. */
TENON_API void tenon_watch_set_name(tenon_watch *watch, const char *name);

/** PEP 3156's verbs: one reader and one writer per descriptor. Adding a second
 *  replaces the first and returns TENON_EXISTED; removing returns
 *  TENON_EXISTED if there was one and TENON_OK if not.
 *  Errors: as tenon_watch_start. */
TENON_CHECKED TENON_API tenon_status tenon_add_reader(tenon_reactor *reactor,
                                                      int fd, tenon_call_fn *fn,
                                                      void *user);
/** As tenon_add_reader, for writability. */
TENON_CHECKED TENON_API tenon_status tenon_add_writer(tenon_reactor *reactor,
                                                      int fd, tenon_call_fn *fn,
                                                      void *user);
/** See tenon_add_reader. */
TENON_API tenon_status tenon_remove_reader(tenon_reactor *reactor, int fd);
/** See tenon_add_reader. */
TENON_API tenon_status tenon_remove_writer(tenon_reactor *reactor, int fd);

/** Shows every started watch to `fn`, which must not change any. */
TENON_API tenon_status tenon_reactor_foreach_watch(tenon_reactor *reactor,
                                                   tenon_watch_visit_fn *fn,
                                                   void *user);

TENON_END

#endif
