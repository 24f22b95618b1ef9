/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * GLib as a host: what every host is asked (guest.h), and what is GLib's
 * alone: priorities, nested loops, contexts of other threads, and sources that
 * anybody may destroy.
 *
 * ctest: labels=threads timeout=120
 */

#include <tenon/glib.h>

#include "guest_threads.h"

#if defined(__SANITIZE_THREAD__)
#define WITHOUT_GLIB_LOCKS 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define WITHOUT_GLIB_LOCKS 1
#endif
#endif

/* Its sources cannot be counted by any call; ids are given in order, though,
 * and found by them. */
enum { IDS = 200 };

static void *loop_new(void)
{
    return g_main_context_new();
}

static GSource *find(GMainContext *context, const char *name)
{
    for (guint id = 1; id < IDS; id++) {
        GSource *source = g_main_context_find_source_by_id(context, id);
        if (source && g_source_get_name(source) &&
            strcmp(g_source_get_name(source), name) == 0) {
            return source;
        }
    }
    return NULL;
}

static size_t count(void *loop)
{
    size_t sources = 0;
    for (guint id = 1; id < IDS; id++) {
        sources += g_main_context_find_source_by_id(loop, id) ? 1 : 0;
    }
    return sources;
}

/* What GLib calls freeing: all sources go, and the last reference. */
static void loop_free(void *loop)
{
    for (guint id = 1; id < IDS; id++) {
        GSource *source = g_main_context_find_source_by_id(loop, id);
        if (source) {
            g_source_destroy(source);
        }
    }
    g_main_context_unref(loop);
}

static tenon_status attach(void *loop, tenon_reactor **out,
                           const tenon_reactor_options *options)
{
    tenon_glib_options mine = {.size = sizeof mine, .reactor = options};
    return tenon_glib_attach(loop, out, &mine);
}

static tenon_status make(tenon_reactor **out,
                         const tenon_reactor_options *options)
{
    tenon_glib_options mine = {.size = sizeof mine, .reactor = options};
    return tenon_glib_new(out, &mine);
}

static gboolean on_end(gpointer user)
{
    g_main_loop_quit(user);
    return G_SOURCE_REMOVE;
}

static void run_for(void *context, int ms)
{
    GMainLoop *loop = g_main_loop_new(context, FALSE);
    GSource *timer = g_timeout_source_new((guint)ms);
    g_source_set_callback(timer, on_end, loop, NULL);
    g_source_set_priority(timer, G_PRIORITY_HIGH);
    g_source_attach(timer, context);
    g_main_loop_run(loop);
    g_source_destroy(timer);
    g_source_unref(timer);
    g_main_loop_unref(loop);
}

static const guest_host glib = {
    .loop_new = loop_new,
    .loop_free = loop_free,
    .attach = attach,
    .make = make,
    .run_for = run_for,
    .count = count,
};

START_TEST(leaves_the_loop_as_found)
{
    guest_leaves_as_found(&glib);
}
END_TEST

START_TEST(leaves_when_its_epoll_was_closed)
{
    guest_poller_closed(&glib);
}
END_TEST

START_TEST(attach_fails_without_memory)
{
    guest_attach_without_memory(&glib);
}
END_TEST

START_TEST(attach_fails_without_descriptors)
{
    guest_attach_without_descriptors(&glib);
}
END_TEST

START_TEST(host_dies_first)
{
    guest_host_dies_first(&glib);
}
END_TEST

START_TEST(reactor_leaves_first)
{
    guest_leaves_first(&glib);
}
END_TEST

START_TEST(fork_spares_the_parent)
{
    guest_survives_fork(&glib);
}
END_TEST

START_TEST(idle_is_silent)
{
    guest_idles(&glib);
}
END_TEST

START_TEST(ten_milliseconds_are_not_early)
{
    guest_times(&glib, 10 * TENON_MILLISECOND, true, 15 * TENON_MILLISECOND);
}
END_TEST

START_TEST(microseconds_are_kept)
{
    guest_times(&glib, 300 * TENON_MICROSECOND, false, TENON_MILLISECOND);
}
END_TEST

START_TEST(threads_exchange_posts)
{
    guest_exchange(&glib, &glib);
}
END_TEST

START_TEST(fork_under_its_own_run)
{
    guest_forks_under_its_run(&glib);
}
END_TEST

START_TEST(its_own_loop_runs)
{
    guest_runs_its_own(&glib);
}
END_TEST

/* ---- GLib's alone ---- */

START_TEST(sources_are_named_and_prioritised)
{
    tenon_reactor_options inner = guest_options();
    tenon_glib_options options = {
        .size = sizeof options, .priority = 50, .reactor = &inner};
    tenon_reactor *reactor = NULL;
    GMainContext *context = g_main_context_new();
    ck_assert_int_eq(tenon_glib_attach(context, &reactor, &options), TENON_OK);
    GSource *upper = find(context, "tenon");
    GSource *lower = find(context, "tenon (demoted)");
    ck_assert_ptr_nonnull(upper);
    ck_assert_ptr_nonnull(lower);
    ck_assert_int_eq(g_source_get_priority(upper), 50);
    ck_assert_int_eq(g_source_get_priority(lower), G_PRIORITY_DEFAULT_IDLE);
    ck_assert_ptr_eq(tenon_reactor_native(reactor), context);
    tenon_reactor_unref(reactor);
    g_main_context_unref(context);
}
END_TEST

START_TEST(the_default_context)
{
    int fired = 0;
    tenon_reactor *reactor = guest_attach(&glib, NULL);
    ck_assert_ptr_eq(tenon_reactor_native(reactor), g_main_context_default());
    ck_assert_int_eq(tenon_call_soon(reactor, guest_count, &fired), TENON_OK);
    while (fired == 0) {
        g_main_context_iteration(NULL, TRUE);
    }
    tenon_reactor_unref(reactor);
}
END_TEST

/* The application drops its last reference; the reactor keeps the context. */
START_TEST(context_unreferenced_first)
{
    for (int i = 0; i < 2; i++) {
        int fired = 0;
        GMainContext *context = g_main_context_new();
        tenon_reactor *reactor = guest_attach(&glib, context);
        g_main_context_unref(context);
        ck_assert_int_eq(tenon_call_soon(reactor, guest_count, &fired), 0);
        if (i == 1) {
            run_for(context, 5);
            ck_assert_int_eq(fired, 1);
        }
        tenon_reactor_unref(reactor);
    }
}
END_TEST

/* Either source destroyed by somebody who found it: the reactor learns of it
 * from the other one. */
START_TEST(one_source_destroyed)
{
    static const char *const names[] = {"tenon", "tenon (demoted)"};
    for (int i = 0; i < 4; i++) {
        int closed = 0;
        int fired = 0;
        tenon_reactor *reactor = NULL;
        tenon_reactor_options options = guest_options();
        options.on_closed = guest_count;
        options.on_closed_user = &closed;
        GMainContext *context = g_main_context_new();
        ck_assert_int_eq(attach(context, &reactor, &options), TENON_OK);
        if (i & 2) {
            ck_assert_int_eq(tenon_call_soon(reactor, guest_count, &fired), 0);
        }
        g_source_destroy(find(context, names[i & 1]));
        run_for(context, 5);
        ck_assert(tenon_reactor_is_closed(reactor));
        ck_assert_int_eq(closed, 1);
        ck_assert_int_eq(fired, 0);
        ck_assert_uint_eq(count(context), 0);
        tenon_reactor_unref(reactor);
        g_main_context_unref(context);
    }
}
END_TEST

/* ---- a modal dialog ---- */

typedef struct dialog {
    GMainContext *context;
    tenon_reactor *reactor;
    tenon_timer timer;
    tenon_watch other;
    int other_reads;
    int other_fd;
    int ticks;
    int opened;
    uint64_t entries;
    int64_t cpu_ns;
} dialog;

static void on_other_tick(tenon_timer *timer, void *user)
{
    dialog *d = user;
    d->ticks++;
    guest_poke(d->other_fd);
    ck_assert_int_eq(
        tenon_timer_start(timer, 20 * TENON_MILLISECOND, on_other_tick, d), 0);
}

/* The descriptor stays readable while its callback runs the dialog. */
static void open_dialog(tenon_watch *watch, uint32_t events, void *user)
{
    dialog *d = user;
    char byte;
    (void)events;
    d->opened++;
    uint64_t entries = guest_entries(d->reactor);
    int64_t cpu_ns = harness_cpu_ns();
    do {
        run_for(d->context, 300);
    } while (d->ticks < 8 || d->other_reads < 8);
    d->cpu_ns = harness_cpu_ns() - cpu_ns;
    d->entries = guest_entries(d->reactor) - entries;
    ck_assert_int_eq(read(watch->fd, &byte, 1), 1);
}

START_TEST(nested_loop_keeps_the_rest_alive)
{
    dialog d = {.context = g_main_context_new()};
    tenon_watch watch;
    int fds[2];
    int other[2];
    guest_pair(fds);
    guest_pair(other);
    d.reactor = guest_attach(&glib, d.context);
    d.other_fd = other[1];
    tenon_timer_init(&d.timer, d.reactor);
    tenon_watch_init(&watch, d.reactor, fds[0]);
    tenon_watch_init(&d.other, d.reactor, other[0]);
    ck_assert_int_eq(tenon_watch_start(&watch, TENON_READ, open_dialog, &d), 0);
    ck_assert_int_eq(
        tenon_watch_start(&d.other, TENON_READ, guest_read, &d.other_reads), 0);
    ck_assert_int_eq(
        tenon_timer_start(&d.timer, 20 * TENON_MILLISECOND, on_other_tick, &d),
        0);
    guest_poke(fds[1]);
    while (d.opened == 0) {
        run_for(d.context, 5);
    }
    ck_assert_int_lt((int)d.entries, 20 + 3 * d.ticks);
    ck_assert_int_lt(d.cpu_ns, 60 * TENON_MILLISECOND * harness_time_scale());
    guest_poke(fds[1]); /* re-armed on return */
    run_for(d.context, 5);
    ck_assert_int_eq(d.opened, 2);
    tenon_reactor_unref(d.reactor);
    g_main_context_unref(d.context);
    for (int i = 0; i < 2; i++) {
        close(fds[i]);
        close(other[i]);
    }
}
END_TEST

static void open_from_call(void *user)
{
    dialog *d = user;
    tenon_handle handle;
    /* Something to drop, and work that is due, both inside. */
    ck_assert_int_eq(tenon_call_later(d->reactor, 300 * TENON_SECOND,
                                      guest_count, &d->ticks, &handle),
                     0);
    tenon_handle_cancel(handle);
    ck_assert_int_eq(tenon_call_soon(d->reactor, guest_count, &d->ticks), 0);
    uint64_t entries = guest_entries(d->reactor);
    int64_t cpu_ns = harness_cpu_ns();
    run_for(d->context, 300);
    d->cpu_ns = harness_cpu_ns() - cpu_ns;
    d->entries = guest_entries(d->reactor) - entries;
}

START_TEST(nested_loop_from_a_call_does_not_spin)
{
    dialog d = {.context = g_main_context_new()};
    d.reactor = guest_attach(&glib, d.context);
    ck_assert_int_eq(tenon_call_soon(d.reactor, open_from_call, &d), 0);
    run_for(d.context, 5);
    ck_assert_int_eq(d.ticks, 1);
    ck_assert_int_lt((int)d.entries, 10);
    ck_assert_int_lt(d.cpu_ns, 60 * TENON_MILLISECOND * harness_time_scale());
    tenon_reactor_unref(d.reactor);
    g_main_context_unref(d.context);
}
END_TEST

static void close_in_dialog(void *user)
{
    dialog *d = user;
    ck_assert_int_ge(tenon_reactor_close(d->reactor), 0);
    int64_t cpu_ns = harness_cpu_ns();
    run_for(d->context, 100);
    d->cpu_ns = harness_cpu_ns() - cpu_ns;
}

START_TEST(closed_inside_a_nested_loop)
{
    dialog d = {.context = g_main_context_new()};
    d.reactor = guest_attach(&glib, d.context);
    ck_assert_int_eq(tenon_call_soon(d.reactor, close_in_dialog, &d), 0);
    run_for(d.context, 5);
    ck_assert(tenon_reactor_is_closed(d.reactor));
    ck_assert_int_lt(d.cpu_ns, 40 * TENON_MILLISECOND * harness_time_scale());
    ck_assert_uint_eq(count(d.context), 0);
    tenon_reactor_unref(d.reactor);
    g_main_context_unref(d.context);
}
END_TEST

/* ---- GTK's redraw ---- */

enum { PAIRS = 2000, REDRAW = 120, REDRAW_MS = 16, BUSY_MS = 2000 };

typedef struct hopper {
    tenon_watch watch;
    int fds[2];
    int *hops;
} hopper;

/* Reads its byte and writes it again: always readable. */
static void hop(tenon_watch *watch, uint32_t events, void *user)
{
    hopper *h = user;
    char byte;
    (void)events;
    ck_assert_int_eq(read(watch->fd, &byte, 1), 1);
    guest_poke(h->fds[1]);
    (*h->hops)++;
}

static gboolean draw(gpointer user)
{
    (*(int *)user)++;
    return G_SOURCE_CONTINUE;
}

START_TEST(redraw_goes_on_beside_2000_busy_sockets)
{
    struct rlimit files;
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &files), 0);
    files.rlim_cur = files.rlim_max;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &files), 0);
    hopper *hoppers = calloc(PAIRS, sizeof *hoppers);
    int hops = 0;
    int ticks = 0;
    GMainContext *context = g_main_context_new();
    tenon_reactor *reactor = guest_attach(&glib, context);
    for (int i = 0; i < PAIRS; i++) {
        hopper *h = &hoppers[i];
        h->hops = &hops;
        guest_pair(h->fds);
        guest_poke(h->fds[1]);
        tenon_watch_init(&h->watch, reactor, h->fds[0]);
        ck_assert_int_eq(tenon_watch_start(&h->watch, TENON_READ, hop, h), 0);
    }
    GSource *redraw = g_timeout_source_new(REDRAW_MS);
    g_source_set_callback(redraw, draw, &ticks, NULL);
    g_source_set_priority(redraw, REDRAW);
    g_source_attach(redraw, context);
    guest_run_busy(&glib, context, BUSY_MS);
    printf("redraw: %d of %d ticks beside %d hops\n", ticks,
           BUSY_MS / REDRAW_MS, hops);
    ck_assert_int_gt(ticks, BUSY_MS / REDRAW_MS * 7 / 10);
    ck_assert_int_gt(hops, 10000);
    g_source_destroy(redraw);
    g_source_unref(redraw);
    tenon_reactor_unref(reactor);
    for (int i = 0; i < PAIRS; i++) {
        close(hoppers[i].fds[0]);
        close(hoppers[i].fds[1]);
    }
    free(hoppers);
    g_main_context_unref(context);
}
END_TEST

static gboolean draw_for_ever(gpointer user)
{
    (void)user;
    return G_SOURCE_CONTINUE;
}

static void count_and_go_on(void *user)
{
    void **pair = user;
    (*(int *)pair[1])++;
    if (!tenon_reactor_is_closed(pair[0])) {
        ck_assert_int_eq(tenon_call_soon(pair[0], count_and_go_on, pair), 0);
    }
}

/* The other way round: a screen that is always busy gives us a budget every
 * 8 ms. */
START_TEST(a_busy_screen_does_not_starve_us)
{
    int calls = 0;
    GMainContext *context = g_main_context_new();
    tenon_reactor *reactor = guest_attach(&glib, context);
    void *pair[] = {reactor, &calls};
    GSource *redraw = g_idle_source_new();
    g_source_set_callback(redraw, draw_for_ever, NULL, NULL);
    g_source_set_priority(redraw, REDRAW);
    g_source_attach(redraw, context);
    ck_assert_int_eq(tenon_call_soon(reactor, count_and_go_on, pair), 0);
    uint64_t entries = guest_entries(reactor);
    int64_t start_ns = harness_clock_ns();
    guest_run_busy(&glib, context, 500);
    int64_t took_ms = (harness_clock_ns() - start_ns) / TENON_MILLISECOND;
    entries = guest_entries(reactor) - entries;
    ck_assert_uint_ge(entries, 25); /* 50 when nobody else is on the machine */
    ck_assert_uint_le(entries, (uint64_t)took_ms / 8 + 3);
    g_source_destroy(redraw);
    g_source_unref(redraw);
    tenon_reactor_unref(reactor);
    g_main_context_unref(context);
}
END_TEST

typedef struct screen {
    tenon_reactor *reactor;
    uint64_t entries; /* at the first frame, then at the last */
    uint64_t first;
    uint64_t frames;
} screen;

static gboolean draw_for_20_ms(gpointer user)
{
    screen *s = user;
    int64_t end_ns = harness_clock_ns() + 20 * TENON_MILLISECOND;
    s->entries = guest_entries(s->reactor);
    s->first = s->frames++ == 0 ? s->entries : s->first;
    while (harness_clock_ns() < end_ns) {
    }
    return G_SOURCE_CONTINUE;
}

/* One budget of 2 ms beside each would be an eleventh of the time. */
START_TEST(frames_of_20_ms_leave_us_two_budgets_each)
{
    int calls = 0;
    GMainContext *context = g_main_context_new();
    screen s = {.reactor = guest_attach(&glib, context)};
    void *pair[] = {s.reactor, &calls};
    GSource *redraw = g_idle_source_new();
    g_source_set_callback(redraw, draw_for_20_ms, &s, NULL);
    g_source_set_priority(redraw, REDRAW);
    g_source_attach(redraw, context);
    ck_assert_int_eq(tenon_call_soon(s.reactor, count_and_go_on, pair), 0);
    while (s.frames < 11) {
        g_main_context_iteration(context, TRUE);
    }
    ck_assert_uint_eq(s.entries - s.first, 20);
    g_source_destroy(redraw);
    g_source_unref(redraw);
    tenon_reactor_unref(s.reactor);
    g_main_context_unref(context);
}
END_TEST

/* ---- threads ---- */

typedef struct worker {
    GMainContext *context;
    GMainLoop *loop;
    tenon_reactor *reactor;
    pthread_t thread;
    atomic_bool running;
    int fired;
    tenon_status foreign;
} worker;

#ifndef WITHOUT_GLIB_LOCKS
static gboolean on_running(gpointer user)
{
    worker *w = user;
    atomic_store(&w->running, true);
    return G_SOURCE_REMOVE;
}

#endif

static void *work(void *user)
{
    worker *w = user;
    g_main_loop_run(w->loop);
    tenon_reactor_unref(w->reactor);
    return NULL;
}

static void fire_and_quit(void *user)
{
    worker *w = user;
    w->fired++;
    ck_assert(pthread_equal(pthread_self(), w->thread));
    g_main_loop_quit(w->loop);
}

START_TEST(made_on_one_thread_and_run_on_another)
{
    worker w = {.context = g_main_context_new()};
    w.loop = g_main_loop_new(w.context, FALSE);
    w.reactor = guest_attach(&glib, w.context);
    ck_assert_int_eq(tenon_call_soon(w.reactor, fire_and_quit, &w), 0);
    ck_assert_int_eq(pthread_create(&w.thread, NULL, work, &w), 0);
    ck_assert_int_eq(pthread_join(w.thread, NULL), 0);
    ck_assert_int_eq(w.fired, 1);
    g_main_loop_unref(w.loop);
    g_main_context_unref(w.context);
}
END_TEST

/* Attached here while another thread sleeps in the context's poll. (GLib's
 * locks are not seen by ThreadSanitizer, so this is not for it.) */
#ifndef WITHOUT_GLIB_LOCKS
static void quit_by_post(tenon_post_node *post, tenon_status status, void *user)
{
    (void)post;
    ck_assert_int_eq(status, TENON_OK);
    fire_and_quit(user);
}

static void attach_for_another(void)
{
    static tenon_post_node post;
    worker w = {.context = g_main_context_new()};
    w.loop = g_main_loop_new(w.context, FALSE);
    GSource *idle = g_idle_source_new();
    g_source_set_callback(idle, on_running, &w, NULL);
    g_source_attach(idle, w.context);
    g_source_unref(idle);
    ck_assert_int_eq(pthread_create(&w.thread, NULL, work, &w), 0);
    while (!atomic_load(&w.running)) {
        sched_yield();
    }
    w.reactor = guest_attach(&glib, w.context);
    tenon_inbox *inbox = tenon_inbox_ref(tenon_reactor_inbox(w.reactor));
    tenon_post_init(&post);
    ck_assert_int_eq(tenon_post(inbox, &post, quit_by_post, &w), 0);
    ck_assert_int_eq(pthread_join(w.thread, NULL), 0);
    ck_assert_int_eq(w.fired, 1);
    tenon_inbox_unref(inbox);
    g_main_loop_unref(w.loop);
    g_main_context_unref(w.context);
}

START_TEST(attached_for_a_thread_that_sleeps)
{
    for (int i = 0; i < 20; i++) {
        attach_for_another();
    }
}
END_TEST
#endif

static void *use_elsewhere(void *user)
{
    worker *w = user;
    w->foreign = tenon_call_soon(w->reactor, guest_count, &w->fired);
    return NULL;
}

START_TEST(owned_by_the_thread_that_runs_it)
{
    worker w = {.context = g_main_context_new()};
    w.reactor = guest_attach(&glib, w.context);
    run_for(w.context, 1);
    ck_assert_int_eq(tenon_call_soon(w.reactor, guest_count, &w.fired), 0);
    run_for(w.context, 1);
    ck_assert_int_eq(pthread_create(&w.thread, NULL, use_elsewhere, &w), 0);
    ck_assert_int_eq(pthread_join(w.thread, NULL), 0);
    ck_assert_int_eq(w.foreign, TENON_WRONG_THREAD);
    ck_assert_int_eq(w.fired, 1);
    tenon_reactor_unref(w.reactor);
    g_main_context_unref(w.context);
}
END_TEST

START_TEST(null_is_refused)
{
    ck_assert_int_eq(tenon_glib_attach(NULL, NULL, NULL), TENON_INVALID);
    ck_assert_int_eq(tenon_glib_new(NULL, NULL), TENON_INVALID);
}
END_TEST

/* GLib's default context is never freed. */
static void setup(void)
{
    g_main_context_unref(g_main_context_new());
    g_main_context_default();
    guest_setup();
}

int main(void)
{
    Suite *suite = suite_create("glib");
    TCase *tcase = tcase_create("glib");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, guest_teardown);
    tcase_add_test(tcase, leaves_the_loop_as_found);
    tcase_add_test(tcase, leaves_when_its_epoll_was_closed);
    tcase_add_test(tcase, attach_fails_without_memory);
    tcase_add_test(tcase, attach_fails_without_descriptors);
    tcase_add_test(tcase, host_dies_first);
    tcase_add_test(tcase, reactor_leaves_first);
    tcase_add_test(tcase, fork_spares_the_parent);
    tcase_add_test(tcase, idle_is_silent);
    tcase_add_test(tcase, ten_milliseconds_are_not_early);
    tcase_add_test(tcase, microseconds_are_kept);
    tcase_add_test(tcase, threads_exchange_posts);
    tcase_add_test(tcase, its_own_loop_runs);
    tcase_add_test(tcase, fork_under_its_own_run);
    tcase_add_test(tcase, sources_are_named_and_prioritised);
    tcase_add_test(tcase, the_default_context);
    tcase_add_test(tcase, context_unreferenced_first);
    tcase_add_test(tcase, one_source_destroyed);
    tcase_add_test(tcase, nested_loop_keeps_the_rest_alive);
    tcase_add_test(tcase, nested_loop_from_a_call_does_not_spin);
    tcase_add_test(tcase, closed_inside_a_nested_loop);
    tcase_add_test(tcase, redraw_goes_on_beside_2000_busy_sockets);
    tcase_add_test(tcase, a_busy_screen_does_not_starve_us);
    tcase_add_test(tcase, frames_of_20_ms_leave_us_two_budgets_each);
    tcase_add_test(tcase, made_on_one_thread_and_run_on_another);
#ifndef WITHOUT_GLIB_LOCKS
    tcase_add_test(tcase, attached_for_a_thread_that_sleeps);
#endif
    tcase_add_test(tcase, owned_by_the_thread_that_runs_it);
    tcase_add_test(tcase, null_is_refused);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed > 0;
}
