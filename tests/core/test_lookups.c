/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Lookups and their resolvers, from where nobody expects a call: out of an
 * address, and out of a loop that a callback or the resolver itself runs. The
 * reactor is driven by hand, so every turn is counted.
 */

#include "side.h"

#include <tenon/foreign.h>

static char notes[64];
static tenon_lookup *held;
static tenon_status outcome;

static void put(char letter)
{
    size_t len = strlen(notes);
    ck_assert_uint_lt(len, sizeof notes - 1);
    notes[len] = letter;
}

static void foreign(void)
{
    fds_before = count_fds();
    ck_assert_int_eq(tenon_foreign_new(&reactor, &options), TENON_OK);
}

static tenon_status one_turn(void)
{
    return tenon_turn(reactor, NULL);
}

static void settle_all(void)
{
    for (int i = 0; i < 20; i++) {
        ck_assert_int_eq(one_turn(), TENON_OK);
    }
}

/* ---- a resolver that answers when it is told to ---- */

static void give(tenon_lookup *lookup, const char *text)
{
    tenon_address address;
    ck_assert_int_eq(tenon_address_parse(&address, text), TENON_OK);
    ck_assert_int_eq(tenon_lookup_add(lookup, &address), TENON_OK);
}

static void (*inside)(tenon_lookup *lookup);
static void (*inside_cancel)(tenon_lookup *lookup);

static tenon_status resolve(void *self, tenon_lookup *lookup)
{
    (void)self;
    held = lookup;
    put('[');
    if (inside) {
        inside(lookup);
    }
    put(']');
    return TENON_OK;
}

static void cancel(void *self, tenon_lookup *lookup)
{
    (void)self;
    put('x');
    if (inside_cancel) {
        inside_cancel(lookup);
    }
}

static const tenon_resolver_ops ops = {.size = sizeof ops,
                                       .name = "by hand",
                                       .resolve = resolve,
                                       .cancel = cancel};

static void (*on_each)(tenon_lookup *lookup);

static void on_address(tenon_lookup *lookup, const tenon_address *address,
                       void *user)
{
    (void)address;
    (void)user;
    put('a');
    if (on_each) {
        on_each(lookup);
    }
    put('.');
}

static void on_done(tenon_lookup *lookup, const tenon_error *error, void *user)
{
    (void)lookup;
    (void)user;
    put('d');
    outcome = tenon_error_status(error);
}

static const tenon_resolve_options how = {
    .size = sizeof how, .on_address = on_address, .on_done = on_done};

static void begin(void)
{
    foreign();
    ck_assert_int_eq(tenon_reactor_set_resolver(reactor, &ops, NULL), TENON_OK);
}

/* ---- out of an address ---- */

static void note_turn(void *user)
{
    (void)user;
    put('t');
}

static void cancel_it(tenon_lookup *lookup)
{
    ck_assert_int_eq(tenon_lookup_cancel(lookup), TENON_OK);
    ck_assert_int_eq(tenon_call_soon(reactor, note_turn, NULL), TENON_OK);
}

/* A later turn: not even at the end of this one. */
START_TEST(cancelled_by_an_address)
{
    begin();
    on_each = cancel_it;
    ck_assert_int_eq(tenon_resolve(reactor, NULL, "a.test", &how), TENON_OK);
    give(held, "tcp:127.0.0.1:0");
    give(held, "tcp:127.0.0.2:0");
    ck_assert_int_eq(tenon_reactor_set_budget(reactor, 0, 1), TENON_OK);
    ck_assert_int_eq(one_turn(), TENON_OK);
    ck_assert_str_eq(notes, "[]ax.");
    settle_all();
    ck_assert_str_eq(notes, "[]ax.dt");
    ck_assert_int_eq(outcome, TENON_CANCELLED);
    end();
}
END_TEST

static void answer_and_run(tenon_lookup *lookup)
{
    on_each = NULL;
    give(lookup, "tcp:127.0.0.2:0");
    tenon_lookup_done(lookup, NULL);
    settle_all();
}

/* A callback that is on the stack is not called again. */
START_TEST(an_address_runs_the_loop)
{
    begin();
    on_each = answer_and_run;
    ck_assert_int_eq(tenon_resolve(reactor, NULL, "a.test", &how), TENON_OK);
    give(held, "tcp:127.0.0.1:0");
    settle_all();
    ck_assert_str_eq(notes, "[]a.a.d");
    ck_assert_int_eq(outcome, TENON_OK);
    end();
}
END_TEST

/* ---- out of the resolver ---- */

/* No callback runs inside of the call that registers it. */
START_TEST(a_resolver_answers_and_runs_the_loop)
{
    begin();
    inside = answer_and_run;
    ck_assert_int_eq(tenon_resolve(reactor, NULL, "a.test", &how), TENON_OK);
    ck_assert_str_eq(notes, "[]");
    settle_all();
    ck_assert_str_eq(notes, "[]a.d");
    ck_assert(!tenon_reactor_alive(reactor));
    end();
}
END_TEST

static void close_in_turn(void *user)
{
    (void)user;
    put('c');
    ck_assert_int_ge(tenon_reactor_close(reactor), 0);
}

static void run_and_close(tenon_lookup *lookup)
{
    (void)lookup;
    inside = NULL;
    inside_cancel = NULL;
    ck_assert_int_eq(tenon_call_soon(reactor, close_in_turn, NULL), TENON_OK);
    ck_assert_int_eq(one_turn(), TENON_CLOSED);
}

START_TEST(a_resolver_closes_the_reactor_in_a_turn)
{
    begin();
    inside = run_and_close;
    tenon_lookup *lookup = NULL;
    ck_assert_int_eq(tenon_resolve(reactor, &lookup, "a.test", &how),
                     TENON_CLOSED);
    ck_assert_ptr_null(lookup);
    ck_assert_str_eq(notes, "[c]x");
    end();
}
END_TEST

static void run_and_drop(tenon_lookup *lookup)
{
    run_and_close(lookup);
    tenon_reactor_unref(reactor);
}

START_TEST(a_resolver_drops_the_reactor)
{
    begin();
    inside = run_and_drop;
    ck_assert_int_eq(tenon_resolve(reactor, NULL, "a.test", &how),
                     TENON_CLOSED);
    ck_assert_str_eq(notes, "[c]x");
    reactor = NULL;
    end();
}
END_TEST

static void on_in_time(tenon_connector *c, tenon_transport *t,
                       const tenon_error *error, void *user)
{
    (void)c;
    (void)t;
    (void)user;
    put('k');
    outcome = tenon_error_status(error);
}

static void wait_for_the_deadline(tenon_lookup *lookup)
{
    (void)lookup;
    inside = NULL;
    int64_t end_ns = tenon_now(reactor) + 20 * TENON_MILLISECOND;
    while (tenon_now(reactor) < end_ns) {
        ck_assert_int_eq(one_turn(), TENON_OK);
    }
}

/* A connector over the same resolver: its time does not run inside of it. */
START_TEST(a_resolver_outlasts_a_connector)
{
    const tenon_connect_options in_time = {.size = sizeof in_time,
                                           .timeout_ns = TENON_MILLISECOND,
                                           .on_connected = on_in_time};
    side a = {.t = NULL};
    begin();
    inside = wait_for_the_deadline;
    ck_assert_int_eq(
        tenon_connector_start(reactor, NULL, "tcp:a.test:1", as(&a), &in_time),
        TENON_OK);
    ck_assert_str_eq(notes, "[]");
    wait_for_the_deadline(NULL);
    ck_assert_str_eq(notes, "[]xk");
    ck_assert_int_eq(outcome, TENON_TIMED_OUT);
    ck_assert(!tenon_reactor_alive(reactor));
    inside = _i == 0 ? run_and_close : run_and_drop;
    ck_assert_int_eq(
        tenon_connector_start(reactor, NULL, "tcp:a.test:1", as(&a), &in_time),
        TENON_CLOSED);
    ck_assert_str_eq(notes, "[]xk[c]x");
    reactor = _i == 0 ? reactor : NULL;
    end();
}
END_TEST

/* The end tells what is owed, and the cancel that led to it adds nothing. */
START_TEST(a_cancel_closes_the_reactor_in_a_turn)
{
    tenon_lookup *lookup;
    begin();
    inside_cancel = run_and_close;
    ck_assert_int_eq(tenon_resolve(reactor, &lookup, "a.test", &how), TENON_OK);
    ck_assert_int_eq(tenon_lookup_cancel(lookup), TENON_OK);
    ck_assert_str_eq(notes, "[]xcd");
    ck_assert_int_eq(outcome, TENON_CLOSED);
    ck_assert_int_eq(reports, 1);
    tenon_lookup_unref(lookup);
    end();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("lookups");
    TCase *tc = tcase_create("lookups");
    tcase_add_test(tc, cancelled_by_an_address);
    tcase_add_test(tc, an_address_runs_the_loop);
    tcase_add_test(tc, a_resolver_answers_and_runs_the_loop);
    tcase_add_test(tc, a_resolver_closes_the_reactor_in_a_turn);
    tcase_add_test(tc, a_resolver_drops_the_reactor);
    tcase_add_loop_test(tc, a_resolver_outlasts_a_connector, 0, 2);
    tcase_add_test(tc, a_cancel_closes_the_reactor_in_a_turn);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
