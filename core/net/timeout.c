/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The deadlines of a transport: idle, session, close. One timer serves them
 * all and is set for the earliest. Traffic only notes the time; the timer
 * finds out, when it fires, that there was some, and is set anew. So a busy
 * connection costs one firing an idle time, not one restart a read.
 */

#include "net/transport.h"

static int64_t earliest(const tenon__extra *extra)
{
    int64_t end_ns = extra->session_end_ns;
    if (extra->close_end_ns < end_ns) {
        end_ns = extra->close_end_ns;
    }
    int64_t idle_end_ns = extra->idle_ns > 0
                              ? tenon__add_ns(extra->active_ns, extra->idle_ns)
                              : TENON_FOREVER;
    return idle_end_ns < end_ns ? idle_end_ns : end_ns;
}

static const char *reason(const tenon__extra *extra, int64_t now_ns)
{
    if (now_ns >= extra->close_end_ns) {
        return "closing took too long";
    }
    return now_ns >= extra->session_end_ns ? "the session lasted too long"
                                           : "nothing came or went";
}

static tenon_status arm(tenon_transport *t);

static void on_timer(tenon_timer *timer, void *user)
{
    tenon_transport *t = user;
    (void)timer;
    int64_t now_ns = tenon_now(t->reactor);
    if (t->state >= TENON__LOST) {
        return;
    }
    if (earliest(t->extra) > now_ns) {
        tenon_status status = arm(t);
        if (status < 0) {
            tenon__transport_lose_status(t, status, "setting a timeout");
        }
        return;
    }
    tenon__transport_lose(t,
                          tenon__error(t->reactor, TENON_TIMED_OUT,
                                       reason(t->extra, now_ns), NULL),
                          true);
}

/* Sets the timer, unless it is to fire earlier anyway. */
static tenon_status arm(tenon_transport *t)
{
    tenon_timer *timer = &t->extra->timer;
    int64_t end_ns = earliest(t->extra);
    if (end_ns == TENON_FOREVER) {
        (void)tenon_timer_stop(timer);
        return TENON_OK;
    }
    if (tenon_timer_is_active(timer) && tenon_timer_when(timer) <= end_ns) {
        return TENON_OK;
    }
    return tenon_timer_start_at(timer, end_ns, on_timer, t);
}

static tenon_status may_set(tenon_transport *t, int64_t span_ns,
                            enum tenon__transport_state until)
{
    tenon_status status = tenon__check(t->reactor);
    if (status < 0) {
        return status;
    }
    if (t->state >= until) {
        return TENON_CLOSED;
    }
    if (span_ns < 0) {
        return TENON_INVALID;
    }
    return tenon__transport_extra(t) ? TENON_OK : TENON_NO_MEMORY;
}

static int64_t end_after(const tenon_transport *t, int64_t span_ns)
{
    return tenon__add_ns(tenon__clock(t->reactor), span_ns);
}

tenon_status tenon_transport_close_within(tenon_transport *t,
                                          int64_t timeout_ns)
{
    tenon_status status = may_set(t, timeout_ns, TENON__BROKEN);
    if (status == TENON_CLOSED && !tenon_reactor_is_closed(t->reactor)) {
        return tenon_transport_close(t); /* its end has begun */
    }
    if (status < 0) {
        return status;
    }
    int64_t before_ns = t->extra->close_end_ns;
    t->extra->close_end_ns = end_after(t, timeout_ns);
    status = arm(t);
    if (status < 0) {
        t->extra->close_end_ns = before_ns;
        return status;
    }
    return tenon_transport_close(t);
}

tenon_status tenon_transport_set_idle_timeout(tenon_transport *t,
                                              int64_t idle_ns)
{
    tenon_status status = may_set(t, idle_ns, TENON__LOST);
    if (status < 0) {
        return status;
    }
    t->extra->active_ns = tenon__clock(t->reactor);
    t->extra->idle_ns = idle_ns;
    status = arm(t);
    if (status < 0) {
        t->extra->idle_ns = 0;
    }
    return status;
}

tenon_status tenon_transport_set_session_limit(tenon_transport *t,
                                               int64_t limit_ns)
{
    tenon_status status = may_set(t, limit_ns, TENON__LOST);
    if (status < 0) {
        return status;
    }
    t->extra->session_end_ns =
        limit_ns > 0 ? end_after(t, limit_ns) : TENON_FOREVER;
    status = arm(t);
    if (status < 0) {
        t->extra->session_end_ns = TENON_FOREVER;
    }
    return status;
}
