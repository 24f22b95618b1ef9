/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * The file of a listening UNIX socket.
 */

#ifndef TENON_NET_UNIX_H
#define TENON_NET_UNIX_H

#include <sys/types.h>

#include <tenon/address.h>

#include "loop/engine.h"

/* Which file it was when we made it. */
typedef struct tenon__socket_file {
    dev_t device;
    ino_t inode;
    bool made;
} tenon__socket_file;

/** Binds `fd` at the path of `address` with `mode`, replacing the file of a
 *  socket that nobody listens on. An abstract name has no file and no mode.
 *  Nothing is left behind on failure.
 *  Errors: TENON_IN_USE when somebody does; EADDRINUSE for any other file. */
tenon_status tenon__unix_bind(tenon_reactor *reactor, int fd,
                              const tenon_address *address, mode_t mode,
                              tenon__socket_file *out);
/** Removes the file, if it is still the one that was made. Errors: the
 *  system's; the file is then still there. */
tenon_status tenon__unix_unlink(const tenon_address *address,
                                tenon__socket_file *file);

#endif
