/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The birth of a process, on the parent's side. The calling thread waits until
 * the child's program is loaded, so that what prevents it is a failure of the
 * spawn itself, and all that can fail on our side is done before.
 *
 * The child runs in our memory, for which nothing has to be copied however big
 * the host is; but a child that becomes another user has a copy, or else the
 * kernel would let that user look into us. Until its program is loaded it ends
 * without a signal to anybody, so that the host never hears of one that came
 * to nothing, and nobody but us can reap it.
 */

#include "sys/spawn.h"

#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROOM_LEN ((size_t)65536)
#define PLACES   "/usr/local/bin:/usr/bin:/bin"

#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x1000
#endif

/* ThreadSanitizer takes each clone for a fork, and would leave in our memory
 * what it notes in the child's. */
#if defined(__SANITIZE_THREAD__)
#define SHARE 0
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SHARE 0
#endif
#endif
#ifndef SHARE
#define SHARE CLONE_VM
#endif

_Static_assert(sizeof(tenon__job) <= ROOM_LEN / 2, "no room for a stack");

/* ---- making the child ---- */

static void reap(pid_t pid)
{
    while (waitid(P_PID, (id_t)pid, NULL, WEXITED | __WALL) < 0 &&
           errno == EINTR) {
    }
}

/* No handler of ours may run in the child. pthread_sigmask would leave out the
 * signals that libc has for itself. */
static pid_t clone_quietly(tenon__job *job, int *pidfd)
{
    const uint64_t all = UINT64_MAX;
    uint64_t before = 0;
    char *top = (char *)job + ROOM_LEN;
    int flags = CLONE_VFORK | (job->user ? 0 : SHARE);
    *pidfd = -1; /* old kernels do not know it, and leave it so */
    (void)syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, &before, sizeof all);
    pid_t pid = clone(tenon__child_main, top, flags | CLONE_PIDFD, job, pidfd);
    if (pid < 0 && errno == EINVAL) {
        pid = clone(tenon__child_main, top, flags, job);
    }
    pid = pid < 0 ? -errno : pid;
    (void)syscall(SYS_rt_sigprocmask, SIG_SETMASK, &before, NULL, sizeof all);
    return pid;
}

/* Kernels before 5.4 have pidfds that cannot be waited for. */
static bool can_be_waited_for(int pidfd)
{
    siginfo_t info;
    return waitid(P_PIDFD, (id_t)pidfd, &info,
                  WEXITED | WNOHANG | WNOWAIT | __WALL) == 0 ||
           errno == ECHILD;
}

/* `*pidfd` is -1 where there is none that can be waited for. */
static tenon_status make_child(tenon_process *p, tenon__job *job, int *pidfd)
{
    pid_t pid = clone_quietly(job, pidfd);
    if (pid < 0) {
        return pid;
    }
    if (job->error != 0) {
        reap(pid);
    }
    if (*pidfd >= 0 && (job->error != 0 || !can_be_waited_for(*pidfd))) {
        tenon__fd_close(p->reactor, NULL, *pidfd);
        *pidfd = -1;
    }
    p->pid = job->error != 0 ? 0 : pid;
    return -job->error;
}

/* ---- the job ---- */

static const char *places_of(const char *const *envp)
{
    for (; *envp; envp++) {
        if (strncmp(*envp, "PATH=", 5) == 0) {
            return *envp + 5;
        }
    }
    return PLACES;
}

static void describe(tenon__job *job, const tenon_process_options *options,
                     const tenon__stdio *plan)
{
    static const char *const nothing[] = {NULL};
    job->argv = options->argv;
    job->envp = options->envp ? options->envp : nothing;
    job->file = options->file ? options->file : options->argv[0];
    job->search = places_of(job->envp);
    job->cwd = options->cwd;
    job->user = options->user;
    job->flags = options->flags;
    job->move_count = plan->count;
    for (size_t i = 0; i < plan->count; i++) {
        job->moves[i] = (tenon__fd_move){plan->from[i], plan->fds[i].child_fd};
    }
}

/* Shared, for a child with a copy of all else. */
static tenon_status launch(tenon_process *p,
                           const tenon_process_options *options,
                           const tenon__stdio *plan, int *pidfd)
{
    tenon__job *job = mmap(NULL, ROOM_LEN, PROT_READ | PROT_WRITE,
                           MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (job == MAP_FAILED) {
        return -errno;
    }
    describe(job, options, plan);
    tenon_status status = make_child(p, job, pidfd);
    munmap(job, ROOM_LEN);
    return status;
}

/* ---- public ---- */

static bool is_valid(const tenon_process_options *o)
{
    return o->argv && o->argv[0] && (!o->file || o->file[0]) &&
           (o->file || o->argv[0][0]) && o->kill_signal >= 0 &&
           o->kill_signal <= SIGRTMAX && o->kill_delay_ns >= 0 &&
           (!o->user || o->user->group_count == 0 || o->user->groups);
}

static tenon_status check(tenon_reactor *reactor, tenon_process_options *out,
                          const tenon_process_options *given,
                          tenon__stdio *plan)
{
    tenon_status status = tenon__check(reactor);
    if (status < 0 || !given) {
        return status < 0 ? status : TENON_INVALID;
    }
    memset(out, 0, sizeof *out);
    memcpy(out, given, given->size < sizeof *out ? given->size : sizeof *out);
    return is_valid(out) ? tenon__stdio_plan(plan, out) : TENON_INVALID;
}

/* It was not begun: nobody knows of it, and nothing is told. */
static tenon_status give_up(tenon_process *p, tenon_status status)
{
    if (p->pid > 0) {
        tenon__exit_force(p);
    }
    tenon__stdio_discard(p);
    tenon__unqueue(&p->ready);
    tenon_process_unref(p);
    return status;
}

static tenon_status start(tenon_process *p,
                          const tenon_process_options *options,
                          tenon__stdio *plan)
{
    int pidfd = -1;
    tenon_status status = tenon__stdio_open(plan, p);
    if (status == TENON_OK) {
        status = launch(p, options, plan, &pidfd);
    }
    tenon__stdio_close(plan, p->reactor);
    return status < 0 ? status : tenon__exit_watch(p, pidfd);
}

tenon_status tenon_process_spawn(tenon_reactor *reactor, tenon_process **out,
                                 const tenon_process_options *options,
                                 tenon_process_protocol protocol)
{
    tenon_process_options chosen;
    tenon__stdio plan;
    tenon_status status = check(reactor, &chosen, options, &plan);
    if (status < 0) {
        return status;
    }
    tenon_process *p =
        tenon__process_new(reactor, plan.pipe_count, &chosen, protocol);
    if (!p) {
        return TENON_NO_MEMORY;
    }
    status = start(p, &chosen, &plan);
    if (status < 0) {
        return give_up(p, status);
    }
    tenon__process_begin(p);
    if (out) {
        *out = tenon_process_ref(p);
    }
    return TENON_OK;
}
