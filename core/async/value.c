/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * What futures come to, and reading it. A value that is passed on from a
 * counted future stays where it is: the other one refers to it, always to the
 * one that has it, however long the chain. One in memory of the caller's may
 * end first, so its value moves.
 */

#include "async/future.h"
#include "loop/trace.h"

/* ---- completing ---- */

void tenon__future_complete(tenon_future *f, enum tenon_future_state state)
{
    tenon__trace_done(f->reactor, f);
    f->state = state;
    f->canceller = NULL;
    if (state != TENON_FUTURE_FAILED || (f->flags & TENON__FUTURE_SEEN)) {
        tenon__list_remove(&f->node);
    }
    tenon__waiters_queue(f);
}

void tenon__future_set(tenon_future *f, void *value, tenon_free_fn *free_value)
{
    f->value.pointer = value;
    f->free_value = free_value;
    tenon__future_complete(f, TENON_FUTURE_RESOLVED);
}

void tenon__future_set_int(tenon_future *f, int64_t number)
{
    f->flags |= TENON__FUTURE_INT;
    f->value.number = number;
    tenon__future_complete(f, TENON_FUTURE_RESOLVED);
}

void tenon__future_set_error(tenon_future *f, tenon_error *error)
{
    f->error = error;
    tenon__future_complete(f, TENON_FUTURE_FAILED);
}

void tenon__future_fail_status(tenon_future *f, tenon_status status,
                               const char *message, tenon_error *cause)
{
    tenon__future_set_error(f,
                            tenon__error(f->reactor, status, message, cause));
}

/* ---- passing on ---- */

static tenon_future *origin_of(tenon_future *f)
{
    return f->flags & TENON__FUTURE_SHARED ? f->value.origin : f;
}

static void forward_value(tenon_future *from, tenon_future *to)
{
    tenon_future *origin = origin_of(from);
    if (origin->flags & TENON__FUTURE_INT) {
        tenon__future_set_int(to, origin->value.number);
    } else if (tenon__future_counted(origin)) {
        to->flags |= TENON__FUTURE_SHARED;
        to->value.origin = tenon_future_ref(origin);
        tenon__future_complete(to, TENON_FUTURE_RESOLVED);
    } else {
        tenon_free_fn *free_value = origin->free_value;
        to->flags |= origin->flags & TENON__FUTURE_TAKEN;
        origin->flags |= TENON__FUTURE_TAKEN;
        origin->free_value = NULL;
        tenon__future_set(to, origin->value.pointer, free_value);
    }
}

void tenon__future_forward(tenon_future *from, tenon_future *to, uint32_t flags)
{
    tenon__trace_follow(to->reactor, to, from, true);
    if (from->state == TENON_FUTURE_RESOLVED) {
        forward_value(from, to);
        return;
    }
    bool cancelled = from->state == TENON_FUTURE_CANCELLED;
    if (cancelled && (flags & TENON_LINK_CANCEL_TO)) {
        tenon__future_cancel_now(to, from->error);
        return;
    }
    tenon__future_set_error(to, tenon_error_ref(tenon_future_error(from)));
}

/* ---- public: completing ---- */

static tenon_status check_pending(const tenon_future *f)
{
    tenon_status status = f ? tenon__check_thread(f->reactor) : TENON_INVALID;
    if (status == TENON_OK && !tenon__future_pending(f)) {
        return TENON_DONE;
    }
    return status == TENON_OK && f->kind->completes_itself ? TENON_INVALID
                                                           : status;
}

tenon_status tenon_future_resolve(tenon_future *f, void *value,
                                  tenon_free_fn *free_value)
{
    tenon_status status = check_pending(f);
    if (status == TENON_OK) {
        tenon__future_set(f, value, free_value);
    }
    return status;
}

tenon_status tenon_future_resolve_int(tenon_future *f, int64_t number)
{
    tenon_status status = check_pending(f);
    if (status == TENON_OK) {
        tenon__future_set_int(f, number);
    }
    return status;
}

tenon_status tenon_future_fail(tenon_future *f, tenon_error *error)
{
    if (tenon_error_status(error) >= 0) {
        return TENON_INVALID;
    }
    tenon_status status = check_pending(f);
    if (status == TENON_OK) {
        tenon__future_set_error(f, tenon_error_ref(error));
    }
    return status;
}

tenon_status tenon_future_try_resolve(tenon_future *f, void *value,
                                      tenon_free_fn *free_value)
{
    tenon_status status = tenon_future_resolve(f, value, free_value);
    if (status != TENON_DONE) {
        return status;
    }
    if (free_value) {
        free_value(value);
    }
    return TENON_EXISTED;
}

tenon_status tenon_future_try_resolve_int(tenon_future *f, int64_t number)
{
    tenon_status status = tenon_future_resolve_int(f, number);
    return status == TENON_DONE ? TENON_EXISTED : status;
}

tenon_status tenon_future_try_fail(tenon_future *f, tenon_error *error)
{
    tenon_status status = tenon_future_fail(f, error);
    return status == TENON_DONE ? TENON_EXISTED : status;
}

/* ---- public: futures that are done ---- */

tenon_status tenon_future_ready(tenon_reactor *r, void *value,
                                tenon_free_fn *free_value, tenon_future **out)
{
    tenon_status status = tenon_future_new_at(r, out, NULL);
    if (status == TENON_OK) {
        tenon__future_set(*out, value, free_value);
    }
    return status;
}

tenon_status tenon_future_ready_int(tenon_reactor *r, int64_t number,
                                    tenon_future **out)
{
    tenon_status status = tenon_future_new_at(r, out, NULL);
    if (status == TENON_OK) {
        tenon__future_set_int(*out, number);
    }
    return status;
}

tenon_status tenon_future_failed(tenon_reactor *r, tenon_error *error,
                                 tenon_future **out)
{
    if (tenon_error_status(error) >= 0) {
        return TENON_INVALID;
    }
    tenon_status status = tenon_future_new_at(r, out, NULL);
    if (status == TENON_OK) {
        tenon__future_set_error(*out, tenon_error_ref(error));
    }
    return status;
}

/* ---- public: reading ---- */

enum tenon_future_state tenon_future_state(const tenon_future *f)
{
    return (enum tenon_future_state)f->state;
}

bool tenon_future_is_done(const tenon_future *f)
{
    return !tenon__future_pending(f);
}

tenon_reactor *tenon_future_reactor(const tenon_future *f)
{
    return f->reactor;
}

tenon_status tenon__future_outcome(const tenon_future *f)
{
    switch (f->state) {
    case TENON_FUTURE_PENDING:
        return TENON_NOT_DONE;
    case TENON_FUTURE_RESOLVED:
        return TENON_OK;
    case TENON_FUTURE_FAILED:
        return tenon_error_status(f->error);
    default:
        return TENON_CANCELLED;
    }
}

/* Where the value is, if `f` was resolved with one of this sort. */
static tenon_status look(tenon_future *f, bool number, const void *wanted,
                         tenon_future **out)
{
    tenon_status status =
        f && wanted ? tenon__check_thread(f->reactor) : TENON_INVALID;
    if (status < 0) {
        return status;
    }
    status = tenon__future_outcome(f);
    if (status == TENON_OK) {
        *out = origin_of(f);
        uint32_t flags = (*out)->flags;
        bool is_number = flags & TENON__FUTURE_INT;
        bool taken = flags & TENON__FUTURE_TAKEN;
        return is_number == number && !taken ? TENON_OK : TENON_INVALID;
    }
    if (status != TENON_NOT_DONE) {
        tenon__future_see(f);
    }
    return status;
}

tenon_status tenon_future_value(tenon_future *f, void **out)
{
    tenon_future *origin = NULL;
    tenon_status status = look(f, false, out, &origin);
    if (status == TENON_OK) {
        *out = origin->value.pointer;
    }
    return status;
}

tenon_status tenon_future_int(tenon_future *f, int64_t *out)
{
    tenon_future *origin = NULL;
    tenon_status status = look(f, true, out, &origin);
    if (status == TENON_OK) {
        *out = origin->value.number;
    }
    return status;
}

tenon_status tenon_future_take(tenon_future *f, void **out,
                               tenon_free_fn **free_value)
{
    tenon_future *origin = NULL;
    tenon_status status = look(f, false, out, &origin);
    if (status == TENON_OK) {
        *out = origin->value.pointer;
        if (free_value) {
            *free_value = origin->free_value;
        }
        origin->free_value = NULL;
        origin->flags |= TENON__FUTURE_TAKEN;
    }
    return status;
}

/* That of a cancelled one without a reason is made when somebody asks. */
tenon_error *tenon_future_error(tenon_future *f)
{
    if (!f || tenon__check_thread(f->reactor) < 0 ||
        f->state == TENON_FUTURE_PENDING || f->state == TENON_FUTURE_RESOLVED) {
        return NULL;
    }
    if (!f->error) {
        f->error = tenon__error(f->reactor, TENON_CANCELLED, NULL, NULL);
    }
    tenon__future_see(f);
    return f->error;
}
