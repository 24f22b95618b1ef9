/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Listening sockets. "All families" is a socket for each, with the same port:
 * where the kernel chooses it, IPv6 gets one first, and if that is taken on
 * IPv4, both try again. A family that the machine does not have is left out.
 */

#include "net/bind.h"

#include <fcntl.h>
#include <string.h>

#include "net/address.h"
#include "net/stream.h"

enum { BACKLOG = 1024, MODE = 0600, PORT_TRIES = 16 };

static void set_int(int fd, int level, int option, int value)
{
    (void)setsockopt(fd, level, option, &value, sizeof value);
}

static int get_int(int fd, int level, int option)
{
    int value = -1;
    socklen_t len = sizeof value;
    return getsockopt(fd, level, option, &value, &len) < 0 ? -errno : value;
}

void tenon__bound_fini(tenon_reactor *reactor, tenon__bound *bound)
{
    (void)tenon__unix_unlink(&bound->address, &bound->file);
    if (bound->fd >= 0 && !bound->adopted) {
        tenon__fd_close(reactor, NULL, bound->fd);
    }
    bound->fd = -1;
}

static tenon_status bind_tcp(tenon__bound *bound,
                             const tenon_listen_options *options)
{
    const tenon_address *address = &bound->address;
    set_int(bound->fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (options->reuse_port) {
        set_int(bound->fd, SOL_SOCKET, SO_REUSEPORT, 1);
    }
    if (address->as.any.sa_family == AF_INET6) {
        set_int(bound->fd, IPPROTO_IPV6, IPV6_V6ONLY, options->v6_only);
    }
    return bind(bound->fd, &address->as.any, address->len) < 0 ? -errno
                                                               : TENON_OK;
}

static tenon_status listen_at(tenon_reactor *reactor, tenon__bound *bound,
                              const tenon_listen_options *options)
{
    bool local = bound->address.kind == TENON_ADDRESS_UNIX;
    mode_t mode = options->unix_mode ? options->unix_mode : MODE;
    tenon_status status =
        local ? tenon__unix_bind(reactor, bound->fd, &bound->address, mode,
                                 &bound->file)
              : bind_tcp(bound, options);
    if (status < 0) {
        return status;
    }
    if (listen(bound->fd, options->backlog > 0 ? options->backlog : BACKLOG) <
        0) {
        return -errno;
    }
    return local ? TENON_OK
                 : tenon__address_of_fd(&bound->address, bound->fd, false);
}

static tenon_status bind_one(tenon_reactor *reactor,
                             const tenon_address *address,
                             const tenon_listen_options *options,
                             tenon__bound *out)
{
    tenon__bound bound = {.fd = -1, .address = *address};
    if (address->kind != TENON_ADDRESS_MEMORY) {
        bound.fd = tenon__stream_socket(address);
        if (bound.fd < 0) {
            return bound.fd;
        }
        tenon_status status = listen_at(reactor, &bound, options);
        if (status < 0) {
            tenon__bound_fini(reactor, &bound);
            return status;
        }
    }
    *out = bound;
    return TENON_OK;
}

/* ---- all families ---- */

static bool is_missing(tenon_status status)
{
    return status == -EAFNOSUPPORT || status == -EADDRNOTAVAIL ||
           status == -EPROTONOSUPPORT;
}

/* Both with one port, once. */
static int bind_both(tenon_reactor *reactor, uint16_t port,
                     const tenon_listen_options *options, tenon__bound *out)
{
    tenon_address address;
    (void)tenon__address_any(&address, AF_INET6);
    tenon__address_set_port(&address, port);
    tenon_status first = bind_one(reactor, &address, options, &out[0]);
    if (first < 0 && !is_missing(first)) {
        return first;
    }
    int count = first < 0 ? 0 : 1;
    port = count ? tenon_address_port(&out[0].address) : port;
    (void)tenon__address_any(&address, AF_INET);
    tenon__address_set_port(&address, port);
    tenon_status second = bind_one(reactor, &address, options, &out[count]);
    if (second == TENON_OK) {
        return count + 1;
    }
    if (count && !is_missing(second)) {
        tenon__bound_fini(reactor, &out[0]);
        count = 0;
    }
    return count ? count : second;
}

static int bind_any(tenon_reactor *reactor, uint16_t port,
                    const tenon_listen_options *options, tenon__bound *out)
{
    tenon_listen_options apart = *options;
    int tries = port ? 1 : PORT_TRIES;
    int result;
    apart.v6_only = true;
    do {
        result = bind_both(reactor, port, &apart, out);
    } while (result == -EADDRINUSE && --tries > 0);
    return result;
}

/* ---- adopted ones ---- */

static bool is_owned(const tenon_reactor *reactor, int fd)
{
    return (uint32_t)fd < reactor->poller.slot_count &&
           reactor->poller.slots[fd].owned;
}

static tenon_status adopt(tenon_reactor *reactor, int fd, tenon__bound *out)
{
    tenon__bound bound = {.fd = fd, .adopted = true};
    if (fd < 0 || get_int(fd, SOL_SOCKET, SO_TYPE) != SOCK_STREAM ||
        get_int(fd, SOL_SOCKET, SO_ACCEPTCONN) != 1 ||
        tenon__address_of_fd(&bound.address, fd, false) < 0) {
        return TENON_INVALID;
    }
    if (is_owned(reactor, fd)) {
        return TENON_OWNED;
    }
    int status_flags = fcntl(fd, F_GETFL);
    int fd_flags = fcntl(fd, F_GETFD);
    if (status_flags < 0 || fd_flags < 0 ||
        fcntl(fd, F_SETFL, status_flags | O_NONBLOCK) < 0 ||
        fcntl(fd, F_SETFD, fd_flags | FD_CLOEXEC) < 0) {
        return -errno;
    }
    *out = bound;
    return TENON_OK;
}

/* ---- what there is ---- */

static tenon_listen_options merge(const tenon_endpoint *endpoint,
                                  const tenon_listen_options *options)
{
    tenon_listen_options merged = *options;
    if (endpoint->given & TENON_ENDPOINT_BACKLOG) {
        merged.backlog = endpoint->backlog;
    }
    if (endpoint->given & TENON_ENDPOINT_REUSE_PORT) {
        merged.reuse_port = endpoint->reuse_port;
    }
    if (endpoint->given & TENON_ENDPOINT_MODE) {
        merged.unix_mode = endpoint->mode;
    }
    return merged;
}

int tenon__bind(tenon_reactor *reactor, const tenon_endpoint *endpoint,
                const tenon_listen_options *options,
                tenon__bound out[TENON__BOUND_MAX])
{
    const uint32_t of_clients = TENON_ENDPOINT_TIMEOUT | TENON_ENDPOINT_LOCAL;
    tenon_listen_options merged = merge(endpoint, options);
    tenon_status status = TENON_BAD_ADDRESS;
    if (endpoint->given & of_clients) {
        return status;
    }
    switch (endpoint->kind) {
    case TENON_ENDPOINT_ANY:
        return bind_any(reactor, endpoint->port, &merged, out);
    case TENON_ENDPOINT_ADDRESS:
        status = bind_one(reactor, &endpoint->address, &merged, out);
        break;
    case TENON_ENDPOINT_FD:
        status = adopt(reactor, endpoint->fd, out);
        break;
    default:
        break;
    }
    return status < 0 ? status : 1;
}
