/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Addresses as text. The grammar is as narrow as it can be, so that one
 * address has one spelling and nothing needs a resolver: dotted quads, IPv6 in
 * brackets, ports in plain digits, paths that fit. What the parser reads, the
 * formatter writes.
 */

#include "net/address.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

enum { PATH_OFFSET = offsetof(struct sockaddr_un, sun_path) };

/* Digits only: no sign, no space, no leading zero, nothing behind. */
static bool parse_port(const char *text, in_port_t *out)
{
    unsigned value = 0;
    size_t len = strlen(text);
    if (len == 0 || len > 5 || (text[0] == '0' && len > 1)) {
        return false;
    }
    for (; *text; text++) {
        if (*text < '0' || *text > '9') {
            return false;
        }
        value = value * 10 + (unsigned)(*text - '0');
    }
    if (value > UINT16_MAX) {
        return false;
    }
    *out = htons((uint16_t)value);
    return true;
}

/* Copies `len` bytes of host; false if they cannot be a numeric address. */
static bool copy_host(char out[INET6_ADDRSTRLEN], const char *text, size_t len)
{
    if (len == 0 || len >= INET6_ADDRSTRLEN) {
        return false;
    }
    memcpy(out, text, len);
    out[len] = '\0';
    return true;
}

static tenon_status parse_v6(tenon_address *out, const char *text)
{
    char host[INET6_ADDRSTRLEN];
    const char *end = strchr(text, ']');
    if (!end || end[1] != ':' ||
        !copy_host(host, text + 1, (size_t)(end - text) - 1) ||
        !parse_port(end + 2, &out->as.v6.sin6_port) ||
        inet_pton(AF_INET6, host, &out->as.v6.sin6_addr) != 1) {
        return TENON_BAD_ADDRESS;
    }
    out->as.v6.sin6_family = AF_INET6;
    out->len = sizeof out->as.v6;
    return TENON_OK;
}

static tenon_status parse_v4(tenon_address *out, const char *text)
{
    char host[INET6_ADDRSTRLEN];
    const char *end = strchr(text, ':');
    if (!end || !copy_host(host, text, (size_t)(end - text)) ||
        !parse_port(end + 1, &out->as.v4.sin_port) ||
        inet_pton(AF_INET, host, &out->as.v4.sin_addr) != 1) {
        return TENON_BAD_ADDRESS;
    }
    out->as.v4.sin_family = AF_INET;
    out->len = sizeof out->as.v4;
    return TENON_OK;
}

static tenon_status parse_tcp(tenon_address *out, const char *text)
{
    out->kind = TENON_ADDRESS_TCP;
    return text[0] == '[' ? parse_v6(out, text) : parse_v4(out, text);
}

static tenon_status parse_local(tenon_address *out, const char *text)
{
    size_t len = strlen(text);
    if (len == 0 || len >= sizeof out->as.local.sun_path) {
        return TENON_BAD_ADDRESS;
    }
    memcpy(out->as.local.sun_path, text, len + 1);
    out->as.local.sun_family = AF_UNIX;
    out->len = (socklen_t)(PATH_OFFSET + len + 1);
    return TENON_OK;
}

static tenon_status parse_unix(tenon_address *out, const char *text)
{
    out->kind = TENON_ADDRESS_UNIX;
    return text[0] == '@' ? TENON_NOT_SUPPORTED : parse_local(out, text);
}

static tenon_status parse_memory(tenon_address *out, const char *text)
{
    out->kind = TENON_ADDRESS_MEMORY;
    return parse_local(out, text);
}

tenon_status tenon_address_parse(tenon_address *out, const char *text)
{
    static const struct {
        const char *prefix;
        size_t len;
        tenon_status (*parse)(tenon_address *out, const char *text);
    } kinds[] = {
        {"tcp:", 4, parse_tcp},
        {"unix:", 5, parse_unix},
        {"mem:", 4, parse_memory},
    };
    if (!out || !text) {
        return TENON_INVALID;
    }
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (strncmp(text, kinds[i].prefix, kinds[i].len) == 0) {
            tenon_address address;
            memset(&address, 0, sizeof address);
            tenon_status status = kinds[i].parse(&address, text + kinds[i].len);
            if (status == TENON_OK) {
                *out = address;
            }
            return status;
        }
    }
    return TENON_BAD_ADDRESS;
}

static int format_tcp(const tenon_address *address, char *text, size_t len)
{
    char host[INET6_ADDRSTRLEN] = "";
    unsigned port = tenon_address_port(address);
    if (address->as.any.sa_family == AF_INET6) {
        inet_ntop(AF_INET6, &address->as.v6.sin6_addr, host, sizeof host);
        return snprintf(text, len, "tcp:[%s]:%u", host, port);
    }
    inet_ntop(AF_INET, &address->as.v4.sin_addr, host, sizeof host);
    return snprintf(text, len, "tcp:%s:%u", host, port);
}

/* A socket without a name has no path at all; the kernel does not end one
 * that fills its room; an abstract one begins with a NUL. */
static int format_local(const tenon_address *address, char *text, size_t len)
{
    const char *path = address->as.local.sun_path;
    const char *kind = address->kind == TENON_ADDRESS_UNIX ? "unix" : "mem";
    size_t room = address->len > PATH_OFFSET ? address->len - PATH_OFFSET : 0;
    bool abstract = room > 1 && path[0] == '\0';
    if (abstract) {
        path++;
        room--;
    }
    return snprintf(text, len, "%s:%s%.*s", kind, abstract ? "@" : "",
                    (int)strnlen(path, room), path);
}

size_t tenon_address_format(const tenon_address *address, char *text,
                            size_t len)
{
    int needed;
    switch (address ? address->kind : TENON_ADDRESS_NONE) {
    case TENON_ADDRESS_TCP:
        needed = format_tcp(address, text, len);
        break;
    case TENON_ADDRESS_UNIX:
    case TENON_ADDRESS_MEMORY:
        needed = format_local(address, text, len);
        break;
    default:
        needed = snprintf(text, len, "%s", "");
        break;
    }
    return needed < 0 ? 0 : (size_t)needed;
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
