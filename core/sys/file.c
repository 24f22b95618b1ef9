/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Files that are open. What threads use is a counted descriptor: the handle
 * holds it, and so does each operation, so the number is closed when nobody
 * can use it any more, by whoever is last. Closing by tenon_file_close tells of
 * that by a promise. Files that are read or written whole are in whole.c.
 */

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include <tenon/promise.h>

#include "sys/executor.h"
#include "sys/file.h"

typedef struct descriptor {
    atomic_uint refs; /* of the handle, of each operation, of the closing */
    int fd;
    tenon_promise *closed; /* whom to tell, or NULL */
} descriptor;

struct tenon_file {
    atomic_uint refs;
    tenon__works *works;      /* by which to know whether it has ended */
    tenon_executor *executor; /* NULL: the reactor's */
    descriptor *descriptor;   /* NULL: closed */
};

/* An operation, and what it works on. */
typedef struct operation {
    descriptor *on;
    int64_t offset;
    size_t len;
    size_t block_len;
    char data[]; /* of a write */
} operation;

/* ---- descriptors ---- */

static void descriptor_unref(descriptor *d)
{
    if (atomic_fetch_sub_explicit(&d->refs, 1, memory_order_acq_rel) > 1) {
        return;
    }
    int result = close(d->fd) < 0 && errno != EINTR ? -errno : 0;
    if (d->closed && result < 0) {
        tenon_error *error = tenon_error_of(result, NULL);
        (void)tenon_promise_fail(d->closed, error);
        tenon_error_unref(error);
    } else if (d->closed) {
        (void)tenon_promise_resolve_int(d->closed, 0);
    }
    tenon_promise_unref(d->closed);
    tenon__free(&tenon__malloc, d, sizeof *d);
}

static descriptor *descriptor_ref(descriptor *d)
{
    atomic_fetch_add_explicit(&d->refs, 1, memory_order_relaxed);
    return d;
}

/* ---- handles ---- */

tenon_file *tenon_file_ref(tenon_file *file)
{
    if (file) {
        atomic_fetch_add_explicit(&file->refs, 1, memory_order_relaxed);
    }
    return file;
}

void tenon_file_unref(tenon_file *file)
{
    if (file &&
        atomic_fetch_sub_explicit(&file->refs, 1, memory_order_acq_rel) == 1) {
        if (file->descriptor) {
            descriptor_unref(file->descriptor);
        }
        tenon_executor_unref(file->executor);
        tenon__works_unref(file->works);
        tenon__free(&tenon__malloc, file, sizeof *file);
    }
}

static void file_free(void *file)
{
    tenon_file_unref(file);
}

bool tenon_file_is_closed(const tenon_file *file)
{
    return !file->descriptor;
}

static tenon_status check(const tenon_file *file, tenon_future *const *out)
{
    tenon_reactor *r = file && out ? tenon__works_reactor(file->works) : NULL;
    tenon_status status = r             ? tenon__check(r)
                          : file && out ? TENON_CLOSED
                                        : TENON_INVALID;
    return status == TENON_OK && !file->descriptor ? TENON_CLOSED : status;
}

/* ---- opening ---- */

typedef struct opening {
    tenon_file *file; /* until it is the work's value */
    int flags;
    mode_t mode;
    size_t block_len;
    char path[];
} opening;

static void opening_free(void *user)
{
    opening *o = user;
    tenon_file_unref(o->file);
    tenon__free(&tenon__malloc, o, o->block_len);
}

static tenon_status run_open(tenon_work *work, void *user)
{
    opening *o = user;
    descriptor *d = tenon__alloc(&tenon__malloc, sizeof *d);
    if (!d) {
        return TENON_NO_MEMORY;
    }
    atomic_init(&d->refs, 1);
    d->fd = tenon__file_open(o->path, o->flags, o->mode);
    if (d->fd < 0) {
        tenon_status status = d->fd;
        tenon__free(&tenon__malloc, d, sizeof *d);
        return status;
    }
    o->file->descriptor = d;
    tenon_work_set_value(work, o->file, file_free);
    o->file = NULL;
    return TENON_OK;
}

static opening *opening_new(tenon_reactor *r, const char *path,
                            const tenon_file_options *options)
{
    size_t path_len = strlen(path) + 1;
    size_t len = sizeof(opening) + path_len;
    tenon__works *works = tenon__works_of(r);
    tenon_file *file =
        works ? tenon__alloc(&tenon__malloc, sizeof *file) : NULL;
    opening *o = file ? tenon__alloc(&tenon__malloc, len) : NULL;
    if (!o) {
        tenon__free(&tenon__malloc, file, sizeof *file);
        return NULL;
    }
    atomic_init(&file->refs, 1);
    file->works = tenon__works_ref(works);
    file->executor = tenon_executor_ref(options->executor);
    o->file = file;
    o->flags = options->flags;
    o->mode = options->mode;
    o->block_len = len;
    memcpy(o->path, path, path_len);
    return o;
}

tenon_status tenon__file_call(tenon_reactor *r, tenon_executor *executor,
                              const char *name, tenon_work_fn *fn, void *user,
                              tenon_free_fn *free_user, tenon_future **out)
{
    const tenon_work_options options = {.size = sizeof options,
                                        .fn = fn,
                                        .user = user,
                                        .free_user = free_user,
                                        .name = name};
    if (!user) {
        return TENON_NO_MEMORY;
    }
    tenon_status status = tenon_call_in_with(r, executor, &options, out);
    if (status < 0) {
        free_user(user);
    }
    return status;
}

tenon_status tenon_file_open(tenon_reactor *r, const char *path,
                             const tenon_file_options *options,
                             tenon_future **out)
{
    tenon_file_options chosen;
    tenon_status status = tenon__check(r);
    if (status < 0 || !path || !out) {
        return status < 0 ? status : TENON_INVALID;
    }
    tenon__file_choose(&chosen, options);
    opening *o = opening_new(r, path, &chosen);
    return tenon__file_call(r, chosen.executor, "open", run_open, o,
                            opening_free, out);
}

/* ---- operations ---- */

static operation *operation_new(const tenon_file *file, const void *data,
                                size_t data_len)
{
    operation *o = NULL;
    size_t len = sizeof *o + data_len;
    if (len >= data_len) {
        o = tenon__alloc(&tenon__malloc, len);
    }
    if (o) {
        o->on = descriptor_ref(file->descriptor);
        o->block_len = len;
        o->len = data_len;
        if (data_len > 0) {
            memcpy(o->data, data, data_len);
        }
    }
    return o;
}

static void operation_free(void *user)
{
    operation *o = user;
    descriptor_unref(o->on);
    tenon__free(&tenon__malloc, o, o->block_len);
}

static tenon_status call(const tenon_file *file, const char *name,
                         tenon_work_fn *fn, operation *o, tenon_future **out)
{
    return tenon__file_call(tenon__works_reactor(file->works), file->executor,
                            name, fn, o, operation_free, out);
}

static tenon_status run_read(tenon_work *work, void *user)
{
    const operation *o = user;
    tenon__file_bytes *bytes = tenon__file_bytes_new(o->len);
    if (!bytes) {
        return TENON_NO_MEMORY;
    }
    tenon_status status = tenon__file_read(work, o->on->fd, bytes->bytes,
                                           o->len, o->offset, &bytes->data.len);
    return tenon__file_give(work, bytes, status);
}

tenon_status tenon_file_read(tenon_file *file, size_t len, int64_t offset,
                             tenon_future **out)
{
    tenon_status status = check(file, out);
    if (status < 0 || offset < TENON_FILE_CURRENT || len > SSIZE_MAX) {
        return status < 0        ? status
               : len > SSIZE_MAX ? TENON_LIMIT
                                 : TENON_INVALID;
    }
    operation *o = operation_new(file, NULL, 0);
    if (o) {
        o->len = len;
        o->offset = offset;
    }
    return call(file, "read", run_read, o, out);
}

static tenon_status run_write(tenon_work *work, void *user)
{
    const operation *o = user;
    tenon_status status =
        tenon__file_write(work, o->on->fd, o->data, o->len, o->offset);
    tenon_work_set_int(work, (int64_t)o->len);
    return status;
}

tenon_status tenon_file_write(tenon_file *file, const void *data, size_t len,
                              int64_t offset, tenon_future **out)
{
    tenon_status status = check(file, out);
    if (status < 0 || offset < TENON_FILE_CURRENT || (!data && len > 0)) {
        return status < 0 ? status : TENON_INVALID;
    }
    operation *o = operation_new(file, data, len);
    if (o) {
        o->offset = offset;
    }
    return call(file, "write", run_write, o, out);
}

static tenon_status run_sync(tenon_work *work, void *user)
{
    const operation *o = user;
    tenon_work_set_int(work, 0);
    return tenon__file_sync(o->on->fd);
}

tenon_status tenon_file_sync(tenon_file *file, tenon_future **out)
{
    tenon_status status = check(file, out);
    return status < 0 ? status
                      : call(file, "fsync", run_sync,
                             operation_new(file, NULL, 0), out);
}

static tenon_status run_stat(tenon_work *work, void *user)
{
    const operation *o = user;
    struct stat *found = tenon_block_new(NULL, sizeof *found);
    if (!found) {
        return TENON_NO_MEMORY;
    }
    tenon_work_set_value(work, found, tenon_block_free);
    return fstat(o->on->fd, found) < 0 ? -errno : TENON_OK;
}

tenon_status tenon_file_stat(tenon_file *file, tenon_future **out)
{
    tenon_status status = check(file, out);
    return status < 0 ? status
                      : call(file, "fstat", run_stat,
                             operation_new(file, NULL, 0), out);
}

/* ---- closing ---- */

/* By then the handle has let go, so that this, or the last operation that is
 * under way, closes the descriptor. */
static tenon_status run_close(tenon_work *work, void *user)
{
    (void)work;
    (void)user;
    return TENON_OK;
}

tenon_status tenon_file_close(tenon_file *file, tenon_future **out)
{
    tenon_promise *promise = NULL;
    tenon_future *closed = NULL;
    tenon_future *work = NULL;
    tenon_status status = check(file, out);
    if (status == TENON_OK) {
        status = tenon_promise_new_at(tenon__works_reactor(file->works),
                                      &promise, &closed, "close");
    }
    if (status < 0) {
        return status;
    }
    /* Set before a thread may be the last, and taken back on failure. */
    descriptor *d = file->descriptor;
    d->closed = promise;
    status =
        call(file, "close", run_close, operation_new(file, NULL, 0), &work);
    if (status < 0) {
        d->closed = NULL;
        (void)tenon_future_cancel(closed, NULL);
        tenon_future_unref(closed);
        tenon_promise_unref(promise);
        return status;
    }
    tenon__future_see(work); /* dropped or done: the promise tells */
    tenon_future_unref(work);
    file->descriptor = NULL;
    descriptor_unref(d);
    *out = closed;
    return TENON_OK;
}
