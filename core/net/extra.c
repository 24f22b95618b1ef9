/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * What few transports need, in memory of its own, so that an idle connection
 * does not pay for it; and what is known of a connection: while it is there
 * its body is asked, and what it would say is kept when the loss begins.
 */

#include <string.h>
#include <unistd.h>

#include "net/transport.h"

typedef struct tenon__past {
    tenon_address ends[2]; /* local, peer */
    tenon_status status[2];
    tenon_credentials credentials;
    tenon_status credentials_status;
} tenon__past;

tenon__extra *tenon__transport_extra(tenon_transport *t)
{
    if (!t->extra) {
        t->extra = tenon__alloc(&t->reactor->allocator, sizeof *t->extra);
    }
    if (t->extra && !t->extra->timer.reactor) {
        t->extra->session_end_ns = TENON_FOREVER;
        t->extra->close_end_ns = TENON_FOREVER;
        tenon_timer_init(&t->extra->timer, t->reactor);
        tenon_timer_set_name(&t->extra->timer, "transport timeout");
        (void)tenon_timer_set_daemon(&t->extra->timer, true);
    }
    return t->extra;
}

void tenon__transport_free_extra(tenon_transport *t)
{
    tenon__extra *extra = t->extra;
    if (!extra) {
        return;
    }
    tenon__queue_clear(&extra->unread, t->reactor, NULL, TENON_OK);
    tenon__free(&t->reactor->allocator, extra->past, sizeof *extra->past);
    tenon__free(&t->reactor->allocator, extra, sizeof *extra);
    t->extra = NULL;
}

/* ---- what is known ---- */

static tenon_status ask_address(const tenon_transport *t, bool peer,
                                tenon_address *out)
{
    return t->ops->address(t, peer, out);
}

static tenon_status ask_credentials(const tenon_transport *t,
                                    tenon_credentials *out)
{
    struct ucred from;
    socklen_t len = sizeof from;
    if (!t->ops->fd || strcmp(t->ops->kind, "unix") != 0) {
        return TENON_NOT_SUPPORTED;
    }
    if (getsockopt(t->ops->fd(t), SOL_SOCKET, SO_PEERCRED, &from, &len) < 0) {
        return -errno;
    }
    *out = (tenon_credentials){from.pid, from.uid, from.gid};
    return TENON_OK;
}

void tenon__transport_remember(tenon_transport *t)
{
    if (t->extra) {
        (void)tenon_timer_stop(&t->extra->timer);
    }
    if (!t->made || !t->ops->fd || !tenon__transport_extra(t)) {
        return;
    }
    tenon__past *past = tenon__alloc(&t->reactor->allocator, sizeof *past);
    if (!past) {
        return;
    }
    for (int peer = 0; peer < 2; peer++) {
        past->status[peer] = ask_address(t, peer, &past->ends[peer]);
    }
    past->credentials_status = ask_credentials(t, &past->credentials);
    t->extra->past = past;
}

static const tenon__past *past_of(const tenon_transport *t)
{
    return t->extra ? t->extra->past : NULL;
}

static tenon_status address(const tenon_transport *t, bool peer,
                            tenon_address *out)
{
    tenon_status status = tenon__check_thread(t->reactor);
    const tenon__past *past = past_of(t);
    if (status < 0) {
        return status;
    }
    if (t->state < TENON__LOST || !t->ops->fd) {
        return ask_address(t, peer, out);
    }
    if (past && past->status[peer] == TENON_OK) {
        *out = past->ends[peer];
    }
    return past ? past->status[peer] : TENON_CLOSED;
}

tenon_status tenon_transport_peer_address(const tenon_transport *t,
                                          tenon_address *out)
{
    return address(t, true, out);
}

tenon_status tenon_transport_local_address(const tenon_transport *t,
                                           tenon_address *out)
{
    return address(t, false, out);
}

tenon_status tenon_transport_peer_credentials(const tenon_transport *t,
                                              tenon_credentials *out)
{
    tenon_status status = tenon__check_thread(t->reactor);
    const tenon__past *past = past_of(t);
    if (status < 0) {
        return status;
    }
    if (t->state < TENON__LOST || !t->ops->fd) {
        return ask_credentials(t, out);
    }
    if (past && past->credentials_status == TENON_OK) {
        *out = past->credentials;
    }
    return past ? past->credentials_status : TENON_CLOSED;
}

const char *tenon_transport_kind(const tenon_transport *t)
{
    return t->ops->kind;
}

int tenon_transport_fd(const tenon_transport *t)
{
    return t->ops->fd && t->state < TENON__LOST ? t->ops->fd(t) : -1;
}

/* ---- the tap ---- */

void tenon__transport_tapped(tenon_transport *t, enum tenon_tap_way way,
                             const void *data, size_t len)
{
    tenon__frame frame;
    tenon__extra *extra = t->extra;
    tenon__transport_enter(t, &frame, "tap");
    extra->in_tap = true;
    extra->tap(t, way, data, len, extra->tap_user);
    extra->in_tap = false;
    tenon__frame_leave(t->reactor, &frame);
    tenon__transport_leave(t);
}

tenon_status tenon_transport_tap(tenon_transport *t, tenon_tap_fn *fn,
                                 void *user)
{
    tenon_status status = tenon__check(t->reactor);
    if (status == TENON_OK && t->state >= TENON__LOST) {
        status = TENON_CLOSED;
    }
    if (status < 0 || (!fn && !t->extra)) {
        return status;
    }
    if (!tenon__transport_extra(t)) {
        return TENON_NO_MEMORY;
    }
    t->extra->tap = fn;
    t->extra->tap_user = user;
    return TENON_OK;
}
