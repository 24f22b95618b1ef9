/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Group N, lookups beyond those of connections: the name of an address, and
 * the answers that are remembered.
 */

#include "recorder.h"

#include <string.h>

static struct {
    int calls;
    const char *host; /* what resolve_name says; NULL: nothing */
    bool hold;
    tenon_lookup *held;
    int cancels;
} fake;

static tenon_status fake_resolve(void *self, tenon_lookup *lookup)
{
    tenon_address address;
    REQUIRE(self == &fake && tenon_lookup_address(lookup) == NULL);
    fake.calls++;
    if (strncmp(tenon_lookup_name(lookup), "nobody", 6) != 0) {
        REQUIRE_OK(tenon_address_parse(&address, "tcp:192.0.2.1:0"));
        REQUIRE_OK(tenon_lookup_add(lookup, &address));
    }
    REQUIRE_STATUS(tenon_lookup_set_host(lookup, "a.test"), TENON_INVALID);
    tenon_lookup_done(lookup, NULL);
    return TENON_OK;
}

static tenon_status fake_resolve_name(void *self, tenon_lookup *lookup)
{
    const tenon_address *of = tenon_lookup_address(lookup);
    REQUIRE(self == &fake && of && of->kind == TENON_ADDRESS_TCP);
    REQUIRE(strcmp(tenon_lookup_name(lookup), "192.0.2.7") == 0);
    fake.calls++;
    if (fake.hold) {
        fake.held = lookup;
        return TENON_OK;
    }
    REQUIRE_STATUS(tenon_lookup_add(lookup, of), TENON_INVALID);
    if (fake.host) {
        note("set:%s",
             tenon_status_name(tenon_lookup_set_host(lookup, fake.host)));
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
                                            .cancel = fake_cancel,
                                            .resolve_name = fake_resolve_name};

static void use(const tenon_resolver_ops *ops)
{
    REQUIRE_OK(tenon_reactor_set_resolver(rig.reactor, ops, &fake));
}

/* ---- the name of an address ---- */

static bool named;

static void on_name(tenon_lookup *lookup, const char *host,
                    const tenon_error *error, void *user)
{
    REQUIRE(user == &fake && (host == NULL) == (error != NULL));
    REQUIRE(tenon_lookup_address(lookup) != NULL);
    note("%s", host ? host : tenon_status_name(tenon_error_status(error)));
    named = true;
}

static tenon_name_options name_how = {
    .size = sizeof name_how, .on_name = on_name, .user = &fake};

static void ask_name(const char *text, tenon_lookup **out)
{
    tenon_address address;
    named = false;
    REQUIRE_OK(tenon_address_parse(&address, text));
    REQUIRE_OK(tenon_resolve_name(rig.reactor, out, &address, &name_how));
    REQUIRE(!named);
}

static void n37_the_name_of_an_address(void)
{
    use(&fake_ops);
    fake.host = "seven.example.test";
    ask_name("tcp:192.0.2.7:80", NULL);
    REQUIRE_NOTES("set:TENON_OK");
    PUMP_UNTIL(named);
    REQUIRE_NOTES("set:TENON_OK seven.example.test");
    REQUIRE_EQ(fake.calls, 1);
}

/* The owner of an address decides what its name is said to be. */
static void n37_what_is_no_name_is_not_told(void)
{
    static const char *const bad[] = {"", "a b", "a\nb", "$(x)", "-x", "a..b"};
    use(&fake_ops);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        notes_clear();
        fake.host = bad[i];
        ask_name("tcp:192.0.2.7:80", NULL);
        PUMP_UNTIL(named);
        REQUIRE_NOTES("set:TENON_INVALID TENON_UNRESOLVED");
    }
}

static void n37_no_name(void)
{
    tenon_resolver_ops old = fake_ops;
    tenon_address address;
    use(&fake_ops);
    ask_name("tcp:192.0.2.7:80", NULL);
    PUMP_UNTIL(named);
    REQUIRE_NOTES("TENON_UNRESOLVED");
    REQUIRE_OK(tenon_address_parse(&address, "unix:/x"));
    REQUIRE_STATUS(tenon_resolve_name(rig.reactor, NULL, &address, &name_how),
                   TENON_INVALID);
    REQUIRE_OK(tenon_address_parse(&address, "tcp:192.0.2.7:80"));
    REQUIRE_STATUS(tenon_resolve_name(rig.reactor, NULL, &address, NULL),
                   TENON_INVALID);
    REQUIRE_STATUS(tenon_resolve_name(rig.reactor, NULL, NULL, &name_how),
                   TENON_INVALID);
    old.size = offsetof(tenon_resolver_ops, resolve_name);
    use(&old);
    REQUIRE_STATUS(tenon_resolve_name(rig.reactor, NULL, &address, &name_how),
                   TENON_NOT_SUPPORTED);
    use(NULL);
}

static void n37_cancelled(void)
{
    tenon_lookup *lookup;
    use(&fake_ops);
    fake.hold = true;
    ask_name("tcp:192.0.2.7:80", &lookup);
    REQUIRE(fake.held == lookup);
    REQUIRE_OK(tenon_lookup_cancel(lookup));
    REQUIRE(!named && fake.cancels == 1);
    PUMP_UNTIL(named);
    REQUIRE_NOTES("TENON_CANCELLED");
    tenon_lookup_unref(lookup);
}

/* The reactor's own, in its threads. What the system says of the loopback
 * address is its affair; that it is one answer, and later, is ours. */
static void n37_by_the_system(void)
{
    ask_name("tcp:127.0.0.1:0", NULL);
    PUMP_UNTIL(named);
    notes_clear();
    ask_name("tcp:[::1]:0", NULL);
    PUMP_UNTIL(named);
}

/* ---- what is remembered ---- */

static int answers;

static void on_address(tenon_lookup *lookup, const tenon_address *address,
                       void *user)
{
    (void)lookup;
    (void)user;
    REQUIRE_EQ(tenon_address_port(address), 7);
    answers++;
}

static bool done;

static void on_done(tenon_lookup *lookup, const tenon_error *error, void *user)
{
    (void)lookup;
    (void)error;
    (void)user;
    done = true;
}

/* How often the resolver was asked for it. */
static int asked_for(const char *name, int family, uint32_t flags)
{
    tenon_resolve_options how = {.size = sizeof how,
                                 .family = family,
                                 .port = 7,
                                 .on_address = on_address,
                                 .on_done = on_done,
                                 .flags = flags};
    int before = fake.calls;
    done = false;
    answers = 0;
    REQUIRE_OK(tenon_resolve(rig.reactor, NULL, name, &how));
    REQUIRE(!done && answers == 0);
    PUMP_UNTIL(done);
    return fake.calls - before;
}

static void n38_nothing_is_remembered_unasked(void)
{
    use(&fake_ops);
    REQUIRE_EQ(asked_for("a.test", 0, 0), 1);
    REQUIRE_EQ(asked_for("a.test", 0, 0), 1);
    REQUIRE_EQ(answers, 1);
}

/* Without memory it is asked again. */
static void require_remembered(const char *name)
{
    int count = asked_for(name, 0, 0);
    REQUIRE(count == 0 || rig_swept());
}

static void n38_an_answer_is_remembered(void)
{
    use(&fake_ops);
    REQUIRE_OK(tenon_reactor_set_lookup_cache(rig.reactor, TENON_FOREVER, 0));
    REQUIRE_EQ(asked_for("a.test", 0, 0), 1);
    require_remembered("a.test");
    REQUIRE_EQ(answers, 1);
    require_remembered("A.Test");
    REQUIRE_EQ(asked_for("a.test", AF_INET, 0), 1);
    REQUIRE_EQ(asked_for("b.test", 0, 0), 1);
    REQUIRE_EQ(asked_for("a.test", 0, TENON_RESOLVE_FRESH), 1);
    require_remembered("a.test");
    /* That there is none may change at any time. */
    REQUIRE_EQ(asked_for("nobody.test", 0, 0), 1);
    REQUIRE_EQ(asked_for("nobody.test", 0, 0), 1);
    REQUIRE_EQ(answers, 0);
    use(&fake_ops);
    REQUIRE_EQ(asked_for("a.test", 0, 0), 1);
    REQUIRE_OK(tenon_reactor_set_lookup_cache(rig.reactor, 0, 0));
    REQUIRE_EQ(asked_for("a.test", 0, 0), 1);
    REQUIRE_EQ(asked_for("a.test", 0, 0), 1);
    REQUIRE_STATUS(tenon_reactor_set_lookup_cache(rig.reactor, -1, 0),
                   TENON_INVALID);
}

static void n38_the_least_used_goes_first(void)
{
    use(&fake_ops);
    REQUIRE_OK(tenon_reactor_set_lookup_cache(rig.reactor, TENON_FOREVER, 2));
    REQUIRE_EQ(asked_for("a.test", 0, 0), 1);
    REQUIRE_EQ(asked_for("b.test", 0, 0), 1);
    int again = asked_for("a.test", 0, 0);
    REQUIRE_EQ(asked_for("c.test", 0, 0), 1);
    again += asked_for("a.test", 0, 0);
    int gone = asked_for("b.test", 0, 0);
    if (!rig_swept()) { /* without memory an answer is not kept */
        REQUIRE_EQ(again, 0);
        REQUIRE_EQ(gone, 1);
    }
}

static void on_time(tenon_timer *timer, void *user)
{
    (void)timer;
    *(bool *)user = true;
}

static void n38_an_answer_gets_old(void)
{
    tenon_timer timer;
    bool over = false;
    use(&fake_ops);
    REQUIRE_OK(tenon_reactor_set_lookup_cache(rig.reactor, MS(30), 0));
    REQUIRE_EQ(asked_for("a.test", 0, 0), 1);
    tenon_timer_init(&timer, rig.reactor);
    REQUIRE_OK(tenon_timer_start(&timer, MS(40), on_time, &over));
    PUMP_UNTIL(over);
    REQUIRE_EQ(asked_for("a.test", 0, 0), 1);
}

static const rig_case cases[] = {
    {"N37", "the name of an address", n37_the_name_of_an_address, 0},
    {"N37b", "what is no name is not told", n37_what_is_no_name_is_not_told, 0},
    {"N37c", "an address may have no name", n37_no_name, 0},
    {"N37d", "the name of an address, cancelled", n37_cancelled, 0},
    {"N37e", "the name of an address, by the system", n37_by_the_system,
     NEED_TIME},
    {"N38", "answers are not remembered unasked",
     n38_nothing_is_remembered_unasked, 0},
    {"N38b", "answers are remembered", n38_an_answer_is_remembered, 0},
    {"N38c", "the least used answer goes first", n38_the_least_used_goes_first,
     0},
    {"N38d", "an answer gets old", n38_an_answer_gets_old, 0},
};

const rig_group rig_lookup = RIG_GROUP(cases);
