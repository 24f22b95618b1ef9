/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Values that tasks carry, and what tasks make: a transport, a listener, a
 * connector keeps the list of its maker, if there is one, and its callbacks
 * find the values there. Their frames say so (tenon__frame.carries), so that
 * nothing is set or restored around a callback.
 */

#ifndef TENON_ASYNC_LOCAL_H
#define TENON_ASYNC_LOCAL_H

#include <tenon/await.h>

#include "loop/engine.h"

/* A link; the lists share their ends. */
typedef struct tenon__local {
    struct tenon__local *next;
    const tenon_local_key *key;
    void *value;
    tenon_free_fn *free_value;
    uint32_t refs;
} tenon__local;

static inline tenon__local *tenon__local_ref(tenon__local *list)
{
    if (list) {
        list->refs++;
    }
    return list;
}
void tenon__local_unref(tenon_reactor *reactor, tenon__local *list);

/** The list of the task that calls, or of the object that this callback is
 *  about, with a reference for the caller; NULL if there is none. */
tenon__local *tenon__local_keep(const tenon_reactor *reactor);

/** Lets go, of what may be none. */
static inline void tenon__local_forget(tenon_reactor *reactor,
                                       tenon__object *object)
{
    if (object->locals) {
        tenon__local_unref(reactor, object->locals);
    }
}

/** For one that `from` has made, whatever runs now. */
static inline void tenon__local_inherit(tenon_reactor *reactor,
                                        tenon__object *to,
                                        const tenon__object *from)
{
    tenon__local_forget(reactor, to);
    to->locals = tenon__local_ref(from->locals);
}

#endif
