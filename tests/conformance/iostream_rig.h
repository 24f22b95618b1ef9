/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * What the cases of streams that are asked share: one of them, and on the
 * other side a transport that the case writes to.
 */

#ifndef TENON_CONFORMANCE_IOSTREAM_RIG_H
#define TENON_CONFORMANCE_IOSTREAM_RIG_H

#include <string.h>

#include "task_rig.h"

static tenon_transport *peer;
static tenon_stream *stream;
static size_t arrived; /* at the peer */

static inline tenon_status on_data(void *self, tenon_transport *t,
                                   const void *data, size_t len)
{
    (void)self;
    (void)t;
    (void)data;
    arrived += len;
    return TENON_OK;
}

static const tenon_protocol_ops peer_ops = {.size = sizeof peer_ops,
                                            .name = "peer",
                                            .data_received = on_data,
                                            .connection_lost = rig_lost};

static inline void open_stream(void)
{
    tenon_transport *pair[2];
    REQUIRE_OK(tenon_memory_pair(rig.reactor, pair, tenon_factory_of(&peer_ops),
                                 tenon_factory_of(&peer_ops), NULL));
    peer = tenon_transport_ref(pair[0]);
    tenon_transport_ref(pair[1]);
    rig_settle();
    REQUIRE_OK(tenon_stream_attach(pair[1], &stream));
    tenon_transport_unref(pair[1]);
    arrived = 0;
}

static inline void close_stream(void)
{
    (void)tenon_stream_close(stream);
    (void)tenon_transport_abort(peer);
    rig_settle();
    tenon_stream_unref(stream);
    tenon_transport_unref(peer);
}

static inline void run(tenon_task_fn *fn)
{
    open_stream();
    require_end(spawn(fn, NULL), TENON_OK);
    close_stream();
}

static inline void tell_peer(const char *text)
{
    REQUIRE_OK(tenon_transport_write(peer, text, strlen(text)));
}

static inline void require_bytes(const tenon_bytes *got, const char *wanted)
{
    REQUIRE_EQ(got->len, strlen(wanted));
    REQUIRE(memcmp(got->data, wanted, got->len) == 0);
}

#endif
