/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Group L22: shutdown hooks, in an end that waits for them (close) and in those
 * that cannot (the last reference dropped, the host gone).
 */

#include "rig.h"

#include <stdlib.h>

static tenon_status hook_at_once(tenon_reactor *reactor, tenon_shutdown *hook,
                                 void *user)
{
    (void)reactor;
    (void)hook;
    note_call(user);
    return TENON_OK;
}

static void finish_hook(void *user)
{
    note("done");
    tenon_shutdown_done(user);
}

static tenon_status hook_later(tenon_reactor *reactor, tenon_shutdown *hook,
                               void *user)
{
    note_call(user);
    REQUIRE_OK(tenon_call_later(reactor, MS(20), finish_hook, hook, NULL));
    return TENON_PENDING;
}

static void add_hook(tenon_shutdown *hook, tenon_shutdown_fn *fn, void *user)
{
    REQUIRE_STATUS(tenon_reactor_on_shutdown(rig.reactor, hook, fn, user),
                   TENON_OK);
}

static void l22_hooks_newest_first(void)
{
    tenon_shutdown hooks[4];
    add_hook(&hooks[0], hook_at_once, "one");
    add_hook(&hooks[1], hook_later, "two");
    add_hook(&hooks[2], hook_at_once, "three");
    add_hook(&hooks[3], hook_at_once, "removed");
    tenon_shutdown_remove(&hooks[3]);
    REQUIRE_OK(tenon_reactor_close(rig.reactor));
    PUMP_UNTIL(rig.closed);
    REQUIRE_NOTES("three two done one");
    REQUIRE_OK(tenon_reactor_close(rig.reactor));
    REQUIRE_STATUS(
        tenon_reactor_on_shutdown(rig.reactor, &hooks[0], hook_at_once, "late"),
        TENON_CLOSED);
}

static tenon_status hook_never(tenon_reactor *reactor, tenon_shutdown *hook,
                               void *user)
{
    (void)reactor;
    (void)hook;
    note_call(user);
    return TENON_PENDING;
}

static void l22_a_hook_has_a_deadline(void)
{
    tenon_shutdown hooks[2];
    tenon_reactor_options options = rig_options();
    options.shutdown_timeout_ns = MS(50);
    rig_open(&options);
    add_hook(&hooks[0], hook_at_once, "first");
    add_hook(&hooks[1], hook_never, "stuck");
    REQUIRE_OK(tenon_reactor_close(rig.reactor));
    PUMP_UNTIL(rig.closed);
    REQUIRE(note_count("stuck") == 1);
    if (rig.reports) {
        rig_take_report(TENON_TIMED_OUT);
    }
}

/* ---- ends that cannot wait ---- */

/* Nobody else is called on its behalf: what is asked for now is refused. */
static tenon_status hook_frees_itself(tenon_reactor *reactor,
                                      tenon_shutdown *hook, void *user)
{
    tenon_shutdown late;
    note_call(user);
    REQUIRE(tenon_reactor_is_closed(reactor));
    REQUIRE(tenon_call_soon(reactor, note_call, "never") < 0);
    REQUIRE(tenon_reactor_on_shutdown(reactor, &late, hook_at_once, "late") <
            0);
    REQUIRE_OK(tenon_reactor_close(reactor)); /* which is under way */
    memset(hook, 0xa5, sizeof *hook);
    free(hook);
    return TENON_OK;
}

static void finish_stuck(void *hook)
{
    tenon_shutdown_done(hook); /* too late, and harmless */
    tenon_shutdown_remove(hook);
}

static void drop(void)
{
    tenon_reactor *reactor = rig.reactor;
    rig.reactor = NULL;
    rig.spin.reactor = NULL;
    tenon_reactor_unref(reactor);
}

/* The loop's, too, where it has one. */
static void drop_last(void)
{
    drop();
    if (!rig.closed && rig.loop) {
        rig.fixture->loop_free(rig.loop);
        rig.loop = NULL;
    }
}

static void l22_the_last_reference_runs_hooks(void)
{
    tenon_shutdown hooks[2];
    add_hook(&hooks[0], hook_at_once, "one");
    add_hook(malloc(sizeof(tenon_shutdown)), hook_frees_itself, "two");
    add_hook(&hooks[1], hook_never, "stuck");
    rig_settle();
    drop_last();
    REQUIRE_NOTES("stuck two one");
    finish_stuck(&hooks[1]);
}

/* One is waited for when nobody is left to wait. */
static void l22_unref_while_a_hook_is_pending(void)
{
    tenon_shutdown hooks[3];
    add_hook(&hooks[0], hook_at_once, "one");
    add_hook(&hooks[1], hook_never, "two");
    add_hook(&hooks[2], hook_never, "stuck");
    REQUIRE_STATUS(tenon_reactor_close(rig.reactor), TENON_PENDING);
    PUMP_UNTIL(noted("stuck"));
    REQUIRE_NOTES("stuck");
    drop_last();
    REQUIRE_NOTES("stuck two one");
    finish_stuck(&hooks[2]);
}

static void kill_host(void)
{
    rig.fixture->loop_free(rig.loop);
    rig.loop = NULL;
}

static void l22_the_hosts_end_runs_hooks(void)
{
    tenon_shutdown hooks[2];
    tenon_reactor_options options = rig_options();
    rig_open(&options);
    add_hook(&hooks[0], hook_at_once, "one");
    add_hook(malloc(sizeof(tenon_shutdown)), hook_frees_itself, "two");
    add_hook(&hooks[1], hook_never, "stuck");
    soon(note_call, "never"); /* so that the host was asked before */
    kill_host();
    REQUIRE_OK(tenon_reactor_close(rig.reactor));
    REQUIRE(rig.closed);
    REQUIRE_NOTES("stuck two one");
    finish_stuck(&hooks[1]);
    drop();
}

static void l22_the_host_ends_while_a_hook_is_pending(void)
{
    tenon_shutdown hooks[2];
    tenon_reactor_options options = rig_options();
    rig_open(&options);
    add_hook(&hooks[0], hook_at_once, "one");
    add_hook(&hooks[1], hook_never, "stuck");
    REQUIRE_STATUS(tenon_reactor_close(rig.reactor), TENON_PENDING);
    PUMP_UNTIL(noted("stuck"));
    kill_host();
    drop();
    REQUIRE(rig.closed);
    REQUIRE_NOTES("stuck one");
    finish_stuck(&hooks[1]);
}

static const rig_case cases[] = {
    {"L22", "shutdown hooks run newest first and may take time",
     l22_hooks_newest_first, 0},
    {"L22b", "a shutdown hook has a deadline", l22_a_hook_has_a_deadline, BARE},
    {"L22c", "the last reference runs the hooks, and waits for none",
     l22_the_last_reference_runs_hooks, 0},
    {"L22d", "so it does when one is waited for",
     l22_unref_while_a_hook_is_pending, NEED_ATTACHED},
    {"L22e", "the end of the host runs the hooks, and waits for none",
     l22_the_hosts_end_runs_hooks, BARE | NEED_ATTACHED | NEED_DIES},
    {"L22f", "so it does when one is waited for",
     l22_the_host_ends_while_a_hook_is_pending,
     BARE | NEED_ATTACHED | NEED_DIES},
};

const rig_group rig_shutdown = RIG_GROUP(cases);
