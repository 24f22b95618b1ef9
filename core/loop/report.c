/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Errors that nobody else would see: making them, and telling the handler.
 */

#include <stdio.h>

#include "loop/trace.h"

tenon_error *tenon__error(tenon_reactor *r, tenon_status status,
                          const char *message, tenon_error *cause)
{
    bool system = status < 0 && status > -4096;
    tenon_error_options options = {
        .size = sizeof options,
        .status = status,
        .system_code = system ? -status : 0,
        .domain = system ? "system" : "tenon",
        .message = message ? message : tenon_status_text(status),
        .cause = cause,
        .allocator = &r->allocator,
    };
    return tenon_error_new(&options);
}

static void print_report(const tenon_reactor *r, const tenon_report *report)
{
    char text[512];
    tenon_error_format(report->error, text, sizeof text);
    fprintf(stderr, "tenon: %s: %s %s: %s", r->name, report->what, report->name,
            text);
    if (report->duration_ns) {
        fprintf(stderr, " after %.3f ms",
                (double)report->duration_ns / (double)TENON_MILLISECOND);
    }
    fprintf(stderr, "\n%s", report->trace ? report->trace : "");
}

/* A handler that fails, or that reports in turn, gets a line on standard
 * error, once, and is not asked about that. */
static void tell(tenon_reactor *r, const tenon_report *report)
{
    if (!r->on_error || r->reporting) {
        print_report(r, report);
        return;
    }
    r->reporting = true;
    tenon_status status = r->on_error(r, report, r->on_error_user);
    r->reporting = false;
    if (status < 0) {
        print_report(r, report);
        fprintf(stderr, "tenon: %s: the error handler failed: %s\n", r->name,
                tenon_status_text(status));
    }
}

/* The trace is that of `key`, or of the callback that was on the stack. */
static void deliver(tenon_reactor *r, tenon_report *report, const void *key,
                    const tenon__frame *frame)
{
    tenon__pin(r); /* the handler may drop the last reference */
    char *trace = tenon__trace_text(r, key, frame);
    report->trace = trace;
    tell(r, report);
    tenon__trace_free(r, trace);
    tenon__unpin(r);
}

void tenon_reactor_report(tenon_reactor *r, const char *what,
                          const tenon_error *error)
{
    tenon_report report = {.size = sizeof report,
                           .what = what ? what : "",
                           .name = "",
                           .error = error};
    if (error && tenon__check_thread(r) == TENON_OK) {
        deliver(r, &report, NULL, r->frames);
    }
}

void tenon__report(tenon_reactor *r, const char *what, const char *name,
                   const void *object, const tenon_error *error)
{
    tenon_report report = {.size = sizeof report,
                           .what = what,
                           .name = name ? name : "",
                           .object = object,
                           .error = error};
    deliver(r, &report, object, r->frames);
}

void tenon__report_status(tenon_reactor *r, const char *what, const char *name,
                          const void *object, tenon_status status)
{
    tenon_error *error = tenon__error(r, status, NULL, NULL);
    tenon__report(r, what, name, object, error);
    tenon_error_unref(error);
}

void tenon__report_slow(tenon_reactor *r, const tenon__frame *frame,
                        int64_t duration_ns)
{
    tenon_error *error =
        tenon__error(r, TENON_TIMED_OUT, "slow callback", NULL);
    tenon_report report = {.size = sizeof report,
                           .what = "slow callback",
                           .name = frame->name      ? frame->name
                                   : frame->copy[0] ? frame->copy
                                                    : frame->what,
                           .object = frame->object,
                           .duration_ns = duration_ns,
                           .error = error};
    deliver(r, &report, frame, frame);
    tenon_error_unref(error);
}
