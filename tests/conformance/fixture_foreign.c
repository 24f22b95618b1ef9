/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * A loop that no adapter knows, as an application might have written it around
 * poll(2): a few descriptors, a few timers, and a flag to stop. It carries a
 * reactor by watching one descriptor, which is all that `foreign` asks for.
 */

#include <poll.h>
#include <stdlib.h>
#include <time.h>

#include <tenon/conformance.h>
#include <tenon/foreign.h>

#define REACTORS 8
#define TIMERS   64

struct timer {
    int64_t when_ns; /* 0: free */
    int64_t period_ns;
    void (*once)(void *user);
    bool (*tick)(void *user);
    void *user;
};

struct loop {
    tenon_reactor *reactors[REACTORS];
    struct timer timers[TIMERS];
    bool stopping;
};

static int64_t clock_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * TENON_SECOND + time.tv_nsec;
}

static void *loop_new(void)
{
    return calloc(1, sizeof(struct loop));
}

static void loop_free(void *data)
{
    struct loop *loop = data;
    for (int i = 0; i < REACTORS; i++) {
        tenon_reactor_unref(loop->reactors[i]);
    }
    free(loop);
}

/* ---- timers ---- */

static int add_timer(struct loop *loop, struct timer timer)
{
    for (int i = 0; i < TIMERS; i++) {
        if (!loop->timers[i].when_ns) {
            loop->timers[i] = timer;
            return 0;
        }
    }
    return -1;
}

static int call_native(void *data, int64_t delay_ns, void (*fn)(void *user),
                       void *user)
{
    return add_timer(data, (struct timer){.when_ns = clock_ns() + delay_ns,
                                          .once = fn,
                                          .user = user});
}

static int tick_native(void *data, int64_t period_ns, bool (*fn)(void *user),
                       void *user)
{
    return add_timer(data, (struct timer){.when_ns = clock_ns() + period_ns,
                                          .period_ns = period_ns,
                                          .tick = fn,
                                          .user = user});
}

static int64_t native_timeout(void *data)
{
    struct loop *loop = data;
    int64_t first_ns = TENON_FOREVER;
    for (int i = 0; i < TIMERS; i++) {
        if (loop->timers[i].when_ns && loop->timers[i].when_ns < first_ns) {
            first_ns = loop->timers[i].when_ns;
        }
    }
    if (first_ns == TENON_FOREVER) {
        return TENON_FOREVER;
    }
    int64_t left_ns = first_ns - clock_ns();
    return left_ns > 0 ? left_ns : 0;
}

static void run_timer(struct loop *loop, struct timer *timer)
{
    struct timer copy = *timer;
    timer->when_ns = 0;
    if (copy.once) {
        copy.once(copy.user);
    } else if (copy.tick(copy.user)) {
        copy.when_ns = clock_ns() + copy.period_ns;
        add_timer(loop, copy);
    }
}

static void run_timers(struct loop *loop)
{
    int64_t now_ns = clock_ns();
    for (int i = 0; i < TIMERS; i++) {
        if (loop->timers[i].when_ns && loop->timers[i].when_ns <= now_ns) {
            run_timer(loop, &loop->timers[i]);
        }
    }
}

/* ---- reactors ---- */

static tenon_status attach(void *data, tenon_reactor **out,
                           const tenon_reactor_options *options)
{
    struct loop *loop = data;
    int free_slot = 0;
    while (free_slot < REACTORS && loop->reactors[free_slot]) {
        free_slot++;
    }
    if (free_slot == REACTORS) {
        return TENON_LIMIT;
    }
    tenon_reactor *reactor = NULL;
    tenon_status status = tenon_foreign_new(&reactor, options);
    if (status == TENON_OK) {
        loop->reactors[free_slot] = tenon_reactor_ref(reactor);
        *out = reactor;
    }
    return status;
}

/* A descriptor of -1 says that the reactor has ended. */
static int fd_of(struct loop *loop, int slot)
{
    int fd = loop->reactors[slot] ? tenon_foreign_fd(loop->reactors[slot]) : -1;
    if (fd < 0) {
        tenon_reactor_unref(loop->reactors[slot]);
        loop->reactors[slot] = NULL;
    }
    return fd;
}

static size_t native_count(void *data)
{
    struct loop *loop = data;
    size_t count = 0;
    for (int i = 0; i < REACTORS; i++) {
        count += fd_of(loop, i) >= 0;
    }
    for (int i = 0; i < TIMERS; i++) {
        count += loop->timers[i].when_ns != 0;
    }
    return count;
}

static void iterate(void *data, int64_t max_wait_ns)
{
    struct loop *loop = data;
    struct pollfd fds[REACTORS];
    for (int i = 0; i < REACTORS; i++) {
        fds[i] = (struct pollfd){.fd = fd_of(loop, i), .events = POLLIN};
    }
    int64_t wait_ns = native_timeout(loop);
    wait_ns = wait_ns < max_wait_ns ? wait_ns : max_wait_ns;
    struct timespec time = {.tv_sec = wait_ns / TENON_SECOND,
                            .tv_nsec = wait_ns % TENON_SECOND};
    int ready =
        ppoll(fds, REACTORS, wait_ns == TENON_FOREVER ? NULL : &time, NULL);
    run_timers(loop);
    for (int i = 0; ready > 0 && i < REACTORS; i++) {
        if (fds[i].revents && loop->reactors[i]) {
            tenon_turn(loop->reactors[i], NULL);
        }
    }
}

static bool alive(struct loop *loop)
{
    for (int i = 0; i < REACTORS; i++) {
        if (fd_of(loop, i) >= 0 && tenon_reactor_alive(loop->reactors[i])) {
            return true;
        }
    }
    return native_timeout(loop) != TENON_FOREVER;
}

static void run(void *data)
{
    struct loop *loop = data;
    loop->stopping = false;
    while (!loop->stopping && alive(loop)) {
        iterate(loop, TENON_FOREVER);
    }
}

static void stop(void *data)
{
    struct loop *loop = data;
    loop->stopping = true;
}

/* From inside a callback: what its turn has left makes nothing readable. */
static bool has_more(struct loop *loop)
{
    bool more = false;
    for (int i = 0; i < REACTORS; i++) {
        tenon_turn_result result;
        if (fd_of(loop, i) >= 0 &&
            tenon_turn_peek(loop->reactors[i], &result) == TENON_OK &&
            result.more) {
            tenon_turn(loop->reactors[i], NULL);
            more = true;
        }
    }
    return more;
}

static void nested(void *data, int64_t duration_ns)
{
    int64_t end_ns = clock_ns() + duration_ns;
    int64_t left_ns;
    while ((left_ns = end_ns - clock_ns()) > 0) {
        iterate(data, has_more(data) ? 0 : left_ns);
    }
}

extern const tenon_fixture tenon_fixture_foreign;
const tenon_fixture tenon_fixture_foreign = {
    .size = sizeof(tenon_fixture),
    .caps = TENON_FIXTURE_REAL_TIME | TENON_FIXTURE_ALIVE |
            TENON_FIXTURE_NESTED | TENON_FIXTURE_SHARED | TENON_FIXTURE_BUDGET |
            TENON_FIXTURE_ATTACHED,
    .name = "foreign",
    .version = tenon_version,
    .loop_new = loop_new,
    .loop_free = loop_free,
    .attach = attach,
    .iterate = iterate,
    .run = run,
    .stop = stop,
    .call_native = call_native,
    .tick_native = tick_native,
    .nested = nested,
    .native_timeout = native_timeout,
    .native_count = native_count,
};
