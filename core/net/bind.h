/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Listening sockets, from endpoints.
 */

#ifndef TENON_NET_BIND_H
#define TENON_NET_BIND_H

#include <tenon/endpoint.h>
#include <tenon/listener.h>

#include "net/unix.h"

/* One endpoint may be two sockets, one for each family. */
enum { TENON__BOUND_MAX = 2 };

typedef struct tenon__bound {
    int fd; /* -1: a memory listener */
    tenon_address address;
    tenon__socket_file file;
    bool adopted;
} tenon__bound;

/** Makes sockets that listen at `endpoint`; its options win. Returns how many,
 *  or a failure that leaves nothing behind. */
int tenon__bind(tenon_reactor *reactor, const tenon_endpoint *endpoint,
                const tenon_listen_options *options,
                tenon__bound out[TENON__BOUND_MAX]);
/** Undoes it; an adopted one is left open. */
void tenon__bound_fini(tenon_reactor *reactor, tenon__bound *bound);

#endif
