/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * What is owed for writes. A loan stands in the write queue where its bytes
 * do; once they are sent or dropped it moves to the `done` queue, which is
 * told, in order, at the end of the turn, or before connection_lost. A loan is
 * allocated before anything is sent, so that a call that failed took nothing.
 */

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/transport.h"

/* NULL if `status` is a failure, or becomes one. */
static tenon__loan *loan_new(tenon_transport *t, enum tenon__chunk_kind kind,
                             tenon_status *status)
{
    if (*status < 0) {
        return NULL;
    }
    tenon__extra *extra = tenon__transport_extra(t);
    if (extra && extra->loans >= TENON_LOANS_MAX) {
        *status = TENON_LIMIT;
        return NULL;
    }
    tenon__loan *loan =
        extra ? tenon__alloc(&t->reactor->allocator, sizeof *loan) : NULL;
    if (!loan) {
        *status = TENON_NO_MEMORY;
        return NULL;
    }
    loan->chunk.kind = kind;
    loan->fd = -1;
    extra->loans++;
    return loan;
}

/* Tells nobody. */
static void loan_free(tenon_transport *t, tenon__loan *loan)
{
    if (loan->fd >= 0) {
        tenon__fd_close(t->reactor, NULL, loan->fd);
    }
    t->extra->loans--;
    tenon__free(&t->reactor->allocator, loan, sizeof *loan);
}

static void tell(tenon_transport *t, const tenon__loan *loan)
{
    tenon__frame frame;
    if (!loan->done && !loan->free) {
        return;
    }
    tenon__transport_enter(t, &frame, "write completion");
    if (loan->done) {
        loan->done(t, loan->status, loan->user);
    } else {
        loan->free(loan->chunk.bytes, loan->len, loan->user);
    }
    tenon__frame_leave(t->reactor, &frame);
    tenon__transport_leave(t);
}

void tenon__transport_settle_loans(tenon_transport *t)
{
    tenon__queue due = {0};
    tenon_transport_ref(t);
    /* What becomes due in these calls waits for the next turn. */
    tenon__queue_splice(&due, &t->extra->done);
    do {
        tenon__loan *loan;
        while ((loan = tenon__queue_pop_loan(&due)) != NULL) {
            tenon__loan copy = *loan;
            loan_free(t, loan);
            tell(t, &copy);
        }
        if (t->state == TENON__GONE) {
            tenon__queue_splice(&due, &t->extra->done);
        }
    } while (due.first);
    tenon_transport_unref(t);
}

/* ---- public ---- */

static tenon_status enqueue_bytes(tenon_transport *t, tenon__loan *loan,
                                  const void *data, size_t len)
{
    struct iovec part = {(void *)data, len};
    loan->chunk.bytes = part.iov_base;
    loan->chunk.end = len;
    loan->len = len;
    tenon_status status = tenon__transport_enqueue(t, &part, 1, loan);
    if (status < 0) {
        loan_free(t, loan);
    }
    return status;
}

/* A loan of no bytes: behind all that waits, or due now. */
static void enqueue_mark(tenon_transport *t, tenon__loan *loan)
{
    bool waits = t->queue.first != NULL;
    tenon__queue_add_loan(waits ? &t->queue : &t->extra->done, loan);
    if (!waits && t->made) {
        tenon__late_push(t->reactor, &t->late);
    }
}

static tenon_status may_write(const tenon_transport *t)
{
    tenon_status status = tenon__check(t->reactor);
    bool closed = t->state != TENON__OPENED || t->eof_asked;
    if (status == TENON_OK && closed) {
        return TENON_CLOSED;
    }
    return status == TENON_OK && tenon__transport_in_tap(t) ? TENON_BUSY
                                                            : status;
}

static tenon_status write_loan(tenon_transport *t, const void *data, size_t len,
                               tenon_written_fn *done,
                               tenon_buffer_free_fn *free_fn, void *user)
{
    tenon_status status = may_write(t);
    if (status == TENON_OK && !data && len > 0) {
        status = TENON_INVALID;
    }
    tenon__loan *loan = loan_new(t, TENON__LOANED, &status);
    if (!loan) {
        return status;
    }
    loan->done = done;
    loan->free = free_fn;
    loan->user = user;
    if (len > 0) {
        return enqueue_bytes(t, loan, data, len);
    }
    loan->chunk.bytes = (char *)data;
    enqueue_mark(t, loan);
    return TENON_OK;
}

tenon_status tenon_transport_write_take(tenon_transport *t, void *buffer,
                                        size_t len,
                                        tenon_buffer_free_fn *free_fn,
                                        void *user)
{
    return write_loan(t, buffer, len, NULL, free_fn, user);
}

tenon_status tenon_transport_write_ref(tenon_transport *t, const void *data,
                                       size_t len, tenon_written_fn *done,
                                       void *user)
{
    return done ? write_loan(t, data, len, done, NULL, user) : TENON_INVALID;
}

tenon_status tenon_transport_on_flushed(tenon_transport *t,
                                        tenon_written_fn *done, void *user)
{
    tenon_status status = tenon__check(t->reactor);
    if (status == TENON_OK && t->state > TENON__CLOSING) {
        status = TENON_CLOSED;
    }
    if (status == TENON_OK && !done) {
        status = TENON_INVALID;
    }
    tenon__loan *loan = loan_new(t, TENON__LOANED, &status);
    if (!loan) {
        return status;
    }
    loan->done = done;
    loan->user = user;
    enqueue_mark(t, loan);
    return TENON_OK;
}

static void complete(tenon_transport *t, tenon_status status, void *user)
{
    tenon_future *future = user;
    if (status == TENON_OK) {
        (void)tenon_future_try_resolve_int(future, 0);
    } else {
        tenon_error *error = tenon__error(t->reactor, status, "writing", NULL);
        (void)tenon_future_try_fail(future, error);
        tenon_error_unref(error);
    }
    tenon_future_unref(future);
}

tenon_status tenon_transport_flushed(tenon_transport *t, tenon_future **out)
{
    tenon_future *future;
    if (!out) {
        return TENON_INVALID;
    }
    tenon_status status = tenon_future_new(t->reactor, &future);
    if (status < 0) {
        return status;
    }
    status = tenon_transport_on_flushed(t, complete, tenon_future_ref(future));
    if (status < 0) {
        tenon_future_unref(future); /* that of the notice */
        tenon_future_unref(future);
        return status;
    }
    *out = future;
    return TENON_OK;
}

/* ---- files ---- */

static tenon_status file_size(int fd, uint64_t *out)
{
    struct stat info;
    if (fstat(fd, &info) < 0) {
        return -errno;
    }
    if (S_ISREG(info.st_mode)) {
        *out = (uint64_t)info.st_size;
        return TENON_OK;
    }
    if (!S_ISBLK(info.st_mode)) {
        return TENON_INVALID;
    }
    off_t end = lseek(fd, 0, SEEK_END);
    *out = end > 0 ? (uint64_t)end : 0;
    return end < 0 ? -errno : TENON_OK;
}

/* Its own duplicate, so that the caller's may go. */
static tenon_status set_fd(tenon__loan *loan, int fd)
{
    loan->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    return loan->fd < 0 ? -errno : TENON_OK;
}

static tenon_status check_file(const tenon_transport *t, int fd,
                               uint64_t offset, size_t *len)
{
    uint64_t size = 0;
    tenon_status status = may_write(t);
    if (status == TENON_OK && t->extra && t->extra->riders.first) {
        status = TENON_BUSY;
    }
    if (status == TENON_OK) {
        status = file_size(fd, &size);
    }
    if (status < 0) {
        return status;
    }
    if (offset > size) {
        return TENON_INVALID;
    }
    uint64_t left = size - offset;
    if (*len == TENON_TO_END) {
        *len = (size_t)left;
    }
    return *len <= left ? TENON_OK : TENON_INVALID;
}

tenon_status tenon_transport_send_file(tenon_transport *t, int fd,
                                       uint64_t offset, size_t len,
                                       tenon_written_fn *done, void *user)
{
    tenon_status status = check_file(t, fd, offset, &len);
    enum tenon__chunk_kind kind = len > 0 ? TENON__FILE : TENON__LOANED;
    tenon__loan *loan = loan_new(t, kind, &status);
    if (!loan) {
        return status;
    }
    loan->done = done;
    loan->user = user;
    if (len == 0) {
        enqueue_mark(t, loan);
        return TENON_OK;
    }
    loan->chunk.begin = (size_t)offset;
    loan->chunk.end = (size_t)offset + len;
    status = set_fd(loan, fd);
    if (status == TENON_OK) {
        status = tenon__transport_enqueue(t, NULL, 0, loan);
    }
    if (status < 0) {
        loan_free(t, loan);
    }
    return status;
}

/* ---- descriptors ---- */

static size_t count_of(const tenon__queue *riders)
{
    int fds[TENON_FDS_MAX];
    return tenon__queue_riders(riders, fds, TENON_FDS_MAX);
}

tenon_status tenon_transport_send_fd(tenon_transport *t, int fd)
{
    tenon_status status = may_write(t);
    if (status == TENON_OK && !t->ops->send_fds) {
        status = TENON_NOT_SUPPORTED;
    }
    if (status == TENON_OK && t->extra &&
        count_of(&t->extra->riders) == TENON_FDS_MAX) {
        status = TENON_LIMIT;
    }
    tenon__loan *loan = loan_new(t, TENON__RIDER, &status);
    if (!loan) {
        return status;
    }
    status = set_fd(loan, fd);
    if (status < 0) {
        loan_free(t, loan);
        return status;
    }
    tenon__queue_add_loan(&t->extra->riders, loan);
    return TENON_OK;
}
