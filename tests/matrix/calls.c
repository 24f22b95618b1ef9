/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The calls of calls.def. What they ask for in turn (a call, a completion, a
 * free) is counted as debts, which must be paid exactly once by the end.
 */

#include "matrix.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define R st.reactor
#define T a->transport
#define F future_of(a)
/* A status of what has none. */
#define SAY(expression) ((void)(expression), TENON_OK)

static char bytes[10000];
static tenon_address address;
enum { GUESTS = 4 };
static tenon_waiter *guests[GUESTS]; /* that calls have let wait */
static int guest_count;
static int debts; /* must be paid, at the reactor's end at the latest */
static int hopes; /* may be dropped by the reactor's end, else come */

static tenon_status owed(tenon_status status)
{
    debts += status >= 0;
    return status;
}

static tenon_status guest(tenon_status status)
{
    hopes += status >= 0;
    return status;
}

void calls_close(void)
{
    WANT(debts == 0);
    while (guest_count > 0) {
        guest_count--;
        DISOWN(guests[guest_count]);
    }
    WANT(hopes == 0 || st.upset || st.closing);
    hopes = 0;
}

static void on_guest(void *user)
{
    (void)user;
    WANT(!st.calling || (st.act->call->flags & RUNS));
    WANT(hopes-- > 0);
}

static void nothing(void *user)
{
    (void)user;
}

/* ---- what the loop calls ---- */

static tenon_status timer_free(actor *a)
{
    tenon_status status = tenon_timer_stop(a->timer);
    DISOWN(a->timer);
    return status;
}

static void count_again(actor *a)
{
    a->again += !tenon_timer_is_active(a->timer) && a->seen[EV_FIRE] > 0;
}

static tenon_status timer_init(actor *a)
{
    count_again(a);
    tenon_timer_stop(a->timer);
    tenon_timer_init(a->timer, R);
    return tenon_timer_start(a->timer, 0, matrix_on_fire, a);
}

static tenon_status timer_start(actor *a, int64_t delay_ns)
{
    count_again(a);
    return tenon_timer_start(a->timer, delay_ns, matrix_on_fire, a);
}

static tenon_status timer_start_at(actor *a)
{
    count_again(a);
    return tenon_timer_start_at(a->timer, tenon_now(R), matrix_on_fire, a);
}

static tenon_status periodic_free(actor *a)
{
    tenon_status status = tenon_periodic_stop(a->periodic);
    DISOWN(a->periodic);
    return status;
}

static tenon_status periodic_start(actor *a)
{
    tenon_periodic_options options = {.size = sizeof options,
                                      .period_ns = 20000,
                                      .fn = matrix_on_tick,
                                      .user = a};
    tenon_periodic_stop(a->periodic); /* it cannot know that it is started */
    return tenon_periodic_start(a->periodic, R, &options);
}

static tenon_status watch_free(actor *a)
{
    tenon_status status = tenon_watch_stop(a->watch);
    DISOWN(a->watch);
    close(a->fd);
    a->fd = 0;
    return status;
}

static tenon_status watch_init(actor *a)
{
    tenon_watch_stop(a->watch);
    tenon_watch_init(a->watch, R, a->fd);
    return tenon_watch_start(a->watch, TENON_READ, matrix_on_ready, a);
}

static void on_guest_writer(void *user)
{
    actor *a = user;
    tenon_remove_writer(R, a->fd);
}

static tenon_status add_writer(actor *a)
{
    return tenon_add_writer(R, a->fd, on_guest_writer, a);
}

static tenon_status remove_both(actor *a)
{
    tenon_remove_reader(R, a->fd);
    tenon_remove_writer(R, a->fd);
    close(a->fd);
    a->fd = 0;
    return TENON_OK;
}

static tenon_status post_again(actor *a)
{
    tenon_status status =
        tenon_post(tenon_reactor_inbox(R), a->post, matrix_on_post, a);
    a->posts += status >= 0;
    return status;
}

static tenon_status post_init(actor *a)
{
    if (a->seen[EV_POSTED] == a->posts) { /* else it is the inbox's */
        tenon_post_init(a->post);
    }
    return TENON_OK;
}

static void on_guest_post(tenon_post_node *post, tenon_status status,
                          void *user)
{
    (void)post;
    (void)status;
    (void)user;
    WANT(debts-- > 0);
}

static tenon_status threadsafe(void)
{
    return owed(tenon_call_soon_threadsafe(tenon_reactor_inbox(R),
                                           on_guest_post, NULL));
}

static tenon_status signal_init(actor *a)
{
    tenon_signal_stop(a->signal);
    tenon_signal_init(a->signal, R);
    return TENON_OK;
}

static tenon_status signal_start(actor *a)
{
    return tenon_signal_start(a->signal, SIGUSR1, 0, matrix_on_signal, a);
}

static tenon_status signal_free(actor *a)
{
    tenon_status status = tenon_signal_stop(a->signal);
    DISOWN(a->signal);
    return status;
}

static tenon_status hook_remove(actor *a)
{
    tenon_shutdown_remove(a->hook);
    if (!a->inside[EV_HOOKED]) {
        DISOWN(a->hook);
    }
    return TENON_OK;
}

/* A hook that has not run is not done. */
static tenon_status hook_done(actor *a)
{
    if (a->phase == 1) {
        a->phase = 2;
        tenon_shutdown_done(a->hook);
    }
    return TENON_OK;
}

static tenon_status no_hook(tenon_reactor *reactor, tenon_shutdown *hook,
                            void *user)
{
    (void)reactor;
    (void)hook;
    (void)user;
    return TENON_OK;
}

static tenon_status hook_more(void)
{
    tenon_shutdown hook;
    tenon_status status = tenon_reactor_on_shutdown(R, &hook, no_hook, NULL);
    if (status >= 0) {
        tenon_shutdown_remove(&hook);
    }
    return status;
}

/* ---- the reactor ---- */

static tenon_status close_twice(void)
{
    (void)tenon_reactor_close(R);
    return tenon_reactor_close(R);
}

static tenon_status drop_reactor(void)
{
    st.dropped = true;
    tenon_reactor_unref(R);
    return TENON_OK;
}

static void on_paid_user(void *user)
{
    (void)user;
    WANT(debts-- > 0);
}

static tenon_status call_with(void)
{
    tenon_call_options options = {
        .size = sizeof options, .fn = nothing, .free_user = on_paid_user};
    return owed(tenon_call_with(R, &options, NULL));
}

static tenon_status run_until(void)
{
    tenon_future *future = NULL;
    tenon_status status = tenon_future_new(R, &future);
    if (status >= 0) {
        status = tenon_run_until(R, future, 0);
        tenon_future_unref(future);
    }
    return status;
}

static tenon_status hold(void)
{
    tenon_status status = tenon_reactor_hold(R);
    return status < 0 ? status : tenon_reactor_release(R);
}

static tenon_status stats(void)
{
    tenon_stats all = {.size = sizeof all};
    return tenon_reactor_stats(R, &all);
}

static tenon_status dump(void)
{
    static char text[1 << 16];
    FILE *file = fmemopen(text, sizeof text, "w");
    WANT(file != NULL);
    tenon_status status = tenon_reactor_dump(R, file);
    fclose(file);
    return status;
}

static void look(const tenon_watch_info *info, void *user)
{
    (void)user;
    WANT(info->fd >= 0);
}

static tenon_status peek(void)
{
    tenon_turn_result result;
    return tenon_turn_peek(R, &result);
}

static tenon_status end_another(tenon_reactor *other)
{
    tenon_status status = tenon_call_soon(other, nothing, NULL);
    if (status >= 0) {
        status = tenon_reactor_close(other);
    }
    tenon_reactor_unref(other);
    return status;
}

static tenon_status another(tenon_status (*make)(tenon_reactor **,
                                                 const tenon_reactor_options *))
{
    tenon_reactor *other = NULL;
    tenon_status status = make(&other, NULL);
    return status < 0 ? status : end_another(other);
}

/* A turn of another reactor, inside of ours. */
static tenon_status another_by_hand(void)
{
    tenon_reactor *other = NULL;
    tenon_status status = tenon_manual_new(&other, NULL);
    if (status >= 0) {
        status = tenon_manual_turn(other, NULL);
        tenon_reactor_unref(other);
    }
    return status;
}

/* ---- the host ---- */

static tenon_status host_nested(void)
{
    st.fixture->nested(st.loop, TENON_MILLISECOND / 10);
    return TENON_OK;
}

static tenon_status host_attach(void)
{
    tenon_reactor *other = NULL;
    tenon_status status = st.fixture->attach(st.loop, &other, NULL);
    return status < 0 ? status : end_another(other);
}

static tenon_status host_call(void)
{
    hopes++;
    WANT(st.fixture->call_native(st.loop, 0, on_guest, NULL) == 0);
    return TENON_OK;
}

/* ---- listeners, connectors, names ---- */

static tenon_status listen_here(void)
{
    tenon_listener *listener = NULL;
    tenon_status status = tenon_listen(R, &listener, "mem:here",
                                       tenon_factory_of(&quiet_ops), NULL);
    if (status >= 0) {
        status = tenon_listener_close(listener);
        tenon_listener_unref(listener);
    }
    return status;
}

static tenon_status listen_adopt(void)
{
    tenon_listener *listener = NULL;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    WANT(fd >= 0 && listen(fd, 1) == 0);
    tenon_status status = tenon_listen_adopt(
        R, &listener, fd, tenon_factory_of(&quiet_ops), NULL);
    if (status < 0) {
        close(fd);
    }
    tenon_listener_unref(listener); /* it goes on until the end */
    return status;
}

static tenon_status listener_add(actor *a)
{
    char name[80];
    snprintf(name, sizeof name, "%.60s-more", a->name);
    return tenon_listener_add(a->listener, name);
}

static tenon_status listener_drop(actor *a)
{
    tenon_listener_unref(a->listener);
    a->listener = NULL;
    a->phase = 9; /* its script stands still */
    return TENON_OK;
}

static tenon_status listener_stop(actor *a, enum tenon_stop_mode mode)
{
    tenon_stop_options options = {.size = sizeof options,
                                  .mode = mode,
                                  .timeout_ns = 1000,
                                  .on_stopped = matrix_on_stopped,
                                  .user = a};
    tenon_status status = tenon_listener_stop(a->listener, &options);
    a->sent += status >= 0;
    return status;
}

static tenon_status stop_future(actor *a)
{
    tenon_future *future = tenon_listener_stop_future(a->listener, NULL);
    tenon_future_unref(future);
    return future ? TENON_OK : TENON_CLOSED;
}

static void on_guest_connected(tenon_connector *connector, tenon_transport *t,
                               const tenon_error *error, void *user)
{
    (void)connector;
    (void)user;
    WANT(!t && error);
    WANT(debts-- > 0);
}

static tenon_status connect_nowhere(void)
{
    tenon_connect_options options = {.size = sizeof options,
                                     .on_connected = on_guest_connected};
    return owed(tenon_connector_start(R, NULL, "mem:nowhere",
                                      tenon_factory_of(&quiet_ops), &options));
}

static tenon_status connect_future(void)
{
    tenon_future *future =
        tenon_connect(R, "mem:nowhere", tenon_factory_of(&quiet_ops), NULL);
    if (!future) {
        return TENON_CLOSED;
    }
    tenon_future_cancel(future, NULL);
    tenon_future_unref(future);
    return TENON_OK;
}

static tenon_status connector_drop(actor *a)
{
    tenon_connector_unref(a->connector);
    a->connector = NULL;
    return TENON_OK;
}

static void on_guest_answer(tenon_lookup *lookup, const tenon_error *error,
                            void *user)
{
    (void)lookup;
    (void)error;
    (void)user;
    WANT(debts-- > 0);
}

static tenon_status resolve_here(void)
{
    tenon_resolve_options options = {.size = sizeof options,
                                     .on_done = on_guest_answer};
    return owed(tenon_resolve(R, NULL, "127.0.0.1", &options));
}

/* The reference of `named` is the connector's. */
static tenon_status lookup_drop(actor *a)
{
    if (a->kind == &kind_QUESTION && a->held) {
        tenon_lookup_unref(a->lookup);
        a->lookup = NULL;
    }
    return TENON_OK;
}

/* Only who keeps a lookup may answer it, and once. */
static tenon_status lookup_add(actor *a)
{
    WANT(tenon_address_parse(&address, "tcp:127.0.0.2:0") == TENON_OK);
    return a->phase == 1 ? tenon_lookup_add(a->lookup, &address) : TENON_OK;
}

static tenon_status lookup_done(actor *a)
{
    if (a->phase == 1) {
        a->phase = 2;
        tenon_lookup_done(a->lookup, NULL);
    }
    return TENON_OK;
}

/* ---- transports ---- */

static tenon_status adopt_here(void)
{
    int fds[2];
    tenon_transport *t = NULL;
    WANT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
    tenon_status status =
        tenon_transport_adopt(R, &t, fds[0], tenon_factory_of(&quiet_ops));
    if (status < 0) {
        close(fds[0]);
    }
    close(fds[1]);
    return status;
}

static tenon_status pair_here(void)
{
    tenon_transport *ends[2];
    tenon_status status =
        tenon_memory_pair(R, ends, tenon_factory_of(&quiet_ops),
                          tenon_factory_of(&quiet_ops), NULL);
    if (status >= 0) {
        tenon_transport_abort(ends[0]);
    }
    return status;
}

static tenon_status writev_two(actor *a)
{
    struct iovec parts[] = {{bytes, 10}, {bytes, sizeof bytes}};
    return tenon_transport_writev(T, parts, 2);
}

static void on_paid(tenon_transport *t, tenon_status status, void *user)
{
    (void)t;
    (void)status;
    (void)user;
    WANT(!st.calling || (st.act->call->flags & RUNS));
    WANT(debts-- > 0);
}

static void on_given_back(void *buffer, size_t len, void *user)
{
    (void)user;
    WANT(buffer == bytes && len == 10);
    WANT(debts-- > 0);
}

static tenon_status write_take(actor *a)
{
    return owed(tenon_transport_write_take(T, bytes, 10, on_given_back, NULL));
}

static tenon_status flushed(actor *a)
{
    tenon_future *future = NULL;
    tenon_status status = tenon_transport_flushed(T, &future);
    tenon_future_unref(future);
    return status;
}

static tenon_status send_file(actor *a)
{
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    WANT(fd >= 0);
    tenon_status status =
        owed(tenon_transport_send_file(T, fd, 0, 100, on_paid, NULL));
    close(fd);
    return status;
}

/* Nobody tells the actor any more when its connection is lost. */
static void give_away(actor *a, tenon_status status)
{
    if (status >= 0) {
        a->again++;
        lose_transport(a);
    }
}

static tenon_status set_protocol(actor *a)
{
    tenon_status status =
        tenon_transport_set_protocol(T, (tenon_protocol){&quiet_ops, NULL});
    a->again += status >= 0;
    return status;
}

static tenon_status credentials(actor *a)
{
    tenon_credentials who;
    return tenon_transport_peer_credentials(T, &who);
}

static void on_quiet_tap(tenon_transport *t, enum tenon_tap_way way,
                         const void *data, size_t len, void *user)
{
    (void)t;
    (void)way;
    (void)data;
    (void)user;
    WANT(len > 0);
}

/* Another one that is open: the first there is. */
static tenon_status pipe_with(actor *a)
{
    for (int i = 0; i < st.cast_count; i++) {
        actor *other = &st.cast[i];
        if (other != a && other->transport && other->opened && !other->line) {
            tenon_status status = tenon_pipe(T, other->transport, NULL);
            give_away(a, status);
            give_away(other, status);
            other->loose = true;
            return status;
        }
    }
    return TENON_INVALID;
}

static tenon_status another_line(void)
{
    tenon_line line;
    tenon_line_ops ops = {.size = sizeof ops};
    return tenon_line_init(&line, &ops, NULL, NULL);
}

static tenon_status line_set_protocol(actor *a)
{
    tenon_status status =
        tenon_line_set_protocol(a->line, (tenon_protocol){&quiet_ops, NULL});
    give_away(a, status);
    return status;
}

/* ---- futures ---- */

static tenon_future *future_of(actor *a)
{
    enum event event = st.now->callback->event;
    bool inner = st.act->target == SELF
                     ? event == EV_THEN || event == EV_OUTER_DONE
                     : st.act->target == PARENT && event == EV_CHILD_DONE;
    return inner && a->outer ? a->outer : a->future;
}

static tenon_status future_new(void)
{
    tenon_future *future = NULL;
    tenon_status status = tenon_future_new(R, &future);
    tenon_future_unref(future);
    return status;
}

static tenon_status future_init(void)
{
    tenon_future future;
    tenon_status status = tenon_future_init(&future, R);
    if (status >= 0) {
        tenon_future_fini(&future);
    }
    return status;
}

static tenon_status future_ready(int how)
{
    tenon_future *future = NULL;
    tenon_status status = how == 0 ? tenon_future_ready(R, NULL, NULL, &future)
                          : how == 1
                              ? tenon_future_ready_int(R, 1, &future)
                              : tenon_future_failed(R, st.error, &future);
    tenon_future_unref(future);
    return status;
}

static tenon_status future_drop(actor *a)
{
    tenon_future *mine = a->future;
    a->future = NULL;
    a->phase = 9;
    tenon_future_unref(mine);
    return TENON_OK;
}

static tenon_status try_resolve(actor *a)
{
    debts++;
    tenon_status status = tenon_future_try_resolve(F, bytes, on_paid_user);
    debts -= status < 0; /* then nothing was done */
    return status;
}

static tenon_status future_value(actor *a)
{
    void *value;
    return tenon_future_value(F, &value);
}

static tenon_status future_int(actor *a)
{
    int64_t number;
    return tenon_future_int(F, &number);
}

static tenon_status future_take(actor *a)
{
    void *value = NULL;
    tenon_free_fn *free_value = NULL;
    tenon_status status = tenon_future_take(F, &value, &free_value);
    if (status >= 0 && free_value) {
        free_value(value);
    }
    return status;
}

static void on_more(tenon_waiter *waiter, tenon_future *future, void *user)
{
    (void)future;
    (void)user;
    (void)waiter;
    WANT(debts-- > 0);
}

static tenon_status wait_more(actor *a)
{
    tenon_waiter *waiter = own(sizeof *waiter);
    tenon_status status = tenon_future_on_done(F, waiter, on_more, NULL);
    WANT(guest_count < GUESTS);
    guests[guest_count++] = waiter;
    return owed(status);
}

static tenon_status forget_more(actor *a)
{
    size_t count = tenon_future_off(F, on_more, NULL);
    WANT((size_t)debts >= count);
    debts -= (int)count;
    return TENON_OK;
}

static tenon_status waiter_free(actor *a)
{
    tenon_status status = tenon_waiter_remove(a->waiter);
    DISOWN(a->waiter);
    return status;
}

static tenon_status on_guest_then(tenon_future *source, tenon_future *result,
                                  void *user)
{
    (void)source;
    (void)result;
    (void)user;
    return TENON_OK;
}

static tenon_status then_more(actor *a)
{
    tenon_then_options options = {.size = sizeof options,
                                  .on_value = on_guest_then,
                                  .on_error = on_guest_then,
                                  .free_user = on_paid_user};
    return owed(tenon_future_then(F, &options, NULL));
}

static tenon_status link_from(actor *a)
{
    tenon_future *to = NULL;
    tenon_status status = tenon_future_new(R, &to);
    if (status >= 0) {
        status = tenon_future_link(F, to, 0);
        tenon_future_unref(to);
    }
    return status;
}

static tenon_status link_to(actor *a)
{
    tenon_future *from = NULL;
    tenon_status status = tenon_future_ready_int(R, 3, &from);
    if (status >= 0) {
        status = tenon_future_link(from, F, TENON_LINK_CANCEL);
        tenon_future_unref(from);
    }
    return status;
}

static tenon_status group(actor *a, int how)
{
    tenon_future *both[2] = {F, F};
    tenon_future *out = NULL;
    tenon_status status = how == 0   ? tenon_gather(R, both, 2, 0, &out)
                          : how == 1 ? tenon_any(R, both, 2, &out)
                          : how == 2 ? tenon_race(R, both, 2, &out)
                                     : tenon_wait(R, both, 2, NULL, &out);
    if (status >= 0) {
        (void)tenon_future_error(out);
        tenon_future_unref(out);
    }
    return status;
}

static tenon_status promise_new(void)
{
    tenon_promise *promise = NULL;
    tenon_future *future = NULL;
    tenon_status status = tenon_promise_new(R, &promise, &future);
    if (status >= 0) {
        tenon_promise_unref(promise);
        (void)tenon_future_error(future);
        tenon_future_unref(future);
    }
    return status;
}

static tenon_status promise_drop(actor *a)
{
    tenon_promise_unref(a->promise);
    a->promise = NULL;
    return TENON_OK;
}

/* ---- the table ---- */

#define CALL(function, variant, on, flags, may, expression) \
    static tenon_status do_##function##_##variant(actor *a) \
    {                                                       \
        (void)a;                                            \
        return (expression);                                \
    }
#include "calls.def"

const call_row calls[] = {
#define CALL(function, variant, on, flags, may, expression) \
    {#function, #variant, on, flags, may, do_##function##_##variant},
#include "calls.def"
};
const size_t call_count = sizeof calls / sizeof calls[0];
