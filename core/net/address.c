/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Addresses, from and to the kernel and as text. What endpoint.c reads, the
 * formatter here writes: dotted quads, IPv6 in brackets, plain ports, paths
 * with a backslash before what would end them.
 */

#include "net/address.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

enum { PATH_OFFSET = offsetof(struct sockaddr_un, sun_path) };

/* ---- reading ---- */

/* A copy of `len` bytes that can be a numeric address, or false. */
static bool copy_host(char out[INET6_ADDRSTRLEN], const char *text, size_t len)
{
    if (len == 0 || len >= INET6_ADDRSTRLEN || memchr(text, 0, len)) {
        return false;
    }
    memcpy(out, text, len);
    out[len] = '\0';
    return true;
}

static bool read_v6(tenon_address *out, const char *text, size_t len)
{
    char host[INET6_ADDRSTRLEN];
    out->as.v6.sin6_family = AF_INET6;
    out->len = sizeof out->as.v6;
    return len > 2 && text[len - 1] == ']' &&
           copy_host(host, text + 1, len - 2) &&
           inet_pton(AF_INET6, host, &out->as.v6.sin6_addr) == 1;
}

static bool read_v4(tenon_address *out, const char *text, size_t len)
{
    char host[INET6_ADDRSTRLEN];
    out->as.v4.sin_family = AF_INET;
    out->len = sizeof out->as.v4;
    return copy_host(host, text, len) &&
           inet_pton(AF_INET, host, &out->as.v4.sin_addr) == 1;
}

bool tenon__address_numeric(tenon_address *out, const char *host, size_t len)
{
    tenon_address address;
    memset(&address, 0, sizeof address);
    address.kind = TENON_ADDRESS_TCP;
    bool good = len > 0 && host[0] == '[' ? read_v6(&address, host, len)
                                          : read_v4(&address, host, len);
    if (good) {
        *out = address;
    }
    return good;
}

bool tenon__address_any(tenon_address *out, int family)
{
    return family == AF_INET6 ? tenon__address_numeric(out, "[::]", 4)
                              : tenon__address_numeric(out, "0.0.0.0", 7);
}

bool tenon__address_local(tenon_address *out, uint32_t kind, const char *name,
                          size_t len)
{
    bool abstract = len > 0 && name[0] == '\0';
    size_t room = sizeof out->as.local.sun_path - (abstract ? 0 : 1);
    if (len <= (abstract ? 1 : 0) || len > room ||
        (!abstract && memchr(name, 0, len))) {
        return false;
    }
    memset(out, 0, sizeof *out);
    out->kind = kind;
    out->as.local.sun_family = AF_UNIX;
    memcpy(out->as.local.sun_path, name, len);
    out->len = (socklen_t)(PATH_OFFSET + len + (abstract ? 0 : 1));
    return true;
}

void tenon__address_set_port(tenon_address *address, uint16_t port)
{
    if (address->as.any.sa_family == AF_INET6) {
        address->as.v6.sin6_port = htons(port);
    } else {
        address->as.v4.sin_port = htons(port);
    }
}

/* ---- writing ---- */

void tenon__text_put(tenon__text *to, const char *part, size_t len)
{
    if (to->used < to->len) {
        size_t room = to->len - to->used - 1;
        size_t step = len < room ? len : room;
        memcpy(to->text + to->used, part, step);
        to->text[to->used + step] = '\0';
    }
    to->used += len;
}

void tenon__text_quote(tenon__text *to, const char *part, size_t len,
                       bool begins)
{
    for (size_t i = 0; i < len; i++) {
        char c = part[i];
        if (c == '\0') {
            tenon__text_put(to, "\\0", 2);
            continue;
        }
        if (c == ':' || c == '\\' || (c == '@' && begins && i == 0)) {
            tenon__text_put(to, "\\", 1);
        }
        tenon__text_put(to, &c, 1);
    }
}

void tenon__text_number(tenon__text *to, const char *before, unsigned number)
{
    char digits[16];
    int len = snprintf(digits, sizeof digits, "%u", number);
    tenon__text_put(to, before, strlen(before));
    tenon__text_put(to, digits, (size_t)len);
}

void tenon__text_host(tenon__text *to, const tenon_address *address)
{
    char host[INET6_ADDRSTRLEN] = "";
    bool v6 = address->as.any.sa_family == AF_INET6;
    if (v6) {
        inet_ntop(AF_INET6, &address->as.v6.sin6_addr, host, sizeof host);
    } else {
        inet_ntop(AF_INET, &address->as.v4.sin_addr, host, sizeof host);
    }
    tenon__text_put(to, "[", v6);
    tenon__text_put(to, host, strlen(host));
    tenon__text_put(to, "]", v6);
}

/* A socket without a name has no path at all; the kernel does not end one
 * that fills its room; an abstract one begins with a NUL. */
static void put_local(tenon__text *to, const tenon_address *address)
{
    const char *path = address->as.local.sun_path;
    size_t room = address->len > PATH_OFFSET ? address->len - PATH_OFFSET : 0;
    if (room > 1 && path[0] == '\0') {
        tenon__text_put(to, "@", 1);
        tenon__text_quote(to, path + 1, room - 1, false);
    } else {
        tenon__text_quote(to, path, strnlen(path, room), true);
    }
}

void tenon__text_address(tenon__text *to, const tenon_address *address)
{
    switch (address->kind) {
    case TENON_ADDRESS_TCP:
        tenon__text_put(to, "tcp:", 4);
        tenon__text_host(to, address);
        tenon__text_number(to, ":", tenon_address_port(address));
        break;
    case TENON_ADDRESS_UNIX:
        tenon__text_put(to, "unix:", 5);
        put_local(to, address);
        break;
    case TENON_ADDRESS_MEMORY:
        tenon__text_put(to, "mem:", 4);
        put_local(to, address);
        break;
    default:
        break;
    }
}

size_t tenon_address_format(const tenon_address *address, char *text,
                            size_t len)
{
    tenon__text to = tenon__text_in(text, len);
    if (address) {
        tenon__text_address(&to, address);
    }
    return to.used;
}

uint16_t tenon_address_port(const tenon_address *address)
{
    if (!address || address->kind != TENON_ADDRESS_TCP) {
        return 0;
    }
    return ntohs(address->as.any.sa_family == AF_INET6
                     ? address->as.v6.sin6_port
                     : address->as.v4.sin_port);
}

tenon_status tenon__address_of(tenon_address *out, const struct sockaddr *from,
                               socklen_t len)
{
    bool tcp = (from->sa_family == AF_INET && len >= sizeof out->as.v4) ||
               (from->sa_family == AF_INET6 && len >= sizeof out->as.v6);
    bool local = from->sa_family == AF_UNIX && len <= sizeof out->as.local;
    if (!tcp && !local) {
        return TENON_NOT_SUPPORTED;
    }
    memset(out, 0, sizeof *out);
    out->kind = tcp ? TENON_ADDRESS_TCP : TENON_ADDRESS_UNIX;
    out->len = len;
    memcpy(&out->as, from, len);
    return TENON_OK;
}

tenon_status tenon__address_of_fd(tenon_address *out, int fd, bool peer)
{
    union {
        struct sockaddr any;
        struct sockaddr_storage room;
    } name;
    socklen_t len = sizeof name;
    memset(&name, 0, sizeof name);
    int result = peer ? getpeername(fd, &name.any, &len)
                      : getsockname(fd, &name.any, &len);
    if (result < 0) {
        return -errno;
    }
    return tenon__address_of(out, &name.any, len);
}
