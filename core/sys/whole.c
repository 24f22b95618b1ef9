/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Files that are read or written whole, and the calls of the system. All but
 * the last functions run in threads, where waiting is what one is there for.
 */

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "sys/file.h"

enum { FIRST_ROOM = 4096, NAMES_MAX = 100, SUFFIX_LEN = 32 };

/* ---- calls of the system ---- */

int tenon__file_open(const char *path, int flags, mode_t mode)
{
    int fd;
    do {
        fd = open(path, flags | O_CLOEXEC, mode);
    } while (fd < 0 && errno == EINTR);
    return fd < 0 ? -errno : fd;
}

static size_t chunk_of(size_t len)
{
    return len < TENON_FILE_CHUNK ? len : TENON_FILE_CHUNK;
}

tenon_status tenon__file_read(tenon_work *work, int fd, void *to, size_t len,
                              int64_t offset, size_t *got)
{
    size_t done = 0;
    while (done < len) {
        if (tenon_work_is_cancelled(work)) {
            return TENON_CANCELLED;
        }
        size_t chunk = chunk_of(len - done);
        char *at = (char *)to + done;
        ssize_t n = offset < 0
                        ? read(fd, at, chunk)
                        : pread(fd, at, chunk, (off_t)offset + (off_t)done);
        if (n < 0 && errno != EINTR) {
            return -errno;
        }
        done += n > 0 ? (size_t)n : 0;
        if (n == 0 || (n > 0 && offset < 0 && (size_t)n < chunk)) {
            break;
        }
    }
    *got = done;
    return TENON_OK;
}

tenon_status tenon__file_write(tenon_work *work, int fd, const void *from,
                               size_t len, int64_t offset)
{
    size_t done = 0;
    while (done < len) {
        if (tenon_work_is_cancelled(work)) {
            return TENON_CANCELLED;
        }
        size_t chunk = chunk_of(len - done);
        const char *at = (const char *)from + done;
        ssize_t n = offset < 0
                        ? write(fd, at, chunk)
                        : pwrite(fd, at, chunk, (off_t)offset + (off_t)done);
        if (n < 0 && errno != EINTR) {
            return -errno;
        }
        done += n > 0 ? (size_t)n : 0;
    }
    return TENON_OK;
}

tenon_status tenon__file_sync(int fd)
{
    int result;
    do {
        result = fsync(fd);
    } while (result < 0 && errno == EINTR);
    return result < 0 ? -errno : TENON_OK;
}

/* ---- bytes ---- */

tenon__file_bytes *tenon__file_bytes_resize(tenon__file_bytes *bytes,
                                            size_t room)
{
    size_t head = sizeof *bytes + 1;
    size_t old_len = bytes ? head + bytes->room : 0;
    tenon__file_bytes *more =
        room > SIZE_MAX - head
            ? NULL
            : tenon__resize(&tenon__malloc, bytes, old_len, head + room);
    if (more) {
        more->room = room;
    }
    return more;
}

tenon__file_bytes *tenon__file_bytes_new(size_t room)
{
    tenon__file_bytes *bytes = tenon__file_bytes_resize(NULL, room);
    if (bytes) {
        bytes->data = (tenon_file_data){.size = sizeof bytes->data};
    }
    return bytes;
}

void tenon__file_bytes_free(void *bytes)
{
    const tenon__file_bytes *block = bytes;
    if (block) {
        tenon__free(&tenon__malloc, bytes, sizeof *block + 1 + block->room);
    }
}

tenon_status tenon__file_give(tenon_work *work, tenon__file_bytes *bytes,
                              tenon_status status)
{
    if (status < 0) {
        tenon__file_bytes_free(bytes);
        return status;
    }
    if (bytes->data.len < bytes->room) {
        tenon__file_bytes *less =
            tenon__file_bytes_resize(bytes, bytes->data.len);
        bytes = less ? less : bytes;
    }
    bytes->bytes[bytes->data.len] = '\0';
    bytes->data.data = bytes->bytes;
    tenon_work_set_value(work, bytes, tenon__file_bytes_free);
    return TENON_OK;
}

/* ---- one whole file ---- */

typedef struct whole {
    tenon_file_options options;
    size_t block_len;
    size_t len; /* of what is to be written */
    char *path; /* behind this, as is `data` */
    char *data;
} whole;

static whole *whole_new(const char *path, const tenon_file_options *options,
                        const void *data, size_t data_len)
{
    size_t path_len = strlen(path) + 1;
    size_t len = sizeof(whole) + path_len + data_len;
    whole *w = len > data_len ? tenon__alloc(&tenon__malloc, len) : NULL;
    if (w) {
        tenon__file_choose(&w->options, options);
        w->block_len = len;
        w->len = data_len;
        w->path = (char *)(w + 1);
        w->data = w->path + path_len;
        memcpy(w->path, path, path_len);
        if (data_len > 0) {
            memcpy(w->data, data, data_len);
        }
    }
    return w;
}

static void whole_free(void *user)
{
    whole *w = user;
    tenon__free(&tenon__malloc, w, w->block_len);
}

/* One byte more than there should be: so the end is seen, or too much is. */
static size_t first_room(int fd, size_t len_max)
{
    struct stat found;
    size_t room = FIRST_ROOM;
    if (fstat(fd, &found) == 0 && S_ISREG(found.st_mode) && found.st_size > 0) {
        room = (uint64_t)found.st_size < len_max ? (size_t)found.st_size + 1
                                                 : len_max + 1;
    }
    return room;
}

static tenon_status read_to_end(tenon_work *work, int fd, size_t len_max,
                                tenon__file_bytes **bytes)
{
    tenon_status status = TENON_OK;
    size_t got = 1;
    while (status == TENON_OK && got > 0) {
        tenon__file_bytes *b = *bytes;
        if (b->data.len == b->room) {
            b = tenon__file_bytes_resize(b, b->room * 2);
            if (!b) {
                return TENON_NO_MEMORY;
            }
            *bytes = b;
        }
        status =
            tenon__file_read(work, fd, b->bytes + b->data.len,
                             b->room - b->data.len, TENON_FILE_CURRENT, &got);
        b->data.len += status == TENON_OK ? got : 0;
        if (b->data.len > len_max) {
            status = TENON_LIMIT;
        }
    }
    return status;
}

static tenon_status run_read_all(tenon_work *work, void *user)
{
    const whole *w = user;
    int fd = tenon__file_open(w->path, O_RDONLY, 0);
    if (fd < 0) {
        return fd;
    }
    tenon__file_bytes *bytes =
        tenon__file_bytes_new(first_room(fd, w->options.len_max));
    tenon_status status =
        bytes ? read_to_end(work, fd, w->options.len_max, &bytes)
              : TENON_NO_MEMORY;
    close(fd);
    return tenon__file_give(work, bytes, status);
}

/* ---- written whole ---- */

static size_t folder_len(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? (size_t)(slash - path) + 1 : 0;
}

/* A file beside `path` that was not there; its name, to be freed, in `name`. */
static int open_beside(const whole *w, char *name, size_t name_len)
{
    size_t folder = folder_len(w->path);
    struct timespec now;
    int fd = -EEXIST;
    memcpy(name, w->path, folder);
    for (int i = 0; i < NAMES_MAX && fd == -EEXIST; i++) {
        clock_gettime(CLOCK_REALTIME, &now);
        snprintf(name + folder, name_len - folder, ".tenon-%x-%x-%x",
                 (unsigned)getpid(), (unsigned)now.tv_nsec, (unsigned)i);
        fd = tenon__file_open(name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW,
                              w->options.mode);
    }
    return fd;
}

static tenon_status fill(tenon_work *work, const whole *w, int fd)
{
    struct stat before;
    if (lstat(w->path, &before) == 0 && S_ISREG(before.st_mode) &&
        fchmod(fd, before.st_mode & 07777) < 0) {
        return -errno;
    }
    tenon_status status =
        tenon__file_write(work, fd, w->data, w->len, TENON_FILE_CURRENT);
    return status < 0 ? status : tenon__file_sync(fd);
}

/* So that the name is there after a crash. A file system without this, or a
 * folder that may not be read, is no failure. */
static tenon_status sync_folder(char *name, size_t folder)
{
    name[folder] = '\0';
    int fd = tenon__file_open(folder ? name : ".", O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0) {
        return TENON_OK;
    }
    tenon_status status = tenon__file_sync(fd);
    close(fd);
    return status == -EINVAL ? TENON_OK : status;
}

static tenon_status replace(tenon_work *work, const whole *w, char *name,
                            size_t name_len)
{
    int fd = open_beside(w, name, name_len);
    if (fd < 0) {
        return fd;
    }
    tenon_status status = fill(work, w, fd);
    if (close(fd) < 0 && errno != EINTR && status == TENON_OK) {
        status = -errno;
    }
    if (status == TENON_OK && tenon_work_is_cancelled(work)) {
        status = TENON_CANCELLED;
    }
    if (status == TENON_OK && rename(name, w->path) < 0) {
        status = -errno;
    }
    if (status < 0) {
        unlink(name);
        return status;
    }
    return sync_folder(name, folder_len(w->path));
}

static tenon_status run_write_all(tenon_work *work, void *user)
{
    const whole *w = user;
    size_t name_len = folder_len(w->path) + SUFFIX_LEN + 8;
    char *name = tenon__alloc(&tenon__malloc, name_len);
    if (!name) {
        return TENON_NO_MEMORY;
    }
    tenon_status status = replace(work, w, name, name_len);
    tenon__free(&tenon__malloc, name, name_len);
    tenon_work_set_int(work, (int64_t)w->len);
    return status;
}

/* ---- the reactor's thread ---- */

void tenon__file_choose(tenon_file_options *chosen,
                        const tenon_file_options *options)
{
    *chosen = (tenon_file_options){.size = sizeof *chosen};
    if (options) {
        memcpy(chosen, options,
               options->size < sizeof *chosen ? options->size : sizeof *chosen);
    }
    if (chosen->mode == 0) {
        chosen->mode = 0666;
    }
    if (chosen->len_max == 0) {
        chosen->len_max = TENON_FILE_LEN_DEFAULT;
    }
}

tenon_status tenon_file_read_all(tenon_reactor *r, const char *path,
                                 const tenon_file_options *options,
                                 tenon_future **out)
{
    tenon_status status = tenon__check(r);
    if (status < 0 || !path || !out) {
        return status < 0 ? status : TENON_INVALID;
    }
    whole *w = whole_new(path, options, NULL, 0);
    return tenon__file_call(r, w ? w->options.executor : NULL, "read file",
                            run_read_all, w, whole_free, out);
}

tenon_status tenon_file_write_all(tenon_reactor *r, const char *path,
                                  const void *data, size_t len,
                                  const tenon_file_options *options,
                                  tenon_future **out)
{
    tenon_status status = tenon__check(r);
    if (status < 0 || !path || !out || (!data && len > 0)) {
        return status < 0 ? status : TENON_INVALID;
    }
    whole *w = whole_new(path, options, data, len);
    return tenon__file_call(r, w ? w->options.executor : NULL, "write file",
                            run_write_all, w, whole_free, out);
}
