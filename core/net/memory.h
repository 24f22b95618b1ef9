/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Memory pairs, for those who join them by name.
 */

#ifndef TENON_NET_MEMORY_H
#define TENON_NET_MEMORY_H

#include <tenon/stream.h>

/** A pair that is not open yet; `options` may be NULL.
 *  Errors: TENON_NO_MEMORY. */
tenon_status tenon__memory_pair(tenon_reactor *reactor, tenon_transport *out[2],
                                tenon_factory first, tenon_factory second,
                                const tenon_memory_options *options);

#endif
