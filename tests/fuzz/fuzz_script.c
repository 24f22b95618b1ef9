/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The engine under any script: the bytes of an input choose what is called, on
 * which object, when the clock moves, what callbacks return, and what they
 * call in their turn. It runs on the manual host, with connections in memory.
 * Whatever a script does: nothing is called inside of a call, or after the
 * end; a connection is made and lost once, in this order; its bytes arrive as
 * they were accepted, all of them before an end of file; every completion,
 * free, waiter, post and hook that is owed comes once; all memory comes back.
 */

#include "script_ends.h"
#include "script_futures.h"
#include "script_loop.h"

/* ---- what a script may call ---- */

static void set_some(end *e)
{
    switch (choose(6)) {
    case 0:
        (void)tenon_transport_set_write_limits(e->t, choose(64) * 16,
                                               TENON_LIMIT_AUTO);
        break;
    case 1:
        (void)tenon_transport_set_hard_limit(e->t, choose(64) * 64);
        break;
    case 2:
        (void)tenon_transport_set_idle_timeout(e->t, some_delay());
        break;
    case 3:
        (void)tenon_transport_set_session_limit(e->t, 4 * some_delay());
        break;
    case 4:
        tenon_transport_set_daemon(e->t, choose(2));
        break;
    default:
        (void)tenon_transport_tap(e->t, choose(3) ? on_tap : NULL, e);
        break;
    }
}

static tenon_status fail_end(end *e)
{
    tenon_error *error = tenon_error_of(-EIO, "said so");
    tenon_status status = tenon_transport_fail(e->t, error);
    tenon_error_unref(error);
    return status;
}

static void end_some(end *e)
{
    tenon_status status = TENON_INVALID;
    switch (choose(6)) {
    case 0:
        status = tenon_transport_close(e->t);
        break;
    case 1:
        status = tenon_transport_abort(e->t);
        break;
    case 2:
        status = tenon_transport_close_within(e->t, some_delay());
        break;
    case 3:
        status = fail_end(e);
        break;
    default:
        (void)tenon_transport_write_eof(e->t);
        break;
    }
    e->closing = e->closing || status >= 0;
}

/* One that was in a pipe is ours again, wherever that stopped. */
static void set_protocol(end *e)
{
    tenon_protocol protocol = {some_ops(), e};
    if (tenon_transport_set_protocol(e->t, protocol) < 0) {
        return;
    }
    e->other_protocol = true;
    if (e->piped) {
        inexact = true;
        e->piped = false;
        e->paused = tenon_transport_resume_reading(e->t) < 0;
    }
}

static void put_back(end *e)
{
    size_t len = choose(32);
    uint8_t *bytes = some_bytes(len);
    unread(e, bytes, len);
    free(bytes);
}

static void use_end(end *e)
{
    if (!e->t) {
        make_pair();
        return;
    }
    switch (choose(16)) {
    case 0:
        end_some(e);
        break;
    case 1:
    case 2:
        e->paused =
            e->paused || tenon_transport_pause_reading(e->t) == TENON_OK;
        break;
    case 3:
    case 4:
    case 5:
        e->paused =
            e->paused && tenon_transport_resume_reading(e->t) != TENON_OK;
        break;
    case 6:
        set_protocol(e);
        break;
    case 7:
        put_back(e);
        break;
    case 8:
        set_some(e);
        break;
    case 9:
        flush_some(e);
        break;
    case 10:
        pipe_some();
        break;
    default:
        write_some(e);
        break;
    }
}

static void close_reactor(void)
{
    int calling = script.calling;
    script.closing = true;
    script.calling = script.deep ? calling : 0;
    tenon_status status = tenon_reactor_close(reactor);
    script.calling = calling;
    script.over = script.deep == 0 && status == TENON_OK;
}

static void run_some(bool far)
{
    int calling = script.calling;
    if (script.deep == 0) {
        script.calling = 0;
    }
    tenon_status status = far ? tenon_manual_advance(reactor, some_delay())
                              : tenon_manual_turn(reactor, NULL);
    HOLDS(script.deep == 0 || status < 0);
    HOLDS(status != TENON_LIMIT);
    script.calling = calling;
    script.over =
        script.over || (script.deep == 0 && tenon_reactor_is_closed(reactor));
}

static void rare(void)
{
    switch (choose(32)) {
    case 28:
        close_reactor();
        break;
    case 29:
        fail_in = 1 + choose(16);
        break;
    case 30:
        (void)tenon_reactor_set_debug(reactor, choose(3));
        break;
    case 31:
        (void)tenon_stop(reactor);
        break;
    default:
        tick_some();
        break;
    }
}

static void step(void)
{
    script.steps++;
    script.calling++;
    switch (choose(16)) {
    case 0:
    case 1:
        run_some(choose(2));
        break;
    case 2:
        timer_some();
        break;
    case 3:
        make_call();
        break;
    case 4:
        cancel_call();
        break;
    case 5:
        post_some();
        break;
    case 6:
        hook_some();
        break;
    case 7:
        rare();
        break;
    case 8:
    case 9:
    case 10:
        future_some();
        break;
    default:
        use_end(&ends[choose(ENDS)]);
        break;
    }
    script.calling--;
}

/* ---- one script ---- */

static void begin(const uint8_t *data, size_t len)
{
    const tenon_allocator allocator = {counted, NULL};
    const tenon_reactor_options options = {.size = sizeof options,
                                           .allocator = &allocator,
                                           .slow_callback_ns = -1,
                                           .on_error = on_error};
    memset(&script, 0, sizeof script);
    memset(ends, 0, sizeof ends);
    memset(futures, 0, sizeof futures);
    memset(waiters, 0, sizeof waiters);
    memset(pipes_out, 0, sizeof pipes_out);
    note_count = pipe_count = 0;
    inexact = false;
    fail_in = 0;
    script.at = data;
    script.end = data + len;
    HOLDS(tenon_manual_new(&reactor, &options) == TENON_OK);
    loop_begin();
}

static void release(void)
{
    futures_release();
    for (size_t i = 0; i < ENDS; i++) {
        tenon_transport_unref(ends[i].t);
    }
}

/* Either by closing, waiting for the hooks, or by the last reference. */
static void end_reactor(bool by_closing)
{
    if (by_closing) {
        close_reactor();
        (void)tenon_manual_advance(reactor, 10 * TENON_SECOND);
        HOLDS(tenon_reactor_is_closed(reactor));
        script.over = true;
    }
    script.closing = true;
    tenon_reactor_unref(reactor);
    script.over = true;
}

static void check_end(void)
{
    loop_end();
    for (size_t i = 0; i < ENDS; i++) {
        end *e = &ends[i];
        HOLDS(e->piped || e->made == e->lost);
        HOLDS(e->owed == e->back);
        HOLDS(inexact || e->in.to || e->in.at <= e->in.len);
        free(e->in.bytes);
    }
    for (size_t i = 0; i < WAITERS; i++) {
        HOLDS(!waiters[i].out);
    }
    for (size_t i = 0; i < pipe_count; i++) {
        HOLDS(!pipes_out[i]);
    }
    HOLDS(values_out == 0);
    HOLDS(blocks_out == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (len < 2 || len > SCRIPT_MAX) {
        return 0;
    }
    begin(data + 1, len - 1);
    while (!script_ended()) {
        step();
    }
    script.at = script.end;
    fail_in = 0;
    if (data[0] & 1) {
        release();
    }
    end_reactor(data[0] & 2);
    if (!(data[0] & 1)) {
        release();
    }
    check_end();
    return 0;
}
