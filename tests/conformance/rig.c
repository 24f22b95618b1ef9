/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The rig. A case begins on a loop that the process has already made and freed
 * once, so that what a host keeps for ever (libuv's signal pipe) is in no
 * ledger; it ends only when the reactor was clean, nothing was reported that
 * the case did not ask for, the loop did not spin, and the ledgers are even.
 */

#include "rig.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct rig rig;

/* ---- its life ---- */

#define HAS_SLOT(fixture, slot)                                     \
    ((fixture)->size >=                                             \
         offsetof(tenon_fixture, slot) + sizeof((fixture)->slot) && \
     (fixture)->slot)

const char *rig_lacks(const tenon_fixture *fixture, uint32_t needs)
{
    static const struct {
        uint32_t cap;
        const char *name;
    } caps[] = {
        {TENON_FIXTURE_REAL_TIME, "real time"},
        {TENON_FIXTURE_ALIVE, "run ends when nothing is alive"},
        {TENON_FIXTURE_NESTED, "nested runs"},
        {TENON_FIXTURE_SHARED, "several reactors on one loop"},
        {TENON_FIXTURE_BUDGET, "budget"},
        {TENON_FIXTURE_ATTACHED, "a loop of the application's"},
        {TENON_FIXTURE_DIES, "loop freed under the reactor"},
    };
    for (size_t i = 0; i < sizeof caps / sizeof caps[0]; i++) {
        if ((needs & caps[i].cap) && !(fixture->caps & caps[i].cap)) {
            return caps[i].name;
        }
    }
    const struct {
        uint32_t need;
        bool has;
        const char *name;
    } slots[] = {
        {NEED_TENON_RUN, HAS_SLOT(fixture, reactor_new), "tenon_run"},
        {NEED_LOOP_RUN, HAS_SLOT(fixture, run) && HAS_SLOT(fixture, stop),
         "the loop's own run"},
        {NEED_NESTED, HAS_SLOT(fixture, nested), "nested runs"},
        {NEED_CALL, HAS_SLOT(fixture, call_native), "native callbacks"},
        {NEED_TICK, HAS_SLOT(fixture, tick_native), "native ticks"},
        {NEED_TIMEOUT, HAS_SLOT(fixture, native_timeout), "native timeout"},
        {NEED_COUNT, HAS_SLOT(fixture, native_count), "native count"},
    };
    for (size_t i = 0; i < sizeof slots / sizeof slots[0]; i++) {
        if ((needs & slots[i].need) && !slots[i].has) {
            return slots[i].name;
        }
    }
    return NULL;
}

static tenon_status on_error(tenon_reactor *reactor, const tenon_report *report,
                             void *user)
{
    (void)reactor;
    (void)user;
    if (harness_told(report->error)) {
        return TENON_OK; /* of a sweep: that is what reports are for */
    }
    rig.reports++;
    rig.report_status = tenon_error_status(report->error);
    snprintf(rig.report_what, sizeof rig.report_what, "%s", report->what);
    return TENON_OK;
}

static void on_closed(void *user)
{
    (void)user;
    rig.closed = true;
}

tenon_reactor_options rig_options(void)
{
    return (tenon_reactor_options){.size = sizeof(tenon_reactor_options),
                                   .allocator = &rig.heap.allocator,
                                   .name = "rig",
                                   .slow_callback_ns = -1,
                                   .on_error = on_error,
                                   .on_closed = on_closed};
}

void rig_open(const tenon_reactor_options *options)
{
    rig.loop = rig.fixture->loop_new();
    REQUIRE(rig.loop != NULL);
    REQUIRE_OK(rig.fixture->attach(rig.loop, &rig.reactor, options));
    rig.closed = false;
    harness_spin_begin(&rig.spin, rig.reactor);
}

void rig_close(void)
{
    if (rig.reactor) {
        REQUIRE_OK(tenon_reactor_close(rig.reactor));
        PUMP_UNTIL(rig.closed);
        REQUIRE(tenon_reactor_is_closed(rig.reactor));
        tenon_reactor_unref(rig.reactor);
        rig.reactor = NULL;
        rig.spin.reactor = NULL;
    }
    while (rig.kept_count) {
        tenon_transport_unref(rig.kept[--rig.kept_count]);
    }
    if (rig.loop) {
        rig.fixture->loop_free(rig.loop);
        rig.loop = NULL;
    }
}

tenon_reactor *rig_reactor_new(void)
{
    tenon_reactor *reactor = NULL;
    tenon_reactor_options options = rig_options();
    REQUIRE_OK(rig.fixture->reactor_new(&reactor, &options));
    return reactor;
}

static void check_even(void)
{
    char why[HARNESS_TEXT_LEN] = "";
    if (rig.reports) {
        harness_fail(__FILE__, __LINE__, "%d unexpected reports, last: %s, %s",
                     rig.reports, rig.report_what,
                     tenon_status_name(rig.report_status));
    }
    if (!harness_heap_end(&rig.heap, why, sizeof why) ||
        !harness_fds_end(&rig.fds, why, sizeof why)) {
        harness_fail(__FILE__, __LINE__, "%s", why);
    }
}

static void check_clean(void)
{
    char why[HARNESS_TEXT_LEN] = "";
    if (rig.reactor && !tenon_reactor_is_closed(rig.reactor)) {
        rig_settle();
        if (!harness_reactor_clean(rig.reactor, why, sizeof why)) {
            harness_fail(__FILE__, __LINE__, "%s", why);
        }
    }
    if ((rig.fixture->caps & TENON_FIXTURE_REAL_TIME) &&
        !harness_spin_end(&rig.spin, why, sizeof why)) {
        harness_fail(__FILE__, __LINE__, "%s", why);
    }
}

static void warm_up(void)
{
    void *loop = rig.fixture->loop_new();
    REQUIRE(loop != NULL);
    rig.fixture->iterate(loop, 0);
    rig.fixture->loop_free(loop);
}

static void arm(bool armed)
{
    if (harness_swept) {
        harness_swept->arm(armed);
    }
}

/* What the rig of a sweep calls in place of callbacks that a case needs not. */
tenon_status rig_lost(void *self, tenon_transport *transport,
                      const tenon_error *error)
{
    (void)self;
    (void)transport;
    (void)harness_told(error);
    return TENON_OK;
}

static void tell_connected(tenon_connector *connector,
                           tenon_transport *transport, const tenon_error *error,
                           void *user)
{
    (void)connector;
    (void)transport;
    (void)user;
    (void)harness_told(error);
}

const tenon_connect_options rig_connecting = {.size = sizeof rig_connecting,
                                              .on_connected = tell_connected};

void rig_keep(tenon_transport *transport)
{
    size_t most = sizeof rig.kept / sizeof rig.kept[0];
    if (harness_swept && rig.kept_count < most) {
        rig.kept[rig.kept_count++] = tenon_transport_ref(transport);
    }
}

const char *rig_abandon(void)
{
    static char why[HARNESS_TEXT_LEN];
    /* In a callback, what it would return to is not known. */
    if (!rig.reactor || tenon_reactor_current() ||
        !pthread_equal(rig.thread, pthread_self()) ||
        tenon_reactor_is_closed(rig.reactor)) {
        return NULL;
    }
    rig_settle(); /* who is to be told is told in a later turn */
    rig_close();
    arm(false);
    if (!harness_heap_held(&rig.heap, rig.base, why, sizeof why)) {
        return why;
    }
    return harness_swept->left_open();
}

void rig_run_here(const tenon_fixture *fixture, const rig_case *one)
{
    memset(&rig, 0, sizeof rig);
    rig.fixture = fixture;
    rig.base = __builtin_frame_address(0);
    rig.thread = pthread_self();
    warm_up();
    harness_heap_begin(&rig.heap);
    harness_fds_begin(&rig.fds);
    arm(true);
    if (!(one->needs & BARE)) {
        tenon_reactor_options options = rig_options();
        rig_open(&options);
    }
    one->fn();
    check_clean();
    rig_close();
    arm(false);
    check_even();
}

/* ---- driving it ---- */

void rig_iterate(int64_t max_wait_ns)
{
    int64_t start_ns = harness_clock_ns();
    rig.fixture->iterate(rig.loop, max_wait_ns);
    if (rig.reactor) {
        harness_spin_step(&rig.spin, max_wait_ns,
                          harness_clock_ns() - start_ns);
    }
}

static uint64_t happened(void)
{
    tenon_stats stats = rig_stats();
    return stats.callbacks + stats.events + stats.timers_fired;
}

void rig_settle(void)
{
    for (int quiet = 0, rounds = 0; quiet < 4 && rounds < 10000; rounds++) {
        uint64_t before = happened();
        rig_iterate(0);
        quiet = happened() == before ? quiet + 1 : 0;
    }
}

void rig_pump_for(int64_t duration_ns)
{
    int64_t end_ns = tenon_now(rig.reactor) + duration_ns;
    int64_t left_ns;
    while ((left_ns = end_ns - tenon_now(rig.reactor)) > 0) {
        /* Whole milliseconds, rounded up: many loops know no others. */
        rig_iterate((left_ns + MS(1) - 1) / MS(1) * MS(1));
    }
}

int64_t rig_deadline(void)
{
    return harness_clock_ns() + 5 * TENON_SECOND * harness_time_scale();
}

bool rig_swept(void)
{
    return harness_swept && harness_swept->met();
}

void rig_require_message(const tenon_error *error, const char *part)
{
    const char *message = tenon_error_message(error);
    if (!harness_told(error) && !rig_swept() && !strstr(message, part)) {
        harness_fail(__FILE__, __LINE__, "\"%s\" is not in \"%s\"", part,
                     message);
    }
}

/* Of a sweep: what has not come soon after the failure will not. */
static int64_t hurry(int64_t deadline_ns)
{
    static int64_t met_ns;
    met_ns = met_ns ? met_ns : harness_clock_ns();
    int64_t start_ns = deadline_ns - 5 * TENON_SECOND * harness_time_scale();
    int64_t from_ns = start_ns > met_ns ? start_ns : met_ns;
    return from_ns + harness_swept->patience_ns * harness_time_scale();
}

void rig_pump_step(int64_t deadline_ns, const char *file, int line,
                   const char *condition)
{
    if (harness_clock_ns() > (rig_swept() ? hurry(deadline_ns) : deadline_ns)) {
        harness_fail(file, line, "did not come: %s (notes: %s)", condition,
                     rig.notes);
    }
    rig_iterate(MS(20));
}

void rig_block(int64_t duration_ns)
{
    struct timespec time = {.tv_sec = duration_ns / TENON_SECOND,
                            .tv_nsec = duration_ns % TENON_SECOND};
    while (nanosleep(&time, &time) < 0 && errno == EINTR) {
    }
}

/* ---- the notebook ---- */

void note(const char *format, ...)
{
    size_t len = strlen(rig.notes);
    if (len > 0 && len + 1 < sizeof rig.notes) {
        rig.notes[len++] = ' ';
    }
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(rig.notes + len, sizeof rig.notes - len, format, arguments);
    va_end(arguments);
    (void)harness_told_text(rig.notes + len);
}

void note_call(void *word)
{
    note("%s", (const char *)word);
}

size_t note_count(const char *word)
{
    size_t count = 0;
    size_t len = strlen(word);
    for (const char *at = rig.notes; (at = strstr(at, word)); at += len) {
        bool begins = at == rig.notes || at[-1] == ' ';
        count += begins && (at[len] == ' ' || at[len] == '\0');
    }
    return count;
}

bool noted(const char *word)
{
    return note_count(word) > 0;
}

void notes_clear(void)
{
    rig.notes[0] = '\0';
}

void rig_take_report(tenon_status status)
{
    REQUIRE_EQ(rig.reports, 1);
    REQUIRE_STATUS(rig.report_status, status);
    rig.reports = 0;
}

/* ---- what many cases need ---- */

tenon_stats rig_stats(void)
{
    tenon_stats stats = {.size = sizeof stats};
    if (rig.reactor) {
        tenon_reactor_stats(rig.reactor, &stats);
    }
    return stats;
}

void soon(tenon_call_fn *fn, void *user)
{
    REQUIRE_STATUS(tenon_call_soon(rig.reactor, fn, user), TENON_OK);
}

void later(int64_t delay_ns, tenon_call_fn *fn, void *user, tenon_handle *out)
{
    REQUIRE_STATUS(tenon_call_later(rig.reactor, delay_ns, fn, user, out),
                   TENON_OK);
}

void socket_pair(int fds[2])
{
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
                       fds) == 0);
}

void put(int fd, const char *text)
{
    size_t len = strlen(text);
    REQUIRE_EQ(send(fd, text, len, MSG_NOSIGNAL), len);
}

size_t drain(int fd, char *out, size_t size)
{
    size_t len = 0;
    ssize_t got;
    while (len + 1 < size && (got = read(fd, out + len, size - 1 - len)) > 0) {
        len += (size_t)got;
    }
    out[len] = '\0';
    return len;
}

void close_fd(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
        *fd = -1;
    }
}
