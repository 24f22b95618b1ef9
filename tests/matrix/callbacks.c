/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The tables of callbacks.def.
 */

#include "matrix.h"

const event_row events[EVENTS] = {
#define EVENT(id, contract, self, parent, owed, flags) \
    [EV_##id] = {#id, contract, self, parent, (uint32_t)(owed), flags},
#define CALLBACK(kind, event)
#include "callbacks.def"
};

const callback_row callbacks[] = {
#define EVENT(id, contract, self, parent, owed, flags)
#define CALLBACK(kind, event) {&kind_##kind, EV_##event},
#include "callbacks.def"
};
const size_t callback_count = sizeof callbacks / sizeof callbacks[0];
