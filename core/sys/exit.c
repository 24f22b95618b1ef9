/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The end of a process. A pidfd is one more descriptor to watch; without one a
 * thread waits and posts. In both cases the child is reaped here, on the
 * reactor's thread, so that until then its number is its own.
 *
 * Others may reap it first, or have the kernel do it, by ignoring SIGCHLD.
 * Then its end is known all the same, and how it ended is not.
 */

#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "loop/thread.h"
#include "sys/process.h"

enum { STACK_LEN = 64 * 1024, FORCE_MS = 100, AGAIN_MS = 10 };

/* Of a thread that waits. One reference is the process's, the other the
 * thread's, and then its post's. */
typedef struct tenon__vigil {
    tenon_post_node post;
    tenon_allocator allocator;
    tenon_inbox *inbox;
    tenon_process *process; /* the reactor's thread alone; NULL: let go of */
    pthread_t thread;
    atomic_uint refs;
    atomic_bool over; /* it has seen the end */
    pid_t pid;
} vigil;

/* ---- waiting ---- */

/* Ours, whatever signal it ends with. */
static int look(idtype_t type, int id, int how, siginfo_t *out)
{
    int result;
    do {
        *out = (siginfo_t){.si_pid = 0};
        result = waitid(type, (id_t)id, out, WEXITED | __WALL | how);
    } while (result < 0 && errno == EINTR);
    return result < 0 ? -errno : 0;
}

static int look_at(const tenon_process *p, int how, siginfo_t *out)
{
    return p->watch.fd >= 0 ? look(P_PIDFD, p->watch.fd, how, out)
                            : look(P_PID, p->pid, how, out);
}

static void close_watch(tenon_process *p)
{
    if (p->watch.fd >= 0) {
        tenon__fd_close(p->reactor, &p->watch, p->watch.fd);
        p->watch.fd = -1;
    }
}

static void keep_exit(tenon_process *p, int error, const siginfo_t *info)
{
    p->known = true;
    (void)tenon_timer_stop(&p->timer);
    close_watch(p);
    if (error < 0) {
        p->exit.status = error;
    } else if (info->si_code == CLD_EXITED) {
        p->exit.code = info->si_status;
    } else {
        p->exit.code = -info->si_status;
        p->exit.core_dumped = info->si_code == CLD_DUMPED;
    }
    tenon__process_owe(p);
}

static void on_again(tenon_timer *timer, void *user)
{
    (void)timer;
    tenon__exit_look(user);
}

/* It ended, but whoever traces it has not seen that yet. */
static void look_again(tenon_process *p)
{
    int64_t delay_ns = AGAIN_MS * TENON_MILLISECOND;
    (void)tenon_watch_stop(&p->watch);
    if (tenon_timer_start(&p->timer, delay_ns, on_again, p) < 0) {
        const siginfo_t nothing = {.si_pid = 0};
        keep_exit(p, -ECHILD, &nothing);
    }
}

void tenon__exit_look(tenon_process *p)
{
    siginfo_t info;
    if (p->known) {
        return;
    }
    int error = look_at(p, WNOHANG, &info);
    if (error == 0 && info.si_pid == 0) {
        look_again(p);
    } else {
        keep_exit(p, error, &info);
    }
}

static void on_pidfd(tenon_watch *watch, uint32_t events, void *user)
{
    tenon_process *p = user;
    if (events & TENON_STALE_WATCH) {
        watch->fd = -1; /* somebody closed it; the number will do */
    }
    tenon__exit_look(p);
}

/* ---- a thread that waits ---- */

static void vigil_unref(vigil *v)
{
    if (atomic_fetch_sub_explicit(&v->refs, 1, memory_order_acq_rel) == 1) {
        tenon_allocator allocator = v->allocator;
        tenon_inbox_unref(v->inbox);
        tenon__free(&allocator, v, sizeof *v);
    }
}

/* It has posted, or is about to return. */
static void end_vigil(tenon_process *p)
{
    vigil *v = p->vigil;
    p->vigil = NULL;
    v->process = NULL;
    pthread_join(v->thread, NULL);
    vigil_unref(v);
}

static void on_post(tenon_post_node *post, tenon_status status, void *user)
{
    vigil *v = user;
    tenon_process *p = v->process;
    (void)post;
    (void)status;
    if (p) {
        end_vigil(p);
        tenon__exit_look(p);
    }
    vigil_unref(v);
}

static void *thread_main(void *user)
{
    vigil *v = user;
    siginfo_t info;
    tenon__thread_name("tenon-child");
    (void)look(P_PID, v->pid, WNOWAIT, &info);
    atomic_store(&v->over, true);
    if (tenon_post(v->inbox, &v->post, on_post, v) < 0) {
        vigil_unref(v);
    }
    return NULL;
}

static tenon_status keep_vigil(tenon_process *p)
{
    vigil *v = tenon__alloc(&p->reactor->allocator, sizeof *v);
    if (!v) {
        return TENON_NO_MEMORY;
    }
    atomic_init(&v->refs, 2);
    atomic_init(&v->over, false);
    v->allocator = p->reactor->allocator;
    v->inbox = tenon_inbox_ref(tenon_reactor_inbox(p->reactor));
    v->process = p;
    v->pid = p->pid;
    tenon_post_init(&v->post);
    tenon_status status =
        tenon__thread_start(thread_main, v, STACK_LEN, &v->thread);
    if (status < 0) {
        atomic_store(&v->refs, 1);
        vigil_unref(v);
        return status;
    }
    p->vigil = v;
    return TENON_OK;
}

/* For a while; a thread that hangs on frees itself. */
static void leave_vigil(tenon_process *p)
{
    vigil *v = p->vigil;
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    int64_t nsec = until.tv_nsec + FORCE_MS * TENON_MILLISECOND;
    until.tv_sec += nsec / TENON_SECOND;
    until.tv_nsec = nsec % TENON_SECOND;
    p->vigil = NULL;
    v->process = NULL;
    if (pthread_timedjoin_np(v->thread, NULL, &until) != 0) {
        pthread_detach(v->thread);
    }
    vigil_unref(v);
}

/* ---- for the others ---- */

tenon_status tenon__exit_watch(tenon_process *p, int pidfd)
{
    tenon_watch_init(&p->watch, p->reactor, pidfd);
    (void)tenon_watch_set_daemon(&p->watch, true);
    tenon_watch_set_name(&p->watch, "process");
    return pidfd >= 0
               ? tenon__watch_start_owned(&p->watch, TENON_READ, on_pidfd, p)
               : keep_vigil(p);
}

/* Without a pidfd, the number is its own while it is a child of ours that
 * nobody has reaped. */
tenon_status tenon__exit_signal(tenon_process *p, int signo)
{
    siginfo_t info;
    if (p->known || tenon__forked(p->reactor)) {
        return -ESRCH;
    }
    if (p->watch.fd >= 0) {
        long result = syscall(SYS_pidfd_send_signal, p->watch.fd, signo, 0, 0);
        return result < 0 ? -errno : TENON_OK;
    }
    bool over = p->vigil && atomic_load(&p->vigil->over);
    if (over || look_at(p, WNOHANG | WNOWAIT, &info) < 0) {
        return -ESRCH;
    }
    return kill(p->pid, signo) < 0 ? -errno : TENON_OK;
}

void tenon__exit_force(tenon_process *p)
{
    siginfo_t info;
    struct pollfd over = {.fd = p->watch.fd, .events = POLLIN};
    (void)tenon__exit_signal(p, SIGKILL);
    if (p->vigil) {
        leave_vigil(p);
    } else {
        while (poll(&over, 1, FORCE_MS) < 0 && errno == EINTR) {
        }
    }
    int error = look_at(p, WNOHANG, &info);
    keep_exit(p, error == 0 && info.si_pid == 0 ? TENON_CLOSED : error, &info);
}
