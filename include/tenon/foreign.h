/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * For a loop that no adapter knows: watch the reactor's descriptor for
 * readability, and call tenon_turn (tenon/sys/host.h) when it is. A loop that
 * reports edges calls it until the result has no `more`. One that is run again
 * from inside a callback asks tenon_turn_peek before it waits: what that
 * callback's turn still has to do makes no descriptor readable.
 */

#ifndef TENON_FOREIGN_H
#define TENON_FOREIGN_H

#include <tenon/sys/host.h>

TENON_BEGIN

/** Makes a reactor that any loop can drive.
 *  Ownership: the caller holds one reference.
 *  Errors: as tenon_reactor_new. */
TENON_CHECKED TENON_API tenon_status
tenon_foreign_new(tenon_reactor **out, const tenon_reactor_options *options);

/** The descriptor to watch for readability; -1 once the reactor is closed. It
 *  stays readable while a descriptor that was closed before its watch was
 *  stopped has an open duplicate; that is reported once, as TENON_STALE.
 *  Ownership: the reactor's; never close it, read it or write it. */
TENON_API int tenon_foreign_fd(const tenon_reactor *reactor);

TENON_END

#endif
