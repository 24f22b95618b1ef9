/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The list of call sites, with how often each was reached.
 */

#ifndef TENON_SWEEP_TABLE_H
#define TENON_SWEEP_TABLE_H

#include <stdbool.h>

/** Adds what sweep_seen counted in one case. */
void sweep_table_add(void);
/** Writes the table to `path`; false, after saying why, if a site was not
 *  reached that the file `exceptions` does not name with a reason, or if that
 *  names one that was reached or is not there. */
bool sweep_table_check(const char *exceptions, const char *path);

#endif
