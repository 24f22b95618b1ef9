/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Processes where it hurts: without memory, descriptors, rights or a new
 * kernel, next to somebody who reaps all children, many at a time, and closed
 * from every callback. What holds on every host is in the conformance suite.
 *
 * ctest: labels=threads timeout=120
 */

#include <tenon/tenon.h>

#include <dirent.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness_check.h"

enum { MANY = 200 };

static harness_guard guard;
static tenon_reactor *reactor;
static int reports;
static tenon_status reported;
static char last_report[64];

typedef struct child {
    tenon_process *process;
    char log[64]; /* M, D, P, X, L */
    char out[512];
    size_t received;
    tenon_process_exit exit;
    tenon_status lost;
    char at; /* of `log`: where to call `fn`, or to return `answer` */
    void (*fn)(struct child *c);
    tenon_status answer;
} child;

static tenon_status on_error(tenon_reactor *r, const tenon_report *report,
                             void *user)
{
    (void)r;
    (void)user;
    reports++;
    reported = tenon_error_status(report->error);
    (void)snprintf(last_report, sizeof last_report, "%s", report->what);
    return TENON_OK;
}

static void open_reactor(void)
{
    tenon_reactor_options options = {.size = sizeof options,
                                     .allocator = &guard.heap.allocator,
                                     .slow_callback_ns = -1,
                                     .on_error = on_error};
    ck_assert_int_eq(tenon_reactor_new(&reactor, &options), TENON_OK);
}

static void setup(void)
{
    harness_guard_begin(&guard);
    open_reactor();
}

static bool has_children(void)
{
    siginfo_t info;
    return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT | __WALL) == 0;
}

static void teardown(void)
{
    ck_assert_int_eq(tenon_reactor_close(reactor), TENON_OK);
    tenon_reactor_unref(reactor);
    ck_assert_msg(reports == 0, "%s: %s", last_report,
                  tenon_status_name(reported));
    ck_assert(!has_children());
    harness_guard_end(&guard);
}

/* ---- a child and what is told of it ---- */

static tenon_status tell(child *c, char letter)
{
    size_t len = strlen(c->log);
    ck_assert_uint_lt(len, sizeof c->log - 1);
    if (letter != 'D' || !strchr(c->log, 'D')) {
        c->log[len] = letter;
    }
    if (letter == c->at && c->fn) {
        c->fn(c);
    }
    return letter == c->at ? c->answer : TENON_OK;
}

static tenon_status on_made(void *self, tenon_process *process)
{
    (void)process;
    return tell(self, 'M');
}

static tenon_status on_data(void *self, tenon_process *process, int fd,
                            const void *data, size_t len)
{
    child *c = self;
    (void)process;
    (void)fd;
    size_t room = sizeof c->out - 1 - c->received;
    memcpy(c->out + c->received, data, len < room ? len : room);
    c->received += len < room ? len : room;
    return tell(c, 'D');
}

static tenon_status on_pipe_lost(void *self, tenon_process *process, int fd,
                                 const tenon_error *error)
{
    (void)process;
    (void)fd;
    (void)error;
    return tell(self, 'P');
}

static tenon_status on_exited(void *self, tenon_process *process,
                              const tenon_process_exit *how)
{
    child *c = self;
    (void)process;
    c->exit = *how;
    return tell(c, 'X');
}

static tenon_status on_lost(void *self, tenon_process *process,
                            const tenon_error *error)
{
    child *c = self;
    (void)process;
    c->lost = tenon_error_status(error);
    return tell(c, 'L');
}

static const tenon_process_ops ops = {
    .size = sizeof ops,
    .name = "child",
    .connection_made = on_made,
    .pipe_data_received = on_data,
    .pipe_connection_lost = on_pipe_lost,
    .process_exited = on_exited,
    .connection_lost = on_lost,
};

static const char *const environment[] = {"PATH=/usr/bin:/bin", NULL};

static tenon_status run_with(child *c, const char *script,
                             tenon_process_options options)
{
    const char *const argv[] = {"/bin/sh", "-c", script, NULL};
    options.size = sizeof options;
    options.argv = options.argv ? options.argv : argv;
    options.envp = options.envp ? options.envp : environment;
    return tenon_process_spawn(reactor, &c->process, &options,
                               (tenon_process_protocol){&ops, c});
}

static tenon_status run(child *c, const char *script)
{
    return run_with(c, script, (tenon_process_options){0});
}

#define START(c, ...) ck_assert_int_eq(run(c, __VA_ARGS__), TENON_OK)
#define START_WITH(c, script, ...)                                       \
    ck_assert_int_eq(                                                    \
        run_with(c, script, (tenon_process_options){__VA_ARGS__}),       \
        TENON_OK)

/* The case's own time limit ends what never comes. */
#define UNTIL(condition)                                               \
    do {                                                               \
        while (!(condition)) {                                         \
            ck_assert_int_eq(tenon_run_once(reactor, TENON_SECOND),    \
                             TENON_OK);                                \
        }                                                              \
    } while (0)

static bool is_lost(const child *c)
{
    return strchr(c->log, 'L') != NULL;
}

static void finish(child *c)
{
    UNTIL(is_lost(c));
    tenon_process_unref(c->process);
    c->process = NULL;
    ck_assert_int_eq(tenon_run_once(reactor, 0), TENON_OK);
    ck_assert(!tenon_reactor_alive(reactor));
}

static void take_report(tenon_status status)
{
    ck_assert_int_eq(reports, 1);
    ck_assert_int_eq(reported, status);
    reports = 0;
}

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
        {9, TENON_STDIO_FD, third}, {17, TENON_STDIO_FD, second},
        {18, TENON_STDIO_FD, third}, {8, TENON_STDIO_FD, first},
        {19, TENON_STDIO_FD, first}, {7, TENON_STDIO_SAME, 17}};
    START_WITH(&c, "cat <&7; cat <&8; cat <&9; cat /proc/self/fd/17 "
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

static void make_tool(const char *path, mode_t mode)
{
    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0700);
    ck_assert_int_eq(write(fd, "#!/bin/sh\necho $0\n", 18), 18);
    ck_assert_int_eq(fchmod(fd, mode), 0);
    close(fd);
}

START_TEST(names_are_looked_for_in_the_path_given)
{
    char dir[] = "/tmp/tenon-process-XXXXXX";
    char path[3][128];
    const char *const argv[] = {"tool", NULL};
    const char *const envp[] = {path[0], NULL};
    const char *const empty[] = {"PATH=::", NULL};
    child c = {0};
    ck_assert_ptr_nonnull(mkdtemp(dir));
    (void)snprintf(path[0], sizeof path[0], "PATH=/nonexistent::%s/no:%s", dir,
                   dir);
    (void)snprintf(path[1], sizeof path[1], "%s/no", dir);
    (void)snprintf(path[2], sizeof path[2], "%s/tool", dir);
    ck_assert_int_eq(mkdir(path[1], 0700), 0);
    make_tool(path[2], 0600);
    tenon_process_options options = {.argv = argv, .envp = envp, .cwd = dir};
    ck_assert_int_eq(run_with(&c, NULL, options), -EACCES);
    ck_assert_int_eq(chmod(path[2], 0700), 0);
    options.envp = empty; /* not even in its own folder */
    ck_assert_int_eq(run_with(&c, NULL, options), -ENOENT);
    options.envp = envp;
    ck_assert_int_eq(run_with(&c, NULL, options), TENON_OK);
    finish(&c);
    ck_assert_str_eq(strrchr(c.out, '/'), "/tool\n");
    unlink(path[2]);
    rmdir(path[1]);
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

/* ---- old kernels ---- */

#define LOAD(field) \
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define REFUSE(code) \
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ((code) & 0xffffu))
#define IF_CALL(number) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 3)

enum kernel { NEW, NO_PIDFD, NO_WAIT, NO_RANGE, NO_LIST, KERNELS };

static void filter(struct sock_filter *steps, unsigned short count)
{
    struct sock_fprog program = {.len = count, .filter = steps};
    ck_assert_int_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    ck_assert_int_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

/* Takes away what the kernel of an older day had not. */
static void age(enum kernel kernel)
{
    struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    if (kernel == NO_PIDFD) {
        struct sock_filter steps[] = {
            LOAD(nr), IF_CALL(SYS_clone), LOAD(args[0]),
            BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, CLONE_PIDFD, 0, 1),
            REFUSE(EINVAL), allow};
        filter(steps, 6);
    } else if (kernel == NO_WAIT) {
        struct sock_filter steps[] = {
            LOAD(nr), IF_CALL(SYS_waitid), LOAD(args[0]),
            BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, P_PIDFD, 0, 1), REFUSE(EINVAL),
            allow};
        filter(steps, 6);
    } else if (kernel >= NO_RANGE) {
        struct sock_filter steps[] = {
            LOAD(nr), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_close_range, 0, 1),
            REFUSE(ENOSYS), allow};
        filter(steps, 4);
    }
    if (kernel == NO_LIST) { /* for short buffers: libc's are longer */
        struct sock_filter steps[] = {
            LOAD(nr), IF_CALL(SYS_getdents64), LOAD(args[2]),
            BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PATH_MAX, 0, 1), REFUSE(ENOSYS),
            allow};
        filter(steps, 6);
    }
}

static size_t threads(void)
{
    size_t count = 0;
    DIR *dir = opendir("/proc/self/task");
    ck_assert_ptr_nonnull(dir);
    while (readdir(dir)) {
        count++;
    }
    closedir(dir);
    return count - 2;
}

static bool waits_by_thread(enum kernel kernel)
{
    return kernel == NO_PIDFD || kernel == NO_WAIT;
}

START_TEST(R01_old_kernels)
{
    child c = {0};
    child killed = {0};
    int open_fd = fcntl(0, F_DUPFD, 300); /* not close-on-exec */
    size_t before = threads();
    age((enum kernel)_i);
    START(&c, "for i in 0 1 2 3 4 5 6 300; do [ -e /proc/$$/fd/$i ] && "
              "echo $i; done; read x; exit 7");
    ck_assert_int_eq(threads() > before, waits_by_thread(_i));
    UNTIL(c.received >= 6);
    ck_assert_int_eq(tenon_transport_write(tenon_process_pipe(c.process, 0),
                                           "x\n", 2),
                     TENON_OK);
    finish(&c);
    ck_assert_int_eq(c.exit.code, 7);
    ck_assert_str_eq(c.out, "0\n1\n2\n");
    START(&killed, "exec sleep 1000");
    ck_assert_int_eq(tenon_process_terminate(killed.process), TENON_OK);
    finish(&killed);
    ck_assert_int_eq(killed.exit.code, -SIGTERM);
    close(open_fd);
}
END_TEST

START_TEST(R08_old_kernels_and_the_end_of_the_reactor)
{
    child c = {0};
    child fresh = {0};
    age((enum kernel)_i);
    START(&c, "echo up; exec sleep 1000");
    UNTIL(c.received == 3);
    START(&fresh, "exec sleep 1000"); /* nobody was told of it yet */
    tenon_process_unref(fresh.process);
    tenon_process_unref(c.process);
    ck_assert_int_eq(tenon_reactor_close(reactor), TENON_OK);
    ck_assert_int_eq(c.exit.code, -SIGKILL);
    ck_assert_int_eq(c.lost, TENON_CLOSED);
    ck_assert_int_eq(c.log[strlen(c.log) - 1], 'L');
    ck_assert_str_eq(fresh.log, "");
    ck_assert(!has_children());
    take_report(TENON_CLOSED); /* the open pipes */
    tenon_reactor_unref(reactor);
    open_reactor();
}
END_TEST

/* ---- thieves ---- */

static void wait_fails(child *c, tenon_status status)
{
    tenon_future *future;
    ck_assert_int_eq(tenon_process_wait(c->process, &future), TENON_OK);
    ck_assert_int_eq(tenon_run_until(reactor, future, TENON_FOREVER), status);
    tenon_future_unref(future);
}

START_TEST(R09_reaped_by_somebody_else)
{
    child c = {0};
    int status = 0;
    age((enum kernel)_i);
    START(&c, "exit 3");
    pid_t pid = tenon_process_pid(c.process);
    ck_assert_int_eq(waitpid(-1, &status, 0), pid);
    /* Its number is anybody's now. */
    ck_assert_int_eq(tenon_process_kill(c.process), -ESRCH);
    wait_fails(&c, -ECHILD);
    finish(&c);
    ck_assert_int_eq(c.exit.status, -ECHILD);
    ck_assert_ptr_eq(strchr(c.log, 'X'), strrchr(c.log, 'X'));
}
END_TEST

START_TEST(R09_children_are_ignored)
{
    child c = {0};
    age((enum kernel)_i);
    signal(SIGCHLD, SIG_IGN);
    tenon_process_options wrong = {.file = "/nonexistent"};
    ck_assert_int_eq(run_with(&c, "exit 3", wrong), -ENOENT);
    START(&c, "echo still heard; exit 3");
    wait_fails(&c, -ECHILD);
    finish(&c);
    ck_assert_str_eq(c.out, "still heard\n");
    ck_assert_int_eq(c.exit.status, -ECHILD);
    signal(SIGCHLD, SIG_DFL);
}
END_TEST

/* ---- many ---- */

START_TEST(two_hundred_at_once)
{
    static child many[MANY];
    struct rlimit limit;
    age((enum kernel)_i);
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max < 3000 ? limit.rlim_max : 3000;
    setrlimit(RLIMIT_NOFILE, &limit);
    for (int i = 0; i < MANY; i++) {
        char script[64];
        (void)snprintf(script, sizeof script, "echo %d; exit %d", i, i);
        START(&many[i], script);
    }
    for (int i = 0; i < MANY; i++) {
        UNTIL(is_lost(&many[i]));
        ck_assert_int_eq(many[i].exit.code, i);
        ck_assert_int_eq(atoi(many[i].out), i);
        tenon_process_unref(many[i].process);
    }
}
END_TEST

/* ---- callbacks ---- */

static void close_it(child *c)
{
    c->fn = NULL;
    ck_assert_int_eq(tenon_process_close(c->process), TENON_OK);
    tenon_process_unref(c->process);
}

START_TEST(L2_closed_and_released_in_each_callback)
{
    child c = {.at = "MDPXL"[_i], .fn = close_it};
    START(&c, "echo hello; read x");
    if (_i >= 2) {
        UNTIL(c.received);
        ck_assert_int_eq(tenon_process_terminate(c.process), TENON_OK);
    }
    UNTIL(is_lost(&c));
    ck_assert_int_eq(c.log[strlen(c.log) - 1], 'L');
    ck_assert_int_eq(c.log[0], 'M');
    ck_assert_ptr_nonnull(strchr(c.log, 'X'));
    ck_assert_int_eq(tenon_run_once(reactor, 0), TENON_OK);
    ck_assert(!tenon_reactor_alive(reactor));
}
END_TEST

START_TEST(a_failing_callback_kills)
{
    child c = {.at = "MDPX"[_i], .answer = -EIO};
    START(&c, _i < 2 ? "echo hello; exec sleep 1000"
                     : "exec <&- >&- 2>&-; exec sleep 1000");
    if (_i == 3) {
        ck_assert_int_eq(tenon_process_kill(c.process), TENON_OK);
    }
    UNTIL(is_lost(&c));
    ck_assert_int_eq(c.lost, -EIO);
    ck_assert_int_eq(c.exit.code, -SIGKILL);
    c.answer = 0;
    ck_assert_int_ge(reports, 1);
    ck_assert_int_eq(reported, -EIO);
    reports = 0;
    finish(&c);
}
END_TEST

START_TEST(nobody_is_told)
{
    const char *const argv[] = {"/bin/sh", "-c", "yes | head -c 300000", NULL};
    tenon_process_options options = {
        .size = sizeof options, .argv = argv, .envp = environment};
    ck_assert_int_eq(tenon_process_spawn(reactor, NULL, &options,
                                         (tenon_process_protocol){NULL, NULL}),
                     TENON_OK);
    UNTIL(!tenon_reactor_alive(reactor));
}
END_TEST

/* ---- pipes ---- */

static char passed[64];

static tenon_status keep(void *self, tenon_transport *transport,
                         const void *data, size_t len)
{
    (void)self;
    (void)transport;
    strncat(passed, data, len);
    return TENON_OK;
}

static const tenon_protocol_ops keeper = {.size = sizeof keeper,
                                          .data_received = keep};

static void hand_over(child *c)
{
    ck_assert_int_eq(
        tenon_transport_set_protocol(tenon_process_pipe(c->process, 1),
                                     (tenon_protocol){&keeper, NULL}),
        TENON_OK);
}

START_TEST(a_pipe_with_another_protocol)
{
    child c = {.at = 'M', .fn = hand_over};
    START(&c, "echo past us");
    finish(&c);
    ck_assert_str_eq(passed, "past us\n");
    ck_assert_str_eq(c.out, "");
    size_t lost = 0;
    for (const char *at = c.log; *at; at++) {
        lost += *at == 'P';
    }
    ck_assert_uint_eq(lost, 3);
}
END_TEST

static tenon_transport *connection;

static void join(child *c)
{
    ck_assert_int_eq(
        tenon_pipe(connection, tenon_process_pipe(c->process, 0), NULL),
        TENON_OK);
}

/* As inetd does. */
START_TEST(a_child_behind_a_connection)
{
    child c = {.at = 'M', .fn = join};
    int fds[2];
    char answer[16] = "";
    tenon_process_fd same = {1, TENON_STDIO_SAME, 0};
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds),
                     0);
    ck_assert_int_eq(tenon_transport_adopt(reactor, &connection, fds[0],
                                           tenon_factory_of(&keeper)),
                     TENON_OK);
    ck_assert_int_eq(tenon_run_once(reactor, 0), TENON_OK);
    START_WITH(&c, "tr a-z A-Z", .fds = &same, .fd_count = 1);
    ck_assert_int_eq(write(fds[1], "question", 8), 8);
    ck_assert_int_eq(shutdown(fds[1], SHUT_WR), 0);
    finish(&c);
    ck_assert_int_eq(read(fds[1], answer, sizeof answer), 8);
    ck_assert_str_eq(answer, "QUESTION");
    UNTIL(!tenon_reactor_alive(reactor));
    close(fds[1]);
}
END_TEST

/* ---- communicate ---- */

START_TEST(R07_too_much_output)
{
    child c = {0};
    tenon_future *future;
    START_WITH(&c, "yes", .output_max = 100000);
    ck_assert_int_eq(
        tenon_process_communicate(c.process, NULL, 0, &future), TENON_OK);
    ck_assert_int_eq(tenon_run_until(reactor, future, TENON_FOREVER),
                     TENON_LIMIT);
    tenon_future_unref(future);
    finish(&c);
    ck_assert_int_eq(c.exit.code, -SIGKILL);
}
END_TEST

START_TEST(R07_cancelled_and_again)
{
    child c = {0};
    tenon_future *first;
    tenon_future *second;
    void *value;
    START(&c, "read x; echo $x");
    ck_assert_int_eq(
        tenon_process_communicate(c.process, NULL, 5, &first), TENON_INVALID);
    ck_assert_int_eq(
        tenon_process_communicate(c.process, "one\n", 4, &first), TENON_OK);
    ck_assert_int_eq(
        tenon_process_communicate(c.process, NULL, 0, &second), TENON_BUSY);
    ck_assert_int_eq(tenon_future_cancel(first, NULL), TENON_EXISTED);
    tenon_future_unref(first);
    ck_assert_int_eq(
        tenon_process_communicate(c.process, NULL, 0, &second), TENON_OK);
    ck_assert_int_eq(tenon_run_until(reactor, second, TENON_FOREVER),
                     TENON_OK);
    ck_assert_int_eq(tenon_future_value(second, &value), TENON_OK);
    const tenon_process_output *output = value;
    ck_assert_str_eq(output->out, "one\n");
    ck_assert_int_eq(
        tenon_process_communicate(c.process, NULL, 0, &first), TENON_CLOSED);
    finish(&c);
    tenon_future_unref(second);
}
END_TEST

START_TEST(R07_the_reactor_ends)
{
    child c = {0};
    tenon_future *future;
    START(&c, "exec sleep 1000");
    ck_assert_int_eq(
        tenon_process_communicate(c.process, NULL, 0, &future), TENON_OK);
    ck_assert_int_eq(tenon_run_once(reactor, 0), TENON_OK);
    ck_assert_int_eq(tenon_reactor_close(reactor), TENON_OK);
    ck_assert(tenon_future_is_done(future));
    tenon_future_unref(future);
    tenon_process_unref(c.process);
    take_report(TENON_CLOSED); /* the open pipes */
    tenon_reactor_unref(reactor);
    open_reactor();
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("process");
    TCase *tcase = tcase_create("process");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, every_request_for_memory_fails_once);
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
    tcase_add_loop_test(tcase, R01_old_kernels, 0, KERNELS);
    tcase_add_loop_test(tcase, R08_old_kernels_and_the_end_of_the_reactor, 0,
                        NO_RANGE);
    tcase_add_loop_test(tcase, R09_reaped_by_somebody_else, 0, NO_RANGE);
    tcase_add_loop_test(tcase, R09_children_are_ignored, 0, NO_RANGE);
    tcase_add_loop_test(tcase, two_hundred_at_once, 0, NO_WAIT);
    tcase_add_loop_test(tcase, L2_closed_and_released_in_each_callback, 0, 5);
    tcase_add_loop_test(tcase, a_failing_callback_kills, 0, 4);
    tcase_add_test(tcase, nobody_is_told);
    tcase_add_test(tcase, a_pipe_with_another_protocol);
    tcase_add_test(tcase, a_child_behind_a_connection);
    tcase_add_test(tcase, R07_too_much_output);
    tcase_add_test(tcase, R07_cancelled_and_again);
    tcase_add_test(tcase, R07_the_reactor_ends);
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
