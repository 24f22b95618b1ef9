/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { INTERVALS_MAX = 256 };

typedef struct frames {
    gint64 begin_us;
    gint64 last_us;
    int count;
    gint64 intervals_us[INTERVALS_MAX];
} frames;

static gboolean enabled;

void log_enable(void)
{
    enabled = TRUE;
}

void log_line(const char *format, ...)
{
    va_list args;
    if (!enabled) {
        return;
    }
    va_start(args, format);
    (void)vprintf(format, args);
    va_end(args);
    (void)putchar('\n');
    (void)fflush(stdout);
}

/* ---- places ---- */

typedef struct place {
    const char *name;
    int x;
    int y;
} place;

/* It moves with each layout. */
static gboolean on_frame(GtkWidget *widget, GdkFrameClock *clock, void *user)
{
    place *p = user;
    graphene_rect_t at;
    GtkNative *native = gtk_widget_get_native(widget);
    double x = 0;
    double y = 0;
    (void)clock;
    if (!gtk_widget_compute_bounds(widget, GTK_WIDGET(native), &at)) {
        return G_SOURCE_CONTINUE;
    }
    gtk_native_get_surface_transform(native, &x, &y);
    x += (double)(at.origin.x + at.size.width / 2);
    y += (double)(at.origin.y + at.size.height / 2);
    if (p->x != (int)x || p->y != (int)y) {
        p->x = (int)x;
        p->y = (int)y;
        log_line("place %s %d %d", p->name, p->x, p->y);
    }
    return G_SOURCE_CONTINUE;
}

guint log_place(const char *name, GtkWidget *widget)
{
    if (!enabled) {
        return 0;
    }
    place *p = g_new0(place, 1);
    p->name = g_intern_string(name);
    return gtk_widget_add_tick_callback(widget, on_frame, p, g_free);
}

/* ---- frames ---- */

static int compare(const void *left, const void *right)
{
    gint64 a = *(const gint64 *)left;
    gint64 b = *(const gint64 *)right;
    return (a > b) - (a < b);
}

static void report(frames *f)
{
    qsort(f->intervals_us, (size_t)f->count, sizeof f->intervals_us[0],
          compare);
    log_line("frames %d %d", f->count,
             f->count > 0 ? (int)f->intervals_us[f->count / 2] : 0);
    f->count = 0;
}

static void on_painted(GdkFrameClock *clock, void *user)
{
    frames *f = user;
    gint64 now_us = g_get_monotonic_time();
    (void)clock;
    if (f->last_us != 0 && f->count < INTERVALS_MAX) {
        f->intervals_us[f->count++] = now_us - f->last_us;
    }
    f->last_us = now_us;
    if (now_us - f->begin_us >= G_USEC_PER_SEC) {
        f->begin_us = now_us;
        report(f);
    }
}

/* Wants each frame, and something to paint in it. */
static gboolean on_tick(GtkWidget *widget, GdkFrameClock *clock, void *user)
{
    frames *f = user;
    if (f->begin_us == 0) {
        f->begin_us = g_get_monotonic_time();
        g_signal_connect(clock, "after-paint", G_CALLBACK(on_painted), f);
    }
    gtk_widget_queue_draw(widget);
    return G_SOURCE_CONTINUE;
}

void log_frames(GtkWidget *widget)
{
    if (enabled) {
        static frames all;
        gtk_widget_add_tick_callback(widget, on_tick, &all, NULL);
    }
}
