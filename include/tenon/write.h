/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Writes that do not copy, and the ends of writes: memory that is given or
 * lent to a transport, files, descriptors, and the notice that all before it
 * is with the kernel. They keep one order with the plain writes, and the same
 * limits.
 *
 * What is owed for them (a completion, a free) comes exactly once, in the
 * order of the calls, at the end of a turn and never inside a call; after
 * close, abort, a loss or the end of the reactor too, always before
 * connection_lost. It is not called when the call itself failed.
 */

#ifndef TENON_WRITE_H
#define TENON_WRITE_H

#include <tenon/future.h>
#include <tenon/transport.h>

/** `status` is TENON_OK when the kernel has it all, else why it was dropped:
 *  what connection_lost will say, or TENON_CLOSED. */
typedef void tenon_written_fn(tenon_transport *transport, tenon_status status,
                              void *user);
/** Frees what was given. It may not call the transport. */
typedef void tenon_buffer_free_fn(void *buffer, size_t len, void *user);

/** "To the end of the file." */
#define TENON_TO_END SIZE_MAX
/** Takes, loans, files and notices that one transport holds at most. */
#define TENON_LOANS_MAX 65536
/** Descriptors that ride on one byte, and that one reading accepts. */
#define TENON_FDS_MAX 16

TENON_BEGIN

/** Sends bytes that were allocated, without copying them.
 *  Ownership: of `buffer`, when the status is not negative; `free_fn` (may be
 *  NULL) is then called with `user` once it was sent or dropped.
 *  Errors: as tenon_transport_write; TENON_LIMIT above TENON_LOANS_MAX. */
TENON_CHECKED TENON_API tenon_status
tenon_transport_write_take(tenon_transport *transport, void *buffer, size_t len,
                           tenon_buffer_free_fn *free_fn, void *user);
/** Sends bytes that stay the caller's, who keeps them as they are until
 *  `done` was called.
 *  Errors: as tenon_transport_write_take. */
TENON_CHECKED TENON_API tenon_status
tenon_transport_write_ref(tenon_transport *transport, const void *data,
                          size_t len, tenon_written_fn *done, void *user);
/** Tells when the kernel has all that was written before.
 *  Errors: TENON_CLOSED after close or loss (not after write_eof);
 *  TENON_LIMIT, TENON_NO_MEMORY, TENON_WRONG_THREAD, TENON_FORKED. */
TENON_CHECKED TENON_API tenon_status tenon_transport_on_flushed(
    tenon_transport *transport, tenon_written_fn *done, void *user);
/** The same as a future, which is resolved with 0 or fails with the status.
 *  Ownership: the caller holds one reference.
 *  Errors: as tenon_transport_on_flushed; TENON_INVALID. */
TENON_CHECKED TENON_API tenon_status
tenon_transport_flushed(tenon_transport *transport, tenon_future **out);
/** Sends `len` bytes of a file from `offset` on, which sendfile(2) does where
 *  it can. Later writes wait behind it. The file holds no memory, so it counts
 *  nothing to the write limits. `done` may be NULL. A file that gets shorter
 *  than the range meanwhile ends the connection with EIO.
 *  Ownership: none; `fd` may be closed at once.
 *  Errors: as tenon_transport_write_take; TENON_INVALID for anything but a
 *  regular file or a block device, or a range beyond its end; TENON_BUSY when
 *  a descriptor waits to ride on the next byte; EMFILE.
 *  Source: asyncio's loop.sendfile. */
TENON_CHECKED TENON_API tenon_status
tenon_transport_send_file(tenon_transport *transport, int fd, uint64_t offset,
                          size_t len, tenon_written_fn *done, void *user);
/** Sends a descriptor with the next byte that is written. The peer gets it, in
 *  fd_received, before that byte. Without a next byte it is not sent.
 *  Ownership: none; it is duplicated.
 *  Errors: TENON_NOT_SUPPORTED but for UNIX sockets; TENON_LIMIT above
 *  TENON_FDS_MAX for one byte; TENON_CLOSED, TENON_NO_MEMORY, EBADF, EMFILE. */
TENON_CHECKED TENON_API tenon_status
tenon_transport_send_fd(tenon_transport *transport, int fd);

TENON_END

#endif
