/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * A reactor inside a GLib main context, so inside GTK. The context polls one
 * descriptor, whatever the reactor carries. A busy reactor steps back below
 * GTK's redraw priority after each budget, so that windows are drawn.
 */

#ifndef TENON_GLIB_H
#define TENON_GLIB_H

#include <glib.h>

#include <tenon/reactor.h>

/** How a reactor sits in a context. */
typedef struct tenon_glib_options {
    uint32_t size;
    /** Of the source; 0 is G_PRIORITY_DEFAULT. After a spent budget the
     *  reactor waits at G_PRIORITY_DEFAULT_IDLE (or its own, if that is
     *  lower), for 8 ms at most; it has two budgets after 16 ms. */
    int priority;
    const tenon_reactor_options *reactor; /**< may be NULL */
} tenon_glib_options;

TENON_BEGIN

/** Makes a reactor that lives in `context`, which the application runs; NULL
 *  is the default context. `options` may be NULL.
 *  Ownership: the caller holds one reference; the reactor holds one to the
 *  context until it is closed.
 *  Thread: any; the reactor then belongs to the thread that first runs the
 *  context. If one runs it already, others reach it by its inbox only.
 *  Errors: TENON_INVALID, TENON_NO_MEMORY, the system's. Nothing is left
 *  behind. */
TENON_CHECKED TENON_API tenon_status
tenon_glib_attach(GMainContext *context, tenon_reactor **out,
                  const tenon_glib_options *options);

/** Makes a reactor with a main context of its own, for tenon_run.
 *  tenon_reactor_native gives the context.
 *  Ownership, errors: as tenon_glib_attach. */
TENON_CHECKED TENON_API tenon_status
tenon_glib_new(tenon_reactor **out, const tenon_glib_options *options);

TENON_END

#endif
