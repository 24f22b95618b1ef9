/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * A case in a process of its own. The child leads a process group, so that
 * whatever it forked ends with it; its verdict comes through a pipe as one
 * letter and a text, and a child that says nothing is judged by how it ended.
 * It ends with exit(), not _exit(), so that a leak checker has its say.
 */

#include "harness.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LIMIT_DEFAULT_NS (10 * TENON_SECOND)

#if defined(__SANITIZE_THREAD__)
#define BUILD_SCALE 8
#elif defined(__SANITIZE_ADDRESS__)
#define BUILD_SCALE 4
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define BUILD_SCALE 8
#elif __has_feature(address_sanitizer) || __has_feature(memory_sanitizer)
#define BUILD_SCALE 4
#endif
#endif
#ifndef BUILD_SCALE
#define BUILD_SCALE 1
#endif

/* Where the verdict of the case that runs in this process goes, plus one; 0
 * when none does. */
static int verdict_fd_plus_1;

int64_t harness_time_scale(void)
{
    const char *text = getenv("TENON_TEST_TIME_SCALE");
    long scale = text ? strtol(text, NULL, 10) : 1;
    return BUILD_SCALE * (scale > 0 && scale <= 1000 ? scale : 1);
}

static int64_t clock_ns(clockid_t clock)
{
    struct timespec time;
    clock_gettime(clock, &time);
    return (int64_t)time.tv_sec * TENON_SECOND + time.tv_nsec;
}

int64_t harness_clock_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

int64_t harness_cpu_ns(void)
{
    return clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

/* Half of the limit, in whole seconds, at least one. */
static int64_t cpu_seconds(int64_t limit_ns)
{
    return (limit_ns / 2 + TENON_SECOND - 1) / TENON_SECOND;
}

/* ---- in the child ---- */

static void tell(char letter, const char *text)
{
    char message[HARNESS_TEXT_LEN];
    int len = snprintf(message, sizeof message, "%c%s", letter, text);
    if (len >= (int)sizeof message) {
        len = (int)sizeof message - 1;
    }
    if (write(verdict_fd_plus_1 - 1, message, (size_t)len) != len) {
        _exit(3);
    }
}

/* What gcov has counted: _exit would forget it. NULL: it counts nothing. */
extern void __gcov_dump(void) __attribute__((weak));

_Noreturn static void end_case(char letter, const char *text)
{
    if (verdict_fd_plus_1) {
        tell(letter, text);
        if (__gcov_dump) {
            __gcov_dump();
        }
        _exit(letter == 'F');
    }
    fprintf(stderr, "%s: %s\n", letter == 'F' ? "failed" : "skipped", text);
    exit(letter == 'F');
}

/* ---- of a sweep ---- */

const harness_sweep *harness_swept;

static atomic_bool told;
static atomic_bool retried;
static atomic_bool ending;

bool harness_retry(tenon_status status)
{
    if (!harness_swept || status >= 0 || !harness_swept->met()) {
        return false;
    }
    told = true;
    return !atomic_exchange(&retried, true);
}

bool harness_told(const tenon_error *error)
{
    if (!harness_swept || !harness_swept->met()) {
        return false;
    }
    for (; error; error = tenon_error_cause(error)) {
        if (tenon_error_status(error) == harness_swept->status) {
            told = true;
            return true;
        }
    }
    return false;
}

bool harness_told_text(const char *text)
{
    if (!harness_swept || !harness_swept->met()) {
        return false;
    }
    tenon_status status = harness_swept->status;
    if (status < 0 && (strstr(text, tenon_status_name(status)) ||
                       strstr(text, tenon_status_text(status)))) {
        told = true;
        return true;
    }
    return false;
}

/* A case that stopped at something it did not expect, since a call of the
 * library's had failed. */
_Noreturn static void end_early(const char *text)
{
    if (atomic_exchange(&ending, true)) {
        /* While it was cleaned up. A callback of the case's that is told of
         * that cannot find what it wanted. */
        bool inside = tenon_reactor_current() != NULL;
        end_case(inside && (told || harness_told_text(text)) ? 'S' : 'F', text);
    }
    const char *why = harness_swept->abandon ? harness_swept->abandon() : NULL;
    if (why) {
        end_case('F', why);
    }
    /* What the case stopped at may be the telling itself: "notes is ..." */
    if (!told && !harness_told_text(text)) {
        char untold[HARNESS_TEXT_LEN];
        snprintf(untold, sizeof untold, "nobody was told: %.480s", text);
        end_case('F', untold);
    }
    end_case('S', text);
}

void harness_fail(const char *file, int line, const char *format, ...)
{
    char text[HARNESS_TEXT_LEN];
    const char *base = strrchr(file, '/');
    int used =
        snprintf(text, sizeof text, "%s:%d: ", base ? base + 1 : file, line);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text + used, sizeof text - (size_t)used, format, arguments);
    va_end(arguments);
    if (harness_swept && harness_swept->met()) {
        end_early(text);
    }
    end_case('F', text);
}

void harness_skip(const char *format, ...)
{
    char text[HARNESS_TEXT_LEN];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    end_case('S', text);
}

void harness_equal(const char *file, int line, const char *left_text,
                   int64_t left, const char *right_text, int64_t right)
{
    if (left != right) {
        harness_fail(file, line, "%s is %lld, not %s (%lld)", left_text,
                     (long long)left, right_text, (long long)right);
    }
}

void harness_equal_text(const char *file, int line, const char *what,
                        const char *left, const char *right)
{
    if (strcmp(left, right) != 0) {
        harness_fail(file, line, "%s is \"%s\", not \"%s\"", what, left, right);
    }
}

void harness_equal_status(const char *file, int line, const char *what,
                          tenon_status got, tenon_status wanted)
{
    if (got != wanted) {
        harness_fail(file, line, "%s: %s, not %s", what, tenon_status_name(got),
                     tenon_status_name(wanted));
    }
}

void harness_success(const char *file, int line, const char *what,
                     tenon_status got)
{
    if (got < 0) {
        harness_fail(file, line, "%s: %s", what, tenon_status_name(got));
    }
}

/* The hard limit ends it where a handler of the case's would not. */
static void limit_cpu(int64_t limit_ns)
{
    rlim_t seconds = (rlim_t)cpu_seconds(limit_ns);
    struct rlimit limit = {.rlim_cur = seconds, .rlim_max = seconds + 1};
    setrlimit(RLIMIT_CPU, &limit);
}

_Noreturn static void be_child(int verdict_fd, int error_fd,
                               harness_case_fn *fn, void *arg, int64_t limit_ns)
{
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    verdict_fd_plus_1 = verdict_fd + 1;
    if (error_fd >= 0) {
        dup3(error_fd, STDERR_FILENO, 0);
        close(error_fd);
    }
    limit_cpu(limit_ns);
    fn(arg);
    tell('P', "");
    exit(0);
}

/* ---- in the parent ---- */

/* Reads until the child closed the pipe; false when the time was up first. */
static bool read_verdict(int fd, char *text, size_t size, int64_t deadline_ns)
{
    size_t len = 0;
    for (;;) {
        int64_t left_ns = deadline_ns - harness_clock_ns();
        if (left_ns <= 0) {
            return false;
        }
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        if (poll(&wait, 1, (int)(left_ns / TENON_MILLISECOND) + 1) <= 0) {
            continue;
        }
        ssize_t got = read(fd, text + len, size - 1 - len);
        if (got <= 0 && errno != EINTR) {
            return true;
        }
        len += got > 0 ? (size_t)got : 0;
        text[len] = '\0';
    }
}

static void judge_end(harness_result *out, int status, int64_t limit_ns)
{
    out->verdict = HARNESS_FAIL;
    if (WIFEXITED(status)) {
        snprintf(out->why, sizeof out->why, "ended with exit code %d",
                 WEXITSTATUS(status));
    } else if (WTERMSIG(status) == SIGXCPU) {
        snprintf(out->why, sizeof out->why, "used more than %lld s of CPU time",
                 (long long)cpu_seconds(limit_ns));
    } else {
        snprintf(out->why, sizeof out->why, "ended by signal %d (%s)",
                 WTERMSIG(status), strsignal(WTERMSIG(status)));
    }
}

static void judge(harness_result *out, const char *text, int status,
                  int64_t limit_ns)
{
    if (text[0] == 'F' || text[0] == 'S') {
        out->verdict = text[0] == 'F' ? HARNESS_FAIL : HARNESS_SKIP;
        snprintf(out->why, sizeof out->why, "%s", text + 1);
    } else if (text[0] != 'P' || !WIFEXITED(status) || WEXITSTATUS(status)) {
        judge_end(out, status, limit_ns);
    } else {
        out->verdict = HARNESS_PASS;
        out->why[0] = '\0';
    }
}

static void show_errors(int error_fd)
{
    char text[4096];
    ssize_t len = pread(error_fd, text, sizeof text - 1, 0);
    if (len > 0) {
        text[len] = '\0';
        for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
            fprintf(stderr, "#   %s\n", line);
        }
    }
}

static void attend(harness_result *out, pid_t child, int fd, int error_fd,
                   int64_t limit_ns)
{
    char text[HARNESS_TEXT_LEN] = "";
    bool in_time =
        read_verdict(fd, text, sizeof text, harness_clock_ns() + limit_ns);
    int status = 0;
    if (!in_time) {
        kill(child, SIGKILL);
    }
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    kill(-child, SIGKILL); /* what it forked */
    if (in_time) {
        judge(out, text, status, limit_ns);
    } else {
        out->verdict = HARNESS_FAIL;
        snprintf(out->why, sizeof out->why, "not done after %lld ms",
                 (long long)(limit_ns / TENON_MILLISECOND));
    }
    if (out->verdict == HARNESS_FAIL && error_fd >= 0) {
        show_errors(error_fd);
    }
}

void harness_run_case(harness_result *out, harness_case_fn *fn, void *arg,
                      int64_t limit_ns)
{
    int fds[2];
    limit_ns =
        (limit_ns > 0 ? limit_ns : LIMIT_DEFAULT_NS) * harness_time_scale();
    out->verdict = HARNESS_FAIL;
    snprintf(out->why, sizeof out->why, "no pipe or process for it");
    fflush(NULL);
    if (pipe2(fds, O_CLOEXEC) < 0) {
        return;
    }
    int error_fd = memfd_create("errors", MFD_CLOEXEC);
    pid_t child = fork();
    if (child == 0) {
        close(fds[0]);
        be_child(fds[1], error_fd, fn, arg, limit_ns);
    }
    close(fds[1]);
    if (child > 0) {
        setpgid(child, child);
        attend(out, child, fds[0], error_fd, limit_ns);
    }
    close(fds[0]);
    if (error_fd >= 0) {
        close(error_fd);
    }
}
