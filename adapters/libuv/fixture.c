/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * libuv, as the conformance suite drives it.
 */

#include <stdlib.h>

#include <tenon/conformance.h>
#include <tenon/libuv.h>

typedef struct native_call {
    uv_timer_t timer;
    void (*once)(void *user);
    bool (*again)(void *user);
    void *user;
} native_call;

static void *loop_new(void)
{
    uv_loop_t *loop = malloc(sizeof *loop);
    if (loop && uv_loop_init(loop) != 0) {
        free(loop);
        loop = NULL;
    }
    return loop;
}

static void free_call(uv_handle_t *handle)
{
    free(handle->data);
}

static void on_timer(uv_timer_t *timer)
{
    native_call *call = timer->data;
    bool more = false;
    if (call->again) {
        more = call->again(call->user);
    } else {
        call->once(call->user);
    }
    if (!more && !uv_is_closing((uv_handle_t *)timer)) {
        uv_close((uv_handle_t *)timer, free_call);
    }
}

/* Our own timers are known by their callback; all others are somebody's who
 * keeps their memory. */
static void close_one(uv_handle_t *handle, void *user)
{
    (void)user;
    if (uv_is_closing(handle)) {
        return;
    }
    bool own = uv_handle_get_type(handle) == UV_TIMER &&
               ((uv_timer_t *)handle)->timer_cb == on_timer;
    uv_close(handle, own ? free_call : NULL);
}

static void loop_free(void *self)
{
    uv_loop_t *loop = self;
    uv_walk(loop, close_one, NULL);
    uv_run(loop, UV_RUN_DEFAULT);
    if (uv_loop_close(loop) != 0) {
        abort();
    }
    free(loop);
}

static tenon_status attach(void *loop, tenon_reactor **out,
                           const tenon_reactor_options *options)
{
    return tenon_libuv_attach(loop, out, options);
}

static void on_limit(uv_timer_t *timer)
{
    (void)timer;
}

/* A loop that nothing keeps alive is not run by libuv, hence the timer. */
static void iterate(void *self, int64_t max_wait_ns)
{
    uv_loop_t *loop = self;
    uv_timer_t limit;
    int64_t limit_ms = max_wait_ns / TENON_MILLISECOND;
    limit_ms += max_wait_ns % TENON_MILLISECOND > 0;
    uv_timer_init(loop, &limit);
    uv_update_time(loop);
    uv_timer_start(&limit, on_limit, (uint64_t)limit_ms, 0);
    uv_run(loop, max_wait_ns > 0 ? UV_RUN_ONCE : UV_RUN_NOWAIT);
    uv_close((uv_handle_t *)&limit, NULL);
    while (uv_has_ref((uv_handle_t *)&limit)) {
        uv_run(loop, UV_RUN_NOWAIT);
    }
}

static void run(void *loop)
{
    uv_run(loop, UV_RUN_DEFAULT);
}

static void stop(void *loop)
{
    uv_stop(loop);
}

static int add_call(void *loop, int64_t delay_ns, native_call call)
{
    native_call *copy = malloc(sizeof *copy);
    if (!copy) {
        return -1;
    }
    *copy = call;
    uint64_t ms = (uint64_t)(delay_ns / TENON_MILLISECOND);
    uv_timer_init(loop, &copy->timer);
    copy->timer.data = copy;
    uv_update_time(loop);
    return uv_timer_start(&copy->timer, on_timer, ms, call.again ? ms : 0);
}

static int call_native(void *loop, int64_t delay_ns, void (*fn)(void *user),
                       void *user)
{
    return add_call(loop, delay_ns, (native_call){.once = fn, .user = user});
}

static int tick_native(void *loop, int64_t period_ns, bool (*fn)(void *user),
                       void *user)
{
    return add_call(loop, period_ns, (native_call){.again = fn, .user = user});
}

static int64_t native_timeout(void *loop)
{
    int timeout_ms = uv_backend_timeout(loop);
    return timeout_ms < 0 || !uv_loop_alive(loop)
               ? TENON_FOREVER
               : timeout_ms * TENON_MILLISECOND;
}

static void count_one(uv_handle_t *handle, void *user)
{
    (void)handle;
    (*(size_t *)user)++;
}

static size_t native_count(void *loop)
{
    size_t count = 0;
    uv_walk(loop, count_one, &count);
    return count;
}

static void after_fork(void *loop)
{
    (void)uv_loop_fork(loop);
}

extern const tenon_fixture tenon_fixture_libuv;
const tenon_fixture tenon_fixture_libuv = {
    .size = sizeof tenon_fixture_libuv,
    .caps = TENON_FIXTURE_REAL_TIME | TENON_FIXTURE_ALIVE |
            TENON_FIXTURE_SHARED | TENON_FIXTURE_BUDGET |
            TENON_FIXTURE_ATTACHED | TENON_FIXTURE_DIES,
    .name = "libuv",
    .version = uv_version_string,
    .loop_new = loop_new,
    .loop_free = loop_free,
    .attach = attach,
    .iterate = iterate,
    .run = run,
    .stop = stop,
    .reactor_new = tenon_libuv_new,
    .call_native = call_native,
    .tick_native = tick_native,
    .native_timeout = native_timeout,
    .native_count = native_count,
    .after_fork = after_fork,
};
