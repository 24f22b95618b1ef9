/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * What a host must find after a guest has left, and what the guest may rely
 * on: the tests that are the same for libuv, libevent and GLib, as functions
 * of a small description of the host. Each adapter's test file describes its
 * host, calls these, and adds what is its host's alone.
 */

#ifndef TENON_GUEST_H
#define TENON_GUEST_H

#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <tenon/tenon.h>

#include "harness_check.h"

typedef struct guest_host {
    void *(*loop_new)(void);
    /* By the host's usual idiom, whatever is attached. */
    void (*loop_free)(void *loop);
    tenon_status (*attach)(void *loop, tenon_reactor **out,
                           const tenon_reactor_options *options);
    tenon_status (*make)(tenon_reactor **out,
                         const tenon_reactor_options *options);
    /* Runs the loop natively until a timer of its own ends it. */
    void (*run_for)(void *loop, int ms);
    /* Until nothing keeps it; NULL: the host has no such notion. */
    void (*run)(void *loop);
    /* Handles, events or sources of anybody's. */
    size_t (*count)(void *loop);
    void (*after_fork)(void *loop); /* may be NULL */
} guest_host;

static harness_guard guest_guard;

static void guest_setup(void)
{
    harness_guard_begin(&guest_guard);
}

static void guest_teardown(void)
{
    harness_guard_end(&guest_guard);
}

static tenon_reactor_options guest_options(void)
{
    return (tenon_reactor_options){.size = sizeof(tenon_reactor_options),
                                   .allocator = &guest_guard.heap.allocator,
                                   .slow_callback_ns = -1};
}

static tenon_reactor *guest_attach(const guest_host *host, void *loop)
{
    tenon_reactor_options options = guest_options();
    tenon_reactor *reactor = NULL;
    ck_assert_int_eq(host->attach(loop, &reactor, &options), TENON_OK);
    return reactor;
}

static uint64_t guest_entries(const tenon_reactor *reactor)
{
    tenon_stats stats = {.size = sizeof stats};
    ck_assert_int_eq(tenon_reactor_stats(reactor, &stats), TENON_OK);
    return stats.entries;
}

/* For so much CPU time of ours: longer where others take it. */
static inline void guest_run_busy(const guest_host *host, void *loop, int ms)
{
    int64_t end_ns = harness_cpu_ns() + ms * TENON_MILLISECOND;
    while (harness_cpu_ns() < end_ns) {
        host->run_for(loop, 10);
    }
}

/* ---- small things that live in a reactor ---- */

static inline void guest_count(void *user)
{
    (*(int *)user)++;
}

static inline void guest_count_timer(tenon_timer *timer, void *user)
{
    (void)timer;
    (*(int *)user)++;
}

/** Both ends non-blocking. */
static inline void guest_pair(int fds[2])
{
    int type = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
    ck_assert_int_eq(socketpair(AF_UNIX, type, 0, fds), 0);
}

static inline void guest_poke(int fd)
{
    ck_assert_int_eq(write(fd, "x", 1), 1);
}

static inline void guest_read(tenon_watch *watch, uint32_t events, void *user)
{
    char text[64];
    (void)events;
    (void)user;
    while (read(watch->fd, text, sizeof text) > 0) {
        (*(int *)user)++;
    }
}

/* ---- the host as it was found ---- */

typedef struct guest_dispositions {
    void (*handler[NSIG])(int);
    int flags[NSIG];
    sigset_t blocked;
} guest_dispositions;

static inline void guest_dispositions_get(guest_dispositions *all)
{
    struct sigaction action = {.sa_flags = 0};
    memset(all, 0, sizeof *all);
    pthread_sigmask(SIG_SETMASK, NULL, &all->blocked);
    for (int signo = 1; signo < NSIG; signo++) {
        if (sigaction(signo, NULL, &action) == 0) {
            all->handler[signo] = action.sa_handler;
            all->flags[signo] = action.sa_flags;
        }
    }
}

static inline void guest_leaves_as_found(const guest_host *host)
{
    guest_dispositions before;
    guest_dispositions after;
    int fired = 0;
    void *loop = host->loop_new();
    host->run_for(loop, 1);
    guest_dispositions_get(&before);
    size_t count = host->count(loop);
    size_t fds = harness_fds_count();

    tenon_reactor *reactor = guest_attach(host, loop);
    ck_assert_uint_gt(host->count(loop), count);
    ck_assert_int_eq(tenon_call_soon(reactor, guest_count, &fired), TENON_OK);
    host->run_for(loop, 5);
    ck_assert_int_eq(fired, 1);
    guest_dispositions_get(&after);
    ck_assert_mem_eq(&before, &after, sizeof before);

    ck_assert_int_eq(tenon_reactor_close(reactor), TENON_OK);
    tenon_reactor_unref(reactor);
    host->run_for(loop, 1);
    ck_assert_uint_eq(host->count(loop), count);
    ck_assert_uint_eq(harness_fds_count(), fds);
    host->loop_free(loop);
}

static inline void guest_run_ends_when_idle(const guest_host *host)
{
    tenon_timer timer;
    int fired = 0;
    void *loop = host->loop_new();
    tenon_reactor *reactor = guest_attach(host, loop);
    int64_t start_ns = harness_clock_ns();
    host->run(loop); /* nothing is alive: returns at once */
    tenon_timer_init(&timer, reactor);
    ck_assert_int_eq(tenon_timer_set_daemon(&timer, true), TENON_OK);
    ck_assert_int_eq(tenon_timer_start(&timer, 300 * TENON_SECOND,
                                       guest_count_timer, &fired),
                     TENON_OK);
    host->run(loop); /* a daemon keeps nobody */
    ck_assert_int_lt(harness_clock_ns() - start_ns, TENON_SECOND);

    ck_assert_int_eq(tenon_timer_set_daemon(&timer, false), TENON_OK);
    start_ns = harness_clock_ns();
    ck_assert_int_eq(tenon_timer_reset(&timer, 30 * TENON_MILLISECOND),
                     TENON_OK);
    host->run(loop);
    ck_assert_int_eq(fired, 1);
    ck_assert_int_ge(harness_clock_ns() - start_ns, 30 * TENON_MILLISECOND);
    ck_assert_int_eq(tenon_call_soon(reactor, guest_count, &fired), TENON_OK);
    host->run(loop);
    ck_assert_int_eq(fired, 2);
    tenon_reactor_unref(reactor);
    host->loop_free(loop);
}

/* ---- attaching that fails ---- */

static inline void guest_attach_without_memory(const guest_host *host)
{
    tenon_reactor_options options = guest_options();
    tenon_reactor *reactor = NULL;
    tenon_status status = TENON_NO_MEMORY;
    void *loop = host->loop_new();
    size_t count = host->count(loop);
    uint64_t nth = 0;
    while (status != TENON_OK) {
        harness_heap_fail(&guest_guard.heap, ++nth, UINT64_MAX);
        status = host->attach(loop, &reactor, &options);
        harness_heap_fail(&guest_guard.heap, 0, 0);
        if (status != TENON_OK) {
            ck_assert_int_eq(status, TENON_NO_MEMORY);
            ck_assert_ptr_null(reactor);
            ck_assert_uint_eq(host->count(loop), count);
            ck_assert_uint_eq(guest_guard.heap.count, 0);
        }
    }
    ck_assert_uint_gt(nth, 2);
    tenon_reactor_unref(reactor);
    host->loop_free(loop);
}

static inline void guest_attach_without_descriptors(const guest_host *host)
{
    tenon_reactor_options options = guest_options();
    tenon_reactor *reactor = NULL;
    tenon_status status = -EMFILE;
    void *loop = host->loop_new();
    size_t count = host->count(loop);
    struct rlimit old;
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &old), 0);
    int next = fcntl(0, F_DUPFD_CLOEXEC, 3);
    ck_assert_int_ge(next, 0);
    close(next);
    unsigned refusals = 0;
    while (status != TENON_OK) {
        struct rlimit now = {(rlim_t)next + refusals, old.rlim_max};
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &now), 0);
        status = host->attach(loop, &reactor, &options);
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
        if (status != TENON_OK) {
            refusals++;
            ck_assert_int_eq(status, -EMFILE);
            ck_assert_ptr_null(reactor);
            ck_assert_uint_eq(host->count(loop), count);
            ck_assert_uint_eq(guest_guard.heap.count, 0);
        }
    }
    ck_assert_uint_ge(refusals, 3);
    tenon_reactor_unref(reactor);
    host->loop_free(loop);
}

/* ---- either may die first ---- */

/* What the guest does once its host is gone; the last is nothing. */
enum guest_last_word {
    GUEST_CALL_SOON,
    GUEST_TIMER,
    GUEST_WATCH,
    GUEST_CLOSE,
    GUEST_STOP_TIMER,
    GUEST_UNREF,
    GUEST_WORDS
};

static inline void guest_speak(tenon_reactor *reactor, tenon_timer *timer,
                               tenon_watch *watch, int word)
{
    static int fired;
    tenon_timer other;
    tenon_status status = TENON_OK;
    tenon_timer_init(&other, reactor);
    switch (word) {
    case GUEST_CALL_SOON:
        status = tenon_call_soon(reactor, guest_count, &fired);
        break;
    case GUEST_TIMER:
        status = tenon_timer_start(&other, 1, guest_count_timer, &fired);
        tenon_timer_stop(&other);
        break;
    case GUEST_WATCH:
        tenon_watch_stop(watch);
        break;
    case GUEST_STOP_TIMER:
        tenon_timer_stop(timer);
        break;
    case GUEST_CLOSE:
        tenon_reactor_close(reactor);
        break;
    default:
        break;
    }
    (void)status;
}

/* Two words, so that what the first found out is seen by the second. */
static inline void guest_dies(const guest_host *host, int first, int second,
                              bool busy)
{
    tenon_timer timer;
    tenon_watch watch;
    int fds[2];
    int count = 0;
    guest_pair(fds);
    void *loop = host->loop_new();
    tenon_reactor *reactor = guest_attach(host, loop);
    tenon_timer_init(&timer, reactor);
    tenon_watch_init(&watch, reactor, fds[0]);
    if (busy) {
        ck_assert_int_eq(
            tenon_timer_start(&timer, TENON_SECOND, guest_count_timer, &count),
            TENON_OK);
        ck_assert_int_eq(
            tenon_watch_start(&watch, TENON_READ, guest_read, &count),
            TENON_OK);
        host->run_for(loop, 1);
    }
    host->loop_free(loop);
    guest_speak(reactor, &timer, &watch, first);
    guest_speak(reactor, &timer, &watch, second);
    guest_speak(reactor, &timer, &watch, GUEST_CALL_SOON); /* now it knows */
    ck_assert(tenon_reactor_is_closed(reactor));
    ck_assert_int_lt(tenon_call_soon(reactor, guest_count, &count), 0);
    tenon_reactor_unref(reactor);
    ck_assert_int_eq(count, 0);
    close(fds[0]);
    close(fds[1]);
}

static inline void guest_host_dies_first(const guest_host *host)
{
    for (int i = 0; i < GUEST_WORDS * GUEST_WORDS * 2; i++) {
        guest_dies(host, i % GUEST_WORDS, i / GUEST_WORDS % GUEST_WORDS,
                   i >= GUEST_WORDS * GUEST_WORDS);
    }
}

typedef struct guest_leaver {
    tenon_reactor *reactor;
    bool unref;
    int closed;
} guest_leaver;

static inline void guest_leave(void *user)
{
    guest_leaver *leaver = user;
    if (leaver->unref) {
        tenon_reactor_unref(leaver->reactor);
    } else {
        ck_assert_int_ge(tenon_reactor_close(leaver->reactor), 0);
    }
}

/* Closed or dropped, from outside and from its own callback. */
static inline void guest_leaves_first(const guest_host *host)
{
    for (int i = 0; i < 4; i++) {
        void *loop = host->loop_new();
        size_t count = host->count(loop);
        tenon_reactor_options options = guest_options();
        guest_leaver leaver = {.unref = i & 1};
        options.on_closed = guest_count;
        options.on_closed_user = &leaver.closed;
        ck_assert_int_eq(host->attach(loop, &leaver.reactor, &options), 0);
        if (i & 2) {
            ck_assert_int_eq(
                tenon_call_soon(leaver.reactor, guest_leave, &leaver), 0);
        } else {
            guest_leave(&leaver);
        }
        host->run_for(loop, 5);
        ck_assert_int_eq(leaver.closed, 1);
        ck_assert_uint_eq(host->count(loop), count);
        if (!leaver.unref) {
            tenon_reactor_unref(leaver.reactor);
        }
        host->loop_free(loop);
    }
}

/* ---- a fork ---- */

/* In the child: the loop goes on, without us and without spinning. */
static inline int guest_child(const guest_host *host, void *loop,
                              tenon_reactor *reactor, int fd)
{
    int fired = 0;
    if (host->after_fork) {
        host->after_fork(loop);
    }
    if (tenon_call_soon(reactor, guest_count, &fired) != TENON_FORKED) {
        return 1;
    }
    if (write(fd, "c", 1) != 1) { /* the parent's watch is readable */
        return 2;
    }
    int64_t cpu_ns = harness_cpu_ns();
    host->run_for(loop, 300);
    cpu_ns = harness_cpu_ns() - cpu_ns;
    if (cpu_ns > 60 * TENON_MILLISECOND * harness_time_scale()) {
        return 3;
    }
    if (tenon_reactor_close(reactor) != TENON_FORKED) {
        return 4;
    }
    tenon_reactor_unref(reactor);
    return fired == 0 ? 0 : 5;
}

static inline void guest_survives_fork(const guest_host *host)
{
    tenon_timer timer;
    tenon_watch watch;
    int fds[2];
    int reads = 0;
    int ticks = 0;
    guest_pair(fds);
    void *loop = host->loop_new();
    tenon_reactor *reactor = guest_attach(host, loop);
    tenon_timer_init(&timer, reactor);
    tenon_watch_init(&watch, reactor, fds[0]);
    ck_assert_int_eq(tenon_watch_start(&watch, TENON_READ, guest_read, &reads),
                     TENON_OK);
    host->run_for(loop, 5);
    ck_assert_int_eq(tenon_timer_start(&timer, 100 * TENON_MILLISECOND,
                                       guest_count_timer, &ticks),
                     TENON_OK);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        _exit(guest_child(host, loop, reactor, fds[1]));
    }
    int result = -1;
    ck_assert_int_eq(waitpid(child, &result, 0), child);
    ck_assert_int_eq(result, 0);
    ck_assert_int_eq(reads, 0);
    host->run_for(loop, 50);
    ck_assert_int_eq(reads, 1); /* the child's byte */
    ck_assert_int_eq(ticks, 1);
    guest_poke(fds[1]);
    ck_assert_int_eq(
        tenon_timer_start(&timer, TENON_MILLISECOND, guest_count_timer, &ticks),
        TENON_OK);
    host->run_for(loop, 50);
    ck_assert_int_eq(reads, 2);
    ck_assert_int_eq(ticks, 2);
    tenon_reactor_unref(reactor);
    host->loop_free(loop);
    close(fds[0]);
    close(fds[1]);
}

/* ---- time ---- */

static inline void guest_idles(const guest_host *host)
{
    static tenon_watch watches[100];
    static int fds[100][2];
    int reads = 0;
    void *loop = host->loop_new();
    tenon_reactor *reactor = guest_attach(host, loop);
    for (size_t i = 0; i < 100; i++) {
        guest_pair(fds[i]);
        tenon_watch_init(&watches[i], reactor, fds[i][0]);
        ck_assert_int_eq(
            tenon_watch_start(&watches[i], TENON_READ, guest_read, &reads), 0);
    }
    host->run_for(loop, 5);
    uint64_t entries = guest_entries(reactor);
    int64_t cpu_ns = harness_cpu_ns();
    host->run_for(loop, 1000);
    ck_assert_uint_eq(guest_entries(reactor), entries);
    ck_assert_int_lt(harness_cpu_ns() - cpu_ns,
                     20 * TENON_MILLISECOND * harness_time_scale());
    guest_poke(fds[99][1]);
    host->run_for(loop, 5);
    ck_assert_int_eq(reads, 1);
    tenon_reactor_unref(reactor);
    for (size_t i = 0; i < 100; i++) {
        close(fds[i][0]);
        close(fds[i][1]);
    }
    host->loop_free(loop);
}

typedef struct guest_clock {
    int64_t delay_ns;
    int64_t start_ns;
    int64_t least_ns;
    int left;
} guest_clock;

static inline void guest_tick(tenon_timer *timer, void *user)
{
    guest_clock *clock = user;
    int64_t took_ns = harness_clock_ns() - clock->start_ns;
    clock->least_ns = took_ns < clock->least_ns ? took_ns : clock->least_ns;
    if (--clock->left > 0) {
        clock->start_ns = harness_clock_ns();
        ck_assert_int_eq(
            tenon_timer_start(timer, clock->delay_ns, guest_tick, clock), 0);
    }
}

static inline void guest_never_reads(tenon_watch *watch, uint32_t events,
                                     void *user)
{
    (void)watch;
    (void)events;
    (*(int *)user)++;
}

/* Twenty timers in a row, beside a descriptor that is always readable. None is
 * early; on a busy machine the best of them still tells how fine the host's
 * wake-ups are. */
static inline void guest_times(const guest_host *host, int64_t delay_ns,
                               bool busy, int64_t best_below_ns)
{
    tenon_timer timer;
    tenon_watch watch;
    int fds[2];
    int calls = 0;
    guest_clock clock = {
        .delay_ns = delay_ns, .least_ns = INT64_MAX, .left = 20};
    guest_pair(fds);
    void *loop = host->loop_new();
    tenon_reactor *reactor = guest_attach(host, loop);
    tenon_timer_init(&timer, reactor);
    tenon_watch_init(&watch, reactor, fds[0]);
    if (busy) {
        guest_poke(fds[1]);
        ck_assert_int_eq(
            tenon_watch_start(&watch, TENON_READ, guest_never_reads, &calls),
            TENON_OK);
    }
    host->run_for(loop, 5);
    clock.start_ns = harness_clock_ns();
    ck_assert_int_eq(tenon_timer_start(&timer, delay_ns, guest_tick, &clock),
                     TENON_OK);
    while (clock.left > 0) {
        host->run_for(loop, 50);
    }
    ck_assert_int_ge(clock.least_ns, delay_ns);
    ck_assert_int_lt(clock.least_ns, best_below_ns * harness_time_scale());
    ck_assert(calls > 0 || !busy);
    tenon_reactor_unref(reactor);
    host->loop_free(loop);
    close(fds[0]);
    close(fds[1]);
}

/* ---- descriptors of ours that others close ---- */

/* The one epoll that attaching opens, by its number. */
static inline int guest_epoll_beyond(const harness_fds *before)
{
    for (int fd = 3; fd < HARNESS_FDS; fd++) {
        char path[64];
        char what[64] = "";
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        if (!before->open[fd] && readlink(path, what, sizeof what - 1) > 0 &&
            strstr(what, "eventpoll")) {
            return fd;
        }
    }
    return -1;
}

static inline tenon_status guest_no_report(tenon_reactor *reactor,
                                           const tenon_report *report,
                                           void *user)
{
    (void)reactor;
    (void)report;
    (*(int *)user)++;
    return TENON_OK;
}

/* A program that closes all descriptors: the reactor ends, and leaves. */
static inline void guest_poller_closed(const guest_host *host)
{
    int fired = 0;
    int reports = 0;
    harness_fds fds;
    void *loop = host->loop_new();
    host->run_for(loop, 1);
    size_t count = host->count(loop);
    harness_fds_begin(&fds);
    tenon_reactor *reactor = guest_attach(host, loop);
    ck_assert_int_eq(
        tenon_reactor_set_error_handler(reactor, guest_no_report, &reports),
        TENON_OK);
    int epoll_fd = guest_epoll_beyond(&fds);
    ck_assert_int_ge(epoll_fd, 0);
    close(epoll_fd);
    ck_assert_int_eq(tenon_call_soon(reactor, guest_count, &fired), TENON_OK);
    while (!tenon_reactor_is_closed(reactor)) {
        host->run_for(loop, 5);
    }
    ck_assert_int_eq(reports, 1);
    host->run_for(loop, 5);
    ck_assert_uint_eq(host->count(loop), count);
    tenon_reactor_unref(reactor);
    host->loop_free(loop);
}

/* ---- a loop that Tenon made ---- */

static inline void guest_stop(void *user)
{
    ck_assert_int_eq(tenon_stop(user), TENON_OK);
}

static inline void guest_runs_its_own(const guest_host *host)
{
    tenon_reactor_options options = guest_options();
    tenon_reactor *reactor = NULL;
    int fired = 0;
    ck_assert_int_eq(host->make(&reactor, &options), TENON_OK);
    ck_assert(tenon_reactor_caps(reactor) & TENON_CAP_RUN);
    ck_assert_ptr_nonnull(tenon_reactor_native(reactor));
    ck_assert_uint_gt(strlen(tenon_reactor_host_version(reactor)), 2);
    ck_assert_int_eq(tenon_run(reactor), TENON_OK);

    int64_t start_ns = harness_clock_ns();
    ck_assert_int_eq(tenon_call_later(reactor, 20 * TENON_MILLISECOND,
                                      guest_count, &fired, NULL),
                     TENON_OK);
    ck_assert_int_eq(tenon_run_once(reactor, 0), TENON_OK);
    ck_assert_int_eq(tenon_run_once(reactor, 5 * TENON_MILLISECOND), TENON_OK);
    ck_assert(fired == 0 ||
              harness_clock_ns() - start_ns >= 20 * TENON_MILLISECOND);
    ck_assert_int_eq(tenon_run(reactor), TENON_OK);
    ck_assert_int_eq(fired, 1);
    ck_assert_int_ge(harness_clock_ns() - start_ns, 20 * TENON_MILLISECOND);

    ck_assert_int_eq(tenon_reactor_hold(reactor), TENON_OK);
    ck_assert_int_eq(
        tenon_call_later(reactor, TENON_MILLISECOND, guest_stop, reactor, NULL),
        TENON_OK);
    ck_assert_int_eq(tenon_run(reactor), TENON_OK);
    ck_assert_int_eq(tenon_reactor_release(reactor), TENON_OK);

    /* Waits with nothing alive, too; and not for ever. */
    start_ns = harness_clock_ns();
    ck_assert_int_eq(tenon_run_once(reactor, 20 * TENON_MILLISECOND), TENON_OK);
    ck_assert_int_ge(harness_clock_ns() - start_ns, 15 * TENON_MILLISECOND);
    ck_assert_int_lt(harness_clock_ns() - start_ns, TENON_SECOND);
    tenon_reactor_unref(reactor);
}

static inline void guest_fork_here(void *user)
{
    *(pid_t *)user = fork();
}

/* A fork under tenon_run: the child's run ends, the parent's goes on. */
static inline void guest_forks_under_its_run(const guest_host *host)
{
    tenon_reactor_options options = guest_options();
    tenon_reactor *reactor = NULL;
    tenon_watch watch;
    pid_t child = -1;
    int fired = 0;
    int reads = 0;
    int result = -1;
    int fds[2];
    guest_pair(fds);
    ck_assert_int_eq(host->make(&reactor, &options), TENON_OK);
    tenon_watch_init(&watch, reactor, fds[0]);
    ck_assert_int_eq(tenon_watch_start(&watch, TENON_READ, guest_read, &reads),
                     TENON_OK);
    ck_assert_int_eq(tenon_call_soon(reactor, guest_fork_here, &child), 0);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(tenon_call_later(reactor, 50 * TENON_MILLISECOND,
                                          guest_count, &fired, NULL),
                         TENON_OK);
    }
    ck_assert_int_eq(tenon_call_later(reactor, 80 * TENON_MILLISECOND,
                                      guest_stop, reactor, NULL),
                     TENON_OK);
    pid_t parent = getpid();
    tenon_status status = tenon_run(reactor);
    if (getpid() != parent) {
        _exit(tenon_call_soon(reactor, guest_count, &fired) == TENON_FORKED
                  ? 0
                  : 1);
    }
    ck_assert_int_eq(status, TENON_OK);
    ck_assert_int_eq(fired, 3);
    guest_poke(fds[1]); /* wakes the child, if nothing has yet */
    ck_assert_int_eq(waitpid(child, &result, 0), child);
    ck_assert_int_eq(result, 0);
    ck_assert_int_eq(tenon_run_once(reactor, TENON_SECOND), TENON_OK);
    ck_assert_int_eq(reads, 1);
    tenon_reactor_unref(reactor);
    close(fds[0]);
    close(fds[1]);
}

#endif
