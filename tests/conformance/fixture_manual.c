/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The manual reactor as a fixture: an iteration is a turn, and then, if that
 * left nothing to do, the clock jumps to the next deadline or by the whole
 * wait. Descriptors are real, so a case may still use sockets.
 */

#include <stdlib.h>

#include <tenon/conformance.h>
#include <tenon/manual.h>

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
    tenon_status status = tenon_manual_new(&reactor, options);
    if (status == TENON_OK) {
        tenon_reactor_unref(loop->reactor);
        loop->reactor = tenon_reactor_ref(reactor);
        *out = reactor;
    }
    return status;
}

static void iterate(void *data, int64_t max_wait_ns)
{
    struct loop *loop = data;
    tenon_turn_result result;
    if (!loop->reactor || tenon_manual_turn(loop->reactor, &result) < 0 ||
        result.more || max_wait_ns <= 0) {
        return;
    }
    int64_t step_ns = max_wait_ns;
    if (result.next_deadline_ns != TENON_FOREVER) {
        int64_t until_ns = result.next_deadline_ns - tenon_now(loop->reactor);
        step_ns = until_ns < step_ns ? until_ns : step_ns;
    }
    tenon_manual_advance(loop->reactor, step_ns > 0 ? step_ns : 0);
}

extern const tenon_fixture tenon_fixture_manual;
const tenon_fixture tenon_fixture_manual = {
    .size = sizeof(tenon_fixture),
    .caps = TENON_FIXTURE_ATTACHED,
    .name = "manual",
    .version = tenon_version,
    .loop_new = loop_new,
    .loop_free = loop_free,
    .attach = attach,
    .iterate = iterate,
};
