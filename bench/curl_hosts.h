/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/* How the work is done on a reactor, whose host `run(loop)` runs until nothing
 * is alive. */
#ifndef BENCH_CURL_HOSTS_H
#define BENCH_CURL_HOSTS_H

#include <tenon/reactor.h>

#include "curl.h"

typedef int bench_curl_on_fn(tenon_reactor *reactor, bench_curl_work *work,
                             void (*run)(void *loop), void *loop);

bench_curl_on_fn bench_curl_drive; /* with a driver */
bench_curl_on_fn bench_curl_fetch; /* with futures */

#endif
