/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Downloads: libcurl brings the bytes, GIO saves them, and both are one future
 * of the path (a string), which can be cancelled at either stage.
 */

#ifndef EXAMPLE_FETCH_H
#define EXAMPLE_FETCH_H

#include <gio/gio.h>

#include <tenon/tenon.h>

typedef struct fetcher fetcher;

/* 0 to 1; below 0 if nobody knows how much there is. */
typedef void fetch_progress_fn(double fraction, void *user);

tenon_status fetcher_new(tenon_reactor *reactor, const char *folder,
                         fetcher **out);
void fetcher_free(fetcher *self);
/* One at a time. The caller holds a reference to the future. */
tenon_status fetcher_start(fetcher *self, const char *url,
                           fetch_progress_fn *fn, void *user,
                           tenon_future **out);

#endif
