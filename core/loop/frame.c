/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Frames: one around each call of user code. They tell what is on the stack,
 * so that a nested host loop does not enter it again, and how long it took.
 */

#include <string.h>

#include "loop/trace.h"

TENON__ASIDE static void copy_name(tenon__frame *frame, const char *name)
{
    size_t len = strnlen(name, sizeof frame->copy - 1);
    memcpy(frame->copy, name, len);
    frame->copy[len] = '\0';
}

void tenon__frame_enter(tenon_reactor *r, tenon__frame *frame,
                        const void *object, const char *what, const char *name)
{
    frame->up = r->frames;
    frame->object = object;
    frame->what = what;
    frame->name = name;
    frame->copy[0] = '\0';
    frame->alive = true;
    frame->carries = false;
    r->frames = frame;
}

void tenon__frame_enter_named(tenon_reactor *r, tenon__frame *frame,
                              const void *object, const char *what,
                              const char *name)
{
    tenon__frame_enter(r, frame, object, what, NULL);
    if (name && r->slow_ns >= 0) {
        copy_name(frame, name);
    }
}

/* The lap clock was read after the callback before; what passed since is this
 * one's, but for what a nested loop ran. */
TENON__ASIDE static void on_lap(tenon_reactor *r, const tenon__frame *frame,
                                int64_t lap_ns)
{
    int64_t took_ns = lap_ns - r->lap_ns;
    r->lap_ns = lap_ns;
    if (took_ns > r->stats.longest_callback_ns) {
        r->stats.longest_callback_ns = took_ns;
    }
    if (r->slow_ns < 0 || took_ns <= r->slow_ns || r->reporting) {
        return;
    }
    r->stats.slow_callbacks++;
    tenon__report_slow(r, frame, took_ns);
    r->lap_ns = tenon__lap(r);
}

/* Most often a coarse clock did not move. */
static void measure(tenon_reactor *r, const tenon__frame *frame)
{
    r->stats.callbacks++;
    if (r->slow_ns < 0 && r->kind == TENON__NATIVE) {
        return; /* nobody asks, and there is no budget */
    }
    int64_t lap_ns = tenon__lap(r);
    if (TENON__RARELY(lap_ns != r->lap_ns)) {
        on_lap(r, frame, lap_ns);
    }
}

void tenon__frame_leave(tenon_reactor *r, tenon__frame *frame)
{
    r->frames = frame->up;
    if (frame->what) {
        measure(r, frame);
    }
    tenon__trace_forget(r, frame);
    if (TENON__RARELY(!tenon__list_empty(&r->poller.disarmed))) {
        tenon__watches_rearm(r, false);
    }
    if (TENON__RARELY(!tenon__list_empty(&r->deferred_timers))) {
        tenon__timers_rearm(r);
    }
}

bool tenon__in_frames(const tenon_reactor *r, const void *object)
{
    for (const tenon__frame *f = r->frames; f; f = f->up) {
        if (f->object == object) {
            return true;
        }
    }
    return false;
}

void tenon__frames_keep_name(tenon_reactor *r, const void *object)
{
    for (tenon__frame *f = r->frames; f; f = f->up) {
        if (f->object == object && f->name) {
            copy_name(f, f->name);
            f->name = NULL;
        }
    }
}

void tenon__frame_forget(tenon_reactor *r, const void *object)
{
    for (tenon__frame *f = r->frames; f; f = f->up) {
        if (f->object == object) {
            f->alive = false;
        }
    }
}
