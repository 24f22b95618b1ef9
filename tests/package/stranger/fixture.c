/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The proof: this loop as the conformance suite drives it.
 */

#include <tenon/conformance.h>

#include "adapter.h"

static void *loop_new(void)
{
    return polloop_new();
}

static void loop_free(void *loop)
{
    polloop_free(loop);
}

static tenon_status attach(void *loop, tenon_reactor **out,
                           const tenon_reactor_options *options)
{
    return polloop_attach(loop, out, options);
}

static void iterate(void *loop, int64_t max_wait_ns)
{
    polloop_iterate(loop, max_wait_ns);
}

static void run(void *loop)
{
    polloop_run(loop);
}

static void stop(void *loop)
{
    polloop_stop(loop);
}

static int call_native(void *loop, int64_t delay_ns, void (*fn)(void *user),
                       void *user)
{
    return polloop_after(loop, delay_ns, fn, user);
}

static int64_t native_timeout(void *loop)
{
    return polloop_timeout(loop);
}

static size_t native_count(void *loop)
{
    return polloop_count(loop);
}

static const tenon_fixture mine = {
    .size = sizeof mine,
    .caps = TENON_FIXTURE_REAL_TIME | TENON_FIXTURE_ALIVE |
            TENON_FIXTURE_SHARED | TENON_FIXTURE_BUDGET |
            TENON_FIXTURE_ATTACHED,
    .name = "polloop",
    .loop_new = loop_new,
    .loop_free = loop_free,
    .attach = attach,
    .iterate = iterate,
    .run = run,
    .stop = stop,
    .call_native = call_native,
    .native_timeout = native_timeout,
    .native_count = native_count,
};

int main(int argc, char **argv)
{
    static const tenon_fixture *const all[] = {&mine, NULL};
    return tenon_conformance_main(argc, argv, all);
}
