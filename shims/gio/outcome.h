/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * What comes of an operation, on its way between a future and a GAsyncResult:
 * a pointer and what frees it, a number, or an error.
 */

#ifndef TENON_SHIMS_GIO_OUTCOME_H
#define TENON_SHIMS_GIO_OUTCOME_H

#include <tenon/gio.h>

typedef struct tenon__gio_outcome {
    void *pointer;
    tenon_free_fn *free_value;
    int64_t number;
    bool is_number;
    tenon_error *error; /* NULL: a value */
} tenon__gio_outcome;

/* Takes it out of a future that is done. */
void tenon__gio_outcome_take(tenon__gio_outcome *out, tenon_future *future);
/* Puts it into a future, unless that is done; either way it is empty then. */
void tenon__gio_outcome_give(tenon__gio_outcome *outcome, tenon_future *future);
/* Moves a value into `out`, or frees it. */
tenon_status tenon__gio_outcome_value(tenon__gio_outcome *outcome, GValue *out);
/* Frees what is in it. */
void tenon__gio_outcome_clear(tenon__gio_outcome *outcome);

/* Whether `result` is of tenon_gio_future_async; then its outcome is in `out`,
 * which is valid only then. */
bool tenon__gio_future_finish(GAsyncResult *result, tenon__gio_outcome *out);

/* Without the wrappers that cancelling puts around a reason. Borrowed. */
tenon_error *tenon__gio_error_reason(tenon_error *error);

#endif
