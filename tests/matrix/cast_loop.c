/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The actors of the loop: calls, timers, watches, posts, signals, and what the
 * reactor itself calls.
 */

#include "matrix.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { SHORT_NS = 1000 };

static void close_fd(int *fd)
{
    if (*fd > 0) {
        close(*fd);
        *fd = 0;
    }
}

static int ready_fd(void)
{
    int fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
    WANT(fd > 0);
    return fd;
}

static void quench(int fd)
{
    uint64_t count;
    WANT(read(fd, &count, sizeof count) >= 0 || errno == EAGAIN);
}

/* ---- calls ---- */

static void on_run(void *user)
{
    hit(user, EV_RUN);
}

static void on_free_user(void *user)
{
    hit(user, EV_FREE_USER);
}

static void open_call(actor *a, int64_t delay_ns)
{
    tenon_call_options options = {.size = sizeof options,
                                  .time_ns = delay_ns,
                                  .fn = on_run,
                                  .user = a,
                                  .free_user = on_free_user,
                                  .name = a->role};
    WANT(tenon_call_with(st.reactor, &options, &a->handle) == TENON_OK);
}

static void open_soon(actor *a)
{
    open_call(a, 0);
}

static void open_later(actor *a)
{
    open_call(a, SHORT_NS);
}

static bool complete_call(const actor *a)
{
    return over(a, EV_RUN, 1) && over(a, EV_FREE_USER, 1);
}

static void close_call(actor *a)
{
    WANT(a->seen[EV_FREE_USER] == 1);
}

const part kind_SOON = {"call_soon", HANDLE,        open_soon,
                        NULL,        complete_call, close_call};
const part kind_LATER = {"call_later", HANDLE,        open_later,
                         NULL,         complete_call, close_call};

/* ---- timers ---- */

void matrix_on_fire(tenon_timer *timer, void *user)
{
    actor *a = user;
    WANT(timer == a->timer && !tenon_timer_is_active(timer));
    WANT(!over(a, EV_FIRE, 1 + a->again));
    hit(a, EV_FIRE);
}

static void open_ticket(actor *a)
{
    a->timer = own(sizeof *a->timer);
    tenon_timer_init(a->timer, st.reactor);
    WANT(tenon_timer_start(a->timer, SHORT_NS, matrix_on_fire, a) == TENON_OK);
}

static bool complete_ticket(const actor *a)
{
    return over(a, EV_FIRE, 1 + a->again);
}

static void close_ticket(actor *a)
{
    WANT(!a->timer || !tenon_timer_is_active(a->timer));
    DISOWN(a->timer);
}

const part kind_TICKET = {"timer", TIMER,           open_ticket,
                          NULL,    complete_ticket, close_ticket};

/* The second tick ends later, the third is the last. */
tenon_status matrix_on_tick(tenon_periodic *periodic, uint64_t missed,
                            void *user)
{
    actor *a = user;
    (void)missed;
    WANT(periodic == a->periodic && (a->phase == 0 || a->loose));
    a->phase = 0;
    hit(a, EV_TICK);
    if (!a->periodic || a->ended) {
        return TENON_OK;
    }
    if (over(a, EV_TICK, 3)) {
        tenon_periodic_stop(a->periodic);
    } else if (over(a, EV_TICK, 2) && tenon_periodic_is_active(a->periodic)) {
        a->phase = 1;
        return TENON_PENDING;
    }
    return TENON_OK;
}

static void open_metronome(actor *a)
{
    tenon_periodic_options options = {.size = sizeof options,
                                      .flags = TENON_PERIODIC_NOW,
                                      .period_ns = 20000,
                                      .fn = matrix_on_tick,
                                      .user = a};
    a->periodic = own(sizeof *a->periodic);
    WANT(tenon_periodic_start(a->periodic, st.reactor, &options) == TENON_OK);
}

static void step_metronome(actor *a)
{
    if (a->phase == 1) {
        a->phase = 0;
        if (a->periodic) {
            WANT(tenon_periodic_done(a->periodic, TENON_OK) >= 0 || a->loose);
        }
    }
}

static bool complete_metronome(const actor *a)
{
    return over(a, EV_TICK, 3);
}

static void close_metronome(actor *a)
{
    WANT(!a->periodic || !tenon_periodic_is_active(a->periodic));
    DISOWN(a->periodic);
}

const part kind_METRONOME = {"periodic",         PERIODIC,
                             open_metronome,     step_metronome,
                             complete_metronome, close_metronome};

/* ---- watches ---- */

void matrix_on_ready(tenon_watch *watch, uint32_t seen, void *user)
{
    actor *a = user;
    WANT(watch == a->watch && (seen & TENON_READ));
    quench(a->fd);
    hit(a, EV_READY);
}

static void open_eye(actor *a)
{
    a->fd = ready_fd();
    a->watch = own(sizeof *a->watch);
    tenon_watch_init(a->watch, st.reactor, a->fd);
    WANT(tenon_watch_start(a->watch, TENON_READ, matrix_on_ready, a) ==
         TENON_OK);
}

static bool complete_eye(const actor *a)
{
    return over(a, EV_READY, 1);
}

static void close_eye(actor *a)
{
    WANT(!a->watch || !tenon_watch_is_active(a->watch));
    close_fd(&a->fd);
    DISOWN(a->watch);
}

const part kind_EYE = {"watch", WATCH, open_eye, NULL, complete_eye, close_eye};

static void on_stale(tenon_watch *watch, uint32_t seen, void *user)
{
    actor *a = user;
    WANT(watch == a->watch && seen == TENON_STALE_WATCH);
    WANT(!tenon_watch_is_active(watch));
    hit(a, EV_STALE);
}

static void on_other(tenon_watch *watch, uint32_t seen, void *user)
{
    (void)watch;
    (void)seen;
    (void)user;
}

/* Its number is given to another descriptor, which is watched, too. */
static void open_ghost(actor *a)
{
    tenon_watch other;
    int quiet = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    a->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    WANT(quiet > 0 && a->fd > 0);
    a->watch = own(sizeof *a->watch);
    tenon_watch_init(a->watch, st.reactor, a->fd);
    WANT(tenon_watch_start(a->watch, TENON_READ, on_stale, a) == TENON_OK);
    WANT(dup3(quiet, a->fd, O_CLOEXEC) == a->fd);
    close(quiet);
    tenon_watch_init(&other, st.reactor, a->fd);
    WANT(tenon_watch_start(&other, TENON_READ, on_other, a) == TENON_OK);
    tenon_watch_stop(&other);
}

static bool complete_ghost(const actor *a)
{
    return over(a, EV_STALE, 1);
}

const part kind_GHOST = {"stale watch", WATCH,          open_ghost,
                         NULL,          complete_ghost, close_eye};

static void on_visit(const tenon_watch_info *info, void *user)
{
    actor *a = user;
    if (info->watch == a->watch) {
        hit(a, EV_VISIT);
    }
}

static void show(void *user)
{
    WANT(tenon_reactor_foreach_watch(st.reactor, on_visit, user) >= 0);
}

static void open_visitor(actor *a)
{
    open_eye(a);
    WANT(tenon_call_later(st.reactor, 0, show, a, &a->handle) == TENON_OK);
}

static bool complete_visitor(const actor *a)
{
    return over(a, EV_VISIT, 1) && over(a, EV_READY, 1);
}

const part kind_VISITOR = {"foreach_watch",  HANDLE,   open_visitor, NULL,
                           complete_visitor, close_eye};

/* ---- PEP 3156's readers and writers ---- */

static void on_readable(void *user)
{
    actor *a = user;
    quench(a->fd);
    hit(a, EV_READABLE);
}

static void on_writable(void *user)
{
    actor *a = user;
    hit(a, EV_WRITABLE);
    if (a->fd) {
        tenon_remove_writer(st.reactor, a->fd);
    }
}

static void open_pep(actor *a)
{
    a->fd = ready_fd();
    WANT(tenon_add_reader(st.reactor, a->fd, on_readable, a) == TENON_OK);
    WANT(tenon_add_writer(st.reactor, a->fd, on_writable, a) == TENON_OK);
}

static bool complete_pep(const actor *a)
{
    return over(a, EV_READABLE, 1) && over(a, EV_WRITABLE, 1);
}

static void close_pep(actor *a)
{
    close_fd(&a->fd);
}

const part kind_PEP = {"reader", READER,       open_pep,
                       NULL,     complete_pep, close_pep};

/* ---- posts ---- */

void matrix_on_post(tenon_post_node *post, tenon_status status, void *user)
{
    actor *a = user;
    WANT(post == a->post);
    WANT(status == TENON_OK || tenon_reactor_is_closed(st.reactor));
    WANT(!over(a, EV_POSTED, a->posts));
    hit(a, EV_POSTED);
}

static void on_safe(tenon_post_node *post, tenon_status status, void *user)
{
    WANT(post == NULL);
    WANT(status == TENON_OK || tenon_reactor_is_closed(st.reactor));
    hit(user, EV_SAFE);
}

static void open_letter(actor *a)
{
    tenon_inbox *inbox = tenon_reactor_inbox(st.reactor);
    a->post = own(sizeof *a->post);
    a->posts = 1;
    tenon_post_init(a->post);
    WANT(tenon_post(inbox, a->post, matrix_on_post, a) == TENON_OK);
    WANT(tenon_call_soon_threadsafe(inbox, on_safe, a) == TENON_OK);
}

static bool complete_letter(const actor *a)
{
    return over(a, EV_POSTED, a->posts) && over(a, EV_SAFE, 1);
}

static void close_letter(actor *a)
{
    WANT(complete_letter(a));
    DISOWN(a->post);
}

const part kind_LETTER = {"post", INBOX,           open_letter,
                          NULL,   complete_letter, close_letter};

/* ---- signals ---- */

void matrix_on_signal(tenon_signal *handler, uint32_t count, void *user)
{
    actor *a = user;
    WANT(handler == a->signal && count > 0);
    hit(a, EV_SIGNALLED);
}

static void on_handler(void *user)
{
    hit(user, EV_HANDLED);
}

static void open_bell(actor *a)
{
    a->signo = a->number == 0 ? SIGUSR2 : SIGURG; /* one handler each */
    a->signal = own(sizeof *a->signal);
    tenon_signal_init(a->signal, st.reactor);
    WANT(tenon_signal_start(a->signal, SIGUSR1, 0, matrix_on_signal, a) ==
         TENON_OK);
    WANT(tenon_add_signal_handler(st.reactor, a->signo, on_handler, a) ==
         TENON_OK);
    raise(SIGUSR1);
    raise(a->signo);
}

static bool complete_bell(const actor *a)
{
    return over(a, EV_SIGNALLED, 1) && over(a, EV_HANDLED, 1);
}

static void close_bell(actor *a)
{
    WANT(!a->signal || !tenon_signal_is_active(a->signal));
    DISOWN(a->signal);
}

const part kind_BELL = {"signal", SIGNAL,        open_bell,
                        NULL,     complete_bell, close_bell};

/* ---- what the reactor itself calls ---- */

static void finish_hook(void *user)
{
    actor *a = user;
    if (a->hook && a->phase == 1) {
        a->phase = 2;
        tenon_shutdown_done(a->hook);
    }
}

static tenon_status on_hook(tenon_reactor *reactor, tenon_shutdown *hook,
                            void *user)
{
    actor *a = user;
    WANT(reactor == st.reactor && hook == a->hook);
    a->phase = 1;
    hit(a, EV_HOOKED);
    if (a->hook && a->phase == 1 &&
        tenon_call_soon(reactor, finish_hook, a) < 0) {
        a->phase = 2;
        return TENON_OK;
    }
    return TENON_PENDING; /* if it is done already, nobody waits for it */
}

static void open_shutdown(actor *a)
{
    a->hook = own(sizeof *a->hook);
    WANT(tenon_reactor_on_shutdown(st.reactor, a->hook, on_hook, a) ==
         TENON_OK);
}

/* It comes when the stage closes, not before. */
static bool complete_shutdown(const actor *a)
{
    (void)a;
    return true;
}

static void close_shutdown(actor *a)
{
    DISOWN(a->hook);
}

const part kind_SHUTDOWN = {"shutdown hook",   HOOK,
                            open_shutdown,     NULL,
                            complete_shutdown, close_shutdown};

static void complain(void *user)
{
    actor *a = user;
    /* What is reported while the handler runs goes to standard error. */
    a->loose = a->loose || st.cast[0].inside[EV_REPORTED];
    tenon_reactor_report(st.reactor, a->role, st.error);
}

static void open_complaint(actor *a)
{
    WANT(tenon_call_later(st.reactor, 0, complain, a, &a->handle) == TENON_OK);
}

static bool complete_complaint(const actor *a)
{
    return over(a, EV_REPORTED, 1);
}

static void close_nothing(actor *a)
{
    (void)a;
}

const part kind_COMPLAINT = {
    "report", HANDLE, open_complaint, NULL, complete_complaint, close_nothing};

static void open_nothing(actor *a)
{
    (void)a;
}

static void close_goodbye(actor *a)
{
    WANT(a->seen[EV_GONE] == 1);
}

const part kind_GOODBYE = {"closed", NOTHING,           open_nothing,
                           NULL,     complete_shutdown, close_goodbye};
