/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/* A GLib program with a screen, for tenon-bench fair: a source that is due
 * every sixtieth of a second at the priority at which GTK draws, an idle source
 * that always has something to do, and the echo of the README.
 *
 * The ticks have places in time that no delay moves. One that was missed
 * altogether counts, too, with the time until its successor ran: a screen that
 * stands still for a second was late sixty times. */
#define _GNU_SOURCE 1
#include "fair.h"

#include <time.h>

#if BENCH_HAVE_GLIB && __has_include(<tenon/glib.h>)
#include <glib.h>
#include <tenon/glib.h>

#include "srv_tenon.h"

enum { REDRAW = G_PRIORITY_HIGH_IDLE + 20 };

static gint64 due_us;

static gboolean on_idle(gpointer user)
{
    (void)user;
    atomic_fetch_add(&bench_fair_shared->idle, 1);
    return G_SOURCE_CONTINUE;
}

static void begin_idling(void)
{
    static guint idle;
    if (idle == 0) {
        idle = g_idle_add(on_idle, NULL);
    }
}

/* All that were due until now. */
static void note_ticks(bench_fair_page *page, gint64 now_us)
{
    uint64_t tick = atomic_load(&page->ticks);
    for (; due_us <= now_us; due_us += BENCH_FAIR_PERIOD_US, tick++) {
        page->late_us[tick % BENCH_FAIR_TICKS] = (uint32_t)(now_us - due_us);
    }
    atomic_store(&page->ticks, tick);
}

static uint64_t cpu_us(void)
{
    struct timespec t = {0};
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void draw(bench_fair_page *page, gint64 now_us)
{
    uint64_t start_us = cpu_us();
    while (g_get_monotonic_time() - now_us < page->frame_us) {
    }
    atomic_fetch_add(&page->frames_us, cpu_us() - start_us);
}

static gboolean on_tick(GSource *source, GSourceFunc fn, gpointer user)
{
    bench_fair_page *page = bench_fair_shared;
    gint64 now_us = g_get_monotonic_time();
    (void)fn, (void)user;
    note_ticks(page, now_us);
    if (atomic_load(&page->go)) {
        begin_idling();
        draw(page, now_us);
    }
    g_source_set_ready_time(source, due_us);
    return G_SOURCE_CONTINUE;
}

static void add_screen(void)
{
    static GSourceFuncs funcs = {.dispatch = on_tick};
    GSource *source = g_source_new(&funcs, sizeof *source);
    g_source_set_priority(source, REDRAW);
    due_us = g_get_monotonic_time();
    g_source_set_ready_time(source, due_us);
    g_source_attach(source, NULL);
}

static int run(int listen_fd, const bench_options *options)
{
    tenon_reactor *reactor;
    GMainLoop *loop = g_main_loop_new(NULL, FALSE);
    (void)options;
    if (tenon_glib_attach(NULL, &reactor, NULL) < 0 ||
        bench_tenon_listen(reactor, listen_fd) != 0) {
        return 1;
    }
    add_screen();
    g_main_loop_run(loop);
    return 0;
}

extern const bench_server bench_srv_screen_glib;
const bench_server bench_srv_screen_glib = {"screen", "glib", "screen", run};
#endif
