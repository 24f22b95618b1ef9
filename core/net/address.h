/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * What core/net needs of addresses beyond the public part: those of sockets,
 * and the pieces that endpoints are read and written with.
 */

#ifndef TENON_NET_ADDRESS_H
#define TENON_NET_ADDRESS_H

#include <tenon/address.h>

/** An address as the kernel gave it. Errors: TENON_NOT_SUPPORTED. */
tenon_status tenon__address_of(tenon_address *out, const struct sockaddr *from,
                               socklen_t len);
/** That of a socket: its own, or its peer's. */
tenon_status tenon__address_of_fd(tenon_address *out, int fd, bool peer);

/** A TCP address with port 0 from "1.2.3.4" or "[::1]"; false if it is not. */
bool tenon__address_numeric(tenon_address *out, const char *host, size_t len);
/** That of every interface. */
bool tenon__address_any(tenon_address *out, int family);
/** A UNIX or memory address; one that begins with a zero byte is abstract.
 *  False if it does not fit. */
bool tenon__address_local(tenon_address *out, uint32_t kind, const char *name,
                          size_t len);
void tenon__address_set_port(tenon_address *address, uint16_t port);

/* A text that is cut where its room ends, but counted whole. */
typedef struct tenon__text {
    char *text;
    size_t len;
    size_t used;
} tenon__text;

static inline tenon__text tenon__text_in(char *text, size_t len)
{
    tenon__text to = {text, len, 0};
    if (len) {
        text[0] = '\0';
    }
    return to;
}
void tenon__text_put(tenon__text *to, const char *part, size_t len);
/** With a backslash before what would end it, and before an "@" if it `begins`
 *  a path. */
void tenon__text_quote(tenon__text *to, const char *part, size_t len,
                       bool begins);
void tenon__text_number(tenon__text *to, const char *before, unsigned number);
void tenon__text_host(tenon__text *to, const tenon_address *address);
void tenon__text_address(tenon__text *to, const tenon_address *address);

#endif
