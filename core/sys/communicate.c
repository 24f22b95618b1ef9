/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Sending a process all of its input while all of its output is collected: the
 * transports do both at a time, so neither side can wait for the other.
 */

#include <string.h>
#include <unistd.h>

#include "async/future.h"
#include "net/transport.h"
#include "sys/process.h"

typedef struct text {
    char *bytes; /* with room for a NUL */
    size_t len;
    size_t room;
} text;

/* What becomes the value; both begin with what the user sees. */
typedef struct result {
    tenon_process_output output;
    tenon_allocator allocator;
    text texts[2]; /* of 1 and 2 */
} result;

typedef struct tenon__capture {
    tenon_process *process;
    tenon_future *future; /* a reference of ours */
    result *result;
} capture;

static void result_free(void *value)
{
    result *r = value;
    tenon_allocator allocator = r->allocator;
    for (int i = 0; i < 2; i++) {
        tenon__free(&allocator, r->texts[i].bytes, r->texts[i].room);
    }
    tenon__free(&allocator, r, sizeof *r);
}

/* Ownership: of its future and, unless that has it, of the result. */
static void let_go(capture *c)
{
    tenon_process *p = c->process;
    p->capture = NULL;
    if (c->result) {
        result_free(c->result);
    }
    tenon_future_unref(c->future);
    tenon__free(&p->reactor->allocator, c, sizeof *c);
}

/* ---- collecting ---- */

static tenon_status append(tenon_process *p, text *to, const void *data,
                           size_t len)
{
    size_t room = to->room ? to->room : 4096;
    if (len > p->output_max || to->len > p->output_max - len) {
        return TENON_LIMIT;
    }
    while (room <= to->len + len) {
        room *= 2; /* far below what a size_t holds */
    }
    if (room > to->room) {
        char *bytes =
            tenon__resize(&p->reactor->allocator, to->bytes, to->room, room);
        if (!bytes) {
            return TENON_NO_MEMORY;
        }
        to->bytes = bytes;
        to->room = room;
    }
    memcpy(to->bytes + to->len, data, len);
    to->len += len;
    to->bytes[to->len] = '\0';
    return TENON_OK;
}

static void fail(tenon_process *p, tenon_status status)
{
    tenon__future_fail_status(p->capture->future, status, "communicate", NULL);
    let_go(p->capture);
    (void)tenon_process_close(p);
    (void)tenon_process_kill(p);
}

bool tenon__capture_take(tenon_process *p, int fd, const void *data, size_t len)
{
    if (!p->capture || (fd != STDOUT_FILENO && fd != STDERR_FILENO)) {
        return false;
    }
    text *to = &p->capture->result->texts[fd - STDOUT_FILENO];
    tenon_status status = append(p, to, data, len);
    if (status < 0) {
        fail(p, status);
    }
    return true;
}

static const char *text_of(const text *from)
{
    return from->bytes ? from->bytes : "";
}

void tenon__capture_finish(tenon_process *p)
{
    capture *c = p->capture;
    if (!c) {
        return;
    }
    if (p->exit.status == TENON_CLOSED) {
        tenon__future_see(c->future);
        tenon__future_fail_status(c->future, TENON_CLOSED, "communicate", NULL);
    } else {
        result *r = c->result;
        r->output = (tenon_process_output){.size = sizeof r->output,
                                           .out_len = r->texts[0].len,
                                           .err_len = r->texts[1].len,
                                           .out = text_of(&r->texts[0]),
                                           .err = text_of(&r->texts[1]),
                                           .exit = p->exit};
        c->result = NULL;
        tenon__future_set(c->future, r, result_free);
    }
    let_go(c);
}

/* ---- public ---- */

/* The future was cancelled. */
static tenon_status on_cancel(tenon_future *future, void *user)
{
    capture *c = user;
    (void)future;
    let_go(c);
    return TENON_OK;
}

static capture *capture_new(tenon_process *p)
{
    const tenon_allocator *allocator = &p->reactor->allocator;
    capture *c = tenon__alloc(allocator, sizeof *c);
    result *r = c ? tenon__alloc(allocator, sizeof *r) : NULL;
    if (!r) {
        tenon__free(allocator, c, sizeof *c);
        return NULL;
    }
    r->allocator = *allocator;
    c->process = p;
    c->result = r;
    return c;
}

/* A child that is gone, or reads no more, is no failure. */
static tenon_status send_input(tenon_process *p, const void *input, size_t len)
{
    tenon_transport *to = tenon_process_pipe(p, STDIN_FILENO);
    tenon_status status = to ? tenon_transport_write(to, input, len) : TENON_OK;
    if (to && status >= 0) {
        status = tenon_transport_write_eof(to);
    }
    return status < 0 && status != TENON_CLOSED ? status : TENON_OK;
}

static bool has_pipe(const tenon_process *p, int fd)
{
    for (uint32_t i = 0; i < p->pipe_count; i++) {
        if (p->pipes[i].fd == fd) {
            return true;
        }
    }
    return false;
}

static tenon_status check(const tenon_process *p, const void *input, size_t len)
{
    tenon_status status = tenon__check(p->reactor);
    if (status < 0) {
        return status;
    }
    if (p->state == TENON__PROCESS_GONE || p->closing) {
        return TENON_CLOSED;
    }
    if (len > 0 && (!input || !has_pipe(p, STDIN_FILENO))) {
        return TENON_INVALID;
    }
    return p->capture ? TENON_BUSY : TENON_OK;
}

tenon_status tenon_process_communicate(tenon_process *p, const void *input,
                                       size_t len, tenon_future **out)
{
    tenon_future *future = NULL;
    tenon_status status = out ? check(p, input, len) : TENON_INVALID;
    capture *c = status == TENON_OK ? capture_new(p) : NULL;
    if (status < 0 || !c) {
        return status < 0 ? status : TENON_NO_MEMORY;
    }
    status = tenon_future_new_at(p->reactor, &future, "communicate");
    c->future = tenon_future_ref(future);
    p->capture = c;
    if (status == TENON_OK) {
        status = send_input(p, input, len);
    }
    if (status == TENON_OK) {
        status = tenon_future_set_canceller(future, on_cancel, c);
    }
    if (status < 0) {
        let_go(c);
        tenon_future_unref(future);
        return status;
    }
    *out = future;
    return TENON_OK;
}
