/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/* A chat room, one in a program: connections of this factory are its guests. */

#ifndef EXAMPLE_ROOM_H
#define EXAMPLE_ROOM_H

#include <tenon/tenon.h>

tenon_factory room_factory(void);
/* Sends everybody away. */
void room_end(void);

#endif
