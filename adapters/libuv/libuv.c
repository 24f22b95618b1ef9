/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * libuv underneath: a poll handle on the engine's descriptor, whose reference
 * keeps uv_run alive, and an idle handle to enter again. The application may
 * close our handles and free the loop: uv_is_closing is asked before each call.
 * Whether libuv still holds a closing handle, the anchor tells, which never
 * runs: libuv takes its reference as it ends the close. Without it the loop may
 * be gone, and the block is freed at once; with it the reaper is closed twice:
 * then all that was closed before is out. (Closes end newest first.)
 */

#include <tenon/libuv.h>
#include <tenon/sys/host.h>

enum { POLL, ANCHOR, IDLE, REAPER, COUNT };

typedef struct host {
    uv_loop_t *loop;
    union uv_any_handle at[COUNT]; /* the anchor is a timer: see `run` */
    unsigned rounds;               /* of the reaper, to come */
    bool lost;    /* the engine knows that the application closed us */
    bool running; /* our own loop */
    tenon_reactor *reactor;
    tenon_host_closed_fn *done;
    void *token;
    uv_loop_t own_loop;
} host;

static void close_handle(uv_handle_t *handle, void *unused)
{
    (void)unused;
    if (!uv_is_closing(handle)) {
        uv_close(handle, NULL);
    }
}

static void finish(host *h)
{
    while (h->loop == &h->own_loop && uv_loop_close(h->loop) == UV_EBUSY) {
        uv_walk(h->loop, close_handle, NULL);
        uv_run(h->loop, UV_RUN_NOWAIT);
    }
    tenon_host_closed_fn *done = h->done;
    void *token = h->token;
    tenon_block_free(h);
    if (done) {
        done(token);
    }
}

static void reap(uv_handle_t *reaper)
{
    host *h = reaper->data;
    if (h->rounds-- == 0) {
        finish(h);
    } else {
        uv_idle_init(h->loop, (uv_idle_t *)reaper);
        uv_close(reaper, reap);
    }
}

static unsigned count_closing(const host *h)
{
    unsigned count = 0;
    for (int i = 0; i < REAPER; i++) {
        count += uv_is_closing(&h->at[i].handle) ? 1 : 0;
    }
    return count;
}

/* Under our own run: lost, ended because its descriptor was closed, or in a
 * child, whose epoll is still the parent's, and whose reactor has not ended. */
static void retire(host *h)
{
    if (h->running) {
        uv_stop(h->loop);
        return;
    }
    if (h->loop == &h->own_loop ||
        (count_closing(h) == REAPER && !uv_has_ref(&h->at[ANCHOR].handle))) {
        finish(h);
        return;
    }
    for (int i = 0; i < REAPER; i++) {
        close_handle(&h->at[i].handle, NULL);
    }
    h->rounds = 2;
    h->at[REAPER].handle.data = h;
    reap(&h->at[REAPER].handle);
}

/* Whether the application closed our handles; `h` may then be freed. */
static bool lost(host *h)
{
    if (count_closing(h) == 0) {
        return false;
    }
    if (!h->lost) {
        h->lost = true;
        tenon_reactor_host_gone(h->reactor);
        retire(h);
    }
    return true;
}

static void on_idle(uv_idle_t *idle)
{
    host *h = idle->data;
    uv_idle_stop(idle);
    if (tenon_turn(h->reactor, NULL) == TENON_OK) {
        (void)lost(h);
    }
}

/* When the idle handle is due it enters: once per iteration is enough. */
static void on_poll(uv_poll_t *poll, int status, int events)
{
    host *h = poll->data;
    (void)status, (void)events;
    if (!uv_is_active(&h->at[IDLE].handle)) {
        on_idle(&h->at[IDLE].idle);
    }
}

static void *native(void *self)
{
    return ((host *)self)->loop;
}

static tenon_status open_handles(void *self, tenon_reactor *reactor, int fd)
{
    host *h = self;
    tenon_status status = uv_poll_init(h->loop, &h->at[POLL].poll, fd);
    if (status < 0) {
        return status;
    }
    uv_timer_init(h->loop, &h->at[ANCHOR].timer);
    uv_idle_init(h->loop, &h->at[IDLE].idle);
    h->reactor = reactor;
    h->at[POLL].handle.data = h->at[IDLE].handle.data = h;
    uv_unref(&h->at[POLL].handle);
    uv_unref(&h->at[IDLE].handle);
    return uv_poll_start(&h->at[POLL].poll, UV_READABLE, on_poll);
}

static void close_handles(void *self, tenon_host_closed_fn *done, void *token)
{
    host *h = self;
    h->done = done;
    h->token = token;
    retire(h);
}

static void defer(void *self)
{
    if (!lost(self)) {
        uv_idle_start(&((host *)self)->at[IDLE].idle, on_idle);
    }
}

static void set_alive(void *self, bool alive)
{
    if (!lost(self)) {
        (alive ? uv_ref : uv_unref)(&((host *)self)->at[POLL].handle);
    }
}

static void set_watched(void *self, bool watched)
{
    uv_poll_t *poll = &((host *)self)->at[POLL].poll;
    (void)(lost(self) ? 0
           : watched  ? uv_poll_start(poll, UV_READABLE, on_poll)
                      : uv_poll_stop(poll));
}

static void on_limit(uv_timer_t *timer)
{
    uv_timer_stop(timer);
}

/* Once: the timer bounds the wait, and makes libuv look at what has no ref. */
static tenon_status run(void *self, int64_t max_wait_ns)
{
    host *h = self;
    uint64_t limit_ms = ((uint64_t)max_wait_ns + 999999) / 1000000;
    h->running = true;
    if (max_wait_ns == TENON_FOREVER) {
        uv_run(h->loop, UV_RUN_DEFAULT);
    } else {
        uv_update_time(h->loop);
        uv_timer_start(&h->at[ANCHOR].timer, on_limit, limit_ms, 0);
        uv_run(h->loop, limit_ms > 0 ? UV_RUN_ONCE : UV_RUN_NOWAIT);
        uv_timer_stop(&h->at[ANCHOR].timer);
    }
    h->running = false;
    if (h->lost || (h->done && tenon_reactor_is_closed(h->reactor))) {
        finish(h);
    }
    return TENON_OK;
}

static void stop(void *self)
{
    uv_stop(((host *)self)->loop);
}

#define COMMON_OPS                                                        \
    .size = sizeof(tenon_host_ops), .name = "libuv",                      \
    .version = uv_version_string, .native = native, .open = open_handles, \
    .close = close_handles, .defer = defer, .set_alive = set_alive,       \
    .set_watched = set_watched
#define CAPS (TENON_CAP_ALIVE | TENON_CAP_BUDGET | TENON_CAP_REAL_TIME)

static const tenon_host_ops ops = {COMMON_OPS, .caps = CAPS};
static const tenon_host_ops own_ops = {COMMON_OPS, .caps = CAPS | TENON_CAP_RUN,
                                       .run = run, .stop = stop};

/* Attaches to `loop`; NULL: to one of our own. */
static tenon_status attach(uv_loop_t *loop, tenon_reactor **out,
                           const tenon_reactor_options *options)
{
    host *h = tenon_block_new(options ? options->allocator : NULL, sizeof *h);
    if (!h) {
        return TENON_NO_MEMORY;
    }
    h->loop = loop ? loop : &h->own_loop;
    tenon_status status = loop ? 0 : uv_loop_init(&h->own_loop);
    if (status < 0) {
        return tenon_block_free(h), status;
    }
    status = tenon_reactor_attach(out, loop ? &ops : &own_ops, h, options);
    if (status < 0) {
        finish(h);
    }
    return status;
}

tenon_status tenon_libuv_attach(uv_loop_t *loop, tenon_reactor **out,
                                const tenon_reactor_options *options)
{
    return loop ? attach(loop, out, options) : TENON_INVALID;
}

tenon_status tenon_libuv_new(tenon_reactor **out,
                             const tenon_reactor_options *options)
{
    return attach(NULL, out, options);
}
