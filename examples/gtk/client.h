/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * A guest of a chat room: connects, says its name, passes lines both ways. It
 * names no toolkit and no host.
 */

#ifndef EXAMPLE_CLIENT_H
#define EXAMPLE_CLIENT_H

#include <tenon/tenon.h>

typedef struct client client;

typedef struct client_ops {
    /* The room took the name: what is said from now on is heard. */
    void (*joined)(void *user);
    void (*line)(const char *text, void *user);
    /* The last call; the client is gone when it returns. NULL: it was closed
     * by the other side, in good order. */
    void (*lost)(const tenon_error *error, void *user);
} client_ops;

/* NULL: no memory. */
client *client_join(tenon_reactor *reactor, const char *address,
                    const char *name, const client_ops *ops, void *user);
tenon_status client_say(client *self, const char *text);
/* Nothing more is told, not even the end. */
void client_leave(client *self);

#endif
