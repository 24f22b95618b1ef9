/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Who may call: the thread that owns the reactor, in the process that made it,
 * while it is open. Every public call on every kind of object, from another
 * thread, in a forked child, after the end, and with nothing to work on, is
 * refused with the status that says so, and does nothing.
 */

#include "side.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <tenon/sys/host.h>

/* One of each, alive. */
static struct {
    side ends[2];
    tenon_listener *listener;
    tenon_lookup *lookup;
    tenon_process *process;
    tenon_connector *connector;
    tenon_future *future;
    tenon_future *other;
    tenon_promise *promise;
    tenon_future *promised;
    tenon_handle handle;
    tenon_timer timer;
    tenon_periodic periodic;
    tenon_watch watch;
    tenon_signal signal;
    tenon_shutdown hook;
    tenon_waiter waiter;
    tenon_waiter idle_waiter;
    int fds[2];
} w;

static int wrong;
static int unwanted; /* callbacks */

#define WANT(call, wanted)                                           \
    do {                                                             \
        tenon_status got_ = (call);                                  \
        if (got_ != (wanted)) {                                      \
            wrong++;                                                 \
            fprintf(stderr, "%d: %s: %s, not %s\n", __LINE__, #call, \
                    tenon_status_name(got_), #wanted);               \
        }                                                            \
    } while (0)

static void never(void *user)
{
    (void)user;
    unwanted++;
}

static void never_timer(tenon_timer *timer, void *user)
{
    (void)timer;
    never(user);
}

static tenon_status never_tick(tenon_periodic *p, uint64_t missed, void *user)
{
    (void)p;
    (void)missed;
    never(user);
    return TENON_OK;
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

static tenon_status at_end(tenon_reactor *r, tenon_shutdown *hook, void *user)
{
    (void)r;
    (void)hook;
    (void)user;
    return TENON_OK;
}

static void on_done(tenon_waiter *waiter, tenon_future *future, void *user)
{
    (void)waiter;
    (void)future;
    (void)user;
}

static void never_written(tenon_transport *t, tenon_status status, void *user)
{
    (void)t;
    (void)status;
    never(user);
}

static tenon_status never_then(tenon_future *source, tenon_future *result,
                               void *user)
{
    (void)source;
    (void)result;
    never(user);
    return TENON_OK;
}

static void on_address(tenon_lookup *lookup, const tenon_address *address,
                       void *user)
{
    (void)lookup;
    (void)address;
    (void)user;
}

static void on_name(tenon_lookup *lookup, const char *name,
                    const tenon_error *error, void *user)
{
    (void)lookup;
    (void)name;
    (void)error;
    (void)user;
}

/* A resolver that never answers. */
static tenon_status keep_lookup(void *self, tenon_lookup *lookup)
{
    (void)self;
    (void)lookup;
    return TENON_OK;
}

static void no_cancel(void *self, tenon_lookup *lookup)
{
    (void)self;
    (void)lookup;
}

static const tenon_resolver_ops silent = {.size = sizeof silent,
                                          .name = "silent",
                                          .resolve = keep_lookup,
                                          .cancel = no_cancel};
static const tenon_then_options then = {.size = sizeof then,
                                        .on_value = never_then};
static const tenon_periodic_options each_hour = {.size = sizeof each_hour,
                                                 .period_ns =
                                                     3600 * TENON_SECOND,
                                                 .fn = never_tick};
static const tenon_stop_options stopping = {.size = sizeof stopping};
static const char *const sleeping[] = {"sleep", "1000", NULL};
static const tenon_process_options sleeper = {
    .size = sizeof sleeper, .argv = sleeping, .envp = NULL};
static const tenon_resolve_options resolving = {.size = sizeof resolving,
                                                .on_address = on_address};
static const tenon_name_options naming = {.size = sizeof naming,
                                          .on_name = on_name};
static const tenon_process_protocol no_protocol;

/* ---- what each group of calls says ---- */

static void loop_calls(tenon_status want)
{
    tenon_handle handle;
    WANT(tenon_call_soon(reactor, never, NULL), want);
    WANT(tenon_call_later(reactor, 1, never, NULL, &handle), want);
    WANT(tenon_call_at(reactor, 1, never, NULL, &handle), want);
    WANT(tenon_timer_start(&w.timer, 1, never_timer, NULL), want);
    WANT(tenon_timer_start_at(&w.timer, 1, never_timer, NULL), want);
    WANT(tenon_watch_start(&w.watch, TENON_READ, never_ready, NULL), want);
    WANT(tenon_add_reader(reactor, w.fds[0], never, NULL), want);
    WANT(tenon_add_writer(reactor, w.fds[0], never, NULL), want);
    WANT(tenon_signal_start(&w.signal, SIGUSR2, 0, never_signal, NULL), want);
    WANT(tenon_add_signal_handler(reactor, SIGUSR1, never, NULL), want);
    WANT(tenon_reactor_hold(reactor), want);
    WANT(tenon_run(reactor), want);
    WANT(tenon_run_once(reactor, 0), want);
    WANT(tenon_run_until(reactor, w.future, 0), want);
    WANT(tenon_manual_turn(reactor, NULL), want);
    WANT(tenon_manual_advance(reactor, 0), want);
}

static void net_calls(tenon_status want)
{
    tenon_transport *pair[2];
    tenon_listener *l = NULL;
    tenon_connector *c = NULL;
    tenon_lookup *lookup = NULL;
    tenon_address address;
    tenon_factory factory = tenon_factory_of(&side_ops);
    ck_assert_int_eq(tenon_address_parse(&address, "tcp:127.0.0.1:1"),
                     TENON_OK);
    WANT(tenon_memory_pair(reactor, pair, factory, factory, NULL), want);
    WANT(tenon_transport_adopt(reactor, pair, w.fds[0], factory), want);
    WANT(tenon_transport_adopt_native(reactor, pair, &toy_ops, &w, factory),
         want);
    WANT(tenon_listen(reactor, &l, "mem:b", factory, NULL), want);
    WANT(tenon_listen_adopt(reactor, &l, w.fds[0], factory, NULL), want);
    WANT(tenon_connector_start(reactor, &c, "mem:a", factory, NULL), want);
    WANT(tenon_resolve(reactor, &lookup, "example", &resolving), want);
    WANT(tenon_resolve_name(reactor, &lookup, &address, &naming), want);
    WANT(tenon_reactor_set_resolver(reactor, NULL, NULL), want);
    WANT(tenon_reactor_set_lookup_cache(reactor, 1, 1), want);
    WANT(tenon_pipe(w.ends[0].t, w.ends[1].t, NULL), want);
}

static void future_calls(tenon_status want)
{
    tenon_future *out = NULL;
    tenon_promise *promise = NULL;
    tenon_future *const both[] = {w.future, w.other};
    static tenon_future embedded;
    tenon_future *done = NULL;
    WANT(tenon_future_new(reactor, &out), want);
    WANT(tenon_future_init(&embedded, reactor), want);
    WANT(tenon_future_ready_int(reactor, 1, &done), want);
    WANT(tenon_promise_new_at(reactor, &promise, &out, NULL), want);
    WANT(tenon_gather(reactor, both, 2, 0, &out), want);
    WANT(tenon_any(reactor, both, 2, &out), want);
    WANT(tenon_race(reactor, both, 2, &out), want);
    WANT(tenon_wait(reactor, both, 2, NULL, &out), want);
    WANT(tenon_future_on_done(w.future, &w.idle_waiter, on_done, NULL), want);
    WANT(tenon_future_then(w.future, &then, &out), want);
    WANT(tenon_future_link(w.future, w.other, 0), want);
}

/* What a reactor that has ended refuses no more than a live one. */
static void handles_and_timers(tenon_status want)
{
    WANT(tenon_handle_cancel(w.handle), want);
    WANT(tenon_handle_reset(w.handle, 1), want);
    WANT(tenon_handle_delay(w.handle, 1), want);
    WANT(tenon_timer_stop(&w.timer), want);
    WANT(tenon_timer_reset(&w.timer, 1), want);
    WANT(tenon_timer_delay(&w.timer, 1), want);
    WANT(tenon_timer_set_daemon(&w.timer, true), want);
    WANT(tenon_periodic_start(&w.periodic, reactor, &each_hour), want);
    WANT(tenon_periodic_stop(&w.periodic), want);
    WANT(tenon_watch_stop(&w.watch), want);
    WANT(tenon_watch_set_daemon(&w.watch, true), want);
    WANT(tenon_remove_reader(reactor, w.fds[0]), want);
    WANT(tenon_remove_writer(reactor, w.fds[0]), want);
    WANT(tenon_signal_stop(&w.signal), want);
    WANT(tenon_remove_signal_handler(reactor, SIGUSR2), want);
}

static void reactor_calls(tenon_status want)
{
    tenon_shutdown hook;
    tenon_error *error = tenon_error_of(-EIO, NULL);
    WANT(tenon_reactor_release(reactor), want);
    WANT(tenon_stop(reactor), want);
    WANT(tenon_reactor_close(reactor), want);
    WANT(tenon_reactor_set_budget(reactor, 1, 1), want);
    WANT(tenon_reactor_set_slow_callback(reactor, 1), want);
    WANT(tenon_reactor_set_error_handler(reactor, NULL, NULL), want);
    WANT(tenon_reactor_set_alive_handler(reactor, NULL, NULL), want);
    WANT(tenon_reactor_set_debug(reactor, TENON_DEBUG_ALL), want);
    WANT(tenon_reactor_on_shutdown(reactor, &hook, at_end, NULL), want);
    WANT(tenon_reactor_dump(reactor, stderr), want);
    tenon_shutdown_remove(&w.hook);
    tenon_reactor_host_gone(reactor);
    tenon_reactor_report(reactor, "nobody hears this", error);
    tenon_error_unref(error);
    tenon_reactor_unref(reactor);
}

static void transport_calls(tenon_status want)
{
    tenon_transport *t = w.ends[0].t;
    const struct iovec part = {"x", 1};
    tenon_future *out = NULL;
    char byte = 'x';
    WANT(tenon_transport_write(t, "x", 1), want);
    WANT(tenon_transport_writev(t, &part, 1), want);
    WANT(tenon_transport_write_ref(t, "x", 1, never_written, NULL), want);
    WANT(tenon_transport_write_take(t, &byte, 1, NULL, NULL), want);
    WANT(tenon_transport_on_flushed(t, never_written, NULL), want);
    WANT(tenon_transport_flushed(t, &out), want);
    WANT(tenon_transport_write_eof(t), want);
    WANT(tenon_transport_send_fd(t, w.fds[0]), want);
    WANT(tenon_transport_close(t), want);
    WANT(tenon_transport_abort(t), want);
    WANT(tenon_transport_close_within(t, 1), want);
    WANT(tenon_transport_set_idle_timeout(t, 1), want);
    WANT(tenon_transport_set_session_limit(t, 1), want);
    WANT(tenon_transport_pause_reading(t), want);
    WANT(tenon_transport_resume_reading(t), want);
    WANT(tenon_transport_set_protocol(t, tenon_transport_protocol(t)), want);
    WANT(tenon_transport_unread(t, "x", 1), want);
    WANT(tenon_transport_set_write_limits(t, 1, 1), want);
    WANT(tenon_transport_set_hard_limit(t, 1), want);
    WANT(tenon_transport_tap(t, NULL, NULL), want);
    WANT(tenon_transport_set_nodelay(t, true), want);
    WANT(tenon_transport_native_ready(t, TENON_READ), want);
    WANT(tenon_transport_set_keepalive(t, NULL), want);
    WANT(tenon_transport_set_user_timeout(t, 0), want);
    WANT(tenon_transport_set_buffers(t, 1, 1), want);
    tenon_transport_set_daemon(t, true);
    tenon_transport_unref(t);
}

static void named_calls(tenon_status want)
{
    tenon_address address;
    tenon_credentials credentials;
    tenon_future *out = NULL;
    tenon_process *p = NULL;
    ck_assert_int_eq(tenon_address_parse(&address, "tcp:127.0.0.1:1"),
                     TENON_OK);
    WANT(tenon_transport_peer_address(w.ends[0].t, &address), want);
    WANT(tenon_transport_peer_credentials(w.ends[0].t, &credentials), want);
    WANT(tenon_listener_add(w.listener, "mem:c"), want);
    WANT(tenon_listener_pause(w.listener), want);
    WANT(tenon_listener_resume(w.listener), want);
    WANT(tenon_listener_stop(w.listener, &stopping), want);
    WANT(tenon_listener_close(w.listener), want);
    WANT(tenon_connector_cancel(w.connector), want);
    WANT(tenon_lookup_cancel(w.lookup), want);
    WANT(tenon_lookup_add(w.lookup, &address), want);
    WANT(tenon_lookup_set_host(w.lookup, "example"), want);
    WANT(tenon_process_spawn(reactor, &p, &sleeper, no_protocol), want);
    WANT(tenon_process_wait(w.process, &out), want);
    WANT(tenon_process_communicate(w.process, NULL, 0, &out), want);
    WANT(tenon_process_send_signal(w.process, SIGTERM), want);
    WANT(tenon_process_terminate(w.process), want);
    WANT(tenon_process_kill(w.process), want);
    WANT(tenon_process_close(w.process), want);
    tenon_lookup_done(w.lookup, NULL);
    tenon_listener_unref(w.listener);
    tenon_connector_unref(w.connector);
    tenon_lookup_unref(w.lookup);
    tenon_process_unref(w.process);
}

static void result_calls(tenon_status want)
{
    tenon_error *error = tenon_error_of(-EIO, NULL);
    void *value = NULL;
    int64_t number = 0;
    WANT(tenon_future_resolve(w.future, NULL, NULL), want);
    WANT(tenon_future_resolve_int(w.future, 1), want);
    WANT(tenon_future_fail(w.future, error), want);
    WANT(tenon_future_try_resolve_int(w.future, 1), want);
    WANT(tenon_future_try_fail(w.future, error), want);
    WANT(tenon_future_cancel(w.future, NULL), want);
    WANT(tenon_future_set_canceller(w.future, NULL, NULL), want);
    WANT(tenon_future_value(w.future, &value), want);
    WANT(tenon_future_int(w.future, &number), want);
    WANT(tenon_future_take(w.future, &value, NULL), want);
    WANT(tenon_waiter_remove(&w.waiter), want);
    if (tenon_future_off(w.future, on_done, NULL) != 0) {
        wrong++;
    }
    (void)tenon_future_error(w.future);
    tenon_future_unref(w.future);
    tenon_error_unref(error);
}

static void all_calls(tenon_status want)
{
    loop_calls(want);
    net_calls(want);
    future_calls(want);
    handles_and_timers(want);
    reactor_calls(want);
    transport_calls(want);
    named_calls(want);
    result_calls(want);
}

/* ---- the world ---- */

static void world_begin(void)
{
    memset(&w, 0, sizeof w);
    wrong = unwanted = 0;
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, w.fds),
                     0);
    native();
    join_toys(reactor, as(&w.ends[0]), as(&w.ends[1]));
    UNTIL(w.ends[0].t && w.ends[1].t);
    ck_assert_int_eq(tenon_reactor_set_resolver(reactor, &silent, NULL), 0);
    ck_assert_int_eq(
        tenon_listen(reactor, &w.listener, "mem:a", as(&w.ends[0]), NULL), 0);
    ck_assert_int_eq(
        tenon_resolve(reactor, &w.lookup, "waits.example", &resolving), 0);
    ck_assert_int_eq(tenon_connector_start(reactor, &w.connector,
                                           "tcp:waits.example:1",
                                           as(&w.ends[0]), NULL),
                     0);
    ck_assert_int_eq(
        tenon_process_spawn(reactor, &w.process, &sleeper, no_protocol), 0);
    ck_assert_int_eq(tenon_future_new(reactor, &w.future), 0);
    ck_assert_int_eq(tenon_future_new(reactor, &w.other), 0);
    ck_assert_int_eq(
        tenon_promise_new_at(reactor, &w.promise, &w.promised, NULL), 0);
    ck_assert_int_eq(
        tenon_call_later(reactor, 3600 * TENON_SECOND, never, NULL, &w.handle),
        0);
    tenon_timer_init(&w.timer, reactor);
    tenon_watch_init(&w.watch, reactor, w.fds[1]);
    tenon_signal_init(&w.signal, reactor);
    ck_assert_int_eq(
        tenon_timer_start(&w.timer, 3600 * TENON_SECOND, never_timer, NULL), 0);
    ck_assert_int_eq(tenon_periodic_start(&w.periodic, reactor, &each_hour), 0);
    ck_assert_int_eq(tenon_watch_start(&w.watch, TENON_READ, never_ready, NULL),
                     0);
    ck_assert_int_eq(
        tenon_signal_start(&w.signal, SIGUSR1, 0, never_signal, NULL), 0);
    ck_assert_int_eq(tenon_reactor_on_shutdown(reactor, &w.hook, at_end, NULL),
                     0);
    ck_assert_int_eq(tenon_future_on_done(w.future, &w.waiter, on_done, NULL),
                     0);
    ck_assert_int_eq(tenon_run_once(reactor, 0), TENON_OK);
}

static void world_release(void)
{
    tenon_future_unref(w.future);
    tenon_future_unref(w.other);
    tenon_promise_unref(w.promise);
    tenon_future_unref(w.promised);
    tenon_listener_unref(w.listener);
    tenon_lookup_unref(w.lookup);
    tenon_connector_unref(w.connector);
    tenon_process_unref(w.process);
    forget(&w.ends[0]);
    forget(&w.ends[1]);
    end();
    close(w.fds[0]);
    close(w.fds[1]);
    ck_assert_int_eq(unwanted, 0);
    ck_assert_int_eq(wrong, 0);
}

/* ---- who is refused ---- */

static void *trespass(void *user)
{
    (void)user;
    all_calls(TENON_WRONG_THREAD);
    return NULL;
}

START_TEST(X05_every_call_from_another_thread)
{
    pthread_t thread;
    world_begin();
    ck_assert_int_eq(pthread_create(&thread, NULL, trespass, NULL), 0);
    pthread_join(thread, NULL);
    ck_assert(tenon_reactor_alive(reactor));
    ck_assert(!is_lost(&w.ends[0]));
    ck_assert(!tenon_future_is_done(w.future));
    ck_assert(tenon_timer_is_active(&w.timer));
    ck_assert_int_eq(tenon_reactor_close(reactor), TENON_OK);
    world_release();
}
END_TEST

START_TEST(X15_every_call_in_a_forked_child)
{
    int how = -1;
    world_begin();
    pid_t pid = fork();
    if (pid == 0) {
        all_calls(TENON_FORKED);
        WANT(tenon_reactor_rebind(reactor), TENON_FORKED);
        exit(wrong == 0 ? 0 : 1);
    }
    ck_assert_int_eq(waitpid(pid, &how, 0), pid);
    ck_assert(WIFEXITED(how) && WEXITSTATUS(how) == 0);
    ck_assert_int_eq(tenon_run_once(reactor, 0), TENON_OK);
    ck_assert(!is_lost(&w.ends[0]));
    ck_assert_int_eq(tenon_reactor_close(reactor), TENON_OK);
    world_release();
}
END_TEST

START_TEST(F_every_call_that_begins_something_after_the_end)
{
    world_begin();
    ck_assert_int_eq(tenon_reactor_close(reactor), TENON_OK);
    loop_calls(TENON_CLOSED);
    net_calls(TENON_CLOSED);
    future_calls(TENON_CLOSED);
    world_release();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("refusals");
    TCase *tcase = tcase_create("refusals");
    tcase_set_timeout(tcase, 30);
    tcase_add_test(tcase, X05_every_call_from_another_thread);
    tcase_add_test(tcase, X15_every_call_in_a_forked_child);
    tcase_add_test(tcase, F_every_call_that_begins_something_after_the_end);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
