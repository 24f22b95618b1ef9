/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * A GApplication runs while somebody holds it; a reactor is alive while it has
 * something to do. A source that GLib asks before each poll compares the two,
 * so that neither has to know of the other, and an idle program sleeps. The
 * end of the reactor is told by a future that never completes otherwise.
 */

#include "outcome.h"

typedef struct holder holder;

typedef struct joint {
    GSource source; /* first: GLib knows no other */
    holder *holder; /* NULL: it is over */
} joint;

struct holder {
    GApplication *application; /* whose data this is */
    tenon_reactor *reactor;    /* NULL: it has ended */
    joint *joint;
    bool held;
    tenon_future end;
    tenon_waiter waiter;
};

/* ---- holding ---- */

static bool wants(const holder *h)
{
    return h->reactor && tenon_reactor_alive(h->reactor);
}

static void settle(holder *h)
{
    bool wanted = wants(h);
    if (wanted == h->held) {
        return;
    }
    h->held = wanted;
    if (wanted) {
        g_application_hold(h->application);
    } else {
        g_application_release(h->application);
    }
}

static gboolean check(GSource *source)
{
    const holder *h = ((joint *)source)->holder;
    return h && wants(h) != h->held;
}

static gboolean prepare(GSource *source, gint *timeout_ms)
{
    *timeout_ms = -1;
    return check(source);
}

static gboolean dispatch(GSource *source, GSourceFunc unused, void *user)
{
    (void)unused;
    (void)user;
    holder *h = ((joint *)source)->holder;
    if (!h) {
        return G_SOURCE_REMOVE;
    }
    settle(h);
    return G_SOURCE_CONTINUE;
}

static const GSourceFuncs funcs = {
    .prepare = prepare, .check = check, .dispatch = dispatch};

/* ---- the holder ---- */

static void on_end(tenon_waiter *waiter, tenon_future *future, void *user)
{
    holder *h = user;
    (void)waiter;
    (void)future;
    h->reactor = NULL;
    settle(h);
}

/* The application may be on its way out: what it does not forget by itself,
 * end_holding has taken back. */
static void holder_free(void *user)
{
    holder *h = user;
    h->joint->holder = NULL;
    g_source_destroy(&h->joint->source);
    g_source_unref(&h->joint->source);
    tenon_future_fini(&h->end);
    g_free(h);
}

static GQuark key(void)
{
    return g_quark_from_static_string("tenon-reactor");
}

static void end_holding(GApplication *application)
{
    holder *h = g_object_get_qdata(G_OBJECT(application), key());
    if (h) {
        h->reactor = NULL;
        settle(h);
        g_object_set_qdata(G_OBJECT(application), key(), NULL);
    }
}

static joint *joint_new(holder *h)
{
    /* GLib reads the functions only. */
    GSource *source = g_source_new((GSourceFuncs *)&funcs, sizeof(joint));
    ((joint *)source)->holder = h;
    g_source_set_can_recurse(source, TRUE);
    g_source_set_name(source, "tenon (application)");
    g_source_attach(source, NULL); /* the context that applications run */
    return (joint *)source;
}

tenon_status tenon_gio_set_application(GApplication *application,
                                       tenon_reactor *reactor)
{
    if (!G_IS_APPLICATION(application)) {
        return TENON_INVALID;
    }
    if (!reactor) {
        end_holding(application);
        return TENON_OK;
    }
    holder *h = g_new0(holder, 1);
    tenon_status status = tenon_future_init(&h->end, reactor);
    if (status == TENON_OK) {
        status = tenon_future_on_done(&h->end, &h->waiter, on_end, h);
    }
    if (status < 0) {
        tenon_future_fini(&h->end);
        g_free(h);
        return status;
    }
    end_holding(application);
    h->application = application;
    h->reactor = reactor;
    h->joint = joint_new(h);
    g_object_set_qdata_full(G_OBJECT(application), key(), h, holder_free);
    settle(h);
    return TENON_OK;
}
