/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * What the tests of processes share: a native reactor whose memory is counted,
 * children of /bin/sh, and a log of what is told of them.
 */

#ifndef TENON_TESTS_CORE_PROCESS_RIG_H
#define TENON_TESTS_CORE_PROCESS_RIG_H

#include <tenon/tenon.h>

#include <fcntl.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness_check.h"

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
    tenon_status pipe_lost[3];
    tenon_status lost;
    char at; /* of `log`: where to call `fn`, or to return `answer` */
    void (*fn)(struct child *c);
    tenon_status answer;
} child;

static inline tenon_status on_error(tenon_reactor *r,
                                    const tenon_report *report, void *user)
{
    (void)r;
    (void)user;
    reports++;
    reported = tenon_error_status(report->error);
    (void)snprintf(last_report, sizeof last_report, "%s", report->what);
    return TENON_OK;
}

static inline void open_reactor(void)
{
    tenon_reactor_options options = {.size = sizeof options,
                                     .allocator = &guard.heap.allocator,
                                     .slow_callback_ns = -1,
                                     .on_error = on_error};
    ck_assert_int_eq(tenon_reactor_new(&reactor, &options), TENON_OK);
}

static inline void setup(void)
{
    harness_guard_begin(&guard);
    open_reactor();
}

static inline bool has_children(void)
{
    siginfo_t info;
    return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT | __WALL) == 0;
}

static inline void teardown(void)
{
    ck_assert_int_eq(tenon_reactor_close(reactor), TENON_OK);
    tenon_reactor_unref(reactor);
    ck_assert_msg(reports == 0, "%s: %s", last_report,
                  tenon_status_name(reported));
    ck_assert(!has_children());
    harness_guard_end(&guard);
}

/* ---- a child and what is told of it ---- */

static inline tenon_status tell(child *c, char letter)
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

static inline tenon_status on_made(void *self, tenon_process *process)
{
    (void)process;
    return tell(self, 'M');
}

static inline tenon_status on_data(void *self, tenon_process *process, int fd,
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

static inline tenon_status on_pipe_lost(void *self, tenon_process *process,
                                        int fd, const tenon_error *error)
{
    (void)process;
    if (fd <= STDERR_FILENO) {
        ((child *)self)->pipe_lost[fd] = tenon_error_status(error);
    }
    return tell(self, 'P');
}

static inline tenon_status on_exited(void *self, tenon_process *process,
                                     const tenon_process_exit *how)
{
    child *c = self;
    (void)process;
    c->exit = *how;
    return tell(c, 'X');
}

static inline tenon_status on_lost(void *self, tenon_process *process,
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

static inline tenon_status run_with(child *c, const char *script,
                                    tenon_process_options options)
{
    const char *const argv[] = {"/bin/sh", "-c", script, NULL};
    options.size = sizeof options;
    options.argv = options.argv ? options.argv : argv;
    options.envp = options.envp ? options.envp : environment;
    return tenon_process_spawn(reactor, &c->process, &options,
                               (tenon_process_protocol){&ops, c});
}

static inline tenon_status run(child *c, const char *script)
{
    return run_with(c, script, (tenon_process_options){0});
}

#define START(c, ...) ck_assert_int_eq(run(c, __VA_ARGS__), TENON_OK)
#define START_WITH(c, script, ...) \
    ck_assert_int_eq(              \
        run_with(c, script, (tenon_process_options){__VA_ARGS__}), TENON_OK)

/* The case's own time limit ends what never comes. */
#define UNTIL(condition)                                                       \
    do {                                                                       \
        while (!(condition)) {                                                 \
            ck_assert_int_eq(tenon_run_once(reactor, TENON_SECOND), TENON_OK); \
        }                                                                      \
    } while (0)

static inline bool is_lost(const child *c)
{
    return strchr(c->log, 'L') != NULL;
}

static inline void finish(child *c)
{
    UNTIL(is_lost(c));
    tenon_process_unref(c->process);
    c->process = NULL;
    ck_assert_int_eq(tenon_run_once(reactor, 0), TENON_OK);
    ck_assert(!tenon_reactor_alive(reactor));
}

static inline void take_report(tenon_status status)
{
    ck_assert_int_eq(reports, 1);
    ck_assert_int_eq(reported, status);
    reports = 0;
}

/* ---- old kernels ---- */

#define LOAD(field) \
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define REFUSE(code) \
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ((code)&0xffffu))
#define IF_CALL(number) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 3)

enum kernel { NEW, NO_PIDFD, NO_WAIT, NO_RANGE, NO_LIST, NO_PROC, KERNELS };

static inline void filter(struct sock_filter *steps, unsigned short count)
{
    struct sock_fprog program = {.len = count, .filter = steps};
    ck_assert_int_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    ck_assert_int_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

/* Takes away what the kernel of an older day had not. */
static inline void age(enum kernel kernel)
{
    struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    if (kernel == NO_PIDFD) {
        struct sock_filter steps[] = {
            LOAD(nr),
            IF_CALL(SYS_clone),
            LOAD(args[0]),
            BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, CLONE_PIDFD, 0, 1),
            REFUSE(EINVAL),
            allow};
        filter(steps, 6);
    } else if (kernel == NO_WAIT) {
        struct sock_filter steps[] = {
            LOAD(nr),       IF_CALL(SYS_waitid),
            LOAD(args[0]),  BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, P_PIDFD, 0, 1),
            REFUSE(EINVAL), allow};
        filter(steps, 6);
    } else if (kernel >= NO_RANGE) {
        struct sock_filter steps[] = {
            LOAD(nr),
            BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_close_range, 0, 1),
            REFUSE(ENOSYS), allow};
        filter(steps, 4);
    }
    if (kernel == NO_LIST) { /* for short buffers: libc's are longer */
        struct sock_filter steps[] = {
            LOAD(nr),       IF_CALL(SYS_getdents64),
            LOAD(args[2]),  BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PATH_MAX, 0, 1),
            REFUSE(ENOSYS), allow};
        filter(steps, 6);
    } else if (kernel == NO_PROC) { /* for folders as the library opens them */
        struct sock_filter steps[] = {
            LOAD(nr),
            IF_CALL(SYS_openat),
            LOAD(args[2]),
            BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
                     O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0, 1),
            REFUSE(ENOENT),
            allow};
        filter(steps, 6);
    }
}

#endif
