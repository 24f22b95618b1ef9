/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The poller: one epoll, in which the sockets, a timerfd and the inbox's
 * eventfd are, so that a host sees one descriptor. What Linux alone has stands
 * here. Each report carries the number of its descriptor and the generation of
 * its registration; reports of an earlier generation are dropped.
 */

#include <fcntl.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "loop/engine.h"

enum { SLOTS_MIN = 64, STALE_POLLS = 64 };

/* What the two descriptors of our own carry instead of a token. */
#define INBOX_TOKEN UINT64_MAX
#define TIMER_TOKEN (UINT64_MAX - 1)

static uint64_t token_of(int fd, uint32_t generation)
{
    return ((uint64_t)generation << 32) | (uint32_t)fd;
}

/* A child of a fork in a callback may still come here as it unwinds. */
static int control(tenon_reactor *r, int op, int fd, uint32_t events,
                   uint64_t token)
{
    if (tenon__forked(r)) {
        return TENON_FORKED;
    }
    struct epoll_event event = {.events = events, .data.u64 = token};
    return epoll_ctl(r->poller.epoll_fd, op, fd, &event) == 0 ? 0 : -errno;
}

/* ---- making and ending ---- */

static tenon_status add_timer_fd(tenon_reactor *r)
{
    tenon__poller *p = &r->poller;
    p->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (p->timer_fd < 0) {
        return -errno;
    }
    return control(r, EPOLL_CTL_ADD, p->timer_fd, EPOLLIN, TIMER_TOKEN);
}

tenon_status tenon__poller_init(tenon_reactor *r)
{
    tenon__poller *p = &r->poller;
    p->armed_ns = TENON_FOREVER;
    p->timer_fd = -1;
    tenon__list_init(&p->active);
    tenon__list_init(&p->disarmed);
    p->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (p->epoll_fd < 0) {
        return -errno;
    }
    tenon_status status =
        control(r, EPOLL_CTL_ADD, r->inbox->event_fd, EPOLLIN, INBOX_TOKEN);
    if (status < 0 || r->kind == TENON__NATIVE || r->kind == TENON__MANUAL) {
        return status;
    }
    return add_timer_fd(r);
}

void tenon__poller_fini(tenon_reactor *r)
{
    tenon__poller *p = &r->poller;
    if (p->timer_fd >= 0) {
        close(p->timer_fd);
    }
    if (p->epoll_fd >= 0) {
        close(p->epoll_fd);
    }
    p->timer_fd = -1;
    p->epoll_fd = -1;
    tenon__free(&r->allocator, p->slots, p->slot_count * sizeof *p->slots);
    p->slots = NULL;
    p->slot_count = 0;
}

bool tenon__poller_is_own(const tenon_reactor *r, int fd)
{
    return fd == r->poller.epoll_fd || fd == r->poller.timer_fd ||
           fd == r->inbox->event_fd;
}

/* ---- the slots ---- */

tenon_status tenon__poller_reserve(tenon_reactor *r, int fd)
{
    tenon__poller *p = &r->poller;
    uint32_t count = p->slot_count ? p->slot_count : SLOTS_MIN;
    while (count <= (uint32_t)fd) {
        count *= 2;
    }
    if (count == p->slot_count) {
        return TENON_OK;
    }
    if (fcntl(fd, F_GETFD) < 0) { /* a wild number would cost gigabytes */
        return -errno;
    }
    tenon__slot *slots =
        tenon__resize(&r->allocator, p->slots, p->slot_count * sizeof *slots,
                      count * sizeof *slots);
    if (!slots) {
        return TENON_NO_MEMORY;
    }
    memset(slots + p->slot_count, 0, (count - p->slot_count) * sizeof *slots);
    p->slots = slots;
    p->slot_count = count;
    return TENON_OK;
}

/* What the kernel is to report for a slot: all that its watches want. */
static uint32_t wanted(const tenon__slot *slot)
{
    uint32_t events = 0;
    for (const tenon_watch *w = slot->first; w; w = w->next) {
        if (w->flags & (TENON__WATCH_DISARMED | TENON__WATCH_SPUN)) {
            continue;
        }
        events |= (w->interest & TENON_READ) ? (uint32_t)EPOLLIN : 0;
        events |= (w->interest & TENON_WRITE) ? (uint32_t)EPOLLOUT : 0;
    }
    return events;
}

/* All watches but `keep` were started on a descriptor that is gone. */
static void end_stale(tenon_reactor *r, int fd, const tenon_watch *keep)
{
    tenon_watch *next;
    for (tenon_watch *w = r->poller.slots[fd].first; w; w = next) {
        next = w->next;
        if (w != keep) {
            tenon__watch_end_stale(r, w);
        }
    }
}

/* The kernel forgets a closed descriptor behind our back, so ADD comes first:
 * if it succeeds where we are registered, that registration was of a
 * descriptor that is gone. */
tenon_status tenon__poller_add(tenon_reactor *r, tenon_watch *watch)
{
    int fd = watch->fd;
    tenon__slot *slot = &r->poller.slots[fd];
    uint32_t events = wanted(slot);
    if (events == 0) {
        return TENON_OK;
    }
    uint32_t generation = r->poller.generation + 1;
    uint64_t token = token_of(fd, generation);
    int status = control(r, EPOLL_CTL_ADD, fd, events, token);
    if (status == 0 && slot->registered) {
        end_stale(r, fd, watch);
        events = wanted(slot);
        status = control(r, EPOLL_CTL_MOD, fd, events, token);
        if (status < 0) { /* then nobody knows of what was just added */
            (void)control(r, EPOLL_CTL_DEL, fd, 0, 0);
            slot->registered = 0;
        }
    } else if (status == -EEXIST) {
        status = control(r, EPOLL_CTL_MOD, fd, events, token);
    }
    if (status < 0) {
        return status;
    }
    /* 2^32 - 1 would make our own tokens of a high descriptor. */
    r->poller.generation = generation == UINT32_MAX - 1 ? 0 : generation;
    slot->generation = generation;
    slot->registered = events;
    return TENON_OK;
}

tenon_status tenon__poller_update(tenon_reactor *r, int fd)
{
    tenon__slot *slot = &r->poller.slots[fd];
    uint32_t events = wanted(slot);
    if (events == slot->registered) {
        return TENON_OK;
    }
    if (slot->registered == 0) {
        return tenon__poller_add(r, slot->first);
    }
    int op = events ? EPOLL_CTL_MOD : EPOLL_CTL_DEL;
    int status = control(r, op, fd, events, token_of(fd, slot->generation));
    if (op == EPOLL_CTL_DEL) {
        /* Closed before it was stopped: the kernel did it for us. */
        slot->registered = 0;
        return TENON_OK;
    }
    if (status < 0) {
        return status;
    }
    slot->registered = events;
    return TENON_OK;
}

/* ---- registrations that nobody can end ---- */

/* Moves what is registered to the epoll `to`. MOD tells whether the number
 * still is what was registered; if not, its watches are stale. */
static tenon_status move_slot(tenon_reactor *r, int fd, int to)
{
    tenon__slot *slot = &r->poller.slots[fd];
    uint64_t token = token_of(fd, slot->generation);
    if (slot->registered == 0) {
        return TENON_OK;
    }
    int known = control(r, EPOLL_CTL_MOD, fd, slot->registered, token);
    if (known < 0 && known != -ENOENT && known != -EBADF) {
        return known; /* which says nothing about the descriptor */
    }
    if (known < 0) {
        slot->registered = 0;
        while (slot->first) {
            tenon__watch_end_stale(r, slot->first);
        }
        return TENON_OK;
    }
    struct epoll_event event = {.events = slot->registered, .data.u64 = token};
    return epoll_ctl(to, EPOLL_CTL_ADD, fd, &event) == 0 ? TENON_OK : -errno;
}

static tenon_status move_all(tenon_reactor *r, int to)
{
    tenon__poller *p = &r->poller;
    struct epoll_event inbox = {.events = EPOLLIN, .data.u64 = INBOX_TOKEN};
    struct epoll_event timer = {.events = EPOLLIN, .data.u64 = TIMER_TOKEN};
    if (epoll_ctl(to, EPOLL_CTL_ADD, r->inbox->event_fd, &inbox) < 0 ||
        (p->timer_fd >= 0 &&
         epoll_ctl(to, EPOLL_CTL_ADD, p->timer_fd, &timer) < 0)) {
        return -errno;
    }
    tenon_status status = TENON_OK;
    for (uint32_t fd = 0; fd < p->slot_count && status == TENON_OK; fd++) {
        status = move_slot(r, (int)fd, to);
    }
    return status;
}

/* Puts `fresh` behind the number that the host knows. */
static void swap_epoll(tenon_reactor *r, int fresh)
{
    bool hosted = r->kind == TENON__HOSTED && r->host_open;
    if (hosted) {
        r->ops->set_watched(r->host, false);
    }
    (void)dup3(fresh, r->poller.epoll_fd, O_CLOEXEC);
    if (hosted) {
        r->ops->set_watched(r->host, true);
    }
}

/* The kernel keeps a registration for as long as any duplicate of the
 * descriptor is open, in a child too, but ends it only by the number that it
 * was made with. Once that is closed, only a new epoll is rid of it. Without
 * the means for one it is tried again at the next report. */
static void bury(tenon_reactor *r)
{
    bool can = r->kind == TENON__HOSTED ? TENON__HOST_HAS(r, set_watched)
                                        : r->kind != TENON__FOREIGN;
    if (!can) {
        if (!r->poller.told_undead) {
            r->poller.told_undead = true;
            tenon__report_status(r, "poller", r->name, r, TENON_STALE);
        }
        return;
    }
    int fresh = epoll_create1(EPOLL_CLOEXEC);
    if (fresh < 0) {
        return;
    }
    if (move_all(r, fresh) == TENON_OK) {
        swap_epoll(r, fresh);
    }
    close(fresh);
}

/* One such report is usual: its watch was stopped after the harvest. */
TENON__ASIDE static void on_stale_report(tenon_reactor *r, uint64_t token)
{
    tenon__poller *p = &r->poller;
    uint64_t age = r->stats.polls - p->stale_poll;
    r->stats.stale_events++;
    if (token == p->stale_token && age > 0) {
        bury(r);
    }
    if (token == p->stale_token || age > STALE_POLLS || p->stale_token == 0) {
        p->stale_token = token;
        p->stale_poll = r->stats.polls;
    }
}

/* ---- waiting ---- */

/* epoll_pwait2 came with Linux 5.11; before it the wait is rounded up. */
static int wait_rounded(tenon__poller *p, int64_t wait_ns)
{
    int64_t wait_ms = wait_ns / TENON_MILLISECOND + 1;
    int timeout = wait_ns == TENON_FOREVER ? -1
                  : wait_ms > INT32_MAX    ? INT32_MAX
                                           : (int)wait_ms;
    return epoll_wait(p->epoll_fd, p->batch, TENON__BATCH, timeout);
}

static int wait_for_events(tenon__poller *p, int64_t wait_ns)
{
    if (wait_ns <= 0) {
        return epoll_wait(p->epoll_fd, p->batch, TENON__BATCH, 0);
    }
    struct timespec timeout = {.tv_sec = wait_ns / TENON_SECOND,
                               .tv_nsec = wait_ns % TENON_SECOND};
    int count = epoll_pwait2(p->epoll_fd, p->batch, TENON__BATCH,
                             wait_ns == TENON_FOREVER ? NULL : &timeout, NULL);
    if (count < 0 && errno == ENOSYS) {
        return wait_rounded(p, wait_ns);
    }
    return count;
}

/* Somebody closed a descriptor that is ours: nothing can be waited for any
 * more. A host is still there, and is left. */
static void on_broken(tenon_reactor *r, int error)
{
    if (error == EBADF) {
        r->poller.epoll_fd = -1; /* the number is not ours to close */
    }
    tenon__report_status(r, "poller", r->name, r, -error);
    tenon__end(r, r->kind == TENON__HOSTED ? TENON_CLOSED : TENON_HOST_GONE);
}

void tenon__poller_harvest(tenon_reactor *r, int64_t wait_ns)
{
    tenon__poller *p = &r->poller;
    if (TENON__RARELY(!tenon__list_empty(&p->disarmed))) {
        tenon__watches_rearm(r, true);
    }
    int count = wait_for_events(p, wait_ns);
    r->stats.polls++;
    if (count < 0 && errno != EINTR) {
        on_broken(r, errno);
    }
    p->cursor = 0;
    p->count = count > 0 ? (uint32_t)count : 0;
    p->was_full = p->count == TENON__BATCH;
    r->stats.idle_polls += count == 0;
}

/* ---- delivering ---- */

bool tenon__poller_pending(const tenon_reactor *r)
{
    return !tenon__list_empty(&r->poller.active) ||
           r->poller.cursor < r->poller.count;
}

/* What of `events` the watch asked for. A hang-up or an error goes to both
 * directions: the operation will tell. */
static uint32_t reported(const tenon_watch *w, uint32_t events)
{
    uint32_t sides = w->interest & (TENON_READ | TENON_WRITE);
    if (!sides || (w->flags & (TENON__WATCH_DISARMED | TENON__WATCH_SPUN))) {
        return 0;
    }
    if (events & (EPOLLHUP | EPOLLERR)) {
        return sides | TENON_HANGUP;
    }
    uint32_t ready = (events & EPOLLIN) ? (uint32_t)TENON_READ : 0;
    ready |= (events & EPOLLOUT) ? (uint32_t)TENON_WRITE : 0;
    return sides & ready;
}

/* A hang-up that nobody does anything about would be reported for ever. */
static void count_futile(tenon_watch *w, uint32_t events)
{
    bool only = (events & (EPOLLIN | EPOLLOUT)) == 0;
    w->futile = only && w->futile < UINT8_MAX ? w->futile + 1 : 0;
}

TENON__INLINE bool report_to(tenon_watch *w, uint32_t events)
{
    uint32_t report = reported(w, events);
    if (report == 0) {
        return false;
    }
    count_futile(w, events);
    w->pending |= report;
    return true;
}

/* The one watch that has a report now; where there are several, they wait in
 * the list of the active. */
static tenon_watch *activate(tenon_reactor *r, tenon__slot *slot,
                             uint32_t events)
{
    tenon_watch *w = slot->first;
    if (TENON__LIKELY(w && !w->next && !tenon__linked(&w->active))) {
        return report_to(w, events) ? w : NULL;
    }
    for (; w; w = w->next) {
        if (report_to(w, events) && !tenon__linked(&w->active)) {
            tenon__list_push(&r->poller.active, &w->active);
        }
    }
    return NULL;
}

static tenon_watch *take_event(tenon_reactor *r,
                               const struct epoll_event *event)
{
    tenon__poller *p = &r->poller;
    uint64_t token = event->data.u64;
    if (TENON__RARELY(token == INBOX_TOKEN)) {
        tenon__inbox_acknowledge(r);
        return NULL;
    }
    if (TENON__RARELY(token == TIMER_TOKEN)) {
        p->lapsed = true;
        return NULL;
    }
    uint32_t fd = (uint32_t)token;
    tenon__slot *slot = fd < p->slot_count ? &p->slots[fd] : NULL;
    if (!slot || slot->registered == 0 ||
        slot->generation != (uint32_t)(token >> 32)) {
        on_stale_report(r, token);
        return NULL;
    }
    r->stats.events++;
    return activate(r, slot, event->events);
}

bool tenon__poller_dispatch(tenon_reactor *r)
{
    tenon__poller *p = &r->poller;
    for (;;) {
        tenon_node *node = tenon__list_pop(&p->active);
        if (node) {
            tenon__watch_deliver(r, TENON__OF(node, tenon_watch, active));
            return true;
        }
        if (p->cursor == p->count) {
            return false;
        }
        tenon_watch *only = take_event(r, &p->batch[p->cursor++]);
        if (only) {
            tenon__watch_deliver(r, only);
            return true;
        }
    }
}

/* ---- deadlines ---- */

TENON__ASIDE static void set_timer_fd(tenon_reactor *r, int64_t deadline_ns)
{
    struct itimerspec when = {{0, 0}, {0, 0}};
    if (deadline_ns != TENON_FOREVER) {
        when.it_value.tv_sec = deadline_ns / TENON_SECOND;
        when.it_value.tv_nsec = deadline_ns % TENON_SECOND;
    }
    bool failed =
        timerfd_settime(r->poller.timer_fd, TFD_TIMER_ABSTIME, &when, NULL) < 0;
    int error = errno;
    bool told = r->poller.timer_lost;
    r->poller.timer_lost = failed && deadline_ns != TENON_FOREVER;
    r->poller.armed_ns = failed ? TENON_FOREVER : deadline_ns;
    r->poller.lapsed = false;
    if (r->poller.timer_lost) {
        tenon__arm(r);
    }
    if (failed && !told) {
        tenon__report_status(r, "timerfd", r->name, r, -error);
    }
}

/* While it cannot be set the host is asked to enter us again and again, and
 * each entry waits a little. Setting it also makes a lapsed one unreadable. A
 * deadline that went away is left armed: it costs one wake-up at most, and
 * setting it costs one call. */
void tenon__poller_sync_timer(tenon_reactor *r)
{
    tenon__poller *p = &r->poller;
    if (p->timer_fd < 0 || tenon__forked(r)) {
        return;
    }
    int64_t next_ns = tenon__timer_next(r);
    if (p->lapsed || p->timer_lost || next_ns < p->armed_ns) {
        set_timer_fd(r, next_ns);
    }
}
