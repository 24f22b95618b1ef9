/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Calls on the reactor, its host, and what the loop calls.
 */

#include "calls.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

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
    pay();
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
    (void)guest(TENON_OK);
    WANT(st.fixture->call_native(st.loop, 0, on_guest, NULL) == 0);
    return TENON_OK;
}

/* ---- the table ---- */

#define CALL(function, variant, on, flags, may, expression) \
    static tenon_status do_##function##_##variant(actor *a) \
    {                                                       \
        (void)a;                                            \
        return (expression);                                \
    }
#include "calls_loop.def"

static const call_row rows[] = {
#define CALL(function, variant, on, flags, may, expression) \
    {#function, #variant, on, flags, may, do_##function##_##variant},
#include "calls_loop.def"
};
const call_table calls_loop = {rows, sizeof rows / sizeof rows[0]};
