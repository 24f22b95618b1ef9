/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Connecting, and stopping a listener, as futures.
 */

#include <tenon/connector.h>

#include <string.h>

#include "net/connector.h"
#include "net/listener.h"

/* Between a connector and its future; the connector's notice ends it. */
typedef struct joint {
    tenon_future *future;
    tenon_connector *connector;
    tenon_reactor *reactor;
} joint;

static void joint_free(joint *j)
{
    tenon_connector_unref(j->connector);
    tenon_future_unref(j->future);
    tenon__free(&j->reactor->allocator, j, sizeof *j);
}

static void free_transport(void *value)
{
    tenon_transport_unref(value);
}

static void on_connected(tenon_connector *connector, tenon_transport *transport,
                         const tenon_error *error, void *user)
{
    joint *j = user;
    if (error) {
        (void)tenon_future_try_fail(j->future, connector->error);
    } else {
        (void)tenon_future_try_resolve(
            j->future, tenon_transport_ref(transport), free_transport);
    }
    joint_free(j);
}

static tenon_status on_cancel(tenon_future *future, void *user)
{
    joint *j = user;
    (void)future;
    (void)tenon_connector_cancel(j->connector);
    return TENON_OK;
}

static void fail(tenon_future *future, tenon_status status)
{
    tenon_error *error = tenon_error_of(status, NULL);
    (void)tenon_future_try_fail(future, error);
    tenon_error_unref(error);
}

static tenon_status start(tenon_reactor *reactor, tenon_future *future,
                          const char *address, tenon_factory factory,
                          tenon_connect_options *options)
{
    joint *j = tenon__alloc(&reactor->allocator, sizeof *j);
    if (!j) {
        return TENON_NO_MEMORY;
    }
    j->reactor = reactor;
    j->future = tenon_future_ref(future);
    options->size = sizeof *options;
    options->on_connected = on_connected;
    options->user = j;
    tenon_status status = tenon_connector_start(reactor, &j->connector, address,
                                                factory, options);
    if (status < 0) {
        joint_free(j);
        return status;
    }
    return tenon_future_set_canceller(future, on_cancel, j);
}

tenon_future *tenon_connect(tenon_reactor *reactor, const char *address,
                            tenon_factory factory,
                            const tenon_connect_options *options)
{
    tenon_future *future;
    tenon_connect_options chosen = {0};
    if (tenon_future_new(reactor, &future) < 0) {
        return NULL;
    }
    if (options) {
        memcpy(&chosen, options,
               options->size < sizeof chosen ? options->size : sizeof chosen);
    }
    tenon_status status = start(reactor, future, address, factory, &chosen);
    if (status < 0) {
        fail(future, status);
    }
    return future;
}

/* ---- stopping ---- */

static void on_stopped(tenon_listener *listener, tenon_status status,
                       void *user)
{
    tenon_future *future = user;
    (void)listener;
    if (status < 0) {
        fail(future, status);
    } else {
        (void)tenon_future_try_resolve(future, NULL, NULL);
    }
    tenon_future_unref(future);
}

tenon_future *tenon_listener_stop_future(tenon_listener *listener,
                                         const tenon_stop_options *options)
{
    tenon_future *future;
    tenon_stop_options chosen = {0};
    if (tenon_future_new(listener->reactor, &future) < 0) {
        return NULL;
    }
    if (options) {
        memcpy(&chosen, options,
               options->size < sizeof chosen ? options->size : sizeof chosen);
    }
    chosen.size = sizeof chosen;
    chosen.on_stopped = on_stopped;
    chosen.user = tenon_future_ref(future);
    tenon_status status = tenon_listener_stop(listener, &chosen);
    if (status < 0) {
        fail(future, status);
        tenon_future_unref(future);
    }
    return future;
}
