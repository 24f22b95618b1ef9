/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * A reactor inside a libevent base. The base sees one read event, whatever the
 * reactor carries, and runs as ever: event_base_dispatch returns once neither
 * its own events nor the reactor keep it.
 */

#ifndef TENON_LIBEVENT_H
#define TENON_LIBEVENT_H

#include <event2/event.h>

#include <tenon/reactor.h>

TENON_BEGIN

/** Makes a reactor that lives in `base`, which the application made and runs.
 *  `options` may be NULL.
 *  Ownership: the caller holds one reference; `base` stays the caller's, which
 *  may free it before or after the reactor.
 *  Thread: the base's.
 *  Errors: TENON_INVALID, TENON_NO_MEMORY, the system's. Nothing is left
 *  behind. */
TENON_CHECKED TENON_API tenon_status
tenon_libevent_attach(struct event_base *base, tenon_reactor **out,
                      const tenon_reactor_options *options);

/** Makes a reactor with a base of its own, for tenon_run. tenon_reactor_native
 *  gives the base; it is freed with the reactor.
 *  Ownership, errors: as tenon_libevent_attach. */
TENON_CHECKED TENON_API tenon_status
tenon_libevent_new(tenon_reactor **out, const tenon_reactor_options *options);

TENON_END

#endif
