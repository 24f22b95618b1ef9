/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Endpoints: where to listen or connect, as people write it.
 *
 *   tcp:127.0.0.1:80  tcp:[::1]:80   a numeric address
 *   tcp:example.org:80               a name, for connecting
 *   tcp:*:80  tcp::80                all families, for listening
 *   unix:/run/x                      a path
 *   "unix:@NAME"                     a name that is in no file
 *   fd:3                             a listening socket that is open already
 *   mem:NAME                         inside this reactor, without sockets
 *
 * Options follow, as ":key=value": backlog=N and reuse_port=0|1 (tcp, unix and
 * fd where they apply), mode=OCTAL (unix), timeout=SECONDS (tcp, unix) and
 * local=HOST (tcp). A backslash before ":" or "\" makes it a plain character,
 * before "@" at the beginning of a path too; "\0" is a zero byte of an
 * abstract name. Everything else is refused: one thing has one spelling.
 */

#ifndef TENON_ENDPOINT_H
#define TENON_ENDPOINT_H

#include <tenon/address.h>

/** The longest host name, with the dot at its end; a label has 63 at most. */
#define TENON_NAME_MAX 254
/** Enough for any endpoint as text, with its end. */
#define TENON_ENDPOINT_TEXT_LEN 512

/** What an endpoint is. */
enum tenon_endpoint_kind {
    TENON_ENDPOINT_NONE,    /**< nothing: zeroed memory */
    TENON_ENDPOINT_ADDRESS, /**< `address` */
    TENON_ENDPOINT_ANY,     /**< TCP, every family, at `port` */
    TENON_ENDPOINT_NAME,    /**< TCP, `name` and `port` */
    TENON_ENDPOINT_FD       /**< `fd` */
};

/** Which options there are. */
enum tenon_endpoint_option {
    TENON_ENDPOINT_BACKLOG = 1,    /**< `backlog` */
    TENON_ENDPOINT_REUSE_PORT = 2, /**< `reuse_port` */
    TENON_ENDPOINT_MODE = 4,       /**< `mode` */
    TENON_ENDPOINT_TIMEOUT = 8,    /**< `timeout_ns` */
    TENON_ENDPOINT_LOCAL = 16      /**< `local` */
};

/** An endpoint that was read. */
typedef struct tenon_endpoint {
    uint32_t kind;                 /**< enum tenon_endpoint_kind */
    uint32_t given;                /**< enum tenon_endpoint_option */
    tenon_address address;         /**< of TENON_ENDPOINT_ADDRESS */
    char name[TENON_NAME_MAX + 1]; /**< of TENON_ENDPOINT_NAME, else "" */
    bool reuse_port;               /**< option: share the port */
    uint16_t port;                 /**< of TCP */
    int fd;                        /**< of TENON_ENDPOINT_FD, else -1 */
    int backlog;                   /**< option: of a listener */
    uint32_t mode;                 /**< option: of a UNIX socket's file */
    int64_t timeout_ns;            /**< option: of a connector */
    tenon_address local;           /**< option: of a connector, with port 0 */
} tenon_endpoint;

TENON_BEGIN

/** Reads an endpoint. Names are checked, never cut and not looked up; one
 *  whose last label is a number is a bad address, not a name.
 *  Thread: any. Errors: TENON_BAD_ADDRESS; TENON_INVALID for NULL. */
TENON_CHECKED TENON_API tenon_status tenon_endpoint_parse(tenon_endpoint *out,
                                                          const char *text);
/** Writes an endpoint as tenon_endpoint_parse reads it. Returns the length it
 *  would have needed. Thread: any. */
TENON_API size_t tenon_endpoint_format(const tenon_endpoint *endpoint,
                                       char *text, size_t len);
/** Writes `argument` so that it stands for itself inside of an endpoint: a
 *  path, or a value. Returns the length it would have needed. Thread: any. */
TENON_API size_t tenon_endpoint_quote(const char *argument, char *text,
                                      size_t len);
/** Whether this is a host name in good order: letters, digits, "-" and "_" in
 *  labels of 1 to 63, 253 in all, one dot more at the end. Thread: any. */
TENON_API bool tenon_name_is_valid(const char *name);

TENON_END

#endif
