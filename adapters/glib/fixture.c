/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * GLib, as the conformance suite drives it.
 */

#include <stdio.h>

#include <tenon/conformance.h>
#include <tenon/glib.h>

enum {
    REDRAW = 120, /* GDK_PRIORITY_REDRAW */
    IDS = 1000    /* more sources than a case makes */
};

typedef struct native_call {
    void (*once)(void *user);
    bool (*again)(void *user);
    void *user;
} native_call;

/* The innermost loop is the one that `stop` ends. */
typedef struct loop {
    GMainContext *context;
    GMainLoop *innermost;
} loop;

static const char *version(void)
{
    char text[32];
    snprintf(text, sizeof text, "%u.%u.%u", glib_major_version,
             glib_minor_version, glib_micro_version);
    return g_intern_string(text);
}

static void *loop_new(void)
{
    loop *self = g_new0(loop, 1);
    self->context = g_main_context_new();
    return self;
}

static void loop_free(void *user)
{
    loop *self = user;
    for (guint id = 1; id < IDS; id++) {
        GSource *source = g_main_context_find_source_by_id(self->context, id);
        if (source) {
            g_source_destroy(source);
        }
    }
    g_main_context_unref(self->context);
    g_free(self);
}

static tenon_status attach(void *user, tenon_reactor **out,
                           const tenon_reactor_options *options)
{
    tenon_glib_options mine = {.size = sizeof mine, .reactor = options};
    return tenon_glib_attach(((loop *)user)->context, out, &mine);
}

static tenon_status reactor_new(tenon_reactor **out,
                                const tenon_reactor_options *options)
{
    tenon_glib_options mine = {.size = sizeof mine, .reactor = options};
    return tenon_glib_new(out, &mine);
}

static guint milliseconds_of(int64_t ns)
{
    return (guint)((ns + 999999) / TENON_MILLISECOND);
}

static GSource *add_timer(GMainContext *context, guint ms, int priority,
                          GSourceFunc fn, void *user, GDestroyNotify destroy)
{
    GSource *timer = g_timeout_source_new(ms);
    g_source_set_priority(timer, priority);
    g_source_set_callback(timer, fn, user, destroy);
    g_source_attach(timer, context);
    return timer;
}

static void end_timer(GSource *timer)
{
    g_source_destroy(timer);
    g_source_unref(timer);
}

static gboolean on_limit(gpointer user)
{
    (void)user;
    return G_SOURCE_REMOVE;
}

static void iterate(void *user, int64_t max_wait_ns)
{
    loop *self = user;
    if (max_wait_ns <= 0) {
        g_main_context_iteration(self->context, FALSE);
        return;
    }
    GSource *limit = add_timer(self->context, milliseconds_of(max_wait_ns),
                               G_PRIORITY_DEFAULT_IDLE, on_limit, NULL, NULL);
    g_main_context_iteration(self->context, TRUE);
    end_timer(limit);
}

static void run(void *user)
{
    loop *self = user;
    GMainLoop *outer = self->innermost;
    GMainLoop *inner = g_main_loop_new(self->context, FALSE);
    self->innermost = inner;
    g_main_loop_run(inner);
    self->innermost = outer;
    g_main_loop_unref(inner);
}

static void stop(void *user)
{
    loop *self = user;
    if (self->innermost) {
        g_main_loop_quit(self->innermost);
    }
}

static gboolean on_end(gpointer user)
{
    stop(user);
    return G_SOURCE_REMOVE;
}

static void nested(void *user, int64_t duration_ns)
{
    loop *self = user;
    GSource *end = add_timer(self->context, milliseconds_of(duration_ns),
                             G_PRIORITY_HIGH, on_end, self, NULL);
    run(self);
    end_timer(end);
}

static gboolean on_call(gpointer user)
{
    native_call *call = user;
    if (call->again) {
        return call->again(call->user) ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
    }
    call->once(call->user);
    return G_SOURCE_REMOVE;
}

static int add_call(loop *self, int64_t delay_ns, int priority,
                    native_call call)
{
    native_call *copy = g_new(native_call, 1);
    *copy = call;
    g_source_unref(add_timer(self->context, milliseconds_of(delay_ns), priority,
                             on_call, copy, g_free));
    return 0;
}

static int call_native(void *self, int64_t delay_ns, void (*fn)(void *user),
                       void *user)
{
    return add_call(self, delay_ns, G_PRIORITY_DEFAULT,
                    (native_call){.once = fn, .user = user});
}

static int tick_native(void *self, int64_t period_ns, bool (*fn)(void *user),
                       void *user)
{
    return add_call(self, period_ns, REDRAW,
                    (native_call){.again = fn, .user = user});
}

static int64_t native_timeout(void *user)
{
    GMainContext *context = ((loop *)user)->context;
    gint priority;
    gint timeout_ms = -1;
    GPollFD entries[16];
    if (!g_main_context_acquire(context)) {
        return TENON_FOREVER;
    }
    bool ready = g_main_context_prepare(context, &priority);
    g_main_context_query(context, ready ? priority : G_MAXINT, &timeout_ms,
                         entries, 16);
    g_main_context_release(context);
    return timeout_ms < 0 ? TENON_FOREVER : timeout_ms * TENON_MILLISECOND;
}

static size_t native_count(void *user)
{
    size_t count = 0;
    for (guint id = 1; id < IDS; id++) {
        GMainContext *context = ((loop *)user)->context;
        count += g_main_context_find_source_by_id(context, id) ? 1 : 0;
    }
    return count;
}

extern const tenon_fixture tenon_fixture_glib;
const tenon_fixture tenon_fixture_glib = {
    .size = sizeof tenon_fixture_glib,
    .caps = TENON_FIXTURE_REAL_TIME | TENON_FIXTURE_NESTED |
            TENON_FIXTURE_SHARED | TENON_FIXTURE_BUDGET |
            TENON_FIXTURE_ATTACHED | TENON_FIXTURE_DIES,
    .name = "glib",
    .version = version,
    .loop_new = loop_new,
    .loop_free = loop_free,
    .attach = attach,
    .iterate = iterate,
    .run = run,
    .stop = stop,
    .reactor_new = reactor_new,
    .call_native = call_native,
    .tick_native = tick_native,
    .nested = nested,
    .native_timeout = native_timeout,
    .native_count = native_count,
};
