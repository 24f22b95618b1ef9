/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Constructors and getters, what keeps a reactor alive, and the few services
 * that objects of core/net share.
 */

#include <string.h>
#include <unistd.h>

#include <tenon/foreign.h>

#include "loop/trace.h"

/* A page above what people take for a long message, which then does not fill it:
 * so nobody has to ask whether there is more. */
enum { READ_BUFFER = 65536 + 4096 };
#define BUDGET_NS   (2 * TENON_MILLISECOND)
#define SLOW_NS     (50 * TENON_MILLISECOND)
#define SHUTDOWN_NS (5 * TENON_SECOND)

/* ---- life ---- */

bool tenon__alive(const tenon_reactor *r)
{
    return r->alive_count > 0 || r->holds > 0 ||
           !tenon__list_empty(&r->ready) || !tenon__list_empty(&r->round) ||
           r->life == TENON__HOOKS;
}

/* What is called is in the position of a host's slot. */
static void call_alive(tenon_reactor *r)
{
    bool before = r->in_slot;
    if (r->on_alive) {
        r->in_slot = true;
        r->on_alive(r, r->alive_told, r->alive_user);
        r->in_slot = before;
    }
}

/* Inside a turn only the outcome matters, which `leave` tells. */
void tenon__alive_tell(tenon_reactor *r)
{
    if (r->depth > 0 || r->life >= TENON__ENDING ||
        (!r->host_open && !r->on_alive)) {
        return;
    }
    bool alive = tenon__alive(r);
    if (alive == r->alive_told) {
        return;
    }
    r->alive_told = alive;
    if (r->host_open && TENON__HOST_HAS(r, set_alive)) {
        r->in_slot = true;
        r->ops->set_alive(r->host, alive);
        r->in_slot = false;
    }
    call_alive(r);
}

/* At the end: it is not. */
void tenon__alive_end(tenon_reactor *r)
{
    if (r->alive_told) {
        r->alive_told = false;
        call_alive(r);
    }
}

tenon_status tenon_reactor_set_alive_handler(tenon_reactor *r,
                                             tenon_alive_fn *fn, void *user)
{
    tenon_status status = tenon__check(r);
    if (status < 0) {
        return status;
    }
    r->on_alive = fn;
    r->alive_user = user;
    if (fn && r->alive_told) {
        call_alive(r);
    }
    tenon__alive_tell(r);
    return TENON_OK;
}

void tenon__alive_add(tenon_reactor *r)
{
    r->alive_count++;
    tenon__alive_tell(r);
}

void tenon__alive_sub(tenon_reactor *r)
{
    r->alive_count--;
    tenon__alive_tell(r);
}

tenon_status tenon_reactor_hold(tenon_reactor *r)
{
    tenon_status status = tenon__check(r);
    if (status < 0) {
        return status;
    }
    r->holds++;
    tenon__alive_tell(r);
    return TENON_OK;
}

tenon_status tenon_reactor_release(tenon_reactor *r)
{
    tenon_status status = tenon__check_thread(r);
    if (status < 0 || r->holds == 0) {
        return status < 0 ? status : TENON_INVALID;
    }
    r->holds--;
    tenon__alive_tell(r);
    return TENON_OK;
}

bool tenon_reactor_alive(const tenon_reactor *r)
{
    return tenon__alive(r);
}

/* ---- descriptors and buffers ---- */

void tenon__fd_close(tenon_reactor *r, tenon_watch *watch, int fd)
{
    if (watch) {
        tenon_watch_stop(watch);
    }
    close(fd); /* never retried: Linux has closed it whatever it says */
    if (r->life < TENON__ENDING && !tenon__list_empty(&r->parked)) {
        tenon__list_splice(&r->ready, &r->parked);
        tenon__arm(r);
    }
}

void *tenon__buffer_take(tenon_reactor *r, size_t *len)
{
    void *buffer = r->read_buffer;
    r->read_buffer = NULL;
    *len = r->read_buffer_len;
    /* Not zeroed: only what was read into it is shown. */
    return buffer ? buffer
                  : tenon__resize(&r->allocator, NULL, 0, r->read_buffer_len);
}

void tenon__buffer_give(tenon_reactor *r, void *buffer)
{
    if (r->read_buffer) {
        tenon__free(&r->allocator, buffer, r->read_buffer_len);
    } else {
        r->read_buffer = buffer;
    }
}

/* ---- making ---- */

static const char *built_in_version(void)
{
    return TENON_VERSION_STRING;
}

static const tenon_host_ops native_ops = {
    .size = sizeof native_ops,
    .caps = TENON_CAP_RUN | TENON_CAP_ALIVE | TENON_CAP_REAL_TIME,
    .name = "native",
    .version = built_in_version,
};

static const tenon_host_ops foreign_ops = {
    .size = sizeof foreign_ops,
    .caps = TENON_CAP_ALIVE | TENON_CAP_BUDGET | TENON_CAP_REAL_TIME,
    .name = "foreign",
    .version = built_in_version,
};

static void init_lists(tenon_reactor *r)
{
    tenon_node *lists[] = {&r->ready,
                           &r->round,
                           &r->late,
                           &r->ending,
                           &r->drops,
                           &r->objects,
                           &r->hooks,
                           &r->signals,
                           &r->deferred_timers,
                           &r->parked,
                           &r->receivers,
                           &r->readers,
                           &r->memory_listeners,
                           &r->periodics,
                           &r->futures,
                           &r->cancelling};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        tenon__list_init(lists[i]);
    }
}

static void apply_options(tenon_reactor *r, const tenon_reactor_options *o)
{
    r->budget_ns = o->budget_ns > 0 ? o->budget_ns : BUDGET_NS;
    r->budget_calls = o->budget_calls;
    tenon__set_slow(r, o->slow_callback_ns ? o->slow_callback_ns : SLOW_NS);
    r->shutdown_timeout_ns =
        o->shutdown_timeout_ns > 0 ? o->shutdown_timeout_ns : SHUTDOWN_NS;
    r->read_buffer_len = o->read_buffer_len ? o->read_buffer_len : READ_BUFFER;
    r->on_error = o->on_error;
    r->on_error_user = o->on_error_user;
    r->on_closed = o->on_closed;
    r->on_closed_user = o->on_closed_user;
}

static tenon_status copy_name(tenon_reactor *r, const char *name)
{
    name = name ? name : "reactor";
    r->name_len = strlen(name) + 1;
    r->name_block = tenon__alloc(&r->allocator, r->name_len);
    if (!r->name_block) {
        return TENON_NO_MEMORY;
    }
    r->name = memcpy(r->name_block, name, r->name_len);
    return TENON_OK;
}

/* Options of an older caller are shorter: the rest is zero. */
static tenon_reactor_options full_options(const tenon_reactor_options *given)
{
    tenon_reactor_options options = {0};
    if (given) {
        size_t len =
            given->size < sizeof options ? given->size : sizeof options;
        memcpy(&options, given, len);
    }
    return options;
}

static tenon_status init(tenon_reactor *r, const tenon_reactor_options *o)
{
    tenon_status status = copy_name(r, o->name);
    if (status == TENON_OK) {
        status = tenon__inbox_new(r);
    }
    if (status == TENON_OK) {
        status = tenon__calls_init(r);
    }
    if (status == TENON_OK) {
        status = tenon__poller_init(r);
    }
    if (status == TENON_OK && r->kind == TENON__HOSTED) {
        status = r->ops->open(r->host, r, r->poller.epoll_fd);
        r->host_open = status >= 0;
    }
    return status < 0 ? status : TENON_OK;
}

tenon_status tenon__reactor_make(tenon_reactor **out, enum tenon__kind kind,
                                 const tenon_host_ops *ops, void *host,
                                 const tenon_reactor_options *given)
{
    if (given && given->size == 0) {
        return TENON_INVALID;
    }
    tenon_reactor_options options = full_options(given);
    const tenon_allocator *allocator =
        options.allocator ? options.allocator : &tenon__malloc;
    tenon_reactor *r = tenon__alloc(allocator, sizeof *r);
    if (!r) {
        return TENON_NO_MEMORY;
    }
    r->allocator = *allocator;
    r->kind = kind;
    r->ops = ops;
    r->host = host;
    r->refs = 1;
    r->pins = 1; /* until it is closed and the host has let go */
    r->poller.epoll_fd = -1;
    r->poller.timer_fd = -1;
    r->virtual_ns = TENON_SECOND;
    init_lists(r);
    apply_options(r, &options);
    (void)tenon__traces_set(r, tenon__traces_wanted(options.debug));
    tenon_timer_init(&r->hook_timer, r);
    tenon_status status = init(r, &options);
    if (status < 0) {
        tenon__reactor_discard(r);
        return status;
    }
    *out = r;
    return TENON_OK;
}

tenon_status tenon_reactor_new(tenon_reactor **out,
                               const tenon_reactor_options *options)
{
    return out ? tenon__reactor_make(out, TENON__NATIVE, &native_ops, NULL,
                                     options)
               : TENON_INVALID;
}

tenon_status tenon_reactor_attach(tenon_reactor **out,
                                  const tenon_host_ops *ops, void *host,
                                  const tenon_reactor_options *options)
{
    const size_t mandatory =
        offsetof(tenon_host_ops, close) + sizeof ops->close;
    if (!out || !ops || ops->size < mandatory || !ops->open || !ops->close) {
        return TENON_INVALID;
    }
    return tenon__reactor_make(out, TENON__HOSTED, ops, host, options);
}

tenon_status tenon_foreign_new(tenon_reactor **out,
                               const tenon_reactor_options *options)
{
    return out ? tenon__reactor_make(out, TENON__FOREIGN, &foreign_ops, NULL,
                                     options)
               : TENON_INVALID;
}

int tenon_foreign_fd(const tenon_reactor *r)
{
    return r->kind == TENON__FOREIGN && r->life < TENON__ENDING
               ? r->poller.epoll_fd
               : -1;
}

/* ---- getters and setters ---- */

uint32_t tenon_reactor_caps(const tenon_reactor *r)
{
    return r->ops->caps;
}

const char *tenon_reactor_name(const tenon_reactor *r)
{
    return r->name;
}

const char *tenon_reactor_host(const tenon_reactor *r)
{
    return r->ops->name;
}

const char *tenon_reactor_host_version(const tenon_reactor *r)
{
    return TENON__HOST_HAS(r, version) ? r->ops->version() : "";
}

void *tenon_reactor_native(const tenon_reactor *r)
{
    return TENON__HOST_HAS(r, native) && r->host_open ? r->ops->native(r->host)
                                                      : NULL;
}

const tenon_allocator *tenon_reactor_allocator(const tenon_reactor *r)
{
    return &r->allocator;
}

tenon_status tenon_reactor_set_budget(tenon_reactor *r, int64_t budget_ns,
                                      uint32_t budget_calls)
{
    tenon_status status = tenon__check(r);
    if (status < 0 || budget_ns < 0) {
        return status < 0 ? status : TENON_INVALID;
    }
    r->budget_ns = budget_ns ? budget_ns : r->budget_ns;
    r->budget_calls = budget_calls ? budget_calls : r->budget_calls;
    return TENON_OK;
}

tenon_status tenon_reactor_set_slow_callback(tenon_reactor *r,
                                             int64_t threshold_ns)
{
    tenon_status status = tenon__check(r);
    if (status == TENON_OK) {
        tenon__set_slow(r, threshold_ns ? threshold_ns : SLOW_NS);
    }
    return status;
}

tenon_status tenon_reactor_set_error_handler(tenon_reactor *r,
                                             tenon_error_handler_fn *fn,
                                             void *user)
{
    tenon_status status = tenon__check_thread(r);
    if (status == TENON_OK) {
        r->on_error = fn;
        r->on_error_user = user;
    }
    return status;
}
