/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The actor of tickets: one that waits for an event, which is then set.
 */

#include "matrix.h"

static void on_placed(tenon_ticket *ticket, tenon_status status, void *user)
{
    const actor *a = user;
    (void)status;
    WANT(ticket == a->ticket && !tenon_ticket_is_waiting(ticket));
    hit(user, EV_PLACED);
}

static void open_queuer(actor *a)
{
    a->event = own(sizeof *a->event);
    a->ticket = own(sizeof *a->ticket);
    WANT(tenon_event_init(a->event, st.reactor, "matrix") == TENON_OK);
    WANT(tenon_event_request(a->event, a->ticket, on_placed, a) == TENON_OK);
}

static void step_queuer(actor *a)
{
    if (a->event && a->phase++ == 0) {
        (void)tenon_event_set(a->event);
    }
}

static bool complete_queuer(const actor *a)
{
    return a->seen[EV_PLACED] == 1;
}

static void close_queuer(actor *a)
{
    WANT((a->ended & PLACE) || !a->ticket || a->seen[EV_PLACED] == 1);
    tenon_event_fini(a->event);
    DISOWN(a->event);
    DISOWN(a->ticket);
}

const part kind_QUEUER = {"ticket",    PLACE,           open_queuer,
                          step_queuer, complete_queuer, close_queuer};
