/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * What the files of calls share. What a call asks for in turn (another call, a
 * completion, a free) is counted: debts must be paid exactly once by the end,
 * hopes may be dropped when the reactor ends.
 */

#ifndef TENON_MATRIX_CALLS_H
#define TENON_MATRIX_CALLS_H

#include "matrix.h"

#define R st.reactor
/* A status of what has none. */
#define SAY(expression) ((void)(expression), TENON_OK)

typedef struct call_table {
    const call_row *rows;
    size_t count;
} call_table;

extern const call_table calls_loop, calls_net, calls_async, calls_scope,
    calls_lock, calls_stream;

/** Counts a debt, or a hope, if the call has succeeded. */
tenon_status owed(tenon_status status);
tenon_status guest(tenon_status status);
/** One was paid; there must have been one. */
void pay(void);
/** Takes back debts that a call has cancelled. */
void forgive(size_t count);
void on_paid_user(void *user);
void on_guest(void *user);
void nothing(void *user);
void calls_free_waiters(void);
void calls_free_tickets(void);

#endif
