/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The native reactor as a fixture: the loop is the reactor, so attaching makes
 * it and iterating runs it once.
 */

#include <stdlib.h>

#include <tenon/conformance.h>

struct loop {
    tenon_reactor *reactor;
};

static void *loop_new(void)
{
    return calloc(1, sizeof(struct loop));
}

static void loop_free(void *data)
{
    struct loop *loop = data;
    tenon_reactor_unref(loop->reactor);
    free(loop);
}

static tenon_status attach(void *data, tenon_reactor **out,
                           const tenon_reactor_options *options)
{
    struct loop *loop = data;
    if (loop->reactor && !tenon_reactor_is_closed(loop->reactor)) {
        return TENON_BUSY;
    }
    tenon_reactor *reactor = NULL;
    tenon_status status = tenon_reactor_new(&reactor, options);
    if (status == TENON_OK) {
        tenon_reactor_unref(loop->reactor);
        loop->reactor = tenon_reactor_ref(reactor);
        *out = reactor;
    }
    return status;
}

/* Refused when the reactor is closed, or already on the stack: then there is
 * nothing to iterate. */
static void iterate(void *data, int64_t max_wait_ns)
{
    struct loop *loop = data;
    if (loop->reactor && tenon_run_once(loop->reactor, max_wait_ns) < 0) {
        return;
    }
}

static void run(void *data)
{
    struct loop *loop = data;
    if (loop->reactor && tenon_run(loop->reactor) < 0) {
        return;
    }
}

static void stop(void *data)
{
    struct loop *loop = data;
    tenon_stop(loop->reactor);
}

extern const tenon_fixture tenon_fixture_native;
const tenon_fixture tenon_fixture_native = {
    .size = sizeof(tenon_fixture),
    .caps = TENON_FIXTURE_REAL_TIME | TENON_FIXTURE_ALIVE,
    .name = "native",
    .version = tenon_version,
    .loop_new = loop_new,
    .loop_free = loop_free,
    .attach = attach,
    .iterate = iterate,
    .run = run,
    .stop = stop,
    .reactor_new = tenon_reactor_new,
};
