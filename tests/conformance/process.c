/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Group R, processes: what is told of a child, in which order, and that
 * nothing of it is lost or left behind.
 */

#include "rig.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BIG = 1000000 };

typedef struct child {
    tenon_process *process;
    const char *script; /* for /bin/sh */
    tenon_process_options options;
    const tenon_process_ops *ops; /* NULL: those below */
    bool paused;                  /* does not read, from connection_made on */
    int made;
    int exited;
    int lost;
    int pipes_lost;
    bool inside; /* a callback is on the stack */
    tenon_process_exit exit;
    size_t received;
    char out[256]; /* the first bytes */
} child;

static void enter(child *c)
{
    REQUIRE(!c->inside && !c->lost && (c->made || c->exited == 0));
    c->inside = true;
}

static tenon_status on_made(void *self, tenon_process *process)
{
    child *c = self;
    REQUIRE(c->made++ == 0 && process != NULL);
    enter(c);
    note("made");
    if (c->paused) {
        REQUIRE_OK(tenon_transport_pause_reading(
            tenon_process_pipe(process, STDOUT_FILENO)));
    }
    c->inside = false;
    return TENON_OK;
}

static tenon_status on_data(void *self, tenon_process *process, int fd,
                            const void *data, size_t len)
{
    child *c = self;
    (void)process;
    enter(c);
    REQUIRE(len > 0 && (fd == STDOUT_FILENO || fd == STDERR_FILENO));
    for (size_t i = 0; i < len && c->received + i < sizeof c->out - 1; i++) {
        c->out[c->received + i] = ((const char *)data)[i];
    }
    c->received += len;
    c->inside = false;
    return TENON_OK;
}

static tenon_status on_pipe_lost(void *self, tenon_process *process, int fd,
                                 const tenon_error *error)
{
    child *c = self;
    enter(c);
    REQUIRE(tenon_process_pipe(process, fd) == NULL);
    c->pipes_lost++;
    note("pipe%d:%s", fd, tenon_status_name(tenon_error_status(error)));
    c->inside = false;
    return TENON_OK;
}

static tenon_status on_exited(void *self, tenon_process *process,
                              const tenon_process_exit *how)
{
    child *c = self;
    tenon_process_exit same = {.size = sizeof same};
    enter(c);
    REQUIRE(c->exited++ == 0);
    c->exit = *how;
    REQUIRE_STATUS(tenon_process_get_exit(process, &same), TENON_OK);
    REQUIRE(same.code == how->code && same.status == how->status);
    note("exited:%d", how->code);
    c->inside = false;
    return TENON_OK;
}

static tenon_status on_lost(void *self, tenon_process *process,
                            const tenon_error *error)
{
    child *c = self;
    (void)process;
    enter(c);
    REQUIRE(c->lost++ == 0 && c->exited == 1);
    note("lost:%s", tenon_status_name(tenon_error_status(error)));
    c->inside = false;
    return TENON_OK;
}

static tenon_status on_pause(void *self, tenon_process *process, int fd)
{
    (void)self;
    (void)process;
    note("pause%d", fd);
    return TENON_OK;
}

static tenon_status on_resume(void *self, tenon_process *process, int fd)
{
    (void)self;
    (void)process;
    note("resume%d", fd);
    return TENON_OK;
}

static const tenon_process_ops ops = {
    .size = sizeof ops,
    .name = "child",
    .connection_made = on_made,
    .pipe_data_received = on_data,
    .pipe_connection_lost = on_pipe_lost,
    .pause_writing = on_pause,
    .resume_writing = on_resume,
    .process_exited = on_exited,
    .connection_lost = on_lost,
};

static tenon_status try_spawn(child *c)
{
    const char *const argv[] = {"/bin/sh", "-c", c->script, NULL};
    const char *const envp[] = {"PATH=/usr/bin:/bin", "LC_ALL=C", NULL};
    tenon_process_options how = c->options;
    how.size = sizeof how;
    how.argv = how.argv ? how.argv : argv;
    how.envp = envp;
    return tenon_process_spawn(
        rig.reactor, &c->process, &how,
        (tenon_process_protocol){c->ops ? c->ops : &ops, c});
}

static void spawn(child *c)
{
    REQUIRE_STATUS(try_spawn(c), TENON_OK);
    REQUIRE(tenon_process_pid(c->process) > 0);
}

static void finish(child *c)
{
    PUMP_UNTIL(c->lost);
    rig_settle();
    REQUIRE(c->exited == 1);
    tenon_process_unref(c->process);
    c->process = NULL;
}

static tenon_transport *in(const child *c)
{
    tenon_transport *pipe = tenon_process_pipe(c->process, STDIN_FILENO);
    REQUIRE(pipe != NULL); /* not lost yet */
    return pipe;
}

/* ---- R01: how it ends ---- */

static void r01_exit_code(void)
{
    child c = {.script = "exit 7"};
    spawn(&c);
    REQUIRE_NOTES("");
    finish(&c);
    REQUIRE_EQ(c.exit.status, TENON_OK);
    REQUIRE_EQ(c.exit.code, 7);
    REQUIRE(strncmp(rig.notes, "made ", 5) == 0);
    REQUIRE_EQ(c.pipes_lost, 3);
}

static void r01_signal(void)
{
    child c = {.script = "kill -9 $$"};
    spawn(&c);
    finish(&c);
    REQUIRE_EQ(c.exit.code, -SIGKILL);
    REQUIRE(!c.exit.core_dumped);
}

static void r01_pipes_first(void)
{
    child c = {.script = "exec >&- 2>&-; read x; exit 3"};
    spawn(&c);
    PUMP_UNTIL(c.pipes_lost == 2);
    rig_settle();
    REQUIRE(!c.exited && !c.lost);
    REQUIRE_STATUS(tenon_process_get_exit(c.process, NULL), TENON_NOT_DONE);
    REQUIRE_OK(tenon_transport_write(in(&c), "x\n", 2));
    finish(&c);
    REQUIRE_EQ(c.exit.code, 3);
}

/* A grandchild has the pipes. */
static void r01_exit_first(void)
{
    child c = {.script = "exec 3<&0; cat <&3 & exit 4"};
    spawn(&c);
    PUMP_UNTIL(c.exited);
    rig_settle();
    REQUIRE(c.pipes_lost == 0 && !c.lost);
    REQUIRE_OK(tenon_transport_write(in(&c), "still there", 11));
    REQUIRE_OK(tenon_transport_write_eof(in(&c)));
    finish(&c);
    REQUIRE_STR(c.out, "still there");
    REQUIRE_EQ(c.exit.code, 4);
}

/* ---- R01: a host loop that a callback runs ---- */

static tenon_status nested_data(void *self, tenon_process *process, int fd,
                                const void *data, size_t len)
{
    (void)self;
    (void)data;
    (void)len;
    note("data%d", fd);
    if (fd == STDOUT_FILENO) {
        REQUIRE_OK(tenon_transport_write(
            tenon_process_pipe(process, STDIN_FILENO), "x\n", 2));
        PUMP_UNTIL(noted("data2"));
        int64_t end_ns = harness_clock_ns() + MS(50); /* it has ended */
        PUMP_UNTIL(harness_clock_ns() >= end_ns);
        REQUIRE(!noted("exited:0") && !noted("pipe1:TENON_OK"));
        note("end");
    }
    return TENON_OK;
}

static void r01_nested(void)
{
    tenon_process_ops nested = ops;
    child c = {.script = "echo out; read x; echo err >&2"};
    nested.pipe_data_received = nested_data;
    c.ops = &nested;
    spawn(&c);
    finish(&c);
    REQUIRE(strncmp(rig.notes, "made data1 data2 ", 17) == 0);
    REQUIRE(noted("end") && noted("exited:0") && c.pipes_lost == 3);
}

static void r01_closed_at_once(void)
{
    child c = {.script = "exec sleep 1000"};
    spawn(&c);
    REQUIRE_STATUS(tenon_process_close(c.process), TENON_OK);
    REQUIRE_NOTES("");
    finish(&c);
    REQUIRE(strncmp(rig.notes, "made ", 5) == 0);
    REQUIRE_EQ(c.exit.code, -SIGKILL);
}

/* ---- R02: what it wrote ---- */

static void r02_output_before_exit(void)
{
    child c = {.script = "head -c 50000 /dev/zero", .paused = true};
    spawn(&c);
    PUMP_UNTIL(c.exited);
    rig_settle();
    REQUIRE(c.received == 0 && !c.lost);
    REQUIRE_OK(tenon_transport_resume_reading(
        tenon_process_pipe(c.process, STDOUT_FILENO)));
    finish(&c);
    REQUIRE_EQ(c.received, 50000);
}

/* ---- R04: any thread ---- */

static void *in_a_thread(void *arg)
{
    child c = {.script = "echo from a thread"};
    tenon_reactor_options options = rig_options();
    (void)arg;
    rig_open(&options);
    spawn(&c);
    finish(&c);
    REQUIRE_STR(c.out, "from a thread\n");
    rig_close();
    return NULL;
}

static void r04_not_the_main_thread(void)
{
    pthread_t thread;
    REQUIRE(pthread_create(&thread, NULL, in_a_thread, NULL) == 0);
    REQUIRE(pthread_join(thread, NULL) == 0);
}

/* ---- R05: what cannot be executed ---- */

static volatile sig_atomic_t child_signals;

static void on_child_signal(int signo)
{
    (void)signo;
    child_signals++;
}

static bool has_children(void)
{
    siginfo_t info;
    return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT | __WALL) == 0;
}

static void try_program(const char *program, tenon_status wanted)
{
    const char *const argv[] = {program, NULL};
    child c = {.options = {.argv = argv}};
    size_t fds = harness_fds_count();
    REQUIRE_STATUS(try_spawn(&c), wanted);
    REQUIRE(c.process == NULL);
    REQUIRE_EQ(harness_fds_count(), fds);
    REQUIRE(!has_children());
    rig_settle();
    REQUIRE_NOTES("");
}

static void r05_no_such_program(void)
{
    struct sigaction told = {.sa_handler = on_child_signal};
    REQUIRE(sigaction(SIGCHLD, &told, NULL) == 0);
    try_program("/nonexistent/program", -ENOENT);
    try_program("no-such-program", -ENOENT);
    try_program("/etc/passwd", -EACCES);
    try_program("/etc", -EACCES);
    try_program("/etc/passwd/x", -ENOTDIR);
    REQUIRE_EQ(child_signals, 0);
    REQUIRE(!tenon_reactor_alive(rig.reactor));
}

static void r05_no_such_folder(void)
{
    child c = {.script = "exit 0", .options = {.cwd = "/nonexistent"}};
    REQUIRE_STATUS(try_spawn(&c), -ENOENT);
    REQUIRE(!has_children());
}

/* ---- R06: its descriptors ---- */

static void r06_only_what_was_asked_for(void)
{
    int other = open("/dev/null", O_RDWR); /* not close-on-exec */
    int high = fcntl(other, F_DUPFD, 300);
    tenon_process_fd fds[] = {{0, TENON_STDIO_NULL, 0},
                              {2, TENON_STDIO_SAME, 1},
                              {7, TENON_STDIO_FD, other}};
    child c = {.script = "ls /proc/self/fd",
               .options = {.fds = fds, .fd_count = 3}};
    spawn(&c);
    finish(&c);
    REQUIRE_STR(c.out, "0\n1\n2\n3\n7\n"); /* 3 is what ls lists with */
    REQUIRE_EQ(c.pipes_lost, 1);
    close(high);
    close(other);
}

/* ---- R07: communicate ---- */

static void on_output(tenon_waiter *waiter, tenon_future *future, void *user)
{
    (void)waiter;
    void *value = NULL;
    REQUIRE_STATUS(tenon_future_value(future, &value), TENON_OK);
    *(tenon_process_output **)user = value;
}

static void communicate(const char *script, const char *input, size_t len,
                        void (*check)(const tenon_process_output *output))
{
    tenon_future *future = NULL;
    tenon_process_output *output = NULL;
    tenon_waiter waiter;
    child c = {.script = script};
    spawn(&c);
    REQUIRE_STATUS(tenon_process_communicate(c.process, input, len, &future),
                   TENON_OK);
    REQUIRE_STATUS(tenon_future_on_done(future, &waiter, on_output, &output),
                   TENON_OK);
    finish(&c);
    PUMP_UNTIL(output != NULL);
    REQUIRE_EQ(c.received, 0);
    check(output);
    tenon_future_unref(future);
}

static char big[BIG];

static void check_echo(const tenon_process_output *output)
{
    REQUIRE_EQ(output->out_len, BIG);
    REQUIRE(memcmp(output->out, big, BIG) == 0 && output->out[BIG] == '\0');
    REQUIRE_STR(output->err, "and this\n");
    REQUIRE_EQ(output->exit.code, 0);
}

static void r07_a_megabyte_each_way(void)
{
    for (size_t i = 0; i < sizeof big; i++) {
        big[i] = (char)(i * 31 + i / 1000);
    }
    communicate("cat; echo and this >&2", big, sizeof big, check_echo);
}

static void check_unread(const tenon_process_output *output)
{
    REQUIRE_STR(output->out, "no thanks\n");
    REQUIRE_EQ(output->err_len, 0);
    REQUIRE_EQ(output->exit.code, 3);
}

static void r07_input_that_nobody_reads(void)
{
    communicate("exec <&-; echo no thanks; exit 3", big, sizeof big,
                check_unread);
}

/* One that is stopped reads nothing, and has not ended. */
static void r07_flow_control(void)
{
    child c = {.script = "kill -STOP $$; exec cat >/dev/null"};
    spawn(&c);
    REQUIRE_STATUS(tenon_transport_write(in(&c), big, sizeof big), TENON_HIGH);
    REQUIRE_OK(tenon_transport_write_eof(in(&c)));
    PUMP_UNTIL(noted("pause0"));
    rig_pump_for(MS(20));
    REQUIRE(!c.exited && !noted("resume0"));
    /* Until it was stopped, this says nothing to it. */
    while (!noted("resume0")) {
        REQUIRE_STATUS(tenon_process_send_signal(c.process, SIGCONT), TENON_OK);
        rig_iterate(MS(5));
    }
    finish(&c);
    REQUIRE_EQ(note_count("pause0"), 1);
    REQUIRE_EQ(note_count("resume0"), 1);
    REQUIRE(noted("pipe0:TENON_OK") && c.exit.code == 0);
}

/* ---- R08: closing ---- */

static void r08_close_kills(void)
{
    child c = {.script = "echo up; exec sleep 1000"};
    spawn(&c);
    PUMP_UNTIL(c.received == 3);
    notes_clear();
    REQUIRE_STATUS(tenon_process_close(c.process), TENON_OK);
    REQUIRE_STATUS(tenon_process_close(c.process), TENON_OK);
    REQUIRE_NOTES("");
    finish(&c);
    REQUIRE_EQ(c.exit.code, -SIGKILL);
    REQUIRE(noted("lost:TENON_OK") && c.pipes_lost == 3);
}

static void r08_close_asks_first(void)
{
    child c = {.script = "trap '' TERM; echo up; while :; do sleep 0.1; done",
               .options = {.kill_signal = SIGTERM, .kill_delay_ns = MS(50)}};
    spawn(&c);
    PUMP_UNTIL(c.received == 3);
    REQUIRE_STATUS(tenon_process_close(c.process), TENON_OK);
    finish(&c);
    REQUIRE_EQ(c.exit.code, -SIGKILL);
}

static void r08_finished_is_left(void)
{
    child c = {.script = "exec 3<&0; cat <&3 & exit 5"};
    spawn(&c);
    PUMP_UNTIL(c.exited);
    REQUIRE_STATUS(tenon_process_close(c.process), TENON_OK);
    finish(&c);
    REQUIRE_EQ(c.exit.code, 5);
}

static void on_end(tenon_waiter *waiter, tenon_future *future, void *user)
{
    int64_t code = 0;
    (void)waiter;
    (void)user;
    REQUIRE_STATUS(tenon_future_int(future, &code), TENON_OK);
    note("code:%d", (int)code);
}

static void r08_cancelling_a_wait(void)
{
    tenon_future *first = NULL;
    tenon_future *second = NULL;
    tenon_waiter waiter;
    child c = {.script = "read x; exit 6"};
    spawn(&c);
    REQUIRE_STATUS(tenon_process_wait(c.process, &first), TENON_OK);
    REQUIRE_STATUS(tenon_process_wait(c.process, &second), TENON_OK);
    REQUIRE_STATUS(tenon_future_on_done(second, &waiter, on_end, NULL),
                   TENON_OK);
    rig_settle();
    REQUIRE_STATUS(tenon_future_cancel(first, NULL), TENON_EXISTED);
    rig_settle();
    REQUIRE(!c.exited);
    REQUIRE_OK(tenon_transport_write(in(&c), "x\n", 2));
    PUMP_UNTIL(noted("code:6"));
    PUMP_UNTIL(c.lost);
    tenon_future_unref(first);
    tenon_future_unref(second);
    REQUIRE_STATUS(tenon_process_wait(c.process, &first), TENON_OK);
    PUMP_UNTIL(tenon_future_is_done(first));
    tenon_future_unref(first);
    finish(&c);
}

static void r08_the_reactor_ends(void)
{
    child c = {.script = "echo up; exec sleep 1000"};
    tenon_reactor_options options = rig_options();
    rig_open(&options);
    spawn(&c);
    PUMP_UNTIL(c.received == 3);
    tenon_process_unref(c.process);
    rig_close();
    REQUIRE(c.lost && noted("lost:TENON_CLOSED"));
    REQUIRE_EQ(c.exit.code, -SIGKILL);
    REQUIRE(!has_children());
    rig_take_report(TENON_CLOSED); /* the open pipes */
}

/* ---- R09: signals ---- */

static void r09_signals(void)
{
    child c = {.script = "trap 'echo usr' USR1; echo up; while :; do sleep 0.1;"
                         " done"};
    spawn(&c);
    PUMP_UNTIL(c.received == 3);
    REQUIRE_STATUS(tenon_process_send_signal(c.process, SIGUSR1), TENON_OK);
    PUMP_UNTIL(c.received == 7);
    REQUIRE_STATUS(tenon_process_send_signal(c.process, 12345), -EINVAL);
    REQUIRE_STATUS(tenon_process_terminate(c.process), TENON_OK);
    PUMP_UNTIL(c.exited);
    REQUIRE_EQ(c.exit.code, -SIGTERM);
    REQUIRE_STATUS(tenon_process_send_signal(c.process, SIGKILL), -ESRCH);
    REQUIRE_STATUS(tenon_process_kill(c.process), -ESRCH);
    finish(&c);
    REQUIRE_STR(c.out, "up\nusr\n");
}

/* A fork of ours is not the parent of our children. */
static void r09_forked(void)
{
    int status = -1;
    child c = {.script = "read x; exit 2"};
    spawn(&c);
    PUMP_UNTIL(c.made);
    pid_t fork_of_us = fork();
    REQUIRE(fork_of_us >= 0);
    if (fork_of_us == 0) {
        bool refused = tenon_process_kill(c.process) == TENON_FORKED &&
                       tenon_process_close(c.process) == TENON_FORKED;
        _exit(refused ? 0 : 1);
    }
    REQUIRE(waitpid(fork_of_us, &status, 0) == fork_of_us && status == 0);
    rig_settle();
    REQUIRE(!c.exited);
    REQUIRE_OK(tenon_transport_write(in(&c), "x\n", 2));
    finish(&c);
    REQUIRE_EQ(c.exit.code, 2);
}

static const rig_case cases[] = {
    {"R01", "an exit code is told once, connection_lost last", r01_exit_code,
     0},
    {"R01b", "death by a signal is its negated number", r01_signal, 0},
    {"R01c", "pipes may be lost before the exit", r01_pipes_first, 0},
    {"R01d", "or after it, when a grandchild has them", r01_exit_first, 0},
    {"R01e", "callbacks do not overlap where a callback runs the host",
     r01_nested, NEED_NESTED},
    {"R01f", "one that is closed at once is told from beginning to end",
     r01_closed_at_once, 0},
    {"R02", "output from before the exit is never lost", r02_output_before_exit,
     0},
    {"R04", "any thread may own the reactor", r04_not_the_main_thread, BARE},
    {"R05", "what cannot be executed is an error of the spawn",
     r05_no_such_program, 0},
    {"R05b", "so is a folder that is not there", r05_no_such_folder, 0},
    {"R06", "only the descriptors asked for are open in the child",
     r06_only_what_was_asked_for, 0},
    {"R07", "communicate: a megabyte each way", r07_a_megabyte_each_way, 0},
    {"R07b", "communicate: input that nobody reads is no failure",
     r07_input_that_nobody_reads, 0},
    {"R07c", "each pipe has write limits of its own", r07_flow_control, 0},
    {"R08", "close kills a running child", r08_close_kills, 0},
    {"R08b", "close may ask first", r08_close_asks_first, 0},
    {"R08c", "close leaves a finished child", r08_finished_is_left, 0},
    {"R08d", "cancelling a wait leaves the child alone", r08_cancelling_a_wait,
     0},
    {"R08e", "the end of the reactor kills", r08_the_reactor_ends, BARE},
    {"R09", "signals reach it, and no other one after it", r09_signals, 0},
    {"R09b", "a forked child leaves the process alone", r09_forked, 0},
};

const rig_group rig_process = RIG_GROUP(cases);
