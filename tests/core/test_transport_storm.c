/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Connections in a storm: programs of random calls on both ends, drawn from a
 * seed, which go on inside of every callback. Whatever they do, a connection
 * is made and lost once, nothing is called after that, each loan and each
 * buffer comes back once, what arrives is a prefix of what was accepted, and
 * memory and descriptors are as before.
 *
 * ctest: timeout=120
 */

#include "side.h"

#include <errno.h>
#include <sys/socket.h>

enum { PAIRS = 4, STEPS = 250, DEEPEST = 2, LOANS = 4096 };

static uint32_t seed;
static int deep;

static uint32_t draw(uint32_t below)
{
    seed = seed * 1664525U + 1013904223U;
    return (seed >> 8) % below;
}

typedef struct one {
    tenon_transport *t;
    struct one *other;
    uint64_t sent; /* accepted, in order: byte n is pattern_at(n) */
    uint64_t got;
    bool made;
    bool lost;
} one;

static one ones[2 * PAIRS];
static char block[70000 + 256];
static unsigned char loans[LOANS]; /* 1: out, 2: back */
static int next_loan;
static int buffers; /* that were taken, and are out */

static void step(void);

static void go_on(void)
{
    if (deep < DEEPEST && draw(3) == 0) {
        deep++;
        for (uint32_t i = draw(3); i > 0; i--) {
            step();
        }
        deep--;
    }
}

/* ---- the protocol ---- */

static tenon_status outcome(void)
{
    go_on();
    return draw(60) ? TENON_OK : -EPROTO;
}

static tenon_status storm_made(void *self, tenon_transport *t)
{
    one *o = self;
    ck_assert(!o->made && !o->lost);
    o->made = true;
    o->t = tenon_transport_ref(t);
    return outcome();
}

static tenon_status storm_data(void *self, tenon_transport *t, const void *data,
                               size_t len)
{
    one *o = self;
    (void)t;
    ck_assert(o->made && !o->lost);
    ck_assert_uint_gt(len, 0);
    for (size_t at = 0; at < len;) {
        size_t part = len - at < 60000 ? len - at : 60000;
        ck_assert(memcmp((const char *)data + at, block + (o->got + at) % 256,
                         part) == 0);
        at += part;
    }
    size_t back = draw(8) ? 0 : draw((uint32_t)len);
    o->got += len;
    if (back > 0 && tenon_transport_unread(t, (const char *)data + len - back,
                                           back) == TENON_OK) {
        o->got -= back;
    }
    return outcome();
}

static tenon_status storm_eof(void *self, tenon_transport *t)
{
    one *o = self;
    (void)t;
    ck_assert(o->made && !o->lost);
    go_on();
    return draw(2) ? TENON_KEEP_OPEN : TENON_OK;
}

static tenon_status storm_lost(void *self, tenon_transport *t,
                               const tenon_error *error)
{
    one *o = self;
    (void)t;
    (void)error;
    ck_assert(o->made && !o->lost);
    o->lost = true;
    return outcome();
}

static tenon_status storm_notice(void *self, tenon_transport *t)
{
    one *o = self;
    (void)t;
    ck_assert(o->made && !o->lost);
    return outcome();
}

static const tenon_protocol_ops storm_ops = {.size = sizeof storm_ops,
                                             .connection_made = storm_made,
                                             .data_received = storm_data,
                                             .eof_received = storm_eof,
                                             .connection_lost = storm_lost,
                                             .pause_writing = storm_notice,
                                             .resume_writing = storm_notice};

/* ---- what may be called ---- */

static void on_loan(tenon_transport *t, tenon_status status, void *user)
{
    unsigned char *loan = user;
    (void)t;
    (void)status;
    ck_assert_uint_eq(*loan, 1);
    *loan = 2;
    go_on();
}

static void free_taken(void *buffer, size_t len, void *user)
{
    (void)len;
    (void)user;
    free(buffer);
    buffers--;
}

static void write_some(one *o)
{
    size_t len = draw(4) ? draw(300) : draw(60000);
    const char *bytes = block + o->sent % 256;
    tenon_status status = TENON_INVALID;
    unsigned char *loan = &loans[next_loan];
    switch (draw(3)) {
    case 0:
        status = tenon_transport_write(o->t, bytes, len);
        break;
    case 1:
        ck_assert_int_lt(next_loan, LOANS);
        *loan = 1;
        next_loan++;
        status = tenon_transport_write_ref(o->t, bytes, len, on_loan, loan);
        if (status < 0) {
            *loan = 2;
        }
        break;
    default: {
        char *copy = malloc(len + 1);
        memcpy(copy, bytes, len);
        buffers++;
        status = tenon_transport_write_take(o->t, copy, len, free_taken, NULL);
        if (status < 0) {
            free_taken(copy, len, NULL);
        }
        break;
    }
    }
    if (status >= 0) {
        o->sent += len;
    }
}

static void on_tap(tenon_transport *t, enum tenon_tap_way way, const void *data,
                   size_t len, void *user)
{
    (void)way;
    (void)data;
    (void)len;
    (void)user;
    if (draw(6) == 0) {
        (void)tenon_transport_tap(t, NULL, NULL);
    } else if (draw(40) == 0) {
        tenon_transport_abort(t);
    }
}

static void step(void)
{
    one *o = &ones[draw(2 * PAIRS)];
    if (!o->t) {
        return;
    }
    switch (draw(24)) {
    case 0:
        (void)tenon_transport_close(o->t);
        break;
    case 1:
        if (draw(3) == 0) {
            (void)tenon_transport_abort(o->t);
        }
        break;
    case 2:
    case 3:
        (void)tenon_transport_pause_reading(o->t);
        break;
    case 4:
    case 5:
    case 6:
    case 7:
        (void)tenon_transport_resume_reading(o->t);
        break;
    case 8:
        (void)tenon_transport_write_eof(o->t);
        break;
    case 9:
        (void)tenon_transport_set_protocol(o->t,
                                           (tenon_protocol){&storm_ops, o});
        break;
    case 10:
        (void)tenon_transport_set_write_limits(o->t, draw(5000), 0);
        break;
    case 11:
        (void)tenon_transport_set_idle_timeout(o->t,
                                               draw(2) * 5 * TENON_MILLISECOND);
        break;
    case 12:
        (void)!tenon_transport_tap(o->t, on_tap, NULL);
        break;
    case 13:
        (void)tenon_transport_close_within(o->t, TENON_MILLISECOND);
        break;
    case 14:
    case 15:
    case 16:
        (void)!(deep ? 0 : tenon_run_once(reactor, 0));
        break;
    default:
        write_some(o);
        break;
    }
}

/* ---- a storm ---- */

static void join_all(void)
{
    for (int i = 0; i < PAIRS; i++) {
        int fds[2];
        ck_assert_int_eq(socketpair(AF_UNIX,
                                    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
                                    0, fds),
                         0);
        for (int k = 0; k < 2; k++) {
            tenon_transport *t;
            tenon_factory factory = tenon_factory_of(&storm_ops);
            factory.shared.self = &ones[2 * i + k];
            ones[2 * i + k].other = &ones[2 * i + 1 - k];
            ck_assert_int_eq(
                tenon_transport_adopt(reactor, &t, fds[k], factory), TENON_OK);
        }
    }
}

static tenon_status ignore_report(tenon_reactor *r, const tenon_report *report,
                                  void *user)
{
    (void)r;
    (void)report;
    (void)user;
    return TENON_OK;
}

static void storm(uint32_t number)
{
    seed = number;
    next_loan = 0;
    memset(ones, 0, sizeof ones);
    memset(loans, 0, sizeof loans);
    options.on_error = ignore_report;
    native();
    join_all();
    for (int i = 0; i < STEPS; i++) {
        step();
        (void)!(i % 8 ? 0 : tenon_run_once(reactor, 0));
    }
    if (draw(2)) {
        ck_assert_int_ge(tenon_reactor_close(reactor), 0);
    }
    for (int i = 0; i < 2 * PAIRS; i++) {
        if (ones[i].t) {
            (void)tenon_transport_abort(ones[i].t);
            tenon_transport_unref(ones[i].t);
            ones[i].t = NULL;
        }
    }
    tenon_reactor_unref(reactor);
    reactor = NULL;
    for (int i = 0; i < 2 * PAIRS; i++) {
        ck_assert_msg(ones[i].made == ones[i].lost, "storm %u", number);
        ck_assert_msg(ones[i].got <= ones[i].other->sent, "storm %u", number);
    }
    for (int i = 0; i < next_loan; i++) {
        ck_assert_msg(loans[i] == 2, "storm %u: loan %d", number, i);
    }
    ck_assert_msg(buffers == 0, "storm %u: buffers", number);
    end();
}

START_TEST(exactly_once_on_connections)
{
    const char *only = getenv("TENON_STORM");
    const char *all = getenv("TENON_EXHAUSTIVE");
    uint32_t from = only ? (uint32_t)strtoul(only, NULL, 10) : 1;
    uint32_t count = only ? 1 : all ? 20000 : 300;
    for (size_t i = 0; i < sizeof block; i++) {
        block[i] = (char)i;
    }
    for (uint32_t i = 0; i < count; i++) {
        storm(from + i);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("transport-storm");
    TCase *tc = tcase_create("transport-storm");
    tcase_set_timeout(tc, 100);
    tcase_add_test(tc, exactly_once_on_connections);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
