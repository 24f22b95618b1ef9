/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * One room across threads. Each reactor has a seat in it. A line goes from the
 * seat that said it to the keeper (one of the reactors), gets its number there
 * and goes on to every seat, the speaker's too. Only the keeper's thread posts
 * lines to seats, and posts of one thread keep their order: so all seats hear
 * the same lines in the same order.
 */

#ifndef DEMO_ROOM_H
#define DEMO_ROOM_H

#include <stdatomic.h>

#include <tenon/tenon.h>

#define ROOM_SEATS_MAX 8

typedef struct room room;
typedef struct room_seat room_seat;
typedef struct room_line room_line;

/** The way of one line to one seat. */
typedef struct room_trip {
    tenon_post_node post;
    room_line *line;
    room_seat *seat;
} room_trip;

/** A line, complete with its newline. Shared by all threads and immutable once
 *  it has its number; the last trip to end frees it. */
struct room_line {
    atomic_uint refs;
    uint64_t number;
    uint64_t speaker;      /* who said it, in the words of the seat */
    const room_seat *from; /* for comparison only */
    room *room;
    tenon_post_node post; /* the way to the keeper */
    room_trip trips[ROOM_SEATS_MAX];
    size_t len;
    char text[];
};

/** Once: the seat is in the room, or why not. */
typedef void room_joined_fn(room_seat *seat, tenon_status status, void *user);
typedef void room_heard_fn(const room_line *line, void *user);

/** A seat. It keeps its reactor alive from join until it has left. */
struct room_seat {
    room *room;
    tenon_reactor *reactor;
    tenon_inbox *inbox;
    tenon_post_node post;
    room_joined_fn *joined;
    room_heard_fn *heard;
    void *user;
    uint32_t index;
    uint64_t next_number;
    uint64_t gaps; /* lines that came out of order: must stay 0 */
};

/** The room itself; its keeper's thread alone touches the tables. */
struct room {
    tenon_inbox *keeper;
    room_seat *seats[ROOM_SEATS_MAX];
    tenon_inbox *inboxes[ROOM_SEATS_MAX];
    uint64_t next_number;
};

/** `keeper` gives the order. It must end after all seats have left. */
void room_open(room *self, tenon_reactor *keeper);
/** When all seats have left and no thread says anything any more. */
void room_close(room *self);

/** Takes a seat; `joined` comes from a later turn. The seat's memory must live
 *  until its reactor and the keeper's have ended.
 *  Thread: the reactor's. */
tenon_status room_join(room_seat *seat, room *self, tenon_reactor *reactor,
                       room_joined_fn *joined, room_heard_fn *heard,
                       void *user);
/** Gives the seat back; what was said before is still heard. */
void room_leave(room_seat *seat);

/** Says "NICK: TEXT\n" to everyone.
 *  Thread: the seat's. Errors: TENON_NO_MEMORY, TENON_CLOSED. */
tenon_status room_say(room_seat *seat, uint64_t speaker, const char *nick,
                      const char *text, size_t len);

#endif
