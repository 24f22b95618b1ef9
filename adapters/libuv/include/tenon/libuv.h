/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * A reactor inside a libuv loop. The loop sees one poll handle, whatever the
 * reactor carries, and runs as ever: uv_run returns once neither its own
 * handles nor the reactor keep it.
 */

#ifndef TENON_LIBUV_H
#define TENON_LIBUV_H

#include <uv.h>

#include <tenon/reactor.h>

TENON_BEGIN

/** Makes a reactor that lives in `loop`, which the application made and runs.
 *  `options` may be NULL.
 *  Ownership: the caller holds one reference; `loop` stays the caller's and
 *  must not be freed before the reactor is closed and the loop has run once
 *  more, or before uv_walk and uv_close closed all of its handles.
 *  Thread: the loop's.
 *  Errors: TENON_INVALID, TENON_NO_MEMORY, the system's. Nothing is left
 *  behind. */
TENON_CHECKED TENON_API tenon_status tenon_libuv_attach(
    uv_loop_t *loop, tenon_reactor **out, const tenon_reactor_options *options);

/** Makes a reactor with a libuv loop of its own, for tenon_run.
 *  tenon_reactor_native gives the loop, for other handles; what is left of
 *  them is closed with the reactor.
 *  Ownership, errors: as tenon_libuv_attach. */
TENON_CHECKED TENON_API tenon_status
tenon_libuv_new(tenon_reactor **out, const tenon_reactor_options *options);

TENON_END

#endif
