/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/* What the servers of Tenon share: the echo of the README, listening where
 * the bench asked. Each host's file adds the attach and the host's own run. */
#ifndef BENCH_SRV_TENON_H
#define BENCH_SRV_TENON_H

#include <tenon/tenon.h>

/** Echoes on `reactor` on `listen_fd`, which is taken over. 0, or 1 when it
 *  could not. */
int bench_tenon_listen(tenon_reactor *reactor, int listen_fd);

#endif
