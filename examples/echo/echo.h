/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * What the mains of this folder share: an echo server for any reactor.
 */

#ifndef ECHO_H
#define ECHO_H

#include <tenon/tenon.h>

/** Serves at 127.0.0.1, port argv[1] (0: any), until SIGINT or SIGTERM closes
 *  the reactor. Returns the exit code of main: when it is not 0 the error has
 *  been printed, and the reactor is closed. */
int echo_start(tenon_reactor *reactor, int argc, char **argv);

/** Prints why there is no reactor; returns 1. */
int echo_no_reactor(tenon_status status);

#endif
