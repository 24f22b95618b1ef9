/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Group N, clients: names, and the race between their addresses. The resolver
 * is the test's own; nothing here leaves the loopback interface.
 */

#include "recorder.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define LATER (60 * TENON_SECOND)

/* ---- a resolver that says what it is told to say ---- */

static struct {
    const char *answer[8]; /* "tcp:127.0.0.1:0" */
    bool hold;             /* keeps the lookup, for the case to answer */
    tenon_lookup *held;
    int calls;
    int cancels;
} fake;

static void give(tenon_lookup *lookup, const char *text)
{
    tenon_address address;
    REQUIRE(lookup != NULL); /* or it was cancelled already */
    REQUIRE_OK(tenon_address_parse(&address, text));
    REQUIRE_OK(tenon_lookup_add(lookup, &address));
}

static void done_with(tenon_lookup *lookup, tenon_error *error)
{
    REQUIRE(lookup != NULL);
    tenon_lookup_done(lookup, error);
}

static tenon_status fake_resolve(void *self, tenon_lookup *lookup)
{
    REQUIRE(self == &fake);
    fake.calls++;
    if (fake.hold) {
        fake.held = lookup;
        return TENON_OK;
    }
    for (int i = 0; fake.answer[i]; i++) {
        give(lookup, fake.answer[i]);
    }
    tenon_lookup_done(lookup, NULL);
    return TENON_OK;
}

static void fake_cancel(void *self, tenon_lookup *lookup)
{
    REQUIRE(self == &fake && lookup == fake.held);
    fake.held = NULL;
    fake.cancels++;
}

static const tenon_resolver_ops fake_ops = {.size = sizeof fake_ops,
                                            .name = "fake",
                                            .resolve = fake_resolve,
                                            .cancel = fake_cancel};

static void use_fake(void)
{
    REQUIRE_OK(tenon_reactor_set_resolver(rig.reactor, &fake_ops, &fake));
}

/* ---- places to go ---- */

static tenon_listener *listener;
static recorder server = {.silent = true};
static recorder client = {.silent = true};

static uint16_t serve_at(const char *address)
{
    tenon_address bound;
    REQUIRE_OK(tenon_listen(rig.reactor, &listener, address,
                            recorder_factory(&server), NULL));
    REQUIRE_OK(tenon_listener_address(listener, &bound));
    return tenon_address_port(&bound);
}

/* A port of 127.0.0.x that nobody listens on. */
static uint16_t refusing_port(void)
{
    uint16_t port = serve_at("tcp:127.0.0.1:0");
    REQUIRE_OK(tenon_listener_close(listener));
    tenon_listener_unref(listener);
    listener = NULL;
    rig_settle();
    return port;
}

/* Listens at 127.0.0.1 and never accepts; its backlog is full, so whoever
 * connects now gets no answer. */
static struct {
    int fds[8];
} hole;

static void connect_to_hole(int fd, const struct sockaddr_in *at)
{
    REQUIRE(fd >= 0);
    (void)!connect(fd, (const struct sockaddr *)at, sizeof *at);
}

static uint16_t dig_hole(const char *where, uint16_t port)
{
    tenon_address address;
    char text[64];
    snprintf(text, sizeof text, "tcp:%s:%u", where, port);
    REQUIRE_OK(tenon_address_parse(&address, text));
    struct sockaddr_in at = address.as.v4;
    socklen_t len = sizeof at;
    hole.fds[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(bind(hole.fds[0], (struct sockaddr *)&at, len) == 0);
    REQUIRE(listen(hole.fds[0], 0) == 0);
    REQUIRE(getsockname(hole.fds[0], (struct sockaddr *)&at, &len) == 0);
    for (int i = 1; i < 8; i++) {
        hole.fds[i] =
            socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        connect_to_hole(hole.fds[i], &at);
    }
    return ntohs(at.sin_port);
}

static void fill_hole_up(void)
{
    for (int i = 0; i < 8; i++) {
        close_fd(&hole.fds[i]);
    }
}

/* ---- connecting ---- */

static char error_text[1024];

static void on_connected(tenon_connector *connector, tenon_transport *transport,
                         const tenon_error *error, void *user)
{
    (void)connector;
    (void)user;
    REQUIRE((transport != NULL) == (error == NULL));
    tenon_error_format(error, error_text, sizeof error_text);
    (void)harness_told(error);
    note("connected:%s", tenon_status_name(tenon_error_status(error)));
}

static tenon_connect_options how = {.size = sizeof how,
                                    .on_connected = on_connected};

static void start(tenon_connector **out, const char *name, uint16_t port)
{
    char text[128];
    snprintf(text, sizeof text, "tcp:%s:%u", name, port);
    REQUIRE_OK(tenon_connector_start(rig.reactor, out, text,
                                     recorder_factory(&client), &how));
    REQUIRE_NOTES("");
}

static void finish(void)
{
    if (client.made && !client.lost) {
        REQUIRE_OK(tenon_transport_close(client.transport));
    }
    if (listener) {
        REQUIRE_OK(tenon_listener_close(listener));
        tenon_listener_unref(listener);
    }
    PUMP_UNTIL(client.lost == client.made && server.lost == server.made);
    rig_settle();
}

/* That the texts are in the error, in this order. */
static void require_causes(const char *const texts[], int count)
{
    const char *at = error_text;
    for (int i = 0; i < count; i++) {
        const char *next = strstr(at, texts[i]);
        if (!next) {
            harness_fail(__FILE__, __LINE__, "no %s in: %s", texts[i], at);
        }
        at = next + strlen(texts[i]);
    }
}

static void n07_every_cause(void)
{
    static const char *const causes[] = {
        "connect tcp:name.test:", "tcp:127.0.0.3:", "tcp:127.0.0.2:",
        "tcp:127.0.0.1:"};
    uint16_t port = refusing_port();
    fake.answer[0] = "tcp:127.0.0.1:0";
    fake.answer[1] = "tcp:127.0.0.2:0";
    fake.answer[2] = "tcp:127.0.0.3:0";
    use_fake();
    start(NULL, "name.test", port);
    PUMP_UNTIL(rig.notes[0]);
    rig_settle();
    REQUIRE_NOTES("connected:ECONNREFUSED");
    require_causes(causes, 4);
    REQUIRE_EQ(client.made, 0);
    REQUIRE_EQ(fake.calls, 1);
}

/* Long delays: the failure itself brings the next attempt. */
static void n07_the_next_one_works(void)
{
    uint16_t port = serve_at("tcp:127.0.0.2:0");
    how.attempt_delay_ns = LATER;
    fake.answer[0] = "tcp:127.0.0.1:0";
    fake.answer[1] = "tcp:127.0.0.2:0";
    use_fake();
    start(NULL, "name.test", port);
    PUMP_UNTIL(client.made && server.made);
    REQUIRE_NOTES("connected:TENON_OK");
    REQUIRE_OK(tenon_transport_write(client.transport, "x", 1));
    PUMP_UNTIL(server.received == 1);
    finish();
}

static void n08_after_a_delay(void)
{
    char text[32];
    uint16_t port = dig_hole("127.0.0.1", 0); /* the busier address first */
    snprintf(text, sizeof text, "tcp:127.0.0.2:%u", port);
    (void)serve_at(text);
    fake.answer[0] = "tcp:127.0.0.1:0";
    fake.answer[1] = "tcp:127.0.0.2:0";
    use_fake();
    int64_t start_ns = tenon_now(rig.reactor);
    start(NULL, "name.test", port);
    PUMP_UNTIL(client.made && server.made);
    /* Unless the first attempt could not even begin. */
    REQUIRE(rig_swept() || tenon_now(rig.reactor) - start_ns >= MS(250));
    REQUIRE_NOTES("connected:TENON_OK");
    finish();
    rig_settle();
    REQUIRE_NOTES("connected:TENON_OK"); /* the loser says nothing */
    fill_hole_up();
}

static void n08_families_take_turns(void)
{
    static const char *const causes[] = {
        "tcp:127.0.0.3:", "tcp:127.0.0.2:", "tcp:[::1]:", "tcp:127.0.0.1:"};
    uint16_t port = refusing_port();
    fake.answer[0] = "tcp:127.0.0.1:0";
    fake.answer[1] = "tcp:127.0.0.2:0";
    fake.answer[2] = "tcp:127.0.0.3:0";
    fake.answer[3] = "tcp:[::1]:0";
    use_fake();
    start(NULL, "name.test", port);
    PUMP_UNTIL(rig.notes[0]);
    require_causes(causes, 4);
}

static void n08_ipv6_may_be_a_little_later(void)
{
    static const char *const causes[] = {"tcp:127.0.0.1:", "tcp:[::1]:"};
    uint16_t port = refusing_port();
    fake.hold = true;
    use_fake();
    start(NULL, "name.test", port);
    give(fake.held, "tcp:127.0.0.1:0");
    rig_settle();
    REQUIRE_NOTES("");
    give(fake.held, "tcp:[::1]:0");
    rig_settle();
    done_with(fake.held, NULL);
    PUMP_UNTIL(rig.notes[0]);
    require_causes(causes, 2);
    REQUIRE_EQ(fake.cancels, 0);
}

static void n08_an_answer_that_drips(void)
{
    uint16_t port = serve_at("tcp:127.0.0.2:0");
    fake.hold = true;
    use_fake();
    start(NULL, "name.test", port);
    give(fake.held, "tcp:127.0.0.1:0");
    rig_pump_for(MS(120)); /* refused by now */
    REQUIRE_NOTES("");
    give(fake.held, "tcp:127.0.0.2:0");
    rig_settle();
    if (rig_swept() && !client.made) { /* waits for more to try */
        done_with(fake.held, NULL);
    }
    PUMP_UNTIL(client.made && server.made);
    REQUIRE_NOTES("connected:TENON_OK");
    REQUIRE_EQ(fake.cancels, 1); /* the rest is not wanted */
    finish();
}

static void n08_timeouts(void)
{
    static const char *const causes[] = {"connect tcp:127.0.0.1:",
                                         "tcp:127.0.0.1:"};
    uint16_t port = dig_hole("127.0.0.1", 0);
    how.timeout_ns = MS(40);
    start(NULL, "127.0.0.1", port);
    PUMP_UNTIL(rig.notes[0]);
    REQUIRE_NOTES("connected:TENON_TIMED_OUT");
    require_causes(causes, 2);
    notes_clear();
    how.timeout_ns = 0;
    how.attempt_timeout_ns = MS(30);
    how.attempt_delay_ns = LATER;
    fake.answer[0] = "tcp:127.0.0.1:0";
    fake.answer[1] = "tcp:127.0.0.2:0"; /* where nobody listens */
    use_fake();
    start(NULL, "name.test", port);
    PUMP_UNTIL(rig.notes[0]);
    REQUIRE_NOTES("connected:ECONNREFUSED");
    REQUIRE(strstr(error_text, "TENON_TIMED_OUT"));
    fill_hole_up();
}

static void n12_a_name_that_takes_too_long(void)
{
    fake.hold = true;
    how.resolve_timeout_ns = MS(30);
    use_fake();
    start(NULL, "name.test", 80);
    PUMP_UNTIL(rig.notes[0]);
    REQUIRE_NOTES("connected:TENON_TIMED_OUT");
    REQUIRE(strstr(error_text, "name.test"));
    REQUIRE_EQ(fake.cancels, 1);
}

static void n11_numeric_names_ask_nobody(void)
{
    uint16_t port = serve_at("tcp:127.0.0.1:0");
    use_fake();
    start(NULL, "127.0.0.1", port);
    PUMP_UNTIL(client.made && server.made);
    REQUIRE_EQ(fake.calls, 0);
    finish();
}

/* ---- lookups ---- */

static void on_address(tenon_lookup *lookup, const tenon_address *address,
                       void *user)
{
    char text[TENON_ADDRESS_TEXT_LEN];
    (void)lookup;
    (void)user;
    tenon_address_format(address, text, sizeof text);
    note("%s", text);
}

static void on_done(tenon_lookup *lookup, const tenon_error *error, void *user)
{
    (void)lookup;
    (void)user;
    note("done:%s", tenon_status_name(tenon_error_status(error)));
}

static const tenon_resolve_options lookup_how = {.size = sizeof lookup_how,
                                                 .port = 7,
                                                 .on_address = on_address,
                                                 .on_done = on_done};

static void n12_results_stream_in(void)
{
    tenon_lookup *lookup;
    fake.hold = true;
    use_fake();
    REQUIRE_OK(tenon_resolve(rig.reactor, &lookup, "name.test", &lookup_how));
    REQUIRE_STATUS(tenon_reactor_set_resolver(rig.reactor, NULL, NULL),
                   TENON_BUSY);
    REQUIRE(strcmp(tenon_lookup_name(lookup), "name.test") == 0);
    REQUIRE(tenon_lookup_family(lookup) == 0);
    REQUIRE(tenon_lookup_reactor(lookup) == rig.reactor);
    REQUIRE(tenon_lookup_data(lookup) == NULL);
    tenon_lookup_set_data(lookup, &fake);
    REQUIRE(tenon_lookup_data(lookup) == &fake);
    give(lookup, "tcp:127.0.0.1:0");
    REQUIRE_NOTES("");
    rig_settle();
    REQUIRE_NOTES("tcp:127.0.0.1:7");
    give(lookup, "tcp:127.0.0.1:9"); /* known */
    give(lookup, "tcp:127.0.0.2:0");
    tenon_lookup_done(lookup, NULL);
    REQUIRE_STATUS(tenon_lookup_add(lookup, &(tenon_address){0}), TENON_CLOSED);
    rig_settle();
    REQUIRE_NOTES("tcp:127.0.0.1:7 tcp:127.0.0.2:7 done:TENON_OK");
    tenon_lookup_unref(lookup);
    rig_settle();
    REQUIRE_OK(tenon_reactor_set_resolver(rig.reactor, NULL, NULL));
}

static void n12_cancel_stops_delivery(void)
{
    tenon_lookup *lookup;
    fake.hold = true;
    use_fake();
    REQUIRE_OK(tenon_resolve(rig.reactor, &lookup, "name.test", &lookup_how));
    give(lookup, "tcp:127.0.0.1:0");
    REQUIRE_OK(tenon_lookup_cancel(lookup));
    REQUIRE_OK(tenon_lookup_cancel(lookup));
    REQUIRE_EQ(fake.cancels, 1);
    REQUIRE_NOTES("");
    rig_settle();
    REQUIRE_NOTES("done:TENON_CANCELLED");
    tenon_lookup_unref(lookup);
}

static void n12_nothing_found_is_an_error(void)
{
    use_fake();
    start(NULL, "name.test", 80);
    PUMP_UNTIL(rig.notes[0]);
    REQUIRE_NOTES("connected:TENON_UNRESOLVED");
}

static void n12_pending_at_the_end(void)
{
    fake.hold = true;
    use_fake();
    REQUIRE_OK(tenon_resolve(rig.reactor, NULL, "name.test", &lookup_how));
    rig_close();
    REQUIRE_NOTES("done:TENON_CLOSED");
    rig_take_report(TENON_CLOSED);
    REQUIRE_EQ(fake.cancels, 1);
}

/* ---- giving up, and from where ---- */

static void n32_cancel_at_every_stage(void)
{
    tenon_connector *connector;
    uint16_t port = dig_hole("127.0.0.1", 0);
    fake.hold = true;
    use_fake();
    for (int stage = 0; stage < 3; stage++) {
        start(&connector, "name.test", port);
        if (stage >= 1) {
            give(fake.held, "tcp:127.0.0.1:0");
        }
        if (stage >= 2) {
            rig_pump_for(MS(80)); /* trying */
            done_with(fake.held, NULL);
            rig_settle();
        }
        REQUIRE_OK(tenon_connector_cancel(connector));
        REQUIRE_OK(tenon_connector_cancel(connector));
        REQUIRE_NOTES("");
        rig_settle();
        REQUIRE_NOTES("connected:TENON_CANCELLED");
        notes_clear();
        tenon_connector_unref(connector);
    }
    REQUIRE_EQ(fake.cancels, 2);
    fill_hole_up();
}

static void n35_from_where(void)
{
    tenon_address peer;
    char text[TENON_ADDRESS_TEXT_LEN];
    uint16_t port = serve_at("tcp:127.0.0.1:0");
    snprintf(text, sizeof text, "tcp:127.0.0.1:%u:local=127.0.0.5", port);
    REQUIRE_OK(tenon_connector_start(rig.reactor, NULL, text,
                                     recorder_factory(&client), &how));
    PUMP_UNTIL(client.made && server.made);
    REQUIRE_OK(tenon_transport_peer_address(server.transport, &peer));
    tenon_address_format(&peer, text, sizeof text);
    REQUIRE(strncmp(text, "tcp:127.0.0.5:", 14) == 0);
    notes_clear();
    REQUIRE_OK(tenon_transport_close(client.transport));
    PUMP_UNTIL(client.lost && server.lost);
    how.local = "tcp:[::1]:0";
    start(NULL, "127.0.0.1", port);
    PUMP_UNTIL(rig.notes[0]);
    REQUIRE_NOTES("connected:EAFNOSUPPORT");
    how.local = "unix:/x";
    REQUIRE_STATUS(tenon_connector_start(rig.reactor, NULL, "tcp:127.0.0.1:1",
                                         recorder_factory(&client), &how),
                   TENON_BAD_ADDRESS);
    finish();
}

/* ---- as futures ---- */

static void n36_a_future(void)
{
    char text[64];
    void *value = NULL;
    uint16_t port = serve_at("tcp:127.0.0.1:0");
    snprintf(text, sizeof text, "tcp:127.0.0.1:%u", port);
    tenon_future *future;
    REQUIRE_MADE(future, tenon_connect(rig.reactor, text,
                                       recorder_factory(&client), NULL));
    PUMP_UNTIL(tenon_future_is_done(future) && server.made);
    REQUIRE_OK(tenon_future_value(future, &value));
    REQUIRE(value == client.transport);
    tenon_future_unref(future);
    const tenon_stop_options stop = {.size = sizeof stop,
                                     .mode = TENON_STOP_CLOSE};
    REQUIRE_MADE(future, tenon_listener_stop_future(listener, &stop));
    PUMP_UNTIL(tenon_future_is_done(future));
    REQUIRE(server.lost);
    REQUIRE_OK(tenon_future_value(future, &value));
    tenon_future_unref(future);
    finish();
}

static void n36_a_future_that_fails(void)
{
    char text[64];
    uint16_t port = refusing_port();
    snprintf(text, sizeof text, "tcp:127.0.0.1:%u", port);
    tenon_future *future;
    REQUIRE_MADE(future, tenon_connect(rig.reactor, text,
                                       recorder_factory(&client), NULL));
    PUMP_UNTIL(tenon_future_is_done(future));
    REQUIRE_STATUS(tenon_error_status(tenon_future_error(future)),
                   -ECONNREFUSED);
    tenon_future_unref(future);
    REQUIRE_MADE(future, tenon_connect(rig.reactor, "tcp:nowhere",
                                       recorder_factory(&client), NULL));
    REQUIRE(tenon_future_is_done(future));
    REQUIRE_STATUS(tenon_error_status(tenon_future_error(future)),
                   TENON_BAD_ADDRESS);
    tenon_future_unref(future);
    fake.hold = true;
    use_fake();
    REQUIRE_MADE(future, tenon_connect(rig.reactor, "tcp:name.test:1",
                                       recorder_factory(&client), NULL));
    REQUIRE_STATUS(tenon_future_cancel(future, NULL), TENON_EXISTED);
    REQUIRE_EQ(fake.cancels, 1);
    tenon_future_unref(future);
    rig_settle();
}

static const rig_case cases[] = {
    {"N07", "one error lists every cause", n07_every_cause, 0},
    {"N07b", "a failure brings the next attempt", n07_the_next_one_works, 0},
    {"N08", "no answer: the next attempt after 250 ms", n08_after_a_delay, 0},
    {"N08b", "families take turns", n08_families_take_turns, 0},
    {"N08c", "IPv6 goes first if it comes soon", n08_ipv6_may_be_a_little_later,
     0},
    {"N08d", "an answer may come in pieces", n08_an_answer_that_drips, 0},
    {"N08e", "timeouts of all and of one attempt", n08_timeouts, 0},
    {"N11b", "numeric names ask nobody", n11_numeric_names_ask_nobody, 0},
    {"N12", "results stream in", n12_results_stream_in, 0},
    {"N12b", "cancel stops delivery", n12_cancel_stops_delivery, 0},
    {"N12c", "a name without address is an error",
     n12_nothing_found_is_an_error, 0},
    {"N12d", "a name may take too long", n12_a_name_that_takes_too_long, 0},
    {"N12e", "what is pending at the end is told and reported",
     n12_pending_at_the_end, 0},
    {"N32b", "a connector can be cancelled at every stage",
     n32_cancel_at_every_stage, 0},
    {"N35", "a connection may have a local address", n35_from_where, 0},
    {"N36", "connecting and stopping as futures", n36_a_future, 0},
    {"N36b", "a future of a connection fails and is cancelled",
     n36_a_future_that_fails, 0},
};

const rig_group rig_names = RIG_GROUP(cases);
