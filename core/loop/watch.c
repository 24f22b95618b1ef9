/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Watches. Each is its own object; those of one descriptor hang in its slot
 * and share one registration. Before a watch's function runs, nothing leads to
 * the watch but its slot, so the function may stop, free or restart it.
 */

#include "loop/trace.h"

enum watch_state { WATCH_IDLE, WATCH_STARTED, WATCH_STALE };

enum { FUTILE_MAX = 3 };

/* What its frames are known by. */
static const void *identity_of(const tenon_watch *w)
{
    return w->flags & TENON__WATCH_EXCLUSIVE ? w->user : w;
}

static bool is_on_stack(const tenon_watch *w)
{
    return (w->flags & TENON__WATCH_BUSY) ||
           tenon__on_stack(w->reactor, identity_of(w));
}

/* ---- slots ---- */

static tenon__slot *slot_of(const tenon_watch *w)
{
    return &w->reactor->poller.slots[w->fd];
}

static void link_watch(tenon_watch *w)
{
    tenon_watch **at = &slot_of(w)->first;
    while (*at) {
        at = &(*at)->next;
    }
    w->next = NULL;
    *at = w;
}

static void unlink_watch(tenon_watch *w)
{
    tenon_watch **at = &slot_of(w)->first;
    while (*at && *at != w) {
        at = &(*at)->next;
    }
    if (*at) {
        *at = w->next;
    }
    w->next = NULL;
}

/* Out of every list; what it was started for is forgotten. */
static void forget(tenon_watch *w)
{
    tenon_reactor *r = w->reactor;
    unlink_watch(w);
    tenon__list_remove(&w->active);
    w->pending = 0;
    w->futile = 0;
    w->flags &= (uint8_t) ~(TENON__WATCH_DISARMED | TENON__WATCH_SPUN);
    w->state = WATCH_IDLE;
    r->stats.watch_count--;
    if (w->flags & TENON__WATCH_OWNED) {
        slot_of(w)->owned = false;
    }
    if (!(w->flags & TENON__WATCH_DAEMON)) {
        tenon__alive_sub(r);
    }
    tenon__trace_forget(r, w);
    tenon__frame_forget(r, w);
}

/* ---- public ---- */

void tenon_watch_init(tenon_watch *w, tenon_reactor *r, int fd)
{
    *w = (tenon_watch){.reactor = r, .fd = fd};
}

static tenon_status check_start(const tenon_watch *w, uint32_t events,
                                tenon_watch_fn *fn, bool owned)
{
    const uint32_t known = TENON_READ | TENON_WRITE | TENON_ONESHOT;
    if (!w) {
        return TENON_INVALID;
    }
    tenon_status status = tenon__check(w->reactor);
    if (status < 0) {
        return status;
    }
    if (!fn || (events & ~known) || w->fd < 0) {
        return TENON_INVALID;
    }
    if (tenon__poller_is_own(w->reactor, w->fd)) {
        return TENON_OWNED;
    }
    status = tenon__poller_reserve(w->reactor, w->fd);
    if (status < 0) {
        return status;
    }
    bool taken = slot_of(w)->owned && !(w->flags & TENON__WATCH_OWNED);
    return taken && !owned ? TENON_OWNED : TENON_OK;
}

static tenon_status start_new(tenon_watch *w)
{
    tenon_reactor *r = w->reactor;
    link_watch(w);
    w->state = WATCH_STARTED;
    r->stats.watch_count++;
    if (!(w->flags & TENON__WATCH_DAEMON)) {
        tenon__alive_add(r);
    }
    tenon_status status = tenon__poller_add(r, w);
    if (status < 0) {
        forget(w);
    }
    return status;
}

static tenon_status change(tenon_watch *w, uint32_t old_interest)
{
    w->flags &= (uint8_t)~TENON__WATCH_SPUN;
    w->futile = 0;
    tenon_status status = tenon__poller_update(w->reactor, w->fd);
    if (status == -ENOENT) {
        /* Closed and opened again meanwhile: it is a new descriptor. */
        status = tenon__poller_add(w->reactor, w);
    }
    if (status < 0) {
        w->interest = old_interest;
        return status;
    }
    w->pending &= w->interest | TENON_HANGUP;
    if ((w->pending & (TENON_READ | TENON_WRITE)) == 0) {
        w->pending = 0;
        if (!(w->flags & TENON__WATCH_DISARMED)) {
            tenon__list_remove(&w->active);
        }
    }
    return TENON_OK;
}

static tenon_status start(tenon_watch *w, uint32_t events, tenon_watch_fn *fn,
                          void *user, bool owned)
{
    tenon_status status = check_start(w, events, fn, owned);
    if (status < 0) {
        return status;
    }
    uint32_t old_interest = w->interest;
    if (w->state == WATCH_STALE) {
        tenon_watch_stop(w);
    }
    w->interest = events;
    w->fn = fn;
    w->user = user;
    if (w->state == WATCH_STARTED) {
        return change(w, old_interest);
    }
    status = start_new(w);
    if (status == TENON_OK && !owned) {
        tenon__trace_made(w->reactor, w, "watch");
    }
    return status;
}

tenon_status tenon_watch_start(tenon_watch *w, uint32_t events,
                               tenon_watch_fn *fn, void *user)
{
    return start(w, events, fn, user, false);
}

tenon_status tenon__watch_start_owned(tenon_watch *w, uint32_t events,
                                      tenon_watch_fn *fn, void *user)
{
    tenon_status status = start(w, events, fn, user, true);
    if (status == TENON_OK) {
        w->flags |= TENON__WATCH_OWNED;
        slot_of(w)->owned = true;
    }
    return status;
}

tenon_status tenon_watch_stop(tenon_watch *w)
{
    if (!w) {
        return TENON_INVALID;
    }
    if (w->state == WATCH_IDLE) {
        return TENON_OK;
    }
    tenon_status status = tenon__check_thread(w->reactor);
    if (status < 0) {
        return status;
    }
    if (w->state == WATCH_STALE) {
        tenon__list_remove(&w->active);
        w->state = WATCH_IDLE;
        return TENON_OK;
    }
    forget(w);
    w->flags &= (uint8_t)~TENON__WATCH_OWNED;
    /* A kernel that knows nothing of it any more has stopped, too. */
    (void)tenon__poller_update(w->reactor, w->fd);
    return TENON_EXISTED;
}

bool tenon_watch_is_active(const tenon_watch *w)
{
    return w->state == WATCH_STARTED;
}

tenon_status tenon_watch_set_daemon(tenon_watch *w, bool daemon)
{
    bool is_daemon = w->flags & TENON__WATCH_DAEMON;
    tenon_status status =
        w->reactor ? tenon__check_thread(w->reactor) : TENON_OK;
    if (status < 0 || daemon == is_daemon) {
        return status;
    }
    w->flags ^= TENON__WATCH_DAEMON;
    if (w->state == WATCH_STARTED) {
        (daemon ? tenon__alive_sub : tenon__alive_add)(w->reactor);
    }
    return TENON_OK;
}

void tenon_watch_set_exclusive(tenon_watch *w, bool exclusive)
{
    if (w->state != WATCH_IDLE || is_on_stack(w)) {
        return; /* what is on the stack is known by it */
    }
    w->flags &= (uint8_t)~TENON__WATCH_EXCLUSIVE;
    w->flags |= exclusive ? TENON__WATCH_EXCLUSIVE : 0;
}

void tenon_watch_set_name(tenon_watch *w, const char *name)
{
    w->name = name;
}

tenon_watch *tenon_watch_find(tenon_reactor *r, int fd, tenon_watch_fn *fn,
                              const void *user)
{
    bool known = tenon__check_thread(r) == TENON_OK && fd >= 0 &&
                 (uint32_t)fd < r->poller.slot_count;
    tenon_watch *w = known ? r->poller.slots[fd].first : NULL;
    while (w && (w->fn != fn || w->user != user)) {
        w = w->next;
    }
    return w;
}

tenon_status tenon_reactor_foreach_watch(tenon_reactor *r,
                                         tenon_watch_visit_fn *fn, void *user)
{
    tenon_status status = tenon__check(r);
    if (status < 0 || !fn) {
        return status < 0 ? status : TENON_INVALID;
    }
    for (uint32_t fd = 0; fd < r->poller.slot_count; fd++) {
        for (tenon_watch *w = r->poller.slots[fd].first; w; w = w->next) {
            tenon_watch_info info = {.size = sizeof info,
                                     .fd = w->fd,
                                     .interest = w->interest,
                                     .name = w->name,
                                     .watch = w};
            fn(&info, user);
        }
    }
    return TENON_OK;
}

/* ---- for the poller ---- */

/* A nested host loop reports the descriptor of a watch whose function is on
 * the stack: silence it until that function returned. */
static void disarm(tenon_reactor *r, tenon_watch *w)
{
    w->flags |= TENON__WATCH_DISARMED;
    w->pending = 0;
    tenon__list_push(&r->poller.disarmed, &w->active);
    (void)tenon__poller_update(r, w->fd);
}

/* Without memory it stays silent, and the next turn tries again: one that we
 * ask for, then, rather than turn and turn, those that come anyway. */
static bool rearm(tenon_reactor *r, tenon_watch *w, bool polling)
{
    w->flags &= (uint8_t)~TENON__WATCH_DISARMED;
    tenon_status status = tenon__poller_update(r, w->fd);
    if (status == -ENOMEM || status == -ENOSPC) {
        w->flags |= TENON__WATCH_DISARMED;
        if (!polling) {
            tenon__arm(r);
        }
        tenon__report_status(r, "watch", w->name, w, status);
        return false;
    }
    return true;
}

void tenon__watches_rearm(tenon_reactor *r, bool polling)
{
    tenon_node busy;
    tenon_node *node;
    tenon__list_init(&busy);
    while ((node = tenon__list_pop(&r->poller.disarmed)) != NULL) {
        tenon_watch *w = TENON__OF(node, tenon_watch, active);
        tenon__list_push(&busy, node);
        if (is_on_stack(w)) {
            continue;
        }
        if (w->state == WATCH_STALE) {
            tenon__list_remove(node);
            tenon__list_push(&r->poller.active, node);
            tenon__arm(r);
        } else if (rearm(r, w, polling)) {
            tenon__list_remove(node);
        }
    }
    tenon__list_splice(&r->poller.disarmed, &busy);
}

/* The first reports went to the function; it did nothing about them. */
static bool spins(tenon_reactor *r, tenon_watch *w)
{
    if (TENON__LIKELY(w->futile <= FUTILE_MAX)) {
        return false;
    }
    w->flags |= TENON__WATCH_SPUN;
    w->pending = 0;
    (void)tenon__poller_update(r, w->fd);
    tenon__report_status(r, "watch", w->name, w, TENON_NO_PROGRESS);
    return true;
}

static void call_in_frame(tenon_reactor *r, tenon_watch *w, uint32_t events)
{
    tenon__frame frame;
    /* What a transport runs of the user's it measures itself. */
    bool owned = w->flags & TENON__WATCH_OWNED;
    tenon__frame_enter_named(r, &frame, identity_of(w), owned ? NULL : "watch",
                             w->name);
    tenon__trace_lend(r, w, &frame);
    w->fn(w, events, w->user);
    tenon__frame_leave(r, &frame);
}

static void call_bare(tenon_reactor *r, tenon_watch *w, uint32_t events)
{
    w->flags |= TENON__WATCH_BUSY;
    w->fn(w, events, w->user);
    w->flags &= (uint8_t)~TENON__WATCH_BUSY;
    if (TENON__RARELY(!tenon__list_empty(&r->poller.disarmed))) {
        tenon__watches_rearm(r, false);
    }
}

void tenon__watch_deliver(tenon_reactor *r, tenon_watch *w)
{
    bool stale = w->state == WATCH_STALE;
    if (TENON__RARELY(is_on_stack(w))) {
        if (stale) {
            tenon__list_push(&r->poller.disarmed, &w->active);
        } else {
            disarm(r, w);
        }
        return;
    }
    if (stale) {
        w->state = WATCH_IDLE;
    } else if (spins(r, w)) {
        return;
    }
    uint32_t events = w->pending;
    w->pending = 0;
    if (w->interest & TENON_ONESHOT) {
        tenon_watch_stop(w);
    }
    (w->flags & TENON__WATCH_BARE ? call_bare : call_in_frame)(r, w, events);
}

void tenon__watch_end_stale(tenon_reactor *r, tenon_watch *w)
{
    forget(w);
    w->state = WATCH_STALE;
    w->pending = TENON_STALE_WATCH;
    tenon__list_push(&r->poller.active, &w->active);
    tenon__arm(r);
}

void tenon__watches_end(tenon_reactor *r)
{
    for (uint32_t fd = 0; fd < r->poller.slot_count; fd++) {
        tenon_watch *next;
        for (tenon_watch *w = r->poller.slots[fd].first; w; w = next) {
            next = w->next;
            forget(w);
        }
    }
    tenon_node *node;
    while ((node = tenon__list_pop(&r->poller.active)) != NULL) {
        TENON__OF(node, tenon_watch, active)->state = WATCH_IDLE;
    }
    tenon__readers_end(r);
}
