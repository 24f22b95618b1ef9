/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * GLib underneath: a source at the attach priority that polls the engine's
 * descriptor, and one below redraw priority. Whether there is something to do
 * is read from the engine each time GLib asks, and nothing is kept from one
 * question to the next, since GLib may leave any of them out.
 *
 *   UPPER  --budget spent--> LOWER (the other source enters)
 *     ^--- its turn, or 8 ms ---'
 *
 * The block is freed in `close`, from inside our own dispatch too: what GLib
 * still calls then finds no host in the source.
 */

#include <stdio.h>

#include <tenon/glib.h>
#include <tenon/sys/host.h>

#define DEMOTED_US 8000

enum { UPPER, LOWER, COUNT };

typedef struct host host;

typedef struct joint {
    GSource source; /* first: GLib knows no other */
    host *host;     /* NULL: not ours any more */
    GPollFD entry;  /* in UPPER; a descriptor given by g_source_add_unix_fd
                       would make the source ready whatever it answers */
} joint;

struct host {
    GMainContext *context;
    joint *at[COUNT];
    int priority;
    int64_t demoted_us; /* since when LOWER enters; 0: UPPER does */
    int limit_ms;       /* how long an iteration may wait; -1: for ever */
    bool own_running;
    bool stopping;
    bool ended;
    bool lost;
    tenon_reactor *reactor;
    tenon_host_closed_fn *done;
    void *token;
    tenon_allocator allocator;
};

static void finish(host *h)
{
    h->ended = true;
    if (h->own_running) {
        return;
    }
    g_main_context_unref(h->context);
    host last = *h;
    tenon_resize(&last.allocator, h, sizeof *h, 0);
    if (last.done) {
        last.done(last.token);
    }
}

static void retire(host *h)
{
    for (int i = 0; i < COUNT; i++) {
        h->at[i]->host = NULL;
        g_source_destroy(&h->at[i]->source);
        g_source_unref(&h->at[i]->source);
    }
    finish(h);
}

static bool destroyed(const host *h)
{
    return g_source_is_destroyed(&h->at[UPPER]->source) ||
           g_source_is_destroyed(&h->at[LOWER]->source);
}

/* Whether the application destroyed our sources; `h` is then freed, too. */
static bool lost(host *h)
{
    if (h->lost || !destroyed(h)) {
        return h->lost;
    }
    h->lost = true;
    tenon_reactor_host_gone(h->reactor);
    retire(h);
    return true;
}

/* ---- what GLib asks ---- */

/* A source at a lower priority waits for its turn, but not long. */
static bool is_demoted(const host *h)
{
    return h->demoted_us != 0 &&
           g_get_monotonic_time() - h->demoted_us < DEMOTED_US;
}

/* In a forked child the question ends us: `h` is not touched after it. */
static bool has_work(host *h)
{
    tenon_turn_result result;
    if (is_demoted(h)) {
        return false;
    }
    return destroyed(h) ||
           (tenon_turn_peek(h->reactor, &result) == TENON_OK && result.more);
}

static gboolean upper_prepare(GSource *source, gint *timeout_ms)
{
    host *h = ((joint *)source)->host;
    *timeout_ms = h ? h->limit_ms : -1;
    return h && has_work(h);
}

static gboolean upper_check(GSource *source)
{
    const joint *j = (joint *)source;
    bool readable = j->entry.revents != 0;
    return j->host && (readable ? !is_demoted(j->host) : has_work(j->host));
}

static gboolean lower_check(GSource *source)
{
    const host *h = ((joint *)source)->host;
    return h && (h->demoted_us != 0 || destroyed(h));
}

static gboolean lower_prepare(GSource *source, gint *timeout_ms)
{
    *timeout_ms = -1;
    return lower_check(source);
}

static gboolean dispatch(GSource *source, GSourceFunc unused, gpointer user)
{
    (void)unused;
    (void)user;
    host *h = ((joint *)source)->host;
    tenon_turn_result result;
    if (!h || lost(h)) {
        return G_SOURCE_REMOVE;
    }
    h->demoted_us = 0;
    if (tenon_turn(h->reactor, &result) == TENON_OK && !lost(h) &&
        result.more) {
        h->demoted_us = g_get_monotonic_time();
    }
    return G_SOURCE_CONTINUE;
}

/* ---- what the engine asks ---- */

static const GSourceFuncs upper_funcs = {
    .prepare = upper_prepare, .check = upper_check, .dispatch = dispatch};
static const GSourceFuncs lower_funcs = {
    .prepare = lower_prepare, .check = lower_check, .dispatch = dispatch};

static const char *version(void)
{
    char text[32];
    snprintf(text, sizeof text, "%u.%u.%u", glib_major_version,
             glib_minor_version, glib_micro_version);
    return g_intern_string(text);
}

static void *native(void *self)
{
    return ((host *)self)->context;
}

/* GLib reads the functions only, although its prototype says otherwise. */
static void add_source(host *h, int i, const GSourceFuncs *funcs, int priority,
                       const char *name)
{
    GSource *source = g_source_new((GSourceFuncs *)funcs, sizeof(joint));
    h->at[i] = (joint *)source;
    h->at[i]->host = h;
    g_source_set_priority(source, priority);
    g_source_set_can_recurse(source, TRUE);
    g_source_set_name(source, name);
}

static tenon_status open_sources(void *self, tenon_reactor *reactor, int fd)
{
    host *h = self;
    h->reactor = reactor;
    add_source(h, UPPER, &upper_funcs, h->priority, "tenon");
    add_source(h, LOWER, &lower_funcs,
               MAX(h->priority, G_PRIORITY_DEFAULT_IDLE), "tenon (demoted)");
    h->at[UPPER]->entry = (GPollFD){.fd = fd, .events = G_IO_IN};
    g_source_add_poll(&h->at[UPPER]->source, &h->at[UPPER]->entry);
    g_source_attach(&h->at[UPPER]->source, h->context);
    g_source_attach(&h->at[LOWER]->source, h->context);
    return TENON_OK;
}

static void close_sources(void *self, tenon_host_closed_fn *done, void *token)
{
    host *h = self;
    h->done = done;
    h->token = token;
    retire(h);
}

/* GLib asks before it polls. Only a context that another thread runs, before
 * our first turn there, may be polling now. */
static void defer(void *self)
{
    host *h = self;
    if (!lost(h) && !g_main_context_is_owner(h->context)) {
        g_main_context_wakeup(h->context);
    }
}

static tenon_status run(void *self, int64_t max_wait_ns)
{
    host *h = self;
    bool once = max_wait_ns != TENON_FOREVER;
    h->own_running = true;
    h->stopping = false;
    if (once) {
        int64_t limit_ms = (max_wait_ns + 999999) / TENON_MILLISECOND;
        h->limit_ms = (int)MIN(limit_ms, G_MAXINT);
        g_main_context_iteration(h->context, max_wait_ns > 0);
        h->limit_ms = -1;
    }
    while (!once && !h->stopping && !h->ended &&
           tenon_reactor_alive(h->reactor)) {
        g_main_context_iteration(h->context, TRUE);
    }
    h->own_running = false;
    if (h->ended) {
        finish(h);
    }
    return TENON_OK;
}

static void stop(void *self)
{
    ((host *)self)->stopping = true;
}

#define COMMON_OPS                                                      \
    .size = sizeof(tenon_host_ops), .name = "glib", .version = version, \
    .native = native, .open = open_sources, .close = close_sources,     \
    .defer = defer
#define CAPS                                                    \
    (TENON_CAP_NESTED | TENON_CAP_PRIORITY | TENON_CAP_BUDGET | \
     TENON_CAP_REAL_TIME)

static const tenon_host_ops borrowed_ops = {COMMON_OPS, .caps = CAPS};
static const tenon_host_ops own_ops = {COMMON_OPS, .caps = CAPS | TENON_CAP_RUN,
                                       .run = run, .stop = stop};

/* Takes over the reference to `context`. */
static tenon_status attach(GMainContext *context, const tenon_host_ops *ops,
                           tenon_reactor **out,
                           const tenon_glib_options *options)
{
    const tenon_reactor_options *inner = options ? options->reactor : NULL;
    const tenon_allocator *allocator = inner ? inner->allocator : NULL;
    host *h = out ? tenon_resize(allocator, NULL, 0, sizeof *h) : NULL;
    if (!h) {
        g_main_context_unref(context);
        return out ? TENON_NO_MEMORY : TENON_INVALID;
    }
    *h = (host){.context = context, .limit_ms = -1};
    h->priority = options ? options->priority : G_PRIORITY_DEFAULT;
    if (allocator) {
        h->allocator = *allocator;
    }
    tenon_status status = tenon_reactor_attach(out, ops, h, inner);
    if (status < 0) {
        finish(h);
    }
    return status;
}

tenon_status tenon_glib_attach(GMainContext *context, tenon_reactor **out,
                               const tenon_glib_options *options)
{
    context = context ? context : g_main_context_default();
    return attach(g_main_context_ref(context), &borrowed_ops, out, options);
}

tenon_status tenon_glib_new(tenon_reactor **out,
                            const tenon_glib_options *options)
{
    return attach(g_main_context_new(), &own_ops, out, options);
}
