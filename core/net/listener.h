/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * What a connector needs of the listeners of its own reactor.
 */

#ifndef TENON_NET_LISTENER_H
#define TENON_NET_LISTENER_H

#include <tenon/stream.h>

/** Connects to the memory listener at `address`: makes a pair and gives the
 *  far side to it. The near side is not open yet.
 *  Errors: ECONNREFUSED when there is none; TENON_NO_MEMORY. */
tenon_status tenon__listener_meet(tenon_reactor *reactor,
                                  const tenon_address *address,
                                  tenon_factory factory, tenon_transport **out);

#endif
