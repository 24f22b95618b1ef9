/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * What the sockets of core/net need of addresses beyond the public part.
 */

#ifndef TENON_NET_ADDRESS_H
#define TENON_NET_ADDRESS_H

#include <tenon/address.h>

/** An address as the kernel gave it. Errors: TENON_NOT_SUPPORTED. */
tenon_status tenon__address_of(tenon_address *out, const struct sockaddr *from,
                               socklen_t len);
/** That of a socket: its own, or its peer's. */
tenon_status tenon__address_of_fd(tenon_address *out, int fd, bool peer);

#endif
