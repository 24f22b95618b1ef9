/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Idle costs nothing, on every real host: with a thousand watched sockets, a
 * listener, connections that are open and a deadline far away, nothing wakes
 * for two seconds (five with TENON_EXHAUSTIVE). Counted twice: by the engine,
 * which was not entered, and by the kernel, where this thread went to sleep
 * once, for the end of the test.
 *
 * ctest: labels=idle timeout=120
 */

#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hosts.h"

enum { PAIRS = 500, CONNECTIONS = 16, TRIES = 3 };

/* Going to sleep once, and what else a page or a lock may ask for. A tick of
 * any kind, of a tenth of a second and less, goes beyond that. */
enum { SLEEPS = 4 };

static const tenon_protocol_ops quiet = {.size = sizeof quiet};

static int64_t duration_ns(void)
{
    const char *all = getenv("TENON_EXHAUSTIVE");
    return (all && *all ? 5 : 2) * TENON_SECOND;
}

static void many_descriptors(void)
{
    struct rlimit limit;
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max < 4000 ? limit.rlim_max : 4000;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static tenon_stats stats(void)
{
    tenon_stats now = {.size = sizeof now};
    ck_assert_int_eq(tenon_reactor_stats(stage.reactor, &now), TENON_OK);
    return now;
}

/* ---- what sleeps ---- */

static struct {
    int fds[PAIRS * 2];
    tenon_watch watches[PAIRS * 2];
    tenon_listener *listener;
    tenon_transport *clients[CONNECTIONS];
    size_t client_count;
    tenon_handle far;
} all;

static void never(tenon_watch *watch, uint32_t events, void *user)
{
    (void)watch, (void)events, (void)user;
    ck_abort_msg("%s: nothing was sent", stage.fixture->name);
}

static void never_due(void *user)
{
    (void)user;
    ck_abort_msg("%s: an hour has not passed", stage.fixture->name);
}

static void watch_sockets(void)
{
    for (size_t i = 0; i < PAIRS; i++) {
        ck_assert_int_eq(socketpair(AF_UNIX,
                                    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
                                    0, all.fds + 2 * i),
                         0);
    }
    for (size_t i = 0; i < PAIRS * 2; i++) {
        tenon_watch_init(&all.watches[i], stage.reactor, all.fds[i]);
        ck_assert_int_eq(
            tenon_watch_start(&all.watches[i], TENON_READ, never, NULL),
            TENON_OK);
    }
}

static void unwatch_sockets(void)
{
    for (size_t i = 0; i < PAIRS * 2; i++) {
        tenon_watch_stop(&all.watches[i]);
        close(all.fds[i]);
    }
}

static void on_connected(tenon_connector *connector, tenon_transport *transport,
                         const tenon_error *error, void *user)
{
    (void)connector, (void)error, (void)user;
    ck_assert_ptr_nonnull(transport);
    all.clients[all.client_count++] = transport;
}

static void open_connections(void)
{
    char text[TENON_ADDRESS_TEXT_LEN];
    tenon_address address;
    tenon_connect_options how = {.size = sizeof how,
                                 .on_connected = on_connected};
    all.client_count = 0;
    ck_assert_int_eq(tenon_listen(stage.reactor, &all.listener,
                                  "tcp:127.0.0.1:0", tenon_factory_of(&quiet),
                                  NULL),
                     TENON_OK);
    tenon_listener_address(all.listener, &address);
    tenon_address_format(&address, text, sizeof text);
    for (size_t i = 0; i < CONNECTIONS; i++) {
        ck_assert_int_eq(tenon_connector_start(stage.reactor, NULL, text,
                                               tenon_factory_of(&quiet), &how),
                         TENON_OK);
    }
    PUMP_UNTIL(stats().transport_count == 2 * CONNECTIONS &&
               all.client_count == CONNECTIONS);
}

static void close_connections(void)
{
    for (size_t i = 0; i < CONNECTIONS; i++) {
        tenon_transport_abort(all.clients[i]);
    }
    tenon_listener_close(all.listener);
    tenon_listener_unref(all.listener);
    PUMP_UNTIL(stats().transport_count + stats().ready_count == 0);
}

/* ---- the sleep ---- */

static long sleeps(void)
{
    struct rusage usage;
    ck_assert_int_eq(getrusage(RUSAGE_THREAD, &usage), 0);
    return usage.ru_nvcsw;
}

typedef struct sleep_cost {
    long sleeps;
    int iterations;
    uint64_t entries;
    uint64_t callbacks;
} sleep_cost;

/* The host may come back a millisecond early, and is then sent to bed again. */
static sleep_cost sleep_for(int64_t duration)
{
    tenon_stats before = stats();
    sleep_cost cost = {.sleeps = sleeps()};
    int64_t end_ns = harness_clock_ns() + duration;
    for (int64_t left_ns = duration; left_ns > 0;
         left_ns = end_ns - harness_clock_ns()) {
        host_iterate(left_ns);
        cost.iterations++;
    }
    cost.sleeps = sleeps() - cost.sleeps;
    cost.entries = stats().entries - before.entries;
    cost.callbacks = stats().callbacks - before.callbacks;
    return cost;
}

/* The native reactor is entered by the test itself, and may see once that the
 * time is over. */
static bool slept(const sleep_cost *cost)
{
    bool own = !(stage.fixture->caps & TENON_FIXTURE_ATTACHED);
    return cost->callbacks == 0 && cost->iterations <= SLEEPS &&
           cost->sleeps <= SLEEPS &&
           cost->entries <= (own ? (uint64_t)cost->iterations : 0);
}

START_TEST(L21_a_thousand_watched_sockets_sleep)
{
    sleep_cost cost = {0};
    bool still = false;
    many_descriptors();
    if (!host_open(_i)) {
        return;
    }
    watch_sockets();
    open_connections();
    ck_assert_int_eq(tenon_call_later(stage.reactor, 3600 * TENON_SECOND,
                                      never_due, NULL, &all.far),
                     TENON_OK);
    host_run_for(20 * TENON_MILLISECOND);
    for (int i = 0; i < TRIES && !still; i++) {
        cost = sleep_for(duration_ns());
        still = slept(&cost);
    }
    ck_assert_msg(
        still, "%s: %ld sleeps, %d iterations, %llu entries, %llu callbacks",
        stage.fixture->name, cost.sleeps, cost.iterations,
        (unsigned long long)cost.entries, (unsigned long long)cost.callbacks);
    printf("%s: %ld sleeps, %llu entries\n", stage.fixture->name, cost.sleeps,
           (unsigned long long)cost.entries);
    tenon_handle_cancel(all.far);
    unwatch_sockets();
    close_connections();
    host_close();
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("idle");
    tcase_set_timeout(tcase, 60.0 * (double)harness_time_scale());
    tcase_add_loop_test(tcase, L21_a_thousand_watched_sockets_sleep, 0,
                        host_count());
    return host_main(tcase);
}
