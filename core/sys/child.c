/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The child, from its birth to its program. As a rule it runs in the memory of
 * its parent, of which one thread waits and the others go on: so there are
 * system calls here and nothing else. libc would take locks, run cleanups,
 * tell its other threads of a new user; a sanitizer would note what does not
 * concern the parent (the build leaves this file out of that).
 *
 * Everything that may fail here ends in job->error, which the parent reads.
 */

#include "sys/spawn.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SIGNALS = 64, SIGSET_LEN = SIGNALS / 8 };

/* ---- signals, groups, users ---- */

/* The kernel's own struct is shorter than this; zero is SIG_DFL, and an empty
 * set. */
static const uint64_t none[8];

static void reset_signals(void)
{
    for (long signo = 1; signo <= SIGNALS; signo++) {
        if (signo != SIGKILL && signo != SIGSTOP) {
            (void)syscall(SYS_rt_sigaction, signo, none, NULL, SIGSET_LEN);
        }
    }
}

static int unblock_signals(void)
{
    return (int)syscall(SYS_rt_sigprocmask, SIG_SETMASK, none, NULL,
                        SIGSET_LEN);
}

static int enter_group(const tenon__job *job)
{
    if (job->flags & TENON_PROCESS_NEW_SESSION) {
        return (int)syscall(SYS_setsid) < 0 ? -1 : 0;
    }
    if (job->flags & TENON_PROCESS_NEW_GROUP) {
        return (int)syscall(SYS_setpgid, 0, 0);
    }
    return 0;
}

static bool is_user(const tenon_process_user *user)
{
    uid_t uid[3];
    gid_t gid[3];
    if (syscall(SYS_getresuid, &uid[0], &uid[1], &uid[2]) < 0 ||
        syscall(SYS_getresgid, &gid[0], &gid[1], &gid[2]) < 0 ||
        syscall(SYS_getgroups, 0, NULL) != (long)user->group_count) {
        return false;
    }
    for (int i = 0; i < 3; i++) {
        if (uid[i] != user->uid || gid[i] != user->gid) {
            return false;
        }
    }
    return true;
}

static int become(const tenon_process_user *user)
{
    if (syscall(SYS_setgroups, user->group_count, user->groups) < 0 ||
        syscall(SYS_setgid, user->gid) < 0 ||
        syscall(SYS_setuid, user->uid) < 0) {
        return -1;
    }
    if (!is_user(user)) {
        errno = EPERM;
        return -1;
    }
    return 0;
}

/* ---- descriptors ---- */

/* First out of the way of each other, then to their places: a place may be
 * where another one comes from. */
static int place_fds(tenon__job *job)
{
    size_t count = job->move_count;
    long above = job->moves[count - 1].to + 1;
    for (size_t i = 0; i < count; i++) {
        tenon__fd_move *move = &job->moves[i];
        long moved = syscall(SYS_fcntl, move->from, F_DUPFD_CLOEXEC, above);
        if (moved < 0) {
            return -1;
        }
        move->from = (int)moved;
    }
    for (size_t i = 0; i < count; i++) {
        const tenon__fd_move *move = &job->moves[i];
        if (syscall(SYS_dup3, move->from, move->to, 0) < 0) {
            return -1;
        }
    }
    return 0;
}

static bool close_range_of(long first, long last)
{
    return syscall(SYS_close_range, first, last, 0) == 0;
}

static long number_of(const char *text)
{
    long number = 0;
    for (; (unsigned)(*text - '0') < 10; text++) {
        number = number * 10 + (*text - '0');
    }
    return *text ? -1 : number;
}

/* What getdents64 fills a buffer with. */
typedef struct entry {
    uint64_t inode;
    int64_t offset;
    unsigned short len;
    unsigned char type;
    char name[];
} entry;

/* Closes what /proc lists from `first` on; false without a /proc. */
static bool close_listed(tenon__job *job, long first)
{
    long dir = syscall(SYS_openat, AT_FDCWD, "/proc/self/fd",
                       O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    long got;
    if (dir < 0) {
        return false;
    }
    while ((got = syscall(SYS_getdents64, dir, job->path, sizeof job->path)) >
           0) {
        unsigned short len;
        for (long at = 0; at < got; at += len) {
            const char *one = job->path + at;
            long fd = number_of(one + offsetof(entry, name));
            memcpy(&len, one + offsetof(entry, len), sizeof len);
            if (fd >= first && fd != dir) {
                (void)syscall(SYS_close, fd);
            }
        }
    }
    (void)syscall(SYS_close, dir);
    return got == 0;
}

static void close_all(long first)
{
    struct rlimit limit;
    if (syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, &limit) < 0) {
        return;
    }
    for (long fd = first; fd < (long)limit.rlim_cur; fd++) {
        (void)syscall(SYS_close, fd);
    }
}

/* All but the places. Kernels before 5.9 know no ranges. */
static void close_others(tenon__job *job)
{
    long from = 0;
    for (size_t i = 0; i < job->move_count; i++) {
        long to = job->moves[i].to;
        for (; from < to; from++) {
            (void)syscall(SYS_close, from);
        }
        from = to + 1;
    }
    if (!close_range_of(from, (long)UINT_MAX) && !close_listed(job, from)) {
        close_all(from);
    }
}

/* ---- the program ---- */

static void execute(const tenon__job *job, const char *path)
{
    (void)syscall(SYS_execve, path, job->argv, job->envp);
}

/* Writes "place/file"; false when there is no room. */
static bool join(tenon__job *job, const char *place, size_t len)
{
    size_t file_len = strlen(job->file);
    if (len + 1 + file_len >= sizeof job->path) {
        return false;
    }
    memcpy(job->path, place, len);
    job->path[len] = '/';
    memcpy(job->path + len + 1, job->file, file_len + 1);
    return true;
}

/* The first that can be executed; where none is there but some may not be,
 * that is the reason. */
static void search(tenon__job *job)
{
    int reason = ENOENT;
    const char *place = job->search;
    while (*place) {
        size_t len = strcspn(place, ":");
        if (len > 0 && join(job, place, len)) {
            execute(job, job->path);
            if (errno == EACCES) {
                reason = EACCES;
            } else if (errno != ENOENT && errno != ENOTDIR) {
                return;
            }
        }
        place += len + (place[len] == ':');
    }
    errno = reason;
}

static bool prepare(tenon__job *job)
{
    reset_signals();
    return enter_group(job) == 0 && place_fds(job) == 0 &&
           (!job->user || become(job->user) == 0) &&
           (!job->cwd || syscall(SYS_chdir, job->cwd) == 0);
}

int tenon__child_main(void *shared)
{
    tenon__job *job = shared;
    bool ready = prepare(job);
    if (ready) {
        close_others(job);
        ready = unblock_signals() == 0;
    }
    if (ready) {
        if (strchr(job->file, '/')) {
            execute(job, job->file);
        } else {
            search(job);
        }
    }
    job->error = errno ? errno : EINVAL;
    (void)syscall(SYS_exit_group, 127);
    return 127;
}
