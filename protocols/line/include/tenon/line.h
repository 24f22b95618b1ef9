/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * Lines over a transport: the bytes between two delimiters, whatever the
 * chunks they come in, and raw bytes in between where a protocol has those.
 *
 *   static tenon_status hello(void *self, tenon_line *line, const char *text,
 *                             size_t len);
 *   static const tenon_line_ops ops = { .size = sizeof ops,
 *                                       .line_received = hello };
 *   tenon_line_init(&mine->line, &ops, mine, NULL);
 *   *out = tenon_line_protocol(&mine->line);      in a tenon_build_fn
 *
 * To pause, pause the transport: what has been received already waits with
 * it. Nothing is allocated but for a line that is not complete yet, or waits.
 * Source: Twisted's LineReceiver.
 */

#ifndef TENON_LINE_H
#define TENON_LINE_H

#include <tenon/transport.h>

typedef struct tenon_line tenon_line;

/** What the lines mean: a table, usually static const. Any slot may be NULL. A
 *  negative status aborts the connection with it. */
typedef struct tenon_line_ops {
    uint32_t size;    /**< sizeof(tenon_line_ops) */
    const char *name; /**< for reports; may be NULL */
    /** The connection is there; tenon_line_transport is it from now on. */
    tenon_status (*connection_made)(void *self, tenon_line *line);
    /** A line without its delimiter, and without a NUL; borrowed. */
    tenon_status (*line_received)(void *self, tenon_line *line,
                                  const char *text, size_t len);
    /** Bytes after tenon_line_set_raw; borrowed. */
    tenon_status (*raw_received)(void *self, tenon_line *line, const void *data,
                                 size_t len);
    /** A line is longer than max_len; these are its first max_len + 1 bytes.
     *  TENON_KEEP_OPEN goes on with the next line; anything else closes, and
     *  without this slot the connection is aborted with TENON_LIMIT. */
    tenon_status (*line_length_exceeded)(void *self, tenon_line *line,
                                         const char *text, size_t len);
    /** As in tenon_protocol_ops; a line that is not complete is dropped. */
    tenon_status (*eof_received)(void *self, tenon_line *line);
    /** The last call; `line` may be freed in it. */
    tenon_status (*connection_lost)(void *self, tenon_line *line,
                                    const tenon_error *error);
    /** As in tenon_protocol_ops. */
    tenon_status (*pause_writing)(void *self, tenon_line *line);
    /** As in tenon_protocol_ops. */
    tenon_status (*resume_writing)(void *self, tenon_line *line);
} tenon_line_ops;

/** The longest delimiter. */
#define TENON_LINE_DELIMITER_MAX 8
/** The longest line, unless set. */
#define TENON_LINE_MAX_DEFAULT ((size_t)65536)

/** How lines are told apart. */
typedef struct tenon_line_options {
    uint32_t size;         /**< sizeof(tenon_line_options) */
    const char *delimiter; /**< copied; NULL: "\r\n" */
    size_t delimiter_len;  /**< 1 to TENON_LINE_DELIMITER_MAX; 0: 2 */
    size_t max_len;        /**< without the delimiter; 0: 64 KiB */
} tenon_line_options;

/** In memory of the caller's, usually inside of what `self` is, until
 *  connection_lost is called. */
struct tenon_line {
    /* Private: */
    const tenon_line_ops *ops;
    void *self;
    tenon_transport *transport;
    char *buffer;
    size_t capacity;
    size_t begin; /* of what is held in buffer */
    size_t end;
    const char *at; /* what is being looked at, held or not */
    size_t left;
    size_t scanned; /* of it, for a delimiter */
    size_t raw_len; /* of the raw bytes that are being delivered */
    size_t max_len;
    char delimiter[TENON_LINE_DELIMITER_MAX];
    uint8_t delimiter_len;
    bool raw;
    bool skipping; /* the rest of a line that was too long */
};

TENON_BEGIN

/** Prepares a line protocol. `options` may be NULL. Needs no undoing.
 *  Errors: TENON_INVALID. */
TENON_CHECKED TENON_API tenon_status
tenon_line_init(tenon_line *line, const tenon_line_ops *ops, void *self,
                const tenon_line_options *options);
/** What a factory gives to the transport. */
TENON_API tenon_protocol tenon_line_protocol(tenon_line *line);
/** NULL before connection_made. Borrowed. */
TENON_API tenon_transport *tenon_line_transport(const tenon_line *line);

/** Writes a line and its delimiter.
 *  Errors: as tenon_transport_writev; TENON_INVALID before connection_made. */
TENON_API tenon_status tenon_line_send(tenon_line *line, const char *text,
                                       size_t len);
/** From now on bytes are raw, those of this chunk too. */
TENON_API void tenon_line_set_raw(tenon_line *line);
/** Lines again. Within raw_received, the last `rest_len` of its bytes are
 *  looked at as lines then; elsewhere it is 0.
 *  Errors: TENON_INVALID when there were not so many. */
TENON_API tenon_status tenon_line_set_lines(tenon_line *line, size_t rest_len);
/** The longest line from now on; 0: 64 KiB. */
TENON_API void tenon_line_set_max_len(tenon_line *line, size_t max_len);
/** Gives the connection, with all that has not been delivered, to another
 *  protocol (tenon_transport_set_protocol alone would leave that, and the
 *  line's memory, behind). The line is the caller's memory again, once the callback in which
 *  this is called has returned.
 *  Errors: as tenon_transport_set_protocol and tenon_transport_unread. */
TENON_CHECKED TENON_API tenon_status
tenon_line_set_protocol(tenon_line *line, tenon_protocol protocol);

TENON_END

#endif
