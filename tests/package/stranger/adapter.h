/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/* Tenon on a polloop. */

#ifndef POLLOOP_ADAPTER_H
#define POLLOOP_ADAPTER_H

#include <tenon/reactor.h>

#include "polloop.h"

/** Makes a reactor on `loop`, which must outlive it.
 *  Ownership: the caller holds one reference; the loop stays the caller's.
 *  Errors: TENON_NO_MEMORY, TENON_LIMIT when the loop is full, the system's.
 *  Nothing is left behind. */
TENON_CHECKED tenon_status polloop_attach(polloop *loop, tenon_reactor **out,
                                          const tenon_reactor_options *options);

#endif
