/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * A reactor that is stepped by hand, under a virtual clock, for tests: no time
 * passes but by tenon_manual_advance, and "mem:NAME" addresses (which every
 * reactor knows) give it a network without sockets.
 */

#ifndef TENON_MANUAL_H
#define TENON_MANUAL_H

#include <tenon/sys/host.h>

TENON_BEGIN

/** Makes a manual reactor; its clock starts at one second.
 *  Ownership: the caller holds one reference. */
TENON_CHECKED TENON_API tenon_status
tenon_manual_new(tenon_reactor **out, const tenon_reactor_options *options);

/** Runs one turn at the present time. `out` may be NULL.
 *  Errors: TENON_NOT_SUPPORTED on other reactors. */
TENON_API tenon_status tenon_manual_turn(tenon_reactor *reactor,
                                         tenon_turn_result *out);

/** Moves the clock by `delay_ns`, stopping at every deadline on the way, and
 *  runs turns at each until nothing is due: timers added meanwhile inside the
 *  window fire too, at their time. With 0 it runs what is due now. */
TENON_API tenon_status tenon_manual_advance(tenon_reactor *reactor,
                                            int64_t delay_ns);

TENON_END

#endif
