/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Results. Zero is success, positive values are notes on a success, negative
 * values are failures. Failures of the operating system are the negated errno;
 * what the library itself decides has a number of its own below -10000.
 */

#ifndef TENON_STATUS_H
#define TENON_STATUS_H

#include <errno.h>

#include <tenon/export.h>

/** A result: 0, a positive note, or a negative failure. */
typedef int tenon_status;

/** X(NAME, VALUE, TEXT): the one list behind the enum, the names and texts. */
#define TENON_STATUS_MAP(X)                                               \
    X(OK, 0, "success")                                                   \
    X(HIGH, 1, "accepted; the write queue is above its high mark")        \
    X(KEEP_OPEN, 2, "keep the write side open after end of file")         \
    X(EXISTED, 3, "there was one before")                                 \
    X(PENDING, 4, "begun; will be completed later")                       \
    X(INVALID, -10001, "invalid argument")                                \
    X(WRONG_THREAD, -10002, "called from a thread that does not own it")  \
    X(FORKED, -10003, "the reactor belongs to the parent process")        \
    X(BUSY, -10004, "already running")                                    \
    X(CLOSED, -10005, "closed")                                           \
    X(CANCELLED, -10006, "cancelled")                                     \
    X(TIMED_OUT, -10007, "timed out")                                     \
    X(NOT_SUPPORTED, -10008, "not supported here")                        \
    X(LIMIT, -10009, "a documented limit would be passed")                \
    X(OWNED, -10010, "the descriptor belongs to a transport or listener") \
    X(STALE, -10011, "the descriptor was closed while it was watched")    \
    X(HOST_GONE, -10012, "the host loop is gone")                         \
    X(STOPPED, -10013, "the loop stopped first")                          \
    X(ABORTED, -10014, "aborted")                                         \
    X(REFUSED, -10015, "refused by the factory")                          \
    X(PROTOCOL, -10016, "the peer broke the protocol")                    \
    X(BAD_ADDRESS, -10017, "not a valid address")                         \
    X(IN_USE, -10018, "the name is taken by something that is in use")    \
    X(NO_PROGRESS, -10019, "ready again and again without progress")      \
    X(DONE, -10020, "completed already")                                  \
    X(NOT_DONE, -10021, "not completed yet")                              \
    X(ENDED, -10022, "the stream ended first")                            \
    X(UNRESOLVED, -10025, "the name could not be resolved")               \
    X(NO_MEMORY, -ENOMEM, "out of memory")

/** The results that have a name of their own. */
enum tenon_status_code {
#define TENON_STATUS_ENUM_(name, value, text) TENON_##name = (value),
    TENON_STATUS_MAP(TENON_STATUS_ENUM_)
#undef TENON_STATUS_ENUM_
};

TENON_BEGIN

/** The name of a status, as "TENON_CLOSED" or "ECONNRESET".
 *  Thread: any. */
TENON_API const char *tenon_status_name(tenon_status status);

/** One sentence on a status; the system's own text for system errors.
 *  Thread: any. */
TENON_API const char *tenon_status_text(tenon_status status);

/** The status of an errno value; TENON_INVALID for values that are none.
 *  Thread: any. */
TENON_API tenon_status tenon_status_of_errno(int system_code);

TENON_END

#endif
