/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * What is left out of the matrix, and why: one sentence for each. A pair that
 * no rule names is run.
 */

#include "matrix.h"

/* NULL, 0 and -1 stand for any. */
typedef struct rule {
    int event;
    const char *function;
    uint32_t on;     /* class of the call */
    uint32_t beside; /* class that its target has, too */
    int target;
    uint32_t without; /* capabilities of the host that would allow it */
    const char *reason;
} rule;

static const char no_loop[] =
    "tenon_resolver_ops: it must not wait, so it runs no loop";

static const char no_drop[] =
    "comes inside of a call outside of turns, whose caller has the reference";

static const rule rules[] = {
    {EV_FREED, NULL, TRANSPORT, 0, SELF, 0,
     "tenon_buffer_free_fn: it may not call the transport"},
    {EV_VISIT, NULL, WATCH | READER, 0, -1, 0,
     "tenon_reactor_foreach_watch: the visitor must not change any watch"},
    {-1, "tenon_transport_set_protocol", TRANSPORT, LINE, -1, 0,
     "a line is given away by tenon_line_set_protocol, which frees its buffer"},
    {-1, "tenon_pipe", TRANSPORT, LINE, -1, 0,
     "a line is given away by tenon_line_set_protocol, which frees its buffer"},
    {EV_CANCELLER, "tenon_run", REACTOR, 0, -1, 0,
     "comes inside of a call outside of turns, where a run runs, for ever"},
    {EV_RESOLVE, "tenon_run*", 0, 0, -1, 0, no_loop},
    {EV_RESOLVE, "tenon_turn", 0, 0, -1, 0, no_loop},
    {EV_RESOLVE, "tenon_manual_turn", 0, 0, -1, 0, no_loop},
    {EV_RESOLVE, "tenon_manual_advance", 0, 0, -1, 0, no_loop},
    {EV_RESOLVE, "host_nested", 0, 0, -1, 0, no_loop},
    {EV_RESOLVE, "host_iterate", 0, 0, -1, 0, no_loop},
    {EV_UNRESOLVE, "tenon_run*", 0, 0, -1, 0, no_loop},
    {EV_UNRESOLVE, "tenon_turn", 0, 0, -1, 0, no_loop},
    {EV_UNRESOLVE, "tenon_manual_turn", 0, 0, -1, 0, no_loop},
    {EV_UNRESOLVE, "tenon_manual_advance", 0, 0, -1, 0, no_loop},
    {EV_UNRESOLVE, "host_nested", 0, 0, -1, 0, no_loop},
    {EV_UNRESOLVE, "host_iterate", 0, 0, -1, 0, no_loop},
    {EV_RESOLVE, "tenon_reactor_unref", REACTOR, 0, -1, 0, no_drop},
    {EV_UNRESOLVE, "tenon_reactor_unref", REACTOR, 0, -1, 0, no_drop},
    {EV_UNRESOLVE, NULL, LOOKUP, 0, SELF, 0,
     "tenon_resolver_ops.cancel: the lookup is not to be used again"},
    {-1, "host_nested", HOST, 0, -1, TENON_FIXTURE_NESTED,
     "this host's loop cannot be run from its own callbacks"},
    {-1, "host_iterate", HOST, 0, -1, TENON_FIXTURE_NESTED,
     "this host's loop cannot be run from its own callbacks"},
    {-1, "host_attach", HOST, 0, -1, TENON_FIXTURE_SHARED,
     "one loop of this host carries one reactor"},
};

static uint32_t offers(const callback_row *callback, const move *act,
                       const part *sibling)
{
    const part *of = act->target == SIBLING ? sibling : callback->kind;
    return of ? of->offers : 0;
}

/* A star stands for any end. */
static bool names(const char *pattern, const char *function)
{
    size_t len = strcspn(pattern, "*");
    return strncmp(pattern, function, len) == 0 &&
           (pattern[len] == '*' || function[len] == '\0');
}

static bool applies(const rule *r, const callback_row *callback,
                    const move *act, const part *sibling,
                    const tenon_fixture *fixture)
{
    const call_row *call = act->call;
    return (r->event < 0 || r->event == (int)callback->event) &&
           (!r->function || names(r->function, call->function)) &&
           (!r->on || (r->on & call->on)) &&
           (!r->beside || (r->beside & offers(callback, act, sibling))) &&
           (r->target < 0 || r->target == (int)act->target) &&
           (!r->without || !(fixture->caps & r->without));
}

static const char *host_lacks(const call_row *call,
                              const tenon_fixture *fixture)
{
    if (strcmp(call->function, "host_stop") == 0 && !fixture->stop) {
        return "this host's loop is not run, hence not stopped";
    }
    if (strcmp(call->function, "host_call") == 0 && !fixture->call_native) {
        return "this host has no callbacks of its own";
    }
    if (strcmp(call->function, "tenon_reactor_host_gone") == 0 &&
        strcmp(fixture->name, "foreign") != 0) {
        return "the adapter's to call: it frees its own memory after it";
    }
    return NULL;
}

const char *rule_against(const callback_row *callback, const move *act,
                         const part *sibling, const tenon_fixture *fixture)
{
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        if (applies(&rules[i], callback, act, sibling, fixture)) {
            return rules[i].reason;
        }
    }
    return host_lacks(act->call, fixture);
}

const char *rule_against_nesting(const callback_row *callback,
                                 const tenon_fixture *fixture)
{
    if (!(fixture->caps & TENON_FIXTURE_NESTED)) {
        return "this host's loop cannot be run from its own callbacks";
    }
    switch ((int)callback->event) {
    case EV_VISIT:
        return "tenon_reactor_foreach_watch: a loop would change watches";
    case EV_CANCELLER:
        return "tenon_canceller_fn: it may call no user code";
    case EV_RESOLVE:
    case EV_UNRESOLVE:
        return "tenon_resolver_ops: it must not wait";
    case EV_FREED:
        return "tenon_buffer_free_fn: a loop would call the transport";
    default:
        return NULL;
    }
}

const exclusion exclusions[] = {
    {"tenon_address_*", "reads and writes the caller's memory alone"},
    {"tenon_endpoint_*", "reads and writes the caller's memory alone"},
    {"tenon_name_is_valid", "reads the caller's memory alone"},
    {"tenon_error_*", "immutable, and belongs to no reactor"},
    {"tenon_status_*", "reads constants"},
    {"tenon_version", "reads a constant"},
    {"tenon_block_free", "tenon_block_new has it in its row"},
    {"tenon_reactor_attach", "host_attach calls it, through every adapter"},
    {"tenon_*_attach", "host_attach calls it"},
    {"tenon_glib_new", "as tenon_glib_attach, on a loop of its own"},
    {"tenon_libuv_new", "as tenon_libuv_attach, on a loop of its own"},
    {"tenon_libevent_new", "as tenon_libevent_attach, on a loop of its own"},
    {"tenon_resolve_name", "as tenon_resolve, whose functions it shares"},
    {"tenon_name_fn", "as tenon_lookup_done_fn, which is told in its place"},
    {"tenon_resolver_ops.resolve_name", "as tenon_resolver_ops.resolve"},
    {"tenon_again_fn",
     "asked where a try has failed; its own tests cancel in it"},
    {"tenon_alive_fn", "may come inside of any call, and may make none"},
    {"tenon_match_fn", "looks at bytes, and calls nothing"},
    {"tenon_spawn_fn", "called by tenon_spawn; its own tests call from it"},
    {"tenon_queue_compare_fn", "called by a put; it may call nothing"},
    {"tenon_task_visit_fn", "called by a walk; its own tests call from it"},
    {"tenon_process_*", "has no actor; its own tests call from its callbacks"},
    {"tenon_executor_*", "belongs to no reactor, and any thread may call it"},
    {"tenon_work_*", "for the work itself, in a thread, and for executors"},
    {"tenon_executor_ops.*", "an executor's, called as a host's slots are"},
    {"tenon_map_*", "its work is tenon_call_in_at's, its end a future's"},
    {"tenon_progress_fn", "comes of a post, as tenon_post_fn does"},
    {"tenon_blocking_fn", "comes of a post, as tenon_post_fn does"},
    {"tenon_call_blocking", "of other threads; refused on this one"},
    {"tenon_outcome_clear", "frees the caller's memory alone"},
    {"tenon_file_*", "is work, as tenon_call_in_at; its own tests call it"},
    {"tenon_native_ops.*", "a shim's, called as a host's slots are"},
    {"tenon_transport_native*", "for shims; their tests have such transports"},
    {"tenon_transport_adopt_native", "for shims; their tests adopt them"},
    {"tenon_curl_*", "a shim; its tests run under curl"},
    {"tenon_gio_*", "a shim; its tests run under GIO"},
    {"tenon_redis_*", "a shim; its tests run under hiredis"},
    {"tenon_pollable_*", "a shim; its own tests call from its callbacks"},
    {"tenon_realloc_fn",
     "called in the middle of everything; it may call nothing"},
    {"tenon_host_closed_fn", "the engine's own, which adapters call"},
    {"tenon_host_ops.*", "an adapter's, which calls nothing but tenon_turn"},
};
const size_t exclusion_count = sizeof exclusions / sizeof exclusions[0];
