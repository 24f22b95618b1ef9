/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The birth of a process: without memory, without descriptors, without rights,
 * and what a child finds. What holds on every host is in the conformance suite.
 *
 * ctest: timeout=120
 */

#include "process_rig.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

/* ---- out of memory, out of descriptors ---- */

static void exercise(void)
{
    child c = {0};
    tenon_future *wait = NULL;
    tenon_future *both = NULL;
    tenon_status status = run(&c, "cat");
    if (status == TENON_NO_MEMORY) {
        ck_assert_ptr_null(c.process);
        status = run(&c, "cat");
    }
    ck_assert_int_eq(status, TENON_OK);
    status = tenon_process_wait(c.process, &wait);
    ck_assert(status == TENON_OK || status == TENON_NO_MEMORY);
    status = tenon_process_communicate(c.process, "bytes", 5, &both);
    if (status == TENON_NO_MEMORY) {
        status = tenon_process_communicate(c.process, "bytes", 5, &both);
    }
    ck_assert_int_eq(status, TENON_OK);
    UNTIL(is_lost(&c));
    if (tenon_future_state(both) == TENON_FUTURE_FAILED) {
        ck_assert_int_eq(tenon_error_status(tenon_future_error(both)),
                         TENON_NO_MEMORY);
    }
    tenon_future_unref(both);
    tenon_future_unref(wait);
    tenon_process_unref(c.process);
}

START_TEST(every_request_for_memory_fails_once)
{
    age((enum kernel)_i);
    for (uint64_t nth = 1;; nth++) {
        uint64_t before = guard.heap.requests;
        harness_heap_fail(&guard.heap, nth, 1);
        exercise();
        bool met = guard.heap.requests - before >= nth;
        reports = 0; /* of pipes that could not be read */
        ck_assert(!has_children());
        if (!met) {
            ck_assert_uint_gt(nth, 8);
            return;
        }
        /* With fresh memory, so that what is kept is asked for again. */
        teardown();
        setup();
    }
}
END_TEST

/* One more descriptor each time, until it is enough. */
START_TEST(every_descriptor_may_be_the_last)
{
    struct rlimit before;
    child c = {0};
    int failures = 0;
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    size_t open_count = harness_fds_count();
    for (rlim_t most = open_count;; most++) {
        struct rlimit limit = {.rlim_cur = most, .rlim_max = before.rlim_max};
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
        tenon_status status = run(&c, "exit 9");
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
        if (status == TENON_OK) {
            break;
        }
        ck_assert_int_eq(status, -EMFILE);
        ck_assert_uint_eq(harness_fds_count(), open_count);
        ck_assert(!has_children());
        failures++;
    }
    ck_assert_int_gt(failures, 6);
    finish(&c);
    ck_assert_int_eq(c.exit.code, 9);
}
END_TEST

/* ---- what a child finds ---- */

static int file_of(const char *text, int at)
{
    int fd = memfd_create("file", MFD_CLOEXEC);
    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    lseek(fd, 0, SEEK_SET);
    ck_assert_int_eq(fcntl(at, F_GETFD), -1); /* nobody's */
    ck_assert_int_eq(dup3(fd, at, O_CLOEXEC), at);
    close(fd);
    return at;
}

START_TEST(R06_maps_that_overlap)
{
    child c = {0};
    int first = file_of("first ", 17);
    int second = file_of("second ", 18);
    int third = file_of("third ", 19);
    tenon_process_fd fds[] = {
        {9, TENON_STDIO_FD, third},  {17, TENON_STDIO_FD, second},
        {18, TENON_STDIO_FD, third}, {8, TENON_STDIO_FD, first},
        {19, TENON_STDIO_FD, first}, {7, TENON_STDIO_SAME, 17}};
    START_WITH(&c,
               "cat <&7; cat <&8; cat <&9; cat /proc/self/fd/17 "
               "/proc/self/fd/18 /proc/self/fd/19",
               .fds = fds, .fd_count = 6);
    finish(&c);
    ck_assert_str_eq(c.out, "second first third second third first ");
    close(first);
    close(second);
    close(third);
}
END_TEST

START_TEST(R06_impossible_maps)
{
    static const tenon_process_fd wrong[][2] = {
        {{-1, TENON_STDIO_PIPE, 0}, {5, TENON_STDIO_NULL, 0}},
        {{TENON_CHILD_FD_MAX + 1, TENON_STDIO_PIPE, 0}, {5, 0, 0}},
        {{5, TENON_STDIO_PIPE, 0}, {5, TENON_STDIO_NULL, 0}},
        {{5, TENON_STDIO_FD, -1}, {6, TENON_STDIO_NULL, 0}},
        {{5, 99, 0}, {6, TENON_STDIO_NULL, 0}},
        {{5, TENON_STDIO_SAME, 6}, {6, TENON_STDIO_SAME, 5}},
        {{5, TENON_STDIO_SAME, 5}, {6, TENON_STDIO_NULL, 5}},
        {{5, TENON_STDIO_SAME, 77}, {6, TENON_STDIO_NULL, 5}},
    };
    child c = {0};
    const char *const nothing[] = {NULL};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        tenon_process_options options = {.fds = wrong[i], .fd_count = 2};
        ck_assert_int_eq(run_with(&c, "exit", options), TENON_INVALID);
    }
    ck_assert_int_eq(tenon_process_spawn(reactor, &c.process, NULL,
                                         (tenon_process_protocol){&ops, &c}),
                     TENON_INVALID);
    tenon_process_options none = {.argv = nothing};
    ck_assert_int_eq(run_with(&c, "exit", none), TENON_INVALID);
    tenon_process_fd closed = {5, TENON_STDIO_FD, 999};
    tenon_process_options gone = {.fds = &closed, .fd_count = 1};
    ck_assert_int_eq(run_with(&c, "exit", gone), -EBADF);
}
END_TEST

START_TEST(the_highest_descriptor)
{
    child c = {0};
    tenon_process_fd high = {TENON_CHILD_FD_MAX, TENON_STDIO_NULL, 0};
    START_WITH(&c, "ls /proc/self/fd", .fds = &high, .fd_count = 1);
    finish(&c);
    ck_assert_str_eq(c.out, "0\n1\n2\n255\n3\n");
}
END_TEST

static volatile sig_atomic_t caught;

static void on_signal(int signo)
{
    caught = signo;
}

START_TEST(signals_are_the_default_ones)
{
    child c = {0};
    sigset_t blocked, after;
    struct sigaction ours = {.sa_handler = on_signal};
    signal(SIGPIPE, SIG_IGN);
    signal(SIGRTMIN, SIG_IGN);
    sigaction(SIGUSR2, &ours, NULL);
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR1);
    pthread_sigmask(SIG_SETMASK, &blocked, NULL);
    START(&c, "grep -E 'Sig(Blk|Ign)' /proc/self/status");
    finish(&c);
    ck_assert_str_eq(c.out, "SigBlk:\t0000000000000000\n"
                            "SigIgn:\t0000000000000000\n");
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    ck_assert(sigismember(&after, SIGUSR1) && !sigismember(&after, SIGUSR2));
    raise(SIGUSR2);
    ck_assert_int_eq(caught, SIGUSR2);
}
END_TEST

START_TEST(the_environment_is_what_was_given)
{
    const char *const argv[] = {"/usr/bin/env", NULL};
    const char *const given[] = {"A=b", "C=", NULL};
    child none = {0};
    child some = {0};
    tenon_process_options bare = {.size = sizeof bare, .argv = argv};
    ck_assert_int_eq(tenon_process_spawn(reactor, &none.process, &bare,
                                         (tenon_process_protocol){&ops, &none}),
                     TENON_OK);
    finish(&none);
    ck_assert_str_eq(none.out, "");
    START_WITH(&some, NULL, .argv = argv, .envp = given);
    finish(&some);
    ck_assert_str_eq(some.out, "A=b\nC=\n");
}
END_TEST

static void make_tool(const char *path, const char *text, mode_t mode)
{
    int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0700);
    ssize_t len = (ssize_t)strlen(text);
    ck_assert_int_eq(write(fd, text, strlen(text)), len);
    ck_assert_int_eq(fchmod(fd, mode), 0);
    close(fd);
}

START_TEST(names_are_looked_for_in_the_path_given)
{
    static const char tool[] = "#!/bin/sh\necho $0\n";
    char dir[] = "/tmp/tenon-process-XXXXXX";
    char path[128];
    char next[64];
    char first[64];
    char second[64];
    const char *const argv[] = {"tool", NULL};
    const char *const envp[] = {path, NULL};
    const char *const empty[] = {"PATH=::", NULL};
    child c = {0};
    ck_assert_ptr_nonnull(mkdtemp(dir));
    (void)snprintf(next, sizeof next, "%s/next", dir);
    (void)snprintf(path, sizeof path, "PATH=/nonexistent::%s:%s", dir, next);
    (void)snprintf(first, sizeof first, "%s/tool", dir);
    (void)snprintf(second, sizeof second, "%s/next/tool", dir);
    ck_assert_int_eq(mkdir(next, 0700), 0);
    make_tool(first, tool, 0600);
    tenon_process_options options = {.argv = argv, .envp = envp, .cwd = dir};
    ck_assert_int_eq(run_with(&c, NULL, options), -EACCES);
    make_tool(first, "echo no shell\n", 0700);
    ck_assert_int_eq(run_with(&c, NULL, options), -ENOEXEC);
    options.envp = empty; /* not even in its own folder */
    ck_assert_int_eq(run_with(&c, NULL, options), -ENOENT);
    options.envp = envp;
    make_tool(first, tool, 0600); /* which is passed over */
    make_tool(second, tool, 0700);
    ck_assert_int_eq(run_with(&c, NULL, options), TENON_OK);
    finish(&c);
    ck_assert_int_eq(strncmp(c.out, second, strlen(second)), 0);
    unlink(first);
    unlink(second);
    rmdir(next);
    rmdir(dir);
}
END_TEST

START_TEST(groups_and_sessions)
{
    static const uint32_t flags[] = {0, TENON_PROCESS_NEW_GROUP,
                                     TENON_PROCESS_NEW_SESSION};
    child c = {0};
    START_WITH(&c, "read x", .flags = flags[_i]);
    pid_t pid = tenon_process_pid(c.process);
    ck_assert_int_eq(getpgid(pid) == pid, _i > 0);
    ck_assert_int_eq(getsid(pid) == pid, _i == 2);
    ck_assert_int_eq(tenon_process_close(c.process), TENON_OK);
    finish(&c);
}
END_TEST

/* ---- another user ---- */

START_TEST(privileges_are_dropped)
{
    const gid_t groups[] = {1234, 4321};
    const tenon_process_user user = {.size = sizeof user,
                                     .uid = 65534,
                                     .gid = 65533,
                                     .groups = groups,
                                     .group_count = 2};
    child c = {0};
    if (geteuid() != 0) {
        return; /* nothing to drop */
    }
    int dumpable = prctl(PR_GET_DUMPABLE);
    START_WITH(&c, "id -u; id -G; grep -E '[UG]id:' /proc/self/status",
               .user = &user);
    finish(&c);
    ck_assert_str_eq(c.out, "65534\n65533 1234 4321\n"
                            "Uid:\t65534\t65534\t65534\t65534\n"
                            "Gid:\t65533\t65533\t65533\t65533\n");
    ck_assert_int_eq(geteuid(), 0);
    ck_assert_int_eq(prctl(PR_GET_DUMPABLE), dumpable);
}
END_TEST

START_TEST(privileges_that_cannot_be_dropped)
{
    const tenon_process_user user = {
        .size = sizeof user, .uid = 65532, .gid = 65532};
    child c = {0};
    bool root = geteuid() == 0;
    if (root) {
        ck_assert_int_eq(seteuid(65534), 0);
    }
    tenon_process_options options = {.user = &user};
    ck_assert_int_eq(run_with(&c, "id", options), -EPERM);
    ck_assert(!has_children());
    if (root) { /* a leak checker must look into us */
        ck_assert_int_eq(seteuid(0), 0);
        ck_assert_int_eq(prctl(PR_SET_DUMPABLE, 1), 0);
    }
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("process");
    TCase *tcase = tcase_create("process");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_loop_test(tcase, every_request_for_memory_fails_once, 0, NO_WAIT);
    tcase_add_test(tcase, every_descriptor_may_be_the_last);
    tcase_add_test(tcase, R06_maps_that_overlap);
    tcase_add_test(tcase, R06_impossible_maps);
    tcase_add_test(tcase, the_highest_descriptor);
    tcase_add_test(tcase, signals_are_the_default_ones);
    tcase_add_test(tcase, the_environment_is_what_was_given);
    tcase_add_test(tcase, names_are_looked_for_in_the_path_given);
    tcase_add_loop_test(tcase, groups_and_sessions, 0, 3);
    tcase_add_test(tcase, privileges_are_dropped);
    tcase_add_test(tcase, privileges_that_cannot_be_dropped);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(make_suite());
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
