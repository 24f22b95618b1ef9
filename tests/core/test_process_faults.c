/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Processes where the system fails us: children that cannot be killed, waited
 * for or watched, places that are none, and what is asked for in vain.
 *
 * The stand-ins of system calls are set while a thread of the library may be in
 * one, so this is nothing for ThreadSanitizer.
 *
 * ctest: timeout=120
 */

#include "process_rig.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>

/* ---- calls of the library's that fail; each answers `left` times ---- */

static struct {
    int left;
    int result;
    int error;
    idtype_t type; /* of waitid: only of this one, */
    int how;       /* and only with these options */
} fails;

static bool is_due(void)
{
    if (fails.left == 0) {
        return false;
    }
    fails.left--;
    errno = fails.error;
    return true;
}

int waitid(idtype_t type, id_t id, siginfo_t *out, int options)
{
    bool ours = fails.how && type == fails.type &&
                (options & (WNOHANG | WNOWAIT)) == (fails.how & ~WEXITED);
    if (ours && is_due()) {
        return fails.result;
    }
    return (int)syscall(SYS_waitid, type, id, out, options, NULL);
}

static bool polls_fail;

/* Not static: libc's headers may make a function that uses it inline. */
bool poll_is_due(void);
bool poll_is_due(void)
{
    return polls_fail && is_due();
}

int poll(struct pollfd *fds, nfds_t count, int timeout)
{
    if (poll_is_due()) {
        return -1;
    }
    return (int)syscall(SYS_poll, fds, count, timeout);
}

static bool threads_fail;

int pthread_create(pthread_t *out, const pthread_attr_t *how,
                   void *(*fn)(void *), void *arg)
{
    union {
        void *found;
        int (*call)(pthread_t *, const pthread_attr_t *, void *(*)(void *),
                    void *);
    } real = {.found = dlsym(RTLD_NEXT, "pthread_create")};
    return threads_fail ? EAGAIN : real.call(out, how, fn, arg);
}

static void refuse(unsigned call, unsigned short error)
{
    struct sock_filter steps[] = {
        LOAD(nr), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1),
        REFUSE(error), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    filter(steps, 4);
}

/* A reactor whose end cannot wait for its child is another one's affair. */
static void end_reactor(void)
{
    ck_assert_int_eq(tenon_reactor_close(reactor), TENON_OK);
    tenon_reactor_unref(reactor);
    reports = 0; /* of open pipes */
    open_reactor();
}

static void reap(pid_t pid)
{
    int status;
    ck_assert_int_gt(waitpid(pid, &status, __WALL), 0);
}

static size_t blocks_now(void)
{
    pthread_mutex_lock(&guard.heap.lock);
    size_t count = guard.heap.count;
    pthread_mutex_unlock(&guard.heap.lock);
    return count;
}

/* ---- the birth ---- */

/* Out of memory for a thread: the child that was born already is ended. */
START_TEST(a_thread_that_cannot_be_made)
{
    child c = {0};
    age(NO_WAIT);
    threads_fail = true;
    ck_assert_int_eq(run(&c, "exec sleep 1000"), -EAGAIN);
    ck_assert_ptr_null(c.process);
    ck_assert(!has_children());
    ck_assert_str_eq(c.log, "");
}
END_TEST

static const struct {
    unsigned call;
    unsigned short error;
    uint32_t flags;
} births[] = {{SYS_setsid, EPERM, TENON_PROCESS_NEW_SESSION},
              {SYS_dup3, EBUSY, 0},
              {SYS_setpgid, EACCES, TENON_PROCESS_NEW_GROUP}};

START_TEST(what_fails_in_the_child_is_told_here)
{
    child c = {0};
    refuse(births[_i].call, births[_i].error);
    tenon_process_options options = {.flags = births[_i].flags};
    ck_assert_int_eq(run_with(&c, "exit", options), -births[_i].error);
    ck_assert(!has_children());
}
END_TEST

/* Somebody reaps the child that came to nothing before we do. */
START_TEST(a_stillborn_child_is_stolen)
{
    child c = {0};
    tenon_process_options options = {.file = "/nonexistent"};
    fails.type = P_PID;
    fails.how = WEXITED;
    fails.left = 1;
    fails.result = -1;
    fails.error = ECHILD;
    ck_assert_int_eq(run_with(&c, "exit", options), -ENOENT);
    ck_assert_int_eq(fails.left, 0);
    ck_assert(has_children());
    reap(-1);
}
END_TEST

/* It says nothing about whether a pidfd can be waited for. */
START_TEST(a_child_is_stolen_at_its_birth)
{
    child c = {0};
    fails.type = P_PIDFD;
    fails.how = WEXITED | WNOHANG | WNOWAIT;
    fails.left = 1;
    fails.result = -1;
    fails.error = ECHILD;
    threads_fail = true; /* none is asked for */
    START(&c, "exit 4");
    ck_assert_int_eq(fails.left, 0);
    finish(&c);
    ck_assert_int_eq(c.exit.code, 4);
}
END_TEST

static const char *const places[] = {
    "/etc/passwd",        /* no folder */
    "/nonexistent", NULL, /* longer than any path */
};

START_TEST(places_that_are_none_are_passed_over)
{
    static char path[3 * PATH_MAX];
    const char *const argv[] = {"sh", "-c", "exit 6", NULL};
    const char *const envp[] = {path, NULL};
    child c = {0};
    (void)snprintf(path, sizeof path, "PATH=%s", places[_i] ? places[_i] : "/");
    if (!places[_i]) {
        memset(path + strlen(path), 'x', 2 * PATH_MAX);
    }
    tenon_process_options options = {.argv = argv, .envp = envp};
    ck_assert_int_eq(run_with(&c, NULL, options), -ENOENT);
    strcat(path, ":/usr/bin:/bin");
    ck_assert_int_eq(run_with(&c, NULL, options), TENON_OK);
    finish(&c);
    ck_assert_int_eq(c.exit.code, 6);
}
END_TEST

/* ---- the end ---- */

/* By a pidfd, or by a thread and a number. */
static const unsigned killing[] = {SYS_pidfd_send_signal, SYS_kill};

START_TEST(R08_a_child_that_cannot_be_killed)
{
    child c = {0};
    tenon_future *both;
    size_t before = blocks_now();
    age(_i == 0 ? NEW : NO_WAIT);
    START(&c, "exec sleep 1000");
    ck_assert_int_eq(tenon_process_communicate(c.process, NULL, 0, &both),
                     TENON_OK);
    pid_t pid = tenon_process_pid(c.process);
    refuse(killing[_i], EPERM);
    ck_assert_int_eq(tenon_process_terminate(c.process), -EPERM);
    ck_assert_int_eq(tenon_run_once(reactor, 0), TENON_OK);
    tenon_process_unref(c.process);
    int64_t before_ns = harness_clock_ns();
    end_reactor(); /* a tenth of a second is waited, and no more */
    ck_assert_int_ge(harness_clock_ns() - before_ns, 90 * TENON_MILLISECOND);
    ck_assert_int_eq(c.lost, TENON_CLOSED);
    ck_assert_int_eq(c.exit.status, TENON_CLOSED);
    ck_assert_int_eq(tenon_error_status(tenon_future_error(both)),
                     TENON_CLOSED);
    tenon_future_unref(both);
    ck_assert_int_eq(syscall(SYS_tkill, pid, SIGKILL), 0);
    while (blocks_now() > before) {
        sched_yield(); /* its thread hears of it, and is gone */
    }
    reap(pid);
}
END_TEST

/* Then it is looked at as it is. */
START_TEST(R08_a_poll_that_fails)
{
    child c = {0};
    START(&c, "exec sleep 1000");
    pid_t pid = tenon_process_pid(c.process);
    ck_assert_int_eq(tenon_run_once(reactor, 0), TENON_OK);
    tenon_process_unref(c.process);
    refuse(SYS_pidfd_send_signal, EPERM);
    polls_fail = true;
    fails.left = 1;
    fails.error = ENOMEM;
    end_reactor();
    ck_assert_int_eq(fails.left, 0);
    ck_assert_int_eq(c.exit.status, TENON_CLOSED);
    kill(pid, SIGKILL);
    reap(pid);
}
END_TEST

/* Nobody tells whether it ended, and there is no memory to ask again later. */
START_TEST(R09_no_memory_to_look_again)
{
    child c = {0};
    fails.type = P_PIDFD;
    fails.how = WEXITED | WNOHANG;
    fails.left = INT_MAX;
    START(&c, "exit 5");
    while (!strchr(c.log, 'X')) {
        harness_heap_fail(&guard.heap, 1, UINT64_MAX / 2);
        ck_assert_int_eq(tenon_run_once(reactor, TENON_SECOND), TENON_OK);
    }
    harness_heap_fail(&guard.heap, 0, 0);
    ck_assert_int_eq(c.exit.status, -ECHILD);
    reports = 0; /* of pipes that could not be read */
    fails.left = 0;
    reap(tenon_process_pid(c.process));
    finish(&c);
}
END_TEST

/* Between the end and the report of it the number may be another one's. */
START_TEST(R09_a_number_that_is_nobody_s)
{
    child c = {0};
    age(NO_WAIT);
    START(&c, "exec sleep 1000");
    fails.type = P_PID;
    fails.how = WEXITED | WNOHANG | WNOWAIT;
    fails.left = 1;
    fails.result = -1;
    fails.error = ECHILD;
    ck_assert_int_eq(tenon_process_kill(c.process), -ESRCH);
    ck_assert_int_eq(fails.left, 0);
    ck_assert_int_eq(tenon_process_kill(c.process), TENON_OK);
    finish(&c);
    ck_assert_int_eq(c.exit.code, -SIGKILL);
}
END_TEST

static bool runs(const child *c)
{
    siginfo_t info = {.si_pid = 0};
    return waitid(P_PID, (id_t)tenon_process_pid(c->process), &info,
                  WEXITED | WNOHANG | WNOWAIT | __WALL) == 0 &&
           info.si_pid == 0;
}

static int find_pidfd(void)
{
    for (int fd = 0; fd < 64; fd++) {
        char name[64];
        char text[64] = "";
        (void)snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
        if (readlink(name, text, sizeof text - 1) > 0 &&
            strstr(text, "pidfd")) {
            return fd;
        }
    }
    return -1;
}

/* The engine finds that out when it has to look: see W08 in the tests of the
 * loop. From then on it is asked for by its number, now and then. */
START_TEST(R09_its_descriptor_is_closed_behind_our_back)
{
    child c = {0};
    int dead[2];
    int low = dup(0);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, dead),
                     0);
    START(&c, "read x; exit 5");
    ck_assert_int_eq(tenon_run_once(reactor, 0), TENON_OK);
    int pidfd = find_pidfd();
    ck_assert_int_ge(pidfd, 0);
    ck_assert_int_eq(
        tenon_add_reader(reactor, dead[0], (tenon_call_fn *)abort, NULL),
        TENON_OK);
    int copy = dup(dead[0]);
    close(dead[0]);
    ck_assert_int_eq(tenon_remove_reader(reactor, dead[0]), TENON_EXISTED);
    close(dead[1]);
    close(low);
    close(pidfd);
    tenon_stats stats = {.size = sizeof stats};
    while (stats.timers_fired == 0) {
        ck_assert_int_eq(tenon_run_once(reactor, TENON_SECOND), TENON_OK);
        ck_assert_int_eq(tenon_reactor_stats(reactor, &stats), TENON_OK);
    }
    ck_assert(runs(&c));
    ck_assert_int_eq(
        tenon_transport_write(tenon_process_pipe(c.process, 0), "x\n", 2),
        TENON_OK);
    finish(&c);
    ck_assert_int_eq(c.exit.code, 5);
    close(copy);
}
END_TEST

START_TEST(R09_stolen_before_the_reactor_ends)
{
    child c = {0};
    START(&c, "exec sleep 1000");
    ck_assert_int_eq(tenon_run_once(reactor, 0), TENON_OK);
    ck_assert_int_eq(kill(tenon_process_pid(c.process), SIGKILL), 0);
    reap(tenon_process_pid(c.process));
    tenon_process_unref(c.process);
    end_reactor();
    ck_assert_int_eq(c.exit.status, -ECHILD);
    ck_assert(is_lost(&c));
}
END_TEST

/* ---- a callback that forks: what is in the child leaves all to us ---- */

static child *other;
static bool in_fork;

static void fork_here(child *c)
{
    int how;
    c->fn = NULL;
    pid_t pid = fork();
    in_fork = pid == 0;
    if (!in_fork) {
        ck_assert_int_eq(waitpid(pid, &how, 0), pid);
        ck_assert(WIFEXITED(how) && WEXITSTATUS(how) == 0);
        ck_assert(runs(other));
    }
}

static void fork_and_fail(child *c)
{
    fork_here(c);
    c->answer = in_fork ? -EIO : TENON_OK;
}

START_TEST(X15_a_callback_forks_and_fails)
{
    child c = {.at = 'M', .fn = fork_and_fail};
    other = &c;
    START(&c, "exec sleep 1000");
    tenon_status status = tenon_run_once(reactor, 0);
    if (in_fork) {
        exit(status == TENON_FORKED && reports == 1 ? 0 : 1);
    }
    ck_assert_int_eq(status, TENON_OK);
    ck_assert_int_eq(tenon_process_close(c.process), TENON_OK);
    finish(&c);
    ck_assert_int_eq(c.exit.code, -SIGKILL);
}
END_TEST

static int waiters_told;

static void on_future(tenon_waiter *waiter, tenon_future *future, void *user)
{
    (void)waiter;
    (void)future;
    (void)user;
    waiters_told++;
}

START_TEST(X15_a_callback_forks_while_the_reactor_ends)
{
    tenon_future *future;
    tenon_waiter waiter;
    child first = {.at = 'L', .fn = fork_here};
    child second = {0};
    other = &second;
    age(_i == 0 ? NEW : NO_WAIT);
    START(&first, "exec sleep 1000");
    START(&second, "exec sleep 1000");
    ck_assert_int_eq(tenon_future_new(reactor, &future), TENON_OK);
    ck_assert_int_eq(tenon_future_on_done(future, &waiter, on_future, NULL),
                     TENON_OK);
    ck_assert_int_eq(tenon_run_once(reactor, 0), TENON_OK);
    (void)tenon_reactor_close(reactor);
    if (in_fork) {
        exit(strcmp(second.log, "M") == 0 && waiters_told == 0 ? 0 : 1);
    }
    ck_assert_int_eq(waiters_told, 1);
    tenon_future_unref(future);
    ck_assert_int_eq(second.exit.code, -SIGKILL);
    tenon_process_unref(first.process);
    tenon_process_unref(second.process);
    end_reactor();
}
END_TEST

/* No memory for the deadline of a mild signal: it is not waited for. */
START_TEST(a_mild_signal_without_memory)
{
    child c = {0};
    START_WITH(&c, "trap '' TERM; echo up; while :; do sleep 1000; done",
               .kill_signal = SIGTERM);
    UNTIL(c.received == 3);
    harness_heap_fail(&guard.heap, 1, 1);
    ck_assert_int_eq(tenon_process_close(c.process), TENON_OK);
    harness_heap_fail(&guard.heap, 0, 0);
    finish(&c);
    ck_assert_int_eq(c.exit.code, -SIGKILL);
}
END_TEST

START_TEST(SIGKILL_is_no_mild_signal)
{
    child c = {0};
    START_WITH(&c, "exec sleep 1000", .kill_signal = SIGKILL);
    ck_assert_int_eq(tenon_process_close(c.process), TENON_OK);
    finish(&c);
    ck_assert_int_eq(c.exit.code, -SIGKILL);
}
END_TEST

/* ---- callbacks ---- */

/* "Closed" is what write says to whoever closed it: no failure then. */
static void close_it(child *c)
{
    c->fn = NULL;
    ck_assert_int_eq(tenon_process_close(c->process), TENON_OK);
}

START_TEST(an_echo_of_closed)
{
    child c = {.at = 'D', .answer = TENON_CLOSED};
    c.fn = _i == 0 ? close_it : NULL;
    START(&c, "echo hello; exec sleep 1000");
    UNTIL(is_lost(&c));
    ck_assert_int_eq(c.exit.code, -SIGKILL);
    ck_assert_int_eq(c.lost, _i == 0 ? TENON_OK : TENON_CLOSED);
    if (_i == 1) { /* nobody closed it */
        take_report(TENON_CLOSED);
    }
    finish(&c);
}
END_TEST

START_TEST(the_last_callback_fails)
{
    child c = {.at = 'L', .answer = -EIO};
    START(&c, "exit 2");
    UNTIL(is_lost(&c));
    take_report(-EIO);
    ck_assert_int_eq(c.lost, TENON_OK);
    finish(&c);
}
END_TEST

/* The first error is the one that is told. */
START_TEST(R08_the_reactor_ends_after_a_failure)
{
    child c = {.at = 'M', .answer = -EIO};
    START(&c, "exec sleep 1000");
    while (!c.log[0]) {
        ck_assert_int_eq(tenon_run_once(reactor, 0), TENON_OK);
    }
    take_report(-EIO);
    tenon_process_unref(c.process);
    ck_assert(!is_lost(&c));
    end_reactor();
    ck_assert_int_eq(c.lost, -EIO);
    ck_assert_int_eq(c.exit.code, -SIGKILL);
}
END_TEST

/* Its end is known, but somebody else has its pipes. */
START_TEST(R08_the_reactor_ends_between_the_end_and_its_pipes)
{
    child c = {0};
    START(&c, "exec 3<&0; cat <&3 & exit 1");
    UNTIL(strchr(c.log, 'X'));
    ck_assert(!is_lost(&c));
    tenon_process_unref(c.process);
    end_reactor();
    ck_assert_int_eq(c.exit.code, 1);
    ck_assert_int_eq(c.lost, TENON_CLOSED);
}
END_TEST

START_TEST(a_dump_without_a_protocol)
{
    const char *const argv[] = {"/bin/sh", "-c", "exec 3<&0; cat <&3 & exit 1",
                                NULL};
    tenon_process_options options = {
        .size = sizeof options, .argv = argv, .envp = environment};
    tenon_process *p;
    char text[512];
    ck_assert_int_eq(tenon_process_spawn(reactor, &p, &options,
                                         (tenon_process_protocol){NULL, NULL}),
                     TENON_OK);
    UNTIL(tenon_process_get_exit(p, NULL) == TENON_OK);
    FILE *file = fmemopen(text, sizeof text, "w");
    ck_assert_int_eq(tenon_reactor_dump(reactor, file), TENON_OK);
    (void)fclose(file);
    const char *line = strstr(text, "process - ");
    ck_assert_ptr_nonnull(line);
    ck_assert_ptr_nonnull(strstr(line, " ended, 3 pipes"));
    ck_assert_int_eq(tenon_process_close(p), TENON_OK);
    UNTIL(!tenon_reactor_alive(reactor));
    tenon_process_unref(p);
}
END_TEST

static void add_ends(TCase *tcase)
{
    tcase_add_loop_test(tcase, R08_a_child_that_cannot_be_killed, 0, 2);
    tcase_add_test(tcase, R08_a_poll_that_fails);
    tcase_add_test(tcase, R09_no_memory_to_look_again);
    tcase_add_test(tcase, R09_a_number_that_is_nobody_s);
    tcase_add_test(tcase, R09_its_descriptor_is_closed_behind_our_back);
    tcase_add_test(tcase, R09_stolen_before_the_reactor_ends);
    tcase_add_test(tcase, X15_a_callback_forks_and_fails);
    tcase_add_loop_test(tcase, X15_a_callback_forks_while_the_reactor_ends, 0,
                        2);
    tcase_add_test(tcase, a_mild_signal_without_memory);
    tcase_add_test(tcase, SIGKILL_is_no_mild_signal);
    tcase_add_loop_test(tcase, an_echo_of_closed, 0, 2);
    tcase_add_test(tcase, the_last_callback_fails);
    tcase_add_test(tcase, R08_the_reactor_ends_after_a_failure);
    tcase_add_test(tcase, R08_the_reactor_ends_between_the_end_and_its_pipes);
    tcase_add_test(tcase, a_dump_without_a_protocol);
}

int main(void)
{
    Suite *suite = suite_create("process faults");
    TCase *tcase = tcase_create("process faults");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_thread_that_cannot_be_made);
    tcase_add_loop_test(tcase, what_fails_in_the_child_is_told_here, 0, 3);
    tcase_add_test(tcase, a_stillborn_child_is_stolen);
    tcase_add_test(tcase, a_child_is_stolen_at_its_birth);
    tcase_add_loop_test(tcase, places_that_are_none_are_passed_over, 0, 3);
    add_ends(tcase);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
