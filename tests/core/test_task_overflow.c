/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Stacks that are too small: a process that dies of one says which task it
 * was, if it was asked to, and dies as it would have; other faults are nobody's
 * business, and a handler of the program's is called.
 */

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "async/task.h"
#include "task_rig.h"

static char told[65536];

/* What a child has said, and how it ended. */
static int run_child(void (*fn)(void))
{
    int ends[2];
    int status = 0;
    size_t len = 0;
    ssize_t got;
    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        const struct rlimit none = {0, 0};
        setrlimit(RLIMIT_CORE, &none);
        dup2(ends[1], STDERR_FILENO);
        fn();
        _exit(0);
    }
    close(ends[1]);
    while ((got = read(ends[0], told + len, sizeof told - 1 - len)) > 0) {
        len += (size_t)got;
    }
    told[len] = '\0';
    close(ends[0]);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return status;
}

/* By any signal, for 0. The sanitizers have handlers of their own, and exit. */
static bool died_of(int status, int signo)
{
    bool exited = WIFEXITED(status) && WEXITSTATUS(status) != 0;
    return WIFSIGNALED(status) ? !signo || WTERMSIG(status) == signo
                               : exited && harness_time_scale() > 1;
}

static void make(bool report)
{
    tenon_reactor_options chosen = options();
    ck_assert_int_eq(tenon_manual_new(&reactor, &chosen), TENON_OK);
    ck_assert_int_eq(tenon_reactor_report_overflow(reactor, report), TENON_OK);
}

/* ---- what goes wrong ---- */

static volatile int bottomless = 1;

static int fall(int depth)
{
    volatile char room[512];
    room[0] = (char)depth;
    return bottomless ? fall(depth + 1) + room[0] : 0;
}

static tenon_status falls(void *user)
{
    (void)user;
    (void)!tenon_yield();
    return fall(1) ? TENON_OK : TENON_ABORTED;
}

static tenon_status touches_nothing(void *user)
{
    *(volatile char *)user = 1;
    return TENON_OK;
}

static void run(tenon_task_fn *fn, void *user)
{
    const tenon_task_options chosen = {.size = sizeof chosen,
                                       .name = "deep thought"};
    ck_assert_int_eq(tenon_spawn(reactor, fn, user, &chosen, NULL), TENON_OK);
    settle();
}

static void overflow(void)
{
    make(true);
    run(falls, NULL);
}

static void overflow_unasked(void)
{
    make(true);
    ck_assert_int_eq(tenon_reactor_report_overflow(reactor, false), TENON_OK);
    run(falls, NULL);
}

static void other_fault(void)
{
    make(true);
    run(touches_nothing, (void *)8);
}

static void killed(void)
{
    make(true);
    raise(SIGSEGV);
}

static void on_fault(int signo)
{
    static const char text[] = "mine\n";
    (void)signo;
    (void)!write(STDERR_FILENO, text, sizeof text - 1);
    _exit(7);
}

static void handled(void)
{
    const struct sigaction mine = {.sa_handler = on_fault,
                                   .sa_flags = SA_ONSTACK};
    sigaction(SIGSEGV, &mine, NULL);
    make(true);
    run(falls, NULL);
}

/* ---- what is said ---- */

static const char line[] = "tenon: stack overflow in task deep thought (";

START_TEST(a_task_that_overflows_is_named)
{
    ck_assert(died_of(run_child(overflow), SIGSEGV));
    ck_assert_ptr_nonnull(strstr(told, line));
    ck_assert_ptr_nonnull(strstr(told, " bytes)\n"));
}
END_TEST

START_TEST(only_if_somebody_asked)
{
    ck_assert(died_of(run_child(overflow_unasked), SIGSEGV));
    ck_assert_ptr_null(strstr(told, "tenon:"));
}
END_TEST

START_TEST(other_faults_are_not_ours)
{
    ck_assert(died_of(run_child(other_fault), SIGSEGV));
    ck_assert_ptr_null(strstr(told, "tenon:"));
    ck_assert(died_of(run_child(killed), SIGSEGV));
    ck_assert_ptr_null(strstr(told, "tenon:"));
}
END_TEST

START_TEST(a_handler_of_the_programs_is_called)
{
    int status = run_child(handled);
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 7);
    ck_assert_ptr_nonnull(strstr(told, line));
    ck_assert_ptr_nonnull(strstr(told, "mine\n"));
}
END_TEST

START_TEST(nothing_of_it_is_left)
{
    struct sigaction before;
    struct sigaction after;
    stack_t stack_before;
    stack_t stack_after;
    tenon_reactor *first = reactor;
    sigaction(SIGSEGV, NULL, &before);
    sigaltstack(NULL, &stack_before);
    ck_assert_int_eq(tenon_reactor_report_overflow(first, true), TENON_OK);
    ck_assert_int_eq(tenon_reactor_report_overflow(first, true), TENON_OK);
    make(true);
    ck_assert_int_eq(tenon_reactor_report_overflow(first, false), TENON_OK);
    sigaction(SIGSEGV, NULL, &after);
    ck_assert(after.sa_sigaction != before.sa_sigaction);
    tenon_reactor_unref(reactor);
    reactor = first;
    sigaction(SIGSEGV, NULL, &after);
    sigaltstack(NULL, &stack_after);
    ck_assert(after.sa_sigaction == before.sa_sigaction);
    ck_assert_ptr_eq(stack_after.ss_sp, stack_before.ss_sp);
    ck_assert_int_eq(stack_after.ss_flags, stack_before.ss_flags);
}
END_TEST

/* ---- canaries ---- */

static tenon_status kills_its_canary(void *user)
{
    tenon_task *self = tenon_task_current();
    (void)user;
    ck_assert(self->stack.canary);
    memset((char *)self->stack.base - 16, 0, 16);
    return tenon_yield();
}

static void without_guards(void)
{
    make(false);
    reactor->tasks->stacks.light = TENON__LIGHT_NO;
    reactor->tasks->stacks.fence_max = 0;
    run(kills_its_canary, NULL);
}

START_TEST(a_dead_canary_ends_the_process)
{
    ck_assert(died_of(run_child(without_guards), 0));
    ck_assert_ptr_nonnull(strstr(told, line));
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        a_task_that_overflows_is_named, only_if_somebody_asked,
        other_faults_are_not_ours,      a_handler_of_the_programs_is_called,
        nothing_of_it_is_left,          a_dead_canary_ends_the_process,
    };
    return RUN_TESTS("task overflow", tests);
}
