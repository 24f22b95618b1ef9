/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * GLib underneath: a source at the attach priority that polls the engine's
 * descriptor, and one below redraw priority, which enters when the budget was
 * spent: UPPER -> LOWER, and back after its turn or 8 ms, doubly after 16.
 */

#include <tenon/glib.h>
#include <tenon/sys/host.h>

enum { UPPER, LOWER, COUNT, DEMOTED_US = 8000 };

typedef struct joint {
    GSource source;    /* first: GLib knows no other */
    struct host *host; /* NULL: not ours any more */
    GPollFD entry;     /* in UPPER; add_unix_fd would not ask `check` */
} joint;

typedef struct host {
    GMainContext *context;
    joint *at[COUNT];
    int priority;
    int64_t demoted_us; /* since when LOWER enters; 0: UPPER does */
    int limit_ms;       /* how long an iteration may wait; -1: for ever */
    bool running;       /* our own context */
    bool stopping;
    bool lost; /* the engine knows that our sources were destroyed */
    tenon_reactor *reactor;
    tenon_host_closed_fn *done;
    void *token;
} host;

/* Under our own run when lost, ended because its descriptor was closed, or in
 * a forked child. */
static void retire(host *h)
{
    if (h->running) {
        h->stopping = true;
        return;
    }
    for (int i = 0; i < COUNT; i++) {
        h->at[i]->host = NULL;
        g_source_destroy(&h->at[i]->source);
        g_source_unref(&h->at[i]->source);
    }
    tenon_host_closed_fn *done = h->done;
    void *token = h->token;
    g_main_context_unref(h->context);
    tenon_block_free(h);
    if (done) {
        done(token);
    }
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

/* In a forked child tenon_turn_peek ends us: `h` is not touched after it. */
static gboolean check(GSource *source)
{
    const joint *j = (joint *)source;
    const host *h = j->host;
    tenon_turn_result result;
    if (!h || destroyed(h)) {
        return h != NULL;
    }
    if (j == h->at[LOWER]) {
        return h->demoted_us != 0;
    }
    if (h->demoted_us != 0 &&
        g_get_monotonic_time() - h->demoted_us < DEMOTED_US) {
        return FALSE;
    }
    return j->entry.revents != 0 ||
           (tenon_turn_peek(h->reactor, &result) == TENON_OK && result.more);
}

static gboolean prepare(GSource *source, gint *timeout_ms)
{
    joint *j = (joint *)source;
    j->entry.revents = 0; /* of a poll before */
    *timeout_ms = j->host ? j->host->limit_ms : -1;
    return check(source);
}

static gboolean dispatch(GSource *source, GSourceFunc unused, gpointer user)
{
    (void)unused, (void)user;
    host *h = ((joint *)source)->host;
    tenon_turn_result result;
    if (!h || lost(h)) {
        return G_SOURCE_REMOVE;
    }
    bool owed = h->demoted_us != 0 &&
                g_get_monotonic_time() - h->demoted_us >= 2 * DEMOTED_US;
    h->demoted_us = 0;
    if (tenon_turn(h->reactor, &result) == TENON_OK && !lost(h) &&
        result.more && !owed) {
        h->demoted_us = g_get_monotonic_time();
    }
    return G_SOURCE_CONTINUE;
}

static const GSourceFuncs funcs = {
    .prepare = prepare, .check = check, .dispatch = dispatch};

static const char *version(void)
{
    char text[32];
    g_snprintf(text, sizeof text, "%u.%u.%u", glib_major_version,
               glib_minor_version, glib_micro_version);
    return g_intern_string(text);
}

static void *native(void *self)
{
    return ((host *)self)->context;
}

/* GLib reads the functions only, although its prototype says otherwise. */
static joint *source_new(host *h, int priority, const char *name)
{
    GSource *source = g_source_new((GSourceFuncs *)&funcs, sizeof(joint));
    ((joint *)source)->host = h;
    g_source_set_priority(source, priority);
    g_source_set_can_recurse(source, TRUE);
    g_source_set_name(source, name);
    return (joint *)source;
}

static tenon_status open_sources(void *self, tenon_reactor *reactor, int fd)
{
    host *h = self;
    h->reactor = reactor;
    int lower = MAX(h->priority, G_PRIORITY_DEFAULT_IDLE);
    h->at[UPPER] = source_new(h, h->priority, "tenon");
    h->at[LOWER] = source_new(h, lower, "tenon (demoted)");
    h->at[UPPER]->entry = (GPollFD){.fd = fd, .events = G_IO_IN};
    g_source_add_poll(&h->at[UPPER]->source, &h->at[UPPER]->entry);
    return TENON_OK;
}

static void close_sources(void *self, tenon_host_closed_fn *done, void *token)
{
    host *h = self;
    h->done = done;
    h->token = token;
    retire(h);
}

/* GLib asks before it polls. */
static void defer(void *self)
{
    (void)lost(self);
}

static void set_watched(void *self, bool watched)
{
    (void)self, (void)watched; /* GLib polls the number, whatever it means */
}

static tenon_status run(void *self, int64_t max_wait_ns)
{
    host *h = self;
    bool once = max_wait_ns != TENON_FOREVER;
    int64_t limit_ms = max_wait_ns / 1000000 + (max_wait_ns % 1000000 > 0);
    h->limit_ms = once ? (int)MIN(limit_ms, G_MAXINT) : -1;
    h->running = true;
    h->stopping = false;
    do {
        g_main_context_iteration(h->context, max_wait_ns > 0);
    } while (!once && !h->stopping && tenon_reactor_alive(h->reactor));
    h->limit_ms = -1;
    h->running = false;
    if (h->lost || (h->done && tenon_reactor_is_closed(h->reactor))) {
        retire(h);
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
    .defer = defer, .set_watched = set_watched
#define CAPS                                                    \
    (TENON_CAP_NESTED | TENON_CAP_PRIORITY | TENON_CAP_BUDGET | \
     TENON_CAP_REAL_TIME)

static const tenon_host_ops borrowed_ops = {COMMON_OPS, .caps = CAPS};
static const tenon_host_ops own_ops = {COMMON_OPS, .caps = CAPS | TENON_CAP_RUN,
                                       .run = run, .stop = stop};

static tenon_status attach(GMainContext *context, const tenon_host_ops *ops,
                           tenon_reactor **out,
                           const tenon_glib_options *options)
{
    const tenon_reactor_options *inner = options ? options->reactor : NULL;
    host *h = tenon_block_new(inner ? inner->allocator : NULL, sizeof *h);
    tenon_status status = TENON_NO_MEMORY;
    if (h) {
        h->context = context;
        h->limit_ms = -1;
        h->priority = options ? options->priority : G_PRIORITY_DEFAULT;
        status = tenon_reactor_attach(out, ops, h, inner);
    }
    if (status < 0) {
        g_main_context_unref(context);
        tenon_block_free(h);
        return status;
    }
    for (int i = 0; i < COUNT; i++) { /* last: another thread may run it */
        g_source_attach(&h->at[i]->source, context);
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
