/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/* c-ares, a DNS client, on any reactor: a shim of an hour. */

#ifndef EXAMPLE_ARES_H
#define EXAMPLE_ARES_H

#include <ares.h>
#include <tenon/pollable.h>

typedef struct names {
    ares_channel channel; /* to call c-ares with */
    tenon_pollable *pollable;
} names;

/* After a call that asks for something: names_asked. */
tenon_status names_init(names *self, tenon_reactor *reactor);
void names_asked(names *self);
void names_fini(names *self);

#endif
