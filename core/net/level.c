/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The level of a write queue: how long it may get, and the two notices that it
 * is too long, and short again. The state follows at once, the notice comes at
 * the end of the turn.
 */

#include "net/transport.h"

void tenon__transport_follow_level(tenon_transport *t)
{
    if (!t->above && t->queue.len > t->high) {
        t->above = true;
        t->owes_pause = !t->told_pause;
    } else if (t->above && t->queue.len <= t->low) {
        t->above = false;
    }
    bool due = t->owes_pause || (t->told_pause && !t->above);
    if (due && t->state == TENON__OPENED) {
        tenon__late_push(t->reactor, &t->late);
    }
}

void tenon__transport_give_notices(tenon_transport *t)
{
    tenon__notice pause = {.tell = TENON__PAUSE};
    tenon__notice resume = {.tell = TENON__RESUME};
    if (t->state == TENON__OPENED && t->owes_pause) {
        t->owes_pause = false;
        t->told_pause = true;
        (void)tenon__transport_tell(t, &pause);
    }
    if (t->state == TENON__OPENED && t->told_pause && !t->above) {
        t->told_pause = false;
        (void)tenon__transport_tell(t, &resume);
    }
}

/* ---- public ---- */

static size_t four_times(size_t low)
{
    return low > SIZE_MAX / 4 ? SIZE_MAX : low * 4;
}

tenon_status tenon_transport_set_write_limits(tenon_transport *t, size_t high,
                                              size_t low)
{
    tenon_status status = tenon__check_thread(t->reactor);
    if (status < 0) {
        return status;
    }
    if (high == TENON_LIMIT_AUTO) {
        high = low == TENON_LIMIT_AUTO ? TENON_HIGH_DEFAULT : four_times(low);
    }
    if (low == TENON_LIMIT_AUTO) {
        low = high / 4;
    }
    if (high < low) {
        return TENON_INVALID;
    }
    t->high = high;
    t->low = low;
    tenon__transport_follow_level(t);
    return TENON_OK;
}

void tenon_transport_get_write_limits(const tenon_transport *t, size_t *high,
                                      size_t *low)
{
    if (high) {
        *high = t->high;
    }
    if (low) {
        *low = t->low;
    }
}

tenon_status tenon_transport_set_hard_limit(tenon_transport *t, size_t hard)
{
    tenon_status status = tenon__check_thread(t->reactor);
    if (status == TENON_OK) {
        t->hard = hard;
    }
    return status;
}
