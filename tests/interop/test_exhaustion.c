/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Out of descriptors, on every real host, for a while: 500 clients in another
 * process knock, the listener has no number to give them. Meanwhile the
 * process rests (under 5 % of a CPU), connections that are there are served,
 * and once there are descriptors again the waiting come in within 500 ms.
 *
 * Two seconds and a half; ten with TENON_EXHAUSTIVE.
 *
 * ctest: labels=exhaustion timeout=240 serial
 */

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "hosts.h"

enum {
    KNOCKING = 500,
    OLD = 4,
    ROOM = 3000,
    ROUND_MS = 100,
    STEP_MS = 20,
    CPU_PERCENT = 5
};

static tenon_status echo_data(void *self, tenon_transport *transport,
                              const void *data, size_t len)
{
    (void)self;
    return tenon_transport_write(transport, data, len);
}

static const tenon_protocol_ops echo = {.size = sizeof echo,
                                        .data_received = echo_data};

static int64_t duration_ns(void)
{
    const char *all = getenv("TENON_EXHAUSTIVE");
    return (all && *all ? 10000 : 2500) * TENON_MILLISECOND;
}

/* ---- the clients that knock ---- */

static int client_of(const tenon_address *address)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, &address->as.any, address->len) != 0) {
        return -1;
    }
    return fd;
}

/* All of them connect; then, until the end, one after the other goes away and
 * comes again. It says so by a byte, and ends with the test. */
static _Noreturn void knock(const tenon_address *address, int told)
{
    int clients[KNOCKING];
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (size_t i = 0; i < KNOCKING; i++) {
        clients[i] = client_of(address);
        if (clients[i] < 0 || send(clients[i], "k", 1, MSG_NOSIGNAL) != 1) {
            _exit(1);
        }
    }
    if (write(told, "k", 1) != 1) {
        _exit(1);
    }
    for (size_t i = 0;; i = (i + 1) % KNOCKING) {
        poll(NULL, 0, 10);
        close(clients[i]);
        clients[i] = client_of(address);
        if (clients[i] < 0) {
            _exit(1);
        }
    }
}

static pid_t start_knocking(const tenon_address *address, int *told)
{
    int fds[2];
    ck_assert_int_eq(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        knock(address, fds[1]);
    }
    close(fds[1]);
    *told = fds[0];
    return child;
}

static void stop_knocking(pid_t child)
{
    int how = 0;
    kill(child, SIGKILL);
    ck_assert_int_eq(waitpid(child, &how, 0), child);
    ck_assert(WIFSIGNALED(how)); /* it had not given up */
}

/* ---- the others ---- */

static void greet(const int *old)
{
    for (size_t i = 0; i < OLD; i++) {
        ck_assert_int_eq(send(old[i], "old", 3, MSG_NOSIGNAL), 3);
    }
}

/* How many of the echoes are here. */
static size_t greeted(const int *old)
{
    size_t count = 0;
    for (size_t i = 0; i < OLD; i++) {
        char text[8];
        count += recv(old[i], text, sizeof text, MSG_PEEK | MSG_DONTWAIT) == 3;
    }
    return count;
}

static void take_greetings(const int *old)
{
    for (size_t i = 0; i < OLD; i++) {
        char text[8];
        ck_assert_int_eq(recv(old[i], text, sizeof text, MSG_DONTWAIT), 3);
        ck_assert_mem_eq(text, "old", 3);
    }
}

/* Talks to the old ones every ROUND_MS, as long as it is asked to. */
static void talk(const int *old, int64_t for_ns)
{
    int64_t end_ns = harness_clock_ns() + for_ns;
    while (harness_clock_ns() < end_ns) {
        int64_t round_ns = harness_clock_ns() + ROUND_MS * TENON_MILLISECOND;
        greet(old);
        PUMP_UNTIL(greeted(old) == OLD);
        take_greetings(old);
        while (harness_clock_ns() < round_ns) {
            host_iterate(STEP_MS * TENON_MILLISECOND);
        }
    }
}

/* ---- the limit ---- */

/* For all that have knocked and gone away by then, too. */
static void many_descriptors(void)
{
    struct rlimit limit;
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    if (limit.rlim_cur < ROOM) {
        limit.rlim_cur = limit.rlim_max < ROOM ? limit.rlim_max : ROOM;
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    }
}

static void no_more_descriptors(struct rlimit *saved)
{
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, saved), 0);
    int probe = fcntl(0, F_DUPFD_CLOEXEC, 0);
    ck_assert_int_ge(probe, 0);
    close(probe);
    struct rlimit tight = {.rlim_cur = (rlim_t)probe,
                           .rlim_max = saved->rlim_max};
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &tight), 0);
}

static int64_t cpu_ns(void)
{
    struct rusage usage;
    ck_assert_int_eq(getrusage(RUSAGE_SELF, &usage), 0);
    return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * TENON_SECOND +
           (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1000;
}

/* A machine that stalls is not our slowness: an iteration counts at most twice
 * what it was allowed to take. */
static int64_t time_until_accepted(const tenon_listener *listener,
                                   uint64_t count)
{
    int64_t spent_ns = 0;
    while (tenon_listener_accepted(listener) < count) {
        int64_t start_ns = harness_clock_ns();
        host_iterate(STEP_MS * TENON_MILLISECOND);
        int64_t took_ns = harness_clock_ns() - start_ns;
        int64_t most_ns = 2 * STEP_MS * TENON_MILLISECOND;
        spent_ns += took_ns < most_ns ? took_ns : most_ns;
        ck_assert_msg(spent_ns < 5 * TENON_SECOND * harness_time_scale(),
                      "%s: nobody comes in", stage.fixture->name);
    }
    return spent_ns;
}

static tenon_stats stats(void)
{
    tenon_stats now = {.size = sizeof now};
    ck_assert_int_eq(tenon_reactor_stats(stage.reactor, &now), TENON_OK);
    return now;
}

static bool all_have_knocked(int told)
{
    char byte;
    return read(told, &byte, 1) == 1;
}

/* ---- the test ---- */

static void starve(const int *old, const tenon_address *address,
                   tenon_listener *listener)
{
    struct rlimit saved;
    int told = -1;
    pid_t child = start_knocking(address, &told);
    no_more_descriptors(&saved);
    PUMP_UNTIL(all_have_knocked(told));
    int64_t start_cpu_ns = cpu_ns();
    int64_t start_ns = harness_clock_ns();
    uint64_t accepted = tenon_listener_accepted(listener);
    talk(old, duration_ns());
    int64_t used_ns = cpu_ns() - start_cpu_ns;
    int64_t took_ns = harness_clock_ns() - start_ns;
    ck_assert_uint_eq(tenon_listener_accepted(listener), accepted);
    ck_assert_msg(used_ns * 100 < took_ns * CPU_PERCENT * harness_time_scale(),
                  "%s: %lld us of CPU in %lld ms", stage.fixture->name,
                  (long long)(used_ns / 1000),
                  (long long)(took_ns / TENON_MILLISECOND));
    ck_assert_int_eq(stage.reports, 1);
    ck_assert_int_eq(stage.report_status, -EMFILE);
    stage.reports = 0;

    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &saved), 0);
    int64_t back_ns = time_until_accepted(listener, accepted + 1);
    ck_assert_int_lt(back_ns / TENON_MILLISECOND, 500 * harness_time_scale());
    time_until_accepted(listener, accepted + KNOCKING);
    printf("%s: %.2f %% of a CPU, back within %lld ms\n", stage.fixture->name,
           100.0 * (double)used_ns / (double)took_ns,
           (long long)(back_ns / TENON_MILLISECOND));
    stop_knocking(child);
    close(told);
}

START_TEST(N05_500_knock_and_no_descriptor_is_left)
{
    int old[OLD];
    tenon_listener *listener;
    tenon_address address;
    const tenon_listen_options options = {.size = sizeof options,
                                          .backlog = 4096};
    many_descriptors();
    if (!host_open(_i)) {
        return;
    }
    ck_assert_int_eq(tenon_listen(stage.reactor, &listener, "tcp:127.0.0.1:0",
                                  tenon_factory_of(&echo), &options),
                     TENON_OK);
    ck_assert_int_eq(tenon_listener_address(listener, &address), TENON_OK);
    for (size_t i = 0; i < OLD; i++) {
        old[i] = client_of(&address);
        ck_assert_int_ge(old[i], 0);
    }
    PUMP_UNTIL(stats().transport_count == OLD);
    starve(old, &address, listener);
    for (size_t i = 0; i < OLD; i++) {
        close(old[i]);
    }
    ck_assert_int_eq(tenon_listener_close(listener), TENON_OK);
    tenon_listener_unref(listener);
    PUMP_UNTIL(stats().transport_count + stats().ready_count == 0);
    host_close();
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("exhaustion");
    tcase_set_timeout(tcase, 60.0 * (double)harness_time_scale());
    tcase_add_loop_test(tcase, N05_500_knock_and_no_descriptor_is_left, 0,
                        host_count());
    return host_main(tcase);
}
