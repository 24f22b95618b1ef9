/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * A place on the reactor's own loop.
 */

#include "place.h"

static tenon_status run(demo_place *place)
{
    tenon_reactor *reactor;
    tenon_status status = tenon_reactor_new(&reactor, NULL);
    if (status < 0) {
        return status;
    }
    status = place_open(place, reactor);
    if (status >= 0) {
        status = tenon_run(reactor);
    }
    tenon_reactor_close(reactor);
    tenon_reactor_unref(reactor);
    return status;
}

const demo_host demo_native = {"native", run};
