/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * A chat server for lines of text. The first line of a connection is its nick;
 * each line after it goes to everyone, as "NICK: TEXT". A line that is too
 * long, is not UTF-8 or holds control characters is dropped with an answer
 * that begins with "error: "; the connection goes on at the next line.
 */

#ifndef DEMO_CHAT_H
#define DEMO_CHAT_H

#include "room.h"

/** The longest line, in bytes, without its end. */
#define CHAT_LINE_MAX 1024
/** A client for which more than this waits is disconnected. */
#define CHAT_BACKLOG_MAX ((size_t)1048576)
/** A client is read no further while so many lines of it are under way. */
#define CHAT_UNHEARD_MAX 64

typedef struct chat_server chat_server;

/** Once: the server listens, or why it does not. */
typedef void chat_ready_fn(chat_server *server, tenon_status status,
                           void *user);

/** The chat on one reactor. */
struct chat_server {
    tenon_reactor *reactor;
    tenon_listener *listener;
    const char *address;
    struct chat_peer *peers;
    room_seat seat;
    tenon_timer patience; /* with those who are told to go */
    chat_ready_fn *ready;
    void *user;
    bool stopping;
    uint64_t connections;  /* also the last id given */
    uint64_t lines_in;     /* said here and accepted */
    uint64_t lines_out;    /* written to clients */
    uint64_t lines_bad;    /* answered with an error */
    uint64_t clients_slow; /* disconnected for not reading */
};

/** Joins `place` and listens at `address`, which is kept by reference. The
 *  memory must live as long as a room_seat.
 *  Callback: `ready`, from a later turn.
 *  Errors: as room_join; those of tenon_listen come to `ready`. */
tenon_status chat_start(chat_server *server, tenon_reactor *reactor,
                        room *place, const char *address, chat_ready_fn *ready,
                        void *user);

/** Accepts no more, sends everyone what still waits, and leaves the room.
 *  Afterwards nothing of the server keeps the reactor alive. */
void chat_stop(chat_server *server);

#endif
