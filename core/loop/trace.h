/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Traces: where an object was made, where a future was completed, and which
 * other one it had that from. They lie beside the objects, in a table of the
 * reactor that is there only while its debug level is not 0; so without it
 * they cost the branch below, and no object has a byte more.
 */

#ifndef TENON_LOOP_TRACE_H
#define TENON_LOOP_TRACE_H

#include "loop/engine.h"

#define TENON__TRACING(reactor) __builtin_expect((reactor)->traces != NULL, 0)

/** Sets the level; never fails for 0.
 *  Errors: TENON_NO_MEMORY, TENON_NOT_SUPPORTED. */
tenon_status tenon__traces_set(tenon_reactor *reactor, uint32_t level);
/** The level that options ask for, and TENON_DEBUG if they say nothing. */
uint32_t tenon__traces_wanted(uint32_t level);

/** The trace of `key`, or else of `frame` (may be NULL), as text in a block
 *  to be freed by tenon__trace_free; NULL when there is none. */
char *tenon__trace_text(const tenon_reactor *reactor, const void *key,
                        const tenon__frame *frame);
void tenon__trace_free(const tenon_reactor *reactor, char *text);

/* Behind the calls below. */
void tenon__trace_add(tenon_reactor *reactor, const void *object,
                      const char *what, uint32_t level);
void tenon__trace_remove(tenon_reactor *reactor, const void *key);
void tenon__trace_complete(tenon_reactor *reactor, const void *object);
void tenon__trace_chain(tenon_reactor *reactor, const void *object,
                        const void *source, bool passed_on);
void tenon__trace_share(tenon_reactor *reactor, const void *from,
                        const void *to);
void tenon__trace_print(const tenon_reactor *reactor, const void *object,
                        FILE *file);

/** `object` was made, or started, by who is on the stack; `what` is a constant
 *  that names its kind. */
static inline void tenon__trace_made(tenon_reactor *reactor, const void *object,
                                     const char *what)
{
    if (TENON__TRACING(reactor)) {
        tenon__trace_add(reactor, object, what, TENON_DEBUG_ALL);
    }
}

/** The same, for a future. */
static inline void tenon__trace_future(tenon_reactor *reactor,
                                       const void *future, const char *what)
{
    if (TENON__TRACING(reactor)) {
        tenon__trace_add(reactor, future, what, TENON_DEBUG_FUTURES);
    }
}

/** A future is being completed by who is on the stack. */
static inline void tenon__trace_done(tenon_reactor *reactor, const void *future)
{
    if (TENON__TRACING(reactor)) {
        tenon__trace_complete(reactor, future);
    }
}

/** A future waits for `source`; with `passed_on` it is about to be completed
 *  with what that came to. */
static inline void tenon__trace_follow(tenon_reactor *reactor,
                                       const void *future, const void *source,
                                       bool passed_on)
{
    if (TENON__TRACING(reactor)) {
        tenon__trace_chain(reactor, future, source, passed_on);
    }
}

/** The object's memory may be another's from now on. */
static inline void tenon__trace_forget(tenon_reactor *reactor,
                                       const void *object)
{
    if (TENON__TRACING(reactor)) {
        tenon__trace_remove(reactor, object);
    }
}

/** What `from` has is known by `to`, too: by a frame, which forgets it when it
 *  is left, so that a callback can be traced which ends its object. */
static inline void tenon__trace_lend(tenon_reactor *reactor, const void *from,
                                     void *to)
{
    if (TENON__TRACING(reactor)) {
        tenon__trace_share(reactor, from, to);
    }
}

/** The same, and `from` forgets it. */
static inline void tenon__trace_move(tenon_reactor *reactor, const void *from,
                                     void *to)
{
    if (TENON__TRACING(reactor)) {
        tenon__trace_share(reactor, from, to);
        tenon__trace_remove(reactor, from);
    }
}

/** Writes the object's trace, if it has one, below its line in a dump. */
static inline void tenon__trace_dump(const tenon_reactor *reactor,
                                     const void *object, FILE *file)
{
    if (TENON__TRACING(reactor)) {
        tenon__trace_print(reactor, object, file);
    }
}

#endif
