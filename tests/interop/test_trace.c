/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Trace equivalence over all loops of this build: the scripted session gives
 * on each what it gives on native. And the proof that the comparison sees
 * something: a small loop that is right gives the same trace, and with each of
 * its flaws another one.
 *
 * ctest: timeout=180
 */

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <tenon/conformance.h>
#include <tenon/sys/host.h>

#include "harness_check.h"

extern const tenon_fixture *const tenon_fixtures[];

/* ---- a loop of one reactor, with a choice of flaws ---- */

enum flaw {
    FLAWLESS,
    DROPS, /* every second wake-up is lost for good */
    LATE,  /* wakes at multiples of 70 ms only */
    EAGER, /* enters the reactor inside the call that wants to be entered */
    DEAF,  /* forgets that it was asked to enter */
    FLAWS
};

static const char *const flaw_names[FLAWS] = {"flawless", "drops wake-ups",
                                              "late", "eager", "deaf"};

static enum flaw flaw; /* of the process that runs the session */

struct loop {
    tenon_reactor *reactor; /* not counted: lives from open to close */
    int fd;
    int edges; /* an epoll that reports edges, for DROPS */
    int count;
    bool deferred;
};

static void enter(struct loop *loop)
{
    loop->deferred = false;
    if (loop->reactor) {
        tenon_turn(loop->reactor, NULL);
    }
}

static tenon_status host_open(void *host, tenon_reactor *reactor, int fd)
{
    struct loop *loop = host;
    struct epoll_event event = {.events = EPOLLIN | EPOLLET};
    loop->reactor = reactor;
    loop->fd = fd;
    return epoll_ctl(loop->edges, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static void host_close(void *host, tenon_host_closed_fn *done, void *token)
{
    struct loop *loop = host;
    epoll_ctl(loop->edges, EPOLL_CTL_DEL, loop->fd, NULL);
    loop->reactor = NULL;
    loop->fd = -1;
    done(token);
}

static void host_defer(void *host)
{
    struct loop *loop = host;
    if (flaw == EAGER) {
        enter(loop);
    } else {
        loop->deferred = flaw != DEAF;
    }
}

static const tenon_host_ops host_ops = {
    .size = sizeof host_ops,
    .caps = TENON_CAP_REAL_TIME | TENON_CAP_BUDGET,
    .name = "own",
    .version = tenon_version,
    .open = host_open,
    .close = host_close,
    .defer = host_defer,
};

static void *loop_new(void)
{
    struct loop *loop = calloc(1, sizeof *loop);
    loop->fd = -1;
    loop->edges = epoll_create1(EPOLL_CLOEXEC);
    return loop;
}

static void loop_free(void *data)
{
    struct loop *loop = data;
    close(loop->edges);
    free(loop);
}

static tenon_status attach(void *data, tenon_reactor **out,
                           const tenon_reactor_options *options)
{
    return tenon_reactor_attach(out, &host_ops, data, options);
}

static bool wake_is_due(struct loop *loop, int timeout_ms)
{
    struct epoll_event event;
    struct pollfd poll_fd = {.fd = loop->fd, .events = POLLIN};
    if (flaw == DROPS) {
        return epoll_wait(loop->edges, &event, 1, timeout_ms) > 0 &&
               ++loop->count % 2;
    }
    return poll(&poll_fd, 1, timeout_ms) > 0;
}

static void iterate(void *data, int64_t max_wait_ns)
{
    struct loop *loop = data;
    int timeout_ms = (int)(max_wait_ns / TENON_MILLISECOND);
    if (flaw == LATE) {
        int64_t now_ns = harness_clock_ns();
        int64_t wait_ns = 70 * TENON_MILLISECOND;
        struct timespec time = {.tv_nsec = wait_ns - now_ns % wait_ns};
        nanosleep(&time, NULL);
    }
    bool due = wake_is_due(loop, loop->deferred ? 0 : timeout_ms);
    if (due || loop->deferred) {
        enter(loop);
    }
}

static const tenon_fixture own_fixture = {
    .size = sizeof own_fixture,
    .caps = TENON_FIXTURE_REAL_TIME | TENON_FIXTURE_ATTACHED,
    .name = "own",
    .version = tenon_version,
    .loop_new = loop_new,
    .loop_free = loop_free,
    .attach = attach,
    .iterate = iterate,
};

/* ---- taking traces ---- */

struct trace {
    const tenon_fixture *fixture;
    enum flaw flaw;
    int file;
    char text[65536];
};

static void run_session(void *arg)
{
    struct trace *trace = arg;
    FILE *out = fdopen(trace->file, "w");
    flaw = trace->flaw;
    if (!tenon_conformance_trace(trace->fixture, out)) {
        fflush(out);
        harness_fail(__FILE__, __LINE__, "the session was not completed");
    }
    fclose(out);
}

/* Whether the session was completed; the text is there in any case. */
static bool take(struct trace *trace)
{
    harness_result result;
    trace->file = memfd_create("trace", MFD_CLOEXEC);
    ck_assert_int_ge(trace->file, 0);
    harness_run_case(&result, run_session, trace, 40 * TENON_SECOND);
    ssize_t len = pread(trace->file, trace->text, sizeof trace->text - 1, 0);
    trace->text[len > 0 ? len : 0] = '\0';
    close(trace->file);
    return result.verdict == HARNESS_PASS;
}

static const tenon_fixture *find(const char *name)
{
    for (size_t i = 0; tenon_fixtures[i]; i++) {
        if (strcmp(tenon_fixtures[i]->name, name) == 0) {
            return tenon_fixtures[i];
        }
    }
    ck_abort_msg("no fixture %s", name);
    return NULL;
}

static struct trace wanted;

static void take_native(void)
{
    wanted.fixture = find("native");
    ck_assert_msg(take(&wanted), "native: %s", wanted.text);
}

/* The number of the first line that differs in what both have; 0: none. */
static int first_difference(const struct trace *trace)
{
    int line = 1;
    const char *left = trace->text;
    const char *right = wanted.text;
    for (; *left && *right; left++, right++) {
        if (*left != *right) {
            return line;
        }
        line += *left == '\n';
    }
    return 0;
}

START_TEST(every_loop_gives_the_trace_of_native)
{
    take_native();
    for (size_t i = 0; tenon_fixtures[i]; i++) {
        static struct trace trace;
        trace.fixture = tenon_fixtures[i];
        ck_assert_msg(take(&trace), "%s: %s", trace.fixture->name, trace.text);
        ck_assert_msg(strcmp(trace.text, wanted.text) == 0, "%s differs:\n%s",
                      trace.fixture->name, trace.text);
    }
}
END_TEST

START_TEST(a_loop_without_flaw_gives_it_too)
{
    static struct trace trace = {.fixture = &own_fixture};
    take_native();
    ck_assert_msg(take(&trace), "%s", trace.text);
    ck_assert_str_eq(trace.text, wanted.text);
}
END_TEST

START_TEST(a_broken_loop_is_caught)
{
    static struct trace trace = {.fixture = &own_fixture};
    trace.flaw = (enum flaw)_i;
    take_native();
    bool completed = take(&trace);
    ck_assert_msg(!completed || strcmp(trace.text, wanted.text) != 0,
                  "a loop that is \"%s\" was not caught", flaw_names[_i]);
    /* These two bring everything, in another order. */
    if (_i == LATE || _i == EAGER) {
        ck_assert_ptr_null(strstr(trace.text, "incomplete"));
        ck_assert_int_ne(first_difference(&trace), 0);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("trace");
    TCase *tcase = tcase_create("equivalence");
    tcase_set_timeout(tcase, 60.0 * (double)harness_time_scale());
    tcase_add_test(tcase, every_loop_gives_the_trace_of_native);
    tcase_add_test(tcase, a_loop_without_flaw_gives_it_too);
    tcase_add_loop_test(tcase, a_broken_loop_is_caught, DROPS, FLAWS);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
