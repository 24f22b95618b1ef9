/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The tables of calls as one, and the books about what calls have asked for.
 */

#include "calls.h"

static int debts;
static int hopes;

tenon_status owed(tenon_status status)
{
    debts += status >= 0;
    return status;
}

tenon_status guest(tenon_status status)
{
    hopes += status >= 0;
    return status;
}

void pay(void)
{
    WANT(debts-- > 0);
}

void forgive(size_t count)
{
    WANT((size_t)debts >= count);
    debts -= (int)count;
}

void on_paid_user(void *user)
{
    (void)user;
    pay();
}

void on_guest(void *user)
{
    (void)user;
    WANT(!st.calling || (st.act->call->flags & RUNS));
    WANT(hopes-- > 0);
}

void nothing(void *user)
{
    (void)user;
}

void calls_close(void)
{
    WANT(debts == 0);
    WANT(hopes == 0 || st.upset || st.closing);
    hopes = 0;
    calls_free_waiters();
    calls_free_tickets();
}

static const call_table *const tables[] = {&calls_loop,  &calls_net,
                                           &calls_async, &calls_scope,
                                           &calls_lock,  &calls_stream};

const call_row *call_at(size_t index)
{
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        if (index < tables[i]->count) {
            return &tables[i]->rows[index];
        }
        index -= tables[i]->count;
    }
    return NULL;
}

size_t call_count(void)
{
    size_t count = 0;
    while (call_at(count)) {
        count++;
    }
    return count;
}
