/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Nothing is locked here. What threads share goes through inboxes; a table
 * belongs to the keeper's thread, a seat to its own. A post that was accepted
 * is always called, with TENON_CLOSED if its reactor ended first: that is what
 * frees the lines still under way when the room is torn down.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "room.h"

static void line_unref(room_line *line)
{
    if (atomic_fetch_sub_explicit(&line->refs, 1, memory_order_acq_rel) == 1) {
        free(line);
    }
}

/* ---- on a seat's thread ---- */

static void line_arrived(tenon_post_node *post, tenon_status status, void *user)
{
    (void)post;
    room_trip *trip = user;
    room_line *line = trip->line;
    if (status == TENON_OK) {
        room_seat *seat = trip->seat;
        if (line->number != seat->next_number) {
            seat->gaps++;
        }
        seat->next_number = line->number + 1;
        seat->heard(line, seat->user);
    }
    line_unref(line);
}

static void seat_given(tenon_post_node *post, tenon_status status, void *user)
{
    (void)post;
    room_seat *seat = user;
    if (status == TENON_OK && seat->index == ROOM_SEATS_MAX) {
        status = TENON_LIMIT;
    }
    seat->joined(seat, status, seat->user);
}

static void seat_gone(tenon_post_node *post, tenon_status status, void *user)
{
    (void)post;
    (void)status;
    room_seat *seat = user;
    tenon_inbox_unref(seat->inbox);
    seat->inbox = NULL;
    tenon_reactor_release(seat->reactor);
}

/* ---- on the keeper's thread ---- */

static void line_send(room *self, uint32_t index, room_line *line)
{
    room_trip *trip = &line->trips[index];
    trip->line = line;
    trip->seat = self->seats[index];
    tenon_post_init(&trip->post);
    atomic_fetch_add_explicit(&line->refs, 1, memory_order_relaxed);
    if (tenon_post(self->inboxes[index], &trip->post, line_arrived, trip) < 0) {
        line_unref(line); /* that reactor has ended */
    }
}

static void line_number(tenon_post_node *post, tenon_status status, void *user)
{
    (void)post;
    room_line *line = user;
    if (status == TENON_OK) {
        room *self = line->room;
        line->number = self->next_number++;
        for (uint32_t i = 0; i < ROOM_SEATS_MAX; i++) {
            if (self->seats[i] != NULL) {
                line_send(self, i, line);
            }
        }
    }
    line_unref(line);
}

/* The seat's thread may drop its own reference to the inbox as soon as the
 * answer is there, so one is held until the post has returned. */
static void tell_seat(room_seat *seat, tenon_post_node *post, tenon_post_fn *fn)
{
    tenon_inbox *inbox = tenon_inbox_ref(seat->inbox);
    tenon_status status = tenon_post(inbox, post, fn, seat);
    (void)status; /* TENON_CLOSED: its reactor ended, nobody is left to tell */
    tenon_inbox_unref(inbox);
}

static void seat_add(tenon_post_node *post, tenon_status status, void *user)
{
    room_seat *seat = user;
    room *self = seat->room;
    uint32_t i = status == TENON_OK ? 0 : ROOM_SEATS_MAX;
    while (i < ROOM_SEATS_MAX && self->seats[i] != NULL) {
        i++;
    }
    seat->index = i;
    seat->next_number = self->next_number;
    if (i < ROOM_SEATS_MAX) {
        self->seats[i] = seat;
        self->inboxes[i] = tenon_inbox_ref(seat->inbox);
    }
    tell_seat(seat, post, seat_given);
}

static void seat_remove(tenon_post_node *post, tenon_status status, void *user)
{
    (void)status;
    room_seat *seat = user;
    room *self = seat->room;
    if (seat->index < ROOM_SEATS_MAX) {
        tenon_inbox_unref(self->inboxes[seat->index]);
        self->seats[seat->index] = NULL;
        self->inboxes[seat->index] = NULL;
    }
    tell_seat(seat, post, seat_gone);
}

/* ---- for everyone ---- */

void room_open(room *self, tenon_reactor *keeper)
{
    memset(self, 0, sizeof *self);
    self->keeper = tenon_inbox_ref(tenon_reactor_inbox(keeper));
}

void room_close(room *self)
{
    tenon_inbox_unref(self->keeper);
    self->keeper = NULL;
}

tenon_status room_join(room_seat *seat, room *self, tenon_reactor *reactor,
                       room_joined_fn *joined, room_heard_fn *heard, void *user)
{
    memset(seat, 0, sizeof *seat);
    seat->room = self;
    seat->reactor = reactor;
    seat->joined = joined;
    seat->heard = heard;
    seat->user = user;
    seat->index = ROOM_SEATS_MAX;
    tenon_status status = tenon_reactor_hold(reactor);
    if (status < 0) {
        return status;
    }
    seat->inbox = tenon_inbox_ref(tenon_reactor_inbox(reactor));
    tenon_post_init(&seat->post);
    status = tenon_post(self->keeper, &seat->post, seat_add, seat);
    if (status < 0) {
        seat_gone(NULL, status, seat);
    }
    return status;
}

void room_leave(room_seat *seat)
{
    tenon_status status =
        tenon_post(seat->room->keeper, &seat->post, seat_remove, seat);
    if (status < 0) {
        seat_gone(NULL, status, seat); /* the keeper ended before us */
    }
}

tenon_status room_say(room_seat *seat, uint64_t speaker, const char *nick,
                      const char *text, size_t len)
{
    size_t nick_len = strlen(nick);
    size_t line_len = nick_len + 2 + len + 1;
    room_line *line = calloc(1, sizeof *line + line_len);
    if (line == NULL) {
        return TENON_NO_MEMORY;
    }
    atomic_init(&line->refs, 1);
    line->speaker = speaker;
    line->from = seat;
    line->room = seat->room;
    line->len = line_len;
    memcpy(line->text, nick, nick_len);
    memcpy(line->text + nick_len, ": ", 2);
    memcpy(line->text + nick_len + 2, text, len);
    line->text[line_len - 1] = '\n';
    tenon_post_init(&line->post);
    tenon_status status =
        tenon_post(seat->room->keeper, &line->post, line_number, line);
    if (status < 0) {
        line_unref(line);
    }
    return status;
}
