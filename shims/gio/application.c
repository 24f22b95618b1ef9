/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * A GApplication runs while somebody holds it; a reactor is alive while it has
 * something to do, and says so at once. What joins the two lives as long as
 * the reactor, whose end is told by a future that never completes otherwise;
 * it has a weak reference to the application, which may end first.
 */

#include "outcome.h"

typedef struct holder {
    GWeakRef application;
    tenon_future end;
    tenon_waiter waiter;
} holder;

static void on_alive(tenon_reactor *reactor, bool alive, void *user)
{
    (void)reactor;
    holder *h = user;
    GApplication *application = g_weak_ref_get(&h->application);
    if (!application) {
        return;
    }
    if (alive) {
        g_application_hold(application);
    } else {
        g_application_release(application);
    }
    g_object_unref(application);
}

static void holder_free(holder *h)
{
    tenon_future_fini(&h->end);
    g_weak_ref_clear(&h->application);
    g_free(h);
}

static void on_end(tenon_waiter *waiter, tenon_future *future, void *user)
{
    (void)waiter;
    (void)future;
    holder_free(user);
}

tenon_status tenon_gio_attach(GApplication *application, tenon_reactor **out,
                              const tenon_glib_options *options)
{
    if (!G_IS_APPLICATION(application)) {
        return TENON_INVALID;
    }
    holder *h = g_new0(holder, 1);
    g_weak_ref_init(&h->application, application);
    tenon_status status = tenon_glib_attach(NULL, out, options);
    if (status < 0) {
        holder_free(h);
        return status;
    }
    /* None of these fails with a reactor that is new. */
    (void)tenon_reactor_set_alive_handler(*out, on_alive, h);
    (void)!tenon_future_init(&h->end, *out);
    (void)!tenon_future_on_done(&h->end, &h->waiter, on_end, h);
    return TENON_OK;
}
