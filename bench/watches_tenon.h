/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/* Our side of the watch bench, whatever the reactor is parked on. */
#ifndef BENCH_WATCHES_TENON_H
#define BENCH_WATCHES_TENON_H

#include <tenon/tenon.h>

#include "watches.h"

/* Measures, and ends the reactor. `status` is that of making it. */
int bench_watches_tenon(tenon_status status, tenon_reactor *reactor,
                        double *out);

#endif
