/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Files that are open (file.c), files that are read or written whole
 * (whole.c), and the calls of the system that both make in threads.
 */

#ifndef TENON_SYS_FILE_H
#define TENON_SYS_FILE_H

#include <tenon/file.h>

#include "loop/engine.h"

/* What a tenon_file_data is at the beginning of. */
typedef struct tenon__file_bytes {
    tenon_file_data data;
    size_t room;
    char bytes[];
} tenon__file_bytes;

/** The options with all defaults. */
void tenon__file_choose(tenon_file_options *chosen,
                        const tenon_file_options *options);
/** Work on `user` (NULL: there was no memory for it), which is freed if it
 *  does not come to be. */
tenon_status tenon__file_call(tenon_reactor *reactor, tenon_executor *executor,
                              const char *name, tenon_work_fn *fn, void *user,
                              tenon_free_fn *free_user, tenon_future **out);

/* ---- in threads: a status, or what the system said ---- */

/** A descriptor, or -errno. */
int tenon__file_open(const char *path, int flags, mode_t mode);
/** Reads until `len` bytes, the end, or what a pipe has. `*got` is set on
 *  success. */
tenon_status tenon__file_read(tenon_work *work, int fd, void *to, size_t len,
                              int64_t offset, size_t *got);
tenon_status tenon__file_write(tenon_work *work, int fd, const void *from,
                               size_t len, int64_t offset);
tenon_status tenon__file_sync(int fd);

/** Room for `room` bytes and a NUL. NULL without memory. */
tenon__file_bytes *tenon__file_bytes_new(size_t room);
/** More room; NULL without memory, and it is then as it was. */
tenon__file_bytes *tenon__file_bytes_resize(tenon__file_bytes *bytes,
                                            size_t room);
void tenon__file_bytes_free(void *bytes);
/** Makes it the work's value, without the room that is not needed; on failure
 *  frees it. Returns `status`. */
tenon_status tenon__file_give(tenon_work *work, tenon__file_bytes *bytes,
                              tenon_status status);

#endif
