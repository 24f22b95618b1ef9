/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Trace equivalence: one scripted session, and what the reactor told us in it,
 * line by line. Nothing in a line depends on the loop: there are no times, a
 * stimulus is given while the loop is outside of its poll and then the session
 * waits until all is quiet, and bytes that arrive between two other events are
 * one line per connection, however many reads brought them. Timers are 25 ms
 * apart. So a loop whose trace differs has lost, delayed or reordered
 * something, or has entered the reactor where it must not.
 */

#include "rig.h"

#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define PATIENCE (3 * TENON_SECOND)
#define STEP     MS(25)

enum side { CLIENT, SERVER, SIDES };

struct end {
    enum side side;
    tenon_transport *transport;
    size_t unsaid; /* bytes that no line tells of yet */
    size_t received;
    bool lost;
};

static struct session {
    FILE *out;
    int said; /* lines */
    struct end ends[SIDES];
    int fds[3][2];
    tenon_watch watches[3];
    tenon_signal handler;
    tenon_listener *listener;
    char address[TENON_ADDRESS_TEXT_LEN];
    tenon_shutdown hooks[2];
    tenon_handle victim;
} session;

/* ---- writing it down ---- */

static const char *const side_names[SIDES] = {"client", "server"};

static void say_bytes(void)
{
    for (int i = 0; i < SIDES; i++) {
        if (session.ends[i].unsaid) {
            fprintf(session.out, "  %s received %zu\n", side_names[i],
                    session.ends[i].unsaid);
            session.ends[i].unsaid = 0;
            session.said++;
        }
    }
}

static void say(const char *format, ...) TENON_PRINTF(1, 2);

static void say(const char *format, ...)
{
    va_list arguments;
    say_bytes();
    va_start(arguments, format);
    fputs("  ", session.out);
    vfprintf(session.out, format, arguments);
    fputc('\n', session.out);
    va_end(arguments);
    session.said++;
}

static void say_word(void *word)
{
    say("call %s", (const char *)word);
}

/* ---- waiting ---- */

static bool quiet(void)
{
    rig_settle();
    say_bytes();
    return true;
}

/* Iterates until the condition holds, and then until nothing more happens. */
#define UNTIL(condition)                                          \
    do {                                                          \
        int64_t end_ns_ =                                         \
            harness_clock_ns() + PATIENCE * harness_time_scale(); \
        while (!(condition)) {                                    \
            if (harness_clock_ns() > end_ns_) {                   \
                say("incomplete: %s", #condition);                \
                return false;                                     \
            }                                                     \
            rig_iterate(MS(5));                                   \
        }                                                         \
        quiet();                                                  \
    } while (0)

#define TRY(call)                                                     \
    do {                                                              \
        tenon_status status_ = (call);                                \
        if (status_ < 0) {                                            \
            say("failed: %s: %s", #call, tenon_status_name(status_)); \
            return false;                                             \
        }                                                             \
    } while (0)

/* ---- calls and timers ---- */

static void say_and_schedule(void *word)
{
    say_word(word);
    if (tenon_call_soon(rig.reactor, say_word, "inner") < 0) {
        say("no inner call");
    }
    say("scheduled inner");
}

static bool calls(void)
{
    int said = session.said;
    TRY(tenon_call_soon(rig.reactor, say_and_schedule, "one"));
    say("scheduled one");
    TRY(tenon_call_soon(rig.reactor, say_word, "two"));
    say("scheduled two");
    TRY(tenon_call_later(rig.reactor, MS(3600000), say_word, "never",
                         &session.victim));
    UNTIL(session.said >= said + 6);
    tenon_handle_cancel(session.victim);
    return quiet();
}

static void cancel_victim(void *word)
{
    say_word(word);
    say("cancelled: %d", tenon_handle_cancel(session.victim));
}

static bool five_timers(bool *stalled)
{
    int said = session.said;
    tenon_reactor *r = rig.reactor;
    int64_t last_ns = harness_clock_ns();
    TRY(tenon_call_later(r, 2 * STEP, say_and_schedule, "t2", NULL));
    TRY(tenon_call_later(r, 1 * STEP, say_and_schedule, "t1", NULL));
    TRY(tenon_call_later(r, 4 * STEP, say_word, "t4", &session.victim));
    TRY(tenon_call_later(r, 3 * STEP, cancel_victim, "t3", NULL));
    TRY(tenon_call_later(r, 5 * STEP, say_word, "t5", NULL));
    *stalled = false;
    int64_t end_ns = last_ns + PATIENCE * harness_time_scale();
    while (session.said < said + 9 && last_ns < end_ns) {
        rig_iterate(MS(5));
        *stalled = *stalled || harness_clock_ns() - last_ns > STEP / 2;
        last_ns = harness_clock_ns();
    }
    UNTIL(session.said >= said + 9);
    return true;
}

/* A machine that gave us no time between two deadlines makes them due in one
 * turn, on any loop: then it is done again, and only the last is told. */
static bool timers(void)
{
    FILE *out = session.out;
    bool stalled = true;
    bool done = false;
    for (int tries = 0; tries < 5 && stalled; tries++) {
        char *text = NULL;
        size_t len = 0;
        session.out = open_memstream(&text, &len);
        done = five_timers(&stalled);
        fclose(session.out);
        if (!stalled || tries == 4) {
            fwrite(text, 1, len, out);
        }
        free(text);
    }
    session.out = out;
    return done;
}

/* ---- watches ---- */

static void on_watch(tenon_watch *watch, uint32_t events, void *user)
{
    char text[64];
    int index = (int)(watch - session.watches);
    (void)user;
    size_t len = drain(session.fds[index][0], text, sizeof text);
    say("watch %d events %u read %zu", index, events, len);
    if (len == 0) {
        tenon_watch_stop(watch); /* the end is there for ever */
    }
}

static bool watches(void)
{
    for (int i = 0; i < 3; i++) {
        socket_pair(session.fds[i]);
        tenon_watch_init(&session.watches[i], rig.reactor, session.fds[i][0]);
        TRY(tenon_watch_start(&session.watches[i], TENON_READ, on_watch, NULL));
    }
    quiet();
    int said = session.said;
    put(session.fds[2][1], "ccc");
    put(session.fds[0][1], "a");
    TRY(tenon_call_soon(rig.reactor, say_and_schedule, "batch"));
    put(session.fds[1][1], "bb");
    UNTIL(session.said >= said + 6);
    said = session.said;
    close_fd(&session.fds[0][1]);
    UNTIL(session.said > said);
    for (int i = 0; i < 3; i++) {
        tenon_watch_stop(&session.watches[i]);
        close_fd(&session.fds[i][0]);
        close_fd(&session.fds[i][1]);
    }
    return quiet();
}

/* ---- connections ---- */

static tenon_status on_made(void *data, tenon_transport *transport)
{
    struct end *end = data;
    end->transport = transport;
    end->lost = false;
    end->received = 0;
    say("%s made", side_names[end->side]);
    /* Pauses depend on how much the kernel takes. */
    return tenon_transport_set_write_limits(transport, (size_t)1 << 30, 0);
}

static tenon_status on_data(void *data, tenon_transport *transport,
                            const void *bytes, size_t len)
{
    struct end *end = data;
    end->unsaid += len;
    end->received += len;
    return end->side == SERVER ? tenon_transport_write(transport, bytes, len)
                               : TENON_OK;
}

static tenon_status on_eof(void *data, tenon_transport *transport)
{
    struct end *end = data;
    say("%s eof", side_names[end->side]);
    if (end->side == SERVER) {
        tenon_status status = tenon_transport_write(transport, "bye", 3);
        return status < 0 ? status : TENON_OK;
    }
    return TENON_OK;
}

static tenon_status on_lost(void *data, tenon_transport *transport,
                            const tenon_error *error)
{
    struct end *end = data;
    (void)transport;
    end->lost = true;
    end->transport = NULL;
    say("%s lost %s", side_names[end->side],
        tenon_status_name(tenon_error_status(error)));
    return TENON_OK;
}

static const tenon_protocol_ops end_ops = {
    .size = sizeof end_ops,
    .connection_made = on_made,
    .data_received = on_data,
    .eof_received = on_eof,
    .connection_lost = on_lost,
};

static tenon_factory factory_of(enum side side)
{
    tenon_factory factory = tenon_factory_of(&end_ops);
    session.ends[side].side = side;
    factory.shared.self = &session.ends[side];
    return factory;
}

static bool connect_ends(void)
{
    struct end *ends = session.ends;
    TRY(tenon_connector_start(rig.reactor, NULL, session.address,
                              factory_of(CLIENT), NULL));
    UNTIL(ends[CLIENT].transport && ends[SERVER].transport);
    return true;
}

static bool echoes(void)
{
    static const size_t sizes[] = {1, 10, 4096, 100000, 1000000};
    static char bytes[1000000];
    tenon_address address;
    struct end *client = &session.ends[CLIENT];
    TRY(tenon_listen(rig.reactor, &session.listener, "tcp:127.0.0.1:0",
                     factory_of(SERVER), NULL));
    TRY(tenon_listener_address(session.listener, &address));
    tenon_address_format(&address, session.address, sizeof session.address);
    if (!connect_ends()) {
        return false;
    }
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        size_t wanted = client->received + sizes[i];
        TRY(tenon_transport_write(client->transport, bytes, sizes[i]));
        say("client wrote %zu", sizes[i]);
        UNTIL(client->received == wanted);
    }
    return true;
}

static bool endings(void)
{
    struct end *ends = session.ends;
    TRY(tenon_transport_write_eof(ends[CLIENT].transport));
    UNTIL(ends[CLIENT].lost && ends[SERVER].lost);
    if (!connect_ends()) {
        return false;
    }
    TRY(tenon_transport_abort(ends[CLIENT].transport));
    say("client aborts");
    UNTIL(ends[CLIENT].lost && ends[SERVER].lost);
    TRY(tenon_listener_close(session.listener));
    tenon_listener_unref(session.listener);
    return quiet();
}

/* ---- other threads, signals ---- */

static void on_post(tenon_post_node *post, tenon_status status, void *user)
{
    (void)post;
    say("post %s %s", (const char *)user, tenon_status_name(status));
}

static void *post_five(void *inbox)
{
    static const char *const words[] = {"a", "b", "c", "d", "e"};
    for (int i = 0; i < 5; i++) {
        if (tenon_call_soon_threadsafe(inbox, on_post,
                                       (void *)(uintptr_t)words[i]) < 0) {
            return inbox;
        }
    }
    return NULL;
}

static void on_signal(tenon_signal *handler, uint32_t count, void *user)
{
    (void)handler;
    (void)user;
    say("signal %u", count);
}

static bool strangers(void)
{
    pthread_t thread;
    void *failed = NULL;
    int said = session.said;
    TRY(tenon_call_soon(rig.reactor, say_word, "before"));
    if (pthread_create(&thread, NULL, post_five,
                       tenon_reactor_inbox(rig.reactor)) == 0) {
        pthread_join(thread, &failed);
    }
    TRY(tenon_call_soon(rig.reactor, say_word, "after"));
    UNTIL(session.said >= said + 7);
    said = session.said;
    tenon_signal_init(&session.handler, rig.reactor);
    TRY(tenon_signal_start(&session.handler, SIGUSR2, 0, on_signal, NULL));
    raise(SIGUSR2);
    raise(SIGUSR2);
    say("raised");
    UNTIL(session.said >= said + 2);
    tenon_signal_stop(&session.handler);
    return !failed;
}

/* ---- the end ---- */

static tenon_status on_hook(tenon_reactor *reactor, tenon_shutdown *hook,
                            void *user)
{
    (void)user;
    say("hook %d", (int)(hook - session.hooks));
    if (hook == &session.hooks[1] &&
        tenon_call_later(reactor, STEP, say_word, "in hook", NULL) < 0) {
        say("no call in a hook");
    }
    return TENON_OK;
}

static bool the_end(void)
{
    for (int i = 0; i < 2; i++) {
        TRY(tenon_reactor_on_shutdown(rig.reactor, &session.hooks[i], on_hook,
                                      NULL));
    }
    TRY(tenon_reactor_close(rig.reactor));
    UNTIL(rig.closed);
    say("closed %d", tenon_reactor_is_closed(rig.reactor));
    return true;
}

static const struct {
    const char *name;
    bool (*run)(void);
} steps[] = {
    {"calls", calls},     {"timers", timers},   {"watches", watches},
    {"echoes", echoes},   {"endings", endings}, {"strangers", strangers},
    {"the end", the_end},
};

bool tenon_conformance_trace(const tenon_fixture *fixture, FILE *out)
{
    memset(&session, 0, sizeof session);
    memset(&rig, 0, sizeof rig);
    session.out = out;
    rig.fixture = fixture;
    harness_heap_begin(&rig.heap);
    tenon_reactor_options options = rig_options();
    rig_open(&options);
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        fprintf(out, "%s\n", steps[i].name);
        fflush(out);
        if (!steps[i].run()) {
            fflush(out);
            return false;
        }
    }
    fflush(out);
    rig_close();
    char why[HARNESS_TEXT_LEN];
    return harness_heap_end(&rig.heap, why, sizeof why);
}
