/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The chat protocol. Nothing here knows which loop runs it, on which thread,
 * or what a descriptor is: it gets bytes from a transport and gives bytes to
 * one. The same object code serves every host of the demo.
 *
 * Two brakes keep memory bounded. Who does not read is not read from
 * (pause_writing), and is disconnected above CHAT_BACKLOG_MAX. Who talks faster
 * than the room passes lines on is read again once some of them came back.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chat.h"
#include "text.h"

/* One connection. It has no nick until its first good line. */
typedef struct chat_peer {
    struct chat_peer *next;
    struct chat_peer *prev;
    chat_server *server;
    tenon_transport *transport;
    uint64_t id;
    uint32_t unheard; /* lines it said that did not come back yet */
    bool clogged;     /* between pause_writing and resume_writing */
    bool skipping;    /* in an over-long line, up to its end */
    size_t len;       /* of the line begun */
    char nick[TEXT_NICK_MAX + 1];
    char line[CHAT_LINE_MAX + 1]; /* one more: "\r" is not counted */
} chat_peer;

/* ---- one client ---- */

/* Callbacks of the transport never run inside a write: a peer that fails here
 * is still in the list, and goes in its connection_lost. */
static void peer_send(chat_peer *peer, const char *text, size_t len)
{
    if (tenon_transport_write(peer->transport, text, len) != TENON_LIMIT) {
        return;
    }
    tenon_error *slow = tenon_error_of(
        TENON_LIMIT, "the client does not read: too much waits for it");
    tenon_transport_fail(peer->transport, slow);
    tenon_error_unref(slow);
    peer->server->clients_slow++;
}

static void peer_answer(chat_peer *peer, const char *format, const char *what)
{
    char text[128];
    int len = snprintf(text, sizeof text, format, what);
    peer_send(peer, text, (size_t)len);
}

static void peer_brake(chat_peer *peer)
{
    if (peer->clogged || peer->unheard >= CHAT_UNHEARD_MAX) {
        tenon_transport_pause_reading(peer->transport);
    } else {
        tenon_transport_resume_reading(peer->transport);
    }
}

static void peer_named(chat_peer *peer, const char *text, size_t len)
{
    if (!text_is_nick(text, len)) {
        peer->server->lines_bad++;
        peer_answer(peer, "error: a nick is %s; try again\n",
                    "1 to 16 letters, digits, - or _");
        return;
    }
    memcpy(peer->nick, text, len);
    peer_answer(peer, "hello %s\n", peer->nick);
}

/* A complete line, without its end. */
static tenon_status peer_line(chat_peer *peer, const char *text, size_t len)
{
    if (peer->nick[0] == '\0') {
        peer_named(peer, text, len);
        return TENON_OK;
    }
    const char *fault = text_fault(text, len);
    if (fault != NULL) {
        peer->server->lines_bad++;
        peer_answer(peer, "error: line %s, dropped\n", fault);
        return TENON_OK;
    }
    tenon_status status =
        room_say(&peer->server->seat, peer->id, peer->nick, text, len);
    if (status < 0) {
        return status; /* aborts this connection, and no other */
    }
    peer->server->lines_in++;
    peer->unheard++;
    peer_brake(peer);
    return TENON_OK;
}

static void peer_overlong(chat_peer *peer)
{
    peer->skipping = true;
    peer->server->lines_bad++;
    char limit[16];
    (void)snprintf(limit, sizeof limit, "%d", CHAT_LINE_MAX);
    peer_answer(peer, "error: line longer than %s bytes, dropped\n", limit);
}

/* Adds a part of a line; more than the longest line is never kept. */
static void peer_keep(chat_peer *peer, const char *data, size_t len)
{
    if (peer->skipping) {
        return;
    }
    if (len > sizeof peer->line - peer->len) {
        peer_overlong(peer);
        return;
    }
    memcpy(peer->line + peer->len, data, len);
    peer->len += len;
}

/* The newline is there: the line is whole. */
static tenon_status peer_end_line(chat_peer *peer)
{
    size_t len = peer->len;
    bool skipped = peer->skipping;
    peer->len = 0;
    peer->skipping = false;
    if (skipped) {
        return TENON_OK;
    }
    if (len > 0 && peer->line[len - 1] == '\r') {
        len--; /* telnet's newline */
    }
    if (len > CHAT_LINE_MAX) {
        peer_overlong(peer);
        peer->skipping = false;
        return TENON_OK;
    }
    return peer_line(peer, peer->line, len);
}

/* ---- the protocol ---- */

static tenon_status chat_made(void *self, tenon_transport *transport)
{
    chat_peer *peer = self;
    chat_server *server = peer->server;
    peer->transport = transport;
    peer->id = ++server->connections;
    peer->next = server->peers;
    if (peer->next != NULL) {
        peer->next->prev = peer;
    }
    server->peers = peer;
    if (server->stopping) {
        return TENON_CLOSED;
    }
    return tenon_transport_set_hard_limit(transport, CHAT_BACKLOG_MAX);
}

static tenon_status chat_data(void *self, tenon_transport *transport,
                              const void *data, size_t len)
{
    (void)transport;
    chat_peer *peer = self;
    const char *at = data;
    const char *end = at + len;
    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const char *stop = newline != NULL ? newline : end;
        peer_keep(peer, at, (size_t)(stop - at));
        if (newline == NULL) {
            break;
        }
        tenon_status status = peer_end_line(peer);
        if (status < 0) {
            return status;
        }
        at = newline + 1;
    }
    return TENON_OK;
}

static tenon_status chat_pause(void *self, tenon_transport *transport)
{
    (void)transport;
    chat_peer *peer = self;
    peer->clogged = true;
    peer_brake(peer);
    return TENON_OK;
}

static tenon_status chat_resume(void *self, tenon_transport *transport)
{
    (void)transport;
    chat_peer *peer = self;
    peer->clogged = false;
    peer_brake(peer);
    return TENON_OK;
}

static tenon_status chat_lost(void *self, tenon_transport *transport,
                              const tenon_error *error)
{
    (void)transport;
    (void)error;
    chat_peer *peer = self;
    if (peer->prev != NULL) {
        peer->prev->next = peer->next;
    } else {
        peer->server->peers = peer->next;
    }
    if (peer->next != NULL) {
        peer->next->prev = peer->prev;
    }
    free(peer);
    return TENON_OK;
}

static const tenon_protocol_ops chat_ops = {
    .size = sizeof chat_ops,
    .name = "chat",
    .connection_made = chat_made,
    .data_received = chat_data,
    .connection_lost = chat_lost,
    .pause_writing = chat_pause,
    .resume_writing = chat_resume,
};

static tenon_status chat_build(void *user, tenon_transport *transport,
                               tenon_protocol *out)
{
    (void)transport;
    chat_peer *peer = calloc(1, sizeof *peer);
    if (peer == NULL) {
        return TENON_NO_MEMORY;
    }
    peer->server = user;
    out->ops = &chat_ops;
    out->self = peer;
    return TENON_OK;
}

/* ---- the server ---- */

/* A line of the room: to everyone here who has a nick. */
static void chat_heard(const room_line *line, void *user)
{
    chat_server *server = user;
    bool ours = line->from == &server->seat;
    for (chat_peer *peer = server->peers; peer != NULL; peer = peer->next) {
        if (peer->nick[0] == '\0' ||
            tenon_transport_is_closing(peer->transport)) {
            continue;
        }
        peer_send(peer, line->text, line->len);
        server->lines_out++;
        if (ours && line->speaker == peer->id) {
            peer->unheard--;
            peer_brake(peer);
        }
    }
}

static void chat_joined(room_seat *seat, tenon_status status, void *user)
{
    chat_server *server = user;
    if (status >= 0) {
        status = tenon_listen(seat->reactor, &server->listener, server->address,
                              tenon_factory_with(chat_build, server), NULL);
    }
    server->ready(server, status, server->user);
}

static void chat_impatient(tenon_timer *timer, void *user)
{
    (void)timer;
    chat_server *server = user;
    for (chat_peer *peer = server->peers; peer != NULL; peer = peer->next) {
        tenon_transport_abort(peer->transport);
    }
}

tenon_status chat_start(chat_server *server, tenon_reactor *reactor,
                        room *place, const char *address, chat_ready_fn *ready,
                        void *user)
{
    memset(server, 0, sizeof *server);
    server->reactor = reactor;
    server->address = address;
    server->ready = ready;
    server->user = user;
    tenon_timer_init(&server->patience, reactor);
    return room_join(&server->seat, place, reactor, chat_joined, chat_heard,
                     server);
}

void chat_stop(chat_server *server)
{
    if (server->stopping) {
        return;
    }
    server->stopping = true;
    if (server->listener != NULL) {
        tenon_listener_close(server->listener);
        tenon_listener_unref(server->listener);
        server->listener = NULL;
    }
    for (chat_peer *peer = server->peers; peer != NULL; peer = peer->next) {
        peer_answer(peer, "%s\n", "the server ends");
        tenon_transport_close(peer->transport);
    }
    /* A client that does not read would keep us here for ever. */
    tenon_timer_set_daemon(&server->patience, true);
    if (tenon_timer_start(&server->patience, TENON_SECOND / 2, chat_impatient,
                          server) < 0) {
        chat_impatient(&server->patience, server);
    }
    room_leave(&server->seat);
}
