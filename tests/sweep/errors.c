/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * What each call can fail with, of the eight errnos that the sweep is about:
 * those of its manual page or of POSIX's. Calls for which neither names one of
 * the eight get ENOMEM: a filter (seccomp) may answer with anything.
 */

#include <errno.h>
#include <string.h>

#include "fault.h"

enum { SHORT = FAULT_SHORT };

static const struct {
    const char *call;
    int faults[10];
} table[] = {
    {"accept4", {EINTR, EAGAIN, ENOMEM, EMFILE, ENOBUFS}},
    {"bind", {ENOMEM, ENOBUFS}},
    {"chmod", {ENOMEM}},
    {"clone", {EAGAIN, ENOMEM}},
    {"close", {EINTR}},
    {"connect", {EINTR, EAGAIN, ENOMEM, ECONNRESET, ETIMEDOUT, ENOBUFS}},
    {"dup3", {EINTR, EMFILE}},
    {"epoll_create1", {ENOMEM, EMFILE}},
    {"epoll_ctl", {ENOMEM}},
    {"epoll_pwait2", {EINTR, ENOSYS}}, /* kernels before 5.11 */
    {"epoll_wait", {EINTR}},
    {"eventfd", {ENOMEM, EMFILE}},
    {"fchmod", {ENOMEM}},
    {"fcntl", {ENOMEM, EMFILE}},
    {"fstat", {ENOMEM}},
    {"fsync", {EINTR, ENOMEM}},
    {"getaddrinfo", {EINTR, EAGAIN, ENOMEM, EMFILE, ETIMEDOUT}},
    {"getnameinfo", {EAGAIN, ENOMEM}},
    {"getpeername", {ENOMEM, ENOBUFS}},
    {"getsockname", {ENOMEM, ENOBUFS}},
    {"getsockopt", {ENOMEM, ENOBUFS}},
    {"listen", {ENOMEM, ENOBUFS}},
    {"lseek", {ENOMEM}},
    {"lstat", {ENOMEM}},
    {"madvise", {EAGAIN, ENOMEM}},
    {"mmap", {ENOMEM}}, /* EAGAIN is of locked memory */
    {"mprotect", {ENOMEM}},
    {"open", {EINTR, ENOMEM, EMFILE}},
    {"poll", {EINTR}}, /* of one descriptor, which takes no memory */
    {"pread", {EINTR, ENOMEM, SHORT}},
    {"pthread_create", {EAGAIN, ENOMEM}},
    {"pwrite", {EINTR, ENOMEM, SHORT}},
    {"read", {EINTR, EAGAIN}}, /* of an eventfd */
    {"recv", {EINTR, EAGAIN, ENOMEM, ECONNRESET, ETIMEDOUT, ENOBUFS, SHORT}},
    {"recvmsg", {EINTR, EAGAIN, ENOMEM, ECONNRESET, ETIMEDOUT, ENOBUFS, SHORT}},
    {"rename", {ENOMEM}},
    {"send",
     {EINTR, EAGAIN, ENOMEM, ECONNRESET, EPIPE, ETIMEDOUT, ENOBUFS, SHORT}},
    {"sendfile",
     {EINTR, EAGAIN, ENOMEM, ECONNRESET, EPIPE, ETIMEDOUT, ENOBUFS, SHORT}},
    {"sendmsg",
     {EINTR, EAGAIN, ENOMEM, ECONNRESET, EPIPE, ETIMEDOUT, ENOBUFS, SHORT}},
    {"sendto", {EINTR, EAGAIN}},
    {"setsockopt", {ENOMEM, ENOBUFS}},
    {"shutdown", {ENOBUFS}},
    {"socket", {ENOMEM, EMFILE, ENOBUFS}},
    {"socketpair", {ENOMEM, EMFILE}},
    {"timerfd_create", {ENOMEM, EMFILE}},
    {"timerfd_settime", {0}}, /* takes nothing that could lack */
    {"unlink", {ENOMEM}},
    {"waitid", {EINTR}},
    {"write", {EINTR}}, /* EAGAIN: somebody has written to the eventfd */
};

/* "recv#2" is a recv. */
static bool is_call(const char *name, const char *call)
{
    size_t len = strlen(call);
    return strncmp(name, call, len) == 0 &&
           (name[len] == '\0' || name[len] == '#');
}

const int *sweep_faults_of(const char *call)
{
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (is_call(call, table[i].call)) {
            return table[i].faults;
        }
    }
    return NULL;
}

tenon_status sweep_told_as(const char *call, int fault)
{
    if (is_call(call, "getaddrinfo") || is_call(call, "getnameinfo")) {
        return fault == ENOMEM ? TENON_NO_MEMORY : TENON_UNRESOLVED;
    }
    if (fault == FAULT_SHORT || fault == EINTR) {
        return TENON_OK;
    }
    bool moves = is_call(call, "recv") || is_call(call, "recvmsg") ||
                 is_call(call, "send") || is_call(call, "sendmsg") ||
                 is_call(call, "sendfile") || is_call(call, "accept4") ||
                 is_call(call, "read") || is_call(call, "write");
    return moves && fault == EAGAIN ? TENON_OK : -fault;
}
