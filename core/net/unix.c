/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * UNIX socket files outlive their sockets, so whoever listens next must tell
 * a stale file from a live one: it tries to connect. The mode is set before
 * the file exists (the kernel takes it from the socket and subtracts the
 * umask, which is the process's and not ours to change) and once more after
 * it, so the file is never open to more people than asked for.
 */

#include "net/unix.h"

#include <sys/stat.h>
#include <unistd.h>

/* Whether a socket at `address` has nobody behind it. */
static tenon_status probe(tenon_reactor *reactor, const tenon_address *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -errno;
    }
    int result = connect(fd, &address->as.any, address->len);
    bool stale = result < 0 && (errno == ECONNREFUSED || errno == ENOENT);
    tenon__fd_close(reactor, NULL, fd);
    return stale ? TENON_OK : TENON_IN_USE;
}

static tenon_status clear_path(tenon_reactor *reactor,
                               const tenon_address *address)
{
    const char *path = address->as.local.sun_path;
    struct stat found;
    if (lstat(path, &found) < 0) {
        return errno == ENOENT ? TENON_OK : -errno;
    }
    if (!S_ISSOCK(found.st_mode)) {
        return -EADDRINUSE;
    }
    tenon_status status = probe(reactor, address);
    if (status == TENON_OK && unlink(path) < 0 && errno != ENOENT) {
        status = -errno;
    }
    return status;
}

/* A name without a file goes with its socket: whoever has it is alive. */
static tenon_status bind_abstract(int fd, const tenon_address *address)
{
    if (bind(fd, &address->as.any, address->len) == 0) {
        return TENON_OK;
    }
    return errno == EADDRINUSE ? TENON_IN_USE : -errno;
}

tenon_status tenon__unix_bind(tenon_reactor *reactor, int fd,
                              const tenon_address *address, mode_t mode,
                              tenon__socket_file *out)
{
    const char *path = address->as.local.sun_path;
    struct stat made;
    if (path[0] == '\0') {
        return bind_abstract(fd, address);
    }
    tenon_status status = clear_path(reactor, address);
    if (status < 0) {
        return status;
    }
    if (fchmod(fd, mode) < 0 || bind(fd, &address->as.any, address->len) < 0) {
        return -errno;
    }
    if (lstat(path, &made) < 0) {
        status = -errno;
        (void)unlink(path);
        return status;
    }
    *out = (tenon__socket_file){made.st_dev, made.st_ino, true};
    if (chmod(path, mode) < 0) {
        status = -errno;
        (void)tenon__unix_unlink(address, out);
    }
    return status;
}

tenon_status tenon__unix_unlink(const tenon_address *address,
                                tenon__socket_file *file)
{
    tenon_status status = TENON_OK;
    const char *path = address->as.local.sun_path;
    struct stat found = {0};
    if (file->made) {
        status = lstat(path, &found) < 0 ? -errno : TENON_OK;
        bool ours = found.st_dev == file->device && found.st_ino == file->inode;
        if (status == TENON_OK && ours && unlink(path) < 0) {
            status = -errno;
        }
    }
    file->made = false;
    return status == -ENOENT ? TENON_OK : status; /* somebody else did it */
}
