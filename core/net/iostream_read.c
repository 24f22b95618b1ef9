/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Reads. What is there already is handed out; else the read waits in the
 * stream, and is completed by whatever comes. Nothing is taken before the
 * reader really has it: a task that is cancelled as its bytes arrive leaves
 * them in the stream.
 */

#include <string.h>

#include "net/iostream.h"

void tenon__iostream_kick(tenon_stream *s)
{
    tenon__read_op *op = s->op;
    if (!op) {
        return;
    }
    op->result = op->into_len > 0 ? (tenon__match){TENON_OK, 0, 0}
                                  : tenon__iostream_match(s, op);
    if (op->result.status != TENON_PENDING) {
        s->op = NULL;
        tenon__iostream_direct(s, false);
        op->done(op);
    }
}

static tenon_status check(const tenon_stream *s, const tenon_read *what)
{
    tenon_status status = s ? tenon__check_thread(s->reactor) : TENON_INVALID;
    if (status == TENON_OK) {
        status = tenon__read_check(what);
    }
    return status == TENON_OK && s->busy ? TENON_BUSY : status;
}

/* The bytes of a match, which are taken with the next read. */
static tenon_bytes view(tenon_stream *s, const tenon__match *m)
{
    tenon_bytes bytes = {tenon__iostream_data(s), m->len};
    if (m->status == TENON_OK) {
        s->viewed = m->len + m->skip;
    }
    s->has_view = m->len > 0;
    return bytes;
}

/* ---- by tasks ---- */

typedef struct task_read {
    tenon__wait wait; /* first */
    tenon__read_op op;
    tenon_stream *stream;
} task_read;

static bool cancel_read(tenon__wait *w, tenon_error *reason)
{
    task_read *read = (task_read *)(void *)w;
    (void)reason;
    read->stream->op = NULL;
    tenon__iostream_direct(read->stream, false);
    return true;
}

/* From so many bytes on a copy costs more than a second call of ours. */
enum { DIRECT_MIN = 4096 };

static const tenon__wait_kind for_bytes = {"bytes", cancel_read, NULL};

static void wake_reader(tenon__read_op *op)
{
    task_read *read = TENON__OF(op, task_read, op);
    (void)tenon__task_wake(read->wait.task, TENON_OK);
}

static tenon_status wait_for(task_read *read)
{
    tenon_stream *s = read->stream;
    read->op.done = wake_reader;
    read->wait.object = s;
    s->op = &read->op;
    bool direct = read->op.into && read->op.what->max >= DIRECT_MIN;
    if (direct) {
        tenon__iostream_direct(s, true);
    }
    tenon__iostream_flow(s);
    tenon_status status = tenon__task_wait(&read->wait);
    s->op = NULL;
    if (direct) {
        tenon__iostream_direct(s, false);
    }
    return status;
}

/* What went into the caller's memory is the caller's, though the task was
 * cancelled since: that comes with the next wait. */
static tenon_status read_begun(task_read *read)
{
    tenon_stream *s = read->stream;
    tenon__iostream_take(s);
    read->op.result = tenon__iostream_match(s, &read->op);
    if (read->op.result.status != TENON_PENDING) {
        return tenon__task_wait_free(read->wait.task, "tenon_stream_read");
    }
    tenon_status status = wait_for(read);
    if (status == TENON_CANCELLED && read->op.into_len > 0) {
        read->wait.task->must_cancel = true;
        status = TENON_OK;
    }
    return status;
}

/* A read was complete, and before the task ran the stream was closed, and with
 * it all forgotten. */
static void look_again(const tenon_stream *s, tenon__match *m)
{
    if (s->closed || s->failed) {
        *m = (tenon__match){tenon__iostream_end_status(s), 0, 0};
    }
}

static tenon_status read_by_task(task_read *read)
{
    tenon_stream *s = read->stream;
    tenon_status status =
        tenon__wait_begin(&read->wait, &for_bytes, "tenon_stream_read");
    if (status == TENON_OK) {
        s->busy = true;
        status = read_begun(read);
        s->busy = false;
        look_again(s, &read->op.result);
    }
    return status;
}

/* What the stream failed with is the task's error, too. */
static tenon_status outcome(const tenon_stream *s, const tenon__match *m)
{
    if (m->status < 0 && s->error && m->status == s->status) {
        return tenon_raise_error(s->error);
    }
    return m->status;
}

tenon_status tenon_stream_read_for(tenon_stream *s, const tenon_read *what,
                                   tenon_bytes *out)
{
    tenon_status status = check(s, what);
    if (status < 0 || !out) {
        return status < 0 ? status : TENON_INVALID;
    }
    task_read read = {.op.what = what, .stream = tenon_stream_ref(s)};
    *out = (tenon_bytes){NULL, 0};
    status = read_by_task(&read);
    if (status == TENON_OK) {
        *out = view(s, &read.op.result);
        status = outcome(s, &read.op.result);
        tenon__iostream_flow(s);
    }
    tenon_stream_unref(s);
    return status;
}

tenon_status tenon_stream_read_until(tenon_stream *s, const char *separator,
                                     size_t max, tenon_bytes *out)
{
    if (!separator) {
        return TENON_INVALID;
    }
    const tenon_bytes one = {separator, strlen(separator)};
    const tenon_read what = {.size = sizeof what,
                             .kind = TENON_READ_UNTIL,
                             .max = max,
                             .separators = &one,
                             .separator_count = 1};
    return tenon_stream_read_for(s, &what, out);
}

/* What lay in the stream already. */
static void copy_out(tenon_stream *s, const tenon__match *m, void *buffer,
                     size_t *got)
{
    if (m->status == TENON_OK && m->len > 0 && buffer) {
        memcpy(buffer, tenon__iostream_data(s), m->len);
        s->start += m->len;
        tenon__iostream_take(s);
    }
    *got = m->status == TENON_OK ? m->len : 0;
}

tenon_status tenon_stream_read_into(tenon_stream *s, void *buffer, size_t len,
                                    size_t *got)
{
    const tenon_read what = {
        .size = sizeof what, .kind = TENON_READ_SOME, .max = len};
    tenon_status status = check(s, &what);
    if (status < 0 || !got || (!buffer && len > 0)) {
        return status < 0 ? status : TENON_INVALID;
    }
    task_read read = {.op = {.what = &what, .into = buffer},
                      .stream = tenon_stream_ref(s)};
    *got = 0;
    status = read_by_task(&read);
    if (status == TENON_OK && read.op.into_len > 0) {
        *got = read.op.into_len;
    } else if (status == TENON_OK) {
        copy_out(s, &read.op.result, buffer, got);
        status = outcome(s, &read.op.result);
        tenon__iostream_flow(s);
    }
    tenon_stream_unref(s);
    return status;
}

/* ---- by futures ---- */

typedef struct future_read {
    tenon_future future; /* first: it is the block */
    tenon__read_op op;
    tenon_read what;
    tenon_stream *stream;
} future_read;

static void free_read(tenon_future *f)
{
    future_read *read = (future_read *)(void *)f;
    tenon_stream *s = read->stream;
    tenon_allocator allocator = f->reactor->allocator;
    tenon__free(&allocator, read, sizeof *read);
    tenon_stream_unref(s);
}

static const tenon__future_kind read_kind = {.name = "read", .free = free_read};

/* Also when its last reference goes: what nobody will look at takes nothing. */
static tenon_status forget_read(tenon_future *f, void *user)
{
    future_read *read = user;
    (void)f;
    read->stream->op = NULL;
    read->stream->busy = false;
    return TENON_OK;
}

/* A copy, which may outlive the reactor, so it knows whose memory it is. */
typedef struct chunk {
    tenon_bytes bytes; /* first: it is the value */
    tenon_allocator allocator;
    size_t len;
} chunk;

static void free_chunk(void *value)
{
    chunk *c = value;
    tenon_allocator allocator = c->allocator;
    tenon__free(&allocator, c, c->len);
}

static chunk *copy_of(const tenon_stream *s, size_t len)
{
    const tenon_allocator *allocator = &s->reactor->allocator;
    chunk *c = tenon__alloc(allocator, sizeof *c + len);
    if (c) {
        *c = (chunk){{c + 1, len}, *allocator, sizeof *c + len};
        if (len > 0) {
            memcpy(c + 1, tenon__iostream_data(s), len);
        }
    }
    return c;
}

static void resolve(future_read *read)
{
    tenon_stream *s = read->stream;
    const tenon__match *m = &read->op.result;
    chunk *copy = copy_of(s, m->len);
    if (!copy) {
        tenon__future_fail_status(&read->future, TENON_NO_MEMORY, NULL, NULL);
        return;
    }
    s->start += m->len + m->skip;
    tenon__iostream_take(s);
    tenon__future_set(&read->future, copy, free_chunk);
}

static void complete_future(tenon__read_op *op)
{
    future_read *read = TENON__OF(op, future_read, op);
    tenon_stream *s = read->stream;
    tenon_status status = op->result.status;
    s->busy = false;
    if (status == TENON_OK) {
        resolve(read);
    } else {
        bool own = s->error && status == s->status;
        tenon__future_fail_status(&read->future, status, NULL,
                                  own ? s->error : NULL);
    }
}

static void begin(future_read *read)
{
    tenon_stream *s = read->stream;
    s->busy = true;
    s->op = &read->op;
    tenon__iostream_take(s);
    tenon__iostream_kick(s);
    tenon__iostream_flow(s);
}

tenon_status tenon_stream_read_future(tenon_stream *s, const tenon_read *what,
                                      tenon_future **out)
{
    tenon_status status = check(s, what);
    if (status == TENON_OK) {
        status = out ? tenon__check(s->reactor) : TENON_INVALID;
    }
    if (status < 0) {
        return status;
    }
    future_read *read = tenon__alloc(&s->reactor->allocator, sizeof *read);
    if (!read) {
        return TENON_NO_MEMORY;
    }
    tenon__future_setup(&read->future, s->reactor, &read_kind, TENON_SITE);
    read->future.canceller = forget_read;
    read->future.canceller_user = read;
    read->what = *what;
    read->op = (tenon__read_op){.what = &read->what, .done = complete_future};
    read->stream = tenon_stream_ref(s);
    *out = &read->future;
    begin(read);
    return TENON_OK;
}
