/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/* The server under test is a child with a listening socket and a page of
 * counters. It dies with its parent (PR_SET_PDEATHSIG), by an alarm if all
 * else fails, and by SIGKILL when its figures have been taken: a shutdown is
 * nothing that is measured here.
 *
 * On one CPU (BENCH_SHARED) both processes run as SCHED_BATCH, whose wake-ups
 * do not preempt. Its CPU time comes from the kernel's clock of the process,
 * all threads, in nanoseconds. */
#define _GNU_SOURCE 1
#include "bench.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { BACKLOG = 4096, SETTLE_S = 60, POLL_NS = 100000, GRACE_S = 180 };

uint64_t bench_now_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

uint64_t bench_process_cpu_ns(const bench_process *self)
{
    struct timespec t = {0};
    (void)clock_gettime(self->clock, &t);
    return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

/* The first two CPUs this program was allowed when it started; one alone
 * stands for both. */
static void allowed_cpus(int out[2])
{
    static int found[2] = {-1, -1};
    cpu_set_t set;
    if (found[0] < 0 && sched_getaffinity(0, sizeof set, &set) == 0) {
        for (int cpu = CPU_SETSIZE - 1; cpu >= 0; cpu--) {
            if (CPU_ISSET((size_t)cpu, &set)) {
                found[1] = found[0];
                found[0] = cpu;
            }
        }
    }
    out[0] = found[0];
    out[1] = found[1] < 0 ? found[0] : found[1];
}

static void place(bench_cpus cpus, bool is_server)
{
    int allowed[2];
    cpu_set_t set;
    struct sched_param param = {0};
    if (cpus == BENCH_ANYWHERE) {
        return;
    }
    allowed_cpus(allowed);
    CPU_ZERO(&set);
    CPU_SET((size_t)allowed[is_server && cpus == BENCH_SPLIT ? 0 : 1], &set);
    (void)sched_setaffinity(0, sizeof set, &set);
    (void)sched_setscheduler(
        0, cpus == BENCH_SHARED ? SCHED_BATCH : SCHED_OTHER, &param);
}

static int listen_on_loopback(uint16_t *port)
{
    struct sockaddr_in a = {.sin_family = AF_INET};
    socklen_t len = sizeof a;
    int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) ||
        bind(fd, (struct sockaddr *)&a, len) || listen(fd, BACKLOG) ||
        getsockname(fd, (struct sockaddr *)&a, &len)) {
        perror("tenon-bench: listen");
        (void)close(fd);
        return -1;
    }
    *port = ntohs(a.sin_port);
    return fd;
}

static _Noreturn void child(pid_t parent, int fd, bench_page *page,
                            const bench_server *server,
                            const bench_options *options)
{
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) {
        _exit(1);
    }
    (void)alarm((unsigned)options->seconds + GRACE_S);
    (void)signal(SIGPIPE, SIG_IGN);
    place(options->cpus, true);
    bench_count_into(page);
    (void)server->run(fd, options);
    _exit(1);
}

static bench_page *page_new(void)
{
    bench_page *page = mmap(NULL, sizeof *page, PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) {
        return NULL;
    }
    atomic_store(&page->settled, (uint64_t)BENCH_UNSETTLED);
    return page;
}

int bench_process_start(bench_process *self, const bench_server *server,
                        const bench_options *options)
{
    pid_t parent = getpid();
    *self = (bench_process){.page = page_new()};
    int fd = self->page == NULL ? -1 : listen_on_loopback(&self->port);
    if (fd < 0) {
        return -1;
    }
    place(options->cpus, false);
    (void)fflush(NULL);
    self->pid = fork();
    if (self->pid == 0) {
        child(parent, fd, self->page, server, options);
    }
    (void)close(fd);
    if (self->pid < 0 || clock_getcpuclockid(self->pid, &self->clock) != 0) {
        perror("tenon-bench: server process");
        bench_process_kill(self);
        return -1;
    }
    return 0;
}

void bench_process_kill(bench_process *self)
{
    if (self->pid > 0) {
        (void)kill(self->pid, SIGKILL);
        (void)waitpid(self->pid, NULL, 0);
    }
    self->pid = 0;
    if (self->page != NULL) {
        (void)munmap(self->page, sizeof *self->page);
    }
    self->page = NULL;
}

static bool has_died(const bench_process *self)
{
    siginfo_t info = {0};
    return waitid(P_PID, (id_t)self->pid, &info, WEXITED | WNOHANG | WNOWAIT) !=
               0 ||
           info.si_pid != 0;
}

int bench_process_settle(const bench_process *self, uint64_t accepted)
{
    uint64_t deadline = bench_now_ns() + SETTLE_S * UINT64_C(1000000000);
    const struct timespec pause = {.tv_nsec = POLL_NS};
    while (atomic_load(&self->page->settled) != accepted) {
        if (has_died(self)) {
            fprintf(stderr, "tenon-bench: the server died\n");
            return -1;
        }
        if (bench_now_ns() > deadline) {
            fprintf(stderr, "tenon-bench: %llu of %llu accepted, no more\n",
                    (unsigned long long)atomic_load(&self->page->accepted),
                    (unsigned long long)accepted);
            return -1;
        }
        (void)nanosleep(&pause, NULL);
    }
    return 0;
}
