/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The life of a process and its end: on kernels of older days, next to somebody
 * who reaps all children, many at a time, closed from every callback, and what
 * goes through its pipes.
 *
 * ctest: labels=threads timeout=120
 */

#include "process_rig.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <tenon/manual.h>

enum { MANY = 200 };

/* ---- old kernels ---- */

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
    ck_assert_int_eq(threads() > before, waits_by_thread((enum kernel)_i));
    UNTIL(c.received >= 6);
    ck_assert_int_eq(
        tenon_transport_write(tenon_process_pipe(c.process, 0), "x\n", 2),
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

/* In a process of its own: has a child of its made that gets `number`, tells
 * whether that worked, and once it is asked whether that child still lives. */
static void recycle(pid_t number, int in, int out)
{
    char answer = 'n';
    pid_t other = -1;
    for (int i = 0; i < 100 && other != number; i++) {
        FILE *last = fopen("/proc/sys/kernel/ns_last_pid", "w");
        if (!last || fprintf(last, "%d", number - 1) < 0 || fclose(last) != 0) {
            break;
        }
        other = fork();
        if (other == 0) {
            for (;;) {
                pause();
            }
        }
        if (other != number) { /* somebody was faster */
            kill(other, SIGKILL);
            waitpid(other, NULL, 0);
        }
    }
    answer = other == number ? 'y' : 'n';
    bool told = write(out, &answer, 1) == 1 && read(in, &answer, 1) == 1;
    answer = told && waitpid(other, NULL, WNOHANG) == 0 ? 'y' : 'n';
    told = write(out, &answer, 1) == 1;
    kill(other, SIGKILL);
    raise(SIGKILL); /* TSan would miss our parent's threads here */
    _exit(told ? 0 : 1);
}

START_TEST(R09_its_number_is_of_another_one)
{
    child c = {0};
    int sockets[2];
    char answer = 0;
    age((enum kernel)_i);
    START(&c, "exit 3");
    pid_t pid = tenon_process_pid(c.process);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
    ck_assert_int_eq(
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets), 0);
    pid_t helper = fork();
    if (helper == 0) {
        close(sockets[0]);
        recycle(pid, sockets[1], sockets[1]);
    }
    close(sockets[1]);
    ck_assert_int_eq(read(sockets[0], &answer, 1), 1);
    if (answer == 'y') { /* else we may not choose numbers */
        ck_assert_int_eq(tenon_process_kill(c.process), -ESRCH);
        ck_assert_int_eq(tenon_process_close(c.process), TENON_OK);
        ck_assert_int_eq(write(sockets[0], "?", 1), 1);
        ck_assert_int_eq(read(sockets[0], &answer, 1), 1);
        ck_assert_int_eq(answer, 'y');
    }
    close(sockets[0]);
    ck_assert_int_eq(waitpid(helper, NULL, 0), helper);
    finish(&c);
    ck_assert_int_eq(c.exit.status, -ECHILD);
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

/* Whoever traces it hears of the end before us: we look again, now and then. */
START_TEST(R09_ended_under_a_tracer)
{
    child c = {0};
    int said[2];
    int go[2];
    char byte = 0;
    tenon_stats before = {.size = sizeof before};
    tenon_stats after = before;
    START(&c, "read x; exit 5");
    ck_assert_int_eq(pipe2(said, O_CLOEXEC), 0);
    ck_assert_int_eq(pipe2(go, O_CLOEXEC), 0);
    pid_t tracer = fork();
    if (tracer == 0) {
        long pid = tenon_process_pid(c.process);
        char seized =
            syscall(SYS_ptrace, PTRACE_SEIZE, pid, 0, 0) == 0 ? 'y' : 'n';
        close(go[1]);
        bool heard = write(said[1], &seized, 1) == 1 && read(go[0], &byte, 1);
        _exit(heard ? 1 : 0);
    }
    close(go[0]);
    ck_assert_int_eq(read(said[0], &byte, 1), 1);
    if (byte == 'y') {
        ck_assert_int_eq(
            tenon_transport_write(tenon_process_pipe(c.process, 0), "x\n", 2),
            TENON_OK);
        UNTIL(strchr(c.log, 'P'));
        (void)tenon_reactor_stats(reactor, &before);
        int64_t end_ns = tenon_now(reactor) + 100 * TENON_MILLISECOND;
        UNTIL(tenon_now(reactor) >= end_ns);
        (void)tenon_reactor_stats(reactor, &after);
        ck_assert_ptr_null(strchr(c.log, 'X'));
        ck_assert_uint_lt(after.polls - before.polls, 40);
    }
    close(go[1]); /* the tracer ends, and with it the tracing */
    ck_assert_int_eq(waitpid(tracer, NULL, 0), tracer);
    if (byte != 'y') { /* it is not allowed to trace */
        ck_assert_int_eq(tenon_process_close(c.process), TENON_OK);
    }
    finish(&c);
    ck_assert_int_eq(c.exit.code, byte == 'y' ? 5 : -SIGKILL);
    close(said[0]);
    close(said[1]);
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

static void close_reactor(child *c)
{
    c->fn = NULL;
    tenon_process_unref(c->process);
    ck_assert_int_ge(tenon_reactor_close(reactor), 0);
}

START_TEST(L2_reactor_closed_from_each_callback)
{
    child c = {.at = "MDPXL"[_i], .fn = close_reactor};
    tenon_reactor_options options = {.size = sizeof options,
                                     .allocator = &guard.heap.allocator,
                                     .slow_callback_ns = -1,
                                     .on_error = on_error};
    tenon_reactor_unref(reactor);
    ck_assert_int_eq(tenon_manual_new(&reactor, &options), TENON_OK);
    START(&c, _i == 1 ? "echo hello; exec sleep 1000" : "exit 4");
    while (!is_lost(&c)) {
        tenon_status status = tenon_manual_turn(reactor, NULL);
        ck_assert(status == TENON_OK || (status == TENON_CLOSED && !c.fn));
        sched_yield();
    }
    ck_assert(!c.fn);
    ck_assert_int_eq(c.log[strlen(c.log) - 1], 'L');
    ck_assert_ptr_eq(strchr(c.log, 'X'), strrchr(c.log, 'X'));
    /* Whether it closes before the last notice but one, is chance. */
    ck_assert(c.lost == TENON_CLOSED || (c.lost == TENON_OK && _i >= 2));
    reports = 0; /* of pipes that were open */
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

/* As write says it, of a pipe that closes: no failure. */
START_TEST(an_echo_of_closed_is_no_failure)
{
    child c = {.at = 'X', .answer = TENON_CLOSED};
    START(&c, "exit 6");
    finish(&c);
    ck_assert_int_eq(c.lost, TENON_OK);
}
END_TEST

START_TEST(what_was_not_sent_is_dropped_by_close)
{
    static char big[1000000];
    child c = {0};
    START(&c, "echo up; exec sleep 1000");
    UNTIL(c.received == 3);
    tenon_transport *in = tenon_process_pipe(c.process, 0);
    ck_assert_ptr_null(tenon_process_pipe(c.process, 3));
    ck_assert_int_eq(tenon_transport_write(in, big, sizeof big), TENON_HIGH);
    ck_assert_int_eq(tenon_process_close(c.process), TENON_OK);
    finish(&c);
    ck_assert_int_eq(c.pipe_lost[0], TENON_ABORTED);
    ck_assert_int_eq(c.pipe_lost[1], TENON_OK);
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

START_TEST(no_pipes_at_all)
{
    const tenon_process_fd fds[] = {{0, TENON_STDIO_NULL, 0},
                                    {1, TENON_STDIO_NULL, 0},
                                    {2, TENON_STDIO_INHERIT, 0}};
    child c = {0};
    char text[256] = "";
    START_WITH(&c, "exit 8", .fds = fds, .fd_count = 3);
    FILE *file = fmemopen(text, sizeof text, "w");
    ck_assert_int_eq(tenon_reactor_dump(reactor, file), TENON_OK);
    (void)fclose(file);
    ck_assert_ptr_nonnull(strstr(text, "process child "));
    ck_assert(tenon_reactor_alive(reactor));
    ck_assert_int_eq(tenon_run(reactor), TENON_OK);
    ck_assert_str_eq(c.log, "MXL");
    tenon_process *kept = tenon_process_ref(c.process);
    finish(&c);
    tenon_process_exit how = {.size = sizeof how};
    ck_assert_int_eq(tenon_process_get_exit(kept, &how), TENON_OK);
    ck_assert_int_eq(how.code, 8);
    ck_assert_ptr_eq(tenon_process_reactor(kept), reactor);
    ck_assert_int_eq(tenon_process_close(kept), TENON_OK); /* a no-op */
    tenon_process_unref(kept);
    tenon_process_unref(NULL);
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
    ck_assert_int_eq(tenon_process_communicate(c.process, NULL, 0, &future),
                     TENON_OK);
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
    ck_assert_int_eq(tenon_process_communicate(c.process, NULL, 5, &first),
                     TENON_INVALID);
    ck_assert_int_eq(tenon_process_communicate(c.process, "one\n", 4, &first),
                     TENON_OK);
    ck_assert_int_eq(tenon_process_communicate(c.process, NULL, 0, &second),
                     TENON_BUSY);
    ck_assert_int_eq(tenon_future_cancel(first, NULL), TENON_EXISTED);
    tenon_future_unref(first);
    ck_assert_int_eq(tenon_process_communicate(c.process, NULL, 0, &second),
                     TENON_OK);
    ck_assert_int_eq(tenon_run_until(reactor, second, TENON_FOREVER), TENON_OK);
    ck_assert_int_eq(tenon_future_value(second, &value), TENON_OK);
    const tenon_process_output *output = value;
    ck_assert_str_eq(output->out, "one\n");
    ck_assert_int_eq(tenon_process_communicate(c.process, NULL, 0, &first),
                     TENON_CLOSED);
    finish(&c);
    tenon_future_unref(second);
}
END_TEST

START_TEST(R07_the_reactor_ends)
{
    child c = {0};
    tenon_future *future;
    START(&c, "exec sleep 1000");
    ck_assert_int_eq(tenon_process_communicate(c.process, NULL, 0, &future),
                     TENON_OK);
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
    Suite *suite = suite_create("process end");
    TCase *tcase = tcase_create("process end");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_loop_test(tcase, R01_old_kernels, 0, KERNELS);
    tcase_add_loop_test(tcase, R08_old_kernels_and_the_end_of_the_reactor, 0,
                        NO_RANGE);
    tcase_add_loop_test(tcase, R09_reaped_by_somebody_else, 0, NO_RANGE);
    tcase_add_loop_test(tcase, R09_its_number_is_of_another_one, 0, NO_RANGE);
    tcase_add_loop_test(tcase, R09_children_are_ignored, 0, NO_RANGE);
    tcase_add_loop_test(tcase, two_hundred_at_once, 0, NO_WAIT);
    tcase_add_loop_test(tcase, L2_closed_and_released_in_each_callback, 0, 5);
    tcase_add_loop_test(tcase, a_failing_callback_kills, 0, 4);
    tcase_add_loop_test(tcase, L2_reactor_closed_from_each_callback, 0, 5);
    tcase_add_test(tcase, R09_ended_under_a_tracer);
    tcase_add_test(tcase, no_pipes_at_all);
    tcase_add_test(tcase, an_echo_of_closed_is_no_failure);
    tcase_add_test(tcase, what_was_not_sent_is_dropped_by_close);
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
