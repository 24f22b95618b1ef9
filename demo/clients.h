/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The scripted clients of the demo. They know nothing of Tenon: sockets and
 * one poll() loop, so that nothing of ours vouches for itself.
 */

#ifndef DEMO_CLIENTS_H
#define DEMO_CLIENTS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct client_target {
    const char *host; /* nicks begin with it */
    uint16_t port;
} client_target;

typedef struct client_plan {
    const client_target *targets;
    unsigned target_count;
    unsigned clients; /* per target */
    unsigned lines;   /* of each client */
    int timeout_ms;   /* for all of it */
} client_plan;

/** What came of it. When `passed` is false, `why` says what was missed. */
typedef struct client_result {
    bool passed;
    bool socat;         /* one of the clients was socat */
    unsigned bad_lines; /* sent, and each answered with its error */
    char why[256];
} client_result;

/** Lets all clients join, talk and leave. The first client of each target
 *  sends bad lines between its good ones; the last one of all is a socat
 *  process. Everyone must see every good line, in one order, and nothing else.
 */
void clients_run(const client_plan *plan, client_result *out);

#endif
