/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * A place on an event_base.
 */

#include <event2/event.h>

#include <tenon/libevent.h>

#include "place.h"

static tenon_status run(demo_place *place)
{
    struct event_base *base = event_base_new();
    if (base == NULL) {
        return TENON_NO_MEMORY;
    }
    tenon_reactor *reactor;
    tenon_status status = tenon_libevent_attach(base, &reactor, NULL);
    if (status >= 0) {
        status = place_open(place, reactor);
        if (status >= 0) {
            event_base_dispatch(base);
        }
        tenon_reactor_close(reactor);
        tenon_reactor_unref(reactor);
    }
    event_base_free(base);
    return status;
}

const demo_host demo_libevent = {"libevent", run};
