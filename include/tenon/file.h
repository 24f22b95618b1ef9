/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Files, without waiting for the disk: each operation is work in an executor
 * (tenon/executor.h) and a future of what came of it. Operations on one file
 * may run at the same time and end in any order; those that depend on each
 * other wait for each other's futures.
 *
 * Cancelling: what has not begun is never done. What has begun goes on to the
 * end of a chunk of TENON_FILE_CHUNK bytes and stops there, with nobody told
 * how far it came, except that tenon_file_write_all leaves the old file or the
 * new one, and never a part. A file that was opened for a future that was
 * cancelled is closed again.
 *
 * All calls come from the reactor's thread. Errors of all: TENON_INVALID,
 * TENON_CLOSED, TENON_NO_MEMORY, TENON_LIMIT, TENON_WRONG_THREAD,
 * TENON_FORKED, for which nothing was done. Those of the system are the
 * future's: ENOENT, ENOSPC, EIO, ...
 */

#ifndef TENON_FILE_H
#define TENON_FILE_H

#include <sys/stat.h>
#include <sys/types.h>

#include <tenon/work.h>

/** An open file: opaque and counted. */
typedef struct tenon_file tenon_file;

/** What was read; the value of a future. Behind the last byte is a NUL that
 *  does not count. */
typedef struct tenon_file_data {
    uint32_t size;
    size_t len;       /**< of `data`; less than was asked for: the end */
    const char *data; /**< never NULL */
} tenon_file_data;

/** How a file is opened, read whole, or written whole. A field that is 0 or
 *  NULL has its default; so have all, with NULL in place of the struct. */
typedef struct tenon_file_options {
    uint32_t size;
    int flags;      /**< for open: O_RDONLY, O_CREAT, ...; O_CLOEXEC is added */
    mode_t mode;    /**< of a new file, less the umask; 0: 0666. Who replaces a
                      file leaves it the mode that it has */
    size_t len_max; /**< of tenon_file_read_all; 0: 1 GiB */
    tenon_executor *executor; /**< NULL: that of the reactor */
} tenon_file_options;

/** Offset that means: where the file is, and go on from there (read, write);
 *  for pipes and terminals, and for one operation at a time. */
#define TENON_FILE_CURRENT ((int64_t)-1)
/** Bytes between two looks whether it was cancelled. */
#define TENON_FILE_CHUNK ((size_t)1048576)
/** What tenon_file_read_all reads at most, unless set. */
#define TENON_FILE_LEN_DEFAULT ((size_t)1073741824)

TENON_BEGIN

/** Opens `path` (copied). The value is a tenon_file, of which the future has a
 *  reference: take it with tenon_future_take, or another by tenon_file_ref.
 *  Ownership: the caller holds one reference to `*out`; so for all below.
 *  Source: open(2). */
TENON_CHECKED TENON_API tenon_status
tenon_file_open(tenon_reactor *reactor, const char *path,
                const tenon_file_options *options, tenon_future **out);
/** NULL is legal. */
TENON_API tenon_file *tenon_file_ref(tenon_file *file);
/** Drops a reference. The last one closes the file, here or, if something is
 *  under way, in a thread. NULL is legal.
 *  Thread: any. */
TENON_API void tenon_file_unref(tenon_file *file);

/** Reads up to `len` bytes at `offset`, fewer only at the end, as a
 *  tenon_file_data. At TENON_FILE_CURRENT it may be what a pipe has.
 *  Errors: TENON_LIMIT for a `len` above SSIZE_MAX. */
TENON_CHECKED TENON_API tenon_status tenon_file_read(tenon_file *file,
                                                     size_t len, int64_t offset,
                                                     tenon_future **out);
/** Writes `len` bytes (copied) at `offset`, all of them. The value is the
 *  number `len`. */
TENON_CHECKED TENON_API tenon_status tenon_file_write(tenon_file *file,
                                                      const void *data,
                                                      size_t len,
                                                      int64_t offset,
                                                      tenon_future **out);
/** Has what was written brought to the disk; fsync(2). The number is 0. */
TENON_CHECKED TENON_API tenon_status tenon_file_sync(tenon_file *file,
                                                     tenon_future **out);
/** The value is a struct stat; fstat(2). */
TENON_CHECKED TENON_API tenon_status tenon_file_stat(tenon_file *file,
                                                     tenon_future **out);
/** Accepts nothing more (TENON_CLOSED), and closes the file when what is under
 *  way is over. The future then has the number 0, or what close(2) said.
 *  Cancelling it does not keep the file open. If it cannot begin, the file is
 *  as open as it was.
 *  Errors: TENON_CLOSED the second time. */
TENON_CHECKED TENON_API tenon_status tenon_file_close(tenon_file *file,
                                                      tenon_future **out);
/** Whether tenon_file_close was called. */
TENON_API bool tenon_file_is_closed(const tenon_file *file);

/** Reads all of `path`, as a tenon_file_data. What has no size of its own, as
 *  in /proc, is read to its end.
 *  Errors, of the future: TENON_LIMIT for more than len_max. */
TENON_CHECKED TENON_API tenon_status
tenon_file_read_all(tenon_reactor *reactor, const char *path,
                    const tenon_file_options *options, tenon_future **out);
/** Has `path` be a file with these `len` bytes (copied), at once and for good:
 *  they are written to a new file beside it, brought to the disk, and that is
 *  given the name. Who reads meanwhile has the old one or the new one, and so
 *  has who comes after a crash. The number is `len`. A symbolic link is
 *  replaced, not followed; the owner is who writes.
 *  On failure the old file is as it was, and the new one is removed. */
TENON_CHECKED TENON_API tenon_status tenon_file_write_all(
    tenon_reactor *reactor, const char *path, const void *data, size_t len,
    const tenon_file_options *options, tenon_future **out);

TENON_END

#endif
