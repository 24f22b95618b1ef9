/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Addresses: numeric, strict, no names and no shorthand. As text:
 * "tcp:127.0.0.1:80", "tcp:[::1]:80", "unix:/run/x.sock", "unix:@NAME" (in no
 * file), "mem:NAME". Paths and names write ":" and "\" with a "\" before it.
 * tenon/endpoint.h reads more: names, descriptors, options.
 */

#ifndef TENON_ADDRESS_H
#define TENON_ADDRESS_H

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <tenon/status.h>

/** What an address is of. */
enum tenon_address_kind {
    TENON_ADDRESS_NONE,
    TENON_ADDRESS_TCP,
    TENON_ADDRESS_UNIX,
    TENON_ADDRESS_MEMORY /**< the name is in `as.local.sun_path` */
};

/** An address, by value; any part of the program may copy it. */
typedef struct tenon_address {
    uint32_t kind; /**< enum tenon_address_kind */
    socklen_t len; /**< of the member of `as` that is in use */
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
        struct sockaddr_un local;
    } as; /**< by `kind`; the IP version by `as.any.sa_family` */
} tenon_address;

/** Enough for any address as text, with its end. */
#define TENON_ADDRESS_TEXT_LEN 256

TENON_BEGIN

/** Reads an address. Ports are 0 to 65535 in plain digits; paths that do not
 *  fit are refused, not cut.
 *  Thread: any. Errors: TENON_BAD_ADDRESS; TENON_INVALID for NULL. */
TENON_CHECKED TENON_API tenon_status tenon_address_parse(tenon_address *out,
                                                         const char *text);
/** Writes an address as tenon_address_parse reads it. Returns the length it
 *  would have needed. Thread: any. */
TENON_API size_t tenon_address_format(const tenon_address *address, char *text,
                                      size_t len);
/** The port of a TCP address, else 0. */
TENON_API uint16_t tenon_address_port(const tenon_address *address);

TENON_END

#endif
