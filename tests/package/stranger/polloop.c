/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The loop: two small arrays. A slot of a descriptor that was unwatched, or
 * given to another one, while the loop was going through its results must not
 * be called for the old result; its generation tells.
 */

#include "polloop.h"

#include <poll.h>
#include <stdlib.h>
#include <time.h>

#define SLOTS  16
#define TIMERS 64
#define SECOND INT64_C(1000000000)

struct slot {
    int fd; /* -1: free */
    unsigned generation;
    polloop_fn *fn;
    void *user;
};

struct timer {
    int64_t when_ns; /* 0: free */
    polloop_fn *fn;
    void *user;
};

struct polloop {
    struct slot slots[SLOTS];
    struct timer timers[TIMERS];
    int holds;
    bool stopping;
};

static int64_t clock_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * SECOND + time.tv_nsec;
}

polloop *polloop_new(void)
{
    polloop *loop = calloc(1, sizeof *loop);
    for (int i = 0; loop && i < SLOTS; i++) {
        loop->slots[i].fd = -1;
    }
    return loop;
}

void polloop_free(polloop *loop)
{
    free(loop);
}

int polloop_watch(polloop *loop, int fd, polloop_fn *fn, void *user)
{
    for (int i = 0; i < SLOTS; i++) {
        struct slot *slot = &loop->slots[i];
        if (slot->fd < 0) {
            *slot = (struct slot){fd, slot->generation + 1, fn, user};
            return i;
        }
    }
    return -1;
}

void polloop_unwatch(polloop *loop, int slot)
{
    loop->slots[slot].fd = -1;
    loop->slots[slot].generation++;
}

int polloop_after(polloop *loop, int64_t delay_ns, polloop_fn *fn, void *user)
{
    for (int i = 0; i < TIMERS; i++) {
        if (!loop->timers[i].when_ns) {
            loop->timers[i] = (struct timer){clock_ns() + delay_ns, fn, user};
            return 0;
        }
    }
    return -1;
}

int64_t polloop_timeout(const polloop *loop)
{
    int64_t first_ns = INT64_MAX;
    for (int i = 0; i < TIMERS; i++) {
        int64_t when_ns = loop->timers[i].when_ns;
        first_ns = when_ns && when_ns < first_ns ? when_ns : first_ns;
    }
    int64_t left_ns = first_ns == INT64_MAX ? first_ns : first_ns - clock_ns();
    return left_ns > 0 ? left_ns : 0;
}

void polloop_hold(polloop *loop, int change)
{
    loop->holds += change;
}

size_t polloop_count(const polloop *loop)
{
    size_t count = 0;
    for (int i = 0; i < SLOTS; i++) {
        count += loop->slots[i].fd >= 0;
    }
    for (int i = 0; i < TIMERS; i++) {
        count += loop->timers[i].when_ns != 0;
    }
    return count;
}

static void run_timers(polloop *loop)
{
    int64_t now_ns = clock_ns();
    for (int i = 0; i < TIMERS; i++) {
        struct timer timer = loop->timers[i];
        if (timer.when_ns && timer.when_ns <= now_ns) {
            loop->timers[i].when_ns = 0;
            timer.fn(timer.user);
        }
    }
}

void polloop_iterate(polloop *loop, int64_t max_wait_ns)
{
    struct pollfd fds[SLOTS];
    unsigned generations[SLOTS];
    for (int i = 0; i < SLOTS; i++) {
        fds[i] = (struct pollfd){loop->slots[i].fd, POLLIN, 0};
        generations[i] = loop->slots[i].generation;
    }
    int64_t wait_ns = polloop_timeout(loop);
    wait_ns = wait_ns < max_wait_ns ? wait_ns : max_wait_ns;
    struct timespec time = {wait_ns / SECOND, wait_ns % SECOND};
    int ready = ppoll(fds, SLOTS, wait_ns == INT64_MAX ? NULL : &time, NULL);
    run_timers(loop);
    for (int i = 0; ready > 0 && i < SLOTS; i++) {
        struct slot slot = loop->slots[i];
        if (fds[i].revents && slot.generation == generations[i]) {
            slot.fn(slot.user);
        }
    }
}

void polloop_run(polloop *loop)
{
    loop->stopping = false;
    while (!loop->stopping &&
           (loop->holds > 0 || polloop_timeout(loop) != INT64_MAX)) {
        polloop_iterate(loop, INT64_MAX);
    }
}

void polloop_stop(polloop *loop)
{
    loop->stopping = true;
}
