/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Mistakes of the caller: nothing where something must be, numbers that mean
 * nothing, objects that were never started. Each is a status and changes
 * nothing; releasing nothing is legal.
 */

#include "side.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <sys/socket.h>
#include <tenon/sys/host.h>

static int wrong;

#define WANT(call, wanted)                                           \
    do {                                                             \
        tenon_status got_ = (call);                                  \
        if (got_ != (wanted)) {                                      \
            wrong++;                                                 \
            fprintf(stderr, "%d: %s: %s, not %s\n", __LINE__, #call, \
                    tenon_status_name(got_), #wanted);               \
        }                                                            \
    } while (0)
#define INVALID(call) WANT(call, TENON_INVALID)
#define HOLDS(condition)                                           \
    do {                                                           \
        if (!(condition)) {                                        \
            wrong++;                                               \
            fprintf(stderr, "%d: not %s\n", __LINE__, #condition); \
        }                                                          \
    } while (0)

static void never(void *user)
{
    (void)user;
    ck_abort_msg("called");
}

static void never_timer(tenon_timer *timer, void *user)
{
    (void)timer;
    never(user);
}

static void never_ready(tenon_watch *watch, uint32_t events, void *user)
{
    (void)watch;
    (void)events;
    never(user);
}

static void never_signal(tenon_signal *signal, uint32_t count, void *user)
{
    (void)signal;
    (void)count;
    never(user);
}

static void never_posted(tenon_post_node *post, tenon_status status, void *user)
{
    (void)post;
    (void)status;
    never(user);
}

static tenon_status never_tick(tenon_periodic *p, uint64_t missed, void *user)
{
    (void)p;
    (void)missed;
    never(user);
    return TENON_OK;
}

static void never_done(tenon_waiter *waiter, tenon_future *future, void *user)
{
    (void)waiter;
    (void)future;
    never(user);
}

static tenon_status at_end(tenon_reactor *r, tenon_shutdown *hook, void *user)
{
    (void)r;
    (void)hook;
    (void)user;
    return TENON_OK;
}

/* ---- one group of calls each ---- */

static void of_the_loop(void)
{
    tenon_handle none;
    tenon_call_options how = {.size = sizeof how};
    tenon_timer timer;
    memset(&none, 0, sizeof none);
    memset(&timer, 0, sizeof timer);
    INVALID(tenon_call_soon(reactor, NULL, NULL));
    INVALID(tenon_call_soon(NULL, never, NULL));
    INVALID(tenon_call_with(reactor, NULL, NULL));
    INVALID(tenon_call_with(reactor, &how, NULL));
    WANT(tenon_handle_cancel(none), TENON_OK);
    INVALID(tenon_handle_reset(none, 1));
    INVALID(tenon_handle_delay(none, 1));
    HOLDS(!tenon_handle_is_pending(none));
    HOLDS(tenon_handle_when(none) == 0);
    none.reactor = reactor;
    HOLDS(!tenon_handle_is_pending(none));
    none.sequence = 1;
    none.slot = UINT32_MAX;
    WANT(tenon_handle_cancel(none), TENON_OK);
    INVALID(tenon_handle_reset(none, 1));
    INVALID(tenon_timer_start(NULL, 1, never_timer, NULL));
    INVALID(tenon_timer_start(&timer, 1, never_timer, NULL));
    INVALID(tenon_timer_start_at(&timer, 1, never_timer, NULL));
    INVALID(tenon_timer_start_at(NULL, 1, never_timer, NULL));
    tenon_timer_init(&timer, reactor);
    INVALID(tenon_timer_start(&timer, 1, NULL, NULL));
    INVALID(tenon_timer_stop(NULL));
    WANT(tenon_timer_stop(&timer), TENON_OK);
    HOLDS(tenon_timer_when(&timer) == 0);
    INVALID(tenon_timer_reset(NULL, 1));
    INVALID(tenon_timer_reset(&timer, 1));
    INVALID(tenon_timer_delay(NULL, 1));
    INVALID(tenon_timer_delay(&timer, 1));
}

static void of_periodics(void)
{
    tenon_periodic p;
    tenon_periodic_options how = {
        .size = sizeof how, .period_ns = TENON_SECOND, .fn = never_tick};
    memset(&p, 0, sizeof p);
    INVALID(tenon_periodic_start(NULL, reactor, &how));
    INVALID(tenon_periodic_start(&p, reactor, NULL));
    INVALID(tenon_periodic_start(&p, NULL, &how));
    how.fn = NULL;
    INVALID(tenon_periodic_start(&p, reactor, &how));
    how.fn = never_tick;
    how.period_ns = 0;
    INVALID(tenon_periodic_start(&p, reactor, &how));
    how.period_ns = TENON_SECOND;
    how.jitter_ns = -1;
    INVALID(tenon_periodic_start(&p, reactor, &how));
    how.jitter_ns = TENON_SECOND;
    INVALID(tenon_periodic_start(&p, reactor, &how));
    INVALID(tenon_periodic_stop(NULL));
    WANT(tenon_periodic_stop(&p), TENON_OK);
    INVALID(tenon_periodic_done(NULL, TENON_OK));
    INVALID(tenon_periodic_done(&p, TENON_OK));
}

static void never_visit(const tenon_watch_info *info, void *user)
{
    (void)info;
    never(user);
}

static void of_watches_and_signals(void)
{
    tenon_watch watch;
    tenon_signal signal;
    tenon_watch_init(&watch, reactor, 0);
    INVALID(tenon_watch_start(NULL, TENON_READ, never_ready, NULL));
    INVALID(tenon_watch_start(&watch, TENON_READ, NULL, NULL));
    INVALID(tenon_watch_stop(NULL));
    WANT(tenon_watch_stop(&watch), TENON_OK);
    INVALID(tenon_reactor_foreach_watch(reactor, NULL, NULL));
    INVALID(tenon_reactor_foreach_watch(NULL, never_visit, NULL));
    WANT(tenon_watch_set_daemon(&watch, true), TENON_OK);
    WANT(tenon_watch_set_daemon(&watch, true), TENON_OK);
    tenon_signal_init(&signal, reactor);
    INVALID(tenon_signal_start(NULL, SIGUSR1, 0, never_signal, NULL));
    INVALID(tenon_signal_start(&signal, SIGUSR1, 0, NULL, NULL));
    INVALID(tenon_signal_start(&signal, SIGKILL, 0, never_signal, NULL));
    INVALID(tenon_signal_stop(NULL));
    WANT(tenon_signal_stop(&signal), TENON_OK);
    memset(&signal, 0, sizeof signal);
    WANT(tenon_signal_stop(&signal), TENON_OK);
}

static void of_reactors(void)
{
    tenon_reactor *out = NULL;
    tenon_reactor_options empty = {.size = 0};
    tenon_host_ops host = {.size = sizeof host};
    tenon_stats stats = {.size = 0};
    tenon_shutdown hook;
    memset(&hook, 0, sizeof hook);
    INVALID(tenon_reactor_new(NULL, NULL));
    INVALID(tenon_reactor_new(&out, &empty));
    INVALID(tenon_manual_new(NULL, NULL));
    INVALID(tenon_foreign_new(NULL, NULL));
    INVALID(tenon_reactor_attach(NULL, &host, NULL, NULL));
    INVALID(tenon_reactor_attach(&out, NULL, NULL, NULL));
    INVALID(tenon_reactor_attach(&out, &host, NULL, NULL));
    host.size = 4;
    INVALID(tenon_reactor_attach(&out, &host, NULL, NULL));
    INVALID(tenon_manual_turn(NULL, NULL));
    INVALID(tenon_manual_advance(NULL, 1));
    INVALID(tenon_manual_advance(reactor, -1));
    INVALID(tenon_reactor_rebind(NULL));
    INVALID(tenon_reactor_release(reactor));
    INVALID(tenon_reactor_set_budget(reactor, -1, 0));
    WANT(tenon_reactor_set_budget(reactor, 0, 0), TENON_OK);
    WANT(tenon_reactor_set_slow_callback(reactor, 0), TENON_OK);
    WANT(tenon_reactor_set_slow_callback(reactor, -1), TENON_OK);
    INVALID(tenon_run_once(reactor, -1));
    INVALID(tenon_reactor_stats(NULL, &stats));
    INVALID(tenon_reactor_stats(reactor, NULL));
    INVALID(tenon_reactor_stats(reactor, &stats));
    INVALID(tenon_reactor_dump(reactor, NULL));
    INVALID(tenon_reactor_dump(NULL, stderr));
    INVALID(tenon_reactor_on_shutdown(reactor, NULL, at_end, NULL));
    INVALID(tenon_reactor_on_shutdown(reactor, &hook, NULL, NULL));
    tenon_shutdown_remove(NULL);
    tenon_shutdown_remove(&hook);
    tenon_shutdown_done(NULL);
    tenon_shutdown_done(&hook);
    tenon_reactor_report(reactor, NULL, NULL);
    tenon_reactor_unref(NULL);
    HOLDS(tenon_reactor_native(reactor) == NULL);
    HOLDS(tenon_reactor_host_version(reactor)[0] != '?');
}

static void of_the_inbox(void)
{
    tenon_post_node post;
    tenon_inbox *inbox = tenon_reactor_inbox(reactor);
    tenon_post_init(&post);
    INVALID(tenon_post(NULL, &post, never_posted, NULL));
    INVALID(tenon_post(inbox, NULL, never_posted, NULL));
    INVALID(tenon_post(inbox, &post, NULL, NULL));
    INVALID(tenon_call_soon_threadsafe(NULL, never_posted, NULL));
    INVALID(tenon_call_soon_threadsafe(inbox, NULL, NULL));
    fail_at = 0;
    WANT(tenon_call_soon_threadsafe(inbox, never_posted, NULL),
         TENON_NO_MEMORY);
    fail_at = -1;
    tenon_inbox_unref(NULL);
}

static void of_futures(void)
{
    tenon_future *f = NULL;
    tenon_future *out = NULL;
    tenon_promise *promise = NULL;
    tenon_waiter waiter;
    tenon_then_options then = {.size = 4};
    tenon_wait_options waiting = {.size = sizeof waiting, .policy = 9};
    void *value;
    int64_t number;
    memset(&waiter, 0, sizeof waiter);
    ck_assert_int_eq(tenon_future_new(reactor, &f), TENON_OK);
    INVALID(tenon_future_new(reactor, NULL));
    INVALID(tenon_future_new(NULL, &out));
    INVALID(tenon_future_on_done(f, NULL, never_done, NULL));
    INVALID(tenon_future_on_done(f, &waiter, NULL, NULL));
    INVALID(tenon_future_on_done(NULL, &waiter, never_done, NULL));
    HOLDS(tenon_future_off(NULL, never_done, NULL) == 0);
    HOLDS(tenon_future_off(f, NULL, NULL) == 0);
    INVALID(tenon_waiter_remove(NULL));
    WANT(tenon_waiter_remove(&waiter), TENON_OK);
    INVALID(tenon_future_resolve(NULL, NULL, NULL));
    INVALID(tenon_future_resolve_int(NULL, 1));
    INVALID(tenon_future_fail(f, NULL));
    INVALID(tenon_future_fail(NULL, NULL));
    INVALID(tenon_future_cancel(NULL, NULL));
    INVALID(tenon_future_set_canceller(NULL, NULL, NULL));
    INVALID(tenon_future_value(NULL, &value));
    INVALID(tenon_future_int(NULL, &number));
    INVALID(tenon_future_then(NULL, &then, &out));
    INVALID(tenon_future_then(f, NULL, &out));
    INVALID(tenon_future_then(f, &then, &out));
    INVALID(tenon_future_link(f, f, 0));
    INVALID(tenon_future_link(NULL, f, 0));
    INVALID(tenon_future_link(f, NULL, 0));
    INVALID(tenon_gather(reactor, NULL, 1, 0, &out));
    INVALID(tenon_gather(reactor, &f, 1, 0, NULL));
    INVALID(tenon_gather(reactor, &f, SIZE_MAX, 0, &out));
    INVALID(tenon_any(reactor, &f, 0, &out));
    INVALID(tenon_wait(reactor, &f, 1, NULL, NULL));
    INVALID(tenon_wait(reactor, &f, 1, &waiting, &out));
    HOLDS(tenon_gather_count(f) == 0);
    HOLDS(tenon_gather_child(f, 0) == NULL);
    HOLDS(tenon_gather_winner(f) == SIZE_MAX);
    HOLDS(tenon_future_error(NULL) == NULL);
    INVALID(tenon_promise_new_at(reactor, NULL, &out, NULL));
    INVALID(tenon_promise_new_at(reactor, &promise, NULL, NULL));
    INVALID(tenon_promise_new_at(NULL, &promise, &out, NULL));
    INVALID(tenon_promise_resolve(NULL, NULL, NULL));
    INVALID(tenon_promise_resolve_int(NULL, 1));
    INVALID(tenon_promise_fail(NULL, NULL));
    tenon_promise_unref(NULL);
    tenon_future_unref(NULL);
    tenon_future_fini(f); /* not ours to end */
    HOLDS(!tenon_future_is_done(f));
    INVALID(tenon_run_until(NULL, f, 0));
    INVALID(tenon_run_until(reactor, NULL, 0));
    tenon_future_unref(f);
}

/* Set before start and at rest, or not at all. */
static void of_exclusives(void)
{
    tenon_timer timer;
    tenon_watch watch;
    int fds[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds),
                     0);
    tenon_timer_init(&timer, reactor);
    tenon_timer_set_exclusive(&timer, true);
    tenon_timer_set_exclusive(&timer, false);
    WANT(tenon_timer_start(&timer, TENON_SECOND, never_timer, NULL), 0);
    tenon_timer_set_exclusive(&timer, true);
    WANT(tenon_timer_set_daemon(&timer, true), 0);
    HOLDS(!tenon_reactor_alive(reactor));
    WANT(tenon_timer_set_daemon(&timer, false), 0);
    HOLDS(tenon_reactor_alive(reactor));
    WANT(tenon_timer_stop(&timer), TENON_EXISTED);
    tenon_watch_init(&watch, reactor, fds[0]);
    tenon_watch_set_exclusive(&watch, true);
    tenon_watch_set_exclusive(&watch, false);
    WANT(tenon_watch_start(&watch, TENON_READ, never_ready, &watch), 0);
    tenon_watch_set_exclusive(&watch, true);
    WANT(tenon_watch_set_daemon(&watch, true), 0);
    HOLDS(!tenon_reactor_alive(reactor));
    WANT(tenon_watch_set_daemon(&watch, false), 0);
    HOLDS(tenon_reactor_alive(reactor));
    HOLDS(tenon_watch_find(reactor, fds[0], never_ready, &watch) == &watch);
    HOLDS(!tenon_watch_find(reactor, fds[0], never_ready, &timer));
    HOLDS(!tenon_watch_find(reactor, fds[1], never_ready, &watch));
    WANT(tenon_watch_stop(&watch), TENON_EXISTED);
    close(fds[0]);
    close(fds[1]);
}

/* ---- answers of a resolver ---- */

static tenon_lookup *asked;

static tenon_status take_lookup(void *self, tenon_lookup *lookup)
{
    (void)self;
    asked = lookup;
    return TENON_OK;
}

static int answers;

static void on_found(tenon_lookup *lookup, const tenon_error *error, void *user)
{
    (void)lookup;
    (void)error;
    (void)user;
    answers++;
}

static void on_named(tenon_lookup *lookup, const char *name,
                     const tenon_error *error, void *user)
{
    (void)lookup;
    (void)user;
    HOLDS((name == NULL) == (error != NULL));
    answers++;
}

static void of_answers(void)
{
    static const tenon_resolver_ops ops = {.size = sizeof ops,
                                           .resolve = take_lookup,
                                           .resolve_name = take_lookup};
    const tenon_resolve_options resolving = {.size = sizeof resolving,
                                             .on_done = on_found};
    const tenon_name_options naming = {.size = sizeof naming,
                                       .on_name = on_named};
    tenon_lookup *lookup = NULL;
    tenon_address address;
    tenon_address local;
    answers = 0;
    ck_assert_int_eq(tenon_address_parse(&address, "tcp:127.0.0.1:1"), 0);
    ck_assert_int_eq(tenon_address_parse(&local, "unix:/x"), 0);
    WANT(tenon_reactor_set_resolver(reactor, &ops, NULL), 0);
    WANT(tenon_resolve(reactor, &lookup, "a.example", &resolving), 0);
    UNTIL(asked);
    INVALID(tenon_lookup_add(asked, NULL));
    INVALID(tenon_lookup_add(asked, &local));
    INVALID(tenon_lookup_set_host(asked, "a.example"));
    WANT(tenon_lookup_add(asked, &address), 0);
    tenon_lookup_done(asked, NULL);
    WANT(tenon_lookup_add(asked, &address), TENON_CLOSED);
    WANT(tenon_lookup_set_host(asked, "a.example"), TENON_CLOSED);
    tenon_lookup_done(asked, NULL);
    UNTIL(answers == 1);
    WANT(tenon_lookup_cancel(lookup), TENON_OK);
    tenon_lookup_unref(lookup);
    asked = NULL;
    WANT(tenon_resolve_name(reactor, &lookup, &address, &naming), 0);
    UNTIL(asked);
    INVALID(tenon_lookup_add(asked, &address));
    INVALID(tenon_lookup_set_host(asked, NULL));
    INVALID(tenon_lookup_set_host(asked, "not a name"));
    WANT(tenon_lookup_set_host(asked, "a.example"), 0);
    tenon_lookup_done(asked, NULL);
    UNTIL(answers == 2);
    tenon_lookup_unref(lookup);
    asked = NULL;
}

START_TEST(F_nothing_where_something_must_be)
{
    static void (*const groups[])(void) = {
        of_the_loop,  of_periodics, of_watches_and_signals, of_reactors,
        of_the_inbox, of_futures,   of_exclusives,          of_answers};
    wrong = 0;
    native();
    groups[_i]();
    end();
    ck_assert_int_eq(wrong, 0);
}
END_TEST

/* ---- with a connection ---- */

static void of_transports(side *a)
{
    tenon_transport *out[2];
    tenon_keepalive odd = {.size = sizeof odd, .count = 128};
    tenon_factory factory = tenon_factory_of(&side_ops);
    size_t high = 0;
    const struct iovec endless[2] = {{&wrong, SIZE_MAX}, {&wrong, SIZE_MAX}};
    INVALID(tenon_transport_fail(a->t, NULL));
    INVALID(tenon_transport_close_within(a->t, -1));
    INVALID(tenon_transport_set_idle_timeout(a->t, -1));
    INVALID(tenon_transport_set_session_limit(a->t, -1));
    INVALID(tenon_transport_set_write_limits(a->t, 1, 2));
    INVALID(tenon_transport_set_protocol(a->t, (tenon_protocol){NULL, NULL}));
    INVALID(tenon_transport_write_ref(a->t, NULL, 1, NULL, NULL));
    INVALID(tenon_transport_on_flushed(a->t, NULL, NULL));
    INVALID(tenon_transport_flushed(a->t, NULL));
    INVALID(tenon_transport_set_user_timeout(a->t, -1));
    INVALID(tenon_transport_set_user_timeout(a->t, INT64_MAX));
    INVALID(tenon_transport_set_keepalive(a->t, &odd));
    odd.count = -1;
    INVALID(tenon_transport_set_keepalive(a->t, &odd));
    odd.count = 0;
    odd.idle_ns = -1;
    INVALID(tenon_transport_set_keepalive(a->t, &odd));
    odd.idle_ns = 0;
    odd.interval_ns = INT64_MAX;
    INVALID(tenon_transport_set_keepalive(a->t, &odd));
    INVALID(tenon_transport_set_buffers(a->t, (size_t)INT_MAX + 1, 0));
    INVALID(tenon_transport_set_buffers(a->t, 0, (size_t)INT_MAX + 1));
    WANT(tenon_transport_set_buffers(a->t, 0, 0), TENON_OK);
    WANT(tenon_transport_set_buffers(a->t, 4096, 4096), TENON_OK);
    HOLDS(tenon_transport_writev(a->t, endless, 2) < 0);
    INVALID(tenon_pipe(NULL, a->t, NULL));
    INVALID(tenon_pipe(a->t, NULL, NULL));
    INVALID(tenon_pipe(a->t, a->t, NULL));
    tenon_transport_get_write_limits(a->t, NULL, NULL);
    tenon_transport_get_write_limits(a->t, &high, NULL);
    HOLDS(high == TENON_HIGH_DEFAULT);
    WANT(tenon_transport_set_write_limits(a->t, TENON_LIMIT_AUTO, SIZE_MAX - 1),
         TENON_OK);
    tenon_transport_set_daemon(a->t, false);
    tenon_transport_unref(NULL);
    HOLDS(tenon_transport_ref(NULL) == NULL);
    INVALID(tenon_memory_pair(reactor, NULL, factory, factory, NULL));
    INVALID(tenon_memory_pair(NULL, out, factory, factory, NULL));
    INVALID(tenon_transport_adopt(reactor, NULL, 0, factory));
    INVALID(tenon_transport_adopt(reactor, out, -1, factory));
    INVALID(tenon_transport_adopt_native(reactor, NULL, NULL, NULL, factory));
}

static void of_listeners(tenon_listener *l)
{
    tenon_stop_options stop = {.size = sizeof stop, .mode = 9};
    tenon_listener *out = NULL;
    tenon_address address;
    tenon_factory factory = tenon_factory_of(&side_ops);
    INVALID(tenon_listen(reactor, NULL, "mem:x", factory, NULL));
    INVALID(tenon_listen_adopt(reactor, NULL, 0, factory, NULL));
    INVALID(tenon_listen_adopt(reactor, &out, -1, factory, NULL));
    INVALID(tenon_listener_stop(l, &stop));
    stop.mode = 0;
    stop.timeout_ns = -1;
    INVALID(tenon_listener_stop(l, &stop));
    INVALID(tenon_listener_address(l, NULL));
    INVALID(tenon_listener_address_at(l, 99, &address));
    tenon_listener_unref(NULL);
    HOLDS(tenon_listener_ref(NULL) == NULL);
    tenon_connector_unref(NULL);
    HOLDS(tenon_connector_ref(NULL) == NULL);
    tenon_lookup_unref(NULL);
    HOLDS(tenon_lookup_ref(NULL) == NULL);
    tenon_process_unref(NULL);
    HOLDS(tenon_process_ref(NULL) == NULL);
}

static void of_connectors(void)
{
    tenon_connect_options o = {.size = sizeof o, .timeout_ns = -1};
    tenon_factory factory = tenon_factory_of(&side_ops);
    INVALID(tenon_connector_start(reactor, NULL, "mem:x", factory, &o));
    o.timeout_ns = 0;
    o.resolve_timeout_ns = -1;
    INVALID(tenon_connector_start(reactor, NULL, "mem:x", factory, &o));
    o.resolve_timeout_ns = 0;
    o.attempt_timeout_ns = -1;
    INVALID(tenon_connector_start(reactor, NULL, "mem:x", factory, &o));
    o.attempt_timeout_ns = 0;
    o.attempt_delay_ns = -1;
    INVALID(tenon_connector_start(reactor, NULL, "mem:x", factory, &o));
}

static void of_lookups(void)
{
    tenon_resolve_options resolving = {.size = sizeof resolving,
                                       .timeout_ns = -1};
    tenon_name_options naming = {.size = sizeof naming};
    tenon_resolver_ops empty = {.size = sizeof empty};
    tenon_address address;
    ck_assert_int_eq(tenon_address_parse(&address, "tcp:127.0.0.1:1"), 0);
    INVALID(tenon_resolve(reactor, NULL, NULL, NULL));
    INVALID(tenon_resolve(reactor, NULL, "x", &resolving));
    INVALID(tenon_resolve_name(reactor, NULL, NULL, &naming));
    INVALID(tenon_resolve_name(reactor, NULL, &address, &naming));
    INVALID(tenon_resolve_name(reactor, NULL, &address, NULL));
    INVALID(tenon_reactor_set_resolver(reactor, &empty, NULL));
    INVALID(tenon_reactor_set_lookup_cache(reactor, -1, 1));
    HOLDS(tenon_address_port(NULL) == 0);
}

static void of_processes(void)
{
    static const char *const argv[] = {"true", NULL};
    static const char *const empty[] = {NULL};
    static const char *const blank[] = {"", NULL};
    tenon_process_options o = {.size = sizeof o, .argv = argv};
    const tenon_process_protocol none = {0};
    tenon_process *out = NULL;
    INVALID(tenon_process_spawn(reactor, &out, NULL, none));
    o.argv = NULL;
    INVALID(tenon_process_spawn(reactor, &out, &o, none));
    o.argv = empty;
    INVALID(tenon_process_spawn(reactor, &out, &o, none));
    o.argv = blank;
    INVALID(tenon_process_spawn(reactor, &out, &o, none));
    o.argv = argv;
    o.file = "";
    INVALID(tenon_process_spawn(reactor, &out, &o, none));
    o.file = NULL;
    o.kill_signal = -1;
    INVALID(tenon_process_spawn(reactor, &out, &o, none));
    o.kill_signal = SIGRTMAX + 1;
    INVALID(tenon_process_spawn(reactor, &out, &o, none));
    o.kill_signal = 0;
    o.kill_delay_ns = -1;
    INVALID(tenon_process_spawn(reactor, &out, &o, none));
    o.kill_delay_ns = 0;
    o.fd_count = 1;
    INVALID(tenon_process_spawn(reactor, &out, &o, none));
}

START_TEST(F_nothing_asked_of_connections)
{
    static side a;
    static side b;
    wrong = 0;
    native();
    tenon_listener *l = join(&a, &b, "tcp:127.0.0.1:0");
    UNTIL(a.t && b.t);
    of_transports(&a);
    of_listeners(l);
    of_connectors();
    of_lookups();
    of_processes();
    tenon_transport_close(a.t);
    leave(l, &a, &b);
    end();
    ck_assert_int_eq(wrong, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("nonsense");
    TCase *tcase = tcase_create("nonsense");
    tcase_set_timeout(tcase, 30);
    tcase_add_loop_test(tcase, F_nothing_where_something_must_be, 0, 8);
    tcase_add_test(tcase, F_nothing_asked_of_connections);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
